"""The table of Monkey-Net, X2Face and First Order Motion on made-up sets with a known answer."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_evaluation import ABOUT, KEYS, Brightest, Replay, among, find, quiet, walk
from torch import nn

from aidagen import datasets, evaluation, zoo
from aidagen.datasets import layout
from aidagen.errors import AidagenError
from aidagen.evaluation import (
    animation,
    claims,
    joint_judges,
    monkeynet_ablations,
    reconstruction,
    sheets,
    stand_ins,
)
from aidagen.judges import joints
from aidagen.judges.joints import JointReading

TABLE, ABLATIONS = "animation", "monkeynet-ablations"
BIAS = 0.05  # of the made-up judge, along x, in [-1, 1]


class Still(Replay):
    """Answers with the source, whatever drives it."""

    def render(self, encoded, motion):
        return SimpleNamespace(image=encoded.expand_as(motion))


class Half(Replay):
    """Between the two: a pale copy of the truth over the source."""

    def render(self, encoded, motion):
        return SimpleNamespace(image=0.7 * motion + 0.3 * encoded)


class Centre(nn.Module):
    """Stands in for `Joints`: its first joint is the centre of what is bright, a little off; the
    second one it never finds."""

    def __init__(self, data):
        super().__init__()
        self.joints, self.card = ("middle", "side"), {}
        self.network = SimpleNamespace(dimensions=3 if data == "bodies" else 0)
        self.name, self.identity_unit = f"joints2 (a test's, {data})", "a test's distance"

    def forward(self, frames):
        bright = (frames.float().mean(1) > 80).float()
        steps = torch.linspace(-1, 1, frames.shape[-1])
        total = bright.sum((1, 2))
        at = torch.stack([bright.sum(1) @ steps, bright.sum(2) @ steps], 1) / total[:, None]
        points = torch.stack([at, at + 0.1], 1) + torch.tensor([BIAS, 0.0])
        points[:, 1] = torch.nan
        identity = frames.float().mean((2, 3)) / 255 if self.network.dimensions else None
        return JointReading(points, points.isfinite().all(2).float(), identity)


def made_set(root, data, test=4):
    made = {split: {} for split in layout.SPLITS}
    for i in range(test + 2):
        split = "test" if i < test else "train"
        frames = walk((250, 60 + 30 * i, 60), 4 * i)
        bright = frames.mean(3) > 80
        line = np.linspace(-1, 1, 32)
        middle = np.stack([(bright.sum(1) * line).sum(1), (bright.sum(2) * line).sum(1)], 1)
        middle = middle / bright.sum((1, 2))[:, None]
        places = np.stack([middle, middle + 0.1], 1).astype(np.float32)
        visible = np.ones((len(frames), 2), bool)
        visible[4:, 1] = False
        places[4:, 1] = 7.0  # a hidden joint's place must not matter
        name = f"{i:04d}"
        labels = {} if data == "faces" else {"joints": places, "visible": visible}
        entry = layout.write_clip(root / data, split, name, frames, labels)
        group = "persons" if i == 0 else "segments"
        made[split][name] = {**entry, "group": group, "person": str(i)}
    return layout.finish_set(root / data, {**ABOUT, "name": data}, made)


@pytest.fixture
def sets(tmp_path):
    return {data: made_set(tmp_path, data) for data in ("faces", "bodies", "robot")}


def stand_in(patch):
    patch.setattr(joint_judges, "Joints", SimpleNamespace(pretrained=Centre))
    patch.setattr(animation, "FaceJudges", Brightest)


@pytest.fixture
def judged(monkeypatch):
    stand_in(monkeypatch)


MODELS = {
    f"{system}-{data}-64": made()
    for data in ("faces", "bodies", "robot")
    for system, made in (("x2face", Still), ("monkeynet", Half), ("fomm", Replay))
}


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """The table of the models above, computed once."""
    root = tmp_path_factory.mktemp("sets")
    sets = {data: made_set(root, data) for data in ("faces", "bodies", "robot")}
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch)
        return computed(animation, MODELS, sets)


def computed(table, models, sets):
    """The table's sheet of these models, by checkpoint, on these sets."""
    return table.compute(progress=quiet, load_model=among(models), load_data=among(sets))


def compared(sheet, table=animation):
    return sheet.comparisons(table.TABLE.comparisons)


def as_rows(sheet, name=TABLE, table=animation):
    return sheets.Rows(sheet.rows(), name, compared(sheet, table), sheet.notes)


def value(sheet, data, method, metric):
    (row,) = find(sheet.rows(), data=data, split=animation.SPLITS[data][0], method=method,
                  metric=metric)  # fmt: skip
    return row["value"]


def test_the_best_wins_on_every_set_and_every_claim_is_said(sheet):
    rows = sheet.rows()
    json.dumps(rows, allow_nan=False)
    for row in rows:
        assert list(row) == KEYS
        assert re.fullmatch(r"[a-z0-9_-]+", row["method"] + row["metric"] + row["split"])
    assert {(row["data"], row["split"], row["n"]) for row in rows} == {
        ("faces", "segments", 3), ("faces", "persons", 1), ("bodies", "test", 4),
        ("robot", "test", 4),
    }  # fmt: skip
    methods = {*animation.SYSTEMS, "copy-source", "nearest-train", "judge-floor"}
    for data in sets_of(rows):
        assert {row["method"] for row in find(rows, data=data)} == methods
        assert {row["metric"] for row in find(rows, data=data)} <= set(stand_ins.METRICS)
        for metric in ("l1", "l1_moving"):
            assert value(sheet, data, "fomm", metric) == 0
            assert value(sheet, data, "monkeynet", metric) < value(sheet, data, "x2face", metric)
        assert value(sheet, data, "x2face", "l1") == value(sheet, data, "copy-source", "l1")
    verdicts = {
        (c["method"], c["against"], c["data"], c["split"], c["metric"]): c["verdict"]
        for c in compared(sheet)
    }
    for method, against in (("monkeynet", "x2face"), ("fomm", "monkeynet"), ("fomm", "x2face"),
                            ("monkeynet", "copy-source"), ("fomm", "copy-source")):  # fmt: skip
        assert verdicts[method, against, "bodies", "test", "l1_moving"] == "better"
    assert verdicts["x2face", "copy-source", "bodies", "test", "l1_moving"] == "undecided"
    assert not any(pair[:2] == ("x2face", "monkeynet") for pair in verdicts)


def sets_of(rows):
    return dict.fromkeys(row["data"] for row in rows)


def test_joints_are_judged_against_the_exact_ones_that_are_visible(sheet):
    pixels = BIAS * 31 / 2 / 2  # along x only, mean over both axes, picture of 32
    for data in ("bodies", "robot"):
        # the perfect model is as far off as its judge, and no hidden joint (at 7, 7) counts
        assert value(sheet, data, "fomm", "akd") == pytest.approx(pixels, abs=0.03)
        assert value(sheet, data, "judge-floor", "akd") == pytest.approx(pixels, abs=0.1)
        assert value(sheet, data, "copy-source", "akd") > 2
        # 3 of the 7 frames scored show the second joint, which this judge never finds
        assert value(sheet, data, "fomm", "mkr") == pytest.approx(3 / 7 / 2, abs=1e-4)


def test_the_robot_is_nobody_and_bodies_have_identities(sheet):
    assert not find(sheet.rows(), data="robot", metric="aed")
    assert value(sheet, "bodies", "fomm", "aed") == 0 < value(sheet, "bodies", "x2face", "aed")
    units = {(r["data"], r["metric"]): r["unit"] for r in sheet.rows()}
    assert units["bodies", "aed"] == "a test's distance" and "face-api" in units["faces", "aed"]
    assert "exact visible joints (joints2 (a test's, robot))" in units["robot", "akd"]
    assert "of 32" in units["robot", "akd"] and "not found" in units["bodies", "mkr"]


def test_the_text_answers_the_lectures_claims(sheet, sets, judged):
    said = evaluation.format_table(as_rows(sheet))
    assert "monkeynet against x2face: better by more than the interval in l1" in said
    answers = said[said.index("What the lecture claims") : said.index("Beside the paper")]
    assert "l1_moving: monkeynet below x2face?" in answers
    assert "akd: fomm below monkeynet?" in answers
    assert answers.count("bodies/test: yes, by more than the interval (-") >= 3
    (line, *_) = [
        x for x in answers.splitlines() if x.startswith("    bodies/test: x2face no (1.00)")
    ]
    assert line.endswith("monkeynet yes (0.30), fomm yes (0.00)")
    assert "monkeynet l1: 0.30 × copy-source, l1_moving: 0.30 × copy-source, akd: " in said
    # the other way round it is said, too
    swapped = {**MODELS, "x2face-bodies-64": Replay(), "monkeynet-bodies-64": Still()}
    other = computed(animation, swapped, sets)
    assert "    bodies/test: no, the other way round by more than the interval (+" in "\n".join(
        claims.orderings(as_rows(other))
    )
    assert claims.orderings(sheet.rows()) == []  # a plain list knows no comparisons


def test_the_papers_numbers_stand_in_columns_of_their_own(sheet):
    numbers = claims.published()
    assert {row["data"] for row in numbers} == {"Tai-Chi", "Nemo", "BAIR"}
    assert all("CVPR 2019" in row["source"] for row in numbers)
    assert not {row["data"] for row in numbers} & sets_of(sheet.rows()).keys()
    (row,) = find(numbers, method="monkeynet", data="Tai-Chi", metric="akd")
    assert row["value"] == 2.53
    shown = claims.beside(as_rows(sheet)).splitlines()
    head, *body = shown[2:-1]
    assert head.split("  ")[0] == "here | paper" and "here: fomm" in head
    at = head.index("paper: x2face")
    (line,) = [x for x in body if x.startswith("bodies | Tai-Chi") and " akd " in x]
    assert line[at:].split() == ["4.5", "2.53"]
    own = line[:at].split()[-3:]
    assert own[2] == f"{value(sheet, 'bodies', 'fomm', 'akd'):.3g}"
    (line,) = [x for x in body if x.startswith("robot | BAIR") and " mkr " in x]
    assert line[at:].split() == ["–", "–"]
    assert "Beside the paper" in claims.beside([])  # also before anything is computed


def test_what_is_not_there_is_left_out_in_words(sets, judged):
    some = {"fomm-bodies-64": Replay()}
    sheet = computed(animation, some, {"bodies": sets["bodies"]})
    assert {row["method"] for row in sheet.rows()} == {
        "fomm", "copy-source", "nearest-train", "judge-floor",
    }  # fmt: skip
    notes = " | ".join(sheet.notes)
    for part in ("faces left out", "robot left out", "x2face on bodies left out",
                 "monkeynet on bodies left out"):  # fmt: skip
        assert part in notes
    assert "fomm on bodies" not in notes
    assert evaluation.format_table(as_rows(sheet))
    with pytest.raises(evaluation.EvaluationError, match="no data to evaluate on"):
        computed(animation, {}, {"cats": None})


def test_a_checkpoint_that_is_missing_is_named_without_the_whole_zoo(sets, judged):
    def load(name):
        raise zoo.ZooError(f"There is no model named {name!r}; there are a, b, c.")

    sheet = animation.compute(limit=1, progress=quiet, load_model=load, load_data=among(sets))
    wanted = "x2face on bodies left out: There is no model named 'x2face-bodies-64'"
    assert wanted in sheet.notes and {row["n"] for row in sheet.rows()} == {1}


def test_without_a_judge_a_set_is_left_out(sets, monkeypatch, tmp_path):
    monkeypatch.setattr(animation, "FaceJudges", Brightest)
    monkeypatch.setattr(joints, "WEIGHTS", tmp_path)
    sheet = computed(animation, MODELS, sets)
    assert {row["data"] for row in sheet.rows()} == {"faces"}
    assert any("robot left out: There is no judge of joints for 'robot'" in n for n in sheet.notes)


@pytest.mark.parametrize("damage", ["none", "others", "short"])
def test_labels_that_do_not_fit_are_refused(sets, judged, damage):
    for clip in sets["bodies"].clips("test"):
        labels, file = clip.labels(), clip.path.with_suffix(".npz")
        if damage == "none":
            file.unlink()
        elif damage == "others":
            np.savez(file, joints=labels["joints"][:, :1], visible=labels["visible"][:, :1])
        else:
            np.savez(file, joints=labels["joints"][:5], visible=labels["visible"][:5])
    wanted = "came with labels of 5 frames" if damage == "short" else "exact places of the 2 joints"
    with pytest.raises(evaluation.EvaluationError, match=wanted):
        computed(animation, MODELS, sets)


def test_joints_belong_to_the_frames_that_are_scored(tmp_path, judged):
    """Of a clip of 64 frames every second one is scored, with that frame's joints."""
    places = np.linspace(-1, 1, 64 * 4).astype(np.float32).reshape(64, 2, 2)
    visible = np.tile([True, False], (64, 1))
    frames = [np.full((32, 32, 3), t, np.uint8) for t in range(64)]
    labels = {"joints": places, "visible": visible}
    entry = layout.write_clip(tmp_path, "test", "long", frames, labels)
    clip = layout.Clip(tmp_path, "test", "long", entry)
    task = reconstruction.own(clip)
    exact = joint_judges.JointJudges("bodies").truth(clip, task.truth).points
    assert len(exact) == len(task.truth) == 31
    assert torch.equal(exact[:, 0], torch.from_numpy(places[2::2, 0]))
    assert exact[:, 1].isnan().all()


def test_ablations_stand_beside_the_whole_model(sets, judged):
    whole, no_flow, no_skips = monkeynet_ablations.TABLE.models
    models = {whole: Replay(), no_flow: Half(), no_skips: Still()}
    sheet = computed(monkeynet_ablations, models, {"bodies": sets["bodies"]})
    comparisons = compared(sheet, monkeynet_ablations)
    verdicts = {(c["method"], c["against"], c["metric"]): c["verdict"] for c in comparisons}
    for method in ("monkeynet-no-flow", "monkeynet-no-deformed-skips"):
        assert verdicts["monkeynet", method, "l1_moving"] == "better"
        assert (method, "copy-source", "l1") in verdicts
    said = evaluation.format_table(as_rows(sheet, ABLATIONS, monkeynet_ablations))
    assert "monkeynet against monkeynet-no-flow: better by more than" in said
    assert "lecture claims" not in said
    del models[no_flow]
    sheet = computed(monkeynet_ablations, models, {"bodies": sets["bodies"]})
    assert any(note.startswith("monkeynet-no-flow on bodies left out") for note in sheet.notes)


@pytest.mark.parametrize("data", ["bodies", "robot"])
def test_untrained_models_of_every_system_are_scored_on_the_shipped_sets(data):
    try:
        found = datasets.load(data)
    except AidagenError as error:
        pytest.skip(str(error))
    models = {}
    for system, build, settings in (("fomm", "FOMM", "fomm_tiny"),
                                    ("monkeynet", "MonkeyNet", "monkeynet_small"),
                                    ("x2face", "X2Face", "x2face_small")):  # fmt: skip
        module = pytest.importorskip(f"aidagen.models.{system}")
        model = getattr(module, build)(getattr(module, settings)())
        models[f"{system}-{data}-64"] = model.eval()
    sheet = animation.compute(
        limit=1, progress=quiet, load_model=among(models), load_data=among({data: found})
    )
    rows = sheet.rows()
    for method in animation.SYSTEMS:
        assert {r["metric"] for r in find(rows, method=method)} >= {"l1", "l1_moving", "mkr"}
    (floor,) = find(rows, method="judge-floor", metric="akd")
    (copy,) = find(rows, method="copy-source", metric="akd")
    assert floor["value"] < 1.5 and floor["value"] < copy["value"]


# ------------------------------------------------------------------------------- rows on the disk


@pytest.fixture
def shelf(tmp_path, monkeypatch, sets):
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(zoo, "SHIPPED", tmp_path / "shipped")
    (tmp_path / "shipped").mkdir()
    monkeypatch.setattr(datasets, "load", sets.__getitem__)

    def compute(*, limit, progress):
        sheet = sheets.Sheet()
        l1 = sheets.Metric("l1", "unit", "lower")
        sheet.add("bodies", "test", "x2face", l1, [0.1, 0.2, 0.15])
        return sheet

    monkeypatch.setattr(animation, "TABLE", animation.TABLE._replace(compute=compute))
    return tmp_path / "shipped"


def test_rows_lie_beside_the_first_checkpoint_that_is_there(shelf, tmp_path):
    assert evaluation.stored_path(TABLE) == shelf / "animation.rows.json"
    evaluation.table(TABLE, recompute=True)
    assert evaluation.table(TABLE) and (shelf / "animation.rows.json").exists()
    (shelf / "monkeynet-robot-64.safetensors").write_bytes(b"weights")
    (shelf / "monkeynet-robot-64.json").write_text('{"system": "monkeynet"}')
    with pytest.raises(evaluation.EvaluationError, match="weights of monkeynet-robot-64 and"):
        evaluation.table(TABLE)
    evaluation.table(TABLE, recompute=True)
    assert evaluation.table(TABLE)
    home = tmp_path / "home" / "weights"  # the user's own are preferred, rows and all
    home.mkdir(parents=True)
    (home / "x2face-faces-64.safetensors").write_bytes(b"mine")
    (home / "x2face-faces-64.json").write_text('{"system": "x2face"}')
    assert evaluation.stored_path(TABLE) == home / "animation.rows.json"


def test_a_checkpoint_of_the_table_is_no_table():
    with pytest.raises(evaluation.EvaluationError, match="x2face-robot-64 is a row of animation"):
        evaluation.table("x2face-robot-64")
