"""The terms of the training objective, as equations. Natural logarithms throughout."""

import sys

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen.models.playable.actions import Gaussian

TINY = sys.float_info.epsilon  # no joint probability is smaller


# --- frames and states ---------------------------------------------------------------------------


def resized(frames: Float[Tensor, "B T C _ _"], size: tuple[int, int]) -> Tensor:
    """Frames or maps at another size, bilinearly, (B, T, C, *size)."""
    if frames.shape[-2:] == size:
        return frames
    flat = F.interpolate(frames.flatten(0, 1), size, mode="bilinear", align_corners=False)
    return flat.unflatten(0, frames.shape[:2])


def observation_error(
    made: Float[Tensor, "B t 3 h w"],
    frames: Float[Tensor, "B T 3 H W"],
    weights: Float[Tensor, "B T 1 H W"] | None = None,
    power: float = 1,
) -> Float[Tensor, ""]:
    """Distance to the last t frames, brought to the size of what was made; per pixel ``weights``.

    ``power`` 1 is L1, as published, and 2 the squared difference. By L1 a thing that may be in many
    places is best left out; by the squared difference it is painted faintly in each of them, and
    whatever tells its place better is felt at once.
    """
    t, size = made.shape[1], made.shape[-2:]
    apart = (made - resized(frames[:, -t:], size)).abs() ** power
    return (apart if weights is None else apart * resized(weights[:, -t:], size)).mean()


def motion_weights(
    frames: Float[Tensor, "B T 3 H W"], made: Float[Tensor, "B t 3 H W"], bias: float
) -> Float[Tensor, "B T 1 H W"]:
    """How much each pixel counts: more where something moves, or is made to move.

    Frames in [0, 1] are taken as [-1, 1], so a change by the whole range counts 2 per colour. The
    first frame, which is never made, counts 1 everywhere.
    """
    again = torch.cat([frames[:, :1], made], dim=1)
    # eq. (7): W_t = sum_rgb |x_t - x_{t-1}| + sum_rgb |x^_t - x^_{t-1}| + bias
    change = sum(2 * x.diff(dim=1).abs().sum(2, keepdim=True) for x in (frames, again))
    return torch.cat([torch.ones_like(change[:, :1]), change + bias], dim=1).detach()


def states_mse(
    made: Float[Tensor, "B t C h w"], real: Float[Tensor, "B T C h w"]
) -> Float[Tensor, ""]:
    """Mean squared difference of states, or hidden states; of a longer sequence, the last t."""
    t = min(made.shape[1], real.shape[1])
    return F.mse_loss(made[:, -t:], real[:, -t:])


# --- directions and poses ------------------------------------------------------------------------


def standard_kl(directions: Gaussian) -> Float[Tensor, ""]:
    """How far the directions are from N(0, 1): summed over dimensions, mean over the rest."""
    mean, variance = directions
    # eq. (8): KL(N(m, s^2) || N(0, 1)) = 1/2 sum_D (m^2 + s^2 - log s^2 - 1)
    return 0.5 * (mean.square() + variance - variance.log() - 1).sum(-1).mean()


def gaussian_kl(p: Gaussian, q: Gaussian, smallest: float = 0.05) -> Float[Tensor, ""]:
    """KL(p || q), summed over dimensions. Variances below ``smallest`` count as that outside logs.

    So that it cannot be lowered by growing vague, no gradient goes through a variance.
    """
    s, t = p.variance.detach(), q.variance.detach()
    logs = t.log() - s.log()
    s, t = s.clamp(min=smallest), t.clamp(min=smallest)
    # eq. (9): KL = 1/2 sum_D (log t^2 - log s^2 + (s^2 + (m_p - m_q)^2) / t^2 - 1)
    return 0.5 * (logs + (s + (p.mean - q.mean).square()) / t - 1).sum(-1).mean()


# --- actions -------------------------------------------------------------------------------------


def entropy(p: Float[Tensor, "*N K"]) -> Float[Tensor, "*N"]:
    """Of distributions in the last axis, in nats; 0 log 0 is 0."""
    return torch.special.entr(p).sum(-1)


def categorical_kl(first: Float[Tensor, "*N K"], second: Float[Tensor, "*N K"]) -> Tensor:
    """KL(softmax(second) || softmax(first)) of logits, mean over the rest."""
    p, q = (x.flatten(0, -2).log_softmax(-1) for x in (first, second))
    return F.kl_div(p, q, log_target=True, reduction="batchmean")


def joint(p: Float[Tensor, "*N K"], q: Float[Tensor, "*N K"]) -> Float[Tensor, "K K"]:
    """How often action i is seen where action j is seen again: symmetric, sums to 1."""
    p, q = p.flatten(0, -2), q.flatten(0, -2)
    # eq. (10): P = sum_t p_t q_t^T, made symmetric, over its sum
    counts = p.mT @ q
    counts = (counts + counts.mT) / 2
    return counts / counts.sum()


def mutual_information(
    together: Float[Tensor, "K K"], entropy_weight: float = 1.0
) -> Float[Tensor, ""]:
    """What the two sides of a joint distribution tell about each other, in nats.

    0 where one action is always taken, or where the other side is not told; at most log K. With
    ``entropy_weight`` above 1 using all actions counts more (Ji et al., ICCV 2019).
    """
    row, column = together.sum(1, keepdim=True), together.sum(0, keepdim=True)
    together, row, column = (x.clamp(min=TINY) for x in (together, row, column))
    # eq. (11): I = sum_ij P_ij (log P_ij - lambda log P_i - lambda log P_j)
    return (together * (together.log() - entropy_weight * (row.log() + column.log()))).sum()


class SmoothedJoint(nn.Module):
    """A running estimate of the joint distribution: a batch alone is too few to count in."""

    def __init__(self, actions: int, rate: float = 0.2):
        super().__init__()
        self.rate = rate
        start = torch.full((actions, actions), 1 / actions**2)
        self.register_buffer("estimate", start)

    def forward(self, p: Float[Tensor, "*N K"], q: Float[Tensor, "*N K"]) -> Float[Tensor, "K K"]:
        """The estimate with this batch in it; the gradient is that of the batch's share."""
        mixed = torch.lerp(self.estimate, joint(p, q), self.rate)
        self.estimate = mixed.detach()
        return mixed
