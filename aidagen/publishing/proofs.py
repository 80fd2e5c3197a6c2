"""No learner is blocked: copies as learners leave them run to the end, in profile smoke.

An unsolved, a half-solved and a wrongly solved copy of every lecture is run. At its end each copy
lists the references in use; these must be those of the exercises without a right answer.
"""

from __future__ import annotations

import ast
import copy
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from aidagen.publishing.copies import tags, without_answers
from aidagen.publishing.execution import NotebookError, trial
from aidagen.publishing.instructor import CHOOSE, defined

if TYPE_CHECKING:
    from nbformat import NotebookNode

KINDS = ("unsolved", "half", "wrong")
SECONDS = 600  # of the clock, one cell of a copy: it has hung
VERDICT = "from aidagen.teaching import check\nprint('references:', *check.fallbacks())"
WRONG = """from aidagen.teaching import check
{name} = next(e for e in check.exercises({number!r}) if e.id == {id!r}).wrong[0].answer"""


def choices(notebook: NotebookNode) -> dict[str, str]:
    """Exercise id to the function's name, in order of the checks."""
    names = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            names.update({id: name for name, id in CHOOSE.findall(cell.source)})
    return names


def left_as(kind: str, notebook: NotebookNode, number: str) -> tuple[NotebookNode, list[str]]:
    """The copy of a learner, and the ids of exercises that a reference has to stand in for.

    ``kind`` is ``unsolved`` (the stubs as they are), ``half`` (the first half of the exercises
    solved, the middle one included) or ``wrong`` (every stub filled with the first typical wrong
    answer). Raises NotebookError where a check has no stub, or a solution no check.
    """
    chosen = choices(notebook)
    ids = list(chosen)
    solved = set(ids[: (len(ids) + 1) // 2]) if kind == "half" else set()
    learner_copy, stubs = copy.deepcopy(notebook), set()
    for cell in learner_copy.cells:
        if cell.cell_type != "code" or not tags(cell) & {"exercise", "solution"}:
            continue
        about = {id for id, name in chosen.items() if name in defined(cell.source)}
        if "solution" in tags(cell):
            if not about:
                raise NotebookError(f"Cell {cell.id} is a solution that no check.choose() tries.")
            if about <= solved:
                cell.metadata["tags"] = [t for t in cell.metadata["tags"] if t != "solution"]
        elif about:
            stubs |= about
            if kind == "wrong":
                cell.source = _spoiled(cell.source, {id: chosen[id] for id in about}, number)
    if missing := set(ids) - stubs:
        raise NotebookError(f"No stub (tag exercise) defines the function of {min(missing)}.")
    return without_answers(learner_copy), [id for id in ids if id not in solved]


def _spoiled(source: str, names: dict[str, str], number: str) -> str:
    """A stub's cell that keeps all but the functions to write, and binds wrong answers to those."""
    lines = source.splitlines()
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.FunctionDef) and node.name in names.values():
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            del lines[first - 1 : node.end_lineno]
    wrong = [WRONG.format(name=name, number=number, id=id) for id, name in names.items()]
    return "\n".join([*lines, *wrong]).strip()


def prove(source: Path, notebook: NotebookNode, folder: Path, place: Path) -> dict[str, float]:
    """Run the three copies of a lecture in ``place``; they land in ``folder``. Seconds by kind.

    Raises NotebookError naming lecture, copy and what went wrong.
    """
    seconds = {}
    for kind in KINDS if choices(notebook) else KINDS[:1]:
        begin = time.monotonic()
        what = f"the copy '{kind}' of course/{source.name}"
        learner_copy, expected = left_as(kind, notebook, source.name[:2])
        run_to_end(learner_copy, folder / f"{source.stem}.{kind}.ipynb", place, what, expected)
        seconds[kind] = round(time.monotonic() - begin, 1)
    return seconds


def run_to_end(
    notebook: NotebookNode, target: Path, place: Path, what: str, expected: Iterable[str] | None
) -> None:
    """Run a copy; at its end the references of ``expected`` (None: whatever) are in use.

    Raises NotebookError, in a sentence that begins with ``what``.
    """
    import nbformat

    ending = nbformat.v4.new_code_cell(VERDICT, id="references")
    asked = expected is not None and bool(list(expected))
    if asked:
        notebook.cells.append(ending)
    try:
        trial(notebook, target, place, SECONDS)
    except NotebookError as problem:
        raise NotebookError(f"{what[0].upper()}{what[1:]} {problem}") from None
    if asked:
        ended = nbformat.read(target, as_version=4)
        said = "".join(out.get("text", "") for out in ended.cells[-1].outputs)
        in_use = said.strip().removeprefix("references:").split()
        if in_use != sorted(expected):
            raise NotebookError(
                f"In {what} the references of {' '.join(in_use) or 'nothing'} are in use at the "
                f"end, and those of {' '.join(sorted(expected))} should be."
            )
