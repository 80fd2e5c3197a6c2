"""What each part of the First Order Motion Model buys: the model beside itself without the part.

All models were trained alike on the rendered heads, from the same seed; `no-jacobian` moves by
translations only, `no-occlusion` has no map of what is hidden (and so nothing to blend by),
`no-equivariance` has no loss that ties a keypoint to its place. Split `heads`: the test people of
the shipped pack, 32 frames a clip, source = first frame (not scored), absolute motion, pictures
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
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from aidagen import datasets, grids, metrics, zoo
from aidagen.datasets.layout import Clip
from aidagen.errors import AidagenError
from aidagen.evaluation import clips as parts
from aidagen.evaluation import reconstruction
from aidagen.evaluation.sheets import EvaluationError, Sheet
from aidagen.evaluation.store import models as checkpoints

DATA = SPLIT = "heads"
JUDGED = ("l1", "l1_moving", "ssim", "akd", "mkr", "aed")
TURN = 20.0  # degrees, anticlockwise as seen
RIDGE = 1e-4  # of the keypoints' mean variance


def compute(
    table: str, *, limit: int | None = None, progress: parts.Progress, models=None, sets=None
) -> Sheet:
    """The whole table. `models` (by checkpoint) and `sets` stand in for zoo and data in tests."""
    sheet = Sheet(table)
    found = sets[DATA] if sets else datasets.load(DATA)
    train = parts.some(found.clips("train"), limit)
    test = parts.some(found.clips("test"), limit)
    if not train or not test:
        raise EvaluationError(f"{table} needs clips of heads to train and to test on; got {found}.")
    tasks = [reconstruction.own(clip) for clip in test]
    size = tasks[0].truth.shape[-1]
    turned = [turn(task.driving) for task in tasks]
    units = _units(size)

    def add(method: str, metric: str, values) -> None:
        sheet.add(DATA, SPLIT, method, metric, units[metric], values)

    methods = {}
    for name in checkpoints(table):
        method = name if name == table else name.removeprefix(f"{table}-")
        try:
            model = models[name] if models else zoo.load(name)
        except (AidagenError, KeyError) as error:
            if name == table:
                raise
            sheet.notes.append(f"{method} left out: {str(error).rstrip('.')}")
            continue
        progress(f"{DATA} / {SPLIT}: animating {len(tasks)} clips with {name}")
        made = [parts.rendering(model, task.source, task.driving) for task in tasks]
        methods[method] = [parts.eight_bit(each.image.cpu()) for each in made]
        warped = [parts.eight_bit(each.deformed.cpu()) for each in made]
        if name == table:
            methods["warp-only"] = warped
        add(method, "warp_l1", [_l1(w, task.truth) for w, task in zip(warped, tasks)])
        after = [parts.animate(model, t.source, frames) for t, frames in zip(tasks, turned)]
        add(method, "turn_error", [_l1(made, truth) for made, truth in zip(after, turned)])
        add(method, "kp_consistency", consistency(model, train, test, size))
    for method, sources in (
        ("copy-source", [task.source[None] for task in tasks]),
        ("turned-source", [turn(task.source[None]) for task in tasks]),
    ):
        values = [_l1(s.expand_as(truth), truth) for s, truth in zip(sources, turned)]
        add(method, "turn_error", values)
    add("mean-landmark", "kp_consistency", mean_landmark(train, test, size))
    methods |= reconstruction.baselines(tasks, parts.Gallery(train))
    judges = parts.FaceJudges()
    reconstruction.score(sheet, DATA, SPLIT, tasks, methods, judges, progress, JUDGED)
    return sheet


def _units(size: int) -> dict[str, str]:
    landmarks = f"px of {size}, mean Euclidean distance of 68 exact landmarks (the pack's labels)"
    return parts.units(size) | {
        "warp_l1": "l1 of the warped source alone, before painting",
        "turn_error": f"l1 to the driving frames turned by {TURN:g}°",
        "kp_consistency": f"{landmarks}, linear in the model's keypoints, fitted on other people",
    }


def _l1(prediction: UInt8[Tensor, "T 3 H W"], truth: UInt8[Tensor, "T 3 H W"]) -> float:
    return parts.mean(metrics.l1(parts.unit(prediction), parts.unit(truth)))


def turn(frames: UInt8[Tensor, "T 3 H W"], degrees: float = TURN) -> UInt8[Tensor, "T 3 H W"]:
    """The (square) frames turned anticlockwise around their middle; borders are reflected."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # y points down; the grid says where the *untouched* frame is read
    theta = torch.tensor([[c, -s, 0.0], [s, c, 0.0]]).expand(len(frames), 2, 3)
    grid = grids.affine_grid(theta, *frames.shape[-2:])
    return parts.eight_bit(grids.warp(parts.unit(frames), grid, padding="reflection"))


# --- do the keypoints know the head? -------------------------------------------------------------


def consistency(model: nn.Module, train: list[Clip], test: list[Clip], size: int) -> list[float]:
    """Error per test clip of the landmarks that the model's keypoints give by a linear map."""
    known = torch.cat([_points(model, clip) for clip in train])
    wanted = torch.cat([_landmarks(clip) for clip in train])
    predict = linear_map(known, wanted.flatten(1))
    return [
        _distance(predict(_points(model, clip)).view(-1, *wanted.shape[1:]), clip, size)
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
    points = model.motion(parts.unit(parts.spread(clip)).to(device)).points
    return points.flatten(1).double().cpu()


def _landmarks(clip: Clip) -> Tensor:
    """(T, 68, 2) in float64, of the frames that `parts.spread` takes."""
    labels = clip.labels()
    if "landmarks" not in labels:
        raise EvaluationError(f"{clip} has no exact landmarks to compare keypoints with.")
    marks = torch.from_numpy(labels["landmarks"]).double()
    return marks[:: max(1, len(marks) // parts.FRAMES)][: parts.FRAMES]


def _distance(prediction: Tensor, clip: Clip, size: int) -> float:
    return parts.mean(metrics.akd(prediction, _landmarks(clip), (size, size), "l2"))
