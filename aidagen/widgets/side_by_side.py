"""Side by side: one clip through several systems, beside the driving clip and the source.

    compare = SideBySide({"X2Face": x2face, "Monkey-Net": monkeynet, "FOMM": fomm}, sources, clip)
    compare                                # in a notebook: it plays; pause, scrub, choose, read
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

import numpy as np
import torch
import traitlets
from PIL import Image
from torch import Tensor

from aidagen import animation, markdown
from aidagen.errors import AidagenError
from aidagen.grids import identity_grid
from aidagen.widgets import controls, overlays
from aidagen.widgets.film import Film, View
from aidagen.widgets.panel import Panel
from aidagen.widgets.recordings import LONGEST, MODES, liveliest

OWN = "First frame"  # of the driving clip: the source for which the truth is known
SHOWN = ("picture", "error")
MOVED = ("nothing", "flow", "warped source")


class Output(NamedTuple):
    """What one system made of one frame."""

    image: Tensor  # (3, S, S)
    deformed: Tensor | None  # (3, S, S), the source, only warped
    movement: np.ndarray | None  # (h, w, 2), from where each place comes to where it is
    error: float  # mean absolute difference from the driving frame


class Look(NamedTuple):
    """What is chosen beside the frame."""

    source: str
    mode: str
    shown: str
    moved: str


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


class SideBySide(Panel):
    """The same clip through several systems.

    It plays from the start; ``frame`` is the liveliest one of the driving clip
    (`recordings.liveliest`) until somebody scrubs or pauses.

    Args:
        models: name -> animatable model, one or more; sizes may differ.
        sources: pictures to animate, name -> ``(3, H, W)``, or a list of them, floats in [0, 1].
            The first frame of the clip is always among them, under the name "First frame".
        driving: the driving clip ``(T, 3, H, W)``, floats in [0, 1], of 2 to 256 frames.
        mode: "relative" or "absolute".
        size: side of each picture, in pixels; the page shows them larger where there is room.
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

    shows = "Side by side: source, driving frame, and what each system makes of them"

    @no_type_check  # what users give is checked by hand, in sentences
    def __init__(
        self,
        models: Mapping[str, Any],
        sources: Mapping[str, Tensor] | Sequence[Tensor],
        driving: Tensor,
        mode: str = "relative",
        *,
        size: int = 256,
        fps: float = 8.0,
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
        self.mode, self.frame = mode, liveliest(torch.stack(self._driving))
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
        t, look = (self.frame if frame is None else frame) - 1, self._look()
        errors = {name: self._output(name, look, t).error for name in self.names}
        copy = float((self._sources[OWN] - self._driving[t]).abs().mean())
        return {**errors, "copy of the source": copy}

    def table(self) -> str:
        """Errors over the frames after the first, as a Markdown table; renders the whole clip."""
        each = [self.errors(frame) for frame in range(2, self.count + 1)]
        rows = [(name, f"{np.mean([errors[name] for errors in each]):.4f}") for name in each[0]]
        return markdown.table(("system", "l1"), rows)

    def _look(self, **chosen: str) -> Look:
        """The present choices, but for those that are given."""
        for trait, value in chosen.items():
            self._check(trait, value)
        present = {name: getattr(self, name) for name in Look._fields}
        return Look(**{**present, **chosen})

    def _output(self, name: str, look: Look, t: int) -> Output:
        return self.systems[name].output(look.source, look.mode, t)

    # --- in words and pictures ------------------------------------------------------------------

    def columns(self, size: int | None = None, frame: int | None = None) -> list[list[View]]:
        """Source, driving frame and each system with what it moved below."""
        return self._columns(frame or self.frame, self._look(), size or self.size)

    def _columns(self, frame: int, look: Look, size: int) -> list[list[View]]:
        self._check("frame", frame)
        t, known = frame - 1, look.source == OWN
        source, driving = (
            overlays.enlarge(x, size) for x in (self._sources[look.source], self._driving[t])
        )
        result = [
            [View("Source", f"Source picture, {look.source}", source)],
            [View("Driving", f"Driving frame {frame}", driving)],
        ]
        scale = self._scale(look, t)
        for name in self.names:
            output = self._output(name, look, t)
            caption, image = name, overlays.enlarge(output.image, size)
            if known:
                caption = f"{name}: {output.error:.3f}"
            if look.shown == "error" and known:
                words = f"Where {name} is wrong, l1 {output.error:.3f}: black is right"
                column = [View(caption, words, overlays.difference_picture(image, driving))]
            else:
                column = [View(caption, f"Generated by {name}", overlays.marked(image))]
            result.append(column + self._between(name, output, look, size, scale))
        return result

    def _scale(self, look: Look, t: int) -> float:
        """The scale of the flow's colours: one for all systems, so that they compare."""
        flows = [self._output(name, look, t).movement for name in self.names]
        return max(0.1, *(float(np.abs(flow).max()) for flow in flows if flow is not None), 0.1)

    def _between(
        self, name: str, output: Output, look: Look, size: int, scale: float
    ) -> list[View]:
        """The picture below: what the system moved."""
        if look.moved == "flow" and output.movement is not None:
            mean = float(np.linalg.norm(output.movement, axis=-1).mean())
            words = f"Flow of {name}: places move by {mean:.2f} on average"
            pixels = overlays.flow_picture(output.movement, size, scale)
            return [View(f"flow, mean {mean:.2f}", words, pixels)]
        if look.moved == "warped source" and output.deformed is not None:
            pixels = overlays.marked(overlays.enlarge(output.deformed, size))
            after = float((output.image - output.deformed).abs().mean())
            words = f"Source as {name} warped it; then changed by {after:.3f}"
            return [View("warped source", words, pixels)]
        return []

    def describe(self) -> str:
        """What is to be seen at this frame, in one sentence."""
        when, look = f"Frame {self.frame} of {self.count}, {self.mode} motion", self._look()
        if not self.truth_known:
            moved = []
            for name in self.names:
                image = self._output(name, look, self.frame - 1).image
                small = animation.prepare(self._sources[self.source], image.shape[-1])
                moved.append(f"{name} {float((image - small).abs().mean()):.3f}")
            why = "the truth is not known, because nobody filmed this source moving like that"
            return f"{when}: the source was changed by {', '.join(moved)} on average; {why}."
        errors = self.errors()
        copy = errors.pop("copy of the source")
        listed = ", ".join(f"{name} {error:.3f}" for name, error in errors.items())
        return f"{when}: l1 from the true frame {listed}; a copy of the source has {copy:.3f}."

    def figure(
        self, frames: Sequence[int] | None = None, size: int = 144, **chosen: str
    ) -> Image.Image:
        """Frames below each other, by default the present one: pictures, and what was moved.

        ``source``, ``mode``, ``shown`` and ``moved`` may be given for the figure alone; the live
        widget stays as it is.
        """
        look, cells, labels = self._look(**chosen), [], []
        for frame in [self.frame] if frames is None else frames:
            columns = self._columns(frame, look, size)
            for level in range(max(map(len, columns))):
                for column in columns:
                    shown = level < len(column)
                    blank = np.full((size, size, 3), 255, np.uint8)
                    cells.append(column[level].pixels if shown else blank)
                    caption = column[level].caption if shown else ""
                    labels.append(f"Driving, {frame}" if caption == "Driving" else caption)
        return overlays.sheet(cells, len(columns), labels)

    def still(self) -> Image.Image:
        """The present frame, large."""
        return self.figure(size=200)

    # --- controls -------------------------------------------------------------------------------

    def _build(self, fps: float) -> None:
        self.source_choice = controls.choice("Source", list(self.sources), 220)
        self.mode_choice = controls.choice("Motion", MODES, 170)
        self.shown_choice = controls.choice("Show", SHOWN, 150)
        self.moved_choice = controls.choice("What it moved", MOVED, 240)
        for trait, linked in (
            ("source", self.source_choice), ("mode", self.mode_choice),
            ("shown", self.shown_choice), ("moved", self.moved_choice),
        ):  # fmt: skip
            traitlets.link((self, trait), (linked, "value"))
        self._follow(
            Film(
                lambda t: self._columns(t, self._look(), self.size), self.count,
                value=self.frame, fps=fps, autoplay=True,
            )
        )  # fmt: skip
        choices = (self.source_choice, self.mode_choice, self.shown_choice, self.moved_choice)
        self.children = (controls.row(*choices), self.film, self.spoken)

    def _redraw(self, change: dict | None = None) -> None:
        self.shown_choice.disabled = not self.truth_known
        if change is not None and change["name"] != "frame":
            self.film.refresh()
        self.sentence = self.describe()
        self.say()

    def _check(self, trait: str, value: Any) -> None:
        if trait == "frame":
            if not 1 <= value <= self.count:
                raise AidagenError(f"There is no frame {value}: the clip has 1 to {self.count}.")
            return
        options = {
            "source": list(self.sources), "mode": MODES, "shown": SHOWN, "moved": MOVED
        }.get(trait)  # fmt: skip
        if options is None:
            raise AidagenError(f"There is nothing to choose by the name {trait!r}; "
                               f"there are {', '.join(Look._fields)}.")  # fmt: skip
        if value not in options:
            raise AidagenError(f"{trait} is one of {', '.join(options)}; not {value!r}.")

    @traitlets.validate("frame", "source", "mode", "shown", "moved")
    def _refuse(self, proposal: Any) -> Any:
        self._check(proposal["trait"].name, proposal["value"])
        return proposal["value"]
