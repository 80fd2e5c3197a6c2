"""A Sawyer arm at a table, simulated and drawn with MuJoCo: bodies, joints in the picture, masks.

    look = draw_look(np.random.default_rng(0))
    scene = Scene(look)                        # arm at rest, object on the table
    scene.act(np.array([1.0, 0, 0, -1]))       # one frame's time to the robot's right, fingers open
    picture = scene.draw()                     # image, mask, joints at 64 px

The arm, its meshes and the table come from metaworld 3.1.1 (MIT); the physics and the renderer are
MuJoCo's (Apache-2.0). Both are needed only to render: ``pip install aidagen[robot]``, and EGL.

Control is metaworld's: the gripper is welded to a target that an action moves by at most 1 cm in
12.5 ms. The weld is stiffer than metaworld's, so that the arm follows at once. World axes in
metres: the robot stands at the origin and looks along +y; z is up, the table top is z = 0; the
camera looks back at the robot, so +x is to the *left* of the picture.
"""

import colorsys
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from aidagen.errors import AidagenError
from aidagen.rendering.opengl import before_mesa

REPEAT = 4  # control steps of 12.5 ms in which one action is held; one frame is seen after them
STEP = 0.01  # metres by which an action of 1 moves the target in a control step
PHYSICS = 5  # MuJoCo steps of 2.5 ms in a control step
LOW, HIGH = np.array([-0.22, 0.48, 0.06]), np.array([0.22, 0.78, 0.2])  # where the target may be
# Shoulder and elbow lie above the picture; forearm is the end of that link, at the wrist's bend.
JOINTS = ("forearm", "wrist", "flange", "gripper", "left_finger", "right_finger", "object")
PARTS = ("background", "arm", "gripper", "object")  # what the numbers in a mask mean
TEXTURES = {  # metaworld's, for the table, with their mean brightness
    "wood2.png": 0.36, "wood_light.png": 0.67, "granite.png": 0.73, "metal1.png": 0.52,
}  # fmt: skip
_LINKS = ("right_l0", "right_l1", "right_l2", "right_l3", "right_l4", "right_l5", "right_l6")
_ARM = ("right_arm_base_link", "head", "screen", "right_l1_2", *_LINKS)
_GRIPPER = ("right_hand", "hand", "rightclaw", "rightpad", "leftclaw", "leftpad")
_BODIES = {  # a joint is seen where one of these bodies is drawn at its place
    "forearm": ("right_l4", "right_l5"),
    "wrist": ("right_l5",),
    "flange": ("right_l6", "right_hand"),
    "gripper": _GRIPPER,
    "left_finger": ("leftclaw", "leftpad"),
    "right_finger": ("rightclaw", "rightpad"),
    "object": ("obj",),
}


@dataclass(frozen=True)
class Look:
    """Everything of a scene that does not move; colours are RGB in [0, 1], lengths metres."""

    table: str
    table_tint: tuple[float, ...]
    floor_tint: tuple[float, ...]
    wall_tint: tuple[float, ...]
    arm: tuple[float, ...]
    cuffs: float  # brightness of every other link of the arm against the rest
    fingers: tuple[float, ...]
    shape: str  # of the object: "puck" or "block"
    size: tuple[float, float]  # its radius (or half width) and half height
    colour: tuple[float, ...]
    wrist: float  # degrees by which the gripper is turned about the vertical
    azimuth: float  # of the camera, degrees; -90 looks straight at the robot
    elevation: float
    distance: float
    centre: tuple[float, ...]  # the point that the camera looks at
    light: tuple[float, ...]  # direction that the light with a shadow shines in
    key: float
    ambient: float


def draw_look(rng: np.random.Generator) -> Look:
    """One laboratory, as BAIR's: the arm is always the same, the camera is hardly moved; the table
    is one of four, under a light that changes a little, and every clip has an object of its own.
    """

    def near(value: float, apart: float) -> float:
        return float(value + apart * rng.uniform(-1, 1))

    table = str(rng.choice(list(TEXTURES)))
    gain = min(1.0, near(0.5, 0.06) / TEXTURES[table])
    return Look(
        table=table, table_tint=tuple(float(gain * v) for v in 1 + 0.06 * rng.uniform(-1, 1, 3)),
        floor_tint=(0.6, 0.6, 0.6), wall_tint=(0.7, 0.7, 0.7),
        arm=colorsys.hsv_to_rgb(0.0, 0.8, 0.62), cuffs=0.45, fingers=(0.85, 0.85, 0.85),
        shape=str(rng.choice(["puck", "block"])),
        size=(near(0.039, 0.006), near(0.027, 0.006)),
        # any colour but the arm's red
        colour=colorsys.hsv_to_rgb(near(0.5, 0.38), near(0.85, 0.15), near(0.8, 0.2)),
        wrist=near(90, 8), azimuth=near(-90, 3), elevation=near(-42, 1.5),
        distance=near(0.98, 0.02), centre=(near(0, 0.01), near(0.6, 0.01), 0.12),
        light=(near(0.3, 0.15), near(-0.4, 0.15), -1.0), key=near(0.35, 0.04),
        ambient=near(0.4, 0.03),
    )  # fmt: skip


class State(NamedTuple):
    """One moment of the simulation, enough to draw it."""

    qpos: Float[np.ndarray, " Q"]
    effector: Float[np.ndarray, "3"]  # where the gripper holds things, metres
    object: Float[np.ndarray, "3"]  # centre of the object, metres


class Picture(NamedTuple):
    """What one moment looks like; points are (x, y) in [-1, 1], align_corners=True."""

    image: UInt8[np.ndarray, "H W 3"]
    mask: UInt8[np.ndarray, "H W"]
    joints: Float[np.ndarray, "J 2"]
    inside: Bool[np.ndarray, " J"]
    visible: Bool[np.ndarray, " J"]


def assets() -> Path:
    """metaworld's folder of meshes and scenes; raises `AidagenError` where it is not installed."""
    missing = [name for name in ("metaworld", "mujoco") if find_spec(name) is None]
    if missing:
        raise AidagenError(
            f"Rendering the robot needs {' and '.join(missing)}, not installed here; run "
            "`pip install -c constraints.txt -e .[robot]`, or use the clips that ship."
        )
    return Path(find_spec("metaworld").submodule_search_locations[0]) / "assets"


class Scene:
    """Arm, table and one object; ``act`` moves time on, ``draw`` takes the picture.

    Pictures are rendered at ``supersample`` times their size and averaged.
    """

    def __init__(self, look: Look, size: int = 64, supersample: int = 3):
        folder = assets()
        before_mesa()
        os.environ.setdefault("MUJOCO_GL", "egl")
        import mujoco

        self.look, self.size, self.supersample = look, size, supersample
        self._mujoco = mujoco
        self.model = _model(mujoco, folder, look)
        self.data = mujoco.MjData(self.model)
        self._renderer = None
        self.camera = mujoco.MjvCamera()
        self.camera.lookat[:] = look.centre
        self.camera.distance, self.camera.azimuth = look.distance, look.azimuth
        self.camera.elevation = look.elevation
        names = [self.model.body(i).name for i in range(self.model.nbody)]
        self._part = np.zeros(self.model.nbody + 1, np.uint8)  # the last one: nothing was drawn
        for i, name in enumerate(names):
            self._part[i] = 1 if name in _ARM else 2 if name in _GRIPPER else 3 * (name == "obj")
        self._bodies = [[names.index(body) for body in _BODIES[joint]] for joint in JOINTS]
        self.target = np.array([0, 0.6, 0.2])
        self._step(200, -1)

    def _step(self, count: int, fingers: float) -> None:
        c, s = np.cos(np.radians(self.look.wrist) / 2), np.sin(np.radians(self.look.wrist) / 2)
        for _ in range(count):
            self.data.mocap_pos[0] = self.target
            self.data.mocap_quat[0] = (c, -s, c, s)  # fingers downwards, turned about z
            self.data.ctrl[:] = (fingers, -fingers)
            self._mujoco.mj_step(self.model, self.data, PHYSICS)

    def place(self, hand: Float[np.ndarray, "3"], thing: Float[np.ndarray, "2"], turn: float):
        """Move the hand to ``hand``; then put the object at ``thing``, ``turn`` radians about z."""
        joint = self.data.joint("objjoint")
        joint.qpos[:3] = (0.6, 0.9, self.look.size[1])  # out of the way
        while (np.abs(hand - self.target) > 1e-9).any():
            self.target = self.target + np.clip(hand - self.target, -STEP, STEP)
            self._step(1, -1)
        self._step(20, -1)
        joint.qpos[:] = (*thing, self.look.size[1], np.cos(turn / 2), 0, 0, np.sin(turn / 2))
        joint.qvel[:] = 0
        self._mujoco.mj_forward(self.model, self.data)

    def act(self, action: Float[np.ndarray, "4"]) -> Float[np.ndarray, "4"]:
        """Hold ``action`` for one frame's time; returns it as far as the workspace allowed it.

        ``action`` is (x, y, z, fingers) in [-1, 1]: 1 moves the target by 1 cm in each of `REPEAT`
        control steps; fingers 1 closes them, -1 opens them.
        """
        action = np.clip(action, -1, 1)
        reach = REPEAT * STEP
        allowed = np.clip(self.target + reach * action[:3], LOW, HIGH) - self.target
        for _ in range(REPEAT):
            self.target = self.target + allowed / REPEAT
            self._step(1, float(action[3]))
        return np.append(allowed / reach, action[3])

    def state(self) -> State:
        """The present moment."""
        return State(
            self.data.qpos.copy(), self.data.site("endEffector").xpos.copy(),
            self.data.body("obj").xpos.copy(),
        )  # fmt: skip

    def show(self, state: State) -> None:
        """Go back to a moment, to look at it (velocities are lost)."""
        self.data.qpos[:] = state.qpos
        self._mujoco.mj_forward(self.model, self.data)

    def points(self) -> Float[np.ndarray, "J 3"]:
        """Joints in the world, metres, in the order of `JOINTS`."""
        d = self.data
        links = [d.body(name).xpos for name in ("right_l5", "right_wrist", "right_hand")]
        fingers = [d.geom(name).xpos for name in ("leftpad_geom", "rightpad_geom")]
        return np.array([*links, d.geom("rail").xpos, *fingers, d.body("obj").xpos])

    def project(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 2"]:
        """World points in the picture, (x, y) in [-1, 1] with align_corners=True."""
        azimuth, elevation = np.radians(self.look.azimuth), np.radians(self.look.elevation)
        forward = np.array([np.cos(elevation) * np.cos(azimuth),
                            np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])  # fmt: skip
        right = np.array([np.sin(azimuth), -np.cos(azimuth), 0])
        away = points - (np.array(self.look.centre) - self.look.distance * forward)
        tangent = np.tan(np.radians(self.model.vis.global_.fovy) / 2)
        depth = away @ forward
        across, up = away @ right, away @ np.cross(right, forward)
        # in units of the picture's edges; the centres of the outer pixels lie half a pixel inside
        edges = np.stack([across, -up], 1) / (depth * tangent)[:, None]
        return edges * self.size / (self.size - 1)

    def draw(self) -> Picture:
        """The present moment as a picture with its labels."""
        mujoco, fine = self._mujoco, self.size * self.supersample
        if self._renderer is None:
            self._renderer = mujoco.Renderer(self.model, fine, fine)
        renderer = self._renderer
        hidden = mujoco.MjvOption()
        hidden.sitegroup[:] = 0
        renderer.update_scene(self.data, self.camera, hidden)
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        sharp = renderer.render()
        renderer.enable_segmentation_rendering()
        geoms = renderer.render()[..., 0]
        renderer.disable_segmentation_rendering()
        bodies = np.where(geoms < 0, self.model.nbody, self.model.geom_bodyid[geoms])
        image = self._blocks(sharp.astype(np.float32)).mean(2)
        part = self._blocks(self._part[bodies])
        votes = np.stack([(part == k).sum(2) for k in range(len(PARTS))])
        joints = self.project(self.points())
        inside = (np.abs(joints) <= 1).all(1)
        return Picture(
            np.round(image).astype(np.uint8), votes.argmax(0).astype(np.uint8),
            joints, inside, inside & self._seen(joints, bodies),
        )  # fmt: skip

    def _blocks(self, fine: np.ndarray) -> np.ndarray:
        """(fine, fine, ...) as (size, size, samples, ...)."""
        n, s = self.size, self.supersample
        grid = fine.reshape(n, s, n, s, *fine.shape[2:]).swapaxes(1, 2)
        return grid.reshape(n, n, s * s, *fine.shape[2:])

    def _seen(self, joints: np.ndarray, bodies: np.ndarray) -> np.ndarray:
        """Whether the joint's own bodies are what is drawn within 2/3 of a pixel of it."""
        seen, fine = np.zeros(len(joints), bool), self.size * self.supersample
        reach = max(1, round(2 / 3 * self.supersample))
        for j, (x, y) in enumerate((joints * (self.size - 1) / self.size + 1) / 2 * fine):
            row, column = int(y), int(x)
            near = bodies[max(0, row - reach) : row + reach + 1,
                          max(0, column - reach) : column + reach + 1]  # fmt: skip
            seen[j] = np.isin(near, self._bodies[j]).any()
        return seen

    def close(self) -> None:
        """Free the OpenGL context."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def _model(mujoco, folder: Path, look: Look):
    """metaworld's pushing scene, painted and furnished after ``look``."""
    spec = mujoco.MjSpec.from_file(str(folder / "sawyer_xyz" / "sawyer_push_v3.xml"))
    for texture in spec.textures:
        if texture.name == "T_table":
            texture.file = texture.file.replace("wood2.png", look.table)
    tints = {"table_wood": look.table_tint, "basic_floor": look.floor_tint,
             "wall_metal": look.wall_tint}  # fmt: skip
    for material in spec.materials:
        if material.name in tints:
            material.rgba[:3] = tints[material.name]
            material.reflectance = 0
            material.specular, material.shininess = 0.2, 0.2
    round_ = look.shape == "puck"
    for geom in spec.geoms:
        body = geom.parent.name
        if geom.name == "objGeom":
            kind = mujoco.mjtGeom.mjGEOM_CYLINDER if round_ else mujoco.mjtGeom.mjGEOM_BOX
            radius, height = look.size
            geom.type, geom.material = kind, ""
            geom.size[:] = (radius, height, 0) if round_ else (radius, radius, height)
            geom.rgba[:3] = look.colour
        elif geom.name in ("rightpad_geom", "leftpad_geom"):
            geom.size[1] = 0.008  # 6 mm would be thinner than a pixel
            geom.rgba[:3] = look.fingers
        elif geom.rgba[3] and body in _LINKS + ("right_arm_base_link", "head"):
            dark = look.cuffs if body in ("right_l1", "right_l3", "right_l5") else 1.0
            geom.rgba[:3] = np.array(look.arm) * dark
        elif body == "right_hand" and geom.rgba[0] > 0:
            geom.rgba[:3] = np.array(look.arm) * look.cuffs
    for light in spec.lights:
        light.diffuse[:] = 0.5 * look.key
        if light.castshadow:
            light.dir[:], light.diffuse[:] = look.light, look.key
    model = spec.compile()
    for i in range(model.neq):  # as metaworld resets its weld: no offset, turned as the target
        model.eq_data[i] = (0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 5)
        model.eq_solref[i, 0] = 0.007  # seconds; metaworld's 0.02 lags a frame behind
    model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:] = look.ambient, 0.2
    model.vis.headlight.specular[:] = 0.1
    model.vis.quality.shadowsize, model.vis.quality.offsamples = 1024, 0
    return model
