"""From ``course/NN_name.py`` to ``notebooks/NN_name.ipynb``, and back to the same text.

    python -m aidagen.teaching.notebooks build [05 ...]    # execute what changed, keep outputs
    python -m aidagen.teaching.notebooks check             # is every notebook its text's image?
    python -m aidagen.teaching.notebooks run [05 ...]      # every lecture in profile smoke, timed

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
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aidagen.errors import AidagenError

if TYPE_CHECKING:
    from nbformat import NotebookNode

LARGEST = 3_000_000  # bytes of one notebook
LARGEST_WIDGETS = 300_000  # bytes of the widget state that is kept for readers without a kernel
BUDGET = 180  # seconds that one lecture may take in profile smoke
CELL_TIMEOUT = 600
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
TAGS = frozenset(
    "parameters exercise solution hint check instructor gpu hide-input remove-cell "
    "skip-execution nbval-skip nbval-check-output nbval-ignore-output".split()
)


class NotebookError(AidagenError):
    """A lecture's text or notebook is not as it has to be."""


def sources(root: Path, numbers: Iterable[str] = ()) -> list[Path]:
    """The lectures' texts ``course/NN_name.py`` in order, or those with the given numbers.

    Raises NotebookError for a number that has no text.
    """
    found = sorted(p for p in (root / "course").glob("*.py") if re.match(r"\d\d_", p.name))
    numbers = list(numbers)
    for number in numbers:
        if not any(path.name.startswith(number) for path in found):
            raise NotebookError(f"There is no lecture {number}: no course/{number}_*.py.")
    return [p for p in found if not numbers or any(p.name.startswith(n) for n in numbers)]


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
    """The py:percent text of a notebook."""
    import jupytext

    return jupytext.writes(notebook, fmt="py:percent")


# --- build ------------------------------------------------------------------------------------


def execute(notebook: NotebookNode, folder: Path, profile: str) -> None:
    """Run all cells in ``folder`` with ``AIDAGEN_PROFILE=profile``; fills in the outputs.

    Raises NotebookError naming the cell that failed and its error.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    os.environ["AIDAGEN_PROFILE"] = profile
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    except CellExecutionError as problem:
        raise NotebookError(
            f"{_failed_cell(notebook)}: {problem.ename}: {problem.evalue}"
        ) from None
    except CellTimeoutError as problem:
        raise NotebookError(f"a cell took longer than {CELL_TIMEOUT} s") from problem
    except DeadKernelError as problem:
        raise NotebookError("the kernel died (out of memory?)") from problem


def _failed_cell(notebook: NotebookNode) -> str:
    for cell in notebook.cells:
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            return f"cell {cell.id}"
    return "a cell"


def clean(notebook: NotebookNode, root: Path) -> None:
    """Take out what belongs to the run or to the machine, and what is too large to keep."""
    for cell in notebook.cells:
        for name in ("execution", "papermill", "collapsed", "scrolled"):
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs = [_clean_output(out, root) for out in cell.outputs if _kept(out)]
    notebook.metadata.pop("papermill", None)
    notebook.metadata["language_info"] = {"name": "python"}
    state = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {})
    if state and len(json.dumps(state)) > LARGEST_WIDGETS:
        notebook.metadata.pop("widgets")
    if "widgets" not in notebook.metadata:
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                output.get("data", {}).pop(WIDGET_VIEW, None)
    else:
        _name_widgets(notebook)


def _name_widgets(notebook: NotebookNode) -> None:
    """Give the stored widgets ids by their order, where the kernel drew them at random."""
    import nbformat

    text = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    first = notebook.cells[0].id[:2]
    for ordinal, old in enumerate(notebook.metadata["widgets"][WIDGET_STATE]["state"]):
        new = hashlib.sha256(f"{first}-widget-{ordinal}".encode()).hexdigest()[:32]
        text = text.replace(old, new)
    notebook.update(nbformat.reads(text, as_version=nbformat.NO_CONVERT))


def _kept(output: NotebookNode) -> bool:
    """Whether an output is for readers: progress bars and warnings (stderr) are not."""
    return not (output.output_type == "stream" and output.name == "stderr")


def _clean_output(output: NotebookNode, root: Path) -> NotebookNode:
    places = {str(root): ".", sys.prefix: "python", str(Path.home()): "~"}
    places[tempfile.gettempdir() + os.sep] = "tmp/"

    def without_places(value: Any) -> Any:
        if isinstance(value, list):
            return [without_places(item) for item in value]
        if isinstance(value, str):
            for place in sorted(places, key=len, reverse=True):
                value = value.replace(place, places[place])
        return value

    output.get("metadata", {}).pop("execution", None)
    for name in ("text", "traceback"):
        if name in output:
            output[name] = without_places(output[name])
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/"):
            output["data"][kind] = without_places(value)
    return output


def dumps(notebook: NotebookNode) -> str:
    """The notebook as JSON with sorted keys, the same for the same content."""
    import nbformat

    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"


def is_fresh(source: Path) -> bool:
    """Whether the notebook of ``source`` was built from this very text."""
    try:
        return not list(differences(source))
    except NotebookError:
        return False


def build(root: Path, numbers: Iterable[str] = (), force: bool = False) -> list[Path]:
    """Execute every lecture whose text changed and write its notebook; returns those written.

    Raises NotebookError where a cell fails or the notebook grows over 3 MB; then the old
    notebook stays as it was.
    """
    written = []
    for source in sources(root, numbers):
        target = notebook_of(source)
        if not force and is_fresh(source):
            print(f"{target.name}: up to date", flush=True)
            continue
        begin = time.monotonic()
        notebook = read_source(source)
        target.parent.mkdir(exist_ok=True)
        try:
            execute(notebook, target.parent, os.environ.get("AIDAGEN_PROFILE") or "lecture")
        except NotebookError as problem:
            raise NotebookError(f"course/{source.name}: {problem}") from problem
        clean(notebook, root)
        text = dumps(notebook)
        if len(text.encode()) > LARGEST:
            largest = max(notebook.cells, key=lambda c: len(json.dumps(c))).id
            raise NotebookError(
                f"{target.name} would have {_size(text)}, more than {LARGEST / 1e6:.0f} MB: "
                f"cell {largest} is the largest."
            )
        part = target.with_suffix(".ipynb.part")
        part.write_text(text, encoding="utf-8")
        os.replace(part, target)
        print(f"{target.name}: {time.monotonic() - begin:.1f} s, {_size(text)}", flush=True)
        written.append(target)
    return written


def _size(text: str) -> str:
    return f"{len(text.encode()) / 1e6:.2f} MB"


# --- check ------------------------------------------------------------------------------------


def differences(source: Path) -> Iterator[str]:
    """One sentence for each way in which text and notebook of a lecture disagree."""
    import nbformat

    text = source.read_text(encoding="utf-8")
    wanted = read_source(source)
    for cell in wanted.cells:
        tags = set(cell.metadata.get("tags", []))
        if unknown := tags - TAGS:
            yield f"course/{source.name}, cell {cell.id}: unknown tag {', '.join(sorted(unknown))}"
        if "skip-execution" in tags and "nbval-skip" not in tags:
            yield f"course/{source.name}, cell {cell.id}: skip-execution also needs nbval-skip"
    if _body(as_text(wanted)) != _body(text):
        yield f"course/{source.name} is not what jupytext writes: {_first_difference(text, wanted)}"
    target = notebook_of(source)
    if not target.exists():
        yield f"notebooks/{target.name} is missing: run `make notebooks`"
        return
    try:
        built = nbformat.read(target, as_version=4)
    except Exception as problem:  # nbformat raises its own, json's and Unicode's errors
        raise NotebookError(f"notebooks/{target.name} is not a notebook ({problem}).") from problem
    stale = f"notebooks/{target.name} is not what course/{source.name} says"
    if len(built.cells) != len(wanted.cells):
        yield f"{stale} ({len(built.cells)} cells, not {len(wanted.cells)}): run `make notebooks`"
        return
    for new, old in zip(wanted.cells, built.cells, strict=True):
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


def run(root: Path, numbers: Iterable[str] = (), budget: float = BUDGET) -> dict[str, float]:
    """Run every lecture's notebook with papermill in profile ``smoke``; returns its seconds.

    A cell tagged ``parameters`` gets ``PROFILE = "smoke"``. The executed copies and
    ``seconds.json`` land in ``build/smoke/``.
    Raises NotebookError naming the first cell that fails, or the lecture over its budget.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    os.environ["AIDAGEN_PROFILE"] = "smoke"
    folder = root / "build" / "smoke"
    folder.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    for source in sources(root, numbers):
        notebook = read_source(source)
        plain = folder / f"{source.stem}.source.ipynb"
        plain.write_text(dumps(notebook), encoding="utf-8")
        takes = any("parameters" in c.metadata.get("tags", []) for c in notebook.cells)
        begin = time.monotonic()
        try:
            papermill.execute_notebook(
                str(plain),
                str(folder / f"{source.stem}.ipynb"),
                parameters={"PROFILE": "smoke"} if takes else {},
                kernel_name="python3",
                cwd=str(root / "notebooks"),
                progress_bar=False,
                execution_timeout=int(budget),
                start_timeout=120,
            )
        except PapermillExecutionError as problem:
            raise NotebookError(
                f"course/{source.name} fails in profile smoke at cell number "
                f"{problem.cell_index + 1}: {problem.ename}: {problem.evalue}"
            ) from None
        plain.unlink()
        took = seconds[source.stem] = round(time.monotonic() - begin, 1)
        print(f"{source.stem}: {took:.1f} s in profile smoke", flush=True)
        if took > budget:
            raise NotebookError(
                f"course/{source.name} took {took:.0f} s in profile smoke; {budget:.0f} s are its "
                "budget: make its live cells smaller."
            )
    (folder / "seconds.json").write_text(json.dumps(seconds, indent=1) + "\n")
    return seconds


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m aidagen.teaching.notebooks")
    parser.add_argument("action", choices=["build", "check", "run"])
    parser.add_argument("lectures", nargs="*", help="their numbers, such as 05; all by default")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--force", action="store_true", help="build what did not change, too")
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    try:
        if options.action == "build":
            build(root, options.lectures, options.force)
        elif options.action == "run":
            seconds = run(root, options.lectures)
            print(f"{len(seconds)} lectures ran, {sum(seconds.values()):.1f} s", flush=True)
        else:
            problems = check(root)
            print("\n".join(problems) if problems else "course/ and notebooks/ agree", flush=True)
            return 1 if problems else 0
        return 0
    except AidagenError as problem:
        print(f"aidagen: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
