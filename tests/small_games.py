"""A game that takes no emulator: a bright bar on a dark field, moved left, right, or not at all."""

import torch

from aidagen.datasets.batches import Stretch
from aidagen.models.playable import PlayableConfig

TINY = PlayableConfig(
    height=16, width=32, actions=3, dimensions=2, channels=4, hidden=8, normalise=True
)


class Bars:
    """Batches of clips; the true action, -1, 0 or 1, is drawn anew for every step."""

    def __init__(self, length: int = 6, height: int = 16, width: int = 32):
        self.length, self.height, self.width = length, height, width

    def sets(self) -> dict:
        return {}

    def draw(self, count: int, generator: torch.Generator) -> Stretch:
        taken = torch.randint(-1, 2, (count, self.length - 1), generator=generator)
        start = torch.randint(self.width, (count, 1), generator=generator)
        places = torch.cat([start, start + 3 * taken.cumsum(1)], 1) % self.width  # (B, T)
        columns = torch.arange(self.width)
        lit = (columns - places[..., None]) % self.width < 6  # (B, T, W)
        frames = 0.1 + 0.8 * lit.float()
        shape = (count, self.length, 3, self.height, self.width)
        return Stretch(frames[:, :, None, None].expand(shape).clone(), None, {"actions": taken})
