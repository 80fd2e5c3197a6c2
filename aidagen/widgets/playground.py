"""The playground: worlds that a model paints, with buttons for the actions that it found.

    playground = Playground({"Breakout": shipped("playable-breakout-64")})   # widgets.worlds
    playground                                # in a notebook: hold an arrow key, a number, a button
    playground.play(2, times=5)               # or by hand: actions are counted from 0 here
    playground.toward([0.4])                  # a direction between two actions
    playground.reset()
    playground.save("episode.mp4")            # the last minute
    playground.figure()                       # a picture of what each action does

The browser has the clock (``playground.js``): it asks for one frame at a time and says with it what
is held down then, so that nothing pressed earlier waits to be played out.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, no_type_check

import numpy as np
import torch
import traitlets
from PIL import Image

from aidagen.errors import AidagenError
from aidagen.pixels import as_bytes
from aidagen.widgets import controls, episodes, overlays
from aidagen.widgets.episodes import ActionMap, Episode, Pace
from aidagen.widgets.film import in_turn
from aidagen.widgets.panel import Panel
from aidagen.widgets.stage import Seen, Stage
from aidagen.widgets.worlds import PlayWorld

SHOWN_FOR, RESTED_FOR = 6, 2  # frames of each action in the demonstration, and of rest after it
BEGIN = -1  # in its script: back to the first frame
MARKED = 26  # pixels below a figure, for the mark


class Playground(Panel):
    """Worlds to play in, one at a time.

    Args:
        worlds: name -> `worlds.PlayWorld`; or one of them alone.
        fps: frames per second that the clock aims at; it is slower where the machine is.
        autoplay: begin with a demonstration of all actions; not where the reader prefers reduced
            motion.

    ``world`` (a name), ``start`` (which first frame, from 1) and ``playing`` are traits.
    ``episode`` is the game that goes on; of it ``frame``, ``counts``, ``painted`` and ``real`` are
    offered here. The last `episodes.KEPT` seconds of it can be downloaded, or saved, as mp4.

    Raises:
        AidagenError: on what is no world, and on a world or a first frame that there is not.
    """

    world = traitlets.Unicode()
    start = traitlets.Int(1)
    playing = traitlets.Bool(False)

    shows = "Playground: a world that the model paints, and what each of its actions does there"

    @no_type_check  # what users give is checked by hand, in sentences
    def __init__(
        self, worlds: PlayWorld | Mapping[str, PlayWorld], *, fps: float = 15.0,
        autoplay: bool = True,
    ) -> None:  # fmt: skip
        if isinstance(worlds, PlayWorld):
            worlds = {worlds.name or "World": worlds}
        wrong = [name for name, world in dict(worlds).items() if not isinstance(world, PlayWorld)]
        if not worlds or wrong:
            raise AidagenError(
                "A playground takes worlds by name, such as {'Breakout': shipped("
                f"'playable-breakout-64')}}; got {wrong or 'none'}."
            )
        self.worlds, self.fps, self._number = dict(worlds), fps, 0
        self._rows: dict[tuple, list] = {}
        super().__init__()
        self.world = next(iter(self.worlds))
        self.stage = Stage(
            self._answer, self._clip, lambda error: self._say(str(error)), fps=fps,
            autoplay=autoplay, demonstrating=autoplay,
        )  # fmt: skip
        self.spoken = controls.Spoken()
        self.world_choice = controls.choice("World", list(self.worlds))
        self.start_choice = controls.choice("First frame", [1], 150)
        self._open()
        traitlets.link((self, "world"), (self.world_choice, "value"))
        traitlets.link((self, "start"), (self.start_choice, "value"))
        traitlets.link((self, "playing"), (self.stage, "playing"))
        self.observe(self._changed, ["world", "start"])
        self.observe(lambda _: self._show(), "playing")
        self.stage.observe(self.say, "demonstrating")
        choices = [self.world_choice] if len(self.worlds) > 1 else []
        self.children = (
            controls.row(*choices, self.start_choice), self.stage, self.spoken,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Playground({self.world!r}, frame {self.frame})"

    @property
    def frame(self) -> int:
        """Steps since the beginning."""
        return self.episode.frame

    @property
    def counts(self) -> list[int]:
        """How often each action was taken in this episode."""
        return list(self.episode.counts)

    @property
    def painted(self) -> np.ndarray:
        """What the model shows now, (H, W, 3) bytes."""
        return self.episode.moment.painted

    @property
    def real(self) -> np.ndarray | None:
        """What the real game shows now, if there is one."""
        return self.episode.moment.real

    # --- by hand --------------------------------------------------------------------------------

    def play(self, action: int, times: int = 1) -> None:
        """Take an action, from 0, once or several times."""
        if not (isinstance(action, int) and 0 <= action < self.here.actions and times > 0):
            raise AidagenError(
                f"{self.world} has actions 0 to {self.here.actions - 1}, to be taken once or more "
                f"often; got {action!r}, {times} times."
            )
        self._take(action, times)

    @no_type_check
    def toward(self, point: Any, times: int = 1) -> None:
        """Go in a direction of the action space, ``(D)``, once or several times."""
        direction = torch.as_tensor(point, dtype=torch.float32)
        if tuple(direction.shape) != (self.map.dimensions,) or not direction.isfinite().all():
            raise AidagenError(
                f"A direction of {self.world} has {self.map.dimensions} numbers; got {point!r}."
            )
        self._take(direction, times)

    @in_turn
    def _take(self, what: Any, times: int) -> None:
        for _ in range(times):
            self.episode.step(what)
        self._show()

    @in_turn
    def reset(self) -> None:
        """Begin again, with the first frame that is chosen."""
        self._begin()
        self._show()

    def save(self, path: str | os.PathLike) -> int:
        """Write the last minute of the episode as mp4; returns the number of frames."""
        return episodes.save(self.episode, path)

    # --- what the browser asks ------------------------------------------------------------------

    @in_turn
    def _answer(self, request: dict) -> Seen | None:
        """The next frame; None for what was asked of an episode that is over."""
        if request.get("episode") != self._number:
            return None
        if request.get("begin"):
            self._begin()
        elif request.get("at") is not None:
            self.episode.step(self.map.point(request["at"]))
        else:
            self.episode.step(int(request["action"]))
        self.pace.passed()
        self.sentence = self.describe()
        if not self.playing:
            self.say()
        return self._seen()

    def _clip(self) -> tuple[str, bytes]:
        name = f"{self.world.lower().replace(' ', '-')}-episode.mp4"
        return name, episodes.mp4(self.episode)

    def _seen(self) -> Seen:
        moment, point, speed = self.episode.moment, self.episode.point, self.pace.speed
        action, live = moment.action, moment.real is not None
        page = {
            "episode": self._number, "frame": self.frame, "counts": self.counts, "speed": speed,
            "action": -1 if action is None else action,
            "called": "" if action is None else self.here.called(action),
            "pressed": self.here.pressed(action) if live and action is not None else "",
            "at": None if point is None else self.map.place(point).tolist(),
        }  # fmt: skip
        return Seen(page, [view.tobytes() for view in moment[:2] if view is not None])

    # --- worlds and episodes --------------------------------------------------------------------

    @property
    def here(self) -> PlayWorld:
        """The world that is played in."""
        return self.worlds[self.world]

    def _open(self) -> None:
        """Set the stage for the chosen world."""
        here = self.here
        self.map = ActionMap(here.model.centroids)
        self.start_choice.options = list(range(1, len(here.frames) + 1))
        self.pace = Pace()  # of what the browser asks for
        self._begin()
        with self.stage.hold_sync():
            self.stage.script = script(here)
            self.stage.scene = {
                "name": self.world, "size": list(here.frames.shape[2:]), "words": list(here.words),
                "stay": -1 if here.stay is None else here.stay, "note": here.missing,
                "colours": [overlays.colour_of(k) for k in range(here.actions)],
                "places": self.map.places.tolist(), "low": self.map.low, "high": self.map.high,
                "flat": self.map.dimensions == 1, "axes": self.map.axes,
            }  # fmt: skip
            self._show()

    def _begin(self) -> None:
        self._number += 1  # what the browser asked of the episode before comes too late
        self.episode = Episode(self.here, self.start - 1, self.fps)

    def _show(self) -> None:
        """Tell the page what is seen, unasked."""
        seen = self._seen()
        with self.stage.hold_sync():
            self.stage.pixels = seen.pixels
            self.stage.page = seen.page
        self.sentence = self.describe()
        self.say()

    @in_turn
    def _changed(self, change: dict) -> None:
        if change["name"] == "world":
            with self.hold_trait_notifications():
                self.start = 1
            self._open()
        else:
            self.reset()
        self.playing = False  # afterwards: what is shown then is the new world's

    @traitlets.validate("world", "start")
    def _refuse(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "world" and value not in self.worlds:
            raise AidagenError(f"There is no world {value!r}; there are {', '.join(self.worlds)}.")
        if name == "start" and not 1 <= value <= len(self.here.frames):
            raise AidagenError(
                f"{self.world} has first frames 1 to {len(self.here.frames)}; not {value}."
            )
        return value

    # --- in words and pictures ------------------------------------------------------------------

    def describe(self) -> str:
        """World, action, frame and speed in words."""
        moment, speed = self.episode.moment, self.pace.speed
        live = moment.real is not None
        if moment.action is None:
            both = "Model and real game begin at the same moment." if live else self.here.missing
            return f"{self.world}, first frame {self.start} of {len(self.here.frames)}. {both}"
        told = f"; the real game is told {self.here.pressed(moment.action)}" if live else ""
        said = f"{self.world}, frame {self.frame}: action {self.here.called(moment.action)}{told}."
        if speed is not None:
            said += f" It ran at {speed:.1f} frames per second."
        return said if live else f"{said} {self.here.missing}"

    def say(self, change: dict | None = None) -> None:
        """The sentence where the world stands still: frames pass faster than they could be read."""
        if not self.playing:
            self._say(self.sentence)
        elif self.stage.demonstrating:
            self._say(f"A demonstration takes each action of {self.world} in turn, until you play.")
        else:
            self._say(f"{self.world} is being played. Press Pause to read about it.")

    def _say(self, text: str) -> None:
        self.spoken.value = text

    def figure(
        self, frames: Sequence[int] = (0, 2, 4, 6), tall: int = 128, *, world: str | None = None,
        start: int | None = None,
    ) -> Image.Image:  # fmt: skip
        """What each action does: a strip of frames for each, all from the same first frame.

        ``frames`` are steps of that action; ``world`` and ``start`` are the figure's alone, and the
        live widget stays as it is.
        """
        name = self.world if world is None else world
        here = self.worlds.get(name)
        first = (self.start if name == self.world else 1) if start is None else start
        if here is None or not 1 <= first <= len(here.frames) or min(frames, default=-1) < 0:
            raise AidagenError(
                f"A figure shows steps from 0 on of one of {', '.join(self.worlds)}, from one of "
                f"its first frames; got steps {list(frames)} of {name!r} from frame {first}."
            )
        strips = self._strips(name, first, max(frames))
        pictures, labels = [], []
        for k, strip in enumerate(strips):
            for t in frames:
                pictures.append(episodes.enlarged(strip[t], tall))
                labels.append(f"{k + 1} {here.words[k]}".strip() + f", step {t}")
        sheet = overlays.sheet(pictures, len(frames) * (1 if here.actions <= 4 else 3), labels)
        below = Image.new("RGB", (sheet.width, sheet.height + MARKED), "white")
        below.paste(sheet, (0, 0))
        return Image.fromarray(overlays.marked(np.asarray(below)))

    def still(self) -> Image.Image:
        """What stands for it on pages without a kernel."""
        return self.figure() if self.here.actions <= 4 else self.figure((0, 5), 96)

    def _strips(self, name: str, first: int, steps: int) -> list[list[np.ndarray]]:
        """For each action the frames 0 to ``steps`` of the world while it is held."""
        key, here = (name, first, steps), self.worlds[name]
        if key not in self._rows:
            strips = []
            for action in range(here.actions):
                frame = here.frames[first - 1]
                going, strip = here.model.begin(frame.to(here.model.centroids.device)), [frame]
                for _ in range(steps):
                    image, going = here.model.play(going, action)
                    strip.append(image.cpu())
                strips.append([as_bytes(view).permute(1, 2, 0).numpy() for view in strip])
            self._rows = {key: strips}
        return self._rows[key]


def script(world: PlayWorld) -> list[int]:
    """The demonstration: each action for some frames, with a rest after it where there is one."""
    moving = [action for action in range(world.actions) if action != world.stay]
    rest = [] if world.stay is None else [world.stay] * RESTED_FOR
    return [BEGIN, *(step for action in moving for step in [action] * SHOWN_FOR + rest)]
