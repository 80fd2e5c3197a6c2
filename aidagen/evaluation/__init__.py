"""Tables of scores with baselines: computed, kept beside the weights, and refused when stale.

    rows = evaluation.rows("fomm-faces-64")               # stored, if they still hold
    rows = evaluation.rows("fomm-faces-64", limit=2)      # made now on two clips per split
    print(evaluation.show("fomm-faces-64"))               # a table to read

A row is `{data, split, method, metric, unit, value, low, high, n, seed}`: a mean over `n` clips
with its 95 % bootstrap interval over them. `TABLES` maps the name of a table (a model's name)
to the function that computes it.
"""

from collections.abc import Callable

from aidagen.evaluation import cartoons, faces
from aidagen.evaluation.sheets import EvaluationError, Sheet
from aidagen.evaluation.store import computed, fresh, stored_path
from aidagen.evaluation.text import report

TABLES: dict[str, Callable[..., Sheet]] = {
    "fomm-faces-64": faces.compute,
    "fomm-cartoons-64": cartoons.compute,
}

__all__ = ["TABLES", "EvaluationError", "Sheet", "report", "rows", "show", "stored_path"]


def rows(
    table: str,
    *,
    recompute: bool = False,
    limit: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[dict]:
    """The rows of `table`.

    Stored rows are returned if weights, data and evaluation code are still those they were made
    with, otherwise `EvaluationError` says what changed. `recompute=True` makes them afresh and
    stores them (atomically). `limit=N` computes on N clips per split and stores nothing.
    `progress` is told in words what is being computed.
    """
    return _result(table, recompute, limit, progress)["rows"]


def show(
    table: str,
    *,
    as_json: bool = False,
    recompute: bool = False,
    limit: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> str:
    """What `python -m aidagen evaluate` prints: a table per split, or the flat JSON list."""
    import json

    result = _result(table, recompute, limit, progress)
    if as_json:
        return json.dumps(result["rows"], indent=1, ensure_ascii=False)
    return report(result)


def _result(table: str, recompute: bool, limit: int | None, progress) -> dict:
    if table not in TABLES:
        raise EvaluationError(
            f"There is no table {table!r}; there are {', '.join(sorted(TABLES))}."
        )
    if limit is not None and limit < 1:
        raise EvaluationError(f"--limit is a number of clips, at least 1, not {limit}.")
    if limit is None and not recompute:
        return fresh(table)
    return computed(table, TABLES[table], limit, progress)
