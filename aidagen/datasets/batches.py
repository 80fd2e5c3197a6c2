"""Batches for training: pairs of frames, sequences, pictures, drawn from training splits in memory.

    pairs = Pairs({"faces": 0.5, "heads": 0.5}, across=0.2)
    batch = pairs.draw(8, torch.Generator().manual_seed(0))     # a Pair: source, driving

Each class is a frozen description, which a recipe and a card can hold; clips are read when the
first batch is drawn. A batch is decided by its generator alone. Frames are floats in [0, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from aidagen import datasets, grids, pixels
from aidagen.datasets.layout import Clip, DatasetError, Example


class Pair(NamedTuple):
    """Two frames of the same person or character."""

    source: Float[Tensor, "B 3 H W"]
    driving: Float[Tensor, "B 3 H W"]


class Stretch(NamedTuple):
    """Clips cut to the same length, from a random moment on."""

    frames: Float[Tensor, "B T 3 H W"]
    sound: Float[Tensor, "B S"] | None  # of the same moments, one channel
    labels: dict[str, Tensor]  # per frame (B, T, ...) or per clip (B, ...), as they are stored


class Picture(NamedTuple):
    """Single pictures."""

    images: Float[Tensor, "B 3 H W"]
    labels: dict[str, Tensor]  # (B, ...) by name


def pick(count: int, generator: torch.Generator) -> int:
    """A number below ``count``, all of them equally likely."""
    return int(torch.randint(count, (), generator=generator))


@dataclass(frozen=True)
class Mixture:
    """Training clips of some data sets, each set with its share of the examples."""

    shares: dict[str, float]

    def sets(self) -> dict:
        """The data sets by name."""
        return {name: datasets.load(name) for name in self.shares}

    @cached_property
    def clips(self) -> dict[str, list[Clip]]:
        """The clips of each set's training split."""
        clips = {name: entry.clips("train") for name, entry in self.sets().items()}
        for name, listed in clips.items():
            if not listed:
                raise DatasetError(f"Data set {name} has no training clips; make it again.")
        return clips

    def pick_set(self, generator: torch.Generator) -> str:
        """The name of a set, drawn by the shares."""
        shares = torch.tensor(list(self.shares.values()))
        return list(self.shares)[int(torch.multinomial(shares, 1, generator=generator))]


@dataclass(frozen=True)
class Pairs(Mixture):
    """Pairs (source, driving) of one person, from one clip or across two."""

    across: float = 0.2  # share of pairs from two clips of the same person or character
    jitter: float = 0.1  # of colours, the same for both frames
    placing: float = 0.0  # of zoom, turn and shift, the same for both frames

    @cached_property
    def frames(self) -> dict[str, list[Tensor]]:
        """Every frame of every clip, as bytes."""
        return {name: [clip.frames() for clip in clips] for name, clips in self.clips.items()}

    @cached_property
    def kin(self) -> dict[str, list[list[int]]]:
        """For every clip: the clips of the same person or character, itself included."""
        kin = {}
        for name, clips in self.clips.items():
            who = [clip.entry.get("person") or clip.entry.get("character") or clip.name
                   for clip in clips]  # fmt: skip
            kin[name] = [[j for j, other in enumerate(who) if other == one] for one in who]
        return kin

    @cached_property
    def colours(self):
        """kornia's random change of colours, or None."""
        # imported here, as the augmentations take a second to import
        from kornia.augmentation import ColorJiggle

        jitter = self.jitter
        return ColorJiggle(jitter, jitter, jitter, jitter / 2, p=1.0) if jitter else None

    def draw(self, count: int, generator: torch.Generator) -> Pair:
        """``count`` pairs: random frames, flipped, coloured and placed together."""
        sources, drivings = [], []
        for _ in range(count):
            name = self.pick_set(generator)
            frames = self.frames[name]
            i = j = pick(len(frames), generator)
            if torch.rand((), generator=generator) < self.across:
                j = self.kin[name][i][pick(len(self.kin[name][i]), generator)]
            pair = [frames[k][pick(len(frames[k]), generator)] for k in (i, j)]
            if torch.rand((), generator=generator) < 0.5:
                pair = [frame.flip(-1) for frame in pair]
            sources.append(pair[0])
            drivings.append(pair[1])
        source, driving = (pixels.as_floats(torch.stack(x)) for x in (sources, drivings))
        if self.colours is not None:
            with torch.random.fork_rng(devices=[]):  # kornia draws from the global generator
                torch.manual_seed(pick(2**31 - 1, generator))
                source = self.colours(source)
            driving = self.colours(driving, params=self.colours._params)
        if self.placing:
            source, driving = self.placed(source, driving, generator)
        return Pair(source, driving)

    def placed(self, source: Tensor, driving: Tensor, generator: torch.Generator):
        """Both frames zoomed, turned and shifted alike; what comes in from outside is reflected."""
        log_zoom, turn, x, y = self.placing * torch.randn(4, len(source), generator=generator)
        cos, sin = log_zoom.exp() * turn.cos(), log_zoom.exp() * turn.sin()
        theta = torch.stack([cos, -sin, x, sin, cos, y], dim=-1).unflatten(-1, (2, 3))
        grid = grids.affine_grid(theta, *source.shape[2:])
        return [grids.warp(frames, grid, padding="reflection") for frames in (source, driving)]


@dataclass(frozen=True)
class Sequences(Mixture):
    """Stretches of ``length`` frames that are ``stride`` apart, with labels and sound if asked."""

    length: int = 16
    stride: int = 1
    labels: tuple[str, ...] = ()  # per frame where a label is as long as its clip
    sound: bool = False  # all clips then need a track, of one rate

    @cached_property
    def _loaded(self) -> dict[str, list[tuple]]:
        """By set: (clip, frames, labels, sound) of every clip that is long enough."""
        loaded = {}
        for name, clips in self.clips.items():
            long = [clip for clip in clips if len(clip) >= self._span]
            if not long:
                raise DatasetError(
                    f"No training clip of {name} has {self._span} frames, which stretches of "
                    f"{self.length} with stride {self.stride} need; ask for shorter ones."
                )
            loaded[name] = [
                (clip, clip.frames(), _labels(clip, self.labels),
                 clip.sound() if self.sound else None)
                for clip in long
            ]  # fmt: skip
        return loaded

    @property
    def _span(self) -> int:
        return (self.length - 1) * self.stride + 1

    def draw(self, count: int, generator: torch.Generator) -> Stretch:
        """``count`` stretches; one that is picked may begin at any frame it fits behind."""
        frames, labels, sounds = [], [], []
        for _ in range(count):
            clips = self._loaded[self.pick_set(generator)]
            clip, pictures, named, track = clips[pick(len(clips), generator)]
            start = pick(len(pictures) - self._span + 1, generator)
            moments = slice(start, start + self._span, self.stride)
            frames.append(pictures[moments])
            labels.append({
                key: value[moments] if _per_frame(clip, value) else value
                for key, value in named.items()
            })  # fmt: skip
            if track is not None:
                first, count = (round(n / clip.fps * track.rate) for n in (start, self._span))
                samples = track.samples.mean(0)[first : first + count]
                sounds.append(_exactly(samples, count))
        return Stretch(
            pixels.as_floats(torch.stack(frames)),
            torch.stack([sound[: min(map(len, sounds))] for sound in sounds]) if sounds else None,
            _stacked(labels),
        )


@dataclass(frozen=True)
class Pictures(Mixture):
    """Stills and single frames of clips, each with its labels."""

    labels: tuple[str, ...] = ()

    @cached_property
    def _loaded(self) -> dict[str, tuple[Tensor, dict[str, Tensor]]]:
        """By set: (N, 3, H, W) bytes of all pictures, and their labels (N, ...)."""
        loaded = {}
        for name, entries in self.sets().items():
            images, labels = [], []
            for example in entries.examples("train"):
                frames = example.frames()
                images.append(frames)
                labels.append({
                    key: value if _per_frame(example, value)
                    else value.expand(len(frames), *value.shape)
                    for key, value in _labels(example, self.labels).items()
                })  # fmt: skip
            if not images:
                raise DatasetError(f"Data set {name} has nothing to train on; make it again.")
            joined = {key: torch.cat([each[key] for each in labels]) for key in self.labels}
            loaded[name] = torch.cat(images), joined
        return loaded

    def draw(self, count: int, generator: torch.Generator) -> Picture:
        """``count`` pictures, each as likely as any other one of its set."""
        images, labels = [], []
        for _ in range(count):
            pictures, named = self._loaded[self.pick_set(generator)]
            at = pick(len(pictures), generator)
            images.append(pictures[at])
            labels.append({key: value[at] for key, value in named.items()})
        return Picture(pixels.as_floats(torch.stack(images)), _stacked(labels))


def _per_frame(example: Example, label: Tensor) -> bool:
    """Whether a label has the frames of a clip as its first axis."""
    return isinstance(example, Clip) and label.ndim > 0 and len(label) == len(example)


def _labels(example: Example, names: Sequence[str]) -> dict[str, Tensor]:
    """The labels that are asked for; what ``dataset.json`` says in numbers counts, too."""
    stored = example.labels() | {key: example.entry[key] for key in names if key in example.entry}
    if absent := [name for name in names if name not in stored]:
        there = ", ".join(stored) or "none"
        raise DatasetError(f"{example} has no labels {', '.join(absent)}; it has {there}.")
    return {name: torch.as_tensor(np.asarray(stored[name])) for name in names}


def _stacked(labels: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {key: torch.stack([each[key] for each in labels]) for key in labels[0]}


def _exactly(samples: Tensor, count: int) -> Tensor:
    """``count`` samples: silence follows where the track has ended."""
    return torch.nn.functional.pad(samples, (0, count - len(samples)))
