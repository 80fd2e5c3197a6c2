"""The pose studio in a real JupyterLab, by keyboard and by mouse, as its older brothers.

Harness and helpers are those of `test_browser_widgets`; the models are small, with fresh weights.
"""

import re

import pytest
from browser import LabPage, page, server, write_notebook
from playwright.sync_api import expect
from test_browser_widgets import ROOT, Shown, pytestmark, watched  # noqa: F401 - skips without one

expect.set_options(timeout=60_000)

SETUP = f"""import json, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import pose_models
from aidagen.widgets.pose_studio import PoseStudio
models = {{"whole method": pose_models.model(), "one map": pose_models.model("full"),
    "plain skips": pose_models.model("none")}}"""

SHOWN = """studio = PoseStudio(models, pose_models.people(), {"arm": pose_models.clip()})
studio"""
STATE = (
    "[studio.points, studio.missing, studio.joint, studio.frame, studio.model, studio.pose, "
    "studio.swapped, studio.sentence]"
)
LEFT_WRIST, LEFT_KNEE = 7, 12


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The notebook with the studio, run once."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [SETUP, SHOWN, f"print(json.dumps({STATE}))"]
    write_notebook(folder / "notebooks" / "99_widgets.ipynb", cells)
    with page(1280, 1000) as chromium_page, server(folder) as address:
        opened = LabPage(chromium_page, address)
        opened.open("notebooks/99_widgets.ipynb")
        opened.run_all()
        assert opened.failures() == []
        yield opened


class Studio(Shown):
    names = ("pose studio",)

    def canvas(self, number=1):
        """Source, painted, the features before and after, counted from 0."""
        return self.area.locator(".stage canvas").nth(number)

    def draws(self, number=1):
        return self.canvas(number).evaluate("node => node.toDataURL()")

    def changes(self, before, number=1):
        """Wait until that canvas shows something else."""
        for _ in range(2400):
            if (now := self.draws(number)) != before:
                return now
            self.lab.page.wait_for_timeout(50)
        raise AssertionError(f"canvas {number} never changed")

    def joint(self, name):
        return self.area.get_by_role("button", name=name)


@pytest.fixture
def widget(lab):
    return Studio(lab, "pose studio")


def test_the_clip_plays_until_it_is_paused(widget):
    pause = widget.area.get_by_role("button", name="Pause")
    pause.wait_for()  # autoplay
    watched(widget, 4)
    assert "Press Pause to read" in widget.area.locator(".aidagen-spoken").inner_text()
    pause.click()
    widget.says(r"Ada, arm, frame \d of 6; model: whole method\.")
    widget.area.get_by_role("slider", name="Frame").focus()
    widget.press("Home")
    widget.says("frame 1 of 6")
    before = widget.draws()
    widget.press("End")
    widget.says("frame 6 of 6")
    widget.changes(before)
    widget.press("ArrowLeft")
    widget.says("frame 5 of 6")
    assert widget.state()[3] == 5
    widget.keep("clip")


def test_the_picture_is_large_enough_to_drag_in(widget):
    box = widget.area.locator(".stage").nth(1).bounding_box()
    assert box["width"] >= 192 and box["height"] >= 384


def test_a_joint_is_dragged_and_the_person_follows(widget):
    points = widget.state()[0]
    painted, features = widget.draws(), widget.draws(3)
    widget.lab.drag(widget.joint("left wrist, x"), 30, -40)
    widget.says(r"The left wrist is moved by 0\.2\d right, 0\.1\d up; the picture changed by 0\.\d")
    widget.changes(painted)
    widget.changes(features, 3)
    now, _, joint, *_ = widget.state()
    assert joint == LEFT_WRIST
    moved = [now[LEFT_WRIST][i] - points[LEFT_WRIST][i] for i in (0, 1)]
    assert moved == pytest.approx([30 / 224 * 128 / 63, -40 / 448 * 256 / 127], abs=0.02)
    assert [p for k, p in enumerate(now) if k != LEFT_WRIST] == [
        p for k, p in enumerate(points) if k != LEFT_WRIST
    ]
    widget.keep("dragged")
    widget.area.get_by_role("button", name="Reset the pose").click()
    widget.says(r"frame 5 of 6; model: whole method\.(?! The left wrist)")
    assert widget.state()[0] == points


def test_a_joint_by_keyboard_is_moved_taken_away_and_brought_back(widget):
    knee = widget.joint("left knee, x")
    y = widget.state()[0][LEFT_KNEE][1]
    knee.focus()
    widget.press("Shift+ArrowUp")
    widget.says(r"The left knee is moved by 0\.10 up")
    assert widget.state()[0][LEFT_KNEE][1] == pytest.approx(y - 0.1, abs=1e-3)
    knee.focus()
    widget.press("Delete")
    widget.says("The left knee is missing; the network sees no bump for it.")
    widget.says("The left thigh and the left shin carry nothing.")
    expect(knee).to_have_attribute("aria-label", re.compile("missing$"))
    widget.keep("missing")
    assert LEFT_KNEE in widget.state()[1]
    box = widget.area.get_by_label("Left knee known")
    expect(box).not_to_be_checked()
    box.check()
    widget.says(r"up; the picture changed by 0\.\d+ on average\.(?! The left knee)")
    assert LEFT_KNEE not in widget.state()[1]
    knee.focus()
    widget.press("Escape")
    widget.says(r"whole method\.(?! The left knee)")


def test_a_joint_outside_gets_a_picture_and_a_sentence(widget):
    painted = widget.draws()
    widget.lab.drag(widget.joint("left wrist, x"), 600, 0)
    widget.says("The left wrist lies outside the picture; the network sees no bump for it.")
    widget.changes(painted)
    wrist = widget.joint("left wrist, x")
    expect(wrist).to_have_attribute("aria-label", re.compile("outside the picture$"))
    widget.keep("outside")
    assert widget.state()[0][LEFT_WRIST][0] == pytest.approx(1 + 16 / 63, abs=1e-3)
    wrist.focus()
    widget.press("Escape")
    widget.says(r"whole method\.(?! The left wrist)")


def test_masks_parts_levels_models_and_the_fault(widget):
    painted, features = widget.draws(), widget.draws(3)
    over = widget.area.get_by_label("Over the picture")
    over.select_option("masks")
    painted = widget.changes(painted)
    expect(widget.area.locator(".widget-html", has_text="right upper arm")).to_be_visible()
    widget.keep("masks")
    part = widget.area.get_by_label("Part", exact=True)
    part.select_option("right thigh")
    painted = widget.changes(painted)
    widget.area.get_by_text("Read by the right thigh").wait_for()
    widget.keep("one part")
    features = widget.changes(features, 3)
    part.select_option("all parts")
    over.select_option("skeleton")
    painted = widget.changes(painted)
    level = widget.area.get_by_label("Level")
    level.focus()
    widget.press("ArrowDown")
    widget.changes(features, 3)
    swap = widget.area.get_by_label("Left and right swapped")
    swap.focus()
    widget.press("Space")
    widget.says("Left and right are swapped: each left joint is told as the right one.")
    painted = widget.changes(painted)
    widget.keep("swapped")
    widget.press("Space")
    model = widget.area.get_by_label("Model")
    model.focus()
    widget.press("End")
    widget.says("model: plain skips. .*This model deforms no features")
    expect(part).to_be_disabled()
    expect(level).to_be_disabled()
    pictures = widget.area.locator(".stage canvas").locator("visible=true")
    expect(pictures).to_have_count(2)
    widget.keep("plain skips")
    assert widget.state()[4] == "plain skips"
    model.focus()  # the cell below took it
    widget.press("Home")
    widget.says("model: whole method")
    expect(pictures).to_have_count(4)


def test_another_pose_stands_and_the_clip_plays_again(widget):
    pose = widget.area.get_by_label("Pose", exact=True)
    pose.select_option("pose of Ben")
    widget.says("Ada, pose of Ben; model")
    expect(widget.area.locator(".aidagen-transport")).to_be_hidden()
    widget.area.get_by_label("Person").select_option("Ben")
    widget.says("Ben, pose of Ben")
    pose.select_option("arm")
    pause = widget.area.get_by_role("button", name="Pause")
    pause.wait_for()
    watched(widget, 3)
    play = widget.area.get_by_role("button", name="Play")
    for _ in range(20):  # the wrist swings: it has to be caught
        widget.lab.drag(widget.joint("left wrist, x"), 20, 0)
        if play.is_visible():
            break
        widget.lab.page.wait_for_timeout(500)
    play.wait_for()
    widget.says("Ben, arm, frame")


def test_no_serious_violation(widget, lab):
    lab.page.evaluate(
        "() => document.querySelectorAll('.jp-Notebook .jp-CodeCell')[1]"
        ".querySelector('.jp-OutputArea-output').setAttribute('data-looked-at', 'yes')"
    )
    assert lab.accessibility("[data-looked-at=yes]") == []


def test_the_page_had_nothing_to_complain_about(lab):
    assert lab.console == []
    assert lab.failures() == []
