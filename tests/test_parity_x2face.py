"""Parity with the published X2Face: same keys, same numbers, both samplers, and the head pose."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from golden_rule import Golden, fill_keys, filled, images

from aidagen import grids, zoo
from aidagen.models import x2face

SAMPLERS = {"acT": True, "acF": False}
STRIDE = {"acT": "s4", "acF": "s8"}


@pytest.fixture(scope="module")
def original():
    """The authors' state dict, filled once: 64.8 M numbers."""
    return filled(fill_keys("x2face/face"))


@pytest.fixture(scope="module")
def pose_layers():
    return filled(fill_keys("x2face/pose-layers"))


@pytest.fixture(scope="module")
def golden():
    return Golden("x2face")


def test_parity_x2face_fill_rule(original, pose_layers):
    """The rule gives the tensors the golden numbers were computed with."""
    keys = fill_keys("x2face/face") | fill_keys("x2face/pose-layers")
    found = {**original, **pose_layers}
    assert len(keys) == 170
    for key, (shape, *sums) in keys.items():
        assert list(found[key].shape) == shape
        if found[key].is_floating_point():
            value = found[key].double()
            np.testing.assert_allclose(value.sum().item(), sums[0], rtol=1e-5, atol=1e-4)
            np.testing.assert_allclose(value.abs().sum().item(), sums[1], rtol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
@torch.no_grad()
def test_parity_x2face_forward(original, golden, sampler):
    """Both networks, the embedded face of one source and of three, both warps, the picture."""
    model = zoo.load_published(
        "x2face", "face", {"state_dict": original}, align_corners=SAMPLERS[sampler]
    )
    s, sources, driving = STRIDE[sampler], images(151, 152, 153), images(154)
    motion = model.motion(driving)
    golden.check(motion.latent.relu()[:, :, None, None], f"{sampler}/bottleneck")

    raw = model.embedding.up(model.embedding.down(sources[:1]))
    golden.check(raw, f"{sampler}/embedding_net_output@{s}")
    raw = model.driving.up([motion.latent[:, :, None, None]]).tanh()
    golden.check(raw, f"{sampler}/driving_net_output@{s}")

    one = model.render(model.encode(sources[:1]), motion)
    golden.check(one.sampler_grid, f"{sampler}/get_sampler@{s}x{s[1:]}x1")
    golden.check(one.image, f"{sampler}/generated_one_source@{s}", isolated=1e-3)
    # the authors look at the embedded face with weights that lack the 0.1 of the ones they use
    bare = one.confidence[:, 0] - 0.1
    golden.check(bare, f"{sampler}/get_unwrapped_confidence@s8")
    # for one source the weights cancel
    golden.check(one.embedded, f"{sampler}/get_unwrapped_one_source@{s}", isolated=1e-3)

    three = model.encode(sources)
    generated = model.render(three, motion).image
    golden.check(generated, f"{sampler}/generated_three_sources@{s}", isolated=1e-3)
    faces = grids.warp(sources, three.embedding_flow[0], align_corners=SAMPLERS[sampler])[None]
    looked_at = x2face.average(faces, three.confidence - 0.1)
    golden.check(looked_at, f"{sampler}/get_unwrapped_three_sources@s8", isolated=1e-3)


@torch.no_grad()
def test_parity_x2face_pose(original, pose_layers, golden):
    """Source 151 under two other head poses, from one dict and from the authors' three files."""
    counters = [key for key in original if key.endswith("num_batches_tracked")]
    older = {key: value for key, value in original.items() if key not in counters}
    posereg, posetobottle = {}, {}
    for key, value in pose_layers.items():
        name = key.split("submodule.")[-1]
        if name.startswith("posefrombottle"):
            posereg[name] = value
        elif not name.endswith("num_batches_tracked"):
            posetobottle[name.removeprefix("bottlefrompose.")] = value
    files = {"state_dict": older, "posereg": posereg, "posetobottle": posetobottle}
    model = zoo.load_published("x2face", "pose", files)
    assert "num_batches_tracked" not in str([*older, *posetobottle])

    source = images(151)
    encoded = model.encode(source)
    for i, pose in enumerate([(0.3, -0.2, 0.5), (-0.4, 0.25, -0.9)]):
        turned = model.with_pose(model.motion(source), torch.tensor([pose]))
        golden.check(turned.latent[:, :, None, None], f"pose{i}/bottleneck")
        image = model.render(encoded, turned).image
        golden.check(image, f"pose{i}/generated@s8", isolated=1e-3)

    whole = x2face.published_state({**original, **pose_layers}, model)
    for key, value in model.state_dict().items():
        assert torch.equal(whole[key], value), key


def test_parity_x2face_checkpoint_doctor(original, tmp_path):
    """A damaged checkpoint is refused by the names of its faults; a file is read as it is."""
    broken = dict(original)
    del broken["pix2pixSampler.netG.model.submodule.up.2.weight"]
    broken["pix2pixUnwrapped.netG.model.down.0.weight"] = torch.zeros(64, 1, 4, 4)
    broken["pix2pixUnwrapped.netG.model.submodule.down.7.weight"] = torch.zeros(1)
    with pytest.raises(zoo.CheckpointMismatch) as caught:
        zoo.load_published("x2face", "face", {"state_dict": broken})
    assert caught.value.missing == ["driving.levels.1.up.weight"]
    assert caught.value.extra == ["pix2pixUnwrapped.netG.model.submodule.down.7.weight"]
    assert "embedding.levels.0.down.weight" in caught.value.misshaped[0]
    with pytest.raises(zoo.CheckpointMismatch, match="pose_from_latent"):
        zoo.load_published("x2face", "pose", original)
    with pytest.raises(zoo.CheckpointMismatch, match=r"embedding\.levels"):
        zoo.load_published("x2face", "face", {"generator": {}, "epoch": 3})

    file = tmp_path / "x2face_model.pth"
    torch.save({"state_dict": original, "optimizer": {"state": {}}}, file)
    model = zoo.load_published("x2face", "face", file)
    key = "pix2pixSampler.netG.model.submodule.submodule.down.1.weight"
    assert torch.equal(model.driving.levels[2].down.weight, original[key])
    with pytest.raises(x2face.ModelError, match="face"):
        zoo.load_published("x2face", "vox", original)


@pytest.mark.parametrize(("config", "count"), [("face", 64_771_840), ("pose", 64_772_867)])
def test_parity_x2face_parameter_counts(config, count):
    """Sizes of the published architectures, statistics aside."""
    with torch.device("meta"):
        model = x2face.X2Face(replace(x2face.x2face_published(config)))
    assert sum(p.numel() for p in model.parameters()) == count
