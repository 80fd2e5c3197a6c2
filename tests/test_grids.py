import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from torch.autograd import gradcheck

from aidagen import grids


def picture(h, w, c=2, b=1, seed=0, dtype=torch.float32):
    return torch.rand(b, c, h, w, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("size", [(5, 7), (8, 8), (1, 4), (3, 1)])
def test_identity_grid_changes_nothing(size):
    x = picture(*size)
    torch.testing.assert_close(grids.warp(x, grids.identity_grid(*size)[None]), x)


def test_identity_grid_is_x_then_y_at_pixel_centres():
    grid = grids.identity_grid(3, 5)
    assert grid.shape == (3, 5, 2)
    assert grid[0, -1].tolist() == [1, -1]  # first row, last column: x = 1, y = -1
    assert grid[-1, 0].tolist() == [-1, 1]
    assert grid[1, 2].tolist() == [0, 0]


def test_warp_moves_what_it_shows_against_the_grid():
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    step = 2 / 4  # one pixel
    to_the_right = grids.identity_grid(5, 5)[None] + torch.tensor([step, 0])
    # every pixel reads its right neighbour, so the picture moves one pixel to the left
    assert grids.warp(x, to_the_right)[0, 0].argmax().item() == 2 * 5 + 1


def test_warp_agrees_with_scipy():
    x = picture(6, 9, c=1, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    grid = 1.9 * torch.rand(1, 4, 5, 2, generator=generator, dtype=torch.float64) - 0.95
    axes = [torch.linspace(-1, 1, n, dtype=torch.float64).numpy() for n in (6, 9)]
    reference = RegularGridInterpolator(axes, x[0, 0].numpy())(grid[0].flip(-1).numpy())
    torch.testing.assert_close(grids.warp(x, grid)[0, 0], torch.from_numpy(reference))


def test_align_corners_false_shrinks_the_identity():
    x = picture(8, 8)
    moved = grids.warp(x, grids.identity_grid(8, 8)[None], align_corners=False)
    assert (moved - x).abs().mean() > 0.05  # the trap: the identity grid is not the identity


def test_a_resized_identity_is_the_identity_only_with_aligned_corners():
    x, small = picture(64, 64), grids.identity_grid(32, 32)[None]
    moved = grids.warp(x, grids.resize_grid(small, 64, 64))
    torch.testing.assert_close(moved, x, atol=1e-4, rtol=0)
    published = grids.resize_grid(small, 64, 64, align_corners=False)
    beside = (published - grids.identity_grid(64, 64)).abs().max() * 63 / 2  # in pixels
    assert 0.25 <= beside <= 0.5


def test_affine_grid_agrees_with_torch():
    theta = torch.tensor([[[0.8, 0.2, 0.1], [-0.3, 1.1, -0.2]]])
    reference = torch.nn.functional.affine_grid(theta, [1, 1, 6, 4], align_corners=True)
    torch.testing.assert_close(grids.affine_grid(theta, 6, 4), reference)


def test_local_affine_grids_map_their_own_point_exactly():
    generator = torch.Generator().manual_seed(2)
    grid = grids.identity_grid(5, 5)
    there = torch.rand(2, 3, 2, generator=generator)
    here = grid[torch.tensor([1, 2, 4]), torch.tensor([0, 3, 2])].expand(2, 3, 2)
    matrices = torch.randn(2, 3, 2, 2, generator=generator)
    moved = grids.local_affine_grids(grid, there, here, matrices)
    for k, (i, j) in enumerate([(1, 0), (2, 3), (4, 2)]):
        torch.testing.assert_close(moved[:, k, i, j], there[:, k])
    # and their derivative is the matrix: one pixel in x moves by its first column
    step = moved[:, 0, 1, 1] - moved[:, 0, 1, 0]
    torch.testing.assert_close(step, 0.5 * matrices[:, 0, :, 0])


def by_matrix_products(grid, points_to, points_from, matrices=None):
    """`grids.local_affine_grids` as it is read in the paper: one 2 x 2 product per pixel."""
    offset = grid[None, None] - points_from[:, :, None, None]
    if matrices is not None:
        offset = (matrices[:, :, None, None] @ offset[..., None]).squeeze(-1)
    return offset + points_to[:, :, None, None]


def maps(b, k, dtype=torch.float32, seed=5):
    """Points to, points from and matrices of K random maps for each of B images."""
    generator = torch.Generator().manual_seed(seed)
    there, here = 2 * torch.rand(2, b, k, 2, generator=generator, dtype=dtype) - 1
    return there, here, torch.randn(b, k, 2, 2, generator=generator, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_local_affine_grids_written_out_have_the_bits_of_the_matrix_products(dtype):
    there, here, matrices = maps(3, 4, dtype)
    grid = grids.identity_grid(17, 33, dtype=dtype)
    for given in (matrices, None):
        written_out = grids.local_affine_grids(grid, there, here, given)
        assert torch.equal(written_out, by_matrix_products(grid, there, here, given))


def test_gradients_of_local_affine_grids_are_those_of_the_matrix_products():
    there, here, matrices = (x.requires_grad_() for x in maps(2, 3, torch.float64))
    grid = grids.identity_grid(4, 5, dtype=torch.float64)
    assert gradcheck(lambda *x: grids.local_affine_grids(grid, *x), (there, here, matrices))
    # in float32 the pixels are added up in another order: equal up to rounding, not to the bit
    gradients = {}
    for way in (grids.local_affine_grids, by_matrix_products):
        given = [x.requires_grad_() for x in maps(2, 3)]
        grid = way(grids.identity_grid(32, 32), *given)
        weight = torch.linspace(0, 1, grid.numel()).view_as(grid)
        gradients[way] = torch.autograd.grad((weight * grid).sum(), given)
    for written_out, product in zip(*gradients.values()):
        largest = product.abs().max().item()
        torch.testing.assert_close(written_out, product, rtol=1e-5, atol=1e-5 * largest)


@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 2e-6), (torch.float64, 4e-15)])
def test_inverse_2x2_is_the_inverse(dtype, within):
    *_, matrices = maps(40, 10, dtype)
    reference = torch.linalg.inv(matrices)
    # relative to the matrix, and no more than its condition allows
    error = (grids.inverse_2x2(matrices) - reference).flatten(2).norm(dim=-1)
    allowed = within * torch.linalg.cond(matrices) * reference.flatten(2).norm(dim=-1)
    assert (error <= allowed).all()
    assert torch.equal(grids.inverse_2x2(matrices[0, 0]), grids.inverse_2x2(matrices)[0, 0])


def test_gradcheck_inverse_2x2():
    *_, matrices = maps(2, 3, torch.float64)
    assert gradcheck(grids.inverse_2x2, (matrices.requires_grad_(),))


def test_a_singular_matrix_has_no_finite_inverse_and_leaves_the_others_alone():
    matrices = torch.stack([torch.ones(2, 2), torch.eye(2), torch.zeros(2, 2)])
    inverse = grids.inverse_2x2(matrices)
    assert not inverse[0].isfinite().any() and not inverse[2].isfinite().any()
    assert torch.equal(inverse[1], torch.eye(2))


def test_composed_grids_warp_like_two_warps():
    x = torch.nn.functional.interpolate(picture(4, 4), (33, 33), mode="bicubic")
    one = grids.affine_grid(torch.tensor([[[0.7, 0.1, 0.0], [-0.1, 0.7, 0.1]]]), 33, 33)
    two = grids.affine_grid(torch.tensor([[[0.8, 0.0, 0.1], [0.2, 0.8, 0.0]]]), 33, 33)
    twice = grids.warp(grids.warp(x, one), two)
    assert (grids.warp(x, grids.compose(one, two)) - twice).abs().mean() < 0.01


def test_gradcheck_warp():
    x = picture(5, 6, dtype=torch.float64).requires_grad_()
    generator = torch.Generator().manual_seed(3)
    grid = 1.8 * torch.rand(1, 4, 3, 2, generator=generator, dtype=torch.float64) - 0.9
    assert gradcheck(grids.warp, (x, grid.requires_grad_()))


def test_gradcheck_thin_plate_and_its_closed_derivative():
    generator = torch.Generator().manual_seed(4)
    z = (torch.rand(2, 6, 2, generator=generator, dtype=torch.float64) - 0.5).requires_grad_()
    control = grids.identity_grid(3, 3, dtype=torch.float64).view(-1, 2)
    weights = torch.randn(2, 9, generator=generator, dtype=torch.float64).requires_grad_()
    assert gradcheck(lambda z, w: grids.thin_plate(z, control, w), (z, weights))
    (slope,) = torch.autograd.grad(grids.thin_plate(z, control, weights).sum(), z)
    torch.testing.assert_close(grids.thin_plate_gradient(z, control, weights), slope)


@pytest.mark.parametrize(
    "image, grid, words",
    [
        ((1, 3, 4, 4), (1, 4, 4, 3), "of \\(x, y\\)"),
        ((3, 4, 4), (1, 4, 4, 2), "\\(3, 4, 4\\)"),
        ((2, 3, 4, 4), (3, 4, 4, 2), "2 images but 3 grids"),
    ],
)
def test_warp_says_what_is_wrong(image, grid, words):
    with pytest.raises(grids.GridError, match=words):
        grids.warp(torch.zeros(image), torch.zeros(grid))
