import pytest
import torch
from torch.autograd import gradcheck

from aidagen import grids, keypoints


def test_soft_argmax_finds_a_sharp_peak():
    logits = torch.zeros(1, 2, 9, 9)
    logits[0, 0, 2, 6] = logits[0, 1, 8, 0] = 10
    points, heatmap = keypoints.soft_argmax(logits, temperature=0.1)
    wanted = torch.tensor([[0.5, -0.5], [-1.0, 1.0]])
    torch.testing.assert_close(points[0], wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(heatmap.sum((2, 3)), torch.ones(1, 2))


def test_soft_argmax_inverts_gaussian_maps():
    points = torch.tensor([[[0.3, -0.2], [-0.4, 0.5]]])
    maps = keypoints.gaussian_maps(points, 32, 32)
    expected, _ = keypoints.soft_argmax(maps.log(), temperature=1.0)
    torch.testing.assert_close(expected, points, atol=1e-3, rtol=0)


def test_gaussian_maps_with_covariances_are_the_density_of_a_normal_distribution():
    generator = torch.Generator().manual_seed(4)
    points = torch.rand(2, 3, 2, generator=generator, dtype=torch.float64) - 0.5
    factor = torch.randn(2, 3, 2, 2, generator=generator, dtype=torch.float64)
    covariances = 0.1 * factor @ factor.mT + 0.05 * torch.eye(2)
    bumps = keypoints.gaussian_maps(points, 8, 12, covariances)
    normal = torch.distributions.MultivariateNormal(
        points[:, :, None, None], covariances[:, :, None, None]
    )
    density = normal.log_prob(grids.identity_grid(8, 12, dtype=torch.float64)).exp()
    peak = normal.log_prob(points[:, :, None, None]).exp()
    torch.testing.assert_close(bumps, density / peak)
    assert gradcheck(
        lambda p, v: keypoints.gaussian_maps(p, 3, 4, v),
        (points.requires_grad_(), covariances.requires_grad_()),
    )


def test_relative_covariances_of_no_motion_are_the_sources():
    generator = torch.Generator().manual_seed(5)
    factors = torch.randn(2, 1, 4, 2, 2, generator=generator, dtype=torch.float64)
    source, first = factors @ factors.mT + 0.1 * torch.eye(2)
    torch.testing.assert_close(keypoints.relative_covariances(source, first, first), source)
    # a driving covariance that doubles makes the source's double
    torch.testing.assert_close(keypoints.relative_covariances(source, 2 * first, first), 2 * source)


def test_gradcheck_soft_argmax():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 2, 4, 5, generator=generator, dtype=torch.float64).requires_grad_()
    assert gradcheck(lambda x: keypoints.soft_argmax(x, 0.5)[0], (logits,))


def test_hull_scale_is_the_ratio_of_sizes():
    square = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]])
    assert keypoints.hull_scale(0.5 * square + 3, square) == pytest.approx(0.5)
    with pytest.raises(keypoints.KeypointError, match="three keypoints"):
        keypoints.hull_scale(torch.zeros(5, 2), square)


def test_relative_motion_of_nothing_is_the_source():
    generator = torch.Generator().manual_seed(1)
    source, first = torch.rand(2, 1, 4, 2, generator=generator)
    turned, started = torch.randn(2, 1, 4, 2, 2, generator=generator)
    torch.testing.assert_close(keypoints.relative_points(source, first, first), source)
    same = keypoints.relative_jacobians(turned, started, started)
    torch.testing.assert_close(same, turned, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("tps", [0.0, 0.01])
def test_random_transform_jacobian_is_its_derivative(tps):
    generator = torch.Generator().manual_seed(2)
    transform = keypoints.RandomTransform.sample(1, generator=generator, sigma_tps=tps)
    z = torch.tensor([[[0.13, -0.57], [0.31, 0.44]]])
    derivative = torch.autograd.functional.jacobian(transform.points, z)  # (1, N, 2, 1, N, 2)
    for n in range(2):
        torch.testing.assert_close(transform.jacobian(z)[0, n], derivative[0, n, :, 0, n])


def test_random_transform_frame_shows_at_z_what_the_picture_shows_at_t_of_z():
    generator = torch.Generator().manual_seed(3)
    transform = keypoints.RandomTransform.sample(1, generator=generator, sigma_affine=0.1)
    grid = grids.identity_grid(65, 65)
    ramp = grid.permute(2, 0, 1)[None]  # a picture whose colour is its place
    shown = transform.frame(ramp)
    z = grid[20:45:6, 20:45:6].reshape(1, -1, 2)
    expected = transform.points(z)[0]
    colours = shown[0].permute(1, 2, 0)[20:45:6, 20:45:6].reshape(-1, 2)
    torch.testing.assert_close(colours, expected, atol=2e-3, rtol=0)


def test_random_transforms_share_the_places_of_a_batch():
    generator = torch.Generator().manual_seed(4)
    together = keypoints.RandomTransform.sample(3, generator=generator)
    pictures = torch.rand(3, 1, 9, 8, generator=generator)
    for i, shown in enumerate(together.frame(pictures)):
        one = keypoints.RandomTransform(
            together.theta[i : i + 1], together.weights[i : i + 1], together.control_points
        )
        torch.testing.assert_close(shown, one.frame(pictures[i : i + 1])[0])


def test_random_transform_repeats_with_its_seed():
    a, b = (
        keypoints.RandomTransform.sample(3, generator=torch.Generator().manual_seed(7))
        for _ in range(2)
    )
    assert torch.equal(a.theta, b.theta) and torch.equal(a.weights, b.weights)
