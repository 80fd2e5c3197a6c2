"""Self-reconstruction: a clip replayed from one of its pictures, and how that is scored.

Shared by the tables of faces, of ablations and of animation. `judge-floor` is what the judges
make of a picture that is as good as true: each true frame moved by one pixel, with noise of
2/255; its points are moved back before they are compared.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from aidagen.datasets.layout import Clip
from aidagen.evaluation.clips import (
    BY_PIXELS,
    Frames,
    Gallery,
    Progress,
    Task,
    pixel_scores,
    spread,
)
from aidagen.evaluation.readings import Judge, Readings, reading_scores
from aidagen.evaluation.sheets import SEED, Sheet
from aidagen.pixels import as_bytes, as_floats

NOISE = 2 / 255
FLOOR = "judge-floor"
BASELINES = ("copy-source", "nearest-train", FLOOR)


def person(clip: Clip) -> str:
    """Who is in the clip."""
    if "person" in clip.entry:
        return str(clip.entry["person"])
    return str(clip.labels().get("person", clip.name))


def own(clip: Clip) -> Task:
    """The clip from its own first frame, which is not scored: that would be scoring a copy."""
    frames = spread(clip)
    return Task(clip.name, frames[0], frames[1:], frames[1:], person(clip))


def baselines(tasks: Sequence[Task], gallery: Gallery) -> dict[str, Sequence[Frames]]:
    """Frames of the methods that are no model: copy-source, nearest-train, judge-floor."""
    return {
        "copy-source": [task.source.expand_as(task.truth) for task in tasks],
        "nearest-train": gallery.nearest_each([task.truth for task in tasks]),
        FLOOR: [_as_good_as_true(task.truth, i) for i, task in enumerate(tasks)],
    }


def score(
    sheet: Sheet,
    data: str,
    split: str,
    tasks: Sequence[Task],
    methods: dict[str, Sequence[Frames]],
    judge: Judge,
    progress: Progress,
    only: Collection[str] | None = None,
    readings: Sequence[Readings] | None = None,
) -> Sequence[Readings]:
    """Scores of every method's frames, by pixels and by a judge, as columns (those named in
    `only`, or all).

    Returns what the predictions are held against: `readings` if they are given (`Judge.truth`),
    or what the judge reads in the true frames.
    """
    size = tuple(tasks[0].truth.shape[-2:])
    metrics = BY_PIXELS | judge.metrics(size[1])
    if readings is None:
        readings = [judge.read(task.truth) for task in tasks]
    for method, clips in methods.items():
        progress(f"{data} / {split}: judging {method}")
        scores = []
        for task, prediction, true in zip(tasks, clips, readings, strict=True):
            seen = judge.read(prediction)
            if method == FLOOR:
                step = torch.tensor([2 / (size[1] - 1), 0.0])  # one pixel to the right
                seen, by_pixels = seen._replace(points=seen.points - step), {}
            else:
                by_pixels = pixel_scores(prediction, task.truth, task.source)
            scores.append(by_pixels | reading_scores(seen, true, size))
        for name in scores[0]:
            if only is None or name in only:
                values = [of_clip[name] for of_clip in scores]
                sheet.add(data, split, method, metrics[name], values)
    return readings


def _as_good_as_true(truth: Tensor, seed: int) -> Tensor:
    """Each frame moved one pixel to the right (the left column repeated), with a little noise."""
    generator = torch.Generator().manual_seed(SEED + seed)
    moved = as_floats(torch.cat([truth[..., :1], truth[..., :-1]], -1))
    return as_bytes(moved + NOISE * torch.randn(moved.shape, generator=generator))
