"""A place in a notebook that holds something and does not show it yet.

What is held is made and formatted at once, and kept in the kernel. The page gets it when it is
uncovered: before that it is in no output, in no widget's state and in no exported page.
"""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aidagen.teaching.asking import Asking

COVER = "Covered: make your guess in the notebook, or choose to see the outcome without one."


class Covered:
    """The question once more, and below it what `uncover` shows."""

    def __init__(self, question: Asking, id: str, show: Any = None) -> None:
        self._question, self._id = question, id
        self._held = [] if show is None else held(show)
        self._box: Any = None
        self.covered = True

    def __repr__(self) -> str:
        return f"Covered({self._id!r})"

    @property
    def holds(self) -> bool:
        """Whether there is anything to show."""
        return bool(self._held)

    def uncover(self) -> None:
        """Show what is held."""
        self.covered = False
        if self._box is not None:
            self._box.children[1].outputs = tuple(self._held)

    def static(self) -> str:
        """The question as HTML, for pages that show no widgets."""
        words = COVER if self.covered else self._question.sentence
        return f"<p><strong>{escape(self._question.text)}</strong></p><p>{escape(words)}</p>"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self._box is None:
            from ipywidgets import Output, VBox

            self._box = VBox([self._question, Output()])
            if not self.covered:
                self.uncover()
        bundle = self._box._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/plain": repr(self), "text/html": self.static()}, metadata


def held(show: Any) -> list[dict[str, Any]]:
    """What a cell would show of ``show``, or of calling it, as outputs of a notebook.

    Figures of matplotlib are closed, so that the cell does not show them by itself. Outside of
    IPython nothing is shown, and a function is still called.
    """
    from IPython.utils.capture import capture_output

    before = open_figures()
    with capture_output(stderr=False) as captured:
        made = show() if callable(show) else show
    outputs = []
    if captured.stdout:
        outputs.append({"output_type": "stream", "name": "stdout", "text": captured.stdout})
    outputs += [_output(rich.data, rich.metadata) for rich in captured.outputs]
    opened = [figure for number, figure in open_figures().items() if number not in before]
    drawn = [figure for figure in opened if figure is not made]
    outputs += [_formatted(each) for each in (*drawn, made) if each is not None]
    close((*drawn, made))
    return [output for output in outputs if output.get("data", output.get("text"))]


def _formatted(thing: Any) -> dict[str, Any]:
    from IPython import get_ipython

    shell = get_ipython()
    data, metadata = shell.display_formatter.format(thing) if shell is not None else ({}, {})
    if _is_figure(thing) and not any(kind.startswith("image/") for kind in data):
        buffer = io.BytesIO()  # the kernel's backend shows no figures
        thing.savefig(buffer, format="png", bbox_inches="tight")
        data = {**data, "image/png": buffer.getvalue()}
    return _output(data, metadata)


def _output(data: dict[str, Any], metadata: dict[str, Any] | None) -> dict[str, Any]:
    encoded = {
        kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for kind, value in (data or {}).items()
    }
    return {"output_type": "display_data", "data": encoded, "metadata": metadata or {}}


def open_figures() -> dict[int, Any]:
    """The open figures of pyplot by number; none where nobody has imported it."""
    plt = sys.modules.get("matplotlib.pyplot")
    return {} if plt is None else {n: plt.figure(n) for n in plt.get_fignums()}


def _is_figure(thing: Any) -> bool:
    plt = sys.modules.get("matplotlib.pyplot")
    return plt is not None and isinstance(thing, plt.Figure)


def close(things: Iterable[Any]) -> None:
    """Close those of ``things`` that are figures of pyplot, so that a cell does not show them."""
    for thing in filter(_is_figure, things):
        sys.modules["matplotlib.pyplot"].close(thing)
