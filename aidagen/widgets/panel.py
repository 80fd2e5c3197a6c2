"""What all widgets here are: parts below each other, one sentence, and a still of their own.

A still travels with the cell's output, so that pages without a kernel (GitHub, a hand-out, the
notebook before it is run) show the widget as it opens; no second cell with a picture is needed.
"""

import threading
from typing import Any

import ipywidgets as widgets
import traitlets
from PIL import Image

from aidagen.widgets import controls, overlays
from aidagen.widgets.film import Film


class Panel(widgets.VBox):
    """A widget made of several.

    Its classes draw `figure`, which never changes what the live widget shows, and set ``sentence``.
    ``shows`` says in a few words what the picture is of. Where there is a ``film``, ``spoken`` (a
    `controls.Spoken`) says the sentence whenever it does not play.
    """

    shows = "Widget"
    sentence = traitlets.Unicode("", help="what is to be seen, in words")
    film: Film | None = None

    def __init__(self, *children: widgets.Widget) -> None:
        self._one_at_a_time = threading.RLock()
        super().__init__(children)
        self.add_class("aidagen-widget")

    def figure(self) -> Image.Image:
        """The present state as a picture."""
        raise NotImplementedError

    def still(self) -> Image.Image:
        """What stands for the widget on pages without a kernel."""
        return self.figure()

    def say(self, change: dict | None = None) -> None:
        """Say the sentence, unless frames pass faster than anybody could read about them."""
        if self.film is not None and self.film.playing:
            what = self.film.label.lower()
            self.spoken.value = f"Playing. Press Pause to read about one {what}."
        else:
            self.spoken.value = self.sentence

    def _follow(self, film: Film, trait: str = "frame") -> None:
        """Make ``film`` this panel's: its value is ``trait``, and it is quiet while it plays."""
        self.film, self.spoken = film, controls.Spoken()
        traitlets.link((self, trait), (film, "value"))
        film.observe(self.say, "playing")

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict]:
        words = f"{self.shows}. {self.sentence}".strip()
        return overlays.with_still(super()._repr_mimebundle_(**options), self.still(), words)
