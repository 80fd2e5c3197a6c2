"""A denoiser of 16-pixel pictures, trained to tell the noise (Ho et al. 2020); weights by step."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from aidagen.systems import Objective, System


@dataclass(frozen=True)
class Config:
    width: int = 16


class Denoiser(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(4, config.width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(config.width, config.width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(config.width, 3, 3, padding=1),
        )  # fmt: skip

    def forward(self, noisy, level):
        plane = level[:, None, None, None].expand(-1, 1, *noisy.shape[2:])
        return self.net(torch.cat([noisy, plane], 1))


class Denoising(Objective):
    def __init__(self, config: Config, weights=None):
        super().__init__()
        self.model = Denoiser(config)

    def forward(self, phase, batch, step):
        level = torch.rand(len(batch.images), generator=step.generator)
        noise = torch.randn(batch.images.shape, generator=step.generator)
        angle = level[:, None, None, None] * torch.pi / 2
        noisy = angle.cos() * (2 * batch.images - 1) + angle.sin() * noise
        easy = 1 + step.progress  # a schedule that reads the step
        return {"noise": easy * F.mse_loss(self.model(noisy, level), noise)}


SYSTEM = System(Config, Denoiser, Denoising)
