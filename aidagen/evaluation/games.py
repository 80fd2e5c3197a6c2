"""What is known of the games of playable video, and was not shown to any model.

`film` reads a clip: its frames, where the object is that the actions move, and what was pressed.

Letters: T frames of a clip, N = T - 1 steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from aidagen.datasets.layout import Clip
from aidagen.evaluation import movements
from aidagen.evaluation.game_objects import PADDLE, PLAYER, Look
from aidagen.evaluation.sheets import EvaluationError
from aidagen.pixels import as_floats


class Game(NamedTuple):
    """What the actions of a game move, and what counts as a movement."""

    label: str  # of what the actions move, (T, 2) in [-1, 1]
    classes: Callable[[np.ndarray, float], np.ndarray]
    names: tuple[str, ...]
    least: float  # pixels that count as a movement, about half of the smallest one
    look: Look | None = None  # how it is found in pictures; None: it is not
    joint: int | None = None  # which one, where the label is of several, (T, J, 2)
    stride: int = 1  # frames of the set from one frame to the next


GAMES = {
    "breakout": Game("paddle", movements.sideways, movements.SIDEWAYS, 2.0, PADDLE),
    "tennis": Game("player", movements.compass, movements.COMPASS, 1.0, PLAYER),
    # the gripper; arm and light are of another colour in every scene: nothing finds it by a rule
    "robot": Game("joints", movements.compass, movements.COMPASS, 1.5, joint=3, stride=3),
}


class Filmed(NamedTuple):
    """One clip, and what is known of it."""

    frames: Float[Tensor, "T 3 H W"]
    places: Float[np.ndarray, "T 2"]  # (x, y) in pixels from the centre of the first one
    pressed: Int[np.ndarray, " N"] | None  # the true actions, where they are numbers

    @property
    def moved(self) -> Float[np.ndarray, "N 2"]:
        """Displacements, in pixels."""
        return np.diff(self.places, axis=0)


def film(clip: Clip, game: Game) -> Filmed:
    """A clip and what moved in it. Raises ``EvaluationError`` where the clip does not say."""
    labels = clip.labels()
    if game.label not in labels:
        raise EvaluationError(
            f"{clip} has no label {game.label!r}, which says what its actions move; make the data "
            "set again."
        )
    frames = as_floats(clip.frames(step=game.stride))
    seen = labels[game.label][:: game.stride].astype(float)
    if game.joint is not None:
        seen = seen[:, game.joint]
    places = (seen + 1) * (np.array(frames.shape[-1:-3:-1]) - 1) / 2
    pressed = labels.get("actions")
    if game.stride > 1 or pressed is None or pressed.ndim > 1:
        return Filmed(frames, places, None)
    return Filmed(frames, places, pressed[:-1].astype(int))
