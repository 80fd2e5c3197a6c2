"""Monkey-Net on the sets on which three systems are compared, and without two of its parts."""

from dataclasses import replace

from aidagen.models import monkeynet
from aidagen.recipes.fomm import COMPARED

WEIGHTS = monkeynet.LossWeights(
    perceptual=1.0, pixels=20.0, warp=10.0, separation=3.0, adversarial=0.0, feature_matching=()
)
RECIPES = {
    f"monkeynet-{data}-64": replace(recipe, config=monkeynet.monkeynet_small(), weights=WEIGHTS)
    for data, recipe in COMPARED.items()
}
BODIES = RECIPES["monkeynet-bodies-64"]
RECIPES |= {
    "monkeynet-bodies-64-no-flow": replace(BODIES, config=replace(BODIES.config, motion=False)),
    "monkeynet-bodies-64-no-deformed-skips": replace(
        BODIES, config=replace(BODIES.config, deformed_skips=False)
    ),
}
# with a term for the keypoints' part of the flow alone: without it the residual may do all the work
RECIPES |= {
    f"monkeynet-{data}-64-keypoint-warp": replace(
        RECIPES[f"monkeynet-{data}-64"],
        weights=WEIGHTS._replace(keypoint_warp=10.0),
        steps=7248,
        batch=32,
    )
    for data in ("robot", "bodies")
}
