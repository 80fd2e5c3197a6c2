"""Every lecture in a real browser: it opens, runs, and its widgets answer the keyboard."""

import os
import shutil
import time
from pathlib import Path

import pytest
from browser import LabPage, chromium, page, server, write_notebook

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SCREENSHOTS = ROOT / "build" / "screenshots"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium() is None and not os.environ.get("CI"),
        reason="there is no Chromium: sh data_scripts/install_system_packages.sh",
    ),
]

SLIDER = """import ipywidgets as widgets
slider = widgets.IntSlider(value=3, max=20)
text = widgets.HTML("frame 3")
slider.observe(lambda change: setattr(text, "value", f"frame {change['new']}"), "value")
widgets.VBox([slider, text])"""
DEAF = """import ipywidgets as widgets
widgets.IntSlider(value=3, max=20)"""


@pytest.fixture
def lecture(tmp_path):
    """A function that serves a folder with notebooks and opens one, or the first copy."""
    with page() as chromium_page:
        contexts = []

        def open_notebook(name=None):
            context = server(tmp_path)
            address = context.__enter__()
            contexts.append(context)
            lab = LabPage(chromium_page, address)
            if name is None:
                lab.open_start()
            else:
                lab.open(f"notebooks/{name}")
            return lab

        yield open_notebook
        for context in contexts:
            context.__exit__(None, None, None)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_lecture_runs_and_answers(path, lecture, tmp_path):
    (tmp_path / "notebooks").mkdir()
    shutil.copy(path, tmp_path / "notebooks" / path.name)
    shutil.copytree(ROOT / "course" / "diagrams", tmp_path / "course" / "diagrams")
    lab = lecture(path.name)
    lab.run_all()
    lab.screenshot(SCREENSHOTS / f"{path.stem}.png")
    assert lab.failures() == []
    slider = lab.sliders().first
    if path.name.startswith("04"):
        slider = lab.page.get_by_label("Strength")  # of the metric lab; the first is a prediction's
    if path.name.startswith(("04", "05")):
        slider.wait_for()
    if slider.count():
        before, after = lab.move(slider)
        lab.screenshot(SCREENSHOTS / f"{path.stem}_moved.png")
        assert before != after, "the slider moves, and nothing readable changes"
    assert lab.console == []


def test_make_lab_opens_the_first_lecture_without_news(lecture, tmp_path):
    write_notebook(tmp_path / "notebooks" / "05_two.ipynb", ["print('second')"])
    write_notebook(tmp_path / "notebooks" / "00_one.ipynb", ["print('fi' + 'rst')", SLIDER])
    original = (tmp_path / "notebooks" / "00_one.ipynb").read_bytes()
    lab = lecture()
    assert (tmp_path / "work" / "05_two.ipynb").exists()
    lab.run_all()
    assert "first" in lab.text()
    assert lab.failures() == []
    before, after = lab.move(lab.sliders().first)
    assert "frame 3" in before
    assert "frame 3" not in after
    assert "frame " in after
    copy = tmp_path / "work" / "00_one.ipynb"
    lab.menu("File", "Save Notebook")
    end = time.monotonic() + 120
    while '"execution_count": 1' not in copy.read_text() and time.monotonic() < end:
        lab.page.wait_for_timeout(200)
    assert '"execution_count": 1' in copy.read_text(), "what a student does lands in the copy"
    assert (tmp_path / "notebooks" / "00_one.ipynb").read_bytes() == original
    assert "news" not in lab.page.locator("body").inner_text().lower()
    assert lab.console == []


def test_the_harness_sees_errors_and_deaf_sliders(lecture, tmp_path):
    write_notebook(
        tmp_path / "notebooks" / "99_broken.ipynb",
        ["import sys; print('a warning', file=sys.stderr)", DEAF, "1 / 0"],
    )
    lab = lecture("99_broken.ipynb")
    lab.run_all()
    assert len(lab.failures()) == 1
    assert "ZeroDivisionError" in lab.failures()[0]
    before, after = lab.move(lab.sliders().first, seconds=2)
    assert before == after
