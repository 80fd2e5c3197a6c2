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
_FINE = LossWeights(
    pixels=8.0, power=1, perceptual=0.0, motion=0.1,
    stages=Stages(temperature=0.4, length=Ramp(3, 6, 200), real=1, pretraining=0, silent=0.5),
)
_LONG = _GAME.weights._replace(
    power=Ramp(2, 1, 4000, 8000), perceptual=Ramp(0.0, 0.5, 4000, 8000),
    stages=Stages(
        temperature=0.4, length=Ramp(3, 9, 6000, 3000), real=Ramp(3, 1, 3000, 3000), pretraining=0,
        free=3000, held=400, rest=Ramp(1.0, 0.0, 2000, 3000),
    ),
)

RECIPES = {
    "playable-breakout-64": _GAME,
    "playable-breakout-64-fine": replace(
        _GAME, data=Sequences({"breakout": 1.0}, length=6), weights=_FINE, steps=600, batch=8,
        rate=1e-3, start="playable-breakout-64",
    ),
    "playable-tennis-64": replace(
        _GAME, config=replace(playable_small(9, 2), width=96),
        data=Sequences({"tennis": 1.0}, length=6), batch=8,
    ),
    # the same, with a code book from where directions are no longer held on
    "playable-breakout-64-vq": replace(
        _GAME, weights=_GAME.weights._replace(
            told="code", commitment=0.25, information=0.0, stages=_STAGES._replace(free=400),
        ),
    ),
    # the same, told what was pressed: what an action network can hope for
    "playable-breakout-64-true": replace(
        _GAME, data=Sequences({"breakout": 1.0}, length=6, labels=("actions",)),
        weights=_GAME.weights._replace(
            told="label", directions=0.0, information=0.0, stages=_STAGES._replace(free=0, held=0),
        ),
    ),
    "playable-tennis-64-fine": replace(
        _GAME, config=replace(playable_small(9, 2), width=96),
        data=Sequences({"tennis": 1.0}, length=6), weights=_FINE, steps=1000, batch=6,
        rate=1e-3, start="playable-tennis-64",
    ),
    # every third frame: the gripper moves by four pixels, as measured
    "playable-robot-64": replace(
        _GAME, config=playable_small(9, 2), data=Sequences({"robot": 1.0}, length=6, stride=3),
    ),
    # for a GPU: twice the size
    "playable-breakout-128-20000x32": replace(
        _GAME, config=replace(_GAME.config, height=128, width=128, channels=16, hidden=64),
        data=Sequences({"breakout-128": 1.0}, length=9), weights=_LONG, steps=20_000, batch=32,
    ),
}  # fmt: skip
