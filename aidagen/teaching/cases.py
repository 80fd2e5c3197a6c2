"""Numbers for the cases that an exercise is tried on: the same at every call."""

import torch
from jaxtyping import Float
from torch import Tensor


def drawn(seed: int, *shape: int) -> Tensor:
    """Uniform numbers in [0, 1) of this shape, the same for the same seed."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def points(seed: int, count: int) -> Float[Tensor, "K 2"]:
    """Points (x, y) in [-0.5, 0.5), away from the border of the picture."""
    return drawn(seed, count, 2) - 0.5


def matrices(seed: int, count: int) -> Float[Tensor, "K 2 2"]:
    """Far from the identity, not symmetric, safely invertible: a turn, a stretch, a shear."""
    a, b, c = drawn(seed, count, 3).unbind(1)
    angle, stretch, shear = 0.3 + a, 0.7 + 0.8 * b, 0.2 + 0.4 * c
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(-1, 2, 2)
    rest = torch.zeros(count, 2, 2)
    rest[:, 0, 0], rest[:, 0, 1], rest[:, 1, 1] = stretch, shear, 1 / (0.5 + stretch)
    return turn @ rest
