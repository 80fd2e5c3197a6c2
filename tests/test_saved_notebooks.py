"""What a saved notebook holds of a learner's photo: nothing, until the learner asks for it.

In a real JupyterLab that saves by itself every few seconds, and saves the state of widgets with it.
Every file that JupyterLab leaves behind is searched for the photo and for the pictures that the
widget sent to the page, byte by byte; and every picture in them for the photo's colours.
"""

import base64
import io
import json
import os
import re
import time

import numpy as np
import pytest
from browser import LabPage, chromium, page, server, write_notebook
from PIL import Image
from test_browser import SCREENSHOTS
from test_browser_widgets import ROOT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium() is None and not os.environ.get("CI"),
        reason="there is no Chromium: sh data_scripts/install_system_packages.sh",
    ),
]

SETTINGS = {
    "@jupyterlab/docmanager-extension": {"autosave": True, "autosaveInterval": 2},
    "@jupyter-widgets/jupyterlab-manager": {"saveState": True},
}
SETUP = """import sys
sys.path.insert(0, {tests!r})
import ipywidgets, pathlib, untrained
from aidagen import datasets
from aidagen.widgets.film import Film
from aidagen.widgets.own_photo import OwnPhoto
drawn, draw = pathlib.Path({drawn!r}), Film._page
def noted(film, t):
    page, pixels = draw(film, t)
    for i, each in enumerate(pixels):
        (drawn / f"{{id(film)}} {{page['key']}} {{t}} {{i}}.webp").write_bytes(each)
    return page, pixels
Film._page = noted
frames = datasets.load("heads").clips("test")[0].frames().float()[::6] / 255"""
OWN = 'own = OwnPhoto(untrained.model(), {"turning": frames}, faces=None)\nown'
CELLS = ['ipywidgets.FileUpload(description="Plain")', OWN, "own"]  # the third is run afterwards


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def noise():
    """Someone's picture for the plain upload of ipywidgets, whose bytes have to be found."""
    return png(np.random.default_rng(1).integers(0, 160, (60, 60, 3), np.uint8))


def photo():
    """A photo with a broad magenta frame, which no other picture here has."""
    pixels = np.random.default_rng(0).integers(60, 200, (240, 240, 3)).astype(np.uint8)
    pixels[:60], pixels[-60:] = (255, 0, 255), (255, 0, 255)
    return png(pixels)


def holds(text, content, window=30):
    """Whether ``text`` has a part of ``content``: raw, in base64 however aligned, as numbers."""
    for start in {*range(0, len(content) - window, 997), len(content) // 2}:
        part = content[start : start + window]
        listed = [json.dumps(list(part), separators=way)[1:-1] for way in ((",", ":"), (", ", ":"))]
        ways = [part, part.hex().encode(), *(each.encode() for each in listed)]
        for shift in range(3):  # whole groups of three bytes, wherever the groups begin
            whole = part[shift : shift + 3 * ((window - 3) // 3)]
            ways.append(base64.b64encode(whole))
        if any(way in text for way in ways):
            return True
    return False


def magenta(text):
    """How many pictures in ``text``, in base64, have the photo's frame."""
    found = 0
    for run in re.findall(rb"[A-Za-z0-9+/=]{200,}", text.replace(b"\\n", b"")):
        try:
            image = Image.open(io.BytesIO(base64.b64decode(run + b"=" * (-len(run) % 4))))
        except (OSError, ValueError):
            continue
        red, green, blue = np.asarray(image.convert("RGB")).astype(int).reshape(-1, 3).T
        found += ((red > 170) & (green < 90) & (blue > 170)).mean() > 0.005
    return found


class Saved:
    """Everything below the served folder."""

    def __init__(self, root, drawn):
        self.root, self.drawn = root, drawn
        self.notebook = root / "notebooks" / "99_photo.ipynb"
        self.copy = self.notebook.parent / ".ipynb_checkpoints" / "99_photo-checkpoint.ipynb"

    def files(self):
        return [path for path in self.root.rglob("*") if path.is_file()]

    def holding(self, content):
        """Names of the files that have a part of ``content``."""
        return sorted(path.name for path in self.files() if holds(path.read_bytes(), content))

    def of_the_photo(self):
        """What there is of the photo, and of what the widget made of it: names of files."""
        sent = [photo(), *(path.read_bytes() for path in self.drawn.iterdir())]
        assert len(sent) > 8, "photo, preview, and a clip of six frames"
        pictured = [path.name for path in self.files() if magenta(path.read_bytes())]
        return {*pictured, *(name for content in sent for name in self.holding(content))}

    def after(self, act, *paths, times=1, seconds=60):
        """Do it, and wait until these files were written afterwards; if nothing comes of it, up to
        so many times."""
        before = {path: path.stat().st_mtime_ns if path.exists() else 0 for path in paths}
        for _ in range(times):
            act()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                if all(path.exists() and path.stat().st_mtime_ns > before[path] for path in paths):
                    time.sleep(0.5)
                    return
                time.sleep(0.1)
        raise AssertionError(f"{[path.name for path in paths]}: not saved")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Lab and the files, after the photo was animated and everything was saved by itself."""
    root, drawn = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("drawn")
    for plugin, values in SETTINGS.items():
        file = root / ".jupyter/config/lab/user-settings" / plugin / "plugin.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    files = Saved(root, drawn)
    setup = SETUP.format(tests=str(ROOT / "tests"), drawn=str(drawn))
    write_notebook(files.notebook, [setup, *CELLS])
    with page(1280, 1000) as tab, server(root) as address:
        lab = LabPage(tab, address)
        lab.open("notebooks/99_photo.ipynb")
        lab.run_all()
        plain, area = lab.output(2), lab.output(3)
        lab.upload(plain.get_by_role("button", name=re.compile("Plain")), "plain.png", noise())
        plain.get_by_text("(1)").wait_for()
        choose = area.get_by_role("button", name="Choose a picture")
        lab.upload(choose, "me.png", photo())
        lab.wait_text(area, "held-out pictures stay below")
        area.get_by_role("checkbox", name=re.compile("picture of me")).check()
        lab.screenshot(SCREENSHOTS / "own_photo_chosen.png")

        def animate():
            area.get_by_role("button", name="Animate").click()
            lab.wait_text(area, "Animated: 6 frames")
            area.locator(".aidagen-film img").nth(4).wait_for()

        files.after(animate, files.notebook)
        yield lab, files
        assert lab.failures() == []
        assert lab.console == []


def save(lab, files):
    """What Ctrl-S does: the notebook and its checkpoint."""
    # on a busy machine a click may be lost
    files.after(lambda: lab.menu("File", "Save Notebook"), files.notebook, files.copy, times=3)


def test_the_search_finds_what_is_there(saved):
    _, files = saved
    assert files.holding(noise()) == [files.notebook.name], "ipywidgets' upload is in the state"
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + photo())
        assert holds(text, photo())
        assert not holds(text, noise())
    assert holds(str(list(photo())).encode(), photo())
    assert magenta(b'"data:image/png;base64,' + base64.b64encode(photo()) + b'"') == 1
    assert magenta(base64.b64encode(noise())) == 0


def test_a_notebook_that_saved_itself_holds_no_byte_of_the_photo(saved):
    _, files = saved
    state = json.loads(files.notebook.read_text())["metadata"]["widgets"]
    assert "The saved notebook holds neither your photo" in str(state), "its widgets are saved"
    assert files.of_the_photo() == set()


def test_nor_do_one_saved_by_hand_its_checkpoint_and_a_later_still(saved):
    lab, files = saved
    lab.run_cell(4)  # the same widget once more: what stands in for it is no picture of the photo
    lab.output(4).locator(".aidagen-film img").nth(4).wait_for()
    save(lab, files)
    outputs = [o for c in json.loads(files.notebook.read_text())["cells"] for o in c["outputs"]]
    assert sum("image/jpeg" in str(o) or "image/png" in str(o) for o in outputs) == 2
    assert files.copy.read_bytes() == files.notebook.read_bytes()
    assert files.of_the_photo() == set()


def test_the_box_puts_it_there_and_takes_it_out_again(saved):
    lab, files = saved
    area = lab.output(3)
    box = area.get_by_role("checkbox", name=re.compile("^Keep my photo"))
    box.check()
    lab.wait_text(area, "they are saved with the notebook")
    kept = area.locator(".jp-RenderedImage img")
    kept.wait_for()
    kept.scroll_into_view_if_needed()
    lab.screenshot(SCREENSHOTS / "own_photo_kept.png")
    save(lab, files)
    assert files.of_the_photo() == {files.notebook.name, files.copy.name}
    box.uncheck()
    lab.wait_text(area, "taken out of this notebook")
    kept.wait_for(state="detached")
    save(lab, files)
    assert files.of_the_photo() == set()


def test_the_page_gets_the_pictures_again_when_it_is_opened_again(saved):
    lab, _ = saved
    lab.open("notebooks/99_photo.ipynb")
    images = lab.output(3).locator(".aidagen-film img")
    images.nth(4).wait_for()
    assert images.evaluate_all("all => all.every(each => each.naturalWidth > 100)")
    assert lab.output(3).get_by_role("button", name="Animate").is_enabled()
