"""Tables on small made-up sets: who wins when the answer is known, and what is kept on disk."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from aidagen import datasets, evaluation
from aidagen.datasets import layout
from aidagen.evaluation import cartoons, clips, faces, reconstruction, sheets, store

KEYS = ["data", "split", "method", "metric", "unit", "value", "low", "high", "n", "seed"]
ABOUT = {"name": "made-up", "version": "1", "size": 32, "source": "a test", "licence": "CC0"}


class Replay(nn.Module):
    """Answers with the driving frames (absolute), or the source plus their change (relative)."""

    def __init__(self):
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(()))

    def encode(self, source):
        return source

    def motion(self, frames):
        return frames

    def relative(self, motion, first, encoded):
        return encoded + motion - first

    def render(self, encoded, motion):
        return SimpleNamespace(image=motion)


class Brightest:
    """Stands in for the face judges: every landmark is the centre of what is brighter than the
    backdrop, identity is the mean colour."""

    def read(self, frames):
        grey = (frames.float().mean(1) > 70).float()
        steps = torch.linspace(-1, 1, grey.shape[-1])
        total = grey.sum((1, 2))
        x, y = (grey.sum(1) @ steps) / total, (grey.sum(2) @ steps) / total
        points = torch.stack([x, y], -1)[:, None].expand(-1, 68, -1)
        return clips.Readings(points, frames.float().mean((2, 3)).repeat(1, 43)[:, :128] / 255)


def walk(colour, start, length=8, size=32):
    """A coloured square of 8 × 8 wandering over grey."""
    frames = np.full((length, size, size, 3), 40, dtype=np.uint8)
    for t in range(length):
        frames[t, start : start + 8, 2 * t + 2 : 2 * t + 10] = colour
    return frames


@pytest.fixture
def people(tmp_path):
    made = {split: {} for split in layout.SPLITS}
    colours = {"ann": (250, 60, 60), "bob": (60, 60, 250), "cat": (60, 250, 60)}
    for person, colour in colours.items():
        for segment in range(5):
            split, group = ("test", "segments") if segment > 2 else ("train", "segments")
            if person == "cat":
                split, group = "test", "persons"
            name = f"{person}-{segment}"
            labels = {"person": np.array(person), "segment": np.array(segment)}
            entry = layout.write_clip(
                tmp_path / "faces", split, name, walk(colour, 3 * segment), labels
            )
            made[split][name] = {**entry, "group": group, "person": person}
    return layout.finish_set(tmp_path / "faces", ABOUT, made)


@pytest.fixture
def dancers(tmp_path):
    made = {split: {} for split in layout.SPLITS}
    colours = {"ann": (250, 60, 60), "bob": (60, 60, 250), "cat": (60, 250, 60)}
    for i, (character, colour) in enumerate(colours.items()):
        for j, start in enumerate((2, 10, 18)):
            split, group = ("test", "unseen-pair") if i == j else ("train", "seen")
            if character == "cat":
                split, group = "test", "unseen-character"
            name = f"{character}-move{j}"
            entry = layout.write_clip(tmp_path / "cartoons", split, name, walk(colour, start))
            made[split][name] = {**entry, "group": group}
    return layout.finish_set(tmp_path / "cartoons", ABOUT, made)


@pytest.fixture
def no_networks(monkeypatch):
    monkeypatch.setattr(clips, "FaceJudges", Brightest)
    pooled = nn.Sequential(nn.AvgPool2d(16), nn.Flatten())
    monkeypatch.setattr(clips, "scoring_features", lambda: lambda x: pooled(x.float() / 255))


def find(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def test_a_perfect_model_wins_every_split_and_a_copy_does_not(people, no_networks):
    table = "fomm-faces-64"
    said = []
    sheet = faces.compute(table, progress=said.append, model=Replay(), sets={"faces": people})
    rows = sheet.rows()
    assert all(list(row) == KEYS for row in rows)
    json.dumps(rows, allow_nan=False)
    for row in rows:
        assert row["low"] <= row["value"] + 1e-9 and row["value"] <= row["high"] + 1e-9
        assert re.fullmatch(r"[a-z0-9_-]+", row["method"] + row["metric"] + row["split"])
    assert {row["split"] for row in rows} == {"segments", "random-pairs", "persons"}
    for split, n in (("segments", 4), ("random-pairs", 4), ("persons", 5)):
        for metric in ("l1", "l1_moving", "akd", "akd_l2", "mkr", "aed"):
            (own,) = find(rows, split=split, method=table, metric=metric)
            assert own["value"] == 0 and own["n"] == n
        (copy,) = find(rows, split=split, method="copy-source", metric="akd_l2")
        assert copy["value"] > 3  # the square has walked away
        assert find(rows, split=split, method=table, metric="psnr")[0]["value"] == 60
        assert find(rows, split=split, method=table, metric="fd")[0]["value"] < 1e-9
        assert find(rows, split=split, method="copy-source", metric="fd")[0]["value"] > 1e-3
        (floor,) = find(rows, split=split, method="judge-floor", metric="akd_l2")
        assert 0 < floor["value"] < 0.7
    (near,) = find(rows, split="segments", method="nearest-train", metric="l1")
    assert 0 < near["value"] < find(rows, split="segments", method="copy-source", metric="l1")[0][
        "value"
    ]
    # the same person is nearer than another one
    (same,) = find(rows, split="segments", method="same-person", metric="aed")
    (other,) = find(rows, split="segments", method="other-person", metric="aed")
    assert same["value"] < 0.2 * other["value"]
    assert not find(rows, split="persons", method="other-person")  # there is only one of them
    verdicts = {
        (c["split"], c["metric"]): c["verdict"]
        for c in sheet.comparisons()
        if c["against"] == "copy-source"
    }
    for metric in ("l1", "psnr", "ssim", "akd"):
        assert verdicts["segments", metric] == "better"
    assert verdicts["segments", "mkr"] == "undecided"
    assert sheet.notes and "heads left out" in sheet.notes[0] and said


def test_the_source_frame_is_not_scored_where_it_is_the_clips_own(people):
    (clip, *_) = people.clips("test")
    task = reconstruction.own(clip)
    assert len(task.truth) == len(clip) - 1
    assert torch.equal(task.source, clip.frames()[0]) and torch.equal(task.truth, clip.frames()[1:])


def test_motion_transfer_between_characters_is_scored_against_the_true_frames(dancers):
    table = "fomm-cartoons-64"
    sheet = cartoons.compute(
        table, progress=lambda text: None, model=Replay(), sets={"cartoons": dancers}
    )
    rows = sheet.rows()
    assert {row["metric"] for row in rows} == {"l1", "l1_moving", "ssim"}
    methods = {table, f"{table}-absolute", "copy-source", "copy-driving", "nearest-train"}
    for split, n in (("cross-identity", 2), ("unseen-character", 3)):
        part = find(rows, split=split, metric="l1")
        assert {row["method"] for row in part} == methods and {row["n"] for row in part} == {n}
        value = {row["method"]: row["value"] for row in part}
        # in absolute mode this model answers with the driving frames
        assert value[f"{table}-absolute"] == value["copy-driving"] > 0
        assert value["copy-source"] > 0 and value["nearest-train"] > 0


def test_frames_are_spread_over_the_clip_and_clips_over_the_set(people):
    (clip, *_) = people.clips("test")
    assert len(clips.spread(clip, 4)) == 4
    assert torch.equal(clips.spread(clip, 4)[1], clip.frames()[2])
    assert len(clips.spread(clip, 100)) == len(clip)
    assert clips.some(range(10), 3) == [0, 3, 6] and clips.some([1, 2], None) == [1, 2]


def test_the_nearest_training_frame_is_found(people):
    gallery = clips.Gallery(people.clips("train"))
    wanted = gallery.frames[[3, 17, 40]]
    noisy = (wanted.int() + torch.randint(-2, 3, wanted.shape)).clamp(0, 255).byte()
    assert torch.equal(gallery.nearest(noisy), wanted)
    assert [len(part) for part in gallery.nearest_each([noisy[:1], noisy[1:]])] == [1, 2]


def test_judges_do_not_look_twice_at_one_picture(monkeypatch):
    looked = []

    class Landmarks:
        def __call__(self, pictures):
            looked.append(len(pictures))
            return SimpleNamespace(points=pictures.mean((1, 2, 3))[:, None, None].expand(-1, 68, 2))

    monkeypatch.setattr(clips, "FaceLandmarks", Landmarks)
    monkeypatch.setattr(clips, "Identity", lambda: lambda x, points: points[:, :64].flatten(1))
    judges = clips.FaceJudges()
    a, b = torch.zeros(1, 3, 8, 8).byte(), torch.full((1, 3, 8, 8), 255).byte()
    reading = judges.read(torch.cat([a, b, a, a]))
    assert looked == [2]
    assert reading.points[:, 0, 0].tolist() == [0, 1, 0, 0]
    judges.read(b)
    assert looked == [2]


# ----------------------------------------------------------------------------- rows on the disk


@pytest.fixture
def shelf(tmp_path, monkeypatch, dancers):
    """A user's folder with a checkpoint, a table that counts how often it is computed."""
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "home"))
    weights = tmp_path / "home" / "weights" / "fomm-cartoons-64.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    weights.with_suffix(".json").write_text("{}")
    monkeypatch.setattr(datasets, "load", lambda name: dancers)
    calls = []

    def compute(table, *, limit, progress):
        calls.append(limit)
        sheet = sheets.Sheet(table)
        sheet.add("cartoons", "cross-identity", table, "l1", "unit", [0.1, 0.2, 0.15])
        sheet.add("cartoons", "cross-identity", "copy-source", "l1", "unit", [0.3, 0.4, 0.35])
        return sheet

    monkeypatch.setitem(evaluation.TABLES, "fomm-cartoons-64", compute)
    return SimpleNamespace(weights=weights, calls=calls, set=dancers)


def test_rows_are_stored_and_given_back(shelf):
    with pytest.raises(evaluation.EvaluationError, match="No rows are stored"):
        evaluation.table("fomm-cartoons-64")
    made = evaluation.table("fomm-cartoons-64", recompute=True)
    again = evaluation.table("fomm-cartoons-64")
    assert again == made and shelf.calls == [None]
    assert again.comparisons == made.comparisons and isinstance(again, list)
    assert not list(shelf.weights.parent.glob("*.part"))
    limited = evaluation.table("fomm-cartoons-64", limit=1)
    assert shelf.calls == [None, 1] and "not stored" in limited.notes[-1]
    assert evaluation.table("fomm-cartoons-64").notes == made.notes


@pytest.mark.parametrize("what", ["weights", "data", "code"])
def test_stale_rows_are_refused_in_one_sentence(shelf, monkeypatch, what):
    evaluation.table("fomm-cartoons-64", recompute=True)
    if what == "weights":
        shelf.weights.write_bytes(b"other weights")
    elif what == "data":
        shelf.set.info["version"] = "2"
    else:
        monkeypatch.setattr(store, "code_hash", lambda: "another")
    with pytest.raises(evaluation.EvaluationError, match=f"stale, because .*{what}.*--recompute"):
        evaluation.table("fomm-cartoons-64")
    evaluation.table("fomm-cartoons-64", recompute=True)
    assert evaluation.table("fomm-cartoons-64")


def test_stored_rows_hold_where_the_data_cannot_be_had(shelf, monkeypatch):
    evaluation.table("fomm-cartoons-64", recompute=True)

    def offline(name):
        raise layout.DatasetError("no network")

    monkeypatch.setattr(datasets, "load", offline)
    assert evaluation.table("fomm-cartoons-64")


def test_damaged_rows_and_wrong_requests_are_explained(shelf):
    evaluation.table("fomm-cartoons-64", recompute=True)
    evaluation.stored_path("fomm-cartoons-64").write_text('{"rows": []')
    with pytest.raises(evaluation.EvaluationError, match="damaged"):
        evaluation.table("fomm-cartoons-64")
    with pytest.raises(evaluation.EvaluationError, match="no table 'fomm'"):
        evaluation.table("fomm")
    with pytest.raises(evaluation.EvaluationError, match="at least 1"):
        evaluation.table("fomm-cartoons-64", limit=0)


def test_a_failed_write_leaves_the_old_rows(shelf, monkeypatch):
    evaluation.table("fomm-cartoons-64", recompute=True)
    path = evaluation.stored_path("fomm-cartoons-64")
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "replace", fail)
    with pytest.raises(evaluation.EvaluationError, match="No space left"):
        evaluation.table("fomm-cartoons-64", recompute=True)
    assert path.read_bytes() == before and not list(path.parent.glob("*.part"))


def test_the_code_hash_follows_the_code_but_not_line_endings(tmp_path):
    for entry in store.CODE:
        target = tmp_path / entry
        if target.suffix:
            target.write_text("a = 1\n")
        else:
            target.mkdir()
            (target / "part.py").write_text("b = 2\n")
    first = store.code_hash(tmp_path)
    (tmp_path / "metrics.py").write_bytes(b"a = 1\r\n")
    assert store.code_hash(tmp_path) == first
    (tmp_path / "judges" / "part.py").write_text("b = 3\n")
    assert store.code_hash(tmp_path) != first


def test_a_pack_is_known_by_its_pixels_and_fetched_footage_by_its_description(people, monkeypatch):
    described = store.set_hash(people)
    people.info["clips"]["train"]["ann-0"]["sha256"] = "other bytes, another encoder"
    assert store.set_hash(people) == described
    monkeypatch.setattr(store, "PACKAGE", people.root.resolve().parent)
    assert store.set_hash(people) == people.hash != described


def test_the_table_to_read_says_who_is_better_and_what_is_left_of_the_copys_error(shelf):
    text = evaluation.format_table(evaluation.table("fomm-cartoons-64", recompute=True))
    assert "cartoons / cross-identity" in text and "copy-source" in text
    assert "better by more than the interval in l1" in text
    assert "l1: 0.43 × copy-source" in text and "  l1: unit" in text
    assert evaluation.format_table([])  # nothing to show is not an error


def test_verdicts_know_which_scores_are_better_high():
    sheet = sheets.Sheet("ours")
    for method, ssim, l1 in (("ours", 0.9, 0.1), ("copy", 0.5, 0.3)):
        jitter = np.linspace(0, 0.01, 6)
        sheet.add("d", "s", method, "ssim", "u", ssim + jitter)
        sheet.add("d", "s", method, "l1", "u", l1 + jitter)
    sheet.add("d", "s", "copy", "mkr", "u", [np.nan])
    assert {c["metric"]: c["verdict"] for c in sheet.comparisons()} == {
        "ssim": "better", "l1": "better",
    }  # fmt: skip
    assert not find(sheet.rows(), metric="mkr")  # a number that nobody has is no row
