"""Networks that several systems share, with the keys of the published checkpoints.

Convolution, batch norm and activation come in the order of the authors' released models, and
submodules carry their names, so that a published checkpoint is read without a translation table.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class SameBlock(nn.Sequential):
    """conv k -> batch norm -> ReLU; keeps height and width."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, groups: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, groups=groups)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        return F.relu(self.norm(self.conv(x)))


class DownBlock(SameBlock):
    """conv 3 -> batch norm -> ReLU -> 2 x 2 average; halves height and width."""

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        return F.avg_pool2d(super().forward(x), 2)


class UpBlock(SameBlock):
    """nearest x 2 -> conv 3 -> batch norm -> ReLU; doubles height and width."""

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D H W"]:
        if x.device.type == "cpu" and min(x.shape[2:]) >= 12:  # below it gains nothing
            return F.relu(self.norm(conv_of_enlarged(x, self.conv.weight, self.conv.bias)))
        return super().forward(F.interpolate(x, scale_factor=2))


def conv_of_enlarged(
    x: Float[Tensor, "B C h w"], weight: Float[Tensor, "D C 3 3"], bias: Float[Tensor, " D"]
) -> Float[Tensor, "B D H W"]:
    """The convolution (3 x 3, padding 1) of ``x`` after nearest x 2, by 4/9 of the products.

    An enlarged picture repeats its pixels, so a 3 x 3 kernel meets only 2 x 2 different ones; which
    of its weights meet the same one depends on the place in the 2 x 2 cell. That makes four small
    kernels of sums of weights, and the enlarged picture is never made.
    """
    (b, c, h, w), d = x.shape, len(weight)
    # of three rows (or columns) the even place meets the first alone, the odd one the last
    even_odd = weight.new_tensor([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
    small = torch.einsum("dcij,aki,blj->abdckl", weight, even_odd, even_odd)
    cells = F.conv2d(F.pad(x, (1, 1, 1, 1)), small.reshape(4 * d, c, 2, 2), bias.repeat(4))
    cells = cells.view(b, 2, 2, d, h + 1, w + 1)
    rows = [
        torch.stack([cells[:, i, j, :, i : i + h, j : j + w] for j in (0, 1)], dim=-1)
        for i in (0, 1)
    ]
    return torch.stack(rows, dim=3).view(b, d, 2 * h, 2 * w)


class ResBlock(nn.Module):
    """Pre-activation residual block: x + conv(ReLU(norm(conv(ReLU(norm x)))))."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        y = self.conv1(F.relu(self.norm1(x)))
        return x + self.conv2(F.relu(self.norm2(y)))


class Encoder(nn.Module):
    """Halves the map ``blocks`` times and returns every level, the input first."""

    def __init__(self, c_in: int, width: int, blocks: int, max_width: int):
        super().__init__()
        sizes = [c_in] + [min(max_width, width * 2 ** (i + 1)) for i in range(blocks)]
        self.down_blocks = nn.ModuleList(DownBlock(a, b) for a, b in zip(sizes, sizes[1:]))

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = [x]
        for block in self.down_blocks:
            levels.append(block(levels[-1]))
        return levels


class Decoder(nn.Module):
    """Goes back up through the encoder's levels; after each block it appends that level's skip.

    ``extra``: channels that every level carries besides the encoder's own. ``c_out``: channels of
    a last convolution, if there is one.
    """

    def __init__(
        self,
        c_in: int,
        width: int,
        blocks: int,
        max_width: int,
        extra: int = 0,
        c_out: int | None = None,
    ):
        super().__init__()
        level = [min(max_width, width * 2**i) for i in range(blocks + 1)]
        self.up_blocks = nn.ModuleList(
            UpBlock(level[i + 1] * (1 if i == blocks - 1 else 2) + extra, level[i])
            for i in reversed(range(blocks))
        )
        self.channels = width + c_in + extra
        self.conv = None
        if c_out is not None:
            self.conv = nn.Conv2d(self.channels, c_out, 3, padding=1)
            self.channels = c_out

    def forward(self, levels: list[Tensor]) -> Tensor:
        x = levels[-1]
        for block, skip in zip(self.up_blocks, reversed(levels[:-1])):
            x = torch.cat([block(x), skip], dim=1)
        return x if self.conv is None else self.conv(x)


class Hourglass(nn.Module):
    """Encoder and decoder with skips (a U-Net); ``channels`` of output at the input's size."""

    def __init__(
        self, c_in: int, width: int, blocks: int, max_width: int, c_out: int | None = None
    ):
        super().__init__()
        self.encoder = Encoder(c_in, width, blocks, max_width)
        self.decoder = Decoder(c_in, width, blocks, max_width, c_out=c_out)
        self.channels = self.decoder.channels

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        return self.decoder(self.encoder(x))


class AntiAlias(nn.Module):
    """Gaussian blur, then every (1/scale)-th pixel from the first: the family's downsampling.

    sigma = (1/scale - 1) / 2. The picked pixels are not centred in their cells: against an area
    average the result is shifted by (1/scale - 1) / 2 pixels, as in the published models. The
    kernel is a constant, so it is not saved; published files carry it as ``down.weight``.
    """

    def __init__(self, channels: int, scale: float):
        super().__init__()
        self.stride = round(1 / scale)
        if abs(self.stride * scale - 1) > 1e-6:
            raise ValueError(f"scale must be 1 over a whole number; got {scale}")
        sigma = (self.stride - 1) / 2
        size = 2 * round(4 * sigma) + 1
        kernel = torch.ones(1, 1)
        if self.stride > 1:
            offset = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
            line = torch.exp(-(offset**2) / (2 * sigma**2))
            kernel = line[:, None] * line[None, :]
            kernel = kernel / kernel.sum()
        self.channels, self.pad = channels, size // 2
        weight = kernel[None, None].repeat(channels, 1, 1, 1)
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        if self.stride == 1:
            return x
        # blur and pick in one strided convolution
        return F.conv2d(x, self.weight, stride=self.stride, padding=self.pad, groups=self.channels)


class Pick(nn.Module):
    """Every (1/scale)-th pixel from the first, without a blur: Monkey-Net's downsampling."""

    def __init__(self, scale: float):
        super().__init__()
        self.stride = round(1 / scale)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        return x[..., :: self.stride, :: self.stride]


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches; returns every block's features and the map of scores.

    conv 4 without padding -> instance norm (not in the first block) -> leaky ReLU .2 -> 2 x 2
    average (not in the last, unless ``pool_last``); optional spectral norm; optional keypoint
    bumps as extra channels.
    """

    def __init__(
        self,
        c_in: int,
        width: int,
        blocks: int,
        max_width: int,
        spectral_norm: bool = False,
        pool_last: bool = False,
    ):
        super().__init__()
        self.pool_last = pool_last
        sizes = [c_in] + [min(max_width, width * 2 ** (i + 1)) for i in range(blocks)]
        wrap = nn.utils.parametrizations.spectral_norm if spectral_norm else lambda conv: conv
        self.down_blocks = nn.ModuleList()
        for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
            block = nn.Module()
            block.conv = wrap(nn.Conv2d(a, b, 4))
            block.norm = nn.InstanceNorm2d(b, affine=True) if i > 0 else None
            self.down_blocks.append(block)
        self.conv = wrap(nn.Conv2d(sizes[-1], 1, 1))

    def forward(self, x: Float[Tensor, "B C H W"]) -> tuple[list[Tensor], Float[Tensor, "B 1 h w"]]:
        features = []
        for i, block in enumerate(self.down_blocks):
            x = block.conv(x)
            x = F.leaky_relu(block.norm(x) if block.norm is not None else x, 0.2)
            if i < len(self.down_blocks) - 1 or self.pool_last:
                x = F.avg_pool2d(x, 2)
            features.append(x)
        return features, self.conv(x)
