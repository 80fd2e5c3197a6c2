"""What a judge sees in lecture 03's pictures, and how near deformed features are to the truth.

Joints come from the judge of the table `people` (extra `judges`); where there is none, functions
that need it return None or say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import metrics
from aidagen.errors import AidagenError
from aidagen.evaluation.people import Bodies
from aidagen.lectures.deformable_gans import figures, showcase
from aidagen.lectures.deformable_gans.figures import TALL, WIDE
from aidagen.lectures.deformable_gans.showcase import Someone
from aidagen.metrics import Interval
from aidagen.models import deformable_gan_geometry as geometry
from aidagen.pixels import as_bytes
from aidagen.poses import NUMBER, Pose

SHOULDERS = [NUMBER["right shoulder"], NUMBER["left shoulder"]]


# --- joints in pictures --------------------------------------------------------------------------


@cache
def judge() -> Bodies | None:
    """The pose judge of the table `people`; None where it is not installed or cannot be fetched."""
    try:
        return Bodies()
    except AidagenError:
        return None


def estimated(images: Float[Tensor, "N 3 H W"]) -> Pose | None:
    """The poses that the judge sees; joints that it does not find are not known."""
    if judge() is None:
        return None
    joints, _ = judge()(as_bytes(images))
    known = joints.isfinite().all(-1) & (joints.nan_to_num(2).abs() <= 1).all(-1)
    return Pose(joints.nan_to_num(0.0), known)


# --- the idea at work ----------------------------------------------------------------------------


class Nearer(NamedTuple):
    """Distances to the true picture's features within limbs, of N pairs, by level."""

    deformed: Float[Tensor, "N levels"]
    plain: Float[Tensor, "N levels"]

    def shares(self) -> list[Interval]:
        """For each level: the distance of deformed features as a share of that of plain ones, as
        a mean over pairs, with its 95 % interval."""
        return [metrics.bootstrap(column.tolist()) for column in (self.deformed / self.plain).T]


@torch.no_grad()
def limb_distances(
    model: nn.Module,
    group: Sequence[Someone],
    read: str = "own",
) -> Nearer:
    """How far the features in the skips are from those of the true picture, within limbs.

    The skips of the source, as the decoder's ReLU lets them through, against the features that the
    same encoder finds in the true target picture: mean distance over the pixels of the person that
    lie in a limb's mask. ``read``: "own" maps of the limbs, or, as a control, "other": the maps of
    the limb on the other side.
    """
    rows: dict[str, list] = {"deformed": [], "plain": []}
    skips = model.generator.skips
    for someone in group:
        target = figures.farthest(someone, 180.0)
        pair = someone.pose([someone.source]), someone.pose([target])
        both = [someone.source, target]
        levels = model.encode(
            someone.images(both), someone.pose(both), someone.backdrops([target, target])
        ).levels[: model.config.deformed]
        maps, masks = skips.maps(*pair)
        where = masks[:, 2:].amax(1, keepdim=True) * someone.masks([target])
        if where.sum() < 100:
            continue
        if read == "other":
            maps = maps[:, [0, 1, *(2 + i for i in geometry.OTHER_SIDE)]]
        moved = skips(tuple(x[:1] for x in levels), maps, masks)
        for name, of_source in (("deformed", moved), ("plain", [x[:1] for x in levels])):
            rows[name].append([_distance(a, x[1:], where) for a, x in zip(of_source, levels)])
    return Nearer(*(torch.tensor(rows[name]) for name in Nearer._fields))


def _distance(
    a: Float[Tensor, "1 C h w"], b: Float[Tensor, "1 C h w"], where: Float[Tensor, "1 1 H W"]
) -> float:
    h, w = a.shape[2:]
    inside = where[..., :: TALL // h, :: WIDE // w]
    far = (a.relu() - b.relu()).norm(dim=1, keepdim=True)
    return float((far * inside).sum() / inside.sum().clamp(min=1))


# --- proportions ---------------------------------------------------------------------------------


def legs(pose: Pose) -> Float[Tensor, " N"]:
    """The length of the legs as a multiple of the torso's, in the picture; NaN where joints are not
    known. A leg is thigh and shin; the torso reaches from the hips' middle to the neck. A torso
    that is seen from above or bent (shorter than a sixth of the picture's height) says nothing."""
    points = pose.pixels(TALL, WIDE)
    hips = [NUMBER["right hip"], NUMBER["left hip"]]
    torso = (points[:, SHOULDERS].mean(1) - points[:, hips].mean(1)).norm(dim=-1)
    lengths, seen = [], []
    for side in ("right", "left"):
        way = [NUMBER[f"{side} {joint}"] for joint in ("hip", "knee", "ankle")]
        lengths.append((points[:, way[1:]] - points[:, way[:-1]]).norm(dim=-1).sum(-1))
        seen.append(pose.visible[:, way].all(-1))
    length, there = torch.stack(lengths), torch.stack(seen).float()
    found = (length * there).sum(0) / there.sum(0) / torso
    usable = there.any(0) & (torso > TALL / 6) & pose.visible[:, SHOULDERS + hips].all(-1)
    return torch.where(usable, found, torch.nan)


def middle(values: Float[Tensor, " N"]) -> Interval:
    """The mean over those that are numbers, with its 95 % interval."""
    return metrics.bootstrap(values[values.isfinite()].tolist())


class Proportions(NamedTuple):
    """Legs as multiples of the torso, of one person who is driven by another one."""

    someone: Someone
    driving: showcase.Driving
    own: Interval  # exact, over the person's pictures
    driver: Interval  # exact, over the driving frames
    own_judged: Interval | None  # as the judge reads the person's true pictures
    painted: Interval | None  # as it reads what was painted


def short_and_long(group: Sequence[Someone]) -> tuple[Someone, showcase.Driving]:
    """The person with the shortest legs for their torso, and the driving clip of whoever has the
    longest, both by the mean over pictures."""

    def mean(pose: Pose, otherwise: float) -> float:
        values = legs(pose)
        return float(values.nanmean()) if values.isfinite().any() else otherwise

    someone = min(group, key=lambda one: mean(one.pose(one.album.usable), torch.inf))
    return someone, max(showcase.drivers(), key=lambda one: mean(one.pose, -torch.inf))


def proportions(model: nn.Module, group: Sequence[Someone], every: int = 1) -> Proportions:
    """Whose legs the painted person has."""
    someone, driving = short_and_long(group)
    pose = Pose(driving.pose.joints[::every], driving.pose.visible[::every])
    own = someone.pose(someone.album.usable)
    read: list[Interval | None] = [None, None]
    if judge() is not None:
        made = showcase.posed(model, someone, pose)
        for i, images in enumerate((someone.images(someone.album.usable), made)):
            values = legs(estimated(images))
            read[i] = middle(values) if values.isfinite().sum() > 1 else None
    return Proportions(someone, driving, middle(legs(own)), middle(legs(pose)), *read)
