"""`mouth_opening`: does a generated mouth open as far as the true one, at the same moments?

A frame's opening is the distance of the inner lips: the mean over the three pairs of points that
lie above each other (iBUG's 61 and 67, 62 and 66, 63 and 65 of 68, counted from 0). Over the
frames of one clip the generated opening is regressed on the true one, both as a judge reads them;
the slope is 1 where the mouth moves as it should, 0 where it stands still, and below 0 where it
closes as the true one opens. A clip counts only where the true opening varies: its standard
deviation over the frames is at least `VARIES` of the distance of the outer corners of the eyes.
At 64 pixels this is about 0.4 of a pixel, six times what the judge's own reading jitters.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from aidagen.errors import AidagenError
from aidagen.evaluation.sheets import Metric

UPPER, LOWER = [61, 62, 63], [67, 66, 65]  # of the inner lips
EYES = (36, 45)  # outer corners
VARIES = 0.02
FEWEST = 3  # frames that a slope is drawn through


def metric(judge: str) -> Metric:
    """The metric as `judge`, in words, reads it."""
    return Metric(
        "mouth_opening",
        "slope of the generated on the true distance of the inner lips, 1 is the truth's and 0 a "
        f"still's; clips whose true distance varies by {VARIES} of the eyes' or more ({judge})",
        "higher",
    )


def opening(points: Float[Tensor, "N K 2"]) -> Float[Tensor, " N"]:
    """Distance of the inner lips per frame, in the units of the points; NaN where they are.

    Raises `AidagenError` where these are not 68 landmarks.
    """
    if points.shape[1] != 68:
        raise AidagenError(
            f"A mouth is read from 68 landmarks in iBUG's order; {points.shape[1]} were given."
        )
    return (points[:, UPPER] - points[:, LOWER]).norm(dim=-1).mean(-1)


def varies(truth: Float[Tensor, "N 68 2"]) -> bool:
    """Whether the mouth of a true clip moves enough for a slope to mean anything."""
    found = truth.isfinite().all(-1).all(-1)
    if found.sum() < FEWEST:
        return False
    points = truth[found]
    eyes = (points[:, EYES[0]] - points[:, EYES[1]]).norm(dim=-1).mean()
    return bool(opening(points).std() >= VARIES * eyes)


def slope(generated: Float[Tensor, "N 68 2"], truth: Float[Tensor, "N 68 2"]) -> float:
    """Least-squares slope of the generated opening on the true one, over the frames in which both
    were found; NaN where the true mouth does not move (`varies`) or too few are left."""
    y, x = opening(generated), opening(truth)
    both = y.isfinite() & x.isfinite()
    if both.sum() < FEWEST or not varies(truth):
        return float("nan")
    # less their first value, so that equal openings are exactly nothing
    y, x = (values[both].double() - values[both][0].double() for values in (y, x))
    x = x - x.mean()
    spread = x.square().sum()
    return float((x * y).sum() / spread) if spread > 0 else float("nan")
