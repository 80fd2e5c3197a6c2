"""The training loop: it knows recipes and objectives, and no model.

    history = training.fit(objective, recipe)     # in memory: for a lecture's cell
    runs.run("fomm-faces-64", minutes=90)         # the same steps, kept on the disk

One step: a batch is drawn, and each phase of the objective (a generator, then its discriminator)
makes a forward pass and moves its own parameters. Every random choice of a step is drawn from
(seed, step, share of the batch) alone, so a run that was stopped and resumed takes the same steps
as one that was not, and two processes with a share each take those of one process with both. The
weights that ship are the exponential moving average of the trained ones.

Lightning Fabric decides device, precision and number of processes.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from aidagen.errors import AidagenError
from aidagen.recipes import Recipe
from aidagen.systems import CheckpointMismatch, Objective, Step, compare

NORM_BATCHES = 50  # that batch-norm statistics of averaged weights are measured on


class TrainingError(AidagenError):
    """A run that cannot start or go on, or a checkpoint that is not of this run."""


# The rate over a run, as a factor: each reads the step's number and the run's length.
SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "constant": lambda number, of: 1.0,
    # down to nothing along a line
    "linear": lambda number, of: 1 - number / max(of, 1),
    # warm up over 100 steps, then down to a tenth along half a cosine
    "cosine": lambda number, of: min(1.0, (number + 1) / 100)
    * (0.1 + 0.45 * (1 + math.cos(math.pi * number / max(of, 1)))),
    # up over the first 15 %, then down to nothing, along half cosines (Smith and Topin 2017)
    "one-cycle": lambda number, of: _one_cycle((number + 1) / max(of, 1), 0.15),
}


def _one_cycle(progress: float, top: float) -> float:
    if progress < top:
        return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * progress / top))
    return 0.5 * (1 + math.cos(math.pi * (progress - top) / (1 - top)))


class Training:
    """A recipe being followed: ``step()`` takes the next step, ``averaged()`` is what would ship.

    ``objective`` is trained in place, on the device that its model is on unless ``fabric`` says
    otherwise. Raises ``TrainingError`` where the objective's phases leave a parameter out or hold
    one twice, or where batch norm could not be measured.
    """

    def __init__(self, objective: Objective, recipe: Recipe, fabric: Fabric | None = None):
        if recipe.schedule not in SCHEDULES:
            raise TrainingError(
                f"There is no schedule {recipe.schedule!r}; there are {', '.join(SCHEDULES)}."
            )
        self.recipe, self.bare = recipe, objective
        self.fabric = fabric or _one_device(objective)
        phases = objective.phases()
        _check(objective, phases)
        self.phases = phases
        optimizers = [_optimizer(parameters, recipe) for parameters in phases.values()]
        self.average = AveragedModel(
            objective.model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True
        )
        self.objective, *optimizers = self.fabric.setup(objective, *optimizers)
        self.average = self.average.to(self.fabric.device)
        self.optimizers = dict(zip(phases, optimizers, strict=True))
        self.done = 0  # steps
        world = self.fabric.world_size
        shares = max(recipe.shares, world)
        if shares % world:
            raise TrainingError(
                f"A batch of {shares} shares cannot be divided among {world} processes evenly; "
                f"choose --devices among the divisors of {shares}."
            )
        own = shares // world
        self.shares = range(self.fabric.global_rank * own, (self.fabric.global_rank + 1) * own)

    def step(self) -> dict[str, float]:
        """Take the next step; the terms of every phase, averaged over all shares.

        Raises ``TrainingError`` where a loss is not finite, before any weight is moved by it.
        """
        recipe, number = self.recipe, self.done
        factor = SCHEDULES[recipe.schedule](number, recipe.steps)
        # every choice depends on (seed, step, share) alone
        seeds = [(recipe.seed * 1_000_003 + number) * 64 + share for share in self.shares]
        batches, steps = [], []
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            with _one_thread():
                batch = recipe.data.draw(recipe.batch, generator)
            batches.append(_moved(batch, self.fabric.device))
            steps.append(Step(number, recipe.steps, generator))
        terms: dict[str, float] = {}
        for phase, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate * factor
            self.objective.zero_grad(set_to_none=True)
            sums = self._backward(phase, batches, steps, seeds)
            if recipe.clip is not None:
                nn.utils.clip_grad_norm_(self.phases[phase], recipe.clip)
            optimizer.step()
            terms |= self._means(sums)
        self.average.update_parameters(self.bare.model)
        self.done = number + 1
        return terms

    def _backward(
        self, phase: str, batches: list, steps: list[Step], seeds: list[int]
    ) -> dict[str, Tensor]:
        """Gradients of one phase; the sums of its terms over the shares."""
        sums: dict[str, Tensor] = {}
        for batch, step, seed in zip(batches, steps, seeds, strict=True):
            # between processes gradients are averaged once, with those of the last share
            with self.fabric.no_backward_sync(self.objective, enabled=seed != seeds[-1]):
                with self._drawing(seed):
                    terms = self.objective(phase, batch, step)
                total = sum(terms.values())
                if not self._all_finite(total):
                    values = ", ".join(f"{name} {term.item():g}" for name, term in terms.items())
                    raise TrainingError(
                        f"The loss is not finite at step {step.number} ({values}). No weight was "
                        "moved by it and the last checkpoint is as it was; train again with a "
                        "lower rate, with --fresh."
                    )
                self.fabric.backward(total / len(batches))
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + term.detach()
        return sums

    def _means(self, sums: dict[str, Tensor]) -> dict[str, float]:
        """Sums over this process's shares as means over those of all processes."""
        values = torch.stack(list(sums.values()))
        if self.fabric.world_size > 1:
            values = self.fabric.all_reduce(values, reduce_op="mean")
        return {name: value / len(self.shares) for name, value in zip(sums, values.tolist())}

    @contextmanager
    def _drawing(self, seed: int) -> Iterator[None]:
        """What a model draws by itself, as dropout does, depends on the seed of the share, too."""
        device = self.fabric.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield

    def _all_finite(self, total: Tensor) -> bool:
        """Whether the loss is a number, in all processes: they stop together or not at all."""
        finite = torch.isfinite(total.detach()).float()
        if self.fabric.world_size > 1:
            finite = self.fabric.all_reduce(finite, reduce_op="mean")
        return bool(finite == 1)

    @torch.no_grad()
    def averaged(self) -> nn.Module:
        """The averaged model in eval mode, its batch-norm statistics measured afresh.

        The average of the statistics met on the way fits neither the averaged weights nor the
        last ones. They are measured on training batches, without one the model is as it is.
        """
        model, generator = self.average.module, torch.Generator().manual_seed(self.recipe.seed)
        batches = (
            [_moved(self.recipe.data.draw(self.recipe.batch, generator), self.fabric.device)]
            for _ in range(min(NORM_BATCHES, self.done))
        )
        if self.done:
            update_bn(batches, _Run(self.bare, model))
        return model.eval()

    # --- what a checkpoint holds ---

    def state(self) -> dict:
        """All that ``restore`` needs to go on exactly."""
        frozen = _frozen(self.bare)
        objective = {
            key: value for key, value in self.bare.state_dict().items()
            if key.split(".")[0] not in frozen
        }  # fmt: skip
        optimizers = {phase: optimizer.state_dict() for phase, optimizer in self.optimizers.items()}
        average = self.average.state_dict()
        return {
            "step": self.done, "objective": objective, "average": average, "optimizers": optimizers
        }  # fmt: skip

    def restore(self, state: dict) -> None:
        """Go on where ``state`` was taken.

        Raises ``CheckpointMismatch`` where it is not of this objective; nothing is changed then,
        but for the optimizers.
        """
        frozen = _frozen(self.bare)
        own = self.bare.state_dict()
        wanted = {key: value for key, value in own.items() if key.split(".")[0] not in frozen}
        what = "what it holds of the {}".format
        compare(what("model and its losses"), wanted, state["objective"])
        compare(what("averaged weights"), self.average.state_dict(), state["average"])
        for phase, optimizer in self.optimizers.items():
            held = what(f"optimizer of phase {phase}")
            try:
                optimizer.load_state_dict(state["optimizers"][phase])
                moments = [
                    (key, value.shape, parameter.shape)
                    for parameter, values in optimizer.optimizer.state.items()
                    for key, value in values.items()
                    if value.ndim
                ]
            except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
                raise CheckpointMismatch(held, missing=[str(error)]) from error
            if wrong := [key for key, shape, wanted in moments if shape != wanted]:
                raise CheckpointMismatch(held, misshaped=wrong)
        self.bare.load_state_dict({**own, **state["objective"]})
        self.average.load_state_dict(state["average"])
        self.done = state["step"]

    def finite(self) -> bool:
        """Whether every weight and every average is a number."""
        tensors = [*self.bare.model.parameters(), *self.average.parameters()]
        tensors += [p for parameters in self.phases.values() for p in parameters]
        return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


class _Run(nn.Module):
    """A model that is run as its objective runs it, as `update_bn` wants it."""

    def __init__(self, objective: Objective, model: nn.Module):
        super().__init__()
        self.model, self.how = model, objective.run

    def forward(self, batch: tuple) -> object:
        return self.how(self.model, batch)


def fit(
    objective: Objective,
    recipe: Recipe,
    report: Callable[[dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Follow a recipe in memory, on the device where the model is; the terms of every step.

    ``objective`` is trained in place and left in eval mode. Nothing is written, and the recipe's
    average is not used: for a lecture's cells, and for whatever takes seconds.
    """
    training = Training(objective.train(), recipe)
    history = []
    with torch.enable_grad():
        while training.done < recipe.steps:
            history.append(training.step())
            if report is not None:
                report(history[-1])
    objective.eval()
    return history


def _one_device(objective: Objective) -> Fabric:
    """The device that the model is on, and no other process."""
    device = next(objective.model.parameters()).device
    return Fabric(accelerator=device.type, devices=[device.index or 0] if device.index else 1)


def _check(objective: Objective, phases: dict[str, list[nn.Parameter]]) -> None:
    """Faults of an objective that would show after the last step only."""
    norms = [m for m in objective.model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if norms and type(objective).run is Objective.run:
        raise TrainingError(
            f"{type(objective.model).__name__} has batch norm, so {type(objective).__name__} needs "
            "run(model, batch), which returns what the model makes of a batch (see Objective.run)."
        )
    names = {id(p): name for name, p in objective.named_parameters() if p.requires_grad}
    phased = [id(p) for parameters in phases.values() for p in parameters]
    left_out = [name for key, name in names.items() if key not in phased]
    twice = [name for key, name in names.items() if phased.count(key) > 1]
    for what, listed in (("no phase trains", left_out), ("more than one phase trains", twice)):
        if listed:
            more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
            raise TrainingError(
                f"{type(objective).__name__}: {what} {', '.join(listed[:3])}{more}; every "
                "trainable parameter belongs to one phase (see Objective.phases)."
            )


def _optimizer(parameters: list[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.decay:
        return torch.optim.AdamW(
            parameters, recipe.rate, betas=recipe.betas, weight_decay=recipe.decay
        )
    return torch.optim.Adam(parameters, recipe.rate, betas=recipe.betas)


def _frozen(objective: Objective) -> set[str]:
    """Children that have parameters and train none of them: pretrained networks."""
    return {
        name
        for name, child in objective.named_children()
        if (own := list(child.parameters())) and not any(p.requires_grad for p in own)
    }


def _moved(value, device: torch.device):
    """A batch on a device: tensors in NamedTuples and dicts, the rest as it is."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: _moved(each, device) for key, each in value.items()}
    if isinstance(value, tuple):
        return type(value)(*(_moved(each, device) for each in value))
    return value


@contextmanager
def _one_thread() -> Iterator[None]:
    """Drawing works on tiny arrays: on a machine with many cores its threads fight over them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
