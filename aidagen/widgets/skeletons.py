"""Skeletons and covariance ellipses drawn over pictures.

Pure functions as in `aidagen.widgets.overlays`: pictures are uint8 ``(S, S, 3)`` arrays, points
(x, y) in [-1, 1] of the model's picture of ``pixels`` pixels.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from aidagen.errors import AidagenError
from aidagen.widgets import overlays
from aidagen.widgets.overlays import Picture

_LIMBS = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
BONES = (
    *((f"{side} {a}", f"{side} {b}") for side in ("left", "right") for a, b in _LIMBS),
    ("left shoulder", "right shoulder"), ("left hip", "right hip"),
    ("left shoulder", "left hip"), ("right shoulder", "right hip"),
)  # fmt: skip
"""Pairs of joints, by COCO's names; left and right are the person's own."""


def bones(joints: Sequence[str]) -> list[tuple[int, int]]:
    """The `BONES` between the named joints, as places in ``joints``.

    Raises:
        AidagenError: if there is none.
    """
    at = {name: k for k, name in enumerate(joints)}
    pairs = [(at[a], at[b]) for a, b in BONES if a in at and b in at]
    if not pairs:
        raise AidagenError(
            f"There is no bone between {', '.join(joints) or 'no joints'}; COCO's names of joints "
            "were expected, such as left knee."
        )
    return pairs


def bone_lengths(
    points: Float[np.ndarray, "*T K 2"], pairs: Sequence[tuple[int, int]]
) -> Float[np.ndarray, "*T N"]:
    """Length of each bone in the picture, in units of half its width."""
    ends = np.asarray(points)[..., np.array(pairs), :]  # (*T, N, 2, 2)
    return np.linalg.norm(ends[..., 0, :] - ends[..., 1, :], axis=-1)


def draw_skeleton(
    picture: Picture,
    points: Float[np.ndarray, "K 2"],
    pairs: Sequence[tuple[int, int]],
    pixels: int,
    colour: str = "#E69F00",
    shown: Bool[np.ndarray, "K"] | None = None,
) -> Picture:
    """Bones as lines with dots at their ends; only between joints that are ``shown``."""
    canvas, draw, at = overlays._canvas(picture, np.asarray(points), pixels)
    size = len(picture)
    width, r = round(overlays._FINE * size / 64), overlays._FINE * size / 64
    kept = [p for p in pairs if shown is None or (shown[p[0]] and shown[p[1]])]
    for lift, paint in ((2 * overlays._FINE, "black"), (0, colour)):
        for a, b in kept:
            draw.line([tuple(at[a]), tuple(at[b])], fill=paint, width=width + lift)
    for k in sorted({k for pair in kept for k in pair}):
        (x, y) = at[k]
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline="black", width=2)
    return overlays._reduced(canvas, size)


def roots(covariances: Float[np.ndarray, "*n 2 2"]) -> Float[np.ndarray, "*n 2 2"]:
    """Symmetric square roots: the matrices that make of a circle the ellipse of one deviation.

    Raises:
        AidagenError: on a matrix that is not symmetric, or negative in some direction.
    """
    covariances = np.asarray(covariances, dtype=float)
    values, vectors = np.linalg.eigh(covariances)
    scale = np.abs(covariances).max(initial=1e-12)
    apart = np.abs(covariances - np.swapaxes(covariances, -1, -2)).max(initial=0.0)
    if apart > 1e-4 * scale or values.min(initial=0.0) < -1e-4 * scale:
        raise AidagenError(
            "Covariances are symmetric and nowhere negative; these matrices are not."
        )
    return (vectors * np.sqrt(values.clip(0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)


def draw_spreads(
    picture: Picture,
    points: Float[np.ndarray, "K 2"],
    covariances: Float[np.ndarray, "K 2 2"],
    pixels: int,
    deviations: float = 1.5,
    chosen: int | None = None,
) -> Picture:
    """Each covariance as the ellipse of so many standard deviations, with its numbered point."""
    drawn = overlays.draw_ellipses(
        picture, np.asarray(points), roots(covariances), pixels, chosen, deviations
    )
    return overlays.draw_points(drawn, np.asarray(points), pixels, chosen)
