"""A training step of First Order Motion as the published code takes it, beside ours.

For `make bench`, and to be read beside `aidagen/models/fomm.py`. The networks are the course's, of
the recipe `fomm-faces-64`; around them everything happens as it was published (2019 to 2022):

* the keypoint detector looks at source, driving and transformed frame in passes of their own;
* a 2 x 2 matrix is kept for every pixel of every keypoint, multiplied by `matmul`, inverted by
  `torch.inverse`; the grids of all K + 1 maps stay in memory, and the source is repeated for each;
* pictures are blurred at their full size before pixels are picked; maps are enlarged before they
  are convolved;
* Jacobians of the random transform are derivatives that autograd finds;
* detector and generator have an optimizer each, and every loss is read from the device one by one.

The network of the perceptual loss is frozen here as well: the published one is. Drawing a batch is
left out on both sides. Ours also checks that the loss is finite and averages the weights.
Speed does not depend on what was learnt: all weights are random, and so are the pictures, the
driving frames being the sources in another order: batch norm then measures the same in one pass
over both as in two, so that both ways have the same losses.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple
from unittest.mock import patch

import torch
import torch.nn.functional as F
from measures import waiting
from published_loop import enlarged
from torch import Tensor, nn

from aidagen import blocks, grids, kernels, keypoints, losses
from aidagen.datasets.batches import Pair
from aidagen.judges.features import MobileNetV2, PerceptualFeatures
from aidagen.models import fomm
from aidagen.objectives import folded
from aidagen.recipes import Recipe
from aidagen.recipes.fomm import RECIPES
from aidagen.training import Training

NAME = "train-step-fomm"
RECIPE = "fomm-faces-64"
TOLERANCE = {"cpu": 1e-4, "cuda": 0.2}  # of each loss; a GPU multiplies in TF32


# --- motion --------------------------------------------------------------------------------------


def sparse_motions(to: Tensor, origin: Tensor, matrices: Tensor, height: int, width: int) -> Tensor:
    """The grids (B, J, H, W, 2) of "stay where you are" and K first-order maps."""
    grid = grids.identity_grid(height, width, device=to.device, dtype=to.dtype)[None, None]
    offset = grid - origin[:, :, None, None]
    each = matrices[:, :, None, None].repeat(1, 1, height, width, 1, 1)
    moved = torch.matmul(each, offset[..., None])[..., 0] + to[:, :, None, None]
    return torch.cat([grid.repeat(len(to), 1, 1, 1, 1), moved], dim=1)


def sparse_deformed(image: Tensor, motions: Tensor, corners: bool = True) -> Tensor:
    """(B, J, C, H, W): a copy of the image warped by each grid."""
    copies = image[:, None].repeat(1, motions.shape[1], 1, 1, 1)
    warped = F.grid_sample(copies.flatten(0, 1), motions.flatten(0, 1), align_corners=corners)
    return warped.unflatten(0, motions.shape[:2])


def dense_flow(masks: Tensor, motions: Tensor) -> Tensor:
    return (motions.permute(0, 1, 4, 2, 3) * masks[:, :, None]).sum(1).permute(0, 2, 3, 1)


def deformed(x: Tensor, flow: Tensor, config: fomm.FOMMConfig) -> Tensor:
    """``x`` warped by a flow of any size."""
    if x.shape[2:] != flow.shape[1:3]:
        flow = F.interpolate(flow.permute(0, 3, 1, 2), x.shape[2:], mode="bilinear",
                             align_corners=config.resize_corners).permute(0, 2, 3, 1)  # fmt: skip
    return F.grid_sample(x, flow, align_corners=config.align_corners)


class Transform(NamedTuple):
    """A random transform of the plane."""

    drawn: keypoints.RandomTransform

    def points(self, z: Tensor) -> Tensor:
        theta = self.drawn.theta[:, None]  # (B, 1, 2, 3)
        moved = (torch.matmul(theta[..., :2], z[..., None]) + theta[..., 2:])[..., 0]
        r = (z[:, :, None] - self.drawn.control_points).abs().sum(-1)  # (B, N, P)
        spline = (r**2 * torch.log(r + 1e-6) * self.drawn.weights[:, None]).sum(-1)
        return moved + spline[..., None]

    def jacobian(self, z: Tensor) -> Tensor:
        moved = self.points(z)
        rows = [torch.autograd.grad(moved[..., i].sum(), z, create_graph=True)[0] for i in (0, 1)]
        return torch.stack(rows, dim=-2)

    def frame(self, image: Tensor) -> Tensor:
        h, w = image.shape[2:]
        grid = grids.identity_grid(h, w, device=image.device, dtype=image.dtype)
        grid = self.points(grid.view(1, -1, 2))
        return F.grid_sample(image, grid.view(-1, h, w, 2), padding_mode="reflection",
                             align_corners=self.drawn.align_corners)  # fmt: skip


# --- networks ------------------------------------------------------------------------------------


def blurred(down: blocks.AntiAlias, x: Tensor) -> Tensor:
    if down.stride == 1:
        return x
    x = F.conv2d(F.pad(x, [down.pad] * 4), down.weight, groups=down.channels)
    return x[:, :, :: down.stride, :: down.stride]


def found(detector: fomm.KeypointDetector, frames: Tensor) -> fomm.Motion:
    """Keypoints and Jacobians of one set of frames."""
    x = detector.predictor(blurred(detector.down, frames))
    points, heat = keypoints.soft_argmax(detector.kp(x), detector.config.temperature)
    maps = detector.jacobian(x).unflatten(1, (detector.maps, 4))  # (B, K, 4, h, w)
    jacobians = (heat[:, :, None] * maps).sum((-2, -1))
    return fomm.Motion(points, jacobians.unflatten(-1, (2, 2)), heat)


def generated(
    generator: fomm.Generator, source: Tensor, still: fomm.Motion, driving: fomm.Motion
) -> tuple[Tensor, Tensor]:
    """The picture, and the source warped by the flow."""
    network, config = generator.dense_motion_network, generator.config
    features = generator.encode(source)
    small = blurred(network.down, source)
    size = small.shape[2:]
    bumps = fomm.heatmap_differences(still, driving, *size, config.variance)
    matrices = torch.matmul(still.jacobians, torch.inverse(driving.jacobians))
    motions = sparse_motions(still.points, driving.points, matrices, *size)
    seen = sparse_deformed(small, motions, config.align_corners)
    x = network.hourglass(torch.cat([bumps[:, :, None], seen], dim=2).flatten(1, 2))
    masks, occlusion = network.mask(x).softmax(1), network.occlusion(x).sigmoid()
    flow = dense_flow(masks, motions)
    x = deformed(features, flow, config)
    x = generator.bottleneck(x * kernels.resized(occlusion, *x.shape[2:]))
    for block in generator.up_blocks:
        x = block(x)
    image, moved = generator.final(x).sigmoid(), deformed(source, flow, config)
    if config.blend:
        visible = kernels.resized(occlusion, *image.shape[2:])
        image = visible * moved + (1 - visible) * image
    return image, moved


def terms(objective: fomm.Objective, batch: Pair, transform: Transform) -> dict[str, Tensor]:
    """Every loss of `fomm.generator_loss`, weighted, without a discriminator."""
    model, weights, network = objective.model, objective.weights, objective.perceptual
    still, driving = (found(model.kp_detector, frames) for frames in batch[:2])
    image, moved = generated(model.generator, batch.source, still, driving)
    perceptual = 0.0
    for down in network.pyramid.downs:
        features = network.features(blurred(down, image))
        targets = network.features(blurred(down, batch.driving))
        for a, b in zip(features, targets, strict=True):
            perceptual = perceptual + (a - b.detach()).abs().mean()
    seen = found(model.kp_detector, transform.frame(batch.driving))
    apart = (driving.points - transform.points(seen.points)).abs().mean()
    turned = torch.matmul(transform.jacobian(seen.points), seen.jacobians)
    turned = torch.matmul(torch.inverse(driving.jacobians), turned)
    eye = torch.eye(2, device=image.device)
    return {
        "perceptual": weights.perceptual * perceptual,
        "pixels": weights.pixels * (image - batch.driving).abs().mean(),
        "warp": weights.warp * losses.scaled_l1(moved, batch.driving),
        "separation": weights.separation * losses.separation(driving.points),
        "equivariance_points": weights.equivariance_points * apart,
        "equivariance_jacobians": weights.equivariance_jacobians * (eye - turned).abs().mean(),
    }


class Published:
    """An objective being trained: ``step()`` takes the next step, as `Training.step` does."""

    def __init__(self, objective: fomm.Objective, recipe: Recipe):
        self.objective, self.recipe, self.done = objective, recipe, 0
        parts = objective.model.generator, objective.model.kp_detector
        self.optimizers = [
            torch.optim.Adam(part.parameters(), recipe.rate, betas=recipe.betas) for part in parts
        ]

    def step(self) -> dict[str, float]:
        recipe, weights = self.recipe, self.objective.weights
        generator = torch.Generator().manual_seed((recipe.seed * 1_000_003 + self.done) * 64)
        device = next(self.objective.model.parameters()).device
        batch = Pair(*(x.to(device) for x in recipe.data.draw(recipe.batch, generator)))
        transform = Transform(keypoints.RandomTransform.sample(
            recipe.batch, generator=generator, device=device, sigma_affine=weights.sigma_affine,
            sigma_tps=weights.sigma_tps, align_corners=self.objective.model.config.align_corners,
        ))  # fmt: skip
        with patch.object(blocks.UpBlock, "forward", enlarged):
            values = terms(self.objective, batch, transform)
        sum(values.values()).backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.done += 1
        return {name: float(value.detach().cpu()) for name, value in values.items()}


# --- both sides ----------------------------------------------------------------------------------

_HERE = sys.modules[__name__]
# what is called -> the kind of work that it is, for `measures.shares`: as published, and ours
PUBLISHED_KINDS = {
    (_HERE, "sparse_motions"): "warps", (_HERE, "sparse_deformed"): "warps",
    (_HERE, "dense_flow"): "warps", (_HERE, "deformed"): "warps", (Transform, "frame"): "warps",
}  # fmt: skip
KINDS = {
    (kernels, "local_affine_warp"): "warps", (kernels, "mix_affine_maps"): "warps",
    (kernels, "warp_by_flow"): "warps", (keypoints.RandomTransform, "frame"): "warps",
}  # fmt: skip


@dataclass(frozen=True)
class Fixed:
    """The same pairs in every step."""

    pairs: Pair

    def draw(self, count: int, generator: torch.Generator) -> Pair:
        return self.pairs

    def sets(self) -> dict:
        return {}


def begun(device: str = "cpu", batch: int | None = None) -> tuple[fomm.Objective, Recipe]:
    """An objective with random weights whose keypoints move and turn, and its recipe."""
    recipe = RECIPES[RECIPE]
    torch.manual_seed(0)
    network = MobileNetV2()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    perceptual = losses.PerceptualPyramid(PerceptualFeatures(network), recipe.weights.scales)
    model = fomm.FOMM(recipe.config)
    with torch.no_grad():
        model.kp_detector.kp.weight.mul_(20)
        model.kp_detector.jacobian.weight.normal_(0, 0.05)
    objective = fomm.Objective(model, recipe.weights, perceptual).train().to(device)
    size, count = recipe.config.size, batch or recipe.batch
    coarse = torch.rand(count, 3, size // 8, size // 8)
    sources = F.interpolate(coarse, (size, size), mode="bilinear")
    data = Fixed(Pair(sources, sources.roll(1, 0)))
    return objective, replace(recipe, data=data, batch=count, schedule="constant")


def sides(
    device: str = "cpu", batch: int | None = None
) -> tuple[Callable[[], dict[str, float]], Callable[[], dict[str, float]], float]:
    """The next step of either way, and by how much the losses of their first steps differ.

    Raises where that is more than ``TOLERANCE``.
    """
    objective, recipe = begun(device, batch)
    published = Published(copy.deepcopy(objective), recipe)
    objective.perceptual.features = folded(objective.perceptual.features)  # as `aidagen train` does
    ours = Training(objective, recipe)
    first, second = published.step(), ours.step()
    error = max(abs(first[name] - second[name]) / abs(second[name]) for name in second)
    if first.keys() != second.keys() or error > TOLERANCE[device]:
        raise AssertionError(f"{NAME}: the losses differ by {error:.1e}: {first}, {second}.")
    return waiting(published.step, device), waiting(ours.step, device), error
