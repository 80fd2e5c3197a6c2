"""Scripts and styles of what a lecture asks, read from the files beside this one."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def script(name: str) -> str:
    """A module of JavaScript, behind the function ``element`` that all of them use."""
    return _read("element.js") + _read(name)


def style(name: str) -> str:
    """A style sheet."""
    return _read(name)


def _read(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")
