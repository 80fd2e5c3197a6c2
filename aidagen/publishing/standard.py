"""The standard of a lecture: pace, slides, speaker notes, blocks, ending, kinds of exercises.

Each function takes a lecture's cells (or its module of exercises) and yields one sentence for each
fault, which continues the lecture's name. :mod:`aidagen.publishing.lints` collects them.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from aidagen.publishing import decks
from aidagen.publishing.copies import folded, tags
from aidagen.teaching import material

if TYPE_CHECKING:
    from nbformat import NotebookNode

VISIBLE = 250  # lines of code that a reader sees in a lecture
SLIDES = 22  # cells of slide type "slide"
BLOCKS = 4  # blocks with an objective and a key point, at least
EXPLAINED = 0.6  # least share of the plan's minutes that is explanation or discussion
LIVE = 2  # exercises done in class, at most
TOLERANCE = 0.1  # between the minutes of the speaker notes and those of the plan
KINDS = ("explain", "discuss", "exercise", "widget")
COLUMNS = ("minutes", "part", "kind", "begins with")
ENDING = ("Summary", "Glossary", "Further reading", "What comes next")
OBJECTIVE = re.compile(r"^\*\*Objective\.\*\*", re.M)
KEY_POINT = re.compile(r"^\*\*Key point\.\*\*", re.M)
LATE = re.compile(r"^\*\*If late:\*\*", re.M)
PLAN = re.compile(r"^\|\s*minutes\s*\|.*\n\|[-| :]+\|\n(?:\|.*(?:\n|$))+", re.M | re.I)
SAID = {'Say: "..."': re.compile(r'\bSay:\s*["“]'), 'Ask: "..."': re.compile(r'\bAsk:\s*["“]')}
FROM_MEMORY = re.compile(r"\bfrom\s+memory\b", re.I)


class Block(NamedTuple):
    """A row of the plan."""

    minutes: float
    part: str
    kind: str  # "explain", "discuss", "exercise" or "widget"; "" where the plan has no column
    begins: str  # the heading of its first slide


def words(notebook: NotebookNode) -> str:
    """All Markdown of a lecture."""
    return "\n\n".join(cell.source for cell in notebook.cells if decks.is_text(cell))


def plan(text: str) -> list[Block] | None:
    """The rows of the minute plan in a text; None where there is no plan."""
    table = PLAN.search(text)
    if not table:
        return None
    head, _, *rows = (_cells(line) for line in table[0].strip().splitlines())
    places = {name.lower(): place for place, name in enumerate(head)}
    blocks = []
    for row in rows:
        one = {name: row[at] for name, at in places.items() if at < len(row)}
        minutes = one.get("minutes", "").strip("*")
        if re.fullmatch(r"\d+(\.\d+)?", minutes):
            rest = (one.get(name, "") for name in COLUMNS[1:])
            blocks.append(Block(float(minutes), *rest))
    return blocks


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def problems(notebook: NotebookNode) -> Iterator[str]:
    """All faults of a lecture's cells by the standard, exercises left out."""
    yield from plan_problems(notebook)
    yield from slide_problems(notebook)
    yield from block_problems(notebook)
    yield from ending_problems(notebook)
    if (lines := visible_lines(notebook)) > VISIBLE:
        yield (
            f" shows {lines} lines of code, more than {VISIBLE}: move plots and tables into the "
            "package, and tag cells that only set up, draw or print with hide-input."
        )
    for cell in notebook.cells:
        if FROM_MEMORY.search(cell.source):
            yield (
                f', cell {cell.id}: something is quoted "from memory": check it against the '
                "paper, or leave it out."
            )


def visible_lines(notebook: NotebookNode) -> int:
    """Lines of code that a reader sees: neither folded nor solutions; empty lines do not count."""
    hidden = {"solution", "instructor", "remove-cell"}
    return sum(
        sum(1 for line in cell.source.splitlines() if line.strip())
        for cell in notebook.cells
        if cell.cell_type == "code" and not folded(cell) and not tags(cell) & hidden
    )


# --- the plan -------------------------------------------------------------------------------------


def plan_problems(notebook: NotebookNode) -> Iterator[str]:
    """Faults of the minute plan: its columns, kinds, shares, first slides, and the way out."""
    text = words(notebook)
    blocks = plan(text)
    if not blocks:  # lints says that there is none
        return
    found = PLAN.search(text)
    assert found is not None  # there are blocks
    head = [name.lower() for name in _cells(found[0].splitlines()[0])]
    if tuple(head) != COLUMNS:
        yield f", plan: its columns are | {' | '.join(COLUMNS)} |, not | {' | '.join(head)} |."
        return
    total = sum(block.minutes for block in blocks)
    for block in blocks:
        if block.kind not in KINDS:
            yield f', plan: "{block.part}" has kind {block.kind!r}, not {", ".join(KINDS)}.'
    explained = sum(b.minutes for b in blocks if b.kind in ("explain", "discuss"))
    if explained < EXPLAINED * total:
        yield (
            f", plan: {explained:g} of {total:g} minutes are explain or discuss, fewer than "
            f"{EXPLAINED:.0%}."
        )
    if (live := sum(block.kind == "exercise" for block in blocks)) > LIVE:
        yield f", plan: {live} exercises in class, more than {LIVE}: leave the others for home."
    headings = Counter(slide.heading for slide in decks.slides(notebook))
    for block in blocks:
        if not headings[block.begins]:
            yield f', plan: no slide has the heading "{block.begins}" ("{block.part}").'
    if not LATE.search(text, found.end()):
        yield ', plan: no line below it begins with "**If late:**" and says what to skip.'
    spoken = sum(slide.minutes for slide in decks.slides(notebook))
    if abs(spoken - total) > TOLERANCE * total:
        yield f", plan: {total:g} minutes, and the speaker notes sum up to {spoken:g}."


# --- slides and their notes -----------------------------------------------------------------------


def slide_problems(notebook: NotebookNode) -> Iterator[str]:
    """Faults of slides and speaker notes."""
    count = sum(decks.slide_type(cell) == "slide" for cell in notebook.cells)
    if count > SLIDES:
        yield f" has {count} slides, more than {SLIDES}: join some, or make subslides of them."
    for slide in decks.slides(notebook):
        first = slide.cells[0]
        where = f'"{slide.heading}"' if slide.heading else f"of cell {first.id}"
        if len(slide.notes) != 1:
            yield f", slide {where}: {len(slide.notes)} speaker notes, not one."
        for note in slide.notes:
            missing = [form for form, pattern in SAID.items() if not pattern.search(note.source)]
            if missing:
                yield f", cell {note.id}: a speaker note has {' and '.join(missing)}."


def block_problems(notebook: NotebookNode) -> Iterator[str]:
    """Blocks of the plan without an objective at their beginning or without a key point."""
    deck = decks.slides(notebook)
    blocks = plan(words(notebook)) or []
    starts = {}  # number of the first slide of each block: its heading
    for block in blocks:
        at = next((n for n, slide in enumerate(deck) if slide.heading == block.begins), None)
        if block.begins and at is not None and block.begins not in ENDING:
            starts[at] = block.begins
    borders = [*sorted(starts), len(deck)]
    for at, end in itertools.pairwise(borders):
        if not OBJECTIVE.search(_text(deck[at : at + 1])):
            yield f', block "{starts[at]}": its first slide has no line "**Objective.** ...".'
        if not KEY_POINT.search(_text(deck[at:end])):
            yield f', block "{starts[at]}": it does not end with a line "**Key point.** ...".'
    text = words(notebook)
    objectives, points = len(OBJECTIVE.findall(text)), len(KEY_POINT.findall(text))
    if objectives != points or points < BLOCKS:
        yield (
            f" has {objectives} objectives and {points} key points of blocks: as many of one as "
            f"of the other, at least {BLOCKS}."
        )


def _text(deck: Iterable[decks.Slide]) -> str:
    return "\n\n".join(c.source for slide in deck for c in slide.cells if decks.is_text(c))


def ending_problems(notebook: NotebookNode) -> Iterator[str]:
    """What is missing at the end: summary, glossary, further reading, what comes next."""
    text = words(notebook)
    sections = dict(re.findall(r"^## (.+?)\s*\n(.*?)(?=^#{1,2} |\Z)", text, re.M | re.S))
    for heading in ENDING:
        if not sections.get(heading, "").strip():
            yield f' has no section "## {heading}".'
    glossary = sections.get("Glossary")
    if glossary and not re.search(r"^\| *term *\| *meaning *\|", glossary, re.M):
        yield ', section "Glossary": a table that begins | term | meaning |.'
    reading = sections.get("Further reading")
    if reading and "](http" not in reading:
        yield ', section "Further reading": it has no link.'


# --- exercises ------------------------------------------------------------------------------------


def exercise_problems(notebook: NotebookNode, table: ModuleType) -> Iterator[str]:
    """Faults of the exercises' kinds, places, hints, pictures and cards, and of the open task.

    ``table`` is the lecture's module of exercises.
    """
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    exercises = table.EXERCISES
    kinds = Counter(one.kind for one in exercises)
    for kind in material.KINDS:
        if not kinds[kind]:
            yield f' has no exercise of kind "{kind}" ({", ".join(material.KINDS)}).'
    live = [one.id for one in exercises if one.place == "class"]
    if len(live) > LIVE:
        yield f" has {len(live)} exercises in class ({', '.join(live)}), more than {LIVE}."
    for one in exercises:
        if len(one.hints) != 2:
            yield f": exercise {one.id} needs two hints."
        if one.picture is None:
            yield f": exercise {one.id} needs a picture of its result."
        if not _calls(code, "card", one.id):
            yield f': no cell shows the card of exercise {one.id}: check.card("{one.id}").'
    tasks = [task for task in getattr(table, "OPEN_TASKS", ()) if task.rubric]
    if not tasks:
        yield " has no open task with a rubric: OPEN_TASKS."
    for task in tasks:
        if not _calls(code, "open_task", task.id):
            yield f': no cell shows the open task {task.id}: check.open_task("{task.id}").'


def _calls(code: str, name: str, id: str) -> bool:
    return bool(re.search(rf"""\bcheck\.{name}\(\s*["']{re.escape(id)}["']""", code))
