"""Lecture 05's exercises: the first-order motion model.

Points are (x, y) in [-1, 1] with ``align_corners=True``, Jacobians row-major 2 x 2. Every
reference is written out as a learner would write it.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen.answers import expected
from aidagen.grids import identity_grid
from aidagen.lectures.first_order_motion.questions import PREDICTIONS, QUESTIONS
from aidagen.lectures.first_order_motion.relative import RELATIVE
from aidagen.lectures.first_order_motion.trials import EQUIVARIANCE, OPEN_TASKS, ORDERS
from aidagen.teaching.cases import drawn, matrices, points
from aidagen.teaching.material import Exercise, Wrong

__all__ = ["EXERCISES", "OPEN_TASKS", "PREDICTIONS", "QUESTIONS"]


# --- 05.1: the motion around one keypoint --------------------------------------------------------


def local_affine(
    grid: Float[Tensor, "H W 2"],
    p_source: Float[Tensor, "K 2"],
    p_driving: Float[Tensor, "K 2"],
    j_source: Float[Tensor, "K 2 2"],
    j_driving: Float[Tensor, "K 2 2"],
) -> Float[Tensor, "K H W 2"]:
    """For each keypoint, where in the source each place of ``grid`` reads: eqs. (4) and (5)."""
    jacobians = j_source @ torch.linalg.inv(j_driving)  # (K, 2, 2), eq. (5)
    away = grid - p_driving[:, None, None]  # (K, H, W, 2)
    return p_source[:, None, None] + torch.einsum("kab,khwb->khwa", jacobians, away)  # eq. (4)


def _affine(grid: Tensor, to: Tensor, since: Tensor, jacobians: Tensor) -> Tensor:
    offset = grid - since[:, None, None]  # (K, H, W, 2)
    return to[:, None, None] + torch.einsum("kab,khwb->khwa", jacobians, offset)


def _affine_picture(answer):
    """A head whose middle turns, grows and slants with one keypoint."""
    turn = torch.tensor([[[0.9, -0.45], [0.35, 0.95]]])
    slant = torch.tensor([[[0.8, 0.3], [0.0, 1.1]]])
    at, to = torch.tensor([[0.0, -0.1]]), torch.tensor([[0.2, 0.05]])
    grid = identity_grid(64, 64)
    return expected.read(expected.face(), answer(grid, at, to, turn, slant)[0])


def _affine_cases() -> list[tuple[Tensor, ...]]:
    return [
        (identity_grid(3, 4), points(1, 2), points(2, 2), matrices(3, 2), matrices(4, 2)),
        (identity_grid(4, 3), points(5, 3), points(6, 3), matrices(7, 3), matrices(8, 3)),
    ]


LOCAL_AFFINE = Exercise(
    id="05.1",
    title="One keypoint, first order",
    minutes=8,
    difficulty=2,
    reference=local_affine,
    cases=_affine_cases,
    expects="places to read (K, H, W, 2), floats",
    hint="Write T(z) = p_S + J (z - p_D) first with J = 1 and compare, then put J in.",
    importance=3,
    place="class",
    hints=(
        "Which point do you subtract from z: the one in the frame you are drawing, or the one you "
        "read from?",
        "Go from D to R first. Which of the two Jacobians is inverted, and does it stand on the "
        "left or on the right?",
    ),
    picture=_affine_picture,
    picture_shows="A head, moved to the right and down with its keypoint, turned anticlockwise and "
    "slanted; the corners of the picture are black.",
    wrong=(
        Wrong(
            "J_D not inverted",
            lambda grid, ps, pd, js, jd: _affine(grid, ps, pd, js @ jd),
            "both Jacobians are taken as steps from D to S; the one of D leads from R to D",
            "the path leads from D back to R, and from there to S: invert the driving Jacobian.",
        ),
        Wrong(
            "J_D^-1 on the left",
            lambda grid, ps, pd, js, jd: _affine(grid, ps, pd, torch.linalg.inv(jd) @ js),
            "matrices are read from left to right, or taken to commute",
            "the matrices are in the wrong order: what is applied first, from D back to R, stands "
            "on the right.",
        ),
        Wrong(
            "points of S and D swapped",
            lambda grid, ps, pd, js, jd: _affine(grid, pd, ps, js @ torch.linalg.inv(jd)),
            "thinks forward: where does a source pixel go?",
            "your points run forward, from S to D. A warp asks backward: z lies in D, so subtract "
            "p_driving and add p_source.",
        ),
        Wrong(
            "Jacobians of S and D swapped",
            lambda grid, ps, pd, js, jd: _affine(grid, ps, pd, jd @ torch.linalg.inv(js)),
            "the points run from D to S, the neighbourhoods from S to D",
            "your Jacobian leads from S to D: J_D J_S^-1. But z is a place in D, so the way from D "
            "to S is needed: J_S J_D^-1.",
        ),
        Wrong(
            "source Jacobian inverted",
            lambda grid, ps, pd, js, jd: _affine(grid, ps, pd, torch.linalg.inv(js) @ jd),
            "knows that one of the two is inverted, and takes the wrong one",
            "you invert the source's Jacobian. The way is from D to R (the driving one, undone), "
            "then from R to S (the source's, as it is).",
        ),
        Wrong(
            "Jacobian transposed",
            lambda grid, ps, pd, js, jd: _affine(grid, ps, pd, (js @ torch.linalg.inv(jd)).mT),
            "multiplies a row z - p_D by J from the right, or sums over the wrong axis",
            "your Jacobian is transposed, so it turns the other way: for points stored as rows, "
            "J d is d @ J.mT.",
        ),
        Wrong(
            "no Jacobian",
            lambda grid, ps, pd, js, jd: _affine(grid, ps, pd, torch.eye(2).expand_as(js)),
            "zeroth order: everything around a keypoint is only shifted (this is Monkey-Net)",
            "you shift the neighbourhood but never turn or stretch it: multiply z - p_driving by "
            "J = J_S J_D^-1.",
        ),
    ),
)


# --- 05.2: from a map to a point -----------------------------------------------------------------


def soft_argmax(logits: Float[Tensor, "K H W"], temperature: float) -> Float[Tensor, "K 2"]:
    """The expected place (x, y) under a softmax of ``logits / temperature`` over all pixels."""
    _, height, width = logits.shape
    heat = (logits / temperature).flatten(1).softmax(-1)  # (K, H W), each map sums to one
    return heat @ identity_grid(height, width).view(-1, 2)


def _expected(logits: Tensor, sharpness: float, grid: Tensor) -> Tensor:
    heat = (sharpness * logits).flatten(1).softmax(-1).view(logits.shape)
    return torch.einsum("khw,hwc->kc", heat, grid)


def _rows_only(logits: Tensor, temperature: float) -> Tensor:
    heat = (logits / temperature).softmax(-1)
    return torch.einsum("khw,hwc->kc", heat, identity_grid(*logits.shape[1:]))


def _edges(logits: Tensor, temperature: float) -> Tensor:
    _, h, w = logits.shape
    y, x = torch.meshgrid(torch.arange(h) * 2 / h - 1, torch.arange(w) * 2 / w - 1, indexing="ij")
    return _expected(logits, 1 / temperature, torch.stack([x, y], -1))


def _centres(logits: Tensor, temperature: float) -> Tensor:
    _, h, w = logits.shape
    y, x = (2 * torch.arange(n) + 1.0 for n in (h, w))
    y, x = torch.meshgrid(y / h - 1, x / w - 1, indexing="ij")
    return _expected(logits, 1 / temperature, torch.stack([x, y], -1))


def _hardest(logits: Tensor, temperature: float) -> Tensor:
    return identity_grid(*logits.shape[1:]).flatten(0, 1)[logits.flatten(1).argmax(-1)]


def _heat_picture(answer):
    """Two bright places, the left one wider: the mean lies between them."""
    x, y = identity_grid(32, 32).unbind(-1)
    left = -((x + 0.2) ** 2 + (y - 0.6) ** 2) / 0.15
    right = 0.1 - ((x - 0.8) ** 2 + (y - 0.1) ** 2) / 0.05
    logits, temperature = torch.maximum(left, right)[None], 0.25
    heat = (logits / temperature).flatten(1).softmax(-1).view(32, 32)
    return expected.point(heat, answer(logits, temperature)[0])


SOFT_ARGMAX = Exercise(
    id="05.2",
    title="From a map to a point",
    minutes=8,
    difficulty=2,
    reference=soft_argmax,
    cases=lambda: [(drawn(1, 2, 4, 5), 0.4), (drawn(2, 3, 6, 3), 0.25)],
    expects="points (K, 2), the last axis (x, y), floats",
    hint="A single very bright pixel j of W has to give x = 2 j / (W - 1) - 1: try it.",
    importance=2,
    hints=(
        "The softmax runs over H times W values at once: flatten them first.",
        "grids.identity_grid(H, W) holds (x, y) of every pixel. The point is their mean, weighted "
        "by the softmax.",
    ),
    picture=_heat_picture,
    picture_shows="A heat map with two bright places, a wide one at the bottom and a small one at "
    "the right-hand edge; the point lies between them, nearer to the wide one.",
    wrong=(
        Wrong(
            "softmax over one axis",
            _rows_only,
            "softmax is called with one dim, and a map has two",
            "each row of your map sums to one, but the whole map should: flatten its pixels and "
            "take one softmax.",
        ),
        Wrong(
            "(y, x) instead of (x, y)",
            lambda logits, temperature: soft_argmax(logits, temperature).flip(-1),
            "thinks in rows and columns, as arrays do",
            "your points are (y, x), row before column; everywhere in this course they are (x, y).",
        ),
        Wrong(
            "multiplied by the temperature",
            lambda logits, temperature: _expected(
                logits, temperature, identity_grid(*logits.shape[1:])
            ),
            "does not know that a lower temperature makes a sharper map",
            "you multiply by the temperature: a low one should sharpen the map, so divide by it.",
        ),
        Wrong(
            "temperature forgotten",
            lambda logits, temperature: _expected(logits, 1.0, identity_grid(*logits.shape[1:])),
            "thinks that the temperature matters in training only",
            "the temperature does nothing in your function: divide the logits by it before the "
            "softmax.",
        ),
        Wrong(
            "grid 2 j / W - 1",
            _edges,
            "divides by the number of pixels instead of the number of steps between them",
            "your last pixel does not lie at 1: with W pixels there are W - 1 steps from -1 to 1.",
        ),
        Wrong(
            "grid (2 j + 1) / W - 1",
            _centres,
            "the other convention: -1 and 1 are the picture's edges",
            "your grid is that of align_corners=False; here -1 and 1 are the centres of the "
            "outermost pixels.",
        ),
        Wrong(
            "the brightest pixel",
            _hardest,
            "takes a maximum where a gradient is needed",
            "you take the brightest pixel, which has no gradient: take the mean place, weighted by "
            "the softmax.",
        ),
    ),
)


# --- 05.3: one flow from many motions ------------------------------------------------------------


def mix(
    mask_logits: Float[Tensor, "J H W"], motions: Float[Tensor, "J H W 2"]
) -> Float[Tensor, "H W 2"]:
    """The dense flow: a softmax over the J motions at every place, then their mean: eq. (7)."""
    return (mask_logits.softmax(0)[..., None] * motions).sum(0)


def _over_pixels(mask_logits: Tensor, motions: Tensor) -> Tensor:
    masks = mask_logits.flatten(1).softmax(-1).view(mask_logits.shape)
    return (masks[..., None] * motions).sum(0)


def _hard(mask_logits: Tensor, motions: Tensor) -> Tensor:
    chosen = mask_logits.argmax(0)[None, ..., None].expand(1, *motions.shape[1:])
    return motions.gather(0, chosen)[0]


def _mix_picture(answer):
    """The background stays, one motion is followed on the left and one on the right."""
    grid = identity_grid(48, 48)
    x, y = grid.unbind(-1)
    scores = [0 * x, 3 - 8 * ((x + 0.5) ** 2 + y**2), 3 - 8 * ((x - 0.4) ** 2 + (y - 0.2) ** 2)]
    shifts = torch.tensor([[0.0, 0], [0.4, 0.1], [-0.2, -0.4]])[:, None, None]
    return expected.flow(answer(torch.stack(scores), grid + shifts) - grid)


MIX = Exercise(
    id="05.3",
    title="Mix the motions",
    minutes=6,
    difficulty=2,
    reference=mix,
    cases=lambda: [
        (2 * drawn(41, 3, 4, 5), 2 * drawn(42, 3, 4, 5, 2) - 1),
        (3 * drawn(43, 4, 3, 2), 2 * drawn(44, 4, 3, 2, 2) - 1),
    ],
    expects="one flow (H, W, 2), floats",
    hint="At every place the J weights sum to one; if all motions agree, the flow is that motion.",
    importance=3,
    place="class",
    hints=(
        "At one place, J motions compete for the flow. Over which axis of the scores does the "
        "softmax run, so that their weights sum to one there?",
        "Weights (J, H, W) and motions (J, H, W, 2): give the weights a last axis, multiply, and "
        "sum over the J motions.",
    ),
    picture=_mix_picture,
    picture_shows="A flow in colours: orange around a place on the left, light blue around one on "
    "the right, grey (no movement) elsewhere, with smooth borders.",
    wrong=(
        Wrong(
            "softmax over the pixels",
            _over_pixels,
            "confuses the masks with the detector's heat maps of 05.2",
            "each of your masks sums to one over the picture, as a heat map does. Here the J "
            "motions compete at every place: softmax over the first axis.",
        ),
        Wrong(
            "softmax over the last axis",
            lambda mask_logits, motions: (mask_logits.softmax(-1)[..., None] * motions).sum(0),
            "calls softmax(-1) by habit, as for classes",
            "your softmax runs along each row of the picture, because dim=-1 is its width. The J "
            "motions compete at every place: softmax over the first axis.",
        ),
        Wrong(
            "no softmax",
            lambda mask_logits, motions: (mask_logits[..., None] * motions).sum(0),
            "uses logits as weights",
            "your weights do not sum to one: these are logits, take a softmax over the J motions "
            "first.",
        ),
        Wrong(
            "the strongest motion alone",
            _hard,
            "assigns each pixel to one motion, where a gradient is needed",
            "you follow the strongest motion alone; that tears the flow at the borders and has no "
            "gradient. Weight all J motions.",
        ),
        Wrong(
            "background left out",
            lambda mask_logits, motions: mix(mask_logits[1:], motions[1:]),
            "does not count 'stay' as a motion",
            "you leave out map 0, the background: 'stay where you are' is a motion too.",
        ),
        Wrong(
            "plain mean",
            lambda mask_logits, motions: motions.mean(0),
            "does not see what the masks are for",
            "all motions have the same weight everywhere: the masks say which one counts where.",
        ),
    ),
)


EXERCISES = (LOCAL_AFFINE, SOFT_ARGMAX, MIX, RELATIVE, EQUIVARIANCE, ORDERS)
