"""Self-reconstruction of faces: how well does a model replay a clip from one of its pictures?

The tables `fomm-faces-64` and `fomm-faces-128` are this one, each at its own size.

Splits: `segments` (held-out moments of the people trained on; the source is the clip's own first
frame), `random-pairs` (same clips, but the source is the first frame of another segment of the
same person), `persons` (people never seen), and `heads`, the rendered heads' own test split.
32 frames per clip, evenly spread; absolute motion; pictures rounded to 8 bits before scoring.
Where the source is the clip's first frame, that frame is not scored (the paper scores it).

Beside the metrics of `clips`, the judges and `set_distance` there is `mouth_opening` (`mouths`).

Methods beside the model:
* `copy-source`: the source frame, 32 times;
* `nearest-train`: the training frame nearest to the true one; it *peeks at the answer*, so that
  it shows what a perfect memory could do, not what a method could;
* `judge-floor`: what the judges make of a picture that is as good as true (`reconstruction`);
* `same-person`: frames of another clip of the same person, for `aed` alone (what identity
  distance is between honest pictures of one person); where a person has only one clip, frames
  half the clip away;
* `other-person`: frames of somebody else, for `aed` alone: the ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from aidagen import datasets, metrics, zoo
from aidagen.datasets.layout import Clip, ClipSet
from aidagen.errors import AidagenError
from aidagen.evaluation import clips, mouths, reconstruction
from aidagen.evaluation.clips import Task
from aidagen.evaluation.face_judges import FaceJudges
from aidagen.evaluation.readings import Readings
from aidagen.evaluation.reconstruction import own, person
from aidagen.evaluation.set_distance import FD, SetDistance
from aidagen.evaluation.sheets import SEED, EvaluationError, Sheet, Table
from aidagen.judges.faces import FaceLandmarks

SAME, OTHER = "same-person", "other-person"


def table(model: str, data: Sequence[str]) -> Table:
    """The table of `model`; `data` are sets of its size, first the faces (`faces-128`)."""
    against = (*reconstruction.BASELINES, SAME, OTHER)
    return Table(
        compute=partial(compute, model, data),
        models=(model,),
        data=tuple(data),
        comparisons=[(model, method) for method in against],
    )


def compute(
    name: str, data: Sequence[str], *, limit: int | None = None, progress: clips.Progress,
    load_model=zoo.load, load_data=datasets.load,
) -> Sheet:  # fmt: skip
    """The whole table of model `name`. Model and data are opened by name."""
    sheet, model, judges = Sheet(), load_model(name), FaceJudges()
    for set_name in data:
        try:
            clip_set = load_data(set_name)
        except (AidagenError, ImportError) as error:
            sheet.notes.append(f"{set_name} left out: {str(error).rstrip('.')}")
            continue
        train = clip_set.clips("train")
        gallery = clips.Gallery(train) if train else _Empty()
        if not train:
            sheet.notes.append(f"nearest-train left out on {set_name}, which has test clips alone")
        for split, tasks in _splits(set_name.partition("-")[0], clip_set, limit).items():
            if tasks:
                _score(sheet, name, set_name, split, tasks, model, gallery, judges, progress)
    if not sheet.columns:
        raise EvaluationError(f"There is no data to evaluate on: {'; '.join(sheet.notes)}.")
    return sheet


def _splits(name: str, clip_set: ClipSet, limit: int | None) -> dict[str, list[Task]]:
    test = clip_set.clips("test")
    if name != "faces":
        return {name: [own(clip) for clip in clips.some(test, limit)]}
    groups = {g: [c for c in test if c.entry.get("group") == g] for g in ("segments", "persons")}
    pool = clip_set.clips("train") + groups["segments"]
    return {
        "segments": [own(clip) for clip in clips.some(groups["segments"], limit)],
        "random-pairs": [
            task
            for i, clip in enumerate(clips.some(groups["segments"], limit))
            if (task := _from_elsewhere(clip, pool, i)) is not None
        ],
        "persons": [own(clip) for clip in clips.some(groups["persons"], limit)],
    }


def _from_elsewhere(clip: Clip, pool: list[Clip], seed: int) -> Task | None:
    others = [c for c in pool if person(c) == person(clip) and c.name != clip.name]
    if not others:
        return None
    generator = torch.Generator().manual_seed(SEED + seed)
    pick = others[int(torch.randint(len(others), (1,), generator=generator))]
    frames = clips.spread(clip)
    return Task(clip.name, pick.frames(0, 1)[0], frames, frames, person(clip))


class _Empty(clips.Gallery):
    """The gallery of a set that has no training clips: nothing is nearest."""

    def __init__(self):
        pass

    def nearest_each(self, clips: Sequence[clips.Frames]) -> list:
        return []


def _score(sheet, name, data, split, tasks, model, gallery, judges, progress) -> None:
    progress(f"{data} / {split}: animating {len(tasks)} clips")
    animated = [clips.animate(model, task.source, task.driving) for task in tasks]
    methods = {name: animated, **reconstruction.baselines(tasks, gallery)}
    methods = {method: predictions for method, predictions in methods.items() if predictions}
    readings = reconstruction.score(sheet, data, split, tasks, methods, judges, progress)
    distance = SetDistance([task.truth for task in tasks])
    for method, predictions in methods.items():
        sheet.add_statistic(data, split, method, FD, distance(predictions))
        seen = [judges.read(frames).points for frames in predictions]
        slopes = [mouths.slope(a, b.points) for a, b in zip(seen, readings, strict=True)]
        sheet.add(data, split, method, mouths.metric(FaceLandmarks.name), slopes)
    aed = judges.metrics(tasks[0].truth.shape[-1])["aed"]
    for method, partners in ((SAME, _same(tasks)), (OTHER, _other(tasks))):
        values = [_identity_distance(readings, i, j) for i, j in enumerate(partners)]
        sheet.add(data, split, method, aed, values)


def _same(tasks: list[Task]) -> list[int]:
    """For each clip another clip of the same person; the clip itself where there is no other."""
    partners = []
    for i, task in enumerate(tasks):
        others = [j for j, t in enumerate(tasks) if t.person == task.person and j != i]
        partners.append(others[i % len(others)] if others else i)
    return partners


def _other(tasks: list[Task]) -> list[int | None]:
    """For each clip a clip of somebody else; None where everybody is the same person."""
    partners = []
    for i, task in enumerate(tasks):
        others = [j for j, t in enumerate(tasks) if t.person != task.person]
        partners.append(others[i % len(others)] if others else None)
    return partners


def _identity_distance(readings: list[Readings], i: int, j: int | None) -> float:
    if j is None:
        return float("nan")
    a, b = readings[i].embedding, readings[j].embedding
    if i == j:  # the same clip: compare frames that are half of it apart
        b = b.roll(len(b) // 2, 0)
    n = min(len(a), len(b))
    return clips.mean(metrics.aed(a[:n], b[:n]))
