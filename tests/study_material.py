"""Clips and plans small enough for the tests of the preference study."""

from typing import NamedTuple

import torch
from tiny_model import TinyModel, blob
from torch import Tensor

from aidagen import study

METHODS = ("alphanet", "betanet", "gammanet")
STRENGTHS = dict(zip(METHODS, (-0.8, 0.2, 0.6)))


class Task(NamedTuple):
    name: str
    source: Tensor
    driving: Tensor
    truth: Tensor | None = None


class Lame(TinyModel):
    """Moves only by a share of what it should."""

    def __init__(self, share):
        super().__init__()
        self.share = share

    def relative(self, motion, first, encoded):
        moved = super().relative(motion, first, encoded)
        rest = encoded.motion.points
        return moved._replace(points=rest + self.share * (moved.points - rest))


def tasks(count=2, frames=12):
    made = []
    for k in range(count):
        angles = torch.linspace(0, 6, frames) + k
        driving = torch.stack([blob(0.6 * float(a.cos()), 0.6 * float(a.sin())) for a in angles])
        made.append(Task(f"item-{k}", driving[0], driving))
    return made


def clips(count=2, frames=12):
    models = {m: Lame(share) for m, share in zip(METHODS, (0.2, 0.7, 1.0))}
    return study.clips_from(models, tasks(count, frames), fps=12.5)


def plan(items=12, **options):
    options = {"name": "test", "seed": 3, **options}
    return study.plan([f"item-{k}" for k in range(items)], METHODS, **options)


def keen(plan, rater, voted=None):
    """Votes of somebody who sees the checks and prefers the method that comes later."""
    pairs = {pair.id: pair for pair in plan.pairs}
    chosen = []
    for shown in plan.schedule(rater)[:voted]:
        pair = pairs[shown.pair]
        better = pair.clips[0 if pair.check else 1]
        chosen.append("left" if shown.left == better else "right")
    return study.Votes(plan.id, rater, tuple(chosen))
