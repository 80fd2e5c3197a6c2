"""Sheets of pictures for a lecture hall: large cells over labels that can be read from afar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from aidagen import video
from aidagen.errors import AidagenError
from aidagen.widgets import overlays
from aidagen.widgets.overlays import Picture

SIZE = 256  # pixels of a cell
GAP = 6
SMALLEST = 12  # pixels of a label


def sheet(
    pictures: Sequence[Tensor | Picture | None],
    columns: int,
    labels: Sequence[str],
    *,
    size: int = SIZE,
    generated: Sequence[int] = (),
) -> Image.Image:
    """Pictures in rows of ``columns``, each over its label.

    Tensors ``(3, h, w)`` are enlarged to ``size``; screen pictures are taken as they are; None
    leaves a place empty. Those whose places in the list are in ``generated`` get the visible mark
    of what a model made. A label may have two lines.

    Raises AidagenError where there is not one label per picture.
    """
    if len(labels) != len(pictures) or not pictures:
        raise AidagenError(f"{len(labels)} labels were given for {len(pictures)} pictures.")
    cells = [_cell(p, size, i in generated) for i, p in enumerate(pictures)]
    width, height = (max(c.size[axis] for c in cells if c is not None) for axis in (0, 1))
    font = _font(labels, width)
    lines = max(label.count("\n") + 1 for label in labels)
    line = round(1.35 * font.size)
    rows = -(-len(cells) // columns)
    step_x, step_y = width + GAP, height + lines * line + GAP
    made = Image.new("RGB", (columns * step_x + GAP, rows * step_y + GAP), "white")
    draw = ImageDraw.Draw(made)
    for i, (cell, label) in enumerate(zip(cells, labels, strict=True)):
        x, y = GAP + i % columns * step_x, GAP + i // columns * step_y
        if cell is not None:
            made.paste(cell, (x, y))
        draw.multiline_text((x, y + height + 2), label, font=font, fill="black", spacing=4)
    return made


def _font(labels: Sequence[str], width: int) -> ImageFont.FreeTypeFont:
    """As large as an eleventh of a cell, smaller where a label would not fit below its cell."""
    lines = [line for label in labels for line in label.split("\n")]
    for size in range(max(SMALLEST, width // 11), SMALLEST, -1):
        font = ImageFont.load_default(size)
        if max(font.getlength(line) for line in lines) <= width:
            return font
    return ImageFont.load_default(SMALLEST)


def _cell(picture: Tensor | Picture | None, size: int, generated: bool) -> Image.Image | None:
    if picture is None:
        return None
    pixels = overlays.enlarge(picture, size) if isinstance(picture, Tensor) else picture
    if generated:
        marked = video.marked(torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1))
        pixels = marked.permute(1, 2, 0).numpy()
    return Image.fromarray(np.ascontiguousarray(pixels))
