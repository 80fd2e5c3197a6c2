"""One plot for one claim: points with intervals from evaluation rows, and curves of a training.

    plots.claim(rows, "l1_moving", {"fomm-faces-64": "the model", "copy-source": "a copy"},
                {("faces", "segments"): "known people", ("faces", "persons"): "unseen people"})
    plots.claim(rows, "l1", {"no-jacobian": "without Jacobians"}, paired_with="fomm-heads-64")
    plots.terms(history)                       # every term of a training, on one logarithmic axis
    plots.folded("All rows", rows)             # the full table, closed until somebody opens it

A `Plot` shows itself in a notebook as a PNG that is large enough for a lecture hall, and describes
itself in words (`alt`). Rows are those of `aidagen evaluate`: dicts with data, split, method,
metric, unit, value, low, high, n. Every name on a plot is the author's, in words.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aidagen import markdown
from aidagen.errors import AidagenError
from aidagen.teaching import check

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Place = tuple[str, str]  # (data, split)
WIDTH = 8.0  # inches; a plot is about half as high, so that it fills a slide below its text
LETTERS = 15  # points; the smallest are 14, which is 28 px where the plot is 1152 px wide
DPI = 180  # of the stored PNG, which is shown at half its pixels
# Okabe and Ito's colours that are dark enough on white, each with a marker of its own
LOOKS = (
    ("#0072B2", "o"), ("#C04A00", "s"), ("#007A5A", "D"), ("#8F3D73", "^"),
    ("#000000", "v"), ("#7A6200", "P"), ("#3B6E8F", "X"), ("#5B5B5B", "*"),
)  # fmt: skip
DASHES = ("-", "--", ":", "-.")
SMOOTH = 0.05  # share of a history that the running median of a term covers


class Plot:
    """A figure with its description: shown as a PNG, and in words where no picture can be shown.

    Args:
        figure: a matplotlib figure; `figure` gives it back for changes of one's own.
        alt: what is to be seen, in words and numbers.
    """

    def __init__(self, figure: Figure, alt: str) -> None:
        self.figure, self.alt = figure, alt

    def __repr__(self) -> str:
        return f"Plot({self.alt!r})"

    def png(self) -> bytes:
        """The picture as a PNG of few colours, with the badge of reference solutions below it."""
        from PIL import Image

        check.stamp(self.figure)
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
        picture = Image.open(buffer).convert("RGB").quantize(128, dither=Image.Dither.NONE)
        small = io.BytesIO()
        picture.save(small, "PNG", optimize=True)
        return small.getvalue()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        from base64 import b64encode

        width = round(self.figure.get_size_inches()[0] * DPI / 2)
        data = {"image/png": b64encode(self.png()).decode(), "text/plain": self.alt}
        return data, {"image/png": {"width": width}}


class _Point(NamedTuple):
    value: float
    low: float
    high: float
    n: int


# --- claims --------------------------------------------------------------------------------------


def claim(
    rows: Sequence[Mapping[str, Any]],
    metric: str,
    methods: Mapping[str, str],
    places: Mapping[Place, str] | None = None,
    *,
    share_of: str | None = None,
    paired_with: str | None = None,
    axis: str = "",
    line: tuple[float, str] | None = None,
    title: str = "",
    of: str = "clips",
) -> Plot:
    """Points with 95 % intervals for one claim, read from evaluation rows.

    Args:
        rows: stored rows, as `evaluation.table(NAME)` gives them.
        metric: the metric's name in the rows, such as "l1_moving".
        methods: the rows' method -> what the plot calls it, from top to bottom.
        places: (data, split) -> what the plot calls it; by default the only place of the rows.
        share_of: a method whose value all numbers are divided by (the interval is divided by its
            value, too, and holds nothing of that method's own spread).
        paired_with: draw not values but differences, method - this one, over the same clips, from
            the table's comparisons; zero means "no difference".
        axis: the label of the axis in words; by default the metric's unit.
        line: a value to mark, and its words, such as (0.5, "half of a copy").
        title: the claim as a sentence, above the plot.
        of: what is counted: "clips", "people".

    Raises AidagenError where the rows hold no such metric, method or place.
    """
    rows_here = [row for row in rows if row["metric"] == metric]
    if not rows_here:
        known = ", ".join(dict.fromkeys(row["metric"] for row in rows)) or "nothing"
        raise AidagenError(f"These rows hold no metric {metric!r}; they hold {known}.")
    places = places or _only_place(rows_here)
    if paired_with is not None:
        points = _differences(rows, metric, methods, places, paired_with)
    else:
        points = _values(rows_here, methods, places, share_of)
    drawn = {method for method, _ in points}
    if missing := [method for method in methods if method not in drawn]:
        known = ", ".join(dict.fromkeys(row["method"] for row in rows_here))
        against = f" that are compared with {paired_with!r}" if paired_with else ""
        raise AidagenError(
            f"These rows hold no {metric} of {', '.join(missing)}{against} at the places asked "
            f"for; there are {known}."
        )
    unit = axis or _unit(rows_here[0]["unit"], methods, share_of, paired_with)
    figure = _points(points, methods, places, unit, line, title, of, paired_with is not None)
    told = [
        ", ".join(name for name in (places[place], methods[method]) if name)
        + f": {p.value:.3g} ({p.low:.3g} to {p.high:.3g})"
        for (method, place), p in points.items()
    ]
    return Plot(figure, f"{title or unit}. Points with 95 % intervals. {'; '.join(told)}.")


def _only_place(rows: Sequence[Mapping[str, Any]]) -> dict[Place, str]:
    found = list(dict.fromkeys((row["data"], row["split"]) for row in rows))
    if len(found) > 1:
        listed = ", ".join(f"({data!r}, {split!r})" for data, split in found)
        raise AidagenError(f"These rows are from several places ({listed}): say which in places.")
    return {found[0]: ""}


def _values(
    rows: Sequence[Mapping[str, Any]],
    methods: Mapping[str, str],
    places: Mapping[Place, str],
    share_of: str | None,
) -> dict[tuple[str, Place], _Point]:
    at = {(row["method"], (row["data"], row["split"])): row for row in rows}
    points = {}
    for place in places:
        scale = 1.0
        if share_of is not None:
            if (share_of, place) not in at:
                raise AidagenError(f"These rows hold no {share_of!r} at {'/'.join(place)}.")
            scale = at[share_of, place]["value"]
        for method in methods:
            if (method, place) in at:
                row = at[method, place]
                numbers = (row[key] / scale for key in ("value", "low", "high"))
                points[method, place] = _Point(*numbers, row["n"])
    return points


def _differences(
    rows: Any,
    metric: str,
    methods: Mapping[str, str],
    places: Mapping[Place, str],
    other: str,
) -> dict[tuple[str, Place], _Point]:
    """Differences method - other; a comparison that is stored the other way round is turned."""
    points = {}
    for entry in getattr(rows, "comparisons", ()):
        place = (entry["data"], entry["split"])
        if entry["metric"] != metric or place not in places:
            continue
        value, low, high = (entry[key] for key in ("difference", "low", "high"))
        if entry["against"] == other and entry["method"] in methods:
            points[entry["method"], place] = _Point(value, low, high, entry["n"])
        elif entry["method"] == other and entry["against"] in methods:
            points[entry["against"], place] = _Point(-value, -high, -low, entry["n"])
    keys = [(method, place) for place in places for method in methods]
    return {key: points[key] for key in keys if key in points}


def _unit(
    unit: str, methods: Mapping[str, str], share_of: str | None, paired_with: str | None
) -> str:
    if share_of is not None:
        return f"{unit}, as a share of {methods.get(share_of, share_of)}"
    return f"{unit}: difference" if paired_with is not None else unit


def _points(
    points: Mapping[tuple[str, Place], _Point],
    methods: Mapping[str, str],
    places: Mapping[Place, str],
    axis: str,
    line: tuple[float, str] | None,
    title: str,
    of: str,
    from_zero: bool,
) -> Figure:
    """Methods as rows where there is one place; else places as rows, methods as markers."""
    single = len(places) == 1
    count = len(methods) if single else len(places) * (len(methods) + 0.6)
    extra = (0.35 if title else 0) + (
        0.3 * ((len(methods) + 1) // 2) if not single and len(methods) > 1 else 0
    )
    figure, axes = _figure(1.35 + (0.36 if single else 0.3) * count + extra + (0.3 if line else 0))
    ticks, names, y = [], [], 0.0
    for place in places:
        first = y
        for k, method in enumerate(methods):
            if (method, place) in points:
                p = points[method, place]
                colour, marker = LOOKS[k % len(LOOKS)]
                spread = [[p.value - p.low], [p.high - p.value]]
                said = None if single or place != _first(points, method) else methods[method]
                axes.errorbar(
                    p.value, y, xerr=spread, fmt=marker, color=colour, markersize=9, capsize=5,
                    elinewidth=2.4, label=said,
                )  # fmt: skip
            if single:
                ticks, names = [*ticks, y], [*names, methods[method]]
            y += 1
        if not single:
            ticks, names = [*ticks, (first + y - 1) / 2], [*names, places[place]]
            y += 0.6
    axes.set_yticks(ticks, [textwrap.fill(name, 26) for name in names])
    axes.set_ylim(y - (0.4 if single else 1.0), -0.6)
    if from_zero:
        axes.axvline(0, color="#444444", linewidth=1.2)
    else:
        axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    if line is not None:
        axes.axvline(line[0], color="#444444", linestyle="--", linewidth=1.6)
        left, right = axes.get_xlim()
        axes.set_xlim(min(left, line[0]), max(right, 1.03 * line[0]))
        axes.annotate(
            line[1], (line[0], 1), xycoords=("data", "axes fraction"), xytext=(0, 4),
            textcoords="offset points", ha="center", va="bottom", fontsize=LETTERS - 1,
        )  # fmt: skip
    if not single and len(methods) > 1:
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=LETTERS - 1)
    counts = sorted({p.n for p in points.values()})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    axes.set_xlabel(f"{textwrap.fill(axis, 62)}\n(means over {n} {of}, 95 % intervals)")
    _titled(figure, title)
    return figure


def _titled(figure: Figure, title: str) -> None:
    if title:
        words = textwrap.fill(title, 68)
        figure.suptitle(words, x=0.01, ha="left", fontsize=LETTERS + 1, linespacing=1.25)


def _first(points: Mapping[tuple[str, Place], _Point], method: str) -> Place:
    return next(place for each, place in points if each == method)


def _figure(height: float) -> tuple[Figure, Any]:
    """A figure of its own, which pyplot does not know (and so does not show a second time)."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": LETTERS}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=LETTERS - 1)
    axes.xaxis.label.set_size(LETTERS)
    axes.grid(axis="x", color="#DDDDDD")
    axes.set_axisbelow(True)
    return figure, axes


# --- training ------------------------------------------------------------------------------------


def terms(
    history: Sequence[Mapping[str, float]],
    words: Mapping[str, str] | None = None,
    *,
    title: str = "",
) -> Plot:
    """Every term of a training's loss over its steps: a running median over the faint values.

    Args:
        history: for each step the terms of its loss, as `training.fit` returns them.
        words: term -> what the plot calls it; by default its name with spaces.
        title: a sentence above the plot.

    The axis is logarithmic unless a term is negative somewhere; values of exactly 0 are left out
    of a logarithmic axis. Raises AidagenError for an empty history.
    """
    if not history:
        raise AidagenError("There is no step in this history: train at least one step first.")
    names = list(dict.fromkeys(name for step in history for name in step))
    curves = {n: np.array([step.get(n, np.nan) for step in history], float) for n in names}
    logarithmic = not any((curve < 0).any() for curve in curves.values())
    figure, axes = _figure(3.7 + (0.35 if title else 0))
    steps, told = np.arange(1, len(history) + 1), []
    for k, (name, curve) in enumerate(curves.items()):
        if logarithmic:
            curve = np.where(curve > 0, curve, np.nan)
        said = (words or {}).get(name, name.replace("_", " "))
        middle = running_median(curve, max(1, round(SMOOTH * len(curve))))
        (colour, marker), dash = LOOKS[k % len(LOOKS)], DASHES[k % len(DASHES)]
        known = np.flatnonzero(np.isfinite(middle))
        axes.plot(steps, curve, color=colour, alpha=0.22, linewidth=1)
        axes.plot(
            steps, middle, dash, color=colour, linewidth=2.6, label=said,
            marker=marker, markersize=7, markevery=max(1, len(steps) // 6),
        )  # fmt: skip
        if len(known):
            told.append(f"{said} from {middle[known[0]]:.2g} to {middle[known[-1]]:.2g}")
    axes.set(xlabel="step", ylabel="weighted loss", yscale="log" if logarithmic else "linear")
    axes.yaxis.label.set_size(LETTERS)
    axes.grid(axis="y", color="#DDDDDD")
    figure.legend(loc="outside right upper", frameon=False, fontsize=LETTERS - 1)
    _titled(figure, title)
    what = title or "The terms of the loss"
    return Plot(figure, f"{what}, over {len(history)} steps: {'; '.join(told) or 'all are 0'}.")


def running_median(values: np.ndarray, width: int) -> np.ndarray:
    """The median of the last ``width`` values at each place, NaN left out; NaN where all are."""
    result = np.full(len(values), np.nan)
    for i in range(len(values)):
        seen = values[max(0, i + 1 - width) : i + 1]
        seen = seen[np.isfinite(seen)]
        if len(seen):
            result[i] = np.median(seen)
    return result


# --- what is folded ------------------------------------------------------------------------------


def folded(
    summary: str,
    content: str | Sequence[Mapping[str, Any]] | Callable[[], str],
    words: Mapping[str, str] | None = None,
) -> Any:
    """A closed ``<details>`` with a full table or ledger, to be opened by those who want it.

    ``content`` is markdown (or a function that makes it), or evaluation rows; ``words`` names
    methods, metrics and places of rows in words. Raises AidagenError where there is nothing to
    fold.
    """
    from IPython.display import Markdown

    text = content() if callable(content) else content
    if not isinstance(text, str):
        text = table(text, words)
    if not text.strip():
        raise AidagenError(f"There is nothing to fold under {summary!r}.")
    return Markdown(f"<details><summary>{summary}</summary>\n\n{text.strip()}\n\n</details>\n")


def table(rows: Sequence[Mapping[str, Any]], words: Mapping[str, str] | None = None) -> str:
    """Evaluation rows as markdown: one table per place, methods down, metrics across."""

    def named(name: str) -> str:
        return (words or {}).get(name, name)

    parts = []
    for place in dict.fromkeys((row["data"], row["split"]) for row in rows):
        here = [row for row in rows if (row["data"], row["split"]) == place]
        metrics = list(dict.fromkeys(row["metric"] for row in here))
        cells = {
            (row["method"], row["metric"]): f"{row['value']:.3g} ({row['low']:.3g} to "
            f"{row['high']:.3g})"
            for row in here
        }
        lines = [
            (named(method), *(cells.get((method, metric), "–") for metric in metrics))
            for method in dict.fromkeys(row["method"] for row in here)
        ]
        name = (words or {}).get("/".join(place), ", ".join(map(named, place)))
        parts += [f"**{name}**", markdown.table(["", *map(named, metrics)], lines)]
    units = dict.fromkeys(f"{named(row['metric'])}: {row['unit']}" for row in rows)
    if units:
        parts.append("Value (95 % interval). " + ". ".join(units) + ".")
    return "\n\n".join(parts)
