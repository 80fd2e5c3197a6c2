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
from jaxtyping import Float, Num
from torch import Tensor, nn

from aidagen import sources
from aidagen.errors import AidagenError
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


LOOKS = ((1.0, 96), (1.3, 160), (1.6, 224), (1.0, 160), (1.0, 416))
"""(margin, side) of the detector's looks: the picture and a border around it, at that side.
The next look is only taken at pictures in which the ones before saw no face."""


class FaceReading(NamedTuple):
    """What `FaceLandmarks` saw; everything is NaN (score 0) where it saw no face."""

    points: Float[Tensor, "B 68 2"]  # iBUG order, (x, y) in [-1, 1], align_corners=True
    square: Float[Tensor, "B 3"]  # centre x, y and side of the face square, pixels from the edge
    score: Float[Tensor, " B"]  # the detector's confidence, 0..1


class FaceLandmarks(nn.Module):
    """68 facial landmarks per picture; face-api's tiny detector and landmark network.

    Measured on real 64 px faces (4 people, 240 frames): all found; 1.1 px from what dlib sees at
    256 px, of which 0.8 px is a constant lift (jaw and brows most) that cancels when two readings
    are compared; 0.06 px of jitter under noise of 2/255. On the rendered heads 99 % are found,
    1.4 px from the exact visible points, with the same lift. About 50 ms per picture on one core.
    """

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
    def forward(self, images: Num[Tensor, "B 3 H W"]) -> FaceReading:
        """Most confident face of each picture and its landmarks."""
        images = as_images(images)
        height, width = images.shape[-2:]
        square, score = self.detect(images)
        found = score >= self.threshold
        points = images.new_full((len(images), 68, 2), torch.nan)
        square[~found] = torch.nan
        if found.any():
            seen, at = images[found], square[found]
            for step in range(1 + self.refinements):
                pixels = self._read(seen, at, mirrored=step == self.refinements)
                if step < self.refinements:
                    at = square_around(pixels, self.growth)
            points[found] = edges_to_points(pixels, height, width)
            square[found] = at
        return FaceReading(points, square, score * found)

    def detect(
        self, images: Num[Tensor, "B 3 H W"]
    ) -> tuple[Float[Tensor, "B 3"], Float[Tensor, " B"]]:
        """Best square (centre x, y, side in pixels from the edge) and its score, per picture."""
        height, width = images.shape[-2:]
        square = images.new_full((len(images), 3), torch.nan)
        score = images.new_zeros(len(images))
        for margin, side in self.looks:
            missing = score < self.threshold
            if not missing.any():
                break
            span = margin * max(height, width)
            seen = images.new_tensor([width / 2, height / 2, span])
            crops = crop_squares(images[missing], seen.expand(int(missing.sum()), 3), side)
            boxes, scores = self.detector(crops)
            best, index = scores.max(1)
            box = boxes[torch.arange(len(boxes)), index]
            centre = seen[:2] + (box[:, :2] - 0.5) * span
            square[missing] = torch.cat([centre, box[:, 2:].amax(1, keepdim=True) * span], 1)
            score[missing] = best
        return square, score

    def _read(self, images: Tensor, square: Tensor, mirrored: bool) -> Tensor:
        crop = crop_squares(images, square, self.network.side)
        at = self.network(crop)
        if mirrored:  # the mean of both readings is a fifth closer to dlib's and a third steadier
            other = self.network(crop.flip(-1))[:, list(MIRROR_68)]
            at = (at + torch.stack([1 - other[..., 0], other[..., 1]], -1)) / 2
        return square[:, None, :2] + (at - 0.5) * square[:, None, 2:]


def square_around(pixels: Float[Tensor, "B 68 2"], growth: float) -> Float[Tensor, "B 3"]:
    """The square around landmarks: centre of their box, its longer side times `growth`."""
    low, high = pixels.amin(1), pixels.amax(1)
    return torch.cat([(low + high) / 2, (high - low).amax(1, keepdim=True) * growth], 1)


class Identity(nn.Module):
    """Who is it: 128 numbers per face, near for one person and far for two (dlib's net).

    Measured at 64 px, Euclidean: real people 0.2 to 0.45 with themselves (0.45: hands before the
    face), 0.78 to 0.90 with others; rendered heads 0.38 and 0.60, so rendered identities are
    closer together. About 45 ms a face on one core.
    """

    name = "identity (face-api, 128-d)"
    unit = "squared embedding distance (face-api, 128-d)"
    licence = "MIT"

    def __init__(self, growth: float = 1.3):
        super().__init__()
        self.network, self.growth = IdentityNet.pretrained(), growth

    @torch.no_grad()
    def forward(
        self, images: Num[Tensor, "B 3 H W"], points: Float[Tensor, "B 68 2"]
    ) -> Float[Tensor, "B 128"]:
        """Embeddings of the faces at `points` (of `FaceLandmarks`); NaN where those are NaN."""
        return _read_faces(self.network, images, points, self.growth, 128)


class Expression(nn.Module):
    """Probabilities of neutral, happy, sad, angry, fearful, disgusted, surprised."""

    name = "expression (face-api)"
    unit = "probability"
    licence = "MIT"
    classes = EXPRESSIONS

    def __init__(self, growth: float = 1.3):
        super().__init__()
        self.network, self.growth = ExpressionNet.pretrained(), growth

    @torch.no_grad()
    def forward(
        self, images: Num[Tensor, "B 3 H W"], points: Float[Tensor, "B 68 2"]
    ) -> Float[Tensor, "B 7"]:
        """Probabilities for the faces at `points` (of `FaceLandmarks`); NaN where those are."""
        return _read_faces(self.network, images, points, self.growth, len(EXPRESSIONS))


def _read_faces(network, images: Tensor, points: Tensor, growth: float, outputs: int) -> Tensor:
    images = as_images(images)
    if len(points) != len(images):
        raise AidagenError(
            f"{len(images)} images came with landmarks of {len(points)}; give one set for each."
        )
    found = points.isfinite().all(-1).all(-1)
    result = images.new_full((len(images), outputs), torch.nan)
    if found.any():
        pixels = points_to_edges(points[found], *images.shape[-2:])
        crops = crop_squares(images[found], square_around(pixels, growth), network.side)
        # a face and its mirror image are the same person in the same mood
        result[found] = (network(crops) + network(crops.flip(-1))) / 2
    return result


class DlibLandmarks(nn.Module):
    """dlib's 68 landmarks: a second opinion, for non-commercial use only.

    Its model was trained on iBUG 300-W, whose terms exclude commercial use; it needs the
    `judges` extra and a 100 MB download. Pictures smaller than 128 px are enlarged first.
    """

    name = "landmarks68 (dlib, non-commercial)"
    unit = "px"
    licence = "model trained on iBUG 300-W: non-commercial use only"
    member = (
        "face_recognition_models-0.3.0/face_recognition_models/models/"
        "shape_predictor_68_face_landmarks.dat"
    )

    def __init__(self):
        super().__init__()
        try:
            import dlib
        except ImportError as error:
            raise AidagenError(
                "dlib's landmarks need the package dlib-bin; install aidagen[judges]."
            ) from error
        self.finder = dlib.get_frontal_face_detector()
        self.predictor = dlib.shape_predictor(
            str(sources.extract("face-recognition-models", self.member))
        )

    @torch.no_grad()
    def forward(self, images: Num[Tensor, "B 3 H W"]) -> FaceReading:
        """Best face of each picture and its landmarks; NaN where the detector finds none."""
        images = as_images(images)
        height, width = images.shape[-2:]
        factor = max(1.0, 192 / max(height, width))
        size = [round(height * factor), round(width * factor)]
        large = F.interpolate(images, size, mode="bilinear", antialias=True)
        rows = (large * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()
        pixels = images.new_full((len(images), 68, 2), torch.nan)
        square, score = images.new_full((len(images), 3), torch.nan), images.new_zeros(len(images))
        for i, picture in enumerate(rows):
            boxes, confidence, _ = self.finder.run(picture, 0, 0.0)
            if not boxes:
                continue
            box = boxes[0]  # dlib sorts by confidence
            parts = self.predictor(picture, box).parts()
            pixels[i] = (images.new_tensor([[p.x, p.y] for p in parts]) + 0.5) / factor
            centre = [(box.left() + box.right()) / 2, (box.top() + box.bottom()) / 2]
            square[i] = images.new_tensor([*centre, box.width()]) / factor
            score[i] = min(1.0, confidence[0])
        return FaceReading(edges_to_points(pixels, height, width), square, score)
