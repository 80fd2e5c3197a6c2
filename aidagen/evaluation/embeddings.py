"""A small network that knows people again, trained on pictures of some and asked about others.

It is what the table `reid` is about, and the judge of identity (`aed`) of the table `people`. It
learns from pictures of the training split of `people` to tell its people apart (a cosine
softmax, as the judges of joints do); its last layer but one is then an embedding of anybody.
Training takes about a minute of a CPU's core and begins anew wherever it is needed: three hundred
steps of 48 pictures, mirrored, recoloured, shifted, partly covered (random erasing, Zhong et al.,
AAAI 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from aidagen import training
from aidagen.pixels import as_floats
from aidagen.recipes import Recipe
from aidagen.systems import Objective, Step

DIMENSIONS = 64
STEPS = 300
NAME = "small net trained to tell the training people apart"
SCALE = 16.0  # of the softmax's logits


class Known(NamedTuple):
    """Pictures of people who are known."""

    images: UInt8[Tensor, "N 3 H W"]
    person: Int[Tensor, " N"]  # from 0


class Batch(NamedTuple):
    """Pictures made harder at random."""

    images: Float[Tensor, "B 3 H W"]
    person: Int[Tensor, " B"]


class EmbeddingNet(nn.Module):
    """128 x 64 pixels -> 64 numbers of length 1 (0.2 million parameters)."""

    def __init__(self, widths: tuple[int, ...] = (24, 48, 72, 96)):
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths), widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                       nn.BatchNorm2d(after), nn.ReLU()]  # fmt: skip
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(4 * widths[-1], DIMENSIONS)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        features = self.layers(images - 0.5)
        # head, chest, legs and feet are looked at apart (parts: Sun et al., ECCV 2018)
        bands = F.adaptive_avg_pool2d(features, (4, 1)).flatten(1)
        return F.normalize(self.last(bands), dim=1)


@dataclass(frozen=True)
class Drawn:
    """Batches in which every person is as likely as any other one."""

    known: Known

    def sets(self) -> dict:
        return {}

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """``count`` pictures."""
        from kornia.augmentation import ColorJiggle, RandomErasing

        people = int(self.known.person.max()) + 1
        who = torch.randint(people, (count,), generator=generator)
        likely = (self.known.person == who[:, None]).double()
        index = torch.multinomial(likely, 1, generator=generator).squeeze(1)
        images = as_floats(self.known.images[index])
        flip = torch.rand(count, generator=generator) < 0.5
        images = torch.where(flip[:, None, None, None], images.flip(-1), images)
        height, width = images.shape[2:]
        images = F.pad(images, (4, 4, 8, 8), mode="replicate")
        rows = torch.randint(17, (count,), generator=generator)[:, None] + torch.arange(height)
        columns = torch.randint(9, (count,), generator=generator)[:, None] + torch.arange(width)
        images = images[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None]]
        images = images.movedim(-1, 1)
        with torch.random.fork_rng(devices=[]):  # kornia draws from the global generator
            torch.manual_seed(int(torch.randint(2**31 - 1, (), generator=generator)))
            images = ColorJiggle(0.2, 0.2, 0.2, 0.03, p=1.0)(images)
            images = RandomErasing(p=0.5)(images)
        return Batch(images, self.known.person[index])


@dataclass(frozen=True)
class Config:
    """How many people are told apart."""

    people: int


class Telling(Objective):
    """The cross-entropy of a softmax over the cosines with one vector per person."""

    def __init__(self, config: Config):
        super().__init__()
        self.model = EmbeddingNet()
        self.vectors = nn.Parameter(torch.randn(config.people, DIMENSIONS))

    def forward(self, phase: str, batch: Batch, step: Step) -> dict[str, Tensor]:
        alike = self.run(self.model, batch) @ F.normalize(self.vectors, dim=1).T
        return {"person": F.cross_entropy(SCALE * alike, batch.person)}

    def run(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch.images)


def trained(known: Known, seed: int = 0, steps: int = STEPS) -> EmbeddingNet:
    """A network that has learnt to tell these people apart; the same for the same seed."""
    config = Config(int(known.person.max()) + 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        objective = Telling(config)
    recipe = Recipe(
        config, Drawn(known), steps, batch=48, rate=3e-3, schedule="one-cycle", ema=0.0, seed=seed
    )
    training.fit(objective, recipe)
    return objective.model


@torch.no_grad()
def embed(network: EmbeddingNet, images: UInt8[Tensor, "N 3 H W"]) -> Float[Tensor, "N D"]:
    """The embeddings of pictures."""
    return torch.cat([network(as_floats(part)) for part in images.split(256)])
