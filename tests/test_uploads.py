"""Pictures that people bring to the own-photo widget: what it makes of them, what it says."""

import io
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import real_files
import torch
import untrained
from ipywidgets import embed
from PIL import Image, ImageCms, ImageFile, features
from test_checkpoints_and_photos import choose, png
from test_judges import needs
from test_real_files import STILLS
from test_saved_notebooks import holds, magenta, photo

from aidagen import datasets, footage, video
from aidagen.errors import AidagenError
from aidagen.pixels import as_floats
from aidagen.widgets import overlays, photos
from aidagen.widgets.own_photo import OwnPhoto

WIDGETS = Path(photos.__file__).parent


@pytest.fixture(scope="module")
def frames():
    return datasets.load("heads").clips("test")[0].frames(step=8).float() / 255


@pytest.fixture
def own(frames):
    reference = torch.cat([frames, frames.flip(3)])
    return OwnPhoto(untrained.model(), {"turning": frames}, faces=None, reference=reference)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def head(frames):
    return Image.open(io.BytesIO(png(frames[0], size=(96, 96)))).convert("RGB")


def turned(image, flag):
    exif = Image.Exif()
    exif[0x0112] = flag
    return exif


def wide_gamut(image):
    """The same colours, written as a telephone writes them: Display P3."""
    profile = real_files.display_p3()
    p3 = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    wide = ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), p3)
    return saved(wide, "PNG", icc_profile=profile)


def on_palette(image):
    """A picture of 64 colours, the left half of which is transparent."""
    layer = image.convert("RGBA")
    layer.paste((0, 0, 0, 0), (0, 0, 48, 96))
    return saved(layer.quantize(64, Image.Quantize.FASTOCTREE), "PNG")


def half_white(image):
    image = image.copy()
    image.paste("white", (0, 0, 48, 96))
    return image


# name -> (what a file of the picture holds, how the picture looks, the largest mean difference)
KINDS = {
    "Display P3": (wide_gamut, lambda image: image, 0.003),
    "a turned camera": (
        lambda image: saved(image.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95,
                            exif=turned(image, 6)),
        lambda image: image, 0.02,
    ),
    "a mirrored one": (
        lambda image: saved(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG",
                            exif=turned(image, 2)),
        lambda image: image, 0.002,
    ),
    "a transparent palette": (on_palette, half_white, 0.03),
    "a GIF": (lambda image: saved(image.quantize(128), "GIF"), lambda image: image, 0.03),
    "WebP": (lambda image: saved(image, "WEBP", lossless=True), lambda image: image, 0.002),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_any_kind_looks_as_it_should(own, frames, kind):
    make, looks, most = KINDS[kind]
    content = make(head(frames))
    choose(own, content, "me.file")
    right = as_floats(torch.from_numpy(np.array(looks(head(frames))))).permute(2, 0, 1)
    assert own.photo.shape == right.shape, own.sentence
    assert float((own.photo - right).abs().mean()) < most
    assert "stay below" in own.sentence, "it is judged"
    read = as_floats(footage.read_image(content, within=photos.LARGEST))
    assert torch.equal(own.photo, read), "as the command line reads it"


@pytest.mark.parametrize("name", STILLS)
def test_the_pictures_of_the_table_of_real_files_come_through(own, tmp_path, name):
    if name.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    save, wanted = STILLS[name]
    save(tmp_path / name)
    choose(own, (tmp_path / name).read_bytes(), name)
    assert own.photo is not None, own.sentence
    wanted = as_floats(torch.from_numpy(wanted)).permute(2, 0, 1)
    assert float((own.photo - wanted).abs().mean()) < 4 / 255
    by_name = own.photo
    own.load(str(tmp_path / name))
    assert torch.equal(own.photo, by_name)


def test_widgets_have_no_reader_of_their_own():
    for path in WIDGETS.glob("*.py"):
        assert "Image.open(" not in path.read_text("utf-8"), f"{path.name}: footage.read_image"


def heic():
    brand = b"ftypheic" + bytes(4) + b"mif1heic"
    return (len(brand) + 4).to_bytes(4, "big") + brand + bytes(400)


def clip(frames, folder):
    video.write(folder / "clip.mp4", frames, 12.5)
    return (folder / "clip.mp4").read_bytes()


BAD = {
    "empty": (lambda *_: b"", "is empty (0 bytes)"),
    "text": (lambda *_: b"hello, I am a text" * 9, "is not a picture that can be read"),
    "video": (clip, "is not a picture that can be read"),
    "HEIC": (lambda *_: heic(), "is a HEIC photo"),
    "cut": (lambda frames, _: png(frames[0])[:900], "is damaged or cut short"),
    "a dot": (lambda frames, _: png(frames[0], size=(1, 1)), "is 1 x 1 pixels"),
    "a stamp": (lambda frames, _: png(frames[0], size=(40, 20)), "is read at 40 x 20 pixels, too"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_photo_gets_one_sentence(own, frames, tmp_path, monkeypatch, capfd, kind):
    make, said = BAD[kind]
    content = make(frames, tmp_path)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    choose(own, content, "file.xyz")
    assert own.sentence.startswith("file.xyz ")
    assert said in own.sentence
    assert own.sentence.endswith(".")
    assert own.photo is None
    with pytest.raises(AidagenError, match=r"^The picture "):
        own.load(content)
    assert capfd.readouterr().err == ""


def test_a_file_that_does_not_come_whole_gets_a_sentence(own, frames):
    content = png(frames[0])
    rest = {"name": "me.png", "size": 9_000, "turn": "two"}
    large = {"name": "scan.tif", "size": 301 * 2**20, "at": 0, "turn": "one"}
    own.upload._handle_custom_msg(large, [content])
    assert own.sentence == "scan.tif has 301 MB; choose a file of 300 MB or less."
    own.upload._handle_custom_msg({**rest, "at": 0}, [])
    assert "me.png cannot be read by the browser" in own.sentence
    half = len(content) // 2
    mine = {"name": "me.png", "size": len(content), "turn": "three"}
    own.upload._handle_custom_msg({**mine, "at": 0}, [content[:half]])
    own.upload._handle_custom_msg({**mine, "at": half, "turn": "two"}, [content[half:]])
    own.upload._handle_custom_msg({**mine, "at": half + 1}, [content[half:]])
    assert own.photo is None, "a part of another file, or from elsewhere, does not complete it"
    own.upload._handle_custom_msg({**mine, "at": half}, [content[half:]])
    assert own.photo is not None
    choose(own, content)
    assert own.photo is not None, "the next one begins anew"


# --- what is stored


def test_neither_state_nor_still_has_anything_of_the_photo(own):
    choose(own, photo())
    own.consent = True
    own.animate()
    # this widget's alone: other tests have asked theirs to keep the photo
    inside = embed.dependency_state([own], drop_defaults=False)
    state = json.dumps(embed.embed_data([own], state=inside)["manager_state"]).encode()
    assert b"moving as in" in state, "the widgets inside are there"
    assert not holds(state, photo())
    assert magenta(state) == 0
    still = own._repr_mimebundle_()[0]
    assert any(kind.startswith("image/") for kind in still)
    assert magenta(json.dumps(still).encode()) == 0
    assert magenta(overlays.still(own.figure())._repr_mimebundle_()[0]["image/jpeg"].encode()) == 1


def test_an_address_is_no_file(own):
    with pytest.raises(AidagenError, match=r"^https://example.org/me.jpg is an address, not a"):
        own.load("https://example.org/me.jpg")


# --- large photos


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "L"), ("PNG", "1")])
def test_a_photo_of_a_hundred_megapixels_is_read_scaled_down(own, capfd, monkeypatch, kind, mode):
    content = saved(Image.new(mode, (12_500, 8_000), 1), kind)
    decoded, load = [], ImageFile.ImageFile.load

    def noted(image):
        result = load(image)
        decoded.append(image.size)
        return result

    monkeypatch.setattr(ImageFile.ImageFile, "load", noted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Image.DecompressionBombWarning):
            Image.open(io.BytesIO(content))  # what Pillow alone would say
        choose(own, content, part=2**22)
    assert own.photo.shape == (3, 655, 1024)
    if kind == "JPEG":
        assert max(decoded) <= (6_250, 4_000), "it is never whole in memory"
    assert capfd.readouterr().err == ""


# --- faces: what the package's judge of faces finds


@pytest.fixture(scope="module")
def faces():
    needs("face-api")
    return photos.offline_faces()


@pytest.fixture
def looking(frames, faces):
    reference = torch.cat([frames, frames.flip(3)])
    return OwnPhoto(untrained.model(), {"turning": frames}, faces=faces, reference=reference)


def test_of_three_faces_the_one_in_front_is_taken(looking):
    clips = datasets.load("heads-128").clips("test")[:3]
    one, two, three = (clip.frames(0, 1).float() / 255 for clip in clips)
    group = torch.full((3, 300, 700), 0.5)
    group[:, 150:278, 20:148], group[:, 150:278, 550:678] = one[0], three[0]
    group[:, 40:296, 220:476] = torch.nn.functional.interpolate(two, size=256)[0]
    looking.load(group)
    x, y, side = looking.square
    assert (x, y) == pytest.approx((348, 168), abs=30), "in the middle, and twice as large"
    assert side == pytest.approx(230, abs=50)
    assert "face" not in looking.sentence, "nothing to doubt about a face"
    looking.centre_x = 0.1
    assert "the face lies partly outside the crop" in looking.sentence


def test_where_there_is_no_face_it_is_said(looking):
    looking.load(torch.rand(3, 200, 300))
    assert "no face was found" in looking.sentence
    assert looking.square.side == 200, "the middle"


def test_a_profile_is_unfamiliar(looking):
    """Rendered, turned by 90 degrees; training heads turn by 30."""
    looking.load(Path(__file__).with_name("profile.jpg"))
    assert looking.verdict == "unfamiliar"
    assert "no face was found" in looking.sentence
