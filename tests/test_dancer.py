"""The real dancer: blue screens, backdrops, boxes; and the clip itself, where it can be fetched."""

import pytest
import torch
from test_judges import needs

from aidagen.datasets import dancer
from aidagen.pixels import as_floats


def scene(left=30, top=20, wide=20, tall=60, size=(100, 90)):
    """A blue gradient with a black rectangle before it."""
    frame = torch.zeros(3, *size, dtype=torch.uint8)
    frame[2] = torch.linspace(120, 250, size[1]).to(torch.uint8)
    frame[:, top : top + tall, left : left + wide] = 10
    return frame


def test_the_screen_is_found():
    found = dancer.blue(scene())
    assert found.sum() == 100 * 90 - 20 * 60 and not found[50, 40]


def test_a_backdrop_is_what_is_seen_at_any_time():
    """Where somebody moves away the screen itself, otherwise what lies beside, along the row."""
    empty = scene(wide=0)
    frames = torch.stack([scene(left=10), scene(left=50)])
    found = dancer.backdrop(frames, ~dancer.blue(frames))
    assert torch.equal(found, empty)
    still = torch.stack([scene(), scene()])
    found = dancer.backdrop(still, ~dancer.blue(still))
    assert (found.int() - empty.int()).abs().max() <= 2
    full = torch.full((1, 3, 8, 8), 9, dtype=torch.uint8)  # nothing is ever seen
    assert dancer.backdrop(full, ~dancer.blue(full)).max() == 0


@pytest.mark.parametrize(("wide", "share"), [(20, 0.88), (40, 60 / (2 * 40 / 0.94)), (45, None)])
def test_a_figure_takes_its_share_of_the_height(wide, share):
    """Less where the width does not allow it, and not below 70 %."""
    box = dancer.framed(~dancer.blue(scene(wide=wide)))
    if share is None:
        assert box is None
        return
    made = dancer.cut(scene(wide=wide), box)
    dark = made[2] < 70
    rows, columns = dark.any(1).nonzero()[:, 0], dark.any(0).nonzero()[:, 0]
    assert len(rows) / 128 == pytest.approx(share, abs=0.03)
    # in the middle, and whole
    assert abs(rows.float().mean() - 63.5) < 1.5 and abs(columns.float().mean() - 31.5) < 1.5
    assert len(columns) / 64 == pytest.approx(wide / (box[2] / 2), abs=0.05)
    assert dancer.framed(torch.zeros(9, 9, dtype=torch.bool)) is None


def test_the_clip():
    needs("musicalgestures", "mediapipe")
    pytest.importorskip("ai_edge_litert")
    real = dancer.pictures(6)
    assert len(real.images) >= 4 and real.images.shape[1:] == (3, 128, 64)
    assert real.pose.visible[:, dancer.TRUNK].all()
    assert (real.pose.joints[real.pose.visible].abs() <= 1).all()
    # the hips lie on black cloth, before a backdrop without anybody
    hips = real.pose.pixels(128, 64)[:, dancer.TRUNK[2:]].mean(1).round().long()
    for image, behind, (x, y) in zip(as_floats(real.images), real.backdrop, hips):
        assert image[:, y, x].max() < 0.35
        assert dancer.blue((behind * 255).round().to(torch.uint8)).float().mean() > 0.85
