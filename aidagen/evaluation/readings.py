"""What a judge reads in frames: points, perhaps who it is; and how two readings are compared."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from aidagen import metrics
from aidagen.datasets.layout import Clip
from aidagen.evaluation.clips import Frames, mean
from aidagen.evaluation.sheets import Metric


class Readings(NamedTuple):
    """K points of each of N frames, and an embedding of who it is from judges that know."""

    points: Float[Tensor, "N K 2"]  # (x, y) in [-1, 1]; NaN for what is not found
    embedding: Float[Tensor, "N D"] | None = None


@runtime_checkable
class Judge(Protocol):
    """Whoever reads frames."""

    def read(self, frames: Frames) -> Readings:
        """Readings of each frame."""

    def truth(self, clip: Clip, frames: Frames) -> Readings:
        """What readings are held against: those of the true `frames` of `clip`, which are the ones
        that `reconstruction.own` scores, or what the clip's labels know of them."""

    def metrics(self, size: int) -> dict[str, Metric]:
        """By name: `akd`, `akd_l2`, `mkr`, and `aed` of a judge with embeddings, for pictures
        that are `size` pixels wide."""


def reading_scores(
    prediction: Readings, truth: Readings, size: tuple[int, int]
) -> dict[str, float]:
    """akd, akd_l2, mkr and, where there are embeddings, aed of one clip of (height, width)."""
    scores = {
        "akd": mean(metrics.akd(prediction.points, truth.points, size)),
        "akd_l2": mean(metrics.akd(prediction.points, truth.points, size, "l2")),
        "mkr": mean(metrics.mkr(prediction.points, truth.points)),
    }
    if prediction.embedding is not None and truth.embedding is not None:
        scores["aed"] = mean(metrics.aed(prediction.embedding, truth.embedding))
    return scores
