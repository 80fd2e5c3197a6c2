"""A clip of any length animated at the speed of its model: all else is done at the same time.

    one thread    reads and decodes, and stacks frames to batches
    the caller's  computes: `streamed`
    one thread    draws the mark, encodes and writes

Three short queues lie in between, so memory stays the same however long the clip is. On a GPU the
caller's thread only says what is to be computed. Frames go there, and pictures come back, as bytes
and through pinned memory, which is copied while other things are done; the pictures of a batch are
waited for when the next batch is already being computed, so the GPU always has something to do.
On a CPU the order is the same and no copy is made.

Letters: T frames of a batch, S pixels of a side.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from aidagen.ahead import ahead, behind
from aidagen.animation import AnimationError, Animator, prepare, working
from aidagen.pixels import as_bytes, as_floats
from aidagen.video import Writer

_WAITING = 2  # batches that are read ahead, and as many that wait to be written
_ENCODERS = 4  # x264 uses no more for pictures of 256 pixels


def film(
    animator: Animator,
    frames: Iterable[UInt8[Tensor, "3 S S"]],
    out: Writer,
    side: int | None = None,
    done: Callable[[int], object] = lambda count: None,
) -> None:
    """Write the pictures that ``animator`` makes of ``frames``; reading, computing and writing
    overlap.

    Args:
        frames: of the model's size, as `video.read` gives them.
        out: an opened writer.
        side: height and width of the pictures, in pixels; the model's by default.
        done: is told how many more pictures were computed.

    Raises ``AidagenError``: whatever reading, computing or writing raises.
    """

    def add(pictures: UInt8[Tensor, "T 3 S S"]) -> None:
        for picture in pictures:
            out.add(picture)

    pinned = animator.device.type == "cuda"
    reading = batches(frames, animator.batch, pinned)
    with ahead(reading, _WAITING) as read, behind(add, _WAITING) as write:
        for pictures in streamed(animator, read, side):
            write(pictures)
            done(len(pictures))


def encoders(animator: Animator) -> int:
    """How many threads should encode: one beside a GPU is slower than the GPU; beside a model that
    computes on the CPU more of them only take its cores away."""
    return 1 if animator.device.type == "cpu" else _ENCODERS


def batches(
    frames: Iterable[UInt8[Tensor, "3 S S"]], most: int, pinned: bool = False
) -> Iterator[UInt8[Tensor, "T 3 S S"]]:
    """Up to ``most`` frames at a time, in memory that a GPU can read by itself if ``pinned``."""
    frames = iter(frames)
    while taken := list(islice(frames, most)):
        batch = torch.empty(len(taken), *taken[0].shape, dtype=taken[0].dtype, pin_memory=pinned)
        yield torch.stack(taken, out=batch)


def streamed(
    animator: Animator, batches: Iterable[UInt8[Tensor, "T 3 S S"]], side: int | None = None
) -> Iterator[UInt8[Tensor, "T 3 side side"]]:
    """The pictures of each batch of frames, those that `Animator.animate` gives, as bytes.

    One batch is always under way: the pictures of one come when the next is being computed.

    Raises ``AnimationError`` if there are no frames, if a model makes numbers that are no picture,
    and if the device's memory does not suffice.
    """
    first = under_way = None
    for frames in batches:
        with working(animator.model, animator.batch):
            copied = frames.to(animator.device, non_blocking=frames.is_pinned())
            rendering, first = animator.render(as_floats(copied).to(animator.dtype), first)
            pictures = Pictures(rendering.image, side or animator.size)
        if under_way is not None:
            yield under_way.fetched()
        under_way = pictures
    if under_way is None:
        raise AnimationError("The driving clip has no frames; at least one is needed.")
    yield under_way.fetched()


class Pictures:
    """A batch of pictures that are still being computed, and then copied to where the CPU reads."""

    def __init__(self, image: Float[Tensor, "T 3 S S"], side: int) -> None:
        image = prepare(image, side)
        self._copied = None
        self._range = _fetching(torch.stack(image.aminmax()))
        self._bytes = _fetching(as_bytes(image.float()))
        if image.is_cuda:
            self._copied = torch.cuda.Event()
            self._copied.record(torch.cuda.current_stream(image.device))

    def fetched(self) -> UInt8[Tensor, "T 3 side side"]:
        """Wait for them. Raises ``AnimationError`` where they are no pictures."""
        if self._copied is not None:
            self._copied.synchronize()
        low, high = self._range.tolist()
        if not (math.isfinite(low) and math.isfinite(high)):
            raise AnimationError(
                "The model's pictures hold values that are not numbers (NaN or infinity); leave "
                "--fast out if it was given, or take another model."
            )
        if low < -0.5 or high > 1.5:
            raise AnimationError(
                f"The model's pictures hold values from {low:.3g} to {high:.3g}, where 0 to 1 was "
                "expected; take another model."
            )
        return self._bytes


def _fetching(tensor: Tensor) -> Tensor:
    """``tensor`` on the CPU; from a CUDA device a pinned one, which is filled a little later."""
    return tensor.to("cpu", non_blocking=tensor.is_cuda)
