"""heads: rendered talking heads, a redistributable stand-in for VoxCeleb at 64 px.

    clips = load().clips("train")
    clips[0].frames(), clips[0].labels()

184 people who do not exist (144 train, 16 val, 24 test; nobody is in two splits), one clip each:
32 frames at 12.5 frames per second, 64 x 64, head and shoulders, with large head motion, blinks,
speech-like mouth movement, smiles and raised brows. They are anny figures (code Apache-2.0,
MakeHuman data CC0) with procedural skin, hair, hats, glasses, beards, clothes, light and backdrop.

``labels()`` of a clip holds, for its T = 32 frames:

    landmarks  (T, 68, 2)  iBUG order, (x, y) in [-1, 1], align_corners=True, to 1/8 pixel
    visible    (T, 68)     bool: nothing (head, hair, hat, glasses) lies in front of the point
    pose       (T, 3)      yaw, pitch, roll of the head in degrees (`aidagen.rendering.scene.turn`)
    actions    (T, A)      strengths of the ARKit facial actions listed in ``info["actions"]``
    phenotype  (11,)       in the order of ``info["phenotype"]``: gender, age, weight, ...
    details    (46,)       local shape changes, in the order of ``info["details"]``

and each entry (``clip.entry``) says in words what the person wears: hair, hat, beard, glasses,
clothes, backdrop. ``data_scripts/make_set.py heads`` makes the set again, or a larger one.

``load(size=128)`` holds the same 24 test people, drawn at 128 px (``--size 128 --only test``):
clips to drive a picture with, and to score models of that size on. Training clips of that size are
not shipped; `many_heads` renders them.
"""

from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from aidagen.datasets import rendered
from aidagen.datasets.layout import ClipSet, DatasetError
from aidagen.datasets.rendered import Drawing, Shares

FPS = Fraction(25, 2)
FRAMES = 32
ACTIONS = tuple(
    """jawOpen mouthFunnel mouthPucker mouthStretchLeft mouthStretchRight mouthUpperUpLeft
    mouthUpperUpRight mouthLowerDownLeft mouthLowerDownRight mouthSmileLeft mouthSmileRight
    cheekSquintLeft cheekSquintRight mouthFrownLeft mouthFrownRight browInnerUp browOuterUpLeft
    browOuterUpRight browDownLeft browDownRight eyeBlinkLeft eyeBlinkRight eyeSquintLeft
    eyeSquintRight eyeWideLeft eyeWideRight""".split()
)
SHARES = Shares(of=25, test=3, val=2)
PACKS = Path(__file__).resolve().parents[1] / "packs"
PACK = PACKS / "heads"
SHIPPED = {64: PACK, 128: PACKS / "heads-128"}


def load(size: int = 64) -> ClipSet:
    """The set that ships with the package (no download, nothing to render): all of it at 64 px,
    its 24 test clips at 128 px.

    Raises ``DatasetError`` for any other size.
    """
    if size not in SHIPPED:
        raise DatasetError(
            f"The heads ship at {' and '.join(map(str, SHIPPED))} pixels, not at {size}; render "
            f"them with `data_scripts/make_set.py heads --size {size} --out FOLDER` and open "
            "layout.ClipSet(FOLDER)."
        )
    return ClipSet(SHIPPED[size])


def expressions(rng: np.random.Generator, frames: int = FRAMES) -> dict[str, np.ndarray]:
    """Strengths over time of every action in `ACTIONS`, each (frames,) in [0, 1]."""
    from aidagen.rendering.people import bumps, curve

    fps = float(FPS)

    def soft(band, low=0.0):
        return np.clip((curve(rng, frames, fps, band) - low) / (1 - low), 0, 1)

    talk = soft((0.2, 0.6), -0.7) * rng.choice([0.25, 0.8, 1.0])
    a = {name: np.zeros(frames) for name in ACTIONS}
    a["jawOpen"] = talk * soft((1.2, 2.8), -0.5) * rng.uniform(0.35, 0.8)
    a["mouthFunnel"] = 0.7 * talk * soft((0.8, 2.0), 0.1)
    a["mouthPucker"] = 0.5 * talk * soft((0.8, 2.0), 0.3)
    stretch = 0.5 * talk * soft((0.8, 2.0), 0.1)
    upper, lower = 0.45 * talk * soft((1.0, 2.5), 0), 0.5 * talk * soft((1.0, 2.5), 0)
    smile = bumps(rng, frames, fps, 0.45, 1.5) * rng.uniform(0.4, 1.0)
    smile = np.maximum(smile, rng.choice([0.0, 0.0, 0.25, 0.6]) * soft((0.1, 0.4), -0.8))
    frown = 0.6 * (rng.uniform() < 0.15) * soft((0.1, 0.4), -0.5) * (1 - smile)
    inner, outer = bumps(rng, frames, fps, 0.35, 0.9), bumps(rng, frames, fps, 0.35, 0.9)
    down = bumps(rng, frames, fps, 0.2, 1.0) * (1 - inner) * (1 - outer)
    blink = bumps(rng, frames, fps, 0.6, 0.32)
    a["browInnerUp"] = 0.8 * np.maximum(inner, 0.7 * outer)
    for side, other in (("Left", 1.0), ("Right", rng.uniform(0.75, 1.0))):
        for name, value in (
            ("mouthStretch", stretch), ("mouthUpperUp", upper), ("mouthLowerDown", lower),
            ("mouthSmile", smile), ("cheekSquint", 0.7 * smile), ("mouthFrown", frown),
            ("browOuterUp", 0.9 * outer), ("browDown", 0.8 * down), ("eyeBlink", blink),
            ("eyeSquint", 0.4 * smile), ("eyeWide", 0.5 * outer * (1 - blink)),
        ):
            a[name + side] = np.clip(value * (1.0 if "Blink" in name else other), 0, 1)
    return a


def turned(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> dict[str, np.ndarray]:
    """Rotations by bone that turn a head by these angles over time, each (frames,) in degrees:
    the spine and the neck share them."""
    from aidagen.rendering.scene import turn

    return {
        "spine01": turn(0.12 * yaw, 0, 0.2 * roll),
        "neck01": turn(0.18 * yaw, 0.2 * pitch, 0.2 * roll),
        "neck02": turn(0.2 * yaw, 0.25 * pitch, 0.2 * roll),
        "neck03": turn(0.2 * yaw, 0.25 * pitch, 0.2 * roll),
        "head": turn(0.3 * yaw, 0.3 * pitch, 0.2 * roll),
    }


def motion(
    rng: np.random.Generator, frames: int = FRAMES
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(rotations by bone, (frames, 3) shift of the camera in metres) of one lively clip."""
    from aidagen.rendering.people import curve
    from aidagen.rendering.scene import turn

    fps = float(FPS)
    yaw = rng.uniform(16, 30) * curve(rng, frames, fps, (0.2, 0.65))
    pitch = rng.uniform(5, 15) * curve(rng, frames, fps, (0.2, 0.9))
    roll = rng.uniform(3, 10) * curve(rng, frames, fps, (0.15, 0.7))
    look = rng.uniform(3, 10) * curve(rng, frames, fps, (0.2, 0.9)) - 0.25 * yaw
    turns = turned(yaw, pitch, roll)
    turns["eye.L"] = turns["eye.R"] = turn(look, 0.5 * look)
    shift = np.stack([rng.uniform(*r) * curve(rng, frames, fps, (0.15, 0.6))
                      for r in ((0.005, 0.025), (0.01, 0.06), (0.003, 0.015))], 1)
    return turns, shift


def stage(rng: np.random.Generator, size: tuple[int, int], figure, fill=(0.58, 0.68)):
    """Chance surroundings of a portrait of ``figure``: (the backdrop's kind, light, backdrop,
    camera), for pictures of ``size``; ``fill`` bounds the share of the height from chin to crown.
    """
    from aidagen.rendering.scene import Camera, Light, background

    away = np.radians(rng.uniform(-65, 65))
    light = Light(
        towards=(float(np.sin(away)), float(-np.cos(away)), float(rng.uniform(0.15, 1.2))),
        key=float(rng.uniform(0.55, 0.95)),
        colour=tuple(1 + rng.uniform(-0.09, 0.09) * np.array([1.0, 0.0, -1.0])),
        ambient=float(rng.uniform(0.35, 0.6)),
    )
    kind = str(rng.choice(["flat", "gradient", "blobs", "room"], p=(0.15, 0.25, 0.35, 0.25)))
    backdrop = background(kind, size, rng)
    camera = Camera.face(figure, fill=rng.uniform(*fill))
    camera = camera.moved(np.array([rng.uniform(-0.012, 0.012), 0, rng.uniform(-0.01, 0.01)]))
    return kind, light, backdrop, camera


def clip(renderer, seed: int, index: int) -> Drawing:
    """Person ``index``, who is about to be drawn; in words: what the person wears."""
    from aidagen.rendering.people import person
    from aidagen.rendering.scene import DETAILS, PHENOTYPES, Figure

    rng = np.random.default_rng([seed, index])
    someone = person(rng)
    figure = Figure(*someone)
    actions, (turns, shift) = expressions(rng), motion(rng)
    posed = figure.pose(actions, turns, FRAMES)
    kind, light, backdrop, camera = stage(rng, renderer.size, figure)
    pictures = []

    def frames():
        for t in range(FRAMES):
            seen = camera.moved(shift[t])
            pictures.append(renderer.draw(figure, posed, t, seen, light, backdrop))
            yield pictures[-1].image

    def labels():
        return {
            # Time runs fastest in memory: the file is a quarter smaller, the shape the same.
            "landmarks": np.asfortranarray(
                np.round(np.stack([p.landmarks for p in pictures]) * 256) / 256, np.float16),
            "visible": np.asfortranarray(np.stack([p.visible for p in pictures])),
            "pose": np.stack([p.pose for p in pictures]).astype(np.float16),
            "actions": np.asfortranarray(
                np.round(np.stack([actions[k] for k in ACTIONS], 1) * 256) / 256, np.float16),
            "phenotype": np.array([someone.phenotype.get(k, 0.5) for k in PHENOTYPES], np.float16),
            "details": np.array([someone.details[k] for k in DETAILS], np.float16),
        }

    look = someone.look
    worn = {"identity": index, "hair": look.hair, "hat": look.hat, "beard": look.beard,
            "glasses": look.glasses, "neckline": look.clothes.neckline,
            "pattern": look.clothes.pattern, "backdrop": kind}
    return Drawing(frames(), labels, worn)


def make(
    root: str | Path,
    clips: int = 184,
    size: int = 64,
    seed: int = 0,
    only: str | None = None,
    progress: bool = True,
) -> ClipSet:
    """Render the set into ``root``, or the split ``only`` of it; clips that are finished there are
    kept (`rendered.make`)."""
    from aidagen.rendering.scene import DETAILS, PHENOTYPES, Renderer

    info = {
        "name": "heads", "version": "1", "redistributable": True,
        "source": "rendered with anny 0.6 (Brégier et al., 2025; MakeHuman data)",
        "licence": "CC0-1.0 (the frames); anny: code Apache-2.0, data CC0-1.0",
        "citation": "Brégier et al., Human Mesh Modeling for Anny Body, arXiv:2511.03589",
        "actions": ACTIONS, "phenotype": PHENOTYPES, "details": DETAILS,
    }  # fmt: skip
    return rendered.make(
        root, info, SHARES, lambda: partial(clip, Renderer((size, size), supersample=3)),
        clips=clips, size=size, seed=seed, fps=FPS, crf=18, only=only, progress=progress,
    )  # fmt: skip
