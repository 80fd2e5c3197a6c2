"""Playing along a clip, and what is told from the pictures: known answers."""

import numpy as np
import pytest
import torch

from aidagen.evaluation import painted_games
from aidagen.models.playable import Playable
from tests.small_games import TINY, Bars, lively


def test_playing_is_the_models_own_roll_out_and_game():
    torch.manual_seed(0)
    model = lively(Playable(TINY))
    frames = Bars(5).draw(3, torch.Generator().manual_seed(0)).frames
    with torch.no_grad():
        made = model.rollout(frames, real=1)
        taken = made.action.argmax(-1)
        painted = painted_games.play(model, frames[:, 0], taken.numpy())
        torch.testing.assert_close(painted, made.image.clamp(0, 1))
        world = model.begin(frames[1, 0])
        for step, action in enumerate(taken[1].tolist()):
            image, world = model.play(world, action)
            torch.testing.assert_close(painted[1, step], image.clamp(0, 1), atol=1e-5, rtol=1e-4)


def test_batches_change_nothing(monkeypatch):
    model = lively(Playable(TINY))
    first = Bars(3).draw(5, torch.Generator().manual_seed(0)).frames[:, 0]
    actions = np.random.default_rng(0).integers(3, size=(5, 2))
    whole = painted_games.play(model, first, actions)
    monkeypatch.setattr(painted_games, "BATCH", 2)
    torch.testing.assert_close(painted_games.play(model, first, actions), whole)


def test_detections():
    nothing = (np.nan, np.nan)
    true = np.array([(0, 0), (1, 1), nothing, (5, 5)], float)
    found = np.array([(3, 4), (1, 1), (2, 2), nothing], float)
    np.testing.assert_array_equal(painted_games.distances(found, true), [5, 0, np.nan, np.nan])
    np.testing.assert_array_equal(painted_games.missed(found, true), [0, 0, np.nan, 1])


def test_a_gain_in_decibels():
    true = torch.zeros(2, 3, 8, 8)
    near, far = torch.full_like(true, 0.01), torch.full_like(true, 0.1)
    np.testing.assert_allclose(painted_games.psnr_gain(near, far, true), 20, atol=1e-3)
    np.testing.assert_allclose(painted_games.psnr_gain(far, near, true), -20, atol=1e-3)
    np.testing.assert_allclose(painted_games.psnr_gain(true, true, true), 0)


def bar(*columns):
    frame = torch.zeros(1, 3, 8, 8)
    frame[..., list(columns)] = 1
    return frame


def test_drift():
    first, true = bar(0), bar(3)

    def number(painted):
        errors = [painted_games.changed_error(x, true, first).numpy() for x in (painted, first)]
        return painted_games.drift(*errors)

    assert number(true) == 0
    assert number(first) == 1
    assert number(bar()) == pytest.approx(0.5)  # it is gone from where it was, and nowhere else
    assert number(bar(3, 5)) == pytest.approx(0.5)  # a ghost
    assert number(bar(5)) == pytest.approx(1)  # somewhere else
    assert number(true + 0.09) < 0.01  # a tint that is no change counts where something moved
    assert np.isnan(painted_games.drift(np.ones(2), np.zeros(2)))
