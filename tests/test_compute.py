"""Minutes and memory of a lecture: measured, recorded only on demand, held to a budget."""

import json
import os
import subprocess
import sys
import time

import pytest

from aidagen.errors import AidagenError
from aidagen.teaching import compute


@pytest.fixture
def root(tmp_path):
    (tmp_path / "course").mkdir()
    return tmp_path


def test_a_run_within_150_percent_is_silent(root):
    assert compute.over_budget("05", "smoke", 120, 2000, root) is None
    assert compute.over_budget("05", "smoke", 180, 3000, root) is None
    assert compute.over_budget("05", "smoke", None, None, root) is None


def test_a_run_over_150_percent_is_named(root):
    words = compute.over_budget("05", "smoke", 181, 100, root)
    assert words.startswith("lecture 05 took 181 CPU s, and its budget is 120 s in profile smoke")
    assert "3100 MB, and its budget is 2000 MB" in compute.over_budget("05", "smoke", 1, 3100, root)
    both = compute.over_budget("05", "smoke", 1000, 9000, root)
    assert "1000 CPU s" in both and "9000 MB" in both


def test_budgets_of_its_own_come_first_and_stay(root):
    file = compute.path(root)
    file.write_text(json.dumps({"05": {"smoke": {"budget": {"seconds": 10}}}}))
    assert compute.budget("05", "smoke", root) == {"seconds": 10, "peak_mb": 2000}
    assert compute.over_budget("05", "smoke", 16, 1, root)
    compute.record("05", "smoke", 12.4, 1234.5, root)
    assert compute.measured(root)["05"]["smoke"] == {
        "budget": {"seconds": 10, "peak_mb": 2000},
        "seconds": 12,
        "peak_mb": 1230.0,
    }
    compute.record("05", "smoke", 99, 500, root)
    assert compute.budget("05", "smoke", root)["seconds"] == 10, "a record moves no budget"


def test_records_are_sorted_and_written_as_a_whole(root, monkeypatch):
    for number, profile in (("05", "lecture"), ("00", "smoke"), ("05", "smoke")):
        compute.record(number, profile, 30, 800, root)
    before = compute.path(root).read_bytes()
    assert list(json.loads(before)) == ["00", "05"]
    assert list(json.loads(before)["05"]) == ["smoke", "lecture"]
    compute.record("05", "smoke", 30, 800, root)
    assert compute.path(root).read_bytes() == before, "the same measurement gives the same file"

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(AidagenError, match=r"compute\.json cannot be written \(no space left"):
        compute.record("05", "smoke", 40, 900, root)
    assert compute.path(root).read_bytes() == before
    assert [p.name for p in (root / "course").iterdir()] == ["compute.json"]


def test_the_card_shows_what_was_measured_and_what_was_not(root):
    compute.record("05", "smoke", 84, 1240, root)
    lines = compute.card("05", root).splitlines()
    assert lines[2] == "| `smoke` | 1.4 | 1.2 GB | 2.0 min, 2.0 GB |"
    assert lines[3] == "| `lecture` | not measured yet | not measured yet | 10 min, 3.0 GB |"
    assert lines[4].startswith("| `full` | not measured yet")


def test_problems_name_the_lecture(root, capsys):
    (root / "course" / "05_motion.py").write_text("")
    assert len(compute.problems(root)) == 2
    assert compute.problems(root)[0] == (
        "course/05_motion.py has no budget for profile smoke in course/compute.json: run it with "
        "--record."
    )
    compute.record("05", "smoke", 60, 900, root)
    compute.record("05", "lecture", 300, 900, root)
    assert compute.problems(root) == []
    assert compute.main(["--root", str(root)]) == 0
    compute.record("05", "lecture", 901, 900, root)
    (found,) = compute.problems(root)
    assert found.startswith("course/05_motion.py: lecture 05 took 901 CPU s, and its budget is 600")
    assert compute.main(["--root", str(root)]) == 1
    assert "901 CPU s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda root: compute.card("5", root), "two digits"),
        (lambda root: compute.over_budget("05", "fast", 1, 1, root), "no profile 'fast'"),
        (lambda root: compute.record("05", "smoke", float("nan"), 1, root), "nothing was recorded"),
        (lambda root: compute.record("05", "smoke", 5, 0, root), "nothing was recorded"),
    ],
)
def test_what_does_not_fit_is_one_sentence(root, call, words):
    with pytest.raises(AidagenError, match=words):
        call(root)


@pytest.mark.parametrize("text", ["{", "[]", '{"05": 3}'])
def test_a_damaged_record_is_one_sentence(root, text, capsys):
    compute.path(root).write_text(text)
    with pytest.raises(AidagenError, match="restore it from git"):
        compute.card("05", root)
    assert compute.main(["--root", str(root)]) == 2
    assert compute.path(root).read_text() == text


CHILD = "import time; held = bytearray(b'x' * 150_000_000); time.sleep({seconds})"


def test_the_peak_of_a_child_is_seen_while_it_lasts():
    with compute.peak_of() as peak:
        subprocess.run([sys.executable, "-c", CHILD.format(seconds=1)], check=True)
        during = peak.mb
    assert 150 < during < 400
    time.sleep(0.2)
    assert peak.mb < 400
    with compute.peak_of() as later:
        time.sleep(0.3)
    assert later.mb < during - 100, "what has ended does not count"


def test_a_process_and_its_children_count_together():
    child = CHILD.format(seconds=2)
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", code])
    with compute.peak_of(process.pid) as peak:
        process.wait(60)
    assert 155 < peak.mb < 400, "the child's memory is seen through its parent"
    with pytest.raises(AidagenError, match="no process"):
        with compute.peak_of(process.pid):
            pass


def test_an_error_inside_ends_the_watching():
    import threading

    with pytest.raises(ZeroDivisionError):
        with compute.peak_of():
            1 / 0  # noqa: B018
    assert not [t for t in threading.enumerate() if t.name == "aidagen-peak-memory"]
