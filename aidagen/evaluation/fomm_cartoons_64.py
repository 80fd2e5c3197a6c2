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
from aidagen.evaluation import clips
from aidagen.evaluation.sheets import SEED, EvaluationError, Sheet, Table

MODEL, ABSOLUTE = "fomm-cartoons-64", "fomm-cartoons-64-absolute"
METRICS = ("l1", "l1_moving", "ssim")
SPLITS = {"cross-identity": "unseen-pair", "unseen-character": "unseen-character"}


def compute(
    *, limit: int | None = None, progress: clips.Progress, load_model=zoo.load,
    load_data=datasets.load,
) -> Sheet:  # fmt: skip
    """The whole table. Model and data are opened by name."""
    sheet, model, cartoons = Sheet(), load_model(MODEL), load_data("cartoons")
    gallery = clips.Gallery(cartoons.clips("train"))
    for split, group in SPLITS.items():
        chosen = [c for c in cartoons.clips("test") if c.entry.get("group") == group]
        tasks = [_task(clip, cartoons, i) for i, clip in enumerate(clips.some(chosen, limit))]
        if not tasks:
            sheet.notes.append(f"{split} left out: no test clip of group {group}")
            continue
        progress(f"cartoons / {split}: {len(tasks)} clips")
        predictions = {
            MODEL: [clips.animate(model, t.source, t.driving, "relative")[1:] for t in tasks],
            ABSOLUTE: [clips.animate(model, t.source, t.driving)[1:] for t in tasks],
            "copy-source": [t.source.expand_as(t.truth[1:]) for t in tasks],
            "copy-driving": [t.driving[1:] for t in tasks],
            "nearest-train": gallery.nearest_each([t.truth[1:] for t in tasks]),
        }
        for method, frames in predictions.items():
            scores = [
                clips.pixel_scores(prediction, task.truth[1:], task.source)
                for task, prediction in zip(tasks, frames, strict=True)
            ]
            for name in METRICS:
                values = [of_clip[name] for of_clip in scores]
                sheet.add("cartoons", split, method, clips.BY_PIXELS[name], values)
    if not sheet.columns:
        raise EvaluationError(f"There is no data to evaluate on: {'; '.join(sheet.notes)}.")
    return sheet


def move(clip: Clip) -> tuple[str, str]:
    """(character, move) of a clip."""
    if "character" in clip.entry:
        return clip.entry["character"], clip.entry["move"]
    character, _, name = clip.name.partition("-")
    return character, name


def _task(clip: Clip, cartoons: ClipSet, seed: int) -> clips.Task:
    character, name = move(clip)
    partners = [
        c
        for c in cartoons.clips("train")
        if move(c)[1] == name and move(c)[0] != character and len(c) == len(clip)
    ]
    if not partners:
        raise EvaluationError(f"Nobody in the training set does the move of {clip.name}.")
    generator = torch.Generator().manual_seed(SEED + seed)
    partner = partners[int(torch.randint(len(partners), (1,), generator=generator))]
    truth, driving = clips.spread(clip), clips.spread(partner)
    return clips.Task(clip.name, truth[0], driving, truth, character)


TABLE = Table(
    compute=compute,
    models=(MODEL,),
    data=("cartoons",),
    comparisons=[
        (MODEL, method) for method in (ABSOLUTE, "copy-source", "copy-driving", "nearest-train")
    ],
)
