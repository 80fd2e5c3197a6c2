"""Sets that are rendered clip by clip: one loop for all of them, which goes on where it stopped.

A set's own module says how one clip is drawn (`Drawing`), from a seed and the clip's number alone;
`make` does the rest. A clip is the same, and in the same split, however many there are, so a set
can grow.
"""

import json
import shutil
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from aidagen import files
from aidagen.datasets.layout import SPLITS, ClipSet, DatasetError, Labels, finish_set, write_clip

SMALLEST = 16  # pixels: less shows nothing


class Drawing(NamedTuple):
    """One clip that is about to be drawn."""

    frames: Iterable[UInt8[np.ndarray, "H W 3"]]  # drawn one by one
    labels: Callable[[], Labels]  # to be called once all frames are drawn
    words: dict  # what the clip's entry in dataset.json says of it


class Shares(NamedTuple):
    """Of every ``of`` people the first ``test`` go to test, the next ``val`` to val; each person
    has ``each`` clips, one after the other."""

    of: int
    test: int
    val: int
    each: int = 1

    def split(self, index: int) -> str:
        """The split of clip ``index``."""
        place = index // self.each % self.of
        if place < self.test:
            return "test"
        return "val" if place < self.test + self.val else "train"


def make(
    root: str | Path,
    info: dict,
    shares: Shares,
    studio: Callable[[], Callable[[int, int], Drawing]],
    *,
    clips: int,
    size: int,
    seed: int,
    fps: int | Fraction,
    crf: int,
    only: str | None = None,
    progress: bool = True,
) -> ClipSet:
    """Render ``clips`` clips of ``size`` x ``size`` pixels into ``root``; finished ones are kept.

    With ``only="test"`` the clips of that split alone are drawn, and the set holds no others.
    ``info`` is what `layout.finish_set` wants to know; ``studio`` opens what draws, before anything
    is written, and returns a function of the seed and a clip's number. Rendered frames and labels
    are the same for a seed and an OpenGL driver; the encoder's last bits, and so hashes, need not
    be. Raises ``DatasetError`` if ``root`` holds a set of another size or seed, and whatever the
    studio raises where a renderer is missing.
    """
    if clips < 1 or size < SMALLEST or size % 2:
        raise DatasetError(
            f"The {info['name']} set cannot have {clips} clips of {size} pixels: give at least "
            f"one clip and an even size of {SMALLEST} pixels or more."
        )
    if only not in (None, *SPLITS):
        raise DatasetError(f"There is no split {only!r}; there are {', '.join(SPLITS)}.")
    root, unfinished = Path(root), Path(root) / "unfinished"
    finished = _finished_clips(root, info["name"], size, seed)
    names = {index: f"{index:04d}" for index in range(clips) if only in (None, shares.split(index))}
    missing = [index for index, name in names.items() if name not in finished]
    draw = studio() if missing else None
    for index in tqdm(missing, desc=info["name"], unit="clip", disable=not progress):
        drawing, name = draw(seed, index), names[index]
        images = list(drawing.frames)
        split, labels = shares.split(index), drawing.labels()
        entry = write_clip(root, split, name, images, labels, fps=fps, crf=crf)
        finished[name] = {**entry, **drawing.words}
        note = {"size": size, "seed": seed, "entry": finished[name]}
        files.write_json(unfinished / f"{name}.json", note)
    entries: dict[str, dict[str, dict]] = {split: {} for split in SPLITS}
    for index, name in names.items():
        entries[shares.split(index)][name] = finished[name]
    description = {
        **info,
        "size": size,
        "seed": seed,
        "fps": float(fps),
        "made_by": f"data_scripts/make_set.py {info['name']} --clips {clips} --size {size} "
        f"--seed {seed}" + (f" --only {only}" if only else ""),
    }
    rendered = finish_set(root, description, entries)
    shutil.rmtree(unfinished, ignore_errors=True)
    return rendered


def _finished_clips(root: Path, name: str, size: int, seed: int) -> dict[str, dict]:
    """Entries of the clips that are already in ``root``, whether set ``name`` was finished or not.

    Raises ``DatasetError`` if ``root`` holds a finished set of another size or seed.
    """
    finished: dict[str, dict] = {}
    if (root / "dataset.json").exists():
        info = ClipSet(root).info
        if (info.get("size"), info.get("seed")) != (size, seed):
            raise DatasetError(
                f"{root} holds {name} of size {info.get('size')} and seed {info.get('seed')}, not "
                f"{size} and {seed}; choose another folder with --out."
            )
        for entries in info["clips"].values():
            finished.update(entries)
    for path in (root / "unfinished").glob("*.json"):
        note = json.loads(path.read_text(encoding="utf-8"))
        if (note["size"], note["seed"]) == (size, seed):
            finished[path.stem] = note["entry"]
    return finished
