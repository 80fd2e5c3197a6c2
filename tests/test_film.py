"""Films and panels as Python objects: what the browser is sent, and what stands in an output."""

import base64
import io
import os
import threading

import nbformat
import numpy as np
import pytest
import torch
import untrained
from browser import chromium, page, said, show_widget
from PIL import Image
from shown import Shown

from aidagen import datasets
from aidagen.errors import AidagenError
from aidagen.publishing import execution, pages
from aidagen.widgets.ablations import Ablations
from aidagen.widgets.canvas import PointCanvas
from aidagen.widgets.film import Film, View
from aidagen.widgets.mask_painter import MaskPainter
from aidagen.widgets.metric_lab import MetricLab
from aidagen.widgets.motion_microscope import MotionMicroscope
from aidagen.widgets.own_photo import OwnPhoto
from aidagen.widgets.puppet import Puppet
from aidagen.widgets.side_by_side import SideBySide
from aidagen.widgets.smile_explorer import SmileExplorer
from aidagen.widgets.time_machine import TimeMachine


def grey(t, shade=0):
    """One cell with one picture, the lighter the later."""
    pixels = np.full((8, 8, 3), 20 * t + shade, np.uint8)
    return [[View(f"frame {t}", f"Grey of frame {t}", pixels)]]


def asked(film, frame, key):
    """What the browser gets when it asks for a frame."""
    answers = []
    film.send = lambda content, buffers=None: answers.append((content, buffers))
    film._handle_custom_msg({"frame": frame, "key": key}, [])
    return answers


def test_the_browser_gets_each_frame_that_it_asks_for():
    film = Film(grey, 5, value=2)
    assert film.page["at"] == 2
    assert Shown(film).captions == ["frame 2"]
    ((page, pixels),) = asked(film, 4, film.page["key"])
    assert (page["at"], page["cells"][0][0]["alt"]) == (4, "Grey of frame 4")
    assert np.asarray(Image.open(io.BytesIO(pixels[0]))).mean() == pytest.approx(80, abs=3)
    assert (film.value, film.page["at"]) == (2, 2), "the film itself stays where it is"
    for frame in (0, 6, "x", None):
        assert asked(film, frame, film.page["key"]) == []


def test_frames_of_before_a_change_are_not_sent():
    shade = [0]
    film = Film(lambda t: grey(t, shade[0]), 3)
    old, before = film.page["key"], film.pixels[0]
    shade[0] = 100
    film.refresh()
    assert film.page["key"] != old
    assert film.pixels[0] != before
    assert asked(film, 2, old) == []
    assert len(asked(film, 2, film.page["key"])) == 1


def test_a_frame_begun_before_a_change_is_not_taken_for_one_after_it():
    """Two changes at once, in two threads: each key stands for one state, the last for the last."""
    state, begun, finish = ["first"], threading.Event(), threading.Event()

    def draw(t):
        name = state[0]
        if name == "second":
            begun.set()
            finish.wait(10)
        return [[View(name, name, np.zeros((8, 8, 3), np.uint8))]]

    film, sent = Film(draw, 3), []
    film.observe(lambda change: sent.append(change["new"]), "page")
    state[0] = "second"
    threads = [threading.Thread(target=film.refresh) for _ in range(2)]
    threads[0].start()
    assert begun.wait(10)
    state[0] = "third"
    threads[1].start()
    threads[1].join(0.2)  # as far as it comes while the first one draws
    finish.set()
    for thread in threads:
        thread.join(10)
    names = [(page["key"], page["cells"][0][0]["caption"]) for page in sent]
    assert names == [(1, "second"), (2, "third")]
    assert film.page["key"] == 2


def test_a_film_stays_inside_its_frames():
    film = Film(grey, 3)
    film.value = 99
    assert film.value == film.page["at"] == 3
    film.value = -1
    assert film.value == 1
    with pytest.raises(AidagenError, match="one frame or more, not 0"):
        Film(grey, 0)


def test_another_clip_plays_and_an_empty_one_is_hidden():
    film = Film(grey, 3, value=3)
    film.load(lambda t: grey(t, 9), 7)
    assert (film.high, film.value, film.autoplay, film.playing) == (7, 1, True, False)
    film.playing = True
    film.empty()
    assert (film.playing, film.autoplay, film.layout.display) == (False, False, "none")
    assert film.pixels == []


def test_a_bar_without_pictures_says_only_where_it_is():
    film = Film(None, 4)
    film.value = 3
    assert (film.pictured, film.page["at"], film.page["cells"]) == (False, 3, [])


# --- stills


# while frame 2 plays, Python draws frame 1 of another clip; a copy of the page reads what is shown
COPIED = """pixels => {
  window.model.set("pixels", pixels);
  window.model.set("page", { ...window.model.get("page"), at: 1, key: "other" });
  window.copy = document.querySelector("main").cloneNode(true);
}"""


@pytest.mark.browser
@pytest.mark.skipif(chromium() is None and not os.environ.get("CI"), reason="no Chromium")
def test_a_picture_can_be_read_as_long_as_it_is_shown():
    film = Film(grey, 3, value=2)
    names = ("label", "low", "high", "value", "texts", "fps", "speed", "pictured", "page")
    pixels = [list(each) for each in film.pixels]
    state = {name: getattr(film, name) for name in names} | {"playing": True, "pixels": pixels}
    script = Film._esm.replace('get("pixels")', 'get("pixels").map((x) => new Uint8Array(x))')
    console = []
    with page() as tab:
        tab.on("console", lambda message: console.append(said(message)))
        tab.set_content("<main></main>")
        show_widget(tab, type("Bare", (), {"_esm": script, "_css": Film._css}), state)
        tab.wait_for_function("document.querySelector('img').naturalWidth > 0")
        tab.evaluate(COPIED, pixels)
        tab.wait_for_function("window.copy.querySelector('img').complete")
        assert tab.evaluate("window.copy.querySelector('img').naturalWidth") > 0
        assert console == []


@pytest.fixture(scope="module")
def frames():
    return datasets.load("heads").clips("test")[0].frames().float()[::8] / 255


WIDGETS = {
    "microscope": lambda m, f: MotionMicroscope(m[0], f[0], f),
    "two models": lambda m, f: MotionMicroscope(m[0], f[0], f, other=m[1], other_name="two"),
    "side by side": lambda m, f: SideBySide({"one": m[0], "two": m[1]}, {}, f),
    "ablations": lambda m, f: Ablations({"one": m[0], "two": m[1]}, f),
    "time machine": lambda m, f: TimeMachine({1: m[0], 9: m[1]}, f),
    "puppet": lambda m, f: Puppet(m[0], f[0]),
    "mask painter": lambda m, f: MaskPainter(m[0], f[0], f),
    "metric lab": lambda m, f: MetricLab(f, f.flip(-1)),
    "own photo": lambda m, f: OwnPhoto(m[0], {"turning": f}, faces=None),
    "canvas": lambda m, f: PointCanvas(f[0], [[0, 0]], alt="A head"),
    "smile explorer": lambda m, f: SmileExplorer(
        untrained.smiles(), *(x[None] for x in untrained.neutral()), ["Ada"], frames=4
    ),
}


@pytest.mark.parametrize("name", list(WIDGETS))
def test_every_widget_carries_a_still_with_words(name, frames):
    models = [untrained.model(seed) for seed in (0, 1)]
    widget = WIDGETS[name](models, frames)
    before = {key: value for key, value in widget.get_state().items() if key != "layout"}
    data, metadata = widget._repr_mimebundle_()
    assert execution.WIDGET_VIEW in data, "in Lab it is alive"
    (kind,) = (kind for kind in data if kind.startswith("image/"))
    content = base64.b64decode(data[kind])
    assert len(content) < 200_000
    picture = Image.open(io.BytesIO(content))
    assert picture.width >= 256
    assert np.asarray(picture.convert("L")).std() > 10, "there is something to see"
    assert len(metadata[kind]["alt"]) > 5
    after = {key: value for key, value in widget.get_state().items() if key != "layout"}
    assert before == after, "a still changes nothing"


def test_without_a_kernel_the_still_is_shown(frames, tmp_path):
    """The stored state of such a widget is too large to keep; its picture stays."""
    model = untrained.model()
    widget = MotionMicroscope(model, frames[0], frames)
    data, metadata = widget._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    cell = nbformat.v4.new_code_cell("widget", outputs=[output], id="99-001")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    execution.clean(notebook, tmp_path)
    (kept,) = notebook.cells[0].outputs
    assert execution.WIDGET_VIEW not in kept.data
    html = pages.output(kept, notebook, "")
    assert html.startswith('<img alt="Motion microscope: source, driving and generated frame')
    assert "Frame" in html.split('src="')[0]


def test_a_figure_of_a_puppet_moves_no_keypoint(frames):
    puppet = Puppet(untrained.model(), frames[0])
    points, image = puppet.points, puppet.image
    moved = puppet.figure(moves={3: (0.2, 0.1)})
    assert moved.tobytes() != puppet.figure().tobytes()
    assert puppet.points == points
    assert torch.equal(puppet.image, image)
    with pytest.raises(AidagenError, match="no keypoint 11"):
        puppet.figure(moves={11: (0, 0)})
