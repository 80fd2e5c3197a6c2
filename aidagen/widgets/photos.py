"""A photograph from outside: read, cropped, and judged whether a model knows its kind.

Nothing here is stored. The judgements compare with held-out pictures, so that no threshold is
chosen by hand.
"""

import io
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor

from aidagen import animation, sources
from aidagen.errors import AidagenError
from aidagen.keypoints import RandomTransform
from aidagen.pixels import as_floats

MEGABYTES, MEGAPIXELS, SMALLEST, LARGEST = 25, 60, 32, 1024
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


def read(content, name: str = "The file") -> Float[Tensor, "3 H W"]:
    """The picture in a file's bytes: upright, RGB on white, at most 1024 pixels each way.

    Raises:
        AidagenError: on what is empty, too large, too small, damaged, or no picture.
    """
    if isinstance(content, str | Path):
        content, name = from_path(content)
    content = bytes(content)
    if not content:
        raise AidagenError(f"{name} is empty; choose another picture.")
    if len(content) > MEGABYTES * 2**20:
        raise AidagenError(
            f"{name} has {len(content) / 2**20:.0f} MB; choose a picture of {MEGABYTES} MB or less."
        )
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise AidagenError(f"{name} has too many pixels to be a photograph; shrink it.") from None
    except (OSError, SyntaxError, ValueError):
        raise AidagenError(
            f"{name} is not a picture that can be read here; save it as JPEG or PNG (telephones "
            "often write HEIC)."
        ) from None
    width, height = image.size
    if width * height > MEGAPIXELS * 1e6:
        raise AidagenError(
            f"{name} has {width} x {height} pixels; choose one of {MEGAPIXELS} megapixels or less."
        )
    if min(width, height) < SMALLEST:
        raise AidagenError(
            f"{name} is {width} x {height} pixels, too small to show anybody; at least "
            f"{SMALLEST} each way are needed."
        )
    try:
        image.draft("RGB", (2 * LARGEST, 2 * LARGEST))
        image = ImageOps.exif_transpose(image)
        if image.has_transparency_data:
            layer = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        image = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, IndexError):
        raise AidagenError(f"{name} is damaged or cut short; export the picture again.") from None
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return as_floats(torch.from_numpy(np.array(image)).permute(2, 0, 1))


class Square(NamedTuple):
    """A square part of a picture, in pixels from its upper left edge."""

    x: float  # of the centre
    y: float
    side: float

    def inside(self, height: int, width: int) -> "Square":
        """The nearest square that lies within a picture."""
        side = min(max(self.side, 8), height, width)
        x, y = (
            min(max(at, side / 2), full - side / 2)
            for at, full in ((self.x, width), (self.y, height))
        )
        return Square(x, y, side)


def crop(photo: Float[Tensor, "3 H W"], square: Square, size: int) -> Float[Tensor, "3 S S"]:
    """The part of a photo as a model takes it."""
    x, y, side = square.inside(*photo.shape[1:])
    left, top, side = round(x - side / 2), round(y - side / 2), round(side)
    left, top = (
        max(0, min(a, n - side)) for a, n in ((left, photo.shape[2]), (top, photo.shape[1]))
    )
    return animation.prepare(photo[:, top : top + side, left : left + side], size)


def middle(photo: Float[Tensor, "3 H W"]) -> Square:
    """The largest square in the middle."""
    height, width = photo.shape[1:]
    return Square(width / 2, height / 2, min(height, width))


def offline_faces() -> Any | None:
    """The face judge, if its weights lie on this machine already; nothing is downloaded."""
    from aidagen import judges

    source = sources.SOURCES["face-api"]
    if not (sources.home() / "archives" / source.file).exists():
        return None
    try:
        return judges.FaceLandmarks()
    except AidagenError:
        return None


@lru_cache
def framing() -> tuple[float, float, float]:
    """How heads are framed in training: face centre (x, y) and face height, of the picture's side.

    Measured on the first frames of the packaged set's training heads: the box of 68 landmarks.
    """
    from aidagen import datasets

    clips = datasets.load("heads").clips("train")[::4]
    points = np.stack([clip.labels()["landmarks"][0].astype(float) for clip in clips])
    low, high = points.min(1), points.max(1)
    x, y = ((low + high) / 2).mean(0) / 2 + 0.5
    return float(x), float(y), float((high - low)[:, 1].mean() / 2)


def around_face(points: Float[Tensor, "68 2"], photo: Float[Tensor, "3 H W"]) -> Square:
    """The square that frames a face as the training heads are framed."""
    extent = torch.tensor([photo.shape[2], photo.shape[1]])
    pixels = (points + 1) / 2 * (extent - 1) + 0.5
    low, high = pixels.amin(0), pixels.amax(0)
    at_x, at_y, share = framing()
    side = float(high[1] - low[1]) / share
    x, y = ((low + high) / 2).tolist()
    square = Square(x + (0.5 - at_x) * side, y + (0.5 - at_y) * side, side)
    return square.inside(*photo.shape[1:])


# --- does the model know such pictures? ----------------------------------------------------------


def held_out(size: int, count: int = 24) -> Float[Tensor, "N 3 S S"]:
    """First frames of heads outside the training set (test split of the packaged sets).

    Drawn at 64 px, or at 128 px where the model is larger than 64: an enlarged picture is blurred,
    and would let a blurred photo pass.
    """
    from aidagen import datasets

    clips = datasets.load("heads-128" if size > 64 else "heads").clips("test")[:count]
    return torch.stack([animation.prepare(clip.frames(0, 1)[0], size) for clip in clips])


def rebuilding_errors(model: Any, pictures: Float[Tensor, "N 3 S S"]) -> Float[np.ndarray, " N"]:
    """The error with which the model rebuilds each picture, as it is and mildly warped.

    The picture itself is the source; the driving frame is the picture, and the picture under one
    fixed known deformation. Mean absolute differences in [0, 1], averaged over the two.
    """
    deformation = RandomTransform.sample(1, generator=torch.Generator().manual_seed(0))
    like = next(iter(model.parameters()), torch.zeros(())) if hasattr(model, "parameters") else None
    errors = []
    for picture in pictures.split(1):
        truths = torch.cat([picture, deformation.frame(picture)]).clamp(0, 1)
        moved = truths if like is None else truths.to(like.device, like.dtype)
        rebuilt = animation.rendering(model, moved[:1], moved).image
        errors.append(float((rebuilt.float().cpu() - truths).abs().mean()))
    return np.array(errors)


def sharpness(pictures: Float[Tensor, "N 3 S S"]) -> Float[np.ndarray, " N"]:
    """Mean absolute difference of neighbouring pixels, in [0, 1]."""
    grey = pictures.mean(1)
    across, down = grey.diff(dim=2).abs().mean((1, 2)), grey.diff(dim=1).abs().mean((1, 2))
    return ((across + down) / 2).cpu().numpy()


class Yardstick(NamedTuple):
    """What held-out pictures reach: 95 % of them have less error, 95 % are sharper."""

    error: float
    sharpness: float
    count: int


def yardstick(model: Any, pictures: Float[Tensor, "N 3 S S"]) -> Yardstick:
    """Measure a model on held-out pictures."""
    if len(pictures) < 5:
        raise AidagenError(
            f"A yardstick needs five held-out pictures or more; {len(pictures)} were given."
        )
    error = float(np.quantile(rebuilding_errors(model, pictures), 0.95))
    return Yardstick(error, float(np.quantile(sharpness(pictures), 0.05)), len(pictures))


def from_path(path: str | Path) -> tuple[bytes, str]:
    """A file's bytes and its name; raises AidagenError where there is none."""
    path = Path(path).expanduser()
    try:
        return path.read_bytes(), path.name
    except OSError as error:
        raise AidagenError(f"{path} cannot be read ({error.strerror}); check the name.") from None
