"""Pictures through Pillow: upright, in sRGB, on white, whatever their file holds.

A camera's turn is applied, an embedded colour profile (Display P3, Adobe RGB, a printer's CMYK) is
converted to sRGB, transparency is laid on white, grey becomes three equal channels, and 16 bits,
whole numbers or floats per pixel become 8 bits. Animated pictures (GIF, PNG, WebP, AVIF) come with
how long each of their frames is shown.

A photo of more than `MEGAPIXELS` is read at a half, a third ... of its size. HEIC photos are read
by pillow-heif (``pip install "aidagen[heic]"``).
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image, ImageCms, ImageOps

from aidagen.errors import VideoError

MEGAPIXELS = 40  # a photo with more is read scaled down
SMALLEST = 2  # pixels per side: less is not a picture
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, RuntimeError)  # Pillow's

_FORMATS = "PNG JPEG MPO GIF WEBP AVIF HEIF BMP TIFF PPM JPEG2000 TGA ICO".split()
_MOVING = {"GIF", "PNG", "WEBP", "AVIF"}
# What has to be decoded whole before it can be scaled down, and what a JPEG leaves out while it is.
_LIMIT, _JPEG_LIMIT = 220, 1000  # megapixels
_REDUCIBLE = {"L", "LA", "RGB", "RGBA", "CMYK", "YCbCr"}
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1"}
_opening = Lock()


def damaged(name: str) -> VideoError:
    """What is said of a picture that breaks off or decodes to nothing."""
    return VideoError(f"{name} is damaged or cut short; fetch or export the picture again.")


def open_picture(source: Path | io.BufferedIOBase, name: str) -> Image.Image | None:
    """The opened picture, or None where this is no picture that can be read.

    Raises:
        VideoError: on what is a picture, but one that needs another library, or far too large.
    """
    brands = _brands(source)
    heic = bool(brands & _HEIC) and not brands & _AVIF
    if heic:
        _register_heif(name)
    Image.init()
    try:
        with _any_size():
            image = Image.open(source, formats=[each for each in _FORMATS if each in Image.OPEN])
    except DAMAGE:
        if heic:
            raise damaged(name) from None
        if brands & _AVIF:  # FFmpeg would read one of its tiles
            if "AVIF" in Image.OPEN:
                raise damaged(name) from None
            raise VideoError(
                f"{name} is an AVIF picture, which needs Pillow 11.3 or later: pip install -U "
                "pillow, or save the picture as JPEG or PNG."
            ) from None
        return None
    width, height = image.size
    limit = _JPEG_LIMIT if image.format in ("JPEG", "MPO") else _LIMIT
    if width * height > limit * 1e6:
        image.close()
        raise VideoError(
            f"{name} has {width} x {height} pixels, too many to be a photograph; shrink it to "
            f"{limit} megapixels or less."
        )
    return image


@contextmanager
def _any_size() -> Iterator[None]:
    """Pillow without its warning of large pictures: `open_picture` has limits of its own."""
    with _opening:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _brands(source: Path | io.BufferedIOBase) -> set[bytes]:
    """The brands in the first box of an ISO media file (mp4, HEIC, AVIF); none in other files."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return _brands(file)
    begin = source.tell()
    head = source.read(256)
    source.seek(begin)
    if head[4:8] != b"ftyp":
        return set()
    head = head[: int.from_bytes(head[:4], "big")]
    return {head[at : at + 4] for at in (8, *range(16, len(head), 4))}


def _register_heif(name: str) -> None:
    try:
        import pillow_heif
    except ImportError:
        raise VideoError(
            f"{name} is a HEIC photo; to read such photos, pip install pillow-heif "
            '(or "aidagen[heic]"), or save this one as JPEG.'
        ) from None
    pillow_heif.register_heif_opener()


def numbers(picture: Image.Image) -> range:
    """Which of a file's pictures are shown, one after another.

    A second picture in a JPEG is a preview or the other eye, not the next moment; an animated PNG
    may begin with a picture that is meant for viewers without animation.
    """
    count = getattr(picture, "n_frames", 1) if picture.format in _MOVING else 1
    hidden = count > 1 and getattr(picture, "default_image", False)
    return range(1 if hidden else 0, count)


def frames(
    picture: Image.Image, name: str, within: int | None = None, whole: bool = False
) -> Iterator[tuple[Image.Image, float]]:
    """The pictures of a file as upright RGB, and for how many seconds each is shown.

    Delays are those of browsers, where 10 ms or less means 100 ms. ``within`` is the largest width
    and height: larger pictures are scaled down, as are those of more than `MEGAPIXELS` unless they
    are wanted ``whole``.

    Raises:
        VideoError: where the file is damaged, a line or a point.
    """
    shown = numbers(picture)
    alone = picture.format not in _MOVING or getattr(picture, "n_frames", 1) == 1
    most = math.inf if whole else MEGAPIXELS * 1e6
    factor = max(1, math.ceil(math.sqrt(picture.width * picture.height / most)))
    target = tuple(max(1, side // factor) for side in picture.size)
    if within is not None:  # twice as large, for the antialiased rest
        target = tuple(min(side, 2 * within) for side in target)
    try:
        for number in shown:
            if not alone:
                picture.seek(number)
            image, kind = picture, picture.format
            if target != picture.size:
                image.draft("RGB", target)
            with _any_size():
                image.load()
            delay = image.info.get("duration") or 0  # known once it is loaded
            sides = zip(sorted(image.size), sorted(target))  # loading may have turned it
            factor = max(1, min(side // wanted for side, wanted in sides))
            if alone:
                ImageOps.exif_transpose(image, in_place=True)
            else:  # the file's own flag is needed for the next one
                image = ImageOps.exif_transpose(image)
            if factor > 1 and image.mode in _REDUCIBLE:
                image, factor = image.reduce(factor), 1
            image = as_rgb(image, name, kind)
            image = image.reduce(factor) if factor > 1 else image
            if within is not None:
                image.thumbnail((within, within), Image.Resampling.LANCZOS)
            yield large_enough(image, name), 0.1 if delay <= 10 else delay / 1000
    except DAMAGE:
        raise damaged(name) from None


def large_enough(image: Image.Image, name: str | Path) -> Image.Image:
    """The picture itself. Raises ``VideoError`` where it is a line or a point."""
    if min(image.size) < SMALLEST:
        width, height = image.size
        raise VideoError(
            f"{name} is {width} x {height} pixels; a picture needs at least "
            f"{SMALLEST} pixels each way."
        )
    return image


# ------------------------------------------------------------------------------------- colours


def as_rgb(image: Image.Image, name: str | Path, kind: str | None = None) -> Image.Image:
    """sRGB of a picture in any of Pillow's modes, on white.

    ``kind`` is the format of its file, which decides what 32 bits per pixel mean. Raises
    ``VideoError`` on numbers that do not say which of them is white.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        return _from_numbers(image, name, kind).convert("RGB")
    profile = image.info.get("icc_profile")
    if not image.has_transparency_data:
        return _in_srgb(image, profile)
    layer = image.convert("RGBA")
    grey = image.mode in ("LA", "La", "L")
    colours = _in_srgb(image.convert("L") if grey else layer.convert("RGB"), profile)
    white = Image.new("RGB", image.size, "white")
    return Image.composite(colours, white, layer.getchannel("A"))


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB of an opaque picture; a profile that is broken or of other colours is left out."""
    space = "Lab " if image.mode == "LAB" else ""
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else None
        if given is None and space:
            given = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        if given is not None and "sRGB" not in ImageCms.getProfileDescription(given):
            mode = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}.get(
                given.profile.xcolor_space
            )
            image = image.convert("RGB") if image.mode in ("P", "PA", "RGBX") else image
            if image.mode == mode:
                srgb = ImageCms.createProfile("sRGB")
                return ImageCms.profileToProfile(image, given, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        pass
    return image.convert("RGB")


def _from_numbers(image: Image.Image, name: str | Path, kind: str | None) -> Image.Image:
    """8 bits of a grey picture of floats, or of 16 or 32 bits of whole numbers."""
    values = np.asarray(image).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16") or kind in ("PNG", "PPM"):
        scale = 1 / 257  # 65535 is white
    elif image.mode == "F":
        scale = 255 if high <= 1 else 1
    else:
        scale = 1 if high <= 255 else 1 / 257
    if not (math.isfinite(low) and math.isfinite(high) and low >= -1 and high * scale < 255.5):
        raise VideoError(
            f"{name} holds grey values from {low:.6g} to {high:.6g}, so what is white is not "
            "known; save it with values from 0 to 1, 0 to 255 or 0 to 65535."
        )
    return Image.fromarray((values * scale).round().clip(0, 255).astype(np.uint8))
