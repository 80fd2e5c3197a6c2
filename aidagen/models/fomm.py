"""First Order Motion Model for Image Animation.

Siarohin, Lathuilière, Tulyakov, Ricci, Sebe. NeurIPS 2019 (arXiv:2003.00196).

An unsupervised detector finds K keypoints *and the 2 x 2 Jacobian of the motion around each*. Near
a keypoint the motion from source S to driving frame D is its first-order Taylor expansion; a small
network mixes the K expansions (and "stay where you are") into one dense flow and says which places
of the source cannot be seen (occlusion). A generator warps the source's features by the flow,
masks the occluded ones and paints what is missing.

How this differs from the paper's code: the sampler's ``align_corners`` is explicit (True is how the
published weights were trained); constants (anti-alias kernels) are not saved; Jacobians of the
random transform are in closed form; ``kernel``, ``kp_padding``, ``resize_corners`` and ``blend``
are options for small pictures, off in every published config; everything else, sizes and keys
included, is as published. Equations (4) and (6) carry the numbers of the comments in the authors'
code; the other numbers are this course's own.

Letters: B frames, K keypoints, J = K + 1 maps with the background first, C channels, H W pixels of
the picture, h w of the motion map.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, no_type_check

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import grids, kernels, keypoints, losses
from aidagen.blocks import (
    AntiAlias,
    DownBlock,
    Hourglass,
    PatchDiscriminator,
    ResBlock,
    SameBlock,
    UpBlock,
)
from aidagen.errors import AidagenError
from aidagen.objectives import Reconstruction, untrained
from aidagen.systems import CheckpointMismatch, Step, System


class ModelError(AidagenError):
    """An input that does not fit the model."""


@dataclass(frozen=True)
class FOMMConfig:
    """Sizes of the system; the defaults are the published ``vox-256``."""

    size: int = 256  # height and width of the picture
    keypoints: int = 10
    jacobian: Literal["per-keypoint", "shared", "none"] = "per-keypoint"
    temperature: float = 0.1  # of the keypoint softmax
    kernel: int = 7  # of the first and last convolutions of all three networks
    variance: float = 0.01  # of the keypoint bumps
    kp_scale: float = 0.25  # the detector looks at the picture at this scale
    kp_width: int = 32
    kp_blocks: int = 5
    kp_max: int = 1024
    kp_padding: int = 0  # published: the map shrinks by 6 and is stretched; kernel // 2 keeps it
    motion_scale: float = 0.25
    motion_width: int = 64
    motion_blocks: int = 5
    motion_max: int = 1024
    width: int = 64  # of the generator
    max_width: int = 512
    down_blocks: int = 2
    res_blocks: int = 6
    occlusion: bool = True
    resize_corners: bool = False  # align_corners where the flow is resized (see resize_grid)
    blend: bool = False  # keep the warped source where it is visible, paint only the rest
    disc_width: int = 32
    disc_blocks: int = 4
    disc_max: int = 512
    disc_spectral_norm: bool = True
    disc_keypoints: bool = False
    align_corners: bool = True


class Motion(NamedTuple):
    """What is known about the pose of B frames."""

    points: Float[Tensor, "B K 2"]
    jacobians: Float[Tensor, "B K 2 2"] | None
    heatmaps: Float[Tensor, "B K h w"] | None = None


class Encoded(NamedTuple):
    """All that depends on the source alone."""

    image: Float[Tensor, "1 3 H W"]
    motion: Motion
    small: Float[Tensor, "1 3 h w"]  # what the dense-motion network sees
    features: Float[Tensor, "1 C h w"]  # what is warped


class Rendering(NamedTuple):
    """A generated frame and every intermediate that led to it."""

    image: Float[Tensor, "B 3 H W"]
    deformed: Float[Tensor, "B 3 H W"]  # the raw source, warped by the flow
    flow: Float[Tensor, "B h w 2"]  # where each place reads the source
    occlusion: Float[Tensor, "B 1 h w"] | None  # 1 visible in the source, 0 to be painted
    masks: Float[Tensor, "B J h w"]  # the mixture, background first
    maps: kernels.Maps  # one per keypoint
    sparse_deformed: Float[Tensor, "B J 3 h w"]  # the source, warped by each, itself first
    heatmaps: Float[Tensor, "B J h w"]  # driving minus source bumps, zeros first
    motion: Motion

    @property
    def sparse_motion(self) -> Float[Tensor, "B J h w 2"]:
        return self.maps.grids(*self.masks.shape[-2:])


# --- the equations -------------------------------------------------------------------------------


def first_order_maps(source: Motion, driving: Motion) -> kernels.Maps:
    """One map per keypoint from driving places into the source."""
    matrices = None
    if driving.jacobians is not None:
        # eq. (5): J_k = T'_{S<-R}(p_k) T'_{D<-R}(p_k)^-1
        matrices = grids.product_2x2(source.jacobians, grids.inverse_2x2(driving.jacobians))
    # eq. (4): T_{S<-D}(z) = T_{S<-R}(p_k) + J_k (z - T_{D<-R}(p_k))
    return kernels.Maps(source.points, driving.points, matrices)


def heatmap_differences(
    source: Motion, driving: Motion, height: int, width: int, variance: float
) -> Float[Tensor, "B J h w"]:
    """Where something moves: the driving bumps minus the source's; zeros for the background."""
    # eq. (6): H_k(z) = exp(-|T_{D<-R}(p_k) - z|^2 / sigma) - exp(-|T_{S<-R}(p_k) - z|^2 / sigma)
    bumps = [keypoints.gaussian_maps(x.points, height, width, variance) for x in (driving, source)]
    difference = bumps[0] - bumps[1]
    return torch.cat([torch.zeros_like(difference[:, :1]), difference], dim=1)


def mix(masks: Float[Tensor, "B J h w"], maps: kernels.Maps) -> Float[Tensor, "B h w 2"]:
    """The dense flow: every place follows the keypoints that claim it."""
    # eq. (7): T_{S<-D}(z) = M_0 z + sum_k M_k (T_{S<-R}(p_k) + J_k (z - T_{D<-R}(p_k)))
    return kernels.mix_affine_maps(masks, *maps, identity=True)


# --- the networks --------------------------------------------------------------------------------


class KeypointDetector(nn.Module):
    """Picture -> K keypoints, each with a Jacobian."""

    def __init__(self, config: FOMMConfig):
        super().__init__()
        self.config = config
        self.down = AntiAlias(3, config.kp_scale)
        self.predictor = Hourglass(3, config.kp_width, config.kp_blocks, config.kp_max)
        channels, pad, kernel = self.predictor.channels, config.kp_padding, config.kernel
        self.kp = nn.Conv2d(channels, config.keypoints, kernel, padding=pad)
        self.jacobian = None
        if config.jacobian != "none":
            self.maps = 1 if config.jacobian == "shared" else config.keypoints
            self.jacobian = nn.Conv2d(channels, 4 * self.maps, kernel, padding=pad)
            # start from "nothing is rotated or stretched"
            nn.init.zeros_(self.jacobian.weight)
            with torch.no_grad():
                self.jacobian.bias.copy_(torch.tensor([1.0, 0, 0, 1]).repeat(self.maps))

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> Motion:
        x = self.predictor(self.down(image))  # (B, C, h, w)
        points, heat = keypoints.soft_argmax(self.kp(x), self.config.temperature)  # (B, K, 2)
        if self.jacobian is None:
            return Motion(points, None, heat)
        maps = self.jacobian(x).unflatten(1, (self.maps, 4))  # (B, K or 1, 4, h', w')
        if self.maps == 1:
            matrices = torch.einsum("bkhw,bchw->bkc", heat, maps[:, 0])  # (B, K, 4)
        else:
            matrices = torch.einsum("bkhw,bkchw->bkc", heat, maps)  # (B, K, 4)
        return Motion(points, matrices.unflatten(-1, (2, 2)), heat)  # row-major


class DenseMotion(NamedTuple):
    flow: Float[Tensor, "B h w 2"]
    occlusion: Float[Tensor, "B 1 h w"] | None
    masks: Float[Tensor, "B J h w"]
    maps: kernels.Maps
    sparse_deformed: Float[Tensor, "B J 3 h w"]
    heatmaps: Float[Tensor, "B J h w"]

    sparse_motion = Rendering.sparse_motion


class DenseMotionNetwork(nn.Module):
    """Keypoints of source and driving frame -> dense flow and occlusion."""

    def __init__(self, config: FOMMConfig):
        super().__init__()
        self.config = config
        k, kernel = config.keypoints + 1, config.kernel
        self.down = AntiAlias(3, config.motion_scale)
        sizes = (config.motion_width, config.motion_blocks, config.motion_max)
        self.hourglass = Hourglass(k * 4, *sizes)
        self.mask = nn.Conv2d(self.hourglass.channels, k, kernel, padding=kernel // 2)
        self.occlusion = None
        if config.occlusion:
            channels = self.hourglass.channels
            self.occlusion = nn.Conv2d(channels, 1, kernel, padding=kernel // 2)

    def forward(
        self, small: Float[Tensor, "B 3 h w"], source: Motion, driving: Motion
    ) -> DenseMotion:
        h, w = small.shape[2:]
        bumps = heatmap_differences(source, driving, h, w, self.config.variance)  # (B, J, h, w)
        maps, corners = first_order_maps(source, driving), self.config.align_corners
        deformed = kernels.local_affine_warp(small, *maps, identity=True, align_corners=corners)
        x = torch.cat([bumps[:, :, None], deformed], dim=2)  # (B, J, 4, h, w)
        x = self.hourglass(x.flatten(1, 2))  # (B, C, h, w)
        masks = self.mask(x).softmax(1)  # (B, J, h, w)
        occlusion = None if self.occlusion is None else self.occlusion(x).sigmoid()
        return DenseMotion(mix(masks, maps), occlusion, masks, maps, deformed, bumps)


class Generator(nn.Module):
    """Warps the source's features by the dense flow, masks what is hidden, paints the rest."""

    def __init__(self, config: FOMMConfig):
        super().__init__()
        self.config = config
        self.dense_motion_network = DenseMotionNetwork(config)
        sizes = [min(config.max_width, config.width * 2**i) for i in range(config.down_blocks + 1)]
        self.first = SameBlock(3, sizes[0], config.kernel)
        self.down_blocks = nn.ModuleList(DownBlock(a, b) for a, b in zip(sizes, sizes[1:]))
        self.bottleneck = nn.Sequential()
        for i in range(config.res_blocks):
            self.bottleneck.add_module(f"r{i}", ResBlock(sizes[-1]))
        self.up_blocks = nn.ModuleList(
            UpBlock(b, a) for a, b in reversed(list(zip(sizes, sizes[1:])))
        )
        self.final = nn.Conv2d(sizes[0], 3, config.kernel, padding=config.kernel // 2)

    def encode(self, image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        x = self.first(image)
        for block in self.down_blocks:
            x = block(x)
        return x

    def forward(self, encoded: Encoded, driving: Motion) -> Rendering:
        dense = self.dense_motion_network(encoded.small, encoded.motion, driving)
        ways = {"align_corners": self.config.align_corners,
                "resize": "corners" if self.config.resize_corners else "bilinear"}  # fmt: skip
        # eq. (8): xi' = O * warp(xi, T_{S<-D}), flow and O resized to the features, (B, C, h, w)
        x = kernels.warp_by_flow(encoded.features, dense.flow, dense.occlusion, **ways)
        x = self.bottleneck(x)  # (B, C, h, w)
        for block in self.up_blocks:
            x = block(x)
        image = self.final(x).sigmoid()  # (B, 3, H, W)
        deformed = kernels.warp_by_flow(encoded.image, dense.flow, **ways)
        if self.config.blend:
            visible = kernels.resized(dense.occlusion, *image.shape[2:])
            image = visible * deformed + (1 - visible) * image
        return Rendering(image, deformed, *dense, motion=driving)


class Discriminator(nn.Module):
    """Patch scores at the picture's own scale, the only one the published configs use."""

    def __init__(self, config: FOMMConfig):
        super().__init__()
        self.config = config
        channels = 3 + (config.keypoints if config.disc_keypoints else 0)
        sizes = (config.disc_width, config.disc_blocks, config.disc_max, config.disc_spectral_norm)
        self.discs = nn.ModuleDict({"1": PatchDiscriminator(channels, *sizes)})

    def forward(
        self, image: Float[Tensor, "B 3 H W"], points: Float[Tensor, "B K 2"] | None = None
    ) -> tuple[list[Tensor], Tensor]:
        if self.config.disc_keypoints:
            bumps = keypoints.gaussian_maps(points, *image.shape[2:], self.config.variance)
            image = torch.cat([image, bumps], dim=1)
        return self.discs["1"](image)


class FOMM(nn.Module):
    """The system. ``encode``, ``motion``, ``relative`` and ``render`` are all that animation needs.

    Pictures are (B, 3, size, size) in [0, 1]. Raises ``ModelError`` on any other shape.
    """

    def __init__(self, config: FOMMConfig, adversarial: bool = False):
        super().__init__()
        if config.blend and not config.occlusion:
            raise ModelError("blend mixes by the occlusion map, so it needs occlusion=True.")
        self.config = config
        self.kp_detector = KeypointDetector(config)
        self.generator = Generator(config)
        self.discriminator = Discriminator(config) if adversarial else None

    def encode(self, source: Float[Tensor, "B 3 H W"]) -> Encoded:
        """All that depends on the source alone; do it once per clip."""
        motion = self.motion(source)
        small = self.generator.dense_motion_network.down(source)
        return Encoded(source, motion, small, self.generator.encode(source))

    @no_type_check  # what it is given is checked by hand, in a sentence
    def motion(self, frames: Float[Tensor, "B 3 H W"]) -> Motion:
        """Keypoints and Jacobians of every frame."""
        if frames.ndim != 4 or frames.shape[1] != 3 or set(frames.shape[2:]) != {self.config.size}:
            raise ModelError(
                f"This model takes pictures (B, 3, {self.config.size}, {self.config.size}); got "
                f"{tuple(frames.shape)}. Crop and resize them first (Animator does it for you)."
            )
        return self.kp_detector(frames)

    def relative(
        self, motion: Motion, first: Motion, encoded: Encoded, adapt_scale: bool = False
    ) -> Motion:
        """The source's own pose, moved as the driving frames moved since ``first``."""
        source, scale = encoded.motion, 1.0
        if adapt_scale:
            scale = keypoints.hull_scale(source.points[0], first.points[0])
        # eq. (14): the source moves as D_1 -> D_t: p = p_S + (p_t - p_1)
        points = keypoints.relative_points(source.points, motion.points, first.points, scale)
        if motion.jacobians is None:
            return Motion(points, None, motion.heatmaps)
        # eq. (15): J = J_t J_1^-1 J_S, for then J_S J^-1 = J_1 J_t^-1, as the paper has it
        jacobians = keypoints.relative_jacobians(
            source.jacobians, motion.jacobians, first.jacobians)  # fmt: skip
        return Motion(points, jacobians, motion.heatmaps)

    def render(self, encoded: Encoded, motion: Motion) -> Rendering:
        """The source in the pose ``motion``; one source serves any number of frames."""
        b = len(motion.points)
        if len(encoded.image) == 1 and b > 1:
            encoded = Encoded(
                encoded.image.expand(b, -1, -1, -1),
                Motion(*(x if x is None else x.expand(b, *x.shape[1:]) for x in encoded.motion)),
                encoded.small.expand(b, -1, -1, -1),
                encoded.features.expand(b, -1, -1, -1),
            )
        return self.generator(encoded, motion)

    def forward(
        self, source: Float[Tensor, "B 3 H W"], driving: Float[Tensor, "B 3 H W"]
    ) -> Rendering:
        """Reconstruct driving frames from source frames of the same clips (how it is trained)."""
        both = self.motion(torch.cat([source, driving]))  # one pass through the detector
        b = len(source)
        halves = [tuple(x if x is None else x[s] for x in both) for s in (slice(b), slice(b, None))]
        small = self.generator.dense_motion_network.down(source)
        encoded = Encoded(source, Motion(*halves[0]), small, self.generator.encode(source))
        return self.generator(encoded, Motion(*halves[1]))


# --- the loss ------------------------------------------------------------------------------------


class LossWeights(NamedTuple):
    """As published; ``adversarial`` is 1 where a config trains its discriminator."""

    perceptual: float = 10.0
    equivariance_points: float = 10.0
    equivariance_jacobians: float = 10.0
    adversarial: float = 0.0
    feature_matching: float = 10.0
    pixels: float = 0.0  # ours, for small pictures: plain L1
    warp: float = 0.0  # ours: L1 of the warped source alone, so that the flow learns first
    separation: float = 0.0  # ours: small detectors else put all keypoints in one place
    # what the terms are computed with
    scales: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)  # of the perceptual pyramid
    sigma_affine: float = 0.05  # of the random transform of the equivariance terms
    sigma_tps: float = 0.005


def generator_loss(
    model: FOMM,
    driving: Float[Tensor, "B 3 H W"],
    rendering: Rendering,
    transform: keypoints.RandomTransform,
    perceptual: losses.PerceptualPyramid | None,
    weights: LossWeights = LossWeights(),  # noqa: B008 - immutable
) -> dict[str, Float[Tensor, ""]]:
    """Every term, weighted; their sum is what detector and generator descend."""
    terms = {}
    if perceptual is not None and weights.perceptual:
        # eq. (9): sum_i |N_i(D^) - N_i(D)|, at several scales
        terms["perceptual"] = weights.perceptual * perceptual(rendering.image, driving)
    if weights.pixels:
        terms["pixels"] = weights.pixels * F.l1_loss(rendering.image, driving)
    if weights.warp:
        terms["warp"] = weights.warp * losses.scaled_l1(rendering.deformed, driving)
    if weights.adversarial:
        points = rendering.motion.points.detach()
        fake, score = model.discriminator(rendering.image, points)
        terms["adversarial"] = weights.adversarial * losses.least_squares_generator(score)
        if weights.feature_matching:
            real, _ = model.discriminator(driving, points)
            match = losses.feature_matching(fake, real)
            terms["feature_matching"] = weights.feature_matching * match
    if weights.separation:
        points = rendering.motion.points
        terms["separation"] = weights.separation * losses.separation(points)
    found = model.motion(transform.frame(driving))
    # eq. (11): T_{X<-R}(p) = T_{X<-Y} o T_{Y<-R}(p)
    moved = losses.equivariance_points(rendering.motion.points, found.points, transform)
    terms["equivariance_points"] = weights.equivariance_points * moved
    if found.jacobians is not None:
        # eq. (13): 1 = (T'_{X<-R}(p))^-1 T'_{X<-Y} T'_{Y<-R}(p)
        turned = losses.equivariance_jacobians(
            rendering.motion.jacobians, found.points, found.jacobians, transform
        )
        terms["equivariance_jacobians"] = weights.equivariance_jacobians * turned
    return terms


def discriminator_loss(
    model: FOMM, driving: Float[Tensor, "B 3 H W"], rendering: Rendering
) -> Float[Tensor, ""]:
    """LSGAN on patches; picture and keypoints are detached."""
    points = rendering.motion.points.detach()
    _, real = model.discriminator(driving, points)
    _, fake = model.discriminator(rendering.image.detach(), points)
    return losses.least_squares_discriminator(real, fake)


class Objective(Reconstruction):
    """The losses above, with a new random transform in every step."""

    def terms(self, batch: tuple, rendering: Rendering, step: Step) -> dict[str, Tensor]:
        transform = keypoints.RandomTransform.sample(
            len(batch.driving), generator=step.generator, device=batch.driving.device,
            sigma_affine=self.weights.sigma_affine, sigma_tps=self.weights.sigma_tps,
            align_corners=self.model.config.align_corners,
        )  # fmt: skip
        return generator_loss(
            self.model, batch.driving, rendering, transform, self.perceptual, self.weights
        )

    def critic_loss(self, batch: tuple, rendering: Rendering) -> Float[Tensor, ""]:
        return discriminator_loss(self.model, batch.driving, rendering)


# --- named sizes ---------------------------------------------------------------------------------

PUBLISHED: dict[str, FOMMConfig] = {
    "vox-256": FOMMConfig(),
    "vox-adv-256": FOMMConfig(disc_spectral_norm=False, disc_keypoints=True),
    "taichi-256": FOMMConfig(disc_spectral_norm=False),
    "taichi-adv-256": FOMMConfig(disc_spectral_norm=False, disc_keypoints=True),
    "bair-256": FOMMConfig(),
    "nemo-256": FOMMConfig(),
    "mgif-256": FOMMConfig(jacobian="shared"),
    "fashion-256": FOMMConfig(disc_spectral_norm=False),
}


def fomm_published(config: str, align_corners: bool = True) -> FOMMConfig:
    """A published config by name (59.8 M parameters; a GPU's work to train)."""
    if config not in PUBLISHED:
        raise ModelError(f"No published config {config!r}; there are {', '.join(PUBLISHED)}.")
    return replace(PUBLISHED[config], align_corners=align_corners)


def fomm_tiny() -> FOMMConfig:
    """64 px for live cells: 264,671 parameters; 0.16 s per step (8 pairs) on a CPU core."""
    return FOMMConfig(
        size=64, kernel=3, resize_corners=True, blend=True,
        kp_scale=0.5, kp_width=8, kp_blocks=3, kp_max=64, kp_padding=1,
        motion_scale=0.5, motion_width=16, motion_blocks=3, motion_max=64,
        width=16, max_width=64, down_blocks=1, res_blocks=2,
        disc_width=16, disc_blocks=3, disc_max=64,
    )  # fmt: skip


def fomm_small() -> FOMMConfig:
    """The shipped 64 px models: twice as wide; ``aidagen evaluate NAME`` shows what they reach."""
    wider = {"kp_width": 16, "kp_max": 128, "motion_width": 32, "motion_max": 128}
    return replace(fomm_tiny(), **wider, width=24, max_width=96)


def published_state(parts: dict, model: FOMM) -> dict[str, Tensor]:
    """The authors' container ``{"generator": state, "kp_detector": state, ...}`` in our keys.

    Raises ``CheckpointMismatch`` where a constant of theirs, which we compute, is another one.
    """
    names = ("generator", "kp_detector", "discriminator")
    state = {f"{name}.{key}": x for name in names for key, x in parts.get(name, {}).items()}
    for key, scale in {
        "generator.dense_motion_network.down.weight": model.config.motion_scale,
        "kp_detector.down.weight": model.config.kp_scale,
    }.items():
        if key in state:
            wanted = model.get_submodule(key.removesuffix(".weight")).weight
            if state[key].shape != wanted.shape:
                raise CheckpointMismatch(f"A checkpoint not of scale {scale}", misshaped=[key])
            del state[key]
    return state


SYSTEM = System(
    FOMMConfig, FOMM, untrained(FOMM, Objective, LossWeights),
    fomm_published, ("generator", "kp_detector"), published_state,
)  # fmt: skip
