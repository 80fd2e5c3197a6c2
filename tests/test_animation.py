"""The animator: what it yields, how it streams, and what it refuses."""

import pytest
import torch
from tiny_model import NAME, TinyModel, blob

from aidagen.animation import AnimationError, Animator, animate, prepare
from aidagen.errors import AidagenError


def picture(x: float, y: float, size=16) -> torch.Tensor:
    return blob(x, y, size).float() / 255


def place(image: torch.Tensor) -> tuple[float, float]:
    return tuple(TinyModel(image.shape[-1]).motion(image[None]).points[0, 0].tolist())


@pytest.fixture
def model() -> TinyModel:
    return TinyModel().eval()


DRIVING = torch.stack([picture(x, 0.1) for x in (-0.3, -0.1, 0.1, 0.3, 0.5)])


def test_one_rendering_a_frame_without_the_batch_dimension(model):
    got = list(Animator(model, picture(0, 0), batch=2).animate(DRIVING))
    assert len(got) == 5
    for each in got:
        assert type(each).__name__ == "Rendering"
        assert each.image.shape == (3, 16, 16) and each.flow.shape == (16, 16, 2)
        assert each.heatmaps is None
        assert each.source_point.shape == (1, 2)  # the same for all
        assert each.layers[0].shape == (3, 16, 16)


def test_relative_keeps_the_source_place_and_absolute_takes_the_driving_one(model):
    source = picture(0.0, -0.2)
    relative = animate(model, source, DRIVING)
    assert torch.allclose(relative[0], source, atol=1e-5)  # no movement yet
    assert place(relative[2])[0] == pytest.approx(place(source)[0] + 0.4, abs=0.08)
    assert place(relative[2])[1] == pytest.approx(place(source)[1], abs=0.08)
    absolute = animate(model, source, DRIVING, mode="absolute")
    assert place(absolute[0])[0] == pytest.approx(place(DRIVING[0])[0], abs=0.08)
    assert place(absolute[0])[1] == pytest.approx(place(DRIVING[0])[1], abs=0.08)


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 16])
def test_the_batch_size_changes_nothing_but_the_batches(model, batch):
    expected = animate(model, picture(0, 0), DRIVING, batch=4)
    model.largest_batch = 0
    assert torch.allclose(animate(model, picture(0, 0), DRIVING, batch=batch), expected, atol=1e-6)
    assert model.largest_batch == min(batch, 5)


def test_frames_are_taken_as_they_come_and_the_source_is_encoded_once(model):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield picture(0.1, 0.1)

    animator = Animator(model, picture(0, 0), batch=4)
    stream = animator.animate(endless())
    for index in range(40):
        next(stream)
        assert len(taken) == 4 * (index // 4 + 1)
    list(animator.animate(DRIVING))
    assert model.encodings == 1


def test_what_comes_out_is_an_ordinary_tensor_that_keeps_nothing_else_alive(model):
    image = next(Animator(model, picture(0, 0), batch=5).animate(DRIVING)).image
    assert not image.is_inference() and not image.requires_grad
    assert image.untyped_storage().nbytes() == image.numel() * image.element_size()
    image.mul_(2)
    torch.ones((), requires_grad=True).mul(image).sum().backward()
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_suspended_streams_leave_the_callers_gradients_on(model):
    stream = Animator(model, picture(0, 0), batch=2).animate(DRIVING)
    next(stream)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_a_model_in_training_is_used_as_in_evaluation_and_goes_on_training(model):
    model.train()
    model.gain.requires_grad_(True)
    model.norm.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    animate(model, picture(0, 0), DRIVING)
    assert model.training and not model.norm.training
    model.norm.train()
    animate(model, picture(0, 0), DRIVING)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_sources_and_frames_of_any_size_are_cropped_and_resized(model):
    source = picture(0, 0, (40, 90))
    animator = Animator(model, source[None])
    assert animator.source.shape == (1, 3, 16, 16)
    got = list(animator.animate([picture(0, 0, (33, 17)), picture(0.2, 0, (16, 16))]))
    assert [each.image.shape for each in got] == [(3, 16, 16)] * 2


def test_half_precision_models_get_half_precision_frames():
    model = TinyModel().eval().to(torch.bfloat16)
    assert animate(model, picture(0, 0), DRIVING).dtype == torch.bfloat16


def test_prepare_keeps_the_middle_and_smooths():
    stripes = torch.zeros(3, 64, 100)
    stripes[:, :, ::2] = 1
    stripes[:, :, :18] = stripes[:, :, 82:] = 0.123  # outside the middle square
    small = prepare(stripes, 16)
    assert small.shape == (3, 16, 16)
    assert (small - 0.5).abs().max() < 0.07  # aliasing would give stripes of 0 and 1
    assert prepare((stripes * 255).to(torch.uint8), 16).dtype == torch.float32
    assert prepare(stripes[None].expand(2, -1, -1, -1), 16).shape == (2, 3, 16, 16)
    assert prepare(picture(0, 0), 16).equal(picture(0, 0))


nan = picture(0, 0)
nan[0, 3, 3] = float("nan")
BAD_PICTURES = {
    "bytes": (blob(0, 0, 16), "255"),
    "nan": (nan, "NaN"),
    "infinite": (picture(0, 0) / 0, "inf"),
    "0 to 255": (picture(0, 0) * 255, "divide by 255"),
    "-1 to 1": (picture(0, 0) * 2 - 1, r"\(image \+ 1\) / 2"),
    "grey": (picture(0, 0)[:1], "three equal channels"),
    "flat": (picture(0, 0)[0], "three equal channels"),
    "rgba": (torch.rand(4, 16, 16), "alpha"),
    "channels last": (torch.rand(16, 16, 3), "permute"),
    "many": (torch.rand(2, 3, 16, 16), "one picture at a time"),
    "one pixel": (torch.rand(3, 1, 1), "1 x 1"),
    "empty": (torch.rand(3, 0, 5), "5 x 0"),
    "array": (picture(0, 0).numpy(), "from_numpy"),
    "nothing": (None, "NoneType"),
}


def one_sentence(error: pytest.ExceptionInfo) -> bool:
    text = str(error.value)
    return text.endswith(".") and "\n" not in text and len(text) < 250


@pytest.mark.parametrize("case", BAD_PICTURES)
def test_bad_pictures_are_refused_in_a_sentence(model, case):
    bad, hint = BAD_PICTURES[case]
    with pytest.raises(AnimationError, match=hint) as error:
        Animator(model, bad)
    assert one_sentence(error) and "source" in str(error.value)
    stream = Animator(model, picture(0, 0), batch=2).animate([*DRIVING[:3], bad])
    with pytest.raises(AnimationError, match=hint) as error:
        list(stream)
    assert one_sentence(error) and "frame 3" in str(error.value)


@pytest.mark.parametrize(
    ("frames", "hint"),
    [
        ([], "no frames"),
        (iter(()), "no frames"),
        (torch.rand(0, 3, 16, 16), "no frames"),
        (torch.rand(3, 16, 16), r"frame\[None\]"),
        (torch.rand(1, 4, 3, 16, 16), "T, 3, H, W"),
        ("driving.mp4", "aidagen.video.read"),
        (None, "NoneType"),
        (7, "int"),
    ],
)
def test_bad_clips_are_refused_in_a_sentence(model, frames, hint):
    with pytest.raises(AnimationError, match=hint) as error:
        list(Animator(model, picture(0, 0)).animate(frames))
    assert one_sentence(error)


@pytest.mark.parametrize("batch", [0, -1, 2.5, True, "4"])
def test_bad_batches_are_refused(model, batch):
    with pytest.raises(AnimationError, match="batch"):
        Animator(model, picture(0, 0), batch=batch)


def test_bad_modes_and_models_are_refused(model):
    with pytest.raises(AnimationError, match="relative"):
        Animator(model, picture(0, 0), mode="sideways")
    with pytest.raises(AnimationError, match=r"Linear.*encode.*config\.size"):
        Animator(torch.nn.Linear(2, 2), picture(0, 0))
    assert issubclass(AnimationError, AidagenError) and NAME.startswith("tiny")


def test_running_out_of_memory_is_told(model, monkeypatch):
    animator = Animator(model, picture(0, 0))

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model, "render", full)
    with pytest.raises(AnimationError, match="smaller batch"):
        list(animator.animate(DRIVING))


def test_first_order_motion_is_animated_with_all_its_intermediates():
    fomm = pytest.importorskip("aidagen.models.fomm")
    torch.manual_seed(0)
    config = fomm.fomm_tiny()
    model = fomm.FOMM(config).eval()
    source, size = picture(0, 0, 80), config.size
    got = list(Animator(model, source, batch=2).animate(prepare(DRIVING, size)[:3]))
    assert [each.image.shape for each in got] == [(3, size, size)] * 3
    assert got[0].flow.shape[-1] == 2 and got[0].flow.ndim == 3
    encoded = model.encode(prepare(source, size)[None])
    motion = model.motion(prepare(DRIVING, size)[:3])
    first = type(motion)(*(None if each is None else each[:1] for each in motion))
    expected = model.render(encoded, model.relative(motion, first, encoded))
    assert torch.allclose(got[2].image, expected.image[2], atol=1e-5)
    assert torch.allclose(got[2].motion.points, expected.motion.points[2], atol=1e-5)
