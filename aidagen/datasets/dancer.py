"""dancer: a real person before a blue screen, with joints as a judge finds them.

    real = pictures()       # some 24 pictures of one clip, the person filling them as in `people`
    real.images, real.pose, real.backdrop

The step to reality of models that were trained on `people`: one woman in black with a white and a
red glove, 63 seconds, from the examples of *musicalgestures* (University of Oslo; fetched on first
use, GPL-3.0, so it is never shipped, and shown at 128 pixels at most). Nothing is trained on it.

Joints are MediaPipe's (`judges.BodyPose`), not exact ones; the neck is between the shoulders. The
backdrop is what the clip shows of the blue screen at any time, interpolated along each row where
the dancer never leaves.

Letters: N pictures, H W pixels of the clip.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from aidagen import footage, poses, sources
from aidagen.datasets.layout import DatasetError
from aidagen.judges.bodies import BODY_POINTS, BodyPose
from aidagen.pixels import as_bytes, as_floats
from aidagen.poses import Pose

HEIGHT, WIDTH = 128, 64
FILLED, LEAST = 0.88, 0.7  # share of the height that the figure takes, and takes at least
TRUNK = poses.numbers("left shoulder", "right shoulder", "left hip", "right hip")
CREDIT = "Dancer: musicalgestures 1.32.0, University of Oslo"


class Dancer(NamedTuple):
    """Pictures of one real person."""

    images: UInt8[Tensor, "N 3 128 64"]
    pose: Pose
    backdrop: Float[Tensor, "N 3 128 64"]  # of each picture, without the person
    second: Float[Tensor, " N"]  # of the clip


def pictures(count: int = 24) -> Dancer:
    """Pictures evenly spread over the clip, ``count`` of them before those are left out in which
    arms are too wide for a picture, or hips and shoulders are not all found.

    Needs the extra ``judges``. Raises ``SourceError`` without a network on first use.
    """
    path = sources.extract("musicalgestures", "musicalgestures/examples/dancer.avi")
    about = footage.info(path)
    every = max(1, about.frames // count)
    frames = torch.stack([f for i, f in enumerate(footage.read(path)) if i % every == 0])
    figures = ~blue(frames)
    behind = backdrop(frames, figures)
    points = joints(frames)
    kept: list[tuple] = []
    for i, (frame, figure, place) in enumerate(zip(frames, figures, points)):
        box = framed(figure)
        if box is None or not place[TRUNK].isfinite().all():
            continue
        at = poses.from_pixels(
            (place - torch.tensor(box[:2]))[None] * (HEIGHT - 1) / box[2],
            place.isfinite().all(-1)[None], HEIGHT, WIDTH,
        )  # fmt: skip
        inside = (at.joints.nan_to_num(9.0).abs() <= 1).all(-1)
        known = (at.visible & inside)[0]
        kept.append((cut(frame, box), at.joints.nan_to_num(0.0)[0], known, cut(behind, box), i))
    if not kept:
        raise DatasetError("No picture of the dancer shows hips and shoulders; ask for more.")
    images, places, known, empty, number = zip(*kept)
    return Dancer(
        torch.stack(images), Pose(torch.stack(places), torch.stack(known)),
        as_floats(torch.stack(empty)), torch.tensor(number) * every / about.fps,
    )  # fmt: skip


def blue(frames: UInt8[Tensor, "*N 3 H W"]) -> Bool[Tensor, "*N H W"]:
    """Which pixels show the screen: blue by far."""
    red, green, blue = frames.int().unbind(-3)
    return (blue > red + 50) & (blue > green + 50)


def backdrop(
    frames: UInt8[Tensor, "N 3 H W"], figures: Bool[Tensor, "N H W"]
) -> UInt8[Tensor, "3 H W"]:
    """The mean of what is no figure, over time; along rows in between where nothing was ever seen.

    A row of which nothing was seen takes the values of the picture's mean.
    """
    free = ~F.max_pool2d(figures[:, None].float(), 9, 1, 4).bool()  # beside its soft edges
    count = free.sum(0)[0]
    mean = (frames * free).sum(0) / count.clamp(min=1)
    columns = np.arange(mean.shape[2])
    whole = mean[:, count > 0].mean(1) if bool((count > 0).any()) else torch.zeros(3)
    for y in torch.nonzero((count == 0).any(1))[:, 0].tolist():
        known = np.flatnonzero(count[y].numpy() > 0)
        for c in range(3):
            row = mean[c, y].numpy()
            mean[c, y] = (
                torch.from_numpy(np.interp(columns, known, row[known])) if len(known) else whole[c]
            )
    return mean.round().to(torch.uint8)


def joints(frames: UInt8[Tensor, "N 3 H W"]) -> Float[Tensor, "N 18 2"]:
    """The 18 joints in pixels of the frame, NaN where the judge does not find them."""
    height, width = frames.shape[2:]
    order = [BODY_POINTS.index(name) if name != "neck" else 0 for name in poses.JOINTS]
    judge, found = BodyPose(), []
    for frame in frames:  # one by one: a frame in its square is large
        points = judge(as_floats(frame[None])).points[0, order]
        points[poses.NUMBER["neck"]] = points[TRUNK[:2]].mean(0)
        found.append((points + 1) / 2 * torch.tensor([width - 1.0, height - 1.0]))
    return torch.stack(found)


def framed(figure: Bool[Tensor, "H W"]) -> tuple[float, float, float] | None:
    """(left, top, height) of the box, half as wide as high, that cuts a figure out as `people` are
    cut: it takes 88 % of the height, less where it would be wider than the box; None below 70 %."""
    rows = torch.nonzero(figure.sum(1) > 2)[:, 0]  # a speck is no figure
    columns = torch.nonzero(figure.sum(0) > 2)[:, 0]
    if not len(rows) or not len(columns):
        return None
    (top, bottom), (left, right) = ((int(x[0]), int(x[-1])) for x in (rows, columns))
    tall, wide = bottom - top + 1, right - left + 1
    height = max(tall / FILLED, 2 * wide / 0.94)
    if tall / height < LEAST:
        return None
    return (left + right) / 2 - height / 4, (top + bottom) / 2 - height / 2, height


def cut(
    frame: UInt8[Tensor, "3 H W"], box: tuple[float, float, float]
) -> UInt8[Tensor, "3 128 64"]:
    """The box of a frame at 128 x 64; what lies outside of the frame repeats its border."""
    left, top, height = box
    step = height / HEIGHT
    size = round(2 * step)  # blurred first, so that pixels are means
    x = as_floats(frame[None])
    if size > 1:
        x = F.avg_pool2d(F.pad(x, [size // 2] * 4, mode="replicate"), 2 * (size // 2) + 1, 1)
    at_y = (top + (torch.arange(HEIGHT) + 0.5) * step - 0.5) / (frame.shape[1] - 1) * 2 - 1
    at_x = (left + (torch.arange(WIDTH) + 0.5) * step - 0.5) / (frame.shape[2] - 1) * 2 - 1
    grid = torch.stack(torch.meshgrid(at_x, at_y, indexing="xy"), dim=-1)
    made = F.grid_sample(x, grid[None], padding_mode="border", align_corners=True)
    return as_bytes(made)[0]
