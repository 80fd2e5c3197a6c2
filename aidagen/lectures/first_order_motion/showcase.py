"""Lecture 05's example, chosen by a rule that was fixed before anybody looked.

The driving clip is the one of median difficulty among the 24 rendered test people: each clip is
rebuilt from its own first frame, and they are sorted by the error in the pixels that move, as a
share of copying that frame (of 24, the lower of the two in the middle). The sources are the next
three people in the order of the set, each in the frame whose head pose is nearest to that of the
first driving frame. A test holds `MEDIAN` to this rule (tests/test_lecture_05.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import animation, datasets, metrics, zoo
from aidagen.evaluation import clips
from aidagen.pixels import as_floats

NAME = "fomm-faces-128"
MEDIAN = 22  # which of the test clips drives
SOURCES = 3


class People(NamedTuple):
    """The rendered test people: for each one a clip and the head's pose in every frame."""

    frames: list[Float[Tensor, "T 3 S S"]]
    poses: list[Float[np.ndarray, "T 3"]]  # yaw, pitch, roll in degrees

    def facing(self, person: int, pose: Float[np.ndarray, " axes=3"]) -> Float[Tensor, "3 S S"]:
        """The frame of a person whose head pose is nearest to ``pose``."""
        return self.frames[person][int(np.abs(self.poses[person] - pose).sum(1).argmin())]

    def turning_most(self, count: int) -> list[int]:
        """The people whose heads turn furthest to the side, the furthest first."""
        yaws = [pose[:, 0] - pose[0, 0] for pose in self.poses]
        return np.argsort([-np.abs(yaw).max() for yaw in yaws], kind="stable")[:count].tolist()

    def widest_turn(self, person: int) -> int:
        """The frame, from 0, in which the head is turned furthest to the side since frame 0."""
        yaw = self.poses[person][:, 0]
        return int(np.abs(yaw - yaw[0]).argmax())


class Showcase(NamedTuple):
    """What the lecture animates."""

    people: People
    driving: Float[Tensor, "T 3 S S"]
    sources: list[Float[Tensor, "3 S S"]]


@cache
def people(data: str = "heads-128") -> People:
    """The test people of a rendered set of heads; read once."""
    test = datasets.load(data).clips("test")
    frames = [as_floats(clip.frames()) for clip in test]
    return People(frames, [clip.labels()["pose"].astype(float) for clip in test])


def chosen() -> Showcase:
    """The driving clip and the sources by the rule above."""
    everybody = people()
    pose = everybody.poses[MEDIAN][0]
    count = len(everybody.frames)
    sources = [everybody.facing((MEDIAN + i) % count, pose) for i in range(1, SOURCES + 1)]
    return Showcase(everybody, everybody.frames[MEDIAN], sources)


def difficulty(model: nn.Module, frames: Float[Tensor, "T 3 S S"]) -> float:
    """The error of a rebuilt clip in its moving pixels, as a share of copying the first frame."""
    truth, copy = frames[1:], frames[:1].expand(len(frames) - 1, -1, -1, -1)
    made = animation.animate(model, frames[0], truth, "absolute").cpu()
    errors = [clips.mean(metrics.l1_moving(x, truth, copy)) for x in (made, copy)]
    return errors[0] / errors[1]


def median(shares: Sequence[float]) -> int:
    """The place of the lower median."""
    return int(np.argsort(shares, kind="stable")[(len(shares) - 1) // 2])


def model(device: str = "cpu") -> nn.Module:
    """The lecture's model, without gradients."""
    return zoo.load(NAME, device).requires_grad_(False)


def column(sources: Sequence[Tensor], made: Sequence[Tensor], driving: Tensor) -> Tensor:
    """Frames of a film: the still sources above, the driving clip and what moves below.

    Returns (T, 3, 2 S, (1 + N) S), in [0, 1]; above the driving clip it is white.
    """
    blank = torch.ones_like(driving)
    above = [blank, *(s.expand_as(driving) for s in sources)]
    below = [driving, *made]
    return torch.cat([torch.cat(above, -1), torch.cat(below, -1)], -2)
