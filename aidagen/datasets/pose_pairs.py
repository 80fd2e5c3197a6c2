"""Pairs of pictures of one person with both poses: what pose-guided generation is trained on.

    pairs = PosePairs({"people": 1.0})
    batch = pairs.draw(4, torch.Generator().manual_seed(0))     # a PosePair
    listed = fixed_pairs(load().clips("test"), each=8)          # the same pairs for all methods

A clip is one person here, and its frames are pictures in no order; labels ``joints`` and
``visible`` are those of `aidagen.datasets.people`, ``camera`` says where a picture was taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aidagen import pixels, poses
from aidagen.datasets import people
from aidagen.datasets.batches import Mixture, pick
from aidagen.datasets.layout import Clip, DatasetError


class PosePair(NamedTuple):
    """Two pictures of each of B people. Joints are (x, y) in [-1, 1], in the order of
    `people.JOINTS`; of joints that are not known only that they are numbers is sure."""

    source: Float[Tensor, "B 3 H W"]
    target: Float[Tensor, "B 3 H W"]
    source_joints: Float[Tensor, "B 18 2"]
    source_known: Bool[Tensor, "B 18"]
    target_joints: Float[Tensor, "B 18 2"]
    target_known: Bool[Tensor, "B 18"]
    backdrop: Float[Tensor, "B 3 H W"] | None  # of the target, without the person; if asked for


class Album(NamedTuple):
    """All pictures of one person."""

    images: Tensor  # (T, 3, H, W) bytes
    joints: Float[Tensor, "T 18 2"]
    known: Bool[Tensor, "T 18"]
    camera: Tensor  # (T,)
    usable: list[int]  # pictures in which hips and shoulders are known


def album(clip: Clip) -> Album:
    """The pictures of one person, with what a pose estimator would tell of them (`people.told`).

    Raises ``DatasetError`` where the clip has no joints.
    """
    labels = clip.labels()
    if "joints" not in labels or labels["joints"].shape[1:] != (18, 2):
        raise DatasetError(f"{clip} has no labels for 18 joints, as the set people has them.")
    known = people.told(labels["joints"], labels["visible"])
    usable = np.flatnonzero(known[:, people.TRUNK].all(1)).tolist()
    return Album(
        clip.frames(), torch.from_numpy(np.array(labels["joints"], np.float32)),
        torch.from_numpy(known), torch.as_tensor(labels["camera"]), usable,
    )  # fmt: skip


@dataclass(frozen=True)
class PosePairs(Mixture):
    """Pairs (source, target) of one person in two poses.

    ``across`` is the share of pairs whose pictures are from different cameras, so that the backdrop
    of the target cannot be copied; all others are from one camera. Where a person has no such pair,
    any other two pictures are taken. Pictures whose hips and shoulders are not all known are left
    out, as the published method leaves them out.
    """

    across: float = 0.5
    flip: float = 0.5  # share of pairs that are mirrored, both pictures alike
    jitter: float = 0.0  # of colours, the same for all pictures of a pair
    backdrops: bool = False  # of sets that can draw the empty places: `people`

    @cached_property
    def albums(self) -> dict[str, list[Album]]:
        """The people of each set who have two pictures to pair."""
        return {
            name: [a for a in map(album, clips) if len(a.usable) > 1]
            for name, clips in self.clips.items()
        }

    @cached_property
    def empty(self) -> dict[str, list[Float[Tensor, "2 3 H W"]]]:
        """The places of each person in ``albums``, without the person."""
        return {
            name: [torch.from_numpy(people.backdrops(clip)).permute(0, 3, 1, 2)
                   for clip in clips if len(album(clip).usable) > 1]
            for name, clips in self.clips.items()
        }  # fmt: skip

    def draw(self, count: int, generator: torch.Generator) -> PosePair:
        """``count`` pairs of people drawn by the sets' shares, both pictures in floats."""
        rows = []
        for _ in range(count):
            name = self.pick_set(generator)
            who = pick(len(self.albums[name]), generator)
            one = self.albums[name][who]
            i = one.usable[pick(len(one.usable), generator)]
            differ = bool(torch.rand((), generator=generator) < self.across)
            others = [j for j in one.usable if j != i]
            wanted = [j for j in others if bool(one.camera[j] != one.camera[i]) == differ]
            others = wanted or others
            j = others[pick(len(others), generator)]
            both = poses.Pose(one.joints[[i, j]], one.known[[i, j]])
            images = [pixels.as_floats(one.images[k]) for k in (i, j)]
            if self.backdrops:
                images.append(self.empty[name][who][int(one.camera[j])])
            if torch.rand((), generator=generator) < self.flip:
                images, both = [image.flip(-1) for image in images], both.mirrored()
            rows.append((torch.stack(images), *both))
        images, joints, known = (torch.stack(column) for column in zip(*rows, strict=True))
        if self.jitter:
            images = self._coloured(images, generator)
        source, target, *backdrop = images.unbind(1)
        return PosePair(source, target, joints[:, 0], known[:, 0], joints[:, 1], known[:, 1],
                        *(backdrop or [None]))  # fmt: skip

    def _coloured(self, images: Float[Tensor, "B n 3 H W"], generator: torch.Generator):
        """Brightness, contrast, saturation and a little hue changed, alike in each row."""
        # imported here, as the augmentations take a second to import
        from kornia.augmentation import ColorJiggle

        change = ColorJiggle(*(3 * [self.jitter]), self.jitter / 2, p=1.0)
        with torch.random.fork_rng(devices=[]):  # kornia draws from the global generator
            torch.manual_seed(pick(2**31 - 1, generator))
            first = change(images[:, 0])
        others = [change(images[:, k], params=change._params) for k in range(1, images.shape[1])]
        return torch.stack([first, *others], dim=1)


class Fixed(NamedTuple):
    """One pair of a table: the person's clip, and the numbers of its two pictures."""

    clip: Clip
    source: int
    target: int


def fixed_pairs(
    clips: Sequence[Clip],
    each: int,
    seed: int = 0,
    cameras: Literal["any", "same", "other"] = "any",
) -> list[Fixed]:
    """``each`` ordered pairs of each person, drawn once without repetition from all that can be
    formed of usable pictures, from one camera or from two if ``cameras`` asks for it; the same for
    the same clips, number and seed."""
    listed = []
    for number, clip in enumerate(clips):
        one = album(clip)
        ordered = [
            (i, j)
            for i in one.usable
            for j in one.usable
            if i != j
            and (cameras == "any" or (one.camera[i] == one.camera[j]) == (cameras == "same"))
        ]
        chosen = np.random.default_rng([seed, number]).permutation(len(ordered))[:each]
        listed += [Fixed(clip, *ordered[k]) for k in sorted(chosen)]
    return listed
