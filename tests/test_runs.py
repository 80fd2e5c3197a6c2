"""Runs on the disk: kill -9 and resume, two processes, what is kept when something goes wrong."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toys
from safetensors.torch import load_file

from aidagen import files, recipes, runs, training, zoo
from aidagen.models import fomm

TESTS = Path(__file__).parent
TOYS = ("toy-gan", "toy-diffusion", "toy-classifier", "toy-recurrent")


@pytest.fixture(autouse=True)
def joined(tmp_path, monkeypatch):
    """The toys are files of the house; data and installed weights lie below the test's folder."""
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "home"))
    toys.join(monkeypatch)
    return tmp_path


def script(body, *arguments, check=True):
    """Run a script in a process of its own that knows the toys."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import toys; toys.join()\n"
        "import torch; torch.set_num_threads(1)\n"
        "from dataclasses import replace\n"
        "from aidagen import recipes, runs, training\n" + body
    )
    file = Path(os.environ["AIDAGEN_HOME"]) / "script.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(code)
    command = [sys.executable, str(file), str(TESTS), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if check:
        assert done.returncode == 0, done.stderr[-2000:]
    return done


def test_a_run_ends_in_weights_with_a_card_that_the_zoo_loads(joined):
    rows = []
    path = runs.run("toy-gan", out=joined / "run", steps=6, report=rows.append, install=True)
    assert rows[-1]["step"] == 6 and set(rows[-1]) >= {"adversarial", "discriminator"}
    assert list(runs.history(joined / "run" / "history.json")) == rows
    card = zoo.card("toy-gan")
    assert card["system"] == "toy_gan" and card["steps"] == 6 and card["recipe"]["seed"] == 0
    assert card["data"]["marbles"]["hash"] and card["licence"].startswith("MIT")
    assert card["command"] == "aidagen train toy-gan --steps 6"
    model = zoo.load("toy-gan", "cpu")
    assert not model.training and type(model).__name__ == "Generator"
    # the objective's own parts, here the discriminator, are not shipped
    assert {key.split(".")[0] for key in load_file(path)} == {"net", "brightness"}


KILLED = """
import os, signal
runs.SAVE_EVERY = 0.0
backward = training.Training._backward

def killed(self, phase, *rest):
    sums = backward(self, phase, *rest)
    if self.done == 5 and phase == list(self.phases)[-1]:
        os.kill(os.getpid(), signal.SIGKILL)
    return sums

training.Training._backward = killed
for name in sys.argv[3:]:
    child = os.fork()
    if not child:
        runs.run(name, out=f"{sys.argv[2]}/{name}", steps=9)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
"""


def test_a_run_killed_at_any_moment_resumes_exactly(joined):
    """kill -9 in the middle of step 5, and what the other run writes to the last bit."""
    wholes = {name: load_file(runs.run(name, out=joined / "whole", steps=9, fresh=True))
              for name in TOYS}  # fmt: skip
    script(KILLED, joined, *TOYS)
    for name, whole in wholes.items():
        checkpoint = joined / name / "checkpoint.pt"
        assert torch.load(checkpoint, weights_only=True)["step"] == 5, name
        told = []
        resumed = load_file(runs.run(name, out=joined / name, steps=9, report=told.append))
        assert told[0] == {"going on from step": 5}
        for key, value in whole.items():
            assert torch.equal(resumed[key], value), (name, key)
        # the row that was begun before the kill is a whole one, too
        (row,) = runs.history(joined / name / "history.json")
        assert row["step"] == 9
    (last,) = runs.history(joined / "whole" / "history.json")
    assert {**row, "seconds": 0} == {**last, "seconds": 0}


PROCESSES = """
import os, time
runs.ROW_EVERY = 1
init, begun = training.Training.__init__, []

def kept(self, *rest):
    init(self, *rest)
    begun.append(self)

training.Training.__init__ = kept
for name in sys.argv[3:]:
    recipe = replace(recipes.find(name), shares=2, steps=8, schedule="cosine")
    runs.run(name, recipe=recipe, out=f"{sys.argv[2]}/{name}", devices=2)
    weights = {key: p.detach() for key, p in begun[-1].bare.named_parameters()}
    torch.save(weights, f"{sys.argv[2]}/{name}-{os.environ['LOCAL_RANK']}.pt")

# the clock of the second process is far ahead; the first one's decides
begin, clock = time.monotonic(), time.monotonic
if os.environ["LOCAL_RANK"] == "1":
    runs.time.monotonic = lambda: clock() + (1000 if clock() > begin + 0.05 else 0)
runs.run("toy-diffusion", out=f"{sys.argv[2]}/clock", steps=6, minutes=1.0, devices=2)
"""


def test_two_processes_give_the_curve_of_one(joined, monkeypatch):
    """Within 3 %, of one process with both shares of every batch; and they stop together.

    Not to the last bit: sums are taken in another order, and Adam makes whole steps of gradients
    that are hardly more than rounding. But both processes have the same weights.
    """
    names = ("toy-gan", "toy-classifier")
    monkeypatch.setattr(runs, "ROW_EVERY", 1)
    for name in names:
        recipe = replace(recipes.find(name), shares=2, steps=8, schedule="cosine")
        runs.run(name, recipe=recipe, out=joined / "one" / name)
    script(PROCESSES, joined, *names)
    for name in names:
        one, two = (list(runs.history(folder / name / "history.json"))
                    for folder in (joined / "one", joined))  # fmt: skip
        assert len(one) == len(two) == 8
        for a, b in zip(one, two, strict=True):
            assert {**b, "seconds": 0} == pytest.approx({**a, "seconds": 0}, rel=0.03, abs=5e-3)
        ranks = [torch.load(joined / f"{name}-{rank}.pt", weights_only=True) for rank in (0, 1)]
        assert all(torch.equal(value, ranks[1][key]) for key, value in ranks[0].items()), name
        card = json.loads((joined / name / f"{name}.json").read_text())
        assert card["machine"].endswith("2 processes")
    assert torch.load(joined / "clock" / "checkpoint.pt", weights_only=True)["step"] == 6


def test_a_budget_stops_the_run(joined):
    path = runs.run("toy-gan", out=joined / "run", minutes=0)
    assert json.loads(path.with_suffix(".json").read_text())["steps"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_its_step(joined, monkeypatch, number):
    step = training.Training._backward
    before = signal.getsignal(number)

    def interrupted(self, *rest):
        if self.done == 3:
            os.kill(os.getpid(), number)
        return step(self, *rest)

    monkeypatch.setattr(training.Training, "_backward", interrupted)
    ending = KeyboardInterrupt if number == signal.SIGINT else SystemExit
    with pytest.raises(ending):
        runs.run("toy-diffusion", out=joined / "run", steps=9)
    stored = torch.load(joined / "run" / "checkpoint.pt", weights_only=True)
    counts = {int(s["step"]) for s in stored["optimizers"]["model"]["state"].values()}
    assert stored["step"] == 4 and counts == {4}  # optimizer and counter agree
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("fault", ["loss", "weights"])
def test_what_is_not_finite_leaves_the_last_checkpoint(joined, monkeypatch, fault):
    monkeypatch.setattr(runs, "SAVE_EVERY", 0.0)
    runs.run("toy-diffusion", out=joined / "run", steps=3)
    checkpoint = joined / "run" / "checkpoint.pt"
    before = torch.load(checkpoint, weights_only=True)
    objective = recipes.find("toy-diffusion").system.objective
    forward = objective.forward

    def broken(self, phase, batch, step):
        terms = forward(self, phase, batch, step)
        if step.number == 4 and fault == "loss":
            return {"noise": terms["noise"] * float("nan")}
        if step.number == 4:  # the loss is a number, its gradient is not
            zero = (next(self.model.parameters()) * 0).sum().abs()
            return {"noise": terms["noise"] + zero.sqrt()}
        return terms

    monkeypatch.setattr(objective, "forward", broken)
    with pytest.raises(training.TrainingError, match=r"not finite|no longer finite"):
        runs.run("toy-diffusion", out=joined / "run", steps=6)
    after = torch.load(checkpoint, weights_only=True)
    assert before["step"] == 3 and after["step"] == 4
    assert all(value.isfinite().all() for value in after["objective"].values())
    monkeypatch.undo()
    toys.join(monkeypatch)
    monkeypatch.setenv("AIDAGEN_HOME", str(joined / "home"))
    runs.run("toy-diffusion", out=joined / "run", steps=6)  # and the run can go on


def test_foreign_and_damaged_checkpoints_are_refused(joined):
    recipe = recipes.find("toy-gan")
    runs.run("toy-gan", out=joined / "run", steps=1)
    with pytest.raises(training.TrainingError, match=r"other settings \(batch\)"):
        runs.run("toy-gan", recipe=replace(recipe, batch=3), out=joined / "run", steps=1)
    checkpoint = joined / "run" / "checkpoint.pt"
    stored = torch.load(checkpoint, weights_only=True)
    damaged = {
        "no checkpoint of a training run": [1, 2],
        "is no checkpoint": {"model": {}},
        "does not fit this arch": {**stored, "optimizers": {}},
        "does not fit": {**stored, "objective": {**stored["objective"], "model.brightness":
                                                 torch.zeros(3)}},
    }  # fmt: skip
    for words, content in damaged.items():
        torch.save(content, checkpoint)
        with pytest.raises(training.TrainingError, match=words):
            runs.run("toy-gan", out=joined / "run", steps=1)
    checkpoint.write_bytes(b"damaged")
    with pytest.raises(training.TrainingError, match="is no readable checkpoint: it is a text"):
        runs.run("toy-gan", out=joined / "run", steps=1)
    runs.run("toy-gan", out=joined / "run", steps=1, fresh=True)


def test_a_folder_that_cannot_be_written_to_is_met_before_the_first_step(joined, monkeypatch):
    monkeypatch.setattr(training.Training, "step", lambda self: pytest.fail("a step was taken"))
    (joined / "file").write_text("")
    with pytest.raises(files.FileError, match=r"file.*cannot be written"):
        runs.run("toy-gan", out=joined / "file" / "run")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(files.FileError, match="no space left"):
        runs.run("toy-gan", out=joined / "run")
    assert [path.name for path in (joined / "run").iterdir()] == [".lock"]


def test_unknown_recipes_list_those_there_are():
    with pytest.raises(recipes.AidagenError, match=r"fomm-faces-64.*toy-gan.*Did you mean toy-gan"):
        runs.run("toy-gen")


def test_a_run_can_begin_with_other_weights(joined):
    runs.run("toy-gan", out=joined / "first", steps=2, install=True)
    recipe = replace(recipes.find("toy-gan"), start="toy-gan", seed=5)
    path = runs.run("second", recipe=recipe, out=joined / "second", minutes=0)
    first = load_file(joined / "first" / "toy-gan.safetensors")
    assert all(torch.equal(first[key], value) for key, value in load_file(path).items())
    with pytest.raises(zoo.ZooError, match="Not one weight"):
        zoo.begin_with(torch.nn.Linear(2, 2), "toy-gan")


def test_adversarial_first_order_motion_moves_both_sides(joined):
    recipe = recipes.find("fomm-heads-64")
    # 16 pixels are too few for two unpadded blocks of 4 x 4: one block
    config = replace(
        fomm.fomm_tiny(), size=16, keypoints=2, kp_blocks=1, motion_blocks=1, res_blocks=1,
        disc_blocks=1, disc_spectral_norm=False,
    )  # fmt: skip
    weights = recipe.weights._replace(perceptual=0.0, adversarial=1.0)
    from aidagen.datasets.batches import Pairs

    small = replace(recipe, config=config, weights=weights, data=Pairs({"marbles": 1.0}), batch=2)
    rows = []
    path = runs.run("small", recipe=small, out=joined / "run", steps=2, report=rows.append)
    assert rows[-1]["discriminator"] > 0 and rows[-1]["feature_matching"] > 0
    torch.manual_seed(0)
    fresh = fomm.FOMM(config, adversarial=True).discriminator.state_dict()
    stored = torch.load(joined / "run" / "checkpoint.pt", weights_only=True)["objective"]
    key = "discs.1.down_blocks.0.conv.weight"
    assert not torch.equal(stored[f"model.discriminator.{key}"], fresh[key])
    assert not any(key.startswith("discriminator") for key in load_file(path))
