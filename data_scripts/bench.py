"""Speeds of this machine, always two things side by side: what `make bench` prints.

    python data_scripts/bench.py [--seconds 3]

Both sides of a row run in turns on the same input, one after the other, until the time is up;
the table gives the medians and the ratio of the medians. A ratio above 1 means that the second
way is faster. Nothing is compared with another machine. All rows are kept in `build/bench.json`.

    python data_scripts/bench.py --only animate-vox-256 --threads 2

measures that row alone (or `sparse-warp-vox-256`, `train-step-fomm`); `--profile` says what
animating at that size and a training step consist of.

    python data_scripts/bench.py --gpu --out build/gpu.json

measures all that is worth measuring on an NVIDIA GPU, in about a minute (`bench_gpu.py`).
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import sys
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import bench_warps
import measures
import torch
from measures import peak_bytes, side_by_side

from aidagen import files, kernels
from aidagen.failures import guarded

RESULTS = Path(__file__).resolve().parents[1] / "build" / "bench.json"
BESIDE_PUBLISHED = ("animate-vox-256", bench_warps.NAME, "train-step-fomm")
MODEL = "fomm-heads-64"  # of the zoo: the one that the widgets of lecture 05 run


def rows(seconds: float, only: str = ""):
    """Yield (what, first way, second way, seconds of each, turns), or, with a unit at the end,
    numbers of that unit."""
    published = (published_rows, bench_warps.sparse_rows, step_rows)
    for name, measured in zip(BESIDE_PUBLISHED, published, strict=True):
        if name.startswith(only):
            yield from measured(seconds)
    if only:
        return
    yield from bench_warps.plain_warp_rows(seconds)
    yield from bench_warps.warp_rows(seconds, "cpu")
    if kernels.ways("cuda" if torch.cuda.is_available() else "cpu") == ("eager", "triton"):
        yield from bench_warps.warp_rows(seconds, "cuda")
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
    import published_loop

    first, second = published_loop.sides()
    timed = side_by_side(first, second, seconds)
    yield f"{published_loop.NAME}, 4 frames", "as published", "prepared, 4 at a time", *timed


def step_rows(seconds: float):
    """A training step as the published code takes it, and ours, of the same losses."""
    import published_step

    first, second, error = published_step.sides()
    name = f"{published_step.NAME}, 8 pairs"
    print(f"{name}: the first losses of both ways differ by {error:.1e} of their size at most.")
    yield name, "as published", "ours", *side_by_side(first, second, seconds)
    peaks = [peak_bytes(way, "cpu") / bench_warps.MIB for way in (first, second)]
    yield f"{name}, peak memory", "as published", "ours", *peaks, 1, "MiB"


def profiled() -> None:
    """Print what animating and a training step consist of, as published and ours."""
    import published_loop
    import published_step

    sides = [*published_loop.sides(), *published_step.sides()[:2]]
    kinds = [published_loop.KINDS] * 2 + [published_step.PUBLISHED_KINDS, published_step.KINDS]
    for i, (way, named) in enumerate(zip(sides, kinds, strict=True)):
        what = (published_loop.NAME, published_step.NAME)[i // 2]
        found = measures.shares(way, named)
        told = ", ".join(f"{kind} {share:.1%}" for kind, share in found.items())
        print(f"{what}, {('as published', 'ours')[i % 2]}: {told}", flush=True)


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
    parser.add_argument("--only", choices=("", *BESIDE_PUBLISHED), default="", help="one row")
    parser.add_argument("--profile", action="store_true", help="what takes the time")
    parser.add_argument("--gpu", action="store_true", help="the rows of an NVIDIA GPU alone")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the rows are kept")
    options = parser.parse_args()
    if options.gpu:
        import bench_gpu

        return bench_gpu.measure(options.out)
    if options.cpu_time:
        measures.clock = time.process_time
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} of {os.cpu_count()} CPU threads")
    if options.profile:
        return profiled()
    measured = []
    for name, value, unit in ceilings(options.seconds):
        print(f"{name:52} {value:.1f} {unit}", flush=True)
        row = {"name": name, "ratio": None, "reference": None, "ours": value, "unit": unit}
        measured.append(row)
    print(f"{'what':52} {'first':>24} {'second':>40} {'ratio':>7} {'turns':>6}")
    for what, first, second, one, two, turns, *given in rows(options.seconds, options.only):
        unit = given[0] if given else "ms"
        one, two = (one, two) if given else (1000 * one, 1000 * two)
        left, right = f"{first} {one:.1f} {unit}", f"{second} {two:.1f} {unit}"
        print(f"{what:52} {left:>24} {right:>40} {one / two:7.2f} {turns:6}", flush=True)
        name = f"{what}: {first} / {second}"
        row = {"name": name, "ratio": one / two, "reference": one, "ours": two}
        measured.append(row | {"unit": unit})
    load = os.getloadavg()[1] if hasattr(os, "getloadavg") else None  # of the last five minutes
    files.write_json(options.out, {
        "machine": platform.platform(), "processor": _processor(), "torch": torch.__version__,
        "threads": options.threads, "clock": measures.clock.__name__, "load": load,
        "rows": measured,
    })  # fmt: skip
    print(f"These rows are in {options.out}.")


def _processor() -> str:
    ask = getattr(torch.cpu, "get_capabilities", dict)
    return str(ask().get("cpu_name") or platform.processor())


if __name__ == "__main__":
    sys.exit(guarded(main, "bench"))
