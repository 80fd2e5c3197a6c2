"""smiles: rendered people who smile, each in several ways; a stand-in for UvA-NEMO at 64 px.

    clips = load().clips("train")
    clips[0].frames(), clips[0].labels(), clips[0].entry["smile"]

Every clip is neutral, then a smile, then neutral again: 32 frames at 12 per second, head and
shoulders, with the head nearly still. 60 people who do not exist (48 train, 4 val, 8 test; nobody
is in two splits) smile on purpose ("posed") and because something is funny ("spontaneous"), in
three ways (`MODES`). Everything about the face is decided by the person, the label and the mode;
what differs from clip to clip is timing, strength, head motion, light, backdrop and camera.

The labels differ as studies of smiles found: a spontaneous smile begins and ends slowly, is
weaker, more symmetric, and narrows the eyes; a posed one begins fast, is stronger, and often
stronger on one side (Cohn and Schmidt 2004, "The timing of facial motion in posed and spontaneous
smiles"; Ekman, Hager and Friesen 1981, "The symmetry of emotional and deliberate facial actions").
Not all agree: Schmidt et al. 2006 found speed and strength to differ, and no asymmetry.

``labels()`` of a clip holds, for its T = 32 frames:

    landmarks  (T, 68, 2)  iBUG order, (x, y) in [-1, 1], align_corners=True, to 1/8 pixel
    visible    (T, 68)     bool: nothing (head, hair, hat, glasses) lies in front of the point
    pose       (T, 3)      yaw, pitch, roll of the head in degrees
    strength   (T,)        of the smile, 0 neutral, 1 its apex
    label      ()          index into `LABELS`
    mode       ()          index into `MODES`; no model of the course is trained on it

and each entry says ``identity`` and, in words, ``smile`` (label and mode), glasses, hair and hat.

The pack has 6 clips a person, one for each label and mode, at 64 px. ``load(size=128)`` has 20 a
person, rendered on first use (EGL, ``pip install aidagen[data]``, about an hour of one core).
"""

from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aidagen import sources
from aidagen.datasets import heads, rendered
from aidagen.datasets.layout import ClipSet, DatasetError
from aidagen.datasets.rendered import Drawing, Shares

FPS = Fraction(12)
FRAMES = 32
LABELS = ("posed", "spontaneous")
MODES = ("closed mouth", "closed eyes", "open mouth")
PEOPLE = 60
EACH = 20  # clips of a person in the whole set
SHIPPED = 6  # in the pack: each label in each mode
PACK = Path(__file__).resolve().parents[1] / "packs" / "smiles"
ACTIONS = tuple(
    """jawOpen mouthSmileLeft mouthSmileRight mouthPressLeft mouthPressRight mouthUpperUpLeft
    mouthUpperUpRight mouthLowerDownLeft mouthLowerDownRight cheekSquintLeft cheekSquintRight
    eyeSquintLeft eyeSquintRight eyeBlinkLeft eyeBlinkRight browInnerUp browOuterUpLeft
    browOuterUpRight""".split()
)
# what a smile at its apex is made of, besides the corners of the mouth
APEX = {
    "closed mouth": {"mouthPress": 0.5},
    "closed eyes": {"mouthUpperUp": 0.6, "mouthLowerDown": 0.4, "eyeBlink": 1.0, "browUp": 1.0},
    "open mouth": {"jawOpen": 0.9, "mouthUpperUp": 0.3, "mouthLowerDown": 0.4},
}


class Way(NamedTuple):
    """How a person smiles under a label; the same in all of the person's clips."""

    strength: float  # of the corners of the mouth at the apex
    weaker: float  # of the weaker side, as a share
    left: bool  # whether the left side is the weaker one
    narrow: float  # of the eyes
    onset: float  # seconds from neutral to the apex
    offset: float  # and back


def load(size: int = 64) -> ClipSet:
    """The set at 64 x 64 pixels ships with the package; a larger one is rendered on first use.

    Raises ``DatasetError`` for sizes below 64, and what the renderer raises where it is missing.
    """
    if size == 64:
        return ClipSet(PACK)
    if size < 64:
        raise DatasetError(f"The smiles are 64 pixels wide or wider, not {size}.")
    root = sources.home() / "data" / f"smiles-{size}-v1"
    if not (root / "dataset.json").exists():
        make(root, size=size)
    return ClipSet(root)


def way(rng: np.random.Generator, label: str) -> Way:
    """How one person smiles under ``label``."""
    uniform = rng.uniform
    if label == "posed":
        return Way(uniform(0.9, 1.0), uniform(0.75, 0.9), bool(uniform() < 0.5),
                   uniform(0.0, 0.15), uniform(0.28, 0.36), uniform(0.3, 0.4))  # fmt: skip
    return Way(uniform(0.7, 0.85), uniform(0.94, 1.0), bool(uniform() < 0.5),
               uniform(0.7, 1.0), uniform(0.75, 0.9), uniform(0.65, 0.8))  # fmt: skip


def rise(
    way: Way, rng: np.random.Generator, frames: int = FRAMES
) -> Float[np.ndarray, " frames"]:
    """Strength of one smile over time: 0 in the first and the last frame, 1 at its apex.

    A clip's own timing differs from the person's by up to a twentieth.
    """
    t = np.arange(frames) / float(FPS)
    begin, rest = rng.uniform(0.12, 0.2), 0.12
    onset, offset = way.onset * rng.uniform(0.95, 1.05), way.offset * rng.uniform(0.95, 1.05)
    up = np.clip((t - begin) / onset, 0, 1)
    down = np.clip((t[-1] - rest - t) / offset, 0, 1)
    return np.minimum(_eased(up), _eased(down))


def _eased(x: np.ndarray) -> np.ndarray:
    return x * x * (3 - 2 * x)


def actions(way: Way, mode: str, strength: Float[np.ndarray, " T"]) -> dict[str, np.ndarray]:
    """Strengths over time of every action in `ACTIONS`, each (T,) in [0, 1]."""
    apex = APEX[mode]
    made = {name: np.zeros(len(strength)) for name in ACTIONS}
    made["jawOpen"] = apex.get("jawOpen", 0.0) * way.strength * strength
    made["browInnerUp"] = apex.get("browUp", 0.0) * strength
    for side, weaker in (("Left", way.left), ("Right", not way.left)):
        share = way.weaker if weaker else 1.0
        corners = way.strength * share * strength
        closed = apex.get("eyeBlink", 0.0)
        for name, value in (
            ("mouthSmile", corners),
            ("mouthPress", apex.get("mouthPress", 0.0) * corners),
            ("mouthUpperUp", apex.get("mouthUpperUp", 0.0) * corners),
            ("mouthLowerDown", apex.get("mouthLowerDown", 0.0) * corners),
            ("cheekSquint", way.narrow * corners),
            ("eyeSquint", way.narrow * strength * (1 - closed)),
            ("eyeBlink", closed * strength),
            ("browOuterUp", apex.get("browUp", 0.0) * strength),
        ):
            made[name + side] = np.clip(value, 0, 1)
    return made


def _still(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(rotations by bone, shift of the camera) of a head that is held nearly still."""
    from aidagen.rendering.people import curve

    fps = float(FPS)
    yaw, pitch, roll = (
        rng.uniform(0.5, most) * curve(rng, FRAMES, fps, (0.15, 0.5)) for most in (1.5, 1.2, 1.0)
    )
    shift = np.stack([rng.uniform(0, 0.002) * curve(rng, FRAMES, fps, (0.15, 0.5))
                      for _ in range(3)], 1)  # fmt: skip
    return heads.turned(yaw, pitch, roll), shift


def clip(renderer, each: int, seed: int, index: int) -> Drawing:
    """Clip ``index`` of a set with ``each`` clips a person, who is about to be drawn.

    A person's clips go through all pairs of a label and a mode, again and again.
    """
    from aidagen.rendering.people import person
    from aidagen.rendering.scene import Figure

    identity, number = divmod(index, each)
    of_person = np.random.default_rng([seed, 60_000 + identity])  # nobody of `heads`
    someone = person(of_person)
    ways = {label: way(of_person, label) for label in LABELS}
    label, mode = LABELS[number % 2], MODES[number // 2 % 3]
    rng = np.random.default_rng([seed, 60_000 + identity, number])
    strength = rise(ways[label], rng)
    # the same person smiles a little more or less each time
    acted = actions(ways[label], mode, strength * rng.uniform(0.92, 1.0))
    turns, shift = _still(rng)
    figure = Figure(*someone)
    posed = figure.pose(acted, turns, FRAMES)
    kind, light, backdrop, camera = heads.stage(rng, renderer.size, figure, fill=(0.78, 0.86))
    pictures = []

    def frames():
        for t in range(FRAMES):
            seen = camera.moved(shift[t])
            pictures.append(renderer.draw(figure, posed, t, seen, light, backdrop))
            yield pictures[-1].image

    def labels():
        return {
            "landmarks": np.asfortranarray(
                np.round(np.stack([p.landmarks for p in pictures]) * 256) / 256, np.float16),
            "visible": np.asfortranarray(np.stack([p.visible for p in pictures])),
            "pose": np.stack([p.pose for p in pictures]).astype(np.float16),
            "strength": strength.astype(np.float16),
            "label": np.int64(LABELS.index(label)),
            "mode": np.int64(MODES.index(mode)),
        }  # fmt: skip

    look = someone.look
    words = {"identity": identity, "smile": f"{label}, {mode}", "glasses": look.glasses,
             "hair": look.hair, "hat": look.hat, "beard": look.beard, "backdrop": kind}
    return Drawing(frames(), labels, words)  # fmt: skip


def make(
    root: str | Path,
    clips: int | None = None,
    size: int = 64,
    seed: int = 0,
    only: str | None = None,
    progress: bool = True,
) -> ClipSet:
    """Render the set into ``root``, or the split ``only`` of it; clips that are finished there are
    kept (`rendered.make`). ``clips`` is 360 (the pack's 6 for each of 60 people) at 64 px and 1,200
    (20 each) above, unless it is given; it is divided among the 60 people.

    Raises ``DatasetError`` where that leaves no whole number for each, below the pack's 6.
    """
    from aidagen.rendering.scene import Renderer

    clips = PEOPLE * (SHIPPED if size == 64 else EACH) if clips is None else clips
    each, rest = divmod(clips, PEOPLE)
    if rest or each < SHIPPED:
        raise DatasetError(
            f"{clips} clips cannot be shared among the {PEOPLE} people of the smiles evenly, with "
            f"{SHIPPED} or more for each; ask for a multiple of {PEOPLE}."
        )
    info = {
        "name": "smiles", "version": "1", "redistributable": True,
        "source": "rendered with anny 0.6 (Brégier et al., 2025; MakeHuman data)",
        "licence": "CC0-1.0 (the frames); anny: code Apache-2.0, data CC0-1.0",
        "citation": "Brégier et al., Human Mesh Modeling for Anny Body, arXiv:2511.03589",
        "labels": LABELS, "modes": MODES,
    }  # fmt: skip
    return rendered.make(
        root, info, Shares(of=15, test=2, val=1, each=each),
        lambda: partial(clip, Renderer((size, size), supersample=3), each),
        clips=clips, size=size, seed=seed, fps=FPS, crf=22, only=only, progress=progress,
    )  # fmt: skip
