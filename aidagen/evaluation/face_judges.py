"""The judges of faces, as tables use them: 68 landmarks and identity."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from aidagen.datasets.layout import Clip
from aidagen.evaluation.clips import Frames
from aidagen.evaluation.readings import Readings
from aidagen.evaluation.sheets import Metric
from aidagen.judges.faces import FaceLandmarks, Identity
from aidagen.pixels import as_floats


class FaceJudges:
    """Landmarks and identity with a memory: a picture seen before is not looked at again."""

    def __init__(self):
        self.landmarks, self.identity = FaceLandmarks(), Identity()
        self.memory: dict[bytes, tuple[Tensor, Tensor]] = {}

    def read(self, frames: Frames) -> Readings:
        """68 points and 128 numbers of each frame; NaN where no face is found."""
        names = [hashlib.sha1(frame.numpy().tobytes()).digest() for frame in frames]
        new = {name: i for i, name in enumerate(names) if name not in self.memory}
        if new:
            pictures = as_floats(frames[list(new.values())])
            points = self.landmarks(pictures).points
            for name, *reading in zip(new, points, self.identity(pictures, points), strict=True):
                self.memory[name] = tuple(reading)
        points, identity = zip(*(self.memory[name] for name in names), strict=True)
        return Readings(torch.stack(points), torch.stack(identity))

    def truth(self, clip: Clip, frames: Frames) -> Readings:
        """What is read in the true frames themselves."""
        return self.read(frames)

    @staticmethod
    def metrics(size: int) -> dict[str, Metric]:
        """By name, for pictures that are `size` pixels wide."""
        judge = FaceLandmarks.name
        metrics = (
            Metric("akd", f"px of {size}, mean per axis ({judge})", "lower"),
            Metric("akd_l2", f"px of {size}, mean Euclidean ({judge})", "lower"),
            Metric("mkr", f"share of the truth's points ({judge})", "lower"),
            Metric("aed", Identity.unit, "lower"),
        )
        return {metric.name: metric for metric in metrics}
