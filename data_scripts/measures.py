"""How `make bench` measures: medians of two ways in turns, peak memory, shares of the time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from unittest.mock import patch

import torch
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

clock = time.perf_counter  # or, of this process alone, time.process_time
Way = Callable[[], object]


def side_by_side(first: Way, second: Way, seconds: float) -> tuple[float, float, int]:
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


def waiting(way: Way, device: str) -> Way:
    """``way``, over when the GPU is done with it."""

    def run() -> object:
        result = way()
        if device == "cuda":
            torch.cuda.synchronize()
        return result

    return run


def on_the_gpu(way: Way, device: str = "cuda", milliseconds: float = 100) -> float:
    """Median seconds that a GPU takes, its cache emptied before each turn; a CPU's on a CPU."""
    if device == "cuda":
        from triton.testing import do_bench

        return do_bench(way, rep=milliseconds, return_mode="median") / 1000
    return side_by_side(way, lambda: None, milliseconds / 1000)[0]


def peak_bytes(way: Way, device: str) -> int:
    """Most memory that torch holds during ``way`` beyond what it held before, its result included.

    On a CPU every allocation is added up as torch's profiler reports it; what libraries take by
    themselves is not seen.
    """
    way()  # what is made once and kept is no part of it
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        way()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        kept = way()  # noqa: F841 - alive until the profile ends
    events = seen.profiler.kineto_results.events()
    changes = [(each.start_ns(), each.nbytes()) for each in events if each.name() == "[memory]"]
    held = most = 0
    for _, change in sorted(changes, key=lambda each: each[0]):
        held += change
        most = max(most, held)
    return most


# --- shares of the time --------------------------------------------------------------------------


class Recorded(torch.autograd.Function):
    """``apply(kind, function, *given)``: a function that a profile shows as ``kind``, both ways."""

    @staticmethod
    def forward(ctx, kind, function, *given):
        leaves = [
            x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x
            for x in given
        ]
        with torch.enable_grad(), record_function(kind):
            result = function(*leaves)
        ctx.kind, ctx.leaves, ctx.result = kind, leaves, result
        return result.detach()

    @staticmethod
    def backward(ctx, gradient):
        wanted = [x for x in ctx.leaves if isinstance(x, Tensor) and x.requires_grad]
        with record_function(ctx.kind):
            made = iter(torch.autograd.grad(ctx.result, wanted, gradient))
        mine = [next(made) if any(x is y for y in wanted) else None for x in ctx.leaves]
        return None, None, *mine


def _recorded(function: Callable, kind: str) -> Callable:
    @wraps(function)
    def called(*given, **named):
        tensors = [x for x in given if isinstance(x, Tensor)]
        if torch.is_grad_enabled() and any(x.requires_grad for x in tensors):
            return Recorded.apply(kind, lambda *x: function(*x, **named), *given)
        with record_function(kind):
            return function(*given, **named)

    return called


@contextmanager
def _named(kinds: dict[tuple[object, str], str]) -> Iterator[None]:
    with ExitStack() as patches:
        for (owner, name), kind in kinds.items():
            patches.enter_context(patch.object(owner, name, _recorded(getattr(owner, name), kind)))
        yield


def shares(way: Way, kinds: dict[tuple[object, str], str], device: str = "cpu") -> dict[str, float]:
    """Which part of its time ``way`` spends on which kind of work, by torch's profiler.

    ``kinds`` says what is called, as (owner, attribute), and the kind of work that it is, its way
    back included. On a GPU the time is that of its kernels, and the whole is the sum of all.
    """
    cuda = device == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda
    with _named(kinds):
        waiting(way, device)()
        with profile(activities=activities) as seen, record_function("everything"):
            waiting(way, device)()
    spent = dict.fromkeys(["everything", *kinds.values()], 0.0)
    whole = 0.0
    for event in seen.events():
        if event.device_type != DeviceType.CPU:
            continue
        whole += event.self_device_time_total if cuda else 0.0
        if event.name in spent:
            spent[event.name] += event.device_time_total if cuda else event.cpu_time_total
    whole = whole if cuda else spent["everything"]
    found = {kind: spent[kind] / whole for kind in dict.fromkeys(kinds.values())}
    return found | {"everything else": 1 - sum(found.values())}
