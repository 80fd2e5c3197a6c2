"""Stored rows: written beside the weights, keyed by what they were made with.

A key holds SHA-256: of the weights' files of all the table's models, of the data, and of the
evaluation code (this package, metrics, judges and the weights that ship with the judges). If one
of them is another today, or a model has come or gone, the stored rows are not shown.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from aidagen import datasets, zoo
from aidagen.datasets import layout
from aidagen.errors import AidagenError
from aidagen.evaluation.sheets import EvaluationError, Rows, Sheet

PACKAGE = Path(__file__).resolve().parents[1]
CODE = ("evaluation", "judges", "metrics.py")
TRAINED = "judges/weights"  # of judges that were trained here
DATA = {
    "fomm-faces-64": ("faces", "heads"),
    "fomm-cartoons-64": ("cartoons",),
    "fomm-heads-64": ("heads",),
    "animation": ("faces", "bodies", "robot"),
    "monkeynet-ablations": ("bodies",),
}
MODELS = {  # tables of more than one model
    "fomm-heads-64": (
        "fomm-heads-64",
        "fomm-heads-64-no-jacobian",
        "fomm-heads-64-no-occlusion",
        "fomm-heads-64-no-equivariance",
    ),
    "animation": tuple(
        f"{system}-{data}-64"
        for data in DATA["animation"]
        for system in ("x2face", "monkeynet", "fomm")
    ),
    "monkeynet-ablations": (
        "monkeynet-bodies-64",
        "monkeynet-bodies-64-no-flow",
        "monkeynet-bodies-64-no-deformed-skips",
    ),
}
WHAT = {"weights": "the weights", "data": "the data", "code": "the evaluation code"}


def stored_path(table: str) -> Path:
    """Where the rows of `table` are kept: beside the weights they are about.

    Beside those of the first of its models that is at hand, where no model has the table's name.
    """
    known = zoo.names()
    first = next((name for name in (table, *models(table)) if name in known), None)
    if first is None and table not in models(table):
        return zoo.SHIPPED / f"{table}.rows.json"
    return zoo.path(first or table).with_name(f"{table}.rows.json")


def key(table: str) -> dict:
    """The hashes that rows made now would carry."""
    return {
        "weights": {name: weights_hash(name) for name in models(table)},
        "data": {name: data_hash(name) for name in DATA[table]},
        "code": code_hash(),
    }


def models(table: str) -> tuple[str, ...]:
    """The checkpoints whose scores `table` holds."""
    return MODELS.get(table, (table,))


def weights_hash(name: str) -> str | None:
    """SHA-256 of a checkpoint's file, or None where there is no such checkpoint."""
    if name not in zoo.names():
        return None
    return hashlib.sha256(zoo.path(name).read_bytes()).hexdigest()


def code_hash(package: Path = PACKAGE) -> str:
    """SHA-256 over the sources, and the judges trained here, that turn pictures into rows."""
    digest = hashlib.sha256()
    for entry in CODE:
        path = package / entry
        files = sorted(path.glob("*.py")) if path.is_dir() else [path]
        for file in files:
            digest.update(file.name.encode())
            digest.update(file.read_text(encoding="utf-8").encode())  # any line ending → \n
    for file in sorted((package / TRAINED).glob("*.safetensors")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def data_hash(name: str) -> str | None:
    """Identity of data set `name`, or None where it is not to be had on this machine.

    A shipped pack is known by the hashes of its clips. A set that is cut from fetched footage on
    the user's machine is known by name, version, size and its list of clips: the footage itself
    is pinned in `sources`, and a video encoder's bytes differ between machines.
    """
    try:
        found = datasets.load(name)
    except (AidagenError, ImportError):
        return None
    return set_hash(found)


def set_hash(found: layout.ClipSet) -> str:
    """See `data_hash`."""
    if found.root.resolve().is_relative_to(PACKAGE):
        return found.hash
    parts = {
        split: {
            name: {k: v for k, v in entry.items() if k != "sha256"}
            for name, entry in found.info["clips"].get(split, {}).items()
        }
        for split in layout.SPLITS
    }
    head = [found.info.get(k) for k in ("name", "version", "size")]
    return hashlib.sha256(json.dumps([head, parts], sort_keys=True).encode()).hexdigest()


def fresh(table: str) -> Rows:
    """What is stored for `table`, if it still holds; else `EvaluationError` in one sentence."""
    path = stored_path(table)
    remedy = f"run `python -m aidagen evaluate {table} --recompute`"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        stored = found["key"]
        rows = Rows(found["rows"], table, found["comparisons"], found["notes"])
    except FileNotFoundError as error:
        raise EvaluationError(f"No rows are stored for {table} yet; {remedy}.") from error
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise EvaluationError(f"{path} is damaged; {remedy}.") from error
    now = key(table)
    changed = [WHAT[part] for part in ("weights", "code") if stored.get(part) != now[part]]
    if WHAT["weights"] in changed and len(now["weights"]) > 1:
        known = stored.get("weights") or {}
        names = [name for name, digest in now["weights"].items() if digest != known.get(name)]
        changed[0] += f" of {', '.join(names)}"
    before = stored.get("data") or {}
    if any(now["data"][name] not in (None, before.get(name)) for name in now["data"]):
        changed.insert(1 if stored.get("weights") != now["weights"] else 0, WHAT["data"])
    if changed:
        raise EvaluationError(
            f"The stored rows of {table} are stale, because {' and '.join(changed)} changed since "
            f"they were computed; {remedy}."
        )
    return rows


def computed(
    table: str,
    compute: Callable[..., Sheet],
    limit: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Rows:
    """Rows of `table` made now; stored unless `limit` leaves clips out."""
    sheet = compute(table, limit=limit, progress=progress or (lambda text: None))
    rows = Rows(sheet.rows(), table, sheet.comparisons(), sheet.notes)
    if limit is None:
        write(
            stored_path(table),
            {
                "key": key(table),
                "rows": rows,
                "comparisons": rows.comparisons,
                "notes": rows.notes,
            },
        )
    else:
        rows.notes.append(f"only {limit} clips per split; not stored")
    return rows


def write(path: Path, result: dict) -> None:
    """Write JSON atomically: a reader sees the old file or the new one."""
    text = json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(text)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise EvaluationError(
            f"The rows were computed but {path} cannot be written: {error.strerror or error}."
        ) from error
