"""A film: pictures that change from frame to frame, under the transport bar that all widgets share.

    film = Film(draw, 32, value=20, autoplay=True)    # draw(t) gives the pictures of frame t
    film.value = 7
    film.refresh()                                    # draw(t) gives other pictures now

The bar has play and pause, a slider, the speed, and the frame's number; space, arrows, Home and End
work in it. The browser asks for one frame at a time and keeps what it got, so that a clip is drawn
once and then plays without the kernel. ``film.js`` is the browser's side.
"""

import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import numpy as np
import traitlets
from jaxtyping import UInt8

from aidagen.errors import AidagenError
from aidagen.widgets.controls import STYLE, encoded

_FOLDER = Path(__file__).parent


class View(NamedTuple):
    """One picture, its caption, and its description for readers who cannot see it."""

    caption: str
    alt: str
    pixels: UInt8[np.ndarray, "H W 3"]


Cells = Sequence[Sequence[View]]  # side by side; those of one cell stand on top of each other


def in_turn(answer: Callable) -> Callable:
    """An answer to a change, given after the one that a widget is busy with.

    JupyterLab's kernels handle messages of several widgets in threads of their own: of two changes
    at once, the picture of the first could come last, and stay.
    """

    @functools.wraps(answer)
    def alone(self: Any, *given: Any, **named: Any) -> Any:
        with self._one_at_a_time:
            return answer(self, *given, **named)

    return alone


class Film(anywidget.AnyWidget):
    """Frames ``1`` to ``count``, drawn one at a time and only when they are looked at.

    Args:
        draw: frame -> its `Cells`; None where only the bar is wanted, and the pictures stand
            elsewhere: whoever observes ``value`` draws them.
        count: how many frames there are; the bar is hidden where there is one.
        value: the frame shown first.
        label: what the slider counts, such as "Frame".
        texts: what to say instead of "3 of 32", one text per frame.
        fps: frames per second at speed 1.
        autoplay: play from the start, once it is in view; not where the reader prefers reduced
            motion.
        private: keep the pictures, and the words about them, out of the widget's state, which
            JupyterLab can save with the notebook; the browser gets them by messages alone.

    ``value`` (from 1), ``speed`` (a factor) and ``playing`` are traits. While it plays, ``value``
    stays where it was; it follows when the reader pauses.

    Raises:
        AidagenError: on fewer than one frame.
    """

    _esm = (_FOLDER / "transport.js").read_text("utf-8") + (_FOLDER / "film.js").read_text("utf-8")
    _css = STYLE

    label = traitlets.Unicode("Frame").tag(sync=True)
    low = traitlets.Int(1).tag(sync=True)
    high = traitlets.Int(1).tag(sync=True)
    value = traitlets.Int(1).tag(sync=True)
    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    fps = traitlets.Float(8.0).tag(sync=True)
    speed = traitlets.Float(1.0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    autoplay = traitlets.Bool(False).tag(sync=True)
    pictured = traitlets.Bool(True).tag(sync=True)
    private = traitlets.Bool(False).tag(sync=True)
    page = traitlets.Dict(help="which frame `pixels` shows, and its words").tag(sync=True)
    pixels = traitlets.List(traitlets.Bytes()).tag(sync=True)

    def __init__(
        self, draw: Callable[[int], Cells] | None, count: int, *, value: int = 1,
        label: str = "Frame", texts: Sequence[str] = (), fps: float = 8.0, autoplay: bool = False,
        private: bool = False,
    ) -> None:  # fmt: skip
        if count < 1:
            raise AidagenError(f"A film has one frame or more, not {count}.")
        self._draw, self._key = draw, 0
        # one frame at a time, or a frame of before a change is sent as one of after it
        self._one_at_a_time = threading.RLock()
        super().__init__(
            label=label, high=count, value=value, texts=list(texts), fps=fps, autoplay=autoplay,
            pictured=draw is not None, private=private,
        )  # fmt: skip
        self.on_msg(self._asked)
        self.observe(lambda _: self._show(), "value")
        self._show()

    def __repr__(self) -> str:
        return f"Film({self.label.lower()} {self.value} of {self.high})"

    @in_turn
    def refresh(self) -> None:
        """Forget all frames that were drawn, and draw the present one again."""
        self._key += 1
        self._show()

    def load(self, draw: Callable[[int], Cells] | None, count: int, value: int = 1) -> None:
        """Show another clip of ``count`` frames, and play it; ``draw`` as in the class."""
        self._draw = draw
        with self.hold_trait_notifications():
            self.playing, self.high, self.value = False, count, value
        self.pictured, self.layout.display = draw is not None, None
        self.autoplay = count > 1
        self.refresh()

    def empty(self) -> None:
        """Show nothing until `load` is called."""
        self._draw, self.layout.display = None, "none"
        self.playing = self.autoplay = False
        self.refresh()

    def _page(self, t: int) -> tuple[dict, list[bytes]]:
        """A frame as the page takes it: words, and pictures as WebP."""
        cells = [] if self._draw is None else self._draw(t)
        words = [
            [
                {"caption": view.caption, "alt": view.alt, "width": view.pixels.shape[1],
                 "height": view.pixels.shape[0]}
                for view in cell
            ]
            for cell in cells
        ]  # fmt: skip
        pixels = [encoded(view.pixels) for cell in cells for view in cell]
        return {"at": t, "key": self._key, "cells": words}, pixels

    @in_turn
    def _show(self) -> None:
        if self.private:
            self.page = {"at": self.value, "key": self._key}  # the browser asks for the rest
            return
        page, pixels = self._page(self.value)
        with self.hold_sync():
            self.pixels = pixels
            self.page = page

    @in_turn
    def _asked(self, _: Any, message: dict, __: Any) -> None:
        """The browser wants a frame to play; what it asks of an older key comes too late."""
        t = message.get("frame")
        if message.get("key") == self._key and isinstance(t, int) and self.low <= t <= self.high:
            page, pixels = self._page(t)
            self.send(page, buffers=pixels)

    @traitlets.validate("value")
    def _inside(self, proposal: Any) -> int:
        return min(max(proposal["value"], self.low), self.high)
