"""X2Face on the sets on which three systems are compared."""

from dataclasses import replace

from aidagen.models import x2face
from aidagen.recipes.fomm import COMPARED, further_on_bodies, on_a_gpu

WEIGHTS = x2face.LossWeights(perceptual=1.0, pixels=20.0, warp=10.0, averaging=5.0)
SMALL = x2face.x2face_small()
RECIPES = {
    f"x2face-{data}-64": replace(recipe, config=SMALL, weights=WEIGHTS)
    for data, recipe in COMPARED.items()
}
RECIPES["x2face-bodies-64-framing-1"] = RECIPES["x2face-bodies-64"]
RECIPES["x2face-bodies-64"] = further_on_bodies(
    RECIPES["x2face-bodies-64"], "x2face-bodies-64-framing-1"
)
RECIPES |= on_a_gpu("x2face", SMALL, replace(SMALL, size=128), WEIGHTS)
