"""The table of playable video, on a game whose actions are known, and models that may see them."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from aidagen import datasets
from aidagen.datasets import layout
from aidagen.datasets.layout import DatasetError
from aidagen.evaluation import playable
from aidagen.evaluation.games import film
from aidagen.evaluation.sheets import EvaluationError
from aidagen.metrics import of_set
from tests.test_game_objects import with_paddle
from tests.test_obedience import Engine

FAINT = 0.08  # how bright the stripe is that tells the action: less than a change of the picture


class Clip(layout.Clip):
    """A paddle that moves by -4, 0 or 4 pixels of 64 and turns at the walls; a stripe tells the
    action that comes next."""

    def __init__(self, seed, label="paddle"):
        super().__init__(Path("nowhere"), "test", str(seed), {"frames": 20})
        rng = np.random.default_rng(seed)
        x, places, actions = 28, [28], []
        for action in rng.integers(3, size=19).tolist():
            action = action if 0 <= x + 4 * (action - 1) <= 56 else 1
            x += 4 * (action - 1)
            places.append(x)
            actions.append(action)
        self.places, self.actions = places, np.array([*actions, 0], np.uint8)
        pixels = np.stack([np.array(places) + 3, np.full(20, 61 + 1 / 3)], 1)
        self.told = {label: pixels * 2 / 63 - 1, "actions": self.actions}

    def labels(self):
        return self.told

    def frames(self, start=0, stop=None, step=1):
        frames = torch.stack([with_paddle(x) for x in self.places])
        actions = torch.from_numpy(self.actions.astype(np.float32))
        frames[:, :, 10] = FAINT * actions[:, None, None] / 2
        return frames[start:stop:step]


class Seer(Engine):
    """Names each action by its number, or by another one, and paints what that one does; ``deaf``,
    it paints what it saw."""

    def __init__(self, names=(0, 1, 2), deaf=False):
        super().__init__()
        self.names, self.deaf = torch.tensor(names), deaf

    def encode(self, observed):
        return observed

    def find_actions(self, frames, count):
        taken = (frames[0, :-1, 0, 10, 0] * 2 / FAINT).round().long()
        named = self.names[taken]
        return SimpleNamespace(logits=torch.nn.functional.one_hot(named, 3).float()[None])

    def forward(self, state, action, variation, memory):
        if self.deaf:
            return state, memory
        meant = (self.names == action.argmax(1)[:, None]).float()  # (B, 3), by its number
        return super().forward(state, meant, variation, memory)


class Opened:
    def __init__(self, count=8):
        self.count = count

    def clips(self, split):
        first = {"val": 100, "test": 200}[split]
        return [Clip(first + i) for i in range(self.count)]


def table(monkeypatch, model, data=None, methods=("caddy",), **options):
    monkeypatch.setattr(playable, "MODELS", {"breakout": {m: "a model" for m in methods}})
    monkeypatch.setattr(playable, "of_set", partial(of_set, draws=40))
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
    assert rows["caddy", "action_kappa"]["n"] == 8


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


def test_whoever_paints_what_is_pressed(monkeypatch):
    rows, sheet = table(monkeypatch, Seer((2, 0, 1)))
    value = {key: row["value"] for key, row in rows.items()}
    assert value["caddy", "add"] == pytest.approx(0, abs=1e-3) and value["copy", "add"] > 4
    assert value["caddy", "mdr"] == value["copy", "mdr"] == 0
    assert value["caddy", "drift"] < 0.01 and value["copy", "drift"] == 1
    assert value["caddy", "psnr_delta"] > 5
    assert value["caddy", "same_meaning"] == value["caddy", "same_meaning_kappa"] == 1
    assert value["caddy", "delta_acc"] == value["caddy", "delta_acc_released"] == 1
    for control in ("random", "shuffled", "single"):
        assert value[control, "psnr_delta"] < value["caddy", "psnr_delta"] / 2
        assert value[control, "add"] > 3
        assert value[control, "same_meaning"] < 0.5 and value[control, "same_meaning_kappa"] < 0.15
    assert value["single", "delta_acc"] == 1  # which is why nobody should trust it alone
    assert value["shuffled", "delta_acc"] < 0.5
    verdicts = {(c["against"], c["metric"]): c["verdict"]
                for c in sheet.comparisons(playable.TABLE.comparisons)}  # fmt: skip
    assert verdicts["copy", "add"] == verdicts["random", "same_meaning"] == "better"


def test_a_model_that_paints_what_it_saw(monkeypatch):
    rows, _ = table(monkeypatch, Seer(deaf=True), Opened(4))
    value = {key: row["value"] for key, row in rows.items()}
    assert value["caddy", "action_kappa"] == 1  # it sees, and does not obey
    assert value["caddy", "add"] == pytest.approx(value["copy", "add"])
    assert value["caddy", "drift"] == 1 and value["caddy", "psnr_delta"] == 0
    assert value["caddy", "same_meaning"] < 0.6 and value["caddy", "same_meaning_kappa"] == 0


def test_a_further_model_that_is_told_what_was_pressed(monkeypatch):
    rows, _ = table(monkeypatch, Seer((0, 0, 2)), Opened(4), methods=("caddy", "true-actions"))
    assert rows["caddy", "action_kappa"]["value"] < 0.8
    assert rows["true-actions", "action_kappa"]["value"] == 1
    assert ("true-actions", "same_meaning") in rows
    data = Opened(2)
    data.clips = lambda split: [unlabelled(clip) for clip in Opened(2).clips(split)]
    with pytest.raises(EvaluationError, match="say which button was pressed"):
        table(monkeypatch, Seer(), data, methods=("true-actions",))


def unlabelled(clip):
    del clip.told["actions"]
    return clip


def test_an_object_that_nobody_can_find_has_no_place(monkeypatch):
    """As the robot's gripper: the pixels are scored, and what was seen."""
    blind = playable.GAMES["breakout"]._replace(look=None)
    monkeypatch.setitem(playable.GAMES, "breakout", blind)
    rows, _ = table(monkeypatch, Seer(), Opened(4))
    metrics = {metric for method, metric in rows if method == "caddy"}
    assert {"drift", "psnr_delta", "action_kappa"} <= metrics
    assert not {"add", "mdr", "same_meaning", "same_meaning_kappa"} & metrics


def test_the_robots_gripper():
    data = datasets.load("robot")
    game = playable.GAMES["robot"]
    assert data.info["joints"][game.joint] == "gripper"
    clip = data.clips("test")[0]
    filmed = film(clip, game)
    assert filmed.frames.shape == (11, 3, 64, 64) and filmed.pressed is None
    labels = clip.labels()["joints"][::3, game.joint].astype(float)
    np.testing.assert_allclose(filmed.places, (labels + 1) * 31.5)
    steps = np.linalg.norm(filmed.moved, axis=1)
    assert game.least < np.median(steps) < 8  # most steps are movements


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

    monkeypatch.setattr(playable, "MODELS", {"breakout": {"caddy": "a model"}})
    with pytest.raises(DatasetError, match="no emulator"):
        playable.compute(progress=print, load_model=None, load_data=nothing)
