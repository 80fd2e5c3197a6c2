"""X2Face on the sets on which three systems are compared."""

from dataclasses import replace

from aidagen.models import x2face
from aidagen.recipes.fomm import COMPARED

WEIGHTS = x2face.LossWeights(perceptual=1.0, pixels=20.0, warp=10.0, averaging=5.0)
RECIPES = {
    f"x2face-{data}-64": replace(recipe, config=x2face.x2face_small(), weights=WEIGHTS)
    for data, recipe in COMPARED.items()
}
