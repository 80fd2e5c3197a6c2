"""Judges of faces: where 68 landmarks are, who it is, what it expresses.

    faces = FaceLandmarks()                  # finds the face, then its points
    reading = faces(images)                  # points (B, 68, 2), NaN where no face was found
    who = Identity()(images, reading.points)          # (B, 128)
    mood = Expression()(images, reading.points)       # (B, 7)

All networks are face-api's (MIT), ported in `face_nets`; none of them trains anything here.
They look for one face per picture, the most confident one. Pictures are RGB in [0, 1] (or
uint8), any height and width; small ones are enlarged inside.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen.judges.crops import as_images, crop_squares, edges_to_points, points_to_edges
from aidagen.judges.face_nets import (
    EXPRESSIONS,
    ExpressionNet,
    IdentityNet,
    Landmark68Net,
    TinyFaceDetector,
)

MIRROR_68 = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
)  # fmt: skip
"""The landmark that each landmark becomes when the picture is mirrored."""


LOOKS = ((1.0, 96), (1.3, 160), (1.6, 160), (1.6, 224))
"""(margin, side) of the detector's looks: the picture and a border around it, at that side."""


class FaceReading(NamedTuple):
    """What `FaceLandmarks` saw; everything is NaN (score 0) where it saw no face."""

    points: Float[Tensor, "B 68 2"]  # iBUG order, (x, y) in [-1, 1], align_corners=True
    square: Float[Tensor, "B 3"]  # centre x, y and side of the face square, pixels from the edge
    score: Float[Tensor, " B"]  # the detector's confidence, 0..1


class FaceLandmarks(nn.Module):
    """68 facial landmarks per picture; face-api's tiny detector and landmark network."""

    name = "landmarks68 (face-api)"
    unit = "px"
    licence = "MIT"

    def __init__(
        self, *, threshold: float = 0.5, refinements: int = 2, growth: float = 1.3,
        looks: tuple[tuple[float, int], ...] = LOOKS,
    ):  # fmt: skip
        super().__init__()
        self.detector = TinyFaceDetector.pretrained()
        self.network = Landmark68Net.pretrained()
        self.threshold, self.refinements, self.growth = threshold, refinements, growth
        self.looks = looks

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "B 3 H W"]) -> FaceReading:
        """Most confident face of each picture and its landmarks."""
        images = as_images(images)
        height, width = images.shape[-2:]
        square, score = self.detect(images)
        found = score >= self.threshold
        for step in range(1 + self.refinements):
            pixels = self._read(images, square)
            if step < self.refinements:
                square = square_around(pixels, self.growth)
        points = edges_to_points(pixels, height, width)
        points[~found] = torch.nan
        square[~found] = torch.nan
        return FaceReading(points, square, score * found)

    def detect(
        self, images: Float[Tensor, "B 3 H W"]
    ) -> tuple[Float[Tensor, "B 3"], Float[Tensor, " B"]]:
        """Best square (centre x, y, side in pixels from the edge) and its score, per picture."""
        height, width = images.shape[-2:]
        boxes, scores = [], []
        for margin, side in self.looks:
            span = margin * max(height, width)
            seen = images.new_tensor([width / 2, height / 2, span]).expand(len(images), 3)
            box, score = self.detector(crop_squares(images, seen, side))
            centre = seen[:, None, :2] + (box[..., :2] - 0.5) * span
            boxes.append(torch.cat([centre, box[..., 2:].amax(-1, keepdim=True) * span], -1))
            scores.append(score)
        score, best = torch.cat(scores, 1).max(1)
        return torch.cat(boxes, 1)[torch.arange(len(images)), best], score

    def _read(self, images: Tensor, square: Tensor) -> Tensor:
        crop = crop_squares(images, square, self.network.side)
        at = self.network(crop)
        other = self.network(crop.flip(-1))[:, list(MIRROR_68)]
        at = (at + torch.stack([1 - other[..., 0], other[..., 1]], -1)) / 2
        return square[:, None, :2] + (at - 0.5) * square[:, None, 2:]


def square_around(pixels: Float[Tensor, "B 68 2"], growth: float) -> Float[Tensor, "B 3"]:
    """The square around landmarks: centre of their box, its longer side times `growth`."""
    low, high = pixels.amin(1), pixels.amax(1)
    return torch.cat([(low + high) / 2, (high - low).amax(1, keepdim=True) * growth], 1)
