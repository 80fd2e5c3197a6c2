"""Where pixels go: coordinate grids, the maps between them, and the one ``warp``.

Conventions, said once here and meant everywhere in aidagen:

* images are float in [0, 1], ``(B, C, H, W)``; clips ``(B, T, C, H, W)``;
* points are ``(x, y)`` in [-1, 1]; with ``align_corners=True`` (the default) -1 and 1 are the
  *centres* of the first and last pixel, so pixel j of W lies at ``2 j / (W - 1) - 1``;
* a warp grid ``(B, H, W, 2)`` says, for each *output* pixel, where in the *source* to read
  (backward warping); outside the source reads zero unless said otherwise;
* 2 x 2 matrices are row-major: rows are output x and y.

Published weights of this family were trained with ``align_corners=True``, then torch's default,
while their authors' later demo ran under ``False``; ``warp`` therefore takes the switch.
"""

from typing import Literal, no_type_check

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from aidagen.errors import AidagenError

Padding = Literal["zeros", "border", "reflection"]


class GridError(AidagenError):
    """A grid or an image of the wrong shape."""


def identity_grid(
    height: int, width: int, *, device=None, dtype=torch.float32
) -> Float[Tensor, "H W 2"]:
    """The grid that reads every pixel at its own place; last axis is (x, y)."""
    if height < 1 or width < 1:
        raise GridError(f"A grid needs at least one pixel; got height {height}, width {width}.")
    y = _axis(height, device, dtype)[:, None].expand(height, width)
    x = _axis(width, device, dtype)[None, :].expand(height, width)
    return torch.stack([x, y], dim=-1)


def _axis(n: int, device, dtype) -> Tensor:
    # a single pixel sits in the middle, where 2 j / (n - 1) - 1 would divide by zero
    steps = torch.arange(n, device=device, dtype=dtype)
    return steps * (2.0 / (n - 1)) - 1.0 if n > 1 else torch.zeros_like(steps)


@no_type_check
def affine_grid(theta: Float[Tensor, "B 2 3"], height: int, width: int) -> Float[Tensor, "B H W 2"]:
    """The grid ``A z + t`` for ``theta = [A | t]``: output pixel z reads the source there."""
    if theta.shape[-2:] != (2, 3):
        raise GridError(f"theta must be (B, 2, 3), rows [A | t]; got {tuple(theta.shape)}.")
    grid = identity_grid(height, width, device=theta.device, dtype=theta.dtype)
    x, y = grid.unbind(-1)  # (H, W) each
    # written out: as a matrix product it would be one for every row of the picture
    a, b, t_x, c, d, t_y = theta[:, None, None].flatten(-2).unbind(-1)  # (B, 1, 1) each
    return torch.stack([a * x + b * y + t_x, c * x + d * y + t_y], dim=-1)


def inverse_2x2(matrices: Float[Tensor, "*batch 2 2"]) -> Float[Tensor, "*batch 2 2"]:
    """``[[a, b], [c, d]]^-1 = [[d, -b], [-c, a]] / (a d - b c)``, differentiable.

    Nothing looks whether a matrix is singular, for a look waits for the GPU (as
    ``torch.linalg.inv`` does, which raises an error): a determinant of zero gives infinities and
    NaNs in that matrix's inverse and in no other.
    """
    a, b, c, d = matrices.flatten(-2).unbind(-1)
    adjugate = torch.stack([d, -b, -c, a], dim=-1).view_as(matrices)
    return adjugate / (a * d - b * c)[..., None, None]


def product_2x2(
    left: Float[Tensor, "*batch 2 2"], right: Float[Tensor, "*batch 2 2"]
) -> Float[Tensor, "*batch 2 2"]:
    """``left @ right``, written out: never in half precision, whatever autocast does to ``@``."""
    return (left[..., :, :, None] * right[..., None, :, :]).sum(-2)


def local_affine_grids(
    grid: Float[Tensor, "H W 2"],
    points_to: Float[Tensor, "*B K 2"],
    points_from: Float[Tensor, "*B K 2"],
    matrices: Float[Tensor, "*B K 2 2"] | None = None,
) -> Float[Tensor, "*B K H W 2"]:
    """K first-order maps, ``points_to + matrices (z - points_from)``, over a common grid.

    Without matrices these are K translations (zeroth order).
    """
    from_x, from_y = points_from[..., None, None, :].unbind(-1)  # (B, K, 1, 1) each
    to_x, to_y = points_to[..., None, None, :].unbind(-1)
    x, y = grid[..., 0] - from_x, grid[..., 1] - from_y  # (B, K, H, W) each
    if matrices is not None:
        # written out: as matrix products these would be millions of 2 x 2 ones, one per pixel
        a, b, c, d = matrices[..., None, None, :, :].flatten(-2).unbind(-1)
        x, y = a * x + b * y, c * x + d * y
    return torch.stack([x + to_x, y + to_y], dim=-1)


@no_type_check  # what it is given is checked by hand, in sentences
def warp(
    image: Float[Tensor, "B C H W"],
    grid: Float[Tensor, "B h w 2"],
    *,
    padding: Padding = "zeros",
    align_corners: bool = True,
) -> Float[Tensor, "B C h w"]:
    """Backward bilinear warp: output pixel (i, j) is the source read at ``grid[:, i, j]``.

    Differentiable in both arguments. Raises ``GridError`` on shapes that do not fit.
    """
    if image.ndim != 4 or grid.ndim != 4 or grid.shape[-1] != 2:
        raise GridError(
            "warp takes an image (B, C, H, W) and a grid (B, H, W, 2) of (x, y); got "
            f"{tuple(image.shape)} and {tuple(grid.shape)}."
        )
    if image.shape[0] != grid.shape[0]:
        raise GridError(
            f"warp got {image.shape[0]} images but {grid.shape[0]} grids; expand the smaller batch."
        )
    return F.grid_sample(
        image, grid, mode="bilinear", padding_mode=padding, align_corners=align_corners
    )


def resize_grid(
    grid: Float[Tensor, "B h w 2"], height: int, width: int, *, align_corners: bool = True
) -> Float[Tensor, "B H W 2"]:
    """The same map on ``height`` x ``width`` pixels (bilinear).

    With ``align_corners=True`` a resized identity is the identity. The published models resize
    with False, torch's default: at twice the size that reads up to half a pixel beside the place.
    """
    if grid.shape[1:3] == (height, width):
        return grid
    size = (height, width)
    channels = grid.permute(0, 3, 1, 2)
    channels = F.interpolate(channels, size, mode="bilinear", align_corners=align_corners)
    return channels.permute(0, 2, 3, 1)


def compose(outer: Float[Tensor, "B H W 2"], inner: Float[Tensor, "B h w 2"]) -> Tensor:
    """The grid that warps by ``outer`` first and by ``inner`` next, in one step.

    ``warp(warp(x, outer), inner)`` equals ``warp(x, compose(outer, inner))`` up to interpolation.
    """
    return warp(outer.permute(0, 3, 1, 2), inner, padding="border").permute(0, 2, 3, 1)


def thin_plate(
    points: Float[Tensor, "#B N 2"],
    control_points: Float[Tensor, "P 2"],
    weights: Float[Tensor, "B P"],
) -> Float[Tensor, "B N"]:
    """The radial term of the FOMM family's thin-plate spline at ``points``.

    ``sum_p w_p r_p^2 log(r_p + 1e-6)`` with r the **L1** distance to control point p, as in the
    authors' code (a textbook spline takes the Euclidean one). One scalar, added to x and y alike.
    """
    r = (points[:, :, None] - control_points).abs().sum(-1)  # (B, N, P)
    return (r**2 * torch.log(r + 1e-6) * weights[:, None]).sum(-1)


def thin_plate_gradient(
    points: Float[Tensor, "B N 2"],
    control_points: Float[Tensor, "P 2"],
    weights: Float[Tensor, "B P"],
) -> Float[Tensor, "B N 2"]:
    """Derivative of ``thin_plate`` with respect to the points, in closed form."""
    offset = points[:, :, None] - control_points  # (B, N, P, 2)
    r = offset.abs().sum(-1)
    slope = 2 * r * torch.log(r + 1e-6) + r**2 / (r + 1e-6)
    return ((slope * weights[:, None])[..., None] * offset.sign()).sum(2)
