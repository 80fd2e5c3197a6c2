"""Parity with the published Monkey-Net: same keys, same numbers, both samplers.

The authors' arrays are (B, C, T, H, W); ours hold the frames as batch.
"""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden_rule import Golden, fill_keys, filled, images, normal

from aidagen import grids, keypoints, zoo
from aidagen.models import monkeynet
from aidagen.models import monkeynet_prediction as prediction
from aidagen.models.monkeynet import Motion

PICTURES = {"bair": (64, 65, 66), "moving-gif": (67, 68, 69), "vox": (71, 72, 73)}
SAMPLERS = {"acT": True, "acF": False}
PARTS = ("kp_detector", "generator", "discriminator")


@pytest.fixture(scope="module")
def published():
    """Published models, filled once each; the sampler is set at every call."""
    models = {}

    def get(config, sampler="acT"):
        if config not in models:
            models.clear()  # the largest has 95 million parameters
            parts = {part: filled(fill_keys(f"monkeynet/{config}/{part}")) for part in PARTS}
            models[config] = zoo.load_published("monkeynet", config, parts)
        model = models[config]
        for module in model.modules():
            if hasattr(module, "config"):
                module.config = monkeynet.monkeynet_published(config, SAMPLERS[sampler])
        return model

    return get


def timed(x: torch.Tensor) -> torch.Tensor:
    """(T, C, H, W) as the authors' (1, C, T, H, W)."""
    return x.transpose(0, 1)[None]


def key_of(golden, name):
    return next(k for k in golden.arrays.files if k.split("@")[0] == name and "@stat" not in k)


@pytest.mark.parametrize(
    "part", ["monkeynet/bair/generator", "monkeynet/vox/discriminator", "monkeynet/predictor"]
)
def test_parity_monkeynet_fill_rule(part):
    """The rule gives the tensors the golden numbers were computed with."""
    keys = fill_keys(part)
    for key, value in filled(keys).items():
        shape, *sums = keys[key]
        assert list(value.shape) == shape
        if value.is_floating_point():
            total, absolute = sums
            np.testing.assert_allclose(value.double().sum().item(), total, rtol=1e-5, atol=1e-4)
            np.testing.assert_allclose(value.double().abs().sum().item(), absolute, rtol=1e-5)


@pytest.mark.parametrize("config", monkeynet.PUBLISHED)
def test_parity_monkeynet_keys(config):
    """Every published config has the original's keys and shapes, kernels 1 x k x k there."""
    with torch.device("meta"):
        model = monkeynet.MonkeyNet(monkeynet.monkeynet_published(config), adversarial=True)
    for part, (count, digest) in fill_keys("monkeynet/keys")[config].items():
        lines = []
        for key, value in getattr(model, part).state_dict().items():
            shape = list(value.shape)
            shape[2:2] = [1] if value.ndim == 4 else []
            lines.append(f"{key} {'x'.join(map(str, shape))}")
        assert len(lines) == count, part
        assert hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest() == digest, part


@pytest.mark.parametrize("config", PICTURES)
@torch.no_grad()
def test_parity_monkeynet_forward(published, config):
    """Keypoints, embeddings, masks, flow, picture, discriminator, losses; both samplers."""
    golden = Golden(f"monkeynet_{config}")
    for sampler in SAMPLERS:
        model = published(config, sampler)
        settings = model.config
        frames = images(*PICTURES[config], size=settings.size)
        real = frames[1:2]
        encoded, motion = model.encode(frames[:1]), model.motion(frames[1:])
        bumps = keypoints.gaussian_maps(motion.points, *frames.shape[2:], motion.covariances)
        if sampler == "acT":
            golden.check(encoded.motion.points[None], "kp/source_mean")
            golden.check(encoded.motion.covariances[None], "kp/source_var")
            golden.check(motion.points[None], "kp/driving_mean")
            golden.check(motion.covariances[None], "kp/driving_var")
            detector = model.kp_detector
            logits = detector.predictor(detector.down(frames[1:]))
            golden.check(timed(logits), "kp/driving_logits@s4")
            raw = keypoints.moments(motion.heatmaps)[1]
            golden.check(raw[None], "kp/driving_var_unclipped")
            golden.check(bumps[None], key_of(golden, "kp/gaussian_driving"))
            size = [round(n * settings.embedding_scale) for n in frames.shape[2:]]
            bump = [
                monkeynet.bumps(m, *size, settings.heatmap_norm) for m in (motion, encoded.motion)
            ]
            golden.check(timed(bump[0] - bump[1]), "kp_embedding@s4")
            golden.check(joint_score(model, frames[1:], motion), "disc_two_frames_joint/score")

        out = model.render(encoded, motion)
        embedding = [out.heatmaps[:, :, None], out.sparse_deformed]
        if settings.motion_difference:
            shift = out.sparse_motion - grids.identity_grid(*out.flow.shape[1:3])
            embedding.insert(1, shift.permute(0, 1, 4, 2, 3))
        embedding = torch.cat(embedding, dim=2).flatten(1, 2)
        golden.check(timed(embedding), f"{sampler}/mask_embedding@s4", isolated=1e-3)
        golden.check(timed(out.masks), f"{sampler}/mask@s4")
        golden.check(timed(out.residual.permute(0, 3, 1, 2)), f"{sampler}/residual_flow@s2")
        flow = F.pad(out.flow, (0, 1))[None]  # the original's third coordinate is zero
        golden.check(flow, f"{sampler}/deformation@s2x2x1")
        deformed = key_of(golden, f"{sampler}/video_deformed")
        golden.check(timed(out.deformed), deformed, isolated=1e-3)
        golden.check(timed(out.image), key_of(golden, f"{sampler}/video_prediction"))

        first = Motion(motion.points[:1], motion.covariances[:1])
        for name, picture in (("generated", out.image[:1]), ("real", real)):
            features, score = model.discriminator(picture, first)
            for i, level in enumerate(features, 1):
                golden.check(timed(level), f"{sampler}/disc_{name}/map{i}@s8x1x4x4")
            golden.check(timed(score), f"{sampler}/disc_{name}/score")
        first_frame = monkeynet.Rendering(*(x[:1] for x in out[:-2]), None, first)
        check_losses(golden, f"{sampler}/loss", model, real, first_frame)


def joint_score(model, frames, motion):
    """All frames in one call of the original: its instance norm takes them together."""
    model = monkeynet.Discriminator(model.config).requires_grad_(False)
    state = filled(fill_keys("monkeynet/vox/discriminator"))
    model.load_state_dict({k: v.squeeze(2) if v.ndim == 5 else v for k, v in state.items()})
    for block in model.down_blocks:
        if block.norm is not None:
            block.norm = Together(block.norm)
    return timed(model(frames, motion)[1])


class Together(torch.nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        joined = self.norm(x.transpose(0, 1).flatten(1, 2)[None])  # (1, C, T h, w)
        return joined[0].unflatten(1, (len(x), -1)).transpose(0, 1)


def check_losses(golden, prefix, model, driving, rendering):
    """Every term; the golden ones are one a sample, ours means over the batch."""

    def wanted(name):
        return golden[f"{prefix}/{name}"].double().mean().item()

    weights = monkeynet.LossWeights(deformed=10.0)
    terms = monkeynet.generator_loss(model, driving, rendering, None, weights)
    assert set(terms) == {"pixels", "deformed", "adversarial", "feature_matching"}
    assert terms["pixels"].item() == pytest.approx(wanted("layer-0_rec"), rel=1e-4)
    assert terms["adversarial"].item() == pytest.approx(wanted("gen_gan"), rel=1e-4)
    layers = [wanted(f"layer-{i}_rec") for i in range(1, 5)]
    assert terms["feature_matching"].item() == pytest.approx(sum(layers), rel=1e-4)
    if f"{prefix}/rec_def" in golden.arrays:
        assert terms["deformed"].item() == pytest.approx(wanted("rec_def"), rel=1e-4)
    for i, layer in enumerate(layers):  # one by one, by weighting one alone
        alone = [w * (i == j) for j, w in enumerate(weights.feature_matching)]
        alone = weights._replace(feature_matching=alone)
        found = monkeynet.generator_loss(model, driving, rendering, None, alone)
        assert found["feature_matching"].item() == pytest.approx(layer, rel=1e-4), i
    if f"{prefix}/disc_gan" in golden.arrays:
        found = monkeynet.discriminator_loss(model, driving, rendering).item()
        assert found == pytest.approx(wanted("disc_gan"), rel=1e-4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_parity_monkeynet_training(published, sampler):
    """A training step's terms and gradients, of both players."""
    golden = Golden("monkeynet_training")
    model = published("moving-gif", sampler)
    source, driving = images(75, 76, size=128), images(77, 78, size=128)
    out = model(source, driving)
    golden.check(out.image[:, :, None], f"{sampler}/prediction@s4")
    both = [model.motion(source), out.motion]
    golden.check(torch.stack([m.points for m in both], 1), f"{sampler}/kp_mean")
    golden.check(torch.stack([m.covariances for m in both], 1), f"{sampler}/kp_var")
    with torch.no_grad():
        check_losses(golden, f"{sampler}/generator_loss", model, driving, out)

    weights = monkeynet.LossWeights(deformed=10.0)
    terms = monkeynet.generator_loss(model, driving, out, None, weights)
    against = monkeynet.discriminator_loss(model, driving, out)
    wanted = golden[f"{sampler}/discriminator_loss"].mean().item()
    assert against.item() == pytest.approx(wanted, rel=1e-4)
    generator = dict(model.generator.named_parameters())
    generator |= dict(model.kp_detector.named_parameters())
    discriminator = dict(model.discriminator.named_parameters())
    model.zero_grad()
    sum(terms.values()).backward(retain_graph=True)
    compare_gradients(golden, f"{sampler}/grad_generator_step/", generator)
    model.zero_grad(set_to_none=True)
    against.backward()
    # the keypoints are detached: no gradient at all, where the original's is zero
    key = "predictor.decoder.conv.weight"
    assert generator[key].grad is None
    assert not golden[f"{sampler}/grad_discriminator_step/{key}"].any()
    compare_gradients(golden, f"{sampler}/grad_discriminator_step/", discriminator)
    model.zero_grad(set_to_none=True)


def compare_gradients(golden, prefix, parameters):
    """The excerpts are the first entries, then the norm, then the sum."""
    keys = [k for k in golden.arrays.files if k.startswith(prefix)]
    compared = 0
    for key in keys:
        name, wanted = key.removeprefix(prefix), golden[key]
        if name not in parameters:
            continue
        grad, norm = parameters[name].grad, wanted[-2].item()
        assert grad.norm().item() == pytest.approx(norm, rel=1e-2), name
        first = grad.flatten()[: len(wanted) - 2]
        torch.testing.assert_close(first, wanted[:-2], rtol=0.02, atol=0.01 * norm, msg=name)
        compared += 1
    assert compared >= 3


def test_parity_monkeynet_relative_motion():
    golden = Golden("monkeynet_geometry")
    source, video = (
        Motion(golden[f"normalize/input/{who}_mean"][0], golden[f"normalize/input/{who}_var"][0])
        for who in ("source", "video")
    )
    model = monkeynet.MonkeyNet(monkeynet.monkeynet_small())
    encoded = monkeynet.Encoded(None, source, None, ())
    first = Motion(video.points[:1], video.covariances[:1])
    stay, everything = {"move_location": False}, {"adapt_scale": True, "clip_mean": True}
    for name, switches in {
        "absolute": stay,
        "location": {},
        "location_mult": {"adapt_scale": True},
        "location_clip": {"clip_mean": True},
        "variance": stay | {"adapt_variance": True},
        "everything": everything | {"adapt_variance": True},
    }.items():
        found = model.relative(video, first, encoded, **switches)
        golden.check(found.points[None], f"normalize/{name}/mean")
        golden.check(found.covariances[None], f"normalize/{name}/var")


def test_parity_monkeynet_geometry():
    """Bumps, moments, embeddings: the functions without parameters."""
    golden = Golden("monkeynet_geometry")
    video = Motion(golden["normalize/input/video_mean"][0], golden["normalize/input/video_var"][0])
    smallest = keypoints.smallest_variance(video.covariances)
    golden.check(smallest[None, ..., None], "smallest_singular")
    single = video.covariances[..., :1, :1] * torch.eye(2)
    for name, variance in (
        ("matrix", video.covariances),
        ("single", single),
        ("constant", 0.01),
        ("constant", 0.01 * torch.eye(2).expand_as(single)),
    ):
        bumps = keypoints.gaussian_maps(video.points, 32, 48, variance)
        golden.check(bumps[None], f"gaussian/{name}@s2")

    logits = 4 * normal("monkey/heat", (1, 10, 2, 24, 24))[0].transpose(0, 1)  # (T, K, h, w)
    heat = logits.flatten(2).softmax(-1).view(logits.shape)
    found = torch.stack([heat.mean(), heat.std(correction=0), heat.max()])
    golden.check(found, "moments/heatmap_input_stat")

    for name, change in {
        "matrix": {"clip_variance": None},
        "clipped": {"clip_variance": 0.3},
        "single": {"variance": "single"},
    }.items():
        config = replace(monkeynet.monkeynet_published("nemo"), temperature=1.0, **change)
        detector = monkeynet.KeypointDetector(config)
        detector.predictor = Constant(logits)
        motion = detector(torch.zeros(2, 3, 64, 64))
        golden.check(motion.points[None], f"moments/{name}/mean")
        size = 1 if name == "single" else 2
        golden.check(motion.covariances[None, ..., :size, :size], f"moments/{name}/var")


class Constant(torch.nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, _):
        return self.value


@torch.no_grad()
def test_parity_monkeynet_embeddings():
    golden = Golden("monkeynet_geometry")
    source, video = (
        Motion(golden[f"normalize/input/{who}_mean"][0], golden[f"normalize/input/{who}_var"][0])
        for who in ("source", "video")
    )
    source = Motion(*(x.expand(3, *x.shape[1:]) for x in source[:2]))
    picture = images(74, size=32).expand(3, -1, -1, -1)
    golden.check(timed(monkeynet.bumps(video, 32, 32, "sum")), "embedding/option0_acT@s4")
    moved = monkeynet.bumps(video, 32, 32, 100.0) - monkeynet.bumps(source, 32, 32, 100.0)
    golden.check(timed(moved), "embedding/option1_acT@s4")
    shifts = monkeynet.differences(source, video)  # (T, J, 2)
    spread = shifts.flatten(1)[..., None, None].expand(-1, -1, 32, 32)
    golden.check(timed(spread), "embedding/option3_acT@s4")
    for sampler, corners in SAMPLERS.items():
        config = replace(
            monkeynet.monkeynet_published("nemo", corners),
            motion_difference=True,
            group_blocks=0,
            motion_blocks=2,
        )
        network = monkeynet.DenseMotionNetwork(config)
        seen = []
        network.hourglass.register_forward_pre_hook(lambda _, args, seen=seen: seen.extend(args))
        network(picture, source, video)
        golden.check(timed(seen[0]), f"embedding/option2_{sampler}@s4")
        small = picture[..., ::2, ::2]
        seen.clear()
        network = monkeynet.DenseMotionNetwork(replace(config, motion_difference=False))
        network.hourglass.register_forward_pre_hook(lambda _, args, seen=seen: seen.extend(args))
        network(small, source, video)
        moved = seen[0].unflatten(1, (11, 4))[:, 1:, 1:]  # no background here, colours alone
        heat = monkeynet.bumps(video, 16, 16, "sum")[:, :, None]
        found = torch.cat([heat, moved], dim=2).flatten(1, 2)
        golden.check(timed(found), f"embedding/option4_{sampler}@s4")


@torch.no_grad()
def test_parity_monkeynet_predictor():
    golden = Golden("monkeynet_predictor")
    predictor = prediction.KeypointPredictor()
    predictor.load_state_dict(filled(fill_keys("monkeynet/predictor")))
    path = prediction.Path(golden["input/mean"], golden["input/var"])
    for name, given in (("all_frames", None), ("first_frame_only", 1)):
        found = predictor(path, given)
        golden.check(found.points, f"{name}/mean")
        golden.check(found.covariances, f"{name}/var")


def test_parity_monkeynet_checkpoint_doctor(tmp_path):
    """A damaged checkpoint is refused by the names of its faults; a file is read as it is."""
    parts = {part: filled(fill_keys(f"monkeynet/bair/{part}")) for part in PARTS[:2]}
    broken = {name: dict(state) for name, state in parts.items()}
    del broken["generator"]["refinement_module.conv-last.bias"]
    broken["kp_detector"]["predictor.decoder.conv.weight"] = torch.zeros(15, 35, 1, 3, 3)
    deep = "video_decoder.up_blocks.4.conv.weight"
    broken["generator"][deep] = broken["generator"][deep].expand(-1, -1, 3, -1, -1)
    broken["generator"]["extra.weight"] = torch.zeros(1)
    with pytest.raises(zoo.CheckpointMismatch) as caught:
        zoo.load_published("monkeynet", "bair", broken)
    assert caught.value.missing == ["generator.refinement_module.conv-last.bias"]
    assert caught.value.extra == ["generator.extra.weight"]
    wrong = " ".join(caught.value.misshaped)
    assert "kp_detector.predictor.decoder.conv.weight" in wrong
    assert f"generator.{deep} (32, 138, 3, 3, 3)" in wrong
    assert len(caught.value.misshaped) == 2
    with pytest.raises(zoo.CheckpointMismatch, match="kp_detector"):
        zoo.load_published("monkeynet", "bair", {"generator": parts["generator"]})

    file = tmp_path / "bair-cpk.pth.tar"
    torch.save({**parts, "epoch": 9, "it": 3, "optimizer_generator": {"state": {}}}, file)
    model = zoo.load_published("monkeynet", "bair", file)
    wanted = parts["generator"]["refinement_module.conv-last.weight"].squeeze(2)
    assert torch.equal(model.generator.refinement_module[-1].weight, wanted)
    with pytest.raises(monkeynet.ModelError, match="moving-gif"):
        zoo.load_published("monkeynet", "vox-256", parts)
