"""What each part of the First Order Motion Model buys: the model beside itself without the part.

All models were trained alike on the rendered heads, from the same seed; `no-jacobian` moves by
translations only, `no-occlusion` has no map of what is hidden (and so nothing to blend by),
`no-equivariance` has no loss that ties a keypoint to its place. Split `heads`: the test people of
the shipped pack, 32 frames per clip, source = first frame (not scored), absolute motion, pictures
rounded to 8 bits.

Metrics beside those of `faces`:
* `warp_l1`: L1 of the warped source alone, before anything is painted; the method `warp-only`
  scores those same pictures of the whole model by every other metric, too;
* `turn_error`: L1 where the driving frames are the true ones turned by 20° in the picture plane
  (around the middle, borders reflected), and the turned frames are the answer: that is what a
  Jacobian should buy. For `turned-source`, the source turned as well, and nothing else, is shown;
* `kp_consistency`: does a keypoint stay at its place of the head? A linear map (ridge regression)
  from the K keypoints to the pack's 68 exact landmarks is fitted on the training people; the row
  is its error on the test people. `mean-landmark` guesses the training set's mean instead.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import datasets, grids, metrics, zoo
from aidagen.datasets.layout import Clip
from aidagen.errors import AidagenError
from aidagen.evaluation import clips, reconstruction
from aidagen.evaluation.clips import Frames
from aidagen.evaluation.face_judges import FaceJudges
from aidagen.evaluation.sheets import EvaluationError, Metric, Sheet, Table
from aidagen.pixels import as_bytes, as_floats

DATA = SPLIT = "heads"
WHOLE = "fomm-heads-64"
PARTS = ("no-jacobian", "no-occlusion", "no-equivariance")
METHODS = {WHOLE: WHOLE} | {part: f"{WHOLE}-{part}" for part in PARTS}
JUDGED = ("l1", "l1_moving", "ssim", "akd", "mkr", "aed")
WARP_ONLY, TURNED, MEAN_LANDMARK = "warp-only", "turned-source", "mean-landmark"
TURN = 20.0  # degrees, anticlockwise as seen
RIDGE = 1e-4  # of the keypoints' mean variance
WARP_L1 = Metric("warp_l1", "l1 of the warped source alone, before painting", "lower")
TURN_ERROR = Metric("turn_error", f"l1 to the driving frames turned by {TURN:g}°", "lower")


def kp_consistency(size: int) -> Metric:
    """The metric for pictures that are `size` pixels wide."""
    landmarks = f"px of {size}, mean Euclidean distance of 68 exact landmarks (the pack's labels)"
    how = "linear in the model's keypoints, fitted on other people"
    return Metric("kp_consistency", f"{landmarks}, {how}", "lower")


def compute(
    *, limit: int | None = None, progress: clips.Progress, load_model=zoo.load,
    load_data=datasets.load,
) -> Sheet:  # fmt: skip
    """The whole table. Models and data are opened by name."""
    sheet, heads = Sheet(), load_data(DATA)
    train, test = (clips.some(heads.clips(split), limit) for split in ("train", "test"))
    if not train or not test:
        raise EvaluationError(f"Heads to train and to test on are needed; got {heads}.")
    tasks = [reconstruction.own(clip) for clip in test]
    size = tasks[0].truth.shape[-1]
    turned = [turn(task.driving) for task in tasks]
    consistent = kp_consistency(size)

    def add(method: str, metric: Metric, values: list[float]) -> None:
        sheet.add(DATA, SPLIT, method, metric, values)

    predictions = {}
    for method, name in METHODS.items():
        try:
            model = load_model(name)
        except AidagenError as error:
            if method == WHOLE:
                raise
            sheet.notes.append(f"{method} left out: {str(error).rstrip('.')}")
            continue
        progress(f"{DATA} / {SPLIT}: animating {len(tasks)} clips with {name}")
        renderings = [clips.rendering(model, task.source, task.driving) for task in tasks]
        predictions[method] = [as_bytes(r.image.cpu()) for r in renderings]
        warped = [as_bytes(r.deformed.cpu()) for r in renderings]
        if method == WHOLE:
            predictions[WARP_ONLY] = warped
        add(method, WARP_L1, [_l1(w, task.truth) for w, task in zip(warped, tasks)])
        answers = [clips.animate(model, t.source, frames) for t, frames in zip(tasks, turned)]
        add(method, TURN_ERROR, [_l1(answer, truth) for answer, truth in zip(answers, turned)])
        add(method, consistent, consistency(model, train, test, size))
    for method, sources in (
        ("copy-source", [task.source[None] for task in tasks]),
        (TURNED, [turn(task.source[None]) for task in tasks]),
    ):
        values = [_l1(s.expand_as(truth), truth) for s, truth in zip(sources, turned)]
        add(method, TURN_ERROR, values)
    add(MEAN_LANDMARK, consistent, mean_landmark(train, test, size))
    predictions |= reconstruction.baselines(tasks, clips.Gallery(train))
    reconstruction.score(sheet, DATA, SPLIT, tasks, predictions, FaceJudges(), progress, JUDGED)
    return sheet


def _l1(prediction: Frames, truth: Frames) -> float:
    return clips.mean(metrics.l1(as_floats(prediction), as_floats(truth)))


def turn(frames: Frames, degrees: float = TURN) -> Frames:
    """The (square) frames turned anticlockwise around their middle; borders are reflected."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # y points down; the grid says where the *untouched* frame is read
    theta = torch.tensor([[c, -s, 0.0], [s, c, 0.0]]).expand(len(frames), 2, 3)
    grid = grids.affine_grid(theta, *frames.shape[-2:])
    return as_bytes(grids.warp(as_floats(frames), grid, padding="reflection"))


# --- do the keypoints know the head? -------------------------------------------------------------


def consistency(model: nn.Module, train: list[Clip], test: list[Clip], size: int) -> list[float]:
    """Error per test clip of the landmarks that the model's keypoints give by a linear map."""
    points = torch.cat([_points(model, clip) for clip in train])
    landmarks = torch.cat([_landmarks(clip) for clip in train])
    predict = linear_map(points, landmarks.flatten(1))
    return [
        _distance(predict(_points(model, clip)).view(-1, *landmarks.shape[1:]), clip, size)
        for clip in test
    ]


def mean_landmark(train: list[Clip], test: list[Clip], size: int) -> list[float]:
    """Error per test clip of the mean of all training landmarks."""
    guess = torch.cat([_landmarks(clip) for clip in train]).mean(0)
    return [_distance(guess.expand(len(_landmarks(clip)), -1, -1), clip, size) for clip in test]


def linear_map(x: Float[Tensor, "N D"], y: Float[Tensor, "N E"]):
    """Ridge regression with an intercept: the function that predicts y from x, in float64."""
    centre, middle = x.mean(0), y.mean(0)
    a, b = x - centre, y - middle
    # a keypoint that never moves has no variance: the ridge keeps the system solvable
    ridge = RIDGE * a.square().mean() + 1e-12
    eye = torch.eye(x.shape[1], dtype=x.dtype)
    slope = torch.linalg.solve(a.T @ a / len(a) + ridge * eye, a.T @ b / len(a))
    return lambda new: (new - centre) @ slope + middle


@torch.no_grad()
def _points(model: nn.Module, clip: Clip) -> Tensor:
    """(T, 2 K) in float64: the model's keypoints in the frames that `_landmarks` belong to."""
    device = next(model.parameters()).device
    points = model.motion(as_floats(clips.spread(clip)).to(device)).points
    return points.flatten(1).double().cpu()


def _landmarks(clip: Clip) -> Tensor:
    """(T, 68, 2) in float64, of the frames that `clips.spread` takes."""
    labels = clip.labels()
    if "landmarks" not in labels:
        raise EvaluationError(f"{clip} has no exact landmarks to compare keypoints with.")
    marks = torch.from_numpy(labels["landmarks"]).double()
    return marks[:: max(1, len(marks) // clips.FRAMES)][: clips.FRAMES]


def _distance(prediction: Tensor, clip: Clip, size: int) -> float:
    return clips.mean(metrics.akd(prediction, _landmarks(clip), (size, size), "l2"))


OTHERS = (*PARTS, WARP_ONLY, *reconstruction.BASELINES, TURNED, MEAN_LANDMARK)
TABLE = Table(
    compute=compute,
    models=tuple(METHODS.values()),
    data=(DATA,),
    comparisons=[(WHOLE, method) for method in OTHERS],
)
