"""Features carried along by the parts of a body: the deformable skip, for one level of a U-Net.

Siarohin, Sangineto, Lathuilière, Sebe. CVPR 2018. Each of P parts has an affine map, which says
where a pixel of the target is found in the source, and a mask, which says for which pixels it
speaks. `_parts` in plain torch says what is computed. By default a GPU runs a fused kernel
(`aidagen.kernels.parts_fused`), and a CPU, for the published sampling and aggregation, `Largest`:
the same part by part, in less time and memory.

Letters: B images, P parts, C channels, H W pixels of the features.
"""

from typing import Literal, get_args, no_type_check

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from aidagen import kernels
from aidagen.kernels import KernelError, Way

Sampling = Literal["nearest", "bilinear"]
Aggregate = Literal["max", "average"]


@no_type_check  # what it is given is checked by hand, in sentences
def warp_parts(
    features: Float[Tensor, "B C H W"],
    maps: Float[Tensor, "B P 2 3"],
    masks: Float[Tensor, "B P H W"] | None = None,
    *,
    way: Way = "auto",
    sampling: Sampling = "nearest",
    aggregate: Aggregate = "max",
) -> Float[Tensor, "B C H W"]:
    """Features read through P affine maps, each where its mask is 1, and made one again.

    Maps are in pixels of the features: pixel ``(x, y)``, counted from 0, of part p reads the place
    ``maps_p (x, y, 1)``; outside reads zero. "max" is over all parts, zeros of the masks included;
    "average" divides the sum by the number of masks that cover the pixel (zero where there is
    none). Differentiable in features and masks, and with "bilinear" sampling in the maps. Places
    are computed in float32 at least; the result has the dtype of the features.

    Raises ``KernelError`` on shapes that do not fit and on a way that there is not.
    """
    fits = (
        features.ndim == maps.ndim == 4
        and min(features.shape) > 0
        and maps.shape[1] > 0
        and maps.shape == (len(features), maps.shape[1], 2, 3)
        and (masks is None or masks.shape == (*maps.shape[:2], *features.shape[2:]))
    )
    given = [x for x in (features, maps, masks) if x is not None]
    if not fits:
        raise KernelError(
            "warp_parts takes features (B, C, H, W), maps (B, P, 2, 3) and, if they are wanted, "
            f"masks (B, P, H, W); got {', '.join(str(tuple(x.shape)) for x in given)}."
        )
    if not all(x.is_floating_point() for x in given):
        raise KernelError(f"warp_parts takes floats; got {', '.join(str(x.dtype) for x in given)}.")
    for chosen, known in ((sampling, get_args(Sampling)), (aggregate, get_args(Aggregate))):
        if chosen not in known:
            raise KernelError(f"warp_parts knows {' and '.join(known)}; got {chosen!r}.")
    maps = maps.to(torch.promote_types(features.dtype, torch.float32))
    fixed = not (maps.requires_grad or (masks is not None and masks.requires_grad))
    if way == "triton" and not fixed:
        raise KernelError(
            "The fused warp_parts hands gradients to the features alone; for those of maps and "
            'masks use way="eager".'
        )
    if way == "auto" and fixed:
        way = kernels._automatic(features)
        if way == "eager" and (sampling, aggregate) == ("nearest", "max"):
            return Largest.apply(features, maps, masks)
    if way == "triton":
        return _fused(features, maps, masks, sampling, aggregate)
    way = "eager" if way == "auto" else way
    return kernels._run("", _parts, way, features, maps, masks, sampling, aggregate)


@no_type_check
def _fused(features, maps, masks, sampling, aggregate):
    shared = kernels._fused()[0]  # says so in a sentence where Triton is missing
    from aidagen.kernels import parts_fused

    if features.dtype not in shared.DTYPES or features.device.type not in ("cpu", "cuda"):
        raise KernelError(
            f"The fused warp_parts takes float32, float16 or bfloat16 on cuda or cpu, not "
            f'{features.dtype} on {features.device}; use way="eager".'
        )
    return parts_fused.WarpParts.apply(features, maps, masks, sampling, aggregate)


@no_type_check  # shapes are checked where it is called
def _parts(features, maps, masks, sampling, aggregate):
    """(B, C, H, W): the reference."""
    read = read_parts(features, maps, sampling)  # (B, P, C, H, W)
    if masks is not None:
        read = read * masks[:, :, None].to(read.dtype)
    if aggregate == "max":
        return read.amax(1)
    if masks is None:
        return read.mean(1)
    count = masks.sum(1)[:, None].to(read.dtype)  # (B, 1, H, W)
    return read.sum(1) / torch.where(count > 0, count, torch.ones_like(count))  # 0 / 0 is 0


class Largest(torch.autograd.Function):
    """`_parts` for nearest pixels and the largest part, with gradients for the features alone.

    What all P parts read is never held at once: the largest value so far is kept, with the pixel
    that it came from and the mask there. Gradients go there. Where parts are equal they go to the
    first of them, where `_parts` divides them.
    """

    @staticmethod
    def forward(ctx, features, maps, masks):
        b, c, h, w = features.shape
        pixels, inside = _nearest(maps, h, w)  # (B, P, HW)
        covered = inside if masks is None else inside * masks.flatten(2).to(maps.dtype)
        flat = features.flatten(2)
        best = origin = share = None
        for pixel, factor in zip(pixels.unbind(1), covered.to(features.dtype).unbind(1)):
            pixel, factor = (x[:, None].expand(b, c, -1) for x in (pixel, factor))
            read = flat.gather(2, pixel).mul_(factor)
            if best is None:
                best, origin, share = read, pixel, factor
                continue
            larger = read > best
            origin, share = torch.where(larger, pixel, origin), torch.where(larger, factor, share)
            best = torch.maximum(best, read)
        ctx.save_for_backward(origin, share)
        return best.unflatten(2, (h, w))

    @staticmethod
    def backward(ctx, gradient):
        origin, share = ctx.saved_tensors
        summed = torch.zeros_like(gradient).flatten(2)
        summed.scatter_add_(2, origin, gradient.flatten(2) * share)
        return summed.view_as(gradient), None, None


@no_type_check
def _nearest(maps: Float[Tensor, "B P 2 3"], h: int, w: int) -> tuple[Tensor, Tensor]:
    """(B, P, HW) twice: the number of the pixel that each pixel reads, and 1 if it is inside."""
    x, y = (p.flatten(2) for p in _places(maps, h, w, "nearest"))
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    return torch.where(inside, y * w + x, 0).long(), inside.to(maps.dtype)


@no_type_check
def _places(maps, h, w, sampling):
    """x and y (B, P, H, W) of what each pixel reads."""
    y = torch.arange(h, device=maps.device, dtype=maps.dtype)[:, None]
    x = torch.arange(w, device=maps.device, dtype=maps.dtype)
    a, b, t_x, c, d, t_y = maps.flatten(2)[..., None, None].unbind(2)  # (B, P, 1, 1) each
    places = a * x + b * y + t_x, c * x + d * y + t_y
    if sampling == "nearest":  # halves are rounded away from zero
        places = tuple(p.sign() * (p.abs() + 0.5).floor() for p in places)
    return places


@no_type_check
def read_parts(
    features: Float[Tensor, "B C H W"], maps: Float[Tensor, "B P 2 3"], sampling: Sampling
) -> Float[Tensor, "B P C H W"]:
    """What each part reads, before masks: for looking at it."""
    h, w = features.shape[2:]
    places = torch.stack(_places(maps, h, w, sampling), dim=-1)  # (B, P, H, W, 2)
    grid = places * (2 / places.new_tensor([max(w - 1, 1), max(h - 1, 1)])) - 1
    # the P grids as a single one, P times as tall, read one picture: no copies of it
    exact = features.to(grid.dtype)
    read = F.grid_sample(exact, grid.flatten(1, 2), mode=sampling, align_corners=True)
    return read.unflatten(2, (-1, h)).transpose(1, 2).to(features.dtype)
