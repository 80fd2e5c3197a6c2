"""Pictures of what an answer does on one example: the expected one, and a wrong one beside it.

An exercise's ``picture`` calls the answer on an example and hands the result to one of these. They
take what a wrong answer may return (places far outside, matrices that are no covariances), and
raise where nothing can be drawn.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from aidagen import datasets, grids
from aidagen.pixels import as_bytes
from aidagen.widgets import overlays

SIZE = 160  # pixels of the longer side
BLOCK = 24  # pixels of the screen for one pixel of a small picture


@cache
def face() -> Float[Tensor, "3 64 64"]:
    """One frame of a rendered head, in [0, 1]; do not change it."""
    return datasets.load("heads").clips("test")[5].frames()[0].float() / 255


def shown(picture: Float[Tensor, "3 h w"]) -> Image.Image:
    """A picture, enlarged so that its longer side has `SIZE` pixels."""
    pixels = as_bytes(picture.detach().float().clamp(0, 1)).permute(1, 2, 0).contiguous().numpy()
    height, width = pixels.shape[:2]
    scale = SIZE / max(height, width)
    size = (round(scale * width), round(scale * height))
    return Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)


def read(picture: Float[Tensor, "3 h w"], grid: Float[Tensor, "H W 2"]) -> Image.Image:
    """The picture, read through a warp grid."""
    return shown(grids.warp(picture[None], grid[None].to(picture))[0])


def flow(movement: Float[Tensor, "H W 2"], largest: float = 0.5) -> Image.Image:
    """A flow in colours, with their key in the corner."""
    return Image.fromarray(overlays.flow_picture(_array(movement), SIZE, largest))


def point(heat: Float[Tensor, "H W"], place: Float[Tensor, "xy=2"]) -> Image.Image:
    """A heat map and the point that was read from it."""
    made = Image.fromarray(overlays.map_picture(_array(heat / heat.max()), SIZE))
    (x, y), draw = overlays.to_pixels(_array(place), heat.shape[-1], SIZE), ImageDraw.Draw(made)
    draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill="#D55E00", outline="white", width=2)
    return made


def ellipses(
    centres: Float[Tensor, "K 2"],
    matrices: Float[Tensor, "K 2 2"],
    radius: float = 0.2,
    picture: Float[Tensor, "3 h w"] | None = None,
) -> Image.Image:
    """What each matrix makes of a small circle around its point; over grey, or over a picture."""
    base = torch.full((3, 64, 64), 0.25) if picture is None else 0.6 * picture
    drawn = overlays.draw_ellipses(
        overlays.enlarge(base, SIZE), _array(centres), _array(matrices), 64, radius=radius
    )
    return Image.fromarray(drawn)


def on_pixels(picture: Float[Tensor, "3 h w"], places: Float[Tensor, "N 2"]) -> Image.Image:
    """A small picture in blocks, ringed by one more row of grey, with a dot at each (column, row).

    Column 0 and row 0 are the centre of the first pixel.
    """
    height, width = picture.shape[1:]
    blocks = Image.fromarray(as_bytes(picture).permute(1, 2, 0).contiguous().numpy())
    blocks = blocks.resize((BLOCK * width, BLOCK * height), Image.Resampling.NEAREST)
    made = Image.new("RGB", (BLOCK * (width + 2), BLOCK * (height + 2)), "#BBBBBB")
    made.paste(blocks, (BLOCK, BLOCK))
    draw, radius = ImageDraw.Draw(made), BLOCK / 4
    for x, y in (BLOCK * (_array(places) + 1.5)).clip(0, max(made.size)):
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill="#E69F00", outline="black", width=2)
    return made


def bars(values: dict[str, float], word: str = "") -> Image.Image:
    """Numbers by name as bars from 0 to 1, longer ones cut, and below them a word."""
    font, line = ImageFont.load_default(12), 22
    made = Image.new("RGB", (2 * SIZE, line * (len(values) + bool(word)) + 4), "white")
    draw, middle = ImageDraw.Draw(made), SIZE
    draw.line((middle, 0, middle, line * len(values)), fill="black")
    for i, (name, value) in enumerate(values.items()):
        length = min(max(value, 0), 1) if math.isfinite(value) else 0
        top, end = line * i + 4, middle + (SIZE - 50) * length
        draw.text((4, top), name, font=font, fill="black")
        draw.rectangle((middle, top, max(end, middle + 1), top + 14), fill="#0072B2")
        draw.text((end + 6, top), f"{value:.3f}", font=font, fill="black")
    if word:
        draw.text((4, line * len(values) + 4), word, font=font, fill="black")
    return made


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().float().numpy()
