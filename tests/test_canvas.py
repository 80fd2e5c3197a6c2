"""The canvas of points, the puppet, and the controls, as Python objects."""

import io
import re

import ipywidgets
import numpy as np
import pytest
import torch
import untrained
from passes import passes
from PIL import Image
from tiny_model import TinyModel, blob

from aidagen.animation import AnimationError
from aidagen.errors import AidagenError
from aidagen.widgets import controls, overlays
from aidagen.widgets.canvas import PointCanvas, as_pixels
from aidagen.widgets.puppet import Puppet


@pytest.fixture(scope="module")
def model():
    return untrained.model()


@pytest.fixture(scope="module")
def source():
    rough = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(rough, size=64, mode="bilinear")[0].clamp(0, 1)


def decoded(canvas):
    return np.asarray(Image.open(io.BytesIO(canvas.frame)))


# --- controls


def test_a_range_has_a_name_and_stays_inside():
    slider = controls.Range("Turn", -90, 90, 5, 0, unit=" degrees")
    slider.value = 200
    assert slider.value == 90
    assert repr(slider) == "Range('Turn', 90)"
    steps = controls.Steps("Frame", 1, 8)
    assert steps.value == 1
    steps.value = 99
    assert steps.value == 8
    assert isinstance(steps.value, int)
    with pytest.raises(AidagenError, match="'Nothing' goes from 1 to 1"):
        controls.Steps("Nothing", 1, 1)


def test_a_picture_needs_words():
    pixels = np.zeros((4, 6, 3), np.uint8)
    html = controls.picture(pixels, 'a "black" picture', "below")
    assert 'alt="a &quot;black&quot; picture"' in html
    assert 'width="6" height="4"' in html
    assert "<figcaption" in html
    with pytest.raises(AidagenError, match="no alternative text"):
        controls.picture(pixels, " ")


def test_scripts_are_in_the_package_and_ask_nobody():
    for kind in (PointCanvas, controls.Range, controls.Spoken):
        script = str(kind._esm)
        assert "export default { render }" in script
        assert not re.search(r"https?://|import\s", script), f"{kind.__name__} is not offline"


# --- the canvas


def test_canvas_takes_pictures_as_they_come(source):
    canvas = PointCanvas(source, [[0.1, -0.3]])
    assert canvas.shape == [64, 64]
    assert decoded(canvas).shape == (64, 64, 3)
    for same in (as_pixels(source), torch.from_numpy(as_pixels(source)).permute(2, 0, 1)):
        assert PointCanvas(same).frame == canvas.frame
    assert np.abs(decoded(canvas).astype(int) - as_pixels(source)).mean() < 6
    for wrong, said in (
        (torch.zeros(1, 8, 8), r"not \(1, 8, 8\)"),
        (source * 255, "divide by 255"),
        (np.zeros((8, 8, 3), np.int64), "int64"),
    ):
        with pytest.raises(AidagenError, match=said):
            PointCanvas(wrong)


def test_canvas_points_are_checked_and_kept_inside(source):
    canvas = PointCanvas(source, torch.tensor([[0.123456, -0.3], [0.5, 0.5]]))
    assert canvas.points == [[0.1235, -0.3], [0.5, 0.5]]
    assert canvas.labels == ["Keypoint 1", "Keypoint 2"]
    seen = []
    canvas.observe(lambda change: seen.append(change["new"]), "points")
    canvas.points = canvas.points
    assert not seen, "nothing moved"
    canvas.points = np.array([[3.0, -0.3], [0.5, -2]])
    assert seen == [[[1.0, -0.3], [0.5, -1.0]]]
    assert repr(canvas) == "PointCanvas(2 points, 2 moved)"
    canvas.reset(0)
    assert canvas.points == [[0.1235, -0.3], [0.5, -1.0]]
    canvas.reset()
    assert canvas.points == canvas.home
    for wrong, said in (
        ([[0, 0]], "has 2 points; 1 were given"),
        ([[0, 0, 0], [1, 1, 1]], r"not \(2, 3\)"),
        ([[0, float("nan")], [0, 0]], "not numbers"),
        ([["a", "b"], [0, 0]], "pairs"),
    ):
        with pytest.raises(AidagenError, match=said):
            canvas.points = wrong
    assert canvas.points == canvas.home, "a refused move changes nothing"
    with pytest.raises(AidagenError, match="1 labels came with 2 points"):
        PointCanvas(source, [[0, 0], [1, 1]], ["one"])


def test_points_may_lie_around_a_picture_and_be_taken_away(source):
    """Both belong to the picture of `pixels`, of which the one shown may be an enlargement."""
    large = np.zeros((96, 192, 3), np.uint8)
    canvas = PointCanvas(
        large, [[3, -3], [0, 0]], ["a", "b"], around=2, pixels=(17, 33), bones=[(0, 1)],
        colours=["#E69F00", "#56B4E9"], removable=True, dot=6,
    )  # fmt: skip
    assert canvas.points[0] == [1 + 4 / 32, -1 - 4 / 16], "two pixels beyond the border"
    assert (canvas.bones, canvas.colours[1], canvas.dot) == ([[0, 1]], "#56B4E9", 6)
    canvas.missing = [1, 0, 1]
    assert canvas.missing == [0, 1]
    with pytest.raises(AidagenError, match=r"has 2 points, from 0; not \[2\]"):
        canvas.missing = [2]
    assert canvas.missing == [0, 1]
    assert PointCanvas(large, [[3, -3]], around=2).points[0] == pytest.approx(
        [1 + 4 / 191, -1 - 4 / 95], abs=1e-4
    )


# --- the puppet


def test_moving_a_keypoint_is_what_the_model_makes_of_it(model, source):
    puppet = Puppet(model, source, name="test")
    assert puppet.sentence.startswith("Nothing is moved: drag one of 10 keypoints")
    shown = puppet.screen.frame
    puppet.move(3, right=0.2, up=0.05)
    with torch.inference_mode():
        encoded, motion = model.encode(source[None]), model.motion(source[None])
        points = motion.points.clone()
        points[0, 2] += torch.tensor([0.2, -0.05])
        rest = model.render(encoded, motion).image[0]
        wanted = model.render(encoded, motion._replace(points=points)).image[0]
    assert torch.allclose(puppet.image, wanted, atol=2e-3)
    assert puppet.screen.frame != shown
    apart = float((wanted - rest).abs().mean())
    found = re.fullmatch(
        r"Keypoint 3 moved by 0\.20 right, 0\.05 up; the picture changed by (0\.\d+) on average\.",
        puppet.sentence,
    )
    assert float(found[1]) == pytest.approx(apart, abs=1e-3)
    assert apart > 1e-3
    assert puppet.spoken.value == puppet.sentence
    assert repr(puppet) == "Puppet('test', 1 of 10 keypoints moved)"


def test_dragging_in_the_browser_is_the_same_as_moving(model, source):
    puppet, other = Puppet(model, source), Puppet(model, source)
    puppet.canvas.chosen = 4  # what the page sends
    points = [list(point) for point in puppet.canvas.points]
    points[4][0] = round(points[4][0] - 0.3, 4)
    puppet.canvas.points = points
    other.move(5, right=-0.3)
    assert puppet.sentence == other.sentence
    assert "Keypoint 5 moved by 0.30 left" in puppet.sentence
    assert torch.allclose(puppet.image, other.image, atol=1e-4)


def test_turning_a_jacobian(model, source):
    puppet = Puppet(model, source)
    puppet.keypoint, puppet.turn_slider.value = 2, 30.0
    with torch.inference_mode():
        encoded, motion = model.encode(source[None]), model.motion(source[None])
        angle = torch.tensor(30.0).deg2rad()
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
        jacobians = motion.jacobians.clone()
        jacobians[0, 1] = turn @ jacobians[0, 1]
        wanted = model.render(encoded, motion._replace(jacobians=jacobians)).image[0]
    assert torch.allclose(puppet.image, wanted, atol=1e-4)
    assert "Keypoint 2 turned by 30 degrees;" in puppet.sentence
    puppet.keypoint = 1
    assert puppet.turn == 0, "every keypoint has its own"
    assert "Keypoint 1 is where it was, 1 other too;" in puppet.sentence
    puppet.keypoint = 2
    assert puppet.turn_slider.value == 30
    puppet.stretch = 1.5
    assert "turned by 30 degrees, stretched by 1.5;" in puppet.sentence
    puppet.reset()
    assert puppet.turn == 0
    assert torch.equal(puppet.image, Puppet(model, source).image)


def test_a_model_without_jacobians_has_no_such_sliders():
    picture = blob(0.0, 0.0, 16).float() / 255
    puppet = Puppet(TinyModel(16), picture)
    assert puppet.turn_slider not in puppet.children
    assert all(isinstance(child, ipywidgets.Widget) for child in puppet.children)
    before = puppet.image
    puppet.move(1, right=0.4)
    weight = [image.mean(0).sum(0) for image in (before, puppet.image)]
    columns = torch.arange(16.0)
    centres = [float((w * columns).sum() / w.sum()) for w in weight]
    assert centres[1] > centres[0] + 0.5, "content moves with its point"


def test_generated_pictures_carry_the_mark_and_the_source_does_not(model, source):
    puppet = Puppet(model, source)
    made = overlays.enlarge(puppet.image, 640)
    differs = (puppet.pictures()[1] != made).any(-1)
    assert differs[-20:, -100:].mean() > 0.5
    assert not differs[:400].any()
    assert puppet.canvas.frame == PointCanvas(source).frame
    assert puppet.figure(120).width > 3 * 120


def test_what_a_puppet_refuses(model, source):
    puppet = Puppet(model, source)
    with pytest.raises(AidagenError, match=r"no keypoint 11: this model has 1 to 10"):
        puppet.keypoint = 11
    with pytest.raises(AidagenError, match="10 keypoints; 1 were given"):
        puppet.points = [[0, 0]]
    with pytest.raises(AnimationError, match="not an animatable model"):
        Puppet(torch.nn.Linear(1, 1), source)

    class Pointless(TinyModel):
        def motion(self, frames):
            return super().motion(frames)._replace(points=None)

        def render(self, encoded, motion):
            raise AssertionError("not reached")

    with pytest.raises(AidagenError, match="no keypoints to drag"):
        Puppet(Pointless(16), source)


def test_dragging_does_not_train(source):
    model = TinyModel(16).train()
    before = model.norm.running_mean.clone()
    Puppet(model, source).move(1, right=0.2)
    assert model.training
    assert torch.equal(model.norm.running_mean, before)


def test_a_step_of_the_puppet_is_one_rendering(model, source):
    puppet = Puppet(model, source)
    for k in range(1, 8):
        with passes(model) as frames:
            puppet.move(k, right=0.1)
        assert frames == {"render": 1}
