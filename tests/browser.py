"""A real browser in front of a real JupyterLab: the harness of the browser tests.

The server is the one that `make lab` starts, on a free port of the loopback interface, with
fresh settings in the folder it serves; the browser is the system's Chromium.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from aidagen.publishing.slides import chromium

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
TOKEN = "browser-test"
SLIDER = ".jp-OutputArea .noUi-handle, .jp-OutputArea input[type=range]"
OUTPUT = ".jp-Cell-outputArea"
HARMLESS = ("favicon", "ResizeObserver loop")  # consoles complain about these in every page

# what a person can read in an output: its text, without the number that a slider shows of
# itself, and the alternatives of its pictures
READABLE = """handle => {
  const area = handle.closest('.jp-OutputArea').cloneNode(true);
  area.querySelectorAll('.widget-readout').forEach(node => node.remove());
  const described = [...area.querySelectorAll('[alt], [aria-label]')].map(
    node => (node.getAttribute('alt') || '') + (node.getAttribute('aria-label') || ''));
  return area.textContent + '\\n' + described.join('\\n');
}"""


@contextlib.contextmanager
def server(root, profile="smoke", seconds=180):
    """Serve ``root`` as `make lab` does; yields the address, for instance to append /lab."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    environment = {**kept, "JUPYTER_TOKEN": TOKEN, "AIDAGEN_PROFILE": profile}
    log_path = Path(root) / "server.log"
    with log_path.open("w") as log:
        command = [sys.executable, "-m", "aidagen.publishing.lab", "--no-browser"]
        process = subprocess.Popen(
            [*command, "--root", str(root), "--port", str(port)],
            env={**environment, "JUPYTER_RUNTIME_DIR": str(Path(root) / "runtime")},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for_port(port, process, log_path, seconds)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # kernels that outlived their server


def wait_for_port(port, process, log_path, seconds):
    """Return when the server accepts connections; raises with its log's end otherwise."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not come up:\n{log_path.read_text()[-2000:]}")


@contextlib.contextmanager
def page(width=1280, height=900):
    """A page of a fresh Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield browser.new_page(viewport={"width": width, "height": height})
        finally:
            browser.close()


class LabPage:
    """One notebook in JupyterLab, driven as a person would: by menus and keys."""

    def __init__(self, page: Page, address: str):
        self.page = page
        self.address = address
        self.console = []  # error messages of the browser's console
        page.set_default_timeout(120_000)
        page.on("console", lambda m: self._note(said(m)) if m.type == "error" else None)
        page.on("pageerror", lambda error: self._note(str(error)))

    def _note(self, text):
        if not any(word in text for word in HARMLESS):
            self.console.append(text)

    def open_start(self):
        """Open what `make lab` opens."""
        self.page.goto(f"{self.address}/?token={TOKEN}")
        self._ready()

    def open(self, notebook):
        """Open ``notebook``, a path below the served folder, and wait for its kernel."""
        self.page.goto(f"{self.address}/lab/tree/{notebook}?token={TOKEN}&reset")
        self._ready()

    def _ready(self):
        self.page.wait_for_function(f"() => ({PROMPTS})().length > 0")
        self.page.wait_for_function(
            "() => / \\| Idle/.test(document.querySelector('#jp-main-statusbar')?.textContent)"
        )

    def menu(self, menu, entry):
        """Choose an entry of the menu bar."""
        self.page.get_by_role("menuitem", name=menu, exact=True).first.click()
        self.page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{entry}$")).first.click()

    def run_all(self, seconds=180):
        """Forget the stored outputs, run all cells, wait until the last one is done."""
        self.menu("Edit", "Clear Outputs of All Cells")
        self.page.wait_for_function(f"() => ({PROMPTS})().every(p => p === '[ ]:')")
        self.menu("Run", "Run All Cells")
        failed = f"({FAILURES})().length"
        done = f"({PROMPTS})().every(p => /\\[\\d+\\]:/.test(p))"
        self.page.wait_for_function(f"() => {failed} || {done}", timeout=1000 * seconds)
        return self

    def failures(self):
        """The text of every error output."""
        return self.page.evaluate(FAILURES)

    def text(self):
        """All text of the notebook as shown."""
        return self.page.locator(".jp-Notebook").first.inner_text()

    def sliders(self):
        """All sliders in outputs: ipywidgets' handles and native inputs."""
        return self.page.locator(SLIDER)

    def move(self, slider, key="ArrowRight", times=3, seconds=120):
        """Move a slider by the keyboard; returns what its output says before and after.

        Waits until something readable changes, and then until it stays: each key press is
        answered on its own. After ``seconds`` without a change both texts are the same.
        """
        slider.scroll_into_view_if_needed()
        before = slider.evaluate(READABLE)
        slider.focus()
        for _ in range(times):
            self.page.keyboard.press(key)
        end = time.monotonic() + seconds
        after, still = before, 0
        while (after == before or still < 5) and time.monotonic() < end:
            self.page.wait_for_timeout(100)
            now = slider.evaluate(READABLE)
            after, still = now, still + 1 if now == after else 0
        return before, after

    def output(self, number):
        """The output area of the code cell with this number, counted from 1."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number - 1).locator(OUTPUT)

    def drag(self, node, x, y, steps=4):
        """Drag the middle of ``node`` by ``x`` and ``y`` CSS pixels with the mouse."""
        node.scroll_into_view_if_needed()
        box = node.bounding_box()
        left, top = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(left, top)
        self.page.mouse.down()
        self.page.mouse.move(left + x, top + y, steps=steps)
        self.page.mouse.up()

    def upload(self, button, name, content, mime="image/png"):
        """Choose a file of these bytes in the dialog that ``button`` opens."""
        with self.page.expect_file_chooser() as chooser:
            button.click()
        chooser.value.set_files({"name": name, "mimeType": mime, "buffer": content})

    def wait_text(self, area, wanted, seconds=120):
        """Wait until ``area`` says ``wanted``, a part of a sentence or a pattern; returns all."""
        end = time.monotonic() + seconds
        while not re.search(wanted, text := area.inner_text()):
            assert time.monotonic() < end, f"{wanted!r} does not appear in: {text}"
            self.page.wait_for_timeout(50)
        return text

    def run_cell(self, number, seconds=120):
        """Run one code cell again; returns the text that it printed."""
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").nth(number - 1)
        before = cell.locator(".jp-InputPrompt").first.inner_text()
        cell.locator(".cm-content").first.click()
        self.page.keyboard.press("Control+Enter")
        end = time.monotonic() + seconds
        prompt = before
        while prompt == before or not re.search(r"\d", prompt):
            assert time.monotonic() < end, f"cell {number} does not finish"
            self.page.wait_for_timeout(50)
            prompt = cell.locator(".jp-InputPrompt").first.inner_text()
        return cell.locator(OUTPUT).inner_text()

    def accessibility(self, selector):
        """Serious and critical violations that axe-core finds inside ``selector``, as text."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, {"include": [[selector]]}, {"resultTypes": ["violations"]})
        return [
            f"{each['id']}: {each['help']}: {node['html'][:200]}"
            for each in found.response["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    def screenshot(self, path):
        """What a person would see now, as PNG."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path))


def said(message):
    """A console message and the address it is about, such as that of a file not found."""
    return f"{message.text} ({message.location.get('url', '')})"


# a widget's own script in a page without Jupyter: `model` is what anywidget gives it
ALONE = """async ([esm, css, state, watched]) => {
  const source = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
  const { default: widget } = await import(source);
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  const listeners = {};
  window.saved = [];
  window.model = {
    get: (name) => state[name],
    set: (name, value) => {
      state[name] = value;
      (listeners[`change:${name}`] ?? []).forEach((listener) => listener());
    },
    save_changes: () => window.saved.push(watched.map((name) => state[name])),
    send: () => {},
    on: (name, listener) => (listeners[name] ??= []).push(listener),
    off: (name, listener) => { listeners[name] = listeners[name].filter((l) => l !== listener); },
  };
  window.close = widget.render({ model: window.model, el: document.querySelector("main") });
}"""


def show_widget(page, kind, state, watched=()):
    """The script of the anywidget class ``kind`` in ``page``'s <main>, without a kernel.

    ``state`` holds its traits; ``window.model`` sets them, ``window.saved`` has the values of the
    ``watched`` ones at each message to Python, ``window.close()`` removes the view.
    """
    page.evaluate(ALONE, [kind._esm, kind._css, state, list(watched)])


# the texts of all error outputs; JupyterLab shows them as stderr, which holds warnings as well
FAILURES = r"""() => [...document.querySelectorAll(
    '.jp-Notebook [data-mime-type="application/vnd.jupyter.stderr"]')]
    .map(output => output.textContent)
    .filter(text => /Traceback \(most recent|^\s*Cell In\[|\n\w*(Error|Interrupt)\b/.test(text))"""

# the prompts of all code cells that hold something, "[3]:"
PROMPTS = """() => [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')]
    .filter(cell => cell.querySelector('.cm-content, .jp-InputArea-editor')?.textContent.trim())
    .map(cell => cell.querySelector('.jp-InputPrompt').textContent.trim())"""


def write_notebook(path, cells):
    """A small notebook for tests of the harness itself: one code cell per string."""
    content = [
        {
            "cell_type": "code",
            "id": f"99-{i:03d}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for i, source in enumerate(cells, start=1)
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook = {"cells": content, "metadata": {"kernelspec": kernel}}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps({**notebook, "nbformat": 4, "nbformat_minor": 5}))
