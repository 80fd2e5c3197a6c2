"""Masks painted by hand: they stay a mixture, the flow follows them, the model paints the rest."""

import numpy as np
import pytest
import torch
import untrained
from passes import passes
from shown import Page
from test_side_by_side import untrained_system
from tiny_model import TinyModel
from torch import nn

from aidagen import grids
from aidagen.errors import AidagenError
from aidagen.models import fomm
from aidagen.widgets.composition import (
    Composition,
    brush_weight,
    painted,
    place,
    recompose,
)
from aidagen.widgets.mask_painter import MaskPainter


class Residual(nn.Module):
    """A dense-motion network whose flow has more than its mixture: a drift to the left."""

    def __init__(self, network):
        super().__init__()
        self.network, self.down = network, network.down

    def forward(self, *given):
        made = self.network(*given)
        return made._replace(flow=made.flow + torch.tensor([0.2, 0.0]))


@pytest.fixture(scope="module")
def model():
    made = untrained.model()
    made.generator.dense_motion_network.mask.weight.data *= 20  # masks with some shape
    return made


@pytest.fixture(scope="module")
def drifting(model):
    made = untrained.model()
    made.load_state_dict(model.state_dict())
    made.generator.dense_motion_network = Residual(made.generator.dense_motion_network)
    return made


@pytest.fixture(scope="module")
def clip():
    rough = torch.rand(4, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(rough, size=64, mode="bilinear").clamp(0, 1)


@pytest.fixture
def painter(model, clip):
    return MaskPainter(model, clip[0], clip[1:], size=128, name="test")


# --- masks


def test_masks_stay_a_mixture_and_go_where_they_are_painted():
    masks = torch.rand(4, 8, 8, generator=torch.Generator().manual_seed(2)).softmax(0)
    weight = torch.zeros(8, 8)
    weight[2:4] = 1.0
    weight[4] = 0.5
    for k in range(4):
        more, less = (painted(masks, k, weight, erase) for erase in (False, True))
        for made in (more, less):
            torch.testing.assert_close(made.sum(0), torch.ones(8, 8))
            assert (made >= 0).all()
            torch.testing.assert_close(made[:, 5:], masks[:, 5:])
        assert (more[k, 2:4] == 1).all()
        assert (less[k, 2:4] == 0).all()
        torch.testing.assert_close(more[k, 4], (masks[k, 4] + 1) / 2)
        others = [j for j in range(4) if j != k]
        share = less[others, 2:4] / masks[others, 2:4]
        torch.testing.assert_close(share, share[:1].expand_as(share))  # in the same proportion


def test_what_is_freed_where_the_others_had_nothing():
    masks, all_of_it = torch.zeros(3, 2, 2), torch.ones(2, 2)
    masks[2] = 1.0
    assert (painted(masks, 2, all_of_it, erase=True)[0] == 1).all(), "to the background"
    masks = masks.flip(0)
    freed = painted(masks, 0, all_of_it, erase=True)
    assert freed[:, 0, 0].tolist() == [0, 0.5, 0.5], "of the background: to all keypoints"


def test_the_brush_paints_a_line_with_a_soft_edge():
    weight = brush_weight((-0.5, 0.0), (0.5, 0.0), 0.3, 41, 41)
    grid = grids.identity_grid(41, 41)
    assert weight[20, 10:31].min() == 1
    assert weight[grid[..., 1].abs() > 0.3].max() == 0
    assert weight[20, 36] == 0
    assert 0 < weight[25, 20] < 1
    dab = brush_weight((0.2, 0.2), (0.2, 0.2), 0.1, 41, 41)
    assert dab[24, 24] == 1
    assert dab.sum() < 12


def test_a_place_has_a_name():
    values = torch.zeros(30, 30)
    values[2, 27] = 1
    assert place(values) == "upper right"
    assert place(values.flip(0)) == "lower right"
    assert place(values.T) == "lower left"
    assert place(values.roll(-13, 1)) == "upper middle"
    assert place(values.roll(13, 0)) == "right"
    assert place(torch.nn.functional.pad(torch.ones(4, 4), [13] * 4)) == "middle"


# --- the flow and the frame


def test_its_own_masks_make_its_own_picture(model, clip):
    encoded, motion = model.encode(clip[:1]), model.motion(clip[2:3])
    whole = model.render(encoded, motion)
    again = recompose(model, encoded, motion, whole.masks[0].detach())
    torch.testing.assert_close(again.image, whole.image)
    torch.testing.assert_close(again.flow, whole.flow)
    assert "forward" not in vars(model.generator.dense_motion_network), "it speaks again"


def test_one_keypoint_everywhere_moves_everything_as_it_says(model, clip):
    encoded, motion = model.encode(clip[:1]), model.motion(clip[2:3])
    masks = torch.zeros_like(model.render(encoded, motion).masks[0])
    masks[3] = 1.0
    made = recompose(model, encoded, motion, masks)
    expected = fomm.first_order_maps(encoded.motion, motion).grids(*masks.shape[1:])[:, 3]
    torch.testing.assert_close(made.flow, expected)
    torch.testing.assert_close(made.masks[0], masks)
    with pytest.raises(AidagenError, match=r"Masks \(11, 32, 32\) were expected"):
        recompose(model, encoded, motion, masks[1:])


def test_a_residual_flow_is_kept_or_left_out(model, drifting, clip):
    encoded, motion = drifting.encode(clip[:1]), drifting.motion(clip[2:3])
    known = Composition(drifting, encoded, motion)
    drift = torch.tensor([0.2, 0.0]).expand_as(known.residual)
    torch.testing.assert_close(known.residual, drift, atol=1e-5, rtol=0)
    masks = known.masks
    torch.testing.assert_close(known.render(masks).image, drifting.render(encoded, motion).image)
    without = known.render(masks, residual=False)
    torch.testing.assert_close(without.image, model.render(encoded, motion).image)
    assert Composition(model, encoded, motion).residual is None


def test_models_without_masks_are_refused(clip):
    for other in (TinyModel(64), object()):
        with pytest.raises(AidagenError, match="has no masks to paint"):
            MaskPainter(other, clip[0], clip[1:])


def test_monkey_net_is_painted_by_the_same_code(clip):
    model = untrained_system("monkeynet")
    with torch.no_grad():
        model.generator.dense_motion_module.hourglass.decoder.conv.weight.normal_(std=0.03)
        model.kp_detector.predictor.decoder.conv.weight.mul_(20)
    painter = MaskPainter(model, clip[0], clip[1:], size=64)
    painter.frame = 2
    painter.paint(0.0, 0.0, keypoint=2, radius=0.5)
    assert (painter.image - painter._before).abs().max() > 0.01
    assert painter.residual_box in painter.children[1].children
    painter.undo()
    painter.residual = False
    known = painter._composition()
    expected = (known.masks[..., None] * known.sparse_motion[0]).sum(0)
    torch.testing.assert_close(known.flow(known.masks, False)[0], expected)
    assert "without the residual flow" in painter.sentence


# --- the widget


def test_a_stroke_changes_mask_picture_and_sentence(painter):
    painter.frame = 2
    assert painter.sentence.endswith("of frame 2; nothing is painted here yet.")
    before, strip = painter.screen.frame, painter.strip.value
    share = 100 * float(painter.masks[4].mean())
    painter.paint(-0.3, 0.1, to=(0.4, 0.1), keypoint=4, radius=0.4)
    now = 100 * float(painter.masks[4].mean())
    assert now > share + 5
    assert painter.sentence.startswith(
        f"Keypoint 4 claims {now:.0f} % of frame 2, {share:.0f} % before; the flow changed by 0."
    )
    assert painter.spoken.value == painter.sentence
    assert painter.screen.frame != before
    page = Page(painter.strip.value)
    assert len(page.images) == 11
    assert f"4: {now:.0f} %" in page.text
    assert page.images[4][0].endswith("%, chosen")
    assert sum(alt.endswith("chosen") for alt, _ in page.images) == 1
    painter.paint(0.0, 0.1, erase=True, radius=0.6)
    assert float(painter.masks[4].mean()) * 100 < now
    painter.frame = 1
    assert "nothing is painted" in painter.sentence, "each frame has its own masks"
    painter.undo()
    assert painter.frame == 2
    assert float(painter.masks[4].mean()) * 100 == pytest.approx(now)
    painter.undo()
    assert "nothing is painted" in painter.sentence
    assert painter.strip.value != strip, "another mask is chosen"
    assert painter.screen.frame == before
    painter.undo()  # nothing is left: nothing happens


def test_reset_can_be_undone(painter):
    painter.paint(0, 0, keypoint=0, radius=0.5)
    kept = painter.masks.clone()
    painter.reset_button.click()
    assert "nothing is painted" in painter.sentence
    painter.undo_button.click()
    assert torch.equal(painter.masks, kept)


def test_the_brush_of_the_page_paints(painter):
    painter.keypoint = 2
    painter.canvas.set_state({"points": [[-0.5, 0.0]], "stroke": 1})
    one = painter.masks[2].clone()
    painter.canvas.set_state({"points": [[0.0, 0.0]]})  # dragged on
    two = painter.masks[2].clone()
    assert (two >= one - 1e-6).all()
    h, w = two.shape
    assert two[h // 2, 3 * w // 8 : w // 2].min() > 0.9, "the way between is painted, too"
    painter.canvas.set_state({"points": [[0.0, 0.8]], "stroke": 2})  # pressed elsewhere
    between = slice(3 * h // 5, 7 * h // 10)
    torch.testing.assert_close(painter.masks[2][between], two[between])
    assert len(painter._history) == 2, "two strokes"
    painter.undo()
    assert torch.equal(painter.masks[2], two)
    painter.stroke_choice.value = "only move"
    painter.canvas.set_state({"points": [[0.5, 0.5]], "stroke": 3})
    assert torch.equal(painter.masks[2], two)
    painter.here_button.click()
    assert painter.masks[2][3 * h // 4, 3 * w // 4] > 0.9
    painter.stroke = "erase"
    painter.canvas.set_state({"stroke": 4})  # pressed where the brush is
    assert painter.masks[2][3 * h // 4, 3 * w // 4] < 0.1
    painter.radius_slider.value = 0.4
    assert painter.canvas.brush == painter.radius == 0.4


def test_the_residual_box_is_there_only_where_it_does_something(painter, drifting, clip):
    assert painter.residual_box not in painter.children[1].children
    other = MaskPainter(drifting, clip[0], clip[1], size=64)
    assert other.residual_box in other.children[1].children
    assert other.count == 1
    assert other.film not in other.children
    assert painter.film in painter.children
    with_it = other.image.clone()
    other.residual_box.value = False
    assert "without the residual flow; the flow changed by 0.200" in other.sentence
    assert (other.image - with_it).abs().mean() > 0.001


def test_relative_motion_is_at_rest_in_the_first_frame(model, clip):
    painter = MaskPainter(model, clip[0], clip[1:], "relative", size=64)
    motion = painter._composition(1).motion
    torch.testing.assert_close(motion.points, painter._encoded.motion.points)
    absolute = MaskPainter(model, clip[0], clip[1:], size=64)._composition(1).motion
    assert (absolute.points - motion.points).abs().max() > 0.01


def test_figure_and_names(painter):
    painter.paint(0.2, 0.2, keypoint=0)
    assert repr(painter) == "MaskPainter('test', frame 3 of 3, the background, 1 strokes)"
    now = (painter.frame, painter.keypoint, painter.screen.frame, len(painter._history))
    sheet = np.asarray(painter.figure(96))
    assert sheet.shape[1] > 6 * 96
    before, after = sheet[10:80, 400:480], sheet[10:80, 500:580]
    assert np.abs(before.astype(int) - after).mean() > 0.5
    more = painter.figure(96, frame=1, keypoint=3, strokes=[(0.0, 0.0)], radius=0.5)
    assert more.tobytes() != painter.figure(96, frame=1, keypoint=3).tobytes()
    assert now == (painter.frame, painter.keypoint, painter.screen.frame, len(painter._history))
    with pytest.raises(AidagenError, match="There is no frame 9"):
        painter.figure(frame=9)


def test_a_stroke_is_one_rendering_without_the_dense_motion_network(painter, model):
    hourglass, ran = model.generator.dense_motion_network.hourglass, []
    with hourglass.register_forward_hook(lambda *_: ran.append(1)):
        for x in (-0.4, -0.1, 0.2, 0.5):
            with passes(model) as frames:
                painter.paint(x, 0.0)
            assert frames == {"render": 1}
        assert not ran
        painter.frame = 2  # another frame needs it
        assert ran


def test_bad_input_is_refused_in_words(painter, model, clip):
    with pytest.raises(AidagenError, match="There is no keypoint 11: this model has 1 to 10"):
        painter.keypoint = 11
    with pytest.raises(AidagenError, match="There is no frame 4"):
        painter.frame = 4
    with pytest.raises(AidagenError, match="A brush can add, erase, only move; not 'spray'"):
        painter.stroke = "spray"
    with pytest.raises(AidagenError, match=r"Places are \(x, y\) in \[-1, 1\]; got \(3, 0\)"):
        painter.paint(3, 0)
    for wrong in (clip[:0], "walk.mp4", clip[0, 0]):
        with pytest.raises(AidagenError, match="or 1 to 256 of them, were expected, not"):
            MaskPainter(model, clip[0], wrong)
