"""A prepared model draws the pictures of the model that it was made of, which stays as it is."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from aidagen import blocks, inference, zoo
from aidagen.animation import Animator, animate, rendering
from aidagen.inference import ColumnwiseConv, Folded, FoldedResBlock, prepared
from aidagen.models.fomm import FOMM, FOMMConfig, fomm_tiny
from aidagen.winograd import WinogradConv

# published channels, where Winograd's way pays, on pictures that a test can afford
WIDE = replace(FOMMConfig(), size=128, kp_blocks=2, motion_blocks=2, res_blocks=2)


def lively(model: nn.Module) -> nn.Module:
    """Random weights whose pictures have contrast, and batch norms that do something."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, nn.BatchNorm2d):
            for value, spread in ((module.running_mean, 0.2), (module.bias.data, 0.2)):
                value.normal_(0, spread)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
    model.generator.final.weight.data.mul_(0.6)
    return model.eval()


def test_the_picture_is_the_same_with_published_channels():
    torch.manual_seed(0)
    model = lively(FOMM(WIDE))
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    ready = prepared(model)
    frames = torch.rand(3, 3, 128, 128)
    wanted = animate(model, frames[0], frames, batch=16)
    for batch in (1, 2):
        ours = animate(ready, frames[0], frames, batch=batch)
        assert wanted.std() > 0.1 and (ours - wanted).abs().max() < 1e-3
    used = [each for each in ready.modules() if isinstance(each, WinogradConv)]
    assert sum(each.points is not None for each in used) >= 6  # it was Winograd's way that drew
    assert isinstance(ready.generator.final, ColumnwiseConv)
    assert isinstance(prepared(model, torch.bfloat16).generator.final, inference.Rounded)
    assert not any(isinstance(each, WinogradConv) for each in model.modules())
    assert all(torch.equal(value, kept[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    "name", ["fomm-faces-64", "fomm-robot-64", "monkeynet-bodies-64", "x2face-faces-64"]
)
@pytest.mark.parametrize("mode", ["relative", "absolute"])
def test_shipped_models_draw_the_same(name, mode):
    model = zoo.load(name, device="cpu")
    size = model.config.size
    torch.manual_seed(0)
    frames = nn.functional.interpolate(torch.rand(5, 3, 8, 8), size, mode="bicubic").clamp(0, 1)
    wanted = animate(model, frames[0], frames, mode)
    assert (animate(prepared(model), frames[0], frames, mode, batch=2) - wanted).abs().max() < 1e-3


@pytest.mark.parametrize(
    "block",
    [blocks.SameBlock(5, 6, 7), blocks.SameBlock(4, 6, 3), blocks.SameBlock(4, 6, 1, groups=2),
     blocks.DownBlock(4, 6), blocks.UpBlock(4, 6)],
)  # fmt: skip
def test_folded_blocks(block):
    torch.manual_seed(0)
    block.norm.running_mean.normal_()
    block.norm.running_var.uniform_(0.5, 2)
    block.norm.bias.data.normal_()
    x, block = torch.randn(2, block.conv.in_channels, 10, 12), block.eval()
    folded = Folded(block)
    with torch.no_grad():
        assert (folded(x) - block(x)).abs().max() < 1e-5
        res = blocks.ResBlock(4).eval()
        res.norm2.running_mean.normal_()
        x = torch.randn(2, 4, 9, 7)
        before = x.clone()
        assert (FoldedResBlock(res)(x) - res(x)).abs().max() < 1e-5
        assert torch.equal(x, before)


@pytest.mark.parametrize("size", [(1, 1), (4, 3), (9, 20)])
@pytest.mark.parametrize(("kernel", "results"), [(7, 3), ((5, 7), 1), (5, 7)])
def test_a_kernel_column_by_column(size, kernel, results):
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    conv = nn.Conv2d(9, results, kernel, padding=tuple(side // 2 for side in kernel))
    assert ColumnwiseConv.suits(conv)
    x = torch.randn(2, 9, *size)
    with torch.no_grad():
        assert (ColumnwiseConv(conv)(x) - conv(x)).abs().max() < 1e-5
    conv = partial(nn.Conv2d, padding=3)
    for other in (conv(9, 8, 7), conv(9, 3, 3), nn.Conv2d(9, 3, 7), conv(9, 3, 7, stride=2),
                  conv(3, 3, 7)):  # fmt: skip
        assert not ColumnwiseConv.suits(other)


def test_what_gains_nothing_is_given_back():
    tiny = FOMM(fomm_tiny())
    assert prepared(tiny) is tiny  # in training: batch norms are not constants
    double = FOMM(fomm_tiny()).double().eval()
    assert prepared(double) is double
    far = FOMM(fomm_tiny()).eval().to("meta")
    assert prepared(far) is far
    bare = object()
    assert prepared(bare) is bare
    assert prepared(tiny.eval()) is not tiny


def test_it_goes_on_as_an_animatable_model():
    ready = prepared(FOMM(fomm_tiny()).eval())
    frames = torch.rand(2, 3, 64, 64)
    shown = rendering(ready, frames[:1], frames, "relative")
    assert shown.flow.shape == (2, 32, 32, 2) and shown.image.shape == (2, 3, 64, 64)
    animator = Animator(ready, frames[0])
    first = animator.encoded.features.clone()
    list(animator.animate(frames))
    assert torch.equal(animator.encoded.features, first)  # what is kept is nobody's scratch memory
    assert inference.CPU_BATCH < inference.BATCH


def test_a_painter_in_shorter_numbers():
    model = zoo.load("fomm-faces-64", device="cpu")
    fast, ready = prepared(model, torch.bfloat16), prepared(model)
    torch.manual_seed(0)
    frames = nn.functional.interpolate(torch.rand(3, 3, 8, 8), 64, mode="bicubic").clamp(0, 1)
    found = inference.compared(ready, fast, frames[0], list(frames), "relative")
    exact, ours = (rendering(each, frames[:1], frames) for each in (ready, fast))
    assert torch.equal(exact.flow, ours.flow)  # only what is painted is rounded
    assert ours.image.dtype == torch.float32 and 1e-5 < found.error < 0.1
    difference = animate(ready, frames[0], frames) - animate(fast, frames[0], frames)
    assert found.error == difference.abs().max().item()
    assert found.psnr == pytest.approx(-10 * difference.square().mean().log10().item())
    rounded = {name for name, each in fast.named_modules() if isinstance(each, inference.Rounded)}
    assert "generator.bottleneck.r0" in rounded and "generator.up_blocks.0" in rounded
    assert not any("hourglass" in name or "kp_detector" in name for name in rounded)
    assert inference.compared(ready, ready, frames[0], list(frames), "absolute").psnr == float(
        "inf"
    )


def test_a_type_is_shorter_only_where_there_are_instructions(monkeypatch):
    assert inference.shorter("cuda") == torch.float16 and inference.shorter("mps") is None
    for there, expected in ((True, torch.bfloat16), (False, None)):
        for name in ("avx512_bf16", "amx_tile"):
            monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda there=there: there)
        assert inference.shorter("cpu") == expected
    for name in ("avx512_bf16", "amx_tile"):
        monkeypatch.delattr(torch.cpu, f"_is_{name}_supported")
    assert inference.shorter("cpu") is None  # a torch that cannot say


def test_settings_are_carried_by_a_copy():
    model = prepared(zoo.load("fomm-faces-64", device="cpu"))
    torch.manual_seed(0)
    frames = nn.functional.interpolate(torch.rand(3, 3, 8, 8), 64, mode="bicubic").clamp(0, 1)
    scaled = inference.carrying(model, adapt_scale=True)
    assert inference.carrying(model) is model and "relative" not in vars(model)
    assert scaled.generator is model.generator
    encoded, motion = model.encode(frames[:1]), model.motion(frames)
    first = model.motion(frames[1:2])
    wanted = model.relative(motion, first, encoded, adapt_scale=True)
    assert torch.equal(scaled.relative(motion, first, encoded).points, wanted.points)
    assert not torch.equal(model.relative(motion, first, encoded).points, wanted.points)
    with pytest.raises(inference.AidagenError, match="A FOMM has no setting --clip-mean"):
        inference.carrying(model, adapt_scale=True, clip_mean=True)
    with pytest.raises(inference.AidagenError, match="has no setting --adapt-scale"):
        inference.carrying(nn.Identity(), adapt_scale=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["fomm-faces-64", "fomm-faces-128", "monkeynet-faces-64"])
def test_half_precision_goes_a_gpus_way_with_every_system(monkeypatch, name, dtype):
    """A GPU takes no Winograd; the other operations and their number types are the same here."""
    monkeypatch.setattr(inference, "winograd", inference.plain)
    model = zoo.load(name, device="cpu")
    fast = prepared(model, dtype)
    assert not any(isinstance(each, WinogradConv) for each in fast.modules())
    rounded = [each for each in fast.modules() if isinstance(each, inference.Rounded)]
    kept = [weight for each in rounded for weight in each.state_dict().values()]
    assert {weight.dtype for weight in kept if weight.is_floating_point()} == {dtype}
    torch.manual_seed(0)
    size = model.config.size
    frames = nn.functional.interpolate(torch.rand(3, 3, 6, 6), size, mode="bicubic").clamp(0, 1)
    assert Animator(fast, frames[0]).dtype == torch.float32  # what goes in, and keypoints
    found = inference.compared(model, fast, frames[0], list(frames), "relative")
    assert 1e-6 < found.error < 0.1 and found.psnr > 40
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
