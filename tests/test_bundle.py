"""`aidagen bundle`: all that a node without network needs, or one sentence on what is missing."""

import contextlib
import json
import os
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace

import pytest
from faults import Disk, leftovers

from aidagen import cli, datasets, files, recipes, runs, sources
from aidagen.cluster import bundle
from aidagen.datasets.batches import Pairs
from aidagen.errors import AidagenError

LARGEST = 60e6  # bytes
NOWHERE = "http://127.0.0.1:9"  # refuses every connection


def python_of_a_node(folder):
    """A Python that knows the installed packages, but neither the repository nor any other path."""
    file = folder / "python"
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    file.chmod(0o755)
    return file


def on_a_node(folder, unpacked, *options):
    """Run a bundle where nothing but the packages and the bundle is seen."""
    home = folder / "node-home"
    home.mkdir(exist_ok=True)
    environment = {
        "PATH": os.defpath, "HOME": str(home), "TMPDIR": str(home), "PYTHON": "../python",
        "PYTHONPATH": os.pathsep.join(site.getsitepackages()), "PYTHONDONTWRITEBYTECODE": "1",
        **{name: NOWHERE for name in ("http_proxy", "https_proxy", "all_proxy")},
        "PIP_INDEX_URL": NOWHERE, "NPM_CONFIG_REGISTRY": NOWHERE,
    }  # fmt: skip
    python_of_a_node(folder)
    command = [str(unpacked / "run.sh"), *options]
    return subprocess.run(command, cwd=unpacked, env=environment, capture_output=True, text=True,
                          timeout=300)  # fmt: skip


def test_a_bundle_trains_where_there_is_nothing_else(tmp_path, capsys):
    """Weights to begin with, a pack and a network; in an archive, unpacked somewhere else."""
    archive = tmp_path / "node.tar.gz"
    assert cli.main(["bundle", "fomm-bodies-64", str(archive)]) == 0
    told = capsys.readouterr().out
    assert all(part in told for part in ("code", "data bodies", "weights", "networks", " MB; its"))
    assert archive.stat().st_size < LARGEST and not leftovers(tmp_path)
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "elsewhere", filter="data")
    node = tmp_path / "elsewhere" / "node"
    assert {path.name for path in node.iterdir()} == {
        "README.txt", "code", "home", "requirements.txt", "run.sh", "slurm_train.sh"
    }  # fmt: skip

    done = on_a_node(node.parent, node, "--profile", "smoke")
    assert done.returncode == 0, done.stderr[-2000:]
    run = node / "runs" / "fomm-bodies-64-smoke"
    (row,) = runs.history(run / "history.json")
    assert row["step"] == 3 and row["perceptual"] > 0
    card = json.loads((run / "fomm-bodies-64.json").read_text())
    assert card["before"]["name"] == "fomm-bodies-64-framing-1"
    assert card["data"]["bodies"]["hash"] == datasets.load("bodies").hash
    assert not list((node.parent / "node-home").rglob("*aidagen*"))

    # each part is needed, for nothing is fetched and no other copy of the package is found
    (network,) = (node / "home" / "members").rglob("*.pth")
    network.unlink()
    failed = on_a_node(node.parent, node, "--profile", "smoke", "--fresh")
    assert failed.returncode == 2 and "aidagen: Could not download fdet" in failed.stderr
    shutil.rmtree(node / "code")
    assert "No module named aidagen" in on_a_node(node.parent, node).stderr


def test_an_archive_of_either_kind_and_a_folder_hold_the_same(tmp_path):
    entries = bundle.collect(["joints-robot", "playable-robot-64"])
    assert set(bundle.sizes(entries)) == {"code", "data robot", "texts"}
    bundle.write(entries, tmp_path / "folder")
    bundle.write(entries, tmp_path / "node.zip")
    bundle.write(entries, tmp_path / "node.tgz")
    with zipfile.ZipFile(tmp_path / "node.zip") as packed:
        packed.extractall(tmp_path / "zip")
        assert packed.getinfo("node/run.sh").external_attr >> 16 == 0o755
    with tarfile.open(tmp_path / "node.tgz") as packed:
        packed.extractall(tmp_path / "tar", filter="data")
    held = {
        kind: {path.relative_to(root).as_posix(): path.read_bytes()
               for path in root.rglob("*") if path.is_file()}
        for kind, root in [("folder", tmp_path / "folder"), ("zip", tmp_path / "zip" / "node"),
                           ("tar", tmp_path / "tar" / "node")]
    }  # fmt: skip
    assert held["folder"] == held["zip"] == held["tar"] and set(held["zip"]) == set(entries)
    assert all(path.stat().st_mode & 0o100 for path in (tmp_path / "folder").glob("*.sh"))
    script = held["folder"]["run.sh"].decode()
    assert 'train joints-robot "$@"\ntrain playable-robot-64 "$@"\n' in script
    assert subprocess.run(["sh", "-n", tmp_path / "folder" / "run.sh"]).returncode == 0
    pins = held["folder"]["requirements.txt"].decode().splitlines()
    assert any(pin.startswith("torch==") and "+" not in pin for pin in pins)
    assert not any(pin.startswith("jupyterlab") for pin in pins)


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    entries = {"a/b.txt": bundle.Entry("texts", b"x"), "run.sh": bundle.Entry("texts", b"y")}
    with monkeypatch.context() as patch:
        Disk(patch, "full disk while writing", "run.sh")
        with pytest.raises(files.FileError, match=r"out cannot be written \(no space left"):
            bundle.write(entries, tmp_path / "out")
    assert not list(tmp_path.iterdir())
    bundle.write(entries, tmp_path / "out")
    with pytest.raises(files.FileError, match=r"something at .*out already"):
        bundle.write(entries, tmp_path / "out")
    with pytest.raises(AidagenError, match="has no name"):
        bundle.write(entries, tmp_path / ".zip")


# --- what is missing is said --------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine that has never fetched or made anything, and must not now."""
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sources, "_fetched", lambda *_: pytest.fail("something is fetched"))
    return tmp_path


@pytest.mark.parametrize("name, missing", [
    ("fomm-cartoons-64", "cartoons-64-v1"),  # cut from what is fetched
    ("playable-tennis-64", "tennis-64-v1"),  # emulated
    ("fomm-bodies-128-9066x32", "bodies-128-v"),  # rendered
    ("fomm-faces-128", "-128-v1"),  # two of them
])  # fmt: skip
def test_missing_data_are_one_sentence(bare, capsys, name, missing):
    assert cli.main(["bundle", name, str(bare / "node.zip")]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"aidagen: The data of {name} are not all on this machine (There is no")
    assert missing in said and f"`aidagen train {name} --profile smoke` makes them" in said
    assert not list(bare.rglob("*.mp4")) and not (bare / "node.zip").exists()


def test_out_is_not_forgotten(bare, capsys):
    assert cli.main(["bundle", "joints-robot", "joints-bodies"]) == 2
    assert "The last name is OUT; say where to write" in capsys.readouterr().err


def test_a_missing_network_is_one_sentence(bare, capsys):
    assert cli.main(["bundle", "fomm-robot-64", str(bare / "node.zip")]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "A network of the losses of fomm-robot-64 is missing: mobilenet-v2 (percep" in said
    assert "`aidagen train fomm-robot-64 --profile smoke` fetches it" in said


def test_missing_weights_are_one_sentence_unless_the_bundle_trains_them(bare):
    begun = replace(recipes.find("smile-64-sequence"), weights=None)
    mending = r"train smile-64-landmarks --install`, or name smile-64-landmarks before"
    with pytest.raises(AidagenError, match=mending):
        bundle._weights("smile-64-sequence", begun, earlier=[])
    assert bundle._weights("smile-64-sequence", begun, earlier=["smile-64-landmarks"]) == {}
    chosen = {name: recipes.find(name) for name in ("smile-64-landmarks", "smile-64-sequence")}
    script = bundle._texts(chosen)["run.sh"].content.decode()
    assert 'train smile-64-landmarks --install "$@"\ntrain smile-64-sequence "$@"\n' in script


def test_weights_that_the_data_are_made_with_come_along(bare):
    entries = bundle.collect(["monkeynet-prediction-bodies"])
    weights = {place for place, entry in entries.items() if entry.part == "weights"}
    assert weights == {f"code/aidagen/weights/monkeynet-bodies-64.{end}"
                       for end in ("safetensors", "json")}  # fmt: skip


def test_a_damaged_set_and_one_that_lies_elsewhere_are_named(bare, monkeypatch):
    root = bare / "elsewhere"
    shutil.copytree(datasets.load("robot").root, root)
    monkeypatch.setattr(Pairs, "sets", lambda self: {"robot": datasets.layout.ClipSet(root)})
    with pytest.raises(AidagenError, match=r"lies neither in the package nor in .*home"):
        bundle.collect(["fomm-robot-64"])
    monkeypatch.setenv("AIDAGEN_HOME", str(bare))  # now it lies in the cache, and lacks a clip
    next(root.glob("train/*.mp4")).unlink()
    with pytest.raises(AidagenError, match=r"elsewhere lacks \d+\.mp4; delete its folder"):
        bundle.collect(["fomm-robot-64"])


def test_to_look_for_data_changes_nothing(bare):
    with pytest.raises(datasets.NotMade), datasets.at_hand():
        datasets.load("tennis")
    assert datasets.names() and not list((bare / "home").rglob("*"))[1:]
    from aidagen.datasets import tennis

    assert tennis.make.__module__ == "aidagen.datasets.tennis"


@pytest.mark.verify
def test_every_system_fits_into_60_mb():
    """The largest recipe of each system, before anything is compressed; where its data are here."""
    largest = {}
    for name, recipe in recipes.all_recipes().items():
        names = [name]
        while (start := recipes.find(names[0]).start) and start not in bundle.zoo.names():
            names.insert(0, start)  # a run of the same bundle makes the weights
        with contextlib.suppress(datasets.NotMade):
            with datasets.at_hand():
                recipe.data.sets()
            system, parts = recipe.system.model.__name__, bundle.sizes(bundle.collect(names))
            largest[system] = max(largest.get(system, 0), sum(parts.values()))
    assert {"FOMM", "MonkeyNet", "X2Face", "DeformableGAN", "PG2", "SmileNet"} <= set(largest)
    assert max(largest.values()) < LARGEST, largest
