"""The judges of joints: small networks trained on real frames of the rendered sets.

They are no system of the course (`aidagen.judges.joints` says what they are for), but they are
trained by the same loop; ``data_scripts/make_judges.py`` follows these recipes, measures what came
out and writes it where the judges lie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aidagen import datasets, grids, pixels
from aidagen.datasets.layout import Clip
from aidagen.judges import joints as judging
from aidagen.recipes import Recipe
from aidagen.systems import Objective, Step, System

SHARE, SCALE = 0.3, 16.0  # of the identity's loss in the whole; of its logits


@dataclass(frozen=True)
class Config:
    """Sizes of a judge and, where it tells people apart, how many it learns to."""

    joints: int
    width: int
    dimensions: int = 0  # of the identity
    people: int = 0


# --- data ----------------------------------------------------------------------------------------


class Frames(NamedTuple):
    """Frames with what is known of them."""

    images: Tensor  # (N, 3, 64, 64) uint8
    points: Tensor  # (N, K, 2)
    visible: Tensor  # (N, K) bool
    masks: Tensor | None  # (N, 64, 64) bool: the figure
    clip: Tensor  # (N,) number of the clip
    person: Tensor  # (N,) number of the person


def frames_of(clips: list[Clip]) -> Frames:
    """All frames of the clips; masks where the set has them."""
    parts: dict[str, list] = {"images": [], "points": [], "visible": [], "masks": []}
    clip_of, person_of, people = [], [], {}
    for i, clip in enumerate(clips):
        images, labels = clip.frames(), clip.labels()
        parts["images"].append(images)
        parts["points"].append(torch.from_numpy(labels["joints"]).float())
        parts["visible"].append(torch.from_numpy(labels["visible"]).bool())
        if (mask := mask_of(labels)) is not None:
            parts["masks"].append(mask)
        who = str(clip.entry.get("person", clip.entry.get("identity", clip.name)))
        person_of += [people.setdefault(who, len(people))] * len(images)
        clip_of += [i] * len(images)
    joined = {key: torch.cat(value) if value else None for key, value in parts.items()}
    return Frames(**joined, clip=torch.tensor(clip_of), person=torch.tensor(person_of))


def mask_of(labels: dict) -> Tensor | None:
    """(T, 64, 64) bool: the figure (or arm and object), whatever its parts are called."""
    key = next((key for key in ("mask", "parts") if key in labels), None)
    return None if key is None else torch.from_numpy(labels[key]) > 0


def plates_of(data: Frames) -> Tensor | None:
    """(clips, 3, 64, 64): what is behind the figure: means over time; None without masks."""
    if data.masks is None:
        return None
    plates = []
    for i in range(int(data.clip.max()) + 1):
        at = data.clip == i
        free = ~data.masks[at][:, None]
        images, count = pixels.as_floats(data.images[at]), free.sum(0)
        mean = (images * free).sum(0) / count.clamp(min=1)
        colour = (images * free).sum((0, 2, 3)) / free.sum().clamp(min=1)
        plates.append(torch.where(count > 0, mean, colour[:, None, None]))
    return torch.stack(plates)


# --- a training picture --------------------------------------------------------------------------


def noise_pictures(count: int, g: torch.Generator) -> Tensor:
    """Smooth noise from 2 x 2 to 64 x 64 cells, each picture with a range of its own."""
    made = []
    for _ in range(count):
        cells = int(2 ** torch.randint(1, 7, (1,), generator=g))
        cell = torch.rand(1, 3, cells, cells, generator=g)
        low = torch.rand(1, 3, 1, 1, generator=g) * 0.7
        span = torch.rand(1, 1, 1, 1, generator=g)
        picture = F.interpolate(cell, (64, 64), mode="bilinear", align_corners=False)
        made.append((low + span * (picture - 0.3)).clamp(0, 1))
    return torch.cat(made) if made else torch.empty(0, 3, 64, 64)


def blurred(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur, a width in pixels for each picture (0: as it is)."""
    steps = torch.arange(-4, 5.0)
    kernel = torch.exp(-(steps**2) / (2 * sigma[:, None].clamp(min=0.05) ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)
    x = F.pad(images, (4, 4, 4, 4), mode="replicate").flatten(0, 1)[None]
    x = F.conv2d(x, kernel[:, None, None, :], groups=len(kernel))
    x = F.conv2d(x, kernel[:, None, :, None], groups=len(kernel))
    return x[0].unflatten(0, images.shape[:2])


def other_side(joints: Sequence[str]) -> list[int]:
    """The joint that each joint becomes when the picture is mirrored."""
    turned = {"left": "right", "right": "left"}
    names = [" ".join(turned.get(word, word) for word in joint.split()) for joint in joints]
    return [list(joints).index(name) for name in names]


def training_batch(
    data: Frames, plates: Tensor | None, index: Tensor, g: torch.Generator,
    mirror: list[int] | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """(images, points, visible, is there anybody) of the frames, made harder at random.

    With `mirror` (see `other_side`) half of them are mirrored.
    """

    def uniform(*shape, low=0.0, high=1.0):
        return low + (high - low) * torch.rand(*shape, generator=g)

    n = len(index)
    images, points = pixels.as_floats(data.images[index]), data.points[index]
    visible = data.visible[index].clone()
    scenes = noise_pictures(n, g)  # other backdrops: three in ten noise, else other clips' own
    if plates is not None:
        other = plates[torch.randint(len(plates), (n,), generator=g)]
        scenes = torch.where(uniform(n, 1, 1, 1) < 0.3, scenes, other)
        exchange = (uniform(n, 1, 1, 1) < 0.5) & ~data.masks[index][:, None]
        images = torch.where(exchange, scenes, images)
    if mirror is not None:
        flip = uniform(n, 1, 1) < 0.5
        images = torch.where(flip[..., None], images.flip(-1), images)
        points = torch.where(flip, points[:, mirror] * torch.tensor([-1.0, 1.0]), points)
        visible = torch.where(flip[..., 0], visible[:, mirror], visible)
    # turned, scaled, shifted; three in ten stay as they are
    angle, scale = uniform(n, low=-0.2, high=0.2), uniform(n, low=0.88, high=1.14)
    shift, still = uniform(n, 2, low=-0.16, high=0.16), uniform(n) < 0.3
    angle, scale = angle * ~still, torch.where(still, torch.ones(()), scale)
    shift = shift * ~still[:, None]
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2)
    theta = torch.cat([turn * scale[:, None, None], shift[:, :, None]], 2)
    images = grids.warp(images, grids.affine_grid(theta, 64, 64), padding="reflection")
    # the grid says where the source is read: points go the other way
    points = (points - shift[:, None]) @ torch.linalg.inv(turn * scale[:, None, None]).mT
    # a rectangle of something else hides joints
    corner, side = uniform(n, 2, low=-1, high=0.8), uniform(n, 2, low=0.15, high=0.7)
    hidden = uniform(n) < 0.3
    inside = ((points > corner[:, None]) & (points < (corner + side)[:, None])).all(2)
    line = torch.linspace(-1, 1, 64)
    across, down = ((line > corner[:, i : i + 1]) & (line < (corner + side)[:, i : i + 1])
                    for i in (0, 1))  # fmt: skip
    box = (across[:, None, :] & down[:, :, None] & hidden[:, None, None])[:, None]
    images = torch.where(box, scenes, images)
    visible &= ~(inside & hidden[:, None])
    # nobody at all
    nobody = uniform(n) < 0.06
    images = torch.where(nobody[:, None, None, None], scenes, images)
    visible &= ~nobody[:, None]
    # colour, blur, noise
    images = images * uniform(n, 3, 1, 1, low=0.85, high=1.15)
    images = (images - 0.5) * uniform(n, 1, 1, 1, low=0.8, high=1.2) + 0.5
    images = images + uniform(n, 1, 1, 1, low=-0.08, high=0.08)
    images = blurred(images, uniform(n, high=1.6) * (uniform(n) < 0.6))
    images = images + torch.randn(images.shape, generator=g) * uniform(n, 1, 1, 1, high=0.04)
    return images.clamp(0, 1), points, visible, ~nobody


class Figures(NamedTuple):
    """A batch: pictures made harder at random, and what is true of them."""

    images: Tensor  # (B, 3, 64, 64)
    points: Tensor  # (B, K, 2)
    visible: Tensor  # (B, K) bool
    there: Tensor  # (B,) bool: there is somebody
    person: Tensor  # (B,)


@dataclass(frozen=True)
class RealFrames:
    """Batches of real frames of a set's training split, half of them mirrored with ``mirror``."""

    data: str
    mirror: bool = False

    def sets(self) -> dict:
        """The data set."""
        return {self.data: datasets.load(self.data)}

    @cached_property
    def frames(self) -> tuple[Frames, Tensor | None, list[int] | None]:
        """All frames, what is behind the figures, and the joints' other sides."""
        entry = self.sets()[self.data]
        frames = frames_of(entry.clips("train"))
        return frames, plates_of(frames), other_side(entry.info["joints"]) if self.mirror else None

    def draw(self, count: int, generator: torch.Generator) -> Figures:
        """``count`` pictures."""
        frames, plates, mirror = self.frames
        index = torch.randint(len(frames.images), (count,), generator=generator)
        drawn = training_batch(frames, plates, index, generator, mirror)
        return Figures(*drawn, frames.person[index])


# --- what is learnt ------------------------------------------------------------------------------


class Judging(Objective):
    """Cross-entropy of the joints' maps and, with an identity, of who it is (a cosine softmax)."""

    def __init__(self, config: Config, weights: None = None):
        super().__init__()
        self.model = judging.JointNet(config.joints, config.dimensions, config.width)
        self.faces = None
        if config.dimensions:
            self.faces = nn.Parameter(torch.randn(config.people, config.dimensions))

    def forward(self, phase: str, batch: Figures, step: Step) -> dict[str, Tensor]:
        seen = self.model(batch.images)
        targets = judging.targets(batch.points, batch.visible)
        terms = {"joints": judging.joint_loss(seen.logits, targets)}
        if self.faces is not None:
            alike = seen.identity[batch.there] @ F.normalize(self.faces, dim=1).T
            identity = F.cross_entropy(SCALE * alike, batch.person[batch.there])
            terms["identity"] = SHARE * identity
        return terms

    def run(self, model: nn.Module, batch: Figures) -> judging.Found:
        return model(batch.images)


SYSTEM = System(Config, judging.JointNet, Judging)
COMMON = {
    "batch": 32, "rate": 3e-3, "schedule": "one-cycle", "betas": (0.9, 0.999), "decay": 1e-2,
    "clip": 5.0, "ema": 0.0,
}  # fmt: skip
RECIPES = {
    "joints-bodies": Recipe(
        Config(joints=17, width=24, dimensions=64, people=120),
        RealFrames("bodies", mirror=True),
        steps=3600,
        **COMMON,
    ),
    # there is one robot, and nobody to be confused with it
    "joints-robot": Recipe(Config(joints=7, width=20), RealFrames("robot"), steps=1200, **COMMON),
}
