"""Text and notebook of every lecture are the same thing; the build is stable and clean."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from aidagen.publishing import execution, lints, notebooks

ROOT = Path(__file__).resolve().parents[1]
BUILT = sorted((ROOT / "notebooks").glob("*.ipynb"))

HEADER = """# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

"""
LECTURE = (
    HEADER
    + """# %% [markdown]
# # A lecture
#
# With $x^2$.

# %% tags=["parameters"]
PROFILE = None

# %%
import os
import sys
import tempfile
from pathlib import Path

import ipywidgets as widgets

profile = PROFILE or os.environ["AIDAGEN_PROFILE"]
print(Path.cwd().parent, tempfile.gettempdir() + "/clip.mp4", file=sys.stdout)
print("progress", file=sys.stderr)
widgets.IntSlider(value=3)

# %%
Path("profile.txt").write_text(profile)
"ran"

# %% tags=["nbval-check-output"]
print("the sum is right:", 1 + 1 == 2)
"""
)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one lecture."""
    monkeypatch.delenv("AIDAGEN_PROFILE", raising=False)
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "07_small.py").write_text(LECTURE)
    yield tmp_path
    os.environ.pop("AIDAGEN_PROFILE", None)


def test_committed_notebooks_are_their_texts():
    assert notebooks.check(ROOT) == []


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.stem)
def test_committed_notebooks_are_clean(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) <= notebooks.LARGEST
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert "papermill" not in notebook.metadata
    assert notebook.metadata.language_info == {"name": "python"}
    for cell in notebook.cells:
        assert "execution" not in cell.metadata
        assert cell.cell_type != "code" or not cell.source.strip() or cell.execution_count
        for output in cell.get("outputs", []):
            assert output.output_type != "error", f"{cell.id} failed"
            assert output.get("name") != "stderr"
    tail = text.split('"nbformat"')[-1]
    assert tail.endswith("\n}\n")
    assert notebooks.dumps(notebook) == text, "keys are sorted, as the build writes them"


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.stem)
def test_compared_cells_print_no_measurements(path):
    """Judgements only: no decimals, no paths, no addresses in what nbval compares."""
    for cell in nbformat.read(path, as_version=4).cells:
        if "nbval-check-output" in cell.metadata.get("tags", []):
            shown = "".join(out.get("text", "") for out in cell.outputs)
            assert list(lints.measurements(shown)) == [], cell.id


def test_build_executes_cleans_and_repeats(course):
    [path] = notebooks.build(course)
    first = path.read_bytes()
    notebook = nbformat.reads(first.decode(), as_version=4)
    assert [cell.id for cell in notebook.cells] == [
        "07-001",
        "07-002",
        "07-003",
        "07-004",
        "07-005",
    ]
    assert (course / "notebooks" / "profile.txt").read_text() == "lecture"
    assert str(course) not in first.decode()
    assert ". tmp/clip.mp4" in notebook.cells[2].outputs[0].text
    assert b'"stderr"' not in first
    assert notebook.cells[3].outputs[0].data["text/plain"] == "'ran'"
    assert notebooks.check(course) == []

    before = path.stat().st_mtime_ns
    assert notebooks.build(course) == [], "nothing changed: nothing is built"
    assert path.stat().st_mtime_ns == before
    notebooks.build(course, force=True)
    assert path.read_bytes() == first, "the same text gives the same bytes, widgets included"


def test_a_deleted_notebook_comes_back_the_same(course):
    [path] = notebooks.build(course)
    first = path.read_bytes()
    path.unlink()
    assert notebooks.build(course) == [path]
    assert path.read_bytes() == first


def test_a_fault_of_the_text_is_no_reason_to_build_twice(course):
    text = course / "course" / "07_small.py"
    text.write_text(LECTURE.replace('tags=["parameters"]', 'tags=["parametres"]'))
    notebooks.build(course)
    assert notebooks.build(course) == []
    assert len(notebooks.check(course)) == 1


def test_text_to_notebook_to_text_is_the_identity(course):
    [path] = notebooks.build(course)
    again = notebooks.as_text(nbformat.read(path, as_version=4))
    assert again.split("# ---\n", 2)[-1].strip() == LECTURE.removeprefix(HEADER).strip()
    text = course / "course" / "07_small.py"
    assert notebooks.tidy(course) == []
    assert text.read_text() == LECTURE
    untidy = LECTURE.replace('tags=["parameters"]', 'tags=["parameters"] alt="None."')
    text.write_text(untidy.replace("widgets\n\nprofile", "widgets\n\n\n\nprofile"))
    assert any("notebooks tidy" in problem for problem in notebooks.check(course))
    assert notebooks.tidy(course) == [text]
    assert text.read_text().startswith(HEADER + "# %% [markdown]\n# # A lecture\n")
    assert '# %% alt="None." tags=["parameters"]' in text.read_text()
    assert notebooks.tidy(course) == []


def test_what_a_run_takes_is_held_against_its_card(course, capfd):
    compute = pytest.importorskip("aidagen.teaching.compute")
    [path] = notebooks.build(course, record=True)
    entry = compute.measured(course)["07"]["lecture"]
    assert 20 < entry["peak_mb"] < 2000, "a kernel has tens of megabytes"
    assert 0 < entry["seconds"] < 300
    before, card = path.read_bytes(), compute.path(course)
    kept = card.read_text()
    notebooks.build(course, force=True)
    assert card.read_text() == kept, "only --record writes"
    small = {"seconds": 0.1, "peak_mb": 3000}
    card.write_text(json.dumps({"07": {"lecture": {"budget": small}, "smoke": {"budget": small}}}))
    with pytest.raises(notebooks.NotebookError, match="its budget is 0 s"):
        notebooks.build(course, force=True)
    with pytest.raises(notebooks.NotebookError, match="its budget is 0 s"):
        notebooks.run(course, enforce=True)
    assert path.read_bytes() == before
    assert notebooks.run(course)["07_small"] > 0.1
    assert "its budget is 0 s" in capfd.readouterr().out, "named, where it is not enforced"


def test_time_that_a_kernel_computes_is_counted_and_time_that_it_waits_is_not():
    clock = "import time; now = time.process_time"
    cells = {
        "waits": f"{clock}; time.sleep(2)",
        "computes": f"{clock}; end = now() + 2\nwhile now() < end: pass",
    }
    seconds = {}
    for name, cell in cells.items():
        with execution._measured() as spent:
            subprocess.run([sys.executable, "-c", cell], check=True)
        seconds[name] = spent[0].cpu_seconds
    assert seconds["computes"] - seconds["waits"] >= 1


def test_kernels_do_not_warn_of_sockets_without_encryption(course, capfd):
    notebooks.build(course)
    notebooks.run(course)
    assert "encryption" not in capfd.readouterr().err


def test_check_names_what_is_stale(course):
    [path] = notebooks.build(course)
    text = course / "course" / "07_small.py"
    text.write_text(LECTURE.replace("x^2", "x^3"))
    [problem] = notebooks.check(course)
    assert "07_small.ipynb" in problem
    assert "cell 07-001" in problem
    assert "make notebooks" in problem
    text.write_text(LECTURE.replace('tags=["parameters"]', 'tags=["parametres"]'))
    assert any("unknown tag parametres" in problem for problem in notebooks.check(course))
    text.write_text(LECTURE.replace('tags=["parameters"]', 'tags=["skip-execution"]'))
    assert any("also needs nbval-skip" in problem for problem in notebooks.check(course))
    text.write_text(LECTURE.replace(HEADER, ""))
    assert any("no jupytext header" in problem for problem in notebooks.check(course))
    text.write_text(LECTURE)
    path.write_text("{")
    assert any("is not a notebook" in problem for problem in notebooks.check(course))
    path.unlink()
    assert any("is missing" in problem for problem in notebooks.check(course))
    (course / "notebooks" / "08_orphan.ipynb").write_text("{}")
    assert any("has no text" in problem for problem in notebooks.check(course))


def test_a_failing_cell_keeps_the_old_notebook(course):
    [path] = notebooks.build(course)
    before = path.read_bytes()
    text = course / "course" / "07_small.py"
    text.write_text(LECTURE.replace('"ran"', "1 / 0"))
    with pytest.raises(notebooks.NotebookError, match="cell 07-004: ZeroDivisionError"):
        notebooks.build(course)
    assert path.read_bytes() == before
    with pytest.raises(notebooks.NotebookError, match=r"fails in profile smoke.*ZeroDivisionError"):
        notebooks.run(course)


def test_large_widget_state_is_dropped(monkeypatch, course):
    monkeypatch.setattr(execution, "LARGEST_WIDGETS", 10)
    [path] = notebooks.build(course)
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    assert list(notebook.cells[2].outputs[-1].data) == ["text/plain"]


def test_a_heavy_notebook_is_refused(monkeypatch, course):
    monkeypatch.setattr(notebooks, "LARGEST", 1000)
    with pytest.raises(notebooks.NotebookError, match="is the largest"):
        notebooks.build(course)
    assert not (course / "notebooks" / "07_small.ipynb").exists()


def test_run_injects_the_profile(course):
    (course / "notebooks").mkdir()
    assert notebooks.run(course).keys() == {"07_small"}
    assert (course / "notebooks" / "profile.txt").read_text() == "smoke"


def test_unknown_lecture_is_one_sentence(course, capsys):
    assert notebooks.main(["build", "42", "--root", str(course)]) == 2
    assert capsys.readouterr().err == ("aidagen: There is no lecture 42: no course/42_*.py.\n")


def nbval(folder):
    kept = {k: v for k, v in os.environ.items() if k != "AIDAGEN_PROFILE"}
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider", "."]
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True)


def test_nbval_compares_judgements_alone(course):
    """In profile smoke, what the build in profile lecture printed still holds; or nbval says."""
    [path] = notebooks.build(course)
    shutil.copy(ROOT / "notebooks" / "conftest.py", path.parent / "conftest.py")
    agreed = nbval(path.parent)
    assert agreed.returncode == 0, agreed.stdout
    assert "4 passed" in agreed.stdout
    assert (path.parent / "profile.txt").read_text() == "smoke"
    path.write_text(path.read_text().replace("is right: True", "is right: False"))
    differing = nbval(path.parent)
    assert differing.returncode == 1
    assert "1 failed, 3 passed" in differing.stdout
