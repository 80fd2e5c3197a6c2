"""The four networks together: reconstruct a clip, or play."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aidagen.models.playable.actions import (
    ActionNetwork,
    Centroids,
    Found,
    one_hot,
    variability,
)
from aidagen.models.playable.config import ModelError, PlayableConfig
from aidagen.models.playable.dynamics import DynamicsNetwork, Memory
from aidagen.models.playable.rendering import RenderingNetwork
from aidagen.models.playable.representation import Encoded, RepresentationNetwork


class Rollout(NamedTuple):
    """Clips that were reconstructed, frame by frame, and everything on the way."""

    images: list[Tensor]  # (B, t, 3, H, W) of frames 1 ... T-1; then at 1/2 and 1/4 of the size
    action: Float[Tensor, "B t K"]  # what the dynamics were told
    variation: Float[Tensor, "B t D"]
    real: Encoded  # (B T, ...): every real frame
    made: Encoded  # (B T, ...): what the dynamics saw, real frames first, then generated ones
    found: Found  # the actions in the real clips
    replayed: Found  # the actions in the clips of ``made``

    @property
    def image(self) -> Float[Tensor, "B t 3 H W"]:
        return self.images[0]


class Pretraining(NamedTuple):
    """Clips that were painted from their own states, and what the dynamics expected instead."""

    images: list[Tensor]  # (B, T, 3, H, W) of all frames; then at 1/2 and 1/4 of the size
    hidden: Float[Tensor, "B T H h w"]  # read off the states: the renderer saw this
    expected: Float[Tensor, "B t H h w"]  # by the dynamics, of frames 1 ... T-1
    found: Found


class World(NamedTuple):
    """A game that is going on: what is seen now, and all that was."""

    observation: Float[Tensor, "1 S H W"]
    memory: Memory


# Given what was found in the real clips: the action (B, t, K) and the variability (B, t, D).
Choice = Callable[[Found], tuple[Tensor, Tensor]]


def observations(frames: Float[Tensor, "B T 3 H W"], stack: int) -> Float[Tensor, "B T S H W"]:
    """Every frame with the ``stack`` - 1 frames before it, newest first, as channels.

    Before the first frame, the first frame stands.
    """
    before = [frames]
    for _ in range(stack - 1):
        before.append(torch.cat([frames[:, :1], before[-1][:, :-1]], dim=1))
    return torch.cat(before, dim=2)


def later(
    observation: Float[Tensor, "B S H W"], image: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, "B S H W"]:
    """The observation after ``image`` came."""
    return torch.cat([image, observation], dim=1)[:, : observation.shape[1]]


class Playable(nn.Module):
    """CADDY: clips in, actions and a world to play in out.

    Frames are (..., 3, height, width) in [0, 1]. Raises ``ModelError`` on any other shape.
    """

    def __init__(self, config: PlayableConfig, adversarial: bool = False):
        super().__init__()
        if adversarial:
            raise ModelError("This system has no discriminator.")
        self.config = config
        self.representation_network = RepresentationNetwork(config)
        self.action_network = nn.ModuleList([ActionNetwork(config)])  # an ensemble of one
        self.centroid_estimator = Centroids(config)
        self.dynamics_network = DynamicsNetwork(config)
        self.rendering_network = RenderingNetwork(config)
        # a state as the hidden state that would show it: pretraining alone needs it
        self.state_to_hidden_state_layer = nn.Sequential(
            nn.Conv2d(config.state, config.hidden, 3, padding=1)
        )

    @property
    def centroids(self) -> Float[Tensor, "K D"]:
        return self.centroid_estimator.estimated_centroids

    def observe(self, frames: Float[Tensor, "B T 3 H W"]) -> Float[Tensor, "B T S H W"]:
        """What the networks see of each frame. Raises ``ModelError`` on frames of another size."""
        size = self.config.height, self.config.width
        if frames.shape[2:] != (3, *size):
            raise ModelError(
                f"This model takes clips (B, T, 3, {size[0]}, {size[1]}); got "
                f"{tuple(frames.shape)}. Crop and resize the frames first."
            )
        return observations(frames, self.config.stack)

    def encode(self, observed: Float[Tensor, "B T S H W"]) -> Encoded:
        """State and attention of every frame, (B T, ...), clip after clip."""
        return self.representation_network(observed.flatten(0, 1))

    def find_actions(
        self, encoded: Encoded, frames: int, generator: torch.Generator | None = None
    ) -> Found:
        """The actions between the frames of B clips; see `ActionNetwork`."""
        return self.action_network[0](encoded, frames, generator)

    def greedy(self, found: Found) -> tuple[Tensor, Tensor]:
        """The likeliest actions without variability: what is done to measure reconstruction."""
        return one_hot(found.logits.argmax(-1), self.config.actions), found.sampled * 0

    def explained(self, found: Found, action: Float[Tensor, "B t K"]) -> tuple[Tensor, Tensor]:
        """``action``, and all that it leaves open of the directions as its variability."""
        # a copy, as the centroids move before the gradient is computed
        return action, variability(found.sampled, action, self.centroids.clone())

    def rollout(
        self,
        frames: Float[Tensor, "B T 3 H W"],
        real: int,
        choice: Choice | None = None,
        generator: torch.Generator | None = None,
    ) -> Rollout:
        """Reconstruct clips from their first frames and their actions.

        The dynamics see the states of the first ``real`` frames as they are; from then on those of
        the frames that they made themselves. ``choice`` says what they are told (default:
        `greedy`). Without a generator no direction is sampled. Raises ``ModelError`` where there is
        no step to take.
        """
        b, count = frames.shape[:2]
        if count < 2 or real < 1:
            raise ModelError(
                f"A roll-out needs clips of two frames or more, of which one is seen; got {count} "
                f"frames and {real} real ones."
            )
        observed = self.observe(frames)  # (B, T, S, H, W)
        encoded = self.encode(observed)  # (B T, C, h, w), (B T, 1, h, w)
        found = self.find_actions(encoded, count, generator)
        action, variation = (choice or self.greedy)(found)
        real_ones = [Encoded(*one) for one in zip(*(x.unflatten(0, (b, count)).unbind(1)
                                                    for x in encoded))]  # fmt: skip
        made, memory = real_ones[:1], self.dynamics_network.begin(b)
        rendered, seen = [], observed[:, 0]
        for n in range(1, count):
            step = action[:, n - 1], variation[:, n - 1]
            hidden, memory = self.dynamics_network(made[-1].state, *step, memory)
            rendered.append(self.rendering_network(hidden))
            if n < real:
                seen = observed[:, n]
                made.append(real_ones[n])
            else:
                seen = later(seen, rendered[-1][0])
                made.append(self.representation_network(seen))
        images = [torch.stack(level, dim=1) for level in zip(*rendered)]  # (B, t, 3, ., .)
        again = Encoded(*(torch.stack(x, dim=1).flatten(0, 1) for x in zip(*made)))
        replayed = self.find_actions(again, count, generator)
        return Rollout(images, action, variation, encoded, again, found, replayed)

    def pretrain(
        self,
        frames: Float[Tensor, "B T 3 H W"],
        choice: Choice | None = None,
        generator: torch.Generator | None = None,
    ) -> Pretraining:
        """How training begins: states have to say how their frames look, and dynamics to follow."""
        b, count = frames.shape[:2]
        encoded = self.encode(self.observe(frames))
        found = self.find_actions(encoded, count, generator)
        action, variation = (choice or self.greedy)(found)
        hidden = self.state_to_hidden_state_layer(encoded.state)  # (B T, H, h, w)
        images = [level.unflatten(0, (b, count)) for level in self.rendering_network(hidden)]
        states, memory = encoded.state.unflatten(0, (b, count)), self.dynamics_network.begin(b)
        expected = []
        for n in range(count - 1):
            step = action[:, n], variation[:, n]
            following, memory = self.dynamics_network(states[:, n], *step, memory)
            expected.append(following)
        return Pretraining(images, hidden.unflatten(0, (b, count)), torch.stack(expected, 1), found)

    def forward(self, frames: Float[Tensor, "B T 3 H W"], real: int = 4) -> Rollout:
        """Clips reconstructed from ``real`` frames and the actions that the model sees in them."""
        return self.rollout(frames, real)

    # --- playing ---

    def begin(self, frame: Float[Tensor, "3 H W"]) -> World:
        """A world that begins with ``frame``."""
        return World(self.observe(frame[None, None])[:, 0], self.dynamics_network.begin(1))

    @torch.no_grad()
    def play(
        self,
        world: World,
        action: int | Float[Tensor, "1 K"],
        variation: Float[Tensor, "1 D"] | None = None,
    ) -> tuple[Float[Tensor, "3 H W"], World]:
        """Take one action, a number from 0 or a vector that sums to 1: the next frame, and on.

        Raises ``ModelError`` for an action that there is not.
        """
        centroids = self.centroids
        if isinstance(action, int):
            if not 0 <= action < len(centroids):
                raise ModelError(f"There are actions 0 to {len(centroids) - 1}; got {action}.")
            action = one_hot(torch.tensor([action], device=centroids.device), len(centroids))
        if variation is None:
            variation = centroids.new_zeros(1, centroids.shape[1])
        state = self.representation_network(world.observation).state
        hidden, memory = self.dynamics_network(state, action, variation, world.memory)
        image = self.rendering_network(hidden)[0]
        return image[0], World(later(world.observation, image), memory)

    def at(
        self, point: Float[Tensor, " D"], among: tuple[int, ...] | None = None
    ) -> tuple[Float[Tensor, "1 K"], Float[Tensor, "1 D"]]:
        """What `play` is told to move in direction ``point``: the nearest action, and the rest.

        ``among`` are the actions that come into question (default: all).
        """
        centroids = self.centroids
        listed = torch.tensor(among or range(len(centroids)), device=centroids.device)
        apart = (centroids[listed] - point).square().sum(-1)
        action = one_hot(listed[apart.argmin()][None], len(centroids))
        return action, variability(point[None], action, centroids)

    def between(
        self, first: int, second: int, share: float
    ) -> tuple[Float[Tensor, "1 K"], Float[Tensor, "1 D"]]:
        """Between two actions: ``share`` 0 is the first, 1 the second."""
        # eq. (6): (1 - lambda) c_a + lambda c_b = c_k + v, k the nearer one of a and b
        point = torch.lerp(self.centroids[first], self.centroids[second], share)
        return self.at(point, (first, second))
