"""Scores against cases that can be worked out by hand, and the bootstrap against its promise."""

import numpy as np
import pytest
import torch
from scipy import stats

from aidagen import metrics
from aidagen.errors import AidagenError


@pytest.fixture
def pictures():
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def points_in(pixels, size):
    """Pixel coordinates → [-1, 1], written out independently of the package."""
    return 2 * pixels / (size - 1) - 1


def test_equal_pictures_have_no_error(pictures):
    assert metrics.l1(pictures, pictures).eq(0).all()
    assert metrics.psnr(pictures, pictures).isinf().all()
    assert torch.allclose(metrics.ssim(pictures, pictures), torch.ones(4))
    assert metrics.flicker(pictures, pictures).eq(0).all()


def test_l1_and_psnr_of_a_constant_error(pictures):
    brighter = pictures * 0.5 + 0.1
    assert torch.allclose(metrics.l1(brighter, pictures * 0.5), torch.full((4,), 0.1), atol=1e-6)
    assert torch.allclose(metrics.psnr(brighter, pictures * 0.5), torch.full((4,), 20.0), atol=1e-3)


def test_ssim_agrees_with_scikit_image(pictures):
    skimage = pytest.importorskip("skimage.metrics")
    noisy = (pictures + 0.1 * torch.randn(pictures.shape)).clamp(0, 1)
    ours = metrics.ssim(noisy, pictures)
    theirs = [
        skimage.structural_similarity(
            a.numpy(), b.numpy(), channel_axis=0, data_range=1.0, gaussian_weights=True,
            sigma=1.5, use_sample_covariance=False,
        )
        for a, b in zip(noisy, pictures, strict=True)
    ]  # fmt: skip
    assert np.allclose(ours.numpy(), theirs, atol=0.01)


def test_l1_moving_looks_only_where_something_moves():
    source, truth, wrong = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    truth[..., 2:4, 2:4] = 1.0  # four pixels change
    wrong[..., 7, 7] = 1.0  # an error where nothing moves does not count here
    assert metrics.l1_moving(source, truth, source).item() == 1.0
    assert metrics.l1_moving(truth + wrong, truth, source).item() == 0.0
    assert metrics.l1_moving(truth, source, source).isnan().item()


def test_flicker_is_change_that_the_truth_does_not_have():
    still = torch.zeros(3, 3, 4, 4)
    blinking = still.clone()
    blinking[1] = 0.5
    assert torch.allclose(metrics.flicker(blinking, still), torch.tensor([0.5, 0.5]))


def test_a_shift_of_one_pixel_scores_half_in_the_papers_form_and_one_in_the_euclidean():
    size = (48, 64)
    pixels = torch.rand(5, 68, 2) * 40
    scale = torch.tensor([size[1], size[0]])
    truth, moved = points_in(pixels, scale), points_in(pixels + torch.tensor([1.0, 0.0]), scale)
    assert torch.allclose(metrics.akd(moved, truth, size), torch.full((5,), 0.5), atol=1e-4)
    assert torch.allclose(metrics.akd(moved, truth, size, "l2"), torch.ones(5), atol=1e-4)
    with pytest.raises(AidagenError, match="l3"):
        metrics.akd(moved, truth, size, "l3")


def test_missing_points_are_left_out_of_akd_and_counted_by_mkr():
    truth = torch.zeros(3, 4, 2)
    found = truth.clone()
    found[0, 0] = torch.nan  # one of four is missed
    found[1] = torch.nan  # all are
    truth[2, :2] = torch.nan  # two are not in the truth, so they cannot be missed
    found[2, :3] = torch.nan
    assert torch.allclose(metrics.mkr(found, truth), torch.tensor([0.25, 1.0, 0.5]))
    distance = metrics.akd(found, truth, (64, 64))
    assert distance[0] == 0 and distance[1].isnan() and distance[2] == 0
    assert metrics.mkr(truth[:1], torch.full((1, 4, 2), torch.nan)).isnan().item()


def test_aed_is_squared_as_in_the_papers_unless_asked_otherwise():
    a, b = torch.zeros(2, 128), torch.zeros(2, 128)
    b[0, :2] = torch.tensor([3.0, 4.0])
    b[1] = torch.nan
    assert metrics.aed(a, b)[0] == 25.0
    assert metrics.aed(a, b, squared=False)[0] == 5.0
    assert metrics.aed(a, b)[1].isnan()


def test_frechet_distance_of_known_gaussians():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(4000, 8, generator=generator, dtype=torch.float64)
    b = 2 * torch.randn(4000, 8, generator=generator, dtype=torch.float64) + 1
    # per dimension: (mean difference)² + (sigma difference)² = 1 + 1
    assert metrics.frechet_distance(a, b).item() == pytest.approx(16, rel=0.06)
    assert metrics.frechet_distance(a, a).item() == pytest.approx(0, abs=1e-9)


def test_frechet_distance_agrees_with_torchmetrics_and_survives_repeated_pictures():
    fid = pytest.importorskip("torchmetrics.image.fid")
    a, b = torch.rand(200, 16).double(), torch.rand(150, 16).double() ** 2
    theirs = fid._compute_fid(a.mean(0), a.T.cov(), b.mean(0), b.T.cov())
    assert torch.allclose(metrics.frechet_distance(a, b), theirs, rtol=1e-6)
    still = a[:1].expand(200, -1)
    expected = (a[0] - b.mean(0)).square().sum() + b.var(0).sum()
    assert torch.allclose(metrics.frechet_distance(still, b), expected)


@pytest.mark.parametrize("distance", [metrics.frechet_distance, metrics.kernel_distance])
def test_halves_of_one_set_are_near_and_a_shifted_set_is_far(distance):
    features = torch.randn(400, 32, generator=torch.Generator().manual_seed(0))
    near = distance(features[:200], features[200:]).item()
    far = distance(features[:200], features[200:] + 1).item()
    assert far > 5 * abs(near)


def test_shapes_that_do_not_match_are_explained(pictures):
    with pytest.raises(AidagenError, match="same frames"):
        metrics._pair(pictures, pictures[:, :, :16])  # here the shapes checked in tests come first
    with pytest.raises(AidagenError, match="two pictures"):
        metrics.frechet_distance(torch.rand(1, 4), torch.rand(5, 4))


def test_bootstrap_intervals_cover_the_mean_about_as_often_as_they_promise():
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        interval = metrics.bootstrap(rng.normal(3.0, 1.0, 30), seed, draws=400)
        hits += interval.low <= 3.0 <= interval.high
    assert 0.88 <= hits / 200 <= 0.98


def test_bootstrap_leaves_missing_clips_out():
    interval = metrics.bootstrap([1.0, np.nan, 3.0])
    assert interval.value == 2.0 and interval.n == 2 and interval.low >= 1 and interval.high <= 3
    assert metrics.bootstrap([np.nan]).n == 0


def test_a_paired_bootstrap_sees_what_separate_intervals_hide():
    rng = np.random.default_rng(0)
    difficulty = rng.normal(10, 5, 40)  # clips differ far more than methods do
    better, worse = difficulty + rng.normal(0, 0.1, 40), difficulty + 0.3 + rng.normal(0, 0.1, 40)
    assert metrics.bootstrap(better).high > metrics.bootstrap(worse).low
    apart = metrics.difference(metrics.mean_of(better), metrics.mean_of(worse))
    assert apart.high < 0 and apart.value == pytest.approx(-0.3, abs=0.08)


def test_a_paired_difference_is_scipy_s_of_two_samples():
    a, b = np.random.default_rng(0).normal(size=(2, 15))
    ours = metrics.difference(metrics.mean_of(a), metrics.mean_of(b))
    theirs = stats.bootstrap(
        (a, b), lambda a, b, axis: (a - b).mean(axis), paired=True, n_resamples=2000,
        method="percentile", rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=1e-9)


def test_equal_sums_in_another_order_do_not_differ():
    a, b = np.array([0.1, 0.7, 0.2, 0.0]), np.array([0.7, 0.0, 0.1, 0.2])
    apart = metrics.difference(metrics.mean_of(a), metrics.mean_of(b))
    assert apart.value == 0 and apart.low < 0 < apart.high


@pytest.fixture
def clouds():
    """Features of 10 clips: 20 true frames each, and 20 predicted ones that are a little off."""
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(10, 1, 8, generator=generator) + 0.3 * torch.randn(
        10, 20, 8, generator=generator
    )
    near = real + 0.3 * torch.randn(real.shape, generator=generator)
    far = real.roll(1, 2) * 2 + 0.5
    return real.double(), near.double(), far.double()


def fd(real, predicted):
    return metrics.of_set(
        len(real),
        lambda clips: metrics.frechet_distance(
            predicted[list(clips)].flatten(0, 1), real[list(clips)].flatten(0, 1)
        ).item(),
    )


def test_a_number_of_a_whole_set_gets_an_interval_around_it_and_is_compared(clouds):
    real, near, far = clouds
    interval = metrics.interval(fd(real, far))
    assert interval.low < interval.value < interval.high and interval.n == 10
    apart = metrics.difference(fd(real, near), fd(real, far))
    assert apart.high < 0 and apart.low < apart.value < apart.high
    own = metrics.difference(fd(real, near), fd(real, near))
    assert own[:3] == (0, 0, 0)


def test_scipy_s_own_interval_would_not_do_for_every_set():
    """Why draws are centred, and draws without a number left out: see `metrics.interval`."""

    def distinct(clips):  # the extreme case of what repeated clips do to a set's variety
        return len(set(clips))

    statistic = metrics.of_set(10, distinct)
    theirs = np.quantile(metrics.bootstrap_draws(statistic), (0.025, 0.975))
    assert theirs[1] < 10, "the interval does not reach the number itself"
    ours = metrics.interval(statistic)
    assert ours.low < ours.value == 10 < ours.high

    def share_of_odd(clips):  # of those from 8 on; no number without any
        late = [clip for clip in clips if clip >= 8]
        return np.mean([clip % 2 for clip in late]) if late else np.nan

    statistic = metrics.of_set(10, share_of_odd)
    assert np.isnan(metrics.bootstrap_draws(statistic)).any()
    assert metrics.interval(statistic).value == 0.5
    assert np.isfinite(metrics.interval(statistic)).all()


def test_one_clip_has_no_spread_and_no_clip_no_number():
    assert metrics.bootstrap([3.0]) == (3, 3, 3, 1)
    assert metrics.bootstrap([]).n == 0
