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
