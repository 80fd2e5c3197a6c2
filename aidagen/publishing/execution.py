"""Running a lecture's cells, and removing from the result what belongs to one machine.

``execute`` is what builds a notebook (nbclient); ``trial`` is what CI does (papermill, profile
smoke). ``clean`` drops timings, paths, progress bars and widget state that is too large.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aidagen import files
from aidagen.errors import AidagenError
from aidagen.teaching import compute

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from traitlets.config import Config

# Bytes of the widget state that is kept for readers without a kernel; above it stills stand there.
# While its kernel starts, Lab may look for a stored widget too early: many of them are a risk.
LARGEST_WIDGETS = 100_000
CELL_TIMEOUT = 600  # seconds of the clock, against a cell that hangs
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


class NotebookError(AidagenError):
    """A lecture's text or notebook is faulty, or one of its cells fails."""


class Spent(NamedTuple):
    """What one run of a lecture took; the start of its kernel is included."""

    cpu_seconds: float  # of this process and of its kernels: a busy machine does not add to them
    peak_mb: float  # largest resident memory of the kernel, in 10^6 bytes


@contextlib.contextmanager
def _measured() -> Iterator[list[Spent]]:
    """CPU time and memory of what is run inside; the list holds them at the end."""
    spent: list[Spent] = []
    begin = _cpu_seconds()
    with compute.peak_of() as peak:
        yield spent
    spent.append(Spent(round(_cpu_seconds() - begin, 1), round(peak.mb)))


def _cpu_seconds() -> float:
    """Of this process and of the children that it has seen end, the kernels."""
    return sum(os.times()[:4])


def _encrypted() -> Config:
    """Kernels get keys for their sockets, where they can; without, each one prints a warning."""
    from traitlets.config import Config

    return Config({"KernelManager": {"transport_encryption": "auto"}})


def execute(notebook: NotebookNode, folder: Path, profile: str) -> Spent:
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
        config=_encrypted(),
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        with _measured() as spent:
            client.execute()
    except CellExecutionError as problem:
        raise NotebookError(
            f"{_failed_cell(notebook)}: {problem.ename}: {problem.evalue}"
        ) from None
    except CellTimeoutError as problem:
        raise NotebookError(f"a cell took longer than {CELL_TIMEOUT} s") from problem
    except DeadKernelError as problem:
        raise NotebookError("the kernel died (out of memory?)") from problem
    except OSError as problem:  # the kernel's files, as on a full disk
        raise NotebookError(f"it cannot be run here ({problem})") from problem
    return spent[0]


def trial(notebook: NotebookNode, copy: Path, folder: Path, seconds: float) -> Spent:
    """Run a notebook as CI does: papermill, in ``folder``, profile ``smoke``.

    A cell tagged ``parameters`` is followed by ``PROFILE = "smoke"``. The executed notebook is
    written to ``copy``; one cell may take ``seconds``.
    Raises NotebookError naming the first cell that fails.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    os.environ["AIDAGEN_PROFILE"] = "smoke"
    plain = copy.with_suffix(".source.ipynb")
    files.write_text(plain, nbformat.writes(notebook) + "\n")
    takes = any("parameters" in c.metadata.get("tags", []) for c in notebook.cells)
    try:
        with _measured() as spent:
            papermill.execute_notebook(
                str(plain),
                str(copy),
                parameters={"PROFILE": "smoke"} if takes else {},
                kernel_name="python3",
                cwd=str(folder),
                progress_bar=False,
                execution_timeout=int(seconds),
                start_timeout=120,
                config=_encrypted(),
            )
    except PapermillExecutionError as problem:
        raise NotebookError(
            f"fails in profile smoke at cell number {problem.cell_index + 1}: "
            f"{problem.ename}: {problem.evalue}"
        ) from None
    except CellTimeoutError as problem:
        raise NotebookError(f"has a cell that takes longer than {seconds:.0f} s") from problem
    except DeadKernelError as problem:
        raise NotebookError("makes the kernel die (out of memory?)") from problem
    except OSError as problem:  # the copy and the kernel's files, as on a full disk
        raise NotebookError(f"cannot be run here ({problem})") from problem
    finally:
        with contextlib.suppress(OSError):
            plain.unlink(missing_ok=True)
    return spent[0]


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
