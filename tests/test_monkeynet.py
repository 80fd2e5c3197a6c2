"""Monkey-Net at its small size: shapes, gradients, what its parts promise; the predictor."""

from dataclasses import replace

import pytest
import torch

from aidagen import grids, keypoints, losses, recipes, training
from aidagen.datasets.batches import Pair
from aidagen.models import monkeynet
from aidagen.models import monkeynet_prediction as prediction
from aidagen.systems import Step


@pytest.fixture(scope="module")
def model():
    """Untrained, with a flow head that has an opinion (it starts from "nothing moves")."""
    torch.manual_seed(0)
    model = monkeynet.MonkeyNet(monkeynet.monkeynet_small()).eval()
    torch.nn.init.normal_(model.generator.dense_motion_module.hourglass.decoder.conv.weight, 0, 0.1)
    return model


def frames(n, size=64, seed=0):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_every_intermediate_has_its_shape(model):
    k, out = 10, model.render(model.encode(frames(1)), model.motion(frames(5, seed=1)))
    assert out.image.shape == out.deformed.shape == (5, 3, 64, 64)
    assert out.kept.shape == (5, 1, 64, 64)
    assert out.flow.shape == out.residual.shape == (5, 32, 32, 2)
    assert out.masks.shape == out.heatmaps.shape == (5, k + 1, 32, 32)
    assert out.sparse_motion.shape == (5, k + 1, 32, 32, 2)
    assert out.sparse_deformed.shape == (5, k + 1, 3, 32, 32)
    assert out.motion.points.shape == (5, k, 2)
    assert out.motion.covariances.shape == (5, k, 2, 2)
    assert 0 <= out.image.min() and out.image.max() <= 1
    torch.testing.assert_close(out.masks.sum(1), torch.ones(5, 32, 32))


@torch.no_grad()
def test_the_flow_is_masks_times_shifts_plus_residual(model):
    encoded, motion = model.encode(frames(1)), model.motion(frames(2, seed=1))
    out = model.render(encoded, motion)
    shifts = encoded.motion.points - motion.points  # (2, K, 2)
    by_hand = grids.identity_grid(32, 32) + out.residual
    for k in range(10):
        by_hand = by_hand + out.masks[:, k + 1, :, :, None] * shifts[:, k, None, None]
    torch.testing.assert_close(out.flow, by_hand, atol=1e-5, rtol=0)
    torch.testing.assert_close(  # every shifted copy of the source by itself
        out.sparse_motion[:, 3] - grids.identity_grid(32, 32),
        shifts[:, 2, None, None].expand(-1, 32, 32, -1),
        atol=1e-6,
        rtol=0,
    )


@torch.no_grad()
def test_untrained_nothing_moves():
    torch.manual_seed(0)
    model, source = monkeynet.MonkeyNet(monkeynet.monkeynet_small()).eval(), frames(1)
    encoded = model.encode(source)
    out = model.render(encoded, encoded.motion)
    torch.testing.assert_close(out.flow[0], grids.identity_grid(32, 32), atol=1e-6, rtol=0)
    torch.testing.assert_close(out.heatmaps, torch.zeros_like(out.heatmaps))
    # nor does resizing the flow to the picture's size move it, which the published resizing does
    torch.testing.assert_close(out.deformed, source, atol=1e-3, rtol=0)


@torch.no_grad()
def test_frames_do_not_see_each_other(model):
    encoded, driving = model.encode(frames(1)), frames(4, seed=3)
    together = model.render(encoded, model.motion(driving)).image
    alone = torch.cat([model.render(encoded, model.motion(d[None])).image for d in driving])
    torch.testing.assert_close(together, alone, atol=5e-5, rtol=0)
    reconstructed = model(frames(1).expand(4, -1, -1, -1), driving).image  # as in training
    torch.testing.assert_close(together, reconstructed, atol=5e-5, rtol=0)


CHANGES = [
    {},
    {"variance": "single"},
    {"variance": 0.01},
    {"motion": False, "deformed_skips": False},
    {"deformed_skips": False},
    {"masks": False},
    {"residual": False},
    {"motion_image": False},
    {"motion_difference": False, "heatmap_norm": "sum", "clip_variance": None},
    {"embedding": False},
    {"blend": False, "anti_alias": False, "resize": "bilinear", "res_blocks": 2},
    {"resize": "nearest", "group_blocks": 0},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_gradient_reaches_every_parameter(change):
    torch.manual_seed(0)
    model = monkeynet.MonkeyNet(replace(monkeynet.monkeynet_small(), **change), adversarial=True)
    if model.generator.dense_motion_module is not None:  # its last weights start at zero
        torch.nn.init.normal_(
            model.generator.dense_motion_module.hourglass.decoder.conv.weight, 0, 0.1
        )
    weights = monkeynet.LossWeights(warp=1.0, feature_matching=(10.0, 10.0, 1.0))
    objective, batch = monkeynet.Objective(model, weights), Pair(frames(4), frames(4, seed=1))
    step = Step(0, 1, torch.Generator().manual_seed(0))
    terms = {phase: objective(phase, batch, step) for phase in objective.phases()}
    assert set(terms["generator"]) == {"pixels", "warp", "adversarial", "feature_matching"}
    assert set(terms["discriminator"]) == {"discriminator"}
    sum(sum(each.values()) for each in terms.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        # a bias in front of a batch norm is the one thing that cannot matter
        if not (name.endswith("conv.bias") or "conv1.bias" in name):
            assert parameter.grad.abs().max() > 0, name


@torch.no_grad()
def test_ablations_take_out_what_they_say():
    source, driving = frames(1), frames(2, seed=1)
    for change, still in (({"motion": False}, True), ({"deformed_skips": False}, False)):
        torch.manual_seed(0)
        model = monkeynet.MonkeyNet(replace(monkeynet.monkeynet_small(), **change)).eval()
        if not still:  # a flow that moves everything to one side
            model.generator.dense_motion_module.hourglass.decoder.conv.bias[-2:] = 0.25
        out = model.render(model.encode(source), model.motion(driving))
        moved = (out.deformed - source).abs().mean().item()
        assert moved < 1e-4 if still else moved > 0.05
        assert (out.masks is None) == still
        # the picture still depends on where the keypoints are: the decoder is told
        other = model.render(model.encode(source), model.motion(driving.flip(0)))
        assert (other.image - out.image).abs().max() > 1e-4
    # features that are not deformed: the decoder gets the encoder's own
    seen = []
    model.generator.video_decoder.register_forward_pre_hook(lambda _, x: seen.extend(x[0]))
    encoded = model.encode(source)
    model.render(encoded, model.motion(driving[:1]))
    assert torch.equal(seen[1][:, :24], encoded.features[0])
    assert not torch.equal(seen[0][:, :3], source)


@torch.no_grad()
def test_the_keypoints_part_of_the_flow_leaves_the_residual_out(model):
    source, driving = frames(1), frames(1, seed=1)
    out = model(source, driving)
    alone = model.generator.by_keypoints(source, out)
    assert (alone - source).abs().mean() > 0.01 and (alone - out.deformed).abs().mean() > 0.01
    shifts = out.flow - out.residual
    further = out._replace(flow=shifts + 2 * out.residual, residual=2 * out.residual)
    torch.testing.assert_close(model.generator.by_keypoints(source, further), alone)
    without = monkeynet.MonkeyNet(replace(model.config, residual=False)).eval()
    out = without(source, driving)
    assert torch.equal(without.generator.by_keypoints(source, out), out.deformed)


def test_the_keypoint_warp_teaches_keypoints_and_masks_and_not_the_residual(model):
    batch, step = Pair(frames(2), frames(2, seed=1)), Step(0, 1, torch.Generator())
    weights = monkeynet.LossWeights(
        pixels=0.0, feature_matching=(), adversarial=0.0, keypoint_warp=3.0
    )
    objective = monkeynet.Objective(model, weights)
    terms = objective("generator", batch, step)
    assert set(terms) == {"keypoint_warp"}
    deformed = model.generator.by_keypoints(batch.source, objective.run(model, batch))
    wanted = 3 * losses.scaled_l1(deformed, batch.driving)
    torch.testing.assert_close(terms["keypoint_warp"], wanted)
    head = model.generator.dense_motion_module.hourglass.decoder.conv.weight
    detector = model.kp_detector.predictor.decoder.conv.weight
    of_head, of_detector = torch.autograd.grad(terms["keypoint_warp"], [head, detector])
    assert of_head[:-2].abs().amax((1, 2, 3)).min() > 0 and of_detector.abs().max() > 0
    assert not of_head[-2:].any()


def test_one_pair_is_learnt_by_heart():
    """Overfits a translated blob; the warped picture comes nearer, too."""
    torch.manual_seed(0)
    model = monkeynet.MonkeyNet(monkeynet.monkeynet_small())
    there, here = torch.tensor([[[-0.3, 0.1]]]), torch.tensor([[[0.3, -0.1]]])
    source, driving = (
        keypoints.gaussian_maps(p, 64, 64, 0.03).expand(2, 3, 64, 64) for p in (there, here)
    )
    weights = monkeynet.LossWeights(pixels=1.0, warp=1.0, adversarial=0.0)
    objective = monkeynet.Objective(model, weights)
    assert list(objective.phases()) == ["generator"]
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    history = []
    for number in range(25):
        step = Step(number, 25, torch.Generator())
        terms = objective("generator", Pair(source, driving), step)
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
        history.append({name: value.item() for name, value in terms.items()})
    assert history[-1]["pixels"] < 0.1 * history[0]["pixels"], history[::6]
    assert history[-1]["warp"] < 0.85 * history[0]["warp"], history[::6]


def test_small_size_is_what_its_docstring_says():
    count = sum(p.numel() for p in monkeynet.MonkeyNet(monkeynet.monkeynet_small()).parameters())
    assert f"{count:,}" in monkeynet.monkeynet_small.__doc__
    predictor = prediction.KeypointPredictor(prediction.predictor_small())
    count = sum(p.numel() for p in predictor.parameters())
    assert f"{count:,}" in prediction.predictor_small.__doc__


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (1, 1, 64, 64), (3, 64, 64), (1, 3, 64, 48)])
def test_a_picture_of_another_shape_is_named(model, shape):
    with pytest.raises(monkeynet.ModelError, match="64, 64"):
        model.motion(torch.zeros(shape))


def test_bad_settings_are_refused():
    with pytest.raises(monkeynet.ModelError, match="masks"):
        monkeynet.MonkeyNet(replace(monkeynet.monkeynet_small(), masks=False, residual=False))
    with pytest.raises(monkeynet.ModelError, match="moving-gif"):
        monkeynet.monkeynet_published("mgif")


# --- covariances ---------------------------------------------------------------------------------


def test_flat_and_round_covariances_have_finite_gradients():
    flat = torch.tensor([[1.0, 2.0], [2.0, 4.0]])  # rank one
    round_ = 0.2 * torch.eye(2)
    single_pixel = torch.zeros(2, 2)
    matrices = torch.stack([flat, round_, single_pixel])[None].requires_grad_()
    smallest = keypoints.smallest_variance(matrices)
    torch.testing.assert_close(smallest[0, 1].item(), 0.2)
    clipped = keypoints.clip_variance(matrices, 0.001)
    assert clipped.isfinite().all()
    clipped.sum().backward()
    assert matrices.grad.isfinite().all()


def test_clipping_keeps_the_shape_of_a_covariance():
    matrix = torch.tensor([[[[4e-4, 1e-4], [1e-4, 2e-4]]]])
    clipped = keypoints.clip_variance(matrix, 0.001)
    torch.testing.assert_close(
        torch.linalg.eigvalsh(clipped).min().item(), 0.001, rtol=1e-3, atol=0
    )
    torch.testing.assert_close(clipped / clipped[..., :1, :1], matrix / matrix[..., :1, :1])
    wide = torch.eye(2)[None, None]
    torch.testing.assert_close(keypoints.clip_variance(wide, 0.001), wide)


@torch.no_grad()
def test_relative_motion_starts_at_the_source_pose(model):
    encoded, motion = model.encode(frames(1)), model.motion(frames(4, seed=2))
    first = monkeynet.Motion(*(x[:1] for x in motion))
    moved = model.relative(motion, first, encoded)
    torch.testing.assert_close(moved.points[:1], encoded.motion.points)
    torch.testing.assert_close(moved.covariances, motion.covariances)  # as published: the driver's
    adapted = model.relative(motion, first, encoded, adapt_variance=True)
    torch.testing.assert_close(
        adapted.covariances[:1], encoded.motion.covariances, atol=1e-4, rtol=1e-3
    )
    assert torch.linalg.eigvalsh(adapted.covariances).min() > 0


# --- image to video ------------------------------------------------------------------------------


def turning(clips, length, k=4):
    """Keypoints that circle, all clips at the same pace, from different starts."""
    generator = torch.Generator().manual_seed(0)
    paths = []
    for _ in range(clips):
        start = 6.28 * torch.rand(1, generator=generator)
        angle = start + 0.3 * torch.arange(length)[:, None] + torch.arange(k) * 6.28 / k
        points = 0.5 * torch.stack([angle.cos(), angle.sin()], dim=-1)[None]
        covariances = 0.02 * torch.eye(2).expand(1, length, k, 2, 2)
        paths.append(prediction.Path(points, covariances))
    return paths


def go_through(predictor, paths, steps):
    """The shipped recipe on other paths; the loss of every step."""
    recipe = replace(
        recipes.find("monkeynet-prediction-bodies"), data=prediction.Paths(paths, 12), steps=steps
    )
    history = training.fit(prediction.Objective(predictor), recipe)
    assert not predictor.training
    return [sum(terms.values()) for terms in history]


def test_a_predictor_learns_to_go_on():
    torch.manual_seed(0)
    config = replace(prediction.predictor_small(), keypoints=4)
    paths, (unseen,) = turning(12, 24), turning(13, 12)[-1:]
    predictor = prediction.KeypointPredictor(config)
    first = monkeynet.Motion(unseen.points[0, :1], unseen.covariances[0, :1])
    history = go_through(predictor, paths, steps=150)
    assert history[-1] < 0.4 * history[0], history[::30]
    found = prediction.predict(predictor, first, 12)
    assert found.points.shape == (12, 4, 2) and found.covariances.shape == (12, 4, 2, 2)
    torch.testing.assert_close(found.points[0], first.points[0])
    error = (found.points - unseen.points[0]).abs().mean()
    standing = (first.points - unseen.points[0]).abs().mean()
    assert error < 0.5 * standing, (error, standing)
    assert torch.linalg.eigvalsh(found.covariances).min() > 0
    kept = prediction.predict(predictor, first, 12, covariances="first")
    torch.testing.assert_close(kept.covariances, first.covariances.expand(12, -1, -1, -1))

    histories = []
    for _ in range(2):  # the same seed, the same predictor
        torch.manual_seed(0)
        again = prediction.KeypointPredictor(config)
        histories.append(go_through(again, paths, steps=3))
    assert histories[0] == histories[1] and len(histories[0]) == 3


@torch.no_grad()
def test_a_picture_becomes_a_video(model):
    encoded = model.encode(frames(1))
    predictor = prediction.KeypointPredictor(prediction.predictor_small()).eval()
    motion = prediction.predict(predictor, encoded.motion, 6)
    out = model.render(encoded, motion)
    assert out.image.shape == (6, 3, 64, 64) and out.image.isfinite().all()


def test_the_predictor_looks_at_what_is_given_alone():
    predictor = prediction.KeypointPredictor(prediction.predictor_small()).eval()
    points, spread = torch.rand(2, 5, 10, 2), torch.rand(2, 5, 10, 2, 2)
    changed = points.clone()
    changed[:, 1:] += 1
    with torch.no_grad():
        a = predictor(prediction.Path(points, spread), given=1)
        b = predictor(prediction.Path(changed, spread), given=1)
        assert torch.equal(a.points, b.points)
        b = predictor(prediction.Path(changed, spread), given=2)
    assert not torch.equal(a.points, b.points)


def test_sequences_that_do_not_fit_are_named(model):
    predictor = prediction.KeypointPredictor(prediction.predictor_small())
    with pytest.raises(prediction.PredictionError, match="10, 2"):
        predictor(prediction.Path(torch.zeros(1, 3, 4, 2), torch.zeros(1, 3, 4, 2, 2)))
    with pytest.raises(prediction.PredictionError, match="of 30 frames"):
        prediction.Paths(turning(2, 12, k=10), 30)
    with pytest.raises(prediction.PredictionError, match="one frame"):
        prediction.predict(predictor, model.motion(frames(2)), 5)
