"""robot: a simulated Sawyer arm that pushes an object, a stand-in for BAIR at 64 px.

    clips = load().clips("train")
    clips[0].frames(), clips[0].labels()

176 scenes (140 train, 12 val, 24 test), one clip each: 32 frames at 20 frames per second, 64 x 64,
fixed camera. As in BAIR robot pushing there is one laboratory with one arm, which wanders at random
or pushes a puck or a block about, fingers opening and closing. Every clip has an object and a
motion of its own, in no other clip; the table is one of four; camera and light differ a little.

``labels()`` of a clip holds, for its T = 32 frames:

    joints   (T, J, 2)    in the order of ``info["joints"]``, (x, y) in [-1, 1],
                          align_corners=True, to 1/8 pixel; a joint outside keeps its place, at
                          most at 2 (then it lies further out)
    inside   (T, J)       bool: the joint is in the picture
    visible  (T, J)       bool: inside, and the part it belongs to is what is seen there
    mask     (T, 64, 64)  uint8: what ``info["parts"]`` lists: background, arm, gripper, object
    actions  (T, 4)       x, y, z and fingers in [-1, 1]: ``actions[t]`` is carried out between
                          frames t and t + 1 (the last one was chosen, and not carried out)
    state    (T, 3)       the point between the finger tips, in metres
    object   (T, 3)       centre of the object, in metres

An action of 1 moves the gripper by about 4 cm along the axis. +x is to the left of the picture, +y
towards the camera, +z up; fingers 1 closes, -1 opens.
Each entry (``clip.entry``) says how the scene looks; ``person`` is its number.
``data_scripts/make_set.py robot`` makes the set again, or a larger one.
"""

from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from aidagen.datasets import rendered
from aidagen.datasets.layout import ClipSet
from aidagen.datasets.rendered import Drawing, Shares
from aidagen.errors import AidagenError

FPS = 20
FRAMES = 32
SHARES = Shares(of=44, test=6, val=3)
PACK = Path(__file__).resolve().parents[1] / "packs" / "robot"


def load() -> ClipSet:
    """The set that ships with the package (no download, nothing to render)."""
    return ClipSet(PACK)


class Wander:
    """Straight bits of random direction and length, as BAIR's random pushing; now and then rest.

    Called with where target and object are, metres; gives the next action. The direction changes
    at random moments, so what comes next cannot be read from what was.
    """

    def __init__(self, rng: np.random.Generator):
        from aidagen.rendering.robot import HIGH, LOW, REPEAT, STEP

        self.rng, self.low, self.high, self.reach = rng, LOW, HIGH, REPEAT * STEP
        self.left, self.fingers = 0, float(rng.choice([-1, 1]))
        self.action = np.zeros(3)

    def __call__(self, target: Float[np.ndarray, "3"], thing: Float[np.ndarray, "3"]):
        after = target + self.reach * self.action
        if self.left == 0 or (after[:2] < self.low[:2]).any() or (after[:2] > self.high[:2]).any():
            self._turn(target, thing)
        self.left -= 1
        if self.rng.uniform() < 0.15:
            self.fingers = -self.fingers
        return np.append(self.action + self.rng.normal(0, 0.08, 3), self.fingers)

    def _turn(self, target, thing) -> None:
        """A new direction that does not leave the workspace at once."""
        rng = self.rng
        self.left = int(rng.integers(2, 9))
        kind = rng.choice(["move", "swat", "rest"], p=(0.58, 0.32, 0.1))
        if kind == "rest":
            self.left, self.action = min(self.left, 3), np.zeros(3)
            return
        for _ in range(30):
            angle, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.65)
            way = speed * np.array([np.cos(angle), np.sin(angle)])
            rise = rng.normal(0, 0.3)
            if kind == "swat":  # down and at the object
                way = speed * (thing[:2] - target[:2]) / (np.linalg.norm(thing - target) + 1e-6)
                way, rise = way + rng.normal(0, 0.1, 2), -0.7
            self.action = np.array([*way, rise])
            ends = target + 2 * self.reach * self.action
            if (ends[:2] >= self.low[:2]).all() and (ends[:2] <= self.high[:2]).all():
                return


class Push:
    """Go behind the object, come down, push it towards a random place, rise; again and again."""

    def __init__(self, rng: np.random.Generator):
        from aidagen.rendering.robot import HIGH, LOW, REPEAT, STEP

        self.rng, self.low, self.high, self.reach = rng, LOW, HIGH, REPEAT * STEP
        self.phase, self.left = "choose", 0

    def __call__(self, target: Float[np.ndarray, "3"], thing: Float[np.ndarray, "3"]):
        rng = self.rng
        if self.phase == "choose":
            middle = (self.low + self.high)[:2] / 2
            towards = middle + rng.uniform(-0.2, 0.2, 2) - thing[:2]
            self.way = towards / (np.linalg.norm(towards) + 1e-6)
            self.speed, self.high_up = rng.uniform(0.4, 0.7), rng.uniform(0.12, 0.19)
            self.fingers = float(rng.choice([-1, 1]))
            self.phase = "above"
        behind = thing[:2] - 0.1 * self.way
        if self.phase == "above":
            goal = np.array([*behind, self.high_up])
            if np.linalg.norm(goal[:2] - target[:2]) < 0.03:
                self.phase = "down"
        if self.phase == "down":
            goal = np.array([*behind, self.low[2]])
            if target[2] < self.low[2] + 0.02:
                self.phase, self.left = "push", int(rng.integers(4, 9))
        if self.phase == "push":
            goal = np.array([*(target[:2] + self.reach * self.way), self.low[2]])
            self.left -= 1
            if self.left == 0:
                self.phase, self.left = "up", int(rng.integers(1, 4))
        elif self.phase == "up":
            goal = target + np.array([0, 0, 0.05])
            self.left -= 1
            if self.left == 0:
                self.phase = "choose"
        way = (goal - target) / self.reach
        way = self.speed * way / max(1.0, np.abs(way).max())
        return np.append(way + rng.normal(0, (0.25, 0.25, 0.1)), self.fingers)


def episode(scene, rng: np.random.Generator, frames: int = FRAMES) -> tuple[list, np.ndarray, str]:
    """(states at the frames, (frames, 4) actions, "wander" or "push") of one lively clip.

    Tried again, at most 20 times, until the gripper crosses a good part of the picture, stays in
    it most of the time, and the object does too; the liveliest try is taken where none is enough.
    The object must not be flung away or pressed into the table.
    """
    from aidagen.rendering.robot import HIGH, JOINTS, LOW, REPEAT, STEP

    gripper, thing = JOINTS.index("gripper"), JOINTS.index("object")
    best: tuple = (-1.0, None)
    kind = str(rng.choice(["wander", "push"], p=(0.5, 0.5)))
    for _ in range(20):
        place = rng.uniform((-0.14, 0.54), (0.14, 0.72))
        hand = rng.uniform(LOW + (0.04, 0.04, 0.04), HIGH - (0.04, 0.04, 0))
        scene.place(hand, place, rng.uniform(0, np.pi / 2))
        policy = (Wander if kind == "wander" else Push)(rng)
        states, actions, seen = [], [], []
        for _ in range(frames):
            states.append(scene.state())
            seen.append(scene.project(scene.points()))
            wanted = policy(scene.target, states[-1].object)
            actions.append(scene.act(wanted))
        seen = np.stack(seen)
        spread = np.ptp(seen[:, gripper], axis=0) / 2  # across and down, in sides of the picture
        inside = (np.abs(seen) <= 1).all(2).mean(0)
        seen_share = min(inside[gripper], 0.8) * min(inside[thing], 0.8)
        liveliness = min(spread.max(), 0.42) * min(spread.min(), 0.15) * seen_share
        things = np.stack([state.object for state in states])
        flung = np.abs(np.diff(things, axis=0)).max() > 2 * REPEAT * STEP
        if flung or things[:, 2].min() < scene.look.size[1] - 0.006:  # or pressed into the table
            continue
        if liveliness > best[0]:
            best = (liveliness, (states, np.stack(actions), kind))
        if liveliness >= 0.42 * 0.15 * 0.8 * 0.8 - 1e-9:
            break
    if best[1] is None:
        raise AidagenError(f"No try moved the {scene.look.shape} as it should; take another seed.")
    return best[1]


def clip(size: int, seed: int, index: int) -> Drawing:
    """Scene ``index``, which is about to be drawn; in words: how it looks."""
    from aidagen.rendering.robot import Scene, draw_look

    rng = np.random.default_rng([seed, index])
    look = draw_look(rng)
    scene = Scene(look, size)
    states, actions, kind = episode(scene, rng)
    pictures = []

    def frames():
        for state in states:
            scene.show(state)
            pictures.append(scene.draw())
            yield pictures[-1].image
        scene.close()

    def labels():
        joints = np.clip(np.stack([p.joints for p in pictures]), -2, 2)
        return {
            # Time runs fastest in memory: the file is smaller, the shape the same.
            "joints": np.asfortranarray(np.round(joints * 256) / 256, np.float16),
            "inside": np.asfortranarray(np.stack([p.inside for p in pictures])),
            "visible": np.asfortranarray(np.stack([p.visible for p in pictures])),
            "mask": np.stack([p.mask for p in pictures]),
            "actions": np.asfortranarray(np.round(actions * 256) / 256, np.float16),
            "state": np.stack([s.effector for s in states]).astype(np.float32),
            "object": np.stack([s.object for s in states]).astype(np.float32),
        }

    seen = {"person": index, "behaviour": kind, "table": look.table.split(".")[0],
            "shape": look.shape, "azimuth": round(look.azimuth, 2),
            "elevation": round(look.elevation, 2), "distance": round(look.distance, 3),
            "arm": [round(c, 3) for c in look.arm],
            "colour": [round(c, 3) for c in look.colour]}  # fmt: skip
    return Drawing(frames(), labels, seen)


def make(
    root: str | Path, clips: int = 176, size: int = 64, seed: int = 0, progress: bool = True
) -> ClipSet:
    """Render the set into ``root``; clips that are finished there are kept (`rendered.make`).

    Raises ``AidagenError`` where the simulator is missing.
    """
    from aidagen.rendering.robot import JOINTS, PARTS, REPEAT, STEP, assets

    def studio():
        assets()  # missing packages are reported before anything is written
        return partial(clip, size)

    info = {
        "name": "robot", "version": "1", "redistributable": True,
        "source": "rendered with metaworld 3.1.1 (Sawyer arm, table) and MuJoCo 3.3.0",
        "licence": "CC0-1.0 (the frames); metaworld and its meshes MIT, MuJoCo Apache-2.0",
        "citation": "Yu et al., Meta-World, CoRL 2019, arXiv:1910.10897; Todorov et al., MuJoCo, "
        "IROS 2012; after Ebert et al., Self-Supervised Visual Planning, CoRL 2017 (BAIR)",
        "joints": JOINTS, "parts": PARTS, "metres_per_action": REPEAT * STEP,
    }  # fmt: skip
    return rendered.make(
        root, info, SHARES, studio,
        clips=clips, size=size, seed=seed, fps=FPS, crf=15, progress=progress,
    )  # fmt: skip
