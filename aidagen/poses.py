"""Human poses of 18 joints: their names, and the maps a network sees them as.

The order is that of OpenPose's COCO model, in which Deformable GANs (Siarohin et al., CVPR 2018)
and PG2 (Ma et al., NeurIPS 2017) are trained. Joints are (x, y) in [-1, 1], -1 and 1 at the centres
of the first and last pixel, as everywhere (`aidagen.grids`); they may lie outside the picture.
Left and right are the person's own. A joint that is not ``visible`` is not known: its coordinates
are never read, except that they must be numbers.

Letters: B people, H W pixels of the picture.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

JOINTS = (
    "nose", "neck",
    "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "left eye", "right eye", "left ear", "right ear",
)  # fmt: skip
NUMBER = {name: i for i, name in enumerate(JOINTS)}
MIRRORED = tuple(  # the joint that each joint becomes when the picture is mirrored
    NUMBER[name.replace("left", "?").replace("right", "left").replace("?", "right")]
    for name in JOINTS
)


def numbers(*names: str) -> list[int]:
    """Where joints stand in the order: ``numbers("neck", "left ear")`` is [1, 16]."""
    return [NUMBER[name] for name in names]


class Pose(NamedTuple):
    """The poses of B people."""

    joints: Float[Tensor, "B 18 2"]  # (x, y) in [-1, 1]
    visible: Bool[Tensor, "B 18"]  # whether the joint is known

    def pixels(self, height: int, width: int) -> Float[Tensor, "B 18 2"]:
        """The joints as (x, y) in pixels, 0 at the centre of the first one."""
        return (self.joints + 1) / 2 * self.joints.new_tensor([width - 1, height - 1])

    def mirrored(self) -> "Pose":
        """The poses in the mirrored picture: sides exchanged and x negated."""
        order = list(MIRRORED)
        return Pose(self.joints[:, order] * self.joints.new_tensor([-1, 1]), self.visible[:, order])


def from_pixels(
    joints: Float[Tensor, "B 18 2"], visible: Bool[Tensor, "B 18"], height: int, width: int
) -> Pose:
    """The poses whose joints are (x, y) in pixels of a picture of that size."""
    return Pose(joints / joints.new_tensor([width - 1, height - 1]) * 2 - 1, visible)


# --- the maps ------------------------------------------------------------------------------------


def heatmaps(pose: Pose, height: int, width: int, sigma: float = 6.0) -> Float[Tensor, "B 18 H W"]:
    """One Gaussian of ``sigma`` pixels per joint, 1 at its place; zeros for a joint not visible."""
    # exp(-|z - p|^2 / (2 sigma^2)) is a product of one factor in x and one in y
    x, y = pose.pixels(height, width)[..., None].unbind(2)  # (B, 18, 1) each
    bumps = [
        torch.exp(-((torch.arange(size, device=p.device) - p) ** 2) / (2 * sigma**2))
        for p, size in ((y, height), (x, width))
    ]
    known = pose.visible[:, :, None, None]
    return bumps[0][..., :, None] * bumps[1][..., None, :] * known  # (B, 18, H, W)


def discs(pose: Pose, height: int, width: int, radius: float = 4.0) -> Float[Tensor, "B 18 H W"]:
    """One disc per joint: 1 within ``radius`` pixels of it; zeros for a joint not visible."""
    # exp(-d^2 / (2 r^2)) > exp(-1 / 2) where d < r
    return (heatmaps(pose, height, width, sigma=radius) > math.exp(-0.5)).to(pose.joints.dtype)


class Alongside(NamedTuple):
    """Where every pixel lies with respect to N segments; lengths in pixels."""

    along: Float[Tensor, "B N H W"]  # from the start, in the segment's direction
    across: Float[Tensor, "B N H W"]  # beside the line, with a sign
    length: Float[Tensor, "B N 1 1"]


def alongside(
    start: Float[Tensor, "B N 2"], end: Float[Tensor, "B N 2"], height: int, width: int
) -> Alongside:
    """Pixels in the frame of each segment; all numbers are zero for one of no length."""
    offset = end - start
    length = offset.norm(dim=-1, keepdim=True)
    direction = torch.where(length > 0, offset / length, torch.zeros_like(offset))
    (u, v), (x0, y0) = (t[..., None, None].unbind(2) for t in (direction, start))  # (B, N, 1, 1)
    x = torch.arange(width, device=start.device, dtype=start.dtype) - x0  # (B, N, 1, W)
    y = torch.arange(height, device=start.device, dtype=start.dtype)[:, None] - y0
    return Alongside(u * x + v * y, u * y - v * x, length[..., None])


_SIDE = ("ankle", "knee", "hip", "shoulder", "elbow", "wrist")
_TORSO = numbers("right hip", "right shoulder", "left shoulder", "left hip")


def stickman(pose: Pose, height: int, width: int) -> Float[Tensor, "B 3 H W"]:
    """A figure of sticks two pixels wide: right side, left side, torso (Esser et al., CVPR 2018).

    Neck and eyes are drawn at 0.5, everything else at 1. A stick needs both of its ends.
    """
    points, known = pose.pixels(height, width), pose.visible
    # the neck stick begins between the shoulders, wherever the neck was found
    shoulders = numbers("right shoulder", "left shoulder")
    points = torch.cat([points, points[:, shoulders].mean(1, keepdim=True)], dim=1)
    known = torch.cat([known, known[:, shoulders].all(1, keepdim=True)], dim=1)
    middle, nose = len(JOINTS), NUMBER["nose"]
    maps = []
    for side in ("right", "left"):
        limbs = numbers(*(f"{side} {joint}" for joint in _SIDE))
        body = _sticks(points, known, list(zip(limbs, limbs[1:])), height, width)
        head = [(middle, nose), (nose, NUMBER[f"{side} eye"])]
        head = _sticks(points, known, head, height, width)
        maps.append(torch.where(body, 1.0, 0.5 * head.to(points.dtype)))
    torso = _quadrilateral(points[:, _TORSO], height, width)
    maps.append((torso & known[:, _TORSO].all(1)[:, None, None]).to(points.dtype))
    return torch.stack(maps, dim=1)


def _sticks(points: Tensor, known: Tensor, pairs: list, height: int, width: int) -> Tensor:
    """(B, H, W) bool: the pixels within one of the segments, for which both ends are known."""
    start, end = (list(x) for x in zip(*pairs))
    z = alongside(points[:, start], points[:, end], height, width)
    inside = (z.along >= 0) & (z.along <= z.length) & (z.across.abs() <= 1)
    return (inside & (known[:, start] & known[:, end])[..., None, None]).any(1)


def _quadrilateral(corners: Tensor, height: int, width: int) -> Tensor:
    """(B, H, W) bool: an even-odd test against the four edges."""
    y = torch.arange(height, device=corners.device, dtype=corners.dtype)[:, None]
    x = torch.arange(width, device=corners.device, dtype=corners.dtype)
    inside = torch.zeros(len(corners), height, width, dtype=torch.bool, device=corners.device)
    for a, b in zip(corners.unbind(1), corners.roll(-1, 1).unbind(1)):  # (B, 2) each
        (x0, y0), (x1, y1) = (t[:, :, None, None].unbind(1) for t in (a, b))
        crosses = (y0 > y) != (y1 > y)
        slope = (x1 - x0) / torch.where(y1 == y0, torch.ones_like(y0), y1 - y0)
        inside ^= crosses & (x < x0 + slope * (y - y0))
    return inside


# bones between joints by number, and lines that close the torso and the head
_BONES = [
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12),
    (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (1, 16), (1, 17), (8, 11), (11, 5),
    (8, 2), (16, 17),
]  # fmt: skip


def person_mask(
    pose: Pose, height: int, width: int, radius: float = 4.0
) -> Float[Tensor, "B 1 H W"]:
    """1 where the person is, as far as joints tell: limbs of ``radius`` pixels, with holes closed.

    The mask of PG2's pose-mask loss and of the papers' masked scores (closed by 5 x 5 pixels).
    """
    points = pose.pixels(height, width)
    start, end = (list(x) for x in zip(*_BONES))
    z = alongside(points[:, start], points[:, end], height, width)
    inside = (z.along >= 0) & (z.along <= z.length) & (z.across.abs() <= radius)
    known = (pose.visible[:, start] & pose.visible[:, end])[..., None, None]
    mask = (inside & known & (z.length > 0)).any(1) | discs(pose, height, width, radius).any(1)
    mask = F.max_pool2d(mask[:, None].to(points.dtype), 5, 1, 2)
    return -F.max_pool2d(-mask, 5, 1, 2)
