"""The mask painter: paint a keypoint's mask, and the frame is generated again.

    painter = MaskPainter(model, source, driving)
    painter                                       # in a notebook: choose a keypoint, paint
    painter.paint(0.3, -0.2, keypoint=4)          # or by hand; 0 is the background
    painter.undo(), painter.reset()
    painter.figure()                              # before and after, for readers without a kernel

It works for models that mix one motion per keypoint by masks (Monkey-Net, First Order Motion); some
of them add a residual flow. What comes after the flow (occlusion, painting) is the model's own.
"""

from collections.abc import Sequence
from typing import Any, no_type_check

import ipywidgets as widgets
import numpy as np
import torch
import traitlets
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from aidagen import animation
from aidagen.errors import AidagenError
from aidagen.widgets import controls, overlays
from aidagen.widgets.canvas import PointCanvas
from aidagen.widgets.composition import (
    Composition,
    brush_weight,
    dense_motion,
    painted,
    place,
)
from aidagen.widgets.film import Film
from aidagen.widgets.panel import Panel
from aidagen.widgets.recordings import LONGEST, MODES, liveliest

STROKES = ("add", "erase", "only move")
KEPT = 40  # strokes that can be undone
GREY = "#BBBBBB"  # the background's colour


class MaskPainter(Panel):
    """A frame under a brush, the masks that made it, and the frame that painted masks make.

    Args:
        model: an animatable model with masks.
        source: the picture to animate, ``(3, H, W)`` or ``(1, 3, H, W)``, floats in [0, 1].
        driving: a driving frame ``(3, H, W)`` or a clip ``(T, 3, H, W)`` of at most 256 frames.
        mode: "absolute" or "relative" motion (the first driving frame is then at rest).
        size: side of the large pictures on the screen, in CSS pixels.
        name: what to call the model in `repr`.

    ``frame`` (from 1), ``keypoint`` (from 1; 0 is the background), ``stroke`` ("add", "erase",
    "only move"), ``radius`` (half the picture is 1) and ``residual`` are traits; ``masks`` are the
    present frame's, ``image`` what they make, and ``sentence`` says what changed. It opens at the
    liveliest frame (`recordings.liveliest`) with the keypoint that claims most there.

    Raises:
        AidagenError: on a model without masks, on a frame, keypoint or stroke that does not
            exist, and where model and pictures do not fit.
    """

    frame = traitlets.Int(1)
    keypoint = traitlets.Int(1)
    stroke = traitlets.Unicode("add")
    radius = traitlets.Float(0.2)
    residual = traitlets.Bool(True)

    shows = "Mask painter: a keypoint's mask, and the frame that the model makes with it"

    @no_type_check  # what users give is checked by hand, in sentences
    def __init__(
        self,
        model: Any,
        source: Tensor,
        driving: Tensor,
        mode: str = "absolute",
        *,
        size: int = 256,
        name: str | None = None,
    ) -> None:
        dense_motion(model)  # refuses what has no masks
        animator = animation.Animator(model, source, mode)  # refuses what does not fit
        driving = driving[None] if getattr(driving, "ndim", 0) == 3 else driving
        shape = tuple(getattr(driving, "shape", ()))
        if len(shape) != 4 or not 0 < shape[0] <= LONGEST:
            raise AidagenError(
                f"A driving frame (3, H, W), or 1 to {LONGEST} of them, were expected, not "
                f"{shape or type(driving).__name__}."
            )
        self.model, self.mode, self.size = model, mode, size
        self.name, self.count = name or type(model).__name__, len(driving)
        self.source, self._encoded = animator.source[0].cpu(), animator.encoded
        self._driving = torch.stack([animator.fit(f, "A driving frame") for f in driving])
        self._compositions: dict[int, Composition] = {}
        self._painted: dict[int, Tensor] = {}
        self._history: list[tuple[int, Tensor]] = []  # frame, its masks before the stroke
        self._at: tuple[float, float] | None = None
        super().__init__()
        self.keypoints = len(self._composition().masks) - 1
        self.frame = liveliest(self._driving.cpu())
        self.keypoint = 1 + int(self.masks[1:].mean((1, 2)).argmax())
        self._build()
        self._redraw()

    def __repr__(self) -> str:
        who = "the background" if not self.keypoint else f"keypoint {self.keypoint}"
        return (
            f"MaskPainter({self.name!r}, frame {self.frame} of {self.count}, {who}, "
            f"{len(self._history)} strokes)"
        )

    # --- what it does ---------------------------------------------------------------------------

    @property
    def masks(self) -> Float[Tensor, "J h w"]:
        """The masks of the present frame as they are painted, the background first."""
        return self._painted.get(self.frame, self._composition().masks)

    def paint(
        self,
        x: float,
        y: float,
        to: tuple[float, float] | None = None,
        *,
        keypoint: int | None = None,
        erase: bool = False,
        radius: float | None = None,
    ) -> None:
        """One stroke at (x, y) in [-1, 1], or from there ``to`` another place."""
        self.keypoint = self.keypoint if keypoint is None else keypoint
        if not all(np.isfinite(v) and abs(v) <= 1 for v in (x, y, *(to or ()))):
            raise AidagenError(f"Places are (x, y) in [-1, 1]; got {(x, y)}, to {to}.")
        self._remember()
        self._dab((x, y), to or (x, y), erase, radius)

    def undo(self) -> None:
        """Take the last stroke back and show its frame."""
        if not self._history:
            return
        frame, masks = self._history.pop()
        self._painted[frame] = masks
        if torch.equal(masks, self._composition(frame).masks):
            del self._painted[frame]
        self.frame = frame
        self._redraw()

    def reset(self) -> None:
        """Give all frames the model's own masks again; this can be undone, frame by frame."""
        for frame, masks in sorted(self._painted.items()):
            self._history = [*self._history, (frame, masks)][-KEPT:]
        self._painted.clear()
        self._redraw()

    def _remember(self) -> None:
        self._history = [*self._history, (self.frame, self.masks)][-KEPT:]

    def _dab(self, start: tuple, end: tuple, erase: bool, radius: float | None = None) -> None:
        masks = self.masks
        weight = brush_weight(start, end, radius or self.radius, *masks.shape[1:])
        self._painted[self.frame] = painted(masks, self.keypoint, weight, erase)
        self._redraw()

    def _composition(self, frame: int | None = None) -> Composition:
        """What the model made of a frame; computed once."""
        frame = self.frame if frame is None else frame
        if frame not in self._compositions:
            with animation.looking(self.model):
                motion = self.model.motion(self._driving[frame - 1 : frame])
                first = self.model.motion(self._driving[:1]) if self.mode == MODES[0] else None
                motion = animation.transferred(self.model, self._encoded, motion, first)
            self._compositions[frame] = Composition(self.model, self._encoded, motion)
        return self._compositions[frame]

    # --- in words and pictures ------------------------------------------------------------------

    def describe(self) -> str:
        """What was painted here and what it changed, in one sentence."""
        composition, k = self._composition(), self.keypoint
        who = f"Keypoint {k}" if k else "The background"
        now, before = (100 * float(m[k].mean()) for m in (self.masks, composition.masks))
        apart = (self.image - self._before).abs().mean(0)
        without = not self.residual and composition.residual is not None
        if self.frame not in self._painted and not without:
            return f"{who} claims {now:.0f} % of frame {self.frame}; nothing is painted here yet."
        what = f"{who} claims {now:.0f} % of frame {self.frame}, {before:.0f} % before"
        what += ", without the residual flow" if without else ""
        if float(apart.max()) < 0.5 / 255:
            return f"{what}; the picture is the same."
        moved = (
            (composition.flow(self.masks, self.residual) - composition.dense.flow)
            .norm(dim=-1)
            .mean()
        )
        return (
            f"{what}; the flow changed by {float(moved):.3f} and the picture by "
            f"{float(apart.mean()):.3f} on average, most at the {place(apart)}."
        )

    def mask_pictures(
        self, which: Sequence[int], size: int, masks: Tensor | None = None
    ) -> list[np.ndarray]:
        """Masks, each in its keypoint's colour over the frame that the model made."""
        shown, masks = overlays.enlarge(self._before, size), self.masks if masks is None else masks
        return [overlays.masked_picture(shown, masks[k].numpy(), colour_of(k)) for k in which]

    def figure(
        self, size: int = 160, *, frame: int | None = None, keypoint: int | None = None,
        strokes: Sequence[tuple[float, float]] = (), radius: float | None = None,
        erase: bool = False,
    ) -> Image.Image:  # fmt: skip
        """Source, driving frame; the chosen mask and the frame made, before and after.

        ``frame``, ``keypoint`` and ``strokes`` (places (x, y), painted on top of what is painted)
        are those of the figure alone; the live widget stays as it is.
        """
        frame, k = self.frame if frame is None else frame, keypoint
        k = self.keypoint if k is None else k
        for trait, value in (("frame", frame), ("keypoint", k)):
            self._check(trait, value)
        composition = self._composition(frame)
        masks = self._painted.get(frame, composition.masks)
        for at in strokes:
            weight = brush_weight(at, at, radius or self.radius, *masks.shape[1:])
            masks = painted(masks, k, weight, erase)
        before = composition.rendering.image[0].float().cpu()
        after = composition.render(masks, self.residual).image[0].float().cpu()
        who = f"keypoint {k}" if k else "background"
        cells = [
            *(overlays.enlarge(x, size) for x in (self.source, self._driving[frame - 1].cpu())),
            *(overlays.masked_picture(overlays.enlarge(before, size), m[k].numpy(), colour_of(k))
              for m in (composition.masks, masks)),
            *(overlays.marked(overlays.enlarge(x, size)) for x in (before, after)),
        ]  # fmt: skip
        labels = ["Source", f"Driving, {frame}", f"Mask, {who}", "painted",
                  "Generated, before", "after"]  # fmt: skip
        return overlays.sheet(cells, 6, labels)

    # --- controls -------------------------------------------------------------------------------

    def _build(self) -> None:
        whose = [*((str(k + 1), k + 1) for k in range(self.keypoints)), ("background", 0)]
        self._before = self.image = self._composition().rendering.image[0].float().cpu()
        self.canvas = PointCanvas(
            self._before, [[0.0, 0.0]], ["Brush"], size=self.size, says=False, brush=self.radius,
            alt="Mask", caption="Paint the mask here",
        )  # fmt: skip
        self.screen = PointCanvas(self._before, size=self.size, caption="Made from painted masks")
        self.original = PointCanvas(self._before, size=self.size, caption="As the model made it")
        self.keypoint_choice = controls.choice("Mask of keypoint", whose, 240)
        self.stroke_choice = controls.choice("Brush", STROKES, 170)
        self.radius_slider = controls.Range("Radius", 0.05, 0.6, 0.05, self.radius)
        self.residual_box = controls.labelled(
            widgets.Checkbox, "Residual flow", 180, value=True, indent=False
        )
        buttons = [widgets.Button(description=d) for d in ("Paint here", "Undo", "Reset masks")]
        self.here_button, self.undo_button, self.reset_button = buttons
        self.strip = widgets.HTML()
        self._follow(Film(None, self.count, value=self.frame, fps=4.0))
        for trait, linked in (
            ("keypoint", self.keypoint_choice), ("radius", self.canvas),
            ("stroke", self.stroke_choice), ("radius", self.radius_slider),
            ("residual", self.residual_box),
        ):  # fmt: skip
            traitlets.link((self, trait), (linked, "brush" if linked is self.canvas else "value"))
        self.canvas.observe(self._moved, ["points", "stroke"])
        self.observe(self._redraw, ["frame", "keypoint", "residual"])
        self.here_button.on_click(lambda _: self.paint(*self._brush, erase=self.stroke == "erase"))
        self.undo_button.on_click(lambda _: self.undo())
        self.reset_button.on_click(lambda _: self.reset())
        pictures = controls.row(self.canvas, self.screen, self.original, align="flex-start")
        has_residual = self._composition().residual is not None
        choices = [self.keypoint_choice, self.stroke_choice, self.radius_slider]
        more = [self.residual_box] if has_residual else []
        self.children = (
            controls.row(*choices), controls.row(*more, *buttons),
            *([self.film] if self.count > 1 else []), pictures, self.spoken, self.strip,
        )  # fmt: skip

    @property
    def _brush(self) -> tuple[float, float]:
        return tuple(self.canvas.points[0])

    def _moved(self, change: dict) -> None:
        """The brush was pressed, or dragged on: paint from where it was."""
        if self.stroke == STROKES[2]:
            self._at = None
            return
        begins = self.canvas.stroke, self.frame
        new = self._at is None or begins != self._begun
        if not new and self._at == self._brush:
            return  # `points` and `stroke` of one message
        start = self._brush if new else self._at
        if new:
            self._remember()
        self._at, self._begun = self._brush, begins
        self._dab(start, self._brush, self.stroke == "erase")

    def _redraw(self, change: dict | None = None) -> None:
        composition = self._composition()
        self._before = composition.rendering.image[0].float().cpu()
        changed = self.frame in self._painted or not self.residual
        rendering = (
            composition.render(self.masks, self.residual) if changed else composition.rendering
        )
        self.image = rendering.image[0].float().cpu().clone()
        self.sentence = self.describe()
        self.say()
        k, size = self.keypoint, self.size
        who = f"keypoint {k}" if k else "the background"
        self.canvas.show(
            self.mask_pictures([k], size)[0], f"Where {who} has its mask, over the generated frame"
        )
        for screen, picture, words in (
            (self.screen, self.image, f"Made from painted masks. {self.sentence}"),
            (self.original, self._before, "The frame as the model made it"),
        ):
            screen.show(overlays.marked(overlays.enlarge(picture, size)), words)
        shares = [100 * float(mask.mean()) for mask in self.masks]
        small = self.mask_pictures(range(len(shares)), 66)
        self.strip.value = controls.pictures(
            controls.picture(
                small[j],
                f"Mask of {f'keypoint {j}' if j else 'the background'}: {shares[j]:.0f} %"
                + (", chosen" if j == k else ""),
                f"{j or 'bg'}: {shares[j]:.0f} %",
                j == k,
            )
            for j in range(len(shares))
        )

    def _check(self, trait: str, value: Any) -> None:
        if trait == "stroke":
            if value not in STROKES:
                raise AidagenError(f"A brush can {', '.join(STROKES)}; not {value!r}.")
        elif trait == "frame" and not 1 <= value <= self.count:
            raise AidagenError(f"There is no frame {value}: the clip has 1 to {self.count}.")
        elif trait == "keypoint" and not 0 <= value <= self.keypoints:
            raise AidagenError(
                f"There is no keypoint {value}: this model has 1 to {self.keypoints}, and 0 is "
                "the background."
            )

    @traitlets.validate("frame", "keypoint", "stroke")
    def _refuse(self, proposal: Any) -> Any:
        self._check(proposal["trait"].name, proposal["value"])
        return proposal["value"]


def colour_of(k: int) -> str:
    """The colour of mask ``k``; 0 is the background."""
    return overlays.colour_of(k - 1) if k else GREY
