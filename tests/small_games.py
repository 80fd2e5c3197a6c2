"""A game that takes no emulator: a bright bar on a dark field, moved left, right, or not at all."""

import torch

from aidagen.datasets.batches import Stretch
from aidagen.models.playable import Gaussian, PlayableConfig

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


@torch.no_grad()
def lively(model):
    """An untrained model whose pictures depend on what it sees and is told; in eval mode.

    Fresh batch-norm statistics would leave everything nearly grey, so they are measured once.
    """
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0
    size = model.config.height, model.config.width
    model.train()(Bars(4, *size).draw(4, torch.Generator().manual_seed(0)).frames, real=1)
    for norm in norms:
        norm.momentum = 0.1
    return model.eval()


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def probabilities(seed, n=10, k=3):
    return (3 * random(2, n // 2, k, seed=seed)).softmax(-1)


def gaussian(seed, *shape):
    mean = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return Gaussian(mean, 0.1 + random(*shape, seed=seed + 1))
