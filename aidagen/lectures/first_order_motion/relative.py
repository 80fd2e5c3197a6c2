"""Lecture 05's exercise on relative motion; `exercises` lists it with the others."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen.answers import expected
from aidagen.teaching.cases import matrices, points
from aidagen.teaching.material import Exercise, Wrong

# --- 05.4: relative motion -----------------------------------------------------------------------


def relative(
    p_source: Float[Tensor, "K 2"],
    p_t: Float[Tensor, "K 2"],
    p_1: Float[Tensor, "K 2"],
    j_source: Float[Tensor, "K 2 2"],
    j_t: Float[Tensor, "K 2 2"],
    j_1: Float[Tensor, "K 2 2"],
) -> tuple[Float[Tensor, "K 2"], Float[Tensor, "K 2 2"]]:
    """The source's keypoints, moved as the driving ones did from frame 1 to t: eqs. (14), (15)."""
    return p_source + (p_t - p_1), j_t @ torch.linalg.inv(j_1) @ j_source


def _relative_cases() -> list[tuple[Tensor, ...]]:
    return [
        (*(points(s + i, k) for i in range(3)), *(matrices(s + i, k) for i in range(3, 6)))
        for s, k in ((20, 2), (30, 3))
    ]


def _relative_picture(answer):
    """Three neighbourhoods of a head after the driving ones turned, grew and moved."""
    ps = torch.tensor([[-0.3, -0.2], [0.3, -0.2], [0.0, 0.4]])
    p1, shift = points(38, 3), torch.tensor([[0.1, 0.15], [0.2, -0.1], [-0.1, 0.2]])
    jacobians = (0.6 * matrices(36, 3), 1.2 * matrices(39, 3), matrices(37, 3))
    centres, made = answer(ps, p1 + shift, p1, *jacobians)
    return expected.ellipses(centres, made, 0.25, expected.face())


RELATIVE = Exercise(
    id="05.4",
    title="Relative motion",
    minutes=6,
    difficulty=2,
    reference=relative,
    cases=_relative_cases,
    expects="two tensors: points (K, 2) and Jacobians (K, 2, 2)",
    hint="At t = 1 the source must come out as it went in: points p_source, Jacobians j_source.",
    importance=2,
    hints=(
        "If the driving clip has not moved yet, p_t = p_1 and j_t = j_1. What has to come out?",
        "Read the product of Jacobians from the right: start from the source's neighbourhood, undo "
        "the first driving frame's, apply the present one's.",
    ),
    picture=_relative_picture,
    picture_shows="A head with three ellipses, each the neighbourhood of one keypoint after it "
    "was moved and deformed as in the driving clip.",
    wrong=(
        Wrong(
            "absolute motion",
            lambda ps, pt, p1, js, jt, j1: (pt, jt),
            "takes over the driving pose, and with it the shape of the driving face",
            "this is absolute motion: the source takes over the driving person's shape. Start "
            "from p_source and add only what changed since frame 1.",
        ),
        Wrong(
            "sign reversed",
            lambda ps, pt, p1, js, jt, j1: (ps + (p1 - pt), jt @ torch.linalg.inv(j1) @ js),
            "the difference is taken from frame t to frame 1",
            "your source moves the other way: what changed since frame 1 is p_t - p_1.",
        ),
        Wrong(
            "J_S J_t J_1^-1",
            lambda ps, pt, p1, js, jt, j1: (ps + (pt - p1), js @ jt @ torch.linalg.inv(j1)),
            "the change of the driving clip is applied before the source's own deformation",
            "the Jacobians are in the wrong order: the source's own J_S comes first, so it stands "
            "on the right, and the change J_t J_1^-1 is applied after it.",
        ),
        Wrong(
            "J_1 J_t^-1",
            lambda ps, pt, p1, js, jt, j1: (ps + (pt - p1), j1 @ torch.linalg.inv(jt) @ js),
            "the change is inverted: from t back to 1",
            "your Jacobians run back from t to frame 1; from 1 to t the change is J_t J_1^-1.",
        ),
        Wrong(
            "Jacobians of the driving frame as they are",
            lambda ps, pt, p1, js, jt, j1: (ps + (pt - p1), jt),
            "the points use relative motion, the neighbourhoods absolute motion",
            "your points are relative, your Jacobians are not: at t = 1 they have to be j_source.",
        ),
        Wrong(
            "difference of Jacobians",
            lambda ps, pt, p1, js, jt, j1: (ps + (pt - p1), js + (jt - j1)),
            "treats a deformation like a place, where changes are added",
            "your points are right; deformations are not added but applied one after the other: "
            "the change from 1 to t is the product J_t J_1^-1.",
        ),
    ),
)
