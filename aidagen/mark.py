"""How generated clips say so: a visible mark in a corner, and a note in the metadata."""

import math
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

MARK = "AI-generated · aidagen"
PROVENANCE = "AI-generated with aidagen; IPTC digital source type: trainedAlgorithmicMedia"


def provenance(model: str | None = None, mode: str | None = None) -> str:
    """The note for a clip that `model` made: who and how, and no date, so that files repeat."""
    said = [PROVENANCE, model and f"model: {model}", mode and f"mode: {mode}"]
    return "; ".join(part for part in said if part)


def stamp(pixels: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """A copy of the picture with the mark in its lower right corner.

    The mark says `MARK` where the picture is wide enough for letters, "AI" on small ones, and is
    a chequered square where there is no room for letters.
    """
    plate = _plate(*pixels.shape[:2])
    height, width = plate.shape[:2]
    pixels, opacity = pixels.copy(), plate[..., 3:] / 255
    corner = pixels[-height:, -width:]
    corner[:] = (corner * (1 - opacity) + plate[..., :3] * opacity).round().astype(np.uint8)
    return pixels


@lru_cache(maxsize=8)
def _plate(height: int, width: int) -> np.ndarray:
    """RGBA picture of the mark for frames of this size: white letters on a dark plate."""
    if min(height, width) < 40:
        side = max(min(height, width) // 6, 2)
        rows, columns = np.indices((min(side, height), min(side, width))) // max(side // 4, 1)
        value = ((rows + columns) % 2 * 255).astype(np.uint8)
        return np.dstack([value] * 3 + [np.full_like(value, 255)])
    points = max(8, round(min(height, width) / 24))
    font = ImageFont.load_default(points)
    pad = max(2, points // 4)
    for text in (MARK, MARK.split(" ·")[0], "AI"):
        left, top, right, bottom = font.getbbox(text)
        if right - left + 2 * pad <= 0.6 * width:
            break
    size = (math.ceil(right - left) + 2 * pad, math.ceil(bottom - top) + 2 * pad)
    plate = Image.new("RGBA", size, (16, 16, 16, 190))
    ImageDraw.Draw(plate).text((pad - left, pad - top), text, font=font, fill="white")
    return np.asarray(plate)[:height, :width].astype(np.float64)
