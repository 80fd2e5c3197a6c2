"""Games of the Atari 2600, emulated: what `breakout` and `tennis` share.

The Arcade Learning Environment (Bellemare et al. 2013; ``ale-py``, GPL-2.0, with its own copies of
the games) emulates some nine thousand frames in a second, so nothing is stored in the package: a
set is played afresh on each machine, the same on all of them, and takes up to a minute once.

Between two frames of a clip one action is held for ``skip`` frames of the game. What the emulator
keeps in its 128 bytes of memory says where everything is: labels that no model is shown.
"""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from aidagen import sources
from aidagen.datasets import layout, rendered
from aidagen.datasets.rendered import Drawing, Shares
from aidagen.errors import AidagenError

SECOND = 60  # frames of the game
SHARES = Shares(of=20, test=3, val=1)
Policy = Callable[["Console"], int]


class Console:
    """One game that is being played. Raises ``AidagenError`` where ale-py is missing.

    A game says which part of the screen is seen, which actions there are, and where things are.
    """

    NAME: ClassVar[str]  # of the cartridge
    SCREEN: ClassVar[tuple[int, int, int, int]]  # what is seen of it: left, top, right, bottom
    ACTIONS: ClassVar[tuple[str, ...]]
    SKIP: ClassVar[int]  # frames of the game for which an action is held

    def __init__(self, size: int = 64):
        emulator = _emulator()
        self.game = emulator.ALEInterface()
        self.game.setInt("random_seed", 0)  # nothing is random: no action is repeated by chance
        self.game.setFloat("repeat_action_probability", 0.0)
        self.game.loadROM(emulator.roms.get_rom_path(self.NAME))
        left, top, right, bottom = self.SCREEN
        # of a picture: width, height
        self.size = round(size * (right - left) / (bottom - top)), size
        self.reset()

    def reset(self) -> None:
        """Begin the game anew."""
        self.game.reset_game()

    def press(self, action: int) -> None:
        """Hold one of ``ACTIONS``, by number, until the next frame; a lost game begins anew."""
        for frame in range(self.SKIP):
            self.game.act(self.code(action, first=frame == 0))
        if self.game.game_over():
            self.reset()

    def picture(self) -> UInt8[np.ndarray, "H W 3"]:
        """What is seen now: the part of the screen, made smaller by averaging."""
        screen = Image.fromarray(self.game.getScreenRGB())
        box = Image.Resampling.BOX
        return np.asarray(screen.resize(self.size, box, box=self.SCREEN))

    def byte(self, number: int) -> int:
        """One of the 128 bytes of the game's memory."""
        return int(self.game.getRAM()[number])

    def seen(self, x: float, y: float) -> Float[np.ndarray, "2"]:
        """A point of the screen, in pixels, as (x, y) of the picture, [-1, 1]."""
        left, top, right, bottom = self.SCREEN
        width, height = self.size
        # box resampling: the centre of pixel i lies at (i + 1/2) (right - left) / width
        return np.array([
            (2 * (x - left) * width / (right - left) - width) / (width - 1),
            (2 * (y - top) * height / (bottom - top) - height) / (height - 1),
        ])  # fmt: skip

    # --- what a game says of itself ---

    def code(self, action: int, first: bool) -> int:
        """The emulator's number for an action; ``first`` of the frames that it is held for."""
        raise NotImplementedError

    def places(self) -> dict[str, Float[np.ndarray, "2"]]:
        """Where things are, by name, as (x, y) of the picture; NaN for what is not there."""
        raise NotImplementedError


def _emulator():
    """ale-py, which says nothing but errors."""
    try:
        import ale_py
    except ImportError as error:
        raise AidagenError(
            "Atari games need the emulator ale-py; install it with `pip install aidagen[lab]`."
        ) from error
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    return ale_py


def record(
    console: Console, policy: Policy, frames: int, pictures: bool = True
) -> tuple[list, dict[str, np.ndarray]]:
    """Play on: the frames, and labels of each of them (`gathered`)."""
    moments = []
    for number in range(frames):
        picture = console.picture() if pictures else None
        moments.append((picture, console.places(), policy(console)))
        if number < frames - 1:
            console.press(moments[-1][2])
    return gathered(moments)


def gathered(moments: list[tuple]) -> tuple[list, dict[str, np.ndarray]]:
    """Frames and labels of moments (picture, places, action).

    ``actions[t]`` is held between frames t and t + 1; the last one is chosen and not carried out.
    """
    images, places, actions = zip(*moments)
    named = {key: np.stack([place[key] for place in places]) for key in places[0]}
    labels = {key: value.astype(np.float32) for key, value in named.items()}
    return list(images), labels | {"actions": np.array(actions, np.uint8)}


def cached(
    name: str, make: Callable[[Path], object], version: str, size: int
) -> layout.ClipSet:
    """The set in the user's cache, played on first use."""
    root = sources.home() / "data" / f"{name}-{size}-v{version}"
    if not (root / "dataset.json").exists():
        with layout.making(root) as temporary:
            make(temporary)
    return layout.ClipSet(root)


def make(
    root: str | Path,
    console: type[Console],
    clip: Callable[[Console, np.random.Generator], tuple[list, dict, dict]],
    *,
    version: str,
    about: str,
    clips: int,
    size: int,
    seed: int,
    progress: bool,
) -> layout.ClipSet:
    """Play a set into ``root``; clips that are finished there are kept (`rendered.make`)."""

    def studio():
        game = console(size)  # where the emulator is missing, nothing is written

        def draw(seed: int, index: int) -> Drawing:
            game.reset()
            frames, labels, words = clip(game, np.random.default_rng([seed, index]))
            return Drawing(frames, lambda: labels, {"person": index, **words})

        return draw

    info = {
        "name": console.NAME, "version": version, "redistributable": False,
        "source": f"{about}, emulated by ale-py (Arcade Learning Environment)",
        "licence": "pictures of a commercial game, not redistributed; ale-py is GPL-2.0",
        "citation": "Bellemare et al., The Arcade Learning Environment, JAIR 47, 2013, "
        "arXiv:1207.4708; Machado et al., Revisiting the Arcade Learning Environment, JAIR 61, "
        "2018, arXiv:1709.06009",
        "actions": console.ACTIONS, "skip": console.SKIP,
    }  # fmt: skip
    return rendered.make(
        root, info, SHARES, studio,
        clips=clips, size=size, seed=seed, fps=SECOND // console.SKIP, crf=8, progress=progress,
    )  # fmt: skip
