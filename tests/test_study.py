"""The preference study: what is blind stays blind, what is malformed is refused, and a known
preference is found as often as the interval says."""

import json
import os
import re
import subprocess
import sys
import threading

import av
import choix
import numpy as np
import pytest
import study_material as material
import torch
from scipy.stats import binomtest
from study_material import METHODS, STRENGTHS, keen
from tiny_model import TinyModel

from aidagen import study
from aidagen.files import FileError
from aidagen.study import StudyError
from aidagen.study.analysis import PSEUDO
from aidagen.study.plan import mixed


@pytest.fixture(scope="module")
def plan():
    return material.plan()


# ------------------------------------------------------------------------------------ the plan


def test_every_pair_of_methods_meets_on_every_item(plan):
    real = [pair for pair in plan.pairs if not pair.check]
    assert len(real) == 12 * 3
    assert len({(pair.item, pair.methods) for pair in real}) == 36
    checks = [pair for pair in plan.pairs if pair.check]
    assert [pair.methods[1] for pair in checks] == ["frozen", "shuffled"] * 2
    assert len({pair.id for pair in plan.pairs}) == 40


def test_order_and_sides_are_drawn_for_each_rater(plan):
    one, other = plan.schedule("abcdefgh"), plan.schedule("abcdefgj")
    assert one == plan.schedule("abcdefgh"), "and stay as they were drawn"
    assert sorted(s.pair for s in one) == sorted(s.pair for s in other)
    assert [s.pair for s in one] != [s.pair for s in other]
    pairs = {pair.id: pair for pair in plan.pairs}
    first_left, place = [], []
    for k in range(200):
        shown = plan.schedule(f"rater{k:03d}")
        left = [s.left == pairs[s.pair].clips[0] for s in shown]
        first_left.append(left)
        place.append([n for n, s in enumerate(shown) if pairs[s.pair].check])
        assert sum(s.left < s.right for s in shown) == 20, "each rater has half of them swapped"
    share = np.mean(first_left)
    assert 0.47 < share < 0.53, "no method is on one side more often"
    assert 18 < np.mean(place) < 21, "checks come anywhere"


def test_the_hash_mixes_well():
    values = np.array([mixed(f"study/{k}") for k in range(4000)])
    for bit in range(32):
        assert 0.46 < ((values >> bit) & 1).mean() < 0.54
    assert mixed("") == mixed("") != mixed("a")


def test_what_a_rater_gets_names_no_method(plan):
    told = json.dumps(plan.sheet()).lower()
    for word in (*METHODS, "item-", "frozen", "shuffled"):
        assert word not in told
    assert len(plan.sheet()["ethics"]) == 5
    flags = [one < two for _, _, one, two in plan.sheet()["pairs"]]
    assert all(flags), "clips are sorted by code, so their order says nothing"


def test_another_plan_has_another_id(plan):
    assert plan.id == material.plan().id
    others = [material.plan(seed=4), material.plan(allowed=1), material.plan(11)]
    assert len({plan.id, *(other.id for other in others)}) == 4


def test_codes_cannot_be_guessed_without_the_plan():
    """Without a seed two plans of the same study share no code, and the seed is long."""
    one, other = (study.plan(["item-0", "item-1"], METHODS) for _ in range(2))
    codes = [{code for pair in plan.pairs for code in pair.clips} for plan in (one, other)]
    assert not codes[0] & codes[1]
    assert max(one.seed, other.seed) > 2**32
    again = study.plan(["item-0", "item-1"], METHODS, seed=one.seed)
    assert again == one


@pytest.mark.parametrize(
    ("items", "methods", "options", "said"),
    [
        ([], METHODS, {}, "1 or more items, all different; got"),
        (["a", "a"], METHODS, {}, "all different"),
        (["a"], ["one"], {}, "2 or more methods"),
        (["a"], ["true", "two"], {}, "rename that method"),
        (["a"], ["one", "two"], {"name": "A study"}, "lower-case letters"),
        (["a"], ["one", "two"], {"name": "one-or-other"}, "leave 'one' out"),
        (["a"], ["one", "two"], {"question": "Is One good?"}, "leave 'one' out"),
        (["a"], ["one", "two"], {"checks": ["b"]}, "'b' is none"),
        (["a"], ["one", "two"], {"checks": 2, "allowed": 2}, "give 0 to 1"),
        (["a"], ["one", "two"], {"checks": -1}, "0 or more"),
    ],
)
def test_impossible_plans_are_refused(items, methods, options, said):
    with pytest.raises(StudyError, match=re.escape(said)):
        study.plan(items, methods, **options)


def test_a_plan_is_kept_and_read_again(plan, tmp_path):
    plan.save(tmp_path / "plan.json")
    assert study.load_plan(tmp_path / "plan.json") == plan
    for content in ("[]", '{"items": []}', "{"):
        (tmp_path / "plan.json").write_text(content)
        with pytest.raises(StudyError):
            study.load_plan(tmp_path / "plan.json")


# ----------------------------------------------------------------------------------- the votes


def test_votes_are_kept_and_gathered(plan, tmp_path):
    for rater, count in (("abcdefgh", None), ("bcdefghj", 7)):
        study.write_votes(tmp_path / "votes", keen(plan, rater, count), plan)
    plan.save(tmp_path / "votes" / "plan.json")  # not taken for votes
    held = study.gather(tmp_path / "votes", plan)
    assert held.refused == ()
    assert held.votes == (keen(plan, "abcdefgh"), keen(plan, "bcdefghj", 7))
    text = (tmp_path / "votes" / "votes-abcdefgh.json").read_text().lower()
    assert set(json.loads(text)) == {"format", "study", "rater", "consent", "votes"}
    assert not any(method in text for method in METHODS)


def test_two_files_of_one_rater(plan, tmp_path):
    early, late = keen(plan, "abcdefgh", 5), keen(plan, "abcdefgh", 9)
    path = study.write_votes(tmp_path, early, plan)
    path.rename(tmp_path / "votes-abcdefgh (1).json")
    study.write_votes(tmp_path, late, plan)
    assert study.gather(tmp_path, plan).votes == (late,)
    other = "left" if late.chosen[0] == "right" else "right"
    study.write_votes(tmp_path, study.Votes(plan.id, "abcdefgh", (other,)), plan)
    held = study.gather(tmp_path, plan)
    assert len(held.votes) == 1
    assert "different votes of rater abcdefgh" in held.refused[0]


def spoiled(change):
    def of(plan, path):
        held = json.loads(path.read_text())
        change(held)
        path.write_text(json.dumps(held))

    return of


MALFORMED = {
    "not JSON": lambda plan, path: path.write_text(path.read_text()[:-40]),
    "not JSON\b": lambda plan, path: path.write_bytes(b"\xff\xfe\x00"),
    "is not JSON": lambda plan, path: path.write_text("[" * 100_000),
    "more than 1048576 bytes": lambda plan, path: path.write_bytes(b" " * 2**21),
    "it holds no votes": lambda plan, path: path.write_text("[1, 2]"),
    "its fields differ (name)": spoiled(lambda held: held.update(name="Ada")),
    "its fields differ (consent)": spoiled(lambda held: held.pop("consent")),
    '"consent" is False': spoiled(lambda held: held.update(consent=False)),
    "it belongs to study 'other'": spoiled(lambda held: held.update(study="other")),
    "its rater is 'Ada Lovelace'": spoiled(lambda held: held.update(rater="Ada Lovelace")),
    "its rater is ['x']": spoiled(lambda held: held.update(rater=["x"])),
    '"votes" is a dict': spoiled(lambda held: held.update(votes={})),
    "it holds 80 votes": spoiled(lambda held: held.update(votes=2 * held["votes"])),
    "vote 1 is 'left'": spoiled(lambda held: held.update(votes=["left"])),
    "vote 3 is about other clips": spoiled(lambda held: held["votes"].pop(2)),
    "vote 1 is about other clips": spoiled(
        lambda held: held["votes"][0].update(
            left=held["votes"][0]["right"], right=held["votes"][0]["left"]
        )
    ),
    "vote 2 chose 'both'": spoiled(lambda held: held["votes"][1].update(chosen="both")),
    "vote 2 chose 'tie'": spoiled(lambda held: held["votes"][1].update(chosen="tie")),
    "vote 2 chose ['left']": spoiled(lambda held: held["votes"][1].update(chosen=["left"])),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_among_the_votes_is_refused(plan, tmp_path):
    study.write_votes(tmp_path, keen(plan, "abcdefgh"), plan)
    os.mkfifo(tmp_path / "votes-bcdefghj.json")
    gathered = []
    thread = threading.Thread(
        target=lambda: gathered.append(study.gather(tmp_path, plan)), daemon=True
    )
    thread.start()
    thread.join(30)
    assert gathered, "gather waits for somebody to write into the pipe"
    assert [votes.rater for votes in gathered[0].votes] == ["abcdefgh"]
    assert "votes-bcdefghj.json is no ordinary file" in gathered[0].refused[0]


@pytest.mark.parametrize("said", MALFORMED)
def test_a_malformed_file_is_refused_with_one_sentence(plan, tmp_path, said):
    study.write_votes(tmp_path, keen(plan, "bcdefghj"), plan)
    path = study.write_votes(tmp_path, keen(plan, "abcdefgh"), plan)
    before = MALFORMED[said](plan, path) or path.read_bytes()
    with pytest.raises(StudyError) as caught:
        study.read_votes(path, plan)
    sentence = str(caught.value)
    assert said.strip("\b") in sentence
    assert str(path) in sentence
    assert "\n" not in sentence
    assert len(sentence) < 600
    if "refused" in sentence:
        assert "was expected; hand in the file as the study wrote it." in sentence
    held = study.gather(tmp_path, plan)
    assert [votes.rater for votes in held.votes] == ["bcdefghj"], "the others count"
    assert held.refused == (sentence,)
    assert path.read_bytes() == before or not isinstance(before, bytes), "nothing is destroyed"
    assert sentence in str(study.analyse(plan, held, draws=50))


def test_files_that_are_not_there(plan, tmp_path):
    with pytest.raises(StudyError, match="could not be read"):
        study.read_votes(tmp_path / "votes-abcdefgh.json", plan)
    with pytest.raises(StudyError, match="is no folder"):
        study.gather(tmp_path / "none", plan)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        study.write_votes(tmp_path / "file", keen(plan, "abcdefgh"), plan)


def test_a_failed_write_leaves_the_votes_before(plan, tmp_path, monkeypatch):
    path = study.write_votes(tmp_path, keen(plan, "abcdefgh", 5), plan)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="no space left on device"):
        study.write_votes(tmp_path, keen(plan, "abcdefgh", 6), plan)
    assert study.read_votes(path, plan) == keen(plan, "abcdefgh", 5)
    assert [each.name for each in tmp_path.iterdir()] == [path.name], "nothing is left behind"


# -------------------------------------------------------------------------------- the analysis


def test_bradley_terry_finds_strengths_from_expected_wins():
    s = np.array([-1.0, 0.25, 0.75])
    chance = 1 / (1 + np.exp(s[None] - s[:, None]))
    np.fill_diagonal(chance, 0)
    assert study.bradley_terry(1e7 * chance) == pytest.approx(s, abs=1e-4)
    two = study.bradley_terry(np.array([[0.0, 29.5], [9.5, 0.0]]))
    assert two[0] - two[1] == pytest.approx(np.log(30 / 10))
    never = study.bradley_terry(np.array([[0.0, 20.0], [0.0, 0.0]]))
    assert np.isfinite(never).all()
    many = study.bradley_terry(np.stack([100 * chance, 100 * chance.T]))
    assert many[0] == pytest.approx(-many[1], abs=1e-6)


def test_bradley_terry_agrees_with_choix():
    wins = np.random.default_rng(0).integers(0, 60, (20, 4, 4)).astype(float)
    apart = 1 - np.eye(4)
    theirs = [choix.ilsr_pairwise_dense((each + PSEUDO) * apart) for each in wins]
    assert study.bradley_terry(wins) == pytest.approx(np.array(theirs), abs=1e-6)


def test_krippendorff_as_in_the_textbook():
    """Krippendorff's own example, four observers and twelve units: 0.743."""
    rows = (
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    )
    table = np.array([[np.nan if v == "." else float(v) for v in row.split()] for row in rows])
    assert study.krippendorff(table) == pytest.approx(0.743, abs=5e-4)
    assert study.krippendorff(np.array([[0.0, 1.0], [0.0, 1.0]])) == 1.0
    assert np.isnan(study.krippendorff(np.zeros((3, 4))))
    assert np.isnan(study.krippendorff(np.full((3, 4), np.nan)))
    chance = np.random.default_rng(0).integers(0, 2, (30, 200)).astype(float)
    assert abs(study.krippendorff(chance)) < 0.02


def test_everybody_agrees(plan):
    codes = ("abcdefgh", "bcdefghj", "cdefghjk")
    found = study.analyse(plan, study.Ballots(tuple(keen(plan, code) for code in codes)))
    assert [(c.a, c.b) for c in found.comparisons] == [
        (METHODS[0], METHODS[1]), (METHODS[0], METHODS[2]), (METHODS[1], METHODS[2])
    ]  # fmt: skip
    for c in found.comparisons:
        assert (c.share, c.votes, c.ties) == (0.0, 36, 0)
        exact = binomtest(0, 3).proportion_ci()
        assert (c.low, c.high) == (exact.low, exact.high), "three raters say little, however sure"
        assert c.p == pytest.approx(0.25), "three of three raters"
        assert c.p_pooled == pytest.approx(2 * 0.5**36)
    assert found.alpha == 1.0
    values = [s.value for s in found.strengths]
    assert values == sorted(values) and sum(values) == pytest.approx(0)
    assert "Careful: only 3 raters" in str(found)
    assert (found.raters, found.kept, found.unfinished) == (3, 3, 0)


def test_by_hand():
    """Two raters, two items, no checks: shares and ties as counted on paper."""
    plan = study.plan(["p", "q"], ["m", "n"], checks=0, ties=True)
    pairs = {pair.id: pair for pair in plan.pairs}

    def votes(rater, wanted):
        chosen = []
        for shown in plan.schedule(rater):
            pair = pairs[shown.pair]
            want = wanted[pair.item]
            if want == "tie":
                chosen.append("tie")
            else:
                code = pair.clips[pair.methods.index(want)]
                chosen.append("left" if shown.left == code else "right")
        return study.Votes(plan.id, rater, tuple(chosen))

    held = study.Ballots((votes("aaaaaaaa", {"p": "m", "q": "tie"}),
                          votes("bbbbbbbb", {"p": "m", "q": "n"})))  # fmt: skip
    found = study.analyse(plan, held)
    (c,) = found.comparisons
    assert (c.share, c.votes, c.ties) == (2.5 / 4, 4, 1)
    assert c.p_pooled == pytest.approx(1.0)
    assert "no attention checks" in str(found)
    assert "1 of them ties" in str(found)
    rows = found.rows("bodies", "test")
    assert rows[0]["method"] == "m" and rows[0]["metric"] == "preferred-to-n"
    assert rows[0]["value"] == 0.625 and rows[0]["n"] == 2
    keys = {"data", "split", "method", "metric", "unit", "value", "low", "high", "n", "seed"}
    assert all(set(row) == keys for row in rows)
    assert json.loads(json.dumps(rows)) == rows


def test_the_bootstrap_sees_both_clusters():
    """Votes that agree within a rater, or within an item, are worth less than their number."""
    plan = material.plan(12, checks=0)
    rng = np.random.default_rng(0)
    widths = {}
    for kind in ("votes", "raters", "items"):
        ballots = study.simulate(
            plan, dict.fromkeys(METHODS, 0.0), 30, int(rng.integers(99)), slips=0, inattentive=0,
            item_sd=3.0 * (kind == "items"), rater_sd=3.0 * (kind == "raters"),
        )  # fmt: skip
        found = study.analyse(plan, ballots, draws=1000)
        widths[kind] = np.mean([c.high - c.low for c in found.comparisons])
    assert widths["raters"] > 1.4 * widths["votes"]
    assert widths["items"] > 1.8 * widths["votes"]


def test_raters_who_miss_checks_are_left_out_and_counted(plan):
    good = keen(plan, "abcdefgh")
    better = {pair.id for pair in plan.pairs if pair.check}
    turned = {"left": "right", "right": "left"}
    asleep = keen(plan, "bcdefghj")
    asleep = study.Votes(
        plan.id, asleep.rater,
        tuple(turned[c] if s.pair in better else c
              for s, c in zip(plan.schedule(asleep.rater), asleep.chosen)),
    )  # fmt: skip
    assert study.attentive(plan, good) == (4, 0)
    assert study.attentive(plan, asleep) == (4, 4)
    first = min(n for n, s in enumerate(plan.schedule("cdefghjk")) if s.pair in better)
    early = keen(plan, "cdefghjk", first)
    found = study.analyse(plan, study.Ballots((good, asleep, early)))
    assert (found.raters, found.kept, found.inattentive) == (3, 1, 1)
    assert found.unchecked == 1
    assert found.comparisons[0].votes == 12
    lenient = material.plan(allowed=3)
    three = keen(lenient, "bcdefghj")
    assert study.attentive(lenient, three) == (4, 0)
    with pytest.raises(StudyError, match="no vote to count \\(1 missed"):
        study.analyse(plan, study.Ballots((asleep,)))
    with pytest.raises(StudyError, match="There are 0 raters"):
        study.analyse(plan, study.Ballots(()))


SEEDS = 40


def classes(plan, strengths):
    for seed in range(SEEDS):
        yield study.analyse(plan, study.simulate(plan, strengths, 30, seed), seed, 600)


def test_a_known_preference_lies_in_its_interval(plan):
    shares, strengths = study.known(plan, STRENGTHS)
    assert shares[METHODS[0], METHODS[2]] < shares[METHODS[0], METHODS[1]] < 0.5
    inside, strong, found = np.zeros(3), np.zeros(3), 0
    for result in classes(plan, STRENGTHS):
        inside += [c.low <= shares[c.a, c.b] <= c.high for c in result.comparisons]
        strong += [s.low <= strengths[s.method] <= s.high for s in result.strengths]
        found += result.comparisons[1].p < 0.05
        assert result.kept < result.raters == 30 or result.inattentive == 0
    assert (inside >= 0.9 * SEEDS).all(), inside
    assert (strong >= 0.9 * SEEDS).all(), strong
    assert found >= 0.8 * SEEDS, "a clear preference is found"


def test_no_preference_gives_no_alarm(plan):
    inside, alarms, pooled = np.zeros(3), 0, 0
    for result in classes(plan, dict.fromkeys(METHODS, 0.0)):
        inside += [c.low <= 0.5 <= c.high for c in result.comparisons]
        alarms += sum(c.p < 0.05 for c in result.comparisons)
        pooled += sum(c.p_pooled < 0.05 for c in result.comparisons)
    assert (inside >= 0.9 * SEEDS).all(), inside
    assert alarms <= 0.1 * 3 * SEEDS
    assert pooled > 2 * alarms, "votes of one item are no independent votes: this test can fail"


def test_known_shares_agree_with_a_huge_class():
    plan = material.plan(40, checks=0)
    shares, _ = study.known(plan, STRENGTHS)
    ballots = [study.simulate(plan, STRENGTHS, 12, seed, inattentive=0) for seed in range(12)]
    found = [study.analyse(plan, each, draws=10).comparisons for each in ballots]
    for k, two in enumerate(shares):
        assert np.mean([each[k].share for each in found]) == pytest.approx(shares[two], abs=0.02)


@pytest.mark.parametrize(
    ("strengths", "options", "said"),
    [
        ({"alphanet": 1}, {}, "give one number for each"),
        (STRENGTHS, {"raters": 0}, "1 or more raters"),
        (STRENGTHS, {"slips": 2.0}, "shares from 0 to 1"),
    ],
)
def test_classes_that_cannot_be(plan, strengths, options, said):
    with pytest.raises(StudyError, match=said):
        study.simulate(plan, strengths, **options)


def test_the_result_is_drawn(plan):
    result = study.analyse(plan, study.simulate(plan, STRENGTHS), draws=200)
    pixels = np.asarray(result.figure())
    assert pixels.shape[1] > 800
    blue, orange = (0, 114, 178), (213, 94, 0)
    for colour in (blue, orange):
        assert (np.abs(pixels - np.array(colour)).sum(-1) < 30).sum() > 300
    assert len(str(result).splitlines()) == 7
    again = study.analyse(plan, study.simulate(plan, STRENGTHS), draws=200)
    assert str(again) == str(result), "the same seeds give the same result"


# ----------------------------------------------------------------------------- clips and page


@pytest.fixture(scope="module")
def clips():
    return material.clips()


@pytest.fixture(scope="module")
def small(clips):
    return study.plan(clips.items, clips.methods, name="small", checks=2)


def test_clips_from_models(clips):
    assert clips.items == ("item-0", "item-1") and clips.methods == METHODS
    moved = [study.movement(clips.made["item-0"][m]) for m in METHODS]
    assert 0 < moved[0] < moved[1] < moved[2], "what a model did is in its clip"
    assert torch.equal(clips.frames("item-0", "frozen")[5], clips.truth["item-0"][0])
    mixed_up = clips.frames("item-0", "shuffled")
    assert study.movement(mixed_up) > 1.3 * study.movement(clips.truth["item-0"])
    values = {frame.numpy().tobytes() for frame in mixed_up}
    assert values == {frame.numpy().tobytes() for frame in clips.truth["item-0"]}
    absolute = study.clips_from({"one": TinyModel()}, material.tasks(1), mode="absolute")
    assert absolute.made["item-0"]["one"].shape == (12, 3, 16, 16)


def test_clips_that_cannot_be_used(clips, small):
    with pytest.raises(StudyError, match="one or more models"):
        study.clips_from({}, material.tasks())
    with pytest.raises(StudyError, match="different names"):
        study.clips_from({"one": TinyModel()}, material.tasks(1) * 2)
    with pytest.raises(StudyError, match="same methods as the clips"):
        study.anonymous(study.plan(clips.items, ["alphanet", "other"], checks=0), clips, 32)
    with pytest.raises(StudyError, match="has an item 'item-2'"):
        study.anonymous(study.plan(["item-2"], METHODS), clips, 32)
    still = clips.truth["item-0"][:1].expand(12, -1, -1, -1)
    dull = study.Clips(clips.reference, clips.made, {**clips.truth, "item-0": still})
    assert dull.lively(1) == ("item-1",)
    with pytest.raises(StudyError, match="hardly moves"):
        study.anonymous(small, dull, 32)
    made = {**clips.made, "item-0": {**clips.made["item-0"], "betanet": still[:5]}}
    with pytest.raises(StudyError, match="equally long"):
        study.anonymous(small, study.Clips(clips.reference, made, clips.truth), 32)


def test_coded_clips_are_alike(clips, small, tmp_path):
    coded = study.anonymous(small, clips, 64)
    assert len(coded) == 2 * (1 + 3) + 2 * 2
    references = {pair.reference for pair in small.pairs}
    notes = set()
    for code, content in coded.items():
        assert not any(method.encode() in content.lower() for method in METHODS)
        (tmp_path / "clip.mp4").write_bytes(content)
        with av.open(str(tmp_path / "clip.mp4")) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height, stream.frames) == (64, 64, 12)
            note = container.metadata.get("comment")
        assert (note is None) == (code in references)
        notes.add(note)
    assert len(notes) == 2, "the note of all judged clips is the same"


def test_the_page_holds_everything_and_no_name(clips, small, tmp_path):
    path = study.page(small, clips, tmp_path / "study.html")
    text = path.read_text()
    assert not any(method in text.lower() for method in METHODS)
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text
    held = json.loads(re.search(r'id="study">(.*?)</script>', text, re.S)[1])
    assert set(held["clips"]) == {c for pair in small.pairs for c in (pair.reference, *pair.clips)}
    assert all(sentence in held["ethics"] for sentence in study.ETHICS)
    assert path.stat().st_mode & 0o044, "it is there to be handed out"
    with pytest.raises(StudyError, match="leave 'betanet' out"):
        study.page(small, clips, tmp_path / "study.html", title="Is Betanet good?")
    with pytest.raises(FileError, match="cannot be written"):
        study.page(small, clips, path / "study.html")


def test_light_parts_stay_light():
    """An analysis needs no notebook, and matplotlib only when it draws."""
    code = "import sys, aidagen.study.analysis, aidagen.study.simulation as s;"
    code += "print({'ipywidgets', 'matplotlib'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
