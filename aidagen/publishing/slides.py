"""Do a lecture's slides fit a projector? Each one is measured in a browser of 1920 x 1080 pixels.

    python -m aidagen.publishing.slides [05 ...]           # the hand-out's slides, in seconds
    python -m aidagen.publishing.slides [05 ...] --live    # the live deck, in JupyterLab

One line for each slide: its number and heading, height, smallest text and code, widest figure, and
what is wrong with it. A lecture need not be built: its text is read as it is now, and a cell whose
code is that of the notebook keeps its outputs; the others count without outputs, and their number
is said. ``--shots DIR`` keeps a picture of each slide.

Needs Playwright (the extra ``test``) and Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aidagen.errors import AidagenError
from aidagen.failures import guarded
from aidagen.publishing import decks, diagrams, lab, notebooks
from aidagen.publishing.copies import tags
from aidagen.publishing.execution import WIDGET_VIEW

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from playwright.sync_api import Page

WIDTH, HEIGHT = 1920, 1080
BAR = 40  # pixels at the bottom that the deck's buttons take
TEXT = 28.0  # pixels of the smallest text
CODE = 20.0  # of the smallest code, printed output, and labels of widgets
FIGURE = 0.6  # of the width; or half of the height, for a figure that is higher than wide
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
TOKEN = "slides"
LOADED = """() => ![...document.querySelectorAll('.jp-deck-mod-onscreen')].some(
    cell => /^Loading widget/m.test(cell.innerText))"""
MEASURE = (Path(__file__).parent / "slides.js").read_text(encoding="utf-8")


class Measured(NamedTuple):
    """One slide as it is on the screen."""

    number: int  # from 1
    heading: str
    height: float  # pixels, the margins above and below included
    width: float  # pixels
    text: float | None  # pixels of the smallest text; None where there is none
    code: float | None  # of the smallest code, output or label of a widget
    figure: float | None  # the widest figure's share of the width
    high: float | None  # that figure's share of the height
    smallest: str  # the words of the smallest text

    def faults(self) -> Iterator[str]:
        """What makes the slide unfit to be projected."""
        if self.height > HEIGHT - BAR:
            yield f"{self.height:.0f} pixels high, {HEIGHT - BAR} fit"
        if self.width > WIDTH + 1:
            yield f"{self.width:.0f} pixels wide, {WIDTH} fit"
        if self.text is not None and self.text < TEXT - 0.05:
            yield f"text of {self.text:.1f} pixels ({self.smallest!r}), {TEXT:.0f} are the least"
        if self.code is not None and self.code < CODE - 0.05:
            yield f"code of {self.code:.1f} pixels, {CODE:.0f} are the least"
        if self.figure is not None and self.figure < FIGURE and (self.high or 0) < 0.5:
            yield f"figure over {self.figure:.0%} of the width, {FIGURE:.0%} are the least"

    def line(self) -> str:
        """The slide in one line, with its faults."""
        sizes = [f"{self.number:3d}", f"{self.height:5.0f} px"]
        sizes.append(f"text {self.text:4.1f}" if self.text else " " * 9)
        sizes.append(f"code {self.code:4.1f}" if self.code else " " * 9)
        sizes.append(f"figure {self.figure:4.0%}" if self.figure else " " * 11)
        faults = "; ".join(self.faults())
        return "  ".join([*sizes, self.heading[:50], *(["!! " + faults] if faults else [])])


def as_shown(source: Path) -> tuple[NotebookNode, int]:
    """A lecture as its text is now, with the outputs of cells whose code did not change.

    Also returns how many code cells have no outputs because they changed or were never run.
    """
    import nbformat

    notebook, known = notebooks.read_source(source), {}
    path = notebooks.notebook_of(source)
    if path.exists():
        built = nbformat.read(path, as_version=4)
        known = {cell.source: cell for cell in built.cells if cell.cell_type == "code"}
        if "widgets" in built.metadata:
            notebook.metadata["widgets"] = built.metadata["widgets"]
    missing = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            before = known.get(cell.source)
            missing += before is None
            if before is not None:
                cell.outputs, cell.execution_count = before.outputs, before.execution_count
        if "solution" in tags(cell):
            cell.metadata["slideshow"] = {"slide_type": "skip"}
    notebooks.fold(notebook)
    return notebook, missing


def _stills(notebook: NotebookNode) -> None:
    """Widgets as their own stills: without a kernel Lab shows a widget in some runs only."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if any(kind == "text/html" or kind.startswith("image/") for kind in data):
                data.pop(WIDGET_VIEW, None)


# --- in the browser -------------------------------------------------------------------------------


def chromium() -> str | None:
    """The path of the system's Chromium."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextlib.contextmanager
def browser() -> Iterator[Page]:
    """A page of 1920 x 1080 pixels in the system's Chromium.

    Raises AidagenError where Playwright or Chromium is missing.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise AidagenError('Playwright is missing: pip install "aidagen[test]".') from None
    program = chromium()
    if program is None:
        raise AidagenError("Chromium is missing: sh data_scripts/install_system_packages.sh.")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield running.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        finally:
            running.close()


def handout(page: Page, notebook: NotebookNode, folder: Path, shots: Path | None) -> list[Measured]:
    """The slides of the hand-out; ``folder`` is where the notebook's pictures are found from."""
    html = decks.handout(diagrams.inline(notebook, folder))
    page.set_content(html, wait_until="load")
    found = []
    for number, slide in enumerate(decks.slides(notebook), start=1):
        page.evaluate(f"() => {{ location.hash = '#{number}' }}")
        page.wait_for_function(
            f"() => document.querySelectorAll('.slide')[{number - 1}].matches('.shown')"
        )
        found.append(_measure(page, number, slide.heading, ".slide.shown"))
        if shots:
            page.screenshot(path=str(shots / f"{number:02d}.png"))
    return found


def live(page: Page, notebook: NotebookNode, shots: Path | None) -> list[Measured]:
    """The slides of the live deck, on a page that shows the notebook in JupyterLab.

    The page has to be served with ``--LabApp.expose_app_in_browser=True``.
    """
    from playwright.sync_api import Error as PlaywrightError

    places = {cell.id: place for place, cell in enumerate(notebook.cells)}
    deck = decks.slides(notebook)
    current = "window.jupyterapp.shell.currentWidget.content"
    page.evaluate(f"async () => {{ {current}.activeCellIndex = 0 }}")
    page.evaluate("async () => { await window.jupyterapp.commands.execute('deck:start') }")
    page.wait_for_selector(".jp-Deck .jp-deck-mod-onscreen")
    found = []
    for number, slide in enumerate(deck, start=1):
        place = places[slide.cells[-1].id]  # all its fragments are seen
        page.evaluate(f"() => {{ {current}.activeCellIndex = {place} }}")
        cell = f".jp-Deck .jp-Notebook .jp-Cell[data-windowed-list-index='{place}']"
        page.wait_for_selector(f"{cell}.jp-deck-mod-onscreen", state="attached")
        page.wait_for_timeout(200)  # pictures and widgets are drawn when they come onto the screen
        with contextlib.suppress(PlaywrightError):  # a widget whose state was not kept never comes
            page.wait_for_function(f"() => ({LOADED})()", timeout=10_000)
        found.append(_measure(page, number, slide.heading, ".jp-Deck .jp-Notebook"))
        if shots:
            page.screenshot(path=str(shots / f"{number:02d}.png"))
    page.evaluate("async () => { await window.jupyterapp.commands.execute('deck:stop') }")
    return found


def _measure(page: Page, number: int, heading: str, selector: str) -> Measured:
    page.evaluate(
        "() => Promise.all([...document.images].filter(one => !one.complete).map(one =>"
        " new Promise(done => { one.onload = one.onerror = done })))"
    )
    found: dict[str, Any] = page.evaluate(MEASURE, selector)
    return Measured(number, heading, **found)


@contextlib.contextmanager
def served(root: Path) -> Iterator[str]:
    """JupyterLab as `make lab` serves ``root``, its application open to the page; the address."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [*lab.command(root, port, browser=False), "--LabApp.expose_app_in_browser=True"]
    environment = {**os.environ, **lab.settings(root), "JUPYTER_TOKEN": TOKEN}
    with (root / "server.log").open("w") as log:
        server = subprocess.Popen(line, cwd=root, env=environment, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 180
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            if time.monotonic() > end or server.poll() is not None:
                raise AidagenError(f"JupyterLab does not start: see {root / 'server.log'}.")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def open_in_lab(page: Page, address: str, path: str) -> None:
    """Show the notebook ``path`` of a served folder on ``page``."""
    page.goto(f"{address}/lab/tree/{path}?token={TOKEN}&reset")
    page.wait_for_function(
        "() => document.querySelectorAll('.jp-Notebook .jp-Cell').length"
        " && window.jupyterapp?.shell.currentWidget?.content.activeCell"
    )


def measure(
    root: Path, numbers: Iterable[str] = (), in_lab: bool = False, shots: Path | None = None
) -> Iterator[tuple[Path, int, list[Measured]]]:
    """Text, number of cells without outputs, and measured slides of each lecture.

    Raises AidagenError where a lecture is unknown, or a program is missing.
    """
    with contextlib.ExitStack() as stack:
        page = stack.enter_context(browser())
        page.set_default_timeout(120_000)
        place = address = None
        if in_lab:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (place / "notebooks").mkdir()
            if (root / "course").is_dir():
                shutil.copytree(root / "course", place / "course")
            address = stack.enter_context(served(place))
        for source in notebooks.sources(root, numbers):
            notebook, missing = as_shown(source)
            pictures = shots / source.stem if shots else None
            if pictures:
                pictures.mkdir(parents=True, exist_ok=True)
            if place and address:
                name = f"notebooks/{source.stem}.ipynb"
                _stills(notebook)
                (place / name).write_text(notebooks.dumps(notebook), encoding="utf-8")
                lab.trust(place)
                open_in_lab(page, address, name)
                yield source, missing, live(page, notebook, pictures)
            else:
                yield source, missing, handout(page, notebook, root / "notebooks", pictures)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m aidagen.publishing.slides")
    parser.add_argument("lectures", nargs="*", help="their numbers, such as 05; all by default")
    parser.add_argument("--live", action="store_true", help="the live deck in JupyterLab")
    parser.add_argument("--shots", type=Path, help="a folder for pictures of the slides")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    options = parser.parse_args(arguments)
    unfit = 0
    try:
        found = measure(options.root.resolve(), options.lectures, options.live, options.shots)
        for source, missing, deck in found:
            also = f"; {missing} code cells changed or never ran: without outputs" * bool(missing)
            print(f"{source.stem}: {len(deck)} slides{also}", flush=True)
            print("\n".join(slide.line() for slide in deck), flush=True)
            unfit += sum(any(slide.faults()) for slide in deck)
    except (AidagenError, OSError) as problem:
        print(f"aidagen: {problem}", file=sys.stderr)
        return 2
    print(f"{unfit} slides do not fit" if unfit else "all slides fit", flush=True)
    return 1 if unfit else 0


if __name__ == "__main__":
    sys.exit(guarded(main))
