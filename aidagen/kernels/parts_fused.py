"""Features carried along by the parts of a body, as Triton kernels; see `aidagen.kernels.parts`.

One pass over the result: a tile of pixels and channels reads each of P places and keeps the largest
value, or the sum. What the parts read is never written: (B, P, C, H, W) would be P times as large
as the result. On the way back the tile finds again which part was the largest, and hands the
gradient to where that part had read.

What must move at least, with s bytes per feature, and N pixels of the result: features and result,
2 s B C N, and masks, 4 B P N; back: the gradient and the features, 2 s B C N, masks, and the
features' own gradient, 4 B C N.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from aidagen.kernels.sampling import Kernel, blocks, launch, planes

TILE, SHARE = 64, 8  # pixels and channels of a program


@Kernel
@no_type_check
def _rounded(x):
    """The nearest whole number; halves are rounded away from zero."""
    return tl.where(x < 0, -tl.floor(0.5 - x), tl.floor(x + 0.5))


@Kernel
@no_type_check
def _part(maps, masks, parts, p, pixel, there, height, width, NEAREST: tl.constexpr,
          MASKED: tl.constexpr):  # fmt: skip
    """Where part ``p`` reads for each pixel of the tile, and its mask there.

    Numbers and shares of four pixels, of which the last three count with bilinear sampling only.
    """
    b = tl.program_id(0).to(tl.int64)
    m = maps + (b * parts + p) * 6
    x, y = (pixel % width).to(tl.float32), (pixel // width).to(tl.float32)
    at_x = tl.load(m) * x + tl.load(m + 1) * y + tl.load(m + 2)
    at_y = tl.load(m + 3) * x + tl.load(m + 4) * y + tl.load(m + 5)
    if NEAREST:
        at_x, at_y = _rounded(at_x), _rounded(at_y)
    # two pixels outside is as far as a place can be: nothing is read there, and it fits an int
    at_x = tl.minimum(tl.maximum(at_x, -2.0), width + 1.0)
    at_y = tl.minimum(tl.maximum(at_y, -2.0), height + 1.0)
    left, top = tl.floor(at_x), tl.floor(at_y)
    u, v = at_x - left, at_y - top
    x0, y0 = left.to(tl.int32), top.to(tl.int32)
    if MASKED:
        share = tl.load(masks + (b * parts + p) * height * width + pixel, mask=there, other=0.0)
    else:
        share = u * 0 + 1
    numbers = (y0 * width + x0, y0 * width + x0 + 1, (y0 + 1) * width + x0,
               (y0 + 1) * width + x0 + 1)  # fmt: skip
    in_x0, in_x1 = (x0 >= 0) & (x0 < width), (x0 >= -1) & (x0 < width - 1)
    in_y0, in_y1 = there & (y0 >= 0) & (y0 < height), there & (y0 >= -1) & (y0 < height - 1)
    inside = (in_y0 & in_x0, in_y0 & in_x1, in_y1 & in_x0, in_y1 & in_x1)
    weights = ((1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v)
    return numbers, inside, weights, share


@Kernel
@no_type_check
def _read(source, rows, more, place, NEAREST: tl.constexpr):
    """A tile (pixels, channels) of what a part reads, times its mask."""
    numbers, inside, weights, share = place
    value = tl.load(source + rows + numbers[0][:, None], mask=inside[0][:, None] & more, other=0.0)
    value = value.to(tl.float32)
    if not NEAREST:
        value = value * weights[0][:, None]
        for i in tl.static_range(1, 4):
            near = tl.load(source + rows + numbers[i][:, None], mask=inside[i][:, None] & more,
                           other=0.0)  # fmt: skip
            value += near.to(tl.float32) * weights[i][:, None]
    return value * share[:, None]


@Kernel
@no_type_check
def _warp(
    features,  # (B, C, H, W), ``each`` numbers from one to the next
    maps,  # (B, P, 2, 3) float32
    masks,  # (B, P, H, W) float32
    out,  # (B, C, H, W)
    each, parts, channels, height, width,
    LARGEST: tl.constexpr, NEAREST: tl.constexpr, MASKED: tl.constexpr,
    SIZE: tl.constexpr, SHARED: tl.constexpr,
):  # fmt: skip
    b, area = tl.program_id(0).to(tl.int64), height * width
    pixel = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    channel = tl.program_id(2) * SHARED + tl.arange(0, SHARED)
    there, more = pixel < area, (channel < channels)[None, :]
    rows, source = (channel * area)[None, :], features + b * each
    place = _part(maps, masks, parts, 0, pixel, there, height, width, NEAREST, MASKED)
    best, count = _read(source, rows, more, place, NEAREST), place[3]
    for p in range(1, parts):
        place = _part(maps, masks, parts, p, pixel, there, height, width, NEAREST, MASKED)
        value = _read(source, rows, more, place, NEAREST)
        if LARGEST:
            best = tl.maximum(best, value)
        else:
            best += value
            count += place[3]
    if not LARGEST:
        best = best / tl.where(count > 0, count, 1.0)[:, None]
    target = out + b * channels * area + rows + pixel[:, None]
    tl.store(target, best.to(out.dtype.element_ty), mask=there[:, None] & more)


@Kernel
@no_type_check
def _warp_back(
    gradient,  # of the result, (B, C, H, W)
    features, maps, masks,
    of_features,  # their gradient, float32, zeros
    each, parts, channels, height, width,
    LARGEST: tl.constexpr, NEAREST: tl.constexpr, MASKED: tl.constexpr,
    SIZE: tl.constexpr, SHARED: tl.constexpr,
):  # fmt: skip
    b, area = tl.program_id(0).to(tl.int64), height * width
    pixel = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    channel = tl.program_id(2) * SHARED + tl.arange(0, SHARED)
    there, more = pixel < area, (channel < channels)[None, :]
    rows, source = (channel * area)[None, :], features + b * each
    g = tl.load(gradient + b * channels * area + rows + pixel[:, None],
                mask=there[:, None] & more, other=0.0).to(tl.float32)  # fmt: skip
    place = _part(maps, masks, parts, 0, pixel, there, height, width, NEAREST, MASKED)
    best, count = _read(source, rows, more, place, NEAREST), place[3]
    winner = (best * 0).to(tl.int32)
    for p in range(1, parts):  # which part was the largest, the first of equal ones
        place = _part(maps, masks, parts, p, pixel, there, height, width, NEAREST, MASKED)
        if LARGEST:
            value = _read(source, rows, more, place, NEAREST)
            winner = tl.where(value > best, p, winner)
            best = tl.maximum(best, value)
        else:
            count += place[3]
    if not LARGEST:
        g = g / tl.where(count > 0, count, 1.0)[:, None]
    reached = of_features + b * channels * area + rows
    for p in range(parts):
        numbers, inside, weights, share = _part(
            maps, masks, parts, p, pixel, there, height, width, NEAREST, MASKED)  # fmt: skip
        wanted = more & (share != 0)[:, None]
        if LARGEST:
            wanted = wanted & (winner == p)
        handed = g * share[:, None]
        if NEAREST:
            tl.atomic_add(reached + numbers[0][:, None], handed, mask=inside[0][:, None] & wanted,
                          sem="relaxed")  # fmt: skip
        else:
            for i in tl.static_range(4):
                tl.atomic_add(reached + numbers[i][:, None], handed * weights[i][:, None],
                              mask=inside[i][:, None] & wanted, sem="relaxed")  # fmt: skip


class WarpParts(torch.autograd.Function):
    """``apply(features, maps, masks or None, sampling, aggregate)``: (B, C, H, W), with gradients
    for the features alone."""

    @staticmethod
    def forward(ctx, features, maps, masks, sampling, aggregate):
        features, each = planes(features)
        maps = maps.float().contiguous()
        shown = maps if masks is None else masks.float().contiguous()
        b, c, h, w = features.shape
        out = torch.empty(b, c, h, w, device=features.device, dtype=features.dtype)
        ctx.numbers = each, maps.shape[1], c, h, w
        ctx.switches = {
            "LARGEST": aggregate == "max", "NEAREST": sampling == "nearest",
            "MASKED": masks is not None, "SIZE": TILE, "SHARED": SHARE,
        }  # fmt: skip
        ctx.programs = b, blocks(h, w, TILE), triton.cdiv(c, SHARE)
        launch(_warp, ctx.programs, features, maps, shown, out, *ctx.numbers, **ctx.switches,
               **_unfused(features))  # fmt: skip
        ctx.save_for_backward(features, maps, shown)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        features, maps, shown = ctx.saved_tensors
        made = torch.zeros(features.shape, device=features.device)
        launch(_warp_back, ctx.programs, gradient.contiguous(), features, maps, shown, made,
               *ctx.numbers, **ctx.switches, **_unfused(features))  # fmt: skip
        return made.to(features.dtype), None, None, None, None


def _unfused(features: torch.Tensor) -> dict[str, bool]:
    """A place is rounded to a pixel, so its products and sums are rounded as torch rounds them."""
    return {"enable_fp_fusion": False} if features.is_cuda else {}


def fullest(pictures: dict[str, str]) -> dict[str, tuple[Kernel, dict, dict]]:
    """Each kernel with everything that it can do switched on; see `affine.fullest`."""
    constants = {"LARGEST": True, "NEAREST": False, "MASKED": True, "SIZE": TILE, "SHARED": SHARE}
    return {"parts": (_warp, constants, pictures), "parts_back": (_warp_back, constants, pictures)}
