"""Does a button do the same wherever it is pressed?

Each action is pressed for a few steps from many real frames, and where the object goes is seen in
what is painted: its displacement, by `game_objects`. An action keeps its meaning if the object
moves into the class of movement that the action stands for.

    pressed = press(model, [film(clip, game) for clip in clips], game.look)
    for effect in effects(pressed):
        print(effect.action, effect.mean, effect.spread)

A wall may be in the way: `room` says which starts leave room for what an action should do. These
are other starts for each action; so whoever presses anything in its place scores a little above
chance, for at a wall the object stays whatever is pressed.

Letters: S starts, K actions, C classes of movement.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import nn

from aidagen.evaluation.game_objects import Look, find
from aidagen.evaluation.games import Filmed, Game
from aidagen.evaluation.painted_games import play

HELD = 3  # steps for which an action is held
EVERY = 8  # frames of a clip from one start to the next


class Pressed(NamedTuple):
    """Where the object went, from each start with each action."""

    moved: Float[np.ndarray, "S K 2"]  # pixels in a step, the mean of all; NaN: it is not found
    places: Float[np.ndarray, "S 2"]  # where it really is at the start
    clips: Int[np.ndarray, " S"]  # numbers of the clips that the starts are from
    lowest: Float[np.ndarray, "2"]  # x and y, of all places in these clips
    highest: Float[np.ndarray, "2"]
    held: int


class Effect(NamedTuple):
    """What one action does."""

    action: int
    mean: Float[np.ndarray, "2"]  # pixels in a step, (x, y), y down; over the starts
    spread: Float[np.ndarray, "2"]  # standard deviation over the starts
    starts: int  # after which the object is found
    found: float  # their share of all starts


def press(
    model: nn.Module, clips: Sequence[Filmed], look: Look, held: int = HELD, every: int = EVERY
) -> Pressed:
    """Press each action for ``held`` steps, from every ``every``-th frame of the clips on."""
    actions = model.config.actions
    starts = torch.cat([clip.frames[::every] for clip in clips])  # (S, 3, H, W)
    places = [clip.places[::every] for clip in clips]
    numbers = np.repeat(np.arange(len(clips)), [len(of_clip) for of_clip in places])
    before, moved = find(starts, look), []
    for action in range(actions):
        told = np.full((len(starts), held), action)
        after = find(play(model, starts, told)[:, -1], look)
        moved.append((after - before) / held)
    everywhere = np.concatenate([clip.places for clip in clips])
    return Pressed(np.stack(moved, 1), np.concatenate(places), numbers,
                   everywhere.min(0), everywhere.max(0), held)  # fmt: skip


def effects(pressed: Pressed, counted: Bool[np.ndarray, "S K"] | None = None) -> list[Effect]:
    """What each action does from the starts that are ``counted`` (all, or those with `room`); NaN
    where the object is never found."""
    listed = []
    for action, moved in enumerate(pressed.moved.swapaxes(0, 1)):
        if counted is not None:
            moved = moved[counted[:, action]]
        seen = moved[np.isfinite(moved).all(-1)]
        none = np.full(2, np.nan)
        mean, spread = (seen.mean(0), seen.std(0)) if len(seen) else (none, none)
        share = len(seen) / len(moved) if len(moved) else 0.0
        listed.append(Effect(action, mean, spread, len(seen), share))
    return listed


def outcomes(pressed: Pressed, game: Game) -> Int[np.ndarray, "S K"]:
    """The class of movement that came of each press; C where the object is not found."""
    flat = pressed.moved.reshape(-1, 2)
    found = np.isfinite(flat).all(-1)
    classes = np.full(len(flat), len(game.names))
    classes[found] = game.classes(flat[found], game.least)
    return classes.reshape(pressed.moved.shape[:2])


def ways(
    assigned: Int[np.ndarray, " K"], moved: Float[np.ndarray, "N 2"], true: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "K 2"]:
    """How each action should move the object: the mean displacement (pixels in a step) of the true
    steps of the class that it stands for; 0 where there are none."""
    return np.array([moved[true == c].mean(0) if (true == c).any() else (0.0, 0.0)
                     for c in assigned])  # fmt: skip


def room(pressed: Pressed, wanted: Float[np.ndarray, "K 2"]) -> Bool[np.ndarray, "S K"]:
    """Whether the object could go where it should (`ways`, of each action) for as long as the
    action is held, and stay in the region in which it was ever seen, give or take half a pixel."""
    ends = pressed.places[:, None] + pressed.held * wanted  # (S, K, 2)
    return ((ends >= pressed.lowest - 0.5) & (ends <= pressed.highest + 0.5)).all(-1)
