"""Clips out: atomic writing, the mark and the note of generated clips, sheets and players.

Reading (`read`, `read_image`, `info`) lives in `aidagen.footage` and is offered here too::

    with video.Writer("out.mp4", fps=25, note=video.provenance("fomm-faces-64")) as out:
        for frame in video.read("driving.mp4", size=64):
            out.add(frame)

Clips are written as H.264 in mp4 (yuv420p, BT.709, index in front), with AAC where they have sound,
which every browser plays.
What is generated says so: by default a visible mark sits in the lower right corner and a note in
the file's metadata; recorded footage is written with ``mark=False, note=None``.
"""

import base64
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from html import escape
from itertools import chain
from pathlib import Path
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from aidagen import files, soundtrack
from aidagen.decoding import plays_in_browsers
from aidagen.encoding import FAILURES, Encoder, playable
from aidagen.footage import VideoError, VideoInfo, info, read, read_image
from aidagen.mark import MARK, PROVENANCE, provenance, stamp
from aidagen.pixels import as_bytes

__all__ = [
    "MARK",
    "PROVENANCE",
    "VideoError",
    "VideoInfo",
    "Writer",
    "contact_sheet",
    "html",
    "info",
    "marked",
    "provenance",
    "read",
    "read_image",
    "write",
]

Frame = UInt8[Tensor, "3 H W"] | Float[Tensor, "3 H W"]

_HTML_LIMIT = 16 * 2**20  # bytes of video that a notebook still opens with ease


# ------------------------------------------------------------------------------------ writing


@no_type_check  # what users give is checked by hand, in sentences, in tests as well
class Writer:
    """Writes an mp4 frame by frame; the file appears complete, or not at all.

    Frames go into a hidden file beside `path`, which takes its name when the ``with`` block ends
    well and is removed when it does not, Ctrl-C included. A clip that was there before stays
    until then. Odd sizes are made even by repeating the last row or column, as yuv420p needs.

    Args:
        path: where to; must end in .mp4.
        fps: frames per second.
        mark: whether the frames carry the visible mark (see `marked`).
        note: text for the file's metadata (title and comment), see `provenance`; None for none.
        crf: x264's quality; 0 is lossless, 17 looks so, 23 is small.
        inputs: files that are being read and must not be replaced.
        sound: a clip whose sound is laid under the frames; its first picture is heard with the
            first of them, and the last of them ends it. None for a silent clip.
        threads: how many the encoder uses. Another number gives another file of about the same
            size. The attribute can be set until the first frame is written.

    `heard` says, once the first frame is written, what became of the sound: "with the sound of
    ...", "without sound (...)". A sound track that cannot be decoded does not stop the writing.

    Raises:
        VideoError: on entering if nothing can be written there; on `add` for a wrong frame; any
            time if the disk fills up.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        fps: float = 25.0,
        *,
        mark: bool = True,
        note: str | None = PROVENANCE,
        crf: int = 17,
        inputs: Iterable[str | os.PathLike] = (),
        sound: str | os.PathLike | None = None,
        threads: int = 1,
    ) -> None:
        self.path = Path(path)
        if not (isinstance(fps, int | float | Fraction) and 0.1 <= fps <= 1000):
            raise VideoError(f"fps must be between 0.1 and 1000 frames per second, not {fps!r}.")
        self.fps = Fraction(fps).limit_denominator(1001)
        self.mark, self.note, self.crf, self.threads = mark, note, crf, threads
        self.inputs = [Path(each) for each in inputs]
        self.frames = 0  # written so far
        self._heard_in, self._sound, self._silent = sound, None, "without sound"
        self._part = self._encoder = self._size = None

    def __enter__(self) -> "Writer":
        _refuse(self.path, self.inputs)
        self._files = ExitStack()  # the temporary file, and the encoder that writes it
        try:
            self._part = self._files.enter_context(files.replacing(self.path))
        except files.FileError as error:
            raise _cannot_write(self.path, error) from None
        return self

    def add(self, frame: Frame) -> None:
        """Append one frame: uint8, or floats in [0, 1]; all of one size."""
        if self._part is None:
            raise VideoError('Writer is used as "with Writer(...) as out: out.add(frame)".')
        pixels = _pixels(frame, f"frame {self.frames}")
        if self._size is None:
            self._size = pixels.shape[:2]
        elif pixels.shape[:2] != self._size:
            raise VideoError(
                f"frame {self.frames} is {pixels.shape[1]} x {pixels.shape[0]} pixels, the ones "
                f"before it {self._size[1]} x {self._size[0]}; a clip has one size."
            )
        if self.mark:
            pixels = stamp(pixels)
        height, width = self._size
        if height % 2 or width % 2:
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        try:
            if self._encoder is None:
                sound = self._open_sound()
                coding = playable(self.crf)
                if self.threads > 1:  # FFmpeg's option goes before the encoder's own setting
                    threads = {"threads": str(self.threads)}
                    coding = coding._replace(options=coding.options | threads)
                encoder = Encoder(self._part, self.fps, coding, self.note, sound)
                self._encoder = self._files.enter_context(encoder)
            self._encoder.add(pixels)
        except FAILURES as error:
            raise _cannot_write(self.path, error) from None
        self.frames += 1

    def _open_sound(self) -> soundtrack.Soundtrack | None:
        if self._heard_in is None:
            return None
        try:
            opened = soundtrack.opened(self._heard_in)
            self._sound = self._files.enter_context(opened)
            self._silent = f"without sound ({self._heard_in} has none)"
        except VideoError:
            self._silent = f"without sound (that of {self._heard_in} cannot be decoded)"
        return self._sound

    @property
    def heard(self) -> str:
        """What became of the sound."""
        if self._sound is None:
            return self._silent
        damaged = ", silent where that is damaged" if self._sound.damaged else ""
        return f"with the sound of {self._heard_in}{damaged}"

    def __exit__(self, kind, error, traceback) -> None:
        self._part = None
        if kind is None and not self.frames:
            error = VideoError(f"There are no frames to write to {self.path}.")
            self._files.__exit__(VideoError, error, None)
            raise error
        if kind is not None:
            with suppress(files.FileError):  # the reason is `error`
                self._files.__exit__(kind, error, traceback)
            return
        try:
            self._files.close()
        except (files.FileError, *FAILURES) as failure:
            raise _cannot_write(self.path, failure) from None


@no_type_check
def write(
    path: str | os.PathLike,
    frames: Iterable[Frame],
    fps: float = 25.0,
    mark: bool = True,
    note: str | None = PROVENANCE,
    **options,
) -> None:
    """Write a whole iterable of frames; arguments and errors as in `Writer`."""
    with Writer(path, fps, mark=mark, note=note, **options) as out:
        for frame in frames:
            out.add(frame)


def _refuse(path: Path, inputs: Sequence[Path]) -> None:
    """Say why nothing should be written to `path`, if so, before any work is done."""
    try:
        folder = path.resolve().parent
        if path.is_dir():
            raise VideoError(f"{path} is a folder; name a file in it, such as {path / 'out.mp4'}.")
        if path.suffix.lower() != ".mp4":
            raise VideoError(
                f"{path} does not end in .mp4; clips are written as H.264 in mp4, "
                f"so name it {path.stem or 'out'}.mp4."
            )
        if not folder.exists():
            raise VideoError(f"The folder {folder} does not exist; make it first.")
        if not folder.is_dir():
            raise VideoError(f"{path} cannot be written: {folder} is not a folder.")
        if path.exists():
            if not path.is_file():
                raise VideoError(f"{path} is not an ordinary file, so it is not replaced.")
            if any(each.exists() and each.samefile(path) for each in inputs):
                raise VideoError(
                    f"{path} is also an input, which would be lost; choose another name."
                )
            if not os.access(path, os.W_OK):
                raise VideoError(f"{path} is there already and may not be overwritten.")
    except (OSError, ValueError, RuntimeError) as error:
        raise _cannot_write(path, error) from None


def _cannot_write(path: Path, error: BaseException) -> VideoError:
    if isinstance(error, files.FileError):
        error = error.__cause__
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return VideoError(f"{path} could not be written ({reason}); nothing was left behind.")


@no_type_check
def _pixels(frame: Frame, what: str) -> np.ndarray:
    """``(H, W, 3)`` uint8 of one frame given in any way this module takes."""
    if not isinstance(frame, Tensor):
        raise VideoError(f"{what} is a {type(frame).__name__}; a (3, H, W) tensor was expected.")
    if frame.ndim != 3 or frame.shape[0] != 3 or min(frame.shape) < 1:
        raise VideoError(f"{what} has shape {tuple(frame.shape)}; (3, H, W) was expected.")
    frame = frame.detach().cpu()
    if frame.is_floating_point():
        low, high = (float(v) for v in frame.aminmax())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise VideoError(f"{what} holds values that are not numbers (NaN or infinity).")
        if low < -0.5 or high > 1.5:
            raise VideoError(
                f"{what} holds values from {low:.3g} to {high:.3g}; floats go from 0 to 1, "
                "whole numbers (uint8) from 0 to 255."
            )
        frame = as_bytes(frame.float())
    if frame.dtype != torch.uint8:
        raise VideoError(f"{what} is {frame.dtype}; uint8 or floats from 0 to 1 were expected.")
    return frame.permute(1, 2, 0).contiguous().numpy()


@no_type_check
def marked(frame: Frame) -> UInt8[Tensor, "3 H W"]:
    """The frame with the visible mark, as `Writer` puts it there; see `aidagen.mark`."""
    pixels = stamp(_pixels(frame, "the frame"))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


# ---------------------------------------------------------------------------- looking at clips


@no_type_check
def contact_sheet(
    frames: Iterable[Frame] | UInt8[Tensor, "T 3 H W"] | Float[Tensor, "T 3 H W"],
    columns: int,
    labels: Sequence[str] | None = None,
) -> Image.Image:
    """Frames side by side in rows of `columns`, each over its label if there are labels.

    Raises:
        VideoError: if there are no frames, or not one label per frame.
    """
    cells = [_pixels(frame, f"frame {index}") for index, frame in enumerate(frames)]
    if not cells:
        raise VideoError("A contact sheet needs at least one frame, and there is none.")
    if not isinstance(columns, int) or columns < 1:
        raise VideoError(f"columns must be a whole number from 1 on, not {columns!r}.")
    if labels is not None and len(labels) != len(cells):
        raise VideoError(f"{len(labels)} labels were given for {len(cells)} frames.")
    columns, gap = min(columns, len(cells)), 2
    height, width = (max(cell.shape[axis] for cell in cells) for axis in (0, 1))
    font = ImageFont.load_default(max(9, min(22, width // 9)))
    line = math.ceil(font.getbbox("Ág")[3]) + 3 if labels is not None else 0
    step_x, step_y = width + gap, height + line + gap
    rows = math.ceil(len(cells) / columns)
    sheet = Image.new("RGB", (columns * step_x + gap, rows * step_y + gap), "white")
    draw = ImageDraw.Draw(sheet)
    for index, cell in enumerate(cells):
        x, y = gap + index % columns * step_x, gap + index // columns * step_y
        sheet.paste(Image.fromarray(cell), (x, y))
        if labels is not None:
            text = str(labels[index])
            while len(text) > 1 and font.getlength(text) > width:
                text = text[:-2] + "…"
            draw.text((x, y + height + 1), text, font=font, fill="black")
    return sheet


@no_type_check
def html(
    clip: str | os.PathLike | Iterable[Frame],
    fps: float | None = None,
    alt: str = "Video clip",
    *,
    width: int | None = None,
    mark: bool = True,
) -> str:
    """HTML for a player with the clip inside: ``IPython.display.HTML(video.html(...))``.

    Controls, looping, muted, not started by itself; `alt` is what a screen reader says.

    Args:
        clip: frames, or a file, which is shown unmarked at its own rate.
        fps: frames per second; for a file its own rate, for frames 25 by default.
        alt: one sentence that tells what is to be seen.
        width: of the player in the page, in pixels; the clip's own by default.
        mark: whether frames carry the visible mark; off for recorded footage.

    Raises:
        VideoError: as `read` and `Writer`; or if the clip is too long for a page, or there is no
            temporary folder to make it in.
    """
    with _temporary_folder() as folder:
        path = folder / "clip.mp4"
        if isinstance(clip, str | os.PathLike):
            said = info(clip)  # also refuses what is no clip
            if fps is None and plays_in_browsers(clip):
                path = Path(clip)
            else:
                write(path, read(clip), fps or said.fps or 25.0, mark=False, note=None, crf=20)
        else:
            frames = iter(clip)
            first = next(frames, None)
            if first is None:
                raise VideoError("A player needs at least one frame, and there is none.")
            note = PROVENANCE if mark else None
            write(path, chain([first], frames), fps or 25.0, mark=mark, note=note, crf=20)
        content = path.read_bytes()
    if len(content) > _HTML_LIMIT:
        raise VideoError(
            f"The clip takes {len(content) / 2**20:.0f} MB, too much for a page; show fewer or "
            "smaller frames, or write it to a file."
        )
    data = base64.b64encode(content).decode("ascii")
    label = escape(alt, quote=True)
    shown = f' width="{int(width)}"' if width else ""
    return (
        f'<video controls loop muted playsinline preload="auto"{shown} aria-label="{label}" '
        f'title="{label}"><source src="data:video/mp4;base64,{data}" type="video/mp4">'
        f"{label}</video>"
    )


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory(prefix="aidagen-") as folder:
            yield Path(folder)
    except OSError as error:
        raise VideoError(
            f"A player needs a temporary folder ({(error.strerror or str(error)).lower()}); make "
            "room, or set TMPDIR to a folder that you may write to."
        ) from None
