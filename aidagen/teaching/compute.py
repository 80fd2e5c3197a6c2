"""What a lecture takes: CPU time and peak memory, measured and held against a budget.

``course/compute.json`` holds, for each lecture and profile, a budget and what was measured when
somebody asked for it (so that a rebuild changes nothing). The card of a lecture shows both; a run
that takes more than 150 % of its budget fails with a sentence. Seconds are those of the CPU, which
a busy machine does not add to; the builds run on one thread, so an idle machine takes as long.

    with compute.peak_of() as peak:          # memory of this process's children: the kernels
        run(notebook)
    sentence = compute.over_budget("05", "smoke", seconds, peak.mb)
    compute.record("05", "smoke", seconds, peak.mb)
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from aidagen import files, markdown
from aidagen.errors import AidagenError
from aidagen.failures import guarded

ALLOWED = 1.5  # times the budget
PROFILES = ("smoke", "lecture", "full")
BUDGETS = {  # CPU seconds and megabytes, for a lecture that has none of its own yet
    "smoke": {"seconds": 120, "peak_mb": 2000},
    "lecture": {"seconds": 600, "peak_mb": 3000},
    "full": {"seconds": 28800, "peak_mb": 12000},
}
EVERY = 0.1  # seconds between two looks at the memory


def path(root: Path | str | None = None) -> Path:
    """Where the measurements are kept."""
    root = Path(__file__).resolve().parents[2] if root is None else Path(root)
    return root / "course" / "compute.json"


def measured(root: Path | str | None = None) -> dict:
    """Everything on record: ``{"05": {"smoke": {"budget": {...}, "seconds": ..., ...}}}``.

    Raises AidagenError where the file is damaged; a file that is not there is an empty record.
    """
    file = path(root)
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as problem:
        raise AidagenError(f"{file.name} cannot be read ({problem}): restore it from git.") from (
            problem
        )
    if not isinstance(record, dict) or not all(isinstance(v, dict) for v in record.values()):
        raise AidagenError(f"{file.name} is not a record of lectures: restore it from git.")
    return record


def _entry(number: str, profile: str, root: Path | str | None) -> dict:
    if not (isinstance(number, str) and len(number) == 2 and number.isdigit()):
        raise AidagenError(f"A lecture is named by its two digits, as in '05'; not {number!r}.")
    if profile not in PROFILES:
        raise AidagenError(f"There is no profile {profile!r}: {', '.join(PROFILES)}.")
    return measured(root).get(number, {}).get(profile, {})


def budget(number: str, profile: str, root: Path | str | None = None) -> dict[str, float]:
    """Seconds and megabytes (``peak_mb``) that a lecture should take in a profile."""
    return {**BUDGETS[profile], **_entry(number, profile, root).get("budget", {})}


def over_budget(
    number: str,
    profile: str,
    seconds: float | None,
    peak_mb: float | None = None,
    root: Path | str | None = None,
) -> str | None:
    """A sentence if a run took more than 150 % of its budget, else None.

    ``seconds`` are those of the CPU. What was not measured is None.
    """
    _entry(number, profile, root)  # refuses what does not exist
    allowed, faults = budget(number, profile, root), []
    if seconds is not None and seconds > ALLOWED * allowed["seconds"]:
        faults.append(f"{seconds:.0f} CPU s, and its budget is {allowed['seconds']:.0f} s")
    if peak_mb is not None and peak_mb > ALLOWED * allowed["peak_mb"]:
        faults.append(f"{peak_mb:.0f} MB, and its budget is {allowed['peak_mb']:.0f} MB")
    if not faults:
        return None
    return (
        f"lecture {number} took {'; and '.join(faults)} in profile {profile} (more than "
        f"{100 * ALLOWED:.0f} %): make its live cells smaller, or raise the budget in "
        "course/compute.json and say why."
    )


def record(
    number: str,
    profile: str,
    seconds: float,
    peak_mb: float,
    root: Path | str | None = None,
) -> None:
    """Put a measurement on record; the file is replaced as a whole, or left as it was.

    The budget stays; a lecture without one gets the profile's. Raises AidagenError where the file
    cannot be written or a number is not positive and finite.
    """
    _entry(number, profile, root)
    if not all(math.isfinite(x) and x > 0 for x in (seconds, peak_mb)):
        raise AidagenError(f"A run cannot take {seconds} s and {peak_mb} MB; nothing was recorded.")
    everything = measured(root)
    entry = {
        "budget": budget(number, profile, root),
        "seconds": round(seconds),
        "peak_mb": round(peak_mb, -1),
    }
    everything.setdefault(number, {})[profile] = entry
    order = {name: i for i, name in enumerate(PROFILES)}
    tidy = {
        lecture: dict(sorted(profiles.items(), key=lambda item: order.get(item[0], len(order))))
        for lecture, profiles in sorted(everything.items())
    }
    files.write_json(path(root), tidy)


def card(number: str, root: Path | str | None = None) -> str:
    """Markdown: what a lecture takes in each profile, and its budget."""
    rows = []
    for profile in PROFILES:
        entry, allowed = _entry(number, profile, root), budget(number, profile, root)
        minutes, peak = "not measured yet", "not measured yet"
        if "seconds" in entry:
            minutes, peak = _minutes(entry["seconds"]), _memory(entry["peak_mb"])
        budgeted = f"{_minutes(allowed['seconds'])} min, {_memory(allowed['peak_mb'])}"
        rows.append((f"`{profile}`", minutes, peak, budgeted))
    note = (
        "CPU time of all cells in a row, on one thread, the kernel's start included, without a GPU."
    )
    return markdown.table(("profile", "minutes", "peak memory", "budget"), rows) + f"\n\n{note}\n"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}" if seconds < 600 else f"{seconds / 60:.0f}"


def _memory(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB"


def problems(root: Path | str | None = None) -> list[str]:
    """One sentence for each lecture without a budget of its own, or on record over it."""
    sentences = []
    record = measured(root)
    for text in sorted(path(root).parent.glob("[0-9][0-9]_*.py")):
        number = text.name[:2]
        for profile in ("smoke", "lecture"):
            entry = record.get(number, {}).get(profile)
            if entry is None or "budget" not in entry:
                sentences.append(
                    f"course/{text.name} has no budget for profile {profile} in "
                    "course/compute.json: run it with --record."
                )
            elif fault := over_budget(
                number, profile, entry.get("seconds"), entry.get("peak_mb"), root
            ):
                sentences.append(f"course/{text.name}: {fault}")
    return sentences


# --- measuring -----------------------------------------------------------------------------------


class Peak:
    """The largest memory seen so far, in megabytes (10^6 bytes)."""

    mb: float = 0.0


@contextlib.contextmanager
def peak_of(pid: int | None = None) -> Iterator[Peak]:
    """Watch the resident memory of a process and its children; ``peak.mb`` is the largest sum.

    Without ``pid`` this process's children are watched, whenever they start, and not the process
    itself: the kernels of the notebooks that it runs. Pages that processes share count for each.
    """
    import psutil  # comes with ipykernel

    peak, done = Peak(), threading.Event()
    try:
        top = psutil.Process(os.getpid() if pid is None else pid)
    except psutil.Error as problem:
        raise AidagenError(f"There is no process {pid} to watch.") from problem

    def look() -> None:
        try:
            watched = top.children(recursive=True) + ([] if pid is None else [top])
        except psutil.Error:
            return  # it has ended
        total = 0
        for process in watched:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        peak.mb = max(peak.mb, total / 1e6)

    def watch() -> None:
        while not done.wait(EVERY):
            look()

    thread = threading.Thread(target=watch, daemon=True, name="aidagen-peak-memory")
    look()
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
        look()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m aidagen.teaching.compute")
    parser.add_argument("--root", type=Path, default=None)
    options = parser.parse_args(arguments)
    try:
        sentences = problems(options.root)
    except AidagenError as problem:
        print(f"aidagen: {problem}", file=sys.stderr)
        return 2
    print("\n".join(sentences) if sentences else "every lecture is within its budget", flush=True)
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(guarded(main))
