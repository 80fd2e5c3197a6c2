"""Judges of the rendered sets: where the joints are, and who it is, at 64 pixels.

    judge = Joints.pretrained("bodies")
    seen = judge(images)            # JointReading: points, confidence, identity

No public network reads figures of 64 pixels, and none knows the arm of `robot`. So each set has a
small network of our own, trained (`aidagen.recipes.joints`) on the *real* frames (the renderer's)
of the set's training split and on nothing else: no generated picture, no test clip. The card
beside the weights says what it was trained on and what was measured on held-out frames. Its scores
are therefore no papers' numbers: OpenPose and a re-identification network judge there.

How a joint is found. The network gives each joint a map of logits over H/2 x W/2 cells, and one
more class, "nowhere", whose logit is 0. A softmax over all of them is trained by cross-entropy:
towards a small Gaussian around a joint that the labels call visible, towards "nowhere" for one
that they do not. The joint is read at the peak, as the mean of the 5 x 5 cells around it; the
probability in these cells is the confidence. Below the threshold the joint is missing (NaN), so
that a map that is spread out over a smear is as missing as one that says "nowhere".

Who it is (`bodies` alone): features at the found joints, from the stem (colour, pattern) and from
deeper down (build), then two layers to 64 numbers of length 1. It was trained to tell the
training people apart while their backdrops were exchanged. The robot has no such head: there is
one arm, and nobody to be confused with it (the paper gives no AED for BAIR either).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Num
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from aidagen import files
from aidagen.errors import AidagenError
from aidagen.judges.crops import as_images

WEIGHTS = Path(__file__).parent / "weights"
SIZE = 64
CELLS = 32  # of the maps, per side
SPREAD = 1.0  # standard deviation of the Gaussian a map is trained towards, in cells
WINDOW = 5  # cells around the peak that are read
BATCH = 256  # pictures read at a time


class JointReading(NamedTuple):
    """What a `Joints` judge saw; what it did not find is NaN."""

    points: Float[Tensor, "B K 2"]  # (x, y) in [-1, 1], align_corners=True; order of `joints`
    confidence: Float[Tensor, "B K"]  # 0..1, also of what is missing
    identity: Float[Tensor, "B D"] | None  # length 1; None where the judge has no such head


class Found(NamedTuple):
    """What the network says before anything is called missing."""

    logits: Float[Tensor, "B K+1 ..."]  # (B, K, CELLS * CELLS + 1), "nowhere" last
    identity: Float[Tensor, "B D"] | None


class Block(nn.Module):
    """x + conv(conv(x)), each with batch normalisation; ReLU after the first and the sum."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = Conv(width, width), Conv(width, width, act=False)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return F.relu(x + self.second(self.first(x)))


class Conv(nn.Sequential):
    """3 x 3 convolution, batch normalisation, ReLU."""

    def __init__(self, before: int, after: int, stride: int = 1, act: bool = True):
        parts = [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)]
        super().__init__(*parts, *([nn.ReLU()] if act else []))


class JointNet(nn.Module):
    """A small hourglass, 64 pixels down to 8 and up to 32 cells (0.2 to 0.4 million parameters)."""

    def __init__(self, joints: int, dimensions: int = 0, width: int = 20):
        super().__init__()
        a, b, c = width, 2 * width, 3 * width
        self.joints, self.dimensions = joints, dimensions
        self.stem = Conv(3, a, 2)
        self.down = nn.Sequential(Conv(a, b, 2), Block(b))
        self.deep = nn.Sequential(Conv(b, c, 2), Block(c), Block(c))
        self.middle = Conv(c + b, b)
        self.narrow = nn.Conv2d(b, a, 1)
        self.fine = nn.Sequential(Conv(2 * a, a), Conv(a, a))
        self.maps = nn.Conv2d(a, joints, 1)
        if dimensions:
            self.who = nn.Sequential(
                nn.Linear((a + b) * joints + c, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU(),
                nn.Linear(64, dimensions),
            )  # fmt: skip

    def forward(self, images: Float[Tensor, "B 3 64 64"]) -> Found:
        stem = self.stem(images - 0.5)  #                      (B, a, 32, 32)
        down = self.down(stem)  #                              (B, b, 16, 16)
        deep = self.deep(down)  #                              (B, c, 8, 8)
        middle = self.middle(torch.cat([_twice(deep), down], 1))  # (B, b, 16, 16)
        fine = self.fine(torch.cat([_twice(self.narrow(middle)), stem], 1))  # (B, a, 32, 32)
        maps = self.maps(fine).flatten(2)  #                   (B, K, 1024)
        logits = torch.cat([maps, maps.new_zeros(*maps.shape[:2], 1)], 2)
        return Found(logits, self._identity(logits, stem, down, deep) if self.dimensions else None)

    def _identity(self, logits: Tensor, stem: Tensor, down: Tensor, deep: Tensor) -> Tensor:
        # where each joint may be; joints that are nowhere give zeros. Looking at somebody does
        # not move the joints: nothing flows back into the maps.
        at = logits.detach().softmax(2)[:, :, :-1]
        coarse = F.avg_pool2d(at.unflatten(2, (CELLS, CELLS)), 2).flatten(2) * 4
        near = torch.einsum("bkn,bcn->bkc", at, stem.flatten(2)).flatten(1)
        build = torch.einsum("bkn,bcn->bkc", coarse, down.flatten(2)).flatten(1)
        body = F.avg_pool2d(coarse.sum(1, keepdim=True).unflatten(2, (16, 16)), 2)
        body = body / body.sum((2, 3), keepdim=True).clamp(min=1e-6)
        whole = (deep * body).sum((2, 3))
        return F.normalize(self.who(torch.cat([near, build, whole], 1)), dim=1)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


# --- from labels to maps and back ----------------------------------------------------------------


def to_cells(points: Float[Tensor, "... 2"]) -> Float[Tensor, "... 2"]:
    """(x, y) in [-1, 1] → cells, 0 for the middle of the first (half a pixel into the picture)."""
    return ((points + 1) / 2 * (SIZE - 1) - 0.5) * CELLS / SIZE


def from_cells(cells: Float[Tensor, "... 2"]) -> Float[Tensor, "... 2"]:
    """The way back."""
    return 2 * (cells * SIZE / CELLS + 0.5) / (SIZE - 1) - 1


def targets(points: Float[Tensor, "B K 2"], visible: Bool[Tensor, "B K"]) -> Float[Tensor, "B K N"]:
    """What the softmax should say: a Gaussian for a visible joint, "nowhere" for any other one.

    A joint outside the picture, or without a place (NaN), counts as not visible.
    """
    visible = visible & (points.abs() <= 1).all(-1)
    at = to_cells(points.nan_to_num(0.0))
    steps = torch.arange(CELLS, dtype=points.dtype, device=points.device)
    x, y = (torch.exp(-((steps - at[..., i : i + 1]) ** 2) / (2 * SPREAD**2)) for i in (0, 1))
    there = (y[..., :, None] * x[..., None, :]).flatten(2)
    there = there / there.sum(2, keepdim=True).clamp(min=1e-6) * visible[..., None]
    return torch.cat([there, (~visible[..., None]).to(there.dtype)], 2)


def joint_loss(logits: Float[Tensor, "B K N"], wanted: Float[Tensor, "B K N"]) -> Float[Tensor, ""]:
    """Cross-entropy of the softmax to `targets`, less the targets' own entropy: 0 is perfect."""
    own = torch.special.xlogy(wanted, wanted).sum(2)
    return (own - (wanted * logits.log_softmax(2)).sum(2)).mean()


def read_maps(
    logits: Float[Tensor, "B K N"],
) -> tuple[Float[Tensor, "B K 2"], Float[Tensor, "B K"]]:
    """Place of each joint, whether it is there or not, and the probability around that place."""
    maps = logits.softmax(2)[:, :, :-1].unflatten(2, (CELLS, CELLS))
    peak = maps.flatten(2).argmax(2)
    reach = WINDOW // 2
    padded = F.pad(maps, (reach,) * 4)
    column, row = peak % CELLS, peak // CELLS
    step = torch.arange(WINDOW, device=logits.device)
    rows = (row[..., None, None] + step[:, None]) * (CELLS + 2 * reach)
    index = (rows + column[..., None, None] + step).flatten(2)
    near = padded.flatten(2).gather(2, index).unflatten(2, (WINDOW, WINDOW))
    mass = near.sum((2, 3))
    offset = step.to(logits.dtype) - reach
    x = (near.sum(2) * offset).sum(2) / mass.clamp(min=1e-12) + column
    y = (near.sum(3) * offset).sum(2) / mass.clamp(min=1e-12) + row
    return from_cells(torch.stack([x, y], 2)), mass


# --- the judge -----------------------------------------------------------------------------------


class Joints(nn.Module):
    """Reads joints (and, where it has the head, identity) of pictures of one rendered set."""

    licence = "MIT (trained on pictures of our own rendering alone)"

    def __init__(self, data: str, joints: tuple[str, ...], dimensions: int = 0,
                 *, threshold: float = 0.5, width: int = 20):  # fmt: skip
        super().__init__()
        self.network = JointNet(len(joints), dimensions, width)
        self.data, self.joints, self.threshold = data, tuple(joints), threshold
        self.card: dict = {}
        self.eval()

    @property
    def name(self) -> str:
        return f"joints{len(self.joints)} (small net trained on real {self.data} frames)"

    @property
    def identity_unit(self) -> str:
        """The unit of `aed`."""
        what = f"small net trained to tell {self.data}' training people apart"
        return f"squared distance of unit embeddings ({self.network.dimensions}-d, {what})"

    @classmethod
    def pretrained(cls, data: str, folder: Path | None = None) -> Joints:
        """The judge of data set `data`: what ships with the package, or lies in `folder`."""
        file = Path(folder or WEIGHTS) / f"joints-{data}.safetensors"
        if not file.exists():
            there = file.parent.glob("joints-*.safetensors")
            known = sorted(path.stem.removeprefix("joints-") for path in there)
            raise AidagenError(
                f"There is no judge of joints for {data!r}, only for {', '.join(known) or 'none'}; "
                "data_scripts/make_judges.py trains one."
            )
        try:
            card = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
            judge = cls(card["data"], tuple(card["joints"]), card["dimensions"],
                        threshold=card["threshold"], width=card["width"])  # fmt: skip
            state = judge.network.state_dict()
            counters = {k: v for k, v in state.items() if not v.is_floating_point()}
            judge.network.load_state_dict(load_file(file) | counters)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            why = str(error).splitlines()[0]
            raise AidagenError(
                f"{file} or its card is damaged ({why}); fetch them again."
            ) from error
        judge.card = card
        return judge

    def save(self, card: dict, folder: Path | None = None) -> Path:
        """Write weights (fp16) and card, each atomically; returns the weights' path."""
        file = Path(folder or WEIGHTS) / f"joints-{self.data}.safetensors"
        self.card = {
            "name": self.name, "data": self.data, "joints": list(self.joints),
            "dimensions": self.network.dimensions, "width": self.network.stem[0].out_channels,
            "threshold": self.threshold, "licence": self.licence, **card,
        }  # fmt: skip
        state = {
            key: value.detach().cpu().half().contiguous()
            for key, value in self.network.state_dict().items()
            if value.is_floating_point()  # no counters
        }
        files.write_bytes(file, save(state))
        files.write_json(file.with_suffix(".json"), self.card)
        return file

    @torch.no_grad()
    def forward(self, images: Num[Tensor, "B 3 H W"]) -> JointReading:
        """Read each (square) picture; another size than 64 is resized to it first."""
        images = as_images(images)
        height, width = images.shape[-2:]
        if height != width:
            raise AidagenError(
                f"{self.name} reads square pictures, not {height} × {width}; crop them first."
            )
        if height != SIZE:
            images = F.interpolate(
                images, (SIZE, SIZE), mode="bilinear", align_corners=False, antialias=True
            )
        found = [self.network(part) for part in images.split(BATCH)]
        points, confidence = read_maps(torch.cat([part.logits for part in found]))
        if height != SIZE:  # ±1 are the middles of the outermost pixels, of either size
            points = points * (SIZE - 1) / SIZE * height / (height - 1)
        points = points.masked_fill((confidence < self.threshold)[..., None], torch.nan)
        identity = None
        if self.network.dimensions:
            identity = torch.cat([part.identity for part in found])
        return JointReading(points, confidence, identity)
