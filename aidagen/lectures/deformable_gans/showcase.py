"""Lecture 03's people, chosen by rules that were fixed before anybody looked.

The source of a person is the first of the sixteen pictures in which hips and shoulders are known.
The person of the showcase is the one of median difficulty among the 24 test people, none of whom
any model has seen: the mean absolute error of the picture, painted in the poses of two others of
the person's pictures (of an even number, the lower of the two in the middle). The clip that drives
is the test clip of `bodies` in which most joints are seen, of those that fit a tall picture.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from aidagen import datasets, pixels, zoo
from aidagen.datasets import people as people_set
from aidagen.datasets.layout import Clip
from aidagen.datasets.pose_pairs import Album, album
from aidagen.poses import JOINTS, NUMBER, Pose

NAME = "deformable-gan-people-128"
OTHERS = {
    "ten parts, L1": "deformable-gan-people-128-l1",
    "one map, fitted": "deformable-gan-people-128-full",
    "one map, learned": "deformable-gan-people-128-stn",
    "plain skips": "deformable-gan-people-128-none",
    "two stages (PG2)": "pg2-people-128",
}
TOP, BOTTOM = 0.17, 0.9  # where noses and ankles lie in the set's pictures, as shares of the height


class Someone(NamedTuple):
    """A person and all pictures of them."""

    clip: Clip
    album: Album
    empty: Float[Tensor, "2 3 H W"]  # both places without the person
    parts: Int[Tensor, "T H W"]  # which part of the body each pixel shows, 0 for none

    @property
    def source(self) -> int:
        """The picture that is given to the models."""
        return self.album.usable[0]

    @property
    def others(self) -> list[int]:
        """The pictures whose poses can be asked for."""
        return self.album.usable[1:]

    def images(self, which: list[int]) -> Float[Tensor, "N 3 H W"]:
        """Pictures by their numbers."""
        return pixels.as_floats(self.album.images[which])

    def pose(self, which: list[int]) -> Pose:
        """Poses of pictures by their numbers."""
        return Pose(self.album.joints[which], self.album.known[which])

    def backdrops(self, which: list[int]) -> Float[Tensor, "N 3 H W"]:
        """The empty places of pictures by their numbers."""
        return self.empty[self.album.camera[which].long()]

    def masks(self, which: list[int]) -> Float[Tensor, "N 1 H W"]:
        """1 where the person is."""
        return (self.parts[which] > 0).float()[:, None]


@cache
def people() -> list[Someone]:
    """The test people of whom there are two pictures to pair; read once."""
    found = []
    for clip in people_set.load().clips("test"):
        one = album(clip)
        if len(one.usable) > 1:
            empty = torch.from_numpy(people_set.backdrops(clip)).permute(0, 3, 1, 2).float()
            parts = torch.from_numpy(np.array(clip.labels()["parts"])).long()
            found.append(Someone(clip, one, empty, parts))
    return found


def model(device: str = "cpu") -> nn.Module:
    """The lecture's model, without gradients."""
    return zoo.load(NAME, device).requires_grad_(False)


def other(words: str, device: str = "cpu") -> nn.Module:
    """The model of `OTHERS` with this name, without gradients."""
    return zoo.load(OTHERS[words], device).requires_grad_(False)


@torch.no_grad()
def paint(model: nn.Module, someone: Someone, targets: list[int], source: int | None = None) -> Any:
    """A person in the poses and before the backdrops of other pictures; the model's rendering."""
    one = [someone.source if source is None else source] * len(targets)
    return model(
        someone.images(one), someone.pose(one), someone.pose(targets), someone.backdrops(targets)
    )


@torch.no_grad()
def posed(
    model: nn.Module, someone: Someone, pose: Pose, source: int | None = None
) -> Float[Tensor, "T 3 H W"]:
    """A person in any poses, before the backdrop of the source."""
    one = [someone.source if source is None else source]
    encoded = model.encode(someone.images(one), someone.pose(one), someone.backdrops(one))
    # a few at a time, to save memory
    chunks = zip(pose.joints.split(8), pose.visible.split(8), strict=True)
    return torch.cat([model.render(encoded, Pose(*chunk)).image for chunk in chunks])


def two_of(someone: Someone) -> list[int]:
    """Two poses to judge a person by: in the middle of the others, and the last one."""
    others = someone.others
    return [others[len(others) // 2], others[-1]]


def difficulty(model: nn.Module, someone: Someone) -> float:
    """The mean absolute error over two pictures of a person."""
    targets = two_of(someone)
    made = paint(model, someone, targets).image
    return float((made - someone.images(targets)).abs().mean())


def chosen(model: nn.Module) -> Someone:
    """The person of median difficulty."""
    errors = [difficulty(model, someone) for someone in people()]
    return people()[int(np.argsort(errors, kind="stable")[(len(errors) - 1) // 2])]


# --- poses that move -----------------------------------------------------------------------------


class Driving(NamedTuple):
    """Somebody who moves before a still camera."""

    clip: Clip
    frames: Float[Tensor, "T 3 S S"]
    pose: Pose  # of T poses, in the frame of the pictures that the models know
    fits: bool  # whether the figure is at least nine tenths as tall as the set's people are


def of_bodies(clip: Clip, width: float = 1.88) -> Driving:
    """A clip of the set `bodies` as poses that fill a picture of 128 x 64.

    All frames are moved and enlarged alike, so that noses and ankles lie where they lie in the set
    `people`, and no joint beyond ``width`` of the picture's 2.
    """
    labels = clip.labels()
    names = clip_joints()
    joints = torch.from_numpy(np.array(labels["joints"], np.float32))
    seen = torch.from_numpy(np.array(labels["visible"]))
    order = [names.index(name) if name in names else names.index("nose") for name in JOINTS]
    joints, seen = joints[:, order], seen[:, order]
    shoulders = [NUMBER["right shoulder"], NUMBER["left shoulder"]]
    joints[:, NUMBER["neck"]] = joints[:, shoulders].mean(1)
    seen[:, NUMBER["neck"]] = True
    # units of the square picture: half its side; those of the tall one: 1 in y, twice that in x
    x, y = joints.unbind(-1)
    scale = 2 * (BOTTOM - TOP) / float(y.max(1).values.mean() - y[:, 0].mean())
    widest = width / 2 / float(x.max() - x.min())
    fits, scale = widest >= 0.9 * scale, min(scale, widest)
    middle = float(x.max() + x.min()) / 2
    low = float(y.max(1).values.mean())
    moved = torch.stack([2 * scale * (x - middle), scale * (y - low) + 2 * BOTTOM - 1], dim=-1)
    told = people_set.told(moved.numpy(), seen.numpy())
    inside = (moved.abs() <= 1).all(-1)
    frames = pixels.as_floats(clip.frames())
    return Driving(clip, frames, Pose(moved, torch.from_numpy(told) & inside), fits)


@cache
def clip_joints() -> list[str]:
    """The names of the joints of the set `bodies`, in its order."""
    return list(datasets.load("bodies").info["joints"])


@cache
def drivers() -> list[Driving]:
    """The test clips of `bodies` that fit a tall picture; no model has seen people or motions."""
    found = [of_bodies(clip) for clip in datasets.load("bodies").clips("test")]
    return [one for one in found if one.fits]


def driver() -> Driving:
    """The clip in which most joints are seen."""
    return max(drivers(), key=lambda one: float(one.pose.visible.float().mean()))
