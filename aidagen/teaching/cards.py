"""The card of an exercise: what it takes, two hints, the expected picture, and the solution.

Hints open one after the other; the solution opens after two different attempts, or once the
exercise is passed. Until then it is nowhere in the page: Python sends it when it is asked for, so
that neither a notebook's stored outputs nor an exported page hold it.
"""

from __future__ import annotations

import base64
import inspect
import io
import textwrap
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import anywidget
import traitlets

from aidagen import markdown
from aidagen.answers import progress
from aidagen.teaching.browser_side import script, style
from aidagen.teaching.covered import close, open_figures
from aidagen.teaching.material import KINDS, PLACES, Exercise, OpenTask

LARGE = 9_000  # bytes from which a picture is kept as JPEG


class Card(anywidget.AnyWidget):
    """One exercise's card. ``opened`` hints are open; ``solution`` is "" until it may be read.

    ``attempts`` counts the different answers that did not pass; `check.choose` tells the card.
    """

    _esm = script("card.js")
    _css = style("card.css")
    title = traitlets.Unicode().tag(sync=True)
    facts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    hints = traitlets.List(traitlets.Unicode()).tag(sync=True)
    opened = traitlets.Int(0).tag(sync=True)
    picture = traitlets.Unicode("").tag(sync=True)  # a data URL
    shows = traitlets.Unicode("").tag(sync=True)  # the picture's alternative text
    needed = traitlets.Int(progress.NEEDED).tag(sync=True)
    attempts = traitlets.Int(0).tag(sync=True)
    solution = traitlets.Unicode("").tag(sync=True)

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        super().__init__(
            title=f"Exercise {exercise.id}: {exercise.title}",
            facts=facts(exercise),
            hints=list(exercise.hints),
            picture=_drawn(exercise, exercise.reference),
            shows=exercise.picture_shows,
            attempts=progress.count(exercise.id),
        )
        progress.listeners.setdefault(exercise.id, []).append(self._judged)
        self.on_msg(self._asked)

    def __repr__(self) -> str:
        return f"Card({self.exercise.id!r})"

    @property
    def unlocked(self) -> bool:
        """Whether the solution may be read."""
        return self.attempts >= self.needed or progress.passed(self.exercise.id)

    def _judged(self) -> None:
        """There is a new verdict. That it passed is no trait, so that no stored page says it."""
        self.attempts = progress.count(self.exercise.id)
        self.send({"passed": progress.passed(self.exercise.id)})

    def _asked(self, _: Any, content: Any, buffers: Any) -> None:
        """The page was drawn and wants to know what holds, or wants the solution."""
        if content == "drawn":
            self.send({"passed": progress.passed(self.exercise.id)})
        elif content == "solution" and self.unlocked:
            self.solution = source(self.exercise.reference)

    def static(self) -> str:
        """The card as HTML for pages that show no widgets: hints folded, no solution."""
        folded = [
            f"<details><summary>Hint {i}</summary>{escape(hint)}</details>"
            for i, hint in enumerate(self.hints, start=1)
        ]
        if self.picture:
            image = f'<img alt="{escape(self.shows, quote=True)}" src="{self.picture}">'
            folded.append(f"<details><summary>Expected result</summary>{image}</details>")
        head = f"<p><strong>{escape(self.title)}</strong><br>{escape(' · '.join(self.facts))}</p>"
        return head + "".join(folded)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/plain": repr(self), "text/html": self.static()}, metadata


class Task:
    """An open task, shown as text, with its rubric as a table."""

    def __init__(self, task: OpenTask) -> None:
        self.task = task

    def __repr__(self) -> str:
        return f"Task({self.task.id!r})"

    def _repr_markdown_(self) -> str:
        task, head = self.task, f"**Open task {self.task.id} · {self.task.title}** (homework)"
        rows = [(words, str(points)) for points, words in task.rubric]
        rows.append(("**all of it**", f"**{sum(points for points, _ in task.rubric)}**"))
        rubric = markdown.table(("what earns points", "points"), rows)
        return f"{head}\n\n{task.task}\n\n{rubric}"


def facts(exercise: Exercise) -> list[str]:
    """Kind, minutes, difficulty, importance and place, in words."""
    return [
        KINDS[exercise.kind],
        f"{exercise.minutes} minutes",
        f"difficulty {exercise.difficulty} of 3",
        f"importance {exercise.importance} of 3",
        PLACES[exercise.place],
    ]


# --- pictures -------------------------------------------------------------------------------------


def beside(exercise: Exercise, answer: Callable[..., Any]) -> str:
    """The expected picture and the one of an answer, as HTML; "" where one cannot be drawn."""
    try:
        pair = [_drawn(exercise, exercise.reference), _drawn(exercise, answer)]
    except Exception:  # the answer is wrong: it may return what nothing can draw
        return ""
    if not all(pair):
        return ""
    said = (exercise.picture_shows, "The same, made by your function.")
    figures = (
        '<figure style="display: inline-block; margin: 8px 16px 0 0">'
        f'<img alt="{escape(alt, quote=True)}" src="{picture}" style="display: block">'
        f"<figcaption>{words}</figcaption></figure>"
        for picture, alt, words in zip(pair, said, ("expected", "yours"))
    )
    return f"<div>{''.join(figures)}</div>"


def _drawn(exercise: Exercise, answer: Callable[..., Any]) -> str:
    """The exercise's picture of an answer as a data URL; "" for an exercise without pictures."""
    if exercise.picture is None:
        return ""
    before = open_figures()
    try:
        drawn = exercise.picture(answer)
        return "" if drawn is None else _data_url(drawn)
    finally:  # the cell would show them by itself
        close(figure for number, figure in open_figures().items() if number not in before)


def _data_url(drawn: Any) -> str:
    """A PIL image or a matplotlib figure as a data URL."""
    buffer, kind = io.BytesIO(), "png"
    if hasattr(drawn, "savefig"):
        drawn.savefig(buffer, format="png", dpi=80)
    else:
        drawn.save(buffer, "PNG", optimize=True)
        if buffer.tell() > LARGE:
            buffer, kind = io.BytesIO(), "jpeg"
            drawn.convert("RGB").save(buffer, "JPEG", quality=85, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


# --- solutions ------------------------------------------------------------------------------------


def source(function: Callable[..., Any]) -> str:
    """The code of a function, and before it that of its module's functions that it calls."""
    return "\n\n".join(dict.fromkeys(_sources(inspect.unwrap(function), set())))


def _sources(function: Any, seen: set[Any]) -> Iterator[str]:
    seen.add(function)
    scope = getattr(function, "__globals__", {})
    for name in function.__code__.co_names:
        called = inspect.unwrap(scope[name]) if callable(scope.get(name)) else None
        if inspect.isfunction(called) and called.__module__ == function.__module__:
            if called not in seen:
                yield from _sources(called, seen)
    try:
        yield textwrap.dedent(inspect.getsource(function)).strip()
    except OSError:
        yield f"# the code of {function.__name__} cannot be read"
