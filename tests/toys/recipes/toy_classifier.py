"""The toy classifier on marbles."""

from aidagen.datasets.batches import Pictures
from aidagen.models import toy_classifier
from aidagen.recipes import Recipe

RECIPES = {
    "toy-classifier": Recipe(
        toy_classifier.Config(), Pictures({"marbles": 1.0}, labels=("kind",)),
        steps=60, rate=3e-3, schedule="one-cycle", betas=(0.9, 0.999), decay=1e-2, ema=0.9,
    )
}  # fmt: skip
