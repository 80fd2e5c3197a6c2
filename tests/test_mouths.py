"""`mouth_opening` on made-up landmarks, where the slope is known; and what is stored of it."""

import numpy as np
import pytest
import torch
from test_evaluation import Replay, among, no_networks, people, quiet  # noqa: F401

from aidagen import evaluation
from aidagen.errors import AidagenError
from aidagen.evaluation import mouths, readings, replayed_faces
from aidagen.evaluation.face_judges import FaceJudges

FRAMES = 12
WAVE = torch.linspace(0, 2 * torch.pi, FRAMES).sin()


def faces(opening, *, turned=0.0, drift=0.2):
    """68 points per frame: eyes 0.6 apart, inner lips `opening` apart, the head drifting aside."""
    points = torch.zeros(len(opening), 68, 2)
    points[:, mouths.EYES[0], 0], points[:, mouths.EYES[1], 0] = -0.3, 0.3
    for place, upper, lower in zip((-0.05, 0.0, 0.05), mouths.UPPER, mouths.LOWER):
        points[:, upper] = torch.stack([torch.full_like(opening, place), 0.5 - opening / 2], -1)
        points[:, lower] = torch.stack([torch.full_like(opening, place), 0.5 + opening / 2], -1)
    cos, sin = np.cos(turned), np.sin(turned)
    aside = torch.linspace(-drift, drift, len(opening))[:, None, None]
    return points @ torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float32) + aside


TRUE = faces(0.1 + 0.05 * WAVE)


@pytest.mark.parametrize(
    ("generated", "wanted"),
    [
        (TRUE, 1.0),
        (faces(torch.full((FRAMES,), 0.1)), 0.0),
        (faces(0.1 - 0.025 * WAVE), -0.5),
        (faces(0.3 + 0.1 * WAVE, turned=0.4), 2.0),  # wider, elsewhere
    ],
)
def test_the_slope_is_one_for_the_truth_and_nothing_for_a_still(generated, wanted):
    assert mouths.slope(generated, TRUE) == pytest.approx(wanted, abs=1e-4)


def test_noise_in_the_generated_opening_does_not_tilt_the_slope():
    noise = torch.randn(400, generator=torch.Generator().manual_seed(0))
    truth = 0.1 + 0.05 * torch.linspace(0, 40, 400).sin()
    assert mouths.slope(faces(truth + 0.005 * noise), faces(truth)) == pytest.approx(1, abs=0.03)


def test_a_clip_counts_only_where_the_true_mouth_moves():
    def spread(share):  # of the distance of the eyes, as a standard deviation
        wave = WAVE / WAVE.std()
        return faces(0.2 + share * 0.6 * wave)

    assert mouths.varies(spread(1.05 * mouths.VARIES))
    assert not mouths.varies(spread(0.95 * mouths.VARIES))
    assert np.isnan(mouths.slope(TRUE, faces(torch.full((FRAMES,), 0.1))))


def test_frames_without_a_face_are_left_out():
    generated, truth = faces(0.1 + 0.1 * WAVE), TRUE.clone()
    generated[2], truth[5] = torch.nan, torch.nan
    assert mouths.slope(generated, truth) == pytest.approx(2, abs=1e-4)
    generated[2:] = torch.nan  # two frames are left, and every line goes through two points
    assert np.isnan(mouths.slope(generated, truth))
    assert np.isnan(mouths.slope(TRUE, torch.full_like(TRUE, torch.nan)))


def test_what_is_no_face_is_refused_in_a_sentence():
    with pytest.raises(AidagenError, match="68 landmarks in iBUG's order; 33 were given"):
        mouths.opening(torch.zeros(4, 33, 2))


class Talks:
    """Stands in for the face judges: the lips are as far apart as a picture is bright at the top
    left corner, where the made-up people have nothing."""

    def read(self, frames):
        bright = frames[:, :, 0, 0].float().mean(1) / 255
        identity = frames.float().mean((2, 3)).repeat(1, 43)[:, :128] / 255
        return readings.Readings(faces(bright, drift=0.0), identity)

    def truth(self, clip, frames):
        return self.read(frames)

    metrics = staticmethod(FaceJudges.metrics)


def test_the_table_holds_slopes_of_every_method(people, no_networks, monkeypatch):  # noqa: F811
    """A model that replays scores 1; a copy of the source scores exactly 0."""
    read = replayed_faces.own

    def talking(clip):
        task = read(clip)
        frames = task.truth.clone()
        frames[:, :, 0, 0] = torch.linspace(20, 200, len(frames))[:, None].byte()
        return task._replace(driving=frames, truth=frames)

    monkeypatch.setattr(replayed_faces, "own", talking)
    monkeypatch.setattr(replayed_faces, "FaceJudges", Talks)
    sheet = replayed_faces.compute(
        "m", ("faces",), progress=quiet, load_model=among({"m": Replay()}),
        load_data=among({"faces": people}),
    )  # fmt: skip
    rows = {(r["split"], r["method"]): r for r in sheet.rows() if r["metric"] == "mouth_opening"}
    for split, n in (("segments", 4), ("persons", 5)):
        assert rows[split, "m"]["value"] == pytest.approx(1) and rows[split, "m"]["n"] == n
        assert rows[split, "copy-source"]["value"] == 0 == rows[split, "copy-source"]["high"]
        assert rows[split, "judge-floor"]["value"] == pytest.approx(1, abs=0.2)


def test_a_set_without_training_clips_has_no_nearest_one(people, no_networks):  # noqa: F811
    del people.info["clips"]["train"]
    people.info["clips"]["train"] = {}
    sheet = replayed_faces.compute(
        "m", ("heads-128",), limit=2, progress=quiet, load_model=among({"m": Replay()}),
        load_data=among({"heads-128": people}),
    )  # fmt: skip
    methods = {row["method"] for row in sheet.rows()}
    assert {"m", "copy-source", "judge-floor"} <= methods and "nearest-train" not in methods
    assert {(row["data"], row["split"]) for row in sheet.rows()} == {("heads-128", "heads")}
    assert sheet.notes == ["nearest-train left out on heads-128, which has test clips alone"]


# --- what is stored -----------------------------------------------------------------------------


def value(rows, split, method, metric):
    (row,) = [r for r in rows if (r["split"], r["method"], r["metric"]) == (split, method, metric)]
    return row["value"]


def test_stored_rows_show_the_showcase():
    """Known people's mouths follow; nobody else's do, and people it never saw keep half of a
    copy's error (0.51: what a run made better would show here)."""
    rows = evaluation.table("fomm-faces-128")
    assert {r["split"] for r in rows} == {"segments", "random-pairs", "persons", "heads"}

    def share(split):
        own, copy = (value(rows, split, m, "l1_moving") for m in ("fomm-faces-128", "copy-source"))
        return own / copy

    assert share("segments") <= 0.30 and share("heads") <= 0.30
    assert share("persons") <= 0.52
    assert value(rows, "segments", "fomm-faces-128", "mouth_opening") >= 0.5
    assert "(n 4)" in evaluation.format_table(rows), "few clips open their mouths, and it says so"
    for split in ("segments", "persons", "heads"):
        assert value(rows, split, "copy-source", "mouth_opening") == 0
        assert value(rows, split, "judge-floor", "mouth_opening") > 0.9
    small = evaluation.table("fomm-faces-64")
    assert value(small, "segments", "fomm-faces-64", "mouth_opening") < 0.5
