"""Hear a marble and say how high it is: a GRU over the sound of each frame."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from aidagen.systems import Objective, System


@dataclass(frozen=True)
class Config:
    samples: int = 100  # of sound in a frame
    hidden: int = 24


class Listener(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.rnn = nn.GRU(config.samples, config.hidden, batch_first=True)
        self.height = nn.Linear(config.hidden, 1)

    def forward(self, sound):
        return self.height(self.rnn(sound.unflatten(1, (-1, self.config.samples)))[0])[..., 0]


class Listening(Objective):
    def __init__(self, config: Config, weights=None):
        super().__init__()
        self.model = Listener(config)

    def forward(self, phase, batch, step):
        assert batch.frames.shape[1] == batch.labels["height"].shape[1]
        return {"height": F.mse_loss(self.model(batch.sound), batch.labels["height"])}


SYSTEM = System(Config, Listener, Listening)
