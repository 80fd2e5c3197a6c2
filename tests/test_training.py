"""The loop on a toy set: exact resume, averages, budgets, refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from aidagen import datasets, presets, training, zoo
from aidagen.datasets import layout
from aidagen.models import fomm


class Pixels(nn.Module):
    def forward(self, x):
        return [x]


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A preset of 16-pixel pictures on two moving squares; no network, no footage."""
    root = tmp_path / "squares"
    entries = {}
    for k in range(2):
        frames = np.full((8, 16, 16, 3), 40 + 60 * k, np.uint8)
        for t in range(8):
            frames[t, 4:9, t : t + 6] = (220, 90, 30 * k)
        entries[f"c{k}"] = layout.write_clip(root, "train", f"c{k}", frames) | {"person": "x"}
    info = {"name": "squares", "version": "1", "source": "here", "licence": "CC0"}
    made = layout.finish_set(root, info, {"train": entries})
    monkeypatch.setattr(datasets, "load", lambda name: made)
    monkeypatch.setattr(training, "mobilenet_features", Pixels)
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "home"))
    config = replace(
        fomm.fomm_tiny(), size=16, keypoints=2, kp_blocks=1, motion_blocks=1, res_blocks=1
    )
    preset = presets.Preset(config, {"squares": 1.0}, steps=6, batch=2, weights=presets.SMALL)
    monkeypatch.setitem(presets.PRESETS, "toy", preset)
    return tmp_path


def weights(path):
    from safetensors.torch import load_file

    return load_file(path)


def test_a_run_ends_in_weights_with_a_card_that_the_zoo_loads(toy):
    rows = []
    path = training.run("toy", out=toy / "run", report=rows.append, install=True)
    assert rows[-1]["step"] == 6 and rows[-1]["pixels"] > 0
    assert zoo.names()[0] != "" and "toy" in zoo.names()
    card = zoo.card("toy")
    assert card["steps"] == 6 and card["preset"]["seed"] == 0 and card["data"]["squares"]["hash"]
    model = zoo.load("toy", "cpu")
    assert not model.training
    state = weights(path)
    key = "generator.final.bias"
    torch.testing.assert_close(model.state_dict()[key], state[key].float())


def test_a_resumed_run_takes_the_same_steps(toy, monkeypatch):
    whole = weights(training.run("toy", out=toy / "whole"))
    step, count = training._step, []

    def stops_after_three(*args):
        if len(count) == 3:
            raise KeyboardInterrupt
        count.append(1)
        return step(*args)

    monkeypatch.setattr(training, "_step", stops_after_three)
    with pytest.raises(KeyboardInterrupt):
        training.run("toy", out=toy / "parts")
    assert (toy / "parts" / "checkpoint.pt").exists()  # what it learned is kept
    monkeypatch.setattr(training, "_step", step)
    parts = weights(training.run("toy", out=toy / "parts"))
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value, msg=key)


def test_a_budget_stops_the_run(toy):
    path = training.run("toy", out=toy / "run", minutes=0)
    assert json.loads(path.with_suffix(".json").read_text())["steps"] == 0
    stored = torch.load(toy / "run" / "checkpoint.pt", weights_only=True)
    assert stored["step"] == 0


def test_foreign_and_damaged_checkpoints_are_refused(toy, monkeypatch):
    training.run("toy", out=toy / "run", steps=1)
    other = replace(presets.PRESETS["toy"], batch=3)
    monkeypatch.setitem(presets.PRESETS, "toy", other)
    with pytest.raises(training.TrainingError, match="other settings"):
        training.run("toy", out=toy / "run")
    (toy / "run" / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(training.TrainingError, match="not a readable checkpoint"):
        training.run("toy", out=toy / "run")
    training.run("toy", out=toy / "run", steps=1, fresh=True)


def test_adversarial_training_moves_both_sides(toy, monkeypatch):
    preset = presets.PRESETS["toy"]
    # 16 pixels are too few for two unpadded blocks of 4 x 4: one block
    config = replace(preset.config, disc_blocks=1, disc_spectral_norm=False)
    weights_ = presets.SMALL._replace(adversarial=1.0)
    monkeypatch.setitem(presets.PRESETS, "toy", replace(preset, config=config, weights=weights_))
    rows = []
    training.run("toy", out=toy / "run", steps=2, report=rows.append)
    assert rows[-1]["discriminator"] > 0 and rows[-1]["feature_matching"] > 0
    torch.manual_seed(0)
    fresh = fomm.FOMM(config, adversarial=True).discriminator.state_dict()
    stored = torch.load(toy / "run" / "checkpoint.pt", weights_only=True)["model"]
    key = "discs.1.down_blocks.0.conv.weight"
    assert not torch.equal(stored[f"discriminator.{key}"], fresh[key])


def test_unknown_presets_and_unwritable_folders(toy):
    with pytest.raises(training.TrainingError, match="fomm-faces-64"):
        training.run("nothing")
    (toy / "file").write_text("")
    with pytest.raises(training.TrainingError, match="run's folder"):
        training.run("toy", out=toy / "file" / "run")


def test_a_pair_shares_its_colours_and_its_mirror(toy):
    pairs = training.Pairs({"squares": 1.0}, across=0.0, jitter=0.3)
    source, driving = pairs.draw(4, torch.Generator().manual_seed(1))
    # the background of a clip is one colour: after jitter it is the same in both frames
    torch.testing.assert_close(source[:, :, -1, -1], driving[:, :, -1, -1], atol=0.03, rtol=0)
    again, _ = pairs.draw(4, torch.Generator().manual_seed(1))
    assert torch.equal(source, again)
    assert not torch.equal(source, pairs.draw(4, torch.Generator().manual_seed(2))[0])


def test_the_saved_model_has_batch_statistics_of_its_own(toy, monkeypatch):
    """In eval mode it does what its weights do in training; with averaged statistics it does not.

    (Averages of 0.999 once hid that models of 2,400 steps had learnt anything.)
    """
    preset = replace(presets.PRESETS["toy"], steps=40, batch=8, ema=0.999)
    monkeypatch.setitem(presets.PRESETS, "toy", preset)
    training.run("toy", out=toy / "run", install=True)
    model = zoo.load("toy", "cpu")
    averaged = fomm.FOMM(preset.config)
    stored = torch.load(toy / "run" / "checkpoint.pt", weights_only=True)["average"]
    averaged.load_state_dict(
        {key.removeprefix("module."): v for key, v in stored.items() if key != "n_averaged"}
    )
    pairs = training.Pairs(preset.data, preset.across, preset.jitter)
    source, driving = pairs.draw(64, torch.Generator().manual_seed(5))

    @torch.no_grad()
    def apart(net):
        evaluated = net.eval()(source, driving).image
        return (evaluated - net.train()(source, driving).image).abs().mean().item()

    assert apart(model) < 0.3 * apart(averaged), (apart(model), apart(averaged))
