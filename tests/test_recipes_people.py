"""Recipes of pose-guided people: runs that are compared are alike; three steps of each."""

from dataclasses import dataclass, fields, replace

import pytest
import torch
from people_in_poses import batch

from aidagen import recipes, training
from aidagen.datasets import pose_pairs
from aidagen.models import deformable_gan, pg2

RUNS = {name: r for name, r in recipes.all_recipes().items()
        if name.startswith(("deformable-gan", "pg2"))}  # fmt: skip
SMALL = [name for name in RUNS if "20000x16" not in name]


@dataclass(frozen=True)
class Noise:
    """Pairs of noise."""

    def sets(self):
        return {}

    def draw(self, count, generator):
        return batch(count, backdrop=True, seed=int(torch.randint(1000, (), generator=generator)))


def test_compared_runs_are_alike():
    """All but the model and its losses: data, steps, batch, rate, averaging."""
    assert len(SMALL) == 6 and "pg2-people-128" in SMALL
    for end in ("", "-20000x16"):
        first = RUNS["deformable-gan-people-128" + end]
        for name in SMALL:
            other = RUNS[name + end]
            for field in fields(recipes.Recipe):
                if field.name not in ("config", "weights"):
                    assert getattr(other, field.name) == getattr(first, field.name), field.name
    ablations = [RUNS[f"deformable-gan-people-128-{x}"] for x in ("l1", "full", "stn", "none")]
    assert [r.config.warp for r in ablations] == ["mask", "full", "stn", "none"]
    assert len({r.weights for r in ablations}) == 1 and ablations[0].weights.nearest == 0
    assert len({replace(r.config, warp="mask") for r in ablations}) == 1


@pytest.mark.parametrize("name", SMALL)
def test_three_steps_of_each(name):
    """Every term is a number, and every part of a narrower model moves."""
    recipe = RUNS[name]
    if recipe.system is pg2.SYSTEM:
        config = replace(recipe.config, channels=2, disc_channels=4)
    else:
        config = replace(recipe.config, channels=2, max_channels=4, disc_channels=2)
    recipe = replace(recipe, config=config, data=Noise(), batch=1, steps=3)
    objective = recipe.system.objective(config, recipe.weights)
    before = [p.detach().clone() for p in objective.model.parameters()]
    history = training.fit(objective, recipe)
    assert len(history) == 3 and all(v == v for row in history for v in row.values())
    still = [torch.equal(a, b) for a, b in zip(before, objective.model.parameters())]
    assert sum(still) < 0.1 * len(still)


def test_batches_of_noise_are_like_those_of_people():
    assert set(pose_pairs.PosePair._fields) == set(batch(1)._fields)


def test_large_runs_are_the_published_size():
    large = RUNS["deformable-gan-people-128-large-20000x16"]
    assert replace(large.config, background=False, composite=False) == deformable_gan.MARKET
    assert large.rate == 2e-4
