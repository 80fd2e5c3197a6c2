"""The puppet: drag a keypoint of a picture, and the model renders the picture again.

    puppet = Puppet(model, source)
    puppet                               # in a notebook: drag a point, or move it by arrow keys
    puppet.move(3, right=0.2, up=0.05)   # or by hand; keypoints count from 1
    puppet.figure()                      # before and after, for readers without a kernel

What is moved is the *driving* motion of one keypoint; its Jacobian stays as it is unless it is
turned or stretched. Everything else (flow, occlusion, painting) the model works out as always.
"""

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
import traitlets
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from aidagen.animation import Animator, looking
from aidagen.errors import AidagenError
from aidagen.widgets import controls, overlays
from aidagen.widgets.canvas import PointCanvas, listed
from aidagen.widgets.panel import Panel


class Puppet(Panel):
    """A picture with its keypoints on the left, what the model makes of them on the right.

    Args:
        model: an animatable model whose ``motion`` has ``points`` (see `aidagen.animation`).
        source: the picture, ``(3, H, W)`` or ``(1, 3, H, W)``, floats in [0, 1].
        name: what to call the model in `repr`.
        size: side of each picture on the screen, in CSS pixels.

    ``points`` (K pairs in [-1, 1]), ``keypoint`` (the chosen one, from 1), and of that one ``turn``
    (degrees, clockwise as seen) and ``stretch`` (a factor) are traits; ``image`` is the picture
    made, ``(3, S, S)``, and ``sentence`` says what happened.

    Raises:
        AidagenError: if the model has no keypoints or cannot animate, or the picture does not
            fit.
    """

    points = traitlets.Any(None, allow_none=True)
    keypoint = traitlets.Int(1)
    turn = traitlets.Float(0.0)
    stretch = traitlets.Float(1.0)

    shows = "Puppet: the source with its keypoints, and what the model makes of them"

    def __init__(
        self, model: Any, source: Tensor, name: str | None = None, *, size: int = 320
    ) -> None:
        animator = Animator(model, source, "absolute")  # refuses what does not fit
        self.model, self.name, self.size = model, name or type(model).__name__, size
        self.source, self._encoded = animator.source[0].cpu(), animator.encoded
        with looking(model):
            self._rest = model.motion(animator.source)
        if not isinstance(getattr(self._rest, "points", None), Tensor):
            raise AidagenError(
                f"{self.name} has no keypoints to drag: its motion holds no `points`. Choose a "
                "keypoint model, such as those of lecture 05."
            )
        self.count = self._rest.points.shape[1]
        self._turns, self._stretches = [0.0] * self.count, [1.0] * self.count
        self._before = self.image = self._render()
        super().__init__()
        self._build()
        self._redraw()

    def __repr__(self) -> str:
        moved = sum(bool(self._changed(k)) for k in range(self.count))
        return f"Puppet({self.name!r}, {moved} of {self.count} keypoints moved)"

    # --- what it does ---------------------------------------------------------------------------

    @property
    def moved(self) -> Float[np.ndarray, "K 2"]:
        """How far each keypoint lies from where the model found it."""
        return self.canvas.array - np.array(self.canvas.home, dtype=np.float32).reshape(-1, 2)

    def move(self, keypoint: int, right: float = 0.0, up: float = 0.0) -> None:
        """Move a keypoint (from 1) on from where it is; half the picture's width is 1."""
        self.keypoint = keypoint
        points = self.canvas.array
        points[keypoint - 1] += (right, -up)
        self.points = points

    def reset(self) -> None:
        """Everything back as the model found it."""
        self._turns, self._stretches = [0.0] * self.count, [1.0] * self.count
        self.turn, self.stretch = 0.0, 1.0
        self.canvas.reset()
        self._redraw()

    def _render(self, moved: Float[np.ndarray, "K 2"] | None = None) -> Float[Tensor, "3 S S"]:
        """The picture in the present pose, or with keypoints ``moved`` in another way."""
        motion = self._rest
        if hasattr(self, "canvas"):
            # a point that was not touched keeps all its digits
            shift = torch.from_numpy(self.moved if moved is None else moved).to(motion.points)
            motion = motion._replace(points=motion.points + shift)
            if self.bends:
                motion = motion._replace(jacobians=self._change() @ motion.jacobians)
        with looking(self.model):
            return self.model.render(self._encoded, motion).image[0].float().cpu().clone()

    def _change(self) -> Float[Tensor, "1 K 2 2"]:
        """What each neighbourhood is turned and stretched by."""
        angle = torch.tensor(self._turns).deg2rad()
        cos, sin = angle.cos(), angle.sin()
        rotation = torch.stack([cos, -sin, sin, cos], -1).view(1, -1, 2, 2)
        change = rotation * torch.tensor(self._stretches)[:, None, None]
        return change.to(self._rest.jacobians)

    # --- in words and pictures ------------------------------------------------------------------

    def _changed(self, k: int) -> list[str]:
        """What was done to keypoint ``k`` (from 0), in words."""
        (x, y), turn, stretch = self.moved[k].tolist(), self._turns[k], self._stretches[k]
        ways = [
            f"{abs(value):.2f} {words[value > 0]}"
            for value, words in ((x, ("left", "right")), (-y, ("down", "up")))
            if abs(value) >= 0.005
        ]
        done = [f"moved by {', '.join(ways)}"] if ways else []
        done += [f"turned by {turn:g} degrees"] if turn else []
        return done + ([f"stretched by {stretch:g}"] if stretch != 1 else [])

    def describe(self) -> str:
        """What was moved, and how far the picture changed, in one sentence."""
        k = self.keypoint - 1
        others = sum(bool(self._changed(i)) for i in range(self.count) if i != k)
        if not (done := self._changed(k)) and not others:
            return f"Nothing is moved: drag one of {self.count} keypoints and the picture follows."
        apart = float((self.image - self._before).abs().mean())
        also = f", {others} other{'s' * (others > 1)} too" if others else ""
        what = ", ".join(done) or "is where it was"
        return (
            f"Keypoint {self.keypoint} {what}{also}; the picture changed by {apart:.3f} on average."
        )

    def pictures(self, size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Before and after on the screen, ``(size, size, 3)`` each; the second with the mark."""
        size = size or 2 * self.size
        return (
            overlays.marked(overlays.enlarge(self._before, size)),
            overlays.marked(overlays.enlarge(self.image, size)),
        )

    def figure(
        self, size: int = 240, *, moves: Mapping[int, tuple[float, float]] | None = None
    ) -> Image.Image:
        """Source with its keypoints, the picture before, and after.

        ``moves`` says for the figure alone how far keypoints (from 1) go right and up, from where
        they are; the live widget stays as it is.
        """
        moved, chosen, image = self.moved.copy(), self.keypoint - 1, self.image
        for keypoint, (right, up) in (moves or {}).items():
            self._there(keypoint)
            moved[keypoint - 1] += (right, -up)
            chosen = keypoint - 1
        if moves:
            image = self._render(moved)
        before, after = (overlays.marked(overlays.enlarge(x, size)) for x in (self._before, image))
        pixels, source = self.source.shape[-1], overlays.enlarge(self.source, size)
        home = np.array(self.canvas.home, dtype=np.float32).reshape(-1, 2)
        paths = np.stack([home, home + moved])
        drawn = overlays.draw_points(
            overlays.draw_paths(source, paths, pixels, chosen), paths[1], pixels, chosen
        )
        labels = ["Source, keypoints", "Generated, before", "after"]
        return overlays.sheet([drawn, before, after], 3, labels)

    # --- controls -------------------------------------------------------------------------------

    def _build(self) -> None:
        home = self._rest.points[0]
        self.canvas = PointCanvas(
            self.source, home, size=self.size, caption="Source with its keypoints", says=False,
            alt="Source picture with numbered keypoints",
        )  # fmt: skip
        self.screen = PointCanvas(
            self.pictures()[1], size=self.size, caption="Generated from these keypoints"
        )
        self.bends = isinstance(getattr(self._rest, "jacobians", None), Tensor)
        self.turn_slider = controls.Range("Turn around it", -90, 90, 5, 0, unit=" degrees")
        self.stretch_slider = controls.Range("Stretch around it", 0.5, 2, 0.05, 1, unit=" times")
        self.reset_button = widgets.Button(description="Reset everything")
        self.spoken = controls.Spoken()
        self.points = self.canvas.points
        traitlets.link((self, "points"), (self.canvas, "points"))
        traitlets.link((self, "turn"), (self.turn_slider, "value"))
        traitlets.link((self, "stretch"), (self.stretch_slider, "value"))
        self.canvas.observe(self._choose, "chosen")
        self.observe(self._chosen, "keypoint")
        self.canvas.observe(self._redraw, "points")
        self.observe(self._bend, ["turn", "stretch"])
        self.reset_button.on_click(lambda _: self.reset())
        pictures = controls.row(self.canvas, self.screen, align="flex-start")
        bends = [controls.row(self.turn_slider, self.stretch_slider)] if self.bends else []
        self.children = (pictures, *bends, self.reset_button, self.spoken)

    def _choose(self, change: dict) -> None:
        self.keypoint = change["new"] + 1

    def _chosen(self, change: dict) -> None:
        k = change["new"] - 1
        self.canvas.chosen = k
        turn, stretch = self._turns[k], self._stretches[k]  # before the sliders speak
        self.turn, self.stretch = turn, stretch
        self._say()

    def _bend(self, change: dict) -> None:
        k, kept = self.keypoint - 1, self._turns if change["name"] == "turn" else self._stretches
        if kept[k] != change["new"]:
            kept[k] = change["new"]
            self._redraw()

    def _redraw(self, change: dict | None = None) -> None:
        self.image = self._render()
        self._say()
        self.screen.show(self.pictures()[1], f"Generated picture. {self.sentence}")

    def _say(self) -> None:
        self.sentence = self.spoken.value = self.describe()

    @traitlets.validate("points")
    def _listed(self, proposal: Any) -> list[list[float]]:
        points = listed(proposal["value"])
        if len(points) != self.count:
            raise AidagenError(f"This model has {self.count} keypoints; {len(points)} were given.")
        return points

    def _there(self, keypoint: int) -> int:
        if not 1 <= keypoint <= self.count:
            raise AidagenError(
                f"There is no keypoint {keypoint}: this model has 1 to {self.count}."
            )
        return keypoint

    @traitlets.validate("keypoint")
    def _one_of_them(self, proposal: Any) -> int:
        return self._there(proposal["value"])
