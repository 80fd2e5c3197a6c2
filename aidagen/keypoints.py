"""Points found by a network: soft-argmax, heat maps, relative motion, random transforms.

Conventions are those of ``aidagen.grids``: points are (x, y) in [-1, 1], -1 and 1 at pixel
centres; a Jacobian is a row-major 2 x 2 matrix.
"""

from dataclasses import dataclass
from typing import no_type_check

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen import grids
from aidagen.errors import AidagenError


class KeypointError(AidagenError):
    """Keypoints of the wrong shape."""


@no_type_check  # what it is given is checked by hand, in sentences
def soft_argmax(
    logits: Float[Tensor, "B K H W"], temperature: float = 0.1
) -> tuple[Float[Tensor, "B K 2"], Float[Tensor, "B K H W"]]:
    """Expected position under ``softmax(logits / temperature)`` over all pixels, and that softmax.

    Differentiable everywhere; the grid [-1, 1] is laid over the map that is given, so a map
    made by an unpadded convolution is stretched to the picture's border.
    """
    if logits.ndim != 4:
        raise KeypointError(f"soft_argmax takes maps (B, K, H, W); got {tuple(logits.shape)}.")
    heatmap = (logits / temperature).flatten(2).softmax(-1).view(logits.shape)
    grid = grids.identity_grid(*logits.shape[2:], device=logits.device, dtype=logits.dtype)
    return (heatmap[..., None] * grid).sum((2, 3)), heatmap


def gaussian_maps(
    points: Float[Tensor, "B K 2"],
    height: int,
    width: int,
    variance: float | Float[Tensor, "B K 2 2"] = 0.01,
) -> Float[Tensor, "B K H W"]:
    """``exp(-|z - p|^2 / (2 variance))``: one bump of height 1 per point.

    ``variance`` may be one covariance per point: ``exp(-(z - p)^T variance^-1 (z - p) / 2)``.
    """
    grid = grids.identity_grid(height, width, device=points.device, dtype=points.dtype)
    offset = grid - points[:, :, None, None]  # (B, K, H, W, 2)
    if isinstance(variance, Tensor):
        # written out: as matrix products these would be millions of 2 x 2 ones, one per pixel
        x, y = offset.unbind(-1)
        a, b, c, d = grids.inverse_2x2(variance)[:, :, None, None].flatten(-2).unbind(-1)
        return torch.exp(-0.5 * (a * x * x + (b + c) * x * y + d * y * y))
    return torch.exp(-0.5 * offset.square().sum(-1) / variance)


def moments(
    heatmap: Float[Tensor, "B K H W"],
) -> tuple[Float[Tensor, "B K 2"], Float[Tensor, "B K 2 2"]]:
    """Mean ``sum_z H(z) z`` and covariance ``sum_z H(z) (z - p)(z - p)^T`` of every map."""
    grid = grids.identity_grid(*heatmap.shape[2:], device=heatmap.device, dtype=heatmap.dtype)
    points = torch.einsum("bkhw,hwc->bkc", heatmap, grid)
    offset = grid - points[:, :, None, None]  # (B, K, H, W, 2)
    return points, torch.einsum("bkhwc,bkhwd->bkcd", heatmap[..., None] * offset, offset)


def smallest_variance(covariances: Float[Tensor, "B K 2 2"]) -> Float[Tensor, "B K"]:
    """How much a symmetric positive matrix varies where it does least: its smallest eigenvalue."""
    a, b, d = covariances[..., 0, 0], covariances[..., 0, 1], covariances[..., 1, 1]
    # the clamps keep value and gradient finite for round (a = d, b = 0) and flat matrices
    spread = (((a - d) / 2).square() + b.square()).clamp(min=1e-20).sqrt()
    return ((a + d) / 2 - spread).clamp(min=1e-8)


def clip_variance(
    covariances: Float[Tensor, "B K 2 2"], smallest: float
) -> Float[Tensor, "B K 2 2"]:
    """Matrices scaled as a whole until no direction varies by less than ``smallest``."""
    variances = smallest_variance(covariances)
    return covariances * (variances.clamp(min=smallest) / variances)[..., None, None]


def symmetric_positive(
    matrices: Float[Tensor, "B K 2 2"], smallest: float = 1e-6
) -> Float[Tensor, "B K 2 2"]:
    """The symmetric part with eigenvalues of at least ``smallest``: a covariance again."""
    values, vectors = torch.linalg.eigh((matrices + matrices.mT) / 2)
    return (vectors * values.clamp(min=smallest)[..., None, :]) @ vectors.mT


def hull_scale(source: Float[Tensor, "K 2"], driving: Float[Tensor, "K 2"]) -> float:
    """sqrt(area of the source's convex hull / area of the driving one): a size ratio."""
    from scipy.spatial import ConvexHull, QhullError  # slow to import, and needed here alone

    try:
        areas = [ConvexHull(p.detach().cpu().double().numpy()).volume for p in (source, driving)]
    except (QhullError, ValueError) as error:
        raise KeypointError(
            "The size ratio needs at least three keypoints that are not on one line."
        ) from error
    return (areas[0] / areas[1]) ** 0.5


def relative_points(
    source: Float[Tensor, "#B K 2"],
    driving: Float[Tensor, "B K 2"],
    initial: Float[Tensor, "#B K 2"],
    scale: float = 1.0,
) -> Float[Tensor, "B K 2"]:
    """Move the source's points the way the driving ones moved since ``initial``."""
    return source + scale * (driving - initial)


def relative_jacobians(
    source: Float[Tensor, "#B K 2 2"],
    driving: Float[Tensor, "B K 2 2"],
    initial: Float[Tensor, "#B K 2 2"],
) -> Float[Tensor, "B K 2 2"]:
    """Turn and stretch the source's neighbourhoods as the driving ones did since ``initial``."""
    return driving @ grids.inverse_2x2(initial) @ source


def relative_covariances(
    source: Float[Tensor, "#B K 2 2"],
    driving: Float[Tensor, "B K 2 2"],
    initial: Float[Tensor, "#B K 2 2"],
) -> Float[Tensor, "B K 2 2"]:
    """Change the source's covariances as the driving ones did since ``initial``."""
    # the product of covariances need not be one: back to the nearest that is
    return symmetric_positive(driving @ grids.inverse_2x2(initial) @ source)


@dataclass(frozen=True)
class RandomTransform:
    """A known smooth map of the plane, ``T(z) = A z + t + thin-plate term`` (equivariance loss).

    A detector that is worth its name finds ``p`` in a picture and ``T^-1(p)`` in the picture
    warped by T; the loss measures by how much it does not.
    """

    theta: Float[Tensor, "B 2 3"]
    weights: Float[Tensor, "B P"]
    control_points: Float[Tensor, "P 2"]
    align_corners: bool = True

    @classmethod
    def sample(
        cls,
        batch: int,
        *,
        generator: torch.Generator | None = None,
        sigma_affine: float = 0.05,
        sigma_tps: float = 0.005,
        points_tps: int = 5,
        align_corners: bool = True,
        device=None,
    ) -> "RandomTransform":
        """Identity plus normal noise on the affine part and on ``points_tps``^2 spline weights."""
        theta = sigma_affine * torch.randn(batch, 2, 3, generator=generator) + torch.eye(2, 3)
        weights = sigma_tps * torch.randn(batch, points_tps**2, generator=generator)
        control = grids.identity_grid(points_tps, points_tps).view(-1, 2)
        return cls(theta.to(device), weights.to(device), control.to(device), align_corners)

    def points(self, z: Float[Tensor, "#B N 2"]) -> Float[Tensor, "B N 2"]:
        """T(z), of one z for all or of one each."""
        moved = z @ self.theta[:, :, :2].mT + self.theta[:, None, :, 2]
        return moved + grids.thin_plate(z, self.control_points, self.weights)[..., None]

    def jacobian(self, z: Float[Tensor, "B N 2"]) -> Float[Tensor, "B N 2 2"]:
        """dT/dz, in closed form; rows are output x and y."""
        slope = grids.thin_plate_gradient(z, self.control_points, self.weights)
        return self.theta[:, None, :, :2] + slope[:, :, None, :]

    def frame(self, image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The picture that shows at z what ``image`` shows at T(z); reflected at its border."""
        b, _, h, w = image.shape
        grid = grids.identity_grid(h, w, device=image.device, dtype=image.dtype).view(1, -1, 2)
        moved = self.points(grid).view(b, h, w, 2)
        return grids.warp(image, moved, padding="reflection", align_corners=self.align_corners)
