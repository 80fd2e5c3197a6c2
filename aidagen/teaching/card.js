// What an exercise's card does in the browser; it loads nothing from elsewhere.
let cards = 0;

function render({ model, el }) {
  const name = `aidagen-card-${Date.now()}-${cards++}`;
  const hints = model.get("hints"), needed = model.get("needed");
  let passed = false, asked = false;
  // while the focus is in here, JupyterLab ignores its one-key commands
  const card = element("section", {
    class: "aidagen-card", "aria-labelledby": `${name}-title`, "data-lm-suppress-shortcuts": "",
  });
  const status = element("p", { role: "status", "aria-live": "polite" });
  const buttons = element("div", { class: "aidagen-card-buttons" });
  const parts = element("div", {});
  card.append(
    element("p", { class: "aidagen-card-title", id: `${name}-title` }, model.get("title")),
    element("p", { class: "aidagen-card-facts" }, model.get("facts").join(" · ")),
    buttons, parts, status,
  );
  el.append(card);

  const say = (words) => { if (status.textContent !== words) status.textContent = words; };

  function part(id, ...content) {  // what a button opens
    const node = element("div", { id: `${name}-${id}`, class: "aidagen-card-part" }, ...content);
    node.hidden = true;
    const button = element("button", {
      type: "button", "aria-expanded": "false", "aria-controls": node.id,
    });
    buttons.append(button);
    parts.append(node);
    return [button, node];
  }
  function open(button, node, yes) {
    node.hidden = !yes;
    button.setAttribute("aria-expanded", String(yes));
  }

  const opened = hints.map((hint, i) => {
    const [button, node] = part(`hint-${i}`, element("strong", {}, `Hint ${i + 1}. `), hint);
    button.textContent = `Hint ${i + 1}`;
    button.addEventListener("click", () => {
      if (i < model.get("opened")) { open(button, node, node.hidden); return; }
      model.set("opened", i + 1);
      model.save_changes();
      draw();
      say(`Hint ${i + 1} of ${hints.length} is open.`);
    });
    return [button, node];
  });

  if (model.get("picture")) {
    const image = element("img", { src: model.get("picture"), alt: model.get("shows") });
    const [button, node] = part("picture", image);
    button.textContent = "Expected result";
    button.addEventListener("click", () => open(button, node, node.hidden));
  }

  const code = element("pre", { tabindex: "0", "aria-label": "Solution" });
  const [solve, shown] = part("solution", code);
  solve.addEventListener("click", () => {
    if (model.get("solution")) { open(solve, shown, shown.hidden); return; }
    asked = true;
    say("If no solution appears, run the cells above first.");
    model.send("solution");
  });

  function draw() {
    const count = model.get("opened"), attempts = model.get("attempts");
    opened.forEach(([button, node], i) => {
      button.disabled = i > count;
      const first = i < count && button.dataset.seen !== "yes";
      if (first) button.dataset.seen = "yes";
      if (first || i >= count) open(button, node, first);
    });
    const free = passed || attempts >= needed || model.get("solution") !== "";
    solve.disabled = !free;
    solve.textContent = free ? "Solution"
      : `Solution (after ${needed} attempts, ${attempts} so far)`;
    const solution = model.get("solution");
    if (solution && code.textContent !== solution) {
      code.textContent = solution;
      if (asked) { open(solve, shown, true); say("The solution is open."); }
    }
  }
  function judged() {
    draw();
    if (passed) say("Passed. You can compare your code with the solution.");
    else if (model.get("attempts") >= needed) say("The solution can be opened now.");
    else if (model.get("attempts")) say(`Attempt ${model.get("attempts")} of ${needed}: not yet.`);
  }
  function told(message) {
    if (!message || typeof message.passed !== "boolean") return;
    const news = passed !== message.passed;
    passed = message.passed;
    if (news) judged();
  }
  const listeners = [
    ["change:opened", draw], ["change:solution", draw], ["change:attempts", judged],
    ["msg:custom", told],
  ];
  listeners.forEach(([event, listener]) => model.on(event, listener));
  draw();
  model.send("drawn");
  return () => listeners.forEach(([event, listener]) => model.off(event, listener));
}

export default { render };
