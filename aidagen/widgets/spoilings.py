"""Ways to spoil a true clip, for asking which metric notices: pure functions of frames and points.

Each takes the whole clip, its first frame included, a strength in its own unit, the clip of another
person and a generator. It returns frames and where the exact points lie in them. The points move
along where the spoiling is geometric; they are None where a judge would have to find them (a
blurred eye is where it was, but the question is whether it can still be found).
"""

from collections.abc import Callable
from typing import Any, NamedTuple, no_type_check

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from aidagen import grids
from aidagen.errors import AidagenError
from aidagen.pixels import as_floats


class Footage(NamedTuple):
    """Frames in [0, 1] and their points, NaN where hidden; None where the points are not known."""

    frames: Float[Tensor, "T 3 H W"]
    points: Float[Tensor, "T K 2"] | None = None


class Spoiling(NamedTuple):
    """One way of spoiling, at eleven strengths: the first leaves the clip as it is."""

    name: str
    values: tuple[float, ...]
    says: str  # how a strength is written, such as "{:g} px"
    usual: int  # the level that a summary takes: plain to see, but not grotesque
    spoil: Callable[[Footage, float, Footage, torch.Generator], Footage]

    def text(self, level: int) -> str:
        return self.says.format(self.values[level])


def shift(clip: Footage, pixels: float, other: Footage, generator: torch.Generator) -> Footage:
    """Everything to the right by whole pixels; the left border is repeated."""
    n, width = round(pixels), clip.frames.shape[-1]
    columns = (torch.arange(width) - n).clamp(0, width - 1)
    points = None if clip.points is None else clip.points + clip.points.new_tensor(
        [2 * n / (width - 1), 0]
    )  # fmt: skip
    return Footage(clip.frames[..., columns], points)


def blur(clip: Footage, sigma: float, other: Footage, generator: torch.Generator) -> Footage:
    """A Gaussian over space, its standard deviation in pixels."""
    if sigma == 0:
        return clip
    reach = max(1, round(3 * sigma))
    reach = min(reach, min(clip.frames.shape[-2:]) - 1)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(clip.frames)
    flat = F.pad(clip.frames.flatten(0, 1)[:, None], [reach] * 4, mode="reflect")
    flat = F.conv2d(F.conv2d(flat, kernel[None, None, :, None]), kernel[None, None, None])
    return Footage(flat.view(clip.frames.shape))


def flicker(clip: Footage, amount: float, other: Footage, generator: torch.Generator) -> Footage:
    """Every other frame brighter, the ones between darker, by a part of the range."""
    sign = 1 - 2 * (torch.arange(len(clip.frames)) % 2).to(clip.frames)
    frames = (clip.frames + amount * sign[:, None, None, None]).clamp(0, 1)
    return clip if amount == 0 else Footage(frames)


def freeze(clip: Footage, share: float, other: Footage, generator: torch.Generator) -> Footage:
    """The video stands still for the last ``share`` of the frames after the first (in per cent)."""
    last = len(clip.frames) - 1
    live = last - round(share / 100 * last)
    return _pick(clip, torch.arange(last + 1).clamp(max=live))


def shuffle(clip: Footage, share: float, other: Footage, generator: torch.Generator) -> Footage:
    """So many per cent of the frames after the first change places, each with another."""
    last = len(clip.frames) - 1
    n = max(2, round(share / 100 * last)) if share else 0
    chosen = torch.randperm(last, generator=generator)[:n] + 1
    order = torch.arange(last + 1)
    order[chosen] = chosen.roll(1)  # a ring: none stays, and two or more move
    return _pick(clip, order)


def swap(clip: Footage, share: float, other: Footage, generator: torch.Generator) -> Footage:
    """Another person for the last ``share`` of the frames (in per cent).

    Where both have points the other is moved, turned and scaled frame by frame to where the face
    was (a similarity fitted to the points), so that the place is right and the person is not.
    """
    last = len(clip.frames) - 1
    start = last + 1 - round(share / 100 * last)
    if start > last:
        return clip
    where = torch.arange(start, last + 1)
    theirs = _pick(other, where % len(other.frames))
    if clip.points is None or theirs.points is None:
        points = None
        frames = F.interpolate(theirs.frames, clip.frames.shape[-2:], mode="bilinear",
                               antialias=True, align_corners=False)  # fmt: skip
    else:
        theta = similarity(clip.points[where], theirs.points)
        grid = grids.affine_grid(theta, *clip.frames.shape[-2:])
        frames = grids.warp(theirs.frames, grid, padding="border")
        back = torch.linalg.inv(theta[:, :, :2])  # (T, 2, 2)
        points = (theirs.points - theta[:, None, :, 2]) @ back.mT
        points = torch.cat([clip.points[:start], points])
    return Footage(torch.cat([clip.frames[:start], frames]), points)


def noise(clip: Footage, sigma: float, other: Footage, generator: torch.Generator) -> Footage:
    """Gaussian noise, new in every frame, its standard deviation a part of the range."""
    grain = torch.randn(clip.frames.shape, generator=generator).to(clip.frames)
    return clip if sigma == 0 else Footage((clip.frames + sigma * grain).clamp(0, 1))


def coarsen(clip: Footage, factor: float, other: Footage, generator: torch.Generator) -> Footage:
    """So many times fewer pixels each way, enlarged again."""
    size = clip.frames.shape[-2:]
    few = [max(1, round(n / factor)) for n in size]
    small = F.interpolate(clip.frames, few, mode="area")
    large = F.interpolate(small, size, mode="bilinear", align_corners=False)
    return clip if factor == 1 else Footage(large)


def darken(clip: Footage, percent: float, other: Footage, generator: torch.Generator) -> Footage:
    """All values lower by so many per cent."""
    return clip if percent == 0 else Footage(clip.frames * (1 - percent / 100))


def similarity(
    points_from: Float[Tensor, "T K 2"], points_to: Float[Tensor, "T K 2"]
) -> Float[Tensor, "T 2 3"]:
    """The shift, turn and scale that take points nearest to others (least squares)."""
    both = points_from.isfinite().all(-1) & points_to.isfinite().all(-1)  # (T, K)
    if not (both.sum(1) >= 2).all():
        raise AidagenError(
            "In some frame fewer than two points are seen in both clips, so that one person cannot "
            "be put where the other is; give all points, hidden ones too, or other clips."
        )
    weight = both.to(points_from)
    p, q = (torch.view_as_complex(x.nan_to_num().contiguous()) for x in (points_from, points_to))
    total = weight.sum(1, keepdim=True)
    p0, q0 = ((weight * x).sum(1, keepdim=True) / total for x in (p, q))
    turn = (weight * (p - p0).conj() * (q - q0)).sum(1) / (weight * (p - p0).abs() ** 2).sum(1)
    move = q0[:, 0] - turn * p0[:, 0]
    rows = [turn.real, -turn.imag, move.real, turn.imag, turn.real, move.imag]
    return torch.stack(rows, -1).view(-1, 2, 3)


def inside(points: Float[Tensor, "T K 2"]) -> Float[Tensor, "T K 2"]:
    """Points that have left the picture are not found."""
    return torch.where((points.abs() <= 1).all(-1, keepdim=True), points, torch.nan)


@no_type_check  # what users give is checked by hand, in sentences
def footage(clip: Any, what: str, most: int) -> Footage:
    """Frames as floats, at most ``most`` spread over the clip, with the exact points if known.

    A clip of a data set brings its labels' ``landmarks`` and ``visible``.

    Raises:
        AidagenError: for anything but a clip of three frames or more, 16 pixels wide or more.
    """
    points = None
    if callable(getattr(clip, "frames", None)):
        labels, clip = clip.labels(), clip.frames()
        if "landmarks" in labels:
            points = torch.from_numpy(np.asarray(labels["landmarks"], dtype=np.float32))
            if "visible" in labels:
                seen = torch.from_numpy(np.asarray(labels["visible"], dtype=bool))
                points = torch.where(seen[..., None], points, torch.nan)
    shape = tuple(getattr(clip, "shape", ()))
    if not isinstance(clip, Tensor) or len(shape) != 4 or shape[1] != 3 or shape[0] < 3:
        raise AidagenError(
            f"The {what} should be frames (T, 3, H, W), three or more, or a clip of a data set; "
            f"got {shape or type(clip).__name__}."
        )
    if min(shape[2:]) < 16:
        raise AidagenError(f"The {what} has {shape[3]} x {shape[2]} pixels; SSIM needs 16 or more.")
    frames = as_floats(clip)
    if not (frames.min() >= -1e-3 and frames.max() <= 1 + 1e-3):
        raise AidagenError(f"The {what} should hold bytes, or floats from 0 to 1.")
    index = torch.linspace(0, shape[0] - 1, min(most, shape[0])).round().long()
    return Footage(frames[index], None if points is None else points[index])


def _pick(clip: Footage, index: Tensor) -> Footage:
    return Footage(clip.frames[index], None if clip.points is None else clip.points[index])


_TENTHS = tuple(10.0 * i for i in range(11))
SPOILINGS = {
    each.name: each
    for each in (
        Spoiling("shift", tuple(map(float, range(11))), "{:g} px", 2, shift),
        Spoiling("blur", tuple(0.4 * i for i in range(11)), "sigma {:.1f} px", 3, blur),
        Spoiling("flicker", tuple(0.02 * i for i in range(11)), "±{:.2f}", 3, flicker),
        Spoiling("frozen video", _TENTHS, "the last {:g} %", 5, freeze),
        Spoiling("identity swap", _TENTHS, "the last {:g} %", 10, swap),
        Spoiling("noise", tuple(0.02 * i for i in range(11)), "sigma {:.2f}", 3, noise),
        Spoiling("frame shuffle", _TENTHS, "{:g} % of the frames", 10, shuffle),
        Spoiling(
            "low resolution", (1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 5, 6, 8), "{:g} x coarser", 4,
            coarsen,
        ),
        Spoiling("darkening", tuple(5.0 * i for i in range(11)), "by {:g} %", 4, darken),
    )
}  # fmt: skip


def spoilt(name: str, level: int, clip: Footage, other: Footage, seed: int = 0) -> Footage:
    """The clip after one way of spoiling at a level from 0 (untouched) to 10.

    Raises:
        AidagenError: for a name or a level that does not exist.
    """
    if name not in SPOILINGS:
        raise AidagenError(f"There is no {name!r}; there are {', '.join(SPOILINGS)}.")
    kind = SPOILINGS[name]
    if not 0 <= level < len(kind.values):
        raise AidagenError(f"Levels go from 0 to {len(kind.values) - 1}, not {level!r}.")
    generator = torch.Generator().manual_seed(seed)
    return kind.spoil(clip, float(kind.values[level]), other, generator)
