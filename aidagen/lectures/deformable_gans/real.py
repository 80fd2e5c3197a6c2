"""A real dancer in lecture 03: another kind of picture than any that the models have seen.

The clip is fetched on the reader's machine (see `aidagen.datasets.dancer`). Its joints come from
the judge, so the same judge that reads the painted pictures also said what was asked for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import markdown, metrics
from aidagen.datasets import dancer
from aidagen.errors import AidagenError
from aidagen.lectures.deformable_gans import judging, sheets
from aidagen.metrics import Interval
from aidagen.pixels import as_floats
from aidagen.poses import Pose

ABSENT = "The dancer's clip cannot be fetched on this machine, or nobody can find its joints."


def pictures(count: int) -> dancer.Dancer | None:
    """Some ``count`` pictures of the dancer; None without the footage or without the judge."""
    try:
        return dancer.pictures(count)
    except AidagenError:
        return None


def _pose(real: dancer.Dancer, which: list[int]) -> Pose:
    return Pose(real.pose.joints[which], real.pose.visible[which])


def source(real: dancer.Dancer) -> int:
    """The picture that is given: the first one of those in which most joints are known."""
    return int(real.pose.visible.sum(1).argmax())


@torch.no_grad()
def painted(model: nn.Module, real: dancer.Dancer, which: list[int]) -> Tensor:
    """The dancer in the poses of some of the clip's pictures, before their backdrops."""
    one = [source(real)] * len(which)
    images = as_floats(real.images[one])
    return model(images, _pose(real, one), _pose(real, which), real.backdrop[which]).image


def sheet(model: nn.Module, real: dancer.Dancer | None, count: int = 6) -> Any:
    """The source and several poses: asked for, painted, true."""
    from IPython.display import Markdown

    if real is None:
        return Markdown(ABSENT)
    given = source(real)
    others = [i for i in range(len(real.images)) if i != given]
    which = others[:: max(1, len(others) // count)][:count]
    return sheets.put_into_poses(
        as_floats(real.images[given]), _pose(real, [given]), _pose(real, which),
        painted(model, real, which), as_floats(real.images[which]),
    )  # fmt: skip


class Judged(NamedTuple):
    """What pictures of the dancer are worth, on average and with 95 % intervals."""

    error: Interval  # mean absolute error of the whole picture
    joints: Interval | None  # distance from the joints asked for, in pixels; None: none were found


def judged(made: Float[Tensor, "N 3 H W"], real: dancer.Dancer, which: list[int]) -> Judged:
    """Pictures that stand for some of the clip's, against these."""
    true, asked = as_floats(real.images[which]), _pose(real, which)
    error = metrics.bootstrap((made - true).abs().mean((1, 2, 3)).tolist())
    seen = judging.estimated(made)
    if seen is None:
        return Judged(error, None)
    size = dancer.HEIGHT, dancer.WIDTH
    far = (seen.pixels(*size) - asked.pixels(*size)).norm(dim=-1)
    far = far.where(seen.visible & asked.visible, torch.nan).nanmean(1)
    found = far[far.isfinite()].tolist()
    return Judged(error, metrics.bootstrap(found) if found else None)


def told(model: nn.Module, real: dancer.Dancer | None) -> str:
    """A table: the painted pictures, and as a baseline the source, handed on as it is."""
    if real is None:
        return ABSENT
    which = [i for i in range(len(real.images)) if i != source(real)]
    copies = as_floats(real.images[[source(real)] * len(which)])
    rows = []
    for name, made in (("painted", painted(model, real, which)), ("a copy of the source", copies)):
        error, joints = judged(made, real, which)
        far = "not found" if joints is None else _interval(joints, 1)
        rows.append((name, _interval(error, 3), far))
    heads = ("", "mean absolute error", "joints from those asked for, pixels")
    return f"{markdown.table(heads, rows)}\n\n{dancer.CREDIT}, GPL-3.0."


def _interval(found: Interval, digits: int) -> str:
    value, low, high = (f"{x:.{digits}f}" for x in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"
