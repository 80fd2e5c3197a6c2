"""Breakout and Tennis, emulated: what is played, seen and known of it."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from aidagen import recipes, training
from aidagen.datasets import atari, breakout, tennis
from aidagen.errors import AidagenError

LEFT, RIGHT = breakout.LEFT, breakout.RIGHT


@pytest.fixture(scope="module")
def game():
    return breakout.Breakout()


@pytest.fixture(scope="module")
def court():
    return tennis.Tennis()


@pytest.fixture(scope="module")
def clips(game):
    game.reset()
    return [breakout.clip(game, np.random.default_rng(seed)) for seed in range(6)]


@pytest.fixture(scope="module")
def rallies(court):
    court.reset()
    return [tennis.clip(court, np.random.default_rng(seed)) for seed in range(3)]


def pixels(place, size):
    """(x, y) in [-1, 1] as pixels of a picture of ``size`` (width, height)."""
    return (np.asarray(place) + 1) / 2 * (np.array(size) - 1)


def test_the_paddle_is_where_it_is_said_to_be(clips):
    apart = []
    for frames, labels, _ in clips:
        for frame, place in zip(frames, labels["paddle"]):
            bright = frame[61:63].astype(float).sum((0, 2))  # the paddle's rows, W
            bright[bright < 100] = 0
            where = (bright * np.arange(64)).sum() / bright.sum()
            apart.append(where - pixels(place, (64, 64))[0])
    assert np.abs(np.median(apart)) < 0.3 and np.mean(np.abs(apart) < 1) > 0.9


def test_the_ball_is_where_it_is_said_to_be(clips):
    seen = []
    for frames, labels, _ in clips:
        for frame, place in zip(frames, labels["ball"]):
            x, y = pixels(place, (64, 64))
            if not np.isnan(x) and 25 < y < 55:  # between bricks and paddle nothing else is bright
                field = frame[22:58].astype(float).sum(2)
                top, left = np.unravel_index(field.argmax(), field.shape)
                seen.append(np.hypot(left - x, top + 22 - y))
    assert len(seen) > 30 and np.median(seen) < 1 and np.mean(np.array(seen) < 2) > 0.95


def test_left_and_right_do_what_they_say(game):
    for action, sign in ((LEFT, -1), (RIGHT, 1)):
        game.reset()
        for _ in range(3):
            game.press(breakout.STAY)
        before = game.places()["paddle"][0]
        game.press(action)
        game.press(action)
        assert sign * (game.places()["paddle"][0] - before) > 0.2


def test_what_is_pressed_cannot_be_read_from_what_was(clips):
    """Half of all actions are drawn anew: after each action, another one comes often."""
    same = np.concatenate([np.diff(labels["actions"].astype(int)) == 0 for _, labels, _ in clips])
    assert 0.3 < same.mean() < 0.85
    taken = np.bincount(np.concatenate([labels["actions"] for _, labels, _ in clips]), minlength=3)
    assert taken.min() > 0.15 * taken.sum()


def test_a_game_can_be_played_again(game, clips):
    """A clip depends on its seed alone, not on what was played before."""
    game.reset()
    frames, labels, words = breakout.clip(game, np.random.default_rng(0))
    np.testing.assert_array_equal(np.stack(frames), np.stack(clips[0][0]))
    np.testing.assert_array_equal(labels["actions"], clips[0][1]["actions"])
    assert words == clips[0][2]


def test_the_near_player_obeys(rallies):
    for frames, labels, _ in rallies:
        assert len(frames) == tennis.FRAMES and frames[0].shape == (64, 96, 3)
        assert tennis.obeyed(labels) >= tennis.OBEYED
        assert np.abs(np.diff(labels["player"], axis=0)).max() <= tennis.JUMP


def test_the_near_player_is_where_it_is_said_to_be(rallies):
    apart = []
    for frames, labels, _ in rallies:
        for frame, place in zip(frames, labels["player"]):
            red, green, blue = frame.astype(int).transpose(2, 0, 1)
            orange = (red > green + 60) & (red > blue + 60)
            x, y = pixels(place, (96, 64))
            rows, columns = np.nonzero(orange)
            near = (np.abs(columns - x) < 9) & (np.abs(rows - y) < 12)
            middle = [(listed.min() + listed.max()) / 2 for listed in (columns[near], rows[near])]
            apart.append((middle[0] - x, middle[1] - y))
    assert (np.abs(np.mean(apart, axis=0)) < 1).all()  # the racket is on either side


def test_a_rally_without_obedience_gives_up_with_a_sentence(court, monkeypatch):
    monkeypatch.setattr(tennis, "PATIENCE", 30)
    monkeypatch.setattr(tennis, "OBEYED", 1.1)
    court.reset()
    with pytest.raises(AidagenError, match="obeyed nowhere in 30 steps"):
        tennis.clip(court, np.random.default_rng(0))


def test_obedience_counts_the_steps_that_send_somewhere():
    player = np.array([[0, 0], [0.1, 0], [0.1, 0], [0.1, -0.1]], np.float32)
    labels = {"player": player, "actions": np.array([2, 0, 3, 0], np.uint8)}  # right, stay, left
    assert tennis.obeyed(labels) == 0.5
    labels["player"][3] = 0.9  # put elsewhere, as after a point
    assert tennis.obeyed(labels) == 0


def test_without_the_emulator_a_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(AidagenError, match=r"pip install aidagen\[lab\]"):
        breakout.make(tmp_path / "set", clips=1, progress=False)
    assert not (tmp_path / "set").exists()


def test_a_small_set_is_made_and_goes_on(tmp_path):
    few = breakout.make(tmp_path, clips=2, progress=False)
    more = breakout.make(tmp_path, clips=4, progress=False)
    assert (len(few.clips("test")), len(more.clips("test")), len(more.clips("val"))) == (2, 3, 1)
    assert more.clips("test")[0].entry["sha256"] == few.clips("test")[0].entry["sha256"]
    assert not more.redistributable and more.info["actions"] == ["stay", "left", "right"]
    clip = more.clips("test")[0]
    assert clip.frames().shape == (breakout.FRAMES, 3, 64, 64)
    assert clip.labels()["paddle"].shape == (breakout.FRAMES, 2)


def test_a_point_of_the_screen_in_the_picture(game):
    left, top, right, bottom = game.SCREEN
    middle = game.seen((left + right) / 2, (top + bottom) / 2)
    np.testing.assert_allclose(middle, 0, atol=1e-9)
    half = (right - left) / 64 / 2  # the centre of the first pixel
    np.testing.assert_allclose(game.seen(left + half, top + half), -1, atol=1e-9)


def test_moments_are_gathered_by_name():
    moments = [("a", {"x": np.array([0.0, 1.0])}, 2), ("b", {"x": np.array([1.0, 1.0])}, 0)]
    images, labels = atari.gathered(moments)
    assert images == ["a", "b"] and labels["x"].shape == (2, 2)
    assert labels["actions"].tolist() == [2, 0]


@pytest.mark.parametrize("name", ["breakout", "tennis", "robot"])
def test_a_model_takes_its_first_steps(name, tmp_path, monkeypatch):
    if name != "robot":  # which ships
        module = {"breakout": breakout, "tennis": tennis}[name]
        few = module.make(tmp_path, clips=6, progress=False)
        monkeypatch.setattr(module, "load", lambda: few)
    recipe = replace(recipes.find(f"playable-{name}-64"), steps=3)
    objective = recipe.system.objective(recipe.config, recipe.weights)
    history = training.fit(objective, recipe)
    assert [set(entry) >= {"pixels", "states"} for entry in history] == [True] * 3
    assert all(math.isfinite(entry["pixels"]) for entry in history)
