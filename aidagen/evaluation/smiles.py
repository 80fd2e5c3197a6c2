"""Smiles of people who were never seen: are they the right ones, different, and the same person's?

For each person of the test split and each label there are three true clips, one for each mode. A
method gets the neutral frame (and its landmarks) of the first of them and the label, never a mode.

Methods:
* `cmm-net`: `smile-64`; `pull-all`, `best-of-k`, `relaxed`, `push` (relaxed, with push): its modes
  trained with other forms of the loss;
* `single-mode`: what `cmm-net` unfolds before it bends it, one sequence for each label;
* `no-skips`: the painter without skips;
* `pixel-space`: `recurrent_smile-64`, which knows no landmarks; what its frames show is read by the
  landmark judge, and compared with what the same judge reads in the true frames;
* `nearest-train`: the three clips of the training person whose neutral face is most alike, moved
  over; `interpolation`: half way along the mean smile of the label and back, in even steps;
* `real`: the true clips themselves.

Sequences of landmarks are compared by `expressions`. Pictures are judged by identity (to the
person's own neutral frame), by the expression judge, and painters by true landmarks: what a method
paints when it is told how the face moves is compared with how it did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aidagen import datasets, metrics, zoo
from aidagen.datasets.layout import Clip, ClipSet
from aidagen.evaluation import clips
from aidagen.evaluation.clips import Frames
from aidagen.evaluation.expressions import UNIT, Expression, LabelJudge, expression, hits
from aidagen.evaluation.set_distance import FD, SetDistance
from aidagen.evaluation.sheets import EvaluationError, Metric, Sheet, Table
from aidagen.judges import faces
from aidagen.pixels import as_bytes, as_floats

DATA, SPLIT = "smiles", "people"
WHOLE, NO_SKIPS, PIXELS = "smile-64", "smile-64-no-skips", "recurrent_smile-64"
BENT = {
    "cmm-net": WHOLE,
    **{form: f"{WHOLE}-{form}" for form in ("pull-all", "best-of-k", "relaxed", "push")},
}
MIDDLE = slice(12, 17)  # frames in which every smile is at its apex

RECALL = Metric("mode_recall", "share of the true modes that are hit", "higher")
PRECISION = Metric("mode_precision", "share of the sequences that hit a true mode", "higher")
BEST = Metric("landmark_error_best", f"{UNIT}; of the nearest sequence to a true one", "lower")
MEAN = Metric("landmark_error_mean", f"{UNIT}; of all sequences to all true ones", "lower")
DIVERSITY = Metric("diversity", f"{UNIT}; between a person's sequences", "higher")
LABEL = Metric(
    "label_accuracy", f"share of sequences ({LabelJudge.name}, trained on real ones)", "higher"
)
LABEL_BACK = Metric(
    "label_accuracy_back", f"share of real ones ({LabelJudge.name}, trained on these)", "higher"
)
AED = Metric("aed", faces.Identity.unit + " to the neutral frame", "lower")
AED_LAST = Metric("aed_apex", AED.unit + ", at the apex", "lower")
HAPPY = Metric("happy", f"probability at the apex ({faces.Expression.name})", "higher")
SSIM = Metric("ssim", "index, at most 1; painted by true landmarks", "higher")
L1 = Metric("l1", "mean absolute difference of pixels in 0..1; painted by true landmarks", "lower")


class Person(NamedTuple):
    """A person under a label: what a method is given, and what is true."""

    identity: int
    label: int
    clips: list[Clip]  # one for each mode
    neutral: Tensor  # (3, H, W), of the first clip
    points: Tensor  # (T, 68, 2), of the first clip
    true: list[Expression]  # of each clip


def people(data: ClipSet, split: str) -> list[Person]:
    """Everybody of a split under each label, with one clip for each mode."""
    found: dict[tuple[int, int], dict[int, Clip]] = {}
    for clip in data.clips(split):
        labels = clip.labels()
        who = (clip.entry["identity"], int(labels["label"]))
        found.setdefault(who, {}).setdefault(int(labels["mode"]), clip)
    listed = []
    for (identity, label), of_mode in sorted(found.items()):
        own = [of_mode[mode] for mode in sorted(of_mode)]
        points = [torch.as_tensor(clip.labels()["landmarks"]).float() for clip in own]
        neutral = as_floats(own[0].frames(0, 1))[0]
        listed.append(
            Person(identity, label, own, neutral, points[0], [expression(p) for p in points])
        )
    return listed


# --- what methods make ---------------------------------------------------------------------------


@torch.no_grad()
def bent(model: nn.Module, person: Person) -> list[Expression]:
    """The K sequences of a model."""
    modes, _ = model.sequences(person.points[:1], torch.tensor([person.label]), len(person.points))
    return [expression(points) for points in model.vae.points(modes[0])]


@torch.no_grad()
def unbent(model: nn.Module, person: Person) -> list[Expression]:
    """The one sequence that the label asks for."""
    label = torch.tensor([person.label])
    _, shared = model.sequences(person.points[:1], label, len(person.points))
    return [expression(model.vae.points(shared[0]))]


class Known:
    """Baselines made of the training people's sequences."""

    def __init__(self, training: Sequence[Person]):
        self.training = training

    def nearest(self, person: Person) -> list[Expression]:
        """The sequences of whoever has the most similar neutral face."""
        own = _shape(person.points[0])
        alike = [one for one in self.training if one.label == person.label]
        return min(alike, key=lambda one: (_shape(one.points[0]) - own).abs().mean()).true

    def interpolation(self, person: Person) -> list[Expression]:
        """To the mean apex of the label and back, in even steps."""
        apexes = [
            one[MIDDLE].mean(0) for p in self.training if p.label == person.label for one in p.true
        ]
        count = len(person.points)
        there = 1 - torch.linspace(-1, 1, count).abs()
        return [there[:, None, None] * torch.stack(apexes).mean(0)]


def _shape(points: Tensor) -> Tensor:
    """A neutral face, wherever it is and however large."""
    centred = points - points.mean(0)
    return centred / centred.norm()


@torch.no_grad()
def filmed(model: nn.Module, person: Person) -> list[Frames]:
    """The K videos of a landmark model, or the one of a model of pictures."""
    label, neutral = torch.tensor([person.label]), person.neutral[None]
    if hasattr(model, "sequences"):
        images = model(neutral, person.points[:1], label, len(person.points)).images[0]
    else:
        images = model(neutral, label, len(person.points)).images
    return [as_bytes(video) for video in images]


@torch.no_grad()
def repainted(model: nn.Module, clip: Clip) -> Frames:
    """A true clip, painted from its first frame and its landmarks."""
    points = torch.as_tensor(clip.labels()["landmarks"]).float()
    maps = model.maps(model.embed(points))
    first = as_floats(clip.frames(0, 1)).expand(len(points), -1, -1, -1)
    return as_bytes(model.painter(first, maps[:1].expand_as(maps), maps))


# --- the table -----------------------------------------------------------------------------------


class FaceReader:
    """What the judges see in a clip: landmarks, identity, expression."""

    def __init__(self):
        self.landmarks, self.identity = faces.FaceLandmarks(), faces.Identity()
        self.expression = faces.Expression()
        self.happy = faces.Expression.classes.index("happy")

    def points(self, frames: Frames) -> Tensor:
        """(T, 68, 2); NaN where no face is found."""
        return self.landmarks(as_floats(frames)).points

    def scores(self, video: Frames, neutral: Tensor) -> dict[str, float]:
        """Identity to the neutral frame, over the clip and at the apex, and how happy it looks."""
        # the neutral frame beside every fourth frame, and all of the apex
        chosen = sorted({*range(0, len(video), 4), *range(MIDDLE.start, MIDDLE.stop)})
        frames = torch.cat([neutral[None], as_floats(video[chosen])])
        points = self.landmarks(frames).points
        own, *others = self.identity(frames, points)
        away = torch.stack([(one - own).square().sum() for one in others])
        apex = torch.tensor([MIDDLE.start <= t < MIDDLE.stop for t in chosen])
        happy = self.expression(frames[1:][apex], points[1:][apex])[:, self.happy]
        return {
            "aed": clips.mean(away), "aed_apex": clips.mean(away[apex]), "happy": clips.mean(happy)
        }  # fmt: skip


def compute(
    *, limit: int | None = None, progress: clips.Progress, load_model=zoo.load,
    load_data=datasets.load,
) -> Sheet:  # fmt: skip
    """The whole table. Models and data are opened by name."""
    data = load_data(DATA)
    known, tested = people(data, "train"), clips.some(people(data, "test"), limit)
    if not known or not tested:
        raise EvaluationError("The set smiles has nobody to train or to test on; make it again.")
    sheet = Sheet()
    models = {method: load_model(name).cpu().eval() for method, name in BENT.items()}
    pixels, no_skips = (load_model(name).cpu().eval() for name in (PIXELS, NO_SKIPS))
    baselines = Known(known)
    progress(f"{DATA}: sequences of {len(tested)} people and labels")
    methods: dict[str, Callable[[Person], list[Expression]]] = {
        **{method: lambda p, model=model: bent(model, p) for method, model in models.items()},
        "single-mode": lambda p: unbent(models["cmm-net"], p),
        "nearest-train": baselines.nearest,
        "interpolation": baselines.interpolation,
    }
    judge = LabelJudge([x for p in known for x in p.true], [p.label for p in known for _ in p.true])
    for method, make in methods.items():
        _sequences(sheet, method, tested, [make(p) for p in tested], judge)
    for method in (*models, "single-mode"):
        back = LabelJudge(
            [x for p in known for x in methods[method](p)],
            [p.label for p in known for _ in methods[method](p)],
        )
        own = [[float(back(x) == p.label) for x in p.true] for p in tested]
        sheet.add(DATA, SPLIT, method, LABEL_BACK, [sum(x) / len(x) for x in own])
    real = [[float(judge(x) == p.label) for x in p.true] for p in tested]
    sheet.add(DATA, SPLIT, "real", LABEL, [sum(x) / len(x) for x in real])

    progress(f"{DATA}: pictures of {len(tested)} people and labels")
    reader = FaceReader()
    videos = {
        "cmm-net": [filmed(models["cmm-net"], p) for p in tested],
        "no-skips": [_mixed(models["cmm-net"], no_skips, p) for p in tested],
        "pixel-space": [filmed(pixels, p) for p in tested],
        "real": [[clip.frames() for clip in p.clips] for p in tested],
    }
    for method, of_people in videos.items():
        _pictures(sheet, method, tested, of_people, reader)
    seen = [
        [expression(reader.points(video)) for video in of_person]
        for of_person in videos["pixel-space"]
    ]
    truly = [[expression(reader.points(clip.frames())) for clip in p.clips] for p in tested]
    for method, made in (("pixel-space", seen),):
        _sequences(sheet, method, tested, made, None, truly)
    truths = [torch.cat([clip.frames() for clip in p.clips]) for p in tested]
    distance = SetDistance(truths)
    for method, model in {"cmm-net": models["cmm-net"], "no-skips": no_skips}.items():
        painted = [torch.cat([repainted(model, clip) for clip in p.clips]) for p in tested]
        _painted(sheet, method, painted, truths)
        sheet.add_statistic(DATA, SPLIT, method, FD, distance(painted))
    still = [
        torch.cat([clip.frames(0, 1).expand(len(clip), -1, -1, -1) for clip in p.clips])
        for p in tested
    ]
    _painted(sheet, "copy-source", still, truths)
    sheet.add_statistic(DATA, SPLIT, "copy-source", FD, distance(still))
    return sheet


def _mixed(whole: nn.Module, painter: nn.Module, person: Person) -> list[Frames]:
    """The sequences of one model, painted by another one."""
    label, count = torch.tensor([person.label]), len(person.points)
    with torch.no_grad():
        modes, shared = whole.sequences(person.points[:1], label, count)
        maps, first = whole.maps(modes[0].flatten(0, 1)), whole.maps(shared[0, :1])
        neutral = person.neutral[None].expand(len(maps), -1, -1, -1)
        images = painter.painter(neutral, first.expand_as(maps), maps)
    return [as_bytes(video) for video in images.split(count)]


def _sequences(
    sheet: Sheet, method: str, tested: Sequence[Person], made: Sequence[list[Expression]],
    judge: LabelJudge | None, true: Sequence[list[Expression]] | None = None,
) -> None:  # fmt: skip
    true = true or [person.true for person in tested]
    found = [hits(own, truth) for own, truth in zip(made, true, strict=True)]
    for metric, name in (
        (RECALL, "recall"), (PRECISION, "precision"), (BEST, "best"), (MEAN, "mean"),
        (DIVERSITY, "diversity"),
    ):  # fmt: skip
        sheet.add(DATA, SPLIT, method, metric, [getattr(one, name) for one in found])
    if judge is not None:
        right = [
            sum(judge(x) == person.label for x in own) / len(own)
            for own, person in zip(made, tested, strict=True)
        ]
        sheet.add(DATA, SPLIT, method, LABEL, right)


def _pictures(
    sheet: Sheet, method: str, tested: Sequence[Person], videos: Sequence[list[Frames]],
    reader: FaceReader,
) -> None:  # fmt: skip
    scores = []
    for person, of_person in zip(tested, videos, strict=True):
        # a true clip begins with its own neutral frame
        first = [as_floats(v[0]) if method == "real" else person.neutral for v in of_person]
        each = [reader.scores(v, n) for v, n in zip(of_person, first, strict=True)]
        scores.append({key: sum(one[key] for one in each) / len(each) for key in each[0]})
    for metric in (AED, AED_LAST, HAPPY):
        sheet.add(DATA, SPLIT, method, metric, [one[metric.name] for one in scores])


def _painted(
    sheet: Sheet, method: str, painted: Sequence[Frames], truths: Sequence[Frames]
) -> None:
    pairs = [(as_floats(a), as_floats(b)) for a, b in zip(painted, truths, strict=True)]
    sheet.add(DATA, SPLIT, method, SSIM, [clips.mean(metrics.ssim(a, b)) for a, b in pairs])
    sheet.add(DATA, SPLIT, method, L1, [clips.mean(metrics.l1(a, b)) for a, b in pairs])


TABLE = Table(
    compute=compute,
    models=(*BENT.values(), NO_SKIPS, PIXELS),
    data=(DATA,),
    comparisons=[
        *(("cmm-net", other) for other in ("pull-all", "best-of-k", "relaxed", "push",
          "single-mode", "no-skips", "pixel-space", "nearest-train", "interpolation",
          "copy-source", "real")),
    ],
)  # fmt: skip
