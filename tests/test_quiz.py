"""Questions and predictions: as Python objects, and their panel in a browser, by keyboard."""

import base64
import html
import json
import os
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from browser import LabPage, chromium, page, server, show_widget, write_notebook
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import HTML, display
from PIL import Image
from playwright.sync_api import expect

from aidagen.errors import AidagenError
from aidagen.teaching import asking, covered, material, predict, quiz

SCREENSHOTS = Path(__file__).resolve().parents[1] / "build" / "screenshots"
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


def outcomes(prediction):
    """A guess, the outcome that it hits, and another outcome."""
    if prediction.options:
        return 1, prediction.options[1], 0
    return prediction.high, prediction.high, prediction.low


def make(guess, value):
    setattr(guess, "choice" if guess.options else "number", value)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: p.id)
def test_a_guess_is_noted_then_compared(prediction):
    made = predict.guess(prediction.id)
    assert made.guess is None and made.sentence == ""
    value, outcome, other = outcomes(prediction)
    make(made, value)
    noted = prediction.options[1] if prediction.options else made._say(prediction.high)
    assert made.sentence == f"Noted: {noted}. Go on, the outcome comes later."
    made.reveal(None)
    assert not made.settled
    assert not made.reveal(outcome).covered
    assert made.settled and "guessed" in made.sentence
    assert made.sentence.endswith(prediction.because) and prediction.because.endswith(".")
    right = made.sentence
    made.reveal(other)
    assert made.sentence != right


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: p.id)
def test_without_a_guess_a_prediction_stays_open(prediction):
    """As after Run All: the outcome is there, and the page does not hold it."""
    made = predict.guess(prediction.id)
    value, outcome, _ = outcomes(prediction)
    place = made.reveal(outcome, "what gives it away")
    assert place.covered and made.ready and not made.settled
    assert made.sentence == predict.READY
    page = json.dumps([made.get_state(), place._repr_mimebundle_()[0]], default=repr)
    assert prediction.because not in page and html.escape(prediction.because) not in page
    assert place.static() == (
        f"<p><strong>{html.escape(prediction.text)}</strong></p><p>{covered.COVER}</p>"
    )
    make(made, value)
    assert made.sentence.endswith("Show the outcome when you are sure.")
    assert not made.settled and place.covered, "a slider passes many numbers on its way"
    made.asked = True
    assert made.settled and not place.covered and not made.asked
    assert "guessed" in made.sentence
    assert html.escape(prediction.because) in place.static()


def test_a_guess_can_be_waived():
    made = predict.guess("05.p1")
    first, second = made.reveal(0.421), made.reveal(0.421)
    made.asked = True
    assert made.sentence.startswith("No guess was made. It is 0.42. ")
    assert made.settled and not first.covered and not second.covered
    made = predict.guess("05.p1")
    made.asked = True
    assert not made.settled and made.sentence == "", "there is nothing to see yet"
    place = made.reveal(None, "no outcome in this profile")
    assert place.covered and not made.settled


def test_what_is_said_of_numbers_and_options():
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


# --- what a covered place holds -------------------------------------------------------------------


@pytest.fixture
def shell():
    """An IPython without a screen, as `get_ipython()` finds it."""
    old, own = InteractiveShell._instance, InteractiveShell()
    InteractiveShell._instance = own
    own.display_formatter.ipython_display_formatter.enabled = True
    own.display_formatter.active_types = own.display_formatter.format_types
    yield own
    InteractiveShell._instance = old


def test_a_covered_place_holds_whatever_a_cell_can_show(shell, capsys):
    def draw():
        print("a printed line")
        display({"text/plain": "shown on the way"}, raw=True)
        plt.figure()
        return HTML("<b>at the end</b>")

    plt.close("all")
    outputs = covered.held(draw)
    assert capsys.readouterr().out == "", "nothing shows before it is uncovered"
    assert outputs[0] == {"output_type": "stream", "name": "stdout", "text": "a printed line\n"}
    assert outputs[1]["data"] == {"text/plain": "shown on the way"}
    assert "Figure" in outputs[2]["data"]["text/plain"]
    assert outputs[3]["data"]["text/html"] == "<b>at the end</b>"
    assert plt.get_fignums() == [], "an open figure would be shown by the cell"

    (picture,) = covered.held(Image.new("RGB", (2, 2)))
    assert base64.b64decode(picture["data"]["image/png"]).startswith(b"\x89PNG")
    figure = plt.figure()
    (drawn,) = covered.held(figure)
    assert "Figure" in drawn["data"]["text/plain"] and plt.get_fignums() == []
    assert covered.held(lambda: None) == []
    with pytest.raises(ZeroDivisionError):
        covered.held(lambda: 1 / 0)


def test_a_place_gives_its_outputs_when_it_is_uncovered(shell):
    made = predict.guess("05.p2")
    place = made.reveal("occlusion", HTML("<b>a table</b>"))
    data, _ = place._repr_mimebundle_()
    assert data["text/plain"] == "Covered('05.p2')"
    assert "application/vnd.jupyter.widget-view+json" in data
    output = place._box.children[1]
    assert output.outputs == ()
    made.choice = 2
    made.asked = True
    (shown_now,) = output.outputs
    assert shown_now["data"]["text/html"] == "<b>a table</b>"
    later = made.reveal("occlusion", HTML("<b>another</b>"))
    assert not later.covered and "You guessed: equivariance" in later.static()
    later._repr_mimebundle_()
    assert later._box.children[1].outputs[0]["data"]["text/html"] == "<b>another</b>"


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

def shown(chromium_page, panel):
    """The panel's own script in a bare page, with the widget's state and no kernel."""
    state = {
        name: getattr(panel, name)
        for name in (
            "text", "options", "limits", "feedback", "choice", "number", "shown", "sentence",
            "settled", "ready", "asked",
        )
    }  # fmt: skip
    chromium_page.set_default_timeout(120_000)
    chromium_page.goto("about:blank")
    chromium_page.set_content('<!doctype html><html lang="en"><title>a</title><main></main></html>')
    show_widget(chromium_page, asking.Asking, state, watched=("choice", "number"))
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
        show = tab.get_by_role("button")
        assert show.count() == 0, "there is no outcome yet"
        tab.evaluate("window.model.set('ready', true)")
        assert show.text_content() == "Show the outcome"
        tab.evaluate("window.model.set('number', null)")
        assert show.text_content() == "Show without a guess"
        tab.keyboard.press("Tab")
        tab.keyboard.press("Enter")
        assert tab.evaluate("window.model.get('asked')") is True
        assert "run the cells above" in tab.get_by_role("status").text_content()
        tab.evaluate("window.model.set('settled', true)")
        assert slider.is_disabled() and show.count() == 0


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


ASK = """from IPython.display import HTML
from aidagen.teaching import predict, quiz
asked, first, second = quiz.ask("05.q1"), predict.guess("05.p1"), predict.guess("05.p3")
asked"""
FIRST = """first.reveal(0.42, lambda: HTML("<table><tr><td>the first table</td></tr></table>"))"""
SECOND = """import matplotlib.pyplot as plt
def drawn():
    print("the second line")
    fig, ax = plt.subplots(figsize=(2, 1))
    return fig
second.reveal(0.5, drawn)"""
STATE = "print(asked.choice, asked.right, first.settled, first.guess, second.settled)"


@pytest.mark.browser
@pytest.mark.skipif(chromium() is None and not os.environ.get("CI"), reason="no Chromium")
def test_questions_and_predictions_in_jupyterlab(tmp_path):
    """Keys stay in the panel; Run All leaves predictions open; a guess or a waiver opens them."""
    cells = [ASK, "first", "second", FIRST, SECOND, STATE]
    write_notebook(tmp_path / "notebooks" / "99_ask.ipynb", cells)
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

        for number in (2, 3, 4, 5):
            area = lab.output(number)
            assert area.get_by_role("slider").is_enabled()
            area.get_by_role("button", name="Show without a guess").wait_for()
        said = lab.text()
        for words in ("the first table", "the second line", "0.42", "No guess was made"):
            assert words not in said.replace(FIRST, "").replace(SECOND, "")
        assert lab.output(5).locator("img").count() == 0

        place = lab.output(4)
        slider = place.get_by_role("slider", name="Your guess")
        slider.focus()
        for _ in range(3):
            tab.keyboard.press("ArrowRight")
        lab.wait_text(place, r"Noted: 0\.53")
        assert place.get_by_text("the first table").count() == 0
        tab.keyboard.press("Tab")
        tab.keyboard.press("Enter")
        place.get_by_text("the first table").wait_for()
        lab.wait_text(place, r"Your guess was 0\.53, it is 0\.42: too high by 0\.11")
        lab.wait_text(lab.output(2), "Your guess was 0.53")
        assert slider.is_disabled()

        waived = lab.output(5)
        assert "No guess" not in waived.inner_text()
        waived.get_by_role("button", name="Show without a guess").click()
        lab.wait_text(waived, r"the second line")
        lab.wait_text(waived, r"No guess was made\. It is 0\.5 px\.")
        waived.locator("img").wait_for()
        lab.screenshot(SCREENSHOTS / "predictions.png")
        assert lab.run_cell(6).strip() == "1 True True 0.53 True"
        assert lab.console == []
