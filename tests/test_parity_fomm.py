"""Parity with the published First Order Motion Model: same keys, same numbers, both samplers."""

import numpy as np
import pytest
import torch
from golden_rule import Golden, fill_keys, filled, images, normal

from aidagen import checkpoints, grids, keypoints, losses, zoo
from aidagen.judges.features import VGG19Features
from aidagen.models import fomm

CONFIGS = {"vox-256": (11, 12), "taichi-256": (21, 22), "mgif-256": (31, 32)}
SAMPLERS = {"acT": True, "acF": False}


def published(config: str, align_corners: bool, discriminator: str | None = None):
    parts = {p: filled(fill_keys(f"fomm/{config}/{p}")) for p in ("kp_detector", "generator")}
    name = config
    if discriminator:
        parts["discriminator"] = filled(fill_keys(f"fomm/{discriminator}/discriminator"))
        name = discriminator
    return zoo.load_published("fomm", name, parts, align_corners=align_corners)


@pytest.mark.parametrize(
    "part", ["vox-256/kp_detector", "mgif-256/generator", "vox-256/discriminator"]
)
def test_parity_fomm_fill_rule(part):
    """The rule gives the tensors the golden numbers were computed with."""
    keys = fill_keys(f"fomm/{part}")
    for key, value in filled(keys).items():
        shape, *sums = keys[key]
        assert list(value.shape) == shape
        if not value.is_floating_point():
            continue
        total, absolute = sums
        np.testing.assert_allclose(value.double().sum().item(), total, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(value.double().abs().sum().item(), absolute, rtol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("config", CONFIGS)
@torch.no_grad()
def test_parity_fomm_forward(config, sampler):
    """Keypoints, Jacobians, flow, masks, occlusion, picture."""
    golden = Golden(f"fomm_{config}")
    model = published(config, SAMPLERS[sampler])
    source = images(*CONFIGS[config])
    driving = source.flip(0)
    motion = model.motion(source)
    golden.check(motion.points, "kp/value")
    golden.check(motion.jacobians, "kp/jacobian")
    golden.check(motion.heatmaps, "kp/heatmap@s4")
    golden.check(model.kp_detector.down(source), "kp/down@s8")
    features = model.kp_detector.predictor(model.kp_detector.down(source))
    golden.check(features, "kp/feature_map@s6x8x8")

    out = model.render(model.encode(source), model.motion(driving))
    golden.check(out.heatmaps[:, :, None], "dense/heatmap_representation@s1x4x4")
    golden.check(out.sparse_motion, "dense/sparse_motion@s4x4x1")
    golden.check(out.sparse_deformed, f"{sampler}/sparse_deformed@s4", isolated=1e-3)
    golden.check(out.masks, f"{sampler}/mask@s4")
    golden.check(out.flow, f"{sampler}/deformation@s4x4x1")
    golden.check(out.occlusion, f"{sampler}/occlusion_map@s4")
    golden.check(out.deformed, f"{sampler}/deformed@s8", isolated=1e-3)
    golden.check(out.image, f"{sampler}/prediction@s4")
    if config == "vox-256":
        golden.check(out.masks[0], f"{sampler}/mask0")
        golden.check(out.flow[0], f"{sampler}/deformation0")
        golden.check(out.occlusion[0], f"{sampler}/occlusion0")
        if sampler == "acT":  # the training path gives the same picture as the animation path
            again = model(source, driving).image
            torch.testing.assert_close(again, out.image, atol=2e-5, rtol=0)


@pytest.mark.parametrize("config", ["vox-256", "taichi-256", "vox-adv-256"])
@torch.no_grad()
def test_parity_fomm_discriminator(config):
    golden = Golden("fomm_discriminators")
    model = fomm.FOMM(fomm.fomm_published(config), adversarial=True).eval()
    original = filled(fill_keys(f"fomm/{config}/discriminator"))
    state = {zoo._modern(k): v for k, v in original.items()}
    model.discriminator.load_state_dict(state)
    features, scores = model.discriminator(images(11, 12), golden["input/kp_value"])
    for i, level in enumerate(features):
        stride = golden_key(golden, f"{config}/feature_map{i}@s")
        golden.check(level, stride)
    golden.check(scores, f"{config}/prediction_map")


def golden_key(golden, prefix):
    return next(k for k in golden.arrays.files if k.startswith(prefix) and "@stat" not in k)


def test_parity_fomm_relative_motion():
    golden = Golden("fomm_geometry")
    motion = {
        who: fomm.Motion(
            golden[f"normalize/input/{who}_value"], golden[f"normalize/input/{who}_jacobian"]
        )
        for who in ("source", "driving", "initial")
    }
    model = fomm.FOMM(fomm.fomm_tiny())
    encoded = fomm.Encoded(None, motion["source"], None, None)
    for name, scale in (("rel_jac", False), ("rel_jac_scale", True)):
        found = model.relative(motion["driving"], motion["initial"], encoded, adapt_scale=scale)
        golden.check(found.points, f"normalize/{name}/value")
        golden.check(found.jacobians, f"normalize/{name}/jacobian")
    ratio = keypoints.hull_scale(motion["source"].points[0], motion["initial"].points[0])
    np.testing.assert_allclose(ratio, golden["normalize/hull_area_ratio_sqrt"].item(), rtol=1e-5)


def test_parity_fomm_geometry():
    golden = Golden("fomm_geometry")
    points = golden["normalize/input/source_value"]
    golden.check(keypoints.gaussian_maps(points, 64, 64), "gaussian/kp2gaussian@s2")
    golden.check(keypoints.gaussian_maps(points, 24, 40), "gaussian/kp2gaussian_nonsquare@s2")
    frames, z = images(41, 42, size=64), golden["transform/points"]
    for name, sigma, sigma_tps in (("mild", 0.05, 0.005), ("strong", 0.25, 0.05)):
        label = f"fomm/transform/{name}"
        for sampler, corners in SAMPLERS.items():
            transform = fixed_transform(label, sigma, sigma_tps, corners)
            golden.check(transform.theta, f"transform/{name}/theta")
            golden.check(transform.points(z), f"transform/{name}/warped_points")
            golden.check(transform.jacobian(z), f"transform/{name}/jacobian")
            golden.check(transform.frame(frames), f"transform/{name}/frame_{sampler}@s2")


def fixed_transform(label, sigma, sigma_tps, align_corners):
    return keypoints.RandomTransform(
        sigma * normal(f"{label}/theta", (2, 2, 3)) + torch.eye(2, 3),
        sigma_tps * normal(f"{label}/params", (2, 1, 25))[:, 0],
        grids.identity_grid(5, 5).view(-1, 2),
        align_corners,
    )


def test_parity_fomm_pyramid():
    golden = Golden("fomm_geometry")
    pyramid = losses.ImagePyramid()
    from golden_rule import image

    for name, picture in (("pyramid", image(43, 256, 256)), ("pyramid_odd", image(44, 61, 83))):
        for scale, level in zip((1, 0.5, 0.25, 0.125), pyramid(picture[None])):
            golden.check(level, golden_key_exact(golden, f"{name}/prediction_{scale}"))


def golden_key_exact(golden, name):
    return next(k for k in golden.arrays.files if k.split("@")[0] == name and "@stat" not in k)


@pytest.fixture
def gradients():
    yield
    torch.set_grad_enabled(True)


@pytest.mark.usefixtures("gradients")
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("config", ["vox-adv-256", "taichi-256"])
def test_parity_fomm_losses(config, sampler):
    """Every term of the objective, and with the sampler of training the gradients too."""
    golden = Golden("fomm_losses")
    networks = "vox-256" if config == "vox-adv-256" else "taichi-256"
    model = published(networks, SAMPLERS[sampler], discriminator=config)
    perceptual = None
    if config == "vox-adv-256":
        vgg = VGG19Features()
        vgg.load_torchvision(filled(fill_keys("vgg19")))
        perceptual = losses.PerceptualPyramid(vgg)
    source, driving = images(51, 52), images(53, 54)
    transform = fixed_transform("fomm/losses/transform", 0.15, 0.02, SAMPLERS[sampler])
    golden.check(transform.theta, "input/theta")
    prefix = f"{sampler}/{config}/grad_generator_step/"
    excerpts = [k for k in golden.arrays.files if k.startswith(prefix)]
    torch.set_grad_enabled(bool(excerpts))
    out = model(source, driving)
    weights = fomm.LossWeights(adversarial=1.0)
    terms = fomm.generator_loss(model, driving, out, transform, perceptual, weights)
    names = {
        "perceptual": "perceptual", "adversarial": "gen_gan",
        "feature_matching": "feature_matching", "equivariance_points": "equivariance_value",
        "equivariance_jacobians": "equivariance_jacobian",
    }  # fmt: skip
    assert set(terms) == set(names) - (set() if perceptual else {"perceptual"})
    for ours, theirs in names.items():
        if ours in terms:
            wanted = golden[f"{sampler}/{config}/{theirs}"].item()
            assert terms[ours].item() == pytest.approx(wanted, rel=1e-4), ours
    disc = fomm.discriminator_loss(model, driving, out)
    wanted = golden[f"{sampler}/{config}/disc_gan"].item()
    assert disc.item() == pytest.approx(wanted, rel=1e-4)

    if excerpts:
        sum(terms.values()).backward()
        own = dict(model.kp_detector.named_parameters())
        own |= dict(model.generator.named_parameters())
        for key in excerpts:
            compare_gradient(own[key.removeprefix(prefix)].grad, golden[key])
        model.zero_grad()
        disc.backward()
        own = dict(model.discriminator.named_parameters())
        prefix = f"{sampler}/{config}/grad_discriminator_step/"
        for key in [k for k in golden.arrays.files if k.startswith(prefix)]:
            compare_gradient(own[key.removeprefix(prefix)].grad, golden[key])


def compare_gradient(grad, wanted):
    """The excerpt is the first entries, then the norm, then the sum."""
    norm = wanted[-2].item()
    assert grad.norm().item() == pytest.approx(norm, rel=1e-2)
    first = grad.flatten()[: len(wanted) - 2]
    torch.testing.assert_close(first, wanted[:-2], rtol=0.02, atol=0.01 * norm)


def test_parity_fomm_checkpoint_doctor(tmp_path):
    """A damaged checkpoint is refused by the names of its faults; a file is read as it is."""
    parts = {p: filled(fill_keys(f"fomm/vox-256/{p}")) for p in ("kp_detector", "generator")}
    broken = {name: dict(state) for name, state in parts.items()}
    del broken["generator"]["final.bias"]
    broken["kp_detector"]["kp.weight"] = torch.zeros(15, 35, 7, 7)
    broken["generator"]["extra.weight"] = torch.zeros(1)
    with pytest.raises(zoo.CheckpointMismatch) as caught:
        zoo.load_published("fomm", "vox-256", broken)
    assert caught.value.missing == ["generator.final.bias"]
    assert caught.value.extra == ["generator.extra.weight"]
    assert "kp_detector.kp.weight" in caught.value.misshaped[0]
    for name in ("generator.final.bias", "kp_detector.kp.weight", "generator.extra.weight"):
        assert name in str(caught.value)

    file = tmp_path / "vox-cpk.pth.tar"
    torch.save({**parts, "epoch": 99, "optimizer_generator": {"state": {}}}, file)
    model = zoo.load_published("fomm", "vox-256", file)
    assert torch.equal(model.generator.final.bias, parts["generator"]["final.bias"])
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(checkpoints.CheckpointError, match="no readable checkpoint: it is a text"):
        zoo.load_published("fomm", "vox-256", file)
    with pytest.raises(checkpoints.CheckpointError, match="no file"):
        zoo.load_published("fomm", "vox-256", tmp_path / "absent.pth")
    with pytest.raises(fomm.ModelError, match="vox-256"):
        zoo.load_published("fomm", "vox", parts)


@pytest.mark.parametrize("config", fomm.PUBLISHED)
def test_parity_fomm_parameter_counts(config):
    """Sizes of the published architectures, constants and statistics aside."""
    with torch.device("meta"):
        model = fomm.FOMM(fomm.fomm_published(config), adversarial=True)
    assert sum(p.numel() for p in model.generator.parameters()) == 45_575_391
    detector = sum(p.numel() for p in model.kp_detector.parameters())
    assert detector == (14_153_592 if config == "mgif-256" else 14_215_368)
