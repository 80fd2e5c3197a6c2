"""First Order Motion of the published size (vox-256), animated as the published code does it.

For `make bench`. Speed does not depend on what was learnt: the weights are random, drawn so that
the pictures have contrast and an error would show.
"""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import record_function

from aidagen import blocks, kernels
from aidagen.animation import Animator
from aidagen.inference import prepared
from aidagen.lectures.first_order_motion import warps
from aidagen.models.fomm import FOMM, FOMMConfig, fomm_published
from aidagen.winograd import WinogradConv

NAME = "animate-vox-256"


def model(config: FOMMConfig | None = None) -> FOMM:
    """The published size, unless ``config`` is another one."""
    torch.manual_seed(0)
    made = FOMM(config or fomm_published("vox-256")).eval()
    for module in made.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    made.generator.final.weight.data.mul_(0.2)
    return made


def enlarged(block: blocks.UpBlock, x: Tensor) -> Tensor:
    """An up block as published: the enlarged map is made, and convolved."""
    return blocks.SameBlock.forward(block, F.interpolate(x, scale_factor=2))


def as_published(made: FOMM, source: Tensor, frames: Tensor) -> list[Tensor]:
    """One frame after another, the source encoded for each, a copy of it warped per keypoint."""

    def copied(image, *maps, **_) -> Tensor:
        with record_function("warps"):
            return warps.copies(image, kernels.Maps(*maps))

    pictures, source = [], source[None]
    with (
        torch.inference_mode(),
        patch.object(kernels, "local_affine_warp", copied),
        patch.object(blocks.UpBlock, "forward", enlarged),
    ):
        still, first = made.motion(source), made.motion(frames[:1])
        for frame in frames:
            motion = made.motion(frame[None])
            encoded = made.encode(source)._replace(motion=still)
            rendering = made.render(encoded, made.relative(motion, first, encoded))
            pictures.append(rendering.image[0])
    return pictures


def ours(ready: nn.Module, source: Tensor, frames: Tensor, batch: int = 4) -> list[Tensor]:
    return [each.image for each in Animator(ready, source, batch=batch).animate(frames)]


def sides(count: int = 4) -> tuple[Callable[[], list[Tensor]], Callable[[], list[Tensor]]]:
    """Both ways to the same ``count`` pictures; raises where they are not the same."""
    made, frames = model(), torch.rand(count, 3, 256, 256)
    ready = prepared(made)
    ways = (lambda: as_published(made, frames[0], frames)), (lambda: ours(ready, frames[0], frames))
    error = max(float((a - b).abs().max()) for a, b in zip(*(way() for way in ways), strict=True))
    if error > 1e-3:
        raise AssertionError(f"{NAME}: the pictures differ by {error:.1e}.")
    print(f"{NAME}: the pictures of both ways differ by {error:.1e} of the range at most.")
    return ways


# what is called -> the kind of work that it is, for `measures.shares`
KINDS = {
    (kernels, "local_affine_warp"): "warps", (kernels, "mix_affine_maps"): "warps",
    (kernels, "warp_by_flow"): "warps", (nn.Conv2d, "_conv_forward"): "convolutions",
    (WinogradConv, "convolve"): "convolutions", (nn.BatchNorm2d, "forward"): "batch norms",
}  # fmt: skip
