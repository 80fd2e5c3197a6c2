"""How much of Monkey-Net's motion its keypoints explain, on `robot` and `bodies`.

Its flow is the keypoints' (masks times shifts) and a residual that knows no keypoints; nothing in
the loss says who shall do the work. `monkeynet` are the checkpoints that lecture 04 compares,
`keypoint-warp` those that were trained with one more term, the L1 of the source warped by the
keypoints' part alone (`LossWeights.keypoint_warp`). They were also trained longer, so the rows of
the picture do not say what the term buys; those of the keypoints say whether they work.

Split `test`: figures and scenes never seen. The source is the clip's first frame, which is not
scored; 32 frames per clip, absolute motion. `copy-source` is the same number for all three metrics.
"""

from __future__ import annotations

from aidagen import datasets, metrics, zoo
from aidagen.evaluation import clips, reconstruction
from aidagen.evaluation.sheets import Metric, Sheet, Table
from aidagen.pixels import as_floats

SETS = ("robot", "bodies")
METHODS = {"monkeynet": "monkeynet-{}-64", "keypoint-warp": "monkeynet-{}-64-keypoint-warp"}
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
    for data in SETS:
        test = clips.some(load_data(data).clips("test"), limit)
        tasks = [reconstruction.own(clip) for clip in test]
        for method, checkpoint in METHODS.items():
            progress(f"{data}: animating {len(tasks)} clips with {checkpoint.format(data)}")
            model = load_model(checkpoint.format(data))
            scores = [_scores(model, task) for task in tasks]
            for metric, values in zip(METRICS, zip(*scores, strict=True), strict=True):
                sheet.add(data, "test", method, metric, values)
        copies = [_l1(task, as_floats(task.source.expand(task.truth.shape))) for task in tasks]
        for metric in METRICS:
            sheet.add(data, "test", "copy-source", metric, copies)
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
    models=tuple(name.format(data) for data in SETS for name in METHODS.values()),
    data=SETS,
    comparisons=[("keypoint-warp", "monkeynet"), *((m, "copy-source") for m in METHODS)],
)
