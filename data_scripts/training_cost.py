"""What a training step is made of: operations, bytes, and where a CPU's time goes.

    python data_scripts/training_cost.py [--recipe fomm-faces-64] [--steps 5]
    python data_scripts/training_cost.py --published     # the published size at 256 px as well

Operations are counted by torch's FlopCounterMode (a product and its sum are two); times are of one
CPU thread. `course/scale.md` and `course/benchmarks.md` quote what this printed.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from io import BytesIO
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np
import torch
from PIL import Image
from published_loop import enlarged
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.flop_counter import FlopCounterMode

from aidagen import datasets, recipes, training
from aidagen.blocks import UpBlock
from aidagen.datasets.batches import Pair
from aidagen.failures import guarded
from aidagen.judges.features import VGG19Features
from aidagen.losses import PerceptualPyramid
from aidagen.models import fomm
from aidagen.systems import Objective, Step

# operators by what they do: an operator is of the first kind that has a word of its name
KINDS = {
    "convolutions, back": ("convolution_backward",),
    "convolutions, forward": ("conv",),
    "batch norm": ("batch_norm",),
    "warps": ("grid_sampler",),
    "resizing and pooling": ("upsample", "pool"),
    "all others": ("",),
}


# --- operations ----------------------------------------------------------------------------------


def operations(what: str, objective: Objective, size: int) -> None:
    """Print the GFLOP of one pair of ``size`` pixels: whole step, and the losses' network in it."""
    forward, back = pair(objective, size)
    seen, seen_back = looking(objective, size)
    print(
        f"{what}: {forward + back:.2f} GFLOP a pair ({forward:.2f} forward, {back:.2f} back); the "
        f"losses' network looks at two pictures, {seen:.2f} forward, {seen_back:.2f} back"
    )


def pair(objective: Objective, size: int) -> tuple[float, float]:
    """GFLOP of one pair in training, forward and back."""
    generator = torch.Generator().manual_seed(0)
    frames = Pair(*torch.rand(2, 1, 3, size, size, generator=generator))
    step = Step(0, 1, generator)
    return counted(lambda: sum(objective("generator", frames, step).values()))


def looking(objective: Objective, size: int) -> tuple[float, float]:
    """GFLOP of the losses' network that compares a picture with its target, forward and back."""
    image, target = torch.rand(2, 1, 3, size, size)
    image.requires_grad_()
    return counted(lambda: objective.perceptual(image, target))


def counted(loss: Callable[[], torch.Tensor]) -> tuple[float, float]:
    """GFLOP of a loss and of its gradients, as on a GPU: a CPU needs fewer in up blocks."""
    with patch.object(UpBlock, "forward", enlarged), FlopCounterMode(display=False) as counter:
        value = loss()
        forward = counter.get_total_flops() / 1e9
        value.backward()
    return forward, counter.get_total_flops() / 1e9 - forward


def animated(what: str, model: fomm.FOMM, size: int) -> None:
    """Print the GFLOP of one animated frame, whose source was encoded before."""
    source, driving = torch.rand(2, 1, 3, size, size)
    with torch.no_grad():
        encoded = model.encode(source)
        with patch.object(UpBlock, "forward", enlarged), FlopCounterMode(display=False) as counter:
            model.render(encoded, model.motion(driving))
    print(f"{what}: {counter.get_total_flops() / 1e9:.2f} GFLOP a frame that is animated")


# --- bytes ---------------------------------------------------------------------------------------


def clips(name: str) -> None:
    """Print what the clips of a set take: bytes of a frame, and milliseconds to decode it."""
    try:
        with datasets.at_hand():
            data = datasets.load(name)
    except datasets.NotMade as error:
        print(f"{name}: not measured. {error}")
        return
    found = (data.clips("train") or data.clips("test"))[:40]
    frames = sum(map(len, found))
    size = sum(clip.path.stat().st_size for clip in found)
    begin = time.process_time()
    for clip in found:
        clip.frames()
    whole = time.process_time() - begin
    begin = time.process_time()
    for clip in found:
        clip.frames(len(clip) // 2, len(clip) // 2 + 1)
    single = time.process_time() - begin
    print(
        f"{name}: {size / frames:.0f} bytes a frame; {1e3 * whole / frames:.2f} ms to decode one "
        f"in a whole clip of {frames / len(found):.0f}, {1e3 * single / len(found):.1f} ms for "
        "the one in its middle alone"
    )
    files = [BytesIO() for _ in found]
    for clip, file in zip(found, files):
        Image.fromarray(clip.frames(0, 1)[0].permute(1, 2, 0).numpy()).save(file, format="png")
    begin = time.process_time()
    for file in files:
        np.asarray(Image.open(file))
    spent = time.process_time() - begin
    print(
        f"    as PNG: {sum(len(file.getvalue()) for file in files) / len(files):.0f} bytes, "
        f"{1e3 * spent / len(files):.2f} ms"
    )


# --- a step --------------------------------------------------------------------------------------


@contextmanager
def named(parts: dict[str, tuple[object, str]]) -> Iterator[None]:
    """Let a profile show these methods, (owner, attribute), under names of their own."""
    before = {name: getattr(owner, attribute) for name, (owner, attribute) in parts.items()}

    def recorded(name, method):
        @wraps(method)
        def run(*given, **more):
            with record_function(name):
                return method(*given, **more)

        return run

    for name, (owner, attribute) in parts.items():
        object.__setattr__(owner, attribute, recorded(name, before[name]))
    try:
        yield
    finally:
        for name, (owner, attribute) in parts.items():
            object.__setattr__(owner, attribute, before[name])


def profiled(name: str, steps: int) -> None:
    """Print where the time of ``steps`` training steps of a recipe goes."""
    recipe = recipes.find(name)
    run = training.Training(recipe.system.objective(recipe.config, recipe.weights), recipe)
    begin = time.process_time()
    run.step()
    first = time.process_time() - begin
    begin = time.process_time()
    for _ in range(steps):
        run.step()
    spent = (time.process_time() - begin) / steps
    print(
        f"{name}, batch {recipe.batch}: {1e3 * spent:.0f} ms of a CPU thread a step, after "
        f"{first:.1f} s for the first one, which decodes all clips"
    )
    (optimizer,) = run.optimizers.values()
    parts = {
        "step": (run, "step"),
        "drawing the batch": (recipe.data, "draw"),
        "forward": (run.bare, "forward"),
        "the losses' network in it": (run.bare.perceptual, "forward"),
        "back": (run.fabric, "backward"),
        "optimizer": (optimizer, "step"),
        "average": (run.average, "update_parameters"),
    }
    with named(parts), profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(steps):
            run.step()
    totals = {event.key: event for event in seen.key_averages()}
    whole = totals["step"].cpu_time_total
    for part in parts:
        report(part, totals[part].cpu_time_total, whole)
    kinds: Counter[str] = Counter()
    for key, event in totals.items():
        if key.startswith("aten::"):
            kind = next(kind for kind, words in KINDS.items() if any(w in key for w in words))
            kinds[kind] += event.self_cpu_time_total
    print("by kind of operator:")
    for kind in KINDS:
        report(kind, kinds[kind], whole)
    read: Counter[str] = Counter()
    for event in seen.events():
        if event.name == "aten::_local_scalar_dense":
            read[next(part for part in [*list(parts)[1:], "step"] if within(event, part))] += 1
    print("numbers that Python reads, a step:")
    for part, count in read.items():
        print(f"    {count / steps:7.1f}  {part}")


def report(what: str, time: float, whole: float) -> None:
    print(f"    {100 * time / whole:5.1f} %  {what}")


def within(event, name: str) -> bool:
    """Whether a profiled event happened inside a named part."""
    while event is not None and event.name != name:
        event = event.cpu_parent
    return event is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="fomm-faces-64")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--published", action="store_true", help="count the published size, too")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("fomm-faces-64", "fomm-faces-128"):
        recipe = recipes.find(name)
        objective = recipe.system.objective(recipe.config, recipe.weights)
        operations(name, objective, recipe.config.size)
    if given.published:
        model, weights = fomm.FOMM(fomm.fomm_published("vox-256")), fomm.LossWeights()
        animated("vox-256", model, 256)
        network = PerceptualPyramid(VGG19Features(), weights.scales)
        operations("vox-256 with VGG19", fomm.Objective(model, weights, network), 256)
    for name in ("heads", "heads-128", "faces", "faces-128"):
        clips(name)
    profiled(given.recipe, given.steps)


if __name__ == "__main__":
    sys.exit(guarded(main, "training_cost"))
