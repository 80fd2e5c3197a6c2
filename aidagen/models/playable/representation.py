"""E, the representation network: what an observation shows, and where the agent is in it."""

from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen.models.playable.config import PlayableConfig
from aidagen.models.playable.layers import ResidualBlock, leaky


class Encoded(NamedTuple):
    """What is known of N observations."""

    state: Float[Tensor, "N C h w"]
    attention: Float[Tensor, "N 1 h w"]  # from 0 to 1: where the action network looks
    colours: Float[Tensor, "N 3 h w"]  # of the newest frame, in [-1, 1], at this size


class RepresentationNetwork(nn.Module):
    """Observation -> state at a fraction of its size, and attention."""

    def __init__(self, config: PlayableConfig):
        super().__init__()
        w, self.scale = config.channels, config.scale
        self.conv1 = nn.Conv2d(3 * config.stack, w, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(w)
        self.residuals = nn.Sequential(
            ResidualBlock(w, w),
            ResidualBlock(w, 2 * w, 2),
            ResidualBlock(2 * w, 2 * w),
            ResidualBlock(2 * w, 4 * w, config.scale // 4),
            ResidualBlock(4 * w, 4 * w),
            ResidualBlock(4 * w, 4 * w + 1),
        )

    def forward(self, observation: Float[Tensor, "N S H W"]) -> Encoded:
        x = observation * 2 - 1  # the networks see [-1, 1], everybody else [0, 1]
        colours = F.avg_pool2d(x[:, :3], self.scale)
        x = leaky(self.bn1(F.avg_pool2d(self.conv1(x), 2)))  # (N, w, H / 2, W / 2)
        x = self.residuals(x)  # (N, C + 1, h, w)
        # the last channel has been through the leaky ReLU like all others
        return Encoded(x[:, :-1], x[:, -1:].sigmoid(), colours)
