"""Time machine, break-it panel and own photo, as Python objects."""

import io

import numpy as np
import pytest
import torch
import untrained
from passes import passes
from PIL import Image
from shown import Shown, state
from tiny_model import TinyModel

from aidagen import SHOWCASE, datasets, runs, video
from aidagen.errors import AidagenError
from aidagen.judges import FaceReading
from aidagen.widgets import photos
from aidagen.widgets.ablations import Ablations
from aidagen.widgets.curves import curve
from aidagen.widgets.motion_microscope import MotionMicroscope
from aidagen.widgets.own_photo import OwnPhoto
from aidagen.widgets.photos import Square
from aidagen.widgets.recordings import liveliest, rebuilt
from aidagen.widgets.time_machine import TimeMachine


@pytest.fixture(scope="module")
def frames():
    return datasets.load("heads").clips("test")[0].frames(step=8).float() / 255


@pytest.fixture(scope="module")
def models():
    return [untrained.model(seed) for seed in (0, 1, 2)]


# --- two models under the microscope


def test_two_models_share_their_scale(models, frames):
    both = MotionMicroscope(models[0], frames[0], frames, name="a", other=models[1], other_name="b")
    alone = [MotionMicroscope(model, frames[0], frames) for model in models[:2]]
    assert len(both.views()) == 6
    captions = [view.caption for view in both.views(2, "flow")]
    assert captions == ["Source", "Driving", "Generated, a", "Movement, a", "Generated, b",
                        "Movement, b"]  # fmt: skip
    assert both._largest("relative") == max(each._largest("relative") for each in alone)
    flows = [view.pixels for view in both.views(2, "flow")][3::2]
    own = [each.views(2, "flow")[3].pixels for each in alone]
    same = [(a == b).all() for a, b in zip(flows, own)]
    assert sum(same) == 1, "the one with less movement is drawn on the other's scale"
    assert both.describe(2, "flow").count("places move by") == 2
    assert "; b: flow" in both.describe(2, "flow")
    assert repr(both) == f"MotionMicroscope('a' and 'b', relative, frame {both.frame} of 4)"
    assert both.figure([2], size=64).width > 6 * 64


def test_two_models_offer_what_both_have(models, frames):
    both = MotionMicroscope(models[0], frames[0], iter(frames), other=TinyModel(16))
    assert both.overlays_at_hand == ("warped grid", "flow", "none")
    assert both.keypoints == 0
    both.overlay, both.mode, both.frame = "none", "absolute", 3
    assert len(both.views()) == 6


# --- checkpoints


def test_rebuilt_knows_the_true_answer(models, frames):
    made = rebuilt(models[0], frames)
    with torch.inference_mode():
        wanted = models[0](frames[:1].expand(3, -1, -1, -1), frames[1:]).image
    assert torch.allclose(made.image, wanted, atol=1e-4)
    assert made.errors == pytest.approx((wanted - frames[1:]).abs().mean((1, 2, 3)).numpy(), 1e-3)
    assert made.points.shape == (3, 10, 2)
    with pytest.raises(AidagenError, match="2 to 256 frames"):
        rebuilt(models[0], frames[:1])


def test_time_machine_slides_through_the_run(models, frames):
    run = TimeMachine(dict(zip((400, 1, 50), models)), frames, name="run")
    assert (run.step, run.film.value) == (400, 3)
    assert run.frame == liveliest(frames[1:], frames[0])
    assert run.film.texts == ["step 1", "step 50", "step 400"]
    shown = set()
    for place, step, model in ((1, 1, models[1]), (2, 50, models[2]), (3, 400, models[0])):
        run.film.value = place
        assert run.step == step
        error = rebuilt(model, frames).errors.mean()
        assert f"Step {step} of 400: rebuilt with a mean error of {error:.3f}" in run.sentence
        page = Shown(run.film)
        assert f"The frame as rebuilt at step {step}" in page
        shown.add(page.images[2][1].tobytes())
    assert len(shown) == 3
    assert "the keypoints lie" not in run.sentence
    run.step = 50
    assert run.film.value == 2
    assert "from where they end up" in run.sentence
    assert repr(run) == f"TimeMachine('run', step 50 of 3 checkpoints, frame {run.frame} of 3)"
    now = state(run.film)
    assert run.figure(size=64).width > 4 * 64
    assert run.figure(frame=1).tobytes() != run.figure(frame=2).tobytes()
    assert state(run.film) == now, "a figure moves nothing"
    run.frame_slider.value = 1 + run.frame % 3
    assert state(run.film) != now
    with pytest.raises(AidagenError, match="at step 7; there are 1, 50, 400"):
        run.step = 7
    with pytest.raises(AidagenError, match="no frame 9: 1 to 3"):
        run.frame = 9


def test_time_machine_draws_the_loss_it_is_given(models, frames, tmp_path):
    rows = [{"step": 50 * i, "seconds": 9.0, "pixels": 1 / i, "warp": 0.5} for i in range(1, 9)]
    (tmp_path / "history.json").write_text(str(rows).replace("'", '"'))
    read = list(runs.history(tmp_path / "history.json"))
    run = TimeMachine({1: models[0], 400: models[1]}, frames[:2], read)
    (xs, ys), what = run._course(read)
    assert what == "loss, all terms"
    assert (xs[0], xs[-1], ys[0]) == (50, 400, 1.5)
    assert (run.plot(1) != run.plot(400)).any(), "the marker moves"
    assert run._course(None)[1] == "error of this clip"
    with pytest.raises(AidagenError, match="two rows or more"):
        TimeMachine({1: models[0], 2: models[1]}, frames[:2], rows[:1])
    with pytest.raises(AidagenError, match="two steps or more"):
        TimeMachine({1: models[0]}, frames[:2])


def test_a_curve_falls_where_its_numbers_fall():
    xs = [1, 10, 100, 1000]
    falling, rising = curve(xs, [8, 4, 2, 1], 10), curve(xs, [1, 2, 4, 8], 10)
    blue = [(c[..., 2].astype(int) - c[..., 0] > 100) for c in (falling, rising)]
    heights = []
    for mask in blue:
        rows, columns = np.nonzero(mask)
        left, right = columns < 110, columns > 220
        heights.append(rows[left].mean() < rows[right].mean())  # row 0 is on top
    assert heights == [True, False]
    for bad in ([1, 2], [0, 1, 2, 3], [1, -1, 1, 1]):
        with pytest.raises(AidagenError, match="all above 0"):
            curve(xs, bad, 10)


def test_ablations_say_what_a_part_buys(models, frames):
    without = untrained.model(1, jacobian="none")
    panel = Ablations({"complete": models[0], "no Jacobians": without}, frames)
    whole, less = panel.errors.values()
    assert less == pytest.approx(rebuilt(without, frames).errors.mean())
    more = "more" if less >= whole else "less"
    assert panel.sentence == (
        f"no Jacobians: mean error {less:.3f} over 3 frames, {abs(less - whole):.3f} {more} than "
        "complete."
    )
    assert f"| no Jacobians | {less:.4f} |" in panel.table()
    assert panel.frame == panel.film.value == liveliest(frames[1:], frames[0])
    shown = state(panel.film)
    panel.choice.value, panel.film.value = "complete", 3
    assert (panel.model, panel.frame) == ("complete", 3)
    assert state(panel.film) != shown
    assert "The true frame 3" in Shown(panel.film)
    shown = state(panel.film)
    assert repr(panel) == "Ablations('complete' of 2 models, frame 3 of 3)"
    assert panel.figure(size=64).width > 4 * 64
    assert panel.figure([1, 2], 64).height > 1.9 * panel.figure(size=64).height
    assert (panel.frame, state(panel.film)) == (3, shown), "a figure moves nothing"
    with pytest.raises(AidagenError, match="no model 'x'; there are complete, no Jacobians"):
        panel.model = "x"
    with pytest.raises(AidagenError, match="two models or more"):
        Ablations({"complete": models[0]}, frames)
    with pytest.raises(AidagenError, match="different sizes"):
        Ablations({"complete": models[0], "tiny": TinyModel(16)}, frames)


# --- own photo


def png(picture, kind="PNG", size=None):
    pixels = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    image, out = Image.fromarray(pixels), io.BytesIO()
    (image.resize(size) if size else image).save(out, kind)
    return out.getvalue()


def choose(own, content, name="me.png", part=9_000):
    """What the browser sends when a file is chosen, part by part, each when it is asked for."""
    answers = [{"next": 0}]
    own.upload.send = answers.append
    while (at := answers[-1]["next"]) is not None:
        message = {"name": name, "size": len(content), "at": at, "turn": "one"}
        own.upload._handle_custom_msg(message, [memoryview(content)[at : at + part]])
    return len(answers) - 1


@pytest.fixture
def own(models, frames):
    reference = torch.cat([frames, frames.flip(3)])
    return OwnPhoto(models[0], {"turning": frames}, faces=None, reference=reference, name="test")


def test_the_showcase_moves_a_photo_where_no_model_is_given():
    heads = [clip.frames(step=8).float() / 255 for clip in datasets.load("heads-128").clips("test")]
    own = OwnPhoto(clips={"nodding": heads[1]}, faces=None)
    assert own.name == SHOWCASE == "fomm-faces-128" and own.pixels == 128
    own.load(heads[0][0])
    assert own.verdict == "familiar", own.sentence
    own.consent = True
    assert own.animate().shape == (4, 3, 128, 128)
    assert "fomm-faces-128" in own.note.value
    with pytest.raises(AidagenError, match="needs a clip that drives"):
        OwnPhoto()
    with pytest.raises(AidagenError, match="no model named 'fomm-faces-129'"):
        OwnPhoto("fomm-faces-129", {"nodding": heads[1]})


def test_upload_agree_animate(own, frames, tmp_path):
    assert own.button.disabled
    assert repr(own) == "OwnPhoto('test', no photo, no consent)"
    assert choose(own, png(frames[0], size=(300, 200))) > 2, "it comes in parts"
    assert own.photo.shape == (3, 200, 300)
    assert own.square == Square(150, 100, 200)
    assert "nobody looked for a face" in own.sentence
    assert own.button.disabled
    with pytest.raises(AidagenError, match="First tick"):
        own.animate()
    own.button.click()
    assert "First tick" in own.sentence
    assert own.made is None
    own.agree.value = True
    assert not own.button.disabled
    own.button.click()
    assert own.made.shape == frames.shape
    assert "Animated: 4 frames" in own.sentence
    assert (own.film.high, own.film.autoplay, own.film.layout.display) == (4, True, None)
    page = Shown(own.film)
    assert page.captions == ["Photo", "Driving", "Generated"]
    assert "your picture moves as in the clip 'turning'" in page
    own.film.value = 3
    assert (Shown(own.film).images[2][1] != page.images[2][1]).any(), "it moves"
    assert video.PROVENANCE in own.note.value
    assert "get_published_weights.py" in own.note.value
    assert list(tmp_path.iterdir()) == []
    own.save(tmp_path / "me.mp4")
    assert video.info(tmp_path / "me.mp4").frames == 4
    assert own.figure(64).width > 5 * 64
    own.load(frames[1])
    assert not own.consent, "every picture asks anew"
    assert own.button.disabled
    assert (own.note.value, own.film.layout.display) == ("", "none")


def test_nothing_stays_on_disk(own, frames, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    own.load(png(frames[0]))
    own.consent = True
    own.animate()
    assert list(tmp_path.rglob("*")) == []


def test_the_threshold_comes_from_held_out_pictures(models, frames):
    pictures = torch.cat([frames, frames.flip(3)])
    errors = photos.rebuilding_errors(models[0], pictures)
    stick = photos.yardstick(models[0], pictures)
    assert stick.error == pytest.approx(np.quantile(errors, 0.95))
    assert stick.count == 8
    assert len(photos.held_out(64)) == 24, "the test split of heads"
    large = photos.held_out(128)
    assert large.shape == (24, 3, 128, 128), "the same people, drawn at that size"
    enlarged = torch.nn.functional.interpolate(photos.held_out(64), size=128, mode="bilinear")
    assert (photos.sharpness(large) > photos.sharpness(enlarged)).all()
    with pytest.raises(AidagenError, match="five held-out pictures"):
        photos.yardstick(models[0], pictures[:2])


def test_the_error_is_that_of_the_picture_and_of_its_warp(models, frames):
    model, picture = models[0], frames[:1]
    known = photos.RandomTransform.sample(1, generator=torch.Generator().manual_seed(0))
    bent = known.frame(picture).clamp(0, 1)
    with torch.inference_mode():
        made = [model(picture, driving).image for driving in (picture, bent)]
    apart = [float((a - b).abs().mean()) for a, b in zip(made, (picture, bent))]
    assert photos.rebuilding_errors(model, picture)[0] == pytest.approx(np.mean(apart), abs=1e-4)


def test_verdicts_are_honest(own, frames):
    own.load(frames[0])
    assert own.verdict == "familiar"
    own.load(torch.full((3, 64, 64), 0.5))
    assert own.verdict == "unfamiliar"
    assert "blurred or empty" in own.sentence
    own.load(torch.rand(3, 64, 64).round())
    assert own.verdict == "unfamiliar"
    assert "cannot rebuild it well" in own.sentence
    own.load(torch.nn.functional.interpolate(frames[:1], size=80)[0])
    own.sliders["extent"].value = 0.5
    assert "the crop has 40 pixels and is enlarged to 64" in own.sentence


def test_a_found_face_is_framed_as_in_training(models, frames):
    """A face in a corner of a large picture: the crop goes there; without a face it says so."""
    clip = datasets.load("heads").clips("test")[0]
    landmarks = torch.tensor(clip.labels()["landmarks"][0].astype(np.float32))
    photo = torch.full((3, 256, 320), 0.5)
    photo[:, 20:148, 170:298] = torch.nn.functional.interpolate(frames[:1], size=128)[0]
    pixels = (landmarks + 1) / 2 * 126 + 1 + torch.tensor([170.0, 20.0])
    points = 2 * (pixels - 0.5) / torch.tensor([319.0, 255.0]) - 1

    def faces(pictures):
        return FaceReading(points[None], torch.zeros(1, 3), torch.ones(1))

    own = OwnPhoto(models[0], {"turning": frames}, faces=faces)
    own.load(photo)
    x, y, side = own.square
    assert (x, y) == pytest.approx((234, 84), abs=20)
    assert side == pytest.approx(128, abs=30)
    own.centre_x = 0.2
    assert "partly outside the crop" in own.sentence
    blind = FaceReading(points[None] * torch.nan, torch.zeros(1, 3), torch.zeros(1))
    nobody = OwnPhoto(models[0], {"turning": frames}, faces=lambda pictures: blind)
    nobody.load(photo)
    assert "no face was found" in nobody.sentence
    assert nobody.square.side == 256


def test_no_weights_are_fetched_for_a_photo(monkeypatch, tmp_path):
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path))
    assert photos.offline_faces() is None
    assert list(tmp_path.iterdir()) == []


def test_moving_the_crop_rebuilds_the_photo_alone(own, frames):
    """Once as it is and once warped; the held-out pictures were measured when it was loaded."""
    own.load(torch.nn.functional.interpolate(frames[:1], size=512)[0])
    for extent in np.linspace(0.9, 0.5, 5):
        with passes(own.model) as counted:
            own.sliders["extent"].value = float(extent)
        assert counted == {"encode": 1, "motion": 3, "render": 2}


def test_sliding_through_checkpoints_asks_no_model(models, frames):
    run = TimeMachine(dict(zip((1, 50, 400), models)), frames)
    with passes(*models) as counted:
        for place in (1, 2, 3, 1, 2):
            run.film.value = place
    assert counted == {}
