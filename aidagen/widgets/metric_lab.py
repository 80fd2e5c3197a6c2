"""The metric lab: spoil a true clip, and see which metric notices and which is blind.

    lab = MetricLab(clip, other_clip)     # clips of datasets.load("heads"), of two people
    lab                                   # in a notebook: choose a spoiling, move the strength
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

from typing import Any, NamedTuple, no_type_check

import ipywidgets as widgets
import numpy as np
import traitlets
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from aidagen import markdown, metrics
from aidagen.errors import AidagenError
from aidagen.pixels import as_bytes
from aidagen.widgets import controls, overlays
from aidagen.widgets.spoilings import SPOILINGS, Footage, footage, inside, spoilt

BLIND = 0.1  # of the error of a copy of the source
MISSED = 0.01  # MKR, a share itself: fewer points than these is blind
FRAMES = 13  # at most, the source included: SSIM takes 4 ms per frame
METRICS = ("L1", "L1 moving", "SSIM", "PSNR", "flicker", "AKD", "MKR", "AED")
UNITS = {"AKD": " px", "PSNR": " dB"}
JUDGED = ("AKD", "MKR", "AED")
BEST = 60.0  # dB, for equal frames, as in the tables


class Score(NamedTuple):
    """A metric of one spoilt clip; NaN where it could not be measured, and the reason."""

    value: float  # in the metric's own unit
    relative: float  # 0 perfect, 1 a copy of the source; MKR, a share itself, as it is
    missing: str = ""
    limit: float = BLIND

    @property
    def blind(self) -> bool:
        return self.relative < self.limit


class MetricLab(widgets.VBox):
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
        size: side of each picture on the screen, in pixels.

    ``spoiling`` (a name), ``level`` (0 to 10) and ``frame`` (from 1, the first after the source)
    are traits; ``sentence`` says which metrics are blind.

    Raises:
        AidagenError: on a clip in which nothing moves, on something that is not a clip, and on a
            spoiling, a level or a frame that does not exist.
    """

    spoiling = traitlets.Unicode("shift")
    level = traitlets.Int(2)
    frame = traitlets.Int(1)
    sentence = traitlets.Unicode("")

    @no_type_check  # what users give is checked by hand, in sentences
    def __init__(
        self, clip: Any, other: Any, judges: Any = None, *, seed: int = 0, size: int = 192
    ) -> None:
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
        self._build()
        self.observe(self._another, "spoiling")
        self.observe(self._redraw, ["level", "frame"])
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

    def pictures(self, size: int | None = None) -> list[tuple[str, str, np.ndarray]]:
        """(caption, words, pixels): the true frame, the spoilt one, their difference."""
        size, t = size or self.size, self.frame - 1
        truth = overlays.enlarge(self.truth[t], size)
        picture = overlays.enlarge(self.spoilt().frames[t], size)
        apart = overlays.difference_picture(picture, truth)
        text = f"{self.spoiling}, {SPOILINGS[self.spoiling].text(self.level)}"
        return [
            (f"True frame {self.frame}", f"True frame {self.frame}", truth),
            (self.spoiling.capitalize(), f"The same frame spoilt: {text}", picture),
            ("Difference", "Their difference, black where they agree", apart),
        ]

    def figure(self, size: int = 144) -> Image.Image:
        """The present pictures side by side."""
        captions, _, pixels = zip(*self.pictures(size))
        return overlays.sheet(list(pixels), 3, list(captions))

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
        table = self.everything(level)
        parts = []
        for metric in METRICS:
            column = {name: scores[metric] for name, scores in table.items()}
            blind = [name for name, s in column.items() if not s.missing and s.blind]
            if all(s.missing for s in column.values()):
                parts.append(f"{metric} {next(iter(column.values())).missing}")
            else:
                parts.append(f"{metric} is blind to {', '.join(blind) or 'none of them'}")
        return (
            "Table of spoilings by metrics, each error as a part of that of a copy of the source. "
            + "; ".join(parts) + "."
        )  # fmt: skip

    def matrix_picture(self, level: int | None = None) -> Image.Image:
        """The matrix: dark blue is blind, yellow as bad as a copy of the source or worse."""
        from matplotlib import colormaps

        table, colours = self.everything(level), colormaps["cividis"]
        wide, high, left, top = 74, 34, 270, 30
        font, small = ImageFont.load_default(14), ImageFont.load_default(12)
        image = Image.new(
            "RGB", (left + wide * len(METRICS) + 2, top + high * len(table) + 24), "white"
        )
        draw = ImageDraw.Draw(image)
        for j, metric in enumerate(METRICS):
            draw.text((left + wide * (j + 0.5), top / 2), metric, "black", font, anchor="mm")
        for i, (name, scores) in enumerate(table.items()):
            kind, y = SPOILINGS[name], top + high * i
            text = f"{name}, {kind.text(kind.usual if level is None else level)}"
            draw.text((left - 8, y + high / 2), text, "black", font, anchor="rm")
            for j, metric in enumerate(METRICS):
                score, x = scores[metric], left + wide * j
                box = (x, y, x + wide - 2, y + high - 2)
                if score.missing:
                    draw.rectangle(box, fill="#E6E6E6")
                    words, ink, pen = score.missing.replace(" ", "\n", 1), "#444444", small
                else:
                    shade = colours(min(score.relative, 1.0))
                    draw.rectangle(box, fill=tuple(round(255 * c) for c in shade[:3]))
                    ink = "black" if score.relative > 0.5 else "white"
                    words = f"{score.relative:.2f}" + ("\nblind" if score.blind else "")
                    pen = small if score.blind else font
                at = (x + wide / 2 - 1, y + high / 2 - 1)
                draw.multiline_text(at, words, ink, pen, anchor="mm", align="center", spacing=1)
        note = (
            "0: perfect; 1: as a copy of the source; below 0.1: blind (MKR, a share: 0.01)."
        )
        draw.text((left, image.height - 12), note, "black", small, anchor="lm")
        return image

    # --- controls -------------------------------------------------------------------------------

    def _build(self) -> None:
        self.choice = controls.choice("Spoiling", list(SPOILINGS), 240)
        self.strength = controls.Steps("Strength", 0, 10, value=self.level, texts=self._texts())
        self.slider = controls.Steps("Frame", 1, self.count)
        self.screen, self.bars = widgets.HTML(), widgets.HTML()
        self.spoken = controls.Spoken()
        self.button = widgets.Button(description="Ask the judges")
        self.button.on_click(lambda _: self.ask())
        for trait, linked in (
            ("spoiling", self.choice), ("level", self.strength), ("frame", self.slider)
        ):  # fmt: skip
            traitlets.link((self, trait), (linked, "value"))
        more = [self.button] if self.judges is not None else []
        self.children = (
            controls.row(self.choice, self.strength, self.slider, *more), self.screen, self.spoken,
            self.bars,
        )  # fmt: skip

    def _texts(self) -> list[str]:
        return [SPOILINGS[self.spoiling].text(level) for level in range(11)]

    def _another(self, change: dict) -> None:
        self.strength.texts = self._texts()
        self._redraw()

    def _redraw(self, change: dict | None = None) -> None:
        self.screen.value = controls.pictures(
            controls.picture(pixels, words, caption) for caption, words, pixels in self.pictures()
        )
        self.sentence = self.spoken.value = self.describe()
        rows = "".join(_row(metric, score) for metric, score in self.scores().items())
        heads = ("Metric", "Value", "Error, as a part of that of a copy of the source")
        cells = "".join(f'<th scope="col" style="text-align:left">{h}</th>' for h in heads)
        self.bars.value = f'<table style="line-height:1.5"><tr>{cells}</tr>{rows}</table>'

    @traitlets.validate("spoiling", "level", "frame")
    def _refuse(self, proposal: Any) -> Any:
        value, trait = proposal["value"], proposal["trait"].name
        if trait == "spoiling" and value not in SPOILINGS:
            raise AidagenError(f"There is no {value!r}; there are {', '.join(SPOILINGS)}.")
        if trait == "level" and not 0 <= value <= 10:
            raise AidagenError(f"Levels go from 0 to 10, not {value!r}.")
        if trait == "frame" and not 1 <= value <= self.count:
            raise AidagenError(f"There is no frame {value}: 1 to {self.count} follow the source.")
        return value


def _row(metric: str, score: Score) -> str:
    name = f'<th scope="row" style="text-align:left;padding-right:1em">{metric}</th>'
    bar = ""
    if not score.missing:
        width = round(160 * min(score.relative, 1.5))
        bar = (
            '<span aria-hidden="true" style="display:inline-block;height:0.8em;margin-right:6px;'
            f'background:#0072B2;width:{width}px"></span>'
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
