"""Somebody's photo as the smile models take a face: whose face, from the front, framed as the set.

A picture without a face and a profile are refused in a sentence; of several faces the largest one
that looks into the camera is taken, and ``remarks`` say so. The models learnt from neutral faces
that look into the camera: what is unlike that, and can still be tried, is remarked on.
"""

from collections.abc import Callable
from math import atan2, degrees
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from aidagen.errors import AidagenError
from aidagen.evaluation.expressions import openings
from aidagen.judges.crops import crop_squares, edges_to_points, points_to_edges
from aidagen.pixels import as_floats
from aidagen.widgets import photos
from aidagen.widgets.canvas import as_pixels

DATA = "smiles"
# How much nearer the tip of the nose lies to one side of the jaw than to the other, as the judge
# reads it: 0 from the front (0.06 at most in the set), 0.4 at a yaw of 17 degrees, 0.6 at 28
# (test clips of `heads`), above 0.7 from 35 degrees on.
TURNED, PROFILE = 0.25, 0.5
TILTED = 12.0  # degrees; heads of the set are tilted by 3 at most
OPEN = 0.08  # of the mouth; 0.04 at most in neutral faces of the set
FACE = 0.3  # of a face's side: how far two boxes overlap that show the same face
NOBODY = (
    "No face was found in the picture; choose one of a face that looks into the camera and is not "
    "covered."
)
PROFILES = "The face in the picture looks to the side; choose one that looks into the camera."
LOOKS = (160, 224, 416)  # pixels at which the detector looks for all faces of a picture


class Portrait(NamedTuple):
    """A face as a model takes it."""

    picture: Float[Tensor, "3 S S"]
    points: Float[Tensor, "68 2"]  # landmarks, in this picture
    remarks: tuple[str, ...]  # what a reader should know, in sentences


def opened(picture: str | Path | bytes | Tensor) -> Float[Tensor, "3 H W"]:
    """A file, its bytes, or a picture ``(3, H, W)`` in [0, 1]; raises AidagenError in words."""
    if isinstance(picture, Tensor):
        return as_floats(torch.from_numpy(as_pixels(picture)).permute(2, 0, 1))
    return photos.read(picture)


@torch.no_grad()
def portrait(photo: Float[Tensor, "3 H W"], size: int, finder: Callable) -> Portrait:
    """The largest face of a photo that looks into the camera, cut out as the set is framed.

    ``finder`` maps pictures to a `judges.FaceReading`. Beyond the photo's border the pixels of the
    border are repeated.

    Raises:
        AidagenError: where no face is found, and where it looks to the side.
    """
    height, width = photo.shape[1:]
    found = squares(photo, finder)
    refused, points, remarks = NOBODY, None, []
    for square in found if len(found) > 1 else [None]:
        points = _landmarks(photo, square, finder)
        if points is None:
            continue
        pixels = points_to_edges(points, height, width)
        if _turn(pixels) <= PROFILE:
            break
        refused, points = PROFILES, None
    if points is None:
        raise AidagenError(refused)
    if len(found) > 1:
        remarks.append(
            f"There are {len(found)} faces in the picture; the largest that looks into the camera "
            "was taken."
        )
    remarks += _doubts(pixels)
    square = photos.framed(points, height, width, DATA)
    if _outside(square, height, width) > 0.1:
        remarks.append("The picture ends close to the face; its border was repeated.")
    if square.side < size:
        remarks.append(f"The face is small: its {square.side:.0f} pixels are enlarged to {size}.")
    # drawn twice as large, then averaged: nothing aliases
    fine = crop_squares(photo[None], torch.tensor([square]), 2 * size)
    edges = (pixels - torch.tensor(square[:2])) / square.side + 0.5  # 0 to 1 of the square
    return Portrait(
        F.avg_pool2d(fine, 2)[0].clamp(0, 1), edges_to_points(edges * size, size, size),
        tuple(remarks),
    )  # fmt: skip


def squares(photo: Float[Tensor, "3 H W"], finder: Callable) -> list[tuple[float, float, float]]:
    """(x, y, side) in pixels of every face that the finder's detector sees, the largest first."""
    detector = getattr(finder, "detector", None)
    if detector is None:
        return []
    height, width = photo.shape[1:]
    span, kept = max(height, width), []
    whole = torch.tensor([[width / 2, height / 2, float(span)]])
    seen = []
    for side in LOOKS:
        boxes, scores = detector(crop_squares(photo[None], whole, side))
        sure = scores[0] >= finder.threshold
        seen += list(zip(scores[0][sure].tolist(), boxes[0][sure].tolist(), strict=True))
    for _, (x, y, w, h) in sorted(seen, reverse=True):  # the surest first
        box = (width / 2 + (x - 0.5) * span, height / 2 + (y - 0.5) * span, max(w, h) * span)
        if all(_overlap(box, other) < FACE for other in kept):
            kept.append(box)
    return sorted(kept, key=lambda box: -box[2])


def _overlap(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """What two squares share, as a part of the smaller one."""
    across, down = (
        max(0.0, min(a + one[2] / 2, b + other[2] / 2) - max(a - one[2] / 2, b - other[2] / 2))
        for a, b in zip(one[:2], other[:2], strict=True)
    )
    return across * down / min(one[2], other[2]) ** 2


def _landmarks(photo: Tensor, square: tuple | None, finder: Callable) -> Tensor | None:
    """Landmarks in the photo, or of the face in a square of it; None where there is no face."""
    height, width = photo.shape[1:]
    if square is None:
        points = finder(photo[None]).points[0]
    else:
        x, y, side = square[0], square[1], 1.8 * square[2]
        points = finder(crop_squares(photo[None], torch.tensor([[x, y, side]]), 256)).points[0]
        pixels = (points_to_edges(points, 256, 256) / 256 - 0.5) * side + torch.tensor([x, y])
        points = edges_to_points(pixels, height, width)
    return points if bool(points.isfinite().all()) else None


def _eyes(pixels: Tensor) -> Tensor:
    """From the middle of one eye to that of the other, in pixels."""
    return pixels[42:48].mean(0) - pixels[36:42].mean(0)


def _turn(pixels: Tensor) -> float:
    """How much nearer the tip of the nose lies to one side of the jaw, 0 to 1."""
    along = pixels @ _eyes(pixels)  # a tilt of the head is no turn
    one, other = (along[30] - along[1]).abs(), (along[15] - along[30]).abs()
    return float((one - other).abs() / (one + other))


def _doubts(pixels: Tensor) -> list[str]:
    """Where a face is unlike those of the set."""
    doubts = []
    if _turn(pixels) > TURNED:
        doubts.append("The face looks a little to the side; the model knows faces from the front.")
    x, y = _eyes(pixels).tolist()
    if abs(tilt := degrees(atan2(y, x))) > TILTED:
        doubts.append(f"The head is tilted by {abs(tilt):.0f} degrees; the model knows none so.")
    if float(openings(pixels).mouth) > OPEN:
        doubts.append("The mouth is open already; the model expects a neutral face.")
    return doubts


def _outside(square: photos.Square, height: int, width: int) -> float:
    """How much of a square lies beyond the picture."""
    inside = 1.0
    for at, full in ((square.x, width), (square.y, height)):
        low, high = max(0.0, at - square.side / 2), min(float(full), at + square.side / 2)
        inside *= max(0.0, high - low) / square.side
    return 1 - inside
