"""A dense flow put together again: masks changed by hand, and the frame that a model makes of them.

For models whose dense-motion network mixes one motion per keypoint by masks and, in some, adds a
residual flow (Monkey-Net, First Order Motion). `mask_painter` is the widget around it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aidagen.animation import looking
from aidagen.errors import AidagenError
from aidagen.grids import identity_grid


def painted(
    masks: Float[Tensor, "J h w"], k: int, weight: Float[Tensor, "h w"], erase: bool = False
) -> Float[Tensor, "J h w"]:
    """Masks after a stroke on mask ``k`` (0 the background); they still add up to 1 everywhere.

    Where ``weight`` is 1, mask k becomes 1 (0 if it is erased), and the others share what is left
    as they did before. Where the others had nothing, what is freed goes to the background; of the
    background itself, evenly to all keypoints.
    """
    mine = masks[k]
    new = mine * (1 - weight) if erase else mine + weight * (1 - mine)
    others = 1 - mine
    empty = others < 1e-4
    result = masks * torch.where(empty, 0.0, (1 - new) / others.clamp(min=1e-4))
    freed = torch.where(empty, 1 - new, 0.0)
    if k:
        result[0] += freed
    else:
        result[1:] += freed / (len(masks) - 1)
    result[k] = new
    return result / result.sum(0)


def brush_weight(
    start: tuple[float, float], end: tuple[float, float], radius: float, height: int, width: int
) -> Float[Tensor, "h w"]:
    """1 within ``radius`` of the line from start to end, 0 outside, soft over its last third."""
    grid = identity_grid(height, width)
    a, b = torch.tensor([start, end], dtype=torch.float32)
    along = b - a
    share = ((grid - a) @ along / along.square().sum().clamp(min=1e-12)).clamp(0, 1)
    far = (grid - a - share[..., None] * along).norm(dim=-1)
    return ((radius - far) / (radius / 3)).clamp(0, 1)


class Composition:
    """One frame's dense motion, from which it is rendered again under other masks.

    The model runs once. After that its dense-motion network is replaced by its stored output with
    another mixture. ``masks`` (J, h, w) are the model's own, ``sparse_motion``
    (1, J, h, w, 2) has one motion per keypoint, the identity first; ``residual`` (1, h, w, 2) is
    what the model's flow has beyond their mixture, or None.

    Raises:
        AidagenError: if the model does not mix motions by masks.
    """

    def __init__(self, model: nn.Module, encoded: Any, motion: Any) -> None:
        self.model, self.encoded, self.motion = model, encoded, motion
        self.network, heard = dense_motion(model), []
        handle = self.network.register_forward_hook(lambda _, __, output: heard.append(output))
        try:
            with looking(model):
                self.rendering = model.render(encoded, motion)
        finally:
            handle.remove()
        self.dense = heard[-1]
        if self.dense.masks is None:
            raise AidagenError(_without_masks(model))
        self.masks = self.dense.masks[0].detach().cpu().float().clone()
        with looking(model):
            self.sparse_motion = self.dense.sparse_motion
        mixed = (self.dense.masks[..., None] * self.sparse_motion).sum(1)
        residual = self.dense.flow - mixed
        self.residual = residual if float(residual.abs().max()) > 1e-5 else None

    def flow(
        self, masks: Float[Tensor, "J h w"], residual: bool = True
    ) -> Float[Tensor, "1 h w 2"]:
        """The dense flow of these masks, with the residual flow or without."""
        weights = masks.to(self.sparse_motion)[None, ..., None]
        mixed = (weights * self.sparse_motion).sum(1)
        return mixed + self.residual if residual and self.residual is not None else mixed

    def render(self, masks: Float[Tensor, "J h w"], residual: bool = True) -> Any:
        """The model's ``Rendering`` under other masks.

        Raises:
            AidagenError: on masks of another shape.
        """
        if masks.shape != self.masks.shape:
            raise AidagenError(
                f"Masks {tuple(self.masks.shape)} were expected, the background first, not "
                f"{tuple(masks.shape)}."
            )
        with looking(self.model):
            changed = self.dense._replace(
                flow=self.flow(masks, residual), masks=masks.to(self.sparse_motion)[None]
            )
            with _answering(self.network, changed):
                return self.model.render(self.encoded, self.motion)


def recompose(
    model: nn.Module, encoded: Any, motion: Any, masks: Float[Tensor, "J h w"],
    residual: bool = True,
) -> Any:  # fmt: skip
    """One frame rendered from given masks: their mixture of motions, and the residual flow."""
    return Composition(model, encoded, motion).render(masks, residual)


def dense_motion(model: Any) -> nn.Module:
    """The submodule that computes masks and flow, found by its published name.

    Raises:
        AidagenError: if there is none.
    """
    parts = model.named_modules() if isinstance(model, nn.Module) else ()
    for name, part in parts:
        if name.split(".")[-1] in ("dense_motion_network", "dense_motion_module"):
            return part
    raise AidagenError(_without_masks(model))


def _without_masks(model: Any) -> str:
    return (
        f"{type(model).__name__} has no masks to paint: it does not mix one motion per keypoint. "
        "Choose a model that does, such as Monkey-Net or FOMM."
    )


@contextmanager
def _answering(network: nn.Module, answer: Any) -> Iterator[None]:
    """``network`` returns ``answer`` for every input."""
    network.forward = lambda *_, **__: answer
    try:
        yield
    finally:
        del network.forward  # the class's own method is visible again


def place(values: Float[Tensor, "H W"]) -> str:
    """Where a map is largest, in words: "upper left", "middle", "lower right"."""
    third = torch.nn.functional.adaptive_avg_pool2d(values[None, None], 3)[0, 0]
    row, column = divmod(int(third.argmax()), 3)
    if row == 1:
        return ("left", "middle", "right")[column]
    return f"{'lower' if row else 'upper'} {('left', 'middle', 'right')[column]}"
