"""Square crops around faces: where boxes, network inputs and our points meet.

Three frames of reference, said once:
* *points* are the house's: (x, y) in [-1, 1], align_corners=True (±1 are pixel centres);
* *edges* are fractions of the picture from its left/top edge (0) to its right/bottom one (1):
  what detectors speak; pixel j of W has its centre at (j + 0.5) / W;
* *crop* coordinates are edges of a square box.
Boxes are squares (centre x, centre y, side) in *pixels* of the picture, from its edges.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from aidagen.errors import AidagenError


def as_images(images: Tensor) -> Float[Tensor, "B 3 H W"]:
    """Check a batch of pictures: float `(B, 3, H, W)` in [0, 1], or uint8, which is scaled."""
    if images.ndim != 4 or images.shape[1] != 3:
        raise AidagenError(
            f"A judge was given an array of shape {tuple(images.shape)}, but looks at RGB images "
            "of shape (B, 3, H, W)."
        )
    return images.float() / 255 if images.dtype == torch.uint8 else images.float()


def crop_squares(
    images: Float[Tensor, "B 3 H W"],
    squares: Float[Tensor, "B 3"],
    size: int,
) -> Float[Tensor, "B 3 size size"]:
    """Cut one square (centre x, centre y, side; in pixels) out of each image, bilinearly.

    Beyond the border the border pixel is repeated. A square much larger than `size` is first
    shrunk with anti-aliasing, so that nothing aliases.
    """
    shrink = size * 2 / squares[:, 2].clamp(min=1).median()
    if shrink < 1:
        old = images.shape[-2:]
        new = [max(1, round(n * shrink.item())) for n in old]
        images = F.interpolate(images, new, mode="bilinear", antialias=True)
        ratio = squares.new_tensor([new[1] / old[1], new[0] / old[0], new[1] / old[1]])
        squares = squares * ratio
    height, width = images.shape[-2:]
    steps = (torch.arange(size) + 0.5) / size - 0.5
    x = squares[:, :1] + squares[:, 2:] * steps  # pixels from the left edge
    y = squares[:, 1:2] + squares[:, 2:] * steps
    grid = torch.stack(
        torch.broadcast_tensors(x[:, None, :] * 2 / width - 1, y[:, :, None] * 2 / height - 1), -1
    )
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def edges_to_points(
    pixels: Float[Tensor, "... 2"], height: int, width: int
) -> Float[Tensor, "... 2"]:
    """Pixels measured from the left/top *edge* → points in [-1, 1], align_corners=True."""
    size = pixels.new_tensor([width, height])
    return 2 * (pixels - 0.5) / (size - 1) - 1


def points_to_edges(
    points: Float[Tensor, "... 2"], height: int, width: int
) -> Float[Tensor, "... 2"]:
    """The way back: points in [-1, 1] → pixels measured from the left/top edge."""
    size = points.new_tensor([width, height])
    return (points + 1) / 2 * (size - 1) + 0.5
