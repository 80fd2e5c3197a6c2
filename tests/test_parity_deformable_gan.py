"""Parity with the published Deformable GANs: poses, parts, deformed skips, losses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden_rule import Golden, image, normal

from aidagen import poses
from aidagen.kernels import parts
from aidagen.models import deformable_gan, deformable_gan_losses
from aidagen.models import deformable_gan_geometry as geometry

GEOMETRY, LAYERS = Golden("posegan_geometry"), Golden("posegan_layers")
SIZE = (128, 64)
PAIRS = [(0, 1), (2, 5)]


def pose_of(array, size=SIZE):
    """Stored joints (B, 18, 2), (y, x) in pixels and -1 where missing, as our poses."""
    array = torch.as_tensor(array)
    return poses.from_pixels(array.flip(-1).double(), (array >= 0).all(-1), *size)


def stored(numbers, size=SIZE):
    """Some of the six poses; those of 256 pixels are stretched."""
    array = GEOMETRY["poses"][list(numbers)]
    stretched = array * torch.tensor([size[0] // 128, size[1] // 64])
    return pose_of(torch.where(array >= 0, stretched, -1), size)


def pairs(size=SIZE):
    source, target = zip(*PAIRS)
    return stored(source, size), stored(target, size)


def flat(maps):
    """(..., 2, 3) as the eight numbers of a projective map."""
    return F.pad(maps.flatten(-2), (0, 2))


def check_maps(found, key):
    """At 1000 pixels a float32 is good to 6e-5, so the tolerance is relative there."""
    np.testing.assert_allclose(found.numpy(), GEOMETRY[key].numpy(), atol=2e-5, rtol=2e-7)


def test_parity_deformable_gan_part_maps():
    """All 36 pairs of six poses, those with missing joints included; other size; no length."""
    source = stored(np.repeat(range(6), 6))
    target = stored(np.tile(range(6), 6))
    maps = geometry.part_maps(source, target, *SIZE).unflatten(0, (6, 6))
    check_maps(flat(maps), "transforms")
    assert (GEOMETRY["transforms"][..., 2] == geometry.AWAY).float().mean() > 0.1
    whole = geometry.whole_map(source, target, *SIZE)[:, 0].unflatten(0, (6, 6))
    check_maps(flat(whole), "uniform_transforms")
    body, _ = geometry.bodies(stored(range(6)), stored(range(6)), *SIZE)
    GEOMETRY.check(body.scale, "st_distance")
    check_maps(flat(geometry.part_maps(*pairs((256, 256)), 256, 256)), "transforms_256")
    shut = GEOMETRY["poses"][:1].clone()
    shut[:, 4] = shut[:, 3]  # the right wrist lies on the elbow
    maps = geometry.part_maps(pose_of(shut), stored([1]), *SIZE)[0]
    check_maps(flat(maps), "zero_length_source_limb_transforms")


def test_parity_deformable_gan_part_masks():
    """Every pixel of every mask."""
    every, large = stored(range(6)), stored([1, 5], (256, 256))
    masks = geometry.part_masks(every, every, *SIZE)
    assert torch.equal(masks, GEOMETRY["masks"].float())
    masks = geometry.part_masks(large, large, 256, 256)
    assert torch.equal(masks, GEOMETRY["masks_256"].float())


def test_parity_deformable_gan_pose_maps():
    """Heat maps to rounding; sticks and mask of the person up to pixels on an edge."""
    every = stored(range(6))
    bumps = poses.heatmaps(every, *SIZE).permute(0, 2, 3, 1)
    GEOMETRY.check(bumps, "heatmaps@s4x4x1")
    sticks = 2 * poses.stickman(every, *SIZE).permute(0, 2, 3, 1)
    wanted = GEOMETRY["stickman_times_two"]
    assert (sticks != wanted).flatten(1).sum(1).max() <= 50  # of more than 700 that are drawn
    assert (wanted > 0).flatten(1).sum(1).min() > 700
    mask = poses.person_mask(every, *SIZE)[:, 0]
    assert (mask != GEOMETRY["limb_mask"]).flatten(1).sum(1).max() <= 15
    assert GEOMETRY["limb_mask"].flatten(1).sum(1).min() > 1200


def level(height):
    return torch.stack([2 * image(n, height, height // 2, 4) - 1 for n in (161, 162)])


@pytest.mark.parametrize("height", [128, 64, 32, 16])
@pytest.mark.parametrize("how", ["max", "avg", "full"])
def test_parity_deformable_gan_skips(height, how):
    """Ten masked warps made one, and a single warp, on the features of every level."""
    key = next(k for k in LAYERS.arrays if k.split("@")[0] == (
        f"warp/full_{height}" if how == "full" else f"warp/mask_{how}_{height}"
    ) and not k.endswith("@stat"))  # fmt: skip
    config = deformable_gan.DeformableGANConfig(
        warp="full" if how == "full" else "mask", aggregate="average" if how == "avg" else "max"
    )
    skips = deformable_gan.Skips(config)
    found = skips.deform(level(height).float(), *skips.maps(*pairs()))
    # at 64 pixels one place lies on a tie of float32
    LAYERS.check(found.permute(0, 2, 3, 1), key, isolated=1e-3 if height == 64 else 0.0)


def test_parity_deformable_gan_parts_before_they_are_one():
    """Each part's own masked warp, and the maximum without masks."""
    x = level(32).float()
    maps = geometry.at_level(geometry.part_maps(*pairs(), *SIZE), *SIZE, x)
    masks = geometry.part_masks(*pairs(), *SIZE)[..., ::4, ::4]
    read = parts.read_parts(x, maps, "nearest") * masks[:, :, None]
    LAYERS.check(read.permute(0, 3, 4, 1, 2).flatten(3), "warp/mask_none_32@s2x2x1")
    largest = parts.warp_parts(x, maps)
    LAYERS.check(largest.permute(0, 2, 3, 1), "warp/nomask_max_32@s1x2x1")


def test_parity_deformable_gan_norm():
    """Statistics over channels too, one scale and shift for all of them."""
    norm = deformable_gan.JointNorm()
    x = (1.5 * normal("posegan/instancenorm/x", (2, 5, 7, 6)) + 0.3).permute(0, 3, 1, 2)
    LAYERS.check(norm(x).permute(0, 2, 3, 1), "instancenorm/default")
    with torch.no_grad():
        norm.weight.fill_(1.3)
        norm.bias.fill_(-0.4)
    LAYERS.check(norm(x).permute(0, 2, 3, 1), "instancenorm/gamma1.3_beta-0.4")
    same = torch.ones(1, 6, 5, 7)
    LAYERS.check(norm(same).permute(0, 2, 3, 1), "instancenorm/constant_input")


def neighbours():
    """(generated, real) features of the stored loss, channels first."""
    real = normal("posegan/nn/reference", (2, 12, 10, 8))
    generated = real.roll((1, -1), (1, 2)) + 0.2 * normal("posegan/nn/noise", real.shape)
    return generated.permute(0, 3, 1, 2), real.permute(0, 3, 1, 2)


@pytest.mark.parametrize("window", [3, 5])
def test_parity_deformable_gan_nearest_neighbour_loss(window):
    generated, real = neighbours()
    found = deformable_gan_losses.nearest_neighbour_map(generated, real, window)
    LAYERS.check(found, f"nn_loss/map_{window}")
    loss = deformable_gan_losses.nearest_neighbour_loss(generated, real, window)
    LAYERS.check(loss.reshape(1), f"nn_loss/mean_{window}")
