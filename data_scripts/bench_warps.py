"""The rows of `make bench` that are about warps: times, memory, and the bytes that have to move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from measures import on_the_gpu, peak_bytes, side_by_side, waiting
from torch import Tensor

from aidagen import grids, kernels

NAME = "sparse-warp-vox-256"
MIB = 1 << 20


def maps(batch: int, device: str, keypoints: int = 10) -> list[Tensor]:
    """Points to, points from and matrices of first-order maps that turn and stretch."""
    generator = torch.Generator().manual_seed(0)
    to, origin = 2 * torch.rand(2, batch, keypoints, 2, generator=generator) - 1
    turned = torch.eye(2) + 0.3 * torch.randn(batch, keypoints, 2, 2, generator=generator)
    return [x.to(device) for x in (to, origin, turned)]


@dataclass(eq=False)
class Operation:
    """What models do by warping: ``function(way, *given)``."""

    name: str
    words: str
    function: Callable[..., Tensor]
    given: list[Tensor]

    @cached_property
    def arriving(self) -> Tensor:
        """The gradient of the result, which whatever comes next would have made."""
        return torch.ones_like(self.run("eager", False))

    def run(self, way: str, back: bool) -> Tensor | tuple[Tensor, ...]:
        """The result, or the gradients of all that is given."""
        leaves = [x.detach().requires_grad_(back) for x in self.given]
        with torch.set_grad_enabled(back):
            result = self.function(way, *leaves)
        if not back:
            return result
        return torch.autograd.grad(result, leaves, self.arriving)

    def moved(self, back: bool) -> int:
        """Bytes that have to move: every argument and the result once; on the way back, which the
        forward pass comes before, all of them again, and the gradients of the arguments."""
        given = sum(x.nbytes for x in self.given)
        return given * (3 if back else 1) + self.arriving.nbytes * (2 if back else 1)


def operations(device: str, batch: int = 16, size: int = 64) -> list[Operation]:
    """Those of a model with 10 keypoints: the flow at a quarter, features at half of ``size``."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).to(device)

    first_order = maps(batch, device)
    coarse, fine = size // 4, size // 2
    flow = grids.identity_grid(coarse, coarse).to(device) + 0.2 * (
        draw(batch, coarse, coarse, 2) - 0.5
    )
    return [
        Operation(
            "local_affine_warp", "11 maps of a picture",
            lambda way, *x: kernels.local_affine_warp(*x, way=way, identity=True),
            [draw(batch, 3, size, size), *first_order],
        ),
        Operation(
            "mix_affine_maps", "flow of 11 maps",
            lambda way, *x: kernels.mix_affine_maps(*x, way=way, identity=True),
            [draw(batch, 11, size, size).softmax(1), *first_order],
        ),
        Operation(
            "warp_by_flow", "features by a coarse flow",
            lambda way, *x: kernels.warp_by_flow(*x, way=way),
            [draw(batch, 64, fine, fine), flow, draw(batch, 1, coarse, coarse)],
        ),
    ]  # fmt: skip


def compiles(run: Callable[[], object]) -> bool:
    """Whether torch.compile works for this, which is said where it does not."""
    try:
        run()
    except Exception as problem:  # no C++ compiler, or a platform that inductor leaves out
        cause = problem.__cause__ or problem
        print(f"torch.compile does not work here ({type(cause).__name__}); rows are left out.")
        return False
    return True


def copied_bytes_per_second(device: str, numbers: int = 64 << 20) -> float:
    """Read and written by a plain copy of 256 MiB: the most that a GPU can do."""
    source = torch.zeros(numbers, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / on_the_gpu(lambda: target.copy_(source), device)


def plain_warp_rows(seconds: float) -> Iterator[tuple]:
    """``grids.warp`` itself, eager and compiled."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(16, 64, 64, 64, generator=generator)
    grid = grids.identity_grid(64, 64) + 0.1 * torch.randn(16, 64, 64, 2, generator=generator)
    compiled = torch.compile(grids.warp)
    with torch.no_grad():
        if compiles(lambda: compiled(image, grid)):
            timed = side_by_side(
                lambda: grids.warp(image, grid), lambda: compiled(image, grid), seconds
            )
            yield "warp, 16 maps of 64x64x64", "eager", "torch.compile", *timed


def warp_rows(seconds: float, device: str) -> Iterator[tuple]:
    """What models do by warping, eagerly and in the other ways, alone and with all gradients."""
    others = {"compiled": "torch.compile"} | ({"triton": "fused"} if device == "cuda" else {})
    for each in operations(device):
        for back in (False, True):
            for way, words in others.items():
                ways = [waiting(partial(each.run, name, back), device) for name in ("eager", way)]
                if not compiles(ways[1]):
                    continue
                what = f"{each.words}, {'forward and back' if back else 'forward'}, {device}"
                yield what, "eager", words, *side_by_side(*ways, seconds)


# --- beside the published code -------------------------------------------------------------------


def sparse_sides(device: str, batch: int, size: int, back: bool) -> list[Callable[[], object]]:
    """11 maps of a picture as published, and ours; raises where they are not the same."""
    from published_step import sparse_deformed, sparse_motions

    image = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(1))
    given = [image.to(device), *maps(batch, device)]

    def published(_, image: Tensor, *maps: Tensor) -> Tensor:
        return sparse_deformed(image, sparse_motions(*maps, *image.shape[2:]))

    def ours(_, image: Tensor, *maps: Tensor) -> Tensor:
        return kernels.local_affine_warp(image, *maps, identity=True)

    sides = [Operation(NAME, NAME, way, given) for way in (published, ours)]
    error = float((sides[0].run("", False) - sides[1].run("", False)).abs().max())
    if error > 1e-3:
        raise AssertionError(f"{NAME}: the pictures differ by {error:.1e}.")
    return [waiting(partial(each.run, "", back), device) for each in sides]


def sparse_rows(seconds: float, device: str = "cpu", batch: int = 4, size: int = 256):
    """Time and peak memory of 11 maps of a picture, as published and ours."""
    ours = "fused" if "triton" in kernels.ways(device) else "eager"
    for back in (False, True):
        ways = sparse_sides(device, batch, size, back)
        what = f"{NAME}, B {batch}, {'forward and back' if back else 'forward'}, {device}"
        yield what, "as published", ours, *side_by_side(*ways, seconds)
        peaks = [peak_bytes(way, device) / MIB for way in ways]
        yield f"{what}, peak memory", "as published", ours, *peaks, 1, "MiB"
