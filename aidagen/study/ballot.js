// The ballot of a preference study: texts and consent, three clips that play in step, votes.
// It shows what it is told and reports what is done; who keeps the votes is the caller's business.
//
//   const show = ballot(root, (act, pair) => ...);   acts: agree left right tie undo remove
//   show({ stage: "consent" | "vote" | "done", ethics, consent, question, ties, pair, done, total,
//          clips: { reference, left, right }, sentence });

let ballots = 0;

function element(kind, attributes, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function ballot(root, report) {
  const name = `aidagen-ballot-${Date.now()}-${ballots++}`;
  const SIDES = { reference: "Reference", left: "Clip A", right: "Clip B" };
  const off = (button, is) => button.setAttribute("aria-disabled", String(is));
  const isOff = (button) => button.getAttribute("aria-disabled") === "true";
  let view = {}, playing = false, watched = false, waiting = false;

  // --- consent
  const ethics = element("ul", {});
  const agree = element("input", { type: "checkbox", id: `${name}-agree` });
  const words = element("label", { for: `${name}-agree` });
  const begin = element("button", { type: "button" }, "Begin");
  const consent = element("section", { "aria-label": "Consent" },
    element("h2", {}, "Before you begin"), ethics, element("p", {}, agree, " ", words), begin);
  agree.addEventListener("change", () => off(begin, !agree.checked));
  begin.addEventListener("click", () => {
    if (agree.checked) report("agree", null);
    else say("Tick the sentence above first; without consent there are no votes.");
  });

  // --- clips
  const question = element("p", { class: "question", id: `${name}-question` });
  const players = {}, boxes = {};
  const figures = element("div", { class: "clips", role: "group",
    "aria-labelledby": `${name}-question` });
  for (const [side, title] of Object.entries(SIDES)) {
    const player = element("video", { playsinline: "", preload: "auto", "aria-label": title });
    player.muted = true;
    players[side] = player;
    boxes[side] = element("figure", { class: side }, element("figcaption", {}, title), player);
    figures.append(boxes[side]);
  }
  const all = Object.values(players), { reference } = players;
  const TENTHS = 10; // the bar counts tenths of a second, since a page cannot see single frames
  let speed = 1;
  const bar = transport({
    label: "Time", low: 0, high: 1, text: (at) => `${(at / TENTHS).toFixed(1)} s`,
    toggle: () => (playing ? pause() : run()),
    seek: (at) => { pause(); move(at / TENTHS); },
    hasten: (chosen) => {
      speed = chosen;
      all.forEach((player) => { player.playbackRate = speed; });
    },
  });
  const again = element("button", { type: "button" }, "From the start");
  boxes.reference.append(again);

  function tell() {
    const last = Math.max(1, Math.floor(TENTHS * (reference.duration || 0)));
    const at = Math.min(last, Math.round(TENTHS * reference.currentTime));
    bar.draw({ at, playing, speed, first: 0, last });
  }
  function move(to) {
    all.forEach((player) => { player.currentTime = to; });
  }
  function run(from) {
    if (from !== undefined) move(from);
    playing = true;
    all.forEach((player) => {
      player.playbackRate = speed;
      player.play().catch(() => {});
    });
    tell();
  }
  function pause() {
    playing = false;
    all.forEach((player) => player.pause());
    move(reference.currentTime);
    tell();
  }
  function seen() { // how much of the reference was played, not skipped, as a part of it
    const { played, duration } = reference;
    let sum = 0;
    for (let i = 0; i < played.length; i++) sum += played.end(i) - played.start(i);
    return sum / duration;
  }
  again.addEventListener("click", () => run(0));
  for (const event of ["seeked", "timeupdate", "loadedmetadata"])
    reference.addEventListener(event, tell);
  document.addEventListener("visibilitychange", () => { if (document.hidden && playing) pause(); });
  reference.addEventListener("ended", () => {
    if (!watched && seen() < 0.9) {
      say("A part was skipped: watch the clips to their end once.");
    } else if (!watched) {
      const saved = /^Vote /.test(view.sentence) ? `${view.sentence} ` : "";
      say(`${saved}Now choose A${view.ties ? ", B or no difference" : " or B"}.`);
    }
    watched ||= seen() >= 0.9;
    ready();
    setTimeout(() => { if (playing && reference.ended) run(0); }, 500);
  });
  reference.addEventListener("timeupdate", () => {
    for (const player of all)
      if (!player.ended && Math.abs(player.currentTime - reference.currentTime) > 0.1)
        player.currentTime = reference.currentTime;
  });
  for (const player of all)
    player.addEventListener("error", () => {
      if (!player.getAttribute("src")) return;
      say("A clip of this pair cannot be shown here; try another browser, and tell your teacher.");
    });

  // --- votes
  const BUTTONS = { left: "A is better", right: "B is better", tie: "No difference" };
  const KEYS = { a: "left", b: "right", n: "tie" };
  const buttons = {};
  for (const [act, title] of Object.entries(BUTTONS)) {
    const key = Object.keys(KEYS).find((one) => KEYS[one] === act);
    buttons[act] = element("button", { type: "button", class: "vote", "aria-keyshortcuts": key },
      title + " ", element("kbd", { "aria-hidden": "true" }, key.toUpperCase()));
    buttons[act].addEventListener("click", () => vote(act));
    (boxes[act] ?? figures).append(buttons[act]); // each below its clip
  }
  const undo = element("button", { type: "button" }, "Take back the last vote");
  const remove = element("button", { type: "button" }, "Stop and delete my votes");
  const judged = element("progress", { "aria-label": "Pairs judged", value: 0, max: 1 });
  const count = element("span", { "aria-hidden": "true" });
  const progress = element("p", { class: "judged" }, judged, " ", count);
  const voting = element("section", { "aria-label": "Clips to judge", tabindex: "-1" },
    question, bar.node, figures);
  const thanks = element("section", { "aria-label": "Thank you", tabindex: "-1" },
    element("h2", {}, "Thank you"), element("p", {}, "All pairs are judged. Some pairs were only "
      + "there to check that somebody is looking; their clips were recorded or broken by hand, "
      + "though they say AI-generated as well."));
  const after = element("p", { class: "after" }, undo, remove);
  const status = element("p", { role: "status", "aria-live": "polite" });
  root.classList.add("aidagen-ballot");
  root.setAttribute("data-lm-suppress-shortcuts", ""); // A and B are JupyterLab's, too
  root.append(consent, progress, voting, thanks, status, after);

  function say(sentence) {
    if (status.textContent !== sentence) status.textContent = sentence;
  }
  function ready() {
    for (const button of Object.values(buttons)) off(button, !watched || waiting);
  }
  function vote(act) {
    if (view.stage !== "vote" || waiting || (act === "tie" && !view.ties)) return;
    if (!watched) return say("Watch the clips to their end once, then choose.");
    waiting = true;
    ready();
    say("Saving ...");
    setTimeout(() => {
      if (waiting) say("Nobody answers, so this vote is not saved: is the kernel running?");
    }, 5000);
    report(act, view.pair);
  }
  undo.addEventListener("click", () => { if (!isOff(undo)) report("undo", view.pair); });
  remove.addEventListener("click", () => {
    if (confirm("Stop here, and delete all your votes?")) report("remove", view.pair);
  });
  root.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const act = KEYS[event.key.toLowerCase()];
    if (!act || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select, textarea")) return;
    event.preventDefault();
    vote(act);
  });

  return function show(next) {
    const before = view;
    view = next;
    waiting = false;
    consent.hidden = view.stage !== "consent";
    voting.hidden = view.stage !== "vote";
    thanks.hidden = view.stage !== "done";
    progress.hidden = after.hidden = view.stage === "consent";
    ethics.replaceChildren(...view.ethics.map((sentence) => element("li", {}, sentence)));
    words.textContent = view.consent;
    question.textContent = view.question;
    buttons.tie.hidden = !view.ties;
    judged.max = view.total || 1;
    judged.value = view.done;
    count.textContent = view.stage === "done" ? `all ${view.total} pairs judged`
      : `pair ${view.done + 1} of ${view.total}`;
    off(undo, !view.done);
    if (view.stage === "consent") {
      agree.checked = false;
      off(begin, true);
    }
    if (view.stage !== "vote") {
      playing = false;
      tell();
      all.forEach((player) => { player.pause(); player.removeAttribute("src"); });
    } else if (before.stage !== "vote" || before.pair !== view.pair) {
      watched = false;
      for (const [side, player] of Object.entries(players)) player.src = view.clips[side];
      if (playing) run(); // whoever pressed Play once sees the next pair play, and can pause
    }
    tell();
    ready();
    say(view.sentence);
    const stage = { vote: voting, done: thanks }[view.stage];
    if (before.stage && before.stage !== view.stage && stage) stage.focus({ preventScroll: true });
  };
}
