"""Video files decoded by PyAV: all of a file's pictures, or a span of them.

`aidagen.footage` reads whatever a user may have, stills included, through ``pictures``; the
course's own clips, which have a constant rate, are read in parts through ``span``.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from aidagen.errors import VideoError
from aidagen.stills import as_rgb, large_enough

# Only what is meant to hold pictures: FFmpeg would also render a text file as a terminal, and
# follow the links in a playlist.
_CLIPS = set(
    "3gp ac3 asf avi dv flac flv gif h264 hevc ivf m4v matroska mjpeg mov mp3 mpeg mpegts "
    "mpegvideo mxf nut obu ogg wav webm yuv4mpegpipe".split()
)
_TURNS = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}


def open_clip(path: Path) -> av.container.InputContainer:
    """The opened file. Raises ``VideoError`` for what is no video, or only might be one."""
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


def picture_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
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


def pictures(container, stream: av.VideoStream, path: Path) -> Iterator[Image.Image]:
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
                    yield large_enough(_upright(frame, aspect), path)
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


def span(path: Path, start: int, stop: int) -> Iterator[tuple[int, UInt8[np.ndarray, "H W 3"]]]:
    """(number, RGB) of frames ``start`` to ``stop - 1`` of a clip that has a constant frame rate.

    Decoding begins at the last keyframe before ``start`` and ends with the last frame asked for.
    Raises ``VideoError`` where the file is damaged or ends before ``stop``.
    """
    number = start - 1
    with open_clip(path) as container:
        stream = picture_stream(container, path)
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
    raise _cut_short(path, number + 1)


def _from_keyframe(container, stream: av.VideoStream, time: int) -> Iterator[av.VideoFrame]:
    """Decoded frames, beginning with the last keyframe before ``time`` (in the stream's ticks)."""
    container.seek(time, stream=stream)
    yield from container.decode(stream)


def frame_rate(path: Path) -> Fraction:
    """Frames per second of a clip that has a constant frame rate. Raises ``VideoError``."""
    with open_clip(path) as container:
        return picture_stream(container, path).average_rate


def plays_in_browsers(path: Path) -> bool:
    """Whether the file is H.264 in an mp4, in the pixel format that every browser plays."""
    try:
        with av.open(f"file:{path}") as container:
            codec = container.streams.video[0].codec_context
            kind = (codec.name, codec.pix_fmt)
            return "mp4" in container.format.name and kind == ("h264", "yuv420p")
    except (av.error.FFmpegError, IndexError):
        return False  # a still, for one


def _upright(frame: av.VideoFrame, aspect: Fraction | None) -> Image.Image:
    """RGB picture of a decoded frame as a player shows it: square pixels, turned."""
    alpha = any(component.is_alpha for component in frame.format.components)
    image = Image.fromarray(frame.to_ndarray(format="rgba" if alpha else "rgb24"))
    image = as_rgb(image, "The clip")
    if aspect and aspect != 1 and Fraction(1, 4) <= aspect <= 4:  # a pixel's width / its height
        image = image.resize((max(round(image.width * aspect), 1), image.height))
    turns = round(frame.rotation / 90) % 4  # the flag counts counter-clockwise
    return image.transpose(_TURNS[turns]) if turns else image
