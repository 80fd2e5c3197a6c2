"""Pairs of faces that say where the driving mouth is, for losses to which it matters most.

    batches = MouthPairs({"many_heads": 0.6, "faces-128": 0.4}, emphasis=8.0)

A mouth covers some 3 % of a portrait, so a mean over all pixels hardly asks for it to be right.
Clips that carry 68 landmarks, as `heads` does, get a soft spot over the mouth of each frame; clips
without them have none, and count as in `Pairs`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from aidagen import grids
from aidagen.datasets.batches import Pairs
from aidagen.datasets.layout import Clip

MOUTH = slice(48, 68)  # of the 68 points, in iBUG's order
LANDMARKS = "landmarks"


class EmphasisedPair(NamedTuple):
    """Two frames of one person, and how much more each pixel of the driving one counts."""

    source: Float[Tensor, "B 3 H W"]
    driving: Float[Tensor, "B 3 H W"]
    emphasis: Float[Tensor, "B 1 H W"]  # 0 where a pixel counts as it does elsewhere


@dataclass(frozen=True)
class MouthPairs(Pairs):
    """`Pairs` of frames with a fourth channel, which is flipped and placed as they are."""

    emphasis: float = 8.0  # in the middle of a mouth

    @cached_property
    def frames(self) -> dict[str, list[Tensor]]:
        """Every frame of every clip, as bytes (T, 4, H, W): its colours, and the mouth."""
        return {
            name: [torch.cat([x, spots(clip, *x.shape[2:])], dim=1) for clip, x in zip(clips, each)]
            for (name, clips), each in zip(self.clips.items(), super().frames.values())
        }

    @cached_property
    def colours(self) -> "OnColours | None":
        jiggle = super().colours
        return jiggle and OnColours(jiggle)

    def draw(self, count: int, generator: torch.Generator) -> EmphasisedPair:
        return self.parted(*super().draw(count, generator))

    def parted(
        self, source: Float[Tensor, "B 4 H W"], driving: Float[Tensor, "B 4 H W"]
    ) -> EmphasisedPair:
        """A batch of what was drawn."""
        return EmphasisedPair(source[:, :3], driving[:, :3], self.emphasis * driving[:, 3:])


class OnColours:
    """A change of colours of pictures that have more channels, which stay as they are."""

    def __init__(self, change: Any):
        self.change = change

    def __call__(
        self, pictures: Float[Tensor, "B 4 H W"], **given: Any
    ) -> Float[Tensor, "B 4 H W"]:
        return torch.cat([self.change(pictures[:, :3], **given), pictures[:, 3:]], dim=1)

    @property
    def _params(self) -> dict:
        return self.change._params


def spots(clip: Clip, height: int, width: int) -> UInt8[Tensor, "T 1 H W"]:
    """A soft spot over each frame's mouth, 255 in its middle; nothing where no landmarks are.

    Its standard deviations are 0.4 of the mouth's width across, and along it that and half of the
    mouth's height.
    """
    stored = clip.labels().get(LANDMARKS)
    if stored is None:
        return torch.zeros(len(clip), 1, height, width, dtype=torch.uint8)
    points = torch.as_tensor(stored).float()[:, MOUTH]  # (T, 20, 2), (x, y) in [-1, 1]
    low, high = points.amin(1), points.amax(1)
    across = 0.4 * (high - low)[:, 0]
    sigma = torch.stack([across, across + 0.5 * (high - low)[:, 1]], dim=-1)[:, None, None]
    away = (grids.identity_grid(height, width) - ((low + high) / 2)[:, None, None]) / sigma
    return (255 * torch.exp(-0.5 * away.square().sum(-1))).round().byte()[:, None]
