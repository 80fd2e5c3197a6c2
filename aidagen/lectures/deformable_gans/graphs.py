"""Lecture 03's plots: shares by level, what missing joints cost, whose legs they are.

Each function returns a `plots.Plot`, which describes itself in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from aidagen.lectures.deformable_gans import trials
from aidagen.lectures.deformable_gans.judging import Nearer, Proportions
from aidagen.lectures.deformable_gans.showcase import Someone
from aidagen.metrics import Interval
from aidagen.poses import Pose
from aidagen.teaching.plots import LETTERS, LOOKS, WIDTH, Plot


def _axes(height: float) -> tuple[Figure, Any]:
    """A figure of its own, without a frame above and on the right."""
    with matplotlib.rc_context({"font.size": LETTERS}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=LETTERS - 1)
    axes.grid(axis="x", color="#DDDDDD")
    axes.set_axisbelow(True)
    return figure, axes


def points(
    values: Mapping[str, Interval], axis: str, line: tuple[float, str] | None = None
) -> Plot:
    """Points with 95 % intervals, from top to bottom, and a value to compare them with."""
    figure, axes = _axes(1.6 + 0.5 * len(values))
    for k, one in enumerate(values.values()):
        colour, marker = LOOKS[k % len(LOOKS)]
        spread = [[one.value - one.low], [one.high - one.value]]
        axes.errorbar(
            one.value, k, xerr=spread, fmt=marker, color=colour, markersize=9, capsize=5,
            elinewidth=2.4,
        )  # fmt: skip
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    if line is not None:
        axes.axvline(line[0], color="#444444", linestyle="--", linewidth=1.6)
        axes.set_xlim(right=max(axes.get_xlim()[1], 1.05 * line[0]))
        axes.annotate(
            line[1], (line[0], 1), xycoords=("data", "axes fraction"), xytext=(0, 4),
            textcoords="offset points", ha="center", va="bottom", fontsize=LETTERS - 1,
        )  # fmt: skip
    axes.set_xlabel(f"{axis}\n(95 % intervals)", fontsize=LETTERS)
    told = "; ".join(f"{n}: {v.value:.2f} ({v.low:.2f} to {v.high:.2f})" for n, v in values.items())
    return Plot(figure, f"{axis}. Points with 95 % intervals. {told}.")


def nearer(found: Nearer) -> Plot:
    """The distance of deformed limbs to the truth, level by level, as a share of plain ones'."""
    values = {f"level {i + 1}": one for i, one in enumerate(found.shares())}
    axis = "distance to the true features, as a share of plain skips'"
    return points(values, axis, (1.0, "as far as plain skips"))


def whose_legs(found: Proportions) -> Plot:
    """Legs as multiples of the torso: the person's own, the driver's, the painted person's."""
    values = {
        "the person (exact)": found.own,
        "the person (judge)": found.own_judged,
        "painted (judge)": found.painted,
        "the driver (exact)": found.driver,
    }
    known = {name: one for name, one in values.items() if one is not None}
    return points(known, "length of the legs, in lengths of the torso")


@torch.no_grad()
def missing(answer: Any, model: nn.Module, someone: Someone, target: int) -> Plot:
    """What hidden joints of the source cost, by exercise 03.5's function, within the person."""
    one = [someone.source]
    image, pose, empty = someone.images(one), someone.pose(one), someone.backdrops([target])
    mask, wanted = someone.masks([target])[0], someone.pose([target])

    def paint(known: Tensor) -> Tensor:
        seen = Pose(pose.joints, known[None] > 0.5)
        return model(image, seen, wanted, empty).image[0] * mask

    known = pose.visible[0].float()
    truth = someone.images([target])[0] * mask
    costs = answer(paint, known, list(trials.GROUPS.values()), truth) / mask.mean()
    figure, axes = _axes(4.2)
    axes.barh(list(trials.GROUPS), costs.tolist(), color=LOOKS[0][0])
    axes.invert_yaxis()
    axes.axvline(0, color="#444444", linewidth=1.2)
    axes.set_xlabel("growth of the mean absolute error within the person", fontsize=LETTERS)
    told = ", ".join(f"{name} {cost:+.3f}" for name, cost in zip(trials.GROUPS, costs.tolist()))
    return Plot(figure, f"What hidden joints of the source cost: {told}.")
