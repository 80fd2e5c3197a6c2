"""people: rendered pedestrians in 16 poses each, a redistributable stand-in for Market-1501.

    clips = load().clips("train")
    clips[0].frames(), clips[0].labels()    # (16, 3, 128, 64): one person, 16 poses
    backdrops(clips[0])                     # (2, 128, 64, 3): both places without the person

152 people who do not exist (120 train, 8 val, 24 test); nobody is in two splits. A clip is no film:
its 16 frames are poses of one person, in no order. Frames 0 to 7 were taken in one place, 8 to 15
in another one, each with its own backdrop, light and camera (from level to looking down by 16
degrees), as two surveillance cameras see the same clothes. Pictures are 128 x 64 (height x width),
the size of Market-1501 in Siarohin et al. (CVPR 2018), and cut as a detector would: the figure and
what it carries fill 86 to 93 % of the height, less (at least 76 %) where arms or stride would
leave the picture at the sides.

The people are anny figures (code Apache-2.0, MakeHuman data CC0) with procedural skin, hair, hats,
glasses and clothes: tops of ten patterns, trousers apart from them, open jackets, skirts, dresses,
coats; half carry a backpack, a shoulder bag or a bag in the hand. Poses are moments of recorded
motion (`aidagen.rendering.motion`): walking, running, turning, standing, stepping up and down,
reaching, dancing, seen from all sides, mostly the front. A stretch of a recording serves one split
only (`MOTIONS`).

``labels()`` of a clip holds, for its T = 16 frames:

    joints   (T, 18, 2)      in the order of `aidagen.poses.JOINTS`; (x, y) in [-1, 1],
                             align_corners=True. Exact even where hidden. Inside the limbs, where
                             anny's bones meet; nose and ears on the skin; the neck is the middle
                             between the shoulders
    visible  (T, 18)         bool: in the picture, and what is drawn there is one of the two parts
                             that meet in the joint (or the cloth on them), so near that the joint
                             lies under it; hidden behind other parts, bags or hair it is False
    camera   (T,)            0 or 1: in which of the two places
    view     (T,)            degrees by which the hips are turned away from the camera, 0 frontal,
                             positive to the person's left
    identity ()              the person's number
    parts    (T, H, W)       val and test only. Index into ``info["parts"]`` (0: background; the
                             last one: carried) of what fills most of the pixel; the person's mask
                             is ``parts > 0``

A detector also tells hips and shoulders that the body itself hides, as in a view from the side;
`told` adds them to ``visible``, as the paper's method needs all four.

What is not as in life: faces do not move, hands are flat, cloth does not swing, and skirts follow
the thighs. ``data_scripts/make_set.py people`` makes the set again, or a larger one.
"""

from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from aidagen import sources
from aidagen.datasets import rendered
from aidagen.datasets.layout import Clip, ClipSet, DatasetError
from aidagen.datasets.rendered import Drawing, Shares
from aidagen.poses import JOINTS
from aidagen.rendering import truth

VERSION = "1"
POSES = 16
SHARES = Shares(of=38, test=6, val=2)
PACK = Path(__file__).resolve().parents[1] / "packs" / "people"
PARTS = (*truth.PARTS, "carried")
_FROM = [(*truth.JOINTS, "neck").index(name) for name in JOINTS]
TRUNK = [i for i, name in enumerate(JOINTS) if name.endswith(("shoulder", "hip", "neck"))]

# (motion, from and to second, weight); a stretch of motion serves one split only.
MOTIONS: dict[str, tuple[tuple[str, float, float, float], ...]] = {
    "train": (
        ("walk", 0, 99, 3.0), ("walk_on", 0, 99, 2.5), ("run", 0, 99, 1.0),
        ("turn_left_a", 0, 99, 2.0), ("turn_left_b", 0, 99, 2.0), ("dance_a", 0, 99, 1.2),
        ("spin", 0, 99, 0.6), ("jump", 0, 99, 0.4), ("climb_0", 0, 99, 2.0),
        ("climb_2", 0, 99, 2.0), ("climb_3", 0, 11, 1.5),
    ),
    "val": (("turn_right_a", 0, 99, 3.0), ("kick", 0, 99, 0.5), ("climb_3", 11.5, 99, 2.0)),
    "test": (("turn_right_b", 0, 99, 3.0), ("dance_b", 0, 99, 1.2), ("punch", 0, 99, 0.8),
             ("climb_1", 0, 99, 3.0)),
}  # fmt: skip


def load(size: int = 128) -> ClipSet:
    """The set at ``size`` x ``size / 2`` pixels.

    At 128 it ships with the package (no download, nothing to render). Any other size, 256 say, is
    rendered on first use below ``sources.home()``, which takes longer than the six minutes of one
    free core that 128 pixels take, and goes on where it was interrupted. Raises what `make` raises.
    """
    if size == 128:
        return ClipSet(PACK)
    root = sources.home() / "data" / f"people-{size}-v{VERSION}"
    if not (root / "dataset.json").exists():
        make(root, size=size)
    return ClipSet(root)


def told(
    joints: Float[np.ndarray, "... 18 2"], visible: Bool[np.ndarray, "... 18"]
) -> Bool[np.ndarray, "... 18"]:
    """The joints that a pose estimator would tell: the visible ones, and neck, shoulders and hips
    wherever they lie inside the picture."""
    known = np.array(visible)
    known[..., TRUNK] |= (np.abs(joints[..., TRUNK, :]) <= 1).all(-1)
    return known


# ---- the places ---------------------------------------------------------------------------------
class Place(NamedTuple):
    """What one of a person's two cameras sees while nobody is there."""

    kind: str
    backdrop: Float[np.ndarray, "H W 3"]
    wall: float  # metres behind the person
    down: float  # radians by which the camera looks down


def _camera(down: float, away: float, target=(0.0, 0.0, 0.86)):
    from aidagen.rendering.scene import Camera

    eye = np.add(target, away * np.array([0.0, -np.cos(down), np.sin(down)]))
    return Camera(tuple(map(float, eye)), tuple(map(float, target)), 25.0)


def place(seed: int, index: int, camera: int, size: int) -> Place:
    """The place of person ``index`` before camera 0 or 1, ``size`` pixels high."""
    from aidagen.rendering import places

    rng = np.random.default_rng([seed, index, camera])
    wall, down = float(rng.uniform(0.7, 5.0)), float(np.radians(rng.uniform(0, 16)))
    kind, backdrop = places.place(rng, (size, size // 2), _camera(down, 4.4), wall)
    return Place(kind, backdrop, wall, down)


def backdrops(clip: Clip) -> Float[np.ndarray, "2 H W 3"]:
    """Both places of a clip without the person and its shadow, in [0, 1].

    They are not stored but drawn again, which needs neither anny nor OpenGL.
    """
    info = ClipSet(clip.path.parents[1]).info
    return np.stack([place(info["seed"], int(clip.name), k, info["size"]).backdrop
                     for k in (0, 1)])  # fmt: skip


# ---- the poses ----------------------------------------------------------------------------------
class Moments(NamedTuple):
    """Poses without an order."""

    rotations: dict[str, np.ndarray]  # as `motion.Pose` has them
    views: list[float]  # degrees
    words: list[str]  # "walk 0.31"


def moments(rng: np.random.Generator, split: str, count: int) -> Moments:
    """``count`` upright moments of recorded motion, turned in front of the camera."""
    from aidagen.datasets.bodies import standing
    from aidagen.rendering.motion import load

    weights = np.array([m[3] for m in MOTIONS[split]])
    poses, views, words = [], [], []
    while len(poses) < count:
        name, low, high, _ = MOTIONS[split][rng.choice(len(weights), p=weights / weights.sum())]
        motion = load(name)
        second = float(rng.uniform(low, min(high, motion.seconds - 1e-6)))
        pose = motion.at(np.array([second]))
        if pose.rotations["spine01"][0, 2, 2] < 0.8 or standing(pose)[0] < 0.75:
            continue
        pose = pose.mirrored() if rng.uniform() < 0.5 else pose
        view = rng.uniform(-50, 50) if rng.uniform() < 0.5 else rng.uniform(-180, 180)
        poses.append(pose.turned(-pose.heading() + np.radians(view)))
        views.append(float(view))
        words.append(f"{name} {second:.2f}")
    joined = {k: np.concatenate([p.rotations[k] for p in poses]) for k in poses[0].rotations}
    return Moments(joined, views, words)


def _on_floor(posed):
    """The same poses with the lowest point of the body on the floor and the hips above 0."""
    low = posed.vertices[:, :13380, 2].min(1)
    shift = np.stack([-posed.joints[:, 0, 0], -posed.joints[:, 0, 1], -low], 1)[:, None]
    motion = posed.motion.copy()
    motion[:, :, :3, 3] += shift
    shift = shift.astype(np.float32)
    return posed._replace(vertices=posed.vertices + shift, joints=posed.joints + shift,
                          motion=motion)  # fmt: skip


def frame(points: Float[np.ndarray, "V 3"], down: float, fill: float):
    """The camera that cuts a figure out of the scene, and the share of the height it fills.

    As near as the height allows, ``fill`` of which the figure takes, and the width, of which it may
    take 94 %; None for the camera if the figure would fill less than 76 %.
    """
    target, away = points.mean(0), 4.4
    right, _, up = _camera(down, away, target).axes().T
    for _ in range(6):
        camera = _camera(down, away, target)
        view = camera.matrix(0.5)
        seen = points @ view[:, :3].T + view[:, 3]
        seen = seen[:, :2] / seen[:, 3:]
        low, high = seen.min(0), seen.max(0)
        width, height = (high - low) / 2
        middle = (low + high) / 2 * away * np.tan(np.radians(camera.fov) / 2) * [0.5, 1]
        target = target + middle[0] * right + middle[1] * up
        away *= max(height / fill, width / 0.94)
    return (None if height < 0.76 else camera), float(height)


# ---- one person ---------------------------------------------------------------------------------
def clip(renderer, facts, seed: int, index: int) -> Drawing:
    """Person ``index``, who is about to be drawn; in words: what is worn, and where."""
    from aidagen.rendering import places, wardrobe
    from aidagen.rendering.people import person
    from aidagen.rendering.scene import Light

    rng, split = np.random.default_rng([seed, index]), SHARES.split(index)
    someone, size = person(rng), renderer.size[0]
    feminine = someone.phenotype["gender"] < 0.5
    worn = wardrobe.outfit(rng, feminine)
    figure = wardrobe.Dressed(someone.phenotype, someone.details, someone.look, worn)
    where = [place(seed, index, k, size) for k in (0, 1)]
    lights = []
    for _ in where:
        aside = np.radians(rng.uniform(-65, 65))
        lights.append(Light(
            towards=(float(np.sin(aside)), float(-np.cos(aside)), float(rng.uniform(0.6, 2.2))),
            key=float(rng.uniform(0.45, 0.95)),
            colour=tuple(1 + rng.uniform(-0.09, 0.09) * np.array([1.0, 0.0, -1.0])),
            ambient=float(rng.uniform(0.4, 0.65)),
        ))  # fmt: skip
    shots = []  # (poses, number of the pose, its points, camera, view, words)
    for _ in range(40):
        some = moments(rng, split, POSES)
        posed = _on_floor(_pose(figure, some))
        for t in range(POSES):
            if len(shots) == POSES:
                break
            points, here = figure.surface(posed, t)[0], where[len(shots) * 2 // POSES]
            camera, _ = frame(points[::5], here.down, float(rng.uniform(0.86, 0.93)))
            if camera is not None:
                shots.append((posed, t, points, camera, some.views[t], some.words[t]))
        if len(shots) == POSES:
            break
    else:
        raise DatasetError(f"Person {index} of {split} fits into too few pictures.")
    read = []

    def frames():
        for k, (posed, t, points, camera, *_) in enumerate(shots):
            at = k * 2 // POSES
            here, light = where[at], lights[at]
            dark = places.shadow(points, light.towards, camera, renderer.size, here.wall,
                                 0.35 + 0.4 * light.key)  # fmt: skip
            backdrop = here.backdrop * dark[..., None]
            image = renderer.draw(figure, posed, t, camera, light, backdrop).image
            read.append(facts.read(figure, posed, t, camera, first=None))
            yield image

    def labels():
        joints = np.stack([np.vstack([f.joints, f.neck]) for f in read])[:, _FROM]
        visible = np.stack([[*f.visible, f.neck_visible] for f in read])[:, _FROM]
        exact = {
            "joints": np.asfortranarray(np.round(joints * 1024) / 1024, np.float32),
            "visible": np.asfortranarray(visible),
            "camera": np.repeat(np.arange(2, dtype=np.uint8), POSES // 2),
            "view": np.round([shot[4] for shot in shots]).astype(np.int16),
            "identity": np.int64(index),
        }
        return exact if split == "train" else {**exact, "parts": np.stack([f.parts for f in read])}

    look, clothes = figure.look, worn.clothes
    words = {
        "person": index, "hair": look.hair, "hat": look.hat, "glasses": look.glasses,
        "pattern": clothes.pattern, "trousers": worn.trousers, "over": worn.over,
        "jacket": worn.jacket is not None, "bag": worn.bag,
        "poses": ", ".join(shot[5] for shot in shots),
        "places": ", ".join(p.kind for p in where),
    }  # fmt: skip
    return Drawing(frames(), labels, words)


def _pose(figure, some: Moments):
    from aidagen.rendering.motion import Pose

    hips = np.zeros((len(some.views), 3))
    return figure.pose(turns=Pose(some.rotations, hips).turns(), frames=len(some.views))


def make(
    root: str | Path, clips: int = 152, size: int = 128, seed: int = 0, progress: bool = True
) -> ClipSet:
    """Render ``clips`` people into ``root``, ``size`` pixels high and half as wide.

    People who are finished there are kept (`rendered.make`). Fetches the recorded motion on first
    use (see `aidagen.rendering.motion`). Raises ``DatasetError`` for a size that is no multiple of
    4 or less than 32, and whatever `rendered.make` raises.
    """
    from aidagen.rendering.scene import Renderer
    from aidagen.rendering.truth import Truth

    if size % 4 or size < 32:
        raise DatasetError(
            f"People are half as wide as high, so {size} pixels of height will not do: give a "
            "multiple of 4, 32 or more."
        )

    def studio():
        renderer = Renderer((size, size // 2), supersample=3)
        return partial(clip, renderer, Truth(renderer))

    info = {
        "name": "people", "version": VERSION, "redistributable": True,
        "source": "rendered with anny 0.6 (Brégier et al., 2025; MakeHuman data); posed by clips "
        "of holosoma-retargeting 0.1.0 (demo_data/climb) and of DeepMimic as in pybullet 3.2.7",
        "licence": "CC0-1.0 (the pictures); anny: code Apache-2.0, data CC0-1.0; motion: "
        "holosoma-retargeting Apache-2.0, pybullet zlib",
        "citation": "Brégier et al., Human Mesh Modeling for Anny Body, arXiv:2511.03589; Peng et "
        "al., DeepMimic, ACM Transactions on Graphics 37(4), 2018",
        "joints": JOINTS, "parts": PARTS, "width": size // 2,
    }  # fmt: skip
    return rendered.make(
        root, info, SHARES, studio,
        clips=clips, size=size, seed=seed, fps=Fraction(4), crf=24, progress=progress,
    )  # fmt: skip
