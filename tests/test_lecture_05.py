"""Lecture 05: its example follows its rule, its parts work, its text says what the rows say."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import untrained
from torch import nn

from aidagen import evaluation, grids
from aidagen.datasets import layout
from aidagen.errors import AidagenError
from aidagen.evaluation import fomm_parts
from aidagen.keypoints import RandomTransform
from aidagen.lectures.first_order_motion import exercises, figures, showcase

TEXT = (Path(__file__).parents[1] / "course" / "05_first_order_motion.py").read_text()
WORDS = " ".join(re.sub(r"^# ?", "", TEXT, flags=re.M).split())


# --- the example --------------------------------------------------------------------------------


@pytest.mark.verify
def test_the_driving_clip_is_the_median_one():
    model, everybody = showcase.model(), showcase.people()
    shares = [showcase.difficulty(model, frames) for frames in everybody.frames]
    assert showcase.median(shares) == showcase.MEDIAN
    assert sorted(shares)[11] == shares[showcase.MEDIAN]


def test_the_lower_median():
    assert showcase.median([0.3, 0.1, 0.4, 0.2]) == 3
    assert showcase.median([0.3, 0.1, 0.2]) == 2


def test_sources_are_the_next_people_in_the_driving_clip_s_first_pose():
    show = showcase.chosen()
    everybody = show.people
    assert len(show.sources) == showcase.SOURCES and len(everybody.frames) == 24
    assert torch.equal(show.driving, everybody.frames[showcase.MEDIAN])
    pose = everybody.poses[showcase.MEDIAN][0]
    for i, source in enumerate(show.sources, 1):
        person = (showcase.MEDIAN + i) % 24
        apart = np.abs(everybody.poses[person] - pose).sum(1)
        assert torch.equal(source, everybody.frames[person][int(apart.argmin())])


def test_the_heads_that_turn_furthest():
    poses = [np.array([[0, 0, 0], [yaw, 50, 0]], float) for yaw in (5, -40, 20)]
    everybody = showcase.People([torch.zeros(2, 3, 4, 4)] * 3, poses)
    assert everybody.turning_most(2) == [1, 2] and everybody.widest_turn(1) == 1


# --- the table of parts -------------------------------------------------------------------------


class Turner(nn.Module):
    """Knows how a picture with a gradient is turned, and turns the source by that, exactly."""

    def __init__(self):
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(()))

    def motion(self, frames):
        grid = grids.identity_grid(*frames.shape[2:])
        inside = grid.norm(dim=-1, keepdim=True) < 0.7
        x, y = ((frames.mean(1)[..., None] - 0.5) * grid * inside).sum((1, 2)).unbind(-1)
        length = torch.hypot(x, y)
        c, s = x / length, y / length
        turned = torch.stack([c, -s, s, c], -1).view(-1, 1, 2, 2)
        return Pose(torch.zeros(len(frames), 1, 2), turned)

    def encode(self, source):
        return SimpleNamespace(image=source, motion=self.motion(source))

    def render(self, encoded, motion):
        matrices = (encoded.motion.jacobians @ torch.linalg.inv(motion.jacobians))[:, 0]
        theta = torch.cat([matrices, torch.zeros(len(matrices), 2, 1)], -1)
        size = encoded.image.shape[-1]
        source = encoded.image.expand(len(matrices), -1, -1, -1)
        image = grids.warp(source, grids.affine_grid(theta, size, size), padding="reflection")
        hidden = torch.ones(len(matrices), 1, 4, 4)
        hidden[..., :2] = 0.2  # half of the picture is painted
        return SimpleNamespace(image=image, deformed=0 * image, occlusion=hidden)


class Pose(SimpleNamespace):
    def __init__(self, points, jacobians):
        super().__init__(points=points, jacobians=jacobians)

    def _replace(self, jacobians):
        return Pose(self.points, jacobians)


class MadeUp(layout.Clip):
    """A clip of 32 frames that all show one gradient, with a head's yaw in each."""

    def __init__(self, yaws):
        pose = np.zeros((32, 3))
        pose[4:, 0] = np.repeat(yaws, 4)[:28]
        object.__setattr__(self, "pose", pose)

    def frames(self):
        x = grids.identity_grid(32, 32)[..., 0]
        frame = ((0.5 + 0.3 * x) * 255).round().to(torch.uint8)
        return frame.expand(32, 3, 32, 32).contiguous()

    def labels(self):
        return {"pose": self.pose}


def table(yaws=(1, 2, 12, 25, 35, 45, 5)):
    clips = SimpleNamespace(clips=lambda split: [MadeUp(yaws), MadeUp(yaws)])
    return fomm_parts.compute(
        progress=lambda text: None, load_model=lambda name: Turner(), load_data=lambda name: clips
    ).rows()


def test_turns_are_seen_and_rebuilt_and_without_jacobians_they_are_not():
    rows = table()
    value = {(r["data"], r["split"], r["method"], r["metric"]): r["value"] for r in rows}
    for angle in fomm_parts.ANGLES:
        split, whole = ("heads-128", f"turned-{angle}"), "fomm-faces-128"
        assert value[(*split, whole, "turn_seen")] == pytest.approx(angle, abs=0.5)
        assert value[(*split, whole, "l1")] < 0.02
        assert value[(*split, "no-turn", "l1")] == value[(*split, "copy-source", "l1")]
    assert value["heads-128", "turned-30", "no-turn", "l1"] > 0.03
    assert value["heads", "turned-30", "no-jacobian", "l1"] < 0.02, "it is a Turner, too"


def test_frames_are_sorted_by_their_yaw():
    rows = table(yaws=(1, 2, 35, 45, 35, 3, 4))
    splits = {r["split"] for r in rows if r["split"].startswith("yaw")}
    assert splits == {"yaw-0", "yaw-30"}, "nobody turned by 10 to 30 degrees"
    found = {(r["method"], r["metric"]): r for r in rows if r["split"] == "yaw-30"}
    assert found["fomm-faces-128", "painted"]["value"] == 0.5
    assert found["warp-only", "l1"]["value"] > found["fomm-faces-128", "l1"]["value"]


def test_no_clips_are_said():
    nobody = SimpleNamespace(clips=lambda split: [])
    with pytest.raises(AidagenError, match="Heads to test on"):
        fomm_parts.compute(
            progress=print, load_model=lambda name: Turner(), load_data=lambda name: nobody
        )


# --- what the text says -------------------------------------------------------------------------


def values(name):
    try:
        rows = evaluation.table(name)
    except AidagenError as problem:
        pytest.skip(str(problem))
    return {(r["data"], r["split"], r["method"], r["metric"]): r["value"] for r in rows}


def test_the_numbers_in_the_key_points_are_those_of_the_rows():
    parts, whole = values("fomm-parts"), "fomm-faces-128"

    def lost(split, method):
        """The error that a part removes, as a share of the error without it."""
        without = parts["heads-128", split, method, "l1"]
        return 1 - parts["heads-128", split, whole, "l1"] / without

    assert "painting removes one eighth of the error" in WORDS
    assert lost("yaw-30", "warp-only") == pytest.approx(1 / 8, abs=0.015)
    assert "declares one twelfth of the picture hidden" in WORDS
    assert parts["heads-128", "yaw-30", whole, "painted"] == pytest.approx(1 / 12, abs=0.01)
    assert "warping alone is nearly as good (4 % worse)" in WORDS
    assert 1 / (1 - lost("yaw-0", "warp-only")) - 1 == pytest.approx(0.04, abs=0.006)
    trained = values("fomm-heads-64")
    apart = [trained["heads", "heads", m, "l1"] for m in ("fomm-heads-64", "no-jacobian")]
    assert "loses only 3 %" in WORDS and apart[1] / apart[0] - 1 == pytest.approx(0.03, abs=0.005)
    assert "costs as much where heads have hardly turned" in WORDS
    costs = [
        parts["heads", split, "no-occlusion", "l1"] - parts["heads", split, "fomm-heads-64", "l1"]
        for split in ("yaw-0", "yaw-30")
    ]
    assert costs[0] >= costs[1] > 0
    assert "paints almost nothing" in WORDS
    assert parts["heads", "yaw-30", "fomm-heads-64", "painted"] < 0.001


def test_mouths_open_only_of_people_whom_the_model_knows():
    rows = values("fomm-faces-128")
    slope = {
        split: rows[data, split, "fomm-faces-128", "mouth_opening"]
        for data, split in (
            ("faces-128", "segments"), ("faces-128", "persons"), ("heads-128", "heads")
        )
    }  # fmt: skip
    assert "mouths open by about six tenths of the truth" in WORDS
    assert slope["segments"] == pytest.approx(0.6, abs=0.05)
    assert "by about one seventh" in WORDS and slope["heads"] == pytest.approx(1 / 7, abs=0.02)
    assert "not at all" in WORDS and abs(slope["persons"]) < 0.05


def test_parts_win_where_they_are_needed_by_more_than_the_interval_and_grow_with_the_need():
    rows = evaluation.table("fomm-parts")
    found = {
        (c["split"], c["against"]): c
        for c in rows.comparisons
        if (c["data"], c["method"]) == ("heads-128", "fomm-faces-128")
    }
    for splits, part in (
        ([f"turned-{a}" for a in fomm_parts.ANGLES], "no-turn"),
        ([f"yaw-{a}" for a in fomm_parts.YAWS], "warp-only"),
    ):
        gains = [-found[split, part]["difference"] for split in splits]
        assert all(found[split, part]["verdict"] == "better" for split in splits)
        assert gains == sorted(gains) and gains[-1] > 3 * gains[0]


# --- figures ------------------------------------------------------------------------------------


def sizes(shown):
    """Width and height of what a notebook would show, in pixels."""
    import io

    from PIL import Image

    return Image.open(io.BytesIO(shown.data)).size


@torch.no_grad()
def test_figures_are_wide_enough_for_a_slide():
    """A figure is at most 600 pixels high on a slide; at 1152 it is at least 60 % as wide."""
    model = untrained.model(blend=True)
    clip = torch.rand(24, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    poses = np.zeros((24, 3))
    poses[5:, 0] = 40
    people = showcase.People([clip, clip.flip(0)], [poses, poses])
    show = showcase.Showcase(people, clip, [clip[0], clip[1]])
    flow = grids.identity_grid(32, 32)
    drawn = {
        "steps": figures.steps(model, clip[0], clip[1]),
        "keypoints": figures.keypoints(model, people, [0, 1, 0]),
        "followed": figures.followed({"one": model, "two": model}, clip[0]),
        "turned": figures.turned(model, [clip[0], clip[1]], 20),
        "hidden": figures.hidden(model, people, people.turning_most(2)),
        "masks": figures.masks(model, clip[0], clip[1]),
        "by hand": figures.by_hand(clip[0], clip[1], flow, model(clip[:1], clip[1:2])),
        "modes": figures.modes(model, clip[0], clip, [0, 3]),
        "trouble": figures.trouble(model, show),
        "temperatures": figures.temperatures(exercises.soft_argmax, model, clip[0], (0.1, 1, 10)),
        "relative": figures.relative_by_hand(
            exercises.RELATIVE.reference, model, clip[0], clip, (0, 2, 4)
        ),
    }
    for name, shown in drawn.items():
        width, height = sizes(shown)
        assert min(600, height) * width / height >= 1152 or width / height >= 1.92, name


@torch.no_grad()
def test_the_homework_s_loss_is_zero_for_points_that_follow():
    """A detector that is told the deformation: zero by the reference, not by the faulty loss."""
    known = RandomTransform.sample(
        3, generator=torch.Generator().manual_seed(4), sigma_affine=figures.SIGMA, sigma_tps=0.0
    )
    marks = torch.rand(3, 5, 2, generator=torch.Generator().manual_seed(1)) - 0.5
    answers = [known.points(marks), marks]  # in X, then in Y, which was read at T

    class Told(nn.Linear):
        def motion(self, frames):
            return SimpleNamespace(points=left.pop(0))

    frames = torch.rand(3, 3, 16, 16)
    left = answers.copy()
    loss = exercises.EQUIVARIANCE.reference
    assert figures.misses(loss, {"told": Told(1, 1)}, frames, seed=4)["told"] < 1e-6
    left = answers.copy()
    faulty = exercises.EQUIVARIANCE.wrong[0].answer
    assert figures.misses(faulty, {"told": Told(1, 1)}, frames, seed=4)["told"] > 0.01
