"""Lecture 05's figures: each function draws one, so that the text shows only what is to be read.

Pictures are tensors ``(3, S, S)`` in [0, 1] unless said otherwise. Each returns what a notebook can
show; the learner's own functions are arguments, and the badge below a figure says where a
reference solution was called instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from aidagen import animation, grids, video
from aidagen.evaluation.fomm_heads_64 import turn
from aidagen.keypoints import RandomTransform
from aidagen.lectures.first_order_motion.showcase import People, Showcase, column
from aidagen.pixels import as_bytes, as_floats
from aidagen.widgets import overlays

WIDE = 256  # pixels of a picture in a row of four or five
SIGMA = 0.12  # of the random deformation that keypoints have to follow
GAIN = 3.0  # by which differences are brightened


def _row(pictures: Sequence, words: Sequence[str], generated: Sequence[int] = (), size=WIDE) -> Any:
    """One row of pictures over their words, as a notebook shows it."""
    return overlays.still(
        overlays.sheet(pictures, len(pictures), words, size=size, generated=generated)
    )


def _table(rows: Sequence[Sequence], heads: Sequence[str], made: Sequence[str], size=WIDE) -> Any:
    """Rows of pictures; columns whose head is in ``made`` were generated. Heads below each row."""
    cells = [picture for row in rows for picture in row]
    words = [head for _ in rows for head in heads]
    marks = [i for i, word in enumerate(words) if word in made]
    return overlays.still(overlays.sheet(cells, len(heads), words, size=size, generated=marks))


def film(show: Showcase, made: Sequence[Tensor], fps: float = 12.5) -> Any:
    """The showcase as a clip that plays: stills above, the driving clip and what follows below."""
    from IPython.display import HTML

    frames = column(show.sources, made, show.driving)
    large = torch.nn.functional.interpolate(frames, scale_factor=2, mode="bicubic").clamp(0, 1)
    says = (
        "Above: three still pictures of different people. Below: on the left the driving clip of "
        "a fourth person who turns the head; beside it the three people, moving in the same way."
    )
    return HTML(video.html(large, fps=fps, alt=says))


def steps(model: nn.Module, source: Tensor, driving: Tensor) -> Any:
    """What happens to one frame: source and driving frame with points, flow, warp, result."""
    rendering = _rendering(model, source, driving)
    pixels = source.shape[-1]
    found = model.motion(_batch(model, torch.stack([source, driving]))).points.cpu().numpy()
    dotted = [
        overlays.draw_points(overlays.enlarge(picture, WIDE), points, pixels)
        for picture, points in zip((source, driving), found, strict=True)
    ]
    flow = rendering.flow[0].cpu()
    moved = (grids.identity_grid(*flow.shape[:2]) - flow).numpy()
    seen = overlays.flow_picture(moved, WIDE, float(np.abs(moved).max()))
    pictures = [*dotted, seen, rendering.deformed[0].cpu(), rendering.image[0].cpu()]
    words = ["1 source", "1 driving", "2, 3 flow", "4 warp", "5 paint"]
    return _row(pictures, words, generated=[4])


def toy(pictures: Sequence[np.ndarray], points: Sequence[np.ndarray], words: Sequence[str]) -> Any:
    """The toy's pictures ``(S, S, 3)`` in [0, 1], each with its keypoint."""
    shown = []
    for picture, point in zip(pictures, points, strict=True):
        tensor = torch.from_numpy(picture).permute(2, 0, 1).float()
        large = overlays.enlarge(tensor, 2 * WIDE, smooth=False)
        shown.append(overlays.draw_points(large, point[None], len(picture)))
    return _row(shown, words)


def keypoints(model: nn.Module, people: People, chosen: Sequence[int]) -> Any:
    """The keypoints of several people, in their first frames."""
    frames = torch.stack([people.frames[i][0] for i in chosen])
    found = model.motion(_batch(model, frames)).points.cpu().numpy()
    shown = [
        overlays.draw_points(overlays.enlarge(frame, WIDE), points, frame.shape[-1])
        for frame, points in zip(frames, found, strict=True)
    ]
    return _row(shown, [f"person {i + 1}" for i in chosen])


def followed(models: Mapping[str, nn.Module], frame: Tensor, seed: int = 0) -> Any:
    """A frame and its deformed copy: where each model finds its points in the copy (dots), and
    where they should be if they followed the deformation (ring at the end of the line)."""
    generator = torch.Generator().manual_seed(seed)
    known = RandomTransform.sample(1, generator=generator, sigma_affine=SIGMA, sigma_tps=0.0)
    deformed = known.frame(frame[None])
    matrices, shifts = _affine(known)
    pictures, words = [overlays.enlarge(frame, WIDE)], ["a frame"]
    for name, model in models.items():
        found = model.motion(_batch(model, torch.cat([frame[None], deformed]))).points.cpu()
        wanted = (found[0] - shifts[0]) @ torch.linalg.inv(matrices[0]).T
        large = overlays.enlarge(deformed[0], WIDE)
        pictures.append(_missed(large, wanted.numpy(), found[1].numpy(), frame.shape[-1]))
        error = float((wanted - found[1]).norm(dim=-1).mean()) * frame.shape[-1] / 2
        words.append(f"{name}: {error:.1f} px")
    return _row(pictures, words)


def misses(
    loss: Callable[..., Tensor], models: Mapping[str, nn.Module], frames: Tensor, seed: int = 0
) -> dict[str, float]:
    """The learner's ``loss(p_x, p_y, matrix, shift)`` (exercise 05.5) of each model: the mean over
    frames ``(B, 3, S, S)``, each deformed by an affine map of its own."""
    generator = torch.Generator().manual_seed(seed)
    known = RandomTransform.sample(
        len(frames), generator=generator, sigma_affine=SIGMA, sigma_tps=0.0
    )
    found, (matrices, shifts) = {}, _affine(known)
    for name, model in models.items():
        x, y = (model.motion(_batch(model, f)).points.cpu() for f in (frames, known.frame(frames)))
        values = [loss(*each) for each in zip(x, y, matrices, shifts, strict=True)]
        found[name] = float(torch.stack(values).mean())
    return found


def _affine(known: RandomTransform) -> tuple[Tensor, Tensor]:
    """Matrices (B, 2, 2) and shifts (B, 2) of transforms without a spline, Y -> X."""
    return known.theta[:, :, :2], known.theta[:, :, 2]


def _missed(picture: np.ndarray, wanted: np.ndarray, found: np.ndarray, pixels: int) -> np.ndarray:
    """A line from where each point should be (ring) to where it was found (dot)."""
    from PIL import ImageDraw

    image = Image.fromarray(picture)
    draw, size = ImageDraw.Draw(image), len(picture)
    places = (overlays.to_pixels(points, pixels, size) for points in (wanted, found))
    for k, (one, two) in enumerate(zip(*places, strict=True)):
        colour = overlays.colour_of(k)
        draw.line([*one, *two], fill="white", width=3)
        draw.ellipse((*(one - 7), *(one + 7)), outline=colour, width=3)
        draw.ellipse((*(two - 5), *(two + 5)), fill=colour, outline="black")
    return np.array(image)


# --- what each part does -------------------------------------------------------------------------


def turned(model: nn.Module, sources: Sequence[Tensor], degrees: float) -> Any:
    """Sources driven by themselves, turned in the plane: with Jacobians, and with points only.

    The turned source is the true answer, so errors can be shown.
    """
    rows = []
    for source in sources:
        driving = as_floats(turn(as_bytes(source[None]), degrees))[0]
        encoded = model.encode(_batch(model, source[None]))
        motion = model.motion(_batch(model, driving[None]))
        still = motion._replace(jacobians=encoded.motion.jacobians)
        made = [model.render(encoded, m).image[0].cpu() for m in (still, motion)]
        rows.append([source, driving, *made, *(_apart(m, driving) for m in made)])
    heads = ("source", "driving", "points only", "with Jacobians")
    return _table(rows, (*heads, "error: points", "error: Jacobians"), heads[2:], size=220)


def hidden(model: nn.Module, people: People, chosen: Sequence[int]) -> Any:
    """Frames in which the head has turned most: occlusion map, warped source, painted frame."""
    rows = []
    for i in chosen:
        source, driving = people.frames[i][0], people.frames[i][people.widest_turn(i)]
        made = _rendering(model, source, driving)
        occlusion = overlays.map_picture(made.occlusion[0, 0].cpu().numpy(), 220)
        warped, image = made.deformed[0].cpu(), made.image[0].cpu()
        rows.append([source, driving, occlusion, warped, image, _apart(warped, image)])
    heads = ("source", "driving", "occlusion map", "only warped", "painted", "paint changed")
    return _table(rows, heads, heads[3:5], size=220)


def masks(model: nn.Module, source: Tensor, driving: Tensor, count: int = 4) -> Any:
    """The masks that claim most of the picture over the generated frame, with their shares."""
    made = _rendering(model, source, driving)
    share = made.masks[0].mean((1, 2))
    best = [0, *(1 + share[1:].argsort(descending=True)[:count]).tolist()]
    large = overlays.enlarge(made.image[0].cpu(), WIDE)
    shown, words = [], []
    for k in best:
        colour = overlays.colour_of(k - 1) if k else "#BBBBBB"
        shown.append(overlays.masked_picture(large, made.masks[0, k].cpu().numpy(), colour))
        words.append(f"{'stay' if k == 0 else f'keypoint {k}'}: {100 * share[k]:.0f} %")
    return _row(shown, words, generated=range(len(shown)))


def by_hand(source: Tensor, driving: Tensor, flow: Float[Tensor, "h w 2"], made: Any) -> Any:
    """The source warped by the flow of the learner's functions, beside the model's own warp."""
    size = source.shape[-1]
    full = grids.resize_grid(flow[None].cpu(), size, size)
    warped = grids.warp(source[None], full)[0]
    words = ["source", "driving", "your flow", "the model's warp"]
    return _row([source, driving, warped, made.deformed[0].cpu()], words, generated=[2, 3])


def modes(model: nn.Module, source: Tensor, driving: Tensor, times: Sequence[int]) -> Any:
    """Absolute beside relative motion at some frames of the driving clip, in one row."""
    made = {mode: animation.animate(model, source, driving, mode).cpu() for mode in MODES}
    pictures, words = [source], ["source"]
    for t in times:
        pictures += [driving[t], *(made[mode][t] for mode in MODES)]
        words += [f"driving, {t + 1}", *MODES]
    generated = [i for i, word in enumerate(words) if word in MODES]
    return _row(pictures, words, generated, size=220)


MODES = ("absolute", "relative")


def trouble(model: nn.Module, show: Showcase, seed: int = 0) -> Any:
    """Four ways to fail: three frames of each."""
    source, driving = show.sources[0], show.driving
    half = torch.nn.functional.interpolate(source[None], scale_factor=0.5, mode="area")
    pad = source.shape[-1] // 4
    small = torch.nn.functional.pad(half, (pad,) * 4, value=0.5)[0]
    noise = torch.rand(driving.shape, generator=torch.Generator().manual_seed(seed))
    away = int((driving - driving[0]).abs().mean((1, 2, 3)).argmax())
    cases = {
        "first pose differs": (source, driving.roll(-away, 0)),
        "upside down": (source.flip(1), driving),
        "far too small": (small, driving),
        "driven by noise": (source, noise),
    }
    rows, words = [], []
    for name, (start, frames) in cases.items():
        made = animation.animate(model, start, frames[::8]).cpu()
        rows += [start, *made[1:3]]
        words += [name, "frame 9", "frame 17"]
    generated = [i for i, word in enumerate(words) if word.startswith("frame")]
    return overlays.still(overlays.sheet(rows, 6, words, size=200, generated=generated))


def learning(source: Tensor, driving: Tensor, rendering: Any, error: float) -> Any:
    """What a model in training makes of one pair: source, driving frame with points, result."""
    points = rendering.motion.points[0].detach().cpu().numpy()
    dotted = overlays.draw_points(overlays.enlarge(driving, WIDE), points, driving.shape[-1])
    image = rendering.image[0].detach().cpu()
    words = ["source", "driving, keypoints", f"rebuilt, error {error:.3f}", "difference"]
    return _row([source, dotted, image, _apart(image, driving)], words, generated=[2])


# --- homework ------------------------------------------------------------------------------------


def temperatures(
    read: Callable[[Tensor, float], Tensor], model: nn.Module, frame: Tensor,
    values: Sequence[float],
) -> Any:  # fmt: skip
    """Keypoints that ``read(logits, temperature)`` (exercise 05.2) gets from the model's maps."""
    detector = model.kp_detector
    logits = detector.kp(detector.predictor(detector.down(_batch(model, frame[None]))))[0].cpu()
    large = overlays.enlarge(frame, WIDE)
    shown = [
        overlays.draw_points(large, read(logits, value).numpy(), frame.shape[-1])
        for value in values
    ]
    return _row(shown, [f"temperature {value:g}" for value in values])


def relative_by_hand(
    move: Callable[..., tuple[Tensor, Tensor]], model: nn.Module, source: Tensor, driving: Tensor,
    times: Sequence[int],
) -> Any:  # fmt: skip
    """The source, moved frame by frame by the learner's ``move`` (exercise 05.4)."""
    encoded = model.encode(_batch(model, source[None]))
    found = model.motion(_batch(model, driving))
    s = encoded.motion
    made = []
    for t in times:
        points, jacobians = move(
            s.points[0], found.points[t], found.points[0],
            s.jacobians[0], found.jacobians[t], found.jacobians[0],
        )  # fmt: skip
        motion = s._replace(points=points[None], jacobians=jacobians[None], heatmaps=None)
        made.append(model.render(encoded, motion).image[0].cpu())
    words = ["source", *(f"frame {t + 1}" for t in times)]
    return _row([source, *made], words, generated=range(1, len(words)), size=200)


# --- small things --------------------------------------------------------------------------------


def _batch(model: nn.Module, pictures: Float[Tensor, "B 3 S S"]) -> Tensor:
    """Pictures on the model's device."""
    return pictures.to(next(model.parameters()).device)


def _rendering(model: nn.Module, source: Tensor, driving: Tensor) -> Any:
    """One driving frame rebuilt in absolute motion, with every intermediate."""
    encoded = model.encode(_batch(model, source[None]))
    return model.render(encoded, model.motion(_batch(model, driving[None])))


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """The difference of two pictures, brightened by `GAIN`."""
    return (GAIN * (one - other).abs()).clamp(0, 1)
