"""The live deck: the notebook itself as slides (jupyterlab-slideshow), with widgets that answer.

The deck begins at the active cell, and is blank where that cell is a speaker note or skipped: so
a lecture's first cell is a slide, which is the active cell of a notebook just opened.
"""

import os
import re
import time

import nbformat
import pytest
from browser import TOKEN, LabPage, chromium, page, server

from aidagen.publishing import lab as publishing_lab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium() is None and not os.environ.get("CI"),
        reason="there is no Chromium: sh data_scripts/install_system_packages.sh",
    ),
]

SLIDER = """import ipywidgets as widgets

slider = widgets.IntSlider(value=3, max=20, description="frame")
text = widgets.HTML("frame 3 is shown")
slider.observe(lambda change: setattr(text, "value", f"frame {change['new']} is shown"), "value")
widgets.VBox([slider, text])"""
CELLS = [
    ("markdown", "slide", "# A lecture of two slides"),
    ("markdown", "notes", "**2 min.** For the speaker alone."),
    ("code", "skip", "setup = 'not on a slide'"),
    ("code", "slide", SLIDER),
    ("markdown", "slide", "# The end of it"),
]
START = '[data-jp-item-name="deck"] jp-button'
FORWARD = ".jp-deck-mod-direction-forward"
SHOWN = """() => [...document.querySelectorAll('.jp-Notebook .jp-Cell')]
    .map(cell => cell.checkVisibility({visibilityProperty: true}))"""


@pytest.fixture
def lab(tmp_path):
    """A lecture of two slides and an end, opened as an instructor would."""
    notebook = nbformat.v4.new_notebook()
    for ordinal, (kind, slide, source) in enumerate(CELLS, start=1):
        cell = getattr(nbformat.v4, f"new_{kind}_cell")(source, id=f"98-{ordinal:03d}")
        cell.metadata["slideshow"] = {"slide_type": slide}
        notebook.cells.append(cell)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "name": "python3"}
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, tmp_path / "notebooks" / "98_deck.ipynb")
    with server(tmp_path) as address, page() as chromium_page:
        made = LabPage(chromium_page, address)
        made.open("notebooks/98_deck.ipynb")  # a copy in work/ has no speaker notes
        yield made


def wait_for(lab, shown):
    """Until exactly these cells are on the screen."""
    lab.page.wait_for_function(f"() => '{shown}' === ({SHOWN})().join()")


def only(*visible):
    return ",".join(str(ordinal in visible).lower() for ordinal in range(len(CELLS)))


def start(lab):
    """Press the button until the deck takes over: right after opening, a click may be lost."""
    for _ in range(4):
        lab.page.locator(START).click()
        for _ in range(50):
            if not all(lab.page.evaluate(SHOWN)):
                return
            lab.page.wait_for_timeout(100)
    raise AssertionError("the deck does not start")


def test_a_widget_answers_inside_the_deck(lab, tmp_path):
    lab.page.wait_for_timeout(500)
    start(lab)  # the notebook was just opened: its first cell is active
    wait_for(lab, only(0))
    assert "For the speaker alone" not in lab.page.locator(".jp-Notebook").inner_text()
    lab.page.locator(FORWARD).click()
    wait_for(lab, only(3))
    lab.page.locator(".jp-Notebook .jp-Cell.jp-mod-active .cm-content").click()
    lab.page.keyboard.press("Control+Enter")  # live code on the slide
    slider = lab.sliders().first
    slider.wait_for()
    before, after = lab.move(slider, times=2)
    assert "frame 3 is shown" in before
    assert re.search(r"frame [45] is shown", after)
    area = lab.page.locator(".jp-Notebook .jp-Cell.jp-mod-active")
    lab.wait_text(area, "frame 5 is shown")  # the second key press may be answered late
    wait_for(lab, only(3))  # arrows in a slider move the slider, not the deck
    lab.screenshot(tmp_path / "deck.png")
    lab.page.locator(FORWARD).click()
    wait_for(lab, only(4))
    lab.page.locator(".jp-deck-mod-stop").click()
    wait_for(lab, only(*range(len(CELLS))))
    assert lab.failures() == []
    assert lab.console == []


@pytest.mark.parametrize("cell", [1, 2], ids=["note", "skipped"])
def test_the_deck_begins_on_the_slide_before(lab, cell):
    """From a note or a skipped cell jupyterlab-slideshow alone shows a blank screen."""
    lab.page.locator(".jp-Notebook .jp-Cell").nth(cell).click()
    start(lab)
    wait_for(lab, only(0))


def test_speaker_notes_in_a_window_of_their_own(lab, tmp_path):
    lab.page.wait_for_timeout(500)
    start(lab)
    wait_for(lab, only(0))
    with lab.page.context.expect_page() as opened:
        lab.page.keyboard.press("s")
    notes = opened.value
    notes.wait_for_function("() => /For the speaker alone/.test(document.body.innerText)")
    text = notes.locator("body").inner_text()
    assert "Slide 1 of 3" in text
    assert "A lecture of two slides" in text
    assert "this slide ends at 2 min" in text
    notes.screenshot(path=str(tmp_path / "notes.png"))
    notes.keyboard.press("ArrowRight")  # the notes' window moves the deck
    wait_for(lab, only(3))
    notes.wait_for_function("() => /No notes to this slide/.test(document.body.innerText)")
    assert "Next: The end of it" in notes.locator("body").inner_text()
    lab.page.locator(FORWARD).click()  # and the deck the notes
    notes.wait_for_function("() => /Slide 3 of 3/.test(document.body.innerText)")
    notes.locator("#back").click()
    wait_for(lab, only(3))
    lab.page.get_by_role("button", name="Notes (S)").click()
    assert len(lab.page.context.pages) == 2, "the window is there already"
    lab.page.locator(".jp-deck-mod-stop").click()
    wait_for(lab, only(*range(len(CELLS))))
    assert lab.page.get_by_role("button", name="Notes (S)").is_hidden()
    assert lab.console == []


def test_a_lab_closed_inside_the_deck_opens_with_its_menus(lab, tmp_path):
    start(lab)
    assert lab.page.locator("#jp-menu-panel").is_hidden()
    workspaces = tmp_path / ".jupyter" / "config" / "lab" / "workspaces"
    end = time.monotonic() + 60
    while not any('"left":{"collapsed":true' in p.read_text() for p in workspaces.glob("*")):
        assert time.monotonic() < end, "JupyterLab no longer stores the deck's layout"
        lab.page.wait_for_timeout(200)
    lab.page.goto("about:blank")  # the tab is left inside the deck
    lab.page.goto(f"{lab.address}/lab/tree/notebooks/98_deck.ipynb?token={TOKEN}")
    lab._ready()
    lab.page.locator("#jp-menu-panel").wait_for()
    lab.page.wait_for_selector(".jp-DirListing")  # the files as well
    assert lab.page.evaluate("() => document.body.dataset.jpDeckMode") is None
    lab.menu("Edit", "Clear Outputs of All Cells")
    wait_for(lab, only(*range(len(CELLS))))
    assert lab.console == []


def test_a_stored_deck_is_left_when_lab_is_served(tmp_path):
    """Folders of before the course's extension have it in their settings."""
    stored = tmp_path / ".jupyter/config/lab/user-settings/jupyterlab-slideshow"
    stored.mkdir(parents=True)
    settings = stored / "plugin.jupyterlab-settings"
    settings.write_text('{\n  // Activate Deck\n  "active": true,\n  "showCodeCellPrompt": true\n}')
    publishing_lab.settings(tmp_path)
    left = settings.read_text()
    assert '"active": false' in left
    assert '"showCodeCellPrompt": true' in left
