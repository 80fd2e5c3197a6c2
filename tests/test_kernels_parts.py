"""The deformable skip's warp: its definition, part by part on a CPU, fused on a GPU."""

import re
import subprocess

import pytest
import torch
import torch.nn.functional as F
from people_in_poses import figures
from test_kernels import DEVICES, needs_triton

from aidagen import kernels
from aidagen.kernels.parts import warp_parts
from aidagen.models import deformable_gan_geometry as geometry

CHOICES = [(s, a) for s in ("nearest", "bilinear") for a in ("max", "average")]


def case(b=2, p=4, c=5, h=9, w=7, device="cpu", dtype=torch.float32):
    """Features, maps of which one reads outside, and masks of zeros and ones."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(b, c, h, w, generator=generator).to(dtype)
    maps = torch.eye(2, 3) + 0.4 * torch.randn(b, p, 2, 3, generator=generator)
    maps[:, -1, :, 2] += 1000
    masks = (torch.rand(b, p, h, w, generator=generator) > 0.5).float()
    return [t.to(device) for t in (x, maps, masks)]


def made(x, maps, masks, **options):
    """The result and its gradient for the features, of a weighted sum."""
    leaf = x.clone().requires_grad_()
    result = warp_parts(leaf, maps, masks, **options)
    weights = torch.linspace(-1, 1, result.numel(), device=x.device).view(result.shape)
    return result, torch.autograd.grad((result * weights.to(result.dtype)).sum(), leaf)[0]


@pytest.mark.parametrize("sampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("aggregate", ["max", "average"])
def test_warp_parts_is_its_definition(sampling, aggregate):
    """Pixel by pixel and part by part."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 6, 5, generator=generator)
    maps = torch.eye(2, 3) + 0.3 * torch.randn(2, 4, 2, 3, generator=generator)
    masks = (torch.rand(2, 4, 6, 5, generator=generator) > 0.5).float()
    found = warp_parts(x, maps, masks, sampling=sampling, aggregate=aggregate)
    padded = F.pad(x, (20, 20, 20, 20))
    for b in range(2):
        for row in range(6):
            for column in range(5):
                read = []
                for p in range(4):
                    u, v = (maps[b, p] @ torch.tensor([column, row, 1.0])).tolist()
                    if sampling == "nearest":
                        u, v = (int(abs(t) + 0.5) * (1 if t > 0 else -1) for t in (u, v))
                        value = padded[b, :, v + 20, u + 20]
                    else:
                        i, j = int(v // 1), int(u // 1)
                        a, c = v - i, u - j
                        four = padded[b, :, i + 20 : i + 22, j + 20 : j + 22]
                        weights = torch.tensor([[(1 - a) * (1 - c), (1 - a) * c],
                                                [a * (1 - c), a * c]])  # fmt: skip
                        value = (four * weights).sum((1, 2))
                    read.append(value * masks[b, p, row, column])
                read = torch.stack(read)
                count = masks[b, :, row, column].sum().clamp(min=1)
                wanted = read.amax(0) if aggregate == "max" else read.sum(0) / count
                torch.testing.assert_close(found[b, :, row, column], wanted, atol=1e-4, rtol=1e-4)


def test_warp_parts_hands_gradients_to_features_and_maps():
    x = torch.randn(1, 2, 4, 5, dtype=torch.double, requires_grad=True)
    maps = (torch.eye(2, 3) + 0.1 * torch.randn(1, 3, 2, 3)).double().requires_grad_()
    masks = torch.rand(1, 3, 4, 5, dtype=torch.double, requires_grad=True)

    def average(x, maps, masks):
        return warp_parts(x, maps, masks, sampling="bilinear", aggregate="average")

    assert torch.autograd.gradcheck(average, (x, maps, masks))
    nearest = lambda x: warp_parts(x, maps.detach(), masks.detach())  # noqa: E731
    assert torch.autograd.gradcheck(nearest, (x,))


@pytest.mark.parametrize("masked", [True, False])
def test_part_by_part_is_the_same(masked):
    """On a CPU, by default: the same numbers and gradients as all parts at once, in less memory."""
    source, target = figures(2, 3.0, 0.2), figures(2, 3.0, 0.2, seed=5)
    maps, masks = (f(source, target, 128, 64) for f in (geometry.part_maps, geometry.part_masks))
    x = torch.randn(2, 4, 128, 64, generator=torch.Generator().manual_seed(1))
    masks = masks if masked else None
    plain, fast = (made(x, maps, masks, way=way) for way in ("eager", "auto"))
    assert torch.equal(fast[0], plain[0])
    torch.testing.assert_close(fast[1], plain[1], atol=1e-5, rtol=1e-5)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()), id):
        warp_parts(x.requires_grad_(), maps, masks)
    assert kept and max(kept) <= x.numel()  # all parts at once: ten times as many


@needs_triton
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(("sampling", "aggregate"), CHOICES)
def test_the_fused_way(sampling, aggregate, masked, device):
    x, maps, masks = case(device=device)
    given = x, maps, masks if masked else None
    options = {"sampling": sampling, "aggregate": aggregate}
    for plain, fused in zip(*(made(*given, way=way, **options) for way in ("eager", "triton"))):
        torch.testing.assert_close(fused, plain, atol=1e-5, rtol=1e-5)


@needs_triton
@pytest.mark.parametrize("device", DEVICES)
def test_the_fused_way_of_halves_and_of_one_source_for_many(device):
    x, maps, masks = case(device=device, dtype=torch.float16)
    plain, fused = (made(x, maps, masks, way=way) for way in ("eager", "triton"))
    assert fused[0].dtype == fused[1].dtype == torch.float16
    for a, b in zip(fused, plain):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=2e-3)
    one = x[:1].float().expand(2, -1, -1, -1)
    plain, fused = (warp_parts(one, maps, masks, way=way) for way in ("eager", "triton"))
    torch.testing.assert_close(fused, plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_pixels_are_those_of_the_cpu():
    """Places are rounded to pixels: a product that is fused with its sum would flip some."""
    source, target = figures(8, 3.0, 0.1), figures(8, 3.0, 0.1, seed=5)
    maps, masks = (f(source, target, 128, 64) for f in (geometry.part_maps, geometry.part_masks))
    x = torch.randn(8, 16, 128, 64)
    there = warp_parts(x.cuda(), maps.cuda(), masks.cuda(), way="triton").cpu()
    assert torch.equal(there, warp_parts(x, maps, masks, way="eager"))


@needs_triton
@pytest.mark.parametrize("capability", kernels.CAPABILITIES)
def test_the_fused_way_fits_a_gpu(tmp_path, capability):
    """Compiled without a GPU; no register is spilled."""
    from triton import knobs

    from aidagen.kernels import parts_fused, sampling

    for name, (kernel, constants, types) in parts_fused.fullest({}).items():
        text = sampling.assembly(kernel, capability, types, constants)
        target = re.search(rf"\.target (sm_{capability}a?)", text)[1]
        file = tmp_path / f"{name}.ptx"
        file.write_text(text)
        command = [knobs.nvidia.ptxas.path, "-v", f"--gpu-name={target}", file, "-o", "/dev/null"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        assert "0 bytes spill stores, 0 bytes spill loads" in said, f"{name}: {said}"


def test_warp_parts_tells_what_does_not_fit():
    x, maps = torch.rand(2, 3, 4, 5), torch.rand(2, 6, 2, 3)
    with pytest.raises(kernels.KernelError, match=r"maps \(B, P, 2, 3\)"):
        warp_parts(x, maps[:1])
    with pytest.raises(kernels.KernelError, match=r"masks \(B, P, H, W\); got"):
        warp_parts(x, maps, torch.rand(2, 6, 5, 4))
    with pytest.raises(kernels.KernelError, match="knows max and average; got 'sum'"):
        warp_parts(x, maps, aggregate="sum")
    with pytest.raises(kernels.KernelError, match="gradients to the features alone"):
        warp_parts(x, maps.clone().requires_grad_(), way="triton")
    if kernels.has_triton():
        with pytest.raises(kernels.KernelError, match=r"not torch\.float64 on cpu"):
            warp_parts(x.double(), maps, way="triton")
    with pytest.raises(kernels.KernelError, match="takes floats"):
        warp_parts(x, maps.long())
