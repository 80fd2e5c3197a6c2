"""All that is worth measuring on an NVIDIA GPU, in about a minute: `bench.py --gpu --out FILE`.

* the three warps, at three sizes: eager, fused, `torch.compile`; forward alone and with all
  gradients; time, peak memory, and the share of a plain copy's bandwidth that the bytes which have
  to move (`bench_warps.Operation.moved`) come to;
* the rows that hold us against the published code: sparse warps, animating, a training step;
* a training step as one CUDA graph beside the ordinary one;
* which share warps take in the latter two.

Times of warps are medians of the GPU's own clock, its cache emptied before each turn; others are by
the wall clock. The rows are written after each section, and a section that fails is a row that says
so: the next ones are measured all the same. `torch.compile` comes last, until the time is up.
"""

from __future__ import annotations

import copy
import math
import platform
import time
import traceback
from dataclasses import replace
from functools import partial
from pathlib import Path

import bench_warps
import torch
from bench_warps import MIB
from measures import on_the_gpu, peak_bytes, shares, side_by_side, waiting

from aidagen import files, kernels

SHAPES = ((16, 256), (16, 64), (64, 64))  # images, side in pixels
SECONDS = 60
FUSED = {"cuda": "triton", "cpu": "eager"}  # on a CPU the interpreter would take minutes
ASKED = 5  # times as fast as eager, forward and back, at the first of these shapes


class Sheet:
    """Rows that are printed and written as they come."""

    def __init__(self, out: Path, device: str, seconds: float):
        self.out, self.rows, self.end = out, [], time.monotonic() + seconds
        gpu = torch.cuda.get_device_name() if device == "cuda" else platform.processor()
        self.machine = {"device": gpu, "torch": torch.__version__}

    def row(self, name: str, reference: float | None, ours: float, unit: str, **more) -> None:
        ratio = reference / ours if reference and ours else None
        if unit == "frames/s" and ratio:
            ratio = 1 / ratio
        made = {"name": name, "ratio": ratio, "reference": reference, "ours": ours, "unit": unit}
        self.rows.append(made | more)
        left = f"{reference:10.3f} ->" if reference else 13 * " "
        told = ", ".join(f"{key} {value}" for key, value in more.items())
        times = f"{ratio:7.2f} x" if ratio else 9 * " "
        print(f"{name:70} {left} {ours:10.3f} {unit:8} {times}  {told}", flush=True)

    def section(self, name: str, run) -> None:
        """``run(self)``, whose failure is a row."""
        begin = time.monotonic()
        try:
            run(self)
        except Exception as error:
            traceback.print_exc()
            self.rows.append({"name": name, "failed": f"{type(error).__name__}: {error}"[:500]})
        print(f"-- {name}: {time.monotonic() - begin:.1f} s", flush=True)
        files.write_json(self.out, self.machine | {"rows": self.rows})


def measure(
    out: Path,
    device: str = "cuda",
    shapes: tuple[tuple[int, int], ...] = SHAPES,
    seconds: float = SECONDS,
    config: object = None,
    frames: int = 32,
    pairs: int | None = None,
    turns: float = 1.0,
) -> list[dict]:
    """Measure all sections and write the rows to ``out``.

    ``device`` "cpu", small ``shapes``, another ``config`` of the model that animates, few
    ``frames`` and ``pairs`` and no ``turns`` (seconds for each row) are for trying this out.
    """
    if device == "cuda" and "triton" not in kernels.ways(device):
        print("There is no NVIDIA GPU with Triton here; nothing is measured.")
        return []
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")  # TF32, as cuDNN has it anyway
    sheet = Sheet(out, device, seconds)
    batch, size = shapes[0]
    for name, run in {
        "warps": partial(warps, device=device, shapes=shapes, milliseconds=100 * turns),
        "sparse warps": partial(sparse, device=device, batch=batch, size=size, seconds=turns / 2),
        "animating": partial(animating, device=device, config=config, count=frames, seconds=turns),
        "a training step": partial(training, device=device, pairs=pairs, seconds=2 * turns),
        "a captured step": partial(captured_step, device=device, pairs=pairs, seconds=2 * turns),
        "torch.compile": partial(compiled, device=device, shapes=shapes, milliseconds=100 * turns),
    }.items():
        sheet.section(name, run)
    torch.set_float32_matmul_precision(precision)
    print(f"These rows are in {out}.")
    return sheet.rows


def warps(sheet: Sheet, device: str, shapes, milliseconds: float) -> None:
    """Eager and fused: times, memory, share of a copy's bandwidth."""
    bandwidth = bench_warps.copied_bytes_per_second(device, (64 << 20) if milliseconds else 1 << 10)
    sheet.row("ceiling: copy, read and written", None, bandwidth / 1e9, "GB/s")
    for batch, size in shapes:
        for each in bench_warps.operations(device, batch, size):
            for back in (False, True):
                what = words(each, batch, size, back)
                ways = [partial(each.run, way, back) for way in ("eager", FUSED[device])]
                eager, fused = (1000 * on_the_gpu(way, device, milliseconds) for way in ways)
                moved = each.moved(back)
                share = moved / (fused / 1000) / bandwidth
                asked = {}
                if back and (batch, size) == shapes[0] and each.name == "local_affine_warp":
                    asked = {"asked": ASKED, "reached": eager / fused >= ASKED}
                sheet.row(
                    f"{what}: eager / fused", eager, fused, "ms",
                    bytes=moved, share_of_copy=round(share, 3), **asked,
                )  # fmt: skip
                peaks = [peak_bytes(waiting(way, device), device) / MIB for way in ways]
                sheet.row(f"{what}, peak memory: eager / fused", *peaks, "MiB")


def words(each: bench_warps.Operation, batch: int, size: int, back: bool) -> str:
    direction = "forward and back" if back else "forward"
    return f"{each.name}, B {batch}, {size} px, {direction}"


def sparse(sheet: Sheet, device: str, batch: int, size: int, seconds: float) -> None:
    for what, _, ours, one, two, _, *unit in bench_warps.sparse_rows(seconds, device, batch, size):
        scale = 1 if unit else 1000
        sheet.row(f"{what}: as published / {ours}", scale * one, scale * two, *(unit or ["ms"]))


def animating(sheet: Sheet, device: str, config, count: int, seconds: float) -> None:
    """Frames per second of the published size beside the published loop, by the wall clock."""
    import published_loop

    from aidagen.inference import prepared

    made = published_loop.model(config).to(device)
    size = made.config.size
    frames = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    loop = waiting(partial(published_loop.as_published, made, frames[0], frames), device)
    models = {"float32": made, "float16 painter": prepared(made, torch.float16)}
    exact = torch.stack(loop())
    for name, model in models.items():
        for batch in (1, 16):
            way = waiting(partial(published_loop.ours, model, frames[0], frames, batch), device)
            difference = (torch.stack(way()) - exact).float()
            square = float(difference.square().mean())
            first, second, _ = side_by_side(loop, way, seconds)
            sheet.row(
                f"{published_loop.NAME}, {name}, batch {batch}: as published / ours",
                count / first, count / second, "frames/s",
                largest_difference=float(difference.abs().max()),
                psnr=round(-10 * math.log10(square), 1) if square else None,
            )  # fmt: skip
    for name, way in {"as published": loop, "ours, float32, batch 16": partial(
        published_loop.ours, made, frames[0], frames, 16)}.items():  # fmt: skip
        share_rows(sheet, f"{published_loop.NAME}, {name}", way, published_loop.KINDS, device)


def share_rows(sheet: Sheet, what: str, way, kinds, device: str) -> None:
    for kind, share in shares(way, kinds, device).items():
        sheet.row(f"{what}: share of {kind}", None, 100 * share, "%")


def training(sheet: Sheet, device: str, pairs: int | None, seconds: float) -> None:
    """A training step as published and ours."""
    import published_step as step

    first, second, error = step.sides(device, pairs)
    name = f"{step.NAME}, {pairs or 8} pairs"
    one, two, _ = side_by_side(first, second, seconds)
    sheet.row(f"{name}: as published / ours", 1000 * one, 1000 * two, "ms", losses_differ_by=error)
    peaks = [peak_bytes(way, device) / MIB for way in (first, second)]
    sheet.row(f"{name}, peak memory: as published / ours", *peaks, "MiB")
    share_rows(sheet, f"{name}, as published", first, step.PUBLISHED_KINDS, device)
    share_rows(sheet, f"{name}, ours", second, step.KINDS, device)


def captured_step(sheet: Sheet, device: str, pairs: int | None, seconds: float) -> None:
    """A step of `aidagen train` one by one, on batches from the host, and as one CUDA graph.

    On pairs of the rendered heads that ship, with a perceptual network of random weights.
    """
    import published_step as step

    from aidagen.captured import BURST, CapturedTraining
    from aidagen.datasets.batches import Pairs
    from aidagen.training import Training

    objective, recipe = step.begun(device, pairs)
    recipe = replace(recipe, data=Pairs({"heads": 1.0}, jitter=0.0, placing=0.1), steps=10**6)
    single = Training(copy.deepcopy(objective), recipe)
    graph = CapturedTraining(objective, recipe)
    burst = BURST if device == "cuda" else 1
    graph.burst(2 * burst)()  # the capture
    one, many, _ = side_by_side(
        waiting(single.step, device), lambda: graph.burst(graph.done + burst)(), seconds
    )
    name = f"fomm-faces-64, {pairs or 8} pairs: a step one by one / captured"
    sheet.row(name, 1000 * one, 1000 * many / burst, "ms")


def compiled(sheet: Sheet, device: str, shapes, milliseconds: float) -> None:
    """Eager beside ``torch.compile``, as far as the time goes: each one compiles for seconds."""
    for batch, size in shapes:
        for each in bench_warps.operations(device, batch, size):
            for back in (True, False):
                if time.monotonic() > sheet.end:
                    print("The time is up; the other rows of torch.compile are left out.")
                    return
                what = f"{words(each, batch, size, back)}: eager / torch.compile"
                ways = [partial(each.run, way, back) for way in ("eager", "compiled")]
                # each shape by itself, as fast as it can be
                with torch._dynamo.config.patch(automatic_dynamic_shapes=False):
                    if not bench_warps.compiles(ways[1]):
                        return
                    times = [1000 * on_the_gpu(way, device, milliseconds) for way in ways]
                    peaks = [peak_bytes(waiting(way, device), device) / MIB for way in ways]
                sheet.row(what, *times, "ms")
                sheet.row(f"{what}, peak memory", *peaks, "MiB")
