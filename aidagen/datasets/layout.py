"""One layout for every data set.

    <set>/train/<clip>.mp4      frames, H.264, visually lossless
    <set>/train/<clip>.npz      labels of that clip (keypoints, pose, person ...), may be absent
    <set>/val/..., <set>/test/...
    <set>/dataset.json          name, source, licence, version, and per clip: frames, hash, extras

``dataset.json`` is written last, so a half-made set is never mistaken for a finished one.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from aidagen.errors import AidagenError

SPLITS = ("train", "val", "test")


class DatasetError(AidagenError):
    """A data set is missing, unfinished or damaged."""


class Clip:
    """One clip on disk: ``frames()`` are its pixels, ``labels()`` what is known about them."""

    def __init__(self, root: Path, split: str, name: str, entry: dict):
        self.name, self.split, self.entry = name, split, entry
        self.path = root / split / f"{name}.mp4"

    def __len__(self) -> int:
        return self.entry["frames"]

    def frames(
        self, start: int = 0, stop: int | None = None, step: int = 1
    ) -> UInt8[Tensor, "T 3 H W"]:
        """Frames ``start:stop:step`` as uint8 RGB."""
        try:
            with av.open(str(self.path)) as container:
                rgb = [
                    frame.to_ndarray(format="rgb24")
                    for i, frame in enumerate(container.decode(video=0))
                    if i >= start and (stop is None or i < stop) and (i - start) % step == 0
                ]
        except (av.error.FFmpegError, OSError) as error:
            raise DatasetError(
                f"{self.path} cannot be read ({error.__class__.__name__}); delete its folder and "
                "load the data set again."
            ) from error
        if not rgb:
            raise DatasetError(f"{self.path} has no frame in {start}:{stop}:{step}.")
        return torch.from_numpy(np.stack(rgb)).permute(0, 3, 1, 2).contiguous()

    def labels(self) -> dict[str, np.ndarray]:
        """Arrays by name; per-frame ones have the frame as first axis. Empty if there are none."""
        path = self.path.with_suffix(".npz")
        if not path.exists():
            return {}
        with np.load(path) as arrays:
            return {key: arrays[key] for key in arrays.files}

    def __repr__(self) -> str:
        return f"Clip({self.split}/{self.name}, {len(self)} frames)"


class ClipSet:
    """A finished data set in a folder."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        try:
            self.info = json.loads((self.root / "dataset.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DatasetError(
                f"{self.root} holds no dataset.json, so there is no finished data set; make it "
                "with the script in data_scripts/ that its documentation names."
            ) from error
        except json.JSONDecodeError as error:
            raise DatasetError(f"{self.root / 'dataset.json'} is damaged: {error}.") from error

    @property
    def redistributable(self) -> bool:
        """Rendered by ourselves from free assets: weights trained on it are free, too."""
        return self.info["licence"].startswith("CC0")

    def clips(self, split: str) -> list[Clip]:
        """The clips of ``split`` ("train", "val" or "test"), sorted by name."""
        if split not in SPLITS:
            raise DatasetError(f"There is no split {split!r}; there are {', '.join(SPLITS)}.")
        entries = self.info["clips"].get(split, {})
        return [Clip(self.root, split, name, entries[name]) for name in sorted(entries)]

    @property
    def hash(self) -> str:
        """SHA-256 over the hashes of all clips: changes whenever a pixel or a label does."""
        text = json.dumps(self.info["clips"], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(self.info['clips'].get(s, {}))} {s}" for s in SPLITS)
        return f"ClipSet({self.info.get('name', self.root.name)}: {counts})"


def write_clip(
    root: str | Path,
    split: str,
    name: str,
    frames: Iterable[UInt8[np.ndarray, "H W 3"]],
    labels: dict[str, np.ndarray] | None = None,
    *,
    fps: int = 25,
    crf: int = 12,
) -> dict:
    """Write one clip (and its labels) atomically; returns its entry for ``finish_set``.

    H.264 in 4:4:4, so that colour edges survive at 64 px; heights and widths must be even.
    """
    folder = Path(root) / split
    folder.mkdir(parents=True, exist_ok=True)
    path, digest, count = folder / f"{name}.mp4", hashlib.sha256(), 0
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".mp4")
    os.close(handle)
    try:
        with av.open(temporary, "w") as container:
            stream = container.add_stream("libx264", rate=fps)
            stream.pix_fmt = "yuv444p"
            stream.options = {"crf": str(crf), "preset": "slow"}
            for frame in frames:
                if count == 0:
                    stream.height, stream.width = frame.shape[:2]
                image = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                container.mux(stream.encode(image))
                count += 1
            container.mux(stream.encode())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    if count == 0:
        raise DatasetError(f"Clip {name} of {root} was given no frames.")
    digest.update(path.read_bytes())
    if labels:
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".npz")
        with os.fdopen(handle, "wb") as out:
            np.savez_compressed(out, **labels)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path.with_suffix(".npz"))
        for key in sorted(labels):
            digest.update(key.encode() + np.ascontiguousarray(labels[key]).tobytes())
    return {"frames": count, "sha256": digest.hexdigest()}


@contextmanager
def making(root: Path) -> Iterator[Path]:
    """A folder to make a set in; it becomes ``root`` at the end, and vanishes if that fails.

    Nothing appears at ``root`` before the set is whole; if somebody else was faster, theirs stays.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=root.parent, prefix=f"{root.name}-"))
    try:
        yield temporary
        if not root.exists():
            temporary.rename(root)
    except OSError as error:
        raise DatasetError(
            f"Could not write the data set {root} ({error.strerror or error}); make room or set "
            "AIDAGEN_HOME to a folder you can write to."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def finish_set(root: str | Path, info: dict, clips: dict[str, dict[str, dict]]) -> ClipSet:
    """Write ``dataset.json`` (last, atomically) and open the set.

    ``info`` needs at least name, version, source and licence; ``clips`` maps split → clip → entry.
    """
    for key in ("name", "version", "source", "licence"):
        if key not in info:
            raise DatasetError(f"The description of data set {root} lacks {key!r}.")
    path = Path(root) / "dataset.json"
    temporary = path.with_suffix(".json.part")
    text = json.dumps({**info, "clips": clips}, indent=1, sort_keys=True, ensure_ascii=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return ClipSet(root)


# --- sets that are rendered clip by clip, and go on where they stopped ---------------------------


def rendered_clips(root: Path, name: str, size: int, seed: int) -> dict[str, dict]:
    """Entries of the clips that are already in ``root``, whether set ``name`` was finished or not.

    Raises ``DatasetError`` if ``root`` holds a finished set of another size or seed.
    """
    known: dict[str, dict] = {}
    if (root / "dataset.json").exists():
        info = ClipSet(root).info
        if (info.get("size"), info.get("seed")) != (size, seed):
            raise DatasetError(
                f"{root} holds {name} of size {info.get('size')} and seed {info.get('seed')}, not "
                f"{size} and {seed}; choose another folder with --out."
            )
        for entries in info["clips"].values():
            known.update(entries)
    for note in (root / "unfinished").glob("*.json"):
        told = json.loads(note.read_text())
        if (told["size"], told["seed"]) == (size, seed):
            known[note.stem] = told["entry"]
    return known


def note_rendered(root: Path, clip: str, entry: dict, size: int, seed: int) -> None:
    """Remember, atomically, that ``clip`` of the unfinished set in ``root`` is rendered."""
    unfinished = root / "unfinished"
    part = unfinished / f"{clip}.part"
    part.write_text(json.dumps({"size": size, "seed": seed, "entry": entry}))
    os.replace(part, unfinished / f"{clip}.json")
