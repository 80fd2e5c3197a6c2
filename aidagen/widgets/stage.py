"""What the browser shows of a playground, and its clock; ``playground.js`` is the browser's."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import traitlets

from aidagen.errors import AidagenError
from aidagen.widgets.controls import STYLE
from aidagen.widgets.film import in_turn

_FOLDER = Path(__file__).parent


class Seen(NamedTuple):
    """What the page shows after a step: words and numbers, and one or two pictures as bytes."""

    page: dict
    pixels: list[bytes]


class Stage(anywidget.AnyWidget):
    """The browser's side: pictures, buttons, map, histogram, and the clock.

    ``scene`` says what the world is, ``page`` and ``pixels`` what Python last showed by itself;
    what is asked for is answered by messages alone. ``answer(request)`` gives what is seen next,
    ``clip()`` the episode's name and bytes; an `AidagenError` of either is handed to ``complain``.
    """

    _esm = _FOLDER / "playground.js"
    _css = STYLE + (_FOLDER / "playground.css").read_text("utf-8")

    scene = traitlets.Dict().tag(sync=True)
    page = traitlets.Dict().tag(sync=True)
    pixels = traitlets.List(traitlets.Bytes()).tag(sync=True)
    script = traitlets.List(traitlets.Int()).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    demonstrating = traitlets.Bool(True).tag(sync=True)
    autoplay = traitlets.Bool(True).tag(sync=True)
    fps = traitlets.Float(15.0).tag(sync=True)
    speed = traitlets.Float(1.0).tag(sync=True)

    def __init__(
        self, answer: Callable[[dict], Seen | None], clip: Callable[[], tuple[str, bytes]],
        complain: Callable[[AidagenError], None], **traits: Any,
    ) -> None:  # fmt: skip
        self._answer, self._clip, self._complain = answer, clip, complain
        self._last: tuple[tuple, Seen] | None = None
        self._one_at_a_time = threading.RLock()
        super().__init__(**traits)
        self.on_msg(self._asked)

    def __repr__(self) -> str:
        return f"Stage({self.scene.get('name', '')!r})"

    @in_turn
    def _asked(self, _: Any, message: dict, __: Any) -> None:
        """One frame for each turn, or the clip; a turn that comes again gets the same frame."""
        try:
            if message.get("clip"):
                self._download()
                return
            turn = (message.get("view"), message.get("turn"))
            if self._last is None or self._last[0] != turn:
                seen = self._answer(message)
                if seen is None:
                    return
                self._last = turn, seen
            seen = self._last[1]
            words = {"page": seen.page, "view": turn[0], "turn": turn[1]}
            self.send(words, buffers=seen.pixels)
        except AidagenError as error:
            self.playing = False
            self._complain(error)

    def _download(self) -> None:
        name, content = None, b""
        try:
            name, content = self._clip()
        finally:
            self.send({"clip": name}, buffers=[content])
