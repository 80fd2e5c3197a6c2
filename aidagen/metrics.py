"""Scores: how far a generated picture, a clip, or a whole set is from the truth.

Pure functions of arrays, no network inside. Pictures are float in [0, 1]; points are (x, y) in
[-1, 1] with NaN for "not found" and are scored in pixels of the pictures they were found in.
Functions that compare frames return one number *per frame*: a score is their mean over the frames
of a clip, then over clips. A bootstrap resamples clips.

Letters: N frames, K points, D features, C colour channels.

The papers' own code and its traps (github.com/AliaksandrSiarohin/pose-evaluation):
* AKD, "average keypoint distance", is `mean(|p - q|)` over *coordinates*: per axis, not Euclidean.
  A shift by one pixel along x scores 0.5. Euclidean values are 1.41 to 2 times larger.
* AED, "average Euclidean distance", is a *sum of squares*: the square of a Euclidean distance.
* MKR belongs beside every AKD: dropping the hard points lowers AKD.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from aidagen.errors import AidagenError


def _pair(prediction: Tensor, truth: Tensor) -> None:
    if prediction.shape != truth.shape:
        raise AidagenError(
            f"Cannot compare arrays of shapes {tuple(prediction.shape)} and {tuple(truth.shape)}; "
            "both must be the same frames."
        )


# ------------------------------------------------------------------------------------- pixels


def l1(
    prediction: Float[Tensor, "N C H W"], truth: Float[Tensor, "N C H W"]
) -> Float[Tensor, " N"]:
    """Mean absolute difference per frame, in [0, 1] (as Monkey-Net and FOMM report it)."""
    _pair(prediction, truth)
    return (prediction - truth).abs().mean((1, 2, 3))


def l1_moving(
    prediction: Float[Tensor, "N C H W"],
    truth: Float[Tensor, "N C H W"],
    source: Float[Tensor, "N C H W"],
    threshold: float = 0.1,
) -> Float[Tensor, " N"]:
    """L1 over the pixels that change: those of which any channel differs from the source frame
    by more than `threshold` in the truth. NaN where nothing moves.

    Plain L1 is mostly background that a copy of the source gets right for free.
    """
    _pair(prediction, truth)
    moving = ((truth - source).abs().amax(1, keepdim=True) > threshold).to(truth.dtype)
    error = ((prediction - truth).abs().mean(1, keepdim=True) * moving).sum((1, 2, 3))
    count = moving.sum((1, 2, 3))
    return torch.where(count > 0, error / count, torch.nan)


def psnr(
    prediction: Float[Tensor, "N C H W"], truth: Float[Tensor, "N C H W"]
) -> Float[Tensor, " N"]:
    """Peak signal-to-noise ratio per frame in dB (torchmetrics); infinite for equal frames."""
    from torchmetrics.functional.image import peak_signal_noise_ratio

    _pair(prediction, truth)
    return peak_signal_noise_ratio(
        prediction, truth, data_range=1.0, reduction="none", dim=(1, 2, 3)
    )


def ssim(
    prediction: Float[Tensor, "N C H W"], truth: Float[Tensor, "N C H W"]
) -> Float[Tensor, " N"]:
    """Structural similarity per frame, at most 1: Gaussian window of 11 pixels, sigma 1.5
    (torchmetrics). The data range is 1, fixed: pose-gan's script took each image's own."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    _pair(prediction, truth)
    scores = structural_similarity_index_measure(
        prediction, truth, data_range=1.0, reduction="none"
    )
    return scores.reshape(len(truth))


def flicker(
    prediction: Float[Tensor, "N C H W"], truth: Float[Tensor, "N C H W"]
) -> Float[Tensor, " N-1"]:
    """Change from frame to frame that the truth does not have: mean |Δprediction - Δtruth|."""
    _pair(prediction, truth)
    return (prediction.diff(dim=0) - truth.diff(dim=0)).abs().mean((1, 2, 3))


# ------------------------------------------------------------------------------------- points


def akd(
    prediction: Float[Tensor, "N K 2"],
    truth: Float[Tensor, "N K 2"],
    size: tuple[int, int],
    norm: str = "l1",
) -> Float[Tensor, " N"]:
    """Average keypoint distance per frame in pixels of a picture of `size` (height, width).

    `norm="l1"` is the papers' number: the mean over coordinates, half the city-block distance.
    `norm="l2"` is what the name says: the mean Euclidean distance. Points missing on either side
    are left out (so print `mkr` beside it); a frame with none in common is NaN.
    """
    _pair(prediction, truth)
    height, width = size
    scale = truth.new_tensor([width - 1, height - 1]) / 2  # ±1 are centres of border pixels
    difference = (prediction - truth) * scale
    if norm == "l1":
        distance = difference.abs().mean(-1)
    elif norm == "l2":
        distance = difference.norm(dim=-1)
    else:
        raise AidagenError(f'norm is "l1" (the papers\') or "l2" (Euclidean), not {norm!r}.')
    return distance.nanmean(-1)


def mkr(
    prediction: Float[Tensor, "N K 2"], truth: Float[Tensor, "N K 2"]
) -> Float[Tensor, " N"]:
    """Missing keypoint rate per frame: of the points found in the truth, the share that is not
    found in the prediction. NaN where the truth has none."""
    _pair(prediction, truth)
    there = truth.isfinite().all(-1)
    missing = there & ~prediction.isfinite().all(-1)
    return missing.sum(-1) / there.sum(-1)  # 0/0 is NaN, as meant


def aed(
    prediction: Float[Tensor, "N D"], truth: Float[Tensor, "N D"], squared: bool = True
) -> Float[Tensor, " N"]:
    """Average "Euclidean" distance of embeddings per frame; NaN where one is missing.

    `squared=True` is the papers' number, a sum of squared differences; False is its root.
    """
    _pair(prediction, truth)
    total = (prediction - truth).square().sum(-1)
    return total if squared else total.sqrt()


# --------------------------------------------------------------------------------------- sets


def frechet_distance(
    generated: Float[Tensor, "N D"], real: Float[Tensor, "M D"]
) -> Float[Tensor, ""]:
    """Fréchet distance of two sets of features, fitted with a Gaussian each, in float64:

        |m1 - m2|² + tr S1 + tr S2 - 2 tr (S1 S2)^½

    It is biased upwards by small sets: compare equal N only, and see `kernel_distance`.
    torchmetrics' formula takes eigenvalues of S1 S2, which fails to converge when pictures repeat
    (a still is 32 equal pictures); with X = Q R the last trace is the nuclear norm of R1 R2ᵀ.
    """
    if min(len(generated), len(real)) < 2:
        raise AidagenError("A Fréchet distance needs at least two pictures on each side.")
    a, b = generated.double(), real.double()
    mean = (a.mean(0) - b.mean(0)).square().sum()
    # columns of the centred, scaled sets: S = Rᵀ R
    r1, r2 = (torch.linalg.qr((x - x.mean(0)) / (len(x) - 1) ** 0.5)[1] for x in (a, b))
    cross = torch.linalg.svdvals(r1 @ r2.T).sum()
    return mean + r1.square().sum() + r2.square().sum() - 2 * cross


def kernel_distance(
    generated: Float[Tensor, "N D"], real: Float[Tensor, "M D"]
) -> Float[Tensor, ""]:
    """Unbiased squared MMD under the cubic kernel (torchmetrics' of KID), in units of 1e-3."""
    from torchmetrics.image.kid import poly_mmd

    if min(len(generated), len(real)) < 2:
        raise AidagenError("A kernel distance needs at least two pictures on each side.")
    n = min(len(generated), len(real))
    return 1000 * poly_mmd(generated[:n].double(), real[:n].double())


# --------------------------------------------------------------------------------- confidence


class Interval(NamedTuple):
    """A number with its 95 % bootstrap interval over clips (or people); n is how many."""

    value: float
    low: float
    high: float
    n: int


class Statistic(NamedTuple):
    """A number that any choice of clips (or people) has, repeated ones included.

    `clips` are the indices of those that can be chosen. `of` takes choices, (D, n) indices, and
    gives a number for each, (D,); NaN where a choice has none. `mean_of` and `of_set` make them.
    """

    clips: Int[np.ndarray, " N"]
    of: Callable[[Int[np.ndarray, "D n"]], Float[np.ndarray, " D"]]
    draws: int  # of a bootstrap
    centred: bool  # whether the draws are centred on the value before quantiles are taken


def mean_of(values: Sequence[float] | np.ndarray, draws: int = 2000) -> Statistic:
    """The mean of one number per clip; clips without one (NaN) are left out."""
    values = np.asarray(values, dtype=np.float64)
    clips = np.flatnonzero(np.isfinite(values))
    return Statistic(clips, lambda chosen: values[chosen].mean(-1), draws, centred=False)


def of_set(
    count: int, number: Callable[[tuple[int, ...]], float], draws: int = 500, centred: bool = True
) -> Statistic:
    """A number that only a whole set of `count` clips has: a Fréchet distance, an AUC, a kappa.

    `number` is given the indices of the clips chosen. A set with repeated clips is less varied
    than the set itself, which biases a Fréchet distance: the draws are centred on the value. A rate
    or a rank, as an AUC, has no such bias and cannot leave its range: ask for `centred=False`.
    """
    remembered = cache(number)  # an interval and the differences draw the same clips

    def of(chosen: np.ndarray) -> np.ndarray:
        return np.array([remembered(tuple(row)) for row in chosen.tolist()], dtype=np.float64)

    return Statistic(np.arange(count), of, draws, centred)


def interval(statistic: Statistic, seed: int = 0) -> Interval:
    """The number of all clips and its 95 % percentile interval under draws of as many clips.

    scipy draws them. Its own interval is not taken, because it does not always contain the number
    of a set (hence the centring), and is NaN as soon as one draw has no number, as an AUC of clips
    that are all of one class (such draws are left out here). One clip alone has no spread.
    """
    clips, count = statistic.clips, len(statistic.clips)
    value = float(statistic.of(clips[None])[0]) if count else np.nan
    if count < 2 or not np.isfinite(value):
        return Interval(value, value, value, count)
    drawn = bootstrap_draws(statistic, seed)
    drawn = drawn[np.isfinite(drawn)]
    if statistic.centred:
        drawn = drawn - drawn.mean() + value
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(value, float(low), float(high), count)


def bootstrap_draws(statistic: Statistic, seed: int = 0) -> Float[np.ndarray, " D"]:
    """The statistic's values on clips drawn with replacement."""
    from scipy import stats

    with warnings.catch_warnings():  # of its own interval, which is not taken
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        return stats.bootstrap(
            (statistic.clips,),
            lambda chosen, axis: statistic.of(np.atleast_2d(chosen)).reshape(chosen.shape[:-1]),
            n_resamples=statistic.draws,
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution


def difference(a: Statistic, b: Statistic, seed: int = 0) -> Interval:
    """a - b over the same clips, with its 95 % interval; "better by more than the interval" means
    that it excludes 0.

    The bootstrap is paired: both are given the same clips in every draw, those that both have.
    """

    def apart(chosen: np.ndarray) -> np.ndarray:
        # equal sums, added in another order, differ in their last bits
        return (a.of(chosen) - b.of(chosen)).round(12)

    clips = np.intersect1d(a.clips, b.clips)
    return interval(
        Statistic(clips, apart, min(a.draws, b.draws), a.centred or b.centred), seed
    )


def bootstrap(values: Sequence[float] | np.ndarray, seed: int = 0, draws: int = 2000) -> Interval:
    """The mean of one number per clip and its 95 % interval; NaN entries are left out."""
    return interval(mean_of(values, draws), seed)
