"""A GAN of 16-pixel pictures: two phases."""

from dataclasses import dataclass

import torch
from torch import nn

from aidagen import losses
from aidagen.systems import Objective, System


@dataclass(frozen=True)
class Config:
    noise: int = 8
    width: int = 16


class Generator(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        # a parameter at the model's root is trained as any other
        self.brightness = nn.Parameter(torch.zeros(()))
        self.net = nn.Sequential(
            nn.Linear(config.noise, 16 * config.width), nn.ReLU(),
            nn.Unflatten(1, (config.width, 4, 4)), nn.Upsample(scale_factor=2),
            nn.Conv2d(config.width, config.width, 3, padding=1, bias=False),
            nn.BatchNorm2d(config.width), nn.ReLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(config.width, 3, 3, padding=1),
        )  # fmt: skip

    def forward(self, noise):
        return (self.net(noise) + self.brightness).sigmoid()


class Adversarial(Objective):
    def __init__(self, config: Config, weights=None):
        super().__init__()
        self.model = Generator(config)
        self.discriminator = nn.Sequential(
            nn.Conv2d(3, config.width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Dropout(0.1),
            nn.Conv2d(config.width, 1, 4, 2, 1),
        )  # fmt: skip

    def phases(self):
        return {
            "generator": list(self.model.parameters()),
            "discriminator": list(self.discriminator.parameters()),
        }

    def forward(self, phase, batch, step):
        noise = torch.randn(len(batch.images), self.model.config.noise, generator=step.generator)
        if phase == "generator":
            score = self.discriminator(self.model(noise))
            return {"adversarial": losses.hinge_generator(score)}
        with torch.no_grad():
            generated = self.model(noise)
        real, fake = self.discriminator(batch.images), self.discriminator(generated)
        return {"discriminator": losses.hinge_discriminator(real, fake)}

    def run(self, model, batch):
        generator = torch.Generator().manual_seed(len(batch.images))
        return model(torch.randn(len(batch.images), model.config.noise, generator=generator))


SYSTEM = System(Config, Generator, Adversarial)
