"""Watching a training: it ends in time, shows the time left, and leaves one picture."""

import pytest

from aidagen.errors import AidagenError
from aidagen.teaching.watching import Watch


class Handle:
    def __init__(self, shown):
        self.shown = [shown]

    def update(self, shown):
        self.shown.append(shown)


@pytest.fixture
def screen(monkeypatch):
    """The outputs that IPython would show: handles, in the order of their making."""
    handles = []

    def display(shown, display_id):
        assert display_id is True  # updates replace; nothing is added to the page
        handles.append(Handle(shown))
        return handles[-1]

    monkeypatch.setattr("IPython.display.display", display)
    return handles


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def watched(steps, seconds, each, every=3.0):
    """A training whose steps take ``each`` seconds; (the watch, how often it drew)."""
    clock, drawings = Clock(), []

    def draw():
        drawings.append(watch.done)
        return f"picture after {watch.done}"

    watch = Watch(steps, seconds, draw, every, clock=clock)
    for number in watch:
        clock.now += each
        watch.note({"loss": 1.0 / (number + 1)})
    return watch, drawings


def test_it_ends_with_its_steps_and_draws_every_few_seconds(screen):
    watch, drawings = watched(steps=10, seconds=60, each=1.0)
    assert watch.done == len(watch.history) == 10
    assert drawings == [0, 3, 6, 9, 10]  # first, every 3 s, and the end
    bar, picture = screen
    assert picture.shown[-1] == "picture after 10" and len(picture.shown) == 5
    assert bar.shown[-1].data == "Trained for 10 steps."
    moving = [shown.data for shown in bar.shown[:-1]]
    assert all("<progress" in html and "aria-label" in html for html in moving)
    assert "Step 4 of 10, about 6 s left" in moving[4]


def test_it_ends_with_its_time(screen):
    watch, _ = watched(steps=1000, seconds=20, each=2.0)
    assert watch.done == 10
    assert "10 steps of 1000" in screen[0].shown[-1].data
    share, words = watch.progress(15.0)
    assert share == 0.75 and words.endswith("about 5 s left")


def test_an_interrupt_leaves_the_last_picture(screen):
    watch = Watch(5, 60, lambda: f"picture after {watch.done}")
    with pytest.raises(KeyboardInterrupt):
        for number in watch:
            if number == 2:
                raise KeyboardInterrupt
    assert screen[1].shown[-1] == "picture after 2"
    assert "2 steps of 5" in screen[0].shown[-1].data


def test_without_a_notebook_it_only_counts(monkeypatch):
    monkeypatch.setattr("IPython.display.display", lambda shown, display_id: None)
    watch = Watch(3, 60, lambda: "picture")
    assert list(watch) == [0, 1, 2]


@pytest.mark.parametrize("wrong", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_what_cannot_be_watched_is_said(wrong):
    steps, seconds, every = wrong
    with pytest.raises(AidagenError, match="at least one step"):
        Watch(steps, seconds, lambda: None, every)
