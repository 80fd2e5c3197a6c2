"""A picture with points that can be dragged, by mouse, finger or keyboard.

    canvas = PointCanvas(picture, points, ["left eye", "right eye"])
    canvas                                    # in a notebook: drag a point
    canvas.points                             # [[x, y], ...], new after every move
    canvas.observe(print, "points")
    PointCanvas(picture, joints, names, bones=[(0, 1)], around=8, removable=True)    # a skeleton

Points follow ``aidagen.grids``: (x, y) in [-1, 1], the ends at the centres of the outermost
pixels. Pictures travel as bytes, not as text. ``canvas.js`` is the browser's side.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, no_type_check

import anywidget
import numpy as np
import traitlets
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from aidagen.errors import AidagenError
from aidagen.pixels import as_bytes
from aidagen.widgets import controls, overlays

FINE, COARSE = 0.02, 0.1  # how far an arrow key moves a point, without and with Shift


@no_type_check  # what users give is checked by hand, in sentences
def as_pixels(picture: Any) -> np.ndarray:
    """``(H, W, 3)`` uint8 of a picture given as ``(3, H, W)`` floats in [0, 1], or as bytes.

    Bytes may have their channels first (tensors) or last (arrays of pixels).
    """
    array = picture.detach().cpu().numpy() if isinstance(picture, Tensor) else np.asarray(picture)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3:
        array = np.moveaxis(array, 0, -1)
    elif array.shape == (3, 3, 3) and isinstance(picture, Tensor):
        array = np.moveaxis(array, 0, -1)
    if array.ndim != 3 or array.shape[2] != 3 or min(array.shape) < 1:
        raise AidagenError(
            f"A picture (3, H, W) or an array of bytes (H, W, 3) was expected, not {array.shape}."
        )
    if np.issubdtype(array.dtype, np.floating):
        if not (array.min() >= -0.5 and array.max() <= 1.5):
            raise AidagenError(
                f"The picture holds values from {array.min():.3g} to {array.max():.3g}; floats go "
                "from 0 to 1, so divide by 255."
            )
        array = as_bytes(array)
    if array.dtype != np.uint8:
        raise AidagenError(
            f"The picture is {array.dtype}; uint8 or floats in [0, 1] were expected."
        )
    return np.ascontiguousarray(array)


class PointCanvas(anywidget.AnyWidget):
    """A picture and K points on it.

    Args:
        picture: ``(3, H, W)`` floats in [0, 1] or bytes, or bytes ``(H, W, 3)``.
        points: ``(K, 2)`` in [-1, 1]; none makes it a plain picture without controls.
        labels: names of the points, "Keypoint 1" and so on by default.
        size: width on the screen, in CSS pixels.
        alt: what the picture shows, for readers who cannot see it.
        caption: shown below it.
        brush: a radius turns the one point into a brush: a press anywhere moves it there, and
            ``stroke`` counts presses and arrow keys, so that a painter knows where a line begins.
        says: whether the canvas itself says where a moved point lies and has a reset button; a
            widget around it that has both passes False.
        dot: radius of a point on the screen, in CSS pixels; numbers are written from 8 on.
        colours: of the points, such as "#E69F00".
        bones: pairs of points (from 0) between which a line is drawn.
        around: how many pixels of the picture points may lie beyond its border.
        pixels: H, W of the picture that points belong to, if the one shown is an enlargement of it.
        removable: whether Delete takes a point away, and brings it back.

    ``points`` is a list of ``[x, y]``, ``chosen`` the point last touched (from 0), ``home`` where
    the points were at first: where ``reset``, the button and Escape put them back. ``missing``
    lists the points that were taken away: they keep their places, as rings, but have no bones.
    ``drawn`` False hides points and bones; they can be moved all the same.

    Raises:
        AidagenError: for a picture or points of a wrong kind; coordinates beyond [-1, 1], or what
            ``around`` adds to it, are moved to the border.
    """

    _esm = Path(__file__).with_name("canvas.js")
    _css = controls.STYLE + Path(__file__).with_name("canvas.css").read_text("utf-8")

    frame = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List(traitlets.Int(), [1, 1], help="H, W of the picture").tag(sync=True)
    size = traitlets.Int(320).tag(sync=True)
    points = traitlets.Any([]).tag(sync=True)
    home = traitlets.Any([]).tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    colours = traitlets.List(traitlets.Unicode()).tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)
    alt = traitlets.Unicode("Picture").tag(sync=True)
    caption = traitlets.Unicode("").tag(sync=True)
    says = traitlets.Bool(True).tag(sync=True)
    smooth = traitlets.Bool(True).tag(sync=True)
    brush = traitlets.Float(0.0, help="its radius; half the picture is 1").tag(sync=True)
    stroke = traitlets.Int(0).tag(sync=True)
    steps = traitlets.List(traitlets.Float(), [FINE, COARSE]).tag(sync=True)
    dot = traitlets.Float(11.0).tag(sync=True)
    bones = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    around = traitlets.Int(0).tag(sync=True)
    pixels = traitlets.List(traitlets.Int(), help="H, W, if not `shape`").tag(sync=True)
    removable = traitlets.Bool(False).tag(sync=True)
    missing = traitlets.List(traitlets.Int(), help="points taken away, from 0").tag(sync=True)
    drawn = traitlets.Bool(True, help="whether points and bones are seen").tag(sync=True)

    @no_type_check
    def __init__(
        self,
        picture: Tensor | np.ndarray,
        points: Float[Tensor, "K 2"] | Float[np.ndarray, "K 2"] | Sequence = (),
        labels: Sequence[str] | None = None,
        *,
        size: int = 320,
        alt: str = "Picture",
        caption: str = "",
        says: bool = True,
        smooth: bool = True,
        brush: float = 0.0,
        dot: float = 11.0,
        colours: Sequence[str] | None = None,
        bones: Sequence[tuple[int, int]] = (),
        around: int = 0,
        pixels: Sequence[int] = (),
        removable: bool = False,
    ) -> None:
        self._count: int | None = None
        array = as_pixels(picture)
        places = listed(points, reach(pixels or array.shape, around))
        names = (
            [f"Keypoint {k + 1}" for k in range(len(places))] if labels is None else list(labels)
        )
        if len(names) != len(places):
            raise AidagenError(
                f"{len(names)} labels came with {len(places)} points; give one each."
            )
        if brush and len(places) != 1:
            raise AidagenError(f"A brush is one point; {len(places)} were given.")
        super().__init__(
            points=places, home=places, labels=names, size=size, alt=alt, caption=caption,
            says=says, smooth=smooth, brush=brush, dot=dot, bones=[list(pair) for pair in bones],
            colours=list(colours or map(overlays.colour_of, range(len(places)))),
            around=around, pixels=list(pixels), removable=removable, shape=list(array.shape[:2]),
        )  # fmt: skip
        self._count = len(places)
        self.show(array)

    def __repr__(self) -> str:
        moved = sum(a != b for a, b in zip(self.points, self.home))
        return f"PointCanvas({len(self.points)} points, {moved} moved)"

    @property
    def array(self) -> Float[np.ndarray, "K 2"]:
        """The points as an array."""
        return np.array(self.points, dtype=np.float32).reshape(-1, 2)

    @no_type_check
    def show(self, picture: Tensor | np.ndarray, alt: str | None = None) -> None:
        """Show another picture under the same points."""
        self._pixels = pixels = as_pixels(picture)
        with self.hold_sync():
            self.shape = list(pixels.shape[:2])
            self.frame = controls.encoded(pixels)
            self.alt = self.alt if alt is None else alt

    def still(self) -> Image.Image:
        """The picture with its points, for readers without a kernel."""
        height, width = self._pixels.shape[:2]
        image = Image.fromarray(self._pixels).resize(
            (self.size, round(self.size * height / width)), Image.Resampling.BICUBIC
        )
        if self.points and height == width and not self.brush:
            drawn = overlays.draw_points(np.array(image), self.array, width, self.chosen)
            image = Image.fromarray(drawn)
        return image

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict]:
        bundle = super()._repr_mimebundle_(**options)
        return overlays.with_still(bundle, self.still(), f"{self.alt}. {self.caption}".strip())

    def reset(self, k: int | None = None) -> None:
        """Put point ``k`` (from 0), or all of them, back."""
        self.points = [
            list(home) if k in (None, i) else list(point)
            for i, (home, point) in enumerate(zip(self.home, self.points))
        ]

    @traitlets.validate("points", "home")
    def _checked(self, proposal: Any) -> list[list[float]]:
        points = listed(proposal["value"], reach(self.pixels or self.shape, self.around))
        if self._count is not None and len(points) != self._count:
            raise AidagenError(f"This canvas has {self._count} points; {len(points)} were given.")
        return points

    @traitlets.validate("missing")
    def _known(self, proposal: Any) -> list[int]:
        missing = sorted(set(proposal["value"]))
        if self._count is not None and not set(missing) <= set(range(self._count)):
            raise AidagenError(f"This canvas has {self._count} points, from 0; not {missing}.")
        return missing


def reach(shape: Sequence[int], around: int) -> tuple[float, float]:
    """How far x and y go where points may lie ``around`` pixels beyond a picture (H, W)."""
    return tuple(1 + 2 * around / max(side - 1, 1) for side in (shape[1], shape[0]))


@no_type_check
def listed(points: Any, most: tuple[float, float] = (1.0, 1.0)) -> list[list[float]]:
    """Points as lists, to 4 digits; x and y inside [-1, 1], or as far as ``most`` says."""
    if isinstance(points, Tensor):
        points = points.detach().cpu().float().numpy()
    try:
        array = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError):
        raise AidagenError("Points are pairs (x, y) of numbers in [-1, 1].") from None
    if array.size == 0:
        return []
    if array.ndim != 2 or array.shape[1] != 2 or not np.isfinite(array).all():
        raise AidagenError(
            f"Points (K, 2) in [-1, 1] were expected, not {array.shape}"
            f"{'' if np.isfinite(array).all() else ' with values that are not numbers'}."
        )
    inside = array.clip(-np.array(most), most)
    return [[round(float(v), 4) + 0.0 for v in pair] for pair in inside]
