"""What every table of animated clips shares: the task, the pictures, and their scores by pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from aidagen import animation, metrics
from aidagen.datasets.layout import Clip
from aidagen.evaluation.sheets import Metric
from aidagen.pixels import as_bytes, as_floats

FRAMES = 32  # per clip, evenly spread over it
BY_PIXELS = {
    metric.name: metric
    for metric in (
        Metric("l1", "mean absolute difference of pixels in 0..1", "lower"),
        Metric(
            "l1_moving",
            "the same over pixels that differ from the source frame by more than 0.1",
            "lower",
        ),
        Metric("psnr", "dB", "higher"),
        Metric("ssim", "index, at most 1", "higher"),
    )
}

Frames = UInt8[Tensor, "T 3 H W"]
Progress = Callable[[str], None]


class Task(NamedTuple):
    """One animation to be scored."""

    name: str
    source: UInt8[Tensor, "3 H W"]
    driving: Frames
    truth: Frames
    person: str


def spread(clip: Clip, count: int = FRAMES) -> Frames:
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


def rendering(
    model: nn.Module, source: UInt8[Tensor, "3 H W"], driving: Frames,
    mode: animation.Mode = "absolute",
):  # fmt: skip
    """The source moved by the driving frames, with every intermediate, on the model's device."""
    device = next(model.parameters()).device
    frames = (as_floats(source[None]).to(device), as_floats(driving).to(device))
    return animation.rendering(model, *frames, mode)


def animate(
    model: nn.Module, source: UInt8[Tensor, "3 H W"], driving: Frames,
    mode: animation.Mode = "absolute",
) -> Frames:  # fmt: skip
    """The same as the 8-bit pictures that a file would hold."""
    return as_bytes(rendering(model, source, driving, mode).image.cpu())


class Gallery:
    """All training frames, to find the nearest one to a given picture (root mean square)."""

    def __init__(self, clips: Sequence[Clip]):
        self.frames = torch.cat([clip.frames() for clip in clips])

    def nearest(self, frames: Frames) -> Frames:
        """The training frame that is nearest to each frame."""
        wanted = as_floats(frames).flatten(1)
        best = torch.full((len(frames),), torch.inf)
        index = torch.zeros(len(frames), dtype=torch.long)
        for start in range(0, len(self.frames), 512):
            block = as_floats(self.frames[start : start + 512]).flatten(1)
            distance, at = torch.cdist(wanted, block).min(1)
            index[distance < best] = at[distance < best] + start
            best = torch.minimum(best, distance)
        return self.frames[index]

    def nearest_each(
        self, clips: Sequence[UInt8[Tensor, "_ 3 H W"]]
    ) -> list[UInt8[Tensor, "_ 3 H W"]]:
        """`nearest` for several clips in one pass over the training frames."""
        return list(self.nearest(torch.cat(list(clips))).split([len(clip) for clip in clips]))


def mean(values: Tensor) -> float:
    """Mean over the frames that have a value; NaN if none has."""
    return values[values.isfinite()].mean().item() if values.isfinite().any() else float("nan")


def pixel_scores(
    prediction: Frames, truth: Frames, source: UInt8[Tensor, "3 H W"]
) -> dict[str, float]:
    """The metrics `BY_PIXELS` of one clip. Equal frames count as 60 dB, not infinitely."""
    a, b = as_floats(prediction), as_floats(truth)
    still = as_floats(source[None]).expand_as(b)
    return {
        "l1": mean(metrics.l1(a, b)),
        "l1_moving": mean(metrics.l1_moving(a, b, still)),
        "psnr": mean(metrics.psnr(a, b).clamp(max=60)),
        "ssim": mean(metrics.ssim(a, b)),
    }
