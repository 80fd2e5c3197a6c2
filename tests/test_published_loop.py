"""What `make bench` holds the animator against draws the animator's pictures."""

import importlib.util
from pathlib import Path

import pytest
import torch

from aidagen import kernels
from aidagen.animation import animate
from aidagen.inference import prepared
from aidagen.models.fomm import FOMM, fomm_tiny

SCRIPTS = Path(__file__).resolve().parents[1] / "data_scripts"


@pytest.fixture(scope="module")
def loop():
    return loaded("published_loop")


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_loops_draw_the_same(loop):
    torch.manual_seed(0)
    model, frames = FOMM(fomm_tiny()).eval(), torch.rand(5, 3, 64, 64)
    model.generator.final.weight.data.mul_(5)
    warp, encodings = kernels.local_affine_warp, []
    model.generator.first.register_forward_hook(lambda *_: encodings.append(1))
    published = torch.stack(loop.as_published(model, frames[0], frames))
    assert len(encodings) == 5 and kernels.local_affine_warp is warp
    assert published.std() > 0.02
    assert (published - animate(model, frames[0], frames)).abs().max() < 1e-5
    ours = torch.stack(loop.ours(prepared(model), frames[0], frames))
    assert (published - ours).abs().max() < 1e-4


def test_shares_of_the_time(loop):
    torch.manual_seed(0)
    model, frames = FOMM(fomm_tiny()).eval(), torch.rand(2, 3, 64, 64)
    ready = prepared(model)
    for way in (lambda: loop.as_published(model, frames[0], frames),
                lambda: loop.ours(ready, frames[0], frames)):  # fmt: skip
        found = loaded("measures").shares(way, loop.KINDS)
        assert sum(found.values()) == pytest.approx(1) and min(found.values()) >= 0
        assert 0.005 < found["warps"] < 0.9 and 0.05 < found["convolutions"] < 0.95
    torch.nn.functional.conv2d(frames, torch.zeros(1, 3, 1, 1))  # what was wrapped works as before
    assert not hasattr(torch.nn.Conv2d._conv_forward, "__wrapped__")
