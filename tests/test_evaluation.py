"""Tables on small made-up sets: who wins when the answer is known."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from aidagen.datasets import layout
from aidagen.errors import AidagenError
from aidagen.evaluation import (
    animation,
    clips,
    face_judges,
    fomm_cartoons_64,
    fomm_faces_64,
    fomm_heads_64,
    readings,
    reconstruction,
    replayed_faces,
    set_distance,
    sheets,
)
from aidagen.metrics import of_set

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
        colour = frames.float().mean((2, 3)).repeat(1, 43)[:, :128] / 255
        return readings.Readings(points, colour)

    def truth(self, clip, frames):
        return self.read(frames)

    @staticmethod
    def metrics(size):
        return face_judges.FaceJudges.metrics(size)


def among(things):
    """Opens models or data sets by name, as the zoo and `datasets` do."""

    def load(name):
        if name not in things:
            raise AidagenError(f"There is nothing called {name!r}; there are a, b, c.")
        return things[name]

    return load


def quiet(text):
    """Progress that nobody reads."""


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
    for table in (replayed_faces, fomm_heads_64, animation):
        monkeypatch.setattr(table, "FaceJudges", Brightest)
    pooled = nn.Sequential(nn.AvgPool2d(16), nn.Flatten())
    features = lambda x: pooled(x.float() / 255)  # noqa: E731
    monkeypatch.setattr(set_distance, "scoring_features", lambda: features)


def find(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def test_a_perfect_model_wins_every_split_and_a_copy_does_not(people, no_networks):
    table = "fomm-faces-64"
    said = []
    sheet = fomm_faces_64.TABLE.compute(
        progress=said.append,
        load_model=among({table: Replay()}),
        load_data=among({"faces": people}),
    )
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
    assert (
        0
        < near["value"]
        < find(rows, split="segments", method="copy-source", metric="l1")[0]["value"]
    )
    # the same person is nearer than another one
    (same,) = find(rows, split="segments", method="same-person", metric="aed")
    (other,) = find(rows, split="segments", method="other-person", metric="aed")
    assert same["value"] < 0.2 * other["value"]
    assert not find(rows, split="persons", method="other-person")  # there is only one of them
    verdicts = {
        (c["split"], c["metric"]): c["verdict"]
        for c in sheet.comparisons(fomm_faces_64.TABLE.comparisons)
        if c["against"] == "copy-source"
    }
    for metric in ("l1", "psnr", "ssim", "akd", "fd"):
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
    sheet = fomm_cartoons_64.compute(
        progress=quiet,
        load_model=among({table: Replay()}),
        load_data=among({"cartoons": dancers}),
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

    monkeypatch.setattr(face_judges, "FaceLandmarks", Landmarks)
    monkeypatch.setattr(
        face_judges, "Identity", lambda: lambda x, points: points[:, :64].flatten(1)
    )
    judges = face_judges.FaceJudges()
    a, b = torch.zeros(1, 3, 8, 8).byte(), torch.full((1, 3, 8, 8), 255).byte()
    reading = judges.read(torch.cat([a, b, a, a]))
    assert looked == [2]
    assert reading.points[:, 0, 0].tolist() == [0, 1, 0, 0]
    judges.read(b)
    assert looked == [2]


def test_readings_are_of_any_judge():
    """Some points, no identity: there is no aed, and what is not found is missing."""
    points = torch.zeros(4, 5, 2)
    found = points.clone()
    found[:, 0] = torch.nan
    scores = readings.reading_scores(
        readings.Readings(found + 0.1), readings.Readings(points), (21, 21)
    )
    assert scores == pytest.approx({"akd": 1, "akd_l2": 2**0.5, "mkr": 0.2})
    scores = readings.reading_scores(
        readings.Readings(points, torch.ones(4, 2)), readings.Readings(points, torch.ones(4, 2)),
        (21, 21),
    )  # fmt: skip
    assert scores["aed"] == 0


# ----------------------------------------------------------------------------- columns, verdicts

L1 = sheets.Metric("l1", "of pixels", "lower")
SSIM = sheets.Metric("ssim", "index", "higher")
AUC = sheets.Metric("auc", "area under the curve", "higher")


def test_verdicts_know_which_scores_are_better_high():
    sheet = sheets.Sheet()
    for method, ssim, l1 in (("ours", 0.9, 0.1), ("copy", 0.5, 0.3)):
        jitter = np.linspace(0, 0.01, 6)
        sheet.add("d", "s", method, SSIM, ssim + jitter)
        sheet.add("d", "s", method, L1, l1 + jitter)
    sheet.add("d", "s", "copy", sheets.Metric("mkr", "share", "lower"), [np.nan])
    both = sheet.comparisons([("ours", "copy"), ("copy", "ours")])
    assert {(c["method"], c["metric"]): c["verdict"] for c in both} == {
        ("ours", "ssim"): "better", ("ours", "l1"): "better",
        ("copy", "ssim"): "worse", ("copy", "l1"): "worse",
    }  # fmt: skip
    assert not find(sheet.rows(), metric="mkr")  # a number that nobody has is no row


def auc(scores, labels):
    """A statistic of clips: the area under the curve, NaN where all are of one class."""

    def area(chosen):
        s, y = scores[list(chosen)], labels[list(chosen)]
        fake, real = s[y == 1], s[y == 0]
        wins = (fake[:, None] > real) + 0.5 * (fake[:, None] == real)
        return wins.mean() if wins.size else float("nan")

    return of_set(len(scores), area, centred=False)


def test_an_area_under_the_curve_of_099_is_better_than_chance():
    labels, spread = np.repeat([0, 1], 20), np.tile(np.linspace(-0.55, 0.55, 20), 2)
    sheet = sheets.Sheet()
    for method, scores in (("forensics", labels + spread), ("chance", spread)):
        sheet.add_statistic("fakes", "test", method, AUC, auc(scores, labels))
    (ours, chance) = sheet.rows()
    assert ours["value"] == pytest.approx(0.99, abs=0.005) and chance["value"] == 0.5
    assert ours["low"] < ours["value"] < ours["high"] and ours["n"] == 40
    (verdict,) = sheet.comparisons([("forensics", "chance")])
    assert verdict["verdict"] == "better" and verdict["difference"] > 0
    (verdict,) = sheet.comparisons([("chance", "forensics")])
    assert verdict["verdict"] == "worse"


def test_methods_are_compared_on_the_clips_that_both_have():
    sheet = sheets.Sheet()
    sheet.add("d", "s", "ours", L1, [1.0, 2.0, np.nan, 3.0])
    sheet.add("d", "s", "copy", L1, [np.nan, 3.0, 9.0, 4.0])
    (c,) = sheet.comparisons([("ours", "copy")])
    assert (c["difference"], c["low"], c["high"], c["n"]) == (-1, -1, -1, 2)
    sheet.add("d", "s", "nobody", L1, [9.0, np.nan, 9.0, np.nan])
    assert sheet.comparisons([("nobody", "ours")])[0]["n"] == 1
    assert sheet.comparisons([("nobody", "stranger")]) == []
