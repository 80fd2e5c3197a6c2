"""Slides that fit a projector: each one of each lecture, in the hand-out and in the live deck."""

import os
from pathlib import Path

import pytest
import small_course
from browser import chromium

from aidagen.publishing import notebooks, slides
from aidagen.publishing.slides import Measured

ROOT = Path(__file__).resolve().parents[1]
SCREENSHOTS = ROOT / "build" / "screenshots" / "slides"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium() is None and not os.environ.get("CI"),
        reason="there is no Chromium: sh data_scripts/install_system_packages.sh",
    ),
]
TALL = '# %% [markdown] slideshow={"slide_type": "slide"}\n# ## Too tall\n#\n' + "# * one\n" * 30
SMALL = (
    '\n# %% [markdown] slideshow={"slide_type": "slide"}\n# ## Too small\n#\n'
    '# <span style="font-size: 12px">Who can read this?</span>\n'
)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The small course, built, and two slides more than its notebook has."""
    root = tmp_path_factory.mktemp("course")
    small_course.write(root)
    with small_course.table_beside(root):
        notebooks.build(root)
    source = root / "course" / "98_small.py"
    source.write_text(source.read_text() + "\n" + TALL + SMALL)
    return root


@pytest.mark.parametrize("in_lab", [False, True], ids=["handout", "live"])
def test_what_does_not_fit_is_found(course, in_lab, tmp_path):
    [(source, missing, deck)] = slides.measure(course, in_lab=in_lab, shots=tmp_path)
    assert missing == 0, "only Markdown was added"
    *fit, tall, small = deck
    assert [slide.heading for slide in fit[:2]] == ["98 · A small lecture", "The formula"]
    assert len(fit) == 7
    assert [fault for slide in fit for fault in slide.faults()] == []
    assert fit[1].text >= slides.TEXT
    assert fit[1].figure > slides.FIGURE, "the diagram"
    [fault] = tall.faults()
    assert "pixels high" in fault
    [fault] = small.faults()
    assert "text of 12.0 pixels ('Who can read this?')" in fault
    assert "!! text of 12.0" in small.line()
    assert len(list((tmp_path / source.stem).glob("*.png"))) == 9


@pytest.mark.parametrize("in_lab", [False, True], ids=["handout", "live"])
def test_every_slide_of_the_lectures_fits(in_lab):
    shots = SCREENSHOTS / ("live" if in_lab else "handout")
    unfit = [
        f"{source.stem}, slide {slide.number} ({slide.heading}): {fault}"
        for source, _, deck in slides.measure(ROOT, in_lab=in_lab, shots=shots)
        for slide in deck
        for fault in slide.faults()
    ]
    assert unfit == []


def measured(**changes):
    fitting = Measured(1, "A slide", 900.0, 1920.0, 30.0, 22.0, 0.7, 0.3, "words")
    return fitting._replace(**changes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"height": 1041.0}, "1041 pixels high, 1040 fit"),
        ({"width": 2000.0}, "2000 pixels wide, 1920 fit"),
        ({"text": 27.0}, "text of 27.0 pixels ('words'), 28 are the least"),
        ({"code": 19.0}, "code of 19.0 pixels, 20 are the least"),
        ({"figure": 0.5}, "figure over 50% of the width, 60% are the least"),
    ],
)
def test_faults_of_a_slide(change, words):
    assert list(measured().faults()) == []
    assert list(measured(**change).faults()) == [words]


def test_a_high_figure_need_not_be_wide():
    assert list(measured(figure=0.3, high=0.55).faults()) == []
    assert list(measured(text=None, code=None, figure=None, high=None).faults()) == []


def test_an_unknown_lecture_is_said(capsys):
    assert slides.main(["77", "--root", str(ROOT)]) == 2
    assert "There is no lecture 77" in capsys.readouterr().err
