"""Recorded human motion for the figures of `rendering.scene`: fetched, read, put onto anny's bones.

    motion = load("dance_a")
    pose = motion.at(times=np.arange(32) * 0.05)
    posed = figure.pose(turns=pose.turns(), frames=32)

Two sources, both fetched by `aidagen.sources` when first needed (100 MB each):

* holosoma-retargeting 0.1.0 (Apache-2.0), ``demo_data/climb``: positions of 53 joints of people
  who step and climb over boxes, about 120 frames per second. Bones are turned the shortest way into
  the directions of the limbs; knees, elbows, feet and hands then say how a limb is twisted.
* pybullet 3.2.7 (zlib), the motion clips of DeepMimic (Peng et al., 2018): joint rotations.

A motion is kept as world rotations of a few bones away from anny's rest pose, so that any figure
can perform it. Metres, z up, the figure looks along -y, its left side is at +x.
"""

import ast
import json
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, Slerp

from aidagen import sources
from aidagen.rendering.body import Body, RenderError, body

HOLOSOMA = {
    "climb_0": "mocap_climb_seq_0/mocap_climb_seq_0_joint_positions_f900-3700.npy",
    "climb_1": "mocap_climb_seq_1/mocap_climb_seq_1_joint_positions_f0-2422.npy",
    "climb_2": "mocap_climb_seq_2/mocap_climb_seq_2_joint_positions_f100-3110.npy",
    "climb_3": "mocap_climb_seq_3/mocap_climb_seq_3_joint_positions_f200-2600.npy",
    "climb_4": "mocap_climb_seq_4/mocap_climb_seq_4_joint_positions_f0-2303.npy",
}
DEEPMIMIC = {
    "walk": "humanoid3d_walk", "run": "humanoid3d_run", "dance_a": "humanoid3d_dance_a",
    "dance_b": "humanoid3d_dance_b", "punch": "humanoid3d_punch", "kick": "humanoid3d_kick",
    "spin": "humanoid3d_spin", "spinkick": "humanoid3d_spinkick", "jump": "humanoid3d_jump",
    "walk_on": "walker/0walk_forward", "turn_left_a": "walker/turn_left0",
    "turn_left_b": "walker/turn_left1", "turn_right_a": "walker/turn_right0",
    "turn_right_b": "walker/turn_right1",
}  # fmt: skip
NAMES = (*HOLOSOMA, *DEEPMIMIC)
RATE = 120.0  # of holosoma's arrays; their reader keeps every fourth frame, 30 per second
SIDES = (("L", "Left"), ("R", "Right"))
SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
NECK = ("neck01", "neck02", "neck03", "head")
BONES = ("root", "spine01", "head") + tuple(
    f"{bone}.{side}"
    for side in "LR"
    for bone in ("clavicle", "upperarm01", "lowerarm01", "wrist", "upperleg01", "lowerleg01",
                 "foot")
)

Rotations = dict[str, Float[np.ndarray, "T 3 3"]]


# ---- small geometry -----------------------------------------------------------------------------
def unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def swing(a: Float[np.ndarray, "*T 3"], b: Float[np.ndarray, "*T 3"]) -> np.ndarray:
    """The shortest rotation that takes direction ``a`` to direction ``b``."""
    a, b = np.broadcast_arrays(unit(a), unit(b))
    axis, cosine = np.cross(a, b), (a * b).sum(-1)
    angle = np.arctan2(np.linalg.norm(axis, axis=-1), cosine)
    vector = (unit(axis) * angle[..., None]).reshape(-1, 3)
    return Rotation.from_rotvec(vector).as_matrix().reshape(*a.shape[:-1], 3, 3)


def frame(first: np.ndarray, second: np.ndarray) -> Float[np.ndarray, "*T 3 3"]:
    """Axes as columns: ``first``, what is left of ``second``, and their cross product."""
    one = unit(first)
    two = unit(second - (second * one).sum(-1, keepdims=True) * one)
    return np.stack([one, two, np.cross(one, two)], -1)


def power(rotation: Float[np.ndarray, "T 3 3"], share: float) -> Float[np.ndarray, "T 3 3"]:
    """The same rotation by ``share`` of its angle."""
    return Rotation.from_rotvec(share * Rotation.from_matrix(rotation).as_rotvec()).as_matrix()


def twist(rotation: Float[np.ndarray, "T 3 3"], axis: Float[np.ndarray, "3"]) -> np.ndarray:
    """Angles (T,) by which ``rotation`` turns around ``axis``, within (-pi, pi]."""
    quaternion = Rotation.from_matrix(rotation).as_quat()
    angle = 2 * np.arctan2(quaternion[:, :3] @ unit(axis), quaternion[:, 3])
    return (angle + np.pi) % (2 * np.pi) - np.pi


def about(axis: Float[np.ndarray, "3"], angle: Float[np.ndarray, "T"]) -> np.ndarray:
    return Rotation.from_rotvec(unit(axis) * np.asarray(angle)[:, None]).as_matrix()


def inverse(rotation: np.ndarray) -> np.ndarray:
    return np.swapaxes(rotation, -1, -2)


class Rest(NamedTuple):
    """Directions of anny's limbs in its rest pose (a person of average build), by bone."""

    ahead: dict[str, np.ndarray]  # along the bone
    beside: dict[str, np.ndarray]  # elbow's axis of bending; toes of a leg; across a hand


@lru_cache(maxsize=1)
def rest() -> Rest:
    figure: Body = body()
    at = dict(zip(figure.bones, figure.pose().joints[0], strict=True))
    ahead, beside = {}, {}
    for s in "LR":
        upper = at[f"lowerarm01.{s}"] - at[f"upperarm01.{s}"]
        fore = at[f"wrist.{s}"] - at[f"lowerarm01.{s}"]
        toes = at[f"toe2-1.{s}"] - at[f"foot.{s}"]
        ahead |= {
            f"clavicle.{s}": at[f"upperarm01.{s}"] - at[f"clavicle.{s}"],
            f"upperarm01.{s}": upper, f"lowerarm01.{s}": fore,
            f"wrist.{s}": at[f"finger3-1.{s}"] - at[f"wrist.{s}"],
            f"upperleg01.{s}": at[f"lowerleg01.{s}"] - at[f"upperleg01.{s}"],
            f"lowerleg01.{s}": at[f"foot.{s}"] - at[f"lowerleg01.{s}"], f"foot.{s}": toes,
        }  # fmt: skip
        beside |= {
            f"arm.{s}": unit(np.cross(upper, fore)), f"leg.{s}": unit(toes),
            f"wrist.{s}": at[f"finger5-1.{s}"] - at[f"finger2-1.{s}"],
        }  # fmt: skip
    return Rest({k: unit(v) for k, v in ahead.items()}, beside)


# ---- a motion -----------------------------------------------------------------------------------
class Pose(NamedTuple):
    """A stretch of motion: world rotations by bone away from the rest pose, and the hips' path in
    lengths of the leg (hip to ankle)."""

    rotations: Rotations
    hips: Float[np.ndarray, "T 3"]

    def mirrored(self) -> "Pose":
        """Left and right exchanged."""
        flip = np.array([-1.0, 1.0, 1.0])
        sign = flip[:, None] * flip
        other = {"L": "R", "R": "L"}
        name = {k: k[:-1] + other[k[-1]] if k[-2] == "." else k for k in self.rotations}
        return Pose({name[k]: sign * v for k, v in self.rotations.items()}, self.hips * flip)

    def turned(self, yaw: float) -> "Pose":
        """The whole motion turned by ``yaw`` radians about the vertical, to the figure's left."""
        matrix = Rotation.from_rotvec([0, 0, yaw]).as_matrix()
        return Pose({k: matrix @ v for k, v in self.rotations.items()}, self.hips @ matrix.T)

    def heading(self) -> float:
        """The yaw in radians at which the figure looks, on the average."""
        looks = -self.rotations["root"][:, :2, 1].mean(0)
        return float(np.arctan2(looks[0], -looks[1]))

    def turns(self) -> Rotations:
        """Rotation of each bone relative to its parent, as `Body.pose` takes it."""
        d, turned = self.rotations, {"root": self.rotations["root"]}
        bend = inverse(d["root"]) @ d["spine01"]
        turned |= {bone: power(bend, 1 / len(SPINE)) for bone in SPINE}
        nod = inverse(d["spine01"]) @ d["head"]
        turned |= {bone: power(nod, 1 / len(NECK)) for bone in NECK}
        ahead = rest().ahead
        for s in "LR":
            chain = [("clavicle", "spine01"), ("upperarm01", f"clavicle.{s}"),
                     ("lowerarm01", f"upperarm01.{s}"), ("wrist", f"lowerarm01.{s}"),
                     ("upperleg01", "root"), ("lowerleg01", f"upperleg01.{s}"),
                     ("foot", f"lowerleg01.{s}")]  # fmt: skip
            for bone, parent in chain:
                turned[f"{bone}.{s}"] = inverse(d[parent]) @ d[f"{bone}.{s}"]
            # Flesh twists gradually: half of a twist is given to the second half of the limb.
            for bone, low in (("upperarm01", "upperarm02"), ("upperleg01", "upperleg02")):
                line = ahead[f"{bone}.{s}"]
                half = about(line, twist(turned[f"{bone}.{s}"], line) / 2)
                turned[f"{bone}.{s}"] = turned[f"{bone}.{s}"] @ inverse(half)
                turned[f"{low}.{s}"] = half
            line = ahead[f"lowerarm01.{s}"]
            half = about(line, 0.6 * twist(turned[f"wrist.{s}"], line))
            turned[f"lowerarm02.{s}"] = half
            turned[f"wrist.{s}"] = inverse(half) @ turned[f"wrist.{s}"]
        return turned


class Motion:
    """A recorded clip; ``seconds`` long, ``loops`` says whether it can go on from its start."""

    name: str
    seconds: float
    loops: bool

    def at(self, times: Float[np.ndarray, "T"]) -> Pose:
        """The motion at these times (seconds), heading as recorded."""
        raise NotImplementedError


class Positions(Motion):
    """Joint positions of holosoma's climbing clips."""

    loops = False

    def __init__(self, name: str, values: Float[np.ndarray, "T J 3"], joints: list[str]):
        self.name, self.joints = name, joints
        self.values = gaussian_filter1d(values.astype(np.float64), 2.0, axis=0)
        self.seconds = (len(values) - 1) / RATE
        place = {j: self.values[:, joints.index(j)] for j in joints}
        up = unit(place["Head"] - place["Hips"])[:, 2]
        hands = place["LeftHand"][:, 2] + place["RightHand"][:, 2] - 2 * place["Hips"][:, 2]
        still = int(np.argmin(hands + 4 * (up < 0.985)))  # upright, arms hanging
        self.upright = up
        self.standing = {j: v[still : still + 1] for j, v in place.items()}
        left = (self.standing["LeftUpLeg"] - self.standing["RightUpLeg"])[0]
        facing = Rotation.from_rotvec([0, 0, -np.arctan2(left[1], left[0])]).as_matrix()
        self.standing = {j: v @ facing.T for j, v in self.standing.items()}
        s = self.standing
        self.leg = np.mean([np.linalg.norm(s[f"{w}UpLeg"] - s[f"{w}Leg"])
                            + np.linalg.norm(s[f"{w}Leg"] - s[f"{w}Foot"]) for _, w in SIDES])

    def at(self, times: Float[np.ndarray, "T"]) -> Pose:
        position = np.clip(np.asarray(times) * RATE, 0, len(self.values) - 1)
        low = np.minimum(position.astype(int), len(self.values) - 2)
        part = (position - low)[:, None, None]
        values = self.values[low] * (1 - part) + self.values[low + 1] * part
        p = {j: values[:, k] for k, j in enumerate(self.joints)}
        d: Rotations = {}

        def change(across, up):  # rotation of a part of the trunk since standing
            now = frame(p[up[1]] - p[up[0]], p[across[1]] - p[across[0]])
            s = self.standing
            return now @ inverse(frame(s[up[1]] - s[up[0]], s[across[1]] - s[across[0]]))

        d["root"] = change(("RightUpLeg", "LeftUpLeg"), ("Hips", "Spine1"))
        d["spine01"] = change(("RightShoulder", "LeftShoulder"), ("Spine", "Neck"))
        neck = (self.standing["Head"] - self.standing["Neck"])[0]
        nod = swing(d["spine01"] @ neck, p["Head"] - p["Neck"])
        d["head"] = power(nod, 0.7) @ d["spine01"]
        for s, w in SIDES:
            self._arm(d, p, s, w)
            self._leg(d, p, s, w)
        return Pose(d, (p["LeftUpLeg"] + p["RightUpLeg"]) / 2 / self.leg)

    def _arm(self, d: Rotations, p: dict, s: str, w: str) -> None:
        ahead, beside = rest()
        girdle = (self.standing[f"{w}Arm"] - self.standing[f"{w}Shoulder"])[0]
        shrug = swing(d["spine01"] @ girdle, p[f"{w}Arm"] - p[f"{w}Shoulder"])
        d[f"clavicle.{s}"] = shrug @ d["spine01"]
        upper, fore = p[f"{w}ForeArm"] - p[f"{w}Arm"], p[f"{w}Hand"] - p[f"{w}ForeArm"]
        plain = swing(d["spine01"] @ ahead[f"upperarm01.{s}"], upper) @ d["spine01"]
        # Where the elbow bends, its axis says how the upper arm is twisted.
        hinge = np.cross(unit(upper), unit(fore))
        here = (inverse(plain) @ unit(hinge)[..., None])[..., 0]
        line, zero = ahead[f"upperarm01.{s}"], beside[f"arm.{s}"]
        angle = np.arctan2(np.cross(zero, here) @ line, here @ zero)
        bent = np.clip((np.linalg.norm(hinge, axis=1) - 0.15) / 0.35, 0, 1)
        angle = gaussian_filter1d(np.clip(angle, -2, 2) * bent, 1.5)
        angle = angle / np.maximum(gaussian_filter1d(bent, 1.5), 0.3)
        d[f"upperarm01.{s}"] = arm = plain @ about(line, angle)
        d[f"lowerarm01.{s}"] = low = swing(arm @ ahead[f"lowerarm01.{s}"], fore) @ arm
        hand = frame(p[f"{w}HandMiddle1"] - p[f"{w}Hand"],
                     p[f"{w}HandPinky1"] - p[f"{w}HandIndex1"])
        wrist = hand @ inverse(frame(ahead[f"wrist.{s}"], beside[f"wrist.{s}"]))
        bend = Rotation.from_matrix(inverse(low) @ wrist).as_rotvec()
        size = np.linalg.norm(bend, axis=1, keepdims=True)
        bend *= np.minimum(1, 1.6 / np.maximum(size, 1e-6))  # no wrist turns further
        d[f"wrist.{s}"] = low @ Rotation.from_rotvec(bend).as_matrix()

    def _leg(self, d: Rotations, p: dict, s: str, w: str) -> None:
        ahead, beside = rest()
        thigh, shin = p[f"{w}Leg"] - p[f"{w}UpLeg"], p[f"{w}Foot"] - p[f"{w}Leg"]
        toes = p[f"{w}ToeBase"] - p[f"{w}Foot"]
        still = self.standing
        d[f"lowerleg01.{s}"] = low = frame(shin, toes) @ inverse(
            frame(ahead[f"lowerleg01.{s}"], beside[f"leg.{s}"]))
        d[f"upperleg01.{s}"] = swing(low @ ahead[f"upperleg01.{s}"], thigh) @ low
        # A foot stands flat where the recorded one stood flat, and as far turned out.
        stood = (still[f"{w}ToeBase"] - still[f"{w}Foot"])[0]
        outward = swing(ahead[f"foot.{s}"] * [1, 1, 0], stood * [1, 1, 0])
        then = frame(stood, (still[f"{w}Leg"] - still[f"{w}Foot"])[0])
        d[f"foot.{s}"] = frame(toes, -shin) @ inverse(then) @ outward


# Link, its parent, and where its rotation stands in a row of a DeepMimic clip.
_LINKS = (
    ("root", None, slice(4, 8)), ("spine01", "root", slice(8, 12)), ("head", "spine01",
    slice(12, 16)), ("upperleg01.R", "root", slice(16, 20)), ("lowerleg01.R", "upperleg01.R", 20),
    ("foot.R", "lowerleg01.R", slice(21, 25)), ("upperarm01.R", "spine01", slice(25, 29)),
    ("lowerarm01.R", "upperarm01.R", 29), ("upperleg01.L", "root", slice(30, 34)),
    ("lowerleg01.L", "upperleg01.L", 34), ("foot.L", "lowerleg01.L", slice(35, 39)),
    ("upperarm01.L", "spine01", slice(39, 43)), ("lowerarm01.L", "upperarm01.L", 43),
)  # fmt: skip
_AXES = np.array([[0.0, 0, -1], [-1, 0, 0], [0, 1, 0]])  # DeepMimic: x ahead, y up, z right
_LEG = 0.421546 + 0.409870


class Links(Motion):
    """Joint rotations of a DeepMimic clip."""

    def __init__(self, name: str, rows: Float[np.ndarray, "T 44"], step: float, loops: bool):
        self.name, self.loops = name, loops
        times = np.arange(len(rows)) * step
        self.seconds = float(times[-1])
        self.times, self.place = times, rows[:, 1:4] @ _AXES.T / _LEG
        self.local = {}
        for link, _, where in _LINKS:
            if isinstance(where, int):
                turn = Rotation.from_rotvec(rows[:, where, None] * [0.0, 0.0, 1.0])
            else:
                turn = Rotation.from_quat(np.roll(rows[:, where], -1, axis=1))  # w is first there
            self.local[link] = Slerp(times, turn)
        self.seam = {k: inverse(v(self.seconds).as_matrix()) @ v(0.0).as_matrix()
                     for k, v in self.local.items()}
        first, last = (self.local["root"](t).as_matrix() for t in (0.0, self.seconds))
        turned = _AXES @ last @ first.T @ _AXES.T
        self.yaw = float(np.arctan2(turned[1, 0] - turned[0, 1], turned[0, 0] + turned[1, 1]))

    def at(self, times: Float[np.ndarray, "T"]) -> Pose:
        times = np.asarray(times, np.float64)
        laps = np.floor(times / self.seconds) if self.loops else np.zeros(len(times))
        inside = np.clip(times - laps * self.seconds, 0, self.seconds)
        ahead, beside = rest()
        down, across = np.array([0.0, 0, -1]), np.array([-1.0, 0, 0])
        world: Rotations = {}
        ending = np.clip(5 * inside / self.seconds - 4, 0, 1)
        ending = ending**2 * (3 - 2 * ending)
        for link, parent, _ in _LINKS:
            local = self.local[link](inside).as_matrix()
            if self.loops and parent is not None:  # the last fifth bends towards the first pose
                bend = Rotation.from_matrix(self.seam[link]).as_rotvec()
                local = local @ Rotation.from_rotvec(ending[:, None] * bend).as_matrix()
            world[link] = local if parent is None else world[parent] @ local
        d = {}
        for link, turned in world.items():
            start = np.eye(3)
            bone, s = link.split(".") if "." in link else (link, "")
            if "arm" in bone:
                start = frame(down, across) @ inverse(frame(ahead[link], beside[f"arm.{s}"]))
            elif "leg" in bone:
                start = swing(ahead[link], down)
            elif bone == "foot":  # toes straight ahead
                start = swing(ahead[link] * [1, 1, 0], np.array([0.0, -1, 0]))
            d[link] = _AXES @ turned @ _AXES.T @ start
        hips = np.stack([np.interp(inside, self.times, self.place[:, k]) for k in range(3)], 1)
        for lap in range(1, int(laps.max(initial=0)) + 1):  # go on from where the last lap ended
            later = laps >= lap
            spin = Rotation.from_rotvec([0, 0, self.yaw]).as_matrix()
            shift = (self.place[-1] - spin @ self.place[0]) * [1, 1, 0]
            hips[later] = hips[later] @ spin.T + shift
            for link in d:
                d[link][later] = spin @ d[link][later]
        for s in "LR":
            d[f"clavicle.{s}"], d[f"wrist.{s}"] = d["spine01"], d[f"lowerarm01.{s}"]
        return Pose(d, hips)


@lru_cache(maxsize=32)
def load(name: str) -> Motion:
    """One of `NAMES`; its archive is fetched on first use."""
    if name in HOLOSOMA:
        folder = "holosoma_retargeting/"
        path = sources.extract("holosoma", f"{folder}demo_data/climb/{HOLOSOMA[name]}")
        text = sources.extract("holosoma", f"{folder}config_types/data_type.py").read_text()
        listed = text.split("MOCAP_DEMO_JOINTS = ")[1].split("]")[0] + "]"
        return Positions(name, np.load(path), ast.literal_eval(listed))
    if name in DEEPMIMIC:
        member = f"pybullet_data/data/motions/{DEEPMIMIC[name]}.txt"
        clip = json.loads(sources.extract("pybullet", member).read_text())
        rows = np.array(clip["Frames"], np.float64)
        loops = clip["Loop"] == "wrap" and name not in ("spinkick", "turn_right_a")
        return Links(name, rows, float(rows[0, 0]), loops)
    raise RenderError(f"There is no motion {name!r}; known are {', '.join(NAMES)}.")
