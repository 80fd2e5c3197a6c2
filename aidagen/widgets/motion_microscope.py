"""The motion microscope: a clip made by an animatable model, with everything that led to it.

    microscope = MotionMicroscope(model, source, frames)
    microscope                            # in a notebook: it plays; pause, scrub, choose, read
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

import numpy as np
import traitlets
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from aidagen.errors import AidagenError
from aidagen.grids import identity_grid
from aidagen.widgets import controls, overlays
from aidagen.widgets.film import Film, View
from aidagen.widgets.panel import Panel
from aidagen.widgets.recordings import LONGEST, MODES, Recording, Take, liveliest

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


class Look(NamedTuple):
    """What is chosen beside the frame."""

    overlay: str
    mode: str
    keypoint: int  # from 1; 0 is the background's mask

    @property
    def chosen(self) -> int | None:
        """The keypoint counted from 0; None is the background."""
        return self.keypoint - 1 if self.keypoint else None

    @property
    def who(self) -> str:
        return f"keypoint {self.keypoint}" if self.keypoint else "the background"


class MotionMicroscope(Panel):
    """Source, driving and generated frame, and one picture of what happens in between.

    It plays from the start; ``frame`` is the liveliest one (`recordings.liveliest`) until somebody
    scrubs or pauses.

    Args:
        model: an animatable model (see `aidagen.animation`).
        source: the picture to animate, ``(3, H, W)`` or ``(1, 3, H, W)``, floats in [0, 1].
        frames: the driving clip, ``(T, 3, H, W)`` or an iterable of frames, floats in [0, 1]; at
            most 256 of them.
        mode: "relative" or "absolute"; each is computed once, when it is first shown.
        overlay: one of `overlays_at_hand`; by default the first of them.
        size: side of each picture, in pixels; the page shows them larger where there is room.
        fps: frames per second while it plays.
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

    shows = "Motion microscope: source, driving and generated frame, and what lies between them"

    def __init__(
        self,
        model: Any,
        source: Tensor,
        frames: Tensor | Iterable[Tensor],
        mode: str = "relative",
        *,
        overlay: str | None = None,
        size: int = 256,
        fps: float = 8.0,
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
        self.frame = liveliest(self.recording.driving)
        self._build(fps)
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
        columns = self._columns(self._frame(frame), self._look(overlay), size or self.size)
        return [column[0] for column in columns] + [v for column in columns for v in column[1:]]

    def _look(
        self, overlay: str | None = None, mode: str | None = None, keypoint: int | None = None
    ) -> Look:
        """The present choices, but for those that are given."""
        chosen = self.keypoint if keypoint is None else keypoint
        look = Look(overlay or self.overlay, mode or self.mode, chosen)
        for trait, value in zip(("overlay", "mode", "keypoint"), look, strict=True):
            self._check(trait, value)
        return look

    def _frame(self, frame: int | None) -> int:
        frame = self.frame if frame is None else frame
        self._check("frame", frame)
        return frame

    def _columns(self, frame: int, look: Look, size: int) -> list[list[View]]:
        """Four columns; what a second model makes stands below what the first one makes."""
        rows = [self._views(frame, look, size, each) for each in range(len(self.recordings))]
        return [[row[i] for row in (rows if i > 1 else rows[:1])] for i in range(4)]

    def _views(self, frame: int, look: Look, size: int, which: int) -> list[View]:
        """The four pictures of one of the models."""
        recording, t, pixels = self.recordings[which], frame - 1, self.recordings[which].pixels
        take, overlay = recording.take(look.mode), look.overlay
        images = (recording.source, recording.driving[t], take.image[t])
        row = [overlays.enlarge(image, size, self.smooth) for image in images]
        between = self._between(look, t, row, recording)
        if overlay in ("keypoints", "jacobians", "masks"):
            for i, (pose, at) in enumerate(
                ((recording.source_pose, 0), (recording.driving_pose, t), (take, t))
            ):
                if pose.points is None:
                    continue
                if overlay == "jacobians":
                    row[i] = overlays.draw_ellipses(
                        row[i], pose.points[at], pose.jacobians[at], pixels, look.chosen
                    )
                else:
                    row[i] = overlays.draw_points(row[i], pose.points[at], pixels, look.chosen)
        elif overlay == "warped grid":
            row[0] = overlays.draw_grid(row[0], take.flow[t], pixels)
            row[2] = overlays.draw_grid(
                row[2], identity_grid(*take.flow.shape[1:3]).numpy(), pixels
            )
        row[2] = overlays.marked(row[2])
        caption = OVERLAYS[overlay][0]
        if overlay == "masks":
            caption = f"Mask of {look.who}"
        drawn = {"jacobians": " with its local axes", "warped grid": " with grid lines"}
        with_points = " with its keypoints" if overlay in ("keypoints", "masks") else ""
        who = f", {self.names[which]}" if len(self.names) > 1 else ""
        names = ("Source", "Driving", f"Generated{who}")
        finding = self._finding(look, t, recording)
        return [
            *(
                View(name, f"{name} picture{drawn.get(overlay, with_points)}", picture)
                for name, picture in zip(names, row, strict=True)
            ),
            View(f"{caption}{who}", f"{caption}{who}. {self._when(frame, look)}, {finding}.",
                 between),
        ]  # fmt: skip

    def _between(self, look: Look, t: int, row: list, recording: Recording) -> np.ndarray:
        """The fourth picture."""
        take, pixels, overlay = recording.take(look.mode), recording.pixels, look.overlay
        source, driving, generated = row
        size, dim, chosen = len(generated), generated // 2, look.chosen
        if overlay == "keypoints":
            return overlays.draw_paths(dim, take.points[: t + 1], pixels, chosen)
        if overlay == "jacobians":
            change = self._change(take, t, recording)
            return overlays.draw_ellipses(dim, take.points[t], change, pixels, chosen)
        if overlay == "warped grid":
            straight = identity_grid(*take.flow.shape[1:3]).numpy()
            return overlays.warped(overlays.draw_grid(source, straight, pixels), take.flow[t])
        if overlay == "flow":
            return overlays.flow_picture(take.movement[t], size, self._largest(look.mode))
        if overlay == "occlusion":
            return overlays.map_picture(take.occlusion[t], size)
        if overlay == "masks":
            colour = "#BBBBBB" if chosen is None else overlays.colour_of(chosen)
            return overlays.masked_picture(generated, take.masks[t, look.keypoint], colour)
        if overlay == "deformed source":
            return overlays.enlarge(take.deformed[t], size, self.smooth)
        return overlays.difference_picture(generated, driving)

    def _change(self, take: Take, t: int, recording: Recording) -> Float[np.ndarray, "K 2 2"]:
        """How each neighbourhood changed since the source: J_D J_S^-1, the inverse of eq. 5."""
        return take.jacobians[t] @ np.linalg.inv(recording.source_pose.jacobians[0])

    def _largest(self, mode: str) -> float:
        """The scale of the flow's colours, one for all frames and models so that they compare."""
        takes = [recording.take(mode) for recording in self.recordings]
        return max(0.05, *(float(np.abs(take.movement).max()) for take in takes))

    def figure(
        self,
        frames: Sequence[int] | None = None,
        overlay: str | Sequence[str] | None = None,
        size: int = 128,
        *,
        mode: str | None = None,
        keypoint: int | None = None,
    ) -> Image.Image:
        """A contact sheet: for each frame and overlay one row of pictures, four or six.

        Without arguments four frames spread over the clip, under the present overlay;
        ``overlay="all"`` takes every one at hand. ``mode`` and ``keypoint`` are those of the figure
        alone; the live widget stays as it is.
        """
        if frames is None:
            frames = sorted({round(t) for t in np.linspace(1, self.count, 5)[1:].tolist()})
        if overlay == "all":
            overlay = self.overlays_at_hand
        names = [overlay or self.overlay] if not overlay or isinstance(overlay, str) else overlay
        cells, labels = [], []
        for t in map(self._frame, frames):
            for name in names:
                columns = self._columns(t, self._look(name, mode, keypoint), size)
                for i in range(len(self.recordings)):
                    for view in (v for column in columns for v in column[i : i + 1]):
                        cells.append(view.pixels)
                        driving = view.caption == "Driving"
                        labels.append(f"Driving, {t}" if driving else view.caption)
        return overlays.sheet(cells, 2 + 2 * len(self.recordings), labels)

    def still(self) -> Image.Image:
        """The present frame, in one row."""
        return self.figure([self.frame], size=200)

    # --- in words -------------------------------------------------------------------------------

    def describe(self, frame: int | None = None, overlay: str | None = None) -> str:
        """What the pictures show, in one sentence."""
        frame, look = self._frame(frame), self._look(overlay)
        findings = [self._finding(look, frame - 1, recording) for recording in self.recordings]
        if len(findings) > 1:
            findings = [f"{name}: {what}" for name, what in zip(self.names, findings, strict=True)]
        return f"{self._when(frame, look)}, {'; '.join(findings)}."

    def _when(self, frame: int, look: Look) -> str:
        return f"Frame {frame} of {self.count}, {look.mode} motion"

    def _finding(self, look: Look, t: int, recording: Recording) -> str:
        take, overlay = recording.take(look.mode), look.overlay
        if overlay == "keypoints":
            moved = np.linalg.norm(take.points[t] - recording.source_pose.points[0], axis=-1)
            k = int(moved.argmax())
            return f"keypoints: largest movement {moved[k]:.2f} at keypoint {k + 1}"
        if overlay == "jacobians":
            matrices = self._change(take, t, recording)
            changes = [overlays.stretch_and_turn(matrix) for matrix in matrices]
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
            share = 100 * float(take.masks[t, look.keypoint].mean())
            return f"masks: {look.who} claims {share:.0f} % of the picture"
        if overlay == "deformed source":
            apart = float((take.image[t] - take.deformed[t]).abs().mean())
            return f"deformed source: the network then changes it by {apart:.3f} on average"
        apart = float((take.image[t] - recording.driving[t]).abs().mean())
        return f"no overlay: generated and driving frame differ by {apart:.3f} on average"

    # --- controls -------------------------------------------------------------------------------

    def _build(self, fps: float) -> None:
        """The transport bar and native, labelled choices, each linked to a trait."""
        numbers = [(str(k + 1), k + 1) for k in range(self.keypoints)]
        self.overlay_choice = controls.choice("Overlay", self.overlays_at_hand, 220)
        self.mode_choice = controls.choice("Motion", MODES, 170)
        self.keypoint_choice = controls.choice("Keypoint", [*numbers, ("background", 0)], 190)
        for trait, linked in (
            ("overlay", self.overlay_choice), ("mode", self.mode_choice),
            ("keypoint", self.keypoint_choice),
        ):  # fmt: skip
            traitlets.link((self, trait), (linked, "value"))
        self._follow(
            Film(
                lambda t: self._columns(t, self._look(), self.size), self.count,
                value=self.frame, fps=fps, autoplay=self.count > 1,
            )
        )  # fmt: skip
        choices = [self.overlay_choice, self.mode_choice]
        choices += [self.keypoint_choice] if self.keypoints else []
        self.children = (controls.row(*choices), self.film, self.spoken)

    def _redraw(self, change: dict | None = None) -> None:
        if change is not None and change["name"] != "frame":
            self.film.refresh()
        self.sentence = self.describe()
        self.say()

    def _check(self, trait: str, value: Any) -> None:
        if trait == "frame" and not 1 <= value <= self.count:
            raise AidagenError(f"There is no frame {value}: the clip has 1 to {self.count}.")
        if trait == "overlay" and value not in self.overlays_at_hand:
            raise AidagenError(
                f"There is no overlay {value!r} of this model; "
                f"there are {', '.join(self.overlays_at_hand)}."
            )
        if trait == "mode":
            for recording in self.recordings:
                recording.take(value)  # refuses an unknown mode; computes a new one
        if trait == "keypoint" and not 0 <= value <= self.keypoints:
            raise AidagenError(
                f"There is no keypoint {value}: this model has 1 to {self.keypoints}, and 0 is "
                "the background."
            )

    @traitlets.validate("frame", "overlay", "mode", "keypoint")
    def _refuse(self, proposal: Any) -> Any:
        self._check(proposal["trait"].name, proposal["value"])
        return proposal["value"]
