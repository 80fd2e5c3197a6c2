"""Pairs of frames that live on a device and are drawn there, so that no step waits for the host.

    batches = resident.on(recipe.data, "cuda")      # None for what cannot be held there
    pair = batches.draw(32, torch.Generator("cuda").manual_seed(0))

The distribution is that of the batches on the host: the same clips, shares, flips and placings.
Colours differ a little: one affine map of colours a pair takes the place of kornia's ColorJiggle,
which goes through HSV and changes its order by chance.
"""

import math
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen import pixels
from aidagen.datasets.batches import Pair, Pairs, pick
from aidagen.datasets.mouths import MouthPairs
from aidagen.systems import Batches

GREY = (0.299, 0.587, 0.114)  # BT.601 luma of red, green, blue


def on(batches: Batches, device: torch.device | str) -> "ResidentPairs | None":
    """``batches`` held on ``device``, or None where it is of a kind that this file does not know.

    Raises ``DatasetError`` where a set is missing or empty.
    """
    known = type(batches) in (Pairs, MouthPairs)
    return ResidentPairs(batches, torch.device(device)) if known else None


class ResidentPairs:
    """`Pairs` whose frames are bytes in a device's memory; ``draw`` asks the host for nothing.

    It may be drawn from while a CUDA graph is captured: every size is known, nothing is read back.
    """

    def __init__(self, pairs: Pairs, device: torch.device):
        self.pairs, self.device = pairs, device

    def sets(self) -> dict:
        return self.pairs.sets()

    @cached_property
    def _table(self) -> dict[str, Tensor]:
        """Frames (N, 3, H, W) of all clips in a row, and where whose begin.

        starts, lengths (C,): of each clip's frames; kin_starts, kin_counts (C,): of its entries in
        kin, which lists for every clip the clips of the same person; first, count (S,): of each
        set's clips; ends (S,): the shares of the sets, added up.
        """
        frames, lengths, kin, kin_counts, first, count = [], [], [], [], [], []
        for name, clips in self.pairs.frames.items():
            begin = len(lengths)
            first.append(begin)
            count.append(len(clips))
            frames += clips
            lengths += map(len, clips)
            for relatives in self.pairs.kin[name]:
                kin += [begin + j for j in relatives]
                kin_counts.append(len(relatives))
        shares = torch.tensor(list(self.pairs.shares.values()), dtype=torch.float64)
        numbers = {
            "lengths": lengths, "kin": kin, "kin_counts": kin_counts, "first": first, "count": count
        }  # fmt: skip
        table = {key: torch.tensor(value) for key, value in numbers.items()}
        for key in ("lengths", "kin_counts"):
            starts = table[key].cumsum(0) - table[key]
            table["starts" if key == "lengths" else "kin_starts"] = starts
        table["ends"] = (shares.cumsum(0) / shares.sum())[:-1].float()
        table["frames"] = torch.cat(frames)
        return {key: value.to(self.device) for key, value in table.items()}

    def draw(self, count: int, generator: torch.Generator) -> tuple:
        """``count`` pairs, of the kind that the batches on the host are.

        They are decided by ``generator``, or by a number drawn from it where it is of another
        device.
        """
        if generator.device.type != self.device.type:
            with torch.device(generator.device):
                seed = pick(2**31 - 1, generator)
            generator = torch.Generator(self.device).manual_seed(seed)
        at = self._table
        with torch.device(self.device):

            def below(limit: Tensor) -> Tensor:
                """A whole number below each limit, all of them equally likely."""
                return (torch.rand(count, generator=generator) * limit).long()

            where = (torch.rand(count, 1, generator=generator) >= at["ends"]).sum(1)
            i = at["first"][where] + below(at["count"][where])
            relative = at["kin"][at["kin_starts"][i] + below(at["kin_counts"][i])]
            j = torch.where(torch.rand(count, generator=generator) < self.pairs.across, relative, i)
            source, driving = (
                pixels.as_floats(at["frames"][at["starts"][k] + below(at["lengths"][k])])
                for k in (i, j)
            )
            flipped = (torch.rand(count, generator=generator) < 0.5)[:, None, None, None]
            pair = [torch.where(flipped, x.flip(-1), x) for x in (source, driving)]
            if self.pairs.jitter:
                change = colour_change(count, self.pairs.jitter, generator)
                pair = [recoloured(x, *change) for x in pair]
            if self.pairs.placing:
                pair = self.pairs.placed(*pair, generator)
        return self.pairs.parted(*pair) if isinstance(self.pairs, MouthPairs) else Pair(*pair)


def recoloured(
    pictures: Float[Tensor, "B C H W"],
    matrix: Float[Tensor, "B 3 3"],
    offset: Float[Tensor, "B 1 1 1"],
) -> Float[Tensor, "B C H W"]:
    """An affine map of the first three channels, which are colours in [0, 1]; others stay."""
    colours = torch.einsum("bij,bjhw->bihw", matrix, pictures[:, :3]) + offset
    return torch.cat([colours.clamp(0, 1), pictures[:, 3:]], dim=1)


def colour_change(
    count: int, jitter: float, generator: torch.Generator
) -> tuple[Float[Tensor, "B 3 3"], Float[Tensor, "B 1 1 1"]]:
    """Affine maps of RGB, on the default device: a gain, a saturation and a turn of the hue as one
    matrix, and brightness as an offset.

    Gain and saturation lie within 1 +- jitter, the offset within +- jitter, the turn within
    +- jitter / 2 of a whole one, as ColorJiggle's do with these settings.
    """
    gain, colour, bright, hue = 2 * torch.rand(4, count, generator=generator) - 1
    gain, colour = 1 + jitter * gain, 1 + jitter * colour
    angle = math.pi * jitter * hue
    eye, third = torch.eye(3), torch.full((3, 3), 1 / 3)
    grey = eye.new_zeros(3, 3)
    for channel, share in enumerate(GREY):
        grey[:, channel] = share
    # the rotation about the grey axis (1, 1, 1) by Rodrigues' formula
    cross = (eye.roll(1, 0) - eye.roll(1, 1)) / math.sqrt(3)
    colour, cos, sin = (x[:, None, None] for x in (colour, angle.cos(), angle.sin()))
    saturated = colour * eye + (1 - colour) * grey
    turned = cos * eye + (1 - cos) * third + sin * cross
    return gain[:, None, None] * (turned @ saturated), jitter * bright[:, None, None, None]
