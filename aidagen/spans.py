"""The course's own clips and stills: parts of a clip that has a constant rate, and a picture.

What data sets hold was written by `aidagen.datasets.layout`, so nothing is assumed here but damage;
whatever else a user may have is read by `aidagen.footage`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from aidagen.errors import VideoError


@contextmanager
def _opened(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """A clip and its pictures. Raises ``VideoError`` where there is no such clip."""
    try:
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except MemoryError:
        raise
    except (av.error.FFmpegError, OSError, ValueError):
        raise VideoError(f"{path} is missing, damaged or no clip.") from None
    with container:
        if not container.streams.video:
            raise VideoError(f"{path} holds no pictures.")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 4  # each thread holds a frame
        yield container, stream


def span(path: Path, start: int, stop: int) -> Iterator[tuple[int, UInt8[np.ndarray, "H W 3"]]]:
    """(number, RGB) of frames ``start`` to ``stop - 1`` of a clip that has a constant frame rate.

    Decoding begins at the last keyframe before ``start`` and ends with the last frame asked for.
    Raises ``VideoError`` where the file is damaged or ends before ``stop``.
    """
    number = start - 1
    with _opened(path) as (container, stream):
        ticks = 1 / (stream.average_rate * stream.time_base)  # from one frame to the next
        begin = stream.start_time or 0
        try:
            for frame in _from_keyframe(container, stream, round(begin + start * ticks)):
                number = round((frame.pts - begin) / ticks)
                if start <= number < stop:
                    yield number, frame.to_ndarray(format="rgb24")
                if number >= stop - 1:
                    return
        except (av.error.FFmpegError, av.error.EOFError):
            pass  # it breaks off, as below
    raise VideoError(f"{path} is damaged or cut short: it breaks off after frame {number}.")


def _from_keyframe(container, stream: av.VideoStream, time: int) -> Iterator[av.VideoFrame]:
    """Decoded frames, beginning with the last keyframe before ``time`` (in the stream's ticks)."""
    container.seek(time, stream=stream)
    yield from container.decode(stream)


def frame_rate(path: Path) -> Fraction:
    """Frames per second of a clip that has a constant frame rate. Raises ``VideoError``."""
    with _opened(path) as (_, stream):
        return stream.average_rate


def still(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    """RGB of a picture. Raises ``VideoError`` where it is missing or damaged."""
    try:
        with Image.open(path) as picture:
            return np.array(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError):
        raise VideoError(f"{path} is missing, damaged or no picture.") from None
