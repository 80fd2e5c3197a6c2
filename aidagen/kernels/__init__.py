"""The warps of models that animate by keypoints, three ways each: eager, compiled, fused.

* `local_affine_warp`: one picture through K first-order maps ``points_to + matrices (z -
  points_from)``, what a dense-motion network looks at;
* `mix_affine_maps`: the flow that follows, at every pixel, the maps that claim it;
* `warp_by_flow`: features through a flow of another size, times what is visible of them.

Three ways to the same numbers and gradients:

* ``eager``: plain torch (`aidagen.kernels.reference`), the truth that the others are held against;
* ``compiled``: the same Python through ``torch.compile`` (on a CPU it needs a C++ compiler);
* ``triton``: one fused kernel forward and one backward (`aidagen.kernels.affine`, `.flow`), which
  keep neither grids, nor copies, nor resized flows. It needs the extra ``gpu``, and an NVIDIA GPU
  to be fast: on a CPU the same source runs in Triton's interpreter, for tests and for reading.

"auto", what models use, is the fused way on an NVIDIA GPU (compute capability 8.0 on) where Triton
works, otherwise eager: so on CPUs, on Windows, on a Mac and for float64. Places are computed in
float32 (float64 for float64 images) in all ways, whatever the image is: a bfloat16 coordinate near
1 is good to half a pixel of 256.

Letters: B images, K maps, J = K + 1 with "stay where you are" in front (``identity=True``) and
J = K without, C channels, H W pixels.
"""

import functools
import importlib.util
import warnings
from typing import Literal, NamedTuple, get_args, no_type_check

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen import grids
from aidagen.errors import AidagenError
from aidagen.kernels import reference
from aidagen.kernels.reference import Resize, resized

__all__ = [
    "CAPABILITIES", "KernelError", "Maps", "has_triton", "local_affine_warp", "mix_affine_maps",
    "ptx", "resized", "warp_by_flow", "ways",
]  # fmt: skip

Way = Literal["auto", "eager", "compiled", "triton"]
CAPABILITIES = (80, 90)  # A100, H100: what `ptx` is tested for


class KernelError(AidagenError):
    """Arguments that do not fit, or a way that this machine does not have."""


class Maps(NamedTuple):
    """K maps ``points_to + matrices (z - points_from)``; translations without matrices.

    They say what a motion is; a network mixes them with "stay where you are", which comes first.
    """

    points_to: Float[Tensor, "*B K 2"]
    points_from: Float[Tensor, "*B K 2"]
    matrices: Float[Tensor, "*B K 2 2"] | None = None

    def grids(self, height: int, width: int) -> Float[Tensor, "*B J H W 2"]:
        """What every map does to every pixel, the identity first: for looking at it."""
        where = self.points_to
        grid = grids.identity_grid(height, width, device=where.device, dtype=where.dtype)
        moved = grids.local_affine_grids(grid, *self)
        return torch.cat([grid.expand(*moved.shape[:-4], 1, height, width, 2), moved], dim=-4)


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

    Without matrices the maps are translations; outside the image reads zero. Differentiable in all
    arguments. The result has the dtype of the image.

    Raises ``KernelError`` on shapes that do not fit and on a way that this machine lacks.
    """
    maps = Maps(points_to, points_from, matrices)
    _check("local_affine_warp", "an image (B, C, H, W)", image, maps)
    # places in float32 at least, whatever the image is
    exact = torch.promote_types(image.dtype, torch.float32)
    maps = [None if x is None else x.to(exact) for x in maps]
    return _run("Warp", reference.local_affine_warp, way, image, *maps, identity, align_corners)


@no_type_check
def mix_affine_maps(
    masks: Float[Tensor, "B J H W"],
    points_to: Float[Tensor, "B K 2"],
    points_from: Float[Tensor, "B K 2"],
    matrices: Float[Tensor, "B K 2 2"] | None = None,
    *,
    way: Way = "auto",
    identity: bool = False,
) -> Float[Tensor, "B H W 2"]:
    """The dense flow ``sum_j masks_j(z) (points_to_j + matrices_j (z - points_from_j))``.

    No grid (B, J, H, W, 2) is made. Differentiable in all arguments. The flow is float32, or
    float64 for such masks, for it holds places.

    Raises ``KernelError`` on shapes that do not fit and on a way that this machine lacks.
    """
    maps = Maps(points_to, points_from, matrices)
    _check("mix_affine_maps", "masks (B, J, H, W)", masks, maps)
    if masks.shape[1] != points_to.shape[1] + identity:
        first = ", and one of the identity in front" if identity else ""
        raise KernelError(
            f"mix_affine_maps takes one mask for each of {points_to.shape[1]} maps{first}; got "
            f"{masks.shape[1]}."
        )
    exact = torch.promote_types(masks.dtype, torch.float32)
    given = [None if x is None else x.to(exact) for x in (masks, *maps)]
    return _run("Mix", reference.mix_affine_maps, way, *given, identity)


@no_type_check
def warp_by_flow(
    features: Float[Tensor, "B C H W"],
    flow: Float[Tensor, "B h w 2"],
    visible: Float[Tensor, "B 1 h w"] | None = None,
    *,
    way: Way = "auto",
    resize: Resize = "bilinear",
    align_corners: bool = True,
) -> Float[Tensor, "B C H W"]:
    """Features read where the flow says, times what is visible; outside them reads zero.

    Flow and visible are resized to H x W: the flow as ``resize`` says (see `resized`), the other
    one always bilinearly with align_corners=False. ``align_corners`` belongs to the reading.
    Differentiable in all arguments. The result has the dtype of the features.

    Raises ``KernelError`` on shapes that do not fit and on a way that this machine lacks.
    """
    fits = (
        features.ndim == flow.ndim == 4
        and min(features.shape) > 0
        and min(flow.shape) > 0
        and (flow.shape[0], flow.shape[3]) == (features.shape[0], 2)
        and (visible is None or visible.shape == (*flow.shape[:1], 1, *flow.shape[1:3]))
    )
    if not fits:
        raise KernelError(
            "warp_by_flow takes features (B, C, H, W), a flow (B, h, w, 2) and, if it is wanted, a "
            f"map of what is visible (B, 1, h, w); got {_shapes(features, flow, visible)}."
        )
    if resize not in get_args(Resize):
        raise KernelError(f"resize is one of {', '.join(get_args(Resize))}; got {resize!r}.")
    _check_numbers("warp_by_flow", features, flow, visible)
    exact = torch.promote_types(features.dtype, torch.float32)
    flow, visible = flow.to(exact), None if visible is None else visible.to(exact)
    given = features, flow, visible, resize, align_corners
    return _run("WarpByFlow", reference.warp_by_flow, way, *given)


def _shapes(*given: Tensor | None) -> str:
    return ", ".join(str(tuple(x.shape)) for x in given if x is not None)


def _check(name: str, first: str, image: Tensor, maps: Maps) -> None:
    to, origin, matrices = maps
    fits = (
        image.ndim == 4
        and to.ndim == 3
        and min(image.shape) > 0
        and to.shape[1] > 0
        and to.shape == origin.shape == (image.shape[0], to.shape[1], 2)
    )
    if not fits:
        raise KernelError(
            f"{name} takes {first} and two sets of points (B, K, 2); got "
            f"{_shapes(image, to, origin)}."
        )
    if matrices is not None and matrices.shape != (*to.shape, 2):
        raise KernelError(
            f"The matrices of {to.shape[1]} maps for {len(to)} images are {(*to.shape, 2)}; got "
            f"{tuple(matrices.shape)}."
        )
    _check_numbers(name, image, *maps)


def _check_numbers(name: str, *given: Tensor | None) -> None:
    given = [x for x in given if x is not None]
    if not all(x.is_floating_point() for x in given):
        raise KernelError(f"{name} takes floats; got {', '.join(str(x.dtype) for x in given)}.")
    if len({x.device for x in given}) > 1:
        devices = ", ".join(str(x.device) for x in given)
        raise KernelError(f"{name} takes tensors of one device; got different devices: {devices}.")


# --- the three ways ------------------------------------------------------------------------------


def _run(fused: str, eager, way: str, first: Tensor, *given) -> Tensor:
    """``eager(first, *given)``, or the autograd function called ``fused`` on the same arguments."""
    if way not in get_args(Way):
        raise KernelError(f"way is one of {', '.join(get_args(Way))}; got {way!r}.")
    if way == "auto":
        way = _automatic(first)
    if way == "triton":
        return _triton(fused, first, *given)
    if way == "compiled":
        return _compiled(eager, first, *given)
    return eager(first, *given)


def ways(device: torch.device | str) -> tuple[str, ...]:
    """The ways that run fast on this device without compiling for a minute: "eager", "triton"."""
    device = torch.device(device)
    return ("eager", "triton") if device.type == "cuda" and _works(device) else ("eager",)


def _automatic(first: Tensor) -> Way:
    """The way that models take for such a tensor."""
    fused = first.is_cuda and first.dtype != torch.float64 and _works(first.device)
    return "triton" if fused else "eager"


@functools.cache
def _compile(eager):
    return torch.compile(eager)


def _compiled(eager, *given) -> Tensor:
    try:
        return _compile(eager)(*given)
    except Exception as error:  # whatever the compiler of this machine says
        if "torch._dynamo" in type(error).__module__ or "inductor" in type(error).__module__:
            raise KernelError(
                f"torch.compile does not work on this machine ({type(error).__name__}; on a CPU "
                'it needs a C++ compiler); use way="eager".'
            ) from error
        raise


@functools.cache
def has_triton() -> bool:
    """Whether the extra ``gpu`` is installed."""
    return importlib.util.find_spec("triton") is not None


@functools.cache
def _works(device: torch.device) -> bool:
    """Whether the fused way runs on this GPU, tried once on one pixel.

    Triton builds its launcher with the machine's C compiler, so being installed is not enough.
    """
    if not has_triton() or not torch.version.cuda:
        return False
    if torch.cuda.get_device_capability(device) < (8, 0):  # older than what Triton supports
        return False
    try:
        _triton("Mix", torch.ones(1, 1, 1, 1, device=device), *torch.zeros(2, 1, 1, 2).to(device),
                None, False)  # fmt: skip
    except Exception as error:  # whatever Triton, a compiler or a driver says
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        warnings.warn(
            f"The fused warps do not work on {device} ({said}); the plain ones are used, which are "
            "slower and need more memory.",
            stacklevel=4,
        )
        return False
    return True


def _fused():
    """The modules of the fused way: what they share, maps, flows."""
    try:
        from aidagen.kernels import affine, flow, sampling
    except ImportError as error:
        raise KernelError(
            f"The fused warp needs Triton, which this machine does not have ({error}); install "
            "the extra: pip install 'aidagen[gpu]' (Linux), or use way=\"eager\"."
        ) from None
    return sampling, affine, flow


def _triton(name: str, first: Tensor, *given) -> Tensor:
    sampling, affine, flow = _fused()
    if first.dtype not in sampling.DTYPES:
        raise KernelError(
            f"The fused warp takes float32, float16 or bfloat16, not {first.dtype}; use "
            'way="eager".'
        )
    if first.device.type not in ("cpu", "cuda"):
        raise KernelError(f'The fused warp runs on cuda or cpu, not {first.device}; use "eager".')
    return getattr(flow if name == "WarpByFlow" else affine, name).apply(first, *given)


def ptx(
    capability: int = 90, dtype: torch.dtype = torch.float32, align_corners: bool = True
) -> dict[str, str]:
    """The fused kernels as PTX assembly for NVIDIA GPUs of ``capability``, made without a GPU.

    80 is an A100, 90 an H100; "warp", "mix" and "flow", and each with "_back", in their fullest
    form. Raises ``KernelError`` where Triton is missing or refuses.
    """
    sampling, affine, flow = _fused()
    if dtype not in sampling.DTYPES:
        raise KernelError(f"The fused warp takes float32, float16 or bfloat16, not {dtype}.")
    if capability not in CAPABILITIES:
        tested = ", ".join(map(str, CAPABILITIES))
        raise KernelError(f"The kernel is compiled for capabilities {tested}; got {capability!r}.")
    pictures = dict.fromkeys(("image", "features", "out", "gradient"), sampling.DTYPES[dtype])
    kernels = affine.fullest(pictures) | flow.fullest(pictures)
    return {
        name: sampling.assembly(kernel, capability, types, constants | {"CORNERS": align_corners})
        for name, (kernel, constants, types) in kernels.items()
    }
