"""Colours of video as an ordinary screen shows them: wide gamuts and HDR become sRGB.

Phones record HDR with one of two curves (ITU-R BT.2100): PQ says how many nits a value means, HLG
what share of the light in the scene. Both are made linear, with the white of paper (203 nits in PQ,
75 % in HLG, after ITU-R BT.2408) at 1; the primaries of BT.2020 or P3 are turned into those of
sRGB; and what is brighter than that white is compressed into the last few steps of the range.
"""

from functools import cache

import numpy as np
from jaxtyping import Float, UInt8, UInt16

# Numbers of transfer curves and primaries in video streams (ITU-T H.273)
PQ, HLG, BT2020, P3 = 16, 18, 9, 12
WHITE = 203  # nits
_STEPS = 4096  # of the tables: 12 bits, of which cameras record 10
_KNEE = 0.85  # linear light: what is darker stays as it is
_TO_SRGB = {  # linear RGB of these primaries to that of sRGB
    BT2020: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    P3: [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]],
}

Light = Float[np.ndarray, "*any"]


def is_hdr(transfer: int) -> bool:
    """Whether this is one of the two curves of high dynamic range."""
    return transfer in (PQ, HLG)


def needed(transfer: int, primaries: int) -> bool:
    """Whether a stream's RGB differs from that of sRGB."""
    return is_hdr(transfer) or primaries in _TO_SRGB


def to_srgb(
    pixels: UInt16[np.ndarray, "H W 3"], transfer: int, primaries: int
) -> UInt8[np.ndarray, "H W 3"]:
    """sRGB of a frame's RGB (16 bits), by the numbers of its transfer curve and primaries."""
    if primaries not in _TO_SRGB:  # recorders of HDR may leave them out
        primaries = BT2020
    into_light, into_signal = _tables(transfer)
    light = into_light[pixels >> 4] @ np.array(_TO_SRGB[primaries], np.float32).T
    light = np.maximum(light, 0)
    light = compressed(light) if is_hdr(transfer) else np.minimum(light, 1)
    return into_signal[(np.sqrt(light) * (_STEPS - 1)).astype(np.uint16)]


@cache
def _tables(transfer: int) -> tuple[Float[np.ndarray, "4096"], UInt8[np.ndarray, "4096"]]:
    """Linear light of each signal; sRGB of each square root of light."""
    axis = np.linspace(0, 1, _STEPS)
    signal = (encoded(axis**2) * 255).round().astype(np.uint8)
    return linear(axis, transfer).astype(np.float32), signal


def linear(signal: Light, transfer: int) -> Light:
    """Linear light, with the white of paper at 1, of a signal in [0, 1]."""
    if transfer == PQ:  # SMPTE ST 2084
        root = signal ** (1 / 78.84375)
        share = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        return share ** (1 / 0.1593017578125) * 10_000 / WHITE
    if transfer == HLG:  # ARIB STD-B67; 0.265 is the light that makes 75 %
        bright = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
        return np.where(signal <= 0.5, signal**2 / 3, bright) / 0.265
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def compressed(light: Light) -> Light:
    """Highlights brought below 1 by one factor for all three channels ``(..., 3)``: hues stay."""
    peak = light.max(-1, keepdims=True)
    room = 1 - _KNEE
    above = np.maximum(peak - _KNEE, 0)
    return light * ((np.minimum(peak, _KNEE) + room * (1 - np.exp(-above / room))) / (peak + 1e-9))


def encoded(light: Light) -> Light:
    """The signal of sRGB for linear light in [0, 1]."""
    power = 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, power).clip(0, 1)
