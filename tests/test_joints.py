"""The judges of joints: their geometry, what they find on real frames, and what they refuse."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from aidagen import datasets, files, metrics
from aidagen.errors import AidagenError
from aidagen.judges import joints
from aidagen.judges.joints import Joints
from aidagen.recipes import joints as recipe

SCRIPT = Path(__file__).resolve().parents[1] / "data_scripts" / "make_judges.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_judges", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------------------------------- geometry


def test_a_perfect_map_is_read_where_the_joint_is():
    points = torch.rand(20, 5, 2) * 2 - 1
    visible = torch.rand(20, 5) < 0.7
    wanted = joints.targets(points, visible)
    assert torch.allclose(wanted.sum(2), torch.ones(20, 5), atol=1e-5)
    found, confidence = joints.read_maps(wanted.clamp(min=1e-9).log())
    assert (found - points)[visible].abs().max() * 31.5 < 2  # at the border the map is cut off
    inner = visible & (points.abs() < 0.85).all(2)
    assert (found - points)[inner].abs().max() * 31.5 < 0.1
    assert confidence[visible].min() > 0.9 and confidence[~visible].max() < 1e-3
    logits = wanted.clamp(min=1e-12).log()
    assert joints.joint_loss(logits, wanted).abs() < 1e-4
    assert joints.joint_loss(logits.roll(1, 0), wanted) > 1


def test_a_joint_outside_the_picture_is_nowhere_whatever_its_label_says():
    points = torch.tensor([[[1.3, 0.0], [torch.nan, 0.0], [0.0, 0.0]]])
    wanted = joints.targets(points, torch.ones(1, 3, dtype=torch.bool))
    assert wanted[0, :, -1].tolist() == [1, 1, 0] and wanted.isfinite().all()


def test_a_map_that_is_spread_out_has_no_confidence():
    _, confidence = joints.read_maps(torch.zeros(1, 1, joints.CELLS**2 + 1))
    assert confidence.item() == pytest.approx(9 / (joints.CELLS**2 + 1), rel=1e-3)  # a corner


def test_cells_and_points_are_two_names_of_one_place():
    cells = torch.tensor([[0.0, 0.0], [31.0, 15.5]])  # the first cell is pixels 0 and 1
    points = joints.from_cells(cells)
    assert torch.allclose((points + 1) * 31.5, torch.tensor([[0.5, 0.5], [62.5, 31.5]]))
    assert torch.allclose(joints.to_cells(points), cells, atol=1e-5)


def test_in_a_training_picture_the_joint_stays_on_its_mark():
    """A bright mark on a dark figure, moved, blurred and noised: the label moves along."""
    g = torch.Generator().manual_seed(5)
    at = torch.randint(20, 44, (64, 2), generator=g)
    images = torch.full((64, 3, 64, 64), 40, dtype=torch.uint8)
    for image, (x, y) in zip(images, at):
        image[:, y - 2 : y + 3, x - 2 : x + 3] = 255
    points = (at / 31.5 - 1)[:, None].float()
    everywhere = torch.ones(64, 64, 64, dtype=torch.bool)
    data = recipe.Frames(images, points, torch.ones(64, 1, dtype=torch.bool), everywhere,
                         torch.arange(64), torch.arange(64))  # fmt: skip
    made, moved, visible, there = recipe.training_batch(data, None, torch.arange(64), g, [0])
    assert (moved - points).abs().max() * 31.5 > 5 and 0.5 < visible.float().mean() < 1
    assert made.min() >= 0 and made.max() <= 1 and not there.all()
    off, hidden = [], 0
    for image, point, seen in zip(made.mean(1), moved[:, 0], visible[:, 0]):
        x, y = ((point + 1) * 31.5).tolist()
        i, j = round(y), round(x)
        hidden += not seen
        if seen and 6 < min(i, j) and max(i, j) < 57:
            patch = (image[i - 6 : i + 7, j - 6 : j + 7] - image.median()).clamp(min=0.25) - 0.25
            line = torch.arange(-6.0, 7)
            total = patch.sum()
            off.append(abs((patch.sum(0) * line).sum() / total + j - x))
            off.append(abs((patch.sum(1) * line).sum() / total + i - y))
    assert len(off) > 60 and np.median(off) < 0.25, "the mark is where the label says"
    assert hidden >= 3


def test_a_mirrored_left_hand_is_a_right_hand():
    names = ("nose", "left wrist", "right wrist", "left eye", "right eye")
    assert recipe.other_side(names) == [0, 2, 1, 4, 3]


# ------------------------------------------------------------------- what the shipped judges find


def shipped(data):
    try:
        found = datasets.load(data)
    except AidagenError as error:
        pytest.skip(str(error))
    return Joints.pretrained(data), found


@pytest.mark.parametrize("data", ["bodies", "robot"])
def test_joints_of_unseen_real_frames_are_found_as_well_as_the_card_says(data):
    judge, found = shipped(data)
    stated = next(m for m in judge.card["measured"] if m["split"] == "test")["sharp"]
    assert stated["akd"] < 1.5, "px of 64: a judge that is further off must not judge"
    frames, truth = [], []
    for clip in found.clips("test"):
        labels = clip.labels()
        frames.append(clip.frames()[::4])
        points = torch.from_numpy(labels["joints"]).float()
        points[~torch.from_numpy(labels["visible"]).bool()] = torch.nan
        truth.append(points[::4])
    frames, truth = torch.cat(frames), torch.cat(truth)
    seen = judge(frames)
    assert metrics.akd(seen.points, truth, (64, 64)).nanmean() < 1.25 * stated["akd"]
    assert metrics.mkr(seen.points, truth).nanmean() < 1.25 * stated["missing of visible"] + 0.01
    missing = seen.points.isnan().any(2)
    assert torch.equal(missing, seen.confidence < judge.threshold)
    # looking at the wrong frame is no way to score well
    wrong = metrics.akd(seen.points.roll(8 * 5, 0), truth, (64, 64)).nanmean()
    assert wrong > 2 * stated["akd"]


@pytest.mark.parametrize("data", ["bodies", "robot"])
def test_nothing_is_found_where_nobody_is(data):
    judge, _ = shipped(data)
    noise = recipe.noise_pictures(50, torch.Generator().manual_seed(11))
    white = torch.rand(20, 3, 64, 64, generator=torch.Generator().manual_seed(12))
    plain = torch.rand(20, 3, 1, 1).expand(-1, -1, 64, 64)
    for pictures in (noise, white, plain):
        assert judge(pictures).points.isfinite().all(2).float().mean() < 0.05


@pytest.mark.parametrize("data", ["bodies", "robot"])
def test_the_card_names_its_real_training_frames_and_was_measured_on_this_very_set(data):
    judge, found = shipped(data)
    # bodies were framed closer after the judge was trained; the card's errors are those of today
    measured_on = judge.card.get("measured_on_hash", judge.card["data_hash"])
    assert measured_on == found.hash, "the set changed: measure or train the judge again"
    assert judge.card["trained_on"] == f"real frames of {data}, split train, and no others"
    assert tuple(found.info["joints"]) == judge.joints
    assert judge.name == f"joints{len(judge.joints)} (small net trained on real {data} frames)"
    file = joints.WEIGHTS / f"joints-{data}.safetensors"
    assert file.stat().st_size < 1_000_000


def test_people_are_told_apart_and_the_robot_is_nobody():
    judge, found = shipped("bodies")
    codes = torch.stack([judge(clip.frames()[::8]).identity for clip in found.clips("test")])
    assert torch.allclose(codes.norm(dim=2), torch.ones(codes.shape[:2]), atol=1e-4)
    distance = (codes[:, None, :, None] - codes[None, :, None]).square().sum(-1)
    alike = torch.stack([d[~torch.eye(len(d), dtype=torch.bool)].mean() for d in
                         distance.diagonal().permute(2, 0, 1)])  # fmt: skip
    strangers = torch.stack([distance[i, j].mean() for i in range(len(codes))
                             for j in range(i)])  # fmt: skip
    assert alike.mean() < 0.5 * strangers.mean()
    arm, scenes = shipped("robot")
    assert arm(scenes.clips("test")[0].frames()[:2]).identity is None


def test_a_larger_picture_of_the_same_thing_has_the_same_joints():
    judge, found = shipped("bodies")
    frames = found.clips("test")[0].frames()[::8]
    large = frames.repeat_interleave(2, 2).repeat_interleave(2, 3)
    small, seen = judge(frames).points, judge(large).points
    both = small.isfinite() & seen.isfinite()
    # edges agree, and so do all places between them
    # a joint that could be in two places may go to the other one, so not the very largest
    assert both.float().mean() > 0.5
    apart = (small * 63 / 64 - seen * 127 / 128)[both].abs() * 32
    assert apart.median() < 0.1 and apart.quantile(0.9) < 0.5


# --------------------------------------------------------------------------------------- bad input


def test_what_cannot_be_read_is_explained(tmp_path):
    judge = Joints("bodies", ("a", "b"), 4)
    with pytest.raises(AidagenError, match="square pictures, not 64 × 32"):
        judge(torch.zeros(1, 3, 64, 32))
    with pytest.raises(AidagenError, match="no judge of joints for 'cats', only for none"):
        Joints.pretrained("cats", tmp_path)


def test_weights_and_card_come_back_and_damage_is_explained(tmp_path):
    torch.manual_seed(0)
    judge = Joints("bodies", ("a", "b", "c"), 4)
    file = judge.save({"steps": 3}, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "joints-bodies.json", "joints-bodies.safetensors",
    ]  # fmt: skip
    again = Joints.pretrained("bodies", tmp_path)
    assert again.card["steps"] == 3 and again.joints == ("a", "b", "c")
    picture = torch.rand(2, 3, 64, 64)
    assert (judge(picture).confidence - again(picture).confidence).abs().max() < 1e-2
    card = json.loads(file.with_suffix(".json").read_text())
    file.with_suffix(".json").write_text(json.dumps({**card, "joints": ["a"]}))
    with pytest.raises(AidagenError, match="damaged"):
        Joints.pretrained("bodies", tmp_path)
    file.with_suffix(".json").write_text("{")
    with pytest.raises(AidagenError, match="damaged"):
        Joints.pretrained("bodies", tmp_path)


def test_a_failed_write_leaves_the_old_judge(tmp_path, monkeypatch):
    judge = Joints("robot", ("a",))
    file = judge.save({}, tmp_path)
    before = file.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(files.FileError, match="no space left"):
        judge.save({}, tmp_path)
    assert file.read_bytes() == before and not list(tmp_path.glob("*.part"))


def test_an_unknown_set_is_refused_before_anything_is_trained(
    script, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr("sys.argv", ["make_judges.py", "cats", "--out", str(tmp_path)])
    assert script.main() == 2
    assert "no judge for 'cats'; there are bodies, robot" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
