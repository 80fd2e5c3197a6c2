"""Exercises that never block: the learner's function is used if it passes, else the reference.

    check.card("05.1")                                           # minutes, hints, solution
    def local_affine(grid, p_source, p_driving, j_source, j_driving):
        return check.TODO                                        # the learner's to write
    local_affine = check.choose("05.1", local_affine)            # says one line or two

`choose` runs the answer on small cases, recognises typical wrong answers and gives the hint for
each. A reference that stands in for an answer notes its calls, and `badge` names in a figure the
references that the figure's own cell called.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from aidagen import markdown
from aidagen.answers import progress
from aidagen.answers.progress import begin
from aidagen.answers.verdicts import PASSED, TODO, UNSOLVED, Judgement, judged, verdict
from aidagen.teaching import cards, material
from aidagen.teaching.material import Exercise, OpenTask, Wrong

__all__ = [
    "PASSED",
    "TODO",
    "UNSOLVED",
    "Exercise",
    "OpenTask",
    "Wrong",
    "attempts",
    "badge",
    "begin",
    "card",
    "choose",
    "exercises",
    "fallbacks",
    "misconceptions",
    "open_task",
    "open_tasks",
    "stamp",
    "verdict",
]

FALLBACK = "the reference is used from here"
STAMP = "aidagen-badge"
# icon, colour of the bar and of the icon, colour behind; dark text on each has a contrast above 7
LOOKS = {
    "passed": ("\u2714", "#0B6B2E", "#E3F5E8"),
    "failed": ("\u2718", "#A3201A", "#FDEBE9"),
    "unsolved": ("\u25cb", "#4A5560", "#EEF1F4"),
}


def choose(id: str, answer: Any) -> Callable[..., Any]:
    """The function to go on with: ``answer`` if it passes, else the exercise's reference.

    Shows one line (passed, or not solved yet) or two (a hint, and that the reference is used), in
    colour with an icon where a notebook shows it, and as plain text that is the same in every run.
    A typical wrong answer is drawn beside the expected result where the exercise has a picture.
    Nothing that the answer does ends the notebook: what it raises becomes a hint. Only an
    interrupt passes.

    Raises AidagenError for an id that does not exist.
    """
    exercise = material.find(Exercise, id)
    judgement = judged(exercise, answer)
    progress.in_use[id] = not judgement.passed
    progress.called.discard(id)
    if judgement.tried and not judgement.passed:
        progress.attempted(id, answer)
    lines = [f"{id}: {judgement.words}"]
    if judgement.words not in (PASSED, UNSOLVED):
        lines.append(f"{id}: {FALLBACK}")
    _say(lines, judgement, exercise, answer)
    progress.follow_cells()
    progress.changed(id)
    return answer if judgement.passed else progress.noting(id, exercise.reference)


def _say(lines: list[str], judgement: Judgement, exercise: Exercise, answer: Any) -> None:
    """Show the verdict: coloured in a notebook, printed elsewhere."""
    if not progress.in_ipython():
        print("\n".join(lines))
        return
    from IPython.display import display

    words = "<br>".join(escape(line) for line in lines)
    pictures = ""
    if judgement.wrong is not None and judgement.tried:
        pictures = cards.beside(exercise, answer)
    look = "passed" if judgement.passed else "failed" if judgement.tried else "unsolved"
    icon, colour, behind = LOOKS[look]
    html = (
        f'<div class="aidagen-verdict aidagen-{look}" style="border-left: 6px solid {colour}; '
        f'background: {behind}; color: #111; padding: 6px 12px; max-width: 60em">'
        f'<span aria-hidden="true" style="color: {colour}; font-weight: bold">{icon}</span> '
        f"{words}{pictures}</div>"
    )
    display({"text/plain": "\n".join(lines), "text/html": html}, raw=True)


# --- cards ----------------------------------------------------------------------------------------


def card(id: str) -> cards.Card:
    """The card of an exercise, to be shown by a cell: see `cards.Card`.

    Raises AidagenError where there is no such exercise.
    """
    return cards.Card(material.find(Exercise, id))


def open_task(id: str) -> cards.Task:
    """An open task such as ``05.o1`` with its rubric, to be shown by a cell.

    Raises AidagenError where there is none.
    """
    return cards.Task(material.find(OpenTask, id))


def attempts(id: str) -> int:
    """How many different answers to an exercise were tried and did not pass."""
    return progress.count(id)


# --- for figures and instructors ------------------------------------------------------------------


def fallbacks() -> list[str]:
    """Ids of the exercises whose reference is in use, in order."""
    return sorted(id for id, in_use in progress.in_use.items() if in_use)


def badge() -> str:
    """What a figure says that is drawn now: "" or a line that names exercises.

    They are those whose reference was called since the cell began: call it in the cell that draws.
    Outside of IPython it is since `begin` was called, or since the exercise's last `choose`.
    """
    ids = sorted(progress.called)
    if not ids:
        return ""
    listed = ids[0] if len(ids) == 1 else f"{', '.join(ids[:-1])} and {ids[-1]}"
    return f"Made with the reference solution of {listed}"


def stamp(figure: Any) -> Any:
    """Write the badge under a matplotlib figure, or take it off; returns the figure."""
    for text in [t for t in figure.texts if t.get_gid() == STAMP]:
        text.remove()
    engine = figure.get_layout_engine()
    words = badge()
    if hasattr(engine, "set") and "rect" in getattr(engine, "_params", {}):
        engine.set(rect=(0, 0.06, 1, 0.94) if words else (0, 0, 1, 1))
    if words:
        plate = {"facecolor": "#FFF4CC", "edgecolor": "#8A6D00", "boxstyle": "square,pad=0.2"}
        figure.text(
            0.01, 0.01, words, ha="left", va="bottom", fontsize=8, color="black", bbox=plate,
            gid=STAMP,
        )  # fmt: skip
    return figure


def exercises(number: str) -> tuple[Exercise, ...]:
    """The exercises of a lecture. Raises AidagenError where it has none."""
    return tuple(material.of(number).EXERCISES)


def open_tasks(number: str) -> tuple[OpenTask, ...]:
    """The open tasks of a lecture, possibly none. Raises AidagenError where it has no exercises."""
    return tuple(getattr(material.of(number), "OPEN_TASKS", ()))


def misconceptions(number: str) -> str:
    """Markdown for instructors: each typical wrong answer, the misconception, and its hint."""
    rows = [
        (f"{exercise.id} {exercise.title}", wrong.name, wrong.reveals, wrong.hint)
        for exercise in exercises(number)
        for wrong in exercise.wrong
    ]
    return markdown.table(("exercise", "wrong answer", "what it gives away", "hint"), rows) + "\n"
