"""CMM-Net so small that a step takes a moment, on made-up faces; all its parts learn at once."""

from dataclasses import dataclass, replace

import torch

from aidagen.models import recurrent_smile, smile
from aidagen.recipes.smile import RECIPES

SMALL = smile.SmileConfig(
    size=32, latent=8, vae_width=4, vae_max=8, points_width=16, hidden=12, mode_hidden=6,
    painter_width=4, painter_blocks=2, painter_max=8, critic_width=4, people=5,
)  # fmt: skip


def batch(count=3, frames=5, size=32, seed=1):
    draw = torch.Generator().manual_seed(seed)
    first = 0.4 * torch.randn(count, 1, 68, 2, generator=draw)
    points = first + 0.02 * torch.randn(count, frames, 68, 2, generator=draw)
    pictures = torch.rand(2, count, 3, size, size, generator=draw)
    return smile.Faces(
        points, torch.tensor([0, 1, 0])[:count], torch.arange(count), *pictures,
        torch.tensor([4, 2, 0])[:count],
    )  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """Made-up faces, in place of a set."""

    size: int
    pixels: bool = False  # clips of pictures alone

    def sets(self):
        return {}

    def draw(self, count, generator):
        if self.pixels:
            frames = torch.rand(count, 4, 3, self.size, self.size, generator=generator)
            return recurrent_smile.Clips(frames, torch.arange(count) % 2, torch.arange(count))
        seed = int(torch.randint(1000, (), generator=generator))
        return batch(count, size=self.size, seed=seed)


WHOLE = replace(
    RECIPES["smile-64"], config=SMALL, data=Drawn(32), batch=2, start=None,
    weights=smile.LossWeights(spread=0.1, push=1.0),
)  # fmt: skip
