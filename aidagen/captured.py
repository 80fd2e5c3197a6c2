"""Training on one NVIDIA GPU: the whole step as one CUDA graph, so that the GPU never waits.

A step of a small model is a thousand short kernels; started one by one from Python they take four
times as long as the GPU needs for them. Here the first steps are taken as `aidagen.training` takes
them, but on batches that are drawn on the GPU (`aidagen.datasets.resident`). Then one step is
captured as a CUDA graph: the draw, every phase's forward and backward pass, its optimizer, the
average. From then on a step is one call. A run has a stream of its own, so that several runs share
a GPU (`runs.together`).

All that is random in a step depends on (seed, step) alone, as on a CPU, but the numbers are those
of the GPU's generator: the runs of a CPU and of a GPU are two runs of one recipe. A checkpoint of
either can be gone on from on the other.
"""

import copy
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import NoReturn

import torch
from lightning_fabric import Fabric
from torch import nn

from aidagen.datasets import resident
from aidagen.errors import AidagenError
from aidagen.recipes import Recipe
from aidagen.systems import Objective, Step
from aidagen.training import SCHEDULES, Training, TrainingError

WARM = 3  # steps before the capture: libraries choose their kernels, Triton compiles its own
BURST = 10  # steps that are enqueued at once
EXACT = "32-true"  # the precision that is captured


class Timeless(Step):
    """A step for objectives that do not ask how far the run is: a graph cannot know."""

    @property
    def number(self) -> NoReturn:
        raise _Asked

    of = progress = number


class _Asked(Exception):
    """An objective has asked for the step's number."""


def training_for(objective: Objective, recipe: Recipe, fabric: Fabric, precision: str) -> Training:
    """A captured training where it can be had, an ordinary one elsewhere.

    It can be had in one process on an NVIDIA GPU in full precision, for batches that are held on a
    device (`resident.on`) and objectives that do not read where the run is. Whether a step can be
    captured is tried on a copy first; where it cannot, stderr says why.
    """
    one = fabric.world_size == 1 and fabric.device.type == "cuda" and precision == EXACT
    if one and (data := resident.on(recipe.data, fabric.device)) is not None:
        held = replace(recipe, data=data)  # once for the trial and the run
        trial = CapturedTraining(copy.deepcopy(objective).train(), held, fabric)
        try:
            if trial.is_timeless():
                trial.burst(WARM + 2)()
                return CapturedTraining(objective, held, fabric)
        except (RuntimeError, AidagenError) as error:  # whatever CUDA, a library or a loss says
            print(
                f"aidagen: A step of this recipe cannot be captured as a CUDA graph ({error}); "
                "steps are taken one by one, which is slower.",
                file=sys.stderr,
            )
    return Training(objective, recipe, fabric)


class CapturedTraining(Training):
    """A `Training` whose steps are taken in bursts, without coming back to Python in between.

    On a CPU the same steps are taken one by one, for tests.
    """

    def __init__(self, objective: Objective, recipe: Recipe, fabric: Fabric | None = None):
        super().__init__(objective, recipe, fabric)
        device = self.fabric.device
        if not isinstance(recipe.data, resident.ResidentPairs):
            recipe = replace(recipe, data=resident.on(recipe.data, device))
        self.recipe = recipe
        self.generator = torch.Generator(device)
        self.rate = torch.tensor(recipe.rate, device=device)
        self.cuda = device.type == "cuda"
        self.stream = torch.cuda.Stream(device) if self.cuda else None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.warm = 0
        self.names: list[str] = []  # of the terms, in the order of their sums
        self.sums = torch.zeros(64, device=device)
        self._settings()
        if self.cuda:
            torch.backends.cudnn.benchmark = True  # all steps are of one size
            torch.cuda.synchronize(device)  # what was made on another stream is there

    def _settings(self) -> None:
        """Optimizers that read their rate from the device, and count there."""
        for optimizer in self._bare():
            for group in optimizer.param_groups:
                group.update(lr=self.rate, capturable=self.cuda, fused=self.cuda, foreach=None)
            for values in optimizer.state.values():
                values["step"] = values["step"].to(self.rate.device)

    def _bare(self) -> list[torch.optim.Optimizer]:
        return [optimizer.optimizer for optimizer in self.optimizers.values()]

    def is_timeless(self) -> bool:
        """Whether no phase asks how far the run is; a forward pass of each, which moves nothing."""
        seed = torch.Generator(self.fabric.device).manual_seed(self.recipe.seed)
        training = self.bare.training
        self.bare.eval()
        try:
            with self._here(), torch.no_grad():
                batch = self.recipe.data.draw(self.recipe.batch, seed)
                for phase in self.phases:
                    self.bare(phase, batch, Timeless(0, 1, seed))
        except _Asked:
            return False
        finally:
            self.bare.train(training)
        return True

    # --- steps ---

    def step(self) -> dict[str, float]:
        return self.burst(self.done + 1)()

    def burst(self, until: int) -> Callable[[], dict[str, float]]:
        """Enqueue the steps up to number ``until``; what gives the sums of their terms over these
        steps waits for them.

        It raises ``TrainingError`` where a sum is not finite: weights were then moved by it.
        """
        first = self.done
        with self._here(wait=False):
            self.sums.zero_()
            for number in range(first, until):
                self._one(number)
            self.done = until

        def terms() -> dict[str, float]:
            with self._here(wait=False):
                values = dict(zip(self.names, self.sums.tolist()))
            if not all(map(math.isfinite, values.values())):
                listed = ", ".join(f"{name} {value:g}" for name, value in values.items())
                raise TrainingError(
                    f"A loss is not finite between steps {first} and {until} (sums: {listed}). The "
                    "last checkpoint is as it was; train again with a lower rate, with --fresh."
                )
            return values

        return terms

    def _one(self, number: int) -> None:
        recipe = self.recipe
        seed = (recipe.seed * 1_000_003 + number) * 64
        self.generator.manual_seed(seed)
        torch.manual_seed(seed)  # what a model draws by itself, as dropout does
        self.rate.fill_(recipe.rate * SCHEDULES[recipe.schedule](number, recipe.steps))
        if self.graph is not None:
            self.graph.replay()
        elif self.warm < WARM or not self.cuda or number == 0:
            self._take(first=number == 0)
            self.warm += 1
        else:
            graph = torch.cuda.CUDAGraph()
            graph.register_generator_state(self.generator)
            with torch.cuda.graph(graph, stream=self.stream):
                self._take(first=False)
            self.graph = graph
            graph.replay()  # a capture computes nothing

    def _take(self, first: bool) -> None:
        """One step: what a graph is captured of."""
        recipe, terms = self.recipe, {}
        step = Timeless(0, 1, self.generator)
        batches = [recipe.data.draw(recipe.batch, self.generator) for _ in self.shares]
        for (phase, parameters), optimizer in zip(self.phases.items(), self._bare()):
            self.bare.zero_grad(set_to_none=True)
            for batch in batches:
                found = self.bare(phase, batch, step)
                (sum(found.values()) / len(batches)).backward()
                for name, term in found.items():
                    terms[name] = terms.get(name, 0.0) + term.detach() / len(batches)
            if recipe.clip is not None:
                nn.utils.clip_grad_norm_(parameters, recipe.clip)
            optimizer.step()
        self.names = list(terms)
        self.sums[: len(terms)] += torch.stack([*terms.values()])
        self._average(first)

    @torch.no_grad()
    def _average(self, first: bool) -> None:
        """As ``AveragedModel.update_parameters``, which asks the host how often it was called."""
        averaged, model = self.average.module, self.bare.model
        pairs = [*zip(averaged.parameters(), model.parameters())]
        pairs += zip(averaged.buffers(), model.buffers())
        floats = [(a.detach(), b.detach()) for a, b in pairs if a.is_floating_point()]
        if first:
            torch._foreach_copy_(*map(list, zip(*floats)))
        else:
            torch._foreach_lerp_(*map(list, zip(*floats)), 1 - self.recipe.ema)
        for a, b in pairs:
            if not a.is_floating_point():
                a.copy_(b)
        self.average.n_averaged += 1

    @contextmanager
    def _here(self, wait: bool = True) -> Iterator[None]:
        """On this run's own stream and device; at the end all of it is done, with ``wait``."""
        device = self.fabric.device
        stream = torch.cuda.stream(self.stream) if self.cuda else nullcontext()
        if wait and self.cuda:
            self.stream.wait_stream(torch.cuda.current_stream(device))
        # random transforms and their like are made on the device, for nothing comes from the host
        with stream, torch.device(device):
            yield
        if wait and self.cuda:
            self.stream.synchronize()

    # --- what is kept ---

    def averaged(self) -> nn.Module:
        with self._here():
            return super().averaged()

    def finite(self) -> bool:
        with self._here():
            return super().finite()

    def state(self) -> dict:
        with self._here():
            state = super().state()
            for optimizer in state["optimizers"].values():
                plain = {"lr": float(self.rate), "capturable": False, "fused": None}
                optimizer["param_groups"] = [g | plain for g in optimizer["param_groups"]]
        return state

    def restore(self, state: dict) -> None:
        with self._here():
            super().restore(state)
            self._settings()
