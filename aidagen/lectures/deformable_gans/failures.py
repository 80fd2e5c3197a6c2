"""Badly generated pictures, sorted by the slides' causes, by a rule and not by hand.

For each pair of the test people four numbers say how much of each cause there is (`CAUSES`), and
each is turned into its rank among all pairs. The worst quarter of the pictures is looked at; each
of them is put under the cause in which it ranks highest, or under none if it is in no upper
quarter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import markdown
from aidagen.datasets import people as people_set
from aidagen.lectures.deformable_gans import judging, sheets
from aidagen.lectures.deformable_gans.showcase import Someone
from aidagen.poses import Pose
from aidagen.widgets import overlays

CAUSES = {
    "pose errors": "pixels between the judge's joints of the target and the exact ones",
    "ambiguous pose": "joints of the target that are hidden, of 18",
    "rare appearance": "how rare hat, bag and clothes are in training, in bits",
    "rare pose": "distance of the target's joints to the nearest training pose, in pixels",
}
WORN = ("pattern", "trousers", "over", "jacket", "hat", "bag")
UPPER = 0.75  # ranks above are high


class Case(NamedTuple):
    """One painted picture."""

    someone: Someone
    target: int
    image: Float[Tensor, "3 H W"]
    error: float  # mean absolute error within the person
    amounts: dict[str, float]  # of each cause; NaN where it is not known


class Sorted(NamedTuple):
    """All cases, the worst of them by cause, worst first, and how causes go with the error."""

    cases: list[Case]
    worst: dict[str, list[Case]]
    correlation: dict[str, float]  # Spearman's, over all cases; NaN where it is not known


@cache
def _training() -> tuple[Float[Tensor, "M 18 2"], dict[str, Counter], int]:
    """Joints of all training pictures, how often everything is worn, and by how many people."""
    clips = people_set.load().clips("train")
    joints = np.concatenate([clip.labels()["joints"] for clip in clips])
    worn = {key: Counter(str(clip.entry[key]) for clip in clips) for key in WORN}
    return torch.from_numpy(np.array(joints, np.float32)), worn, len(clips)


def rarity(entry: Mapping[str, Any]) -> float:
    """How surprising it is what somebody wears: the sum over `WORN` of -log2 of the share of the
    training people who wear the same (those who are unknown count as half a person)."""
    _, worn, count = _training()
    shares = [max(worn[key][str(entry[key])], 0.5) / count for key in WORN]
    return float(-np.log2(shares).sum())


def strangeness(joints: Float[Tensor, "18 2"]) -> float:
    """The mean distance of joints to those of the nearest training pose, in pixels of 128 x 64."""
    scale = torch.tensor([31.5, 63.5])
    away = ((_training()[0] - joints) * scale).norm(dim=-1).mean(-1)
    return float(away.min())


@torch.no_grad()
def cases(model: nn.Module, group: Sequence[Someone], each: int) -> list[Case]:
    """``each`` pictures of every person, painted from poses as the judge sees them.

    Targets are spread evenly over the person's other pictures. Without the judge, poses are exact
    and the first cause is not known.
    """
    found = []
    for someone in group:
        others = someone.others
        spread = np.linspace(0, len(others) - 1, min(each, len(others))).round().astype(int)
        targets = [others[i] for i in spread]
        exact, true = someone.pose(targets), someone.images(targets)
        seen, own = judging.estimated(true), someone.pose([someone.source] * len(targets))
        pose = exact
        if seen is not None:  # what the judge does not find at all is told exactly
            lost = ~seen.visible[:, judging.SHOULDERS].all(-1)
            known = torch.where(lost[:, None], exact.visible, seen.visible)
            pose = Pose(torch.where(lost[:, None, None], exact.joints, seen.joints), known)
        source = someone.images([someone.source] * len(targets))
        made = model(source, own, pose, someone.backdrops(targets)).image
        masks = someone.masks(targets)
        errors = ((made - true).abs().mean(1) * masks[:, 0]).flatten(1).sum(1)
        errors = errors / masks.flatten(1).sum(1)
        for i, target in enumerate(targets):
            amounts = {
                "pose errors": torch.nan if seen is None else _apart(seen, exact, i),
                "ambiguous pose": float((~exact.visible[i]).sum()),
                "rare appearance": rarity(someone.clip.entry),
                "rare pose": strangeness(exact.joints[i]),
            }
            found.append(Case(someone, target, made[i], float(errors[i]), amounts))
    return found


def _apart(seen: Pose, exact: Pose, i: int) -> float:
    """The mean distance of joints that both know, in pixels; NaN where there are none."""
    both = seen.visible[i] & exact.visible[i]
    away = (seen.joints[i] - exact.joints[i]) * torch.tensor([31.5, 63.5])
    return float(away.norm(dim=-1)[both].mean())


def ranks(values: Sequence[float]) -> Float[np.ndarray, " N"]:
    """From 0, the smallest, to 1, the largest; equal values share their mean rank; NaN stays."""
    from scipy.stats import rankdata

    array, known = np.array(values, float), np.isfinite(values)
    result = np.full(len(array), np.nan)
    if known.sum() > 1:
        result[known] = (rankdata(array[known]) - 1) / (known.sum() - 1)
    return result


def sort(found: list[Case]) -> Sorted:
    """The worst quarter of the cases by their causes."""
    from scipy.stats import spearmanr

    table = {name: ranks([case.amounts[name] for case in found]) for name in CAUSES}
    errors = np.array([case.error for case in found])
    order = np.argsort(-errors, kind="stable")[: max(1, len(found) // 4)]
    worst: dict[str, list[Case]] = {name: [] for name in (*CAUSES, "none of these")}
    for i in order:
        best = max(CAUSES, key=lambda name: np.nan_to_num(table[name][i], nan=-1))
        high = np.nan_to_num(table[best][i], nan=-1) > UPPER
        worst[best if high else "none of these"].append(found[i])
    correlation = {}
    for name, values in table.items():
        known = np.isfinite(values)
        enough = known.sum() > 2 and len(set(values[known])) > 1
        found_one = spearmanr(values[known], errors[known]).statistic if enough else np.nan
        correlation[name] = float(found_one)
    return Sorted(found, worst, correlation)


def told(found: Sorted) -> str:
    """How many of the worst pictures each cause has, as Markdown."""
    rows = []
    for name, own in found.worst.items():
        known = found.correlation.get(name, np.nan)
        rank = f"{known:+.2f}" if np.isfinite(known) else "–"
        rows.append((name, CAUSES.get(name, "–"), str(len(own)), rank))
    count = sum(len(own) for own in found.worst.values())
    heads = ("cause", "measured by", f"of the worst {count}", "rank correlation with the error")
    return markdown.table(heads, rows)


def sheet(found: Sorted, height: int = 288) -> Any:
    """The worst picture of each cause, three causes in a row: source, true, painted."""
    cells: list = []
    for name, own in found.worst.items():
        if own:
            someone, target, image, *_ = own[0]
            given = (someone.images([k])[0] for k in (someone.source, target))
            made = overlays.marked(sheets.enlarged(image, height))
            trio = [*(sheets.enlarged(one, height) for one in given), made]
            cells += sheets.captioned(trio, name)
    rows = {name: cells[9 * i : 9 * i + 9] for i, name in enumerate(("", " "))}
    heads = ["source", "true", "painted"] * min(3, len(cells) // 3)
    return sheets.table({name: row for name, row in rows.items() if row}, heads, height=height + 32)
