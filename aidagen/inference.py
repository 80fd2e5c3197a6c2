"""A trained model made ready to animate: the same pictures sooner, or nearly the same ones.

`prepared` returns a copy whose convolutions go by Winograd's way where that pays on a CPU
(`aidagen.winograd`), whose batch norms are folded into the convolutions before them, and whose
feature maps keep their channels last. The model that is given stays as it is: others go on with
it, and tables are computed with it. Pictures differ from its own by rounding, 1e-3 of the range at
most (`tests/test_inference.py`).

With a shorter number type (`shorter`) the painter, which is most of the work, computes in it;
keypoints and flow stay exact. `compared` says on frames of the very clip what that costs.
"""

import copy
import inspect
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from aidagen import blocks
from aidagen.animation import Mode, animate
from aidagen.errors import AidagenError
from aidagen.winograd import WinogradConv, suits

CPU_BATCH, BATCH = 4, 16  # frames at a time: more than four outgrow a CPU's cache


def winograd(conv: nn.Conv2d, double: bool = False) -> nn.Module:
    """``conv`` by Winograd's way if it can go by it, or as it is."""
    return WinogradConv(conv, double) if suits(conv) else conv


def plain(conv: nn.Conv2d, double: bool = False) -> nn.Module:
    """``conv`` as it is: in shorter numbers, or on a GPU, whose libraries choose by themselves."""
    return conv


Way = Callable[..., nn.Module]


class Folded(nn.Module):
    """A `SameBlock`, `DownBlock` or `UpBlock` of trained weights: conv -> ReLU."""

    def __init__(self, block: blocks.SameBlock, way: Way = winograd):
        super().__init__()
        self.double, self.halve = isinstance(block, blocks.UpBlock), type(block) is blocks.DownBlock
        self.conv = way(fuse_conv_bn_eval(block.conv, block.norm), double=self.double)
        self.double &= not isinstance(self.conv, WinogradConv)  # which enlarges by itself

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        if self.double:
            x = F.interpolate(x, scale_factor=2)
        x = F.relu_(self.conv(x))
        return F.avg_pool2d(x, 2) if self.halve else x


class FoldedResBlock(nn.Module):
    """A `ResBlock` of trained weights; its first norm comes before a ReLU and stays."""

    def __init__(self, block: blocks.ResBlock, way: Way = winograd):
        super().__init__()
        self.norm1 = block.norm1
        self.conv1 = way(fuse_conv_bn_eval(block.conv1, block.norm2))
        self.conv2 = way(block.conv2)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        x = x.contiguous(memory_format=torch.channels_last)
        y = F.relu_(self.conv1(F.relu_(self.norm1(x))))
        return self.conv2(y).add_(x)


class ColumnwiseConv(nn.Module):
    """A large kernel with few results, such as the last one of a generator (64 -> 3, 7 x 7).

    A CPU computes eight results at once or more, so each column of the kernel is a convolution of
    its own (64 -> 7 * 3, 7 x 1), and the columns are added where they belong.
    """

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        (height, width), d = conv.kernel_size, conv.out_channels
        self.width, self.pad = width, conv.padding[1]
        self.columns = nn.Conv2d(
            conv.in_channels, width * d, (height, 1), padding=(conv.padding[0], 0), bias=False
        )
        columns = conv.weight.detach().permute(3, 0, 1, 2).flatten(0, 1)  # (width D, C, height)
        self.columns.weight = nn.Parameter(columns[..., None].contiguous(), requires_grad=False)
        self.bias = conv.bias

    @staticmethod
    def suits(conv: nn.Module) -> bool:
        return (
            isinstance(conv, nn.Conv2d)
            and conv.out_channels < 8 <= conv.in_channels
            and min(conv.kernel_size) >= 5
            and (conv.stride, conv.dilation, conv.groups) == ((1, 1), (1, 1), 1)
            and conv.padding_mode == "zeros" and conv.padding[1] == conv.kernel_size[1] // 2
            and conv.bias is not None
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        each = self.columns(x).unflatten(1, (self.width, -1))  # (B, width, D, H, W)
        side = x.shape[3]
        out = self.bias[:, None, None].repeat(len(x), 1, x.shape[2], side)
        for column in range(self.width):
            shift = column - self.pad  # of what is read; beyond the border it is zero
            reads = slice(max(0, shift), side + min(0, shift))
            writes = slice(max(0, -shift), side - max(0, shift))
            out[..., writes] += each[:, column, :, :, reads]
        return out


class Rounded(nn.Module):
    """A part of a painter that computes in shorter numbers and hands on float32."""

    def __init__(self, part: nn.Module, dtype: torch.dtype):
        super().__init__()
        self.part, self.dtype = part.to(dtype), dtype

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        return self.part(x.to(self.dtype)).float()


_FOLDED = {
    blocks.SameBlock: Folded, blocks.DownBlock: Folded, blocks.UpBlock: Folded,
    blocks.ResBlock: FoldedResBlock,
}  # fmt: skip
_PAINTER = (blocks.UpBlock, blocks.ResBlock)  # outside of the hourglasses, which find the motion


def prepared(model: Any, painter: torch.dtype = torch.float32) -> Any:
    """A copy of ``model`` for animating; the model itself where nothing is gained.

    Args:
        model: any; what is not float32, in training, or no module comes back as it is.
        painter: what the painter computes in. On a GPU only a shorter type gains anything.
    """
    if not isinstance(model, nn.Module) or model.training:
        return model
    weights = list(model.parameters())
    cpu = all(x.device.type == "cpu" for x in weights)
    if any(x.dtype != torch.float32 for x in weights) or not (cpu or painter != torch.float32):
        return model
    model = copy.deepcopy(model)
    _replace(model, winograd if cpu else plain, painter)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    return model


def _replace(module: nn.Module, way: Way, painter: torch.dtype) -> None:
    rounded = painter != torch.float32 and not isinstance(module, blocks.Hourglass)
    for name, part in module.named_children():
        last = type(part) is nn.Conv2d and ColumnwiseConv.suits(part)
        if rounded and (type(part) in _PAINTER or last):
            new = part if last else _FOLDED[type(part)](part, plain)
            setattr(module, name, Rounded(new, painter))
        elif type(part) in _FOLDED:
            setattr(module, name, _FOLDED[type(part)](part, way))
        elif last and way is winograd:
            setattr(module, name, ColumnwiseConv(part))
        elif type(part) is nn.Conv2d:
            setattr(module, name, way(part))
        else:
            deeper = painter if rounded else torch.float32
            _replace(part, way, deeper)


def frames_at_a_time(model: Any) -> int:
    """How many frames go through ``model`` together: few where they have to fit into a cache."""
    weights = model.parameters() if isinstance(model, nn.Module) else ()
    return BATCH if any(x.device.type != "cpu" for x in weights) else CPU_BATCH


def shorter(device: str) -> torch.dtype | None:
    """The number type of half the length in which a kind of device computes faster, if any."""
    if device == "cuda":
        return torch.float16
    fast = (getattr(torch.cpu, f"_is_{name}_supported", None)
            for name in ("avx512_bf16", "amx_tile"))  # fmt: skip
    return torch.bfloat16 if device == "cpu" and any(ask and ask() for ask in fast) else None


class Comparison(NamedTuple):
    """How far one clip is from another, over all its values, which are in [0, 1]."""

    error: float  # the largest difference
    psnr: float  # dB; infinite for equal clips


def compared(
    exact: Any, other: Any, source: Tensor, frames: Sequence[Tensor], mode: Mode
) -> Comparison:
    """Both models' pictures of the same frames."""
    pictures = [animate(model, source, frames, mode, len(frames)) for model in (exact, other)]
    difference = (pictures[0] - pictures[1]).float()
    square = float(difference.square().mean())
    psnr = -10 * math.log10(square) if square else math.inf
    return Comparison(float(difference.abs().max()), psnr)


def carrying(model: Any, **settings: bool) -> Any:
    """``model`` whose ``relative`` is called with these settings; the one given stays as it is.

    Raises ``AidagenError`` for a setting that the model does not know.
    """
    if not settings:
        return model
    relative = getattr(model, "relative", None)
    known = inspect.signature(relative).parameters if callable(relative) else ()
    if unknown := [name.replace("_", "-") for name in settings if name not in known]:
        raise AidagenError(
            f"A {type(model).__name__} has no setting --{unknown[0]}; leave it out, or take a "
            "model that has it (First Order Motion: --adapt-scale; Monkey-Net: that one, "
            "--adapt-variance and --clip-mean)."
        )
    model = copy.copy(model)  # shares everything but the attribute
    model.relative = partial(relative, **settings)
    return model
