"""The shipped pack `smiles`: what it promises is what is on disk."""

from itertools import product

import numpy as np
import pytest
import torch
from test_render import needs_egl

from aidagen.datasets import smiles
from aidagen.datasets.layout import SPLITS, DatasetError
from aidagen.datasets.rendered import Shares
from aidagen.evaluation.expressions import apart, expression

KEYS = {"landmarks", "visible", "pose", "strength", "label", "mode"}


@pytest.fixture(scope="module")
def pack():
    return smiles.load()


@pytest.fixture(scope="module")
def tested(pack):
    """(identity, label, mode) -> (labels, expression) of each test clip."""
    found = {}
    for clip in pack.clips("test"):
        labels = clip.labels()
        key = (clip.entry["identity"], int(labels["label"]), int(labels["mode"]))
        found[key] = labels, expression(torch.as_tensor(labels["landmarks"]).float())
    return found


def test_sixty_people_in_every_way_and_nobody_in_two_splits(pack):
    people = {}
    for split in SPLITS:
        for clip in pack.clips(split):
            labels = clip.labels()
            way = (int(labels["label"]), int(labels["mode"]))
            people.setdefault(split, {}).setdefault(clip.entry["identity"], []).append(way)
            label, mode = smiles.LABELS[way[0]], smiles.MODES[way[1]]
            assert clip.entry["smile"] == f"{label}, {mode}"
    assert {split: len(people[split]) for split in SPLITS} == {"train": 48, "val": 4, "test": 8}
    assert len({who for split in SPLITS for who in people[split]}) == smiles.PEOPLE
    for ways in (ways for split in SPLITS for ways in people[split].values()):
        assert sorted(ways) == sorted(product((0, 1), (0, 1, 2)))
    assert sum(f.stat().st_size for f in smiles.PACK.rglob("*") if f.is_file()) <= 4_000_000


def test_each_clip_goes_from_neutral_to_neutral(pack):
    for clip in pack.clips("test"):
        frames, labels = clip.frames(), clip.labels()
        assert frames.shape == (smiles.FRAMES, 3, 64, 64) and set(labels) == KEYS
        assert clip.fps == smiles.FPS
        strength = labels["strength"].astype(np.float32)
        assert strength[0] == strength[-1] == 0 and strength.max() > 0.97
        assert (np.diff(np.sign(np.diff(strength[strength < 0.97]))) < 0).sum() <= 1, "one rise"
        moved = expression(torch.as_tensor(labels["landmarks"]).float()).norm(dim=-1).mean(1)
        assert moved[-1] < moved[10:20].mean() / 2, clip
        assert np.abs(labels["pose"].astype(np.float32)).max() < 12, "the head is held still"


def test_labels_differ_as_studies_of_smiles_found(tested):
    """Spontaneous smiles rise more slowly, are more symmetric, and narrow the eyes."""
    rises, sides, eyes = ({0: [], 1: []} for _ in range(3))
    for (_, label, mode), (labels, moved) in tested.items():
        strength = labels["strength"].astype(np.float32)
        rises[label].append(int(np.argmax(strength > 0.9) - np.argmax(strength > 0.1)))
        if mode != 0:
            continue
        corners = moved[12:17, [54 - 17, 48 - 17]].norm(dim=-1).mean(0)
        sides[label].append((corners.min() / corners.max()).item())
        height = [moved[12:17, [i - 17, j - 17], 1].mean(0) for i, j in ((41, 37), (46, 44))]
        eyes[label].append(sum((top - low).item() for low, top in height))
    assert np.mean(rises[1]) > 1.6 * np.mean(rises[0])
    assert np.mean(sides[1]) > np.mean(sides[0]) + 0.05
    assert np.mean(eyes[1]) > np.mean(eyes[0]), "the eyelids come together"


def test_modes_can_be_told_apart_by_landmarks(tested):
    """Somebody else's smile in the same mode is nearer than the same person's in another one."""
    nearer = []
    for (who, label, mode), (_, moved) in tested.items():
        others = [
            x for (w, lab, m), (_, x) in tested.items() if (lab, m) == (label, mode) and w != who
        ]
        own = [
            x for (w, lab, m), (_, x) in tested.items() if (w, lab) == (who, label) and m != mode
        ]
        mean = torch.stack(others).mean(0)
        nearer.append(apart(moved, mean) < min(apart(moved, x) for x in own) / 2)
    assert np.mean(nearer) > 0.9


def test_people_are_counted_in_whole_ones(tmp_path):
    assert [Shares(15, 2, 1, each=6).split(i) for i in (0, 11, 12, 17, 18, 90)] == [
        "test", "test", "val", "val", "train", "test",
    ]  # fmt: skip
    with pytest.raises(DatasetError, match="multiple of 60"):
        smiles.make(tmp_path, clips=100)
    with pytest.raises(DatasetError, match="64 pixels wide or wider, not 32"):
        smiles.load(size=32)


@needs_egl
def test_a_clip_of_the_pack_is_drawn_again(pack):
    from aidagen.rendering.scene import Renderer

    shipped = pack.clips("test")[3]
    again = smiles.clip(Renderer((64, 64), supersample=3), smiles.SHIPPED, 0, int(shipped.name))
    frames = torch.from_numpy(np.stack(list(again.frames))).permute(0, 3, 1, 2)
    assert (frames.float() - shipped.frames().float()).abs().mean() < 3
    labels = shipped.labels()
    for key, value in again.labels().items():
        if key != "visible":
            np.testing.assert_allclose(value, labels[key], atol=1e-2)
    assert again.words.items() <= shipped.entry.items()
