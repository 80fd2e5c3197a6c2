"""Lecture 07's figures: each function draws one, so that the text shows only what is to be read.

Frames are tensors ``(3, H, W)`` in [0, 1] of 64 rows; they are enlarged in blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from aidagen import video
from aidagen.datasets.breakout import Breakout
from aidagen.lectures.playable_video import showcase
from aidagen.pixels import as_bytes
from aidagen.widgets import overlays

Picture = UInt8[np.ndarray, "h w 3"]
GAP, LETTERS = 6, 24
WHEEL = ("up-left", "up", "up-right", "left", "stayed", "right", "down-left", "down", "down-right")


def enlarged(frame: Float[Tensor, "3 H W"], times: int) -> Picture:
    """A frame in blocks of ``times`` x ``times`` screen pixels."""
    array = as_bytes(frame.detach().clamp(0, 1)).permute(1, 2, 0).contiguous().numpy()
    return array.repeat(times, 0).repeat(times, 1)


def heat(values: Float[Tensor, "a b"], size: tuple[int, int]) -> Picture:
    """A map from 0 (dark blue) to 1 (yellow), at ``size`` (height, width)."""
    from matplotlib import colormaps

    colours = as_bytes(torch.from_numpy(colormaps["cividis"](values.numpy())[..., :3]))
    picture = Image.fromarray(colours.numpy())
    return np.array(picture.resize(size[::-1], Image.Resampling.NEAREST))


def table(rows: Mapping[str, Sequence[np.ndarray]], heads: Sequence[str] = ()) -> Any:
    """Pictures in rows, as a notebook shows them: names on the left, heads above columns."""
    font = ImageFont.load_default(LETTERS)
    width, height = (max(cell.shape[i] for row in rows.values() for cell in row) for i in (1, 0))
    left = round(max(font.getlength(name) for name in rows)) + 14
    left, top = (left if any(rows) else 0), (LETTERS + 8 if heads else 0)
    count = max(len(row) for row in rows.values())
    size = left + count * (width + GAP), top + len(rows) * (height + GAP)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for i, head in enumerate(heads):
        draw.text((left + i * (width + GAP), 0), head, fill="black", font=font)
    for j, (name, row) in enumerate(rows.items()):
        y = top + j * (height + GAP)
        draw.text((2, y + height // 2 - LETTERS // 2), name, fill="black", font=font)
        for i, cell in enumerate(row):
            canvas.paste(Image.fromarray(cell), (left + i * (width + GAP), y))
    return overlays.still(canvas)


def named(picture: Picture, words: str) -> UInt8[np.ndarray, "taller w 3"]:
    """A picture under a strip that says what it is."""
    strip = Image.new("RGB", (picture.shape[1], LETTERS + 10), "white")
    font = ImageFont.load_default(LETTERS)
    ImageDraw.Draw(strip).text((6, 2), words, fill="black", font=font)
    return np.concatenate([np.array(strip), picture])


# --- the first two minutes -----------------------------------------------------------------------


def film(data: str, count: int, steps: int = 8) -> Any:
    """A film with a picture for each action, which is held from the same first frame on."""
    from IPython.display import HTML

    first, model = showcase.start(data, count), showcase.model(data)
    made = showcase.pressed(model, first, steps)  # (K, t, 3, H, W)
    names = showcase.words(data)
    order = _wheel(names) if len(names) > 3 else list(range(len(names)))
    columns = 3
    times = {"breakout": 4, "robot": 3}.get(data, 2)
    played = []
    for t in [0, 0, *range(steps + 1), steps]:
        frames = [first if t == 0 else made[k, t - 1] for k in order]
        cells = [named(enlarged(x, times), f"{k + 1}: {names[k]}") for k, x in zip(order, frames)]
        rows = [_beside(cells[i : i + columns]) for i in range(0, len(cells), columns)]
        played.append(torch.from_numpy(np.concatenate(rows)).permute(2, 0, 1))
    world = showcase.WORLDS[data]
    says = (f"{world.title}: one picture for each of {len(names)} actions, all from the same first "
            f"frame; in each the {world.thing} goes its own way.")  # fmt: skip
    clip = _even(torch.stack(played)).float() / 255
    return HTML(video.html(clip, fps=4, alt=says))


def _wheel(names: Sequence[str]) -> list[int]:
    """Actions in the order of `WHEEL`; those without a name of it fill the gaps."""
    spare = [k for k, name in enumerate(names) if name not in WHEEL or name in names[:k]]
    return [names.index(name) if name in names else spare.pop(0) for name in WHEEL]


def _beside(cells: Sequence[Picture]) -> UInt8[np.ndarray, "h wider 3"]:
    gap = np.full((cells[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([x for cell in cells for x in (cell, gap)][:-1], axis=1)


def _even(frames: UInt8[Tensor, "T 3 H W"]) -> Tensor:
    """Height and width cut to even numbers, as videos need."""
    return frames[..., : frames.shape[2] // 2 * 2, : frames.shape[3] // 2 * 2]


# --- data ----------------------------------------------------------------------------------------


def unlabelled(number: int = 0, count: int = 5, data: str = "breakout") -> Any:
    """What the model is given: frames in a row; above them what is pressed, which it is not."""
    clip = showcase.clips(data, number + 1)[number]
    names, actions = Breakout.ACTIONS, clip.labels()["actions"]
    cells = [enlarged(showcase.frames(data, number)[t], 4) for t in range(count)]
    return table({"": cells}, [f"then: {names[int(a)]}" for a in actions[: count - 1]])


# --- inside --------------------------------------------------------------------------------------


@torch.no_grad()
def attention(count: int = 2) -> Any:
    """Where the action network looks: frames of both games, and the attention on them."""
    cells, heads = [], []
    for data, game in showcase.GAMES.items():
        for number in range(count):
            frame = showcase.frames(data, number)[16]
            seen = showcase.encoded(data, number).attention[16, 0]
            times = 4 if data == "breakout" else 3
            size = frame.shape[1] * times, frame.shape[2] * times
            cells += [enlarged(frame, times), heat(seen, size)]
            heads += [game.title, "attention"]
    half = len(cells) // 2
    return _sheet([cells[:half], cells[half:]], [heads[:half], heads[half:]])


def _sheet(rows: Sequence[Sequence[np.ndarray]], heads: Sequence[Sequence[str]]) -> Any:
    """Rows whose cells differ in size, each under its own heads."""
    lines = [_beside([named(x, head) for x, head in zip(row, own)])
             for row, own in zip(rows, heads)]  # fmt: skip
    width = max(line.shape[1] for line in lines)
    padded = [np.pad(x, ((0, GAP), (0, width - x.shape[1]), (0, 0)), constant_values=255)
              for x in lines]  # fmt: skip
    return overlays.still(Image.fromarray(np.concatenate(padded)))


# --- failures ------------------------------------------------------------------------------------


def failures(data: str, count: int, at: Sequence[int] = (0, 2, 5, 8, 11)) -> Any:
    """The clip of median error and the worst one: true frames above painted ones."""
    found, rows, times = showcase.replayed(data, count), {}, 2
    for word, number in (("median", found.median), ("worst", found.worst)):
        rows[f"{word}, true"] = [enlarged(found.true[number, t + 1], times) for t in at]
        rows[f"{word}, painted"] = [
            overlays.marked(enlarged(found.made[number, t], times)) for t in at
        ]
    return table(rows, [f"step {t + 1}" for t in at])


def balls(count: int) -> str:
    """In how many last painted frames of the first ``count`` clips something is where the ball is,
    as Markdown; the ball is drawn in about four pixels."""
    found, seen, there = showcase.replayed("breakout", count), 0, 0
    for number, clip in enumerate(showcase.clips("breakout", count)):
        for t in range(1, found.made.shape[1] + 1):
            ball = clip.labels()["ball"][t]
            if not np.isfinite(ball).all() or ball[1] < -0.2 or ball[1] > 0.8:
                continue  # none, or in front of the bricks or of the paddle
            column, row = ((ball + 1) / 2 * 63).round().astype(int)
            rows, columns = (slice(max(0, x - 2), x + 3) for x in (row, column))
            there += 1
            seen += float(found.made[number, t - 1][:, rows, columns].max()) > 0.25
    return (f"In {there} frames the ball is before the dark field. A painted frame shows something "
            f"bright within two pixels of its place in **{seen} of {there}**.")  # fmt: skip

