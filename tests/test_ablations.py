"""The table of ablations on made-up heads: known winners, and rows that go stale with any model."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_evaluation import (  # noqa: F401
    ABOUT,
    KEYS,
    Brightest,
    among,
    find,
    no_networks,
    quiet,
    walk,
)
from torch import nn

from aidagen import datasets, evaluation, zoo
from aidagen.datasets import heads, layout
from aidagen.errors import AidagenError
from aidagen.evaluation import fomm_heads_64, keys, sheets
from aidagen.models import fomm

TABLE = "fomm-heads-64"
NAMES = fomm_heads_64.TABLE.models
L1 = sheets.Metric("l1", "unit", "lower")


class Perfect(nn.Module):
    """Answers with the driving frames; its one keypoint is the centre of the square."""

    def __init__(self):
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(()))

    def encode(self, source):
        return source

    def motion(self, frames):
        points = Brightest().read((frames * 255).round().byte()).points[:, :1]
        return SimpleNamespace(points=points, frames=frames)

    def render(self, encoded, motion):
        still = encoded.expand_as(motion.frames)
        return SimpleNamespace(image=motion.frames, deformed=still)


class Still(Perfect):
    """Answers with the source; its keypoint never moves."""

    def motion(self, frames):
        return SimpleNamespace(points=torch.zeros(len(frames), 1, 2), frames=frames)

    def render(self, encoded, motion):
        still = encoded.expand_as(motion.frames)
        return SimpleNamespace(image=still, deformed=still)


@pytest.fixture
def people(tmp_path):
    """Seven people; their landmarks are a linear map of where their square is."""
    made = {split: {} for split in layout.SPLITS}
    spread = np.linspace(-0.1, 0.1, 68)
    for i in range(7):
        split = "test" if i < 3 else "train"
        frames = walk((250, 60 + 20 * i, 60), 3 * i)
        centre = Brightest().read(torch.from_numpy(frames).permute(0, 3, 1, 2)).points[:, :1]
        marks = 0.5 * centre.numpy() + np.stack([spread, -spread], 1)
        labels = {"landmarks": marks.astype(np.float16)}
        made[split][f"{i:04d}"] = layout.write_clip(
            tmp_path / "heads", split, f"{i:04d}", frames, labels
        )
    return layout.finish_set(tmp_path / "heads", ABOUT, made)


@pytest.fixture
def sheet(people, no_networks):  # noqa: F811
    said = []
    computed = fomm_heads_64.compute(
        progress=said.append,
        load_model=among({NAMES[0]: Perfect(), NAMES[1]: Still()}),
        load_data=among({"heads": people}),
    )
    assert any("no-jacobian" in line for line in said)
    return computed


def compared(sheet):
    return sheet.comparisons(fomm_heads_64.TABLE.comparisons)


def value(sheet, method, metric):
    (row,) = find(sheet.rows(), method=method, metric=metric)
    return row["value"]


def test_a_perfect_model_beats_one_that_stands_still(sheet):
    rows = sheet.rows()
    assert all(list(row) == KEYS and row["n"] == 3 for row in rows)
    assert {(row["data"], row["split"]) for row in rows} == {("heads", "heads")}
    assert {row["method"] for row in rows} == {
        TABLE, "no-jacobian", "warp-only", "copy-source", "turned-source", "nearest-train",
        "judge-floor", "mean-landmark",
    }  # fmt: skip
    for metric in ("l1", "l1_moving", "akd", "aed", "turn_error"):
        assert value(sheet, TABLE, metric) == 0 < value(sheet, "no-jacobian", metric)
        assert value(sheet, "no-jacobian", metric) == value(sheet, "copy-source", metric)
    verdicts = {
        (c["against"], c["metric"]): c["verdict"] for c in compared(sheet) if c["method"] == TABLE
    }
    for metric in ("l1", "ssim", "akd", "turn_error", "kp_consistency"):
        assert verdicts["no-jacobian", metric] == "better"
    assert verdicts["no-jacobian", "warp_l1"] == "undecided"  # both warp nothing
    assert verdicts["mean-landmark", "kp_consistency"] == "better"
    assert value(sheet, "copy-source", "turn_error") != value(sheet, "turned-source", "turn_error")


def test_painting_is_compared_with_warping_alone(sheet):
    assert value(sheet, TABLE, "warp_l1") == value(sheet, "warp-only", "l1") > 0
    (c,) = find(compared(sheet), against="warp-only", metric="l1")
    assert c["verdict"] == "better"


def test_keypoints_that_stay_on_the_head_know_its_landmarks(sheet):
    assert value(sheet, TABLE, "kp_consistency") < 0.05  # px of 32; labels are float16
    ignorant = value(sheet, "mean-landmark", "kp_consistency")
    assert ignorant > 0.5
    assert value(sheet, "no-jacobian", "kp_consistency") == pytest.approx(ignorant, rel=1e-4)


def test_models_that_are_not_there_are_left_out_in_words(sheet, people, no_networks):  # noqa: F811
    assert len(sheet.notes) == 2 and sheet.notes[0].startswith("no-occlusion left out: ")
    with pytest.raises(AidagenError, match=f"nothing called '{TABLE}'"):
        fomm_heads_64.compute(
            progress=quiet,
            load_model=among({NAMES[1]: Still()}),
            load_data=among({"heads": people}),
        )


def test_judges_and_networks_are_named_in_the_units(sheet):
    units = {row["metric"]: row["unit"] for row in sheet.rows()}
    assert "face-api" in units["akd"] and "exact landmarks" in units["kp_consistency"]
    assert "of 32" in units["kp_consistency"] and "20°" in units["turn_error"]


def test_untrained_models_of_every_kind_are_scored_on_the_shipped_heads(no_networks):  # noqa: F811
    tiny = fomm.fomm_tiny()
    settings = [tiny, replace(tiny, jacobian="none"),
                replace(tiny, occlusion=False, blend=False), tiny]  # fmt: skip
    models = {name: fomm.FOMM(config).eval() for name, config in zip(NAMES, settings)}
    sheet = fomm_heads_64.compute(
        limit=2,
        progress=quiet,
        load_model=among(models),
        load_data=among({"heads": heads.load()}),
    )
    methods = [TABLE, "no-jacobian", "no-occlusion", "no-equivariance"]
    for metric in (*fomm_heads_64.JUDGED, "warp_l1", "turn_error", "kp_consistency"):
        assert set(methods) <= {row["method"] for row in find(sheet.rows(), metric=metric)}
    assert not sheet.notes


def test_turning_is_anticlockwise_around_the_middle_and_reflects():
    frame = torch.full((1, 3, 33, 33), 50, dtype=torch.uint8)
    frame[..., 16, 26:29] = 255  # to the right of the middle
    turned = fomm_heads_64.turn(frame, 90)
    assert turned[0, 0, 5:7, 16].min() > 200 and turned[0, 0, 16, 26:29].max() < 60
    assert torch.equal(fomm_heads_64.turn(frame, 0), frame)
    assert fomm_heads_64.turn(torch.full_like(frame, 200)).min() == 200  # no black corners


def test_the_linear_map_is_found_and_survives_a_dead_keypoint():
    x = torch.randn(500, 6, dtype=torch.float64)
    x[:, 5] = 0.3  # never moves
    slope = torch.randn(6, 4, dtype=torch.float64)
    predict = fomm_heads_64.linear_map(x[:400], x[:400] @ slope + 1)
    torch.testing.assert_close(predict(x[400:]), x[400:] @ slope + 1, atol=2e-3, rtol=0)
    shuffled = fomm_heads_64.linear_map(x[:400], (x[:400] @ slope + 1)[torch.randperm(400)])
    assert (shuffled(x[400:]) - x[400:] @ slope - 1).abs().mean() > 0.5


def test_heads_without_labels_are_refused(people, no_networks):  # noqa: F811
    for clip in people.clips("train"):
        clip.path.with_suffix(".npz").unlink()
    with pytest.raises(evaluation.EvaluationError, match="no exact landmarks"):
        fomm_heads_64.compute(
            progress=quiet,
            load_model=among({TABLE: Perfect()}),
            load_data=among({"heads": people}),
        )


# ------------------------------------------------------------------------------- rows on the disk


@pytest.fixture
def shelf(tmp_path, monkeypatch, people):
    """All four checkpoints in a user's folder, and a table that is quickly computed."""
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(zoo, "SHIPPED", tmp_path / "nothing")
    folder = tmp_path / "home" / "weights"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / f"{name}.safetensors").write_bytes(name.encode())
        (folder / f"{name}.json").write_text('{"system": "fomm"}')
    monkeypatch.setattr(datasets, "load", lambda name: people)

    def compute(*, limit, progress):
        sheet = sheets.Sheet()
        sheet.add("heads", "heads", TABLE, L1, [0.1, 0.2, 0.15])
        return sheet

    table = fomm_heads_64.TABLE._replace(compute=compute)
    monkeypatch.setattr(fomm_heads_64, "TABLE", table)
    evaluation.table(TABLE, recompute=True)
    assert evaluation.table(TABLE)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_stale_when_any_of_the_models_changed(shelf, name):
    (shelf / f"{name}.safetensors").write_bytes(b"trained again")
    with pytest.raises(evaluation.EvaluationError, match=f"the weights of {name} changed since"):
        evaluation.table(TABLE)
    evaluation.table(TABLE, recompute=True)
    assert evaluation.table(TABLE)


def test_rows_are_stale_when_an_ablation_goes_or_comes(shelf):
    file = shelf / f"{NAMES[2]}.safetensors"
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(evaluation.EvaluationError, match=f"the weights of {NAMES[2]} changed"):
        evaluation.table(TABLE)
    evaluation.table(TABLE, recompute=True)
    file.write_bytes(content)
    with pytest.raises(evaluation.EvaluationError, match=f"weights of {NAMES[2]} changed.*--reco"):
        evaluation.table(TABLE)


def test_weights_and_code_are_named_together(shelf, monkeypatch):
    (shelf / f"{NAMES[1]}.safetensors").write_bytes(b"trained again")
    monkeypatch.setattr(keys, "code_hash", lambda source: "another")
    monkeypatch.setattr(keys, "data_hash", lambda name: "another")
    wanted = f"the weights of {NAMES[1]} and the data of heads and the code of .* more changed"
    with pytest.raises(evaluation.EvaluationError, match=wanted):
        evaluation.table(TABLE)


def test_an_ablation_is_a_row_and_no_table():
    with pytest.raises(evaluation.EvaluationError, match=f"{NAMES[1]} is a row of {TABLE}"):
        evaluation.table(NAMES[1])
