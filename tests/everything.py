"""All that CI runs, stage by stage, each with its seconds: what `make test` calls.

    .venv/bin/python tests/everything.py             # the stages of `make test`
    .venv/bin/python tests/everything.py --verify    # the long checks instead

A failing stage does not hide the next ones. At the end stand each stage's seconds, each lecture's
CPU seconds beside its budget (a lecture over it fails `make verify` alone), why tests were skipped,
and in the last line the tests of all stages.
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
LECTURE_BUDGET = 180  # CPU seconds for everything that runs a lecture's cells
PYTEST = ["pytest", "-q", "-rs", "-p", "tests.cpu_seconds"]
CELL_TIMEOUT = 1200  # seconds of the clock, against a cell that hangs


class Stages:
    """Runs commands, counts their tests, sums up CPU seconds per lecture.

    With ``enforce`` a lecture over its budget is a failure.
    """

    def __init__(self, folder, enforce=False):
        self.folder = folder
        self.enforce = enforce
        self.counts = Counter()
        self.seconds = {}  # title: (of the clock, of the CPU)
        self.lectures = Counter()
        self.skipped = Counter()
        self.broken = []

    def run(self, title, command, tests=True):
        """Run one stage; a stage without a test report counts as one test."""
        print(f"\n--- {title}", flush=True)
        report = self.folder / f"{len(self.seconds)}.xml"
        if tests:
            command = [*command, f"--junitxml={report}"]
        clock, cpu = time.monotonic(), children_cpu()
        status = subprocess.call([sys.executable, "-m", *command], cwd=ROOT, env=environment())
        self.seconds[title] = time.monotonic() - clock, children_cpu() - cpu
        counted = self.count(report) if report.exists() else Counter()
        if not counted:
            counted["failed" if status else "passed"] += 1
        self.counts += counted
        if status:
            self.broken.append(title)
        word = "failed" if status else "passed"
        print(f"--- {title}: {word}, {self.seconds[title][0]:.1f} s", flush=True)

    def count(self, report):
        """Tests by outcome in a JUnit report; notes reasons of skips, and lectures' seconds."""
        counted = Counter()
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            kinds = {child.tag: child for child in case}
            outcome = "failed" if {"failure", "error"} & kinds.keys() else "passed"
            if "skipped" in kinds:
                outcome = "skipped"
                self.skipped[kinds["skipped"].get("message") or "no reason given"] += 1
            counted[outcome] += 1
            name = case.get("classname", "") + " " + case.get("name", "")
            lecture = re.search(r"\b\d\d_[a-z0-9_]+", name)
            if lecture and (ROOT / "course" / f"{lecture[0]}.py").exists():
                spent = case.find("properties/property[@name='cpu_seconds']")
                self.lectures[lecture[0]] += 0.0 if spent is None else float(spent.get("value"))
        return counted

    def close(self):
        """Print where the time went and the closing line; returns the exit status."""
        print("\n--- seconds: of the clock, of the CPU")
        for title, (clock, cpu) in self.seconds.items():
            print(f"{clock:8.1f} {cpu:8.1f}  {title}")
        if self.lectures:
            print("\n--- CPU seconds of each lecture, of those in its budget")
        for lecture, seconds in sorted(self.lectures.items()):
            late = seconds > LECTURE_BUDGET
            word = ", over its budget" if late else ""
            print(f"{seconds:8.1f} of {LECTURE_BUDGET}  {lecture}{word}")
            if late and self.enforce:
                self.broken.append(f"lecture {lecture} over {LECTURE_BUDGET} CPU seconds")
                self.counts["failed"] += 1
        if self.skipped:
            print("\n--- skipped, and why")
        for reason, count in self.skipped.most_common():
            print(f"{count:8}  {reason}")
        if self.broken:
            print("\nfailed: " + "; ".join(self.broken))
        counts = f"{self.counts['passed']} passed, {self.counts['failed']} failed"
        print(f"\n{counts}, {self.counts['skipped']} skipped", flush=True)
        return 1 if self.broken or self.counts["failed"] else 0


def children_cpu():
    """CPU seconds of all processes that this one started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def environment():
    """One thread per process: two workers on two cores do not wait for each other."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "GOMP_SPINCOUNT": "0"}


def everything(stages):
    stages.run("ruff", ["ruff", "check", "--output-format=concise", "."], tests=False)
    stages.run("anny's cache", ["tests.anny_cache"], tests=False)
    units = [*PYTEST, "tests", "-m", "not verify and not browser", "-n", "2"]
    stages.run("unit tests", [*units, "--dist", "worksteal", "--durations=8"])
    if sorted((ROOT / "course").glob("[0-9][0-9]_*.py")):
        stages.run("lints of the lectures", ["aidagen.publishing.lints"], tests=False)
    if sorted((ROOT / "notebooks").glob("*.ipynb")):
        stages.run("variants", ["aidagen.publishing.variants", "build"], tests=False)
    lectures(stages)
    stages.run("browser", [*PYTEST, "tests", "-m", "browser and not verify", "--durations=8"])


def verify(stages):
    lectures(stages)
    os.environ["AIDAGEN_SHAPES"] = "0"  # `make test` checks shapes; here that doubles the time
    workers = ["-n", "2", "--dist", "worksteal"]
    stages.run("long tests", [*PYTEST, "tests", "-m", "verify", "--durations=0", *workers])
    if sorted((ROOT / "notebooks").glob("*.ipynb")):
        stages.run("variants", ["aidagen.publishing.variants", "build"], tests=False)
        stages.run("learners' copies", ["aidagen.publishing.variants", "prove"], tests=False)


def lectures(stages):
    """All that runs the lectures' cells; a lecture over its compute card fails where enforced."""
    if sorted((ROOT / "course").glob("[0-9][0-9]_*.py")):
        title = "lectures in profile smoke"
        budgets = ["--enforce"] if stages.enforce else []
        stages.run(title, ["aidagen.publishing.notebooks", "run", *budgets], tests=False)
        spent = ROOT / "build" / "smoke" / "cpu_seconds.json"
        if title not in stages.broken:
            stages.lectures.update(json.loads(spent.read_text()))
    if notebooks := sorted((ROOT / "notebooks").glob("*.ipynb")):
        workers = ["-n", "2", "--dist", "loadscope"] if len(notebooks) > 1 else []
        nbval = ["--nbval-lax", f"--nbval-cell-timeout={CELL_TIMEOUT}", "notebooks"]
        stages.run("committed notebooks", [*PYTEST, *nbval, *workers])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verify", action="store_true", help="the long checks instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stages = Stages(Path(folder), enforce=options.verify)
        verify(stages) if options.verify else everything(stages)
        return stages.close()


if __name__ == "__main__":
    sys.exit(main())
