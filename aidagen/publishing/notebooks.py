"""From ``course/NN_name.py`` to ``notebooks/NN_name.ipynb``, and back to the same text.

    python -m aidagen.publishing.notebooks build [05 ...]    # execute what changed, keep outputs
    python -m aidagen.publishing.notebooks check             # is every notebook its text's image?
    python -m aidagen.publishing.notebooks run [05 ...]      # every lecture in smoke, measured
    python -m aidagen.publishing.notebooks tidy [05 ...]     # write the texts as jupytext does

The text (jupytext, py:percent) is the source. A built notebook has the same cells, ids that
stay (``05-012``: lecture and ordinal), outputs of a run in profile ``lecture``, and nothing of
the machine that made it: no timings, versions, paths. The hash of its text lies in its
metadata, so a second build does nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aidagen import files
from aidagen.errors import AidagenError
from aidagen.failures import guarded
from aidagen.publishing.copies import folded
from aidagen.publishing.execution import (
    CELL_TIMEOUT,
    NotebookError,
    Spent,
    clean,
    execute,
    trial,
)
from aidagen.teaching import compute

if TYPE_CHECKING:
    from nbformat import NotebookNode

LARGEST = 3_000_000  # bytes of one notebook
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
TAGS = frozenset(
    "parameters exercise solution hint check instructor gpu hide-input remove-cell "
    "skip-execution nbval-skip nbval-check-output nbval-ignore-output".split()
)


def sources(root: Path, numbers: Iterable[str] = ()) -> list[Path]:
    """The lectures' texts ``course/NN_name.py`` in order, or those with the given numbers.

    Raises NotebookError for a number that has no text.
    """
    texts = sorted(p for p in (root / "course").glob("*.py") if re.match(r"\d\d_", p.name))
    numbers = list(numbers)
    for number in numbers:
        if not any(path.name.startswith(number) for path in texts):
            raise NotebookError(f"There is no lecture {number}: no course/{number}_*.py.")
    return [p for p in texts if not numbers or any(p.name.startswith(n) for n in numbers)]


def notebook_of(source: Path) -> Path:
    """Where the notebook of ``course/NN_name.py`` lies: ``notebooks/NN_name.ipynb``."""
    return source.parents[1] / "notebooks" / f"{source.stem}.ipynb"


def source_hash(source: Path) -> str:
    """SHA-256 of the text, whatever its line endings."""
    return hashlib.sha256(source.read_text(encoding="utf-8").encode()).hexdigest()


def read_source(source: Path) -> NotebookNode:
    """The notebook that a lecture's text describes: cells with stable ids, not executed.

    Raises NotebookError where the jupytext header is missing (the file would be no pair).
    """
    import jupytext

    text = source.read_text(encoding="utf-8")
    if not re.match(r"# ---\n(# .*\n)*#\s+format_name: percent\n", text):
        raise NotebookError(
            f"course/{source.name} has no jupytext header (# --- / # jupyter: / ... "
            "format_name: percent / # ---): copy the one of another lecture."
        )
    notebook = jupytext.reads(text, fmt="py:percent")
    number = source.name[:2]
    for ordinal, cell in enumerate(notebook.cells, start=1):
        cell["id"] = f"{number}-{ordinal:03d}"
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata["kernelspec"] = dict(KERNELSPEC)
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata["aidagen"] = {"source_sha256": source_hash(source)}
    return notebook


def as_text(notebook: NotebookNode) -> str:
    """The py:percent text of a notebook, as it is after the notebook was saved and opened."""
    import jupytext
    import nbformat

    again = nbformat.reads(dumps(notebook), as_version=nbformat.NO_CONVERT)
    return jupytext.writes(again, fmt="py:percent")


def tidy(root: Path, numbers: Iterable[str] = ()) -> list[Path]:
    """Write every text as jupytext does (cell metadata in order of its names, for instance).

    Returns those that changed; their headers stay.
    """
    changed = []
    for source in sources(root, numbers):
        text = source.read_text(encoding="utf-8")
        head, body = text[: text.index("# ---\n", 6) + 6], _body(as_text(read_source(source)))
        if body != _body(text):
            files.write_text(source, f"{head}\n{body}\n")
            changed.append(source)
    return changed


# --- build ------------------------------------------------------------------------------------


def dumps(notebook: NotebookNode) -> str:
    """The notebook as JSON with sorted keys, the same for the same content."""
    import nbformat

    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"


def is_fresh(source: Path) -> bool:
    """Whether the notebook of ``source`` was built from this very text."""
    try:
        return not list(staleness(source))
    except NotebookError:
        return False


def build(
    root: Path, numbers: Iterable[str] = (), force: bool = False, record: bool = False
) -> list[Path]:
    """Execute every lecture whose text changed and write its notebook; returns those written.

    ``record`` writes what the run took into the compute card, ``course/compute.json``.
    Raises NotebookError where a cell fails, the notebook grows over 3 MB, or the run took more
    than 150 % of the card's budget; then the old notebook stays as it was.
    """
    written = []
    for source in sources(root, numbers):
        target = notebook_of(source)
        if not force and is_fresh(source):
            print(f"{target.name}: up to date", flush=True)
            continue
        notebook = read_source(source)
        files.check_folder(target.parent)  # before minutes of work
        profile = os.environ.get("AIDAGEN_PROFILE") or "lecture"
        try:
            spent = execute(notebook, target.parent, profile)
        except NotebookError as problem:
            raise NotebookError(f"course/{source.name}: {problem}") from problem
        clean(notebook, root)
        fold(notebook)
        text = dumps(notebook)
        if len(text.encode()) > LARGEST:
            largest = max(notebook.cells, key=lambda c: len(json.dumps(c))).id
            raise NotebookError(
                f"{target.name} would have {_size(text)}, more than {LARGEST / 1e6:.0f} MB: "
                f"cell {largest} is the largest."
            )
        if fault := account(root, source, profile, spent, record):
            raise NotebookError(fault)
        files.write_text(target, text)
        print(f"{target.name}: {spent.cpu_seconds:.1f} CPU s, {_size(text)}", flush=True)
        written.append(target)
    return written


def fold(notebook: NotebookNode) -> None:
    """Hide the sources of cells that only set up, draw or try an answer; a click opens them.

    The text says so by tags alone: jupytext is told not to write this (``jupytext.toml``).
    """
    for cell in notebook.cells:
        if folded(cell):
            cell.metadata["jupyter"] = {"source_hidden": True}


def account(root: Path, source: Path, profile: str, spent: Spent, record: bool) -> str | None:
    """A sentence where a run took more than 150 % of what the lecture's compute card allows.

    With ``record`` the run is written into the card first.
    """
    number = source.name[:2]
    if record:
        compute.record(number, profile, spent.cpu_seconds, spent.peak_mb, root)
    return compute.over_budget(number, profile, spent.cpu_seconds, spent.peak_mb, root)


def _size(text: str) -> str:
    return f"{len(text.encode()) / 1e6:.2f} MB"


# --- check ------------------------------------------------------------------------------------


def differences(source: Path) -> Iterator[str]:
    """One sentence for each way in which text and notebook of a lecture disagree.

    Raises NotebookError where one of the two cannot be read.
    """
    text = source.read_text(encoding="utf-8")
    intended = read_source(source)
    for cell in intended.cells:
        tags = set(cell.metadata.get("tags", []))
        if unknown := tags - TAGS:
            yield f"course/{source.name}, cell {cell.id}: unknown tag {', '.join(sorted(unknown))}"
        if "skip-execution" in tags and "nbval-skip" not in tags:
            yield f"course/{source.name}, cell {cell.id}: skip-execution also needs nbval-skip"
    if _body(as_text(intended)) != _body(text):
        yield (
            f"course/{source.name} is not what jupytext writes: "
            f"{_first_difference(text, intended)}; "
            "run `python -m aidagen.publishing.notebooks tidy`"
        )
    yield from staleness(source)


def staleness(source: Path) -> Iterator[str]:
    """One sentence where the notebook is missing, or was not built from this very text."""
    import nbformat

    intended, target = read_source(source), notebook_of(source)
    if not target.exists():
        yield f"notebooks/{target.name} is missing: run `make notebooks`"
        return
    try:
        built = nbformat.read(target, as_version=4)
    except Exception as problem:  # nbformat raises its own, json's and Unicode's errors
        raise NotebookError(f"notebooks/{target.name} is not a notebook ({problem}).") from problem
    stale = f"notebooks/{target.name} is not what course/{source.name} says"
    if len(built.cells) != len(intended.cells):
        yield f"{stale} ({len(built.cells)} cells, not {len(intended.cells)}): run `make notebooks`"
        return
    for new, old in zip(intended.cells, built.cells, strict=True):
        old_tags, new_tags = old.metadata.get("tags", []), new.metadata.get("tags", [])
        same = (new.cell_type, new.source, new.id) == (old.cell_type, old.source, old.get("id"))
        if not same or new_tags != old_tags:
            yield f"{stale} (cell {new.id}): run `make notebooks`"
            return
    if built.metadata.get("aidagen", {}).get("source_sha256") != source_hash(source):
        yield f"{stale} (its hash): run `make notebooks`"


def _body(text: str) -> str:
    """The text without its header, whose version lines jupytext may add."""
    return text.split("# ---\n", 2)[-1].strip()


def _first_difference(text: str, notebook: NotebookNode) -> str:
    pairs = zip(_body(text).splitlines(), _body(as_text(notebook)).splitlines(), strict=False)
    old, new = next(((a, b) for a, b in pairs if a != b), ("its end", "another end"))
    return f"{old!r} becomes {new!r}"


def check(root: Path) -> list[str]:
    """All disagreements between ``course/`` and ``notebooks/``, one sentence each."""
    texts = sources(root)
    problems = []
    for source in texts:
        try:
            problems.extend(differences(source))
        except NotebookError as problem:
            problems.append(str(problem))
    names = {source.stem for source in texts}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        if path.stem not in names:
            problems.append(f"notebooks/{path.name} has no text: course/{path.stem}.py is missing")
    return problems


# --- run --------------------------------------------------------------------------------------


def run(
    root: Path, numbers: Iterable[str] = (), enforce: bool = False, record: bool = False
) -> dict[str, float]:
    """Run every lecture's notebook with papermill in profile ``smoke``; returns its CPU seconds.

    The executed copies and ``cpu_seconds.json`` land in ``build/smoke/``. A lecture over its
    budget is named; with ``enforce`` it ends the run.
    Raises NotebookError naming the first cell that fails, or the lecture over its budget.
    """
    folder = root / "build" / "smoke"
    seconds: dict[str, float] = {}
    for source in sources(root, numbers):
        copy = folder / f"{source.stem}.ipynb"
        try:
            spent = trial(read_source(source), copy, root / "notebooks", CELL_TIMEOUT)
        except NotebookError as problem:
            raise NotebookError(f"course/{source.name} {problem}") from None
        seconds[source.stem] = spent.cpu_seconds
        took = f"{source.stem}: {spent.cpu_seconds:.1f} CPU s, {spent.peak_mb} MB"
        print(f"{took} in profile smoke", flush=True)
        if fault := account(root, source, "smoke", spent, record):
            if enforce:
                raise NotebookError(fault)
            print(fault, flush=True)
    files.write_json(folder / "cpu_seconds.json", seconds)
    return seconds


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m aidagen.publishing.notebooks")
    parser.add_argument("action", choices=["build", "check", "run", "tidy"])
    parser.add_argument("lectures", nargs="*", help="their numbers, such as 05; all by default")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--force", action="store_true", help="build what did not change, too")
    parser.add_argument("--enforce", action="store_true", help="fail over budget in run, too")
    parser.add_argument("--record", action="store_true", help="write the compute card, too")
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    try:
        if options.action == "build":
            build(root, options.lectures, options.force, options.record)
        elif options.action == "tidy":
            print("\n".join(f"course/{p.name}: tidied" for p in tidy(root, options.lectures)))
        elif options.action == "run":
            seconds = run(root, options.lectures, options.enforce, options.record)
            total = sum(seconds.values())
            print(f"{len(seconds)} lectures ran, {total:.1f} CPU s", flush=True)
        else:
            problems = check(root)
            print("\n".join(problems) if problems else "course/ and notebooks/ agree", flush=True)
            return 1 if problems else 0
        return 0
    except (AidagenError, OSError) as problem:
        print(f"aidagen: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(guarded(main))
