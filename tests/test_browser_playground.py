"""The playground in a real JupyterLab: played by keyboard, by buttons and on the map.

Harness and helpers are those of `test_browser_widgets`; the models are small, with fresh weights,
except in the last test, which plays a minute of Breakout with the shipped ones.
"""

import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
from browser import LabPage, page, server, write_notebook
from playwright.sync_api import expect
from test_browser_widgets import ROOT, SCREENSHOTS, Shown, pytestmark  # noqa: F401 - skips

from aidagen.publishing.play import RUN

expect.set_options(timeout=60_000)

SETUP = f"""import json, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from dataclasses import replace
import torch, small_games
from aidagen.datasets.breakout import Breakout
from aidagen.models.playable import Playable
from aidagen.widgets.playground import Playground
from aidagen.widgets.worlds import PlayWorld
def tiny(**changes):
    torch.manual_seed(0)
    return small_games.lively(Playable(replace(small_games.TINY, **changes)))
def bars(model, count=3):
    size = model.config.height, model.config.width
    return small_games.Bars(count, *size).draw(1, torch.Generator().manual_seed(0)).frames[0]
line, plane, space = (tiny(height=64, width=64, dimensions=1), tiny(),
    tiny(actions=4, dimensions=5))
worlds = {{"Breakout": PlayWorld.live(line, Breakout(), ("left", "stay", "right"), count=2),
    "Plane": PlayWorld(plane, bars(plane), ("left", "up-left", "up")),
    "Space": PlayWorld(space, bars(space))}}"""

SHOWN = "playground = Playground(worlds)\nplayground"
STATE = (
    "[playground.world, playground.start, playground.frame, playground.counts, "
    "playground.episode.moment.action, playground.playing, playground.sentence, "
    "len(playground.episode.kept)]"
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The notebook with the playground, run once."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [SETUP, SHOWN, f"print(json.dumps({STATE}))"]
    write_notebook(folder / "notebooks" / "99_widgets.ipynb", cells)
    for place in ("notebooks", "elsewhere"):  # the first folder is trusted as the server starts
        asks = folder / place / "98_asks.ipynb"
        write_notebook(
            asks, [f"print('ran by its' + 'elf')  # {place}: what is signed is the text"]
        )
        asked = json.loads(asks.read_text())
        asked["metadata"][RUN] = True
        asks.write_text(json.dumps(asked))
    with page(1280, 1000) as chromium_page, server(folder) as address:
        opened = LabPage(chromium_page, address)
        opened.open("notebooks/99_widgets.ipynb")
        opened.run_all()
        assert opened.failures() == []
        yield opened


FRAME = """least => Number(/frame (\\d+)/.exec(
    document.querySelector(".aidagen-play .widget-readout").textContent)[1]) >= least"""

# the middle of the painted paddle, which is red, in the last rows: a column
PADDLE = """node => {
  const { width, height } = node;
  const { data } = node.getContext("2d").getImageData(0, height - 4, width, 4);
  const red = Array(width).fill(0);
  for (let i = 0; i < data.length; i += 4) red[(i / 4) % width] += data[i];
  const most = Math.max(...red), seen = red.map((value) => (value > most / 2 ? value : 0));
  return seen.reduce((sum, value, x) => sum + value * x, 0) / seen.reduce((a, b) => a + b, 0);
}"""


class Ground(Shown):
    names = ("playground",)

    def __init__(self, lab):
        super().__init__(lab, "playground")
        self.page = lab.page
        self.painted = self.area.locator(".painted")

    def frame(self):
        """The number of the frame that is shown."""
        return int(re.search(r"frame (\d+)", self.readout()).group(1))

    def readout(self):
        return self.area.locator(".aidagen-play .widget-readout").inner_text()

    def waits(self, wanted, what="it", seconds=60):
        end = time.monotonic() + seconds
        while not wanted():
            assert time.monotonic() < end, f"{what} never came: {self.area.inner_text()}"
            self.page.wait_for_timeout(30)

    def further(self, frames=2):
        """Wait until so many more frames have passed."""
        self.page.wait_for_function(FRAME, arg=self.frame() + frames, polling=40)

    def pressed(self):
        """The word on the button of the action that was taken last."""
        found = self.area.locator(".pad button[aria-pressed=true]")
        return found.inner_text() if found.count() else ""

    def does(self, wanted):
        self.waits(lambda: re.search(wanted, self.pressed()), wanted)

    def button(self, name):
        return self.area.get_by_role("button", name=name, exact=True)

    def pause(self):
        if self.button("Pause").is_visible():
            self.button("Pause").click()
        self.button("Play").wait_for()
        self.settles()

    def settles(self):
        """Wait until no frame comes any more."""
        still, last = 0, self.frame()
        while still < 8:
            self.page.wait_for_timeout(60)
            still, last = (still + 1, last) if self.frame() == last else (0, self.frame())
        return last

    def pixels(self, name="painted"):
        """What a canvas shows, (H, W, 3)."""
        data = self.area.locator(f".{name}").evaluate(
            "c => [c.height, c.width, ...c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data]"
        )
        return np.array(data[2:], np.uint8).reshape(data[0], data[1], 4)[..., :3]

    def counts(self):
        return [int(text) for text in self.area.locator(".bars .count").all_inner_texts()]


@pytest.fixture
def ground(lab):
    return Ground(lab)


def test_it_opens_alive_until_somebody_plays(ground):
    ground.says("A demonstration takes each action of Breakout in turn, until you play.")
    for word in ("left", "right", "stay"):
        ground.does(word)
    ground.keep("demonstration")
    ground.painted.click()
    ground.press("1")
    ground.says("Breakout is being played. Press Pause to read about it.")
    ground.does("stay")
    ground.further(6)
    assert ground.pressed() == "2 stay", "the demonstration is over"


def test_a_key_acts_while_it_is_held(ground):
    ground.painted.click()
    for key, word in (("ArrowLeft", "left"), ("3", "right"), ("ArrowRight", "right")):
        ground.page.keyboard.down(key)
        ground.does(word)
        before = ground.counts()
        ground.further(4)
        assert ground.pressed().endswith(word)
        ground.page.keyboard.up(key)
        ground.does("stay")
        after = ground.counts()
        k = {"left": 0, "right": 2}[word]
        assert after[k] >= before[k] + 3 and after[2 - k] == before[2 - k]
    assert ground.painted.evaluate("node => node === document.activeElement"), "keys stay here"


def test_a_button_acts_while_it_is_held_by_mouse_and_by_keyboard(ground):
    left = ground.area.get_by_role("button", name="1 left")
    left.hover()
    ground.page.mouse.down()
    ground.does("left")
    ground.further(3)
    assert ground.pressed() == "1 left"
    ground.page.mouse.up()
    ground.does("stay")
    right = ground.area.get_by_role("button", name="3 right")
    right.focus()
    ground.page.keyboard.down(" ")
    ground.does("right")
    ground.further(3)
    ground.page.keyboard.up(" ")
    ground.does("stay")
    before = ground.counts()[2]
    right.evaluate("node => node.click()")  # as a screen reader presses it
    ground.waits(lambda: ground.counts()[2] == before + 1, "one step")


def test_space_pauses_and_the_sentence_tells_all(ground):
    ground.painted.click()
    ground.press(" ")
    ground.button("Play").wait_for()
    last = ground.settles()
    told = ground.says(rf"Breakout, frame {last}: action \d \(\w+\); the real game is told \w+\.")
    assert re.search(r"It ran at \d+\.\d frames per second", told)
    world, start, frame, counts, *_, sentence, kept = ground.state()
    assert (world, start, frame, sum(counts)) == ("Breakout", 1, last, last)
    assert sentence in told and kept <= 900
    ground.painted.click()
    ground.press("1")  # whoever presses a key plays
    ground.button("Pause").wait_for()
    ground.further(2)


def test_the_map_goes_between_actions(ground):
    ground.pause()
    ground.area.get_by_label("World").select_option("Plane")
    ground.says("Plane, first frame 1 of 3. No emulator runs beside this world.")
    chart = ground.area.locator(".map")
    box = chart.bounding_box()
    chart.click(position={"x": 0.5 * box["width"], "y": 0.4 * box["height"]})
    ground.waits(lambda: ground.frame() >= 1, "a step")
    assert "point at x" in chart.get_attribute("aria-label")
    one = ground.settles()
    assert sum(ground.counts()) == one, "nothing rests here: it waits"
    where = [float(v) for v in re.findall(r"-?\d+\.\d+", chart.get_attribute("aria-label"))]
    chart.focus()
    ground.press("ArrowRight")
    ground.waits(lambda: ground.frame() > one, "a step by keyboard")
    there = [float(v) for v in re.findall(r"-?\d+\.\d+", chart.get_attribute("aria-label"))]
    assert there[0] > where[0] and there[1] == where[1]
    ground.keep("map")
    two = ground.settles()
    ground.page.keyboard.down(" ")
    ground.further(3)
    ground.page.keyboard.up(" ")
    assert ground.settles() >= two + 3


def test_arrow_keys_together_are_a_diagonal(ground):
    ground.painted.click()
    ground.page.keyboard.down("ArrowLeft")
    ground.does("1 left")
    ground.page.keyboard.down("ArrowUp")
    ground.does("2 up-left")
    ground.page.keyboard.up("ArrowLeft")
    ground.does("3 up")
    ground.page.keyboard.up("ArrowUp")
    ground.settles()


def test_a_space_of_many_dimensions_says_which_two_are_seen(ground):
    ground.area.get_by_label("World").select_option("Space")
    ground.says("Space, first frame 1 of 3")
    assert "first two principal axes of the 5-dimensional" in ground.area.inner_text()
    assert ground.area.locator(".pad button").count() == 4
    ground.keep("space")


def test_reset_and_another_first_frame(ground):
    ground.area.get_by_label("World").select_option("Breakout")
    ground.says("Breakout, first frame 1 of 2. Model and real game begin at the same moment.")
    first = ground.pixels()
    assert (first == ground.pixels("real")).all(), "both begin at the same moment"
    ground.painted.click()
    ground.press("3", "3")
    ground.further(3)
    ground.pause()
    assert (ground.pixels() != first).any()
    ground.button("Reset").click()
    ground.waits(lambda: ground.frame() == 0, "the first frame")
    assert (ground.pixels() == first).all() and ground.counts() == [0, 0, 0]
    ground.area.get_by_label("First frame").select_option("2")
    ground.says("Breakout, first frame 2 of 2")
    assert (ground.pixels() != first).any()
    assert ground.state()[:3] == ["Breakout", 2, 0]


def test_the_real_game_obeys_beside_it(ground):
    ground.button("Reset").click()
    ground.waits(lambda: ground.frame() == 0, "the first frame")
    before = ground.area.locator(".real").evaluate(PADDLE)
    ground.painted.click()
    ground.page.keyboard.down("ArrowRight")
    ground.further(4)
    ground.page.keyboard.up("ArrowRight")
    ground.pause()
    assert ground.area.locator(".real").evaluate(PADDLE) > before + 8


def test_the_clip_is_downloaded_with_all_its_frames(ground, tmp_path):
    ground.pause()
    frames = ground.state()[-1]
    with ground.page.expect_download() as download:
        ground.button("Download the last minute").click()
    assert download.value.suggested_filename == "breakout-episode.mp4"
    content = Path(download.value.path()).read_bytes()
    with av.open(io.BytesIO(content)) as file:
        decoded = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(decoded) == frames > 4 and decoded[0].shape == (416, 776, 3)
    real = ground.pixels("real").repeat(6, 0).repeat(6, 1)
    assert np.abs(decoded[-1][:384, -384:].astype(int) - real).mean() < 6
    expect(ground.button("Download the last minute")).to_be_enabled()


# 500 presses of keys within a fraction of a second, of which the last is ArrowRight, still down
HURRY = """node => {
  node.focus();
  const keys = ["ArrowLeft", "ArrowRight"], type = (name, key) => node.dispatchEvent(
    new KeyboardEvent(name, { key, bubbles: true, cancelable: true }));
  for (let i = 0; i < 500; i++) {
    if (i) type("keyup", keys[(i - 1) % 2]);
    type("keydown", keys[i % 2]);
  }
}"""


def test_after_500_quick_keys_the_last_one_acts_and_nothing_is_left_over(ground):
    ground.button("Reset").click()
    ground.waits(lambda: ground.frame() == 0, "the first frame")
    ground.painted.evaluate(HURRY)
    ground.waits(lambda: ground.frame() >= 1, "a step")
    ground.does("right")
    ground.further(3)
    left, _, right = ground.counts()
    assert left <= 1 and right >= 3, "at most the request that was under way"
    ground.painted.evaluate(
        "node => node.dispatchEvent(new KeyboardEvent('keyup', {key: 'ArrowRight', bubbles: true}))"
    )
    ground.does("stay")
    before = ground.counts()
    ground.further(4)
    after = ground.counts()
    assert after[0] == before[0] and after[2] == before[2], "nothing is played out afterwards"
    ground.pause()
    assert sum(ground.counts()) == ground.state()[2] < 60


def test_under_reduced_motion_it_waits(lab):
    lab.page.emulate_media(reduced_motion="reduce")
    lab.run_cell(2)
    ground = Ground(lab)
    ground.says("Breakout, first frame 1 of 2")
    lab.page.wait_for_timeout(1500)
    assert ground.frame() == 0 and ground.button("Play").is_visible()
    ground.painted.click()
    ground.press("1")
    ground.waits(lambda: ground.frame() >= 2, "a step")
    ground.pause()
    lab.page.emulate_media(reduced_motion="no-preference")


def test_a_notebook_that_asks_is_run_as_it_opens_if_it_is_trusted(lab):
    opened = LabPage(lab.page.context.browser.new_page(), lab.address)
    opened.open("notebooks/98_asks.ipynb")
    opened.wait_text(opened.page.locator(".jp-Notebook").first, "ran by itself")
    opened.open("elsewhere/98_asks.ipynb")
    opened.page.wait_for_timeout(3000)
    assert "ran by itself" not in opened.text(), "anybody's notebook is not"
    assert opened.console == []
    opened.page.close()


def test_no_serious_violation(ground, lab):
    ground.area.evaluate("node => node.setAttribute('data-looked-at', 'yes')")
    assert lab.accessibility("[data-looked-at=yes]") == []
    assert ground.painted.bounding_box()["height"] == pytest.approx(385, abs=3)


def test_the_page_had_nothing_to_complain_about(lab):
    assert lab.console == []
    assert lab.failures() == []


# --- the shipped model ----------------------------------------------------------------------------

SHIPPED = [
    "import os; print(os.getpid())",
    "from aidagen.widgets.playground import Playground\n"
    "from aidagen.widgets.worlds import shipped\n"
    "playground = Playground({'Breakout': shipped('playable-breakout-64')})\nplayground",
]
SECONDS, FASTEST = 60, 12


@pytest.mark.verify
def test_a_minute_of_breakout(tmp_path):
    """12 frames per second or more, the paddle goes where it is sent, memory does not grow."""
    write_notebook(tmp_path / "notebooks" / "99_breakout.ipynb", SHIPPED)
    with page(1280, 1000) as chromium_page, server(tmp_path) as address:
        lab = LabPage(chromium_page, address)
        lab.open("notebooks/99_breakout.ipynb")
        lab.run_all(300)
        kernel = int(re.search(r"\d+", lab.output(1).inner_text()).group())
        ground = Ground(lab)
        devtools = chromium_page.context.new_cdp_session(chromium_page)
        ground.painted.click()
        ground.press("1")
        ground.further(20)
        ground.button("Reset").click()
        ground.waits(lambda: ground.frame() < 20, "the first frame")
        rng, obeyed = np.random.default_rng(0), []
        began, first, memory = time.monotonic(), ground.frame(), []
        worked = processor(kernel)
        while time.monotonic() - began < SECONDS:
            sign = int(rng.choice([-1, 1]))
            before = ground.painted.evaluate(PADDLE)
            chromium_page.keyboard.down("ArrowLeft" if sign < 0 else "ArrowRight")
            ground.further(4)
            after = ground.painted.evaluate(PADDLE)
            chromium_page.keyboard.up("ArrowLeft" if sign < 0 else "ArrowRight")
            at_the_wall = min(before, after) < WALL if sign < 0 else max(before, after) > 63 - WALL
            obeyed.append(sign * (after - before) > 1 or at_the_wall)
            ground.further(int(rng.integers(2, 5)))
            if len(obeyed) % 10 == 0:
                memory.append((resident(kernel), heap(devtools)))
        passed = ground.frame() - first
        fast, each = passed / (time.monotonic() - began), (processor(kernel) - worked) / passed
        ground.keep("breakout")
        assert lab.console == []
    grown = np.subtract(memory[-1], memory[0])
    print(
        f"{fast:.1f} frames per second, of {1000 * each:.0f} ms of the kernel's processor time "
        f"each, load {os.getloadavg()}; {np.mean(obeyed):.3f} of "
        f"{len(obeyed)} presses obeyed; kernel and page grew by {grown} MB"
    )
    assert np.mean(obeyed) >= 0.9
    assert grown[0] < 30 and grown[1] < 10
    assert fast >= FASTEST


WALL = 8  # pixels from the side of the picture, where half a paddle is


def resident(pid):
    """MB of memory that a process has."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def processor(pid):
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def heap(devtools):
    """MB that the page's scripts hold on to."""
    devtools.send("HeapProfiler.collectGarbage")
    return devtools.send("Runtime.getHeapUsage")["usedSize"] / 2**20


@pytest.mark.verify
def test_aidagen_play_opens_the_world_by_itself():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "aidagen", "play", "playable-breakout-64", "--no-browser"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    process = subprocess.Popen(
        [*command, "--port", str(port)], env=kept, text=True, bufsize=1,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        for line in process.stdout:
            if found := re.search(rf"http://127\.0\.0\.1:{port}/\S+token=\w+", line):
                break
        threading.Thread(target=process.stdout.read, daemon=True).start()
        with page(1280, 900) as chromium_page:
            lab = LabPage(chromium_page, "")
            chromium_page.goto(found.group())
            ground = chromium_page.locator(".aidagen-play")
            ground.wait_for()
            lab.wait_text(ground, r"frame \d+ · \d+\.\d frames per second")
            lab.screenshot(SCREENSHOTS / "play.png")
            assert lab.console == []
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
