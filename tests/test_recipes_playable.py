"""Every recipe of playable video: a step of each of its stages, with noise instead of clips."""

from dataclasses import replace

import pytest
import torch

from aidagen import recipes
from aidagen.datasets.batches import Stretch
from aidagen.recipes.playable import RECIPES
from aidagen.systems import Step


def noise(config, count, length):
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(count, length, 3, config.height, config.width, generator=generator)
    taken = torch.randint(config.actions, (count, length), generator=generator)
    return Stretch(frames, None, {"actions": taken})


@pytest.mark.parametrize("name", RECIPES)
def test_every_stage_of_a_run_can_be_taken(name):
    recipe = recipes.find(name)
    stages = recipe.weights.stages
    weights = recipe.weights._replace(perceptual=0.0)  # MobileNetV2 has tests of its own
    torch.manual_seed(0)
    objective = recipe.system.objective(recipe.config, weights).train()
    batch = noise(recipe.config, 4, 3)  # as long as the first clips of a run
    optimizer = torch.optim.Adam(objective.model.parameters(), recipe.rate)
    for number in sorted({0, stages.held, stages.free, recipe.steps - 1}):
        for again in range(2):  # the free stage needs some directions to find actions in
            step = Step(number, recipe.steps, torch.Generator().manual_seed(again))
            terms = objective("model", batch, step)
            loss = sum(value for key, value in terms.items() if key != "usage")
            assert torch.isfinite(loss), (number, terms)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert ("commitment" in terms) == (weights.told == "code")
    assert torch.isfinite(objective.model.centroids).all()


def test_what_is_compared_is_trained_alike():
    """A code book and true actions differ from the first stage in what dynamics are told."""
    first = RECIPES["playable-breakout-64"]
    for end in ("vq", "true"):
        other = RECIPES[f"playable-breakout-64-{end}"]
        assert replace(other, weights=first.weights, data=first.data) == first
        weights = ("pixels", "power", "perceptual", "states", "motion")
        assert all(getattr(other.weights, x) == getattr(first.weights, x) for x in weights)
        stages = ("temperature", "length", "real")
        assert all(
            getattr(other.weights.stages, x) == getattr(first.weights.stages, x) for x in stages
        )
