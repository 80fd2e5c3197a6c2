"""The time machine: a slider over the checkpoints of a finished run.

    machine = TimeMachine(zoo.snapshots("fomm-heads-64"), clip)
    machine                         # in a notebook: play or slide from the first step to the last
    machine.step = 400              # or by hand
    machine.figure()                # a still picture, for readers without a kernel

Every checkpoint rebuilds the same clip from its first frame, so that the true answer is known.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets
from PIL import Image
from torch import Tensor

from aidagen.errors import AidagenError
from aidagen.widgets import controls, overlays
from aidagen.widgets.curves import curve
from aidagen.widgets.film import Film, View
from aidagen.widgets.panel import Panel
from aidagen.widgets.recordings import liveliest, rebuilt


class TimeMachine(Panel):
    """What a model could do at each of its checkpoints: keypoints, rebuilt frame, error, loss.

    Args:
        snapshots: training step -> model, two or more (`aidagen.zoo.snapshots`).
        frames: a clip ``(T, 3, H, W)``, floats in [0, 1], two frames or more: the first is the
            source, the others are rebuilt from it.
        history: rows of the run with "step" and loss terms (`aidagen.runs.history`); without
            them the curve is that of the error on this clip.
        size: side of each picture, in pixels; the page shows them larger where there is room.
        name: what to call the run in `repr`.

    ``step`` and ``frame`` (from 1, among the rebuilt ones; at first the liveliest, see
    `recordings.liveliest`) are traits.

    Raises:
        AidagenError: on fewer than two checkpoints, on a step or a frame that does not exist, and
            where models and clip do not fit.
    """

    step = traitlets.Int()
    place = traitlets.Int(1, help="of the step among the checkpoints, from 1")
    frame = traitlets.Int(1)

    shows = "Time machine: keypoints and rebuilt frame at a moment of the training run"

    def __init__(
        self,
        snapshots: Mapping[int, Any],
        frames: Tensor,
        history: Sequence[Mapping[str, float]] | None = None,
        *,
        size: int = 256,
        name: str = "run",
    ) -> None:
        self.steps = sorted(snapshots)
        if len(self.steps) < 2 or self.steps[0] < 1:
            raise AidagenError(
                f"A time machine needs checkpoints of two steps or more, counted from 1; got "
                f"{self.steps or 'none'}."
            )
        self.name, self.size = name, size
        self.rebuilds = {step: rebuilt(snapshots[step], frames) for step in self.steps}
        self.errors = {step: float(output.errors.mean()) for step, output in self.rebuilds.items()}
        self.count = len(self.rebuilds[self.steps[0]].image)
        self._curve, self._what = self._course(history)
        super().__init__()
        last = self.rebuilds[self.steps[-1]]
        self.place = len(self.steps)
        self.step, self.frame = self.steps[-1], liveliest(last.truth, last.source)
        self._build()
        self.observe(self._redraw, ["step", "frame"])
        self._redraw()

    def __repr__(self) -> str:
        return (
            f"TimeMachine({self.name!r}, step {self.step} of {len(self.steps)} checkpoints, "
            f"frame {self.frame} of {self.count})"
        )

    def _course(self, history: Sequence[Mapping[str, float]] | None) -> tuple[tuple, str]:
        """The curve's xs and ys, and what it shows."""
        if history is None:
            return (self.steps, [max(e, 1e-6) for e in self.errors.values()]), "error of this clip"
        rows = list(history)
        aside = ("step", "seconds")
        sums = [sum(v for k, v in row.items() if k not in aside) for row in rows]
        if len(rows) < 2 or not all("step" in row for row in rows) or min(sums) <= 0:
            raise AidagenError(
                'A history is two rows or more with "step" and loss terms, as '
                f"runs.history gives them; got {len(rows)} rows."
            )
        return ([row["step"] for row in rows], sums), "loss, all terms"

    def pictures(
        self, step: int | None = None, size: int | None = None, frame: int | None = None
    ) -> list[View]:
        """Source, true frame, rebuilt frame and the difference of the last two."""
        step, size, frame = step or self.step, size or self.size, frame or self.frame
        output, t = self.rebuilds[self._checked(step)], self._there(frame) - 1
        truth, image = (overlays.enlarge(x[t], size) for x in (output.truth, output.image))
        apart = overlays.difference_picture(image, truth)
        source, seen, dots = overlays.enlarge(output.source, size), truth, ""
        if output.points is not None:
            pixels, dots = output.source.shape[-1], " with the keypoints of this step"
            source = overlays.draw_points(source, output.source_points, pixels)
            seen = overlays.draw_points(truth, output.points[t], pixels)
        return [
            View("Source", f"Source picture{dots}", source),
            View("True frame", f"True frame{dots}", seen),
            View("Rebuilt", f"The frame as rebuilt at step {step}", overlays.marked(image)),
            View("Difference", f"Difference of both, mean {output.errors[t]:.3f}", apart),
        ]

    def plot(self, step: int | None = None, size: int | None = None) -> np.ndarray:
        """The curve of the run, with a marker at ``step``."""
        step, size = self._checked(step or self.step), size or self.size
        return curve(
            *self._curve, step, dots=self.steps, size=(size, size),
            y_label=self._what,
        )  # fmt: skip

    def describe(self) -> str:
        """How well the model rebuilds the clip at this step, in one sentence."""
        error, first = self.errors[self.step], self.errors[self.steps[0]]
        said = f"Step {self.step} of {self.steps[-1]}: rebuilt with a mean error of {error:.3f}"
        if self.step != self.steps[0]:
            said += f" (at step {self.steps[0]} it was {first:.3f})"
        now, end = self.rebuilds[self.step].points, self.rebuilds[self.steps[-1]].points
        if now is not None and self.step != self.steps[-1]:
            away = float(np.linalg.norm(now - end, axis=-1).mean())
            said += f"; the keypoints lie {away:.2f} from where they end up"
        return f"{said}."

    def figure(
        self, steps: Sequence[int] | None = None, size: int = 144, *, frame: int | None = None
    ) -> Image.Image:
        """One row of pictures for each of some steps: four spread over the run by default.

        ``frame`` is the figure's alone; the live widget stays as it is.
        """
        if steps is None:
            spread = np.linspace(0, len(self.steps) - 1, min(4, len(self.steps)))
            steps = [self.steps[round(i)] for i in spread.tolist()]
        cells, labels = [], []
        for step in steps:
            for caption, _, pixels in self.pictures(step, size, frame):
                cells.append(pixels)
                labels.append(f"{caption}, step {step}" if caption == "Rebuilt" else caption)
        return overlays.sheet(cells, 4, labels)

    # --- controls -------------------------------------------------------------------------------

    def _build(self) -> None:
        self._follow(
            Film(
                self._moment, len(self.steps), value=len(self.steps), label="Training step",
                texts=[f"step {step}" for step in self.steps], fps=1.5,
            ),
            "place",
        )  # fmt: skip
        self.frame_slider = controls.Steps("Frame", 1, max(2, self.count), value=self.frame)
        self.observe(lambda c: setattr(self, "step", self.steps[c["new"] - 1]), "place")
        self.observe(lambda c: setattr(self, "place", 1 + self.steps.index(c["new"])), "step")
        traitlets.link((self, "frame"), (self.frame_slider, "value"))
        more = [self.frame_slider] if self.count > 1 else []
        self.children = (*more, self.film, self.spoken)

    def _moment(self, place: int) -> list[list[View]]:
        """The pictures of a checkpoint, counted from 1, and where the run is."""
        step = self.steps[place - 1]
        alt = f"Curve of the {self._what} over the steps, falling or not; marked: step {step}"
        curve = View(f"The run: {self._what}", alt, self.plot(step))
        return [[view] for view in [*self.pictures(step), curve]]

    def _redraw(self, change: dict | None = None) -> None:
        if change is not None and change["name"] == "frame":
            self.film.refresh()
        self.sentence = self.describe()
        self.say()

    def _there(self, frame: int) -> int:
        if not 1 <= frame <= self.count:
            raise AidagenError(f"There is no frame {frame}: 1 to {self.count} were rebuilt.")
        return frame

    def _checked(self, step: int) -> int:
        if step not in self.rebuilds:
            raise AidagenError(
                f"No checkpoint was kept at step {step}; there are "
                f"{', '.join(map(str, self.steps))}."
            )
        return step

    @traitlets.validate("step", "frame")
    def _refuse(self, proposal: Any) -> int:
        check = self._checked if proposal["trait"].name == "step" else self._there
        return check(proposal["value"])
