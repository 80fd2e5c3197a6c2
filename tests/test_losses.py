import pytest
import torch
from torch import nn

from aidagen import losses
from aidagen.keypoints import RandomTransform


class Edges(nn.Module):
    """Two feature maps worked out by hand: the picture itself and its horizontal differences."""

    def forward(self, x):
        return [x, x[..., 1:] - x[..., :-1]]


def test_perceptual_pyramid_adds_layers_and_scales():
    loss = losses.PerceptualPyramid(Edges(), scales=(1.0, 0.5))
    x, y = torch.full((1, 3, 16, 16), 0.5), torch.full((1, 3, 16, 16), 0.25)
    # 0.25 at full size and (away from the padded border) at half; no edges but the border's
    value = loss(x, y)
    assert 0.45 < value < 0.55
    assert loss(x, x) == 0


def test_perceptual_pyramid_trains_neither_network_nor_target():
    features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    wrapped = nn.Module()
    wrapped.forward = lambda x: [features(x)]
    wrapped.net = features
    loss = losses.PerceptualPyramid(wrapped, scales=(1.0,)).train()
    image, target = torch.rand(1, 3, 8, 8, requires_grad=True), torch.rand(1, 3, 8, 8)
    before = features[1].running_mean.clone()
    loss(image, target.requires_grad_()).backward()
    assert image.grad.abs().sum() > 0 and target.grad is None
    assert features[0].weight.grad is None and torch.equal(features[1].running_mean, before)


def test_scaled_l1_feels_a_dot_that_is_far_off():
    """By hand: two dots count at every scale, the less the coarser; in one cell of 8 not at all."""
    image, near, far = torch.zeros(3, 1, 1, 16, 16)
    image[..., 0, 0], near[..., 7, 7], far[..., 15, 15] = 64.0, 64.0, 64.0
    by_hand = sum(2 * 64 / (n * n) / (16 // n) ** 2 for n in (1, 2, 4))
    assert losses.scaled_l1(image, near).item() == pytest.approx(by_hand)
    at_eight = 2 * 64 / 64 / 4
    assert losses.scaled_l1(image, far).item() == pytest.approx(by_hand + at_eight)


def test_adversarial_losses_at_their_optimum():
    one, zero = torch.ones(2, 1, 3, 3), torch.zeros(2, 1, 3, 3)
    assert losses.least_squares_generator(one) == 0
    assert losses.least_squares_discriminator(one, zero) == 0
    assert losses.least_squares_discriminator(zero, one) == 2
    assert losses.hinge_discriminator(one, -one) == 0
    assert losses.hinge_discriminator(zero, zero) == 2
    assert losses.hinge_generator(one) == -1


def test_feature_matching_leaves_the_real_side_alone():
    fake, real = torch.zeros(1, 2, requires_grad=True), torch.ones(1, 2, requires_grad=True)
    losses.feature_matching([fake], [real]).backward()
    assert fake.grad is not None and real.grad is None


@pytest.mark.parametrize("tps", [0.0, 0.02])
def test_equivariance_is_zero_for_a_perfect_detector(tps):
    generator = torch.Generator().manual_seed(0)
    transform = RandomTransform.sample(2, generator=generator, sigma_affine=0.1, sigma_tps=tps)
    found = torch.rand(2, 5, 2, generator=generator) - 0.5  # in the transformed frame
    points = transform.points(found)
    jacobians = transform.jacobian(found)  # neighbourhoods that turn as the picture does
    eye = torch.eye(2).expand(2, 5, 2, 2)
    assert losses.equivariance_points(points, found, transform) < 1e-6
    assert losses.equivariance_jacobians(jacobians, found, eye, transform) < 1e-5
    assert losses.equivariance_points(points + 0.1, found, transform) > 0.09
    assert losses.equivariance_jacobians(2 * jacobians, found, eye, transform) > 0.2
