"""The toy GAN on marbles."""

from aidagen.datasets.batches import Pictures
from aidagen.models import toy_gan
from aidagen.recipes import Recipe

RECIPES = {
    "toy-gan": Recipe(toy_gan.Config(), Pictures({"marbles": 1.0}), steps=60, rate=2e-3, clip=5.0)
}
