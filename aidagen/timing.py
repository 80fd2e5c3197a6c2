"""When frames are shown: clips of varying rate are resampled to a constant one.

Phones, screen recordings, calls in a browser and animated GIFs show one frame for longer than the
next. Models and players of generated clips want one rate. It is the rate at which the shortest
common frame lasts (the shorter ones are less than 5 % of all), times a whole number where that is
below `SLOWEST`, and at most `FASTEST`; each output frame shows what a player would show then, to
the nearest frame. A clip counts as constant where no frame is more than half a frame away from its
place; it keeps its own rate and frames.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple, TypeVar

SLOWEST, FASTEST = 10, 60  # frames per second of what is resampled
_Shown = TypeVar("_Shown")


class Timing(NamedTuple):
    """How a clip is read."""

    rate: Fraction  # frames per second
    frames: int
    note: str = ""  # how the rate was chosen, where the clip had none; "" where nothing was changed


def timing(times: Sequence[float], last: float, stated: Iterable[Fraction] = ()) -> Timing:
    """The constant rate for frames that appear at ``times``.

    Args:
        times: in seconds, in order, at least one.
        last: for how many seconds the last frame is shown.
        stated: rates that the file names, which are believed where the times agree to 0.05 %.
    """
    times = sorted(set(times))
    begin, count = times[0], len(times)
    step = (times[-1] - begin) / (count - 1) if count > 1 else last
    off = max(abs(time - begin - index * step) for index, time in enumerate(times))
    # the last frame's share of the clip may be lost where it is shorter than the others
    lasts = -max(0.5 * step, 0.05 * count * step) <= last - step <= 0.5 * step
    if step > 0 and off <= 0.5 * step and lasts and 0.1 <= 1 / step <= 480:
        close = [rate for rate in stated if abs(rate * Fraction(step) - 1) < 5e-4]
        rate = close[0] if close else Fraction(1 / step).limit_denominator(1001)
        return Timing(rate, count)
    durations = [after - before for before, after in zip(times, times[1:])] + [last]
    durations = sorted(each for each in durations if each > 1e-4) or [0.04]
    rate = _common(durations)
    frames = max(place(times[-1] - begin + last, rate), place(times[-1] - begin, rate) + 1)
    if frames == count and all(place(t - begin, rate) == i for i, t in enumerate(times)):
        return Timing(rate, frames)
    shown = " to ".join(dict.fromkeys(f"{each:.2g}" for each in (durations[0], durations[-1])))
    return Timing(
        rate,
        frames,
        f"its frames are shown for {shown} s, so it is read at a constant {float(rate):.4g} "
        "frames per second",
    )


def _common(durations: Sequence[float]) -> Fraction:
    """Frames per second of the shortest common duration of a sorted list."""
    short = durations[math.ceil(0.05 * len(durations)) - 1]
    alike = [each for each in durations if 0.75 <= each / short <= 1.33]
    rate = len(alike) / sum(alike)
    if abs(rate / round(rate) - 1 if rate >= 1 else 1) < 0.01:  # milliseconds were rounded
        rate = round(rate)
    rate *= math.ceil(SLOWEST / rate)
    return min(Fraction(rate).limit_denominator(1001), Fraction(FASTEST))


def place(time: float, rate: Fraction) -> int:
    """Number of the output frame nearest to ``time`` (seconds since the first)."""
    return math.floor(time * rate + 0.5 + 1e-6)


def resampled(shown: Iterable[tuple[_Shown, float]], timing: Timing) -> Iterator[_Shown]:
    """What is shown at a constant rate, of (frame, seconds at which it appears) in order."""
    if not timing.note:
        yield from (frame for frame, _ in shown)
        return
    begin, done, held = None, 0, None
    for frame, time in shown:
        if begin is None:
            begin, done = time, 1
            yield frame  # whatever follows within the same moment
        while done < place(time - begin, timing.rate):
            yield held
            done += 1
        held = frame
    while 0 < done < timing.frames:
        yield held
        done += 1
