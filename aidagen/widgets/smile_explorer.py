"""The smile explorer: one face, a label, and the K smiles that a model makes of them.

    explorer = SmileExplorer(model, faces, points, names, others={"too large a margin": wide})
    explorer                            # in a notebook: it plays; pause, scrub, choose, morph
    explorer.mode, explorer.toward, explorer.share = 1, 3, 50      # or by hand
    explorer.model = "too large a margin"
    explorer.own("me.jpg")              # somebody's own neutral face
    explorer.figure([1, 8, 16])         # a still picture, for readers without a kernel

Sequences of embeddings are made once for each face, label and model; frames are painted one by one,
when they are looked at. What is shown between two modes is generated from the mixed embedding.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, no_type_check

import ipywidgets as widgets
import numpy as np
import torch
import traitlets
from PIL import Image
from torch import Tensor

from aidagen.errors import AidagenError
from aidagen.evaluation.expressions import apart, expression, hits, openings
from aidagen.widgets import controls, overlays, photos, portraits
from aidagen.widgets.curves import courses
from aidagen.widgets.film import Film, View
from aidagen.widgets.own_photo import AGREEMENT
from aidagen.widgets.panel import Panel
from aidagen.widgets.smiles import Look, Smilers, Smiles, listed
from aidagen.widgets.upload import Upload

OWN = "Your picture"
PRIVATE = "The saved notebook holds neither your picture nor its smiles."
UNIT = "of the distance between the eyes"


class SmileExplorer(Panel):
    """K smiles of a face, side by side or one by one, and what lies between two of them.

    It plays from the start; ``frame`` is the one in which the landmarks of the first face are
    farthest from its neutral frame, until somebody scrubs or pauses.

    Args:
        model: a `models.smile.SmileNet`.
        faces: neutral faces ``(N, 3, H, W)``, floats in [0, 1], of the model's size.
        points: their landmarks ``(N, 68, 2)`` in [-1, 1], iBUG's order.
        names: what to call the faces, N different ones.
        labels: words for the model's labels.
        others: name -> another `SmileNet` of the same size, K and labels. Its sequences are painted
            by ``model``; one whose ``config.skips`` is False lends its painter instead, and paints
            the sequences of ``model``.
        name: what to call ``model`` among them.
        truths: of each face and label the landmarks of M true smiles, ``(N, labels, M, T, 68, 2)``:
            then the sentence says how many of them are hit (`expressions.hits`).
        finder: what finds a face in a photo, pictures -> `judges.FaceReading`; by default the
            package's judge, when `own` first needs it.
        frames: length T of a smile.
        fps: frames per second.
        size: side of each picture, in pixels.

    ``face``, ``label``, ``mode`` (from 1; 0 is all K side by side), ``toward`` and ``share`` (how
    many percent of the way to that other mode), ``model``, ``skips`` (False cuts the painter's),
    ``landmarks`` (whether their pictures are shown) and ``frame`` (from 1) are traits.

    Raises:
        AidagenError: on faces, landmarks, names or models that do not fit, and on a choice that
            does not exist.
    """

    face = traitlets.Unicode()
    label = traitlets.Unicode()
    mode = traitlets.Int(0)
    toward = traitlets.Int(2)
    share = traitlets.Int(0)
    model = traitlets.Unicode()
    skips = traitlets.Bool(True)
    landmarks = traitlets.Bool(False)
    frame = traitlets.Int(1)
    consent = traitlets.Bool(False)

    shows = "Smile explorer: a neutral face and the smiles that the model makes of it"

    @no_type_check  # what users give is checked by hand, in sentences
    def __init__(
        self,
        model: Any,
        faces: Tensor,
        points: Tensor,
        names: Sequence[str],
        labels: Sequence[str] = ("posed", "spontaneous"),
        others: Mapping[str, Any] | None = None,
        *,
        name: str = "this model",
        truths: Tensor | None = None,
        finder: Any = None,
        frames: int = 32,
        fps: float = 12.0,
        size: int = 256,
    ) -> None:
        if name in (others or {}):
            raise AidagenError(f"Two models are called {name!r}; give the other one its own name.")
        models = {name: model, **(others or {})}
        self.smilers = Smilers(models, faces, points, names, labels, frames)
        self.name, self.count, self.size = name, frames, size
        self.modes = model.config.modes  # K
        self._truths = self._true(truths, names)
        self._remarks: tuple[str, ...] = ()
        self._finder = finder
        super().__init__()
        self.face, self.label, self.model = names[0], labels[0], name
        self.mode, self.toward = (0, 2) if self.modes > 1 else (1, 1)
        moved = torch.stack(self.smilers.smiles(self._look()).moved)  # (K, T, 51, 2)
        self.frame = 1 + int(moved.norm(dim=-1).mean((0, 2)).argmax())
        self._build(fps)
        self.observe(self._redraw, [*Look._fields, "frame"])
        self._redraw()

    def __repr__(self) -> str:
        mode = f"mode {self.mode}" if self.mode else f"{self.modes} modes"
        return (
            f"SmileExplorer({self.model!r}, {self.face!r}, {self.label}, {mode}, "
            f"frame {self.frame} of {self.count})"
        )

    def _true(self, truths: Tensor | None, names: Sequence[str]) -> dict[str, Tensor]:
        """True smiles by face, if they are known."""
        if truths is None:
            return {}
        got, wanted = tuple(truths.shape), (len(names), len(self.smilers.labels))
        if len(got) != 6 or got[:2] != wanted or got[2] < 2 or got[3:] != (self.count, 68, 2):
            raise AidagenError(
                f"Landmarks of M true smiles, two or more, ({wanted[0]}, {wanted[1]}, M, "
                f"{self.count}, 68, 2) were expected; got {got}."
            )
        return dict(zip(names, truths.float().cpu(), strict=True))

    def images(self, frame: int | None = None, **chosen: Any) -> tuple[Tensor, Tensor]:
        """What is painted at a frame, and its landmark pictures: (1 or K, 3 and 1, H, W)."""
        look, frame = self._look(**chosen), frame or self.frame
        self._check("frame", frame)
        return self.smilers.paint(look, frame - 1)

    # --- in words and pictures ------------------------------------------------------------------

    def _cells(self, frame: int, look: Look, size: int) -> list[list[View]]:
        """What is shown at a frame, the neutral face that it is made of, and the curves."""
        self._check("frame", frame)
        images, maps = self.smilers.paint(look, frame - 1)
        neutral = overlays.enlarge(self.smilers.faces[look.face][0], size)
        given = View("Neutral face", f"{look.face}, a neutral face: what is given", neutral)
        cells: list[list[View]] = []
        points = self.smilers.points(look)
        now = openings(points[:, frame - 1])
        for i, (image, drawn) in enumerate(zip(images, maps)):
            which = f"Mode {look.mode or i + 1}"
            if look.mode and look.share:
                which = f"Mode {look.mode} to {look.toward}: {look.share} %"
            alt = (
                f"Generated, frame {frame}, {which.lower()}: the mouth is open by "
                f"{now.mouth[i]:.2f}, the eyes by {now.eyes[i]:.2f} {UNIT}"
            )
            made = View(which, alt, overlays.marked(overlays.enlarge(image, size)))
            pixels = overlays.enlarge(drawn.expand(3, -1, -1), size)
            lines = View("Its landmarks", f"Landmarks of {which.lower()} as lines", pixels)
            cells.append([made])
            if look.landmarks and look.mode:
                cells.append([lines])
            elif look.landmarks:
                cells[-1].append(lines)
        plot = View("Mouth and eyes", self._in_words(frame, points), self._plot(frame, look, size))
        stacked = look.landmarks and not look.mode
        cells += [[given, plot]] if stacked else [[given], [plot]]
        return cells

    def _in_words(self, frame: int, points: Tensor) -> str:
        most = openings(points)
        return (
            f"Curves of how far mouth and eyes are open over {self.count} frames; marked: frame "
            f"{frame}. The mouth opens by up to {listed(most.mouth.amax(1))}, the eyes close to "
            f"{listed(most.eyes.amin(1))}"
        )

    def _plot(self, frame: int, look: Look, size: int) -> np.ndarray:
        """Openings of mouth (above) and eyes of all modes, and in black of the one shown."""
        smiles, shown = self.smilers.smiles(look), None
        if look.mode:
            shown = [line[0].tolist() for line in openings(self.smilers.points(look))]
        panels = []
        for i, (title, least) in enumerate((("mouth is open by", 0.4), ("eyes are open by", 0.16))):
            lines = smiles[3 + i]
            panels.append(
                courses(
                    lines.tolist(), frame, top=max(least, float(lines.max())), title=title,
                    bold=shown and shown[i], size=(size, size // 2),
                )
            )  # fmt: skip
        return np.concatenate(panels)

    def describe(self) -> str:
        """What is to be seen at this frame, and how far the modes are apart, in words."""
        look = self._look()
        now = openings(self.smilers.points(look)[:, self.frame - 1])
        return (
            f"Frame {self.frame} of {self.count}: the mouth is open by {listed(now.mouth)}, the "
            f"eyes by {listed(now.eyes)} {UNIT}. {self.about(look)}"
        )

    def about(self, look: Look | None = None) -> str:
        """What holds for the whole smile."""
        look = look or self._look()
        smiles, (by, painter) = self.smilers.smiles(look), self.smilers.parts(look.model)
        said = [f"{look.face}, {look.label}, {self._distances(smiles, look, by)}"]
        if by != self.name and look.mode == 0 and self.modes > 1:
            ours = np.mean(self.smilers.smiles(look._replace(model=self.name)).between())
            times = np.mean(smiles.between()) / max(ours, 1e-9)
            said.append(f"That is {times:.1f} times as far as for {self.name} ({ours:.3f}).")
        if look.face in self._truths:
            truths = self._truths[look.face][self.smilers.labels.index(look.label)]
            true = [expression(points) for points in truths]
            recall = hits(smiles.moved, true).recall
            said.append(f"{round(recall * len(true))} of {len(true)} true smiles are hit.")
        if painter != self.name:
            said.append(f"The painter is that of {painter}.")
        if not look.skips and self.smilers.models[painter].config.skips:
            said.append("The painter's skips are cut.")
        if look.face == OWN:
            said += self._remarks
        return " ".join(said)

    def _distances(self, smiles: Smiles, look: Look, by: str) -> str:
        """How far modes are apart: all of them, or the one shown from the others."""
        if self.modes == 1:
            return f"the one smile of {by}."
        if look.mode == 0:
            between = smiles.between()
            return (
                f"{self.modes} modes of {by}: two of them lie {np.mean(between):.3f} {UNIT} "
                f"apart on average, the nearest two {min(between):.3f}."
            )
        shown = expression(self.smilers.points(look)[0])
        if look.share:
            ends = [apart(shown, smiles.moved[k - 1]) for k in (look.mode, look.toward)]
            whole = apart(*(smiles.moved[k - 1] for k in (look.mode, look.toward)))
            return (
                f"{look.share} % of the way from mode {look.mode} to mode {look.toward} of {by}, "
                f"generated from the mixed embedding: it lies {ends[0]:.3f} and {ends[1]:.3f} "
                f"{UNIT} from them, and they lie {whole:.3f} apart."
            )
        others = [k for k in range(1, self.modes + 1) if k != look.mode]
        away = ", ".join(f"{apart(shown, smiles.moved[k - 1]):.3f} from mode {k}" for k in others)
        return f"mode {look.mode} of {by}: it lies {away} ({UNIT.removeprefix('of ')} is 1)."

    def say(self, change: dict | None = None) -> None:
        """While it plays, what holds for the whole smile."""
        self.spoken.value = self.about() if self.film.playing else self.sentence

    def figure(
        self, frames: Sequence[int] | None = None, size: int = 144, **chosen: Any
    ) -> Image.Image:
        """Frames below each other, by default the present one: pictures and curves.

        ``face``, ``label``, ``mode`` and so on may be given for the figure alone; the live widget
        stays as it is.
        """
        look, pictures, labels, columns = self._look(**chosen), [], [], 1
        for frame in [self.frame] if frames is None else frames:
            cells = self._cells(frame, look, size)
            columns = len(cells)
            for level in range(max(map(len, cells))):
                for cell in cells:
                    there = level < len(cell)
                    blank = np.full((size, size, 3), 255, np.uint8)
                    pictures.append(cell[level].pixels if there else blank)
                    labels.append(cell[level].caption if there else "")
        return overlays.sheet(pictures, columns, labels)

    def still(self) -> Image.Image:
        """The present frame, large; never of a photo of one's own, for stills are saved."""
        shown = self.face if self.face != OWN else next(iter(self.smilers.faces))
        return self.figure(size=192, face=shown)

    # --- somebody's own face --------------------------------------------------------------------

    def own(self, photo: str | Path | bytes | Tensor) -> None:
        """Let the largest face of a photo smile: a file, its bytes, or ``(3, H, W)`` in [0, 1].

        Nothing is stored, and no widget's state holds the picture. The judge that finds the
        landmarks is fetched once, if need be.

        Raises:
            AidagenError: on what is no picture, has no face, or shows it from the side.
        """
        if self._finder is None:
            from aidagen.judges import FaceLandmarks

            self._finder = FaceLandmarks()
        found = portraits.portrait(portraits.opened(photo), self.smilers.pixels, self._finder)
        self._remarks = found.remarks
        again = self.face == OWN
        self.smilers.add(OWN, found.picture, found.points)
        self.face_choice.options = list(self.smilers.faces)  # which chooses the first one
        self.face = OWN
        if again:
            self._redraw({"name": "face"})

    def _uploaded(self, content: bytes, name: str) -> None:
        if not self.consent:
            raise AidagenError(f'First tick "{AGREEMENT}", then choose the picture again.')
        self.own(photos.read(content, name))

    # --- controls -------------------------------------------------------------------------------

    def _build(self, fps: float) -> None:
        numbers = [(f"mode {k}", k) for k in range(1, self.modes + 1)]
        side_by_side = [(f"all {self.modes}, side by side", 0)] if self.modes > 1 else []
        self.face_choice = controls.choice("Face", list(self.smilers.faces), 220)
        self.label_choice = controls.choice("Smile", self.smilers.labels, 200)
        self.mode_choice = controls.choice("Mode", side_by_side + numbers, 230)
        self.model_choice = controls.choice("Model", list(self.smilers.models), 330)
        self.toward_choice = controls.choice("Morph to", numbers, 190)
        self.share_slider = controls.Steps("Part of the way", 0, 100, 5, unit=" %")
        self.skips_box = controls.labelled(widgets.Checkbox, "Skips", 110, indent=False)
        self.landmarks_box = controls.labelled(widgets.Checkbox, "Landmarks", 150, indent=False)
        self.agree = widgets.Checkbox(description=AGREEMENT, indent=False, layout={"width": "auto"})
        self.upload = Upload(
            "Choose a picture", self._uploaded, lambda said: setattr(self.spoken, "value", said)
        )
        for trait, linked in (
            ("face", self.face_choice), ("label", self.label_choice), ("mode", self.mode_choice),
            ("model", self.model_choice), ("toward", self.toward_choice),
            ("share", self.share_slider), ("skips", self.skips_box),
            ("landmarks", self.landmarks_box), ("consent", self.agree),
        ):  # fmt: skip
            traitlets.link((self, trait), (linked, "value"))
        self._follow(
            Film(
                lambda t: self._cells(t, self._look(), self.size), self.count, value=self.frame,
                fps=fps, autoplay=self.count > 1,
            )
        )  # fmt: skip
        morph = [self.mode_choice, self.toward_choice, self.share_slider] if self.modes > 1 else []
        other = [self.model_choice] if len(self.smilers.models) > 1 else []
        self.children = (
            controls.row(self.face_choice, self.label_choice, *other),
            controls.row(*morph, self.skips_box, self.landmarks_box), self.film, self.spoken,
            controls.row(self.agree, self.upload, widgets.HTML(PRIVATE)),
        )  # fmt: skip

    def _redraw(self, change: dict | None = None) -> None:
        name = change and change["name"]
        if name == "mode" and self.toward == self.mode:
            self.toward = self.mode % self.modes + 1  # a mode is mixed with another one
        self.toward_choice.disabled = self.share_slider.disabled = self.mode == 0
        painter = self.smilers.models[self.smilers.parts(self.model)[1]]
        self.skips_box.disabled = not painter.config.skips
        if name and name != "frame":
            self.film.private = self.face == OWN  # no state of a widget has a picture of it
            if self.film.private:
                self.film.pixels = []
            self.film.refresh()
        self.sentence = self.describe()
        self.say()

    def _look(self, **chosen: Any) -> Look:
        """The present choices, but for those that are given."""
        for trait, value in chosen.items():
            self._check(trait, value)
        return Look(**{**{name: getattr(self, name) for name in Look._fields}, **chosen})

    def _check(self, trait: str, value: Any) -> None:
        options = {
            "face": list(self.smilers.faces), "label": self.smilers.labels,
            "model": list(self.smilers.models),
            "mode": range(0 if self.modes > 1 else 1, self.modes + 1),
            "toward": range(1, self.modes + 1), "share": range(101), "skips": (False, True),
            "landmarks": (False, True), "frame": range(1, self.count + 1),
        }.get(trait)  # fmt: skip
        if options is None:
            raise AidagenError(f"There is nothing to choose by the name {trait!r}; there are "
                               f"{', '.join(Look._fields)}.")  # fmt: skip
        if value not in options:
            listed = (
                f"{options[0]} to {options[-1]}" if isinstance(options, range)
                else ", ".join(map(str, options))
            )  # fmt: skip
            raise AidagenError(f"{trait} is one of {listed}; not {value!r}.")

    @traitlets.validate("face", "label", "mode", "toward", "share", "model", "frame")
    def _refuse(self, proposal: Any) -> Any:
        self._check(proposal["trait"].name, proposal["value"])
        return proposal["value"]
