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
# # 00 · Start here
#
# **aidagen** is a course on image and video generation that you run. Ten lectures; in each, a
# system from the research literature that you can read from top to bottom, train, measure, and
# play with on a laptop.
#
# **After this lecture you can**
#
# 1. say which lecture answers which question, and where its model lives in the package;
# 2. read the course's one notation: pictures, points, grids, and which way round a warp goes;
# 3. work through a lecture: predict, run, solve, check; and say what you may do with other
#    people's faces.
#
# **You need** Python, and to have seen a PyTorch tensor. Nothing is downloaded.
#
# | minutes | part |
# |---|---|
# | 5 | a first win: move a face |
# | 10 | the map of the course |
# | 20 | notation, with three short exercises |
# | 15 | is this machine ready? how to study |
# | 10 | how to behave, how to cite |

# %% slideshow={"slide_type": "skip"} tags=["parameters"]
PROFILE = None  # "smoke", "lecture" or "full"; None asks the variable AIDAGEN_PROFILE
SEED = 0

# %% slideshow={"slide_type": "skip"}
import importlib.util

import torch
from IPython.display import Markdown

from aidagen import checkup, datasets, grids, zoo
from aidagen.teaching import check, compute, lesson, predict, quiz
from aidagen.widgets import overlays
from aidagen.widgets.overlays import still
from aidagen.widgets.puppet import Puppet

_ = torch.set_grad_enabled(False)  # nothing is trained in this lecture
lesson = lesson.start("00", PROFILE, seed=SEED)

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## A first win
#
# Below is a person who does not exist: a rendered head that the network was not trained on. The
# dots are **keypoints**. Nobody told the network where to put them; it found ten places that help
# it to describe how heads move.
#
# **Drag one of them** (or press Tab until it has the focus, then use the arrow keys). The picture
# on the right is made afresh by a network of less than a million weights, on your own CPU.

# %% slideshow={"slide_type": "fragment"} tags=["nbval-ignore-output"] tour=true
clip = datasets.load("heads").clips("test")[5]
face = clip.frames()[0].float() / 255  # (3, 64, 64) in [0, 1]
model = zoo.load("fomm-faces-64", device=str(lesson.device))
puppet = Puppet(model, face, name="fomm-faces-64")
puppet

# %% [markdown] slideshow={"slide_type": "notes"}
# **5 min.** Drag a point on the head yourself before you explain anything. Then drag one to the
# edge of the picture: it breaks, and the class has its first question (what was it trained to do?).

# %% alt="Four pictures of one rendered head: as it is with ten numbered keypoints, then generated after one keypoint was moved left, right and down; the part of the head around that point follows."
start = model.motion(face[None].to(lesson.device))
encoded = model.encode(face[None].to(lesson.device))
spread = (start.points[0] - start.points[0].mean(0)).norm(dim=-1)
k = int(spread.argmin())  # the most central keypoint
cells = [overlays.draw_points(overlays.enlarge(face, 160), start.points[0].cpu().numpy(), 64, k)]
for dx, dy in ((-0.2, 0.0), (0.2, 0.0), (0.0, 0.2)):
    points = start.points.clone()
    points[0, k] += torch.tensor([dx, dy], device=points.device)
    moved = model.render(encoded, start._replace(points=points)).image[0].cpu()
    cells.append(overlays.enlarge(moved, 160))
words = ["its keypoints", f"{k + 1} moved left", f"{k + 1} moved right", f"{k + 1} moved down"]
still(overlays.sheet(cells, 4, words, size=160, generated=(1, 2, 3)))

# %% tags=["nbval-check-output"]
left, right = (model.render(encoded, start._replace(points=start.points + torch.tensor(
    [[[dx, 0.0]]], device=start.points.device))).image for dx in (-0.1, 0.1))
print("moving all keypoints moves the picture:", bool((left - right).abs().mean() > 0.01))

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## The map
#
# The course follows the lecture *Image and Video Generation: A Deep Learning Approach* that Nicu
# Sebe (University of Trento) gave for the International AI Doctoral Academy. One line runs through
# it: **generate what was asked for, and know what moved**. From a label to a smile; from a pose to
# a picture; from a clip to another person's clip; from a key press to the next frame; from music
# to a dance.

# %% slideshow={"slide_type": "fragment"} tour=true
LECTURES = (
    ("01", "A bit of history", "How did we get here in fifteen years?", "diffusion"),
    ("02", "Diverse smiles", "One neutral face, one label: how many smiles?", "smile"),
    ("03", "Deformable GANs", "How do skip connections survive a change of pose?", "deformable_gan"),
    ("04", "Monkey-Net", "Can motion be learned without a skeleton?", "monkeynet"),
    ("05", "First Order Motion", "What does a keypoint's neighbourhood know?", "fomm"),
    ("06", "Co-part segmentation", "Do things that move together belong together?", "copart"),
    ("07", "Playable video", "Can a video have buttons that nobody labelled?", "playable"),
    ("08", "Dance", "What should a body do to this music?", "dance"),
    ("09", "Beyond", "Three dimensions, several people, other worlds", "free_view"),
    ("10", "Forensics", "Can you tell that it was made?", "forensics"),
)
rows = ["| | lecture | its question | model file | |", "|---|---|---|---|---|"]
for number, title, question, name in LECTURES:
    here = importlib.util.find_spec(f"aidagen.models.{name}") is not None
    state = "open" if here else "to come"
    rows.append(f"| {number} | {title} | {question} | `models/{name}.py` | {state} |")
Markdown("\n".join(rows))

# %% [markdown] slideshow={"slide_type": "notes"}
# **10 min.** Ask who has used one of these systems, and who has been shown a result without its
# baseline. The table's last column is computed: it says which models this copy of the package has.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Notation, said once
#
# | thing | in code | in text |
# |---|---|---|
# | picture | floats in [0, 1], `(B, C, H, W)` | $S$ source, $D$ driving frame, $\hat D$ generated |
# | clip | `(B, T, C, H, W)` | $D_1 \dots D_T$ |
# | point | `(x, y)` in [−1, 1]; x to the right, y **down** | $p_k$, $k = 1 \dots K$ |
# | 2 × 2 matrix | row-major, rows are output x and y | $J_k$ |
# | warp grid | `(B, H, W, 2)`: where to **read** in the source | $T_{S \leftarrow D}(z)$ |
# | feature map, mask, occlusion | `(B, C, h, w)` | $\xi$, $M_k$, $O$ |
#
# The arrow in $T_{S\leftarrow D}$ is read from right to left: it takes a place in $D$ and says which
# place of $S$ it shows.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where is −1?
#
# Two readings are in use. In this course −1 and 1 are the **centres** of the outermost pixels
# (`align_corners=True`); pixel $j$ of $W$ then lies at $2j/(W-1) - 1$. In the other reading they
# are the picture's outer edges. Mixing them shifts everything by up to half a pixel, and no error
# message tells you: lecture 05 has a slide on what that did to a famous model.

# %% alt="A picture of four by four pixels as squares, with the pixel centres marked; the leftmost centres carry x = -1 and the rightmost x = 1, the topmost y = -1 and the lowest y = 1."
import matplotlib.pyplot as plt

small = torch.nn.functional.adaptive_avg_pool2d(face, 4)
fig, ax = plt.subplots(figsize=(3.6, 3.6), layout="constrained")
ax.imshow(small.permute(1, 2, 0).numpy(), extent=(-4 / 3, 4 / 3, 4 / 3, -4 / 3))
at = grids.identity_grid(4, 4).view(-1, 2)
ax.plot(at[:, 0], at[:, 1], "o", color="white", markeredgecolor="black")
ax.set(xticks=[-1, -1 / 3, 1 / 3, 1], yticks=[-1, -1 / 3, 1 / 3, 1], xlabel="x", ylabel="y")
ax.set_xticklabels(["−1", "−⅓", "⅓", "1"])
ax.set_yticklabels(["−1", "−⅓", "⅓", "1"])
plt.show()

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 00.1 · From points to pixels (difficulty 1 of 3, 4 minutes)
#
# Write `pixel_of(points, width, height)`: points `(N, 2)`, (x, y) in [−1, 1] → pixel coordinates
# `(N, 2)`, (column, row), as floats. The point (−1, −1) is pixel (0, 0), the point (1, 1) is pixel
# (width − 1, height − 1).

# %% tags=["exercise"]
def pixel_of(points, width, height):
    return check.TODO

# %% tags=["solution"]
def pixel_of(points, width, height):
    size = torch.tensor([width, height], dtype=points.dtype)
    return (points + 1) / 2 * (size - 1)

# %% tags=["check", "nbval-check-output"]
pixel_of = check.choose("00.1", pixel_of)

# %% [markdown] slideshow={"slide_type": "skip"} tags=["hint"]
# <details><summary>Hint</summary>
#
# Solve $x = 2j/(W-1) - 1$ for $j$. How many steps lie between the first and the last of $W$ pixels?
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Which way round does a warp go?
#
# To warp a picture, we ask for **every pixel of the new picture** where in the source to read. The
# other way round ("where does this source pixel go?") leaves holes. The price: signs feel wrong at
# first.
#
# **Think:** the grid reads at $z + (0.5, 0)$, half a picture further to the right. Does the face
# move to the left, or to the right?

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 00.2 · Move the face to the right (difficulty 1 of 3, 5 minutes)
#
# Write `shift_right(picture, pixels)` that returns the warp grid `(H, W, 2)` which moves the
# content of `picture` `(C, H, W)` by that many pixels **to the right**. Start from
# `grids.identity_grid(H, W)`.

# %% tags=["exercise"]
def shift_right(picture, pixels):
    return check.TODO

# %% tags=["solution"]
def shift_right(picture, pixels):
    height, width = picture.shape[1:]
    grid = grids.identity_grid(height, width)
    return grid - torch.tensor([2 * pixels / (width - 1), 0.0])

# %% tags=["check", "nbval-check-output"]
shift_right = check.choose("00.2", shift_right)

# %% [markdown] slideshow={"slide_type": "skip"} tags=["hint"]
# <details><summary>Hint</summary>
#
# If the content goes to the right, the new picture has to read further to the left. And one pixel
# is $2/(W-1)$, not 1.
#
# </details>

# %% alt="The rendered head three times: as it is, moved to the right by sixteen pixels, and by thirty-two; black comes in from the left."
cells = [face] + [grids.warp(face[None], shift_right(face, n)[None])[0] for n in (16, 32)]
still(overlays.sheet(cells, 3, ["as it is", "by 16 pixels", "by 32 pixels"], size=160))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## No number without its baseline
#
# An L1 error of 0.02: is that good? It depends on how much there was to do. If hardly anything
# moves in the clip, **copying the source frame** already gets 0.02. Every table of this course
# shows that copy beside the model, on clips held out from training, with an interval over clips.

# %% tags=["nbval-ignore-output"]
bet = predict.guess("00.p1")
bet

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 00.3 · The honest ratio (difficulty 1 of 3, 5 minutes)
#
# Write `l1_against_copy(made, source, truth)` → `(l1, ratio)`: the mean absolute error of the
# generated frames `made` `(T, C, H, W)` against `truth` `(T, C, H, W)`, and that error divided by
# the error of showing `source` `(C, H, W)` all the time. Both are plain floats.

# %% tags=["exercise"]
def l1_against_copy(made, source, truth):
    return check.TODO

# %% tags=["solution"]
def l1_against_copy(made, source, truth):
    l1 = float((made - truth).abs().mean())
    return l1, l1 / float((source - truth).abs().mean())

# %% tags=["check", "nbval-check-output"]
l1_against_copy = check.choose("00.3", l1_against_copy)

# %% [markdown] slideshow={"slide_type": "skip"} tags=["hint"]
# <details><summary>Hint</summary>
#
# `source - truth` broadcasts over the frames. Which one belongs into the denominator: the model's
# error, or the copy's?
#
# </details>

# %%
truth = clip.frames().float() / 255
made = model.render(encoded, model.motion(truth[1:].to(lesson.device))).image.cpu()
l1, ratio = l1_against_copy(made, face, truth[1:])
bet.reveal(ratio)
print(f"On this clip the model's error is {ratio:.2f} times that of copying the first frame.")

# %% tags=["nbval-check-output"]
print("the model beats copying the source:", ratio < 1)

# %% [markdown] slideshow={"slide_type": "notes"}
# **20 min** for notation with its three exercises; 5 are enough if the class knows `grid_sample`.

# %% [markdown] slideshow={"slide_type": "skip"} tags=["instructor"]
# **If late, skip to** "Is this machine ready?"; exercises 00.1 and 00.3 can be done at home. What
# goes wrong most often: `W` instead of `W - 1`, and the sign of the shift. Both come back in
# lecture 05, so name them here.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Is this machine ready?
#
# The same check as `aidagen check` in a terminal. Every line should say OK; a line that says FAIL
# says what to do.

# %%
failed = checkup.run()

# %% tags=["nbval-check-output"]
print("ready:", failed == 0)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How to study
#
# * **Your copies are in `work/`.** Change anything; the originals stay, and updating the course
#   never touches what you wrote.
# * **Predict before you run.** A slide that asks you to think means it; so do the small forms.
# * **Exercises never block you.** A function that passes its check is used from there on. If it
#   does not, you read what probably went wrong, the reference takes over, and figures made with it
#   say so.
# * **Move every widget**, and try to break what it shows. Each works by keyboard as well.
# * **Open the code.** `models/fomm.py` is meant to be read from top to bottom; comments such as
#   `# eq. (4)` stand above the line that computes the equation.
# * **Three profiles** run through the same cells: `smoke` (seconds), `lecture` (live cells of at
#   most a minute) and `full` (a GPU, or a night). Set `PROFILE` in the second cell.

# %% slideshow={"slide_type": "subslide"} tags=["nbval-ignore-output"]
quiz.ask("00.q1")

# %% tags=["nbval-ignore-output"]
quiz.ask("00.q2")

# %% tags=["nbval-ignore-output"]
quiz.ask("00.q3")

# %% [markdown] slideshow={"slide_type": "notes"}
# **15 min** for set-up trouble and the three questions; pairs first, then hands.

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## How to behave
#
# The systems in this course can put words into people's mouths.
#
# * **Consent.** Animate yourself, people who agreed to *this* use, or people who do not exist. A
#   photograph on the web is not an agreement.
# * **Say so.** Clips written here carry a visible mark and a note in their metadata. Leave both in.
# * **Do not** imitate a person to deceive, shame or harass; in many places it is a crime, and here
#   it ends our help.
# * **Look for yourself.** The data are small and mostly of light-skinned men; the cards of the
#   models say so. What works on these faces may fail on others.
# * Footage, and weights trained on it, are outside the course's licences: `NOTICE` says what is
#   known of their rights.

# %% [markdown] slideshow={"slide_type": "notes"}
# **10 min.** Ask for a case from the news, and which of the five points it broke.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How to cite, and whom to thank
#
# Cite the papers first: each lecture and each model file names them. For the course itself there
# is `CITATION.cff`. It follows the lecture by **Nicu Sebe** and his collaborators X.
# Alameda-Pineda, S. Lathuilière, W. Menapace, E. Ricci, S. Roy, E. Sangineto, A. Siarohin, H. Tang,
# S. Tulyakov, W. Wang and D. Xu, given for the International AI Doctoral Academy, a joint
# initiative of the European projects AI4Media (951911), ELISE (951847), HumanE-AI-Net (952026),
# TAILOR and VISION (952070). This is an independent implementation: none of them made, reviewed or
# endorsed it, and it reuses no text or picture of the slides.
#
# Code MIT, text CC BY 4.0.
#
# **Where next?** Lecture 05 is the one to open first: it explains the dots that you have just
# dragged.

# %%
Markdown(compute.card("00"))
