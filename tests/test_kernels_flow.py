"""Mixed maps and warped features: the equations, the fused way, and what a GPU is given."""

import importlib.util
import re
import subprocess
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from test_kernels import DEVICES, case, needs_triton
from torch.autograd import gradcheck

from aidagen import grids, kernels
from aidagen.kernels import reference
from aidagen.lectures.first_order_motion import warps
from aidagen.models import fomm, monkeynet

RESIZES = ["nearest", "bilinear", "corners"]


def mixture(**changed):
    """Masks that sum to one, with one in front for the identity, and maps."""
    image, *maps = case(**{"c": 1} | changed)
    b, k = maps[0].shape[:2]
    generator = torch.Generator().manual_seed(2)
    masks = torch.rand(b, k + 1, *image.shape[2:], generator=generator, dtype=image.dtype)
    return [(3 * masks).softmax(1).to(image.device), *maps]


def features(b=2, c=3, h=6, w=8, rows=3, columns=5, dtype=torch.float32, device="cpu"):
    """Features, a coarse flow that leaves the picture here and there, and what is visible."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(b, rows, columns, 2, generator=generator, dtype=dtype)
    flow = grids.identity_grid(rows, columns, dtype=dtype) + 0.3 * noise
    picture, visible = (
        torch.rand(b, *size, generator=generator, dtype=dtype)
        for size in ((c, h, w), (1, rows, columns))
    )
    return [x.to(device) for x in (picture, flow, visible)]


def both(function, given, **options):
    """Results and gradients of every argument, eager and fused, of the same weighted sum."""
    made = []
    for way in ("eager", "triton"):
        leaves = [None if x is None else x.clone().requires_grad_() for x in given]
        result = function(*leaves, way=way, **options)
        weights = torch.linspace(-1, 1, result.numel(), device=result.device).view(result.shape)
        asked = [x for x in leaves if x is not None]
        slopes = torch.autograd.grad((result * weights).sum(), asked)
        assert any(x.abs().max() > 0 for x in slopes)
        made.append((result, *slopes))
    return zip(*made)


# --------------------------------------------------------------------------------- the equations


@pytest.mark.parametrize("matrices", [True, False])
def test_a_mixture_is_the_weighted_sum_of_the_maps(matrices):
    masks, *maps = mixture()
    maps = kernels.Maps(*maps) if matrices else kernels.Maps(*maps[:2])
    moved = maps.grids(7, 9)  # (B, J, H, W, 2)
    flow = kernels.mix_affine_maps(masks, *maps, identity=True)
    torch.testing.assert_close(flow, (masks[..., None] * moved).sum(1), atol=2e-6, rtol=1e-5)
    alone = kernels.mix_affine_maps(masks[:, 1:], *maps)
    torch.testing.assert_close(alone, (masks[:, 1:, ..., None] * moved[:, 1:]).sum(1),
                               atol=2e-6, rtol=1e-5)  # fmt: skip
    assert torch.equal(moved[:, 0], grids.identity_grid(7, 9).expand(2, -1, -1, -1))
    one = kernels.Maps(*(x if x is None else x[1] for x in maps)).grids(7, 9)  # of one frame
    assert torch.equal(one, moved[1])


def test_a_mixture_keeps_nothing_as_large_as_the_grids():
    given = [x.requires_grad_() for x in mixture()]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()), id):
        kernels.mix_affine_maps(*given, identity=True)
    assert max(kept) == given[0].numel()  # (B, J, H, W), half of the grids


def test_autocast_does_not_round_places():
    given = mixture()
    exact = kernels.mix_affine_maps(*given, identity=True)
    with torch.autocast("cpu", torch.bfloat16):
        flow = kernels.mix_affine_maps(*given, identity=True)
        product = grids.product_2x2(given[3], given[3])
    assert torch.equal(flow, exact)
    torch.testing.assert_close(product, given[3] @ given[3])
    assert kernels.mix_affine_maps(given[0].bfloat16(), *given[1:], identity=True).dtype == (
        torch.float32
    )


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("corners", [True, False])
def test_warped_features_are_resized_read_and_dimmed(resize, corners):
    picture, flow, visible = features()
    how = {"mode": "nearest"} if resize == "nearest" else {
        "mode": "bilinear", "align_corners": resize == "corners"}  # fmt: skip
    where = F.interpolate(flow.permute(0, 3, 1, 2), (6, 8), **how).permute(0, 2, 3, 1)
    seen = F.interpolate(visible, (6, 8), mode="bilinear", align_corners=False)
    warped = grids.warp(picture, where, align_corners=corners)
    options = {"resize": resize, "align_corners": corners}
    assert torch.equal(kernels.warp_by_flow(picture, flow, **options), warped)
    assert torch.equal(kernels.warp_by_flow(picture, flow, visible, **options), warped * seen)


def test_gradients_of_the_equations():
    given = [x.requires_grad_() for x in mixture(b=1, k=2, h=3, w=4, dtype=torch.float64)]
    assert gradcheck(lambda *x: kernels.mix_affine_maps(*x, identity=True), given)
    given = [x.requires_grad_() for x in features(1, 2, 3, 4, 2, 3, dtype=torch.float64)]
    assert gradcheck(kernels.warp_by_flow, given)


# ---------------------------------------------------------------------------------- the fused way


@needs_triton
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("matrices", [True, False])
@pytest.mark.parametrize("size", [{}, {"h": 17, "w": 19}, {"h": 1, "w": 5, "b": 1, "k": 1}])
def test_the_fused_mixture(size, matrices, device):
    masks, *maps = mixture(**size, device=device)
    given = [masks, *maps] if matrices else [masks, *maps[:2], None]
    for eager, fused in both(kernels.mix_affine_maps, given, identity=True):
        torch.testing.assert_close(fused, eager, atol=1e-5, rtol=1e-5)
    for way in ("eager", "triton"):  # without the identity: the same without its mask
        alone = kernels.mix_affine_maps(masks[:, 1:], *given[1:], way=way)
        whole = kernels.mix_affine_maps(masks * 1.0, *given[1:], way=way, identity=True)
        still = masks[:, 0, ..., None] * grids.identity_grid(*masks.shape[2:], device=device)
        torch.testing.assert_close(alone, whole - still, atol=1e-5, rtol=1e-5)


@needs_triton
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("resize", RESIZES)
def test_fused_features_of_another_size(resize, device):
    given = features(device=device)
    for shown in (given, [*given[:2], None]):
        for corners in (True, False):
            options = {"resize": resize, "align_corners": corners}
            for eager, fused in both(kernels.warp_by_flow, shown, **options):
                torch.testing.assert_close(fused, eager, atol=2e-5, rtol=1e-5)


@needs_triton
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "size",
    [
        {"h": 17, "w": 17, "rows": 17, "columns": 17, "c": 1},  # as large as the flow; odd
        {"b": 1, "c": 33, "h": 3, "w": 4},  # more channels than one program takes
        {"h": 1, "w": 1, "rows": 2, "columns": 3},
        {"h": 3, "w": 2, "rows": 5, "columns": 7},  # smaller than the flow
    ],
)
def test_fused_features_of_any_size(size, device):
    for eager, fused in both(kernels.warp_by_flow, features(**size, device=device)):
        torch.testing.assert_close(fused, eager, atol=2e-5, rtol=1e-5)


@needs_triton
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_round_the_answer_alone(dtype):
    """A result is off by its own rounding, a gradient by that of the one that arrives, too."""
    picture, flow, visible = features()
    picture = picture.to(dtype)
    exact = kernels.warp_by_flow(picture.float(), flow, visible, way="eager")
    for way in ("eager", "triton"):
        warped = kernels.warp_by_flow(picture, flow, visible, way=way)
        assert warped.dtype == dtype
        torch.testing.assert_close(
            warped.float(), exact, atol=1e-5, rtol=torch.finfo(dtype).eps)  # fmt: skip
    for eager, fused in both(kernels.warp_by_flow, [picture, flow, visible]):
        torch.testing.assert_close(fused.float(), eager.float(), atol=1e-4,
                                   rtol=2 * torch.finfo(dtype).eps)  # fmt: skip


@needs_triton
def test_strided_features_and_one_source_for_all():
    picture, flow, visible = features(h=6, w=6)
    for strided in (picture.mT, picture[:1].expand(2, -1, -1, -1)):
        given = strided, flow.flip(0).mT.contiguous().mT, visible
        ways = [kernels.warp_by_flow(*given, way=way) for way in ("eager", "triton")]
        torch.testing.assert_close(*ways, atol=2e-6, rtol=1e-5)


@needs_triton
@pytest.mark.parametrize("system", ["fomm", "monkeynet"])
def test_models_are_the_same_either_way(system, monkeypatch):
    """Pictures and all gradients of a training step, with the kernels that a GPU would run."""
    torch.manual_seed(0)
    small = {"size": 16, "keypoints": 2, "kp_blocks": 2, "motion_blocks": 2}
    if system == "fomm":
        model = fomm.FOMM(replace(fomm.fomm_tiny(), **small))
    else:
        model = monkeynet.MonkeyNet(replace(monkeynet.monkeynet_small(), **small, blocks=2))
    source, driving = torch.rand(2, 2, 3, 16, 16)
    names, pictures, gradients = [], [], []
    run = kernels._triton
    monkeypatch.setattr(kernels, "_triton", lambda name, *x: names.append(name) or run(name, *x))
    for way in ("eager", "triton"):
        monkeypatch.setattr(kernels, "_automatic", lambda first, way=way: way)
        rendering = model(source, driving)
        loss = (rendering.image - driving).square().sum() + rendering.deformed.square().sum()
        pictures.append(rendering.image)
        gradients.append(torch.autograd.grad(loss, model.parameters(), allow_unused=True))
    assert set(names) == {"Warp", "WarpByFlow"} | ({"Mix"} if system == "fomm" else set())
    torch.testing.assert_close(*pictures, atol=1e-5, rtol=1e-5)
    largest = max(float(x.abs().max()) for x in gradients[0] if x is not None)
    for eager, fused in zip(*gradients):
        if eager is not None:
            torch.testing.assert_close(fused, eager, atol=1e-5 * largest, rtol=1e-3)


# ------------------------------------------------------------------------------ what a GPU is given

THREADS = 128
SCALARS = 8 * 4  # bytes of a map: point, point, matrix

# bytes that one thread reads, writes and adds to, in one turn of each kernel's loop: two pixels,
# one on the way back, and four channels, s bytes each; whatever is more would be wasted
TRAFFIC = {
    "warp": lambda s: (2 * 4 * 4 * s + SCALARS, 2 * 4 * s, 0),
    "warp_back": lambda s: (4 * (4 + 1) * s + SCALARS, 6 * 4, 4 * 4 * 4),
    "mix": lambda s: (2 * 2 * 4 + SCALARS, 2 * 2 * 4, 0),
    "mix_back": lambda s: (2 * 4 + 4 + SCALARS, 2 * 4 + 6 * 4, 0),
    "flow": lambda s: (2 * 4 * 4 * s + 2 * 3 * 4 * 4, 2 * 4 * s, 0),
    "flow_back": lambda s: (4 * (4 + 1) * s + 3 * 4 * 4, 0, 4 * 4 * 4 + 3 * 4 * 4),
}


def moved(text, instruction):
    found = re.findall(rf"{instruction}(?:\.v(\d))?\.[bf](\d+)", text)
    return sum(int(many or 1) * int(bits) // 8 for many, bits in found)


@needs_triton
@pytest.mark.parametrize(
    ("capability", "dtype"), [(80, torch.bfloat16), (90, torch.float32)], ids=["A100", "H100"]
)
def test_kernels_for_gpus_that_are_not_here(capability, dtype, tmp_path):
    """They compile, move the bytes that they must and no more, and fit into the registers."""
    from triton import knobs

    texts = kernels.ptx(capability, dtype)
    assert texts.keys() == TRAFFIC.keys()
    for name, text in texts.items():
        target = re.search(rf"\.target (sm_{capability}a?)", text)[1]
        bytes_moved = tuple(
            moved(text, kind) for kind in (r"ld\.global", r"st\.global", r"atom\.global\S*\.add")
        )
        assert bytes_moved == TRAFFIC[name](dtype.itemsize), name
        assert f".reqntid {THREADS}" in text
        file = tmp_path / f"{name}.ptx"
        file.write_text(text)
        command = [knobs.nvidia.ptxas.path, "-v", f"--gpu-name={target}", file, "-o", "/dev/null"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        assert "0 bytes spill stores, 0 bytes spill loads" in said, f"{name}: {said}"
        assert int(re.search(r"Used (\d+) registers", said)[1]) <= 102, (
            name
        )  # five programs at once


@needs_triton
def test_what_cannot_be_compiled_is_told_in_a_sentence():
    with pytest.raises(kernels.KernelError, match=r"80, 90; got 7"):
        kernels.ptx(7)
    with pytest.raises(kernels.KernelError, match=r"not torch\.float64"):
        kernels.ptx(80, torch.float64)


@needs_triton
def test_the_fused_way_is_tried_before_a_model_takes_it(monkeypatch, recwarn):
    works, device = kernels._works.__wrapped__, torch.device("cpu")
    assert not works(torch.device("cuda", 0)) or torch.cuda.is_available()
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert not works(device) and not recwarn.list  # too old for Triton: nothing to be told
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    assert works(device) and not recwarn.list

    def fail(*_):
        raise RuntimeError("Failed to find C compiler.\nPlease specify via CC.")

    monkeypatch.setattr(kernels, "_triton", fail)
    with pytest.warns(UserWarning, match=r"\(Failed to find C compiler\.\); the plain ones"):
        assert not works(device)


# --------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({1: torch.zeros(2, 3, 5)}, r"flow \(B, h, w, 2\).*\(2, 3, 6, 8\), \(2, 3, 5\), \(2, 1"),
        ({1: torch.zeros(1, 3, 5, 2)}, r"got .*\(1, 3, 5, 2\)"),
        ({2: torch.zeros(2, 1, 6, 8)}, r"visible \(B, 1, h, w\); got .*\(2, 1, 6, 8\)"),
        ({0: torch.zeros(2, 3, 6, 8).byte()}, "warp_by_flow takes floats; got torch.uint8"),
        ({"resize": "cubic"}, "nearest, bilinear, corners; got 'cubic'"),
        ({"way": "fast"}, "auto, eager, compiled, triton; got 'fast'"),
    ],
)
def test_features_that_do_not_fit_are_told_in_a_sentence(changed, words):
    given = features()
    options = {name: x for name, x in changed.items() if isinstance(name, str)}
    given = [changed.get(i, x) for i, x in enumerate(given)]
    with pytest.raises(kernels.KernelError, match=words) as caught:
        kernels.warp_by_flow(*given, **options)
    assert str(caught.value).count("\n") == 0


def test_masks_that_do_not_fit_are_told_in_a_sentence():
    masks, *maps = mixture()
    with pytest.raises(kernels.KernelError, match="each of 3 maps; got 4"):
        kernels.mix_affine_maps(masks, *maps)
    with pytest.raises(kernels.KernelError, match=r"3 maps, and one of the identity .*; got 3"):
        kernels.mix_affine_maps(masks[:, 1:], *maps, identity=True)
    with pytest.raises(kernels.KernelError, match=r"takes masks \(B, J, H, W\).*got \(4, 7, 9\)"):
        kernels.mix_affine_maps(masks[0], *maps)


def test_reference_of_the_same_size_is_not_resized():
    x = torch.rand(1, 2, 3, 4)
    assert reference.resized(x, 3, 4) is x


def test_triton_is_looked_for_once():
    assert kernels.has_triton() == (importlib.util.find_spec("triton") is not None)


@needs_triton
def test_a_lecture_compares_the_ways_that_a_machine_has(monkeypatch):
    assert kernels.ways("cpu") == ("eager",)
    monkeypatch.setattr(kernels, "ways", lambda _: ("eager", "triton"))
    for name, small in {"BATCH": 1, "KEYPOINTS": 2, "SIZE": 6, "TURNS": 1}.items():
        monkeypatch.setattr(warps, name, small)
    _, _, *rows = warps.ways_here("cpu").splitlines()
    assert len(rows) == 3
    for row in rows:
        assert row.count(" ms |") == 1 and float(row.split("|")[-2]) < 1e-5
