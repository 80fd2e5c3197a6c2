"""The convolutional blocks of the system, with the keys of the published checkpoints.

All convolutions but the last ones have no bias, all activations are leaky ReLUs of slope 0.2, and
pooling comes before the batch norm, so these are not the blocks of `aidagen.blocks`.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2."""
    return F.leaky_relu(x, 0.2)


def doubled(x: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C H W"]:
    """Twice as high and wide, bilinearly."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _conv(c_in: int, c_out: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False)


class ResidualBlock(nn.Module):
    """conv 3 -> pool -> norm -> leaky -> conv 3 -> norm, plus a shortcut; then leaky.

    ``factor``: how many times smaller height and width become.
    """

    def __init__(self, c_in: int, c_out: int, factor: int = 1):
        super().__init__()
        self.factor = factor
        self.conv1, self.bn1 = _conv(c_in, c_out), nn.BatchNorm2d(c_out)
        self.conv2, self.bn2 = _conv(c_out, c_out), nn.BatchNorm2d(c_out)
        self.downsample = nn.Sequential()  # the shortcut; empty where the shape stays
        if factor != 1 or c_in != c_out:
            self.downsample = nn.Sequential(
                _conv(c_in, c_out, 1), nn.AvgPool2d(factor), nn.BatchNorm2d(c_out)
            )

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        y = leaky(self.bn1(F.avg_pool2d(self.conv1(x), self.factor)))
        return leaky(self.bn2(self.conv2(y)) + self.downsample(x))


class SameBlock(nn.Module):
    """conv 3 -> pool -> norm -> leaky; ``factor`` as in `ResidualBlock`."""

    def __init__(self, c_in: int, c_out: int, factor: int = 1):
        super().__init__()
        self.factor = factor
        self.conv1, self.bn1 = _conv(c_in, c_out), nn.BatchNorm2d(c_out)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        return leaky(self.bn1(F.avg_pool2d(self.conv1(x), self.factor)))


class UpBlock(nn.Module):
    """x 2 -> conv 3 -> norm -> leaky; with ``late``, x 2 comes last; with ``factor`` 1, never."""

    def __init__(self, c_in: int, c_out: int, late: bool = False, factor: int = 2):
        super().__init__()
        self.late, self.factor = late, factor
        self.conv, self.norm = _conv(c_in, c_out), nn.BatchNorm2d(c_out)

    def forward(self, x: Float[Tensor, "N C h w"]) -> Float[Tensor, "N D H W"]:
        before = self.factor == 2 and not self.late
        x = leaky(self.norm(self.conv(doubled(x) if before else x)))
        return doubled(x) if self.late else x
