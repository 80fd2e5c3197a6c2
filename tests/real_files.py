"""Files as people bring them, built from those in `files/`, which show one rendered head.

`files/` holds what takes other programs to make: clips with data tracks (`timecode.mov`,
`chapters.mp4`), a lossless trim (`trimmed.mov`), varying rates (`pause.mp4`, `call.webm`), HDR
(`patches_pq.mp4`, `patches_hlg.mp4`), HEIC. Whatever PyAV and Pillow write in a moment is made
here, without the code under test.
"""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageCms

FILES = Path(__file__).parent / "files"
ONE = 1 << 16  # 1 in a display matrix


def base(count=120):
    """Frames of base.mp4, (128, 128, 3); 120 at 30 per second."""
    with av.open(str(FILES / "base.mp4")) as clip:
        frames = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
    return frames[:count]


def small(count):
    """The same at 64 x 64."""
    return [np.array(Image.fromarray(frame).resize((64, 64))) for frame in base(count)]


# ---------------------------------------------------------------------------- clips, by PyAV


def encode(path, frames, times, codec="libx264", last=None, sound=None, format=None, **more):
    """A clip whose frames appear at ``times`` (seconds), the last for ``last`` seconds.

    ``sound`` is the number of seconds of a tone from time 0 on; ``first="sound"`` puts its track
    first. ``options`` go to the codec, ``muxer`` and ``metadata`` to the container.
    """
    tick = Fraction(1, 1000 if codec == "libvpx" else 12800)
    with av.open(str(path), "w", format=format, options=more.get("muxer", {})) as out:
        tracks = ["sound", "pictures"] if more.get("first") == "sound" else ["pictures", "sound"]
        streams = {}
        for track in tracks:
            if track == "pictures":
                stream = out.add_stream(codec, rate=30, options=more.get("options", {"crf": "12"}))
                stream.height, stream.width = frames[0].shape[:2]
                stream.pix_fmt = more.get("pixels", "yuv420p")
                stream.time_base = stream.codec_context.time_base = tick
                for name, value in more.get("colours", {}).items():
                    setattr(stream.codec_context, name, value)
                streams[track] = stream
            elif sound:
                streams[track] = out.add_stream("aac", rate=48000, layout="mono")
        durations = [b - a for a, b in zip(times, times[1:])] + [last or times[-1] - times[-2]]
        out.metadata.update(more.get("metadata", {}))
        packets = []
        for pixels, time in zip(frames, times):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = round(time / tick), tick
            packets += streams["pictures"].encode(frame)
        packets += streams["pictures"].encode()
        shown = {round(time / tick): round(each / tick) for time, each in zip(times, durations)}
        for packet in packets:
            packet.duration = shown[packet.pts]
            out.mux(packet)
        for index in range(int((sound or 0) * 48000) // 1024):
            wave = np.sin(np.arange(1024 * index, 1024 * index + 1024) / 20) / 4
            tone = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "fltp", "mono")
            tone.sample_rate, tone.pts = 48000, 1024 * index
            out.mux(streams["sound"].encode(tone))
        if sound:
            out.mux(streams["sound"].encode())
    return path


def remuxed(path, inputs, kinds, cover=None):
    """Tracks copied from files, in this order; track ``cover`` becomes an attached picture."""
    opened = [av.open(str(each)) for each in inputs]
    with av.open(str(path), "w") as out:
        pairs = []
        for number, (source, kind) in enumerate(zip(opened, kinds)):
            track = getattr(source.streams, kind)[0]
            target = out.add_stream_from_template(track)
            if number == cover:
                target.disposition = av.stream.Disposition.attached_pic
            pairs.append((source, track, target))
        for source, track, target in pairs:
            for packet in source.demux(track):
                if packet.size:
                    packet.stream = target
                    out.mux(packet)
    for each in opened:
        each.close()
    return path


def boxes(data, start=0, end=None):
    """(kind, first byte of its content) of the boxes of an mp4 that lead to its tracks."""
    at, end = start, len(data) if end is None else end
    while at + 8 <= end:
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        yield kind, at + 8
        if kind in (b"moov", b"trak", b"edts", b"mdia"):
            yield from boxes(data, at + 8, at + size)
        at += size or end - at


def patched(source, path, edit=None, matrix=None):
    """A copy with another edit (start and length in seconds) or display matrix (a b c d x y)."""
    data = bytearray((FILES / source if isinstance(source, str) else source).read_bytes())
    places = list(boxes(bytes(data)))
    scale = {
        kind: struct.unpack(">I", data[at + 12 : at + 16])[0]
        for kind, at in places
        if kind in (b"mvhd", b"mdhd")
    }
    for kind, at in places:
        if edit is not None:
            start, length = round(edit[0] * scale[b"mdhd"]), round(edit[1] * scale[b"mvhd"])
            if kind == b"elst":
                start += struct.unpack(">i", data[at + 12 : at + 16])[0]  # after B-frames' delay
                data[at + 8 : at + 16] = struct.pack(">Ii", length, start)
            elif kind in (b"tkhd", b"mvhd"):
                begin = at + (20 if kind == b"tkhd" else 16)
                data[begin : begin + 4] = struct.pack(">I", length)
        if matrix is not None and kind == b"tkhd":
            a, b, c, d, x, y = matrix
            data[at + 40 : at + 76] = struct.pack(">9i", a, b, 0, c, d, 0, x, y, 1 << 30)
    path.write_bytes(data)
    return path


def replaced(source, path, *pairs):
    """A copy with some bytes for others."""
    data = (FILES / source).read_bytes()
    for old, new in pairs:
        assert old in data
        data = data.replace(old, new)
    path.write_bytes(data)
    return path


# ------------------------------------------------------------------------- pictures, by Pillow


def animated(path, frames, delays, **options):
    """An animated picture; ``delays`` in milliseconds, one for all or one for each."""
    first, *rest = (Image.fromarray(each) for each in frames)
    first.save(path, save_all=True, append_images=rest, duration=delays, loop=0, **options)
    return path


def gif(path, frames, delays):
    """A GIF with delays as they are given: Pillow writes none of 0 ms."""
    animated(path, frames, 1230)
    data, at = path.read_bytes(), 0
    marker = b"\x21\xf9\x04"  # before the flags and the delay of a frame
    for delay in delays:
        at = data.index(marker, at) + 4
        data = data[:at] + struct.pack("<H", delay // 10) + data[at + 2 :]
    path.write_bytes(data)
    return path


def deep(path, pixels, codec, format):
    """A picture of 16 bits per channel, which Pillow does not write."""
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as out:
        stream = out.add_stream(codec, rate=1)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = format
        frame = av.VideoFrame.from_ndarray(pixels.astype(np.uint16) * 257, format=format)
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def display_p3():
    """The profile of Apple's screens: that of sRGB with other primaries (adapted to D50)."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    for number in range(struct.unpack(">I", data[128:132])[0]):
        tag, at, _ = struct.unpack(">4sII", data[132 + 12 * number : 144 + 12 * number])
        if tag in primaries:
            values = (round(value * ONE) for value in primaries[tag])
            data[at + 8 : at + 20] = struct.pack(">3i", *values)
    return bytes(data).replace("sRGB".encode("utf-16-be"), "P3 D".encode("utf-16-be"))
