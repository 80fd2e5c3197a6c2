"""Parameters and pictures that anyone can rebuild: the inputs behind the golden numbers.

A tensor is a function of its original key and shape: normal numbers from a generator seeded with
the CRC-32 of the key, scaled by what kind of key it is. A picture is a closed formula.
"""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).parent / "golden"
GAINS = {  # by the last components of the key
    "conv2.weight": 0.7, "jacobian.weight": 0.25, "kp.weight": 0.6, "mask.weight": 0.8,
    "occlusion.weight": 2.5, "final.weight": 0.8, "conv-last.weight": 0.8, "final_fc.weight": 4.0,
}  # fmt: skip
# Monkey-Net's heads, by the whole key
POINTS, FLOW = "predictor.decoder.conv.weight", "dense_motion_module.hourglass.decoder.conv.weight"
WHOLE = {POINTS: 0.4, FLOW: 1.4}


def normal(label: str, shape) -> torch.Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(label.encode()))
    return torch.randn(tuple(shape), generator=generator)


def gain(key: str) -> float:
    if key.startswith("features."):
        return math.sqrt(2)
    if key in WHOLE:
        return WHOLE[key]
    parts = key.replace("weight_orig", "weight").split(".")
    if parts[-5:] == ["netG", "model", "up", "2", "weight"]:  # X2Face's outermost heads
        return 0.45
    if "final_blocks" in parts:  # of the playable video's renderer
        return 1.2
    return GAINS.get(".".join(parts[-2:]), 2.0)


def filled(keys: dict[str, list]) -> dict[str, torch.Tensor]:
    """A state dict for ``key -> [shape, ...]``; anti-alias kernels are left out (constants)."""
    state = {}
    for key, (shape, *_) in keys.items():
        leaf = key.rsplit(".", 1)[-1]
        z = normal(key, shape)
        if key == "down.weight" or key.endswith(".down.weight"):
            state[key] = gaussian_kernel(shape)
        elif leaf == "num_batches_tracked":
            state[key] = torch.zeros(tuple(shape), dtype=torch.long)
        elif leaf == "running_mean":
            state[key] = 0.1 * z
        elif leaf == "running_var":
            state[key] = 1 + 0.5 * z.abs()
        elif leaf.startswith("initial_hidden"):
            state[key] = 0.5 * z
        elif leaf == "estimated_centroids":
            state[key] = z
        elif leaf.startswith("bias_"):  # of a GRU, as the two that follow
            state[key] = 0.1 * z
        elif leaf.startswith(("weight_ih", "weight_hh")):
            state[key] = z / math.sqrt(shape[1])
        elif leaf == "bias":
            state[key] = 0.1 * z
            if key.endswith("jacobian.bias"):
                state[key] = state[key] + torch.tensor([1.0, 0, 0, 1]).repeat(shape[0] // 4)
        elif leaf == "weight" and len(shape) == 1:
            state[key] = 1 + 0.1 * z
        elif leaf in ("weight", "weight_orig"):
            state[key] = z * (gain(key) / math.sqrt(math.prod(shape[1:])))
        if key in (FLOW, FLOW.replace("weight", "bias")):
            state[key][11:] *= 0.07  # the residual flow
    for key, weight in list(state.items()):
        if key.endswith(".weight_orig"):  # buffers of spectral norm, after 100 power iterations
            w = weight.double().flatten(1)
            name = key.removesuffix("orig")
            u = normal(name + "u", w.shape[:1]).double()
            u = u / u.norm()
            for _ in range(100):
                v = w.mT @ u
                v = v / v.norm()
                u = w @ v
                u = u / u.norm()
            state[name + "u"], state[name + "v"] = u.float(), v.float()
    return state


def gaussian_kernel(shape) -> torch.Tensor:
    size = shape[-1]
    sigma = {5: 0.5, 13: 1.5, 29: 3.5}[size]
    line = torch.exp(-((torch.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    kernel = line[:, None] * line[None]
    return (kernel / kernel.sum()).repeat(shape[0], 1, 1, 1)


def image(n: int, h: int, w: int, channels: int = 3) -> torch.Tensor:
    """Picture number n, ``(C, H, W)`` in [0, 1]: a sum of waves through tanh."""
    u = ((np.arange(w) + 0.5) / w)[None, None, :]
    v = ((np.arange(h) + 0.5) / h)[None, :, None]
    c = np.arange(channels)[:, None, None]
    s = np.zeros((channels, h, w))
    for k in range(1, 9):
        p = ((7 * k + 3 * c + n) % 9) - 4
        q = ((5 * k + 2 * c + 3 * n) % 7) - 3
        wave = 2 * np.pi * (p * u + q * v) + 1.7 * k + 0.9 * c + 2.3 * n
        s = s + np.sin(wave) / (1 + 0.15 * k)
    return torch.from_numpy((0.5 + 0.5 * np.tanh(0.6 * s)).astype(np.float32))


def images(*numbers: int, size: int = 256) -> torch.Tensor:
    return torch.stack([image(n, size, size) for n in numbers])


def fill_keys(name: str) -> dict[str, list]:
    system = name.split("/")[0] if "/" in name else "fomm"
    known = json.loads((GOLDEN / f"{system}_fill.json").read_text())
    while isinstance(name, str):  # a name may stand for another, of the same keys
        name = known[name]
    return name


class Golden:
    """One archive of golden numbers; ``check`` compares an array at its stated tolerance."""

    def __init__(self, name: str):
        self.arrays = np.load(GOLDEN / f"{name}.npz")
        self.tolerance = json.loads((GOLDEN / "tolerances.json").read_text())[name]

    def __getitem__(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[key])

    def check(self, found: torch.Tensor, key: str, isolated: float = 0.0) -> None:
        """``isolated``: share of elements that may differ more (a warp's zero-padded border)."""
        wanted = self.arrays[key]
        found = found.detach().double().numpy()
        if f"{key.split('@')[0]}@stat" in self.arrays and "@s" in key:
            mean, std, largest = self.arrays[f"{key.split('@')[0]}@stat"]
            np.testing.assert_allclose(found.mean(), mean, atol=1e-4 * max(1, largest))
            np.testing.assert_allclose(found.std(), std, atol=1e-4 * max(1, largest))
        if "@s" in key:
            steps = [int(x) for x in key.split("@s")[1].split("x")]
            steps = steps * 2 if len(steps) == 1 else steps
            index = (slice(None),) * (found.ndim - len(steps)) + tuple(
                slice(None, None, s) for s in steps
            )
            found = found[index]
        assert found.shape == wanted.shape, f"{key}: {found.shape} instead of {wanted.shape}"
        atol = max(2e-5, 10 * self.tolerance.get(key, 0.0))
        wrong = np.abs(found - wanted) > atol
        assert wrong.mean() <= isolated, (
            f"{key}: {wrong.mean():.2%} of the elements differ by more than {atol:.1e}, "
            f"at most {np.abs(found - wanted).max():.2e}"
        )
