"""All that CI runs, stage by stage, each with its seconds: what `make test` calls.

    .venv/bin/python tests/everything.py             # the stages of `make test`
    .venv/bin/python tests/everything.py --verify    # the long checks instead

A failing stage does not hide the next ones. The last line counts the tests of all stages.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LECTURE_BUDGET = 180  # seconds for everything that runs a lecture's cells


class Stages:
    """Runs commands, counts their tests, sums up seconds per lecture."""

    def __init__(self, folder):
        self.folder = folder
        self.counts = Counter()
        self.seconds = {}
        self.lectures = Counter()
        self.broken = []

    def run(self, title, command, tests=True):
        """Run one stage; a stage without a test report counts as one test."""
        print(f"\n--- {title}", flush=True)
        report = self.folder / f"{len(self.seconds)}.xml"
        if tests:
            command = [*command, f"--junitxml={report}"]
        begin = time.monotonic()
        status = subprocess.call([sys.executable, "-m", *command], cwd=ROOT, env=environment())
        self.seconds[title] = time.monotonic() - begin
        counted = self.count(report) if report.exists() else Counter()
        if not counted:
            counted["failed" if status else "passed"] += 1
        self.counts += counted
        if status:
            self.broken.append(title)
        word = "failed" if status else "passed"
        print(f"--- {title}: {word}, {self.seconds[title]:.1f} s", flush=True)

    def count(self, report):
        """Tests by outcome in a JUnit report; seconds of lectures land in ``lectures``."""
        counted = Counter()
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            kinds = {child.tag for child in case}
            outcome = "failed" if kinds & {"failure", "error"} else "passed"
            counted["skipped" if "skipped" in kinds else outcome] += 1
            name = case.get("classname", "") + " " + case.get("name", "")
            lecture = re.search(r"\b\d\d_[a-z0-9_]+", name)
            if lecture and (ROOT / "course" / f"{lecture[0]}.py").exists():
                self.lectures[lecture[0]] += float(case.get("time", 0))
        return counted

    def close(self):
        """Print where the time went and the closing line; returns the exit status."""
        print("\n--- seconds")
        for title, seconds in self.seconds.items():
            print(f"{seconds:8.1f}  {title}")
        for lecture, seconds in sorted(self.lectures.items()):
            late = seconds > LECTURE_BUDGET
            print(f"{seconds:8.1f}  lecture {lecture}{', over its budget' if late else ''}")
            if late:
                self.broken.append(f"lecture {lecture} over {LECTURE_BUDGET} s")
                self.counts["failed"] += 1
        if self.broken:
            print("failed: " + "; ".join(self.broken))
        counts = f"{self.counts['passed']} passed, {self.counts['failed']} failed"
        print(f"{counts}, {self.counts['skipped']} skipped", flush=True)
        return 1 if self.broken or self.counts["failed"] else 0


def environment():
    """One thread a process: two workers on two cores do not wait for each other."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "GOMP_SPINCOUNT": "0"}


def everything(stages):
    stages.run("ruff", ["ruff", "check", "--output-format=concise", "."], tests=False)
    units = ["pytest", "-q", "tests", "-m", "not verify and not browser", "-n", "2"]
    stages.run("unit tests", [*units, "--dist", "worksteal", "--durations=8"])
    if sorted((ROOT / "course").glob("[0-9][0-9]_*.py")):
        lectures = ["aidagen.publishing.notebooks", "run"]
        stages.run("lectures in profile smoke", lectures, tests=False)
        timings = ROOT / "build" / "smoke" / "seconds.json"
        if "lectures in profile smoke" not in stages.broken:
            stages.lectures.update(json.loads(timings.read_text()))
        stages.run("lints of the lectures", ["aidagen.publishing.lints"], tests=False)
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    if notebooks:
        stages.run("variants", ["aidagen.publishing.variants", "build"], tests=False)
        workers = ["-n", "2", "--dist", "loadscope"] if len(notebooks) > 1 else []
        nbval = ["pytest", "-q", "--nbval-lax", "--nbval-cell-timeout=180", "notebooks"]
        stages.run("committed notebooks", [*nbval, *workers])
    stages.run("browser", ["pytest", "-q", "tests", "-m", "browser", "--durations=8"])


def verify(stages):
    stages.run("long tests", ["pytest", "-q", "tests", "-m", "verify", "--durations=0"])
    if sorted((ROOT / "notebooks").glob("*.ipynb")):
        stages.run("variants", ["aidagen.publishing.variants", "build"], tests=False)
        stages.run("learners' copies", ["aidagen.publishing.variants", "prove"], tests=False)
    from aidagen import evaluation

    for name in evaluation.names():
        stages.run(f"table {name}", ["aidagen", "evaluate", name, "--recompute"], tests=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verify", action="store_true", help="the long checks instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stages = Stages(Path(folder))
        verify(stages) if options.verify else everything(stages)
        return stages.close()


if __name__ == "__main__":
    sys.exit(main())
