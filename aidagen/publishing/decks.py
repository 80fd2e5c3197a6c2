"""Slides from cells: the hand-out as one HTML file, and the tour over all lectures.

The live deck is the notebook itself (jupyterlab-slideshow); hand-out and tour are made here.
A cell of slide type ``slide`` or ``subslide`` begins a slide, ``fragment`` and cells without a
type go on with it, ``notes`` are for the speaker, and ``skip`` is left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aidagen import markdown
from aidagen.errors import AidagenError
from aidagen.publishing import pages
from aidagen.publishing.copies import tags, without_answers
from aidagen.publishing.execution import WIDGET_STATE

if TYPE_CHECKING:
    from nbformat import NotebookNode

MINUTES = re.compile(r"\*\*\s*(\d+(?:\.\d+)?)\s*min\.?\s*\*\*")
TOUR_MINUTES = 90
STYLE = """
main { max-width: 62rem; margin: 0 auto; padding: 0 1rem 4rem; }
.slide { padding: 1.2rem 0; border-bottom: 1px solid var(--line); }
.notes { display: none; background: var(--note); border: 1px solid var(--line);
  padding: .2em 1em; margin-top: 1em; }
body.speaking .notes { display: block; }
nav { position: fixed; right: 0; bottom: 0; left: 0; display: none; gap: .6em; padding: .3em .8em;
  justify-content: flex-end; align-items: center; background: var(--paper);
  border-top: 1px solid var(--line); font-size: .85em; }
nav .keys { margin-right: auto; color: var(--faint); }
nav button { font: inherit; padding: .2em .7em; }
@media screen {
  body.deck nav { display: flex; }
  body.deck .slide { display: none; border: 0; }
  body.deck .slide.shown { display: block; }
  body.deck .fragment.waiting { visibility: hidden; }
}
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  nav { display: none; }
  main { max-width: none; padding: 0; }
  .slide { break-after: page; border: 0; padding: 0; }
  .slide:last-child { break-after: auto; }
  pre, img, table { break-inside: avoid; }
}
"""
SCRIPT = """
(() => {
  const slides = [...document.querySelectorAll('.slide')];
  const where = document.querySelector('#where');
  let at = 0, step = 0;
  const waiting = slide => [...slide.querySelectorAll('.fragment')];
  function show(to, fragments) {
    at = Math.min(Math.max(to, 0), slides.length - 1);
    const parts = waiting(slides[at]);
    step = Math.min(fragments, parts.length);
    slides.forEach((slide, i) => slide.classList.toggle('shown', i === at));
    parts.forEach((part, i) => part.classList.toggle('waiting', i >= step));
    where.textContent = `Slide ${at + 1} of ${slides.length}`;
    history.replaceState(null, '', `#${at + 1}`);
    document.querySelectorAll('video').forEach(video => video.pause());
    scrollTo(0, 0);
  }
  const next = () => step < waiting(slides[at]).length ? show(at, step + 1)
    : at + 1 < slides.length && show(at + 1, 0);
  const previous = () => step > 0 ? show(at, step - 1) : at > 0 && show(at - 1, Infinity);
  const keys = {
    ArrowRight: next, PageDown: next, ' ': next, n: next,
    ArrowLeft: previous, PageUp: previous, p: previous,
    Home: () => show(0, 0), End: () => show(slides.length - 1, Infinity),
    s: () => document.body.classList.toggle('speaking'),
    f: () => document.fullscreenElement ? document.exitFullscreen()
      : document.documentElement.requestFullscreen(),
  };
  addEventListener('keydown', event => {
    const here = event.target.closest && event.target.closest('button, video, summary, a, input');
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (here && [' ', 'Enter', 'ArrowLeft', 'ArrowRight'].includes(event.key)) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) { event.preventDefault(); act(); }
  });
  addEventListener('hashchange', () => show(parseInt(location.hash.slice(1)) - 1 || 0, 0));
  document.querySelector('#next').onclick = next;
  document.querySelector('#previous').onclick = previous;
  document.body.classList.add('deck');
  show(parseInt(location.hash.slice(1)) - 1 || 0, 0);
})();
"""
DECK = Path(__file__).parent / "labextensions" / "aidagen-deck" / "static" / "deck.css"
KEYS = "← → move · S speaker notes · F full screen"


@dataclass
class Slide:
    """Cells that are shown together, and what the speaker says to them."""

    cells: list[NotebookNode] = field(default_factory=list)
    notes: list[NotebookNode] = field(default_factory=list)

    @property
    def heading(self) -> str:
        """The first heading on the slide, without its marks; "" if there is none."""
        for cell in self.cells:
            match = re.search(r"^#+\s+(.+)$", cell.source, re.M) if is_text(cell) else None
            if match:
                return match[1].strip()
        return ""

    @property
    def minutes(self) -> float:
        """What its speaker notes say at their beginnings, in sum."""
        matches = (MINUTES.match(note.source.lstrip()) for note in self.notes)
        return sum(float(one[1]) for one in matches if one)


def is_text(cell: NotebookNode) -> bool:
    return cell.cell_type == "markdown"


def slide_type(cell: NotebookNode) -> str:
    """``slide``, ``subslide``, ``fragment``, ``skip``, ``notes``, or "" where nothing is said."""
    kind = cell.metadata.get("slideshow", {}).get("slide_type", "")
    return "" if kind in (None, "-") else kind


def slides(notebook: NotebookNode) -> list[Slide]:
    """The slides of a notebook, in order."""
    deck: list[Slide] = []
    for cell in notebook.cells:
        kind = slide_type(cell)
        if kind == "skip":
            continue
        if kind in ("slide", "subslide") or (not deck and kind != "notes"):
            deck.append(Slide())
        if kind == "notes":
            if deck:
                deck[-1].notes.append(cell)
        else:
            deck[-1].cells.append(cell)
    return deck


def title(notebook: NotebookNode) -> str:
    """The first heading of a notebook: "05 · First Order Motion: a picture follows a clip"."""
    match = re.search(
        r"^#\s+(.+)$", "\n".join(c.source for c in notebook.cells if is_text(c)), re.M
    )
    return match[1].strip() if match else "A lecture"


def handout(notebook: NotebookNode) -> str:
    """All slides as one HTML document that needs no network; solutions are left out.

    Raises AidagenError where there is no slide, or where a cell cannot be shown.
    """
    shown = without_answers(notebook, speaker_notes=True)
    deck = slides(shown)
    if not deck:
        raise AidagenError(f"{title(notebook)!r} has no slides: give its cells slide types.")
    sections = []
    for ordinal, slide in enumerate(deck, start=1):
        parts = []
        for cell in slide.cells:
            html = pages.cell(cell, shown)
            wrap = html and slide_type(cell) == "fragment"
            parts.append(f'<div class="fragment">{html}</div>' if wrap else html)
        notes = "".join(pages.cell(note, shown) for note in slide.notes)
        aside = f'<aside class="notes" aria-label="Speaker notes">{notes}</aside>' if notes else ""
        label = f'aria-label="Slide {ordinal} of {len(deck)}"'
        sections.append(f'<section class="slide" {label}>\n{"".join(parts)}{aside}</section>')
    nav = (
        f'<nav aria-label="Slides"><span class="keys">{KEYS}</span>'
        '<button id="previous">Previous</button><button id="next">Next</button>'
        '<span id="where" role="status" aria-live="polite"></span></nav>'
    )
    body = "<main>\n" + "\n".join(sections) + f"\n</main>\n{nav}"
    return pages.page(title(notebook), body, STYLE + DECK.read_text("utf-8"), SCRIPT)


# --- the tour -----------------------------------------------------------------------------------


def tour(lectures: Sequence[tuple[str, NotebookNode]]) -> NotebookNode:
    """One deck over all lectures, made of the slides whose first cell has ``tour=true``.

    A cell's own ``tour`` overrides its slide's. Each lecture gets a title slide; the code cells
    that its live cells build on come before, with slide type ``skip``. A lecture without such
    slides is left out. ``lectures`` holds number and built notebook of each.
    Raises AidagenError where the speaker notes sum up to more than 90 minutes.
    """
    import copy

    import nbformat

    parts, stops, state, total = [], [], {}, 0.0
    for number, notebook in lectures:
        chosen = _chosen(notebook)
        if not chosen:
            continue
        part = copy.deepcopy(notebook)
        minutes = sum(s.minutes for s in slides(nbformat.v4.new_notebook(cells=[
            c for c in part.cells if c.id in chosen])))  # fmt: skip
        total += minutes
        stops.append((title(notebook), f"{minutes:g}"))
        head = nbformat.v4.new_markdown_cell(f"# {title(notebook)}", id=f"tour-{number}")
        head.metadata["slideshow"] = {"slide_type": "slide"}
        needed = requisites(part.cells, chosen)
        parts.append(head)
        for cell in part.cells:
            if cell.id in needed and cell.id not in chosen:
                cell.metadata["slideshow"] = {"slide_type": "skip"}
                cell.metadata.pop("alt", None)
                cell.outputs, cell.execution_count = [], None
            if cell.id in needed or cell.id in chosen:
                cell.metadata.pop("tour", None)
                parts.append(cell)
        state.update(part.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {}))
    if total > TOUR_MINUTES:
        raise AidagenError(
            f"The tour takes {total:g} minutes by its speaker notes, more than {TOUR_MINUTES}: "
            "take tour=true from some slides."
        )
    table = markdown.table(("lecture", "minutes"), stops)
    words = f"# A tour of the course\n\n{total:g} minutes, one stop per lecture.\n\n{table}"
    first = nbformat.v4.new_markdown_cell(words, id="tour")
    first.metadata["slideshow"] = {"slide_type": "slide"}
    deck = nbformat.v4.new_notebook(cells=[first, *parts])
    deck.metadata["kernelspec"] = dict(lectures[0][1].metadata.kernelspec) if lectures else {}
    deck.metadata["language_info"] = {"name": "python"}
    if state:
        versions = {"version_major": 2, "version_minor": 0}
        deck.metadata["widgets"] = {WIDGET_STATE: {"state": state, **versions}}
    return deck


def _chosen(notebook: NotebookNode) -> set[str]:
    """Ids of the cells that go on tour."""
    chosen, whole = set(), False
    for cell in notebook.cells:
        kind = slide_type(cell)
        if kind in ("slide", "subslide"):
            whole = bool(cell.metadata.get("tour", False))
        if kind != "skip" and cell.metadata.get("tour", whole):
            if not tags(cell) & {"instructor"}:
                chosen.add(cell.id)
    return chosen


def requisites(cells: Sequence[NotebookNode], chosen: set[str]) -> set[str]:
    """Ids of the code cells that the chosen ones build on: those that bind names they read."""
    names_read: set[str] = set()
    required = set()
    for cell in reversed(cells):
        if cell.cell_type != "code":
            continue
        binds, reads = names(cell.source)
        if cell.id in chosen or (binds & names_read and "instructor" not in tags(cell)):
            required.add(cell.id)
            # a name that is bound here may still be changed by earlier cells: it stays required
            names_read |= reads
    return required


def names(source: str) -> tuple[set[str], set[str]]:
    """The names that a cell binds or changes in place, and those that it reads."""
    binds, reads = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (reads if isinstance(node.ctx, ast.Load) else binds).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            binds.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            binds |= {(a.asname or a.name).split(".")[0] for a in node.names}
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign):
            targets = [node.target]
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            targets = [node.value.func]  # cells.append(...) changes cells
        for target in targets:
            while isinstance(target, ast.Subscript | ast.Attribute):
                target = target.value
                if isinstance(target, ast.Name):
                    binds.add(target.id)
    return binds, reads
