"""What all widgets here are made of: native labelled controls, pictures with words, one sentence.

ipywidgets' own sliders have no accessible name and its pictures no alternative text; these controls
have both. Everything works offline, by keyboard and with a screen reader. Frames over time are
`film`; what a widget is made of, `panel`.
"""

import io
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as widgets
import numpy as np
import traitlets
from jaxtyping import UInt8
from PIL import Image

from aidagen.errors import AidagenError

STEP_SECONDS = 0.15  # what the kernel may take for one step of any control

STYLE = Path(__file__).with_name("widgets.css").read_text("utf-8")

_SPOKEN = """
function render({ model, el }) {
  el.classList.add("aidagen-spoken");
  const text = document.createElement("p");
  text.setAttribute("role", "status");
  text.setAttribute("aria-live", "polite");
  el.append(text);
  const draw = () => { text.textContent = model.get("value"); };
  // JupyterLab takes arrows and letters for commands of its notebook before a list sees them
  const keep = (event) => {
    const typed = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
    const moves = typed || event.key.startsWith("Arrow");
    if (moves && event.target.closest?.(".aidagen-widget select")) event.stopPropagation();
  };
  window.addEventListener("keydown", keep, true);
  model.on("change:value", draw);
  draw();
  return () => {
    window.removeEventListener("keydown", keep, true);
    model.off("change:value", draw);
  };
}
export default { render };
"""


class Range(anywidget.AnyWidget):
    """A native slider with a label: ``value`` from ``low`` to ``high`` in steps of ``step``.

    Args:
        label: its name, on the screen and for a screen reader.
        low, high, step, value: floats; ``value`` is ``low`` unless given.
        texts: what to say instead of the number, one text per step from ``low`` on.
        unit: what follows the number, such as " degrees".

    Raises:
        AidagenError: for bounds that leave nothing to choose.
    """

    _esm = Path(__file__).with_name("range.js")
    _css = STYLE

    label = traitlets.Unicode().tag(sync=True)
    low = traitlets.Float(0.0).tag(sync=True)
    high = traitlets.Float(1.0).tag(sync=True)
    step = traitlets.Float(0.01).tag(sync=True)
    value = traitlets.Float(0.0).tag(sync=True)
    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    unit = traitlets.Unicode("").tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, label: str, low: float, high: float, step: float = 0.01, value: float | None = None,
        *, texts: Sequence[str] = (), unit: str = "", disabled: bool = False,
    ) -> None:  # fmt: skip
        if not (high > low and step > 0):
            raise AidagenError(
                f"The slider {label!r} goes from {low} to {high} in steps of {step}; give a "
                "larger end and a step above 0."
            )
        super().__init__(
            label=label, low=low, high=high, step=step, value=low if value is None else value,
            texts=list(texts), unit=unit, disabled=disabled,
        )  # fmt: skip

    @traitlets.validate("value")
    def _inside(self, proposal: Any) -> Any:
        return type(proposal["value"])(min(max(proposal["value"], self.low), self.high))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label!r}, {self.value:g})"


class Steps(Range):
    """A `Range` over whole numbers."""

    value = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, label: str, low: int, high: int, step: int = 1, value: int | None = None, **options
    ) -> None:
        super().__init__(label, low, high, step, low if value is None else value, **options)


class Spoken(anywidget.AnyWidget):
    """A sentence that a screen reader says whenever it changes (``aria-live``).

    Where it is, arrows and letters work in the lists of the widget around it.
    """

    _esm = _SPOKEN
    _css = STYLE

    value = traitlets.Unicode("").tag(sync=True)

    def __repr__(self) -> str:
        return f"Spoken({self.value!r})"


def encoded(pixels: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """A picture as WebP, small and quick: what a widget sends to the page."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=88, method=0)
    return buffer.getvalue()


def picture(
    pixels: UInt8[np.ndarray, "H W 3"], alt: str, caption: str = "", chosen: bool = False
) -> str:
    """HTML of one picture, with its words in ``alt`` and its caption below; a frame if ``chosen``.

    Raises:
        AidagenError: without alternative text, which every picture needs.
    """
    if not alt.strip():
        raise AidagenError("A picture was given no alternative text; say in `alt` what it shows.")
    height, width = pixels.shape[:2]
    data = b64encode(encoded(pixels)).decode("ascii")
    below = f'<figcaption style="line-height:1.3">{escape(caption)}</figcaption>' if caption else ""
    ring = ";outline:3px solid currentColor;font-weight:bold" if chosen else ""
    return (
        f'<figure style="margin:0;width:{width}px{ring}"><img width="{width}" height="{height}" '
        f'decoding="sync" alt="{escape(alt, quote=True)}" src="data:image/webp;base64,{data}">'
        f"{below}</figure>"
    )


def pictures(figures: Iterable[str]) -> str:
    """Pictures side by side, in as many rows as the page needs."""
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px;padding:3px">{"".join(figures)}</div>'


def choice(description: str, options: Any, width: int = 200, **more: Any) -> widgets.Dropdown:
    """A labelled list to choose from."""
    return labelled(widgets.Dropdown, description, width, options=options, **more)


def labelled(kind: type, description: str, width: int, **options: Any) -> widgets.Widget:
    """One of ipywidgets' controls that do carry a label, ``width`` pixels wide in small print."""
    style, layout = {"description_width": "initial"}, {"width": f"{width / 13:.3g}em"}
    return kind(description=description, style=style, layout=layout, **options)


def row(*parts: widgets.Widget, align: str = "center") -> widgets.HBox:
    """Widgets side by side, wrapped where the page is narrow; ``align`` is CSS's align-items."""
    return widgets.HBox(parts, layout={"flex_flow": "row wrap", "align_items": align})
