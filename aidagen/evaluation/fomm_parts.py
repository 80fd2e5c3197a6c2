"""Do Jacobians, occlusion map and painting work where they are needed? By turn and by hiding.

A mean over ordinary clips says little about a part that is needed seldom. Here the test people are
sorted by what the part is for, and the part is switched off *inside* the trained model; the models
of `fomm-heads-64` that were trained without it stand beside that. Every 4th frame of the rendered
test people, source = first frame (not scored), absolute motion, pictures rounded to 8 bits.

Splits `turned-A`: the driving frames are the true ones turned by A degrees in the picture plane,
and the turned frames are the answer. Splits `yaw-A`: frames in which the head has turned to the
side, out of the picture plane, by A degrees or more since the source, and by less than the next A.

Methods:
* `no-turn`: the whole model with all J_S J_D^-1 set to 1, so that keypoints only move;
* `warp-only`: the source warped by the whole model's flow, before anything is painted;
* `no-jacobian`, `no-occlusion`: trained anew without the part (64 px);
* `copy-source`.

Metrics beside L1:
* `turn_seen`: by how many degrees the Jacobians say that the picture was turned, J of the turned
  frame times the inverse J of the frame before it was turned: median over keypoints and frames;
* `painted`: the share of the picture where the occlusion map is below one half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import datasets, metrics, zoo
from aidagen.datasets.layout import Clip
from aidagen.evaluation import clips
from aidagen.evaluation.clips import BY_PIXELS, Frames
from aidagen.evaluation.fomm_heads_64 import turn
from aidagen.evaluation.sheets import EvaluationError, Metric, Sheet, Table
from aidagen.pixels import as_bytes, as_floats

SHOWN, TRAINED = "fomm-faces-128", "fomm-heads-64"
# data set -> the whole model, and the models that were trained without a part
ROWS = {
    "heads-128": (SHOWN, {}),
    "heads": (
        TRAINED,
        {part: f"{TRAINED}-{part}" for part in ("no-jacobian", "no-occlusion")},
    ),
}
ANGLES = (0, 10, 20, 30)  # degrees, anticlockwise as seen
YAWS = (0, 10, 20, 30)  # degrees; the last split has no upper end
EVERY = 4  # frames
NO_TURN, WARP_ONLY, COPY = "no-turn", "warp-only", "copy-source"
L1 = BY_PIXELS["l1"]
TURN_SEEN = Metric("turn_seen", "degrees, median over keypoints and frames", "higher")
PAINTED = Metric("painted", "share of the picture where the occlusion map is below 0.5", "lower")


def compute(
    *, limit: int | None = None, progress: clips.Progress, load_model=zoo.load,
    load_data=datasets.load,
) -> Sheet:  # fmt: skip
    """The whole table. Models and data are opened by name."""
    sheet = Sheet()
    for data, (whole, without) in ROWS.items():
        test = clips.some(load_data(data).clips("test"), limit)
        if not test:
            raise EvaluationError(f"Heads to test on are needed; {data} has none.")
        models = {method: load_model(name) for method, name in {whole: whole, **without}.items()}
        progress(f"{data}: {len(test)} clips, turned in the plane and sorted by yaw")
        for angle in ANGLES:
            add_turned(sheet, data, angle, test, models, whole)
        add_yaws(sheet, data, test, models, whole)
    return sheet


# --- turned in the picture plane -----------------------------------------------------------------


def add_turned(
    sheet: Sheet, data: str, angle: int, test: Sequence[Clip], models: dict, whole: str
) -> None:
    """The rows of split ``turned-<angle>``."""
    split, columns, seen = f"turned-{angle}", {}, []
    for clip in test:
        frames = clip.frames()
        source, plain = frames[0], frames[EVERY::EVERY]
        driving = turn(plain, angle) if angle else plain
        for method, model in models.items():
            columns.setdefault(method, []).append(_error(_made(model, source, driving), driving))
        switched = _made(models[whole], source, driving, turning=False)
        columns.setdefault(NO_TURN, []).append(_error(switched, driving))
        copy = source[None].expand_as(driving)
        columns.setdefault(COPY, []).append(_error(copy, driving))
        seen.append(turn_seen(models[whole], plain, driving))
    for method, values in columns.items():
        sheet.add(data, split, method, L1, values)
    sheet.add(data, split, whole, TURN_SEEN, seen)


def _made(model: nn.Module, source: Tensor, driving: Frames, turning: bool = True) -> Frames:
    """The rebuilt frames; ``turning=False`` lets the keypoints move, but not turn or stretch."""
    device = next(model.parameters()).device
    with torch.no_grad():
        encoded = model.encode(as_floats(source[None]).to(device))
        motion = model.motion(as_floats(driving).to(device))
        if not turning:
            motion = motion._replace(jacobians=encoded.motion.jacobians.expand_as(motion.jacobians))
        return as_bytes(model.render(encoded, motion).image.cpu())


def _error(made: Frames, truth: Frames) -> float:
    return clips.mean(metrics.l1(as_floats(made), as_floats(truth)))


def turn_seen(model: nn.Module, before: Frames, after: Frames) -> float:
    """Degrees, anticlockwise as seen, by which the Jacobians of ``after`` are turned."""
    device = next(model.parameters()).device
    with torch.no_grad():
        one, two = (model.motion(as_floats(x).to(device)).jacobians for x in (before, after))
        return -float(rotation(two @ torch.linalg.inv(one)).median())


def rotation(matrices: Float[Tensor, "*n 2 2"]) -> Float[Tensor, "*n"]:
    """The rotation in each matrix (its polar decomposition's), in degrees; positive from the x
    axis to the y axis, which points down: clockwise as seen."""
    sine = matrices[..., 1, 0] - matrices[..., 0, 1]
    cosine = matrices[..., 0, 0] + matrices[..., 1, 1]
    return torch.atan2(sine, cosine) * 180 / math.pi


# --- turned to the side --------------------------------------------------------------------------


def add_yaws(sheet: Sheet, data: str, test: Sequence[Clip], models: dict, whole: str) -> None:
    """The rows of the splits ``yaw-<degrees>``."""
    yaws, columns, painted = [], {}, []
    for clip in test:
        frames = clip.frames()
        source, driving = frames[0], frames[EVERY::EVERY]
        yaw = clip.labels()["pose"].astype(float)[:, 0]
        yaws.append(np.abs(yaw[EVERY::EVERY] - yaw[0]))
        truth = as_floats(driving)
        for method, model in models.items():
            made = clips.rendering(model, source, driving)
            pictures = {method: made.image}
            if method == whole:
                pictures[WARP_ONLY] = made.deformed
                painted.append((made.occlusion < 0.5).float().mean((1, 2, 3)).cpu().numpy())
            for name, picture in pictures.items():
                errors = metrics.l1(as_floats(as_bytes(picture.cpu())), truth)
                columns.setdefault(name, []).append(errors.numpy())
        copy = as_floats(source[None]).expand_as(truth)
        columns.setdefault(COPY, []).append(metrics.l1(copy, truth).numpy())
    for low, high in zip(YAWS, (*YAWS[1:], math.inf)):
        inside = [(low <= yaw) & (yaw < high) for yaw in yaws]
        for name, errors in columns.items():
            sheet.add(data, f"yaw-{low}", name, L1, _means(errors, inside))
        sheet.add(data, f"yaw-{low}", whole, PAINTED, _means(painted, inside))


def _means(values: Sequence[np.ndarray], inside: Sequence[np.ndarray]) -> list[float]:
    """The mean of each clip's frames that are inside the split; NaN where it has none."""
    return [float(v[i].mean()) if i.any() else math.nan for v, i in zip(values, inside)]


TABLE = Table(
    compute=compute,
    models=tuple(model for whole, without in ROWS.values() for model in (whole, *without.values())),
    data=tuple(ROWS),
    comparisons=[
        *((SHOWN, method) for method in (NO_TURN, WARP_ONLY, COPY)),
        *((TRAINED, m) for m in (NO_TURN, "no-jacobian", WARP_ONLY, "no-occlusion", COPY)),
    ],
)
