"""The playground's Python side: worlds, episodes, clips, and what the browser is answered."""

import io
import sys
from dataclasses import replace
from unittest import mock

import av
import numpy as np
import pytest
import small_games
import torch
from PIL import Image

from aidagen import zoo
from aidagen.datasets import breakout, tennis
from aidagen.errors import AidagenError
from aidagen.models.playable import Playable
from aidagen.widgets import episodes, worlds
from aidagen.widgets.episodes import ActionMap, Episode, Pace
from aidagen.widgets.playground import Playground, script
from aidagen.widgets.worlds import PlayWorld

LEFT_STAY_RIGHT = ("left", "stay", "right")
SIZE = (16, 32)


def tiny(seed=0, **changes):
    torch.manual_seed(seed)
    return small_games.lively(Playable(replace(small_games.TINY, **changes)))


def frames(count=2, height=16, width=32):
    return (
        small_games.Bars(count, height, width).draw(1, torch.Generator().manual_seed(3)).frames[0]
    )


@pytest.fixture(scope="module")
def model():
    return tiny()


@pytest.fixture(scope="module")
def square():
    """A fresh model of Breakout's size."""
    return tiny(height=64, width=64, dimensions=1)


@pytest.fixture
def world(model):
    return PlayWorld(model, frames(), LEFT_STAY_RIGHT, name="bars")


@pytest.fixture(scope="module")
def live(square):
    return PlayWorld.live(square, breakout.Breakout(), LEFT_STAY_RIGHT, count=2)


@pytest.fixture
def playground(world, model):
    other = PlayWorld(model, frames(3), name="other")
    return Playground({"Bars": world, "Other bars": other})


class Browser:
    """What the script asks, and what it is answered: (words, pictures) of each message."""

    def __init__(self, stage):
        self.stage, self.turn = stage, 0

    def ask(self, **request):
        self.turn += 1
        return self.send(view="v", turn=self.turn, episode=self.stage.page["episode"], **request)

    def send(self, **message):
        heard = []
        with mock.patch.object(
            self.stage, "send", lambda words, buffers: heard.append((words, buffers))
        ):
            self.stage._handle_custom_msg(message, [])
        return heard


# --- worlds --------------------------------------------------------------------------------------


def test_a_live_world_begins_where_the_game_does(live):
    assert live.frames.shape == (2, 3, 64, 64) and live.true == (1, 0, 2) and live.stay == 1
    for start in range(2):
        live.console.game.restoreState(live.states[start])
        places = live.console.places()
        assert abs(places["paddle"][0]) < worlds.MIDDLE and not np.isnan(places["ball"]).any()
        seen = (255 * live.frames[start]).permute(1, 2, 0).numpy()
        assert paddle(seen) == pytest.approx((places["paddle"][0] + 1) / 2 * 63, abs=1.5)


def test_true_actions_may_be_given(square, live):
    more = {"console": live.console, "states": live.states}
    given = PlayWorld(square, live.frames, true={0: 2, 1: 2, 2: 0}, **more)
    assert given.true == (2, 2, 0) and given.pressed(0) == "right" and given.called(0) == "1"
    assert PlayWorld(square, live.frames, true=np.array([0, 1, 2]), **more).true == (0, 1, 2)
    with pytest.raises(AidagenError, match="called ''; say in `true` which of stay, left, right"):
        PlayWorld(square, live.frames, **more)
    for wrong in ({0: 1}, [0, 1], [0, 1, 3], 5):
        with pytest.raises(AidagenError, match="`true` says for each of 3 learned actions"):
            PlayWorld(square, live.frames, true=wrong, **more)
    with pytest.raises(AidagenError, match="1 states of the emulator came with 2 first frames"):
        PlayWorld(square, live.frames, LEFT_STAY_RIGHT, console=live.console,
                  states=live.states[:1])  # fmt: skip


def test_parts_that_do_not_fit_are_refused_in_words(model):
    with pytest.raises(AidagenError, match="A Linear cannot be played"):
        PlayWorld(torch.nn.Linear(1, 1), frames())
    with pytest.raises(
        AidagenError, match=r"First frames \(N, 3, 16, 32\) were expected; got \(3,"
    ):
        PlayWorld(model, frames()[0])
    with pytest.raises(AidagenError, match="2 words came with 3 actions"):
        PlayWorld(model, frames(), ("left", "right"))


def test_moments_of_tennis_are_of_a_rally():
    court = tennis.Tennis()
    found, states = worlds.moments(court, 2)
    assert found.shape == (2, 3, 64, 96)
    for state in states:
        court.game.restoreState(state)
        assert court.near and (np.abs(court.places()["player"]) <= worlds.MIDDLE).all()
        before = court.places()["player"]
        for _ in range(3):
            court.press(tennis.Tennis.ACTIONS.index("right"))
        assert court.places()["player"][0] > before[0] + 0.05


class Bars:
    """A set without files."""

    def __init__(self, count=4):
        generator = torch.Generator().manual_seed(1)
        self.drawn = small_games.Bars(8, 64, 64).draw(count, generator)

    def clips(self, split):
        return [Clip(frames) for frames in self.drawn.frames]


class Clip:
    def __init__(self, frames):
        self._frames = (255 * frames).byte()

    def frames(self, start=0, count=None):
        return self._frames[start:][:count]


def test_an_action_whose_steps_disagree_has_no_word(square, monkeypatch):
    pairs = [(0, 0)] * 9 + [(1, 1)] * 9 + [(2, 0)] * 3 + [(2, 2)] + [(2, 1)] * 2
    learned, true = (np.array(column) for column in zip(*pairs))
    stand_in = type("Steps", (), {"learned": learned, "true": true})
    monkeypatch.setattr(worlds, "steps", lambda *_: stand_in)
    monkeypatch.setattr(worlds, "film", lambda *_: None)
    found = worlds.measured(square, "breakout", Bars())
    assert found.words == ("left", "stay", "")
    assert found.nearest == ("left", "stay", "left")
    assert worlds.measured(square, "no game", Bars()).words == ("", "", "")


CARD = {"system": "playable", "data": {"breakout": {}}}


def test_a_shipped_world_has_its_game(square, monkeypatch):
    monkeypatch.setattr(zoo, "card", lambda name: CARD)
    opened = worlds.shipped("p", LEFT_STAY_RIGHT, load_model=lambda *_: square,
                            load_data=lambda name: Bars())  # fmt: skip
    assert opened.console is not None and opened.true == (1, 0, 2) and opened.name == "p"


def test_without_the_emulator_it_says_so_and_works(square, monkeypatch):
    monkeypatch.setattr(zoo, "card", lambda name: CARD)
    monkeypatch.setitem(sys.modules, "ale_py", None)
    opened = worlds.shipped("p", LEFT_STAY_RIGHT, load_model=lambda *_: square,
                            load_data=lambda name: Bars())  # fmt: skip
    assert opened.console is None and len(opened.frames) == 4
    shown = Playground(opened)
    shown.play(0)
    assert shown.real is None and len(shown.stage.pixels) == 1
    assert "pip install aidagen[lab]" in shown.sentence


def test_what_is_no_playable_model_is_told():
    with pytest.raises(AidagenError, match="'smile-64' is no playable model; there are playable-b"):
        worlds.shipped("smile-64")
    assert {"playable-breakout-64", "playable-tennis-64"} <= set(zoo.of_system("playable"))


# --- episodes ------------------------------------------------------------------------------------


def test_an_episode_is_what_the_model_plays(world, model):
    episode, going = Episode(world, 1), model.begin(world.frames[1])
    assert (
        episode.moment.painted == (255 * world.frames[1]).round().permute(1, 2, 0).numpy()
    ).all()
    for action in (0, 2, 2):
        image, going = model.play(going, action)
        painted = episode.step(action).painted
        assert np.abs(painted / 255 - image.permute(1, 2, 0).numpy()).max() < 0.003
    assert episode.counts == [1, 0, 2] and episode.frame == 3
    assert torch.equal(episode.point, model.centroids[2])


def test_a_direction_between_two_actions_is_neither(world, model):
    one, other, between = (Episode(world) for _ in range(3))
    middle = (model.centroids[0] + model.centroids[1]) / 2
    pictures = [one.step(0).painted, other.step(1).painted, between.step(middle).painted]
    image, _ = model.play(model.begin(world.frames[0]), *model.at(middle))
    assert np.abs(pictures[2] / 255 - image.permute(1, 2, 0).numpy()).max() < 0.003
    assert (pictures[2] != pictures[0]).any() and (pictures[2] != pictures[1]).any()
    assert sum(between.counts) == 1 and torch.allclose(between.point, middle)


def test_the_real_game_does_what_is_told_beside_it(live):
    for action, sign in ((0, -1), (2, 1)):
        episode = Episode(live)
        before = paddle(episode.moment.real)
        for _ in range(3):
            episode.step(action)
        assert sign * (paddle(episode.moment.real) - before) > 8


def paddle(picture):
    """The column of a picture's paddle (H, W, 3)."""
    bright = picture[61:63].astype(float).sum((0, 2))
    bright[bright < 100] = 0
    return (bright * np.arange(len(bright))).sum() / bright.sum()


def test_two_episodes_on_one_console_do_not_disturb_each_other(live):
    alone, one, other = Episode(live), Episode(live), Episode(live)
    for _ in range(4):
        alone.step(0)
    for _ in range(4):
        one.step(0)
        other.step(2)
    assert (alone.moment.real == one.moment.real).all()
    assert (one.moment.real != other.moment.real).any()


def test_a_step_leaves_the_number_of_threads_as_it_was(world, monkeypatch):
    before, during = torch.get_num_threads(), []
    torch.set_num_threads(3)
    play = world.model.play
    monkeypatch.setattr(
        world.model, "play", lambda *a: during.append(torch.get_num_threads()) or play(*a)
    )
    try:
        Episode(world).step(0)
        assert (during, torch.get_num_threads()) == ([1], 3)
    finally:
        torch.set_num_threads(before)


def test_what_is_kept_is_bounded(world):
    episode = Episode(world, fps=0.1)
    assert episode.kept.maxlen == 6 == 60 * 0.1
    for _ in range(20):
        episode.step(1)
    assert len(episode.kept) == 6 and episode.frame == 20
    assert Episode(world, fps=15).kept.maxlen == 900


def test_the_pace_is_of_what_passed_without_a_pause():
    pace = Pace()
    for now in np.arange(0, 0.3, 0.1):
        pace.passed(now)
    assert pace.speed is None
    pace.passed(0.3)
    assert pace.speed == pytest.approx(10)
    for now in 9 + np.arange(0, 2, 0.05):
        pace.passed(now)
    assert pace.speed == pytest.approx(20)


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_the_map_of_actions(dimensions):
    centroids = torch.randn(4, dimensions, generator=torch.Generator().manual_seed(0))
    drawn = ActionMap(centroids)
    assert drawn.places.shape == (4, 2)
    assert (drawn.places > torch.tensor(drawn.low)).all()
    assert (drawn.places < torch.tensor(drawn.high)).all()
    if dimensions == 1:
        assert (drawn.places[:, 1] == 0).all() and "a line" in drawn.axes
        assert drawn.point([0.3, 5.0]).tolist() == pytest.approx([0.3])
    if dimensions == 2:
        assert torch.allclose(drawn.places.float(), centroids) and "a plane" in drawn.axes
    if dimensions == 5:
        assert "first two principal axes of the 5-dimensional" in drawn.axes
        centred = centroids - centroids.mean(0)
        spread = torch.linalg.svdvals(centred.double())
        assert drawn.places.norm() == pytest.approx(float(spread[:2].norm()), rel=1e-5)
    for place in ([0.2, -0.1], [-0.5, 0.4]):
        again = drawn.place(drawn.point(place)).tolist()
        assert again == pytest.approx([place[0], 0 if dimensions == 1 else place[1]], abs=1e-5)


def test_a_clip_has_every_frame_enlarged_beside_the_real_one(live, tmp_path):
    episode = Episode(live)
    for action in (0, 0, 2, 1):
        episode.step(action)
    assert episodes.save(episode, tmp_path / "clip.mp4") == 5
    with av.open(str(tmp_path / "clip.mp4")) as file:
        decoded = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        assert float(file.streams.video[0].average_rate) == 15 and "AI-generated" in str(
            file.metadata
        )
    assert len(decoded) == 5 and decoded[0].shape == (384 + 32, 2 * 384 + 8, 3)
    real = episodes.enlarged(episode.moment.real, 384)
    assert np.abs(decoded[-1][:384, -384:].astype(int) - real).mean() < 6
    mark = decoded[-1][384:, 200:384]
    assert mark.min() < 100, "the mark is below the model's picture"
    assert decoded[-1][384:, 392 + 150 :].min() > 200, "and not below the real one"


def test_pixels_are_enlarged_in_blocks():
    small = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    large = episodes.enlarged(small, 7)
    assert (
        large.shape == (8, 16, 3)
        and (large[::4, ::4] == small).all()
        and (large[1:4, 1:4] == 0 + small[0, 0]).all()
    )


# --- the widget ----------------------------------------------------------------------------------


def test_it_opens_with_what_the_browser_needs(playground):
    scene = playground.stage.scene
    assert scene["size"] == [16, 32] and scene["words"] == ["left", "stay", "right"]
    assert scene["stay"] == 1 and len(scene["places"]) == 3 and not scene["flat"]
    assert playground.stage.page["frame"] == 0 and playground.stage.page["action"] == -1
    assert playground.stage.autoplay and playground.stage.demonstrating
    first = np.frombuffer(playground.stage.pixels[0], np.uint8).reshape(16, 32, 3)
    assert (first == playground.painted).all()
    assert playground.spoken.value == (
        "Bars, first frame 1 of 2. No emulator runs beside this world."
    )
    assert repr(playground) == "Playground('Bars', frame 0)"


def test_the_demonstration_takes_every_action(world, model):
    steps = script(world)
    assert steps[0] == -1 and steps[1:9] == [0] * 6 + [1] * 2 and set(steps[1:]) == {0, 1, 2}
    assert script(PlayWorld(model, frames()))[1:] == [0] * 6 + [1] * 6 + [2] * 6
    assert not Playground(world, autoplay=False).stage.demonstrating


def test_each_request_is_answered_by_one_frame(playground):
    browser = Browser(playground.stage)
    [(words, pictures)] = browser.ask(action=2)
    assert (words["view"], words["turn"]) == ("v", 1)
    assert words["page"]["frame"] == 1 and words["page"]["counts"] == [0, 0, 1]
    assert words["page"]["called"] == "3 (right)" and pictures == [playground.painted.tobytes()]
    assert words["page"]["at"] == pytest.approx(playground.stage.scene["places"][2])
    place = [0.1, -0.2]
    [(words, _)] = browser.ask(at=place)
    assert words["page"]["at"] == pytest.approx(place, abs=1e-5) and playground.frame == 2
    assert playground.stage.page["frame"] == 0, "while it is played, no trait changes"


def test_a_turn_that_comes_again_is_no_second_step(playground):
    browser = Browser(playground.stage)
    first = browser.ask(action=2)
    browser.turn -= 1
    again = browser.ask(action=2)
    assert again == first and playground.frame == 1


def test_what_was_asked_of_an_episode_that_is_over_is_not_done(playground):
    browser = Browser(playground.stage)
    old = playground.stage.page["episode"]
    playground.reset()
    assert browser.send(view="v", turn=7, episode=old, action=2) == []
    assert playground.frame == 0
    [(words, _)] = browser.send(view="v", turn=8, episode=old + 1, action=2)
    assert words["page"]["episode"] == old + 1 and playground.frame == 1


def test_the_browser_begins_again(playground):
    browser = Browser(playground.stage)
    browser.ask(action=2)
    playground.stage.page = playground._seen().page  # as the browser holds it
    [(words, pictures)] = browser.ask(begin=True)
    assert words["page"]["frame"] == 0 and words["page"]["counts"] == [0, 0, 0]
    assert words["page"]["episode"] > playground.stage.page["episode"]
    first = np.frombuffer(pictures[0], np.uint8).reshape(16, 32, 3)
    assert np.abs(first / 255 - frames()[0].permute(1, 2, 0).numpy()).max() < 0.003


def test_an_action_that_there_is_not_pauses_and_says_so(playground):
    playground.playing = True
    assert Browser(playground.stage).ask(action=5) == []
    assert not playground.playing and "actions 0 to 2; got 5" in playground.spoken.value


def test_the_clip_is_handed_to_the_browser(playground):
    playground.play(0, times=3)
    [(words, [content])] = Browser(playground.stage).send(clip=True)
    assert words == {"clip": "bars-episode.mp4"}
    with av.open(io.BytesIO(content)) as file:
        assert sum(1 for _ in file.decode(video=0)) == 4


def test_by_hand(playground, tmp_path):
    playground.play(2, times=3)
    assert playground.counts == [0, 0, 3] and playground.stage.page["frame"] == 3
    assert playground.spoken.value.startswith("Bars, frame 3: action 3 (right).")
    playground.toward([0.2, 0.1])
    assert playground.frame == 4 and playground.stage.page["at"] == pytest.approx([0.2, 0.1])
    assert playground.save(tmp_path / "e.mp4") == 5
    playground.reset()
    assert playground.frame == 0 and playground.counts == [0, 0, 0]
    with pytest.raises(AidagenError, match="actions 0 to 2, to be taken once or more often; got 3"):
        playground.play(3)
    with pytest.raises(AidagenError, match="A direction of Bars has 2 numbers"):
        playground.toward([0.1])


def test_worlds_and_first_frames_are_chosen(playground):
    playground.start = 2
    assert (playground.painted == (255 * frames()[1]).round().permute(1, 2, 0).numpy()).all()
    playground.play(0)
    playground.world_choice.value = "Other bars"
    assert playground.start == 1 and playground.frame == 0
    assert playground.stage.scene["stay"] == -1 and playground.start_choice.options == (1, 2, 3)
    playground.start_choice.value = 3
    assert playground.sentence.startswith("Other bars, first frame 3 of 3.")
    with pytest.raises(AidagenError, match="no world 'Pong'; there are Bars, Other bars"):
        playground.world = "Pong"
    with pytest.raises(AidagenError, match="first frames 1 to 3; not 4"):
        playground.start = 4


def test_a_world_is_changed_while_another_one_is_played(live):
    """From more actions to fewer, and from a game that runs beside it to none, and back."""
    painted = PlayWorld(tiny(actions=2), frames(), ("up", "stay"), name="painted")
    playground = Playground({"Game": live, "Painted": painted})
    for name, action in (("Painted", 2), ("Game", 1), ("Painted", 0)):
        playground.playing = True
        Browser(playground.stage).ask(action=action)
        playground.world_choice.value = name
        assert playground.stage.scene["name"] == name and playground.frame == 0
        assert not playground.playing and playground.stage.page["action"] == -1
        assert playground.spoken.value.startswith(f"{name}, first frame 1 of")


def test_while_it_is_played_nobody_is_talked_to_death(playground):
    playground.playing = True
    assert "demonstration takes each action of Bars" in playground.spoken.value
    playground.stage.demonstrating = False
    assert "Press Pause to read about it" in playground.spoken.value
    Browser(playground.stage).ask(action=0)
    assert "Press Pause" in playground.spoken.value and "frame 1: action 1" in playground.sentence
    playground.playing = False
    assert "frame 1: action 1 (left)" in playground.spoken.value
    assert playground.stage.page["frame"] == 1, "who pauses can see it in another view"


def test_a_figure_shows_each_action_and_changes_nothing(playground, model):
    playground.play(2, times=2)
    now = playground.painted.copy(), playground.counts
    sheet = playground.figure((0, 1, 2), tall=32)
    assert sheet.width > 3 * 64 and sheet.height > 3 * 32
    assert (playground.painted == now[0]).all() and playground.counts == now[1]
    strips = playground._strips("Bars", 1, 2)
    for action, strip in enumerate(strips):
        going = model.begin(frames()[0])
        for view in strip[1:]:
            image, going = model.play(going, action)
            assert np.abs(view / 255 - image.permute(1, 2, 0).numpy()).max() < 0.003
    assert isinstance(playground.still(), Image.Image)
    with pytest.raises(AidagenError, match="of one of Bars, Other bars"):
        playground.figure(world="Pong")


def test_its_output_has_a_still(playground):
    bundle, _ = playground._repr_mimebundle_()
    assert "image/png" in bundle or "image/jpeg" in bundle


def test_what_is_no_world_is_refused(model):
    for wrong in ({}, {"Bars": model}):
        with pytest.raises(AidagenError, match="takes worlds by name"):
            Playground(wrong)


def test_many_steps_keep_no_more_than_a_minute(world):
    """Nothing but the last minute is held: what a request leaves behind is bounded."""
    shown = Playground(world, fps=0.1)
    browser = Browser(shown.stage)
    for _ in range(40):
        browser.ask(action=1)
    assert len(shown.episode.kept) == 6 and len(shown.pace._times) == 24


@pytest.mark.verify
def test_shipped_worlds_open():
    world = worlds.shipped("playable-breakout-64")
    assert world.words == LEFT_STAY_RIGHT and world.true == (1, 0, 2)
