"""A newcomer's first ten minutes, timed: a fresh clone, a real browser, and again without network.

    python tests/first_minutes.py [--keep FOLDER]

Clones the repository into a folder whose name has a space, runs `make lab` there (which sets up
an environment of its own), opens what it opens, drags the first keypoint, goes to lecture 05 and
animates a photo. Then the same in a network namespace that has nothing but the loopback device
(root on Linux; left out elsewhere, and said so). Prints seconds since the start at each step.
Needs this checkout's own environment with the extra `test`, and Chromium.
"""

import argparse
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from browser import TOKEN, LabPage, page, wait_for_port

ROOT = Path(__file__).resolve().parents[1]
PORT = 8901


def photo() -> bytes:
    """A picture of a head that the network was not trained on, 256 pixels wide, as PNG."""
    from PIL import Image

    from aidagen import datasets

    frame = datasets.load("heads").clips("test")[7].frames()[0].permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(frame).resize((256, 256), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


class Clock:
    """Seconds since the start, printed at each step."""

    def __init__(self, title: str):
        print(f"\n{title}", flush=True)
        self.begin = time.monotonic()

    def __call__(self, step: str) -> None:
        print(f"{time.monotonic() - self.begin:8.1f} s  {step}", flush=True)


def walk(clone: Path, clock: Clock, again: bool = False) -> None:
    """`make lab` to the animated photo."""
    log = clone / "lab.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "PYTHON"))}
    environment.pop("VIRTUAL_ENV", None)
    with log.open("w") as out:
        process = subprocess.Popen(
            ["make", "lab", f"LAB_OPTIONS=--no-browser --port {PORT}"],
            cwd=clone,
            env={**environment, "JUPYTER_TOKEN": TOKEN},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for_port(PORT, process, log, 900)
        clock("make lab: the server answers")
        with page(1400, 1000) as chromium_page:
            lab = LabPage(chromium_page, f"http://127.0.0.1:{PORT}")
            if again:  # not the tabs of the last time, which JupyterLab would bring back
                lab.open("work/00_start_here.ipynb")
            else:
                lab.open_start()
            clock("00_start_here is open, its kernel idle")
            first_win(lab)
            clock("first win: a keypoint of the face was moved, the picture followed")
            lab.open("work/05_first_order_motion.ipynb")
            clock("05_first_order_motion is open")
            own_photo(lab)
            clock("05 ran from top to bottom, and a photo is animated")
            assert lab.failures() == [], lab.failures()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def first_win(lab: LabPage) -> None:
    """Run all of 00, drag its first keypoint with the mouse, wait for the sentence."""
    lab.run_all(300)
    canvas = lab.page.locator(".aidagen-canvas").first
    output = lab.page.locator(".jp-OutputArea-output", has=canvas).first
    handle = canvas.get_by_role("button", name=re.compile("^Keypoint 1")).first
    handle.scroll_into_view_if_needed()
    lab.page.wait_for_timeout(1500)  # cells above may still change their height
    lab.drag(handle, 25, -10)
    lab.wait_text(output, r"Keypoint 1 moved by 0\.\d+ right")


def own_photo(lab: LabPage) -> None:
    """Run all of 05, upload a photo, agree, animate it, wait for the clip."""
    lab.run_all(900)
    choose = lab.page.get_by_role("button", name=re.compile("Choose a picture"))
    choose.scroll_into_view_if_needed()
    area = lab.page.locator(".jp-OutputArea-output", has=choose).last
    lab.upload(choose, "me.png", photo())
    lab.wait_text(area, "held-out pictures", 60)
    area.get_by_role("checkbox", name=re.compile("picture of me")).check()
    area.get_by_role("button", name="Animate").click()
    lab.wait_text(area, "Animated: ", 120)
    area.locator(".aidagen-film img").nth(4).wait_for(timeout=20_000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="leave the clone in this folder")
    parser.add_argument("--again", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.again:
        walk(options.again, Clock("again, with the network off"), again=True)
        return 0
    folder = options.keep or Path(tempfile.mkdtemp(prefix="first minutes "))
    clone = folder / "aidagen course"
    try:
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        walk(clone, Clock("the first time"))
        size = subprocess.check_output(["du", "-sm", str(clone / ".venv")], text=True).split()[0]
        print(f"{size:>8} MB in .venv")
        if sys.platform != "linux" or os.geteuid() != 0:
            print("again, with the network off: left out, it needs root on Linux")
            return 0
        line = 'ip link set lo up && exec "$0" "$1" --again "$2"'
        command = ["unshare", "-n", "sh", "-c", line, sys.executable, __file__, str(clone)]
        return subprocess.run(command).returncode
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
