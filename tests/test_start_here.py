"""Lecture 00's figures: the film's clip is the median one, the portrait follows it."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from aidagen import zoo
from aidagen.lectures.start_here import figures
from aidagen.lectures.start_here.exercises import pixel_of

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def model():
    return zoo.load(figures.MODEL, device="cpu")


@pytest.fixture(scope="module")
def film(model):
    """Driving frames of the film and what the model makes of them, every fourth."""
    clip = figures.median_driver()
    rest = figures.frontal(clip)
    frames, made = figures.driven(model, figures.portrait(), clip, rest)
    return clip, rest, frames, made


def test_the_film_shows_the_median_driver():
    people = figures.people()
    turns = {clip.name: figures.turn(clip, figures.frontal(clip)) for clip in people}
    shown = turns[figures.median_driver().name]
    assert sum(turn < shown for turn in turns.values()) == 11
    assert sum(turn > shown for turn in turns.values()) == 12
    assert len(turns) == 24


def test_the_failure_is_the_farthest_turn_there_is():
    chosen = figures.farthest_turn()
    pose = chosen.labels()["pose"].astype(float)
    farthest = max(np.linalg.norm(pose - pose[0], axis=1))
    assert farthest == max(figures.turn(clip, 0) for clip in figures.people())
    assert farthest > 2 * figures.turn(figures.median_driver(), 0)


def test_nobody_in_the_film_was_trained_on():
    assert {clip.split for clip in figures.people()} == {"test"}


@pytest.mark.parametrize("rest", [0, 1, 5])
def test_the_film_repeats_without_a_jump(rest):
    order = figures.there_and_back(6, rest)
    assert order[0] == rest and set(order) == set(range(6))
    assert {abs(a - b) for a, b in zip(order, order[1:] + order[:1])} <= {0, 1}


def test_the_portrait_is_scikit_images_astronaut():
    data = pytest.importorskip("skimage.data")
    crop = torch.from_numpy(data.astronaut()[10:240, 110:340]).permute(2, 0, 1)
    assert torch.equal(figures.portrait(), crop)


def test_the_portrait_follows_the_driver(film, model):
    """The keypoints' middle goes the same way in the generated frames as in the driving ones."""
    _, rest, frames, made = film
    with torch.inference_mode():
        middles = [model.motion(each).points.mean(1) for each in (frames, made)]
    moves = torch.stack([(middle - middle[rest]).flatten() for middle in middles])
    assert float(torch.corrcoef(moves)[0, 1]) > 0.9
    assert float(moves[1].std() / moves[0].std()) == pytest.approx(1, abs=0.25)


def test_at_rest_the_portrait_is_itself(film):
    _, rest, _, made = film
    source = figures.animation.prepare(figures.portrait(), 128)
    assert float((made[rest] - source).abs().mean()) < 0.03


def test_the_film_starts_by_itself_unless_motion_is_unwelcome(film, model, monkeypatch):
    _, _, frames, made = film
    monkeypatch.setattr(figures, "driven", lambda *given: (frames, made))
    html = figures.moving_portrait(model)
    assert "prefers-reduced-motion" in html and "this.play()" in html
    assert re.search(r'aria-label="On the left a rendered head', html)


def test_dots_lie_where_the_learner_says(film):
    _, _, frames, _ = film
    points = torch.tensor([[0.0, 0.0], [0.5, -0.5]])
    right = figures.dots(frames[0], points, pixel_of)
    wrong = figures.dots(frames[0], points, lambda p, w, h: pixel_of(p, w, h).flip(-1))
    assert np.abs(np.asarray(right, float) - np.asarray(wrong, float)).max() > 100
    assert right.size == (480, 480)


def test_the_map_says_what_there_is():
    texts = {path.name[:2] for path in (ROOT / "course").glob("*.py")}
    open_ones = set(re.findall(r"^\| (\d\d) \|.*\| open \|$", figures.map_table(), re.M))
    assert open_ones == texts - {"00"}
    assert len(re.findall(r"^\| \d\d ", figures.map_table(), re.M)) == 10


def test_the_facts_about_training_are_the_cards(model):
    words = figures.training_facts(model, zoo.card(figures.MODEL))
    weights = sum(parameter.numel() for parameter in model.parameters())
    assert f"{weights / 1e6:.1f} million" in words
    assert f"{zoo.card(figures.MODEL)['recipe']['steps']:,} such steps" in words
