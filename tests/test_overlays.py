"""Numbers become the right pixels."""

import numpy as np
import pytest
import torch
from PIL import ImageColor

from aidagen.errors import AidagenError
from aidagen.grids import identity_grid
from aidagen.widgets import overlays

GREY = np.full((101, 101, 3), 128, dtype=np.uint8)
EYE = np.eye(2, dtype=np.float32)


def rgb(colour):
    return np.array(ImageColor.getrgb(colour))


def near(pixel, colour, tolerance=12):
    return np.abs(pixel.astype(int) - rgb(colour)).max() <= tolerance


def changed(picture, before=GREY):
    """Rows and columns of the pixels that are not as before: first and last of each."""
    rows, columns = np.nonzero((picture != before).any(-1))
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_the_origin_is_the_middle_and_minus_one_the_first_pixel():
    points = np.array([[0.0, 0.0], [-1.0, -1.0], [1.0, 1.0]])
    assert np.allclose(overlays.to_pixels(points, 64, 64), [[31.5, 31.5], [0, 0], [63, 63]])
    assert np.allclose(overlays.to_pixels(points[0], 64, 256), [127.5, 127.5])
    assert np.allclose(overlays.to_pixels(points[1], 64, 256), [1.5, 1.5])


@pytest.mark.parametrize("smooth", [True, False])
def test_points_meet_the_enlarged_pixels(smooth):
    """A white pixel and the point that names it end up in the same place of the screen."""
    image, (i, j), size = torch.zeros(3, 9, 9), (5, 2), 108
    image[:, i, j] = 1
    picture = overlays.enlarge(image, size, smooth).astype(float).sum(-1)
    y, x = (picture.sum(axis) @ np.arange(size) / picture.sum() for axis in (1, 0))
    point = identity_grid(9, 9)[i, j].numpy()
    assert np.allclose(overlays.to_pixels(point, 9, size), [x, y], atol=0.05)


def test_a_dot_lies_on_its_point():
    drawn = overlays.draw_points(GREY, np.zeros((1, 2)), 64)
    assert near(drawn[50, 50], overlays.colour_of(0))
    assert (drawn[:30] == GREY[:30]).all()
    moved = overlays.draw_points(GREY, np.array([[0.5, -0.5]]), 64)
    x, y = overlays.to_pixels(np.array([0.5, -0.5]), 64, 101).round().astype(int)
    assert x > 50 > y
    assert near(moved[y, x], overlays.colour_of(0))
    assert (moved[50:] == GREY[50:]).all()


def test_the_chosen_point_has_a_white_ring():
    points = np.array([[-0.5, 0.0], [0.5, 0.0]])
    plain, ringed = (overlays.draw_points(GREY, points, 64, chosen) for chosen in (None, 1))
    left, right = slice(0, 40), slice(60, 101)
    assert (plain[:, left] == ringed[:, left]).all()
    assert (ringed[:, right] == 255).all(-1).sum() > (plain[:, right] == 255).all(-1).sum()


def test_an_ellipse_is_what_the_matrix_makes_of_a_circle():
    centre = np.array([0.1, 0.2], dtype=np.float32)
    round_one = overlays.ellipse(centre, EYE, radius=0.3)
    assert np.allclose(np.linalg.norm(round_one - centre, axis=1), 0.3)
    wide = overlays.ellipse(centre, np.diag([2.0, 0.5]), radius=0.3) - centre
    assert np.allclose(np.abs(wide).max(0), [0.6, 0.15], atol=1e-6)
    shear = np.array([[1.0, 1.0], [0.0, 1.0]])
    leaning = overlays.ellipse(centre, shear, radius=0.3) - centre
    assert np.allclose(np.linalg.norm(leaning @ np.linalg.inv(shear).T, axis=1), 0.3)


def test_ellipses_have_their_size_on_the_screen():
    wide = np.array([[[2.0, 0], [0, 1.0]]])
    top, bottom, left, right = changed(
        overlays.draw_ellipses(GREY, np.zeros((1, 2)), wide, pixels=101, radius=0.2)
    )
    assert abs((right - left) - 2 * 0.4 * 50) <= 5
    assert abs((bottom - top) - 2 * 0.2 * 50) <= 5
    assert (top + bottom) / 2 == pytest.approx(50, abs=1)


def test_paths_pass_where_the_point_passed():
    path = np.array([[[-0.5, 0.0]], [[0.5, 0.0]]])  # T = 2, K = 1
    drawn = overlays.draw_paths(GREY, path, 101)
    assert near(drawn[50, 50], overlays.colour_of(0))
    top, bottom, left, right = changed(drawn)
    assert bottom - top < 8
    assert abs(left - 25) <= 2
    assert abs(right - 75) <= 4
    assert (overlays.draw_paths(GREY, path[:1], 101) != GREY).any()


def test_a_straight_grid_is_straight_and_a_bent_one_is_not():
    straight = identity_grid(11, 11).numpy()
    drawn = overlays.draw_grid(GREY, straight, 101)
    assert near(drawn[50, 45], "#F0E442")
    assert (drawn[45, 45] == 128).all(), "between the lines the picture stays"
    bent = straight + 0.1 * np.sin(3 * straight[..., ::-1])
    assert (overlays.draw_grid(GREY, bent, 101) != drawn).any()


def test_no_movement_is_middle_grey():
    assert np.allclose(overlays.flow_colours(np.zeros((4, 4, 2))), 0.5)
    flow = identity_grid(8, 8) - identity_grid(8, 8)
    picture = overlays.flow_picture(flow.numpy(), 100)
    assert np.abs(picture[:75].astype(int) - 128).max() <= 1
    assert np.ptp(picture[-20:, :20].reshape(-1, 3), axis=0).max() > 60, "the key is coloured"


def test_directions_have_their_colours():
    right, left, up, down = overlays.flow_colours(
        0.3 * np.array([[1.0, 0], [-1, 0], [0, -1], [0, 1]]), 0.3
    )
    assert right[0] > 0.7 > 0.3 > right[2], "orange"
    assert left[2] > 0.7 > 0.3 > left[0], "blue"
    assert up.min() > 0.7 > 0.3 > down.max(), "light and dark"
    far = overlays.flow_colours(np.array([30.0, 0.0]), 0.3)
    assert np.allclose(far, right), "more than the largest is the full colour"


def test_directions_stay_apart_for_colour_blind_readers():
    """Under simulated deuteranopia and protanopia (Viénot et al. 1999, on linear RGB)."""
    directions = np.array([[1.0, 0], [-1, 0], [0, -1], [0, 1], [0, 0]])
    linear = overlays.flow_colours(directions, 1.0) ** 2.2
    blind = {
        "deuteranopia": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
        "protanopia": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    }
    for name, matrix in blind.items():
        seen = (linear @ np.array(matrix).T).clip(0, 1) ** (1 / 2.2)
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + np.eye(5)
        assert apart.min() > 0.25, name


def test_a_scale_of_nothing_is_refused():
    with pytest.raises(AidagenError, match="positive"):
        overlays.flow_colours(np.zeros((2, 2, 2)), 0.0)


def test_maps_go_from_dark_to_light():
    dark, light = (overlays.map_picture(np.full((4, 4), v), 16).mean() for v in (0.0, 1.0))
    assert dark < 60
    assert light > 130


def test_masks_tint_what_they_claim():
    mask = np.zeros((10, 10))
    mask[:, 5:] = 1
    shown = overlays.masked_picture(GREY, mask, "#E69F00")
    assert np.ptp(shown[50, 10].astype(int)) == 0, "grey where nothing is claimed"
    assert shown[50, 90, 0] > shown[50, 90, 2] + 60, "orange where it is"


def test_warping_reads_where_the_grid_says():
    picture = GREY.copy()
    picture[40:60, 40:60] = 255
    straight = identity_grid(101, 101).numpy()
    assert (overlays.warped(picture, straight) == picture).all()
    from_the_right = straight + np.array([0.4, 0.0], dtype=np.float32)  # 20 pixels
    moved = overlays.warped(picture, from_the_right)
    assert (moved[45:55, 25:35] == 255).all()
    assert (moved[45:55, 45:55] == 128).all()
    assert (moved[:, 85:] == 0).all(), "outside of the source there is nothing"


def test_differences_are_black_where_there_are_none():
    assert overlays.difference_picture(GREY, GREY).max() == 0
    other = GREY.copy()
    other[0, 0] += 10
    assert overlays.difference_picture(GREY, other, gain=3.0)[0, 0].tolist() == [30, 30, 30]
    assert overlays.difference_picture(other, GREY, gain=3.0)[0, 0].tolist() == [30, 30, 30]


@pytest.mark.parametrize("degrees", [-60.0, 0.0, 25.0])
def test_turn_and_stretch_are_taken_apart(degrees):
    a = np.radians(degrees)
    rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    stretch, turn = overlays.stretch_and_turn(1.5 * rotation)
    assert stretch == pytest.approx(1.5)
    assert turn == pytest.approx(degrees)
    stretch, turn = overlays.stretch_and_turn(rotation @ np.diag([2.0, 0.5]))
    assert (stretch, turn) == (pytest.approx(2.0), pytest.approx(degrees))
    assert np.isfinite(overlays.stretch_and_turn(np.diag([1.0, -0.5]))).all(), "a reflection"


def test_a_sheet_marks_what_was_generated():
    images = [torch.full((3, 8, 8), 0.5), torch.full((3, 8, 8), 0.5), GREY[:100, :100]]
    sheet = overlays.sheet(images, 2, ["real", "made", "drawn"], size=100, generated=[1])
    assert sheet.width == 2 * 102 + 2
    pixels = np.asarray(sheet)
    real, made = pixels[2:102, 2:102], pixels[2:102, 104:204]
    assert np.abs(real.astype(int) - 128).max() <= 1
    assert made[-14:, -30:].min() < 60, "a dark plate in the corner"
    assert np.abs(made[:50].astype(int) - 128).max() <= 1


def test_a_still_is_a_png_that_repeats():
    sheet = overlays.sheet([GREY], 1)
    one, other = overlays.still(sheet, alt="grey"), overlays.still(sheet)
    assert one.data == other.data
    assert one.data.startswith(b"\x89PNG")
    assert "0x" not in repr(one)
    assert one.alt == "grey"
