"""Places to stand in: a floor in perspective and something behind it, for a still camera.

    kind, picture = place(rng, (128, 64), camera, wall=3.0)

Procedural, a little out of focus, and the same for the same generator and camera: whoever knows
both has the empty scene. `shadow` darkens the floor where a figure keeps the light away.
"""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from aidagen.rendering.paint import smooth, waves
from aidagen.rendering.scene import Camera

WALLS = ("plaster", "bricks", "shop", "hedge", "street", "panels", "door")
FLOORS = ("asphalt", "tiles", "boards", "lawn", "plain")
FINE = 3  # samples per pixel and direction


def _grey(rng: np.random.Generator, low: float, high: float, tint: float = 0.045) -> np.ndarray:
    """A colour that is nearly grey, of a brightness between ``low`` and ``high``."""
    return np.clip(rng.uniform(low, high) * (1 + tint * rng.normal(size=3)), 0, 1)


def _muted(rng: np.random.Generator) -> np.ndarray:
    bright = rng.uniform(0.15, 0.85, 3)
    return bright.mean() + 0.4 * (bright - bright.mean())


def _rays(camera: Camera, size: tuple[int, int], fine: int) -> Float[np.ndarray, "H W 3"]:
    """The directions in which the samples of a picture look."""
    height, width = size[0] * fine, size[1] * fine
    y, x = np.mgrid[0:height, 0:width] + 0.5
    right, ahead, up = camera.axes().T
    half = np.tan(np.radians(camera.fov) / 2)
    return (ahead + half * (1 - 2 * y[..., None] / height) * up
            + half * (2 * x[..., None] / width - 1) * right * width / height)  # fmt: skip


def ground(camera: Camera, size: tuple[int, int], fine: int = 1) -> Float[np.ndarray, "H W 2"]:
    """Where the line of sight of each pixel meets the floor, (x, y) in metres; far away where it
    does not."""
    ray = _rays(camera, size, fine)
    fall = np.minimum(ray[..., 2], -1e-3)
    return np.asarray(camera.eye)[:2] - ray[..., :2] * (camera.eye[2] / fall)[..., None]


def _floor(kind: str, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    colour = _grey(rng, 0.25, 0.75)
    turn = rng.uniform(-0.8, 0.8)
    at = at @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    near = smooth(np.abs(at).max(-1), 6.0, 2.0)
    image = np.broadcast_to(colour, (*at.shape[:2], 3)).copy()
    if kind == "asphalt":
        return image * (1 + 0.1 * near * waves(at, 3.0, rng))[..., None]
    if kind == "lawn":
        green = np.array([0.3, 0.42, 0.17]) * rng.uniform(0.7, 1.2)
        return green * (1 + 0.14 * near * waves(at, 5.0, rng))[..., None]
    if kind == "plain":
        return image
    cell = rng.uniform(0.35, 0.7)
    u, v = np.moveaxis(at / cell, -1, 0)
    if kind == "boards":
        image = np.array([0.5, 0.35, 0.22]) * rng.uniform(0.6, 1.4) * np.ones_like(image)
        v = v * 0.2
        u = u * 3
    shade = np.sin(np.floor(u) * 12.9 + np.floor(v) * 78.2) * 43758.5
    shade = shade - np.floor(shade)
    gap = np.minimum(np.minimum(u % 1, 1 - u % 1) * (1 if kind == "tiles" else 0.5),
                     np.minimum(v % 1, 1 - v % 1))
    lines = smooth(gap, 0.06, 0.02)
    return image * (1 + near * (0.12 * (shade - 0.5) - 0.3 * lines))[..., None]


def _wall(kind: str, x: np.ndarray, z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What stands at ``x`` (metres to the right) and height ``z`` of a wall."""
    shape = (*x.shape, 3)
    at = np.stack([x, z], -1)
    image = np.broadcast_to(_grey(rng, 0.35, 0.9), shape).copy()

    def rectangle(left, right, low, high, colour, soft=0.02):
        inside = np.minimum(np.minimum(x - left, right - x), np.minimum(z - low, high - z))
        image[:] += smooth(inside, 0, soft)[..., None] * (np.asarray(colour) - image)

    def window(left, right, low, high):
        rectangle(left - 0.06, right + 0.06, low - 0.06, high + 0.06, _grey(rng, 0.3, 0.95))
        rectangle(left, right, low, high, _grey(rng, 0.12, 0.5) * [0.85, 0.95, 1.15])
        middle = (left + right) / 2
        rectangle(middle - 0.025, middle + 0.025, low, high, _grey(rng, 0.3, 0.95))

    if kind == "bricks":
        image[:] = np.array([0.55, 0.33, 0.26]) * rng.uniform(0.6, 1.4)
        row = np.floor(z / 0.11)
        u = x / 0.3 + 0.5 * (row % 2)
        gap = np.minimum(np.minimum(u % 1, 1 - u % 1) * 2.7, np.minimum(z / 0.11 % 1,
                                                                      1 - z / 0.11 % 1))
        shade = np.sin(np.floor(u) * 12.9 + row * 78.2) * 43758.5
        image *= (1 + 0.3 * (shade - np.floor(shade) - 0.5))[..., None]
        image += 0.5 * smooth(gap, 0.12, 0.04)[..., None] * (_grey(rng, 0.5, 0.8) - image)
    elif kind == "hedge":
        green = np.array([0.2, 0.33, 0.13]) * rng.uniform(0.6, 1.5)
        image[:] = green * (1 + 0.25 * waves(at, 2.5, rng) + 0.15 * waves(at, 8, rng))[..., None]
        top = rng.uniform(1.4, 2.4) + 0.05 * waves(x[..., None], 0.7, rng)
        sky = _grey(rng, 0.7, 0.95) * [0.95, 1.0, 1.08]
        image += smooth(z, top, top + 0.1)[..., None] * (sky - image)
    elif kind == "shop":
        image[:] = _grey(rng, 0.1, 0.35) * (1 + 0.25 * waves(at, 0.7, rng))[..., None]
        for _ in range(rng.integers(4, 9)):
            left, low = rng.uniform(-3, 2.6), rng.uniform(0.3, 2.2)
            rectangle(left, left + rng.uniform(0.15, 0.7), low, low + rng.uniform(0.15, 0.8),
                      _muted(rng), 0.06)
        frame = _grey(rng, 0.1, 0.8)
        for left in np.arange(-4 + rng.uniform(), 4, rng.uniform(1.1, 1.9)):
            rectangle(left, left + 0.08, 0, 9, frame)
        rectangle(-9, 9, -0.1, rng.uniform(0.2, 0.5), frame * 0.8)
    elif kind == "street":
        image[:] = _grey(rng, 0.7, 0.95) * [0.95, 1.0, 1.08]
        left = -5.0
        while left < 5:
            right = left + rng.uniform(1.2, 2.8)
            rectangle(left, right, -0.1, rng.uniform(2.2, 5), _muted(rng))
            for low in np.arange(1.0, 4, 0.9):
                for start in np.arange(left + 0.25, right - 0.4, 0.7):
                    rectangle(start, start + 0.32, low, low + 0.5, _grey(rng, 0.15, 0.45))
            left = right
        for _ in range(rng.integers(0, 3)):  # parked cars
            left, paint = rng.uniform(-3, 2), _muted(rng)
            rectangle(left, left + 2.2, 0.15, 0.75, paint, 0.1)
            rectangle(left + 0.45, left + 1.7, 0.7, 1.15, _grey(rng, 0.1, 0.3), 0.1)
    elif kind == "panels":
        wide = rng.uniform(0.5, 1.4)
        tone = np.sin(np.floor(x / wide) * 12.9) * 43758.5
        image *= (0.85 + 0.3 * (tone - np.floor(tone)))[..., None]
        edge = np.minimum(x / wide % 1, 1 - x / wide % 1) * wide
        image *= (1 - 0.35 * smooth(edge, 0.04, 0.015))[..., None]
    elif kind == "door":
        left = rng.uniform(-1.2, 0.4)
        rectangle(left - 0.08, left + 1.0, -0.1, 2.15, _grey(rng, 0.3, 0.95))
        rectangle(left, left + 0.92, -0.1, 2.05, _muted(rng))
        window(left + 1.5, left + 2.5, 0.9, 2.0)
    else:
        image *= (1 + 0.03 * waves(at, 0.8, rng))[..., None]
        for _ in range(rng.integers(0, 4)):
            left, low = rng.uniform(-1.8, 1.3), rng.uniform(0.7, 1.6)
            high = low + rng.uniform(0.3, 1.0)
            if rng.uniform() < 0.5:
                window(left, left + rng.uniform(0.5, 1.0), low, high)
            else:
                rectangle(left, left + rng.uniform(0.3, 0.8), low, high, _muted(rng))
        if rng.uniform() < 0.6:
            rectangle(-9, 9, -0.1, rng.uniform(0.08, 0.2), _grey(rng, 0.2, 0.8))
    return image


def place(
    rng: np.random.Generator, size: tuple[int, int], camera: Camera, wall: float
) -> tuple[str, Float[np.ndarray, "H W 3"]]:
    """(what it is, picture in [0, 1]) of an empty place whose wall is ``wall`` metres behind the
    world's origin, as a camera that looks along +y sees it."""
    kind, under = str(rng.choice(WALLS)), str(rng.choice(FLOORS))
    at = ground(camera, size, FINE)
    y, x = np.mgrid[0 : at.shape[0], 0 : at.shape[1]] + 0.5
    ray = _rays(camera, size, FINE)
    reached = (wall - camera.eye[1]) / ray[..., 1]
    behind = np.asarray(camera.eye) + ray * reached[..., None]
    image = np.where((behind[..., 2] > 0)[..., None],
                     _wall(kind, behind[..., 0] + rng.uniform(-1, 1), behind[..., 2], rng),
                     _floor(under, at, rng) * (1 - 0.3 * smooth(at[..., 1], wall - 0.6, wall)
                                               )[..., None])  # fmt: skip
    image *= rng.uniform(0.75, 1.05) * (1 + 0.06 * waves(np.stack([x, y], -1) / len(at), 0.7, rng)
                                        )[..., None]  # fmt: skip
    image = gaussian_filter(np.clip(image, 0, 1), (0.8 * FINE, 0.8 * FINE, 0))
    image = image.reshape(size[0], FINE, size[1], FINE, 3).mean((1, 3))
    return f"{kind} and {under}", image.astype(np.float32)


def shadow(
    vertices: Float[np.ndarray, "V 3"], towards, camera: Camera, size: tuple[int, int],
    wall: float, strength: float,
) -> Float[np.ndarray, "H W"]:
    """Factors by which the floor (at height 0) is darker where ``vertices`` keep the light of the
    direction ``towards`` away; 1 on the wall."""
    view = camera.matrix(size[1] / size[0])

    def splat(points, blur):
        seen = np.c_[points, np.zeros(len(points)), np.ones(len(points))] @ view.T
        x = (seen[:, 0] / seen[:, 3] + 1) / 2 * size[1]
        y = (1 - seen[:, 1] / seen[:, 3]) / 2 * size[0]
        hit, _, _ = np.histogram2d(y, x, bins=size, range=((0, size[0]), (0, size[1])))
        return gaussian_filter(np.minimum(hit, 1.0), blur)

    scale = size[0] / 128
    cast = vertices[:, :2] - np.asarray(towards)[:2] * (vertices[:, 2:] / towards[2])
    low = vertices[vertices[:, 2] < 0.25, :2]
    dark = 0.55 * np.minimum(2.2 * splat(cast, 1.2 * scale), 1)
    dark = np.maximum(dark, 0.8 * np.minimum(1.6 * splat(low, 1.6 * scale), 1))
    floor = ground(camera, size)[..., 1] < wall
    return (1 - strength * dark * floor).astype(np.float32)
