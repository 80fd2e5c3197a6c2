"""Ten parts of a body, and the affine map of each from a target pose back to a source pose.

Siarohin, Sangineto, Lathuilière, Sebe. CVPR 2018: the body is taken as ten parts, each of them
nearly rigid. A part's map says where a pixel of the target picture is to be found in the source;
its mask says which pixels it speaks for.

* torso: fitted to hips and shoulders; its mask is the whole picture;
* head: fitted to the joints of the head seen in both pictures and the shoulders; a square;
* eight limbs (thighs, shins, upper arms, forearms): a rectangle around the bone in either picture,
  fitted corner to corner. Where the source does not show the limb, the one of the other side
  stands in for it. Where the target does not show it, or the source shows neither, it is *absent*:
  an empty mask, and a map that reads 1000 pixels outside the picture.

How this differs from the authors' code: all parts of a batch are fitted at once, by the same
*total* least squares; poses are not refused. Where their fit is undefined we say what happens: a
limb of no length in the target, or a head whose joints lie on a line, is absent; a torso that
cannot be fitted follows the mean of what is seen of it; a scale that is not known is that of the
other picture.

Letters: B people, P = 10 parts, L = 8 limbs, n points, H W pixels. All lengths are in pixels of the
picture, (x, y) counted from the centre of the first pixel. Everything is in float64 and without
gradients; maps and masks are float32.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from aidagen import grids
from aidagen.poses import JOINTS, Pose, alongside, numbers

AWAY = 1000.0  # pixels by which an absent part reads outside the picture
HALF_WIDTH, HEAD = 0.2, 0.4  # of a limb and of the head's square, in units of the scale
REACH = (0.1,) * 2 + (0.3,) * 2 + (0.1,) * 2 + (0.3,) * 2  # a limb's extension at its far end
MASK_REACH = (0.1,) * 2 + (0.5,) * 2 + (0.1,) * 2 + (0.5,) * 2  # shins and forearms: feet, hands

TORSO = numbers("right hip", "left hip", "left shoulder", "right shoulder")
KNEES = numbers("right knee", "left knee")
FACE = numbers("nose", "left eye", "right eye", "left ear", "right ear")
SHOULDERS = numbers("right shoulder", "left shoulder")
_BONES = (("thigh", "hip", "knee"), ("shin", "knee", "ankle"),
          ("upper arm", "shoulder", "elbow"), ("forearm", "elbow", "wrist"))  # fmt: skip
LIMBS = {
    f"{side} {name}": numbers(f"{side} {start}", f"{side} {end}")
    for name, start, end in _BONES
    for side in ("right", "left")
}
PARTS = ("torso", "head", *LIMBS)
START, END = ([ends[i] for ends in LIMBS.values()] for i in (0, 1))
OTHER_SIDE = [1, 0, 3, 2, 5, 4, 7, 6]  # of every limb


class Body(NamedTuple):
    """A pose in pixels, with its scale."""

    points: Float[Tensor, "B 18 2"]
    known: Bool[Tensor, "B 18"]
    scale: Float[Tensor, " B"]  # root mean square of the distances from hip to shoulder

    @property
    def limbs(self) -> Bool[Tensor, "B L"]:
        """Which limbs are seen: both ends are known."""
        return self.known[:, START] & self.known[:, END]


def bodies(source: Pose, target: Pose, height: int, width: int) -> tuple[Body, Body]:
    """Both poses in pixels of a picture of that size."""
    found = []
    for pose in (source, target):
        points = Pose(pose.joints.double(), pose.visible).pixels(height, width)
        found.append((points, pose.visible, _scale(points, pose.visible)))
    known = [scale > 0 for *_, scale in found]
    guess = torch.full_like(found[0][2], 0.3 * height)  # a person who fills the picture
    either = torch.where(known[0], found[0][2], torch.where(known[1], found[1][2], guess))
    return tuple(
        Body(points, visible, torch.where(scale > 0, scale, either))
        for points, visible, scale in found
    )


def _scale(points: Float[Tensor, "B 18 2"], known: Bool[Tensor, "B 18"]) -> Float[Tensor, " B"]:
    """Root mean square of the hip-shoulder distances of the sides that are seen; 0 for none."""
    hips, shoulders = TORSO[:2], [TORSO[3], TORSO[2]]
    squares = (points[:, hips] - points[:, shoulders]).square().sum(-1)  # (B, 2)
    seen = known[:, hips] & known[:, shoulders]
    return ((squares * seen).sum(1) / seen.sum(1).clamp(min=1)).sqrt()


def extended(
    body: Body, reach: tuple[float, ...]
) -> tuple[Float[Tensor, "B L 2"], Float[Tensor, "B L 2"]]:
    """The bones of the limbs, made longer: by a tenth at the start, then by ``reach`` at the end.

    The second extension is measured on the bone that is already longer, as in the authors' code.
    """
    start, end = body.points[:, START], body.points[:, END]
    start = start + 0.1 * (start - end)
    return start, end + start.new_tensor(reach)[:, None] * (end - start)


def rectangles(body: Body, reach: tuple[float, ...]) -> Float[Tensor, "B L 4 2"]:
    """The corners of the limbs' rectangles; for a limb of no length two places, a pixel aside."""
    start, end = extended(body, reach)
    along = end - start
    length = along.norm(dim=-1, keepdim=True)
    beside = torch.stack([along[..., 1], -along[..., 0]], dim=-1) / length.clamp(min=1e-12)
    beside = torch.where(length > 0, HALF_WIDTH * body.scale[:, None, None] * beside, 1.0)
    return torch.stack([start + beside, start - beside, end - beside, end + beside], dim=2)


def fit(
    target: Float[Tensor, "*B n 2"], source: Float[Tensor, "*B n 2"], counts: Bool[Tensor, "*B n"]
) -> tuple[Float[Tensor, "*B 2 3"], Bool[Tensor, "*B"]]:
    """The affine map that takes target points to source points, and whether there is one.

    Total least squares (errors in both pictures), over the points that count: with the points
    centred and scaled to a mean square of 2, X of the target (n, 2), y of the source (2 n),

        A = (X^T X - lambda)^-1 X^T y,   lambda the smallest eigenvalue of [X y]^T [X y];

    with lambda = 0 it would be ordinary least squares. For X on a line there is no such map.
    """
    share = counts.to(target.dtype)[..., None]
    share = share / share.sum(-2, keepdim=True).clamp(min=1)  # (*B, n, 1)
    centred, means, radii = [], [], []
    for points in (target, source):
        mean = (share * points).sum(-2, keepdim=True)
        apart = (points - mean) * share.sqrt()
        radius = (apart.square().sum((-2, -1), keepdim=True) / 2).sqrt().clamp(min=1e-9)
        centred.append(apart / radius)
        means.append(mean.squeeze(-2))
        radii.append(radius)
    x, y = centred
    moments, products = x.mT @ x, x.mT @ y  # (*B, 2, 2) each
    # [X y]^T [X y], X being there twice, once for each coordinate of y: (*B, 5, 5)
    whole = x.new_zeros(*x.shape[:-2], 5, 5)
    whole[..., :2, :2] = whole[..., 2:4, 2:4] = moments
    whole[..., :4, 4] = whole[..., 4, :4] = products.mT.flatten(-2)
    whole[..., 4, 4] = y.square().sum((-2, -1))
    smallest = torch.linalg.eigvalsh(whole)[..., :1, None]
    moments = moments - smallest * torch.eye(2, dtype=x.dtype, device=x.device)
    a, b, c, d = moments.flatten(-2).unbind(-1)
    found = (a * d - b * c > 1e-6) & (counts.sum(-1) > 2)
    moments = torch.where(found[..., None, None], moments, torch.eye(2, dtype=x.dtype).to(x))
    matrix = torch.linalg.solve(moments, products).mT * radii[1] / radii[0]
    # where there is none: the shift between the means
    matrix = torch.where(found[..., None, None], matrix, torch.eye(2, dtype=x.dtype).to(x))
    shift = means[1] - (matrix @ means[0][..., None]).squeeze(-1)
    return torch.cat([matrix, shift[..., None]], dim=-1), found


@torch.no_grad()
def part_maps(source: Pose, target: Pose, height: int, width: int) -> Float[Tensor, "B P 2 3"]:
    """Where a pixel of the target, as each part's own, is found in the source (see the module)."""
    old, new = bodies(source, target, height, width)
    both = old.known & new.known
    maps, found = fit(new.points[:, TORSO], old.points[:, TORSO], both[:, TORSO])
    parts = [maps]  # without a fit, the shift of what is seen of the torso
    head = FACE + SHOULDERS
    maps, found = fit(new.points[:, head], old.points[:, head], both[:, head])
    parts.append(_or_away(maps, found & both[:, FACE].any(1)))
    # limbs: where the source does not show one, the other side's stands in
    corners, seen = rectangles(old, REACH), old.limbs
    corners = torch.where(seen[..., None, None], corners, corners[:, OTHER_SIDE])
    there = new.limbs & (seen | seen[:, OTHER_SIDE])
    counts = there[..., None].expand(*there.shape, 4)
    maps, _ = fit(rectangles(new, REACH), corners, counts)
    parts = [*parts, *_or_away(maps, there & _long(new)).unbind(1)]
    return torch.stack(parts, dim=1).float()


def _long(body: Body) -> Bool[Tensor, "B L"]:
    """Which limbs have a length."""
    return (body.points[:, END] - body.points[:, START]).norm(dim=-1) > 1e-3


def _or_away(maps: Float[Tensor, "*B 2 3"], there: Bool[Tensor, "*B"]) -> Float[Tensor, "*B 2 3"]:
    """The map of an absent part is a shift out of the picture."""
    away = maps.new_tensor([[1, 0, AWAY], [0, 1, AWAY]])
    return torch.where(there[..., None, None], maps, away)


@torch.no_grad()
def whole_map(source: Pose, target: Pose, height: int, width: int) -> Float[Tensor, "B 1 2 3"]:
    """One affine map for the whole body, fitted to torso and knees: the ablation ``full``."""
    old, new = bodies(source, target, height, width)
    points = TORSO + KNEES
    both = (old.known & new.known)[:, points]
    maps, _ = fit(new.points[:, points], old.points[:, points], both)
    return maps[:, None].float()


@torch.no_grad()
def part_masks(source: Pose, target: Pose, height: int, width: int) -> Float[Tensor, "B P H W"]:
    """Which pixels of the target each part speaks for: 1 or 0.

    The source only tells the scale, where the target does not.
    """
    _, body = bodies(source, target, height, width)
    x = torch.arange(width, device=body.points.device)
    y = torch.arange(height, device=body.points.device)[:, None]
    torso = torch.ones(len(body.points), 1, height, width, dtype=torch.bool, device=x.device)
    # the head: a square about the mean of its joints, in whole pixels (32.99999 is 33)
    face = body.known[:, FACE]
    middle = (body.points[:, FACE] * face[..., None]).sum(1) / face.sum(1, keepdim=True).clamp(1)
    left, top = (middle + 1e-4).floor()[..., None, None].unbind(1)  # (B, 1, 1) each
    half = (HEAD * body.scale).floor()[:, None, None]
    head = (x >= left - half) & (x < left + half) & (y >= top - half) & (y < top + half)
    head = (head & face.any(1)[:, None, None])[:, None]
    z = alongside(*extended(body, MASK_REACH), height, width)
    limbs = (z.along >= 0) & (z.along <= z.length)
    limbs &= z.across.abs() <= HALF_WIDTH * body.scale[:, None, None, None]
    limbs &= (body.limbs & _long(body))[..., None, None]
    return torch.cat([torso, head, limbs], dim=1).float()


def at_level(
    maps: Float[Tensor, "B P 2 3"], height: int, width: int, features: Float[Tensor, "B C h w"]
) -> Float[Tensor, "B P 2 3"]:
    """Maps of the picture's pixels as maps of the pixels of smaller features: shorter shifts."""
    h, w = features.shape[2:]
    shift = maps[..., 2:] / maps.new_tensor([[width / w], [height / h]])
    return torch.cat([maps[..., :2], shift], dim=-1)


class LocalisationNet(nn.Module):
    """Both poses -> one affine map, the identity at first: the learnt ablation ``stn``."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4 * len(JOINTS), 64), nn.LeakyReLU(0.2),
            nn.Linear(64, 32), nn.LeakyReLU(0.2), nn.Linear(32, 6),
        )  # fmt: skip
        nn.init.zeros_(self.layers[-1].weight)
        with torch.no_grad():
            self.layers[-1].bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def forward(
        self, source: Pose, target: Pose, height: int, width: int
    ) -> Float[Tensor, "B 2 3"]:
        # a joint that is not known lies one pixel before the first row and column
        nowhere = source.joints.new_tensor([-1 - 2 / (width - 1), -1 - 2 / (height - 1)])
        both = [
            torch.where(p.visible[..., None], p.joints, nowhere).float() for p in (source, target)
        ]
        return self.layers(torch.stack(both, dim=1).flatten(1)).unflatten(1, (2, 3))


def transformed(
    features: Float[Tensor, "B C h w"], theta: Float[Tensor, "B 2 3"], published: bool
) -> Float[Tensor, "B C h w"]:
    """A spatial transformer (Jaderberg et al., NIPS 2015): features read at ``theta (x, y, 1)``.

    Coordinates are in [-1, 1]. ``published``: z reads pixel (z + 1) / 2 W instead of
    (z + 1) / 2 (W - 1), and zero from the last pixel on, as the layer that the authors use.
    """
    grid = grids.affine_grid(theta, *features.shape[2:])
    if not published:
        return grids.warp(features, grid)
    size = grid.new_tensor([features.shape[3], features.shape[2]])
    pixels = (grid + 1) / 2 * size
    inside = ((pixels >= 0) & (pixels < size - 1)).all(-1)[:, None]
    return grids.warp(features, pixels / (size - 1) * 2 - 1) * inside
