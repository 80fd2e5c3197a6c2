"""Lecture 02's people, chosen by rules that were fixed before anybody looked.

The showcase is the person of median difficulty among the test people, none of whom any model has
seen: for each person and label, how far the nearest generated sequence is from each true one
(`landmark_error_best` of the table `smiles`), as a mean over both labels (of an even number, the
lower of the two in the middle). Glasses are compared on the first person of the list who wears
clear ones and on the first who wears none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import datasets, zoo
from aidagen.datasets.smiles import LABELS
from aidagen.evaluation.expressions import hits
from aidagen.evaluation.smiles import Person, bent
from aidagen.evaluation.smiles import people as of_split

NAME = "smile-64"
OTHERS = {
    "pull all": "smile-64-pull-all",
    "best-of-K": "smile-64-best-of-k",
    "too large a margin": "smile-64-wide-margin",
    "no skips": "smile-64-no-skips",
    "without landmarks": "recurrent_smile-64",
}
CLEAR = ("square", "round")  # glasses that one can see through


class Someone(NamedTuple):
    """A person under each label."""

    identity: int
    posed: Person
    spontaneous: Person

    @property
    def glasses(self) -> str:
        return self.posed.clips[0].entry["glasses"]

    def under(self, label: int) -> Person:
        """The person under label 0 or 1."""
        return (self.posed, self.spontaneous)[label]


@cache
def people() -> list[Someone]:
    """The test people; read once."""
    found: dict[int, dict[int, Person]] = {}
    for person in of_split(datasets.load("smiles"), "test"):
        found.setdefault(person.identity, {})[person.label] = person
    return [
        Someone(identity, *(own[label] for label in range(len(LABELS))))
        for identity, own in sorted(found.items())
    ]


def model(device: str = "cpu") -> nn.Module:
    """The lecture's model, without gradients."""
    return zoo.load(NAME, device).requires_grad_(False)


def other(words: str, device: str = "cpu") -> nn.Module:
    """The model of `OTHERS` with this name, without gradients."""
    return zoo.load(OTHERS[words], device).requires_grad_(False)


@torch.no_grad()
def difficulty(model: nn.Module, someone: Someone) -> float:
    """How far the nearest generated sequences are from the true ones, over both labels."""
    errors = [hits(bent(model, p), p.true).best for p in (someone.posed, someone.spontaneous)]
    return sum(errors) / len(errors)


def chosen(model: nn.Module) -> Someone:
    """The person of median difficulty."""
    errors = [difficulty(model, someone) for someone in people()]
    return people()[int(np.argsort(errors, kind="stable")[(len(errors) - 1) // 2])]


def true_smiles(group: Sequence[Someone]) -> Float[Tensor, "N labels M T 68 2"]:
    """The landmarks of everybody's true clips, by label and mode."""

    def of(person: Person) -> Tensor:
        return torch.stack([torch.as_tensor(c.labels()["landmarks"]).float() for c in person.clips])

    return torch.stack([torch.stack([of(one.posed), of(one.spontaneous)]) for one in group])


def with_and_without() -> tuple[Someone, Someone]:
    """The first person without glasses, and the first with clear ones."""
    without = next(someone for someone in people() if someone.glasses == "none")
    return without, next(someone for someone in people() if someone.glasses in CLEAR)
