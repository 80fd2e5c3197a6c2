"""The shipped pack `robot`: sizes, labels that fit the pixels, motion; and its making."""

import importlib.util
import json

import numpy as np
import pytest
import torch

from aidagen import datasets
from aidagen.datasets import robot
from aidagen.datasets.layout import SPLITS, DatasetError
from aidagen.errors import AidagenError
from aidagen.rendering import robot as render_robot

KEYS = {"joints", "inside", "visible", "mask", "actions", "state", "object"}
T, J = robot.FRAMES, len(render_robot.JOINTS)


@pytest.fixture(scope="module")
def pack():
    return robot.load()


@pytest.fixture(scope="module")
def labelled(pack):
    """(clip, labels) of every test clip and of every tenth train clip."""
    clips = [*pack.clips("test"), *pack.clips("train")[::10]]
    return [(clip, clip.labels()) for clip in clips]


def pixels(joints):
    """Column and row (..., 2) of points in [-1, 1]."""
    return np.clip(np.round((joints.astype(float) + 1) / 2 * 63), 0, 63).astype(int)


def near(mask, column, row):
    """The 3 x 3 pixels around one."""
    return mask[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]


def test_counts_and_size(pack):
    counts = {split: len(pack.clips(split)) for split in SPLITS}
    assert counts == {"train": 140, "val": 12, "test": 24}
    size = sum(f.stat().st_size for f in robot.PACK.rglob("*") if f.is_file())
    assert size <= 4_000_000
    assert not (robot.PACK / "unfinished").exists()
    for key in ("licence", "version", "seed", "citation", "source"):
        assert str(pack.info[key])
    assert tuple(pack.info["joints"]) == render_robot.JOINTS
    assert tuple(pack.info["parts"]) == render_robot.PARTS
    assert datasets.load("robot").hash == pack.hash


def test_no_look_is_in_two_splits(pack):
    entries = [clip.entry for split in SPLITS for clip in pack.clips(split)]
    for of in (lambda e: e["person"], lambda e: (e["azimuth"], e["elevation"], *e["colour"])):
        assert len({of(e) for e in entries}) == len(entries)
    assert {e["table"] for e in entries} == {t.split(".")[0] for t in render_robot.TEXTURES}
    for key, values in {"shape": {"puck", "block"}, "behaviour": {"wander", "push"}}.items():
        found = [e[key] for e in entries]
        assert set(found) == values
        assert min(found.count(v) for v in values) > 0.3 * len(found)


@pytest.mark.parametrize("split", SPLITS)
def test_shapes(pack, split):
    for clip in pack.clips(split)[:6]:
        frames, labels = clip.frames(), clip.labels()
        assert frames.shape == (T, 3, 64, 64) and frames.dtype == torch.uint8
        assert set(labels) == KEYS
        assert labels["joints"].shape == (T, J, 2)
        assert labels["inside"].shape == labels["visible"].shape == (T, J)
        assert labels["inside"].dtype == labels["visible"].dtype == bool
        assert labels["mask"].shape == (T, 64, 64) and labels["mask"].dtype == np.uint8
        assert labels["actions"].shape == (T, 4)
        assert labels["state"].shape == labels["object"].shape == (T, 3)


def test_values_are_in_range(labelled):
    for _, labels in labelled:
        assert labels["mask"].max() <= 3
        assert np.abs(labels["actions"]).max() <= 1 and np.abs(labels["joints"]).max() <= 2
        inside = (np.abs(labels["joints"].astype(float)) <= 1).all(-1)
        assert (inside == labels["inside"]).mean() > 0.99  # rounded to 1/8 pixel
        assert not (labels["visible"] & ~labels["inside"]).any()


@pytest.mark.parametrize(
    "joint, parts",
    [("wrist", {1}), ("gripper", {1, 2}), ("left_finger", {2}), ("right_finger", {2}),
     ("object", {3})],
)  # fmt: skip
def test_joints_lie_on_their_part(labelled, joint, parts):
    """A visible joint lies on its own part of the mask; elsewhere that part is rare."""
    j, hits, chance = render_robot.JOINTS.index(joint), [], []
    rng = np.random.default_rng(0)
    for _, labels in labelled:
        at = pixels(labels["joints"][:, j])
        for t in np.flatnonzero(labels["visible"][:, j]):
            hits.append(bool(parts & set(near(labels["mask"][t], *at[t]).ravel().tolist())))
            somewhere = near(labels["mask"][t], *rng.integers(0, 64, 2))
            chance.append(bool(parts & set(somewhere.ravel().tolist())))
    assert len(hits) > 500
    assert np.mean(hits) > 0.97, np.mean(hits)
    assert np.mean(chance) < 0.4


def test_the_mask_fits_the_pixels(labelled):
    """The object's colour is found inside its mask: its pixels look alike over the clip, and
    unlike the background."""
    apart = []
    for clip, labels in labelled[::2]:
        frames, mask = clip.frames().numpy().transpose(0, 2, 3, 1) / 255.0, labels["mask"]
        if (mask == 3).sum() < 100:
            continue
        thing, ground = frames[mask == 3], frames[mask == 0]
        hue = np.array(clip.entry["colour"])
        hue = hue / np.linalg.norm(hue)

        def likeness(rgb, hue=hue):
            return (rgb @ hue / (np.linalg.norm(rgb, axis=1) + 1e-6)).mean()

        apart.append(likeness(thing) - likeness(ground))
    assert len(apart) >= 15
    assert np.mean(np.array(apart) > 0) > 0.9 and np.mean(apart) > 0.05, apart


def test_actions_move_the_gripper(pack, labelled):
    """Each action explains the way to the next frame, better than the one before or after it."""
    now, late = [], []
    for _, labels in labelled:
        action, way = labels["actions"][:, :3].astype(float), np.diff(labels["state"], axis=0)
        now.append(np.corrcoef(action[:-1].ravel(), way.ravel())[0, 1])
        late.append(np.corrcoef(action[1:].ravel(), way.ravel())[0, 1])
        assert np.abs(way).max() < 1.5 * pack.info["metres_per_action"]
    assert min(now) > 0.9, now
    assert np.mean(now) > np.mean(late) + 0.1


def test_directions_are_those_of_the_picture(labelled):
    """+x goes to the left of the picture, as the documentation says."""
    j = render_robot.JOINTS.index("gripper")
    for _, labels in labelled:
        across = np.diff(labels["joints"][:, j, 0].astype(float))
        assert np.corrcoef(labels["actions"][:-1, 0].astype(float), across)[0, 1] < -0.6


def test_fingers_open_and_close(labelled):
    left, right = (render_robot.JOINTS.index(f"{side}_finger") for side in ("left", "right"))
    gaps = []
    for _, labels in labelled:
        points = labels["joints"].astype(float)
        gap = np.linalg.norm(points[:, left] - points[:, right], axis=1) * 31.5
        closing = labels["actions"][:-1, 3] > 0
        gaps.append((gap[1:][closing], gap[1:][~closing]))
    closed, opened = (np.concatenate(g) for g in zip(*gaps))
    assert len(closed) > 200 and len(opened) > 200
    assert np.median(opened) > np.median(closed) + 1, "in pixels"


def test_the_arm_moves(labelled):
    """Copying the first frame must be clearly wrong in every clip, by motion and not by noise."""
    shares, steps, pushed = [], [], []
    gripper = render_robot.JOINTS.index("gripper")
    for clip, labels in labelled:
        frames = clip.frames().float() / 255
        changed = (frames - frames[:1]).abs().amax(1) > 0.1
        shares.append(changed[1:].float().mean().item())
        solid = torch.from_numpy((labels["mask"] > 0) | (labels["mask"][:1] > 0))
        assert changed[solid].float().mean() > 3 * changed[~solid].float().mean(), clip
        steps.append(np.linalg.norm(np.diff(labels["joints"][:, gripper].astype(float), axis=0),
                                    axis=1).max() * 31.5)  # fmt: skip
        pushed.append(np.linalg.norm(labels["object"][-1] - labels["object"][0]) > 0.02)
    assert np.mean(shares) > 0.15 and min(shares) > 0.05, sorted(shares)[:5]
    assert max(steps) < 10, "pixels from one frame to the next"
    assert np.mean(pushed) > 0.7


def test_bad_input(tmp_path, monkeypatch):
    with pytest.raises(AidagenError, match="robot"):
        datasets.load("robots")
    with pytest.raises(DatasetError, match="even size"):
        robot.make(tmp_path / "odd", clips=2, size=63)
    with pytest.raises(DatasetError, match="0 clips"):
        robot.make(tmp_path / "none", clips=0)
    (tmp_path / "dataset.json").write_text(json.dumps({"size": 64, "seed": 7, "clips": {}}))
    with pytest.raises(DatasetError, match="seed 7"):
        robot.make(tmp_path, clips=1, seed=0)
    monkeypatch.setattr(render_robot, "find_spec", lambda name: None)
    with pytest.raises(AidagenError, match="metaworld and mujoco"):
        robot.make(tmp_path / "new", clips=1)
    assert not (tmp_path / "odd").exists() and not (tmp_path / "new").exists()


def missing():
    """Why nothing can be rendered here, or ""."""
    for package in ("metaworld", "mujoco"):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed (extra robot)"
    return ""


@pytest.mark.skipif(bool(missing()), reason=missing() or "-")
def test_the_script_makes_the_pack(pack, tmp_path):
    """Two clips are made again as they are in the pack; a run that was interrupted goes on."""
    made = robot.make(tmp_path, clips=1, progress=False)
    first = made.clips("test")[0]
    before = first.path.stat().st_mtime_ns
    made = robot.make(tmp_path, clips=2, progress=False)
    assert first.path.stat().st_mtime_ns == before, "a finished clip was rendered again"
    for again, shipped in zip(made.clips("test"), pack.clips("test")):
        assert again.entry["person"] == shipped.entry["person"]
        one, other = again.labels(), shipped.labels()
        assert np.allclose(one["state"], other["state"], atol=1e-3)
        assert (one["mask"] == other["mask"]).mean() > 0.99
        difference = again.frames().float() - shipped.frames().float()
        assert difference.abs().mean() < 2
