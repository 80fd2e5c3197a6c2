"""One sentence for each fault of a lecture, its notebook or its exercises.

    python -m aidagen.publishing.lints [05 ...]    # exit status 1 and the sentences, if any

Texts are judged by themselves; alternatives for figures and compared outputs are judged in the
executed notebooks. ``standard`` holds a lecture against the course's standard, ``diagrams`` its
drawings; ``papermap`` compares equations with the code, ``compute`` compares minutes with
their budgets, and ``check`` runs exercises and their wrong answers.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aidagen.errors import AidagenError
from aidagen.failures import guarded
from aidagen.publishing import decks, diagrams, instructor, notebooks, standard
from aidagen.publishing.copies import tags
from aidagen.publishing.notebooks import NotebookError
from aidagen.teaching import check, compute, material, papermap

if TYPE_CHECKING:
    from nbformat import NotebookNode

LINES = 25  # of a code cell
PLANNED = (60, 90)  # minutes of a lecture whose topic says no MINUTES of its own
FEWEST = 3  # exercises of a lecture
FEWEST_WRONG = 2  # wrong answers of an exercise
OBJECTIVES = re.compile(
    r"after this lecture you can\b.*?\n(?:\s*\n)?\s*(?:[-*]|\d+\.) ", re.I | re.S
)
MAGIC = re.compile(r"^\s*(?:%{1,2}\w|!\w|\?\w|.*\w\?{1,2}\s*$)|get_ipython\(\)", re.M)
PICTURE = re.compile(r"<(?:img|video|canvas|svg)\b[^>]*>", re.I)
ALTERNATIVE = re.compile(r"\b(?:alt|aria-label|aria-labelledby|title)\s*=\s*[\"']?[^\"'\s>]", re.I)
MEASUREMENTS = {
    "a number with three or more decimals": re.compile(r"\d\.\d{3,}"),
    "an address": re.compile(r"\b0x[0-9a-fA-F]{4,}"),
    "a path": re.compile(r"(?:^|[\s'\"(=])(?:~?/[\w.-]+/[\w./-]*|[A-Za-z]:\\\w)", re.M),
    "a time": re.compile(
        r"\b\d+\.\d+\s?(?:s|sec|seconds|min|minutes)\b|\b\d+(?:\.\d+)?\s?(?:ms|µs)\b"
        r"|\b(?:took|after|elapsed)\b[^\n]*?\d\s?(?:s|seconds?|minutes?)\b"
        r"|\b[0-2]\d:[0-5]\d(?::[0-5]\d)?\b",
        re.I,
    ),
}


def problems(root: Path, numbers: Iterable[str] = ()) -> list[str]:
    """All faults of the course in ``root``, one sentence each, in the order of the lectures.

    With ``numbers`` only those of these lectures.
    Raises NotebookError for a number that has no text.
    """
    numbers = tuple(numbers)
    faults = notebooks.check(root)  # header, tags, stale or missing notebooks, sizes
    drawings = sorted((root / "course" / "diagrams").glob("*.svg"))
    drawn: set[str] = set()  # names of the drawings that lectures include
    for source in notebooks.sources(root, numbers):
        try:
            text = notebooks.read_source(source)
        except NotebookError:  # said above; what it includes is not known
            drawn |= {path.name for path in drawings}
            continue
        number, name = source.name[:2], f"course/{source.name}"
        faults += [f"{name}{words}" for words in text_problems(text, number)]
        faults += [f"{name}{words}" for words in exercise_problems(text, number)]
        faults += [f"{name}{words}" for words in diagrams.lecture_problems(text, root)]
        faults += built_problems(source)
        drawn |= {Path(path).name for _, _, path in diagrams.used(text)}
    faults += diagrams.problems(drawings, drawn)
    faults += [*papermap.problems(root), *compute.problems(root)]
    about = re.compile("|".join(rf"/{number}_" for number in numbers))
    return list(dict.fromkeys(fault for fault in faults if about.search(fault)))


# --- the text -------------------------------------------------------------------------------------


def text_problems(notebook: NotebookNode, number: str) -> Iterator[str]:
    """Faults of a lecture's cells before they are run; each continues the lecture's name."""
    words = standard.words(notebook)
    if not OBJECTIVES.search(words):
        yield ' has no objectives: say "After this lecture you can" and list them.'
    low, high = getattr(material.topic(number), "MINUTES", PLANNED)
    blocks = standard.plan(words)
    minutes = sum(block.minutes for block in blocks or ())
    if not blocks:
        yield f" has no minute plan: a table that begins | {' | '.join(standard.COLUMNS)} |."
    elif not low <= minutes <= high:
        yield f" plans {minutes:g} minutes; {low} to {high} are allowed."
    if not notebook.cells or decks.slide_type(notebook.cells[0]) != "slide":
        yield " does not begin with a slide; the live deck starts there and would be blank."
    for cell in notebook.cells:
        if decks.slide_type(cell) == "notes":
            if not (decks.is_text(cell) and decks.MINUTES.match(cell.source.lstrip())):
                yield f', cell {cell.id}: a speaker note begins with its minutes, "**3 min.**".'
        if cell.cell_type == "code":
            yield from (f", cell {cell.id}: {fault}" for fault in code_problems(cell.source))
    yield from standard.problems(notebook)


def code_problems(source: str) -> Iterator[str]:
    """Faults of one code cell."""
    count = len(source.splitlines())
    if count > LINES:
        yield f"{count} lines of code, more than {LINES}: divide it."
    if "get_ipython()" in source:
        yield "it calls IPython's magics (get_ipython()): write plain Python."
    try:
        ast.parse(source)
    except SyntaxError as problem:
        line = (source.splitlines() or [""])[max(0, (problem.lineno or 1) - 1)].strip()
        if MAGIC.search(source):
            line = next(row.strip() for row in source.splitlines() if MAGIC.search(row))
            yield f"{line!r} is a magic: write plain Python."
        else:
            yield f"{line!r} is not Python ({problem.msg})."


# --- exercises ------------------------------------------------------------------------------------


def exercise_problems(notebook: NotebookNode, number: str) -> Iterator[str]:
    """Faults of a lecture's exercises and of their table; each continues the lecture's name."""
    chosen = [id for _, id in instructor.exercise_ids(notebook)]
    if len(set(chosen)) < FEWEST:
        yield f" has {len(set(chosen))} exercises, fewer than {FEWEST}."
    try:
        table = {exercise.id: exercise for exercise in check.exercises(number)}
    except AidagenError as problem:
        yield f" has no table of exercises ({problem})"
        return
    yield from standard.exercise_problems(notebook, material.of(number))
    for id in dict.fromkeys(chosen):
        if id not in table:
            yield f' chooses "{id}", which the lecture does not have.'
    for id, exercise in table.items():
        if id not in chosen:
            yield f': no cell tries exercise {id}: check.choose("{id}", ...).'
        if len(exercise.wrong) < FEWEST_WRONG:
            yield f": exercise {id} has fewer than {FEWEST_WRONG} wrong answers."
        if check.verdict(exercise, exercise.reference) != check.PASSED:
            yield f": the reference of exercise {id} does not pass."
        for wrong in exercise.wrong:
            said = check.verdict(exercise, wrong.answer)
            if said == check.PASSED:
                yield f": the wrong answer {wrong.name!r} of exercise {id} passes."
            elif " ".join(wrong.hint.split()) not in said:
                yield f": the wrong answer {wrong.name!r} of exercise {id} gets another hint."


# --- the executed notebook ------------------------------------------------------------------------


def built_problems(source: Path) -> Iterator[str]:
    """Faults of the executed notebook of a lecture: sizes, figures, compared outputs."""
    import nbformat

    path = notebooks.notebook_of(source)
    try:
        text = path.read_text(encoding="utf-8")
        notebook = nbformat.reads(text, as_version=4)
    except Exception:  # missing or broken: notebooks.check says so
        return
    name = f"notebooks/{path.name}"
    if len(text.encode()) > notebooks.LARGEST:
        yield (
            f"{name} has {len(text.encode()) / 1e6:.1f} MB, more than "
            f"{notebooks.LARGEST / 1e6:.0f}: show smaller or fewer pictures."
        )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            yield from (f"{name}, cell {cell.id}: {fault}" for fault in output_problems(cell))


def output_problems(cell: NotebookNode) -> Iterator[str]:
    """Faults of one executed cell."""
    described = bool(str(cell.metadata.get("alt", "")).strip())
    pictures = silent = 0
    shown = ""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            yield f"it failed with {output.ename}."
        data = output.get("data", {})
        html = "".join(data.get("text/html", ""))
        own = [kind for kind in data if kind.startswith("image/")]
        pictures += len(own)
        silent += sum(1 for tag in PICTURE.findall(html) if not ALTERNATIVE.search(tag))
        shown += "".join(output.get("text", "")) + "".join(data.get("text/plain", ""))
    if pictures and not described:
        yield 'a figure without alt text: give the cell alt="what is to be seen".'
    if silent:
        yield "a picture or clip in HTML without alt or aria-label: say what is to be seen."
    if "nbval-check-output" in tags(cell) and not tags(cell) & {"skip-execution", "nbval-skip"}:
        if not shown.strip():
            yield "nbval-check-output, and nothing is printed that could be compared."
        yield from (f"compares {words}: print a judgement." for words in measurements(shown))


def measurements(shown: str) -> Iterator[str]:
    """What in a compared output differs from run to run: "a time ('3.1 s')"."""
    for words, pattern in MEASUREMENTS.items():
        if match := pattern.search(shown):
            yield f"{words} ({match[0].strip()!r})"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m aidagen.publishing.lints")
    parser.add_argument("lectures", nargs="*", help="their numbers, such as 05; all by default")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    options = parser.parse_args(arguments)
    try:
        faults = problems(options.root.resolve(), options.lectures)
    except NotebookError as problem:
        print(f"aidagen: {problem}", file=sys.stderr)
        return 2
    print("\n".join(faults) if faults else "the lectures have no faults", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(guarded(main))
