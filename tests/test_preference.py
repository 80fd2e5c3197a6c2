"""The preference study as raters meet it: the widget's Python side, then both in Chromium.

The browser tests drive a real JupyterLab, and the static page as a file without any server.
"""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import study_material as material
from browser import LabPage, chromium, page, server, write_notebook
from study_material import METHODS, keen

from aidagen import study
from aidagen.study import StudyError
from aidagen.widgets.preference import NEW, Preference

ROOT = Path(__file__).resolve().parents[1]
SCREENSHOTS = ROOT / "build" / "screenshots"
in_a_browser = pytest.mark.skipif(
    chromium() is None and not os.environ.get("CI"),
    reason="there is no Chromium: sh data_scripts/install_system_packages.sh",
)


@pytest.fixture(scope="module")
def clips():
    return material.clips()


@pytest.fixture(scope="module")
def plan(clips):
    return study.plan(clips.items, METHODS[1:], name="small", checks=2)


@pytest.fixture
def made(plan, clips, tmp_path):
    return Preference(plan, clips, tmp_path / "votes", size=32)


# ------------------------------------------------------------------------------- Python's side


def heard(widget, act, pair=None):
    """What arrives when a button is pressed in the browser."""
    widget.ballot._handle_custom_msg({"act": act, "pair": pair}, [])


def test_from_consent_to_thanks(made, plan, tmp_path):
    assert made.stage == "consent" and repr(made) == "Preference('small', no consent)"
    assert not (tmp_path / "votes").exists(), "nothing is kept before consent"
    with pytest.raises(StudyError, match="nothing to vote on"):
        made.vote("left")
    heard(made, "agree")
    assert made.stage == "vote" and re.fullmatch(r"[a-z2-9]{8}", made.rater)
    expected = keen(plan, made.rater)
    for number, choice in enumerate(expected.chosen, start=1):
        heard(made, choice, made.shown.pair)
        path = study.path_of(tmp_path / "votes", made.rater)
        assert study.read_votes(path, plan).chosen == expected.chosen[:number], "at once"
        said = f"Vote {number} is" if number < 4 else "All your votes are"
        assert made.sentence == f"{said} saved."
    assert made.stage == "done" and repr(made) == "Preference('small', 4 of 4)"
    assert made.ballot.left == made.ballot.reference == b""
    result = study.analyse(plan, study.gather(tmp_path / "votes", plan), draws=50)
    assert result.comparisons[0].share == 0.0 and result.kept == 1


def test_the_browser_is_told_nothing(made):
    made.agree()
    told = []
    for _ in range(3):
        state = made.ballot.get_state()
        told.append(json.dumps(state["view"]).lower())
        clips = [bytes(state[side]) for side in ("reference", "left", "right")]
        assert all(b"ftyp" in clip[:16] for clip in clips)
        told += [str(clip).lower() for clip in clips]
        made.vote("left")
    words = (*METHODS, "item-", "frozen", "shuffled")
    assert not any(word in text for text in told for word in words)
    assert not any(word in str(made.who.options).lower() for word in words)


def test_a_late_or_odd_message_changes_nothing(made):
    made.agree()
    gone = made.shown.pair
    heard(made, "left", gone)
    heard(made, "left", gone)  # the second click of a double click
    assert made.done == 1
    heard(made, "both", made.shown.pair)
    assert made.done == 1 and "Vote left or right, not 'both'" in made.sentence
    heard(made, "tie", made.shown.pair)
    heard(made, None)
    heard(made, "agree")
    assert made.done == 1


def test_votes_are_taken_back_and_deleted(made, tmp_path):
    made.agree()
    first = made.shown
    path = study.path_of(tmp_path / "votes", made.rater)
    heard(made, "undo")
    assert made.sentence == "There is no vote to take back."
    made.vote("left")
    heard(made, "undo")
    assert (made.done, made.shown) == (0, first)
    assert json.loads(path.read_text())["votes"] == []
    made.vote("right")
    heard(made, "remove")
    assert made.stage == "consent" and made.rater == "" and not path.exists()


def test_a_new_cell_goes_on_where_the_folder_stops(made, plan, clips, tmp_path):
    made.agree()
    made.vote("left")
    folder, rater = tmp_path / "votes", made.rater
    again = Preference(plan, clips, folder, size=32)
    assert (again.rater, again.done, again.shown) == (rater, 1, made.shown)
    assert again.sentence.startswith("Welcome back: 1 of 4 votes are saved.")
    for _ in range(3):
        again.vote("left")
    fresh = Preference(plan, clips, folder, size=32)
    assert fresh.stage == "consent", "who has finished is not asked again"
    fresh.agree()
    assert fresh.rater != rater
    labels = [label for label, _ in fresh.who.options]
    assert labels[0] == NEW and f"{rater}: 4 of 4 votes" in labels
    fresh.who.value = rater
    assert fresh.stage == "done" and fresh.sentence == "All your votes are saved."
    fresh.who.value = ""
    assert fresh.stage == "consent" and fresh.rater == ""
    assert Preference(plan, clips, folder, rater, size=32).stage == "done"
    with pytest.raises(StudyError, match="could not be read"):
        Preference(plan, clips, folder, "nobodyyy", size=32)


def test_two_notebooks_on_one_folder_erase_nothing(made, plan, clips, tmp_path):
    made.agree()
    made.vote("left")
    folder, rater = tmp_path / "votes", made.rater
    other = Preference(plan, clips, folder, size=32)
    assert "choose 'somebody new' under Who votes" in other.sentence, "it asks who votes"
    other.vote("right")
    other.vote("left")
    made.vote("right")
    assert "changed these votes in the meantime" in made.sentence
    expected = ("left", "right", "left")
    assert study.read_votes(study.path_of(folder, rater), plan).chosen == expected
    assert made.done == 3 and made.shown == other.shown, "it goes on from what the folder holds"
    made.vote("right")
    other.undo()
    assert other.stage == "done", "the vote of the other notebook is not taken back unseen"
    made.remove()
    other.undo()
    assert other.stage == "consent" and "deleted these votes" in other.sentence
    assert list(folder.iterdir()) == [], "deleted votes do not come back"


def test_trouble_with_files_is_a_sentence(made, plan, clips, tmp_path, monkeypatch):
    made.agree()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    turn = made.ballot.view["turn"]
    monkeypatch.setattr(os, "fsync", full)
    heard(made, "left", made.shown.pair)
    assert made.done == 0 and "no space left on device" in made.sentence
    assert made.ballot.view["turn"] > turn, "the page hears of it"
    monkeypatch.undo()
    heard(made, "left", made.shown.pair)
    assert made.done == 1
    path = study.path_of(tmp_path / "votes", made.rater)

    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "unlink", read_only)
        heard(made, "remove")
    assert made.done == 1 and "could not be deleted (read-only file system)" in made.sentence
    path.write_text("{")
    fresh = Preference(plan, clips, tmp_path / "votes", size=32)
    assert fresh.stage == "consent" and "is not JSON" in fresh.sentence
    assert path.read_text() == "{", "a damaged file is left as it is"


def test_a_pair_as_a_picture(made, plan):
    pixels = np.asarray(made.figure(64))
    assert pixels.shape[0] > 3 * 64 and pixels.shape[1] > 3 * 64
    assert made.rater == "" and made.stage == "consent", "looking is no vote"


# ---------------------------------------------------------------------------- the widget in Lab

SETUP = f"""import json, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import study_material as material
from aidagen import study
from aidagen.widgets.preference import Preference
clips = material.clips()
plan = study.plan(clips.items, material.METHODS[1:], name="small", checks=2)"""
SHOW = 'made = Preference(plan, clips, "votes")\nmade'
STATE = "print(json.dumps([made.rater, made.done, made.stage]))"


def says(tab, area, wanted):
    status = area.get_by_role("status").first
    end = 2400
    while not re.search(wanted, status.inner_text()):
        end -= 1
        assert end, f"{wanted!r} does not appear: {status.inner_text()!r}"
        tab.wait_for_timeout(50)


def watch(tab, area):
    """Play until the vote is open."""
    if area.get_by_role("button", name="Play").is_visible():
        area.get_by_role("button", name="Play").click()
    button = area.get_by_role("button", name="A is better")
    tab.wait_for_function("node => node.getAttribute('aria-disabled') === 'false'",
                          arg=button.element_handle(), timeout=120_000)  # fmt: skip


@pytest.mark.browser
@in_a_browser
def test_the_widget_in_jupyterlab(tmp_path):
    write_notebook(tmp_path / "notebooks" / "99_study.ipynb", [SETUP, SHOW, STATE])
    with server(tmp_path) as address, page(1280, 1000) as tab:
        lab = LabPage(tab, address)
        lab.open("notebooks/99_study.ipynb")
        lab.run_all()
        assert lab.failures() == []
        area = lab.output(2)
        area.get_by_role("heading", name="Before you begin").wait_for()
        area.screenshot(path=str(shot("study_widget_consent")))
        area.get_by_role("button", name="Begin").click(force=True)  # aria-disabled
        says(tab, area, "Tick the sentence above first")
        area.get_by_role("checkbox").focus()
        tab.keyboard.press("Space")
        area.get_by_role("button", name="Begin").focus()
        tab.keyboard.press("Enter")
        says(tab, area, "Press Play")
        area.get_by_role("button", name="A is better").click(force=True)
        says(tab, area, "Watch the clips to their end once")
        watch(tab, area)
        apart = tab.evaluate(
            "() => { const t = [...document.querySelectorAll('.aidagen-ballot video')]"
            ".map(v => v.currentTime); return Math.max(...t) - Math.min(...t); }"
        )
        assert apart < 0.2, "the three clips play in step"
        area.screenshot(path=str(shot("study_widget_vote")))
        cells = tab.locator(".jp-Notebook .jp-CodeCell").count()
        tab.keyboard.press("b")
        says(tab, area, "Vote 1 is saved")
        assert tab.locator(".jp-Notebook .jp-CodeCell").count() == cells, "B is the ballot's"
        rater, done, stage = json.loads(lab.run_cell(3))
        assert (done, stage) == (1, "vote")
        held = json.loads((tmp_path / "notebooks" / "votes" / f"votes-{rater}.json").read_text())
        assert [vote["chosen"] for vote in held["votes"]] == ["right"]
        html = tab.content().lower()
        assert not any(f"{method}" in html.replace("material.methods", "") for method in METHODS)
        lab.page.evaluate(
            "() => document.querySelector('.aidagen-ballot').setAttribute('data-looked-at', '1')"
        )
        assert lab.accessibility("[data-looked-at]") == []
        lab.run_cell(2)  # a new widget, as after a restart: it goes on where the folder stops
        area = lab.output(2)
        says(tab, area, "Welcome back: 1 of 4 votes are saved")
        watch(tab, area)
        area.get_by_role("button", name="A is better").click()
        says(tab, area, "Vote 2 is saved")
        area.get_by_role("button", name="Take back the last vote").click()
        says(tab, area, "Vote 2 is taken back")
        for number in (2, 3, 4):
            watch(tab, area)
            area.get_by_role("button", name="A is better").click()
            says(tab, area, f"Vote {number} is saved" if number < 4 else "All your votes are saved")
        area.get_by_role("heading", name="Thank you").wait_for()
        area.screenshot(path=str(shot("study_widget_done")))
        assert json.loads(lab.run_cell(3)) == [rater, 4, "done"]
        tab.once("dialog", lambda dialog: dialog.accept())
        area.get_by_role("button", name="Stop and delete my votes").click()
        says(tab, area, "Your votes are deleted")
        assert list((tmp_path / "notebooks" / "votes").iterdir()) == []
        assert lab.console == []


# ------------------------------------------------------------------------------ the static page


def shot(name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS / f"{name}.png"


@pytest.mark.browser
@in_a_browser
def test_the_page_keeps_votes_and_exports_them(plan, clips, tmp_path):
    from axe_playwright_python.sync_playwright import Axe

    file = study.page(plan, clips, tmp_path / "study.html")
    with page(1000, 900) as tab:
        asked, console = [], []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda m: console.append(m.text) if m.type == "error" else None)
        tab.on("pageerror", lambda error: console.append(str(error)))
        tab.goto(file.as_uri())
        main = tab.locator("main")
        tab.screenshot(path=str(shot("study_page_consent")))
        download = main.get_by_role("button", name="Download my votes")
        assert not download.is_visible()
        main.get_by_role("checkbox").check()
        main.get_by_role("button", name="Begin").click()
        watch(tab, main)
        tab.screenshot(path=str(shot("study_page_vote")))
        tab.keyboard.press("a")
        says(tab, main, "Vote 1 is saved in this browser")
        watch(tab, main)
        main.get_by_role("button", name="B is better").click()
        says(tab, main, "Vote 2 is saved in this browser")
        tab.reload()
        says(tab, main, "Welcome back: 2 votes are kept")
        assert "pair 3 of 4" in main.inner_text()
        axe = Axe().run(tab).response["violations"]
        assert [v["id"] for v in axe if v["impact"] in ("serious", "critical")] == []
        for number in (3, 4):
            watch(tab, main)
            tab.keyboard.press("a")
            says(tab, main, f"Vote {number} is saved" if number < 4 else "All 4 votes are saved")
        main.get_by_role("heading", name="Thank you").wait_for()
        tab.screenshot(path=str(shot("study_page_done")))
        with tab.expect_download() as got:
            download.click()
        target = tmp_path / got.value.suggested_filename
        got.value.save_as(target)
        votes = study.read_votes(target, plan)  # order and sides are those that Python expects
        assert votes.chosen == ("left", "right", "left", "left")
        assert target == study.path_of(tmp_path, votes.rater)
        text = target.read_text().lower()
        assert not any(word in text for word in (*METHODS, "item-", "frozen", "mozilla"))
        assert not any(method in tab.content().lower() for method in METHODS)
        tab.once("dialog", lambda dialog: dialog.accept())
        main.get_by_role("button", name="Stop and delete my votes").click()
        says(tab, main, "Your votes are deleted")
        assert tab.evaluate("() => localStorage.length") == 0
        away = [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
        assert away == [], "the page asks nobody for anything"
        assert console == []


@pytest.mark.browser
@in_a_browser
def test_python_and_the_page_draw_the_same_order(plan, clips, tmp_path):
    file = study.page(plan, clips, tmp_path / "study.html")
    with page() as tab:
        tab.goto(file.as_uri())
        for code in ("abcdefgh", "zzzzzzzz", "q2w3e4r5"):
            drawn = tab.evaluate("rater => schedule(rater)", code)
            wanted = [shown._asdict() for shown in plan.schedule(code)]
            assert drawn == wanted
        codes = tab.evaluate("() => Array.from({ length: 200 }, newCode)")
        assert len(set(codes)) == 200
        assert all(re.fullmatch("[a-z2-9]{8}", code) for code in codes)


@pytest.mark.browser
@in_a_browser
def test_two_tabs_do_not_lose_each_others_votes(plan, clips, tmp_path):
    file = study.page(plan, clips, tmp_path / "study.html")
    with page() as tab:
        tab.goto(file.as_uri())
        main = tab.locator("main")
        main.get_by_role("checkbox").check()
        main.get_by_role("button", name="Begin").click()
        watch(tab, main)
        tab.evaluate(  # what a vote in another tab leaves in the store
            """key => {
              const held = JSON.parse(localStorage.getItem(key));
              const { reference, ...shown } = schedule(held.rater)[0];
              held.votes.push({ ...shown, chosen: "right" });
              localStorage.setItem(key, JSON.stringify(held));
            }""",
            f"aidagen-{plan.id}",
        )
        tab.keyboard.press("a")
        says(tab, main, "Another tab went on")
        assert "pair 2 of 4" in main.inner_text()
        watch(tab, main)
        tab.keyboard.press("a")
        says(tab, main, "Vote 2 is saved")
        kept = json.loads(tab.evaluate("key => localStorage.getItem(key)", f"aidagen-{plan.id}"))
        assert [vote["chosen"] for vote in kept["votes"]] == ["right", "left"]


@pytest.mark.browser
@in_a_browser
def test_a_damaged_store_begins_anew_and_a_blocked_one_says_so(plan, clips, tmp_path):
    file = study.page(plan, clips, tmp_path / "study.html")
    with page(480, 900) as tab:
        tab.goto(file.as_uri())
        for damaged in ("{", '{"votes": [1]}', "null", '{"rater": 5}'):
            tab.evaluate("([k, v]) => localStorage.setItem(k, v)", [f"aidagen-{plan.id}", damaged])
            tab.reload()
            tab.get_by_role("heading", name="Before you begin").wait_for()
        tab.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
        tab.get_by_role("checkbox").check()
        tab.get_by_role("button", name="Begin").click()
        says(tab, tab.locator("main"), "This browser keeps no votes")
        watch(tab, tab.locator("main"))
        tab.screenshot(path=str(shot("study_page_narrow")), full_page=True)
