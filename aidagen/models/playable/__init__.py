"""Playable video generation: from clips that nobody labelled to a world with buttons.

Menapace, Lathuilière, Tulyakov, Siarohin, Ricci, "Playable Video Generation", CVPR 2021
(arXiv:2101.12195); the model is called CADDY there.

Between any two frames of a clip something was done. An *action network* names it: one of K actions,
and a small continuous rest, its *variability*. A *dynamics network* is told both, with the state of
the frame, and must say how the next frame looks; a *rendering network* paints it. What helps to
reconstruct the clip becomes an action. Whoever is given the model afterwards presses the buttons.

    config.py            sizes, published and small
    representation.py    E: frame -> state and attention
    actions.py           A: states -> directions, actions, variability; Gumbel sampling; centroids
    dynamics.py          R: state, action, memory -> hidden state of the next frame
    rendering.py         D: hidden state -> frame at three resolutions
    model.py             the four together: roll-outs, pretraining, play
    losses.py            every term of the objective
    schedules.py         what changes with the number of steps
    training.py          the objective; what notices that actions are lost

How this differs from the authors' code: pictures are in [0, 1] outside of the networks; the
recurrent memory is a value that is handed on, so two worlds can be played at once; noise comes from
a generator, and without one the mean direction is taken, also when the authors would still sample;
the noise vector that their dynamics are given and never use is left out; centroids are moved by the
objective, not by every forward pass; the perceptual loss is by MobileNetV2. Ours are what lets a
small model find actions in minutes: ``normalise``, ``places`` and ``scale`` 4 of the config,
squared differences of pixels, and the stages of `schedules.Stages`; and the alarm of
`training.Usage`. The published configs use none of these; their sizes, keys and numbers are as
published. The numbers of equations are this course's own.

Letters: B clips of T frames, N = B T, and t = T - 1 steps from a frame to the next one; K actions,
D dimensions of the action space; C channels of a state, H of a hidden state (of frames: the
height), S = 3 x stack of an observation.
"""

from aidagen.models.playable.actions import Found, Gaussian, clustered, gumbel_softmax
from aidagen.models.playable.config import (
    PUBLISHED,
    ModelError,
    PlayableConfig,
    playable_published,
    playable_small,
)
from aidagen.models.playable.model import Playable, Pretraining, Rollout, World
from aidagen.models.playable.representation import Encoded
from aidagen.models.playable.schedules import Ramp, Stages
from aidagen.models.playable.training import (
    LossWeights,
    Objective,
    Usage,
    published_state,
    untrained,
)
from aidagen.systems import System

__all__ = [
    "PUBLISHED", "Encoded", "Found", "Gaussian", "LossWeights", "ModelError", "Objective",
    "Playable", "PlayableConfig", "Pretraining", "Ramp", "Rollout", "Stages", "Usage", "World",
    "clustered", "gumbel_softmax", "playable_published", "playable_small",
]  # fmt: skip

SYSTEM = System(
    PlayableConfig, Playable, untrained, playable_published, ("model",), published_state
)
