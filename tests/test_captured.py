"""Training on one GPU: pairs that live on the device, steps in bursts, several runs at once.

What needs an NVIDIA GPU is skipped without one; everything else is the same code on a CPU.
"""

import json
import signal
from dataclasses import replace
from unittest.mock import create_autospec

import pytest
import torch
import toys
from lightning_fabric import Fabric

from aidagen import captured, cli, recipes, runs, training
from aidagen.datasets import resident
from aidagen.datasets.batches import Pairs
from aidagen.errors import AidagenError
from aidagen.losses import PerceptualPyramid
from aidagen.models import fomm
from aidagen.recipes import Recipe
from aidagen.systems import Step

HEADS = Pairs({"heads": 1.0}, across=0.0, jitter=0.2, placing=0.1)
PLAIN = replace(HEADS, jitter=0.0, placing=0.0)
WEIGHTS = fomm.LossWeights(perceptual=0.0, pixels=20.0, warp=10.0, separation=3.0, scales=(1.0,))
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def small(**changes) -> Recipe:
    """A short run of a tiny model, without a pretrained network."""
    return Recipe(fomm.fomm_tiny(), HEADS, steps=12, weights=WEIGHTS, batch=2, **changes)


def begin(recipe, device="cpu"):
    torch.manual_seed(recipe.seed)
    objective = recipe.system.objective(recipe.config, recipe.weights)
    return captured.CapturedTraining(objective.to(device).train(), recipe)


def stacked(run):
    """All weights in one row."""
    return torch.cat([p.detach().flatten() for p in run.bare.model.parameters()])


def drawn(batches, count=64, seed=0):
    return batches.draw(count, torch.Generator().manual_seed(seed))


# --- pairs on a device ---------------------------------------------------------------------------


def test_pairs_on_a_device_are_frames_of_one_person():
    """Without colours and placing every frame is one of the set's, or its mirror image, both of a
    pair are of one clip and mirrored alike, and every clip is as likely."""
    pairs = drawn(resident.on(PLAIN, "cpu"), 200)
    frames = PLAIN.frames["heads"]
    clip_of = {}
    for number, clip in enumerate(frames):
        for frame in clip:
            for mirrored, picture in ((False, frame), (True, frame.flip(-1))):
                clip_of[picture.numpy().tobytes()] = number, mirrored
    as_bytes = [(x * 255).round().byte() for x in pairs]
    where = [[clip_of[frame.numpy().tobytes()] for frame in side] for side in as_bytes]
    assert where[0] == where[1]  # clip and mirroring agree in source and driving frame
    assert len({clip for clip, _ in where[0]}) > 80  # of 144 clips in 200 draws: 108 are expected
    assert 60 < sum(mirrored for _, mirrored in where[0]) < 140
    assert any(not torch.equal(a, b) for a, b in zip(*as_bytes, strict=True))


def test_shares_of_sets_and_of_pairs_across_clips_are_kept(monkeypatch):
    """Each set is one colour, the clips of one person are shades of it: what is drawn tells all."""
    batches = Pairs({"a": 0.25, "b": 0.75}, across=0.5, jitter=0.0)
    shades = {"a": [10, 20, 30], "b": [110, 120]}
    frames = {
        name: [torch.full((n + 2, 3, 4, 4), s, dtype=torch.uint8) for n, s in enumerate(listed)]
        for name, listed in shades.items()
    }
    kin = {"a": [[0, 1], [0, 1], [2]], "b": [[0], [1]]}
    monkeypatch.setitem(batches.__dict__, "frames", frames)
    monkeypatch.setitem(batches.__dict__, "kin", kin)
    pairs = drawn(resident.on(batches, "cpu"), 4000)
    source, driving = ((x[:, 0, 0, 0] * 255).round().int() for x in pairs)
    assert (source < 100).float().mean() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(source < 100, driving < 100)
    for first, second, share in ((10, 20, 0.25), (10, 10, 0.75), (30, 30, 1), (110, 110, 1)):
        mine = driving[source == first]
        assert (mine == second).float().mean() == pytest.approx(share, abs=0.1)


def test_a_draw_is_decided_by_its_generator():
    batches = resident.on(HEADS, "cpu")
    first, again, other = (drawn(batches, 4, seed) for seed in (0, 0, 1))
    assert torch.equal(first.source, again.source) and torch.equal(first.driving, again.driving)
    assert not torch.equal(first.source, other.source)


def test_colours_change_within_their_bounds_and_as_one():
    """Without jitter nothing changes; grey keeps its hue; gains and offsets have their range."""
    generator = torch.Generator().manual_seed(0)
    matrix, offset = resident.colour_change(5, 0.0, generator)
    assert torch.allclose(matrix, torch.eye(3).expand(5, 3, 3), atol=1e-6) and not offset.any()
    matrix, offset = resident.colour_change(2000, 0.2, generator)
    grey = matrix @ torch.ones(3)  # a grey stays grey, times the gain
    assert torch.allclose(grey, grey[:, :1].expand(-1, 3), atol=1e-5)
    for values, middle in ((grey[:, 0], 1.0), (offset.flatten(), 0.0)):
        assert values.min() == pytest.approx(middle - 0.2, abs=0.01)
        assert values.max() == pytest.approx(middle + 0.2, abs=0.01)
    # about as far from the truth as what takes its place
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 8, 8).expand(200, 3, 8, 8)
    theirs = HEADS.colours(picture)
    ours = resident.recoloured(picture, matrix[:200], offset[:200])
    changes = [(x - picture).abs().mean().item() for x in (theirs, ours)]
    assert changes[1] == pytest.approx(changes[0], rel=0.25), changes


def test_what_cannot_be_held_on_a_device_is_drawn_on_the_host():
    class Own(Pairs):
        pass

    assert resident.on(Own({"heads": 1.0}), "cpu") is None
    recipe = replace(small(), data=Own({"heads": 1.0}))
    objective = recipe.system.objective(recipe.config, recipe.weights)
    fabric = training._one_device(objective)
    # on a CPU a training is an ordinary one in any case
    for each in (recipe, small()):
        chosen = captured.training_for(objective, each, fabric, captured.EXACT)
        assert type(chosen) is training.Training


# --- steps ---------------------------------------------------------------------------------------


def test_bursts_are_the_steps_one_by_one():
    one, other = begin(small()), begin(small())
    single = [one.step() for _ in range(5)]
    sums = other.burst(5)()
    assert one.done == other.done == 5
    assert sums == pytest.approx({k: sum(s[k] for s in single) for k in sums}, rel=1e-5)
    assert torch.equal(stacked(one), stacked(other))
    for a, b in zip(one.average.parameters(), other.average.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_average_is_that_of_the_ordinary_training():
    run = begin(small(ema=0.9))
    ordinary = training.AveragedModel(
        run.bare.model, multi_avg_fn=training.get_ema_multi_avg_fn(0.9), use_buffers=True
    )
    for _ in range(4):
        run.step()
        ordinary.update_parameters(run.bare.model)
    assert int(run.average.n_averaged) == int(ordinary.n_averaged) == 4
    for (name, a), b in zip(
        run.average.module.named_parameters(), ordinary.module.parameters(), strict=True
    ):
        assert torch.allclose(a, b, atol=1e-6), name
    own = dict(run.average.module.named_buffers())
    for name, b in ordinary.module.named_buffers():
        if name.endswith("running_mean"):
            assert torch.allclose(own[name], b, atol=1e-6), name


@pytest.mark.parametrize("into", [captured.CapturedTraining, training.Training])
def test_a_checkpoint_is_gone_on_from_exactly_and_on_either_device(into):
    whole, first = begin(small()), begin(small())
    whole.burst(6)(), first.burst(3)()
    state = first.state()
    assert all(isinstance(g["lr"], float) and not g["capturable"] and not g["fused"]
               for o in state["optimizers"].values() for g in o["param_groups"])  # fmt: skip
    recipe = small()
    torch.manual_seed(99)
    objective = recipe.system.objective(recipe.config, recipe.weights).train()
    second = into(objective, recipe)
    second.restore(state)
    if into is captured.CapturedTraining:
        second.burst(6)()
        assert torch.equal(stacked(second), stacked(whole))
    else:
        assert second.done == 3 and all(torch.isfinite(torch.tensor([*second.step().values()])))


def test_a_loss_that_is_no_number_is_refused():
    run = begin(small())
    run.burst(2)()
    next(run.bare.model.parameters()).data.fill_(float("nan"))
    with pytest.raises(training.TrainingError, match=r"not finite between steps 2 and 4 \(sums: "):
        run.burst(4)()


def test_an_objective_that_asks_where_the_run_is_is_not_captured():
    run = begin(small())
    before = stacked(run), [b.clone() for b in run.bare.model.buffers()]
    assert run.is_timeless()
    assert torch.equal(stacked(run), before[0]) and run.bare.training
    assert all(torch.equal(a, b) for a, b in zip(run.bare.model.buffers(), before[1], strict=True))
    terms = run.bare.terms
    run.bare.terms = lambda batch, rendering, step: {
        name: term * (1 - step.progress) for name, term in terms(batch, rendering, step).items()
    }
    assert not run.is_timeless()
    assert Step(1, 4, run.generator).progress == 0.25


@pytest.mark.parametrize("failing", [True, False])
def test_a_step_that_cannot_be_captured_is_taken_one_by_one(monkeypatch, capsys, failing):
    """It is tried on a copy: the objective that is then trained is as it was."""
    made = []

    class Trial(training.Training):
        def __init__(self, objective, recipe, fabric):
            made.append((objective, recipe))

        def is_timeless(self):
            return True

        def burst(self, until):
            if failing:
                raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
            return dict

    monkeypatch.setattr(captured, "CapturedTraining", Trial)
    recipe = small()
    objective = recipe.system.objective(recipe.config, recipe.weights)
    ordinary = training.Training(objective, recipe)
    monkeypatch.setattr(captured, "Training", lambda *given: ordinary)
    fabric = create_autospec(Fabric, instance=True)
    fabric.world_size, fabric.device = 1, torch.device("cuda")
    chosen = captured.training_for(objective, recipe, fabric, captured.EXACT)
    assert made[0][0] is not objective  # the trial's own copy
    if failing:
        assert chosen is ordinary
        assert "cannot be captured as a CUDA graph (CUDA error" in capsys.readouterr().err
    else:
        assert isinstance(chosen, Trial) and made[1][0] is objective
        assert made[0][1].data is made[1][1].data  # frames are held once
    made.clear()
    assert captured.training_for(objective, recipe, fabric, "16-mixed") is ordinary and not made


# --- runs ----------------------------------------------------------------------------------------


@pytest.fixture
def toy_house(tmp_path, monkeypatch):
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    toys.join(monkeypatch)
    return tmp_path


@pytest.fixture
def on_a_gpu(monkeypatch):
    """Runs that take the way of a GPU, on the CPU; batches of pairs are all that they know."""
    monkeypatch.setattr(runs, "best", lambda: torch.device("cuda"))
    monkeypatch.setattr(
        captured, "training_for",
        lambda objective, recipe, fabric, precision:
            captured.CapturedTraining(objective, recipe, fabric)
    )  # fmt: skip
    named = {"first": small(), "second": small(seed=1, snapshots=(4,))}
    monkeypatch.setattr(recipes, "all_recipes", lambda: named)
    return named


def test_a_run_in_bursts_keeps_its_history_and_snapshots(tmp_path, monkeypatch, on_a_gpu):
    monkeypatch.setattr(runs, "ROW_EVERY", 6)
    rows = []
    path = runs.run("second", out=tmp_path / "run", report=rows.append)
    assert [row["step"] for row in rows] == [6, 12]
    assert (tmp_path / "run" / "second.snapshots").exists()
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["steps"] == 12 and card["recipe"]["data"]["batches"] == "Pairs"
    run = begin(small(seed=1))
    sums = run.burst(6)()
    assert rows[0] == pytest.approx(
        {"step": 6, "seconds": rows[0]["seconds"], **{k: v / 6 for k, v in sums.items()}},
        rel=1e-2, abs=1e-3,
    )  # fmt: skip


def test_runs_together_take_turns_and_are_the_runs_alone(tmp_path, monkeypatch, on_a_gpu):
    monkeypatch.setattr(runs, "ROW_EVERY", 4)
    rows = []
    both = runs.together(["first", "second"], out=tmp_path / "both", report=rows.append)
    assert [row["name"] for row in rows] == ["first", "second"] * 3
    for name, path in zip(("first", "second"), both, strict=True):
        machine = json.loads(path.with_suffix(".json").read_text())["machine"]
        assert machine.endswith(", 2 runs at once")
        alone = runs.run(name, out=tmp_path / "alone" / name)
        assert path.read_bytes() == alone.read_bytes()


def test_a_run_that_fails_does_not_end_the_others(tmp_path, monkeypatch, on_a_gpu):
    burst = captured.CapturedTraining.burst

    def failing(self, until):
        if self.recipe.seed == 0 and until > 10:
            raise training.TrainingError("The loss is not finite.")
        return burst(self, until)

    monkeypatch.setattr(captured.CapturedTraining, "burst", failing)
    with pytest.raises(training.TrainingError, match=r"^first: The loss is not finite"):
        runs.together(["first", "second"], out=tmp_path)
    assert (tmp_path / "second" / "second.safetensors").exists()
    assert not (tmp_path / "first" / "first.safetensors").exists()
    assert (tmp_path / "first" / "checkpoint.pt").exists()


def test_a_signal_ends_all_of_them_and_they_resume(tmp_path, monkeypatch, on_a_gpu):
    burst = captured.CapturedTraining.burst

    def interrupted(self, until):
        if self.recipe.seed == 1 and self.done == 0:
            signal.raise_signal(signal.SIGINT)
        return burst(self, until)

    monkeypatch.setattr(captured, "BURST", 4)
    monkeypatch.setattr(captured.CapturedTraining, "burst", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runs.together(["first", "second"], out=tmp_path)
    steps = {name: torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["step"]
             for name in on_a_gpu}  # fmt: skip
    assert steps == {"first": 4, "second": 4}
    monkeypatch.setattr(captured.CapturedTraining, "burst", burst)
    for path in runs.together(["first", "second"], out=tmp_path):
        assert json.loads(path.with_suffix(".json").read_text())["steps"] == 12


def test_several_recipes_are_trained_by_one_command(toy_house, capsys):
    """Without a GPU one after the other."""
    names = ["toy-diffusion", "toy-classifier"]
    assert cli.main(["train", *names, "--steps", "2", "--out", "all runs"]) in (0, None)
    out = capsys.readouterr().out
    assert out.index("toy-diffusion: step 2") < out.index("toy-classifier: step 2")
    for name in names:
        assert (toy_house / "all runs" / name / f"{name}.safetensors").exists()


def test_what_several_recipes_cannot_have_is_refused(toy_house, capsys):
    with pytest.raises(AidagenError, match="toy-gan is named twice"):
        runs.together(["toy-gan", "toy-gan"])
    assert cli.main(["train", "toy-gan", "toy-diffusion", "--devices", "2"]) == 2
    assert "one recipe at a time" in capsys.readouterr().err


# --- on an NVIDIA GPU ----------------------------------------------------------------------------

SYSTEMS = ("fomm-bodies-64", "monkeynet-bodies-64", "x2face-bodies-64")


def parts(name, **changes):
    """A recipe of the course on pairs that ship, with a perceptual loss of random weights."""
    recipe = replace(recipes.find(name), steps=40, start=None, batch=4, **changes)
    torch.manual_seed(0)
    objective = recipe.system.objective(recipe.config, recipe.weights._replace(perceptual=0.0))
    objective.perceptual = PerceptualPyramid(Layers(), (1.0,))
    objective.weights = recipe.weights
    return objective, recipe


class Layers(torch.nn.Module):
    """Two layers of random weights, read at both."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Conv2d(3, 8, 3, 2), torch.nn.Conv2d(8, 8, 3, 2)

    def forward(self, x):
        x = self.first(x)
        return [x, self.second(x.relu())]


@gpu
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_captured_step_is_the_step(name, monkeypatch):
    """The same numbers as without a graph, within what sums in another order change."""
    rows = []
    for warm in (3, 1000):
        monkeypatch.setattr(captured, "WARM", warm)
        objective, recipe = parts(name)
        run = captured.CapturedTraining(objective.cuda().train(), recipe)
        assert run.is_timeless()
        run.burst(3)()
        rows.append((run.burst(5)(), run.burst(15)()))
        assert (run.graph is not None) == (warm == 3)
    for key, value in rows[1][0].items():
        assert rows[0][0][key] == pytest.approx(value, rel=1e-2, abs=1e-3), key
    for key, value in rows[1][1].items():
        assert rows[0][1][key] == pytest.approx(value, rel=0.1, abs=1e-2), key


@gpu
def test_every_replay_draws_anew_and_resumes():
    objective, recipe = parts("fomm-bodies-64")
    run = captured.CapturedTraining(objective.cuda().train(), recipe)
    sums = [run.burst(n)() for n in range(1, 12)]
    assert run.graph is not None
    assert len({round(s["pixels"], 5) for s in sums[5:]}) == 6  # no two batches are the same
    state = run.state()
    further = run.burst(16)()
    objective, recipe = parts("fomm-bodies-64")
    again = captured.CapturedTraining(objective.cuda().train(), recipe)
    again.restore(state)
    assert again.burst(16)() == pytest.approx(further, rel=0.02, abs=1e-3)


@gpu
def test_a_run_on_a_gpu_is_captured_and_learns(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "all_recipes", lambda: {
        "first": replace(small(), steps=200, batch=8), "second": replace(small(), steps=200)
    })  # fmt: skip
    kinds = []
    begun = captured.training_for

    def kept(*given):
        kinds.append(begun(*given))
        return kinds[-1]

    monkeypatch.setattr(captured, "training_for", kept)
    rows = []
    runs.together(["first", "second"], out=tmp_path, report=rows.append)
    assert all(isinstance(kind, captured.CapturedTraining) and kind.graph for kind in kinds)
    first = [row["warp"] for row in rows if row["name"] == "first"]
    assert first[-1] < 0.9 * first[0]
