"""The robot's scenes in lecture 04: what Monkey-Net finds in them, and what moves the arm.

Pictures are floats in [0, 1], ``(B, 3, H, W)``; points (x, y) in [-1, 1]. Functions whose names end
in ``sheet`` return a picture to be shown by `aidagen.widgets.overlays.still`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from aidagen import animation, datasets, grids, metrics
from aidagen.evaluation import monkeynet_keypoints
from aidagen.evaluation.stand_ins import SPLITS
from aidagen.lectures.monkey_net.sheets import SIZE, sheet
from aidagen.widgets import overlays, skeletons

METHODS = tuple(monkeynet_keypoints.METHODS)  # as the rows name them
TRAINED = {
    name: monkeynet_keypoints.METHODS[method].format("robot")
    for name, method in zip(("first", "mended"), METHODS, strict=True)
}
"""Monkey-Net's two checkpoints on the robot: trained without and with a term for the keypoints."""


class Scene(NamedTuple):
    """A clip of the robot, with the exact joints of its arm."""

    frames: Float[Tensor, "T 3 H W"]
    joints: Float[np.ndarray, "T J 2"]
    inside: Bool[np.ndarray, "T J"]


def scenes(count: int | None = None) -> list[Scene]:
    """Test scenes of ``robot``, which no model has seen; the first ``count`` of them, or all."""
    found = []
    for clip in datasets.load("robot").clips("test")[:count]:
        labels = clip.labels()
        frames = clip.frames().float() / 255
        found.append(Scene(frames, labels["joints"].astype(float), labels["inside"]))
    return found


def moved_most(frames: Float[Tensor, "T 3 H W"]) -> int:
    """The frame that differs most from the first one."""
    return int((frames - frames[0]).abs().mean((1, 2, 3)).argmax())


def median_scene(model: Any, known: list[Scene], every: int = 4) -> int:
    """The scene that the model rebuilds with the median error, as a share of a copy's.

    From its first frame; in every ``every``-th other one; over the pixels that move.
    """
    shares = []
    for scene in known:
        truth = scene.frames[1::every]
        source = scene.frames[:1]
        made = rebuilt(model, source, truth).image.cpu()
        shares.append(share_of_copy(made, truth, source))
    return int(np.argsort(shares)[len(shares) // 2])


def rebuilt(model: Any, source: Tensor, frames: Tensor) -> Any:
    """The model's rendering of driving frames ``(B, 3, H, W)`` from one source ``(1, 3, H, W)``."""
    device = next(model.parameters()).device
    with animation.looking(model):
        return model.render(model.encode(source.to(device)), model.motion(frames.to(device)))


def share_of_copy(made: Tensor, truth: Tensor, source: Tensor) -> float:
    """The error over moving pixels as a share of what copying the source leaves."""
    still = source.expand_as(truth)
    mine, copy = (metrics.l1_moving(x, truth, still).nanmean() for x in (made, still))
    return float(mine / copy)


# --- what is inside ------------------------------------------------------------------------------


def spreads(picture: Float[Tensor, "3 H W"], motion: Any, size: int = SIZE) -> overlays.Picture:
    """A picture with its numbered keypoints and their ellipses."""
    points, covariances = (x[0].cpu().numpy() for x in (motion.points, motion.covariances))
    large = overlays.enlarge(picture, size)
    return skeletons.draw_spreads(large, points, covariances, picture.shape[-1])


def claims_picture(
    picture: Float[Tensor, "3 H W"], masks: Float[Tensor, "J h w"], size: int = SIZE
) -> overlays.Picture:
    """The picture in grey, tinted by the keypoint whose mask is largest; the background is not."""
    owner = masks.argmax(0)
    large = overlays.enlarge(picture, size)
    drawn = overlays.masked_picture(large, np.zeros(owner.shape))
    for k in range(1, len(masks)):
        mask = (masks[k] * (owner == k)).cpu().numpy()
        if mask.any():
            tinted = overlays.masked_picture(large, mask, overlays.colour_of(k - 1))
            where = overlays.enlarge(torch.from_numpy(mask).float()[None].expand(3, -1, -1), size)
            drawn = np.where(where > 64, tinted, drawn)
    return drawn


def movement_picture(flow: Float[Tensor, "h w 2"], size: int = SIZE) -> overlays.Picture:
    """A warp grid as movement from the source to here, in colours."""
    still = grids.identity_grid(*flow.shape[:2], device=flow.device)
    return overlays.flow_picture((still - flow).cpu().numpy(), size)


def stages_sheet(model: Any, source: Tensor, driving: Tensor) -> Image.Image:
    """The way of one frame through the model: keypoints, masks, flow, warped source, finished.

    ``source`` and ``driving`` are ``(1, 3, H, W)``.
    """
    shown = rebuilt(model, source, driving)
    own = rebuilt(model, source, source).motion
    finished, truth = (overlays.enlarge(x[0], SIZE) for x in (shown.image, driving))
    cells = [
        spreads(source[0], own), spreads(driving[0], shown.motion),
        claims_picture(driving[0], shown.masks[0]),
        movement_picture(_still(shown.residual) + shown.residual[0]),
        movement_picture(shown.flow[0]), overlays.enlarge(shown.deformed[0], SIZE), finished, truth,
        overlays.difference_picture(finished, truth),
        overlays.difference_picture(overlays.enlarge(source[0], SIZE), truth),
    ]  # fmt: skip
    labels = ["1 source, keypoints", "1 driving frame", "2 who claims what", "2 residual",
              "2 flow", "3 source, warped", "3 finished frame", "the true frame", "still wrong",
              "wrong in a copy"]  # fmt: skip
    return sheet(cells, 5, labels, generated=(5, 6))


def _still(flow: Float[Tensor, "B h w 2"]) -> Float[Tensor, "h w 2"]:
    """The identity grid of a flow's size, where the flow lies."""
    return grids.identity_grid(*flow.shape[1:3], device=flow.device)


def keypoints_sheet(model: Any, known: list[Scene], count: int = 4) -> Image.Image:
    """First frames of different scenes, each with the model's keypoints."""
    frames = [scene.frames[:1] for scene in known[:count]]
    cells = [spreads(frame[0], rebuilt(model, frame, frame).motion) for frame in frames]
    return sheet(cells, 4, [f"scene {i + 1}" for i in range(len(cells))])


def composed_sheet(
    source: Float[Tensor, "3 H W"], flow: Float[Tensor, "h w 2"], truth: Float[Tensor, "3 H W"]
) -> Image.Image:
    """Source, source warped by a flow (without the identity grid), true frame."""
    flow = flow.detach().cpu().float()
    grid = (grids.identity_grid(*flow.shape[:2]) + flow)[None]
    warped = grids.warp(source[None], grids.resize_grid(grid, *source.shape[1:]))[0]
    return sheet([source, warped, truth], 3, ["source", "moved by your flow", "the true frame"],
                 generated=(1,))  # fmt: skip


def deformed_sheet(
    deform: Callable[[Tensor, Tensor], Tensor], shown: Any, source: Tensor, truth: Tensor
) -> Image.Image:
    """A coarse source ``(3, H, W)``, the same after ``deform`` warped it by the flow, coarse truth.

    ``deform(features, flow)`` is what exercise 04.6 asks for; ``shown`` is a rendering.
    """
    grid = grids.resize_grid(shown.flow[:1].cpu().clone(), *source.shape[1:])
    flow = (grid - grids.identity_grid(*source.shape[1:]))[0]
    small, goal = (torch.nn.functional.avg_pool2d(x[None], 2)[0] for x in (source, truth))
    labels = ["coarse source", "deformed", "coarse true frame"]
    return sheet([small, deform(small, flow), goal], 3, labels, generated=(1,))


def own_keypoints_sheet(
    picture: Float[Tensor, "3 H W"],
    points: Float[Tensor, "K 2"],
    covariances: Float[Tensor, "K 2 2"],
) -> Image.Image:
    """A frame with keypoints and ellipses that somebody else computed."""
    drawn = skeletons.draw_spreads(
        overlays.enlarge(picture, SIZE),
        points.detach().cpu().numpy(),
        covariances.detach().cpu().numpy(),
        picture.shape[-1],
    )
    return sheet([drawn], 1, ["your keypoints"])


# --- a motion by hand ----------------------------------------------------------------------------


def by_hand_frame(known: list[Scene]) -> tuple[Scene, int, Bool[np.ndarray, " J"]]:
    """A scene, a frame of it, and the joints to use: many in the picture, moved by a fifth."""
    scene = max(known, key=lambda each: each.inside.sum())
    away = np.abs(scene.joints - scene.joints[0]).mean((1, 2))
    t = int(np.abs(away - 0.2).argmin())
    return scene, t, scene.inside[0] & scene.inside[t]


def by_hand_sheet(
    scene: Scene,
    t: int,
    used: Bool[np.ndarray, " J"],
    masks: Float[Tensor, "K h w"],
    grid: Float[Tensor, "h w 2"],
    made: Float[Tensor, "3 H W"],
) -> Image.Image:
    """Source and driving frame with joints, what is claimed, the flow, and what comes of it."""
    pixels = scene.frames.shape[-1]
    lively = int(np.abs(scene.joints[t, used] - scene.joints[0, used]).sum(-1).argmax())
    source, truth = (overlays.enlarge(scene.frames[i], SIZE) for i in (0, t))
    warped = overlays.enlarge(made, SIZE)
    pictures = [
        overlays.draw_points(source, scene.joints[0, used], pixels),
        overlays.draw_points(truth, scene.joints[t, used], pixels),
        overlays.map_picture(masks[lively].numpy(), SIZE),
        overlays.map_picture(masks.sum(0).numpy(), SIZE), movement_picture(grid),
        warped, truth, overlays.difference_picture(warped, truth),
        overlays.difference_picture(source, truth), source,
    ]  # fmt: skip
    labels = ["source, its joints", "driving frame", f"mask of joint {lively + 1}",
              "sum of the masks", "flow", "warped by hand", "the true frame", "still wrong",
              "wrong in a copy", "the source"]  # fmt: skip
    return sheet(pictures, 5, labels, generated=(5,))


# --- who does the work ---------------------------------------------------------------------------


class Parts(NamedTuple):
    """A source warped by parts of the flow, and the finished frame; each ``(B, 3, H, W)``."""

    keypoints: Tensor  # by the keypoints' part alone
    residual: Tensor  # by the residual alone
    whole: Tensor  # by both
    finished: Tensor  # after painting


def keypoints_share(rows: Sequence[Mapping[str, Any]], training: str, data: str) -> float:
    """What the keypoints' part alone leaves of a copy's error, from the stored rows.

    ``training`` is one of `TRAINED`, ``rows`` are those of the table `monkeynet-keypoints`.
    """
    method = METHODS[list(TRAINED).index(training)]
    value = {
        row["method"]: row["value"]
        for row in rows
        if (row["data"], row["split"], row["metric"])
        == (data, SPLITS[data][0], "l1_moving_keypoints")
    }
    return value[method] / value["copy-source"]


def parts(model: Any, source: Tensor, frames: Tensor) -> Parts:
    """What each part of the flow makes of the source ``(1, 3, H, W)`` for driving frames."""
    shown = rebuilt(model, source, frames)
    with animation.looking(model):
        sources = source.to(shown.image).expand_as(shown.image)
        alone = grids.resize_grid(_still(shown.flow) + shown.residual, *sources.shape[2:])
        keypoints = model.generator.by_keypoints(sources, shown)
        made = (keypoints, grids.warp(sources, alone), shown.deformed, shown.image)
    return Parts(*(picture.cpu() for picture in made))


def parts_sheet(model: Any, source: Tensor, driving: Tensor) -> Image.Image:
    """The source, the source warped by each part of the flow, the finished and the true frame."""
    made = parts(model, source, driving)
    cells = [source[0], made.keypoints[0], made.residual[0], made.finished[0], driving[0]]
    labels = ["source", "keypoints alone", "residual alone", "finished", "the true frame"]
    return sheet(cells, 5, labels, generated=(1, 2, 3))


def shifted_sheet(models: dict[str, Any], source: Tensor, by: float = 0.25) -> Image.Image:
    """All keypoints of the source moved to the right: what each model makes of it.

    A row per model: its keypoints on the source, the same moved, the source warped by the
    keypoints' part of the flow, and the finished frame.
    """
    cells, labels = [], []
    for name, model in models.items():
        device = next(model.parameters()).device
        with animation.looking(model):
            encoded = model.encode(source.to(device))
            there = encoded.motion.points + torch.tensor([by, 0.0], device=device)
            shown = model.render(encoded, encoded.motion._replace(points=there))
            warped = model.generator.by_keypoints(source.to(device), shown)
        own, moved = (spreads(source[0], m) for m in (encoded.motion, shown.motion))
        cells += [own, moved, warped[0].cpu(), shown.image[0].cpu()]
        labels += [f"{name} training", "keypoints moved", "source, warped", "finished"]
    return sheet(cells, 4, labels, generated=[i for i in range(len(cells)) if i % 4 > 1])


# --- alignment -----------------------------------------------------------------------------------


def left_over(
    model: Any, frames: Float[Tensor, "T 3 H W"], every: int = 4
) -> Float[np.ndarray, " levels"]:
    """How far the warped features of the source are from those of the true frames, per level.

    As a share of the distance before the warp; the generator never sees the true frame's features.
    """
    rest = frames[every::every]
    shown = rebuilt(model, frames[:1], rest)
    device = shown.flow.device
    with animation.looking(model):
        sources = model.encode(frames[:1].to(device)).features
        truths = model.encode(rest.to(device)).features
        shares = []
        for source, truth in zip(sources, truths, strict=True):
            before = source.expand_as(truth)
            grid = grids.resize_grid(shown.flow, *truth.shape[2:])
            after = grids.warp(before, grid, padding="border")
            shares.append(float((after - truth).abs().mean() / (before - truth).abs().mean()))
    return np.array(shares)


def left_over_rows(model: Any, known: list[Scene], every: int = 4) -> list[dict]:
    """`left_over` of many scenes as rows for `aidagen.teaching.plots.claim`: one method per level.

    ``copy`` is the source's features as they are, which is 1 by definition.
    """
    shares = np.stack([left_over(model, scene.frames, every) for scene in known])
    place = {"data": "robot", "split": "test", "metric": "left_over", "n": len(known), "seed": 0}
    unit = "distance to the true frame's features that is left, as a share of that before the warp"
    rows = []
    for level, values in enumerate(shares.T):
        value = metrics.bootstrap(values)
        rows.append(
            place
            | {"method": f"level {level + 1}", "unit": unit, "value": value.value,
               "low": value.low, "high": value.high}
        )  # fmt: skip
    return rows
