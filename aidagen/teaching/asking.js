// What a question does in the browser; it loads nothing from elsewhere.
let panels = 0;

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
