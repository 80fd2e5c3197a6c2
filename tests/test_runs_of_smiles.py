"""Runs of a system of many parts: kill -9 and resume, and a loss that is no number."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_smiles import WHOLE

from aidagen import runs, training, zoo
from aidagen.models import smile

KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import torch
from aidagen import runs, training
from small_smiles import WHOLE

torch.set_num_threads(1)
runs.SAVE_EVERY = 0.0
backward = training.Training._backward

def killed(self, phase, *rest):
    sums = backward(self, phase, *rest)
    if self.done == 3 and phase == "painter":
        os.kill(os.getpid(), signal.SIGKILL)
    return sums

training.Training._backward = killed
runs.run("smile-64", recipe=WHOLE, out=sys.argv[2], steps=6)
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "home"))
    torch.set_num_threads(1)


def test_a_run_killed_between_two_parts_resumes_exactly(tmp_path):
    """Weights, handicaps and all; the painter had its step, the critic that reads it had not."""
    whole = load_file(runs.run("smile-64", recipe=WHOLE, out=tmp_path / "whole", steps=6))
    code = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path / "run")]
    done = subprocess.run(code, capture_output=True, text=True, timeout=300, env={**os.environ})
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["step"] == 3
    assert not torch.equal(state["objective"]["handicap"], torch.ones(3)), "it is kept"
    resumed = load_file(runs.run("smile-64", recipe=WHOLE, out=tmp_path / "run", steps=6))
    for key, value in whole.items():
        assert torch.equal(resumed[key], value), key


def test_a_card_says_where_its_weights_began(tmp_path):
    runs.run("smile-64", recipe=WHOLE, out=tmp_path / "first", steps=1, install=True)
    after = replace(WHOLE, start="smile-64")
    runs.run("smile-64-push", recipe=after, out=tmp_path / "then", steps=2, install=True)
    card = zoo.card("smile-64-push")
    assert card["steps"] == 2 and card["before"] == zoo.card("smile-64")
    assert "before" not in card["before"]


def test_a_loss_that_is_no_number_ends_the_run_and_names_the_term(tmp_path, monkeypatch):
    pull = smile.pull
    broken = iter([False] * 4 + [True] * 9)

    def sometimes(*arguments):
        return pull(*arguments) * (torch.nan if next(broken) else 1.0)

    monkeypatch.setattr(smile, "pull", sometimes)
    monkeypatch.setattr(runs, "SAVE_EVERY", 0.0)
    with pytest.raises(training.TrainingError, match=r"not finite at step 4 \(pull nan"):
        runs.run("smile-64", recipe=WHOLE, out=tmp_path / "run", steps=9)
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["step"] == 4, "the last good state is kept"
