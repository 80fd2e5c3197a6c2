"""The 68 landmarks of a face in iBUG's order: what the face does, apart from what the head does."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

STABLE = (27, 28, 29, 30, 36, 39, 42, 45)  # bridge of the nose, corners of the eyes


def expression(points: Float[Tensor, "*N T 68 2"]) -> Float[Tensor, "*N T 68 2"]:
    """How far each landmark is from where it was in frame 0, in distances between the eyes.

    What a head does (turn, nod, come nearer) is taken out: each frame's landmarks are laid on those
    of frame 0 by the corners of the eyes and the bridge of the nose, turned and zoomed by least
    squares. The unit is the distance between the outer corners of the eyes in frame 0.
    """
    z = torch.view_as_complex(points.float().contiguous())  # (*N, T, 68)
    stable = z[..., STABLE]
    middle = stable.mean(-1, keepdim=True)
    own = stable - middle
    onto = (own.conj() * own[..., :1, :]).sum(-1, keepdim=True)
    onto = onto / (own.real.square() + own.imag.square()).sum(-1, keepdim=True)
    moved = (z - middle) * onto - (z[..., :1, :] - middle[..., :1, :])
    return torch.view_as_real(moved / (z[..., :1, 36:37] - z[..., :1, 45:46]).abs())
