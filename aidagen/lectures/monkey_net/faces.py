"""X2Face's pictures in lecture 04, and motion transferred between two heads.

Pictures are floats in [0, 1], ``(B, 3, H, W)``. Functions whose names end in ``sheet`` return a
picture to be shown by `aidagen.widgets.overlays.still`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from aidagen import animation, datasets
from aidagen.lectures.monkey_net.scenes import Scene, moved_most, rebuilt, share_of_copy
from aidagen.lectures.monkey_net.sheets import SIZE, sheet
from aidagen.models import x2face
from aidagen.widgets import overlays


def heads(count: int = 6) -> list[Float[Tensor, "T 3 H W"]]:
    """The first test clips of ``heads``, rendered people whom no model has seen."""
    clips = datasets.load("heads").clips("test")[:count]
    return [clip.frames().float() / 255 for clip in clips]


def with_landmarks() -> tuple[Any, Any]:
    """Two test clips of ``heads`` as the data set holds them, with their exact landmarks."""
    clips = datasets.load("heads").clips("test")
    return clips[0], clips[4]


def easiest(model: Any, clips: list[Tensor]) -> list[Tensor]:
    """The one clip that the model rebuilds with the smallest share of a copy's error."""
    return [min(clips, key=lambda c: _share(model, c))]


def _share(model: Any, clip: Tensor) -> float:
    return share_of_copy(rebuilt(model, clip[:1], clip[1::4]).image.cpu(), clip[1::4], clip[:1])


def warps_sheet(model: x2face.X2Face, clips: list[Tensor]) -> Image.Image:
    """A row per clip: source, embedded face, output, true frame; grids show where is read."""
    cells, labels = [], []
    for clip in clips:
        t = moved_most(clip)
        shown = rebuilt(model, clip[:1], clip[t : t + 1])
        embedded = overlays.enlarge(shown.embedded[0], SIZE)
        grid = overlays.draw_grid(embedded, shown.sampler_grid[0].cpu().numpy(), clip.shape[-1])
        cells += [clip[0], grid, shown.image[0].cpu(), clip[t]]
        labels += ["source", "embedded face, and\nwhere it is read", "output", "the true frame"]
    return sheet(cells, 4, labels, generated=[i for i in range(len(cells)) if i % 4 == 2])


def arm_sheet(model: x2face.X2Face, scene: Scene) -> Image.Image:
    """A scene of the robot: source, embedded picture, output, true frame."""
    frames = scene.frames
    t = moved_most(frames)
    shown = rebuilt(model, frames[:1], frames[t : t + 1])
    cells = [frames[0], shown.embedded[0].cpu(), shown.image[0].cpu(), frames[t]]
    labels = ["source", "embedded picture", "output", "the true frame"]
    return sheet(cells, 4, labels, generated=(1, 2))


def can_add_colour(model: Any, clip: Float[Tensor, "T 3 H W"]) -> bool:
    """Whether the model's output has blue where the source had none: blue is taken out of it."""
    without = clip[:1] * torch.tensor([1.0, 1.0, 0.0]).view(1, 3, 1, 1)
    t = moved_most(clip)
    return bool(rebuilt(model, without, clip[t : t + 1]).image[:, 2].max() > 1e-3)


def transfer_sheet(
    model: Any, source: Float[Tensor, "3 H W"], driving: Float[Tensor, "T 3 H W"]
) -> Image.Image:
    """A source, two moments of a driving clip, and the second one made in both modes."""
    t = moved_most(driving)
    made = [
        animation.animate(model, source, driving[: t + 1], mode)[t].cpu()
        for mode in ("absolute", "relative")
    ]
    labels = ["source", "driving, frame 1", f"driving, frame {t + 1}", "absolute", "relative"]
    return sheet([source, driving[0], driving[t], *made], 5, labels, generated=(3, 4))


def own_transfer_sheet(
    model: Any,
    transfer: Callable[..., tuple[Tensor, Tensor]],
    source: Float[Tensor, "3 H W"],
    driving: Float[Tensor, "T 3 H W"],
) -> Image.Image:
    """The source, moved by keypoints that ``transfer`` computes as exercise 04.3 asks."""
    t = moved_most(driving)
    device = next(model.parameters()).device
    with animation.looking(model):
        encoded = model.encode(source[None].to(device))
        first, now = (model.motion(driving[i : i + 1].to(device)) for i in (0, t))
        known = [m.points[0] for m in (encoded.motion, now, first)]
        known += [m.covariances[0] for m in (encoded.motion, now, first)]
        points, covariances = transfer(*(x.clone() for x in known))
        motion = now._replace(points=points[None], covariances=covariances[None])
        made = model.render(encoded, motion).image[0].cpu()
    labels = ["source", f"driving, frame {t + 1}", "moved by your keypoints"]
    return sheet([source, driving[t], made], 3, labels, generated=(2,))
