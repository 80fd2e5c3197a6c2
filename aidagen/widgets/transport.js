// The transport bar of everything here that shows frames over time: play and pause, a slider to
// scrub with, the speed, the number of the frame. It shows what it is told and reports what is done:
//
//   const bar = transport({ label, low, high, text(at), toggle(), seek(at), hasten(speed) });
//   root.append(bar.node);  bar.draw({ at, playing, speed });
//
// Keys, wherever the focus is in it: space plays and pauses, arrows step, Home and End go to the
// first and the last frame.

const SPEEDS = [[0.5, "½×"], [1, "1×"], [2, "2×"]];
const KEYS = { " ": 1, ArrowUp: 1, ArrowDown: 1, Home: 1, End: 1 }; // the list's own
const WAYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10 };

function transport({ label, low, high, text, toggle, seek, hasten }) {
  const make = (tag, className, ...children) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children);
    return made;
  };
  const symbol = make("span", "symbol"), word = make("span", "");
  const button = make("button", "play", symbol, word);
  const slider = make("input", "scrub");
  const shown = make("output", "widget-readout");
  const speed = make("select", "speed", ...SPEEDS.map(([value, name]) => new Option(name, value)));
  const node = make("div", "aidagen-transport", button,
    make("label", "where", make("span", "", label), slider), shown,
    make("label", "", make("span", "", "Speed"), speed));
  button.type = "button";
  symbol.setAttribute("aria-hidden", "true");
  Object.assign(slider, { type: "range", step: 1, min: low, max: high });
  shown.setAttribute("aria-hidden", "true"); // the slider says it itself
  shown.setAttribute("aria-live", "off");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "Playback");
  node.setAttribute("data-lm-suppress-shortcuts", ""); // JupyterLab leaves the keys to it

  const inside = (at) => Math.min(Number(slider.max), Math.max(Number(slider.min), at));
  button.addEventListener("click", toggle);
  slider.addEventListener("input", () => seek(slider.valueAsNumber));
  speed.addEventListener("change", () => hasten(Number(speed.value)));
  node.addEventListener("keydown", (event) => {
    if (event.target === speed && event.key in KEYS) return event.stopPropagation();
    if (event.target === speed || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = slider.valueAsNumber;
    const to = { Home: Number(slider.min), End: Number(slider.max) }[event.key]
      ?? (event.key in WAYS ? inside(at + WAYS[event.key]) : null);
    if (event.key === " ") {
      event.preventDefault();
      event.stopPropagation(); // the notebook would scroll, or select another cell
      if (!event.repeat) toggle();
    } else if (to !== null) {
      event.preventDefault();
      event.stopPropagation();
      slider.value = to;
      seek(to);
    }
  });
  // the browser presses a button when its space goes up
  button.addEventListener("keyup", (event) => event.key === " " && event.preventDefault());

  function draw({ at, playing, speed: chosen, first = low, last = high }) {
    Object.assign(slider, { min: first, max: last });
    slider.value = at;
    symbol.textContent = playing ? "❚❚" : "▶";
    word.textContent = playing ? "Pause" : "Play";
    speed.value = chosen;
    shown.textContent = text(at);
    slider.setAttribute("aria-valuetext", shown.textContent);
  }
  return { node, draw };
}
