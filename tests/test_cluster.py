"""Several nodes: the script for SLURM, run here by torchrun on two nodes that are this machine."""

import json
import os
import re
import runpy
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toys
from safetensors.torch import load_file

from aidagen import cli, cluster, partners, recipes, runs
from aidagen.errors import AidagenError

TESTS = Path(__file__).parent
SCRIPT = Path(cluster.__file__).parent / "slurm_train.sh"
NAME, STEPS = "toy-gan", 8

# the part of srun that matters: the same command on each node, and the worst of their exit codes
SRUN = """#!/bin/sh
while [ "${1#--}" != "$1" ]; do shift; done
"$@" & first=$!
"$@" & second=$!
status=0
wait $first || status=$?
wait $second || status=$?
exit $status
"""
# Python runs it before anything else: the toys are found, each step is written down
TRAINED = """
import os, sys
if "RANK" in os.environ:
    sys.path.insert(0, os.environ["TESTS"])
    import toys; toys.join()
    import torch; torch.set_num_threads(1)
    from aidagen import runs, training
    runs.ROW_EVERY, runs.SAVE_EVERY = 1, 0.0
    backward = training.Training._backward

    def hindered(self, phase, *rest):
        if self.done == 5 and os.environ["RANK"] == os.environ.get("KILLED"):
            os.kill(os.getpid(), 9)
        return backward(self, phase, *rest)

    training.Training._backward = hindered
"""


@pytest.fixture
def joined(tmp_path, monkeypatch):
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "home"))
    toys.join(monkeypatch)
    return tmp_path


def free_port():
    """One that the script can choose: 15000 and the last four digits of the job's number."""
    for port in range(15000, 25000):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


def submitted(folder, *options, **environment):
    """What sbatch would run on the first of two nodes with a process each."""
    faked = folder / "slurm"
    faked.mkdir(exist_ok=True)
    for name, text in {"srun": SRUN, "scontrol": "#!/bin/sh\necho 127.0.0.1\n"}.items():
        (faked / name).write_text(text)
        (faked / name).chmod(0o755)
    (faked / "sitecustomize.py").write_text(TRAINED)
    return subprocess.run(
        ["bash", SCRIPT, *options], capture_output=True, text=True, timeout=300,
        env={
            **os.environ, "PATH": f"{faked}:{os.environ['PATH']}", "TESTS": str(TESTS),
            "PYTHONPATH": f"{faked}:{TESTS.parent}", "PYTHON": sys.executable,
            "SLURM_SUBMIT_DIR": str(folder), "SLURM_JOB_NUM_NODES": "2", "PROCESSES": "1",
            "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_ID": str(free_port() - 15000),
            **environment,
        },
    )  # fmt: skip


def test_the_scripts_are_written_in_their_shells():
    assert subprocess.run(["bash", "-n", SCRIPT]).returncode == 0
    assert subprocess.run(["sh", "-n", SCRIPT.with_name("run.sh")]).returncode == 0
    for script in SCRIPT.parent.glob("*.sh"):
        assert script.stat().st_mode & 0o111, f"{script.name} cannot be executed"
        assert b"\r" not in script.read_bytes()


def test_the_slurm_script_says_what_it_wants(tmp_path):
    done = subprocess.run(["bash", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 2 and "name a recipe" in done.stderr
    environment = {key: value for key, value in os.environ.items() if "SLURM" not in key}
    done = subprocess.run(
        ["bash", SCRIPT, NAME], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.returncode and "submit this script with sbatch" in done.stderr


def test_two_nodes_give_the_curve_of_one_process_though_one_was_killed(joined, monkeypatch):
    """kill -9 of the second node's process in step 5, then the same command again: within 3 % of
    one process with both shares of each batch (`test_runs` says why not to the last bit)."""
    run = joined / "runs" / NAME
    killed = submitted(joined, NAME, "--steps", str(STEPS), KILLED="1")
    assert killed.returncode, killed.stderr
    assert f"aidagen: {partners.ENDED}" in killed.stderr
    assert torch.load(run / "checkpoint.pt", weights_only=True)["step"] == 5
    resumed = submitted(joined, NAME, "--steps", str(STEPS))
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert resumed.stdout.count("going on from step 5\n") == 1

    monkeypatch.setattr(runs, "ROW_EVERY", 1)
    recipe = replace(recipes.find(NAME), shares=2, steps=STEPS)
    one = runs.run(NAME, recipe=recipe, out=joined / "one")
    rows, expected = (list(runs.history(folder / "history.json")) for folder in (run, one.parent))
    assert len(rows) == len(expected) == STEPS
    for row, true in zip(rows, expected, strict=True):
        assert {**row, "seconds": 0} == pytest.approx({**true, "seconds": 0}, rel=0.03, abs=5e-3)
    for key, value in load_file(run / f"{NAME}.safetensors").items():
        assert torch.allclose(value.float(), load_file(one)[key].float(), atol=2e-2), key
    card = json.loads((run / f"{NAME}.json").read_text())
    assert card["command"] == f"aidagen train {NAME} --steps {STEPS} --devices 1 --num-nodes 2"
    assert card["machine"].endswith("2 processes")


def test_the_page_on_scale_says_what_is_counted(monkeypatch):
    """Its operations of the small recipes, which the script counts again."""
    monkeypatch.syspath_prepend(TESTS.parent / "data_scripts")
    page = (TESTS.parent / "course" / "scale.md").read_text()
    cost = runpy.run_path(str(TESTS.parent / "data_scripts" / "training_cost.py"))
    for name in ("fomm-faces-64", "fomm-faces-128"):
        said = float(re.search(rf"one pair of `{name}` in training \| ([\d.]+) \|", page)[1])
        recipe = recipes.find(name)
        objective = recipe.system.objective(recipe.config, recipe.weights)
        forward, back = cost["pair"](objective, recipe.config.size)
        assert forward + back == pytest.approx(said, rel=0.01)
        # the losses' network: gradients of one of its two pictures, and none of its weights
        seen, seen_back = cost["looking"](objective, recipe.config.size)
        assert seen_back == pytest.approx(0.5 * seen)


# --- what starts the processes


@pytest.fixture
def torchrun(monkeypatch):
    """Four processes on each of two nodes."""
    started = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
    for name, value in started.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("given", [(None, None), (4, None), (None, 2), (4, 2)])
def test_torchrun_decides_on_processes(torchrun, given):
    assert partners.layout(*given) == (4, 2)


@pytest.mark.parametrize("given, words", [
    ((8, None), r"--devices is 8, but torchrun has started 4 processes on each of 2 nodes; leave "
                r"--devices out"),
    ((4, 3), r"--num-nodes is 3, but torchrun has started 4 processes on each of 2 nodes"),
])  # fmt: skip
def test_other_processes_than_torchruns_are_refused(torchrun, given, words):
    with pytest.raises(AidagenError, match=words):
        partners.layout(*given)


def test_without_torchrun_one_node_is_what_is_asked_for(monkeypatch, capsys):
    for name in ("TORCHELASTIC_RUN_ID", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    assert partners.layout(None, None) == (1, 1) and partners.layout(2, 1) == (2, 1)
    assert cli.main(["train", "joints-robot", "--num-nodes", "2"]) == 2
    assert "--num-nodes 2 needs somebody who starts a process on each" in capsys.readouterr().err
    monkeypatch.setenv("NODE_RANK", "1")
    assert partners.layout(4, 2) == (4, 2)
