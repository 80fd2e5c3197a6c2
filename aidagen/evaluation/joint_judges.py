"""The judges of joints, as tables use them: what they read is held against the exact labels."""

from __future__ import annotations

import torch

from aidagen.datasets.layout import Clip
from aidagen.evaluation.clips import FRAMES, Frames
from aidagen.evaluation.readings import Readings
from aidagen.evaluation.sheets import EvaluationError, Metric
from aidagen.judges.joints import Joints


class JointJudges:
    """Joints of one rendered set, and identity where the judge has that head."""

    def __init__(self, data: str):
        self.judge = Joints.pretrained(data)

    def read(self, frames: Frames) -> Readings:
        """Joints as the judge finds them; no embedding where there is no such head."""
        reading = self.judge(frames)
        return Readings(reading.points, reading.identity)

    def truth(self, clip: Clip, frames: Frames) -> Readings:
        """The labels' visible joints, and identity as read in the true frames."""
        labels = clip.labels()
        count = len(self.judge.joints)
        if "joints" not in labels or labels["joints"].shape[1] != count:
            raise EvaluationError(
                f"{clip} has no exact places of the {count} joints that {self.judge.name} "
                "looks for; make the data set or the judge again."
            )
        points = torch.from_numpy(labels["joints"]).float()
        hidden = ~torch.from_numpy(labels["visible"]).bool()
        points = points.masked_fill(hidden[..., None], torch.nan)
        step = max(1, len(points) // FRAMES)  # as `clips.spread`
        points = points[::step][:FRAMES][1:]
        if len(points) != len(frames):
            raise EvaluationError(
                f"{clip} came with labels of {len(labels['joints'])} frames; make the data set "
                "again."
            )
        return self.read(frames)._replace(points=points)

    def metrics(self, size: int) -> dict[str, Metric]:
        """By name, for pictures that are `size` pixels wide."""
        to = f"to the exact visible joints ({self.judge.name})"
        lost = f"share of the exact visible joints that are not found ({self.judge.name})"
        metrics = [
            Metric("akd", f"px of {size}, mean per axis, {to}", "lower"),
            Metric("akd_l2", f"px of {size}, mean Euclidean, {to}", "lower"),
            Metric("mkr", lost, "lower"),
        ]
        if self.judge.network.dimensions:
            metrics.append(Metric("aed", self.judge.identity_unit, "lower"))
        return {metric.name: metric for metric in metrics}
