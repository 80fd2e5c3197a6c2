"""Students' copies: made once, renewed while untouched, never overwritten once edited."""

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary

from aidagen.errors import AidagenError
from aidagen.publishing import copies, execution, lab, pages

ROOT = Path(__file__).resolve().parents[1]
NAME = "07_small.ipynb"


def cell(kind, source, *tags, output=None):
    made = getattr(nbformat.v4, f"new_{kind}_cell")(source, metadata={"tags": list(tags)})
    if output:
        made.outputs = [nbformat.v4.new_output("stream", text=output)]
        made.execution_count = 1
    return made


def write(root, greeting="hello"):
    """A notebook of the course with one exercise."""
    cells = [
        cell("markdown", "# A lecture"),
        cell("code", f"print({greeting!r})", output=greeting),
        cell("code", "def f(x):\n    return check.TODO", "exercise"),
        cell("code", "def f(x):\n    return 2 * x", "solution"),
        cell("code", "f = check.choose('07.1', f)", "check", output="07.1: passed"),
        cell("markdown", "Ask who has f = x.", "instructor"),
    ]
    for ordinal, one in enumerate(cells, start=1):
        one["id"] = f"07-{ordinal:03d}"
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["jupytext"] = {"formats": "notebooks///ipynb,course///py:percent"}
    (root / "notebooks").mkdir(exist_ok=True)
    nbformat.write(notebook, root / "notebooks" / NAME)
    return root / "work" / NAME


def edit(path, source="x = 1"):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(cell("code", source))
    nbformat.write(notebook, path)
    return path.read_bytes()


def sources(path):
    return [one.source for one in nbformat.read(path, as_version=4).cells]


def test_a_copy_has_no_answers_and_no_verdicts(tmp_path):
    path = write(tmp_path)
    original = (tmp_path / "notebooks" / NAME).read_bytes()
    assert list(copies.refresh(tmp_path)) == []
    notebook = nbformat.read(path, as_version=4)
    assert [c.id for c in notebook.cells] == ["07-001", "07-002", "07-003", "07-005"]
    assert notebook.cells[1].outputs[0].text == "hello"
    assert notebook.cells[3].outputs == [], "nobody has passed anything yet"
    assert "jupytext" not in notebook.metadata, "a copy is no pair"
    assert (tmp_path / "notebooks" / NAME).read_bytes() == original


def test_a_copy_that_was_only_run_follows_the_course(tmp_path):
    path = write(tmp_path)
    list(copies.refresh(tmp_path))
    first, time = path.read_bytes(), path.stat().st_mtime_ns
    assert list(copies.refresh(tmp_path)) == []
    assert path.stat().st_mtime_ns == time, "nothing changed: nothing is written"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = []
    notebook.cells[1].execution_count = 9
    nbformat.write(notebook, path)
    write(tmp_path, "good morning")
    assert list(copies.refresh(tmp_path)) == []
    assert path.read_bytes() != first
    assert "print('good morning')" in sources(path)
    assert not path.with_suffix(".new.ipynb").exists()


def test_an_edited_copy_is_never_overwritten(tmp_path):
    path = write(tmp_path)
    list(copies.refresh(tmp_path))
    mine = edit(path)
    assert list(copies.refresh(tmp_path)) == [], "the course did not change: nothing to say"
    write(tmp_path, "good morning")
    [sentence] = copies.refresh(tmp_path)
    beside = path.with_suffix(".new.ipynb")
    assert NAME in sentence
    assert f"work/{beside.name}" in sentence
    assert path.read_bytes() == mine
    assert "print('good morning')" in sources(beside)
    assert list(copies.refresh(tmp_path)) == [], "said once"

    also_mine = edit(beside)
    write(tmp_path, "good evening")
    [sentence] = copies.refresh(tmp_path)
    assert "07_small.new2.ipynb" in sentence
    assert path.read_bytes() == mine
    assert beside.read_bytes() == also_mine
    assert "print('good evening')" in sources(path.with_suffix(".new2.ipynb"))


def test_whoever_takes_the_new_copy_follows_the_course_again(tmp_path):
    path = write(tmp_path)
    list(copies.refresh(tmp_path))
    edit(path)
    write(tmp_path, "good morning")
    list(copies.refresh(tmp_path))
    path.with_suffix(".new.ipynb").replace(path)
    write(tmp_path, "good evening")
    assert list(copies.refresh(tmp_path)) == []
    assert "print('good evening')" in sources(path)


@pytest.mark.parametrize("manifest", ["", "[]", '{"07_small.ipynb": 3}', None])
def test_without_its_manifest_an_edited_copy_counts_as_edited(tmp_path, manifest):
    path = write(tmp_path)
    list(copies.refresh(tmp_path))
    mine = edit(path)
    listed = tmp_path / "work" / copies.MANIFEST
    listed.unlink() if manifest is None else listed.write_text(manifest)
    assert len(list(copies.refresh(tmp_path))) == 1
    assert path.read_bytes() == mine


def test_a_broken_original_and_a_broken_copy_stop_nothing(tmp_path):
    path = write(tmp_path)
    list(copies.refresh(tmp_path))
    path.write_text("my notes, not a notebook")
    (tmp_path / "notebooks" / "08_broken.ipynb").write_text("{")
    write(tmp_path, "good morning")
    said = list(copies.refresh(tmp_path))
    assert len(said) == 2
    assert any("08_broken.ipynb cannot be read" in sentence for sentence in said)
    assert path.read_text() == "my notes, not a notebook"


def test_a_deleted_copy_comes_back(tmp_path):
    path = write(tmp_path)
    list(copies.refresh(tmp_path))
    path.unlink()
    assert list(copies.refresh(tmp_path)) == []
    assert path.exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    write(tmp_path)
    (tmp_path / "work").write_text("a file")
    with pytest.raises(AidagenError, match="make that folder writable"):
        list(copies.refresh(tmp_path))


def test_only_what_the_course_gave_is_trusted(tmp_path):
    path = write(tmp_path)
    list(copies.refresh(tmp_path))
    edited = path.with_name("07_other.ipynb")
    edited.write_bytes(path.read_bytes())
    edit(edited)
    lab.settings(tmp_path)
    lab.trust(tmp_path)
    notary = NotebookNotary(data_dir=str(tmp_path / ".jupyter" / "data"))
    assert notary.check_signature(nbformat.read(path, as_version=4))
    assert not notary.check_signature(nbformat.read(edited, as_version=4))


COVERED = [
    "from aidagen.teaching import check, predict\nfrom IPython.display import HTML",
    "bet = predict.guess('05.p1')\nbet",
    "check.card('05.3')",
    "def mix(scores, motions):\n    return (scores.softmax(0)[..., None] * motions).sum(0)\n"
    "mix = check.choose('05.3', mix)",
    "bet.reveal(0.42, lambda: HTML('<b>' + 'the' + ' table</b>'))",
]


def test_no_copy_and_no_export_gives_a_prediction_or_a_solution_away(tmp_path, monkeypatch):
    """A notebook that ran from top to bottom holds neither, twice the same, whoever reads it."""
    monkeypatch.setenv("AIDAGEN_PROFILE", "smoke")
    run = []
    for _ in range(2):
        notebook = nbformat.v4.new_notebook(cells=[cell("code", source) for source in COVERED])
        for ordinal, one in enumerate(notebook.cells, start=1):
            one["id"] = f"07-{ordinal:03d}"
        execution.execute(notebook, tmp_path, "smoke")
        execution.clean(notebook, tmp_path)
        run.append(notebook)
    whole, again = run
    assert [one.get("outputs") for one in whole.cells] == [
        one.get("outputs") for one in again.cells
    ]
    assert whole.metadata["widgets"], "the widgets' state is kept, and looked through below"
    copy = copies.without_answers(whole)
    exported = "".join(pages.cell(one, whole, inputs=False) for one in whole.cells)
    for text in (nbformat.writes(whole), nbformat.writes(copy), exported):
        assert "the table" not in text and "It is 0.42" not in text
        assert "def mix(\\n" not in text and "mask_logits.softmax" not in text
    first, last = (one.outputs[0]["data"] for one in (whole.cells[2], whole.cells[4]))
    assert "<summary>Hint 2</summary>" in first["text/html"]
    assert "Covered: make your guess" in last["text/html"]
    assert whole.cells[3].outputs[0]["data"]["text/plain"] == (
        "05.3: passed, your function is used from here"
    )


def test_jupytext_pairs_nothing_in_work(tmp_path):
    """Saving a copy in JupyterLab with jupytext writes no text and touches no lecture."""
    config = pytest.importorskip("jupytext.config")
    options = config.load_jupytext_config(str(ROOT / "work" / NAME))
    assert options.default_formats(str(ROOT / "notebooks" / NAME))
    for folder in ("work", "build/student", "build/instructor"):
        assert not options.default_formats(str(ROOT / folder / NAME))


def test_the_manifest_is_readable(tmp_path):
    path = write(tmp_path)
    list(copies.refresh(tmp_path))
    listed = json.loads((tmp_path / "work" / copies.MANIFEST).read_text())
    assert listed[NAME]["given"] == [copies.content_hash(path.read_text())]
