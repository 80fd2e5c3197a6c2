"""Hair, hats and glasses: surfaces laid around the skull of one person.

Hair is a grid over the skull: columns are azimuths (0 at the face), rows run from the crown to the
hairline and, for long hair, fall on from there. Every surface is built in the person's rest pose
and then carried by the head; what falls low is carried partly by the neck.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from aidagen.rendering.body import Body, RenderError
from aidagen.rendering.paint import CENTRE, Look, smooth, waves

HAIR, KNIT, PLAIN, LENS = 5.0, 6.0, 7.0, 8.0
"""How the shader treats a surface (see `render`)."""


class Piece(NamedTuple):
    """A rigid surface in the rest pose."""

    points: Float[np.ndarray, "N 3"]
    faces: Int[np.ndarray, "F 3"]
    kind: float
    extra: Float[np.ndarray, "N 3"]  # strand coordinates, or a colour
    carry: Float[np.ndarray, "N"]  # 1: moves with the head, 0: with the base of the neck


@dataclass(frozen=True)
class Style:
    """A hair style: thicknesses in metres, angles in degrees of elevation."""

    top: float = 0.022
    side: float = 0.01
    front: float = 31.0  # where the forehead ends
    temple: float = 20.0
    ear: float = 2.0  # above the ear
    nape: float = -52.0
    fall: float = 0.0  # metres below the hairline
    fall_from: float = 70.0  # azimuth where falling hair begins
    fringe: float = 0.0  # degrees the front comes down over the forehead
    part: float = 0.0  # azimuth of a parting
    rough: float = 0.07  # relative bumps
    curl: float = 0.0
    lift: float = 0.0  # extra height of the front (quiff)
    extra: str = ""


STYLES: dict[str, Style | None] = {
    "bald": None,
    "buzz": Style(top=0.004, side=0.003, rough=0.02),
    "short": Style(top=0.018, side=0.009),
    "side": Style(top=0.026, side=0.009, part=24, lift=0.008),
    "quiff": Style(top=0.026, side=0.007, lift=0.014),
    "receding": Style(top=0.010, side=0.012, front=52, temple=44),
    "fringe": Style(top=0.024, side=0.018, fringe=22, ear=-8),
    "curly": Style(top=0.035, side=0.026, rough=0.10, curl=1.0, ear=0),
    "afro": Style(top=0.07, side=0.058, rough=0.045, curl=1.0, ear=-4, temple=14),
    "bob": Style(top=0.024, side=0.024, fall=0.075, fall_from=58, part=8, ear=-6),
    "bangs": Style(top=0.026, side=0.024, fall=0.10, fall_from=56, fringe=21, ear=-6),
    "long": Style(top=0.024, side=0.022, fall=0.22, fall_from=62, part=4, ear=-6, rough=0.07),
    "wavy": Style(top=0.030, side=0.03, fall=0.20, fall_from=62, part=20, ear=-6, rough=0.09,
                  curl=0.6),
    "bun": Style(top=0.012, side=0.008, extra="bun"),
    "ponytail": Style(top=0.014, side=0.009, extra="ponytail"),
}
_COLUMNS, _ROWS, _FALLING = 80, 22, 10


def style(look: Look) -> Style | None:
    if look.hair not in STYLES:
        raise RenderError(f"There is no hair {look.hair!r}; there are {', '.join(STYLES)}.")
    return STYLES[look.hair]


def hairline(chosen: Style | None, fringe: bool = True):
    """Elevation in degrees above which hair grows, as a function of azimuth in degrees."""
    if chosen is None:
        return None
    s, front = chosen, chosen.front - (chosen.fringe if fringe else 0)
    temple = s.temple - (0.5 * s.fringe if fringe else 0)
    knots = np.array([0, 22, 42, 60, 76, 86, 97, 107, 127, 138, 150, 180], np.float32)
    before = min(s.ear, -14.0)
    values = np.array([front, front, 0.6 * front + 0.4 * temple, temple, 0.5 * temple, before,
                       before, s.ear, s.ear, -22, -42, s.nape], np.float32)
    if s.fall:  # falling hair starts where the skull is wide
        values[5:] = np.maximum(values[5:], -10)

    def line(azimuth: np.ndarray) -> np.ndarray:
        a = abs(np.asarray(azimuth, np.float32))
        return sum(np.interp(np.clip(a + d, 0, 180), knots, values) for d in (-5, 0, 5)) / 3

    return line


class Skull:
    """Distances from the centre of one person's skull to its surface, by direction."""

    def __init__(self, body: Body, rest: Float[np.ndarray, "V 3"]):
        ids = body.skull_vertices
        self.centre = CENTRE + (rest[ids] - body.template[ids]).mean(0)
        offsets = rest[ids] - self.centre
        self.radii = np.linalg.norm(offsets, axis=1)
        self.tree = cKDTree(offsets / self.radii[:, None])

    def radius(self, directions: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "..."]:
        distance, index = self.tree.query(directions, k=8)
        weight = 1 / (distance + 0.02) ** 2
        return (weight * self.radii[index]).sum(-1) / weight.sum(-1)

    def point(self, azimuth, elevation, off) -> Float[np.ndarray, "... 3"]:
        a, e = np.radians(azimuth), np.radians(elevation)
        ray = np.stack([np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)], -1)
        return self.centre + ray * (self.radius(ray) + off)[..., None]


def _grid(rows: int, columns: int) -> Int[np.ndarray, "F 3"]:
    i, j = np.mgrid[0 : rows - 1, 0 : columns - 1]
    a = (i * columns + j).ravel()
    quads = np.stack([a, a + columns, a + columns + 1, a + 1], 1)
    return quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)


def _piece(points, kind, extra, carry=1.0) -> Piece:
    """A grid of points (R, C, 3) as a surface."""
    rows, columns = points.shape[:2]
    extra = np.broadcast_to(np.asarray(extra, np.float32), points.shape)
    carry = np.broadcast_to(np.asarray(carry, np.float32), points.shape[:2])
    return Piece(points.reshape(-1, 3).astype(np.float32), _grid(rows, columns), kind,
                 extra.reshape(-1, 3), carry.ravel())


def _hair(skull: Skull, s: Style, look: Look, rng: np.random.Generator) -> list[Piece]:
    line = hairline(s)
    azimuth = np.linspace(-180, 180, _COLUMNS + 1)
    t = np.linspace(0, 1, _ROWS)[:, None]
    low = line(azimuth)[None]
    elevation = 90 - t * (90 - low)
    a = np.broadcast_to(azimuth, elevation.shape)
    aside = abs(azimuth)
    falls = s.fall * look.length * smooth(aside, s.fall_from - 4, s.fall_from + 8)
    volume = look.volume * (s.side + (s.top - s.side) * smooth(elevation, 0, 65))
    volume = volume + s.lift * smooth(abs(a), 75, 10) * smooth(elevation, 20, 60)
    if s.part:
        groove = np.exp(-(((a - s.part * 2.2) / 9) ** 2)) * smooth(elevation, 86, 60)
        volume = volume * (1 - 0.55 * groove)
    ring = np.cos(np.radians(elevation))
    cube = np.stack([np.sin(np.radians(a)) * ring, np.cos(np.radians(a)) * ring,
                     np.sin(np.radians(elevation))], -1)
    bumps = waves(cube, 0.6, rng) + 0.6 * waves(cube, 1.2 + 1.6 * s.curl, rng)
    volume = volume * (1 + s.rough * bumps)
    edge = np.clip(1 - t**3, 0, 1) ** 0.6
    keep = smooth(falls, 0.0, 0.02)[None]  # falling hair does not thin out at the hairline
    thin = 0.0015 + 0.005 * (s.fringe > 0)
    keep = keep * (0.3 + 0.7 * smooth(aside, s.fall_from, s.fall_from + 40))
    volume = volume * (edge + (1 - edge) * keep) + thin
    if look.hat != "none":
        volume = np.where(elevation > 8, np.minimum(volume, 0.006), np.minimum(volume, 0.02))
    top = skull.point(a, elevation, volume)
    strand = np.stack([np.broadcast_to(azimuth / 180, a.shape), np.broadcast_to(t, a.shape),
                       np.full(a.shape, s.curl)], -1)
    if not s.fall:
        return [_piece(top, HAIR, strand)]
    start = top[-1]
    out = start - skull.centre
    out[:, 2] = 0
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    q = np.linspace(0, 1, _FALLING + 1)[1:, None, None]
    # Hair of every column ends at one height, as cut.
    end = skull.centre[2] - 0.06 - s.fall * look.length
    depth = np.maximum(start[:, 2] - end, 0.01) * smooth(aside, s.fall_from - 4, s.fall_from + 8)
    fallen = start[None] - q * depth[None, :, None] * np.array([0, 0, 1])
    sway = waves(np.stack(np.broadcast_arrays(azimuth / 20, 3 * q[..., 0]), -1), 0.5, rng)
    flare = (0.012 * np.sqrt(q) + (0.004 + 0.008 * s.curl) * sway[..., None] * q) * look.volume
    fallen = fallen + out[None] * flare * smooth(depth, 0, 0.05)[None, :, None]
    forward = smooth(aside, 125, 85) * smooth(depth, 0.05, 0.2)
    fallen[..., 1] -= 0.035 * q[..., 0] ** 2 * forward
    points = np.concatenate([top, fallen])
    more = np.stack(np.broadcast_arrays(azimuth / 180, 1 + q[..., 0], np.float64(s.curl)), -1)
    loose = 1 - 0.6 * q[..., 0] * smooth(depth, 0.02, 0.08)
    carry = np.concatenate([np.ones(a.shape), loose])
    return [_piece(points, HAIR, np.concatenate([strand, more]), carry)]


def _ball(centre, radii, kind, rng, tail=0.0) -> Piece:
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 25), np.linspace(0, np.pi, 15))
    unit = np.stack([np.sin(v) * np.cos(u), np.sin(v) * np.sin(u), np.cos(v)], -1)
    points = unit * radii * (1 + 0.05 * waves(unit, 1.5, rng)[..., None])
    points[..., 2] -= tail * smooth(-unit[..., 2], 0, 1)
    extra = np.stack([u / np.pi, v / np.pi, 0 * u], -1)
    return _piece(points + centre, kind, extra, np.where(unit[..., 2] > 0, 1.0, 0.8))


def _hat(skull: Skull, look: Look, rng: np.random.Generator) -> list[Piece]:
    azimuth = np.linspace(-180, 180, _COLUMNS + 1)
    t = np.linspace(0, 1, 24)[:, None]
    tilt = {"beanie": 24.0, "cap": 26.0, "brim": 27.0}
    if look.hat not in tilt:
        raise RenderError(f"There is no hat {look.hat!r}; there are none, {', '.join(tilt)}.")
    back = -2.0 if look.hat == "beanie" else 4.0
    low = back + (tilt[look.hat] - back) * (0.5 + 0.5 * np.cos(np.radians(azimuth)))
    elevation = 90 - t * (90 - low[None])
    a = np.broadcast_to(azimuth, elevation.shape)
    rise = {"beanie": 0.016, "cap": 0.014, "brim": 0.022}[look.hat]
    off = 0.013 + (rise + 0.012 * rng.uniform() * (look.hat == "beanie")) * smooth(
        elevation, 15, 70)
    if look.hat == "beanie":  # a rolled edge
        off = off + 0.006 * smooth(t, 0.72, 0.76)
    colour = np.asarray(look.hat_colour, np.float32)
    if look.hat == "beanie":
        extra = np.broadcast_to(colour * np.where(t > 0.74, 0.85, 1.0)[..., None], (*a.shape, 3))
    else:
        extra = np.broadcast_to(colour, (*a.shape, 3))
    crown = skull.point(a, elevation, off)
    pieces = [_piece(crown, KNIT if look.hat == "beanie" else PLAIN, extra)]
    if look.hat == "beanie":
        return pieces
    rim = crown[-1]
    out = rim - skull.centre
    out[:, 2] = 0
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    if look.hat == "cap":
        reach = 0.07 * np.sqrt(np.clip(1 - (azimuth / 62) ** 2, 0, 1))
        aim = np.array([0.0, -1.0, 0.0]) * 0.7 + out * 0.3
    else:
        reach, aim = np.full(azimuth.shape, 0.065), out
    q = np.linspace(0, 1, 6)[:, None, None]
    brim = rim[None] + aim[None] * (q * reach[None, :, None])
    sag = 0.25 if look.hat == "cap" else 0.1
    brim[..., 2] -= sag * (q[..., 0] * reach[None]) + 0.012 * np.sin(np.radians(azimuth)) ** 2 * (
        q[..., 0] * (look.hat == "cap"))
    pieces.append(_piece(brim, PLAIN, colour * 0.85))
    under = brim.copy()
    under[..., 2] -= 0.003
    pieces.append(_piece(under, PLAIN, colour * 0.6))
    return pieces


def _tube(path: Float[np.ndarray, "N 3"], radius: float, colour, closed=False) -> Piece:
    ahead = np.gradient(path, axis=0)
    if closed:
        ahead[[0, -1]] = path[1] - path[-2]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    side = np.cross(ahead, [0.15, 0.3, 0.94])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(ahead, side)
    u = np.linspace(0, 2 * np.pi, 9)[None, :, None]
    points = path[:, None] + radius * (np.cos(u) * side[:, None] + np.sin(u) * other[:, None])
    return _piece(points, PLAIN, colour)


def _glasses(body: Body, rest: np.ndarray, look: Look) -> list[Piece]:
    shapes = {"round": (0.021, 0.020, 2.0), "square": (0.0235, 0.0165, 4.5),
              "dark": (0.024, 0.019, 3.0)}
    if look.glasses not in shapes:
        raise RenderError(
            f"There are no glasses {look.glasses!r}; there are none, {', '.join(shapes)}."
        )
    wide, high, power = shapes[look.glasses]
    marks = rest[body.landmarks]
    scale = np.linalg.norm(marks[45] - marks[36]) / 0.086
    thick = 0.0022 if look.glasses != "round" else 0.0017
    front = min(marks[42:48, 1].min(), marks[36:42, 1].min()) - 0.010
    u = np.linspace(0, 2 * np.pi, 41)
    c, s = np.cos(u), np.sin(u)
    bulge = (abs(c) ** power + abs(s) ** power) ** (-1 / power)
    pieces, inner, outer = [], [], []
    for first, sign in ((36, -1), (42, 1)):
        middle = marks[first : first + 6].mean(0)
        centre = np.array([middle[0] + sign * 0.002, front, middle[2] - 0.001])
        rim = np.stack([centre[0] + scale * wide * bulge * c,
                        front + 0.12 * abs(scale * wide * bulge * c * (sign * c > 0)),
                        centre[2] + scale * high * bulge * s], 1)
        pieces.append(_tube(rim, thick, look.glasses_colour, closed=True))
        inner.append(rim[np.argmin(sign * rim[:, 0])])
        outer.append(rim[np.argmax(sign * rim[:, 0])])
        if look.glasses == "dark":
            fan = np.stack([np.broadcast_to(np.add(centre, (0, 0.001, 0)), rim.shape), rim])
            pieces.append(_piece(fan, LENS, (0.03, 0.03, 0.035)))
    t = np.linspace(0, 1, 9)[:, None]
    bridge = inner[0] * (1 - t) + inner[1] * t + np.array([0, 0, 0.004]) * np.sin(np.pi * t)
    pieces.append(_tube(bridge, thick, look.glasses_colour))
    ear = rest[body.ear_vertices]
    for end, sign in zip(outer, (-1, 1), strict=True):
        on = ear[sign * ear[:, 0] > 0]
        rest_on = np.array([on[:, 0].mean(), on[:, 1].mean(), np.quantile(on[:, 2], 0.85)])
        rest_on[0] = sign * max(abs(rest_on[0]), abs(end[0]) + 0.004)
        up = np.add(end, (0, 0, 0.5 * high * scale))
        pieces.append(_tube(up * (1 - t) + rest_on * t, thick, look.glasses_colour))
    return pieces


def pieces(body: Body, rest: Float[np.ndarray, "V 3"], look: Look) -> list[Piece]:
    """Everything worn on this person's head, as surfaces in the rest pose."""
    skull, chosen = Skull(body, rest), style(look)
    worn: list[Piece] = []
    if chosen is not None and look.hair != "buzz":
        worn += _hair(skull, chosen, look, np.random.default_rng([look.seed, 3]))
        rng = np.random.default_rng([look.seed, 4])
        if chosen.extra == "bun" and look.hat == "none":
            worn.append(_ball(skull.point(180.0, 48.0, np.float64(0.022)),
                              np.array([0.038, 0.034, 0.034]) * look.volume, HAIR, rng))
        if chosen.extra == "ponytail":
            worn.append(_ball(skull.point(180.0, 22.0, np.float64(0.022)),
                              np.array([0.028, 0.026, 0.035]) * look.volume, HAIR, rng,
                              tail=0.16 * look.length))
    if look.hat != "none":
        worn += _hat(skull, look, np.random.default_rng([look.seed, 5]))
    if look.glasses != "none":
        worn += _glasses(body, rest, look)
    return worn
