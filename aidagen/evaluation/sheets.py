"""A sheet: scores per split, method, metric and clip, and the rows and comparisons made of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from aidagen.errors import AidagenError
from aidagen.metrics import Interval, bootstrap, paired_bootstrap

SEED = 0
HIGHER_IS_BETTER = ("psnr", "ssim")


class EvaluationError(AidagenError):
    """An unknown table, stored rows that no longer hold, or data that cannot be evaluated."""


class Rows(list):
    """Rows of one table, a plain list of dicts; `comparisons` and `notes` come along."""

    def __init__(
        self, rows: Iterable[dict], table: str, comparisons: Sequence[dict], notes: Sequence[str]
    ):
        super().__init__(rows)
        self.table, self.comparisons, self.notes = table, list(comparisons), list(notes)


class Column(NamedTuple):
    """One split × method × metric: a number per clip (same order for all methods of a split)."""

    data: str
    split: str
    method: str
    metric: str
    unit: str
    values: np.ndarray | None  # None for numbers that only a whole set has
    interval: Interval


class Sheet:
    """Collects columns; `model` is the method that the others are baselines of.

    A sheet of several models names the `pairs` (method, against) that are compared instead.
    """

    def __init__(self, model: str, pairs: Sequence[tuple[str, str]] | None = None):
        self.model, self.pairs = model, pairs
        self.columns: list[Column] = []
        self.notes: list[str] = []

    def add(
        self, data: str, split: str, method: str, metric: str, unit: str,
        values: Sequence[float] | np.ndarray,
    ) -> None:  # fmt: skip
        """One number per clip; NaN where the clip has none."""
        values = np.asarray(values, dtype=np.float64)
        interval = bootstrap(values, SEED)
        if interval.n:
            self.columns.append(Column(data, split, method, metric, unit, values, interval))

    def add_interval(
        self, data: str, split: str, method: str, metric: str, unit: str, interval: Interval
    ) -> None:
        """A number of the whole set, with the interval that was found for it."""
        if np.isfinite(interval.value):
            self.columns.append(Column(data, split, method, metric, unit, None, interval))

    def rows(self) -> list[dict]:
        """The flat list of the contract."""
        return [
            {
                "data": c.data, "split": c.split, "method": c.method, "metric": c.metric,
                "unit": c.unit, "value": _short(c.interval.value), "low": _short(c.interval.low),
                "high": _short(c.interval.high), "n": c.interval.n, "seed": SEED,
            }
            for c in self.columns
        ]  # fmt: skip

    def comparisons(self) -> list[dict]:
        """The model against every other method, per split and metric, over the same clips.

        `difference` is model - method with its 95 % interval; `verdict` is "better" or "worse"
        where that interval excludes 0, else "undecided".
        """
        known = {(c.data, c.split, c.metric, c.method): c for c in self.columns}
        pairs = self.pairs
        if pairs is None:
            others = dict.fromkeys(c.method for c in self.columns if c.method != self.model)
            pairs = [(self.model, other) for other in others]
        result = []
        for c, method in ((c, m) for c in self.columns for m, other in pairs if other == c.method):
            model = known.get((c.data, c.split, c.metric, method))
            if model is None or model.values is None or c.values is None:
                continue
            difference = paired_bootstrap(model.values, c.values, SEED)
            if not difference.n:
                continue
            sign = -1 if c.metric in HIGHER_IS_BETTER else 1
            low, high = sorted((sign * difference.low, sign * difference.high))
            verdict = "better" if high < 0 else "worse" if low > 0 else "undecided"
            result.append(
                {
                    "data": c.data, "split": c.split, "metric": c.metric, "method": method,
                    "against": c.method, "difference": _short(difference.value),
                    "low": _short(difference.low), "high": _short(difference.high),
                    "n": difference.n, "verdict": verdict,
                }
            )  # fmt: skip
        return result


def _short(value: float) -> float:
    return float(f"{value:.5g}")
