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
# 2. say what keypoints, Jacobians, masks and the occlusion map each do, find each of them in the
#    code and under the microscope, and say with numbers what each one buys;
# 3. animate one person's picture with another person's clip, choose between absolute and relative
#    motion, and say when the result is not to be trusted, and when it must not be made.
#
# **You need** PyTorch tensors, convolutional networks, the chain rule, and the notation of lecture
# 00. Nothing is downloaded, but for one slide on cartoons (16 MB, once).
#
# | minutes | part |
# |---|---|
# | 10 | the question, the idea in pictures |
# | 25 | toy, equations, keypoints; exercises 05.1 and 05.2 |
# | 15 | from keypoints to a flow, relative motion; exercises 05.3 and 05.4 |
# | 10 | the microscope |
# | 20 | training, looking back on a run, what each part buys, the sampler's trap |
# | 10 | your own photo, failures, misuse, what to read next |

# %% slideshow={"slide_type": "skip"} tags=["parameters"]
PROFILE = None  # "smoke", "lecture" or "full"; None asks the variable AIDAGEN_PROFILE
SEED = 5

# %% slideshow={"slide_type": "skip"}
import inspect
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from IPython.display import HTML, Markdown

from aidagen import datasets, evaluation, grids, kernels, recipes, training, video, zoo
from aidagen.animation import Animator, animate
from aidagen.errors import AidagenError
from aidagen.keypoints import RandomTransform
from aidagen.models import fomm
from aidagen.teaching import check, compute, ledger, lesson, papermap, predict, quiz
from aidagen.widgets import overlays
from aidagen.widgets.ablations import Ablations
from aidagen.widgets.motion_microscope import MotionMicroscope
from aidagen.widgets.overlays import still
from aidagen.widgets.own_photo import OwnPhoto
from aidagen.widgets.puppet import Puppet
from aidagen.widgets.time_machine import TimeMachine

_ = torch.set_grad_enabled(False)  # only the live training below turns gradients on
lesson = lesson.start("05", PROFILE, seed=SEED)

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## The question of the day
#
# You have **one picture** of somebody and a clip of **somebody else** who talks and turns the
# head. Make the first person do what the second one does. Nobody has marked eyes or mouths for
# you, not in this clip and not in any other, and the same method has to work for bodies, robots
# and cartoons.
#
# Below, a model of less than a million weights, trained on an ordinary CPU, does it with two
# people who do not exist: both were rendered, and neither was in its training set.

# %% alt="Two heads side by side: on the left the driving clip, on the right another person who was one still picture and now moves the same way." slideshow={"slide_type": "fragment"} tour=true
heads = datasets.load("heads").clips("test")[:6]
people = [clip.frames().float() / 255 for clip in heads]  # six clips (32, 3, 64, 64)
poses = [clip.labels()["pose"].astype(float) for clip in heads]  # yaw, pitch, roll in degrees


def facing(person, pose):
    """The frame of a person's clip whose head pose is nearest to ``pose``."""
    return people[person][int(np.abs(poses[person] - pose).sum(1).argmin())]


driving = people[4]
source = facing(1, poses[4][0])  # starts in about the pose of the driving clip
model = zoo.load("fomm-faces-64", device=str(lesson.device))

made = animate(model, source, driving).cpu()
pair = torch.cat([driving, made], dim=-1)  # (32, 3, 64, 128)
large = torch.nn.functional.interpolate(pair, scale_factor=4, mode="bilinear").clamp(0, 1)
says = "Left: driving clip. Right: the generated clip of the other person."
HTML(video.html(large, fps=12.5, alt=says))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The idea in pictures
#
# 1. Find a few **keypoints** in the source picture and in the driving frame. They are whatever
#    helps: no label says "nose".
# 2. Around each keypoint, say how the neighbourhood is **moved, turned and stretched** between the
#    two pictures: a point and a 2 × 2 matrix.
# 3. Let a small network decide, place by place, **which keypoint to follow**; this gives one dense
#    flow.
# 4. **Warp** the source by the flow, and
# 5. **paint** what the source cannot show: the far cheek, the teeth, the wall behind the head.

# %% alt="Five pictures in a row: source with numbered keypoints, driving frame with the same keypoints elsewhere, the flow in colours, the source warped by it, and the finished frame."
idea = MotionMicroscope(model, source, driving, name="fomm-faces-64")
moved = np.abs(idea.take.movement).mean((1, 2, 3))
T = int(moved.argsort()[2 * len(moved) // 3]) + 1  # a frame with much movement, not the most
points, flow, warped = (idea.views(T, o) for o in ("keypoints", "flow", "deformed source"))
steps = [points[0], points[1], flow[3], warped[3], warped[2]]
words = ["1 source", "1 driving", "2, 3 flow", "4 warp", "5 paint"]
still(overlays.sheet([view.pixels for view in steps], 5, words))

# %% [markdown] slideshow={"slide_type": "notes"}
# **10 min.** Let the class say what the picture in step 4 gets wrong *before* you show step 5.
# Misconception to catch here: "the network draws the new face". Most of it is moved, not drawn.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A toy: one keypoint, by hand
#
# A warp asks, for every pixel $z$ of the **new** picture: where in the **source** do I read?
# Asking this way round (backward warping) leaves no holes.
#
# Say the point $p_D$ of the new picture shows what lies at $p_S$ in the source. Close to it we
# read at
#
# $$ T(z) \approx p_S + J\,(z - p_D), $$
#
# the first two terms of a Taylor expansion: hence *first order*. $J = 1$ is a plain shift. Far
# from the point we leave everything where it is, and mix the two by a soft mask.

# %%
size = 64
ticks = np.arange(size) * 2 / (size - 1) - 1  # pixel centres, from -1 to 1
z = np.stack(np.meshgrid(ticks, ticks), axis=-1)  # (64, 64, 2), last axis (x, y)

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


# %% alt="Three pictures of a head: untouched; turned as a whole with black corners; and with only the middle of the face turned while hair and background stay."
picture = source.permute(1, 2, 0).numpy()
toy = [picture, look_up(picture, read), look_up(picture, mixed)]
shown = [overlays.enlarge(torch.from_numpy(t).permute(2, 0, 1), 192, False) for t in toy]
shown = [overlays.draw_points(s, np.stack([p]), 64) for s, p in
         zip(shown, (p_source, p_driving, p_driving), strict=True)]
still(overlays.sheet(shown, 3, ["source", "everything follows", "mixed by a mask"]))

# %% tags=["nbval-check-output"]
# the same with the package: bilinear reading, K points at once (here K = 1)
as_tensor = [torch.tensor(a, dtype=torch.float32)[None, None] for a in (p_source, p_driving, J)]
grid = grids.local_affine_grids(grids.identity_grid(size, size), *as_tensor)[0]
package = grids.warp(source[None], grid)[0].permute(1, 2, 0).numpy()
print("same places to read:", np.allclose(grid[0].numpy(), read, atol=1e-5))
print("same picture, up to interpolation:", np.abs(package - toy[1]).mean() < 0.03)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The equations
#
# Let $R$ be an abstract reference pose that nobody ever sees. The detector gives, for the source
# $S$ and for the driving frame $D$ alike, where each keypoint of $R$ went and how its
# neighbourhood was deformed on the way: $T_{S\leftarrow R}(p_k)$ and its Jacobian
# $T'_{S\leftarrow R}(p_k)$. Going back from $D$ to $R$ and on to $S$,
#
# $$ T_{S\leftarrow D}(z) \approx T_{S\leftarrow R}(p_k)
#    + J_k\,\bigl(z - T_{D\leftarrow R}(p_k)\bigr) \tag{4} $$
# $$ J_k = T'_{S\leftarrow R}(p_k)\; T'_{D\leftarrow R}(p_k)^{-1} \tag{5} $$
#
# (Numbers (4) and (6) stand in the authors' code; the others follow the paper from memory.)
#
# Why through $R$? Because then each picture is looked at **alone**: at test time source and
# driving frame may show different people, a pair the model never saw.
#
# | letter | meaning |
# |---|---|
# | $S, D, R$ | source, driving frame, reference pose |
# | $T_{S\leftarrow D}(z)$ | where in $S$ to read for the place $z$ of $D$ |
# | $p_k$, $k = 1 \dots K$ | keypoints; here $K = 10$ |
# | $J_k$ | 2 × 2: rotation, stretch and shear around keypoint $k$ |
# | $M_k$, $O$ | masks that mix the $K + 1$ motions; occlusion map |

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 05.1 · One keypoint, first order (difficulty 2 of 3, 8 minutes)
#
# Write `local_affine(grid, p_source, p_driving, j_source, j_driving)`: equations (4) and (5) for
# all K keypoints at once. `grid` is `(H, W, 2)`, points are `(K, 2)`, Jacobians `(K, 2, 2)`; the
# result `(K, H, W, 2)` says where each pixel of the driving frame reads in the source. Everything
# after this exercise that draws a sparse motion by hand uses your function.

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

# %% [markdown] slideshow={"slide_type": "skip"} tags=["hint"]
# <details><summary>Hint 1</summary>
#
# Which point do you subtract from z: the one in the frame you are drawing, or the one you read from?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Go from D to R first. Which of the two Jacobians is undone, and does it stand left or right?
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Keypoints without labels
#
# **Think first:** the detector was only ever asked to help rebuild one frame from another. Where
# would you put ten points? On eyes, mouth, chin? On the hair line, on a collar, on nothing?
#
# The detector is an hourglass network that gives one map a keypoint; the point is the expected
# position under a softmax of that map (soft-argmax), so gradients reach it from every pixel.
#
# What makes a point *stick* to the same thing in every picture? A loss that needs no label:
# deform a frame by a random map $T$ that **we** drew, and demand that the points follow it (eq. 11
# of the paper). The cell below the picture tests it on people the detector never saw.

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 05.2 · From a map to a point (difficulty 2 of 3, 8 minutes)
#
# Write `soft_argmax(logits, temperature)`: maps `(K, H, W)` → points `(K, 2)`, (x, y) in [−1, 1]
# with −1 and 1 at pixel centres. Softmax of `logits / temperature` over all pixels of a map; the
# point is the mean position under it. A low temperature makes it an argmax, a high one the middle
# of the picture.

# %% tags=["exercise"]
def soft_argmax(logits, temperature):
    return check.TODO

# %% tags=["solution"]
def soft_argmax(logits, temperature):
    H, W = logits.shape[1:]
    weight = (logits / temperature).flatten(1).softmax(-1)  # (K, HW)
    return weight @ grids.identity_grid(H, W).view(-1, 2).to(logits)  # (K, 2)

# %% tags=["check", "nbval-check-output"]
soft_argmax = check.choose("05.2", soft_argmax)

# %% [markdown] slideshow={"slide_type": "skip"} tags=["hint"]
# <details><summary>Hint</summary>
#
# The softmax runs over H times W values at once; flatten first. `grids.identity_grid(H, W)` holds
# (x, y) of every pixel.
#
# </details>

# %% alt="Six different heads, each with ten numbered dots in the same order at corresponding places of head and shoulders." slideshow={"slide_type": "subslide"}
first_frames = torch.stack([clip[0] for clip in people])
found = model.motion(first_frames.to(lesson.device))  # points (6, 10, 2), jacobians (6, 10, 2, 2)
shown = [
    overlays.draw_points(overlays.enlarge(frame, 200), points, pixels=64)
    for frame, points in zip(first_frames, found.points.cpu().numpy(), strict=True)
]
still(overlays.sheet(shown, 3))

# %% tags=["nbval-check-output"]
many = torch.stack([f for clip in people for f in clip[::8]])  # 24 frames
warp_rng = torch.Generator().manual_seed(SEED)
known = RandomTransform.sample(len(many), generator=warp_rng, sigma_affine=0.1)
points = model.motion(many.to(lesson.device)).points.cpu()
points_after = model.motion(known.frame(many).to(lesson.device)).points.cpu()
missed = (points - known.points(points_after)).norm(dim=-1).mean()  # eq. (11)
moved = (points - points_after).norm(dim=-1).mean()
print("the points follow a known deformation:", bool(missed < 0.6 * moved))

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What makes them stick: equivariance
#
# For a random map $T_{X\leftarrow Y}$ that we drew, the points found in the deformed frame $Y$,
# carried over by it, must be the points found in $X$; and the same for their neighbourhoods:
#
# $$ T_{X\leftarrow R}(p_k) = T_{X\leftarrow Y}\bigl(T_{Y\leftarrow R}(p_k)\bigr) \tag{11} $$
# $$ \mathbb{1} = \bigl(T'_{X\leftarrow R}(p_k)\bigr)^{-1}\,
#    T'_{X\leftarrow Y}\; T'_{Y\leftarrow R}(p_k) \tag{13} $$
#
# The loss is the mean absolute violation of both. Equation (13) is written as a ratio on purpose:
# comparing the two Jacobians directly would let the detector shrink them all.

# %% [markdown] slideshow={"slide_type": "notes"}
# **25 min** for toy, equations, keypoints and the two exercises. In 05.1 the swapped Jacobians are
# the most frequent mistake; let somebody draw D → R → S on the board.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What a Jacobian sees
#
# A point says *where*; its Jacobian says *how the neighbourhood turned and stretched*. The picture
# draws each one as what it makes of a small circle, with the images of the two axes inside. The
# last column is the change since the source: a circle there means "only moved".

# %% alt="Three rows of four pictures at growing times: source, driving and generated head with one small ellipse at each keypoint, and the change since the source as ellipses on a dark picture."
idea.keypoint = 1
still(idea.figure([1, (1 + T) // 2, T], "jacobians", size=160))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## From ten expansions to one flow
#
# The dense-motion network sees the source warped in all $K + 1$ ways (the first one is "stay") and
# bumps that say where keypoints came and went:
#
# $$ H_k(z) = e^{-|z - T_{D\leftarrow R}(p_k)|^2/2\sigma}
#    - e^{-|z - T_{S\leftarrow R}(p_k)|^2/2\sigma} \tag{6} $$
#
# It answers with masks $M_k$ that sum to one at each place, and an occlusion map $O$ in [0, 1]:
#
# $$ \hat T_{S\leftarrow D}(z) = M_0\,z + \sum_{k=1}^{K} M_k\,\bigl(T_{S\leftarrow R}(p_k)
#    + J_k (z - T_{D\leftarrow R}(p_k))\bigr) \tag{7} $$
# $$ \xi' = O \odot \mathrm{warp}(\xi, \hat T_{S\leftarrow D}) \tag{8} $$
#
# where $\xi$ are the generator's features of the source. What $O$ erases the generator has to
# invent. The model at hand has the paper's classes at small sizes, and one option of its own (see
# `blend` in `models/fomm.py`): where $O$ says "visible", the warped source is kept as it is.

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 05.3 · Mix the motions (difficulty 2 of 3, 6 minutes)
#
# Write `mix(mask_logits, motions)`: the network's raw scores `(J, H, W)`, one map for the
# background and one a keypoint, and the motions `(J, H, W, 2)` in the same order → the dense flow
# `(H, W, 2)` of equation (7). At each place the masks are positive and sum to one.

# %% tags=["exercise"]
def mix(mask_logits, motions):
    return check.TODO

# %% tags=["solution"]
def mix(mask_logits, motions):
    masks = mask_logits.softmax(0)  # (J, H, W), sums to 1 at each place
    return (masks[..., None] * motions).sum(0)  # eq. (7)

# %% tags=["check", "nbval-check-output"]
mix = check.choose("05.3", mix)

# %% tags=["nbval-check-output"]
# your functions on the real model: its keypoints, its masks, your flow
at = [x.to(lesson.device) for x in (source[None], driving[8:9])]
rendering = model(*at)
s, d = model.motion(at[0]), rendering.motion
h, w = rendering.flow.shape[1:3]
grid = grids.identity_grid(h, w, device=lesson.device)
sparse = local_affine(grid, s.points[0], d.points[0], s.jacobians[0], d.jacobians[0])
by_hand = mix(rendering.masks[0].log(), torch.cat([grid[None], sparse]))
print("same flow as the model's:", torch.allclose(by_hand, rendering.flow[0], atol=1e-3))

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### In the package
#
# The same equations as the package computes them, and the map from the paper's numbers to lines.

# %% slideshow={"slide_type": "subslide"}
for equation in (fomm.sparse_motions, fomm.heatmap_differences, fomm.mix):
    print(inspect.getsource(equation))

# %% slideshow={"slide_type": "skip"}
Markdown(papermap.table("fomm"))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Absolute or relative motion?
#
# **Absolute:** put the source's keypoints where the driving frame has them. If the driving person
# has a longer face, so will the source. **Relative:** move the source's own keypoints by what
# changed since the driving clip's *first* frame,
#
# $$ p_t = p_S + (p^D_t - p^D_1) \tag{14} $$
# $$ J_t = J^D_t\,(J^D_1)^{-1} J_S, \tag{15} $$
#
# so that the source keeps its shape. The price: the first driving frame should show about the pose
# of the source, or everything is offset from then on. (That is why `facing` picked the source
# frame. With footage of your own you would pick it by eye, or by a landmark detector.)

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 05.4 · Relative motion (difficulty 2 of 3, 6 minutes)
#
# Write `relative(p_source, p_t, p_1, j_source, j_t, j_1)` → `(points, jacobians)`: equations (14)
# and (15). Points are `(K, 2)`, Jacobians `(K, 2, 2)`. Test it in your head: if the driving clip has not
# moved yet, what has to come out?

# %% tags=["exercise"]
def relative(p_source, p_t, p_1, j_source, j_t, j_1):
    return check.TODO

# %% tags=["solution"]
def relative(p_source, p_t, p_1, j_source, j_t, j_1):
    return p_source + (p_t - p_1), j_t @ torch.linalg.inv(j_1) @ j_source

# %% tags=["check", "nbval-check-output"]
relative = check.choose("05.4", relative)

# %% [markdown] slideshow={"slide_type": "skip"} tags=["hint"]
# <details><summary>Hint</summary>
#
# Read the product from the right: start from the source's neighbourhood, undo the first driving
# frame's, apply the present one's.
#
# </details>

# %% alt="Four columns over three times: the source person, the driving person, and the generated person in absolute and in relative mode; in absolute mode the head takes over the driver's shape." slideshow={"slide_type": "subslide"}
times = [0, T // 2, T - 1]
both = {mode: animate(model, source, driving, mode).cpu() for mode in ("absolute", "relative")}
cells, words = [], []
for t in times:
    cells += [source, driving[t], both["absolute"][t], both["relative"][t]]
    words += ["source", f"driving, {t + 1}", "absolute", "relative"]
made_here = [i for i, word in enumerate(words) if word in both]
still(overlays.sheet(cells, 4, words, size=160, generated=made_here))

# %% tags=["nbval-check-output"]
apart = {mode: (clip[0] - source).abs().mean() for mode, clip in both.items()}
print("at frame 1, relative motion is nearer to the source:",
      bool(apart["relative"] < apart["absolute"]))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What the source cannot show
#
# Turn a head, and the source has nothing to say about the other ear. Where the occlusion map is
# dark, warped pixels are thrown away and painted afresh. To see what that buys, let test clips
# rebuild **themselves** from their first frame, so that the true answer is known, and compare the
# warped source with the finished frame.

# %% alt="Two rows of four pictures: source, driving, generated, and in the first row the occlusion map, dark along the moving outline, in the second the source only warped."
own = MotionMicroscope(model, people[3][0], people[3], mode="absolute", name="itself")
far = int((people[3] - people[3][0]).abs().mean((1, 2, 3)).argmax()) + 1
still(own.figure([far], ["occlusion", "deformed source"], size=160))

# %% tags=["nbval-check-output"]
errors = {"copy of the source": [], "only warped": [], "finished": []}
for clip in people:
    for truth, made in zip(clip, Animator(model, clip[0], "absolute").animate(clip), strict=True):
        made_image, warped = made.image.cpu(), made.deformed.cpu()
        for name, image in zip(errors, (clip[0], warped, made_image), strict=True):
            errors[name].append(float((image - truth).abs().mean()))
mean = {name: np.mean(values) for name, values in errors.items()}
print("warping beats copying the source:", mean["only warped"] < mean["copy of the source"])
print("painting improves on warping:", mean["finished"] < mean["only warped"])

# %% [markdown] slideshow={"slide_type": "notes"}
# **15 min.** "Relative" is what people see in every demo; say that the published numbers are
# absolute reconstruction. Ask which of the two a *video call* codec would use, and why.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The motion microscope
#
# Scrub through the clip; choose an overlay; choose a keypoint and look at its mask. Without a
# running kernel, the picture below the next cell shows the same.
#
# Things to try:
#
# * **masks:** which keypoints move the hair, which the mouth? Which claim hardly anything?
# * **flow** against **keypoints:** does the background stay grey?
# * **relative** against **absolute** at frame 1;
# * **warped grid:** find a place where the grid folds over itself. What is behind it?

# %% tags=["nbval-ignore-output"]
microscope = MotionMicroscope(model, source, driving, size=200, name="fomm-faces-64")
microscope

# %% alt="Contact sheet of the microscope: one row for each overlay with source, driving, generated frame and keypoint paths, ellipses, grid, flow, occlusion, mask, warped source and difference."
still(microscope.figure([T], "all", size=128))

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Pull the strings yourself
#
# Take a keypoint and put it somewhere else. How large is the piece that follows? Which point
# carries hair *and* forehead? What happens when two points change places?

# %% tags=["nbval-ignore-output"]
puppet = Puppet(model, source, name="fomm-faces-64")
puppet

# %% alt="Static picture of the puppet: the source with its keypoints, and the same face generated with one keypoint moved."
still(puppet.figure())

# %% [markdown] slideshow={"slide_type": "notes"}
# **10 min** at the microscope. In pairs: one scrubs, the other says what each keypoint carries.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Across identities
#
# Three sources, one driving clip. For such pairs there is **no true answer** to compare with:
# judge identity (does she stay herself?) and motion (does she do what he does?) separately. With
# cartoon figures that all dance the same steps a true answer does exist; the model
# `fomm-cartoons-64` is measured on it.

# %% alt="Grid of heads: the first row shows the driving person at four times, each further row another person whose single picture follows that motion."
four = [0, len(driving) // 3, 2 * len(driving) // 3, len(driving) - 1]
cells = [torch.ones(3, 64, 64), *driving[four]]
words = ["driving:", *(f"frame {t + 1}" for t in four)]
for i in (0, 2, 5):
    start = facing(i, poses[4][0])
    cells += [start, *animate(model, start, driving).cpu()[four]]
    words += ["source", *(["generated"] * 4)]
made_here = [i for i, word in enumerate(words) if word == "generated"]
still(overlays.sheet(cells, 5, words, generated=made_here))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Cartoons: where the true answer exists
#
# Twelve cartoon characters dance the same moves in phase. So the question "what would the cat look
# like doing what the bear does?" has a true answer: the cat's own sheet. The pair of cat and move
# was never trained on. (The pictures are fetched once, 16 MB; their licence is undecided, so they
# are not part of the course. Without a network you read a sentence instead.)

# %% alt="Rows of cartoon characters: one that drives, another generated to do the same move, and the true frames of that character doing it; the generated limbs are in about the right places, blurred where they move fast." tags=["nbval-ignore-output"]
def dance(pick):
    """Rows drives, generated, truth for one pair of character and move never trained together."""
    made = datasets.load("cartoons")
    clip = [c for c in made.clips("test") if c.entry["group"] == "unseen-pair"][pick]
    others = [c for c in made.clips("train") if c.entry["move"] == clip.entry["move"]]
    other = next(c for c in others if c.entry["character"] != clip.entry["character"])
    truth, drives = (c.frames().float() / 255 for c in (clip, other))
    dancer = zoo.load("fomm-cartoons-64", device=str(lesson.device))
    return drives, animate(dancer, truth[0], drives).cpu(), truth


try:
    cells, words = [], []
    for pick in (4, 20):
        for word, frames in zip(("drives", "generated", "truth"), dance(pick), strict=True):
            cells += [*frames[:: len(frames) // 6][:6]]
            words += [word] * 6
    marks = [i for i, word in enumerate(words) if word == "generated"]
    shown = still(overlays.sheet(cells, 6, words, size=96, generated=marks))
except AidagenError as problem:
    shown = Markdown(f"The cartoons are not at hand: {problem}")
shown

# %% slideshow={"slide_type": "subslide"}
def side_by_side(rows, metrics=None):
    """Evaluation rows as a table: one line a split and metric, one column a method."""
    rows = [r for r in rows if metrics is None or r["metric"] in metrics]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    cells = {}
    for r in rows:
        line = cells.setdefault((r["data"], r["split"], r["metric"]), {})
        line[r["method"]] = f"{r['value']:.3g} ({r['low']:.3g} to {r['high']:.3g})"
    text = "| data, split, metric | " + " | ".join(methods) + " |\n"
    text += "|---|" + "---|" * len(methods) + "\n"
    for key, line in cells.items():
        text += f"| {', '.join(key)} | "
        text += " | ".join(line.get(m, "") for m in methods) + " |\n"
    return text


Markdown(side_by_side(evaluation.table("fomm-cartoons-64")))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How good is it? Measured
#
# Pictures persuade; numbers with baselines decide. The rows below are stored with the weights and
# can be recomputed. *L1* is the mean absolute error of rebuilt frames; *AKD* the distance between
# face landmarks found by a judge that never trained with the model; *AED* the distance between
# identity embeddings. `copy-source` does nothing at all, and any method has to beat it.

# %% tags=["nbval-ignore-output"]
bet = predict.guess("05.p1")
bet

# %%
faces = evaluation.table("fomm-faces-64")
value = {(r["split"], r["method"], r["metric"]): r["value"] for r in faces}
own, copy = (value["segments", m, "l1"] for m in ("fomm-faces-64", "copy-source"))
bet.reveal(own / copy)
Markdown(side_by_side(faces, ("l1", "akd", "aed")))

# %% [markdown] slideshow={"slide_type": "subslide"}
# Read it line by line. `segments`: new moments of people the model knows. `persons`: people it
# never saw; this is what a user's own photo is. `nearest-train` peeks at the answer and picks the
# training frame closest to it. `judge-floor` is what the judges say of a picture that is as good
# as true, `same-person` and `other-person` are the floor and the ceiling of identity distance.
# Numbers in brackets are 95 % bootstrap intervals over clips; the people are few, so for
# `persons` even the interval promises too much.

# %% tags=["nbval-check-output"]
unseen, copied = (value["persons", m, "l1"] for m in ("fomm-faces-64", "copy-source"))
print("known people: at most half the copy's error:", own <= 0.5 * copy)
print("unseen people are harder:", unseen / copied > own / copy)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Learning it, live
#
# Training needs clips and nothing else: draw two frames of one clip, call one source and the other
# driving, and ask for the driving frame back. The loss is a sum of
#
# * **reconstruction** (eq. 9): here plain L1 of the frame; the shipped model adds features of an
#   ImageNet network, the paper those of VGG19 at four scales;
# * **equivariance of points** (eq. 11): points follow a random deformation;
# * **equivariance of Jacobians** (eq. 13): so do their neighbourhoods.
#
# We start from random weights and only have seconds, so expect no finished faces. Watch which
# term falls first, and whether the points come to sit on the person.

# %%
from dataclasses import replace

from aidagen.datasets.batches import Pairs

shipped = recipes.find("fomm-faces-64")
pairs = Pairs({"heads": 1.0}, across=0.0, jitter=0.0)
recipe = replace(
    shipped, data=pairs, weights=shipped.weights._replace(perceptual=0.0),
    steps=lesson.pick(3, 400, 4000), rate=1e-3, schedule="constant", seed=lesson.seed,
)
learner = fomm.FOMM(recipe.config).to(lesson.device)
learning = training.Training(fomm.Objective(learner, recipe.weights), recipe)
trial = [x.to(lesson.device) for x in pairs.draw(8, torch.Generator().manual_seed(0))]


def rebuild():  # the trial pairs as they come out now
    rendering = learner(*trial)
    return rendering, float((rendering.image - trial[1]).abs().mean())


# %%
before, error_before = rebuild()
history, begin, seconds = [], time.monotonic(), lesson.pick(30, 45, 900)
with torch.enable_grad():
    while learning.done < recipe.steps and time.monotonic() - begin < seconds:
        history.append(learning.step())
after, error_after = rebuild()

# %% tags=["nbval-check-output"]
print("loss fell:", "yes" if error_after < error_before else "no")

# %% alt="Left: the loss terms over the training steps. Right: the same head with its ten keypoints before and after these steps."
import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 3, figsize=(10, 3), width_ratios=(1.4, 1, 1), layout="constrained")
for (name, style) in zip(history[0], ("-", "--", ":", "-."), strict=False):
    axes[0].plot([terms[name] for terms in history], style, label=name.replace("_", " "))
axes[0].set(xlabel="step", ylabel="weighted loss", yscale="log")
axes[0].legend(fontsize=8)
for ax, rendering, title in zip(axes[1:], (before, after), ("before", "after"), strict=True):
    frame = overlays.enlarge(trial[1][0], 200)
    ax.imshow(overlays.draw_points(frame, rendering.motion.points[0].cpu().numpy(), 64))
    ax.set(title=f"keypoints {title}", xticks=[], yticks=[])
plt.show()

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Looking back on a finished run
#
# Seven moments of a run on rendered heads, from the first step to the last. Move the slider: when
# do the points leave the middle of the picture, when do they stick, what is the last thing to get
# sharp?

# %% tags=["nbval-ignore-output"]
past = zoo.snapshots("fomm-heads-64", device="cpu")
time_machine = TimeMachine(past, people[3][::4], name="fomm-heads-64")
time_machine

# %% alt="Four rows, for the steps 1, 150, 800 and 2400: source and true frame with keypoints, what the model of that moment rebuilds, and the difference. At first the points sit in a heap and the picture is grey; by step 800 they are spread over the head, and the turned head appears."
still(time_machine.figure())

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## What does each part buy?
#
# The same small model trained again on rendered heads, same data, batch, steps and seed, each time
# without one part:
#
# * **no Jacobian:** zeroth order, keypoints only move;
# * **no occlusion:** no map of what is hidden; the generator paints the whole picture from warped
#   features (so it also loses `blend`, our option of keeping warped pixels);
# * **no equivariance:** neither loss (11) nor (13).
#
# `kp_consistency` asks what the keypoints *know*: the error of the true landmarks when they are
# read off the keypoints by a linear map, on people neither saw. `turn_error` rebuilds frames that
# we turned by a known angle. Lower is better for both.

# %% tags=["nbval-ignore-output"]
bet = predict.guess("05.p2")
bet

# %%
parts = evaluation.table("fomm-heads-64")
which = {"no-jacobian": "Jacobian", "no-occlusion": "occlusion", "no-equivariance": "equivariance"}
l1 = {r["method"]: r["value"] for r in parts if r["metric"] == "l1" and r["data"] == "heads"}
bet.reveal(which[max(which, key=lambda method: l1[method])])
Markdown(side_by_side(parts, ("l1", "warp_l1", "akd", "kp_consistency", "turn_error")))

# %% [markdown] slideshow={"slide_type": "subslide"}
# These are short runs of one seed: an interval over clips says how sure we are of *these weights*
# on other clips of the kind, not of other seeds. Differences smaller than a few per cent are no
# evidence for a part, whatever the interval says.

# %% tags=["nbval-ignore-output"]
device = str(lesson.device)
kinds = {"all parts": "", **{f"no {part.lower()}": f"-{key}" for key, part in which.items()}}
models = {kind: zoo.load(f"fomm-heads-64{end}", device) for kind, end in kinds.items()}
panel = Ablations(models, people[3])
panel

# %% alt="Four rows, one a model: the true frame, the frame rebuilt by the model with all parts, by the model of this row, and its error. Without occlusion the face is blurred most; without equivariance the glasses are drawn double."
still(panel.figure())

# %% [markdown] slideshow={"slide_type": "subslide"}
# Two of them under the microscope, with the same colours and scales: choose *warped grid*, and
# look at how a neighbourhood that turns is rebuilt from pieces that only shift.

# %% tags=["nbval-ignore-output"]
two = MotionMicroscope(models["all parts"], people[3][0], people[3], mode="absolute",
                       overlay="warped grid", size=200, name="all parts",
                       other=models["no jacobian"], other_name="no Jacobian")
two

# %% alt="Contact sheet of two models on the same clip: with all parts, and without Jacobians, each with the grid of pixels carried along by its flow."
still(two.figure([far], "warped grid", size=128))

# %% [markdown] slideshow={"slide_type": "notes"}
# **20 min** with training. Start the live cell, and talk about the loss terms while it runs. Be
# honest about the ablation: read the intervals aloud, say that it is one seed, and that a Jacobian
# buys three per cent of L1 here; most of what it buys shows where heads turn (`turn_error`).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A trap in one argument: `align_corners`
#
# Our grid puts −1 and 1 on the **centres** of the outermost pixels. `grid_sample` can also read
# −1 and 1 as the picture's outer **edges** (`align_corners=False`, torch's default since 1.3).
# Pixel $j$ of $W$ is then read at $j\,W/(W-1) - \tfrac12$: the identity grid is no longer the
# identity. The published weights were trained under one reading, while the authors' later demo runs
# under the other, without an error message. **Predict:** how far is the outermost pixel of a 64 px
# map off, and how much of a 256 px picture is that if the flow is computed at 64 px?

# %% tags=["nbval-ignore-output"]
bet = predict.guess("05.p3")
bet

# %% tags=["nbval-check-output"]
identity = grids.identity_grid(64, 64)[None]
for corners in (True, False):
    again = grids.warp(source[None], identity, align_corners=corners)[0]
    changed = bool((again - source).abs().max() > 1e-3)
    print(f"align_corners={corners}: the identity warp changes the picture: {changed}")
W = 64
read_at = [j * W / (W - 1) - 0.5 for j in (0, 31, 32, 63)]
print("under False, pixels 0, 31, 32, 63 read at", ", ".join(f"{x:.1f}" for x in read_at))

# %%
bet.reveal(abs(read_at[0]))

# %% [markdown] slideshow={"slide_type": "subslide"}
# ## Warp, three ways
#
# The dense-motion network reads the small source in $K$ local-affine ways. **Eager** PyTorch
# writes $K$ grids to memory and reads them back; `torch.compile` fuses the arithmetic before the
# sampler; a **Triton** kernel computes each place where it is read and never stores a grid. All
# three have to give the same picture. How long each takes on your machine: `make bench`.

# %% tags=["nbval-ignore-output"]
args = (source[None], s.points[:1].cpu(), d.points[:1].cpu(),
        (s.jacobians @ torch.linalg.inv(d.jacobians))[:1].cpu())
eager = kernels.local_affine_warp(*args, way="eager")
for way in ("compiled", "triton"):
    try:
        same = torch.allclose(eager, kernels.local_affine_warp(*args, way=way), atol=1e-4)
        print(f"{way}: {'the same picture' if same else 'ANOTHER PICTURE'}")
    except AidagenError as problem:
        print(f"{way}: not compared here. {problem}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Your own photo
#
# Upload a picture of **yourself**, or of somebody who agreed to this. Place the square around the
# head, choose a clip, and read what the widget says about the picture: the network has seen few
# faces, and it measures how well it can rebuild yours before it animates it. Nothing leaves this
# machine.

# %% tags=["nbval-ignore-output"]
clips = {f"head {i + 1}": clip for i, clip in enumerate(people[:4])}
own_photo = OwnPhoto(model, clips)
own_photo

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where it fails
#
# * **Large turns.** A 2-D warp cannot show what was never seen; the painted side of the head is a
#   guess, and at 64 px a blurred one.
# * **A bad first frame** in relative mode: the offset stays for the whole clip.
# * **Other kinds of picture.** The model has seen heads of about one size in the middle of the
#   picture. It has no way to say "this is not a face".
# * **Fine detail.** Teeth, glasses, hands before the face, hair tips.
#
# The next cell asks for trouble on purpose.

# %% alt="Four rows of source and three generated frames: a start from another pose than the source's, an upside-down source, a source far too small, and noise as driving clip. Each is wrong in its own way."
small = torch.nn.functional.pad(
    torch.nn.functional.interpolate(source[None], size=32), (16, 16, 16, 16), value=0.5)[0]
noise = torch.rand(len(driving), 3, 64, 64, generator=torch.Generator().manual_seed(SEED))
turned = int(np.abs(poses[4] - poses[4][0]).sum(1).argmax())  # the frame least like the first
trouble = {
    "other first pose": (source, driving.roll(-turned, 0)),
    "upside down": (source.flip(1), driving),
    "far too small": (small, driving),
    "driven by noise": (source, noise),
}
cells, words = [], []
for name, (start, frames) in trouble.items():
    cells += [start, *animate(model, start, frames).cpu()[8::8]]
    words += [name, "frame 9", "frame 17", "frame 25"]
made_here = [i for i, word in enumerate(words) if word not in trouble]
still(overlays.sheet(cells, 4, words, generated=made_here))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Misuse, consent, provenance
#
# What you have just built is the mechanism behind face-reenactment fakes. In this course:
#
# * **Consent.** Animate yourself, people who agreed to *this* use, or people who do not exist (as
#   here). A public photograph is not an agreement.
# * **Say so.** Every clip the package writes carries a visible mark and a note in its metadata.
#   Both can be removed by whoever wants to deceive; they protect honest use, not against fraud.
# * **Identity is not motion.** Putting words into somebody's mouth needs no perfect picture; a
#   small one in a chat window is enough. Lecture 10 turns round and looks for traces.
# * **Data.** The shipped weights also saw two men and a few others in public test footage whose
#   rights nobody has settled; NOTICE says what is known.

# %% tags=["nbval-check-output"]
import av

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "made.mp4"
    video.write(path, both["relative"], fps=12.5, note=video.provenance("fomm-faces-64"))
    with av.open(str(path)) as clip:
        note = clip.metadata["comment"]
print(note)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 256 pixels: the authors' weights
#
# The model class is the published one; only its sizes are smaller here. With the authors' files on
# your machine (a download of their own, under their terms) you get the 256 px results:
#
# ```python
# # python data_scripts/get_published_weights.py      says where the files are, and checks them
# model = zoo.load_published("fomm", "vox-256", "vox-cpk.pth.tar")
# MotionMicroscope(model, my_picture, my_clip)
# ```
#
# Everything in this notebook works on it unchanged: the microscope, relative motion, the table.
# That our architecture computes the same numbers as theirs is tested, array by array.
#
# ### Ledger: the paper and this lecture
#
# The paper's figures **cannot be compared with ours**: other data, other resolution, other judges.
# What can be compared is which claims carry over, and each of those has a test.

# %%
Markdown(ledger.table("05"))

# %% slideshow={"slide_type": "subslide"} tags=["nbval-ignore-output"]
quiz.ask("05.q1")

# %% tags=["nbval-ignore-output"]
quiz.ask("05.q2")

# %% tags=["nbval-ignore-output"]
quiz.ask("05.q3")

# %% tags=["nbval-ignore-output"]
quiz.ask("05.q4")

# %% [markdown] slideshow={"slide_type": "skip"} tags=["instructor"]
# **If late, skip to** "What does each part buy?"; then the trap, misuse, and the end. Exercises 05.3
# and 05.4 can be done at home, and "Warp, three ways" is for classes that care about speed. Do not
# skip misuse.
#
# **What goes wrong in class.** Students read $T_{S\leftarrow D}$ forwards; they expect the Jacobian
# of the source to be the inverted one; they take the learned points for anatomical landmarks; they
# compare our L1 with the paper's.

# %% [markdown] slideshow={"slide_type": "notes"}
# **10 min** for photo, failures and misuse. Ask for a volunteer's photo, and delete it afterwards.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Think, and read on
#
# 1. **Zeroth order.** In the toy, set $J = 1$. For which motions of a head is that enough? Where
#    does it break first? (*This is Monkey-Net, lecture 04, but for its residual motion.*)
# 2. **Why invert?** Eq. (5) inverts the driving Jacobian. What happens to the flow when the
#    detector predicts a nearly singular one? Find the most stretched keypoint in the microscope.
# 3. **Labels after all?** Number 3 sits on the chin in one picture. May you use it as a chin
#    detector? Which experiment would tell you?
#
# ### Further reading
#
# * Siarohin et al., *First Order Motion Model for Image Animation*, NeurIPS 2019: sections 3.1 (the
#   Taylor expansion), 3.2 (occlusion), 3.3 (losses), 3.4 (relative motion).
# * Siarohin et al., *Animating Arbitrary Objects via Deep Motion Transfer* (Monkey-Net), CVPR 2019:
#   the same idea without Jacobians; lecture 04.
# * Siarohin et al., *Motion Representations for Articulated Animation*, CVPR 2021: regions instead
#   of points, the matrices by PCA instead of regression.
# * Zhao and Zhang, *Thin-Plate Spline Motion Model for Image Animation*, CVPR 2022: splines instead
#   of affine maps.
#
# **Credits.** This lecture follows the part on image animation of *Image and Video Generation: A
# Deep Learning Approach* by Nicu Sebe (University of Trento) for the International AI Doctoral
# Academy; the work is by A. Siarohin, S. Lathuilière, S. Tulyakov, E. Ricci and N. Sebe. Text and
# code here are independent; text CC BY 4.0, code MIT. The heads are rendered with anny (CC0).

# %%
Markdown(compute.card("05"))
