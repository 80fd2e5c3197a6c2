"""Tables of scores with baselines: computed, kept beside the weights, and refused when stale.

    rows = evaluation.table("fomm-faces-64")              # stored, if they still hold
    rows = evaluation.table("fomm-faces-64", limit=2)     # made now on two clips per split
    print(evaluation.format_table(rows))                  # a table to read, with verdicts

A row is `{data, split, method, metric, unit, value, low, high, n, seed}`: a mean over `n` clips
with its 95 % bootstrap interval over them. `TABLES` maps the name of a table (a model's name, or
a name of its own where it compares several) to the function that computes it.
"""

from collections.abc import Callable

from aidagen.evaluation import ablations, animation, cartoons, faces, text
from aidagen.evaluation.sheets import EvaluationError, Rows, Sheet
from aidagen.evaluation.store import MODELS, computed, fresh, stored_path

TABLES: dict[str, Callable[..., Sheet]] = {
    "fomm-faces-64": faces.compute,
    "fomm-cartoons-64": cartoons.compute,
    "fomm-heads-64": ablations.compute,
    "animation": animation.compute,
    "monkeynet-ablations": animation.compute_ablations,
}

__all__ = ["TABLES", "EvaluationError", "Rows", "Sheet", "format_table", "stored_path", "table"]


def table(
    name: str,
    *,
    recompute: bool = False,
    limit: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Rows:
    """The rows of table `name`: a plain list of dicts that also knows its comparisons and notes.

    Stored rows are returned if weights, data and evaluation code are still those they were made
    with, otherwise `EvaluationError` says what changed. `recompute=True` makes them afresh and
    stores them (atomically). `limit=N` computes on N clips per split and stores nothing.
    `progress` is told in words what is being computed.
    """
    if name not in TABLES:
        home = next((f"; {name} is a row of {t}" for t in MODELS if name in MODELS[t]), "")
        raise EvaluationError(
            f"There is no table {name!r}; there are {', '.join(sorted(TABLES))}{home}."
        )
    if limit is not None and limit < 1:
        raise EvaluationError(f"The limit is a number of clips, at least 1, not {limit}.")
    if limit is None and not recompute:
        return fresh(name)
    return computed(name, TABLES[name], limit, progress)


def format_table(rows: list[dict]) -> str:
    """Rows as a table to read: methods down, metrics across, verdicts below; plain text.

    Below `animation` stand the lecture's claims, and the paper's numbers in their own columns.
    """
    shown = text.format_table(rows)
    if getattr(rows, "table", "") == "animation":
        shown = "\n".join([shown, *animation.orderings(rows), animation.beside(rows)])
    return shown
