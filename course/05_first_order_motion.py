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
# # 05 · First Order Motion: a picture follows a clip
#
# *Siarohin, Lathuilière, Tulyakov, Ricci, Sebe: First Order Motion Model for Image Animation.
# NeurIPS 2019, [arXiv:2003.00196](https://arxiv.org/abs/2003.00196).*
#
# **After this lecture you can**
#
# 1. write down the motion around one keypoint as a first-order Taylor expansion, and warp a
#    picture by it;
# 2. say what keypoints, Jacobians, masks and the occlusion map each do, and name for each of them
#    a picture and a number that show it;
# 3. animate one person's picture with another person's clip, choose between absolute and relative
#    motion, and say when the result cannot be trusted, and when it must not be made.
#
# **You need** PyTorch tensors, convolutional networks, the chain rule, and the notation of lecture
# 00. Nothing is downloaded.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Today a still picture will move, and at the end you will know every step that
# makes it move." Ask: "Who has seen such a clip online and believed it at first?"

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Plan
#
# | minutes | part | kind | begins with |
# |---|---|---|---|
# | 6 | the question, a result, the idea in pictures | discuss | The question of the day |
# | 12 | a toy, then the equation | explain | One keypoint, by hand |
# | 8 | exercise 05.1 | exercise | Exercise 05.1 · One keypoint, first order |
# | 8 | keypoints that nobody labelled | explain | Keypoints without labels |
# | 9 | from ten expansions to one flow | explain | From ten expansions to one flow |
# | 6 | exercise 05.3 | exercise | Exercise 05.3 · Mix the motions |
# | 8 | occlusion and painting | explain | What the source cannot show |
# | 9 | whose shape, whose motion; the microscope | discuss | Absolute or relative motion? |
# | 9 | training, live | explain | Learning it, live |
# | 7 | how good it is, and what each part buys | discuss | How good is it? |
# | 7 | failures, misuse, summary | discuss | Where it fails |
#
# **If late:** leave out "Pull the strings yourself", "Looking back on a finished run" and "Each
# part left out", and give exercise 05.3 as homework. Do not leave out misuse.
#
# Exercises 05.2, 05.4, 05.5, 05.6 and the open task are homework; they stand at the end.

# %% slideshow={"slide_type": "skip"} tags=["parameters", "hide-input"]
PROFILE = None  # "smoke", "lecture" or "full"; None asks the variable AIDAGEN_PROFILE
SEED = 5

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
import inspect
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from IPython.display import Markdown

from aidagen import evaluation, grids, kernels, recipes, training, video, zoo
from aidagen.animation import animate
from aidagen.datasets.batches import Pair
from aidagen.lectures.first_order_motion import figures, showcase, warps
from aidagen.models import fomm
from aidagen.teaching import check, compute, ledger, lesson, papermap, plots, predict, quiz
from aidagen.teaching.watching import Watch
from aidagen.widgets.ablations import Ablations
from aidagen.widgets.motion_microscope import MotionMicroscope
from aidagen.widgets.own_photo import OwnPhoto
from aidagen.widgets.puppet import Puppet
from aidagen.widgets.time_machine import TimeMachine

_ = torch.set_grad_enabled(False)  # only the live training below turns gradients on
lesson = lesson.start("05", PROFILE, seed=SEED)

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## The question of the day
#
# **Objective.** See what the method does before you know how it works.
#
# You have **one picture** of somebody, and a clip of **somebody else** who turns the head. Make the
# first person move like the second: nobody has marked eyes or mouths for you, and the same method has
# to work for bodies and cartoons.

# %% slideshow={"slide_type": "skip"}
model = showcase.model(str(lesson.device))  # fomm-faces-128: trained weights that ship
show = showcase.chosen()
people, driving, source = show.people, show.driving, show.sources[0]
made = [animate(model, one, driving).cpu() for one in show.sources]  # (32, 3, 128, 128) each

# %% alt="A clip. Above, three still pictures of different people. Below, on the left the driving clip of a fourth person who turns the head, and beside it the three people moving in the same way." slideshow={"slide_type": "fragment"} tags=["hide-input"] tour=true
figures.film(show, made)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Nobody chose this example by eye: the driving clip is the one of **median** difficulty among 24
# test people, and the sources are the next three in the list. All of them are rendered, and the
# model saw none of them in training.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Here are three pictures and one clip; look at what is taken from which." Ask:
# "What comes from the picture, what from the clip, and what from neither?" Let them find the
# blurred side of a turned head. The rule of choice is in `showcase.py`, and a test holds it.

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## The idea in pictures
#
# 1. Find **keypoints** in the source and in the driving frame. No label says "nose".
# 2. Around each keypoint, say how its neighbourhood **moved, turned and stretched**.
# 3. A small network decides for every place **which keypoint to follow**; this gives one dense flow.
# 4. **Warp** the source by the flow.
# 5. **Paint** what the source cannot show.

# %% alt="Five pictures in a row: source with ten numbered keypoints, driving frame with the same ten at other places, the flow in colours, the source warped by it with a torn ear, and the finished frame." tags=["hide-input"]
far = int((driving - driving[0]).abs().mean((1, 2, 3)).argmax())  # the liveliest driving frame
figures.steps(model, source, driving[far])

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Most of the new face is moved, not drawn." Ask: "What is wrong with picture 4,
# and who could repair it?" Misconception to catch here: "the network draws the new face".

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The data flow
#
# ![Source and driving frame pass through one keypoint detector. The points and Jacobians of both, and the source itself, enter the dense-motion network, which gives a flow and an occlusion map. The generator takes colours and texture from the source alone: it encodes the source, warps it by the flow, fades it by the occlusion map and paints the rest.](../course/diagrams/05_flow.svg)
#
# **Key point.** The driving frame says only *where things go*. Everything that you see of the person
# comes from the source, or is painted.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Follow the blue line: the picture itself takes the upper road." Ask: "Which of
# the three green boxes ever sees the driving frame's colours?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One keypoint, by hand
#
# **Objective.** Warp a picture around one point in NumPy, without any network.
#
# A warp asks for every pixel $z$ of the **new** picture: where in the **source** do I read? Asking
# this way round (*backward warping*) leaves no holes. If the point $p_D$ of the new picture shows
# what lies at $p_S$ in the source, then close to it we read at
#
# $$ T(z) \approx p_S + J\,(z - p_D), $$
#
# the first two terms of a Taylor expansion: hence *first order*. $J$ is a 2 × 2 matrix, the
# *Jacobian*; with $J = 1$, the identity, $T$ is a plain shift. Far from the point everything should
# stay where it is; a soft mask mixes the two.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "A warp is a table of places to read from." Ask: "If I instead told every source
# pixel where to go, what would the new picture look like?" (Holes and collisions.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The same in NumPy

# %%
size = source.shape[-1]
ticks = np.arange(size) * 2 / (size - 1) - 1  # pixel centres, from -1 to 1
z = np.stack(np.meshgrid(ticks, ticks), axis=-1)  # (S, S, 2), last axis (x, y)

p_source, p_driving = np.array([0.0, -0.1]), np.array([0.1, -0.05])
turn = np.radians(25)
J = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

read = p_source + (z - p_driving) @ J.T  # the whole plane follows the point
mask = np.exp(-((z - p_driving) ** 2).sum(-1, keepdims=True) / (2 * 0.15))
mixed = mask * read + (1 - mask) * z  # only its neighbourhood does


def look_up(picture, places):  # nearest pixel; black outside
    index = ((places + 1) / 2 * (size - 1)).round().astype(int)
    inside = ((index >= 0) & (index < size)).all(-1, keepdims=True)
    index = index.clip(0, size - 1)
    return picture[index[..., 1], index[..., 0]] * inside


# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Three lines matter here: read, mask, mixed." Ask: "Which of them would you have to
# change so that the face shrinks instead of turning?" Point at the line of `mixed`: it is the core
# of the model in one line.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A turn by 25°, around one point

# %% alt="Three pictures of a head with one keypoint on the nose: untouched; turned as a whole with black corners; and with only the middle of the face turned while hair and background stay." tags=["hide-input"]
picture = source.permute(1, 2, 0).numpy()
toy = [picture, look_up(picture, read), look_up(picture, mixed)]
words = ["source", "everything follows", "mixed by a mask"]
figures.toy(toy, [p_source, p_driving, p_driving], words)

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
# the same with the package: bilinear reading, K points at once (here K = 1)
as_tensor = [torch.tensor(a, dtype=torch.float32)[None, None] for a in (p_source, p_driving, J)]
grid = grids.local_affine_grids(grids.identity_grid(size, size), *as_tensor)[0]
package = grids.warp(source[None], grid)[0].permute(1, 2, 0).numpy()
print("the package reads at the same places:", np.allclose(grid[0].numpy(), read, atol=1e-5))
print("and makes the same picture, up to interpolation:", np.abs(package - toy[1]).mean() < 0.03)

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Black is where we read outside the source." Ask: "What would the third picture
# look like with two keypoints?" (The mask becomes one weight per keypoint.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The equation
#
# ![Three small grids around one keypoint: in the driving frame turned one way, in a dashed reference upright, in the source turned the other way and squeezed. An arrow from driving frame to reference says undo with the inverse Jacobian, an arrow from reference to source says apply. A cross z in the driving frame reads the source at T of z.](../course/diagrams/05_first_order.svg)

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Read it from right to left: undo what the driving frame did, then apply what the
# source did." Ask: "Which Jacobian is inverted, and why that one?" Let somebody draw D → R → S on
# the board.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Why through a reference?
#
# The detector looks at each picture **alone**, and says how keypoint $p_k$ and its neighbourhood moved
# there from a reference pose $R$ that nobody ever sees. Going back from $D$ to $R$ and on to $S$:
#
# $$ T_{S\leftarrow D}(z) \approx T_{S\leftarrow R}(p_k)
#    + J_k\,\bigl(z - T_{D\leftarrow R}(p_k)\bigr) \tag{4} $$
# $$ J_k = T'_{S\leftarrow R}(p_k)\; T'_{D\leftarrow R}(p_k)^{-1} \tag{5} $$
#
# Here $T_{S\leftarrow R}(p_k)$ is where the keypoint lies in the source, and $T'_{S\leftarrow R}(p_k)$ is its
# Jacobian there. (Equations are numbered as in this course's code, `models/fomm.py`.)
#
# **Key point.** Because each picture is looked at alone, source and driving frame may show two
# different people, a pair that the model never saw.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "The reference is a trick: it is never drawn, and it cancels." Ask: "Which
# training pairs would we need if the network had to look at source and driving frame together?"

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 05.1 · One keypoint, first order
#
# **Objective.** Write equations (4) and (5) for all keypoints at once.
#
# Write `local_affine(grid, p_source, p_driving, j_source, j_driving)`. `grid` is `(H, W, 2)`, points
# are `(K, 2)`, Jacobians `(K, 2, 2)`; the result `(K, H, W, 2)` says for each keypoint where each
# place of the driving frame reads in the source. After exercise 05.3, your function makes the
# flow of the real model.

# %% tags=["hide-input", "exercise"]
check.card("05.1")

# %% tags=["exercise"]
def local_affine(grid, p_source, p_driving, j_source, j_driving):
    return check.TODO

# %% tags=["solution"]
def local_affine(grid, p_source, p_driving, j_source, j_driving):
    J = j_source @ torch.linalg.inv(j_driving)  # (K, 2, 2), eq. (5)
    away = grid[None] - p_driving[:, None, None]  # (K, H, W, 2)
    return p_source[:, None, None] + (J[:, None, None] @ away[..., None])[..., 0]  # eq. (4)

# %% tags=["check", "nbval-check-output"]
local_affine = check.choose("05.1", local_affine)

# %% [markdown]
# **Key point.** Two lines of code: a matrix that leads through the reference, and a step that it
# turns and stretches.

# %% [markdown] slideshow={"slide_type": "notes"}
# **8 min.** Say: "Two lines; start with J = 1 and put the matrix in afterwards." Ask: "What has to
# come out if source and driving frame are the same picture?" The most frequent mistake is the order
# of the two Jacobians.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Keypoints without labels
#
# **Objective.** Say what makes a point mark the same thing in every picture.
#
# The detector makes **one heat map per keypoint**; the point is the mean position under a softmax
# of that map (*soft-argmax*), so that every pixel of the map gets a gradient. It was only ever
# trained to help rebuild one frame from another. Which of its ten points mark the same place in all
# six people?

# %% alt="Six different heads, each with ten numbered dots in the same order at corresponding places of face, hair line, neck and shoulders." tags=["hide-input"]
figures.keypoints(model, people, range(0, 24, 4))

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Nobody told the detector where to put these ten points." Ask: "Which number sits
# at the same place in all six people, and which one wanders?" Points sit where they help the warp,
# not where an anatomist would put them.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What makes them stick: equivariance
#
# **We** deform a frame by a random map $T$: rings mark where points must go, dots where they were
# found.

# %% alt="A face, and twice the same face deformed. With equivariance ten dots lie close to the rings that mark where they should be; without it several dots are far from their rings." tags=["hide-input"]
trained = {"with equivariance": "fomm-heads-64", "without": "fomm-heads-64-no-equivariance"}
heads = showcase.people("heads")  # the same people at 64 px, the size of these two models
trained = {words: zoo.load(name, str(lesson.device)) for words, name in trained.items()}
figures.followed(trained, heads.frames[showcase.MEDIAN][0])

# %% [markdown]
# For the points in frame $X$ and in its deformed copy $Y$ ($T$ is $T_{X\leftarrow Y}$), equation (11):
# $T_{X\leftarrow R}(p_k) = T_{X\leftarrow Y}(T_{Y\leftarrow R}(p_k))$. For their neighbourhoods, equation (13):
# $\mathbb{1} = T'_{X\leftarrow R}(p_k)^{-1}\, T'_{X\leftarrow Y}\, T'_{Y\leftarrow R}(p_k)$.
#
# **Key point.** No label is needed, because the deformation is ours. The loss is the mean absolute
# violation of both equations.

# %% [markdown] slideshow={"slide_type": "notes"}
# **5 min.** Say: "Dots are what the detector found, rings are where it should have found them." Ask:
# "Could a detector cheat, by putting all points into the middle of the picture?" (No: they would
# not follow the deformation. But all ten could sit on one spot that follows it; hence the separation
# term of our small models.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## From ten expansions to one flow
#
# **Objective.** Mix the motions of all keypoints, and see what the Jacobians add.
#
# The dense-motion network sees the source warped in $K + 1$ ways ("stay" and the motion of each
# keypoint), and for each keypoint a bump of variance $\sigma$ at its place in $D$, minus one at its
# place in $S$,
#
# $$ H_k(z) = e^{-|z - T_{D\leftarrow R}(p_k)|^2/2\sigma}
#    - e^{-|z - T_{S\leftarrow R}(p_k)|^2/2\sigma} \tag{6} $$
#
# and answers with masks $M_k$ that sum to one at each place:
#
# $$ \hat T_{S\leftarrow D}(z) = M_0\,z + \sum_{k=1}^{K} M_k\,\bigl(T_{S\leftarrow R}(p_k)
#    + J_k (z - T_{D\leftarrow R}(p_k))\bigr) \tag{7} $$

# %% alt="A generated head in grey, five times, each with the region of one mask in colour: the background stays, one keypoint carries the shoulder, one the face, one the other shoulder, one the hair." tags=["hide-input"]
figures.masks(model, source, driving[far])

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Together the masks answer one question: which keypoint is followed here?" Ask:
# "Which keypoint carries the face, and what would happen if its mask also claimed the background?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What the Jacobians see
#
# Drive a picture by *itself*, turned by 20° in the plane. Then the only motion is a turn, and the
# true answer is known. How much of the turn do the Jacobians report?

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("05.p4")
bet

# %% tags=["hide-input", "nbval-ignore-output"]
parts = evaluation.table("fomm-parts")
seen = next(r["value"] for r in parts
            if (r["data"], r["split"], r["metric"]) == ("heads-128", "turned-20", "turn_seen"))
bet.reveal(seen)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "The only motion is a turn, and we know it." Ask: "Why might the model see only a
# part of it?" (One likely reason: in training, frames were deformed by a few degrees only.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A turn, with and without Jacobians
#
# "Points only" is the same trained model with every $J_k$ set to 1: each neighbourhood is shifted,
# and none is turned. Compare the glasses and the stripes. The errors on the right are brightened.

# %% alt="Two rows of six pictures: a source, the same picture turned by 20 degrees, what the model makes of it with points only, with a head that stays nearly upright, and with Jacobians, with a tilted head; the errors are much smaller with Jacobians." tags=["hide-input"]
figures.turned(model, show.sources[:2], 20)

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Points alone can only shift; watch the glasses." Ask: "How could points alone tilt
# a head at all?" (Each one drags its own neighbourhood to another place.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What the Jacobians are worth
#
# The same test on all frames of 24 people: how much error is added when every $J_k$ is set to 1?

# %% alt="Points with intervals: the error that is added without Jacobians is 0.005 on frames as they are, and grows to 0.02 on frames turned by 30 degrees; every interval lies above zero." tags=["hide-input", "nbval-ignore-output"]
turned = {("heads-128", f"turned-{a}"): f"turned by {a}°" for a in (0, 10, 20, 30)}
plots.claim(parts, "l1", {"no-turn": "points only"}, turned, paired_with="fomm-faces-128",
            title="Without Jacobians the error grows, most where frames turn",
            axis="added error (mean absolute difference of pixels)")

# %% [markdown]
# **Key point.** Jacobians help most where things turn in the plane. Heads rarely do: a model
# *trained* without Jacobians loses only 3 % on them (see "Each part left out").

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Switching a part off in a trained model and training without it are two different
# questions." Ask: "Which of the two would you report in a paper?" Both: the first says what the part
# does in *this* model, the second whether one needs it. How could points make up for the Jacobians?

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 05.3 · Mix the motions
#
# **Objective.** Write equation (7), and rebuild the model's own flow with your two functions.
#
# Write `mix(mask_logits, motions)`: raw scores `(J, H, W)`, one map for the background and one per
# keypoint, and motions `(J, H, W, 2)` in the same order → the dense flow `(H, W, 2)`. Here `J` is a
# number, $K + 1$, not a Jacobian. At each place the masks are positive and sum to one.

# %% tags=["hide-input", "exercise"]
check.card("05.3")

# %% tags=["exercise"]
def mix(mask_logits, motions):
    return check.TODO

# %% tags=["solution"]
def mix(mask_logits, motions):
    masks = mask_logits.softmax(0)  # (J, H, W), sums to 1 at each place
    return (masks[..., None] * motions).sum(0)  # eq. (7)

# %% tags=["check", "nbval-check-output"]
mix = check.choose("05.3", mix)

# %% [markdown] slideshow={"slide_type": "notes"}
# **5 min.** Say: "You need one softmax and one sum." Ask: "Over which axis do the motions compete?"
# Whoever finishes early can look at homework 05.2.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Your two functions, on the real model

# %%
# your two functions on the real model: its keypoints, its masks, your flow
at = [x[None].to(lesson.device) for x in (source, driving[far])]
rendering = model(*at)
s, d = model.motion(at[0]), rendering.motion
grid = grids.identity_grid(*rendering.flow.shape[1:3], device=lesson.device)
sparse = local_affine(grid, s.points[0], d.points[0], s.jacobians[0], d.jacobians[0])
flow = mix(rendering.masks[0].log(), torch.cat([grid[None], sparse]))

# %% alt="Four pictures: source, driving frame, the source warped by the flow that the two functions made, and the model's own warp, which looks the same." tags=["hide-input"]
figures.by_hand(source, driving[far], flow, rendering)

# %% tags=["nbval-check-output", "hide-input"]
print("same flow as the model's:", torch.allclose(flow, rendering.flow[0], atol=1e-3))

# %% [markdown]
# **Key point.** The flow is a weighted mean of $K + 1$ simple motions; the network only chooses the
# weights.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "This is the trained model's flow, made by your two functions." Ask: "Where in the
# picture do the two warps still miss something that the source cannot give?"

# %% slideshow={"slide_type": "skip"}
# the same equations, as the package computes them: what each map is, what it does to a grid, where
# something moves, and the mixture, which needs no grid per keypoint
for equation in (fomm.first_order_maps, grids.local_affine_grids, fomm.heatmap_differences, fomm.mix,
                 kernels.reference.mix_affine_maps):
    print(inspect.getsource(equation))

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
plots.folded("From equations to lines of code", papermap.table("fomm"))

# %% slideshow={"slide_type": "skip"} tags=["nbval-ignore-output", "hide-input"]
plots.folded(f"Ways to warp on this machine: {warps.BATCH} sources through {warps.KEYPOINTS + 1} maps each, measured "
             "here", warps.ways_here(lesson.device))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What the source cannot show
#
# **Objective.** See where warping fails, and what the occlusion map does about it.
#
# When a head turns to the side, the source does not show the other cheek. The **occlusion map** $O$
# (1, yellow: visible in the source; 0, blue: hidden) fades the warped features $\xi$ of the source,
# and the generator paints what is missing; equation (8):
# $\xi' = O \odot \mathrm{warp}(\xi, \hat T_{S\leftarrow D})$.

# %% alt="Two rows of six pictures, a head turned far to the side: source, driving frame, the occlusion map, dark on face and hair, the source only warped, with smeared glasses and doubled mouths, the painted frame, in which these faults are weaker and the face is softer, and what painting changed." tags=["hide-input"]
figures.hidden(model, people, people.turning_most(2))

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "These are the two clips of the test set in which a head turns furthest." Ask:
# "Which details of the warped picture could never be right?" The map is learned without labels, too:
# it is also dark on parts of the face that both frames show. Our small models have an option of
# their own, `blend`: where $O$ says "visible", warped pixels are kept as they are.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Where painting wins
#
# All test frames, grouped by how far the head has turned to the side since the source.

# %% alt="Points with intervals: without painting the error grows by 0.001 where the head turned by less than 10 degrees, and by 0.005 from 30 degrees on; all intervals lie above zero." tags=["hide-input", "nbval-ignore-output"]
yaws = {"yaw-0": "less than 10°", "yaw-10": "10° to 20°", "yaw-20": "20° to 30°", "yaw-30": "30° and more"}
plots.claim(parts, "l1", {"warp-only": "only warped"},
            {("heads-128", split): words for split, words in yaws.items()},
            paired_with="fomm-faces-128", title="Without painting the error grows, most where heads turn away",
            axis="added error (mean absolute difference of pixels)")

# %% [markdown]
# **Key point.** Below 10° warping alone is nearly as good (4 % worse). From 30° on, where the map
# declares one twelfth of the picture hidden, painting removes one eighth of the error.

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "A part that is seldom needed looks useless on average." Ask: "How would you
# test a component that only matters in one frame out of ten?" In the smaller `fomm-heads-64` the map
# is hardly ever below one half: it paints almost nothing.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Absolute or relative motion?
#
# **Objective.** Decide whose shape the result has.
#
# ![A broad driving face moves to the right and up between its first frame and frame t. In absolute mode the source, a narrow face, takes over the driver's keypoints and becomes broad. In relative mode its own keypoints move by the change since the first frame, and it stays narrow.](../course/diagrams/05_relative.svg)

# %% alt="In one row: the source, then for frame 1 and for a later frame the driving person, the result of absolute motion, in which the head takes over the driver's proportions and place, and that of relative motion, in which it keeps its own." tags=["hide-input"]
figures.modes(model, source, driving, [0, far])

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "In absolute mode she gets his head." Ask: "Which of the two would a video call
# use, and why?" (Absolute: source and driver are the same person, so the shape is right, and no
# first frame has to match the source.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The equations of relative motion
#
# $$ p_t = p_S + (p^D_t - p^D_1) \tag{14} $$
# $$ J_t = J^D_t\,(J^D_1)^{-1} J_S \tag{15} $$
#
# Here $p^D_t$ and $J^D_t$ belong to frame $t$ of the driving clip, $p_S$ and $J_S$ to the source.
#
# **The price:** the first driving frame has to show roughly the source's pose, or everything is
# offset from then on. That is why each source of our example is the frame whose pose fits best. In
# footage of your own you would pick it by eye, or with a landmark detector.

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
apart = {mode: float((animate(model, source, driving[:1], mode).cpu()[0] - source).abs().mean())
         for mode in ("absolute", "relative")}
print("at frame 1, relative motion is nearer to the source:", apart["relative"] < apart["absolute"])

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Only what changed since frame 1 is motion." Ask: "What comes out if the driving
# clip has not moved yet?" Writing these two lines is homework 05.4.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The motion microscope
#
# Choose *jacobians*, *masks*, *flow*, *occlusion*. Does the background stay? Which keypoint carries
# the hair? Where does the grid fold over itself, and what does the result show there?

# %% alt="The motion microscope at its liveliest frame: source, driving and generated head, and beside them the paths of the ten keypoints." tags=["hide-input", "nbval-ignore-output"]
microscope = MotionMicroscope(model, source, driving[::2], name="fomm-faces-128")
microscope

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "One of you scrubs, the other says what each keypoint carries." Ask: "Can you find a
# keypoint that does nothing?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Pull the strings yourself
#
# Drag a keypoint to another place. How much of the picture follows it?

# %% alt="The puppet: a head with ten keypoints that can be dragged, and the picture that the model makes of them." tags=["hide-input", "nbval-ignore-output"]
puppet = Puppet(model, source, name="fomm-faces-128")
puppet.move(1, right=0.2)  # it opens with one keypoint moved
puppet

# %% [markdown]
# **Key point.** Relative motion keeps the source's shape, and needs a matching first frame.
# Absolute motion needs none, and takes over the driver's shape.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Now you are the driving clip." Ask: "What happens when two points change places?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Learning it, live
#
# **Objective.** Watch all three networks learn from nothing but pairs of frames.
#
# ![Above, two frames of one clip go into detector, motion network and generator; the rebuilt frame is compared with the driving frame by the terms pixels, perceptual, warp and separation. Below, the driving frame is deformed by a random warp that we drew, and its keypoints have to follow: equivariance of the points and of the Jacobians. The sum of the six terms moves every weight.](../course/diagrams/05_training.svg)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Training needs clips, and nothing else." Ask: "Where is the label?" (The driving
# frame itself.) The paper's reconstruction term, equation (9), compares features of another, fixed
# network: `perceptual`. Pixels, warp and separation are ours, for small models. To save time, the
# live run leaves out `perceptual`.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A training run in ten lines

# %%
person = heads.frames[showcase.MEDIAN].to(lesson.device)  # one person, 32 frames of 64 x 64


class OnePerson:
    """Random pairs of frames of one clip."""

    def draw(self, count, generator):
        chosen = torch.randint(len(person), (2, count), generator=generator)
        return Pair(source=person[chosen[0]], driving=person[chosen[1]])


shipped = recipes.find("fomm-heads-64")
recipe = replace(shipped, data=OnePerson(), weights=shipped.weights._replace(perceptual=0.0),
                 steps=lesson.pick(3, 300, 2000), rate=1e-3, schedule="constant")
learner = fomm.FOMM(recipe.config).to(lesson.device)  # 264,671 weights, all random
learning = training.Training(fomm.Objective(learner, recipe.weights), recipe)

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "This is all that a training run is made of: pairs, a recipe, random weights."
# Ask: "Where in this code would a label enter?" It learns one person only, so that less than a
# minute is enough.

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
last = heads.widest_turn(showcase.MEDIAN)
trial = person[:1], person[last : last + 1]


def look():
    """The pair with the widest turn, as the learner rebuilds it now."""
    learner.eval()
    with torch.no_grad():
        made_now = learner(*trial)
    learner.train()
    error = float((made_now.image - trial[1]).abs().mean())
    return error, figures.learning(trial[0][0].cpu(), trial[1][0].cpu(), made_now, error)


error_before, _ = look()

# %% alt="Source, driving frame with ten keypoints, the frame that the learner rebuilds, and its error: after the run the points are spread over head and shoulders, and the head is turned." slideshow={"slide_type": "subslide"} tags=["nbval-ignore-output"]
watch = Watch(recipe.steps, lesson.pick(30, 45, 600), lambda: look()[1])
with torch.enable_grad():
    for _ in watch:
        watch.note(learning.step())

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
print("the error fell:", "yes" if look()[0] < error_before else "no")

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Start it now, and look at the points, not at the face." Ask: "Which moves first:
# the points or the picture?" It takes 45 seconds; talk about the terms meanwhile.

# %% alt="Curves of the five terms of the loss over the training steps, on a logarithmic axis: separation falls furthest, then equivariance of the points; pixels and the warped source fall more slowly, and equivariance of the Jacobians hardly changes." slideshow={"slide_type": "subslide"} tags=["hide-input", "nbval-ignore-output"]
words = {"pixels": "pixels", "warp": "warped source", "separation": "separation",
         "equivariance_points": "equivariance: points",
         "equivariance_jacobians": "equiv.: Jacobians"}
plots.terms(watch.history, words, title="The five terms of this run, weighted")

# %% [markdown]
# **Key point.** Six terms (five in this run) train three networks at once, and no frame needs a
# label.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Every term that this run minimised is here." Ask: "Why is the Jacobians' term
# small from the start?" (All Jacobians start as the identity, and we deform frames only by a few
# degrees.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Looking back on a finished run
#
# Seven moments of a run on 144 people. When do the points leave the middle of the picture?

# %% alt="The time machine: source and true frame with keypoints, what the model of one moment of its training rebuilds, and the difference; a bar moves from the first step to the last." tags=["hide-input", "nbval-ignore-output"]
past = zoo.snapshots("fomm-heads-64", device="cpu")
time_machine = TimeMachine(past, heads.frames[showcase.MEDIAN][::4], name="fomm-heads-64")
time_machine

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "This is a longer run: 2400 steps, on many people." Ask: "What is the last thing to
# get sharp?"

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## How good is it?
#
# **Objective.** Judge by numbers with baselines, not by one persuasive picture.
#
# Test clips are rebuilt from their own first frame, so that the true answer is known. *Error in
# moving pixels* is the mean absolute error where the driving frame differs from the source, here as a
# share: copying the source scores 1.

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("05.p1")
bet

# %% alt="Covered until a guess is made. Points with intervals: the model's error as a share of copying the source, for known people at new moments, people it never saw, and rendered heads it never saw." tags=["hide-input", "nbval-ignore-output"]
rows = evaluation.table("fomm-faces-128")
places = {("faces-128", "segments"): "known people, new moments",
          ("faces-128", "persons"): "people it never saw",
          ("heads-128", "heads"): "rendered heads it never saw"}
graph = plots.claim(rows, "l1_moving", {"fomm-faces-128": "the model"}, places,
                    share_of="copy-source", line=(0.5, "half of a copy"),
                    axis="error in moving pixels (copying the source: 1)")
value = {(r["split"], r["method"]): r["value"] for r in rows if r["metric"] == "l1_moving"}
bet.reveal(value["segments", "fomm-faces-128"] / value["segments", "copy-source"], graph)

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.folded("All rows: other measures, baselines and judges", rows)

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
left = {split: value[split, "fomm-faces-128"] / value[split, "copy-source"]
        for split in ("segments", "persons", "heads")}
print("known people: at most a third of a copy's error:", left["segments"] <= 1 / 3)
print("people it never saw are harder than known ones:", left["persons"] > left["segments"])

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Before you look: what share of a copy's error is left?" Ask: "Why can it not be
# zero?" There are only two people it never saw, so that even their interval is too optimistic.
# Their heads turn, but their mouths hardly open; see "Where it fails".

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Each part left out
#
# Our 64 px model was trained again three times, each time without one part; all else was the same.

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("05.p2")
bet

# %% alt="Covered until a guess is made. Points with intervals: the error added by leaving out Jacobians, occlusion map, or equivariance; leaving out the occlusion map costs most." tags=["hide-input", "nbval-ignore-output"]
ablation = evaluation.table("fomm-heads-64")
left_out = {"no-jacobian": "Jacobian", "no-occlusion": "occlusion", "no-equivariance": "equivariance"}
l1 = {r["method"]: r["value"] for r in ablation if r["metric"] == "l1"}
graph = plots.claim(ablation, "l1", {key: f"without {word}" for key, word in left_out.items()},
                    paired_with="fomm-heads-64", axis="added error (mean absolute difference of pixels)")
bet.reveal(left_out[max(left_out, key=lambda method: l1[method])], graph)

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.folded("All rows of the models that were trained without a part", ablation)

# %% alt="The break-it panel: a true frame, the frame rebuilt by the whole model, by a model without one part, and that model's error." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
names = {"all parts": "", **{f"no {word.lower()}": f"-{key}" for key, word in left_out.items()}}
models = {words: zoo.load(f"fomm-heads-64{end}", str(lesson.device)) for words, end in names.items()}
panel = Ablations(models, heads.frames[showcase.MEDIAN])
panel

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Read the intervals aloud, and say that it is one seed." Ask: "The occlusion map
# wins, and yet this model paints almost nothing: how can that be?" Without the map the model also
# loses `blend`, and has to draw every pixel anew. Leaving it out costs as much where heads have
# hardly turned, so the gain is not about hidden places. The panel below the slide shows all four
# models on one clip.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### With a true answer for two characters
#
# For one person driven by another there is no true answer. For two cartoon characters that dance the
# same moves in step there is one: the source character's own frames of that dance.

# %% alt="Points with intervals: the error of fomm-cartoons-64 lies below copying the source and below copying the driving frame, for characters it knows and for characters it never saw." tags=["hide-input", "nbval-ignore-output"]
cartoons = evaluation.table("fomm-cartoons-64")
plots.claim(cartoons, "l1",
            {"fomm-cartoons-64": "the model", "copy-source": "copy of the source",
             "copy-driving": "copy of the driving frame"},
            {("cartoons", "cross-identity"): "a character it knows",
             ("cartoons", "unseen-character"): "a character it never saw"},
            axis="mean absolute error", of="clips")

# %% [markdown]
# **Key point.** A score needs a baseline, an interval, and a test on strangers. New people are harder
# for our model than people it knows; new cartoon characters are not.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Here the question 'what would she look like doing that' has an answer." Ask: "Why
# is copying the driving frame a baseline at all?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where it fails
#
# **Objective.** Know the limits before you use it, and what must not be made.
#
# Large turns, a first frame in another pose, pictures of another kind, noise: some picture always
# comes out, because the model cannot say "this is not a face".

# %% alt="Four kinds of trouble, three pictures each: a start from another pose than the source's, which tears the face; an upside-down source; a source far too small, in which the whole square is bent; and noise as a driving clip." tags=["hide-input"]
figures.trouble(model, show, SEED)

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "We asked for trouble on purpose." Ask: "Which of these would you notice in a small
# window of a chat?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Mouths of strangers
#
# Do generated mouths open as far as the true ones? A landmark network measures both; the slope of
# the generated on the true opening is 1 for a mouth that opens fully, 0 for one that does not move.

# %% alt="Points with intervals: of people whom the model knows, mouths open by about six tenths of the truth; of rendered heads it never saw by about one seventh, and of people it never saw not at all." tags=["hide-input", "nbval-ignore-output"]
plots.claim(rows, "mouth_opening", {"fomm-faces-128": "the model"}, places,
            line=(1.0, "the truth"), axis="slope of generated on true opening")

# %% [markdown]
# The model turns the heads of strangers, but hardly opens their mouths.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "It would turn your head, but it would hardly open your mouth." Ask:
# "Which data, or which term of the loss, would you add first?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Your own photo
#
# Upload a picture of **yourself**, or of somebody who agreed to *this* use. Nothing leaves this
# machine. The widget measures how well the model can rebuild your picture before it animates it.

# %% alt="The own-photo widget: choose a file, place a square around the head, agree, choose a clip, animate." tags=["hide-input", "nbval-ignore-output"]
clips = {f"head {i + 1}": clip for i, clip in enumerate(people.frames[:4])}
own_photo = OwnPhoto(model, clips)
own_photo

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "I need a volunteer, and I will delete the picture afterwards." Ask: "What does the
# widget say about the photo before it animates it?"

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## Misuse, consent, provenance
#
# What you have just used is one mechanism behind face-reenactment fakes. In this course:
#
# * **Consent.** Animate yourself, people who agreed to *this* use, or people who do not exist (as
#   here). A public photograph is not an agreement.
# * **Say so.** Every clip that the package writes carries a visible mark and a note in its metadata.
#   Anyone who wants to deceive can remove both: the marks help honest users, and do not stop fraud.
# * **A small window is enough.** In a video call a fake need not be perfect to deceive. Lecture 10
#   looks for the traces.
# * **Data.** The shipped weights also saw a few people in public test footage whose rights nobody
#   has settled; NOTICE says what is known.

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
import av

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "made.mp4"
    video.write(path, made[0], fps=12.5, note=video.provenance("fomm-faces-128"))
    with av.open(str(path)) as clip:
        print(clip.metadata["comment"])

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "You can now do this to anybody, so we talk about whether you may." Ask: "May you
# animate a politician's public photo for a joke?" Do not skip this slide.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# * A **keypoint with a Jacobian** says where a neighbourhood went and how it turned: a first-order
#   expansion, backwards from the driving frame through a reference into the source.
# * **Masks** mix $K + 1$ such motions into one flow; the **occlusion map** says what cannot be
#   warped, and the generator paints it.
# * Points stick without labels because they have to follow deformations that we drew:
#   **equivariance**.
# * Jacobians help most where things turn in the plane, painting where they turn away: a part has to
#   be tested where it is needed.
# * **Relative motion** keeps the source's shape, and needs a first frame in the source's pose.
#
# **Key point.** Everything you see comes from one picture, moved; what it does not show is a guess.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("05.q1")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("05.q2")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("05.q3")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("05.q4")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
quiz.ask("05.q5")

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "These are five sentences; cover them and say them yourselves." Ask: "Which of the
# five would you have denied an hour ago?" The quiz below the slide repeats the misconceptions.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Glossary
#
# | term | meaning |
# |---|---|
# | source, driving frame | the picture that is animated; the frame whose motion it takes over |
# | backward warping | every pixel of the new picture reads somewhere in the source |
# | flow | for every place of the new picture, where it reads in the source |
# | keypoint | a place that the detector finds in every picture; learned, without a name |
# | soft-argmax | the mean position under a softmax of a heat map: a maximum with a gradient |
# | Jacobian | 2 × 2 matrix: how the neighbourhood of a keypoint is turned, stretched and sheared |
# | first order | a constant and a linear term: shift and Jacobian, no curvature |
# | reference | an abstract pose through which all motions lead; it is never drawn |
# | equivariance | deform the picture, and the keypoints follow in the same way |
# | mask $M_k$ | how much each place follows keypoint $k$; $M_0$ is the weight of staying |
# | occlusion map $O$ | 1 where the source shows what is needed, 0 where it does not |
# | painting | what the generator draws where the warped source is faded |
# | absolute, relative motion | take over the driver's keypoints; or move the source's own by their change |
# | copy, baseline | what a method has to beat: here the source, unmoved |
# | paired difference | the difference of two methods on the same clips, with its interval |

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Homework
#
# Four exercises, each with two hints and a picture of the expected result, and one open task.

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 05.2 · From a map to a point
#
# Write `soft_argmax(logits, temperature)`: heat maps `(K, H, W)` → points `(K, 2)`, (x, y) in [−1, 1]
# with −1 and 1 at pixel centres. Take the softmax of `logits / temperature` over all pixels of a map;
# the point is the mean position under it. The figure below uses your function on the real model.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("05.2")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def soft_argmax(logits, temperature):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def soft_argmax(logits, temperature):
    H, W = logits.shape[1:]
    weight = (logits / temperature).flatten(1).softmax(-1)  # (K, HW)
    return weight @ grids.identity_grid(H, W).view(-1, 2).to(logits)  # (K, 2)

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
soft_argmax = check.choose("05.2", soft_argmax)

# %% alt="The source four times with its ten keypoints, read from the model's heat maps at rising temperatures: at 0.1, as trained, they sit on head and shoulders; the higher the temperature, the closer they come to the middle." slideshow={"slide_type": "skip"} tags=["hide-input"]
figures.temperatures(soft_argmax, model, source, (0.01, 0.1, 1.0, 10.0))

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 05.4 · Relative motion
#
# Write `relative(p_source, p_t, p_1, j_source, j_t, j_1)` → `(points, jacobians)`: equations (14)
# and (15). Points are `(K, 2)`, Jacobians `(K, 2, 2)`. Test it in your head: if the driving clip has
# not moved yet, what has to come out? The figure below is made by your function.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("05.4")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def relative(p_source, p_t, p_1, j_source, j_t, j_1):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def relative(p_source, p_t, p_1, j_source, j_t, j_1):
    return p_source + (p_t - p_1), j_t @ torch.linalg.inv(j_1) @ j_source

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
relative = check.choose("05.4", relative)

# %% alt="The source, and five frames in which it moves as the driving clip did, by the function of the exercise." slideshow={"slide_type": "skip"} tags=["hide-input"]
figures.relative_by_hand(relative, model, source, driving, (0, 6, 12, 18, 24))

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 05.5 · A loss that punishes a perfect detector
#
# **Find the fault.** Frame Y was made by reading frame X at $T(z) = Az + b$, and a detector has found
# points in both. The loss below should be zero for a detector without any error, but it is not.
# Repair `equivariance(p_x, p_y, matrix, shift)`: points are `(K, 2)`, the result is one number, the
# mean absolute violation of equation (11) over points and axes.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("05.5")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def equivariance(p_x, p_y, matrix, shift):
    carried = p_x @ matrix.T + shift
    return (p_y - carried).abs().mean()

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def equivariance(p_x, p_y, matrix, shift):
    carried = p_y @ matrix.T + shift  # T(p_y): where in X the point of Y was read
    return (p_x - carried).abs().mean()

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
equivariance = check.choose("05.5", equivariance)

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
misses = figures.misses(equivariance, trained, torch.stack([f[0] for f in heads.frames]), SEED)
print("by your loss, training with equivariance makes points follow better:",
      misses["with equivariance"] < misses["without"])

# %% [markdown] slideshow={"slide_type": "skip"} tags=["exercise"]
# ### Exercise 05.6 · What does the first order buy?
#
# **Run an experiment.** `truth` says where each place of `grid` really reads. Compare two maps with
# it: the shift `p_source + (z - p_driving)`, and the first-order map with `jacobian`. Take the mean
# distance from the truth over all places within `radius` of `p_driving`, and again within
# `radius / 2`. By what factor does each error shrink, and what does this say about the Jacobian?
# `orders(grid, truth, p_source, p_driving, jacobian, radius)` returns the two ratios, half radius
# over whole radius, first for the shift.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.card("05.6")

# %% slideshow={"slide_type": "skip"} tags=["exercise"]
def orders(grid, truth, p_source, p_driving, jacobian, radius):
    return check.TODO

# %% slideshow={"slide_type": "skip"} tags=["solution"]
def orders(grid, truth, p_source, p_driving, jacobian, radius):
    away = grid - p_driving
    errors = [(p_source + step - truth).norm(dim=-1) for step in (away, away @ jacobian.T)]
    near, far = away.norm(dim=-1) <= radius / 2, away.norm(dim=-1) <= radius
    return tuple(float(error[near].mean() / error[far].mean()) for error in errors)

# %% slideshow={"slide_type": "skip"} tags=["check", "nbval-check-output"]
orders = check.choose("05.6", orders)

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "exercise"]
check.open_task("05.o1")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### A trap in one argument: `align_corners`
#
# Our grid puts −1 and 1 on the **centres** of the outermost pixels. `grid_sample` can also read −1
# and 1 as the picture's outer **edges** (`align_corners=False`, torch's default since 1.3). Pixel $j$
# of $W$ is then read at $j\,W/(W-1) - \tfrac12$, and the identity grid is no longer the identity. The
# published weights were trained under one reading, while the authors' later demo runs under the
# other, without an error message. By how much is the outermost pixel of a 64 px map off?

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("05.p3")
bet

# %% slideshow={"slide_type": "skip"}
identity = grids.identity_grid(size, size)[None]
again = {corners: grids.warp(source[None], identity, align_corners=corners)[0]
         for corners in (True, False)}
W = 64
read_at = [j * W / (W - 1) - 0.5 for j in (0, 31, 32, 63)]

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
bet.reveal(abs(read_at[0]), Markdown(
    "Under `align_corners=False`, pixels 0, 31, 32 and 63 are read at "
    + ", ".join(f"{x:.1f}" for x in read_at) + "."))

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
for corners, picture_read in again.items():
    changed = bool((picture_read - source).abs().max() > 1e-3)
    print(f"align_corners={corners}: the identity warp changes the picture: {changed}")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### 256 pixels: the authors' weights
#
# The model class is the published one; only its sizes are smaller here. With the authors' files on
# your machine (a download of their own, under their terms) everything in this notebook works on
# them unchanged. That our architecture computes the same numbers as theirs is tested, array by array.
#
# ```python
# # python data_scripts/get_published_weights.py      says where the files are, and checks them
# model = zoo.load_published("fomm", "vox-256", "vox-cpk.pth.tar")
# MotionMicroscope(model, my_picture, my_clip)
# ```

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.folded("Ledger: the paper's claims, and what was measured here", ledger.table("05"))

# %% [markdown] slideshow={"slide_type": "skip"} tags=["instructor"]
# **What goes wrong in class.** Students read $T_{S\leftarrow D}$ forwards; they expect the Jacobian
# of the source to be the inverted one; they take the learned points for anatomical landmarks; they
# compare our errors with the paper's, which were measured on other data with other judges.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Further reading
#
# * Siarohin et al., [First Order Motion Model for Image
#   Animation](https://arxiv.org/abs/2003.00196), NeurIPS 2019, and the [authors'
#   code](https://github.com/AliaksandrSiarohin/first-order-model).
# * Siarohin et al., [Animating Arbitrary Objects via Deep Motion
#   Transfer](https://arxiv.org/abs/1812.08861) (Monkey-Net), CVPR 2019: the same idea without
#   Jacobians; lecture 04.
# * Siarohin et al., [Motion Representations for Articulated
#   Animation](https://arxiv.org/abs/2104.11280), CVPR 2021: regions instead of points.
# * Zhao and Zhang, [Thin-Plate Spline Motion Model for Image
#   Animation](https://arxiv.org/abs/2203.14367), CVPR 2022: splines instead of affine maps.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## What comes next
#
# Keypoints with a neighbourhood are almost parts. Lecture 06 turns them into a segmentation: which
# pixels move together? Lecture 09 asks what a flat warp cannot do, and adds the third dimension.
#
# **Credits.** This lecture follows the part on image animation of *Image and Video Generation: A
# Deep Learning Approach* by Nicu Sebe (University of Trento) for the International AI Doctoral
# Academy; the work is by A. Siarohin, S. Lathuilière, S. Tulyakov, E. Ricci and N. Sebe. Text and
# code here are independent; text CC BY 4.0, code MIT. The heads are rendered with anny (CC0).

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
Markdown(compute.card("05"))
