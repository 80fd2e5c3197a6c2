"""Speeds of this machine, always two things side by side: what `make bench` prints.

    python data_scripts/bench.py [--seconds 3]

Both sides of a row run in turns on the same input, one after the other, until the time is up;
the table gives the medians and the ratio of the medians. A ratio above 1 means that the second
way is faster. Nothing is compared with another machine.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch

from aidagen import grids, kernels
from aidagen.failures import guarded

MODEL = "fomm-heads-64"  # of the zoo: the one that the widgets of lecture 05 run


def side_by_side(
    first: Callable[[], object], second: Callable[[], object], seconds: float
) -> tuple[float, float, int]:
    """Median seconds of both, called in turns for ``seconds`` after one warm-up, and the turns."""
    first(), second()
    times: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 3:
        for way, taken in zip((first, second), times, strict=True):
            begin = time.perf_counter()
            way()
            taken.append(time.perf_counter() - begin)
    return statistics.median(times[0]), statistics.median(times[1]), len(times[0])


def rows(seconds: float):
    """Yield (what, first way, second way, seconds of each, turns)."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(16, 64, 64, 64, generator=generator)
    noise = 0.1 * torch.randn(16, 64, 64, 2, generator=generator)
    grid = grids.identity_grid(64, 64) + noise
    compiled = torch.compile(grids.warp)
    with torch.no_grad():
        try:
            compiled(image, grid)
        except Exception as problem:  # no C++ compiler, or a platform that inductor leaves out
            name = type(problem).__name__
            print(f"torch.compile does not work here ({name}); its rows are left out.")
        else:
            eager = side_by_side(
                lambda: grids.warp(image, grid), lambda: compiled(image, grid), seconds
            )
            yield "warp, 16 maps of 64x64x64", "eager", "torch.compile", *eager
            yield from local_affine_rows(seconds, "compiled")
        if torch.cuda.is_available() and kernels.has_triton():
            yield from local_affine_rows(seconds, "compiled", "cuda")
            yield from local_affine_rows(seconds, "triton", "cuda")
        else:
            print("No NVIDIA GPU with Triton here: the row of the fused warp is left out.")
        yield from animation_rows(seconds)
    yield from widget_rows(seconds)


def local_affine_rows(seconds: float, way: str, device: str = "cpu"):
    """The K + 1 warps of the dense-motion network, eagerly and in another way."""
    generator = torch.Generator().manual_seed(0)
    size = 64 if device == "cpu" else 256
    image = torch.rand(16, 3, size, size, generator=generator).to(device)
    to, origin = (2 * torch.rand(2, 16, 10, 2, generator=generator) - 1).to(device)
    matrices = torch.randn(16, 10, 2, 2, generator=generator).to(device)

    def run(way: str) -> None:
        kernels.local_affine_warp(image, to, origin, matrices, way=way, identity=True)
        if device != "cpu":
            torch.cuda.synchronize()

    timed = side_by_side(lambda: run("eager"), lambda: run(way), seconds)
    name = {"compiled": "torch.compile", "triton": "fused (Triton)"}[way]
    yield f"local-affine warp, {device}, 16 x 11 maps of {size}x{size}", "eager", name, *timed


def animation_rows(seconds: float):
    """The animator with one frame at a time and with sixteen."""
    from aidagen import zoo
    from aidagen.animation import Animator

    model = zoo.load(MODEL, device="cpu")
    frames = torch.rand(32, 3, model.config.size, model.config.size)

    def animate(batch: int) -> None:
        for _ in Animator(model, frames[0], batch=batch).animate(frames):
            pass

    timed = side_by_side(lambda: animate(1), lambda: animate(16), seconds)
    yield f"{MODEL}, 32 frames", "batch 1", "batch 16", *timed


def widget_rows(seconds: float):
    """One step of widgets that run the model as it is moved, beside one rendering alone."""
    from aidagen import zoo
    from aidagen.widgets import controls
    from aidagen.widgets.mask_painter import MaskPainter
    from aidagen.widgets.own_photo import OwnPhoto
    from aidagen.widgets.puppet import Puppet
    from aidagen.widgets.recordings import looking

    model = zoo.load(MODEL, device="cpu")
    size = model.config.size
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(6, 3, size, size, generator=generator)
    with looking(model):
        encoded = model.encode(frames[:1])

    def render() -> None:
        with looking(model):
            model.render(encoded, encoded.motion)

    puppet, painter = Puppet(model, frames[0]), MaskPainter(model, frames[0], frames[1:2])
    photo = OwnPhoto(model, {"noise": frames}, faces=None, reference=frames)
    photo.load(torch.rand(3, 8 * size, 8 * size, generator=generator))
    places = itertools.cycle((-0.4, 0.4))
    steps = {
        "puppet: a keypoint is moved": lambda: puppet.move(1, right=next(places)),
        "mask painter: a stroke": lambda: painter.paint(next(places), 0.0),
        "own photo: the crop is moved": lambda: setattr(photo, "extent", 0.5 + next(places)),
    }
    most = f"(at most {1000 * controls.STEP_SECONDS:.0f} ms)"
    for title, step in steps.items():
        yield f"{title} {most}", "step", "rendering alone", *side_by_side(step, render, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="per row")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} of {os.cpu_count()} CPU threads")
    print(f"{'what':52} {'first':>16} {'second':>24} {'ratio':>7} {'turns':>6}")
    for what, first, second, one, two, turns in rows(options.seconds):
        left, right = f"{first} {1000 * one:.1f} ms", f"{second} {1000 * two:.1f} ms"
        print(f"{what:52} {left:>16} {right:>24} {one / two:7.2f} {turns:6}", flush=True)


if __name__ == "__main__":
    sys.exit(guarded(main, "bench"))
