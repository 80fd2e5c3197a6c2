"""Warp, three ways: the same numbers, the same gradients, and a sentence where a way is missing."""

import builtins
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.autograd import gradcheck

from aidagen import grids, kernels
from aidagen.kernels import reference
from aidagen.models import fomm

TRITON = importlib.util.find_spec("triton") is not None
needs_triton = pytest.mark.skipif(not TRITON, reason="the extra gpu is not installed")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU"))]  # fmt: skip


def case(b=2, k=3, c=3, h=7, w=9, dtype=torch.float32, seed=0, device="cpu"):
    """Image, points to, points from, matrices; about a third of the places lie outside."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(b, c, h, w, generator=generator, dtype=dtype)
    to, origin = (
        1.6 * torch.rand(b, k, 2, generator=generator, dtype=dtype) - 0.8 for _ in range(2)
    )
    matrices = torch.eye(2, dtype=dtype) + 0.5 * torch.randn(
        b, k, 2, 2, generator=generator, dtype=dtype
    )
    return [x.to(device) for x in (image, to, origin, matrices)]


def truth(image, to, origin, matrices, corners):
    """One map after another, straight from the definition."""
    h, w = image.shape[2:]
    grid = grids.identity_grid(h, w, dtype=image.dtype, device=image.device)
    warped = []
    for k in range(to.shape[1]):
        offset = grid[None] - origin[:, k, None, None]
        offset = torch.einsum("bij,bhwj->bhwi", matrices[:, k], offset)
        where = offset + to[:, k, None, None]
        warped.append(grids.warp(image, where, align_corners=corners))
    return torch.stack(warped, 1)


@pytest.mark.parametrize("corners", [True, False])
def test_the_eager_way_is_the_definition(corners):
    given = case()
    warped = kernels.local_affine_warp(*given, way="eager", align_corners=corners)
    torch.testing.assert_close(warped, truth(*given, corners))
    assert warped.shape == (2, 3, 3, 7, 9)
    other = kernels.local_affine_warp(*given, way="eager", align_corners=not corners)
    assert (warped - other).abs().mean() > 1e-3  # the switch does something


def test_the_identity_comes_first_and_changes_nothing():
    image, to, origin, matrices = case()
    for given in (matrices, None):
        warped = kernels.local_affine_warp(image, to, origin, given, identity=True)
        torch.testing.assert_close(warped[:, 0], image)
        without = kernels.local_affine_warp(image, to, origin, given)
        assert torch.equal(warped[:, 1:], without)


def test_without_matrices_the_maps_are_translations():
    image, to, origin, _ = case()
    eye = torch.eye(2).expand(2, 3, 2, 2)
    torch.testing.assert_close(
        kernels.local_affine_warp(image, to, origin),
        kernels.local_affine_warp(image, to, origin, eye),
    )


def test_it_is_what_the_dense_motion_network_sees():
    config = fomm.fomm_tiny()
    network = fomm.DenseMotionNetwork(config).eval()
    small, to, origin, _ = case(k=config.keypoints, h=32, w=32)
    _, _, _, matrices = case(k=config.keypoints, seed=1)
    eye = torch.eye(2).expand_as(matrices)
    seen = network(small, fomm.Motion(to, matrices), fomm.Motion(origin, eye)).sparse_deformed
    warped = kernels.local_affine_warp(small, to, origin, matrices, identity=True)
    torch.testing.assert_close(warped, seen)


@pytest.mark.parametrize("matrices", [True, False])
@pytest.mark.parametrize("corners", [True, False])
def test_gradients_of_the_eager_way(corners, matrices):
    given = [x.requires_grad_() for x in case(b=1, k=2, c=2, h=4, w=5, dtype=torch.float64)]
    given = given if matrices else [*given[:3], None]
    assert gradcheck(
        lambda *x: kernels.local_affine_warp(*x, way="eager", align_corners=corners), given
    )


# ---------------------------------------------------------------------------------- the fused way


@needs_triton
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize(
    "size", [{}, {"h": 17, "w": 33}, {"h": 1, "w": 6}, {"h": 5, "w": 1}, {"b": 1, "k": 1, "c": 1}]
)
def test_the_fused_way_is_the_eager_way(size, corners, device):
    given = case(**size, device=device)
    for maps in (given, [*given[:3], None]):
        eager = kernels.local_affine_warp(*maps, way="eager", align_corners=corners)
        fused = kernels.local_affine_warp(*maps, way="triton", align_corners=corners)
        torch.testing.assert_close(fused, eager, atol=2e-6, rtol=1e-5)


@needs_triton
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rounds_the_answer_and_not_the_places(dtype, device):
    image, *maps = case(device=device)
    image = image.to(dtype)
    fused = kernels.local_affine_warp(image, *maps, way="triton")
    exact = kernels.local_affine_warp(image.float(), *maps, way="eager")
    assert fused.dtype == dtype
    torch.testing.assert_close(fused.float(), exact, atol=1e-5, rtol=torch.finfo(dtype).eps)
    assert torch.equal(kernels.local_affine_warp(image, *maps, way="eager"), exact.to(dtype))


@needs_triton
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize("which", [(0, 1, 2, 3), (0,), (1, 3), (1, 2, None)])
def test_gradients_of_the_fused_way_are_the_eager_ones(which, corners, device):
    gradients = {}
    for way in ("eager", "triton"):
        given = case(device=device, h=5, w=6)
        if None in which:
            given[3] = None  # translations
        asked = [i for i in which if i is not None]
        for i in asked:
            given[i].requires_grad_()
        warped = kernels.local_affine_warp(*given, way=way, align_corners=corners, identity=True)
        weight = torch.linspace(0, 1, warped.numel(), device=device).view_as(warped)
        gradients[way] = torch.autograd.grad((warped * weight).sum(), [given[i] for i in asked])
    for eager, fused in zip(gradients["eager"], gradients["triton"]):
        assert eager.abs().max() > 0
        torch.testing.assert_close(fused, eager, atol=1e-5, rtol=1e-5)


@needs_triton
def test_images_that_are_not_contiguous_and_repeated_ones():
    from aidagen.kernels import sampling

    image, *maps = case(h=7, w=7)
    turned = image.mT
    one = image[:1].expand(2, -1, -1, -1)
    maps[0] = maps[0].flip(1).mT.contiguous().mT  # points and matrices may be strided, too
    for strided in (turned, one):
        torch.testing.assert_close(
            kernels.local_affine_warp(strided, *maps, way="triton"),
            kernels.local_affine_warp(strided.contiguous(), *maps, way="eager"),
        )
    kept, step = sampling.planes(one)
    assert kept.data_ptr() == image.data_ptr() and step == 0  # one source is not repeated
    assert sampling.planes(turned)[0].data_ptr() != image.data_ptr()


@needs_triton
def test_a_batch_of_64():
    given = case(b=64, k=1, c=1, h=3, w=2)
    ways = [kernels.local_affine_warp(*given, way=way) for way in ("eager", "triton")]
    torch.testing.assert_close(*ways, atol=2e-6, rtol=1e-5)


def test_the_eager_way_keeps_neither_copies_nor_grids():
    """What is kept for the way back are the arguments alone."""
    image, *maps = (x.requires_grad_() for x in case(b=1, k=40, c=1))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()), id):
        kernels.local_affine_warp(image, *maps, way="eager")
    assert sum(kept) == sum(x.numel() for x in (image, *maps)) < 40 * 7 * 9


@pytest.mark.parametrize("at_once", [1, 2 * 2 * 7 * 9])
def test_large_pictures_are_read_through_a_few_maps_at_a_time(monkeypatch, at_once):
    """One map, or two, the last one alone: the same numbers and gradients."""
    given = [x.requires_grad_() for x in case(dtype=torch.float64)]
    whole = kernels.local_affine_warp(*given, way="eager")
    arriving = torch.randn(whole.shape, generator=torch.Generator().manual_seed(2)).double()
    gradients = torch.autograd.grad(whole, given, arriving)
    read = []
    warp = grids.warp
    monkeypatch.setattr(grids, "warp", lambda x, grid, **k: read.append(grid) or warp(x, grid, **k))
    monkeypatch.setattr(reference, "AT_ONCE", at_once)
    parts = kernels.local_affine_warp(*given, way="eager")
    assert [len(grid[0]) // 7 for grid in read] == ([1, 1, 1] if at_once == 1 else [2, 1])
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts, given, arriving), gradients)


@pytest.mark.parametrize("wanted", [{0}, {1}, {3}, {0, 2}])
def test_gradients_of_some_arguments_alone(wanted):
    """A picture that is data, or maps that are: as when all gradients are asked for."""
    given = case(dtype=torch.float64)
    every = [x.clone().requires_grad_() for x in given]
    some = [x.clone().requires_grad_(i in wanted) for i, x in enumerate(given)]
    for leaves in (every, some):
        kernels.local_affine_warp(*leaves, way="eager", identity=True).square().sum().backward()
    for i, (one, other) in enumerate(zip(some, every, strict=True)):
        if i in wanted:
            torch.testing.assert_close(one.grad, other.grad)
        else:
            assert one.grad is None


@needs_triton
def test_what_the_fused_way_does_not_take():
    with pytest.raises(kernels.KernelError, match=r'not torch\.float64.*way="eager"'):
        kernels.local_affine_warp(*case(dtype=torch.float64), way="triton")


# ----------------------------------------------------------------------------------- all three ways


def ways():
    yield "eager"
    yield pytest.param("triton", marks=needs_triton)


@pytest.mark.parametrize("way", ways())
@pytest.mark.parametrize("corners", [True, False])
def test_places_outside_read_zero(way, corners):
    image = torch.ones(1, 2, 6, 8)
    origin = torch.zeros(1, 5, 2)
    far = torch.tensor([[[2.5, 0], [0, -2.5], [1e6, 0], [-1e30, 1e30], [0.5, 0]]])
    warped = kernels.local_affine_warp(image, far, origin, way=way, align_corners=corners)
    assert not warped[:, :4].any()
    assert warped[:, 4, :, 2:4, 2].min() > 0 and warped[:, 4, :, :, -1].max() == 0
    # half a pixel beyond the last centre reads half a pixel and half nothing
    step = 2 / 7 if corners else 2 / 8
    edge = torch.tensor([[[1 + step / 2 if corners else 1.0, 0.0]]])
    narrow = torch.zeros(1, 1, 2, 2)  # every pixel reads that one place
    half = kernels.local_affine_warp(image, edge, origin[:, :1], narrow, way=way,
                                     align_corners=corners)  # fmt: skip
    torch.testing.assert_close(half, torch.full_like(half, 0.5))


COMPARE = """
import torch
from aidagen import kernels
torch.manual_seed(0)
given = torch.rand(2, 3, 7, 9), *torch.rand(2, 2, 4, 2), torch.randn(2, 4, 2, 2)
try:
    compiled = kernels.local_affine_warp(*given, way="compiled")
except kernels.KernelError as error:
    assert 'use way="eager"' in str(error)
    print(f"skip: {error}")
else:
    eager = kernels.local_affine_warp(*given, way="eager")
    torch.testing.assert_close(compiled, eager, atol=2e-6, rtol=1e-5)
    print("equal")
"""


def test_the_compiled_way_is_the_eager_way():
    """In a process of its own: the shape checks of the tests are nothing to compile."""
    root = str(Path(kernels.__file__).resolve().parents[1])
    done = subprocess.run(
        [sys.executable, "-c", COMPARE],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": root},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if done.stdout.startswith("skip"):
        pytest.skip(done.stdout)
    assert done.stdout == "equal\n"


def test_auto_takes_the_eager_way_on_a_cpu(monkeypatch):
    monkeypatch.setattr(kernels, "_triton", None)
    monkeypatch.setattr(kernels, "_compiled", None)
    assert kernels.local_affine_warp(*case()).shape == (2, 3, 3, 7, 9)


def test_a_compiler_that_is_missing_is_told_in_a_sentence(monkeypatch):
    from torch._dynamo.exc import BackendCompilerFailed

    def fail(*_):
        raise BackendCompilerFailed.__new__(BackendCompilerFailed)

    monkeypatch.setattr(kernels, "_compile", lambda eager: fail)
    with pytest.raises(kernels.KernelError, match=r'C\+\+ compiler.*way="eager"'):
        kernels.local_affine_warp(*case(), way="compiled")


def test_without_triton_there_is_a_sentence(monkeypatch):
    real = builtins.__import__

    def without(name, *given, **named):
        if name == "triton" or name.startswith("triton."):
            raise ImportError("No module named 'triton'")
        return real(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    for name in ("affine", "flow", "sampling"):
        monkeypatch.delitem(sys.modules, f"aidagen.kernels.{name}", raising=False)
        monkeypatch.delattr(f"aidagen.kernels.{name}", raising=False)
    for call in (lambda: kernels.local_affine_warp(*case(), way="triton"), kernels.ptx):
        with pytest.raises(kernels.KernelError, match=r"needs Triton.*aidagen\[gpu\]"):
            call()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({0: torch.zeros(3, 7, 9)}, r"image \(B, C, H, W\).*got \(3, 7, 9\)"),
        ({0: torch.zeros(1, 3, 7, 9)}, r"\(1, 3, 7, 9\), \(2, 3, 2\)"),
        ({1: torch.zeros(2, 4, 2)}, r"\(2, 4, 2\), \(2, 3, 2\)"),
        ({2: torch.zeros(2, 3, 3)}, r"\(2, 3, 3\)"),
        ({1: torch.zeros(2, 0, 2), 2: torch.zeros(2, 0, 2)}, r"\(2, 0, 2\)"),
        ({3: torch.zeros(2, 3, 4)}, r"are \(2, 3, 2, 2\); got \(2, 3, 4\)"),
        ({0: torch.zeros(2, 3, 7, 9).byte()}, "takes floats; got torch.uint8"),
        ({0: torch.zeros(2, 3, 7, 9, device="meta")}, "got different devices: meta, cpu"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(changed, words):
    given = case()
    for index, value in changed.items():
        given[index] = value
    with pytest.raises(kernels.KernelError, match=words) as caught:
        kernels.local_affine_warp(*given)
    assert str(caught.value).count("\n") == 0


def test_a_way_that_is_none():
    with pytest.raises(kernels.KernelError, match="auto, eager, compiled, triton; got 'fast'"):
        kernels.local_affine_warp(*case(), way="fast")


def test_a_wrong_kernel_would_be_seen():
    """The comparison above can fail: half a pixel's shift is far beyond its tolerance."""
    given = case()
    moved = [given[0], given[1] + 1 / 8, *given[2:]]
    eager, other = (kernels.local_affine_warp(*x, way="eager") for x in (given, moved))
    assert (eager - other).abs().max() > 1e-2
