"""What is drawn over pictures to show what a model sees: pure functions, numbers to pixels.

Pictures here are uint8 ``(S, S, 3)`` arrays, ready for a screen. Points, grids and matrices keep
the conventions of ``aidagen.grids``: (x, y) in [-1, 1], -1 and 1 at the centres of the first and
last pixel of the *model's* picture of ``pixels`` pixels, here enlarged to ``S``.

Colours suit colour-blind readers: keypoints carry numbers, movement runs from blue to orange and
from dark to light, maps use cividis.
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from aidagen import grids, video
from aidagen.errors import AidagenError
from aidagen.mark import stamp
from aidagen.pixels import as_bytes, as_floats
from aidagen.teaching import check

LARGE = 60_000  # bytes from which a notebook keeps a picture as JPEG
Picture = UInt8[np.ndarray, "S S 3"]

# Okabe and Ito's colours without black, then tints of them for more than seven keypoints
COLOURS = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
    "#FFD27F", "#BFE3FA", "#7FD8BD", "#FBF7AE", "#7FB9DB",
)  # fmt: skip
CHOSEN = "#FFFFFF"
_FINE = 2  # lines are drawn this much larger and reduced, because PIL does not smooth them


def to_pixels(
    points: Float[np.ndarray, "*n 2"], pixels: int, size: int
) -> Float[np.ndarray, "*n 2"]:
    """Where points in [-1, 1] lie, in pixels of a picture enlarged from ``pixels`` to ``size``.

    >>> to_pixels(np.array([0.0, 0.0]), 64, 256)        # the middle of pixels 0 to 255
    array([127.5, 127.5])
    """
    index = (points + 1) / 2 * (pixels - 1)  # in the model's picture, align_corners=True
    return (index + 0.5) * (size / pixels) - 0.5


def enlarge(image: Float[Tensor, "3 h w"], size: int, smooth: bool = True) -> Picture:
    """A picture in [0, 1] as ``size`` x ``size`` screen pixels, bicubic or in blocks."""
    array = as_bytes(image.detach().cpu().float())
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    picture = Image.fromarray(array.permute(1, 2, 0).contiguous().numpy())
    return np.array(picture.resize((size, size), how))


def colour_of(k: int) -> str:
    """The colour of keypoint ``k``, counted from 0."""
    return COLOURS[k % len(COLOURS)]


def draw_points(
    picture: Picture, points: Float[np.ndarray, "K 2"], pixels: int, chosen: int | None = None
) -> Picture:
    """Numbered dots, from 1 on; ``chosen`` (from 0) gets a white ring."""
    canvas, draw, at = _canvas(picture, points, pixels)
    radius = _FINE * len(picture) / 60
    font = ImageFont.load_default(_FINE * max(9, len(picture) // 17))
    for k, (x, y) in enumerate(at):
        grow = 1.5 if k == chosen else 1.0
        edge = CHOSEN if k == chosen else "black"
        box = (x - grow * radius, y - grow * radius, x + grow * radius, y + grow * radius)
        draw.ellipse(box, fill=colour_of(k), outline=edge, width=_FINE * (2 if k == chosen else 1))
        place = (x + 1.4 * radius, y - 3.4 * radius)
        draw.text(place, str(k + 1), font=font, fill="white", stroke_width=3, stroke_fill="black")
    return _reduced(canvas, len(picture))


def ellipse(
    centre: Float[np.ndarray, "2"],
    matrix: Float[np.ndarray, "2 2"],
    radius: float = 0.12,
    n: int = 48,
) -> Float[np.ndarray, "n 2"]:
    """The image of a small circle under ``z -> centre + matrix z``: what a Jacobian does."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    circle = radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return centre + circle @ matrix.T


def draw_ellipses(
    picture: Picture,
    points: Float[np.ndarray, "K 2"],
    matrices: Float[np.ndarray, "K 2 2"],
    pixels: int,
    chosen: int | None = None,
    radius: float = 0.12,
) -> Picture:
    """Each matrix as the ellipse it makes of a circle, with the images of both axes.

    The image of the x axis is the solid line, that of the y axis the thin one.
    """
    canvas, draw, _ = _canvas(picture, points, pixels)
    size = len(picture)
    for k, (point, matrix) in enumerate(zip(points, matrices, strict=True)):
        line, colour = _FINE * (3 if k == chosen else 2), colour_of(k)
        outline = _scaled(ellipse(point, matrix, radius), pixels, size)
        outline.append(outline[0])
        draw.line(outline, fill="black", width=line + 2)
        draw.line(outline, fill=colour, width=line)
        for axis, width in ((0, line), (1, _FINE)):
            ends = np.stack([point, point + radius * matrix[:, axis]])
            draw.line(_scaled(ends, pixels, size), fill=colour, width=width)
    return _reduced(canvas, size)


def draw_paths(
    picture: Picture,
    paths: Float[np.ndarray, "T K 2"],
    pixels: int,
    chosen: int | None = None,
) -> Picture:
    """The way of each keypoint over T frames, with a dot at its end."""
    canvas, draw, at = _canvas(picture, paths, pixels)
    for k in range(paths.shape[1]):
        way = [tuple(p) for p in at[:, k]]
        width = _FINE * (3 if k == chosen else 2)
        if len(way) > 1:
            draw.line(way, fill="black", width=width + 2, joint="curve")
            draw.line(way, fill=colour_of(k), width=width, joint="curve")
        (x, y), r = way[-1], _FINE * len(picture) / 90
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour_of(k), outline="black")
    return _reduced(canvas, len(picture))


def draw_grid(
    picture: Picture, grid: Float[np.ndarray, "h w 2"], pixels: int, lines: int = 10
) -> Picture:
    """The lines of a warp grid, about ``lines`` each way: where a straight grid reads."""
    canvas, draw, _ = _canvas(picture, grid, pixels)
    size, (h, w) = len(picture), grid.shape[:2]
    rows, columns = (sorted({*range(0, n, max(1, n // lines)), n - 1}) for n in (h, w))
    strands = [grid[i] for i in rows] + [grid[:, j] for j in columns]
    for strand in strands:
        draw.line(_scaled(strand, pixels, size), fill="black", width=2 * _FINE)
    for strand in strands:
        draw.line(_scaled(strand, pixels, size), fill="#F0E442", width=_FINE)
    return _reduced(canvas, size)


def warped(picture: Picture, grid: Float[np.ndarray, "h w 2"]) -> Picture:
    """The picture read through a warp grid, black outside of it."""
    image = as_floats(torch.from_numpy(picture)).permute(2, 0, 1)[None]
    fine = grids.resize_grid(torch.from_numpy(grid)[None].float(), *image.shape[2:])
    return as_bytes(grids.warp(image, fine)[0].permute(1, 2, 0)).numpy()


def flow_colours(
    movement: Float[np.ndarray, "*n 2"], largest: float = 0.3
) -> Float[np.ndarray, "*n 3"]:
    """RGB in [0, 1] of movements (x, y): right is orange, left blue, up light, down dark.

    No movement is middle grey; ``largest`` and more is the full colour. The two directions use
    what colour-blind readers tell apart: the axis from blue to orange, and lightness.
    """
    if not largest > 0:
        raise AidagenError(f"largest must be a positive length, not {largest!r}.")
    x, y = np.moveaxis(np.clip(movement / largest, -1, 1), -1, 0)
    to_orange = np.array([0.30, 0.02, -0.42])
    return np.clip(0.5 + x[..., None] * to_orange - 0.28 * y[..., None], 0, 1)


def flow_picture(movement: Float[np.ndarray, "h w 2"], size: int, largest: float = 0.3) -> Picture:
    """``flow_colours`` enlarged, with a key in the corner: each colour lies where it moves to."""
    picture = _enlarge_array(flow_colours(movement, largest), size)
    side = size // 5
    axis = np.linspace(-1, 1, side)
    x, y = np.meshgrid(axis, axis)
    key = as_bytes(flow_colours(np.stack([x, y], -1) * largest, largest))
    far = np.hypot(x, y)
    corner = picture[-side:, :side]
    corner[far <= 1] = key[far <= 1]
    corner[(far > 0.9) & (far <= 1)] = 0
    return picture


def map_picture(values: Float[np.ndarray, "h w"], size: int) -> Picture:
    """A map of values in [0, 1] in cividis: dark blue is 0, yellow is 1."""
    from matplotlib import colormaps

    return _enlarge_array(colormaps["cividis"](np.clip(values, 0, 1))[..., :3], size)


def masked_picture(
    picture: Picture, mask: Float[np.ndarray, "h w"], colour: str = "#E69F00"
) -> Picture:
    """The picture in grey where ``mask`` is 0, in ``colour`` where it is 1."""
    size = len(picture)
    weight = Image.fromarray(as_bytes(mask))
    weight = as_floats(np.array(weight.resize((size, size), Image.Resampling.BILINEAR)))[..., None]
    grey = picture.mean(-1, keepdims=True) * 0.6 + 40
    tint = np.array(Image.new("RGB", (1, 1), colour))[0, 0] * (0.45 + 0.55 * grey / 255)
    return (grey * (1 - 0.85 * weight) + tint * 0.85 * weight).round().clip(0, 255).astype(np.uint8)


def difference_picture(one: Picture, other: Picture, gain: float = 3.0) -> Picture:
    """Where two pictures differ: black where they agree, brighter by ``gain`` where not."""
    apart = np.abs(one.astype(np.int16) - other.astype(np.int16))
    return (gain * apart).clip(0, 255).astype(np.uint8)


def marked(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """The picture with the visible mark of what a model made, see `aidagen.mark`."""
    return stamp(picture)


def stretch_and_turn(matrix: Float[np.ndarray, "2 2"]) -> tuple[float, float]:
    """The largest stretch of a matrix (its first singular value), and its rotation in degrees."""
    u, s, v = np.linalg.svd(matrix)
    if np.linalg.det(u @ v) < 0:  # a reflection; say how far the rest of it turns
        u[:, 1] *= -1
    rotation = u @ v
    return float(s[0]), float(np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0])))


def sheet(
    pictures: Sequence[Tensor | np.ndarray],
    columns: int,
    labels: Sequence[str] | None = None,
    *,
    size: int = 128,
    generated: Sequence[int] = (),
) -> Image.Image:
    """Pictures in rows of ``columns``, over their labels; for a notebook, see `still`.

    Tensors ``(3, h, w)`` are enlarged to ``size``, screen pictures, bytes ``(H, W, 3)``, are taken
    as they are; those whose places in the list are in ``generated`` get the visible mark of what a
    model made.
    """
    cells = []
    for i, picture in enumerate(pictures):
        pixels = enlarge(picture, size) if isinstance(picture, Tensor) else picture
        cell = torch.from_numpy(pixels).permute(2, 0, 1)
        cells.append(video.marked(cell) if i in generated else cell)
    return video.contact_sheet(cells, columns, labels)


def still(image: Image.Image, alt: str | None = None) -> Any:
    """A picture as a notebook shows it: a PNG, or a JPEG where a PNG would be large.

    A line below it names the exercises whose reference solution the cell called.
    """
    from IPython.display import Image as Display

    if words := check.badge():
        image, alt = badged(image, words), f"{alt} ({words}.)" if alt else alt
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=6)
    if buffer.tell() > LARGE:
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=88, subsampling=0, optimize=True)
    return Display(buffer.getvalue(), alt=alt)


def with_still(bundle: Any, image: Image.Image, alt: str) -> tuple[dict, dict]:
    """A widget's mime bundle with a picture in it, for readers without a kernel."""
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    picture, words = still(image, alt)._repr_mimebundle_()
    return {**(data or {}), **picture}, {**metadata, **words}


def badged(image: Image.Image, words: str) -> Image.Image:
    """The picture with a line of words on a strip below it, broken where it is too long."""
    font = ImageFont.load_default(13)
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > image.width - 12:
            lines.append(word)
        else:
            lines[-1] = longer
    width = max(image.width, *(round(font.getlength(line)) + 12 for line in lines))
    strip = 18 * len(lines) + 6
    result = Image.new("RGB", (width, image.height + strip), "#FFF4CC")
    result.paste("white", (0, 0, width, image.height))
    result.paste(image.convert("RGB"), (0, 0))
    draw = ImageDraw.Draw(result)
    draw.line((0, image.height, width, image.height), fill="#8A6D00")
    for i, line in enumerate(lines):
        draw.text((6, image.height + 4 + 18 * i), line, font=font, fill="black")
    return result


def _canvas(picture: np.ndarray, points: np.ndarray, pixels: int):
    if picture.ndim != 3 or picture.shape[0] != picture.shape[1] or picture.shape[2] != 3:
        raise AidagenError(f"A picture (S, S, 3) was expected, not {picture.shape}.")
    if points.shape[-1] != 2:
        raise AidagenError(f"Points end in an axis (x, y) of 2; got {points.shape}.")
    size = len(picture)
    canvas = Image.fromarray(picture).resize((_FINE * size, _FINE * size), Image.Resampling.NEAREST)
    return canvas, ImageDraw.Draw(canvas), _FINE * (to_pixels(points, pixels, size) + 0.5) - 0.5


def _scaled(points: np.ndarray, pixels: int, size: int) -> list[tuple[float, float]]:
    return [tuple(p) for p in (_FINE * (to_pixels(points, pixels, size) + 0.5) - 0.5).tolist()]


def _reduced(canvas: Image.Image, size: int) -> np.ndarray:
    return np.array(canvas.reduce(_FINE)) if canvas.width != size else np.array(canvas)


def _enlarge_array(values: np.ndarray, size: int) -> np.ndarray:
    picture = Image.fromarray(as_bytes(values))
    return np.array(picture.resize((size, size), Image.Resampling.BILINEAR))
