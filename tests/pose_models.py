"""Small models of people in poses with fresh weights, and two rendered people to pose."""

from dataclasses import replace

import torch

from aidagen.models.deformable_gan import DeformableGAN, DeformableGANConfig
from aidagen.models.pg2 import PG2, PG2Config
from aidagen.poses import Pose

SMALL = DeformableGANConfig(
    channels=6, max_channels=24, background=True, norm="instance", disc_channels=8
)


def model(warp="mask", seed=0, **changes):
    """A small Deformable GAN; the same seed gives the same weights."""
    torch.manual_seed(seed)
    return DeformableGAN(replace(SMALL, warp=warp, **changes)).eval()


def two_stages(seed=0):
    """A small PG2."""
    torch.manual_seed(seed)
    return PG2(PG2Config(channels=4, bottleneck=8, background=True)).eval()


def people(count=2):
    """Name, picture, pose and backdrop of people of the test split; all their joints are known."""
    from aidagen import datasets
    from aidagen.datasets import people as pack
    from aidagen.datasets.pose_pairs import album

    found = []
    for name, clip in zip(("Ada", "Ben", "Cleo"), datasets.load("people").clips("test")[:count]):
        pictures = album(clip)
        k = pictures.usable[0]
        backdrop = torch.from_numpy(pack.backdrops(clip)[int(pictures.camera[k])])
        joints = pictures.joints[k : k + 1]
        pose = Pose(joints, (joints.abs() <= 1).all(-1))
        image = pictures.images[k].float() / 255
        found.append((name, image, pose, backdrop.permute(2, 0, 1).float()))
    return found


def clip(count=6):
    """A pose of the test split that raises its arm from moment to moment: T poses."""
    _, _, pose, _ = people(1)[0]
    joints = pose.joints.repeat(count, 1, 1)
    joints[:, 7, 1] -= torch.linspace(0, 0.6, count)  # the left wrist
    return Pose(joints, pose.visible.repeat(count, 1))
