"""Lecture 00's exercises: coordinates, backward warps, an honest number.

Small functions that everything later rests on; the conventions are those of ``aidagen.grids``:
points (x, y) in [-1, 1], -1 and 1 at the centres of the outermost pixels.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen.answers import expected
from aidagen.grids import identity_grid
from aidagen.lectures.start_here.questions import PREDICTIONS, QUESTIONS
from aidagen.lectures.start_here.trials import OPEN_TASKS, READ_AGAIN, TURN
from aidagen.teaching.cases import drawn
from aidagen.teaching.material import Exercise, Wrong

__all__ = ["EXERCISES", "OPEN_TASKS", "PREDICTIONS", "QUESTIONS"]

# --- 00.1: from [-1, 1] to pixels ----------------------------------------------------------------


def pixel_of(points: Float[Tensor, "N 2"], width: int, height: int) -> Float[Tensor, "N 2"]:
    """Points (x, y) in [-1, 1] as pixel coordinates (column, row), counted from 0."""
    return (points + 1) / 2 * torch.tensor([width - 1.0, height - 1.0])


def _pixel_picture(answer):
    small = torch.nn.functional.adaptive_avg_pool2d(expected.face(), (6, 8))
    corners = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1], [0, 0], [0.4, -0.6]])
    return expected.on_pixels(small, answer(corners, 8, 6))


PIXEL_OF = Exercise(
    id="00.1",
    title="From points to pixels",
    minutes=4,
    difficulty=1,
    reference=pixel_of,
    cases=lambda: [
        (torch.tensor([[-1.0, -1], [1, 1], [0, 0.5], [-0.25, 0.75]]), 64, 48),
        (2 * drawn(1, 3, 2) - 1, 5, 9),
    ],
    expects="pixel coordinates (N, 2), column before row, floats",
    hint="-1 has to give 0, and 1 has to give width - 1 (height - 1 for y).",
    importance=3,
    hints=(
        "Solve x = 2 j / (W - 1) - 1 for j.",
        "How many steps lie between the first and the last of W pixels? Do the same for y, with "
        "the height, and keep the order (x, y).",
    ),
    picture=_pixel_picture,
    picture_shows="A picture of eight by six pixels: dots lie on the centres of its four corner "
    "pixels, one in the middle of the picture, and one to the right of it and above.",
    wrong=(
        Wrong(
            "(p + 1) / 2 * width",
            lambda points, width, height: (points + 1) / 2 * torch.tensor([width, height]),
            "counts the pixels instead of the steps between their centres",
            "your 1 lies at `width`, one pixel outside: from the first pixel to the last there are "
            "width - 1 steps.",
        ),
        Wrong(
            "edges at -1 and 1",
            lambda points, width, height: (points + 1) / 2 * torch.tensor([width, height]) - 0.5,
            "the other convention, align_corners=False",
            "this is align_corners=False, with the picture's edges at -1 and 1; here they are the "
            "centres of the outermost pixels.",
        ),
        Wrong(
            "width and height swapped",
            lambda points, width, height: pixel_of(points, height, width),
            "takes x for the row",
            "x runs along the width and y along the height: yours are the other way round.",
        ),
        Wrong(
            "row before column",
            lambda points, width, height: pixel_of(points, width, height).flip(-1),
            "returns indices of an array, not a point",
            "your numbers are right, but in the order (row, column); a point is (x, y).",
        ),
        Wrong(
            "the middle as origin",
            lambda points, width, height: points / 2 * torch.tensor([width - 1.0, height - 1.0]),
            "forgets that pixels are counted from the corner",
            "your 0 lies at pixel 0: add 1 before you halve, for -1 is the first pixel.",
        ),
    ),
)


# --- 00.2: a warp asks backwards -----------------------------------------------------------------


def shift_right(picture: Float[Tensor, "C H W"], pixels: int) -> Float[Tensor, "H W 2"]:
    """The grid through which ``grids.warp`` shows the picture moved right by some pixels."""
    _, height, width = picture.shape
    return identity_grid(height, width) - torch.tensor([2 * pixels / (width - 1), 0.0])


def _shifted(picture: Tensor, pixels: float, step: float, axis: int = 0) -> Tensor:
    _, h, w = picture.shape
    y, x = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    grid = torch.stack([x, y], dim=-1)
    grid[..., axis] += pixels * step
    return grid


SHIFT_RIGHT = Exercise(
    id="00.2",
    title="Move the face to the right",
    minutes=5,
    difficulty=1,
    reference=shift_right,
    cases=lambda: [(drawn(2, 3, 4, 6), 2), (drawn(3, 1, 5, 3), 1)],
    expects="a grid (H, W, 2) of places to read, floats",
    hint="Begin with the grid that reads every pixel at its own place, then change only x.",
    importance=3,
    place="class",
    hints=(
        "If the content goes to the right, does the new picture read further to the right, or "
        "further to the left?",
        "One pixel is 2 / (W - 1) wide, not 1. Only the first entry of the last axis changes.",
    ),
    picture=lambda answer: expected.read(expected.face(), answer(expected.face(), 16)),
    picture_shows="A head that was moved to the right by a quarter of the picture; what comes in "
    "from the left is black.",
    wrong=(
        Wrong(
            "added instead of subtracted",
            lambda picture, pixels: _shifted(picture, pixels, 2 / (picture.shape[-1] - 1)),
            "thinks forward: the content moves right, so x grows",
            "your picture moves left. The grid says where to READ: to show content further right, "
            "each pixel has to read further left.",
        ),
        Wrong(
            "pixels not converted",
            lambda picture, pixels: _shifted(picture, pixels, -1.0),
            "confuses pixels with coordinates",
            "you subtract pixels from coordinates: the whole width is 2, so one pixel is "
            "2 / (W - 1).",
        ),
        Wrong(
            "2 / W for a pixel",
            lambda picture, pixels: _shifted(picture, pixels, -2 / picture.shape[-1]),
            "divides by the number of pixels, not of steps between them",
            "your step is a little too small: between the centres of W pixels there are W - 1 "
            "steps, so one is 2 / (W - 1).",
        ),
        Wrong(
            "y instead of x",
            lambda picture, pixels: _shifted(picture, pixels, -2 / (picture.shape[-2] - 1), axis=1),
            "takes the last axis for (row, column)",
            "your picture moves down: the last axis of a grid is (x, y), so right is entry 0.",
        ),
    ),
)


# --- 00.3: an error and its baseline -------------------------------------------------------------


def l1_against_copy(
    made: Float[Tensor, "T C H W"], source: Float[Tensor, "C H W"], truth: Float[Tensor, "T C H W"]
) -> tuple[float, float]:
    """Mean absolute error of ``made``, and its ratio to the error of copying the source."""
    error = (made - truth).abs().mean()
    return error.item(), (error / (source - truth).abs().mean()).item()


def _pair(one: Tensor, other: Tensor) -> tuple[float, float]:
    return one.item(), (one / other).item()


def _ratio_picture(answer):
    """A head that moves to the right, and a clip of it that is ahead by one step at first."""
    frames = [torch.roll(expected.face(), shift, -1) for shift in (0, 4, 8)]
    truth, made = torch.stack(frames[1:]), torch.stack([frames[2], frames[2]])
    l1, ratio = answer(made, frames[0], truth)
    return expected.bars({"L1 error": l1, "share of the copy's": ratio})


L1_AGAINST_COPY = Exercise(
    id="00.3",
    title="The honest ratio",
    minutes=5,
    difficulty=1,
    reference=l1_against_copy,
    cases=lambda: [
        (0.8 * drawn(4, 2, 3, 4, 5), drawn(5, 3, 4, 5), drawn(6, 2, 3, 4, 5)),
        (drawn(7, 3, 1, 3, 2), 0.5 * drawn(8, 1, 3, 2), drawn(9, 3, 1, 3, 2)),
    ],
    expects="two numbers: the mean absolute error, and its ratio to that of the copy",
    hint="Both errors are measured against the truth; a ratio below 1 beats the copy.",
    importance=3,
    place="class",
    hints=(
        "source - truth broadcasts over the frames, so the copy's error takes one line.",
        "Which of the two errors belongs in the denominator: the model's, or the copy's?",
    ),
    picture=_ratio_picture,
    picture_shows="Two bars: a short one for the L1 error, and one below 0.5 for its share of "
    "the copy's error.",
    wrong=(
        Wrong(
            "squared error",
            lambda made, source, truth: _pair(
                (made - truth).square().mean(), (source - truth).square().mean()
            ),
            "mistakes L2 for L1",
            "you square the differences, which is L2; L1 is the mean of their absolute values.",
        ),
        Wrong(
            "ratio upside down",
            lambda made, source, truth: (
                (made - truth).abs().mean().item(),
                ((source - truth).abs().mean() / (made - truth).abs().mean()).item(),
            ),
            "expects 'larger is better'",
            "your ratio is copy over model: divide the model's error by the copy's, so that a "
            "ratio below 1 is better than copying.",
        ),
        Wrong(
            "copy compared with the generated picture",
            lambda made, source, truth: _pair(
                (made - truth).abs().mean(), (made - source).abs().mean()
            ),
            "measures how much was changed, not how good a copy would be",
            "your baseline compares the source with the generated picture; a copy is judged like "
            "any other answer, against the truth.",
        ),
        Wrong(
            "sum instead of mean",
            lambda made, source, truth: _pair(
                (made - truth).abs().sum(), (source - truth).abs().sum()
            ),
            "returns a number that grows with the picture, which cannot be compared",
            "your ratio is right, but the error is a sum: take the mean, so that pictures of "
            "different sizes can be compared.",
        ),
        Wrong(
            "signs kept",
            lambda made, source, truth: _pair((made - truth).mean(), (source - truth).mean()),
            "lets differences of opposite sign cancel",
            "positive and negative differences cancel in your mean: take absolute values first.",
        ),
    ),
)

EXERCISES = (PIXEL_OF, SHIFT_RIGHT, L1_AGAINST_COPY, TURN, READ_AGAIN)
