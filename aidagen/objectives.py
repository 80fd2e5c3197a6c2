"""What systems that rebuild one frame from another share in training."""

import copy
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from aidagen.judges.features import mobilenet_features
from aidagen.losses import PerceptualPyramid
from aidagen.systems import Objective, Step


class Reconstruction(Objective):
    """A driving frame rebuilt from a source frame of the same person, with or without a critic.

    A batch is a ``datasets.batches.Pair``, or has an ``emphasis`` besides: the plain L1 of pixels
    then counts by that much more, in a term of its own. Where ``weights.adversarial`` is set, the
    model has a ``discriminator``, which is trained in a phase of its own. Systems define
    ``terms``, and ``critic_loss`` where they have a discriminator.

    The perceptual network is MobileNetV2, unless ``perceptual`` gives another one; it is loaded
    only where ``weights.perceptual`` is set.
    """

    def __init__(self, model: nn.Module, weights: tuple, perceptual: nn.Module | None = None):
        super().__init__()
        if perceptual is None and weights.perceptual:
            perceptual = PerceptualPyramid(folded(mobilenet_features()), weights.scales)
        self.model, self.weights, self.perceptual = model, weights, perceptual

    def phases(self) -> dict[str, list[nn.Parameter]]:
        if not self.weights.adversarial:
            return {"generator": list(self.model.parameters())}
        critic = list(self.model.discriminator.parameters())
        theirs = {id(parameter) for parameter in critic}
        own = [p for p in self.model.parameters() if id(p) not in theirs]
        return {"generator": own, "discriminator": critic}

    def forward(self, phase: str, batch: tuple, step: Step) -> dict[str, Tensor]:
        if phase == "discriminator":
            with torch.no_grad():
                rendering = self.run(self.model, batch)
            return {"discriminator": self.critic_loss(batch, rendering)}
        rendering = self.run(self.model, batch)
        terms = self.terms(batch, rendering, step)
        if (emphasis := getattr(batch, "emphasis", None)) is not None:
            far = (rendering.image - batch.driving).abs()
            terms["emphasis"] = self.weights.pixels * (emphasis * far).mean()
        return terms

    def run(self, model: nn.Module, batch: tuple) -> tuple:
        return model(batch.source, batch.driving)

    def terms(self, batch: tuple, rendering: tuple, step: Step) -> dict[str, Tensor]:
        """Every term of the generator's loss, weighted."""
        raise NotImplementedError

    def critic_loss(self, batch: tuple, rendering: tuple) -> Tensor:
        """What the discriminator descends."""
        raise NotImplementedError


def folded(network: nn.Module) -> nn.Module:
    """A copy of a frozen network whose batch norms are part of the convolutions before them.

    It computes the same within rounding, in fewer passes over the feature maps.
    """
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for (name, conv), (after, norm) in pairwise(list(parent.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(conv, norm))
                setattr(parent, after, nn.Identity())
    return network.requires_grad_(False)


def untrained(
    model: type[nn.Module], objective: type[Reconstruction], default: type
) -> Callable[..., Reconstruction]:
    """What a `System` wants: (config, weights) -> an untrained model with its losses.

    The model has a discriminator if the weights ask for one.
    """

    def build(config: object, weights: tuple | None = None) -> Reconstruction:
        weights = default() if weights is None else weights
        return objective(model(config, adversarial=weights.adversarial > 0), weights)

    return build
