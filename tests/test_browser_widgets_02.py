"""The smile explorer in a real JupyterLab, by keyboard and by mouse, as its older brothers.

Harness and helpers are those of `test_browser_widgets`; the models are small, with fresh weights.
"""

import re

import pytest
from browser import LabPage, page, server, write_notebook
from test_browser_widgets import ROOT, Shown, pytestmark  # noqa: F401 - skips without a browser

SETUP = f"""import json, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import torch, untrained
from aidagen.widgets.smile_explorer import SmileExplorer
faces, points = map(torch.stack, zip(*(untrained.neutral(i) for i in (0, 6))))
models = [untrained.smiles(0), untrained.smiles(0, lively=5), untrained.smiles(1, skips=False)]"""

SHOWN = """explorer = SmileExplorer(models[0], faces, points, ["Ada", "Ben"],
    others={"too large a margin": models[1], "painter without skips": models[2]}, frames=12)
explorer"""
STATE = (
    "[explorer.frame, explorer.face, explorer.label, explorer.mode, explorer.toward, "
    "explorer.share, explorer.model, explorer.skips, explorer.spoken.value]"
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The notebook with the explorer, run once."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [SETUP, SHOWN, f"print(json.dumps({STATE}))"]
    write_notebook(folder / "notebooks" / "99_widgets.ipynb", cells)
    with page(1280, 1000) as chromium_page, server(folder) as address:
        opened = LabPage(chromium_page, address)
        opened.open("notebooks/99_widgets.ipynb")
        opened.run_all()
        assert opened.failures() == []
        yield opened


class Explorer(Shown):
    names = ("smile explorer",)

    def frame(self):
        return int(self.area.locator(".aidagen-transport .widget-readout").inner_text().split()[0])

    def pictures(self):
        """The addresses of all pictures: other ones as soon as something else is shown."""
        return [image.get_attribute("src") for image in self.area.locator(".screen img").all()]


@pytest.fixture
def widget(lab):
    return Explorer(lab, "smile explorer")


def test_it_plays_until_it_is_paused(widget):
    pause = widget.area.get_by_role("button", name="Pause")
    pause.wait_for()  # autoplay
    seen = set()
    for _ in range(2400):
        seen.add(widget.frame())
        if len(seen) == 12:
            break
        widget.lab.page.wait_for_timeout(20)
    assert len(seen) == 12, f"it does not play: {seen}"
    widget.says("Ada, posed, 3 modes of this model")
    spoken = widget.area.locator(".aidagen-spoken").inner_text()
    assert spoken.startswith("Ada, posed"), "no frame is said while they pass"
    pause.click()
    frame, *_ = widget.state()
    widget.says(f"Frame {frame} of 12: the mouth is open by")
    assert widget.area.locator(".screen img").count() == 5, "three modes, the face, the curves"
    widget.keep("all modes")
    widget.area.get_by_label("Landmarks").check()
    for _ in range(200):
        if widget.area.locator(".screen img").count() == 8:
            break
        widget.lab.page.wait_for_timeout(50)
    assert widget.area.locator(".screen img").count() == 8
    widget.keep("landmarks")


def test_one_mode_and_what_lies_between_two(widget):
    slider = widget.area.get_by_label("Part of the way")
    assert slider.is_disabled()
    widget.area.get_by_label("Mode", exact=True).select_option("mode 1")
    widget.says("mode 1 of this model: it lies 0")
    assert widget.area.locator(".screen img").count() == 4
    widget.area.get_by_label("Morph to").select_option("mode 3")
    slider.focus()
    before = widget.pictures()
    widget.press("ArrowRight", "ArrowRight")
    widget.says("10 % of the way from mode 1 to mode 3 of this model, generated from the mixed emb")
    for _ in range(200):
        if widget.pictures() != before:
            break
        widget.lab.page.wait_for_timeout(50)
    assert widget.pictures()[0] != before[0]
    widget.press("End")
    widget.says("100 % of the way from mode 1 to mode 3")
    widget.click(slider, 0.5)
    said = widget.says(r"(4[05]|5[05]) % of the way from mode 1 to mode 3")
    widget.keep("between two modes")
    _, face, label, mode, toward, share, *_ = widget.state()
    assert (face, label, mode, toward) == ("Ada", "posed", 1, 3)
    assert f"{share} % of the way" in said
    widget.area.get_by_label("Mode", exact=True).select_option("all 3, side by side")
    widget.says("3 modes of this model: two of them lie")
    assert slider.is_disabled()


def test_face_label_models_and_skips_by_keyboard(widget):
    cells = widget.lab.page.locator(".jp-Notebook .jp-CodeCell").count()
    face = widget.area.get_by_label("Face")
    face.focus()
    widget.press("b")  # in JupyterLab: a new cell below
    widget.says("Ben, posed, 3 modes")
    widget.press("ArrowUp")  # in JupyterLab: the cell above
    widget.says("Ada, posed, 3 modes")
    widget.press("ArrowDown")
    widget.says("Ben, posed, 3 modes")
    assert widget.lab.page.locator(".jp-Notebook .jp-CodeCell").count() == cells
    assert face.evaluate("node => node === document.activeElement")
    widget.area.get_by_label("Smile").focus()
    widget.press("ArrowDown")
    widget.says("Ben, spontaneous, 3 modes")
    model = widget.area.get_by_label("Model")
    model.focus()
    widget.press("ArrowDown")
    widget.says(r"3 modes of too large a margin: .* That is \d\.\d times as far as for this model")
    skips = widget.area.get_by_label("Skips")
    skips.focus()
    widget.press("Space")
    widget.says("The painter's skips are cut")
    widget.press("Space")
    model.focus()
    widget.press("ArrowDown")
    widget.says("The painter is that of painter without skips")
    assert skips.is_disabled()
    assert widget.state()[6:8] == ["painter without skips", True]
    model.focus()
    widget.press("Home")
    widget.says("Ben, spontaneous, 3 modes of this model")


def test_scrubbing_by_keyboard(widget):
    widget.area.get_by_role("slider", name="Frame").focus()
    widget.press("Home")
    widget.says(r"Frame 1 of 12: the mouth is open by 0\.\d\d, 0\.\d\d and 0\.\d\d")
    widget.press("ArrowRight", "ArrowRight")
    widget.says("Frame 3 of 12")
    assert widget.state()[0] == 3
    alts = [image.get_attribute("alt") for image in widget.area.locator(".screen img").all()]
    assert any(re.match(r"Generated, frame 3, mode 2: the mouth is open by 0", alt) for alt in alts)


def test_what_is_no_picture_gets_a_sentence(widget):
    upload = widget.area.get_by_role("button", name=re.compile("Choose a picture"))
    face = widget.state()[1]
    widget.lab.upload(upload, "me.txt", b"I am no picture", "text/plain")
    widget.says("First tick .This is a picture of me")
    widget.area.get_by_label("This is a picture of me, or of someone who agreed").check()
    widget.lab.upload(upload, "me.txt", b"I am no picture", "text/plain")
    widget.says("me.txt is not a picture that can be read; save it")
    assert widget.state()[1] == face


def test_no_serious_violation(widget, lab):
    lab.page.evaluate(
        "() => document.querySelectorAll('.jp-Notebook .jp-CodeCell')[1]"
        ".querySelector('.jp-OutputArea-output').setAttribute('data-looked-at', 'yes')"
    )
    assert lab.accessibility("[data-looked-at=yes]") == []


def test_the_page_had_nothing_to_complain_about(lab):
    assert lab.console == []
    assert lab.failures() == []
