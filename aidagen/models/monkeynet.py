"""Monkey-Net: Animating Arbitrary Objects via Deep Motion Transfer.

Siarohin, Lathuilière, Tulyakov, Ricci, Sebe. CVPR 2019 (arXiv:1812.08861).

An unsupervised detector finds K keypoints *and the covariance of each one's heat map*. The motion
near a keypoint from source S to driving frame D is a plain shift, p_S - p_D. A small network mixes
the K shifts (and "stay where you are") by masks, adds a residual flow, and a U-Net paints the
driving frame from the source's features: every skip connection is *deformed* by the flow, so that
the picture that is passed on stands where the one that is painted stands.

How this differs from the paper's code: convolutions are 2-D (the authors' are 1 x 3 x 3 over a
depth of one; ``published_state`` squeezes them, exactly); the sampler's ``align_corners`` is
explicit (True is how it was trained); the smallest singular value is clamped, where the original's
can be NaN; ``anti_alias``, ``resize="corners"``, ``blend``, ``deformed_skips=False`` are options
that no published config uses, as are the loss terms marked "ours".

Letters: B frames, K keypoints, J = K + 1 maps with the background first, C channels, H W pixels of
the picture, h w of the motion map; mu a keypoint, Sigma its covariance. Equations: see lecture 04.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, no_type_check

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import blocks, grids, kernels, keypoints, losses
from aidagen.errors import AidagenError
from aidagen.objectives import Reconstruction, untrained
from aidagen.systems import Step, System


class ModelError(AidagenError):
    """An input that does not fit the model."""


@dataclass(frozen=True)
class MonkeyNetConfig:
    """Sizes of the system; the defaults are the published ``nemo`` (64 px)."""

    size: int = 64  # height and width of the picture
    keypoints: int = 10
    variance: Literal["matrix", "single"] | float = "matrix"  # of the bumps; a number is constant
    clip_variance: float | None = 0.001  # the smallest that a covariance may be in any direction
    temperature: float = 0.1  # of the keypoint softmax
    heatmap_norm: Literal["sum"] | float = 100.0  # bumps are divided by their sum or by a number
    kp_scale: float = 1.0  # the detector looks at the picture at this scale
    kp_width: int = 32
    kp_blocks: int = 5
    kp_max: int = 512
    motion: bool = True  # False: the paper's "no flow" (see Generator)
    masks: bool = True  # False: the paper's "no coarse" motion, the residual flow is all
    residual: bool = True  # False: the paper's "no residual" flow
    motion_scale: float = 1.0
    motion_difference: bool = False  # the network that finds the flow sees p_S - p_D
    motion_image: bool = True  # ... and the source moved by it; False: the paper's "no x" row
    group_blocks: int = 2  # each looks at one keypoint's channels
    motion_width: int = 32
    motion_blocks: int = 5
    motion_max: int = 512
    embedding: bool = True  # the decoder is told where keypoints came and went
    embedding_scale: float = 1.0
    width: int = 32  # of the generator
    blocks: int = 5
    max_width: int = 512
    res_blocks: int = 4  # that refine the picture
    resize: Literal["nearest", "bilinear", "corners"] = "nearest"  # of the flow, at every skip
    deformed_skips: bool = True  # False: only the picture is warped, features are passed as is
    anti_alias: bool = False  # published: every n-th pixel is picked, without a blur
    blend: bool = False  # keep the warped source where it serves, paint only the rest
    disc_width: int = 32
    disc_blocks: int = 4
    disc_max: int = 256
    align_corners: bool = True


class Motion(NamedTuple):
    """What is known about the pose of B frames."""

    points: Float[Tensor, "B K 2"]
    covariances: Float[Tensor, "B K 2 2"]
    heatmaps: Float[Tensor, "B K h w"] | None = None


class Encoded(NamedTuple):
    """All that depends on the source alone."""

    image: Float[Tensor, "1 3 H W"]
    motion: Motion
    small: Float[Tensor, "1 3 h w"]  # what the dense-motion network sees
    features: tuple[Tensor, ...]  # the levels of the encoder, finest first; what is warped


class Rendering(NamedTuple):
    """A generated frame and every intermediate that led to it; None what a config has not."""

    image: Float[Tensor, "B 3 H W"]
    deformed: Float[Tensor, "B 3 H W"]  # the raw source, warped by the flow
    flow: Float[Tensor, "B h w 2"]  # where each place reads the source
    masks: Float[Tensor, "B J h w"] | None  # the mixture, background first
    residual: Float[Tensor, "B h w 2"] | None  # the part of the flow that is no keypoint's
    maps: kernels.Maps | None  # one shift per keypoint
    sparse_deformed: Float[Tensor, "B J 3 h w"] | None  # the source, shifted by each, itself first
    heatmaps: Float[Tensor, "B J h w"] | None  # driving minus source bumps, zeros first
    kept: Float[Tensor, "B 1 H W"] | None  # blend: 1 the warped source, 0 painted
    motion: Motion

    @property
    def sparse_motion(self) -> Float[Tensor, "B J h w 2"] | None:
        return None if self.maps is None else self.maps.grids(*self.flow.shape[-3:-1])


# --- the equations -------------------------------------------------------------------------------


def bumps(
    motion: Motion, height: int, width: int, norm: Literal["sum"] | float
) -> Float[Tensor, "B K h w"]:
    """The keypoints as smooth bumps, each over its sum or over a number."""
    maps = keypoints.gaussian_maps(motion.points, height, width, motion.covariances)
    # eq. (4): G(z) = exp(-(z - mu)^T Sigma^-1 (z - mu) / 2), then over its sum or a number
    return maps / (maps.sum((2, 3), keepdim=True) if norm == "sum" else norm)


def differences(source: Motion, driving: Motion) -> Float[Tensor, "B J 2"]:
    """The shift p_S - p_D of every keypoint, after a zero one for the background."""
    return F.pad(source.points - driving.points, (0, 0, 1, 0))


def mix(
    masks: Float[Tensor, "B J h w"], shifts: Float[Tensor, "B J 2"]
) -> Float[Tensor, "B h w 2"]:
    """Coarse flow: every place follows the keypoints that claim it, sum_k M_k(z) (p_S - p_D)_k."""
    return torch.einsum("bjhw,bjc->bhwc", masks, shifts)


# --- the networks --------------------------------------------------------------------------------


class KeypointDetector(nn.Module):
    """Picture -> K keypoints, each with the covariance of its heat map."""

    def __init__(self, config: MonkeyNetConfig):
        super().__init__()
        self.config = config
        scale, *sizes = config.kp_scale, config.kp_width, config.kp_blocks, config.kp_max
        self.down = blocks.AntiAlias(3, scale) if config.anti_alias else blocks.Pick(scale)
        self.predictor = blocks.Hourglass(3, *sizes, c_out=config.keypoints)

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> Motion:
        variance, logits = self.config.variance, self.predictor(self.down(image))  # (B, K, h, w)
        heat = keypoints.soft_argmax(logits, self.config.temperature)[1]
        heat = heat + 1e-7  # as published, so that a single pixel still has an extent
        # eq. (3): mu = sum_z H(z) z, Sigma = sum_z H(z) (z - mu)(z - mu)^T
        points, covariances = keypoints.moments(heat)
        identity = torch.eye(2, device=image.device, dtype=image.dtype)
        if variance == "single":
            mean = covariances.diagonal(dim1=-2, dim2=-1).mean(-1)  # (B, K)
            covariances = mean[..., None, None] * identity
        elif variance != "matrix":
            covariances = (variance * identity).expand_as(covariances)
        elif self.config.clip_variance:
            covariances = keypoints.clip_variance(covariances, self.config.clip_variance)
        return Motion(points, covariances, heat)


class DenseMotion(NamedTuple):
    flow: Float[Tensor, "B h w 2"]
    masks: Float[Tensor, "B J h w"] | None = None
    residual: Float[Tensor, "B h w 2"] | None = None
    maps: kernels.Maps | None = None
    sparse_deformed: Float[Tensor, "B J 3 h w"] | None = None
    heatmaps: Float[Tensor, "B J h w"] | None = None

    sparse_motion = Rendering.sparse_motion


class DenseMotionNetwork(nn.Module):
    """Keypoints of source and driving frame -> dense flow."""

    def __init__(self, config: MonkeyNetConfig):
        super().__init__()
        self.config = config
        scale = config.motion_scale
        self.down = blocks.AntiAlias(3, scale) if config.anti_alias else blocks.Pick(scale)
        j = config.keypoints + 1
        channels = j * (1 + 2 * config.motion_difference + 3 * config.motion_image)
        self.group_blocks = nn.ModuleList(
            blocks.SameBlock(channels, channels, 1, groups=j) for _ in range(config.group_blocks)
        )
        out = j * config.masks + 2 * config.residual
        sizes = (config.motion_width, config.motion_blocks, config.motion_max)
        self.hourglass = blocks.Hourglass(channels, *sizes, c_out=out)
        # start from "nothing moves"
        last = self.hourglass.decoder.conv
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        nn.init.constant_(last.bias[:1], 2.0 if config.masks else 0.0)

    def forward(
        self, small: Float[Tensor, "B 3 h w"], source: Motion, driving: Motion
    ) -> DenseMotion:
        b, _, h, w = small.shape
        config, shifts = self.config, differences(source, driving)  # (B, J, 2)
        j = shifts.shape[1]
        heat = bumps(driving, h, w, config.heatmap_norm) - bumps(source, h, w, config.heatmap_norm)
        heat = F.pad(heat, (0, 0, 0, 0, 1, 0))  # (B, J, h, w), zeros first
        grid = grids.identity_grid(h, w, device=small.device, dtype=small.dtype)
        maps = kernels.Maps(shifts[:, 1:], torch.zeros_like(shifts[:, 1:]))  # z + (p_S - p_D)
        parts, deformed = [heat[:, :, None]], None
        if config.motion_difference:
            parts.append(shifts[..., None, None].expand(-1, -1, -1, h, w))
        if config.motion_image:
            corners = config.align_corners
            deformed = kernels.local_affine_warp(small, *maps, identity=True, align_corners=corners)
            parts.append(deformed)
        x = torch.cat(parts, dim=2).flatten(1, 2)  # (B, J C, h, w)
        for block in self.group_blocks:
            x = block(x)
        x = self.hourglass(x)  # (B, J + 2, h, w)
        masks = residual = None
        flow = grid.expand(b, -1, -1, -1)
        if config.masks:
            masks = x[:, :j].softmax(1)  # (B, J, h, w)
            flow = flow + mix(masks, shifts)  # eq. (5): F = sum_k M_k (mu_S - mu_D)_k + R
        if config.residual:
            residual = x[:, -2:].permute(0, 2, 3, 1)  # (B, h, w, 2)
            flow = flow + residual
        return DenseMotion(flow, masks, residual, maps, deformed, heat)


class Generator(nn.Module):
    """Paints the driving frame from the source's features, every level deformed by the flow.

    ``motion=False`` is the paper's "no flow": plain skips; of the motion it is told by the keypoint
    embedding alone. ``deformed_skips=False`` is no row of the paper: the flow is found and warps
    the picture (the outermost skip), but features are passed on where they were.
    """

    def __init__(self, config: MonkeyNetConfig):
        super().__init__()
        self.config = config
        sizes = (config.width, config.blocks, config.max_width)
        self.appearance_encoder = blocks.Encoder(3, *sizes)
        self.dense_motion_module = DenseMotionNetwork(config) if config.motion else None
        self.video_decoder = blocks.Decoder(3, *sizes, extra=config.keypoints * config.embedding)
        channels = self.video_decoder.channels
        layers = {f"r{i}": blocks.ResBlock(channels) for i in range(config.res_blocks)}
        layers["conv-last"] = nn.Conv2d(channels, 3 + config.blend, 1)
        self.refinement_module = nn.Sequential(OrderedDict(layers))

    def encode(self, image: Float[Tensor, "B 3 H W"], motion: Motion) -> Encoded:
        dense = self.dense_motion_module
        small = image if dense is None else dense.down(image)
        return Encoded(image, motion, small, tuple(self.appearance_encoder(image)[1:]))

    def forward(self, encoded: Encoded, driving: Motion) -> Rendering:
        config, image = self.config, encoded.image
        if self.dense_motion_module is None:
            grid = grids.identity_grid(*image.shape[2:], device=image.device, dtype=image.dtype)
            dense = DenseMotion(grid.expand(len(image), -1, -1, -1))
        else:
            dense = self.dense_motion_module(encoded.small, encoded.motion, driving)
        deformed = self._warp(image, dense.flow)  # (B, 3, H, W)
        levels = [deformed]  # eq. (6): xi'_i(z) = [xi_i(z + F(z)), G_D - G_S]
        for level in encoded.features:
            levels.append(self._warp(level, dense.flow) if config.deformed_skips else level)
        if config.embedding:
            size = [round(n * config.embedding_scale) for n in image.shape[2:]]
            norm = config.heatmap_norm
            moved = bumps(driving, *size, norm) - bumps(encoded.motion, *size, norm)
            sizes = [(*x.shape[2:], config.resize) for x in levels]
            levels = [torch.cat([x, kernels.resized(moved, *n)], 1) for x, n in zip(levels, sizes)]
        x = self.refinement_module(self.video_decoder(levels))  # (B, 3 or 4, H, W)
        image, kept = x[:, :3].sigmoid(), None
        if config.blend:
            kept = x[:, 3:].sigmoid()
            image = kept * deformed + (1 - kept) * image
        return Rendering(image, deformed, *dense, kept=kept, motion=driving)

    def by_keypoints(self, image: Float[Tensor, "B 3 H W"], rendering: Rendering) -> Tensor:
        """The source warped by the keypoints' part of the flow alone, (B, 3, H, W)."""
        flow, residual = rendering.flow, rendering.residual
        return self._warp(image, flow if residual is None else flow - residual)

    def _warp(self, x: Tensor, flow: Tensor) -> Tensor:
        resize, corners = self.config.resize, self.config.align_corners
        return kernels.warp_by_flow(x, flow, resize=resize, align_corners=corners)


class Discriminator(blocks.PatchDiscriminator):
    """Patch scores of a picture together with its keypoints' bumps."""

    def __init__(self, config: MonkeyNetConfig):
        sizes = (config.disc_width, config.disc_blocks, config.disc_max)
        super().__init__(3 + config.keypoints, *sizes, pool_last=True)
        self.norm = config.heatmap_norm

    def forward(self, image: Float[Tensor, "B 3 H W"], motion: Motion) -> tuple[list, Tensor]:
        """Every block's features (the paper's map 0 is the picture, left out), and scores."""
        return super().forward(torch.cat([image, bumps(motion, *image.shape[2:], self.norm)], 1))


class MonkeyNet(nn.Module):
    """The system. ``encode``, ``motion``, ``relative`` and ``render`` are all that animation needs.

    Pictures are (B, 3, size, size) in [0, 1]. Raises ``ModelError`` on any other shape.
    """

    def __init__(self, config: MonkeyNetConfig, adversarial: bool = False):
        super().__init__()
        if config.motion and not (config.masks or config.residual):
            raise ModelError("A flow is made of masks, of a residual or of both; got neither.")
        self.config = config
        self.kp_detector = KeypointDetector(config)
        self.generator = Generator(config)
        self.discriminator = Discriminator(config) if adversarial else None

    def encode(self, source: Float[Tensor, "B 3 H W"]) -> Encoded:
        """All that depends on the source alone; do it once per clip."""
        return self.generator.encode(source, self.motion(source))

    @no_type_check  # what it is given is checked by hand, in a sentence
    def motion(self, frames: Float[Tensor, "B 3 H W"]) -> Motion:
        """Keypoints and covariances of every frame."""
        if frames.ndim != 4 or frames.shape[1] != 3 or set(frames.shape[2:]) != {self.config.size}:
            raise ModelError(
                f"This model takes pictures (B, 3, {self.config.size}, {self.config.size}); got "
                f"{tuple(frames.shape)}. Crop and resize them first (Animator does it for you)."
            )
        return self.kp_detector(frames)

    def relative(
        self,
        motion: Motion,
        first: Motion,
        encoded: Encoded,
        adapt_scale: bool = False,
        *,
        move_location: bool = True,
        adapt_variance: bool = False,
        clip_mean: bool = False,
    ) -> Motion:
        """The source's own pose, moved as the driving frames moved since ``first``.

        As published the covariances are the driving ones; ``adapt_variance`` gives the source's,
        changed as the driving ones changed. ``clip_mean`` keeps points inside the picture; without
        ``move_location`` they are the driving ones.
        """
        source, (points, covariances, heat), scale = encoded.motion, motion, 1.0
        if adapt_scale:
            scale = keypoints.hull_scale(source.points[0], first.points[0])
        if move_location:  # eq. (8): mu = mu_S + s (mu_t - mu_1)
            points = keypoints.relative_points(source.points, points, first.points, scale)
        if adapt_variance:  # eq. (9): Sigma = sym(Sigma_t Sigma_1^-1 Sigma_S), kept positive
            known = source.covariances, covariances, first.covariances
            covariances = keypoints.relative_covariances(*known)
        return Motion(points.clamp(-1, 1) if clip_mean else points, covariances, heat)

    def render(self, encoded: Encoded, motion: Motion) -> Rendering:
        """The source in the pose ``motion``; one source serves any number of frames."""
        if len(encoded.image) == 1 and (b := len(motion.points)) > 1:
            encoded = Encoded(
                encoded.image.expand(b, -1, -1, -1),
                Motion(*(x if x is None else x.expand(b, *x.shape[1:]) for x in encoded.motion)),
                encoded.small.expand(b, -1, -1, -1),
                tuple(x.expand(b, -1, -1, -1) for x in encoded.features),
            )
        return self.generator(encoded, motion)

    def forward(
        self, source: Float[Tensor, "B 3 H W"], driving: Float[Tensor, "B 3 H W"]
    ) -> Rendering:
        """Reconstruct driving frames from source frames of the same clips (how it is trained)."""
        both = self.motion(torch.cat([source, driving]))  # one pass through the detector
        first, second = (Motion(*(x.chunk(2)[i] for x in both)) for i in (0, 1))
        return self.generator(self.generator.encode(source, first), second)


# --- the loss ------------------------------------------------------------------------------------


class LossWeights(NamedTuple):
    """As published; ``deformed`` is 10 for ``bair``."""

    pixels: float = 10.0  # plain L1: the discriminator's map 0
    feature_matching: tuple[float, ...] = (10.0, 10.0, 10.0, 1.0)  # its maps 1 to 4
    adversarial: float = 1.0
    deformed: float = 0.0  # L1 of the warped source alone
    perceptual: float = 0.0  # ours: features of a pretrained network, as FOMM has it
    warp: float = 0.0  # ours: as deformed, at four scales, so that the flow learns first
    keypoint_warp: float = 0.0  # ours: as warp without the residual, which else may do all the work
    separation: float = 0.0  # ours: small detectors else put all keypoints in one place
    scales: tuple[float, ...] = (1.0,)  # of the perceptual pyramid


def generator_loss(
    model: MonkeyNet,
    driving: Float[Tensor, "B 3 H W"],
    rendering: Rendering,
    perceptual: losses.PerceptualPyramid | None,
    weights: LossWeights = LossWeights(),  # noqa: B008 - immutable
) -> dict[str, Float[Tensor, ""]]:
    """Every term, weighted; their sum is what detector and generator descend."""
    terms = {}
    image, deformed = rendering.image, rendering.deformed
    if perceptual is not None and weights.perceptual:
        terms["perceptual"] = weights.perceptual * perceptual(image, driving)
    if weights.pixels:
        terms["pixels"] = weights.pixels * F.l1_loss(image, driving)
    if weights.deformed:
        terms["deformed"] = weights.deformed * F.l1_loss(deformed, driving)
    if weights.warp:
        terms["warp"] = weights.warp * losses.scaled_l1(deformed, driving)
    if weights.adversarial:
        # as published, keypoints learn from what the discriminator says, but not in its own step
        fake, score = model.discriminator(rendering.image, rendering.motion)
        terms["adversarial"] = weights.adversarial * losses.least_squares_generator(score)
        real, _ = model.discriminator(driving, rendering.motion)
        # eq. (7): L_rec = sum_i lambda_i |phi_i(D, G_D) - phi_i(D^, G_D)|
        levels = zip(weights.feature_matching, fake, real, strict=True)
        terms["feature_matching"] = sum(w * F.l1_loss(a, b) for w, a, b in levels)
    if weights.separation:
        terms["separation"] = weights.separation * losses.separation(rendering.motion.points)
    return terms


def discriminator_loss(
    model: MonkeyNet, driving: Float[Tensor, "B 3 H W"], rendering: Rendering
) -> Float[Tensor, ""]:
    """LSGAN on patches; picture and keypoints are detached."""
    motion = Motion(rendering.motion.points.detach(), rendering.motion.covariances.detach())
    _, real = model.discriminator(driving, motion)
    _, fake = model.discriminator(rendering.image.detach(), motion)
    return losses.least_squares_discriminator(real, fake)


class Objective(Reconstruction):
    """The losses above."""

    def terms(self, batch: tuple, rendering: Rendering, step: Step) -> dict[str, Tensor]:
        terms = generator_loss(self.model, batch.driving, rendering, self.perceptual, self.weights)
        if self.weights.keypoint_warp:
            deformed = self.model.generator.by_keypoints(batch.source, rendering)
            loss = losses.scaled_l1(deformed, batch.driving)
            terms["keypoint_warp"] = self.weights.keypoint_warp * loss
        return terms

    def critic_loss(self, batch: tuple, rendering: Rendering) -> Float[Tensor, ""]:
        return discriminator_loss(self.model, batch.driving, rendering)


# --- named sizes ---------------------------------------------------------------------------------

_WIDE = {"kp_max": 1024, "motion_max": 1024, "max_width": 1024}
_VOX = MonkeyNetConfig(size=256, blocks=7, embedding_scale=0.25, resize="bilinear", **_WIDE)

PUBLISHED: dict[str, MonkeyNetConfig] = {
    "shapes": MonkeyNetConfig(
        keypoints=4, heatmap_norm=10.0, clip_variance=None, group_blocks=0, width=16, max_width=128,
        kp_width=16, kp_max=128, motion_width=16, motion_max=128,
    ),
    "actions": MonkeyNetConfig(clip_variance=None),
    "bair": MonkeyNetConfig(heatmap_norm="sum"),
    "nemo": MonkeyNetConfig(),
    "taichi": MonkeyNetConfig(**_WIDE),
    "moving-gif": MonkeyNetConfig(
        size=128, blocks=6, kp_scale=0.5, motion_scale=0.5, embedding_scale=0.5,
        motion_difference=True, **_WIDE,
    ),
    "vox": replace(_VOX, kp_scale=0.25, motion_scale=0.25),
    "vox-full": _VOX,
}  # fmt: skip


def monkeynet_published(config: str, align_corners: bool = True) -> MonkeyNetConfig:
    """A published config by name (from 3.1 M parameters to 94.8 M; a GPU's work to train)."""
    if config not in PUBLISHED:
        raise ModelError(f"No published config {config!r}; there are {', '.join(PUBLISHED)}.")
    return replace(PUBLISHED[config], align_corners=align_corners)


def published_state(parts: dict, model: MonkeyNet) -> dict[str, Tensor]:
    """The authors' container as ``model``'s state: 1 x k x k kernels become k x k.

    ``parts`` is ``{"generator": state, "kp_detector": state, ...}``; the discriminator's state is
    used if the model has one, whatever else the container holds is left. Nothing is checked here:
    a kernel that is not one frame deep stays as it is, of a shape that will not fit.
    """
    state = {}
    for name, _ in model.named_children():
        for key, value in parts.get(name, {}).items():
            flat = value.ndim == 5 and value.shape[2] == 1
            state[f"{name}.{key}"] = value.squeeze(2) if flat else value
    return state


def monkeynet_small() -> MonkeyNetConfig:
    """The shipped 64 px models: 959,941 parameters; 0.25 s per step (8 pairs) on a core."""
    return MonkeyNetConfig(
        size=64, heatmap_norm=1.0, anti_alias=True, resize="corners", blend=True,
        kp_scale=0.5, kp_width=16, kp_blocks=3, kp_max=128,
        motion_scale=0.5, motion_difference=True, group_blocks=1,
        motion_width=32, motion_blocks=3, motion_max=128,
        embedding_scale=0.5, width=12, blocks=3, max_width=96, res_blocks=1,
        disc_width=16, disc_blocks=3, disc_max=64,
    )  # fmt: skip


SYSTEM = System(
    MonkeyNetConfig, MonkeyNet, untrained(MonkeyNet, Objective, LossWeights),
    monkeynet_published, ("generator", "kp_detector"), published_state,
)  # fmt: skip
