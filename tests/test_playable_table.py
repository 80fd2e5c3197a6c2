"""The table of playable video, on a game whose actions are known, and models that may see them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from aidagen.datasets import layout
from aidagen.datasets.layout import DatasetError
from aidagen.evaluation import playable
from aidagen.evaluation.sheets import EvaluationError

NAMES = ("left", "stayed", "right")


class Clip(layout.Clip):
    """A paddle that moves by -4, 0 or 4 pixels of 64; the frames' brightness tells the action."""

    def __init__(self, seed, label="paddle"):
        super().__init__(Path("nowhere"), "test", str(seed), {"frames": 12})
        rng = np.random.default_rng(seed)
        self.actions = rng.integers(3, size=11)
        x = np.concatenate([[0], (self.actions - 1) * 4 * 2 / 63]).cumsum()
        self.told = {label: np.stack([x, np.zeros(12)], 1)}

    def labels(self):
        return self.told

    def frames(self, start=0, stop=None, step=1):
        shown = torch.tensor([*self.actions, 0], dtype=torch.uint8)  # what comes next
        return shown[:, None, None, None].expand(12, 3, 64, 64)


class Seer(torch.nn.Module):
    """Names each action by its number, or by another one; or knows nothing."""

    config = SimpleNamespace(actions=3)

    def __init__(self, names=(0, 1, 2)):
        super().__init__()
        self.names = torch.tensor(names)

    def observe(self, frames):
        return frames

    def encode(self, frames):
        return frames

    def find_actions(self, frames, count):
        taken = (frames[0, :-1, 0, 0, 0] * 255).round().long()
        named = self.names[taken]
        return SimpleNamespace(logits=torch.nn.functional.one_hot(named, 3).float()[None])


class Opened:
    def __init__(self, count=20):
        self.count = count

    def clips(self, split):
        first = {"val": 100, "test": 200}[split]
        return [Clip(first + i) for i in range(self.count)]


def table(monkeypatch, model, data=None, **options):
    monkeypatch.setattr(playable, "MODELS", {"breakout": "a model"})
    sheet = playable.compute(
        progress=lambda text: None, load_model=lambda name, device: model,
        load_data=lambda name: data or Opened(), **options,
    )  # fmt: skip
    return {(row["method"], row["metric"]): row for row in sheet.rows()}, sheet


@pytest.mark.parametrize("names", [(0, 1, 2), (2, 0, 1)])
def test_whoever_sees_the_actions_is_right_whatever_their_names(monkeypatch, names):
    rows, _ = table(monkeypatch, Seer(names))
    assert rows["caddy", "action_kappa"]["value"] == 1
    assert rows["caddy", "action_accuracy"]["value"] == 1
    assert rows["caddy", "nmi"]["value"] == pytest.approx(1)
    assert rows["caddy", "delta_mse"]["value"] == pytest.approx(0, abs=1e-9)
    assert rows["caddy", "usage_entropy"]["value"] > 0.95
    assert rows["caddy", "action_kappa"]["n"] == 20


def test_controls_are_worth_nothing(monkeypatch):
    rows, sheet = table(monkeypatch, Seer())
    for control in ("random", "shuffled", "single"):
        row = rows[control, "action_kappa"]
        assert abs(row["value"]) < 0.05, control
        assert rows[control, "delta_mse"]["value"] > 90
    assert rows["single", "usage_entropy"]["value"] == 0
    verdicts = {(c["against"], c["metric"]): c["verdict"]
                for c in sheet.comparisons(playable.TABLE.comparisons)}  # fmt: skip
    assert verdicts["random", "action_kappa"] == verdicts["single", "delta_mse"] == "better"


def test_a_model_that_takes_two_actions_for_one_loses(monkeypatch):
    rows, _ = table(monkeypatch, Seer((0, 0, 2)))
    assert 0.4 < rows["caddy", "action_kappa"]["value"] < 0.6
    assert rows["caddy", "delta_mse"]["value"] > 10


def test_clips_that_do_not_say_what_moved(monkeypatch):
    data = Opened()
    data.clips = lambda split: [Clip(0, label="puck")]
    with pytest.raises(EvaluationError, match="no label 'paddle'"):
        table(monkeypatch, Seer(), data)
    data.clips = lambda split: []
    with pytest.raises(EvaluationError, match="no clips in val"):
        table(monkeypatch, Seer(), data)


def test_a_set_that_cannot_be_had_is_passed_on(monkeypatch):
    def nothing(name):
        raise DatasetError("no emulator")

    monkeypatch.setattr(playable, "MODELS", {"breakout": "a model"})
    with pytest.raises(DatasetError, match="no emulator"):
        playable.compute(progress=print, load_model=None, load_data=nothing)
