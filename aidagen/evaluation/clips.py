"""What every table of animated clips shares: the task, the methods, the judges with a memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from aidagen import metrics
from aidagen.datasets.layout import Clip
from aidagen.judges.faces import FaceLandmarks, Identity
from aidagen.judges.features import ScoringFeatures, scoring_features

FRAMES = 32  # per clip, evenly spread over it


class Task(NamedTuple):
    """One animation to be scored."""

    name: str
    source: UInt8[Tensor, "3 H W"]
    driving: UInt8[Tensor, "T 3 H W"]
    truth: UInt8[Tensor, "T 3 H W"]
    person: str


def spread(clip: Clip, count: int = FRAMES) -> UInt8[Tensor, "T 3 H W"]:
    """`count` frames evenly spread over the clip, the first one included (all, if it has fewer)."""
    frames = clip.frames()
    step = max(1, len(frames) // count)
    return frames[::step][:count]


def some(items: Sequence, limit: int | None) -> list:
    """`limit` of the items, evenly spread (all of them if `limit` is None)."""
    items = list(items)
    if limit is None or limit >= len(items):
        return items
    return [items[i * len(items) // limit] for i in range(limit)]


def animate(
    model: nn.Module, source: UInt8[Tensor, "3 H W"], driving: UInt8[Tensor, "T 3 H W"],
    relative: bool = False,
) -> UInt8[Tensor, "T 3 H W"]:  # fmt: skip
    """The source moved by the driving frames, as the 8-bit pictures a file would hold.

    `relative`: what moved is the difference to the first driving frame.
    """
    return eight_bit(rendering(model, source, driving, relative).image.cpu())


@torch.no_grad()
def rendering(
    model: nn.Module, source: UInt8[Tensor, "3 H W"], driving: UInt8[Tensor, "T 3 H W"],
    relative: bool = False,
):  # fmt: skip
    """The same with every intermediate that the model's rendering has, on the model's device."""
    device = next(model.parameters()).device
    encoded = model.encode(unit(source[None]).to(device))
    motion = model.motion(unit(driving).to(device))
    if relative:
        motion = model.relative(motion, model.motion(unit(driving[:1]).to(device)), encoded)
    return model.render(encoded, motion)


def unit(frames: UInt8[Tensor, "T 3 H W"]) -> Float[Tensor, "T 3 H W"]:
    """0..255 → [0, 1]."""
    return frames.float() / 255


def eight_bit(frames: Float[Tensor, "T 3 H W"]) -> UInt8[Tensor, "T 3 H W"]:
    """[0, 1] → 0..255, rounded."""
    return (frames.clamp(0, 1) * 255).round().byte()


class Gallery:
    """All training frames, to find the nearest one to a given picture (root mean square)."""

    def __init__(self, clips: Sequence[Clip]):
        self.frames = torch.cat([clip.frames() for clip in clips])

    def nearest(self, frames: UInt8[Tensor, "T 3 H W"]) -> UInt8[Tensor, "T 3 H W"]:
        """The training frame that is nearest to each frame."""
        wanted = unit(frames).flatten(1)
        best = torch.full((len(frames),), torch.inf)
        index = torch.zeros(len(frames), dtype=torch.long)
        for start in range(0, len(self.frames), 512):
            block = unit(self.frames[start : start + 512]).flatten(1)
            distance, at = torch.cdist(wanted, block).min(1)
            index[distance < best] = at[distance < best] + start
            best = torch.minimum(best, distance)
        return self.frames[index]

    def nearest_each(
        self, clips: Sequence[UInt8[Tensor, "T 3 H W"]]
    ) -> list[UInt8[Tensor, "T 3 H W"]]:
        """`nearest` for several clips in one pass over the training frames."""
        return list(self.nearest(torch.cat(list(clips))).split([len(clip) for clip in clips]))


class Readings(NamedTuple):
    """What the face judges say of some frames."""

    points: Float[Tensor, "T 68 2"]
    identity: Float[Tensor, "T 128"]


class FaceJudges:
    """Landmarks and identity with a memory: a picture seen before is not looked at again."""

    def __init__(self):
        self.landmarks, self.identity = FaceLandmarks(), Identity()
        self.memory: dict[bytes, tuple[Tensor, Tensor]] = {}

    def read(self, frames: UInt8[Tensor, "T 3 H W"]) -> Readings:
        """Readings of each frame; NaN where no face is found."""
        names = [hashlib.sha1(frame.numpy().tobytes()).digest() for frame in frames]
        new = {name: i for i, name in enumerate(names) if name not in self.memory}
        if new:
            pictures = unit(frames[list(new.values())])
            points = self.landmarks(pictures).points
            for name, *reading in zip(new, points, self.identity(pictures, points), strict=True):
                self.memory[name] = tuple(reading)
        points, identity = zip(*(self.memory[name] for name in names), strict=True)
        return Readings(torch.stack(points), torch.stack(identity))


def mean(values: Tensor) -> float:
    """Mean over the frames that have a value; NaN if none has."""
    return values[values.isfinite()].mean().item() if values.isfinite().any() else float("nan")


def pixel_scores(
    prediction: UInt8[Tensor, "T 3 H W"], truth: UInt8[Tensor, "T 3 H W"],
    source: UInt8[Tensor, "3 H W"],
) -> dict[str, float]:  # fmt: skip
    """l1, l1_moving, psnr and ssim of one clip. Equal frames count as 60 dB, not infinitely."""
    a, b = unit(prediction), unit(truth)
    still = unit(source[None]).expand_as(b)
    return {
        "l1": mean(metrics.l1(a, b)),
        "l1_moving": mean(metrics.l1_moving(a, b, still)),
        "psnr": mean(metrics.psnr(a, b).clamp(max=60)),
        "ssim": mean(metrics.ssim(a, b)),
    }


def face_scores(prediction: Readings, truth: Readings, size: tuple[int, int]) -> dict[str, float]:
    """akd, akd_l2, mkr and aed of one clip."""
    return {
        "akd": mean(metrics.akd(prediction.points, truth.points, size)),
        "akd_l2": mean(metrics.akd(prediction.points, truth.points, size, "l2")),
        "mkr": mean(metrics.mkr(prediction.points, truth.points)),
        "aed": mean(metrics.aed(prediction.identity, truth.identity)),
    }


def units(size: int) -> dict[str, str]:
    """The unit of every metric, with the judge's name in it."""
    return {
        "l1": "mean absolute difference of pixels in 0..1",
        "l1_moving": "the same over pixels that differ from the source frame by more than 0.1",
        "psnr": "dB",
        "ssim": "index, at most 1",
        "akd": f"px of {size}, mean per axis ({FaceLandmarks.name})",
        "akd_l2": f"px of {size}, mean Euclidean ({FaceLandmarks.name})",
        "mkr": f"share of the truth's points ({FaceLandmarks.name})",
        "aed": Identity.unit,
        "fd": f"squared feature distance ({ScoringFeatures.name}, {COMPONENTS} components)",
    }


COMPONENTS = 64


class SetDistance:
    """`fd`: Fréchet distance to the true frames of a split, in the 64 principal components of
    EfficientNet-Lite0's features of those true frames (1280 would need far more pictures)."""

    def __init__(self, truths: Sequence[UInt8[Tensor, "T 3 H W"]]):
        self.network = scoring_features()
        real = [self._features(frames) for frames in truths]
        everything = torch.cat(real).double()
        self.centre = everything.mean(0)
        _, _, axes = torch.linalg.svd(everything - self.centre, full_matrices=False)
        self.axes = axes[:COMPONENTS].T
        self.real = [self._project(features) for features in real]

    def __call__(
        self, predictions: Sequence[UInt8[Tensor, "T 3 H W"]], seed: int = 0
    ) -> metrics.Interval:
        """Distance of the predictions (one set of frames per clip) with its interval."""
        made = [self._project(self._features(frames)) for frames in predictions]

        def distance(clips: list[int]) -> float:
            a = torch.cat([made[i] for i in clips])
            b = torch.cat([self.real[i] for i in clips])
            return max(0.0, metrics.frechet_distance(a, b).item())

        return metrics.bootstrap_set(made, distance, seed)

    @torch.no_grad()
    def _features(self, frames: UInt8[Tensor, "T 3 H W"]) -> Tensor:
        return self.network(frames)

    def _project(self, features: Tensor) -> Tensor:
        return (features.double() - self.centre) @ self.axes


Progress = Callable[[str], None]
