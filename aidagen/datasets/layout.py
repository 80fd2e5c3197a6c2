"""One layout for every data set: clips, stills, or both, with what is known about each of them.

    <set>/train/<clip>.mp4      frames, H.264: visually lossless, or without any loss
    <set>/train/<clip>.flac     the clip's sound track, may be absent
    <set>/train/<still>.png     a picture that belongs to no clip
    <set>/train/<name>.npz      labels of that clip or still (keypoints, person ...), may be absent
    <set>/val/..., <set>/test/...
    <set>/dataset.json          name, source, licence, version ...; under "clips" and "stills" one
                                entry per file: its hash, its length, what else is known in words

``dataset.json`` is written last, so a half-made set is never mistaken for a finished one. A clip's
entry says what it is made of: ``frames`` (how many), ``lossless`` (true where nothing was lost),
``sound`` (true where there is a track); what else the set knows of the clip stands beside that.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from aidagen import files, sound, spans
from aidagen.encoding import LOSSLESS, Encoder, fine
from aidagen.errors import AidagenError, VideoError
from aidagen.sound import Sound

SPLITS = ("train", "val", "test")

Labels = dict[str, np.ndarray]


class DatasetError(AidagenError):
    """A data set is missing, unfinished or damaged."""


class Example:
    """One clip or still on disk; ``entry`` is what ``dataset.json`` says of it."""

    suffix: str  # of its pixels' file

    def __init__(self, root: Path, split: str, name: str, entry: dict):
        self.name, self.split, self.entry = name, split, entry
        self.path = Path(root) / split / f"{name}{self.suffix}"

    def labels(self) -> Labels:
        """Arrays by name; per-frame ones have the frame as first axis. Empty if there are none."""
        path = self.path.with_suffix(".npz")
        if not path.exists():
            return {}
        with np.load(path) as arrays:
            return {key: arrays[key] for key in arrays.files}


class Still(Example):
    """One picture on disk: ``picture()`` are its pixels, ``labels()`` what is known about them.

    Where clips and stills are drawn alike it serves as a clip of one frame.
    """

    suffix = ".png"

    def __len__(self) -> int:
        return 1

    def picture(self) -> UInt8[Tensor, "3 H W"]:
        """The pixels as uint8 RGB, exactly as they were given."""
        with _damage_named(self.path):
            return torch.from_numpy(spans.still(self.path)).permute(2, 0, 1).contiguous()

    def frames(self) -> UInt8[Tensor, "1 3 H W"]:
        """The picture as the only frame of a clip."""
        return self.picture()[None]

    def __repr__(self) -> str:
        return f"Still({self.split}/{self.name})"


class Clip(Example):
    """One clip on disk: ``frames()`` are its pixels, ``labels()`` what is known about them."""

    suffix = ".mp4"

    def __len__(self) -> int:
        return self.entry["frames"]

    @cached_property
    def fps(self) -> Fraction:
        """Frames per second."""
        with _damage_named(self.path):
            return spans.frame_rate(self.path)

    def frames(
        self, start: int = 0, stop: int | None = None, step: int = 1
    ) -> UInt8[Tensor, "T 3 H W"]:
        """Frames ``start:stop:step`` as uint8 RGB, numbered as Python slices are.

        Only what lies between is decoded, and at most `encoding.KEYFRAMES` frames before it.
        Raises ``DatasetError`` if there is no such frame, or the file is damaged.
        """
        numbers = range(len(self))[start:stop:step]
        if not numbers:
            raise DatasetError(f"{self.path} has no frame in {start}:{stop}:{step}.")
        with _damage_named(self.path):
            first, last = min(numbers), max(numbers)
            rgb = {
                number: image
                for number, image in spans.span(self.path, first, last + 1)
                if number in numbers
            }
        frames = np.stack([rgb[number] for number in numbers])
        return torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()

    def sound(self, start: int = 0, stop: int | None = None) -> Sound:
        """The sound that is heard during frames ``start:stop``; float32 (channels, samples).

        Sample 0 belongs to the beginning of frame 0. Raises ``DatasetError`` where a clip is mute.
        """
        if not self.entry.get("sound"):
            raise DatasetError(f"{self.path} has no sound track; its pictures are all there is.")
        samples, rate = sound.read(self.path.with_suffix(".flac"))
        if (start, stop) == (0, None):
            return Sound(samples, rate)
        numbers = range(len(self))[start:stop]
        first, last = (round(number / self.fps * rate) for number in (numbers.start, numbers.stop))
        return Sound(samples[:, first:last], rate)

    def __repr__(self) -> str:
        return f"Clip({self.split}/{self.name}, {len(self)} frames)"


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Damage to the file at ``path`` becomes a ``DatasetError`` that says what to do."""
    try:
        yield
    except VideoError as error:
        raise DatasetError(
            f"{path} cannot be read: it is missing or damaged; delete the data set's folder and "
            "load the set again."
        ) from error


class ClipSet:
    """A finished data set in a folder: clips, stills, or both."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        try:
            self.info = json.loads((self.root / "dataset.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DatasetError(
                f"{self.root} holds no dataset.json, so there is no finished data set; make it "
                "with data_scripts/make_set.py."
            ) from error
        except json.JSONDecodeError as error:
            raise DatasetError(f"{self.root / 'dataset.json'} is damaged: {error}.") from error

    def clips(self, split: str) -> list[Clip]:
        """The clips of ``split`` ("train", "val" or "test"), sorted by name."""
        return [Clip(self.root, split, *item) for item in self._entries("clips", split)]

    def stills(self, split: str) -> list[Still]:
        """The stills of ``split`` ("train", "val" or "test"), sorted by name."""
        return [Still(self.root, split, *item) for item in self._entries("stills", split)]

    def examples(self, split: str) -> list[Clip | Still]:
        """All that ``split`` holds, clips first; each has ``frames()``, ``labels()``, ``entry``."""
        return [*self.clips(split), *self.stills(split)]

    def _entries(self, kind: str, split: str) -> list[tuple[str, dict]]:
        if split not in SPLITS:
            raise DatasetError(f"There is no split {split!r}; there are {', '.join(SPLITS)}.")
        return sorted(self.info.get(kind, {}).get(split, {}).items())

    @property
    def redistributable(self) -> bool:
        """Whether the set, and weights trained on it, may be passed on under free licences.

        True where ``dataset.json`` says so: pictures of our own rendering from free assets.
        """
        return self.info.get("redistributable", False)

    @property
    def hash(self) -> str:
        """SHA-256 over the hashes of all entries: changes whenever a pixel or a label does."""
        entries = self.info.get("clips", {})
        if "stills" in self.info:
            entries = {"clips": entries, "stills": self.info["stills"]}
        return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()

    def __repr__(self) -> str:
        counts = {split: len(self.examples(split)) for split in SPLITS}
        listed = ", ".join(f"{count} {split}" for split, count in counts.items())
        return f"ClipSet({self.info.get('name', self.root.name)}: {listed})"


# --- writing -------------------------------------------------------------------------------------


def write_clip(
    root: str | Path,
    split: str,
    name: str,
    frames: Iterable[UInt8[np.ndarray, "H W 3"]],
    labels: Labels | None = None,
    *,
    fps: int | Fraction = 25,
    crf: int = 12,
    lossless: bool = False,
    track: Sound | None = None,
) -> dict:
    """Write a clip, each of its files atomically; returns its entry for ``finish_set``.

    ``crf`` is x264's quality (smaller is better) where the clip is not ``lossless``. ``track`` is
    its sound, which begins with frame 0. Raises ``DatasetError`` if there are no frames.
    """
    path, count = Path(root) / split / f"{name}.mp4", 0
    coding = LOSSLESS if lossless else fine(crf)
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise DatasetError(f"Clip {name} of {root} was given no frames.")
    with files.replacing(path) as part, Encoder(part, Fraction(fps), coding) as encoder:
        for frame in chain([first], frames):
            encoder.add(frame)
            count += 1
    entry = {"frames": count}
    if lossless:
        entry["lossless"] = True
    written = [path]
    if track is not None:
        sound.write(path.with_suffix(".flac"), track)
        written.append(path.with_suffix(".flac"))
        entry["sound"] = True
    return {**entry, "sha256": _write_labels(written, labels or {})}


def write_still(
    root: str | Path,
    split: str,
    name: str,
    picture: UInt8[np.ndarray, "H W 3"],
    labels: Labels | None = None,
) -> dict:
    """Write a picture, without loss, and its labels; returns its entry for ``finish_set``."""
    path = Path(root) / split / f"{name}.png"
    with files.replacing(path) as part:
        Image.fromarray(np.ascontiguousarray(picture)).save(part, format="png", optimize=True)
    return {"sha256": _write_labels([path], labels or {})}


def _write_labels(written: list[Path], labels: Labels) -> str:
    """Write ``labels`` beside the files of an entry; the SHA-256 of these files and of them."""
    digest = hashlib.sha256()
    for path in written:
        digest.update(path.read_bytes())
    if labels:
        target = written[0].with_suffix(".npz")
        with files.replacing(target) as part, open(part, "wb") as file:
            np.savez_compressed(file, **labels)
    for key in sorted(labels):
        digest.update(key.encode() + np.ascontiguousarray(labels[key]).tobytes())
    return digest.hexdigest()


@contextmanager
def making(root: Path) -> Iterator[Path]:
    """A folder to make a set in; it becomes ``root`` at the end, and vanishes if that fails.

    Nothing appears at ``root`` before the set is whole; if another process was faster, its set
    stays. Raises ``DatasetError`` if there is a set already, or where nothing can be written.
    """
    if (root / "dataset.json").exists():
        raise DatasetError(
            f"{root} holds a finished data set; choose another folder, or delete this one first."
        )
    temporary = None
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=root.parent, prefix=f"{files.shortened(root)}-"))
        yield temporary
        if not root.exists():
            temporary.chmod(0o777 & ~files.umask())  # others may read the set, as all their files
            temporary.rename(root)
    except OSError as error:
        raise DatasetError(
            f"Could not write the data set {root} ({error.strerror or error}); make room or set "
            "AIDAGEN_HOME to a folder you can write to."
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def finish_set(
    root: str | Path,
    info: dict,
    clips: dict[str, dict[str, dict]] | None = None,
    stills: dict[str, dict[str, dict]] | None = None,
) -> ClipSet:
    """Write ``dataset.json`` (last, atomically) and open the set.

    ``info`` needs at least name, version, source and licence; ``clips`` and ``stills`` map split
    → name → entry.
    """
    for key in ("name", "version", "source", "licence"):
        if key not in info:
            raise DatasetError(f"The description of data set {root} lacks {key!r}.")
    description = dict(info)
    if clips is not None:
        description["clips"] = clips
    if stills is not None:
        description["stills"] = stills
    text = json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False)
    files.write_text(Path(root) / "dataset.json", text + "\n")
    return ClipSet(root)
