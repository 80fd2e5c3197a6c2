"""Named checkpoints: what ships loads, what is broken says so."""

import json
from dataclasses import asdict

import pytest
import torch

from aidagen import SHOWCASE, animation, datasets, files, recipes, zoo
from aidagen.models import fomm


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path))
    folder = tmp_path / "weights"
    torch.manual_seed(0)
    model = fomm.FOMM(fomm.fomm_tiny()).eval()
    zoo.save(model, model.config, {"name": "mine", "system": "fomm"}, folder / "mine.safetensors")
    return model


def test_every_shipped_checkpoint_loads_with_a_whole_card():
    for file in zoo.SHIPPED.glob("*.safetensors"):
        card = zoo.card(file.stem)
        for key in ("data", "recipe", "steps", "minutes", "machine", "licence", "command"):
            assert key in card, f"{file.stem}: {key}"
        assert file.stat().st_size < 4 << 20
        model = zoo.load(file.stem, "cpu")
        assert not model.training and next(model.parameters()).dtype == torch.float32


def test_the_showcase_is_what_its_recipe_and_its_card_say():
    """Trained elsewhere: the card repeats the recipe, and says what was different."""
    card, recipe = zoo.card(SHOWCASE), recipes.find(SHOWCASE)
    assert card["recipe"] == recipe.as_json() and card["config"] == asdict(recipe.config)
    assert (card["steps"], card["recipe"]["batch"]) == (recipe.steps, recipe.batch) == (9066, 24)
    for words in ("TF32", "CUDA graph", "does not give these weights again"):
        assert words in card["trained_by"]
    assert set(card["data"]) == {"faces-128", "many_heads"} and "NOTICE" in card["licence"]
    model = zoo.load(SHOWCASE, "cpu")
    assert model.config.size == 128
    clip = datasets.load("heads-128").clips("test")[1].frames(step=8).float() / 255
    made = animation.animate(model, clip[0], clip, "absolute")
    assert made.shape == clip.shape == (4, 3, 128, 128)
    error, copied = ((x - clip[1:]).abs().mean() for x in (made[1:], clip[:1]))
    assert error < 0.5 * copied


@torch.no_grad()
def test_saving_costs_half_precision_and_no_more(home):
    assert "mine" in zoo.names()
    model = zoo.load("mine", "cpu")
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    driving = picture.flip(-1)
    one, two = (m.render(m.encode(picture), m.motion(driving)).image for m in (home, model))
    assert (one - two).abs().mean() < 2e-3
    assert asdict(model.config) == zoo.card("mine")["config"]


def test_a_name_that_is_not_there_lists_those_that_are(home):
    with pytest.raises(zoo.ZooError, match="Did you mean mine") as caught:
        zoo.load("mime")
    assert "\n" not in str(caught.value)


def test_a_damaged_file_and_a_foreign_card(home, tmp_path):
    file = zoo.path("mine")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(zoo.ZooError, match="cannot be read"):
        zoo.load("mine")
    file.write_bytes(whole)
    card = json.loads(file.with_suffix(".json").read_text())
    card["config"]["keypoints"] = 7
    file.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(zoo.CheckpointMismatch, match=r"motion_network\.mask\.weight"):
        zoo.load("mine")
    card["config"]["flux"] = 1
    file.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(zoo.ZooError, match="flux"):
        zoo.load("mine")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"system": ', "cannot be read"),
        ("[1]", "no table of settings"),
        ('{"system": "fomm"}', "holds no settings"),
        ('{"system": "fomm", "config": 3}', "holds no settings"),
        ('{"config": {}}', "no system named .None.; there are deformable_gan, fomm"),
    ],
)
def test_a_damaged_card_is_a_sentence(home, text, words):
    zoo.path("mine").with_suffix(".json").write_text(text)
    with pytest.raises(zoo.ZooError, match=words) as caught:
        zoo.load("mine")
    assert "\n" not in str(caught.value)


def test_an_unknown_device_is_a_sentence(home):
    with pytest.raises(zoo.ZooError, match="no device called"):
        zoo.load("mine", device="abacus")


def test_an_unwritable_place_is_a_sentence(home, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(files.FileError, match="cannot be written"):
        zoo.save(home, home.config, {}, tmp_path / "file" / "x.safetensors")


def test_a_user_checkpoint_comes_before_a_shipped_one(home, tmp_path):
    for name in zoo.names():
        assert zoo.path(name).parent in (tmp_path / "weights", zoo.SHIPPED)
    assert zoo.path("mine").parent == tmp_path / "weights"
