"""Buttons that do, or do not do, the same wherever they are pressed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from aidagen.evaluation import games, movements, obedience
from aidagen.evaluation.game_objects import PADDLE
from tests.test_game_objects import field, with_paddle

GAME = games.GAMES["breakout"]


class Engine(torch.nn.Module):
    """The paddle moves by 4 (action - 1) pixels; where ``mirrored``, the other way round."""

    config = SimpleNamespace(actions=3, dimensions=1)

    def __init__(self, mirrored=lambda x: False):
        super().__init__()
        self.mirrored = mirrored

    @property
    def dynamics_network(self):
        return self

    def begin(self, count):
        return None

    def observe(self, frames):
        return frames

    def representation_network(self, seen):
        return SimpleNamespace(state=seen)

    def forward(self, state, action, variation, memory):
        moved = []
        for picture, way in zip(state, (action.argmax(1) - 1).tolist()):
            lit = picture[0, 61].nonzero()
            if not len(lit):
                moved.append(picture)
                continue
            x = int(lit[0, 0])
            way = -way if self.mirrored(x) else way
            moved.append(with_paddle(min(max(x + 4 * way, 0), 57)))
        return torch.stack(moved), memory

    def rendering_network(self, hidden):
        return [hidden]


def filmed(*columns):
    frames = torch.stack([with_paddle(x) for x in columns])
    places = np.array([(x + 3, 61.3) for x in columns], float)
    return games.Filmed(frames, places, None)


CLIPS = [filmed(0, 10, 20, 28), filmed(30, 40, 57, 24)]
WAYS = np.array([(-4, 0), (0, 0), (4, 0)], float)


def pressed(engine, every=1):
    return obedience.press(engine, CLIPS, PADDLE, held=3, every=every)


def test_every_action_is_pressed_from_every_start():
    told = pressed(Engine(), every=2)
    assert told.clips.tolist() == [0, 0, 1, 1] and told.places[:, 0].tolist() == [3, 23, 33, 60]
    np.testing.assert_allclose(told.moved[1, :, 0], [-4, 0, 4], atol=1e-4)
    np.testing.assert_allclose(told.moved[1, :, 1], 0, atol=1e-4)


def test_walls():
    told = pressed(Engine())
    room = obedience.room(told, WAYS)  # twelve pixels to go
    assert room[:, 1].all()
    assert room[:, 0].tolist() == [False, False, True, True, True, True, True, True]
    assert room[:, 2].tolist() == [True] * 6 + [False, True]
    came = obedience.outcomes(told, GAME)
    assert (came == [0, 1, 2])[room].all()
    assert (came[0] == [1, 1, 2]).all() and not room[0, 0]  # the wall stops it


def test_an_action_that_changes_its_meaning():
    told = pressed(Engine(mirrored=lambda x: x >= 30))
    room, came = obedience.room(told, WAYS), obedience.outcomes(told, GAME)
    asked = np.broadcast_to(np.arange(3), came.shape)
    table = movements.counts(asked[room], came[room], 3, 4)
    assert movements.kappa(table, np.arange(3)) < 0.8
    left, stay, right = obedience.effects(told)
    assert stay.mean == pytest.approx((0, 0), abs=1e-4) and stay.spread.max() < 1e-4
    assert left.spread[0] > 2 and right.spread[0] > 2


def test_what_an_action_does():
    told = pressed(Engine())
    free = obedience.effects(told, obedience.room(told, WAYS))[0]
    assert free.mean == pytest.approx((-4, 0), abs=1e-4) and free.spread.max() < 1e-4
    assert free.found == 1 and free.starts == 6
    anywhere = obedience.effects(told)[0]
    assert -4 < anywhere.mean[0] < -2.5 and anywhere.spread[0] > 1 and anywhere.starts == 8


def test_how_actions_should_move_the_object():
    moved = np.array([(-4, 0), (-6, 0), (0, 0), (5, 1)], float)
    true = np.array([0, 0, 1, 2])
    ways = obedience.ways(np.array([2, 0, -1]), moved, true)
    np.testing.assert_array_equal(ways, [(5, 1), (-5, 0), (0, 0)])


def test_an_object_that_is_lost():
    engine = Engine()
    engine.rendering_network = lambda hidden: [field(PADDLE).expand_as(hidden)]
    told = pressed(engine)
    assert (obedience.outcomes(told, GAME) == len(GAME.names)).all()
    effect = obedience.effects(told)[0]
    assert effect.found == effect.starts == 0 and np.isnan(effect.mean).all()
