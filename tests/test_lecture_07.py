"""Lecture 07: its toy shows what the text says, components do what is claimed, its figures fit."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from aidagen import datasets, evaluation, zoo
from aidagen.errors import AidagenError
from aidagen.evaluation import movements
from aidagen.evaluation.game_objects import PLAYER, find
from aidagen.lectures.playable_video import (
    exercises,
    figures,
    graphs,
    judging,
    showcase,
    toy,
    trials,
)
from aidagen.metrics import Interval
from aidagen.models.playable import actions, losses
from aidagen.recipes.playable import RECIPES
from aidagen.teaching import check

TEXT = (Path(__file__).parents[1] / "course" / "07_playable_video.py").read_text()
WORDS = " ".join(re.sub(r"^# ?", "", TEXT, flags=re.M).split())
FORMS = {
    "none": toy.Form(),
    "information": toy.Form(information=0.5),
    "more": toy.Form(information=0.5, entropy_weight=1.5),
    "free": toy.Form(information=0.5, free=0.4),
    "random": toy.Form(information=0.5, free=0.4, places=False),
}
CLIPS = 8


# --- the toy -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study():
    """The live study of profile smoke, with the reference of exercise 07.2."""
    made = toy.Study(FORMS, exercises.information_loss, steps=120, seed=7)
    for _ in range(120):
        made.step()
    return made


def mean(found, key):
    return sum(getattr(one, key) for one in found) / len(found)


def test_the_toy_shows_what_the_text_says(study):
    found = study.scores()
    assert "chance decides; in some starts one action is taken always" in WORDS
    assert any(one.usage < 0.1 for one in found["none"])
    assert "**Information:** no start collapses, and the action alone tells more" in WORDS
    assert all(one.usage > 0.5 for one in found["information"])
    assert mean(found["information"], "alone") < 0.75 * mean(found["none"], "alone")
    assert "it stops at *two* of three" in WORDS
    assert all(one.kappa < 0.6 for one in found["information"])
    assert "some starts find all three, others still two" in WORDS
    assert mean(found["more"], "usage") > mean(found["information"], "usage") + 0.1
    assert any(one.kappa > 0.9 for one in found["more"])
    assert mean(found["more"], "alone") > 2 * mean(found["free"], "alone")
    assert "all starts find them. **From random poses** most do not" in WORDS
    assert all(one.kappa > 0.95 for one in found["free"])
    assert sum(one.kappa < 0.9 for one in found["random"]) > len(found["random"]) / 2


@pytest.mark.verify
def test_what_the_toy_shows_over_seeds():
    found = {name: [] for name in FORMS}
    for seed in (1, 2, 3, 7, 11):
        made = toy.Study(FORMS, exercises.information_loss, steps=140, seed=seed)
        for _ in range(140):
            made.step()
        for name, scores in made.scores().items():
            found[name] += scores
    assert 0.1 < sum(one.usage < 0.1 for one in found["none"]) / 20 < 0.7
    assert all(one.usage > 0.45 for one in found["information"])
    assert sum(one.kappa > 0.9 for one in found["information"]) == 0
    assert all(one.kappa > 0.95 for one in found["free"])
    assert sum(one.kappa > 0.9 for one in found["random"]) < 10


def test_the_toy_s_moves_cannot_be_read_from_the_first_frame():
    pair = toy.moves(4000, torch.Generator().manual_seed(0))
    place = pair.before.argmax(1)
    for start in range(toy.MARGIN, toy.CELLS - toy.MARGIN, 3):
        share = torch.bincount(pair.true[(place - start).abs() <= 1], minlength=3).float()
        assert (share / share.sum() - 1 / 3).abs().max() < 0.08
    went = pair.after.argmax(1) - place
    assert (went - pair.moved).abs().max() <= 1 and (pair.moved.abs() <= 5).all()


def test_what_the_toy_counts():
    taken = np.array([0, 0, 1, 1, 2, 2])
    whole = toy.score(taken, np.array([2, 2, 0, 0, 1, 1]), 0.1)
    assert whole == pytest.approx((1, 1, 0.1))
    assert toy.score(taken * 0, taken, 0.1)[:2] == pytest.approx((0, 0))


def test_naming_changes_nothing_of_what_is_painted():
    """What was told as a direction is told as an action and the rest, and means the same."""
    torch.manual_seed(0)
    model = toy.Model(2, places=True)
    before, direction = torch.rand(2, 30, toy.CELLS), torch.randn(2, 30, 1)
    nothing = torch.zeros(2, 30, toy.ACTIONS)
    free = model.paint(before, nothing, direction)
    model.name(direction)
    action = actions.one_hot(model.naming(direction).argmax(-1), toy.ACTIONS)
    named = model.paint(before, action, direction - action @ model.centroids)
    torch.testing.assert_close(named, free, atol=1e-5, rtol=1e-4)
    nearest = (direction - model.centroids.mT).abs().argmin(-1)
    assert torch.equal(action.argmax(-1), nearest), "the classifier names the nearest centroid"


def test_the_toy_says_what_became_of_its_forms(study):
    said = toy.told(study)
    assert all(f"| {name} |" in said for name in FORMS) and "4 of 4" in said


# --- exercises -----------------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", exercises.EXERCISES, ids=lambda each: each.id)
def test_each_wrong_answer_is_caught_by_its_own_hint(exercise):
    assert check.verdict(exercise, exercise.reference) == check.PASSED
    right = exercise.picture(exercise.reference)
    for wrong in exercise.wrong:
        said = check.verdict(exercise, wrong.answer)
        assert " ".join(wrong.hint.split()) in said, wrong.name
        shown = exercise.picture(wrong.answer)
        assert shown.size[0] > 60 and shown.tobytes() != right.tobytes(), wrong.name


def test_direction_and_variability_are_those_of_the_model():
    poses, action, centroids = exercises.EXPLAIN.cases()[1]
    mine = exercises.explain(poses, action, centroids)
    theirs = actions.directions(actions.Gaussian(poses, torch.ones_like(poses))).mean
    torch.testing.assert_close(mine[0], theirs)
    torch.testing.assert_close(mine[1], actions.variability(theirs, action, centroids))


@pytest.mark.parametrize("case", range(3))
def test_the_information_of_the_exercise_is_that_of_the_model(case):
    p, q, weight = exercises.INFORMATION.cases()[case]
    theirs = losses.mutual_information(losses.joint(p, q), weight)
    torch.testing.assert_close(exercises.information_loss(p, q, weight), -theirs)


def test_what_is_left_open_is_the_delta_mse_of_the_table():
    directions, moved, numbers, cluster = trials.NUMBER.cases()[0]
    mine = trials.left_open(directions, moved, numbers, cluster)
    for value, number in zip(mine.tolist(), numbers):
        taken = torch.cdist(directions, cluster(directions, number)).argmin(1)
        theirs = movements.variance_within(moved.double().numpy(), taken.numpy())
        assert value == pytest.approx(theirs, rel=1e-4)


def test_shuffled_actions_flatter_only_where_they_were_learned_from():
    moved, dealt, fold = trials._dealt(300)
    assert (trials.nearest(moved, dealt, moved) == dealt).all()
    for how in (trials.nearest, trials.linear):
        assert abs(float(trials.delta_accuracy(moved, dealt, how, fold)) - 1 / 3) < 0.1


# --- games and models ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def games():
    """The games, played if need be, and the models."""
    pytest.importorskip("ale_py")
    for game in showcase.GAMES.values():
        if game.weights not in zoo.names():
            pytest.skip(f"{game.weights}: no weights are shipped yet")
    try:
        return {data: datasets.load(data) for data in showcase.GAMES}
    except AidagenError as problem:
        pytest.skip(str(problem))


def test_the_models_are_trained_by_recipes_of_their_names():
    assert {game.weights for game in showcase.GAMES.values()} <= set(RECIPES)


def test_steps_are_those_that_the_model_sees(games):
    model, one = showcase.model("breakout"), showcase.steps("breakout", 1)[0]
    frames = showcase.frames("breakout", 0)[None]
    with torch.no_grad():
        found = model.find_actions(model.encode(model.observe(frames)), frames.shape[1])
    assert torch.equal(one.actions, found.logits[0].argmax(-1))
    shift = showcase.centroids("breakout") - model.centroids
    torch.testing.assert_close(one.directions, found.directions.mean[0] + shift[0])
    rest = exercises.explain(
        one.poses, actions.one_hot(one.actions, 3), showcase.centroids("breakout")
    )[1]
    told = actions.one_hot(one.actions, 3)
    theirs = actions.variability(found.directions.mean[0], told, model.centroids)
    torch.testing.assert_close(rest, theirs)


def test_playing_is_what_the_model_plays(games):
    model = showcase.model("breakout")
    first = showcase.frames("breakout", 0)[3]
    made, world = showcase.pressed(model, first, 3), model.begin(first)
    for t in range(3):
        frame, world = model.play(world, 2)
        torch.testing.assert_close(made[2, t], frame.clamp(0, 1), atol=1e-5, rtol=1e-4)


def test_the_paddle_is_found_where_it_is(games):
    for number in range(3):
        clip = showcase.clips("breakout", 3)[number]
        true = (clip.labels()["paddle"][:, 0] + 1) / 2 * 63
        seen = showcase.paddle(showcase.frames("breakout", number))
        apart = (seen - torch.from_numpy(true)).abs()
        assert apart.max() < 2 and apart.mean() < 0.3
    assert torch.isnan(showcase.paddle(torch.zeros(1, 3, 64, 64))).all()


def test_the_clip_shown_is_the_one_of_lower_median_error():
    frames = torch.zeros(4, 2, 3, 4, 4)
    found = showcase.Replayed(frames, frames[:, 1:], torch.tensor([0.4, 0.1, 0.3, 0.2]))
    assert found.median == 3 and found.worst == 0


def test_the_words_of_actions_come_from_other_clips(games):
    assert set(showcase.words("breakout")) == set(movements.SIDEWAYS)
    assert len(set(showcase.words("tennis")) & set(movements.COMPASS)) >= 8
    shown = {clip.name for data in games for clip in showcase.clips(data, 6, "test")}
    assert shown.isdisjoint(clip.name for data in games for clip in showcase.clips(data, 6, "val"))


def test_the_robot_arm_is_seen_as_by_its_model_and_needs_no_emulator():
    clip = showcase.clips("robot", 1)[0]
    frames = showcase.frames("robot", 0)
    assert torch.equal(frames, clip.frames().float()[::3] / 255)
    assert len(showcase.steps("robot", 1)[0].moved) == len(frames) - 1
    assert len(set(showcase.words("robot")) & set(movements.COMPASS)) == 9
    world = showcase.world("robot")
    assert world.console is None and world.words.count("stay") == 1
    assert showcase.replayed("robot", 1).made.shape[1] == len(frames) - 1  # a clip is shorter
    showcase.replayed.cache_clear()


# --- components, inside the shipped models -------------------------------------------------------


def test_what_the_directions_rest_upon(games):
    """On places; on attention in Breakout, hardly in Tennis; not on appearance (lecture 07)."""
    found = {data: judging.tell(data, CLIPS) for data in showcase.GAMES}
    for data, of in found.items():
        assert of["all of it"].value > 0.7, data
        assert of["without places"].high < 0.75 * of["all of it"].low, data
        assert of["without appearance"].value > of["all of it"].value - 0.05, data
    assert "in Breakout the directions are better without it" in WORDS
    assert found["breakout"]["without appearance"].low > found["breakout"]["all of it"].high
    assert found["breakout"]["even attention"].high < 0.7 * found["breakout"]["all of it"].low
    assert found["tennis"]["even attention"].value > 0.9 * found["tennis"]["all of it"].value


def test_the_dynamics_listen(games):
    for data in showcase.GAMES:
        heard = judging.listen(data, CLIPS)
        assert heard.seen.high < heard.other.low < 1, data
        assert heard.other.value > 1.4 * heard.seen.value, data
        assert heard.varied.value > 0.95 * heard.seen.value, "the variability is idle"
    # "over all pixels the Tennis model does not beat the copy", as a note says
    true = torch.stack([showcase.frames("tennis", n)[:7] for n in range(2)])
    with torch.no_grad():
        made = showcase.model("tennis").rollout(true, 7).image
    still, painted = ((x - true[:, 1:]).square().mean() for x in (true[:, :-1], made))
    assert painted > still and "over all pixels the Tennis model does not beat the copy" in WORDS


def test_an_action_means_the_same_from_every_first_frame(games):
    found = judging.same_meaning(16)
    free = (found.places > 20) & (found.places < 43)  # away from the walls
    assert free.sum() >= 5
    left, stayed, right = (found.went[showcase.words("breakout").index(word)][free]
                           for word in movements.SIDEWAYS)  # fmt: skip
    assert (left < -5).all() and (right > 5).all() and (stayed.abs() < 5).all()


def test_what_lies_between_the_actions_of_breakout(games):
    found = judging.sweep(6)
    assert not judging.steady(found) and "jumps back" in judging.said_of(found)
    kept = judging.sweep(6, showcase.SECOND)  # variability was told until the end
    assert judging.steady(kept) and "little by little" in judging.said_of(kept)
    assert kept.went.nanmean(1)[0] < -8 and kept.went.nanmean(1)[-1] > 8


def test_steady_is_what_goes_on():
    def sweep(*went):
        points = torch.arange(len(went)).float()
        return judging.Sweep(points, [0] * len(went), torch.tensor(went)[:, None], [0.0])

    assert judging.steady(sweep(-10.0, -4.0, -5.0, 0.0, 8.0))
    assert not judging.steady(sweep(-10.0, 4.0, -5.0, 0.0, 8.0))
    assert "little by little" in judging.said_of(sweep(-10.0, 0.0, 10.0))
    said = judging.said_of(sweep(-10.0, 4.0, -5.0, 0.0, 8.0))
    assert "**1 time** on the way from left to right, by up to 9 pixels" in said


def test_what_is_explained_is_a_share():
    rng = np.random.default_rng(0)
    told = rng.normal(size=(200, 2))
    assert judging.explained(told, told @ np.array([[1.0, 2.0], [0.5, -1.0]])) == pytest.approx(1)
    assert judging.explained(told, rng.normal(size=(200, 2))) < 0.1


def test_the_true_buttons_agree_with_the_movements_in_part(games):
    numbers = [float(x) for x in re.findall(r"\*\*(-?\d\.\d+)\*\*", judging.buttons(CLIPS))]
    assert 0.3 < numbers[0] < 0.7 and "agree with the movements only in part" in WORDS


def test_the_ball_is_not_painted(games):
    seen, there = map(int, re.search(r"\*\*(\d+) of (\d+)\*\*", figures.balls(CLIPS)).groups())
    assert there > 20 and seen < 0.2 * there and "The ball is gone" in WORDS


def test_the_policies_draw_anew(games):
    told = dict(re.findall(r"(\w+, \w+): (\d+) %", graphs.past(40).alt))
    assert abs(int(told["Breakout, track"]) - 33) < 10 and int(told["Breakout, wander"]) > 55


def test_the_bend_lies_where_the_text_says(games):
    assert "It lies at 3 in Breakout, and near 9 in Tennis" in WORDS
    told = graphs.by_number(trials.left_open, CLIPS).alt
    found = dict(re.findall(r"(\w+): (K = .*?)(?:; |\.$)", told))
    kappas = {game: [int(k) for k in re.findall(r"and (\d+)", x)] for game, x in found.items()}
    assert np.argmax(kappas["Breakout"]) == 1  # K = 3 of 2, 3, 4, ...
    assert np.argmax(kappas["Tennis"]) in (3, 4)  # K = 8 or 10 of 2, 4, 6, ...


def test_the_faulty_triples_show_a_third_of_the_movement(games):
    assert "the bars shrink to a third" in WORDS
    told = [re.search(r"right ([+-]\d\.\d)", graphs.by_the_past(answer, 30).alt)[1]
            for answer in (trials.transitions, trials.PAST.wrong[0].answer)]  # fmt: skip
    assert 0.2 < float(told[1]) / float(told[0]) < 0.5


# --- figures -------------------------------------------------------------------------------------


def sizes(shown):
    from PIL import Image

    return Image.open(io.BytesIO(shown.data)).size


def test_figures_fill_a_slide(games, study):
    drawn = {
        "unlabelled": figures.unlabelled(),
        "attention": figures.attention(), "failures": figures.failures("breakout", 4),
        "tennis": figures.failures("tennis", 4), "toy": toy.picture(study),
    }  # fmt: skip
    for name, shown in drawn.items():
        width, height = sizes(shown)
        assert width >= 800 or height >= 560, name


def test_films_say_what_they_show(games):
    for data, words in (("breakout", "paddle"), ("tennis", "player")):
        shown = figures.film(data, 4, steps=2).data
        assert "<video" in shown and f"the {words} goes its own way" in shown


def test_the_compass_is_filled_whatever_the_names():
    order = figures._wheel(("right", "up", "?", "?", "left", "stayed", "down", "up-left", "down"))
    assert sorted(order) == list(range(9))
    assert order[1] == 1 and order[3] == 4 and order[5] == 0 and order[7] == 6


def test_a_claim_shows_whatever_rows_there_are():
    row = {"metric": "m", "unit": "u", "split": "unseen", "n": 4, "seed": 0}
    rows = [{**row, "data": data, "method": method, "value": 1.0, "low": 1.1, "high": 0.9}
            for data, method in (("robot", "caddy"), ("breakout", "latent-vq"),
                                 ("breakout", "not known"))]  # fmt: skip
    told = graphs.claim(rows, "m").alt
    assert "robot arm, the model: 1 (1 to 1)" in told and "a code book instead" in told
    assert "not known" not in told


def test_plots_say_what_they_show(games):
    one = Interval(0.5, 0.4, 0.6, 4)
    assert "Breakout, whole: 0.50" in graphs.intervals({"Breakout": {"whole": one}}, "share", 1).alt
    assert "correlation 0." in graphs.against_movement(exercises.explain, 2).alt
    assert "Directions of 46 steps" in graphs.space(exercises.explain, 2).alt
    told = graphs.flattered(trials.delta_accuracy, 4).alt
    assert "by heart, same steps: 1.00 to 1.00" in told and "linear, cross-validated: 0." in told


def test_the_table_holds_what_the_text_says():
    try:
        rows = evaluation.table("playable")
    except AidagenError as problem:
        pytest.skip(str(problem))
    value = {(r["data"], r["method"], r["metric"]): r["value"] for r in rows}
    for data in showcase.GAMES:
        for control in ("random", "shuffled", "single"):
            assert abs(value[data, control, "action_kappa"]) < 0.05, "controls lie at 0"
        assert value[data, "caddy", "action_kappa"] > 0.3
        assert value[data, "caddy", "delta_mse"] < 40


def test_other_messages_do_what_the_text_says():
    """The rows bear out the slide "A code book, and the true buttons" (lecture 07)."""
    rows = {(r["method"], r["metric"]): r for r in evaluation.table("playable")
            if r["data"] == "breakout"}  # fmt: skip

    def apart(method, metric):
        """The difference from the model's row where the intervals are apart, else 0."""
        one, ours = rows[method, metric], rows["caddy", metric]
        beyond = one["low"] > ours["high"] or one["high"] < ours["low"]
        return one["value"] - ours["value"] if beyond else 0.0

    assert apart("latent-vq", "action_kappa") == 0, "agrees with the movements as well as ours"
    assert rows["latent-vq", "add"]["value"] < rows["caddy", "add"]["value"] - 0.5
    assert rows["latent-vq", "drift"]["value"] > rows["caddy", "drift"]["value"] + 0.1
    for metric in ("add", "drift", "psnr_delta"):
        assert apart("true-actions", metric) == 0, metric
    assert apart("true-actions", "action_kappa") < -0.2, "buttons are not movements"
    told = graphs.messages(list(rows.values())).alt
    assert "a code book instead" in told and "told the true actions" in told


def test_the_tennis_player_leaves_the_picture(games):
    """Buttons that are held for eight steps each lose it, as the slide "Tennis" says."""
    assert "leads the player **out of the picture**, often for good" in WORDS
    world, rng, found = showcase.world("tennis"), np.random.default_rng(0), []
    for frame in world.frames:
        going, last = world.model.begin(frame), []
        for _ in range(7):
            action = int(rng.integers(world.actions))
            for _ in range(8):
                image, going = world.model.play(going, action)
            last.append(bool(np.isfinite(find(image[None].clamp(0, 1), PLAYER)[0, 0])))
        found.append(last)
    first, *_, end = np.mean(found, 0)
    assert first > 0.7 and end < 0.6 and end < first - 0.2, (first, end)


def test_the_second_stage_has_the_same_actions(games):
    second, first = showcase.opened(showcase.SECOND), showcase.model("breakout")
    agreed = []
    for number in range(CLIPS):
        frames = showcase.frames("breakout", number)[None]
        said = [m.find_actions(m.encode(m.observe(frames)), frames.shape[1]).logits.argmax(-1)
                for m in (first, second)]  # fmt: skip
        agreed.append((said[0] == said[1]).float().mean())
    assert sum(agreed) / len(agreed) > 0.9
