"""Smiles without landmarks: a recurrent network over the codes of a VAE-GAN of pictures.

After Wang, Alameda-Pineda, Xu, Ricci, Sebe, "Learning How to Smile: Expression Video Generation
with Conditional Adversarial Recurrent Nets", IEEE Transactions on Multimedia 2020, rebuilt from its
abstract: a variational autoencoder with a discriminator makes pictures of codes, a recurrent
network that is told the label emits a smooth sequence of codes, and an adversarial loss on identity
keeps the person. No code was published; sizes, weights and the form of the identity loss (the
discriminator also names the training people) are this course's own.

It is what `models/smile.py` is held against: everything about a face has to pass through one code,
there is no map of where things are, and no skip past the code.

Letters: B faces, T frames, E numbers of a code, H W pixels.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from aidagen import losses, systems
from aidagen.judges.features import mobilenet_features
from aidagen.recurrence import ConditionalLSTM


@dataclass(frozen=True)
class RecurrentConfig:
    """Sizes."""

    size: int = 64  # pixels of a picture
    labels: int = 2
    people: int = 60  # that the discriminator names
    latent: int = 128  # E
    width: int = 24  # channels after the first convolution
    max_width: int = 96
    label_width: int = 8
    hidden: int = 256  # of the recurrent network
    critic_width: int = 24


class Clips(NamedTuple):
    """A batch to learn from."""

    frames: Float[Tensor, "B T 3 H W"]  # from a neutral frame on
    label: Int[Tensor, " B"]
    identity: Int[Tensor, " B"]


class Smile(NamedTuple):
    """One smile of each face."""

    images: Float[Tensor, "B T 3 H W"]
    codes: Float[Tensor, "B T E"]


class Autoencoder(nn.Module):
    """A picture as E numbers and back."""

    def __init__(self, config: RecurrentConfig):
        super().__init__()
        levels = config.size.bit_length() - 3  # down to 4 x 4
        widths = [min(config.max_width, config.width * 2**i) for i in range(levels)]
        self.top = widths[-1]
        down, up = [], []
        for a, b in zip([3, *widths], widths):
            down += [nn.Conv2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
        for a, b in zip(reversed(widths), reversed([widths[0], *widths[:-1]])):
            up += [nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, padding=1),
                   nn.BatchNorm2d(b), nn.ReLU()]  # fmt: skip
        self.down = nn.Sequential(*down)
        self.up = nn.Sequential(*up, nn.Conv2d(widths[0], 3, 3, padding=1))
        self.to_latent = nn.Linear(16 * self.top, 2 * config.latent)
        self.from_latent = nn.Linear(config.latent, 16 * self.top)

    def encode(self, image: Float[Tensor, "N 3 H W"]) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the code, each (N, E)."""
        return self.to_latent(self.down(image).flatten(1)).chunk(2, dim=1)

    def decode(self, code: Float[Tensor, "N E"]) -> Float[Tensor, "N 3 H W"]:
        return self.up(self.from_latent(code).view(-1, self.top, 4, 4)).sigmoid()


class Critic(nn.Module):
    """Does a picture look real, and who is it? (an auxiliary classifier, Odena et al. 2017)"""

    def __init__(self, config: RecurrentConfig):
        super().__init__()
        layers, widths = [], [3, *(config.critic_width * 2**i for i in range(3))]
        for a, b in zip(widths, widths[1:]):
            conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(a, b, 4, 2, 1))
            layers += [conv, nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.real = nn.Conv2d(widths[-1], 1, 3, padding=1)
        self.person = nn.Linear(widths[-1], config.people)

    def forward(self, image: Float[Tensor, "N 3 H W"]) -> tuple[Tensor, Tensor]:
        """Scores of patches (N, 1, h, w), and of people (N, people)."""
        x = self.layers(image)
        return self.real(x), self.person(x.mean((2, 3)))


class RecurrentSmile(nn.Module):
    """`forward` makes one smile video of each face."""

    def __init__(self, config: RecurrentConfig = RecurrentConfig()):
        super().__init__()
        self.config = config
        self.pictures = Autoencoder(config)
        self.unfold = ConditionalLSTM(
            config.latent, config.labels, config.label_width, config.hidden
        )

    def forward(
        self, neutral: Float[Tensor, "B 3 H W"], label: Int[Tensor, " B"], frames: int = 32
    ) -> Smile:
        codes = self.unfold(self.pictures.encode(neutral)[0], label, frames)  # (B, T, E)
        images = self.pictures.decode(codes.flatten(0, 1))
        return Smile(images.unflatten(0, codes.shape[:2]), codes)


# --- training ------------------------------------------------------------------------------------


class LossWeights(NamedTuple):
    """Of the terms."""

    pixels: float = 20.0
    perceptual: float = 1.0
    divergence: float = 1e-3  # of the code from a normal distribution
    adversarial: float = 0.2
    identity: float = 0.2  # of the people that the discriminator names
    codes: float = 1.0  # of the recurrent network
    unfolded: float = 20.0  # of the pictures that its codes decode to


class Objective(systems.Objective):
    """Pictures and their codes; the discriminator; the sequence of codes."""

    def __init__(self, model: RecurrentSmile, weights: LossWeights):
        super().__init__()
        self.model, self.weights = model, weights
        self.critic = Critic(model.config)
        self.perceptual = losses.PerceptualPyramid(mobilenet_features(), (1.0,))

    def phases(self) -> dict[str, list[nn.Parameter]]:
        return {
            "pictures": list(self.model.pictures.parameters()),
            "critic": list(self.critic.parameters()),
            "sequence": list(self.model.unfold.parameters()),
        }

    def forward(self, phase: str, batch: Clips, step: systems.Step) -> dict[str, Tensor]:
        return getattr(self, f"_{phase}")(batch, step)

    def run(self, model: RecurrentSmile, batch: Clips) -> Tensor:
        return model.pictures.decode(model.pictures.encode(batch.frames[:, ::8].flatten(0, 1))[0])

    def _pictures(self, batch: Clips, step: systems.Step) -> dict[str, Tensor]:
        w, frames, identity = self.weights, *self._some(batch, step)
        mean, log_variance = self.model.pictures.encode(frames)
        noise = torch.randn(mean.shape, generator=step.generator).to(mean)
        made = self.model.pictures.decode(mean + noise * (log_variance / 2).exp())
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
        real, person = self.critic(made)
        return {
            "pixels": w.pixels * losses.scaled_l1(made, frames),
            "perceptual": w.perceptual * self.perceptual(made, frames),
            "divergence": w.divergence * divergence,
            "adversarial": w.adversarial * losses.least_squares_generator(real),
            "identity": w.identity * F.cross_entropy(person, identity),
        }

    def _critic(self, batch: Clips, step: systems.Step) -> dict[str, Tensor]:
        frames, identity = self._some(batch, step)
        with torch.no_grad():
            made = self.model.pictures.decode(self.model.pictures.encode(frames)[0])
        (real, person), (fake, _) = self.critic(frames), self.critic(made)
        return {
            "critic": losses.least_squares_discriminator(real, fake),
            "named": self.weights.identity * F.cross_entropy(person, identity),
        }

    def _sequence(self, batch: Clips, step: systems.Step) -> dict[str, Tensor]:
        """The codes of the true frames, and at one moment of each clip the picture."""
        w, pictures = self.weights, self.model.pictures
        count, length = batch.frames.shape[:2]
        with torch.no_grad():
            truth = pictures.encode(batch.frames.flatten(0, 1))[0].unflatten(0, (count, length))
        codes = self.model.unfold(truth[:, 0], batch.label, length)
        rows = torch.arange(count)
        at = torch.randint(length, (count,), generator=step.generator)
        made = pictures.decode(codes[rows, at])
        return {
            "codes": w.codes * (codes - truth).square().mean(),
            "unfolded": w.unfolded * F.l1_loss(made, batch.frames[rows, at]),
        }

    def _some(self, batch: Clips, step: systems.Step) -> tuple[Tensor, Tensor]:
        """Two frames of each clip, and who is in them."""
        rows = torch.arange(len(batch.frames))[:, None]
        at = torch.randint(batch.frames.shape[1], (len(rows), 2), generator=step.generator)
        return batch.frames[rows, at].flatten(0, 1), batch.identity.repeat_interleave(2)


def objective(config: RecurrentConfig, weights: LossWeights | None = None) -> Objective:
    """An untrained model with its losses."""
    return Objective(RecurrentSmile(config), weights or LossWeights())


SYSTEM = systems.System(config=RecurrentConfig, model=RecurrentSmile, objective=objective)
