# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# # 07 · Playable video: buttons that nobody labelled
#
# *Menapace, Lathuilière, Tulyakov, Siarohin, Ricci: Playable Video Generation. CVPR 2021,
# [arXiv:2101.12195](https://arxiv.org/abs/2101.12195); the model is called CADDY.*
#
# **After this lecture you can**
#
# 1. say what an action is that nobody named, and from which clips it can be learned;
# 2. write the loss that keeps actions from collapsing, and find out what else is needed;
# 3. measure whether a learned action means something, without fooling yourself.
#
# **You need** PyTorch tensors, convolutional and recurrent networks, entropy, and lecture 00. The clips
# come from two Atari games, which an emulator plays on your machine at their first use, and from a
# rendered robot arm.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Until now somebody's movement drove somebody else's picture; today you press a button."
# Ask: "If you watch a game for ten minutes without seeing the controller, how do you find out which
# buttons it has?"

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Plan
#
# | minutes | part | kind | begins with |
# |---|---|---|---|
# | 7 | the question, a result to play with, the data | discuss | The question of the day |
# | 7 | what an action is | explain | An action that nobody named |
# | 6 | four networks | explain | Four networks |
# | 6 | poses, directions, variability | explain | The action space |
# | 6 | exercise 07.1 | exercise | Exercise 07.1 · Direction and variability |
# | 5 | directions of real steps | discuss | Nine islands |
# | 6 | two readings of one action | explain | Seen twice |
# | 7 | exercise 07.2 | exercise | Exercise 07.2 · The mutual information as a loss |
# | 9 | collapse and its cure, live | discuss | Collapse, live |
# | 8 | what it took here, and what does the work | explain | What finds actions in minutes |
# | 9 | does an action mean something? | discuss | Does an action mean something? |
# | 4 | between two actions | discuss | Between two actions |
# | 4 | failures | discuss | Where it fails |
# | 6 | world models, misuse, summary | discuss | From playable video to world models |
#
# **If late:** leave out "A sample that has a gradient", "Who listens?" and "Between two actions", and give
# exercise 07.2 as homework. Do not leave out "Collapse, live" and "Does an action mean something?".
#
# Exercises 07.3, 07.4, 07.5 and the open task are homework; they stand at the end.

# %% slideshow={"slide_type": "skip"} tags=["parameters", "hide-input"]
PROFILE = None  # "smoke", "lecture" or "full"; None asks the variable AIDAGEN_PROFILE
SEED = 7

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
import inspect

import torch
from IPython.display import Markdown, display

from aidagen import evaluation
from aidagen.lectures.playable_video import figures, graphs, judging, showcase, toy
from aidagen.models.playable import actions as playable_actions
from aidagen.teaching import check, compute, ledger, lesson, plots, predict, quiz
from aidagen.teaching.watching import Watch
from aidagen.widgets.playground import Playground

_ = torch.set_grad_enabled(False)  # only the live training below turns gradients on
lesson = lesson.start("07", PROFILE, seed=SEED, device="cpu")  # the models are small
CLIPS = lesson.pick(3, 8, 24)

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## The question of the day
#
# **Objective.** See the task: clips go in, and a world comes out that has buttons.
#
# One frame of Breakout, three actions, each held for eight steps. The model painted everything but the
# first frame. **Nobody told it what "left" means**, nor that there is a paddle.

# %% alt="A film with three pictures of the game Breakout, which begin alike: in one the paddle goes left, in one it stays, in one it goes right." slideshow={"slide_type": "fragment"} tags=["hide-input"] tour=true
figures.film("breakout", CLIPS, steps=lesson.pick(3, 8))

# %% [markdown] slideshow={"slide_type": "fragment"}
# The names were given afterwards. The first frame is that of the test clip of **median** error.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Three buttons, one beginning, and nobody ever labelled a clip." Ask: "What else should
# happen in these pictures, and does not?" (The ball is gone. We come back to that.) The rules of choice
# are in `showcase.py`.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Take the controller
#
# Hold an arrow key, a number or a button. On the right runs the real game, which is told what your button
# stands for. Tennis and the robot arm have nine actions.

# %% alt="A playground: a game as the model paints it, the real game beside it, one button for each action, a map of the action space, and how often each action was taken." tags=["nbval-ignore-output"]
playground = Playground({w.title: showcase.world(data) for data, w in showcase.WORLDS.items()})
playground

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "I hold the arrow to the left; the picture on the left is painted, the other one is real."
# Ask: "Who wants to play? Find something that the real game does and ours does not." (The ball.) Switch to
# Tennis: the player becomes a blur, and it obeys, until it walks out of the picture (press Reset). One
# button there does nothing sensible; the plot "Nine islands" will show why. The robot arm was rendered, so no
# real one can run beside it; its picture dissolves within some ten steps, since the model learned from clips
# of six: press Reset often.

# %% [markdown] slideshow={"slide_type": "skip"}
# Nine actions of Tennis, from one first frame, arranged as a compass. Two pictures do not do what stands
# above them.

# %% alt="A film with nine pictures of a tennis player in a court, which begin alike and are arranged as a compass: in most of them the player, who is blurred, walks the way in which the picture lies." slideshow={"slide_type": "skip"} tags=["hide-input"]
figures.film("tennis", CLIPS, steps=lesson.pick(3, 8))

# %% [markdown] slideshow={"slide_type": "skip"}
# The same for the robot arm, whose nine actions were found in every third frame. The arm goes where its
# picture lies, and soon leaves the frame. The cube and the pattern of the table fade: no action tells
# them, and the model's memory does not keep them.

# %% alt="A film with nine pictures of a robot arm over a table, which begin alike and are arranged as a compass: in most of them the arm goes the way in which the picture lies; the cube and the table's pattern fade." slideshow={"slide_type": "skip"} tags=["hide-input"]
figures.film("robot", CLIPS, steps=lesson.pick(3, 5))

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What is given

# %% alt="Five successive frames of Breakout in a row, each with the button that is pressed next above it." tags=["hide-input"]
figures.unlabelled()

# %% [markdown]
# The frames. What stands above them is in the emulator's memory; no model is shown it.
#
# **Key point.** A playable video is a model of a world that takes one action for each step, and has
# learned the actions from clips without labels.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "We know what was pressed, because we held the controller; we use it to judge, and never
# to train." Ask: "Which two frames tell you which button was pressed?" (The two around it, and with the
# paddle's inertia not even these: it drifts on after the button was let go.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## An action that nobody named
#
# **Objective.** Say what an action has to be, before anybody builds a network.
#
# * **Between two frames**, something was done. It is one of $K$ things, and $K$ is all that is given.
# * It is whatever has to be told, **beside the past**, to know the next frame.
# * It means the **same** wherever it is done.
# * What it leaves open (how far, how fast) may be told in a second, small number. A player does not.
#
# So an action is a *code*: of all that could happen next, it names the part that was chosen.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Not what moved, but what has to be told." Ask: "The ball moves, too: why is that not an
# action?" (Where it goes can be read from the last frames. But our models see one frame, with a memory
# of what was; in their first step the ball's direction *is* unknown.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What the past must not tell
#
# If everybody always went on as before, no action would be needed: a memory would do. In our clips the
# button is drawn anew in half of all steps, **right after a frame**, so that nothing seen so far tells it.

# %% alt="Points: how often the next action is the last one, in percent of the steps, for two ways of playing Breakout and two of playing Tennis; grey marks show what chance would give." tags=["hide-input"]
graphs.past()

# %% [markdown]
# **Key point.** An action can be learned only as far as the past does not tell it. Before you train,
# measure how well the past tells the next step.

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "These are the policies that played our clips." Ask: "In which clips would you find a
# button for 'left' most easily?" (Where the point lies on the grey mark.) "Wander" keeps a direction;
# "track" and "chase" go after the ball. In half of all steps any of them draws anew. Exercise 07.4 is a
# system whose actions only tell the past.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Four networks
#
# **Objective.** Follow a clip through the model.
#
# ![Two frames go through the same representation network E and become states. The action network A sees both states, and says one of K actions and the variability. The dynamics network R, which has a memory, gets the first state, the action and the variability; from what it expects, the renderer D paints the next frame. A dashed box says that in play somebody presses a button: they say the action, and the variability is 0.](../course/diagrams/07_flow.svg)
#
# A sees the frame that is to be painted. What keeps it from handing on the whole frame is that its
# message is tiny: one of $K$, and $D$ numbers; here $D$ is 1 or 2.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "The action network looks at the answer, and may whisper one word." Ask: "What would
# happen if it could whisper a hundred numbers?" (It would send the frame; the buttons would do nothing.)
# R is three ConvLSTMs, eq. (5); their memory is the only past there is.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A sample that has a gradient
#
# The dynamics should hear *one* action, yet A must learn by gradients. With the probabilities $p$ of the
# actions, uniform noise $u$ and a temperature $\tau$, which falls in training:
#
# $$ a = \operatorname{softmax}\!\Bigl(\frac{\log p + g}{\tau}\Bigr), \qquad g = -\log(-\log u) \tag{3} $$
#
# The largest entry of $\log p + g$ is a true sample of $p$. At a low temperature the softmax is nearly
# one-hot, and it has a gradient.
#
# **Key point.** The model is an autoencoder over time: its bottleneck is one word for each step.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "This is the Gumbel softmax: noise first, softmax then." Ask: "What goes wrong if the
# temperature is low from the beginning?" (The gradient becomes steep and rare: the first action that is
# good enough is taken for good.)

# %% slideshow={"slide_type": "skip"}
print(inspect.getsource(playable_actions.gumbel_softmax))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The action space
#
# **Objective.** Name a step by its direction, and keep what the name leaves open.
#
# ![Left: five frames as points of a plane, their poses m, each with a small ellipse of uncertainty, joined by arrows, the directions d. Right: all directions drawn from one origin; they lie in three groups, each with a cross, its centroid c; a short arrow, the variability v, leads from a centroid to a direction.](../course/diagrams/07_space.svg)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "A frame is a point, a step is an arrow, an action is a group of arrows." Ask: "Why not
# let a network look at two frames and name the action directly?" (A *difference* of two points cannot
# say where one is; so the same arrow tends to mean the same everywhere.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### In equations
#
# Each frame has a **pose** $\mathcal N(m_t, \sigma_t^2)$ in a space of $D$ dimensions. The **direction** of
# a step, the **variability** that an action $a_t$ leaves, and the **centroids** as a moving average:
#
# $$ d_t \sim \mathcal N\bigl(m_{t+1} - m_t,\; \sigma_{t+1}^2 + \sigma_t^2\bigr) \tag{1} $$
# $$ v_t = \textstyle\sum_k a_{tk}\,(d_t - c_k) \tag{2} $$
# $$ c_k \leftarrow (1 - \alpha)\, c_k + \alpha\, \frac{\sum_t p_{tk} d_t}{\sum_t p_{tk}} \tag{4} $$
#
# A linear layer and a softmax of $d_t$ give the probabilities $p_t$ of the actions.
#
# **Key point.** The action is the coarse part of a direction, the variability the fine one. Together they
# are the whole direction; in play the fine part is 0.

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "v is what is left of the arrow once its group is named." Ask: "If all steps are called
# action 1, what is v?" (The whole arrow, less a constant. Nothing is lost, and that is the trouble.) The
# numbers of the equations are this course's own.

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 07.1 · Direction and variability
#
# **Objective.** Write both; the next figure draws them in the trained model.
#
# Write `explain(poses, action, centroids)`: mean poses `(T, D)`, actions `(T - 1, K)` that sum to 1,
# centroids `(K, D)` → directions `(T - 1, D)` and variability `(T - 1, D)`.

# %% tags=["hide-input", "exercise"]
check.card("07.1")

# %% tags=["exercise"]
def explain(poses, action, centroids):
    return check.TODO

# %% tags=["solution"]
def explain(poses, action, centroids):
    directions = poses[1:] - poses[:-1]
    return directions, directions - action @ centroids

# %% tags=["check", "nbval-check-output"]
explain = check.choose("07.1", explain)

# %% [markdown]
# **Key point.** One subtraction in time, one from the centroid.

# %% [markdown] slideshow={"slide_type": "notes"}
# **6 min.** Say: "Two lines; think about which entry leads where." Ask: "Why may you write one matrix
# product for the sum over k?" (The action sums to 1, so d can be taken out of the sum.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Nine islands
#
# **Objective.** See directions of real steps in the trained model.
#
# Each dot is a step of a test clip of Tennis; its colour says what moved, which the model was not told.
# Crosses are centroids, with the names that they were given afterwards.

# %% alt="Directions of tennis steps in a plane: nine separate islands of points, which lie to each other like the directions of a compass; crosses with names are the centroids, and black lines lead from centroids to some of the points." tags=["hide-input", "nbval-ignore-output"]
graphs.space(explain, CLIPS)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Colours are what truly moved, which no model was told; the islands are what it found."
# Ask: "Find an island without a cross, and a cross without an island." (Nine centroids were placed by
# k-means once and then trained on; one sits between two islands and names both, one is left over.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### One dimension

# %% alt="Directions over the true displacement of the paddle in Breakout: three bands at three heights, each of one action; displacements of about five pixels are found in two of the bands." tags=["hide-input", "nbval-ignore-output"]
graphs.against_movement(explain, CLIPS)

# %% [markdown]
# Most steps lie in three bands. A displacement of five pixels may be "right" or "stayed": the paddle has
# inertia, so it moves by five in the first step of a press, and again after the button was let go.
#
# **Key point.** The action space has become a map of what can be done; its axes are nobody's choice.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Three bands, and the steps between them are the honest difficulty of this game." Ask:
# "Five pixels to the right: is that the action 'right'?" (Ask for the button, and for the movement: they
# are not the same here. Even the true buttons agree with the movements only in part.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Seen twice
#
# **Objective.** Ask that an action can be seen in what it made.
#
# Reconstruction alone does not need actions: the variability can tell everything. So look at the painted
# frames **again**. With $p_t$, the actions seen in the real clip, and $q_t$, those seen in the painted one:
#
# $$ P \propto \textstyle\sum_t p_t\, q_t^{\top}, \quad\text{made symmetric, with sum } 1 \tag{10} $$
# $$ I = \textstyle\sum_{ij} P_{ij}\,\bigl(\log P_{ij} - \lambda \log P_i - \lambda \log P_j\bigr) \tag{11} $$
#
# $P_i$ is the sum of row $i$. With $\lambda = 1$ this is the **mutual information**: 0 if one action is
# always taken, or if painted frames do not show it; at most $\log K$, if all are used and all are seen.

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "One table: what was done, and what is seen to have been done." Ask: "Why is this not
# just the agreement of p and q?" (One action, always: perfect agreement, no information.) With lambda
# above 1 it counts more that all actions are used (Ji et al. 2019).

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### One training step
#
# ![Above, a real clip goes through E and A, which gives probabilities p. An action is sampled and handed, with its variability, to R and D, which paint the clip again from its first frame. Below, the painted clip goes through E and A again, which gives probabilities q. Pixels and features of both clips should agree, states too; the mutual information of p and q is to be made large.](../course/diagrams/07_training.svg)
#
# **Key point.** Reconstruction asks that the message helps; the mutual information asks that the *word* in
# it is used, and heard.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Follow the two rows; the second begins with the same frame and goes on with painted
# ones." Ask: "What does the gradient of the right-hand box change: the naming, the dynamics, or both?"
# (Both.) The glossary names the other terms: eqs. (7) to (9).

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 07.2 · The mutual information as a loss
#
# **Objective.** Write the term; the live study below learns by yours.
#
# Write `information_loss(p, q, entropy_weight)`: probabilities `(N, K)` in real and in painted frames, and
# $\lambda$ → **minus** $I$ of eq. (11), one number. Clamp the table $P$ at `1e-9`.

# %% tags=["hide-input", "exercise"]
check.card("07.2")

# %% tags=["exercise"]
def information_loss(p, q, entropy_weight):
    return check.TODO

# %% tags=["solution"]
def information_loss(p, q, entropy_weight):
    together = p.T @ q
    together = (together + together.T) / 2
    together = (together / together.sum()).clamp(min=1e-9)
    row, column = together.sum(1, keepdim=True), together.sum(0, keepdim=True)
    logs = together.log() - entropy_weight * (row.log() + column.log())
    return -(together * logs).sum()

# %% tags=["check", "nbval-check-output"]
information_loss = check.choose("07.2", information_loss)

# %% [markdown]
# **Key point.** Count, make symmetric, divide; marginals are the sums of the same table.

# %% [markdown] slideshow={"slide_type": "notes"}
# **7 min.** Say: "One table of K by K; everything else is in it." Ask: "What is the loss if one action is
# always taken and always seen?" (0. It is the largest value, and gradient alone may not lead away.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Collapse, live
#
# **Objective.** Watch actions collapse, and find out what cures it.
#
# A made-up world: a dot on a strip of 24 cells goes about four cells to the left, to the right, or stays,
# drawn anew each time. Five ways to learn three actions, from four random starts each.

# %%
form = toy.Form
forms = {
    "no information": form(),
    "information": form(information=0.5),
    "information, lambda 1.5": form(information=0.5, entropy_weight=1.5),
    "free stage, then k-means": form(information=0.5, free=0.4),
    "free stage from random poses": form(information=0.5, free=0.4, places=False),
}
study = toy.Study(forms, information_loss, steps=lesson.pick(120, 300, 600), seed=SEED)

# %% [markdown] slideshow={"slide_type": "fragment"}
# In a **free stage** the dynamics are told the whole direction, and no action. At its end k-means finds
# groups among the directions, and these become the actions.

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("07.p1")
bet

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Nothing in the first frame tells where the dot goes, so somebody has to." Ask: "Which of
# the five rows will have three buttons?" Take bets for the first row, then start the next cell and go on
# talking. Poses begin as the dot's place in all forms but the last.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Watch the buttons

# %% alt="For each of five forms and four random starts three strips, one for each action: where the dot is painted when the action is pressed with the dot in the middle. Only with a free stage and k-means there are a dot on the left, one in the middle and one on the right in all starts." tags=["nbval-ignore-output"]
watch = Watch(study.steps, lesson.pick(60, 55, 120), lambda: toy.picture(study))
with torch.enable_grad():
    for _ in watch:
        watch.note(study.step())

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Each cell is one model, each strip one button, pressed where the white line is." Ask:
# "What does it mean if a strip shows two faint dots?" (The action does not say which of two movements:
# the dynamics hedge, and the variability has to tell.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What became of the actions

# %% tags=["hide-input", "nbval-ignore-output"]
alone = sum(one.usage < 0.1 for one in study.scores()["no information"])
bet.reveal(2 if alone else 1, Markdown(toy.told(study)))

# %% [markdown]
# * **No information:** chance decides; in some starts one action is taken always, and tells nothing.
# * **Information:** no start collapses, and the action alone tells more. But it stops at *two* of three.
# * **$\lambda = 1.5$:** some starts find all three, others still two; and painted frames still hedge.
# * **Free stage:** all starts find them. **From random poses** most do not.
#
# **Key point.** The mutual information keeps actions in use. Finding the *right* ones took a good start:
# learn directions first, name them then.

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
of = {name: [sum(x) / len(x) for x in zip(*found)] for name, found in study.scores().items()}
none, some, more, free, random = of.values()
print("the five forms end as this lecture says:", none[1] < 0.5 < some[1] < more[1] - 0.1
      and some[2] < none[2] - 0.1 and free[0] > 0.95 > random[0] and free[2] < 0.2)

# %% alt="Curves of the reconstruction of five forms over the steps of the live study: all fall, and those with a free stage rise for a moment when the variability fades." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
words = {f"{name}: pixels": name for name in forms}
plots.terms([{words[k]: x for k, x in step.items() if k in words} for step in watch.history],
            title="Reconstruction of each form")

# %% alt="Curves of the weighted loss of the mutual information of four forms over the steps of the live study; two of them begin at the end of the free stage." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
words = {f"{name}: information": name for name in forms}
plots.terms([{words[k]: x for k, x in step.items() if k in words} for step in watch.history],
            title="Minus the mutual information of each form, weighted")

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Usage is the entropy of the actions taken; the last number counts starts." Ask: "Where
# does the information stop at two actions, and why is that comfortable?" (Left against the rest is heard
# without fail; a third action first makes both readings less sure.) With another seed another start
# collapses, and now and then none does. This is a toy: the paper reports that
# its losses find actions; its model is larger and learns far longer.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What finds actions in minutes
#
# **Objective.** Know what was added to the paper's model, and test that it does its work.
#
# The authors train 300,000 steps on GPUs. These five are **ours**, and found actions in minutes of a CPU:
#
# * **free stage**, then k-means, as in the toy;
# * directions **normalised** over the batch, so that they cannot shrink to nothing;
# * a state of **1/4** of the frame's size instead of 1/8: the paddle is two pixels high;
# * **squared** differences of pixels: by L1 a thing that may be in many places is best left out;
# * poses that begin as **places**: where the colours $I$ lie, weighted by the attention $A$,
#
# $$ m = \operatorname{mean}_z \,\bigl(1 + s\,(2A(z) - 1)\bigr)\, I(z)\, z, \qquad z \in [-1, 1]^2 \tag{1a} $$

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Nothing here is in the paper; it is what it took to get there in minutes." Ask: "Which of
# the five is a cheat?" (Places: they say that position matters. For a robot or a paddle that is true; for
# a face that smiles it would not be.) In the first steps of the free stage directions are held as they
# begin, so that dynamics which do not listen yet cannot spoil them. `s` is learned, and begins at 0.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What do directions rest upon?
#
# Take a piece of the trained action network away. How much of what moved do directions still tell?

# %% alt="Points with intervals for two games: the share of the displacements that directions tell, for the whole action network, with even attention, without the learned appearance, and without places." tags=["hide-input", "nbval-ignore-output"]
graphs.tell(CLIPS, draws=lesson.pick(50, 200))

# %% [markdown]
# **Places** carry most of it. The **attention** matters in Breakout, whose bricks have the paddle's
# colour, and hardly in Tennis. What the network learned beside the places, the **appearance**, helps in
# neither: in Breakout the directions are better without it.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Before you thank a component, switch it off." Ask: "Why might appearance have been
# learned at all, if it does not tell what moved?" (It tells what helps to *paint*: the ball, a hit brick, a
# player's pose.)

# %% alt="Two frames of Breakout and two of Tennis, each beside its attention: in Breakout bright on the bricks and in a column over the paddle, in Tennis bright around the player and on the net." slideshow={"slide_type": "skip"} tags=["hide-input"]
figures.attention()

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Who listens?
#
# One step ahead from real frames; dashed: the last frame, unchanged.

# %% alt="Points with intervals for two games: the error of painted frames where something changed, as a share of that of the last frame, when the dynamics are told the action that was seen, this with its variability, and another action." tags=["hide-input", "nbval-ignore-output"]
graphs.listen(CLIPS)

# %% [markdown]
# The dynamics **listen**: told another action, they err clearly more. The **variability** is **idle**: it
# adds nothing. It was faded out at the end of training, since a player tells none.
#
# **Key point.** Places and actions do the work. The variability helped to find them, and is idle now.

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
heard = [judging.listen(data, CLIPS) for data in showcase.GAMES]
print("told the action that was seen, both models paint better than told another one:",
      all(one.seen.high < one.other.low for one in heard))

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "The dashed line is 'no better than the last frame'." Ask: "Which pixels did we leave out,
# and would the claim survive with all of them?" (Those that do not change. A blurred court is worse than
# a copied one: over all pixels the Tennis model does not beat the copy.)

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## Does an action mean something?
#
# **Objective.** Measure the meaning of actions that have no names.
#
# * **Assign** each action one movement, no two the same, so that most steps agree; do it on *other* clips.
# * **Kappa**: the agreement beyond chance. 0 for actions that know nothing, 1 if all agree.
# * **Δ-MSE**: how much of the displacements' variance is left *within* actions, in percent.
# * **Δ-Acc**: how well the action can be told from the displacement. Exercise 07.3: how to fool oneself.
#
# Controls: random actions, the model's own actions dealt to other steps, one action always.

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("07.p2")
bet

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Nobody named the actions, so we name them, once, and then keep to it." Ask: "What would
# happen if we chose the names on the clips that we score?" (With nine actions there are 362,880 ways to
# name them; the best of them looks good by luck.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Agreement beyond chance

# %% alt="Covered until a guess is made. Points with intervals: Cohen's kappa of actions and movements, in each game, for the model and for controls that know nothing, which lie at 0." tags=["hide-input", "nbval-ignore-output"]
rows = evaluation.table("playable")
kappa = {(r["data"], r["method"]): r["value"] for r in rows if r["metric"] == "action_kappa"}


def agreement():
    display(Markdown(judging.buttons(CLIPS)))
    axis = "Cohen's kappa of actions and movements"
    return graphs.claim(rows, "action_kappa", axis=axis, line=(0.0, "chance"))


bet.reveal(kappa["breakout", "caddy"], agreement)

# %% [markdown]
# A score is read beside controls, which know nothing, and beside what a perfect answer could get.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "The buttons themselves would not get full marks: the paddle has inertia." Ask: "What then
# is the right truth: the button, or the movement?" (The paper measures displacements, which a filmed
# tennis match has, too. Its buttons nobody knows.)

# %% alt="Points with intervals: the share of the displacements' variance that is left within actions, in percent, for the model and for controls, which lie at 100." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
graphs.claim(rows, "delta_mse", axis="% of the displacements' variance left within actions")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.folded("All rows: accuracy, mutual information, Delta-MSE, usage", rows)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The same from everywhere

# %% alt="Displacement of the painted paddle after two steps of each action, over the place of the paddle in the first frame: the points of left lie below zero, those of right above, those of stayed near it, in the middle of the field; near a wall the action towards it does little." tags=["hide-input", "nbval-ignore-output"]
graphs.same_meaning(judging.same_meaning(lesson.pick(6, 16, 36)))

# %% [markdown]
# One point for each first frame and action. The actions keep their meaning over the whole field; at a wall
# there is no room left.
#
# **Key point.** An action means something if it agrees with what moved on clips that were not used to name
# it, beyond controls, and from different first frames.

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "This is the slide's claim of the paper, as a plot: the same button, from anywhere." Ask:
# "Which points are failures of the model, and which are walls?" Here the displacement is read off the
# *painted* frames, by the paddle's colour; no network judges.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Between two actions
#
# **Objective.** Use the variability by hand, and see whether it still means something.
#
# A point between two centroids is told as the nearer action $k$ and a variability:
#
# $$ (1 - \lambda)\, c_a + \lambda\, c_b = c_k + v \tag{6} $$
#
# The authors show movements in between, such as diagonals. In ours, go from "left" to "right":

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("07.p3")
bet

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "A dial instead of three buttons." Ask: "Which of the plots that you have seen lets you
# doubt it?" ("Who listens?": the variability was idle.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A dial

# %% alt="Covered until a guess is made. Two plots of the displacement of the painted paddle after two steps, for points of the action space from the centroid of left to that of right: where the variability was faded out, the line jumps back twice; where it was told in half of the clips until the end, it rises step by step." tags=["hide-input", "nbval-ignore-output"]
found = {"faded out": judging.sweep(lesson.pick(3, 6, 12)),
         "told in half of the clips": judging.sweep(lesson.pick(3, 6, 12), showcase.SECOND)}


def dial():
    for title, one in found.items():
        display(Markdown(f"* **{title.capitalize()}**: {judging.said_of(one)}"))
    return graphs.sweep(found)


bet.reveal(0 if judging.steady(found["faded out"]) else 1, dial)

# %% [markdown]
# When the free stage ended, an action and its centroid meant exactly the same to the dynamics. Then the
# variability was **faded out**, and nothing held it to its meaning. On the right the same model was
# trained for 600 steps more, with the variability told **in half of the clips**.
#
# **Key point.** What is not trained to the end is not kept. Buttons *and* a dial need clips of both kinds.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "On the left each branch goes too fast, and jumps where the name changes; on the right there
# is a dial." Ask: "Why not tell the variability always?" (Then nobody asks the dynamics to do without it,
# and a player, who tells none, gets the pictures of a step that hardly ever happened.) In the playground
# at the beginning, click between two crosses of Breakout's map: it runs the second model.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where it fails
#
# **Objective.** Look at a median clip and at the worst one, and name what is missing.
#
# Clips that are painted for twelve steps from their first frame, with the actions that were seen in them.

# %% alt="Four rows of Breakout frames at steps 1, 3, 6, 9 and 12: the clip of median error, true and painted, and the worst clip, true and painted; painted frames have no ball." tags=["hide-input", "nbval-ignore-output"]
figures.failures("breakout", CLIPS)

# %% tags=["hide-input", "nbval-ignore-output"]
Markdown(figures.balls(CLIPS))

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "The rule is median and worst by error where something moves; nobody picked them." Ask: "Why
# is the ball missing, of all things?" (It has few of 4096 pixels, and where it is in a step is not told by any
# action: the squared error is smallest for a faint smear, as for the stripes of lecture 03.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Tennis

# %% alt="Four rows of Tennis frames at steps 1, 3, 6, 9 and 12: the clip of median error, true and painted, and the worst clip, true and painted; the painted player is a blur without arms and racket." tags=["hide-input", "nbval-ignore-output"]
figures.failures("tennis", CLIPS)

# %% [markdown]
# The place is right, and the **look** is a blur: swing and stride are not told by the action either. In the
# playground a button that is held for long leads the player **out of the picture**, often for good.
#
# **Key point.** Whatever neither the past nor the action tells is painted as its mean. Better pictures need
# a better message, a memory of the ball, or a loss that does not ask for the mean.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "It is controllable, and it is not yet a game." Ask: "Which of the losses of earlier lectures
# would sharpen the player?" (Perceptual and adversarial ones. Ours are trained by pixels alone.)

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## From playable video to world models
#
# **Objective.** Place the idea among what came after it.
#
# | | actions | how the next frame is made |
# |---|---|---|
# | **CADDY** 2021 | found: Gumbel softmax, mutual information, variability | ConvLSTM, decoder |
# | **Genie** 2024 | found: a **code book** of 8 between frames (VQ-VAE) | transformer over tokens |
# | **DIAMOND** 2024 | given, as the game's buttons | diffusion |
# | **GameNGen** 2024 | given, as an agent's key presses in Doom | diffusion |
#
# A code book takes the nearest vector $c_k$, and draws directions to it; "sg" stops the gradient:
#
# $$ L = \| d_t - \operatorname{sg}(c_k) \|^2 \tag{12} $$
#
# There is no variability to escape into: the bottleneck is hard. Its codes may stay unused, too.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Where actions are recorded, use them; most of the world's video has none." Ask: "What would
# you have to record to need no learned actions for a robot? For a tennis match?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A code book, and the true buttons

# %% alt="Points with intervals on Breakout: pixels between the painted and the true paddle, for the model, a code book, a model that was told the true buttons, and random actions, which lie far to the right." tags=["hide-input", "nbval-ignore-output"]
graphs.messages(rows)

# %% [markdown]
# The same model, three messages, 2,000 steps each. The **code book** finds actions that agree with the
# movements as well as ours do, and puts the paddle nearer to its place; but it drifts further over ten
# steps. What is painted when the **true buttons** are told cannot be told apart from ours.
#
# **Key point.** The question is the same, and open: which part of the next frame is a *choice*?

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Knowing what was pressed did not help." Ask: "Why do the true buttons agree less with the
# movements than actions that were found?" (A button is not a movement: the paddle has inertia. Actions are
# found in what is seen.) One run each, so a small difference may be luck.

# %% [markdown] slideshow={"slide_type": "subslide"} tour=true
# ### What could go wrong with it
#
# **Objective.** Know what a playable person is.
#
# * **A button on somebody.** A model of filmed people makes them do what they never did, at a key press.
#   Our players are drawn; a match on television shows people who were not asked.
# * **A world model is not the world.** It obeys where it was trained. A robot's planner that trusts it
#   beyond that acts on a picture.
# * **Games belong to somebody.** The clips are played on your machine, and are not handed on.
# * **Say so.** Painted frames carry a visible mark here.
#
# What obeys looks as if it were understood. Measure what it does where it has not been.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Control makes a picture more convincing, not more true." Ask: "Would you show a judge what
# this model says the driver 'could have done'?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# * An **action** is what has to be told beside the past, and means the same everywhere.
# * A step is a **direction** between two poses: the action is its group, the **variability** the rest.
# * Reconstruction alone lets actions **collapse**; the **mutual information** keeps them in use.
# * In our models a **free stage**, **places** and k-means found them.
# * The **variability** is a dial between actions if it is told in some clips until the end.
# * Meaning is measured on **other clips**, beside **controls**.
#
# **Key point.** Give the model one word for each step, see to it that the word is used, and then check what
# it means.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("07.q1")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("07.q2")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("07.q3")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("07.q4")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("07.q5")

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Six sentences; cover them and say them yourselves." Ask: "Which of them surprised you?"
# The quiz below the slide repeats the misconceptions.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Glossary
#
# | term | meaning |
# |---|---|
# | playable video | a model that takes an action for each step and paints what follows |
# | action | one of $K$ words that the model found; its meaning is measured afterwards |
# | button | what somebody pressed in the emulator; no model is shown it |
# | movement | what the paddle or the player did, as one of a few classes |
# | state | the features of a frame, at a fraction of its size |
# | pose | a frame as a point of the action space |
# | direction | the difference of two successive poses |
# | centroid | where the directions of an action lie on average |
# | variability | the direction less the centroid of its action |
# | Gumbel softmax | a sample that is nearly one-hot and has a gradient |
# | mutual information | what two readings of the same actions tell about each other, in nats |
# | collapse | few or one of the actions are taken, and the variability tells the rest |
# | usage | entropy of the actions that were taken, as a share of $\log K$ |
# | free stage | the dynamics are told the whole direction, and no action |
# | places | where the colours of a frame lie, weighted by the attention |
# | motion weights | eq. (7): pixels count more where something moves, or is made to |
# | KL of directions | eq. (8): how far directions are from a standard normal distribution |
# | KL of poses | eq. (9): how far poses of painted frames are from those of real ones |
# | roll-out | frames that are painted one after the other, from what was painted |
# | kappa | agreement beyond chance: 0 is chance, 1 is perfect |
# | Δ-MSE | share of the displacements' variance that is left within actions, in percent |
# | Δ-Acc | accuracy of telling the action from the displacement |
# | code book | a table of vectors, of which the nearest one is taken (VQ-VAE) |
# | world model | a model of what follows from what is done |

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Homework
#
# Three exercises, each with two hints and a picture of the expected result, and one open task.

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 07.3 · Accuracy without fooling yourself
#
# **Write the central measure.** The released code fits a classifier that tells the action from the
# displacement, and scores it on the same points. Write `delta_accuracy(moved, actions, predict, fold)`:
# displacements `(N, 2)`, actions `(N)`, `predict(known, known_actions, asked)` → actions, and the fold
# `(N)` of each step → the share of all steps whose action is told right by a classifier that has not seen
# the step's fold.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("07.3")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def delta_accuracy(moved, actions, predict, fold):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def delta_accuracy(moved, actions, predict, fold):
    right = 0
    for number in fold.unique():
        held = fold == number
        said = predict(moved[~held], actions[~held], moved[held])
        right += (said == actions[held]).sum()
    return right / len(actions)

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
delta_accuracy = check.choose("07.3", delta_accuracy)

# %% [markdown] slideshow={"slide_type": "skip"}
# **Shuffled** actions mean nothing, so their accuracy should be that of guessing, about a third. Scored on
# the steps that it learned from, a classifier that learns by heart is always right, and even a linear one
# flatters when there are few steps. (Displacements are jittered by a pixel, so that no two are the same.)

# %% alt="Accuracy on shuffled actions over the number of steps: 1 for learning by heart scored on the same steps; a linear classifier on the same steps lies above a third for few steps; both cross-validated lie near a third." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
graphs.flattered(delta_accuracy, CLIPS)

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 07.4 · Buttons that do nothing
#
# **Find the fault.** Somebody's model paints its training clips well, its actions have a high mutual
# information, and its buttons do nearly nothing. This is how its training triples are made. Repair
# `transitions(places, actions)`: places `(T)` of the player in the frames; `actions[t]` is held between
# frames t and t + 1 → states, the actions taken in them, and the next states, T - 1 each.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("07.4")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def transitions(places, actions):
    return places[1:-1], actions[:-1], places[2:]

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def transitions(places, actions):
    return places[:-1], actions, places[1:]  # an action leads from its frame to the next one

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
transitions = check.choose("07.4", transitions)

# %% [markdown] slideshow={"slide_type": "skip"}
# These are your triples, from training clips of Tennis. With the faulty ones the bars shrink to a third: what is
# left is the habit of players who keep their direction. In Breakout the fault would hardly be seen, since
# the paddle drifts on: the past tells part of what comes.

# %% alt="Bars: the mean movement of the tennis player to the next frame, for actions that send it left, not sideways, and right." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
graphs.by_the_past(transitions, lesson.pick(8, 30))

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 07.5 · How many actions?
#
# **Run an experiment.** What if we had chosen another $K$? Write
# `left_open(directions, moved, candidates, cluster)`: directions `(N, D)`, displacements `(N, 2)`, some
# numbers of actions, and `cluster(directions, K)`, which gives K centroids → Δ-MSE for each K: name each
# step by the nearest centroid; how much of the displacements' variance is left within actions, in percent?

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("07.5")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def left_open(directions, moved, candidates, cluster):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def left_open(directions, moved, candidates, cluster):
    left, whole = [], moved.var(0, correction=0).sum()
    for number in candidates:
        actions = torch.cdist(directions, cluster(directions, number)).argmin(1)
        within = sum(
            (moved[actions == a] - moved[actions == a].mean(0)).square().sum()
            for a in actions.unique()
        )
        left.append(100 * within / len(moved) / whole)
    return torch.stack(left)

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
left_open = check.choose("07.5", left_open)

# %% alt="Two plots over the number of actions K, for Breakout and Tennis: what actions leave open falls steeply up to the number of movements and hardly after it, and kappa is highest there." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
graphs.by_number(left_open, CLIPS)

# %% [markdown] slideshow={"slide_type": "skip"}
# What is left open falls with every further action, so it cannot choose $K$ by itself: look for the bend.
# It lies at 3 in Breakout, and near 9 in Tennis. Kappa, which allows one action for each movement, is
# highest there, but needs the labels that you do not have.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.open_task("07.o1")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.folded("Ledger: the claims, and what was measured here", ledger.table("07"))

# %% [markdown] slideshow={"slide_type": "skip"} tags=["instructor"]
# **What goes wrong in class.** Students take the action for what moved, and forget what the past tells;
# they think that the mutual information compares clips, where it compares readings; they expect collapse
# to be seen in the reconstruction; they take a low Δ-MSE with many actions for a success; they believe that
# an idle component must have been a mistake, where it may have been a scaffold.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Further reading
#
# * Menapace et al., [Playable Video Generation](https://arxiv.org/abs/2101.12195), CVPR 2021, and its
#   [code](https://github.com/willi-menapace/PlayableVideoGeneration).
# * Menapace et al., [Playable Environments](https://arxiv.org/abs/2203.01914), CVPR 2022: several objects,
#   a camera, and actions for each of them.
# * Jang et al., [Categorical Reparameterization with Gumbel-Softmax](https://arxiv.org/abs/1611.01144), and
#   Maddison et al., [The Concrete Distribution](https://arxiv.org/abs/1611.00712), ICLR 2017.
# * Ji et al., [Invariant Information Clustering](https://arxiv.org/abs/1807.06653), ICCV 2019: mutual
#   information of two views as a loss.
# * Bruce et al., [Genie](https://arxiv.org/abs/2402.15391), ICML 2024: latent actions by a code book.
# * Alonso et al., [DIAMOND](https://arxiv.org/abs/2405.12399), NeurIPS 2024: diffusion as a world model.
# * Valevski et al., [GameNGen](https://arxiv.org/abs/2408.14837), 2024: a game engine that is a diffusion
#   model.
# * Bellemare et al., [The Arcade Learning Environment](https://arxiv.org/abs/1207.4708), JAIR 2013.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## What comes next
#
# Today somebody pressed a button for each step. In lecture 08 nobody does: music says what a body should
# do, there are many right answers again, and the body has to stay in one piece.
#
# **Credits.** This lecture follows the part on playable video of *Image and Video Generation: A Deep
# Learning Approach* by Nicu Sebe (University of Trento) for the International AI Doctoral Academy; the work
# is by W. Menapace, S. Lathuilière, S. Tulyakov, A. Siarohin and E. Ricci. Text and code here are
# independent; text CC BY 4.0, code MIT. The games are emulated on your machine by ale-py (GPL-2.0).

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
Markdown(compute.card("07"))
