"""Bring your own copy of a public data set into the course's layout.

    python data_scripts/adopt.py market Market-1501-v15.09.15              # into data/market
    python data_scripts/adopt.py market market-dataset --joints market-annotation-*.csv
    python data_scripts/adopt.py deepfashion In-shop --out data/deepfashion --height 256

Neither set is ours to pass on: ask its owners, and keep what comes out to yourself. Every person
becomes one clip, whose frames are that person's pictures in no order, with the labels ``joints``,
``visible``, ``camera`` and ``identity`` of `aidagen.datasets.people` (open it with
``layout.ClipSet("data/market")``). Joints are read from the annotations that the authors of
pose-gan publish (``--joints``: files with the columns name, keypoints_y and keypoints_x, divided by
colons, -1 where a joint is missing), or else by the pose judge, which takes about 20 ms a picture.
Every 20th training person goes to the split val; people with one picture are left out.

    python data_scripts/adopt.py caddy bair_256_ours --out data/bair --height 64

The clips of playable video (BAIR, Breakout, Tennis, or your own), as its authors publish them: one
folder for each, with frames 00000.png, 00001.png ... and lists in ``actions.pkl``, below ``train``,
``val`` and ``test``. Of folders without splits every tenth goes to test, and the one after it to
val. Actions become the label ``actions`` where they are numbers.
"""

import argparse
import csv
import json
import pickle
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from aidagen.datasets import layout, people
from aidagen.datasets.layout import ClipSet, DatasetError
from aidagen.errors import AidagenError
from aidagen.failures import guarded

VAL = 20  # every 20th training person
Joints = tuple[np.ndarray, np.ndarray]  # (18, 2) in [-1, 1], and which of them are known


class Named(NamedTuple):
    """A picture of the user's, as its name and folder describe it."""

    path: Path
    split: str  # "train" or "test"
    person: str
    camera: int  # from 0


# ---- names --------------------------------------------------------------------------------------
def market(root: Path) -> list[Named]:
    """Pictures of Market-1501, ``0002_c1s1_000451_03.jpg``: person 2, camera 1, sequence 1.

    Read are ``bounding_box_train``, ``bounding_box_test`` and ``query`` as they are published, or
    ``train`` and ``test`` as pose-gan arranges them. Junk (-1) and distractors (0000) are left out.
    """
    found = []
    for folder, split in (("bounding_box_train", "train"), ("train", "train"),
                          ("bounding_box_test", "test"), ("query", "test"), ("test", "test")):
        for path in sorted((root / folder).glob("*.jpg")):
            told = re.fullmatch(r"(\d{4})_c(\d)s\d_\d+_\d+", path.stem)
            if told and told[1] != "0000":
                found.append(Named(path, split, told[1], int(told[2]) - 1))
    return found


def deepfashion(root: Path) -> list[Named]:
    """Pictures of DeepFashion's In-shop Clothes Retrieval Benchmark; a person is one piece of
    clothing in one colour on one model, ``id_00000002-02``.

    Read is ``img/WOMEN/Dresses/id_00000002/02_1_front.jpg``, divided as the file
    ``list_eval_partition.txt`` says (query and gallery are the test), or ``train`` and ``test``
    with the names that pose-gan gives, ``fasionWOMENDressesid0000000202_1front.jpg``. Pictures of
    details and of clothes without a model ("additional", "flat") are left out.
    """
    found = []
    lists = sorted(root.rglob("list_eval_partition.txt"))
    if lists:
        rows = [line.split() for line in lists[0].read_text(encoding="utf-8").splitlines()[2:]]
        places = [(root / name, "train" if part == "train" else "test")
                  for name, _, part in filter(None, rows)]  # fmt: skip
    else:
        places = [(path, split) for split in ("train", "test")
                  for path in sorted((root / split).glob("*.jpg"))]  # fmt: skip
    for path, split in places:
        flat = "".join(path.parts[-4:]) if lists else path.name
        told = re.search(r"id_?(\d{8})_?(\d\d)_(\d)_?([a-z]+)\.jpg$", flat)
        if told and told[4] not in ("additional", "flat") and path.exists():
            found.append(Named(path, split, f"id_{told[1]}-{told[2]}", 0))
    return found


# ---- joints -------------------------------------------------------------------------------------
def annotations(files: Iterable[Path]) -> dict[str, Joints]:
    """By the picture's name: (18, 2) integer pixels (x, y) and which joints are there.

    Raises ``DatasetError`` that names the file and its line where a row cannot be understood.
    """
    told = {}
    for path in files:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter=":")
            for row in rows:
                try:
                    points = [json.loads(row[f"keypoints_{axis}"]) for axis in "xy"]
                    points = np.array(points, np.float32).T.reshape(18, 2)
                except (KeyError, TypeError, ValueError) as error:
                    raise DatasetError(
                        f"Line {rows.line_num} of {path} does not hold 18 joints as "
                        f"name:keypoints_y:keypoints_x ({error}); give pose-gan's annotation files."
                    ) from error
                told[row["name"].strip()] = points, (points >= 0).all(1)
    return told


def annotated(files: Iterable[Path]) -> Callable[[Named, Image.Image], Joints | None]:
    """A reader of joints from annotation files; None for a picture that they do not name."""
    told = annotations(files)

    def read(picture: Named, image: Image.Image) -> Joints | None:
        if picture.path.name not in told:
            return None
        points, known = told[picture.path.name]
        ends = np.array(image.size, np.float32) - 1
        return np.where(known[:, None], points / ends * 2 - 1, 0).astype(np.float32), known

    return read


def judged() -> Callable[[Named, Image.Image], Joints | None]:
    """A reader of joints with the pose judge; None where it sees nobody."""
    from aidagen.judges import BODY_POINTS, BodyPose

    judge = BodyPose()
    columns = [0 if name == "neck" else BODY_POINTS.index(name) for name in people.JOINTS]
    shoulders = [BODY_POINTS.index(f"{side} shoulder") for side in ("left", "right")]

    def read(picture: Named, image: Image.Image) -> Joints | None:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
        reading = judge(pixels.float() / 255)
        points = reading.points[0][columns]
        points[people.JOINTS.index("neck")] = reading.points[0][shoulders].mean(0)
        known = ~points.isnan().any(1).numpy()
        return (points.nan_to_num(0).numpy(), known) if known.any() else None

    return read


# ---- writing ------------------------------------------------------------------------------------
def adopt(
    name: str, pictures: list[Named], read: Callable[[Named, Image.Image], Joints | None],
    out: Path, size: tuple[int, int],
) -> ClipSet:
    """Write ``pictures`` as a set of clips of ``size`` (height, width), one for each person.

    Raises ``DatasetError`` where there are no two pictures of anybody, or ``out`` is taken.
    """
    by_person: dict[tuple[str, str], list[Named]] = {}
    for picture in pictures:
        by_person.setdefault((picture.split, picture.person), []).append(picture)
    clips: dict[str, dict[str, dict]] = {split: {} for split in layout.SPLITS}
    trained = 0
    with layout.making(out) as folder:
        for number, ((split, person), listed) in enumerate(sorted(by_person.items())):
            frames, joints, visible, cameras = [], [], [], []
            for picture in listed:
                with Image.open(picture.path) as opened:
                    image = opened.convert("RGB")
                if (told := read(picture, image)) is None:
                    continue
                joints.append(told[0])
                visible.append(told[1])
                cameras.append(picture.camera)
                frames.append(np.array(image.resize(size[::-1], Image.Resampling.LANCZOS)))
            if len(frames) < 2:
                continue
            if split == "train":
                trained += 1
                split = "val" if trained % VAL == 0 else "train"
            labels = {"joints": np.stack(joints).astype(np.float32), "visible": np.stack(visible),
                      "camera": np.array(cameras, np.uint8), "identity": np.int64(number)}
            entry = layout.write_clip(folder, split, person, frames, labels, fps=4)
            clips[split][person] = {**entry, "person": person}
        if not any(clips.values()):
            raise DatasetError(
                f"There are no two pictures of one person for {name}; give the folder that holds "
                "what the owners publish (see the head of data_scripts/adopt.py)."
            )
        info = {"name": name, "version": "yours", "redistributable": False,
                "source": f"the user's own copy of {name}", "size": size[0], "width": size[1],
                "licence": "the owners' terms; not to be passed on", "joints": people.JOINTS}
        layout.finish_set(folder, info, clips)
    return ClipSet(out)


# ---- clips of playable video ---------------------------------------------------------------------
class Numbers(pickle.Unpickler):
    """Reads lists of numbers; anything else in a pickle could run code, and is refused."""

    ALLOWED = {("numpy", "dtype"), ("numpy", "ndarray"), ("_codecs", "encode")} | {
        (f"numpy.{core}.multiarray", name) for core in ("core", "_core")
        for name in ("scalar", "_reconstruct")
    }  # fmt: skip

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, not numbers alone")
        return super().find_class(module, name)


def actions(folder: Path, frames: int) -> dict[str, np.ndarray]:
    """The label ``actions`` of a clip, (T, ...); empty where there is none, or it is None.

    Raises ``DatasetError`` for a damaged file and for another number of actions than frames.
    """
    path = folder / "actions.pkl"
    if not path.exists():
        return {}
    try:
        with open(path, "rb") as file:
            told = Numbers(file).load()
        if any(one is None for one in told):
            return {}
        told = np.array(told)
        if told.dtype.kind not in "biuf" or len(told) != frames:
            raise ValueError(f"{told.shape} of {told.dtype} for {frames} frames")
    except (pickle.UnpicklingError, EOFError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path} should hold one action, a number or numbers, for each frame; {error}."
        ) from error
    return {"actions": told}


def adopt_clips(name: str, root: Path, out: Path, height: int | None) -> ClipSet:
    """Write the clips below ``root``, one for each folder of frames, at their size or ``height``.

    Raises ``DatasetError`` where there are none, a clip cannot be understood, or ``out`` is taken.
    """
    found = [(split, folder) for split in layout.SPLITS
             for folder in sorted((root / split).glob("*/"))]  # fmt: skip
    if not found:
        order = ("test", "val", *["train"] * 8)
        found = [(order[i % 10], folder) for i, folder in enumerate(sorted(root.glob("*/")))]
    clips: dict[str, dict[str, dict]] = {split: {} for split in layout.SPLITS}
    with layout.making(out) as made:
        for split, folder in found:
            paths = sorted(path for path in folder.glob("*.png") if path.stem.isdecimal())
            if len(paths) < 2:
                continue
            frames = []
            for path in paths:
                try:
                    with Image.open(path) as opened:
                        image = opened.convert("RGB")
                except OSError as error:
                    raise DatasetError(f"{path} is no picture: {error}.") from error
                width = image.width * (height or image.height) / image.height
                size = 2 * round(width / 2), height or image.height
                frames.append(np.array(image.resize(size, Image.Resampling.LANCZOS)))
            labels = actions(folder, len(frames))
            entry = layout.write_clip(made, split, folder.name, frames, labels, fps=10)
            clips[split][folder.name] = {**entry, "person": folder.name}
        if not any(clips.values()):
            raise DatasetError(
                f"{root} holds no folders of frames 00000.png, 00001.png ...; give the folder that "
                "holds train, val and test (see the head of data_scripts/adopt.py)."
            )
        info = {"name": name, "version": "yours", "redistributable": False,
                "source": f"the user's own copy of {root.name}", "size": height,
                "licence": "the owners' terms; not to be passed on"}
        layout.finish_set(made, info, clips)
    return ClipSet(out)


KNOWN = {"market": (market, (128, 64)), "deepfashion": (deepfashion, (256, 256))}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=[*KNOWN, "caddy"])
    parser.add_argument("folder", type=Path, help="where your copy lies")
    parser.add_argument("--joints", type=Path, nargs="+", help="annotation files (default: judge)")
    parser.add_argument("--out", type=Path, help="folder to write (default data/NAME)")
    parser.add_argument("--height", type=int, help="of the pictures (default: as published)")
    given = parser.parse_args()
    out = given.out or Path("data") / given.name
    try:
        if given.name == "caddy":
            print(adopt_clips(given.name, given.folder, out, given.height), "in", out)
            return 0
        names, (height, width) = KNOWN[given.name]
        size = (given.height or height, (given.height or height) * width // height)
        read = annotated(given.joints) if given.joints else judged()
        print(adopt(given.name, names(given.folder), read, out, size), "in", out)
    except AidagenError as error:
        print(f"adopt: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main, "adopt"))
