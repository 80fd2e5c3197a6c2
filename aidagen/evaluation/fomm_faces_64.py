"""Self-reconstruction of faces: how well does a model replay a clip from one of its pictures?

Splits: `segments` (held-out moments of the people trained on; the source is the clip's own first
frame), `random-pairs` (same clips, but the source is the first frame of another segment of the
same person), `persons` (people never seen), and `heads`, the rendered heads' own test split.
32 frames per clip, evenly spread; absolute motion; pictures rounded to 8 bits before scoring.
Where the source is the clip's first frame, that frame is not scored (the paper scores it).

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

import torch

from aidagen import datasets, zoo
from aidagen.datasets.layout import Clip, ClipSet
from aidagen.errors import AidagenError
from aidagen.evaluation import clips as parts
from aidagen.evaluation import reconstruction
from aidagen.evaluation.reconstruction import own, person
from aidagen.evaluation.sheets import SEED, EvaluationError, Sheet


def compute(
    table: str, *, limit: int | None = None, progress: parts.Progress, model=None, sets=None
) -> Sheet:
    """The whole table. `model` and `sets` stand in for the checkpoint and the data in tests."""
    sheet = Sheet(table)
    model = model or zoo.load(table)
    judges = parts.FaceJudges()
    for name in ("faces", "heads"):
        try:
            found = sets[name] if sets else datasets.load(name)
        except (AidagenError, ImportError, KeyError) as error:
            sheet.notes.append(f"{name} left out: {str(error).rstrip('.')}")
            continue
        gallery = parts.Gallery(found.clips("train"))
        for split, tasks in _splits(name, found, limit).items():
            if tasks:
                _score(sheet, name, split, tasks, model, gallery, judges, progress)
    if not sheet.columns:
        raise EvaluationError(f"{table} has no data to be evaluated on: {'; '.join(sheet.notes)}.")
    return sheet


def _splits(name: str, found: ClipSet, limit: int | None) -> dict[str, list[parts.Task]]:
    test = found.clips("test")
    if name != "faces":
        return {name: [own(clip) for clip in parts.some(test, limit)]}
    groups = {g: [c for c in test if c.entry.get("group") == g] for g in ("segments", "persons")}
    pool = found.clips("train") + groups["segments"]
    return {
        "segments": [own(clip) for clip in parts.some(groups["segments"], limit)],
        "random-pairs": [
            task
            for i, clip in enumerate(parts.some(groups["segments"], limit))
            if (task := _from_elsewhere(clip, pool, i)) is not None
        ],
        "persons": [own(clip) for clip in parts.some(groups["persons"], limit)],
    }


def _from_elsewhere(clip: Clip, pool: list[Clip], seed: int) -> parts.Task | None:
    others = [c for c in pool if person(c) == person(clip) and c.name != clip.name]
    if not others:
        return None
    generator = torch.Generator().manual_seed(SEED + seed)
    pick = others[int(torch.randint(len(others), (1,), generator=generator))]
    frames = parts.spread(clip)
    return parts.Task(clip.name, pick.frames(0, 1)[0], frames, frames, person(clip))


def _score(sheet, data, split, tasks, model, gallery, judges, progress) -> None:
    units = parts.units(tasks[0].truth.shape[-1])
    progress(f"{data} / {split}: animating {len(tasks)} clips")
    made = [parts.animate(model, task.source, task.driving) for task in tasks]
    methods = {sheet.model: made, **reconstruction.baselines(tasks, gallery)}
    readings = reconstruction.score(sheet, data, split, tasks, methods, judges, progress)
    distance = parts.SetDistance([task.truth for task in tasks])
    for method, made in methods.items():
        sheet.add_interval(data, split, method, "fd", units["fd"], distance(made, SEED))
    for method, pairs in (("same-person", _same(tasks)), ("other-person", _other(tasks))):
        values = [_identity_distance(readings, i, j, method) for i, j in pairs]
        sheet.add(data, split, method, "aed", units["aed"], values)


def _same(tasks: list[parts.Task]) -> list[tuple[int, int]]:
    """Each clip with another clip of the same person; with itself where there is no other."""
    pairs = []
    for i, task in enumerate(tasks):
        others = [j for j, t in enumerate(tasks) if t.person == task.person and j != i]
        pairs.append((i, others[i % len(others)] if others else i))
    return pairs


def _other(tasks: list[parts.Task]) -> list[tuple[int, int]]:
    """Each clip with a clip of somebody else; without one, the clip is left out."""
    pairs = []
    for i, task in enumerate(tasks):
        others = [j for j, t in enumerate(tasks) if t.person != task.person]
        if others:
            pairs.append((i, others[i % len(others)]))
    return pairs


def _identity_distance(readings, i: int, j: int, method: str) -> float:
    a, b = readings[i].identity, readings[j].identity
    if i == j:  # the same clip: compare frames that are half of it apart
        b = b.roll(len(b) // 2, 0)
    n = min(len(a), len(b))
    return parts.mean(parts.metrics.aed(a[:n], b[:n]))
