"""The ledger: the paper's claims are held against what is stored, and never typed in."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from aidagen import datasets, zoo
from aidagen.animation import Animator
from aidagen.errors import AidagenError
from aidagen.evaluation import Sheet
from aidagen.evaluation.sheets import Rows
from aidagen.teaching import ledger

ROOT = Path(__file__).resolve().parents[1]
LEDGER = ledger.rows("05")
MODEL = "fomm-faces-64"


def absent(table):
    raise AidagenError(f"No rows are stored for {table} yet.")


def stale(table):
    raise AidagenError(f"The stored rows of {table} are stale, because the data changed.")


def made_up(good=0.02, bad=0.05):
    """A source of rows in which every selected method of ours is better than the others."""

    def source(table):
        rng, columns = np.random.default_rng(0), {}
        for row in LEDGER:
            for selector in (row.ours, *row.against):
                if selector is not None and selector.table == table:
                    columns[selector] = good if selector is row.ours else bad
        sheet = Sheet(next(iter(columns)).table)
        for s, level in columns.items():
            values = level + 0.001 * rng.normal(size=12)
            sheet.add(s.data, s.split, s.method, s.metric, "unit", values)
        return Rows(sheet.rows(), table, sheet.comparisons(), [])

    return source


def test_missing_and_stale_rows_are_said():
    text = ledger.table("05", absent)
    counted = sum(row.ours is not None for row in LEDGER)
    assert text.count(f"| {ledger.ABSENT} |") == counted
    assert not re.search(r" of \S+: \d", text)
    assert f"l1 of {MODEL}: {ledger.ABSENT}, against l1 of copy-source: {ledger.ABSENT}" in text
    assert ledger.STALE in ledger.table("05", stale)
    assert ledger.ABSENT not in ledger.table("05", stale)
    assert all(ledger.holds(row, absent) is None for row in LEDGER)


def test_stored_rows_are_shown_with_their_interval():
    text = ledger.table("05", made_up())
    assert ledger.ABSENT not in text
    assert text.count("| holds |") == sum(bool(row.against) for row in LEDGER)
    first = LEDGER[0]
    assert re.fullmatch(r"0\.0\d+ \(0\.0\d+ to 0\.0\d+\)", ledger.value(first.ours, made_up()))
    assert "0.043 (comparison on VoxCeleb, video reconstruction, from memory, unchecked)" in text
    lines = text.splitlines()
    assert len(lines) == 2 + len(LEDGER)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 7 for line in lines)


def test_a_claim_that_does_not_hold_is_said():
    row = LEDGER[0]
    worse, level = made_up(good=0.09), made_up(good=0.05)
    assert ledger.holds(row, made_up()) is True
    assert ledger.holds(row, worse) is False
    assert ledger.holds(row, level) is None
    assert ledger.said(row, worse) == "does not hold"
    assert ledger.said(row, level) == "undecided"
    assert "| does not hold |" in ledger.table("05", worse)


def test_a_method_that_a_table_lacks_is_not_computed():
    row = LEDGER[0]
    empty = Rows([], MODEL, [], [])
    assert ledger.said(row, lambda table: empty) == ledger.ABSENT


def missing_tests(rows):
    """Names of tests in the ledger that are nowhere in tests/."""
    found = []
    for row in rows:
        file, _, name = row.test.partition("::")
        path = ROOT / file
        if not path.exists() or not re.search(rf"^def {name}\(", path.read_text(), re.M):
            found.append(row.test)
    return found


def test_every_named_test_exists():
    assert missing_tests(LEDGER) == []
    doctored = ledger.Row("a", "b", "tests/test_ledger.py::test_of_nothing")
    elsewhere = ledger.Row("a", "b", "tests/test_nowhere.py::test_every_named_test_exists")
    assert len(missing_tests((doctored, elsewhere))) == 2


@pytest.mark.parametrize("row", LEDGER, ids=lambda row: row.claim)
def test_rows_are_complete(row):
    assert row.differs and (row.ours is None) == (not row.against)
    assert (row.source == "–") or re.search(r"\d", row.paper)
    assert not row.checked, "nobody has compared a number with the paper itself yet"
    for other in row.against:
        same = ("table", "data", "split", "metric")
        assert [getattr(other, k) for k in same] == [getattr(row.ours, k) for k in same]


def test_numbers_of_ours_are_never_typed_in():
    source = (ROOT / "aidagen" / "teaching" / "ledger_05.py").read_text()
    typed = re.findall(r"\d+\.\d+", re.sub(r'(paper)="[^"]*"', "", source))
    assert set(typed) <= {"0.069"}, "only the paper's numbers are written down"


def test_a_lecture_without_a_ledger_is_one_sentence():
    with pytest.raises(ledger.LedgerError, match="'98' keeps no ledger"):
        ledger.table("98")


# --- the claims themselves ----------------------------------------------------------------------


@pytest.mark.parametrize("row", [r for r in LEDGER if r.against], ids=lambda row: row.claim)
def test_claims_that_rest_on_stored_rows(row):
    said = ledger.said(row)
    if said in (ledger.ABSENT, ledger.STALE):
        pytest.skip(f"{row.ours.table}: {said}")
    assert (ledger.holds(row) is True) == row.reproduced, said


@pytest.fixture(scope="module")
def heads():
    """The shipped model, and some rendered people it has never seen."""
    if MODEL not in zoo.names():
        pytest.skip(f"{MODEL}: no weights are shipped yet")
    clips = datasets.load("heads").clips("test")[:4]
    return zoo.load(MODEL, device="cpu"), [clip.frames().float()[::4] / 255 for clip in clips]


def errors(model, clips):
    """Mean absolute errors over clips that rebuild themselves: copy, only warped, finished."""
    sums = torch.zeros(3, dtype=torch.float64)
    for clip in clips:
        for truth, made in zip(clip, Animator(model, clip[0], "absolute").animate(clip)):
            pictures = (clip[0], made.deformed, made.image)
            sums += torch.stack([(p - truth).abs().mean() for p in pictures]).double()
    return (sums / sum(map(len, clips))).tolist()


def test_warping_beats_copying_and_painting_beats_warping(heads):
    copied, warped, finished = errors(*heads)
    assert warped < copied
    assert finished < warped


def spread_apart(points):
    """Distances between all keypoints: the shape, wherever it is."""
    return torch.cdist(points, points)


def test_relative_motion_keeps_the_shape_of_the_source(heads):
    """Found again in what was made, the keypoints keep the source's own distances better."""
    model, clips = heads
    changed = {"relative": [], "absolute": []}
    for source, driving in zip(clips, clips[1:] + clips[:1]):
        own = spread_apart(model.motion(source[:1]).points[0])
        for mode, found in changed.items():
            made = torch.stack([r.image for r in Animator(model, source[0], mode).animate(driving)])
            shape = spread_apart(model.motion(made).points)
            found.append((shape - own).abs().mean((1, 2)).detach().numpy())
    relative, absolute = (np.array(found) for found in changed.values())
    assert relative[:, 0].max() < 0.1 * absolute[:, 0].min(), "at the first frame it is exact"
    assert relative.mean() < absolute.mean()
