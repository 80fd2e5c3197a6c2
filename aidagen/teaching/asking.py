"""The panel that asks: native radio buttons or a native slider, and a sentence below.

`quiz` and `predict` fill it. The script below is all there is in the browser; it loads nothing.
Once a prediction's outcome is there, the panel also has a button that shows it.
"""

from __future__ import annotations

from html import escape
from typing import Any

import anywidget
import traitlets

ESM = """
let panels = 0;

function element(kind, attributes, ...children) {
  const node = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function render({ model, el }) {
  const name = `aidagen-asking-${Date.now()}-${panels++}`;
  const send = (trait, value) => { model.set(trait, value); model.save_changes(); draw(); };
  // while the focus is in here, JupyterLab ignores its one-key commands
  const panel = element("fieldset", { class: "aidagen-asking", "data-lm-suppress-shortcuts": "" });
  const status = element("p", { role: "status", "aria-live": "polite" });
  const inputs = [];
  let value;

  panel.append(element("legend", {}, model.get("text")));
  model.get("options").forEach((option, i) => {
    const input = element("input", { type: "radio", name, value: i });
    input.addEventListener("change", () => send("choice", i));
    inputs.push(input);
    panel.append(element("label", {}, input, element("span", {}, option)));
  });
  if (!model.get("options").length) {
    const [low, high, step] = model.get("limits");
    const slider = element("input", { type: "range", min: low, max: high, step });
    slider.value = (low + high) / 2;
    for (const event of ["input", "click"])  // clicking the middle is a guess, too
      slider.addEventListener(event, () => send("number", slider.valueAsNumber));
    inputs.push(slider);
    value = element("output", { "aria-hidden": "true" });
    panel.append(element("label", {}, element("span", {}, "Your guess"), slider, value));
  }
  panel.addEventListener("keydown", event => {  // arrows choose an option here, not the next cell
    if (/^(Arrow|Home|End|Page| $)/.test(event.key)) event.stopPropagation();
  });
  const show = element("button", { type: "button" });
  show.addEventListener("click", () => {
    status.textContent = "If no outcome appears, run the cells above first.";
    model.set("asked", true);
    model.save_changes();
  });
  panel.append(show, status);
  el.append(panel);

  function draw() {
    const choice = model.get("choice"), number = model.get("number");
    const feedback = model.get("feedback");
    inputs.forEach((input, i) => {
      input.disabled = model.get("settled");
      if (input.type === "radio") input.checked = i === choice;
      else if (number !== null) input.value = number;
    });
    if (value) value.textContent = number !== null ? model.get("shown")
      : model.get("settled") ? "no guess" : "not yet";
    show.hidden = !model.get("ready") || model.get("settled");
    show.textContent = number !== null || choice >= 0 ? "Show the outcome" : "Show without a guess";
    const words = feedback.length ? (feedback[choice] ?? "") : model.get("sentence");
    if (status.textContent !== words) status.textContent = words;
  }
  const traits = ["choice", "number", "shown", "sentence", "settled", "ready"];
  traits.forEach((trait) => model.on(`change:${trait}`, draw));
  draw();
  return () => traits.forEach((trait) => model.off(`change:${trait}`, draw));
}

export default { render };
"""

CSS = """
.aidagen-asking { max-width: 44em; margin: 4px 0; padding: 8px 14px; border: 1px solid #767676;
  border-radius: 4px; font-size: var(--aidagen-card-size, 14px); line-height: 1.45;
  color: var(--jp-ui-font-color0, #111); }
.aidagen-asking legend { float: left; width: 100%; padding: 0 0 4px; font-weight: 600;
  font-size: inherit; border: 0; margin: 0; color: inherit; }
.aidagen-asking legend + * { clear: both; }
.aidagen-asking label { display: flex; gap: 8px; align-items: baseline; padding: 3px 0;
  min-height: 24px; }
.aidagen-asking input { flex: none; margin: 2px; }
.aidagen-asking input[type=range] { width: 16em; align-self: center; }
.aidagen-asking input:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
.aidagen-asking button { font: inherit; min-height: 28px; margin: 6px 0 0; padding: 2px 12px;
  cursor: pointer; color: inherit; background: transparent; border: 1px solid currentColor;
  border-radius: 4px; }
.aidagen-asking button[hidden] { display: none; }
.aidagen-asking button:focus-visible { outline: 3px solid #E69F00; outline-offset: 2px; }
.aidagen-asking p { margin: 6px 0 0; min-height: 1.45em; }
"""


class Asking(anywidget.AnyWidget):
    """A question in a fieldset: options as radio buttons, or a range as a slider.

    ``choice`` is the index of the chosen option (-1: none yet), ``number`` the slider's value
    (None: not moved yet). ``feedback`` has one sentence per option, which is also shown without a
    kernel; where it is empty, ``sentence`` is shown. While there is something to show (``ready``)
    and the question is not ``settled``, a button sets ``asked``.
    """

    _esm = ESM
    _css = CSS
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
