"""The standard of a lecture: each doctored copy of a small one has one fault, which is named."""

from types import ModuleType, SimpleNamespace

import pytest
import small_course

from aidagen.errors import AidagenError
from aidagen.publishing import copies, diagrams, notebooks, standard
from aidagen.teaching import material


@pytest.fixture
def course(tmp_path):
    small_course.write(tmp_path)
    with small_course.table_beside(tmp_path):
        yield tmp_path


def lecture(course, old="", new="", count=1):
    """The cells of the small lecture, ``old`` in its text replaced by ``new``."""
    source = course / "course" / "98_small.py"
    text = source.read_text()
    assert old in text, "the fixture changed"
    source.write_text(text.replace(old, new, count))
    return notebooks.read_source(source)


def test_the_small_lecture_holds_to_the_standard(course):
    notebook = lecture(course)
    assert list(standard.problems(notebook)) == []
    assert list(standard.exercise_problems(notebook, material.of("98"))) == []
    assert list(diagrams.lecture_problems(notebook, course)) == []


FORMULA = "| 30 | the formula | explain | The formula |"
SLIDE = '# %% [markdown] slideshow={"slide_type": "slide"}\n# ## Again\n\n'
NOTE = (
    '# %% [markdown] slideshow={"slide_type": "notes"}\n'
    '# **0 min.** Say: "Again." Ask: "Again?"\n\n'
)
PICTURE = '# %% [markdown] slideshow={"slide_type": "slide"} tour=true\n# ## The picture'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("| kind | begins", "| sort | begins", "its columns are | minutes | part | kind | begins"),
        ("| the picture | widget |", "| the picture | listen |", "has kind 'listen'"),
        (FORMULA, FORMULA.replace("explain", "exercise"), "20 of 75 minutes are explain or disc"),
        (FORMULA, FORMULA.replace("The f", "A f"), 'no slide has the heading "A formula"'),
        ("**If late:**", "If late:", 'no line below it begins with "**If late:**"'),
        ("**27 min.**", "**7 min.**", "75 minutes, and the speaker notes sum up to 55"),
        (PICTURE, (SLIDE + NOTE) * 17 + PICTURE, "has 23 slides, more than 22"),
        (PICTURE, SLIDE + PICTURE, 'slide "Again": 0 speaker notes, not one'),
        ('Ask: "Is $y', '"Is $y', 'a speaker note has Ask: "..."'),
        ('Say: "Look', '"Look', 'a speaker note has Say: "..."'),
        ("**Objective.** See it.", "See it.", 'block "The picture": its first slide has no line'),
        ("**Key point.** Twice", "Twice", 'block "The formula": it does not end with a line'),
        ("## Summary", "## The end", 'has no section "## Summary"'),
        ("## What comes next\n#\n# Lecture 99 trebles.", "", 'no section "## What comes next"'),
        ("| term | meaning |", "| word | sense |", "a table that begins | term | meaning |"),
        ("[On numbers](https://example.org/)", "On numbers", '"Further reading": it has no link'),
        ("double(3) > 5,", "x = 1\n" * 250 + "double(3) > 5,", "lines of code, more than 250"),
        ("Twice as much.", "Twice, from memory.", 'something is quoted "from memory"'),
    ],
)
def test_a_doctored_lecture(course, old, new, words):
    found = list(standard.problems(lecture(course, old, new)))
    assert any(words in sentence for sentence in found), found
    counted = "**Objective.**" in old or "**Key point.**" in old  # the sums differ as well
    assert len(found) == 1 + counted


def test_three_live_exercises_are_too_many(course):
    rows = "".join(f"# | 1 | more {n} | exercise | Three exercises |\n" for n in (1, 2))
    notebook = lecture(course, "# | 15 | the picture", rows + "# | 15 | the picture")
    [found] = standard.problems(notebook)
    assert "3 exercises in class, more than 2" in found


def test_only_code_that_a_learner_sees_counts(course):
    seen = standard.visible_lines(lecture(course))
    assert seen == standard.visible_lines(lecture(course, "import os\n", "import os\n\nx = 1\n"))
    more = lecture(course, "double(3) > 5,", "x = 1\n\ndouble(3) > 5,")
    assert standard.visible_lines(more) == seen + 1


def test_a_plan_is_read_with_its_blocks():
    text = "words\n\n| minutes | part | kind | begins with |\n|---|---|---|---|\n"
    [one] = standard.plan(text + "| 7 | a toy | discuss | A toy |\n\n**If late:** leave it.")
    assert one == (7.0, "a toy", "discuss", "A toy")
    assert standard.plan("| a | b |\n|---|---|\n| 1 | 2 |") is None


# --- exercises ------------------------------------------------------------------------------------


def exercise(**changes):
    fields = {"place": "home", "hints": ("One.", "Two."), "picture": print}
    return SimpleNamespace(**(fields | changes))


def table(*changes, tasks=None):
    """A module of exercises, one for each kind, changed."""
    exercises = [exercise(kind=kind, id=f"98.{n}") for n, kind in enumerate(material.KINDS, 1)]
    for one, change in zip(exercises, changes):
        vars(one).update(change)
    task = SimpleNamespace(id="98.o1", rubric="Right?")
    made = ModuleType("exercises")
    vars(made).update(EXERCISES=exercises, OPEN_TASKS=[task] if tasks is None else tasks)
    return made


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (table({"kind": "fault"}), 'has no exercise of kind "equation"'),
        (table({}, {}, {"kind": "fault"}), 'has no exercise of kind "experiment"'),
        (table(*[{"place": "class"}] * 3), "has 3 exercises in class (98.1, 98.2, 98.3)"),
        (table({"hints": ("One.",)}), "98.1 needs two hints"),
        (table({"picture": None}), "98.1 needs a picture of its result"),
        (table({"id": "98.9"}), 'check.card("98.9")'),
        (table(tasks=[]), "has no open task with a rubric"),
        (table(tasks=[SimpleNamespace(id="98.o1", rubric="")]), "has no open task with a rubric"),
        (table(tasks=[SimpleNamespace(id="98.o7", rubric="?")]), 'check.open_task("98.o7")'),
    ],
)
def test_a_doctored_table_of_exercises(course, made, words):
    notebook = lecture(course)
    assert list(standard.exercise_problems(notebook, table())) == []
    [found] = standard.exercise_problems(notebook, made)
    assert words in found


# --- diagrams -------------------------------------------------------------------------------------

TEXT = '<text x="40" y="100" font-family="system-ui, sans-serif" font-size="24">x</text>'
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 200"><title>A box</title>'
    f'<rect width="800" height="200" fill="#fff"/>{TEXT}</svg>'
)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("</svg>", "", "is not SVG"),
        ('viewBox="0 0 800 200"', "", "has no viewBox"),
        ("<title>A box</title>", "", "has no <title>"),
        ("A box", " ", "has no <title>"),
        (TEXT, TEXT + "<script>1</script>", "holds a script"),
        ("<rect", '<rect onclick="x()"', "holds a script"),
        (TEXT, TEXT + '<image href="https://example.org/x.png"/>', "outside itself"),
        (TEXT, TEXT + "<style>@import 'x.css';</style>", "outside itself"),
        (TEXT, TEXT + "<style>rect {fill: url(x.svg#a)}</style>", "outside itself"),
        ('font-size="24"', 'font-size="11"', "22 pixels when it is drawn 1600 wide"),
        ('font-size="24"', 'style="font: 11px sans-serif"', "22 pixels when it is drawn"),
        ('font-size="24"', 'font-size="2em"', "text of size 2em: say it as a number"),
        ('font-size="24"', "", "does not say the size of its text"),
        ("system-ui, sans-serif", "Comic Sans MS", "does not name the font sans-serif"),
        (TEXT, f'<g transform="scale(.5)">{TEXT}</g>', "text inside a scaled group"),
        ('<rect width="800"', '<rect width="700"', "has no background of its own"),
    ],
)
def test_a_doctored_drawing(old, new, words):
    assert list(diagrams.drawing_problems(DRAWING)) == []
    assert old in DRAWING
    [found] = diagrams.drawing_problems(DRAWING.replace(old, new, 1))
    assert words in found


@pytest.mark.parametrize("inside", ['<use href="#a"/>', '<rect fill="url(#a)"/>'])
def test_a_drawing_may_refer_to_itself(inside):
    assert list(diagrams.drawing_problems(DRAWING.replace(TEXT, TEXT + inside))) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("98_flow.svg", "98_none.svg", "there is no course/diagrams/98_none.svg"),
        ("98_flow.svg", "98_idea.svg", "has 2 diagrams, fewer than 3"),
        ("A box with x on the left, an arrow to", "To", "has 55 characters, fewer than"),
        ("../course/diagrams/98_flow.svg", "98_flow.svg", "does not lie in ../course/diagrams/"),
    ],
)
def test_a_doctored_diagram_of_a_lecture(course, old, new, words):
    [found] = diagrams.lecture_problems(lecture(course, old, new), course)
    assert words in found


def test_a_drawing_that_no_lecture_includes(course):
    paths = sorted((course / "course" / "diagrams").glob("*.svg"))
    names = {path.name for path in paths}
    assert list(diagrams.problems(paths, names)) == []
    [found] = diagrams.problems(paths, names - {"98_step.svg"})
    assert found == "course/diagrams/98_step.svg is not included by any lecture."


def test_pages_hold_their_drawings_and_notebooks_find_them(course):
    notebook = lecture(course)
    drawn = diagrams.inline(notebook, course / "notebooks")
    [html] = [c.source for c in drawn.cells if "svg+xml" in c.source and "The formula" in c.source]
    assert 'alt="A box with x on the left, an arrow to a box with 2x on the right: every' in html
    deeper = diagrams.moved_down(notebook)
    assert sum(c.source.count("](../../course/diagrams/") for c in deeper.cells) == 3
    assert "](../course" in "".join(c.source for c in notebook.cells), "the original stays"
    (course / "course" / "diagrams" / "98_step.svg").unlink()
    with pytest.raises(AidagenError, match="There is no diagram"):
        diagrams.inline(notebook, course / "notebooks")


# --- folding --------------------------------------------------------------------------------------


def test_cells_are_folded_by_their_tags_and_the_text_says_no_more(course):
    notebook = lecture(course)
    before = notebooks.as_text(notebook)
    notebooks.fold(notebook)
    hidden = [c for c in notebook.cells if c.metadata.get("jupyter", {}).get("source_hidden")]
    assert all(copies.tags(c) & {"hide-input", "check"} for c in hidden)
    assert len(hidden) == 11, "set-up, task, three cards, three checks, figure, sum, slider"
    assert "source_hidden" not in before
