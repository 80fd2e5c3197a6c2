"""Scores: how far a generated picture, a clip, or a whole set is from the truth.

Pure functions of arrays, no network inside. Pictures are float in [0, 1]; points are (x, y) in
[-1, 1] with NaN for "not found" and are scored in pixels of the pictures they were found in.
Functions that compare frames return one number *per frame* (a row's value is the mean over the
frames of a clip, then over clips), so that a bootstrap can resample clips.

Letters: N frames, K points, D features, C colour channels.

The papers' own code and its traps (github.com/AliaksandrSiarohin/pose-evaluation):
* AKD, "average keypoint distance", is `mean(|p - q|)` over *coordinates*: per axis, not Euclidean.
  A shift by one pixel along x scores 0.5. Euclidean values are 1.41 to 2 times larger.
* AED, "average Euclidean distance", is a *sum of squares*: the square of a Euclidean distance.
* MKR belongs beside every AKD: dropping the hard points lowers AKD.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from aidagen.errors import AidagenError


class MetricError(AidagenError):
    """Two arrays that cannot be compared, or too few of them."""


def _pair(prediction: Tensor, truth: Tensor) -> None:
    if prediction.shape != truth.shape:
        raise MetricError(
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
        raise MetricError(f'norm is "l1" (the papers\') or "l2" (Euclidean), not {norm!r}.')
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
        raise MetricError("A Fréchet distance needs at least two pictures on each side.")
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
        raise MetricError("A kernel distance needs at least two pictures on each side.")
    n = min(len(generated), len(real))
    return 1000 * poly_mmd(generated[:n].double(), real[:n].double())


# --------------------------------------------------------------------------------- confidence


class Interval(NamedTuple):
    """A mean with its 95 % bootstrap interval over clips (or people); n is how many."""

    value: float
    low: float
    high: float
    n: int


def bootstrap(values: Sequence[float] | np.ndarray, seed: int = 0, draws: int = 2000) -> Interval:
    """Mean of one number per clip and its 95 % percentile interval; NaN entries are left out."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (draws, len(values)))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(values.mean()), float(low), float(high), len(values))


def bootstrap_set(
    groups: Sequence[Tensor], statistic: Callable[[list[int]], float], seed: int = 0,
    draws: int = 100,
) -> Interval:  # fmt: skip
    """A number that only a whole set has (`fd`), with its 95 % interval over clips.

    `statistic` is given the numbers of the clips drawn. A set with repeated clips is less varied
    than the set itself, so the draws are centred on the value before their quantiles are taken.
    """
    rng, n = np.random.default_rng(seed), len(groups)
    value = float(statistic(list(range(n))))
    drawn = np.array([float(statistic(rng.integers(0, n, n).tolist())) for _ in range(draws)])
    low, high = np.quantile(drawn - drawn.mean() + value, (0.025, 0.975))
    return Interval(value, float(low), float(high), n)


def paired_bootstrap(
    a: Sequence[float] | np.ndarray,
    b: Sequence[float] | np.ndarray,
    seed: int = 0,
    draws: int = 2000,
) -> Interval:
    """Mean of a - b over the same clips and its 95 % interval.

    "Better by more than the interval" means that this interval excludes 0. Clips in which either
    number is missing are left out of both.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise MetricError(
            f"A paired bootstrap needs the same clips on both sides, not {len(a)} and {len(b)}."
        )
    return bootstrap(a - b, seed, draws)
