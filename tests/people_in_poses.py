"""Poses and batches of people who are noise: what tests of pose-guided models are given."""

from typing import NamedTuple

import torch

from aidagen import poses
from aidagen.poses import Pose

FIGURE = (  # (x, y) in pixels of 128 x 64, in the order of `poses.JOINTS`: standing, seen frontally
    (32.0, 16.0), (32.0, 26.0), (23.0, 27.0), (19.0, 42.0), (17.0, 57.0), (41.0, 27.0),
    (46.0, 43.0), (47.0, 58.0), (26.0, 60.0), (25.0, 84.0), (24.0, 108.0), (38.0, 60.0),
    (39.0, 85.0), (42.0, 107.0), (34.0, 14.0), (30.0, 14.0), (38.0, 16.0), (27.0, 16.0),
)  # fmt: skip


def figures(count: int, spread: float = 0.0, lost: float = 0.0, seed: int = 0) -> Pose:
    """Standing figures, each joint moved by noise of ``spread`` pixels; some are ``lost``."""
    generator = torch.Generator().manual_seed(seed)
    joints = torch.tensor(FIGURE) + spread * torch.randn(count, 18, 2, generator=generator)
    visible = torch.rand(count, 18, generator=generator) >= lost
    return poses.from_pixels(joints, visible, 128, 64)


class Pair(NamedTuple):
    """As `aidagen.datasets.pose_pairs` draws them."""

    source: torch.Tensor
    target: torch.Tensor
    source_joints: torch.Tensor
    source_known: torch.Tensor
    target_joints: torch.Tensor
    target_known: torch.Tensor
    backdrop: torch.Tensor | None

    @property
    def target_pose(self) -> Pose:
        return Pose(self.target_joints, self.target_known)


def batch(count: int, backdrop: bool = False, seed: int = 0) -> Pair:
    """Pictures of noise in different poses, with joints that lack here and there."""
    generator = torch.Generator().manual_seed(seed)
    source, target, behind = torch.rand(3, count, 3, 128, 64, generator=generator)
    old, new = (figures(count, 3.0, 0.1, seed + i) for i in (1, 2))
    return Pair(source, target, *old, *new, behind if backdrop else None)
