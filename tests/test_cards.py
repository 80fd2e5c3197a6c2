"""Exercise cards and open tasks: hints, pictures, and a solution that opens when it may."""

import base64
import inspect
import io
import json
import os
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from browser import LabPage, chromium, page, server, write_notebook
from PIL import Image
from playwright.sync_api import expect

from aidagen.answers import progress
from aidagen.errors import AidagenError
from aidagen.teaching import cards, check, material

ROOT = Path(__file__).resolve().parents[1]
SCREENSHOTS = ROOT / "build" / "screenshots"
NUMBERS = tuple(material.topics())
EXERCISES = [exercise for number in NUMBERS for exercise in check.exercises(number)]
NEARLY_RIGHT = {"pixels instead of steps"}  # less than a pixel off at the edge of the picture
PICTURES = [exercise for exercise in EXERCISES if exercise.picture]


@pytest.fixture(autouse=True)
def fresh():
    progress.forget()
    yield
    progress.forget()


def named(exercise):
    return exercise.id


# --- the data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS)
def test_a_lecture_has_all_kinds_and_at_most_two_exercises_in_class(number):
    exercises = check.exercises(number)
    assert {exercise.kind for exercise in exercises} == set(material.KINDS)
    assert 1 <= sum(exercise.place == "class" for exercise in exercises) <= 2
    assert len({exercise.id for exercise in exercises}) == len(exercises)
    assert len(check.open_tasks(number)) == 1


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_hints_come_in_twos_and_are_sentences(exercise):
    assert len(set(exercise.hints)) == 2
    for hint in exercise.hints:
        assert hint[-1] in ".?" and len(hint) < 260
    for word in exercise.words:
        assert f"'{word}'" in exercise.expects, "the words to choose from are said"


@pytest.mark.parametrize("exercise", PICTURES, ids=named)
def test_each_wrong_answer_looks_wrong(exercise):
    expected = pixels(cards._drawn(exercise, exercise.reference))
    assert pixels(cards._drawn(exercise, exercise.reference)).tobytes() == expected.tobytes()
    assert expected.std() > 5, "there is something to see"
    assert exercise.picture_shows.endswith(".") and len(exercise.picture_shows) > 60
    for wrong in exercise.wrong:
        theirs = pixels(cards._drawn(exercise, wrong.answer))
        assert theirs.shape == expected.shape
        apart = np.abs(theirs.astype(int) - expected.astype(int)).max(-1)
        least = 0 if wrong.name in NEARLY_RIGHT else 0.001
        assert (apart > 24).mean() > least, f"{wrong.name} looks like the expected result"


def pixels(url):
    kind, data = url.split(",")
    assert re.fullmatch("data:image/(png|jpeg);base64", kind)
    content = base64.b64decode(data)
    assert len(content) < 20_000, "a notebook keeps it twice"
    return np.array(Image.open(io.BytesIO(content)).convert("RGB"))


def test_a_picture_may_be_a_figure():
    def drawn(answer):
        figure, axes = plt.subplots(figsize=(2, 1))
        axes.plot([0, answer(torch.tensor([[1.0, 1.0]]), 3, 3)[0, 0]])
        return figure

    one = exercise_like("00.1", picture=drawn, picture_shows="A line.")
    assert pixels(cards._drawn(one, one.reference)).shape == (80, 160, 3)
    assert plt.get_fignums() == []
    assert "data:image" in cards.beside(one, one.wrong[0].answer)
    assert cards.beside(one, lambda *arguments: "nothing to draw") == ""
    assert plt.get_fignums() == [], "whatever happens"


def exercise_like(id, **changes):
    exercise = material.find(material.Exercise, id)
    return material.Exercise(**{**exercise.__dict__, **changes})


# --- the card in Python ---------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_a_card_says_what_the_data_say(exercise):
    card = check.card(exercise.id)
    assert repr(card) == f"Card({exercise.id!r})"
    data, _ = card._repr_mimebundle_()
    assert data["text/plain"] == repr(card)
    assert "application/vnd.jupyter.widget-view+json" in data
    text = data["text/html"]
    assert exercise.title in text and f"{exercise.minutes} minutes" in text
    assert f"difficulty {exercise.difficulty} of 3" in text
    assert f"importance {exercise.importance} of 3" in text
    assert ("in class" in text) is (exercise.place == "class")
    assert text.count("<summary>Hint") == 2
    assert text.count("<img alt=") == (exercise.picture is not None)


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_no_stored_page_holds_the_solution(exercise):
    """Not before two attempts, and not after an answer that passed, as when a lecture is built."""
    card = check.card(exercise.id)
    code = cards.source(exercise.reference)
    line = max((row.strip() for row in code.splitlines()), key=len)
    before = json.dumps([card.get_state(), card.static()])
    check.choose(exercise.id, exercise.reference)
    assert json.dumps([card.get_state(), card.static()]) == before
    assert line not in before and json.dumps(line)[1:-1] not in before


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_a_solution_can_be_followed_and_passes(exercise):
    """It stands alone: with what its module imports, the shown code is the reference."""
    code = cards.source(exercise.reference)
    assert code.startswith("def ") and len(code.splitlines()) <= 25
    module = inspect.getmodule(inspect.unwrap(exercise.reference))
    imported = {
        name: thing
        for name, thing in vars(module).items()
        if not inspect.isfunction(thing) or thing.__module__ != module.__name__
    }
    space = {**imported, "__name__": "shown"}
    exec(compile(f"from __future__ import annotations\n{code}", "solution", "exec"), space)
    shown = space[exercise.reference.__name__]
    assert check.verdict(exercise, shown) == check.PASSED


def test_helpers_of_a_solution_are_shown_before_it():
    code = cards.source(_outer)
    assert code.index("def _inner") < code.index("def _outer")
    assert code.count("def _inner") == 1


def _inner(x):
    return 2 * x


def _outer(x):
    return _inner(_inner(x))


def messages(card, monkeypatch):
    sent = []
    monkeypatch.setattr(card, "send", lambda content, buffers=None: sent.append(content))
    return sent


def test_the_solution_opens_after_two_different_attempts(monkeypatch):
    first, second = (wrong.answer for wrong in check.exercises("05")[0].wrong[:2])
    card = check.card("05.1")
    sent = messages(card, monkeypatch)
    card._asked(card, "solution", [])
    assert card.solution == "" and not card.unlocked
    for answer in (check.TODO, first, first, lambda grid, ps, pd, js, jd: check.TODO):
        check.choose("05.1", answer)
    assert card.attempts == check.attempts("05.1") == 1, "the same answer is the same attempt"
    card._asked(card, "solution", [])
    assert card.solution == ""
    check.choose("05.1", second)
    assert card.attempts == 2 and card.unlocked
    assert card.solution == "", "nobody has asked for it"
    card._asked(card, "solution", [])
    assert card.solution.startswith("def local_affine(")
    assert {"passed": True} not in sent
    assert check.card("05.1").attempts == 2, "a card that is shown again knows it"


def test_whoever_passed_may_read_the_solution(monkeypatch):
    card = check.card("05.3")
    sent = messages(card, monkeypatch)
    check.choose(
        "05.3", lambda scores, motions: torch.einsum("jhw,jhwc->hwc", scores.softmax(0), motions)
    )
    assert sent == [{"passed": True}] and card.attempts == 0
    card._asked(card, "drawn", [])
    assert sent == 2 * [{"passed": True}], "a view that is drawn later is told"
    card._asked(card, "solution", [])
    assert card.solution.startswith("def mix(")


def test_a_faulty_function_as_it_was_given_is_no_attempt(capsys):
    equivariance = check.exercises("05")[4]
    assert equivariance.kind == "fault"
    given = equivariance.wrong[0].answer
    chosen = check.choose("05.5", given)
    said = capsys.readouterr().out
    assert said.startswith("05.5: not repaired yet: ") and "05.5: the reference is used" in said
    assert chosen is not given and check.fallbacks() == ["05.5"]
    assert check.attempts("05.5") == 0
    check.choose("05.5", equivariance.wrong[1].answer)
    assert check.attempts("05.5") == 1


def test_an_experiment_may_end_in_a_word(capsys):
    exercise = check.exercises("04")[6]
    right = exercise.reference

    def said(answer):
        return check.verdict(exercise, answer)

    assert said(lambda *given: (*right(*given)[:2], " Clips ")) == check.PASSED
    assert "conclusion is not" in said(lambda *given: (*right(*given)[:2], "raters"))
    assert "returns 'money' instead of one of clips, raters" in said(
        lambda *given: (*right(*given)[:2], "money")
    )
    assert "returns an int instead of one of clips, raters" in said(
        lambda *given: (*right(*given)[:2], 3)
    )
    assert "0.500 instead of" in said(lambda *given: (0.5, 0.5, "clips"))
    bare = exercise_like("04.7", wrong=())
    unknown = check.verdict(bare, lambda *given: (*right(*given)[:2], "raters"))
    assert unknown.startswith("your conclusion 'raters' does not follow from the experiment.")


def test_open_tasks_show_their_rubric():
    for number in NUMBERS:
        (task,) = check.open_tasks(number)
        shown = check.open_task(task.id)
        assert repr(shown) == f"Task({task.id!r})"
        text = shown._repr_markdown_()
        assert task.title in text and task.task in text
        assert f"| **all of it** | **{sum(points for points, _ in task.rubric)}** |" in text
        assert text.count("\n| ") == len(task.rubric) + 2
    with pytest.raises(AidagenError, match=r"no open task '05.o9': 05\.o1"):
        check.open_task("05.o9")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "essay"}, "needs a kind"),
        ({"place": "pub"}, "a place"),
        ({"importance": 4}, "importance of 1 to 3"),
        ({"hints": ("one",)}, "two hints"),
        ({"picture": abs, "picture_shows": ""}, "what its picture shows"),
    ],
)
def test_ill_formed_exercises_are_one_sentence(changes, words):
    with pytest.raises(AidagenError, match=words):
        exercise_like("05.1", **changes)
    with pytest.raises(AidagenError, match="two lines of rubric"):
        material.OpenTask("05.o1", "t", "t", ((1, "a"),))


# --- the card in a browser ------------------------------------------------------------------------

CELLS = [
    "import torch\nfrom aidagen.teaching import check\ncheck.card('05.3')",
    "def mix(scores, motions):\n    return check.TODO\nmix = check.choose('05.3', mix)",
    "def mix(scores, motions):\n    return motions.mean(0)\nmix = check.choose('05.3', mix)",
    "def mix(scores, motions):\n    return (scores[..., None] * motions).sum(0)\n"
    "mix = check.choose('05.3', mix)",
    "def mix(scores, motions):\n    return (scores.softmax(0)[..., None] * motions).sum(0)\n"
    "mix = check.choose('05.3', mix)",
    "check.open_task('05.o1')",
]


@pytest.mark.browser
@pytest.mark.skipif(chromium() is None and not os.environ.get("CI"), reason="no Chromium")
def test_a_card_in_jupyterlab_by_keyboard(tmp_path):
    """Hints in order, a locked solution, two attempts, a verdict that is seen at a glance."""
    write_notebook(tmp_path / "notebooks" / "99_card.ipynb", CELLS)
    with server(tmp_path) as address, page() as tab:
        lab = LabPage(tab, address)
        lab.open("notebooks/99_card.ipynb")
        lab.run_cell(1)
        card = lab.output(1)
        assert "write the central equation · 6 minutes · difficulty 2 of 3" in card.inner_text()
        assert "importance 3 of 3 · in class" in card.inner_text()
        first, second, picture, solution = (card.get_by_role("button").nth(n) for n in range(4))
        expect(second).to_be_disabled()
        expect(solution).to_be_disabled()
        expect(solution).to_have_text("Solution (after 2 attempts, 0 so far)")
        hints = check.exercises("05")[2].hints
        assert hints[0] not in card.inner_text()
        first.focus()
        tab.keyboard.press("Enter")
        lab.wait_text(card, re.escape(hints[0]))
        assert hints[1] not in card.inner_text()
        expect(card.get_by_role("status")).to_have_text("Hint 1 of 2 is open.")
        expect(first).to_have_attribute("aria-expanded", "true")
        tab.keyboard.press("Tab")
        tab.keyboard.press("Space")
        lab.wait_text(card, re.escape(hints[1]))
        tab.keyboard.press("Shift+Tab")
        tab.keyboard.press("Enter")
        expect(first).to_have_attribute("aria-expanded", "false")
        assert hints[0] not in card.inner_text() and hints[1] in card.inner_text()
        picture.focus()
        tab.keyboard.press("Enter")
        assert card.get_by_role("img").bounding_box()["width"] >= 150
        lab.screenshot(SCREENSHOTS / "card_hints.png")

        lab.run_cell(2)
        verdict = lab.output(2).locator(".aidagen-verdict")
        assert "not solved yet" in verdict.inner_text()
        seen = [verdict.evaluate("e => getComputedStyle(e).backgroundColor")]
        expect(solution).to_have_text("Solution (after 2 attempts, 0 so far)")
        lab.run_cell(3)
        expect(card.get_by_role("status")).to_have_text("Attempt 1 of 2: not yet.")
        expect(solution).to_be_disabled()
        wrong = lab.output(3).locator(".aidagen-verdict")
        assert "all motions have the same weight" in wrong.inner_text()
        assert wrong.get_by_role("img").count() == 2, "expected, and yours"
        seen.append(wrong.evaluate("e => getComputedStyle(e).backgroundColor"))
        lab.run_cell(4)
        expect(card.get_by_role("status")).to_have_text("The solution can be opened now.")
        solution.focus()
        tab.keyboard.press("Enter")
        lab.wait_text(card, r"def mix\(")
        lab.run_cell(5)
        right = lab.output(5).locator(".aidagen-verdict")
        assert "passed, your function is used from here" in right.inner_text()
        seen.append(right.evaluate("e => getComputedStyle(e).backgroundColor"))
        assert len(set(seen)) == 3, "passed, failed and unsolved differ at a glance"
        lab.run_cell(6)
        expect(lab.output(6).locator("table tr")).to_have_count(7)  # drawn after the cell has run
        assert lab.accessibility(".aidagen-card") == []
        assert lab.accessibility(".aidagen-verdict") == []
        lab.screenshot(SCREENSHOTS / "card.png")
        assert lab.console == []
