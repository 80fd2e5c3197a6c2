"""Whatever goes wrong in a command is a sentence and an exit code; our own faults are reported."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import aidagen
from aidagen.errors import AidagenError
from aidagen.failures import guarded

ROOT = Path(aidagen.__file__).resolve().parents[1]


def fail(error):
    def run():
        raise error

    return run


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("AIDAGEN_DEBUG", raising=False)
    return tmp_path / "cache"


MENDABLE = {
    AidagenError("There is no\n model x."): "There is no model x.",
    PermissionError(13, "Permission denied", "/weights"): "/weights: permission denied.",
    OSError(errno.ENOSPC, "No space left on device"): "no space left on device; make room",
    MemoryError(): "not enough memory",
    RuntimeError(  # as torch 2.13 says it on Linux and on Windows
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"
    ): "not enough memory",
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:116] data. DefaultCPUAllocator: not enough memory: you "
        "tried to allocate 1572864 bytes."
    ): "not enough memory",
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."): "not enough memory",
    ModuleNotFoundError("No module named 'PIL'", name="PIL"): "module PIL, which is not installed",
}


@pytest.mark.parametrize(("error", "told"), MENDABLE.items(), ids=lambda x: type(x).__name__)
def test_what_a_user_can_mend_is_a_sentence(cache, capsys, error, told):
    assert guarded(fail(error), "program") == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("program: ") and told in err
    assert err.endswith(".\n") and err.count("\n") == 1
    assert not cache.exists()


def test_torch_says_so_when_memory_is_short(cache, capsys):
    """The text that is looked for is torch's own."""
    assert guarded(lambda: torch.empty(2**55)) == 2
    assert "not enough memory" in capsys.readouterr().err


FAULTS = [KeyError("size"), AssertionError(), ModuleNotFoundError("x", name="aidagen.nothing"),
          RecursionError("maximum recursion depth exceeded"), ValueError("a\nb " * 999),
          type("Odd", (Exception,), {"__str__": lambda self: 1 / 0})()]  # fmt: skip


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_a_fault_of_the_program_is_reported(cache, capsys, monkeypatch, error):
    monkeypatch.setattr(sys, "argv", [str(ROOT / "aidagen"), "animate", "a photo.png", "b.mp4"])
    assert guarded(fail(error)) == 70
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and len(err) < 400 + len(str(cache))
    assert type(error).__name__ in err and "Traceback" not in err
    (report,) = (cache / "reports").iterdir()
    assert str(report) in err
    text = report.read_text()
    assert f"aidagen {aidagen.__version__}" in text and f"torch {torch.__version__}" in text
    assert "command: aidagen animate 'a photo.png' b.mp4" in text
    assert "Traceback (most recent call last)" in text and "in fail" in text.replace("run", "fail")


def test_a_report_holds_no_secret(cache, monkeypatch):
    monkeypatch.setattr("os.path.expanduser", lambda path: path.replace("~", "/people/marie"))
    monkeypatch.setenv("SOME_TOKEN", "hunter2")
    address = "https://marie:hunter2@host/a.mp4?key=hunter2&x=1"
    monkeypatch.setattr(sys, "argv", ["aidagen", "animate", "/people/marie/face.png", address])
    assert guarded(fail(KeyError(f"/people/marie/{address}"))) == 70
    (report,) = (cache / "reports").iterdir()
    text = report.read_text()
    assert "hunter2" not in text and "marie" not in text and "animate ~/face.png" in text


def test_the_traceback_is_shown_where_it_is_asked_for(cache, capsys, monkeypatch):
    for value, shown in (("1", True), ("0", False)):
        monkeypatch.setenv("AIDAGEN_DEBUG", value)
        for error, code in ((AidagenError("No."), 2), (KeyError("x"), 70)):
            assert guarded(fail(error)) == code
            err = capsys.readouterr().err
            assert ("Traceback" in err) is shown and err.splitlines()[-1].startswith("aidagen: ")


def test_a_report_finds_a_place(tmp_path, capsys, monkeypatch):
    """The cache, else a temporary folder, else the terminal."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert guarded(fail(KeyError("x"))) == 70
    err = capsys.readouterr().err
    (report,) = tmp_path.glob("aidagen-*/*.txt")
    assert str(report) in err and "KeyError" in report.read_text()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    assert guarded(fail(KeyError("x"))) == 70
    err = capsys.readouterr().err
    assert "Traceback" in err and err.splitlines()[-1].endswith("which is reported above.")


def test_the_end_of_a_command(cache, capsys):
    assert guarded(lambda: None) == 0 and guarded(lambda: 3) == 3
    assert guarded(fail(KeyboardInterrupt()), stopped=lambda: "Stopped; nothing is lost.") == 130
    assert capsys.readouterr().err == "aidagen: Stopped; nothing is lost.\n"
    with pytest.raises(SystemExit, match="143"):
        guarded(fail(SystemExit(143)))


def run(script, **options):
    script = f"import sys; from aidagen.failures import guarded\n{script}"
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": ROOT} | options
    return subprocess.run([sys.executable, "-c", script], **given)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no disk that is always full")
def test_an_output_that_cannot_be_written():
    with open("/dev/full", "wb") as full:
        done = run("sys.exit(guarded(lambda: print('x')))", stdout=full)
    assert done.returncode == 2
    assert done.stderr == b"aidagen: no space left on device; make room on that disk.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_a_reader_that_leaves_before_the_last_line():
    """Little output waits in a buffer until the end."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as closed:
        done = run("sys.exit(guarded(lambda: print('x')))", stdout=closed)
    assert (done.returncode, done.stderr) == (141, b"")


def test_names_that_the_terminal_cannot_show():
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = run("sys.exit(guarded(lambda: print('caf\\xe9.mp4')))", env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.split() == [rb"caf\xe9.mp4"]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_streams_that_are_closed(stream):
    """As under pythonw, or after `>&-`."""
    script = f"sys.{stream} = None; sys.exit(guarded(lambda: print('x')))"
    assert run(script).returncode == 0
    script = f"sys.{stream} = None; sys.exit(guarded(lambda: int('x')))"
    done = run(script)
    assert done.returncode == 70 and done.stdout == b""


def test_each_command_has_this_last_resort():
    commands = 0
    for path in [*ROOT.glob("data_scripts/*.py"), *(ROOT / "aidagen").rglob("*.py")]:
        found = re.search(r'^if __name__ == "__main__":\n((?: .*\n|\n)+)', path.read_text(), re.M)
        if found and path.name != "installation.py":  # which needs the standard library alone
            commands += 1
            assert "guarded(main" in found[1] or "aidagen.cli" in found[1], path
    assert commands > 10
