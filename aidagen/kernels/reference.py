"""The warps of `aidagen.kernels` in plain torch: to be read, and the truth for the fused ones.

Places are computed in float32 at least. No picture is repeated, no grid is kept for the way back,
and a composed flow needs no grid per keypoint. Letters as in `aidagen.kernels`.
"""

from collections.abc import Iterator
from typing import Literal, no_type_check

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from aidagen import grids

Resize = Literal["nearest", "bilinear", "corners"]
BILINEAR, ZEROS = 0, 0  # how torch calls this sampling, and what lies outside
AT_ONCE = 1 << 18  # places of a batch whose grids are made together: 2 MiB of float32


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
    still = torch.eye(2, dtype=points_to.dtype, device=image.device)
    if matrices is None:
        matrices = still.expand(*points_to.shape, 2)
    if identity:
        nowhere = torch.zeros_like(points_to[:, :1])
        points_to, points_from = (torch.cat([nowhere, x], 1) for x in (points_to, points_from))
        matrices = torch.cat([still.expand(len(matrices), 1, 2, 2), matrices], dim=1)
    exact = image.to(points_to.dtype)
    return WarpByMaps.apply(exact, points_to, points_from, matrices, align_corners).to(image.dtype)


@no_type_check
class WarpByMaps(torch.autograd.Function):
    """The image, read through J maps ``z -> to + A (z - from)``, a few at a time.

    For the way back only the arguments are kept: grids are made again. With the gradient g(z) of
    the places of a map, that of ``to`` is the sum of g over all pixels, that of A the sum of
    ``g (z - from)^T``, and that of ``from`` is ``-A^T`` times the first sum.
    """

    @staticmethod
    def forward(ctx, image, points_to, points_from, matrices, align_corners):
        ctx.save_for_backward(image, points_to, points_from, matrices)
        ctx.align_corners = align_corners
        whole = (*points_to.shape[:2], *image.shape[1:])
        warped = None
        for some, tall in grids_in_parts(image, points_to, points_from, matrices):
            # the grids as a single one, so many times as tall, read one image: no copies of it
            read = grids.warp(image, tall, align_corners=align_corners)
            read = read.unflatten(2, (-1, image.shape[2])).transpose(1, 2)
            if read.shape == whole:
                return read
            warped = image.new_empty(whole) if warped is None else warped
            warped[:, some] = read
        return warped

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        image, _, points_from, matrices = maps = ctx.saved_tensors
        h, w = image.shape[2:]
        z = grids.identity_grid(h, w, device=image.device, dtype=image.dtype)[..., None, :]
        wanted = [ctx.needs_input_grad[0], any(ctx.needs_input_grad[1:])]
        of_image, of_to, moments = None, [], []
        for some, tall in grids_in_parts(*maps):
            arriving = gradient[:, some].transpose(1, 2).flatten(2, 3)  # (B, C, some * H, W)
            at_pixels, at_places = torch.ops.aten.grid_sampler_2d_backward(
                arriving, image, tall, BILINEAR, ZEROS, ctx.align_corners, wanted
            )
            if wanted[0]:
                of_image = at_pixels if of_image is None else of_image.add_(at_pixels)
            if wanted[1]:
                g = at_places.unflatten(1, (-1, h))[..., None]  # (B, some, H, W, 2, 1)
                of_to.append(g.sum((2, 3)))
                moments.append(torch.cat([(g * z[..., i, None]).sum((2, 3)) for i in (0, 1)], -1))
        if not wanted[1]:
            return of_image, None, None, None, None
        of_to, moments = torch.cat(of_to, 1), torch.cat(moments, 1)  # (B, J, 2, 1), (B, J, 2, 2)
        of_matrices = moments - of_to * points_from[..., None, :]
        of_from = -(matrices * of_to).sum(-2)
        return of_image, of_to[..., 0], of_from, of_matrices, None


@no_type_check
def grids_in_parts(image, *maps) -> Iterator[tuple[slice, Tensor]]:
    """Which of the J maps, and their grids one below the other: (B, some * H, W, 2)."""
    b, _, h, w = image.shape
    grid = grids.identity_grid(h, w, device=image.device, dtype=image.dtype)
    step = max(1, AT_ONCE // (b * h * w))
    for first in range(0, maps[0].shape[1], step):
        some = slice(first, first + step)
        yield some, grids.local_affine_grids(grid, *(x[:, some] for x in maps)).flatten(1, 2)


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
        still = torch.eye(2, 3, dtype=exact, device=masks.device).flatten()  # A = 1, t = 0
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
