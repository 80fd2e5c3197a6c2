"""Where the object that a game's actions move is seen, in true and in painted frames alike.

One rule for all: each pixel is so much of the object's colour, from 0 (the colour of the ground) to
1; the object is where a window of about its size holds most of it, and its place is the centre of
mass there. It is found if the window holds at least half of what it holds in a true frame: a
blurred object still does, a lost one does not (an empty field of Breakout holds 0, a court of
Tennis 0.3 of it, which are its side lines). Nothing is learned. Windows and masses were chosen on
validation clips.

On all test clips (`tests/test_game_objects.py` holds the numbers to the emulator's labels):

* Breakout: found in every frame, 0.1 pixels beside the true centre of the paddle (median; 95 %:
  0.2), and up to 1.6 where the paddle sticks out of the picture at the right wall.
* Tennis: found in every frame. The place is that of the body, which stands 2 pixels beside the
  centre of the sprite, away from the racket, and 1.5 above it; from there it is 0.3 pixels (median;
  95 %: 0.9). Where the player takes the racket to the other side, as in one step of twenty, the
  body jumps by 4 pixels, and so does the place.

Letters: N frames.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


class Look(NamedTuple):
    """How an object looks; sizes in pixels, colours in 0..255."""

    colour: tuple[int, int, int]
    ground: tuple[int, int, int]  # what lies behind it
    window: tuple[int, int]  # height and width, odd
    mass: float  # pixels of its colour that the window holds in a true frame
    rows: tuple[int, int]  # in which it is looked for: the first, and the one behind the last
    least: float = 0.5  # share of the mass below which nothing is found


PADDLE = Look((200, 72, 72), (0, 0, 0), window=(3, 9), mass=10.3, rows=(60, 64))
PLAYER = Look((240, 128, 128), (80, 128, 48), window=(17, 11), mass=38.5, rows=(0, 60))


def colour_share(pictures: Float[Tensor, "N 3 H W"], look: Look) -> Float[Tensor, "N H W"]:
    """How much of each pixel is of the object's colour, 0 to 1.

    The pixel is projected onto the line from ground to object; its distance from that line, twice,
    counts against it, so that a white line on the court is nothing of a pink player.
    """
    ground, colour = torch.tensor([look.ground, look.colour]).to(pictures) / 255
    way = colour - ground
    length = way.norm()
    apart = pictures - ground[:, None, None]
    along = torch.einsum("nchw,c->nhw", apart, way) / length**2
    aside = (apart - along[:, None] * way[:, None, None]).norm(dim=1) / length
    return (along - 2 * aside).clamp(0, 1)


def find(pictures: Float[Tensor, "N 3 H W"], look: Look) -> Float[np.ndarray, "N 2"]:
    """Centres of the object, (x, y) in pixels from the centre of the first one; NaN: not found."""
    share = colour_share(pictures, look)
    share[:, : look.rows[0]] = 0
    share[:, look.rows[1] :] = 0
    height, width = look.window
    held = F.avg_pool2d(share[:, None], look.window, 1, (height // 2, width // 2))[:, 0]
    mass, best = (held * height * width).flatten(1).max(1)
    y, x = (torch.arange(size, dtype=share.dtype) for size in share.shape[1:])
    y, x = y[None, :, None], x[None, None, :]
    centre_x, centre_y = (best % share.shape[2]).to(share), (best // share.shape[2]).to(share)
    for _ in range(3):  # towards the centre of mass (mean shift)
        inside = ((x - centre_x[:, None, None]).abs() <= width / 2) & (
            (y - centre_y[:, None, None]).abs() <= height / 2
        )
        weight = share * inside
        total = weight.sum((1, 2)).clamp(min=1e-6)
        centre_x, centre_y = (weight * x).sum((1, 2)) / total, (weight * y).sum((1, 2)) / total
    places = torch.stack([centre_x, centre_y], 1)
    places[mass < look.least * look.mass] = torch.nan
    return places.double().numpy()
