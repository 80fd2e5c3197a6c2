"""Warp, three ways: K first-order warps of one image, eager, compiled, and as one fused kernel.

The dense-motion network of the FOMM family warps its source once per keypoint, by
``points_to + matrices (z - points_from)``. Three ways to the same numbers:

* ``eager``: `grids.local_affine_grids`, K copies of the image, `grids.warp`; readable, and the
  truth that the other two are tested against;
* ``compiled``: the same Python through ``torch.compile`` (on a CPU it needs a C++ compiler);
* ``triton``: one fused kernel (`aidagen.kernels_triton`) that keeps neither grids nor copies. It
  needs the extra ``gpu``, and an NVIDIA GPU to be fast: on a CPU the same source runs in Triton's
  interpreter, for tests and for reading. Its backward pass computes the eager way again and
  differentiates that, so training pays the eager way's memory there.

Places are computed in float32 (float64 for float64 images) in all ways, whatever the image is: a
bfloat16 coordinate near 1 is good to half a pixel of 256.

Letters: B images, K maps, C channels, H W pixels.
"""

import functools
import importlib.util
from typing import Literal, get_args, no_type_check

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from aidagen import grids
from aidagen.errors import AidagenError

Way = Literal["auto", "eager", "compiled", "triton"]
CAPABILITIES = (80, 90)  # A100, H100: what `ptx` is tested for


class KernelError(AidagenError):
    """Arguments that do not fit, or a way that this machine does not have."""


@no_type_check  # what it is given is checked by hand, in sentences
def local_affine_warp(
    image: Float[Tensor, "B C H W"],
    points_to: Float[Tensor, "B K 2"],
    points_from: Float[Tensor, "B K 2"],
    matrices: Float[Tensor, "B K 2 2"] | None = None,
    *,
    way: Way = "auto",
    align_corners: bool = True,
    identity: bool = False,
) -> Float[Tensor, "B J C H W"]:
    """Warp each image by K first-order maps: pixel z reads ``points_to + matrices (z - from)``.

    Without matrices the maps are translations; outside the image reads zero. ``identity=True``
    puts the map "stay where you are" first (J = K + 1, otherwise J = K). "auto" is the fused
    kernel for images on a GPU where Triton is installed, otherwise eager. Differentiable in all
    arguments. The result has the dtype of the image.

    Raises ``KernelError`` on shapes that do not fit and on a way that this machine lacks.
    """
    _check(image, points_to, points_from, matrices)
    if way not in get_args(Way):
        raise KernelError(f"way is one of {', '.join(get_args(Way))}; got {way!r}.")
    # places in float32 at least, whatever the image is
    exact = torch.promote_types(image.dtype, torch.float32)
    maps = [None if x is None else x.to(exact) for x in (points_to, points_from, matrices)]
    if identity:
        maps = _with_identity(*maps)
    if way == "auto":
        fused = image.is_cuda and image.dtype != torch.float64 and has_triton()
        way = "triton" if fused else "eager"
    if way == "triton":
        return _triton(image, *maps, align_corners)
    if way == "compiled":
        return _compiled(image, *maps, align_corners)
    return _eager(image, *maps, align_corners)


def _check(image, points_to, points_from, matrices) -> None:
    shapes = [None if x is None else tuple(x.shape) for x in (image, points_to, points_from)]
    fits = (
        image.ndim == 4
        and points_to.ndim == 3
        and min(image.shape) > 0
        and points_to.shape[1] > 0
        and shapes[1] == shapes[2] == (image.shape[0], points_to.shape[1], 2)
    )
    if not fits:
        raise KernelError(
            "local_affine_warp takes an image (B, C, H, W) and two sets of points (B, K, 2); got "
            f"{', '.join(map(str, shapes))}."
        )
    if matrices is not None and tuple(matrices.shape) != (*shapes[1], 2):
        raise KernelError(
            f"The matrices of {shapes[1][1]} maps for {shapes[0][0]} images are {(*shapes[1], 2)}; "
            f"got {tuple(matrices.shape)}."
        )
    given = [x for x in (image, points_to, points_from, matrices) if x is not None]
    if not all(x.is_floating_point() for x in given):
        raise KernelError(
            f"local_affine_warp takes floats; got {', '.join(str(x.dtype) for x in given)}."
        )
    if len({x.device for x in given}) > 1:
        raise KernelError(
            f"Image and maps lie on different devices: {', '.join(str(x.device) for x in given)}."
        )


def _with_identity(points_to, points_from, matrices) -> list[Tensor | None]:
    """One map more, in front: 0 + 1 (z - 0)."""
    still = torch.zeros_like(points_to[:, :1])
    if matrices is not None:
        eye = torch.eye(2, dtype=matrices.dtype, device=matrices.device)
        matrices = torch.cat([eye.expand(len(matrices), 1, 2, 2), matrices], 1)
    return [torch.cat([still, points_to], 1), torch.cat([still, points_from], 1), matrices]


# --- eager and compiled --------------------------------------------------------------------------


@no_type_check
def _eager(image, points_to, points_from, matrices, align_corners):
    b, _, h, w = image.shape
    k = points_to.shape[1]
    grid = grids.identity_grid(h, w, device=image.device, dtype=points_to.dtype)
    maps = grids.local_affine_grids(grid, points_to, points_from, matrices)  # (B, K, H, W, 2)
    copies = image.to(points_to.dtype)[:, None].expand(-1, k, -1, -1, -1)  # (B, K, C, H, W)
    warped = grids.warp(copies.flatten(0, 1), maps.flatten(0, 1), align_corners=align_corners)
    return warped.unflatten(0, (b, k)).to(image.dtype)


@functools.cache
def _compile():
    return torch.compile(_eager)


def _compiled(image, *given) -> Tensor:
    try:
        return _compile()(image, *given)
    except Exception as error:  # whatever the compiler of this machine says
        if "torch._dynamo" in type(error).__module__ or "inductor" in type(error).__module__:
            raise KernelError(
                f"torch.compile does not work on this machine ({type(error).__name__}; on a CPU "
                'it needs a C++ compiler); use way="eager".'
            ) from error
        raise


# --- fused ---------------------------------------------------------------------------------------


def has_triton() -> bool:
    """Whether the extra ``gpu`` is installed."""
    return importlib.util.find_spec("triton") is not None


def _fused():
    try:
        from aidagen import kernels_triton
    except ImportError as error:
        raise KernelError(
            f"The fused warp needs Triton, which this machine does not have ({error}); install "
            "the extra: pip install 'aidagen[gpu]' (Linux), or use way=\"eager\"."
        ) from None
    return kernels_triton


def _triton(image, points_to, points_from, matrices, align_corners) -> Tensor:
    fused = _fused()
    if image.dtype not in fused.DTYPES:
        raise KernelError(
            f"The fused warp takes float32, float16 or bfloat16 images, not {image.dtype}; use "
            'way="eager".'
        )
    if image.device.type not in ("cpu", "cuda"):
        raise KernelError(f'The fused warp runs on cuda or cpu, not {image.device}; use "eager".')
    return _Fused.apply(image, points_to, points_from, matrices, align_corners)


class _Fused(torch.autograd.Function):
    """Forward: the kernel. Backward: the eager way again, differentiated by torch."""

    @staticmethod
    def forward(ctx, image, points_to, points_from, matrices, align_corners):
        ctx.align_corners = align_corners
        ctx.save_for_backward(image, points_to, points_from, matrices)
        if matrices is None:
            eye = torch.eye(2, dtype=points_to.dtype, device=points_to.device)
            matrices = eye.expand(*points_to.shape[:2], 2, 2)
        maps = torch.cat([matrices.flatten(2), points_from, points_to], -1)  # (B, K, 8)
        return _fused().warp(image.detach(), maps.detach(), align_corners)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        wanted = ctx.needs_input_grad[:4]
        with torch.enable_grad():
            given = [
                None if x is None else x.detach().requires_grad_(want)
                for x, want in zip(ctx.saved_tensors, wanted)
            ]
            again = _eager(*given, ctx.align_corners)
        sought = [x for x, want in zip(given, wanted) if want]
        gradients = iter(torch.autograd.grad(again, sought, gradient))
        return *(next(gradients) if want else None for want in wanted), None


def ptx(
    capability: int = 90, dtype: torch.dtype = torch.float32, align_corners: bool = True
) -> str:
    """The fused kernel as PTX assembly for NVIDIA GPUs of ``capability``, made without a GPU.

    80 is an A100, 90 an H100. Raises ``KernelError`` where Triton is missing or refuses.
    """
    fused = _fused()
    if dtype not in fused.DTYPES:
        raise KernelError(f"The fused warp takes float32, float16 or bfloat16, not {dtype}.")
    if capability not in CAPABILITIES:
        tested = ", ".join(map(str, CAPABILITIES))
        raise KernelError(f"The kernel is compiled for capabilities {tested}; got {capability!r}.")
    return fused.ptx(capability, dtype, align_corners)
