"""What a figure wears on its skin: complexion, lips, brows, stubble, clothes; and backgrounds.

Everything is painted procedurally into one texture (512 x 512, RGBA; alpha is gloss) by looking
up, for every texel, which point of the template body lies there.
"""

from dataclasses import dataclass, field, fields
from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8

from aidagen.pixels import as_bytes
from aidagen.rendering.body import Body

Colour = tuple[float, float, float]
SIZE = 512
CENTRE = np.array([0.0, -0.05, 0.752], np.float32)
"""Middle of the template's skull; hairlines are angles seen from here."""

SKINS: tuple[Colour, ...] = (
    (0.95, 0.80, 0.72), (0.92, 0.74, 0.64), (0.87, 0.67, 0.55), (0.80, 0.60, 0.46),
    (0.70, 0.50, 0.37), (0.56, 0.38, 0.27), (0.44, 0.29, 0.20), (0.33, 0.21, 0.15),
)
HAIRS: tuple[Colour, ...] = (
    (0.06, 0.05, 0.05), (0.12, 0.08, 0.06), (0.22, 0.13, 0.08), (0.36, 0.22, 0.12),
    (0.55, 0.36, 0.17), (0.76, 0.58, 0.30), (0.52, 0.22, 0.10), (0.62, 0.61, 0.60),
)
IRISES: tuple[Colour, ...] = (
    (0.22, 0.12, 0.07), (0.30, 0.18, 0.09), (0.28, 0.42, 0.60), (0.30, 0.45, 0.30),
    (0.45, 0.50, 0.52),
)
PATTERNS = ("plain", "stripes", "pinstripes", "checks", "dots")
NECKLINES = ("crew", "v", "wide", "shirt", "high")


@dataclass(frozen=True)
class Clothes:
    top: Colour = (0.25, 0.35, 0.55)
    second: Colour = (0.9, 0.9, 0.9)  # the pattern's other colour
    pattern: str = "plain"
    neckline: str = "crew"
    sleeve: float = 1.0  # 0 none, 1 to the wrist
    bottom: Colour = (0.2, 0.2, 0.28)
    leg: float = 1.0  # 0 shorts, 1 to the ankle
    shoes: Colour = (0.12, 0.1, 0.1)
    coarse: float = 1.0  # how much larger the pattern is than on a portrait


@dataclass(frozen=True)
class Look:
    """Everything about a figure's appearance that is not its shape."""

    skin: Colour = SKINS[2]
    iris: Colour = IRISES[0]
    lips: float = 0.5  # 0 skin-coloured, 1 painted
    lip_colour: Colour = (0.72, 0.28, 0.28)
    blush: float = 0.4
    lashes: float = 0.5
    brows: float = 0.7  # thickness and darkness
    hair: str = "short"  # a name in hair.STYLES
    hair_colour: Colour = HAIRS[2]
    volume: float = 1.0  # scales the hair's thickness
    length: float = 1.0  # scales what falls below the hairline
    beard: str = "none"  # none, stubble, moustache, goatee, full
    hat: str = "none"  # none, beanie, cap, brim
    hat_colour: Colour = (0.5, 0.15, 0.15)
    glasses: str = "none"  # none, round, square, dark
    glasses_colour: Colour = (0.05, 0.05, 0.06)
    clothes: Clothes = field(default_factory=Clothes)
    seed: int = 0  # of strands, blotches and folds

    def numbers(self) -> dict[str, np.ndarray]:
        """The numeric fields as arrays, for a label file."""
        kinds = (int, float, tuple)
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: np.asarray(v, np.float32) for k, v in values.items() if isinstance(v, kinds)}


def waves(
    points: Float[np.ndarray, "... D"], frequency: float, rng: np.random.Generator, count: int = 8
) -> Float[np.ndarray, "..."]:
    """Smooth noise of about unit variance: a sum of ``count`` random plane waves."""
    directions = rng.normal(size=(count, points.shape[-1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    scales = 2 * np.pi * frequency * rng.uniform(0.5, 1.4, count)[:, None]
    phase = points.astype(np.float32) @ (directions * scales).T.astype(np.float32)
    phase += rng.uniform(0, 2 * np.pi, count).astype(np.float32)
    return np.sin(phase).sum(-1) * np.sqrt(2 / count)


def smooth(
    x: np.ndarray, low: float | np.floating | np.ndarray, high: float | np.floating | np.ndarray
) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, smooth between (also with low > high)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def angles(points: Float[np.ndarray, "... 3"], centre=CENTRE) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth (0 at the face, ±180 behind, + at the figure's left) and elevation, in degrees."""
    x, y, z = np.moveaxis(points - centre, -1, 0)
    return np.degrees(np.arctan2(x, -y)), np.degrees(np.arctan2(z, np.hypot(x, y)))


@lru_cache(maxsize=1)
def surface(body: Body) -> Float[np.ndarray, "512 512 3"]:
    """Which point of the template lies at each texel (between islands: something near)."""
    from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator

    faces, corners = body.parts["skin"]
    _, first = np.unique(corners.ravel(), return_index=True)
    where = body.uv[corners.ravel()[first]].astype(np.float64)
    what = body.template[faces.ravel()[first]].astype(np.float32)
    axis = (np.arange(SIZE) + 0.5) / SIZE
    grid = np.stack(np.meshgrid(axis, 1 - axis), -1)
    points = np.empty((SIZE, SIZE, 3), np.float32)

    def head(at):  # the island of the head, which must not mix with its neighbours
        return (at[..., 0] > 0.632) & (at[..., 1] > 0.13) & (at[..., 1] < 0.83)

    for inside in (True, False):
        island, texels = head(where) == inside, head(grid) == inside
        inner = LinearNDInterpolator(where[island], what[island])(grid[texels])
        holes = np.isnan(inner[:, 0])
        nearest = NearestNDInterpolator(where[island], what[island])
        inner[holes] = nearest(grid[texels][holes])
        points[texels] = inner
    return points


@lru_cache(maxsize=1)
def regions(body: Body) -> dict[str, Float[np.ndarray, "512 512"]]:
    """Soft masks of the face, in texture space."""
    from scipy.ndimage import gaussian_filter
    from scipy.spatial import cKDTree

    p = surface(body)
    x, y, z = np.moveaxis(p, -1, 0)
    u = np.linspace(0, 1, SIZE)[None]
    head = (u > 0.64) & (z > 0.6) & (z < 0.9)
    face = head & (y < -0.02)
    marks = body.template[body.landmarks]

    def spot(at, radius):
        return np.exp(-((p - np.asarray(at, np.float32)) ** 2).sum(-1) / (2 * radius**2)) * face

    def both(at, radius):
        return spot(at, radius) + spot([-at[0], at[1], at[2]], radius)

    t = np.linspace(0, 1, 33)
    arch = np.stack([(0.011, 0.021, 0.031, 0.041, 0.050), marks[22:27, 1],
                     (0.7465, 0.7490, 0.7505, 0.7490, 0.7445)], 1)
    brow = np.stack([np.interp(t, np.linspace(0, 1, 5), arch[:, k]) for k in range(3)], 1)
    tree = cKDTree(brow)
    close = face & (z > 0.73)
    distance = np.full(z.shape, 1.0, np.float32)
    side = np.stack([abs(x), y, z], -1)
    d, index = tree.query(side[close])
    distance[close] = d / np.interp(t[index], [0, 0.2, 0.6, 1], [0.9, 1.1, 0.9, 0.45])

    lid_up = np.concatenate([np.linspace(marks[a], marks[b], 8)
                             for a, b in ((42, 43), (43, 44), (44, 45))])
    lash = np.full(z.shape, 1.0, np.float32)
    near_eye = face & (z > 0.715)
    lash[near_eye] = cKDTree(lid_up).query(side[near_eye])[0]

    lips = gaussian_filter(body.mask("lips"), 0.75)
    az, _ = angles(p)
    line = 0.668 + 1.7 * np.maximum(abs(x) - 0.042, 0)
    cheek = smooth(z - line, 0.006, -0.006) * smooth(z, 0.74, 0.725)
    before_ear = smooth(-y, 0.042, 0.055) * (gaussian_filter(body.mask("ears"), 1) < 0.1)
    chin = smooth(abs(x), 0.032, 0.024) * smooth(z, 0.655, 0.648) * smooth(z, 0.605, 0.615)
    lip = smooth(abs(x), 0.036, 0.028) * smooth(z, 0.6815, 0.678) * smooth(z, 0.655, 0.662)
    neck = smooth(z, 0.605, 0.622)
    bare = 1 - np.clip(lips * 2, 0, 1)
    full = cheek * before_ear * face * neck
    return {
        "head": head.astype(np.float32),
        "lips": lips,
        "brow": distance,
        "lash": lash,
        "blush": np.clip(both([0.047, -0.125, 0.692], 0.017) + 0.6 * spot(marks[30], 0.012), 0, 1),
        "socket": np.clip(both([0.031, -0.135, 0.728], 0.014), 0, 1),
        "nostril": np.clip(both([0.0075, -0.154, 0.678], 0.0022), 0, 1),
        "full": full * bare,
        "goatee": np.clip(chin + lip * (abs(x) > 0.02), 0, 1) * face * bare,
        "moustache": lip * smooth(z, 0.664, 0.668) * face * bare,
        "azimuth": az.astype(np.float32),
        "elevation": angles(p)[1].astype(np.float32),
    }


def beard_mask(body: Body, look: Look) -> Float[np.ndarray, "512 512"]:
    """How much beard grows at each texel, in [0, 1]."""
    r = regions(body)
    if look.beard == "none":
        return np.zeros((SIZE, SIZE), np.float32)
    if look.beard == "goatee":
        return np.maximum(r["goatee"], r["moustache"])
    if look.beard == "moustache":
        return r["moustache"]
    return np.maximum(r["full"], r["moustache"])


def cloth_mask(body: Body, look: Look) -> Float[np.ndarray, "512 512"]:
    """1 where cloth covers the skin (top, trousers and shoes alike)."""
    p = surface(body)
    x, y, z = np.moveaxis(p, -1, 0)
    c = look.clothes
    base = {"crew": 0.585, "shirt": 0.60, "high": 0.625}.get(c.neckline, 0.582)
    edge = base + 0.42 * (y + 0.02)
    if c.neckline == "v":
        edge = edge - 1.3 * np.maximum(0.055 - abs(x), 0) * (y < -0.02)
    if c.neckline == "shirt":
        edge = edge - 2.2 * np.maximum(0.028 - abs(x), 0) * (y < -0.02)
    if c.neckline == "wide":
        edge = edge - 0.035 * smooth(-y, 0.0, 0.06) * smooth(abs(x), 0.14, 0.1)
    arm = (abs(x) > 0.14) & (z > 0.1)
    sleeve = abs(x) < 0.17 + 0.23 * c.sleeve
    covered = smooth(edge - z, -0.003, 0.003) * (~arm | sleeve)
    bare_leg = (z < -0.35 * c.leg - 0.3) & (z > -0.76)
    covered *= ~bare_leg | (c.leg >= 0.95)
    return (covered * (regions(body)["head"] == 0)).astype(np.float32)


def pattern(c: Clothes, p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Share of the second colour at points of the template, for the patterns of `PATTERNS`."""
    x, _, z = np.moveaxis(p, -1, 0)
    pitch = rng.uniform(0.035, 0.06) * c.coarse

    def bar(t, duty):
        return ((t / pitch) % 1 < duty).astype(np.float32)

    if c.pattern == "stripes":
        return bar(z, 0.5)
    if c.pattern == "pinstripes":
        return bar(x, 0.3)
    if c.pattern == "checks":
        return 0.5 * bar(x, 0.5) + 0.5 * bar(z, 0.5)
    if c.pattern == "dots":
        return (np.hypot((x / pitch) % 1 - 0.5, (z / pitch) % 1 - 0.5) < 0.3).astype(np.float32)
    return np.zeros(x.shape, np.float32)


def paint(body: Body, look: Look, hairline) -> UInt8[np.ndarray, "512 512 4"]:
    """The texture of skin and clothes. ``hairline(azimuth)`` is the elevation, in degrees, above
    which hair grows (None: no hair)."""
    rng = np.random.default_rng([look.seed, 1])
    p, r = surface(body), regions(body)
    z = p[..., 2]
    skin, hair = np.asarray(look.skin, np.float32), np.asarray(look.hair_colour, np.float32)
    image = np.empty((SIZE, SIZE, 4), np.float32)
    blotch = 1 + 0.035 * waves(p, 18, rng)[..., None] + 0.02 * waves(p, 70, rng)[..., None]
    image[..., :3] = skin * blotch
    image[..., 3] = 0.25

    def over(mask, colour, gloss=None):
        image[..., :3] += mask[..., None] * (np.asarray(colour, np.float32) - image[..., :3])
        if gloss is not None:
            image[..., 3] += mask * (gloss - image[..., 3])

    red = skin * np.float32([1.0, 0.68, 0.66])
    over(0.75 * look.blush * r["blush"], red)
    over(0.35 * r["socket"], skin * np.float32([0.72, 0.62, 0.6]))
    over(0.5 * r["nostril"], skin * 0.3)
    natural = skin * np.float32([0.86, 0.56, 0.55])
    colour = natural + look.lips * (np.asarray(look.lip_colour) * (0.4 + 0.6 * skin[0]) - natural)
    over(np.clip(r["lips"] * 1.1, 0, 1), colour, 0.5)
    over(smooth(r["lash"], 0.0022 + 0.0012 * look.lashes, 0.0004) * (0.4 + 0.5 * look.lashes),
         skin * 0.12)
    strands = 1 + 0.08 * waves(p, 120, rng)
    brow = hair * np.float32([0.62, 0.58, 0.56])
    width = 0.0025 + 0.003 * look.brows
    over(smooth(r["brow"] * strands, width, 0.35 * width) * (0.45 + 0.5 * look.brows), brow, 0.05)
    beard = beard_mask(body, look)
    if look.beard != "none":
        dense = 0.35 if look.beard == "stubble" else 0.95
        over(np.clip(beard * strands, 0, 1) * dense, hair * 0.85, 0.05)
    if hairline is not None:
        above = r["elevation"] - hairline(r["azimuth"])
        grown = smooth(above + 0.8 * waves(p, 40, rng), -1.5, 3.0) * r["head"]
        over(grown * 0.95, hair * 0.9, 0.05)
    c, cloth = look.clothes, cloth_mask(body, look)
    mix = pattern(c, p, rng)[..., None]
    top = np.asarray(c.top) * (1 - mix) + np.asarray(c.second) * mix
    waist = -0.02
    worn = np.where((z > waist)[..., None], top, np.asarray(c.bottom))
    worn = np.where((z < -0.77)[..., None], np.asarray(c.shoes), worn)
    over(cloth, worn * (1 + 0.04 * waves(p, 25, rng)[..., None]), 0.03)
    return as_bytes(image)


def displacement(body: Body, look: Look) -> Float[np.ndarray, "V"]:
    """How far cloth and beard stand off the skin at each vertex, in metres."""
    faces, corners = body.parts["skin"]
    lift = np.zeros(len(body.template), np.float32)
    thick = {"full": 0.011, "goatee": 0.006, "moustache": 0.004}.get(look.beard, 0.0)
    values = thick * body.at(beard_mask(body, look), body.uv[corners.ravel()])
    values += 0.007 * body.at(cloth_mask(body, look), body.uv[corners.ravel()])
    lift[faces.ravel()] = values
    rng = np.random.default_rng([look.seed, 2])
    return lift * (1 + 0.25 * waves(body.template, 12, rng)).astype(np.float32)


def _muted(colour: np.ndarray) -> np.ndarray:
    return colour.mean() + 0.4 * (colour - colour.mean())


def background(
    kind: str, size: tuple[int, int], rng: np.random.Generator
) -> Float[np.ndarray, "H W 3"]:
    """A still backdrop in [0, 1]: "flat", "gradient", "blobs" (out-of-focus shapes) or "room"
    (a wall with soft panels)."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    grid = np.stack([x, y], -1)
    one, two = (_muted(c) for c in rng.uniform(0.05, 0.95, (2, 3)))
    if kind == "flat":
        return np.broadcast_to(one, (height, width, 3)).astype(np.float32)
    if kind == "gradient":
        angle = rng.uniform(0, 2 * np.pi)
        t = smooth(x * np.cos(angle) + y * np.sin(angle), -0.6, 1.0)[..., None]
        return (one * (1 - t) + two * t).astype(np.float32)
    if kind == "blobs":
        t = 1 / (1 + np.exp(-3 * waves(grid, 1.6, rng)))[..., None]
        image = one * (1 - t) + two * t
        for _ in range(rng.integers(2, 7)):
            centre, radius = rng.uniform(0, 1, 2), rng.uniform(0.04, 0.16)
            soft = smooth(np.hypot(*(grid - centre).transpose(2, 0, 1)), radius, radius * 0.6)
            image += 0.7 * soft[..., None] * (_muted(rng.uniform(0, 1, 3)) - image)
        return np.clip(image, 0, 1).astype(np.float32)
    image = np.broadcast_to(one, (height, width, 3)).copy()
    for _ in range(rng.integers(1, 4)):
        left, right = np.sort(rng.uniform(-0.2, 1.2, 2))
        top, low = np.sort(rng.uniform(-0.4, 1.2, 2))
        soft = smooth(np.minimum(np.minimum(x - left, right - x), np.minimum(y - top, low - y)),
                      0, 0.03)
        image += 0.8 * soft[..., None] * (_muted(rng.uniform(0.1, 0.9, 3)) - image)
    image *= 1 - 0.25 * smooth(y, 0.2, 1.0)[..., None]
    return np.clip(image, 0, 1).astype(np.float32)
