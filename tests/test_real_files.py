"""What people bring: one table of files, and what is right for each of them.

Each stands for a kind of file on which readers of clips and pictures are publicly known to fail.
"""

import contextlib
import io
import re
import signal
import sys
import warnings
from typing import NamedTuple

import av
import numpy as np
import pytest
import real_files as made
import torch
from PIL import Image, ImageCms, features
from real_files import FILES, ONE
from tiny_model import NAME, zoo

import aidagen
from aidagen import cli, footage, stills
from aidagen.errors import VideoError

FACE, *_ = made.base(1)
SMALL = made.small(30)
PATCHES = np.array(Image.open(FILES / "patches.png"))
COLOURS = [PATCHES[32 * (k // 3) + 16, 32 * (k % 3) + 16] for k in range(9)]
DULL = (PATCHES * 0.5 + 60).astype(np.uint8)
GREY = np.array(Image.open(FILES / "grey8.png").convert("RGB"))


def at(rate, count):
    return [number / rate for number in range(count)]


# a recording of a screen: nothing happens for most of the time
SCREEN = [0, 0.4, 0.417, 0.433, 0.45, 1.2, 1.217, 1.234, 1.25, 1.267, 3.0]
DROPPED = [number / 30 for number in range(60) if number % 10 != 7]


class Row(NamedTuple):
    """What is right for a file."""

    frames: int
    seconds: float
    fps: float
    change: float | None  # seconds until the picture is another for the first time; None: never
    first: np.ndarray  # the first frame, (H, W, 3)
    file: str = ""  # in files/; else what `make` writes
    make: object = None  # function of a path
    note: str = ""  # part of what is said of it
    tolerance: float = 5  # mean difference of the first frame, of 255


STEP = 1 / 30
UPRIGHT = (120, 4.0, 30.0, STEP)
SECOND = (30, 1.0, 30.0, STEP)


def _turned(matrix):
    return lambda path: made.patched("base.mp4", path, matrix=matrix)


def _moving(times, last=None, frames=None, **options):
    """Frames of the head at these times, 64 x 64."""
    return lambda path: made.encode(path, frames or SMALL, times, last=last, **options)


def _clock_set_anew(path):
    """A broadcast in two parts, whose second begins at another hour."""
    for number, start in enumerate((0, 3600)):
        times = [start + time for time in at(30, 30)]
        made.encode(path.with_name(f"{number}.ts"), SMALL, times, muxer={"muxrate": "0"})
    path.write_bytes(b"".join(path.with_name(f"{n}.ts").read_bytes() for n in (0, 1)))


def _two_sizes(path):
    """A call in which the sender changed the size of its pictures."""
    for number, side in enumerate((64, 32)):
        frames = [np.array(Image.fromarray(each).resize((side, side))) for each in SMALL]
        made.encode(path.with_name(f"{number}.h264"), frames, at(30, 30), format="h264")
    path.write_bytes(b"".join(path.with_name(f"{n}.h264").read_bytes() for n in (0, 1)))


def _with_hidden_frames(path):
    """VP8 has frames that are only referred to, in packets of their own."""
    source = path.with_name("plain.webm")
    made.encode(source, SMALL, at(30, 30), codec="libvpx", options={"b:v": "2M"})
    with av.open(str(source)) as plain, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(plain.streams.video[0])
        for number, packet in enumerate(plain.demux(video=0)):
            if number % 8 == 3:
                content = bytes(packet)
                hidden = av.Packet(bytes([content[0] & ~16]) + content[1:])
                hidden.pts = hidden.dts = packet.pts - 5
                hidden.time_base, hidden.stream = packet.time_base, stream
                out.mux(hidden)
            if packet.size:
                packet.stream = stream
                out.mux(packet)


def _trimmed_between_keyframes(path):
    source = path.with_name("whole.mp4")
    options = {"g": "250", "bf": "3", "crf": "12"}
    made.encode(source, made.small(120), at(30, 120), options=options)
    made.patched(source, path, edit=(1.5, 1.0))


def _sound_and_cover(path):
    Image.fromarray(PATCHES).save(path.with_name("cover.png"))
    made.encode(path.with_name("whole.mp4"), SMALL, at(30, 30), sound=1.0)
    inputs = [path.with_name(name) for name in ("cover.png", "whole.mp4", "whole.mp4")]
    made.remuxed(path, inputs, ["video", "audio", "video"], cover=0)


MIRRORED = (-ONE, 0, 0, ONE, 128 * ONE, 0)
CLOCKWISE = (0, ONE, -ONE, 0, 128 * ONE, 0)
CLIPS = {
    "base.mp4": Row(*UPRIGHT, FACE, "base.mp4"),
    "timecode.mov": Row(*UPRIGHT, FACE, "timecode.mov"),
    "chapters.mp4": Row(*UPRIGHT, FACE, "chapters.mp4"),
    "phone_metadata.mov": Row(
        *UPRIGHT, FACE, make=lambda path: made.replaced(
            "timecode.mov", path, (b"mhlrtmcd", b"mhlrmeta"), (b"tmcd", b"mebx")
        ),
    ),
    "sound_first_and_timecode.mov": Row(
        *SECOND, SMALL[0],
        make=_moving(
            at(30, 30), sound=1.0, first="sound", metadata={"timecode": "01:00:00:00"}
        ),
    ),
    "sound_first.mp4": Row(
        *SECOND, SMALL[0], make=_moving(at(30, 30), sound=1.0, first="sound")
    ),
    "cover.mp4": Row(*SECOND, SMALL[0], make=_sound_and_cover),
    # edit lists
    "trimmed.mov": Row(*SECOND, made.base(76)[75], "trimmed.mov"),
    "trimmed_end.mov": Row(
        *SECOND, FACE, make=lambda path: made.patched("base.mp4", path, edit=(0, 1.0))
    ),
    "trimmed_b_frames.mov": Row(
        *SECOND, made.small(46)[45], make=_trimmed_between_keyframes
    ),
    "starts_late.mp4": Row(
        *SECOND, SMALL[0], make=_moving([0.5 + time for time in at(30, 30)], sound=1.5)
    ),
    # the display matrix
    "mirrored.mov": Row(*UPRIGHT, FACE[:, ::-1], make=_turned(MIRRORED)),
    "turned.mov": Row(*UPRIGHT, np.rot90(FACE, -1), make=_turned(CLOCKWISE)),
    "turned_back.mov": Row(*UPRIGHT, np.rot90(FACE), make=_turned((0, -ONE, ONE, 0, 0, 128 * ONE))),
    "upside_down.mov": Row(
        *UPRIGHT, np.rot90(FACE, 2), make=_turned((-ONE, 0, 0, -ONE, 128 * ONE, 128 * ONE))
    ),
    "flipped.mov": Row(*UPRIGHT, FACE[::-1], make=_turned((ONE, 0, 0, -ONE, 0, 128 * ONE))),
    "transposed.mov": Row(
        *UPRIGHT, FACE.transpose(1, 0, 2), make=_turned((0, ONE, ONE, 0, 0, 0))
    ),
    "mirrored_and_turned.mov": Row(
        *UPRIGHT, np.rot90(FACE, -1)[:, ::-1][::-1, ::-1],
        make=_turned((0, -ONE, -ONE, 0, 128 * ONE, 128 * ONE)),
    ),
    # varying rates
    "pause.mp4": Row(120, 4.0, 30, 3.0, FACE, "pause.mp4", note="0.033 to 3 s.* 30 frames per sec"),
    "call.webm": Row(240, 8.0, 30, STEP, FACE, "call.webm", note="30 frames per", tolerance=9),
    "screen.mp4": Row(
        181, 181 / 60, 60, 0.4, SMALL[0], make=_moving(SCREEN, last=0.017), note="60 frames per"
    ),
    "dropped.mp4": Row(
        60, 2.0, 30, STEP, SMALL[0], make=_moving(DROPPED, frames=made.small(54)), note="30 frames"
    ),
    "held_at_the_end.mp4": Row(
        120, 4.0, 30, STEP, SMALL[0], make=_moving(at(30, 30), last=4 - 29 / 30), note="30 frames"
    ),
    # constant ones that may look as if they were not
    "milliseconds.webm": Row(
        *SECOND, SMALL[0], tolerance=9,
        make=_moving(at(30, 30), codec="libvpx", options={"b:v": "2M"}),
    ),
    "hidden_frames.webm": Row(*SECOND, SMALL[0], make=_with_hidden_frames, tolerance=9),
    "in_fragments.mp4": Row(
        *SECOND, SMALL[0],
        make=_moving(at(30, 30), muxer={"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    ),
    "b_frames.avi": Row(*SECOND, SMALL[0], make=_moving(at(30, 30), options={"bf": "3"})),
    "slow_motion.mp4": Row(
        60, 0.25, 240.0, 1 / 240, SMALL[0], make=_moving(at(240, 60), frames=made.small(60))
    ),
    "too_fast.mp4": Row(
        5, 5 / 60, 60, 1 / 60, SMALL[0], note="60 frames per",
        make=_moving(at(1000, 60), frames=made.small(60)),
    ),
    "one_frame.mp4": Row(
        1, 4.0, 0.25, None, SMALL[0], make=_moving([0], last=4.0, frames=SMALL[:1])
    ),
    "clock_set_anew.ts": Row(60, 2.0, 30, STEP, SMALL[0], make=_clock_set_anew),
    "two_sizes.h264": Row(60, 2.4, 25, 0.04, SMALL[0], make=_two_sizes),
    # colours
    "patches_pq.mp4": Row(10, 0.4, 25, None, PATCHES, "patches_pq.mp4", note="HDR"),
    "patches_hlg.mp4": Row(10, 0.4, 25, None, PATCHES, "patches_hlg.mp4", note="HDR"),
    # animated pictures
    "held.gif": Row(
        69, 3.45, 20, 2.0, SMALL[0], note="20 frames per", tolerance=12,
        make=lambda path: made.gif(path, SMALL, [2000] + 29 * [50]),
    ),
    "quick.gif": Row(
        30, 3.0, 10, 0.1, SMALL[0], tolerance=12,
        make=lambda path: made.gif(path, SMALL, 30 * [10]),
    ),
    "no_delay.gif": Row(
        9, 0.18, 50, 0.1, SMALL[0], note="50 frames", tolerance=12,
        make=lambda path: made.gif(path, SMALL[:5], [0] + 4 * [20]),
    ),
    "hidden_first.png": Row(
        10, 1.0, 10, 0.1, SMALL[0],
        make=lambda path: made.animated(
            path, [np.uint8([[[255, 0, 0]]]).repeat(64, 0).repeat(64, 1), *SMALL[:10]], 100,
            default_image=True,
        ),
    ),
    "first_shown.png": Row(
        10, 1.0, 10, 0.1, SMALL[0], make=lambda path: made.animated(path, SMALL[:10], 100)
    ),
    "held.webp": Row(
        20, 1.0, 20, 0.5, SMALL[0], note="20 frames per",
        make=lambda path: made.animated(path, SMALL[:11], [500] + 10 * [50], lossless=True),
    ),
    "moving.avif": Row(
        10, 0.5, 20, 0.05, SMALL[0], tolerance=6,
        make=lambda path: made.animated(path, SMALL[:10], 50, quality=90),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def bring(folder, name):
    """The file of that row."""
    row = CLIPS[name]
    if row.file:
        return FILES / row.file
    path = folder / name
    if not path.exists():
        row.make(path)
    return path


def difference(a, b):
    return np.abs(a.astype(float) - b.astype(float)).mean()


def pixels(frame):
    return frame.permute(1, 2, 0).numpy()


def patches(image):
    """Mean colours in the middle of the nine patches."""
    side = len(image) // 3
    edge = side // 4
    cells = (image[side * (k // 3) :, side * (k % 3) :] for k in range(9))
    return [cell[edge : side - edge, edge : side - edge].mean((0, 1)) for cell in cells]


@pytest.mark.parametrize("name", CLIPS)
def test_clips(folder, name):
    if name.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    row, path = CLIPS[name], bring(folder, name)
    said, frames = footage.info(path), [pixels(frame) for frame in footage.read(path)]
    assert (said.height, said.width) == row.first.shape[:2]
    assert all(frame.shape == row.first.shape for frame in frames)
    assert (len(frames), said.frames) == (row.frames, row.frames)
    assert said.fps == pytest.approx(row.fps, abs=1e-6)
    assert said.seconds == pytest.approx(row.seconds, abs=1e-6)
    assert re.search(row.note, said.note) and bool(row.note) == bool(said.note), said.note
    changes = [n for n, frame in enumerate(frames) if difference(frame, frames[0]) > 0.5]
    if row.change is None:
        assert not changes
    else:
        assert changes[0] / said.fps == pytest.approx(row.change, abs=0.51 / said.fps)
    assert difference(frames[0], row.first) < row.tolerance
    assert torch.equal(footage.read_image(path), torch.from_numpy(frames[0]).permute(2, 0, 1))
    if row.first is PATCHES:
        assert np.abs(np.subtract(patches(frames[0]), COLOURS)).max() <= 12


def test_movement_keeps_its_own_speed():
    """After the pause the frames come one by one, as they were recorded."""
    frames = [pixels(frame) for frame in footage.read(FILES / "pause.mp4")]
    for number, frame in enumerate(made.base(60)[30:]):
        assert difference(frames[90 + number], frame) < 4
    call = list(footage.read(FILES / "call.webm"))
    changes = [n for n, (a, b) in enumerate(zip(call, call[1:]), 1) if not torch.equal(a, b)]
    assert changes[:60] == list(range(1, 61))  # two seconds at 30 frames per second
    assert len(changes) >= 60 + 28 and all(change % 6 == 0 for change in changes[60:])


def test_interlaced_frames_lose_their_comb(tmp_path):
    """A bar moves by 4 pixels from field to field: odd lines are a moment later than even ones."""

    def comb(frame):
        return np.abs(np.diff(frame[8:-8, :, 0].astype(float), axis=0)).mean()

    frames = []
    for number in range(10):
        frame = np.full((64, 64, 3), 40, np.uint8)
        for field in (0, 1):
            left = 4 + 4 * (2 * number + field) % 48
            frame[field::2, left : left + 12] = 220
        frames.append(frame)
    options = {"crf": "4", "flags": "+ildct+ilme", "x264-params": "tff=1"}
    path = made.encode(tmp_path / "camcorder.mp4", frames, at(25, 10), options=options)
    got = [pixels(frame) for frame in footage.read(path)]
    assert len(got) == 10 and footage.info(path).fps == 25
    assert comb(got[4]) < comb(frames[4]) / 3
    kept = [difference(got[4][field::2], frames[4][field::2]) for field in (0, 1)]
    assert min(kept) < 5 and max(kept) > 15, kept  # the lines of one field, not a mixture of both


def test_pictures_of_an_unknown_coding_are_called_so(tmp_path):
    path = made.replaced("base.mp4", tmp_path / "a.mp4", (b"avc1", b"zzzz"))
    for look in (footage.info, footage.read_image):
        with pytest.raises(VideoError, match="holds pictures in a coding that cannot be read here"):
            look(path)


def test_hdr_keeps_its_colours_where_frames_are_scaled_down_first():
    for name in ("patches_pq.mp4", "patches_hlg.mp4"):
        small = pixels(next(footage.read(FILES / name, size=24)))
        assert np.abs(np.subtract(patches(small), COLOURS)).max() <= 12


def test_wide_gamut_video_is_converted(tmp_path):
    """The colours of P3 by Pillow's colour management, which knows nothing of the code here."""
    p3 = ImageCms.ImageCmsProfile(io.BytesIO(made.display_p3()))
    srgb, image = ImageCms.createProfile("sRGB"), Image.fromarray(PATCHES)
    wanted = ImageCms.profileToProfile(image, p3, srgb)
    path = made.encode(
        tmp_path / "p3.mp4", 5 * [PATCHES], at(25, 5), options={"crf": "4"},
        colours={"color_primaries": 12, "color_trc": 13, "colorspace": 6},
    )  # fmt: skip
    got = pixels(footage.read_image(path))
    assert np.abs(np.subtract(patches(got), patches(np.array(wanted)))).max() <= 5
    assert np.abs(np.subtract(patches(got), COLOURS)).max() > 6  # it does make a difference


# ----------------------------------------------------------------------------------- pictures


def _saved(pixels, mode=None, **options):
    def save(path):
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(path, **options)

    return save


NUMBERS = GREY[..., 0]
STILLS = {
    "grey16.png": (_saved(NUMBERS.astype(np.uint16) * 257), GREY),
    "grey16.tif": (_saved(NUMBERS.astype(np.uint16) * 257), GREY),
    "grey_float.tif": (_saved(NUMBERS.astype(np.float32) / 255), GREY),
    "grey_float_255.tif": (_saved(NUMBERS.astype(np.float32)), GREY),
    "grey_int32.tif": (_saved(NUMBERS.astype(np.int32) * 257), GREY),
    "grey_int32_255.tif": (_saved(NUMBERS.astype(np.int32)), GREY),
    "grey_alpha.png": (_saved(NUMBERS, "LA"), GREY),
    "black_and_white.png": (
        _saved((NUMBERS > 128).astype(np.uint8) * 255, "1"),
        np.repeat((NUMBERS > 128)[..., None], 3, -1) * np.uint8(255),
    ),
    "rgb16.png": (lambda path: made.deep(path, PATCHES, "png", "rgb48be"), PATCHES),
    "rgb16.tif": (lambda path: made.deep(path, PATCHES, "tiff", "rgb48le"), PATCHES),
    "cmyk.jpg": (_saved(PATCHES, "CMYK", quality=95), PATCHES),
    "lab.tif": (
        lambda path: ImageCms.profileToProfile(
            Image.fromarray(DULL), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"),
            outputMode="LAB",
        ).save(path),
        DULL,
    ),
    "broken_profile.jpg": (_saved(PATCHES, quality=95, icc_profile=b"nonsense" * 20), PATCHES),
    "still.avif": (_saved(PATCHES, quality=95), PATCHES),
}  # fmt: skip


@pytest.mark.parametrize("name", STILLS)
def test_pictures(tmp_path, name):
    """By name, as bytes and as an open file: there is one reader."""
    save, wanted = STILLS[name]
    if name.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    got = footage.read_image(tmp_path / name)
    assert difference(pixels(got), wanted) < 4
    assert np.abs(np.subtract(patches(pixels(got)), patches(wanted))).max() < 6
    assert torch.equal(footage.read_image(content), got)
    assert torch.equal(footage.read_image(memoryview(content)), got)
    assert torch.equal(footage.read_image(io.BytesIO(content)), got)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_profiles_become_srgb(tmp_path, mode):
    """A Display P3 picture of what sRGB can show is the same as the sRGB picture."""
    p3 = ImageCms.ImageCmsProfile(io.BytesIO(made.display_p3()))
    dull = Image.fromarray(DULL)
    wide = ImageCms.profileToProfile(dull, ImageCms.createProfile("sRGB"), p3)
    wide = wide.quantize(9) if mode == "P" else wide.convert(mode)
    wide.save(tmp_path / "wide.png", icc_profile=made.display_p3())
    got = pixels(footage.read_image(tmp_path / "wide.png"))
    assert difference(got, np.array(wide.convert("RGB"))) > 3
    assert difference(got, np.array(dull)) < 1.5


def test_an_ordinary_profile_changes_no_pixel(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(PATCHES).save(tmp_path / "a.png", icc_profile=srgb)
    assert (pixels(footage.read_image(tmp_path / "a.png")) == PATCHES).all()


def test_large_photos_are_read_scaled_down(tmp_path, monkeypatch):
    """Without Pillow's warning, which would come at a tenth of their size here."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40_000)
    monkeypatch.setattr(stills, "MEGAPIXELS", 0.04)
    photo = Image.fromarray(FACE).resize((900, 600))
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, options in {"a.jpg": {"quality": 95}, "b.png": {}, "c.tif": {}}.items():
        photo.rotate(90, expand=True).save(tmp_path / name, exif=exif, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got = footage.read_image(tmp_path / name)
            small = footage.read_image((tmp_path / name).read_bytes(), within=50)
        height, width = got.shape[1:]
        assert height * width <= 40_000 and 1.4 < width / height < 1.6, name
        assert footage.info(tmp_path / name)[:2] == (width, height)
        assert difference(pixels(got), np.array(photo.resize((width, height)))) < 4, name
        assert max(small.shape) == 50 and difference(
            pixels(small), np.array(photo.resize(small.shape[:0:-1]))
        ) < 6  # fmt: skip


def test_heic_is_read_whole_or_refused(monkeypatch):
    """Never as one of its tiles, which is what FFmpeg takes for the picture."""
    with contextlib.suppress(ImportError):
        import pillow_heif  # noqa: F401

        got = footage.read_image(FILES / "patches.heic")
        assert np.abs(np.subtract(patches(pixels(got)), COLOURS)).max() <= 12
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    content = (FILES / "patches.heic").read_bytes()
    for look in (
        lambda: footage.read_image(FILES / "patches.heic"),
        lambda: footage.info(FILES / "patches.heic"),
        lambda: list(footage.read(FILES / "patches.heic")),
        lambda: footage.read_image(content, name="patches.heic"),
    ):
        with pytest.raises(VideoError, match=r'patches\.heic is a HEIC photo; .*"aidagen\[heic\]"'):
            look()


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_an_avif_that_breaks_off_is_damaged(tmp_path):
    Image.fromarray(FACE).save(tmp_path / "a.avif")
    content = (tmp_path / "a.avif").read_bytes()
    (tmp_path / "a.avif").write_bytes(content[: len(content) // 2])
    with pytest.raises(VideoError, match="damaged or cut short"):
        footage.read_image(tmp_path / "a.avif")


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (np.float32([[0, 1e4], [2, 3]]), "depth.tif"),
        (np.float32([[0, np.nan], [2, 3]]), "nan.tif"),
        (np.int32([[0, 10**6], [2, 3]]), "counts.tif"),
    ],
)
def test_numbers_without_a_white_are_refused(tmp_path, values, name):
    Image.fromarray(values).save(tmp_path / name)
    with pytest.raises(VideoError, match=f"{name} holds grey values .* save it with values from 0"):
        footage.read_image(tmp_path / name)


# ------------------------------------------------------------------------- strips, and refusals


def test_a_strip_of_frames_is_a_clip(tmp_path):
    for name, mode in (("a.png", "RGB"), ("b.jpg", "RGB"), ("c.png", "L"), ("d.png", "RGBA")):
        Image.fromarray(np.hstack(SMALL[:7])).convert(mode).save(tmp_path / name)
        frames = list(footage.read(tmp_path / name, strip=True))
        assert len(frames) == 7 and frames[0].shape == (3, 64, 64)
        wanted = np.array(Image.fromarray(SMALL[5]).convert(mode).convert("RGB"))
        assert difference(pixels(frames[5]), wanted) < 4
        assert footage.info(tmp_path / name, strip=True)[:5] == (64, 64, None, 7, 0.0)
    assert next(footage.read(tmp_path / "a.png", size=16, strip=True)).shape == (3, 16, 16)
    Image.fromarray(SMALL[0][:, :50]).save(tmp_path / "e.png")
    with pytest.raises(VideoError, match="50 x 64 pixels, so it is no strip"):
        footage.info(tmp_path / "e.png", strip=True)
    with pytest.raises(VideoError, match="is not one picture"):
        list(footage.read(FILES / "base.mp4", strip=True))


def test_addresses_are_to_be_downloaded_first():
    for address in ("https://example.org/clip.mp4", "rtsp://camera", "file:///clip.mp4"):
        for look in (footage.info, footage.read, footage.read_image):
            with pytest.raises(VideoError, match="is an address, not a file; download it first"):
                look(address)


def test_bytes_that_are_no_picture():
    cases = {b"": "empty", b"hello" * 100: "not a picture", b"\x89PNG\r\n\x1a\n": "not a picture"}
    for content, reason in cases.items():
        with pytest.raises(VideoError, match=f"me.png is .*{reason}"):
            footage.read_image(content, name="me.png")
    with pytest.raises(VideoError, match="cannot be read"):
        footage.read_image(3.5)
    content = (FILES / "face.png").read_bytes()
    with pytest.raises(VideoError, match="damaged or cut short"):
        footage.read_image(content[: len(content) // 2], name="me.png")


def test_a_frame_that_is_shown_for_hours_is_refused(tmp_path):
    """As a broken clock leaves it: hours of stillness would be written."""
    path = made.encode(tmp_path / "a.mp4", SMALL[:3], [0, STEP, 7200.0], last=STEP)
    for look in (footage.info, lambda path: list(footage.read(path))):
        with pytest.raises(VideoError, match="shows one frame for 7200 s; trim it"):
            look(path)


def test_dolby_vision_without_a_common_picture_is_refused(tmp_path):
    path = made.replaced("patches_pq.mp4", tmp_path / "a.mp4", (b"hvc1", b"dvh1"))
    with pytest.raises(VideoError, match="Dolby Vision of a kind"):
        footage.info(path)


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.webm", "fragments.mp4", "a.ts"])
def test_clips_that_break_off(tmp_path, name):
    """By the sizes that files state, by their index, by times: whichever there is."""
    muxer = {"movflags": "frag_every_frame+empty_moov+default_base_moof"} if name[0] == "f" else {}
    codec = "libvpx" if name.endswith("webm") else "libx264"
    made.encode(tmp_path / name, made.small(120), at(30, 120), codec=codec, muxer=muxer)
    assert footage.info(tmp_path / name).frames == 120
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    if name == "a.ts":  # a recording of a broadcast ends where it ends
        assert 30 < footage.info(tmp_path / name).frames < 90
        return
    with pytest.raises(VideoError, match="cut short"):
        footage.info(tmp_path / name)
    with pytest.raises(VideoError, match="cut short"):
        list(footage.read(tmp_path / name))


# ------------------------------------------------------------------------------------ animate


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    stand_in = zoo()
    monkeypatch.setattr("aidagen.animating.zoo", stand_in)
    monkeypatch.setitem(sys.modules, "aidagen.zoo", stand_in)
    monkeypatch.setattr(aidagen, "zoo", stand_in, raising=False)
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


ANIMATED = (
    "timecode.mov chapters.mp4 phone_metadata.mov sound_first_and_timecode.mov trimmed.mov "
    "trimmed_end.mov mirrored.mov turned.mov pause.mp4 call.webm dropped.mp4 b_frames.avi "
    "one_frame.mp4 held.gif quick.gif hidden_first.png patches_pq.mp4 patches_hlg.mp4"
).split()


@pytest.mark.parametrize("name", ANIMATED)
def test_animate(folder, tiny, capsys, name):
    """The film has the clip's length, and the progress bar ends where the clip does."""
    row, path = CLIPS[name], bring(folder, name)
    source = str(FILES / "grey16.png")
    assert cli.main(["animate", source, str(path), "out.mp4", "--model", NAME]) == 0
    shown = capsys.readouterr()
    assert f"{row.frames}/{row.frames}" in shown.err
    assert re.search(row.note, shown.out) and shown.out.count("\n") == 1 + bool(row.note)
    with av.open("out.mp4") as film:
        stream = film.streams.video[0]
        assert sum(1 for _ in film.decode(stream)) == row.frames
        assert float(stream.average_rate) == pytest.approx(row.fps, rel=1e-3)


def test_animate_with_a_strip(tiny, capsys):
    Image.fromarray(np.hstack(SMALL[:7])).save("strip.png")
    source = str(FILES / "face.png")
    command = ["animate", source, "strip.png", "out.mp4", "--model", NAME]
    assert cli.main([*command, "--strip"]) == 0
    assert "out.mp4: 7 frames" in capsys.readouterr().out
    assert cli.main(command) == 0
    assert "out.mp4: 1 frame " in capsys.readouterr().out
