"""Models that paint people in poses, and the people: what the pose studio runs.

A source is encoded once for each model; every further pose is one call of the model's ``render``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, no_type_check

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from aidagen.animation import looking
from aidagen.errors import AidagenError
from aidagen.kernels.parts import read_parts
from aidagen.models.deformable_gan_geometry import at_level
from aidagen.poses import JOINTS, MIRRORED, Pose


class Person(NamedTuple):
    """Somebody to paint in other poses."""

    image: Float[Tensor, "1 3 H W"]
    pose: Pose  # of one person
    backdrop: Float[Tensor, "1 3 H W"]


class Carried(NamedTuple):
    """The source's features of one level: what a skip of the U-Net holds."""

    source: Float[Tensor, "C h w"]  # where they were
    deformed: Float[Tensor, "C h w"]  # where the maps carried them
    covered: Bool[Tensor, "h w"] | None  # where the chosen part has its mask, if one is chosen


class Posing:
    """Models by name and people by name, see `PoseStudio`.

    Raises:
        AidagenError: where a model cannot paint people, or people and models do not fit.
    """

    @no_type_check  # what users give is checked by hand, in sentences
    def __init__(self, models: Mapping[str, Any], people: Sequence[tuple]) -> None:
        if not models or not people:
            raise AidagenError("A pose studio needs at least one model, and one person.")
        for name, model in models.items():
            config = getattr(model, "config", None)
            if not (hasattr(model, "encode") and hasattr(model, "render") and config is not None):
                raise AidagenError(
                    f"{name!r} is no model of people in poses: {type(model).__name__} lacks "
                    "`encode`, `render` or `config`."
                )
        self.models, self._encoded = dict(models), {}
        sizes = {name: (m.config.height, m.config.width) for name, m in models.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name} {h} x {w}" for name, (h, w) in sizes.items())
            raise AidagenError(f"All models of a studio paint pictures of one size; here: {told}.")
        self.size = next(iter(sizes.values()))
        self.people: dict[str, Person] = {}
        for name, image, pose, backdrop in people:
            if name in self.people:
                raise AidagenError(f"Two people are called {name!r}; give each a name of its own.")
            for what, given in (("picture", image), ("backdrop", backdrop)):
                if tuple(getattr(given, "shape", ())) != (3, *self.size):
                    raise AidagenError(
                        f"The {what} of {name} is (3, {self.size[0]}, {self.size[1]}) for these "
                        f"models; got {tuple(getattr(given, 'shape', ())) or type(given).__name__}."
                    )
            pose = checked(pose, f"the pose of {name}", 1)
            self.people[name] = Person(image[None].float(), pose, backdrop[None].float())

    def render(self, model: str, person: str, target: Pose) -> Any:
        """The model's ``Rendering`` of the person in a pose (B = 1)."""
        with looking(self.models[model]):
            return self.models[model].render(
                self._encode(model, person), _moved(target, self.models[model])
            )

    def levels(self, model: str, person: str) -> tuple[tuple[int, int, int], ...]:
        """C, h, w of every level whose features the model deforms; none where there is no map."""
        levels = getattr(self._encode(model, person), "levels", ())
        count = getattr(self.models[model].config, "deformed", 0)
        return tuple(tuple(level.shape[1:]) for level in levels[:count])

    def carried(
        self, model: str, person: str, rendering: Any, level: int, part: int | None = None
    ) -> Carried:
        """The source's features of a level (from 0) before and after; or those of one part."""
        source = self._encode(model, person).levels[level]
        if part is None or rendering.masks is None:
            return Carried(source[0], rendering.skips[level][0], None)
        with looking(self.models[model]):
            maps = at_level(rendering.maps[:, part : part + 1], *self.size, source)
            near = self.models[model].config.sampling == "published"
            read = read_parts(source, maps, "nearest" if near else "bilinear")[0, 0]
        rows, columns = (whole // side for whole, side in zip(self.size, source.shape[2:]))
        return Carried(source[0], read, rendering.masks[0, part, ::rows, ::columns] > 0)

    def _encode(self, model: str, person: str) -> Any:
        if (model, person) not in self._encoded:
            image, pose, backdrop = self.people[person]
            network = self.models[model]
            with looking(network):
                self._encoded[model, person] = network.encode(
                    *(_moved(x, network) for x in (image, pose, backdrop))
                )
        return self._encoded[model, person]


def _moved(given: Any, model: Any) -> Any:
    """A tensor, or a pose, where the model computes."""
    weight = next(iter(model.parameters()), None) if isinstance(model, nn.Module) else None
    if weight is None:
        return given
    if isinstance(given, Pose):
        return Pose(*(x.to(weight.device) for x in given))
    return given.to(weight)


@no_type_check
def checked(pose: Pose, what: str, count: int | None = None) -> Pose:
    """The pose, in float32; joints that are not numbers become joints that are not known.

    Raises:
        AidagenError: where it is no pose, or not one of ``count`` people or moments.
    """
    try:
        joints, visible = (torch.as_tensor(x).cpu() for x in pose)
        fits = joints.shape == (len(joints), len(JOINTS), 2) and visible.shape == joints.shape[:2]
    except (TypeError, ValueError, RuntimeError):
        fits = False
    if not fits or len(joints) < 1 or count not in (None, len(joints)):
        wanted = "T" if count is None else count
        shapes = [tuple(getattr(x, "shape", ())) for x in pose] if isinstance(pose, tuple) else pose
        raise AidagenError(
            f"For {what} a Pose of joints ({wanted}, 18, 2) and whether they are known "
            f"({wanted}, 18) was expected; got {shapes}."
        )
    finite = joints.isfinite().all(-1)
    return Pose(torch.where(finite[..., None], joints, 0).float(), visible.bool() & finite)


def gathered(
    clips: Mapping[str, Pose], poses: Mapping[str, Pose], people: Mapping[str, Person]
) -> dict[str, Pose]:
    """All poses to choose by name: clips, single poses, those that the people are seen in.

    Raises:
        AidagenError: where two have one name, or something is no pose.
    """
    found = {name: checked(clip, f"the clip {name}") for name, clip in clips.items()}
    own = {f"pose of {name}": person.pose for name, person in people.items()}
    for name, given in [*poses.items(), *own.items()]:
        if name in found:
            raise AidagenError(f"Two poses are called {name!r}; give each a name of its own.")
        found[name] = checked(given, name, 1)
    return found


def swapped(pose: Pose) -> Pose:
    """Left and right joints exchanged, and nothing mirrored: a fault."""
    order = list(MIRRORED)
    return Pose(pose.joints[:, order], pose.visible[:, order])


def known_pose(points: list, missing: list[int], given: Float[Tensor, "18 2"]) -> Pose:
    """Points (x, y) and missing joints as a pose.

    Points are rounded to four digits; one that lies where a joint was ``given`` has all of them.
    """
    joints = torch.tensor(points)
    untouched = (joints - given).abs().amax(-1, keepdim=True) < 1e-4
    known = torch.ones(len(joints), dtype=torch.bool)
    known[missing] = False
    return inside(Pose(torch.where(untouched, given, joints)[None], known[None]))


def inside(pose: Pose) -> Pose:
    """The pose in which what lies outside the picture is not known."""
    return pose._replace(visible=pose.visible & (pose.joints.abs() <= 1).all(-1))


def numbers(which: Bool[Tensor, " n"]) -> list[int]:
    """Where it is true, counted from 0."""
    return which.nonzero()[:, 0].tolist()


def liveliest(clip: Pose) -> int:
    """The moment, from 1, at which joints are farthest from where they were at first."""
    both = clip.visible & clip.visible[:1]
    apart = (clip.joints - clip.joints[:1]).norm(dim=-1) * both
    return 1 + int((apart.sum(1) / both.sum(1).clamp(min=1)).argmax())
