"""Animating one picture with a clip, frame by frame.

An :class:`Animator` holds a model and a source picture, and turns driving frames into the frames
of a new clip as they come, at constant memory. It works with every model that can

- ``encode(source (1, 3, S, S))``: all that depends on the source alone, worked out once here;
- ``motion(frames (T, 3, S, S))``: where things are in each frame;
- ``relative(motion, first, encoded)``: the motion since the first driving frame, carried over to
  where the source has its things;
- ``render(encoded, motion)``: the pictures and every intermediate, batch first;

with ``model.config.size`` = S. In mode "relative" the source keeps its shape and takes over the
movement (eq. 14 of the First Order Motion paper); the first driving frame should then show about
the pose of the source. In mode "absolute" it takes over places and shapes as they are.

`rendering` is the four in a row for a short clip that is ready for the model; `transferred` is the
choice between the two modes.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, Literal, get_args, no_type_check

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from aidagen.errors import AidagenError
from aidagen.pixels import as_floats

Mode = Literal["relative", "absolute"]
_TOLERANCE = 1e-3  # of the range [0, 1]: what interpolation may leave


class AnimationError(AidagenError):
    """A picture, frame or setting that an animator cannot work with."""


def prepare(
    image: UInt8[Tensor, "*B 3 H W"] | Float[Tensor, "*B 3 H W"], size: int
) -> Float[Tensor, "*B 3 size size"]:
    """Any picture as a model takes it: floats in [0, 1], square, `size` pixels.

    Bytes are divided by 255; the largest square in the middle is kept and resized with
    antialiasing (bilinear).
    """
    if image.dtype == torch.uint8:
        image = as_floats(image)
    height, width = image.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = image[..., top : top + side, left : left + side]
    if side == size:
        return image
    batch = image.reshape(-1, *image.shape[-3:])
    batch = F.interpolate(
        batch, size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )
    return batch.clamp(0, 1).reshape(*image.shape[:-2], size, size)


def transferred(model: Any, encoded: Any, motion: Any, first: Any = None) -> Any:
    """The motion that ``encoded`` is rendered with: ``motion`` as it is (absolute), or, given the
    motion of the ``first`` driving frame, what has changed since (relative)."""
    return motion if first is None else model.relative(motion, first, encoded)


def rendering(
    model: Any,
    source: Float[Tensor, "1 3 S S"],
    driving: Float[Tensor, "T 3 S S"],
    mode: Mode = "absolute",
) -> Any:
    """The model's `Rendering` of a short clip in one pass, batch first.

    ``source`` and ``driving`` are as the model takes them, on its device; see `Animator` for
    pictures of any size and for long clips.
    """
    with looking(model):
        encoded, motion = model.encode(source), model.motion(driving)
        first = model.motion(driving[:1]) if mode == "relative" else None
        return model.render(encoded, transferred(model, encoded, motion, first))


@no_type_check  # what users give is checked by hand, in sentences, in tests as well
class Animator:
    """Animates `source` with whatever frames come, on the device of the model.

    Args:
        model: an animatable model (see the top of this file).
        source: the picture to animate, ``(3, H, W)`` or ``(1, 3, H, W)``, floats in [0, 1], of
            any size: its largest middle square is used, resized to the model's size.
        mode: "relative" or "absolute".
        batch: how many frames go through the model together; more is faster on a GPU, and takes
            more memory.

    Raises:
        AnimationError: if the source is not such a picture, or the model cannot animate.
    """

    def __init__(
        self,
        model: Any,
        source: Float[Tensor, "3 H W"] | Float[Tensor, "1 3 H W"],
        mode: Mode = "relative",
        batch: int = 16,
    ) -> None:
        needs = ("encode", "motion", "relative", "render")
        lacks = [name for name in needs if not callable(getattr(model, name, None))]
        size = getattr(getattr(model, "config", None), "size", None)
        if lacks or not isinstance(size, int):
            lacks += [] if isinstance(size, int) else ["config.size"]
            raise AnimationError(
                f"{type(model).__name__} is not an animatable model: it has no {', '.join(lacks)}."
            )
        if mode not in get_args(Mode):
            raise AnimationError(f'mode must be "relative" or "absolute", not {mode!r}.')
        if not isinstance(batch, int) or isinstance(batch, bool) or batch < 1:
            raise AnimationError(f"batch must be a whole number from 1 on, not {batch!r}.")
        if isinstance(source, Tensor) and source.ndim == 4 and source.shape[0] == 1:
            source = source[0]
        self.model, self.mode, self.batch, self.size = model, mode, batch, size
        self.device, self.dtype = _home(model)
        self.source = self.fit(source, "The source")[None]  # (1, 3, S, S)
        with working(model, self.batch):
            self.encoded = model.encode(self.source)

    def animate(self, frames: Iterable[Float[Tensor, "3 H W"]]) -> Iterator[Any]:
        """One `Rendering` for each driving frame, in order, while they come.

        Args:
            frames: any iterable of ``(3, H, W)`` floats in [0, 1], of any size (treated as the
                source is); a ``(T, 3, H, W)`` tensor is one. At most `batch` are read ahead. The
                first is the rest pose of mode "relative".

        Yields:
            the model's `Rendering` of one frame. The batch dimension is removed from each tensor
            (`image` is ``(3, S, S)``), also inside nested tuples; None stays None.

        Raises:
            AnimationError: at the call if `frames` is not an iterable of frames; while iterating
                if there are none, or one of them is not as described.
        """
        if isinstance(frames, str | bytes | os.PathLike):
            raise AnimationError(
                "The driving clip must be frames, not a file name; aidagen.video.read gives them."
            )
        if isinstance(frames, Tensor) and frames.ndim != 4:
            raise AnimationError(
                f"The driving clip has shape {tuple(frames.shape)}; (T, 3, H, W) was expected, "
                "so a single frame goes in as frame[None]."
            )
        try:
            return self._stream(iter(frames))
        except TypeError:
            raise AnimationError(
                f"The driving clip is a {type(frames).__name__}; frames were expected."
            ) from None

    def _stream(self, frames: Iterator[Tensor]) -> Iterator[Any]:
        count, first = 0, None
        while taken := list(islice(frames, self.batch)):
            names = (f"Driving frame {index}" for index in range(count, count + len(taken)))
            driving = torch.stack([self.fit(*each) for each in zip(taken, names, strict=True)])
            rendering, first = self.render(driving, first)
            count += len(taken)
            for index in range(len(taken)):
                yield _part(rendering, index, len(taken))
        if not count:
            raise AnimationError("The driving clip has no frames; at least one is needed.")

    def render(self, driving: Float[Tensor, "T 3 S S"], first: Any = None) -> tuple[Any, Any]:
        """The model's rendering of some driving frames of its size, and the motion at rest.

        ``first`` is that motion where an earlier call gave it; otherwise it is that of the first
        of these frames. Only mode "relative" needs it.

        Raises ``AnimationError`` if the device's memory does not suffice.
        """
        with working(self.model, self.batch):
            motion = self.model.motion(driving)
            if self.mode == "relative" and first is None:
                first = _part(motion, slice(0, 1), len(driving))
            motion = transferred(self.model, self.encoded, motion, first)
            return self.model.render(self.encoded, motion), first

    def fit(self, image: Tensor, what: str) -> Float[Tensor, "3 S S"]:
        _check(image, what)
        return prepare(image.to(self.device, self.dtype), self.size)


@no_type_check
def animate(
    model: Any,
    source: Float[Tensor, "3 H W"] | Float[Tensor, "1 3 H W"],
    frames: Iterable[Float[Tensor, "3 H W"]],
    mode: Mode = "relative",
    batch: int = 16,
) -> Float[Tensor, "T 3 S S"]:
    """The pictures of a short clip all at once, for a notebook; see `Animator` for long ones."""
    animator = Animator(model, source, mode, batch)
    return torch.stack([rendering.image for rendering in animator.animate(frames)])


def _check(image: object, what: str) -> None:
    """Refuse what is not a ``(3, H, W)`` picture of floats in [0, 1]."""
    if not isinstance(image, Tensor):
        raise AnimationError(
            f"{what} is a {type(image).__name__}; a (3, H, W) tensor of floats in [0, 1] was "
            "expected (torch.from_numpy makes one of an array)."
        )
    shape = tuple(image.shape)
    if image.ndim != 3 or shape[0] != 3:
        hint = ""
        if image.ndim == 3 and shape[2] == 3:
            hint = "; channels come first: image.permute(2, 0, 1)"
        elif image.ndim == 3 and shape[0] == 4:
            hint = "; leave the alpha channel out: image[:3]"
        elif image.ndim == 2 or (image.ndim == 3 and shape[0] == 1):
            hint = "; a grey picture needs three equal channels: image.expand(3, -1, -1)"
        elif image.ndim == 4:
            hint = "; one picture at a time: image[0]"
        raise AnimationError(f"{what} has shape {shape}, (3, height, width) was expected{hint}.")
    if min(shape[1:]) < 2:
        raise AnimationError(f"{what} is {shape[2]} x {shape[1]} pixels, too small for a picture.")
    if not image.is_floating_point():
        raise AnimationError(
            f"{what} is {image.dtype}; floats in [0, 1] were expected (bytes become such with "
            "image.float() / 255)."
        )
    low, high = (float(value) for value in image.detach().aminmax())
    if not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):  # NaN fails both
        if low != low or high != high:
            raise AnimationError(f"{what} holds values that are not numbers (NaN).")
        if high > 1.5 and low > -0.5:
            hint = "divide by 255"
        else:
            hint = "if they go from -1 to 1, take (image + 1) / 2"
        raise AnimationError(
            f"{what} holds values from {low:.3g} to {high:.3g}; they should go from 0 to 1 "
            f"({hint})."
        )


def _home(model: Any) -> tuple[torch.device, torch.dtype]:
    if isinstance(model, nn.Module):
        for tensor in chain(model.parameters(), model.buffers()):
            if tensor.is_floating_point():
                return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


@contextmanager
def looking(model: Any) -> Iterator[None]:
    """No gradients, evaluation mode; a model in training goes on training afterwards."""
    modules = model.modules() if isinstance(model, nn.Module) else ()
    training = [module for module in modules if module.training]
    try:
        for module in training:
            module.training = False
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def working(model: Any, batch: int) -> Iterator[None]:
    """`looking`, in which memory that runs out is said in a sentence."""
    try:
        with looking(model):
            yield
    except torch.OutOfMemoryError:
        raise AnimationError(
            f"The device ran out of memory with {batch} frames at a time; use a smaller batch."
        ) from None


def _part(value: Any, index: int | slice, total: int) -> Any:
    """One frame's share of a batched result: tensors inside tuples, copied so that it alone is
    kept alive, and outside inference mode so that it is an ordinary tensor. A batch of one among
    more frames is the same for all of them."""
    if isinstance(value, Tensor):
        if value.ndim and value.shape[0] in (1, total):
            shared = value.shape[0] == 1 and isinstance(index, int)
            return value[0 if shared else index].clone()
        return value.clone()
    if isinstance(value, tuple | list):
        parts = [_part(each, index, total) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return {key: _part(each, index, total) for key, each in value.items()}
    return value
