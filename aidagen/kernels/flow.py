"""Features warped by a flow of another size and dimmed by what is visible, as Triton kernels.

In one pass over the result: a pixel reads its place from the flow (between four of the flow's
pixels, where that is smaller), its features from around that place, and its share of what is
visible; see `aidagen.kernels`. The resized flow and map and the undimmed warp never exist. Several
programs share the channels of the same pixels, so that a small map fills a GPU, too.

What must move at least, with s bytes per feature, P pixels of the result and p of the flow:
features and result, 2 s B C P, flow 8 B p and visible 4 B p; back: the gradient and the features,
2 s B C P, the features' own gradient, 4 B C P, and flow and visible with theirs, 24 B p.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from aidagen.kernels.sampling import (
    BACK,
    BLOCK,
    Kernel,
    blocks,
    launch,
    neighbours,
    planes,
    read,
    slope,
    spread,
    to_pixel,
)

SHARE = 32  # channels per program
NEAREST, BILINEAR, CORNERED = 0, 1, 2
WAYS = {"nearest": NEAREST, "bilinear": BILINEAR, "corners": CORNERED}


@Kernel
@no_type_check
def _between(number, size, scale, RESIZE: tl.constexpr):
    """Pixel ``number`` of a resized axis: two pixels of ``size``, and the share of the second."""
    at = number.to(tl.float32)
    if RESIZE == 1:  # bilinear: pixels are areas, whose outer edges fall together
        at = tl.maximum((at + 0.5) * scale - 0.5, 0.0)
    else:  # nearest, or the centres of the border pixels fall together
        at = at * scale
    first = tl.minimum(at.to(tl.int32), size - 1)
    share = tl.minimum(tl.maximum(at - first.to(tl.float32), 0.0), 1.0)
    if RESIZE == 0:
        share = share * 0
    return first, tl.minimum(first + 1, size - 1), share


@Kernel
@no_type_check
def _four(pixel, width, rows, columns, scale_x, scale_y, RESIZE: tl.constexpr):
    """The four coarse pixels that a fine one lies between: their numbers and their shares."""
    row = pixel // width
    top, bottom, v = _between(row, rows, scale_y, RESIZE)
    left, right, u = _between(pixel - row * width, columns, scale_x, RESIZE)
    top, bottom = top * columns, bottom * columns
    numbers = (top + left, top + right, bottom + left, bottom + right)
    shares = ((1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v)
    return numbers, shares


@Kernel
@no_type_check
def _mean(source, there, step, near, RESIZE: tl.constexpr):
    """The coarse map at a fine pixel; its numbers lie ``step`` apart."""
    at, shares = near
    value = tl.load(source + at[0] * step, mask=there, other=0.0)
    if RESIZE != 0:
        value = (
            value * shares[0]
            + tl.load(source + at[1] * step, mask=there, other=0.0) * shares[1]
            + tl.load(source + at[2] * step, mask=there, other=0.0) * shares[2]
            + tl.load(source + at[3] * step, mask=there, other=0.0) * shares[3]
        )
    return value


@Kernel
@no_type_check
def _share(target, there, step, near, value, RESIZE: tl.constexpr):
    """The way back of ``_mean``."""
    at, shares = near
    if RESIZE != 0:
        tl.atomic_add(target + at[0] * step, value * shares[0], mask=there, sem="relaxed")
        tl.atomic_add(target + at[1] * step, value * shares[1], mask=there, sem="relaxed")
        tl.atomic_add(target + at[2] * step, value * shares[2], mask=there, sem="relaxed")
        tl.atomic_add(target + at[3] * step, value * shares[3], mask=there, sem="relaxed")
    else:
        tl.atomic_add(target + at[0] * step, value, mask=there, sem="relaxed")


@Kernel
@no_type_check
def _place(
    flow, visible, height, width, rows, columns, scale_x, scale_y, v_scale_x, v_scale_y,
    CORNERS: tl.constexpr, RESIZE: tl.constexpr, VISIBLE: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """A program's pixels: their numbers, which are there, the flow's pixels and those of the
    visible map that each lies between, the neighbours of the place it reads, what is seen of it."""
    b = tl.program_id(0).to(tl.int64)
    pixel = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    there = pixel < height * width
    near = _four(pixel, width, rows, columns, scale_x, scale_y, RESIZE)
    where = flow + b * rows * columns * 2
    x = _mean(where, there, 2, near, RESIZE)
    y = _mean(where + 1, there, 2, near, RESIZE)
    place = neighbours(
        to_pixel(x, width, CORNERS), to_pixel(y, height, CORNERS), there, height, width
    )
    if VISIBLE is None:
        around, seen = near, x * 0 + 1
    else:
        around = _four(pixel, width, rows, columns, v_scale_x, v_scale_y, VISIBLE)
        seen = _mean(visible + b * rows * columns, there, 1, around, VISIBLE)
    return pixel, there, (near, around), place, seen


@Kernel
@no_type_check
def _warp(
    features,  # (B, C, H, W), ``each`` numbers from one to the next
    flow,  # (B, rows, columns, 2) float32
    visible,  # (B, 1, rows, columns) float32
    out,  # (B, C, H, W)
    each, channels, height, width, rows, columns, scale_x, scale_y, v_scale_x, v_scale_y,
    CORNERS: tl.constexpr, RESIZE: tl.constexpr, VISIBLE: tl.constexpr,
    SIZE: tl.constexpr, SHARED: tl.constexpr,
):  # fmt: skip
    pixel, there, _, place, seen = _place(
        flow, visible, height, width, rows, columns, scale_x, scale_y, v_scale_x, v_scale_y,
        CORNERS, RESIZE, VISIBLE, SIZE)  # fmt: skip
    at, u, v, inside = place
    b, area = tl.program_id(0).to(tl.int64), height * width
    first = tl.program_id(2) * SHARED
    source = features + b * each + first.to(tl.int64) * area
    target = out + (b * channels + first) * area + pixel
    for start in range(first, tl.minimum(first + SHARED, channels), 4):
        for i in tl.static_range(4):  # four at a time, so that their readings overlap
            more = start + i < channels
            one, two, three, four = read(source, at, width, inside, more)
            upper = one * (1 - u) + two * u
            lower = three * (1 - u) + four * u
            value = seen * (upper * (1 - v) + lower * v)
            tl.store(target, value.to(out.dtype.element_ty), mask=there & more)
            source += area
            target += area


@Kernel
@no_type_check
def _warp_back(
    gradient,  # of the result, (B, C, H, W)
    features, flow, visible,
    of_features, of_flow, of_visible,  # their gradients, float32, zeros
    each, channels, height, width, rows, columns, scale_x, scale_y, v_scale_x, v_scale_y,
    CORNERS: tl.constexpr, RESIZE: tl.constexpr, VISIBLE: tl.constexpr,
    SIZE: tl.constexpr, SHARED: tl.constexpr,
    FEATURES: tl.constexpr, FLOW: tl.constexpr, SEEN: tl.constexpr,  # which gradients are wanted
):  # fmt: skip
    pixel, there, maps, place, seen = _place(
        flow, visible, height, width, rows, columns, scale_x, scale_y, v_scale_x, v_scale_y,
        CORNERS, RESIZE, VISIBLE, SIZE)  # fmt: skip
    at, u, v, inside = place
    b, area = tl.program_id(0).to(tl.int64), height * width
    first = tl.program_id(2) * SHARED
    source = features + b * each + first.to(tl.int64) * area
    arriving = gradient + (b * channels + first) * area + pixel
    reached = of_features + (b * channels + first) * area
    g_x, g_y, g_seen = u * 0, u * 0, u * 0
    for start in range(first, tl.minimum(first + SHARED, channels), 4):
        for i in tl.static_range(4):
            more = start + i < channels
            g = tl.load(arriving, mask=there & more, other=0.0).to(tl.float32)
            if FLOW or SEEN:
                one, two, three, four = read(source, at, width, inside, more)
                upper = one * (1 - u) + two * u
                lower = three * (1 - u) + four * u
                g_seen += g * (upper * (1 - v) + lower * v)
                g_x += g * ((two - one) * (1 - v) + (four - three) * v)
                g_y += g * (lower - upper)
            if FEATURES:
                spread(reached, at, width, inside, more, u, v, g * seen)
            source += area
            arriving += area
            reached += area
    near, around = maps
    if FLOW:
        of_flow += b * rows * columns * 2
        g_x = g_x * seen * slope(width, CORNERS)
        g_y = g_y * seen * slope(height, CORNERS)
        _share(of_flow, there, 2, near, g_x, RESIZE)
        _share(of_flow + 1, there, 2, near, g_y, RESIZE)
    if SEEN:
        of_visible += b * rows * columns
        _share(of_visible, there, 1, around, g_seen, VISIBLE)


def _scale(coarse: int, fine: int, way: int) -> float:
    """How far one pixel of the fine axis goes on the coarse one."""
    if way == CORNERED:
        return (coarse - 1) / (fine - 1) if fine > 1 else 0.0
    return coarse / fine


class WarpByFlow(torch.autograd.Function):
    """``apply(features, flow, visible or None, resize, align_corners)``: (B, C, H, W)."""

    @staticmethod
    def forward(ctx, features, flow, visible, resize, corners):
        features, each = planes(features)
        flow = flow.contiguous()
        visible = None if visible is None else visible.contiguous()
        (b, c, h, w), (rows, columns) = features.shape, flow.shape[1:3]
        out = torch.empty(b, c, h, w, device=features.device, dtype=features.dtype)
        same = (rows, columns) == (h, w)  # then it is taken as it is
        way = NEAREST if same else WAYS[resize]
        scales = [_scale(columns, w, way), _scale(rows, h, way), columns / w, rows / h]
        numbers = (each, c, h, w, rows, columns, *scales)
        # what is visible is always resized by areas, whatever the flow is
        shown = None if visible is None else NEAREST if same else BILINEAR
        switches = {"CORNERS": corners, "RESIZE": way, "VISIBLE": shown, "SHARED": SHARE}
        programs = (b, blocks(h, w), triton.cdiv(c, SHARE))
        # without ``visible`` the pointer is not read; some tensor has to stand there
        launch(_warp, programs, features, flow, flow if visible is None else visible, out,
               *numbers, **switches, SIZE=BLOCK)  # fmt: skip
        ctx.save_for_backward(features, flow, visible)
        ctx.numbers, ctx.switches = numbers, switches
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        features, flow, visible = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        made = [_zeros(x) if want else None for x, want in zip(ctx.saved_tensors, wanted)]
        b, c, h, w = features.shape
        launch(
            _warp_back, (b, blocks(h, w, BACK), triton.cdiv(c, SHARE)),
            gradient.contiguous(), features, flow, flow if visible is None else visible,
            *(flow if x is None else x for x in made), *ctx.numbers, **ctx.switches,
            SIZE=BACK, FEATURES=wanted[0], FLOW=wanted[1], SEEN=wanted[2],
        )  # fmt: skip
        return made[0].to(features.dtype) if wanted[0] else None, *made[1:], None, None


def _zeros(x: Tensor) -> Tensor:
    return torch.zeros(x.shape, device=x.device)


def fullest(pictures: dict[str, str]) -> dict[str, tuple[Kernel, dict, dict]]:
    """Each kernel with everything that it can do switched on; see `affine.fullest`."""
    constants = {"RESIZE": CORNERED, "VISIBLE": BILINEAR, "SIZE": BLOCK, "SHARED": SHARE}
    back = constants | {"FEATURES": True, "FLOW": True, "SEEN": True, "SIZE": BACK}
    return {"flow": (_warp, constants, pictures), "flow_back": (_warp_back, back, pictures)}
