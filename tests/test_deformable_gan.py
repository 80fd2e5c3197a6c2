"""Deformable GANs: parts and skips on made-up poses, losses, training phases."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from people_in_poses import FIGURE, batch, figures
from torch import nn

from aidagen import grids, poses
from aidagen.kernels.parts import warp_parts
from aidagen.models import deformable_gan, deformable_gan_losses
from aidagen.models import deformable_gan_geometry as geometry
from aidagen.models.deformable_gan import DeformableGANConfig, LossWeights
from aidagen.poses import Pose
from aidagen.systems import Step

TINY = DeformableGANConfig(channels=4, max_channels=8, disc_channels=4)
VARIANTS = {
    "mask": {},
    "average": {"aggregate": "average", "sampling": "bilinear", "norm": "instance"},
    "full": {"warp": "full"},
    "stn": {"warp": "stn"},
    "stn-bilinear": {"warp": "stn", "sampling": "bilinear"},
    "none": {"warp": "none"},
    "stickman": {"pose": "stickman"},
    "background": {"background": True},
    "background-none": {"background": True, "warp": "none"},
}
STEP = Step(0, 1, torch.Generator().manual_seed(0))


class Features(nn.Module):
    """Two fixed maps of a picture, in place of a pretrained network."""

    def forward(self, image):
        return [F.avg_pool2d(image, 2), F.avg_pool2d(image, 4)]


def objective(config=TINY, **weights):
    weights = LossWeights(**({"pixels": 1.0, "nearest": 1.0, "matching": 1.0} | weights))
    model = deformable_gan.DeformableGAN(config, adversarial=weights.adversarial > 0)
    return deformable_gan.Objective(model, weights, Features())


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_trains_both_phases(variant):
    """Gradients reach every parameter of a phase, and none of the other one's."""
    config = replace(TINY, **VARIANTS[variant])
    whole = objective(config)
    if config.warp == "stn":  # its last layer starts at zero, which stops what lies before
        with torch.no_grad():
            whole.model.generator.skips.localisation.layers[-1].weight.normal_(std=0.01)
    given = batch(3, backdrop=config.background)
    phases, terms = whole.phases(), {}
    assert set(phases) == {"generator", "discriminator"}
    both = [id(p) for own in phases.values() for p in own]
    assert sorted(both) == sorted(id(p) for p in whole.parameters())
    for phase, own in phases.items():
        whole.zero_grad(set_to_none=True)
        terms[phase] = whole(phase, given, STEP)
        sum(terms[phase].values()).backward()
        for parameter in own:
            assert parameter.grad is not None and parameter.grad.isfinite().all()
            assert parameter.grad.abs().sum() > 0
        others = {id(p) for p in own}
        if phase == "discriminator":
            assert all(p.grad is None for p in whole.parameters() if id(p) not in others)
    assert set(terms["generator"]) == {"adversarial", "pixels", "nearest", "matching"}
    with torch.no_grad():
        found = whole.run(whole.model, given)
    assert found.image.shape == given.target.shape
    assert found.image.min() >= 0 and found.image.max() <= 1
    assert len(found.skips) == (0 if config.warp == "none" else TINY.levels)


def test_without_a_discriminator_there_is_one_phase():
    whole = objective(adversarial=0.0, nearest=0.0, matching=0.0)
    assert set(whole.phases()) == {"generator"} and whole.model.discriminator is None
    assert set(whole("generator", batch(2), STEP)) == {"pixels"}


@pytest.mark.parametrize("variant", ["mask", "none"])
def test_a_pair_is_learnt_by_heart(variant):
    """Twenty steps take away a third of the error, with deformed skips and with plain ones."""
    torch.manual_seed(0)
    config = replace(TINY, **VARIANTS[variant], channels=8, max_channels=16, dropout=0.0)
    whole = objective(config, adversarial=0.0, nearest=0.0, matching=0.0)
    given = batch(2)
    given = given._replace(target=F.interpolate(given.target[..., :4, :2], (128, 64)))
    optimiser = torch.optim.Adam(whole.parameters(), 5e-3, betas=(0.5, 0.999))
    losses = []
    for _ in range(20):
        loss = whole("generator", given, STEP)["pixels"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.67 * losses[0]


# --- what parts do -------------------------------------------------------------------------------


def painted(pose):
    """((B, C, H, W), (B, L, H, W) bool): limbs of textures that move with the bones, and where.

    A limb's texture is a function of the place along and across its bone alone, so features of the
    same people in another pose are known exactly, without any warp.
    """
    points = pose.pixels(128, 64)
    z = poses.alongside(points[:, geometry.START], points[:, geometry.END], 128, 64)
    where = (z.along >= 0) & (z.along <= z.length) & (z.across.abs() <= 5)
    along, across = (z.along / z.length)[:, :, None], (z.across / 5)[:, :, None]  # (B, L, 1, H, W)
    wave = torch.arange(1.0, 5.0)[:, None, None]
    limb = torch.arange(8.0)[:, None, None, None]
    texture = 1 + (3 * wave * along + wave * across + limb * wave).sin()  # (B, L, C, H, W)
    return (texture * where[:, :, None]).amax(1), where


def test_warped_skips_of_a_limb_lie_nearer_to_the_target_than_plain_ones():
    """The truth is drawn in the target pose; plain skips leave features where they were."""
    source, target = figures(6, spread=2.0), figures(6, spread=4.0, seed=9)
    (features, _), (truth, where) = painted(source), painted(target)
    maps = geometry.part_maps(source, target, 128, 64)
    warped = warp_parts(features, maps, geometry.part_masks(source, target, 128, 64))
    inside = where[:, :, None]  # (B, L, 1, H, W)
    moved, plain = (
        ((x - truth).abs()[:, None] * inside).sum((0, 2, 3, 4)) for x in (warped, features)
    )
    assert (moved < 0.75 * plain).all()
    assert moved.sum() < 0.6 * plain.sum()


def test_a_limb_is_carried_to_where_it_is_wanted():
    """The corner of a source limb's rectangle is what the target's corner reads."""
    source, target = figures(3, spread=5.0), figures(3, spread=5.0, seed=3)
    old, new = geometry.bodies(source, target, 128, 64)
    maps = geometry.part_maps(source, target, 128, 64)[:, 2:].double()
    wanted, corners = (geometry.rectangles(body, geometry.REACH) for body in (old, new))
    found = corners @ maps[..., :2].mT + maps[..., None, :, 2]
    apart = (found - wanted).norm(dim=-1)
    # rectangles of different length and width: an affine map fits them exactly
    assert apart.max() < 1e-3


def test_fits_are_exact_for_affine_motion_and_say_where_there_is_none():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(5, 6, 2, generator=generator, dtype=torch.double)
    theta = torch.randn(5, 2, 3, generator=generator, dtype=torch.double)
    moved = points @ theta[:, :, :2].mT + theta[:, None, :, 2]
    counts = torch.ones(5, 6, dtype=torch.bool)
    counts[0, 3:] = False  # three points are enough
    moved[0, 3:] = 1e3  # and the others are not looked at
    maps, found = geometry.fit(points, moved, counts)
    assert found.all()
    torch.testing.assert_close(maps, theta)
    line = points.clone()
    line[..., 1] = 2 * line[..., 0]
    maps, found = geometry.fit(line, moved, counts)
    assert not found.any() and torch.equal(maps[:, :, :2], torch.eye(2).double().expand(5, 2, 2))
    counts[1, 2:] = False
    _, found = geometry.fit(points, moved, counts)
    assert found.tolist() == [True, False, True, True, True]


def without(pose, *names):
    known = pose.visible.clone()
    known[:, poses.numbers(*names)] = False
    return Pose(pose.joints, known)


def test_missing_joints_follow_the_rules():
    """Target: an empty mask, away. Source: the other side's limb, else away."""
    source, target = figures(1, spread=2.0), figures(1, spread=2.0, seed=5)
    part = geometry.PARTS.index("right forearm")
    other = geometry.PARTS.index("left forearm")
    whole = geometry.part_maps(source, target, 128, 64)
    away = torch.tensor([[1.0, 0, geometry.AWAY], [0, 1, geometry.AWAY]])

    lacking = without(target, "right wrist")
    maps = geometry.part_maps(source, lacking, 128, 64)
    assert torch.equal(maps[0, part], away)
    rest = [i for i in range(10) if i != part]
    assert torch.equal(maps[0, rest], whole[0, rest])
    masks = geometry.part_masks(source, lacking, 128, 64)
    assert masks[0, part].sum() == 0 and masks[0, other].sum() > 20

    maps = geometry.part_maps(without(source, "right wrist"), target, 128, 64)
    start, end = ([ends[i] for ends in geometry.LIMBS.values()] for i in (0, 1))
    stand_in = source.joints.clone()
    stand_in[:, [start[6], end[6]]] = stand_in[:, [start[7], end[7]]]
    mirrored = geometry.part_maps(Pose(stand_in, source.visible), target, 128, 64)
    torch.testing.assert_close(maps[0, part], mirrored[0, part])
    maps = geometry.part_maps(without(source, "right wrist", "left elbow"), target, 128, 64)
    assert torch.equal(maps[0, part], away) and torch.equal(maps[0, other], away)

    face = [name for name in poses.JOINTS if name.split()[-1] in ("nose", "eye", "ear")]
    maps = geometry.part_maps(without(source, *face), target, 128, 64)
    assert torch.equal(maps[0, 1], away)
    assert geometry.part_masks(source, without(target, *face), 128, 64)[0, 1].sum() == 0


def test_people_with_different_visible_joints_do_not_see_each_other():
    """A batch is what its people are one by one."""
    source, target = figures(4, spread=3.0, lost=0.3), figures(4, spread=3.0, lost=0.3, seed=7)
    assert len({tuple(row.tolist()) for row in target.visible}) == 4
    every = [
        (geometry.part_maps, (source, target)), (geometry.part_masks, (source, target)),
        (geometry.whole_map, (source, target)),
    ]  # fmt: skip
    for function, (old, new) in every:
        together = function(old, new, 128, 64)
        for i in range(4):
            alone = function(*(Pose(p.joints[[i]], p.visible[[i]]) for p in (old, new)), 128, 64)
            torch.testing.assert_close(together[[i]], alone, rtol=1e-5, atol=1e-4)


IMPOSSIBLE = {
    "nothing known": lambda pose: Pose(pose.joints, torch.zeros_like(pose.visible)),
    "one hip": lambda pose: without(pose, "right hip"),
    "no torso": lambda pose: without(
        pose, "right hip", "left hip", "right shoulder", "left shoulder"
    ),
    "far outside": lambda pose: Pose(pose.joints + 5, pose.visible),
    "in one place": lambda pose: Pose(0 * pose.joints + 0.1, pose.visible),
    "on a line": lambda pose: Pose(pose.joints * torch.tensor([0.0, 1.0]), pose.visible),
    "mirrored": Pose.mirrored,
}


@pytest.mark.parametrize("warp", ["mask", "full", "stn", "none"])
@pytest.mark.parametrize("what", IMPOSSIBLE)
@torch.no_grad()
def test_impossible_poses_give_a_picture(warp, what):
    """As the source's pose, the target's, and both: numbers everywhere."""
    torch.manual_seed(0)
    model = deformable_gan.DeformableGAN(replace(TINY, warp=warp)).eval()
    plain, odd = figures(1), IMPOSSIBLE[what](figures(1))
    image = torch.rand(1, 3, 128, 64)
    for source, target in ((plain, odd), (odd, plain), (odd, odd)):
        found = model(image, source, target)
        assert found.image.isfinite().all()
        assert all(skip.isfinite().all() for skip in found.skips)


def test_a_torso_that_cannot_be_fitted_follows_what_is_seen_of_it():
    source = without(figures(1, spread=0.0), "left hip", "left shoulder")
    target = Pose(source.joints + torch.tensor([20 / 63, -16 / 127]), source.visible)
    shift = geometry.part_maps(source, target, 128, 64)[0, 0]
    torch.testing.assert_close(shift, torch.tensor([[1.0, 0, -10], [0, 1, 8]]), atol=1e-3, rtol=0)


def test_the_same_pose_changes_no_feature():
    """Maps are the identity, and what the masks leave is the source's own, up to zeros of max."""
    pose = figures(2)
    maps = geometry.part_maps(pose, pose, 128, 64)
    identity = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand_as(maps)
    torch.testing.assert_close(maps, identity, atol=2e-3, rtol=0)
    x = torch.rand(2, 3, 32, 16)
    skips = deformable_gan.Skips(TINY)
    found = skips.deform(x, *skips.maps(pose, pose))
    assert torch.equal(found, x)


def test_one_source_serves_many_poses():
    torch.manual_seed(0)
    model = deformable_gan.DeformableGAN(replace(TINY, background=True)).eval()
    image, behind = torch.rand(2, 1, 3, 128, 64).unbind(0)
    with torch.no_grad():
        encoded = model.encode(image, figures(1), behind)
        wanted = figures(3, seed=4)
        found = model.render(encoded, wanted).image
        single = Pose(wanted.joints[[1]], wanted.visible[[1]])
        alone = model.render(encoded, single).image
    torch.testing.assert_close(found[[1]], alone, atol=1e-5, rtol=1e-5)


def test_the_person_is_laid_over_the_backdrop():
    """Where the mask is 0 the picture is the backdrop, where it is 1 it is painted."""
    torch.manual_seed(0)
    model = deformable_gan.DeformableGAN(replace(TINY, background=True, composite=True)).eval()
    image, behind = torch.rand(2, 1, 3, 128, 64).unbind(0)
    last = model.generator.decoder.last
    with torch.no_grad():
        last.weight[3] = 0
        found = []
        for logit in (-40.0, 0.0, 40.0):
            last.bias[3] = logit
            found.append(model(image, figures(1), figures(1, seed=3), behind))
    assert torch.equal(found[0].image, behind)
    middle = (found[0].image + found[2].image) / 2
    torch.testing.assert_close(found[1].image, middle)
    assert (found[1].figure == 0.5).all() and not torch.equal(found[2].image, behind)
    with pytest.raises(deformable_gan.ModelError, match="composite needs background"):
        deformable_gan.DeformableGAN(replace(TINY, composite=True))


def test_what_does_not_fit_is_told_in_a_sentence():
    model = deformable_gan.DeformableGAN(replace(TINY, background=True))
    pose, image = figures(1), torch.rand(1, 3, 128, 64)
    with pytest.raises(deformable_gan.ModelError, match=r"pictures \(B, 3, 128, 64\)"):
        model.encode(torch.rand(1, 3, 64, 64), pose, image)
    with pytest.raises(deformable_gan.ModelError, match="backdrop; give it one"):
        model.encode(image, pose)
    with pytest.raises(deformable_gan.ModelError, match="that 32 divides; got 100 x 64"):
        deformable_gan.DeformableGAN(replace(TINY, height=100))


def test_the_small_size_is_what_its_docstring_says():
    model = deformable_gan.DeformableGAN(deformable_gan.deformable_gan_small())
    count = sum(p.numel() for p in model.parameters())
    assert f"{count:,}" in deformable_gan.deformable_gan_small.__doc__
    assert 2 * count < 4e6  # bytes of a checkpoint


# --- poses ---------------------------------------------------------------------------------------


def test_mirroring_a_pose_is_mirroring_its_maps():
    pose = figures(2, lost=0.2)
    mirrored = poses.heatmaps(pose.mirrored(), 64, 32)
    torch.testing.assert_close(mirrored, poses.heatmaps(pose, 64, 32).flip(-1)[:, poses.MIRRORED])
    back = pose.mirrored().mirrored()
    assert torch.equal(back.joints, pose.joints) and torch.equal(back.visible, pose.visible)
    assert poses.JOINTS[poses.MIRRORED[poses.NUMBER["left ear"]]] == "right ear"


def test_pixels_and_back():
    pose = figures(2)
    there = poses.from_pixels(pose.pixels(128, 64), pose.visible, 128, 64)
    torch.testing.assert_close(there.joints, pose.joints)
    torch.testing.assert_close(pose.pixels(128, 64)[0, 0], torch.tensor(FIGURE[0]))


# --- the loss ------------------------------------------------------------------------------------


def slow_nearest_neighbour(generated, real, window):
    """Every place against every place of its window, one after the other."""
    reach, (height, width) = window // 2, real.shape[2:]
    rows = []
    for y in range(height):
        for x in range(width):
            around = real[:, :, max(0, y - reach) : y + reach + 1,
                          max(0, x - reach) : x + reach + 1]  # fmt: skip
            distance = (generated[:, :, y, x, None, None] - around).abs().sum(1)
            rows.append(distance.flatten(1).amin(1))
    return torch.stack(rows, 1).unflatten(1, (height, width))


@pytest.mark.parametrize("window", [1, 3, 5])
def test_nearest_neighbour_loss_and_its_gradient_are_the_slow_ones(window):
    real = torch.randn(2, 4, 7, 6)
    shifted = real.roll((1, -1), (2, 3)) + 0.1 * torch.randn(2, 4, 7, 6)
    fast, slow = (shifted.clone().requires_grad_() for _ in range(2))
    found = deformable_gan_losses.nearest_neighbour_map(fast, real, window)
    wanted = slow_nearest_neighbour(slow, real, window)
    torch.testing.assert_close(found, wanted)
    weight = torch.rand_like(found)
    (found * weight).sum().backward()
    (wanted * weight).sum().backward()
    torch.testing.assert_close(fast.grad, slow.grad)


def test_nearest_neighbour_loss_forgives_a_shift_and_not_a_blur():
    """A texture a pixel beside its place costs less than the mean of it; L1 says the opposite."""
    real = torch.rand(1, 3, 32, 32)
    shifted = real.roll(1, 3)
    blurred = F.avg_pool2d(F.pad(real, (2, 2, 2, 2), mode="reflect"), 5, 1)

    def nearest(x):
        return deformable_gan_losses.nearest_neighbour_loss(x, real)

    assert nearest(shifted) < 0.1 * nearest(blurred)
    assert F.l1_loss(shifted, real) > F.l1_loss(blurred, real)


def test_gan_losses_are_logarithms_of_probabilities():
    real, fake = torch.randn(2, 3, 1, 3, 1)
    d = -(real.sigmoid() + 1e-7).log().mean() - (1 - fake.sigmoid() + 1e-7).log().mean()
    torch.testing.assert_close(deformable_gan_losses.discriminator_gan_loss(real, fake), d)
    g = -(fake.sigmoid() + 1e-7).log().mean()
    torch.testing.assert_close(deformable_gan_losses.generator_gan_loss(fake), g)


# --- the spatial transformer ---------------------------------------------------------------------


def test_an_identity_of_the_spatial_transformer_is_one():
    """In our sampling; the published one reads up to a pixel aside."""
    x = torch.rand(1, 2, 8, 6)
    theta = torch.eye(2, 3)[None]
    torch.testing.assert_close(geometry.transformed(x, theta, published=False), x)
    published = geometry.transformed(x, theta, published=True)
    assert not torch.allclose(published, x, atol=0.05)
    grid = grids.identity_grid(8, 6)[None]
    assert torch.equal(grids.affine_grid(theta, 8, 6), grid)
