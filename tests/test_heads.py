"""The shipped pack `heads`: what it promises is what is on disk."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_render import needs_egl

from aidagen.datasets import heads
from aidagen.datasets.layout import SPLITS, DatasetError

KEYS = {"landmarks", "visible", "pose", "actions", "phenotype", "details"}


@pytest.fixture(scope="module")
def pack():
    return heads.load()


def test_counts_and_size(pack):
    counts = {split: len(pack.clips(split)) for split in SPLITS}
    total = sum(counts.values())
    assert total >= 150, counts
    assert 0.7 * total < counts["train"] and counts["val"] >= 10 and counts["test"] >= 18, counts
    size = sum(f.stat().st_size for f in heads.PACK.rglob("*") if f.is_file())
    assert size <= 4_000_000
    assert not (heads.PACK / "unfinished").exists()
    for key in ("licence", "version", "seed", "citation", "source"):
        assert str(pack.info[key])


def test_nobody_is_in_two_splits(pack):
    people = {s: {c.entry["identity"] for c in pack.clips(s)} for s in SPLITS}
    faces = {s: {c.labels()["details"].tobytes() for c in pack.clips(s)} for s in SPLITS}
    for kind in (people, faces):
        assert sum(map(len, kind.values())) == sum(len(pack.clips(s)) for s in SPLITS)
        assert len(set().union(*kind.values())) == sum(map(len, kind.values()))


def test_the_test_people_are_the_same_at_128_pixels(pack):
    """The labels know nothing of pixels, so they are those of the small pack; frames agree."""
    large = heads.load(size=128)
    assert not large.clips("train") and not large.clips("val")
    assert sum(f.stat().st_size for f in large.root.rglob("*") if f.is_file()) <= 1_000_000
    for clip, twin in zip(large.clips("test"), pack.clips("test"), strict=True):
        assert clip.entry["identity"] == twin.entry["identity"] and len(clip) == heads.FRAMES
        labels, others = clip.labels(), twin.labels()
        for key in ("phenotype", "details", "actions", "pose"):
            assert np.array_equal(labels[key], others[key]), (clip, key)
        assert np.abs(labels["landmarks"] - others["landmarks"]).max() < 0.02, clip
        frame, other = clip.frames(0, 1) / 255, twin.frames(0, 1) / 255
        assert frame.shape == (1, 3, 128, 128)
        assert (F.avg_pool2d(frame, 2) - other).abs().mean() < 0.02, clip


@pytest.mark.parametrize("split", SPLITS)
def test_labels_fit_the_frames(pack, split):
    for clip in pack.clips(split)[:6]:
        frames, labels = clip.frames(), clip.labels()
        t = heads.FRAMES
        assert frames.shape == (t, 3, 64, 64) and frames.dtype == torch.uint8
        assert set(labels) == KEYS
        assert labels["landmarks"].shape == (t, 68, 2) and labels["visible"].shape == (t, 68)
        assert labels["actions"].shape == (t, len(pack.info["actions"]))
        assert 0 <= labels["actions"].min() and labels["actions"].max() <= 1
        points = labels["landmarks"].astype(np.float32)
        assert np.abs(points).max() < 1.1, "the face leaves the picture"
        eyes, mouth = points[:, 36:48].mean(1), points[:, 48:68].mean(1)
        assert (mouth[:, 1] > eyes[:, 1]).all()
        assert labels["visible"][:, 27:60].mean() > 0.5


def test_heads_move(pack):
    """Copying the first frame must be clearly wrong, and the labels must say why."""
    wrong = []
    for clip in pack.clips("test"):
        frames, labels = clip.frames().float() / 255, clip.labels()
        wrong.append((frames - frames[:1]).abs().mean().item())
        turned = labels["pose"][:, 0].astype(np.float32)
        assert turned.max() - turned.min() > 12, clip
    assert np.mean(wrong) > 0.04 and min(wrong) > 0.015, wrong


def test_yaw_moves_the_nose_the_way_the_label_says(pack):
    """Over each clip the nose tip, seen from the midpoint of the eyes, follows the yaw."""
    follows = []
    for clip in pack.clips("test"):
        labels = clip.labels()
        points = labels["landmarks"].astype(np.float32)
        nose = points[:, 30, 0] - points[:, 36:48, 0].mean(1)
        follows.append(np.corrcoef(nose, labels["pose"][:, 0].astype(np.float32))[0, 1])
    assert np.median(follows) > 0.95


def test_people_vary(pack):
    worn = [c.entry for s in SPLITS for c in pack.clips(s)]
    assert len({e["hair"] for e in worn}) >= 12
    assert {"beanie", "cap", "brim"} <= {e["hat"] for e in worn}
    assert {"round", "square", "dark"} <= {e["glasses"] for e in worn}
    assert {"full", "goatee", "moustache", "stubble"} <= {e["beard"] for e in worn}


def test_another_seed_is_not_mixed_in(tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps({"size": 64, "seed": 7, "clips": {}}))
    with pytest.raises(DatasetError, match="seed 7"):
        heads.make(tmp_path, 1)


@needs_egl
def test_a_person_of_the_pack_is_drawn_again(pack, tmp_path):
    """The same labels, and the same pixels up to what the encoder makes of them."""
    (again,) = heads.make(tmp_path, clips=1, progress=False).clips("test")
    shipped = pack.clips("test")[0]
    assert {**again.entry, "sha256": ""} == {**shipped.entry, "sha256": ""}
    one, other = again.labels(), shipped.labels()
    for key in KEYS - {"visible"}:
        np.testing.assert_allclose(one[key], other[key], atol=1e-2)
    assert (one["visible"] == other["visible"]).mean() > 0.99
    assert (again.frames().float() - shipped.frames().float()).abs().mean() < 3
