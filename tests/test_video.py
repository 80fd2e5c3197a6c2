"""Clips and pictures in and out: what is read, what is written, and every way it can fail."""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_model import blob

from aidagen import mark, video
from aidagen.encoding import Encoder, fine
from aidagen.errors import AidagenError
from aidagen.video import VideoError

CLIP = [blob(x, 0.1, (48, 64)) for x in np.linspace(-0.5, 0.5, 12)]


def encode(path, frames=CLIP, codec="libx264", fps=25, rotate=0, audio=False, **stream_options):
    """A clip in any codec, made without the code under test."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = frames[0].shape[1:] if len(frames) else (48, 64)
        stream.pix_fmt = stream_options.pop("pix_fmt", "yuv420p")
        for name, value in stream_options.items():
            setattr(stream.codec_context, name, value)
        if rotate:
            stream.set_display_rotation(rotate)
        sound = container.add_stream("aac", rate=48000, layout="mono") if audio else None
        for frame in frames:
            pixels = np.ascontiguousarray(frame.permute(1, 2, 0).numpy())
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(picture))
            if sound:
                tone = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.float32), "fltp", "mono")
                tone.sample_rate = 48000
                container.mux(sound.encode(tone))
        container.mux(stream.encode())
        if sound:
            container.mux(sound.encode())
    return path


def audio_only(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), "fltp", "mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def no_frames(path):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    return path


def close(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a.float() - b.float()).abs().mean().item()


def sentence(error: pytest.ExceptionInfo, path) -> str:
    text = str(error.value)
    assert text.endswith(".") and "\n" not in text and str(Path(path).name) in text
    return text


# ------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.mkv", "libx264"),
        ("a.avi", "mpeg4"),
        ("a.ts", "libx264"),
        ("a.mpg", "mpeg1video"),
    ],
)
def test_clips_of_many_kinds(tmp_path, name, codec):
    path = encode(tmp_path / name, codec=codec)
    frames = list(video.read(path))
    assert len(frames) == 12
    assert all(f.dtype == torch.uint8 and f.shape == (3, 48, 64) for f in frames)
    assert close(frames[6], CLIP[6]) < 8
    said = video.info(path)
    assert (said.width, said.height, said.fps) == (64, 48, 25)
    assert said.frames in (12, None)
    if name != "a.mpg":
        assert said.seconds == pytest.approx(0.48, abs=0.1)


def test_reading_takes_frames_one_by_one(tmp_path):
    path = encode(tmp_path / "a.mp4", CLIP * 20)
    stream = video.read(path)
    assert close(next(stream), CLIP[0]) < 4
    stream.close()  # lets go of the file
    assert list(video.read(path, size=16))[-1].shape == (3, 16, 16)


def test_rotated_clips_stand_upright(tmp_path):
    """-90 writes the matrix (0 1; -1 0) of a phone held upright: turn clockwise to show."""
    lying = [torch.rot90(frame, 1, (1, 2)) for frame in CLIP]  # counter-clockwise
    path = encode(tmp_path / "a.mp4", lying, rotate=-90)
    assert (video.info(path).width, video.info(path).height) == (64, 48)
    assert close(next(video.read(path)), CLIP[0]) < 4
    upside_down = [torch.rot90(frame, 2, (1, 2)) for frame in CLIP]
    path = encode(tmp_path / "b.mp4", upside_down, rotate=180)
    assert close(next(video.read(path)), CLIP[0]) < 4


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    path = encode(tmp_path / "a.mp4", sample_aspect_ratio=Fraction(2, 1))
    assert video.info(path)[:2] == (128, 48)
    assert next(video.read(path)).shape == (3, 48, 128)


@pytest.mark.parametrize("pix_fmt", ["gray", "yuv444p", "yuvj420p", "yuv420p10le"])
def test_pixel_formats(tmp_path, pix_fmt):
    full = {"color_range": 2} if pix_fmt in ("gray", "yuvj420p") else {}
    path = encode(tmp_path / "a.mkv", pix_fmt=pix_fmt, **full)
    got = next(video.read(path))
    assert got.shape == (3, 48, 64)
    expected = CLIP[0].float()
    if pix_fmt == "gray":
        weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
        expected = (expected * weights).sum(0).expand(3, -1, -1)
    assert close(got, expected) < 5


def test_see_through_video_is_laid_on_white(tmp_path):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "argb"
        pixels = np.zeros((48, 64, 4), np.uint8)
        pixels[:, 32:] = (255, 255, 0, 0)  # a, r, g, b
        frame = av.VideoFrame.from_ndarray(pixels, format="argb")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    got = next(video.read(path))
    assert got[:, 10, 10].tolist() == [255, 255, 255] and got[:, 10, 50].tolist() == [255, 0, 0]


def test_odd_sizes_portrait_and_landscape(tmp_path):
    odd = [blob(0, 0, (35, 51)) for _ in range(3)]
    path = encode(tmp_path / "a.mkv", odd, pix_fmt="yuv444p")
    assert next(video.read(path)).shape == (3, 35, 51)
    for height, width in ((120, 40), (40, 120)):
        image = Image.fromarray(blob(0, 0, (height, width)).permute(1, 2, 0).numpy())
        image.save(tmp_path / "b.png")
        square = video.read_image(tmp_path / "b.png", size=32)
        assert close(square, blob(0, 0, 32)) < 4  # the blob is in the middle, and stays round
        squeezed = video.read_image(tmp_path / "b.png", size=(20, 30), crop="stretch")
        assert squeezed.shape == (3, 20, 30)


def test_quick_resizing_of_large_frames_stays_close(tmp_path):
    """On a picture with detail at all scales; frames that are not large come as they always do."""
    generator = torch.Generator().manual_seed(0)
    picture = sum(
        torch.nn.functional.interpolate(
            torch.rand(1, 3, side, side, generator=generator) - 0.5, 720, mode="bicubic"
        ) * 4 / side**0.75 for side in (4, 12, 36, 108, 324)
    )  # fmt: skip
    picture = ((picture[0] + 0.5).clamp(0, 1) * 255).byte()
    for size, differs in ((64, True), (128, True), (200, False), (256, False)):
        exact, quick = (
            next(video.read(_png(tmp_path, picture), size, quick=way)).int()
            for way in (False, True)
        )
        off = (exact - quick).abs()
        assert exact.float().std() > 20 and bool(off.any()) == differs
        assert off.max() <= 3 and off.float().mean() < 0.4, size


def _png(folder, picture):
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / "large.png")
    return folder / "large.png"


def test_crops(tmp_path):
    ramp = torch.arange(100).expand(3, 60, 100).to(torch.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(ramp.permute(1, 2, 0).numpy()).save(path)
    assert video.read_image(path, crop=(10, 5, 30, 55)).shape == (3, 50, 20)
    assert video.read_image(path, crop=(10, 5, 30, 55))[0, 0, 0] == 10
    boxed = video.read_image(path, size=8, crop=(10, 5, 30, 55))
    assert boxed.shape == (3, 8, 8) and 10 <= boxed.min() <= 13 and 27 <= boxed.max() <= 30
    middle = video.read_image(path, size=30)
    assert 20 <= middle[0, 0, 0] <= 22 and 77 <= middle[0, 0, -1] <= 79  # columns 20 to 80
    for crop in ((10, 5, 5, 55), "left", (1, 2, 3), (0, 0, 101, 10)):
        with pytest.raises(VideoError, match="crop"):
            video.read_image(path, crop=crop)
    for size in (0, -3, 2.5, "64", (16, 0), (16, 16, 3), 10**6):
        with pytest.raises(VideoError, match="size"):
            video.read_image(path, size=size)


def test_shrinking_smooths(tmp_path):
    stripes = (torch.arange(256) % 2 * 255).expand(3, 256, 256).to(torch.uint8)
    Image.fromarray(stripes.permute(1, 2, 0).numpy()).save(tmp_path / "a.png")
    small = video.read_image(tmp_path / "a.png", size=32).float()
    assert (small - 127.5).abs().max() < 10


# ----------------------------------------------------------------------------------- pictures

RED_GREEN = np.zeros((40, 60, 3), np.uint8)
RED_GREEN[:20, :, 0] = RED_GREEN[20:, :, 1] = 255


def test_picture_modes(tmp_path):
    image = Image.fromarray(RED_GREEN)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "a.jpg", quality=95)
    image.save(tmp_path / "a.bmp")
    image.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    image.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    for name in ("a.png", "a.jpg", "a.bmp", "palette.png", "cmyk.jpg"):
        got = video.read_image(tmp_path / name)
        assert got.shape == (3, 40, 60), name
        assert close(got, torch.from_numpy(RED_GREEN).permute(2, 0, 1)) < 6, name
        assert len(list(video.read(tmp_path / name))) == 1
        assert video.info(tmp_path / name)[:5] == (60, 40, None, 1, 0.0)
    image.convert("L").save(tmp_path / "grey.png")
    assert video.read_image(tmp_path / "grey.png")[:, 0, 0].tolist() == [76, 76, 76]
    Image.fromarray(np.full((40, 60), 128 * 257, np.uint16)).save(tmp_path / "deep.png")
    assert video.read_image(tmp_path / "deep.png")[:, 0, 0].tolist() == [128, 128, 128]
    seen_through = np.dstack(
        [RED_GREEN, np.where(np.arange(60) < 30, 0, 255) + 0 * RED_GREEN[..., 0]]
    )
    Image.fromarray(seen_through.astype(np.uint8)).save(tmp_path / "alpha.png")
    got = video.read_image(tmp_path / "alpha.png")
    assert got[:, 5, 5].tolist() == [255, 255, 255] and got[:, 5, 50].tolist() == [255, 0, 0]


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_camera_pictures_are_turned(tmp_path, name):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    Image.fromarray(np.rot90(RED_GREEN).copy()).save(tmp_path / name, exif=exif)
    got = video.read_image(tmp_path / name)
    assert got.shape == (3, 40, 60) and video.info(tmp_path / name)[:2] == (60, 40)
    assert close(got, torch.from_numpy(RED_GREEN).permute(2, 0, 1)) < 5


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_moving_pictures(tmp_path, suffix):
    frames = [Image.fromarray(frame.permute(1, 2, 0).numpy()) for frame in CLIP]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50, loop=0)
    got = list(video.read(path))
    assert len(got) == 12 and close(got[7], CLIP[7]) < 8
    said = video.info(path)
    assert said[:2] == (64, 48) and said.frames == 12
    assert said.fps == pytest.approx(20, rel=0.01) and said.seconds == pytest.approx(0.6, rel=0.01)


def test_see_through_gifs_are_laid_on_white(tmp_path):
    frames = []
    for x in range(4):
        layer = np.zeros((40, 40, 4), np.uint8)
        layer[10:20, 5 + 8 * x : 12 + 8 * x] = (255, 0, 0, 255)
        frames.append(Image.fromarray(layer))
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, disposal=2)
    got = list(video.read(path))
    for x, frame in enumerate(got):
        assert frame[:, 15, 8 + 8 * x].tolist() == [255, 0, 0]
        assert frame[:, 30, 30].tolist() == [255, 255, 255]
        assert frame[:, 15, 8 + 8 * ((x + 2) % 4)].tolist() == [255, 255, 255]  # nothing is left


# ------------------------------------------------------------------------------- unreadable


def cut(path, share=0.6):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def damaged(tmp_path, kind):
    long = [torch.randint(0, 255, (3, 48, 64), dtype=torch.uint8) for _ in range(30)]
    if kind == "index lost.mp4":
        return cut(encode(tmp_path / kind, long))
    if kind == "index in front.mp4":
        video.write(tmp_path / kind, long)
        return cut(tmp_path / kind)
    if kind.endswith("webm"):
        return cut(encode(tmp_path / kind, long * 2, "libvpx-vp9"))
    if kind.endswith("avi"):
        return cut(encode(tmp_path / kind, long, "mpeg4"))
    if kind.endswith("mkv"):
        return cut(encode(tmp_path / kind, long * 2))
    image = Image.fromarray(long[0].permute(1, 2, 0).numpy())
    if kind.endswith("gif"):
        rest = [Image.fromarray(frame.permute(1, 2, 0).numpy()) for frame in long[1:]]
        image.save(tmp_path / kind, save_all=True, append_images=rest)
    else:
        image.save(tmp_path / kind)
    return cut(tmp_path / kind)


@pytest.mark.parametrize(
    "kind",
    ["index lost.mp4", "index in front.mp4", "a.webm", "a.avi", "a.mkv", "a.jpg", "a.png", "a.gif"],
)
def test_files_that_break_off(tmp_path, kind):
    path = damaged(tmp_path, kind)
    with pytest.raises(VideoError, match=r"damaged|cut short") as error:
        list(video.read(path))
    sentence(error, path)


def test_an_mp4_that_breaks_off_is_refused_at_once(tmp_path):
    path = damaged(tmp_path, "index in front.mp4")
    for look in (video.info, video.read_image):
        with pytest.raises(VideoError, match="bytes are missing"):
            look(path)


def test_files_that_hold_no_pictures(tmp_path):
    cases = {
        "sound.mp4": (audio_only, "sound but no pictures"),
        "sound.wav": (None, "sound but no pictures"),
        "nothing.mp4": (no_frames, "no frames|no pictures|neither"),
    }
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for name, (make, reason) in cases.items():
        path = tmp_path / name
        if make:
            make(path)
        for look in (video.info, video.read_image, lambda p: list(video.read(p))):
            with pytest.raises(VideoError, match=reason) as error:
                look(path)
            sentence(error, path)


def test_files_that_are_something_else(tmp_path):
    texts = {
        "text.mp4": "Once upon a time\n" * 50,
        "text.txt": "FFmpeg would show this as a film of a terminal\n" * 50,
        "subtitles.srt": "1\n00:00:00,000 --> 00:00:01,000\nhi\n",
        "list.m3u8": "#EXTM3U\n#EXTINF:1\n/etc/passwd\n",
        "list.mp4": "ffconcat version 1.0\nfile other.mp4\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "page.png").write_text("<!doctype html><title>404</title>")
    encode(tmp_path / "other.mp4")
    for name in (*texts, "noise.mp4", "page.png"):
        for look in (video.info, lambda p: list(video.read(p))):
            with pytest.raises(VideoError, match="neither a video nor a picture") as error:
                look(tmp_path / name)
            sentence(error, name)


def test_files_that_are_not_there_or_no_files(tmp_path):
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    cases = {
        "missing.mp4": "no file",
        "empty.mp4": "empty",
        ".": "folder",
        "pipe.mp4": "not an ordinary file",
        "loop.mp4": "cannot be read",
        "missing/a.mp4": "no file",
        "empty.mp4/a.mp4": "cannot be read",
        "x" * 300: "cannot be read",
    }
    for name, reason in cases.items():
        for look in (video.info, video.read, video.read_image, video.html):  # at the call
            with pytest.raises(VideoError, match=reason) as error:
                look(tmp_path / name)
            sentence(error, tmp_path / name)
    assert issubclass(VideoError, AidagenError)


def test_files_that_may_not_be_read(tmp_path, monkeypatch):
    path = encode(tmp_path / "a.mp4")
    path.chmod(0)
    if os.geteuid() == 0:  # root may read everything

        def refuse(self, *args, **kwargs):
            raise PermissionError(errno.EACCES, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(VideoError, match="permission denied"):
        video.read(path)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1)])
def test_one_pixel_is_no_picture(tmp_path, shape):
    Image.new("RGB", shape).save(tmp_path / "a.png")
    encode(tmp_path / "a.mkv", [torch.zeros(3, *shape, dtype=torch.uint8)] * 3, pix_fmt="yuv444p")
    for name in ("a.png", "a.mkv"):
        with pytest.raises(VideoError, match="at least 2 pixels"):
            video.read_image(tmp_path / name, size=16)


def test_sound_with_a_cover_picture_is_sound(tmp_path):
    cover = tmp_path / "cover.png"
    Image.fromarray(RED_GREEN).save(cover)
    audio_only(tmp_path / "a.m4a")
    path = tmp_path / "b.m4a"
    with av.open(str(tmp_path / "a.m4a")) as sound, av.open(str(cover)) as picture:
        with av.open(str(path), "w", format="mp4") as out:
            track = out.add_stream_from_template(sound.streams.audio[0])
            image = out.add_stream_from_template(picture.streams.video[0])
            image.disposition = av.stream.Disposition.attached_pic
            for source, target in ((picture, image), (sound, track)):
                for packet in source.demux():
                    if packet.dts is not None:
                        packet.stream = target
                        out.mux(packet)
    with pytest.raises(VideoError, match="sound but no pictures"):
        video.info(path)


def test_clips_with_sound_and_stopped_early(tmp_path):
    path = encode(tmp_path / "a.mp4", CLIP * 4, audio=True)
    assert len(list(video.read(path))) == 48
    assert video.info(path).frames == 48


# ------------------------------------------------------------------------------------ writing


def test_what_is_written_plays_everywhere(tmp_path):
    path = tmp_path / "out.mp4"
    video.write(path, CLIP, fps=30000 / 1001, mark=False)
    content = path.read_bytes()
    assert content.find(b"moov") < content.find(b"mdat")  # starts before it is loaded
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate) == pytest.approx(29.97, abs=0.001)
        assert stream.frames == 12 and len(container.streams) == 1
        assert container.metadata["comment"] == video.PROVENANCE
        assert container.metadata["title"] == "AI-generated clip"
        assert "creation_time" not in container.metadata
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == 12
    for frame, expected in zip(decoded, CLIP, strict=True):
        assert close(torch.from_numpy(frame).permute(2, 0, 1), expected) < 4
    assert oct(path.stat().st_mode & 0o777) == oct(0o666 & ~umask())
    assert os.listdir(tmp_path) == ["out.mp4"]


def umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def test_colours_survive(tmp_path):
    for colour in ((255, 0, 0), (0, 255, 0), (30, 60, 220), (255, 255, 255), (0, 0, 0)):
        flat = torch.tensor(colour, dtype=torch.uint8)[:, None, None].expand(3, 32, 32)
        video.write(tmp_path / "a.mp4", [flat], mark=False)
        assert close(video.read_image(tmp_path / "a.mp4"), flat) < 3


def test_writing_twice_gives_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        video.write(tmp_path / name, CLIP, note=video.provenance("fomm-faces-64", "relative"))
    hashes = {hashlib.sha256((tmp_path / n).read_bytes()).digest() for n in ("a.mp4", "b.mp4")}
    assert len(hashes) == 1


def test_the_note(tmp_path):
    note = video.provenance("fomm-faces-64", "relative")
    assert "aidagen" in note and "fomm-faces-64" in note and "relative" in note
    for given in (note, None):
        video.write(tmp_path / "a.mp4", CLIP, note=given)
        with av.open(str(tmp_path / "a.mp4")) as container:
            assert container.metadata.get("comment") == given
            assert container.metadata.get("title") == (given and "AI-generated clip")


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (64, 48), (128, 128), (256, 256), (90, 400)])
def test_the_mark_is_visible_and_small(tmp_path, size):
    for level in (0, 128, 255):
        plain = torch.full((3, *size), level, dtype=torch.uint8)
        video.write(tmp_path / "a.mp4", [plain], mark=True)
        video.write(tmp_path / "b.mp4", [plain], mark=False)
        with_mark, without = (video.read_image(tmp_path / n).float() for n in ("a.mp4", "b.mp4"))
        difference = (with_mark - without).abs().amax(0)
        assert difference.max() > 60  # visible on black, grey and white
        changed = difference > 24
        assert 0.003 < changed.float().mean() < 0.09
        rows, columns = changed.nonzero(as_tuple=True)
        assert rows.min() > 0.6 * size[0] and columns.min() > 0.35 * size[1]
        assert close(without, plain) < 2
    assert not torch.equal(video.marked(plain), plain)


def test_the_mark_says_as_much_as_fits():
    widths = {size: mark._plate(size, size).shape[1] / size for size in (64, 128, 256, 512)}
    assert all(share <= 0.6 for share in widths.values())
    assert widths[64] < 0.3 < widths[256]  # "AI" against the whole text


@pytest.mark.parametrize("size", [(2, 2), (35, 51), (64, 51), (35, 64), (17, 400)])
def test_odd_sizes_are_made_even(tmp_path, size):
    frames = [blob(0, 0, size).float() / 255 for _ in range(3)]
    video.write(tmp_path / "a.mp4", frames, mark=False)
    got = video.read_image(tmp_path / "a.mp4")
    even = tuple(n + n % 2 for n in size)
    assert got.shape == (3, *even)
    if min(size) > 2:
        assert close(got[:, : size[0], : size[1]], blob(0, 0, size)) < 6


def test_bytes_and_floats_are_written_alike(tmp_path):
    video.write(tmp_path / "a.mp4", CLIP)
    video.write(tmp_path / "b.mp4", [frame.double() / 255 for frame in CLIP])
    a, b = (torch.stack(list(video.read(tmp_path / f"{name}.mp4"))).float() for name in "ab")
    assert (a - b).abs().mean() < 0.5  # of 255; an encoder need not repeat itself to the bit


class Stop(BaseException):
    pass


@pytest.mark.parametrize("problem", [ValueError, KeyboardInterrupt, Stop, SystemExit])
def test_nothing_is_left_when_writing_ends_badly(tmp_path, problem):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"what was there before")
    with pytest.raises(problem), video.Writer(path) as out:
        assert len(os.listdir(tmp_path)) == 2
        for frame in CLIP:
            out.add(frame)
        raise problem
    assert path.read_bytes() == b"what was there before"
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_bad_frames_leave_nothing(tmp_path):
    nan = CLIP[0].float() / 255
    nan[0, 0, 0] = torch.nan
    cases = [
        (blob(0, 0, (48, 62)), "one size"),
        (CLIP[0][:1], "shape"),
        (CLIP[0].permute(1, 2, 0), "shape"),
        (CLIP[0].float(), "from 20 to 254"),
        (CLIP[0].long(), "int64"),
        (nan, "NaN"),
        (CLIP[0].numpy(), "ndarray"),
    ]
    for bad, reason in cases:
        with pytest.raises(VideoError, match=reason):
            video.write(tmp_path / "out.mp4", [CLIP[0], CLIP[1], bad])
        assert os.listdir(tmp_path) == []
    with pytest.raises(VideoError, match="no frames"):
        video.write(tmp_path / "out.mp4", [])
    with pytest.raises(VideoError, match="with Writer"):
        video.Writer(tmp_path / "out.mp4").add(CLIP[0])
    for fps in (0, -1, float("nan"), float("inf"), "25"):
        with pytest.raises(VideoError, match="fps"):
            video.write(tmp_path / "out.mp4", CLIP, fps=fps)
    assert os.listdir(tmp_path) == []


def test_places_where_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    cases = {
        "missing/out.mp4": "does not exist",
        "file/out.mp4": "not a folder|could not be written",
        ".": "folder",
        "out.gif": "does not end in .mp4",
        "out": "does not end in .mp4",
        "pipe.mp4": "not an ordinary file",
        "x" * 300 + ".mp4": "could not be written",
    }
    for name, reason in cases.items():
        with pytest.raises(VideoError, match=reason) as error:
            video.write(tmp_path / name, CLIP)
        assert str(error.value).endswith(".")
    denied = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr("tempfile.mkstemp", lambda **_: (_ for _ in ()).throw(denied))
    with pytest.raises(VideoError, match="permission denied"):
        video.write(tmp_path / "out.mp4", CLIP)
    assert sorted(os.listdir(tmp_path)) == ["file", "pipe.mp4"]


@pytest.mark.skipif(
    sys.platform == "win32" or (os.geteuid() == 0 and shutil.which("setpriv") is None),
    reason="nothing here takes away the right to write everywhere",
)
def test_folders_that_may_not_be_written_to(tmp_path):
    """In a process of its own, for root has to lose the capability to write everywhere."""
    script = """if True:
        import sys, torch
        from aidagen import video
        try:
            video.write(sys.argv[1], torch.zeros(2, 3, 16, 16))
        except video.VideoError as error:
            print(error)
    """
    (tmp_path / "locked").mkdir(mode=0o500)
    without = ["setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override"]
    done = subprocess.run(
        [*(without if os.geteuid() == 0 else []),
         sys.executable, "-c", script, str(tmp_path / "locked" / "out.mp4")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert "permission denied" in done.stdout, done.stdout + done.stderr
    assert os.listdir(tmp_path / "locked") == []


def test_inputs_are_never_replaced(tmp_path):
    path = encode(tmp_path / "a.mp4")
    before = path.read_bytes()
    (tmp_path / "link.mp4").symlink_to(path)
    os.link(path, tmp_path / "hard.mp4")
    for name in ("a.mp4", "link.mp4", "hard.mp4", "../" + tmp_path.name + "/a.mp4"):
        with pytest.raises(VideoError, match="also an input"):
            video.write(tmp_path / name, video.read(path), inputs=[path])
    assert path.read_bytes() == before


def test_links_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.mp4").symlink_to(tmp_path / "real" / "a.mp4")
    video.write(tmp_path / "link.mp4", CLIP)
    assert (tmp_path / "link.mp4").is_symlink()
    assert os.listdir(tmp_path / "real") == ["a.mp4"]


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")
    for where in ("aidagen.video.os.replace", "aidagen.encoding.av.open"):
        with monkeypatch.context() as patch:
            patch.setattr(where, lambda *_, **__: (_ for _ in ()).throw(full))
            with pytest.raises(VideoError, match=r"out.mp4 .*no space left.*nothing was left"):
                video.write(tmp_path / "out.mp4", CLIP)
        assert os.listdir(tmp_path) == []


def test_a_folder_that_vanishes_while_it_is_written_to(tmp_path):
    folder = tmp_path / "stick"
    folder.mkdir()
    with (
        pytest.raises(VideoError, match=r"out.mp4 .*no such file .*nothing was left behind\.$"),
        video.Writer(folder / "out.mp4") as out,
    ):
        out.add(CLIP[0])
        shutil.rmtree(folder)
        out.add(CLIP[1])
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no disk that is always full")
@pytest.mark.parametrize("sound", [False, True])
def test_a_disk_that_is_always_full(tmp_path, monkeypatch, sound):
    clip = encode(tmp_path / "a.mkv", audio=True) if sound else None
    monkeypatch.setattr("aidagen.files.replacing", lambda _: nullcontext(Path("/dev/full")))
    with pytest.raises(VideoError, match=r"out.mp4 .*no space left.*nothing was left behind\.$"):
        video.write(tmp_path / "out.mp4", CLIP, sound=clip)
    assert os.listdir(tmp_path) == ["a.mkv"] * sound


NAMES = ["가" * 80 + ".mp4", "가" * 83 + "ab.mp4", "n" * 251 + ".mp4", os.fsdecode(b"caf\xe9.mp4")]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count in other units")
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_of_up_to_255_bytes(tmp_path, name):
    """A temporary name repeats a part of the name and must not be too long for the system."""
    video.write(tmp_path / name, CLIP)
    assert os.listdir(tmp_path) == [name]
    assert video.info(tmp_path / name).frames == len(CLIP)


def test_the_same_frames_make_the_same_file(tmp_path):
    """Data sets are checked by the hashes of clips; these frames gave another file each time."""
    random, x = np.random.default_rng(1), np.arange(64) / 5
    blocks = np.kron(random.random((40, 8, 8, 3)), np.ones((1, 8, 8, 1)))
    frames = []
    for t, block in enumerate(blocks):
        held = block if t == 0 else 0.8 * held + 0.2 * block
        lit = 120 * held + 60 * np.sin(x + t / 3)[:, None] + 60
        frames.append((lit + random.normal(0, 3, lit.shape)).clip(0, 255).astype(np.uint8))
    found, elsewhere = set(), []
    for _ in range(6):
        elsewhere.append(np.empty(random.integers(5000), np.uint8))  # buffers lie elsewhere, too
        with Encoder(tmp_path / "a.mp4", Fraction(25), fine(12)) as encoder:
            for frame in frames:
                encoder.add(frame)
        found.add(hashlib.sha256((tmp_path / "a.mp4").read_bytes()).hexdigest())
    assert len(found) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on file sizes")
def test_writes_that_truly_fail_are_told(tmp_path):
    """The operating system refuses bytes beyond a limit, as it does on a full disk."""
    script = """if True:
        import resource, signal, sys, torch
        from aidagen import video
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for limit in (0, 2000, 20000, 200000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))
            frames = (torch.rand(3, 128, 128) for _ in range(40))
            try:
                video.write(sys.argv[1], frames)
            except video.VideoError as error:
                print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out.mp4")], capture_output=True, text=True
    )
    assert done.stdout.count("could not be written (file too large)") == 4, done.stdout
    assert os.listdir(tmp_path) == [], done.stderr


# ---------------------------------------------------------------------------- looking at clips


def test_contact_sheet():
    sheet = video.contact_sheet(torch.stack(CLIP), 5)
    pixels = torch.from_numpy(np.array(sheet)).permute(2, 0, 1)
    assert pixels.shape == (3, 3 * 50 + 2, 5 * 66 + 2)
    assert torch.equal(pixels[:, 52:100, 68:132], CLIP[6])  # row 1, column 1
    assert (pixels[:, 102:, 2 * 66 + 2 :] == 255).all()  # no frames 12 to 14
    labelled = video.contact_sheet(
        CLIP, 5, labels=[f"frame {i} with a long name" for i in range(12)]
    )
    assert labelled.height > sheet.height and labelled.width == sheet.width
    below = np.array(labelled)[50 : 50 + 10, 2:66]
    assert below.min() < 100  # letters
    with pytest.raises(VideoError, match="at least one frame"):
        video.contact_sheet([], 4)
    with pytest.raises(VideoError, match="3 labels were given for 12"):
        video.contact_sheet(CLIP, 4, labels=["a", "b", "c"])
    with pytest.raises(VideoError, match="columns"):
        video.contact_sheet(CLIP, 0)


def test_html(tmp_path):
    import base64
    import re

    text = video.html([f.float() / 255 for f in CLIP], 10, alt='A "blob" <moves>')
    tag = re.match(r"<video ([^>]*)>", text).group(1).split(" aria-label")[0]
    assert {"controls", "loop", "muted"} <= set(tag.split()) and "autoplay" not in tag
    assert 'aria-label="A &quot;blob&quot; &lt;moves&gt;"' in text and "<moves>" not in text
    data = re.search(r'src="data:video/mp4;base64,([^"]+)"', text).group(1)
    (tmp_path / "a.mp4").write_bytes(base64.b64decode(data))
    said = video.info(tmp_path / "a.mp4")
    assert (said.frames, said.fps) == (12, 10)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert "AI-generated" in container.metadata["comment"]
    assert data in video.html(tmp_path / "a.mp4")  # a file that plays is not encoded again
    other = encode(tmp_path / "b.avi", codec="mpeg4")
    assert "data:video/mp4" in video.html(other, alt="A blob")
    with pytest.raises(VideoError, match="at least one frame"):
        video.html([])


def test_html_says_when_a_clip_is_too_long_for_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "_HTML_LIMIT", 1000)
    with pytest.raises(VideoError, match="too much for a page"):
        video.html(CLIP)


def test_html_says_when_there_is_no_temporary_folder(monkeypatch):
    def refuse(*_, **__):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(VideoError, match=r"no usable temporary directory .*set TMPDIR"):
        video.html(CLIP)
