"""Rows on the disk: written beside the weights that they are about, with the key they hold under.

A file `<table>.rows.json` holds the rows, the comparisons, the notes, and the hashes of all that
they depend on (`keys`). If one of these is another today, the rows are not shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from aidagen import files, zoo
from aidagen.evaluation import keys
from aidagen.evaluation.sheets import EvaluationError, Rows, Table


def path(name: str, table: Table) -> Path:
    """Where the rows of table `name` are kept: beside the weights of its first model that is at
    hand, and with the shipped ones if none is."""
    checkpoints = zoo.names()
    first = next((model for model in table.models if model in checkpoints), None)
    folder = zoo.SHIPPED if first is None else zoo.path(first).parent
    return folder / f"{name}.rows.json"


def fresh(name: str, table: Table) -> Rows:
    """What is stored for table `name`; `EvaluationError` in one sentence if it holds no more."""
    file = path(name, table)
    remedy = f"run `python -m aidagen evaluate {name} --recompute`"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        stored = dict(content["key"])
        rows = Rows(content["rows"], name, content["comparisons"], content["notes"])
    except FileNotFoundError as error:
        raise EvaluationError(f"No rows are stored for {name} yet; {remedy}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"{file} is damaged; {remedy}.") from error
    changed = keys.changes(stored, keys.key(name, table))
    if changed:
        raise EvaluationError(
            f"The stored rows of {name} are stale, because {changed} changed since they were "
            f"computed; {remedy}."
        )
    return rows


def computed(
    name: str,
    table: Table,
    limit: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Rows:
    """Rows of table `name` made now; stored unless `limit` leaves clips out.

    Raises `files.FileError` where they cannot be stored: before they are computed if that is known
    then, or else with the place where they are kept.
    """
    target = path(name, table)
    if limit is None:
        files.check_folder(target.parent)
    sheet = table.compute(limit=limit, progress=progress or (lambda text: None))
    rows = Rows(sheet.rows(), name, sheet.comparisons(table.comparisons), sheet.notes)
    if limit is not None:
        rows.notes.append(f"only {limit} clips per split; not stored")
        return rows
    content = {
        "key": keys.key(name, table),
        "rows": rows,
        "comparisons": rows.comparisons,
        "notes": rows.notes,
    }
    try:
        files.write_json(target, content)
    except files.FileError as error:
        rescued = files.rescue(target.name, json.dumps(content, indent=1).encode())
        where = f" The rows lie in {rescued}: move them there." if rescued else ""
        raise files.FileError(f"{error}{where}") from error
    return rows
