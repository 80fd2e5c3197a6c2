"""Side by side: one clip through several systems, beside the driving clip and the source.

    compare = SideBySide({"X2Face": x2face, "Monkey-Net": monkeynet, "FOMM": fomm}, sources, clip)
    compare                                # in a notebook: scrub or play, choose, read
    compare.source = "First frame"         # self-reconstruction: here the truth is known
    compare.shown = "error"                # or by hand: frame, mode, moved
    compare.table()                        # the error of every system over the clip, as Markdown
    compare.figure()                       # a still picture, for readers without a kernel

It asks of a system only what ``aidagen.animation`` asks. Where the source is the first frame of the
driving clip, the driving frame is the true answer; for any other source the truth was never filmed,
and no error is shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, no_type_check

import ipywidgets as widgets
import numpy as np
import torch
import traitlets
from PIL import Image
from torch import Tensor

from aidagen import animation, markdown
from aidagen.errors import AidagenError
from aidagen.grids import identity_grid
from aidagen.widgets import controls, overlays
from aidagen.widgets.recordings import LONGEST, MODES

OWN = "First frame"  # of the driving clip: the source for which the truth is known
SHOWN = ("picture", "error")
MOVED = ("nothing", "flow", "warped source")


class Output(NamedTuple):
    """What one system made of one frame."""

    image: Tensor  # (3, S, S)
    deformed: Tensor | None  # (3, S, S), the source, only warped
    movement: np.ndarray | None  # (h, w, 2), from where each place comes to where it is
    error: float  # mean absolute difference from the driving frame


class System:
    """A model with its memory: each source is encoded once, each frame rendered once."""

    def __init__(self, model: Any, source: Tensor, driving: Sequence[Tensor]) -> None:
        first = animation.Animator(model, source, MODES[0])  # refuses what does not fit
        self.model, self.size = model, first.size
        self.driving = torch.stack([first.fit(f, "A driving frame") for f in driving])
        self._encoded: dict[str, Any] = {}
        self._motions: dict[int, Any] = {}
        self._frames: dict[tuple[str, str, int], Output] = {}

    def encode(self, name: str, source: Tensor) -> None:
        """Take in a source under a name."""
        self._encoded[name] = animation.Animator(self.model, source).encoded

    def output(self, name: str, mode: str, t: int) -> Output:
        """Frame ``t`` (from 0) of the source called ``name``."""
        if (name, mode, t) not in self._frames:
            encoded = self._encoded[name]
            with animation.looking(self.model):
                first = self._motion(0) if mode == MODES[0] else None
                motion = animation.transferred(self.model, encoded, self._motion(t), first)
                rendering = self.model.render(encoded, motion)
            image, deformed, flow = (
                None if x is None else x[0].float().cpu().clone()
                for x in (getattr(rendering, n, None) for n in ("image", "deformed", "flow"))
            )
            movement = None if flow is None else (identity_grid(*flow.shape[:2]) - flow).numpy()
            error = float((image - self.driving[t].cpu()).abs().mean())
            self._frames[name, mode, t] = Output(image, deformed, movement, error)
        return self._frames[name, mode, t]

    def _motion(self, t: int) -> Any:
        if t not in self._motions:
            self._motions[t] = self.model.motion(self.driving[t : t + 1])
        return self._motions[t]


class SideBySide(widgets.VBox):
    """The same clip through several systems.

    Args:
        models: name -> animatable model, one or more; sizes may differ.
        sources: pictures to animate, name -> ``(3, H, W)``, or a list of them, floats in [0, 1].
            The first frame of the clip is always among them, under the name "First frame".
        driving: the driving clip ``(T, 3, H, W)``, floats in [0, 1], of 2 to 256 frames.
        mode: "relative" or "absolute".
        size: side of each picture on the screen, in pixels.
        fps: frames per second while it plays.

    ``frame`` (from 1), ``source`` (a name), ``mode``, ``shown`` ("picture" or, where the truth is
    known, "error") and ``moved`` ("nothing", "flow", "warped source": the row below) are traits;
    ``sentence`` says what is to be seen. A frame is rendered when it is first shown.

    Raises:
        AidagenError: on no model, on a choice that does not exist, and where a model or a
            picture does not fit.
    """

    frame = traitlets.Int(1)
    source = traitlets.Unicode(OWN)
    mode = traitlets.Unicode(MODES[0])
    shown = traitlets.Unicode(SHOWN[0])
    moved = traitlets.Unicode(MOVED[0])
    sentence = traitlets.Unicode("")

    @no_type_check  # what users give is checked by hand, in sentences
    def __init__(
        self,
        models: Mapping[str, Any],
        sources: Mapping[str, Tensor] | Sequence[Tensor],
        driving: Tensor,
        mode: str = "relative",
        *,
        size: int = 150,
        fps: float = 6.0,
    ) -> None:
        if not models:
            raise AidagenError("There is no model to look at; give a dictionary name -> model.")
        if not isinstance(driving, Tensor) or driving.ndim != 4 or not 2 <= len(driving) <= LONGEST:
            raise AidagenError(
                f"A driving clip (T, 3, H, W) of 2 to {LONGEST} frames was expected, not "
                f"{tuple(getattr(driving, 'shape', ())) or type(driving).__name__}."
            )
        if not isinstance(sources, Mapping):
            sources = {f"Source {i}": each for i, each in enumerate(sources, 1)}
        if OWN in sources:
            raise AidagenError(
                f"{OWN!r} is the name of the clip's own first frame; give the source another name."
            )
        self.names, self.size, self.count = list(models), size, len(driving)
        self.sources = {OWN: driving[0], **sources}
        self.systems = {
            name: System(model, driving[0], list(driving)) for name, model in models.items()
        }
        for system in self.systems.values():
            for name, picture in self.sources.items():
                system.encode(name, picture)
        largest = max(system.size for system in self.systems.values())
        self._driving = [animation.prepare(f.cpu().float(), largest) for f in driving]
        self._sources = {
            name: animation.prepare((s[0] if s.ndim == 4 else s).cpu().float(), largest)
            for name, s in self.sources.items()
        }
        super().__init__()
        self.mode = mode
        self._build(fps)
        self.observe(self._redraw, ["frame", "source", "mode", "shown", "moved"])
        self._redraw()

    def __repr__(self) -> str:
        return (
            f"SideBySide({', '.join(map(repr, self.names))}; {self.source!r}, {self.mode}, "
            f"frame {self.frame} of {self.count})"
        )

    # --- what it knows --------------------------------------------------------------------------

    @property
    def truth_known(self) -> bool:
        """Whether the driving frame is the true answer."""
        return self.source == OWN

    def errors(self, frame: int | None = None) -> dict[str, float]:
        """Mean absolute error of every system at a frame, and of a copy of the source.

        Raises:
            AidagenError: where the truth is not known.
        """
        if not self.truth_known:
            raise AidagenError(
                f"Nobody filmed {self.source!r} moving like this, so there is no truth to compare "
                f"with; choose the source {OWN!r}."
            )
        t = (self.frame if frame is None else frame) - 1
        errors = {name: self._output(name, t).error for name in self.names}
        copy = float((self._sources[OWN] - self._driving[t]).abs().mean())
        return {**errors, "copy of the source": copy}

    def table(self) -> str:
        """Errors over the frames after the first, as a Markdown table; renders the whole clip."""
        each = [self.errors(frame) for frame in range(2, self.count + 1)]
        rows = [(name, f"{np.mean([errors[name] for errors in each]):.4f}") for name in each[0]]
        return markdown.table(("system", "l1"), rows)

    def _output(self, name: str, t: int) -> Output:
        return self.systems[name].output(self.source, self.mode, t)

    # --- in words and pictures ------------------------------------------------------------------

    def columns(self, size: int | None = None) -> list[list[tuple[str, str, np.ndarray]]]:
        """(caption, words, pixels) of source, driving frame and each system, top to bottom."""
        size, t = size or self.size, self.frame - 1
        source, driving = (
            overlays.enlarge(x, size) for x in (self._sources[self.source], self._driving[t])
        )
        result = [
            [("Source", f"Source picture, {self.source}", source)],
            [("Driving", f"Driving frame {self.frame}", driving)],
        ]
        scale = self._scale(t)
        for name in self.names:
            output = self._output(name, t)
            caption, image = name, overlays.enlarge(output.image, size)
            if self.truth_known:
                caption = f"{name}: {output.error:.3f}"
            if self.shown == "error" and self.truth_known:
                words = f"Where {name} is wrong, l1 {output.error:.3f}: black is right"
                column = [(caption, words, overlays.difference_picture(image, driving))]
            else:
                column = [(caption, f"Generated by {name}", overlays.marked(image))]
            result.append(column + self._between(name, output, size, scale))
        return result

    def _scale(self, t: int) -> float:
        """The scale of the flow's colours: one for all systems, so that they compare."""
        flows = [self._output(name, t).movement for name in self.names]
        return max(0.1, *(float(np.abs(flow).max()) for flow in flows if flow is not None), 0.1)

    def _between(
        self, name: str, output: Output, size: int, scale: float
    ) -> list[tuple[str, str, np.ndarray]]:
        """The picture below: what the system moved."""
        if self.moved == "flow" and output.movement is not None:
            mean = float(np.linalg.norm(output.movement, axis=-1).mean())
            words = f"Flow of {name}: places move by {mean:.2f} on average"
            pixels = overlays.flow_picture(output.movement, size, scale)
            return [(f"flow, mean {mean:.2f}", words, pixels)]
        if self.moved == "warped source" and output.deformed is not None:
            pixels = overlays.marked(overlays.enlarge(output.deformed, size))
            after = float((output.image - output.deformed).abs().mean())
            words = f"Source as {name} warped it; then changed by {after:.3f}"
            return [("warped source", words, pixels)]
        return []

    def describe(self) -> str:
        """What is to be seen at this frame, in one sentence."""
        when = f"Frame {self.frame} of {self.count}, {self.mode} motion"
        if not self.truth_known:
            moved = []
            for name in self.names:
                image = self._output(name, self.frame - 1).image
                small = animation.prepare(self._sources[self.source], image.shape[-1])
                moved.append(f"{name} {float((image - small).abs().mean()):.3f}")
            why = "the truth is not known, for nobody filmed this source moving so"
            return f"{when}: the source was changed by {', '.join(moved)} on average; {why}."
        errors = self.errors()
        copy = errors.pop("copy of the source")
        listed = ", ".join(f"{name} {error:.3f}" for name, error in errors.items())
        return f"{when}: l1 from the true frame {listed}; a copy of the source has {copy:.3f}."

    def figure(self, size: int = 144) -> Image.Image:
        """The present frame as one picture: pictures above, what was moved below."""
        columns, cells, labels = self.columns(size), [], []
        for level in range(max(map(len, columns))):
            for column in columns:
                shown = level < len(column)
                pixels = column[level][2] if shown else np.full((size, size, 3), 255, np.uint8)
                cells.append(pixels)
                labels.append(column[level][0] if shown else "")
        return overlays.sheet(cells, len(columns), labels)

    # --- controls -------------------------------------------------------------------------------

    def _build(self, fps: float) -> None:
        self.slider = controls.Steps("Frame", 1, self.count)
        self.player = controls.Player(low=1, high=self.count, fps=fps)
        self.source_choice = controls.choice("Source", list(self.sources), 220)
        self.mode_choice = controls.choice("Motion", MODES, 170)
        self.shown_choice = controls.choice("Show", SHOWN, 150)
        self.moved_choice = controls.choice("What it moved", MOVED, 240)
        self.pictures, self.spoken = widgets.HTML(), controls.Spoken()
        for trait, linked in (
            ("frame", self.slider), ("frame", self.player), ("source", self.source_choice),
            ("mode", self.mode_choice), ("shown", self.shown_choice), ("moved", self.moved_choice),
        ):  # fmt: skip
            traitlets.link((self, trait), (linked, "value"))
        self.player.observe(self._say, "playing")
        choices = (self.source_choice, self.mode_choice, self.shown_choice, self.moved_choice)
        self.children = (
            controls.row(self.player, self.slider), controls.row(*choices), self.pictures,
            self.spoken,
        )  # fmt: skip

    def _redraw(self, change: dict | None = None) -> None:
        self.shown_choice.disabled = not self.truth_known
        self.pictures.value = controls.pictures(
            f"<div>{''.join(controls.picture(p, words, caption) for caption, words, p in column)}"
            "</div>"
            for column in self.columns()
        )
        self.sentence = self.describe()
        self._say()

    def _say(self, change: dict | None = None) -> None:
        if not self.player.playing:  # a screen reader cannot keep up with every frame
            self.spoken.value = self.sentence

    @traitlets.validate("frame", "source", "mode", "shown", "moved")
    def _refuse(self, proposal: Any) -> Any:
        value, trait = proposal["value"], proposal["trait"].name
        if trait == "frame":
            if not 1 <= value <= self.count:
                raise AidagenError(f"There is no frame {value}: the clip has 1 to {self.count}.")
            return value
        options = {"source": list(self.sources), "mode": MODES, "shown": SHOWN, "moved": MOVED}[
            trait
        ]
        if value not in options:
            raise AidagenError(f"{trait} is one of {', '.join(options)}; not {value!r}.")
        return value
