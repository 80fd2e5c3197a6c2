"""Playable video on two games and a robot arm: actions that nobody labelled.

Every run begins with a free stage (`models.playable.schedules.Stages`), in which the dynamics are
told the whole direction; the actions are found among the directions where it ends.
"""


from dataclasses import replace

from aidagen.datasets.batches import Sequences
from aidagen.models.playable import LossWeights, Ramp, Stages, playable_small
from aidagen.recipes import Recipe

_STAGES = Stages(
    temperature=0.4, length=Ramp(3, 6, 600, 1000), real=Ramp(3, 2, 300, 1000), pretraining=0,
    free=1000, held=400, rest=Ramp(1.0, 0.0, 500, 1000),
)  # fmt: skip
_GAME = Recipe(
    config=playable_small(3, 1), data=Sequences({"breakout": 1.0}, length=6), steps=2000,
    weights=LossWeights(pixels=8.0, power=2, perceptual=0.0, motion=0.1, stages=_STAGES),
    batch=12, rate=2e-3, betas=(0.9, 0.999), clip=0.3,
)  # fmt: skip

RECIPES = {
    "playable-breakout-64": _GAME,
    "playable-tennis-64": replace(
        _GAME, config=replace(playable_small(9, 2), width=96),
        data=Sequences({"tennis": 1.0}, length=6), batch=8,
    ),
    # every other frame: the gripper moves by three pixels
    "playable-robot-64": replace(
        _GAME, config=playable_small(9, 2), data=Sequences({"robot": 1.0}, length=6, stride=2),
    ),
}  # fmt: skip
