"""The break-it panel: how a clip changes when a part of the model is left out.

    panel = Ablations({"complete": model, "no Jacobians": model2, "no occlusion map": model3}, clip)
    panel                          # in a notebook: switch between them, scrub through the clip
    panel.model = "no Jacobians"   # or by hand
    panel.table()                  # all errors, as Markdown

Every model rebuilds the same clip from its first frame, so that the true answer is known. A fair
comparison trains them alike: same data, same steps, same seed.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

import ipywidgets as widgets
import numpy as np
import traitlets
from PIL import Image
from torch import Tensor

from aidagen import markdown
from aidagen.errors import AidagenError
from aidagen.widgets import controls, overlays
from aidagen.widgets.recordings import rebuilt


class Ablations(widgets.VBox):
    """Models side by side on one clip, the first being the complete one.

    Args:
        models: name -> animatable model, two or more of one picture size.
        frames: a clip ``(T, 3, H, W)``, floats in [0, 1], two frames or more: the first is the
            source, the others are rebuilt from it.
        size: side of each picture on the screen, in pixels.

    ``model`` (a name) and ``frame`` (from 1) are traits; ``errors`` is name -> mean absolute error.

    Raises:
        AidagenError: on fewer than two models, on a name or a frame that does not exist, and
            where models and clip do not fit.
    """

    model = traitlets.Unicode()
    frame = traitlets.Int(1)
    sentence = traitlets.Unicode("")

    def __init__(self, models: Mapping[str, Any], frames: Tensor, *, size: int = 200) -> None:
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
        self.count = len(self.rebuilds[self.names[0]].image)
        super().__init__()
        self.model = self.names[1]
        self._build()
        self.observe(self._redraw, ["model", "frame"])
        self._redraw()

    def __repr__(self) -> str:
        return (
            f"Ablations({self.model!r} of {len(self.names)} models, "
            f"frame {self.frame} of {self.count})"
        )

    def pictures(
        self, name: str | None = None, size: int | None = None
    ) -> list[tuple[str, str, np.ndarray]]:
        """(caption, words, pixels): true frame, complete model, this model, its difference."""
        name, size, t, complete = (
            name or self.model,
            size or self.size,
            self.frame - 1,
            self.names[0],
        )
        output = self.rebuilds[self._checked(name)]
        truth, whole, image = (
            overlays.enlarge(x[t], size)
            for x in (output.truth, self.rebuilds[complete].image, output.image)
        )
        apart, error = overlays.difference_picture(image, truth), output.errors[t]
        return [
            ("True frame", "The true frame", truth),
            (complete, f"Rebuilt by the model {complete!r}", overlays.marked(whole)),
            (name, f"Rebuilt by the model {name!r}", overlays.marked(image)),
            ("Its error", f"Difference from the true frame, mean {error:.3f}", apart),
        ]

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

    def figure(self, size: int = 128) -> Image.Image:
        """One row of pictures for each model, at the present frame."""
        cells, labels = [], []
        for name in self.names:
            for caption, _, pixels in self.pictures(name, size):
                cells.append(pixels)
                labels.append(caption)
        return overlays.sheet(cells, 4, labels)

    def _build(self) -> None:
        self.choice = controls.choice("Model", self.names, 280)
        self.slider = controls.Steps("Frame", 1, max(2, self.count))
        self.screen, self.spoken = widgets.HTML(), controls.Spoken()
        self.list = widgets.HTML()
        traitlets.link((self, "model"), (self.choice, "value"))
        traitlets.link((self, "frame"), (self.slider, "value"))
        inputs = [self.choice] + ([self.slider] if self.count > 1 else [])
        self.children = (controls.row(*inputs), self.screen, self.spoken, self.list)

    def _redraw(self, change: dict | None = None) -> None:
        self.sentence = self.spoken.value = self.describe()
        self.screen.value = controls.pictures(
            controls.picture(pixels, alt, caption) for caption, alt, pixels in self.pictures()
        )
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left;padding-right:1em">{escape(name)}</th>'
            f"<td>{error:.4f}{' ← shown' if name == self.model else ''}</td></tr>"
            for name, error in self.errors.items()
        )
        head = "".join(
            f'<th scope="col" style="text-align:left">{word}</th>' for word in ("Model", "Error")
        )
        self.list.value = f"<table><tr>{head}</tr>{rows}</table>"

    def _checked(self, name: str) -> str:
        if name not in self.rebuilds:
            raise AidagenError(f"There is no model {name!r}; there are {', '.join(self.names)}.")
        return name

    @traitlets.validate("model", "frame")
    def _refuse(self, proposal: Any) -> Any:
        if proposal["trait"].name == "model":
            return self._checked(proposal["value"])
        if not 1 <= proposal["value"] <= self.count:
            raise AidagenError(
                f"There is no frame {proposal['value']}: 1 to {self.count} were rebuilt."
            )
        return proposal["value"]
