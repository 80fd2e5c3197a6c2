"""A photograph from outside: read, cropped, and judged whether a model knows its kind.

Nothing here is stored. The judgements compare with held-out pictures, so that no threshold is
chosen by hand.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from aidagen import animation, footage, sources
from aidagen.errors import AidagenError
from aidagen.keypoints import RandomTransform
from aidagen.pixels import as_floats

SMALLEST, LARGEST = 32, 1024  # pixels each way, of a photo as it is read


def read(source: str | Path | bytes, name: str = "The picture") -> Float[Tensor, "3 H W"]:
    """The picture in a file, or in a file's bytes, at most 1024 pixels each way: `read_image`.

    ``name`` is what a message calls bytes; a file has its own.

    Raises:
        AidagenError: on what is empty, too large, too small, damaged, or no picture.
    """
    if isinstance(source, str | Path):
        source = os.path.expanduser(source)
        name = Path(source).name
    photo = as_floats(footage.read_image(source, within=LARGEST, name=name))
    height, width = photo.shape[1:]
    if min(height, width) < SMALLEST:
        raise AidagenError(
            f"{name} is read at {width} x {height} pixels, too small to show anybody; choose a "
            f"picture of at least {SMALLEST} each way."
        )
    return photo


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
def framing(data: str = "heads") -> tuple[float, float, float]:
    """How faces are framed in training: face centre (x, y) and face height, of the picture's side.

    Measured on first frames of the training clips of a packaged set: the box of 68 landmarks.
    """
    from aidagen import datasets

    clips = datasets.load(data).clips("train")[::4]
    points = np.stack([clip.labels()["landmarks"][0].astype(float) for clip in clips])
    low, high = points.min(1), points.max(1)
    x, y = ((low + high) / 2).mean(0) / 2 + 0.5
    return float(x), float(y), float((high - low)[:, 1].mean() / 2)


def framed(points: Float[Tensor, "68 2"], height: int, width: int, data: str = "heads") -> Square:
    """The square that frames a face as the set ``data`` does; it may reach out of the picture."""
    pixels = (points + 1) / 2 * (torch.tensor([width, height]) - 1) + 0.5
    low, high = pixels.amin(0), pixels.amax(0)
    at_x, at_y, share = framing(data)
    side = float(high[1] - low[1]) / share
    x, y = ((low + high) / 2).tolist()
    return Square(x + (0.5 - at_x) * side, y + (0.5 - at_y) * side, side)


def around_face(points: Float[Tensor, "68 2"], photo: Float[Tensor, "3 H W"]) -> Square:
    """The square inside a picture that frames a face as the training heads are framed."""
    return framed(points, *photo.shape[1:]).inside(*photo.shape[1:])


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
