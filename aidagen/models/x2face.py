"""X2Face: A network for controlling face generation using images, audio, and pose codes.

Wiles, Koepke, Zisserman. ECCV 2018 (arXiv:1807.10550).

Two networks, each of which only says where to look. The *embedding network* warps a source frame
into an "embedded face", the same pose for every frame it is given; several frames of one person
are averaged there, each weighted by how sure it is of every place. The *driving network* squeezes
the driving frame through a bottleneck of 128 numbers and decodes them into a second warp, which
reads the embedded face. Nothing is painted: every output pixel is a blend of source pixels. What
the source does not show, X2Face cannot show; what is drawn onto the embedded face moves with it.

How this differs from the authors' code: the U-Nets are loops over levels, not nine modules inside
each other (``published_state`` translates the keys); the sampler's ``align_corners`` is explicit
and is that of the up-sampling too (True is how the published weights were trained); the bottleneck
is kept before its ReLU, which is where the pose and audio codes are added. ``norm``, ``padding``,
``double_tanh`` and a few loss terms are options for small pictures, off in the published configs.

Letters: B frames or people, N source frames of one person, L numbers of the bottleneck, C channels,
H W pixels. Equations carry the numbers of lecture 04.
"""

import math
import re
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, no_type_check

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import grids, losses
from aidagen.errors import AidagenError
from aidagen.objectives import Reconstruction, untrained
from aidagen.systems import Step, System


class ModelError(AidagenError):
    """An input that does not fit the model."""


@dataclass(frozen=True)
class X2FaceConfig:
    """Sizes of the system; the defaults are the published face model."""

    size: int = 256  # height and width of the picture, a power of two: the bottleneck is 1 x 1
    width: int = 64  # of the outermost level of both networks; doubles inwards
    max_width: int = 512
    latent: int = 128  # numbers in the bottleneck of the driving network
    pose: bool = False  # head pose from the bottleneck and back (roll, pitch, yaw in radians)
    confidence_floor: float = 0.1  # of the weights of several sources
    double_tanh: bool = True  # published: the driving offsets pass tanh twice, so stay below 0.76
    norm: Literal["batch", "group"] = "batch"
    padding: Literal["zeros", "border"] = "zeros"  # what both warps read outside
    align_corners: bool = True


class Motion(NamedTuple):
    """What is known about the pose of B frames."""

    latent: Float[Tensor, "B L"]  # the bottleneck, before its ReLU


class Encoded(NamedTuple):
    """All that depends on the sources alone; B people with N frames each (``encode``: B = 1)."""

    sources: Float[Tensor, "B N 3 H W"]
    embedded: Float[Tensor, "B 3 H W"]  # the embedded face
    embedding_flow: Float[Tensor, "B N H W 2"]  # where each of its pixels reads each source
    confidence: Float[Tensor, "B N 1 H W"]  # with which weight (positive, not normalised)
    motion: Motion  # of the first source


class Rendering(NamedTuple):
    """A generated frame and every intermediate that led to it."""

    image: Float[Tensor, "B 3 H W"]
    deformed: Float[Tensor, "B 3 H W"]  # the same: nothing but a warp makes the picture
    flow: Float[Tensor, "B H W 2"]  # both warps in one: where each place reads the first source
    embedded: Float[Tensor, "B 3 H W"]
    embedding_flow: Float[Tensor, "B N H W 2"]
    confidence: Float[Tensor, "B N 1 H W"]
    sampler_grid: Float[Tensor, "B H W 2"]  # where each place reads the embedded face
    motion: Motion


# --- the equations -------------------------------------------------------------------------------


def offset_grid(offset: Float[Tensor, "B 2 H W"]) -> Float[Tensor, "B H W 2"]:
    """The identity plus ``tanh`` of an offset: nobody looks further than half a picture away."""
    h, w = offset.shape[2:]
    identity = grids.identity_grid(h, w, device=offset.device, dtype=offset.dtype)
    return identity + offset.tanh().permute(0, 2, 3, 1)


def average(
    faces: Float[Tensor, "B N 3 H W"], confidence: Float[Tensor, "B N 1 H W"]
) -> Float[Tensor, "B 3 H W"]:
    """One embedded face from N: at every place the frames that are surer of it weigh more."""
    if faces.shape[1] == 1:  # the weight cancels; its gradient would be rounding, which Adam scales
        return faces[:, 0]
    # eq. (1): E(z) = sum_n c_n(z) S_n(T_n(z)) / sum_n c_n(z)
    return (confidence * faces).sum(1) / confidence.sum(1)


def edit(
    encoded: Encoded,
    overlay: Float[Tensor, "#B 3 H W"],
    alpha: Float[Tensor, "#B 1 H W"],
) -> Encoded:
    """The same person with a drawing on the embedded face, which then follows every motion.

    ``alpha`` is 1 where the drawing covers, 0 where it is clear. A drawing made on the (first)
    source is brought to the embedded face by ``grids.warp(drawing, encoded.embedding_flow[:, 0])``.
    """
    if overlay.shape[2:] != encoded.embedded.shape[2:] or alpha.shape[2:] != overlay.shape[2:]:
        raise ModelError(
            f"The drawing is {tuple(overlay.shape)} and its alpha {tuple(alpha.shape)}, the "
            f"embedded face {tuple(encoded.embedded.shape)}; resize them to its height and width."
        )
    return encoded._replace(embedded=alpha * overlay + (1 - alpha) * encoded.embedded)


# --- the networks --------------------------------------------------------------------------------


class UNet(nn.Module):
    """Halves the picture down to one pixel and doubles it back, by pix2pix's recipe.

    down: (leaky ReLU ->) conv 4, stride 2 (-> norm); up: ReLU -> bilinear x 2 -> conv 3 (-> norm).
    With ``skips`` every level of the way up also sees the map of the way down.
    """

    def __init__(self, config: X2FaceConfig, c_out: int, skips: bool, latent: int | None = None):
        super().__init__()
        self.skips, self.align_corners = skips, config.align_corners
        count = int(math.log2(config.size))
        widths = [min(config.max_width, config.width * 2**i) for i in range(count)]
        widths[-1] = latent or widths[-1]
        self.levels = nn.ModuleList()
        for i, width in enumerate(widths):
            outermost, innermost = i == 0, i == count - 1
            below = width if innermost or not skips else 2 * width  # channels that come back up
            back = c_out if outermost else widths[i - 1]
            level = nn.Module()
            level.down = nn.Conv2d(
                3 if outermost else widths[i - 1], width, 4, stride=2, padding=1, bias=False
            )
            level.down_norm = None if outermost or innermost else _norm(config, width)
            level.up = nn.Conv2d(below, back, 3, padding=1, bias=False)
            level.up_norm = None if outermost else _norm(config, back)
            nn.init.xavier_normal_(level.down.weight)
            nn.init.xavier_normal_(level.up.weight, gain=0.1 if outermost else 1.0)
            self.levels.append(level)

    def down(self, x: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """The map of every level, the innermost ``(B, L, 1, 1)`` last."""
        maps = []
        for i, level in enumerate(self.levels):
            x = level.down(x if i == 0 else F.leaky_relu(x, 0.2))  # (B, C_i, H / 2^(i+1), ...)
            x = x if level.down_norm is None else level.down_norm(x)
            maps.append(x)
        return maps

    def up(self, maps: list[Tensor]) -> Float[Tensor, "B C H W"]:
        """From the innermost map back to the picture's size."""
        x = maps[-1]
        for i, level in reversed(list(enumerate(self.levels))):
            x = F.interpolate(
                F.relu(x), scale_factor=2, mode="bilinear", align_corners=self.align_corners
            )
            x = level.up(x)  # (B, C_(i-1), H / 2^i, W / 2^i)
            x = x if level.up_norm is None else level.up_norm(x)
            if self.skips and i > 0:
                x = torch.cat([x, maps[i - 1]], dim=1)
        return x


def _norm(config: X2FaceConfig, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if config.norm == "batch" else nn.GroupNorm(8, channels)


class EmbeddingNetwork(UNet):
    """Source frame -> where the embedded face reads it, and how sure it is of every place."""

    def __init__(self, config: X2FaceConfig):
        super().__init__(config, c_out=3, skips=True)
        self.floor = config.confidence_floor

    def forward(
        self, source: Float[Tensor, "B 3 H W"]
    ) -> tuple[Float[Tensor, "B H W 2"], Float[Tensor, "B 1 H W"]]:
        x = self.up(self.down(source))  # (B, 3, H, W): two offsets and a log confidence
        # clamped far above what is ever learnt: infinity over infinity is not a number
        return offset_grid(x[:, :2]), x[:, 2:].clamp(max=20).exp() + self.floor


class DrivingNetwork(UNet):
    """Driving frame -> bottleneck -> where the output reads the embedded face."""

    def __init__(self, config: X2FaceConfig):
        super().__init__(config, c_out=2, skips=False, latent=config.latent)
        self.double_tanh = config.double_tanh
        if config.pose:
            self.pose_from_latent = nn.Linear(config.latent, 3)
            self.latent_from_pose = nn.Sequential(
                nn.Linear(3, config.latent, bias=False), nn.BatchNorm1d(config.latent)
            )

    def encode(self, driving: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B L"]:
        return self.down(driving)[-1].flatten(1)

    def forward(self, latent: Float[Tensor, "B L"]) -> Float[Tensor, "B H W 2"]:
        offset = self.up([latent[:, :, None, None]])  # (B, 2, H, W)
        return offset_grid(offset.tanh() if self.double_tanh else offset)


class X2Face(nn.Module):
    """The system. ``encode``, ``motion``, ``relative`` and ``render`` are all that animation needs.

    Pictures are (B, 3, size, size) in [0, 1]. Raises ``ModelError`` on any other shape. It has no
    discriminator; ``adversarial`` is there so that all systems are built alike.
    """

    def __init__(self, config: X2FaceConfig, adversarial: bool = False):
        super().__init__()
        if adversarial:
            raise ModelError("X2Face is trained without a discriminator; leave adversarial off.")
        if config.size < 4 or config.size & (config.size - 1):
            raise ModelError(f"X2Face halves its pictures down to one pixel; {config.size} is not "
                             "a power of two from 4 on.")  # fmt: skip
        self.config = config
        self.embedding = EmbeddingNetwork(config)
        self.driving = DrivingNetwork(config)
        self.discriminator = None

    @no_type_check  # what it is given is checked by hand, in a sentence
    def encode(self, source: Float[Tensor, "N 3 H W"]) -> Encoded:
        """All that depends on the source alone; do it once per clip.

        N frames are N views of *one* person, averaged into one embedded face. Several people go
        through ``embed``.
        """
        self._check(source)
        return self.embed(source[None])

    def embed(self, sources: Float[Tensor, "B N 3 H W"]) -> Encoded:
        """The embedded faces of B people, each from N frames."""
        b, n = sources.shape[:2]
        frames = sources.flatten(0, 1)
        flow, confidence = self.embedding(frames)  # (BN, H, W, 2), (BN, 1, H, W)
        faces = self._warp(frames, flow).unflatten(0, (b, n))  # (B, N, 3, H, W)
        confidence = confidence.unflatten(0, (b, n))
        face = average(faces, confidence)  # (B, 3, H, W)
        latent = self.driving.encode(sources[:, 0])
        return Encoded(sources, face, flow.unflatten(0, (b, n)), confidence, Motion(latent))

    @no_type_check
    def motion(self, frames: Float[Tensor, "B 3 H W"]) -> Motion:
        """The bottleneck of every frame."""
        self._check(frames)
        return Motion(self.driving.encode(frames))

    def relative(self, motion: Motion, first: Motion, encoded: Encoded) -> Motion:
        """The source's own pose, moved as the driving frames moved since ``first``.

        A heuristic: the paper adds and subtracts codes of pose and audio in the bottleneck, so
        we do the same with codes of frames. Nothing in training makes the bottleneck linear.
        """
        return Motion(encoded.motion.latent + motion.latent - first.latent)

    def pose(self, motion: Motion) -> Float[Tensor, "B 3"]:
        """Roll, pitch and yaw (radians) that the bottleneck implies."""
        if not self.config.pose:
            raise ModelError("This model knows no poses; load or build one with pose=True.")
        return self.driving.pose_from_latent(motion.latent)

    def with_pose(self, motion: Motion, pose: Float[Tensor, "#B 3"]) -> Motion:
        """The same expression under another head pose: its own pose's code out, the new one in.

        Speech drives likewise. With codes of sound in the bottleneck's space (the authors regress
        them linearly), the paper's rule is ``relative(sound_t, sound_first, encoded)`` followed by
        ``with_pose(..., pose(encoded.motion))``, which keeps the source's head where it was.
        """
        code = self.driving.latent_from_pose
        return Motion(motion.latent - code(self.pose(motion)) + code(pose))

    def render(self, encoded: Encoded, motion: Motion) -> Rendering:
        """The person in the pose ``motion``; one person serves any number of frames."""
        b = len(motion.latent)
        if len(encoded.embedded) == 1 and b > 1:
            encoded = Encoded(
                *(x.expand(b, *x.shape[1:]) for x in encoded[:-1]), motion=encoded.motion
            )
        grid = self.driving(motion.latent)  # (B, H, W, 2)
        # eq. (2): D^(z) = E(T_D(z))
        image = self._warp(encoded.embedded, grid)  # (B, 3, H, W)
        # where the embedded face read the source, read by the second warp
        first = encoded.embedding_flow[:, 0].permute(0, 3, 1, 2)  # (B, 2, H, W)
        flow = grids.warp(first, grid, padding="border", align_corners=self.config.align_corners)
        return Rendering(
            image,
            image,
            flow.permute(0, 2, 3, 1),
            encoded.embedded,
            encoded.embedding_flow,
            encoded.confidence,
            grid,
            motion,
        )

    def forward(
        self, source: Float[Tensor, "B 3 H W"], driving: Float[Tensor, "B 3 H W"]
    ) -> Rendering:
        """Reconstruct driving frames from source frames of the same clips (how it is trained).

        Unlike in ``encode`` the B sources are B people, with one frame each.
        """
        self._check(source)
        return self.render(self.embed(source[:, None]), self.motion(driving))

    def _warp(self, image: Tensor, grid: Tensor) -> Tensor:
        corners = self.config.align_corners
        if self.config.padding == "border":
            # the same as the sampler's own border, but a NaN stays one: there torch 2.13 reads
            # beyond its memory on the way back
            edge = 1.0 if corners else 1 - 1 / self.config.size
            grid = grid.clamp(-edge, edge)
        return grids.warp(image, grid, align_corners=corners)

    def _check(self, frames: Tensor) -> None:
        if frames.ndim != 4 or frames.shape[1] != 3 or set(frames.shape[2:]) != {self.config.size}:
            raise ModelError(
                f"This model takes pictures (B, 3, {self.config.size}, {self.config.size}); got "
                f"{tuple(frames.shape)}. Crop and resize them first (Animator does it for you)."
            )


# --- the loss ------------------------------------------------------------------------------------


class LossWeights(NamedTuple):
    """As released: L1 between generated and driving frame, nothing else."""

    pixels: float = 1.0
    perceptual: float = 0.0  # ours, as the other systems have it
    warp: float = 0.0  # ours: the L1 at four scales, so that the flow learns first
    averaging: float = 0.0  # ours: also from the average of both frames; trains the confidence
    adversarial: float = 0.0  # X2Face has no discriminator
    scales: tuple[float, ...] = (1.0,)  # of the perceptual pyramid


def generator_loss(
    model: X2Face,
    source: Float[Tensor, "B 3 H W"],
    driving: Float[Tensor, "B 3 H W"],
    rendering: Rendering,
    perceptual: losses.PerceptualPyramid | None,
    weights: LossWeights = LossWeights(),  # noqa: B008 - immutable
) -> dict[str, Float[Tensor, ""]]:
    """Every term, weighted; their sum is what both networks descend."""
    terms = {}
    if perceptual is not None and weights.perceptual:
        terms["perceptual"] = weights.perceptual * perceptual(rendering.image, driving)
    if weights.pixels:
        terms["pixels"] = weights.pixels * F.l1_loss(rendering.image, driving)
    if weights.warp:
        terms["warp"] = weights.warp * losses.scaled_l1(rendering.image, driving)
    if weights.averaging:
        # both frames of the pair are sources: their mean must still be read as each of them
        both = model.embed(torch.stack([source, driving], dim=1))
        again = model.render(both, rendering.motion).image
        back = model.render(both, both.motion).image
        apart = losses.scaled_l1(again, driving) + losses.scaled_l1(back, source)
        terms["averaging"] = weights.averaging * apart / 2
    return terms


class Objective(Reconstruction):
    """The losses above."""

    def __init__(
        self, model: X2Face, weights: LossWeights, perceptual: nn.Module | None = None
    ):
        if weights.adversarial:
            raise ModelError("X2Face is trained without a discriminator; set adversarial to 0.")
        super().__init__(model, weights, perceptual)

    def terms(self, batch: tuple, rendering: Rendering, step: Step) -> dict[str, Tensor]:
        return generator_loss(
            self.model, batch.source, batch.driving, rendering, self.perceptual, self.weights
        )


# --- named sizes ---------------------------------------------------------------------------------

PUBLISHED: dict[str, X2FaceConfig] = {"face": X2FaceConfig(), "pose": X2FaceConfig(pose=True)}


def x2face_published(config: str, align_corners: bool = True) -> X2FaceConfig:
    """A published config by name (64.8 M parameters; a GPU's work to train)."""
    if config not in PUBLISHED:
        raise ModelError(f"No published config {config!r}; there are {', '.join(PUBLISHED)}.")
    return replace(PUBLISHED[config], align_corners=align_corners)


_KEY = re.compile(r"(pix2pixUnwrapped|pix2pixSampler)\.netG\.model((?:\.submodule)*)\.(.+)")


def published_state(parts: dict, model: X2Face) -> dict[str, Tensor]:
    """The authors' weights under our keys; whatever is not of theirs keeps its own key.

    ``parts`` is ``{"state_dict": ...}`` (an optimizer beside it is ignored) or the bare state dict
    of either model. Where the layers of the pose are in files of their own, those are the entries
    "posereg" (keys ``posefrombottle.weight`` ...) and "posetobottle" (``0.weight``, ``1.weight``
    ...). Nothing is checked here: the zoo compares the keys with the model's and lists faults.
    """
    innermost = "pix2pixSampler.netG.model" + ".submodule" * (len(model.driving.levels) - 1)
    original = dict(parts.get("state_dict", {}))
    if not original:
        original = {key: value for key, value in parts.items() if isinstance(value, Tensor)}
    for key, value in parts.get("posereg", {}).items():
        original[f"{innermost}.{key}"] = value
    for key, value in parts.get("posetobottle", {}).items():
        original[f"{innermost}.bottlefrompose.{key}"] = value
    return {_new_key(key): value for key, value in original.items()}


def _new_key(key: str) -> str:
    """``pix2pixSampler.netG.model.submodule.submodule.down.1.weight`` is driving.levels.2.down."""
    if not (found := _KEY.fullmatch(key)):
        return key
    network, depth, rest = found.groups()
    network = "embedding" if network == "pix2pixUnwrapped" else "driving"
    level = depth.count("submodule")
    first = 0 if level == 0 else 1  # the outermost level has no leaky ReLU in front
    for old, new in {
        f"down.{first}.": f"levels.{level}.down.",
        f"down.{first + 1}.": f"levels.{level}.down_norm.",
        "up.2.": f"levels.{level}.up.",
        "up.3.": f"levels.{level}.up_norm.",
        "posefrombottle.": "pose_from_latent.",
        "bottlefrompose.": "latent_from_pose.",
    }.items():
        if rest.startswith(old):
            return f"{network}.{new}{rest.removeprefix(old)}"
    return key


def x2face_small() -> X2FaceConfig:
    """The shipped 64 px models: 943,392 parameters, as many as the other systems' small sizes.

    About 0.13 s per training step of 8 pairs on a CPU core.
    """
    return X2FaceConfig(
        size=64, width=24, max_width=64, latent=64, double_tanh=False, norm="group",
        padding="border",
    )  # fmt: skip


SYSTEM = System(
    X2FaceConfig, X2Face, untrained(X2Face, Objective, LossWeights),
    x2face_published, (), published_state,
)  # fmt: skip
