"""Smiles: landmarks, sequences, the painter and K modes, one after the other; and variants."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch

from aidagen import grids
from aidagen.datasets.batches import Sequences, pick
from aidagen.judges.faces import MIRROR_68
from aidagen.models import recurrent_smile, smile
from aidagen.recipes import Recipe


@dataclass(frozen=True)
class Faces(Sequences):
    """Whole clips as landmarks, and of each clip its first frame and another one.

    Both frames and the landmarks are mirrored, placed (zoomed, turned, shifted, stretched) and
    the frames coloured alike.
    """

    length: int = 32
    labels: tuple[str, ...] = ("landmarks", "label", "identity")
    jitter: float = 0.2  # of colours
    placing: float = 0.06  # of zoom, turn, shift and stretch

    @cached_property
    def colours(self):
        """kornia's random change of colours."""
        # imported here, as the augmentations take a second to import
        from kornia.augmentation import ColorJiggle

        jitter = self.jitter
        return ColorJiggle(jitter, jitter, jitter, jitter / 2, p=1.0)

    def draw(self, count: int, generator: torch.Generator) -> smile.Faces:
        """``count`` clips, all from their first frame on."""
        clips = super().draw(count, generator)
        points = clips.labels["landmarks"].float()  # (B, T, 68, 2)
        rows, at = torch.arange(count), torch.randint(self.length, (count,), generator=generator)
        pair = torch.stack([clips.frames[:, 0], clips.frames[rows, at]], 1)  # (B, 2, 3, H, W)
        flipped = torch.rand(count, generator=generator) < 0.5
        pair = torch.where(flipped[:, None, None, None, None], pair.flip(-1), pair)
        mirrored = points[:, :, MIRROR_68] * torch.tensor([-1.0, 1.0])
        points = torch.where(flipped[:, None, None, None], mirrored, points)
        points, pair = self._place(points, pair, generator)
        with torch.random.fork_rng(devices=[]):  # kornia draws from the global generator
            torch.manual_seed(pick(2**31 - 1, generator))
            neutral = self.colours(pair[:, 0])
        target = self.colours(pair[:, 1], params=self.colours._params)
        labels = clips.labels
        return smile.Faces(
            points, labels["label"].long(), labels["identity"].long(), neutral, target, at
        )

    def _place(self, points, pair, generator):
        """Everything zoomed, turned, stretched and shifted; what comes in is reflected."""
        log_zoom, turn, x, y, log_stretch = self.placing * torch.randn(
            5, len(points), generator=generator
        )
        cos, sin, zoom, stretch = turn.cos(), turn.sin(), log_zoom.exp(), log_stretch.exp()
        # the grid reads at A z + b, so a point p of the source is shown at A^-1 (p - b)
        a = torch.stack([zoom * stretch * cos, -zoom * sin, zoom * sin, zoom * cos / stretch], -1)
        a, b = a.unflatten(-1, (2, 2)), torch.stack([x, y], -1)
        grid = grids.affine_grid(torch.cat([a, b[..., None]], -1), *pair.shape[3:])
        placed = [grids.warp(frames, grid, padding="reflection") for frames in pair.unbind(1)]
        moved = (points - b[:, None, None]) @ torch.linalg.inv(a).mT[:, None]
        return moved, torch.stack(placed, 1)


@dataclass(frozen=True)
class Clips(Sequences):
    """Whole clips, mirrored by chance."""

    length: int = 32
    labels: tuple[str, ...] = ("label", "identity")

    def draw(self, count: int, generator: torch.Generator) -> recurrent_smile.Clips:
        """``count`` clips, all from their first frame on."""
        clips = super().draw(count, generator)
        flipped = torch.rand(count, generator=generator) < 0.5
        frames = torch.where(
            flipped[:, None, None, None, None], clips.frames.flip(-1), clips.frames
        )
        return recurrent_smile.Clips(
            frames, clips.labels["label"].long(), clips.labels["identity"].long()
        )


WEIGHTS = smile.LossWeights()
NOTHING = smile.LossWeights(vae=0, sequence=0, pull=0, pixels=0)


def stages(name: str, config: smile.SmileConfig, data: str) -> dict[str, Recipe]:
    """CMM-Net, each part by a run of its own, which begins with what the run before it made."""
    faces = Recipe(
        config,
        Faces({data: 1.0}),
        steps=8000,
        weights=NOTHING._replace(vae=WEIGHTS.vae),
        batch=16,
        rate=1e-3,
        betas=(0.9, 0.999),
        ema=0.998,
    )
    sequence = replace(
        faces,
        weights=NOTHING._replace(sequence=WEIGHTS.sequence),
        steps=3000,
        rate=3e-3,
        clip=1.0,
        start=f"{name}-landmarks",
    )
    painter = replace(
        faces,
        weights=NOTHING._replace(pixels=WEIGHTS.pixels),
        steps=2500,
        betas=(0.5, 0.999),
        start=f"{name}-sequence",
    )
    return {
        f"{name}-landmarks": faces,
        f"{name}-sequence": sequence,
        f"{name}-painter": painter,
        name: replace(
            faces,
            weights=NOTHING._replace(pull=WEIGHTS.pull, balance=WEIGHTS.balance),
            steps=1500,
            start=f"{name}-painter",
        ),
    }


RECIPES = stages("smile-64", smile.SmileConfig(), "smiles")
WHOLE, PAINTER = RECIPES["smile-64"], RECIPES["smile-64-painter"]


def modes(**weights: float) -> Recipe:
    """The modes by another form of the loss, in which the nearest one wins."""
    return replace(WHOLE, weights=WHOLE.weights._replace(balance=0.0, **weights))


RECIPES |= {
    "smile-64-pull-all": modes(spread=2 / 3),
    "smile-64-best-of-k": modes(),
    "smile-64-relaxed": modes(spread=0.05),
    "smile-64-push": modes(spread=0.05, push=WEIGHTS.pull),
    "smile-64-wide-margin": modes(spread=0.05, push=WEIGHTS.pull, margin=0.03),
    "smile-64-no-skips": replace(PAINTER, config=replace(PAINTER.config, skips=False)),
    "recurrent_smile-64": Recipe(
        recurrent_smile.RecurrentConfig(),
        Clips({"smiles": 1.0}),
        steps=4000,
        weights=recurrent_smile.LossWeights(),
        batch=8,
        betas=(0.5, 0.999),
        ema=0.998,
    ),
}

# for a GPU: 128 px, and 20 clips of each person instead of 6
RECIPES |= stages(
    "smile-128",
    smile.SmileConfig(
        size=128,
        latent=96,
        vae_width=32,
        vae_max=192,
        painter_width=48,
        painter_blocks=5,
        painter_max=256,
        critic_width=48,
    ),
    "smiles-128",
)
RECIPES["recurrent_smile-128"] = replace(
    RECIPES["recurrent_smile-64"],
    config=recurrent_smile.RecurrentConfig(
        size=128, latent=256, width=32, max_width=192, critic_width=48
    ),
    data=Clips({"smiles-128": 1.0}),
)
