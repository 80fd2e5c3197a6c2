"""The pictures of the pose studio, with their words: source, what was painted, features carried."""

from html import escape
from typing import Any, NamedTuple

import numpy as np

from aidagen.models.deformable_gan_geometry import PARTS
from aidagen.poses import Pose
from aidagen.widgets import overlays, pose_pictures
from aidagen.widgets.film import View
from aidagen.widgets.posing import Posing

OVER = ("skeleton", "masks", "nothing")
ALL = "all parts"


class Look(NamedTuple):
    """What is chosen beside the pose."""

    person: str
    model: str
    over: str  # one of `OVER`: what lies over the picture
    part: str  # one of ``PARTS``, or `ALL`
    level: int  # from 1; 0 shows no features
    swapped: bool

    @property
    def chosen(self) -> int | None:
        """The number of the part; None is all of them."""
        return None if self.part == ALL else PARTS.index(self.part)


def source(posing: Posing, look: Look, width: int) -> View:
    """The source with its skeleton."""
    person = posing.people[look.person]
    picture = pose_pictures.enlarged(person.image[0], width)
    joints, known = (x[0].numpy() for x in person.pose)
    inside = known & (np.abs(joints) <= 1).all(-1)
    drawn = pose_pictures.draw_pose(picture, joints, inside, posing.size)
    return View("Source", f"Source: {look.person}, with the skeleton", drawn)


def painted(look: Look, rendering: Any, width: int, target: Pose | None = None) -> View:
    """The picture that was painted, under the masks if they are wanted, and under ``target``."""
    image = rendering.image[0]
    picture, masks = pose_pictures.enlarged(image, width), getattr(rendering, "masks", None)
    words = "Painted picture"
    if look.over == "masks" and masks is not None:
        picture = pose_pictures.draw_parts(picture, masks[0].cpu().numpy(), look.chosen)
        words += f", under the masks of {ALL}" if look.part == ALL else (
            f", under the mask of the {look.part}"
        )
    if target is not None and look.over != "nothing":
        joints, known = (x[0].numpy() for x in target)
        size = tuple(image.shape[1:])
        picture = pose_pictures.draw_pose(picture, joints, known, size, look.swapped)
        words += ", with the skeleton of the target"
    return View("Painted", words, overlays.marked(picture))


def features(posing: Posing, look: Look, rendering: Any, width: int) -> list[View]:
    """The source's features of the chosen level, before and after; none without a level."""
    levels = posing.levels(look.model, look.person)
    if not 0 < look.level <= len(levels):
        return []
    carried = posing.carried(look.model, look.person, rendering, look.level - 1, look.chosen)
    shades = pose_pictures.palette(carried.source)
    plain = pose_pictures.coloured(carried.source, shades, width)
    moved = pose_pictures.coloured(carried.deformed, shades, width, carried.covered)
    c, h, w = levels[look.level - 1]
    after = "Deformed" if carried.covered is None else f"Read by the {look.part}"
    words = f"the source's {c} features at {h} x {w} places, as colours"
    return [
        View("Source's features", f"Plain: {words}, where they were", plain),
        View(after, f"{after}: {words}, where the maps carry them", moved),
    ]


def lacking(posing: Posing, look: Look, rendering: Any) -> list[str]:
    """What was chosen, and this model does not have, in sentences."""
    said = []
    if getattr(rendering, "masks", None) is None and (look.over == "masks" or look.part != ALL):
        said.append("This model has no parts, so there are no masks.")
    if len(posing.levels(look.model, look.person)) < look.level:
        said.append("This model deforms no features.")
    return said


def legend() -> str:
    """HTML: which colour is which part's."""
    return " ".join(
        f'<span style="white-space:nowrap;margin-right:.8em"><span aria-hidden="true" '
        f'style="display:inline-block;width:.9em;height:.9em;border:1px solid #000;'
        f'background:{colour}"></span> {escape(part)}</span>'
        for part, colour in zip(PARTS, pose_pictures.PART_COLOURS)
    )
