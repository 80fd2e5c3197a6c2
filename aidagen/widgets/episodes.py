"""One game that goes on: the model's world, the real game beside it, and what was done so far.

    episode = Episode(world, start=0)
    episode.step(2)                              # an action, from 0
    episode.step(torch.tensor([0.4]))            # a direction of the action space
    episode.painted, episode.real, episode.counts
    save(episode, "episode.mp4")                 # the last minute of it
"""

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from aidagen import video
from aidagen.mark import stamp
from aidagen.pixels import as_bytes
from aidagen.widgets.worlds import PlayWorld

KEPT = 60  # seconds of an episode that can be downloaded
TALL, BAND, GAP = 384, 32, 8  # pixels of a clip: of a picture, of the words below, between two
PAUSE = 0.5  # seconds between two steps from which a new measurement of the speed begins


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: steps are so small that a second one costs more than it brings, and
    the browser needs a core of its own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Moment(NamedTuple):
    """What was seen after a step, and which action had led there; None at the beginning."""

    painted: UInt8[np.ndarray, "H W 3"]
    real: UInt8[np.ndarray, "H W 3"] | None
    action: int | None


class Episode:
    """A game that begins with the first frame ``start`` (from 0) of a world.

    ``moment`` is what is seen now, ``frame`` the steps since the beginning, ``counts`` how often
    each of K actions was taken, ``point`` the direction ``(D)`` that was taken last.
    ``kept`` are the last moments, ``KEPT`` seconds of them at ``fps`` frames per second at most.
    """

    def __init__(self, world: PlayWorld, start: int = 0, fps: float = 15.0) -> None:
        self.world, self.fps = world, fps
        frame = world.frames[start]
        self._going = world.model.begin(frame.to(world.model.centroids.device))
        first = _pixels(frame)
        self._state = world.states[start] if world.console is not None else None
        self.moment = Moment(first, None if world.console is None else first, None)
        self.kept: deque[Moment] = deque([self.moment], maxlen=max(2, round(KEPT * fps)))
        self.frame, self.counts = 0, [0] * world.actions
        self.point: Float[Tensor, " D"] | None = None

    @one_thread()
    def step(self, what: int | Float[Tensor, " D"]) -> Moment:
        """Take action ``what``, or go in that direction of the action space: the nearest action
        and the rest as its variability. The real game is told the nearest one.

        Raises ``AidagenError`` for an action that there is not.
        """
        model = self.world.model
        if isinstance(what, int):
            image, going = model.play(self._going, what)
            action, point = what, model.centroids[what].detach()
        else:
            point = what.to(model.centroids)
            chosen, rest = model.at(point)
            action = int(chosen.argmax())
            image, going = model.play(self._going, chosen, rest)
        self._going, self.point = going, point.cpu()
        self.moment = Moment(_pixels(image), self._press(action), action)
        self.kept.append(self.moment)
        self.frame += 1
        self.counts[action] += 1
        return self.moment

    def _press(self, action: int) -> UInt8[np.ndarray, "H W 3"] | None:
        """The real game's next picture; its state is ours alone, so episodes can share a console"""
        console = self.world.console
        if console is None:
            return None
        console.game.restoreState(self._state)
        console.press(self.world.true[action])
        self._state = console.game.cloneState()
        return console.picture()


def _pixels(frame: Float[Tensor, "3 H W"]) -> UInt8[np.ndarray, "H W 3"]:
    return as_bytes(frame.detach().cpu()).permute(1, 2, 0).contiguous().numpy()


class Pace:
    """How many frames pass in a second, over the last ones without a pause."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=24)

    def passed(self, now: float | None = None) -> None:
        """A frame has passed, at ``now`` seconds (by default: now)."""
        now = time.perf_counter() if now is None else now
        if self._times and now - self._times[-1] > PAUSE:
            self._times.clear()
        self._times.append(now)

    @property
    def speed(self) -> float | None:
        """Frames per second; None before it can be told."""
        if len(self._times) < 4:
            return None
        return (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-9)


# --- the action space as a map -------------------------------------------------------------------


class ActionMap:
    """K centroids of a space of D dimensions on a line (D = 1) or in a plane.

    With D > 2 the plane is that of the first two principal axes of the centroids.

    ``places`` are the centroids on it, ``(K, 2)`` with y = 0 on a line; ``low`` and ``high``, (x,
    y), are what is shown, with a margin around all centroids.
    """

    def __init__(self, centroids: Float[Tensor, "K D"]) -> None:
        centroids = centroids.detach().cpu().double()
        self.dimensions = d = centroids.shape[1]
        self._centre, self._axes = centroids.new_zeros(d), torch.eye(d, dtype=centroids.dtype)
        if d > 2:
            self._centre = centroids.mean(0)
            self._axes = torch.linalg.svd(centroids - self._centre, full_matrices=False)[2][:2]
        self.places = torch.stack([self.place(c) for c in centroids])
        low, high = self.places.amin(0), self.places.amax(0)
        half = max(float((high - low).max()) / 2, 1e-3) * 1.25
        self.low, self.high = (((low + high) / 2 + sign * half).tolist() for sign in (-1, 1))

    @property
    def axes(self) -> str:
        """What is shown, in words."""
        if self.dimensions == 1:
            return "The action space, a line"
        if self.dimensions == 2:
            return "The action space, a plane"
        return f"The first two principal axes of the {self.dimensions}-dimensional action space"

    def place(self, point: Float[Tensor, " D"]) -> Float[Tensor, "2"]:
        """Where a direction lies on the map."""
        along = self._axes @ (point.detach().cpu().double() - self._centre)
        return torch.cat([along, along.new_zeros(2)])[:2]

    def point(self, place: Sequence[float]) -> Float[Tensor, " D"]:
        """The direction at a place (x, y); on a line y says nothing."""
        at = torch.tensor(place, dtype=self._axes.dtype)[: len(self._axes)]
        return (self._centre + at @ self._axes).float()


# --- as a clip -----------------------------------------------------------------------------------


def save(episode: Episode, path: str | os.PathLike) -> int:
    """Write what is kept of an episode as mp4; returns the number of frames.

    The model's picture is enlarged in blocks, the real game stands beside it, words below say what
    was done, and the mark says that it is generated. Raises ``video.VideoError`` as its `Writer`.
    """
    world, kept = episode.world, list(episode.kept)
    note = video.provenance(world.name or None)
    with video.Writer(path, episode.fps, mark=False, note=note, crf=20) as out:
        for moment in kept:
            said = "start" if moment.action is None else world.called(moment.action)
            out.add(torch.from_numpy(_picture(moment, said)).permute(2, 0, 1))
    return len(kept)


def mp4(episode: Episode) -> bytes:
    """The same as bytes."""
    with TemporaryDirectory() as folder:
        save(episode, path := Path(folder) / "episode.mp4")
        return path.read_bytes()


def enlarged(pixels: UInt8[np.ndarray, "h w 3"], tall: int) -> UInt8[np.ndarray, "H W 3"]:
    """Every pixel as a square of so many that the picture is about ``tall`` high."""
    times = max(1, round(tall / len(pixels)))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _picture(moment: Moment, said: str) -> UInt8[np.ndarray, "H W 3"]:
    """One frame of the clip: pictures over their words; the mark is on the model's words alone."""
    picture = stamp(_captioned(enlarged(moment.painted, TALL), f"Model: {said}"))
    if moment.real is None:
        return picture
    real = _captioned(enlarged(moment.real, TALL), "Real game")
    between = np.full((len(real), GAP, 3), 255, np.uint8)
    return np.concatenate([picture, between, real], axis=1)


def _captioned(pixels: UInt8[np.ndarray, "H W 3"], text: str) -> UInt8[np.ndarray, "h W 3"]:
    return np.concatenate([pixels, _band(pixels.shape[1], text)])


@lru_cache(maxsize=64)
def _band(width: int, text: str) -> UInt8[np.ndarray, "h W 3"]:
    band = Image.new("RGB", (width, BAND), "white")
    font = ImageFont.load_default(18)
    ImageDraw.Draw(band).text((6, BAND // 2), text, "black", font, anchor="lm")
    return np.asarray(band)
