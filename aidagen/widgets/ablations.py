"""The break-it panel: how a clip changes when a part of the model is left out.

    panel = Ablations({"complete": model, "no Jacobians": model2, "no occlusion map": model3}, clip)
    panel                          # in a notebook: it plays; switch between them, pause, scrub
    panel.model = "no Jacobians"   # or by hand
    panel.table()                  # all errors, as Markdown

Every model rebuilds the same clip from its first frame, so that the true answer is known. A fair
comparison trains them alike: same data, same steps, same seed.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets
import traitlets
from PIL import Image
from torch import Tensor

from aidagen import markdown
from aidagen.errors import AidagenError
from aidagen.widgets import controls, overlays
from aidagen.widgets.film import Film, View
from aidagen.widgets.panel import Panel
from aidagen.widgets.recordings import liveliest, rebuilt


class Ablations(Panel):
    """Models side by side on one clip, the first being the complete one.

    Args:
        models: name -> animatable model, two or more of one picture size.
        frames: a clip ``(T, 3, H, W)``, floats in [0, 1], two frames or more: the first is the
            source, the others are rebuilt from it.
        size: side of each picture, in pixels; the page shows them larger where there is room.
        fps: frames per second while it plays.

    ``model`` (a name) and ``frame`` (from 1) are traits; ``errors`` is name -> mean absolute error.

    Raises:
        AidagenError: on fewer than two models, on a name or a frame that does not exist, and
            where models and clip do not fit.
    """

    model = traitlets.Unicode()
    frame = traitlets.Int(1)

    shows = "Models with and without a part: the true frame, what each rebuilds, and its error"

    def __init__(
        self, models: Mapping[str, Any], frames: Tensor, *, size: int = 256, fps: float = 8.0
    ) -> None:
        self.names, self.size = list(models), size
        if len(self.names) < 2:
            raise AidagenError(
                f"A comparison needs two models or more, the complete one first; got {self.names}."
            )
        self.rebuilds = {name: rebuilt(model, frames) for name, model in models.items()}
        sides = {name: output.image.shape[-1] for name, output in self.rebuilds.items()}
        if len(set(sides.values())) > 1:
            raise AidagenError(f"The models make pictures of different sizes: {sides}.")
        self.errors = {name: float(output.errors.mean()) for name, output in self.rebuilds.items()}
        whole = self.rebuilds[self.names[0]]
        self.count = len(whole.image)
        super().__init__()
        self.model, self.frame = self.names[1], liveliest(whole.truth, whole.source)
        self._build(fps)
        self.observe(self._redraw, ["model", "frame"])
        self._redraw()

    def __repr__(self) -> str:
        return (
            f"Ablations({self.model!r} of {len(self.names)} models, "
            f"frame {self.frame} of {self.count})"
        )

    def pictures(
        self, name: str | None = None, size: int | None = None, frame: int | None = None
    ) -> list[View]:
        """True frame, complete model, this model, and its difference from the truth."""
        name, size, frame = name or self.model, size or self.size, frame or self.frame
        t, complete = self._there(frame) - 1, self.names[0]
        output = self.rebuilds[self._checked(name)]
        truth, whole, image = (
            overlays.enlarge(x[t], size)
            for x in (output.truth, self.rebuilds[complete].image, output.image)
        )
        apart, error = overlays.difference_picture(image, truth), output.errors[t]
        return [
            View("True frame", f"The true frame {frame}", truth),
            View(complete, f"Rebuilt by the model {complete!r}", overlays.marked(whole)),
            View(name, f"Rebuilt by the model {name!r}", overlays.marked(image)),
            View("Its error", f"Difference from the true frame, mean {error:.3f}", apart),
        ]

    def say(self, change: dict | None = None) -> None:
        """The sentence is about the whole clip, so that it is said while it plays, too."""
        self.spoken.value = self.sentence

    def describe(self) -> str:
        """The errors of the chosen and the complete model, in one sentence."""
        mine, whole = self.errors[self.model], self.errors[self.names[0]]
        if self.model == self.names[0]:
            return f"{self.model}: mean error {mine:.3f} over {self.count} frames."
        more = "more" if mine >= whole else "less"
        return (
            f"{self.model}: mean error {mine:.3f} over {self.count} frames, "
            f"{abs(mine - whole):.3f} {more} than {self.names[0]}."
        )

    def table(self) -> str:
        """All errors over this clip, as a Markdown table."""
        rows = [(name, f"{error:.4f}") for name, error in self.errors.items()]
        return markdown.table(("model", "mean error"), rows)

    def figure(self, frames: Sequence[int] | None = None, size: int = 144) -> Image.Image:
        """One row of pictures for each frame and model, by default at the present frame."""
        cells, labels = [], []
        for frame in [self.frame] if frames is None else frames:
            for name in self.names:
                for caption, _, pixels in self.pictures(name, size, frame):
                    cells.append(pixels)
                    labels.append(f"{caption} {frame}" if caption == "True frame" else caption)
        return overlays.sheet(cells, 4, labels)

    def _build(self, fps: float) -> None:
        self.choice, self.list = controls.choice("Model", self.names, 280), widgets.HTML()
        traitlets.link((self, "model"), (self.choice, "value"))
        self._follow(
            Film(
                lambda t: [[view] for view in self.pictures(frame=t)], self.count,
                value=self.frame, fps=fps, autoplay=self.count > 1,
            )
        )  # fmt: skip
        self.children = (self.choice, self.film, self.spoken, self.list)

    def _redraw(self, change: dict | None = None) -> None:
        self.sentence = self.describe()
        self.say()
        if change is not None and change["name"] != "model":
            return
        if change is not None:
            self.film.refresh()
        rows = "".join(
            f'<tr><th scope="row">{escape(name)}</th>'
            f"<td>{error:.4f}{' ← shown' if name == self.model else ''}</td></tr>"
            for name, error in self.errors.items()
        )
        head = "".join(f'<th scope="col">{word}</th>' for word in ("Model", "Error"))
        self.list.value = f"<table><tr>{head}</tr>{rows}</table>"

    def _checked(self, name: str) -> str:
        if name not in self.rebuilds:
            raise AidagenError(f"There is no model {name!r}; there are {', '.join(self.names)}.")
        return name

    def _there(self, frame: int) -> int:
        if not 1 <= frame <= self.count:
            raise AidagenError(f"There is no frame {frame}: 1 to {self.count} were rebuilt.")
        return frame

    @traitlets.validate("model", "frame")
    def _refuse(self, proposal: Any) -> Any:
        check = self._checked if proposal["trait"].name == "model" else self._there
        return check(proposal["value"])
