"""Diagrams: hand-written SVG in ``course/diagrams/``, and what makes them fit to be shown.

A lecture includes one in a Markdown cell: ``![what is to be seen](../course/diagrams/05_a.svg)``.
The path holds from ``notebooks/`` and from ``work/``; pages carry the drawing itself.
"""

from __future__ import annotations

import base64
import copy
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from aidagen.errors import AidagenError

if TYPE_CHECKING:
    from nbformat import NotebookNode

FEWEST = 3  # diagrams of a lecture
ALTERNATIVE = 60  # characters of the text that stands for a diagram
SLIDE = 1600  # pixels that a diagram is wide when it is projected
TEXT = 24  # pixels of its smallest text then
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+\.svg)\)")
FOLDER = "../course/diagrams/"
SVG = "{http://www.w3.org/2000/svg}"
SIZE = re.compile(r"font-size\s*[:=]\s*[\"']?\s*([^;\"'}\s]+)|\bfont\s*:\s*[^;\"'}]*?(\d[\w.%]*)")
OUTSIDE = re.compile(
    r"""(?:href|src)\s*=\s*["'](?!#|data:)[^"']+|url\(\s*["']?(?!#|data:)[^)]+|@import""", re.I
)


def used(notebook: NotebookNode) -> Iterator[tuple[str, str, str]]:
    """Every diagram that a lecture's text includes: id of the cell, alternative text, path."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for alternative, path in IMAGE.findall(cell.source):
                yield cell.id, " ".join(alternative.split()), path


def lecture_problems(notebook: NotebookNode, root: Path) -> Iterator[str]:
    """Faults of the diagrams that a lecture includes; each continues the lecture's name."""
    found = list(used(notebook))
    files = {path for _, _, path in found}
    if len(files) < FEWEST:
        yield f" has {len(files)} diagrams, fewer than {FEWEST}."
    for cell, alternative, path in found:
        if len(alternative) < ALTERNATIVE:
            yield (
                f", cell {cell}: the text for {Path(path).name} has {len(alternative)} "
                f"characters, fewer than {ALTERNATIVE}: say what is to be seen."
            )
        if not path.startswith(FOLDER):
            yield f", cell {cell}: {path} does not lie in {FOLDER}."
        elif not (root / "notebooks" / path).is_file():
            yield f", cell {cell}: there is no {path.removeprefix('../')}."


def problems(paths: Iterable[Path], included: set[str]) -> Iterator[str]:
    """Faults of drawings in ``course/diagrams/``; ``included`` are the names that lectures use."""
    for path in paths:
        name = f"course/diagrams/{path.name}"
        if path.name not in included:
            yield f"{name} is not included by any lecture."
        yield from (f"{name}{fault}" for fault in drawing_problems(path.read_text("utf-8")))


def drawing_problems(text: str) -> Iterator[str]:
    """Faults of one drawing; each continues its name."""
    try:
        drawing = ElementTree.fromstring(text)
    except ElementTree.ParseError as problem:
        yield f" is not SVG ({problem})."
        return
    box = drawing.get("viewBox", "").replace(",", " ").split()
    if len(box) != 4:
        yield " has no viewBox."
        return
    if not drawing.findtext(f"{SVG}title", "").strip():
        yield " has no <title>."
    if drawing.find(f".//{SVG}script") is not None or re.search(r"\son\w+\s*=", text):
        yield " holds a script."
    if match := OUTSIDE.search(text):
        yield f" refers to something outside itself ({match[0].strip()})."
    yield from _text_problems(drawing, text, float(box[2]))
    if not _has_background(drawing, box):
        yield " has no background of its own: begin with a <rect> as large as the viewBox."


def _text_problems(drawing: ElementTree.Element, text: str, width: float) -> Iterator[str]:
    """Texts that are too small, or whose size cannot be told."""
    if drawing.find(f".//{SVG}text") is None:
        return
    if "sans-serif" not in text:
        yield " does not name the font sans-serif."
    sizes = [own or short for own, short in SIZE.findall(text)]
    if not sizes:
        yield " does not say the size of its text."
    for size in dict.fromkeys(sizes):
        if not (match := re.fullmatch(r"(\d+\.?\d*|\.\d+)(px)?", size)):
            yield f" has text of size {size}: say it as a number."
        elif float(match[1]) < TEXT * width / SLIDE:
            yield (
                f" has text of size {size}, which is {float(match[1]) * SLIDE / width:.0f} pixels "
                f"when it is drawn {SLIDE} wide; {TEXT} are the least."
            )
    for node in drawing.iter():
        shrunk = re.search(r"\b(?:scale|matrix)\(", node.get("transform", ""))
        if shrunk and (node.tag == f"{SVG}text" or node.find(f".//{SVG}text") is not None):
            yield " has text inside a scaled group, where its size cannot be told."
            return


def _has_background(drawing: ElementTree.Element, box: list[str]) -> bool:
    """Whether the first rectangle fills the drawing."""
    first = drawing.find(f".//{SVG}rect")
    if first is None or first.get("fill") == "none":
        return False
    full = [("100%", value) for value in box[2:]]
    return first.get("width") in full[0] and first.get("height") in full[1]


# --- in variants and pages ------------------------------------------------------------------------


def moved_down(notebook: NotebookNode) -> NotebookNode:
    """A copy of a notebook that lies one folder deeper, in ``build/x/``, with paths to match."""
    deeper = copy.deepcopy(notebook)
    for cell in deeper.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace(f"]({FOLDER}", f"](../{FOLDER}")
    return deeper


def inline(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """A copy of a notebook that holds the drawings; they are found from ``folder``.

    Raises AidagenError where one is missing.
    """

    def whole(match: re.Match[str]) -> str:
        path = folder / match[2]
        if not path.is_file():
            raise AidagenError(f"There is no diagram {match[2]}.")
        content = base64.b64encode(path.read_bytes()).decode()
        words = escape(" ".join(match[1].split()), quote=True)
        return f'<img class="diagram" alt="{words}" src="data:image/svg+xml;base64,{content}">'

    drawn = copy.deepcopy(notebook)
    for cell in drawn.cells:
        if cell.cell_type == "markdown":
            cell.source = IMAGE.sub(whole, cell.source)
    return drawn
