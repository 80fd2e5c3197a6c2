"""Models beside each other on the sets that stand in for those of the Monkey-Net paper.

`faces` stands in for Nemo (split `segments`: held-out moments of the people trained on;
`persons`: people never seen), `bodies` for Tai-Chi and `robot` for BAIR (split `test`: figures and
scenes never seen). The source is the clip's first frame, which is not scored (the paper scores
it); 32 frames per clip, absolute motion, pictures rounded to 8 bits.

Methods are the models and the baselines of `reconstruction`: `copy-source`, `nearest-train` (peeks
at the answer), `judge-floor`. Metrics: `l1`, `l1_moving`, and by judges that never train anything
* on faces `akd`, `mkr`, `aed` of the face judges, what they read in the predicted frame against
  what they read in the true one;
* on bodies and robot `akd` and `mkr` of what a small net reads in the predicted frame against the
  *exact* joints of the labels, those that are visible (`judges.joints`); `judge-floor` is then
  the net's own error. `aed` on bodies alone, by the same net's identity head: there is one robot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from aidagen.datasets.layout import Clip, ClipSet
from aidagen.errors import AidagenError
from aidagen.evaluation import clips, reconstruction
from aidagen.evaluation.readings import Judge
from aidagen.evaluation.sheets import EvaluationError, Sheet

SYSTEMS = ("x2face", "monkeynet", "fomm")
SPLITS = {"faces": ("segments", "persons"), "bodies": ("test",), "robot": ("test",)}
METRICS = ("l1", "l1_moving", "akd", "mkr", "aed")


def score(
    methods: Mapping[str, Mapping[str, str]],
    judge_of: Callable[[str], Judge],
    *,
    limit: int | None,
    progress: clips.Progress,
    load_model: Callable[[str], nn.Module],
    load_data: Callable[[str], ClipSet],
) -> Sheet:
    """A sheet of `methods`: data set -> name of a method -> checkpoint.

    `judge_of` gives the judge of a data set. A checkpoint that is not there is left out, and so is
    a set that lacks its data or its judge; a note says so. Raises `EvaluationError` where no set
    is left.
    """
    sheet = Sheet()
    for data, checkpoints in methods.items():
        _score_set(sheet, data, checkpoints, judge_of, limit, progress, load_model, load_data)
    if not sheet.columns:
        raise EvaluationError(f"There is no data to evaluate on: {'; '.join(sheet.notes)}.")
    return sheet


def _score_set(sheet, data, checkpoints, judge_of, limit, progress, load_model, load_data) -> None:
    """All splits of one data set, with the models that are there."""
    try:
        clip_set, judge = load_data(data), judge_of(data)
    except (AidagenError, ImportError) as error:
        sheet.notes.append(f"{data} left out: {str(error).rstrip('.')}")
        return
    models: dict[str, nn.Module] = {}
    for method, name in checkpoints.items():
        try:
            models[method] = load_model(name)
        except AidagenError as error:
            sheet.notes.append(f"{method} on {data} left out: {_first_sentence(error)}")
    gallery = clips.Gallery(clip_set.clips("train"))
    for split in SPLITS[data]:
        chosen = clips.some(clips_of(clip_set, split), limit)
        if not chosen:
            sheet.notes.append(f"{data} / {split} left out: it has no clips")
            continue
        tasks = [reconstruction.own(clip) for clip in chosen]
        predictions = {}
        for method, model in models.items():
            progress(f"{data} / {split}: animating {len(tasks)} clips with {checkpoints[method]}")
            predictions[method] = [clips.animate(model, t.source, t.driving) for t in tasks]
        predictions |= reconstruction.baselines(tasks, gallery)
        readings = [judge.truth(clip, task.truth) for clip, task in zip(chosen, tasks)]
        reconstruction.score(
            sheet, data, split, tasks, predictions, judge, progress, METRICS, readings
        )


def clips_of(clip_set: ClipSet, split: str) -> list[Clip]:
    """The test clips that belong to ``split``, one of `SPLITS`."""
    test = clip_set.clips("test")
    return test if split == "test" else [c for c in test if c.entry.get("group") == split]


def _first_sentence(error: Exception) -> str:
    return str(error).split("; there are")[0].rstrip(".")  # not the names of all models
