"""Speeds of this machine, always two things side by side: what `make bench` prints.

    python data_scripts/bench.py [--seconds 3]

Both sides of a row run in turns on the same input, one after the other, until the time is up;
the table gives the medians and the ratio of the medians. A ratio above 1 means that the second
way is faster. Nothing is compared with another machine. All rows are kept in `build/bench.json`.

    python data_scripts/bench.py --only animate-vox-256 --threads 2

measures that row alone; `--profile` says what animating at that size consists of.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import published_loop
import torch

from aidagen import files, grids, kernels
from aidagen.failures import guarded
from aidagen.lectures.first_order_motion import warps

RESULTS = Path(__file__).resolve().parents[1] / "build" / "bench.json"
clock = time.perf_counter  # or, of this process alone, time.process_time
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
            begin = clock()
            way()
            taken.append(clock() - begin)
    return statistics.median(times[0]), statistics.median(times[1]), len(times[0])


def rows(seconds: float, only: str = ""):
    """Yield (what, first way, second way, seconds of each, turns)."""
    if published_loop.NAME.startswith(only):
        yield from published_rows(seconds)
    if only:
        return
    yield from plain_warp_rows(seconds)
    yield from warp_rows(seconds, "cpu")
    if kernels.ways("cuda" if torch.cuda.is_available() else "cpu") == ("eager", "triton"):
        yield from warp_rows(seconds, "cuda")
    else:
        print("No NVIDIA GPU with Triton here: the rows of the fused warps are left out.")
    with torch.no_grad():
        yield from animation_rows(seconds)
        yield from smile_rows(seconds)
        yield from pose_rows(seconds)
        yield from playground_rows(seconds)
    yield from widget_rows(seconds)


def ceilings(seconds: float):
    """What this machine can do at best, on the CPU: (name, value, unit)."""
    side = 1536
    a, b, product = torch.rand(side, side), torch.rand(side, side), torch.empty(side, side)
    source, target = torch.zeros(64 << 20), torch.empty(64 << 20)
    multiply, copy = partial(torch.mm, a, b, out=product), partial(target.copy_, source)
    taken = side_by_side(multiply, copy, seconds)
    yield "ceiling: matrix product", 2 * side**3 / taken[0] / 1e9, "GFLOP/s"
    yield "ceiling: copy, read and written", 2 * source.nbytes / taken[1] / 1e9, "GB/s"


def published_rows(seconds: float):
    """The published loop beside the animator, at the published size."""
    first, second = published_loop.sides()
    timed = side_by_side(first, second, seconds)
    yield f"{published_loop.NAME}, 4 frames", "as published", "prepared, 4 at a time", *timed


def plain_warp_rows(seconds: float):
    """``grids.warp`` itself, and the warps of a dense-motion network as they were published."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(16, 64, 64, 64, generator=generator)
    grid = grids.identity_grid(64, 64) + 0.1 * torch.randn(16, 64, 64, 2, generator=generator)
    compiled = torch.compile(grids.warp)
    with torch.no_grad():
        if compiles(lambda: compiled(image, grid)):
            timed = side_by_side(
                lambda: grids.warp(image, grid), lambda: compiled(image, grid), seconds
            )
            yield "warp, 16 maps of 64x64x64", "eager", "torch.compile", *timed
        (picture, *maps), maps_of = operations("cpu")["11 maps of a picture"][1], kernels.Maps
        timed = side_by_side(
            lambda: warps.copies(picture, maps_of(*maps)),
            lambda: kernels.local_affine_warp(picture, *maps, way="eager", identity=True),
            seconds,
        )
        yield "11 maps of a picture, forward, cpu", "as published", "eager", *timed


def compiles(run: Callable[[], object]) -> bool:
    """Whether torch.compile works for this, which is said where it does not."""
    try:
        run()
    except Exception as problem:  # no C++ compiler, or a platform that inductor leaves out
        cause = problem.__cause__ or problem
        print(f"torch.compile does not work here ({type(cause).__name__}); rows are left out.")
        return False
    return True


def operations(device: str) -> dict[str, tuple[Callable[..., torch.Tensor], list[torch.Tensor]]]:
    """What models do by warping: name -> function of a way and tensors, and those tensors."""
    generator = torch.Generator().manual_seed(0)
    size = 64 if device == "cpu" else 256

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator).to(device)

    turned = torch.eye(2) + 0.3 * torch.randn(16, 10, 2, 2, generator=generator)
    maps = [2 * draw(16, 10, 2) - 1, 2 * draw(16, 10, 2) - 1, turned.to(device)]
    coarse, fine = size // 4, size // 2
    flow = grids.identity_grid(coarse, coarse).to(device) + 0.2 * (
        draw(16, coarse, coarse, 2) - 0.5
    )
    return {
        "11 maps of a picture": (
            lambda way, *x: kernels.local_affine_warp(*x, way=way, identity=True),
            [draw(16, 3, size, size), *maps],
        ),
        "flow of 11 maps": (
            lambda way, *x: kernels.mix_affine_maps(*x, way=way, identity=True),
            [draw(16, 11, size, size).softmax(1), *maps],
        ),
        "features by a coarse flow": (
            lambda way, *x: kernels.warp_by_flow(*x, way=way),
            [draw(16, 64, fine, fine), flow, draw(16, 1, coarse, coarse)],
        ),
    }


def warp_rows(seconds: float, device: str):
    """Those operations eagerly and in the other ways, alone and with all gradients.

    On a GPU the share says how near the second way comes to a plain copy of as many bytes as have
    to move: every argument and the result once; on the way back all of them again, and gradients.
    """
    others = {"compiled": "torch.compile"} | ({"triton": "fused"} if device == "cuda" else {})
    bandwidth = copied_bytes_per_second(seconds) if device == "cuda" else 0.0
    for name, (function, given) in operations(device).items():
        for back in (False, True):
            leaves = [x.requires_grad_(back) for x in given]

            def run(way: str, function=function, leaves=leaves, back=back, device=device):
                with torch.set_grad_enabled(back):
                    result = function(way, *leaves)
                    if back:
                        torch.autograd.grad(result, leaves, torch.ones_like(result))
                if device == "cuda":
                    torch.cuda.synchronize()
                return result

            result = run("eager")
            moved = sum(x.nbytes for x in leaves) * (3 if back else 1) + result.nbytes * (1 + back)
            for way, words in others.items():
                if not compiles(partial(run, way)):
                    continue
                timed = side_by_side(lambda run=run: run("eager"), partial(run, way), seconds)
                if device == "cuda":
                    words += f" ({moved / timed[1] / bandwidth:.0%} of a copy)"
                what = f"{name}, {'forward and back' if back else 'forward'}, {device}"
                yield what, "eager", words, *timed


def copied_bytes_per_second(seconds: float) -> float:
    """Read and written by a plain copy of 256 MiB on the GPU: the most that it can do."""
    source = torch.zeros(64 << 20, device="cuda")
    target = torch.empty_like(source)

    def copy() -> None:
        target.copy_(source)
        torch.cuda.synchronize()

    return 2 * source.nbytes / side_by_side(copy, copy, seconds)[0]


def animation_rows(seconds: float):
    """The animator with one frame at a time and with sixteen, and with a prepared model."""
    from aidagen import inference, zoo
    from aidagen.animation import Animator

    model = zoo.load(MODEL, device="cpu")
    ready = inference.prepared(model)
    frames = torch.rand(32, 3, model.config.size, model.config.size)

    def animate(model, batch: int) -> None:
        for _ in Animator(model, frames[0], batch=batch).animate(frames):
            pass

    sixteen = partial(animate, model, 16)
    timed = side_by_side(lambda: animate(model, 1), sixteen, seconds)
    yield f"{MODEL}, 32 frames", "batch 1", "batch 16", *timed
    timed = side_by_side(sixteen, lambda: animate(ready, inference.CPU_BATCH), seconds)
    yield f"{MODEL}, 32 frames", "batch 16", "prepared, batch 4", *timed


def smile_rows(seconds: float):
    """All smiles of one still, at once and frame by frame; and the widget's steps, beside painting.

    Speed does not depend on what was learnt: the weights are fresh, the sizes those that ship.
    """
    from aidagen.models.smile import SmileNet
    from aidagen.widgets import controls
    from aidagen.widgets.smile_explorer import SmileExplorer

    torch.manual_seed(0)
    model, frames, label = SmileNet().eval(), 32, torch.tensor([0])
    size = model.config.size
    face, points = torch.rand(1, 3, size, size), torch.rand(1, 68, 2) - 0.5

    def one_by_one() -> None:
        modes, shared = model.sequences(points, label, frames)
        first = model.maps(shared[:, 0])
        for z in modes.flatten(0, 2):
            model.painter(face, first, model.maps(z[None]))

    timed = side_by_side(lambda: model(face, points, label, frames), one_by_one, seconds)
    title = f"K = {model.config.modes} smiles of {frames} frames from one still (at most 3 s)"
    yield title, "at once", "frame by frame", *timed

    explorer = SmileExplorer(model, face, points, ["noise"])
    at, shares = itertools.cycle((5, 9)), itertools.cycle((30, 60))
    most = f"(at most {1000 * controls.STEP_SECONDS:.0f} ms)"

    def painting() -> None:
        explorer.images(5)

    timed = side_by_side(lambda: setattr(explorer, "frame", next(at)), painting, seconds)
    yield f"smile explorer: another frame {most}", "step", "painting alone", *timed
    explorer.mode = 1
    timed = side_by_side(lambda: setattr(explorer, "share", next(shares)), painting, seconds)
    yield f"smile explorer: another mixture {most}", "step", "painting alone", *timed


def pose_rows(seconds: float):
    """A joint that is dragged in the pose studio, beside what its model does alone.

    Speed does not depend on what was learnt: the weights are fresh, the sizes those that ship.
    """
    from aidagen.datasets import people
    from aidagen.datasets.pose_pairs import album
    from aidagen.models.deformable_gan import DeformableGAN
    from aidagen.poses import Pose
    from aidagen.recipes.deformable_gan import SMALL
    from aidagen.widgets import controls
    from aidagen.widgets.pose_studio import PoseStudio

    torch.manual_seed(0)
    model, one = DeformableGAN(SMALL).eval(), album(people.load().clips("test")[0])
    i, j = one.usable[:2]
    image = one.images[i].float() / 255
    source, target = (Pose(one.joints[k : k + 1], one.known[k : k + 1]) for k in (i, j))
    seen = image[None], source, image[None]
    encoded = model.encode(*seen)

    def render() -> None:
        model.render(encoded, target)

    timed = side_by_side(lambda: model(seen[0], source, target, seen[2]), render, seconds)
    yield "a person in a pose", "encoded and rendered", "rendered alone", *timed
    studio = PoseStudio({"fresh": model}, [("somebody", image, source, image)],
                        poses={"a pose": target})  # fmt: skip
    ways = itertools.cycle((-0.02, 0.02))
    most = f"(at most {1000 * controls.STEP_SECONDS:.0f} ms)"
    for level in (0, 1):
        studio.level = level
        title = f"pose studio: a joint is dragged, {'features shown' if level else 'no features'}"
        timed = side_by_side(lambda: studio.move("left wrist", up=next(ways)), render, seconds)
        yield f"{title} {most}", "step", "rendering alone", *timed


def playground_rows(seconds: float):
    """A step of the playground, the real game included, beside what its model does alone.

    Speed does not depend on what was learnt: the weights are fresh, the sizes those that ship.
    """
    from aidagen.datasets.breakout import Breakout
    from aidagen.models.playable import Playable, playable_small
    from aidagen.widgets.playground import Playground
    from aidagen.widgets.worlds import PlayWorld

    torch.manual_seed(0)
    console = Breakout(64)
    model = Playable(playable_small(3, 1)).eval().to(memory_format=torch.channels_last)
    playground = Playground({"fresh": PlayWorld.live(model, console, console.ACTIONS, count=1)})
    begun, presses = model.begin(playground.here.frames[0]), itertools.cycle(range(3))
    timed = side_by_side(
        lambda: playground.play(next(presses)), lambda: model.play(begun, 1), seconds
    )
    yield "playground: a step (at most 60 ms)", "step", "painting alone", *timed


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
    parser.add_argument(
        "--cpu-time", action="store_true", help="of this process, on a machine that others use"
    )
    parser.add_argument("--only", choices=("", published_loop.NAME), default="", help="one row")
    parser.add_argument("--profile", action="store_true", help="what animating consists of")
    options = parser.parse_args()
    if options.cpu_time:
        global clock
        clock = time.process_time
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} of {os.cpu_count()} CPU threads")
    if options.profile:
        for words, way in zip(("as published", "prepared"), published_loop.sides(), strict=True):
            found = published_loop.shares(way)
            print(words, ", ".join(f"{kind} {share:.1%}" for kind, share in found.items()))
        return
    measured = []
    for name, value, unit in ceilings(options.seconds):
        print(f"{name:52} {value:.1f} {unit}", flush=True)
        row = {"name": name, "ratio": None, "reference": None, "ours": value, "unit": unit}
        measured.append(row)
    print(f"{'what':52} {'first':>24} {'second':>40} {'ratio':>7} {'turns':>6}")
    for what, first, second, one, two, turns in rows(options.seconds, options.only):
        left, right = f"{first} {1000 * one:.1f} ms", f"{second} {1000 * two:.1f} ms"
        print(f"{what:52} {left:>24} {right:>40} {one / two:7.2f} {turns:6}", flush=True)
        name = f"{what}: {first} / {second}"
        row = {"name": name, "ratio": one / two, "reference": 1000 * one, "ours": 1000 * two}
        measured.append(row | {"unit": "ms"})
    load = os.getloadavg()[1] if hasattr(os, "getloadavg") else None  # of the last five minutes
    files.write_json(RESULTS, {
        "machine": platform.platform(), "processor": _processor(), "torch": torch.__version__,
        "threads": options.threads, "clock": clock.__name__, "load": load, "rows": measured,
    })  # fmt: skip
    print(f"These rows are in {RESULTS}.")


def _processor() -> str:
    ask = getattr(torch.cpu, "get_capabilities", dict)
    return str(ask().get("cpu_name") or platform.processor())


if __name__ == "__main__":
    sys.exit(guarded(main, "bench"))
