"""What is written is whole or not there, whatever the disk does, wherever it is written."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
import study_material as material
import torch
from faults import FAULTS, Disk, leftovers
from test_copies import write as lecture
from test_notebooks import LECTURE

from aidagen import files, study, zoo
from aidagen.cluster import bundle
from aidagen.datasets import layout
from aidagen.errors import AidagenError
from aidagen.models import fomm
from aidagen.publishing import copies, lab, notebooks, variants
from aidagen.teaching import compute

RATER = "abcdefgh"


def weights(root, turn):
    torch.manual_seed(turn)
    model = fomm.FOMM(fomm.fomm_tiny())
    zoo.save(model, model.config, {"name": "mine", "turn": turn}, root / "mine.safetensors")


def votes(root, turn):
    plan = material.plan(4)
    study.write_votes(root, material.keen(plan, RATER, voted=turn), plan)


def copy(root, turn):
    lecture(root, greeting=f"hello {turn}")
    assert list(copies.refresh(root)) == []


def still(root, turn):
    layout.write_still(root, "test", "a", np.full((8, 8, 3), turn, np.uint8), {"a": np.ones(turn)})


def archive(root, turn):
    bundle.write({"run.sh": bundle.Entry("texts", b"true\n" * turn)}, root / "node.zip")


# everything that writes, by what it writes: (folder, 1 or 2) -> None
WRITERS = {
    "a text": lambda root, turn: files.write_text(root / "a.txt", f"{turn}"),
    "weights and card": weights,
    "votes": votes,
    "a plan": lambda root, turn: material.plan(4, seed=turn).save(root / "plan.json"),
    "a learner's copy": copy,
    "a compute card": lambda root, turn: compute.record("05", "smoke", 10 * turn, 900, root),
    "a picture with labels": still,
    "a bundle": archive,
}  # fmt: skip


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("writer", WRITERS)
def test_what_cannot_be_written_is_a_sentence_and_leaves_the_old(
    tmp_path, monkeypatch, writer, fault
):
    write = WRITERS[writer]
    (tmp_path / "course").mkdir()
    write(tmp_path, 1)
    before = contents(tmp_path)
    with monkeypatch.context() as patch:
        disk = Disk(patch, fault)
        if writer in ("a picture with labels", "a bundle") and FAULTS[fault][1] == "write":
            pytest.skip("Pillow, numpy and zipfile write themselves")
        with pytest.raises(AidagenError, match=r"cannot be written \([a-z-/ ]+\); .*\.$") as caught:
            write(tmp_path, 2)
    assert disk.refused and "\n" not in str(caught.value)
    if FAULTS[fault][0] in files.ROOM:
        assert "make room" in str(caught.value) and "may write" not in str(caught.value)
    elif FAULTS[fault][0] in files.LEAVE:
        assert "may write to" in str(caught.value) and "room" not in str(caught.value)
    after = contents(tmp_path)
    after = {path: after[path] for path in after if "notebooks" not in path.parts}
    assert after == {path: before[path] for path in after} and not leftovers(tmp_path)
    write(tmp_path, 2)
    assert contents(tmp_path) != before


def test_a_folder_that_became_read_only_hides_no_sentence(tmp_path, monkeypatch):
    """The temporary file cannot even be removed."""

    def fails(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files.os, "replace", fails)
    monkeypatch.setattr(Path, "unlink", fails)
    with pytest.raises(files.FileError, match=r"a\.txt cannot be written \(read-only"):
        files.write_text(tmp_path / "a.txt", "x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_that_is_always_full(tmp_path):
    with pytest.raises(files.FileError, match=r"note cannot be written \(no space left"):
        with files.writing(tmp_path / "note"), open("/dev/full", "w") as file:
            file.write("x")


def test_a_folder_is_tried_before_long_work(tmp_path, monkeypatch):
    files.check_folder(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(files.FileError, match=r"file.inner cannot be written"):
        files.check_folder(tmp_path / "file" / "inner")

    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(files.FileError, match="permission denied"):
        files.check_folder(tmp_path)
    lecture(tmp_path)
    monkeypatch.setattr(notebooks, "execute", lambda *_: pytest.fail("minutes of work"))
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "07_small.py").write_text(LECTURE)
    with pytest.raises(files.FileError, match=r"notebooks cannot be written"):
        notebooks.build(tmp_path, force=True)
    with pytest.raises(files.FileError, match=r"notebooks cannot be written"):
        variants.prove(tmp_path)


def test_what_is_rescued_is_private_and_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = files.rescue("checkpoint.pt", b"learnt")
    assert kept.read_bytes() == b"learnt" and kept.name == "checkpoint.pt"
    assert os.name != "posix" or kept.parent.stat().st_mode & 0o077 == 0
    with monkeypatch.context() as patch:
        Disk(patch, "full disk while writing", "checkpoint")
        assert files.rescue("checkpoint.pt", b"learnt") is None
    assert list(tmp_path.iterdir()) == [kept.parent]


WAITS = """
import sys
from aidagen import files
with files.locked(sys.argv[1], "", wait=True):
    print("has it", flush=True)
    sys.stdin.read()
"""


def test_a_lock_goes_with_its_process(tmp_path):
    lock = tmp_path / "new" / "lock"
    command = [sys.executable, "-c", WAITS, str(lock)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    first = subprocess.Popen(command, **pipes)
    assert first.stdout.readline() == "has it\n"
    second = subprocess.Popen(command, **pipes)
    with pytest.raises(files.InUse, match="taken"), files.locked(lock, "taken"):
        pass
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert second.stdout.readline() == "has it\n"
    second.communicate()
    with files.locked(lock, "taken"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(files.FileError, match="cannot be written"):
        with files.locked(tmp_path / "file" / "lock", ""):
            pass


def test_a_full_disk_does_not_keep_the_lab_from_starting(tmp_path, monkeypatch):
    """Its signatures lie in a data base, which has errors of its own."""
    import sqlite3

    from nbformat.sign import NotebookNotary

    lecture(tmp_path)

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(NotebookNotary, "sign", full)
    lab.trust(tmp_path)


@pytest.mark.parametrize("entry", ["3", "null", '"x"', '{"given": 3}', '{"given": null}'])
def test_a_damaged_list_of_copies_is_made_again(tmp_path, entry):
    path = lecture(tmp_path)
    list(copies.refresh(tmp_path))
    before = path.read_bytes()
    (tmp_path / "work" / copies.MANIFEST).write_text(f'{{"{path.name}": {entry}}}')
    assert list(copies.refresh(tmp_path)) == []
    assert path.read_bytes() == before and nbformat.read(path, as_version=4)
