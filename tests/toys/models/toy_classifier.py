"""A classifier of stills: red or blue?"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from aidagen.systems import Objective, System


@dataclass(frozen=True)
class Config:
    classes: int = 2


class Classifier(nn.Sequential):
    def __init__(self, config: Config):
        super().__init__(
            nn.Conv2d(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
            nn.Linear(8 * 7 * 7, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(),
            nn.Linear(16, config.classes),
        )  # fmt: skip


class Classification(Objective):
    def __init__(self, config: Config, weights=None):
        super().__init__()
        self.model = Classifier(config)

    def forward(self, phase, batch, step):
        return {"cross_entropy": F.cross_entropy(self.model(batch.images), batch.labels["kind"])}

    def run(self, model, batch):
        return model(batch.images)


SYSTEM = System(Config, Classifier, Classification)
