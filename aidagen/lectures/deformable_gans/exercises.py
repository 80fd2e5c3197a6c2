"""Lecture 03's exercises: the affine map of a limb, and the nearest-neighbour loss.

Every reference is written out as a learner would write it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import ImageDraw
from torch import Tensor

from aidagen.answers import expected
from aidagen.kernels.parts import warp_parts
from aidagen.lectures.deformable_gans.questions import PREDICTIONS, QUESTIONS
from aidagen.lectures.deformable_gans.trials import DEFORM, MIRROR, MISSING, OPEN_TASKS
from aidagen.teaching.cases import drawn
from aidagen.teaching.material import Exercise, Wrong

__all__ = ["EXERCISES", "OPEN_TASKS", "PREDICTIONS", "QUESTIONS"]


# --- 03.1: the affine map of a limb --------------------------------------------------------------


def fit(target: Float[Tensor, "n 2"], source: Float[Tensor, "n 2"]) -> Float[Tensor, "2 3"]:
    """The affine map that takes points of the target picture to points of the source picture.

    Least squares over n >= 3 points (x, y), not all on one line.
    """
    ones = torch.ones(len(target), 1)
    return torch.linalg.lstsq(torch.cat([target, ones], dim=1), source).solution.T


def rectangle(
    x: float, y: float, length: float, width: float, degrees: float
) -> Float[Tensor, "4 2"]:
    """The corners of a limb that begins at (x, y), in pixels, and points ``degrees`` to the right
    of straight down."""
    turn = math.radians(degrees)
    along = torch.tensor([math.sin(turn), math.cos(turn)])
    beside = torch.stack([along[1], -along[0]]) * width / 2
    start = torch.tensor([x, y])
    end = start + length * along
    return torch.stack([start + beside, start - beside, end - beside, end + beside])


def _fit_cases() -> list[tuple[Tensor, Tensor]]:
    # two limbs, whose corners an affine map fits exactly, and points that none fits exactly
    limbs = rectangle(20, 30, 25, 8, 40), rectangle(40, 34, 19, 9, -15)
    others = rectangle(12, 50, 14, 6, 100), rectangle(30, 20, 28, 5, 20)
    return [limbs, others, (40 * drawn(11, 6, 2), 40 * drawn(12, 6, 2))]


def _other_way(target: Tensor, source: Tensor) -> Tensor:
    return fit(source, target)


def _without_shift(target: Tensor, source: Tensor) -> Tensor:
    matrix = torch.linalg.lstsq(target, source).solution.T
    return torch.cat([matrix, torch.zeros(2, 1)], dim=1)


def _shift_alone(target: Tensor, source: Tensor) -> Tensor:
    return torch.cat([torch.eye(2), (source - target).mean(0)[:, None]], dim=1)


def _transposed(target: Tensor, source: Tensor) -> Tensor:
    found = fit(target, source)
    return torch.cat([found[:, :2].T, found[:, 2:]], dim=1)


def _rows_exchanged(target: Tensor, source: Tensor) -> Tensor:
    return fit(target, source).flip(0)


def _scene() -> tuple[Tensor, Tensor, Tensor]:
    """A picture with one striped limb, and the limb's corners in the target and there."""
    source, target = rectangle(44, 14, 34, 12, 0), rectangle(14, 20, 40, 12, 55)
    picture = torch.full((3, 64, 64), 0.85)
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    limb = (x - 44).abs().le(6) & (y >= 14) & (y <= 48)
    colours = torch.where((y - 14) // 6 % 2 == 0, 0.25, 0.75)
    picture[0] = torch.where(limb, colours, picture[0])
    picture[1] = torch.where(limb, 0.4, picture[1])
    picture[2] = torch.where(limb, torch.where(y > 40, 0.9, 0.2), picture[2])  # the hand is blue
    return picture, target, source


@torch.no_grad()
def _fit_picture(answer):
    """The limb, read through the map; the outline is where it should lie."""
    picture, target, source = _scene()
    maps = torch.as_tensor(answer(target, source)).float()[None, None]
    made = expected.shown(warp_parts(picture[None], maps)[0])
    scale = expected.SIZE / 64
    ends = [tuple(p) for p in ((target + 0.5) * scale - 0.5).tolist()]
    ImageDraw.Draw(made).line([*ends, ends[0]], fill="#0072B2", width=2)
    return made


FIT = Exercise(
    id="03.1",
    title="The affine map of a limb",
    minutes=6,
    difficulty=2,
    importance=3,
    place="class",
    reference=fit,
    cases=_fit_cases,
    expects="one matrix (2, 3), from (x, y, 1) of the target to (x, y) of the source",
    hint="Least squares: give each target point a third coordinate 1, and find the matrix that "
    "takes them to the source points.",
    tolerance=1e-3,
    hints=(
        "The map has six unknown numbers, and each pair of points gives two equations. Which "
        "matrix has one row for each target point?",
        "torch.linalg.lstsq(A, B).solution is (3, 2) if A is (n, 3) and B is (n, 2); the answer is "
        "(2, 3).",
    ),
    picture=_fit_picture,
    picture_shows="A striped limb with a blue hand, which hung straight down in the source, now "
    "points to the lower right and lies exactly in a thin blue outline.",
    wrong=(
        Wrong(
            "the other way",
            _other_way,
            "the limb is pushed to its new place, as one would move it by hand",
            "your map takes source points to the target. Each pixel of the *target* asks where to "
            "read in the source, so the map goes the other way.",
        ),
        Wrong(
            "no shift",
            _without_shift,
            "a matrix is taken to be all there is to an affine map",
            "your map keeps (0, 0) where it is: it turns and stretches around the corner of the "
            "picture. Add a column of ones to the target points.",
        ),
        Wrong(
            "shift alone",
            _shift_alone,
            "a limb is taken to move without turning",
            "your map only shifts the limb; it has to turn and stretch it, too.",
        ),
        Wrong(
            "the matrix is transposed",
            _transposed,
            "rows and columns of the solution are confused",
            "your matrix part is transposed, so that the limb turns the wrong way: lstsq solves "
            "A X = B, and X holds the map's rows as columns.",
        ),
        Wrong(
            "the rows are exchanged",
            _rows_exchanged,
            "a matrix is thought of as (row, column), and so are places",
            "the rows of your map are exchanged: the first one gives x, the column, and the second "
            "one y.",
        ),
    ),
)


# --- 03.2: the nearest-neighbour loss ------------------------------------------------------------


def nearest_loss(
    made: Float[Tensor, "B C H W"], real: Float[Tensor, "B C H W"], window: int
) -> Float[Tensor, ""]:
    """L1 distance of each made feature to the best real one near its place; mean over places.

    The distance is summed over channels; ``window`` is odd; places outside never match.
    """
    (h, w), reach = made.shape[2:], window // 2
    around = F.pad(real, (reach,) * 4, value=1e4)  # no feature is near to that
    apart = [
        (made - around[..., dy : dy + h, dx : dx + w]).abs().sum(1)
        for dy in range(window)
        for dx in range(window)
    ]
    return torch.stack(apart).amin(0).mean()


def _distances(made: Tensor, real: Tensor, window: int, value: float = 1e4) -> Tensor:
    """(window^2, B, C, H, W): all distances, channel by channel."""
    (h, w), reach = made.shape[2:], window // 2
    around = F.pad(real, (reach,) * 4, value=value)
    return torch.stack(
        [
            (made - around[..., dy : dy + h, dx : dx + w]).abs()
            for dy in range(window)
            for dx in range(window)
        ]
    )


def _mean_of_window(made: Tensor, real: Tensor, window: int) -> Tensor:
    apart = _distances(made, real, window).sum(2)  # (window^2, B, H, W)
    inside = apart < 1e3
    return ((apart * inside).sum(0) / inside.sum(0)).mean()


def _nearest_cases() -> list[tuple[Tensor, Tensor, int]]:
    return [
        # of little contrast, as blurred pictures are: real features are farther from made ones
        (0.4 + 0.2 * drawn(21, 2, 3, 6, 5), drawn(22, 2, 3, 6, 5), 3),
        (drawn(23, 1, 4, 7, 7), drawn(24, 1, 4, 7, 7), 5),
        # small features: zeros outside the picture would be the best match for many of them
        (0.1 * drawn(25, 1, 2, 5, 6), 0.3 + 0.1 * drawn(26, 1, 2, 5, 6), 3),
    ]


@torch.no_grad()
def _nearest_picture(answer):
    """The loss of stripes that are shifted by some pixels, and of plain grey."""
    x = torch.arange(24)
    stripes = (x // 4 % 2).float().expand(1, 2, 24, 24)
    values = {f"shifted by {s}": stripes.roll(s, dims=3) for s in (0, 1, 2, 3)}
    apart = [stripes[:, :1].roll(1, dims=3), stripes[:, 1:].roll(-1, dims=3)]
    values["pulled apart"] = torch.cat(apart, dim=1)
    values["plain grey"] = torch.full_like(stripes, 0.5)
    return expected.bars({name: float(answer(made, stripes, 3)) for name, made in values.items()})


NEAREST = Exercise(
    id="03.2",
    title="The nearest-neighbour loss",
    minutes=6,
    difficulty=2,
    importance=3,
    place="class",
    reference=nearest_loss,
    cases=_nearest_cases,
    expects="one number, the mean over places of the smallest distance in the window",
    hint="For each place: the L1 distance, summed over channels, to each real feature in the "
    "window; then the smallest one; then the mean over places.",
    hints=(
        "Which of the two, minimum over the window or mean over places, comes first, and where "
        "does the sum over channels belong?",
        "Pad `real` by window // 2 with a number that can never match, and compare `made` with "
        "each of the window * window shifted copies.",
    ),
    picture=_nearest_picture,
    picture_shows="Six bars: 0 for stripes that are not shifted, nearly 0 for those "
    "shifted by one pixel, larger values for two and three pixels and for stripes whose two "
    "channels are pulled apart, and 1 for plain grey.",
    wrong=(
        Wrong(
            "no window",
            lambda made, real, window: (made - real).abs().sum(1).mean(),
            "the features are compared place by place",
            "this is L1: each place is compared with the same place only, so a stripe that is "
            "shifted by a pixel costs as much as a wrong one.",
        ),
        Wrong(
            "mean over the window",
            _mean_of_window,
            "all neighbours should agree",
            "you take the mean over the window, which is smallest for a blurred picture: take the "
            "*smallest* distance.",
        ),
        Wrong(
            "each channel has a neighbour of its own",
            lambda made, real, window: _distances(made, real, window).amin(0).sum(1).mean(),
            "the order of sum and minimum is taken not to matter",
            "each channel finds a neighbour of its own in your loss; a feature is one vector, so "
            "sum over channels first and take the minimum then.",
        ),
        Wrong(
            "one shift for the whole picture",
            lambda made, real, window: (
                _distances(made, real, window, 0.0).sum(2).mean((1, 2, 3)).min()
            ),
            "a shift is taken to be a property of the picture",
            "you look for the one shift that is best for the whole picture; each place has a "
            "nearest neighbour of its own. Take the minimum before the mean.",
        ),
        Wrong(
            "zeros outside",
            lambda made, real, window: _distances(made, real, window, 0.0).sum(2).amin(0).mean(),
            "pads with the default value",
            "you pad with zeros, which match dark features at the border: pad with a number that "
            "no feature comes near.",
        ),
        Wrong(
            "the roles are exchanged",
            lambda made, real, window: nearest_loss(real, made, window),
            "a distance is taken to be symmetric",
            "you ask for each *real* feature whether something like it was made nearby; the loss "
            "asks for each *made* feature whether something like it is real.",
        ),
        Wrong(
            "mean over channels",
            lambda made, real, window: nearest_loss(made, real, window) / made.shape[1],
            "uses a plain mean of all numbers",
            "your distance is a mean over channels; the paper's is their sum, and its weight in "
            "the loss is meant for that.",
        ),
    ),
)


EXERCISES = (FIT, NEAREST, DEFORM, MIRROR, MISSING)
