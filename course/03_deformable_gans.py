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
# # 03 · Deformable GANs: people with parts that move
#
# *Siarohin, Sangineto, Lathuilière, Sebe: Deformable GANs for Pose-based Human Image Generation. CVPR
# 2018, [arXiv:1801.00055](https://arxiv.org/abs/1801.00055); extended in TPAMI 43(4), 2021,
# [arXiv:1905.00007](https://arxiv.org/abs/1905.00007).*
#
# **After this lecture you can**
#
# 1. say why the skip connections of a U-Net fail when the object moves, and carry features of a body
#    along by ten affine maps;
# 2. write a loss that forgives a texture which lies a pixel off, and show what L1 does to it;
# 3. test whether a part of a trained model does its work, and sort failures by a rule.
#
# **You need** PyTorch tensors, convolutional networks, U-Nets, the idea of a GAN, and lecture 00. The
# people are rendered; nobody in this lecture exists.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Last time a face kept its place; today a whole body moves, and its texture has to
# move along." Ask: "You see somebody from the front. What do you know about their left sleeve when
# they raise the arm, and what do you have to guess?"

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Plan
#
# | minutes | part | kind | begins with |
# |---|---|---|---|
# | 6 | the question, a result, the data flow | discuss | The question of the day |
# | 5 | a pose as numbers and as maps | explain | A pose as 18 maps |
# | 6 | rigid and deformable alignment | explain | Why plain skips smear |
# | 7 | ten parts, their maps and masks | explain | Ten parts |
# | 6 | exercise 03.1 | exercise | Exercise 03.1 · The affine map of a limb |
# | 6 | the deformable skip | explain | Deformable skips |
# | 5 | the idea at work | discuss | Do limbs arrive? |
# | 5 | what L1 does to cloth | explain | A stripe that nobody can place |
# | 6 | exercise 03.2 | exercise | Exercise 03.2 · The nearest-neighbour loss |
# | 6 | shifted cloth, live | discuss | Shifted cloth, live |
# | 4 | discriminator and training step | explain | Who judges, and who learns |
# | 8 | the ablation | discuss | What each idea is worth |
# | 4 | the pose studio | widget | The pose studio |
# | 6 | failures, sorted by a rule | discuss | Where it fails |
# | 5 | somebody else's proportions | discuss | A short person, driven by a tall one |
# | 5 | misuse, today, summary | discuss | Misuse, consent, provenance |
#
# **If late:** leave out "Four levels", "When a joint is missing" and "The same models, in pictures",
# and give exercise 03.2 as homework. Do not leave out "Do limbs arrive?" and the slide on misuse.
#
# Exercises 03.3, 03.4, 03.5, the open task and the appendix on re-identification are homework; they
# stand at the end.

# %% slideshow={"slide_type": "skip"} tags=["parameters", "hide-input"]
PROFILE = None  # "smoke", "lecture" or "full"; None asks the variable AIDAGEN_PROFILE
SEED = 3

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
import inspect

import torch
import torch.nn.functional as F
from IPython.display import Markdown

from aidagen import evaluation
from aidagen.kernels import parts as part_kernels
from aidagen.lectures.deformable_gans import failures, figures, graphs, judging, real, showcase, toy
from aidagen.models import deformable_gan
from aidagen.poses import MIRRORED
from aidagen.teaching import check, compute, ledger, lesson, plots, predict, quiz
from aidagen.teaching.watching import Watch
from aidagen.widgets.pose_studio import PoseStudio

_ = torch.set_grad_enabled(False)  # only the live training below turns gradients on
lesson = lesson.start("03", PROFILE, seed=SEED, device="cpu")  # the models are small

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## The question of the day
#
# **Objective.** See the task: one picture of a person, one pose, and that person in that pose.
#
# Left: **one still picture**. Middle: poses of somebody else. Right: what the model paints, frame by
# frame, before the backdrop of the still picture.

# %% slideshow={"slide_type": "skip"}
model = showcase.model()  # deformable-gan-people-128: trained weights that ship
people = showcase.people()  # 24 test people; no model has seen them
someone = showcase.chosen(model)

# %% alt="A clip in three columns: a still picture of a person, a figure of sticks that moves, and the same person, who moves as the sticks do." slideshow={"slide_type": "fragment"} tags=["hide-input"] tour=true
figures.film(model, someone, showcase.driver(), every=lesson.pick(4, 1))

# %% [markdown] slideshow={"slide_type": "fragment"}
# Of 24 test people, this is the one of **median** error. The poses are those of the test clip in which
# most joints are seen.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "One picture and a moving figure of sticks went in." Ask: "What did the model have to
# make up, and what could it copy?" (It could copy the clothes as far as they are seen; the back and the
# side of the body are made up.) The rules of choice are in `showcase.py`.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### One person, several poses
#
# The same person in the poses of their other pictures, so that the true answer is known.

# %% alt="A picture of a person in the first column; beside it seven poses as figures of sticks, below them the pictures that the model paints, and in the last row the true pictures." tags=["hide-input"]
figures.many_poses(model, someone)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Compare the second row with the third, column by column." Ask: "Which of the
# columns would you have got right yourself, from the first picture alone?" Clothes, build and pose are
# right; the face is a blur, and a leg whose joints are hidden fades or breaks.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The data flow
#
# ![Two streams. Above, the source picture and its pose, as 18 heat maps, go through an encoder of six levels; its four finest levels are deformed by ten affine maps, which come from both poses. Below, the target pose and the empty backdrop go through a second encoder, whose skips are plain. Both meet in one decoder, which paints the person.](../course/diagrams/03_flow.svg)
#
# The decoder also paints a mask, by which the person is laid over the backdrop; this, and the backdrop
# itself, are not in the paper of 2018.
#
# **Key point.** What the person looks like and where their parts should be come in separately. The
# skips of the first stream have to be *moved* before the two can be joined.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Two streams, one decoder; today is about the arrows in the middle." Ask: "Why not
# feed everything into one encoder?" (That is the variant with plain skips; we measure it below.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A pose as 18 maps
#
# **Objective.** Turn joints into something that a convolutional network can read.
#
# A pose is 18 **joints** with names. Each becomes a **heat map**: a Gaussian bump of 6 pixels at its
# place, and zeros everywhere if the joint is **not known**, as when it is hidden. Orange is the person's
# right side, blue the left one.

# %% alt="A row of pictures: a person; the person with 18 joints joined to a figure of sticks; the heat maps of the nose, of a wrist, of an ankle, each with one bump, and of a hidden joint, which is empty; and the largest value of all 18 maps." tags=["hide-input"]
figures.heat_maps(someone)

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "One map per joint, and a joint that nobody sees is an empty map." Ask: "Why a bump
# of six pixels, and not a single bright pixel?" (A single pixel moves without overlap: the network
# could not tell near from far.) Elsewhere the joints come from a pose estimator, with its errors; ours
# are exact.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What is given, what is asked
#
# | | in | out |
# |---|---|---|
# | **source** | picture $x_a$ and its pose $P(x_a)$ | |
# | **target** | pose $P(x_b)$, and here the empty backdrop | picture $\hat x_b$ |
#
# In training, $x_a$ and $x_b$ are two pictures of one person, so that the true answer is known. The
# backdrop is given, so that what is compared is the person.
#
# **Key point.** The pose says where the joints are. It says nothing about clothes, hair or build.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Nothing about the person is in the target but where the joints are." Ask: "What else
# is hidden in the distances between joints?" (The length of the limbs: somebody's proportions. We come
# back to that at the end.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why plain skips smear
#
# **Objective.** See that a skip connection is right only where nothing has moved.
#
# * **Rigid**: input and output are locally aligned. A map becomes a photograph, a sketch a face, the
#   neutral face of lecture 02 a smile. A pixel of the output needs what is at the same place.
# * **Deformable**: they are not. The wrist of the source is far from the wrist of the target, and each
#   limb has moved in its own way.
#
# A plain skip hands on features *at their old place*. Where the target wants an arm, it brings wall.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "A U-Net is so good at texture because its skips carry it past the bottleneck, to the
# same place." Ask: "Which other tasks are aligned, and which are not?" Collect examples: colouring,
# segmentation, removing rain; a face seen from the side, a car turned around.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The same, seen
#
# Third column: the source laid over the target. Last column: the source's parts, moved, laid over it.

# %% alt="Two rows of five pictures, of colours above and of features of the second level below: source, target, source over target, where limbs appear twice, the source deformed by ten parts, and this over the target, where limbs coincide." tags=["hide-input"]
target = figures.farthest(someone)
figures.alignment(model, someone, target)

# %% [markdown]
# **Key point.** In the third column every limb is there twice; a decoder that is given this can only
# smear. Move the features first, and then hand them on.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Count the arms in the third column." Ask: "Could the deeper levels of the network
# not move things around?" (They can, but there is little detail left in them.) Of the pictures that
# show the same side of the person, this is the pose farthest from the source.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Ten parts
#
# **Objective.** Say where each pixel of the target reads in the source.
#
# ![One part, the right forearm. In the target picture on the left a rectangle lies around the bone from elbow to wrist; in the source on the right a second rectangle lies around the same bone, which points elsewhere. An arrow from a pixel in the left rectangle to the right one is labelled with the affine map, which is fitted to the four corners. The left rectangle is the mask: the map counts only within it.](../course/diagrams/03_part.svg)
#
# Torso, head, thighs, shins, upper arms, forearms. Each has an **affine map** from target to source,
# fitted to its points by least squares, and a **mask**: where in the target it counts.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "The map goes backwards: each new pixel asks where to read." Ask: "Four corners give
# eight equations for six numbers; when do they agree exactly?" (A rectangle and a rectangle: always.)
# The torso's mask is the whole picture: the background has to come from somewhere. The authors fit by
# *total* least squares, which differs only where points do not fit exactly: torso and head.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What each part reads

# %% alt="Two rows: above, the source picture as the maps of torso, head and four limbs read it everywhere; below, the same within each part's mask; in the last column the largest of the ten parts, and the true picture." tags=["hide-input"]
figures.parts(someone, target)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Every map turns the whole source; the mask says for which piece it is right." Ask:
# "What is missing in the last picture of the first row, and who has to fill it?" (What no part covers,
# and what was not seen: the decoder.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### When a joint is missing
#
# * The **source** does not show the limb: the limb of the **other side** stands in.
# * It shows neither, or the **target** has no such limb: the part is absent. Its mask is empty.

# %% alt="Three pairs of pictures: a source with its joints and both forearms moved; the same with a hidden right wrist, whose forearm is now that of the left side; and with both wrists hidden, where nothing is read." tags=["hide-input"]
figures.stand_in(someone)

# %% [markdown]
# **Key point.** Ten affine maps, fitted by hand to ten pieces of a body, replace what a network would
# have to learn.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "People are nearly symmetric, and the method uses that." Ask: "For whom is this wrong?"
# (A bag on one shoulder, one bare arm, a watch.) In the code an absent part reads 1000 pixels outside
# of the picture, where everything is zero.

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 03.1 · The affine map of a limb
#
# **Objective.** Write the fit that all parts use.
#
# Write `fit(target, source)`: points `(n, 2)` of the target and of the source, in pixels → the matrix
# `(2, 3)` that takes $(x, y, 1)$ of the target to $(x, y)$ of the source, by least squares.

# %% tags=["hide-input", "exercise"]
check.card("03.1")

# %% tags=["exercise"]
def fit(target, source):
    return check.TODO

# %% tags=["solution"]
def fit(target, source):
    ones = torch.ones(len(target), 1)
    return torch.linalg.lstsq(torch.cat([target, ones], dim=1), source).solution.T

# %% tags=["check", "nbval-check-output"]
fit = check.choose("03.1", fit)

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "Two lines: a column of ones, and a solver." Ask: "Whose limb flew out of the picture?"
# The most frequent mistake is the direction.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Put together by your maps
#
# The first two test people, cut out of their sources and put together again: no network.

# %% alt="Two people, each in three pictures: the source, the person put together of ten moved parts like a paper doll, and the true picture." tags=["hide-input"]
figures.cut_out(fit, people[:2])

# %% [markdown]
# **Key point.** Your two lines move a person like a paper doll. Joints, seams and whatever was hidden
# are missing; to fill them in is what the network is for.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "This is the whole of the paper's geometry, on pixels." Ask: "What would you rather
# move: pixels, or features?" (Features: a seam between features can be closed by the decoder.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Deformable skips
#
# **Objective.** Move features instead of pixels, and make ten copies one again.
#
# Features $F$ of one level, maps $f_p$, masks $M_p$, pixel $z$ of the target:
#
# $$ F_p(z) = M_p(z)\, F\bigl(f_p(z)\bigr), \qquad
#    \tilde F(z) = \max_p F_p(z) \quad\text{or}\quad
#    \tilde F(z) = \frac{\sum_p F_p(z)}{\sum_p M_p(z)} . $$
#
# Fitted once in pixels of the picture; at a level that is half as large, the shifts are half as long.
# The **four finest levels** are deformed; the two deepest are handed on as they are.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Read, mask, and keep the largest." Ask: "What does the maximum do where a pixel is in
# one mask only?" It compares with zeros, so negative features are lost there. That does no harm: the
# decoder begins with a ReLU, which would drop them anyway. The average divides by the number of masks,
# and the torso's covers everything: next to a limb it always mixes in half a torso.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The same in the package

# %%
print(inspect.getsource(part_kernels._parts))

# %% slideshow={"slide_type": "skip"}
print(inspect.getsource(deformable_gan.Skips.deform))

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "The reference is ten lines; a faster one is checked against it." Ask: "What has to be
# done to the maps before, at a level that is half as large?" (Its shifts are halved, in `Skips.deform`,
# which stands in the notebook. Turning and stretching do not depend on the size of a pixel; shifts do.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Four levels

# %% alt="Two rows, for the first and the third level: the source, the strength of its features, these deformed with the maximum and with the average over parts, the features of the true target, and the target." tags=["hide-input"]
figures.levels(model, someone, target)

# %% [markdown]
# **Key point.** A deformable skip reads features through ten maps, each where its mask is 1, and keeps
# the largest. It has no weights: there is nothing in it to learn.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Compare the third column with the fifth." Ask: "Which of the two aggregations looks
# more like the true features?" (The maximum: its arms are as strong as the true ones. In the average
# they fade, since the torso's copy of the wall is mixed in.) On level 3 neither looks like much.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Do limbs arrive?
#
# **Objective.** Test the idea inside the trained model before you explain a result by it.
#
# The same encoder also reads the **true** target picture. Within the limbs' masks: how far are the
# skip's features from those, deformed and not deformed?

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("03.p1")
bet

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "A nice picture proves nothing; the decoder might have done it all." Ask: "What would
# the share be if the maps were useless?" (About 1, or more.) And: what would be a fair control? (Maps
# that are fitted as well, but belong to another limb.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Level by level

# %% alt="Covered until a guess is made. Points with intervals: the distance of deformed limb features to the true ones as a share of that of plain ones, for four levels; a dashed line at 1." tags=["hide-input", "nbval-ignore-output"]
near = judging.limb_distances(model, people[: lesson.pick(8, 24)])
bet.reveal(near.shares()[0].value, graphs.nearer(near))

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
wrong_side = judging.limb_distances(model, people[: lesson.pick(8, 24)], read="other")
Markdown("With the maps of left and right limbs exchanged: " + ", ".join(
    f"level {i + 1}: {one.value:.2f}" for i, one in enumerate(wrong_side.shares())) + ".")

# %% [markdown]
# At the two finest levels deformed limbs are **a fifth nearer**, and the interval excludes 1; at level 3
# hardly, and at level 4, of 16 × 8 pixels, they are *farther*. With the maps of left and right limbs
# exchanged nothing is gained at any level: each limb needs its own map.
#
# **Key point.** A claim about a component is tested on the component: here by features of limbs, against
# the truth, with a control.

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
print("deformed limbs lie nearer to the true features, at the two finest levels:",
      all(one.high < 1 for one in near.shares()[:2]))

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "One is 'no better than not moving at all'." Ask: "Why is the share not zero?" (Another
# light and camera, folds, limbs that are hidden, rectangles that also carry wall.) Left and right limbs
# are nearly alike, so the control is a hard one. The paper deforms four levels; here two would do.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A stripe that nobody can place
#
# **Objective.** Say what L1 asks for where the exact place is unknown.
#
# A shirt has stripes of two pixels in every five. After a step they lie somewhere else, and nothing in
# the input says where. For one pixel, the true answer is "stripe" in two cases of five. The L1 error is
# smallest at the **median**: no stripe. It is so for every pixel, and the stripes are gone.
#
# What a viewer wants is *any* sharp stripe, as long as it lies near a true one.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "L1 does not blur because networks are lazy; giving up the stripe is the best answer."
# Ask: "What would a squared error paint?" (Two fifths of the stripe's colour, everywhere.) This is the
# mean smile of lecture 02 again, one pixel at a time.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Compare with the best match nearby
#
# $C(x)$: features of a fixed network at each pixel. $N(p)$: a window of $n \times n$ pixels around $p$;
# the paper takes $n = 3$ at this size, and 5 at 256 × 256.
#
# $$ L_{\text{NN}}(\hat x, x) = \operatorname{mean}_p \; \min_{q \,\in\, N(p)}
#    \left\| C(\hat x)(p) - C(x)(q) \right\|_1 $$
#
# With $n = 1$ it is an L1 loss of features. The larger $n$, the farther off a texture may lie.
#
# **Key point.** Each generated feature only has to look like *some* real feature near its place.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "One minimum is all that is new." Ask: "In which direction does the loss ask: must
# every real feature be found again?" (No, and that is a gap: a plain shirt matches the ground between
# the stripes. We shall see it.) Features, not pixels: a single black pixel would match anywhere.

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 03.2 · The nearest-neighbour loss
#
# **Objective.** Write the loss; the live study below learns by it.
#
# Write `nearest_loss(made, real, window)`: features `(B, C, H, W)` → one number. For each place, the
# smallest L1 distance (summed over channels) to a real feature in the window; then the mean over places.
# Places outside of the picture never match.

# %% tags=["hide-input", "exercise"]
check.card("03.2")

# %% tags=["exercise"]
def nearest_loss(made, real, window):
    return check.TODO

# %% tags=["solution"]
def nearest_loss(made, real, window):
    (h, w), reach = made.shape[2:], window // 2
    around = F.pad(real, (reach,) * 4, value=1e4)  # no feature is near to that
    apart = [(made - around[..., dy : dy + h, dx : dx + w]).abs().sum(1)
             for dy in range(window) for dx in range(window)]
    return torch.stack(apart).amin(0).mean()

# %% tags=["check", "nbval-check-output"]
nearest_loss = check.choose("03.2", nearest_loss)

# %% [markdown]
# **Key point.** Sum over channels, minimum over the window, mean over places: in this order.

# %% [markdown] slideshow={"slide_type": "notes"}
# **6 min.** Say: "Shift the real features through the window, and keep the smallest distance." Ask:
# "What goes wrong if each channel may choose its own neighbour?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Shifted cloth, live
#
# **Objective.** Watch the same stripes under two windows of one loss.
#
# Five pieces of cloth are seen again and again, each time shifted by up to two pixels. A painted picture
# of each learns from that, pixel by pixel: no network, for none could know the shift. It begins as a
# faint copy, as a deformed skip would deliver it, or from grey. The loss is yours.

# %%
forms = {
    "L1 (window 1)": toy.Form(window=1),
    "nearest, window 5": toy.Form(window=5),
    "nearest, from grey": toy.Form(window=5, copy=False),
}
study = toy.Study(forms, nearest_loss, seed=SEED)

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Three painted pictures, one loss, two windows." Ask: "Which of the three will have
# stripes at the end?" Start the next cell before you go on talking.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Watch the stripes

# %% alt="Six rows of five pieces of cloth: the cloth, the cloth seen again with a shift, a faint and noisy start, and three painted pictures. By L1 the patterns have nearly vanished; by the nearest-neighbour loss they are sharp; from grey thin stripes are missing and dots lie in disorder." tags=["nbval-ignore-output"]
watch = Watch(lesson.pick(120, 300, 600), lesson.pick(40, 50, 120), lambda: toy.picture(study, 120))
with torch.enable_grad():
    for _ in watch:
        watch.note(study.step())

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Row four loses its stripes while you look; row five sharpens them." Ask: "Why does the
# last row paint plain cloth where the stripes are thin?" (Each patch has a match: the ground between two
# stripes. Nothing asks for the stripes.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What is left

# %% tags=["hide-input", "nbval-ignore-output"]
Markdown(toy.told(study))

# %% [markdown]
# The contrast of the painted cloth, as a share of that of the true one. Beginning from a faint copy, the
# nearest-neighbour loss restores it; L1 takes most of it away. From grey it finds dots and checks in
# disorder, and of thin stripes only the ground.
#
# **Key point.** The loss keeps a texture that is delivered, and does not demand one that is missing.
# Skips deliver, the discriminator demands.

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
left = {name: share.mean().item() for name, share in study.contrast().items()}
print("the three forms end as this lecture says:", left["L1 (window 1)"] < 0.5
      and left["nearest, window 5"] > 0.8 and left["nearest, from grey"] < 0.8)

# %% alt="Curves of the three losses over the steps of the live study, on a logarithmic axis: L1 stays high, the nearest-neighbour loss from the copy falls furthest." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.terms(watch.history, title="Loss of each form")

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Same code, one number changed." Ask: "Who, in the whole system, insists that a striped
# shirt has stripes at all?" (The discriminator, which sees the source beside the picture.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Who judges, and who learns
#
# **Objective.** Follow one training step.
#
# ![One training step. Two pictures of one person with their poses are drawn. The generator paints the second one from the first one and both poses. The nearest-neighbour loss compares features of the painted and of the true picture; the discriminator sees source, source pose, picture and target pose, once with the painted and once with the true picture, and judges three patches. First the generator takes a step by both losses, then the discriminator.](../course/diagrams/03_training.svg)
#
# **Key point.** The discriminator is shown the source beside the picture. It asks "is this the *same*
# person, in *this* pose?", not only "is this a person?".

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "Two judges: one compares with the truth, the other one with what is plausible." Ask:
# "What could the generator get away with if the discriminator saw the painted picture alone?" (Any
# person, in any pose.) Settings: Adam, batches of 4, as in the paper; 4000 steps, where theirs are
# 90,000. The features are MobileNetV2's first layer at every pixel; the paper's are VGG-19's.

# %% slideshow={"slide_type": "skip"}
print(inspect.getsource(deformable_gan.generator_loss))

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## What each idea is worth
#
# **Objective.** Read an ablation: which variant differs from which in one thing only?
#
# * **ten parts**, **one map, fitted** (to torso and knees), **one map, learned** (a spatial transformer
#   that is given both poses), **plain skips**: the same network, steps and L1 loss; only the skips differ;
# * **ten parts, nearest**: as the first, with the nearest-neighbour loss;
# * **two stages (PG²)**: [Ma et al. 2017](https://arxiv.org/abs/1705.09368), a coarse picture first, then a
#   correction; no deformation.

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("03.p2")
bet

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Before you see numbers: which comparison is fair?" Ask: "Which two rows would you
# compare to learn what the parts are worth, and which for the loss?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Error where the person is

# %% alt="Covered until a guess is made. Points with intervals: the mean absolute error of ten parts with both losses, of one fitted map, one learned map, plain skips, two stages, and of two baselines without a network." tags=["hide-input", "nbval-ignore-output"]
rows = evaluation.table("people")
here = ("people", "same-camera")
value = {(row["method"], row["metric"]): row["value"] for row in rows
         if (row["data"], row["split"]) == here}
methods = {"mask-l1": "ten parts", "full": "one map, fitted", "stn": "one map, learned",
           "none": "plain skips", "mask-nn": "ten parts, nearest", "pg2": "two stages (PG2)",
           "nearest-pose": "nearest training pose", "copy-source": "a copy of the source"}
graph = plots.claim(rows, "l1_person", methods, {here: ""}, of="people",
                    axis="mean absolute error where the person is (lower is better)")
variants = ("mask-l1", "full", "stn", "none")
bet.reveal(min(range(4), key=lambda k: value[variants[k], "l1_person"]), graph)

# %% [markdown]
# Ten parts have the smallest error, before one learned map, one fitted map, plain skips and two stages;
# every difference to them is larger than its interval. The **joints** tell another story: all kinds of
# skips put them 3.1 to 3.6 pixels from where they were asked for, the learned map best. *Where* somebody
# stands comes from the pose stream; the skips decide what they *look like*.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.folded("All rows: joints, identity, structure, distances of sets", rows)

# %% alt="Points with intervals: the distance of the joints that a judge finds from those that were asked for, for the same methods." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
painted = {name: word for name, word in methods.items() if name not in ("nearest-pose", "copy-source")}
plots.claim(rows, "akd", painted, {here: ""}, of="people",
            axis="distance of joints from those asked for, in pixels")

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Find the rows that differ in their skips alone." Ask: "Which intervals overlap, and
# what does that allow you to say?" (Nothing yet: some people are harder for every model. Compare the
# differences, person by person; they stand in the folded table.) A copy of the source shows the right
# person in the wrong pose, with the *smallest* Fréchet distance: it is a sharp picture.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The same models, in pictures

# %% alt="Two rows, one person each: source, true picture, and the pictures of ten parts with the nearest-neighbour loss, ten parts with L1, one fitted map, one learned map, plain skips and two stages." tags=["hide-input"]
others = {name: showcase.other(name) for name in showcase.OTHERS}
figures.compared({"ten parts, nearest": model, **others}, people[:2])

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Look at hands and feet first, and then at the cloth." Ask: "Which of these would you
# find by its error, and which only by its look?" Plain skips mix in colours of the background; with one
# map the torso is right and the limbs are not.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Cloth: two losses, one network
#
# The test person with the finest pattern, in the pose nearest to the source: the chest, enlarged.

# %% alt="Four enlarged pictures of a chest: the source, the true picture, painted by the model with the nearest-neighbour loss, and by the one with L1." tags=["hide-input"]
patterned = figures.most_patterned(people)[0]
figures.cloth({"nearest neighbour": model, "L1": others["ten parts, L1"]}, patterned)

# %% [markdown]
# The nearest-neighbour loss has the better structural similarity (0.400 against 0.396, by more than the
# interval) and the smaller Fréchet distance (67 against 73), which the interval does not settle.
#
# **Key point.** In an ablation one thing changes. Error, joints and look need not agree on the winner.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Same network, same steps, another loss; what the toy showed so clearly is small here."
# Ask: "Why?" (The skips deliver most of the cloth to within a pixel, and the discriminator is the same.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The pose studio
#
# **Objective.** Find out by hand what a pose decides, and what it cannot.
#
# Drag a joint, hide one, exchange the variant; play a clip. Look at masks and moved features while the
# person follows.

# %% alt="The pose studio: a person, a figure of sticks whose joints can be dragged, the masks of the ten parts, the moved features, and the painted picture, with switches for the variants and a bar to play a clip." tags=["hide-input", "nbval-ignore-output"]
seen = [(f"person {i + 1}", one.images([one.source])[0], one.pose([one.source]),
         one.backdrops([one.source])[0]) for i, one in enumerate(people[:6])]
clips = {one.clip.entry["motion"].split("_")[0]: one.pose for one in showcase.drivers()}
PoseStudio({"ten parts, nearest": model, **others}, seen, clips)

# %% [markdown]
# **Key point.** The person follows the joints wherever they are put, also where nobody could stand.

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "One of you drags, the other says what will happen to the sleeve." Ask: "Which joint can
# you hide without being noticed, and which not?" Homework 03.5 measures it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where it fails
#
# **Objective.** Sort failures by their causes without choosing them by hand.
#
# The authors name four causes: **errors of the pose estimator**, **ambiguous poses**, **rare appearance**
# and **rare poses**. For each picture we measure all four, and rank them. The worst quarter of the
# pictures goes to the cause in which each ranks highest, if it is in that cause's upper quarter.

# %% tags=["hide-input", "nbval-ignore-output"]
sorted_out = failures.sort(failures.cases(model, people, lesson.pick(1, 3)))
Markdown(failures.told(sorted_out))

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "A gallery of failures proves what its owner wants; a rule does not." Ask: "Which of the
# four goes together with the error at all?" (Last column; with so few pictures a rank correlation below
# 0.3 says little.) Hidden joints go with it most, rare clothes not at all; a good third of the worst have
# none of the four causes. Here poses come from the judge, as they would in life.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The worst of each cause

# %% alt="For each cause of failure the worst picture: the source, the true picture, and the painted one." tags=["hide-input", "nbval-ignore-output"]
failures.sheet(sorted_out)

# %% [markdown]
# What the four causes do not name: **a skirt moves with two thighs**, and is cut in two like trousers. And
# a body that is seen from the side has a torso without width: its fit is a stretch, and brings a smear.
#
# **Key point.** A cause is measured on all pictures, also on the good ones. What ranks high among
# failures only may be a cause; what ranks high everywhere is none.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Each of these is the worst of its kind, and nobody picked it." Ask: "For which of them
# would more training data help, and for which another method?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A real dancer: a look, not a test
#
# One woman in black, with a white and a red glove, before a blue screen; her joints come from the judge.
# The model has seen rendered people alone.

# %% alt="A picture of a real dancer in the first column; beside it six poses as figures of sticks, below them the pictures that the model paints, in which black clothes are grey and the gloves are skin, and in the last row the true pictures." tags=["hide-input", "nbval-ignore-output"]
dancer = real.pictures(lesson.pick(8, 16))
real.sheet(model, dancer)

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "This is a person whom nobody rendered." Ask: "What is right in the second row, and what
# has the model never seen?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The dancer, judged

# %% tags=["hide-input", "nbval-ignore-output"]
Markdown(real.told(model, dancer))

# %% [markdown]
# The pose is right: joints lie much nearer to those asked for than in a copy of the source. The look is
# not: black becomes grey, gloves become hands, and the error is no smaller than that of the copy.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Poses carry over to a real person; clothes that nobody wore in training do not." Ask:
# "Which of the two streams would you train on other pictures?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A short person, driven by a tall one
#
# **Objective.** See what a pose carries besides the pose.
#
# We animate the test person with the **shortest legs** for their torso by the poses of the driver with
# the **longest**, frame by frame. How long are the painted person's legs, compared with their own?

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("03.p3")
bet

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Guess first." Ask: "What in the input says whose legs these are?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Driven, frame by frame

# %% alt="A clip in three columns: a still picture of a person with short legs, the poses of somebody with long legs, and the person, animated frame by frame." tags=["hide-input", "nbval-ignore-output"]
short, tall = judging.short_and_long(people)
figures.film(model, short, tall, every=lesson.pick(4, 1), scale=3)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Everything here is as it was; only the poses are somebody else's." Ask: "Is this still
# the same person?" Look at the knees.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Whose legs?

# %% alt="Covered until a guess is made. Points with intervals: the length of the legs in lengths of the torso, of the person by exact joints and as the judge reads it, of the painted person as the judge reads it, and of the driver." tags=["hide-input", "nbval-ignore-output"]
found = judging.proportions(model, people, every=lesson.pick(4, 1))
known = found.own_judged is not None and found.painted is not None
longer = found.painted.value / found.own_judged.value if known else found.driver.value / found.own.value
bet.reveal(longer, graphs.whose_legs(found))

# %% [markdown]
# The painted legs are about a **tenth longer** than the person's own, and so were asked for: the driver's
# are an eighth longer. (The judge puts hips and shoulders elsewhere than the exact joints are, so compare
# judge with judge.)
#
# **Key point.** A pose in coordinates of the picture is *somebody's* pose: it contains the lengths of
# their limbs. Lecture 04 transfers how joints move, and not where they are.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "The generator obeyed; the question was wrong." Ask: "How would you correct the joints
# before you hand them on?" (Scale each bone; but who says by how much, when it is foreshortened? Lecture
# 04 goes on from here.)

# %% [markdown] slideshow={"slide_type": "subslide"} tour=true
# ### Misuse, consent, provenance
#
# **Objective.** Know what must not be made, and what has become of the method.
#
# * **A body in a pose is a statement.** Somebody can be shown running away, or striking, who never did.
# * **Clothes come off, too.** The same technique has been used to undress people in pictures. That is
#   abuse, and in many places a crime.
# * **People in data.** Market-1501 shows passers-by who were not asked. Ours do not exist.
# * **Consent.** Use yourself, people who agreed to *this* use, or nobody real.
# * **Say so.** Every clip that the package writes carries a visible mark and a note in its metadata.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "A pose is an act, and pictures of acts are taken for proof." Ask: "Who should have been
# asked before Market-1501 was published?" Do not skip this slide.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### From 2018 to today
#
# * **Diffusion** models have replaced the GAN. The pose still comes in as maps, often as a figure of
#   sticks, beside the noise ([ControlNet](https://arxiv.org/abs/2302.05543)).
# * **Attention has replaced the maps.** Each place of the target looks for matching places in the
#   source's features ([PIDM](https://arxiv.org/abs/2211.12500)): an alignment that is learned, and soft.
# * **The question stayed.** Features of a reference have to reach their new place, at high resolution.
# * **Proportions**: the pose of the driver is still fitted to the person before it is used
#   ([Animate Anyone](https://arxiv.org/abs/2311.17117) and its successors).

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Ten hand-made maps became an attention over all places." Ask: "What do you lose if the
# alignment is learned?" (It needs data, and you cannot look up why an arm went where it went.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# * Input and output are **not aligned**: a plain skip hands on texture at its old place.
# * Ten **parts**, each with an **affine map** from target to source and a **mask**, carry features to
#   their new place; where a limb is not seen, the other side's stands in.
# * L1 paints the **median**; the **nearest-neighbour loss** forgives what lies a pixel off.
# * Test a component **inside** the model, against the truth, with a control.
# * A pose is **somebody's** pose, with their proportions.
#
# **Key point.** Alignment first: move the features to where they are wanted, and then let the network
# paint.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("03.q1")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("03.q2")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("03.q3")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("03.q4")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("03.q5")

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Five sentences; cover them and say them yourselves." Ask: "Which of them will still be
# true when nobody remembers GANs?" The quiz below the slide repeats the misconceptions.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Glossary
#
# | term | meaning |
# |---|---|
# | source, target | the picture that is given, and the one that is wanted |
# | joint | one of 18 named places of a body; known or not known |
# | pose | the 18 joints of a person |
# | heat map | one Gaussian bump at the place of one joint |
# | rigid, deformable | input and output are locally aligned, or are not |
# | skip connection | hands features of an encoder to the decoder at the same resolution |
# | appearance stream, pose stream | the encoder of the source, and that of the target pose |
# | part | one of ten pieces of the body: torso, head, and eight limbs |
# | affine map | $(x, y, 1)$ times a matrix of 2 × 3: turns, stretches and shifts |
# | mask | where in the target a part counts |
# | deformable skip | features read through the map of each part, within its mask, and made one again |
# | aggregation | how ten copies become one: the maximum, or the average |
# | stand-in | the limb of the other side, where the source does not show one |
# | nearest-neighbour loss | distance to the best match in a window around each place |
# | window | the places in which a match is looked for |
# | PatchGAN | a discriminator that judges patches instead of the whole picture |
# | variants `mask`, `full`, `stn`, `none` | ten parts; one fitted map; one learned map; plain skips |
# | AKD | average distance of the joints that a judge finds from those asked for |
# | Fréchet distance | distance of two sets of pictures by mean and covariance of their features |
# | re-identification | finding a person again in pictures of other cameras |

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Homework
#
# Three exercises, each with two hints and a picture of the expected result, and one open task.

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 03.3 · Deform and aggregate
#
# **Write the central equation.** Write `deform(features, maps, masks)`: features `(C, H, W)`, maps
# `(P, 2, 3)`, masks `(P, H, W)` → features `(C, H, W)`. Pixel $(x, y)$ of part $p$ reads the pixel nearest
# to `maps[p] @ (x, y, 1)`, zero outside; multiply by the mask; take the largest over parts.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("03.3")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def deform(features, maps, masks):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def deform(features, maps, masks):
    h, w = features.shape[1:]
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    here = torch.stack([x, y, torch.ones_like(x)], dim=-1).float()  # (H, W, 3)
    there = torch.einsum("pij,hwj->phwi", maps, here).round().long()  # (P, H, W, 2)
    x, y = there.unbind(-1)
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    read = features[:, y.clamp(0, h - 1), x.clamp(0, w - 1)]  # (C, P, H, W)
    return (read * inside * masks).amax(1)

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
deform = check.choose("03.3", deform)

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
source, there = someone.pose([someone.source]), someone.pose([target])
maps, masks = model.generator.skips.maps(source, there)
picture = someone.images([someone.source])[0]
same = part_kernels.warp_parts(picture[None], maps, masks)[0]
agree = (deform(picture, maps[0], masks[0]) - same).abs().amax(0) < 1e-5
print("your deform moves the picture as the package does:", agree.float().mean().item() > 0.99)

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 03.4 · The wrong sleeve
#
# **Find the fault.** To double the data, somebody mirrors pictures and poses. Since then the model paints
# the left sleeve on the right arm, half of the time. Why? Repair `mirrored(joints, known, partner)`:
# joints `(18, 2)` in [-1, 1], whether they are known `(18)`, and the number of the joint that each joint
# becomes in the mirror `(18)` → joints and known of the mirrored picture.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("03.4")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def mirrored(joints, known, partner):
    flipped = joints * torch.tensor([-1.0, 1.0])
    return flipped, known

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def mirrored(joints, known, partner):
    flipped = joints * torch.tensor([-1.0, 1.0])
    return flipped[partner], known[partner]  # a right elbow becomes a left one

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
mirrored = check.choose("03.4", mirrored)

# %% alt="A person and the mirrored picture, both with their joints: the right side, orange, is on the left in the first and on the right in the second." slideshow={"slide_type": "skip"} tags=["hide-input"]
figures.in_the_mirror(mirrored, someone, torch.tensor(MIRRORED))

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 03.5 · What a missing joint costs
#
# **Run an experiment.** `paint(known)` paints the person if the joints `known` (18 numbers, 1 or 0) of
# the source are known. Write `cost_of_missing(paint, known, groups, truth)`: for each group of joints
# (a list of numbers), hide it alone; by how much does the mean absolute error against `truth` grow?
# Which joints can be missing, and why these?

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("03.5")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def cost_of_missing(paint, known, groups, truth):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def cost_of_missing(paint, known, groups, truth):
    def error(seen):
        return (paint(seen) - truth).abs().mean()

    costs = []
    for group in groups:
        seen = known.clone()
        seen[list(group)] = 0
        costs.append(error(seen) - error(known))
    return torch.stack(costs)

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
cost_of_missing = check.choose("03.5", cost_of_missing)

# %% alt="Bars: by how much the error within the person grows if a wrist, an arm, both arms, a leg, both legs, the head or the hips of the source are not known." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
graphs.missing(cost_of_missing, model, someone, target)

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.open_task("03.o1")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Appendix: are the pictures useful?
#
# The journal paper asks whether generated pictures help somebody else: a network that **re-identifies**
# people, finds them again in the pictures of another camera. It learns from two real pictures of each of
# forty people, from these and fourteen generated ones, or from sixteen real ones; or from two pictures
# each of 120 people. The last two rows say what there was to win, and where. **Rank-1** is the share of
# queries whose nearest picture shows the right person, over three random starts. One caution: our
# generator was itself trained on all sixteen pictures of these people.

# %% alt="Points with intervals: the share of people who are found first, for a network that learned from two real pictures of forty people, from these and generated ones, from sixteen real ones, and from two pictures of 120 people." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
found_again = evaluation.table("reid")
learned = {"real": "40 people, 2 pictures", "real+generated": "... and 14 generated",
           "more-real": "40 people, 16 pictures", "more-people": "120 people, 2 pictures"}
plots.claim(found_again, "rank1", learned,
            axis="rank-1: share of queries whose nearest picture is right", of="people")

# %% [markdown] slideshow={"slide_type": "skip"}
# **No, not here.** Neither fourteen generated pictures of each person nor fourteen more real ones make a
# difference that can be told from chance. Three times as many *people* do: rank-1 rises from 0.37 to 0.45.
# What this network lacks is people, not poses, and a generator that repaints the same forty cannot supply
# them. The journal paper reports a clear gain, with other data and a far larger network; this experiment
# is too small to contradict it, and gives no reason to expect it.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.folded("All rows: rank-1 and mean average precision", found_again)

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.folded("Ledger: the claims, and what was measured here", ledger.table("03"))

# %% [markdown] slideshow={"slide_type": "skip"} tags=["instructor"]
# **What goes wrong in class.** Students push pixels forward instead of reading backwards; they think that
# the ten maps are learned; they take the skip's maximum for a choice of the right part, and forget that
# the torso's mask is the whole picture; they expect the nearest-neighbour loss to add texture, where it
# only spares it; they believe that a pose is free of the body that it was taken from.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Further reading
#
# * Siarohin et al., [Deformable GANs for Pose-based Human Image
#   Generation](https://arxiv.org/abs/1801.00055), CVPR 2018, and its [code](https://github.com/AliaksandrSiarohin/pose-gan).
# * Siarohin et al., [Appearance and Pose-Conditioned Human Image Generation using Deformable
#   GANs](https://arxiv.org/abs/1905.00007), TPAMI 2021: the question of re-identification.
# * Ma et al., [Pose Guided Person Image Generation](https://arxiv.org/abs/1705.09368), NeurIPS 2017: the
#   two stages.
# * Isola et al., [Image-to-Image Translation with Conditional Adversarial
#   Networks](https://arxiv.org/abs/1611.07004), CVPR 2017: U-Net and PatchGAN, the aligned case.
# * Jaderberg et al., [Spatial Transformer Networks](https://arxiv.org/abs/1506.02025), NIPS 2015: the
#   learned map.
# * Zheng et al., [Scalable Person Re-identification: A
#   Benchmark](https://doi.org/10.1109/ICCV.2015.133), ICCV 2015: Market-1501.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## What comes next
#
# Two things were given to us today: joints with names, and somebody who found them. And the short person
# got long legs. Lecture 04 gives up both: it finds points that nobody named, and transfers how they
# *move*. Its flow is a mixture of shifts with masks: the ten parts again, now learned.
#
# **Credits.** This lecture follows the part on deformable GANs of *Image and Video Generation: A Deep
# Learning Approach* by Nicu Sebe (University of Trento) for the International AI Doctoral Academy; the work
# is by A. Siarohin, E. Sangineto, S. Lathuilière and N. Sebe. Text and code here are independent; text CC BY
# 4.0, code MIT. The people are rendered with anny (CC0).

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
Markdown(compute.card("03"))
