"""What a lecture asks its readers, as data: exercises, questions, predictions.

Each lecture keeps its own in ``aidagen/lectures/<topic>/exercises.py``: ``EXERCISES``,
``QUESTIONS``, ``PREDICTIONS``, and ``OPEN_TASKS`` where there are any. The topic's folder says the
lecture's ``NUMBER``. `check` runs the exercises and shows the open tasks, `quiz` asks the
questions, `predict` takes the guesses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from aidagen import discovery
from aidagen.errors import AidagenError

ID = re.compile(r"(\d\d)\.[a-z]?\d+")
KINDS = {
    "equation": "write the central equation",
    "fault": "find the fault",
    "experiment": "run a small experiment",
}
PLACES = {"class": "in class", "home": "homework"}


@dataclass(frozen=True)
class Wrong:
    """A typical wrong answer to an exercise."""

    name: str  # "J_D not inverted"
    answer: Callable[..., Any]  # the function as somebody with this misconception writes it
    reveals: str  # the misconception behind it
    hint: str  # the sentence that the learner reads


@dataclass(frozen=True)
class Exercise:
    """A function to be written: its reference, the cases it is tried on, typical wrong answers.

    ``cases()`` makes the same tuples of arguments at every call. An answer passes if on all of
    them it returns what the reference returns, within ``tolerance``. An answer is a number, a
    tensor of floats, a word of ``words``, or a tuple of these.

    In one of kind ``fault``, the learner is given a faulty function and repairs it: it is
    ``wrong[0]``, and its hint is what somebody reads who has not changed it yet. In one of kind
    ``experiment``, the function runs a small experiment and returns what it shows.

    ``picture(answer)`` draws what a function that somebody wrote does on one example, as a PIL
    image or a matplotlib figure; ``picture_shows`` is its alternative text.
    """

    id: str  # "05.1"
    title: str
    minutes: int
    difficulty: int  # 1 to 3
    reference: Callable[..., Any]
    cases: Callable[[], Sequence[tuple[Any, ...]]]
    wrong: tuple[Wrong, ...]
    expects: str  # what is returned, with shapes: "points (K, 2)"
    hint: str  # for a wrong answer that is none of the typical ones
    tolerance: float = 1e-4
    kind: str = "equation"  # one of KINDS
    importance: int = 2  # 1 to 3
    place: str = "home"  # one of PLACES
    hints: tuple[str, ...] = ()  # two, opened one after the other
    words: tuple[str, ...] = ()  # those that an answer may choose from
    picture: Callable[[Callable[..., Any]], Any] | None = None
    picture_shows: str = ""

    def __post_init__(self) -> None:
        if not ID.fullmatch(self.id) or not 1 <= self.difficulty <= 3 or self.minutes < 1:
            raise AidagenError(
                f"Exercise {self.id!r} needs an id such as 05.1, a difficulty of 1 to 3 and at "
                f"least one minute; it has difficulty {self.difficulty}, {self.minutes} minutes."
            )
        if self.kind not in KINDS or self.place not in PLACES or not 1 <= self.importance <= 3:
            raise AidagenError(
                f"Exercise {self.id} needs a kind ({', '.join(KINDS)}), a place "
                f"({', '.join(PLACES)}) and an importance of 1 to 3; it has {self.kind!r}, "
                f"{self.place!r}, {self.importance}."
            )
        if len(self.hints) not in (0, 2) or (self.picture and not self.picture_shows):
            raise AidagenError(
                f"Exercise {self.id} needs two hints, and words that say what its picture shows; "
                f"it has {len(self.hints)} hints, {self.picture_shows!r}."
            )


@dataclass(frozen=True)
class OpenTask:
    """A task without one right answer, and the rubric by which an answer is judged."""

    id: str  # "05.o1"
    title: str
    task: str  # Markdown
    rubric: tuple[tuple[int, str], ...]  # (points, what earns them)

    def __post_init__(self) -> None:
        if not ID.fullmatch(self.id) or len(self.rubric) < 2:
            raise AidagenError(
                f"Open task {self.id!r} needs an id such as 05.o1 and at least two lines of rubric."
            )


@dataclass(frozen=True)
class Option:
    """One answer to choose, and the sentence that follows the choice."""

    text: str
    feedback: str


@dataclass(frozen=True)
class Question:
    """A question with one right option."""

    id: str  # "05.q1"
    text: str
    options: tuple[Option, ...]
    right: int  # its place among the options, from 0

    def __post_init__(self) -> None:
        if not ID.fullmatch(self.id) or not 0 <= self.right < len(self.options):
            raise AidagenError(
                f"Question {self.id!r} needs an id such as 05.q1 and one of its "
                f"{len(self.options)} options as the right one, not number {self.right}."
            )


@dataclass(frozen=True)
class Prediction:
    """Something to guess before it is seen: a number on a slider, or one of some options."""

    id: str  # "05.p1"
    text: str
    options: tuple[str, ...] = ()  # without options it is a number
    low: float = 0.0
    high: float = 1.0
    step: float = 0.01
    unit: str = ""  # follows the number in sentences
    because: str = ""  # said at the end, with guess and outcome

    def __post_init__(self) -> None:
        numbers = self.low < self.high and 0 < self.step <= self.high - self.low
        if not ID.fullmatch(self.id) or len(self.options) == 1 or not numbers:
            raise AidagenError(
                f"Prediction {self.id!r} needs an id such as 05.p1, and two options or a range "
                f"with a step; it has {self.options}, {self.low} to {self.high} by {self.step}."
            )


LISTS = {
    Exercise: ("EXERCISES", "exercise"),
    OpenTask: ("OPEN_TASKS", "open task"),
    Question: ("QUESTIONS", "question"),
    Prediction: ("PREDICTIONS", "prediction"),
}


def topics() -> dict[str, ModuleType]:
    """The folders of ``aidagen/lectures`` by their lecture's ``NUMBER``, in order."""
    folders = discovery.with_attribute("aidagen.lectures", "NUMBER").values()
    return {folder.NUMBER: folder for folder in sorted(folders, key=lambda each: each.NUMBER)}


def topic(number: str) -> ModuleType | None:
    """The folder of the lecture with this number; None where there is none."""
    return topics().get(number)


def part(number: str, name: str) -> ModuleType | None:
    """Module ``name`` in a lecture's folder, such as ``ledger``; None where there is none."""
    folder = topic(number)
    return None if folder is None else discovery.module(folder.__name__, name)


def of(number: str) -> ModuleType:
    """The module ``exercises`` of a lecture.

    Raises AidagenError where there is none.
    """
    module = part(number, "exercises")
    if module is None:
        raise AidagenError(
            f"Lecture {number!r} has no exercises: no folder of aidagen/lectures with "
            f"NUMBER = {number!r} holds an exercises.py."
        )
    return module


def find(kind: type, id: str) -> Any:
    """The exercise, open task, question or prediction with an id; ``kind`` is its class.

    Raises AidagenError, with the ids there are.
    """
    match = ID.fullmatch(id) if isinstance(id, str) else None
    name, called = LISTS[kind]
    items = getattr(of(match[1]), name, ()) if match else ()
    for item in items:
        if item.id == id:
            return item
    ids = ", ".join(item.id for item in items) or "an id looks like 05.1, 05.q1 or 05.p1"
    raise AidagenError(f"There is no {called} {id!r}: {ids}.")
