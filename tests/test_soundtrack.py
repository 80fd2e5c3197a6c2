"""What is heard with an animated clip: beeps of the driving clip, at the flashes they belong to."""

import struct
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_model import NAME, Rendering, TinyModel, zoo

import aidagen
from aidagen import cli, video

FPS, LENGTH = 25, 60
FLASHES = (11, 30, 47)  # numbers of the frames that flash
AT = [number / FPS for number in FLASHES]  # seconds


class Mirror(TinyModel):
    """Gives the driving frames back."""

    def motion(self, frames):
        return frames

    def relative(self, motion, first, encoded):
        return motion

    def encode(self, source):
        return source

    def render(self, encoded, motion):
        return Rendering(motion, motion, None, motion, ())


@pytest.fixture(autouse=True)
def mirror(monkeypatch):
    stand_in = zoo()
    stand_in.load = lambda name, device="auto": Mirror(32).eval()
    monkeypatch.setattr("aidagen.animating.zoo", stand_in)
    monkeypatch.setitem(sys.modules, "aidagen.zoo", stand_in)
    monkeypatch.setattr(aidagen, "zoo", stand_in, raising=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tone(seconds, rate, start=0.0):
    """A beep of 40 ms at each flash; time ``start`` of the pictures is the first sample."""
    time = np.arange(round(seconds * rate)) / rate + start
    loud = sum((time >= at) & (time < at + 0.04) for at in AT)
    return (0.8 * loud * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)


def record(
    path, codec="aac", rate=48000, layout="stereo", *, pictures="libx264", late=0.0, seconds=2.4,
    pictures_at=0.0, hole=None, **options,
):  # fmt: skip
    """A clip of 60 frames that flashes and beeps, made without the code under test.

    The sound begins ``late`` seconds after the pictures and lasts ``seconds``; both begin
    ``pictures_at`` seconds after the file does; between the two times of ``hole`` there is none.
    """
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(pictures, rate=FPS)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        track = container.add_stream(codec, rate=rate, layout=layout)
        kind = track.codec_context.format.name
        track.time_base = Fraction(1, rate)
        samples = tone(seconds, rate, late)
        channels = track.layout.nb_channels
        step, heard = 1024, 0
        for number in range(LENGTH):
            bright = 230 if number in FLASHES else 30
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), bright, np.uint8), "rgb24")
            frame.pts = number + round(pictures_at * FPS)
            frame.time_base = Fraction(1, FPS)
            container.mux(stream.encode(frame))
            while heard < len(samples) and (number == LENGTH - 1 or heard / rate < number / FPS):
                piece = np.repeat(samples[None, heard : heard + step], channels, 0)
                block = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), "fltp", layout)
                block.sample_rate, block.time_base = rate, Fraction(1, rate)
                block.pts = heard + round((late + pictures_at) * rate)
                now = heard / rate + late
                if hole is None or not hole[0] < now < hole[1]:
                    for made in av.AudioResampler(kind, layout, rate).resample(block):
                        made.pts = block.pts
                        container.mux(track.encode(made))
                heard += step
        container.mux(stream.encode())
        container.mux(track.encode())
    return path


def seen_and_heard(path):
    """Seconds at which a clip flashes and at which it begins to beep; the ends of both."""
    with av.open(str(path)) as container:
        flashes, last = [], 0.0
        for frame in container.decode(video=0):
            last = frame.time + 1 / FPS
            if frame.to_ndarray(format="gray").mean() > 128:
                flashes.append(frame.time)
    beeps, end = [], 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.abs(frame.to_ndarray()).max(0) > 0.25
            times = frame.time + np.flatnonzero(loud) / frame.sample_rate
            beeps.extend(times)
            end = frame.time + frame.samples / frame.sample_rate
    starts = [t for t, gap in zip(beeps, np.diff(beeps, prepend=-9), strict=True) if gap > 0.1]
    return flashes, starts, last, end


def in_step(path, flashes, beeps=None):
    """A beep at each flash (or at the moments ``beeps``), less than half a frame apart."""
    seen, heard, pictures_end, sound_end = seen_and_heard(path)
    assert seen == pytest.approx(flashes, abs=0.5 / FPS)
    assert heard == pytest.approx(flashes if beeps is None else beeps, abs=0.5 / FPS)
    assert sound_end < pictures_end + 1024 / 16000  # AAC fills its last block


def animate(clip, *options, out="out.mp4"):
    code = cli.main(["animate", str(clip), str(clip), out, "--model", NAME, "--no-mark", *options])
    assert code == 0
    return out


@pytest.mark.parametrize(
    "name, given",
    [
        ("phone.mov", {}),
        ("mono.mp4", {"layout": "mono", "rate": 44100}),
        ("surround.mkv", {"codec": "ac3", "layout": "5.1"}),
        ("telephone.mov", {"codec": "pcm_mulaw", "layout": "mono", "rate": 8000}),
        ("odd.mkv", {"codec": "pcm_s16le", "rate": 22255}),
        ("studio.mkv", {"codec": "flac", "rate": 96000}),
        ("old.avi", {"codec": "pcm_u8", "rate": 11025, "pictures": "mpeg4"}),
        ("broadcast.ts", {"codec": "mp2"}),
        ("browser.webm", {"codec": "libopus", "pictures": "libvpx"}),
        ("late.mp4", {"late": 1.0}),
        ("early.mkv", {"late": -0.48, "pictures_at": 0.48, "seconds": 2.9}),
        ("late pictures.mp4", {"pictures_at": 1.0}),
        ("longer.mp4", {"seconds": 6.0}),
        ("gap.mkv", {"codec": "pcm_s16le", "hole": (0.6, 1.1)}),
    ],
    ids=str,
)
def test_each_beep_is_heard_at_its_flash(folder, capsys, name, given):
    record(folder / name, **given)
    animate(name)
    assert capsys.readouterr().out.endswith(f", with the sound of {name}\n")
    with av.open("out.mp4") as container:
        (track,) = container.streams.audio
        assert track.codec_context.name == "aac" and track.layout.name in ("mono", "stereo")
        assert track.layout.nb_channels == (1 if given.get("layout") == "mono" else 2)
    in_step("out.mp4", AT, [at for at in AT if at >= given.get("late", 0)])


def trimmed(path, begin, seconds):
    """Rewrite the edit lists of an mp4 so that it shows a part of itself, as a phone trims."""
    data = bytearray(path.read_bytes())

    def fields(kind, offset):
        at = data.find(kind)
        while at >= 0:
            yield at + offset, struct.unpack(">I", data[at + offset : at + offset + 4])[0]
            at = data.find(kind, at + 4)

    (_, movie), *_ = fields(b"mvhd", 16)
    scales = [scale for _, scale in fields(b"mdhd", 16)]
    for (at, _), (_, start), scale in zip(
        list(fields(b"elst", 12)), list(fields(b"elst", 16)), scales, strict=True
    ):
        data[at : at + 8] = struct.pack(">Ii", round(seconds * movie), start + round(begin * scale))
    path.write_bytes(data)


def test_the_sound_of_a_trimmed_clip(folder):
    clip = record(folder / "a.mp4")
    trimmed(clip, 1.0, 1.0)
    with av.open(str(clip)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == FPS
    frames = [torch.from_numpy(each).permute(2, 0, 1) for each in shown]
    video.write("out.mp4", frames, FPS, mark=False, sound=clip)
    in_step("out.mp4", [at - 1 for at in AT if at > 1])


def test_a_recording_whose_clock_begins_again(folder):
    """Two broadcasts in one file, one behind the other."""
    once = record(folder / "a.ts", codec="mp2").read_bytes()
    (folder / "twice.ts").write_bytes(once + once)
    animate("twice.ts")
    in_step("out.mp4", AT + [at + LENGTH / FPS for at in AT])


def streams(path):
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams]


def test_what_is_said_of_the_sound(folder, capsys):
    record(folder / "a.mp4")
    animate("a.mp4", "--no-sound")
    assert capsys.readouterr().out.endswith("per second, without sound\n")
    assert streams("out.mp4") == ["video"]
    animate(animate("a.mp4", "--no-sound", out="mute.mp4"))
    assert capsys.readouterr().out.endswith("per second, without sound (mute.mp4 has none)\n")
    Image.new("RGB", (32, 32)).save("still.png")
    animate("still.png")
    assert capsys.readouterr().out.endswith("without sound (still.png has none)\n")
    assert streams("out.mp4") == ["video"]


def damage(path, between=(0, 9)):
    """Overwrite the sound between two times."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            if packet.size and between[0] <= packet.pts * packet.time_base < between[1]:
                data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)
    return path


def test_damaged_sound_does_not_stop_the_pictures(folder, capsys):
    damage(record(folder / "part.mp4"), (1.1, 1.4))
    animate("part.mp4")
    assert capsys.readouterr().out.endswith("sound of part.mp4, silent where that is damaged\n")
    assert seen_and_heard("out.mp4")[1] == pytest.approx([AT[0], AT[2]], abs=0.5 / FPS)

    frames = [torch.full((3, 32, 32), 99, dtype=torch.uint8)] * 5
    damage(record(folder / "all.mp4"))
    unknown = record(folder / "unknown.mkv")
    unknown.write_bytes(unknown.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    for name in ("all.mp4", "unknown.mkv"):
        with video.Writer("out.mp4", FPS, sound=name) as out:
            for frame in frames:
                out.add(frame)
        assert out.heard == f"without sound (that of {name} cannot be decoded)"
        assert streams("out.mp4") == ["video"]
        assert video.info("out.mp4").frames == 5
