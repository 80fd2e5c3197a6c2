"""What an answer to an exercise is worth: passed, not solved yet, or a hint of its own.

The answer runs on the exercise's cases. Whatever it does (raise, return something else, pretend
to be a tensor) becomes a sentence, the same in every run.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from aidagen.teaching.material import Exercise, Wrong

PASSED = "passed, your function is used from here"
UNSOLVED = "not solved yet, the reference is used from here"
UNREPAIRED = "not repaired yet: "  # and the hint that belongs to the function as it was given
LONGEST = 160  # characters of an error's message that are repeated


class _Todo:
    """What a function returns that is still to be written."""

    def __repr__(self) -> str:
        return "check.TODO"


TODO = _Todo()


class Judgement(NamedTuple):
    """What is said of an answer, on one line, and the typical wrong answer that it is, if any."""

    words: str
    wrong: Wrong | None = None

    @property
    def passed(self) -> bool:
        return self.words == PASSED

    @property
    def tried(self) -> bool:
        """Whether somebody wrote something: not the stub, not the faulty function as given."""
        return self.words != UNSOLVED and not self.words.startswith(UNREPAIRED)


def verdict(exercise: Exercise, answer: Any) -> str:
    """`PASSED`, `UNSOLVED`, or a hint in a sentence or two, always on one line."""
    return judged(exercise, answer).words


def judged(exercise: Exercise, answer: Any) -> Judgement:
    """The verdict with the typical wrong answer that was recognised."""
    if answer is None or answer is TODO:
        return Judgement(UNSOLVED)
    if not callable(answer):
        what = _kind(answer)
        return Judgement(
            f"a function was expected, this is {what}; give its name without brackets."
        )
    expected, returned = [], []
    for case in exercise.cases():
        expected.append(exercise.reference(*copy.deepcopy(case)))
        try:
            returned.append(answer(*copy.deepcopy(case)))
        except (Exception, SystemExit) as problem:
            return Judgement(_stopped(exercise, answer, case, problem))
    try:
        if any(_unsolved(value) for value in returned):
            return Judgement(UNSOLVED)
        return _compared(exercise, expected, returned)
    except Exception as problem:  # something that only pretends to be a tensor
        said = f"what your function returns cannot be compared ({_message(problem)})."
        return Judgement(f"{said} {_expected(exercise)}")


def _compared(exercise: Exercise, expected: list, returned: list) -> Judgement:
    if _same(expected, returned, exercise.tolerance):
        return Judgement(PASSED)
    for i, wrong in enumerate(exercise.wrong):
        theirs = [wrong.answer(*case) for case in exercise.cases()]
        if _same(theirs, returned, exercise.tolerance):
            given = exercise.kind == "fault" and i == 0
            return Judgement(f"{UNREPAIRED if given else ''}{_one_line(wrong.hint)}", wrong)
    for right, answer in zip(expected, returned, strict=True):
        if complaint := _misshapen(right, answer, exercise.words):
            return Judgement(f"{complaint} {_expected(exercise)}")
    for right, answer in zip(expected, returned, strict=True):
        if difference := _difference(right, answer, exercise.tolerance):
            return Judgement(f"{difference} {_one_line(exercise.hint)}")
    return Judgement(_one_line(exercise.hint))


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
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and _word(one) == _word(other)
    a, b = _tensor(one), _tensor(other)
    if a is None or b is None or a.shape != b.shape:
        return False
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance)


def _word(text: str) -> str:
    return text.strip().casefold()


def _misshapen(right: Any, answer: Any, words: tuple[str, ...]) -> str:
    """What is wrong with the form of an answer, in a sentence; "" if nothing is."""
    rights, answers = _parts(right), _parts(answer)
    if len(rights) != len(answers):
        return f"your function returns {_kind(answer)} instead of {_kind(right)}."
    for a, b in zip(rights, answers):
        if isinstance(a, str):
            if not isinstance(b, str) or _word(b) not in map(_word, words):
                chosen = repr(b) if isinstance(b, str) else _kind(b)
                return f"your function returns {chosen} instead of one of {', '.join(words)}."
            continue
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
        if isinstance(a, str):
            if not _same(a, b, tolerance):
                return f"your conclusion {b!r} does not follow from the experiment."
            continue
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
