"""Questions and predictions: as Python objects, and their panel in a browser, by keyboard."""

import json
import os

import pytest
from browser import LabPage, chromium, page, server, write_notebook
from playwright.sync_api import expect

from aidagen.errors import AidagenError
from aidagen.teaching import asking, material, predict, quiz

NUMBERS = tuple(material.topics())
QUESTIONS = [question for n in NUMBERS for question in material.of(n).QUESTIONS]
PREDICTIONS = [prediction for n in NUMBERS for prediction in material.of(n).PREDICTIONS]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.id)
def test_every_option_has_its_own_sentence(question):
    asked = quiz.ask(question.id)
    assert (asked.sentence, asked.right) == ("", None)
    said = set()
    for i, option in enumerate(question.options):
        asked.choice = i
        assert asked.right is (i == question.right)
        assert asked.sentence.startswith("Right. " if asked.right else "Not this one. ")
        assert asked.sentence.endswith(option.feedback) and option.feedback.endswith(".")
        said.add(asked.sentence)
    assert len(said) == len(question.options) >= 3
    asked.choice = -1
    assert asked.sentence == ""


def test_right_answers_are_not_always_at_the_same_place():
    assert len({question.right for question in QUESTIONS}) >= 3
    for question in QUESTIONS:
        lengths = [len(option.text) for option in question.options]
        assert lengths[question.right] <= 2 * sorted(lengths)[-2], f"{question.id} gives it away"


def test_repr_is_stable_and_pages_without_widgets_show_text():
    asked, again = quiz.ask("05.q1"), quiz.ask("05.q1")
    assert repr(asked) == repr(again) == "Quiz('05.q1')"
    data, _ = asked._repr_mimebundle_()
    assert data["text/plain"] == "Quiz('05.q1')"
    assert "application/vnd.jupyter.widget-view+json" in data
    page = data["text/html"]
    assert page == again._repr_mimebundle_()[0]["text/html"]
    assert page.count("<li>") == 3 and "<summary>Answer</summary>B. Backward" in page
    data, _ = predict.guess("05.p3")._repr_mimebundle_()
    assert "A number from 0 to 4." in data["text/html"]


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: p.id)
def test_a_guess_is_noted_then_compared(prediction):
    made = predict.guess(prediction.id)
    assert made.guess is None and made.sentence == ""
    if prediction.options:
        made.choice = 1
        noted, outcome, other = prediction.options[1], 1, 0
    else:
        made.number = prediction.high
        noted, outcome, other = made._say(prediction.high), prediction.high, prediction.low
    assert made.sentence == f"Noted: {noted}. Go on, the outcome comes later."
    made.reveal(None)
    assert not made.settled
    assert made.reveal(outcome) is None
    assert made.settled and "guessed" in made.sentence
    assert made.sentence.endswith(prediction.because) and prediction.because.endswith(".")
    right = made.sentence
    made.reveal(other)
    assert made.sentence != right


def test_what_is_said_of_numbers_and_options():
    made = predict.guess("05.p1")
    made.reveal(0.421)
    assert made.sentence.startswith("No guess was made. It is 0.42. ")
    made = predict.guess("05.p1")
    made.number = 0.5
    made.reveal(0.421)
    assert made.sentence.startswith("Your guess was 0.50, it is 0.42: too high by 0.08. ")
    assert made.guess == 0.5
    made = predict.guess("05.p3")
    made.number = 0.5
    made.reveal(0.5)
    assert made.sentence.startswith("Your guess was 0.5 px, it is 0.5 px: you guessed it. ")
    made = predict.guess("05.p2")
    made.choice = 0
    made.reveal("occlusion")
    assert made.sentence.startswith("You guessed: Jacobian. It is: occlusion. ")
    assert repr(made) == "Guess('05.p2')"


@pytest.mark.parametrize(
    ("id", "outcome", "words"),
    [
        ("05.p1", float("nan"), "a finite number, not nan"),
        ("05.p1", "much", "a finite number, not 'much'"),
        ("05.p2", "the weather", "one of Jacobian, occlusion, equivariance"),
        ("05.p2", 7, "not 7"),
    ],
)
def test_an_impossible_outcome_is_one_sentence(id, outcome, words):
    made = predict.guess(id)
    with pytest.raises(AidagenError, match=words):
        made.reveal(outcome)
    assert not made.settled


def test_unknown_ids_and_ill_formed_material():
    with pytest.raises(AidagenError, match=r"no question '05.q9': 05.q1, 05.q2"):
        quiz.ask("05.q9")
    with pytest.raises(AidagenError, match="no prediction"):
        predict.guess("00.p9")
    option = material.Option("a", "b")
    with pytest.raises(AidagenError, match="not number 2"):
        material.Question("05.q1", "?", (option, option), 2)
    with pytest.raises(AidagenError, match="a range with a step"):
        material.Prediction("05.p1", "?", low=1, high=0)


# --- the panel in a browser ----------------------------------------------------------------------

SHOW = """async ([esm, css, state]) => {
  const source = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
  const { default: widget } = await import(source);
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  const listeners = {};
  window.saved = [];
  window.model = {
    get: (name) => state[name],
    set: (name, value) => {
      state[name] = value;
      (listeners[`change:${name}`] ?? []).forEach((listener) => listener());
    },
    save_changes: () => window.saved.push([state.choice, state.number]),
    on: (name, listener) => (listeners[name] ??= []).push(listener),
    off: (name, listener) => { listeners[name] = listeners[name].filter((l) => l !== listener); },
  };
  window.close = widget.render({ model: window.model, el: document.querySelector("main") });
}"""


def shown(chromium_page, panel):
    """The panel's own script in a bare page, with the widget's state and no kernel."""
    state = {
        name: getattr(panel, name)
        for name in (
            "text", "options", "limits", "feedback", "choice", "number", "shown", "sentence",
            "settled",
        )
    }  # fmt: skip
    chromium_page.set_default_timeout(120_000)
    chromium_page.goto("about:blank")
    chromium_page.set_content('<!doctype html><html lang="en"><title>a</title><main></main></html>')
    chromium_page.evaluate(SHOW, [asking.ESM, asking.CSS, state])
    return chromium_page


@pytest.mark.browser
@pytest.mark.skipif(chromium() is None and not os.environ.get("CI"), reason="no Chromium")
def test_the_panel_answers_keys_and_mouse_without_a_kernel():
    question = material.find(material.Question, "05.q1")
    with page() as tab:
        shown(tab, quiz.Quiz(question))
        group = tab.get_by_role("group", name=question.text)
        assert group.get_by_role("radio").count() == 3
        status = tab.get_by_role("status")
        assert status.text_content() == "" and status.get_attribute("aria-live") == "polite"
        tab.keyboard.press("Tab")
        tab.keyboard.press("Space")
        assert tab.evaluate("window.saved") == [[0, None]]
        assert status.text_content() == f"Not this one. {question.options[0].feedback}"
        tab.keyboard.press("ArrowDown")
        assert tab.evaluate("window.saved")[-1] == [1, None]
        assert status.text_content() == f"Right. {question.options[1].feedback}"
        assert group.get_by_role("radio", name=question.options[1].text).is_checked()
        tab.get_by_text(question.options[2].text).click()
        assert tab.evaluate("window.saved")[-1] == [2, None]
        tab.evaluate("window.model.set('choice', 0)")
        assert group.get_by_role("radio").first.is_checked(), "what Python sets is shown"

        made = predict.guess("05.p3")
        shown(tab, made)
        slider = tab.get_by_role("slider", name="Your guess")
        slider.focus()
        tab.keyboard.press("ArrowRight")
        _, number = tab.evaluate("window.saved")[-1]
        assert 2.0 < number < 2.2
        made.number = number
        tab.evaluate(f"window.model.set('shown', {json.dumps(made.shown)})")
        tab.evaluate(f"window.model.set('sentence', {json.dumps(made.sentence)})")
        assert tab.get_by_role("status").text_content().startswith("Noted: 2.1 px.")
        assert tab.locator("output").text_content() == "2.1 px"
        tab.evaluate("window.model.set('settled', true)")
        assert slider.is_disabled()


@pytest.mark.browser
@pytest.mark.skipif(chromium() is None and not os.environ.get("CI"), reason="no Chromium")
def test_axe_finds_nothing_serious_in_the_panel():
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with page() as tab:
        for panel in (quiz.ask("05.q2"), predict.guess("05.p1"), predict.guess("05.p2")):
            shown(tab, panel)
            found = axe.run(tab).response["violations"]
            bad = [v["id"] for v in found if v["impact"] in ("serious", "critical")]
            assert bad == [], f"{panel}: {bad}"
        tab.evaluate(
            "document.querySelector('input').parentElement.replaceWith("
            "document.querySelector('input'))"
        )
        found = {v["id"] for v in axe.run(tab).response["violations"]}
        assert "label" in found, "a radio button without a label would be seen"


ASK = """from aidagen.teaching import predict, quiz
asked, guessed = quiz.ask("05.q1"), predict.guess("05.p1")
asked"""
LATER = """guessed.reveal(0.42)
print(asked.choice, asked.right, guessed.settled)"""


@pytest.mark.browser
@pytest.mark.skipif(chromium() is None and not os.environ.get("CI"), reason="no Chromium")
def test_a_question_in_jupyterlab_keeps_its_keys_and_tells_python(tmp_path):
    write_notebook(tmp_path / "notebooks" / "99_ask.ipynb", [ASK, "guessed", LATER])
    with server(tmp_path) as address, page() as tab:
        lab = LabPage(tab, address)
        lab.open("notebooks/99_ask.ipynb")
        lab.run_all()
        assert lab.failures() == []
        radios = tab.get_by_role("radio")
        assert radios.count() == 3
        radios.first.focus()
        tab.keyboard.press("Space")
        tab.keyboard.press("ArrowDown")  # JupyterLab would go to the next cell
        expect(radios.nth(1)).to_be_checked()
        tab.get_by_text("Right. Backward warping").wait_for()
        tab.get_by_text("No guess was made. It is 0.42.").wait_for()
        assert tab.get_by_role("slider", name="Your guess").is_disabled()
        tab.locator(".jp-CodeCell").nth(2).click()
        lab.menu("Run", "Run Selected Cell")
        tab.get_by_text("1 True True").wait_for()
        assert lab.console == []
