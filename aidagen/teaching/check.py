"""Exercises that never block: the learner's function is used if it passes, else the reference.

    def local_affine(grid, p_source, p_driving, j_source, j_driving):
        return check.TODO                                        # the learner's to write
    local_affine = check.choose("05.1", local_affine)            # prints one line or two

`choose` runs the answer on small cases, recognises typical wrong answers and gives the hint for
each. From then on, `badge` names in figures the reference solutions that they rest on.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import re
from collections.abc import Callable
from typing import Any

from aidagen import markdown
from aidagen.teaching import material
from aidagen.teaching.material import Exercise, Wrong

__all__ = [
    "TODO",
    "Exercise",
    "Wrong",
    "badge",
    "choose",
    "exercises",
    "fallbacks",
    "misconceptions",
    "stamp",
    "verdict",
]

PASSED = "passed, your function is used from here"
UNSOLVED = "not solved yet, the reference is used from here"
FALLBACK = "the reference is used from here"
LONGEST = 160  # characters of an error's message that are repeated
STAMP = "aidagen-badge"


class _Todo:
    """What a function returns that is still to be written."""

    def __repr__(self) -> str:
        return "check.TODO"


TODO = _Todo()
_in_use: dict[str, bool] = {}  # exercise -> whether its reference stands in for an answer


def choose(id: str, answer: Any) -> Callable[..., Any]:
    """The function to go on with: ``answer`` if it passes, else the exercise's reference.

    Prints one line (passed, or not solved yet) or two (a hint, and that the reference is used);
    they are the same in every run. Nothing that the answer does ends the notebook: what it
    raises becomes a hint. Only an interrupt passes.

    Raises AidagenError for an id that does not exist.
    """
    exercise = material.find(Exercise, id)
    words = verdict(exercise, answer)
    _in_use[id] = words != PASSED
    if words in (PASSED, UNSOLVED):
        print(f"{id}: {words}")
    else:
        print(f"{id}: {words}\n{id}: {FALLBACK}")
    return exercise.reference if _in_use[id] else answer


def verdict(exercise: Exercise, answer: Any) -> str:
    """`PASSED`, `UNSOLVED`, or a hint in a sentence or two, always on one line."""
    if answer is None or answer is TODO:
        return UNSOLVED
    if not callable(answer):
        return f"a function was expected, this is {_kind(answer)}; give its name without brackets."
    expected, returned = [], []
    for case in exercise.cases():
        expected.append(exercise.reference(*copy.deepcopy(case)))
        try:
            returned.append(answer(*copy.deepcopy(case)))
        except (Exception, SystemExit) as problem:
            return _stopped(exercise, answer, case, problem)
    try:
        if any(_unsolved(value) for value in returned):
            return UNSOLVED
        return _compared(exercise, expected, returned)
    except Exception as problem:  # something that only pretends to be a tensor
        return f"what your function returns cannot be compared ({_message(problem)}). " + _expected(
            exercise
        )


def _compared(exercise: Exercise, expected: list, returned: list) -> str:
    if _same(expected, returned, exercise.tolerance):
        return PASSED
    for wrong in exercise.wrong:
        theirs = [wrong.answer(*case) for case in exercise.cases()]
        if _same(theirs, returned, exercise.tolerance):
            return _one_line(wrong.hint)
    for right, answer in zip(expected, returned, strict=True):
        if complaint := _misshapen(right, answer):
            return f"{complaint} {_expected(exercise)}"
    for right, answer in zip(expected, returned, strict=True):
        if difference := _difference(right, answer, exercise.tolerance):
            return f"{difference} {_one_line(exercise.hint)}"
    return _one_line(exercise.hint)


def _expected(exercise: Exercise) -> str:
    name = exercise.reference.__name__
    return f"Expected: {name}{_arguments(exercise)} returns {exercise.expects}."


def _arguments(exercise: Exercise) -> str:
    return f"({', '.join(inspect.signature(exercise.reference).parameters)})"


def _stopped(exercise: Exercise, answer: Callable, case: tuple, problem: BaseException) -> str:
    """The hint for an answer that raises."""
    with contextlib.suppress(TypeError, ValueError):
        try:
            inspect.signature(answer).bind(*case)
        except TypeError:
            takes = f"({', '.join(inspect.signature(answer).parameters)})"
            return f"your function takes {takes}, but it is called as {_arguments(exercise)}."
    given = ", ".join(
        f"{name} {_kind(value)}"
        for name, value in zip(inspect.signature(exercise.reference).parameters, case)
    )
    return f"your function raises {_message(problem)}. Given: {given}. {_expected(exercise)}"


def _message(problem: BaseException) -> str:
    """Type and first line of an error, without addresses, which differ between runs."""
    try:
        lines = str(problem).strip().splitlines()
    except Exception:
        lines = []
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", lines[0] if lines else "")[:LONGEST].rstrip(" .")
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__


def _kind(value: Any) -> str:
    """A value in words: its shape if it has one, else its type."""
    import torch

    if isinstance(value, torch.Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        return f"a tensor {tuple(value.shape)}{'' if value.is_floating_point() else f' of {kind}'}"
    if isinstance(value, (tuple, list)):
        return f"{len(value)} values ({', '.join(_kind(v) for v in value[:4])})"
    shape = getattr(value, "shape", None)
    size = f" {tuple(shape)}" if isinstance(shape, tuple) else ""
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}{size}"


def _unsolved(value: Any) -> bool:
    """Whether an answer, or a part of it, is still to be written."""
    if isinstance(value, tuple):
        return any(part is None or part is TODO for part in value)
    return value is None or value is TODO


def _parts(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _tensor(value: Any) -> Any:
    """A number or a floating-point tensor as double precision; None for anything else."""
    import torch

    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return torch.tensor(float(value), dtype=torch.float64)
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.detach().cpu().double()
    return None


def _same(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two answers, over all cases, are equal within the tolerance."""
    import torch

    if isinstance(one, (tuple, list)):
        return (
            isinstance(other, (tuple, list))
            and len(one) == len(other)
            and all(_same(a, b, tolerance) for a, b in zip(one, other))
        )
    a, b = _tensor(one), _tensor(other)
    if a is None or b is None or a.shape != b.shape:
        return False
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance)


def _misshapen(right: Any, answer: Any) -> str:
    """What is wrong with the form of an answer, in a sentence; "" if nothing is."""
    rights, answers = _parts(right), _parts(answer)
    if len(rights) != len(answers):
        return f"your function returns {_kind(answer)} instead of {_kind(right)}."
    for a, b in zip(rights, answers):
        expected, returned = _tensor(a), _tensor(b)
        if returned is None:
            return f"your function returns {_kind(b)} instead of {_kind(a)}."
        if expected.shape != returned.shape:
            return (
                f"your function returns shape {tuple(returned.shape)} instead of "
                f"{tuple(expected.shape)}."
            )
        if returned.isnan().any():
            return "your function returns NaN: look for 0 / 0 or the root of a negative number."
        if returned.isinf().any():
            return "your function returns infinite values: look for a division by 0."
    return ""


def _difference(right: Any, answer: Any, tolerance: float) -> str:
    """The place where an answer is furthest off."""
    for part, (a, b) in enumerate(zip(_parts(right), _parts(answer))):
        expected, returned = _tensor(a), _tensor(b)
        apart = (expected - returned).abs()
        if not apart.numel() or apart.max() <= tolerance * (1 + expected.abs().max()):
            continue
        at = int(apart.flatten().argmax())
        where, rest = [], at
        for size in reversed(expected.shape):
            where.insert(0, rest % size)
            rest //= size
        place = f" at {tuple(where)}" if where else ""
        which = f" (returned value {part + 1})" if len(_parts(right)) > 1 else ""
        pair = f"{returned.flatten()[at]:.3f} instead of {expected.flatten()[at]:.3f}"
        return f"the shapes fit, the values do not: {pair}{place}{which}."
    return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


# --- for figures and instructors -----------------------------------------------------------------


def fallbacks() -> list[str]:
    """Ids of the exercises whose reference is in use, in order."""
    return sorted(id for id, in_use in _in_use.items() if in_use)


def badge() -> str:
    """What figures say while a reference is in use: "" or a line that names the exercises."""
    ids = fallbacks()
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


def misconceptions(number: str) -> str:
    """Markdown for instructors: each typical wrong answer, the misconception, and its hint."""
    rows = [
        (f"{exercise.id} {exercise.title}", wrong.name, wrong.reveals, wrong.hint)
        for exercise in exercises(number)
        for wrong in exercise.wrong
    ]
    return markdown.table(("exercise", "wrong answer", "what it gives away", "hint"), rows) + "\n"
