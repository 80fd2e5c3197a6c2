"""Clothes that hang: a figure in loose tops, trousers, skirts and coats, with or without a bag.

    figure = Dressed(someone.phenotype, someone.details, someone.look, outfit(rng))
    posed = figure.pose(turns=pose.turns(), frames=16)

`paint` colours a figure's skin, which looks like a leotard once the whole body is in the picture.
Here the painted cloth is lifted off the skin and smoothed until it bridges what a body has between
its bulges, tops end in a hem that stands off the trousers, and skirts and coats are surfaces of
their own that follow pelvis and thighs. Bags hang from a hand, a shoulder or the back.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from aidagen.rendering import paint
from aidagen.rendering.body import Body, Posed
from aidagen.rendering.hair import KNIT, PLAIN
from aidagen.rendering.paint import Clothes, Colour, Look, smooth, waves
from aidagen.rendering.people import colour
from aidagen.rendering.scene import Figure

TOPS = ("plain", "stripes", "pinstripes", "checks", "dots", "band", "halves", "print", "sleeves",
        "blotches")  # fmt: skip
TROUSERS = ("plain", "denim", "checks", "piped")
OVER = ("none", "skirt", "dress", "coat")
BAGS = ("none", "backpack", "shoulder", "hand")
SOLE, ANKLE = -0.795, -0.755  # heights on the template


@dataclass(frozen=True)
class Outfit:
    """What a whole figure wears; lengths in metres, heights on anny's template (feet -0.8)."""

    clothes: Clothes = field(default_factory=Clothes)  # pattern: one of `TOPS`
    hem: float = -0.02  # where the top ends
    top_loose: float = 0.016  # how far it hangs off the skin
    leg_loose: float = 0.014
    flare: float = 0.0  # added towards the ankles
    trousers: str = "plain"  # one of `TROUSERS`
    trousers_second: Colour = (0.9, 0.9, 0.9)
    jacket: Colour | None = None  # worn open over the top, which is then the strip in front
    over: str = "none"  # one of `OVER`
    reach: float = 0.7  # how far skirt or coat fall: 0 to the hip, 1 to the knee
    over_colour: Colour = (0.3, 0.1, 0.15)
    bag: str = "none"  # one of `BAGS`
    bag_side: int = 1  # 1: the figure's left
    bag_colour: Colour = (0.15, 0.15, 0.17)


def _cloth_colour(rng: np.random.Generator, dark: float = 0.35) -> Colour:
    """Dark or grey with probability ``dark``, else a dye."""
    if rng.uniform() < dark:
        return colour(rng, (0.0, 0.25), (0.08, 0.35))
    if rng.uniform() < 0.2:
        return colour(rng, (0.0, 0.12), (0.75, 0.98))
    return colour(rng, (0.45, 0.9), (0.3, 0.95))


def _shoes(rng: np.random.Generator) -> Colour:
    if rng.uniform() < 0.3:
        return colour(rng, (0.0, 0.1), (0.75, 0.95))
    return colour(rng, (0.1, 0.6), (0.08, 0.45))


def outfit(rng: np.random.Generator, feminine: bool) -> Outfit:
    """A random outfit."""
    over = str(rng.choice(OVER, p=(0.55, 0.17, 0.15, 0.13) if feminine else (0.9, 0, 0, 0.1)))
    bottom = str(rng.choice(TROUSERS, p=(0.52, 0.28, 0.08, 0.12)))
    leg = float(rng.choice([0.25, 0.5, 1.0], p=(0.14, 0.08, 0.78)))
    if over in ("skirt", "dress"):
        bottom, leg = "plain", float(rng.choice([0.0, 1.0], p=(0.7, 0.3)))
    trousers = _cloth_colour(rng, 0.6)
    if bottom == "denim":
        shade = rng.uniform(0.35, 1.0)
        trousers = tuple(float(v) for v in shade * np.array([0.42, 0.53, 0.75]))
    sleeve = float(rng.choice([0.05, 0.3, 0.55, 1.0], p=(0.08, 0.37, 0.1, 0.45)))
    jacket = None
    if over == "coat" or (over != "dress" and rng.uniform() < 0.22):
        jacket, sleeve = _cloth_colour(rng, 0.5), 1.0
    top = _cloth_colour(rng, 0.2)
    clothes = Clothes(
        top=top, second=_cloth_colour(rng, 0.25),
        pattern=str(rng.choice(TOPS, p=(0.3, 0.14, 0.04, 0.1, 0.04, 0.08, 0.08, 0.1, 0.06, 0.06))),
        neckline=str(rng.choice(["crew", "v", "shirt", "high"])), sleeve=sleeve,
        bottom=trousers, leg=leg, shoes=_shoes(rng),
        coarse=float(rng.uniform(1.6, 2.8)),
    )  # fmt: skip
    return Outfit(
        clothes=clothes,
        hem=float(rng.uniform(-0.035, 0.04)) if over != "skirt" else 0.05,
        top_loose=float(rng.uniform(0.010, 0.022)) + 0.006 * (jacket is not None),
        leg_loose=float(rng.uniform(0.008, 0.02)) if leg > 0.9 and over == "none" else 0.004,
        flare=float(rng.uniform(0.0, 0.025)) if leg > 0.9 and over == "none" else 0.0,
        trousers=bottom, trousers_second=_cloth_colour(rng, 0.3), jacket=jacket, over=over,
        reach=float(rng.uniform(0.55, 1.0)),
        over_colour=top if over == "dress" else jacket if over == "coat" else _cloth_colour(rng),
        bag=str(rng.choice(BAGS, p=(0.5, 0.2, 0.15, 0.15))), bag_side=int(rng.choice([-1, 1])),
        bag_colour=_cloth_colour(rng, 0.4),
    )  # fmt: skip


# ---- colours ------------------------------------------------------------------------------------
def _top(c: Clothes, p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Share of the second colour at points of the template, for the patterns of `TOPS`."""
    x, y, z = np.moveaxis(p, -1, 0)
    arm = (abs(x) > 0.18) & (z > 0.1)
    if c.pattern == "band":
        return (abs(z - 0.33) < 0.055).astype(np.float32)
    if c.pattern == "halves":
        return (z < 0.27).astype(np.float32)
    if c.pattern == "sleeves":
        return arm.astype(np.float32)
    if c.pattern == "print":
        return ((abs(x) < 0.085) & (abs(z - 0.33) < 0.085) & (y < -0.03)).astype(np.float32)
    if c.pattern == "blotches":
        return smooth(waves(p, 7, rng), 0.1, 0.3)
    return paint.pattern(c, p, rng)


def colours(body: Body, wearing: Outfit, seed: int) -> Float[np.ndarray, "512 512 3"]:
    """The colour of the cloth at every texel, whether cloth is there or not."""
    rng = np.random.default_rng([seed, 7])
    p, c = paint.surface(body), wearing.clothes
    x, y, z = np.moveaxis(p, -1, 0)
    arm = (abs(x) > 0.18) & (z > 0.1)
    front = (y < -0.02) & ~arm

    def mixed(one, two, share):
        return np.asarray(one) * (1 - share[..., None]) + np.asarray(two) * share[..., None]

    top = mixed(c.top, c.second, _top(c, p, rng))
    if wearing.jacket is not None:
        opened = smooth(abs(x), 0.062, 0.052) * front
        edge = smooth(abs(abs(x) - 0.064), 0.012, 0.006) * front
        top = mixed(np.asarray(wearing.jacket) * (1 - 0.35 * edge[..., None]), top, opened)
    if wearing.bag == "backpack":
        strap = (abs(abs(x) - 0.095) < 0.022) & (y < 0.02) & (z > 0.28) & ~arm
        top = mixed(top, wearing.bag_colour, strap.astype(np.float32))
    if wearing.bag == "shoulder":
        line = (x * wearing.bag_side + 0.1) - (0.5 - z) * 0.5
        top = mixed(top, wearing.bag_colour, ((abs(line) < 0.014) & ~arm).astype(np.float32))
    dark = np.asarray(c.bottom)
    legs = np.broadcast_to(dark, p.shape).astype(np.float64)
    if wearing.trousers == "denim":
        worn = smooth(np.hypot(abs(x) - 0.15, 0.6 * (z + 0.25)), 0.13, 0.03) * (y < 0)
        legs = legs * (1 + 0.35 * worn[..., None] + 0.05 * waves(p, 90, rng)[..., None])
    if wearing.trousers == "checks":
        legs = mixed(c.bottom, wearing.trousers_second,
                     0.5 * ((x / 0.045) % 1 < 0.3) + 0.5 * ((z / 0.045) % 1 < 0.3))
    if wearing.trousers == "piped":
        legs = mixed(c.bottom, wearing.trousers_second, (
            (abs(x) > 0.11 + 0.085 * smooth(z, 0.0, -0.75)) & (abs(y + 0.01) < 0.022)
        ).astype(np.float32))
    legs = legs * (1 - 0.45 * smooth(z, wearing.hem - 0.05, wearing.hem))[..., None]  # shade
    worn = np.where((z > wearing.hem)[..., None], top, legs)
    creases = waves(p * [1, 1, 0.45], 22, rng) + 0.7 * waves(p * [1, 1, 1.6], 11, rng)
    worn = worn * (1 + 0.045 * creases[..., None])
    sole = np.array([0.85, 0.84, 0.8]) if rng.uniform() < 0.4 else 0.35 * np.asarray(c.shoes)
    shoes = np.where((z < SOLE)[..., None], sole, c.shoes)
    return np.where((z < ANKLE)[..., None], shoes, worn)


def _at_vertices(body: Body, image: Float[np.ndarray, "512 512"]) -> Float[np.ndarray, "V"]:
    faces, corners = body.parts["skin"]
    values = np.zeros(len(body.template), np.float32)
    values[faces.ravel()] = body.at(image, body.uv[corners.ravel()])
    return values


@lru_cache(maxsize=1)
def _beside(body: Body) -> sparse.csr_matrix:
    """(V, V): the mean over a vertex's neighbours on the skin."""
    faces = body.parts["skin"][0]
    pairs = np.unique(np.concatenate([faces[:, [a, b]] for a in range(3) for b in range(3)
                                      if a != b]), axis=0)
    count = np.bincount(pairs[:, 0], minlength=len(body.template))
    share = (1 / np.maximum(count, 1)[pairs[:, 0]]).astype(np.float32)
    shape = (len(body.template),) * 2
    return sparse.csr_matrix((share, (pairs[:, 0], pairs[:, 1])), shape=shape)


# ---- skirts, coats and bags ---------------------------------------------------------------------
class Garment(NamedTuple):
    """A surface of its own, in the rest pose; ``bones`` are weights of the bones that move it.

    ``hangs`` is a joint to hang upright from: then ``points`` are offsets from that joint.
    """

    points: Float[np.ndarray, "N 3"]
    faces: Int[np.ndarray, "F 3"]
    colours: Float[np.ndarray, "N 3"]
    kind: float
    parts: Float[np.ndarray, "N"]  # index into `truth.PARTS`
    bones: dict[str, Float[np.ndarray, "N"]]
    hangs: str = ""


def _grid(rows: int, columns: int, kept=None) -> Int[np.ndarray, "F 3"]:
    i, j = np.mgrid[0 : rows - 1, 0 : columns - 1]
    a = (i * columns + j)[:, slice(None) if kept is None else kept].ravel()
    quads = np.stack([a, a + columns, a + columns + 1, a + 1], 1)
    return quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)


def _box(centre, half, square: float = 0.45) -> tuple[np.ndarray, np.ndarray]:
    """A box with round edges."""
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 25), np.linspace(0, np.pi, 13))
    ball = np.stack([np.sin(v) * np.cos(u), np.sin(v) * np.sin(u), np.cos(v)], -1)
    points = np.sign(ball) * np.abs(ball) ** square * half + centre
    return points.reshape(-1, 3), _grid(13, 25)


def _fall(figure: "Dressed", joints: dict, low: np.ndarray) -> Garment:
    """Skirt, dress or coat: rings around hips and thighs, from the waist down."""
    from aidagen.rendering.truth import PARTS

    wearing = figure.outfit
    hip, knee = joints["upperleg01.L"][2], joints["lowerleg01.L"][2]
    around = np.linspace(-np.pi, np.pi, 41)  # 0 is in front
    levels = np.linspace(hip + 0.11, hip + wearing.reach * (knee - hip), 14)
    side, front, back, rings = 0.0, 0.0, 0.0, []
    middle = low[np.abs(low[:, 2] - hip) < 0.05, 1].mean()
    for i, z in enumerate(levels):
        ring = low[np.abs(low[:, 2] - z) < 0.03]
        if len(ring):
            side = max(side, np.abs(ring[:, 0]).max())
            front = max(front, middle - ring[:, 1].min())
            back = max(back, ring[:, 1].max() - middle)
        ease = 0.012 + 0.03 * i / len(levels)
        deep = np.where(np.cos(around) > 0, front, back) + ease
        turn = 1 + 0.03 * i / len(levels) * np.cos(9 * around)  # folds
        power = 2.4
        radius = turn * (np.abs(np.sin(around) / (side + ease)) ** power
                         + np.abs(np.cos(around) / deep) ** power) ** (-1 / power)
        rings.append(np.stack([radius * np.sin(around), middle - radius * np.cos(around),
                               np.full(around.shape, z)], 1))
    points = np.concatenate(rings)
    share = smooth(points[:, 2], hip + 0.02, hip - 0.14)
    left = smooth(points[:, 0], -0.09, 0.09)
    dyed = np.broadcast_to(np.asarray(wearing.over_colour), points.shape)
    if wearing.over == "dress" and wearing.clothes.pattern in ("stripes", "checks", "halves"):
        odd = (np.arange(14) // 2 % 2).repeat(41)[:, None] if wearing.clothes.pattern != "halves" \
            else np.ones((len(points), 1))  # fmt: skip
        dyed = np.where(odd > 0, np.asarray(wearing.clothes.second), dyed)
    dyed = dyed * (1 + 0.08 * np.cos(9 * np.tile(around, 14)))[:, None]
    kept = (np.abs(around[:-1]) > 0.35) if wearing.over == "coat" else None
    thighs = np.where(points[:, 0] > 0, PARTS.index("left thigh"), PARTS.index("right thigh"))
    return Garment(
        points, _grid(14, 41, kept), dyed, KNIT,
        np.where(share > 0.3, thighs, PARTS.index("torso")).astype(np.float32),
        {"root": 1 - share, "upperleg01.L": share * left, "upperleg01.R": share * (1 - left)},
    )  # fmt: skip


def _bag(figure: "Dressed", joints: dict, low: np.ndarray) -> list[Garment]:
    from aidagen.rendering.truth import CARRIED

    wearing, side = figure.outfit, figure.outfit.bag_side
    letter = "L" if side > 0 else "R"

    def garment(points, faces, shade=1.0, hangs="", bone="root"):
        top = smooth(points[:, 2], points[:, 2].min(), points[:, 2].max())[:, None]
        dyed = np.asarray(wearing.bag_colour) * shade * (0.8 + 0.3 * top)
        full = np.full(len(points), 1.0)
        return Garment(points, faces, dyed, PLAIN, full * CARRIED, {bone: full}, hangs)

    if wearing.bag == "backpack":
        back = figure.rest[:13380]
        back = back[(np.abs(back[:, 0]) < 0.06) & (np.abs(back[:, 2] - 0.25) < 0.1), 1].max()
        high = joints["upperarm01.L"][2]
        return [
            garment(*_box((0, back + 0.075, high - 0.19), (0.15, 0.075, 0.21)), bone="spine01"),
            garment(*_box((0, back + 0.15, high - 0.27), (0.11, 0.03, 0.1)), 0.7, bone="spine01"),
        ]
    if wearing.bag == "shoulder":
        hips = low[np.abs(low[:, 2] - joints["upperleg01.L"][2]) < 0.06]
        return [garment(*_box((side * (np.abs(hips[:, 0]).max() + 0.055), 0.0,
                               joints["upperleg01.L"][2] + 0.03), (0.045, 0.14, 0.11)))]
    held = f"finger3-1.{letter}"
    return [
        garment(*_box((0, 0, -0.27), (0.055, 0.13, 0.15)), hangs=held),
        garment(*_box((0, 0, -0.08), (0.012, 0.045, 0.07)), 0.6, hangs=held),
    ]


class Dressed(Figure):
    """A whole figure in an `Outfit`."""

    def __init__(self, phenotype: dict, details: dict, look: Look, outfit: Outfit):
        self.outfit = outfit
        plain = replace(outfit.clothes, pattern="plain", top=(0.5, 0.5, 0.5))
        super().__init__(phenotype, details, replace(look, clothes=plain), "body")

    def _assemble(self, part: str) -> None:
        from aidagen.rendering.truth import parts_of

        super()._assemble(part)
        body, wearing, seed = self.body, self.outfit, self.look.seed
        fingers = np.abs(paint.surface(body)[..., :1]) > 0.385 + 0.02 * wearing.clothes.sleeve
        cloth = paint.cloth_mask(body, self.look)[..., None] * ~fingers
        texture = self.texture.copy()
        dyed = np.clip(255 * colours(body, wearing, seed), 0, 255)
        texture[..., :3] = np.round(texture[..., :3] * (1 - cloth) + dyed * cloth)
        self.texture = texture
        z, worn = body.template[:, 2], _at_vertices(body, cloth[..., 0])
        top = smooth(z, wearing.hem - 0.004, wearing.hem + 0.004)
        loose = top * wearing.top_loose + (1 - top) * (
            wearing.leg_loose + wearing.flare * smooth(z, -0.3, -0.75))
        shod = smooth(z, ANKLE + 0.03, ANKLE - 0.01)
        self.lift = self.lift + (worn * (loose * (1 - shod) + 0.004 * shod)).astype(np.float32)
        hand = np.abs(body.template[:, 0]) > 0.38
        ease = (worn * (1 - shod) * np.where(hand, 0.4, 0.8)).astype(np.float32)
        self.soft = np.flatnonzero(ease > 0)  # vertices that are smoothed, and how far in a step
        self.ease = ease[self.soft, None]
        beside = _beside(body)[self.soft]
        still = np.setdiff1d(np.arange(len(ease)), self.soft)
        self.mixed = beside[:, self.soft], beside[:, still], still
        self.drawn: tuple | None = None
        posed = self.pose()
        joints = dict(zip(body.bones, posed.joints[0], strict=True))
        kinds = parts_of(body)[:13380]
        low = self.rest[:13380][np.isin(kinds, (2, 9, 10, 12, 13))]
        self.garments: list[Garment] = []
        if wearing.over != "none":
            self.garments.append(_fall(self, joints, low))
        if wearing.bag != "none":
            self.garments += _bag(self, joints, low)
        count = len(self.static)
        for g in self.garments:
            rows = np.zeros((len(g.points), 6), "f4")
            rows[:, 2], rows[:, 3:] = g.kind, g.colours
            self.faces = np.concatenate([self.faces, (g.faces + count).astype("i4")])
            self.static = np.concatenate([self.static, rows])
            self.worn_parts = np.concatenate([self.worn_parts, g.parts]).astype(np.float32)
            count += len(g.points)

    def lifted(self, skin: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """The cloth: lifted off the skin, smoothed, and nowhere inside the skin."""
        cloth = super().lifted(skin, normals)
        within, across, still = self.mixed
        hung, held = cloth[self.soft], across @ cloth[still]
        for _ in range(16):
            hung += self.ease * (within @ hung + held - hung)
        cloth[self.soft] = hung
        inside = np.maximum(0.3 * self.lift - ((cloth - skin) * normals).sum(1), 0)
        return cloth + inside[:, None] * normals

    def surface(self, posed: Posed, t: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self.drawn is not None and self.drawn[0] is posed and self.drawn[1] == t:
            return self.drawn[2]
        points, lifted, facing = super().surface(posed, t)
        more, normals = [], []
        for g in self.garments:
            at = self._moved(g, posed, t)
            a, b, c = (at[g.faces[:, k]] for k in range(3))
            normal = np.zeros_like(at)
            for k in range(3):
                np.add.at(normal, g.faces[:, k], np.cross(b - a, c - a))
            more.append(at)
            normals.append(normal / np.maximum(np.linalg.norm(normal, axis=1)[:, None], 1e-12))
        drawn = (np.concatenate([points, *more]).astype("f4"), lifted,
                 np.concatenate([facing, *normals]).astype("f4"))  # fmt: skip
        self.drawn = posed, t, drawn
        return drawn

    def _moved(self, g: Garment, posed: Posed, t: int) -> np.ndarray:
        bones = self.body.bones
        if g.hangs:  # upright, turned as the pelvis is
            ahead = posed.motion[t, bones.index("root"), :2, 1]
            c, s = ahead[1], -ahead[0]
            length = max(np.hypot(c, s), 1e-6)
            turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, length]]) / length
            return g.points @ turn.T + posed.joints[t, bones.index(g.hangs)]
        moved = np.zeros_like(g.points)
        for bone, weight in g.bones.items():
            motion = posed.motion[t, bones.index(bone)]
            moved += weight[:, None] * (g.points @ motion[:3, :3].T + motion[:3, 3])
        return moved
