"""Lecture 07's tests of components inside the shipped models, over test clips.

* `tell`: how much of what moved the directions tell, whole, and with a piece of the action network
  taken away;
* `listen`: how far painted frames are from the true ones when the dynamics are told the action that
  was seen, or another one;
* `same_meaning`: what an action does from different first frames; `sweep`: what lies between two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from aidagen.datasets.breakout import Breakout
from aidagen.evaluation import movements, obedience
from aidagen.evaluation.game_objects import PADDLE
from aidagen.evaluation.games import film
from aidagen.evaluation.painted_games import paint
from aidagen.lectures.playable_video import showcase
from aidagen.metrics import Interval, interval, mean_of, of_set
from aidagen.models.playable import Encoded

PIECES = ("all of it", "even attention", "without appearance", "without places")


@contextmanager
def _without(layer: torch.nn.Linear) -> Iterator[None]:
    """A linear layer that says the same of everything."""
    kept = layer.weight.data.clone()
    layer.weight.data.zero_()
    try:
        yield
    finally:
        layer.weight.data.copy_(kept)


@torch.no_grad()
def _poses(data: str, seen: Encoded, piece: str) -> Float[Tensor, "T D"]:
    """The poses of a clip's frames, with a piece of the action network taken away."""
    network = showcase.model(data).action_network[0]
    if piece == "even attention":
        level = seen.attention.mean((2, 3), keepdim=True)
        return network.poses(seen._replace(attention=level.expand_as(seen.attention))).mean
    if piece == "all of it":
        return network.poses(seen).mean
    layer = network.mean_fc if piece == "without appearance" else network.place_fc
    with _without(layer):
        return network.poses(seen).mean


def explained(told: Float[np.ndarray, "N D"], moved: Float[np.ndarray, "N 2"]) -> float:
    """The share of the displacements' variance that a linear map of the directions explains."""
    whole = moved.var(0).sum()
    given = np.concatenate([told, np.ones((len(told), 1))], 1)
    rest = moved - given @ np.linalg.lstsq(given, moved, rcond=None)[0]
    return float(1 - rest.var(0).sum() / whole) if whole > 0 else float("nan")


def tell(data: str, count: int, draws: int = 200) -> dict[str, Interval]:
    """`explained` for each of `PIECES`, with intervals from ``draws`` of the clips."""
    moved = [one.moved.numpy() for one in showcase.steps(data, count)]
    found = {}
    for piece in PIECES:
        poses = [_poses(data, showcase.encoded(data, n), piece) for n in range(count)]
        told = [x.diff(dim=0).numpy() for x in poses]

        def number(chosen: tuple[int, ...], told: list = told) -> float:
            pick = list(chosen)
            return explained(np.concatenate([told[i] for i in pick]),
                             np.concatenate([moved[i] for i in pick]))  # fmt: skip

        found[piece] = interval(of_set(count, number, draws=draws, centred=False))
    return found


class Heard(NamedTuple):
    """Errors of painted frames where something changed, as shares of those of the last frame."""

    seen: Interval  # told the action that was seen in the true frames
    other: Interval  # told another one
    varied: Interval  # told the action that was seen and its variability


@cache
@torch.no_grad()
def listen(data: str, count: int, steps: int = 6) -> Heard:
    """One step ahead from real frames; pixels that differ from the last true frame count."""
    model = showcase.model(data)
    true = torch.stack([showcase.frames(data, n)[: steps + 1] for n in range(count)])
    there = ((true[:, 1:] - true[:, :-1]).abs().amax(2, keepdim=True) > showcase.CHANGED).float()

    def error(made: Tensor) -> Tensor:
        return ((made - true[:, 1:]).square() * there).sum((1, 2, 3, 4))

    def turned(found):
        action, rest = model.greedy(found)
        return action.roll(1, dims=-1), rest

    def varied(found):
        return model.explained(found, model.greedy(found)[0])

    copied = error(true[:, :-1])
    shares = [error(model.rollout(true, steps + 1, choice).image) / copied
              for choice in (None, turned, varied)]  # fmt: skip
    return Heard(*(interval(mean_of(share.tolist())) for share in shares))


class Meaning(NamedTuple):
    """What each action of Breakout does from N first frames."""

    places: Float[Tensor, " N"]  # of the paddle, in pixels
    went: Float[Tensor, "K N"]  # pixels to the right


def same_meaning(count: int, steps: int = 2) -> Meaning:
    """From every 16th frame of the first ``count`` clips, as the table `playable` measures it."""
    listed = [film(clip, showcase.GAMES["breakout"].judged)
              for clip in showcase.clips("breakout", count)]  # fmt: skip
    found = obedience.press(showcase.model("breakout"), listed, PADDLE, held=steps, every=16)
    went = torch.from_numpy(steps * found.moved[..., 0].T).float()
    return Meaning(torch.from_numpy(found.places[:, 0]).float(), went)


def middles(count: int) -> Float[Tensor, "N 3 64 64"]:
    """Frame 16 of each of the first ``count`` test clips of Breakout."""
    return torch.stack([showcase.frames("breakout", n)[16] for n in range(count)])


class Sweep(NamedTuple):
    """What points of the action space do, from the leftmost centroid to the rightmost."""

    points: Float[Tensor, " P"]
    nearest: list[int]  # the action that is told with the rest as its variability
    went: Float[Tensor, "P N"]  # pixels to the right
    centroids: list[float]


def sweep(count: int, weights: str = "", points: int = 13, steps: int = 2) -> Sweep:
    """Points of Breakout's action space, told as eq. (6) says, from the frames of `middles`; by the
    model of the first stage, or by that of other ``weights``."""
    model = showcase.opened(weights) if weights else showcase.model("breakout")
    first = middles(count)
    ends = model.centroids[:, 0]
    asked = torch.linspace(float(ends.min()), float(ends.max()), points)
    nearest, went = [], []
    for point in asked:
        action, rest = model.at(point[None])
        nearest.append(int(action.argmax()))
        told = action.expand(count, steps, -1), rest.expand(count, steps, -1)
        made = paint(model, first, *told)
        went.append(showcase.paddle(made[:, -1]) - showcase.paddle(first))
    return Sweep(asked, nearest, torch.stack(went), ends.tolist())


def steady(found: Sweep, slack: float = 3.0) -> bool:
    """Whether the paddle goes farther to the right with every point, but for ``slack`` pixels."""
    return bool((found.went.nanmean(1).diff() > -slack).all())


def said_of(found: Sweep) -> str:
    """What lies between the actions."""
    mean = found.went.nanmean(1)
    back = int((mean.diff() <= -3.0).sum())
    if steady(found):
        return "the paddle goes **little by little** from left to right: movements lie between."
    return (f"the paddle jumps back **{back} time{'s' if back > 1 else ''}** on the way from left "
            f"to right, by up to {-float(mean.diff().min()):.0f} pixels: nothing lies *between* "
            "the actions.")  # fmt: skip


def buttons(count: int) -> str:
    """How well Breakout's true buttons agree with the movements, and with the actions found."""
    listed, clips = showcase.steps("breakout", count), showcase.clips("breakout", count)
    found, moved = (torch.cat([getattr(one, key) for one in listed]).numpy()
                    for key in ("actions", "true"))  # fmt: skip
    order = [movements.SIDEWAYS.index({"stay": "stayed"}.get(name, name))
             for name in Breakout.ACTIONS]  # fmt: skip
    pressed = np.concatenate([np.array(order)[clip.labels()["actions"][:-1]] for clip in clips])

    def kappa(a: np.ndarray, b: np.ndarray) -> float:
        table = movements.counts(a, b, 3, 3)
        return movements.kappa(table, movements.assignment(table))

    ours = f"**{kappa(found, moved):.2f}**, and with the buttons **{kappa(found, pressed):.2f}**"
    return (f"For comparison, on {count} clips: the *true buttons* agree with the movements with a "
            f"kappa of **{kappa(pressed, moved):.2f}**; the model's actions with the movements "
            f"{ours}.")  # fmt: skip
