"""3 x 3 convolutions with fewer multiplications, for pictures that are made on a CPU.

Winograd's F(4 x 4, 3 x 3), after Lavin and Gray, "Fast Algorithms for Convolutional Neural
Networks" (CVPR 2016, arXiv:1509.09308). A convolution is a product of polynomials, and a product
can be taken from its values at a few points: a tile of 6 x 6 pixels and a kernel of 3 x 3 are
evaluated at 6 x 6 points, multiplied point by point (summed over the channels, which is a matrix
product per point), and 4 x 4 pixels of the result are interpolated. That takes 36 multiplications
where the definition takes 16 * 9 = 144. What is evaluated costs additions alone, and the kernels
are evaluated once.

The points are 0, 1, -1, 2, -2 and infinity, the same in both directions. In one direction, for six
pixels d, three taps g and four results y:

    y = A^T [(G g) * (B^T d)]

        [4  0 -5  0  1  0]       [ 1/4    0    0]
        [0 -4 -4  1  1  0]       [-1/6 -1/6 -1/6]        [1  1  1  1  1  0]
        [0  4 -4 -1  1  0]       [-1/6  1/6 -1/6]        [0  1 -1  2 -2  0]
    B^T [0 -2 -1  2  1  0]     G [1/24 1/12  1/6]    A^T [0  1  1  4  4  0]
        [0  2 -1 -2  1  0]       [1/24 -1/12 1/6]        [0  1 -1  8 -8  1]
        [0  4  0 -5  0  1]       [   0    0    1]

An enlarged picture (nearest, x 2) repeats its pixels, so the convolution that follows it is four
convolutions of the small one, one for each place in a 2 x 2 cell, each with 2 x 2 taps: two of the
three taps meet the same pixel and are added. Along one direction the taps of even results are
(g_0, g_1 + g_2, 0) and those of odd ones (0, g_0 + g_1, g_2). A first tap of zero gives a zero at
the point 0, a last tap of zero one at infinity: five points are left. The four share their
B^T d and take 4 * 25 multiplications for 8 x 8 results, where the definition takes 576.

Channels come last in memory here, so that every addition runs over contiguous numbers. Rounding
grows a little with the size of the points: float32 results differ from the plain way by some 1e-5
of their own size.

Letters: B pictures, C channels in and D out, H W pixels, T tiles, i j points.
"""

import math
import threading
from typing import no_type_check

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen.errors import AidagenError

TILE = 4  # results in each direction
_NUMBERS = 3 << 20  # at most so many are held at all points at once: they should stay in the cache
_G = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
      [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]  # fmt: skip
_DOUBLED = [[[1, 0, 0], [0, 1, 1], [0, 0, 0]], [[0, 0, 0], [1, 1, 0], [0, 0, 1]]]  # even, odd
_scratch = threading.local()


class WinogradError(AidagenError):
    """A convolution that this way does not serve."""


def suits(conv: nn.Module) -> bool:
    """Whether ``conv`` is a 3 x 3 convolution of float32 that keeps height and width."""
    return (
        isinstance(conv, nn.Conv2d)
        and (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1))
        and (conv.dilation, conv.groups, conv.padding_mode) == ((1, 1), 1, "zeros")
        and conv.weight.dtype == torch.float32
    )


def at_points(weight: Float[Tensor, "D C 3 3"]) -> Float[Tensor, "6 6 C D"]:
    """``G g G^T`` for every pair of channels, worked out in double precision."""
    g = torch.tensor(_G, dtype=torch.float64, device=weight.device)
    return torch.einsum("ir,dcrs,js->ijcd", g, weight.double(), g).float().contiguous()


def doubled(weight: Float[Tensor, "D C 3 3"]) -> Float[Tensor, "2 2 D C 3 3"]:
    """The kernels that meet the small picture where ``weight`` meets the enlarged one."""
    taps = torch.tensor(_DOUBLED, dtype=weight.dtype, device=weight.device)
    return torch.einsum("pir,dcrs,qjs->pqdcij", taps, weight, taps)


class WinogradConv(nn.Module):
    """What ``conv`` computes, with transformed weights that are made at the first large picture.

    Args:
        conv: 3 x 3, stride 1, padding 1, one group, float32; it stays as it is, and is used itself
            where the picture is small (`pays`) or on another device than a CPU.
        double: whether the picture is enlarged (nearest, x 2) before it is convolved.

    For inference: no gradients reach the weights. Raises `WinogradError` for another ``conv``.
    """

    @no_type_check  # what it is given is checked by hand, in a sentence
    def __init__(self, conv: nn.Conv2d, double: bool = False):
        super().__init__()
        if not suits(conv):
            raise WinogradError(
                f"Winograd's way serves convolutions 3 x 3 of stride 1, padding 1, one group and "
                f"float32; got {conv} of {conv.weight.dtype}: leave that one as it is."
            )
        self.conv, self.double, self.points = conv, double, None

    def pays(self, x: Float[Tensor, "B C H W"]) -> bool:
        """Whether transforms cost less than the multiplications that they save."""
        tiles = len(x) * math.prod(-(-side // TILE) for side in x.shape[2:])
        c, d = self.conv.in_channels, self.conv.out_channels
        # products grow with c d, transforms with c + d; kernels at their points are large as well
        saved = c * d / (c + d)
        return x.device.type == "cpu" and tiles >= 64 and saved >= (30 if self.double else 40)

    @no_type_check  # H and W are doubled where `double`
    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        if x.dtype != torch.float32:
            raise WinogradError(f"Winograd's way computes in float32; the picture is {x.dtype}.")
        if not self.pays(x):
            return self.conv(F.interpolate(x, scale_factor=2) if self.double else x)
        return self.convolve(x)

    @torch.no_grad()
    def convolve(self, x: Float[Tensor, "B C H W"]) -> Tensor:
        """The result by way of the points, whether it pays or not."""
        if self.points is None:
            with torch.inference_mode(False):
                self.points = self._points()
        (b, c, h, w), d, step = x.shape, self.conv.out_channels, 2 if self.double else 1
        rows, columns = -(-h // TILE), -(-w // TILE)  # of tiles
        out = torch.empty(b, step * TILE * rows, step * TILE * columns, d)
        # as many pictures, or as many rows of tiles of one picture, as the cache holds
        most = max(1, _NUMBERS // (36 * columns * max(c, d)))
        images, most = max(1, most // rows), min(most, rows)
        padded = scratch("padded", images, TILE * rows + 2, TILE * columns + 2, c)
        for begin in range(0, b, images):
            some = x[begin : begin + images].permute(0, 2, 3, 1)  # (b, H, W, C)
            inside = padded[: len(some)]
            for border in (inside[:, :1], inside[:, h + 1 :]):
                border.zero_()
            for border in (inside[:, :, :1], inside[:, :, w + 1 :]):
                border.zero_()
            inside[:, 1 : h + 1, 1 : w + 1] = some
            for top in range(0, rows, most):
                bottom = min(top + most, rows)
                values = evaluated(inside[:, TILE * top : TILE * bottom + 2])
                place = out[begin : begin + images, step * TILE * top : step * TILE * bottom]
                self._multiply(values, place.unflatten(1, (-1, TILE, step)).unflatten(
                    4, (columns, TILE, step)))  # fmt: skip
        return out[:, : step * h, : step * w].permute(0, 3, 1, 2)

    def _points(self) -> list[list[Tensor]]:
        """One kernel at its points; of an enlarged picture one per place in the 2 x 2 cell."""
        weight = self.conv.weight.detach()
        if not self.double:
            return [[at_points(weight)]]
        return [[at_points(kernel)[p : p + 5, q : q + 5].contiguous()
                 for q, kernel in enumerate(line)]
                for p, line in enumerate(doubled(weight.double()))]  # fmt: skip

    def _multiply(
        self, values: Float[Tensor, "6 6 b t u C"], out: Float[Tensor, "b t 4 p u 4 q D"]
    ) -> None:
        """Products at all points, interpolated into ``out``: t x u tiles, p x q places a cell."""
        b, t, u, c = values.shape[2:]
        for p, line in enumerate(self.points):
            for q, kernels in enumerate(line):
                m, n, _, d = kernels.shape  # 6 x 6 points, or 5 x 5
                products = scratch("products", m, n, b * t * u, d)
                for row, kernel in enumerate(kernels):
                    given = values[p + row, q : q + n].reshape(n, -1, c)
                    torch.bmm(given, kernel, out=products[row])
                if self.conv.bias is not None:
                    products[1 - p, 1 - q] += self.conv.bias  # at (1, 1): it counts in each result
                interpolate(products.view(m, n, b, t, u, d), out[:, :, :, p, :, :, q], p, q)


def scratch(name: str, *shape: int) -> Tensor:
    """Memory of this thread that is overwritten again and again: fresh pages cost as much as what
    is computed in them."""
    size, held = math.prod(shape), _scratch.__dict__
    if name not in held or len(held[name]) < size:
        with torch.inference_mode(False):
            held[name] = torch.empty(size)
    return held[name][:size].view(shape)


def evaluated(x: Float[Tensor, "b Y X C"]) -> Float[Tensor, "6 6 b t u C"]:
    """``B^T d B`` of all tiles, which overlap by two pixels: Y = 4 t + 2 rows, X = 4 u + 2."""
    b, height, width, c = x.shape
    t, u = height // TILE, width // TILE
    lines = scratch("lines", 6, b, t, width, c)
    _evaluate([x[:, k : k + TILE * t - 3 : TILE] for k in range(6)], lines)
    values = scratch("values", 6, 6, b, t, u, c)
    pixels = [lines[:, :, :, k : k + TILE * u - 3 : TILE] for k in range(6)]
    _evaluate(pixels, values.transpose(0, 1))
    return values


def _evaluate(d: list[Tensor], v: Tensor) -> None:
    """``v = B^T d``, with what rows have in common added once."""
    a, b = scratch("sums", 2, *v.shape[1:])
    torch.sub(d[4], d[2], alpha=4, out=a)
    torch.sub(d[3], d[1], alpha=4, out=b)
    torch.add(a, b, out=v[1])
    torch.sub(a, b, out=v[2])
    torch.sub(d[4], d[2], out=a)
    torch.sub(d[3], d[1], out=b)
    torch.add(a, b, alpha=2, out=v[3])
    torch.sub(a, b, alpha=2, out=v[4])
    torch.sub(d[0], d[2], out=v[0])
    torch.add(a, v[0], alpha=4, out=v[0])
    torch.sub(d[5], d[3], out=v[5])
    v[5].sub_(b, alpha=4)


def interpolate(
    m: Float[Tensor, "i j b t u D"], out: Float[Tensor, "b t 4 u 4 D"], p: int = 0, q: int = 0
) -> None:
    """``A^T m A`` into ``out``. With five rows the point infinity is absent (``p`` = 0), or the
    point 0 (``p`` = 1); the same with columns and ``q``."""
    lines = scratch("lines", TILE, *m.shape[1:])
    _interpolate(m, lines, p)
    _interpolate(lines.transpose(0, 1), out.permute(4, 2, 0, 1, 3, 5), q)


def _interpolate(m: Tensor, y: Tensor, first: int) -> None:
    """``y = A^T m``, where ``m`` begins with the point number ``first``."""
    a, b = scratch("sums", 2, *m.shape[1:])
    one, less, two, lower = m[1 - first : 5 - first]  # at 1, -1, 2, -2
    torch.add(one, less, out=a)
    torch.add(two, lower, out=b)
    torch.add(a, b, alpha=4, out=y[2])
    torch.add(a, b, out=y[0])
    if first == 0:
        y[0].add_(m[0])
    torch.sub(one, less, out=a)
    torch.sub(two, lower, out=b)
    torch.add(a, b, alpha=2, out=y[1])
    torch.add(a, b, alpha=8, out=y[3])
    if first + len(m) == 6:
        y[3].add_(m[-1])
