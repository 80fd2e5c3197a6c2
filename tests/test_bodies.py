"""The shipped pack `bodies`, and the motion and truth behind it: what they promise holds."""

import json
import shutil

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation
from test_render import needs_egl

from aidagen.datasets import bodies
from aidagen.datasets.layout import SPLITS, DatasetError
from aidagen.grids import identity_grid, warp
from aidagen.rendering.truth import JOINTS, PARTS

T = bodies.FRAMES


@pytest.fixture(scope="module")
def pack():
    return bodies.load()


def pixels(points):
    """Points in [-1, 1] as integer pixels of a 64 px picture."""
    return np.clip(np.round((points + 1) / 2 * 63).astype(int), 0, 63)


# ---- the pack -----------------------------------------------------------------------------------
def test_counts_and_size(pack):
    counts = {split: len(pack.clips(split)) for split in SPLITS}
    assert counts["train"] >= 110 and counts["val"] >= 10 and counts["test"] >= 18, counts
    size = sum(f.stat().st_size for f in bodies.PACK.rglob("*") if f.is_file())
    assert size <= 4_000_000
    assert not (bodies.PACK / "unfinished").exists()
    for key in ("licence", "version", "seed", "citation", "source"):
        assert str(pack.info[key])
    assert tuple(pack.info["joints"]) == JOINTS and tuple(pack.info["parts"]) == PARTS


def test_nobody_and_no_motion_is_in_two_splits(pack):
    people = [c.entry["person"] for s in SPLITS for c in pack.clips(s)]
    assert len(set(people)) == len(people)
    spans = {}  # motion -> split -> recorded seconds that were used
    for split in SPLITS:
        for clip in pack.clips(split):
            e = clip.entry
            used = (e["start"], e["start"] + e["speed"] * (T - 1) / float(bodies.FPS))
            spans.setdefault(e["motion"], {}).setdefault(split, []).append(used)
    shared = {m: s for m, s in spans.items() if len(s) > 1}
    assert set(shared) <= {"climb_3"}, "a looping clip has no separate stretches"
    for by_split in shared.values():
        ends = sorted((min(a for a, _ in v), max(b for _, b in v)) for v in by_split.values())
        assert all(one[1] < two[0] for one, two in zip(ends, ends[1:])), by_split
    assert len(spans) >= 12
    assert sum("test" in s for s in spans.values()) >= 3


@pytest.mark.parametrize("split", SPLITS)
def test_figures_fill_four_fifths_of_the_height(pack, split):
    """Mean over frames, then over clips; a clip's highest frame fills nine tenths."""
    tall = [(c.labels()["parts"] > 0).any(2).mean(1) for c in pack.clips(split)]
    assert np.mean([t.mean() for t in tall]) > 0.8
    assert np.mean([t.max() for t in tall]) > 0.88


def test_other_sizes_are_rendered_once(tmp_path, monkeypatch):
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path))
    made = []

    def make(root, size):
        made.append((root, size))
        shutil.copytree(bodies.PACK, root)

    monkeypatch.setattr(bodies, "make", make)
    for _ in range(2):
        assert bodies.load(128).root == tmp_path / "data" / f"bodies-128-v{bodies.VERSION}"
    assert [size for _, size in made] == [128]
    assert bodies.load().root == bodies.PACK


@pytest.mark.parametrize("split", SPLITS)
def test_labels_fit_the_frames(pack, split):
    for clip in pack.clips(split):
        labels = clip.labels()
        assert labels["joints"].shape == (T, 17, 2) and labels["visible"].shape == (T, 17)
        assert labels["parts"].shape == (T, 64, 64) and labels["parts"].dtype == np.uint8
        assert labels["parts"].max() < len(PARTS)
        assert ("flow" in labels) == (split != "train")
        mask = labels["parts"] > 0
        sides = np.concatenate([mask[:, -1], mask[:, :, 0], mask[:, :, -1]], 1)
        assert not sides.any(), f"{clip} leaves the picture"
        assert clip.entry["hair"] == "afro" or not mask[:, 0].any(), f"{clip} leaves at the top"
        assert mask[:, 0].sum() <= 20, "pixels of hair in all frames"
        assert np.abs(labels["joints"]).max() < 1
        tall = mask.any(2).sum(1).max() / 64
        assert 0.5 < tall < 0.97, (clip, tall)
    assert clip.frames().shape == (T, 3, 64, 64) and clip.frames().dtype == torch.uint8


def test_joints_lie_on_their_parts(pack):
    """A visible joint falls on the person; a visible limb joint on one of the parts it joins."""
    near = {"elbow": ("upper arm", "forearm"), "wrist": ("forearm", "hand"),
            "knee": ("thigh", "shin"), "ankle": ("shin", "foot")}  # fmt: skip
    on, matched = [], []
    for clip in pack.clips("test"):
        labels = clip.labels()
        for t in range(0, T, 4):
            grown = binary_dilation(labels["parts"][t] > 0)
            for j, (x, y) in enumerate(pixels(labels["joints"][t])):
                if not labels["visible"][t, j]:
                    continue
                on.append(grown[y, x])
                side, _, joint = JOINTS[j].rpartition(" ")
                if joint in near:
                    there = labels["parts"][t, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
                    wanted = {PARTS.index(f"{side} {part}") for part in near[joint]}
                    matched.append(bool(wanted & set(there.ravel().tolist())))
    assert np.mean(on) > 0.995 and np.mean(matched) > 0.98, (np.mean(on), np.mean(matched))


def test_left_is_the_persons_left(pack):
    """Of people who walk or jump towards us, left joints are on the picture's right."""
    straight = ("walk", "walk_on", "run", "jump")
    seen = [
        c.labels()["joints"]
        for c in pack.clips("train")
        if abs(c.entry["view"]) < 30 and c.entry["motion"] in straight
    ]
    seen = np.concatenate(seen)
    for joint in ("shoulder", "hip"):
        left, right = (seen[:, JOINTS.index(f"{s} {joint}"), 0] for s in ("left", "right"))
        assert (left > right).mean() > 0.95, joint
    heads, feet = seen[:, JOINTS.index("nose"), 1], seen[:, JOINTS.index("left ankle"), 1]
    assert (heads < feet).mean() > 0.97


def test_pixels_change_where_the_mask_is(pack):
    """The backdrop is still; what moves is the person."""
    inside, outside = [], []
    for clip in pack.clips("test"):
        frames, mask = clip.frames().float().numpy(), clip.labels()["parts"] > 0
        change = np.abs(frames[1:] - frames[:1]).mean(1)
        either = mask[1:] | mask[:1]
        inside.append(change[either].mean())
        outside.append(change[~np.stack([binary_dilation(m, iterations=2) for m in either])].mean())
    assert np.mean(outside) < 1.5 and min(inside) > 8, (np.mean(outside), min(inside))
    assert np.mean(inside) > 25


def flow_of(clip):
    flow = clip.labels()["flow"].astype(np.float32) * 0.25
    known = clip.labels()["flow"][..., 0] != bodies.UNKNOWN
    return torch.from_numpy(flow), torch.from_numpy(known)


def test_flow_warps_the_first_frame_onto_every_other(pack):
    """On pixels whose point is seen in both, and better than with any shift of the flow."""
    shifts = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    error = {shift: [] for shift in shifts}
    copied = []
    for clip in pack.clips("test"):
        frames = clip.frames().float() / 255
        flow, known = flow_of(clip)
        assert (flow[0][known[0]] == 0).all() and known.float().mean() > 0.03
        parts = torch.from_numpy(clip.labels()["parts"])
        assert parts[known].bool().float().mean() > 0.97

        def wrong(offset, frames=frames, known=known):
            grid = identity_grid(64, 64) + offset * 2 / 63
            away = (warp(frames[:1].expand(T, -1, -1, -1), grid) - frames).abs().mean(1)
            return away[1:][known[1:]].mean().item()

        for shift in shifts:
            error[shift].append(wrong(flow + torch.tensor(shift, dtype=torch.float32)))
        copied.append(wrong(torch.zeros_like(flow)))
    mean = {shift: np.mean(values) for shift, values in error.items()}
    exact = mean.pop((0, 0))
    assert exact < 0.55 * np.mean(copied), (exact, np.mean(copied))
    assert exact < 0.85 * min(mean.values()), (exact, mean)


def test_flow_agrees_with_the_joints(pack):
    """The nose is on the surface: the flow at its pixel leads to where it was at first."""
    away = []
    for clip in pack.clips("test"):
        labels = clip.labels()
        flow, known = flow_of(clip)
        nose = (labels["joints"][:, 0] + 1) / 2 * 63
        for t in np.flatnonzero(labels["visible"][:, 0] & labels["visible"][0, 0]):
            x, y = pixels(labels["joints"][t, 0])
            if known[t, y, x]:
                away.append(np.abs(flow[t, y, x].numpy() - (nose[0] - nose[t])).max())
    assert len(away) > 100
    assert np.median(away) < 0.4 and np.quantile(away, 0.9) < 1.0, np.quantile(away, [0.5, 0.9])


def test_bodies_move(pack):
    for split in ("train", "test"):
        moved = []
        for clip in pack.clips(split):
            joints = clip.labels()["joints"] * 31.5
            moved.append(np.linalg.norm(joints - joints.mean(0), axis=-1).mean())
        assert np.mean(moved) > 3 and min(moved) > 0.7, (np.mean(moved), min(moved))


def test_people_vary(pack):
    worn = [c.entry for s in SPLITS for c in pack.clips(s)]
    assert len({e["hair"] for e in worn}) >= 12
    assert len({e["pattern"] for e in worn}) == 5
    assert len({e["backdrop"] for e in worn}) >= 6
    assert {e["mirrored"] for e in worn} == {True, False}


def test_the_pose_judge_sees_these_people(pack):
    """What the docstring of `aidagen.datasets.bodies` says of the judge, on 40 test frames."""
    pytest.importorskip("ai_edge_litert")
    from aidagen import judges, sources

    try:
        judge = judges.BodyPose()
    except sources.SourceError as error:
        pytest.skip(f"the pose network cannot be fetched: {error}")
    columns = [judges.BODY_POINTS.index(joint) for joint in JOINTS]
    away, told, found, overlap = [], [], [], []
    for k, clip in enumerate(pack.clips("test")):
        labels, moments = clip.labels(), [4 + 8 * (k % 2), 20 + 8 * (k % 2)]
        reading = judge(clip.frames()[moments].float() / 255)
        found += (reading.score >= judge.threshold).tolist()
        masks = torch.nn.functional.interpolate(reading.mask, size=(64, 64), mode="area")[:, 0]
        for i, t in enumerate(moments):
            points = reading.points[i][columns].numpy()
            seen = labels["visible"][t]
            off = np.linalg.norm((points - labels["joints"][t]) * 31.5, axis=1)[seen]
            told += (~np.isnan(off)).tolist()
            away += off[~np.isnan(off)].tolist()
            guess, true = masks[i].numpy() > 0.5, labels["parts"][t] > 0
            overlap.append((guess & true).sum() / (guess | true).sum())
    print(
        f"found {np.mean(found):.3f}, visible joints told {np.mean(told):.3f}, off by "
        f"{np.mean(away):.2f} px (median {np.median(away):.2f})"
        f", mask IoU {np.mean(overlap):.3f}"
    )
    assert np.mean(found) > 0.95 and np.mean(told) > 0.9
    assert np.mean(away) < 1.8 and np.mean(overlap) > 0.8


def test_another_seed_is_not_mixed_in(tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps({"size": 64, "seed": 7, "clips": {}}))
    with pytest.raises(DatasetError, match="seed 7"):
        bodies.make(tmp_path, 1)


# ---- motion -------------------------------------------------------------------------------------
def test_swing_is_the_shortest_rotation():
    from aidagen.rendering.motion import frame, swing, unit

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50, 3))
    turned = swing(a, b)
    np.testing.assert_allclose((turned @ unit(a)[..., None])[..., 0], unit(b), atol=1e-9)
    angle = np.arccos(np.clip((np.trace(turned, axis1=1, axis2=2) - 1) / 2, -1, 1))
    np.testing.assert_allclose(np.cos(angle), (unit(a) * unit(b)).sum(1), atol=1e-6)
    axes = frame(a, b)
    np.testing.assert_allclose(np.linalg.det(axes), 1, atol=1e-9)


def test_poses_mirror_and_turn():
    from scipy.spatial.transform import Rotation

    from aidagen.rendering.motion import BONES, Pose

    rng = np.random.default_rng(1)
    turned = {k: Rotation.random(8, random_state=rng).as_matrix() for k in BONES}
    turned["root"] = np.broadcast_to(Rotation.from_rotvec([0, 0, 0.4]).as_matrix(), (8, 3, 3))
    pose = Pose(turned, rng.normal(size=(8, 3)))
    assert pose.heading() == pytest.approx(0.4)
    assert pose.mirrored().heading() == pytest.approx(-0.4)
    assert pose.turned(-0.4).heading() == pytest.approx(0, abs=1e-9)
    again = pose.mirrored().mirrored()
    for bone in BONES:
        np.testing.assert_allclose(again.rotations[bone], pose.rotations[bone])
    np.testing.assert_array_equal(
        pose.mirrored().rotations["wrist.L"][:, 2, 2], pose.rotations["wrist.R"][:, 2, 2]
    )


@needs_egl
def test_a_figure_takes_the_directions_of_the_recorded_limbs():
    """Made-up joint positions: every limb of the posed figure points where the recorded does."""
    from aidagen.rendering.motion import Positions
    from aidagen.rendering.scene import Figure

    rng = np.random.default_rng(2)
    half = {"Shoulder": (0.04, 0, 1.40), "Arm": (0.18, 0, 1.42), "ForeArm": (0.24, 0, 1.15),
            "Hand": (0.25, -0.05, 0.92), "HandMiddle1": (0.25, -0.07, 0.83),
            "HandIndex1": (0.25, -0.10, 0.84), "HandPinky1": (0.25, -0.04, 0.84),
            "UpLeg": (0.1, 0, 0.9), "Leg": (0.1, -0.01, 0.48), "Foot": (0.1, 0, 0.08),
            "ToeBase": (0.12, -0.15, 0.03)}  # fmt: skip
    middle = {"Hips": (0, 0, 0.95), "Spine": (0, 0, 1.05), "Spine1": (0, 0, 1.2),
              "Neck": (0, 0, 1.45), "Head": (0, -0.02, 1.6)}  # fmt: skip
    joints, start = list(middle), list(middle.values())
    for side, sign in (("Left", 1), ("Right", -1)):
        joints += [side + name for name in half]
        start += [(sign * x, y, z) for x, y, z in half.values()]
    start = np.array(start)
    moved = start + np.linspace(0, 1, 200)[:, None, None] * rng.normal(0, 0.06, start.shape)
    motion = Positions("made up", np.concatenate([np.repeat(start[None], 100, 0), moved]), joints)
    pose = motion.at(np.array([0.0, motion.seconds]))
    figure = Figure(part="body")
    posed = figure.pose(turns=pose.turns(), frames=2)
    limbs = {
        "Arm ForeArm": ("upperarm01", "lowerarm01"),
        "ForeArm Hand": ("lowerarm01", "wrist"),
        "UpLeg Leg": ("upperleg01", "lowerleg01"),
        "Leg Foot": ("lowerleg01", "foot"),
    }
    for (side, other), (limb, bones) in (
        (s, b) for s in (("L", "Left"), ("R", "Right")) for b in limbs.items()
    ):
        one, two = (motion.values[-1, joints.index(other + n)] for n in limb.split())
        a, b = (posed.joints[1, figure.body.bones.index(f"{n}.{side}")] for n in bones)
        cosine = (two - one) @ (b - a) / np.linalg.norm(two - one) / np.linalg.norm(b - a)
        assert cosine > 0.99, (side, limb, cosine)


@needs_egl
def test_an_unknown_motion_is_refused():
    from aidagen.rendering.motion import load
    from aidagen.rendering.scene import RenderError

    with pytest.raises(RenderError, match="no motion 'moonwalk'"):
        load("moonwalk")


# ---- truth --------------------------------------------------------------------------------------
@needs_egl
def test_flow_of_a_known_shift():
    """A figure carried sideways by 12 cm: the flow is that shift, as the camera sees it."""
    from aidagen.rendering.scene import Camera, Figure, Renderer
    from aidagen.rendering.truth import Truth

    figure, renderer = Figure(part="body"), Renderer((64, 64), supersample=3)
    posed, truth = figure.pose(frames=2), Truth(renderer)
    shift = np.array([[[0, 0, 0]], [[0.12, 0, 0]]], np.float32)
    motion = posed.motion.copy()
    motion[..., :3, 3] += shift
    posed = posed._replace(
        vertices=posed.vertices + shift, joints=posed.joints + shift, motion=motion
    )
    camera = Camera.body(figure, 0.8)
    picture = renderer.draw(figure, posed, 1, camera)
    facts = truth.read(figure, posed, 1, camera)
    away = -camera.eye[1]
    expected = -0.12 / (away * np.tan(np.radians(camera.fov) / 2)) * 32
    # up to 7 % more than expected in the middle plane: the hands are nearer to the camera
    np.testing.assert_allclose(facts.flow[facts.known][:, 0], expected, rtol=0.08)
    np.testing.assert_allclose(facts.flow[facts.known][:, 1], 0, atol=1e-3)
    assert (facts.parts[picture.mask == 255] > 0).all()
    assert (facts.parts[picture.mask == 0] == 0).all()
    assert set(np.unique(facts.parts)) == set(range(len(PARTS)))
    bone = figure.body.bones.index("lowerleg01.R")
    np.testing.assert_allclose(
        facts.joints[JOINTS.index("right knee")], picture.joints[bone], atol=1e-5
    )
    assert facts.visible.sum() >= 15


@needs_egl
def test_truth_needs_a_sample_on_the_centre():
    from aidagen.rendering.scene import Renderer, RenderError
    from aidagen.rendering.truth import Truth

    with pytest.raises(RenderError, match="odd number"):
        Truth(Renderer((8, 8), supersample=4))
