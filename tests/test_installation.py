"""The set-up: what it decides, what it repairs, what it says. Nothing is downloaded here."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from aidagen import installation

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def clone(tmp_path):
    """A folder, with a space in its name, that holds what the set-up reads."""
    root = tmp_path / "fresh clone"
    (root / "aidagen").mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, root / name)
    return root


def half_venv(root):
    venv = root / ".venv"
    made = subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)])
    assert made.returncode == 0
    return venv


def test_key_follows_metadata_pins_and_place(clone, tmp_path):
    key = installation.metadata_key(str(clone))
    assert key == installation.metadata_key(str(clone))
    text = (clone / "pyproject.toml").read_text()
    (clone / "pyproject.toml").write_text(text + "\n[tool.other]\nx = 1\n")
    assert installation.metadata_key(str(clone)) == key, "a linter's settings install nothing"
    (clone / "pyproject.toml").write_text(text.replace('"scipy>=', '"scipy>=0.'))
    assert installation.metadata_key(str(clone)) != key
    (clone / "pyproject.toml").write_text(text)
    with (clone / "constraints.txt").open("a") as file:
        file.write("other==1.0\n")
    assert installation.metadata_key(str(clone)) != key
    moved = tmp_path / "moved"
    shutil.copytree(clone, moved)
    assert installation.metadata_key(str(moved)) != installation.metadata_key(str(clone))


def test_a_stamped_environment_is_left_alone(clone, monkeypatch, capsys):
    venv = half_venv(clone)
    key = installation.metadata_key(str(clone))
    installation.write_stamp(str(venv), {"key": key, "extras": ["lab", "test"]})
    monkeypatch.setattr(installation, "pip_install", lambda *a: pytest.fail("pip was called"))
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: pytest.fail("network"))
    installation.install(str(clone), ["lab"])
    assert "up to date" in capsys.readouterr().out


def test_more_extras_keep_the_old_ones(clone, monkeypatch):
    venv = half_venv(clone)
    key = installation.metadata_key(str(clone))
    installation.write_stamp(str(venv), {"key": key, "extras": ["lab"]})
    asked = []
    monkeypatch.setattr(installation, "make_environment", lambda venv: "kept")
    monkeypatch.setattr(installation, "install_torch", lambda *a: "there")
    monkeypatch.setattr(installation, "pip_install", lambda root, venv, *a: asked.append(a))
    monkeypatch.setattr(installation, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0, ""))
    installation.install(str(clone), ["test"])
    assert asked == [("-e", ".[lab,test]")]
    assert json.loads((venv / installation.STAMP).read_text())["extras"] == ["lab", "test"]


def test_a_failure_leaves_no_stamp(clone, monkeypatch):
    venv = half_venv(clone)
    installation.write_stamp(str(venv), {"key": "another", "extras": ["lab"]})
    monkeypatch.setattr(installation, "make_environment", lambda venv: "kept")

    def fail(*arguments):
        raise installation.InstallationError("no network")

    monkeypatch.setattr(installation, "install_torch", fail)
    with pytest.raises(installation.InstallationError):
        installation.install(str(clone), ["lab"])
    assert installation.read_stamp(str(venv)) == {}


def test_a_half_made_environment_is_made_again(clone):
    venv = half_venv(clone)  # as left by an interruption: no pip in it
    assert installation.make_environment(str(venv)) == "made again"
    assert installation.make_environment(str(venv)) == "kept"


def add_package(venv, name, record, files=()):
    """A package as pip leaves it: its files and its record; None for one without a record."""
    site = next((venv / "lib").glob("python*")) / "site-packages"
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Name: {name}\n")
    for file in files:
        (site / file).write_text("")
    if record is not None:
        (folder / "RECORD").write_text(record)
    return site


def test_broken_packages_are_dropped(clone):
    venv = half_venv(clone)
    end = "{0}.py,,\n{0}-1.0.dist-info/INSTALLER,,\n../../../bin/{0},,\n{0}.pyc,,\n"
    add_package(venv, "whole", end.format("whole"), ["whole.py"])
    add_package(venv, "gutted", end.format("gutted"))
    add_package(venv, "half", "half.py,,\n", ["half.py"])
    site = add_package(venv, "bare", None)
    (site / "~orch").mkdir()
    assert installation.drop_broken(str(venv)) == ["bare", "gutted", "half"]
    assert sorted(p.name for p in site.iterdir() if "-1.0" in p.name) == ["whole-1.0.dist-info"]
    assert not (site / "~orch").exists()
    assert installation.is_sound(str(venv))


def test_a_stamp_does_not_vouch_for_a_broken_package(clone, monkeypatch, capsys):
    """`make venv` mends what `make lab` complains of, where it used to say "up to date"."""
    venv = half_venv(clone)
    record = "torch.py,,\ntorch-1.0.dist-info/INSTALLER,,\n"
    site = add_package(venv, "torch", record, ["torch.py"])
    key = installation.metadata_key(str(clone))
    installation.write_stamp(str(venv), {"key": key, "extras": ["lab"]})
    installation.install(str(clone), ["lab"])
    assert "up to date" in capsys.readouterr().out
    (site / "torch.py").unlink()
    monkeypatch.setattr(installation, "make_environment", lambda venv: "kept")

    def fail(*arguments):
        raise installation.InstallationError("no network")

    monkeypatch.setattr(installation, "install_torch", fail)
    with pytest.raises(installation.InstallationError):
        installation.install(str(clone), ["lab"])
    assert "not complete, installed again: torch" in capsys.readouterr().out


def test_packages_outside_the_environment_are_left_alone(clone):
    """Without pyvenv.cfg the environment's Python is the system's, and so are its packages."""
    venv = half_venv(clone)
    (venv / "pyvenv.cfg").unlink()
    assert installation.packages_folder(str(venv)) is None
    assert installation.drop_broken(str(venv)) == []
    assert not installation.is_sound(str(venv))
    assert installation.make_environment(str(venv)) == "made again"
    assert installation.is_sound(str(venv))


def test_an_old_python_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(installation, "OLDEST", (3, 99))
    with pytest.raises(installation.InstallationError, match=r"needs Python 3\.99 or newer"):
        installation.suitable_python()


def test_a_newer_python_beside_an_old_one_is_found(monkeypatch, tmp_path):
    newer = tmp_path / "python3.11"
    newer.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    newer.chmod(0o755)
    broken = tmp_path / "python3.12"  # on the PATH, but it does not start
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(installation.sys, "version_info", (3, 9, 1))
    assert installation.suitable_python() == str(newer)


@pytest.mark.parametrize(("extras", "needed"), [(["lab"], r"2\.5"), (["lab", "test"], r"4\.5")])
def test_a_full_disk_is_told_before_anything_is_written(extras, needed, monkeypatch, clone):
    usage = shutil.disk_usage(clone)._replace(free=10**9)
    monkeypatch.setattr(installation.shutil, "disk_usage", lambda root: usage)
    monkeypatch.setattr(installation, "has_nvidia_gpu", lambda: False)
    with pytest.raises(installation.InstallationError, match=rf"{needed} GB .* 1\.0 GB are free"):
        installation.install(str(clone), extras)
    assert not (clone / ".venv").exists()


def test_no_network_is_one_sentence(clone):
    """The whole script against an index that nobody serves."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused at once
        index = f"http://127.0.0.1:{taken.getsockname()[1]}/simple"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
        quick = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index, "PIP_RETRIES": "1"}
        done = subprocess.run(
            [sys.executable, "-I", str(ROOT / "aidagen" / "installation.py"), "--root", str(clone)],
            env={**kept, **quick},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("aidagen: The package index cannot be reached")
    assert done.stderr.count("\n") == 1


def test_the_cpu_index_is_asked_only_where_it_helps(monkeypatch, clone):
    asked = []
    monkeypatch.setattr(installation, "run", lambda *a, **k: subprocess.CompletedProcess(a, 1, ""))
    monkeypatch.setattr(installation, "pip_install", lambda root, venv, *a: asked.append(a))
    monkeypatch.setattr(installation.platform, "system", lambda: "Linux")
    monkeypatch.setattr(installation, "answers", lambda url: True)
    note = installation.install_torch(str(clone), ".venv", gpu=False)
    assert installation.CPU_INDEX in asked[-1]
    assert "PyTorch's own index" in note
    monkeypatch.setattr(installation, "answers", lambda url: False)
    installation.install_torch(str(clone), ".venv", gpu=False)
    assert asked[-1] == (installation.torch_pin(str(clone)),)
    installation.install_torch(str(clone), ".venv", gpu=True)
    assert asked[-1] == (installation.torch_pin(str(clone)),)


def test_an_unreachable_host_is_given_up_quickly(monkeypatch):
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert not installation.answers(f"https://127.0.0.1:{port}/whl", seconds=1)
        taken.listen()
        assert installation.answers(f"https://127.0.0.1:{port}/whl", seconds=1)
