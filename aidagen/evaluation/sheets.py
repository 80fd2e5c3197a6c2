"""A sheet: scores per split, method, metric and clip, and the rows and comparisons made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from aidagen.errors import AidagenError
from aidagen.metrics import Interval, Statistic, difference, interval, mean_of

SEED = 0


class EvaluationError(AidagenError):
    """An unknown table, stored rows that no longer hold, or data that cannot be evaluated."""


class Metric(NamedTuple):
    """What is measured: a lower-case name, the unit in words (with the judge's name in it), and
    which way is better."""

    name: str
    unit: str
    better: Literal["lower", "higher"]


class Table(NamedTuple):
    """What a table is; `TABLE = Table(...)` is the last line of its file.

    `compute(limit=..., progress=...)` gives the `Sheet` of at most `limit` clips per split (all
    of them if it is None) and tells `progress` in words what it is doing. `models` are the
    checkpoints and `data` the data sets that are scored. `comparisons` are pairs (method,
    against) whose difference is tested over the same clips. `remarks` may add lines of text below
    the rows.
    """

    compute: Callable[..., Sheet]
    models: Sequence[str]
    data: Sequence[str]
    comparisons: Sequence[tuple[str, str]] = ()
    remarks: Callable[[Rows], list[str]] | None = None


class Rows(list):
    """Rows of one table, a plain list of dicts; `comparisons` and `notes` come along."""

    def __init__(
        self, rows: Iterable[dict], table: str, comparisons: Sequence[dict], notes: Sequence[str]
    ):
        super().__init__(rows)
        self.table, self.comparisons, self.notes = table, list(comparisons), list(notes)


class Column(NamedTuple):
    """One split × method × metric: a number of any choice of clips (or people), these being in
    the same order for all methods of a split."""

    data: str
    split: str
    method: str
    metric: Metric
    statistic: Statistic
    interval: Interval


class Sheet:
    """Collects columns, and notes on what was left out."""

    def __init__(self) -> None:
        self.columns: list[Column] = []
        self.notes: list[str] = []

    def add(
        self, data: str, split: str, method: str, metric: Metric,
        values: Sequence[float] | np.ndarray,
    ) -> None:  # fmt: skip
        """The mean of one number per clip; NaN where the clip has none."""
        self.add_statistic(data, split, method, metric, mean_of(values))

    def add_statistic(
        self, data: str, split: str, method: str, metric: Metric, statistic: Statistic
    ) -> None:
        """A number that a whole set of clips has (`metrics.of_set`). One that nobody has, because
        it is NaN, is no column."""
        estimate = interval(statistic, SEED)
        if np.isfinite(estimate.value):
            self.columns.append(Column(data, split, method, metric, statistic, estimate))

    def rows(self) -> list[dict]:
        """The flat list of the contract."""
        return [
            {
                "data": c.data, "split": c.split, "method": c.method, "metric": c.metric.name,
                "unit": c.metric.unit, "value": _short(c.interval.value),
                "low": _short(c.interval.low), "high": _short(c.interval.high),
                "n": c.interval.n, "seed": SEED,
            }
            for c in self.columns
        ]  # fmt: skip

    def comparisons(self, pairs: Iterable[tuple[str, str]]) -> list[dict]:
        """Each method against the other one of its pair, per split and metric, over the same clips.

        `difference` is method - against with its 95 % interval; `verdict` is "better" or "worse"
        where that interval excludes 0, else "undecided".
        """
        columns = {(c.data, c.split, c.metric.name, c.method): c for c in self.columns}
        pairs, result = list(pairs), []
        for c, method in ((c, m) for c in self.columns for m, other in pairs if other == c.method):
            own = columns.get((c.data, c.split, c.metric.name, method))
            if own is None:
                continue
            apart = difference(own.statistic, c.statistic, SEED)
            if not np.isfinite(apart.value):
                continue
            result.append(
                {
                    "data": c.data, "split": c.split, "metric": c.metric.name, "method": method,
                    "against": c.method, "difference": _short(apart.value),
                    "low": _short(apart.low), "high": _short(apart.high),
                    "n": apart.n, "verdict": _verdict(apart, c.metric),
                }
            )  # fmt: skip
        return result


def _verdict(apart: Interval, metric: Metric) -> str:
    if apart.low <= 0 <= apart.high:
        return "undecided"
    return "better" if (apart.high < 0) == (metric.better == "lower") else "worse"


def _short(value: float) -> float:
    return float(f"{value:.5g}")
