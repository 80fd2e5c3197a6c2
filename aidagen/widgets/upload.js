// A button that opens the dialog for a file. The file goes to Python in parts, each one when Python
// asks for it; it is in no state of this widget, so that no saved notebook holds it.

const PART = 4 * 2 ** 20; // bytes; Jupyter's server takes 10 MB in one message
const PATIENCE = 3000; // milliseconds until it is said that the kernel has not answered

function render({ model, el }) {
  const button = document.createElement("button");
  const input = document.createElement("input");
  const state = document.createElement("span");
  let file = null, turn = null, timer = 0; // the turn tells files, and views of this widget, apart

  el.classList.add("aidagen-upload");
  button.type = "button";
  button.textContent = model.get("label");
  Object.assign(input, { type: "file", accept: model.get("accept"), hidden: true });
  state.setAttribute("role", "status");
  el.append(button, input, state);

  function say(text) {
    state.textContent = text;
  }
  async function send(at) {
    const { name, size } = file, now = turn;
    let buffers = []; // without one, the browser could not read the file
    try {
      buffers = [await file.slice(at, at + PART).arrayBuffer()];
    } catch {}
    if (now !== turn) return; // another file was chosen
    if (size > PART) say(`${Math.round((100 * at) / size)} % is read`);
    clearTimeout(timer);
    timer = setTimeout(() => say("Waiting for the kernel: it is busy, or not running."), PATIENCE);
    model.send({ name, size, at, turn }, undefined, buffers);
  }
  function heard(message) {
    if (message.turn !== turn) return;
    clearTimeout(timer);
    if (message.next !== null) return send(message.next);
    file = turn = null;
    say("");
  }

  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (!input.files.length) return;
    [file] = input.files;
    turn = `${Math.random()}`;
    send(0);
    input.value = ""; // the same file can be chosen again
  });
  // the notebook would run or leave the cell
  button.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") event.stopPropagation();
  });
  model.on("msg:custom", heard);
  return () => {
    clearTimeout(timer);
    model.off("msg:custom", heard);
  };
}

export default { render };
