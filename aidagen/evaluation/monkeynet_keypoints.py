"""How much of Monkey-Net's motion its keypoints explain, on `robot`, `bodies` and `faces`.

Its flow is the keypoints' (masks times shifts) and a residual that knows no keypoints; nothing in
the paper's loss says which of the two shall do the work. `monkeynet` was trained without a term
for the keypoints, `keypoint-warp` with one more term, the L1 of the source warped by the keypoints'
part alone (`LossWeights.keypoint_warp`). Those were also trained longer: on bodies they go on from
`monkeynet`, on the robot they had nine times the samples. So the rows of the picture do not say
what the term buys; those of the keypoints say whether they work. On faces there is `monkeynet`
alone: its keypoints work without the term.

Bodies and robot: split `test`, figures and scenes never seen; faces: `segments` and `persons` as in
`stand_ins`. The source is the clip's first frame, which is not scored; 32 frames per clip, absolute
motion. `copy-source` is the same number for all three metrics.
"""

from __future__ import annotations

from aidagen import datasets, metrics, zoo
from aidagen.errors import AidagenError
from aidagen.evaluation import clips, reconstruction, stand_ins
from aidagen.evaluation.sheets import Metric, Sheet, Table
from aidagen.pixels import as_floats

METHODS = {"monkeynet": "monkeynet-{}-64", "keypoint-warp": "monkeynet-{}-64-keypoint-warp"}
TRAINED = {
    "robot": {method: name.format("robot") for method, name in METHODS.items()},
    "bodies": {
        "monkeynet": "monkeynet-bodies-64-no-keypoint-warp",
        "keypoint-warp": "monkeynet-bodies-64",
    },
    "faces": {"monkeynet": "monkeynet-faces-64"},
}
"""Data set -> name of a method -> checkpoint."""
UNIT = "mean absolute difference over pixels that differ from the source by more than 0.1"
METRICS = (
    Metric("l1_moving", UNIT, "lower"),
    Metric("l1_moving_flow", f"{UNIT}; of the source warped by the whole flow", "lower"),
    Metric("l1_moving_keypoints", f"{UNIT}; of the source warped by the keypoints alone", "lower"),
)


def compute(
    *, limit: int | None = None, progress: clips.Progress,
    load_model=zoo.load, load_data=datasets.load,
) -> Sheet:  # fmt: skip
    """The whole table. Models and data are opened by name."""
    sheet = Sheet()
    for data, checkpoints in TRAINED.items():
        try:
            found = load_data(data)
        except (AidagenError, ImportError) as error:
            sheet.notes.append(f"{data} left out: {str(error).rstrip('.')}")
            continue
        models = {method: load_model(name) for method, name in checkpoints.items()}
        for split in stand_ins.SPLITS[data]:
            chosen = clips.some(stand_ins.clips_of(found, split), limit)
            tasks = [reconstruction.own(clip) for clip in chosen]
            for method, model in models.items():
                progress(f"{data} / {split}: {len(tasks)} clips with {checkpoints[method]}")
                scores = [_scores(model, task) for task in tasks]
                for metric, values in zip(METRICS, zip(*scores, strict=True), strict=True):
                    sheet.add(data, split, method, metric, values)
            copies = [_l1(task, as_floats(task.source.expand(task.truth.shape))) for task in tasks]
            for metric in METRICS:
                sheet.add(data, split, "copy-source", metric, copies)
    return sheet


def _scores(model, task: clips.Task) -> tuple[float, float, float]:
    """One number for each of `METRICS`."""
    rendering = clips.rendering(model, task.source, task.driving)
    source = as_floats(task.source[None]).to(rendering.image).expand_as(rendering.image)
    by_keypoints = model.generator.by_keypoints(source, rendering)
    pictures = (rendering.image, rendering.deformed, by_keypoints)
    return tuple(_l1(task, picture.detach().cpu()) for picture in pictures)


def _l1(task: clips.Task, picture) -> float:
    truth = as_floats(task.truth)
    still = as_floats(task.source[None]).expand_as(truth)
    return clips.mean(metrics.l1_moving(picture, truth, still))


TABLE = Table(
    compute=compute,
    models=tuple(name for checkpoints in TRAINED.values() for name in checkpoints.values()),
    data=tuple(TRAINED),
    comparisons=[("keypoint-warp", "monkeynet"), *((m, "copy-source") for m in METHODS)],
)
