"""Motion transfer between cartoon characters, where the true answer exists.

All characters dance the same moves in phase. Character A's first frame is the source, another
character B doing the move drives, and A's own frames of that move are the truth.

Splits: `cross-identity` (A and the move were both trained on, but never together) and
`unseen-character` (A appears nowhere in training). B is drawn once per clip, by seed, among the
characters that were trained on. The first frame, which is the source, is not scored.

Methods beside the model (animated in relative mode, the paper's for another identity):
* `<model>-absolute`: the same model in absolute mode;
* `copy-source`: A standing still; `copy-driving`: B's frames as they are;
* `nearest-train`: the training frame nearest to the true one; it *peeks at the answer*.
"""

from __future__ import annotations

import torch

from aidagen import datasets, zoo
from aidagen.datasets.layout import Clip, ClipSet
from aidagen.evaluation import clips as parts
from aidagen.evaluation.sheets import SEED, EvaluationError, Sheet

METRICS = ("l1", "l1_moving", "ssim")
SPLITS = {"cross-identity": "unseen-pair", "unseen-character": "unseen-character"}


def compute(
    table: str, *, limit: int | None = None, progress: parts.Progress, model=None, sets=None
) -> Sheet:
    """The whole table. `model` and `sets` stand in for the checkpoint and the data in tests."""
    sheet = Sheet(table)
    model = model or zoo.load(table)
    found = sets["cartoons"] if sets else datasets.load("cartoons")
    gallery = parts.Gallery(found.clips("train"))
    units = parts.units(gallery.frames.shape[-1])
    for split, group in SPLITS.items():
        clips = [c for c in found.clips("test") if c.entry.get("group") == group]
        tasks = [_task(clip, found, i) for i, clip in enumerate(parts.some(clips, limit))]
        if not tasks:
            sheet.notes.append(f"{split} left out: no test clip of group {group}")
            continue
        progress(f"cartoons / {split}: {len(tasks)} clips")
        predictions = {
            table: [parts.animate(model, t.source, t.driving, relative=True)[1:] for t in tasks],
            f"{table}-absolute": [parts.animate(model, t.source, t.driving)[1:] for t in tasks],
            "copy-source": [t.source.expand_as(t.truth[1:]) for t in tasks],
            "copy-driving": [t.driving[1:] for t in tasks],
            "nearest-train": gallery.nearest_each([t.truth[1:] for t in tasks]),
        }
        for method, made in predictions.items():
            scores = [
                parts.pixel_scores(prediction, task.truth[1:], task.source)
                for task, prediction in zip(tasks, made, strict=True)
            ]
            for metric in METRICS:
                values = [score[metric] for score in scores]
                sheet.add("cartoons", split, method, metric, units[metric], values)
    if not sheet.columns:
        raise EvaluationError(f"{table} has no data to be evaluated on: {'; '.join(sheet.notes)}.")
    return sheet


def move(clip: Clip) -> tuple[str, str]:
    """(character, move) of a clip."""
    if "character" in clip.entry:
        return clip.entry["character"], clip.entry["move"]
    character, _, name = clip.name.partition("-")
    return character, name


def _task(clip: Clip, found: ClipSet, seed: int) -> parts.Task:
    character, name = move(clip)
    partners = [
        c
        for c in found.clips("train")
        if move(c)[1] == name and move(c)[0] != character and len(c) == len(clip)
    ]
    if not partners:
        raise EvaluationError(f"Nobody in the training set does the move of {clip.name}.")
    generator = torch.Generator().manual_seed(SEED + seed)
    partner = partners[int(torch.randint(len(partners), (1,), generator=generator))]
    truth, driving = parts.spread(clip), parts.spread(partner)
    return parts.Task(clip.name, truth[0], driving, truth, character)
