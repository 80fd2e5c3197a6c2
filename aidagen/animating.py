"""The command ``aidagen animate``: a picture and a clip in, a clip out."""

import argparse
import difflib
import signal
import sys
import time
from itertools import chain, islice
from typing import Any, NoReturn

from tqdm import tqdm

from aidagen import devices, inference, streaming, video, zoo
from aidagen.animation import Animator, prepare
from aidagen.errors import AidagenError
from aidagen.inference import Comparison
from aidagen.pixels import as_floats


def run(given: argparse.Namespace) -> None:
    """Animate as the command's options say (`aidagen.cli`); raises ``AidagenError``."""
    driving = video.info(given.driving, strip=given.strip)
    source = video.read_image(given.source)
    writer = video.Writer(
        given.out,
        driving.fps or 25.0,
        mark=not given.no_mark,
        note=None if given.no_note else video.provenance(given.model, given.mode),
        inputs=(given.source, given.driving),
        sound=None if given.no_sound else given.driving,
    )
    carried = _carried(given)
    _let_sigterm_clean_up()
    with writer as out:
        model = _load(given.model, given.device)
        size = getattr(getattr(model, "config", None), "size", None) or min(source.shape[1:])
        source = prepare(source, size)
        batch = given.batch or inference.frames_at_a_time(model)
        ready = inference.carrying(inference.prepared(model), **carried)
        frames = video.read(given.driving, size=size, strip=given.strip, quick=True)
        if given.fast and (fast := _fast(model)) is not None:
            first = list(islice(frames, batch))
            frames = chain(first, frames)
            exact, ready = ready, inference.carrying(fast, **carried)
            shown = [as_floats(frame) for frame in first]
            print(_cost(inference.compared(exact, ready, source, shown, given.mode), len(first)))
        animator, side = Animator(ready, source, given.mode, batch), given.size or size
        out.threads = streaming.encoders(animator)
        began = time.perf_counter()
        with tqdm(total=driving.frames, unit="frame", file=sys.stderr) as bar:
            streaming.film(animator, frames, out, side, bar.update)
        seconds = time.perf_counter() - began
    print(
        f"{given.out}: {out.frames} frame{'' if out.frames == 1 else 's'} of {side} x {side} "
        f"pixels, {out.frames / seconds:.1f} frames per second, {out.heard}"
    )
    if driving.note:
        print(f"{given.driving}: {driving.note}.")


def _load(name: str, device: str) -> Any:
    names = list(zoo.names())
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        meant = f" (did you mean {close[0]}?)" if close else ""
        there = f"the models are {', '.join(names)}" if names else "no models are installed"
        raise AidagenError(f"There is no model {name!r}{meant}; {there}.")
    if device != "auto":
        devices.check(device)
    return zoo.load(name, device=device)


def _carried(given: argparse.Namespace) -> dict[str, bool]:
    """The settings of how movement is carried over, those that were asked for."""
    names = [name for name in ("adapt_scale", "adapt_variance", "clip_mean") if vars(given)[name]]
    if names and given.mode == "absolute":
        option = names[0].replace("_", "-")
        raise AidagenError(
            f"--{option} says how movement is carried over, so it belongs to --mode relative; "
            "leave one of the two out."
        )
    return dict.fromkeys(names, True)


def _fast(model: Any) -> Any:
    """``model``, painting in half precision; None, and why on stderr, where nothing is gained."""
    kinds = {weight.device.type for weight in model.parameters()}
    dtype = inference.shorter(kinds.pop()) if len(kinds) == 1 else None
    if dtype is None:
        why = "This device has no instructions for half precision, so --fast would be slower"
    else:
        fast = inference.prepared(model, dtype)
        if any(isinstance(part, inference.Rounded) for part in fast.modules()):
            return fast
        why = f"{type(model).__name__} has no part that --fast could paint in half precision"
    print(f"aidagen: {why}; the exact pictures are made.", file=sys.stderr)
    return None


def _cost(found: Comparison, frames: int) -> str:
    count = f"first {frames} frames" if frames > 1 else "first frame"
    return (
        f"--fast paints in half precision: over the {count} the largest error is {found.error:.1e} "
        f"of the range, the PSNR {found.psnr:.1f} dB, both against the exact pictures."
    )


def _let_sigterm_clean_up() -> None:
    """Turn a polite request to end into an exception, so that the unfinished file is removed."""

    def leave(*_: object) -> NoReturn:
        sys.exit(143)

    try:
        signal.signal(signal.SIGTERM, leave)
    except ValueError:  # not the main thread: somebody else's process
        pass
