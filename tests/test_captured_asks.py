"""A captured step asks the host for nothing: seen without a GPU, on torch's device "meta".

While a CUDA graph is captured, nothing may come from the host's memory or go there. On "meta",
where tensors have a size and no numbers, a number that is asked for is an error, and every
operation between it and the CPU is seen here.
"""

import traceback
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from test_captured import parts
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import aidagen
from aidagen import captured

META = torch.device("meta")
FROM_LISTS = {"tensor", "as_tensor", "from_numpy", "new_tensor"}  # made on the host, then copied


class OnMeta(torch.Generator):
    """A generator that belongs to "meta": torch has none, and needs none there."""

    device = META


class Copies(TorchDispatchMode):
    """Where operations had a tensor that is not on "meta"."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, torch.Tensor)]
        if any(x.device != META for x in tensors):
            self.seen.add((str(func), where()))
        return out


class Lists(TorchFunctionMode):
    """Where tensors were made of numbers of Python's."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in FROM_LISTS:
            self.seen.add((func.__name__, where()))
        return func(*args, **(kwargs or {}))


def where() -> str:
    """The line of the package that is being computed."""
    root = str(Path(aidagen.__file__).parent)
    lines = [f for f in traceback.extract_stack() if f.filename.startswith(root)]
    return f"{Path(lines[-1].filename).name}: {lines[-1].line}" if lines else "a test"


def on_meta(run: captured.CapturedTraining) -> captured.CapturedTraining:
    """``run`` with all that a step touches on "meta"; optimizers are torch's own and do nothing."""
    moved = {}
    for module in (*run.bare.modules(), *run.average.modules()):
        for name, each in module._parameters.items():
            if each is not None:
                moved[id(each)] = nn.Parameter(each.to(META), each.requires_grad)
                module._parameters[name] = moved[id(each)]
        for name, each in module._buffers.items():
            module._buffers[name] = None if each is None else each.to(META)
    run.phases = {phase: [moved[id(p)] for p in held] for phase, held in run.phases.items()}
    for optimizer in run._bare():
        optimizer.step = lambda: None
    data = run.recipe.data
    vars(data).update(device=META, _table={key: x.to(META) for key, x in data._table.items()})
    run.sums, run.generator = run.sums.to(META), OnMeta()
    return run


def asked(run: captured.CapturedTraining) -> set[tuple[str, str]]:
    """What a step asks the host for, and in which line."""
    with Copies() as copies, META, Lists() as lists:
        run._take(first=False)
    return copies.seen | lists.seen


@pytest.fixture
def begin(monkeypatch):
    # the plain warps switch autocast off, which "meta" does not have
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())

    def begin(name):
        objective, recipe = parts(name)
        return on_meta(captured.CapturedTraining(objective.train(), recipe))

    return begin


@pytest.mark.parametrize("name", [
    "monkeynet-bodies-64-9066x32", "x2face-bodies-64-9066x32", "monkeynet-bodies-64-no-flow",
    "fomm-bodies-64-9066x32", "fomm-heads-64"
])  # fmt: skip
def test_a_step_asks_the_host_for_nothing(begin, name):
    """Where a GPU has Triton, the warps of First Order Motion are fused; here they are plain."""
    assert asked(begin(name)) == set()


@pytest.mark.parametrize("kind", ["number", "list", "copy"])
def test_it_would_be_seen(begin, monkeypatch, kind):
    """A loss that reads a number, makes a tensor of one, or takes one from the host."""
    run = begin("monkeynet-bodies-64")
    plain, held = run.bare.forward, torch.ones(3)
    meddle = {
        "number": lambda x: x * x.item(),
        "list": lambda x: x * torch.tensor([2.0])[0],
        "copy": lambda x: x * held.to(x.device)[0],
    }[kind]
    monkeypatch.setattr(run.bare, "forward", lambda *given: {
        key: meddle(term) for key, term in plain(*given).items()
    })  # fmt: skip
    if kind == "number":
        with pytest.raises(RuntimeError, match="meta"):
            asked(run)
    else:
        assert asked(run)
