// A slider as browsers have it: a label that belongs to it, keys, touch, and words for its value.

const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];

function render({ model, el }) {
  el.classList.add("aidagen-range");
  const label = document.createElement("label");
  const words = document.createElement("span");
  const input = document.createElement("input");
  const shown = document.createElement("span");
  input.type = "range";
  shown.className = "widget-readout";
  shown.setAttribute("aria-hidden", "true"); // the slider says it itself
  label.append(words, input);
  el.append(label, shown);

  let waiting = 0;

  function text() {
    const value = model.get("value");
    const said = model.get("texts")[Math.round((value - model.get("low")) / model.get("step"))];
    return said ?? `${Number(value.toFixed(4))}${model.get("unit")}`;
  }

  function draw() {
    words.textContent = model.get("label");
    for (const [name, trait] of [["min", "low"], ["max", "high"], ["step", "step"]])
      input[name] = model.get(trait);
    if (!waiting) input.value = model.get("value");
    input.disabled = model.get("disabled");
    shown.textContent = text();
    input.setAttribute("aria-valuetext", shown.textContent);
  }

  function send() {
    waiting = 0;
    model.set("value", Number(input.value));
    model.save_changes();
    draw();
  }

  input.addEventListener("input", () => {
    if (!waiting) waiting = requestAnimationFrame(send);
  });
  // these keys are the slider's own; the notebook would select another cell
  el.addEventListener("keydown", (event) => {
    if (KEYS.includes(event.key)) event.stopPropagation();
  });
  model.on("change", draw);
  draw();
  return () => {
    cancelAnimationFrame(waiting);
    model.off("change", draw);
  };
}

export default { render };
