"""The motion microscope: a clip made by an animatable model, with everything that led to it.

    microscope = MotionMicroscope(model, source, frames)
    microscope                            # in a notebook: scrub, choose, read the sentence below
    microscope.frame = 12                 # or by hand: frame, overlay, mode, keypoint
    microscope.figure()                   # a still picture of it, for readers without a kernel
    MotionMicroscope(model, source, frames, other=model2)    # two models on the same clip

It works with every model that ``aidagen.animation`` animates, and offers what that model's
``Rendering`` holds: points, Jacobians, flow, occlusion, masks. ``recordings`` runs the model,
``overlays`` draws, ``controls`` has the inputs. To drag a keypoint of the source, see ``puppet``.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np
import traitlets
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from aidagen.errors import AidagenError
from aidagen.grids import identity_grid
from aidagen.widgets import controls, overlays
from aidagen.widgets.recordings import LONGEST, MODES, Recording, Take

# overlay -> (caption of the fourth picture, what a Rendering must hold for it)
OVERLAYS = {
    "keypoints": ("Paths so far", "points"),
    "jacobians": ("Turn and stretch", "jacobians"),
    "warped grid": ("Grid carried along", "flow"),
    "flow": ("Movement", "flow"),
    "occlusion": ("Occlusion", "occlusion"),
    "masks": ("Mask", "masks"),
    "deformed source": ("Warped source", "deformed"),
    "none": ("Difference", "image"),
}


class View(NamedTuple):
    """One picture of the row, its caption, and its description for readers who cannot see it."""

    caption: str
    alt: str
    pixels: UInt8[np.ndarray, "S S 3"]


class MotionMicroscope(widgets.VBox):
    """Source, driving and generated frame, and one picture of what happens in between.

    Args:
        model: an animatable model (see `aidagen.animation`).
        source: the picture to animate, ``(3, H, W)`` or ``(1, 3, H, W)``, floats in [0, 1].
        frames: the driving clip, ``(T, 3, H, W)`` or an iterable of frames, floats in [0, 1]; at
            most 256 of them.
        mode: "relative" or "absolute"; each is computed once, when it is first shown.
        overlay: one of `overlays_at_hand`; by default the first of them.
        size: side of each picture on the screen, in pixels.
        smooth: False shows the model's pixels as blocks.
        name: what to call the model in `repr`, and in captions where there are two.
        other: a second model to look at beside the first, in the same colours and on the same
            scales; the overlays and keypoints are those that both have.
        other_name: what to call that one.

    Raises:
        AidagenError: on an overlay, frame or keypoint that does not exist, and where model,
            source or clip do not fit.
    """

    frame = traitlets.Int(1, help="from 1 to the number of frames")
    overlay = traitlets.Unicode("none")
    mode = traitlets.Unicode("relative")
    keypoint = traitlets.Int(0, help="the chosen one, from 1; 0 is the background's mask")
    sentence = traitlets.Unicode("", help="what is to be seen, in words")

    def __init__(
        self,
        model: Any,
        source: Tensor,
        frames: Tensor | Iterable[Tensor],
        mode: str = "relative",
        *,
        overlay: str | None = None,
        size: int = 240,
        smooth: bool = True,
        name: str | None = None,
        other: Any = None,
        other_name: str | None = None,
    ) -> None:
        self.size, self.smooth, self.name = size, smooth, name or type(model).__name__
        if other is not None and not isinstance(frames, Tensor):
            frames = list(islice(frames, LONGEST + 1))  # both models need them
        self.recording = Recording(model, source, frames)
        self.pixels, self.count = self.recording.pixels, len(self.recording)
        self.recordings, self.names = [self.recording], [self.name]
        if other is not None:
            self.recordings.append(Recording(other, source, frames))
            self.names.append(other_name or f"{type(other).__name__}, the other")
        takes = [recording.take(mode) for recording in self.recordings]
        self.overlays_at_hand = tuple(
            key
            for key, (_, needed) in OVERLAYS.items()
            if all(getattr(take, needed) is not None for take in takes)
        )
        self.keypoints = min(0 if t.points is None else t.points.shape[1] for t in takes)
        super().__init__()
        self.mode, self.keypoint = mode, min(1, self.keypoints)
        self.overlay = overlay or self.overlays_at_hand[0]
        self._build()
        self.observe(self._redraw, ["frame", "overlay", "mode", "keypoint"])
        self._redraw()

    def __repr__(self) -> str:
        names = " and ".join(map(repr, self.names))
        return f"MotionMicroscope({names}, {self.mode}, frame {self.frame} of {self.count})"

    # --- pictures -------------------------------------------------------------------------------

    @property
    def take(self) -> Take:
        """Everything the model made in the present mode, as arrays over all frames."""
        return self.recording.take(self.mode)

    def views(
        self, frame: int | None = None, overlay: str | None = None, size: int | None = None
    ) -> list[View]:
        """The pictures of a frame: source, driving, generated and what lies in between.

        With a second model its generated picture and what lies in between come fifth and sixth.
        """
        frame, overlay, size = (
            self.frame if frame is None else frame, overlay or self.overlay, size or self.size
        )  # fmt: skip
        self._check(frame, overlay)
        rows = [self._views(frame, overlay, size, each) for each in range(len(self.recordings))]
        return rows[0] + [view for row in rows[1:] for view in row[2:]]

    def _views(self, frame: int, overlay: str, size: int, which: int) -> list[View]:
        """The four pictures of one of the models."""
        recording, t, pixels = self.recordings[which], frame - 1, self.recordings[which].pixels
        take = recording.take(self.mode)
        chosen = self.keypoint - 1 if self.keypoint else None
        images = (recording.source, recording.driving[t], take.image[t])
        row = [overlays.enlarge(image, size, self.smooth) for image in images]
        between = self._between(overlay, t, row, recording)
        if overlay in ("keypoints", "jacobians", "masks"):
            for i, (pose, at) in enumerate(
                ((recording.source_pose, 0), (recording.driving_pose, t), (take, t))
            ):
                if pose.points is None:
                    continue
                if overlay == "jacobians":
                    row[i] = overlays.draw_ellipses(
                        row[i], pose.points[at], pose.jacobians[at], pixels, chosen
                    )
                else:
                    row[i] = overlays.draw_points(row[i], pose.points[at], pixels, chosen)
        elif overlay == "warped grid":
            row[0] = overlays.draw_grid(row[0], take.flow[t], pixels)
            row[2] = overlays.draw_grid(
                row[2], identity_grid(*take.flow.shape[1:3]).numpy(), pixels
            )
        row[2] = overlays.marked(row[2])
        caption = OVERLAYS[overlay][0]
        if overlay == "masks":
            caption = f"Mask of {self._who()}"
        drawn = {"jacobians": " with its local axes", "warped grid": " with grid lines"}
        with_points = " with its keypoints" if overlay in ("keypoints", "masks") else ""
        who = f", {self.names[which]}" if len(self.names) > 1 else ""
        names = ("Source", "Driving", f"Generated{who}")
        finding = self._finding(overlay, t, recording)
        return [
            *(
                View(name, f"{name} picture{drawn.get(overlay, with_points)}", picture)
                for name, picture in zip(names, row, strict=True)
            ),
            View(f"{caption}{who}", f"{caption}{who}. {self._when(frame)}, {finding}.", between),
        ]

    def _between(self, overlay: str, t: int, row: list, recording: Recording) -> np.ndarray:
        """The fourth picture."""
        take, pixels, (source, driving, generated) = (
            recording.take(self.mode),
            recording.pixels,
            row,
        )
        size, dim, chosen = (
            len(generated),
            generated // 2,
            self.keypoint - 1 if self.keypoint else None,
        )
        if overlay == "keypoints":
            return overlays.draw_paths(dim, take.points[: t + 1], pixels, chosen)
        if overlay == "jacobians":
            change = self._change(t, recording)
            return overlays.draw_ellipses(dim, take.points[t], change, pixels, chosen)
        if overlay == "warped grid":
            straight = identity_grid(*take.flow.shape[1:3]).numpy()
            return overlays.warped(overlays.draw_grid(source, straight, pixels), take.flow[t])
        if overlay == "flow":
            return overlays.flow_picture(take.movement[t], size, self._largest())
        if overlay == "occlusion":
            return overlays.map_picture(take.occlusion[t], size)
        if overlay == "masks":
            colour = "#BBBBBB" if chosen is None else overlays.colour_of(chosen)
            return overlays.masked_picture(generated, take.masks[t, self.keypoint], colour)
        if overlay == "deformed source":
            return overlays.enlarge(take.deformed[t], size, self.smooth)
        return overlays.difference_picture(generated, driving)

    def _change(self, t: int, recording: Recording) -> Float[np.ndarray, "K 2 2"]:
        """How each neighbourhood changed since the source: J_D J_S^-1, the inverse of eq. 5."""
        return recording.take(self.mode).jacobians[t] @ np.linalg.inv(
            recording.source_pose.jacobians[0]
        )

    def _largest(self) -> float:
        """The scale of the flow's colours, one for all frames and models so that they compare."""
        takes = [recording.take(self.mode) for recording in self.recordings]
        return max(0.05, *(float(np.abs(take.movement).max()) for take in takes))

    def _who(self) -> str:
        return f"keypoint {self.keypoint}" if self.keypoint else "the background"

    def figure(
        self,
        frames: Sequence[int] | None = None,
        overlay: str | Sequence[str] | None = None,
        size: int = 128,
    ) -> Image.Image:
        """A contact sheet: for each frame and overlay one row of pictures, four or six.

        Without arguments four frames spread over the clip, under the present overlay;
        ``overlay="all"`` takes every one at hand.
        """
        if frames is None:
            frames = sorted({round(t) for t in np.linspace(1, self.count, 5)[1:].tolist()})
        if overlay == "all":
            overlay = self.overlays_at_hand
        names = [overlay or self.overlay] if not overlay or isinstance(overlay, str) else overlay
        cells, labels = [], []
        for t in frames:
            for name in names:
                for view in self.views(t, name, size):
                    cells.append(view.pixels)
                    driving = view.caption == "Driving"
                    labels.append(f"Driving, {t}" if driving else view.caption)
        return overlays.sheet(cells, 2 + 2 * len(self.recordings), labels)

    # --- in words -------------------------------------------------------------------------------

    def describe(self, frame: int | None = None, overlay: str | None = None) -> str:
        """What the pictures show, in one sentence."""
        frame, overlay = self.frame if frame is None else frame, overlay or self.overlay
        self._check(frame, overlay)
        findings = [self._finding(overlay, frame - 1, recording) for recording in self.recordings]
        if len(findings) > 1:
            findings = [f"{name}: {what}" for name, what in zip(self.names, findings, strict=True)]
        return f"{self._when(frame)}, {'; '.join(findings)}."

    def _when(self, frame: int) -> str:
        return f"Frame {frame} of {self.count}, {self.mode} motion"

    def _finding(self, overlay: str, t: int, recording: Recording) -> str:
        take = recording.take(self.mode)
        if overlay == "keypoints":
            moved = np.linalg.norm(take.points[t] - recording.source_pose.points[0], axis=-1)
            k = int(moved.argmax())
            return f"keypoints: largest movement {moved[k]:.2f} at keypoint {k + 1}"
        if overlay == "jacobians":
            changes = [overlays.stretch_and_turn(matrix) for matrix in self._change(t, recording)]
            k = max(range(len(changes)), key=lambda i: abs(changes[i][1]))
            stretch, turn = changes[k]
            return (
                f"Jacobians: largest turn {turn:.0f} degrees at keypoint {k + 1}, "
                f"stretched by {stretch:.2f}"
            )
        if overlay in ("flow", "warped grid"):
            length = np.linalg.norm(take.movement[t], axis=-1)
            mean, most = length.mean(), length.max()
            return f"{overlay}: places move by {mean:.2f} on average, {most:.2f} at most"
        if overlay == "occlusion":
            share = 100 * float((take.occlusion[t] < 0.5).mean())
            return f"occlusion: {share:.0f} % of the picture is mostly painted"
        if overlay == "masks":
            share = 100 * float(take.masks[t, self.keypoint].mean())
            return f"masks: {self._who()} claims {share:.0f} % of the picture"
        if overlay == "deformed source":
            apart = float((take.image[t] - take.deformed[t]).abs().mean())
            return f"deformed source: the network then changes it by {apart:.3f} on average"
        apart = float((take.image[t] - recording.driving[t]).abs().mean())
        return f"no overlay: generated and driving frame differ by {apart:.3f} on average"

    # --- controls -------------------------------------------------------------------------------

    def _build(self) -> None:
        """Native, labelled controls, each linked to a trait; the number box names the slider."""

        numbers = [(str(k + 1), k + 1) for k in range(self.keypoints)]
        last = max(2, self.count)  # a slider from 1 to 1 cannot be drawn; it is left out then
        self.slider = controls.Steps("Scrub", 1, last)
        self.number = controls.labelled(widgets.BoundedIntText, "Frame", 130, min=1, max=self.count)
        self.overlay_choice = controls.choice("Overlay", self.overlays_at_hand, 220)
        self.mode_choice = controls.choice("Motion", MODES, 170)
        self.keypoint_choice = controls.choice("Keypoint", [*numbers, ("background", 0)], 190)
        self.pictures, self.words = widgets.HTML(), controls.Spoken()
        for trait, linked in (
            ("frame", self.slider), ("frame", self.number), ("overlay", self.overlay_choice),
            ("mode", self.mode_choice), ("keypoint", self.keypoint_choice),
        ):  # fmt: skip
            traitlets.link((self, trait), (linked, "value"))
        choices = [self.overlay_choice, self.mode_choice]
        choices += [self.keypoint_choice] if self.keypoints else []
        scrub = [self.slider, self.number] if self.count > 1 else [self.number]
        self.children = (controls.row(*scrub), controls.row(*choices), self.pictures, self.words)

    def _redraw(self, change: dict | None = None) -> None:
        shown = [controls.picture(view.pixels, view.alt, view.caption) for view in self.views()]
        rows = [part for part in (shown[:4], shown[4:]) if part]  # the other model's below
        self.pictures.value = "".join(map(controls.pictures, rows))
        self.sentence = self.words.value = self.describe()

    def _check(self, frame: int, overlay: str) -> None:
        if not 1 <= frame <= self.count:
            raise AidagenError(f"There is no frame {frame}: the clip has 1 to {self.count}.")
        if overlay not in self.overlays_at_hand:
            raise AidagenError(
                f"There is no overlay {overlay!r} of this model; "
                f"there are {', '.join(self.overlays_at_hand)}."
            )

    @traitlets.validate("frame", "overlay", "mode", "keypoint")
    def _refuse(self, proposal: Any) -> Any:
        value, trait = proposal["value"], proposal["trait"].name
        if trait == "frame":
            self._check(value, "none")
        elif trait == "overlay":
            self._check(1, value)
        elif trait == "mode":
            for recording in self.recordings:
                recording.take(value)  # refuses an unknown mode; computes a new one
        elif not 0 <= value <= self.keypoints:
            raise AidagenError(
                f"There is no keypoint {value}: this model has 1 to {self.keypoints}, and 0 is "
                "the background."
            )
        return value
