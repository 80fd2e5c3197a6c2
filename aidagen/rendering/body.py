"""The body that `rendering.scene` draws: anny, posed, with the points and regions a face needs.

anny (Brégier et al., 2025; code Apache-2.0, MakeHuman data CC0) is a differentiable body with
phenotype parameters, 52 ARKit facial actions and 104 bones. This file adds what it does not come
with: teeth and lashes (they are in the base mesh, but unused), 68 face points in iBUG order, and
a map from texture to surface that lets a face be painted by where things are.

Units are metres, z up, the figure looks along -y, its left side is at +x.
"""

import os
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse

from aidagen.errors import AidagenError
from aidagen.pixels import as_floats
from aidagen.sources import home

PHENOTYPES = (
    "gender age muscle weight height proportions cupsize firmness african asian caucasian".split()
)
DETAILS = tuple(
    """chin-jaw-drop-incr chin-height-incr chin-prominent-incr chin-width-incr chin-bones-incr
    l-cheek-volume-incr r-cheek-volume-incr l-cheek-bones-incr r-cheek-bones-incr
    eyebrows-angle-up eyebrows-trans-up forehead-scale-vert-incr forehead-temple-incr
    head-fat-incr head-scale-vert-incr head-scale-horiz-incr head-age-incr
    l-eye-scale-incr r-eye-scale-incr l-eye-trans-out r-eye-trans-out
    l-eye-corner2-up r-eye-corner2-up l-eye-bag-incr r-eye-bag-incr
    mouth-scale-horiz-incr mouth-trans-up mouth-lowerlip-volume-incr mouth-upperlip-volume-incr
    mouth-angles-up mouth-laugh-lines-out
    nose-scale-horiz-incr nose-scale-vert-incr nose-hump-incr nose-point-up nose-width2-incr
    nose-flaring-incr nose-volume-incr nose-scale-depth-incr
    l-ear-scale-incr r-ear-scale-incr l-ear-wing-incr r-ear-wing-incr
    neck-scale-horiz-incr neck-double-incr measure-neck-height-incr""".split()
)
"""The local shape changes (each from -1 to 1) that a figure can be given."""


class RenderError(AidagenError):
    """The renderer or the body it draws is not available, or was asked for something unknown."""


class Posed(NamedTuple):
    """A figure in T poses."""

    vertices: Float[np.ndarray, "T V 3"]  # metres
    joints: Float[np.ndarray, "T J 3"]  # bone heads, metres
    rest: Float[np.ndarray, "V 3"]  # the same person, unposed and without expression
    motion: Float[np.ndarray, "T J 4 4"]  # each bone's rigid motion away from the rest pose


class Body:
    """anny with helpers attached; build it once (`body()`), pose it often.

    The first build on a machine reads thousands of small files (some minutes); later ones take
    a second from anny's cache (ANNY_CACHE_DIR, or the folder `anny` of `sources.home()`).
    """

    def __init__(self):
        try:
            import anny
            from anny.models.model_data import TopologyConfig
            from anny.paths import get_anny_root_dir
            from anny.utils.obj_utils import load_obj_file
        except ImportError as error:
            raise RenderError(
                f"Figures need the body model anny, which could not be imported ({error}); "
                "install it with `pip install aidagen[data]`."
            ) from error
        topology = TopologyConfig(
            base_mesh="makehuman", nudity_edits=True, remove_unattached_vertices=False
        )
        self.model = anny.Anny(
            topology=topology,
            local_changes=list(DETAILS),
            facial_actions="all",
            phenotypes="all",
            skinning_method="lbs",
        ).to(dtype=torch.float32)
        self.actions = tuple(self.model.facial_action_labels)
        self.bones = tuple(self.model.bone_labels)
        self.template = self.model.template_vertices.numpy()
        self.folder = Path(get_anny_root_dir()) / "data/mpfb2"
        _, uv, groups = load_obj_file(str(self.folder / "3dobjs/base.obj"))
        self.uv = uv.numpy()

        def group(name: str) -> tuple[np.ndarray, np.ndarray]:
            quads = groups[name]["face_vertex_indices"].numpy()
            corners = groups[name]["face_texture_coordinate_indices"].numpy()
            split = [[0, 1, 2], [0, 2, 3]]
            return quads[:, split].reshape(-1, 3), corners[:, split].reshape(-1, 3)

        faces = self.model.faces.numpy()
        corners = self.model.face_texture_coordinate_indices.numpy()
        skin = (faces < 13380).all(1)
        self.parts = {
            "skin": (faces[skin], corners[skin]),
            "eyes": tuple(map(np.concatenate, zip(group("helper-l-eye"), group("helper-r-eye"),
                                                  strict=True))),
            "teeth": tuple(map(np.concatenate, zip(group("helper-upper-teeth"),
                                                   group("helper-lower-teeth"), strict=True))),
            "tongue": group("helper-tongue"),
        }

    # ---- posing ---------------------------------------------------------------------------------
    def pose(
        self,
        phenotype: dict[str, float] | None = None,
        details: dict[str, float] | None = None,
        actions: dict[str, float | list[float] | np.ndarray] | None = None,
        turns: dict[str, np.ndarray] | None = None,
        frames: int = 1,
    ) -> Posed:
        """Pose one person in ``frames`` poses.

        phenotype: values of `PHENOTYPES` in [0, 1] (age: 2/3 young adult, 1 old; 0.5 if absent);
        details: values of `DETAILS`; actions: ARKit name -> (T,) strengths in [0, 1];
        turns: bone name -> (T, 3, 3) rotation in world axes, relative to the parent bone.
        """
        phenotype, details = phenotype or {}, details or {}
        for given, defined, what in (
            (phenotype, PHENOTYPES, "phenotype"),
            (details, DETAILS, "detail"),
            (actions or {}, self.actions, "facial action"),
            (turns or {}, self.bones, "bone"),
        ):
            unknown = sorted(set(given) - set(defined))
            if unknown:
                raise RenderError(
                    f"There is no {what} {unknown[0]!r}; known: {', '.join(defined)}."
                )
        transforms = torch.eye(4).repeat(frames + 1, len(self.bones), 1, 1)
        for name, rotation in (turns or {}).items():
            transforms[:frames, self.bones.index(name), :3, :3] = torch.as_tensor(
                np.broadcast_to(rotation, (frames, 3, 3)).copy(), dtype=torch.float32
            )
        strengths = {
            k: torch.as_tensor(np.append(np.broadcast_to(v, (frames,)), 0), dtype=torch.float32)
            for k, v in (actions or {}).items()
        }
        with torch.no_grad():  # the last row is the rest pose
            posed = self.model(
                pose_parameters=transforms,
                phenotype_kwargs={k: torch.tensor([float(v)]) for k, v in phenotype.items()},
                local_changes_kwargs={k: torch.tensor([float(v)]) for k, v in details.items()},
                facial_actions=strengths or None,
            )
        *bones, still = posed["bone_poses"].numpy()
        *vertices, rest = posed["vertices"].numpy()
        bones = np.stack(bones)
        return Posed(
            vertices=np.stack(vertices),
            joints=bones[:, :, :3, 3],
            rest=rest,
            motion=bones @ np.linalg.inv(still)[None],
        )

    # ---- the surface ----------------------------------------------------------------------------
    @cached_property
    def normal_matrix(self) -> sparse.csr_matrix:
        """(V, F) sum of the skin and eye faces around each vertex."""
        faces = self.solid
        rows, cols = faces.ravel(), np.repeat(np.arange(len(faces)), 3)
        shape = (len(self.template), len(faces))
        return sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, cols)), shape=shape)

    @cached_property
    def solid(self) -> Int[np.ndarray, "F 3"]:
        return np.concatenate([faces for faces, _ in self.parts.values()])

    def normals(self, vertices: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
        """Smooth unit normals."""
        a, b, c = (vertices[self.solid[:, k]] for k in range(3))
        normals = self.normal_matrix @ np.cross(b - a, c - a).astype(np.float32)
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)

    def mask(self, name: str) -> Float[np.ndarray, "H W"]:
        """One of MakeHuman's texture-space masks (lips, ears, eyelids, face), row 0 at the top."""
        from PIL import Image

        with Image.open(self.folder / "textures" / f"mpfb_{name}.jpg") as image:
            return as_floats(np.asarray(image.convert("L").resize((512, 512))))

    def at(self, image: Float[np.ndarray, "H W"], uv: Float[np.ndarray, "N 2"]) -> np.ndarray:
        """Values of a texture-space image at texture coordinates."""
        height, width = image.shape
        x = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
        y = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
        return image[y, x]

    @cached_property
    def head_uv(self) -> Int[np.ndarray, "N 2"]:
        """(vertex, texture corner) of every point on the outside of the head, eyes excluded."""
        faces, corners = self.parts["skin"]
        middle = self.uv[corners].mean(1)
        island = (middle[:, 0] > 0.64) & (middle[:, 1] > 0.13) & (middle[:, 1] < 0.83)
        pairs = np.stack([faces[island].ravel(), corners[island].ravel()], 1)
        pairs = pairs[self.template[pairs[:, 0], 2] > 0.6]
        return np.unique(pairs, axis=0)

    @cached_property
    def ear_vertices(self) -> Int[np.ndarray, "N"]:
        ears = self.at(self.mask("ears"), self.uv[self.head_uv[:, 1]]) > 0.3
        return np.unique(self.head_uv[ears, 0])

    @cached_property
    def skull_vertices(self) -> Int[np.ndarray, "N"]:
        """The head without its ears."""
        return np.setdiff1d(np.unique(self.head_uv[:, 0]), self.ear_vertices)

    def _loops(self) -> list[np.ndarray]:
        """Closed boundary lines of the head's outside, each as vertices in order."""
        faces, corners = self.parts["skin"]
        middle = self.uv[corners].mean(1)
        island = (middle[:, 0] > 0.64) & (middle[:, 1] > 0.13) & (middle[:, 1] < 0.83)
        island &= self.template[faces].mean(1)[:, 2] > 0.6
        edges = np.sort(faces[island][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1)
        unique, counts = np.unique(edges, axis=0, return_counts=True)
        beside: dict[int, list[int]] = {}
        for a, b in unique[counts == 1]:
            beside.setdefault(int(a), []).append(int(b))
            beside.setdefault(int(b), []).append(int(a))
        loops, seen = [], set()
        for start in sorted(beside):
            if start in seen:
                continue
            loop, previous, here = [start], None, start
            while True:
                ahead = [v for v in beside[here] if v != previous and v not in loop[1:]]
                if not ahead or ahead[0] == start:
                    break
                previous, here = here, ahead[0]
                loop.append(here)
            seen.update(loop)
            loops.append(np.array(loop))
        return loops

    @cached_property
    def landmarks(self) -> Int[np.ndarray, "68"]:
        """Vertices of the 68 face points in iBUG order (0-16 jaw from the figure's right ear,
        17-26 brows, 27-35 nose, 36-47 eyes, 48-59 outer lips, 60-67 inner lips)."""
        p = self.template
        loops = {}
        for loop in self._loops():
            x, _, z = p[loop].mean(0)
            if len(loop) > 20 and p[loop, 1].mean() < -0.1:
                loops["mouth" if abs(x) < 0.01 else "left" if x > 0 else "right"] = loop
        lips = self.at(self.mask("lips"), self.uv[self.head_uv[:, 1]]) > 0.5
        lips = np.unique(self.head_uv[lips, 0])
        head = self.skull_vertices
        front = head[p[head, 1] < -0.06]

        def support(points, direction):
            return points[np.argmax(p[points] @ np.asarray(direction, np.float32))]

        def near(x, z, points=front):  # the front-most vertex close to (x, z)
            cost = np.hypot(p[points, 0] - x, p[points, 2] - z)
            close = points[cost < cost.min() + 2e-3]
            return close[np.argmin(p[close, 1])]

        def chains(loop):  # from smallest to largest x: upper and lower vertices
            i, j = int(np.argmin(p[loop, 0])), int(np.argmax(p[loop, 0]))
            ring = np.roll(loop, -i)
            j = (j - i) % len(loop)
            one, two = ring[: j + 1], np.concatenate([ring[:1], ring[j:][::-1]])
            return (one, two) if p[one, 2].mean() > p[two, 2].mean() else (two, one)

        def along(chain, fractions):
            x = p[chain, 0]
            return [chain[np.argmin(abs(x - (x[0] + f * (x[-1] - x[0]))))] for f in fractions]

        eye_z = p[np.concatenate([loops["left"], loops["right"]]), 2].mean()
        chin = near(0.0, p[front][abs(p[front, 0]) < 0.004, 2].min() + 0.004)
        jaw = []
        side = head[(p[head, 1] > -0.1) & (p[head, 1] < -0.015) & (p[head, 0] > 0)]
        for z in (eye_z, eye_z - 0.018, eye_z - 0.036):
            level = side[abs(p[side, 2] - z) < 6e-3]
            jaw.append(level[np.argmax(p[level, 0])])
        low = head[(p[head, 1] < -0.06) & (p[head, 0] >= 0) & (p[head, 2] < eye_z - 0.04)]
        for angle in np.radians((25, 42, 55, 65, 75)):
            jaw.append(support(low, (np.cos(angle), 0, -np.sin(angle))))
        mirror = [self._mirror[v] for v in jaw]

        nose_line = front[(abs(p[front, 0]) < 1e-4)]
        tip = nose_line[np.argmin(np.where(abs(p[nose_line, 2] - (eye_z - 0.035)) < 0.03,
                                           p[nose_line, 1], 9))]
        bridge = [near(0.0, z, nose_line) for z in np.linspace(eye_z + 0.002, p[tip, 2], 4)[:3]]
        lip_top = p[lips][abs(p[lips, 0]) < 0.004, 2].max()
        between = nose_line[(p[nose_line, 2] < p[tip, 2]) & (p[nose_line, 2] > lip_top)]
        base = between[np.argmax(p[between, 1])]
        wing = [near(x, p[base, 2] + h) for x, h in ((0.016, 0.003), (0.008, 0.001))]
        wing_right = [self._mirror[v] for v in wing]

        brow = [near(x, z) for x, z in zip(
            (0.012, 0.021, 0.031, 0.041, 0.05),
            (eye_z + 0.0185, eye_z + 0.022, eye_z + 0.024, eye_z + 0.022, eye_z + 0.015),
            strict=True)]
        eyes = []
        for name in ("right", "left"):
            upper, lower = chains(loops[name])
            a, b = along(upper, (1 / 3, 2 / 3))
            d, c = along(lower, (1 / 3, 2 / 3))
            eyes += [upper[0], a, b, upper[-1], c, d]
        upper, lower = chains(loops["mouth"])
        corner_right, corner_left = support(lips, (-1, 0, 0)), support(lips, (1, 0, 0))
        half = p[corner_left, 0]
        outer_up = [lips[np.argmax(p[lips, 2] - 3 * abs(p[lips, 0] - f * half))]
                    for f in (-0.6, -0.2, 0, 0.2, 0.6)]
        outer_low = [lips[np.argmax(-p[lips, 2] - 3 * abs(p[lips, 0] - f * half))]
                     for f in (0.6, 0.3, 0, -0.3, -0.6)]
        inner = [upper[0], *along(upper, (0.25, 0.5, 0.75)), upper[-1]]
        inner += along(lower, (0.75, 0.5, 0.25))
        points = [*mirror, chin, *jaw[::-1], *[self._mirror[v] for v in brow[::-1]], *brow,
                  *bridge, tip, *wing_right, base, *wing[::-1], *eyes,
                  corner_right, *outer_up, corner_left, *outer_low, *inner]
        return np.array(points)

    @cached_property
    def _mirror(self) -> dict[int, int]:
        from scipy.spatial import cKDTree

        head = np.unique(self.head_uv[:, 0])
        _, nearest = cKDTree(self.template[head]).query(self.template[head] * [-1, 1, 1])
        return dict(zip(head.tolist(), head[nearest].tolist(), strict=True))


@lru_cache(maxsize=1)
def body() -> Body:
    """The one body of this process, built at first use."""
    os.environ.setdefault("ANNY_CACHE_DIR", str(home() / "anny"))
    return Body()
