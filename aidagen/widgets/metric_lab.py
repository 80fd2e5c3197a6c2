"""The metric lab: spoil a true clip, and see which metric notices and which is blind.

    lab = MetricLab(clip, other_clip)     # clips of datasets.load("heads"), of two people
    lab                                   # in a notebook: it plays; choose a spoiling, a strength
    lab.spoiling, lab.level = "blur", 4   # or by hand; levels go from 0 (untouched) to 10
    lab.table()                           # the numbers, as Markdown
    lab.matrix()                          # every spoiling and metric in one picture

Every error is divided by that of a *copy of the source*, the clip's first frame standing still: 0
is perfect, 1 is as bad as not moving at all, and a metric below 0.1 is called blind. (MKR is a
share already; it is blind where less than 1 % of the points are missing.)

AKD, MKR and AED need judges that find points and faces
(`aidagen.evaluation.face_judges.FaceJudges`). Without them AKD and MKR are computed from the exact
points of the clip's labels where the spoiling moves these in a known way (shift, frozen video,
identity swap, shuffle); elsewhere, and for AED, the lab says that a judge is needed.
"""

from collections.abc import Sequence
from typing import Any, no_type_check

import ipywidgets as widgets
import numpy as np
import traitlets
from PIL import Image
from torch import Tensor

from aidagen import markdown, metrics
from aidagen.errors import AidagenError
from aidagen.pixels import as_bytes
from aidagen.widgets import controls, metric_matrix, overlays
from aidagen.widgets.film import Film, View
from aidagen.widgets.metric_matrix import Score
from aidagen.widgets.panel import Panel
from aidagen.widgets.recordings import liveliest
from aidagen.widgets.spoilings import SPOILINGS, Footage, footage, inside, spoilt

MISSED = 0.01  # MKR, a share itself: fewer points than these is blind
FRAMES = 13  # at most, the source included: SSIM takes 4 ms per frame
UNITS = {"AKD": " px", "PSNR": " dB"}
JUDGED = ("AKD", "MKR", "AED")
BEST = 60.0  # dB, for equal frames, as in the tables


class MetricLab(Panel):
    """A true clip, a way to spoil it, and what every metric says.

    Args:
        clip: frames ``(T, 3, H, W)``, floats in [0, 1] or bytes, three or more, or a clip of a data
            set; its labels' ``landmarks`` and ``visible`` are then its exact points.
        other: a clip of somebody else, for the identity swap.
        judges: something whose ``read(frames)`` of bytes ``(T, 3, H, W)`` gives ``points``
            (T, K, 2), NaN for what it does not find, and ``embedding`` (T, D). They take seconds,
            so that they run only when a button, ``ask()`` or ``matrix()`` asks for them; their
            readings are kept.
        seed: of noise and shuffle.
        size: side of each picture, in pixels; the page shows them larger where there is room.
        fps: frames per second while it plays.

    ``spoiling`` (a name), ``level`` (0 to 10) and ``frame`` (from 1, the first after the source)
    are traits; ``sentence`` says which metrics are blind. It opens at the liveliest frame.

    Raises:
        AidagenError: on a clip in which nothing moves, on something that is not a clip, and on a
            spoiling, a level or a frame that does not exist.
    """

    spoiling = traitlets.Unicode("shift")
    level = traitlets.Int(2)
    frame = traitlets.Int(1)

    shows = "Metric lab: true frame, spoilt frame and their difference"

    @no_type_check  # what users give is checked by hand, in sentences
    def __init__(
        self, clip: Any, other: Any, judges: Any = None, *, seed: int = 0, size: int = 256,
        fps: float = 6.0,
    ) -> None:  # fmt: skip
        self.clip, self.other = footage(clip, "clip", FRAMES), footage(other, "other clip", FRAMES)
        self.judges, self.seed, self.size = judges, seed, size
        self.source, self.truth = self.clip.frames[:1], self.clip.frames[1:]
        self.count = len(self.truth)
        still = self.source.expand_as(self.truth)
        if not bool(((self.truth - still).abs() > 0.1).any()):
            raise AidagenError(
                "Nothing moves in this clip, so a copy of its first frame is perfect and measures "
                "nothing; give a clip with movement."
            )
        points = self.clip.points
        held = None if points is None else points[:1].expand_as(points)
        self._copied = Footage(self.source.expand_as(self.clip.frames), held)
        self._last: tuple[Any, Any] = (None, None)  # what was spoilt last, and how
        self._readings: dict[tuple[str, int], Any] = {}
        self._copy = self._pixels(self._copied)
        self._measurements: dict[tuple[str, int], dict[str, float]] = {}
        super().__init__()
        self.frame = liveliest(self.truth, self.source[0])
        self._build(fps)
        self.observe(self._another, "spoiling")
        self.observe(self._redraw, "level")
        self._redraw()

    def __repr__(self) -> str:
        strength = SPOILINGS[self.spoiling].text(self.level)
        who = "judges" if self.judges else "exact points" if self._exact else "pixels only"
        return f"MetricLab({self.spoiling!r}, {strength}, {who})"

    # --- what it measures -----------------------------------------------------------------------

    @property
    def _exact(self) -> bool:
        return self.clip.points is not None

    def spoilt(self, spoiling: str | None = None, level: int | None = None) -> Footage:
        """The spoilt clip, its untouched source left out."""
        name, level = spoiling or self.spoiling, self.level if level is None else level
        if self._last[0] != (name, level):
            clip = spoilt(name, level, self.clip, self.other, self.seed)
            points = None if clip.points is None else clip.points[1:]
            self._last = (name, level), Footage(clip.frames[1:], points)
        return self._last[1]

    def scores(self, spoiling: str | None = None, level: int | None = None) -> dict[str, Score]:
        """Every metric of a spoilt clip; the present one by default."""
        name, level = spoiling or self.spoiling, self.level if level is None else level
        if (name, level) not in self._measurements:
            self._measurements[name, level] = self._pixels(self.spoilt(name, level))
        values, copy = self._measurements[name, level], self._copy
        scores = {
            "L1": Score(values["L1"], values["L1"] / copy["L1"]),
            "L1 moving": Score(values["L1 moving"], values["L1 moving"] / copy["L1 moving"]),
            "SSIM": Score(values["SSIM"], (1 - values["SSIM"]) / (1 - copy["SSIM"])),
            # decibels are logarithms, infinite for perfect frames: what is compared is the mean
            # over the frames of the root mean square that each frame's decibels stand for
            "PSNR": Score(values["PSNR"], values["RMS"] / copy["RMS"]),
            "flicker": Score(values["flicker"], values["flicker"] / copy["flicker"]),
        }
        return scores | (self._judged(name, level) if self.judges else self._geometric(name, level))

    def ask(self, spoiling: str | None = None, level: int | None = None) -> None:
        """Let the judges look at a spoilt clip, if they have not yet; takes seconds.

        Raises:
            AidagenError: if there are none.
        """
        if self.judges is None:
            raise AidagenError(
                "This lab has no judges; give MetricLab(clip, other, judges) something that reads "
                "faces, such as aidagen.evaluation.face_judges.FaceJudges()."
            )
        name, level = spoiling or self.spoiling, self.level if level is None else level
        clips = {("truth", 0): self.truth, ("copy", 0): self._copied.frames[1:]}
        clips[name, level] = self.spoilt(name, level).frames
        for key, frames in clips.items():
            if key not in self._readings:
                self._readings[key] = self.judges.read(as_bytes(frames))
        if (name, level) == (self.spoiling, self.level):
            self._redraw()

    def _pixels(self, clip: Footage) -> dict[str, float]:
        """The metrics that need no judge; ``clip`` with the source's frame or without."""
        frames = clip.frames[-self.count :]
        decibels = metrics.psnr(frames, self.truth)
        return {
            "L1": _mean(metrics.l1(frames, self.truth)),
            "L1 moving": _mean(
                metrics.l1_moving(frames, self.truth, self.source.expand_as(self.truth))
            ),
            "SSIM": _mean(metrics.ssim(frames, self.truth)),
            "PSNR": _mean(decibels.clamp(max=BEST)),
            "RMS": float((10 ** (-decibels / 20)).mean()),
            "flicker": _mean(metrics.flicker(frames, self.truth)),
        }

    def _geometric(self, name: str, level: int) -> dict[str, Score]:
        """AKD and MKR of exact points; points outside the picture are missing."""
        missing = {metric: Score(np.nan, np.nan, "needs a judge") for metric in JUDGED}
        points = self.spoilt(name, level).points if self._exact else None
        if points is None:
            return missing
        truth, copy = self.clip.points[1:], self._copied.points[1:]
        return missing | self._points(inside(points), inside(truth), inside(copy))

    def _judged(self, name: str, level: int) -> dict[str, Score]:
        reading = self._readings.get((name, level))
        if reading is None:
            return {metric: Score(np.nan, np.nan, "not asked yet") for metric in JUDGED}
        truth, copy = self._readings["truth", 0], self._readings["copy", 0]
        apart, worst = (_mean(metrics.aed(r.embedding, truth.embedding)) for r in (reading, copy))
        none = Score(np.nan, np.nan, "no face found")
        aed = Score(apart, apart / worst) if np.isfinite(apart) and worst > 0 else none
        return self._points(reading.points, truth.points, copy.points) | {"AED": aed}

    def _points(self, points: Tensor, truth: Tensor, copy: Tensor) -> dict[str, Score]:
        size = tuple(self.truth.shape[-2:])
        apart, worst = (_mean(metrics.akd(p, truth, size)) for p in (points, copy))
        missing = _mean(metrics.mkr(points, truth))
        none = Score(np.nan, np.nan, "no point found")
        akd = Score(apart, apart / worst) if np.isfinite(apart) and worst > 0 else none
        return {"AKD": akd, "MKR": Score(missing, missing, limit=MISSED)}

    # --- in words and pictures ------------------------------------------------------------------

    def describe(self, spoiling: str | None = None, level: int | None = None) -> str:
        """Which metrics react, which are blind and which would need a judge, in one sentence."""
        name, level = spoiling or self.spoiling, self.level if level is None else level
        kind, scores = SPOILINGS[name], self.scores(name, level)
        if level == 0:
            return f"{name.capitalize()}, {kind.text(0)}: the clip is untouched, all metrics agree."
        measured = {m: s for m, s in scores.items() if not s.missing}
        worst = max(measured, key=lambda m: measured[m].relative)
        blind = [m for m, s in measured.items() if s.blind]
        parts = [f"blind: {', '.join(blind)}" if blind else "no metric is blind"]
        for why in dict.fromkeys(s.missing for s in scores.values() if s.missing):
            parts.append(f"{why}: {', '.join(m for m, s in scores.items() if s.missing == why)}")
        return (
            f"{name.capitalize()}, {kind.text(level)}: the strongest reaction is that of {worst}, "
            f"{measured[worst].relative:.2f} of a copy of the source; {'; '.join(parts)}."
        )

    def table(self) -> str:
        """The present numbers as a Markdown table."""
        rows = [(m, _value(m, score), _relative(score)) for m, score in self.scores().items()]
        return markdown.table(("metric", "value", "of a copy of the source"), rows)

    def pictures(
        self, size: int | None = None, frame: int | None = None, spoiling: str | None = None,
        level: int | None = None,
    ) -> list[View]:  # fmt: skip
        """The true frame, the spoilt one, and their difference."""
        size, frame = size or self.size, frame or self.frame
        name, level = spoiling or self.spoiling, self.level if level is None else level
        for trait, value in (("spoiling", name), ("level", level), ("frame", frame)):
            self._check(trait, value)
        truth = overlays.enlarge(self.truth[frame - 1], size)
        picture = overlays.enlarge(self.spoilt(name, level).frames[frame - 1], size)
        apart = overlays.difference_picture(picture, truth)
        text = f"{name}, {SPOILINGS[name].text(level)}"
        return [
            View(f"True frame {frame}", f"True frame {frame}", truth),
            View(name.capitalize(), f"The same frame spoilt: {text}", picture),
            View("Difference", "Their difference, black where they agree", apart),
        ]

    def figure(
        self, frames: Sequence[int] | None = None, size: int = 192, *, spoiling: str | None = None,
        level: int | None = None,
    ) -> Image.Image:  # fmt: skip
        """Frames below each other, by default the present one; the live widget stays as it is."""
        shown = [self.frame] if frames is None else frames
        views = [view for t in shown for view in self.pictures(size, t, spoiling, level)]
        return overlays.sheet([v.pixels for v in views], 3, [v.caption for v in views])

    def everything(self, level: int | None = None) -> dict[str, dict[str, Score]]:
        """Spoiling -> metric -> score, each at its usual level, or all at ``level``.

        The judges, if there are any, are asked about all of them.
        """
        levels = {n: kind.usual if level is None else level for n, kind in SPOILINGS.items()}
        if self.judges is not None:
            for name, each in levels.items():
                self.ask(name, each)
        return {name: self.scores(name, each) for name, each in levels.items()}

    def matrix(self, level: int | None = None) -> Any:
        """Spoilings by metrics as one still picture with its words, for a notebook."""
        return overlays.still(self.matrix_picture(level), alt=self.matrix_words(level))

    def matrix_words(self, level: int | None = None) -> str:
        """What the matrix shows: to what each metric is blind."""
        return metric_matrix.words(self.everything(level))

    def matrix_picture(self, level: int | None = None) -> Image.Image:
        """The matrix: dark blue is blind, yellow as bad as a copy of the source or worse."""
        table = self.everything(level)
        kinds = {name: SPOILINGS[name] for name in table}
        labels = {
            n: f"{n}, {k.text(k.usual if level is None else level)}" for n, k in kinds.items()
        }
        return metric_matrix.picture(table, labels)

    # --- controls -------------------------------------------------------------------------------

    def _build(self, fps: float) -> None:
        self.choice = controls.choice("Spoiling", list(SPOILINGS), 240)
        self.strength = controls.Steps("Strength", 0, 10, value=self.level, texts=self._texts())
        self.bars = widgets.HTML()
        self._follow(
            Film(
                lambda t: [[view] for view in self.pictures(frame=t)], self.count,
                value=self.frame, fps=fps, autoplay=self.count > 1,
            )
        )  # fmt: skip
        self.button = widgets.Button(description="Ask the judges")
        self.button.on_click(lambda _: self.ask())
        for trait, linked in (("spoiling", self.choice), ("level", self.strength)):
            traitlets.link((self, trait), (linked, "value"))
        more = [self.button] if self.judges is not None else []
        choices = controls.row(self.choice, self.strength, *more)
        self.children = (choices, self.film, self.spoken, self.bars)

    def _texts(self) -> list[str]:
        return [SPOILINGS[self.spoiling].text(level) for level in range(11)]

    def _another(self, change: dict) -> None:
        self.strength.texts = self._texts()
        self._redraw(change)

    def say(self, change: dict | None = None) -> None:
        """The sentence is about the whole clip, so that it is said while it plays, too."""
        self.spoken.value = self.sentence

    def _redraw(self, change: dict | None = None) -> None:
        if change is not None:
            self.film.refresh()
        self.sentence = self.describe()
        self.say()
        rows = "".join(_row(metric, score) for metric, score in self.scores().items())
        heads = ("Metric", "Value", "Error, as a part of that of a copy of the source")
        cells = "".join(f'<th scope="col">{h}</th>' for h in heads)
        self.bars.value = f"<table><tr>{cells}</tr>{rows}</table>"

    def _check(self, trait: str, value: Any) -> None:
        if trait == "spoiling" and value not in SPOILINGS:
            raise AidagenError(f"There is no {value!r}; there are {', '.join(SPOILINGS)}.")
        if trait == "level" and not 0 <= value <= 10:
            raise AidagenError(f"Levels go from 0 to 10, not {value!r}.")
        if trait == "frame" and not 1 <= value <= self.count:
            raise AidagenError(f"There is no frame {value}: 1 to {self.count} follow the source.")

    @traitlets.validate("spoiling", "level", "frame")
    def _refuse(self, proposal: Any) -> Any:
        self._check(proposal["trait"].name, proposal["value"])
        return proposal["value"]


def _row(metric: str, score: Score) -> str:
    name = f'<th scope="row">{metric}</th>'
    bar = ""
    if not score.missing and score.relative > 0:
        width = 11 * min(score.relative, 1.5)
        bar = (
            '<span aria-hidden="true" style="display:inline-block;height:0.8em;margin-right:6px;'
            f'background:#0072B2;width:{width:.2f}em"></span>'
        )
    return (
        f'<tr>{name}<td style="padding-right:1em">{_value(metric, score)}</td>'
        f'<td style="text-align:left">{bar}{_relative(score)}</td></tr>'
    )


def _value(metric: str, score: Score) -> str:
    return "" if score.missing else f"{score.value:.3f}{UNITS.get(metric, '')}"


def _relative(score: Score) -> str:
    if score.missing:
        return score.missing
    return f"{score.relative:.2f}{', blind' if score.blind else ''}"


def _mean(values: Tensor) -> float:
    values = values[values.isfinite()]
    return float(values.mean()) if len(values) else float("nan")
