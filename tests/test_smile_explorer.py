"""The smile explorer as a Python object, and photos that are brought to it."""

import io
import re
from collections import Counter

import numpy as np
import pytest
import torch
import untrained
from PIL import Image
from shown import Shown, state
from test_portraits import PLACES, Judge, crowd
from torch import nn

from aidagen.errors import AidagenError
from aidagen.evaluation.expressions import apart, expression, hits, openings
from aidagen.judges import FaceReading
from aidagen.pixels import as_bytes
from aidagen.widgets.curves import courses
from aidagen.widgets.smile_explorer import SmileExplorer

NAMES = ["Ada", "Ben"]
WIDE, CUT = "too large a margin", "painter without skips"


@pytest.fixture(scope="module")
def models():
    return untrained.smiles(0), untrained.smiles(0, lively=5), untrained.smiles(1, skips=False)


@pytest.fixture(scope="module")
def people():
    """Neutral faces of two people and their landmarks."""
    return tuple(map(torch.stack, zip(untrained.neutral(0), untrained.neutral(6))))


@pytest.fixture
def explorer(models, people):
    model, wide, cut = models
    return SmileExplorer(
        model, *people, NAMES, others={WIDE: wide, CUT: cut}, size=96, frames=8
    )


def sequences(model, points, label, frames=8):
    """The model's own K sequences: embeddings and landmarks."""
    with torch.no_grad():
        modes, _ = model.sequences(points[None], torch.tensor([label]), frames)
        return modes[0], model.vae.points(modes[0])


# --- what is shown


def test_all_modes_side_by_side_are_what_the_model_makes(explorer, models, people):
    page = Shown(explorer.film)
    assert page.captions == ["Mode 1", "Mode 2", "Mode 3", "Neutral face", "Mouth and eyes"]
    explorer.landmarks = True
    page = Shown(explorer.film)
    assert page.cells == [2, 2, 2, 2], "each mode over its landmarks, the face over the curves"
    assert page.captions[::2] == ["Mode 1", "Mode 2", "Mode 3", "Neutral face"]
    with torch.no_grad():
        whole = models[0](people[0][:1], people[1][:1], torch.tensor([0]), 8)
    for frame in (1, 5):
        images, maps = explorer.images(frame)
        assert torch.allclose(images, whole.images[0, :, frame - 1], atol=1e-5)
        assert torch.allclose(maps, whole.maps[0, :, frame - 1], atol=1e-5)
    images, _ = explorer.images(5, face="Ben", label="spontaneous", mode=2)
    with torch.no_grad():
        whole = models[0](people[0][1:], people[1][1:], torch.tensor([1]), 8)
    assert torch.allclose(images[0], whole.images[0, 1, 4], atol=1e-5)


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("face", "Ben"), ("label", "spontaneous"), ("mode", 2), ("model", WIDE), ("model", CUT),
        ("skips", False), ("landmarks", True), ("frame", 2),
    ],
)  # fmt: skip
def test_every_control_changes_picture_and_sentence(explorer, trait, value):
    control = {
        "face": explorer.face_choice, "label": explorer.label_choice, "mode": explorer.mode_choice,
        "model": explorer.model_choice, "skips": explorer.skips_box,
        "landmarks": explorer.landmarks_box, "frame": explorer.film,
    }[trait]  # fmt: skip
    before, said, was = state(explorer.film), explorer.sentence, getattr(explorer, trait)
    control.value = value
    assert getattr(explorer, trait) == value
    assert state(explorer.film) != before
    assert explorer.sentence != said or trait == "landmarks"
    assert explorer.spoken.value == explorer.sentence
    control.value = was
    assert (state(explorer.film), explorer.sentence) == (before, said), "and back again"


def test_one_mode_beside_its_landmarks(explorer):
    explorer.mode = 3
    assert Shown(explorer.film).captions == ["Mode 3", "Neutral face", "Mouth and eyes"]
    explorer.landmarks = True
    page = Shown(explorer.film)
    assert page.captions == ["Mode 3", "Its landmarks", "Neutral face", "Mouth and eyes"]
    assert page.cells == [1, 1, 1, 1]


def test_between_two_modes_the_embedding_is_mixed(explorer, models, people):
    """Generated from the mixed embedding: not a blend of the two pictures."""
    model, modes = models[0], sequences(models[0], people[1][0], 0)[0]
    assert explorer.share_slider.disabled and explorer.toward_choice.disabled
    explorer.mode, explorer.toward = 1, 3
    assert not explorer.share_slider.disabled
    explorer.share_slider.value = 25
    mixed = 0.75 * modes[0] + 0.25 * modes[2]
    images, maps = explorer.images(6)
    with torch.no_grad():
        wanted = model.maps(mixed[5:6])
        first = model.maps(model.embed(people[1][:1]))
        assert torch.allclose(maps, wanted, atol=1e-5)
        painted = model.painter(people[0][:1], first, wanted)
        assert torch.allclose(images, painted, atol=1e-4)
        blend = explorer.images(6, share=0)[0] * 0.75 + explorer.images(6, share=100)[0] * 0.25
        shown = expression(model.vae.points(mixed))
        ends = [expression(model.vae.points(modes[k])) for k in (0, 2)]
    assert not torch.equal(images, blend)
    assert Shown(explorer.film).captions[0] == "Mode 1 to 3: 25 %"
    assert (
        "25 % of the way from mode 1 to mode 3 of this model, generated from the mixed embedding: "
        f"it lies {apart(shown, ends[0]):.3f} and {apart(shown, ends[1]):.3f} of the distance "
        f"between the eyes from them, and they lie {apart(*ends):.3f} apart."
    ) in explorer.sentence
    explorer.share = 0
    assert torch.equal(explorer.images(6)[0], explorer.images(6, toward=2)[0])


def test_a_mode_is_mixed_with_another_one(explorer):
    explorer.mode, explorer.toward = 1, 2
    explorer.mode = 2
    assert explorer.toward == explorer.toward_choice.value == 3


# --- other models


def test_another_model_lends_its_sequences(explorer, models, people):
    """The model's own painter paints them: nobody trained the other one's."""
    model, wide, _ = models
    explorer.model = WIDE
    modes, points = sequences(wide, people[1][0], 0)
    images, maps = explorer.images(4)
    with torch.no_grad():
        assert torch.allclose(maps, wide.maps(modes[:, 3]), atol=1e-5)
        first = wide.maps(wide.embed(people[1][:1])).expand(3, -1, -1, -1)
        painted = model.painter(people[0][:1].expand(3, -1, -1, -1), first, maps)
    assert torch.allclose(images, painted, atol=1e-4)
    moved = [expression(each) for each in points]
    mean = np.mean([apart(moved[i], moved[j]) for i in range(3) for j in range(i)])
    assert f"3 modes of {WIDE}: two of them lie {mean:.3f} of the distance" in explorer.sentence
    times = float(re.search(r"That is ([\d.]+) times as far as", explorer.sentence)[1])
    own = [expression(each) for each in sequences(model, people[1][0], 0)[1]]
    less = np.mean([apart(own[i], own[j]) for i in range(3) for j in range(i)])
    assert times == pytest.approx(mean / less, abs=0.06)
    assert times > 1.5


def test_a_model_without_skips_lends_its_painter(explorer, models, people):
    model, _, cut = models
    explorer.model = CUT
    modes, _ = sequences(model, people[1][0], 0)
    images, maps = explorer.images(4)
    with torch.no_grad():
        assert torch.allclose(maps, model.maps(modes[:, 3]), atol=1e-5), "the model's own modes"
        first = model.maps(model.embed(people[1][:1])).expand(3, -1, -1, -1)
        painted = cut.painter(people[0][:1].expand(3, -1, -1, -1), first, maps)
    assert torch.allclose(images, painted, atol=1e-4)
    assert f"The painter is that of {CUT}." in explorer.sentence
    assert explorer.skips_box.disabled, "there is nothing to cut"


def test_skips_are_the_painters_own_switch(explorer, models, people):
    explorer.skips_box.value = False
    assert "The painter's skips are cut." in explorer.sentence
    images, maps = explorer.images(4)
    with torch.no_grad():
        first = models[0].maps(models[0].embed(people[1][:1])).expand(3, -1, -1, -1)
        face = people[0][:1].expand(3, -1, -1, -1)
        assert torch.allclose(images, models[0].painter(face, first, maps, skips=False), atol=1e-4)
    assert models[0].config.skips, "the model stays as it is"


def test_true_smiles_that_are_hit_are_counted(models, people):
    """The model's own smiles are all hit by it; those of nobody are not."""
    model, wide, _ = models
    own = torch.stack(
        [torch.stack([sequences(model, points, label)[1] for label in (0, 1)])
         for points in people[1]]
    )  # fmt: skip
    explorer = SmileExplorer(
        model, *people, NAMES, others={WIDE: wide}, truths=own, frames=8, size=64
    )
    assert "3 of 3 true smiles are hit." in explorer.sentence
    explorer.model = WIDE
    recall = hits(
        [expression(x) for x in sequences(wide, people[1][0], 0)[1]],
        [expression(x) for x in own[0, 0]],
    ).recall
    assert recall < 1
    assert f"{round(3 * recall)} of 3 true smiles are hit." in explorer.sentence
    with pytest.raises(AidagenError, match=r"M true smiles, two or more, \(2, 2, M, 8, 68, 2\)"):
        SmileExplorer(model, *people, NAMES, truths=own[:, :1], frames=8)


def test_a_model_of_one_mode_has_nothing_to_mix(people):
    explorer = SmileExplorer(untrained.smiles(modes=1), *people, NAMES, frames=4, size=64)
    assert explorer.mode == 1
    assert "the one smile of this model." in explorer.sentence
    assert explorer.share_slider not in list(inside(explorer))
    with pytest.raises(AidagenError, match="mode is one of 1 to 1; not 0"):
        explorer.mode = 0


def inside(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from inside(child)


# --- in words and pictures


def test_the_sentence_says_what_the_landmarks_do(explorer, models, people):
    explorer.frame, explorer.mode = 7, 2
    now = openings(sequences(models[0], people[1][0], 0)[1][1, 6])
    assert explorer.sentence.startswith(
        f"Frame 7 of 8: the mouth is open by {now.mouth:.2f}, the eyes by {now.eyes:.2f} of the "
        "distance between the eyes. Ada, posed, mode 2 of this model: it lies 0."
    )
    explorer.film.playing = True
    explorer.label = "spontaneous"
    assert explorer.spoken.value == explorer.about()
    assert explorer.spoken.value.startswith("Ada, spontaneous, mode 2"), "no frame while it plays"


def test_it_opens_alive_where_the_face_moved_most(explorer, models, people):
    points = sequences(models[0], people[1][0], 0)[1]
    moved = torch.stack([expression(each) for each in points]).norm(dim=-1).mean((0, 2))
    assert explorer.frame == explorer.film.page["at"] == 1 + int(moved.argmax())
    assert explorer.film.autoplay and not explorer.film.playing
    assert repr(explorer) == (
        f"SmileExplorer('this model', 'Ada', posed, 3 modes, frame {explorer.frame} of 8)"
    )


def test_a_figure_moves_nothing(explorer):
    before = (explorer.mode, explorer.frame, state(explorer.film))
    one, two = explorer.figure(size=64), explorer.figure([1, 8], size=64, mode=2, share=50)
    assert one.width == pytest.approx(5 / 3 * two.width, abs=8), "five pictures, and three"
    assert explorer.figure([1, 8], 64).height == pytest.approx(2 * one.height, abs=8)
    assert before == (explorer.mode, explorer.frame, state(explorer.film))
    with pytest.raises(AidagenError, match="frame is one of 1 to 8; not 9"):
        explorer.figure([9])
    with pytest.raises(AidagenError, match="nothing to choose by the name 'size_of_smile'"):
        explorer.figure(size_of_smile=1)


def test_generated_faces_carry_the_mark(explorer):
    explorer.size = 192
    explorer.mode = 1
    made, neutral, *_ = (pixels.astype(int) for _, pixels in Shown(explorer.film).images)
    assert made[-12:, -90:].mean() < 120 < made[:40].mean(), "a dark plate in the corner"
    assert neutral.shape == made.shape


def test_sequences_are_made_once_and_frames_one_by_one(people, monkeypatch):
    model, count = untrained.smiles(0), Counter()
    unfold, paint = model.unfold.forward, model.painter.forward
    monkeypatch.setattr(
        model.unfold, "forward", lambda *given: count.update(["unfold"]) or unfold(*given)
    )

    def painting(neutral, *given, **more):
        count["paint"] += len(neutral)
        return paint(neutral, *given, **more)

    monkeypatch.setattr(model.painter, "forward", painting)
    explorer = SmileExplorer(model, *people, NAMES, size=64)
    assert count == {"unfold": 1, "paint": 3}, "one frame of each mode, not 96"
    explorer.film.value = 3
    assert count == {"unfold": 1, "paint": 6}
    for mode in (1, 2, 0):
        explorer.mode = mode
    for share in (10, 20):
        explorer.share = share
    assert count["unfold"] == 1
    for label in ("spontaneous", "posed", "spontaneous"):
        explorer.label = label
    assert count["unfold"] == 2


def test_looking_does_not_train(people):
    model = untrained.smiles().train()
    before = model.painter.encoder.down_blocks[0].norm.running_mean.clone()
    SmileExplorer(model, *people, NAMES, frames=4, size=64)
    assert model.training
    assert torch.equal(model.painter.encoder.down_blocks[0].norm.running_mean, before)


def test_lines_are_where_their_numbers_are():
    ramp, flat = [t / 8 for t in range(9)], [0.0] * 9
    picture = courses([ramp, flat], 9, top=1, title="t", size=(200, 120))
    red = (picture[..., 0].astype(int) - picture[..., 2] > 120).nonzero()
    left, right = red[1] < 70, red[1] > 150
    assert red[0][left].mean() > red[0][right].mean() + 30, "row 0 is on top"
    moved = courses([ramp, flat], 3, top=1, title="t", size=(200, 120))
    assert (picture != moved).any()
    black = courses([ramp], 2, top=1, title="t", bold=ramp[::-1], size=(200, 120))
    assert (black != courses([ramp], 2, top=1, title="t", size=(200, 120))).any()
    with pytest.raises(AidagenError, match="two frames or more"):
        courses([[1.0, 2.0], [1.0]], 1, top=1, title="t")


# --- what does not fit


@pytest.mark.parametrize(
    ("trait", "value", "said"),
    [
        ("face", "Eve", "face is one of Ada, Ben; not 'Eve'"),
        ("label", "wry", "label is one of posed, spontaneous"),
        ("mode", 4, "mode is one of 0 to 3; not 4"),
        ("toward", 0, "toward is one of 1 to 3"),
        ("share", 101, "share is one of 0 to 100"),
        ("model", "x", f"model is one of this model, {WIDE}"),
        ("frame", 9, "frame is one of 1 to 8"),
    ],
)
def test_what_there_is_not_is_refused_in_words(explorer, trait, value, said):
    before = getattr(explorer, trait), state(explorer.film)
    with pytest.raises(AidagenError, match=said):
        setattr(explorer, trait, value)
    assert (getattr(explorer, trait), state(explorer.film)) == before


def test_what_does_not_fit_is_refused_in_words(models, people):
    model, faces, points = models[0], *people
    for given, said in (
        ((model, faces[:, :, :32], points, NAMES), r"\(2, 3, 64, 64\) faces"),
        ((model, faces, points[:1], NAMES), r"\(2, 68, 2\) landmarks were expected; got .*\(1, 68"),
        ((model, faces, points, ["Ada", "Ada"]), "2 names, all different"),
        ((model, faces[:0], points[:0], []), "0 names"),
        ((model, 255 * faces, points, NAMES), r"values from \d+ to 2\d\d; floats in \[0, 1\]"),
        ((model, faces, points, NAMES, ("posed",)), "knows 2 labels.*got 1 words"),
        ((nn.Linear(1, 1), faces, points, NAMES), "this model makes no sequences.*Linear"),
    ):
        with pytest.raises(AidagenError, match=said):
            SmileExplorer(*given)
    with pytest.raises(AidagenError, match="Two models are called 'this model'"):
        SmileExplorer(model, *people, NAMES, others={"this model": model})
    with pytest.raises(AidagenError, match="five has modes 5 and this model has 3"):
        SmileExplorer(model, *people, NAMES, others={"five": untrained.smiles(modes=5)})


# --- somebody's own face


def png(picture):
    out = io.BytesIO()
    Image.fromarray(as_bytes(picture).permute(1, 2, 0).numpy()).save(out, "PNG")
    return out.getvalue()


def choose(explorer, content, name="me.png"):
    """What the browser sends when a file is chosen, in one part."""
    message = {"name": name, "size": len(content), "at": 0, "turn": "one"}
    explorer.upload._handle_custom_msg(message, [memoryview(content)])


def test_ones_own_face_smiles(models, people, tmp_path):
    judge = Judge(people[1][0], PLACES)
    explorer = SmileExplorer(models[0], *people, NAMES, finder=judge, frames=8, size=64)
    choose(explorer, png(crowd(PLACES)))
    assert explorer.spoken.value.startswith("First tick")
    assert explorer.face == "Ada"
    explorer.agree.value = True
    choose(explorer, png(crowd(PLACES)))
    assert explorer.face == explorer.face_choice.value == "Your picture"
    assert explorer.face_choice.options == ("Ada", "Ben", "Your picture")
    assert "Your picture, posed, 3 modes" in explorer.sentence
    assert "There are 3 faces in the picture" in explorer.sentence
    given = Shown(explorer.film).images[3]
    assert given[0] == "Your picture, a neutral face: what is given"
    assert given[1][36, 32].mean() == pytest.approx(0.2 * 255, abs=8)
    assert explorer.film.private and not explorer.film.pixels, "no state has a picture of it"
    own = explorer.figure(face="Your picture", size=192)
    assert not np.array_equal(np.asarray(explorer.still()), np.asarray(own)), "stills are saved"
    explorer.mode = 2
    before, modes = state(explorer.film), explorer.smilers.smiles(explorer._look()).modes
    judge.points = people[1][1]
    explorer.own(crowd(PLACES))
    assert state(explorer.film) != before, "the next picture replaces it"
    again = explorer.smilers.smiles(explorer._look()).modes
    assert not torch.equal(again, modes), "so do its landmarks"
    explorer.face = "Ada"
    assert "There are" not in explorer.sentence
    assert explorer.film.pixels and not explorer.film.private
    path = tmp_path / "me.png"
    path.write_bytes(png(crowd(PLACES)))
    explorer.own(path)
    assert explorer.face == "Your picture"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_face_gets_a_sentence_and_changes_nothing(models, people):
    nobody = FaceReading(torch.full((1, 68, 2), torch.nan), torch.zeros(1, 3), torch.zeros(1))
    explorer = SmileExplorer(
        models[0], *people, NAMES, finder=lambda _: nobody, frames=8, size=64
    )
    before = state(explorer.film)
    explorer.consent = True
    choose(explorer, png(torch.rand(3, 80, 80)))
    assert explorer.spoken.value.startswith("No face was found in the picture; choose one")
    choose(explorer, b"hello", "me.txt")
    assert explorer.spoken.value.startswith("me.txt is not a picture")
    assert (explorer.face, state(explorer.film)) == ("Ada", before)
    with pytest.raises(AidagenError, match="No face was found"):
        explorer.own(torch.rand(3, 80, 80))
    with pytest.raises(AidagenError, match=r"There is no file nowhere\.png"):
        explorer.own("nowhere.png")
