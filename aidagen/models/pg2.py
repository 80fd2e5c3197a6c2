"""Pose Guided Person Image Generation (PG2): two stages, no deformation.

Ma, Jia, Sun, Schiele, Tuytelaars, Van Gool. NeurIPS 2017 (arXiv:1705.09368).

A first network paints the person in the target pose coarsely: a U-Net whose bottleneck is fully
connected, because nothing else could carry a limb from one side of the picture to the other one. It
learns by L1 alone, which counts the person twice, and stays blurred. A second U-Net sees the coarse
picture beside the source and adds a *difference*; a discriminator, which is shown each picture with
its source, asks it for detail. Lecture 03 holds Deformable GANs against it.

How this differs from the paper: both stages learn side by side, without a gradient from the second
to the first, instead of one after the other; the discriminator judges patches; the refined picture
is kept within [0, 1]; a backdrop may be given, to which the first stage adds the person as the
second one adds detail (laid over it by a mask, as in Deformable GANs, the person never appears: by
L1 alone the mask closes within a hundred steps, for good); sizes are ours. There is no public code
to be equal to.

Letters: B people, C channels, H W pixels of the picture.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, no_type_check

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import poses
from aidagen.blocks import PatchDiscriminator
from aidagen.errors import AidagenError
from aidagen.poses import Pose
from aidagen.systems import Objective, Step, System

JOINTS = len(poses.JOINTS)


class ModelError(AidagenError):
    """An input that does not fit the model."""


@dataclass(frozen=True)
class PG2Config:
    """Sizes of the system."""

    height: int = 128  # of the picture
    width: int = 64
    levels: int = 6  # of the first stage: each but the first halves the picture
    refining_levels: int = 4  # of the second
    channels: int = 64  # of the first level; twice, three times ... as many further down
    bottleneck: int = 64  # numbers that the whole picture passes through
    background: bool = False  # whether a backdrop is given, to paint the person before
    radius: float = 4.0  # of a joint's disc and of the limbs in the mask, in pixels
    disc_channels: int = 32
    disc_blocks: int = 3
    disc_max: int = 256


class Encoded(NamedTuple):
    """The source, and what is to be behind the person: all else depends on the target pose."""

    image: Float[Tensor, "B 3 H W"]
    backdrop: Float[Tensor, "B 3 H W"] | None


class Rendering(NamedTuple):
    """A generated picture and what led to it."""

    image: Float[Tensor, "B 3 H W"]  # coarse + difference, in [0, 1]
    coarse: Float[Tensor, "B 3 H W"]  # of the first stage, in [0, 1]
    difference: Float[Tensor, "B 3 H W"]  # what the second stage adds
    pose_map: Float[Tensor, "B 18 H W"]  # the target pose as the network sees it


# --- the equations -------------------------------------------------------------------------------


def pose_mask_loss(
    image: Float[Tensor, "B 3 H W"],
    target: Float[Tensor, "B 3 H W"],
    mask: Float[Tensor, "B 1 H W"],
) -> Float[Tensor, ""]:
    """|(image - target) (1 + mask)|: L1 that counts the person twice, as the background varies."""
    return ((image - target).abs() * (1 + mask)).mean()


# --- the networks --------------------------------------------------------------------------------


class Residual(nn.Module):
    """x + conv(ReLU(conv(ReLU(x))))."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class UNet(nn.Module):
    """Residual blocks on every level, plain skips, and, if asked for, a bottleneck of numbers."""

    def __init__(self, c_in: int, c_out: int, config: PG2Config, levels: int, connected: bool):
        super().__init__()
        sizes = [config.channels * (i + 1) for i in range(levels)]
        self.first = nn.Conv2d(c_in, sizes[0], 3, padding=1)
        self.before = nn.ModuleList(Residual(size) for size in sizes)
        self.downs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(sizes, sizes[1:])
        )
        self.bottleneck = None
        if connected:
            shape = sizes[-1], config.height >> (levels - 1), config.width >> (levels - 1)
            count = shape[0] * shape[1] * shape[2]
            self.bottleneck = nn.Sequential(
                nn.Flatten(), nn.Linear(count, config.bottleneck),
                nn.Linear(config.bottleneck, count), nn.Unflatten(1, shape),
            )  # fmt: skip
        pairs = list(reversed(list(zip(sizes, sizes[1:]))))
        self.ups = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairs)
        self.after = nn.ModuleList(Residual(2 * a) for a, _ in pairs)
        self.narrow = nn.ModuleList(nn.Conv2d(2 * a, a, 1) for a, _ in pairs)
        self.last = nn.Conv2d(sizes[0], c_out, 3, padding=1)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        x = self.before[0](self.first(x))
        skips = []
        for down, block in zip(self.downs, self.before[1:]):
            skips.append(x)
            x = block(down(F.relu(x)))
        if self.bottleneck is not None:
            x = x + self.bottleneck(x)
        for up, block, narrow, skip in zip(self.ups, self.after, self.narrow, reversed(skips)):
            x = F.interpolate(up(x), scale_factor=2)
            x = narrow(block(torch.cat([x, skip], dim=1)))
        return self.last(F.relu(x))


def _clamped(image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Within [0, 1]; gradients pass as if it were not clamped."""
    return image + (image.clamp(0, 1) - image).detach()


class PG2(nn.Module):
    """The system. It is called as `DeformableGAN` is; of the source's pose it makes no use.

    Pictures are (B, 3, height, width) in [0, 1]. Raises ``ModelError`` on any other shape, and
    where a backdrop is needed and lacking.
    """

    def __init__(self, config: PG2Config, adversarial: bool = False):
        super().__init__()
        deepest = 2 ** (max(config.levels, config.refining_levels) - 1)
        if config.height % deepest or config.width % deepest:
            raise ModelError(
                f"{config.levels} levels need a height and a width that {deepest} divides; got "
                f"{config.height} x {config.width}."
            )
        self.config = config
        behind = 3 * config.background
        self.coarse = UNet(3 + JOINTS + behind, 3, config, config.levels, connected=True)
        self.refine = UNet(6 + behind, 3, config, config.refining_levels, connected=False)
        self.discriminator = None
        if adversarial:
            sizes = config.disc_channels // 2, config.disc_blocks, config.disc_max
            self.discriminator = PatchDiscriminator(6, *sizes)

    @no_type_check  # what it is given is checked by hand, in sentences
    def encode(self, source, pose: Pose | None = None, backdrop=None) -> Encoded:
        """Pictures (B, 3, H, W) and, if asked for, what is to be behind."""
        size = (3, self.config.height, self.config.width)
        for what, given in (("pictures", source), ("backdrops", backdrop)):
            if given is not None and tuple(given.shape[1:]) != size:
                raise ModelError(
                    f"This model takes {what} (B, {', '.join(map(str, size))}); got "
                    f"{tuple(given.shape)}."
                )
        if self.config.background and backdrop is None:
            raise ModelError("This model paints people before a given backdrop; give it one.")
        return Encoded(source, backdrop if self.config.background else None)

    def render(self, encoded: Encoded, pose: Pose) -> Rendering:
        """The person in the poses; one source serves any number of them."""
        seen = [x.expand(len(pose.joints), -1, -1, -1) for x in encoded if x is not None]
        pose_map = poses.discs(pose, self.config.height, self.config.width, self.config.radius)
        coarse = self.coarse(2 * torch.cat([*seen, pose_map], dim=1) - 1)
        coarse = _clamped(seen[1] + coarse) if self.config.background else coarse.sigmoid()
        # what learns the coarse picture is its own loss alone
        fixed = coarse.detach()
        difference = self.refine(2 * torch.cat([fixed, *seen], dim=1) - 1)
        return Rendering(_clamped(fixed + difference), coarse, difference, pose_map)

    def forward(
        self,
        source: Float[Tensor, "B 3 H W"],
        source_pose: Pose,
        target_pose: Pose,
        backdrop: Tensor | None = None,
    ) -> Rendering:
        """The people of the sources in the target poses."""
        return self.render(self.encode(source, source_pose, backdrop), target_pose)


# --- training ------------------------------------------------------------------------------------


class LossWeights(NamedTuple):
    """Of both stages."""

    pixels: float = 10.0  # the pose-mask loss of either stage
    adversarial: float = 1.0


class Training(Objective):
    """Both stages in one phase, as neither hands gradients to the other; then the discriminator,
    which is shown the picture that was made in the same step."""

    def __init__(self, config: PG2Config, weights: LossWeights | None = None):
        super().__init__()
        self.weights = LossWeights() if weights is None else weights
        self.model = PG2(config, adversarial=self.weights.adversarial > 0)
        self.made: dict[torch.Generator, Tensor] = {}  # of the step, one for each share of it

    def phases(self) -> dict[str, list[nn.Parameter]]:
        both = [*self.model.coarse.parameters(), *self.model.refine.parameters()]
        if not self.weights.adversarial:
            return {"generator": both}
        return {"generator": both, "discriminator": list(self.model.discriminator.parameters())}

    def forward(self, phase: str, batch: tuple, step: Step) -> dict[str, Tensor]:
        if phase == "discriminator":
            image = self.made.pop(step.generator, None)
            if image is None:
                with torch.no_grad():
                    image = self.run(self.model, batch).image
            real, fake = self._judged(batch, batch.target), self._judged(batch, image)
            return {"discriminator": F.softplus(-real).mean() + F.softplus(fake).mean()}
        rendering, size = self.run(self.model, batch), batch.target.shape[2:]
        target = Pose(batch.target_joints, batch.target_known)
        mask = poses.person_mask(target, *size, self.model.config.radius)
        terms = {
            stage: self.weights.pixels * pose_mask_loss(image, batch.target, mask)
            for stage, image in (("coarse", rendering.coarse), ("refine", rendering.image))
        }
        if self.weights.adversarial:
            fake = F.softplus(-self._judged(batch, rendering.image)).mean()
            terms["adversarial"] = self.weights.adversarial * fake
            if self.training:
                self.made[step.generator] = rendering.image.detach()
        return terms

    def _judged(self, batch: tuple, image: Tensor) -> Tensor:
        """Logits of patches of a picture, shown with its source."""
        _, score = self.model.discriminator(2 * torch.cat([batch.source, image], dim=1) - 1)
        return score

    def run(self, model: nn.Module, batch: tuple) -> Rendering:
        source = Pose(batch.source_joints, batch.source_known)
        target = Pose(batch.target_joints, batch.target_known)
        return model(batch.source, source, target, batch.backdrop)


def pg2_small() -> PG2Config:
    """128 x 64 for a CPU: 1,942,090 parameters."""
    return replace(PG2Config(), channels=15, disc_channels=24)


SYSTEM = System(PG2Config, PG2, Training)
