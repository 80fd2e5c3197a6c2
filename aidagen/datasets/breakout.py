"""breakout: somebody plays, and nobody says what is pressed; a stand-in for CADDY's Breakout set.

    clips = load().clips("train")
    clips[0].frames(), clips[0].labels()

240 clips (192 train, 12 val, 36 test) of 32 frames at 15 frames per second, 64 x 64: the field
between the walls, from the bricks down to the paddle. Played on first use (`datasets.atari`).

In half of all steps the action is drawn anew, right after the frame, so what comes cannot be read
from what was. In the other half it is kept ("wander"), or goes after the ball ("track"). Nobody
presses on where a wall holds the paddle.

``labels()`` of a clip holds, for its T = 32 frames:

    actions  (T,)    of ``info["actions"]``; ``actions[t]`` is held between frames t and t + 1
    paddle   (T, 2)  its centre, (x, y) in [-1, 1], align_corners=True
    ball     (T, 2)  NaN while there is none

The paddle has inertia: pressed for one step from rest it moves some 5 pixels of the picture, in
each further step 10, and in the step after the button was let go 4 or 5 more.
"""

from pathlib import Path

import numpy as np

from aidagen.datasets import atari
from aidagen.datasets.layout import ClipSet

VERSION = "1"
FRAMES = 32
STAY, LEFT, RIGHT = range(3)
MARGIN = 14  # pixels of the screen between paddle and wall, where nobody presses on


class Breakout(atari.Console):
    """The paddle goes left or right; a new ball is served when there is none."""

    NAME = "breakout"
    SCREEN = (8, 52, 152, 196)
    ACTIONS = ("stay", "left", "right")
    SKIP = 4
    _NOTHING, _FIRE = 0, 1
    _CODES = (_NOTHING, 4, 3)

    def code(self, action: int, first: bool) -> int:
        return self._FIRE if first and not self.byte(101) else self._CODES[action]

    @property
    def paddle(self) -> float:
        """Its centre, in pixels of the screen from the left."""
        return self.byte(72) - 47 + 8

    @property
    def ball(self) -> tuple[float, float]:
        """Its centre on the screen; NaN while there is none."""
        x, y = self.byte(99), self.byte(101)
        return (x - 48.0, y + 11.0) if y else (np.nan, np.nan)

    def places(self):
        return {"paddle": self.seen(self.paddle, 191.0), "ball": self.seen(*self.ball)}


class Player:
    """Half of all actions are random; the others go on, or go after the ball."""

    def __init__(self, rng: np.random.Generator, kind: str):
        self.rng, self.kind, self.action = rng, kind, STAY

    def __call__(self, game: Breakout) -> int:
        if self.rng.random() < 0.5:
            self.action = int(self.rng.integers(3))
        elif self.kind == "track" and not np.isnan(game.ball[0]):
            apart = game.ball[0] - game.paddle
            self.action = STAY if abs(apart) < 6 else LEFT if apart < 0 else RIGHT
        left, _, right, _ = game.SCREEN
        if self.action == LEFT and game.paddle - 8 - left < MARGIN:
            self.action = int(self.rng.choice([STAY, RIGHT]))
        if self.action == RIGHT and right - game.paddle - 8 < MARGIN:
            self.action = int(self.rng.choice([STAY, LEFT]))
        return self.action


def clip(game: Breakout, rng: np.random.Generator) -> tuple[list, dict, dict]:
    """Frames, labels and words of a clip that begins somewhere in a game."""
    kind = str(rng.choice(["wander", "track"]))
    atari.record(game, Player(rng, "track"), int(rng.integers(8, 120)), pictures=False)
    frames, labels = atari.record(game, Player(rng, kind), FRAMES)
    return frames, labels, {"policy": kind}


def load(size: int = 64) -> ClipSet:
    """The set in the user's cache, frames ``size`` pixels high; played on first use, in a minute.

    Raises ``AidagenError`` where the emulator is missing.
    """
    return atari.cached(
        "breakout", lambda root: make(root, size=size, progress=False), VERSION, size
    )


def make(
    root: str | Path, clips: int = 240, size: int = 64, seed: int = 0, progress: bool = True
) -> ClipSet:
    """Play the set into ``root``; clips that are finished there are kept (`rendered.make`)."""
    return atari.make(
        root, Breakout, clip, version=VERSION, about="Breakout (Atari, 1978)",
        clips=clips, size=size, seed=seed, progress=progress,
    )  # fmt: skip
