"""What is unusual about a pose, in sentences: joints and parts that a network does without."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from aidagen.models.deformable_gan_geometry import (
    AWAY,
    END,
    LIMBS,
    OTHER_SIDE,
    PARTS,
    START,
    TORSO,
    bodies,
)
from aidagen.poses import JOINTS, Pose

STRETCHED = 2.0  # a limb longer than this many times its length in the source is mentioned


def listed(names: Sequence[str], most: int = 4) -> str:
    """In words: the left knee, the neck and 3 others."""
    names = [f"the {name}" for name in names]
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} others"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def about_joints(points: Sequence[Sequence[float]], missing: Collection[int]) -> list[str]:
    """The joints that the network is told nothing about: they lie outside, or are missing."""
    said = []
    outside = [k for k, p in enumerate(points) if max(map(abs, p)) > 1 and k not in missing]
    for numbers, one, many in (
        (outside, "lies outside the picture", "lie outside the picture"),
        (missing, "is missing", "are missing"),
    ):
        if not numbers:
            continue
        single = len(numbers) == 1
        who = listed([JOINTS[k] for k in sorted(numbers)])
        seen = "no bump for it" if single else "no bumps for them"
        said.append(f"{_begun(who)} {one if single else many}; the network sees {seen}.")
    return said


def about_parts(
    source: Pose, target: Pose, rendering: Any, size: tuple[int, int], moved: Collection[int]
) -> list[str]:
    """The parts that carry nothing, or something else than their own; limbs drawn out of shape.

    Nothing is said of a ``rendering`` without masks; ``target`` is what its model was given, and
    ``moved`` the joints that somebody moved.
    """
    if getattr(rendering, "masks", None) is None:
        return []
    masks, maps = (x[0].cpu() for x in (rendering.masks, rendering.maps))
    away = (maps[:, :, 2] == AWAY).all(-1)
    old, new = bodies(source, target, *size)
    other = old.limbs[0][OTHER_SIDE]
    bare = [p for p in range(1, len(PARTS)) if not masks[p].any() or away[p]]
    lent = (new.limbs & ~old.limbs)[0] & other & ~away[2:]
    said = []
    if bare:
        verb = "carries" if len(bare) == 1 else "carry"
        said.append(f"{_begun(listed([PARTS[p] for p in bare]))} {verb} nothing.")
    if lent.any():
        names = listed([name for name, is_lent in zip(LIMBS, lent) if is_lent])
        single = int(lent.sum()) == 1
        said.append(
            f"The source does not show {names}; the other side stands in for "
            f"{'it' if single else 'them'}."
        )
    if int((old.known & new.known)[0, TORSO].sum()) < 3:
        said.append("Of hips and shoulders too few are known to fit the torso; it is only shifted.")
    lengths = [
        (body.points[0, END] - body.points[0, START]).norm(dim=-1) / body.scale[0]
        for body in (old, new)
    ]
    times = lengths[1] / lengths[0].clamp(min=1e-3)
    touched = torch.tensor([bool({*ends} & set(moved)) for ends in LIMBS.values()])
    for i in ((old.limbs & new.limbs)[0] & touched & (times > STRETCHED)).nonzero()[:, 0].tolist():
        said.append(f"The {PARTS[2 + i]} is {times[i]:.1f} times as long as in the source.")
    return said


def moves(
    home: Sequence[Sequence[float]], points: Sequence[Sequence[float]]
) -> dict[int, tuple[float, float]]:
    """How far right and down each joint is from home, by number; those at home are left out."""
    pairs = enumerate(zip(home, points, strict=True))
    return {k: (now[0] - was[0], now[1] - was[1]) for k, (was, now) in pairs if now != was}


def about_moves(moves: Mapping[int, tuple[float, float]]) -> str:
    """Which joints were moved, number -> how far right and down, and the first one by how much."""
    if len(moves) != 1:
        return f"{_begun(listed([JOINTS[k] for k in moves]))} are moved"
    ((k, (right, down)),) = moves.items()
    ways = [
        f"{abs(value):.2f} {words[value > 0]}"
        for value, words in ((right, ("left", "right")), (-down, ("down", "up")))
        if abs(value) >= 0.005
    ]
    return f"The {JOINTS[k]} is moved by {', '.join(ways) or 'less than 0.01'}"


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]
