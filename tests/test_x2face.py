"""X2Face at its small size: shapes, gradients, averaging, editing, what its parts promise."""

from dataclasses import replace

import pytest
import torch

from aidagen import animation, grids, keypoints
from aidagen.datasets.batches import Pair
from aidagen.models import x2face
from aidagen.systems import Step


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return x2face.X2Face(x2face.x2face_small()).eval()


def frames(n, size=64, seed=0):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_every_intermediate_has_its_shape(model):
    out = model.render(model.encode(frames(2)), model.motion(frames(5, seed=1)))
    assert out.image.shape == out.deformed.shape == out.embedded.shape == (5, 3, 64, 64)
    assert out.flow.shape == out.sampler_grid.shape == (5, 64, 64, 2)
    assert out.embedding_flow.shape == (5, 2, 64, 64, 2)
    assert out.confidence.shape == (5, 2, 1, 64, 64)
    assert out.motion.latent.shape == (5, model.config.latent)
    assert 0 <= out.image.min() and out.image.max() <= 1


@torch.no_grad()
def test_flow_is_both_warps_in_one(model):
    """A picture that is its own coordinates comes out as the flow: both say what was read."""
    identity = grids.identity_grid(64, 64).permute(2, 0, 1)
    coordinates = torch.cat([identity, torch.zeros(1, 64, 64)])[None]
    encoded = model.encode(frames(1))
    there = grids.warp(coordinates, encoded.embedding_flow[:, 0], padding="border")
    out = model.render(encoded._replace(embedded=there), model.motion(frames(3, seed=1)))
    flow = out.flow.clamp(-1, 1).permute(0, 3, 1, 2)  # further out there are no coordinates
    torch.testing.assert_close(out.image[:, :2], flow, atol=0.02, rtol=0)
    assert (out.flow - grids.identity_grid(64, 64)).abs().max() > 1e-3  # it does move


@torch.no_grad()
def test_relative_motion_starts_at_the_source_pose(model):
    encoded, motion = model.encode(frames(1)), model.motion(frames(4, seed=2))
    moved = model.relative(motion, x2face.Motion(motion.latent[:1]), encoded)
    torch.testing.assert_close(moved.latent[:1], encoded.motion.latent)
    change = moved.latent - moved.latent[:1]
    torch.testing.assert_close(change, motion.latent - motion.latent[:1])


@torch.no_grad()
def test_frames_do_not_see_each_other(model):
    encoded, driving = model.encode(frames(1)), frames(4, seed=3)
    together = model.render(encoded, model.motion(driving)).image
    alone = torch.cat([model.render(encoded, model.motion(d[None])).image for d in driving])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    streamed = animation.animate(model, frames(1)[0], driving, mode="absolute")
    torch.testing.assert_close(together, streamed, atol=1e-5, rtol=0)


@torch.no_grad()
def test_training_and_animation_render_the_same(model):
    """``forward`` takes B people, ``encode`` N frames of one: B pairs are B clips of one frame."""
    sources, driving = frames(3), frames(3, seed=1)
    trained = model(sources, driving).image
    animated = [
        model.render(model.encode(s[None]), model.motion(d[None])).image
        for s, d in zip(sources, driving)
    ]
    torch.testing.assert_close(trained, torch.cat(animated), atol=1e-5, rtol=0)


def test_sources_are_averaged_by_their_confidence():
    """Half of each frame is known: the average knows the whole."""
    truth = frames(1)[0]
    left = torch.zeros(1, 64, 64)
    left[..., :32] = 1
    faces = torch.stack([truth * left, truth * (1 - left)])[None]
    sure = torch.stack([left, 1 - left])[None] + 1e-6
    torch.testing.assert_close(x2face.average(faces, sure)[0], truth, atol=1e-4, rtol=0)
    even = x2face.average(faces, torch.ones(1, 2, 1, 64, 64))
    torch.testing.assert_close(even[0], truth / 2)


@torch.no_grad()
def test_the_order_of_the_sources_does_not_change_the_face(model):
    views = frames(3)
    there, back = model.encode(views), model.encode(views.flip(0))
    torch.testing.assert_close(there.embedded, back.embedded, atol=1e-5, rtol=0)
    thrice = model.encode(views[:1].expand(3, -1, -1, -1))
    torch.testing.assert_close(thrice.embedded, model.encode(views[:1]).embedded)


@torch.no_grad()
def test_a_drawing_on_the_embedded_face_follows_the_motion(model):
    encoded = model.encode(frames(1))
    overlay, alpha = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    overlay[:, 0] = 1
    alpha[:, :, 20:30, 24:40] = 1
    edited = x2face.edit(encoded, overlay, alpha)
    driven = model.motion(frames(4, seed=5))
    plain, drawn = model.render(encoded, driven), model.render(edited, driven)
    # where the second warp reads the drawing, and nowhere else, the picture changes
    where = grids.warp(alpha.expand(4, -1, -1, -1), drawn.sampler_grid)
    expected = where * overlay + (1 - where) * plain.image
    assert where.max() > 0.9
    torch.testing.assert_close(drawn.image[where.expand_as(expected) == 0],
                               plain.image[where.expand_as(expected) == 0])  # fmt: skip
    inside = (where > 0.999).expand_as(expected)
    torch.testing.assert_close(drawn.image[inside], expected[inside], atol=0.01, rtol=0)
    assert torch.equal(x2face.edit(encoded, overlay, 0 * alpha).embedded, encoded.embedded)
    assert torch.equal(edited.sources, encoded.sources)


def test_a_drawing_of_another_size_is_named(model):
    encoded = model.encode(frames(1))
    with pytest.raises(x2face.ModelError, match="32, 32"):
        x2face.edit(encoded, torch.zeros(1, 3, 32, 32), torch.zeros(1, 1, 32, 32))


@pytest.mark.parametrize(
    "change",
    [{}, {"norm": "batch"}, {"double_tanh": True, "padding": "zeros"}, {"size": 16}],
)
def test_a_gradient_reaches_every_parameter(change):
    torch.manual_seed(0)
    model = x2face.X2Face(replace(x2face.x2face_small(), **change))
    weights = x2face.LossWeights(pixels=1.0, warp=1.0, averaging=1.0)
    objective, size = x2face.Objective(model, weights), model.config.size
    assert list(objective.phases()) == ["generator"] and model.discriminator is None
    batch = Pair(frames(4, size), frames(4, size, seed=1))
    terms = objective("generator", batch, Step(0, 1, torch.Generator()))
    assert set(terms) == {"pixels", "warp", "averaging"}
    sum(terms.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_one_source_leaves_the_confidence_alone():
    """Its weight cancels; Adam would make a step of the rounding that is left."""
    model = x2face.X2Face(x2face.x2face_small())
    (model(frames(2), frames(2, seed=1)).image - 0.5).abs().mean().backward()
    grad = model.embedding.levels[0].up.weight.grad
    assert grad[:2].abs().max() > 0 and grad[2].abs().max() == 0


def test_one_clip_is_learnt_by_heart():
    """Overfits a blob that moves: the two warps must explain most of it."""
    torch.manual_seed(0)
    model = x2face.X2Face(replace(x2face.x2face_small(), size=32))
    places = torch.tensor([[[-0.3, 0.1]], [[0.2, -0.2]], [[0.0, 0.3]]])
    clip = keypoints.gaussian_maps(places, 32, 32, 0.03).expand(3, 3, 32, 32)
    source, driving = clip[[0, 1, 2, 0]], clip[[1, 2, 0, 2]]
    objective = x2face.Objective(model, x2face.LossWeights(pixels=1.0, warp=1.0))
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    losses = []
    for number in range(60):
        step = Step(number, 60, torch.Generator())
        terms = objective("generator", Pair(source, driving), step)
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
        losses.append(terms["pixels"].item())
    assert losses[-1] < 0.35 * losses[0], losses[::6]


def test_small_size_is_what_its_docstring_says():
    count = sum(p.numel() for p in x2face.X2Face(x2face.x2face_small()).parameters())
    assert f"{count:,}" in x2face.x2face_small.__doc__


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (1, 1, 64, 64), (3, 64, 64), (1, 3, 64, 48)])
def test_a_picture_of_another_shape_is_named(model, shape):
    for call in (model.motion, model.encode):
        with pytest.raises(x2face.ModelError, match="64, 64"):
            call(torch.zeros(shape))


def test_what_cannot_be_is_refused(model):
    config = x2face.x2face_small()
    with pytest.raises(x2face.ModelError, match="power of two"):
        x2face.X2Face(replace(config, size=48))
    with pytest.raises(x2face.ModelError, match="discriminator"):
        x2face.X2Face(config, adversarial=True)
    with pytest.raises(x2face.ModelError, match="adversarial"):
        x2face.Objective(model, x2face.LossWeights(adversarial=1.0))
    with pytest.raises(x2face.ModelError, match="pose=True"):
        model.pose(model.motion(frames(1)))
    with pytest.raises(x2face.ModelError, match="face, pose"):
        x2face.x2face_published("vox-256")


@torch.no_grad()
def test_a_pose_in_place_of_its_own():
    model = x2face.X2Face(replace(x2face.x2face_small(), pose=True)).eval()
    motion = model.motion(frames(2))
    assert model.pose(motion).shape == (2, 3)
    same = model.with_pose(motion, model.pose(motion))
    torch.testing.assert_close(same.latent, motion.latent, atol=1e-5, rtol=0)
    assert (model.with_pose(motion, torch.zeros(1, 3)).latent - motion.latent).abs().max() > 1e-3
    # speech: the code of the implied pose is taken out again, so only that of its rest is left
    encoded = model.encode(frames(1, seed=1))
    sound = x2face.Motion(torch.randn(2, model.config.latent))
    moved = model.relative(sound, x2face.Motion(sound.latent[:1]), encoded)
    spoken = model.with_pose(moved, model.pose(encoded.motion))
    torch.testing.assert_close(spoken.latent[:1], encoded.motion.latent, atol=1e-5, rtol=0)
    assert not torch.equal(spoken.latent[1:], moved.latent[1:])


@pytest.mark.parametrize("corners", [True, False])
@torch.no_grad()
def test_border_padding_is_the_samplers_and_passes_on_what_is_no_number(corners):
    model = x2face.X2Face(replace(x2face.x2face_small(), size=16, align_corners=corners))
    picture = frames(2, 16)
    grid = 1.5 * (2 * torch.rand(2, 16, 16, 2) - 1)
    wanted = grids.warp(picture, grid, padding="border", align_corners=corners)
    torch.testing.assert_close(model._warp(picture, grid), wanted, atol=1e-5, rtol=0)
    assert model._warp(picture, grid * float("nan")).isnan().all()
