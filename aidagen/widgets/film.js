// Pictures that change from frame to frame, under a transport bar. Python draws a frame when it is
// asked for it, one at a time, so that a slow kernel is never flooded; what was drawn is kept here,
// and from the second round on playing asks the kernel nothing. Where there are no pictures, the
// bar alone drives `value`, and waits for each step to be drawn elsewhere.
// It plays by itself only once, only in view, and never under "reduce motion".

const KEPT = 64 * 2 ** 20; // bytes of frames kept in the page
const PATIENCE = 4000; // milliseconds until a step that was not answered is sent again
const GAP = 8, SMALLEST = 256; // pixels on the screen
const [SHARE, MOST] = [0.62, 1]; // parts of the window's height: for pictures, and at most

function render({ model, el }) {
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const screen = document.createElement("div");
  const pages = new Map(); // frame -> { cells: [[{ caption, alt, width, height, url }]], bytes }
  const retired = new Set(); // addresses of frames that were dropped
  let key = null, kept = 0; // of what these frames are, and how large
  let at = model.get("value"); // what is to be shown
  let asked = null, sent = null, patience = 0; // what Python was asked for, and told
  let wanted = null; // of a private film: the frame to show as soon as it comes
  let playing = false, timer = 0, due = 0, inView = false;

  const get = (name) => model.get(name);
  const bar = transport({
    label: get("label"), low: get("low"), high: get("high"),
    text: (t) => get("texts")[t - get("low")] ?? `${t} of ${get("high")}`,
    toggle: () => (playing ? pause() : play()),
    seek: (t) => { stop(); go(t); },
    hasten: (speed) => { model.set("speed", speed); model.save_changes(); due = 0; run(); },
  });
  el.classList.add("aidagen-film");
  screen.className = "screen";
  el.append(bar.node, screen);

  // --- frames
  function store(page, buffers) {
    if (page.key !== key) forget(page.key);
    if (pages.has(page.at)) return;
    let next = 0, bytes = 0;
    const cells = page.cells.map((cell) => cell.map((picture) => {
      const buffer = buffers[next++];
      bytes += buffer.byteLength;
      return { ...picture, url: URL.createObjectURL(new Blob([buffer], { type: "image/webp" })) };
    }));
    while (kept + bytes > KEPT && pages.size) drop(farthest());
    kept += bytes;
    pages.set(page.at, { cells, bytes });
  }
  function farthest() {
    return [...pages.keys()].reduce((a, b) => (Math.abs(b - at) > Math.abs(a - at) ? b : a));
  }
  function drop(t) {
    const { cells, bytes } = pages.get(t);
    cells.flat().forEach(({ url }) => retired.add(url));
    kept -= bytes;
    pages.delete(t);
    sweep();
  }
  function sweep() { // what is still shown keeps its address: a copy of the page reads it again
    const shown = new Set([...screen.querySelectorAll("img")].map(({ src }) => src));
    for (const url of retired) {
      if (shown.has(url)) continue;
      URL.revokeObjectURL(url);
      retired.delete(url);
    }
  }
  function forget(now) { // another overlay, another source: other frames
    [...pages.keys()].forEach(drop);
    key = now;
    asked = null;
  }
  function ask(t) {
    if (asked !== null || pages.has(t) || pages.size >= get("high") - get("low") + 1) return;
    asked = t;
    model.send({ frame: t, key });
  }
  const after = (t) => (t >= get("high") ? get("low") : t + 1);
  function ahead() { // the next frame that is not here yet
    if (kept > KEPT / 2) return ask(after(at)); // too many to keep them all
    for (let t = after(at); t !== at; t = after(t)) if (!pages.has(t)) return ask(t);
  }

  // --- what is shown
  function paint() {
    const page = pages.get(at);
    if (page) fill(page.cells);
    bar.draw({ at, playing, speed: get("speed"), first: get("low"), last: get("high") });
    bar.node.hidden = get("high") <= get("low");
  }
  function fill(cells) {
    const outline = JSON.stringify(cells.map((cell) => cell.map(({ caption }) => Boolean(caption))));
    if (screen.dataset.outline !== outline) {
      screen.dataset.outline = outline;
      screen.replaceChildren(...cells.map((cell) => {
        const column = document.createElement("div");
        column.style.gridRow = `span ${Math.max(...cells.map(({ length }) => length))}`;
        column.append(...cell.map(({ caption }) => {
          const figure = document.createElement("figure");
          const image = new Image();
          image.decoding = "sync"; // the old picture stays until the new one can be shown
          figure.append(image);
          if (caption) figure.append(document.createElement("figcaption"));
          return figure;
        }));
        return column;
      }));
    }
    const figures = screen.querySelectorAll("figure");
    cells.flat().forEach(({ caption, alt, width, height, url }, i) => {
      const [image, below] = figures[i].children;
      if (image.src !== url) image.src = url;
      Object.assign(image, { alt, width, height });
      if (below && below.textContent !== caption) below.textContent = caption;
    });
    sweep();
    arrange(cells);
  }
  function arrange(cells = pages.get(at)?.cells) { // the columns in which pictures are largest
    const full = el.clientWidth;
    if (!cells?.length || !full) return;
    const stack = Math.max(...cells.map((cell) => cell.length));
    const most = Math.max(...cells.flat().map(({ width }) => width));
    const line = 1.8 * parseFloat(getComputedStyle(el).fontSize);
    let best = { columns: 1, wide: 0 };
    for (let rows = 1; rows <= cells.length; rows++) {
      const columns = Math.ceil(cells.length / rows); // 2 and 2 rather than 3 and 1
      const across = (full - GAP * columns) / columns;
      const fits = (share) => share * window.innerHeight / (rows * stack) - line;
      const high = Math.max(fits(SHARE), Math.min(SMALLEST, most, fits(MOST)));
      const wide = Math.min(across, 2 * most, high);
      const enough = best.wide >= Math.min(SMALLEST, most); // then the fewest rows
      if (wide > best.wide && !enough) best = { columns, wide };
    }
    screen.style.gridTemplateColumns = `repeat(${best.columns}, ${Math.floor(best.wide)}px)`;
  }

  // --- single steps: sent to Python one by one, the latest wins
  function go(t) {
    at = t;
    paint();
    tell();
    model.save_changes();
  }
  function tell() {
    if (sent !== null || at === get("value")) return;
    sent = at;
    model.set("value", at);
    model.save_changes();
    clearTimeout(patience);
    patience = setTimeout(() => { sent = null; tell(); }, PATIENCE);
  }
  function drawn() {
    const page = get("page");
    if (page.at === undefined) return;
    if (!get("private")) {
      store(page, get("pixels"));
      return arrived(page);
    }
    if (page.key !== key) forget(page.key);
    wanted = pages.has(page.at) ? null : page.at;
    if (wanted === null) arrived(page);
    else ask(wanted);
  }
  function arrived(page) {
    if (sent !== null && page.at === sent) {
      clearTimeout(patience);
      sent = null;
      if (!playing || !get("pictured")) tell(); // where the slider is by now
    }
    if (playing) return paint(), run();
    if (!pages.has(at) && sent === null) at = page.at;
    paint();
  }
  function moved() { // by Python, or by another view of this widget
    if (sent !== null || get("value") === at) return;
    if (playing && !get("pictured")) return;
    if (playing) {
      stop();
      model.save_changes();
    }
    at = get("value");
    paint();
  }

  // --- playing
  function play() {
    playing = true;
    due = 0;
    model.set("playing", true);
    model.save_changes();
    paint();
    run();
  }
  function stop() {
    playing = false;
    clearTimeout(timer);
    timer = 0;
    model.set("playing", false);
  }
  function pause() { // in one message: that it stands, and where
    stop();
    go(at);
  }
  function run() { // the next frame, if it is due and here
    if (!playing || !inView || document.hidden) return;
    const now = performance.now(), wait = due - now;
    if (wait > 1) {
      clearTimeout(timer);
      timer = setTimeout(run, wait);
      return ahead_if_pictured();
    }
    const next = after(at);
    if (get("pictured") ? !pages.has(next) : sent !== null) return ahead_if_pictured();
    at = next;
    due = Math.max(due, now - 100) + 1000 / (get("fps") * get("speed"));
    paint();
    if (!get("pictured")) tell();
    clearTimeout(timer);
    timer = setTimeout(run, due - performance.now());
    ahead_if_pictured();
  }
  function ahead_if_pictured() {
    if (get("pictured")) ahead();
  }
  function heard(message, buffers) {
    if (message.key !== key) return;
    if (asked === message.at) asked = null;
    store(message, buffers);
    if (message.at === wanted) {
      wanted = null;
      arrived(message);
    } else if (wanted !== null) ask(wanted);
    if (playing) run();
  }
  function told() { // Python, or another view, started or stopped it
    if (get("playing") === playing) return;
    if (get("playing")) play();
    else {
      stop();
      at = get("value");
      paint();
    }
  }
  function look() { // in view or out of it
    if (inView && get("autoplay") && get("high") > get("low") && !calm.matches) {
      model.set("autoplay", false); // once: whoever has pressed Pause is left alone
      play();
    }
    due = 0;
    run();
  }

  const watcher = new IntersectionObserver((entries) => {
    inView = entries.at(-1).isIntersecting;
    look();
  }, { threshold: 0.15 });
  const ruler = new ResizeObserver(() => arrange());
  const settle = () => { if (calm.matches && playing) pause(); };
  const heights = () => arrange();
  const traits = { "change:page": drawn, "change:value": moved, "change:playing": told,
    "change:autoplay": look, "change:speed": paint, "msg:custom": heard };
  for (const [event, action] of Object.entries(traits)) model.on(event, action);
  document.addEventListener("visibilitychange", run);
  window.addEventListener("resize", heights);
  calm.addEventListener("change", settle);
  playing = get("playing") && !calm.matches;
  drawn();
  paint();
  watcher.observe(el);
  ruler.observe(el);
  return () => {
    clearTimeout(timer);
    clearTimeout(patience);
    watcher.disconnect();
    ruler.disconnect();
    document.removeEventListener("visibilitychange", run);
    window.removeEventListener("resize", heights);
    calm.removeEventListener("change", settle);
    for (const [event, action] of Object.entries(traits)) model.off(event, action);
    forget(null);
    retired.forEach((url) => URL.revokeObjectURL(url));
  };
}

export default { render };
