"""Parity with the published Deformable GANs: whole generators and the discriminator.

The authors' Keras names layers by their kind and the order in which they are made; the order of
our modules is the same. Tensors are a function of these names, as in `golden_rule`.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from golden_rule import Golden, fill_keys, image, normal
from test_parity_deformable_gan import pairs, stored
from torch import nn

from aidagen.models import deformable_gan
from aidagen.models.deformable_gan import DeformableGANConfig, Discriminator, Generator, JointNorm
from aidagen.models.deformable_gan_geometry import LocalisationNet

MARKET = DeformableGANConfig()
KINDS = (  # ours, Keras' name of the layer, Keras' names of its tensors
    (nn.ConvTranspose2d, "conv2d_transpose", ("kernel", "bias")),
    (nn.Conv2d, "conv2d", ("kernel", "bias")),
    (nn.Linear, "dense", ("kernel", "bias")),
    (JointNorm, "instance_normalization", ("gamma", "beta")),
)


def value(key, shape):
    """The tensor of a Keras key, in Keras' shape."""
    z, layer = normal(f"posegan/{key}", shape), key.split("/")[0]
    if key.endswith("gamma"):
        return 1 + 0.1 * z
    if key.endswith(("beta", "bias")):
        start = torch.tensor([1.0, 0, 0, 0, 1, 0]) if layer == "dense_3" else 0
        return 0.1 * z + start
    if layer.startswith("dense"):
        gain = {"dense_1": 0.02, "dense_2": 1.0, "dense_3": 0.15}[layer]
        return z * (gain / math.sqrt(shape[0]))
    if layer.startswith("conv2d_transpose"):
        return z * (2 / math.sqrt(math.prod(shape[:2]) * shape[3] / 4))
    gain = {3: 0.8, 1: 1.0}.get(shape[3], 2.0)
    return z * (gain / math.sqrt(math.prod(shape[:3])))


@torch.no_grad()
def fill(network):
    """Fill a network by the rule; returns every tensor by its Keras key, in Keras' shape."""
    counts, made = {}, {}
    for module in network.modules():
        for kind, name, (weight, bias) in KINDS:
            if type(module) is not kind:
                continue
            counts[name] = counts.get(name, 0) + 1
            for tensor, of in ((module.weight, weight), (module.bias, bias)):
                if tensor is None:
                    continue
                key = f"{name}_{counts[name]}/{of}"
                # (out, in, h, w) or, transposed, (in, out, h, w); Keras: (h, w, in, out) or, ...
                order = (2, 3, 1, 0) if tensor.ndim == 4 else tuple(reversed(range(tensor.ndim)))
                made[key] = value(key, [tensor.shape[i] for i in order])
                tensor.copy_(made[key].permute(*np.argsort(order)))
    for module in network.modules():
        if type(module) is LocalisationNet:
            in_pixels(module.layers[0])
    return made


def in_pixels(first):
    """Keras' layer takes (y, x) in pixels, ours (x, y) in [-1, 1]: the same sums."""
    half = torch.tensor([127.0, 63.0]).repeat(36) / 2  # y, x
    first.bias += first.weight @ half
    first.weight.copy_((first.weight * half).unflatten(1, (36, 2)).flip(-1).flatten(1))


def check_fill(made, name):
    keys = fill_keys(f"posegan/{name}")
    assert set(made) == set(keys)
    for key, (shape, total, absolute) in keys.items():
        assert list(made[key].shape) == shape, key
        found = made[key].double()
        np.testing.assert_allclose(found.sum().item(), total, rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(found.abs().sum().item(), absolute, rtol=1e-5)


def people(numbers=(171, 172, 173, 174), height=128, width=64):
    """Sources and targets in [0, 1]."""
    found = torch.stack([image(n, height, width) for n in numbers]).float()
    return found.chunk(2)


def filled(config, name):
    model = deformable_gan.DeformableGAN(config).eval()
    check_fill(fill(model.generator), name)
    return model


@pytest.fixture(scope="module")
def golden():
    """What lies inside has no stated error; the original's norms are sums of a million float32.

    5e-5 of the largest value is allowed there.
    """
    golden = Golden("posegan_networks")
    for key in golden.arrays:
        if key.startswith("intermediate") and not key.endswith("@stat"):
            largest = golden.arrays[key.split("@")[0] + "@stat"][2]
            golden.tolerance[key] = 5e-6 * largest
    return golden


@pytest.fixture(scope="module")
def market():
    return filled(MARKET, "market_mask")


def last(x):
    return x.permute(0, 2, 3, 1)


@torch.no_grad()
def test_parity_deformable_gan_generator(golden, market):
    """The picture, norms on the way, every deformed skip; and the mean of the parts."""
    seen = {}
    norms = [m for m in market.generator.modules() if isinstance(m, JointNorm)]
    hooks = [
        norm.register_forward_hook(lambda m, x, y, n=n: seen.update({n: y}))
        for n, norm in enumerate(norms, start=1)
    ]
    sources, _ = people()
    found = market(sources, *pairs())
    for hook in hooks:
        hook.remove()
    for n, strides in {1: "8x8", 4: "1x1", 5: "8x8", 9: "1x1", 13: "16x16"}.items():
        golden.check(last(seen[n]), f"intermediate/instance_normalization_{n}@s{strides}x16",
                     isolated=1e-3)  # fmt: skip
    for i, stride in enumerate((16, 8, 4, 2)):
        key = f"intermediate/warped_skip{i}@s{stride}x{stride}x16"
        golden.check(last(found.skips[i]), key, isolated=1e-3)
    golden.check(last(2 * found.image - 1), "generator/market_mask_max@s2x2x1")
    market.generator.skips.config = replace(MARKET, aggregate="average")
    try:
        mean = market(sources, *pairs())
    finally:
        market.generator.skips.config = MARKET
    golden.check(last(2 * mean.image - 1), "generator/market_mask_avg@s2x2x1")


@torch.no_grad()
def test_parity_deformable_gan_discriminator(golden, market):
    """Scores of the real target and of the picture generated for it."""
    network = Discriminator(MARKET).eval()
    check_fill(fill(network), "discriminator")
    (sources, targets), (old, new) = people(), pairs()
    maps = [deformable_gan.pose_map_of(MARKET, pose) for pose in (old, new)]
    generated = market(sources, old, new).image
    for name, picture in (("real", targets), ("fake", generated)):
        score = network(sources, maps[0], picture, maps[1]).sigmoid()
        golden.check(score.flatten(1), f"discriminator/{name}")


@pytest.mark.parametrize("warp", ["none", "stn"])
@torch.no_grad()
def test_parity_deformable_gan_ablations(golden, warp):
    """One encoder and plain skips; one predicted affine."""
    model = filled(replace(MARKET, warp=warp), f"market_{warp}")
    found = model(people()[0], *pairs()).image
    golden.check(last(2 * found - 1), f"generator/market_{warp}_max@s2x2x1")


@torch.no_grad()
def test_parity_deformable_gan_256(golden):
    """The larger size, up to the rounding of the original's norms over millions of numbers."""
    model = filled(replace(MARKET, height=256, width=256, levels=7), "fasion_mask")
    source, _ = people((175, 176), 256, 256)
    size = (256, 256)
    found = model(source, stored([0], size), stored([1], size)).image
    wanted = golden["generator/fasion_mask_max@s4x4x1"]
    assert (last(2 * found - 1)[:, ::4, ::4] - wanted).abs().max() < 2e-3  # its own error is 1.2e-3


@pytest.mark.parametrize(
    ("changes", "count"),
    [({}, 61_109_085), ({"warp": "none"}, 36_072_533), ({"levels": 7, "height": 256, "width": 256},
                                                        82_080_611)],
)  # fmt: skip
def test_parity_deformable_gan_parameter_counts(changes, count):
    with torch.device("meta"):
        generator = Generator(replace(MARKET, **changes))
    assert sum(p.numel() for p in generator.parameters()) == count
