"""What recipes promise: systems that are compared were trained alike, and the runs for a GPU start.

The latter are long; here each takes three steps, with two pairs of noise instead of data.
"""

from dataclasses import dataclass, replace

import pytest
import torch

from aidagen import recipes, training, zoo
from aidagen.datasets.batches import Pair
from aidagen.evaluation import animation

SYSTEMS = ("x2face", "monkeynet", "fomm")
RUNS = {name: r for name, r in recipes.all_recipes().items() if "9066x32" in name}
ALIKE = ("steps", "batch", "shares", "rate", "schedule", "betas", "decay", "clip", "ema", "seed")


@dataclass(frozen=True)
class Noise:
    """Pairs of noise of a size."""

    size: int

    def sets(self):
        return {}

    def draw(self, count, generator):
        shape = (2, count, 3, self.size, self.size)
        return Pair(*torch.rand(shape, generator=generator))


@pytest.mark.parametrize("data", ["faces-64", "bodies-64", "robot-64", "bodies-64-9066x32",
                                  "robot-64-9066x32", "bodies-128-9066x32"])  # fmt: skip
def test_compared_systems_are_trained_alike(data):
    """Same data, steps, batch and rate; where they go on from a checkpoint, those, too."""

    def settings(name):
        found = recipes.find(name)
        return {key: getattr(found, key) for key in ALIKE} | {"data": found.data}

    found = [settings(f"{system}-{data}") for system in SYSTEMS]
    assert found[0] == found[1] == found[2]
    starts = [recipes.find(f"{system}-{data}").start for system in SYSTEMS]
    assert len({start is None for start in starts}) == 1
    if starts[0] is not None:
        first = [settings(start) for start in starts]
        assert first[0] == first[1] == first[2]


def test_the_shipped_weights_of_a_table_saw_the_same():
    """What their cards say: steps, batch, data and its version, and those of where they began."""
    for data, checkpoints in animation.METHODS.items():
        seen = []
        for name in checkpoints.values():
            card, words = zoo.card(name), []
            while card:
                recipe = card["recipe"]
                words.append((card["steps"], recipe["batch"], recipe["data"], card["data"]))
                card = zoo.card(recipe["start"]) if recipe.get("start") else None
            seen.append(words)
        assert seen[0] == seen[1] == seen[2], (data, seen)


def test_the_long_runs_say_their_steps_and_batch():
    assert {(r.steps, r.batch) for r in RUNS.values()} == {(9066, 32)}
    assert {f"{system}-{data}-9066x32" for system in SYSTEMS
            for data in ("bodies-64", "robot-64", "bodies-128")} < set(RUNS)  # fmt: skip
    whole = RUNS["fomm-bodies-64-9066x32"]
    for part, changed in (("jacobian", {"jacobian": "none"}),
                          ("occlusion", {"occlusion": False, "blend": False})):  # fmt: skip
        without = RUNS[f"fomm-bodies-64-9066x32-no-{part}"]
        assert without == replace(whole, config=replace(whole.config, **changed)), part


@pytest.mark.parametrize("name", sorted(RUNS))
def test_the_long_runs_start(name):
    """Three steps: every term is a number, and every part of the model moves."""
    recipe = replace(RUNS[name], data=Noise(RUNS[name].config.size), batch=2, steps=3)
    assert recipe.config.size == (128 if "bodies-128" in name else 64)
    assert list(RUNS[name].data.shares) == ["bodies-128" if "bodies-128" in name
                                            else name.split("-")[1]]  # fmt: skip
    objective = recipe.system.objective(recipe.config, recipe.weights)
    before = [p.detach().clone() for p in objective.model.parameters()]
    history = training.fit(objective, recipe)
    assert len(history) == 3 and all(v == v for row in history for v in row.values())
    still = [torch.equal(a, b) for a, b in zip(before, objective.model.parameters())]
    assert sum(still) < 0.1 * len(still)
