"""The motion microscope as Python objects; the browser's side is in test_browser."""

import re

import ipywidgets
import numpy as np
import pytest
import torch
from passes import passes
from shown import Shown, state
from tiny_model import TinyModel

from aidagen.animation import AnimationError
from aidagen.errors import AidagenError
from aidagen.models import fomm
from aidagen.widgets import controls, overlays
from aidagen.widgets.motion_microscope import OVERLAYS, MotionMicroscope
from aidagen.widgets.recordings import LONGEST, MODES, Recording, liveliest


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    made = fomm.FOMM(fomm.fomm_tiny()).eval()
    with torch.no_grad():  # points that move, matrices that turn: as after some training
        made.kp_detector.kp.weight *= 30
        made.kp_detector.jacobian.weight.normal_(std=0.05)
    return made


@pytest.fixture(scope="module")
def clip():
    generator = torch.Generator().manual_seed(1)
    rough = torch.rand(6, 3, 6, 6, generator=generator)
    return torch.nn.functional.interpolate(rough, size=64, mode="bilinear").clamp(0, 1)


@pytest.fixture
def microscope(model, clip):
    return MotionMicroscope(model, clip[0], clip[1:], size=96, name="test")


def inside(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from inside(child)


def test_the_slider_changes_picture_and_sentence(microscope):
    microscope.frame = 1
    before, said = state(microscope.film), microscope.sentence
    assert said.startswith("Frame 1 of 5, relative motion, keypoints: largest movement 0.00 at")
    microscope.film.value = 4
    assert microscope.frame == 4
    assert state(microscope.film) != before
    assert microscope.sentence.startswith("Frame 4 of 5, ")
    assert microscope.spoken.value == microscope.sentence
    microscope.frame = 1
    assert microscope.film.value == microscope.film.page["at"] == 1
    assert state(microscope.film) == before, "the same state gives the same picture"
    assert microscope.sentence == said


@pytest.mark.parametrize("mode", ["relative", "absolute"])
@pytest.mark.parametrize("overlay", list(OVERLAYS))
def test_every_overlay_in_both_modes(microscope, overlay, mode):
    microscope.overlay_choice.value, microscope.mode_choice.value = overlay, mode
    assert (microscope.overlay, microscope.mode) == (overlay, mode)
    pages = []
    for frame in (2, 5):
        microscope.frame = frame
        page = Shown(microscope.film)
        pages.append(page)
        assert [image.shape for _, image in page.images] == [(96, 96, 3)] * 4
        assert all(len(alt) > 10 for alt, _ in page.images)
        assert microscope.sentence in page.images[3][0]
        assert f"Frame {frame} of 5, {mode} motion, " in microscope.sentence
        assert OVERLAYS[overlay][0].split()[0] in page.captions[3]
    assert (pages[0].images[3][1] != pages[1].images[3][1]).any(), "the frames look alike"


def test_overlays_look_different(microscope):
    shown = [microscope.views(3, name)[3].pixels for name in OVERLAYS]
    for i, one in enumerate(shown):
        assert all((one != other).any() for other in shown[:i])


def test_keypoint_chooses_the_mask(microscope):
    microscope.overlay = "masks"
    pictures = {}
    for choice in (1, 2, 0):
        microscope.keypoint_choice.value = choice
        name = f"keypoint {choice}" if choice else "the background"
        assert f"masks: {name} claims" in microscope.sentence
        pictures[choice] = microscope.views()[3]
        assert pictures[choice].caption == f"Mask of {name}"
    assert (pictures[1].pixels != pictures[2].pixels).any()
    assert (pictures[1].pixels != pictures[0].pixels).any()
    shares = []
    for k in range(11):
        microscope.keypoint = k
        shares.append(int(re.search(r"claims (\d+) %", microscope.sentence)[1]))
    assert sum(shares) == pytest.approx(100, abs=6), "masks share the picture out"


def test_sentences_say_what_the_model_did(microscope, model, clip):
    with torch.no_grad():
        encoded, motion = model.encode(clip[:1]), model.motion(clip[1:])
        first = fomm.Motion(*(x[:1] for x in motion))
        relative = model.relative(motion, first, encoded)
        rendering = model.render(encoded, relative)
    moved = (relative.points[2] - encoded.motion.points[0]).norm(dim=-1)
    k = int(moved.argmax())
    assert f"movement {moved[k]:.2f} at keypoint {k + 1}." in microscope.describe(3, "keypoints")
    painted = round(100 * float((rendering.occlusion[2] < 0.5).float().mean()))
    assert f"occlusion: {painted} % of" in microscope.describe(3, "occlusion")
    apart = float((rendering.image[2] - clip[3]).abs().mean())
    assert f"differ by {apart:.3f} on average" in microscope.describe(3, "none")
    change = relative.jacobians[2] @ torch.linalg.inv(encoded.motion.jacobians[0])
    turns = [overlays.stretch_and_turn(matrix.numpy())[1] for matrix in change]
    k = int(np.abs(turns).argmax())
    assert f"turn {turns[k]:.0f} degrees at keypoint {k + 1}," in microscope.describe(
        3, "jacobians"
    )


def test_movement_points_from_the_source_to_the_frame(clip):
    """A bright blob that moves right is content that moved right."""
    model, frames = TinyModel(16), torch.full((2, 3, 16, 16), 0.1)
    frames[0, :, 7:9, 3:5] = 1
    frames[1, :, 7:9, 11:13] = 1
    recording = Recording(model, frames[0], frames)
    movement = recording.take("relative").movement
    assert np.allclose(movement[0], 0, atol=1e-5)
    assert movement[1, ..., 0].min() > 0.8
    assert np.allclose(movement[1, ..., 1], 0, atol=1e-3)


def test_any_animatable_model_will_do():
    """One without occlusion, masks and Jacobians offers what it has, and says so."""
    frames = torch.rand(3, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    microscope = MotionMicroscope(TinyModel(16), frames[0], frames)
    assert microscope.overlays_at_hand == ("warped grid", "flow", "none")
    assert microscope.overlay_choice.options == microscope.overlays_at_hand
    assert microscope.keypoint_choice not in list(inside(microscope))
    for overlay in microscope.overlays_at_hand:
        microscope.overlay = overlay
        assert len(Shown(microscope.film).images) == 4
    with pytest.raises(AidagenError, match=r"no overlay 'occlusion'.*flow"):
        microscope.overlay = "occlusion"
    assert microscope.overlay == "none", "a refused choice changes nothing"
    microscope.figure(overlay="all")


def test_one_frame_is_a_clip(model, clip):
    microscope = MotionMicroscope(model, clip[0], clip[:1], size=64)
    assert "Frame 1 of 1" in microscope.sentence
    assert microscope.film.high == 1 and not microscope.film.autoplay, "nothing to scrub through"
    for overlay in microscope.overlays_at_hand:
        microscope.overlay = overlay
    assert microscope.figure().width > 4 * 64


def test_repr_is_stable(model, clip):
    one, other = (MotionMicroscope(model, clip[0], clip[:2], size=64) for _ in range(2))
    assert repr(one) == repr(other) == "MotionMicroscope('FOMM', relative, frame 2 of 2)"
    other.frame, other.mode = 1, "absolute"
    assert repr(other) == "MotionMicroscope('FOMM', absolute, frame 1 of 2)"


def test_controls_are_native_and_labelled(microscope):
    parts = list(inside(microscope))
    assert not any(isinstance(part, ipywidgets.Output) for part in parts)
    assert not any(isinstance(part, ipywidgets.IntSlider) for part in parts), "it has no name"
    for part in parts:
        if isinstance(part, ipywidgets.ValueWidget) and not isinstance(part, ipywidgets.HTML):
            assert part.description
        if isinstance(part, controls.Range):
            assert part.label
    assert microscope.film.label == "Frame"
    assert isinstance(microscope.spoken, controls.Spoken), "a screen reader says the sentence"


def test_generated_pictures_carry_the_mark(microscope):
    views = microscope.views(2, "deformed source")
    made = overlays.enlarge(microscope.take.image[1], 96)
    differs = (views[2].pixels != made).any(-1)
    assert differs[-12:, -40:].mean() > 0.5
    assert not differs[:60].any()
    driving = overlays.enlarge(microscope.recording.driving[1], 96)
    assert (views[1].pixels == driving).all(), "recorded frames do not"


def test_figure_is_a_contact_sheet(microscope):
    now = (microscope.frame, microscope.overlay, state(microscope.film))
    one, all_of_them = microscope.figure([2], size=80), microscope.figure([2], "all", 80)
    assert one.width == all_of_them.width > 4 * 80
    rows = len(microscope.overlays_at_hand)
    assert all_of_them.height == pytest.approx(rows * one.height, abs=2 * rows)
    assert microscope.figure(size=80).height == pytest.approx(4 * one.height, abs=8)
    masks = {microscope.figure([2], "masks", 80, keypoint=k).tobytes() for k in (0, 1, 2)}
    modes = {microscope.figure([2], "flow", mode=mode).tobytes() for mode in MODES}
    assert (len(masks), len(modes)) == (3, 2)
    assert now == (microscope.frame, microscope.overlay, state(microscope.film))
    assert (microscope.keypoint, microscope.mode) == (1, "relative")
    with pytest.raises(AidagenError, match="no frame 9: the clip has 1 to 5"):
        microscope.figure([9])


@pytest.mark.parametrize(
    ("trait", "value", "said"),
    [
        ("frame", 0, "no frame 0"),
        ("frame", 6, "1 to 5"),
        ("overlay", "x-rays", "there are keypoints, jacobians"),
        ("keypoint", 11, "1 to 10"),
        ("keypoint", -1, "0 is the background"),
    ],
)
def test_what_there_is_not_is_refused_in_words(microscope, trait, value, said):
    before, shown = getattr(microscope, trait), state(microscope.film)
    with pytest.raises(AidagenError, match=said):
        setattr(microscope, trait, value)
    assert getattr(microscope, trait) == before
    assert state(microscope.film) == shown


def test_what_cannot_be_recorded_is_refused_in_words(model, clip):
    with pytest.raises(AidagenError, match="relative, absolute, not 'sideways'"):
        MotionMicroscope(model, clip[0], clip, mode="sideways")
    with pytest.raises(AidagenError, match="here are none"):
        MotionMicroscope(model, clip[0], [])
    with pytest.raises(AidagenError, match=r"frames\[:64\]"):
        MotionMicroscope(model, clip[0], clip[:1].expand(LONGEST + 1, -1, -1, -1))
    with pytest.raises(AnimationError, match="divide by 255"):
        MotionMicroscope(model, 255 * clip[0], clip)
    with pytest.raises(AnimationError, match="is not an animatable model"):
        MotionMicroscope(torch.nn.Linear(1, 1), clip[0], clip)


def test_each_mode_is_worked_out_once(clip, monkeypatch):
    model, calls = TinyModel(16), []
    render = model.render
    monkeypatch.setattr(model, "render", lambda *a: calls.append(1) or render(*a))
    microscope = MotionMicroscope(model, clip[0], clip)
    assert len(calls) == 1, "absolute motion is not worked out before it is looked at"
    for mode in ("absolute", "relative", "absolute"):
        microscope.mode = mode
        microscope.frame = 3
    assert len(calls) == 2


def test_looking_does_not_train(clip):
    model = TinyModel(16).train()
    before = model.norm.running_mean.clone()
    MotionMicroscope(model, clip[0], clip)
    assert model.training
    assert torch.equal(model.norm.running_mean, before)


def test_a_redraw_asks_no_model_and_draws_four_pictures(model, clip):
    microscope = MotionMicroscope(model, clip[0], clip)
    with passes(model) as frames:
        for overlay in microscope.overlays_at_hand:
            microscope.overlay = overlay
            for frame in (2, 3, 4, 5):
                microscope.film.value = frame
                assert len(Shown(microscope.film).images) == 4, overlay
    assert frames == {}


def test_it_opens_at_the_liveliest_frame(model, clip):
    frames = torch.stack([clip[0], clip[0], clip[3], clip[0]])
    assert liveliest(frames) == 3
    assert liveliest(frames, clip[3]) == 1, "the earliest of equals"
    microscope = MotionMicroscope(model, clip[1], frames, size=64)
    assert microscope.frame == microscope.film.value == microscope.film.page["at"] == 3
    assert liveliest(clip[:1]) == 1


def test_two_models_stand_on_top_of_each_other(model, clip):
    microscope = MotionMicroscope(model, clip[0], clip, size=64, other=model, other_name="two")
    page = Shown(microscope.film)
    assert page.cells == [1, 1, 2, 2]
    assert page.captions[2:4] == ["Generated, FOMM", "Generated, two"]
    assert [view.caption for view in microscope.views()][4] == "Generated, two"


def test_larger_models_are_shown_as_large(clip):
    """Nothing takes 64 pixels for granted: keypoints of a model of 24 lie where they should."""
    frames = torch.full((2, 3, 24, 24), 0.1)
    frames[0, :, 11:13, 3:5] = frames[1, :, 11:13, 19:21] = 1
    microscope = MotionMicroscope(TinyModel(24), frames[0], frames)
    page = Shown(microscope.film)
    assert {pixels.shape for _, pixels in page.images} == {(256, 256, 3)}
    assert page.images[1][1][:, 200:225].max() > 200 > 90 > page.images[1][1][:, :128].max()
