"""A course of one small lecture, 98, with three exercises: what tests doctor and break.

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
# | minutes | part |
# |---|---|
# | 50 | the formula |
# | 25 | the picture |

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 min.** Welcome everybody.

# %% slideshow={"slide_type": "skip"} tags=["parameters"]
PROFILE = None

# %% slideshow={"slide_type": "skip"}
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
# $$ y = 2\\,x \\tag{1} $$
#
# Two equations at once:
#
# $$
# \\begin{aligned} a &= 1 \\\\ b &= 2 \\end{aligned}
# $$

# %% [markdown] slideshow={"slide_type": "notes"}
# **5 min.** Ask what happens for $x < 0$.

# %% [markdown] slideshow={"slide_type": "skip"} tags=["instructor"]
# If late, skip to the picture.
"""
EXERCISE = """
# %% [markdown] slideshow={{"slide_type": "skip"}} tags=["exercise"]
# ### Exercise 98.{k} · write {name}

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
# A table of <b>values</b>.

# %% [markdown] slideshow={"slide_type": "notes"}
# **12 min.** Move the slider.

# %% alt="A grey square." slideshow={"slide_type": "fragment"}
import base64

dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
Image(base64.b64decode(dot))

# %% tags=["nbval-check-output"]
doubled = [double(v) for v in values]
print("doubled and halved is the same:", [halve(v) for v in doubled] == values)

# %%
import ipywidgets as widgets

slider = widgets.IntSlider(value=3, max=20, description="x")
text = widgets.HTML("2x is 6")
slider.observe(lambda change: setattr(text, "value", f"2x is {2 * change['new']}"), "value")
widgets.VBox([slider, text, widgets.Image(value=base64.b64decode(dot))])

# %%
double(3) > 5, square(3) == 9
"""
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

from aidagen.teaching.material import Exercise, Option, Question, Wrong


def _one(k, name, right, first, second):
    return Exercise(
        id=f"98.{k}", title=name, minutes=5, difficulty=1, reference=right,
        cases=lambda: [(1.0,), (3.0,), (-2.5,)], expects="a number", hint="Think again.",
        wrong=(
            Wrong("first slip", first, f"takes {name} for another", f"First hint for {name}."),
            Wrong("second slip", second, f"forgets {name}", f"Second hint for {name}."),
        ),
    )


EXERCISES = (
    _one(1, "double", lambda x: 2 * x, lambda x: x + 2, lambda x: x),
    _one(2, "halve", lambda x: x / 2, lambda x: x - 2, lambda x: x // 2),
    _one(3, "square", lambda x: x * x, lambda x: 2 * x, lambda x: x**3),
)
QUESTIONS = (
    Question("98.q1", "What is 2 + 2?", (Option("3", "Count."), Option("4", "Indeed.")), 1),
)
PREDICTIONS = ()
'''


def write(root: Path, lecture: str = LECTURE, table: str = TABLE) -> Path:
    """The small course in ``root``; returns the lecture's text."""
    for folder in ("course", "tables/small", "notebooks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tables" / "small" / "__init__.py").write_text('NUMBER = "98"\n')
    (root / "tables" / "small" / "exercises.py").write_text(table)
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
