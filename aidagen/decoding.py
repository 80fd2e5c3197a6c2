"""Video files decoded by PyAV: the pictures of whatever clip a user may have, and when they appear.

``survey`` goes through the packets of a file without decoding them: it finds out whether the file
is whole, when each frame is shown, and with that at which rate the clip is read (`aidagen.timing`).
``pictures`` decodes. Only the one stream of moving pictures is decoded; sound, subtitles, time
codes, chapters and attached pictures are left alone, in whatever order the tracks come.

Edit lists are honoured (FFmpeg marks the frames that they leave out), time counts from the first
picture that is shown, and pictures are turned and mirrored as the file's display matrix says.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import av
from av.sidedata.sidedata import Type
from PIL import Image

from aidagen import colours
from aidagen.errors import VideoError
from aidagen.stills import as_rgb, large_enough
from aidagen.timing import Timing, timing

# Only what is meant to hold pictures: FFmpeg would also render a text file as a terminal, and
# follow the links in a playlist.
_CLIPS = set(
    "3gp ac3 asf avi dv flac flv gif h264 hevc ivf m4v matroska mjpeg mov mp3 mpeg mpegts "
    "mpegvideo mxf nut obu ogg wav webm yuv4mpegpipe".split()
)
_DOLBY = {"dvh1", "dvhe"}  # Dolby Vision whose colours mean nothing without its metadata
_JUMP = 10  # seconds: a gap that a recording of a broadcast has where its clock was set anew
_LONGEST = 600  # seconds that one frame may be shown


class Survey(NamedTuple):
    """What the packets of a clip tell."""

    timing: Timing
    times: Sequence[float] = ()  # of the frames, in order, where the decoder would not know them


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
    moving = [each for each in container.streams.video if not each.disposition & cover]
    if not moving:
        raise VideoError(f"{path} holds sound but no pictures; name a video or a picture.")
    stream = next((each for each in moving if each.codec_context is not None), None)
    if stream is None:
        raise VideoError(
            f"{path} holds pictures in a coding that cannot be read here; export it as H.264 in "
            "mp4."
        )
    missing = _promised(container, path) - path.stat().st_size
    if missing > 0:
        raise VideoError(
            f"{path} is cut short: {missing} of its bytes are missing; fetch or record it again."
        )
    if stream.codec_context.codec_tag in _DOLBY:
        raise VideoError(
            f"{path} is Dolby Vision of a kind whose colours cannot be read here; export it as "
            "SDR, or as HDR10 or HLG."
        )
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = 4  # each thread holds a frame
    return stream


def _promised(container: av.container.InputContainer, path: Path) -> int:
    """How many bytes the file should have, by its own index or header; 0 where neither says."""
    kind = set(container.format.name.split(","))
    if "mov" in kind:
        return max((_indexed_end(each) for each in container.streams), default=0)
    with path.open("rb") as file:
        head = file.read(4096)
    if kind & {"avi", "wav"} and head[:4] == b"RIFF":
        size = int.from_bytes(head[4:8], "little")
        return 8 + size if 0 < size < 2**32 - 1 else 0
    at = head.find(b"\x18\x53\x80\x67")  # Matroska's segment
    if kind & {"matroska", "webm"} and at > 0:
        length = 9 - head[at + 4].bit_length()
        size = int.from_bytes(head[at + 4 : at + 4 + length], "big") - (1 << 7 * length)
        unknown = size == (1 << 7 * length) - 1
        return 0 if unknown else at + 4 + length + size
    return 0


def _indexed_end(stream: av.stream.Stream) -> int:
    """First byte after a stream's last packet, by an mp4's own table."""
    entries = getattr(stream, "index_entries", None)  # new in PyAV 15
    if not entries:
        return 0
    return entries[-1].pos + entries[-1].size


# ------------------------------------------------------------------------------------- times


def survey(path: Path) -> Survey:
    """How a clip is to be read, from its packets alone.

    Raises:
        VideoError: where it holds no pictures, or breaks off before its end.
    """
    with open_clip(path) as container:
        stream = picture_stream(container, path)
        whole = _promised(container, path) > 0 and not _in_fragments(container, stream)
        vp8 = stream.codec_context.name == "vp8"
        times, decoded, durations = [], [], []  # of the frames that are shown
        count, end, damaged, broken = 0, 0.0, False, False
        try:
            for packet in container.demux():
                if not packet.size:
                    continue
                damaged = packet.is_corrupt and stream.frames > 0  # broadcast streams end anyhow
                if packet.pts is not None and packet.time_base:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                if packet.stream_index != stream.index or packet.is_discard:
                    continue
                if vp8 and not bytes(packet)[0] & 16:  # a frame that is only referred to
                    continue
                count += 1
                times.append(packet.pts)
                decoded.append(packet.dts)
                durations.append(packet.duration or 0)
        except (av.error.FFmpegError, av.error.EOFError):
            broken = True
        begin = (container.start_time or 0) / 1e6
        missing = 0 if whole else (container.duration or 0) / 1e6 - (end - begin)
        if broken and not count:
            raise _not_a_clip(path)
        if broken or (count and (damaged or missing > max(0.5, 0.05 * (end - begin)))):
            raise _cut_short(path, count)
        if not count:
            raise VideoError(f"{path} holds no frames; record or export it again.")
        stated = [rate for rate in (stream.guessed_rate, stream.average_rate) if rate]
        # an AVI stores when frames are decoded, which is not the order in which they are shown
        unordered = None in times or container.format.name == "avi"
        times = decoded if unordered else times
        if None in times or _clock_is_set_anew(container, stream, times):
            likely = [rate for rate in stated if 0.1 <= rate <= 480]
            return Survey(Timing(likely[0] if likely else Fraction(25), count))
        unit = float(stream.time_base)
        shown = sorted(zip(times, durations))
        seconds = [time * unit for time, _ in shown]
        last = _last_duration(container, stream, shown) * unit
        longest = max([last, *(b - a for a, b in zip(seconds, seconds[1:]))])
        if longest > _LONGEST:
            raise VideoError(
                f"{path} shows one frame for {longest:.0f} s; trim it, or export it again at a "
                "constant frame rate."
            )
        found = timing(seconds, last, stated)
        return Survey(found, seconds if unordered else ())


def _in_fragments(container: av.container.InputContainer, stream: av.VideoStream) -> bool:
    """Whether an mp4 was written piece by piece, so that no index knows where it ends."""
    return "mov" in container.format.name.split(",") and stream.frames == 0


def _clock_is_set_anew(container, stream: av.VideoStream, times: list[int]) -> bool:
    """Whether a recording of a broadcast has gaps that are none."""
    steps = (float((b - a) * stream.time_base) for a, b in zip(times, times[1:]))
    broadcast = container.format.name in ("mpegts", "mpeg")
    return broadcast and any(step > _JUMP or step < -2 for step in steps)


def _last_duration(container, stream: av.VideoStream, shown: list[tuple[int, int]]) -> int:
    """How long the last frame is shown, in ticks.

    In an mp4 up to the end of the track, or else as its packet says; in other files as its packet
    says, where packets say the truth about the other frames, or else as long as the one before it.
    """
    steps = [(b[0] - a[0], a[1]) for a, b in zip(shown, shown[1:])]
    last = shown[-1][1]
    if "mov" in container.format.name.split(",") and stream.duration and container.duration:
        left = (stream.start_time or 0) + stream.duration - shown[-1][0]
        last = left if 0 < left * stream.time_base <= container.duration / 1e6 else last
        return last or (steps[-1][0] if steps else 0)
    if not steps:
        return last
    honest = sum(abs(step - said) <= max(2, 0.1 * step) for step, said in steps)
    return last if last and honest >= 0.9 * len(steps) else steps[-1][0]


# ---------------------------------------------------------------------------------- pictures


def pictures(
    path: Path, least: int | None = None, times: Sequence[float] = ()
) -> Iterator[tuple[Image.Image, float]]:
    """Decoded pictures as a player shows them, with the time in seconds at which they appear.

    Frames whose colours take long to convert (HDR) may come scaled down, but for ``least`` they
    have at least twice so many pixels each way. ``times`` are those of a `survey`.

    Raises:
        VideoError: where nothing can be decoded, or decoding breaks off.
    """
    with open_clip(path) as container:
        stream = picture_stream(container, path)
        count, time, rotation, turns = 0, 0.0, None, []
        try:
            for frame in _frames(container, stream):
                if count < len(times):
                    time = times[count]
                elif frame.pts is not None:  # frames that are flushed have no time base
                    time = float(frame.pts * (frame.time_base or stream.time_base))
                if frame.rotation != rotation:  # a frame whose side data was seen stays in memory
                    rotation, turns = frame.rotation, _turns(frame)
                image = _upright(frame, stream, least, turns)
                count += 1
                yield large_enough(image, path), time
        except (av.error.FFmpegError, av.error.EOFError):
            if count:
                raise _cut_short(path, count) from None
            raise _not_a_clip(path) from None
    if not count:
        raise VideoError(f"{path} holds no frames; record or export it again.")


def _frames(container, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Whole frames: the two fields of interlaced ones are of different moments."""
    decoded = _decoded(container, stream)
    first = next(decoded, None)
    if first is None:
        return
    frames = chain([first], decoded)
    yield from _deinterlaced(frames, stream) if first.interlaced_frame else frames


def _decoded(container, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    for packet in container.demux(stream):
        if packet.size:
            yield from stream.decode(packet)
    yield from stream.decode(None)  # what the decoder still holds


def _deinterlaced(frames: Iterator[av.VideoFrame], stream) -> Iterator[av.VideoFrame]:
    """One frame for each, with the lines of one field and what FFmpeg finds between them."""
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_buffer(template=stream),
        graph.add("bwdif", "mode=send_frame:deint=interlaced"),
        graph.add("buffersink"),
    ).configure()
    for frame in chain(frames, [None]):
        graph.push(frame)
        try:
            while True:
                yield graph.pull()
        except (BlockingIOError, EOFError):  # it wants another frame; it has ended
            pass


def is_hdr(path: Path) -> bool:
    """Whether a clip's range is compressed to that of an ordinary screen."""
    with open_clip(path) as container:
        return colours.is_hdr(int(picture_stream(container, path).codec_context.color_trc or 0))


def plays_in_browsers(path: Path) -> bool:
    """Whether the file is H.264 in an mp4, in the pixel format that every browser plays."""
    try:
        with av.open(f"file:{path}") as container:
            codec = container.streams.video[0].codec_context
            kind = (codec.name, codec.pix_fmt)
            return "mp4" in container.format.name and kind == ("h264", "yuv420p")
    except (av.error.FFmpegError, IndexError):
        return False  # a still, for one


def _upright(
    frame: av.VideoFrame,
    stream: av.VideoStream,
    least: int | None,
    turns: Sequence[Image.Transpose],
) -> Image.Image:
    """RGB picture of a decoded frame as a player shows it: square pixels, turned and mirrored."""
    codec, aspect = stream.codec_context, stream.sample_aspect_ratio
    kind = int(codec.color_trc or 0), int(codec.color_primaries or 0)
    if colours.needed(*kind):
        part = max(1, min(frame.width, frame.height) // (2 * least)) if least else 1
        width, height = frame.width // part, frame.height // part
        deep = frame.reformat(width, height, "rgb48le", interpolation="AREA").to_ndarray()
        image = Image.fromarray(colours.to_srgb(deep, *kind))
    else:
        alpha = any(component.is_alpha for component in frame.format.components)
        image = Image.fromarray(frame.to_ndarray(format="rgba" if alpha else "rgb24"))
        image = as_rgb(image, "The clip")
    if aspect and aspect != 1 and Fraction(1, 4) <= aspect <= 4:  # a pixel's width / its height
        image = image.resize((max(round(image.width * aspect), 1), image.height))
    for step in turns:
        image = image.transpose(step)
    return image


def _turns(frame: av.VideoFrame) -> list[Image.Transpose]:
    """What a frame's display matrix asks for, to the nearest quarter of a turn.

    Its first two rows (a b, c d) say that the pixel at (x, y) is shown at (ax + cy, bx + dy).
    """
    data = frame.side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return []
    a, b, _, c, d = memoryview(bytes(data)).cast("i")[:5].tolist()
    across, down, steps = a, d, []
    if abs(b) + abs(c) > abs(a) + abs(d):
        across, down, steps = c, b, [Image.Transpose.TRANSPOSE]
    if across < 0:
        steps.append(Image.Transpose.FLIP_LEFT_RIGHT)
    if down < 0:
        steps.append(Image.Transpose.FLIP_TOP_BOTTOM)
    return steps
