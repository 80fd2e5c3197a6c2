"""The one renderer: people in moving pictures, with the truth about every frame.

    from aidagen.rendering.scene import Camera, Figure, Light, Look, Renderer, turn
    figure = Figure(phenotype={"gender": 0.2, "age": 0.7}, look=Look(hair="bob"))
    posed = figure.pose(actions={"jawOpen": [0, 0.5, 1]}, turns={"head": turn(yaw=[0, 10, 20])})
    renderer = Renderer(size=(128, 128))
    pictures = [renderer.draw(figure, posed, t, Camera.face(figure)) for t in range(3)]

Pictures are drawn off-screen by OpenGL through EGL (a software driver is enough). Needs
`pip install aidagen[data]` and, on Debian, the packages libegl1 and libegl-mesa0.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from aidagen.rendering import hair, paint
from aidagen.rendering.body import DETAILS, PHENOTYPES, Body, Posed, RenderError, body
from aidagen.rendering.opengl import before_mesa
from aidagen.rendering.paint import Clothes, Look, background
from aidagen.rendering.shaders import DEPTH_FRAGMENT, DEPTH_VERTEX, FRAGMENT, VERTEX

__all__ = [
    "DETAILS", "PHENOTYPES", "Body", "Camera", "Clothes", "Figure", "Light", "Look", "Picture",
    "Posed", "RenderError", "Renderer", "background", "body", "head_angles", "turn",
]
SHADOW = 512


Angle = float | list[float] | np.ndarray


def turn(yaw: Angle = 0.0, pitch: Angle = 0.0, roll: Angle = 0.0) -> Float[np.ndarray, "*T 3 3"]:
    """Rotation from angles in degrees: yaw + towards the figure's left (right in a frontal
    picture), pitch + up, roll + clockwise as seen by a viewer in front."""
    y, p, r = np.broadcast_arrays(*(np.radians(np.asarray(v, np.float64)) for v in
                                    (yaw, pitch, roll)))
    zero, one = np.zeros_like(y), np.ones_like(y)

    def stack(*rows):
        return np.stack([np.stack(row, -1) for row in rows], -2)

    about_z = stack((np.cos(y), -np.sin(y), zero), (np.sin(y), np.cos(y), zero), (zero, zero, one))
    about_x = stack((one, zero, zero), (zero, np.cos(p), np.sin(p)), (zero, -np.sin(p), np.cos(p)))
    about_y = stack((np.cos(r), zero, np.sin(r)), (zero, one, zero), (-np.sin(r), zero, np.cos(r)))
    return about_z @ about_x @ about_y


def head_angles(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3"]:
    """(yaw, pitch, roll) in degrees: the inverse of `turn`."""
    yaw = np.arctan2(-rotation[0, 1], rotation[1, 1])
    pitch = -np.arcsin(np.clip(rotation[2, 1], -1, 1))
    roll = np.arctan2(-rotation[2, 0], rotation[2, 2])
    return np.degrees(np.array([yaw, pitch, roll], np.float32))


@dataclass(frozen=True)
class Light:
    """One lamp far away and a hemisphere of ambient light."""

    towards: tuple[float, float, float] = (0.4, -1.0, 0.8)  # from the figure to the lamp
    key: float = 0.75
    colour: tuple[float, float, float] = (1.0, 0.97, 0.92)
    ambient: float = 0.45
    tint: tuple[float, float, float] = (0.95, 0.97, 1.0)


@dataclass(frozen=True)
class Camera:
    """A perspective camera at ``eye`` looking at ``target`` (metres), ``fov`` degrees high."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    fov: float = 20.0

    @staticmethod
    def face(figure: "Figure", fill: float = 0.6, fov: float = 18.0) -> "Camera":
        """Head and shoulders from the front: chin to crown is ``fill`` of the picture's height."""
        rest = figure.rest
        head = rest[figure.body.skull_vertices]
        low, high = rest[figure.body.landmarks[8], 2], head[:, 2].max()
        away = (high - low) / fill / (2 * np.tan(np.radians(fov) / 2))
        centre = float(head[:, 1].mean())
        level = float(low + 0.38 * (high - low))
        return Camera((0.0, centre - away, level), (0.0, centre, level), fov)

    @staticmethod
    def body(figure: "Figure", fill: float = 0.85, fov: float = 25.0) -> "Camera":
        """The whole figure from the front."""
        low, high = figure.rest[:13380, 2].min(), figure.rest[:13380, 2].max()
        away = (high - low) / fill / (2 * np.tan(np.radians(fov) / 2))
        level = float(0.5 * (low + high))
        return Camera((0.0, -away, level), (0.0, 0.0, level), fov)

    def moved(self, shift: Float[np.ndarray, "3"]) -> "Camera":
        """The same camera carried by ``shift`` metres."""
        eye, target = np.add(self.eye, shift), np.add(self.target, shift)
        return replace(self, eye=tuple(eye), target=tuple(target))

    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Columns: right, forward and up in world coordinates."""
        ahead = np.subtract(self.target, self.eye)
        ahead = ahead / np.linalg.norm(ahead)
        right = np.cross(ahead, [0, 0, 1])
        right /= np.linalg.norm(right)
        return np.stack([right, ahead, np.cross(right, ahead)], 1)

    def matrix(self, aspect: float) -> Float[np.ndarray, "4 4"]:
        """World to clip space."""
        right, ahead, up = self.axes().T
        view = np.eye(4)
        view[:3, :3] = right, up, -ahead
        view[:3, 3] = -view[:3, :3] @ self.eye
        g, near, far = 1 / np.tan(np.radians(self.fov) / 2), 0.1, 12.0
        lens = np.zeros((4, 4))
        lens[0, 0], lens[1, 1], lens[3, 2] = g / aspect, g, -1
        lens[2, 2], lens[2, 3] = (far + near) / (near - far), 2 * far * near / (near - far)
        return lens @ view


class Picture(NamedTuple):
    """One frame and what is true of it. Points are (x, y) in [-1, 1], align_corners=True."""

    image: UInt8[np.ndarray, "H W 3"]
    mask: UInt8[np.ndarray, "H W"]  # how much of the pixel the figure covers, 0 to 255
    landmarks: Float[np.ndarray, "68 2"]  # iBUG order, on the skin
    visible: Bool[np.ndarray, "68"]  # not hidden by the head itself, hair, hat or glasses
    joints: Float[np.ndarray, "J 2"]  # bone heads, in the order of figure.body.bones
    pose: Float[np.ndarray, "3"]  # yaw, pitch, roll of the head towards the camera, degrees


class Figure:
    """One person: a shape and a look. ``part`` is "bust" (all that a portrait shows) or "body"."""

    def __init__(
        self,
        phenotype: dict[str, float] | None = None,
        details: dict[str, float] | None = None,
        look: Look | None = None,
        part: str = "bust",
    ):
        if part not in ("bust", "body"):
            raise RenderError(f'A figure\'s part is "bust" or "body", not {part!r}.')
        self.body, self.look = body(), look or Look()
        self.phenotype, self.details = dict(phenotype or {}), dict(details or {})
        self.rest = self.body.pose(self.phenotype, self.details).rest
        self.texture = paint.paint(
            self.body, self.look, hair.hairline(hair.style(self.look), fringe=False)
        )
        self.lift = paint.displacement(self.body, self.look)
        self.pieces = hair.pieces(self.body, self.rest, self.look)
        self._assemble(part)

    def pose(self, actions=None, turns=None, frames: int | None = None) -> Posed:
        """See `Body.pose`; the number of frames is read from the arrays if it is not given."""
        if frames is None:
            values = [np.shape(v) for v in (actions or {}).values()]
            shapes = [np.shape(v)[:-2] for v in (turns or {}).values()]
            frames = max([s[0] for s in values + shapes if s], default=1)
        return self.body.pose(self.phenotype, self.details, actions, turns, frames)

    def _assemble(self, part: str) -> None:
        b, template = self.body, self.body.template
        faces, corners = b.parts["skin"]
        if part == "bust":
            kept = (template[faces, 2] > 0.4).all(1)
            faces, corners = faces[kept], corners[kept]
        pairs, index = np.unique(
            np.stack([faces.ravel(), corners.ravel()], 1), axis=0, return_inverse=True
        )
        blocks, count = [index.reshape(-1, 3)], len(pairs)
        self.closed = faces.size  # corners of the skin, whose inside is never seen
        vertices, uv = [pairs[:, 0]], [b.uv[pairs[:, 1]]]
        kinds, extra = [np.zeros(count)], [template[pairs[:, 0]]]
        for kind, name in ((1.0, "eyes"), (2.0, "teeth"), (3.0, "tongue")):
            ids, index = np.unique(b.parts[name][0], return_inverse=True)
            local = template[ids]
            if name == "eyes":
                for side in (local[:, 0] > 0, local[:, 0] < 0):
                    ball = local[side]
                    centre = (ball.max(0) + ball.min(0)) / 2
                    local[side] = (ball - centre) / ((ball.max(0) - ball.min(0))[2] / 2)
            blocks.append(index.reshape(-1, 3) + count)
            vertices.append(ids)
            uv.append(np.zeros((len(ids), 2)))
            kinds.append(np.full(len(ids), kind))
            extra.append(local)
            count += len(ids)
        self._vertices = np.concatenate(vertices)
        normals, points, carries = [], [], []
        for piece in self.pieces:
            blocks.append(piece.faces + count)
            a, c, d = (piece.points[piece.faces[:, k]] for k in range(3))
            normal = np.zeros_like(piece.points)
            for k in range(3):
                np.add.at(normal, piece.faces[:, k], np.cross(c - a, d - a))
            normals.append(normal / np.maximum(np.linalg.norm(normal, axis=1)[:, None], 1e-12))
            points.append(piece.points)
            carries.append(piece.carry)
            uv.append(np.zeros((len(piece.points), 2)))
            kinds.append(np.full(len(piece.points), piece.kind))
            extra.append(piece.extra)
            count += len(piece.points)
        self._points = np.concatenate(points) if points else np.zeros((0, 3))
        self._normals = np.concatenate(normals) if normals else np.zeros((0, 3))
        self._carry = np.concatenate(carries)[:, None] if carries else np.zeros((0, 1))
        self.faces = np.concatenate(blocks).astype("i4")
        self.worn_parts = np.ones(len(self._points), np.float32)  # `truth.PARTS`: the head's
        self.static = np.concatenate(
            [np.concatenate(uv), np.concatenate(kinds)[:, None], np.concatenate(extra)], 1
        ).astype("f4")

    def lifted(
        self, skin: Float[np.ndarray, "V 3"], normals: Float[np.ndarray, "V 3"]
    ) -> Float[np.ndarray, "V 3"]:
        """The skin with what covers it: cloth and beard."""
        return skin + self.lift[:, None] * normals

    def surface(self, posed: Posed, t: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(positions with cloth and beard, skin alone, normals) of frame ``t``."""
        skin = posed.vertices[t]
        normals = self.body.normals(skin)
        lifted = self.lifted(skin, normals)
        normals = self.body.normals(lifted)
        head = posed.motion[t, self.body.bones.index("head")]
        neck = posed.motion[t, self.body.bones.index("neck01")]

        def carried(values, motion, shift):
            return values @ motion[:3, :3].T + shift * motion[:3, 3]

        worn = self._carry * carried(self._points, head, 1) + (1 - self._carry) * carried(
            self._points, neck, 1)
        facing = self._carry * carried(self._normals, head, 0) + (1 - self._carry) * carried(
            self._normals, neck, 0)
        points = np.concatenate([lifted[self._vertices], worn]).astype("f4")
        facing = np.concatenate([normals[self._vertices], facing]).astype("f4")
        return points, lifted, facing


class Renderer:
    """Draws figures at ``size`` (height, width), averaging ``supersample``² samples per pixel."""

    def __init__(self, size: tuple[int, int] = (128, 128), supersample: int = 4):
        try:
            import moderngl
        except ImportError as error:
            raise RenderError(
                "Rendering needs the package moderngl; install it with "
                "`pip install aidagen[data]`."
            ) from error
        before_mesa()
        try:
            self.context = moderngl.create_context(standalone=True, backend="egl")
        except Exception as error:
            raise RenderError(
                f"OpenGL could not be started through EGL ({error}); install its driver, on "
                "Debian and Ubuntu with `apt install libegl1 libegl-mesa0 libgl1-mesa-dri`."
            ) from error
        self.size, self.supersample = size, supersample
        context = self.context
        self._fine = (size[1] * supersample, size[0] * supersample)
        self._seen = context.depth_texture(self._fine)
        self._target = context.framebuffer([context.renderbuffer(self._fine, 4)], self._seen)
        self._shadow = context.depth_texture((SHADOW, SHADOW))
        self._shadow.compare_func = "<="
        self._shadow_target = context.framebuffer(depth_attachment=self._shadow)
        self._paint = context.texture((paint.SIZE,) * 2, 4)
        self._paint.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        self._program = context.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
        self._depth = context.program(vertex_shader=DEPTH_VERTEX, fragment_shader=DEPTH_FRAGMENT)
        self._figure: Figure | None = None
        context.enable(moderngl.DEPTH_TEST)
        self._culling = moderngl.CULL_FACE

    def _load(self, figure: Figure) -> None:
        context = self.context
        if self._figure is not None:
            for thing in self._buffers:
                thing.release()
        count = len(figure.static)
        self._moving = context.buffer(reserve=count * 24, dynamic=True)
        static, index = context.buffer(figure.static.tobytes()), context.buffer(
            figure.faces.tobytes())
        self._draw = context.vertex_array(
            self._program,
            [(self._moving, "3f 3f", "p", "n"), (static, "2f 1f 3f", "uv", "kind", "extra")],
            index,
        )
        self._only_depth = context.vertex_array(
            self._depth, [(self._moving, "3f 12x", "p")], index)
        self._buffers = (self._draw, self._only_depth, self._moving, static, index)
        self._paint.write(np.ascontiguousarray(figure.texture[::-1]).tobytes())
        self._paint.build_mipmaps()
        self._figure = figure

    def _set(self, name: str, value) -> None:
        if name in self._program:
            value = np.asarray(value, "f4")
            self._program[name].write(np.ascontiguousarray(value.T).tobytes())

    def _light_matrix(self, light: Light, points: np.ndarray) -> np.ndarray:
        low, high = points.min(0), points.max(0)
        middle, reach = (low + high) / 2, np.linalg.norm(high - low) / 2
        ahead = -np.asarray(light.towards) / np.linalg.norm(light.towards)
        right = np.cross(ahead, [0.0, 0.1, 1.0])
        right /= np.linalg.norm(right)
        matrix = np.eye(4)
        matrix[:3, :3] = np.stack([right, np.cross(right, ahead), ahead]) / reach
        matrix[:3, 3] = -matrix[:3, :3] @ middle
        return matrix

    def draw(
        self,
        figure: Figure,
        posed: Posed,
        t: int,
        camera: Camera,
        light: Light | None = None,
        backdrop: Float[np.ndarray, "H W 3"] | None = None,
    ) -> Picture:
        """Draw frame ``t`` of ``posed`` over ``backdrop`` (grey if there is none)."""
        if figure is not self._figure:
            self._load(figure)
        light = light or Light()
        height, width = self.size
        points, skin, normals = figure.surface(posed, t)
        self._moving.write(np.concatenate([points, normals], 1).tobytes())
        view = camera.matrix(width / height)
        shade = self._light_matrix(light, points)
        self._shadow_target.use()
        self._shadow_target.clear()
        self._depth["view"].write(np.ascontiguousarray(shade.T).astype("f4").tobytes())
        self._only_depth.render()
        towards = np.asarray(light.towards) / np.linalg.norm(light.towards)
        for name, value in (
            ("view", view), ("shade", shade), ("eye", camera.eye), ("towards", towards),
            ("key", np.multiply(light.colour, light.key)),
            ("ambient", np.multiply(light.tint, light.ambient)),
            ("hair", figure.look.hair_colour), ("iris", figure.look.iris),
            ("grain", [figure.look.seed % 97]),
        ):
            self._set(name, value)
        self._paint.use(0)
        self._shadow.use(1)
        self._program["paint"].value, self._program["shadow"].value = 0, 1
        self._target.use()
        self._target.clear(0.0, 0.0, 0.0, 0.0)
        self.context.enable(self._culling)
        self._draw.render(vertices=figure.closed)
        self.context.disable(self._culling)
        self._draw.render(first=figure.closed, vertices=figure.faces.size - figure.closed)
        s = self.supersample
        rgba = np.frombuffer(self._target.read(components=4), "u1").reshape(height, s, width, s, 4)
        rgba = rgba[::-1, ::-1].mean((1, 3), dtype=np.float32)
        alpha = rgba[..., 3:] / 255
        behind = np.float32([0.6, 0.6, 0.6]) if backdrop is None else backdrop
        image = rgba[..., :3] + (1 - alpha) * 255 * behind

        marks = posed.vertices[t][figure.body.landmarks]
        skin_marks = skin[figure.body.landmarks]
        rotation = camera.axes().T @ posed.motion[t, figure.body.bones.index("head"), :3, :3]
        return Picture(
            image=np.clip(image + 0.5, 0, 255).astype(np.uint8),
            mask=np.round(rgba[..., 3]).astype(np.uint8),
            landmarks=self._project(marks, view)[0],
            visible=self._visible(skin_marks, view),
            joints=self._project(posed.joints[t], view)[0],
            pose=head_angles(rotation),
        )

    def _project(self, points: np.ndarray, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        clip = np.c_[points, np.ones(len(points))] @ view.T
        device = clip[:, :3] / clip[:, 3:]
        height, width = self.size
        x = device[:, 0] * width / (width - 1)
        y = -device[:, 1] * height / (height - 1)
        return np.stack([x, y], 1).astype(np.float32), device

    def _visible(self, points: np.ndarray, view: np.ndarray, slack: float = 0.008) -> np.ndarray:
        """Whether anything lies more than ``slack`` metres in front of each point."""
        _, device = self._project(points, view)
        width, height = self._fine
        depth = np.frombuffer(self._seen.read(), "f4").reshape(height, width)
        x = np.floor((device[:, 0] + 1) / 2 * width).astype(int)
        y = np.floor((device[:, 1] + 1) / 2 * height).astype(int)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        nearest = depth[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
        near, far = 0.1, 12.0

        def metres(z):
            return 2 * near * far / (far + near - z * (far - near))

        return inside & (metres(device[:, 2]) < metres(2 * nearest - 1) + slack)
