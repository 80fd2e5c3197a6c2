"""What systems that rebuild a frame share: the frozen network of their perceptual loss."""

import torch
from torch import nn

from aidagen.judges.features import MobileNetV2, PerceptualFeatures
from aidagen.objectives import folded


def network():
    """The perceptual network with random weights and statistics: nothing is fetched."""
    made = PerceptualFeatures(MobileNetV2().eval())
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return made


def test_a_folded_network_finds_the_same_and_hands_back_the_same_gradient():
    whole = network()
    fast = folded(whole)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in whole.modules())  # left alone
    assert not any(parameter.requires_grad for parameter in fast.parameters())
    image = torch.rand(2, 3, 64, 64, requires_grad=True)
    gradients = []
    for maps in (whole(image), fast(image)):
        gradients.append((maps, torch.autograd.grad(sum(x.abs().mean() for x in maps), image)[0]))
    (wanted, first), (found, second) = gradients
    for a, b in zip(wanted, found, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-4 * a.abs().max().item())
    assert (first - second).abs().max() < 1e-3 * first.abs().max()


def test_it_stays_in_eval_mode():
    fast = folded(network())
    assert not any(module.training for module in fast.train().modules())
