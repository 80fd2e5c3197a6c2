"""What is exactly true of a picture of `rendering.scene`: parts, flow and which joints are seen.

    truth = Truth(renderer)
    picture = renderer.draw(figure, posed, t, camera)
    facts = truth.read(figure, posed, t, camera, first=0)

The surface is drawn once more, and every sample carries its part and where its point of the
surface was in the ``first`` frame; the depth of that frame says whether it could be seen there.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from aidagen.rendering.body import Body, Posed, RenderError
from aidagen.rendering.scene import Camera, Figure, Renderer

PARTS = (
    "background", "head", "torso", "left upper arm", "left forearm", "left hand",
    "right upper arm", "right forearm", "right hand", "left thigh", "left shin", "left foot",
    "right thigh", "right shin", "right foot",
)  # fmt: skip
CARRIED = len(PARTS)
"""What stands in ``Facts.parts`` where a figure carries something, as a bag."""
JOINTS = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder",
    "left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip",
    "left knee", "right knee", "left ankle", "right ankle",
)  # fmt: skip
"""COCO's order; left and right are the person's own."""

_BONES = {"eye": "eye", "shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist",
          "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot"}
_NEAR = {  # parts whose surface a joint lies right under
    "shoulder": ("torso", "{} upper arm"), "elbow": ("{} upper arm", "{} forearm"),
    "wrist": ("{} forearm", "{} hand"), "hip": ("torso", "{} thigh"),
    "knee": ("{} thigh", "{} shin"), "ankle": ("{} shin", "{} foot"), "neck": ("torso", "head"),
}  # fmt: skip
_REACH = {"shoulder": 0.14, "elbow": 0.08, "wrist": 0.06, "hip": 0.2, "knee": 0.1, "ankle": 0.1,
          "neck": 0.16}

_VERTEX = """#version 330
uniform mat4 view; in vec3 p, q; in float part; out vec3 Q; flat out float K;
void main() { gl_Position = view * vec4(p, 1); Q = q; K = part; }"""
_FRAGMENT = """#version 330
in vec3 Q; flat in float K; out vec4 fact; void main() { fact = vec4(Q, K); }"""


class Facts(NamedTuple):
    """Truth about one frame. Pixels are counted as in `aidagen.grids`: centres are integers."""

    parts: UInt8[np.ndarray, "H W"]  # index into PARTS, by the majority of a pixel's samples
    flow: Float[np.ndarray, "H W 2"]  # add to a pixel's (x, y) to find it in the first frame
    known: Bool[np.ndarray, "H W"]  # the point at the pixel's centre is seen in both frames
    joints: Float[np.ndarray, "17 2"]  # JOINTS, (x, y) in [-1, 1], align_corners=True
    visible: Bool[np.ndarray, "17"]  # not hidden behind another part of the body
    neck: Float[np.ndarray, "2"]  # the middle between the shoulders, which COCO does not count
    neck_visible: bool


def parts_of(body: Body) -> Float[np.ndarray, "V"]:
    """Index into `PARTS` of every vertex, by the bone that moves it most."""
    lengths = []
    for bone in body.bones:
        name, _, side = bone.partition(".")
        side = {"L": "left ", "R": "right ", "": ""}[side]
        for starts, part in (
            (("neck", "head", "eye"), "head"), (("upperarm",), f"{side}upper arm"),
            (("lowerarm",), f"{side}forearm"), (("wrist", "finger", "metacarpal"), f"{side}hand"),
            (("upperleg",), f"{side}thigh"), (("lowerleg",), f"{side}shin"),
            (("foot", "toe"), f"{side}foot"), (("",), "torso"),
        ):  # fmt: skip
            if name.startswith(starts):
                lengths.append(PARTS.index(part))
                break
    weights = body.model.vertex_bone_weights.numpy()
    bones = body.model.vertex_bone_indices.numpy()
    strongest = bones[np.arange(len(bones)), weights.argmax(1)]
    return np.array(lengths, np.float32)[strongest]


class Truth:
    """Reads the facts of pictures that ``renderer`` draws; the supersampling must be odd, so
    that one sample lies on a pixel's centre."""

    def __init__(self, renderer: Renderer):
        if renderer.supersample % 2 == 0:
            raise RenderError(
                f"Truth reads the sample on each pixel's centre, which supersample="
                f"{renderer.supersample} has not; give the Renderer an odd number."
            )
        self.renderer, context = renderer, renderer.context
        self._program = context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        self._seen = context.depth_texture(renderer._fine)
        colour = context.renderbuffer(renderer._fine, 4, dtype="f4")
        self._target = context.framebuffer([colour], self._seen)
        self._figure: Figure | None = None
        self._first: tuple | None = None

    def _load(self, figure: Figure) -> None:
        context = self.renderer.context
        count = len(figure.static)
        parts = np.concatenate([parts_of(figure.body)[figure._vertices], figure.worn_parts])
        self._moving = context.buffer(reserve=count * 24, dynamic=True)
        static = context.buffer(parts.tobytes())
        index = context.buffer(figure.faces.tobytes())
        self._draw = context.vertex_array(
            self._program, [(self._moving, "3f 3f", "p", "q"), (static, "1f", "part")], index)
        self._figure = figure

    def _samples(self, figure: Figure, now: np.ndarray, then: np.ndarray, view: np.ndarray):
        """(position in the first frame and part, depth in metres) of every sample, row 0 on top."""
        renderer, context = self.renderer, self.renderer.context
        if figure is not self._figure:
            self._load(figure)
        self._moving.write(np.concatenate([now, then], 1).astype("f4").tobytes())
        self._program["view"].write(np.ascontiguousarray(view.T).astype("f4").tobytes())
        self._target.use()
        self._target.clear(0.0, 0.0, 0.0, 0.0)
        context.enable(renderer._culling)
        self._draw.render(vertices=figure.closed)
        context.disable(renderer._culling)
        self._draw.render(first=figure.closed, vertices=figure.faces.size - figure.closed)
        width, height = renderer._fine
        facts = np.frombuffer(self._target.read(components=4, dtype="f4"), "f4")
        depth = np.frombuffer(self._seen.read(), "f4")
        return facts.reshape(height, width, 4)[::-1], _metres(depth.reshape(height, width)[::-1])

    def read(
        self, figure: Figure, posed: Posed, t: int, camera: Camera, first: int | None = 0
    ) -> Facts:
        """Facts of frame ``t`` of ``posed``, which the renderer has just drawn for ``camera``; flow
        leads to frame ``first`` (nowhere, and nothing is ``known``, if that is None)."""
        (height, width), s = self.renderer.size, self.renderer.supersample
        view = camera.matrix(width / height)
        now = np.frombuffer(self.renderer._moving.read(), "f4").reshape(-1, 6)[:, :3]
        if first is None:
            then, old = now, None
        else:
            then, old = self._begun(figure, posed, first, camera, view)
        facts, depth = self._samples(figure, now, then, view)
        kinds = facts[..., 3].round().astype(int).reshape(height, s, width, s)
        kinds = kinds.transpose(0, 2, 1, 3).reshape(height * width, s * s)
        each = np.arange(height * width)[:, None] * (CARRIED + 1) + kinds
        votes = np.bincount(each.ravel(), minlength=height * width * (CARRIED + 1))
        votes = votes.reshape(height, width, CARRIED + 1)
        flow, known = self._flow(facts, old, view)
        (*joints, neck), (*visible, bare) = self._joints(
            figure, posed, t, view, facts[..., 3], depth)
        return Facts(
            parts=votes.argmax(-1).astype(np.uint8),
            flow=flow, known=known, joints=np.array(joints), visible=np.array(visible),
            neck=neck, neck_visible=bool(bare),
        )  # fmt: skip

    def _begun(self, figure, posed, first, camera, view) -> tuple[np.ndarray, np.ndarray]:
        """(positions of the vertices in frame ``first``, depth in metres of its samples)."""
        if self._first is None or self._first[:3] != (id(posed), first, camera):
            then = figure.surface(posed, first)[0]
            old = self._samples(figure, then, then, view)[1]
            self._first = (id(posed), first, camera, then, old, posed)
        return self._first[3:5]

    def _flow(self, facts, old, view) -> tuple[np.ndarray, np.ndarray]:
        """(flow, known) from the samples' facts and the depth of the first frame."""
        (height, width), s = self.renderer.size, self.renderer.supersample
        if old is None:
            return np.zeros((height, width, 2), np.float32), np.zeros((height, width), bool)
        middle = facts[s // 2 :: s, s // 2 :: s]
        fine, away = self._pixels(middle[..., :3].reshape(-1, 3), view)
        inside = ((fine >= 0) & (fine < [width * s, height * s])).all(1)
        x, y = np.clip(fine, 0, [width * s - 1, height * s - 1]).astype(int).T
        # A slack of 3 cm: less than the thinnest limb, more than depth changes within a sample.
        seen = inside & (old[y, x] > away - 0.03)
        target = (fine / s - 0.5).reshape(height, width, 2)
        here = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
        known = (middle[..., 3] > 0) & seen.reshape(height, width)
        return np.where(known[..., None], target - here, 0).astype(np.float32), known

    def _pixels(self, points: np.ndarray, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(x, y) in samples, from the picture's upper left corner, and distance in metres."""
        clip = np.c_[points, np.ones(len(points))] @ view.T
        width, height = self.renderer._fine
        x, y = (clip[:, 0] / clip[:, 3] + 1) / 2 * width, (1 - clip[:, 1] / clip[:, 3]) / 2 * height
        return np.stack([x, y], 1), clip[:, 3]

    def _joints(self, figure, posed, t, view, kinds, depth):
        body, vertices = figure.body, posed.vertices[t]
        ears = body.ear_vertices
        points, visible = [], []
        for name in JOINTS:
            side, _, joint = name.rpartition(" ")
            if name == "nose":
                points.append(vertices[body.landmarks[30]])
            elif joint == "ear":
                own = ears[(body.template[ears, 0] > 0) == (side == "left")]
                points.append(vertices[own].mean(0))
            else:
                bone = f"{_BONES[joint]}.{side[0].upper()}"
                points.append(posed.joints[t][body.bones.index(bone)])
        shoulders = [JOINTS.index(f"{side} shoulder") for side in ("left", "right")]
        points = np.array([*points, (points[shoulders[0]] + points[shoulders[1]]) / 2])
        fine, away = self._pixels(points, view)
        height, width = depth.shape
        for name, at, far in zip((*JOINTS, "neck"), fine.astype(int), away, strict=True):
            side, _, joint = name.rpartition(" ")
            if not (0 <= at[0] < width and 0 <= at[1] < height):
                visible.append(False)
                continue
            part = (*PARTS, "carried")[int(kinds[at[1], at[0]])]
            near = tuple(n.format(side) for n in _NEAR.get(joint, ("head",)))
            gap = far - depth[at[1], at[0]]
            visible.append(part in near and gap < _REACH.get(joint, 0.03))
        picture = fine / self.renderer.supersample - 0.5
        size = np.array(self.renderer.size[::-1])
        return (2 * picture / (size - 1) - 1).astype(np.float32), np.array(visible)


def _metres(depth: np.ndarray, near: float = 0.1, far: float = 12.0) -> np.ndarray:
    """Distance along the line of sight from the depth buffer of `Camera.matrix`."""
    return 2 * near * far / (far + near - (2 * depth - 1) * (far - near))
