"""Where paddle and player are seen, in made-up pictures and in the games, whose memory knows."""

import numpy as np
import pytest
import torch

from aidagen import datasets
from aidagen.evaluation import game_objects, games
from aidagen.evaluation.game_objects import PADDLE, PLAYER, find


def field(look, height=64, width=64):
    ground = torch.tensor(look.ground) / 255
    return ground[:, None, None].expand(3, height, width).clone()


def with_paddle(x, share=1.0):
    """A paddle of seven pixels by one and a half, from column ``x`` on."""
    picture, colour = field(PADDLE), torch.tensor(PADDLE.colour)[:, None, None] / 255
    picture[:, 61:62, x : x + 7] = share * colour
    picture[:, 62:63, x : x + 7] = 0.5 * share * colour
    return picture


def test_a_paddle_and_none():
    pictures = torch.stack([with_paddle(0), with_paddle(30), with_paddle(57), field(PADDLE)])
    found = find(pictures, PADDLE)
    np.testing.assert_allclose(found[:3, 0], [3, 33, 60], atol=1e-4)
    np.testing.assert_allclose(found[:3, 1], 61 + 1 / 3, atol=1e-4)
    assert np.isnan(found[3]).all()


def test_half_a_paddle_is_the_limit():
    found = find(torch.stack([with_paddle(20, 0.7), with_paddle(20, 0.3)]), PADDLE)
    assert found[0, 0] == pytest.approx(23, abs=1e-4) and np.isnan(found[1]).all()


def test_bricks_and_balls_are_no_paddles():
    picture = field(PADDLE)
    picture[:, 2:6] = torch.tensor(PADDLE.colour)[:, None, None] / 255  # red bricks
    picture[:, 61:63, 10] = torch.tensor(PADDLE.colour)[:, None] / 255  # a ball behind the paddle
    assert np.isnan(find(picture[None], PADDLE)).all()
    both = with_paddle(40)
    both[:, 61:63, 10] = torch.tensor(PADDLE.colour)[:, None] / 255
    assert find(both[None], PADDLE)[0, 0] == pytest.approx(43, abs=1e-4)


def test_a_white_line_is_nothing_of_a_pink_player():
    court = field(PLAYER, 64, 96)
    court[:, 30:33] = 214 / 255
    assert game_objects.colour_share(court[None], PLAYER).max() < 0.05


def seen(data, split, count):
    """Detected and true places of frames of a game, (N, 2) each."""
    game = games.GAMES[data]
    filmed = [games.film(clip, game) for clip in datasets.load(data).clips(split)[:count]]
    frames = torch.cat([one.frames for one in filmed])
    return find(frames, game.look), np.concatenate([one.places for one in filmed]), filmed


def test_the_paddle_is_where_the_memory_says():
    pytest.importorskip("ale_py")
    found, true, _ = seen("breakout", "test", 12)
    apart = np.linalg.norm(found - true, axis=1)
    assert np.isfinite(apart).all()
    assert np.median(apart) < 0.12 and apart.max() < 1.6
    whole = (true[:, 0] > 4) & (true[:, 0] < 59)  # the rest sticks out of the picture
    assert whole.mean() > 0.8 and apart[whole].max() < 0.5


def test_the_players_body_is_where_the_memory_says():
    """Beside the centre of the sprite, away from the racket: on one side, or on the other."""
    pytest.importorskip("ale_py")
    found, true, filmed = seen("tennis", "test", 8)
    apart = found - true
    assert np.isfinite(apart).all()
    right = apart[:, 0] > 0
    for side in (right, ~right):
        beside = np.median(apart[side], 0)
        assert 1.5 < abs(beside[0]) < 3 and -2 < beside[1] < -1  # y is down
        spread = np.linalg.norm(apart[side] - beside, axis=1)
        assert np.median(spread) < 0.6 and np.quantile(spread, 0.9) < 1.3
    # from one frame to the next it moves as the player does
    moved = [np.diff(x.reshape(len(filmed), -1, 2), axis=1) for x in (found, true)]
    wrong = np.linalg.norm(moved[0] - moved[1], axis=-1)
    assert np.median(wrong) < 0.6
    assert (wrong > 3).mean() < 0.1  # the racket changes sides
