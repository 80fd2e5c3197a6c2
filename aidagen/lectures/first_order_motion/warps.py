"""The ways to warp that the machine at hand has: the same pictures, and how long each takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from aidagen import grids, kernels, markdown

BATCH, KEYPOINTS, SIZE = 4, 10, 64
TURNS = 5  # of which the fastest counts
WORDS = {
    "copies": "a copy of the source and a grid for every keypoint, one matrix product per pixel",
    "eager": "one tall grid reads the one source; products written out (any machine)",
    "triton": "one kernel, neither copies nor grids (NVIDIA GPU)",
}


def copies(image: Tensor, maps: kernels.Maps) -> Tensor:
    """The K + 1 warps as published code has them: (B, J, C, H, W)."""
    b, _, h, w = image.shape
    grid = grids.identity_grid(h, w, device=image.device)
    offset = grid - maps.points_from[:, :, None, None]  # (B, K, H, W, 2)
    moved = (maps.matrices[:, :, None, None] @ offset[..., None])[..., 0]
    moved = moved + maps.points_to[:, :, None, None]
    every = torch.cat([grid.expand(b, 1, h, w, 2), moved], 1)
    repeated = image[:, None].repeat(1, every.shape[1], 1, 1, 1)
    return grids.warp(repeated.flatten(0, 1), every.flatten(0, 1)).unflatten(0, (b, -1))


def ways_here(device: torch.device | str = "cpu") -> str:
    """A table of the ways that this machine has, in Markdown.

    Every way is run TURNS times after a first one, the ways in turn.
    """
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(BATCH, 3, SIZE, SIZE, generator=generator).to(device)
    to, origin = (1.6 * torch.rand(2, BATCH, KEYPOINTS, 2, generator=generator) - 0.8).to(device)
    turned = torch.eye(2) + 0.3 * torch.randn(BATCH, KEYPOINTS, 2, 2, generator=generator)
    maps = kernels.Maps(to, origin, turned.to(device))

    def by(way: str) -> Callable[[], Tensor]:
        return lambda: kernels.local_affine_warp(image, *maps, way=way, identity=True)

    ways = {"copies": lambda: copies(image, maps)} | {way: by(way) for way in kernels.ways(device)}
    made = {name: run() for name, run in ways.items()}
    seconds = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, run in ways.items():
            seconds[name].append(_seconds(run, image.device))
    rows = []
    for name, times in seconds.items():
        off = float((made[name] - made["copies"]).abs().max())
        rows.append((WORDS[name], f"{1000 * min(times):.2f} ms", f"{off:.0e}" if off else "0"))
    return markdown.table(("way", "time", "largest difference"), rows)


def _seconds(run: Callable[[], Tensor], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
