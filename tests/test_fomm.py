"""The First Order Motion Model at its small size: shapes, gradients, what its parts promise."""

from dataclasses import replace

import pytest
import torch

from aidagen import grids, keypoints
from aidagen.datasets.batches import Pair
from aidagen.models import fomm
from aidagen.systems import Step


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return fomm.FOMM(fomm.fomm_tiny()).eval()


def frames(n, size=64, seed=0):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_every_intermediate_has_its_shape(model):
    k, out = 10, model.render(model.encode(frames(1)), model.motion(frames(5, seed=1)))
    assert out.image.shape == out.deformed.shape == (5, 3, 64, 64)
    assert out.flow.shape == (5, 32, 32, 2)
    assert out.occlusion.shape == (5, 1, 32, 32)
    assert out.masks.shape == out.heatmaps.shape == (5, k + 1, 32, 32)
    assert out.sparse_motion.shape == (5, k + 1, 32, 32, 2)
    assert out.sparse_deformed.shape == (5, k + 1, 3, 32, 32)
    assert 0 <= out.image.min() and out.image.max() <= 1
    torch.testing.assert_close(out.masks.sum(1), torch.ones(5, 32, 32))


@torch.no_grad()
def test_the_source_driven_by_itself_does_not_move(model):
    source = frames(1)
    out = model.render(model.encode(source), model.motion(source))
    torch.testing.assert_close(out.flow[0], grids.identity_grid(32, 32), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.heatmaps, torch.zeros_like(out.heatmaps))
    # nor does resizing the flow to the picture's size move it, which the published resizing does
    torch.testing.assert_close(out.deformed, source, atol=1e-3, rtol=0)


@torch.no_grad()
def test_relative_motion_starts_at_the_source_pose(model):
    encoded, motion = model.encode(frames(1)), model.motion(frames(4, seed=2))
    first = fomm.Motion(*(x[:1] for x in motion))
    moved = model.relative(motion, first, encoded)
    torch.testing.assert_close(moved.points[:1], encoded.motion.points)
    torch.testing.assert_close(moved.jacobians[:1], encoded.motion.jacobians, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_frames_do_not_see_each_other(model):
    encoded, driving = model.encode(frames(1)), frames(4, seed=3)
    together = model.render(encoded, model.motion(driving)).image
    alone = torch.cat([model.render(encoded, model.motion(d[None])).image for d in driving])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"jacobian": "shared"},
        {"jacobian": "none"},
        {"occlusion": False, "blend": False},
        {"blend": False},
        {"kp_padding": 0, "kernel": 7},
    ],
)
def test_a_gradient_reaches_every_parameter(change):
    torch.manual_seed(0)
    model = fomm.FOMM(replace(fomm.fomm_tiny(), **change), adversarial=True)
    weights = fomm.LossWeights(perceptual=0.0, pixels=1.0, warp=1.0, adversarial=1.0)
    objective, batch = fomm.Objective(model, weights), Pair(frames(2), frames(2, seed=1))
    step = Step(0, 1, torch.Generator().manual_seed(0))
    for phase in objective.phases():
        sum(objective(phase, batch, step).values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        # a bias in front of a batch norm is the one thing that cannot matter
        if not (name.endswith("conv.bias") or "conv1.bias" in name):
            assert parameter.grad.abs().max() > 0, name


def test_one_pair_is_learnt_by_heart():
    """Overfits a translated blob: the warp must explain most of it."""
    torch.manual_seed(0)
    model = fomm.FOMM(fomm.fomm_tiny())
    there, here = torch.tensor([[[-0.3, 0.1]]]), torch.tensor([[[0.3, -0.1]]])
    source, driving = (
        keypoints.gaussian_maps(p, 64, 64, 0.03).expand(2, 3, 64, 64) for p in (there, here)
    )
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    losses = []
    for _ in range(25):
        loss = (model(source, driving).image - driving).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.35 * losses[0], losses[::6]


def test_tiny_size_is_what_its_docstring_says():
    count = sum(p.numel() for p in fomm.FOMM(fomm.fomm_tiny()).parameters())
    assert f"{count:,}" in fomm.fomm_tiny.__doc__


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (1, 1, 64, 64), (3, 64, 64), (1, 3, 64, 48)])
def test_a_picture_of_another_shape_is_named(model, shape):
    with pytest.raises(fomm.ModelError, match="64, 64"):
        model.motion(torch.zeros(shape))


def test_blend_without_occlusion_is_refused():
    with pytest.raises(fomm.ModelError, match="occlusion"):
        fomm.FOMM(replace(fomm.fomm_tiny(), occlusion=False))
