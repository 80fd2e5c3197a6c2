"""The widgets of lecture 04 in a real JupyterLab, by keyboard and by mouse, as its older brothers.

Harness and helpers are those of `test_browser_widgets`; one notebook, models with fresh weights.
"""

import pytest
from browser import LabPage, page, server, write_notebook
from test_browser_widgets import ROOT, Shown, pytestmark  # noqa: F401 - skips without a browser

SETUP = f"""import json, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import numpy as np, untrained
from aidagen import datasets
from aidagen.widgets.mask_painter import MaskPainter
from aidagen.widgets.metric_lab import MetricLab
from aidagen.widgets.side_by_side import SideBySide
clips = datasets.load("heads").clips("test")
frames, others = (clip.frames().float()[::6] / 255 for clip in clips[:2])
models = [untrained.model(seed) for seed in (0, 1, 2)]"""

# name -> (the cell that shows the widget, what the cell below prints of it)
WIDGETS = {
    "side by side": (
        'compare = SideBySide({"one": models[0], "two": models[1], "three": models[2]},\n'
        '    {"somebody else": others[0]}, frames)\ncompare',
        "[compare.frame, compare.source, compare.mode, compare.shown, compare.moved, "
        "compare.sentence]",
    ),
    "mask painter": (
        "painter = MaskPainter(models[0], frames[0], frames[1:])\npainter",
        "[painter.frame, painter.keypoint, painter.stroke, painter.canvas.points[0], "
        "100 * float(painter.masks[painter.keypoint].mean()), len(painter._history), "
        "painter.sentence]",
    ),
    "metric lab": (
        "lab = MetricLab(clips[0], clips[1])\nlab",
        "[lab.spoiling, lab.level, lab.frame, lab.sentence]",
    ),
}
NAMES = list(WIDGETS)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The notebook with the three widgets, run once."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [SETUP]
    for shown, state in WIDGETS.values():
        cells += [shown, f"print(json.dumps({state}))"]
    write_notebook(folder / "notebooks" / "99_widgets.ipynb", cells)
    with page(1280, 1000) as chromium_page, server(folder) as address:
        opened = LabPage(chromium_page, address)
        opened.open("notebooks/99_widgets.ipynb")
        opened.run_all()
        assert opened.failures() == []
        yield opened


class Shown04(Shown):
    """One widget of this notebook."""

    names = NAMES

    def draws(self, number):
        """What a canvas of the widget shows, counted from 0, as text to compare."""
        canvas = self.area.locator(".stage canvas").nth(number)
        return canvas.evaluate("node => node.toDataURL()")

    def changes(self, number, before):
        """Wait until that canvas shows something else."""
        for _ in range(2400):
            if (now := self.draws(number)) != before:
                return now
            self.lab.page.wait_for_timeout(50)
        raise AssertionError(f"canvas {number} never changed")


@pytest.fixture
def widget(lab, request):
    return Shown04(lab, request.param)


def of(name):
    return pytest.mark.parametrize("widget", [name], indirect=True)


@of("side by side")
def test_side_by_side_by_keyboard_and_mouse(widget):
    assert widget.area.locator("img").count() == 5
    slider = widget.area.get_by_label("Frame")
    slider.focus()
    widget.press("Home")
    widget.says(r"Frame 1 of 6, relative motion: l1 from the true frame one 0\.\d+, two 0\.\d+")
    widget.press("ArrowRight", "ArrowRight")
    widget.says(r"Frame 3 of 6.*a copy of the source has 0\.\d+")
    widget.area.get_by_label("What it moved").select_option("flow")
    widget.says(r"flow, mean 0\.\d+")
    widget.area.get_by_label("Show").select_option("error")
    widget.lab.page.wait_for_timeout(300)
    assert widget.area.locator("img").count() == 8
    widget.keep("errors")
    assert widget.state()[:5] == [3, "First frame", "relative", "error", "flow"]
    widget.area.get_by_label("Source").select_option("somebody else")
    widget.says("the truth is not known, because nobody filmed this source moving like that")
    assert widget.area.get_by_label("Show").is_disabled()
    widget.area.get_by_label("Motion").select_option("absolute")
    widget.says("absolute motion")
    widget.keep("other source")
    widget.click(slider, 0)
    widget.says("Frame 1 of 6")


@of("side by side")
def test_it_plays_until_it_is_pressed_again(widget):
    before = widget.state()[0]
    # slowly: at full speed the six frames are over, and begin again, before a busy browser pauses
    widget.area.get_by_label("Speed").select_option(index=0)
    play = widget.area.get_by_role("button", name="Play")
    play.focus()
    widget.press("Space")
    widget.area.get_by_text(f"{before % 6 + 1} of 6", exact=True).wait_for()
    widget.area.get_by_role("button", name="Pause").click()
    widget.area.get_by_role("button", name="Play").wait_for()
    widget.lab.page.wait_for_timeout(500)
    frame, *_, sentence = widget.state()
    assert frame != before
    assert sentence in widget.says(f"Frame {frame} of 6")
    widget.lab.page.wait_for_timeout(500)
    assert widget.state()[0] == frame, "it stands"


@of("mask painter")
def test_mask_painter_by_mouse(widget):
    widget.area.get_by_role("slider", name="Frame").focus()
    widget.press("Home")
    widget.says("of frame 1; nothing is painted here yet")
    widget.area.get_by_label("Mask of keypoint").select_option("4")
    widget.says(r"Keypoint 4 claims \d+ % of frame 1; nothing")
    share = widget.state()[4]
    mask, made, original = (widget.draws(n) for n in range(3))
    stage = widget.area.locator(".stage").first
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    mouse = widget.lab.page.mouse
    mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"])
    mouse.down()  # far from where the brush was: it comes
    mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.4 * box["height"], steps=8)
    mouse.up()
    widget.says(r"Keypoint 4 claims \d+ % of frame 1, \d+ % before; the flow changed by 0\.\d+")
    widget.changes(0, mask)
    widget.changes(1, made)
    assert widget.draws(2) == original
    widget.keep("painted")
    _, keypoint, _, at, now, strokes, sentence = widget.state()
    assert (keypoint, strokes) == (4, 1)
    assert at == pytest.approx([0.4, -0.2], abs=0.05)
    assert now > share + 5, "the whole way is painted"
    assert sentence in widget.area.inner_text().replace("\n", " ")
    mouse.move(5, 5)
    mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.8 * box["height"])
    widget.lab.page.wait_for_timeout(500)
    assert widget.state()[5] == 2, "a press is a stroke of its own"
    for _ in range(2):
        widget.area.get_by_role("button", name="Undo").click()
    widget.says("nothing is painted here yet")
    assert widget.state()[4] == pytest.approx(share)


@of("mask painter")
def test_mask_painter_by_keyboard(widget):
    brush = widget.area.get_by_role("button", name="Brush")
    choice = widget.area.get_by_label("Brush", exact=True)
    choice.select_option("only move")
    brush.focus()
    strokes = widget.state()[5]
    brush.focus()
    widget.press("Shift+ArrowLeft", "Shift+ArrowUp")
    widget.lab.page.wait_for_timeout(300)
    assert widget.state()[5] == strokes, "it only moves"
    choice.select_option("add")
    radius = widget.area.get_by_label("Radius")
    radius.focus()
    widget.press("End")
    brush.focus()
    widget.press("ArrowRight")
    widget.says(r"% before; the flow changed by")
    widget.keep("by keyboard")
    assert widget.state()[5] == strokes + 1
    choice.select_option("erase")
    widget.area.get_by_role("button", name="Paint here").click()
    widget.says(r"Keypoint 4 claims \d+ % of frame 1, \d+ % before")
    widget.area.get_by_role("slider", name="Frame").focus()
    widget.press("ArrowRight")
    widget.says("of frame 2; nothing is painted here yet")
    widget.area.get_by_role("button", name="Reset masks").click()
    widget.area.get_by_role("slider", name="Frame").focus()
    widget.press("ArrowLeft")
    widget.says("of frame 1; nothing is painted here yet")
    widget.area.get_by_label("Mask of keypoint").select_option("background")
    widget.says("The background claims")


@of("metric lab")
def test_metric_lab_by_keyboard_and_mouse(widget):
    widget.says(r"Shift, 2 px: the strongest .* flicker, .*; blind: MKR; needs a judge: AED")
    strength = widget.area.get_by_label("Strength")
    assert strength.get_attribute("aria-valuetext") == "2 px"
    strength.focus()
    widget.press("ArrowRight", "ArrowRight")
    widget.says("Shift, 4 px")
    widget.area.get_by_label("Spoiling").select_option("identity swap")
    widget.says("Identity swap, the last 40 %")
    assert strength.get_attribute("aria-valuetext") == "the last 40 %"
    widget.click(strength, 1)
    widget.says("Identity swap, the last 100 %.*blind: AKD")
    widget.area.get_by_label("Frame").focus()
    widget.press("End")
    widget.lab.page.wait_for_timeout(300)
    widget.keep()
    assert widget.state()[:3] == ["identity swap", 10, 12]
    widget.area.get_by_label("Spoiling").select_option("flicker")
    widget.says("Flicker, ±0.20")
    strength.focus()
    widget.press("Home")
    widget.says("the clip is untouched")


@pytest.mark.parametrize("widget", NAMES, indirect=True)
def test_no_serious_violation(widget, lab):
    lab.page.evaluate(
        "([n]) => document.querySelectorAll('.jp-Notebook .jp-CodeCell')[n]"
        ".querySelector('.jp-OutputArea-output').setAttribute('data-looked-at', 'yes')",
        [widget.cell - 1],
    )
    try:
        assert lab.accessibility("[data-looked-at=yes]") == []
    finally:
        lab.page.evaluate(
            "() => document.querySelectorAll('[data-looked-at]')"
            ".forEach(node => node.removeAttribute('data-looked-at'))"
        )


def test_the_page_had_nothing_to_complain_about(lab):
    assert lab.console == []
    assert lab.failures() == []
