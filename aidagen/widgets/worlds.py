"""What can be played: a model, frames to begin with, and the real game beside it if there is one.

    world = shipped("playable-breakout-64")                  # all of it, by the model's name
    world = PlayWorld.live(model, Breakout(), ("left", "stay", "right"))
    world = PlayWorld(model, frames, ("left", "", "right"))    # no emulator: frames (N, 3, H, W)

A live world takes its first frames from the emulator, whose state at that moment is kept: model and
game begin at the same moment. The game is told the *true action* that a learned one stands for.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import datasets, zoo
from aidagen.datasets import atari, breakout, tennis
from aidagen.errors import AidagenError
from aidagen.evaluation import movements
from aidagen.evaluation.games import GAMES, film
from aidagen.evaluation.playable import steps
from aidagen.pixels import as_floats

REST = "stay"
BEGINNINGS = 6
AGREED = 0.5  # of an action's steps do what its word says, or it has none
MIDDLE = 0.5  # as far from the middle, in [-1, 1], a thing may be that is moved at the beginning
PATIENCE = 300  # moments of a game that are looked at, until one can be played from

# the words of a compass, on the screen: x to the right, y down
WAYS = {
    "up-left": (-1, -1), "up": (0, -1), "up-right": (1, -1), "left": (-1, 0), REST: (0, 0),
    "right": (1, 0), "down-left": (-1, 1), "down": (0, 1), "down-right": (1, 1),
}  # fmt: skip


class PlayWorld:
    """One world to play in.

    Args:
        model: a `models.playable.Playable`, with K actions.
        frames: first frames to choose from, ``(N, 3, H, W)`` in [0, 1], of the model's size.
        words: what each action does, K of them, "" where that is not known; those of a compass
            ("left", "up-right" ...) are given to the arrow keys, "stay" to nothing being pressed.
        name: of the model, for the note in a clip of it.
        console: the real game, an `atari.Console`, if there is one.
        states: the emulator's states at ``frames``, N of them, as ``console.game.cloneState()``.
        true: learned action -> number in ``console.ACTIONS``, a mapping or K numbers; by default
            the one of the same word.
        missing: why there is no console, in a sentence.

    Raises:
        AidagenError: on parts that do not fit each other.
    """

    @no_type_check  # what users give is checked by hand, in sentences
    def __init__(
        self,
        model: nn.Module,
        frames: Float[Tensor, "N 3 H W"],
        words: Sequence[str] = (),
        *,
        name: str = "",
        console: atari.Console | None = None,
        states: Sequence[Any] = (),
        true: Mapping[int, int] | Sequence[int] | None = None,
        missing: str = "No emulator runs beside this world.",
    ) -> None:
        if not all(hasattr(model, part) for part in ("begin", "play", "centroids")):
            raise AidagenError(
                f"A {type(model).__name__} cannot be played; a playable model has begin and play."
            )
        size, actions = (model.config.height, model.config.width), model.config.actions
        shape = tuple(getattr(frames, "shape", ()))
        if len(shape) != 4 or not shape[0] or shape[1:] != (3, *size):
            raise AidagenError(
                f"First frames (N, 3, {size[0]}, {size[1]}) were expected; got {shape}."
            )
        words = tuple(words) or ("",) * actions
        if len(words) != actions:
            raise AidagenError(f"{len(words)} words came with {actions} actions; give one each.")
        self.model, self.frames, self.words, self.name = model, frames.float().cpu(), words, name
        self.console, self.states, self.missing = console, list(states), missing
        self.true = self._mapped(true) if console is not None else ()
        if console is not None and len(self.states) != len(self.frames):
            raise AidagenError(
                f"{len(self.states)} states of the emulator came with {len(self.frames)} first "
                "frames; `PlayWorld.live` takes both at once."
            )

    @classmethod
    def live(
        cls, model: nn.Module, console: atari.Console, words: Sequence[str] = (),
        true: Mapping[int, int] | Sequence[int] | None = None, *, count: int = BEGINNINGS,
        seed: int = 0, name: str = "",
    ) -> "PlayWorld":  # fmt: skip
        """A world whose ``count`` first frames are moments of the game on ``console``."""
        frames, states = moments(console, count, seed)
        return cls(model, frames, words, name=name, console=console, states=states, true=true)

    def __repr__(self) -> str:
        beside = "no emulator" if self.console is None else self.console.NAME
        return f"PlayWorld({self.name!r}, {', '.join(self.words)}; {beside})"

    @property
    def actions(self) -> int:
        """K."""
        return len(self.words)

    @property
    def stay(self) -> int | None:
        """The action that stands for doing nothing, if it is known."""
        return self.words.index(REST) if REST in self.words else None

    def called(self, action: int) -> str:
        """An action by its number from 1, and its word: "3 (right)"."""
        word = self.words[action]
        return f"{action + 1} ({word})" if word else str(action + 1)

    def pressed(self, action: int) -> str:
        """The word of what the real game is told where the model is told ``action``."""
        return self.console.ACTIONS[self.true[action]]

    def _mapped(self, true: Any) -> tuple[int, ...]:
        known, actions = self.console.ACTIONS, range(len(self.words))
        if true is None:
            unknown = [word for word in self.words if word not in known]
            if unknown:
                raise AidagenError(
                    f"No action of {self.console.NAME} is called {unknown[0]!r}; say in `true` "
                    f"which of {', '.join(known)} each learned action stands for."
                )
            return tuple(known.index(word) for word in self.words)
        try:
            listed = tuple(int(true[action]) for action in actions)
        except (KeyError, IndexError, TypeError, ValueError):
            listed = ()
        if not listed or not all(0 <= action < len(known) for action in listed):
            raise AidagenError(
                f"`true` says for each of {len(actions)} learned actions, from 0, the number of "
                f"one of {', '.join(known)}; got {true!r}."
            )
        return listed


# --- moments of a game ---------------------------------------------------------------------------


def _of_breakout(game: breakout.Breakout, rng: np.random.Generator) -> bool:
    """Play for a while; whether there is a ball, and room on both sides of the paddle."""
    atari.record(game, breakout.Player(rng, "track"), int(rng.integers(8, 60)), pictures=False)
    places = game.places()
    return bool(np.isfinite(places["ball"]).all() and abs(places["paddle"][0]) < MIDDLE)


def _of_tennis(game: tennis.Tennis, rng: np.random.Generator) -> bool:
    """Play for a while; whether the player has room, and obeys in what comes.

    Where that is not so, the game has gone on by as much as was tried.
    """
    if not game.near:
        game.reset()
    atari.record(game, tennis.Player(rng, "chase"), int(rng.integers(2, 20)), pictures=False)
    if (np.abs(game.places()["player"]) > MIDDLE).any():
        return False
    state = game.game.cloneState()
    ahead = atari.record(game, tennis.Player(rng, "wander"), tennis.FRAMES, pictures=False)[1]
    obeyed = game.near and tennis.obeyed(ahead) >= tennis.OBEYED
    if obeyed:
        game.game.restoreState(state)
    return obeyed


CONSOLES: dict[str, tuple[type[atari.Console], Callable[[Any, Any], bool]]] = {
    "breakout": (breakout.Breakout, _of_breakout),
    "tennis": (tennis.Tennis, _of_tennis),
}


def moments(
    console: atari.Console, count: int = BEGINNINGS, seed: int = 0
) -> tuple[Float[Tensor, "N 3 H W"], list[Any]]:
    """Pictures of ``count`` moments from which a game can be played, and the emulator's states.

    Raises ``AidagenError`` where the game does not come to such moments.
    """
    rng, frames, states = np.random.default_rng(seed), [], []
    console.reset()
    for _ in range(PATIENCE):
        if CONSOLES[console.NAME][1](console, rng):
            frames.append(console.picture())
            states.append(console.game.cloneState())
        if len(frames) == count:
            return as_floats(torch.from_numpy(np.stack(frames))).permute(0, 3, 1, 2), states
    raise AidagenError(
        f"{console.NAME} came to {len(frames)} of {count} moments to play from; try another seed."
    )


# --- worlds by name ------------------------------------------------------------------------------


class Meanings(NamedTuple):
    """What K actions do, as measured."""

    words: tuple[str, ...]  # of each action; "" where fewer than half of its steps agree
    nearest: tuple[str, ...]  # what most of its steps do, whether or not they are half of them


def measured(model: nn.Module, data: str, opened: Any) -> Meanings:
    """What each action does in the validation clips of a set, by the assignment of the table
    `playable`."""
    actions = model.config.actions
    if data not in GAMES:
        return Meanings(("",) * actions, ("",) * actions)
    game = GAMES[data]
    seen = [steps(model, film(clip, game), game) for clip in opened.clips("val")]
    table = sum(movements.counts(s.learned, s.true, actions, len(game.names)) for s in seen)
    names = [REST if name == "stayed" else name for name in game.names]
    assigned, share = movements.assignment(table), table / table.sum(1).clip(1)[:, None]
    words = [names[c] if c >= 0 and share[k, c] >= AGREED else "" for k, c in enumerate(assigned)]
    return Meanings(tuple(words), tuple(names[c] for c in table.argmax(1)))


def shipped(
    name: str, words: Sequence[str] | None = None, *, load_model=zoo.load, load_data=datasets.load
) -> PlayWorld:
    """The world of the playable model ``name``: its weights, its data set, and the game.

    ``words`` say what its actions do; by default that is measured, which takes seconds.
    Where the emulator is missing, or there is none, the world begins with validation clips.
    Raises ``AidagenError`` for a name that is no playable model's, and where its data cannot be
    opened.
    """
    if zoo.card(name).get("system") != "playable":
        known = ", ".join(zoo.of_system("playable")) or "none"
        raise AidagenError(f"{name!r} is no playable model; there are {known}.")
    (data, *_), model = zoo.card(name)["data"], load_model(name, "cpu")
    model = model.to(memory_format=torch.channels_last)  # a third faster on a CPU
    opened = load_data(data)
    found = measured(model, data, opened) if words is None else Meanings(tuple(words), ())
    missing = "There is no emulator of this world."
    if data in CONSOLES:
        try:
            console = CONSOLES[data][0](model.config.height)
            true = [console.ACTIONS.index(word) for word in found.nearest]
            return PlayWorld.live(model, console, found.words, true or None, name=name)
        except AidagenError as error:
            missing = f"The real game does not run beside it: {error}"
    clips = opened.clips("val")[:BEGINNINGS]
    frames = as_floats(torch.stack([clip.frames(0, 1)[0] for clip in clips]))
    return PlayWorld(model, frames, found.words, name=name, missing=missing)
