"""The renderer: what it says about a picture is true of the picture.

These need anny, moderngl and EGL, and anny's built cache; where one is missing they are skipped.
"""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from aidagen.sources import home


def _reason() -> str | None:
    for package in ("anny", "moderngl"):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed (pip install aidagen[data])"
    if not os.environ.get("ANNY_CACHE_DIR") and not (home() / "anny").exists():
        return "anny's cache is not built yet (some minutes): python -m tests.anny_cache"
    from aidagen.rendering.scene import Renderer, RenderError

    try:
        Renderer((8, 8))
    except RenderError as error:
        return str(error)
    return None


REASON = _reason()
needs_egl = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.fixture(scope="module")
def figure():
    from aidagen.rendering.scene import Figure, Look

    return Figure({"gender": 0.2, "age": 0.7}, {}, Look(hair="bob", seed=3))


@pytest.fixture(scope="module")
def renderer():
    from aidagen.rendering.scene import Renderer

    return Renderer((96, 96), supersample=2)


def test_turn_and_head_angles_are_inverse():
    from aidagen.rendering.scene import head_angles, turn

    rng = np.random.default_rng(0)
    for angles in rng.uniform(-40, 40, (20, 3)):
        rotation = turn(*angles)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(head_angles(rotation), angles, atol=1e-3)


@needs_egl
def test_triton_and_the_renderer_live_in_one_process():
    """Each brings a copy of LLVM: loaded in the wrong order, they end the process."""
    pytest.importorskip("triton")
    code = "from aidagen.rendering.scene import Renderer; Renderer((8, 8)); import triton"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_turn_directions():
    """Yaw + to the figure's left (+x), pitch + up, roll + towards the picture's right."""
    from aidagen.rendering.scene import turn

    nose, crown = np.array([0, -1, 0]), np.array([0, 0, 1])
    assert (turn(yaw=20) @ nose)[0] > 0.3
    assert (turn(pitch=20) @ nose)[2] > 0.3
    assert (turn(roll=20) @ crown)[0] > 0.3


def test_hairlines_leave_the_face_free():
    from aidagen.rendering.hair import STYLES, hairline

    for name, style in STYLES.items():
        if style is not None:
            line = hairline(style)
            assert line(np.array([0.0, 15.0])).min() > 5, name
            assert line(np.array([180.0]))[0] < 0, name


def test_curves_are_band_limited_and_seeded():
    from aidagen.rendering.people import curve

    one, two = (curve(np.random.default_rng(5), 250, 12.5, (0.2, 0.8)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one).max() == pytest.approx(1)
    power = np.abs(np.fft.rfft((one - one.mean()) * np.hanning(250))) ** 2
    rate = np.fft.rfftfreq(250, 1 / 12.5)
    assert power[(rate > 0.1) & (rate < 1.0)].sum() > 0.99 * power.sum()


@needs_egl
def test_unknown_names_are_refused():
    from aidagen.rendering.scene import Figure, Look, RenderError

    with pytest.raises(RenderError, match="no hair 'spikes'"):
        Figure(look=Look(hair="spikes"))
    with pytest.raises(RenderError, match="no facial action 'wink'"):
        Figure().pose(actions={"wink": 1.0})


@needs_egl
def test_same_input_same_picture(figure, renderer):
    from aidagen.rendering.scene import Camera, Figure, Renderer

    posed = figure.pose({"jawOpen": 0.4})
    one = renderer.draw(figure, posed, 0, Camera.face(figure))
    again = Figure(figure.phenotype, figure.details, figure.look)
    two = Renderer((96, 96), supersample=2).draw(
        again, again.pose({"jawOpen": 0.4}), 0, Camera.face(again)
    )
    assert np.abs(one.image.astype(int) - two.image).mean() < 0.5
    np.testing.assert_allclose(one.landmarks, two.landmarks, atol=1e-4)


@needs_egl
def test_landmarks_land_on_the_mouth(figure, renderer):
    """Opening the jaw changes the picture around the mouth points and not above the eyes."""
    from aidagen.rendering.scene import Camera

    posed = figure.pose({"jawOpen": np.array([0.0, 1.0])})
    shut, wide = (renderer.draw(figure, posed, t, Camera.face(figure)) for t in range(2))
    change = np.abs(shut.image.astype(float) - wide.image).mean(-1)
    pixels = (shut.landmarks + 1) / 2 * 95
    x0, y0 = pixels[48:68].min(0).astype(int)
    x1, y1 = np.ceil(pixels[48:68].max(0)).astype(int)
    eyes = int(pixels[36:48, 1].min())
    assert change[y0 : y1 + 1, x0 : x1 + 1].mean() > 12
    assert change[: eyes - 2].mean() < 0.5
    gap = wide.landmarks[66, 1] - wide.landmarks[62, 1]
    assert gap > shut.landmarks[66, 1] - shut.landmarks[62, 1] + 0.05


@needs_egl
def test_landmarks_are_ordered_and_inside_the_mask(figure, renderer):
    from aidagen.rendering.scene import Camera

    picture = renderer.draw(figure, figure.pose(), 0, Camera.face(figure))
    p = picture.landmarks
    x, y = np.round((p + 1) / 2 * 95).astype(int).T
    assert (picture.mask[y, x] > 128).mean() > 0.95
    assert p[0, 0] < p[8, 0] < p[16, 0] and p[8, 1] > p[57, 1] > p[33, 1] > p[27, 1]
    assert (np.diff(p[17:27, 0]) > 0).all(), "brows run from the picture's left to its right"
    np.testing.assert_allclose(p[36, 0], -p[45, 0], atol=0.01)
    assert picture.visible[27:68].all()


@needs_egl
def test_pose_and_visibility_follow_the_head(figure, renderer):
    from aidagen.rendering.scene import Camera, turn

    posed = figure.pose(turns={"head": turn(yaw=[25.0, 70.0], pitch=[10.0, 0.0])})
    some, side = (renderer.draw(figure, posed, t, Camera.face(figure)) for t in range(2))
    np.testing.assert_allclose(some.pose, [25, 10, 0], atol=0.1)
    assert some.landmarks[30, 0] > 0.1, "the nose moves to the picture's right"
    far = side.visible[[45, 26, 54]].sum()
    near = side.visible[[36, 17, 48]].sum()
    assert near > far, "turned away, the far side of the face is hidden"


@needs_egl
def test_backdrop_shows_only_outside_the_figure(figure, renderer):
    from aidagen.rendering.scene import Camera

    posed, camera = figure.pose(), Camera.face(figure)
    black, white = (
        renderer.draw(figure, posed, 0, camera, backdrop=np.full((96, 96, 3), v))
        for v in (0.0, 1.0)
    )
    change = np.abs(white.image.astype(int) - black.image).max(-1)
    assert (change[black.mask == 255] == 0).all() and (change[black.mask == 0] == 255).all()
