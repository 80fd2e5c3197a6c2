"""The user's own Market-1501 and DeepFashion: names, annotations, what is written."""

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aidagen.datasets import people
from aidagen.datasets.layout import ClipSet, DatasetError
from aidagen.datasets.pose_pairs import PosePairs, album

SCRIPT = Path(__file__).resolve().parents[1] / "data_scripts" / "adopt.py"


@pytest.fixture(scope="module")
def adopt():
    spec = importlib.util.spec_from_file_location("adopt", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture(path, colour=(90, 120, 60), size=(64, 128)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, quality=95)
    return path


def row(name, points):
    y, x = ([int(p[k]) for p in points] for k in (1, 0))
    return f"{name}: {y}: {x}\n"


POINTS = [(2 * j + 5, 6 * j + 10) for j in range(18)]  # (x, y) in pixels of 64 x 128


def test_names_of_market(adopt, tmp_path):
    for name in ("bounding_box_train/0002_c1s1_000451_03.jpg",
                 "bounding_box_train/0002_c6s3_000451_01.jpg", "query/0003_c2s1_000001_00.jpg",
                 "bounding_box_test/0003_c3s1_000451_03.jpg",
                 "bounding_box_test/-1_c1s1_000451_03.jpg",
                 "bounding_box_test/0000_c1s1_000451_03.jpg"):  # fmt: skip
        picture(tmp_path / name)
    (tmp_path / "bounding_box_test" / "Thumbs.db").write_text("")
    told = [(p.split, p.person, p.camera) for p in adopt.market(tmp_path)]
    assert told == [("train", "0002", 0), ("train", "0002", 5), ("test", "0003", 2),
                    ("test", "0003", 1)]  # fmt: skip


def test_names_of_deepfashion(adopt, tmp_path):
    listed = ["img/WOMEN/Dresses/id_00000002/02_1_front.jpg",
              "img/WOMEN/Dresses/id_00000002/02_4_full.jpg",
              "img/WOMEN/Dresses/id_00000002/03_1_front.jpg",
              "img/MEN/Denim/id_00000080/01_3_back.jpg",
              "img/MEN/Denim/id_00000080/01_6_flat.jpg"]  # fmt: skip
    for name in listed:
        picture(tmp_path / name)
    parts = ["train", "train", "train", "query", "gallery"]
    lines = [f"{name} {Path(name).parts[3]} {part}" for name, part in zip(listed, parts,
                                                                          strict=True)]
    (tmp_path / "Eval").mkdir()
    (tmp_path / "Eval" / "list_eval_partition.txt").write_text(
        "\n".join([str(len(lines)), "image_name item_id evaluation_status", *lines]) + "\n"
    )
    told = [(p.split, p.person) for p in adopt.deepfashion(tmp_path)]
    assert told == [("train", "id_00000002-02")] * 2 + [
        ("train", "id_00000002-03"), ("test", "id_00000080-01")]  # fmt: skip

    flat = tmp_path / "flat"
    picture(flat / "train" / "fasionWOMENDressesid0000000202_1front.jpg")
    picture(flat / "test" / "fasionMENDenimid0000008001_2side.jpg")
    picture(flat / "test" / "fasionMENDenimid0000008001_4additional.jpg")
    told = [(p.split, p.person) for p in adopt.deepfashion(flat)]
    assert told == [("train", "id_00000002-02"), ("test", "id_00000080-01")]


def test_annotations_are_read_and_lines_are_named(adopt, tmp_path):
    missing = [(-1, -1) if j in (3, 17) else p for j, p in enumerate(POINTS)]
    table = tmp_path / "market-annotation-train.csv"
    head = "name:keypoints_y:keypoints_x\n"
    table.write_text(head + row("a.jpg", POINTS) + row("b.jpg", missing))
    told = adopt.annotations([table])
    np.testing.assert_array_equal(told["a.jpg"][0], POINTS)
    assert told["a.jpg"][1].all() and np.flatnonzero(~told["b.jpg"][1]).tolist() == [3, 17]
    for line in (row("c.jpg", POINTS[:17]), "c.jpg: [1, 2\n", "c.jpg\n"):
        table.write_text(head + row("a.jpg", POINTS) + line)
        with pytest.raises(DatasetError, match=r"Line 3 of .*csv does not hold 18 joints"):
            adopt.annotations([table])


def test_a_market_becomes_a_set_to_train_on(adopt, tmp_path):
    """From names and annotations to pairs; a picture that is not annotated is left out, and so is
    a person with one picture."""
    root, lines = tmp_path / "own", "name:keypoints_y:keypoints_x\n"
    for person in (2, 7, 11):
        for camera in range(1, 4 if person != 11 else 2):
            name = f"{person:04d}_c{camera}s1_000451_0{camera}.jpg"
            folder = "bounding_box_test" if person == 7 else "bounding_box_train"
            picture(root / folder / name, (20 * person, 60 * camera, 0))
            lines += row(name, [(x + camera, y) for x, y in POINTS])
    picture(root / "bounding_box_train" / "0002_c5s1_000451_09.jpg")
    (tmp_path / "joints.csv").write_text(lines)
    read = adopt.annotated([tmp_path / "joints.csv"])
    made = adopt.adopt("market", adopt.market(root), read, tmp_path / "set", (128, 64))
    assert [len(made.clips(s)) for s in ("train", "val", "test")] == [1, 0, 1]
    assert not made.redistributable
    clip = made.clips("train")[0]
    labels = clip.labels()
    assert labels["camera"].tolist() == [0, 1, 2] and labels["visible"].all()
    pixels = (labels["joints"] + 1) / 2 * [63, 127]
    np.testing.assert_allclose(pixels[1], np.add(POINTS, [2, 0]), atol=1e-3)
    frames = clip.frames()
    assert frames.shape == (3, 3, 128, 64)
    assert (frames[:, 1].float().mean((1, 2)) - torch.tensor([60.0, 120, 180])).abs().max() < 6
    assert album(clip).usable == [0, 1, 2]
    pairs = PosePairs({"market": 1.0}, across=1.0)
    pairs.__dict__["clips"] = {"market": made.clips("train")}
    batch = pairs.draw(4, torch.Generator().manual_seed(0))
    assert batch.target.shape == (4, 3, 128, 64) and batch.target_known.all()
    with pytest.raises(DatasetError, match="holds a finished data set"):
        adopt.adopt("market", adopt.market(root), read, tmp_path / "set", (128, 64))


def test_every_twentieth_person_validates_and_sizes_change(adopt, tmp_path):
    def read(_, image):
        return np.zeros((18, 2), np.float32), np.ones(18, bool)

    pictures = [
        adopt.Named(picture(tmp_path / f"{n}-{k}.jpg", size=(176, 256)), "train", f"{n:03d}", 0)
        for n in range(20)
        for k in range(2)
    ]
    made = adopt.adopt("deepfashion", pictures, read, tmp_path / "set", (64, 64))
    assert len(made.clips("train")) == 19 and [c.name for c in made.clips("val")] == ["019"]
    assert made.clips("val")[0].frames().shape == (2, 3, 64, 64)


def test_an_empty_folder_is_a_sentence(adopt, tmp_path):
    with pytest.raises(DatasetError, match="no two pictures of one person for market"):
        adopt.adopt("market", adopt.market(tmp_path), lambda *_: None, tmp_path / "set", (128, 64))
    assert not (tmp_path / "set").exists()


def test_the_judge_reads_joints_in_the_papers_order(adopt):
    """On people of our own, whose joints are known."""
    pytest.importorskip("ai_edge_litert")
    from aidagen import sources

    try:
        read = adopt.judged()
    except sources.SourceError as error:
        pytest.skip(f"the pose network cannot be fetched: {error}")
    away = []
    for clip in ClipSet(people.PACK).clips("test")[:6]:
        labels = clip.labels()
        image = Image.fromarray(clip.frames(1, 2)[0].permute(1, 2, 0).numpy())
        if (told := read(None, image)) is not None:
            both = told[1] & labels["visible"][1]
            away += np.linalg.norm((told[0] - labels["joints"][1])[both] * [31.5, 63.5],
                                   axis=1).tolist()  # fmt: skip
    assert len(away) > 50 and np.median(away) < 3
    assert read(None, Image.new("RGB", (64, 128), (128, 128, 128))) is None


def game(folder, frames=3, told=None, size=(20, 16)):
    for k in range(frames):
        path = folder / f"{k:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (40 * k, 90, 60)).save(path)
    if told is not None:
        (folder / "actions.pkl").write_bytes(pickle.dumps(told))


def test_clips_of_playable_video(adopt, tmp_path):
    game(tmp_path / "mine/train/a", told=[0, 2, 1])
    game(tmp_path / "mine/train/b", told=[None] * 3)
    game(tmp_path / "mine/val/c", told=[np.array([0.5, 1.0])] * 3)
    game(tmp_path / "mine/test/d")
    (tmp_path / "mine/test/empty").mkdir()
    found = adopt.adopt_clips("caddy", tmp_path / "mine", tmp_path / "out", 32)
    by_name = {clip.name: clip for split in ("train", "val", "test") for clip in found.clips(split)}
    assert sorted(by_name) == ["a", "b", "c", "d"] and by_name["d"].split == "test"
    assert by_name["a"].frames().shape == (3, 3, 32, 40)
    assert by_name["a"].labels()["actions"].tolist() == [0, 2, 1]
    assert not by_name["b"].labels() and not by_name["d"].labels()
    assert by_name["c"].labels()["actions"].shape == (3, 2)


def test_clips_without_splits_are_divided(adopt, tmp_path):
    for k in range(20):
        game(tmp_path / f"mine/{k:03d}", frames=2)
    found = adopt.adopt_clips("caddy", tmp_path / "mine", tmp_path / "out", None)
    assert [clip.name for clip in found.clips("test")] == ["000", "010"]
    assert [clip.name for clip in found.clips("val")] == ["001", "011"]
    assert len(found.clips("train")) == 16


@pytest.mark.parametrize("told, word", [([0, 1], "(2,)"), (["left"] * 3, "<U4"),
                                        (Path("x"), "not numbers alone")])  # fmt: skip
def test_actions_that_are_none_are_named(adopt, tmp_path, told, word):
    game(tmp_path / "mine/train/a", told=told)
    with pytest.raises(DatasetError, match=r"actions\.pkl should hold one action") as caught:
        adopt.adopt_clips("caddy", tmp_path / "mine", tmp_path / "out", None)
    assert word in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_clips_is_named(adopt, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(DatasetError, match="no folders of frames"):
        adopt.adopt_clips("caddy", tmp_path / "mine", tmp_path / "out", None)
