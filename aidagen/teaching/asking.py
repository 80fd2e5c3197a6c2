"""The panel that asks: native radio buttons or a native slider, and a sentence below.

`quiz` and `predict` fill it. ``asking.js`` is the browser's side.
Once a prediction's outcome is there, the panel also has a button that shows it.
"""

from __future__ import annotations

from html import escape
from typing import Any

import anywidget
import traitlets

from aidagen.teaching.browser_side import script, style


class Asking(anywidget.AnyWidget):
    """A question in a fieldset: options as radio buttons, or a range as a slider.

    ``choice`` is the index of the chosen option (-1: none yet), ``number`` the slider's value
    (None: not moved yet). ``feedback`` has one sentence per option, which is also shown without a
    kernel; where it is empty, ``sentence`` is shown. While there is something to show (``ready``)
    and the question is not ``settled``, a button sets ``asked``.
    """

    _esm = script("asking.js")
    _css = style("asking.css")
    text = traitlets.Unicode().tag(sync=True)
    options = traitlets.List(traitlets.Unicode()).tag(sync=True)
    limits = traitlets.List(traitlets.Float(), default_value=[0.0, 1.0, 0.01]).tag(sync=True)
    feedback = traitlets.List(traitlets.Unicode()).tag(sync=True)
    choice = traitlets.Int(-1).tag(sync=True)
    number = traitlets.Float(None, allow_none=True).tag(sync=True)
    shown = traitlets.Unicode("").tag(sync=True)
    sentence = traitlets.Unicode("").tag(sync=True)
    settled = traitlets.Bool(False).tag(sync=True)
    ready = traitlets.Bool(False).tag(sync=True)
    asked = traitlets.Bool(False).tag(sync=True)

    def static(self) -> str:
        """The question as HTML for pages that show no widgets."""
        options = "".join(f"<li>{escape(option)}</li>" for option in self.options)
        listed = f'<ol type="A">{options}</ol>' if options else ""
        if not options:
            low, high, _ = self.limits
            listed = f"<p>A number from {low:g} to {high:g}.</p>"
        return f"<p><strong>{escape(self.text)}</strong></p>{listed}{self.answer()}"

    def answer(self) -> str:
        """What `static` says below the question, as HTML."""
        return f"<p>{escape(self.sentence)}</p>" if self.sentence else ""

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/html": self.static()}, metadata
