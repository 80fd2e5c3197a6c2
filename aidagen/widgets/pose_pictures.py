"""Pictures of people in poses, of the parts of their bodies, and of the features parts carry.

Pure functions as in `aidagen.widgets.overlays`, for pictures that are not square. Joints are those
of `aidagen.poses`, parts those of `aidagen.models.deformable_gan_geometry`. The person's right side
is orange, the left one blue.

Letters: C channels, P parts, h w pixels of a model's maps, H W pixels on the screen.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from aidagen.models.deformable_gan_geometry import PARTS
from aidagen.pixels import as_bytes
from aidagen.poses import JOINTS, MIRRORED, NUMBER
from aidagen.widgets import overlays, skeletons

Picture = UInt8[np.ndarray, "H W 3"]

RIGHT, LEFT, MIDDLE = "#E69F00", "#56B4E9", "#F0E442"
_HEAD = (("neck", "nose"), ("nose", "left eye"), ("nose", "right eye"),
         ("left eye", "left ear"), ("right eye", "right ear"))  # fmt: skip
STICKS = (*skeletons.bones(JOINTS), *((NUMBER[a], NUMBER[b]) for a, b in _HEAD))
"""Pairs of joints, by number, between which a skeleton has a bone."""

PART_COLOURS = ("#BBBBBB", *overlays.COLOURS[: len(PARTS) - 1])  # the torso is grey
_FINE = 2  # lines are drawn this much larger and reduced


def colours(swapped: bool = False) -> list[str]:
    """The colour of every joint; ``swapped`` exchanges those of left and right."""
    side = [{"r": RIGHT, "l": LEFT}.get(name[0] * (" " in name), MIDDLE) for name in JOINTS]
    return [side[k] for k in MIRRORED] if swapped else side


def enlarged(image: Float[Tensor, "3 h w"], width: int) -> Picture:
    """A picture in [0, 1], smoothly enlarged to ``width`` pixels."""
    array = np.ascontiguousarray(as_bytes(image.detach().cpu().float()).permute(1, 2, 0).numpy())
    return _resized(array, width, Image.Resampling.BICUBIC)


def draw_pose(
    picture: Picture,
    joints: Float[np.ndarray, "18 2"],
    known: Bool[np.ndarray, "18"],
    size: tuple[int, int],
    swapped: bool = False,
) -> Picture:
    """The skeleton over a picture that was enlarged from ``size`` (h, w); known joints alone."""
    canvas = Image.fromarray(picture)
    canvas = canvas.resize((_FINE * canvas.width, _FINE * canvas.height), Image.Resampling.NEAREST)
    draw, scale = ImageDraw.Draw(canvas), canvas.width / size[1]
    at = ((np.asarray(joints) + 1) / 2 * (size[1] - 1, size[0] - 1) + 0.5) * scale - 0.5
    paint, radius = colours(swapped), canvas.width / 50
    kept = [(a, b) for a, b in STICKS if known[a] and known[b]]
    for dark in (True, False):
        for a, b in kept:
            colour = paint[a] if paint[a] == paint[b] else "white"
            width = round(radius * (1.1 if dark else 0.6))
            draw.line([tuple(at[a]), tuple(at[b])], "black" if dark else colour, width)
    for k in np.flatnonzero(known):
        (x, y), colour = at[k], paint[k]
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour, "black", _FINE)
    return np.array(canvas.reduce(_FINE))


def draw_parts(
    picture: Picture, masks: Float[np.ndarray, "P h w"], chosen: int | None = None
) -> Picture:
    """The masks in the colours of their parts, over the picture in grey.

    Without ``chosen`` all but the torso's, which is the whole picture.
    """
    result = np.repeat(0.75 * picture.mean(-1, keepdims=True) + 32, 3, axis=-1)
    for p in range(1, len(masks)) if chosen is None else [chosen]:
        mask = _resized(as_bytes(masks[p]), picture.shape[1], Image.Resampling.NEAREST) > 127
        inside, colour = _inner(mask), np.array(Image.new("RGB", (1, 1), PART_COLOURS[p]))[0, 0]
        result[mask] = 0.55 * result[mask] + 0.45 * colour
        result[mask & ~inside] = colour
    return result.round().clip(0, 255).astype(np.uint8)


def _inner(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """The mask without an edge of two pixels."""
    for _ in range(2):
        padded = np.pad(mask, 1)
        mask = mask & padded[2:, 1:-1] & padded[:-2, 1:-1] & padded[1:-1, 2:] & padded[1:-1, :-2]
    return mask


class Palette(NamedTuple):
    """How features become colours: their first three principal components as red, green, blue."""

    mean: Float[Tensor, " C"]
    axes: Float[Tensor, "C 3"]
    low: Float[Tensor, "3"]  # of the components: what becomes 0 and 1
    high: Float[Tensor, "3"]


def palette(features: Float[Tensor, "C h w"]) -> Palette:
    """The principal components of features over all places; the middle 96 % span the colours."""
    values = features.flatten(1).T.double()
    mean = values.mean(0)
    _, vectors = torch.linalg.eigh((values - mean).T @ (values - mean))
    axes = vectors[:, -3:].flip(1)
    # a component has no sign of its own: its largest part is positive
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    axes = axes * largest.sign()
    axes = torch.nn.functional.pad(axes, (0, 3 - axes.shape[1]))
    share = torch.tensor([0.02, 0.98], dtype=values.dtype, device=values.device)
    low, high = ((values - mean) @ axes).quantile(share, dim=0)
    return Palette(*(x.to(features.dtype) for x in (mean, axes, low, high)))


def coloured(
    features: Float[Tensor, "C h w"],
    shades: Palette,
    width: int,
    covered: Bool[Tensor, "h w"] | None = None,
) -> Picture:
    """Features in colours, each pixel a block; dark where they are not ``covered``."""
    components = (features.flatten(1).T - shades.mean) @ shades.axes
    values = (components - shades.low) / (shades.high - shades.low).clamp(min=1e-9)
    picture = values.clamp(0, 1).reshape(*features.shape[1:], 3)
    if covered is not None:
        picture = torch.where(covered[..., None], picture, 0.12)
    return _resized(as_bytes(picture.cpu().numpy()), width, Image.Resampling.NEAREST)


def _resized(array: np.ndarray, width: int, how: Image.Resampling) -> np.ndarray:
    height = round(width * array.shape[0] / array.shape[1])
    return np.array(Image.fromarray(array).resize((width, height), how))
