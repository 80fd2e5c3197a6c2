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
# # 04 · Monkey-Net: motion without a skeleton
#
# *Siarohin, Lathuilière, Tulyakov, Ricci, Sebe: Animating Arbitrary Objects via Deep Motion
# Transfer. CVPR 2019, [arXiv:1812.08861](https://arxiv.org/abs/1812.08861).* Compared with *Wiles,
# Koepke, Zisserman: X2Face. ECCV 2018, [arXiv:1807.10550](https://arxiv.org/abs/1807.10550).*
#
# **After this lecture you can**
#
# 1. explain why a pose found in one body does not fit another, and transfer motion instead;
# 2. write down Monkey-Net's flow, and test which of its parts does the work in a trained model;
# 3. judge animated clips: choose a metric that sees what matters, read an interval, run a blind
#    preference study.
#
# **You need** PyTorch tensors, convolutional networks, U-Nets, and lecture 00. Nothing is
# downloaded.

# %% [markdown] slideshow={"slide_type": "skip"}
# | minutes | part | kind | begins with |
# |---|---|---|---|
# | 4 | a moving result | discuss | The question of the day |
# | 7 | somebody else's skeleton | explain | Appearance transfer, and where it breaks |
# | 6 | the baseline: X2Face | explain | X2Face: two warps and no paint |
# | 12 | Monkey-Net: keypoints, masks, flow | explain | Monkey-Net in one picture |
# | 8 | exercise 04.1 | exercise | Exercise 04.1 · From keypoints to a flow |
# | 11 | a shortcut, found and mended | discuss | Who does the work? |
# | 8 | deformed skips, relative motion | explain | Alignment: why the skips are deformed |
# | 8 | the paper's comparison | discuss | The paper's comparison, run again |
# | 4 | a metric that misleads | discuss | The metric trap |
# | 8 | exercise 04.4 | exercise | Exercise 04.4 · The pixels that move |
# | 5 | a blind study | discuss | Ask people: a blind preference study |
# | 5 | failures, misuse, summary | discuss | Where they fail |
#
# **If late:** skip the slides "What it makes of a head" and "Measured", and exercise 04.4. Do not
# skip "Who does the work?" and the slide on misuse.
#
# **At home:** exercises 04.2, 04.3, 04.5, 04.6 and 04.7, the open task, the mask painter and the
# metric lab. They stand at the end of this page.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Last time we told a generator which pose to draw; today nobody tells it what a
# pose is." Ask: "Who has seen a face animated by somebody else's face, and what gave it away?"

# %% slideshow={"slide_type": "skip"} tags=["parameters", "hide-input"]
PROFILE = None  # "smoke", "lecture" or "full"; None asks the variable AIDAGEN_PROFILE
SEED = 4

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
import inspect

import numpy as np
import torch
from IPython.display import HTML, Markdown, display

from aidagen import evaluation, grids, metrics, study, video, zoo
from aidagen.animation import animate
from aidagen.lectures.monkey_net import faces, results, scenes, skeletons
from aidagen.models import monkeynet, x2face
from aidagen.teaching import check, compute, ledger, lesson, papermap, plots, predict, quiz
from aidagen.widgets.mask_painter import MaskPainter
from aidagen.widgets.metric_lab import MetricLab
from aidagen.widgets.overlays import still
from aidagen.widgets.preference import Preference

_ = torch.set_grad_enabled(False)
lesson = lesson.start("04", PROFILE, seed=SEED)
device = str(lesson.device)

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## The question of the day
#
# **Objective.** See what the lecture is about: one picture, moved by a clip of something else.
#
# Left: a robot, the driving clip. Middle: **one still picture**. Right: its animation. No labels.

# %% alt="A video of three pictures side by side: a driving robot arm, a still picture of another scene, and that scene with its arm moving as the driving arm does." tags=["hide-input"] tour=true
robots = scenes.scenes(lesson.pick(6, 24))
model = zoo.load(scenes.TRAINED["mended"], device)
MEDIAN = scenes.median_scene(model, robots)
example = robots[MEDIAN].frames  # (32, 3, 64, 64)
driving, source = robots[(MEDIAN + 1) % len(robots)].frames, example[0]
moved = animate(model, source, driving, "absolute").cpu()
says = "Left: a driving clip. Middle: a still picture. Right: that picture, moved by the clip."
HTML(results.player([driving, source.expand_as(driving), moved], says))

# %% [markdown]
# Of the test scenes, this one has the *median* error; the next scene drives it.
#
# **Key point.** To animate a picture means to move its pixels, and to paint what was hidden.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Watch the right picture: its own arm and table, but the motion of the left clip."
# Ask: "What would you need to know about the left clip to make the right one?" Collect words such as
# joints, flow, pose; each comes back. Do we give the source's appearance to the driving poses, or the
# driving motion to the source? The small object gets lost; "One frame on its way" shows where.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Appearance transfer, and where it breaks
#
# **Objective.** Say why joints of one body do not fit another.
#
# Lecture 03 detects a pose in every driving frame, and a generator draws the source person in it.
# This has two limits:
#
# * it needs a **detector**, trained with labels: for people, but not for robots or cartoons;
# * a pose in picture coordinates is **somebody's** pose: it contains the lengths of their limbs.
#
# Below, the joints are exact, so that no error is the detector's.

# %% tags=["nbval-ignore-output", "hide-input"]
bet = predict.guess("04.p1")
bet

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "A skeleton looks neutral, but it is a tall person's skeleton or a child's." Ask:
# "By how much does the other body change if it is given these joints?" Let everybody guess first.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Three ways to transfer joints
#
# Blue: the driving joints. Orange: where the other person's joints would have to go, with the driving
# body's height and shoulders (column 3) or nearly their own (4 and 5). The worst of 24 pairs.

# %% slideshow={"slide_type": "skip"}
def put(way, p_source, p_t, p_1):
    """Where the source's joints go; p_1 and p_t are the driving joints at frames 1 and t."""
    if way == "as they are":
        return p_t
    size = 1.0
    if way == "relative, to scale":
        size = np.linalg.norm(p_source - p_source.mean(0)) / np.linalg.norm(p_1 - p_1.mean(0))
    return p_source + size * (p_t - p_1)

# %% alt="Two rows of five pictures: a person with a blue skeleton, another person with their own skeleton in green, and three times in orange the joints to go to: the driving joints as they are, which do not fit the body even in the first frame, relative ones, and relative ones to scale, which both begin on the body." tags=["hide-input"]
people = skeletons.people()
pairs = skeletons.pairs(people)
still(skeletons.sheet(put, people, skeletons.worst(people, pairs, put)))

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Compare the orange skeleton with the body below it, column by column." Ask: "What
# do the last two columns need that the third does not?" They need the first driving frame, and a
# source that begins in about the same pose.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Measured
#
# A bone looks shorter when it points at the camera. So the right length of the source's bone at time
# $t$ is its own, times the factor by which the driving bone changed: $\ell_S\,\ell^D_t / \ell^D_1$.

# %% alt="The prediction, and below it a table of the error in the lengths of bones for the three ways." tags=["nbval-ignore-output", "hide-input"]
errors = skeletons.bone_errors(put, people, pairs)
bet.reveal(errors["as they are"].value, results.bones(errors))

# %% [markdown]
# **Key point.** Transfer how joints *moved*, not where they *are*: a body then keeps its
# proportions better.

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
print("Relative motion keeps the bones' lengths better:",
      "yes" if errors["relative"].high < errors["as they are"].low else "no")

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "These are means over 24 pairs, with their intervals." Ask: "Whose guess was
# nearest?" From now on nobody gives us joints: a network has to find something like them.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## X2Face: two warps and no paint
#
# **Objective.** Understand a baseline without keypoints, and why it stays near a copy.
#
# ![Data flow of X2Face: the source goes through an embedding network and a first warp to an embedded face; the driving frame goes through a driving network and a code of 128 numbers to a second warp, which reads the output from the embedded face.](../course/diagrams/04_x2face.svg)
#
# Equation (1), sources $S_n$ read through warps $T_n$, averaged with confidences $c_n$:
# $E(z) = \sum_n c_n(z)\,S_n(T_n(z)) \,/ \sum_n c_n(z)$. Equation (2), $E$ read through the driving
# warp $T_D$: $\hat D(z) = E(T_D(z))$.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Two warps, and that is all: a warp only says where to read." Ask: "Can X2Face
# show a colour that no source picture has?" With a single source, as here, $c_n$ cancels in (1).

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What it makes of a head
#
# Of twelve heads, this is the one on which X2Face does best. The grid shows where the output reads
# the embedded face. The output turns a little, and stays near the source.

# %% alt="A row of four pictures of a head: the source, the embedded face under a grid, the output, which is close to the source, and the true frame, in which the head has turned." tags=["hide-input"]
heads = faces.heads(lesson.pick(4, 12))
talker, painter = (zoo.load(f"{key}-faces-64", device) for key in ("x2face", "monkeynet"))
still(faces.warps_sheet(talker, faces.easiest(talker, heads)))

# %% tags=["nbval-check-output", "hide-input"]
for name, system in (("X2Face", talker), ("Monkey-Net", painter)):
    says = "Yes." if faces.can_add_colour(system, heads[0]) else "No."
    print(f"Can {name} produce a colour that is absent from the source? {says}")

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Every output pixel is a blend of source pixels, so nothing new can appear." Ask:
# "At which turn of a head does that become a problem?" As soon as the hidden cheek comes into view.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What it does with an arm
#
# The embedding network sees the source alone and cannot know where the arm will be. In the second
# picture the arm has nearly or wholly disappeared, so that hardly anything is left to move.

# %% alt="Four pictures of a robot: the source, the embedded picture in which the arm has shrunk to a thread, the output with the same thread, and the true frame with the arm elsewhere." tags=["hide-input"]
reacher = zoo.load("x2face-robot-64", device)
still(faces.arm_sheet(reacher, robots[MEDIAN]))

# %% [markdown]
# L1 is lowest at the **median**: a place that shows the table most of the time is best filled with
# table.
#
# **Key point.** A model that cannot know where an object will be lowers its L1 by removing it.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Look at the second picture: the arm is already gone before anything moves." Ask:
# "If you had to fill a pixel without knowing, and paid for the absolute error, with what?" A test
# of the course checks this finding, on the robot and on bodies.

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## Monkey-Net in one picture
#
# **Objective.** Follow one frame through the model, from keypoints to a flow to a picture.
#
# ![Data flow of Monkey-Net: a detector finds keypoints with covariances in source and driving frame, each alone; a motion network turns both sets and the source into masks and a residual, which make a flow; the generator encodes the source, warps every level by the flow and paints what was hidden.](../course/diagrams/04_flow.svg)
#
# The name is short for *moving keypoints*; nobody labels them.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Three networks, trained together on pairs of frames of one clip." Ask: "Why may
# the detector not see both frames at once?" Because at test time the two frames show different
# things; and a detector that sees both could hide the answer in its keypoints.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A motion by hand
#
# The robot's joints are known, so we can build the flow without a network, from a mask around each
# joint and the joint's shift.

# %%
robot, t, used = scenes.by_hand_frame(robots)  # a clip, a later frame of it, joints inside
p_source, p_driving = (torch.tensor(robot.joints[i, used]).float() for i in (0, t))

z = grids.identity_grid(64, 64)  # (64, 64, 2): every place (x, y) of the new frame
away = (z - p_driving[:, None, None]).square().sum(-1)  # (J, 64, 64)
claims = torch.exp(-away / (2 * 0.15**2))
masks = claims / claims.sum(0).clamp(min=1)  # what no joint claims stays where it is
flow = torch.einsum("jhw,jc->hwc", masks, p_source - p_driving)
by_hand = grids.warp(robot.frames[:1], (z + flow)[None], padding="border")[0]

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Ten lines, no training." Ask: "Which line decides who moves, and which one how
# far?" The masks decide who; the differences of joints how far.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What comes of it
#
# The arm has moved, and the wall around it was dragged along. The colours of the flow tell which way
# a place has *moved*: the dial shows $-F$, since $F$ points back to the source.

# %% alt="Ten pictures of a robot arm: source with joints, driving frame with joints, the mask of one joint, the sum of all masks, the flow, the source warped by hand, the true frame, what is still wrong, what is wrong in a copy, and the source." tags=["hide-input"]
still(scenes.by_hand_sheet(robot, t, used, masks, z + flow, by_hand))

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "The arm has moved, by joints and masks alone." Ask: "What is still wrong?" The wall
# is dragged along; the upper arm has no joint in the picture, and where the arm turned it was only
# shifted. A residual and painting come next, turning comes in lecture 05.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The flow is a mixture
#
# ![Core idea: five panels, from left to right background times zero, plus keypoint one's mask times its shift, plus keypoint two's mask times its shift, plus a residual, equals the flow that says where each place reads the source.](../course/diagrams/04_mixture.svg)
#
# $$ F(z) = \sum_{k=0}^{K} M_k(z)\,(\mu_{S,k} - \mu_{D,k}) + R(z), \qquad
#    \mu_{S,0} = \mu_{D,0} \tag{5} $$
#
# $\mu_{S,k}$ and $\mu_{D,k}$: keypoint $k$ in the source and in the driving frame. The new frame
# reads the source at $T(z) = z + F(z)$.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Every place of the new frame asks: whose motion is mine?" Ask: "Where do you read
# if the hand went to the right?" To the left of where you stand: $\mu_S - \mu_D$. Each keypoint is
# only a shift, of order zero; lecture 05 adds a matrix.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Keypoints that nobody labelled
#
# Each heat map $H_k$ sums to one; its mean and covariance are the keypoint. The motion network is
# given a smooth bump of that shape:
#
# $$ \mu_k = \sum_z H_k(z)\,z, \quad
#    \Sigma_k = \sum_z H_k(z)\,(z - \mu_k)(z - \mu_k)^\top \tag{3} $$
# $$ G_k(z) = \exp\bigl(-\tfrac12 (z - \mu_k)^\top \Sigma_k^{-1} (z - \mu_k)\bigr) \tag{4} $$

# %% alt="Four scenes of the robot with ten numbered ellipses each: two follow the parts of the arm, the others lie on the table and the wall at about the same places." tags=["hide-input"]
still(scenes.keypoints_sheet(model, robots))

# %% [markdown]
# A few follow the arm; the others mark places at rest, which is information, too.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Find the numbers that follow the arm." Ask: "Where would you put ten points if
# the only aim were to rebuild one frame from another?" A long ellipse can
# say which way a part points, although the model knows no rotations.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### One frame on its way
#
# 1 is the detector, 2 the motion network, 3 the generator. The painting closes the torn arm; the
# object was lost by the flow, and stays lost.

# %% alt="Ten pictures: keypoints of the source, keypoints of the driving frame, which keypoint claims which place, the residual, the flow, the source warped by it with a torn arm, the finished frame, the true frame, what is still wrong, and what is wrong in a copy." tags=["hide-input"]
most = scenes.moved_most(example)
still(scenes.stages_sheet(model, example[:1], example[most : most + 1]))

# %% [markdown]
# **Key point.** Keypoints say what moved, masks say which places follow, and the generator paints
# the rest.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Follow the frame from picture to picture, in the order of the numbers." Ask: "What
# did the painting repair, and what can no painting repair?" What the flow has lost: the detail is no
# longer there. The colours of the third picture are those of the keypoints.

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 04.1 · From keypoints to a flow
#
# **Objective.** Write the central equation yourself.
#
# Write `compose_flow(p_source, p_driving, masks, residual)`: equation (5). Points are `(K, 2)`,
# masks `(K + 1, H, W)` with the background first, the residual is `(H, W, 2)`; so is the flow that
# you return, without the identity grid. Your function then composes the real model's flow.

# %% tags=["hide-input", "exercise"]
check.card("04.1")

# %% tags=["exercise"]
def compose_flow(p_source, p_driving, masks, residual):
    return check.TODO

# %% tags=["solution"]
def compose_flow(p_source, p_driving, masks, residual):
    shifts = p_source - p_driving  # (K, 2): where to read, from where we are
    return torch.einsum("khw,kc->hwc", masks[1:], shifts) + residual

# %% tags=["check", "nbval-check-output"]
compose_flow = check.choose("04.1", compose_flow)

# %% [markdown] slideshow={"slide_type": "notes"}
# **7 min.** Say: "Five minutes alone or in pairs; then your function moves the arm." Ask: "In whose
# picture did the arm go the other way?" The sign is the most frequent mistake; draw two frames
# and an arrow on the board.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Moved by your flow

# %% alt="The source, the source warped by the flow that your function composed, and the true frame: the warped arm is where the true one is." tags=["hide-input"]
shown = scenes.rebuilt(model, example[:1], example[most : most + 1])
own = scenes.rebuilt(model, example[:1], example[:1]).motion
composed = compose_flow(
    own.points[0], shown.motion.points[0], shown.masks[0], shown.residual[0]
)
still(scenes.composed_sheet(example[0], composed, example[most]))

# %% [markdown]
# **Key point.** A flow that is used for a warp points from the new frame back to the source.

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
z = grids.identity_grid(*composed.shape[:2], device=composed.device)
print("Your flow is the model's own:", "yes" if torch.allclose(z + composed, shown.flow[0], atol=1e-4)
      else "no")

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "This picture was warped by the flow that was just composed." Ask: "What would it
# look like if the residual were forgotten?" In this model, nearly the same; that is the next topic.

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## Who does the work?
#
# **Objective.** Test a part of a trained model before you explain the result by it.
#
# Two things can move a pixel in (5): a keypoint's shift, or the residual $R$. The loss does not ask
# which, so we do: warp the source by each part alone, and divide the error in the pixels that move by
# that of a **copy**, the source left as it is.

# %%
def who_moves(model, frames):
    """What each part of the flow leaves of a copy's error, on a clip (T, 3, H, W)."""
    source, truth = frames[:1], frames[1:]
    made = scenes.parts(model, source, truth)  # the source, warped by each part alone
    return {
        "keypoints": scenes.share_of_copy(made.keypoints, truth, source),
        "residual": scenes.share_of_copy(made.residual, truth, source),
        "both": scenes.share_of_copy(made.whole, truth, source),
    }

# %% tags=["nbval-ignore-output", "hide-input"]
bet = predict.guess("04.p2")
bet

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "The first Monkey-Net of this course left less than half of a copy's error on the
# robot, and we said: thanks to the keypoints." Ask: "How much do the keypoints alone leave, without
# the residual?" 100 % would mean that they do nothing.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The first training

# %% alt="Covered until a guess: the source, the source warped by the keypoints alone, by the residual alone, the finished and the true frame, and a table of what each part leaves of a copy's error." tags=["nbval-ignore-output", "hide-input"]
pair = {name: zoo.load(checkpoint, device) for name, checkpoint in scenes.TRAINED.items()}
sheets = {name: scenes.parts_sheet(one, example[:1], example[most : most + 1])
          for name, one in pair.items()}
measured = {name: [who_moves(one, robot.frames) for robot in robots[:6]]
            for name, one in pair.items()}
table = evaluation.table("monkeynet-keypoints")


def first_training():
    display(still(sheets["first"]))
    display(Markdown(results.parts_table({"first": measured["first"]})))


bet.reveal(100 * scenes.keypoints_share(table, "first", "robot"), first_training)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "The picture in the second column is the source: the keypoints move nothing." Ask:
# "Then how does the arm get to the right place?" The motion network reads the driving pose off the
# keypoints' bumps and writes it into the residual: keypoints as a code, not as motion.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Keypoints as a code, or as motion
#
# A test that needs no true frame: move **all** keypoints to the right. What they carry should follow,
# and stay sharp. Above: the first training. Below: a second one, which the next slide explains.

# %% alt="Two rows of four pictures, source with its keypoints, keypoints moved, source warped by them, finished: with the first training the warped picture does not change and the finished frame is smeared; with the mended one the sharp arm moves to the right." tags=["hide-input"]
still(scenes.shifted_sheet(pair, example[:1]))

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Same picture, same push; only the training differs." Ask: "Which of the two would
# you trust with a motion that it has never seen?" Relative motion, later, relies on keypoints
# that carry their surroundings along. The black strip was read from outside the source.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How the shortcut was mended
#
# ![One training step: Monkey-Net gets two frames of a clip and makes three pictures, each compared with the driving frame: the source warped by the keypoints alone, which is the term that was added, the source warped by the whole flow, and the generated frame.](../course/diagrams/04_training.svg)
#
# The residual was a **shortcut**, a way to a low loss that leaves the keypoints idle. One more term
# compares the source, **warped by the keypoints' part alone**, with the true frame. So the keypoints
# have to move the pixels, and the residual adds what they cannot do.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Whatever the loss does not ask for, training need not do." Ask: "What else could
# you do about a shortcut?" Penalise the residual, start it late, or leave it out. In the paper's
# ablation on Tai-Chi, L1 is 0.050 for the whole model, 0.051 without the residual and 0.052 with
# the residual alone: there, too, either part nearly suffices.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Does the mend hold?

# %% alt="Points with intervals: what the keypoints' part of the flow leaves of a copy's error, on robot and bodies, before and after the mend; on the robot it falls from a copy's error to less than half." tags=["hide-input", "nbval-ignore-output"]
results.mend_plot(table)

# %% [markdown]
# The mended models were also trained longer, so the plot shows *that* the robot's keypoints now work,
# not how much of it is due to the term. On bodies they worked before, and the intervals overlap.
#
# **Key point.** A part that no test isolates may be idle: switch it off before you credit it.

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
plots.folded("Six scenes, part by part; and all rows of this comparison", lambda: "\n\n".join(
    (results.parts_table(measured), plots.table(table, results.WORDS))))

# %% alt="Pictures as above for the mended training: the source warped by keypoints alone has the arm in the right place." slideshow={"slide_type": "skip"} tags=["hide-input"]
still(sheets["mended"])

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
shares = {name: scenes.keypoints_share(table, name, "robot") for name in pair}
print("First training: the keypoints' part moves the arm:", "yes" if shares["first"] < 0.75 else "no")
print("Mended training: the keypoints' part moves the arm:",
      "yes" if shares["mended"] < 0.75 else "no")

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Each point is a mean over test clips, with its interval." Ask: "What would you
# still have to train to know what the term alone buys?" The same number of steps without it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Alignment: why the skips are deformed
#
# **Objective.** Say what a plain skip connection does wrong when the object moves.
#
# ![Two rows: a plain skip hands features of the arm to the decoder at their old place, outside the small filter where the new arm is drawn; a deformed skip warps them by the flow first, so that they lie inside the filter.](../course/diagrams/04_alignment.svg)
#
# $$ \xi'_i = \bigl[\,\xi_i\bigl(T(z)\bigr),\; G_D - G_S\,\bigr] \tag{6} $$
#
# $\xi_i$: the source's features at level $i$ of the encoder; $G_D$, $G_S$: the keypoints' bumps.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "A convolution sees a few pixels; the detail it needs lies elsewhere." Ask: "Where
# did lecture 03 meet this problem?" There, each body part had its own affine map. The
# bumps tell the decoder where keypoints came from and where they went.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Does the warp bring features nearer?
#
# We compare the source's features, before and after the warp, with those of the *true* driving
# frame, which the generator never sees.

# %% alt="Points with intervals for three levels of the encoder: the distance to the true frame's features that is left after the warp is below that before the warp, least at the finest level." tags=["hide-input", "nbval-ignore-output"]
left = scenes.left_over_rows(model, robots[: lesson.pick(3, 12)])
results.alignment_plot(left)

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
print("The warp brings features nearer to where they are needed, at every level:",
      "yes" if all(row["high"] < 1 for row in left) else "no")

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Left of the dashed line means nearer to the truth." Ask: "Why is the gain largest
# at the finest level?" Coarse features change less when an arm moves, so there is less to gain.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Relative motion, on another shape
#
# At test time the shapes differ, so the source moves by what changed since the first driving frame:
#
# * points, equation (8): $\mu_t = \mu_S + (\mu^D_t - \mu^D_1)$;
# * covariances, equation (9): $\Sigma_t = \mathrm{sym}(\Sigma^D_t\,(\Sigma^D_1)^{-1}\,\Sigma_S)$ with
#   $\mathrm{sym}(A) = \tfrac12 (A + A^\top)$.

# %% alt="Five pictures: a source head, two moments of a driving head, the source moved in absolute mode, which takes over the driving head's place and size, and in relative mode, which keeps its own." tags=["hide-input"]
still(faces.transfer_sheet(painter, heads[-1][0], heads[2]))

# %% [markdown]
# Absolute mode takes over the driving head's place and size; relative mode starts from the source's.
#
# **Key point.** Relative motion keeps a shape; it needs a first frame in which both poses agree.

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "These are the relative skeletons again, with learned points." Ask: "Why
# did the first video of this lecture use absolute motion?" There is one robot: its shape is the same
# in all scenes, and the arm should go to the driving arm's place. Exercise 04.3 is this slide.

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## The paper's comparison, run again
#
# **Objective.** Read a table of results: what is compared, what is not, and how sure it is.
#
# X2Face, Monkey-Net and First Order Motion (lecture 05) on three sets, at 64 × 64 as in the paper.
# `faces` stands in for Nemo, `bodies` for Tai-Chi, `robot` for BAIR. On each set all three see the
# same clips and share one reconstruction loss; on `bodies`, Monkey-Net has the added term as well.
# Each rebuilds test clips from their first frame. A **judge** is a network that only measures.
#
# * **error in the pixels that move**: over pixels in which the truth differs from the source;
# * **AKD**, **MKR**: distance of keypoints that a judge finds, and the share that it misses;
# * **AED**: distance of identities, as a judge describes them.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "The order of the systems can be compared with the paper, the numbers cannot." Ask:
# "What would a system score that does nothing?" That is the row of the copy, and the unit of the
# next plot.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Does the order hold?

# %% alt="Points with intervals on three sets: the error in the pixels that move as a share of a copy's; X2Face is nearest to the copy, Monkey-Net lower, First Order Motion lowest." tags=["hide-input", "nbval-ignore-output"]
rows = evaluation.table("animation")
results.systems_plot(rows)

# %% tags=["hide-input"]
Markdown(results.credit(table))

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
plots.folded("All rows, the paper's numbers, and every ordering with its interval",
             lambda: results.full_table(rows))

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "The dashed line is a copy of the source." Ask: "Where do two systems overlap, and
# what does the interval say about another training?" Nothing: it is about these weights on other
# clips, and one seed was trained. The robot's Monkey-Net in this plot is that of the first training.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What does each part buy?
#
# Monkey-Net on `bodies`, trained with the same data, batch, steps and seed, each time without a
# part: **no flow** (a U-Net that is told the motion by bumps alone), **no deformed skips** (there is
# a flow, but the features are passed on unwarped).

# %% slideshow={"slide_type": "skip"} tags=["nbval-ignore-output", "hide-input"]
bet = predict.guess("04.p4")
bet

# %% alt="Covered until a guess: points with intervals, the error of the whole model, without deformed skips and without a flow; and a person as each of them makes it." tags=["nbval-ignore-output", "hide-input"]
less = evaluation.table("monkeynet-ablations")
plot, sheet = results.parts_plot(less), results.ablation_sheet(people.frames, device)


def without_a_part():
    display(plot)
    display(still(sheet))


bet.reveal(results.worse_part(less), without_a_part)

# %% [markdown]
# **Key point.** Look at differences with their intervals, and at the baseline that does nothing.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Here one part at a time is left out and trained again." Ask: "Does a large
# difference prove the explanation that you have in mind?" No; see "Who does the work?". On the page,
# the prediction stands above the plot.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The metric trap
#
# **Objective.** Find out what a metric does not see.
#
# Clip **A** never moves: it repeats the source. Clip **B** moves exactly as the truth does, but is
# shifted by four pixels, as after a careless crop. Which one would you choose?

# %% alt="A video of three clips side by side: the truth, clip A that never moves, and clip B that moves but sits four pixels to the right." tags=["hide-input"]
trap = results.trap_clips(example)
says = "Left: the truth. Middle: clip A, which never moves. Right: clip B, moved and shifted."
HTML(results.player(list(trap.values()), says, mark=False))

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Left is the truth, then A, then B. Raise your hand: which looks better, A or B?"
# Ask: "What is most of this picture made of?" Of background that does not move.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What L1 says

# %% tags=["nbval-ignore-output", "hide-input"]
bet = predict.guess("04.p3")
bet

# %% tags=["nbval-ignore-output", "hide-input"]
means = results.trap_errors([robot.frames for robot in robots], metrics.l1)
bet.reveal(min(means, key=means.get), results.trap_table(means))

# %% [markdown]
# **Key point.** A mean over all pixels is mostly about the pixels that do not move.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "A copy has the background right, and a shift gets it wrong at every edge." Ask:
# "Which pixels should count?" That is the next exercise.

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 04.4 · The pixels that move
#
# **Objective.** Write the metric that this lecture reports.
#
# Write `l1_moving(made, truth, source, threshold)`: clips `(T, 3, H, W)`, source `(3, H, W)` → one
# number. In each frame count only the pixels in which any channel of the *truth* differs from the
# source by more than the threshold. Take the mean over these pixels and channels, then over frames.

# %% tags=["hide-input", "exercise"]
check.card("04.4")

# %% tags=["exercise"]
def l1_moving(made, truth, source, threshold):
    return check.TODO

# %% tags=["solution"]
def l1_moving(made, truth, source, threshold):
    moving = (truth - source).abs().amax(1) > threshold  # (T, H, W)
    error = (made - truth).abs().mean(1) * moving  # (T, H, W)
    return (error.sum((1, 2)) / moving.sum((1, 2))).mean()

# %% tags=["check", "nbval-check-output"]
l1_moving = check.choose("04.4", l1_moving)

# %% tags=["hide-input", "nbval-check-output"]
after = results.trap_clips(example, 4)  # from the fifth frame on: before, little has moved
scores = {name: float(l1_moving(clip, after["the truth"], example[0], 0.1))
          for name, clip in after.items()}
print("By your metric the better clip is", min(("A", "B"), key=scores.get))

# %% [markdown]
# **Key point.** Truth and source decide which pixels count, never the generated clip.

# %% [markdown] slideshow={"slide_type": "notes"}
# **8 min.** Say: "Five minutes; the card holds two hints." Ask: "Why must the generated clip have
# no say in which pixels count?" A frozen clip would not be judged at all.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Ask people: a blind preference study
#
# **Objective.** Plan a study whose answer can be trusted, and say how sure it is.
#
# When no true answer exists, ask people: *which of two results follows the driving clip better?* In
# the paper Monkey-Net was preferred over X2Face in 85.0, 79.2 and 90.8 % of the votes on Tai-Chi,
# Nemo and BAIR.
#
# * **blind**: nobody knows which system made which clip; sides and order are random for each rater;
# * **attention checks**: some pairs have an obvious answer; raters who fail them are left out, by
#   a rule that is fixed beforehand;
# * **resample whole clips** for the interval, since votes on one clip resemble each other.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "85 % of how many votes, on how many clips?" Ask: "Are ten votes on one pair of
# clips ten independent observations?" No: exercise 04.5 compares the two intervals, 04.7 asks whether
# more clips or more raters help.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Vote
#
# Two systems animate rendered heads. Votes are saved at once, without names; voting is voluntary.

# %% alt="The ballot: a driving clip as reference, two animations beside each other, and buttons to choose the better one." tags=["nbval-ignore-output", "hide-input"]
tasks = results.study_tasks(heads, lesson.pick(3, 10))
shown_clips = study.clips_from({"Monkey-Net": painter, "X2Face": talker}, tasks)
plan = study.plan(shown_clips.items, shown_clips.methods, name="lecture-04",
                  checks=shown_clips.lively(2))
Preference(plan, shown_clips, "votes")

# %% [markdown]
# **Key point.** A share of votes without an interval over clips is half an answer.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "One of you comes to the front; the others get the page as a file if they like."
# Ask: "What did you look at when you chose?" `study.page(plan, shown_clips, "study.html")` writes
# the file; `study.analyse(plan, study.gather("votes", plan))` closes the study.
# `plan.save("plan.json")` keeps the secret key, if the study goes on after this session.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where they fail
#
# **Objective.** Know what these systems lose, and what they must not be used for.
#
# The test frame of `bodies` on which the three systems together do worst: the person has turned to
# show a side that the source hides. X2Face bends her and the wall alike; the other two shift the view
# from behind, and smear limbs and the edges of the background.

# %% alt="Five pictures of a person: source, true frame with another pose, and the frames of X2Face, in which the person and a stripe of the wall lean over, and of Monkey-Net and First Order Motion, in which limbs are missing or smeared, and edges of the wall are doubled." tags=["hide-input"]
still(results.failures_sheet(people.frames[: lesson.pick(3, 20)], device))

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "This is the worst frame, chosen by rule." Ask: "Which of these faults would more
# training mend, and which needs another idea?" A limb that turns needs more than a shift: lecture
# 05 adds a matrix to each keypoint, and a map of what is hidden.

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## Misuse, consent, provenance
#
# * **A body is a person, too.** A fake of somebody dancing, drinking or hitting can harm as much as a
#   fake face. Animate people who agreed to *this* use, or people who do not exist, as here.
# * **Motion identifies.** People can be recognised by their gait: a driving clip is personal data.
# * **Raters are people.** Say what a study is for, ask for consent, keep no names, let them stop.
# * **Say so.** Clips that the package writes carry a visible mark, and a note in the file:

# %% tags=["nbval-check-output", "hide-input"]
print(video.provenance("monkeynet-bodies-64"))

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "A small or distant figure needs less quality to be believed than a face." Ask:
# "Whose consent do you need to use a dance video as a driving clip?" Lecture 10 asks what is left if
# somebody removes the mark and the note.

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## Summary
#
# * A pose belongs to a body; **motion** can be given to another one, relative to a first frame.
# * X2Face warps twice and paints nothing; trained as here, it learns hardly more than one motion.
# * Monkey-Net mixes **keypoint shifts by masks**, adds a residual, warps every level of its
#   features, and paints the rest.
# * In our first training on the robot the **residual did all the work**. A test found it; one more
#   term, and longer training, mended it.
# * L1 over all pixels favours standing still; votes need intervals over clips.
#
# **Key point.** Explain a result by a part only after a test has shown that the part works.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "If you keep one thing, keep the question: who does the work?" Ask: "Which part of
# a model that you use have you never switched off?"

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Glossary
#
# | term | meaning |
# |---|---|
# | source, driving frame | the picture to be moved; a frame of the clip that moves it |
# | appearance transfer | the source's appearance is drawn in the driving poses |
# | motion transfer | the driving motion is applied to the source |
# | embedded face | X2Face's common pose, from which every output is read |
# | keypoint, covariance | mean and spread of a heat map that nobody labelled |
# | bump | a smooth map of a keypoint's shape, given to the networks |
# | mask | for each place, how strongly it follows a keypoint; the masks sum to one |
# | flow | for each place of the new frame, the way from there to the place in the source to read |
# | residual | the part of the flow that belongs to no keypoint |
# | shortcut | a way to a low loss that avoids what the model was built to do |
# | skip connection | features of the encoder, handed to the decoder at the same size |
# | deformed skip | the same, warped by the flow first |
# | absolute, relative motion | the driving pose itself; what changed since the first driving frame |
# | pixels that move | pixels in which the true frame differs from the source |
# | AKD, MKR, AED | average keypoint distance, missing keypoint rate, average Euclidean distance of identities |
# | judge | a network that measures results and never trains with the models |
# | copy | the source itself, shown in place of every frame |
# | baseline | a simple method that a new one has to beat, such as a copy |
# | ablation | the model trained again without one of its parts |
# | attention check | a pair in a study with an obvious answer |

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Further reading
#
# * Siarohin et al., [*Animating Arbitrary Objects via Deep Motion Transfer*](https://arxiv.org/abs/1812.08861),
#   CVPR 2019: keypoints with covariance, motion and masks, the user study.
# * Wiles, Koepke, Zisserman, [*X2Face*](https://arxiv.org/abs/1807.10550), ECCV 2018: the embedded
#   face, and how it can be driven by pose or sound.
# * The next step: Siarohin et al.,
#   [*First Order Motion Model for Image Animation*](https://arxiv.org/abs/2003.00196), NeurIPS 2019.
#
# **The authors' weights.** The classes here are the published ones, with smaller sizes; that they
# compute the same numbers is tested, array by array. Files that you have downloaded under
# their terms load with `zoo.load_published("monkeynet", "moving-gif", "moving-gif.pth.tar")` and
# `zoo.load_published("x2face", "face", "x2face_model.pth")`.
#
# **Credits.** This lecture follows the part on image animation of *Image and Video Generation: A
# Deep Learning Approach* by Nicu Sebe (University of Trento) for the International AI Doctoral
# Academy; Monkey-Net is by A. Siarohin, S. Lathuilière, S. Tulyakov, E. Ricci and N. Sebe. Text and
# code here are independent; text CC BY 4.0, code MIT. Bodies and heads are rendered with anny (CC0),
# the robot with metaworld and MuJoCo (MIT, Apache-2.0).

# %% [markdown] slideshow={"slide_type": "skip"}
# ## What comes next
#
# A shift cannot turn an arm. Lecture 05, First Order Motion, gives each keypoint a matrix, and the
# generator a map of what the source does not show.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## In the package
#
# The equations as the package computes them, and where each of them stands.

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
for equation in (x2face.average, monkeynet.bumps, monkeynet.differences, monkeynet.mix):
    print(inspect.getsource(equation))

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
plots.folded("From the equations to the lines that compute them",
             papermap.table("x2face") + "\n" + papermap.table("monkeynet"))

# %% [markdown] slideshow={"slide_type": "skip"}
# **What is learned, and from what.** The published Monkey-Net trains with a discriminator that sees
# the keypoints' bumps beside the picture. Its features also measure the reconstruction,
#
# $$ L_{rec} = \sum_i \lambda_i\,\bigl|\phi_i(D, G_D) - \phi_i(\hat D, G_D)\bigr|, \tag{7} $$
#
# where $\phi_i$ is level $i$ of the discriminator, and level 0 the picture itself. The keypoints get
# their gradient from the generator's losses only. Our three systems share another objective: L1 of
# the frame, features of a network trained on ImageNet, and L1 of the warped source at four scales. So
# the comparison is about architectures more than about losses. First Order Motion keeps its
# equivariance losses, which lecture 05 explains; both systems with keypoints have a term that keeps
# the points apart; and on `bodies` the last part of Monkey-Net's training had the term for its
# keypoints as well.

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
plots.folded("Ledger: what the papers claim, and what was found here", lambda: ledger.table("04"))

# %% [markdown] slideshow={"slide_type": "skip"}
# ## At home
#
# ### Masks under your brush
#
# Choose a keypoint, paint where it should be followed, and the frame is made again. Then switch the
# residual off: what still moves?

# %% alt="The mask painter: a keypoint's mask over the generated frame, the frame made from the painted masks, and the frame as the model made it." slideshow={"slide_type": "skip"} tags=["nbval-ignore-output"]
MaskPainter(model, example[0], example, name="Monkey-Net, mended")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### The metric lab: which metric is blind to what?
#
# Choose a fault (shift, blur, flicker, a frozen clip, another person's face) and its strength. Find
# a fault to which *none* of the pixel metrics reacts, and one that all of them punish although hardly
# anybody would notice it.

# %% alt="The metric lab: a clip with a chosen fault, and a table in colours with a row for each fault and a column for each metric, from blind to as bad as a copy." slideshow={"slide_type": "skip"} tags=["nbval-ignore-output"]
MetricLab(*faces.with_landmarks())

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 04.2 · From a heat map to mean and covariance
#
# Write `mean_and_covariance(heat)`: maps `(K, H, W)`, each of which sums to one → means `(K, 2)` and
# covariances `(K, 2, 2)`, equation (3). Places are (x, y) in [−1, 1], −1 and 1 at pixel centres.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("04.2")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def mean_and_covariance(heat):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def mean_and_covariance(heat):
    grid = grids.identity_grid(*heat.shape[1:]).to(heat)  # (H, W, 2)
    mean = torch.einsum("khw,hwc->kc", heat, grid)
    away = grid - mean[:, None, None]  # (K, H, W, 2)
    return mean, torch.einsum("khw,khwa,khwb->kab", heat, away, away)

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
mean_and_covariance = check.choose("04.2", mean_and_covariance)

# %% alt="A driving frame of the robot with ten ellipses, drawn from the means and covariances that your function computed from the model's heat maps." slideshow={"slide_type": "skip"} tags=["hide-input"]
heat = shown.motion.heatmaps[0] / shown.motion.heatmaps[0].sum((1, 2), keepdim=True)
still(scenes.own_keypoints_sheet(example[most], *mean_and_covariance(heat)))

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 04.3 · The motion of one shape on another
#
# Write `transfer(p_source, p_t, p_1, c_source, c_t, c_1)` → `(points, covariances)`: equations (8)
# and (9). Points are `(K, 2)`, covariances `(K, 2, 2)`. If the driving clip has not moved yet, what
# has to come out?

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("04.3")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def transfer(p_source, p_t, p_1, c_source, c_t, c_1):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def transfer(p_source, p_t, p_1, c_source, c_t, c_1):
    changed = c_t @ torch.linalg.inv(c_1) @ c_source
    return p_source + (p_t - p_1), (changed + changed.mT) / 2

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
transfer = check.choose("04.3", transfer)

# %% alt="A head, a driving head that has turned, and the first head moved by the keypoints that your function computed." slideshow={"slide_type": "skip"} tags=["hide-input"]
still(faces.own_transfer_sheet(painter, transfer, heads[-1][0], heads[2]))

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 04.5 · How sure is a preference?
#
# Write `share_interval(votes, picks)`: votes are 0 or 1, `(items, raters)`; each row of `picks`
# `(draws, items)` lists the items of one resampled study, drawn with replacement. Return the 2.5 %
# and the 97.5 % quantile of the share of votes over the draws. Whole items are drawn, with all
# their votes: otherwise the interval would be too narrow.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("04.5")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def share_interval(votes, picks):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def share_interval(votes, picks):
    shares = votes.mean(1)[picks].mean(1)  # (draws,)
    low, high = torch.quantile(shares, torch.tensor([0.025, 0.975]))
    return low, high

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
share_interval = check.choose("04.5", share_interval)

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
Markdown(results.votes_said(share_interval, SEED))

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 04.6 · A skip that lags behind
#
# The function below deforms the features `(C, h, w)` of a skip connection by the flow `(H, W, 2)` of
# the whole picture, which is larger. With it the arm is seen twice: the inner levels lag behind the
# picture. Find the fault, and mend it.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("04.6")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def deform_skip(features, flow):
    _, height, width = features.shape
    small = grids.resize_grid(flow[None], height, width)
    small = small * height / flow.shape[0]
    return grids.warp(features[None], grids.identity_grid(height, width) + small)[0]

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def deform_skip(features, flow):
    _, height, width = features.shape
    small = grids.resize_grid(flow[None], height, width)  # a share of the picture at every size
    return grids.warp(features[None], grids.identity_grid(height, width) + small)[0]

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
deform_skip = check.choose("04.6", deform_skip)

# %% alt="A coarse picture of the source, the same after your function deformed it by the model's flow, and the coarse true frame: the arm is at the same place in both." slideshow={"slide_type": "skip"} tags=["hide-input"]
still(scenes.deformed_sheet(deform_skip, shown, example[0], example[most]))

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 04.7 · More clips or more raters?
#
# You can pay for a certain number of votes. Is it better to show many clips to a few people, or few
# clips to many? Write `same_votes(votes, picks, few_picks)`, an experiment on given votes:
# `votes` is `(items, raters)`, `picks` `(draws, items)` and `few_picks` `(draws, few)` are as in
# exercise 04.5. Return three things:
#
# 1. the width of the interval if **all items** are judged by the first `raters * few // items`
#    raters;
# 2. the width if only the **first `few` items** are judged, by all raters;
# 3. what to ask for more of: `"clips"` or `"raters"`.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("04.7")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def same_votes(votes, picks, few_picks):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def same_votes(votes, picks, few_picks):
    items, raters = votes.shape
    few = few_picks.shape[1]
    low, high = share_interval(votes[:, : raters * few // items], picks)
    few_low, few_high = share_interval(votes[:few], few_picks)
    return float(high - low), float(few_high - few_low), "clips"

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
same_votes = check.choose("04.7", same_votes)

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
Markdown(results.same_votes_said(same_votes, SEED))

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.open_task("04.o1")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### A class whose preference is known
#
# Can the analysis find the truth? Thirty raters are simulated, with a preference that we set
# ourselves; some press the wrong button, and some never look.

# %% alt="The share of votes for Monkey-Net of a simulated class, as a dot with its interval; the dashed line at one half is far away from it." slideshow={"slide_type": "skip"} tags=["hide-input"]
simulated, true_share = results.simulated_class(SEED)
simulated.figure()

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
(found,) = simulated.comparisons
print("The interval holds the known preference:",
      "yes" if found.low <= true_share <= found.high else "no")
print("Raters who did not look were left out:", "yes" if simulated.inattentive > 0 else "no")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Questions

# %% slideshow={"slide_type": "skip"} tags=["nbval-ignore-output", "hide-input"]
quiz.ask("04.q1")

# %% slideshow={"slide_type": "skip"} tags=["nbval-ignore-output", "hide-input"]
quiz.ask("04.q2")

# %% slideshow={"slide_type": "skip"} tags=["nbval-ignore-output", "hide-input"]
quiz.ask("04.q3")

# %% slideshow={"slide_type": "skip"} tags=["nbval-ignore-output", "hide-input"]
quiz.ask("04.q4")

# %% slideshow={"slide_type": "skip"} tags=["nbval-ignore-output", "hide-input"]
quiz.ask("04.q5")

# %% slideshow={"slide_type": "skip"} tags=["nbval-ignore-output", "hide-input"]
quiz.ask("04.q6")

# %% slideshow={"slide_type": "skip"} tags=["nbval-ignore-output", "hide-input"]
quiz.ask("04.q7")

# %% [markdown] slideshow={"slide_type": "skip"} tags=["instructor"]
# **What goes wrong in class.** Students read the flow forwards; they add the identity grid twice;
# they take a long ellipse for uncertainty; they compare our numbers with the paper's; they count
# votes as if all of them were independent.

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
Markdown(compute.card("04"))
