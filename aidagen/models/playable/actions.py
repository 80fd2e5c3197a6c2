"""A, the action network: which action leads from each state of a clip to the next one.

Two states are embedded as points of a small space, the *action space*. The step from one to the
other is a direction; a linear classifier of directions says which of K actions it is. What the
action leaves open of the direction, its *variability*, is measured from the centroid of the action.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn

from aidagen.grids import identity_grid
from aidagen.models.playable.config import ModelError, PlayableConfig
from aidagen.models.playable.layers import ResidualBlock
from aidagen.models.playable.representation import Encoded


class Gaussian(NamedTuple):
    """A normal distribution with independent axes."""

    mean: Float[Tensor, "*N D"]
    variance: Float[Tensor, "*N D"]

    def sample(self, generator: torch.Generator | None) -> Float[Tensor, "*N D"]:
        """A point of it; the mean where there is no generator."""
        if generator is None:
            return self.mean
        noise = torch.randn(self.mean.shape, generator=generator).to(self.mean)
        return self.mean + self.variance.sqrt() * noise


class Found(NamedTuple):
    """The actions that the network sees in B clips of T frames."""

    logits: Float[Tensor, "B t K"]
    sampled: Float[Tensor, "B t D"]  # the directions that the logits were computed of
    directions: Gaussian  # (B, t, D)
    poses: Gaussian  # (B, T, D): every frame in the action space

    @property
    def probabilities(self) -> Float[Tensor, "B t K"]:
        return self.logits.softmax(-1)


# --- the equations -------------------------------------------------------------------------------


def directions(poses: Gaussian) -> Gaussian:
    """From every frame of a clip to the next one, frames in the second axis from the end."""
    # eq. (1): d_t ~ N(m_{t+1} - m_t, s^2_{t+1} + s^2_t)
    mean, variance = poses
    return Gaussian(mean[..., 1:, :] - mean[..., :-1, :],
                    variance[..., 1:, :] + variance[..., :-1, :])  # fmt: skip


def places(encoded: Encoded, trust: float | Tensor) -> Float[Tensor, "N 6"]:
    """Where the colours lie: x of red, green and blue, then y of each.

    ``trust`` says how much the attention counts: with 0 all places count alike.
    """
    # eq. (1a): m = mean_z (1 + s (2 A(z) - 1)) I(z) z, z in [-1, 1]^2
    grid = identity_grid(*encoded.colours.shape[2:], device=encoded.colours.device)  # (h, w, 2)
    seen = (1 + trust * (2 * encoded.attention - 1)) * encoded.colours  # (N, 3, h, w)
    return torch.cat([(seen * z).mean((2, 3)) for z in grid.unbind(-1)], dim=1)


def variability(
    direction: Float[Tensor, "*N D"],
    action: Float[Tensor, "*N K"],
    centroids: Float[Tensor, "K D"],
) -> Float[Tensor, "*N D"]:
    """How this step differs from what its action usually is. ``action`` sums to 1."""
    # eq. (2): v_t = sum_k a_k (d_t - c_k)
    return direction * action.sum(-1, keepdim=True) - action @ centroids


def gumbel_softmax(
    log_p: Float[Tensor, "*N K"],
    temperature: float,
    generator: torch.Generator | None = None,
    uniform: Float[Tensor, "*N K"] | None = None,
    hard: bool = False,
) -> Float[Tensor, "*N K"]:
    """A sample that is nearly one-hot and has a gradient (Jang et al. 2017, Maddison et al. 2017).

    ``uniform`` is noise from [0, 1) to use instead of the generator's. ``hard``: exactly one-hot,
    with the gradient of the soft sample.
    """
    if uniform is None:
        uniform = torch.rand(log_p.shape, generator=generator).to(log_p)
    tiny = torch.finfo(log_p.dtype).tiny
    # eq. (3): a = softmax((log p + g) / tau), g = -log(-log u)
    noise = -torch.log(-torch.log(uniform + tiny) + tiny)
    soft = ((log_p + noise) / temperature).softmax(-1)
    if not hard:
        return soft
    return one_hot(soft.argmax(-1), log_p.shape[-1]) + soft - soft.detach()


def nearest(
    direction: Float[Tensor, "*N D"], centroids: Float[Tensor, "K D"]
) -> Int[Tensor, "*N"]:
    """The number of the centroid that is nearest to each direction."""
    return (direction[..., None, :] - centroids).square().sum(-1).argmin(-1)


def one_hot(action: Tensor, actions: int) -> Float[Tensor, "*N K"]:
    """Numbers of actions, from 0, as vectors."""
    return F.one_hot(action, actions).float()


# --- the networks --------------------------------------------------------------------------------


class ActionNetwork(nn.Module):
    """States of a clip, seen through the attention -> poses, directions, actions."""

    def __init__(self, config: PlayableConfig):
        super().__init__()
        c, d = config.state, config.dimensions
        self.residuals = nn.Sequential(ResidualBlock(c, 2 * c, 2), ResidualBlock(2 * c, 2 * c))
        self.mean_fc, self.variance_fc = nn.Linear(2 * c, d), nn.Linear(2 * c, d)
        self.place_fc = None
        if config.places:
            self.place_norm = nn.BatchNorm1d(6, affine=False)
            self.place_fc = nn.Linear(6, d, bias=False)
            self.trust = nn.Parameter(torch.zeros(()))
            nn.init.zeros_(self.mean_fc.weight)  # at the beginning, places alone
        self.final_fc = nn.Linear(d, config.actions)
        self.normal = None
        if config.normalise:  # the variance is that of a normalised direction: little, at first
            self.normal = nn.BatchNorm1d(d, affine=False)
            nn.init.zeros_(self.variance_fc.weight)
            nn.init.constant_(self.variance_fc.bias, 0.005)

    def poses(self, encoded: Encoded) -> Gaussian:
        """N frames in the action space, (N, D)."""
        x = self.residuals(encoded.state * encoded.attention).mean((2, 3))  # (N, 2 C)
        mean, variance = self.mean_fc(x), self.variance_fc(x).abs()
        if self.place_fc is not None:
            mean = mean + self.place_fc(self.place_norm(places(encoded, self.trust)))
        return Gaussian(mean, variance)

    def forward(
        self, encoded: Encoded, frames: int, generator: torch.Generator | None = None
    ) -> Found:
        """``encoded`` holds B clips of ``frames`` T, clip after clip.

        Without a generator nothing is sampled: the actions are those of the mean direction.
        """
        poses = Gaussian(*(x.unflatten(0, (-1, frames)) for x in self.poses(encoded)))  # (B, T, D)
        found = directions(poses)  # (B, t, D)
        if self.normal is not None:  # mean 0, variance 1: directions cannot all shrink to nothing
            flat = found.mean.flatten(0, 1)  # (B t, D)
            found = found._replace(mean=self.normal(flat).view_as(found.mean))
        sampled = found.sample(generator)
        return Found(self.final_fc(sampled), sampled, found, poses)

    @torch.no_grad()
    def classify_by(self, centroids: Float[Tensor, "K D"], sharpness: float = 4.0) -> None:
        """Let the classifier name the nearest centroid.

        A linear classifier can: -s |d - c_k|^2 / 2 = s c_k d - s |c_k|^2 / 2 + (same for all k).
        ``sharpness`` s is in 1 / (unit of the action space)^2; the larger, the surer.
        """
        self.final_fc.weight.copy_(sharpness * centroids)
        self.final_fc.bias.copy_(-sharpness * centroids.square().sum(-1) / 2)


class Centroids(nn.Module):
    """Where in the action space the directions of each action lie: a moving average."""

    def __init__(self, config: PlayableConfig, rate: float = 0.1):
        super().__init__()
        self.rate = rate
        start = torch.randn(config.actions, config.dimensions)
        self.estimated_centroids = nn.Parameter(start, requires_grad=False)

    @torch.no_grad()
    def update(self, mean: Float[Tensor, "*N D"], p: Float[Tensor, "*N K"]) -> None:
        """Move towards the mean directions of a batch; in training mode only.

        An action that has no probability in the batch stays where it is.
        """
        if not self.training:
            return
        mean, p = mean.flatten(0, -2), p.flatten(0, -2)  # (N, D), (N, K)
        share = p.sum(0)[:, None]  # (K, 1)
        found = p.mT @ mean / share.clamp(min=1e-6)
        # eq. (4): c_k <- (1 - alpha) c_k + alpha (sum_t p_tk d_t) / (sum_t p_tk)
        rate = self.rate * (share > 1e-6)
        self.estimated_centroids.lerp_(found, rate.expand_as(found))

    @property
    def distance(self) -> Float[Tensor, ""]:
        """Mean distance between two centroids."""
        return torch.pdist(self.estimated_centroids).mean()


@torch.no_grad()
def clustered(points: Float[Tensor, "N D"], clusters: int, seed: int = 0) -> Float[Tensor, "K D"]:
    """Centroids of k-means, ordered along the first axis. Raises ``ModelError`` if N < K."""
    if len(points) < clusters:
        raise ModelError(f"{clusters} clusters need as many points; got {len(points)}.")
    found, _ = kmeans2(points.double().cpu().numpy(), clusters, minit="++", seed=seed)
    found = torch.from_numpy(found).to(points)
    return found[found[:, 0].argsort()]
