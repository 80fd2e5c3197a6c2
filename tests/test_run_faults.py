"""Training runs under faults: full and read-only disks, odd checkpoints, killed and second ones."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toys
from faults import FAULTS, Disk, leftovers
from lightning_fabric import Fabric
from safetensors.torch import load_file

from aidagen import cli, files, partners, recipes, records, runs, training, zoo
from aidagen.errors import AidagenError

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def joined(tmp_path, monkeypatch):
    """The toys are files of the house; everything that is written lies below the test's folder."""
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "home"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    toys.join(monkeypatch)
    return tmp_path


def step_of(checkpoint):
    return torch.load(checkpoint, weights_only=True)["step"]


def told(capsys):
    """What the command line said on stderr: one line."""
    said = capsys.readouterr().err.strip().splitlines()
    said = [line for line in said if line.startswith("aidagen: ") or "Error" in line]
    assert len(said) == 1, said
    return said[0]


def train(out, *more):
    return cli.main(["train", "toy-diffusion", "--out", str(out), "--steps", "6", *more])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_checkpoint_that_cannot_be_written_ends_the_run(joined, monkeypatch, capsys, fault):
    """The disk takes the checkpoints of steps 0 to 2, and no more."""
    monkeypatch.setattr(runs, "SAVE_EVERY", 0.0)
    out, checkpoint = joined / "run", joined / "run" / "checkpoint.pt"
    # the first write is that before the first step, the second that at the loop's begin
    disk = Disk(monkeypatch, fault, "checkpoint.pt", limit=out, after=4)
    assert train(out) == 2
    sentence = told(capsys)
    assert "checkpoint.pt cannot be written" in sentence and disk.refused == 1
    assert "The checkpoint of step 2 is as it was; that of step 3 lies in" in sentence
    assert step_of(checkpoint) == 2 and not leftovers(out)
    (rescued,) = (joined / "tmp").rglob("checkpoint.pt")
    assert step_of(rescued) == 3 and str(rescued) in sentence
    disk.broken = False
    rescued.replace(checkpoint)
    assert train(out) == 0
    assert "going on from step 3" in capsys.readouterr().out
    whole = runs.run("toy-diffusion", out=joined / "whole", steps=6)
    for key, value in load_file(whole).items():
        assert torch.equal(load_file(out / "toy-diffusion.safetensors")[key], value), key


def test_where_no_disk_takes_a_checkpoint_the_lost_steps_are_counted(joined, monkeypatch, capsys):
    monkeypatch.setattr(runs, "SAVE_EVERY", 0.0)
    disk = Disk(monkeypatch, "full disk while writing", "checkpoint.pt", after=4)
    assert train(joined / "run") == 2
    assert "the 1 steps since then are lost" in told(capsys)
    assert not list((joined / "tmp").iterdir())
    disk.broken = False
    assert train(joined / "run") == 0
    assert "going on from step 2" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["history.json", "toy-diffusion.safetensors", "toy-diffusion.json",
                                  "toy-diffusion.snapshots", "4.safetensors", "home"])  # fmt: skip
@pytest.mark.parametrize("fault", ["full disk while writing", "read-only file system"])
def test_what_a_finished_run_leaves_is_written_by_the_same_command(
    joined, monkeypatch, capsys, name, fault
):
    recipe = replace(recipes.find("toy-diffusion"), snapshots=(1, 4))
    monkeypatch.setattr(recipes, "find", lambda name: recipe)
    out = joined / "run"
    limit = joined / "home" if name == "home" else out
    disk = Disk(monkeypatch, fault, "" if name == "home" else name, limit=limit)
    assert train(out, "--install") == 2
    sentence = told(capsys)
    done = 4 if name == "4.safetensors" else 6
    assert "Nothing that was learnt is lost" in sentence and f"of step {done}." in sentence
    assert not leftovers(joined) and not list((joined / "home").rglob("*.safetensors"))
    disk.broken = False
    assert train(out, "--install") == 0
    assert f"going on from step {done}" in capsys.readouterr().out
    assert set(zoo.snapshots("toy-diffusion", "cpu")) == {1, 4}
    assert zoo.card("toy-diffusion")["steps"] == 6


def test_an_installation_on_a_full_disk_leaves_the_one_before(joined, monkeypatch):
    runs.run("toy-gan", out=joined / "a", steps=2, install=True)
    before = {p: p.read_bytes() for p in (joined / "home" / "weights").iterdir()}
    path = runs.run("toy-gan", out=joined / "b", steps=3)
    for name in ("safetensors", "json"):
        with monkeypatch.context() as patch:
            Disk(patch, "full disk while writing", f"toy-gan.{name}", limit=joined / "home")
            with pytest.raises(files.FileError, match=r"no space left on device.*make room"):
                zoo.install(path)
        assert {p: p.read_bytes() for p in (joined / "home" / "weights").iterdir()} == before


def test_a_folder_that_is_read_only_is_met_before_the_first_step(joined, monkeypatch, capsys):
    assert train(joined / "run", "--fresh") == 0
    capsys.readouterr()
    monkeypatch.setattr(training.Training, "step", lambda self: pytest.fail("a step was taken"))
    Disk(monkeypatch, "read-only file system", limit=joined / "run")
    assert train(joined / "run", "--fresh") == 2
    assert "read-only file system); choose a folder that you may write to." in told(capsys)


def test_what_killed_processes_left_is_removed(joined):
    runs.run("toy-gan", out=joined / "run", steps=1)
    left = joined / "run" / ".checkpoint.pt-abcd1234.part"
    mine = joined / "run" / ".checkpoint.pt-a note of mine.part"
    left.write_bytes(b"half"), mine.write_bytes(b"note")
    runs.run("toy-gan", out=joined / "run", steps=2)
    assert not left.exists() and mine.exists()


# --- odd checkpoints


def without(key):
    return lambda stored: {k: v for k, v in stored.items() if k != key}


def changed(*path, to):
    def change(stored):
        inner = stored
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = to
        return stored

    return change


BRIGHTNESS = "model.brightness"
ODD = {
    "a list": (lambda stored: [1, 2], "is no checkpoint of a training run"),
    "a tensor": (lambda stored: torch.zeros(3), "is no checkpoint of a training run"),
    "weights alone": (lambda stored: stored["objective"], "is no checkpoint of a training run"),
    "newer": (changed("format", to=99), r"by a newer version of this project \(format 99, 2 is"),
    "older": (changed("format", to=1), "by an older version of this project"),
    **{
        f"no {key}": (without(key), rf"is not whole \({key} is missing\)")
        for key in records.ENTRIES
    },
    "history of another kind": (changed("history", to="x"), "history is str"),
    "another seed": (changed("recipe", "seed", to=4), r"with other settings \(seed\)"),
    "weights lack": (changed("objective", to={}), "losses does not fit.*missing model"),
    "weights of other sizes": (
        changed("objective", BRIGHTNESS, to=torch.zeros(3)), r"brightness \(3,\) instead of"
    ),
    "weights that are none": (changed("objective", BRIGHTNESS, to="x"), "brightness str instead"),
    "one weight too many": (changed("objective", "more", to=torch.zeros(3)), "not expected more"),
    "average of other sizes": (
        changed("average", "module.brightness", to=torch.zeros(3)), "averaged weights does not fit"
    ),
    "no optimizer of a phase": (changed("optimizers", to={}), "optimizer of phase .*missing"),
    "optimizer of other sizes": (
        changed("optimizers", "generator", "state", 0, "exp_avg", to=torch.zeros(7)),
        "optimizer of phase .*another shape exp_avg",
    ),
    "optimizer of another kind": (changed("optimizers", "generator", to=[1]), "optimizer of phase"),
}  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The bytes of a checkpoint of two steps."""
    with pytest.MonkeyPatch.context() as patch:
        toys.join(patch)
        out = tmp_path_factory.mktemp("stored")
        patch.setenv("AIDAGEN_HOME", str(out / "home"))
        runs.run("toy-gan", out=out, steps=2)
        return (out / "checkpoint.pt").read_bytes()


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_checkpoint_is_a_sentence(joined, stored, capsys, kind):
    change, words = ODD[kind]
    checkpoint = joined / "run" / "checkpoint.pt"
    files.write_bytes(checkpoint, stored)
    torch.save(change(torch.load(checkpoint, weights_only=True)), checkpoint)
    before = checkpoint.read_bytes()
    with pytest.raises(training.TrainingError, match=words) as caught:
        runs.run("toy-gan", out=joined / "run", steps=2)
    assert str(caught.value).startswith(str(checkpoint)) and "\n" not in str(caught.value)
    assert "--fresh, or give another --out" in str(caught.value)
    assert checkpoint.read_bytes() == before


def test_a_history_that_cannot_be_read_is_a_sentence(tmp_path):
    for text in ("", "[1, 2]", '{"a": 1}'):
        (tmp_path / "history.json").write_text(text)
        with pytest.raises(training.TrainingError, match=r"history\.json"):
            list(runs.history(tmp_path / "history.json"))
    with pytest.raises(training.TrainingError, match="cannot be read"):
        list(runs.history(tmp_path / "none.json"))


# --- two at once

COMMAND = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import toys; toys.join()
import torch; torch.set_num_threads(1)
from aidagen import cli, training
backward = training.Training._backward

def hindered(self, *rest):
    if self.done == 3 and sys.argv[3] == os.environ.get("LOCAL_RANK"):
        os.kill(os.getpid(), signal.SIGKILL)
    return backward(self, *rest)

training.Training._backward = hindered
sys.exit(cli.main(["train", "toy-diffusion", "--out", sys.argv[2], "--steps", "6", *sys.argv[4:]]))
"""


def started(out, *how):
    """`aidagen train` in a process of its own."""
    file = out.parent / "command.py"
    file.write_text(COMMAND)
    return subprocess.Popen(
        [sys.executable, str(file), str(TESTS), str(out), *how],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
    )  # fmt: skip


HOLDER = """
import sys, time
from aidagen import files
with files.locked(sys.argv[1], "held"):
    print("has it", flush=True)
    time.sleep(600)
"""


def test_a_second_run_in_one_folder_is_refused_while_the_first_lives(joined):
    out = joined / "run"
    first = subprocess.Popen([sys.executable, "-c", HOLDER, str(out / ".lock")],
                             stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        assert first.stdout.readline() == "has it\n"
        with pytest.raises(files.FileError, match=r"Another run is going on in .*run; wait"):
            runs.run("toy-diffusion", out=out, steps=1)
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    runs.run("toy-diffusion", out=out, steps=1)  # the lock has gone with its process
    step = training.Training.step

    def beside(self):
        with pytest.raises(files.InUse):  # the run that is going on has it
            runs.run("toy-diffusion", out=out, steps=2)
        return step(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.Training, "step", beside)
        runs.run("toy-diffusion", out=out, steps=2)
    with files.locked(out / ".lock", "held"):  # and the finished run has it no more
        pass


@pytest.mark.verify
@pytest.mark.parametrize("killed", ["0", "1"])
def test_the_partner_of_a_killed_process_ends_with_a_sentence(joined, killed):
    out = joined / "run"
    run = started(out, killed, "--devices", "2")
    said = run.communicate(timeout=300)[1]
    lines = [line for line in said.splitlines() if line.startswith("aidagen: ")]
    assert lines == [f"aidagen: {partners.ENDED}"] and "Traceback" not in said, said
    assert run.returncode == (-signal.SIGKILL if killed == "0" else 2)
    assert step_of(out / "checkpoint.pt") == 0


@pytest.mark.verify
def test_of_two_processes_one_says_that_the_disk_is_full(joined):
    out = joined / "run"
    (out / "checkpoint.pt").mkdir(parents=True)  # what cannot be replaced by a file
    run = started(out, "", "--devices", "2", "--fresh")
    said = run.communicate(timeout=300)[1]
    lines = [line for line in said.splitlines() if line.startswith("aidagen: ")]
    assert len(lines) == 1 and "checkpoint.pt cannot be written" in lines[0], said
    assert "Traceback" not in said and run.returncode == 2


def partner(world_size=2):
    fabric = Fabric(accelerator="cpu", devices=1)
    fabric.__class__ = type("Two", (Fabric,), {"world_size": world_size})
    return fabric


def test_a_process_that_waits_for_ever_is_ended(monkeypatch, capsys):
    over, ended = threading.Event(), []
    monkeypatch.setattr(partners, "GRACE", 0.0)
    monkeypatch.setattr(os, "_exit", ended.append)
    observer = threading.Thread(name="child-process-observer", target=over.wait)
    observer._terminate_all = lambda: pytest.fail("Lightning would have ended it by SIGKILL")
    observer.start()
    try:
        with partners.heard(partner()):
            observer._terminate_all()
    finally:
        over.set()
    assert ended == [2] and capsys.readouterr().err == f"aidagen: {partners.ENDED}\n"


@pytest.mark.parametrize(("processes", "ended"), [(None, []), (1, []), (2, [2])])
def test_a_process_of_several_ends_with_its_command(monkeypatch, processes, ended):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: processes is not None)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: processes)
    partners.leave(2)
    assert codes == ended


def test_errors_of_the_network_are_the_partners_fault_and_others_are_not():
    two = partner()
    with pytest.raises(AidagenError, match="Another process of this run has ended"):
        with partners.heard(two):
            raise RuntimeError("[.../third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error")
    with pytest.raises(RuntimeError, match="sizes"), partners.heard(two):
        raise RuntimeError("sizes do not match")

