"""What has happened to the exercises so far: attempts, references in use, references called.

`check` writes it down; cards and badges read it. A reference that stands in for an answer notes
its own calls. In IPython the notes are forgotten whenever a cell begins, so that a figure names the
references that its own cell called; in plain Python they are kept until `begin`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

NEEDED = 2  # attempts before a solution can be opened

in_use: dict[str, bool] = {}  # exercise -> whether its reference stands in for an answer
called: set[str] = set()  # exercises whose reference was called since the cell began
attempts: dict[str, set[Any]] = {}  # exercise -> the different answers that did not pass
listeners: dict[str, list[Callable[[], None]]] = {}  # exercise -> who wants to know of a verdict
_shells: list[Any] = []  # the IPython shells that call `begin`


def forget() -> None:
    """Everything as at the start of a session."""
    for kept in (in_use, called, attempts, listeners):
        kept.clear()


def begin(_: Any = None) -> None:
    """Forget which references were called; IPython does it whenever a cell begins."""
    called.clear()


def follow_cells() -> None:
    """From the next cell on, begin anew with each one; without IPython nothing happens."""
    shell = _shell()
    if shell is not None and not any(known is shell for known in _shells):
        shell.events.register("pre_run_cell", begin)
        _shells.append(shell)


def in_ipython() -> bool:
    """Whether there is an IPython that shows what is displayed."""
    return _shell() is not None


def _shell() -> Any:
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    return get_ipython()


def noting(id: str, reference: Callable[..., Any]) -> Callable[..., Any]:
    """The reference, which notes from now on that it was called."""

    @functools.wraps(reference)
    def noted(*arguments: Any, **named: Any) -> Any:
        called.add(id)
        return reference(*arguments, **named)

    return noted


def attempted(id: str, answer: Any) -> None:
    """Count an answer that did not pass; the same code again is the same attempt."""
    code = getattr(answer, "__code__", None)
    key = repr(answer) if code is None else (code.co_code, repr(_constants(code)), code.co_names)
    attempts.setdefault(id, set()).add(key)


def _constants(code: Any) -> list[Any]:
    """The constants of a function, those of functions inside it included, without addresses."""
    return [
        (each.co_code, _constants(each)) if hasattr(each, "co_code") else each
        for each in code.co_consts
    ]


def count(id: str) -> int:
    """How many different answers to an exercise did not pass."""
    return len(attempts.get(id, ()))


def passed(id: str) -> bool:
    """Whether the learner's own function is in use."""
    return in_use.get(id) is False


def changed(id: str) -> None:
    """Tell those who listen that there is a new verdict."""
    for listener in list(listeners.get(id, ())):
        listener()
