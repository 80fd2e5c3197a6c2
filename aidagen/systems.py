"""What a system of the course is to the rest of the house: a model, and how it is trained.

A file in ``aidagen/models`` is a system if it ends with

    SYSTEM = System(config=FOMMConfig, model=FOMM, objective=objective)

and nothing else has to be told: the zoo loads its checkpoints, and a recipe can train it. The
training loop sees an `Objective` alone, and draws from anything that is `Batches`.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from aidagen.errors import AidagenError


class CheckpointMismatch(AidagenError):
    """A checkpoint that is not of this architecture; names missing, extra and mis-shaped keys."""

    def __init__(self, what: str, missing=(), extra=(), misshaped=()):
        self.missing, self.extra, self.misshaped = list(missing), list(extra), list(misshaped)
        parts = [
            f"{label} {', '.join(keys[:5])}{f' and {len(keys) - 5} more' if len(keys) > 5 else ''}"
            for label, keys in (
                ("missing", self.missing),
                ("not expected", self.extra),
                ("of another shape", self.misshaped),
            )
            if keys
        ]
        super().__init__(f"{what} does not fit this architecture: {'; '.join(parts)}.")


def compare(what: str, wanted: dict[str, Tensor], state: object, optional=()) -> None:
    """Hold the state dictionary of ``what`` against a model's; what is ``wanted`` but ends in one
    of ``optional`` may lack. Raises ``CheckpointMismatch``."""
    if not isinstance(state, dict):
        raise CheckpointMismatch(what, missing=list(wanted))
    misshaped = []
    for key in wanted.keys() & state.keys():
        shape = state[key].shape if isinstance(state[key], Tensor) else type(state[key]).__name__
        if shape != wanted[key].shape:
            given = shape if isinstance(shape, str) else tuple(shape)
            misshaped.append(f"{key} {given} instead of {tuple(wanted[key].shape)}")
    missing = [k for k in wanted if k not in state and not k.endswith(tuple(optional))]
    extra = [str(k) for k in state if k not in wanted]
    if missing or extra or misshaped:
        raise CheckpointMismatch(what, missing, extra, sorted(misshaped))


class Step(NamedTuple):
    """Where a run is: schedules read it, and all randomness of the step comes from it."""

    number: int  # from 0
    of: int  # steps of the whole run
    generator: torch.Generator  # on the CPU; seeded by (seed, step, share of the batch)

    @property
    def progress(self) -> float:
        """The share of the run that lies behind, from 0 to 1."""
        return self.number / max(self.of, 1)


@runtime_checkable
class Batches(Protocol):
    """Where a recipe's training data come from (`aidagen.datasets.batches` has the usual ones)."""

    def draw(self, count: int, generator: torch.Generator) -> tuple:
        """``count`` examples as a NamedTuple of tensors (or None), decided by ``generator``."""

    def sets(self) -> dict:
        """The data sets that are drawn from, by name, as `aidagen.datasets.load` opens them."""


class Objective(nn.Module):
    """A model with all that its training needs: losses, a discriminator, pretrained networks.

    Subclasses set ``self.model``, which is what is averaged, saved and shipped, and define
    ``forward``. A child without trainable parameters (a pretrained network) is not saved with a
    checkpoint; everything else is.
    """

    model: nn.Module

    def phases(self) -> dict[str, list[nn.Parameter]]:
        """The phases of one step, in order, with the parameters that each of them trains.

        Every phase has an optimizer of its own. Together they hold each trainable parameter once.
        """
        return {"model": [p for p in self.parameters() if p.requires_grad]}

    def forward(self, phase: str, batch: tuple, step: Step) -> dict[str, Tensor]:
        """The weighted terms of ``phase``; their sum is what its parameters descend.

        Every phase has a forward pass of its own, so a discriminator sees what the generator
        makes after its step.
        """
        raise NotImplementedError

    def run(self, model: nn.Module, batch: tuple) -> object:
        """What ``model``, which is ``self.model`` or its average, makes of a batch.

        The loop calls it to measure batch-norm statistics of averaged weights; models without
        batch norm do not need it.
        """
        raise NotImplementedError


class System(NamedTuple):
    """One of the course's systems; the last line of its file in ``aidagen/models``."""

    config: type  # the frozen dataclass of its settings
    model: Callable[..., nn.Module]  # (config) -> the untrained model
    objective: Callable[..., Objective]  # (config, weights of the losses) -> what is trained
    published: Callable | None = None  # (name of a config, align_corners) -> settings
    parts: tuple[str, ...] = ()  # of the original container, those a model cannot do without
    state: Callable | None = None  # (parts, model) -> state dict in our keys
