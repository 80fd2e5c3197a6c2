"""The toy denoiser on marbles."""

from aidagen.datasets.batches import Pictures
from aidagen.models import toy_diffusion
from aidagen.recipes import Recipe

RECIPES = {
    "toy-diffusion": Recipe(
        toy_diffusion.Config(), Pictures({"marbles": 1.0}), steps=120, rate=4e-3, betas=(0.9, 0.99)
    )
}
