"""What the votes of a preference study say, and how sure that is.

Votes are not independent: each rater gives many, and each clip gets many. Therefore

- the share of votes has a *two-way cluster bootstrap*: raters and items are drawn with
  replacement, independently, and a vote counts as often as both were drawn (Owen, "The pigeonhole
  bootstrap", 2007). Its intervals are
  rather too wide than too narrow. `scipy.stats.bootstrap` draws along one axis only;
- the binomial sign test is taken over items (which method has most votes of each) and over
  raters, and the larger p counts. Taken over pooled votes, as is often done, it finds
  differences that are due to chance;
- more than two methods get Bradley-Terry strengths, P(i beats j) = 1 / (1 + exp(s_j - s_i)), by
  Hunter's MM algorithm (2004), with the same bootstrap;
- Krippendorff's alpha says whether raters agree beyond chance.

A tie counts half for each side in shares and strengths, and not at all in the sign test.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import binomtest

from aidagen.study.plan import Plan, StudyError
from aidagen.study.votes import RIGHT, TIE, Ballots, Votes

if TYPE_CHECKING:
    from PIL import Image

FEW = 10  # raters or items: below this the bootstrap's interval is too narrow
PSEUDO = 0.5  # wins added to both sides of every pair, so that strengths stay finite


class Comparison(NamedTuple):
    """Two methods: the share of votes for `a`, its 95 % interval, and the sign test's p."""

    a: str
    b: str
    share: float
    low: float
    high: float
    p: float  # the larger of the sign tests over items and over raters
    p_pooled: float  # over votes, as if they were independent: too small
    votes: int
    ties: int


class Strength(NamedTuple):
    """Bradley-Terry strength in logits, with mean 0 over methods, and its 95 % interval."""

    method: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Result:
    """All of `analyse`. `print` it, draw `figure()`, or take `rows()`."""

    plan: Plan
    comparisons: tuple[Comparison, ...]
    strengths: tuple[Strength, ...]
    alpha: float  # NaN where it is not defined
    raters: int  # all that handed in
    kept: int
    inattentive: int  # missed more checks than the plan allows
    unchecked: int  # stopped before their first check
    unfinished: int  # of those kept; their votes count
    refused: tuple[str, ...]
    warnings: tuple[str, ...]
    seed: int

    def rows(self, data: str = "study", split: str = "test") -> list[dict]:
        """Evaluation rows, as `aidagen evaluate` has them; n counts items."""
        unit = f"share of votes, {self.kept} raters, 95 % two-way bootstrap"
        columns = [(c.a, f"preferred-to-{c.b}", unit, c.share, c.low, c.high)
                 for c in self.comparisons]  # fmt: skip
        unit = "logits, mean 0, 95 % two-way bootstrap"
        columns += [
            (s.method, "bradley-terry", unit, s.value, s.low, s.high) for s in self.strengths
        ]
        return [
            {"data": data, "split": split, "method": method.lower(), "metric": metric.lower(),
             "unit": unit, "value": value, "low": low, "high": high,
             "n": len(self.plan.items), "seed": self.seed}
            for method, metric, unit, value, low, high in columns
        ]  # fmt: skip

    def __str__(self) -> str:
        lines = [
            f"{self.kept} of {self.raters} raters counted ({self.inattentive} missed attention "
            f"checks, {self.unchecked} stopped before the first one, {self.unfinished} of those "
            f"counted did not finish), {len(self.plan.items)} items."
        ]
        for c in self.comparisons:
            ties = f", {c.ties} of them ties" if c.ties else ""
            lines.append(
                f"{c.a} over {c.b}: {c.share:.1%} of {c.votes} votes{ties} "
                f"[{c.low:.1%}, {c.high:.1%}], sign test p = {c.p:.3g} "
                f"(pooled votes, too small: {c.p_pooled:.3g})"
            )
        if len(self.strengths) > 2:
            listed = ", ".join(
                f"{s.method} {s.value:+.2f} [{s.low:+.2f}, {s.high:+.2f}]" for s in self.strengths
            )
            lines.append(f"Bradley-Terry strengths (logits): {listed}")
        agree = "not defined" if np.isnan(self.alpha) else f"{self.alpha:.2f}"
        lines.append(f"Krippendorff's alpha (1 agreement, 0 chance): {agree}")
        lines += [f"Careful: {warning}" for warning in self.warnings]
        lines += [f"Left out: {sentence}" for sentence in self.refused]
        return "\n".join(lines)

    def figure(self) -> Image.Image:
        """Shares with their intervals, and strengths where there are more than two methods."""
        from matplotlib.figure import Figure
        from PIL import Image

        two = len(self.strengths) > 2
        height = 1.3 + 0.5 * max(len(self.comparisons), len(self.strengths) if two else 0)
        figure = Figure(figsize=(9.5 if two else 6, height), layout="constrained", dpi=110)
        axes = figure.subplots(1, 2 if two else 1, squeeze=False)[0]
        parts = [([(f"{c.a}\nover {c.b}", c.share, c.low, c.high) for c in self.comparisons], 0.5)]
        parts += [([(s.method, s.value, s.low, s.high) for s in self.strengths], 0.0)] * two
        for ax, (estimates, middle), colour in zip(axes, parts, ("#0072B2", "#D55E00")):
            names, values, lows, highs = zip(*estimates)
            places = np.arange(len(estimates))[::-1]
            ax.axvline(middle, color="#767676", linestyle="--", linewidth=1)
            ax.hlines(places, lows, highs, color=colour, linewidth=3)
            ax.plot(values, places, "o", color=colour, markersize=8)
            ax.set_yticks(places, names)
            ax.set_ylim(-0.6, len(estimates) - 0.4)
        axes[0].set_xlim(0, 1)
        axes[0].set_xlabel("share of votes, 95 % interval (0.5: no preference)")
        if two:
            axes[1].set_xlabel("Bradley-Terry strength, logits, 95 % interval")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        return Image.open(buffer).convert("RGB")


def attentive(plan: Plan, votes: Votes) -> tuple[int, int]:
    """(attention checks answered, attention checks missed) of one rater; a tie is a miss."""
    better = {pair.id: pair.clips[0] for pair in plan.pairs if pair.check}
    answered = missed = 0
    for shown, choice in zip(plan.schedule(votes.rater), votes.chosen):
        if shown.pair in better:
            answered += 1
            side = shown.right if choice == RIGHT else shown.left
            missed += choice == TIE or side != better[shown.pair]
    return answered, missed


def analyse(plan: Plan, ballots: Ballots, seed: int = 0, draws: int = 2000) -> Result:
    """Shares, strengths, agreement, and whom the plan's rule left out.

    Raises:
        StudyError: where no votes are left to count.
    """
    kept, inattentive, unchecked = [], 0, 0
    for votes in ballots.votes:
        answered, missed = attentive(plan, votes)
        if missed > plan.allowed:
            inattentive += 1
        elif plan.check_items and not answered:
            unchecked += 1
        else:
            kept.append(votes)
    wins, given, ties, table = _counted(plan, kept)
    if not given.any():
        raise StudyError(
            f"There are {len(ballots.votes)} raters and no vote to count ({inattentive} missed "
            f"attention checks, {unchecked} stopped before one, {len(ballots.refused)} files were "
            "refused); collect votes first."
        )
    drawn_wins, drawn_given = _bootstrap(wins, given, np.random.default_rng(seed), draws)
    compared = list(combinations(plan.methods, 2))
    comparisons = []
    for c, (a, b) in enumerate(compared):
        if not (n := int(given[..., c].sum())):
            continue
        share = float(wins[..., c].sum() / n)
        low, high = _interval(drawn_wins[:, c], drawn_given[:, c])
        if share in (0.0, 1.0):  # all draws are equal: the exact interval over the clusters
            clusters = min(int(given[..., c].any(axis).sum()) for axis in (0, 1))
            exact = binomtest(round(share * clusters), clusters).proportion_ci()
            low, high = float(exact.low), float(exact.high)
        p = max(_sign_test(wins[..., c], given[..., c], axis) for axis in (0, 1))
        first = int((wins[..., c] == 1).sum())
        tied = int(ties[..., c].sum())
        pooled = float(binomtest(first, n - tied).pvalue) if n > tied else 1.0
        comparisons.append(Comparison(a, b, share, low, high, p, pooled, n, tied))
    strengths = bradley_terry(_matrix(wins.sum((0, 1)), given.sum((0, 1)), len(plan.methods)))
    drawn = bradley_terry(_matrix(drawn_wins, drawn_given, len(plan.methods)))
    lows, highs = np.quantile(drawn, (0.025, 0.975), axis=0)
    total = len(plan.pairs)
    return Result(
        plan, tuple(comparisons),
        tuple(Strength(*each) for each in zip(
            plan.methods, strengths.tolist(), lows.tolist(), highs.tolist(), strict=True)),
        krippendorff(table), len(ballots.votes), len(kept), inattentive, unchecked,
        sum(len(votes.chosen) < total for votes in kept), tuple(ballots.refused),
        tuple(_warnings(plan, len(ballots.votes), len(kept), inattentive, len(compared))), seed,
    )  # fmt: skip


def _counted(plan: Plan, kept: list[Votes]) -> tuple[np.ndarray, ...]:
    """(wins of the first method, votes, ties), each (raters, items, comparisons), and what
    raters chose of every pair, (raters, pairs): 0 or 1 in the order of the codes, which says
    nothing, so that a method which always wins counts as agreement; 2 a tie, NaN nothing."""
    compared = {two: c for c, two in enumerate(combinations(plan.methods, 2))}
    place = {item: i for i, item in enumerate(plan.items)}
    real = {pair.id: (n, pair) for n, pair in enumerate(p for p in plan.pairs if not p.check)}
    wins = np.zeros((len(kept), len(place), len(compared)))
    given, ties = np.zeros_like(wins), np.zeros_like(wins)
    table = np.full((len(kept), len(real)), np.nan)
    for r, votes in enumerate(kept):
        for shown, choice in zip(plan.schedule(votes.rater), votes.chosen):
            if shown.pair not in real:
                continue
            n, pair = real[shown.pair]
            at = r, place[pair.item], compared[pair.methods]
            side = shown.right if choice == RIGHT else shown.left
            given[at] = 1
            ties[at] = choice == TIE
            wins[at] = 0.5 if choice == TIE else side == pair.clips[0]
            table[r, n] = 2 if choice == TIE else sorted(pair.clips).index(side)
    return wins, given, ties, table


def _bootstrap(
    wins: np.ndarray, given: np.ndarray, rng: np.random.Generator, draws: int
) -> tuple[Float[np.ndarray, "D C"], Float[np.ndarray, "D C"]]:
    """Wins and votes per comparison in each draw of raters and items with replacement."""
    raters, items, compared = wins.shape
    r = rng.multinomial(raters, np.full(raters, 1 / raters), draws).astype(float)  # (D, R)
    i = rng.multinomial(items, np.full(items, 1 / items), draws).astype(float)  # (D, I)

    def weighed(counts: np.ndarray) -> np.ndarray:
        by_item = (r @ counts.reshape(raters, -1)).reshape(draws, items, compared)
        return (by_item * i[..., None]).sum(1)

    return weighed(wins), weighed(given)


def _interval(wins: np.ndarray, given: np.ndarray) -> tuple[float, float]:
    """The 2.5 % and 97.5 % quantiles of the shares; draws without a vote are left out."""
    share = wins[given > 0] / given[given > 0]
    low, high = np.quantile(share, (0.025, 0.975)) if len(share) else (0.0, 1.0)
    return float(low), float(high)


def _sign_test(wins: np.ndarray, given: np.ndarray, axis: int) -> float:
    """p of a binomial test on how many items (axis 0: votes summed over raters) or raters (axis
    1) prefer each side; those without a preference are left out."""
    lean = np.sign((wins - given / 2).sum(axis))
    first, all_of_them = int((lean > 0).sum()), int((lean != 0).sum())
    return float(binomtest(first, all_of_them).pvalue) if all_of_them else 1.0


def _matrix(wins: np.ndarray, given: np.ndarray, methods: int) -> Float[np.ndarray, "*D M M"]:
    """Entry (i, j): how often method i was chosen over j."""
    matrix = np.zeros((*wins.shape[:-1], methods, methods))
    for c, (i, j) in enumerate(combinations(range(methods), 2)):
        matrix[..., i, j], matrix[..., j, i] = wins[..., c], given[..., c] - wins[..., c]
    return matrix


def bradley_terry(
    wins: Float[np.ndarray, "*D M M"], tolerance: float = 1e-9
) -> Float[np.ndarray, "*D M"]:
    """Strengths in logits, mean 0, from how often i was chosen over j; ties are half a win each.

    MM updates (Hunter, "MM algorithms for generalized Bradley-Terry models", 2004, eq. (3)):
    w_i <- W_i / sum_j n_ij / (w_i + w_j). Half a win is added to both sides of every pair, or a
    method that never lost would be infinitely strong.

    The library choix finds the same strengths (a test compares them). It takes one matrix at a
    time; over the 2,000 matrices of a bootstrap that is twelve times slower.
    """
    apart = 1 - np.eye(wins.shape[-1])
    wins = (wins + PSEUDO) * apart
    total, met = wins.sum(-1), wins + np.swapaxes(wins, -1, -2)
    w = np.ones(wins.shape[:-1])
    for _ in range(5000):
        rate = (met / (w[..., :, None] + w[..., None, :])).sum(-1)
        new = total / rate
        new /= np.exp(np.log(new).mean(-1, keepdims=True))
        done = np.abs(np.log(new / w)).max() < tolerance
        w = new
        if done:
            break
    return np.log(w)


def krippendorff(table: Float[np.ndarray, "raters units"]) -> float:
    """Krippendorff's alpha for nominal values; NaN entries are missing.

    1 - observed / expected disagreement: 1 is agreement, 0 chance. NaN where all values are the
    same or no unit has two. Source: Krippendorff, "Computing Krippendorff's alpha-reliability".
    Written out here because the package krippendorff, which gives the same numbers, is under the
    GPL.
    """
    counts = np.stack([(table == value).sum(0) for value in np.unique(table[~np.isnan(table)])] or
                      [np.zeros(table.shape[1])])  # (values, units)  # fmt: skip
    counts = counts[:, counts.sum(0) > 1].astype(float)
    each, n = counts.sum(0), counts.sum()
    expected = (counts.sum(1) * (n - counts.sum(1))).sum() / (n * (n - 1)) if n else 0.0
    if not expected:
        return float("nan")
    observed = (counts * (each - counts) / (each - 1)).sum() / n
    return float(1 - observed / expected)


def _warnings(plan: Plan, raters: int, kept: int, inattentive: int, compared: int) -> list[str]:
    said = []
    for what, count in (("raters", kept), ("items", len(plan.items))):
        if count < FEW:
            said.append(
                f"only {count} {what}; with fewer than {FEW} the interval is too narrow and says "
                "little about others."
            )
    if not plan.check_items:
        said.append("the plan has no attention checks, so everybody was counted.")
    elif inattentive > raters / 3:
        said.append(
            f"{inattentive} of {raters} raters missed attention checks; were the checks obvious?"
        )
    if compared > 1:
        said.append(f"{compared} comparisons: hold each p against 0.05 / {compared}.")
    return said
