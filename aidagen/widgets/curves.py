"""Curves as pictures, quick enough to follow a slider: PIL instead of a figure."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from aidagen.errors import AidagenError

_FINE = 2
_LINE, _DOT, _CHOSEN = "#0072B2", "#0072B2", "#D55E00"
LINES = ("#D55E00", "#0072B2", "#008060", "#A04A7E", "#8A6100")  # dark enough to be read on white


def curve(
    xs: Sequence[float],
    ys: Sequence[float],
    at: float,
    *,
    dots: Sequence[float] = (),
    size: tuple[int, int] = (300, 240),
    x_label: str = "step",
    y_label: str = "loss",
) -> UInt8[np.ndarray, "H W 3"]:
    """``ys`` over ``xs``, both on logarithmic axes, with a marker at the place ``at``.

    ``dots`` are places on the curve that can be chosen. ``size`` is (width, height) in pixels.

    Raises:
        AidagenError: for fewer than two points, or values that have no logarithm.
    """
    xs, ys = np.asarray(xs, dtype=float), np.asarray(ys, dtype=float)
    if len(xs) != len(ys) or len(xs) < 2 or not (np.r_[xs, ys] > 0).all():
        raise AidagenError(
            f"A curve takes as many x as y, two or more, all above 0; got {len(xs)} and {len(ys)}."
        )
    width, height = (_FINE * side for side in size)
    canvas = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(_FINE * 15)
    left, right, top, bottom = _FINE * 56, width - _FINE * 14, _FINE * 26, height - _FINE * 44
    low, high = ys.min() / 1.1, ys.max() * 1.1
    first, last = min(xs.min(), at, *dots), max(xs.max(), at, *dots)

    def place(x: float, y: float) -> tuple[float, float]:
        along = np.log(x / first) / np.log(last / first)
        up = np.log(y / low) / np.log(high / low)
        return left + along * (right - left), bottom - up * (bottom - top)

    def on_curve(x: float) -> tuple[float, float]:
        return place(x, float(np.exp(np.interp(np.log(x), np.log(xs), np.log(ys)))))

    for x in _ticks(first, last):
        across = place(x, low)[0]
        draw.line((across, top, across, bottom), fill="#DDDDDD", width=_FINE)
        draw.text((across, bottom + _FINE * 3), f"{x:g}", font=font, fill="black", anchor="ma")
    for y in _ticks(low, high):
        level = place(first, y)[1]
        draw.line((left, level, right, level), fill="#DDDDDD", width=_FINE)
        draw.text((left - _FINE * 5, level), f"{y:g}", font=font, fill="black", anchor="rm")
    draw.line((left, top, left, bottom, right, bottom), fill="black", width=_FINE)
    draw.text(((left + right) / 2, height - _FINE * 4), x_label, font=font, fill="black",
              anchor="ms")  # fmt: skip
    draw.text((_FINE * 4, _FINE * 4), y_label, font=font, fill="black")
    draw.line([place(x, y) for x, y in zip(xs, ys)], fill=_LINE, width=2 * _FINE, joint="curve")
    for x in dots:
        if xs.min() <= x <= xs.max():
            _disc(draw, on_curve(x), 3 * _FINE, _DOT)
    here = place(at, low)[0]
    draw.line((here, top, here, bottom), fill=_CHOSEN, width=_FINE)
    if xs.min() <= at <= xs.max():  # outside, the value is not known
        _disc(draw, on_curve(at), 6 * _FINE, _CHOSEN)
    return np.array(canvas.reduce(_FINE))


def courses(
    lines: Sequence[Sequence[float]],
    at: int,
    *,
    top: float,
    title: str,
    bold: Sequence[float] | None = None,
    size: tuple[int, int] = (256, 128),
) -> UInt8[np.ndarray, "H W 3"]:
    """Numbered lines over frames 1 to T on plain axes from 0 to ``top``, a marker at frame ``at``.

    ``bold`` is one more line, drawn in black over the others. ``size`` is (width, height) in
    pixels.

    Raises:
        AidagenError: for no line, lines of fewer than two frames, or lines of unequal length.
    """
    every = [*lines, *([] if bold is None else [bold])]
    counts = {len(line) for line in every}
    if len(counts) != 1 or min(counts) < 2:
        raise AidagenError(
            f"Lines of one length, two frames or more, were expected; got {sorted(counts)} frames."
        )
    count = counts.pop()
    width, height = (_FINE * side for side in size)
    canvas = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(_FINE * 14)
    left, right, high, low = _FINE * 34, width - _FINE * 18, _FINE * 26, height - _FINE * 12

    def place(frame: float, value: float) -> tuple[float, float]:
        up = min(max(value / top, 0.0), 1.05)
        return left + (frame - 1) / (count - 1) * (right - left), low - up * (low - high)

    for y in (0, top / 2, top):
        level = place(1, y)[1]
        draw.line((left, level, right, level), fill="#DDDDDD", width=_FINE)
        draw.text((left - _FINE * 4, level), f"{y:.2g}", font=font, fill="black", anchor="rm")
    draw.text((_FINE * 4, _FINE * 3), title, font=font, fill="black")
    across = place(at, 0)[0]
    draw.line((across, high, across, low), fill="black", width=_FINE)
    thick = _FINE if bold is not None else 2 * _FINE
    for k, line in enumerate(lines):
        colour = LINES[k % len(LINES)]
        draw.line([place(t, y) for t, y in enumerate(line, 1)], fill=colour, width=thick)
        # its number stands a little further along than that of the line before
        t = min(count, max(1, round(count * (k + 1.5) / (len(lines) + 2))))
        draw.text(place(t, line[t - 1]), str(k + 1), font=font, fill=colour, anchor="mm",
                  stroke_width=2 * _FINE, stroke_fill="white")  # fmt: skip
    if bold is not None:
        draw.line([place(t, y) for t, y in enumerate(bold, 1)], fill="black", width=2 * _FINE)
    for line, colour in zip(every, [*(LINES * len(lines))[: len(lines)], "black"]):
        if bold is None or line is bold:
            _disc(draw, place(at, line[at - 1]), 4 * _FINE, colour)
    return np.array(canvas.reduce(_FINE))


def _disc(draw: ImageDraw.ImageDraw, centre: tuple[float, float], r: float, fill: str) -> None:
    x, y = centre
    draw.ellipse((x - r, y - r, x + r, y + r), fill=fill, outline="white", width=_FINE)


def _ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 times powers of ten between two values, thinned to at most five."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1, 2, 5), (1,)):
        ticks = [round(s * 10.0**p, 12) for p in powers for s in steps]
        ticks = [value for value in ticks if low <= value <= high]
        if len(ticks) <= 5:
            break
    if len(ticks) < 2:  # less than a step of these: the ends themselves
        return [float(f"{value:.2g}") for value in (low * 1.05, high / 1.05)]
    return ticks[:: max(1, len(ticks) // 4)] if len(ticks) > 5 else ticks
