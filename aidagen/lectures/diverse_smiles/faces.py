"""Lecture 02's painted faces: with and without skips, over time, without landmarks, and real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aidagen.datasets.smiles import MODES
from aidagen.errors import AidagenError
from aidagen.evaluation.smiles import Person
from aidagen.judges import faces as judges
from aidagen.lectures.diverse_smiles import real
from aidagen.lectures.diverse_smiles.figures import APEX, apexes, inked, played, rows
from aidagen.lectures.diverse_smiles.showcase import Someone
from aidagen.models.smile import Smiles
from aidagen.pixels import as_floats


@torch.no_grad()
def skips(model: nn.Module, without: nn.Module, group: Sequence[Someone], clip: int = 2) -> Any:
    """A true expression, painted from its true landmarks with and without skips."""
    cells, words = [], []
    heads = [
        "neutral",
        "landmarks",
        "the true frame",
        "with skips",
        "skips at 0",
        "trained without",
    ]
    for someone in group:
        own = someone.posed.clips[clip]
        points = torch.as_tensor(own.labels()["landmarks"]).float()[[0, APEX]]
        neutral, target = (as_floats(own.frames(t, t + 1)) for t in (0, APEX))
        made = []
        for painter, use in ((model, True), (model, False), (without, None)):
            first, then = painter.maps(painter.embed(points)).chunk(2)
            made.append(painter.painter(neutral, first, then, use)[0])
        drawn = torch.from_numpy(inked(then[0])).permute(2, 0, 1) / 255
        cells += [neutral[0], drawn, target[0], *made]
        words += heads
    marks = [i for i, word in enumerate(words) if word in heads[3:]]
    return rows(cells, len(heads), words, marks, 200)


def videos(
    made: Smiles, without: nn.Module, pixels: nn.Module, person: Person
) -> dict[str, Float[Tensor, "T 3 H W"]]:
    """The same smile (mode 1) of a person by three systems, and the true clip."""
    count = len(person.points)
    with torch.no_grad():
        maps = made.maps[0, 0]
        plain = without.painter(
            person.neutral.expand(count, -1, -1, -1), maps[:1].expand_as(maps), maps
        )
        coded = pixels(person.neutral[None], torch.tensor([person.label]), count).images[0]
    return {
        "with skips": made.images[0, 0],
        "without skips": plain,
        "without landmarks": coded,
        "the true clip": as_floats(person.clips[0].frames()),
    }


@torch.no_grad()
def drift(clips: Mapping[str, Tensor], every: int = 4) -> dict[str, dict[str, list[float]]]:
    """The identity judge's distance to the first true frame, over time; NaN without a face."""
    landmarks, identity = judges.FaceLandmarks(), judges.Identity()
    found: dict[str, list[float]] = {}
    for name, frames in clips.items():
        seen = torch.cat([clips["the true clip"][:1], frames[::every]])
        own, *others = identity(seen, landmarks(seen).points)
        found[name] = [float((one - own).square().sum()) for one in others]
    return {"distance to the neutral face": found}


@torch.no_grad()
def unmoved(model: nn.Module, group: Sequence[Someone]) -> dict[str, float]:
    """Identity distance between the neutral face and the apex of each mode, and of true clips in
    each mode, as means over people (label: posed)."""
    identity, landmarks = judges.Identity(), judges.FaceLandmarks()
    away: dict[str, list[float]] = {}
    for someone in group:
        person = someone.posed
        made = apexes(model, person.neutral, person.points[0], person.label)
        true = torch.cat([as_floats(clip.frames(APEX, APEX + 1)) for clip in person.clips])
        seen = torch.cat([person.neutral[None], made, true])
        own, *others = identity(seen, landmarks(seen).points)
        names = [f"mode {k + 1}" for k in range(len(made))] + [f"true clip, {m}" for m in MODES]
        for name, one in zip(names, others, strict=True):
            away.setdefault(name, []).append(float((one - own).square().sum()))
    return {name: float(torch.tensor(values).nanmean()) for name, values in away.items()}


def against_pixels(
    clips: Mapping[str, Tensor], times: Sequence[int] = (0, 4, 8, 14, 20, 26)
) -> Any:
    """The model and the comparator beside the true clip, at some moments."""
    cells, words, marks = [], [], []
    for name in ("the true clip", "with skips", "without landmarks"):
        marks += range(len(cells), len(cells) + len(times)) if name != "the true clip" else []
        cells += [clips[name][t] for t in times]
        words += [name, *("" for _ in times[1:])]
    return rows(cells, len(times), words, marks, 200)


# --- a real face ---------------------------------------------------------------------------------


def real_face(size: int = 64) -> real.Real | None:
    """The real face; None where its footage cannot be fetched (no network, for example)."""
    try:
        return real.face(size)
    except AidagenError:
        return None


@torch.no_grad()
def real_film(model: nn.Module, person: real.Real | None) -> Any:
    """The real neutral face and its K generated smiles, posed above, spontaneous below."""
    from IPython.display import Markdown

    if person is None:
        return Markdown("The footage with a real neutral face cannot be fetched on this machine.")
    table = []
    for label in (0, 1):
        made = model(person.neutral[None], person.points[None], torch.tensor([label])).images[0]
        table.append([person.neutral, *made])
    says = (
        "A real man's neutral face on the left; beside it the smiles that the model makes of it, "
        "posed above, spontaneous below."
    )
    return played(table, 2, says)


@torch.no_grad()
def real_scores(
    model: nn.Module, person: real.Real, every: int = 4
) -> dict[str, dict[str, list[float]]]:
    """Over time: identity distance to the neutral face, and how happy the judge finds it."""
    landmarks, identity = judges.FaceLandmarks(), judges.Identity()
    mood = judges.Expression()
    happy = judges.Expression.classes.index("happy")
    made = model(person.neutral[None], person.points[None], torch.tensor([1])).images[0]
    clips = {f"mode {k + 1}": frames for k, frames in enumerate(made)}
    clips["his own smile, real"] = person.clip[:: max(1, len(person.clip) // made.shape[1])]
    away: dict[str, list[float]] = {}
    smiling: dict[str, list[float]] = {}
    for name, frames in clips.items():
        # the real clip is held against its own first frame
        first = frames[:1] if name.endswith("real") else person.neutral[None]
        seen = torch.cat([first, frames[::every]])
        points = landmarks(seen).points
        own, *others = identity(seen, points)
        away[name] = [float((one - own).square().sum()) for one in others]
        smiling[name] = mood(seen[1:], points[1:])[:, happy].tolist()
    return {"identity distance": away, "probability of happy": smiling}
