"""Warps by K first-order maps, and flows that mix them, as Triton kernels; see `aidagen.kernels`.

In both, one program works out a block of pixels: it makes the pixels' coordinates from their
numbers and applies a map of six numbers, so the grids (B, J, H, W, 2) never exist. On the way back
a map's six derivatives are sums over pixels: each program adds up its own, `_gather` those of all
programs, so the order is always the same.

What must move at least, with s bytes per value of the picture and P = H W:

* warp: the picture once, s B C P, and the result, s B J C P; back: the result's gradient and the
  picture, the same bytes, and, only if it is asked for, the picture's gradient, 4 B C P;
* mix: the masks, 4 B J P, and the flow, 8 B P; back: both again and the masks' gradient, 4 B J P.
"""

from typing import no_type_check

import torch
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from aidagen.kernels.sampling import (
    BACK,
    BLOCK,
    Kernel,
    axis,
    blocks,
    launch,
    neighbours,
    planes,
    read,
    slope,
    spread,
    to_pixel,
    total,
)


@Kernel
@no_type_check
def _coordinates(SIZE: tl.constexpr, height, width, step_x, start_x, step_y, start_y):
    """Numbers of a program's pixels, which of them are there, and where they lie in [-1, 1]."""
    pixel = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    row = pixel // width
    x = (pixel - row * width).to(tl.float32) * step_x + start_x
    y = row.to(tl.float32) * step_y + start_y
    return pixel, pixel < height * width, x, y


@Kernel
@no_type_check
def _map(which, to, origin, matrices, MATRICES: tl.constexpr):
    """The numbers of map ``which`` = b K + k: its matrix, where it starts and where it leads."""
    p_x, p_y = tl.load(origin + which * 2), tl.load(origin + which * 2 + 1)
    q_x, q_y = tl.load(to + which * 2), tl.load(to + which * 2 + 1)
    if MATRICES:
        m = matrices + which * 4
        a, b, c, d = tl.load(m), tl.load(m + 1), tl.load(m + 2), tl.load(m + 3)
    else:
        a, b, c, d = p_x * 0 + 1, p_x * 0, p_x * 0, p_x * 0 + 1
    return a, b, c, d, p_x, p_y, q_x, q_y


@Kernel
@no_type_check
def _place(
    to, origin, matrices, k_maps, height, width, step_x, start_x, step_y, start_y,
    CORNERS: tl.constexpr, IDENTITY: tl.constexpr, MATRICES: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """Where a program's pixels read: which image, their numbers, how far each lies from the map's
    point, and the neighbours of the place, as `sampling.neighbours` has them."""
    which = tl.program_id(0)  # b J + j
    j_maps = k_maps + IDENTITY
    image_number = which // j_maps
    j = which - image_number * j_maps
    pixel, there, x, y = _coordinates(SIZE, height, width, step_x, start_x, step_y, start_y)
    k = tl.maximum(j - IDENTITY, 0)
    a, b, c, d, p_x, p_y, q_x, q_y = _map(image_number * k_maps + k, to, origin, matrices, MATRICES)
    # q + J (z - p): the place it reads
    dx, dy = x - p_x, y - p_y
    still = (j < IDENTITY) & there  # the identity comes first: read where you are
    read_x = tl.where(still, x, a * dx + b * dy + q_x)
    read_y = tl.where(still, y, c * dx + d * dy + q_y)
    at, u, v, inside = neighbours(
        to_pixel(read_x, width, CORNERS), to_pixel(read_y, height, CORNERS), there, height, width
    )
    return image_number, pixel, there, (dx, dy), (at, u, v, inside)


@Kernel
@no_type_check
def _keep_sums(sums, which, g_x, g_y, dx, dy):
    """A program's share of a map's derivatives, for a pixel that moves by (g_x, g_y)."""
    at = sums + (which * tl.num_programs(1) + tl.program_id(1)) * 6
    tl.store(at, total(g_x * dx))
    tl.store(at + 1, total(g_x * dy))
    tl.store(at + 2, total(g_y * dx))
    tl.store(at + 3, total(g_y * dy))
    tl.store(at + 4, total(g_x))
    tl.store(at + 5, total(g_y))


@Kernel
@no_type_check
def _warp(
    image,  # (B, C, H, W), ``each`` numbers from one picture to the next
    to, origin, matrices,  # (B, K, 2), (B, K, 2), (B, K, 2, 2), float32
    out,  # (B, J, C, H, W)
    each, k_maps, channels, height, width, step_x, start_x, step_y, start_y,
    CORNERS: tl.constexpr, IDENTITY: tl.constexpr, MATRICES: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    which = tl.program_id(0)  # b J + j
    image_number, pixel, there, _, place = _place(
        to, origin, matrices, k_maps, height, width, step_x, start_x, step_y, start_y,
        CORNERS, IDENTITY, MATRICES, SIZE)  # fmt: skip
    at, u, v, inside = place
    area = height * width
    source = image + image_number.to(tl.int64) * each
    target = out + which.to(tl.int64) * channels * area
    for first in range(0, channels, 4):  # four at a time, so that their readings overlap
        for i in tl.static_range(4):
            more = first + i < channels
            one, two, three, four = read(source, at, width, inside, more)
            upper = one * (1 - u) + two * u
            lower = three * (1 - u) + four * u
            value = upper * (1 - v) + lower * v
            tl.store(target + pixel, value.to(out.dtype.element_ty), mask=there & more)
            source += area
            target += area


@Kernel
@no_type_check
def _warp_back(
    gradient,  # of the result, (B, J, C, H, W)
    image, to, origin, matrices,
    image_gradient,  # (B, C, H, W) float32, zeros
    sums,  # (B, J, programs, 6) float32
    each, k_maps, channels, height, width, step_x, start_x, step_y, start_y,
    CORNERS: tl.constexpr, IDENTITY: tl.constexpr, MATRICES: tl.constexpr, SIZE: tl.constexpr,
    IMAGE: tl.constexpr, MAPS: tl.constexpr,  # which gradients are wanted
):  # fmt: skip
    which = tl.program_id(0)
    image_number, pixel, there, away, place = _place(
        to, origin, matrices, k_maps, height, width, step_x, start_x, step_y, start_y,
        CORNERS, IDENTITY, MATRICES, SIZE)  # fmt: skip
    at, u, v, inside = place
    area = height * width
    source = image + image_number.to(tl.int64) * each
    reached = image_gradient + image_number.to(tl.int64) * channels * area
    arriving = gradient + which.to(tl.int64) * channels * area
    g_x, g_y = u * 0, u * 0
    for first in range(0, channels, 4):
        for i in tl.static_range(4):
            more = first + i < channels
            g = tl.load(arriving + pixel, mask=there & more, other=0.0).to(tl.float32)
            if MAPS:  # the bilinear surface's slope at the place
                one, two, three, four = read(source, at, width, inside, more)
                g_x += g * ((two - one) * (1 - v) + (four - three) * v)
                g_y += g * ((three - one) * (1 - u) + (four - two) * u)
            if IMAGE:
                spread(reached, at, width, inside, more, u, v, g)
            source += area
            reached += area
            arriving += area
    if MAPS:
        g_x, g_y = g_x * slope(width, CORNERS), g_y * slope(height, CORNERS)
        dx, dy = away
        _keep_sums(sums, which, g_x, g_y, dx, dy)


@Kernel
@no_type_check
def _mix(
    masks,  # (B, J, H, W) float32
    to, origin, matrices,
    flow,  # (B, H, W, 2) float32
    k_maps, height, width, step_x, start_x, step_y, start_y,
    IDENTITY: tl.constexpr, MATRICES: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0)
    pixel, there, x, y = _coordinates(SIZE, height, width, step_x, start_x, step_y, start_y)
    area = height * width
    mask = masks + b.to(tl.int64) * (k_maps + IDENTITY) * area + pixel
    flow_x, flow_y = x * 0, y * 0
    if IDENTITY:
        m = tl.load(mask, mask=there, other=0.0)
        flow_x, flow_y = m * x, m * y
        mask += area
    for k in range(0, k_maps):
        m = tl.load(mask, mask=there, other=0.0)
        a_, b_, c_, d_, p_x, p_y, q_x, q_y = _map(b * k_maps + k, to, origin, matrices, MATRICES)
        dx, dy = x - p_x, y - p_y
        flow_x += m * (a_ * dx + b_ * dy + q_x)
        flow_y += m * (c_ * dx + d_ * dy + q_y)
        mask += area
    target = flow + (b.to(tl.int64) * area + pixel) * 2
    tl.store(target, flow_x, mask=there)
    tl.store(target + 1, flow_y, mask=there)


@Kernel
@no_type_check
def _mix_back(
    gradient,  # of the flow, (B, H, W, 2)
    masks, to, origin, matrices,
    mask_gradient,  # (B, J, H, W) float32
    sums,  # (B, K, programs, 6) float32
    k_maps, height, width, step_x, start_x, step_y, start_y,
    IDENTITY: tl.constexpr, MATRICES: tl.constexpr, SIZE: tl.constexpr,
    MASKS: tl.constexpr, MAPS: tl.constexpr,  # which gradients are wanted
):  # fmt: skip
    b = tl.program_id(0)
    pixel, there, x, y = _coordinates(SIZE, height, width, step_x, start_x, step_y, start_y)
    area = height * width
    g = gradient + (b.to(tl.int64) * area + pixel) * 2
    g_x = tl.load(g, mask=there, other=0.0)
    g_y = tl.load(g + 1, mask=there, other=0.0)
    start = b.to(tl.int64) * (k_maps + IDENTITY) * area + pixel
    mask, reached = masks + start, mask_gradient + start
    if IDENTITY:
        if MASKS:
            tl.store(reached, g_x * x + g_y * y, mask=there)
        mask += area
        reached += area
    for k in range(0, k_maps):
        a_, b_, c_, d_, p_x, p_y, q_x, q_y = _map(b * k_maps + k, to, origin, matrices, MATRICES)
        dx, dy = x - p_x, y - p_y
        if MASKS:  # a mask gains what its map does for the flow
            gain = g_x * (a_ * dx + b_ * dy + q_x) + g_y * (c_ * dx + d_ * dy + q_y)
            tl.store(reached, gain, mask=there)
        if MAPS:  # ... and a map where its mask claims the pixel
            m = tl.load(mask, mask=there, other=0.0)
            _keep_sums(sums, b * k_maps + k, m * g_x, m * g_y, dx, dy)
        mask += area
        reached += area


# --- launches ------------------------------------------------------------------------------------


def _gather(sums: Tensor, matrices: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gradients of ``to``, ``origin`` and the matrices from sums (B, K, programs, 6)."""
    sums = sums.sum(2)
    of_to = sums[..., 4:]  # to + A (z - from): its derivative is the sum itself ...
    if matrices is None:
        return of_to, -of_to, None
    g_x, g_y = of_to[..., :1], of_to[..., 1:]
    of_origin = -(matrices[..., 0, :] * g_x + matrices[..., 1, :] * g_y)  # ... and -A^T of it
    return of_to, of_origin, sums[..., :4].unflatten(-1, (2, 2))


def _whole(*given: Tensor | None) -> list[Tensor | None]:
    return [None if x is None else x.contiguous() for x in given]


class Warp(torch.autograd.Function):
    """``apply(image, to, origin, matrices or None, identity, align_corners)``: (B, J, C, H, W)."""

    @staticmethod
    def forward(ctx, image, to, origin, matrices, identity, corners):
        image, each = planes(image)
        to, origin, matrices = _whole(to, origin, matrices)
        (b, c, h, w), k = image.shape, to.shape[1]
        out = torch.empty(b, k + identity, c, h, w, device=image.device, dtype=image.dtype)
        # without matrices the pointer is not read; some tensor has to stand there
        maps = (to, origin, to if matrices is None else matrices)
        numbers = (each, k, c, h, w, *axis(w), *axis(h))
        switches = {"CORNERS": corners, "IDENTITY": int(identity),
                    "MATRICES": matrices is not None}  # fmt: skip
        programs = (b * (k + identity), blocks(h, w))
        launch(_warp, programs, image, *maps, out, *numbers, **switches, SIZE=BLOCK)
        ctx.save_for_backward(image, to, origin, matrices)
        ctx.numbers, ctx.switches = numbers, switches
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        image, to, origin, matrices = ctx.saved_tensors
        (b, c, h, w), (k, j) = image.shape, (to.shape[1], gradient.shape[1])
        of_image, of_maps = ctx.needs_input_grad[0], any(ctx.needs_input_grad[1:4])
        programs = (b * j, blocks(h, w, BACK))
        sums = image_gradient = to  # what is not asked for is not written
        if of_image:
            image_gradient = torch.zeros(b, c, h, w, device=image.device)
        if of_maps:
            sums = torch.empty(b, j, programs[1], 6, device=image.device)
        launch(
            _warp_back, programs,
            gradient.contiguous(), image, to, origin, to if matrices is None else matrices,
            image_gradient, sums, *ctx.numbers,
            **ctx.switches, SIZE=BACK, IMAGE=of_image, MAPS=of_maps,
        )  # fmt: skip
        maps = _gather(sums[:, j - k :], matrices) if of_maps else (None, None, None)
        return image_gradient.to(image.dtype) if of_image else None, *maps, None, None


class Mix(torch.autograd.Function):
    """``apply(masks, to, origin, matrices or None, identity)``: the flow (B, H, W, 2)."""

    @staticmethod
    def forward(ctx, masks, to, origin, matrices, identity):
        masks, to, origin, matrices = _whole(masks, to, origin, matrices)
        b, _, h, w = masks.shape
        flow = torch.empty(b, h, w, 2, device=masks.device)
        numbers = (to.shape[1], h, w, *axis(w), *axis(h))
        maps = (to, origin, to if matrices is None else matrices)
        switches = {"IDENTITY": int(identity), "MATRICES": matrices is not None}
        launch(_mix, (b, blocks(h, w)), masks, *maps, flow, *numbers, **switches, SIZE=BLOCK)
        ctx.save_for_backward(masks, to, origin, matrices)
        ctx.numbers, ctx.switches = numbers, switches
        return flow

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        masks, to, origin, matrices = ctx.saved_tensors
        b, _, h, w = masks.shape
        of_masks, of_maps = ctx.needs_input_grad[0], any(ctx.needs_input_grad[1:4])
        mask_gradient = torch.empty_like(masks) if of_masks else to
        programs = (b, blocks(h, w, BACK))
        sums = to
        if of_maps:
            sums = torch.empty(b, to.shape[1], programs[1], 6, device=masks.device)
        launch(
            _mix_back, programs,
            gradient.contiguous(), masks, to, origin, to if matrices is None else matrices,
            mask_gradient, sums, *ctx.numbers,
            **ctx.switches, SIZE=BACK, MASKS=of_masks, MAPS=of_maps,
        )  # fmt: skip
        maps = _gather(sums, matrices) if of_maps else (None, None, None)
        return mask_gradient if of_masks else None, *maps, None


def fullest(pictures: dict[str, str]) -> dict[str, tuple[Kernel, dict, dict]]:
    """Each kernel with everything that it can do switched on: its constants, and the types of the
    pictures that it takes."""
    constants = {"IDENTITY": 1, "MATRICES": True, "SIZE": BLOCK}
    back = constants | {"MAPS": True, "SIZE": BACK}
    return {
        "warp": (_warp, constants, pictures),
        "warp_back": (_warp_back, back | {"IMAGE": True}, pictures),
        "mix": (_mix, constants, {}),
        "mix_back": (_mix_back, back | {"MASKS": True}, {}),
    }
