"""A course of one small lecture, 98, with three exercises: what tests doctor and break.

It holds to the standard of a lecture, so that each doctored copy has one fault alone.

Its topic's folder lies beside it, in ``tables/small``; `aidagen.teaching` finds it there through
the path of `aidagen.lectures`, in this process (``table_beside``) and in the lecture's kernel (the
first code cell).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aidagen.lectures

HEADER = """# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

"""
BEGIN = """# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# # 98 · A small lecture
#
# **After this lecture you can**
#
# 1. double a number;
# 2. halve it;
# 3. say why $y = 2x$ is linear.
#
# | minutes | part | kind | begins with |
# |---|---|---|---|
# | 30 | the formula | explain | The formula |
# | 20 | a question | discuss | What is linear? |
# | 10 | exercises | exercise | Three exercises |
# | 15 | the picture | widget | The picture |

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "Welcome everybody." Ask: "Who has doubled a number before?"

# %% slideshow={"slide_type": "skip"} tags=["parameters"]
PROFILE = None

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
import os
from pathlib import Path

import aidagen.lectures
from IPython.display import Image

aidagen.lectures.__path__.append(str(Path.cwd().parent / "tables"))
from aidagen.teaching import check

profile = PROFILE or os.environ.get("AIDAGEN_PROFILE")
values = [1.0, 2.0, 3.0]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The formula
#
# **Objective.** Double a number.
#
# $$ y = 2\\,x \\tag{1} $$
#
# Two equations at once:
#
# $$
# \\begin{aligned} a &= 1 \\\\ b &= 2 \\end{aligned}
# $$
#
# ![A box with x on the left, an arrow to a box with 2x on the right: every number
# is doubled.](../course/diagrams/98_flow.svg)
#
# **Key point.** Twice as much.

# %% [markdown] slideshow={"slide_type": "notes"}
# **27 min.** Say: "Doubling is all we do." Ask: "What happens for $x < 0$?"

# %% [markdown] slideshow={"slide_type": "skip"} tags=["instructor"]
# **If late:** skip to the picture.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What is linear?
#
# **Objective.** Tell a line from a curve.
#
# ![Two axes and a straight line through the origin, twice as high at any place as it
# is far right.](../course/diagrams/98_idea.svg)
#
# **Key point.** A line through the origin.

# %% [markdown] slideshow={"slide_type": "notes"}
# **20 min.** Say: "Look at the line." Ask: "Is $y = x + 1$ linear?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Three exercises
#
# **Objective.** Write it yourself.
#
# ![Three boxes in a row, one for each exercise: double, halve, square; an arrow leads
# through all.](../course/diagrams/98_step.svg)
#
# **Key point.** Halving undoes doubling.

# %% [markdown] slideshow={"slide_type": "notes"}
# **10 min.** Say: "In pairs, please." Ask: "Which one is not linear?"

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
check.open_task("98.o1")
"""
EXERCISE = """
# %% [markdown] slideshow={{"slide_type": "skip"}} tags=["exercise"]
# ### Exercise 98.{k} · write {name}

# %% slideshow={{"slide_type": "skip"}} tags=["hide-input", "exercise"]
check.card("98.{k}")

# %% slideshow={{"slide_type": "skip"}} tags=["exercise"]
def {name}(x):
    return check.TODO


# %% slideshow={{"slide_type": "skip"}} tags=["solution"]
def {name}(x):
    return {right}


# %% slideshow={{"slide_type": "skip"}} tags=["check", "nbval-check-output"]
{name} = check.choose("98.{k}", {name})
"""
END = """
# %% [markdown] slideshow={"slide_type": "slide"} tour=true
# ## The picture
#
# **Objective.** See it.
#
# A table of <b>values</b>.

# %% [markdown] slideshow={"slide_type": "notes"}
# **7 min.** Say: "Here it is." Ask: "What is grey?"

# %% alt="A grey bar." slideshow={"slide_type": "fragment"} tags=["hide-input"]
import base64

dot = (
    "iVBORw0KGgoAAAANSUhEUgAAAAQAAAABCAAAAADcV1ARAAAADUlEQVR4nGNs"
    "YGBgAAACCgCCai744gAAAABJRU5ErkJggg=="
)
Image(base64.b64decode(dot))

# %% tags=["hide-input", "nbval-check-output"]
doubled = [double(v) for v in values]
print("doubled and halved is the same:", [halve(v) for v in doubled] == values)

# %%
double(3) > 5, square(3) == 9

# %% [markdown] slideshow={"slide_type": "subslide"} tour=true
# ### The slider

# %% [markdown] slideshow={"slide_type": "notes"}
# **5 min.** Say: "Move the slider." Ask: "Where does it stop?"

# %% tags=["hide-input"]
import ipywidgets as widgets

slider = widgets.IntSlider(value=3, max=20, description="x")
text = widgets.HTML("2x is 6")
slider.observe(lambda change: setattr(text, "value", f"2x is {2 * change['new']}"), "value")
widgets.VBox([slider, text, widgets.Image(value=base64.b64decode(dot))])

# %% [markdown]
# **Key point.** What is doubled can be halved.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# Twice as much.

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Say: "We doubled." Ask: "What did you not expect?"

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Glossary
#
# | term | meaning |
# |---|---|
# | double | twice as much |
#
# ## Further reading
#
# * [On numbers](https://example.org/)
#
# ## What comes next
#
# Lecture 99 trebles.
"""
DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 120" role="img">
<title>{title}</title>
<rect width="800" height="120" fill="#ffffff"/>
<text x="40" y="70" font-family="system-ui, sans-serif" font-size="24">{title}</text>
</svg>
"""
DRAWINGS = {"flow": "x becomes 2x", "idea": "a line", "step": "double, halve, square"}
SHAPES = {"double": "2 * x", "halve": "x / 2", "square": "x * x"}
LECTURE = (
    HEADER
    + BEGIN
    + "".join(
        EXERCISE.format(k=k, name=name, right=right)
        for k, (name, right) in enumerate(SHAPES.items(), start=1)
    )
    + END
)
TABLE = '''"""Exercises of the small lecture."""

from PIL import Image

from aidagen.teaching.material import Exercise, OpenTask, Option, Question, Wrong


def _one(k, kind, name, right, first, second):
    return Exercise(
        id=f"98.{k}", title=name, minutes=5, difficulty=1, reference=right,
        cases=lambda: [(1.0,), (3.0,), (-2.5,)], expects="a number", hint="Think again.",
        kind=kind, hints=("Twice?", "Write it down."), picture_shows="A grey square.",
        picture=lambda answer: Image.new("L", (16, 16), int(answer(20.0)) % 256),
        wrong=(
            Wrong("first slip", first, f"takes {name} for another", f"First hint for {name}."),
            Wrong("second slip", second, f"forgets {name}", f"Second hint for {name}."),
        ),
    )


EXERCISES = (
    _one(1, "equation", "double", lambda x: 2 * x, lambda x: x + 2, lambda x: x),
    _one(2, "fault", "halve", lambda x: x / 2, lambda x: x - 2, lambda x: x // 2),
    _one(3, "experiment", "square", lambda x: x * x, lambda x: 2 * x, lambda x: x**3),
)
RUBRIC = ((2, "It is three times as much."), (1, "Another number was tried."))
OPEN_TASKS = (OpenTask("98.o1", "Treble", "Treble a number.", RUBRIC),)
QUESTIONS = (
    Question("98.q1", "What is 2 + 2?", (Option("3", "Count."), Option("4", "Indeed.")), 1),
)
PREDICTIONS = ()
'''


def write(root: Path, lecture: str = LECTURE, table: str = TABLE) -> Path:
    """The small course in ``root``; returns the lecture's text."""
    for folder in ("course/diagrams", "tables/small", "notebooks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tables" / "small" / "__init__.py").write_text('NUMBER = "98"\n')
    (root / "tables" / "small" / "exercises.py").write_text(table)
    for name, title in DRAWINGS.items():
        (root / "course" / "diagrams" / f"98_{name}.svg").write_text(DRAWING.format(title=title))
    source = root / "course" / "98_small.py"
    source.write_text(lecture)
    return source


@contextmanager
def table_beside(root: Path) -> Iterator[None]:
    """Let this process find the small lecture's exercises inside the block, and not after it."""
    folder = str(root / "tables")
    aidagen.lectures.__path__.append(folder)
    try:
        yield
    finally:
        aidagen.lectures.__path__.remove(folder)
        forget()


def forget() -> None:
    """Take the small lecture's modules out of memory; the next import reads their files again."""
    for name in [n for n in sys.modules if n.startswith("aidagen.lectures.small")]:
        del sys.modules[name]
    if hasattr(aidagen.lectures, "small"):
        del aidagen.lectures.small
