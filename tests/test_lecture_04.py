"""What lecture 04 shows, held by numbers: skeletons, parts of a flow, what its text computes."""

import numpy as np
import pytest
import torch

from aidagen import metrics, zoo
from aidagen.errors import AidagenError
from aidagen.lectures.monkey_net import faces, results, scenes, sheets, skeletons

METHOD, MENDED = scenes.METHODS


@pytest.fixture(scope="module")
def models():
    return {name: zoo.load(checkpoint, "cpu") for name, checkpoint in scenes.TRAINED.items()}


@pytest.fixture(scope="module")
def robots():
    return scenes.scenes(4)


@pytest.fixture(scope="module")
def people():
    return skeletons.people()


# --- skeletons -----------------------------------------------------------------------------------


def put(way, p_source, p_t, p_1):
    """Transfer as the lecture writes it."""
    if way == "as they are":
        return p_t
    size = 1.0
    if way == "relative, to scale":
        size = np.linalg.norm(p_source - p_source.mean(0)) / np.linalg.norm(p_1 - p_1.mean(0))
    return p_source + size * (p_t - p_1)


def test_a_body_half_as_large_again_has_bones_that_are_a_third_too_short():
    """A known answer: the source is the driving body, enlarged by 1.5, in the same poses."""
    rng = np.random.default_rng(0)
    driven = 0.6 * rng.uniform(-1, 1, (5, 1, 2)) + 0.3 * rng.uniform(-1, 1, (1, 6, 2))
    own = 1.5 * driven[0]
    frames = [torch.zeros(5, 3, 8, 8)] * 2
    bones = [(a, b) for a in range(6) for b in range(a)]
    group = skeletons.People(frames, [np.stack([own] * 5), driven], bones)
    pair = skeletons.Pair(0, 0, 1, 0.0)
    errors = [skeletons.bone_error(put, way, group, pair) for way in skeletons.WAYS]
    assert errors == pytest.approx([1 / 3, 0, 0], abs=1e-9)


def test_pairs_are_of_different_people_and_the_most_alike_come_first(people):
    pairs = skeletons.pairs(people, 12)
    apart = [pair.apart for pair in pairs]
    assert len(pairs) == 12 and apart == sorted(apart)
    assert all(pair.source != pair.driving for pair in pairs)
    errors = [skeletons.bone_error(put, "as they are", people, pair) for pair in pairs]
    worst = skeletons.worst(people, pairs, put)
    assert pairs.index(worst) == int(np.argmax(errors))


# --- who does the work ---------------------------------------------------------------------------


def test_the_parts_of_a_flow_are_the_rendering_s_and_the_keypoints_is_the_larger_one(
    models, robots
):
    frames = robots[0].frames
    made = scenes.parts(models["mended"], frames[:1], frames[1::8])
    shown = scenes.rebuilt(models["mended"], frames[:1], frames[1::8])
    torch.testing.assert_close(made.whole, shown.deformed.clone())
    torch.testing.assert_close(made.finished, shown.image.clone())
    errors = [(made.keypoints - made.whole).abs().mean(), (made.residual - made.whole).abs().mean()]
    assert 0 < errors[0] < errors[1]


def test_moved_keypoints_move_the_source_only_where_they_work(models, robots):
    """All keypoints to the right: the first training's keypoints carry nothing along."""
    changed = {}
    for name, model in models.items():
        source = robots[1].frames[:1]
        with torch.no_grad():
            encoded = model.encode(source)
            there = encoded.motion.points + torch.tensor([0.25, 0.0])
            shown = model.render(encoded, encoded.motion._replace(points=there))
            warped = model.generator.by_keypoints(source, shown)
        changed[name] = float((warped - source).abs().mean())
    assert changed["first"] < 0.002 < 0.02 < changed["mended"], changed


def rows_of(values):
    """Rows of the table `monkeynet-keypoints`: (data, method) -> error; a copy leaves 0.2."""
    rows = [
        {"data": data, "split": "test", "method": method, "metric": "l1_moving_keypoints",
         "value": value, "low": 0.9 * value, "high": 1.1 * value, "n": 20, "unit": "unit"}
        for (data, method), value in values.items()
    ]  # fmt: skip
    copies = [
        row | {"method": "copy-source", "value": 0.2, "low": 0.2, "high": 0.2} for row in rows
    ]
    return rows + copies


def test_the_share_of_a_copy_and_the_sentence_on_credit_come_from_the_rows():
    both = (METHOD, MENDED)  # whichever of them ships, the sentence names its number
    rows = rows_of({("robot", METHOD): 0.2, ("robot", MENDED): 0.08})
    rows += rows_of({("bodies", method): 0.12 for method in both})
    assert scenes.keypoints_share(rows, "first", "robot") == pytest.approx(1.0)
    assert scenes.keypoints_share(rows, "mended", "robot") == pytest.approx(0.4)
    idle = rows_of({(data, m): 0.2 for data in ("robot", "bodies") for m in both})
    said = results.credit(idle)
    assert "100 % on robot, 100 % on bodies" in said
    assert "On robot and bodies its result is owed to the residual" in said
    working = rows_of({(data, m): 0.08 for data in ("robot", "bodies") for m in both})
    assert "40 % on robot, 40 % on bodies" in results.credit(working)
    assert "residual" not in results.credit(working)


def test_the_plot_of_the_mend_shows_the_sets_that_were_trained_both_ways():
    values = {(d, m): 0.1 for d in ("robot", "bodies") for m in (METHOD, MENDED)}
    rows = rows_of(values | {("faces", METHOD): 0.1})  # never trained with the term: left out
    plot = results.mend_plot(rows)
    for words in ("robot, first: 0.5", "robot, mended: 0.5", "bodies, mended: 0.5"):
        assert words in plot.alt
    assert "faces" not in plot.alt


def test_the_warp_brings_features_nearer_at_every_level(models, robots):
    rows = scenes.left_over_rows(models["mended"], robots)
    assert len(rows) == len(models["mended"].encode(robots[0].frames[:1]).features)
    assert max(row["high"] for row in rows) < 1
    assert rows[0]["value"] < rows[-1]["value"], "the finest level gains most"


def test_the_median_scene_is_the_median(models, robots):
    shares = []
    for scene in robots:
        source, truth = scene.frames[:1], scene.frames[1::4]
        made = scenes.rebuilt(models["mended"], source, truth).image
        shares.append(scenes.share_of_copy(made, truth, source))
    chosen = scenes.median_scene(models["mended"], robots)
    assert sorted(shares).index(shares[chosen]) == len(shares) // 2


# --- X2Face, the trap, the study -----------------------------------------------------------------


def test_only_a_painter_can_add_a_colour_that_the_source_has_not():
    head = faces.heads(1)[0]
    assert not faces.can_add_colour(zoo.load("x2face-faces-64", "cpu"), head)
    assert faces.can_add_colour(zoo.load("monkeynet-faces-64", "cpu"), head)


def test_l1_prefers_the_frozen_clip_and_moving_pixels_the_moved_one():
    clips = [scene.frames for scene in scenes.scenes()]
    means = results.trap_errors(clips, metrics.l1)
    assert means[results.A] < means[results.B]

    def moving(made, truth):
        return metrics.l1_moving(made[1:], truth[1:], truth[:1].expand_as(truth[1:])).nanmean()

    means = results.trap_errors(clips, moving)
    assert means[results.B] < means[results.A]


def test_tasks_of_the_study_never_drive_a_head_by_itself():
    clips = [torch.full((3, 3, 4, 4), value) for value in (0.0, 0.4, 0.8)]
    tasks = results.study_tasks(clips, 3)
    assert [task.name for task in tasks] == ["pair-00", "pair-01", "pair-02"]
    assert all(task.source[0, 0, 0] != task.driving[0, 0, 0, 0] for task in tasks)


def test_sheets_keep_labels_inside_their_cells_and_refuse_a_missing_one():
    pictures = [torch.zeros(3, 8, 8), None, torch.ones(3, 8, 8)]
    one = sheets.sheet(pictures, 2, ["short", "", "short"], size=100)
    two = sheets.sheet(pictures, 2, ["a label of many words", "", "x"], size=100)
    assert one.width == two.width == 2 * (100 + sheets.GAP) + sheets.GAP
    font = sheets._font(["a label of many words"], 200)
    assert font.getlength("a label of many words") <= 200
    with pytest.raises(AidagenError, match="2 labels were given for 3 pictures"):
        sheets.sheet(pictures, 2, ["a", "b"])
