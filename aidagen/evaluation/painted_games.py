"""What a model paints when it is played along a clip: from the clip's first frame, with an action
for each step and without variability, as somebody would press the buttons.

* ADD, the average detection distance: how far the object is painted from where it should be.
* MDR, the missed detection rate: how often it should be seen and is not found.
* Controllability, after Genie (Bruce et al. 2024, ``Delta_t PSNR``): how much nearer frame t comes
  to the true one with the actions of the clip than with random ones; theirs is at t = 4, as ours.
* Drift: how far, after many steps of painting from what was painted, the pictures have gone from
  the true ones, compared to a still.

ADD and MDR are those of CADDY (Menapace et al. 2021), with `game_objects` for their detectors.
Functions of arrays, but for `paint` and `play`.

Letters: B clips of T frames, t = T - 1 steps.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from aidagen import metrics
from aidagen.models.playable.actions import one_hot
from aidagen.models.playable.model import later

AHEAD = 4  # steps, as Genie
CHANGED = 0.1  # in 0..1: by how much a pixel differs that has changed
BATCH = 24  # clips that are played at once


@torch.no_grad()
def paint(
    model: nn.Module,
    first: Float[Tensor, "B 3 H W"],
    told: Float[Tensor, "B t K"],
    variation: Float[Tensor, "B t D"] | None = None,
) -> Float[Tensor, "B t 3 H W"]:
    """Frames 1 ... t, painted one after the other from a real frame and what the dynamics are told;
    without ``variation`` it is 0."""
    if variation is None:
        variation = first.new_zeros(*told.shape[:2], model.config.dimensions)
    seen, memory = model.observe(first[:, None])[:, 0], model.dynamics_network.begin(len(first))
    painted = []
    for action, rest in zip(told.unbind(1), variation.unbind(1)):
        state = model.representation_network(seen).state
        hidden, memory = model.dynamics_network(state, action, rest, memory)
        painted.append(model.rendering_network(hidden)[0])
        seen = later(seen, painted[-1])
    return torch.stack(painted, 1).clamp(0, 1)


def play(
    model: nn.Module, first: Float[Tensor, "B 3 H W"], actions: Int[np.ndarray, "B t"]
) -> Float[Tensor, "B t 3 H W"]:
    """The same, from the numbers of actions, some clips at a time."""
    told = one_hot(torch.from_numpy(actions), model.config.actions)  # (B, t, K)
    return torch.cat([paint(model, *some) for some in zip(first.split(BATCH), told.split(BATCH))])


# --- where the object is -------------------------------------------------------------------------


def distances(
    found: Float[np.ndarray, "*N 2"], true: Float[np.ndarray, "*N 2"]
) -> Float[np.ndarray, "*N"]:
    """Pixels between the places in painted and true frames; NaN where either has none."""
    return np.linalg.norm(found - true, axis=-1)


def missed(
    found: Float[np.ndarray, "*N 2"], true: Float[np.ndarray, "*N 2"]
) -> Float[np.ndarray, "*N"]:
    """1 where the object is in the true frame and not in the painted one, 0 where it is in both;
    NaN where there is nothing to find."""
    there = np.isfinite(true).all(-1)
    return np.where(there, ~np.isfinite(found).all(-1), np.nan)


# --- pixels --------------------------------------------------------------------------------------


def psnr_gain(
    painted: Float[Tensor, "B 3 H W"],
    other: Float[Tensor, "B 3 H W"],
    true: Float[Tensor, "B 3 H W"],
) -> Float[Tensor, " B"]:
    """By how many dB ``painted`` is nearer to the true frames than ``other`` is; equal frames count
    as 60 dB."""
    # Delta_t PSNR = PSNR(x_t, painted_t) - PSNR(x_t, other_t)
    near, far = (metrics.psnr(x, true).clamp(max=60) for x in (painted, other))
    return near - far


def changed(
    frames: Float[Tensor, "B 3 H W"], first: Float[Tensor, "B 3 H W"]
) -> Bool[Tensor, "B 1 H W"]:
    """Pixels of which a channel differs from the first frame by more than `CHANGED`."""
    return (frames - first).abs().amax(1, keepdim=True) > CHANGED


def changed_error(
    painted: Float[Tensor, "B 3 H W"],
    true: Float[Tensor, "B 3 H W"],
    first: Float[Tensor, "B 3 H W"],
) -> Float[Tensor, " B"]:
    """Squared error, summed over the pixels that have changed since the first frame: in the truth,
    as where something went, or in the painted frame, as where a ghost stands."""
    where = changed(true, first) | changed(painted, first)
    return ((painted - true).square().mean(1, keepdim=True) * where).sum((1, 2, 3))


def drift(painted: Float[np.ndarray, " B"], still: Float[np.ndarray, " B"]) -> float:
    """`changed_error` of painted frames over that of the first frames, left standing: 0 is perfect,
    1 is no better than a still. NaN where nothing changed."""
    whole = still.sum()
    return float(painted.sum() / whole) if whole > 0 else float("nan")
