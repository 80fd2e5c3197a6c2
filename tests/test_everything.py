"""What `make test` and `make verify` say at their end, of a suite made for the purpose."""

import copy

import everything
import pytest

SUITE = """
import subprocess, sys
import pytest

COMPUTE = "import time; now = time.process_time; end = now() + {}\\nwhile now() < end: pass"

def compute(seconds):
    subprocess.run([sys.executable, "-c", COMPUTE.format(seconds)], check=True)

@pytest.fixture
def kernel():
    compute(0.5)
    yield subprocess.Popen([sys.executable, "-c", COMPUTE.format(0.5)])

@pytest.mark.parametrize("lecture", ["05_small"])
def test_lecture(lecture, kernel):
    compute(0.5)
    kernel.wait()

@pytest.mark.parametrize("lecture", ["06_small"])
def test_lecture_that_waits(lecture):
    subprocess.run([sys.executable, "-c", "import time; time.sleep(1.5)"], check=True)

@pytest.mark.parametrize("x", range(3))
def test_on_a_gpu(x):
    pytest.skip("no GPU")

@pytest.mark.skip(reason="no microphone")
def test_sound(): pass
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Stages that have run ``SUITE``, whose first lecture is over its budget."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "course").mkdir()
    for name in ("05_small", "06_small"):
        (folder / "course" / f"{name}.py").write_text("")
    (folder / "test_suite.py").write_text(SUITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(everything.ROOT))
        patch.setattr(everything, "ROOT", folder)
        stages = everything.Stages(folder)
        stages.run("suite", [*everything.PYTEST, "test_suite.py"])
        between = round(sum(stages.lectures.values()) / 2, 2)
        patch.setattr(everything, "LECTURE_BUDGET", between)
        yield stages


def test_skips_are_told_with_their_reasons_and_lectures_with_their_cpu_seconds(ran, capfd):
    assert ran.close() == 0
    printed = capfd.readouterr().out
    assert "       3  no GPU\n       1  no microphone\n" in printed
    assert printed.endswith("\n2 passed, 0 failed, 4 skipped\n")
    clock, cpu = ran.seconds["suite"]
    assert cpu >= sum(ran.lectures.values()) and clock > 0
    # set-up, the test and a process that still ran after the set-up, 0.5 s each; waiting is free
    assert ran.lectures["05_small"] - ran.lectures["06_small"] >= 1.2
    assert f" of {everything.LECTURE_BUDGET}  05_small, over its budget\n" in printed
    assert f" of {everything.LECTURE_BUDGET}  06_small\n" in printed


def test_a_lecture_over_its_budget_fails_where_budgets_are_enforced(ran, capfd):
    strict = copy.deepcopy(ran)
    strict.enforce = True
    assert strict.close() == 1
    printed = capfd.readouterr().out
    assert f"failed: lecture 05_small over {everything.LECTURE_BUDGET} CPU seconds" in printed
    assert printed.endswith("\n2 passed, 1 failed, 4 skipped\n")


def test_a_stage_without_a_report_counts_as_one_test(tmp_path, capfd):
    stages = everything.Stages(tmp_path)
    stages.run("fine", ["this"], tests=False)
    stages.run("broken", ["no.such.module"], tests=False)
    assert stages.close() == 1
    printed = capfd.readouterr().out
    assert "failed: broken\n" in printed
    assert printed.endswith("1 passed, 1 failed, 0 skipped\n")
