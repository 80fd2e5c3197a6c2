"""The metric lab: spoilings do what they say, and known spoilings give known scores."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from shown import Shown, state

from aidagen import datasets, metrics
from aidagen.errors import AidagenError
from aidagen.widgets import metric_lab, spoilings
from aidagen.widgets.metric_lab import MetricLab
from aidagen.widgets.metric_matrix import METRICS
from aidagen.widgets.spoilings import SPOILINGS, Footage, similarity, spoilt

NAMES = list(SPOILINGS)
GEOMETRIC = {"shift", "frozen video", "identity swap", "frame shuffle"}


@pytest.fixture(scope="module")
def clips():
    return datasets.load("heads").clips("test")[:2]


@pytest.fixture(scope="module")
def lab(clips):
    return MetricLab(*clips, size=64)


@pytest.fixture
def footage():
    """Five frames of noise, with three points each."""
    generator = torch.Generator().manual_seed(3)
    frames = torch.rand(5, 3, 16, 16, generator=generator)
    return Footage(frames, torch.rand(5, 3, 2, generator=generator) - 0.5)


# --- spoilings


@pytest.mark.parametrize("name", NAMES)
def test_level_0_leaves_the_clip_and_each_step_goes_further(name, clips):
    clip, other = (spoilings.footage(each, "clip", 9) for each in clips)
    error = [
        float(metrics.l1(spoilt(name, level, clip, other).frames, clip.frames).mean())
        for level in (0, 3, 6, 10)
    ]
    assert error[0] == 0
    assert error[1] > 0
    if name != "frame shuffle":  # a further shuffle may bring a frame nearer
        assert error == sorted(error)
    assert spoilt(name, 0, clip, other).frames.shape == clip.frames.shape
    assert (spoilt(name, 5, clip, other).points is not None) == (name in GEOMETRIC)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_clip_and_the_truth_is_left_alone(name, footage):
    before = footage.frames.clone()
    one, two, third = (spoilt(name, 6, footage, footage, seed).frames for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert torch.equal(footage.frames, before)
    assert (not torch.equal(one, third)) == (name in ("noise", "frame shuffle"))


def test_shift_moves_pixels_and_points_by_the_same(footage):
    made = spoilt("shift", 3, footage, footage)
    assert torch.equal(made.frames[..., 3:], footage.frames[..., :-3])
    moved = metrics.akd(made.points, footage.points, (16, 16), "l2")
    torch.testing.assert_close(moved, torch.full((5,), 3.0))


def test_freeze_and_shuffle_carry_the_points_along(footage):
    frozen = spoilt("frozen video", 5, footage, footage)
    for t, kept in enumerate((0, 1, 2, 2, 2)):
        assert torch.equal(frozen.frames[t], footage.frames[kept])
        assert torch.equal(frozen.points[t], footage.points[kept])
    mixed = spoilt("frame shuffle", 10, footage, footage)
    order = [int((mixed.frames[t] == footage.frames).all(-1).all(-1).all(-1).nonzero())
             for t in range(5)]  # fmt: skip
    assert order[0] == 0
    assert sorted(order) == list(range(5))
    assert all(order[t] != t for t in range(1, 5))
    assert torch.equal(mixed.points, footage.points[order])


def test_the_other_person_stands_where_the_first_stood(footage):
    angle, scale = torch.tensor(0.5), 0.7
    turn = scale * torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
    theirs = Footage(footage.frames.flip(0), footage.points @ turn.T + torch.tensor([0.1, -0.2]))
    theta = similarity(footage.points, theirs.points)
    torch.testing.assert_close(theta[0, :, :2], turn)
    made = spoilt("identity swap", 10, footage, theirs)
    torch.testing.assert_close(made.points, footage.points)  # a similarity is undone exactly
    assert torch.equal(made.frames[0], footage.frames[0])
    assert not torch.equal(made.frames[1], footage.frames[1])
    without = spoilt("identity swap", 10, footage, Footage(theirs.frames))
    torch.testing.assert_close(without.frames[2], theirs.frames[2])
    assert without.points is None
    hidden = Footage(theirs.frames, torch.full_like(theirs.points, torch.nan))
    with pytest.raises(AidagenError, match="fewer than two points are seen in both"):
        spoilt("identity swap", 10, footage, hidden)


def test_what_there_is_not_is_refused(footage):
    with pytest.raises(AidagenError, match="There is no 'sepia'; there are shift, blur"):
        spoilt("sepia", 1, footage, footage)
    with pytest.raises(AidagenError, match="Levels go from 0 to 10, not 11"):
        spoilt("blur", 11, footage, footage)


# --- scores


def test_a_video_that_never_moves_is_the_copy_of_the_source(lab):
    scores = lab.scores("frozen video", 10)
    for metric in ("L1", "L1 moving", "SSIM", "PSNR", "flicker", "AKD"):
        assert scores[metric].relative == pytest.approx(1, abs=1e-5), metric
    untouched = lab.scores("frozen video", 0)
    for metric in ("L1", "L1 moving", "SSIM", "PSNR", "flicker", "AKD", "MKR"):
        assert untouched[metric].relative == pytest.approx(0, abs=1e-3), metric


def test_known_values(lab):
    assert lab.scores("darkening", 4)["L1"].value == pytest.approx(
        0.2 * float(lab.truth.mean()), rel=1e-5
    )
    shifted = lab.scores("shift", 2)["AKD"]
    assert shifted.value == pytest.approx(1, abs=1e-3), "2 px along x: 1 px a coordinate"
    assert lab.scores("noise", 2)["PSNR"].value == pytest.approx(-20 * np.log10(0.04), abs=0.3)
    half = lab.scores("frozen video", 5)["L1"].relative
    assert 0 < half < 1


def test_each_metric_has_its_blind_spot(lab):
    found = lab.everything()
    assert list(found) == NAMES
    assert found["identity swap"]["AKD"].relative < 0.15, "right place, wrong person"
    assert found["identity swap"]["L1"].relative > 1
    assert found["flicker"]["SSIM"].blind
    assert not found["flicker"]["flicker"].blind
    assert found["shift"]["MKR"].blind
    assert found["frame shuffle"]["AKD"].relative > 1
    for name, scores in found.items():
        assert list(scores) == list(METRICS)
        assert scores["AED"].missing == "needs a judge"
        assert bool(scores["AKD"].missing) == (name not in GEOMETRIC)


def test_points_that_leave_the_picture_are_missing(lab):
    at = lab.clip.points[1:].nan_to_num()
    beyond = (at[..., 0] + 2 * 10 / 63 > 1) & lab.clip.points[1:].isfinite().all(-1)
    share = beyond.sum(1) / lab.clip.points[1:].isfinite().all(-1).sum(1)
    assert lab.scores("shift", 10)["MKR"].value == pytest.approx(float(share.mean()), abs=1e-6)


class Centre:
    """A judge that finds the brightest pixel, and knows people by their mean colour."""

    def __init__(self):
        self.calls = 0

    def read(self, frames):
        self.calls += 1
        assert frames.dtype == torch.uint8
        light = frames.float().sum(1).flatten(1)
        row, column = light.argmax(1) // 64, light.argmax(1) % 64
        points = torch.stack([column, row], -1)[:, None] / 63 * 2 - 1
        points[light.amax(1) < 300] = torch.nan
        return SimpleNamespace(points=points, embedding=frames.float().mean((2, 3)) / 255)


def test_judges_are_asked_once_and_only_when_told(clips):
    judges = Centre()
    lab = MetricLab(*clips, judges, size=64)
    lab.spoiling, lab.level = "darkening", 10
    assert judges.calls == 0
    assert lab.scores()["AED"].missing == "not asked yet"
    assert "not asked yet: AKD, MKR, AED" in lab.sentence
    lab.button.click()
    assert judges.calls == 3, "truth, copy and the spoilt clip"
    lab.ask()
    assert judges.calls == 3
    assert "not asked yet" not in lab.sentence
    scores = lab.scores()
    truth, dark = (judges.read((f * 255).round().byte()) for f in (lab.truth, lab.spoilt().frames))
    assert scores["AED"].value == pytest.approx(
        float(metrics.aed(dark.embedding, truth.embedding).mean())
    )
    assert scores["MKR"].value == float(metrics.mkr(dark.points, truth.points).mean())
    assert scores["MKR"].value > 0, "too dark to be found"
    assert lab.scores("shift", 2)["AKD"].missing == "not asked yet", "exact points are not mixed in"
    lab.everything()
    assert judges.calls == 5 + len(NAMES), "each at its usual level"


def test_without_points_and_judges_pixels_are_left(clips):
    frames = [clip.frames() for clip in clips]
    lab = MetricLab(*frames, size=64)
    assert repr(lab) == "MetricLab('shift', 2 px, pixels only)"
    assert "needs a judge: AKD, MKR, AED" in lab.sentence
    assert all(lab.scores("identity swap", 10)[m].missing for m in ("AKD", "MKR", "AED"))
    with pytest.raises(AidagenError, match="has no judges; give"):
        lab.ask()


# --- the widget


def test_controls_change_picture_numbers_and_sentence(lab):
    lab.choice.value, lab.strength.value, lab.film.value = "shift", 2, 1
    assert lab.strength.texts[3] == "3 px"
    before, said = state(lab.film), lab.sentence
    assert said.startswith("Shift, 2 px: the strongest reaction is that of flicker")
    lab.strength.value = 7
    assert lab.sentence.startswith("Shift, 7 px: ")
    assert state(lab.film) != before
    lab.choice.value = "blur"
    assert lab.strength.texts[7] == "sigma 2.8 px"
    assert lab.sentence.startswith("Blur, sigma 2.8 px: ")
    assert lab.spoken.value == lab.sentence
    text = re.sub("<[^>]*>", "", lab.bars.value)
    assert re.search(r"L1 moving0\.\d{3}0\.\d\d", text)
    assert text.count("needs a judge") == 3
    shown = Shown(lab.film)
    assert len(shown.images) == 3
    assert shown.images[1][0] == "The same frame spoilt: blur, sigma 2.8 px"
    assert np.abs(shown.images[0][1].astype(int) - shown.images[1][1]).mean() > 1
    before = state(lab.film)
    assert lab.figure([1, 2], 64, spoiling="noise", level=9).height > 2 * 64
    assert (lab.frame, lab.spoiling, state(lab.film)) == (1, "blur", before)
    lab.strength.value = 0
    assert "untouched" in lab.sentence


def test_table_and_matrix_say_what_the_scores_say(lab):
    lab.spoiling, lab.level = "flicker", 3
    lines = lab.table().splitlines()
    assert len(lines) == 2 + len(METRICS)
    scores = lab.scores()
    assert f"| L1 | {scores['L1'].value:.3f} | {scores['L1'].relative:.2f} |" in lines
    assert any(line.startswith("| SSIM |") and line.endswith("blind |") for line in lines)
    words = lab.matrix_words()
    assert "AED needs a judge" in words
    assert re.search(r"SSIM is blind to [^;]*flicker", words)
    assert lab.matrix().alt == words
    small, large = lab.matrix_picture(), lab.matrix_picture(10)
    assert small.width > 800
    assert small.tobytes() != large.tobytes()


def test_a_step_spoils_and_measures_once(clips, monkeypatch):
    lab, done = MetricLab(*clips), []
    monkeypatch.setattr(metric_lab, "spoilt", lambda *a: done.append("spoilt") or spoilt(*a))
    ssim = metrics.ssim  # the slowest of the metrics
    monkeypatch.setattr(metrics, "ssim", lambda *a: done.append("measured") or ssim(*a))
    for name, level in (("blur", 4), ("identity swap", 6), ("noise", 3), ("frame shuffle", 9)):
        lab.spoiling = name
        done.clear()
        lab.level = level
        assert sorted(done) == ["measured", "spoilt"]


def test_bad_clips_are_refused(clips):
    frames = clips[0].frames().float() / 255
    with pytest.raises(AidagenError, match="Nothing moves in this clip"):
        MetricLab(frames[:1].expand(5, -1, -1, -1), frames)
    for wrong, said in (
        ("walk.mp4", "got str"),
        (frames[0], r"three or more, or a clip of a data set; got \(3, 64, 64\)"),
        (frames[:2], "three or more"),
        (frames[..., :8], "8 x 64 pixels; SSIM needs 16"),
        (frames * 255, "bytes, or floats from 0 to 1"),
    ):
        with pytest.raises(AidagenError, match=said):
            MetricLab(wrong, frames)
        with pytest.raises(AidagenError, match="The other clip"):
            MetricLab(frames, wrong)
    lab = MetricLab(frames, frames, size=64)
    with pytest.raises(AidagenError, match="There is no 'sepia'"):
        lab.spoiling = "sepia"
    with pytest.raises(AidagenError, match="not 11"):
        lab.level = 11
    with pytest.raises(AidagenError, match="There is no frame 13: 1 to 12"):
        lab.frame = 13
