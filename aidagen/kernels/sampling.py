"""What the Triton kernels of `aidagen.kernels` share: places, neighbours, launches, assembly.

A kernel is one Python function, compiled for a GPU and run as it stands by Triton's interpreter on
a CPU: very slowly, to be tested and read, not to be waited for. Triton's own switch between the
two, an environment variable, holds for a whole process; here the device of the tensors decides.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime.interpreter import InterpretedFunction
from triton.runtime.jit import JITFunction

DTYPES = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
BLOCK = 256  # pixels per program: two for each of its 128 threads ...
BACK = 128  # ... and one on the way back, where two need more registers than a thread has
SIZES = {"each", "k_maps", "parts", "channels", "height", "width", "rows", "columns"}
FLOATS = {"step_x", "start_x", "step_y", "start_y", "scale_x", "scale_y", "v_scale_x", "v_scale_y"}


class Kernel(JITFunction):
    """A Triton function that other ones may call in the interpreter, too."""

    def __call__(self, *given):
        return self.fn(*given)


def launch(kernel: Kernel, programs: tuple[int, ...], *given, **constants) -> None:
    """Run on the device of the first tensor: its GPU, or the interpreter on a CPU."""
    device = given[0].device
    if device.type == "cuda":
        with torch.cuda.device(device):
            kernel[programs](*given, **constants)
    else:
        InterpretedFunction(kernel.fn)[programs](*given, **constants)


def blocks(height: int, width: int, size: int = BLOCK) -> int:
    """Programs for one picture."""
    return triton.cdiv(height * width, size)


def axis(n: int) -> tuple[float, float]:
    """Step and start of `grids.identity_grid`: pixel j lies at ``j * step + start``."""
    return (2.0 / (n - 1), -1.0) if n > 1 else (0.0, 0.0)


def planes(images: Tensor) -> tuple[Tensor, int]:
    """Images (B, C, H, W) and the step from one to the next: 0 where one is expanded to many, which
    is then not copied; each of them lies in memory without gaps."""
    if not images[0].is_contiguous():
        images = images.contiguous()
    return images, images.stride(0)


def assembly(kernel: Kernel, capability: int, pointers: dict[str, str], constants: dict) -> str:
    """PTX for NVIDIA GPUs of ``capability`` (80, 90); needs no GPU.

    ``pointers`` gives the Triton type of every tensor that is not float32.
    """
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    constants = {name: x for name, x in constants.items() if name in kernel.arg_names}
    signature = {}
    for name in kernel.arg_names:
        if name in constants:
            signature[name] = "constexpr"
        elif name in SIZES:
            signature[name] = "i32"
        else:
            signature[name] = "fp32" if name in FLOATS else "*" + pointers.get(name, "fp32")
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["ptx"]


# --- called by kernels ---------------------------------------------------------------------------


@Kernel
@no_type_check
def total(x):
    """The sum of a block. `tl.sum` is this line, compiled, which the interpreter cannot call."""
    return tl.reduce(x, 0, tl.standard._sum_combine)


@Kernel
@no_type_check
def to_pixel(at, size, CORNERS: tl.constexpr):
    """A coordinate in [-1, 1] as a place among the centres 0 ... size - 1."""
    if CORNERS:  # -1 and 1 are the centres of the border pixels
        at = (at + 1) * 0.5 * (size - 1)
    else:  # ... or the outer edges
        at = ((at + 1) * size - 1) * 0.5
    # two pixels outside is as far as a place can be: nothing is read there, and it fits an int
    return tl.minimum(tl.maximum(at, -2.0), size + 1.0)


@Kernel
@no_type_check
def slope(size, CORNERS: tl.constexpr):
    """How far ``to_pixel`` goes for a step of 1: the last factor of the chain rule."""
    if CORNERS:
        factor = 0.5 * (size - 1)
    else:
        factor = 0.5 * size
    return factor


@Kernel
@no_type_check
def neighbours(x, y, there, height, width):
    """The four pixels around a place, of which the first is upper left.

    Returns its offset, the shares of the right and of the lower ones, and, for each of the four
    (upper left, upper right, lower left, lower right), whether it lies in the picture.
    """
    left, top = tl.floor(x), tl.floor(y)
    x0, y0 = left.to(tl.int32), top.to(tl.int32)
    in_x0, in_x1 = (x0 >= 0) & (x0 < width), (x0 >= -1) & (x0 < width - 1)
    in_y0, in_y1 = (y0 >= 0) & (y0 < height), (y0 >= -1) & (y0 < height - 1)
    in_y0, in_y1 = there & in_y0, there & in_y1
    inside = (in_y0 & in_x0, in_y0 & in_x1, in_y1 & in_x0, in_y1 & in_x1)
    return y0 * width + x0, x - left, y - top, inside


@Kernel
@no_type_check
def read(source, at, width, inside, more):
    """One channel at those four pixels, in float32; zero outside, and all zero without ``more``."""
    a = tl.load(source + at, mask=inside[0] & more, other=0.0).to(tl.float32)
    b = tl.load(source + at + 1, mask=inside[1] & more, other=0.0).to(tl.float32)
    c = tl.load(source + at + width, mask=inside[2] & more, other=0.0).to(tl.float32)
    d = tl.load(source + at + width + 1, mask=inside[3] & more, other=0.0).to(tl.float32)
    return a, b, c, d


@Kernel
@no_type_check
def spread(target, at, width, inside, more, u, v, value):
    """The way back of a bilinear reading: each of the four pixels gets its share of ``value``.

    Many places may read one pixel, so the additions are atomic, and their order is the GPU's.
    """
    upper, lower = value * (1 - v), value * v
    tl.atomic_add(target + at, upper * (1 - u), mask=inside[0] & more, sem="relaxed")
    tl.atomic_add(target + at + 1, upper * u, mask=inside[1] & more, sem="relaxed")
    tl.atomic_add(target + at + width, lower * (1 - u), mask=inside[2] & more, sem="relaxed")
    tl.atomic_add(target + at + width + 1, lower * u, mask=inside[3] & more, sem="relaxed")
