"""Lecture 02: its example follows its rule, its toy shows what the text says, its figures fit."""

import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from aidagen import evaluation, grids
from aidagen.errors import AidagenError
from aidagen.evaluation.smiles import Person
from aidagen.landmarks import expression
from aidagen.lectures.diverse_smiles import (
    exercises,
    faces,
    figures,
    graphs,
    real,
    showcase,
    toy,
    trials,
)  # fmt: skip
from aidagen.models import smile
from aidagen.teaching import check

TEXT = (Path(__file__).parents[1] / "course" / "02_diverse_smiles.py").read_text()
WORDS = " ".join(re.sub(r"^# ?", "", TEXT, flags=re.M).split())
LIVE = {
    "pull-all": toy.Form(2 / 3),
    "pull-all, push": toy.Form(2 / 3, 1.0, 2 * toy.half_gap()),
    "best-of-K": toy.Form(0.0),
    "relaxed": toy.Form(0.05),
    "relaxed, push": toy.Form(0.05, 1.0, toy.half_gap()),
    "margin too large": toy.Form(0.05, 1.0, 6 * toy.half_gap()),
}


# --- the toy -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study():
    """The live study of profile smoke, with the reference of exercise 02.2."""
    made = toy.Study(LIVE, smile.pull, exercises.PUSH.reference, starts=8, seed=2)
    for _ in range(60):
        made.step()
    return made


def test_the_toy_shows_what_the_text_says(study):
    scores = study.scores()
    mean = {name: toy.mean(each) for name, each in scores.items()}
    assert max(mean[name].recall for name in ("pull-all", "pull-all, push")) < 0.1
    assert mean["pull-all"].diversity < 0.1 < mean["pull-all, push"].diversity
    assert "relaxed form makes it reliable" in WORDS
    assert all(one.recall > 0.9 for one in scores["relaxed"])
    assert sum(one.recall > 0.9 for one in scores["best-of-K"]) < 8, "it depends on the start"
    assert "A push from the first step on does harm" in WORDS
    assert mean["relaxed, push"].recall < mean["relaxed"].recall - 0.1
    wide = mean["margin too large"]
    assert wide.recall < 0.3 and wide.diversity == max(one.diversity for one in mean.values())


def test_the_mean_of_the_true_smiles_is_no_smile_of_the_toy():
    true = toy.truth(toy.inputs(5, torch.Generator().manual_seed(0)))
    scores = toy.score(true.mean(1, keepdim=True).expand(-1, 3, -1, -1), true)
    assert scores.recall == scores.precision == scores.diversity == 0
    assert toy.score(true, true) == pytest.approx((1, 1, 0, toy.score(true, true).diversity))


def test_half_gap_is_half_the_smallest_squared_distance():
    true = toy.truth(torch.tensor([toy.MEDIUM]))[0]
    pairs = [toy.squared(true[a], true[b]).item() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert toy.half_gap() == pytest.approx(min(pairs) / 2)


def test_descent_finds_all_smiles_and_a_large_margin_loses_them():
    train, true = trials.case()
    recalls, diversities = trials.margins(train, true, trials.CANDIDATES)
    assert recalls[0] == 1 and recalls[-1] == 0
    assert diversities.diff().min() > -0.01 and diversities[-1] > 2 * diversities[0]


def test_plots_say_what_they_show(study):
    assert all(name in graphs.planes(study).alt for name in LIVE)
    assert "4.0: 0.00" in graphs.over_margins(trials.margins).alt
    assert "falls from" in graphs.over_guesses(trials.best_of).alt
    table = toy.table(study.scores())
    assert "| relaxed | 1.00 | 1.00 |" in table and "8 of 8 |" in table


# --- exercises -----------------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", exercises.EXERCISES, ids=lambda each: each.id)
def test_each_wrong_answer_is_caught_by_its_own_hint(exercise):
    assert check.verdict(exercise, exercise.reference) == check.PASSED
    for wrong in exercise.wrong:
        said = check.verdict(exercise, wrong.answer)
        assert " ".join(wrong.hint.split()) in said, wrong.name
    right = exercise.picture(exercise.reference)
    for wrong in exercise.wrong:
        shown = exercise.picture(wrong.answer)
        assert shown.size[0] > 100
        assert shown.tobytes() != right.tobytes(), wrong.name


def test_the_push_of_the_exercise_is_that_of_the_model():
    draw = torch.Generator().manual_seed(0)
    face = torch.rand(68, 2, generator=draw) - 0.5
    face[36], face[45] = torch.tensor([-0.3, 0.0]), torch.tensor([0.3, 0.0])
    made = face + 0.02 * torch.randn(2, 3, 4, 68, 2, generator=draw)
    ours = exercises.PUSH.reference(expression(made).flatten(-2), 2.0)
    # the model takes the mean over points, the exercise the sum over a moment's numbers
    assert 0 < ours.item() == pytest.approx(68 * smile.push(made, 2.0 / 68).item(), rel=1e-4)


def test_the_pull_of_the_exercise_is_that_of_the_model():
    apart = torch.rand(5, 3, generator=torch.Generator().manual_seed(1))
    for spread in (0.0, 0.05, 2 / 3):
        theirs = smile.pull(apart, spread)
        torch.testing.assert_close(exercises.PULL.reference(apart, spread), theirs)


@torch.no_grad()
def test_the_step_of_the_exercise_unfolds_as_the_model_does():
    torch.manual_seed(0)
    unfold = smile.ConditionalLSTM(6, 2, 4, 5, waves=2)
    start, label = torch.rand(3, 6), torch.tensor([0, 1, 1])
    z, (h, c) = start, unfold.start(start).tanh().chunk(2, dim=1)
    way = [z]
    for t in range(1, 5):
        told = unfold.told(label, t)
        z, h, c = exercises.STEP.reference(z, told, h, c, unfold.cell, unfold.step)
        way.append(z)
    torch.testing.assert_close(torch.stack(way, 1), unfold(start, label, 5))


# --- the example ---------------------------------------------------------------------------------


class Known(torch.nn.Module):
    """A model whose sequences miss the true ones by a known amount for each person."""

    def __init__(self, misses):
        super().__init__()
        self.misses = dict(misses)


def test_the_person_is_the_one_of_lower_median_error(monkeypatch):
    group = showcase.people()[:4]
    monkeypatch.setattr(showcase, "people", lambda: group)
    monkeypatch.setattr(showcase, "difficulty", lambda model, one: model.misses[one.identity])
    for misses, found in (([0.3, 0.1, 0.4, 0.2], 3), ([0.1, 0.2, 0.3, 0.4], 1)):
        model = Known(zip((one.identity for one in group), misses))
        assert showcase.chosen(model) is group[found]


def test_glasses_are_compared_on_the_first_of_each_kind():
    without, with_them = showcase.with_and_without()
    everybody = [someone.glasses for someone in showcase.people()]
    assert len(everybody) == 8
    assert without is showcase.people()[everybody.index("none")]
    clear = next(i for i, kind in enumerate(everybody) if kind in showcase.CLEAR)
    assert with_them is showcase.people()[clear]


def test_posed_and_spontaneous_of_one_person():
    for someone in showcase.people():
        assert (someone.posed.label, someone.spontaneous.label) == (0, 1)
        assert someone.posed.identity == someone.spontaneous.identity == someone.identity
        assert someone.under(1) is someone.spontaneous


# --- figures -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def untrained():
    """A model of the shipped sizes but a small painter, whose modes differ."""
    torch.manual_seed(0)
    config = smile.SmileConfig(
        hidden=16, mode_hidden=8, painter_width=4, painter_max=8, vae_width=4, vae_max=8
    )
    model = smile.SmileNet(config).eval().requires_grad_(False)
    for head in model.bend.heads:
        torch.nn.init.normal_(head.weight, std=0.3)
    return model


def sizes(shown):
    """Width and height of what a notebook would show, in pixels."""
    from PIL import Image

    return Image.open(io.BytesIO(shown.data)).size


@torch.no_grad()
def test_figures_fill_a_slide(untrained):
    """At most 600 pixels high on a slide: 60 % as wide as it, or all of these 600."""
    someone, model = showcase.people()[0], untrained
    made = figures.smiles(model, someone.posed)
    clips = {name: made.images[0, 0] for name in ("the true clip", "with skips")}
    clips["without landmarks"] = made.images[0, 1]
    drawn = {
        "landmarks": figures.landmarks(model, someone.posed),
        "walk": figures.walk(model, someone.posed),
        "mean": figures.mean_smile(model, someone.posed),
        "strip": figures.strip(model, someone.posed, made),
        "trouble": figures.trouble(model, showcase.people()),
        "skips": faces.skips(model, model, showcase.people()[:2]),
        "pixels": faces.against_pixels(clips),
    }
    for name, shown in drawn.items():
        width, height = sizes(shown)
        assert width >= 800 and (width / height >= 1.9 or height >= 560), name


@torch.no_grad()
def test_apexes_are_those_of_the_whole_smiles(untrained):
    person = showcase.people()[0].posed
    made = figures.smiles(untrained, person)
    alone = figures.apexes(untrained, person.neutral, person.points[0], person.label)
    torch.testing.assert_close(alone, made.images[0, :, figures.APEX], atol=1e-3, rtol=0)


def test_films_play_a_still_beside_clips(untrained):
    person = showcase.people()[0].posed
    shown = figures.film(person, figures.smiles(untrained, person)).data
    assert "<video" in shown and "becoming neutral again" in shown


class Copies(torch.nn.Module):
    """Answers with the true sequences of one person, in another order of the modes."""

    def __init__(self, person, order):
        super().__init__()
        self.config = smile.SmileConfig()
        clips = [person.clips[m] for m in order]
        points = [torch.as_tensor(c.labels()["landmarks"]).float() for c in clips]
        self.vae = SimpleNamespace(points=lambda z: torch.stack(points) if z.dim() == 3 else z)

    def sequences(self, points, label, frames):
        return torch.zeros(1, 3, frames, 4), torch.zeros(1, frames, 4)


def test_modes_are_told_apart_by_exact_landmarks():
    someone = showcase.people()[3]
    order = (2, 0, 1)
    group = [someone._replace(spontaneous=someone.posed)]
    nearest, hit = figures.told_apart(Copies(someone.posed, order), group)
    expected = torch.zeros(3, 3, dtype=torch.long)
    for k, m in enumerate(order):
        expected[k, m] = 2
    assert torch.equal(nearest, expected) and torch.equal(hit, expected)


def test_measures_of_a_mouth_that_opens():
    points = torch.zeros(2, 68, 2)
    points[:, 36, 0], points[:, 45, 0] = -0.5, 0.5
    points[:, 48, 0], points[:, 54, 0] = -0.2, 0.2
    points[1, 66, 1] = 0.3
    found = graphs.measures(points)
    assert found["opening of the mouth"].tolist() == pytest.approx([0, 0.3])
    assert found["width of the mouth"].tolist() == pytest.approx([0.4, 0.4])


def test_a_face_is_framed_as_the_set_is():
    """A face that is small and off centre: its box lies as usual, its points on their pixels."""
    usual = [real.box(one.posed.points[0]) for one in showcase.people()]
    centre, height = (torch.stack(values).mean(0) for values in zip(*usual, strict=True))
    places = grids.identity_grid(96, 96).permute(2, 0, 1)
    coded = torch.cat([places, places[:1]]) / 2 + 0.5  # colours that say where a pixel was
    small = 0.5 * showcase.people()[0].posed.points[0] + 0.2
    seen, points = real.framed(coded, small, 64)
    found_centre, found_height = real.box(points)
    assert seen.shape == (3, 64, 64)
    torch.testing.assert_close(found_centre, centre, atol=1e-5, rtol=0)
    torch.testing.assert_close(found_height, height, atol=1e-5, rtol=0)
    told = grids.warp(seen[None], points[None, None])[0, :2, 0].T * 2 - 1
    torch.testing.assert_close(told, small, atol=0.01, rtol=0)


def test_the_text_goes_on_without_footage(monkeypatch):
    def unreachable(size):
        raise AidagenError("no network")

    monkeypatch.setattr(real, "face", unreachable)
    assert faces.real_face() is None
    assert "cannot be fetched" in faces.real_film(torch.nn.Linear(1, 1), None).data


# --- what the text says of shipped models --------------------------------------------------------


@torch.no_grad()
def test_posed_smiles_begin_faster():
    speed = figures.speed(showcase.model(), showcase.people())
    assert speed["posed"] > speed["spontaneous"]


@pytest.fixture(scope="module")
def value():
    return {(row["method"], row["metric"]): row["value"] for row in evaluation.table("smiles")}


def test_smiles_are_of_the_class_that_was_asked_for(value):
    assert value["cmm-net", "label_accuracy"] > value["real", "label_accuracy"] - 0.05


def test_all_modes_are_found_and_pulling_all_finds_none(value):
    assert min(value["cmm-net", "mode_recall"], value["cmm-net", "mode_precision"]) >= 0.9
    assert value["pull-all", "mode_recall"] <= 0.3
    best, single = (value[m, "landmark_error_best"] for m in ("cmm-net", "single-mode"))
    assert best <= 0.5 * single


def test_skips_keep_the_person_and_nobody_is_at_the_floor(value):
    with_skips, without, floor = (value[m, "aed"] for m in ("cmm-net", "no-skips", "real"))
    assert floor < with_skips < 0.6 * without


def test_what_the_text_says_of_painted_clips(value):
    """The numbers in "How much person is lost?", as the stored rows have them."""
    l1 = [value[method, "l1"] for method in ("cmm-net", "copy-source")]
    happy = [value[method, "happy"] for method in ("cmm-net", "real")]
    assert l1[0] > l1[1] and "({:.3f} against {:.3f})".format(*l1) in WORDS
    assert 2 * happy[0] < happy[1] and "({:.2f} against {:.2f})".format(*happy) in WORDS


@torch.no_grad()
def test_switching_the_mode_moves_the_person_as_true_clips_do():
    moved = list(faces.unmoved(showcase.model(), showcase.people()).items())
    ours, true = moved[:3], moved[3:]  # in the order of the modes that they are nearest to
    assert all("true clip" in name for name, _ in true)
    for (_, made), (_, real_one) in zip(ours, true, strict=True):
        assert abs(made - real_one) < 0.05


@torch.no_grad()
def test_each_mode_means_one_thing_for_all_people():
    """The modes are told apart by exact landmarks, which no model of them was shown by name."""
    nearest, _ = figures.told_apart(showcase.model(), showcase.people())
    assert sorted(nearest.argmax(1).tolist()) == [0, 1, 2]
    assert nearest.max(1).values.min() >= 0.9 * nearest.sum(1).max()


def test_the_people_are_those_of_the_table():
    assert all(isinstance(someone.posed, Person) for someone in showcase.people())
