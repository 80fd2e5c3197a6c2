"""Tables of scores with baselines: computed, kept beside the weights, and refused when stale.

    rows = evaluation.table("fomm-faces-64")              # stored, if they still hold
    rows = evaluation.table("fomm-faces-64", limit=2)     # made now on two clips per split
    print(evaluation.format_table(rows))                  # a table to read, with verdicts

A row is `{data, split, method, metric, unit, value, low, high, n, seed}`: a number of `n` clips
(or people) with its 95 % bootstrap interval over them. A table is a file in this folder that ends
with `TABLE = Table(...)`: `fomm_faces_64.py` holds the table `fomm-faces-64`.
"""

from collections.abc import Callable
from pathlib import Path

from aidagen import discovery
from aidagen.evaluation import store, text
from aidagen.evaluation.sheets import EvaluationError, Metric, Rows, Sheet, Table

__all__ = [
    "EvaluationError",
    "Metric",
    "Rows",
    "Sheet",
    "Table",
    "format_table",
    "names",
    "stored_path",
    "table",
]


def names() -> list[str]:
    """The names of all tables, sorted."""
    return [name.replace("_", "-") for name in discovery.with_attribute(__name__, "TABLE")]


def table(
    name: str,
    *,
    recompute: bool = False,
    limit: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Rows:
    """The rows of table `name`: a plain list of dicts that also knows its comparisons and notes.

    Stored rows are returned if all that they depend on is still what they were made with (see
    `aidagen.evaluation.keys`), otherwise `EvaluationError` says what changed. `recompute=True`
    makes them afresh and stores them (atomically). `limit=N` computes on N clips per split and
    stores nothing. `progress` is told in words what is being computed.
    """
    definition = _definition(name)
    if limit is not None and limit < 1:
        raise EvaluationError(f"The limit is a number of clips, at least 1, not {limit}.")
    if limit is None and not recompute:
        return store.fresh(name, definition)
    return store.computed(name, definition, limit, progress)


def stored_path(name: str) -> Path:
    """Where the rows of table `name` are kept: beside the weights that they are about."""
    return store.path(name, _definition(name))


def format_table(rows: list[dict]) -> str:
    """Rows as a table to read: methods down, metrics across, verdicts below; plain text.

    What a table itself remarks on its rows stands at the end.
    """
    shown = text.format_table(rows)
    table = _find(getattr(rows, "table", ""))
    return "\n".join([shown, *table.remarks(rows)]) if table and table.remarks else shown


def _find(name: str) -> Table | None:
    module = discovery.module(__name__, name.replace("-", "_"))
    return None if "_" in name else getattr(module, "TABLE", None)


def _definition(name: str) -> Table:
    table = _find(name)
    if table is None:
        rows_of = (other for other in names() if name in _find(other).models)
        home = next((f"; {name} is a row of {other}" for other in rows_of), "")
        raise EvaluationError(f"There is no table {name!r}; there are {', '.join(names())}{home}.")
    return table
