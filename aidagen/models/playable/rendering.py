"""D, the rendering network: from a hidden state to the frame, at three resolutions."""

from jaxtyping import Float
from torch import Tensor, nn

from aidagen.models.playable.config import PlayableConfig
from aidagen.models.playable.layers import ResidualBlock, UpBlock


class FinalBlock(nn.Module):
    """Features -> picture in [0, 1]."""

    def __init__(self, c_in: int, kernel: int):
        super().__init__()
        self.conv = nn.Conv2d(c_in, 3, kernel, padding=kernel // 2)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N 3 H W"]:
        return (self.conv(x).tanh() + 1) / 2


class RenderingNetwork(nn.Module):
    """Hidden state -> frames at full, half and quarter size, in this order."""

    def __init__(self, config: PlayableConfig):
        super().__init__()
        h = config.hidden
        self.upsample_blocks = nn.ModuleList([
            nn.Sequential(UpBlock(h, h, factor=config.scale // 4), ResidualBlock(h, h)),
            nn.Sequential(UpBlock(h, h // 2), ResidualBlock(h // 2, h // 2)),
            UpBlock(h // 2, h // 4),
        ])  # fmt: skip
        self.final_blocks = nn.ModuleList([
            FinalBlock(h, 3), FinalBlock(h // 2, 3), FinalBlock(h // 4, 7)
        ])  # fmt: skip

    def forward(self, x: Float[Tensor, "N H h w"]) -> list[Float[Tensor, "N 3 _ _"]]:
        images = []
        for up, final in zip(self.upsample_blocks, self.final_blocks):
            x = up(x)
            images.append(final(x))
        return images[::-1]
