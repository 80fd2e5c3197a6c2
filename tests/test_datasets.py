"""The layout of all data sets, and what the real ones promise (where they are at hand)."""

import json

import numpy as np
import pytest

from aidagen import datasets, sources
from aidagen.datasets import cartoons, faces, layout


def moving_square(n=6, size=32):
    frames = np.full((n, size, size, 3), 30, np.uint8)
    for t in range(n):
        frames[t, 8:16, 4 + 3 * t : 12 + 3 * t] = (200, 80, 40)
    return frames


def test_a_set_is_written_and_read_back(tmp_path):
    frames = moving_square()
    labels = {"boxes": np.arange(24.0).reshape(6, 4), "person": np.array("anna")}
    entry = layout.write_clip(tmp_path, "train", "one", frames, labels)
    info = {"name": "toy", "version": "1", "source": "here", "licence": "CC0"}
    made = layout.finish_set(tmp_path, info, {"train": {"one": entry}})
    (clip,) = made.clips("train")
    assert made.clips("test") == [] and len(clip) == 6
    read = clip.frames()
    assert read.shape == (6, 3, 32, 32)
    assert np.abs(read.permute(0, 2, 3, 1).numpy().astype(int) - frames).mean() < 2
    assert (clip.frames(1, 5, 2) == read[1:5:2]).all()
    assert clip.labels()["person"] == "anna"
    np.testing.assert_array_equal(clip.labels()["boxes"], labels["boxes"])
    assert not list(tmp_path.rglob("*.part")) and len(list(tmp_path.rglob("*.mp4"))) == 1
    # the hash follows pixels and labels
    other = layout.write_clip(tmp_path, "train", "one", frames, {**labels, "person": np.array("b")})
    assert other["sha256"] != entry["sha256"]


def test_faults_of_a_set_are_one_sentence(tmp_path):
    with pytest.raises(layout.DatasetError, match="no finished data set"):
        layout.ClipSet(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(layout.DatasetError, match="damaged"):
        layout.ClipSet(tmp_path)
    with pytest.raises(layout.DatasetError, match="licence"):
        layout.finish_set(tmp_path, {"name": "x", "version": "1", "source": "s"}, {})
    with pytest.raises(layout.DatasetError, match="given no frames"):
        layout.write_clip(tmp_path, "train", "none", [])
    with pytest.raises(datasets.AidagenError, match="cartoons, faces, heads"):
        datasets.load("nothing")


def test_a_damaged_clip_is_named(tmp_path):
    entry = layout.write_clip(tmp_path, "train", "one", moving_square())
    info = {"name": "toy", "version": "1", "source": "here", "licence": "CC0"}
    made = layout.finish_set(tmp_path, info, {"train": {"one": entry}})
    clip = made.clips("train")[0]
    clip.path.write_bytes(clip.path.read_bytes()[:100])
    with pytest.raises(layout.DatasetError, match=r"one\.mp4"):
        clip.frames()


def at_hand(name):
    module = {"faces": faces, "cartoons": cartoons}[name]
    root = sources.home() / "data" / f"{name}-64-v{module.VERSION}"
    if not (root / "dataset.json").exists():
        pytest.skip(f"the {name} set is fetched footage and has not been made on this machine")
    return datasets.load(name)


def test_faces_are_split_by_moment_and_by_person():
    made = at_hand("faces")
    people = {
        split: {c.entry["person"] for c in made.clips(split) if c.entry["group"] == "segments"}
        for split in layout.SPLITS
    }
    unseen = {c.entry["person"] for c in made.clips("test") if c.entry["group"] == "persons"}
    assert people["train"] == people["test"] == {"franck", "cap"}
    assert unseen == set(faces.UNSEEN) and not unseen & people["train"]
    spans = {}
    for split in layout.SPLITS:
        for clip in made.clips(split):
            labels = clip.labels()
            span = (int(labels["start"]), int(labels["start"]) + len(clip))
            spans.setdefault(str(labels["source"]), []).append(span)
    for ranges in spans.values():  # no frame is in two clips
        ranges.sort()
        assert all(a[1] <= b[0] for a, b in zip(ranges, ranges[1:]))


def test_cartoons_hold_out_pairs_and_a_character():
    made = at_hand("cartoons")
    train = made.clips("train")
    trained = {(c.entry["character"], c.entry["move"]) for c in train}
    characters, moves = ({pair[i] for pair in trained} for i in (0, 1))
    for clip in made.clips("test"):
        character, move = clip.entry["character"], clip.entry["move"]
        assert (character, move) not in trained and move in moves
        assert (character in characters) == (clip.entry["group"] == "unseen-pair")
    # the same move has the same number of frames for every character: a true answer exists
    lengths = {}
    for split in layout.SPLITS:
        for clip in made.clips(split):
            lengths.setdefault(clip.entry["move"], set()).add(len(clip))
    assert all(len(found) == 1 for found in lengths.values())


def test_descriptions_are_json(tmp_path):
    for name in ("faces", "cartoons"):
        made = at_hand(name)
        text = (made.root / "dataset.json").read_text()
        assert json.loads(text)["name"] == name and "licence" in made.info
