"""The warps of `aidagen.kernels` in plain torch: to be read, and the truth for the fused ones.

Places are computed in float32 at least. No picture is repeated, and a composed flow needs no grid
per keypoint. Letters as in `aidagen.kernels`.
"""

from typing import Literal, no_type_check

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from aidagen import grids

Resize = Literal["nearest", "bilinear", "corners"]


def resized(x: Float[Tensor, "B C h w"], height: int, width: int, resize: Resize = "bilinear"):
    """``x`` on ``height`` x ``width`` pixels, itself if it has them.

    "corners" is bilinear with align_corners=True: a resized identity is the identity. "bilinear"
    (False, torch's default) and "nearest" read up to half a pixel beside the place.
    """
    if x.shape[2:] == (height, width):
        return x
    if resize == "nearest":
        return F.interpolate(x, (height, width), mode="nearest")
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=resize == "corners")


@no_type_check  # shapes are checked where it is called
def local_affine_warp(image, points_to, points_from, matrices, identity, align_corners):
    """(B, J, C, H, W): the image, read through each of J maps."""
    h, w = image.shape[2:]
    grid = grids.identity_grid(h, w, device=image.device, dtype=points_to.dtype)
    maps = grids.local_affine_grids(grid, points_to, points_from, matrices)  # (B, K, H, W, 2)
    if identity:
        maps = torch.cat([grid.expand(len(maps), 1, h, w, 2), maps], dim=1)
    # the J grids as a single one, J times as tall, read one image: no copies of it
    tall = maps.flatten(1, 2)  # (B, JH, W, 2)
    warped = grids.warp(image.to(maps.dtype), tall, align_corners=align_corners)  # (B, C, JH, W)
    return warped.unflatten(2, (-1, h)).transpose(1, 2).to(image.dtype)


@no_type_check
def mix_affine_maps(masks, points_to, points_from, matrices, identity):
    """(B, H, W, 2): the mean of J maps, weighted at every pixel.

    Each map is ``A_j z + t_j`` with ``t_j = to_j - A_j from_j``, so a mean of maps is the map of
    the mean A and the mean t: six numbers a pixel, which are one matrix product, where J grids
    would be 2 J.
    """
    h, w = masks.shape[2:]
    exact = points_to.dtype
    if matrices is None:
        matrices = torch.eye(2, dtype=exact, device=masks.device).expand(*points_to.shape, 2)
    a, b, c, d = matrices.flatten(2).unbind(-1)  # (B, K) each
    (x, y), (to_x, to_y) = points_from.unbind(-1), points_to.unbind(-1)
    terms = torch.stack([a, b, to_x - (a * x + b * y), c, d, to_y - (c * x + d * y)], -1)
    if identity:
        still = torch.tensor([1.0, 0, 0, 0, 1, 0], dtype=exact, device=masks.device)
        terms = torch.cat([still.expand(len(terms), 1, 6), terms], dim=1)  # (B, J, 6)
    with torch.autocast(masks.device.type, enabled=False):  # places in half precision are too rough
        mixed = torch.einsum("bjhw,bjn->nbhw", masks.to(exact), terms)
    x, y = grids.identity_grid(h, w, device=masks.device, dtype=exact).unbind(-1)  # (H, W) each
    a, b, t_x, c, d, t_y = mixed
    return torch.stack([a * x + b * y + t_x, c * x + d * y + t_y], dim=-1)


@no_type_check
def warp_by_flow(features, flow, visible, resize, align_corners):
    """(B, C, H, W): features, read where the flow says, times what is visible."""
    size, exact = features.shape[2:], torch.promote_types(features.dtype, torch.float32)
    grid = resized(flow.to(exact).permute(0, 3, 1, 2), *size, resize).permute(0, 2, 3, 1)
    warped = grids.warp(features.to(exact), grid, align_corners=align_corners)
    if visible is not None:
        warped = warped * resized(visible.to(exact), *size)
    return warped.to(features.dtype)
