"""What the instructor needs: plan, misconceptions, short cuts, answers.

All of it comes from the lecture: minutes from its speaker notes, short cuts from its cells tagged
``instructor``, answers from its cells tagged ``solution``; misconceptions and quiz answers from
the lecture's table of exercises.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aidagen import markdown
from aidagen.errors import AidagenError
from aidagen.publishing import decks, pages
from aidagen.publishing.copies import tags
from aidagen.teaching import check, material

if TYPE_CHECKING:
    from nbformat import NotebookNode

CHOOSE = re.compile(r"""\b(\w+)\s*=\s*check\.choose\(\s*["']([^"']+)["']""")
STYLE = """
main { max-width: 56rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 1.6em; border-bottom: 1px solid var(--line); }
td:first-child { white-space: nowrap; }
@media print { h2 { break-after: avoid; } pre, table { break-inside: avoid; } }
"""


def plan(notebook: NotebookNode) -> str:
    """The lecture slide by slide as a Markdown table: clock, minutes, heading, what is said."""
    rows, clock, heading = [], 0.0, ""
    for slide in decks.slides(notebook):
        heading = slide.heading or heading
        if not slide.minutes:
            continue
        said = [decks.MINUTES.sub("", note.source, count=1).strip() for note in slide.notes]
        words = " ".join(" ".join(said).split())
        rows.append((f"{clock:g}", f"{slide.minutes:g}", heading, words))
        clock += slide.minutes
    rows.append((f"{clock:g}", "", "end", ""))
    return markdown.table(("at", "minutes", "slide", "say"), rows) + "\n"


def short_cuts(notebook: NotebookNode) -> str:
    """The plan's line "If late:", and what the cells for the instructor say, as Markdown."""
    said = []
    for cell in notebook.cells:
        if decks.is_text(cell):
            late = [row for row in cell.source.split("\n\n") if row.startswith("**If late:**")]
            said += [cell.source] if "instructor" in tags(cell) else late
    return "\n\n".join(said) or "This lecture says nothing about it.\n"


def answers(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """Each exercise's heading and its solution's code, in order."""
    heading = "Exercise"
    for cell in notebook.cells:
        if "exercise" in tags(cell) and decks.is_text(cell):
            match = re.search(r"^#+\s+(.+)$", cell.source, re.M)
            heading = match[1].strip() if match else heading
        if "solution" in tags(cell):
            yield heading, cell.source


def misconceptions(number: str) -> str:
    """The table of typical wrong answers; a sentence where the lecture has none."""
    try:
        return check.misconceptions(number)
    except AidagenError:
        return "This lecture has no table of wrong answers.\n"


def quiz(number: str) -> str:
    """The questions with their right options, as Markdown."""
    try:
        questions = material.of(number).QUESTIONS
    except AidagenError:
        questions = ()
    lines = []
    for one in questions:
        right = one.options[one.right]
        lines.append(f"* **{one.id}** {one.text}\n\n  *{right.text}* {right.feedback}\n")
    return "\n".join(lines) or "This lecture has no questions.\n"


def exercise_ids(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Name of the function and id of every ``f = check.choose("05.1", f)``, in order."""
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    return [(match[1], match[2]) for match in CHOOSE.finditer(code)]


def defined(source: str) -> set[str]:
    """The functions that a cell defines at its top level."""
    return {n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)}


def summary(number: str, notebook: NotebookNode) -> str:
    """Plan, short cuts, misconceptions and quiz answers as one Markdown text."""
    return (
        f"## Plan\n\n{plan(notebook)}\n## If you are late\n\n{short_cuts(notebook)}\n\n"
        f"## Misconceptions\n\n{misconceptions(number)}\n## Answers of the quiz\n\n{quiz(number)}"
    )


def page(number: str, notebook: NotebookNode) -> str:
    """The instructor's page of a lecture, as HTML that needs no network."""
    body = [f"<h1>{pages.heading(decks.title(notebook))}</h1>"]
    body.append(pages.markdown(summary(number, notebook)))
    body.append("<h2>Solutions</h2>")
    for heading, source in answers(notebook):
        body.append(f"<h3>{pages.heading(heading)}</h3>\n{pages.code(source)}")
    return pages.page(f"For the instructor: {decks.title(notebook)}", _main(body), STYLE)


def _main(parts: list[str]) -> str:
    return "<main>\n" + "\n".join(parts) + "\n</main>"


def notebook(number: str, built: NotebookNode) -> NotebookNode:
    """The built notebook with everything in it, and the summary after its first cell."""
    import copy

    import nbformat

    whole = copy.deepcopy(built)
    whole.metadata.pop("jupytext", None)
    for cell in whole.cells:
        if "solution" in tags(cell):  # it is not shown beside its exercise in the live deck
            cell.metadata["slideshow"] = {"slide_type": "skip"}
    words = nbformat.v4.new_markdown_cell(summary(number, built), id=f"{number}-instructor")
    words.metadata.update({"tags": ["instructor"], "slideshow": {"slide_type": "skip"}})
    whole.cells.insert(1, words)
    return whole
