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
# **aidagen** is a course on image and video generation whose code you run yourself. Each lecture takes
# a system from the research literature: you read it, train it, measure it and play with it, on a laptop.
#
# **After this lecture you can**
#
# 1. say which question each lecture answers, and where its model lives in the package;
# 2. read the notation of the course: pictures, points and grids, and which way round a warp goes;
# 3. judge a number beside its baseline, and say whose picture you may animate.
#
# **You need** Python, and you should have seen a PyTorch tensor before. Nothing is downloaded.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Today we do not train anything: we look, we move a face, and we agree on a
# notation." Ask: "Who has used a system that animates a picture?"

# %% [markdown] slideshow={"slide_type": "skip"}
# ## The plan
#
# | minutes | part | kind | begins with |
# |---|---|---|---|
# | 17 | a portrait moves: how, how it was learned, where it breaks | discuss | A portrait that moves |
# | 6 | the map of the course | explain | One question, ten lectures |
# | 8 | notation: places and pixels | explain | Notation, said once |
# | 6 | warps read backwards | explain | Which way round does a warp go? |
# | 7 | write a warp | exercise | Exercise 00.2 · Move the face to the right |
# | 3 | what a number means | explain | No number without its baseline |
# | 8 | compute an honest number | exercise | Exercise 00.3 · The honest ratio |
# | 3 | many clips, and intervals | explain | Better than a copy? |
# | 6 | how to study | explain | How to study |
# | 9 | consent | discuss | How to behave |
# | 5 | summary, and what comes next | explain | Summary |
#
# **If late:** leave "One question, ten lectures" to the students, and give exercise 00.3 as homework.
# Keep exercise 00.2 and "How to behave".

# %% [markdown] slideshow={"slide_type": "skip"} tags=["instructor"]
# **What goes wrong most often:** `W` instead of `W - 1`, and the sign of the shift. Both come back in
# lecture 05, so name them here. Exercises 00.1, 00.4 and 00.5 and the open task are homework.

# %% slideshow={"slide_type": "skip"} tags=["parameters", "hide-input"]
PROFILE = None  # "smoke", "lecture" or "full"; None asks the variable AIDAGEN_PROFILE
SEED = 0

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
import math

import torch
from IPython.display import HTML, Markdown

from aidagen import animation, checkup, evaluation, grids, zoo
from aidagen.lectures.start_here import figures
from aidagen.pixels import as_floats
from aidagen.teaching import check, compute, lesson, plots, predict, quiz
from aidagen.widgets import overlays
from aidagen.widgets.overlays import still
from aidagen.widgets.puppet import Puppet

_ = torch.set_grad_enabled(False)  # nothing is trained in this lecture
lesson = lesson.start("00", PROFILE, seed=SEED)

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## A portrait that moves
#
# **Objective.** See what it means to animate a picture, and follow it through the model.
#
# On the left, a clip of a person who does not exist. On the right, **one photograph**, made to move
# in the same way. The frames on the right were generated when this notebook ran.

# %% alt="A video. On the left a rendered head with glasses turns and talks; on the right the portrait of an astronaut turns in the same way and keeps its smile." tags=["hide-input", "nbval-ignore-output"] tour=true
name = "fomm-faces-128"
model = zoo.load(name, device=str(lesson.device))
HTML(figures.moving_portrait(model))

# %% [markdown] slideshow={"slide_type": "skip"}
# *How the clip was chosen: of the 24 rendered people whom the model never saw, it shows the one whose
# head turns by the median amount. The clip runs forwards and backwards. The portrait is of the astronaut
# Eileen Collins, photograph by NASA, from scikit-image. The film carries a visible mark that says that
# it was generated.*

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "One photograph is all that the program knows of the woman on the right." Ask: "What
# was taken from the left, what from the right, and what from neither?" (The movement; the appearance;
# what the photograph does not show, such as the background behind the head, has to be invented.) Say at
# the end that her mouth does not follow the mouth on the left; this comes back in ten minutes.

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## Move a face yourself
#
# **Keypoints** are ten places that a network found by itself. One has been moved; **drag another**.

# %% alt="On the left a rendered head with ten numbered keypoints that can be dragged, on the right the picture that the model generates from them." tags=["hide-input", "nbval-ignore-output"] tour=true
clip = figures.median_driver()
frames = as_floats(clip.frames())  # (32, 3, 128, 128), floats in [0, 1]
face = frames[figures.frontal(clip)]
puppet = Puppet(model, face, name=name, size=280)
puppet.move(1, right=0.2)
puppet

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "The point between the eyes was moved to the right, and the head turned." Ask: "Where
# will the picture break first?" Then drag a point to the edge: the picture breaks, and this raises the
# next question, namely what the network was trained to do.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-check-output"]
start = model.motion(face[None].to(lesson.device))
encoded = model.encode(face[None].to(lesson.device))
step = torch.tensor([0.1, 0.0], device=start.points.device)
left, right = (
    model.render(encoded, start._replace(points=start.points + way * step)).image for way in (-1, 1)
)
moved = bool((left - right).abs().mean() > 0.01)
print("Does the picture move when all keypoints move?", "Yes." if moved else "No.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What just happened?
#
# A few points say how the head turns; one picture says what the person looks like.
#
# ![Data flow from left to right. A source picture S and a driving frame D each go through the same keypoint network. The motion, where each keypoint went, becomes a warp grid, which says where to read the source and what the source does not show. The generator reads the source through the grid and paints what is missing. The result has the appearance of the source and the pose of the driving frame.](../course/diagrams/00_animation.svg)

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Follow the colours: they come from the source alone; the driving frame only says
# where they go." Ask: "Which arrow would you cut so that nothing moves any more?" (Any on the path
# from the driving frame to the generator.) The equations of keypoints, grid and occlusion follow in
# lecture 05.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How did it learn this?
#
# ![One training step. Two frames are taken from one clip of one person: one is the source S, the other the driving frame D. The model generates a frame from both, and a loss says how different it is from D, which is also the true answer, so that no label is needed. All weights are changed a little so that the loss falls, and the step is repeated with other frames.](../course/diagrams/00_training.svg)

# %% tags=["hide-input", "nbval-ignore-output"]
Markdown(figures.training_facts(model, zoo.card(name)))

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Source and driving frame show the same person here, so the second frame is at once the
# question and the answer." Ask: "In the film we used two different people. Which true frame could we
# have compared it with?" (None exists: that is why such films are hard to judge, a question to which
# lectures 04 and 05 return.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where it breaks
#
# Column 1: the driver of the film at its farthest turn; the face holds, but one eye blurs. Columns 2
# and 3: of the 24 drivers, the one whose head turns **farthest** from its first frame. Columns 4 and 5:
# the driver of the film with the mouth closed and open.

# %% alt="Five driving frames above, five results below. In the first column the result turns with the driver, and one eye is blurred. In the third column the driver has turned far to the other side, and the result is a torn face. In columns four and five the driver closes and opens the mouth, and the result smiles in both." tags=["hide-input", "nbval-ignore-output"]
still(figures.limits(model))

# %% [markdown]
# **Key point.** The model reproduces turns of the head up to a limit; beyond it, the picture tears. On
# a face that it was not trained on, the expression hardly changes with the driver's.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "The third column is what demonstrations usually do not show." Ask: "How could you find
# out before you publish where your own model breaks?" Note for questions: movement is measured from
# the clip's first frame. If that frame is turned away and the photograph is not, all later turns start
# from the wrong pose; so begin a driving clip with a frame that shows the pose of your picture.

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## One question, ten lectures
#
# **Objective.** Find the lecture that answers your question.
#
# ![The map of the course as a table. Lecture 01 tells the history. Lecture 02: from a label and one face to many smiles. 03: from a picture and a pose to the person in that pose. 04 and 05: from a picture and a clip to a picture that moves like the clip. 06: from a clip without labels to parts that move together. 07: from a frame and a key press to the next frame. 08: from music to a body that dances. 09 goes beyond, to three dimensions, several people and cartoons. 10 asks whether a picture was generated.](../course/diagrams/00_map.svg)
#
# **Key point.** Every lecture asks: which input decides what is shown, and which one how it moves?

# %% [markdown] slideshow={"slide_type": "notes"}
# **5 min.** Say: "What changes from lecture to lecture is what you give; what comes out is nearly always
# a picture or a film." Ask: "Which row would help your own research?" The course follows the lecture
# *Image and Video Generation: A Deep Learning Approach* by Nicu Sebe (University of Trento).

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Which lectures are open?

# %% tags=["hide-input"]
Markdown(figures.map_table())

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "The last column is computed from the package, so it is right for your copy." Ask:
# "Which of these files would you open first?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Notation, said once
#
# **Objective.** Read the arrays and symbols that every lecture uses.
#
# | thing | in code | in text |
# |---|---|---|
# | picture | floats in [0, 1], `(B, C, H, W)` | $S$ source, $D$ driving frame, $\hat D$ generated frame |
# | clip | `(B, T, C, H, W)` | $D_1 \dots D_T$ |
# | point | `(x, y)` in [−1, 1]; x to the right, y **down** | $p_k$, $k = 1 \dots K$ |
# | 2 × 2 matrix | row-major, rows are output x and y | $J_k$ |
# | warp grid | `(B, H, W, 2)`: where to **read** in the source | $T_{S \leftarrow D}(z)$ |
# | mask, occlusion map | `(B, C, h, w)` | $M_k$, $O$ |
#
# Read the arrow in $T_{S\leftarrow D}$ from right to left: it takes a place $z$ in $D$ and says which
# place of $S$ is shown there.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "You do not have to learn this table: it is here to come back to." Ask: "Why would
# anybody write the arrow from right to left?" (Because maps are composed like functions: the inner one
# stands on the right.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where is −1?
#
# ![Left: a picture of four by four pixels with a dot on each pixel's centre. x runs to the right from -1 to 1, y runs down from -1 to 1; the centre of the top right pixel is (1, -1), column 3, row 0. Right: a row of four pixels twice. In this course -1 and 1 are the centres of the outermost pixels; elsewhere they are the edges of the picture. At the border the two differ by half a pixel.](../course/diagrams/00_pixels.svg)
#
# **Key point.** In this course −1 and 1 are the centres of the outermost pixels. If you mix the two
# conventions, content shifts by up to half a pixel, and no error message warns you.

# %% [markdown] slideshow={"slide_type": "notes"}
# **5 min.** Say: "A shift of half a pixel looks like a slightly worse model, so it is found late." Ask:
# "At which place of the picture do the two conventions agree?" (Only in the middle.) In PyTorch's
# `grid_sample` and `interpolate`, the argument `align_corners` chooses the convention.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Which way round does a warp go?
#
# **Objective.** Say what a warp grid holds, and why.
#
# ![Left, forward: four source pixels are pushed into a row of eight new pixels; every second new pixel gets nothing, which leaves holes. Right, backward: each of the eight new pixels reads a place in the source, between two pixels if need be, and no hole is left. To enlarge the content, new pixels read closer together; to move it to the right, they read further to the left.](../course/diagrams/00_warp.svg)
#
# **Key point.** A warp grid says, for every new pixel, where to read in the source. So its signs are
# the opposite of what most people expect.

# %% [markdown] slideshow={"slide_type": "notes"}
# **6 min.** Say: "We ask where each new pixel comes from, not where each old one goes." Ask: "The grid
# reads half a picture further to the right. Where does the face go?" Let the class vote before you
# answer: to the left. The left half of the diagram is what most people write first.

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 00.2 · Move the face to the right
#
# **Objective.** Write a warp grid yourself.
#
# Write `shift_right(picture, pixels)`. It returns the warp grid `(H, W, 2)` that moves the content of
# `picture` `(C, H, W)` by that many pixels **to the right**. Begin with `grids.identity_grid(H, W)`,
# the grid `(H, W, 2)` with which every pixel reads its own place.

# %% tags=["hide-input", "exercise"]
check.card("00.2")


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

# %% [markdown] slideshow={"slide_type": "notes"}
# **6 min.** Say: "Two lines are enough; work in pairs, and read the hint only after three minutes." Ask:
# "How wide is one pixel in these coordinates?" ($2/(W-1)$: there are $W - 1$ steps between $W$ centres.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What your grid does

# %% alt="The rendered head three times: as it is, moved to the right by 32 pixels, and by 64; black comes in from the left." tags=["hide-input", "nbval-ignore-output"]
cells = [face] + [grids.warp(face[None], shift_right(face, n)[None])[0] for n in (32, 64)]
still(overlays.sheet(cells, 3, ["as it is", "by 32 pixels", "by 64 pixels"], size=300))

# %% [markdown]
# **Key point.** Content that moves to the right is read further to the left; where nothing can be read,
# the picture is black. Filling such places is the task of a generator.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Your function moved the two heads on the right." Ask: "What should be shown where the
# picture is black now?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## No number without its baseline
#
# **Objective.** Tell a good number from one that only looks small.
#
# The **L1 error** is the mean absolute difference of two pictures. Is an L1 error of 0.03 good? If
# hardly anything moves in the clip, **showing the source all the time** reaches it without any model.
# This copy is our **baseline**: the tables of the course show it beside the model.

# %% tags=["hide-input", "nbval-ignore-output"]
bet = predict.guess("00.p1")
bet

# %% [markdown]
# **Key point.** A number can be judged only beside a baseline on the same clips.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Guess now: you will see the answer in ten minutes." Ask: "Who says above one half, and
# who below?" Let two people give a reason.

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 00.3 · The honest ratio
#
# **Objective.** Compute an error that can be compared with others.
#
# Write `l1_against_copy(made, source, truth)` → `(l1, ratio)`. `l1` is the mean absolute error of the
# generated frames `made` `(T, C, H, W)` against `truth` `(T, C, H, W)`. `ratio` is that error divided by
# the error of showing `source` `(C, H, W)` all the time. Both are plain floats.

# %% tags=["hide-input", "exercise"]
check.card("00.3")


# %% tags=["exercise"]
def l1_against_copy(made, source, truth):
    return check.TODO


# %% tags=["solution"]
def l1_against_copy(made, source, truth):
    l1 = float((made - truth).abs().mean())
    return l1, l1 / float((source - truth).abs().mean())


# %% tags=["check", "nbval-check-output"]
l1_against_copy = check.choose("00.3", l1_against_copy)

# %% [markdown] slideshow={"slide_type": "notes"}
# **6 min.** Say: "A ratio below one means better than a copy." Ask: "What is the ratio of a model
# that always returns the source?" (Exactly one.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Your number for one clip
#
# `face` is the source; `frames` are the driving frames and, here, also the truth.

# %%
made = animation.animate(model, face, frames, mode="absolute").cpu()
l1, ratio = l1_against_copy(made, face, frames)

# %% tags=["hide-input", "nbval-ignore-output"]
bet.reveal(ratio, f"The model's error is {ratio:.2f} times that of copying the first frame.")

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-check-output"]
print("Does the model beat a copy of the source on this clip?", "Yes." if ratio < 1 else "No.")

# %% [markdown]
# **Key point.** The ratio to the copy's error shows how much the model helps; L1 alone does not.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Now uncover the number, and compare it with your guess." Ask: "Whose guess was
# closest, and why?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Better than a copy?
#
# **Objective.** Read a plot of results.
#
# Each clip is rebuilt from its first frame. The points are means over **held-out** clips, which the
# model did not see in training. The bars are **95 % intervals**: the means that other clips of the same
# kind would plausibly give.

# %% alt="Points with intervals: the L1 error of the model and of a copy of the source, for known people at new moments, for people never seen, and for rendered heads never seen; the model's error is lower in each." tags=["hide-input", "nbval-ignore-output"]
rows = evaluation.table(name)
figures.better_than_a_copy(rows)

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "The model helps everywhere; as a share of the copy's error, it helps least for real
# people whom it never saw." Ask: "Why are the bars of the unseen people so wide?" (Their clips differ
# a lot, and there are only five.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The same clips, compared
#
# Where two bars overlap, look at the **differences on the same clips**. An interval that lies below
# zero shows that the model is better.

# %% alt="Points with intervals: the model's error minus a copy's on the same clips, for known people, people never seen and rendered heads; every interval lies below zero." tags=["hide-input", "nbval-ignore-output"]
figures.clip_by_clip(rows)

# %% [markdown]
# **Key point.** One clip is an example; many held-out clips, a baseline and an interval make a result.

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
plots.folded("All rows of this table", rows)

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "A clip that is hard for the model is hard for the copy, too; taking the difference
# removes that." Ask: "Does the interval for the unseen people exclude zero?" (Yes.) The full table is
# folded below this slide, in the notebook.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How to study
#
# **Objective.** Get the most out of a lecture when you work on your own.
#
# * **Predict before you run.** The outcome stays covered until you make a prediction or waive it.
# * **Exercises never block you.** An answer that passes is used from there on. Otherwise you read what
#   probably went wrong, our reference solution takes over, and figures made with it say so.
# * **Move every widget**, and try to break what it shows. Each can be used from the keyboard, too.
# * **Open the code.** `models/fomm.py` is meant to be read from top to bottom; where a line computes an
#   equation of the paper, a comment above it names the equation.
# * **Your copies are in `work/`.** An update of the course never touches what you wrote.
#
# **Key point.** Guess, run, explain, and only then read on.

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
failed = checkup.run()  # the same check as `aidagen check` in a terminal

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-check-output"]
print("Is this machine ready?", "Yes." if failed == 0 else "No: a line above says what to do.")

# %% [markdown] slideshow={"slide_type": "skip"}
# Three **profiles** run through the same cells: `smoke` (seconds), `lecture` (live cells of at most a
# minute) and `full` (a GPU, or a night). Set `PROFILE` at the top of a lecture.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Nothing that you do in your copy can destroy the course." Ask: "Whose machine did not
# say that it is ready?" The check of the machine is in the notebook, not on the slides: let everybody
# look at it now.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Two questions

# %% tags=["hide-input", "nbval-ignore-output"]
quiz.ask("00.q1")

# %% tags=["hide-input", "nbval-ignore-output"]
quiz.ask("00.q2")

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "One minute alone, one minute in pairs, then a show of hands." Ask: "Who can defend
# a wrong answer best?"

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### And one more

# %% tags=["hide-input", "nbval-ignore-output"]
quiz.ask("00.q3")

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Raise your hand for one answer, and keep your reason for the next slide." Ask: "Who
# chose the second answer, and why?"

# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## How to behave
#
# **Objective.** Decide whose picture you may animate, and say so when you show it.
#
# * **Consent.** Animate yourself, people who agreed to *this* use, or people who do not exist. That a
#   photograph is on the web does not mean consent.
# * **Say so.** Films written here carry a visible mark and a note in their metadata. Leave both in.
# * **Do no harm.** Do not imitate a person to deceive, shame or harass; it may be a crime where you live.
# * **Test it yourself.** What works on the faces of the training data may fail on others; the model's
#   card says what it was trained on.
# * **Respect rights.** Footage, and weights trained on it, are outside the licences of the course.
#   `NOTICE` says what is known about them.

# %% [markdown] slideshow={"slide_type": "notes"}
# **4 min.** Say: "Everything in this course can also be used to put words into somebody's mouth." Ask:
# "Which case from the news do you remember, and which of the five points did it break?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Were we allowed to animate this portrait?
#
# The photograph of Eileen Collins is NASA's. It is not under copyright in the United States, may be used
# for teaching if NASA is named, and is a common test picture. We did not ask *her* whether it may be
# made to move.
#
# * What does "no copyright" settle, and what does it not?
# * We turn the head, and say that the film is generated. Where would *you* draw the line?
# * What would you change in this lecture?
#
# **Key point.** A licence says whether you may copy a picture. Whether you may make the person in it
# do something is another question.

# %% [markdown] slideshow={"slide_type": "notes"}
# **5 min.** Say: "We made a choice, and you may disagree with it." Ask: "Would you have shown this
# film on your own project page?" Argue for both sides, and do not settle it. For the course's choice:
# a head that turns, no speech, a visible mark, a public figure in an official portrait. Against it:
# no consent to this use.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Homework
#
# * **00.1** *(equation)* From points to pixels: every drawing of keypoints uses it.
# * **00.4** *(find the fault)* A turn that shears.
# * **00.5** *(experiment)* What does reading a picture through a grid cost?
# * **00.o1** *(open)* A number that misleads.
#
# Begin with 00.1. All four are below; hints and solutions open when you need them.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Do 00.1 before lecture 05, and the others when you have time." Ask: "Who wants
# to work on the open task in a pair?"

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 00.1 · From points to pixels
#
# Write `pixel_of(points, width, height)`. Points `(N, 2)`, (x, y) in [−1, 1], become pixel coordinates
# `(N, 2)`, (column, row), as floats. The point (−1, −1) is pixel (0, 0), the point (1, 1) is pixel
# (width − 1, height − 1).

# %% tags=["hide-input", "exercise"]
check.card("00.1")


# %% tags=["exercise"]
def pixel_of(points, width, height):
    return check.TODO


# %% tags=["solution"]
def pixel_of(points, width, height):
    size = torch.tensor([width, height], dtype=points.dtype)
    return (points + 1) / 2 * (size - 1)


# %% tags=["check", "nbval-check-output"]
pixel_of = check.choose("00.1", pixel_of)

# %% alt="The rendered head with its ten keypoints, numbered; each dot lies at the pixel that your function computed." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
still(figures.dots(face, start.points[0], pixel_of))

# %% [markdown] slideshow={"slide_type": "notes"}
# **0 min.** Homework. Say: "Your function places the dots in the figure below the exercise." Ask:
# "What would the figure look like with `W` instead of `W - 1`?"

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 00.4 · A turn that shears
#
# `turn(picture, degrees)` should return the warp grid `(H, W, 2)` that turns the content of `picture`
# `(C, H, W)` clockwise. In a square picture it does; in a wide one it also shears. **Find the fault and
# fix it.**

# %% tags=["hide-input", "exercise"]
check.card("00.4")


# %% tags=["exercise"]
def turn(picture, degrees):
    _, height, width = picture.shape
    a = math.radians(degrees)
    back = torch.tensor([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
    return grids.identity_grid(height, width) @ back.T


# %% tags=["solution"]
def turn(picture, degrees):
    _, height, width = picture.shape
    a = math.radians(degrees)
    back = torch.tensor([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
    half = torch.tensor([(width - 1) / 2, (height - 1) / 2])  # pixels per unit of x and of y
    return (grids.identity_grid(height, width) * half) @ back.T / half


# %% tags=["check", "nbval-check-output"]
turn = check.choose("00.4", turn)

# %% alt="The portrait as a wide strip, as it is and turned clockwise by 20 degrees; the face keeps its proportions." slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
wide = as_floats(figures.portrait())[:, 40:180]
turned = grids.warp(wide[None], turn(wide, 20.0)[None])[0]
still(overlays.sheet([figures.on_screen(one) for one in (wide, turned)], 2, ["as it is", "turned"]))

# %% [markdown] slideshow={"slide_type": "notes"}
# **0 min.** Homework. Say: "The code is right for square pictures, so many tests do not find the
# fault." Ask: "In which units does it compute the turn?"

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### Exercise 00.5 · What does reading cost?
#
# An experiment. Move a picture half a pixel to the right and back, `times` times, in two ways: (a) warp
# it at every step; (b) add up the steps and warp it once. Write `read_again(picture, times)` →
# `(change_a, change_b, word)`: the mean absolute change of the picture after (a) and after (b), and what
# loses detail, `"moving"` or `"reading"`. Use `grids.warp(..., padding="border")`.

# %% tags=["hide-input", "exercise"]
check.card("00.5")


# %% tags=["exercise"]
def read_again(picture, times):
    return check.TODO


# %% tags=["solution"]
def read_again(picture, times):
    _, height, width = picture.shape
    still_grid = grids.identity_grid(height, width)
    step = torch.tensor([1 / (width - 1), 0.0])  # half a pixel
    often, total = picture[None], torch.zeros(2)
    for way in [-step, step] * times:
        often = grids.warp(often, (still_grid + way)[None], padding="border")
        total = total + way
    once = grids.warp(picture[None], (still_grid + total)[None], padding="border")
    a, b = (float((made[0] - picture).abs().mean()) for made in (often, once))
    return a, b, "reading"


# %% tags=["check", "nbval-check-output"]
read_again = check.choose("00.5", read_again)

# %% slideshow={"slide_type": "skip"} tags=["hide-input", "nbval-ignore-output"]
often, once, word = read_again(face, 8)
Markdown(
    f"The rendered head, moved there and back eight times: mean change {often:.4f} if it is read at "
    f"every step, {once:.4f} if it is read once. Detail is lost by {word}. So it is better to add up "
    "motions first, and to read the source once."
)

# %% [markdown] slideshow={"slide_type": "notes"}
# **0 min.** Homework. Say: "Each reading mixes neighbouring pixels, so each one blurs a little." Ask:
# "How would you animate a long film without blurring it more and more?"

# %% [markdown] slideshow={"slide_type": "subslide"} tags=["exercise"]
# ### An open task

# %% tags=["hide-input", "exercise"]
check.open_task("00.o1")

# %% [markdown] slideshow={"slide_type": "notes"}
# **0 min.** Homework. Say: "There is no single right answer; the rubric says what counts." Ask: "Which
# change of a picture do you notice at once, although it hardly raises the L1 error?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# * A picture is animated by **keypoints** that say how things move, a **warp grid** that says where to
#   read, and a **generator** that paints what is missing.
# * It is learned without labels: a second frame of the same clip is at once input and true answer.
# * Points are (x, y) in [−1, 1], y down; −1 and 1 are the centres of the outermost pixels.
# * A warp works **backwards**: to move the content to the right, read further to the left.
# * An error can be judged only beside a **baseline**, and with an interval.
# * A licence is not **consent**.

# %% [markdown] slideshow={"slide_type": "notes"}
# **2 min.** Say: "Cover the right half of each line and complete it." Ask: "Which of the six lines
# surprised you?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Glossary
#
# | term | meaning |
# |---|---|
# | source, driving frame | the picture that is animated; the frame that says how it moves |
# | keypoint | a place in a picture that the model found by itself, (x, y) in [−1, 1] |
# | warp grid | for each new pixel, the place in the source where it reads |
# | occlusion | what the driving frame shows but the source does not; the generator has to paint it |
# | generator | the network that reads the source through the grid and paints the rest |
# | loss | the number that training makes smaller |
# | held-out clip | a clip that was not used in training |
# | L1 error | mean absolute difference of two pictures |
# | baseline | a simple method that every model has to beat; here mostly a copy of the source |
# | 95 % interval | the range of means that other clips of the same kind would plausibly give |
# | reference | our own solution of an exercise, used while yours does not pass |
# | profile | how much is computed: `smoke`, `lecture` or `full` |

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "The later lectures build on these words." Ask: "Which term
# could you not explain to your neighbour?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Further reading
#
# * [First Order Motion Model](https://aliaksandrsiarohin.github.io/first-order-model-website/): the
#   authors' page of the system that moved the portrait (NeurIPS 2019,
#   [arXiv:2003.00196](https://arxiv.org/abs/2003.00196)).
# * [`torch.nn.functional.grid_sample`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.grid_sample.html):
#   backward warps in PyTorch, and both conventions for −1 and 1.
# * [Digital source types](https://cv.iptc.org/newscodes/digitalsourcetype/) of the IPTC: the vocabulary
#   behind the note that our films carry.
# * Each lecture and each model file names its papers. For the course itself there is `CITATION.cff`.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Cite the papers first, and the course after them." Ask: "Who has already read a paper
# on animating pictures?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What comes next
#
# **Lecture 05** explains the keypoints that you dragged, and is the one to open now. **Lecture 04** shows
# how research got there.
#
# **Thanks.** The course follows the lecture by **Nicu Sebe** and his collaborators X. Alameda-Pineda, S.
# Lathuilière, W. Menapace, E. Ricci, S. Roy, E. Sangineto, A. Siarohin, H. Tang, S. Tulyakov, W. Wang and
# D. Xu, given for the International AI Doctoral Academy, a joint initiative of the European projects
# AI4Media (951911), ELISE (951847), HumanE-AI-Net (952026), TAILOR and VISION (952070). This is an
# independent implementation: none of them made, reviewed or endorsed it, and it reuses no text or picture
# of the slides. Code MIT, text CC BY 4.0.

# %% [markdown] slideshow={"slide_type": "notes"}
# **1 min.** Say: "Open lecture 05 before you go, so that it is there when you come home." Ask: "What do
# you want to be able to do at the end of this course?"

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
Markdown(compute.card("00"))
