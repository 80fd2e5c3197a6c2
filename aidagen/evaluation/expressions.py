"""Expressions as sequences of landmarks: how far two of them lie apart, and which modes are hit.

What a head does is taken out, what the face does is kept (`landmarks.expression`); the unit is the
distance between the outer corners of the eyes. The jaw's line is left out: on a face that turns it
is where the skin happens to end.

Letters: T frames, K generated sequences, M true modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen import landmarks

FIRST = 17  # of the points that count: those before it are the jaw
UNIT = "share of the distance between the eyes"

Expression = Float[Tensor, "T 51 2"]


def expression(points: Float[Tensor, "T 68 2"]) -> Expression:
    """How far brows, eyes, nose and mouth are from where they were in frame 0."""
    return landmarks.expression(points)[:, FIRST:]


def apart(a: Expression, b: Expression) -> float:
    """Mean distance of two sequences, over points and frames."""
    return (a - b).norm(dim=-1).mean().item()


class Openings(NamedTuple):
    """How far mouth and eyes are open, as a share of the distance between the eyes."""

    mouth: Float[Tensor, "*N"]  # between the inner lips, in the middle
    eyes: Float[Tensor, "*N"]  # between the lids, mean of both eyes


def openings(points: Float[Tensor, "*N 68 2"]) -> Openings:
    """Mouth and eyes of faces, each measured in its own distance between the eyes."""

    def gap(a: int, b: int) -> Tensor:
        return (points[..., a, :] - points[..., b, :]).norm(dim=-1)

    eyes = torch.stack([gap(a, b) for a, b in ((37, 41), (38, 40), (43, 47), (44, 46))]).mean(0)
    return Openings(gap(62, 66) / gap(36, 45), eyes / gap(36, 45))


class Hits(NamedTuple):
    """What K generated sequences are worth, against the M that are true."""

    recall: float  # share of true modes that a generated sequence hits
    precision: float  # share of generated sequences that hit a true mode
    best: float  # distance of the nearest generated sequence, over true modes
    mean: float  # of all generated ones
    diversity: float  # mean distance between the generated ones; NaN where there is one
    nearest: tuple[int, ...]  # the true mode that each generated sequence is nearest to


def hits(made: Sequence[Expression], true: Sequence[Expression]) -> Hits:
    """A true mode is hit within half the smallest distance between two true modes."""
    between = [apart(a, b) for i, a in enumerate(true) for b in true[:i]]
    table = torch.tensor([[apart(a, b) for b in true] for a in made])  # (K, M)
    hit = table < min(between) / 2
    pairs = [apart(a, b) for i, a in enumerate(made) for b in made[:i]]
    return Hits(
        recall=hit.any(0).float().mean().item(),
        precision=hit.any(1).float().mean().item(),
        best=table.min(0).values.mean().item(),
        mean=table.mean().item(),
        diversity=sum(pairs) / len(pairs) if pairs else float("nan"),
        nearest=tuple(table.argmin(1).tolist()),
    )


class LabelJudge:
    """Tells labels apart by a ridge regression on expressions of equal length (a linear judge).

    Args:
        known: the sequences that it learns from.
        labels: the label of each, 0 or 1.
        strength: of the ridge, as a share of the data's own variance.
    """

    name = "ridge classifier of landmarks"

    def __init__(self, known: Sequence[Expression], labels: Sequence[int], strength: float = 0.01):
        x = torch.stack([one.flatten() for one in known]).double()
        y = torch.tensor(labels).double() * 2 - 1
        self.mean, self.offset = x.mean(0), y.mean()
        x, y = x - self.mean, y - self.offset
        inner = x @ x.T  # sequences are fewer than their numbers: solve among the sequences
        ridge = strength * inner.diagonal().mean() * torch.eye(len(x), dtype=x.dtype)
        self.weights = x.T @ torch.linalg.solve(inner + ridge, y)

    def __call__(self, expression: Expression) -> int:
        """The label that a sequence looks like."""
        x = expression.flatten().double() - self.mean
        return int(x @ self.weights + self.offset > 0)
