"""Lecture 04's exercises, questions and predictions: motion transfer, Monkey-Net, how to judge it.

Points are (x, y) in [-1, 1] with ``align_corners=True``, covariances symmetric 2 x 2 in the same
units. Every reference is written out as a learner would write it.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen.answers import expected
from aidagen.grids import identity_grid
from aidagen.lectures.monkey_net.judging import L1_MOVING, SHARE_INTERVAL
from aidagen.lectures.monkey_net.questions import PREDICTIONS, QUESTIONS
from aidagen.lectures.monkey_net.trials import DEFORM_SKIP, OPEN_TASKS, SAME_VOTES
from aidagen.teaching.cases import drawn, points
from aidagen.teaching.material import Exercise, Wrong

__all__ = ["EXERCISES", "OPEN_TASKS", "PREDICTIONS", "QUESTIONS"]


# --- 04.1: from keypoint movements to one flow ---------------------------------------------------


def compose_flow(
    p_source: Float[Tensor, "K 2"],
    p_driving: Float[Tensor, "K 2"],
    masks: Float[Tensor, "J H W"],
    residual: Float[Tensor, "H W 2"],
) -> Float[Tensor, "H W 2"]:
    """For each place in the driving frame, how far away from it the source is read."""
    shifts = p_source - p_driving  # (K, 2), towards the place to read
    return torch.einsum("khw,kc->hwc", masks[1:], shifts) + residual  # masks[0]: the background


def _composed(shifts: Tensor, masks: Tensor, residual: Tensor) -> Tensor:
    return torch.einsum("khw,kc->hwc", masks, shifts) + residual


def _flow_cases() -> list[tuple[Tensor, ...]]:
    return [
        (
            points(s, k),
            points(s + 1, k),
            (3 * drawn(s + 2, k + 1, h, w)).softmax(0),
            0.2 * drawn(s + 3, h, w, 2) - 0.1,
        )
        for s, k, h, w in ((10, 2, 3, 4), (20, 3, 4, 2))
    ]


def _flow_picture(answer):
    """Two keypoints that went apart, a resting background, a residual along the lower edge."""
    x, y = identity_grid(48, 48).unbind(-1)
    scores = [0 * x, 4 - 9 * ((x + 0.5) ** 2 + y**2), 4 - 9 * ((x - 0.5) ** 2 + y**2)]
    residual = torch.stack([0 * x, y.clamp(min=0.6) - 0.6], -1)
    p_source, p_driving = torch.tensor([[[-0.3, 0.0], [0.3, -0.1]], [[-0.6, 0.1], [0.6, 0.2]]])
    return expected.flow(answer(p_source, p_driving, torch.stack(scores).softmax(0), residual))


COMPOSE_FLOW = Exercise(
    id="04.1",
    title="From keypoints to a flow",
    minutes=8,
    difficulty=2,
    reference=compose_flow,
    cases=_flow_cases,
    expects="one flow (H, W, 2), floats",
    hint="Where one mask is 1 and the residual 0, the flow is that keypoint's own p_S - p_D.",
    importance=3,
    place="class",
    hints=(
        "You stand at a place of the driving frame and ask where in the source to read. If a hand "
        "went from left to right, do you read to the left or to the right of where you stand?",
        "There are K points and K + 1 masks. Whose is the first one, and how far does its owner "
        "move?",
    ),
    picture=_flow_picture,
    picture_shows="A flow in colours: orange around a place on the left, light blue around one on "
    "the right, a darker strip along the lower edge, grey (no movement) elsewhere.",
    wrong=(
        Wrong(
            "driving minus source",
            lambda ps, pd, masks, rest: _composed(pd - ps, masks[1:], rest),
            "thinks forward: where did the keypoint go?",
            "your flow runs from the source to the driving frame. A warp asks where to read, so "
            "the difference is p_source - p_driving.",
        ),
        Wrong(
            "residual left out",
            lambda ps, pd, masks, rest: _composed(ps - pd, masks[1:], 0 * rest),
            "takes the keypoints for the whole motion",
            "parts that no keypoint moves stand still in your flow: add the residual, which the "
            "network predicts for every place.",
        ),
        Wrong(
            "masks shifted by one",
            lambda ps, pd, masks, rest: _composed(ps - pd, masks[:-1], rest),
            "does not count the background as a motion",
            "each keypoint is given its neighbour's mask: mask 0 belongs to the background, which "
            "does not move, and keypoint k (from 1) has mask k.",
        ),
        Wrong(
            "identity grid added",
            lambda ps, pd, masks, rest: (
                identity_grid(*masks.shape[1:]) + _composed(ps - pd, masks[1:], rest)
            ),
            "confuses places (a warp grid) with movements (a flow)",
            "you return the places to read, identity grid included; the exercise asks for the flow "
            "alone, the movement away from each place.",
        ),
        Wrong(
            "residual weighted by the masks",
            lambda ps, pd, masks, rest: (
                _composed(ps - pd, masks[1:], 0 * rest) + masks[1:].sum(0)[..., None] * rest
            ),
            "takes the residual for a correction of the keypoints' motion alone",
            "you weight the residual by the masks of the keypoints; it is added as it is, so that "
            "the background can move too.",
        ),
    ),
)


# --- 04.2: from a heat map to a mean and a covariance --------------------------------------------


def mean_and_covariance(
    heat: Float[Tensor, "K H W"],
) -> tuple[Float[Tensor, "K 2"], Float[Tensor, "K 2 2"]]:
    """The mean place of each map, and its covariance; each map sums to one."""
    grid = identity_grid(*heat.shape[1:])
    mean = torch.einsum("khw,hwc->kc", heat, grid)
    away = grid[None] - mean[:, None, None]  # (K, H, W, 2)
    return mean, torch.einsum("khw,khwa,khwb->kab", heat, away, away)


def _spread(heat: Tensor, grid: Tensor, around: Tensor) -> Tensor:
    away = grid[None] - around[:, None, None]  # (K, H, W, 2)
    return torch.einsum("khw,khwa,khwb->kab", heat, away, away)


def _not_centred(heat: Tensor) -> tuple[Tensor, Tensor]:
    mean, _ = mean_and_covariance(heat)
    return mean, _spread(heat, identity_grid(*heat.shape[1:]), torch.zeros_like(mean))


def _axes_swapped(heat: Tensor) -> tuple[Tensor, Tensor]:
    mean, covariance = mean_and_covariance(heat)
    return mean.flip(-1), covariance.flip(-1, -2)


def _variances_only(heat: Tensor) -> tuple[Tensor, Tensor]:
    mean, covariance = mean_and_covariance(heat)
    return mean, covariance * torch.eye(2)


def _in_pixels(heat: Tensor) -> tuple[Tensor, Tensor]:
    h, w = heat.shape[1:]
    y, x = torch.meshgrid(torch.arange(h).float(), torch.arange(w).float(), indexing="ij")
    grid = torch.stack([x, y], dim=-1)
    mean = torch.einsum("khw,hwc->kc", heat, grid)
    return mean, _spread(heat, grid, mean)


def _unweighted(heat: Tensor) -> tuple[Tensor, Tensor]:
    mean, _ = mean_and_covariance(heat)
    even = torch.full_like(heat, 1 / heat[0].numel())
    return mean, _spread(even, identity_grid(*heat.shape[1:]), mean)


def _heat(seed: int, *shape: int) -> Tensor:
    return (4 * drawn(seed, *shape)).flatten(1).softmax(-1).view(shape)


def _spread_picture(answer):
    """The ellipses of a slanted map and of a flat one."""
    x, y = identity_grid(48, 48).unbind(-1)
    slanted = -12 * (x + y + 0.1) ** 2 - 2 * (x - y + 0.9) ** 2
    flat = -30 * (y - 0.5) ** 2 - 3 * (x - 0.4) ** 2
    heat = torch.stack([slanted, flat]).flatten(1).softmax(-1).view(2, 48, 48)
    return expected.ellipses(*answer(heat), radius=4)


MEAN_AND_COVARIANCE = Exercise(
    id="04.2",
    title="From a heat map to mean and covariance",
    minutes=8,
    difficulty=2,
    reference=mean_and_covariance,
    cases=lambda: [(_heat(31, 2, 4, 6),), (_heat(32, 3, 5, 3),)],
    expects="two tensors: means (K, 2) and covariances (K, 2, 2), floats",
    hint="A map with all its weight on one pixel has that pixel as mean, and covariance 0.",
    importance=2,
    hints=(
        "The mean is the sum of all places, weighted by the map. grids.identity_grid(H, W) holds "
        "the places.",
        "A map that is spread along a slanted line has a large product of its x and y parts. Which "
        "entries of the matrix hold it?",
    ),
    picture=_spread_picture,
    picture_shows="Two ellipses on grey: a slanted one on the left, from lower left to upper "
    "right, and a flat one at the lower right.",
    wrong=(
        Wrong(
            "not centred",
            _not_centred,
            "takes the mean of z z^T for a covariance",
            "your covariance is taken around the middle of the picture: subtract each keypoint's "
            "mean from the grid first.",
        ),
        Wrong(
            "(y, x) instead of (x, y)",
            _axes_swapped,
            "thinks in rows and columns, as arrays do",
            "your axes are (y, x), row before column; everywhere in this course they are (x, y).",
        ),
        Wrong(
            "variances only",
            _variances_only,
            "one spread along x and one along y seem to be enough",
            "your matrix is zero off its diagonal, so a slanted limb cannot be told from "
            "an upright one: keep the product of the x and y parts.",
        ),
        Wrong(
            "in pixels",
            _in_pixels,
            "counts in pixels where the course uses coordinates from -1 to 1",
            "you measure in pixels; here the first and the last pixel lie at -1 and 1.",
        ),
        Wrong(
            "covariance without the weights",
            _unweighted,
            "forgets the heat map once the mean is computed",
            "every place counts the same in your covariance: weight it by the heat map, as in the "
            "mean.",
        ),
    ),
)


# --- 04.3: the motion of one shape on another ----------------------------------------------------


def transfer(
    p_source: Float[Tensor, "K 2"],
    p_t: Float[Tensor, "K 2"],
    p_1: Float[Tensor, "K 2"],
    c_source: Float[Tensor, "K 2 2"],
    c_t: Float[Tensor, "K 2 2"],
    c_1: Float[Tensor, "K 2 2"],
) -> tuple[Float[Tensor, "K 2"], Float[Tensor, "K 2 2"]]:
    """The source's means and covariances, changed as the driving ones did from frame 1 to t."""
    moved = c_t @ torch.linalg.inv(c_1) @ c_source
    return p_source + (p_t - p_1), (moved + moved.mT) / 2  # symmetric again


def _symmetric(matrix: Tensor) -> Tensor:
    return (matrix + matrix.mT) / 2


def _covariances(seed: int, count: int) -> Float[Tensor, "K 2 2"]:
    """Symmetric, positive, slanted, far from singular."""
    half = drawn(seed, count, 2, 2) - 0.5 + torch.eye(2)
    return half @ half.mT + 0.2 * torch.eye(2)


def _transfer_cases() -> list[tuple[Tensor, ...]]:
    return [
        (*(points(s + i, k) for i in range(3)), *(_covariances(s + i, k) for i in range(3, 6)))
        for s, k in ((50, 2), (60, 3))
    ]


def _transfer_picture(answer):
    """Three covariances of a source after the driving ones moved, turned and grew."""
    ps = torch.tensor([[-0.3, -0.2], [0.3, -0.2], [0.0, 0.4]])
    p1, shift = points(68, 3), torch.tensor([[0.1, 0.15], [0.2, -0.1], [-0.1, 0.2]])
    spreads = (0.6 * _covariances(66, 3), 1.1 * _covariances(69, 3), _covariances(67, 3))
    return expected.ellipses(*answer(ps, p1 + shift, p1, *spreads), radius=0.25)


TRANSFER = Exercise(
    id="04.3",
    title="The motion of one shape on another",
    minutes=7,
    difficulty=2,
    reference=transfer,
    cases=_transfer_cases,
    expects="two tensors: means (K, 2) and covariances (K, 2, 2)",
    hint="At t = 1 the source must come out as it went in: p_source and c_source.",
    importance=2,
    hints=(
        "If the driving clip has not moved yet, p_t = p_1 and c_t = c_1. What has to come out?",
        "A product of symmetric matrices is not symmetric in general. What is the simplest "
        "symmetric matrix near it?",
    ),
    picture=_transfer_picture,
    picture_shows="Three ellipses on grey, the source's covariances after they were moved and "
    "deformed as in the driving clip.",
    wrong=(
        Wrong(
            "absolute motion",
            lambda ps, pt, p1, cs, ct, c1: (pt, ct),
            "takes over the driving pose, and with it the driving body's proportions",
            "this is absolute motion: the source takes over the driving body's proportions. Start "
            "from p_source and c_source and add what changed since frame 1.",
        ),
        Wrong(
            "sign reversed",
            lambda ps, pt, p1, cs, ct, c1: (ps + (p1 - pt), transfer(ps, pt, p1, cs, ct, c1)[1]),
            "the difference is taken from frame t to frame 1",
            "your source moves the other way: what changed since frame 1 is p_t - p_1.",
        ),
        Wrong(
            "not symmetric",
            lambda ps, pt, p1, cs, ct, c1: (ps + (pt - p1), ct @ torch.linalg.inv(c1) @ cs),
            "expects a product of symmetric matrices to be symmetric",
            "your matrices are not symmetric, so they are not covariances: a product of symmetric "
            "matrices need not be symmetric. Take the mean of it and its transpose.",
        ),
        Wrong(
            "C_1 not inverted",
            lambda ps, pt, p1, cs, ct, c1: (ps + (pt - p1), _symmetric(ct @ c1 @ cs)),
            "multiplies where a change has to be undone",
            "you multiply by the first frame's covariance, which has to be undone: invert it.",
        ),
        Wrong(
            "covariances added and subtracted",
            lambda ps, pt, p1, cs, ct, c1: (ps + (pt - p1), cs + (ct - c1)),
            "treats a spread like a place",
            "a difference of covariances can make a variance negative: the change is a ratio, "
            "C_t C_1^-1, as when a size doubles.",
        ),
    ),
)


EXERCISES = (
    COMPOSE_FLOW,
    MEAN_AND_COVARIANCE,
    TRANSFER,
    L1_MOVING,
    SHARE_INTERVAL,
    DEFORM_SKIP,
    SAME_VOTES,
)
