"""Self-reconstruction: a clip replayed from one of its pictures, and how that is scored.

Shared by the tables of faces, of ablations and of animation. `judge-floor` is what the judges
make of a picture that is as good as true: each true frame moved by one pixel, with noise of
2/255; its landmarks are moved back before they are compared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from jaxtyping import UInt8
from torch import Tensor

from aidagen.datasets.layout import Clip
from aidagen.evaluation import clips as parts
from aidagen.evaluation.sheets import SEED, Sheet

NOISE = 2 / 255
FLOOR = "judge-floor"

Pictures = Sequence[UInt8[Tensor, "T 3 H W"]]


def person(clip: Clip) -> str:
    """Who is in the clip."""
    if "person" in clip.entry:
        return str(clip.entry["person"])
    return str(clip.labels().get("person", clip.name))


def own(clip: Clip) -> parts.Task:
    """The clip from its own first frame, which is not scored: that would be scoring a copy."""
    frames = parts.spread(clip)
    return parts.Task(clip.name, frames[0], frames[1:], frames[1:], person(clip))


def baselines(tasks: Sequence[parts.Task], gallery: parts.Gallery) -> dict[str, Pictures]:
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
    tasks: Sequence[parts.Task],
    methods: dict[str, Pictures],
    judges,
    progress: parts.Progress,
    only: Collection[str] | None = None,
    readings: Sequence[parts.Readings] | None = None,
    units: Mapping[str, str] | None = None,
) -> Sequence[parts.Readings]:
    """Pixel and face scores of every method's frames, as rows (those named in `only`).

    `judges` are `clips.FaceJudges`, or read frames as these do. Returns what they read in the
    true frames; `readings` are given where more is known of these (exact labels). `units` are
    those of other judges than the face judges.
    """
    size = tuple(tasks[0].truth.shape[-2:])
    units = parts.units(size[1]) if units is None else units
    if readings is None:
        readings = [judges.read(task.truth) for task in tasks]
    for method, made in methods.items():
        progress(f"{data} / {split}: judging {method}")
        scores = []
        for task, prediction, true in zip(tasks, made, readings, strict=True):
            seen = judges.read(prediction)
            if method == FLOOR:
                step = torch.tensor([2 / (size[1] - 1), 0.0])  # one pixel to the right
                found = parts.face_scores(seen._replace(points=seen.points - step), true, size)
            else:
                found = parts.pixel_scores(prediction, task.truth, task.source)
                found |= parts.face_scores(seen, true, size)
            scores.append(found)
        for metric in scores[0]:
            if only is None or metric in only:
                values = [found[metric] for found in scores]
                sheet.add(data, split, method, metric, units[metric], values)
    return readings


def _as_good_as_true(truth: Tensor, seed: int) -> Tensor:
    """Each frame moved one pixel to the right (the left column repeated), with a little noise."""
    generator = torch.Generator().manual_seed(SEED + seed)
    moved = parts.unit(torch.cat([truth[..., :1], truth[..., :-1]], -1))
    return parts.eight_bit(moved + NOISE * torch.randn(moved.shape, generator=generator))
