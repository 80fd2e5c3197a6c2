// A picture on a canvas, and over it one real button for every point. Points are dragged with any
// pointer, or moved with the arrow keys while their button has the focus; the panel below does the
// same with a list and two sliders. Nothing moves by itself. With `brush`, a radius, the one point
// is a brush: a press anywhere takes it there, and `stroke` counts presses and keys. Points may have
// `bones` between them, lie `around` pixels beyond the picture, and be taken away with Delete.

const REACH = 24; // CSS pixels from a point that still take hold of it
const NUMBERED = 8; // CSS pixels of radius from which a point carries its number
const TEXT = 14; // CSS pixels of text at which a picture has the size that was asked for
const MARGIN = 13; // around the picture, so that points on its border are seen whole
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const copy = (points) => points.map((point) => [...point]);

function element(tag, className, parent, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function field(text, tag, parent) {
  const label = element("label", "", parent);
  element("span", "", label, text);
  return element(tag, "", label);
}

function dark(colour) { // is white text the better one on it?
  const [r, g, b] = [1, 3, 5].map((i) => (parseInt(colour.slice(i, i + 2), 16) / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.18;
}

function render({ model, el }) {
  const root = element("div", "aidagen-canvas", el);
  const stage = element("div", "stage", root);
  const canvas = element("canvas", "", stage);
  const caption = element("p", "caption", root);
  const count = model.get("points").length;
  const buttons = model.get("points").map(() => element("button", "point", stage));
  canvas.setAttribute("role", "img");
  stage.classList.toggle("live", count > 0);

  let points = copy(model.get("points"));
  let bitmap = null, newest = 0, frame = 0, changed = false, held = null;
  const panel = count ? build() : null;

  // --- where things are: [-1, 1] at the centres of the outermost pixels
  const side = (axis) =>
    (model.get("pixels").length ? model.get("pixels") : model.get("shape"))[1 - axis];
  const length = (axis) => axis ? height() : size();
  const ratio = () => model.get("shape")[0] / model.get("shape")[1];
  const height = () => size() * ratio();
  // how far points go, and how much room that takes beside the picture
  const most = (axis) => 1 + 2 * model.get("around") / Math.max(1, side(axis) - 1);
  const margin = (axis) =>
    count ? MARGIN + model.get("around") * length(axis) / side(axis) : 0;
  const round = (value, axis) =>
    Math.round(Math.min(most(axis), Math.max(-most(axis), value)) * 1e4) / 1e4 + 0;
  let grown = 1; // a picture grows with the text, as in a deck, to half of the window at most
  const size = () => model.get("size") * grown;
  const grow = () => {
    const text = parseFloat(getComputedStyle(root).fontSize) / TEXT;
    const zoom = root.currentCSSZoom || 1; // a page that zooms makes it larger already
    const tall = model.get("size") * Math.max(1, ratio());
    grown = Math.max(1, Math.min(text, window.innerHeight / 2 / tall) / zoom);
  };
  const onScreen = (value, axis) =>
    ((value + 1) / 2 * (side(axis) - 1) + 0.5) * length(axis) / side(axis);
  const offScreen = (place, axis) =>
    side(axis) > 1 ? (place * side(axis) / length(axis) - 0.5) / (side(axis) - 1) * 2 - 1 : 0;
  const name = (k) => {
    const [x, y] = points[k];
    const beyond = Math.max(Math.abs(x), Math.abs(y)) > 1 ? ", outside the picture" : "";
    const state = gone(k) ? ", missing" : beyond;
    return `${model.get("labels")[k]}, x ${x.toFixed(2)}, y ${y.toFixed(2)}${state}`;
  };
  const gone = (k) => model.get("missing").includes(k);

  function build() {
    const made = element("div", "panel", root);
    const which = field("Point", "select", made);
    model.get("labels").forEach((label, k) => {
      element("option", "", which, label).value = k;
    });
    which.parentElement.hidden = count === 1; // nothing to choose
    const sliders = ["x", "y"].map((axis) => {
      const input = field(axis, "input", made);
      Object.assign(input, { type: "range", step: 0.01 });
      return input;
    });
    if (model.get("says")) {
      element("button", "reset", made, "Reset").addEventListener("click", () => {
        points = copy(model.get("home"));
        later(true);
      });
    }
    const more = model.get("removable") ? " Delete takes it away, and brings it back." : "";
    const hint = element("p", "hint", root, model.get("brush")
      ? "Press on the picture and drag, or focus the brush and press the arrow keys; Shift moves it further."
      : `Drag a point, or focus it and press the arrow keys; Shift moves it further, Escape puts it back.${more}`);
    hint.id = `aidagen-${crypto.randomUUID?.() ?? Math.random()}`;
    buttons.forEach((button, k) => {
      button.setAttribute("aria-describedby", hint.id);
      button.addEventListener("focus", () => choose(k));
      button.addEventListener("keydown", (event) => keyed(event, k));
    });
    which.addEventListener("change", () => choose(Number(which.value)));
    sliders.forEach((input, axis) => input.addEventListener("input", () => {
      const point = [...points[chosen()]];
      point[axis] = Number(input.value);
      move(chosen(), point);
    }));
    stage.addEventListener("pointerdown", take);
    stage.addEventListener("pointermove", drag);
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, drop);
    return { which, sliders };
  }

  const says = element("p", "says", root);
  says.setAttribute("role", "status");
  says.setAttribute("aria-live", "polite");
  let said = false; // nothing is announced before something was moved

  // --- changes: drawn and sent once a frame, and only if a point really moved
  const chosen = () => Math.min(Math.max(0, model.get("chosen")), count - 1);

  function later(moved) {
    changed ||= moved;
    if (!frame) frame = requestAnimationFrame(draw);
  }

  function choose(k) {
    if (k === model.get("chosen")) return;
    model.set("chosen", k);
    model.save_changes();
    later(false);
  }

  function move(k, [x, y]) {
    const to = [round(x, 0), round(y, 1)];
    if (to[0] === points[k][0] && to[1] === points[k][1]) return;
    points[k] = to;
    later(true);
  }

  function toggle(k) { // taken away, or brought back
    const missing = model.get("missing");
    model.set("missing", gone(k) ? missing.filter((i) => i !== k) : [...missing, k].sort((a, b) => a - b));
    model.save_changes();
  }

  function begin() { // a new stroke of the brush, sent along with where it starts
    if (model.get("brush")) model.set("stroke", model.get("stroke") + 1);
  }

  function keyed(event, k) {
    const way = ARROWS[event.key];
    const takes = model.get("removable") && (event.key === "Delete" || event.key === "Backspace");
    if (!way && !takes && event.key !== "Escape") return;
    event.preventDefault(); // these keys are the point's own, not the notebook's
    event.stopPropagation();
    if (takes) return toggle(k);
    if (!way && model.get("brush")) return;
    if (!way) {
      move(k, held ? held.start : model.get("home")[k]);
      held = null;
      return;
    }
    begin();
    const step = model.get("steps")[event.shiftKey ? 1 : 0];
    move(k, [points[k][0] + step * way[0], points[k][1] + step * way[1]]);
  }

  function place(event) { // CSS pixels in the stage, also where the page is zoomed
    const box = stage.getBoundingClientRect();
    return [
      (event.clientX - box.left) * length(0) / box.width,
      (event.clientY - box.top) * length(1) / box.height,
    ];
  }

  function take(event) {
    if (event.button) return;
    const at = place(event);
    let nearest = -1, least = REACH;
    points.forEach((point, k) => {
      const far = Math.hypot(...point.map((value, axis) => onScreen(value, axis) - at[axis]));
      if (far < least) [nearest, least] = [k, far];
    });
    event.preventDefault();
    const brush = model.get("brush");
    if (brush) nearest = 0;
    if (nearest < 0) return;
    const from = points[nearest].map(
      (value, axis) => brush ? 0 : onScreen(value, axis) - at[axis]);
    held = { k: nearest, from, start: [...points[nearest]], pointer: event.pointerId };
    stage.setPointerCapture(event.pointerId);
    stage.classList.add("held");
    buttons[nearest].focus({ preventScroll: true });
    choose(nearest);
    if (!brush) return;
    begin();
    points[0] = at.map((value, axis) => round(offScreen(value, axis), axis));
    later(true); // a dab, also where it already was
  }

  function drag(event) {
    if (!held || event.pointerId !== held.pointer) return;
    const at = place(event);
    move(held.k, at.map((value, axis) => offScreen(value + held.from[axis], axis)));
  }

  function drop() {
    held = null;
    stage.classList.remove("held");
  }

  // --- pictures
  async function load() {
    const mine = ++newest, bytes = model.get("frame");
    if (!bytes?.byteLength) return;
    const made = await createImageBitmap(new Blob([bytes]));
    if (mine !== newest) return made.close(); // a newer picture was faster
    bitmap?.close();
    bitmap = made;
    later(false);
  }

  function draw() {
    frame = 0;
    grow();
    const density = window.devicePixelRatio || 1;
    const [wide, high] = [length(0), length(1)];
    Object.assign(stage.style, {
      width: `${wide}px`, height: `${high}px`,
    });
    const [left, top] = [margin(0), margin(1)];
    const beyond = model.get("around") > 0;
    stage.style.margin = `${Math.max(MARGIN, top)}px ${left}px ${beyond ? top : 4}px`;
    root.style.maxWidth = `${wide + 2 * left}px`;
    const [full, tall] = [wide + 2 * left, high + 2 * top];
    Object.assign(canvas.style, { left: `${-left}px`, top: `${-top}px`,
      width: `${full}px`, height: `${tall}px` });
    canvas.width = Math.round(full * density);
    canvas.height = Math.round(tall * density);
    canvas.setAttribute("aria-label", model.get("alt"));
    caption.textContent = model.get("caption");
    caption.style.marginLeft = `${left}px`;
    caption.hidden = !model.get("caption");
    const pen = canvas.getContext("2d");
    pen.scale(density, density);
    pen.translate(left, top);
    if (beyond) {
      pen.fillStyle = "rgba(128, 128, 128, 0.18)";
      pen.fillRect(MARGIN - left, MARGIN - top, full - 2 * MARGIN, tall - 2 * MARGIN);
    }
    pen.imageSmoothingEnabled = model.get("smooth");
    pen.imageSmoothingQuality = "high";
    if (bitmap) pen.drawImage(bitmap, 0, 0, wide, high);
    const order = [...points.keys()].filter((k) => k !== chosen());
    if (count && model.get("drawn")) {
      skeleton(pen);
      [...order, chosen()].forEach((k) => dot(pen, k));
    }
    if (!panel) return;
    buttons.forEach((button, k) => {
      button.setAttribute("aria-label", name(k));
      button.style.left = `${onScreen(points[k][0], 0)}px`;
      button.style.top = `${onScreen(points[k][1], 1)}px`;
      button.style.zIndex = k === chosen() ? 1 : 0;
    });
    panel.which.value = chosen();
    panel.sliders.forEach((input, axis) => {
      Object.assign(input, { min: -most(axis).toFixed(2), max: most(axis).toFixed(2) });
      input.value = points[chosen()][axis];
      input.setAttribute("aria-label", `${model.get("labels")[chosen()]}, ${"xy"[axis]}`);
    });
    said ||= changed;
    says.textContent = said && model.get("says") ? `${name(chosen())}.` : "";
    if (!changed) return;
    changed = false;
    model.set("points", copy(points));
    model.save_changes();
  }

  function circle(pen, x, y) { // the brush: its edge, and its middle
    const reach = model.get("brush") / 2 * (side(0) - 1) * length(0) / side(0);
    for (const [radius, style, width] of [[reach, "#000", 3], [reach, "#fff", 1.5], [2, "#fff", 2]]) {
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      Object.assign(pen, { strokeStyle: style, lineWidth: width });
      pen.stroke();
    }
  }

  function skeleton(pen) { // a bone between two sides is white
    for (const [a, b] of model.get("bones")) {
      if (gone(a) || gone(b)) continue;
      const colours = model.get("colours");
      for (const [style, width] of [["#000", 5], [colours[a] === colours[b] ? colours[a] : "#fff", 3]]) {
        pen.beginPath();
        pen.moveTo(...points[a].map(onScreen));
        pen.lineTo(...points[b].map(onScreen));
        Object.assign(pen, { strokeStyle: style, lineWidth: width * grown });
        pen.stroke();
      }
    }
  }

  function dot(pen, k) {
    const [x, y] = points[k].map(onScreen);
    if (model.get("brush")) return circle(pen, x, y);
    const [left, top] = model.get("home")[k].map(onScreen);
    const colour = model.get("colours")[k] ?? "#E69F00";
    const ring = (a, b, radius, style, width) => {
      pen.beginPath();
      pen.arc(a, b, radius, 0, 2 * Math.PI);
      Object.assign(pen, { strokeStyle: style, lineWidth: width });
      pen.stroke();
    };
    if (Math.hypot(x - left, y - top) > 1) { // where it came from
      for (const [style, width] of [["#000", 4], [colour, 2]]) {
        ring(left, top, 4, style, width);
        pen.beginPath();
        pen.moveTo(left, top);
        pen.lineTo(x, y);
        pen.stroke();
      }
    }
    const radius = model.get("dot") * grown;
    if (gone(k)) { // a ring that is not closed
      pen.setLineDash([radius, radius / 2]);
      ring(x, y, radius, "#000", 4);
      ring(x, y, radius, colour, 2);
      pen.setLineDash([]);
    } else {
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.fillStyle = colour;
      pen.fill();
      ring(x, y, radius, "#000", 1.5);
    }
    if (k === chosen()) ring(x, y, radius + 2, "#fff", 2.5);
    if (model.get("dot") < NUMBERED) return;
    Object.assign(pen, { fillStyle: dark(colour) ? "#fff" : "#000", textAlign: "center",
      textBaseline: "middle", font: `bold ${14 * grown}px sans-serif` });
    pen.fillText(String(k + 1), x, y + 0.5);
  }

  const told = () => {
    if (!held) points = copy(model.get("points"));
    later(false);
  };
  const redraw = () => later(false);
  model.on("change:points", told);
  model.on("change:frame", load);
  const looks = ["alt", "caption", "chosen", "size", "shape", "home", "says", "brush", "bones",
    "missing", "colours", "drawn"];
  for (const trait of looks) model.on(`change:${trait}`, redraw);
  window.addEventListener("resize", redraw); // zooming changes the pixel ratio
  const ruler = new ResizeObserver(redraw); // the text, and with it the picture, became larger
  ruler.observe(caption);
  ruler.observe(root);
  root.addEventListener("keydown", (event) => { // sliders keep their keys, too
    if (event.key in ARROWS || event.key === "Home" || event.key === "End") event.stopPropagation();
  });
  load();
  later(false);
  return () => {
    newest += 1;
    cancelAnimationFrame(frame);
    ruler.disconnect();
    window.removeEventListener("resize", redraw);
    model.off("change:points", told);
    model.off("change:frame", load);
    for (const trait of looks) model.off(`change:${trait}`, redraw);
  };
}

export default { render };
