"""tennis: the near player is moved about, and nobody says how; a stand-in for CADDY's Tennis set.

    clips = load().clips("train")
    clips[0].frames(), clips[0].labels()

160 clips (128 train, 8 val, 24 test) of 24 frames at 12 frames per second, 96 x 64: the near half
of the court, as CADDY's matches are cropped. Played on first use (`datasets.atari`).

Between two points the game walks its players to their places, whatever is pressed; clips are cut
from rallies, in which the player goes where it is sent in at least 85 % of the steps that send it
somewhere. The racket is swung in every step. In half of the steps the direction is drawn anew,
right after the frame; in the other half it is kept ("wander"), or goes after the ball ("chase").

``labels()`` of a clip holds, for its T = 24 frames:

    actions  (T,)    of ``info["actions"]``; ``actions[t]`` is held between frames t and t + 1
    player   (T, 2)  the near player's centre, (x, y) in [-1, 1], align_corners=True
    ball     (T, 2)  NaN where it is not in the picture
"""

from pathlib import Path

import numpy as np

from aidagen.datasets import atari
from aidagen.datasets.layout import ClipSet
from aidagen.errors import AidagenError

VERSION = "1"
FRAMES = 24
OBEYED = 0.85
PATIENCE = 5000  # steps
JUMP = 0.25  # sides of the picture over 2; a step is 0.1
WAYS = np.array(  # of ACTIONS, on the screen: x to the right, y down
    [(0, 0), (0, -1), (1, 0), (-1, 0), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1)]
)


class Tennis(atari.Console):
    """The near player goes in eight directions, or stays."""

    NAME = "tennis"
    SCREEN = (8, 98, 152, 194)
    ACTIONS = ("stay", "up", "right", "left", "down", "up-right", "up-left", "down-right",
               "down-left")  # fmt: skip
    SKIP = 5
    _CODES = (0, 2, 3, 4, 5, 6, 7, 8, 9)
    _SWINGING = (1, 10, 11, 12, 13, 14, 15, 16, 17)

    def reset(self) -> None:
        """Begin the second game of a set: only then is the player that obeys the near one."""
        if not hasattr(self, "_second"):
            super().reset()
            while not self.near:
                for action in (self._SWINGING[0], self._CODES[0]):
                    self.game.act(action)
            self._second = self.game.cloneState()
        self.game.restoreState(self._second)

    def code(self, action: int, first: bool) -> int:
        return self._SWINGING[action] if first else self._CODES[action]

    @property
    def player(self) -> np.ndarray:
        """The near player's centre, in pixels of the screen."""
        return np.array([self.byte(27) + 6.0, 178.5 - self.byte(25)])

    @property
    def ball(self) -> np.ndarray:
        """The centre of the ball, which may be anywhere on the screen."""
        return np.array([self.byte(16) - 1.0, 191.0 - self.byte(54)])

    @property
    def near(self) -> bool:
        """Whether the player that obeys is the near one; ends are changed after odd games."""
        return self.byte(80) != 0

    def places(self):
        ball = self.seen(*self.ball)
        return {"player": self.seen(*self.player),
                "ball": ball if (np.abs(ball) <= 1).all() else np.full(2, np.nan)}  # fmt: skip


class Player:
    """Half of all directions are random; the others go on, or go after the ball."""

    def __init__(self, rng: np.random.Generator, kind: str):
        self.rng, self.kind, self.action = rng, kind, 0

    def __call__(self, game: Tennis) -> int:
        if self.rng.random() < 0.5:
            self.action = int(self.rng.integers(len(WAYS)))
        elif self.kind == "chase":
            apart = game.ball - game.player
            way = np.sign(apart) * (np.abs(apart) > 4)
            self.action = int(np.flatnonzero((WAYS == way).all(1))[0])
        return self.action


def clip(game: Tennis, rng: np.random.Generator) -> tuple[list, dict, dict]:
    """Frames, labels and words of the first stretch, from a random moment on, that is a rally."""
    kind = str(rng.choice(["wander", "chase"]))
    atari.record(game, Player(rng, "chase"), int(rng.integers(8, 150)), pictures=False)
    player, kept = Player(rng, kind), []
    for _ in range(PATIENCE):
        kept.append((game.picture(), game.places(), player(game)))
        if len(kept) >= FRAMES:
            images, labels = atari.gathered(kept[-FRAMES:])
            if obeyed(labels) >= OBEYED:
                return images, labels, {"policy": kind}
        game.press(kept[-1][2])
        if not game.near:
            game.reset()
            kept.clear()
    raise AidagenError(f"The player obeyed nowhere in {PATIENCE} steps of tennis; try a new seed.")


def obeyed(labels: dict[str, np.ndarray]) -> float:
    """The share of the steps that send the player somewhere in which it goes there.

    0 where it is put somewhere else, as after a point.
    """
    wanted, moved = WAYS[labels["actions"][:-1]], np.diff(labels["player"], axis=0)
    went, sent = np.sign(np.round(moved * 24)), wanted.any(1)
    if np.abs(moved).max() > JUMP or not sent.any():
        return 0.0
    return float((wanted == went).all(1)[sent].mean())


def load(size: int = 64) -> ClipSet:
    """The set in the user's cache, frames ``size`` pixels high; played on first use, in a minute.

    Raises ``AidagenError`` where the emulator is missing.
    """
    return atari.cached(
        "tennis", lambda root: make(root, size=size, progress=False), VERSION, size
    )


def make(
    root: str | Path, clips: int = 160, size: int = 64, seed: int = 0, progress: bool = True
) -> ClipSet:
    """Play the set into ``root``; clips that are finished there are kept (`rendered.make`)."""
    return atari.make(
        root, Tennis, clip, version=VERSION, about="Tennis (Activision, 1981)",
        clips=clips, size=size, seed=seed, progress=progress,
    )  # fmt: skip
