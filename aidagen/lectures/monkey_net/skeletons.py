"""One body's joints on another body: what goes wrong before any network is asked.

The joints of rendered people are exact, so no detector can be blamed. Points are (x, y) in [-1, 1];
pictures are floats in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from aidagen import datasets, metrics
from aidagen.lectures.monkey_net import sheets
from aidagen.metrics import Interval
from aidagen.widgets import overlays, skeletons

WAYS = ("as they are", "relative", "relative, to scale")
COLOURS = {"driving": "#56B4E9", "source": "#009E73", "put": "#E69F00"}
CLEAR = 0.12  # a shorter bone points at the camera; its length in the picture says little

Put = Callable[..., Float[np.ndarray, "J 2"]]  # put(way, p_source, p_t, p_1): where joints go


class People(NamedTuple):
    """The test people: frames, exact joints, and which joints a bone connects."""

    frames: list[Float[Tensor, "T 3 H W"]]
    joints: list[Float[np.ndarray, "T J 2"]]
    bones: list[tuple[int, int]]


class Pair(NamedTuple):
    """One person's clip drives one frame of another; ``apart`` says how unlike they begin."""

    source: int
    frame: int  # of the source's clip, the one whose pose is nearest to the driving clip's first
    driving: int
    apart: float


def people() -> People:
    """The people of the test split of ``bodies``, whom no model has seen."""
    clip_set = datasets.load("bodies")
    clips = clip_set.clips("test")
    return People(
        [clip.frames().float() / 255 for clip in clips],
        [clip.labels()["joints"].astype(float) for clip in clips],
        skeletons.bones(clip_set.info["joints"]),
    )


def centred(points: Float[np.ndarray, "*T J 2"]) -> Float[np.ndarray, "*T J 2"]:
    """Poses without place and size: joints around their mean, at a spread of one."""
    points = points - points.mean(-2, keepdims=True)
    return points / np.sqrt((points**2).sum(-1, keepdims=True).mean(-2, keepdims=True))


def pairs(group: People, count: int = 24) -> list[Pair]:
    """The ``count`` pairs of different people that can begin in the most similar poses."""
    found = []
    for source, own in enumerate(group.joints):
        for driving, other in enumerate(group.joints):
            if source != driving:
                apart = np.linalg.norm(centred(own) - centred(other[0]), axis=-1).mean(-1)
                found.append(Pair(source, int(apart.argmin()), driving, float(apart.min())))
    return sorted(found, key=lambda pair: pair.apart)[:count]


def worst(group: People, chosen: list[Pair], put: Put) -> Pair:
    """The pair whose bones are changed most if joints are put as they are."""
    return max(chosen, key=lambda pair: bone_error(put, WAYS[0], group, pair))


def bone_error(put: Put, way: str, group: People, pair: Pair) -> float:
    """Median over bones and frames of |length / right length - 1|.

    The right length of a source's bone at time t is its own, times what became of the driving
    bone's since the first frame: that takes foreshortening into account. Short bones are left out.
    """
    own, driven = group.joints[pair.source][pair.frame], group.joints[pair.driving]
    moved = np.stack([put(way, own, p, driven[0]) for p in driven])
    l_own, l_first, l_t, l_moved = (
        skeletons.bone_lengths(p, group.bones) for p in (own, driven[0], driven, moved)
    )
    right = l_own * l_t / l_first.clip(1e-3)
    usable = (l_own > CLEAR) & (l_first > CLEAR) & (l_t > CLEAR / 2)
    return float(np.median(np.abs(l_moved / right.clip(1e-3) - 1)[usable]))


def bone_errors(put: Put, group: People, chosen: list[Pair]) -> dict[str, Interval]:
    """For each of `WAYS` the mean of `bone_error`, in per cent, with its interval over pairs."""
    return {
        way: metrics.bootstrap([100 * bone_error(put, way, group, pair) for pair in chosen])
        for way in WAYS
    }


def sheet(put: Put, group: People, pair: Pair, size: int = 256) -> Image.Image:
    """Two rows: the driving skeleton, the source's own, and the source with each of `WAYS`.

    The first row is the first driving frame, the second the one that is farthest from it.
    """
    driven, own = group.joints[pair.driving], group.joints[pair.source][pair.frame]
    picture = group.frames[pair.source][pair.frame]
    far = int(np.abs(driven - driven[0]).mean((1, 2)).argmax())
    cells, labels = [], []

    def draw(frame: Tensor, points: np.ndarray, colour: str, label: str) -> None:
        large = overlays.enlarge(frame, size)
        pixels = frame.shape[-1]
        cells.append(skeletons.draw_skeleton(large, points, group.bones, pixels, colour))
        labels.append(label)

    for t in (0, far):
        draw(group.frames[pair.driving][t], driven[t], COLOURS["driving"], f"driving, {t + 1}")
        draw(picture, own, COLOURS["source"], "source, its own")
        for way in WAYS:
            draw(picture, put(way, own, driven[t], driven[0]), COLOURS["put"], way)
    return sheets.sheet(cells, 5, labels)
