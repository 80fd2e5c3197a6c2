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


# the texts of a widget in the order of their size, the smallest first: its size, and the text
SMALLEST_TEXT = """area => {
  const walker = document.createTreeWalker(area, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest('[aria-hidden=true], .jp-OutputPrompt, style'))
      continue;
    if (parent.getClientRects().length)
      found.push([parseFloat(getComputedStyle(parent).fontSize), node.textContent]);
  }
  return found.sort((a, b) => a[0] - b[0])[0];
}"""

COUNT_MESSAGES = """() => {
  window.aidagenSent = 0;
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    if (text.includes("comm_msg")) window.aidagenSent += 1;
    return send.call(this, data);
  };
}"""


def readout(widget):
    """The number of the frame that a film shows, "3 of 6"."""
    shown = widget.area.locator(".aidagen-transport:not([hidden]) .widget-readout")
    return shown.first.inner_text()


def watched(widget, count, seconds=120):
    """Wait until ``count`` new frames passed; returns what the readout said."""
    passed, end = [readout(widget)], time.monotonic() + seconds
    while len(passed) < count:
        assert time.monotonic() < end, f"it does not play: {passed}"
        widget.lab.page.wait_for_timeout(20)
        if (now := readout(widget)) != passed[-1]:
            passed.append(now)
    return passed


def passed_pictures(widget, seconds=120):
    """Frame -> the last picture of its page, while it plays, until all six were seen."""
    script = """area => [area.querySelector(".widget-readout").textContent,
        [...area.querySelectorAll(".screen img")].at(-1).src]"""
    seen, end = {}, time.monotonic() + seconds
    while len(seen) < 6:
        assert time.monotonic() < end, f"it does not play: {list(seen)}"
        frame, source = widget.area.evaluate(script)
        seen[frame] = source
        widget.lab.page.wait_for_timeout(20)
    return seen


def in_view(widget):
    """Whether a part of the film is inside the window."""
    box = widget.area.locator(".aidagen-film").bounding_box()
    return box is not None and box["y"] < 1000 and box["y"] + box["height"] > 0


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
    scrub = widget.area.get_by_label("Frame")
    scrub.focus()
    widget.press("Home", "ArrowRight", "ArrowDown", "ArrowUp")
    widget.says(r"Frame 2 of 6, .*one: keypoints: .*; two: keypoints:")
    assert widget.state()[0] == 2
    widget.click(scrub, 1)
    widget.says("Frame 6 of 6")
    widget.area.get_by_label("Overlay").select_option("flow")
    widget.says("one: flow: places move by")
    widget.area.get_by_label("Keypoint").select_option("3")
    assert widget.state()[:3] == [6, "flow", 3]
    scrub.focus()
    widget.press("ArrowLeft", "ArrowLeft")
    widget.says("Frame 4 of 6")
    widget.keep()


@of("microscope")
def test_it_plays_from_the_start_in_view_and_stops(widget):
    """The cell is run again, so that the widget is a new one; then it is scrolled away."""
    lab, page = widget.lab, widget.lab.page
    lab.run_cell(widget.cell)
    widget.area.locator("img").first.wait_for()
    widget.area.scroll_into_view_if_needed()
    pause = widget.area.get_by_role("button", name="Pause")
    pause.wait_for()
    watched(widget, 6)
    assert len(set(passed_pictures(widget).values())) == 6, "each frame is another picture"
    widget.says("Playing. Press Pause to read about one frame")
    lab.output(1 + 2 * len(NAMES)).scroll_into_view_if_needed()
    page.wait_for_timeout(400)
    assert not in_view(widget)
    away = readout(widget)
    page.wait_for_timeout(1200)
    assert readout(widget) == away, "out of view it waits"
    widget.area.scroll_into_view_if_needed()
    watched(widget, 3)
    pause.focus()
    widget.press("Space")
    widget.area.get_by_role("button", name="Play").wait_for()
    stands = readout(widget)
    widget.says(f"Frame {stands[0]} of 6, relative motion")
    page.wait_for_timeout(700)
    assert readout(widget) == stands, "it stands"
    assert widget.state()[0] == int(stands[0]), "Python hears where"
    widget.area.get_by_label("Speed").select_option("2×")
    widget.area.get_by_role("button", name="Play").focus()
    widget.press("End")
    widget.says("Frame 6 of 6")
    widget.press("Space")
    watched(widget, 3)
    widget.area.get_by_label("Frame").focus()
    widget.press("ArrowLeft")
    widget.area.get_by_role("button", name="Play").wait_for()


@of("microscope")
def test_what_was_seen_once_plays_without_the_kernel(widget):
    """Once all frames are in the page, playing sends the kernel nothing."""
    page = widget.lab.page
    if (play := widget.area.get_by_role("button", name="Play")).count():
        play.click()
    passed_pictures(widget)
    watched(widget, 12)
    page.evaluate(COUNT_MESSAGES)
    watched(widget, 12)
    assert page.evaluate("() => window.aidagenSent") == 0
    widget.area.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(500)
    assert page.evaluate("() => window.aidagenSent") > 0, "the test sees messages"


@of("microscope")
def test_reduced_motion_is_respected(widget):
    lab, page = widget.lab, widget.lab.page
    page.emulate_media(reduced_motion="reduce")
    try:
        lab.run_cell(widget.cell)
        widget.area.locator("img").first.wait_for()
        widget.area.scroll_into_view_if_needed()
        page.wait_for_timeout(1500)
        stands = readout(widget)
        assert widget.area.get_by_role("button", name="Play").is_visible()
        assert widget.state()[0] == int(stands[0]), "it stands at the liveliest frame"
        widget.says(f"Frame {stands[0]} of 6")
        widget.area.get_by_role("button", name="Play").click()
        watched(widget, 3)  # whoever asks for it gets it
        widget.area.get_by_role("button", name="Pause").click()
    finally:
        page.emulate_media(reduced_motion="no-preference")


@pytest.mark.parametrize("widget", NAMES, indirect=True)
def test_text_and_pictures_are_large_enough(widget, lab):
    """14 px for every text, 256 px for every picture but the strips of small ones."""
    smallest = widget.area.evaluate(SMALLEST_TEXT)
    assert smallest[0] >= 14, smallest
    for width in widget.area.locator(".aidagen-film img:visible").evaluate_all(
        "images => images.map(each => each.getBoundingClientRect().width)"
    ):
        assert width >= 150 if widget.name == "microscope" else width >= 200


@of("time machine")
def test_time_machine_by_keyboard_and_mouse(widget):
    slider = widget.area.get_by_label("Training step")
    assert slider.get_attribute("aria-valuetext") == "step 400"
    assert widget.area.get_by_role("button", name="Play").is_visible(), "steps are scrubbed"
    slider.focus()
    widget.press("ArrowLeft")
    widget.says(r"Step 50 of 400: rebuilt with a mean error of 0\.\d+")
    assert slider.get_attribute("aria-valuetext") == "step 50"
    widget.keep()
    assert widget.state()[0] == 50
    widget.click(slider, 0)
    widget.says("Step 1 of 400")
    assert widget.state()[0] == 1
    widget.area.get_by_role("button", name="Play").click()
    watched(widget, 3)
    widget.area.get_by_role("button", name="Pause").click()


@of("ablations")
def test_ablations_by_keyboard_and_mouse(widget):
    widget.says(r"other: mean error 0\.\d+ over 3 frames, 0\.\d+ (more|less) than complete")
    watched(widget, 3)
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
    widget.says("notes.txt is not a picture that can be read")
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
    agree = widget.area.get_by_role("checkbox", name=re.compile("picture of me"))
    agree.focus()
    widget.press("Space")
    button.click()
    widget.says("Animated: 6 frames, moving as in 'turning'")
    widget.area.locator(".aidagen-film").last.scroll_into_view_if_needed()
    watched(widget, 4)
    assert widget.area.locator(".aidagen-film img").count() == 2 + 3, "the preview's and the clip's"
    assert "get_published_weights.py" in widget.area.inner_text()
    widget.keep()
    said, _, made, _ = widget.state()
    assert "consent)" in said
    assert "no consent" not in said
    assert made == [6, 3, 64, 64]


@of("own photo")
def test_a_large_photo_comes_through(widget):
    """100 megapixels, of which Pillow would warn, in 11 MB: more than a server's message holds."""
    choose = widget.area.get_by_role("button", name="Choose a picture")
    large = io.BytesIO()
    Image.new("1", (12_500, 8_000)).save(large, "PNG")
    widget.lab.upload(choose, "large.png", large.getvalue() + bytes(11 * 2**20))
    widget.says("it is blurred or empty")
    said, _, made, _ = widget.state()
    assert "no consent" in said, "every picture asks anew"
    assert made is None


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
