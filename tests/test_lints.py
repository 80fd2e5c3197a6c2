"""Doctored copies of a small lecture: each lint's sentence names the fault, and only that one."""

import shutil
import sys

import nbformat
import pytest
import small_course

from aidagen.errors import AidagenError
from aidagen.publishing import lints, notebooks
from aidagen.teaching import check, compute, papermap


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The small course with its notebook, executed once."""
    root = tmp_path_factory.mktemp("course")
    small_course.write(root)
    notebooks.build(root)
    return root


@pytest.fixture
def course(built, tmp_path, monkeypatch):
    """A copy to doctor; maps and cards say nothing unless a test lets them."""
    root = tmp_path / "copy"
    shutil.copytree(built, root)
    for module in (papermap, compute):
        monkeypatch.setattr(module, "problems", lambda root: [])
    with small_course.table_beside(root):
        yield root


def doctor(root, old, new, count=1):
    """Change the text; its notebook is built again without running it: outputs stay."""
    source = root / "course" / "98_small.py"
    text = source.read_text()
    assert old in text, "the fixture changed"
    source.write_text(text.replace(old, new, count))
    path = notebooks.notebook_of(source)
    before = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
    after = notebooks.read_source(source)
    for cell in after.cells:
        if cell.cell_type == "code" and cell.id in before:
            cell.outputs = before[cell.id].get("outputs", [])
            cell.execution_count = before[cell.id].get("execution_count")
    path.write_text(notebooks.dumps(after))


def the_fault(root):
    [sentence] = lints.problems(root)
    return sentence


def test_the_small_lecture_is_gone_after_its_test(tmp_path):
    small_course.write(tmp_path)
    with small_course.table_beside(tmp_path):
        assert len(check.exercises("98")) == 3
        assert "aidagen.lectures.small.exercises" in sys.modules
    assert not [name for name in sys.modules if name.startswith("aidagen.lectures.small")]
    with pytest.raises(AidagenError, match="Lecture '98' has no exercises"):
        check.exercises("98")


def test_the_small_lecture_has_no_fault(course, capsys):
    assert lints.problems(course) == []
    assert lints.main(["--root", str(course)]) == 0
    doctor(course, "**3 min.** Say", "Say")
    assert lints.main(["--root", str(course)]) == 1
    assert "speaker note begins with its minutes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (small_course.HEADER, "", "has no jupytext header"),
        ('tags=["instructor"]', 'tags=["teacher"]', "unknown tag teacher"),
        ("**After this lecture you can**", "**Contents**", "has no objectives"),
        ("| minutes | part |", "| time | part |", "has no minute plan"),
        ("**3 min.** Say", "3 minutes. Say", "a speaker note begins with its minutes"),
        ('alt="A grey bar." ', "", "a figure without alt text"),
        ("double(3) > 5,", "x = 1\n" * 25 + "double(3) > 5,", "26 lines of code, more than 25"),
        ("double(3) > 5,", "# %time double(3)\ndouble(3) > 5,", "'%time double(3)' is a magic"),
        ("double(3) > 5,", "# !ls\ndouble(3) > 5,", "'!ls' is a magic"),
        ("double(3) > 5,", "get_ipython().magic('time')\ndouble(3) > 5,", "calls IPython's magics"),
        ("double(3) > 5,", "double(3) > > 5,", "is not Python (invalid syntax)"),
        ('check.choose("98.3", square)', "square", "has 2 exercises, fewer than 3"),
        ('check.choose("98.3", square)', 'check.choose("98.9", square)', 'chooses "98.9"'),
    ],
)
def test_a_doctored_text(course, old, new, words):
    if old == small_course.HEADER:  # then there is nothing to build from
        source = course / "course" / "98_small.py"
        source.write_text(source.read_text().removeprefix(old))
    else:
        doctor(course, old, new)
    found = lints.problems(course)
    assert any(words in sentence for sentence in found), found
    assert all("98_small" in sentence for sentence in found)
    # a check that goes leaves its exercise alone, which is said as well
    assert len(found) == 1 + ("check.choose" in old)


def test_a_lecture_begins_with_a_slide(course):
    doctor(course, '"slide"} tour=true\n# # 98', '"notes"} tour=true\n# # 98')
    assert any("does not begin with a slide" in fault for fault in lints.problems(course))


@pytest.mark.parametrize("minutes", [10, 70])
def test_a_plan_takes_60_to_90_minutes(course, minutes):
    doctor(course, "| 30 | the formula |", f"| {minutes} | the formula |")
    words = f"plans {45 + minutes} minutes; 60 to 90"
    assert any(words in fault for fault in lints.problems(course))


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ("loss 0.1234", "three or more decimals ('0.1234')"),
        ("done in 3.1 s", "a time ('3.1 s')"),
        ("it took about 12 seconds", "a time ('took about 12 seconds')"),
        ("at 12:45", "a time ('12:45')"),
        ("<object at 0x7f12ab34>", "an address ('0x7f12ab34')"),
        ("written to /var/tmp/clip.mp4", "a path ('/var/tmp/clip.mp4')"),
        ("", "nothing is printed that could be compared"),
    ],
)
def test_compared_outputs_are_judgements(course, shown, words):
    path = course / "notebooks" / "98_small.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cell = next(c for c in notebook.cells if "doubled and halved" in c.source)
    cell.outputs[0].text = shown
    path.write_text(notebooks.dumps(notebook))
    sentence = the_fault(course)
    assert words in sentence
    assert cell.id in sentence


@pytest.mark.parametrize(
    "shown",
    [
        "yes: 2 of 3 clips",
        "ratio 1.25",
        "and/or",
        "05.1: passed",
        "shape (2, 64, 64)",
        "under 60 s: yes",
    ],
)
def test_a_judgement_is_no_measurement(shown):
    assert list(lints.measurements(shown)) == []


def test_a_clip_in_html_says_what_it_shows(course):
    path = course / "notebooks" / "98_small.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cell = [c for c in notebook.cells if c.cell_type == "code"][-1]
    for html, silent in {
        '<video controls src="data:video/mp4;base64,AA"></video>': True,
        '<img src="data:,">': True,
        '<img alt="" src="data:,">': True,
        '<img alt="A dot." src="data:,">': False,
        '<video aria-label="A clip." controls></video>': False,
    }.items():
        cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": html})]
        path.write_text(notebooks.dumps(notebook))
        found = lints.problems(course)
        assert [("without alt or aria-label" in sentence) for sentence in found] == [True] * silent


def test_a_stale_notebook(course):
    source = course / "course" / "98_small.py"
    source.write_text(source.read_text().replace("Welcome everybody", "Welcome"))
    sentence = the_fault(course)
    assert "notebooks/98_small.ipynb is not what course/98_small.py says" in sentence
    assert "make notebooks" in sentence
    notebooks.notebook_of(source).unlink()
    assert "98_small.ipynb is missing" in the_fault(course)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lambda x: x + 2", "lambda x: x * 2", "wrong answer 'first slip' of exercise 98.1 passes"),
        ("lambda x: x + 2", "lambda x: x", "'second slip' of exercise 98.1 gets another hint"),
        ("lambda x: 2 * x, lambda", "lambda x: None, lambda", "reference of exercise 98.1"),
        ('id=f"98.{k}"', 'id=f"98.{k + 1}"', 'chooses "98.1", which the lecture does not have'),
        (
            "OPEN_TASKS =",
            "EXERCISES = EXERCISES[:2]\nOPEN_TASKS =",
            'chooses "98.3"',
        ),
        (
            "PREDICTIONS",
            "for e in EXERCISES:\n    e.__dict__['wrong'] = e.wrong[:1]\nP",
            "fewer than",
        ),
    ],
)
def test_a_doctored_exercise(course, old, new, words):
    table = course / "tables" / "small" / "exercises.py"
    text = table.read_text()
    assert old in text, "the fixture changed"
    table.write_text(text.replace(old, new, 1))
    found = lints.problems(course)
    assert any(words in sentence for sentence in found), found


def test_a_lecture_without_a_table(course):
    (course / "tables" / "small" / "exercises.py").unlink()
    assert "has no table of exercises" in the_fault(course)


def test_a_notebook_over_its_size(course, monkeypatch):
    monkeypatch.setattr(notebooks, "LARGEST", 1000)
    assert "98_small.ipynb has 0.1 MB, more than 0: show smaller" in the_fault(course)


def test_broken_equation_references_and_budgets_are_passed_on(course, monkeypatch):
    monkeypatch.setattr(papermap, "problems", lambda root: ["98_small: no line has eq. (7)."])
    assert "eq. (7)" in the_fault(course)
    monkeypatch.setattr(papermap, "problems", lambda root: [])
    monkeypatch.setattr(compute, "problems", lambda root: ["Lecture 98 took 9 minutes of 2."])
    assert "9 minutes of 2" in the_fault(course)
