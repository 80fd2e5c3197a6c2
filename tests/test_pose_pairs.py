"""Pairs of two poses of one person: whose they are, and that pictures and joints go together."""

import numpy as np
import pytest
import torch

from aidagen import datasets
from aidagen.datasets import layout, people, pose_pairs
from aidagen.datasets.pose_pairs import PosePairs, fixed_pairs
from aidagen.poses import MIRRORED

NOSE, LEFT, RIGHT = (people.JOINTS.index(n) for n in ("nose", "left wrist", "right wrist"))


def marked(person, number):
    """A picture of 32 x 16 whose red is the person and green the number, with a blue nose, and the
    joints: the nose where it is, the left wrist 2 pixels to the right of it, the right one left."""
    x, y = 4 + number, 6 + 2 * person
    picture = np.zeros((32, 16, 3), np.uint8)
    picture[..., 0], picture[..., 1] = 40 + 40 * person, 20 * number
    picture[y, x, 2] = 255
    joints = np.zeros((18, 2), np.float32)
    joints[:] = [x, y]
    joints[LEFT, 0] += 2
    joints[RIGHT, 0] -= 2
    return picture, joints / [15, 31] * 2 - 1


@pytest.fixture
def four(tmp_path, monkeypatch):
    """Three people before two cameras, and one whose hips are told in one picture only."""
    entries = {}
    for person in range(4):
        pictures, joints = zip(*(marked(person, t) for t in range(6)), strict=True)
        joints, visible = np.stack(joints).astype(np.float32), np.ones((6, 18), bool)
        visible[:, RIGHT] = person != 1
        if person == 3:
            joints[1:, people.JOINTS.index("left hip")] = 3.0  # out of the picture, so not told
            visible[:, people.JOINTS.index("left hip")] = False
        labels = {"joints": joints, "visible": visible, "identity": np.int64(person),
                  "camera": np.array([0, 0, 0, 1, 1, 1], np.uint8)}  # fmt: skip
        entries[f"{person}"] = layout.write_clip(
            tmp_path, "train", f"{person}", pictures, labels, lossless=True
        )
    info = {"name": "four", "version": "1", "source": "made up", "licence": "CC0", "size": 32,
            "seed": 0}  # fmt: skip
    made = layout.finish_set(tmp_path, info, {"train": entries})
    monkeypatch.setattr(datasets, "load", lambda name: made)
    return made


def who(images):
    """(person, number of the picture) of marked pictures."""
    red, green = (images[:, c, 0, 0] * 255 for c in (0, 1))
    return ((red - 40) / 40).round().int().tolist(), (green / 20).round().int().tolist()


def test_a_pair_is_one_person_in_two_pictures(four):
    batch = PosePairs({"four": 1.0}, flip=0.0).draw(200, torch.Generator().manual_seed(0))
    people_, sources = who(batch.source)
    again, targets = who(batch.target)
    assert people_ == again and set(people_) == {0, 1, 2}, "person 3 has one usable picture"
    assert all(i != j for i, j in zip(sources, targets, strict=True))
    differ = np.mean([(i < 3) != (j < 3) for i, j in zip(sources, targets, strict=True)])
    assert 0.4 < differ < 0.6
    assert batch.backdrop is None and batch.source.shape == (200, 3, 32, 16)
    assert batch.target_known[:, RIGHT].tolist() == [p != 1 for p in again]


@pytest.mark.parametrize("across", [0.0, 1.0])
def test_cameras_are_chosen(four, across):
    pairs = PosePairs({"four": 1.0}, across=across)
    batch = pairs.draw(50, torch.Generator().manual_seed(1))
    (_, sources), (_, targets) = who(batch.source), who(batch.target)
    differ = [(i < 3) != (j < 3) for i, j in zip(sources, targets, strict=True)]
    assert all(one == bool(across) for one in differ)


def test_joints_are_mirrored_with_the_picture(four):
    """In every picture, mirrored or not, the nose is where it is blue; a mirrored person's left
    wrist is still the one that is drawn as left."""
    batch = PosePairs({"four": 1.0}, flip=0.5).draw(100, torch.Generator().manual_seed(2))
    flipped = 0
    for images, joints, known in ((batch.source, batch.source_joints, batch.source_known),
                                  (batch.target, batch.target_joints, batch.target_known)):
        at = ((joints + 1) / 2 * torch.tensor([15.0, 31.0])).round().long()
        for image, points in zip(images, at, strict=True):
            assert image[2, points[NOSE, 1], points[NOSE, 0]] == 1
        right = at[:, LEFT, 0] - at[:, NOSE, 0]
        assert (right == 2).all(), "x and side change together"
        people_, _ = who(images)
        one = torch.tensor([p == 1 for p in people_])
        flipped = (~known[one][:, LEFT]).float().mean()
        assert known[~one].all() and ((~known[one][:, LEFT]) ^ (~known[one][:, RIGHT])).all()
        assert 0.2 < flipped < 0.8
    assert sorted(MIRRORED) == list(range(18)) and [MIRRORED[k] for k in MIRRORED] == list(
        range(18))


def test_the_generator_decides(four):
    pairs = PosePairs({"four": 1.0})
    one, two, other = (pairs.draw(8, torch.Generator().manual_seed(s)) for s in (3, 3, 4))
    for a, b in zip(one[:6], two[:6], strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.source, other.source)


def test_backdrops_of_the_target(four, monkeypatch):
    def backdrops(clip):
        grey = np.arange(2, dtype=np.float32)[:, None, None, None] * 0.5 + int(clip.name) / 10
        return np.broadcast_to(grey, (2, 32, 16, 3)).copy()

    monkeypatch.setattr(people, "backdrops", backdrops)
    pairs = PosePairs({"four": 1.0}, backdrops=True)
    batch = pairs.draw(30, torch.Generator().manual_seed(5))
    persons, targets = who(batch.target)
    wanted = [p / 10 + 0.5 * (t >= 3) for p, t in zip(persons, targets, strict=True)]
    assert torch.allclose(batch.backdrop[:, 0, 0, 0], torch.tensor(wanted, dtype=torch.float32))


def test_fixed_pairs_are_the_same_for_all(four):
    clips = four.clips("train")
    listed = fixed_pairs(clips, each=7)
    assert [p[1:] for p in listed] == [p[1:] for p in fixed_pairs(clips, each=7)]
    assert [p.clip.name for p in listed] == ["0"] * 7 + ["1"] * 7 + ["2"] * 7
    assert len({(p.clip.name, *p[1:]) for p in listed}) == 21
    assert all(p.source != p.target for p in listed)
    assert len(fixed_pairs(clips[:1], each=99)) == 30, "no pair twice"
    assert [p[1:] for p in fixed_pairs(clips, 7, seed=1)] != [p[1:] for p in listed]


def test_a_set_without_joints_is_refused(tmp_path):
    frames = [np.zeros((16, 16, 3), np.uint8)] * 2
    entry = layout.write_clip(tmp_path, "train", "0", frames, {"joints": np.zeros((2, 17, 2))})
    clip = layout.Clip(tmp_path, "train", "0", entry)
    with pytest.raises(layout.DatasetError, match="no labels for 18 joints"):
        pose_pairs.album(clip)
