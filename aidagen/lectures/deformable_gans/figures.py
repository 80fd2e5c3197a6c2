"""Lecture 03's figures: each function draws one, so that the text shows only what is to be read.

Pictures are tensors ``(3, 128, 64)`` in [0, 1]. Each function returns what a notebook can show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import poses, video
from aidagen.kernels.parts import read_parts, warp_parts
from aidagen.lectures.deformable_gans import sheets, showcase
from aidagen.lectures.deformable_gans.showcase import Driving, Someone
from aidagen.models import deformable_gan_geometry as geometry
from aidagen.poses import Pose
from aidagen.widgets import overlays

TALL, WIDE = 128, 64
AWAY = geometry.AWAY


def _spread(which: list[int], count: int) -> list[int]:
    """``count`` of some numbers, evenly spread."""
    return [which[round(i)] for i in np.linspace(0, len(which) - 1, min(count, len(which)))]


# --- the showcase --------------------------------------------------------------------------------


def many_poses(model: nn.Module, someone: Someone, count: int = 7) -> Any:
    """One source, in the first column, and several poses: asked for, painted, true."""
    targets = _spread(someone.others, count)
    one, made = [someone.source], showcase.paint(model, someone, targets).image
    return sheets.put_into_poses(
        someone.images(one)[0], someone.pose(one), someone.pose(targets), made,
        someone.images(targets),
    )  # fmt: skip


def film(
    model: nn.Module, someone: Someone, driving: Driving, every: int = 1, scale: int = 4
) -> Any:
    """The showcase: the source, the poses, and the person who follows them, playing."""
    from IPython.display import HTML

    pose = Pose(driving.pose.joints[::every], driving.pose.visible[::every])
    made = showcase.posed(model, someone, pose)
    source = someone.images([someone.source])[0]
    size = (scale * TALL, scale * WIDE)
    large = [
        F.interpolate(each, size, mode="bicubic").clamp(0, 1)
        for each in (source[None].expand(len(made), -1, -1, -1), made)
    ]
    asked = torch.stack(
        [
            torch.from_numpy(sheets.drawn_pose(pose, t, size[0])).permute(2, 0, 1) / 255
            for t in range(len(made))
        ]
    )
    says = (
        "On the left a still picture of a person; in the middle a figure of sticks that moves; on "
        "the right the same person, who moves as the sticks do."
    )
    return HTML(video.html(torch.cat([large[0], asked, large[1]], -1), fps=12.5 / every, alt=says))


# --- poses as maps -------------------------------------------------------------------------------


def heat_maps(someone: Someone, which: int | None = None) -> Any:
    """A picture, its joints, some of its heat maps, and all of them together."""
    which = someone.source if which is None else which
    pose = someone.pose([which])
    maps = poses.heatmaps(pose, TALL, WIDE)[0]
    picture = sheets.enlarged(someone.images([which])[0], 320)
    known = [i for i in range(18) if pose.visible[0, i]]
    hidden = [i for i in range(18) if not pose.visible[0, i]]
    some = [poses.NUMBER["nose"], known[4], known[-6], *(hidden[:1] or known[-1:])]
    heads = ["the picture", "18 joints", *(poses.JOINTS[i] for i in some), "largest of the 18"]
    if hidden:
        heads[-2] += " (hidden)"
    cells = [picture, sheets.with_pose(picture, pose)]
    cells += [sheets.heat(maps[i], 320, 1.0) for i in some] + [sheets.heat(maps.amax(0), 320, 1.0)]
    return sheets.table({"": cells}, heads, height=320)


# --- alignment -----------------------------------------------------------------------------------


def turned(someone: Someone, which: int) -> float:
    """By how many degrees the hips are turned, from the source to another picture."""
    views = someone.clip.labels()["view"].astype(float)
    return abs((views[which] - views[someone.source] + 180) % 360 - 180)


def apart(someone: Someone, which: int) -> float:
    """The mean distance of all joints from those of the source, where 2 is the picture's side."""
    joints = someone.album.joints
    return float((joints[which] - joints[someone.source]).norm(dim=-1).mean())


def farthest(someone: Someone, turn: float = 45.0) -> int:
    """Of the pictures from the source's camera that show nearly the same side of the person, the
    one whose joints lie farthest from the source's; of all others, where there is none."""
    cameras = someone.album.camera
    near = [k for k in someone.others if turned(someone, k) <= turn]
    same = [k for k in near if cameras[k] == cameras[someone.source]]
    return max(same or near or someone.others, key=lambda k: apart(someone, k))


def _strength(features: Float[Tensor, "1 C h w"]) -> Float[Tensor, "h w"]:
    """How strong features are, as the decoder's ReLU lets them through."""
    return features[0].relu().norm(dim=0)


@torch.no_grad()
def alignment(model: nn.Module, someone: Someone, target: int, level: int = 1) -> Any:
    """What plain and deformed skips bring to the place where the target wants it.

    Above pictures, below features of one level: of the source, of the target, both laid over each
    other, the source's deformed, and again laid over the target's.
    """
    source = someone.source
    made = showcase.paint(model, someone, [target])
    images = someone.images([source, target])
    pose = someone.pose([source, target])
    levels = model.encode(images, pose, someone.backdrops([source, target])).levels[level]
    maps = geometry.part_maps(someone.pose([source]), someone.pose([target]), TALL, WIDE)
    masks = geometry.part_masks(someone.pose([source]), someone.pose([target]), TALL, WIDE)
    moved = warp_parts(images[:1], maps, masks)[0]
    strength = [_strength(x) for x in (levels[:1], levels[1:], made.skips[level])]
    top = float(torch.stack(strength).quantile(0.995))
    shown = [torch.from_numpy(sheets.heat(x, 256, top)).permute(2, 0, 1) / 255 for x in strength]
    rows = {
        "pictures": [*images, sheets.over(*images), moved, sheets.over(moved, images[1])],
        f"features, level {level + 1}": [
            *shown[:2], sheets.over(*shown[:2]), shown[2], sheets.over(shown[2], shown[1]),
        ],
    }  # fmt: skip
    heads = ["source", "target", "source over target", "source, deformed", "deformed over target"]
    return sheets.table(rows, heads, height=288)


# --- ten parts, by hand --------------------------------------------------------------------------


def _shapes(pose: Pose) -> dict[str, np.ndarray]:
    """The outlines of the parts that are seen, in pixels: torso and limbs."""
    body, _ = geometry.bodies(pose, pose, TALL, WIDE)
    shapes = {"torso": body.points[0, geometry.TORSO].numpy()}
    corners = geometry.rectangles(body, geometry.REACH)[0].numpy()
    for name, shape, seen in zip(geometry.LIMBS, corners, body.limbs[0], strict=True):
        if seen:
            shapes[name] = shape
    return shapes


def outlines(someone: Someone, target: int, height: int = 560) -> Any:
    """The outlines of torso and limbs in the source and in the target, in one colour each."""
    cells = []
    for which in (someone.source, target):
        shapes = _shapes(someone.pose([which]))
        colours = [overlays.colour_of(geometry.PARTS.index(name)) for name in shapes]
        picture = sheets.enlarged(someone.images([which])[0], height)
        cells.append(sheets.with_outlines(picture, list(shapes.values()), colours))
        cells.append(sheets.with_pose(picture, someone.pose([which])))
    heads = ["source: parts", "source: joints", "target: parts", "target: joints"]
    return sheets.table({"": cells}, heads, height=height)


@torch.no_grad()
def parts(someone: Someone, target: int) -> Any:
    """What some parts read of the source: everywhere, and within their masks; and all together."""
    source = someone.images([someone.source])
    pair = someone.pose([someone.source]), someone.pose([target])
    maps, masks = (f(*pair, TALL, WIDE) for f in (geometry.part_maps, geometry.part_masks))
    read = read_parts(source, maps, "nearest")[0]
    there = [p for p in range(2, 10) if masks[0, p].any() and float(maps[0, p, 0, 2]) < AWAY]
    which = [0, 1, *_spread(there, 4)]
    rows = {
        "read by its map": [read[p] for p in which],
        "within its mask": [read[p] * masks[0, p] for p in which],
    }
    whole = [warp_parts(source, maps, masks)[0], someone.images([target])[0]]
    for row, last in zip(rows.values(), whole, strict=True):
        row.append(last)
    return sheets.table(
        rows, [*(geometry.PARTS[p] for p in which), "largest of the ten; below: true"], height=288
    )


Fit = Callable[[Float[Tensor, "n 2"], Float[Tensor, "n 2"]], Float[Tensor, "2 3"]]


def maps_by_hand(fit: Fit, source: Pose, target: Pose) -> Float[Tensor, "1 P 2 3"]:
    """The maps of all parts, each fitted by ``fit(target points, source points)``.

    The rules for joints that are missing are those of the model.
    """
    maps = geometry.part_maps(source, target, TALL, WIDE)  # of what cannot be fitted
    old, new = geometry.bodies(source, target, TALL, WIDE)
    both = (old.known & new.known)[0]
    points = {"torso": geometry.TORSO, "head": geometry.FACE + geometry.SHOULDERS}
    for p, name in enumerate(geometry.PARTS):
        if float(maps[0, p, 0, 2]) == AWAY:
            continue
        if name in points:
            used = [j for j in points[name] if both[j]]
            if len(used) > 2:
                maps[0, p] = fit(new.points[0, used].float(), old.points[0, used].float())
            continue
        limb = p - 2
        own = limb if old.limbs[0, limb] else geometry.OTHER_SIDE[limb]
        corners = [geometry.rectangles(body, geometry.REACH)[0] for body in (new, old)]
        maps[0, p] = fit(corners[0][limb].float(), corners[1][own].float())
    return maps


@torch.no_grad()
def cut_out(fit: Fit, group: list[Someone], height: int = 320) -> Any:
    """People who are cut out of their source and put together again of ten parts, moved by
    ``fit`` alone."""
    cells: dict[str, list] = {"source": [], "moved by your maps": [], "true": []}
    for someone in group:
        target = farthest(someone)
        pair = someone.pose([someone.source]), someone.pose([target])
        maps = maps_by_hand(fit, *pair)
        masks = geometry.part_masks(*pair, TALL, WIDE)
        masks[:, 0] = poses.person_mask(pair[1], TALL, WIDE)[:, 0]  # the torso's is the whole
        one = [someone.source]
        person = torch.cat([someone.images(one), torch.ones(1, 1, TALL, WIDE)], 1)
        moved = warp_parts(person * someone.masks(one), maps, masks)  # with what covers the place
        behind = someone.backdrops([target]) * (1 - moved[:, 3:])
        cells["source"].append(someone.images([someone.source])[0])
        cells["moved by your maps"].append((moved[:, :3] + behind)[0])
        cells["true"].append(someone.images([target])[0])
    across = [cells[name][i] for i in range(len(group)) for name in cells]
    return sheets.table({"": across}, list(cells) * len(group), height=height)


@torch.no_grad()
def stand_in(someone: Someone, height: int = 320) -> Any:
    """A forearm that the source does not show: the other one stands in; without both, nothing."""
    target = farthest(someone)
    source, wanted = someone.pose([someone.source]), someone.pose([target])
    cells, image = [], someone.images([someone.source])
    for hidden in ((), ("right wrist",), ("right wrist", "left wrist")):
        known = source.visible.clone()
        known[:, poses.numbers(*hidden)] = False
        pose = Pose(source.joints, known)
        maps = geometry.part_maps(pose, wanted, TALL, WIDE)
        masks = geometry.part_masks(pose, wanted, TALL, WIDE)
        arms = [geometry.PARTS.index(f"{side} forearm") for side in ("right", "left")]
        cells.append(sheets.with_pose(sheets.enlarged(image[0], height), pose))
        cells.append(warp_parts(image, maps[:, arms], masks[:, arms])[0])
    heads = ["source", "both forearms, moved", "right wrist hidden", "left forearm stands in",
             "both hidden", "nothing is read"]  # fmt: skip
    return sheets.table({"": cells}, heads, height=height)


# --- skips of all levels -------------------------------------------------------------------------


@torch.no_grad()
def levels(model: nn.Module, someone: Someone, target: int, which: tuple[int, ...] = (0, 2)) -> Any:
    """Features of some levels: the source's, deformed by the maximum and by the average over parts,
    and those of the true picture."""
    both = [someone.source, target]
    found = model.encode(someone.images(both), someone.pose(both), someone.backdrops(both)).levels
    maps, masks = model.generator.skips.maps(someone.pose([someone.source]), someone.pose([target]))
    rows: dict[str, list] = {}
    for i in which:
        plain, true = found[i][:1], found[i][1:]
        h, w = plain.shape[2:]
        small = geometry.at_level(maps, TALL, WIDE, plain)
        cut = masks[..., :: TALL // h, :: WIDE // w]
        moved = [warp_parts(plain, small, cut, aggregate=how) for how in ("max", "average")]
        top = float(_strength(plain).quantile(0.995))
        row = [sheets.heat(_strength(x), 300, top) for x in (plain, *moved, true)]
        rows[f"level {i + 1}: {h} x {w}"] = row
    pictures = someone.images(both)
    rows = {name: [pictures[0], *row, pictures[1]] for name, row in rows.items()}
    heads = ["source", "its features", "deformed, maximum", "deformed, average", "of the target",
             "target"]  # fmt: skip
    return sheets.table(rows, heads, height=300)


# --- models side by side -------------------------------------------------------------------------


def compared(models: Mapping[str, nn.Module], group: list[Someone], height: int = 288) -> Any:
    """Rows of people: the source, the true picture, and what each model paints."""
    rows = {}
    for n, someone in enumerate(group):
        target = farthest(someone)
        made = [showcase.paint(model, someone, [target]).image[0] for model in models.values()]
        given = [someone.images([k])[0] for k in (someone.source, target)]
        marked = [overlays.marked(sheets.enlarged(one, height)) for one in made]
        rows[f"person {n + 1}"] = [*given, *marked]
    return sheets.table(rows, ["source", "true", *models], height=height)


def texture(image: Float[Tensor, "3 H W"], mask: Float[Tensor, "1 H W"]) -> float:
    """How much fine pattern is within a mask: mean absolute difference of neighbouring pixels."""
    inside = -F.max_pool2d(-mask[None], 5, 1, 2)[0]  # away from the person's edge
    edges = (image[:, 1:] - image[:, :-1]).abs().mean(0, keepdim=True) * inside[:, 1:]
    return float(edges.sum() / inside[:, 1:].sum().clamp(min=1))


def most_patterned(group: list[Someone]) -> list[Someone]:
    """People by how much fine pattern their source shows, most first."""
    return sorted(
        group,
        key=lambda one: -texture(one.images([one.source])[0], one.masks([one.source])[0]),
    )


@torch.no_grad()
def cloth(models: Mapping[str, nn.Module], someone: Someone, height: int = 560) -> Any:
    """The chest of the person, enlarged: source, true, and each model, in the pose that is nearest
    to the source's."""
    target = min(someone.others, key=lambda k: apart(someone, k))
    crops = {"source": _chest(someone, someone.source, someone.images([someone.source])[0])}
    crops["true"] = _chest(someone, target, someone.images([target])[0])
    for name, model in models.items():
        made = showcase.paint(model, someone, [target]).image[0]
        crops[name] = _chest(someone, target, made)
    cells = [sheets.enlarged(crop, height) for crop in crops.values()]
    cells[2:] = [overlays.marked(cell) for cell in cells[2:]]
    return sheets.table({"": cells}, list(crops), height=height)


def _chest(someone: Someone, which: int, image: Float[Tensor, "3 H W"]) -> Tensor:
    """A window of 44 x 30 pixels about the torso's middle."""
    pose = someone.pose([which])
    x, y = pose.pixels(TALL, WIDE)[0, geometry.TORSO].mean(0).round().int().tolist()
    left, top = min(max(x - 15, 0), WIDE - 30), min(max(y - 24, 0), TALL - 44)
    return image[:, top : top + 44, left : left + 30]


# --- exercise 03.4 -------------------------------------------------------------------------------


def in_the_mirror(mirrored: Callable[..., Any], someone: Someone, partner: Tensor) -> Any:
    """The source and its mirror picture, with the joints that ``mirrored`` finds."""
    pose = someone.pose([someone.source])
    joints, known = mirrored(pose.joints[0], pose.visible[0].float(), partner)
    turned_over = Pose(joints[None], known[None] > 0.5)
    image = sheets.enlarged(someone.images([someone.source])[0], 560)
    flipped = np.ascontiguousarray(image[:, ::-1])
    cells = [image, sheets.with_pose(image, pose), flipped, sheets.with_pose(flipped, turned_over)]
    heads = ["the source", "its joints", "in the mirror", "your joints"]
    return sheets.table({"": cells}, heads, height=560)
