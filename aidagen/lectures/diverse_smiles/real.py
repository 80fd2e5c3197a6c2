"""A real neutral face in lecture 02, framed as the rendered ones are.

The picture is the first frame of clip `CLIP` of ``faces-128``: a man whom no model of this lecture
has seen, with a neutral face, who begins to smile within a second. Of the test frames of strangers
(every eighth was judged), the expression judge finds those of this clip's first half second the
most neutral. The footage is fetched on the reader's machine, and nothing is compared on it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen import datasets, grids
from aidagen.judges.faces import FaceLandmarks
from aidagen.lectures.diverse_smiles.showcase import people
from aidagen.pixels import as_floats

CLIP = "smiling-man-00"
SMILING = slice(0, 64)  # frames from neutral to a smile


class Real(NamedTuple):
    """A real face, and how its owner went on."""

    neutral: Float[Tensor, "3 S S"]  # framed as the set is
    points: Float[Tensor, "68 2"]
    clip: Float[Tensor, "T 3 W W"]  # the recorded frames, as the set of footage frames them


def box(points: Float[Tensor, "68 2"]) -> tuple[Float[Tensor, "xy=2"], Float[Tensor, ""]]:
    """Centre and height of the box around landmarks."""
    low, high = points.amin(0), points.amax(0)
    return (low + high) / 2, (high - low)[1]


def framed(
    image: Float[Tensor, "3 H W"], points: Float[Tensor, "68 2"], size: int
) -> tuple[Float[Tensor, "3 S S"], Float[Tensor, "68 2"]]:
    """Picture and landmarks, moved and scaled so that the face lies as in the rendered set."""
    usual = [box(someone.posed.points[0]) for someone in people()]
    centre, height = (torch.stack(values).mean(0) for values in zip(*usual, strict=True))
    own_centre, own_height = box(points)
    scale = own_height / height  # a place p of the new picture reads at own_centre + s (p - centre)
    shift = own_centre - scale * centre
    eye = scale * torch.eye(2)
    grid = grids.affine_grid(torch.cat([eye, shift[:, None]], 1)[None], size, size)
    seen = grids.warp(image[None], grid, padding="reflection")[0].clamp(0, 1)
    return seen, (points - shift) / scale


def face(size: int = 64) -> Real:
    """The real face; raises ``sources.SourceError`` where the footage cannot be fetched."""
    clips = datasets.load("faces-128").clips("test")
    frames = as_floats(next(clip for clip in clips if clip.name == CLIP).frames()[SMILING])
    points = FaceLandmarks()(frames[:1]).points[0]
    return Real(*framed(frames[0], points, size), frames)
