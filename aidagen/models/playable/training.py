"""How the system is trained, and the alarm that rings when its actions are lost."""

import logging
import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from aidagen import systems
from aidagen.judges.features import mobilenet_features
from aidagen.losses import PerceptualPyramid
from aidagen.models.playable import losses, schedules
from aidagen.models.playable.actions import Found, clustered, gumbel_softmax, nearest, one_hot
from aidagen.models.playable.config import ModelError, PlayableConfig
from aidagen.models.playable.model import Playable, Pretraining, Rollout
from aidagen.models.playable.schedules import Now, Number, Ramp, Stages
from aidagen.systems import CheckpointMismatch, Step

LOG = logging.getLogger(__name__)
REMEMBERED = 4096  # directions that the actions of a free stage are found among
TOLD = (
    "found",  # the action that the network sees, and its variability: CADDY
    "code",  # the centroid that is nearest to the direction: a code book, as VQ-VAE and Genie
    "label",  # the action that was really taken, ``labels["actions"]``; nothing is found
)


class LossWeights(NamedTuple):
    """As published for ``bair``; each can be a `schedules.Ramp`, which changes with the steps."""

    pixels: Number = 2.0  # of all resolutions; for L1 in the authors' range, [-1, 1], it is 1
    power: Number = 1  # of differences of pixels: 1 is L1, 2 squared
    perceptual: Number = 1.0
    states: Number = 0.2  # of generated frames and of real ones, mean squared
    hidden: Number = 1.0  # in pretraining: what the dynamics expect, mean squared
    directions: Number = 1e-4  # KL from N(0, 1)
    information: Number = 0.15  # between actions in real and in generated clips
    poses: Number = 0.0  # KL of generated frames in the action space from real ones
    entropy: Number = 0.0  # of an action's probabilities: above 0, to be sure of them
    divergence: Number = 0.0  # KL of the actions in generated clips from those in real ones
    commitment: Number = 0.0  # of directions to their centroids, mean squared; with "code"
    # what the terms are computed with
    told: str = "found"  # what the dynamics are told, of `TOLD`
    motion: float | None = None  # weight of pixels where nothing moves; None: all count the same
    smoothing: float | None = 0.2  # share of a batch in the joint distribution; None: it alone
    entropy_weight: float = 1.0  # of the entropies in the mutual information
    collapse: float = 0.5  # usage entropy, as a share of log K, below which the alarm rings
    stages: Stages = Stages()

    def at(self, step: int) -> "LossWeights":
        """The weights at a step, as numbers."""
        ramps = {key: x for key, x in self._asdict().items() if isinstance(x, Ramp)}
        return self._replace(**{key: ramp.at(step) for key, ramp in ramps.items()})


PUBLISHED: dict[str, LossWeights] = {
    "bair": LossWeights(),
    "breakout": LossWeights(stages=schedules.PUBLISHED["breakout"]),
    "tennis": LossWeights(
        information=0.03, poses=1e-5, smoothing=None, stages=schedules.PUBLISHED["tennis"]
    ),
}


class Usage(nn.Module):
    """How evenly the actions were taken lately; says so in the log when some are lost.

    The share of each action is a moving average over about 1 / ``rate`` batches. Its entropy over
    log K is 1 where all are taken alike, and 0 where one is taken always. When it falls below
    ``threshold``, a warning is logged, once until it is ``margin`` above it again.
    """

    def __init__(
        self, actions: int, threshold: float = 0.5, rate: float = 0.02, margin: float = 0.1
    ):
        super().__init__()
        self.threshold, self.rate, self.margin = threshold, rate, margin
        self.register_buffer("shares", torch.full((actions,), 1 / actions))
        self.register_buffer("collapsed", torch.tensor(False))

    @property
    def entropy(self) -> Float[Tensor, ""]:
        """From 0 to 1. One action alone has nothing to lose: it is 1."""
        actions = len(self.shares)
        if actions == 1:
            return self.shares.new_ones(())
        return losses.entropy(self.shares) / math.log(actions)

    @torch.no_grad()
    def count(self, taken: Int[Tensor, "*N"], step: int) -> None:
        """Take the actions of a batch into account, and speak if need be."""
        counts = torch.bincount(taken.flatten(), minlength=len(self.shares)).to(self.shares)
        self.shares.lerp_(counts / counts.sum(), self.rate)
        now = self.entropy.item()
        if not self.collapsed and now < self.threshold:
            self.collapsed.fill_(True)
            most = int(self.shares.argmax())
            LOG.warning(
                "Step %d: the actions collapse. Action %d of %d is taken in %.0f %% of the steps; "
                "usage entropy is %.2f of its maximum, below %.2f. What is left to learn is told "
                "by the variability, or by the past. Begin with a free stage (Stages.free), or "
                "raise the weight of the mutual information.",
                step, most + 1, len(self.shares), 100 * self.shares[most].item(), now,
                self.threshold,
            )  # fmt: skip
        elif self.collapsed and now >= self.threshold + self.margin:
            self.collapsed.fill_(False)
            LOG.warning(
                "Step %d: all actions are taken again; usage entropy is %.2f of its maximum.",
                step, now,
            )  # fmt: skip


class Objective(systems.Objective):
    """All terms of the loss, in one phase; a batch is a `datasets.batches.Stretch`.

    Clips are cut to the length that the schedule says. ``usage`` among the terms is no loss: it has
    no gradient, and stands there to be seen in the history of a run.

    At the end of a free stage the directions that were met last are clustered; a checkpoint holds
    them.

    ``perceptual`` is MobileNetV2's, unless another one is given; it is loaded only where its weight
    is set.
    """

    def __init__(
        self, model: Playable, weights: LossWeights, perceptual: PerceptualPyramid | None = None
    ):
        super().__init__()
        stages, actions = weights.stages, model.config.actions
        if 0 < stages.free <= stages.pretraining:
            raise ModelError(
                f"The free stage ends at step {stages.free}, and pretraining at step "
                f"{stages.pretraining}: there would be no roll-out to find actions in."
            )
        if weights.told not in TOLD:
            raise ModelError(f"Dynamics can be told {', '.join(TOLD)}; got {weights.told!r}.")
        if perceptual is None and weights.perceptual:
            perceptual = PerceptualPyramid(mobilenet_features(), (1.0,))
        self.model, self.weights, self.perceptual = model, weights, perceptual
        self.usage = Usage(actions, weights.collapse)
        self.smoothed = None
        if weights.smoothing is not None:
            self.smoothed = losses.SmoothedJoint(actions, weights.smoothing)
        self.register_buffer("number", torch.zeros((), dtype=torch.long))  # of the last step
        if stages.free:
            recent = torch.zeros(REMEMBERED, model.config.dimensions)
            self.register_buffer("recent", recent)  # directions, the last ones first
            self.register_buffer("remembered", torch.zeros((), dtype=torch.long))
            self.register_buffer("named", torch.tensor(False))  # actions were found

    def forward(self, phase: str, batch: tuple, step: Step) -> dict[str, Tensor]:
        self.number.fill_(step.number)
        now, weights = self.weights.stages.at(step.number), self.weights.at(step.number)
        if self.weights.stages.free and not now.free and not self.named:
            self.name_actions()
        elif self.weights.told == "code" and not now.free:
            self.press_codes()
        frames, labels = self.cut(batch, now, step.generator)
        made = self.reconstruct(self.model, frames, now, step.generator, labels)
        terms = self.frame_terms(made, frames, weights)
        if not now.held:
            kl = losses.standard_kl(made.found.directions)
            terms["directions"] = weights.directions * kl
        if isinstance(made, Pretraining):
            expected = losses.states_mse(made.expected, made.hidden.detach())
            terms["hidden"] = weights.hidden * expected
        else:
            terms |= self.state_terms(made, frames.shape[1], weights)
        if now.free:
            self.remember(made.found.directions.mean)
            return terms
        found = made.found
        if weights.told == "code":
            terms["commitment"] = weights.commitment * self.move_codes(found)
        else:
            self.model.centroid_estimator.update(found.directions.mean, found.probabilities)
        taken = made.action if weights.told == "label" else found.logits
        self.usage.count(taken.argmax(-1), step.number)
        if isinstance(made, Rollout):
            terms |= self.action_terms(made, weights)
        return terms | {"usage": self.usage.entropy}

    def run(self, model: Playable, batch: tuple) -> Rollout | Pretraining:
        """What a model makes of a batch, by the schedules of the step that was taken last."""
        now, generator = self.weights.stages.at(int(self.number)), torch.Generator().manual_seed(0)
        frames, labels = self.cut(batch, now, generator)
        return self.reconstruct(model, frames, now, generator, labels)

    def cut(
        self, batch: tuple, now: Now, generator: torch.Generator
    ) -> tuple[Float[Tensor, "B T 3 H W"], Int[Tensor, "B T"] | None]:
        """Frames and, where they are told, the true actions of the length of the hour.

        Raises ``ModelError`` where actions should be told and a batch has none.
        """
        moments = stretch(batch.frames.shape[1], now.length, generator)
        if self.weights.told != "label":
            return batch.frames[:, moments], None
        if "actions" not in batch.labels:
            raise ModelError(
                'True actions are told, and the batch has no label "actions"; ask for it: '
                'Sequences(..., labels=("actions",)).'
            )
        return batch.frames[:, moments], batch.labels["actions"][:, moments].long()

    def reconstruct(
        self,
        model: Playable,
        frames: Float[Tensor, "B T 3 H W"],
        now: Now,
        generator: torch.Generator,
        labels: Int[Tensor, "B T"] | None = None,
    ) -> Rollout | Pretraining:
        """Clips from their first frames, with actions that are sampled by the schedules."""

        def choice(found: Found) -> tuple[Tensor, Tensor]:
            if self.weights.told == "label":
                return one_hot(labels[:, :-1], model.config.actions), found.sampled * 0
            if now.free:
                noise = torch.randn(found.sampled.shape, generator=generator).to(found.sampled)
                told = found.sampled.detach() if now.held else found.sampled
                return torch.zeros_like(found.logits), told + self.weights.stages.noise * noise
            if self.weights.told == "code":
                return torch.zeros_like(found.logits), coded(found.sampled, model.centroids)
            log_p = found.logits.log_softmax(-1)
            action = gumbel_softmax(log_p, now.temperature, generator)
            action, variation = model.explained(found, action)
            if now.silent:
                spoken = torch.rand(len(variation), 1, 1, generator=generator) >= now.silent
                variation = variation * spoken.to(variation)
            return action, now.rest * variation

        if now.pretraining:
            return model.pretrain(frames, choice, generator)
        return model.rollout(frames, now.real, choice, generator)

    # --- the terms ---

    def frame_terms(
        self, made: Rollout | Pretraining, frames: Float[Tensor, "B T 3 H W"], w: LossWeights
    ) -> dict[str, Tensor]:
        """Pixels and features, means over the three resolutions."""
        where, levels = None, len(made.images)
        if w.motion is not None:
            later = made.images[0][:, 1 - frames.shape[1] :]  # without the first frame
            where = losses.motion_weights(frames, later, w.motion)
        terms = {}
        if w.pixels:
            apart = sum(losses.observation_error(images, frames, where, w.power)
                        for images in made.images)  # fmt: skip
            terms["pixels"] = w.pixels * apart / levels
        if w.perceptual:
            apart = 0
            for images in made.images:
                target = losses.resized(frames[:, -images.shape[1] :], images.shape[-2:])
                apart = apart + self.perceptual(images.flatten(0, 1), target.flatten(0, 1))
            terms["perceptual"] = w.perceptual * apart / levels
        return terms

    def state_terms(self, made: Rollout, frames: int, w: LossWeights) -> dict[str, Tensor]:
        """Generated frames should have the states and poses of the real ones, which are fixed."""
        own, real = (x.state.unflatten(0, (-1, frames)) for x in (made.made, made.real))
        terms = {"states": w.states * losses.states_mse(own, real.detach())}
        if w.poses:
            kl = losses.gaussian_kl(made.replayed.poses, made.found.poses)
            terms["poses"] = w.poses * kl
        return terms

    def action_terms(self, made: Rollout, w: LossWeights) -> dict[str, Tensor]:
        """What is seen to be done in a generated clip should be what was done in the real one."""
        p, q = made.found.probabilities, made.replayed.probabilities
        together = losses.joint(p, q) if self.smoothed is None else self.smoothed(p, q)
        information = losses.mutual_information(together, w.entropy_weight)
        terms = {"information": -w.information * information}
        if w.entropy:
            terms["entropy"] = w.entropy * losses.entropy(p).mean()
        if w.divergence:
            kl = losses.categorical_kl(made.found.logits.detach(), made.replayed.logits)
            terms["divergence"] = w.divergence * kl
        return terms

    # --- a code book ---

    def press_codes(self) -> None:
        """What each action does is copied from what its code does, so that it can be played.

        The dynamics are told codes as variability (`coded`), and no action.
        """
        self.model.action_network[0].classify_by(self.model.centroids)
        self.model.dynamics_network.learn_actions(self.model.centroids)

    def move_codes(self, found: Found) -> Float[Tensor, ""]:
        """Codes go to the directions that are nearest to them; how far those are from the codes."""
        centroids = self.model.centroids
        # eq. (12): |d - sg(c_k)|^2, k the nearest centroid (van den Oord et al. 2017)
        apart = found.sampled - centroids[nearest(found.sampled, centroids)]
        mean = found.directions.mean
        taken = one_hot(nearest(mean, centroids), len(centroids))
        self.model.centroid_estimator.update(mean, taken)
        return apart.square().mean()

    # --- the end of a free stage ---

    @torch.no_grad()
    def remember(self, directions: Float[Tensor, "B t D"]) -> None:
        """Keep the directions of a batch; the oldest ones are forgotten."""
        found = directions.flatten(0, 1)
        self.recent.copy_(torch.cat([found, self.recent])[: len(self.recent)])
        self.remembered.add_(len(found)).clamp_(max=len(self.recent))

    @torch.no_grad()
    def name_actions(self) -> None:
        """K clusters of the directions become the actions.

        Nothing else changes: what the dynamics were told as a direction alone, they are told now as
        an action and the rest of the direction, and they make the same of it.
        """
        centroids = clustered(self.recent[: self.remembered], self.model.config.actions)
        self.model.centroids.copy_(centroids)
        self.model.action_network[0].classify_by(centroids)
        self.model.dynamics_network.learn_actions(centroids)
        self.named.fill_(True)


def stretch(frames: int, length: int, generator: torch.Generator) -> slice:
    """``length`` of ``frames`` moments, from a random one on; all where there are fewer."""
    if frames <= length:
        return slice(0, frames)
    start = int(torch.randint(frames - length + 1, (), generator=generator))
    return slice(start, start + length)


def coded(
    direction: Float[Tensor, "*N D"], centroids: Float[Tensor, "K D"]
) -> Float[Tensor, "*N D"]:
    """The nearest centroid, with the gradient of the direction (straight-through)."""
    code = centroids[nearest(direction, centroids)]
    return direction + (code - direction).detach()


def untrained(config: PlayableConfig, weights: LossWeights | None = None) -> Objective:
    """An untrained model with its losses."""
    return Objective(Playable(config), LossWeights() if weights is None else weights)


def published_state(parts: dict, model: Playable) -> dict[str, Tensor]:
    """The authors' ``{"model": state, ...}``: the keys are ours.

    The running estimate of a smoothed trainer, an optimizer and the step beside it are not needed.
    Raises ``CheckpointMismatch`` where "model" is no dictionary of tensors.
    """
    if not isinstance(parts["model"], dict):
        raise CheckpointMismatch("This checkpoint's 'model'", missing=list(model.state_dict()))
    return parts["model"]
