"""Losses that the systems share: means unless said otherwise, so that sizes do not change them."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen.blocks import AntiAlias
from aidagen.grids import inverse_2x2
from aidagen.keypoints import RandomTransform

Features = Callable[[Tensor], Sequence[Tensor]]


class ImagePyramid(nn.Module):
    """The picture at several scales by the family's anti-aliased downsampling."""

    def __init__(self, scales: Sequence[float] = (1.0, 0.5, 0.25, 0.125), channels: int = 3):
        super().__init__()
        self.downs = nn.ModuleList(AntiAlias(channels, scale) for scale in scales)

    def forward(self, image: Float[Tensor, "B C H W"]) -> list[Tensor]:
        return [down(image) for down in self.downs]


class PerceptualPyramid(nn.Module):
    """L1 between network features of two pictures, summed over layers and picture scales.

    ``features`` maps pictures in [0, 1] to a list of feature maps and is not trained; the
    target's features carry no gradient. Johnson et al. 2016, in the pyramid form of FOMM.
    """

    def __init__(
        self,
        features: nn.Module,
        scales: Sequence[float] = (1.0, 0.5, 0.25, 0.125),
        weights: Sequence[float] | None = None,
    ):
        super().__init__()
        self.features = features.requires_grad_(False).eval()
        self.pyramid = ImagePyramid(scales)
        self.weights = weights

    def train(self, mode: bool = True) -> "PerceptualPyramid":
        super().train(mode)
        self.features.eval()  # its statistics stay the pretrained ones
        return self

    def forward(
        self, image: Float[Tensor, "B C H W"], target: Float[Tensor, "B C H W"]
    ) -> Float[Tensor, ""]:
        total = image.new_zeros(())
        for x, y in zip(self.pyramid(image), self.pyramid(target)):
            with torch.no_grad():
                targets = self.features(y)
            features = self.features(x)
            weights = self.weights or [1.0] * len(features)
            total = total + sum(w * F.l1_loss(a, b) for w, a, b in zip(weights, features, targets))
        return total


def scaled_l1(
    image: Float[Tensor, "B C H W"], target: Float[Tensor, "B C H W"]
) -> Float[Tensor, ""]:
    """L1 summed over four scales: a limb off by more than its width still gets a gradient."""
    return sum(F.l1_loss(F.avg_pool2d(image, n), F.avg_pool2d(target, n)) for n in (1, 2, 4, 8))


def least_squares_generator(fake: Tensor) -> Tensor:
    """LSGAN: the generator's scores should be 1 (Mao et al. 2017)."""
    return (1 - fake).square().mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """LSGAN: real scores should be 1, generated ones 0."""
    return ((1 - real).square() + fake.square()).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """The generator's side of the hinge loss (Lim and Ye 2017)."""
    return -fake.mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's side: real scores should exceed 1, generated ones stay below -1."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def feature_matching(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Sum over layers of the mean L1 between discriminator features; the real side is fixed."""
    return sum(F.l1_loss(a, b.detach()) for a, b in zip(fake, real))


def separation(points: Float[Tensor, "B K 2"], distance: float = 0.15) -> Float[Tensor, ""]:
    """How far the keypoints coincide: 1 if all lie on one place, 0 if all are far apart.

    Mean over pairs of ``exp(-|p_i - p_j|^2 / (2 distance^2))``, as in Zhang et al., "Unsupervised
    Discovery of Object Landmarks as Structural Representations", CVPR 2018 (there summed).
    """
    apart = (points[:, :, None] - points[:, None]).square().sum(-1)  # (B, K, K)
    pairs = torch.triu_indices(*apart.shape[1:], offset=1, device=points.device)
    return torch.exp(-apart[:, pairs[0], pairs[1]] / (2 * distance**2)).mean()


def equivariance_points(
    points: Float[Tensor, "B K 2"],
    points_transformed: Float[Tensor, "B K 2"],
    transform: RandomTransform,
) -> Float[Tensor, ""]:
    """``|p - T(p_T)|``: points found in the transformed frame and mapped back are the points."""
    return (points - transform.points(points_transformed)).abs().mean()


def equivariance_jacobians(
    jacobians: Float[Tensor, "B K 2 2"],
    points_transformed: Float[Tensor, "B K 2"],
    jacobians_transformed: Float[Tensor, "B K 2 2"],
    transform: RandomTransform,
) -> Float[Tensor, ""]:
    """``|1 - J^-1 T'(p_T) J_T|``: the same for the Jacobians (a relative error)."""
    brought_back = transform.jacobian(points_transformed) @ jacobians_transformed
    identity = torch.eye(2, device=jacobians.device, dtype=jacobians.dtype)
    return (identity - inverse_2x2(jacobians) @ brought_back).abs().mean()
