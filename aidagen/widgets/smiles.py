"""What smile models make of faces, kept for the explorer to draw from.

Sequences of embeddings are made once for each face, label and model; frames are painted one by one.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen.animation import looking
from aidagen.errors import AidagenError
from aidagen.evaluation.expressions import Expression, apart, expression, openings


class Look(NamedTuple):
    """What is chosen beside the frame."""

    face: str
    label: str
    mode: int  # from 1; 0 is all of them
    toward: int  # the mode that is mixed in
    share: int  # percent of the way to it
    model: str
    skips: bool  # of the painter
    landmarks: bool  # whether their pictures are shown


class Smiles(NamedTuple):
    """The K sequences of one face under one label."""

    modes: Float[Tensor, "K T E"]
    first: Float[Tensor, "1 1 H W"]  # the landmark picture of the neutral face
    moved: list[Expression]  # K times (T, 51, 2)
    mouth: Float[Tensor, "K T"]  # how far it is open
    eyes: Float[Tensor, "K T"]

    def between(self) -> list[float]:
        """The distance of every two modes."""
        pairs = ((i, j) for i in range(len(self.moved)) for j in range(i))
        return [apart(self.moved[i], self.moved[j]) for i, j in pairs]


class Smilers:
    """Models by name, the first of them the one that the others are compared with, and faces.

    Another model lends its sequences, which the first one paints; where its ``config.skips`` is
    False and that of the first is not, it lends its painter instead.

    Raises:
        AidagenError: on faces, landmarks, names or models that do not fit.
    """

    def __init__(
        self, models: Mapping[str, Any], faces: Tensor, points: Tensor, names: Sequence[str],
        labels: Sequence[str], count: int,
    ) -> None:  # fmt: skip
        self.models, self.labels, self.count = dict(models), list(labels), count
        self.first = next(iter(self.models))
        self._check(faces, points, list(names))
        self.faces = {
            name: (face.float().cpu(), landmarks.float().cpu())
            for name, face, landmarks in zip(names, faces, points, strict=True)
        }
        self._made: dict[tuple[str, str, str], Smiles] = {}

    def _check(self, faces: Any, points: Any, names: list[str]) -> None:
        for name, model in self.models.items():
            if not all(hasattr(model, part) for part in ("sequences", "vae", "maps", "painter")):
                raise AidagenError(
                    f"{name} makes no sequences of landmarks ({type(model).__name__}); give models "
                    "such as zoo.load('smile-64')."
                )
        config = self.models[self.first].config
        shapes = (len(names), 3, config.size, config.size), (len(names), 68, 2)
        given = tuple(tuple(getattr(x, "shape", ())) for x in (faces, points))
        if given != shapes or not names or len(set(names)) < len(names):
            raise AidagenError(
                f"For {len(names)} names, all different, {shapes[0]} faces and {shapes[1]} "
                f"landmarks were expected; got {given[0]} and {given[1]}."
            )
        if not (faces.min() >= 0 and faces.max() <= 1):
            raise AidagenError(
                f"The faces hold values from {float(faces.min()):.3g} to {float(faces.max()):.3g}; "
                "floats in [0, 1] were expected."
            )
        if len(self.labels) != config.labels or self.count < 2:
            raise AidagenError(
                f"{self.first} knows {config.labels} labels, and a smile has two frames or more; "
                f"got {len(self.labels)} words for labels and {self.count} frames."
            )
        for name, model in self.models.items():
            for what in ("size", "modes", "labels"):
                one, other = getattr(config, what), getattr(model.config, what)
                if one != other:
                    raise AidagenError(
                        f"{name} has {what} {other} and {self.first} has {one}; give models that "
                        "agree in size, modes and labels."
                    )

    @property
    def modes(self) -> int:
        """K."""
        return self.models[self.first].config.modes

    @property
    def pixels(self) -> int:
        """Side of the pictures."""
        return self.models[self.first].config.size

    def parts(self, name: str) -> tuple[str, str]:
        """Whose sequences are shown under the name of a model, and who paints them."""
        lends_painter = self.models[self.first].config.skips > self.models[name].config.skips
        return (self.first, name) if lends_painter else (name, self.first)

    def add(self, name: str, face: Float[Tensor, "3 H W"], points: Float[Tensor, "68 2"]) -> None:
        """Take in a face, in place of one of the same name."""
        self.faces[name] = face, points
        self._made = {key: made for key, made in self._made.items() if key[0] != name}

    def smiles(self, look: Look) -> Smiles:
        """All K sequences of a face under a label."""
        by = self.parts(look.model)[0]
        key = (look.face, look.label, by)
        if key not in self._made:
            model, points = self.models[by], self.faces[look.face][1]
            at = next(model.parameters()).device
            with looking(model):
                label = torch.tensor([self.labels.index(look.label)], device=at)
                modes, shared = model.sequences(points[None].to(at), label, self.count)
                landmarks, first = model.vae.points(modes[0]).cpu(), model.maps(shared[:, 0])
            moved = [expression(each) for each in landmarks]
            self._made[key] = Smiles(modes[0], first, moved, *openings(landmarks))
        return self._made[key]

    def shown(self, look: Look) -> Float[Tensor, "M T E"]:
        """The embeddings that are shown: of all modes, or of one, mixed with another."""
        modes = self.smiles(look).modes
        if look.mode == 0:
            return modes
        one, other = modes[look.mode - 1], modes[look.toward - 1]
        return (one + look.share / 100 * (other - one))[None]

    def points(self, look: Look) -> Float[Tensor, "M T 68 2"]:
        """The landmarks of what is shown."""
        model = self.models[self.parts(look.model)[0]]
        with looking(model):
            return model.vae.points(self.shown(look)).cpu()

    def paint(
        self, look: Look, t: int
    ) -> tuple[Float[Tensor, "M 3 H W"], Float[Tensor, "M 1 H W"]]:
        """Frame ``t`` (from 0) of what is shown, and the landmark pictures it was painted by."""
        by, painter = (self.models[name] for name in self.parts(look.model))
        z = self.shown(look)[:, t]
        each = (len(z), -1, -1, -1)
        with looking(by), looking(painter):
            maps, first = by.maps(z), self.smiles(look).first.expand(each)
            neutral = self.faces[look.face][0].to(maps.device).expand(each)
            # as the painter is set, unless it is to do without
            image = painter.painter(neutral, first, maps, skips=None if look.skips else False)
        return image.float().cpu(), maps.float().cpu()


def listed(values: Tensor) -> str:
    """Numbers in words: "0.21, 0.02 and 0.03"."""
    words = [f"{float(value):.2f}" for value in values]
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + words[-1:])
