"""Every widget in a real JupyterLab, by keyboard and by mouse: what it says, and what Python holds.

One server and one notebook for all; the model is random and small, so no weights are needed. What
a cell prints about a widget is its state in the kernel, after the browser was used.
"""

import io
import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from browser import LabPage, chromium, page, server, write_notebook
from PIL import Image

from aidagen import datasets

ROOT = Path(__file__).resolve().parents[1]
SCREENSHOTS = ROOT / "build" / "screenshots"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium() is None and not os.environ.get("CI"),
        reason="there is no Chromium: sh data_scripts/install_system_packages.sh",
    ),
]

SETUP = f"""import json, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import numpy as np, untrained
from aidagen import datasets
from aidagen.widgets.ablations import Ablations
from aidagen.widgets.canvas import PointCanvas
from aidagen.widgets.motion_microscope import MotionMicroscope
from aidagen.widgets.own_photo import OwnPhoto
from aidagen.widgets.puppet import Puppet
from aidagen.widgets.time_machine import TimeMachine
frames = datasets.load("heads").clips("test")[0].frames().float()[::6] / 255
models = [untrained.model(seed) for seed in (0, 1, 2)]"""

# name -> (the cell that shows the widget, what the cell below prints of it)
WIDGETS = {
    "canvas": (
        'canvas = PointCanvas(frames[0], [[-0.5, 0], [0.4, 0.2]], ["Left", "Right"])\ncanvas',
        "canvas.points",
    ),
    "puppet": (
        'puppet = Puppet(models[0], frames[0], name="random")\npuppet',
        "[puppet.points, puppet.keypoint, puppet.turn, puppet.sentence]",
    ),
    "microscope": (
        "microscope = MotionMicroscope(models[0], frames[0], frames, size=160,\n"
        '    name="one", other=models[1], other_name="two")\nmicroscope',
        "[microscope.frame, microscope.overlay, microscope.keypoint, microscope.sentence]",
    ),
    "time machine": (
        "machine = TimeMachine({1: models[1], 50: models[2], 400: models[0]}, frames[:3])\nmachine",
        "[machine.step, machine.frame, machine.sentence]",
    ),
    "ablations": (
        'panel = Ablations({"complete": models[0], "other": models[1]}, frames[:4])\npanel',
        "[panel.model, panel.frame, panel.sentence]",
    ),
    "own photo": (
        'own = OwnPhoto(models[0], {"turning": frames}, faces=None, name="random")\nown',
        "[repr(own), own.extent, None if own.made is None else list(own.made.shape), own.sentence]",
    ),
}
NAMES = list(WIDGETS)


def notebook():
    cells = [SETUP]
    for shown, state in WIDGETS.values():
        cells += [shown, f"print(json.dumps({state}))"]
    return cells


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The notebook with all widgets, run once."""
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "notebooks" / "99_widgets.ipynb", notebook())
    with page(1280, 1000) as chromium_page, server(folder) as address:
        opened = LabPage(chromium_page, address)
        opened.open("notebooks/99_widgets.ipynb")
        opened.run_all()
        assert opened.failures() == []
        yield opened


class Shown:
    """One widget of the notebook: its output on the page, its state in the kernel."""

    names = NAMES

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.cell = 2 + 2 * self.names.index(name)
        self.area = lab.output(self.cell)
        self.area.scroll_into_view_if_needed()
        self.area.locator(".widget-vbox, .aidagen-canvas").first.wait_for()

    def state(self):
        return json.loads(self.lab.run_cell(self.cell + 1))

    def says(self, wanted):
        return self.lab.wait_text(self.area, wanted)

    def picture(self):
        """What the last canvas of the widget shows, as text to compare."""
        return self.area.locator(".stage canvas").last.evaluate("node => node.toDataURL()")

    def redrawn(self, before, seconds=120):
        """Whether that canvas comes to show something else than ``before``."""
        end = time.monotonic() + seconds
        while self.picture() == before and time.monotonic() < end:
            self.lab.page.wait_for_timeout(50)
        return self.picture() != before

    def click(self, slider, end):
        """Click on a slider's left (0) or right (1) end."""
        box = slider.bounding_box()
        slider.click(position={"x": 3 + end * (box["width"] - 6), "y": box["height"] / 2})

    def keep(self, what=""):
        self.area.scroll_into_view_if_needed()
        file = "_".join(["widget", *self.name.split(), *what.split()])
        (SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        self.area.screenshot(path=str(SCREENSHOTS / f"{file}.png"))

    def press(self, *keys):
        for key in keys:
            self.lab.page.keyboard.press(key)

    def focused(self):
        return self.lab.page.evaluate(
            "() => document.activeElement.getAttribute('aria-label') || document.activeElement.id"
        )


@pytest.fixture
def widget(lab, request):
    return Shown(lab, request.param)


def of(name):
    return pytest.mark.parametrize("widget", [name], indirect=True)


@of("canvas")
def test_canvas_by_keyboard_and_mouse(widget):
    left = widget.area.get_by_role("button", name="Left")
    assert left.get_attribute("aria-label") == "Left, x -0.50, y 0.00"
    before = widget.picture()
    left.focus()
    widget.press("ArrowRight", "Shift+ArrowDown")
    widget.says(r"Left, x -0\.48, y 0\.10\.")
    assert widget.focused() == "Left, x -0.48, y 0.10", "the notebook took the key"
    assert widget.redrawn(before)
    assert widget.state() == [[-0.48, 0.1], [0.4, 0.2]]
    left.focus()
    widget.press("Escape")
    widget.says(r"Left, x -0\.50, y 0\.00\.")
    right = widget.area.get_by_role("button", name="Right")
    widget.lab.drag(right, 63, -31.5)  # 63 of 320 px: 0.4 of 2 on 64 pixels
    widget.says(r"Right, x 0\.80, y 0\.00\.")
    (x0, y0), (x1, y1) = widget.state()
    assert (x0, y0) == (-0.5, 0.0)
    assert (x1, y1) == pytest.approx((0.8, 0.0), abs=0.02)
    widget.lab.drag(right, 500, 0)
    assert widget.state()[1][0] == 1.0, "points stay on the picture"
    slider = widget.area.get_by_label("Right, y")
    slider.focus()
    widget.press("ArrowRight", "ArrowRight")
    widget.says(r"Right, x 1\.00, y 0\.0[123]")
    widget.keep()
    widget.area.get_by_role("button", name="Reset").click()
    widget.says(r"x 0\.40, y 0\.20\.")
    assert widget.state() == [[-0.5, 0.0], [0.4, 0.2]]


@of("canvas")
def test_canvas_follows_python(widget, lab):
    lab.page.evaluate("() => 0")
    write = "canvas.points = [[0.1, 0.2], [0.3, 0.4]]"
    cell = lab.page.locator(".jp-Notebook .jp-CodeCell").nth(widget.cell)
    cell.locator(".cm-content").first.click()
    widget.press("Control+Home")
    lab.page.keyboard.type(f"{write};")
    assert widget.state() == [[0.1, 0.2], [0.3, 0.4]]
    button = widget.area.get_by_role("button", name="Left, x 0.10, y 0.20")
    button.wait_for()


@of("puppet")
def test_puppet_by_keyboard_and_mouse(widget):
    widget.says("Nothing is moved: drag one of 10 keypoints")
    home = widget.state()[0]
    before = widget.picture()
    third = widget.area.get_by_role("button", name="Keypoint 3,")
    widget.lab.drag(third, 32, -32)
    said = widget.says(
        r"Keypoint 3 moved by 0\.20 right, 0\.20 up; the picture changed by 0\.\d+ on average"
    )
    widget.keep("dragged")
    points, keypoint, _, sentence = widget.state()
    assert sentence in said.replace("\n", " ")
    moved = np.array(points) - home
    assert moved[keypoint - 1] == pytest.approx([0.2, -0.2], abs=0.02)
    assert np.abs(np.delete(moved, keypoint - 1, 0)).max() == 0
    assert widget.redrawn(before), "the generated picture is another one"
    fifth = widget.area.get_by_role("button", name="Keypoint 5,")
    fifth.focus()
    widget.press("Shift+ArrowLeft")
    widget.says(r"Keypoint 5 moved by 0\.10 left, 1 other too")
    turn = widget.area.get_by_label("Turn around it")
    turn.focus()
    widget.press("ArrowRight", "ArrowUp")
    widget.says(r"turned by 10 degrees")
    assert widget.state()[1:3] == [5, 10.0]
    widget.area.get_by_role("button", name="Reset everything").click()
    widget.says("Nothing is moved")
    assert widget.state()[0] == home


@of("microscope")
def test_microscope_by_keyboard_and_mouse(widget):
    assert widget.area.locator("img").count() == 6, "two models: six pictures"
    scrub = widget.area.get_by_label("Scrub")
    scrub.focus()
    widget.press("ArrowRight", "ArrowDown", "ArrowUp")
    widget.says(r"Frame 2 of 6, .*one: keypoints: .*; two: keypoints:")
    assert widget.state()[0] == 2
    widget.click(scrub, 1)
    widget.says("Frame 6 of 6")
    widget.area.get_by_label("Overlay").select_option("flow")
    widget.says("one: flow: places move by")
    widget.area.get_by_label("Keypoint").select_option("3")
    assert widget.state()[:3] == [6, "flow", 3]
    number = widget.area.get_by_label("Frame")
    number.fill("4")
    widget.press("Tab")
    widget.says("Frame 4 of 6")
    widget.keep()


@of("time machine")
def test_time_machine_by_keyboard_and_mouse(widget):
    slider = widget.area.get_by_label("Training step")
    assert slider.get_attribute("aria-valuetext") == "step 400"
    slider.focus()
    widget.press("ArrowLeft")
    widget.says(r"Step 50 of 400: rebuilt with a mean error of 0\.\d+")
    assert slider.get_attribute("aria-valuetext") == "step 50"
    widget.keep()
    assert widget.state()[0] == 50
    widget.click(slider, 0)
    widget.says("Step 1 of 400")
    assert widget.state()[0] == 1


@of("ablations")
def test_ablations_by_keyboard_and_mouse(widget):
    widget.says(r"other: mean error 0\.\d+ over 3 frames, 0\.\d+ (more|less) than complete")
    slider = widget.area.get_by_label("Frame")
    slider.focus()
    widget.press("End")
    assert widget.state()[:2] == ["other", 3]
    widget.keep()
    widget.area.get_by_label("Model").select_option("complete")
    widget.says("complete: mean error")
    assert widget.state()[0] == "complete"
    widget.click(slider, 0)
    assert widget.state()[1] == 1


@of("own photo")
def test_own_photo_by_keyboard_and_mouse(widget):
    widget.says("No picture yet")
    button = widget.area.get_by_role("button", name="Animate")
    assert button.is_disabled()
    choose = widget.area.get_by_role("button", name=re.compile("Choose a picture"))
    widget.lab.upload(choose, "notes.txt", b"no picture at all", "text/plain")
    widget.says("notes.txt is not a picture that can be read here")
    clip = datasets.load("heads").clips("test")[3]
    pixels = clip.frames(0, 1)[0].permute(1, 2, 0).numpy()
    content = io.BytesIO()
    Image.fromarray(pixels).resize((300, 300)).save(content, "PNG")
    widget.lab.upload(choose, "me.png", content.getvalue())
    widget.says(r"95 % of 24 held-out pictures stay below 0\.\d+")
    assert button.is_disabled(), "nothing is animated without consent"
    size = widget.area.get_by_label("Size of the part")
    size.focus()
    widget.press("ArrowLeft", "ArrowLeft")
    widget.lab.page.wait_for_timeout(300)
    assert widget.state()[1] == pytest.approx(0.98)
    agree = widget.area.get_by_role("checkbox")
    agree.focus()
    widget.press("Space")
    button.click()
    widget.says("Animated: 6 frames, moving as in 'turning'")
    player = widget.area.locator("video")
    player.wait_for()
    widget.lab.page.wait_for_function(
        "() => [...document.querySelectorAll('video')].every(v => v.readyState > 1 && v.videoWidth)"
    )
    assert "get_published_weights.py" in widget.area.inner_text()
    widget.keep()
    said, _, made, _ = widget.state()
    assert "consent)" in said
    assert "no consent" not in said
    assert made == [6, 3, 64, 64]


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


def test_the_accessibility_check_can_fail(lab):
    """A slider of ipywidgets has no name, a picture of it no alternative text; both are seen."""
    lab.page.evaluate(
        "() => document.body.insertAdjacentHTML('beforeend', '<div id=planted>"
        "<div role=slider tabindex=0 aria-valuenow=1 aria-valuemin=0 aria-valuemax=2>x</div>"
        '<img src="data:,"></div>\')'
    )
    try:
        found = " ".join(lab.accessibility("#planted"))
    finally:
        lab.page.evaluate("() => document.querySelector('#planted').remove()")
    assert "aria-input-field-name" in found
    assert "image-alt" in found


def test_the_page_had_nothing_to_complain_about(lab):
    assert lab.console == []
    assert lab.failures() == []
