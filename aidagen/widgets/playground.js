// A world to play in. The clock is here: it asks Python for one frame at a time, and says with each
// request what is held down at that moment. So requests never queue, and nothing that was pressed
// earlier can be played out later, however slow the kernel is. Python answers each request once.
// It begins with a demonstration, in view and never under "reduce motion", until somebody plays.

const PATIENCE = 20000; // milliseconds until a request that was not answered is sent again
const IDLE = 60000; // milliseconds without a key, after which the world pauses by itself
const SHOWN = 30000; // milliseconds of the demonstration, then it pauses after a round
const BEGIN = -1; // in the script of the demonstration: back to the first frame
const FINE = 1 / 24; // of the map: how far an arrow key moves the point
const SPEEDS = [[0.5, "½×"], [1, "1×"], [2, "2×"]];
const ARROWS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const PAD = ["up-left", "up", "up-right", "left", "stay", "right", "down-left", "down", "down-right"];
const SVG = "http://www.w3.org/2000/svg";

function make(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function drawn(tag, attributes, parent, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function dark(colour) { // is white text the better one on it?
  const [r, g, b] = [1, 3, 5].map((i) => (parseInt(colour.slice(i, i + 2), 16) / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.18;
}

function paint(canvas, bytes, [height, width]) { // RGB, row by row
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d"), image = pen.createImageData(width, height);
  const rgb = new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength);
  for (let i = 0, j = 0; j < rgb.length; i += 4, j += 3) {
    image.data[i] = rgb[j];
    image.data[i + 1] = rgb[j + 1];
    image.data[i + 2] = rgb[j + 2];
    image.data[i + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
}

function render({ model, el }) {
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const view = `${Math.random()}`; // answers go to all views of this widget; each has its own clock
  const get = (name) => model.get(name);
  const put = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };

  // --- the page
  const symbol = make("span", "symbol"), word = make("span", "");
  const play = make("button", "play", symbol, word);
  const again = make("button", "again", "Reset");
  const clip = make("button", "clip", "Download the last minute");
  const speed = make("select", "", ...SPEEDS.map(([value, name]) => new Option(name, value)));
  const readout = make("output", "widget-readout");
  const bar = make("div", "bar", play, again, make("label", "", make("span", "", "Speed"), speed),
    clip, readout);
  const painted = make("canvas", "painted"), real = make("canvas", "real");
  const below = make("figcaption", ""), told = make("figcaption", "");
  const beside = make("figure", "beside", real, told);
  const pad = make("div", "pad"), hint = make("p", "hint");
  const map = make("div", "map"), mapped = make("p", "hint"), bars = make("div", "bars");
  const histogram = make("figure", "taken", make("figcaption", "", "Actions taken so far"), bars);
  const chart = make("figure", "chart", make("figcaption", "", "Action map"), map, mapped);
  el.classList.add("aidagen-play");
  el.setAttribute("data-lm-suppress-shortcuts", ""); // JupyterLab leaves the keys to it
  el.append(bar, make("div", "field",
    make("div", "world", make("figure", "", painted, below), pad, hint),
    make("div", "side", beside, chart, histogram)));
  symbol.setAttribute("aria-hidden", "true");
  readout.setAttribute("aria-live", "off");
  for (const [node, name] of [[hint, "hint"], [mapped, "mapped"]]) node.id = `${name}-${view}`;
  for (const [node, role] of [[painted, "application"], [map, "application"], [real, "img"],
    [bars, "img"], [pad, "group"]]) node.setAttribute("role", role);
  painted.tabIndex = map.tabIndex = 0;
  painted.setAttribute("aria-describedby", hint.id);
  map.setAttribute("aria-describedby", mapped.id);
  pad.setAttribute("aria-label", "Actions");
  for (const button of [play, again, clip]) button.type = "button";

  // --- what is wanted: the last thing pressed, or what is still held, or what the script says
  const held = new Map(); // source -> { action } or { at: [x, y] }, the last one last
  const arrows = new Set(); // arrow keys that are down, the last one last
  let tapped = null, begin = false, touched = performance.now();
  let asked = null, turn = 0, due = 0, timer = 0, patience = 0;
  let script = 0, began = 0, inView = false, place = null, shown = {};
  let built = null, buttons = [], columns = [], marker = null;

  function hold(source, what) {
    held.delete(source);
    held.set(source, what);
    tapped = what;
    touched = performance.now();
    if (get("demonstrating") || !get("playing")) put({ demonstrating: false, playing: true });
    wake();
  }
  function release(source) {
    held.delete(source);
    wake();
  }
  function want() {
    if (begin) return { begin };
    if (!get("playing")) return null;
    if (tapped ?? held.size) return tapped ?? [...held.values()].at(-1);
    if (get("demonstrating")) {
      const action = get("script")[script];
      return action === BEGIN ? { begin: true } : { action };
    }
    return get("scene").stay >= 0 ? { action: get("scene").stay } : null;
  }
  function ask() {
    if (asked || ((document.hidden || !inView) && !begin)) return;
    const what = want(), now = performance.now();
    if (!what) return;
    if (what === tapped) tapped = null;
    else if (!begin && !held.size && get("demonstrating")) step();
    begin = false;
    due = Math.max(due + 1000 / (get("fps") * get("speed")), now);
    asked = { ...what, view, turn: ++turn, episode: shown.episode };
    send();
  }
  function send() {
    clearTimeout(patience);
    patience = setTimeout(send, PATIENCE); // the same turn: Python takes no step for it again
    model.send(asked);
  }
  function step() {
    script = (script + 1) % get("script").length;
    if (script === 0 && performance.now() - began > SHOWN) put({ playing: false });
  }
  function wake() {
    if (asked) return;
    clearTimeout(timer);
    timer = setTimeout(tick, Math.max(0, due - performance.now()));
  }
  function tick() {
    const left = held.size || get("demonstrating") || performance.now() - touched < IDLE;
    if (get("playing") && !left) put({ playing: false });
    ask();
  }
  function answered(message, buffers) {
    if ("clip" in message) return save(message.clip, buffers);
    if (!message.page) return;
    show(message.page, buffers);
    if (message.view !== view || message.turn !== asked?.turn) return;
    free();
  }
  function free() {
    asked = null;
    clearTimeout(patience);
    wake();
  }

  // --- what is shown
  function build() { // another world: other buttons, map and bars
    const { words, colours, places, low, high, flat, name, axes } = built = get("scene");
    held.clear();
    arrows.clear();
    tapped = place = null;
    script = 0;
    buttons = words.map((text, k) => {
      const button = make("button", "", make("b", "", `${k + 1}`), ...(text ? [` ${text}`] : []));
      button.type = "button";
      button.style.setProperty("--colour", colours[k]);
      button.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        button.setPointerCapture(event.pointerId);
        hold(`button ${k}`, { action: k });
      });
      for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
        button.addEventListener(end, () => release(`button ${k}`));
      }
      button.addEventListener("click", (event) => { // without a pointer: a screen reader's
        if (event.detail) return;
        hold("click", { action: k });
        held.delete("click");
      });
      return button;
    });
    const compass = words.every((text) => !text || PAD.includes(text)) && words.includes("up");
    pad.classList.toggle("compass", compass);
    words.forEach((text, k) => {
      const i = PAD.indexOf(text);
      if (compass) buttons[k].style.gridArea = i < 0 ? "4" : `${1 + Math.floor(i / 3)} / ${1 + i % 3}`;
    });
    pad.replaceChildren(...buttons);
    const ways = words.some((text) => Object.values(ARROWS).includes(text));
    hint.textContent = `Click on the picture, then hold ${ways ? "an arrow key, or " : ""}1 to `
      + `${Math.min(9, words.length)}; space pauses.`;
    painted.setAttribute("aria-label", `${name}, painted by the model`);
    columns = words.map((_, k) => {
      const count = make("span", "count"), fill = make("span", "fill");
      fill.style.background = colours[k];
      return make("div", "", make("span", "tall", count, fill), make("b", "", `${k + 1}`));
    });
    bars.replaceChildren(...columns);

    const tall = flat ? 26 : 100;
    const across = ([x]) => 100 * (x - low[0]) / (high[0] - low[0]);
    const down = ([, y]) => flat ? 9 : 100 * (high[1] - y) / (high[1] - low[1]);
    const svg = drawn("svg", { viewBox: `0 0 100 ${tall}`, "aria-hidden": "true" }, map);
    map.replaceChildren(svg);
    if (flat) drawn("line", { x1: 0, x2: 100, y1: 9, y2: 9, class: "axis" }, svg);
    places.forEach((at, k) => {
      drawn("circle", { cx: across(at), cy: down(at), r: 5, fill: colours[k], class: "dot" }, svg);
      drawn("text", { x: across(at), y: down(at), dy: ".36em",
        fill: dark(colours[k]) ? "#fff" : "#000" }, svg, k + 1);
      if (flat) drawn("text", { x: across(at), y: 22, class: "word" }, svg, words[k]);
    });
    marker = drawn("g", { class: "marker" }, svg);
    drawn("circle", { r: 6.6 }, marker);
    drawn("path", { d: "M-9 0H-5M5 0H9M0-9V-5M0 5V9" }, marker);
    marker.put = (at) => marker.setAttribute("transform", `translate(${across(at)} ${down(at)})`);
    mapped.textContent = `${axes}. Press between two actions, or focus it and use the arrow keys.`;
  }
  function show(page, buffers) {
    const { size, words, note, name, places } = get("scene");
    shown = page;
    paint(painted, buffers[0], size);
    beside.querySelector("canvas").hidden = !buffers[1];
    if (buffers[1]) paint(real, buffers[1], size);
    const did = page.action < 0 ? "first frame" : page.called;
    below.textContent = `The model’s world (AI-generated): ${did}`;
    told.textContent = buffers[1] ? `The real game${page.pressed ? `, told: ${page.pressed}` : ""}` : note;
    real.setAttribute("aria-label", `${name}, the real game`);
    const rate = page.speed ? ` · ${page.speed.toFixed(1)} frames per second` : "";
    readout.textContent = `frame ${page.frame}${rate}`;
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", k === page.action));
    const most = Math.max(1, ...page.counts);
    page.counts.forEach((count, k) => {
      const [number, fill] = columns[k].firstChild.children;
      number.textContent = count;
      fill.style.height = `calc((100% - 1.5em) * ${count / most})`;
    });
    bars.setAttribute("aria-label", `Actions taken: ${page.counts
      .map((count, k) => `${k + 1} ${words[k]} ${count} times`).join(", ")}`);
    const dragged = [...held.values()].at(-1)?.at;
    place = dragged ?? page.at ?? place ?? places[Math.max(0, get("scene").stay)];
    mark();
  }
  function mark() {
    marker.put(place);
    const [x, y] = place.map((value) => value.toFixed(2));
    const where = get("scene").flat ? x : `x ${x}, y ${y}`;
    map.setAttribute("aria-label", `Action map, point at ${where}`);
  }
  function state() {
    const playing = get("playing");
    if (!playing) began = 0;
    else began ||= performance.now();
    symbol.textContent = playing ? "❚❚" : "▶";
    word.textContent = playing ? "Pause" : "Play";
    speed.value = get("speed");
    wake();
  }
  function save(name, buffers) { // null: Python has said why there is none
    clip.disabled = false;
    clip.textContent = "Download the last minute";
    if (!name) return;
    const url = URL.createObjectURL(new Blob([buffers[0]], { type: "video/mp4" }));
    Object.assign(make("a", ""), { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), PATIENCE);
  }

  // --- buttons, keys, the map
  function toggle() {
    touched = performance.now();
    tapped = null;
    put({ playing: !get("playing") });
  }
  play.addEventListener("click", toggle);
  again.addEventListener("click", () => {
    begin = true;
    tapped = null;
    touched = performance.now();
    put({ demonstrating: false });
    if (!asked) ask();
  });
  clip.addEventListener("click", () => {
    clip.disabled = true;
    clip.textContent = "Writing the clip …";
    model.send({ clip: true });
  });
  speed.addEventListener("change", () => put({ speed: Number(speed.value) }));

  function way() { // of the arrow keys that are down: an action, or none
    const { words } = get("scene"), down = [...arrows].reverse().map((key) => ARROWS[key]);
    const up = down.find((one) => one === "up" || one === "down");
    const side = down.find((one) => one === "left" || one === "right");
    return [`${up}-${side}`, ...down].map((one) => words.indexOf(one)).find((k) => k >= 0);
  }
  function steer() {
    const action = way();
    if (action === undefined) release("arrows");
    else hold("arrows", { action });
  }
  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === speed) return;
    const { key, target } = event, k = buttons.indexOf(target.closest("button"));
    const press = key === " " || key === "Enter";
    const number = /^[1-9]$/.test(key) ? Number(key) - 1 : press ? k : -1;
    const steers = key in ARROWS && get("scene").words.some((text) => text === ARROWS[key]);
    event.stopPropagation(); // the notebook would run or select another cell
    if (target === map && (key in WAYS || press)) {
      event.preventDefault();
      if (key in WAYS) move(WAYS[key]);
      if (key in WAYS || !event.repeat) hold(`map ${key}`, { at: place });
    } else if (number >= 0 && number < buttons.length) {
      event.preventDefault();
      if (!event.repeat) hold(`key ${key}`, { action: number });
    } else if (key in ARROWS && target !== map) {
      event.preventDefault(); // the page would scroll
      if (event.repeat || !steers) return;
      arrows.delete(key);
      arrows.add(key);
      steer();
    } else if (key === " " && target === painted) {
      event.preventDefault();
      if (!event.repeat) toggle();
    }
  }
  function raised({ key }) {
    if (arrows.delete(key)) {
      if (arrows.size) steer();
      else release("arrows");
    }
    for (const source of [`key ${key}`, `map ${key}`]) if (held.has(source)) release(source);
  }
  function loose() { // the window lost the keyboard: nothing is held any more
    held.clear();
    arrows.clear();
    wake();
  }
  el.addEventListener("keydown", pressed);
  el.addEventListener("keyup", (event) => {
    if (event.key === " " && buttons.includes(event.target)) event.preventDefault();
  });
  window.addEventListener("keyup", raised, true);
  window.addEventListener("blur", loose);
  painted.addEventListener("pointerdown", () => painted.focus({ preventScroll: true }));

  function within([x, y]) {
    const { low, high, flat } = get("scene");
    const inside = (value, i) => Math.min(high[i], Math.max(low[i], value));
    return [inside(x, 0), flat ? 0 : inside(y, 1)];
  }
  function move([x, y]) {
    const { low, high } = get("scene"), far = FINE * (high[0] - low[0]);
    place = within([place[0] + far * x, place[1] + far * y]);
    mark();
  }
  function pointed(event) {
    const { low, high } = get("scene"), box = map.getBoundingClientRect();
    place = within([
      low[0] + (event.clientX - box.left) / box.width * (high[0] - low[0]),
      high[1] - (event.clientY - box.top) / box.height * (high[1] - low[1]),
    ]);
    hold("map", { at: place });
    mark();
  }
  map.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    map.focus({ preventScroll: true });
    map.setPointerCapture(event.pointerId);
    pointed(event);
  });
  map.addEventListener("pointermove", (event) => held.has("map") && pointed(event));
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    map.addEventListener(end, () => held.has("map") && release("map"));
  }

  // --- what Python says
  const page = () => {
    const now = get("page");
    if (get("scene") !== built) build(); // both came at once, in any order
    const other = now.episode !== shown.episode;
    show(now, get("pixels"));
    if (other) free(); // what was asked of the episode before is not answered
  };
  const watch = new IntersectionObserver(([entry]) => {
    inView = entry.isIntersecting;
    if (!inView) return;
    if (get("autoplay")) put({ autoplay: false, playing: !calm.matches });
    wake();
  });
  const listeners = { "msg:custom": answered, "change:scene": page, "change:page": page,
    "change:playing": state, "change:speed": state };
  for (const [name, listener] of Object.entries(listeners)) model.on(name, listener);
  document.addEventListener("visibilitychange", wake);
  page();
  state();
  watch.observe(el);
  return () => {
    clearTimeout(timer);
    clearTimeout(patience);
    asked = {}; // nothing more is asked
    watch.disconnect();
    window.removeEventListener("keyup", raised, true);
    window.removeEventListener("blur", loose);
    document.removeEventListener("visibilitychange", wake);
    for (const [name, listener] of Object.entries(listeners)) model.off(name, listener);
  };
}

export default { render };
