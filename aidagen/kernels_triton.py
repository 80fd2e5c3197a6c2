"""The fused local-affine warp as a Triton kernel; needs the extra ``gpu``, see `aidagen.kernels`.

One program works out BLOCK pixels of one map: where each of them reads, its four neighbours
there, and their weights, once; then it goes through the channels. The grids (B, K, H, W, 2) and
the K copies of the image never exist. On the CPU the same source runs in Triton's interpreter, very
slowly: it is there to be tested and read, not to be waited for.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime.interpreter import InterpretedFunction
from triton.runtime.jit import JITFunction

DTYPES = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
BLOCK = 256  # pixels per program


@no_type_check
def _warp(
    image,  # (B, C, H, W), contiguous
    maps,  # (B, K, 8) float32: matrix, row-major; points_from; points_to
    out,  # (B, K, C, H, W)
    k_maps, channels, height, width,
    step_x, start_x, step_y, start_y,  # pixel j lies at j * step + start
    CORNERS: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    which = tl.program_id(0)  # b * K + k
    pixel = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    area = height * width
    there = pixel < area
    row = pixel // width
    # z - p: the pixel's place, seen from the keypoint of the output
    m = maps + which * 8
    dx = (pixel - row * width).to(tl.float32) * step_x + start_x - tl.load(m + 4)
    dy = row.to(tl.float32) * step_y + start_y - tl.load(m + 5)
    # q + J (z - p): the place it reads
    x = tl.load(m + 0) * dx + tl.load(m + 1) * dy + tl.load(m + 6)
    y = tl.load(m + 2) * dx + tl.load(m + 3) * dy + tl.load(m + 7)
    if CORNERS:  # -1 and 1 are the centres of the border pixels
        x = (x + 1) * 0.5 * (width - 1)
        y = (y + 1) * 0.5 * (height - 1)
    else:  # ... or the outer edges
        x = ((x + 1) * width - 1) * 0.5
        y = ((y + 1) * height - 1) * 0.5
    # two pixels outside is as far as a place can be: nothing is read there, and it fits an int
    x = tl.minimum(tl.maximum(x, -2.0), width + 1.0)
    y = tl.minimum(tl.maximum(y, -2.0), height + 1.0)
    left, top = tl.floor(x), tl.floor(y)
    right_share, lower_share = x - left, y - top
    x0, y0 = left.to(tl.int32), top.to(tl.int32)
    in_x0, in_x1 = (x0 >= 0) & (x0 < width), (x0 >= -1) & (x0 < width - 1)
    in_y0, in_y1 = (y0 >= 0) & (y0 < height), (y0 >= -1) & (y0 < height - 1)
    at = y0 * width + x0
    source = image + (which // k_maps).to(tl.int64) * channels * area
    target = out + which.to(tl.int64) * channels * area
    for _ in range(0, channels):
        a = tl.load(source + at, mask=there & in_y0 & in_x0, other=0.0).to(tl.float32)
        b = tl.load(source + at + 1, mask=there & in_y0 & in_x1, other=0.0).to(tl.float32)
        c = tl.load(source + at + width, mask=there & in_y1 & in_x0, other=0.0).to(tl.float32)
        d = tl.load(source + at + width + 1, mask=there & in_y1 & in_x1, other=0.0).to(tl.float32)
        upper = a * (1 - right_share) + b * right_share
        lower = c * (1 - right_share) + d * right_share
        value = upper * (1 - lower_share) + lower * lower_share
        tl.store(target + pixel, value.to(out.dtype.element_ty), mask=there)
        source += area
        target += area


_on_gpu = JITFunction(_warp)
_on_cpu = InterpretedFunction(_warp)


def warp(image: Tensor, maps: Tensor, align_corners: bool) -> Tensor:
    """Launch: image (B, C, H, W) in float32, float16 or bfloat16; maps (B, K, 8) in float32.

    Returns (B, K, C, H, W) in the dtype of the image.
    """
    image, maps = image.contiguous(), maps.contiguous()
    (b, c, h, w), k = image.shape, maps.shape[1]
    out = torch.empty(b, k, c, h, w, device=image.device, dtype=image.dtype)
    kernel = _on_gpu if image.is_cuda else _on_cpu
    programs = (b * k, triton.cdiv(h * w, BLOCK))
    given = (image, maps, out, k, c, h, w, *_axis(w), *_axis(h))
    if image.is_cuda:
        with torch.cuda.device(image.device):
            kernel[programs](*given, CORNERS=align_corners, SIZE=BLOCK)
    else:
        kernel[programs](*given, CORNERS=align_corners, SIZE=BLOCK)
    return out


def _axis(n: int) -> tuple[float, float]:
    return (2.0 / (n - 1), -1.0) if n > 1 else (0.0, 0.0)


def ptx(capability: int, dtype: torch.dtype, align_corners: bool) -> str:
    """The kernel's assembly text for NVIDIA GPUs of ``capability`` (80, 90); needs no GPU."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    pointer = f"*{DTYPES[dtype]}"
    signature = {"image": pointer, "maps": "*fp32", "out": pointer}
    signature |= dict.fromkeys(("k_maps", "channels", "height", "width"), "i32")
    signature |= dict.fromkeys(("step_x", "start_x", "step_y", "start_y"), "fp32")
    signature |= {"CORNERS": "constexpr", "SIZE": "constexpr"}
    constants = {"CORNERS": align_corners, "SIZE": BLOCK}
    source = ASTSource(fn=_on_gpu, signature=signature, constexprs=constants)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["ptx"]
