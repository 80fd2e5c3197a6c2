"""The pose studio as a Python object: what is painted, what is shown of it, and what is said."""

import threading

import pose_models
import pytest
import torch
from test_canvas import decoded

from aidagen.errors import AidagenError
from aidagen.kernels.parts import warp_parts
from aidagen.models import deformable_gan_geometry as geometry
from aidagen.poses import JOINTS, NUMBER, Pose
from aidagen.widgets import pose_pictures, pose_views
from aidagen.widgets.pose_studio import PoseStudio
from aidagen.widgets.posing import Posing, liveliest, swapped

WHOLE, ONE, LEARNT, PLAIN, PG2 = "whole method", "one map", "learnt map", "plain skips", "PG2"


@pytest.fixture(scope="module")
def models():
    made = {WHOLE: pose_models.model(), ONE: pose_models.model("full"),
            LEARNT: pose_models.model("stn"), PLAIN: pose_models.model("none"),
            PG2: pose_models.two_stages()}  # fmt: skip
    return made


@pytest.fixture(scope="module")
def people():
    return pose_models.people()


@pytest.fixture
def studio(models, people):
    return PoseStudio(models, people, size=96)


def painted(model, person, target):
    _, image, pose, backdrop = person
    with torch.no_grad():
        return model(image[None], pose, target, backdrop[None]).image[0]


# --- what is painted


@pytest.mark.parametrize("name", [WHOLE, ONE, LEARNT, PLAIN, PG2])
def test_a_moved_joint_is_what_the_model_makes_of_it(studio, models, people, name):
    studio.model = name
    (_, _, pose, _), before = people[1], studio.canvas.frame
    assert torch.allclose(studio.image, painted(models[name], people[0], pose), atol=1e-5)
    studio.move("left wrist", right=0.2, up=0.3)
    joints = pose.joints.clone()
    k = NUMBER["left wrist"]
    joints[0, k] = torch.tensor(studio.points[k])
    assert (joints - pose.joints)[0, k].tolist() == pytest.approx([0.2, -0.3], abs=1e-4)
    wanted = painted(models[name], people[0], Pose(joints, pose.visible))
    rest = painted(models[name], people[0], pose)
    assert torch.allclose(studio.image, wanted, atol=1e-5)
    assert (rest - wanted).abs().max() > 1e-3
    assert studio.canvas.frame != before, "the person follows"
    apart = float((studio.image - rest).abs().mean())
    assert studio.sentence.startswith(
        f"Ada, pose of Ben; model: {name}. The left wrist is moved by 0.20 right, 0.30 up; the "
        f"picture changed by {apart:.3f} on average."
    )
    studio.reset()
    assert torch.allclose(studio.image, rest, atol=1e-5)
    assert studio.sentence == f"Ada, pose of Ben; model: {name}." + (
        " This model deforms no features." if name in (PLAIN, PG2) else ""
    )


def test_the_source_is_encoded_once_and_a_drag_renders_once(models, people):
    """What one drag costs is counted, not timed: one pass of each network that sees the target."""
    model = models[WHOLE]
    parts = model.generator.appearance, model.generator.wanted, model.generator.decoder
    counts = [0, 0, 0]

    def counting(i):
        def count(*_):
            counts[i] += 1

        return parts[i].register_forward_hook(count)

    hooks = [counting(i) for i in range(3)]
    try:
        studio = PoseStudio({WHOLE: model}, people, size=96)
        studio.move("left wrist", right=0.01)  # renders the untouched pose, too
        assert counts[0] == 1
        before = list(counts)
        for _ in range(5):
            studio.canvas.points = [[x + 0.01, y] for x, y in studio.points]
        assert [now - was for now, was in zip(counts, before)] == [0, 5, 5]
        studio.person = "Ben"
        assert counts[0] == 2
        studio.person = "Ada"
        assert counts[0] == 2, "what was encoded is kept"
    finally:
        for hook in hooks:
            hook.remove()


def test_the_fault_exchanges_sides_and_mirrors_nothing(studio, models, people):
    pose = people[1][2]
    given = swapped(pose)
    left, right = NUMBER["left knee"], NUMBER["right knee"]
    assert torch.equal(given.joints[:, left], pose.joints[:, right])
    assert torch.equal(given.joints[:, NUMBER["nose"]], pose.joints[:, NUMBER["nose"]])
    studio.swapped_box.value = True
    assert torch.allclose(studio.image, painted(models[WHOLE], people[0], given), atol=1e-5)
    assert "each left joint is told as the right one" in studio.sentence
    ring = studio.canvas.colours
    assert ring[left] == pose_pictures.RIGHT and ring[right] == pose_pictures.LEFT
    studio.swapped_box.value = False
    assert studio.canvas.colours[left] == pose_pictures.LEFT
    assert torch.allclose(studio.image, painted(models[WHOLE], people[0], pose), atol=1e-5)


# --- joints that are not there


def test_a_joint_is_taken_away_and_brought_back(studio, models, people):
    pose, k = people[1][2], NUMBER["left knee"]
    before = studio.image
    studio.take_away("left knee")
    visible = pose.visible.clone()
    visible[0, k] = False
    wanted = painted(models[WHOLE], people[0], Pose(pose.joints, visible))
    assert torch.allclose(studio.image, wanted, atol=1e-5)
    assert "The left knee is missing; the network sees no bump for it." in studio.sentence
    assert "The left thigh and the left shin carry nothing." in studio.sentence
    assert "The picture changed by 0.0" in studio.sentence
    assert studio.canvas.missing == [k]
    studio.joint = k
    assert studio.known_box.description == "Left knee known" and not studio.known_box.value
    studio.known_box.value = True
    assert torch.equal(studio.image, before) and studio.missing == []
    studio.canvas.missing = [k]  # as the browser does with Delete
    assert "is missing" in studio.sentence and not studio.known_box.value
    studio.reset()
    assert studio.missing == [] and "is missing" not in studio.sentence


def test_a_joint_outside_is_not_told_and_stays_near_the_border(studio, models, people):
    pose, k = people[1][2], NUMBER["left knee"]
    studio.move("left knee", right=9)
    assert studio.points[k] == [pytest.approx(1 + 16 / 63, abs=1e-4), pytest.approx(
        float(pose.joints[0, k, 1]), abs=1e-4)]  # fmt: skip
    visible = pose.visible.clone()
    visible[0, k] = False
    wanted = painted(models[WHOLE], people[0], Pose(pose.joints, visible))
    assert torch.allclose(studio.image, wanted, atol=1e-5)
    assert (
        "The left knee lies outside the picture; the network sees no bump for it. The left thigh "
        "and the left shin carry nothing." in studio.sentence
    )
    studio.move("left ankle", up=-9)
    said = "The left knee and the left ankle lie outside the picture; the network sees no bumps for"
    assert said in studio.sentence


@pytest.mark.parametrize("name", [WHOLE, ONE, LEARNT, PLAIN, PG2])
def test_impossible_poses_give_a_picture_and_a_sentence(studio, name):
    studio.model = name
    studio.missing = list(range(18))
    assert "The nose, the neck, the right shoulder and 15 others are missing" in studio.sentence
    assert studio.image.isfinite().all()
    studio.missing = []
    studio.points = [[0.0, 0.0]] * 18  # all in one place
    assert studio.image.isfinite().all()
    studio.points = [[x, -y] for x, y in studio.canvas.home]  # on their head
    assert studio.image.isfinite().all()
    assert "17 others are moved" not in studio.sentence and "15 others are moved" in studio.sentence
    studio.figure(48)


def test_a_limb_out_of_shape_and_one_that_the_source_lacks_are_said(models, people):
    name, image, pose, backdrop = people[0]
    visible = pose.visible.clone()
    visible[0, NUMBER["left wrist"]] = False
    visible[0, [NUMBER["left ankle"], NUMBER["right ankle"]]] = False
    source = name, image, Pose(pose.joints, visible), backdrop
    studio = PoseStudio(models, [source, people[1]], size=96)
    assert "The source does not show the left forearm; the other side stands in for it." in (
        studio.sentence
    )
    assert "The right shin and the left shin carry nothing." in studio.sentence
    old, new = geometry.bodies(source[2], studio.target, 128, 64)
    knee, hip = NUMBER["left knee"], NUMBER["left hip"]
    studio.points = [[0.9, 0.95] if k == knee else p for k, p in enumerate(studio.points)]
    old, new = geometry.bodies(source[2], studio.target, 128, 64)
    lengths = [float((b.points[0, knee] - b.points[0, hip]).norm() / b.scale) for b in (old, new)]
    times = lengths[1] / lengths[0]
    said = f"The left thigh is {times:.1f} times as long as in the source."
    assert (said in studio.sentence) == (times > 2)
    studio.move("left hip", right=-3, up=3)
    for joint in ("left hip", "right hip", "left shoulder"):
        studio.take_away(joint)
    assert "too few are known to fit the torso; it is only shifted" in studio.sentence


def test_poses_with_what_is_no_number_are_taken(models, people):
    name, image, pose, backdrop = people[0]
    joints = pose.joints.clone()
    joints[0, 4] = float("nan")
    studio = PoseStudio(models, [(name, image, Pose(joints, pose.visible), backdrop)], size=96)
    assert studio.missing == [4] and studio.image.isfinite().all()
    assert "The right wrist is missing" in studio.sentence


# --- the idea, to be seen


def test_features_before_and_after_are_the_skips_themselves(studio, models, people):
    level = studio.level - 1
    carried = studio.posing.carried(WHOLE, "Ada", studio.rendering, level)
    _, image, pose, backdrop = people[0]
    with torch.no_grad():
        levels = models[WHOLE].encode(image[None], pose, backdrop[None]).levels
        maps = geometry.part_maps(pose, people[1][2], 128, 64)
        masks = geometry.part_masks(pose, people[1][2], 128, 64)[..., ::2, ::2]
        wanted = warp_parts(levels[1], geometry.at_level(maps, 128, 64, levels[1]), masks)
    assert torch.allclose(carried.source, levels[1][0], atol=1e-5)
    assert torch.allclose(carried.deformed, wanted[0], atol=1e-3)
    # the parts, each inside its mask, are all that the largest of them is made of
    each = [studio.posing.carried(WHOLE, "Ada", studio.rendering, level, p) for p in range(10)]
    largest = torch.stack([c.deformed * c.covered for c in each]).amax(0)
    assert torch.allclose(largest, carried.deformed, atol=1e-5)


def test_features_are_shown_in_the_same_colours_on_both_sides(studio):
    plain, moved = pose_views.features(studio.posing, studio._look(), studio.rendering, 32)
    carried = studio.posing.carried(WHOLE, "Ada", studio.rendering, 1)
    shades = pose_pictures.palette(carried.source)
    assert (moved.pixels == pose_pictures.coloured(carried.deformed, shades, 32)).all()
    values = carried.source.flatten(1).T
    _, _, axes = torch.linalg.svd(values - values.mean(0), full_matrices=False)
    for i in range(3):  # the same components as by another way, up to their signs
        assert abs(float(shades.axes[:, i] @ axes[i])) == pytest.approx(1, abs=1e-2)
    assert plain.pixels.std() > 20, "the colours are spread"


def test_a_chosen_part_is_dark_outside_its_mask(studio):
    studio.part = "right thigh"
    _, read = pose_views.features(studio.posing, studio._look(), studio.rendering, 64)
    mask = studio.rendering.masks[0, 2].bool()
    dark = (read.pixels == read.pixels[0, 0]).all(-1)
    assert read.caption == "Read by the right thigh"
    assert 0 < int(mask.sum()) < 2000
    assert (torch.from_numpy(~dark) == mask).float().mean() > 0.98
    assert studio.screens[1].caption == "Read by the right thigh"


def test_masks_lie_over_the_picture_in_the_colours_of_the_legend(studio):
    assert studio.legend.layout.display == "none"
    studio.over = "masks"
    assert studio.legend.layout.display is None
    assert studio.canvas.drawn
    for part, colour in zip(geometry.PARTS, pose_pictures.PART_COLOURS):
        assert f"background:{colour}" in studio.legend.value and part in studio.legend.value
    made = pose_views.painted(studio._look(part="left shin"), studio.rendering, 64)
    mask = studio.rendering.masks[0, geometry.PARTS.index("left shin")].bool().numpy()
    grey = made.pixels.max(-1).astype(int) - made.pixels.min(-1) < 3
    assert grey[~mask][:3000].all() and not grey[mask].any()
    assert "under the mask of the left shin" in made.alt
    studio.over = "nothing"
    assert not studio.canvas.drawn


def test_a_model_without_maps_says_so_and_shows_none(studio):
    studio.over, studio.part = "masks", "head"
    for name in (PLAIN, PG2):
        studio.model = name
        assert "This model has no parts, so there are no masks." in studio.sentence
        assert "This model deforms no features." in studio.sentence
        assert studio.part_choice.disabled and studio.level_choice.disabled
        assert [screen.layout.display for screen in studio.screens] == ["none", "none"]
    studio.model = ONE
    assert "deforms no" not in studio.sentence and not studio.level_choice.disabled
    studio.model = WHOLE
    assert "has no parts" not in studio.sentence and not studio.part_choice.disabled
    assert [screen.layout.display for screen in studio.screens] == [None, None]


@pytest.mark.parametrize(
    ("trait", "value"),
    [("person", "Ben"), ("model", ONE), ("pose", "pose of Ada"), ("over", "masks"),
     ("part", "head"), ("level", 1), ("swapped", True)],
)  # fmt: skip
def test_every_control_changes_what_is_seen(studio, trait, value):
    control = getattr(studio, f"{trait}_box" if trait == "swapped" else f"{trait}_choice")

    def seen():
        return (studio.canvas.frame, *(screen.frame for screen in studio.screens))

    before, was = seen(), getattr(studio, trait)
    control.value = value
    assert getattr(studio, trait) == value and seen() != before
    control.value = was
    assert seen() == before, "and back again"


# --- clips and poses


def test_a_clip_plays_from_the_start_and_a_drag_stops_it(models, people):
    clip = pose_models.clip()
    studio = PoseStudio(models, people, {"arm": clip}, size=96)
    assert studio.film.autoplay and studio.film.high == 6
    assert studio.frame == liveliest(clip) == 6, "where the arm is highest"
    assert studio.sentence.startswith(f"Ada, arm, frame 6 of 6; model: {WHOLE}.")
    studio.film.playing = True
    studio.film.value = 2
    assert torch.equal(studio.target.joints[0], clip.joints[1]), "with all digits"
    assert studio.canvas.home == studio.points
    wanted = painted(models[WHOLE], people[0], Pose(*(x[1:2] for x in clip)))
    assert torch.allclose(studio.image, wanted, atol=1e-5)
    assert studio.spoken.value == "Playing. Press Pause to read about one frame."
    studio.canvas.points = [[x, y - 0.1] for x, y in studio.points]
    assert not studio.film.playing and "are moved" in studio.spoken.value
    studio.pose = "pose of Ben"
    assert (studio.film.high, studio.frame, studio.film.autoplay) == (1, 1, False)
    studio.pose = "arm"
    assert (studio.film.high, studio.frame, studio.film.autoplay) == (6, 6, True)


def test_test_poses_come_before_the_peoples_own(models, people):
    studio = PoseStudio(models, people, poses={"wave": people[1][2]}, size=96)
    assert studio.pose == "wave"
    assert list(studio.poses) == ["wave", "pose of Ada", "pose of Ben"]
    assert list(studio.pose_choice.options) == list(studio.poses)
    assert PoseStudio(models, people, pose="pose of Ada", size=96).pose == "pose of Ada"
    assert repr(studio) == f"PoseStudio('Ada', '{WHOLE}', 'wave')"


# --- for readers without a kernel


def test_the_still_travels_with_the_cell_and_changes_nothing(studio):
    bundle, metadata = studio._repr_mimebundle_()
    picture = next(kind for kind in bundle if kind.startswith("image/"))
    assert "Ada, pose of Ben" in metadata[picture]["alt"]
    frames = studio.canvas.frame, studio.sentence
    sheet = studio.figure(32, models="all", pose="pose of Ada", over="masks", swapped=True)
    one = studio.figure(32, models=[PLAIN])
    assert sheet.height > 4 * one.height
    assert sheet.width > 1.8 * one.width, "no features of a model without maps"
    assert (studio.canvas.frame, studio.sentence) == frames


def test_what_is_shown_is_what_is_painted(studio):
    shown = decoded(studio.canvas).astype(float)
    small = torch.nn.functional.interpolate(studio.image[None], scale_factor=3, mode="bicubic")
    wanted = 255 * small[0].clamp(0, 1).permute(1, 2, 0).numpy()
    assert shown.shape == wanted.shape == (384, 192, 3)
    assert abs(shown - wanted)[:300].mean() < 8


# --- errors are sentences


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.move("left toe"), "no joint 'left toe'; there are nose, neck"),
        (lambda s: setattr(s, "person", "Eve"), "person is one of Ada, Ben; not 'Eve'"),
        (lambda s: setattr(s, "part", "tail"), "part is one of all parts, torso, head"),
        (lambda s: setattr(s, "points", [[0, 0]]), "A pose has 18 joints; 1 were given"),
        (lambda s: setattr(s, "missing", [18]), "joint is one of 0 to 17; not 18"),
        (lambda s: s.figure(pose="pose of Ada", frame=2), "frame is one of 1 to 1; not 2"),
        (lambda s: s.figure(models=["none of them"]), "model is one of whole method"),
        (lambda s: s.figure(colour="red"), "nothing to choose by the name 'colour'"),
    ],
)
def test_a_choice_that_there_is_not_is_a_sentence(studio, change, said):
    with pytest.raises(AidagenError, match=said):
        change(studio)


def test_models_and_people_that_do_not_fit_are_sentences(models, people):
    name, image, pose, backdrop = people[0]
    small = pose_models.model(height=64, width=32)
    for args, said in (
        (({}, people), "at least one model"),
        (({WHOLE: torch.nn.Linear(1, 1)}, people), "no model of people in poses: Linear lacks"),
        (({WHOLE: models[WHOLE], "small": small}, people), "of one size; here: whole method 128"),
        ((models, [people[0], people[0]]), "Two people are called 'Ada'"),
        ((models, [(name, image[:, :64], pose, backdrop)]), r"picture of Ada is \(3, 128, 64\)"),
        ((models, [(name, image, pose, None)]), "backdrop of Ada is .*; got NoneType"),
        ((models, [(name, image, image, backdrop)]), r"pose of Ada a Pose of joints \(1, 18"),
    ):
        with pytest.raises(AidagenError, match=said):
            Posing(*args)
    with pytest.raises(AidagenError, match="Two poses are called 'pose of Ada'"):
        PoseStudio(models, people, {"pose of Ada": pose_models.clip()})


def test_skeletons_have_all_joints():
    assert {k for pair in pose_pictures.STICKS for k in pair} == set(range(len(JOINTS)))
    sides = dict(zip(JOINTS, pose_pictures.colours()))
    assert (sides["right ear"], sides["left ear"], sides["neck"]) == (
        pose_pictures.RIGHT, pose_pictures.LEFT, pose_pictures.MIDDLE
    )  # fmt: skip


def test_of_two_changes_at_once_the_last_one_is_shown(studio):
    """Two changes in two threads: the picture of the first one is not the one that stays."""
    begun, finish, render = threading.Event(), threading.Event(), studio._render

    def slow(look, target):
        if look.model == PLAIN:
            begun.set()
            finish.wait(10)
        return render(look, target)

    studio._render = slow
    threads = [
        threading.Thread(target=lambda: setattr(studio, "model", PLAIN)),
        threading.Thread(target=lambda: setattr(studio, "model", ONE)),
    ]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    threads[1].join(0.2)  # as far as it comes while the first one is painted
    finish.set()
    for thread in threads:
        thread.join(10)
    shown = studio.image
    studio._render = render
    studio._redraw()
    assert studio.model == ONE and torch.equal(shown, studio.image)
    assert f"model: {ONE}." in studio.sentence
