"""Lecture 03's sheets: tall pictures in rows with names, and poses drawn as people.

Pictures are tensors ``(3, H, W)`` in [0, 1] or screen pictures ``(h, w, 3)`` of bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from aidagen.models.deformable_gan_geometry import LIMBS
from aidagen.pixels import as_bytes
from aidagen.poses import NUMBER, Pose
from aidagen.widgets import overlays

Picture = UInt8[np.ndarray, "h w 3"]
GAP, LETTERS = 4, 24
RIGHT, LEFT, MIDDLE = "#E69F00", "#56B4E9", "#FFFFFF"  # sides of a drawn pose, the person's own
_TRUNK = (
    ("neck", "right shoulder"), ("neck", "left shoulder"), ("right shoulder", "right hip"),
    ("left shoulder", "left hip"), ("right hip", "left hip"), ("neck", "nose"),
)  # fmt: skip


def enlarged(image: Float[Tensor, "3 H W"], height: int, smooth: bool = True) -> Picture:
    """A picture of any shape as ``height`` screen pixels, bicubic or in blocks."""
    array = as_bytes(image.detach().cpu().float().clamp(0, 1))
    picture = Image.fromarray(array.permute(1, 2, 0).contiguous().numpy())
    size = (round(height * picture.width / picture.height), height)
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return np.array(picture.resize(size, how))


def table(
    rows: Mapping[str, Sequence[Tensor | Picture | None]],
    heads: Sequence[str] = (),
    generated: Collection[str] = (),
    height: int = 256,
    smooth: bool = True,
) -> Any:
    """Pictures in rows, as a notebook shows them: names of rows on the left, heads above columns.

    Pictures of the rows whose names are in ``generated`` get the visible mark of what a model
    made. A name that is empty takes no room, and where a picture is None nothing is shown.
    """
    cells: dict[str, list[Picture | None]] = {}
    for name, row in rows.items():
        shown = [enlarged(x, height, smooth) if isinstance(x, Tensor) else x for x in row]
        if name in generated:
            shown = [x if x is None else overlays.marked(x) for x in shown]
        cells[name] = shown
    font = ImageFont.load_default(LETTERS)
    width = max(cell.shape[1] for row in cells.values() for cell in row if cell is not None)
    lines = [_broken(head, font, width) for head in heads]
    top = max((len(line) for line in lines), default=0) * (LETTERS + 6)
    left = max((font.getlength(part) for name in rows for part in _words(name)), default=0)
    left = round(left) + 12 if left else 0
    count = max(len(row) for row in cells.values())
    size = left + count * (width + GAP), top + len(cells) * (height + GAP)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for i, line in enumerate(lines):
        for k, part in enumerate(line):
            place = left + i * (width + GAP), k * (LETTERS + 6)
            draw.text(place, part, fill="black", font=font)
    for j, (name, row) in enumerate(cells.items()):
        y = top + j * (height + GAP)
        parts = _words(name)
        for k, part in enumerate(parts):
            lowered = y + height / 2 + (k - len(parts) / 2) * (LETTERS + 6)
            draw.text((2, lowered), part, fill="black", font=font)
        for i, cell in enumerate(row):
            if cell is not None:
                canvas.paste(Image.fromarray(cell), (left + i * (width + GAP), y))
    return overlays.still(canvas)


def _words(name: str) -> list[str]:
    """A row's name in lines of about eleven letters."""
    lines: list[str] = []
    for word in name.split():
        if lines and len(lines[-1]) + len(word) < 12:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _broken(words: str, font: Any, width: int) -> list[str]:
    """A head in lines that fit over a column."""
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


# --- what is drawn over people -------------------------------------------------------------------


def on_screen(pose: Pose, number: int, picture: Picture) -> Float[np.ndarray, "18 2"]:
    """The joints of person ``number`` in pixels of an enlarged picture."""
    height, width = picture.shape[:2]
    # the centre of the first pixel of 128 is not that of the first of many
    index = (pose.joints[number].numpy() + 1) / 2 * (np.array([64, 128]) - 1)
    return (index + 0.5) * np.array([width / 64, height / 128]) - 0.5


def with_pose(picture: Picture, pose: Pose, number: int = 0, line: int = 4) -> Picture:
    """The joints that are known, joined to a figure: the person's right side orange, the left one
    blue, the rest white."""
    canvas = Image.fromarray(picture)
    draw, points = ImageDraw.Draw(canvas), on_screen(pose, number, picture)
    known = pose.visible[number].tolist()
    bones = [
        (a, b, RIGHT if name.startswith("right") else LEFT) for name, (a, b) in LIMBS.items()
    ] + [(NUMBER[a], NUMBER[b], MIDDLE) for a, b in _TRUNK]
    for width, colour in ((line + 3, "black"), (line, None)):
        for a, b, own in bones:
            if known[a] and known[b]:
                ends = [tuple(points[a]), tuple(points[b])]
                draw.line(ends, fill=colour or own, width=width)
    for (x, y), seen in zip(points, known, strict=True):
        if seen:
            box = (x - line, y - line, x + line, y + line)
            draw.ellipse(box, fill="white", outline="black")
    return np.array(canvas)


def drawn_pose(pose: Pose, number: int = 0, height: int = 256) -> Picture:
    """A pose alone, on grey."""
    blank = np.full((height, height // 2, 3), 70, np.uint8)
    return with_pose(blank, pose, number)


def put_into_poses(
    source: Float[Tensor, "3 H W"], source_pose: Pose, pose: Pose,
    made: Float[Tensor, "N 3 H W"], true: Float[Tensor, "N 3 H W"],
) -> Any:  # fmt: skip
    """One source, in the first column, and several poses: asked for, painted, true."""
    given = with_pose(enlarged(source, 256), source_pose)
    rows = {
        "asked for": [given, *(drawn_pose(pose, i) for i in range(len(made)))],
        "painted": [None, *made],
        "true": [None, *true],
    }
    return table(rows, ["the source"], {"painted"})


def captioned(pictures: Sequence[Picture], words: str) -> list[UInt8[np.ndarray, "taller w 3"]]:
    """Pictures of one size that belong together, under a strip of 32 pixels that says ``words``
    above the first of them, in letters that fit there."""
    joined = np.concatenate(pictures, axis=1)
    strip = Image.new("RGB", (joined.shape[1], 32), "#E3F0F8")
    own = ImageFont.load_default(LETTERS).getlength(words)
    font = ImageFont.load_default(min(LETTERS, LETTERS * (pictures[0].shape[1] - 8) / own))
    ImageDraw.Draw(strip).text((4, 16), words, fill="black", font=font, anchor="lm")
    whole = np.concatenate([np.array(strip), joined])
    return list(np.split(whole, len(pictures), axis=1))


def with_outlines(
    picture: Picture, corners: Sequence[Float[np.ndarray, "n 2"]], colours: Sequence[str]
) -> Picture:
    """Closed outlines over a picture; corners are in pixels of a picture 64 x 128."""
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    scale = picture.shape[0] / 128
    for shape, colour in zip(corners, colours, strict=True):
        ends = [tuple(p) for p in (shape + 0.5) * scale - 0.5]
        draw.line([*ends, ends[0]], fill="black", width=6)
        draw.line([*ends, ends[0]], fill=colour, width=3)
    return np.array(canvas)


def heat(values: Float[Tensor, "H W"], height: int = 256, largest: float | None = None) -> Picture:
    """A map as colours, dark blue for 0 and yellow for ``largest`` (by default its maximum)."""
    from matplotlib import colormaps

    largest = float(values.max()) if largest is None else largest
    array = (values / max(largest, 1e-9)).clamp(0, 1).cpu().numpy()
    colours = torch.from_numpy(colormaps["cividis"](array)[..., :3]).permute(2, 0, 1)
    return enlarged(colours.float(), height)


def over(
    below: Float[Tensor, "3 H W"], above: Float[Tensor, "3 H W"], share: float = 0.5
) -> Tensor:
    """Two pictures laid over each other."""
    return (1 - share) * below + share * above
