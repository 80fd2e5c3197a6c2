"""bodies: rendered people in real motion, a redistributable stand-in for Tai-Chi-HD at 64 px.

    clips = load().clips("train")
    clips[0].frames(), clips[0].labels()
    load(128)                       # the same people and motions at 128 px, rendered on first use

152 people who do not exist (120 train, 12 val, 20 test), one clip each: 32 frames at 12.5 frames
per second, 64 x 64, the whole body before a still camera, which is as near as the clip's motion
allows: the figure fills 82 % of the picture's height on the average over the training frames, 86 %
over the test frames. No limb leaves the picture; of three people with tall hair its top does, in 15
of 4,864 frames. They are anny figures (code Apache-2.0, MakeHuman data CC0) with procedural skin,
hair, hats, glasses, clothes, light and backdrop. They move as recorded people did
(`aidagen.rendering.motion`): walking, running, dancing, spinning, kicking, punching, jumping and
stepping up and down, slowed down or sped up, mirrored, from any side but mostly the front. Nobody
is in two splits, and no stretch of a recording is (`MOTIONS`).

What is not as in life: the hips' path is shortened until the clip fits the picture, so feet may
slide; people who climbed do so on boxes that are not drawn, their feet stay near the floor; there
are no shadows on the floor; faces do not move.

``labels()`` of a clip holds, for its T = 32 frames:

    joints   (T, 17, 2)      `JOINTS`, COCO's order; (x, y) in [-1, 1], align_corners=True. Inside
                             the limbs, where anny's bones meet; nose and ears on the skin
    visible  (T, 17)         bool: the body itself does not hide the joint
    parts    (T, 64, 64)     index into `PARTS` (0: background) of what fills most of the pixel;
                             the person's mask is ``parts > 0``
    flow     (T, 64, 64, 2)  val and test only (for the pack's size). int8, quarters of a pixel (at
                             64 px; ``info["flow_scale"]`` pixels): add it to a pixel's (x, y) to
                             find the same point of the body in the clip's FIRST frame, so it warps
                             the first frame onto frame t. `UNKNOWN` (both numbers) where there is
                             no body or its point could not be seen then. Exact but for rounding

Left and right are the person's own. Each entry (``clip.entry``) names the person, the motion with
its start (seconds of the recording), speed and view (degrees, 0 is frontal on the average), hair,
clothes' pattern and backdrop. ``data_scripts/make_set.py bodies`` makes the set again, or a larger
one.

The pose judge on it (`aidagen.judges.BodyPose`, 40 frames of all test clips; `test_bodies.py` runs
it): finds 98 % of them, tells 96 % of the visible joints, on the average 1.3 px of 64 from the
exact ones (median 1.0), and its mask overlaps the exact one with an IoU of 0.89.
"""

from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from aidagen import sources
from aidagen.datasets import rendered
from aidagen.datasets.layout import ClipSet, DatasetError
from aidagen.datasets.rendered import Drawing, Shares
from aidagen.rendering.truth import JOINTS, PARTS

FPS = Fraction(25, 2)
VERSION = "2"  # 1: framed from further away
FRAMES = 32
SHARES = Shares(of=38, test=5, val=3)
PACK = Path(__file__).resolve().parents[1] / "packs" / "bodies"
ROOM = 1.92  # of the picture's 2, which a clip may fill in width and height
UNKNOWN = -128  # in ``flow``: not seen in the first frame, or more than half a picture away

# (motion, from and to second, weight); a stretch of motion serves one split only.
MOTIONS: dict[str, tuple[tuple[str, float, float, float], ...]] = {
    "train": (
        ("dance_a", 0, 99, 4.0), ("spin", 0, 99, 3.0), ("spinkick", 0, 99, 1.5),
        ("jump", 0, 99, 2.0), ("walk", 0, 99, 1.5), ("walk_on", 0, 99, 1.0), ("run", 0, 99, 1.5),
        ("turn_left_a", 0, 99, 1.2), ("turn_left_b", 0, 99, 1.2), ("climb_0", 0, 99, 2.5),
        ("climb_2", 0, 99, 3.0), ("climb_3", 0, 11, 2.0),
    ),
    "val": (("kick", 0, 99, 1.0), ("turn_right_a", 0, 99, 1.0), ("climb_3", 11.5, 99, 1.0)),
    "test": (("dance_b", 0, 99, 3.0), ("punch", 0, 99, 1.5), ("turn_right_b", 0, 99, 1.0),
             ("climb_1", 0, 99, 1.5)),
}  # fmt: skip


def load(size: int = 64) -> ClipSet:
    """The set at ``size`` x ``size`` pixels.

    At 64 it ships with the package (no download, nothing to render). Any other size, 128 say, is
    rendered on first use below ``sources.home()``, which takes a quarter of an hour or more and
    goes on where it was interrupted. Raises what `make` raises.
    """
    if size == 64:
        return ClipSet(PACK)
    root = sources.home() / "data" / f"bodies-{size}-v{VERSION}"
    if not (root / "dataset.json").exists():
        make(root, size=size)
    return ClipSet(root)


def movement(rng: np.random.Generator, split: str):
    """(pose over time, what it is in words): a stretch of real motion, turned towards the camera
    and perhaps mirrored."""
    from aidagen.rendering.motion import Positions, load

    weights = np.array([m[3] for m in MOTIONS[split]])
    name, low, high, _ = MOTIONS[split][rng.choice(len(weights), p=weights / weights.sum())]
    motion = load(name)
    for _ in range(500):
        low, high = float(low), min(float(high), motion.seconds - 1e-6)
        steps = (FRAMES - 1) / float(FPS)
        if isinstance(motion, Positions):
            speed = rng.uniform(1.0, 1.8)
            start = rng.uniform(low, high - steps * speed)
        elif motion.loops:
            speed, start = rng.uniform(0.5, 0.85), rng.uniform(low, high)
        else:  # all of it, slowly
            speed = min((high - low) / steps, 0.9) * rng.uniform(0.85, 1.0)
            start = low + rng.uniform(0, 1) * max(high - low - steps * speed, 0)
        pose = motion.at(start + np.arange(FRAMES) / float(FPS) * speed)
        if isinstance(motion, Positions):
            upright = pose.rotations["spine01"][:, 2, 2]
            if upright.min() < 0.45 or upright.mean() < 0.75 or _liveliness(pose) < 0.5:
                continue
            if np.quantile(standing(pose), 0.1) < 0.75:
                continue
        mirrored = bool(rng.uniform() < 0.5)
        pose = pose.mirrored() if mirrored else pose
        wide = rng.uniform() < 0.12
        view = rng.uniform(60, 180) * rng.choice([-1, 1]) if wide else rng.uniform(-60, 60)
        pose = pose.turned(-pose.heading() + np.radians(view))
        words = {"motion": name, "start": round(start, 3), "speed": round(speed, 3),
                 "mirrored": mirrored, "view": round(float(view))}
        return pose, words
    raise DatasetError(f"No stretch of {name} is lively and upright enough for split {split}.")


def standing(pose) -> np.ndarray:
    """How straight down the straighter leg points in each frame, at most 1: not sitting."""
    from aidagen.rendering.motion import rest

    legs = []
    for side in "LR":
        pair = [f"upperleg01.{side}", f"lowerleg01.{side}"]
        legs.append(np.mean([-(pose.rotations[k] @ rest().ahead[k])[:, 2] for k in pair], 0))
    return np.max(legs, 0)


def _liveliness(pose) -> float:
    """How far limbs and trunk turn within the clip: the mean over bones, in radians."""
    from scipy.spatial.transform import Rotation

    moved = []
    for name, turned in pose.rotations.items():
        if name[:4] in ("root", "spin", "uppe", "lowe"):
            away = Rotation.from_matrix(turned @ turned[FRAMES // 2].T).magnitude()
            moved.append(np.quantile(away, 0.9))
    return float(np.mean(moved))


def dress(rng: np.random.Generator, look, backdrop: np.ndarray):
    """``look`` in clothes that stand out from ``backdrop``, most of the time."""
    from aidagen.rendering.people import clothes, colour

    height = len(backdrop)
    behind = backdrop[height // 8 :, backdrop.shape[1] // 4 : -backdrop.shape[1] // 4]
    upper, lower = behind[: height // 2].mean((0, 1)), behind[height // 2 :].mean((0, 1))
    for _ in range(40):
        worn = clothes(rng)
        if rng.uniform() < 0.5:
            worn = replace(worn, top=colour(rng, (0.4, 0.9), (0.35, 1.0)))
        if rng.uniform() < 0.4:
            worn = replace(worn, bottom=colour(rng, (0.0, 0.7), (0.1, 0.9)))
        top = np.asarray(worn.top)
        if worn.pattern != "plain":
            top = (top + worn.second) / 2
        apart = np.abs(top - worn.bottom).sum()
        if (np.abs(top - upper).sum() > 0.75 and np.abs(worn.bottom - lower).sum() > 0.6
                and apart > 0.4) or rng.uniform() < 0.03:
            break
    return replace(look, clothes=replace(worn, coarse=float(rng.uniform(2.2, 3.6))))


def scene(rng: np.random.Generator, size: tuple[int, int]):
    """(name, picture) of a still backdrop, often with a floor."""
    from aidagen.rendering.paint import smooth
    from aidagen.rendering.scene import background

    kind = str(rng.choice(["flat", "gradient", "blobs", "room"], p=(0.1, 0.25, 0.35, 0.3)))
    wall = background(kind, size, rng)
    if rng.uniform() < 0.3:
        return kind, wall
    y = (np.arange(size[0]) + 0.5)[:, None, None] / size[0]
    horizon = rng.uniform(0.62, 0.86)
    ground = background(str(rng.choice(["flat", "blobs"])), size, rng)
    ground = ground * (0.75 + 0.35 * smooth(y, horizon, 1.0))
    part = smooth(y, horizon - 0.012, horizon + 0.012)
    return kind + " and floor", np.clip(wall * (1 - part) + ground * part, 0, 1).astype(np.float32)


def _projected(points: np.ndarray, camera) -> np.ndarray:
    """(..., 2): where the camera sees points of the world (..., 3), in [-1, 1]."""
    seen = points @ camera.matrix(1.0)[:, :3].T + camera.matrix(1.0)[:, 3]
    return seen[..., :2] / seen[..., 3:]


def stage(rng: np.random.Generator, figure, pose, grounded: bool, fov: float = 25.0):
    """(posed figure in the world, camera, fill): the whole clip stays inside the picture.

    ``grounded`` keeps the lowest foot near the floor (the boxes that were climbed are not drawn).
    The camera is as near as that allows; ``fill`` is the figure's standing height as a share of
    the picture's. Where the path of the hips keeps the camera so far away that the figure is, on
    the average over the frames, lower than 82 to 88 % of the picture, the path is shortened. None
    if the figure would have to be smaller than 60 %.
    """
    from scipy.ndimage import gaussian_filter1d

    from aidagen.rendering.scene import Camera

    posed = figure.pose(turns=pose.turns(), frames=FRAMES)
    bones = figure.body.bones
    still = figure.pose().joints[0]
    leg = np.linalg.norm(still[bones.index("upperleg01.L")] - still[bones.index("foot.L")])
    path = (pose.hips - pose.hips.mean(0)) * leg
    outer = posed.vertices[:, :13380:5]
    lowest = outer[..., 2].min(1)
    height = np.ptp(figure.rest[:13380, 2])
    path[:, 2] = (
        -gaussian_filter1d(lowest, 4.0, mode="nearest") if grounded
        else path[:, 2] - (lowest + path[:, 2]).min()
    )
    wanted, best = rng.uniform(0.82, 0.88), None
    for shorter in (1, 0.6, 0.3, 0.1, 0):
        shift, fill = path * [shorter, shorter, 1], 0.94
        for _ in range(8):
            away = height / fill / (2 * np.tan(np.radians(fov) / 2))
            camera = Camera((0.0, -away, height / 2), (0.0, 0.0, height / 2), fov)
            seen = _projected(outer + shift[:, None], camera)
            low = seen.min((0, 1)) - [0.02, 0.02]
            high = seen.max((0, 1)) + [0.02, 0.06]  # hair and hats
            if (high - low < ROOM).all():
                break
            fill *= 0.998 * ROOM / (high - low).max()
        else:
            continue
        tall = np.ptp(seen[..., 1], axis=1).mean() / 2
        if fill > 0.6 and (best is None or tall > best[0] + 0.01):
            best = (tall, fill, shift, away, camera, low, high)
        if best is not None and best[0] >= wanted:
            break
    if best is None:
        return None
    _, fill, shift, away, camera, low, high = best
    free = np.maximum(ROOM - (high - low), 0) / 2
    middle = (low + high) / 2 + rng.uniform(-0.6, 0.6, 2) * free * [1, 0.6]
    scale = away * np.tan(np.radians(fov) / 2)
    camera = camera.moved(np.array([middle[0], 0, middle[1]]) * scale)
    motion = posed.motion.copy()
    motion[:, :, :3, 3] += shift[:, None]
    posed = posed._replace(vertices=posed.vertices + shift[:, None].astype(np.float32),
                           joints=posed.joints + shift[:, None].astype(np.float32), motion=motion)
    return posed, camera, round(float(fill), 3)


def clip(renderer, truth, seed: int, index: int) -> Drawing:
    """Person ``index``, who is about to be drawn; in words: the motion, and what is worn."""
    from aidagen.rendering.motion import HOLOSOMA
    from aidagen.rendering.people import person
    from aidagen.rendering.scene import Figure, Light

    rng = np.random.default_rng([seed, index])
    split = SHARES.split(index)
    someone = person(rng)
    kind, backdrop = scene(rng, renderer.size)
    figure = Figure(someone.phenotype, someone.details, dress(rng, someone.look, backdrop), "body")
    staged = None
    while staged is None:
        pose, words = movement(rng, split)
        staged = stage(rng, figure, pose, words["motion"] in HOLOSOMA)
    posed, camera, fill = staged
    away = np.radians(rng.uniform(-65, 65))
    light = Light(
        towards=(float(np.sin(away)), float(-np.cos(away)), float(rng.uniform(0.4, 1.5))),
        key=float(rng.uniform(0.6, 0.95)),
        colour=tuple(1 + rng.uniform(-0.09, 0.09) * np.array([1.0, 0.0, -1.0])),
        ambient=float(rng.uniform(0.4, 0.6)),
    )
    facts = []

    def frames():
        for t in range(FRAMES):
            picture = renderer.draw(figure, posed, t, camera, light, backdrop)
            facts.append(truth.read(figure, posed, t, camera))
            yield picture.image

    def labels():
        scale = 256 / renderer.size[1]
        flow = np.stack([np.round(f.flow * scale) for f in facts])
        seen_at_first = np.stack([f.known for f in facts]) & (np.abs(flow) <= 127).all(-1)
        flow = np.where(seen_at_first[..., None], flow, UNKNOWN).astype(np.int8)
        joints = np.stack([f.joints for f in facts])
        exact = {
            "joints": np.asfortranarray(np.round(joints * 1024) / 1024, np.float32),
            "visible": np.asfortranarray(np.stack([f.visible for f in facts])),
            "parts": np.stack([f.parts for f in facts]),
        }
        return exact if split == "train" else {**exact, "flow": flow}

    look = figure.look
    worn = {"person": index, **words, "fill": fill, "hair": look.hair, "hat": look.hat,
            "glasses": look.glasses, "pattern": look.clothes.pattern, "backdrop": kind}
    return Drawing(frames(), labels, worn)


def make(
    root: str | Path, clips: int = 152, size: int = 64, seed: int = 0, progress: bool = True
) -> ClipSet:
    """Render the set into ``root``; clips that are finished there are kept (`rendered.make`).

    Fetches the recorded motion on first use (see `aidagen.rendering.motion`).
    """
    from aidagen.rendering.scene import Renderer
    from aidagen.rendering.truth import Truth

    def studio():
        renderer = Renderer((size, size), supersample=5)
        return partial(clip, renderer, Truth(renderer))

    info = {
        "name": "bodies", "version": VERSION, "redistributable": True,
        "source": "rendered with anny 0.6 (Brégier et al., 2025; MakeHuman data); moved by clips "
        "of holosoma-retargeting 0.1.0 (demo_data/climb) and of DeepMimic as in pybullet 3.2.7",
        "licence": "CC0-1.0 (the frames); anny: code Apache-2.0, data CC0-1.0; motion: "
        "holosoma-retargeting Apache-2.0, pybullet zlib",
        "citation": "Brégier et al., Human Mesh Modeling for Anny Body, arXiv:2511.03589; Peng et "
        "al., DeepMimic, ACM Transactions on Graphics 37(4), 2018",
        "joints": JOINTS, "parts": PARTS, "flow_scale": size / 256,
    }  # fmt: skip
    return rendered.make(
        root, info, SHARES, studio,
        clips=clips, size=size, seed=seed, fps=FPS, crf=18, progress=progress,
    )  # fmt: skip
