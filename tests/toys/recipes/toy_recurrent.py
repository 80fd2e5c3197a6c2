"""The toy listener on marbles with their sound."""

from aidagen.datasets.batches import Sequences
from aidagen.models import toy_recurrent
from aidagen.recipes import Recipe

RECIPES = {
    "toy-recurrent": Recipe(
        toy_recurrent.Config(), Sequences({"marbles": 1.0}, 8, labels=("height",), sound=True),
        steps=120, rate=5e-3, schedule="linear", betas=(0.9, 0.999),
    )
}  # fmt: skip
