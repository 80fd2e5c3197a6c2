"""All that an animatable model computes for one clip, kept for the widgets to draw from."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from aidagen import animation
from aidagen.animation import looking
from aidagen.errors import AidagenError
from aidagen.grids import identity_grid

LONGEST = 256  # frames: all intermediates of all of them stay in memory
MODES = ("relative", "absolute")


class Pose(NamedTuple):
    """Keypoints of T frames; None where the model has none."""

    points: Float[np.ndarray, "T K 2"] | None
    jacobians: Float[np.ndarray, "T K 2 2"] | None


class Take(NamedTuple):
    """All frames of one mode; an entry is None where the model's ``Rendering`` has none."""

    image: Float[Tensor, "T 3 S S"]
    deformed: Float[Tensor, "T 3 S S"] | None  # the source, only warped
    flow: Float[np.ndarray, "T h w 2"] | None  # where each place reads the source
    movement: Float[np.ndarray, "T h w 2"] | None  # from there to here
    occlusion: Float[np.ndarray, "T h w"] | None  # 1 visible in the source, 0 painted
    masks: Float[np.ndarray, "T K1 h w"] | None  # background first
    points: Float[np.ndarray, "T K 2"] | None  # where the generated frame has its keypoints
    jacobians: Float[np.ndarray, "T K 2 2"] | None


class Recording:
    """A source, a driving clip and, mode by mode, everything that the model made of them.

    ``take("relative")`` runs the model at its first call and is kept. ``source`` is ``(3, S, S)``
    and ``driving`` ``(T, 3, S, S)``, both as the model sees them; ``source_pose`` (T = 1) and
    ``driving_pose`` are their keypoints.

    Raises:
        AidagenError: on no frames or more than 256 of them, and where the model cannot animate or
            a picture does not fit.
    """

    def __init__(self, model: Any, source: Tensor, frames: Tensor | Iterable[Tensor]) -> None:
        animator = animation.Animator(model, source, MODES[0])  # refuses what does not fit
        frames = list(frames[: LONGEST + 1] if isinstance(frames, Tensor) else frames)
        if not 0 < len(frames) <= LONGEST:
            raise AidagenError(
                f"All that a model does with a clip of 1 to {LONGEST} frames is kept in memory; "
                f"here are {'none' if not frames else 'more'}. Give a part of the clip, such as "
                "frames[:64] or frames[::4]."
            )
        self.model, self._animators, self._frames = model, {MODES[0]: animator}, frames
        self._takes: dict[str, Take] = {}
        self.source, self.pixels = animator.source[0].cpu(), animator.size
        self.take(MODES[0])  # looks at every frame and refuses what is no picture
        driving = [animation.prepare(frame.cpu().float(), self.pixels) for frame in frames]
        self.driving = torch.stack(driving)
        with looking(model):
            first = animator.source
            self.source_pose = _pose([model.motion(first)])
            chunks = self.driving.to(first.device, first.dtype).split(16)
            self.driving_pose = _pose([model.motion(chunk) for chunk in chunks])

    def __len__(self) -> int:
        return len(self._frames)

    def take(self, mode: str) -> Take:
        """Everything the model made in ``mode``, "relative" or "absolute"."""
        if mode not in MODES:
            raise AidagenError(f"mode must be one of {', '.join(MODES)}, not {mode!r}.")
        if mode not in self._animators:
            source = self._animators[MODES[0]].source
            self._animators[mode] = animation.Animator(self.model, source, mode)
        if mode not in self._takes:
            self._takes[mode] = _stack(list(self._animators[mode].animate(self._frames)))
        return self._takes[mode]


def liveliest(frames: Float[Tensor, "T 3 S S"], rest: Float[Tensor, "3 S S"] | None = None) -> int:
    """The frame of a clip, counted from 1, in which most has moved: where every widget opens.

    It is the one that differs most from the picture at rest, by the mean absolute difference over
    all pixels; the earliest of equals. At rest is ``rest``, such as the source of a rebuilt clip,
    and by default the clip's first frame: what a driving clip moves is counted from there.
    """
    rest = frames[0] if rest is None else rest
    return 1 + int((frames - rest).abs().mean((1, 2, 3)).argmax())


class Rebuilt(NamedTuple):
    """A clip rebuilt from its own first frame, so that the true answer is known."""

    truth: Float[Tensor, "T 3 S S"]  # the frames after the first, as the model sees them
    image: Float[Tensor, "T 3 S S"]
    errors: Float[np.ndarray, " T"]  # mean absolute difference of the two
    source: Float[Tensor, "3 S S"]
    source_points: Float[np.ndarray, "K 2"] | None
    points: Float[np.ndarray, "T K 2"] | None  # of the true frames


def rebuilt(model: Any, frames: Tensor) -> Rebuilt:
    """Let ``model`` rebuild ``frames`` (T + 1, 3, H, W) from the first, in absolute motion.

    Raises:
        AidagenError: on fewer than two frames or more than 256, and where model or pictures do
            not fit.
    """
    if not isinstance(frames, Tensor) or frames.ndim != 4 or not 2 <= len(frames) <= LONGEST:
        raise AidagenError(
            f"A clip (T, 3, H, W) of 2 to {LONGEST} frames was expected, the first of them the "
            f"source; got {tuple(getattr(frames, 'shape', ())) or type(frames).__name__}."
        )
    animator = animation.Animator(model, frames[0], "absolute")
    image = (
        torch.stack([rendering.image for rendering in animator.animate(frames[1:])]).float().cpu()
    )
    truth = torch.stack([animation.prepare(each.cpu().float(), animator.size) for each in frames])
    with looking(model):
        first = animator.source
        pose = _pose([model.motion(part.to(first.device, first.dtype)) for part in truth.split(16)])
    errors = (image - truth[1:]).abs().mean((1, 2, 3)).numpy()
    where = (None, None) if pose.points is None else (pose.points[0], pose.points[1:])
    return Rebuilt(truth[1:], image, errors, truth[0], *where)


def _pose(motions: list[Any]) -> Pose:
    """Keypoints of batches of frames, one after the other."""
    fields = []
    for name in Pose._fields:
        values = [getattr(motion, name, None) for motion in motions]
        whole = all(isinstance(value, Tensor) for value in values)
        fields.append(torch.cat(values).float().cpu().numpy() if whole else None)
    return Pose(*fields)


def _stack(renderings: list[Any]) -> Take:
    """Single frames' renderings as one; motion is looked up inside them."""

    def gather(name: str, of: list[Any] = renderings) -> Tensor | None:
        values = [getattr(each, name, None) for each in of]
        whole = all(isinstance(value, Tensor) for value in values)
        return torch.stack(values).detach().float().cpu() if whole else None

    image, flow, occlusion, masks = map(gather, ("image", "flow", "occlusion", "masks"))
    if image is None:
        raise AidagenError("A Rendering holds at least `image`; this model's does not.")
    motions = [getattr(each, "motion", None) for each in renderings]
    points, jacobians = gather("points", motions), gather("jacobians", motions)
    movement = None if flow is None else identity_grid(*flow.shape[1:3]) - flow
    occlusion = None if occlusion is None else occlusion[:, 0]
    arrays = (flow, movement, occlusion, masks, points, jacobians)
    return Take(image, gather("deformed"), *(a if a is None else a.numpy() for a in arrays))
