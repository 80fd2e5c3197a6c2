"""Your own photo: choose, crop, read an honest note, agree, animate.

    own = OwnPhoto(clips={"nodding": clip1, "talking": clip2})    # moved by fomm-faces-128
    own = OwnPhoto(model, {"nodding": clip1, "talking": clip2})
    own                               # in a notebook: choose a file, and so on
    own.load("me.jpg")                # or by hand
    own.consent = True
    own.animate()

The photo stays in the memory of the notebook's kernel, and of the page that shows it. No trait of
any widget here holds a picture of it, so that neither the saved notebook nor the widget state in it
does. Three things put it on the disk, and all of them are asked for: `save`, the box that sets
``keep``, and a cell of one's own that shows `figure` or ``cropped``: outputs are saved.
"""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from uuid import uuid4

import ipywidgets as widgets
import numpy as np
import torch
import traitlets
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from aidagen import SHOWCASE, animation, video, zoo
from aidagen.errors import AidagenError
from aidagen.pixels import as_floats
from aidagen.widgets import controls, overlays, photos
from aidagen.widgets.canvas import as_pixels
from aidagen.widgets.film import Film, View
from aidagen.widgets.panel import Panel
from aidagen.widgets.photos import Square
from aidagen.widgets.recordings import liveliest
from aidagen.widgets.upload import Upload

AGREEMENT = "This is a picture of me, or of someone who agreed to this"
PRIVATE = "The saved notebook holds neither your photo nor the clip, unless you tick the last box."
KEEPING = "Keep my photo and four frames of the clip in this notebook: they are saved with it"
KEPT = "Your photo and four frames of the clip stand below; they are saved with the notebook."
EMPTY = {"text/html": "", "text/plain": ""}
DROPPED = (
    "Photo and clip are taken out of this notebook; save it once more. If they still stand below, "
    "run this cell again first."
)
LARGER = (
    "For 256 x 256 pixels take the authors' weights: "
    "<code>python data_scripts/get_published_weights.py</code> says how."
)


class OwnPhoto(Panel):
    """Animate a photo of one's own, with consent and with a note on how far to trust the result.

    Args:
        model: an animatable model (see `aidagen.animation`), or its name; by default the
            course's largest one, `aidagen.SHOWCASE`.
        clips: name -> driving clip ``(T, 3, H, W)``, floats in [0, 1].
        faces: what finds a face, pictures -> `judges.FaceReading`; "auto" is the package's judge
            where its weights are on this machine already, None looks for no face.
        reference: held-out pictures ``(N, 3, S, S)`` the photo is compared with; by default the
            test split of the packaged heads.
        name: what to call the model in `repr` and in the note of saved clips; by default the
            name that it was loaded by, or that of its class.
        fps: frames per second of the clips.

    ``consent`` and ``keep`` (the notebook keeps photo and clip) are traits, and False again after
    every new photo; ``centre_x`` and ``centre_y`` (0 to 1 of the photo) and ``extent`` (0 to 1 of
    its shorter side) say what is cut out; ``verdict`` is "", "familiar" or "unfamiliar".

    Raises:
        AidagenError: one sentence on what is missing or wrong.
    """

    centre_x = traitlets.Float(0.5)
    centre_y = traitlets.Float(0.5)
    extent = traitlets.Float(1.0)
    consent = traitlets.Bool(False)
    keep = traitlets.Bool(False)
    clip = traitlets.Unicode()
    verdict = traitlets.Unicode("")

    shows = "Your own photo, animated"

    def __init__(
        self,
        model: Any = SHOWCASE,
        clips: Mapping[str, Tensor] | None = None,
        *,
        faces: Any = "auto",
        reference: Tensor | None = None,
        name: str | None = None,
        fps: float = 12.5,
        size: int = 256,
    ) -> None:
        if not clips:
            raise AidagenError("OwnPhoto needs a clip that drives: clips={'nodding': frames}.")
        if isinstance(model, str):
            model, name = zoo.load(model), name or model
        self.model, self.clips, self.fps, self.size = model, dict(clips), fps, size
        self.name, self._faces, self._reference = name or type(model).__name__, faces, reference
        self.pixels = model.config.size
        self.photo: Tensor | None = None
        self.made: Tensor | None = None  # the last clip, (T, 3, S, S)
        self._moved: Tensor | None = None  # the picture that it moves, (3, S, S)
        self._place = uuid4().hex  # of the output that holds what is kept
        self._displayed = False
        self._yardstick: photos.Yardstick | None = None
        self._face: Tensor | None = None
        self._judged = ""
        self._still = False  # while several traits change together
        super().__init__()
        self.clip = next(iter(self.clips))
        self._build()
        self._say("No picture yet: choose one of a face, seen from the front.")

    def __repr__(self) -> str:
        state = "no photo" if self.photo is None else self.verdict
        return f"OwnPhoto({self.name!r}, {state}, {'consent' if self.consent else 'no consent'})"

    # --- the photo ------------------------------------------------------------------------------

    def load(self, picture: str | Path | bytes | Tensor, name: str = "The picture") -> None:
        """Take a file, its bytes, or a picture ``(3, H, W)`` in [0, 1]; consent is asked anew.

        ``name`` is what a message calls bytes.

        Raises:
            AidagenError: where it is no picture, or one that is damaged or too small.
        """
        if isinstance(picture, Tensor):
            photo = as_floats(torch.from_numpy(as_pixels(picture)).permute(2, 0, 1))
        else:
            photo = photos.read(picture, name)
        self.photo, self.made, self._face = photo, None, None
        self.consent, self.keep, self.note.value = False, False, ""
        self.film.empty()
        if self._faces == "auto":
            self._faces = photos.offline_faces()
        if self._faces is not None:
            points = self._faces(photo[None]).points[0]
            self._face = points if bool(points.isfinite().all()) else None
        self._propose()

    def _propose(self) -> None:
        """A first crop: around the face as training heads are framed, or the middle."""
        photo = self.photo
        square = photos.middle(photo) if self._face is None else photos.around_face(
            self._face, photo
        )  # fmt: skip
        height, width = photo.shape[1:]
        self._still = True
        self.centre_x, self.centre_y = square.x / width, square.y / height
        self.extent = square.side / min(height, width)
        self._still = False
        self._redraw()

    @property
    def square(self) -> Square:
        """What is cut out, in pixels of the photo."""
        height, width = self.photo.shape[1:]
        square = Square(
            self.centre_x * width, self.centre_y * height, self.extent * min(height, width)
        )
        return square.inside(height, width)

    @property
    def cropped(self) -> Float[Tensor, "3 S S"]:
        """The photo as the model gets it."""
        return photos.crop(self.photo, self.square, self.pixels)

    # --- how far to trust it --------------------------------------------------------------------

    def judge(self) -> str:
        """What speaks for and against the picture, in one sentence; sets ``verdict``."""
        if self._yardstick is None:
            reference = self._reference
            reference = photos.held_out(self.pixels) if reference is None else reference
            self._yardstick = photos.yardstick(self.model, reference)
        limit, picture = self._yardstick, self.cropped[None]
        error = float(photos.rebuilding_errors(self.model, picture)[0])
        sharp = float(photos.sharpness(picture)[0])
        side = round(self.square.side)
        doubts = [self._about_the_face()] if self._faces is not None else []
        if side < self.pixels:
            doubts.append(f"the crop has {side} pixels and is enlarged to {self.pixels}")
        if sharp < limit.sharpness:
            doubts.append("it is blurred or empty")
        if error > limit.error:
            doubts.append("the model cannot rebuild it well")
        doubts = [doubt for doubt in doubts if doubt]
        self.verdict = "unfamiliar" if doubts else "familiar"
        seen = "" if self._faces is not None else "nobody looked for a face; "
        measured = (
            f"{seen}error of rebuilding it {error:.3f}, and 95 % of {limit.count} held-out "
            f"pictures stay below {limit.error:.3f}"
        )
        if doubts:
            return f"Unfamiliar to the model, expect a poor clip: {', '.join(doubts)} ({measured})."
        return f"The model knows pictures of this kind ({measured})."

    def _about_the_face(self) -> str:
        """What is wrong with the face, or nothing."""
        if self._face is None:
            return "no face was found"
        height, width = self.photo.shape[1:]
        pixels = (self._face + 1) / 2 * (torch.tensor([width, height]) - 1) + 0.5
        x, y, side = self.square
        inside = ((pixels - torch.tensor([x, y])).abs() <= side / 2).all(-1).float().mean()
        return "the face lies partly outside the crop" if inside < 0.95 else ""

    # --- animation ------------------------------------------------------------------------------

    def animate(self, clip: str | None = None) -> Float[Tensor, "T 3 S S"]:
        """The photo as the clip moves (relative motion); also shown in the player."""
        if self.photo is None:
            raise AidagenError("There is no picture yet; choose one first.")
        if not self.consent:
            raise AidagenError(f'First tick "{AGREEMENT}".')
        self.clip = clip or self.clip
        driving = self.clips[self.clip]
        self._moved = self.cropped
        self.made = animation.animate(self.model, self._moved, driving).float().cpu()
        self.film.load(self._frame_of(self._moved, self.made, driving), len(self.made))
        self.note.value = (
            f'<p style="margin:2px 0">{escape(video.provenance(self.name, "relative"))}. '
            f"{LARGER}</p>"
        )
        self._enable()
        self._put(self.keep)
        self._say(f"Animated: {len(self.made)} frames, moving as in {self.clip!r}. {self._judged}")
        return self.made

    def _frame_of(self, photo: Tensor, made: Tensor, driving: Tensor) -> Any:
        """What draws frame ``t`` of the clip: photo, driving frame, and what the model made."""
        size, name = self.size, self.clip
        still = View("Photo", "Your photo as the model gets it", overlays.enlarge(photo, size))
        alt = f"Generated: your picture moves as in the clip {name!r}"

        def draw(t: int) -> list[list[View]]:
            moves = animation.prepare(driving[t - 1].cpu().float(), self.pixels)
            driven = View("Driving", f"Frame {t} of {name!r}", overlays.enlarge(moves, size))
            generated = overlays.marked(overlays.enlarge(made[t - 1], size))
            return [[still], [driven], [View("Generated", alt, generated)]]

        return draw

    def save(self, path: str | Path) -> None:
        """Write the last clip as mp4, with the mark and the note of generated clips."""
        if self.made is None:
            raise AidagenError("Nothing was animated yet; call animate() first.")
        video.write(path, self.made, self.fps, note=video.provenance(self.name, "relative"))

    def still(self) -> Image.Image:
        """What each driving clip would do; never the photo, for stills are saved."""
        cells, words = [], []
        for name, clip in list(self.clips.items())[:4]:
            small = torch.stack([animation.prepare(f.cpu().float(), self.pixels) for f in clip])
            for t in (1, liveliest(small)):
                cells.append(small[t - 1])
                words.append(f"{name}, {t}")
        return overlays.sheet(cells, 4, words, size=160)

    def figure(self, size: int = 160) -> Image.Image:
        """The photo as the model gets it, and frames of the last clip.

        Raises:
            AidagenError: where nothing was animated yet.
        """
        if self.made is None:
            raise AidagenError("Nothing was animated yet; call animate() first.")
        some = [round(t) for t in torch.linspace(0, len(self.made) - 1, 4).tolist()]
        words = ["Photo", *(f"frame {t + 1}" for t in some)]
        return overlays.sheet(
            [self._moved, *self.made[some]], 5, words, size=size, generated=range(1, 5)
        )

    # --- what the notebook keeps ----------------------------------------------------------------

    def _ipython_display_(self) -> None:
        """The widget, and below it an output that is empty until something is to be kept."""
        from IPython.display import display

        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)
        display(EMPTY, raw=True, display_id=self._place)
        self._displayed = True
        self._put(self.keep)

    def _put(self, kept: bool) -> None:
        """Show what is kept in the cell's output, which is saved; or take it out of there."""
        if not self._displayed:
            return
        from IPython.display import update_display

        if kept and self.made is not None:
            alt = f"{self.shows}, kept in this notebook: photo, and four generated frames"
            update_display(overlays.still(self.figure(), alt), display_id=self._place)
        else:
            update_display(EMPTY, raw=True, display_id=self._place)

    def _kept(self, change: dict) -> None:
        self._put(self.keep)
        if self.made is not None:
            self._say(KEPT if self.keep else DROPPED)

    # --- controls -------------------------------------------------------------------------------

    def _build(self) -> None:
        self.upload = Upload("Choose a picture", self.load, self._say)
        hint = widgets.HTML(f"JPEG, PNG, WebP or TIFF. {PRIVATE}")
        self.sliders = {
            "centre_x": controls.Range("Centre, across", 0, 1, 0.01, 0.5),
            "centre_y": controls.Range("Centre, down", 0, 1, 0.01, 0.5),
            "extent": controls.Range("Size of the part", 0.05, 1, 0.01, 1),
        }
        self.note, self.spoken = widgets.HTML(), controls.Spoken()
        self.preview = Film(None, 1, private=True)
        self.film = Film(None, 1, fps=self.fps, private=True)
        self.preview.add_class("aidagen-as-drawn")
        self.preview.empty()
        self.film.empty()
        self.agree = widgets.Checkbox(description=AGREEMENT, indent=False, layout={"width": "auto"})
        self.keep_box = widgets.Checkbox(
            description=KEEPING, indent=False, disabled=True, layout={"width": "auto"}
        )
        self.clip_choice = controls.choice("Clip", list(self.clips), 220)
        self.button = widgets.Button(description="Animate", disabled=True)
        for trait, slider in self.sliders.items():
            traitlets.link((self, trait), (slider, "value"))
        traitlets.link((self, "consent"), (self.agree, "value"))
        traitlets.link((self, "keep"), (self.keep_box, "value"))
        traitlets.link((self, "clip"), (self.clip_choice, "value"))
        self.observe(self._redraw, list(self.sliders))
        self.observe(self._enable, "consent")
        self.observe(self._kept, "keep")
        self.button.on_click(lambda _: self._try(self.animate))
        self.children = (
            controls.row(self.upload, hint), controls.row(*self.sliders.values()), self.preview,
            self.spoken, self.agree, controls.row(self.clip_choice, self.button), self.film,
            self.note, self.keep_box,
        )  # fmt: skip

    def _try(self, action: Any) -> None:
        """Do it, or say in a sentence why not."""
        try:
            action()
        except AidagenError as error:
            self._say(str(error))

    def _enable(self, change: dict | None = None) -> None:
        self.button.disabled = self.photo is None or not self.consent
        self.keep_box.disabled = self.made is None

    def _redraw(self, change: dict | None = None) -> None:
        if self.photo is None or self._still:
            return
        self.preview.load(self._looks, 1)
        self._judged = self.judge()
        self._say(self._judged)
        self._enable()

    def _looks(self, t: int) -> list[list[View]]:
        """The photo with a square around the part that is cut out, and the part."""
        image, (x, y, side) = Image.fromarray(as_pixels(self.photo)), self.square
        scale = self.size / max(image.size)
        image = image.resize([max(1, round(n * scale)) for n in image.size])
        box = [scale * v for v in (x - side / 2, y - side / 2, x + side / 2, y + side / 2)]
        draw = ImageDraw.Draw(image)
        for colour, width in (("black", 4), ("white", 2)):
            draw.rectangle(box, outline=colour, width=width)
        part = overlays.enlarge(self.cropped, self.size)
        return [
            [View("Photo", "Your photo with a square around the part", np.array(image))],
            [View("As the model gets it", f"The part, at {self.pixels} pixels", part)],
        ]

    def _say(self, sentence: str) -> None:
        self.sentence = self.spoken.value = sentence
