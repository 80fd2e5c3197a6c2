"""Deformable GANs for Pose-based Human Image Generation.

Siarohin, Sangineto, Lathuilière, Sebe. CVPR 2018 (arXiv:1801.00055), and with the stickman, the
background and the spatial transformer as in the authors' later code (TPAMI 2021, arXiv:1905.00007).

A picture of a person and a pose -> that person in that pose. A U-Net copies fine detail along its
skip connections, but only to the place where it was; here the skips of the source are *deformed*:
ten parts of the body (`deformable_gan_geometry`) carry their features to where the target pose has
them. Two streams encode what the person looks like and which pose is wanted; a decoder reads the
deformed skips of the one beside the plain skips of the other. A discriminator judges patches of
(source, its pose, picture, its pose). The nearest-neighbour loss compares features with the best
match *near* their place, so that a texture shifted by a pixel costs little and need not be blurred.

How this differs from the authors' code: pictures come and go in [0, 1] (inside, as there, they are
in [-1, 1]); scores are logits, so that -log D needs no 1e-7; the localisation net of ``stn`` takes
joints in [-1, 1] instead of pixels, the same network up to the scale of its first layer; the
features of the losses (`deformable_gan_losses`) are those of whatever network is given (theirs:
VGG-19; ours: `Features`). Of its options, ``sampling`` and ``norm`` are as published by default;
``composite`` is not theirs. What else is the same, sizes included, is held against the original in
the tests.

Letters: B people, P parts, C channels, H W pixels of the picture, h w of a level.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, no_type_check

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import poses
from aidagen.errors import AidagenError
from aidagen.kernels.parts import warp_parts
from aidagen.models import deformable_gan_geometry as geometry
from aidagen.models.deformable_gan_losses import (
    Features,
    discriminator_gan_loss,
    generator_gan_loss,
    nearest_neighbour_loss,
)
from aidagen.objectives import Reconstruction, untrained
from aidagen.poses import Pose
from aidagen.systems import Step, System


class ModelError(AidagenError):
    """An input that does not fit the model."""


@dataclass(frozen=True)
class DeformableGANConfig:
    """Sizes of the system; the defaults are the published ones for Market-1501."""

    height: int = 128  # of the picture
    width: int = 64
    # which maps the skips follow: ten parts, one affine fit, one predicted affine, none
    warp: Literal["mask", "full", "stn", "none"] = "mask"
    aggregate: Literal["max", "average"] = "max"  # of the ten parts
    sampling: Literal["published", "bilinear"] = "published"  # published: the nearest pixel
    deformed: int = 4  # levels whose skips follow the maps; deeper ones are copied
    pose: Literal["heatmaps", "stickman"] = "heatmaps"
    sigma: float = 6.0  # of a heat map's bump, in pixels
    background: bool = False  # whether a backdrop is given, to paint the person before
    composite: bool = False  # ours: laid over the backdrop by a mask, instead of painting it anew
    levels: int = 6  # each but the first halves the picture; 7 for 256 x 256
    channels: int = 64  # of the first level, doubled at each further one
    max_channels: int = 512
    norm: Literal["joint", "instance"] = "joint"  # published: over channels, too
    dropout: float = 0.5  # in the three deepest blocks of the decoder
    disc_channels: int = 64
    disc_blocks: int = 3  # 3 x 1 patches at 128 x 64

    @property
    def sizes(self) -> list[int]:
        """Channels of every level."""
        return [min(self.max_channels, self.channels * 2**i) for i in range(self.levels)]


class Encoded(NamedTuple):
    """All that depends on the source alone."""

    image: Float[Tensor, "B 3 H W"]
    pose: Pose
    backdrop: Float[Tensor, "B 3 H W"] | None
    levels: tuple[Float[Tensor, "B C h w"], ...]  # of the appearance stream; none without a warp


class Rendering(NamedTuple):
    """A generated picture and every intermediate that led to it."""

    image: Float[Tensor, "B 3 H W"]  # in [0, 1]
    maps: Float[Tensor, "B P 2 3"] | None  # target pixels to source pixels; ``stn``: in [-1, 1]
    masks: Float[Tensor, "B P H W"] | None
    skips: tuple[Float[Tensor, "B C h w"], ...]  # of the source, deformed; none without a warp
    pose_map: Float[Tensor, "B C H W"]  # the target pose as the network sees it
    figure: Float[Tensor, "B 1 H W"] | None  # ``composite``: how much of a pixel is not backdrop


# --- the networks --------------------------------------------------------------------------------


class JointNorm(nn.Module):
    """(x - mean) / (deviation + 0.001) over channels, height and width of each picture together.

    One scale and one shift for all channels: what the authors' "instance normalisation" computes.
    """

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        mean = x.mean((1, 2, 3), keepdim=True)
        deviation = (x - mean).square().mean((1, 2, 3), keepdim=True)
        # the square root of 0 has no gradient
        deviation = torch.where(deviation > 0, deviation.clamp(min=1e-24).sqrt(), deviation)
        return self.weight * (x - mean) / (deviation + 1e-3) + self.bias


def _norm(config: DeformableGANConfig, channels: int) -> nn.Module:
    return JointNorm() if config.norm == "joint" else nn.InstanceNorm2d(channels, affine=True)


class Down(nn.Sequential):
    """leaky ReLU .2 -> conv 4 of stride 2 -> norm, if there is one; halves height and width."""

    def __init__(self, c_in: int, c_out: int, norm: nn.Module | None):
        conv = nn.Conv2d(c_in, c_out, 4, stride=2, padding=1, bias=False)
        super().__init__(nn.LeakyReLU(0.2), conv, *([norm] if norm is not None else []))


class Up(nn.Sequential):
    """ReLU -> transposed conv 4 of stride 2 -> norm -> dropout; doubles height and width."""

    def __init__(self, c_in: int, c_out: int, norm: nn.Module, dropout: float):
        conv = nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1, bias=False)
        super().__init__(nn.ReLU(), conv, norm, nn.Dropout(dropout))


class Stream(nn.Module):
    """An encoder that returns every level: H x W, H/2 x W/2, ..."""

    def __init__(self, c_in: int, config: DeformableGANConfig):
        super().__init__()
        sizes = config.sizes
        self.first = nn.Conv2d(c_in, sizes[0], 3, padding=1)
        self.downs = nn.ModuleList()
        for i, (a, b) in enumerate(zip(sizes, sizes[1:]), start=1):
            self.downs.append(Down(a, b, _norm(config, b) if i < len(sizes) - 1 else None))

    def forward(self, x: Float[Tensor, "B C H W"]) -> tuple[Tensor, ...]:
        levels = [self.first(x)]
        for down in self.downs:
            levels.append(down(levels[-1]))
        return tuple(levels)


class Decoder(nn.Module):
    """Deepest level -> picture in [-1, 1], by way of the skips of one or two streams.

    With ``composite`` a fourth channel: the logit of the mask.
    """

    def __init__(self, config: DeformableGANConfig, streams: int):
        super().__init__()
        sizes = config.sizes
        self.ups = nn.ModuleList()
        inside = streams * sizes[-1]
        for i, (skip, out) in enumerate(zip(reversed(sizes[:-1]), reversed(sizes[1:]))):
            dropout = config.dropout if i < 3 else 0.0
            self.ups.append(Up(inside, out, _norm(config, out), dropout))
            inside = out + streams * skip
        self.last = nn.Conv2d(inside, 3 + config.composite, 3, padding=1)

    def forward(self, levels: Sequence[Tensor]) -> Float[Tensor, "B C H W"]:
        x = levels[-1]
        for up, skip in zip(self.ups, reversed(levels[:-1])):
            x = torch.cat([up(x), skip], dim=1)
        last = self.last(F.relu(x))
        return torch.cat([last[:, :3].tanh(), last[:, 3:]], dim=1)


class Skips(nn.Module):
    """The source's features, level by level, carried to where the target pose has them.

    Each variant has its own maps; see `deformable_gan_geometry`.
    """

    def __init__(self, config: DeformableGANConfig):
        super().__init__()
        self.config = config
        self.localisation = geometry.LocalisationNet() if config.warp == "stn" else None

    def maps(self, source: Pose, target: Pose) -> tuple[Tensor | None, Tensor | None]:
        """(maps (B, P, 2, 3) in pixels of the picture, masks (B, P, H, W)), None where not used.

        The map of ``stn`` is one of coordinates in [-1, 1].
        """
        size = self.config.height, self.config.width
        if self.config.warp == "mask":
            maps = geometry.part_maps(source, target, *size)
            return maps, geometry.part_masks(source, target, *size)
        if self.config.warp == "full":
            return geometry.whole_map(source, target, *size), None
        return self.localisation(source, target, *size)[:, None], None

    def forward(
        self, levels: tuple[Tensor, ...], maps: Tensor, masks: Tensor | None
    ) -> tuple[Tensor, ...]:
        deformed = tuple(self.deform(x, maps, masks) for x in levels[: self.config.deformed])
        return deformed + levels[self.config.deformed :]

    def deform(
        self, x: Float[Tensor, "B C h w"], maps: Float[Tensor, "B P 2 3"], masks: Tensor | None
    ) -> Float[Tensor, "B C h w"]:
        """One level.

        "max" compares with zero where a mask is 0, so a negative feature survives only where all
        masks are 1; the decoder, which begins with a ReLU, would drop it anyway.
        """
        config, (h, w) = self.config, x.shape[2:]
        if config.warp == "stn":
            return geometry.transformed(x, maps[:, 0], config.sampling == "published")
        maps = geometry.at_level(maps, config.height, config.width, x)
        if masks is not None:  # every n-th pixel of the picture is one of the level
            masks = masks[..., :: config.height // h, :: config.width // w]
        sampling = "nearest" if config.sampling == "published" else "bilinear"
        return warp_parts(x, maps, masks, sampling=sampling, aggregate=config.aggregate)


class Generator(nn.Module):
    """Two streams, deformed skips, one decoder; without a warp a single stream and plain skips."""

    def __init__(self, config: DeformableGANConfig):
        super().__init__()
        self.config = config
        pose = 3 if config.pose == "stickman" else len(poses.JOINTS)
        wanted = pose + 3 * config.background
        self.skips = None
        if config.warp == "none":
            self.appearance, self.wanted = Stream(3 + pose + wanted, config), None
        else:
            self.appearance, self.wanted = Stream(3 + pose, config), Stream(wanted, config)
            self.skips = Skips(config)
        self.decoder = Decoder(config, streams=1 if config.warp == "none" else 2)

    def forward(self, encoded: Encoded, target: Pose) -> Rendering:
        pose_map = pose_map_of(self.config, target)
        wanted = [pose_map] + ([_signed(encoded.backdrop)] if self.config.background else [])
        if self.skips is None:
            seen = [_signed(encoded.image), pose_map_of(self.config, encoded.pose)]
            levels = self.appearance(torch.cat(seen + wanted, dim=1))
            image, figure = self._image(levels, encoded)
            return Rendering(image, None, None, (), pose_map, figure)
        maps, masks = self.skips.maps(encoded.pose, target)
        deformed = self.skips(encoded.levels, maps, masks)
        levels = self.wanted(torch.cat(wanted, dim=1))
        both = [torch.cat(pair, dim=1) for pair in zip(deformed, levels)]
        image, figure = self._image(both, encoded)
        return Rendering(image, maps, masks, deformed, pose_map, figure)

    def _image(self, levels: Sequence[Tensor], encoded: Encoded) -> tuple[Tensor, Tensor | None]:
        """The picture, and the mask by which it was laid over the backdrop."""
        painted = self.decoder(levels)
        if not self.config.composite:
            return _unsigned(painted), None
        figure = painted[:, 3:].sigmoid()
        return encoded.backdrop + figure * (_unsigned(painted[:, :3]) - encoded.backdrop), figure


class Discriminator(nn.Module):
    """Logits of patches: are this source, its pose, this picture and its pose one person's?"""

    def __init__(self, config: DeformableGANConfig):
        super().__init__()
        self.config = config
        pose = 3 if config.pose == "stickman" else len(poses.JOINTS)
        c_in, width = 2 * (3 + pose) + 3 * config.background, config.disc_channels
        layers: list[nn.Module] = [nn.Conv2d(c_in, width, 4, stride=2)]
        for _ in range(config.disc_blocks):
            out = min(8 * config.disc_channels, 2 * width)
            layers.append(Down(width, out, _norm(config, out)))
            width = out
        self.layers = nn.Sequential(*layers, Down(width, 1, None))

    def forward(
        self,
        source: Float[Tensor, "B 3 H W"],
        source_map: Float[Tensor, "B C H W"],
        image: Float[Tensor, "B 3 H W"],
        image_map: Float[Tensor, "B C H W"],
        backdrop: Float[Tensor, "B 3 H W"] | None = None,
    ) -> Float[Tensor, "B 1 h w"]:
        seen = [_signed(source), source_map, _signed(image), image_map]
        if self.config.background:
            seen.append(_signed(backdrop))
        return self.layers(torch.cat(seen, dim=1))


def pose_map_of(config: DeformableGANConfig, pose: Pose) -> Float[Tensor, "B C H W"]:
    """A pose as the networks see it."""
    if config.pose == "stickman":
        return poses.stickman(pose, config.height, config.width).float()
    return poses.heatmaps(pose, config.height, config.width, config.sigma).float()


def _signed(image: Tensor) -> Tensor:
    return 2 * image - 1


def _unsigned(image: Tensor) -> Tensor:
    return (image + 1) / 2


class DeformableGAN(nn.Module):
    """The system. ``encode`` once for a source, ``render`` for any number of poses.

    Pictures are (B, 3, height, width) in [0, 1]. Raises ``ModelError`` on any other shape, and
    where a backdrop is needed and lacking.
    """

    def __init__(self, config: DeformableGANConfig, adversarial: bool = False):
        super().__init__()
        deepest = 2 ** (config.levels - 1)
        if config.height % deepest or config.width % deepest:
            raise ModelError(
                f"{config.levels} levels need a height and a width that {deepest} divides; got "
                f"{config.height} x {config.width}."
            )
        if config.composite and not config.background:
            raise ModelError("A person is laid over a backdrop: composite needs background.")
        self.config = config
        self.generator = Generator(config)
        self.discriminator = Discriminator(config) if adversarial else None

    @no_type_check  # what it is given is checked by hand, in sentences
    def encode(self, source, pose: Pose, backdrop=None) -> Encoded:
        """Pictures (B, 3, H, W), the poses in them and, if asked for, what is to be behind."""
        size = (3, self.config.height, self.config.width)
        for what, given in (("pictures", source), ("backdrops", backdrop)):
            if given is not None and tuple(given.shape[1:]) != size:
                raise ModelError(
                    f"This model takes {what} (B, {', '.join(map(str, size))}); got "
                    f"{tuple(given.shape)}."
                )
        if self.config.background and backdrop is None:
            raise ModelError("This model paints people before a given backdrop; give it one.")
        levels = ()
        if self.generator.skips is not None:
            seen = [_signed(source), pose_map_of(self.config, pose)]
            levels = self.generator.appearance(torch.cat(seen, dim=1))
        return Encoded(source, pose, backdrop, levels)

    def render(self, encoded: Encoded, pose: Pose) -> Rendering:
        """The person in the poses; one source serves any number of them."""
        b = len(pose.joints)
        if len(encoded.image) == 1 and b > 1:
            image, (joints, visible), backdrop, levels = encoded
            encoded = Encoded(
                image.expand(b, -1, -1, -1),
                Pose(joints.expand(b, -1, -1), visible.expand(b, -1)),
                None if backdrop is None else backdrop.expand(b, -1, -1, -1),
                tuple(level.expand(b, -1, -1, -1) for level in levels),
            )
        return self.generator(encoded, pose)

    def forward(
        self,
        source: Float[Tensor, "B 3 H W"],
        source_pose: Pose,
        target_pose: Pose,
        backdrop: Float[Tensor, "B 3 H W"] | None = None,
    ) -> Rendering:
        """The people of the sources in the target poses."""
        return self.render(self.encode(source, source_pose, backdrop), target_pose)


# --- training ------------------------------------------------------------------------------------


class LossWeights(NamedTuple):
    """As published for the whole method; its ablations take ``pixels=200`` or ``matching``.

    The published weights are those of pictures in [-1, 1] (100 of L1, which is 200 here) and of
    unnormalised VGG-19 features (0.01 of the distance summed over channels).
    """

    adversarial: float = 1.0
    nearest: float = 0.01  # the nearest-neighbour loss on the first features
    pixels: float = 0.0  # L1
    matching: float = 0.0  # L1 between the second features
    window: int = 3  # of the nearest-neighbour loss; 5 for 256 x 256


def generator_loss(
    model: DeformableGAN,
    batch: tuple,
    rendering: Rendering,
    features: nn.Module | None,
    weights: LossWeights = LossWeights(),  # noqa: B008 - immutable
) -> dict[str, Float[Tensor, ""]]:
    """Every term, weighted. ``features`` maps pictures to a list of two feature maps."""
    terms = {}
    if weights.adversarial:
        terms["adversarial"] = weights.adversarial * generator_gan_loss(
            _judged(model, batch, rendering, rendering.image)
        )
    if weights.pixels:
        terms["pixels"] = weights.pixels * F.l1_loss(rendering.image, batch.target)
    if weights.nearest or weights.matching:
        with torch.no_grad():
            real = features(batch.target)
        found = features(rendering.image)
        if weights.nearest:
            nearest = nearest_neighbour_loss(found[0], real[0], weights.window)
            terms["nearest"] = weights.nearest * nearest
        if weights.matching:
            terms["matching"] = weights.matching * F.l1_loss(found[1], real[1])
    return terms


def _judged(model: DeformableGAN, batch: tuple, rendering: Rendering, image: Tensor) -> Tensor:
    source_map = pose_map_of(model.config, Pose(batch.source_joints, batch.source_known))
    return model.discriminator(batch.source, source_map, image, rendering.pose_map, batch.backdrop)


def discriminator_loss(
    model: DeformableGAN, batch: tuple, rendering: Rendering
) -> Float[Tensor, ""]:
    """The real target against the generated one, both with the same source and poses."""
    real = _judged(model, batch, rendering, batch.target)
    fake = _judged(model, batch, rendering, rendering.image.detach())
    return discriminator_gan_loss(real, fake)


class Objective(Reconstruction):
    """The losses above, on batches of `aidagen.datasets.pose_pairs`.

    The discriminator is shown the picture that the generator made in the same step, before it
    moved. ``features``: those above, unless another network is given.
    """

    def __init__(self, model: nn.Module, weights: LossWeights, features: nn.Module | None = None):
        if features is None and (weights.nearest or weights.matching):
            features = Features(matching=weights.matching > 0)
        super().__init__(model, weights, features or nn.Identity())
        self.made: dict[torch.Generator, Rendering] = {}  # of the step, one for each share of it

    def forward(self, phase: str, batch: tuple, step: Step) -> dict[str, Tensor]:
        if phase == "discriminator" and step.generator in self.made:
            return {phase: self.critic_loss(batch, self.made.pop(step.generator))}
        if phase == "discriminator":
            return super().forward(phase, batch, step)
        rendering = self.run(self.model, batch)
        if self.weights.adversarial and self.training:
            self.made[step.generator] = rendering._replace(image=rendering.image.detach(), skips=())
        return self.terms(batch, rendering, step)

    def run(self, model: nn.Module, batch: tuple) -> Rendering:
        source = Pose(batch.source_joints, batch.source_known)
        target = Pose(batch.target_joints, batch.target_known)
        return model(batch.source, source, target, batch.backdrop)

    def terms(self, batch: tuple, rendering: Rendering, step: Step) -> dict[str, Tensor]:
        return generator_loss(self.model, batch, rendering, self.perceptual, self.weights)

    def critic_loss(self, batch: tuple, rendering: Rendering) -> Float[Tensor, ""]:
        return discriminator_loss(self.model, batch, rendering)


# --- named sizes ---------------------------------------------------------------------------------

MARKET = DeformableGANConfig()  # 61.1 M parameters (36.1 M with warp="none"), for a GPU
FASHION = replace(MARKET, height=256, width=256, levels=7)  # 82.1 M


def deformable_gan_small() -> DeformableGANConfig:
    """The same classes at 128 x 64 for a CPU: 1,760,493 parameters."""
    return replace(MARKET, channels=16, max_channels=80, disc_channels=24)


SYSTEM = System(
    DeformableGANConfig, DeformableGAN, untrained(DeformableGAN, Objective, LossWeights)
)
