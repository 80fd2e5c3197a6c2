"""Monkey-Net on the sets on which three systems are compared, and without two of its parts.

Its flow is that of the keypoints and a residual that knows no keypoints. Without a term for the
keypoints' part alone (`LossWeights.keypoint_warp`) the residual does all the work on the robot
(table `monkeynet-keypoints`). With it the robot needs far more samples than the recipes that are
compared take: after 1,150 of its 2,400 steps with 8 pairs that part still left a copy's error.
"""

from dataclasses import replace

from aidagen.models import monkeynet
from aidagen.recipes.fomm import COMPARED, further_on_bodies, on_a_gpu

WEIGHTS = monkeynet.LossWeights(
    perceptual=1.0, pixels=20.0, warp=10.0, separation=3.0, adversarial=0.0, feature_matching=()
)
WORKING = WEIGHTS._replace(keypoint_warp=10.0)
SMALL = monkeynet.monkeynet_small()
LARGER = replace(  # looks at 128 px as at 64, one level deeper
    SMALL, size=128, kp_scale=0.25, motion_scale=0.25, embedding_scale=0.25, blocks=4
)
_PLAIN = {data: replace(recipe, config=SMALL, weights=WEIGHTS) for data, recipe in COMPARED.items()}
BODIES = _PLAIN["bodies"]

RECIPES = {
    "monkeynet-faces-64": _PLAIN["faces"],
    "monkeynet-robot-64": _PLAIN["robot"],
    "monkeynet-robot-64-keypoint-warp": replace(
        _PLAIN["robot"], weights=WORKING, steps=7248, batch=32
    ),
    "monkeynet-bodies-64": further_on_bodies(
        replace(BODIES, weights=WORKING), "monkeynet-bodies-64-no-keypoint-warp"
    ),
    "monkeynet-bodies-64-no-keypoint-warp": BODIES,
    "monkeynet-bodies-64-no-flow": replace(BODIES, config=replace(SMALL, motion=False)),
    "monkeynet-bodies-64-no-deformed-skips": replace(
        BODIES, config=replace(SMALL, deformed_skips=False)
    ),
    **on_a_gpu("monkeynet", SMALL, LARGER, WORKING),
}
