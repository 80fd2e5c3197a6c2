"""X2Face's pictures in lecture 04, and motion transferred between two heads.

Pictures are floats in [0, 1], ``(B, 3, H, W)``. Functions whose names end in ``sheet`` return a
picture to be shown by `aidagen.widgets.overlays.still`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from aidagen import animation, datasets, grids
from aidagen.lectures.monkey_net.scenes import Scene, moved_most, rebuilt
from aidagen.lectures.monkey_net.sheets import SIZE, sheet
from aidagen.models import x2face
from aidagen.widgets import overlays


def heads(count: int = 6) -> list[Float[Tensor, "T 3 H W"]]:
    """The first test clips of ``heads``, rendered people whom no model has seen."""
    clips = datasets.load("heads").clips("test")[:count]
    return [clip.frames().float() / 255 for clip in clips]


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


def star_sheet(model: x2face.X2Face, clip: Float[Tensor, "T 3 H W"]) -> Image.Image:
    """A star, drawn once on the embedded face, in eight frames of the clip."""
    pixels = clip.shape[-1]
    y, x = np.mgrid[-1 : 1 : pixels * 1j, -1 : 1 : pixels * 1j]
    x, y = x + 0.18, y - 0.02
    star = np.hypot(x, y) < 0.09 * (1.6 + np.cos(5 * np.arctan2(y, x)))
    device = next(model.parameters()).device
    with animation.looking(model):
        face = model.encode(clip[:1].to(device))
        drawn = torch.tensor(star, dtype=torch.float32, device=device)[None, None]
        alpha = grids.warp(drawn, face.embedding_flow[:, 0])  # from the source's places
        ink = torch.tensor([0.1, 0.2, 0.9], device=device).view(1, 3, 1, 1)
        inked = x2face.edit(face, ink.expand(1, 3, pixels, pixels), alpha)
        eight = clip[:: len(clip) // 8][:8].to(device)
        made = model.render(inked, model.motion(eight)).image.cpu()
    labels = [f"frame {1 + i * (len(clip) // 8)}" for i in range(8)]
    return sheet(list(made), 4, labels, generated=range(8))


def arm_sheet(model: x2face.X2Face, known: list[Scene]) -> Image.Image:
    """A row per scene of the robot: source, embedded picture, output, true frame."""
    cells, labels = [], []
    for scene in known:
        frames = scene.frames
        t = moved_most(frames)
        shown = rebuilt(model, frames[:1], frames[t : t + 1])
        cells += [frames[0], shown.embedded[0].cpu(), shown.image[0].cpu(), frames[t]]
        labels += ["source", "embedded picture", "output", "the true frame"]
    generated = [i for i in range(len(cells)) if i % 4 in (1, 2)]
    return sheet(cells, 4, labels, generated=generated)


def can_add_colour(model: Any, clip: Float[Tensor, "T 3 H W"]) -> bool:
    """Whether the model's output has blue where the source had none: blue is taken out of it."""
    without = clip[:1] * torch.tensor([1.0, 1.0, 0.0]).view(1, 3, 1, 1)
    t = moved_most(clip)
    return bool(rebuilt(model, without, clip[t : t + 1]).image[:, 2].max() > 1e-3)


def transfer_sheet(
    model: Any, source: Float[Tensor, "3 H W"], driving: Float[Tensor, "T 3 H W"]
) -> Image.Image:
    """Two moments of a driving clip, and the source moved by it in absolute and relative mode."""
    made = {
        mode: animation.animate(model, source, driving, mode).cpu()
        for mode in ("absolute", "relative")
    }
    cells, labels = [], []
    for t in (0, moved_most(driving)):
        cells += [source, driving[t], made["absolute"][t], made["relative"][t]]
        labels += ["source", f"driving, frame {t + 1}", "absolute", "relative"]
    return sheet(cells, 4, labels, generated=(2, 3, 6, 7))
