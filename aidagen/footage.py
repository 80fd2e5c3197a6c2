"""Clips in: streamed reading of videos and pictures (the writing half is `aidagen.video`).

A *clip* is any file that holds moving pictures (mp4, mov, webm, mkv, avi, GIF ...); a still
picture (PNG, JPEG ...) is a clip of one frame. Frames are ``uint8`` tensors ``(3, H, W)``, RGB,
upright: rotation flags of phones and cameras are applied, transparency is laid on white, grey
becomes three equal channels. Clips are decoded by PyAV, pictures by Pillow; nothing here ever
holds more than a few frames of a clip.

What goes wrong with a file is a :class:`VideoError` whose message is one sentence.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple, no_type_check

import av
import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from aidagen.errors import AidagenError

# Only what is meant to hold pictures: FFmpeg would also render a text file as a terminal, and
# follow the links in a playlist.
_CLIPS = set(
    "3gp ac3 asf avi dv flac flv gif h264 hevc ivf m4v matroska mjpeg mov mp3 mpeg mpegts "
    "mpegvideo mxf nut obu ogg wav webm yuv4mpegpipe".split()
)
_STILLS = "PNG JPEG MPO GIF WEBP AVIF BMP TIFF PPM JPEG2000 TGA ICO".split()
_MOVING_PICTURES = {"GIF", "PNG", "WEBP", "AVIF"}
_TURNS = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}
_SMALLEST = 2  # pixels a side: less is not a picture

Crop = Literal["centre", "stretch"] | Sequence[int | float]


class VideoError(AidagenError):
    """A clip or picture that cannot be read, shown or written."""


class VideoInfo(NamedTuple):
    """What a file says of itself, for the upright picture."""

    width: int  # pixels
    height: int  # pixels
    fps: float | None  # frames a second on average; None for a still, or where not stated
    frames: int | None  # None where only decoding the whole file would tell
    seconds: float | None  # 0 for a still


# ------------------------------------------------------------------------------------ reading


@no_type_check  # what users give is checked by hand, in sentences, in tests as well
def read(
    path: str | os.PathLike,
    size: int | tuple[int, int] | None = None,
    crop: Crop = "centre",
) -> Iterator[UInt8[Tensor, "3 H W"]]:
    """Frames of a clip or a picture, one after another, at constant memory.

    Args:
        path: a video file, an animated GIF/PNG/WebP, or a still (one frame).
        size: height and width of the frames, or one number for both, in pixels; the resize is
            antialiased. None keeps the file's own size.
        crop: what part is kept: "centre" (the largest middle part with the aspect of `size`),
            "stretch" (everything, squeezed to `size`), or a box (left, top, right, bottom) in
            pixels of the upright picture.

    Raises:
        VideoError: at the call if there is no such readable file or the arguments make no sense;
            while iterating if it holds no pictures, or breaks off before its end.
    """
    path = _readable(path)
    target = _height_width(size)
    if crop not in ("centre", "stretch") and not _is_box(crop):
        raise VideoError(
            f'crop must be "centre", "stretch" or (left, top, right, bottom), not {crop!r}.'
        )
    return (_tensor(_fit(image, target, crop)) for image in _images(path))


@no_type_check
def read_image(
    path: str | os.PathLike,
    size: int | tuple[int, int] | None = None,
    crop: Crop = "centre",
) -> UInt8[Tensor, "3 H W"]:
    """The picture in a file; of a clip, its first frame. Arguments and errors as in `read`."""
    return next(read(path, size, crop))


@no_type_check
def info(path: str | os.PathLike) -> VideoInfo:
    """Size, rate and length of a clip or a picture, without decoding the whole of a video.

    Raises:
        VideoError: as `read`.
    """
    path = _readable(path)
    picture = _open_picture(path)
    if picture is not None:
        with picture:
            width, height = _first(_picture_frames(picture, path), path).size
            count = _frame_count(picture)
            if count == 1:
                return VideoInfo(width, height, None, 1, 0.0)
            seconds = _gif_seconds(picture, count, path)
            return VideoInfo(width, height, count / seconds, count, seconds)
    with _open_clip(path) as container:
        stream = _picture_stream(container, path)
        rate = stream.average_rate or stream.guessed_rate
        fps = float(rate) if rate and 0.1 <= rate <= 480 else None
        seconds = container.duration / 1e6 if container.duration else None
        count = stream.frames or None
        width, height = _first(_video_frames(container, stream, path), path).size
    return VideoInfo(width, height, fps, count, seconds)


def _readable(path: str | os.PathLike) -> Path:
    path = Path(path)
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise VideoError(f"{path} is a folder; name one video or picture file in it.")
        if not stat.S_ISREG(found.st_mode):
            raise VideoError(f"{path} is not an ordinary file, so no clip can be read from it.")
        if found.st_size == 0:
            raise VideoError(f"{path} is empty (0 bytes); fetch or record it again.")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise VideoError(f"There is no file {path}; check the name and the folder.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(f"{path} cannot be read ({reason.lower()}).") from None
    return path


def _images(path: Path) -> Iterator[Image.Image]:
    """Upright RGB pictures of a file, at least one."""
    picture = _open_picture(path)
    if picture is not None:
        with picture:
            yield from _picture_frames(picture, path)
        return
    with _open_clip(path) as container:
        yield from _video_frames(container, _picture_stream(container, path), path)


def _first(images: Iterator[Image.Image], path: Path) -> Image.Image:
    for image in images:
        return image
    raise VideoError(f"{path} holds no frames; record or export it again.")


def _large_enough(image: Image.Image, path: Path) -> Image.Image:
    if min(image.size) < _SMALLEST:
        width, height = image.size
        raise VideoError(
            f"{path} is {width} x {height} pixels; a picture needs at least "
            f"{_SMALLEST} pixels each way."
        )
    return image


# --- pictures, through Pillow


def _open_picture(path: Path) -> Image.Image | None:
    Image.init()
    try:
        return Image.open(path, formats=[name for name in _STILLS if name in Image.OPEN])
    except Image.DecompressionBombError:
        raise VideoError(f"{path} has too many pixels to be a photograph; shrink it.") from None
    except (OSError, SyntaxError, ValueError):  # not a picture that Pillow knows
        return None


def _frame_count(picture: Image.Image) -> int:
    # a second picture in a JPEG is a preview or the other eye, not the next moment
    return getattr(picture, "n_frames", 1) if picture.format in _MOVING_PICTURES else 1


def _picture_frames(picture: Image.Image, path: Path) -> Iterator[Image.Image]:
    try:
        for index in range(_frame_count(picture)):
            picture.seek(index)
            yield _large_enough(_on_white(ImageOps.exif_transpose(picture)), path)
    except (OSError, SyntaxError, ValueError, EOFError, IndexError):
        raise VideoError(
            f"{path} is damaged or cut short; fetch or export the picture again."
        ) from None


def _gif_seconds(picture: Image.Image, count: int, path: Path) -> float:
    milliseconds = 0.0
    try:
        for index in range(count):
            picture.seek(index)
            picture.load()
            milliseconds += picture.info.get("duration") or 100  # as browsers do
    except (OSError, SyntaxError, ValueError, EOFError):
        raise VideoError(
            f"{path} is damaged or cut short; fetch or export the picture again."
        ) from None
    return milliseconds / 1000


def _on_white(image: Image.Image) -> Image.Image:
    """RGB of a picture in any of Pillow's modes."""
    if image.mode.startswith("I"):  # 16 bits a pixel, in 16 or in 32
        values = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(values.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


# --- clips, through PyAV


def _open_clip(path: Path) -> av.container.InputContainer:
    try:
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except MemoryError:
        raise
    except (av.error.FFmpegError, OSError, ValueError):
        raise _not_a_clip(path) from None
    if not _CLIPS & set(container.format.name.split(",")):
        container.close()
        raise _not_a_clip(path)
    return container


def _not_a_clip(path: Path) -> VideoError:
    return VideoError(
        f"{path} is neither a video nor a picture that can be read: it is damaged, cut short "
        "or something else under that name."
    )


def _cut_short(path: Path, frames: int) -> VideoError:
    return VideoError(
        f"{path} is damaged or cut short (it breaks off after {frames} "
        f"frame{'' if frames == 1 else 's'}); fetch or record it again."
    )


def _picture_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The stream that holds the moving pictures; refuses what ends before its own index."""
    if not container.streams:
        raise _not_a_clip(path)
    cover = av.stream.Disposition.attached_pic
    for stream in container.streams.video:
        if not stream.disposition & cover:
            break
    else:
        raise VideoError(f"{path} holds sound but no pictures; name a video or a picture.")
    if "mov" in container.format.name.split(","):
        indexed = max((_indexed_end(each) for each in container.streams), default=0)
        if indexed > path.stat().st_size:
            raise VideoError(
                f"{path} is cut short: {indexed - path.stat().st_size} of its bytes are "
                "missing; fetch or record it again."
            )
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = 4  # each thread holds a frame
    return stream


def _indexed_end(stream: av.stream.Stream) -> int:
    """First byte after a stream's last packet, by an mp4's own table."""
    entries = getattr(stream, "index_entries", None)  # new in PyAV 15
    if not entries:
        return 0
    return entries[-1].pos + entries[-1].size


def _video_frames(container, stream: av.VideoStream, path: Path) -> Iterator[Image.Image]:
    """Decoded pictures; at the end, whether the file held what its header promised."""
    declared, aspect = stream.frames, stream.sample_aspect_ratio
    count, packets, end, damaged = 0, 0, 0.0, False
    try:
        for packet in container.demux():
            if packet.size:
                damaged = packet.is_corrupt and declared > 0  # broadcast streams end anyhow
                if packet.pts is not None and packet.time_base:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream_index == stream.index:
                packets += packet.size > 0
                for frame in packet.decode():
                    count += 1
                    yield _large_enough(_upright(frame, aspect), path)
    except (av.error.FFmpegError, av.error.EOFError):
        if count or packets:
            raise _cut_short(path, count) from None
        raise _not_a_clip(path) from None
    end -= (container.start_time or 0) / 1e6
    missing = (container.duration or 0) / 1e6 - end
    if count and (damaged or packets < 0.95 * declared - 1 or missing > max(0.5, 0.05 * end)):
        raise _cut_short(path, count)
    if not count:
        raise VideoError(f"{path} holds no frames; record or export it again.")


def _upright(frame: av.VideoFrame, aspect: Fraction | None) -> Image.Image:
    """RGB picture of a decoded frame as a player shows it: square pixels, turned."""
    alpha = any(component.is_alpha for component in frame.format.components)
    image = _on_white(Image.fromarray(frame.to_ndarray(format="rgba" if alpha else "rgb24")))
    if aspect and aspect != 1 and Fraction(1, 4) <= aspect <= 4:  # a pixel's width / its height
        image = image.resize((max(round(image.width * aspect), 1), image.height))
    turns = round(frame.rotation / 90) % 4  # the flag counts counter-clockwise
    return image.transpose(_TURNS[turns]) if turns else image


# ------------------------------------------------------------------------------- size and crop


@no_type_check
def _height_width(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = (size, size) if isinstance(size, int) else size
    if not (
        isinstance(sides, tuple | list)
        and len(sides) == 2
        and all(isinstance(side, int) and _SMALLEST <= side <= 8192 for side in sides)
    ):
        raise VideoError(f"size must be {_SMALLEST} to 8192 pixels each way, not {size!r}.")
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


def _fit(image: Image.Image, target: tuple[int, int] | None, crop: Crop) -> Image.Image:
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
    return image.resize((target[1], target[0]), Image.Resampling.BICUBIC, box=box)


def _tensor(image: Image.Image) -> UInt8[Tensor, "3 H W"]:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
