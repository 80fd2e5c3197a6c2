"""Lecture 07's models and clips, chosen by rules that were fixed before anybody looked.

Clips are the first ones of the test split, which no model has seen. A clip is *replayed* from its
first frame with the actions that the model sees in it, and no variability; its error is the mean
squared difference from the true frames over the pixels that change in the true clip. The showcase
begins with the clip of median error (of an even number, the lower of the two in the middle); the
failures show this one and the worst. Nobody chose a clip by hand.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from aidagen import datasets, pixels, zoo
from aidagen.datasets.layout import Clip
from aidagen.evaluation import games, movements
from aidagen.evaluation.game_objects import PADDLE, find
from aidagen.evaluation.painted_games import paint
from aidagen.models.playable import Encoded
from aidagen.models.playable.actions import one_hot
from aidagen.widgets.worlds import PlayWorld, shipped

REPLAYED = 12  # steps of a replayed clip
CHANGED = 0.1  # in [0, 1]: a pixel that differs by more has changed


class Game(NamedTuple):
    """A world of the lecture, and its model."""

    title: str
    weights: str
    thing: str  # that the actions move
    judged: games.Game  # how it moves, by the labels that no model was shown


GAMES = {
    data: Game(data.capitalize(), f"playable-{data}-64", thing, games.GAMES[data])
    for data, thing in (("breakout", "paddle"), ("tennis", "player"))
}
ROBOT = Game("Robot arm", "playable-robot-64", "arm", games.GAMES["robot"])  # not a game: a scene
WORLDS = GAMES | {"robot": ROBOT}
SECOND = "playable-breakout-64-fine"  # Breakout's model, trained on: variability in half the clips


class Steps(NamedTuple):
    """The steps of one clip: what the model sees in them, and what moved."""

    poses: Float[Tensor, "T D"]  # in units of a normalised direction
    directions: Float[Tensor, "t D"]  # from each pose to the next one
    actions: Int[Tensor, " t"]
    moved: Float[Tensor, "t 2"]  # pixels, (x, y)
    true: Int[Tensor, " t"]  # the class of the movement


class Replayed(NamedTuple):
    """Clips that were painted from their first frames."""

    true: Float[Tensor, "N T 3 H W"]
    made: Float[Tensor, "N t 3 H W"]
    error: Float[Tensor, " N"]

    @property
    def median(self) -> int:
        """The clip of median error."""
        return int(self.error.argsort(stable=True)[(len(self.error) - 1) // 2])

    @property
    def worst(self) -> int:
        """The clip of the largest error."""
        return int(self.error.argmax())


@cache
def opened(weights: str) -> nn.Module:
    """A model by name, without gradients, on the CPU."""
    return zoo.load(weights, "cpu").requires_grad_(False)


def model(data: str) -> nn.Module:
    """The model of a world."""
    return opened(WORLDS[data].weights)


@cache
def clips(data: str, count: int, split: str = "test") -> list[Clip]:
    """The first ``count`` clips of a split."""
    return datasets.load(data).clips(split)[:count]


@cache
def frames(data: str, number: int, split: str = "test") -> Float[Tensor, "T 3 H W"]:
    """The frames of a clip by its number, at the rate of its model; do not change them."""
    clip = clips(data, number + 1, split)[number]
    return pixels.as_floats(clip.frames(step=WORLDS[data].judged.stride))


@cache
def encoded(data: str, number: int, split: str = "test") -> Encoded:
    """What the model's representation network makes of all frames of a clip."""
    with torch.no_grad():
        return model(data).encode(model(data).observe(frames(data, number, split)[None]))


def unit(data: str) -> tuple[Float[Tensor, " D"], Float[Tensor, " D"]]:
    """What a direction is normalised by: its mean and its deviation."""
    norm = model(data).action_network[0].normal
    if norm is None:
        size = model(data).config.dimensions
        return torch.zeros(size), torch.ones(size)
    return norm.running_mean, (norm.running_var + norm.eps).sqrt()


def centroids(data: str) -> Float[Tensor, "K D"]:
    """Where the actions lie among the directions of `Steps`, whose mean is not subtracted."""
    mean, deviation = unit(data)
    return model(data).centroids + mean / deviation


@cache
def steps(data: str, count: int, split: str = "test") -> list[Steps]:
    """The steps of the first ``count`` clips."""
    found, game = [], WORLDS[data].judged
    for number, clip in enumerate(clips(data, count, split)):
        seen = encoded(data, number, split)
        with torch.no_grad():
            actions = model(data).find_actions(seen, len(seen.state))
        poses = actions.poses.mean[0] / unit(data)[1]
        went = games.film(clip, game).moved
        found.append(Steps(
            poses, poses[1:] - poses[:-1], actions.logits[0].argmax(-1),
            torch.from_numpy(went).float(), torch.from_numpy(game.classes(went, game.least)),
        ))  # fmt: skip
    return found


def joined(listed: list[Steps]) -> Steps:
    """All steps in one; poses are those that a step begins with."""
    cut = [one._replace(poses=one.poses[:-1]) for one in listed]
    return Steps(*(torch.cat(x) for x in zip(*cut)))


@cache
def words(data: str, count: int = 6) -> tuple[str, ...]:
    """What each action stands for, by the best assignment on validation clips; "?" for none."""
    seen, game = joined(steps(data, count, "val")), WORLDS[data].judged
    actions = model(data).config.actions
    table = movements.counts(seen.actions.numpy(), seen.true.numpy(), actions, len(game.names))
    return tuple("?" if c < 0 else game.names[c] for c in movements.assignment(table))


def world(data: str) -> PlayWorld:
    """The world to play in, with the words that its actions have in the lecture; Breakout by the
    model of the second stage, whose pictures are clearer and whose actions are the same."""
    named = ({"stayed": "stay", "?": ""}.get(word, word) for word in words(data))
    return shipped(SECOND if data == "breakout" else WORLDS[data].weights, tuple(named))


# --- playing -------------------------------------------------------------------------------------


def pressed(
    model: nn.Module, first: Float[Tensor, "3 H W"], steps: int
) -> Float[Tensor, "K t 3 H W"]:
    """Each action, held for some steps from the same frame."""
    actions = model.config.actions
    told = one_hot(torch.arange(actions), actions)[:, None].expand(-1, steps, -1)
    return paint(model, first.expand(actions, -1, -1, -1), told)


@cache
def replayed(data: str, count: int) -> Replayed:
    """The first ``count`` clips, each from its first frame."""
    listed = [frames(data, number)[: REPLAYED + 1] for number in range(count)]
    true = torch.stack(listed)
    taken = torch.stack([one.actions[:REPLAYED] for one in steps(data, count)])
    made = paint(model(data), true[:, 0], one_hot(taken, model(data).config.actions))
    there = (true.amax(1) - true.amin(1)).amax(1) > CHANGED  # (N, H, W)
    apart = (made - true[:, 1:]).square().mean((1, 2))  # (N, H, W)
    error = (apart * there).sum((1, 2)) / there.sum((1, 2)).clamp(min=1)
    return Replayed(true, made, error)


def start(data: str, count: int) -> Float[Tensor, "3 H W"]:
    """The first frame of the clip of median error."""
    found = replayed(data, count)
    return found.true[found.median, 0]


def paddle(pictures: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
    """Where the paddle of Breakout is, true or painted, in pixels from the left; NaN if nowhere."""
    return torch.from_numpy(find(pictures, PADDLE)[:, 0]).float()
