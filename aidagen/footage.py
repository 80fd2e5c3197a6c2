"""Clips in: streamed reading of videos and pictures (the writing half is `aidagen.video`).

A *clip* is any file that holds moving pictures (mp4, mov, webm, mkv, avi, GIF ...); a still
picture (PNG, JPEG ...) is a clip of one frame. Frames are ``uint8`` tensors ``(3, H, W)``, sRGB, as
a player shows them: upright and mirrored as the file says, transparency on white, grey as three
equal channels, HDR within the range of an ordinary screen. Clips are decoded by PyAV
(`aidagen.decoding`), pictures by Pillow (`aidagen.stills`); nothing here ever holds more than a few
frames of a clip.

Frames come at a constant rate. Where a file shows one frame for longer than another they are
repeated (and, above 60 per second, left out) so that each moment lasts as long as in the file;
`aidagen.timing` says how the rate is chosen, and `VideoInfo.note` which it is.

What goes wrong with a file is a :class:`VideoError` whose message is one sentence.
"""

import io
import os
import re
import stat
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, no_type_check

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from aidagen import stills
from aidagen.decoding import is_hdr, pictures, survey
from aidagen.errors import VideoError
from aidagen.stills import SMALLEST
from aidagen.timing import Timing, resampled, timing

Crop = Literal["centre", "stretch"] | Sequence[int | float]


class VideoInfo(NamedTuple):
    """What a file holds, as `read` gives it: upright, at a constant rate."""

    width: int  # pixels
    height: int  # pixels
    fps: float | None  # frames per second; None for a still, or a strip
    frames: int  # how many `read` gives
    seconds: float  # 0 for a still, or a strip
    note: str = ""  # what was changed (a varying rate, HDR), for a message; "" where nothing was


# ------------------------------------------------------------------------------------ reading


@no_type_check  # what users give is checked by hand, in sentences, in tests as well
def read(
    path: str | os.PathLike,
    size: int | tuple[int, int] | None = None,
    crop: Crop = "centre",
    *,
    strip: bool = False,
    quick: bool = False,
) -> Iterator[UInt8[Tensor, "3 H W"]]:
    """Frames of a clip or a picture, one after another, at constant memory.

    Args:
        path: a video file, an animated GIF/PNG/WebP, or a still (one frame).
        size: height and width of the frames, or one number for both, in pixels; the resize is
            antialiased. None keeps the file's own size.
        crop: what part is kept: "centre" (the largest middle part with the aspect of `size`),
            "stretch" (everything, squeezed to `size`), or a box (left, top, right, bottom) in
            pixels of the upright picture.
        strip: the file is one picture of square frames side by side, as the data sets that were
            published with Monkey-Net have them.
        quick: frames that are four times as large as `size` or larger are first averaged over
            whole pixels (Pillow's ``reducing_gap`` of 2): half the time or less, and on
            photographs at most 3 of 255 away from the exact resize, 0.4 on average.

    Raises:
        VideoError: at the call if there is no such readable file or the arguments make no sense;
            while iterating if it holds no pictures, or breaks off before its end.
    """
    path = _readable(path)
    target = _checked(size, crop)
    if strip:
        return (_tensor(_fit(image, target, crop)) for image in _strip(path))
    return _frames(path, target, crop, quick)


def _frames(path: Path, target, crop: Crop, quick: bool) -> Iterator[UInt8[Tensor, "3 H W"]]:
    picture = stills.open_picture(path, str(path))
    if picture is not None:
        with picture:
            rhythm = _rhythm(_delays(picture, path))
            shown = _appearing(stills.frames(picture, str(path)))
            yield from _tensors(shown, rhythm, target, crop, quick)
        return
    least = max(target) if target and isinstance(crop, str) else None
    found = survey(path)
    shown = pictures(path, least, found.times)
    yield from _tensors(shown, found.timing, target, crop, quick)


def _tensors(
    shown, rhythm: Timing, target, crop: Crop, quick: bool
) -> Iterator[UInt8[Tensor, "3 H W"]]:
    def fitted(target) -> Iterator[tuple[Image.Image, float]]:
        for image, time in shown:
            image = _fit(image, target, crop, quick)
            target = target or (image.height, image.width)  # a call may change its size
            yield image, time

    return map(_tensor, resampled(fitted(target), rhythm))


@no_type_check
def read_image(
    source: str | os.PathLike | bytes | BinaryIO,
    size: int | tuple[int, int] | None = None,
    crop: Crop = "centre",
    *,
    within: int | None = None,
    name: str | None = None,
) -> UInt8[Tensor, "3 H W"]:
    """The picture in a file; of a clip, its first frame.

    Args:
        source: a file's name, a picture's bytes, or an open binary file that holds a picture.
        size, crop: as in `read`.
        within: the largest width and height; a larger picture is scaled down, and a JPEG is
            decoded at about that size, which spares memory and time.
        name: what to call the picture in messages; by default the file's name.

    Raises:
        VideoError: as `read`.
    """
    target = _checked(size, crop)
    if isinstance(source, str | os.PathLike):
        images = _images(_readable(source), within)
    else:
        images = _from_bytes(source, name or "The picture", within)
    image = next(images)
    images.close()
    return _tensor(_fit(image, target, crop))


@no_type_check
def info(path: str | os.PathLike, *, strip: bool = False) -> VideoInfo:
    """Size, rate and length of a clip or a picture, without decoding the whole of a video.

    ``strip`` as in `read`.

    Raises:
        VideoError: as `read`.
    """
    path = _readable(path)
    if strip:
        frames = list(_strip(path))
        return VideoInfo(*frames[0].size, None, len(frames), 0.0)
    picture = stills.open_picture(path, str(path))
    if picture is not None:
        with picture:
            width, height = next(stills.frames(picture, str(path)))[0].size
            delays = _delays(picture, path)
        if len(delays) == 1:
            return VideoInfo(width, height, None, 1, 0.0)
        found = _rhythm(delays)
        return VideoInfo(width, height, float(found.rate), found.frames, sum(delays), found.note)
    found = survey(path).timing
    width, height = next(pictures(path))[0].size
    notes = [found.note, "its HDR is compressed to the range of an ordinary screen"]
    note = "; ".join(each for each in notes[: 1 + is_hdr(path)] if each)
    seconds = float(found.frames / found.rate)
    return VideoInfo(width, height, float(found.rate), found.frames, seconds, note)


def _readable(path: str | os.PathLike) -> Path:
    if isinstance(path, str) and re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", path):
        raise VideoError(
            f"{path} is an address, not a file; download it first, then name the file."
        )
    path = Path(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise VideoError(f"{path} is a folder; name one video or picture file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise VideoError(f"{path} is not an ordinary file, so no clip can be read from it.")
        if status.st_size == 0:
            raise VideoError(f"{path} is empty (0 bytes); fetch or record it again.")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise VideoError(f"There is no file {path}; check the name and the folder.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(f"{path} cannot be read ({reason.lower()}).") from None
    return path


def _from_bytes(source, name: str, within: int | None) -> Iterator[Image.Image]:
    """The picture in bytes, or in an open file, from where it stands."""
    try:
        content = bytes(source.read() if hasattr(source, "read") else source)
    except (OSError, TypeError, ValueError) as error:
        raise VideoError(f"{name} cannot be read ({str(error).lower()}).") from None
    if not content:
        raise VideoError(f"{name} is empty (0 bytes); choose another one.")
    picture = stills.open_picture(io.BytesIO(content), name)
    if picture is None:
        raise VideoError(f"{name} is not a picture that can be read; save it as JPEG or PNG.")
    with picture:
        yield from (image for image, _ in stills.frames(picture, name, within))


def _images(path: Path, within: int | None = None) -> Iterator[Image.Image]:
    """Upright RGB pictures of a file as they are stored, at least one."""
    picture = stills.open_picture(path, str(path))
    if picture is not None:
        with picture:
            yield from (image for image, _ in stills.frames(picture, str(path), within))
        return
    for image, _ in pictures(path):
        if within is not None:
            image.thumbnail((within, within), Image.Resampling.LANCZOS)
        yield image


def _strip(path: Path) -> Iterator[Image.Image]:
    """The square frames of a picture that has them side by side."""
    picture = stills.open_picture(path, str(path))
    if picture is None or len(stills.numbers(picture)) > 1:
        raise VideoError(
            f"{path} is not one picture; a strip is a PNG or JPEG of square frames side by side."
        )
    with picture:
        image, _ = next(stills.frames(picture, str(path), whole=True))
    width, side = image.size
    if width % side:
        raise VideoError(
            f"{path} is {width} x {side} pixels, so it is no strip of square frames side by side: "
            "its width would be a multiple of its height."
        )
    for left in range(0, width, side):
        yield image.crop((left, 0, left + side, side))


# --- the time of animated pictures


def _delays(picture: Image.Image, path: Path) -> list[float]:
    """For how many seconds each frame is shown; a still is not decoded."""
    if len(stills.numbers(picture)) == 1:
        return [0.0]
    return [seconds for _, seconds in stills.frames(picture, str(path))]


def _appearing(shown: Iterator[tuple[Image.Image, float]]) -> Iterator[tuple[Image.Image, float]]:
    time = 0.0
    for image, seconds in shown:
        yield image, time
        time += seconds


def _rhythm(delays: Sequence[float]) -> Timing:
    return timing([0.0, *accumulate(delays[:-1])], delays[-1])


# ------------------------------------------------------------------------------- size and crop


@no_type_check
def _checked(size: int | tuple[int, int] | None, crop: Crop) -> tuple[int, int] | None:
    """Height and width of what is asked for, if it makes sense."""
    if crop not in ("centre", "stretch") and not _is_box(crop):
        raise VideoError(
            f'crop must be "centre", "stretch" or (left, top, right, bottom), not {crop!r}.'
        )
    return _height_width(size)


@no_type_check
def _height_width(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = (size, size) if isinstance(size, int) else size
    if not (
        isinstance(sides, tuple | list)
        and len(sides) == 2
        and all(isinstance(side, int) and SMALLEST <= side <= 8192 for side in sides)
    ):
        raise VideoError(f"size must be {SMALLEST} to 8192 pixels each way, not {size!r}.")
    return tuple(sides)


def _is_box(crop: object) -> bool:
    return (
        isinstance(crop, Sequence)
        and not isinstance(crop, str)
        and len(crop) == 4
        and all(isinstance(edge, int | float) for edge in crop)
        and crop[0] < crop[2]
        and crop[1] < crop[3]
    )


def _fit(
    image: Image.Image, target: tuple[int, int] | None, crop: Crop, quick: bool = False
) -> Image.Image:
    width, height = image.size
    if isinstance(crop, str):
        box = (0.0, 0.0, float(width), float(height))
        if crop == "centre" and target is not None:
            scale = min(height / target[0], width / target[1])
            cut_w, cut_h = scale * target[1], scale * target[0]
            left, top = (width - cut_w) / 2, (height - cut_h) / 2
            box = (max(left, 0), max(top, 0), min(left + cut_w, width), min(top + cut_h, height))
    else:
        box = tuple(float(edge) for edge in crop)
        if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height:
            raise VideoError(
                f"the crop box {crop!r} reaches outside the picture of {width} x {height} pixels."
            )
    if target is None:
        target = (max(round(box[3] - box[1]), 1), max(round(box[2] - box[0]), 1))
    if target == (height, width) and box == (0, 0, width, height):
        return image
    size, gap = (target[1], target[0]), 2.0 if quick else None
    return image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=gap)


def _tensor(image: Image.Image) -> UInt8[Tensor, "3 H W"]:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
