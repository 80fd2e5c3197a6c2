"""`fd`: how far a whole set of frames is from the true ones, seen as two clouds of features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from aidagen import metrics
from aidagen.evaluation.clips import Frames
from aidagen.evaluation.sheets import Metric
from aidagen.judges.features import ScoringFeatures, scoring_features

COMPONENTS = 64
FD = Metric(
    "fd", f"squared feature distance ({ScoringFeatures.name}, {COMPONENTS} components)", "lower"
)


class SetDistance:
    """Fréchet distance to the true frames of a split, in the 64 principal components of
    EfficientNet-Lite0's features of those true frames (1280 would need far more pictures)."""

    def __init__(self, truths: Sequence[Frames]):
        self.network = scoring_features()
        real = [self._features(frames) for frames in truths]
        everything = torch.cat(real).double()
        self.centre = everything.mean(0)
        _, _, axes = torch.linalg.svd(everything - self.centre, full_matrices=False)
        self.axes = axes[:COMPONENTS].T
        self.real = [self._project(features) for features in real]

    def __call__(self, predictions: Sequence[Frames]) -> metrics.Statistic:
        """The distance of any choice of clips, given the frames predicted for each clip."""
        projected = [self._project(self._features(frames)) for frames in predictions]

        def distance(clips: tuple[int, ...]) -> float:
            a = torch.cat([projected[i] for i in clips])
            b = torch.cat([self.real[i] for i in clips])
            return max(0.0, metrics.frechet_distance(a, b).item())

        return metrics.of_set(len(projected), distance)

    @torch.no_grad()
    def _features(self, frames: Frames) -> Tensor:
        return self.network(frames)

    def _project(self, features: Tensor) -> Tensor:
        return (features.double() - self.centre) @ self.axes
