"""A trained model made ready to animate on a CPU: the same pictures from fewer multiplications.

`prepared` returns a copy whose convolutions go by Winograd's way where that pays
(`aidagen.winograd`), whose batch norms are folded into the convolutions before them, and whose
feature maps keep their channels last. The model that is given stays as it is: others go on with
it, and tables are computed with it. Pictures differ from its own by rounding, 1e-3 of the range at
most (`tests/test_inference.py`).
"""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from aidagen import blocks
from aidagen.winograd import WinogradConv, suits

CPU_BATCH, BATCH = 4, 16  # frames at a time: more of them outgrow a CPU's cache


class Folded(nn.Module):
    """A `SameBlock`, `DownBlock` or `UpBlock` of trained weights: conv -> ReLU, one pass each."""

    def __init__(self, block: blocks.SameBlock):
        super().__init__()
        self.double, self.halve = isinstance(block, blocks.UpBlock), type(block) is blocks.DownBlock
        self.conv = fuse_conv_bn_eval(block.conv, block.norm)
        if suits(self.conv):
            self.conv, self.double = WinogradConv(self.conv, self.double), False

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        if self.double:
            x = F.interpolate(x, scale_factor=2)
        x = F.relu_(self.conv(x))
        return F.avg_pool2d(x, 2) if self.halve else x


class FoldedResBlock(nn.Module):
    """A `ResBlock` of trained weights; its first norm comes before a ReLU and stays."""

    def __init__(self, block: blocks.ResBlock):
        super().__init__()
        self.norm1 = block.norm1
        self.conv1 = WinogradConv(fuse_conv_bn_eval(block.conv1, block.norm2))
        self.conv2 = WinogradConv(block.conv2)

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


_FOLDED = {
    blocks.SameBlock: Folded, blocks.DownBlock: Folded, blocks.UpBlock: Folded,
    blocks.ResBlock: FoldedResBlock,
}  # fmt: skip


def prepared(model: Any) -> Any:
    """A copy of ``model`` for animating; the model itself where nothing is gained.

    That is on another device than a CPU, in another type than float32, or without modules.
    """
    if not isinstance(model, nn.Module) or model.training or not _plain(model):
        return model
    model = copy.deepcopy(model)
    _replace(model)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    return model


def _plain(model: nn.Module) -> bool:
    return all(x.device.type == "cpu" and x.dtype == torch.float32 for x in model.parameters())


def _replace(module: nn.Module) -> None:
    for name, part in module.named_children():
        if folded := _FOLDED.get(type(part)):
            setattr(module, name, folded(part))
        elif type(part) is nn.Conv2d and suits(part):
            setattr(module, name, WinogradConv(part))
        elif ColumnwiseConv.suits(part):
            setattr(module, name, ColumnwiseConv(part))
        else:
            _replace(part)
