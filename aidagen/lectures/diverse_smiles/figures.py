"""Lecture 02's figures: each function draws one, so that the text shows only what is to be read.

Pictures are tensors ``(3, S, S)`` in [0, 1], maps ``(1, S, S)``. Each function returns what a
notebook can show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from aidagen import datasets, video
from aidagen.datasets.smiles import FPS, LABELS, MODES
from aidagen.evaluation.expressions import FIRST, Expression, expression, hits
from aidagen.evaluation.smiles import Person, bent
from aidagen.lectures.diverse_smiles.graphs import measures
from aidagen.lectures.diverse_smiles.showcase import Someone
from aidagen.models.smile import Smiles, landmark_map
from aidagen.pixels import as_floats
from aidagen.widgets import overlays

APEX = 14  # a frame in which every smile is at its apex
WIDE = 256  # pixels of a picture in a row of four or five


def row(pictures: Sequence, words: Sequence[str], generated: Sequence[int] = (), size=WIDE) -> Any:
    """One row of pictures over their words, as a notebook shows it."""
    return rows(pictures, len(pictures), words, generated, size)


def rows(
    pictures: Sequence, columns: int, words: Sequence[str], generated: Sequence[int], size: int
) -> Any:
    """Rows of pictures over their words."""
    sheet = overlays.sheet(pictures, columns, words, size=size, generated=generated)
    return overlays.still(sheet)


def inked(drawn: Float[Tensor, "1 H W"], size: int = WIDE) -> np.ndarray:
    """A landmark picture as black lines on white."""
    return overlays.enlarge(1 - drawn.detach().cpu().expand(3, -1, -1), size)


def lines(points: Float[Tensor, "68 2"], size: int = WIDE) -> np.ndarray:
    """Landmarks, drawn at the size of the screen; the face fills the picture."""
    low, high = points.amin(0), points.amax(0)
    large = (points - (low + high) / 2) * (1.8 / (high - low).max())
    return inked(landmark_map(large[None], size, 0.8)[0], size)


def carried(neutral: Float[Tensor, "68 2"], moved: Float[Tensor, "51 2"]) -> Float[Tensor, "68 2"]:
    """One moment of an `Expression`, put on a neutral face; the jaw's line stays."""
    points = neutral.clone()
    points[FIRST:] += moved * (neutral[36] - neutral[45]).norm()
    return points


@torch.no_grad()
def smiles(model: nn.Module, person: Person) -> Smiles:
    """The K smiles of a person under a label, all frames of them."""
    label = torch.tensor([person.label])
    return model(person.neutral[None], person.points[:1], label, len(person.points))


@torch.no_grad()
def apexes(
    model: nn.Module, neutral: Float[Tensor, "3 S S"], points: Float[Tensor, "68 2"], label: int
) -> Float[Tensor, "K 3 S S"]:
    """The K smiles at their apex alone; the other frames are not painted."""
    modes, shared = model.sequences(points[None], torch.tensor([label]), APEX + 1)
    return painted(model, neutral, modes[0, :, APEX], shared[0, 0])


@torch.no_grad()
def painted(
    model: nn.Module, neutral: Float[Tensor, "3 S S"], z: Float[Tensor, "N E"],
    first: Float[Tensor, " E"],
) -> Float[Tensor, "N 3 S S"]:  # fmt: skip
    """Embeddings as pictures; ``first`` is the embedding of the neutral face."""
    maps, start = model.maps(z), model.maps(first[None])
    still = neutral.expand(len(maps), -1, -1, -1)
    return model.painter(still, start.expand_as(maps), maps)


# --- films ---------------------------------------------------------------------------------------


def played(
    table: Sequence[Sequence[Tensor]], scale: int, says: str, fps: float = float(FPS)
) -> Any:
    """Rows of clips ``(T, 3, S, S)`` or stills ``(3, S, S)`` as one clip that plays."""
    from IPython.display import HTML

    count = max(len(one) for line in table for one in line if one.dim() == 4)
    across = [
        torch.cat([one if one.dim() == 4 else one.expand(count, -1, -1, -1) for one in line], -1)
        for line in table
    ]
    frames = torch.cat(across, -2)
    large = F.interpolate(frames, scale_factor=scale, mode="bicubic").clamp(0, 1)
    return HTML(video.html(large, fps=fps, alt=says))


def film(person: Person, smiles: Smiles) -> Any:
    """The showcase: one neutral face, and its K smiles, playing."""
    made = smiles.images[0]
    says = (
        f"On the left a still picture of a neutral face; beside it {len(made)} clips of the same "
        "face, each smiling in another way and becoming neutral again."
    )
    return played([[person.neutral, *made]], 5, says)


@torch.no_grad()
def labels_film(model: nn.Module, group: Sequence[Someone], every: int = 1) -> Any:
    """Posed above, spontaneous below; of each person the still, and two of the smiles.

    Only one frame in ``every`` is painted, to save time.
    """
    table = []
    for label in range(len(LABELS)):
        line = []
        for someone in group:
            person = someone.under(label)
            modes, shared = model.sequences(
                person.points[:1], torch.tensor([label]), len(person.points)
            )
            line.append(person.neutral)
            for way in (modes[0, 0], modes[0, -1]):
                line.append(painted(model, person.neutral, way[::every], shared[0, 0]))
        table.append(line)
    says = (
        "Above posed, below spontaneous smiles of two people, the second with glasses: of each "
        "person a still picture and two smiles, from neutral to a smile and back."
    )
    return played(table, 3, says, fps=float(FPS) / every)


# --- landmarks and their embedding ---------------------------------------------------------------


@torch.no_grad()
def landmarks(model: nn.Module, person: Person, clip: int = 2, frame: int = APEX) -> Any:
    """A true frame with its points, their drawing, and what comes out of the embedding."""
    own = person.clips[clip]
    points = torch.as_tensor(own.labels()["landmarks"]).float()[frame]
    picture = as_floats(own.frames(frame, frame + 1))[0]
    z = model.embed(points[None])
    read = model.vae.points(z)[0]
    pixels = picture.shape[-1]
    shown = [
        dotted(overlays.enlarge(picture, WIDE), points, pixels),
        inked(model.draw(points[None])[0]),
        inked(model.vae.logits(z).sigmoid()[0]),
        dotted(overlays.enlarge(picture, WIDE), read, pixels),
    ]
    words = ["a frame, its 68 points", "as a drawing: y", "decoded from z", "points read off z"]
    return row(shown, words)


def dotted(picture: np.ndarray, points: Float[Tensor, "68 2"], pixels: int) -> np.ndarray:
    """Small dots without numbers."""
    image = Image.fromarray(picture)
    draw, radius = ImageDraw.Draw(image), len(picture) / 90
    for x, y in overlays.to_pixels(points.numpy(), pixels, len(picture)):
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill="#F0E442", outline="black")
    return np.array(image)


@torch.no_grad()
def walk(model: nn.Module, person: Person, clip: int = 2, steps: int = 5) -> Any:
    """On a straight line between two embeddings: from neutral to a smile."""
    points = torch.as_tensor(person.clips[clip].labels()["landmarks"]).float()[[0, APEX]]
    first, last = model.embed(points)
    shares = torch.linspace(0, 1, steps)
    maps = model.maps(torch.stack([first + share * (last - first) for share in shares]))
    return row(
        [inked(each) for each in maps], [f"{100 * share:.0f} % of the way" for share in shares]
    )


# --- one label, many smiles ----------------------------------------------------------------------


@torch.no_grad()
def mean_smile(model: nn.Module, person: Person, frame: int = APEX) -> Any:
    """The true smiles of one person under one label, their mean, and what one sequence learns."""
    neutral = person.points[0]
    label = torch.tensor([person.label])
    shared = model.sequences(person.points[:1], label, len(person.points))[1]
    single = expression(model.vae.points(shared[0]))
    apexes = [one[frame] for one in person.true]
    moved = [*apexes, torch.stack(apexes).mean(0), single[frame]]
    words = [*MODES, "the mean of the three", "learned: one sequence"]
    return row([lines(carried(neutral, each)) for each in moved], words)


def strip(model: nn.Module, person: Person, smiles: Smiles, size: int = 128) -> Any:
    """The original clip, the single sequence, and K modes, at eight moments; names on the left."""
    times = [0, 4, 8, 12, 16, 20, 26, 31]
    original = as_floats(person.clips[0].frames())[times]
    shared = smiles.shared[0]
    table = {
        "original": original,
        "single": painted(model, person.neutral, shared[times], shared[0]),
        **{f"mode {k + 1}": images[times] for k, images in enumerate(smiles.images[0])},
    }
    left, top, step = 150, 44, size + 3
    extent = (left + step * len(times), top + step * len(table))
    canvas, font = Image.new("RGB", extent, "white"), ImageFont.load_default(30)
    draw = ImageDraw.Draw(canvas)
    for i, t in enumerate(times):
        draw.text((left + step * i, 2), f"{t / float(FPS):.1f} s", fill="black", font=font)
    for j, (name, frames) in enumerate(table.items()):
        draw.text((4, top + step * j + size // 3), name, fill="black", font=font)
        for i, frame in enumerate(frames):
            pixels = overlays.enlarge(frame, size)
            if name != "original":
                pixels = overlays.marked(pixels)
            canvas.paste(Image.fromarray(pixels), (left + step * i, top + step * j))
    return overlays.still(canvas)


def told_apart(model: nn.Module, group: Sequence[Someone]) -> tuple[Tensor, Tensor]:
    """For each mode of the model and each true one, how often the first is nearest to the second,
    and how often it hits it: two tables (K, M), over people and labels."""
    count = len(group[0].posed.true)
    nearest = torch.zeros(model.config.modes, count, dtype=torch.long)
    hit = nearest.clone()
    for someone in group:
        for person in (someone.posed, someone.spontaneous):
            made = bent(model, person)
            for k, m in enumerate(hits(made, person.true).nearest):
                nearest[k, m] += 1
                hit[k, m] += bool(hits([made[k]], person.true).precision)
    return nearest, hit


def told_apart_table(model: nn.Module, group: Sequence[Someone]) -> str:
    """`told_apart` as Markdown: "15 (14 hit)"."""
    from aidagen import markdown

    nearest, hit = told_apart(model, group)
    body = [
        (f"mode {k + 1}", *(f"{n} ({h} hit)" for n, h in zip(*each, strict=True)))
        for k, each in enumerate(zip(nearest.tolist(), hit.tolist(), strict=True))
    ]
    return markdown.table(("of the model", *(f"nearest to: {mode}" for mode in MODES)), body)


# --- curves --------------------------------------------------------------------------------------


@torch.no_grad()
def label_curves(model: nn.Module, group: Sequence[Someone]) -> dict[str, dict[str, Tensor]]:
    """What differs between the labels, real and generated, as means over people: how wide the
    mouth is in all modes, and how far the eyes are open where the true smile keeps the mouth
    closed (or is nearest to that)."""
    curves: dict[str, dict[str, Tensor]] = {"width of the mouth": {}, "opening of the eyes": {}}
    for label, name in enumerate(LABELS):
        persons = [someone.under(label) for someone in group]
        made = []
        for person in persons:
            modes, _ = model.sequences(person.points[:1], torch.tensor([label]), len(person.points))
            made.append(model.vae.points(modes[0]))
        true = [
            torch.stack([torch.as_tensor(c.labels()["landmarks"]).float() for c in person.clips])
            for person in persons
        ]
        closest = [
            ways[min(range(len(ways)), key=lambda k: _far(expression(ways[k]), person.true[0]))]
            for ways, person in zip(made, persons, strict=True)
        ]
        for word, wide, narrow in (
            (name, made, closest), (f"{name}, real", true, [ways[0] for ways in true])
        ):  # fmt: skip
            width = measures(torch.stack(wide))["width of the mouth"].mean((0, 1))
            eyes = measures(torch.stack(narrow))["opening of the eyes"].mean(0)
            curves["width of the mouth"][word] = width - width[0]
            curves["opening of the eyes"][word] = eyes - eyes[0]
    return curves


def _far(a: Expression, b: Expression) -> float:
    return float((a - b).norm(dim=-1).mean())


@torch.no_grad()
def speed(model: nn.Module, group: Sequence[Someone]) -> dict[str, float]:
    """Largest widening of the mouth within a frame, for each label, as a mean over people."""
    curves = label_curves(model, group)["width of the mouth"]
    return {label: float(curves[label].diff().max()) for label in LABELS}


# --- failures ------------------------------------------------------------------------------------


@torch.no_grad()
def trouble(model: nn.Module, group: Sequence[Someone]) -> Any:
    """Four ways to fail: a start that smiles already, a turned head, eyes behind dark glasses, a
    face that is far too small; of each the picture and the apexes of all modes."""
    smiling = group[0].posed.clips[2]
    points = torch.as_tensor(smiling.labels()["landmarks"]).float()[APEX]
    cases = {"smiles already": (as_floats(smiling.frames(APEX, APEX + 1))[0], points)}
    cases["turned head"] = _turned()
    hidden = next(someone for someone in group if someone.glasses == "dark").posed
    cases["dark glasses"] = (hidden.neutral, hidden.points[0])
    person = group[0].posed
    half = F.interpolate(person.neutral[None], scale_factor=0.5, mode="area")
    pad = person.neutral.shape[-1] // 4
    small = F.pad(half, (pad,) * 4, mode="replicate")[0]
    cases["far too small"] = (small, person.points[0] / 2)
    cells, words = [], []
    for name, (picture, points) in cases.items():
        made = apexes(model, picture, points, label=0)
        cells += [picture, *made]
        words += [name, *(f"mode {k + 1}" for k in range(len(made)))]
    marks = [i for i, word in enumerate(words) if word.startswith("mode")]
    return rows(cells, len(cells) // 2, words, marks, 150)


def _turned() -> tuple[Tensor, Tensor]:
    """The frame of the rendered test heads that is turned furthest, with its landmarks."""
    clips = datasets.load("heads").clips("test")
    yaws = [np.abs(clip.labels()["pose"][:, 0]) for clip in clips]
    which = int(np.argmax([yaw.max() for yaw in yaws]))
    at = int(yaws[which].argmax())
    points = torch.as_tensor(clips[which].labels()["landmarks"]).float()[at]
    return as_floats(clips[which].frames(at, at + 1))[0], points
