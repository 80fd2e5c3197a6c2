"""Judges of bodies: 33 keypoints and the person's mask, from MediaPipe's pose network.

`pose_landmark_full.tflite` (Google, Apache-2.0) lies inside the mediapipe wheel on PyPI; it is
run by `ai-edge-litert` (extra `judges`), mediapipe itself is not installed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor

from aidagen import sources
from aidagen.errors import AidagenError
from aidagen.judges.crops import as_images, crop_squares, edges_to_points

BODY_POINTS = (
    "nose", "left eye inner", "left eye", "left eye outer", "right eye inner", "right eye",
    "right eye outer", "left ear", "right ear", "mouth left", "mouth right", "left shoulder",
    "right shoulder", "left elbow", "right elbow", "left wrist", "right wrist", "left pinky",
    "right pinky", "left index", "right index", "left thumb", "right thumb", "left hip",
    "right hip", "left knee", "right knee", "left ankle", "right ankle", "left heel",
    "right heel", "left foot", "right foot",
)  # fmt: skip


class BodyReading(NamedTuple):
    """What `BodyPose` saw; points are NaN where hidden, everything is where there is no body."""

    points: Float[Tensor, "B 33 2"]  # order of BODY_POINTS, (x, y) in [-1, 1], align_corners=True
    visibility: Float[Tensor, "B 33"]  # 0..1
    mask: Float[Tensor, "B 1 256 256"]  # probability that a pixel is the person
    score: Float[Tensor, " B"]  # that there is a body at all, 0..1


class BodyPose:
    """33 body keypoints and a person mask per picture; one body, filling most of the picture."""

    name = "body33 (mediapipe pose full)"
    unit = "px"
    licence = "Apache-2.0"
    side = 256

    def __init__(self, *, threshold: float = 0.5, visible: float = 0.5):
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise AidagenError(
                "Body keypoints need the package ai-edge-litert; install aidagen[judges]."
            ) from error
        path = sources.extract(
            "mediapipe", "mediapipe/modules/pose_landmark/pose_landmark_full.tflite"
        )
        self.threshold, self.visible = threshold, visible
        self.network = Interpreter(model_path=str(path), num_threads=1)
        self.network.allocate_tensors()
        self.input = self.network.get_input_details()[0]["index"]
        self.output = {tuple(o["shape"]): o["index"] for o in self.network.get_output_details()}

    def __call__(self, images: Num[Tensor, "B 3 H W"]) -> BodyReading:
        """Read each picture; a picture that is not square is read in its bounding square, and
        then the mask is that of the bounding square."""
        images = as_images(images)
        height, width = images.shape[-2:]
        side = max(height, width)
        whole = images.new_tensor([width / 2, height / 2, side]).expand(len(images), 3)
        squares = crop_squares(images, whole, self.side)
        corner = images.new_tensor([width - side, height - side]) / 2
        readings = zip(*[self._read(square) for square in squares], strict=True)
        points, visibility, mask, score = (torch.stack(part) for part in readings)
        points = edges_to_points(points / self.side * side + corner, height, width)
        found = score >= self.threshold
        points[(visibility < self.visible) | ~found[:, None]] = torch.nan
        mask[~found] = torch.nan
        return BodyReading(points, visibility, mask, score)

    def _read(self, square: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        self.network.set_tensor(self.input, square.permute(1, 2, 0)[None].contiguous().numpy())
        self.network.invoke()
        get = self.network.get_tensor
        rows = torch.from_numpy(np.array(get(self.output[1, 195]))).view(39, 5)[:33]
        mask = torch.from_numpy(np.array(get(self.output[1, 256, 256, 1])))[0, ..., 0][None]
        score = torch.from_numpy(np.array(get(self.output[1, 1]))).flatten()[0]
        return rows[:, :2].clone(), rows[:, 3].sigmoid(), mask.sigmoid(), score
