"""The reproduction ledger: a paper's claims beside what was measured here.

Each lecture keeps its rows in ``aidagen/lectures/<topic>/ledger.py``. The paper's numbers are typed
in, with their source and whether somebody checked them; ours never are: a row selects stored
evaluation rows, and says "not computed yet" where there are none. A row also names the test that
holds us to the claim.

    ledger.table("05")           # markdown
    ledger.holds(row)            # True, False, or None where the rows are absent or undecided
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aidagen import markdown
from aidagen.errors import AidagenError
from aidagen.teaching import material

ABSENT = "not computed yet"
STALE = "stale, to be computed again"
Source = Callable[[str], Sequence[dict]]  # a table's name -> its rows; raises AidagenError


@dataclass(frozen=True)
class Selector:
    """One stored row: what `aidagen evaluate TABLE` calls data, split, method, metric."""

    table: str
    data: str
    split: str
    method: str
    metric: str


@dataclass(frozen=True)
class Row:
    """A claim of the paper, in numbers or in words, and what stands for it here.

    The claim holds here if ``ours`` is better than each of ``against`` by more than the interval
    of their paired difference (as the table's comparisons say). Without ``against`` the row only
    sets numbers side by side. ``reproduced`` is what the test requires; it is False where our rows
    contradict the claim, and the ledger then says so.
    """

    claim: str
    differs: str  # why the two numbers cannot be compared
    test: str  # "tests/test_x.py::test_y", which fails once the claim no longer holds
    paper: str = "–"
    source: str = "–"
    checked: bool = False  # against the paper itself
    ours: Selector | None = None
    against: tuple[Selector, ...] = ()
    reproduced: bool = True


def rows(number: str) -> tuple[Row, ...]:
    """The ledger of a lecture. Raises AidagenError where it keeps none."""
    module = material.part(number, "ledger")
    if module is None:
        raise AidagenError(
            f"Lecture {number!r} keeps no ledger: no folder of aidagen/lectures with "
            f"NUMBER = {number!r} holds a ledger.py."
        )
    return tuple(module.ROWS)


def stored(table: str) -> Sequence[dict]:
    """A table's rows as they are kept beside its weights; raises AidagenError without them."""
    from aidagen import evaluation

    return evaluation.table(table)


def _rows_of(table: str, source: Source) -> tuple[Sequence[dict], str]:
    """The rows of a table, or why there are none."""
    try:
        return source(table), ""
    except (AidagenError, OSError) as problem:
        return (), STALE if "stale" in str(problem) else ABSENT


def value(selector: Selector, source: Source = stored) -> str:
    """Our number with its interval, or why there is none."""
    stored_rows, why = _rows_of(selector.table, source)
    for row in stored_rows:
        if all(row[key] == getattr(selector, key) for key in ("data", "split", "method", "metric")):
            low, high = row.get("low"), row.get("high")
            spread = "" if low is None else f" ({low:.3g} to {high:.3g})"
            return f"{row['value']:.3g}{spread}"
    return why or ABSENT


def holds(row: Row, source: Source = stored) -> bool | None:
    """Whether ``ours`` is better than all of ``against`` by more than the interval.

    False where one of them is better than ours by more than the interval; None where neither
    can be said, or where rows are absent.
    """
    verdicts = [_verdict(row.ours, other, source) for other in row.against]
    if "worse" in verdicts:
        return False
    return True if verdicts and all(word == "better" for word in verdicts) else None


def _verdict(ours: Selector | None, other: Selector, source: Source) -> str | None:
    """The verdict of the table's comparisons on ours against another method."""
    if ours is None:
        return None
    comparisons = getattr(_rows_of(ours.table, source)[0], "comparisons", ())
    turned = {"better": "worse", "worse": "better"}
    for entry in comparisons:
        if any(entry[key] != getattr(ours, key) for key in ("data", "split", "metric")):
            continue
        pair = (entry["method"], entry["against"])
        if pair == (ours.method, other.method):
            return entry["verdict"]
        if pair == (other.method, ours.method):
            return turned.get(entry["verdict"], entry["verdict"])
    return None


def said(row: Row, source: Source = stored) -> str:
    """The verdict on a row's claim in words."""
    if not row.against:
        if not row.reproduced:
            return "does not hold"
        return "see the test" if row.ours is None else "no claim, numbers side by side"
    values = [value(s, source) for s in (row.ours, *row.against) if s is not None]
    for why in (STALE, ABSENT):
        if why in values:
            return why
    return {True: "holds", False: "does not hold", None: "undecided"}[holds(row, source)]


def table(number: str, source: Source = stored) -> str:
    """Markdown: claim, the paper's number, ours, whether the claim holds, why they differ, test.

    ``source`` gives the rows of a table; by default the stored ones.
    Raises AidagenError where the lecture keeps no ledger.
    """
    tables: dict[str, Any] = {}

    def once(name: str) -> Sequence[dict]:
        if name not in tables:
            try:
                tables[name] = source(name)
            except (AidagenError, OSError) as problem:
                tables[name] = problem
        if isinstance(tables[name], Exception):
            raise tables[name]
        return tables[name]

    head = ("claim", "paper", "here", "does it hold here?", "why the numbers differ", "test")
    lines = []
    for row in rows(number):
        paper = row.paper
        if row.source != "–":
            checked = "" if row.checked else ", from memory, unchecked"
            paper = f"{row.paper} ({row.source}{checked})"
        ours = "–" if row.ours is None else _named(row.ours, once)
        if row.against:
            ours += ", against " + ", ".join(_named(other, once) for other in row.against)
        lines.append((row.claim, paper, ours, said(row, once), row.differs, _spelt(row.test)))
    return markdown.table(head, lines) + "\n"


def _spelt(test: str) -> str:
    """A test's name in words, which a narrow column can break: file, then what it says."""
    file, _, name = test.partition("::")
    return f"{file.removeprefix('tests/')}: {name.removeprefix('test_').replace('_', ' ')}"


def _named(selector: Selector, source: Source) -> str:
    return f"{selector.metric} of {selector.method}: {value(selector, source)}"
