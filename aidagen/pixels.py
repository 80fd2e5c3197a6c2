"""Pixels as bytes (0 to 255) and as floats (0 to 1), the one place where they are converted."""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def as_floats(pixels: Array) -> Array:
    """Bytes 0..255 -> float32 in [0, 1]; floats are given back as they are, in float32."""
    floats = pixels.float() if isinstance(pixels, Tensor) else np.asarray(pixels, np.float32)
    return floats / 255 if pixels.dtype in (torch.uint8, np.uint8) else floats


def as_bytes(pixels: Array) -> Array:
    """Floats in [0, 1] -> bytes 0..255, rounded; what lies outside is clipped. Bytes stay."""
    if pixels.dtype in (torch.uint8, np.uint8):
        return pixels
    whole = (pixels.clip(0, 1) * 255).round()
    return whole.to(torch.uint8) if isinstance(whole, Tensor) else whole.astype(np.uint8)
