"""Skeletons and spreads: what is drawn lies where the numbers say."""

import numpy as np
import pytest
from PIL import ImageColor

from aidagen.errors import AidagenError
from aidagen.widgets import overlays, skeletons

JOINTS = ("nose", "left shoulder", "left elbow", "left wrist", "right knee")
BLACK = np.zeros((128, 128, 3), np.uint8)


def coloured(picture, colour):
    return (picture == np.array(ImageColor.getrgb(colour))).all(-1)


def test_bones_are_found_by_name():
    assert skeletons.bones(JOINTS) == [(1, 2), (2, 3)]
    assert len(skeletons.BONES) == 12 == len(set(skeletons.BONES))
    with pytest.raises(AidagenError, match="no bone between gripper, object"):
        skeletons.bones(("gripper", "object"))


def test_lengths_are_euclidean_and_keep_leading_axes():
    points = np.zeros((3, 5, 2))
    points[:, 2] = (0.3, 0.4)
    lengths = skeletons.bone_lengths(points, [(1, 2), (1, 3)])
    assert lengths.shape == (3, 2)
    assert np.allclose(lengths, [[0.5, 0.0]] * 3)


def test_a_bone_is_a_line_between_its_joints():
    points = np.array([[0, 0], [-0.5, 0.0], [0.5, 0.0], [0.5, 0.8], [0, 0]], float)
    made = skeletons.draw_skeleton(BLACK, points, [(1, 2), (2, 3)], 64, "#0072B2")
    seen = coloured(made, "#0072B2")
    x, y = overlays.to_pixels(np.array([0.0, 0.0]), 64, 128).round().astype(int)
    assert seen[y, x] and not seen[y - 20, x] and not seen[110, x]
    hidden = np.array([True, True, True, False, True])
    part = skeletons.draw_skeleton(BLACK, points, [(1, 2), (2, 3)], 64, "#0072B2", hidden)
    assert 0 < coloured(part, "#0072B2").sum() < seen.sum()
    assert (BLACK == 0).all(), "the picture that was given is left as it was"


def test_roots_squared_are_the_covariances():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(4, 2, 2))
    covariances = half @ np.swapaxes(half, -1, -2)
    found = skeletons.roots(covariances)
    assert np.allclose(found @ found, covariances)
    assert np.allclose(found, np.swapaxes(found, -1, -2))
    for bad in ([[[1.0, 0.5], [0.0, 1.0]]], [[[1.0, 0.0], [0.0, -1.0]]]):
        with pytest.raises(AidagenError, match="symmetric"):
            skeletons.roots(np.array(bad))


def test_a_spread_is_wide_where_its_covariance_is():
    covariance = np.array([[[0.09, 0.0], [0.0, 0.01]]])
    made = skeletons.draw_spreads(BLACK, np.zeros((1, 2)), covariance, 64, deviations=1.0)
    rows, columns = np.nonzero(coloured(made, overlays.colour_of(0)))
    left, right = (overlays.to_pixels(np.array([x, 0.0]), 64, 128)[0] for x in (-0.3, 0.3))
    assert abs(columns.min() - left) < 3 and abs(columns.max() - right) < 3
    assert np.ptp(columns) > 2 * np.ptp(rows)
