"""The clips of a preference study: made by models, broken for attention checks, made anonymous.

All clips that are judged are treated alike: same size, same rate, same coding, the visible mark of
generated clips, and the general note in the file, which names no model. The clips of attention
checks carry the mark as well, since they would stand out without it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from aidagen import animation, files, video
from aidagen.pixels import as_bytes, as_floats
from aidagen.study.plan import FROZEN, SHUFFLED, TRUE, Plan, StudyError

Frames = UInt8[Tensor, "_ 3 _ _"]  # T frames; methods may differ in size
SIZE = 256  # pixels of a clip on the page
LIVELY = 0.01  # mean change between frames, of 1; a frozen clip stands out from clips above it


@dataclass(frozen=True)
class Clips:
    """Frames by item: the driving clip, what each method made of it, and the true answer.

    `truth` is the driving clip itself where the true answer is not known.
    """

    reference: Mapping[str, Frames]
    made: Mapping[str, Mapping[str, Frames]]  # item -> method -> frames
    truth: Mapping[str, Frames]
    fps: float = 12.5

    @property
    def items(self) -> tuple[str, ...]:
        return tuple(self.reference)

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(next(iter(self.made.values()))) if self.made else ()

    def lively(self, count: int = 4) -> tuple[str, ...]:
        """The items that move most, for attention checks."""
        ranked = sorted(self.items, key=lambda item: movement(self.truth[item]), reverse=True)
        return tuple(ranked[:count])

    def frames(self, item: str, what: str) -> Frames:
        """A method's clip of an item, "reference", or one of an attention check.

        Raises:
            StudyError: where there is no such clip, or an attention check would not be obvious.
        """
        if item not in self.reference:
            raise StudyError(f"The plan has an item {item!r}, the clips are {list(self.items)}.")
        if what == "reference":
            return self.reference[item]
        truth = self.truth[item]
        if what not in (TRUE, FROZEN, SHUFFLED):
            if what not in self.made[item]:
                raise StudyError(
                    f"Item {item!r} has no clip of {what!r}, only of {list(self.made[item])}; "
                    "make the plan of the same methods as the clips."
                )
            return self.made[item][what]
        if (moves := movement(truth)) < LIVELY:
            raise StudyError(
                f"Item {item!r} hardly moves ({moves:.4f} per frame), so an attention check made "
                f"of it is not obvious; give plan(checks=...) lively ones such as {self.lively()}."
            )
        if what == FROZEN:
            return truth[:1].expand_as(truth)
        return truth[_shuffled(len(truth))] if what == SHUFFLED else truth


def movement(frames: Frames) -> float:
    """Mean absolute change from frame to frame, of pixels in 0..1."""
    frames = as_floats(frames)
    return float((frames[1:] - frames[:-1]).abs().mean()) if len(frames) > 1 else 0.0


def _shuffled(count: int) -> list[int]:
    """An order in which neighbouring frames lie far apart: frames of the first and the second
    half alternate, and within each half every third frame is taken."""
    half = (count + 1) // 2
    jump = [*range(0, half, 3), *range(1, half, 3), *range(2, half, 3)]
    return [k for j in jump for k in (j, j + half) if k < count]


def clips_from(
    models: Mapping[str, nn.Module], tasks: Iterable[Any], *, mode: animation.Mode = "relative",
    fps: float = 12.5,
) -> Clips:  # fmt: skip
    """Every task animated by every model.

    Args:
        models: name -> animatable model (see `aidagen.animation`).
        tasks: each with `name`, `source` (3, H, W) and `driving` (T, 3, H, W), both uint8, and
            perhaps `truth` (T, 3, H, W), as `aidagen.evaluation.clips.Task` has them.
        mode: "relative" (the first driving frame should show about the source's pose) or
            "absolute".
        fps: frames per second at which the clips are shown.

    Raises:
        StudyError: without models or tasks, or on two tasks of one name.
        AidagenError: where a model or a picture does not fit.
    """
    tasks = list(tasks)
    names = [str(task.name) for task in tasks]
    if not models or not tasks or len(set(names)) < len(names):
        raise StudyError(
            f"Clips are made of one or more models and tasks of different names; got "
            f"{len(models)} models and tasks {names}."
        )
    reference, made, truth = {}, {}, {}
    for name, task in zip(names, tasks):
        driving, source = as_floats(task.driving), as_floats(task.source)
        made[name] = {
            method: as_bytes(animation.animate(model, source, driving, mode).cpu())
            for method, model in models.items()
        }
        reference[name] = as_bytes(driving)
        true = getattr(task, "truth", None)
        truth[name] = reference[name] if true is None else as_bytes(as_floats(true))
    return Clips(reference, made, truth, fps)


def anonymous(plan: Plan, clips: Clips, size: int = SIZE) -> dict[str, bytes]:
    """All clips of the plan as mp4, by their codes; nothing in them reveals the method.

    Raises:
        StudyError: where a clip is missing, or the clips of a pair differ in length.
    """
    sources: dict[str, tuple[str, str]] = {}
    for pair in plan.pairs:
        lengths = {len(clips.frames(pair.item, what)) for what in (*pair.methods, "reference")}
        if len(lengths) > 1:
            raise StudyError(
                f"The clips of item {pair.item!r} have {sorted(lengths)} frames; all clips of an "
                "item must be equally long, or the length tells them apart."
            )
        sources[pair.reference] = pair.item, "reference"
        sources |= {code: (pair.item, what) for code, what in zip(pair.clips, pair.methods)}
    with files.writing(tempfile.gettempdir()), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"

        def coded(item: str, what: str) -> bytes:
            recorded = what == "reference"
            note = None if recorded else video.PROVENANCE
            frames = _enlarged(clips.frames(item, what), size)
            video.write(path, frames, clips.fps, mark=not recorded, note=note, crf=20)
            return path.read_bytes()

        return {code: coded(*sources[code]) for code in sorted(sources)}


def _enlarged(frames: Frames, size: int) -> Frames:
    height, width = frames.shape[-2:]
    scale = size / max(height, width)
    shape = round(height * scale), round(width * scale)
    large = F.interpolate(as_floats(frames), size=shape, mode="bicubic", antialias=True)
    return as_bytes(large)
