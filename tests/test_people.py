"""The shipped pack `people`, its figures and its truth: what they promise holds."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation
from test_render import needs_egl

from aidagen.datasets import people
from aidagen.datasets.layout import SPLITS, DatasetError
from aidagen.rendering import truth

T = people.POSES


@pytest.fixture(scope="module")
def pack():
    return people.load()


def pixels(points):
    """Points in [-1, 1] as whole (x, y) pixels of a picture of 128 x 64."""
    return np.clip(np.round((points + 1) / 2 * [63, 127]).astype(int), 0, [63, 127])


# ---- the pack -----------------------------------------------------------------------------------
def test_counts_and_size(pack):
    counts = {split: len(pack.clips(split)) for split in SPLITS}
    assert counts == {"train": 120, "val": 8, "test": 24}
    assert sum(f.stat().st_size for f in people.PACK.rglob("*") if f.is_file()) <= 4_000_000
    assert not (people.PACK / "unfinished").exists()
    for key in ("licence", "version", "seed", "citation", "source"):
        assert str(pack.info[key])
    assert tuple(pack.info["joints"]) == people.JOINTS and pack.redistributable
    assert tuple(pack.info["parts"]) == people.PARTS and people.PARTS[truth.CARRIED] == "carried"


def test_nobody_and_no_motion_is_in_two_splits(pack):
    who = [int(c.labels()["identity"]) for s in SPLITS for c in pack.clips(s)]
    assert len(set(who)) == len(who) >= 150
    used = {}  # motion -> split -> recorded seconds
    for split in SPLITS:
        for clip in pack.clips(split):
            moments = clip.entry["poses"].split(", ")
            assert len(moments) == T
            for name, second in (moment.split() for moment in moments):
                used.setdefault(name, {}).setdefault(split, []).append(float(second))
    shared = {name for name, splits in used.items() if len(splits) > 1}
    assert shared <= {"climb_3"}
    for splits in (used[name] for name in shared):
        spans = sorted((min(seconds), max(seconds)) for seconds in splits.values())
        assert all(one[1] < two[0] for one, two in zip(spans, spans[1:], strict=False))


@pytest.mark.parametrize("split", SPLITS)
def test_labels_fit_the_frames(pack, split):
    for clip in pack.clips(split):
        labels = clip.labels()
        shapes = {"joints": (T, 18, 2), "visible": (T, 18), "camera": (T,), "view": (T,),
                  "identity": ()}  # fmt: skip
        if split != "train":
            shapes["parts"] = (T, 128, 64)
        assert {key: value.shape for key, value in labels.items()} == shapes
        assert labels["camera"].tolist() == [0] * 8 + [1] * 8
        assert np.abs(labels["joints"]).max() < 1, "nobody leaves the picture"
    frames = clip.frames()
    assert frames.shape == (T, 3, 128, 64) and frames.dtype == torch.uint8


@pytest.mark.parametrize("split", ["val", "test"])
def test_figures_fill_the_picture(pack, split):
    tall = []
    for clip in pack.clips(split):
        mask = clip.labels()["parts"] > 0
        rows, columns = mask.any(2), mask.any(1)
        tall.append(rows.sum(1) / 128)
        assert not (columns[:, 0] | columns[:, -1] | rows[:, 0] | rows[:, -1]).any(), clip
        middle = (rows.argmax(1) + 127 - rows[:, ::-1].argmax(1)) / 2
        assert np.abs(middle - 63.5).max() < 3, "in the middle"
    assert np.min(tall) > 0.73 and np.max(tall) < 0.96
    assert np.mean(tall) > 0.85 and np.median(tall) > 0.87


def test_joints_lie_on_their_parts(pack):
    """A visible joint falls on the person; a visible limb joint on one of the parts it joins."""
    near = {"elbow": ("upper arm", "forearm"), "wrist": ("forearm", "hand"),
            "knee": ("thigh", "shin"), "ankle": ("shin", "foot"), "hip": ("thigh",),
            "shoulder": ("upper arm",)}  # fmt: skip
    on, matched, hidden = [], [], []
    for clip in pack.clips("test"):
        labels = clip.labels()
        for t in range(0, T, 2):
            parts = labels["parts"][t]
            for j, (x, y) in enumerate(pixels(labels["joints"][t])):
                side, _, joint = people.JOINTS[j].rpartition(" ")
                there = set(parts[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].ravel().tolist())
                if joint in near:
                    wanted = {people.PARTS.index(f"{side} {part}") for part in near[joint]}
                    if joint in ("hip", "shoulder"):
                        wanted.add(people.PARTS.index("torso"))
                if labels["visible"][t, j]:
                    on.append(bool(there - {0}))
                    if joint in near:
                        matched.append(bool(wanted & there))
                elif joint in ("elbow", "wrist", "knee"):
                    hidden.append(bool(wanted & {int(parts[y, x])}))
    assert np.mean(on) > 0.995 and np.mean(matched) > 0.98, (np.mean(on), np.mean(matched))
    assert len(hidden) > 100 and np.mean(hidden) < 0.35, "mostly, another part is in front"


def test_left_is_the_persons_left_and_backs_hide_faces(pack):
    front, back = [], []
    for clip in pack.clips("train"):
        labels = clip.labels()
        view = np.abs(labels["view"])
        front.append(labels["joints"][view < 30])
        back.append((labels["joints"][view > 150], labels["visible"][view > 150]))
    seen, behind = np.concatenate(front), np.concatenate([joints for joints, _ in back])
    for joint in ("shoulder", "hip"):
        left, right = (people.JOINTS.index(f"{side} {joint}") for side in ("left", "right"))
        assert (seen[:, left, 0] > seen[:, right, 0]).mean() > 0.95, joint
        assert (behind[:, left, 0] < behind[:, right, 0]).mean() > 0.95, joint
    visible = np.concatenate([visible for _, visible in back])
    face = [people.JOINTS.index(name) for name in ("nose", "left eye", "right eye")]
    assert visible[:, face].mean() < 0.1
    assert visible[:, people.TRUNK].mean() > 0.75


def test_trunks_are_told(pack):
    labels = pack.clips("test")[0].labels()
    known = people.told(labels["joints"], labels["visible"])
    assert known[labels["visible"]].all() and known[:, people.TRUNK].all()
    limbs = np.setdiff1d(np.arange(18), people.TRUNK)
    np.testing.assert_array_equal(known[:, limbs], labels["visible"][:, limbs])
    outside = labels["joints"] + [0.0, 3.0]
    assert not people.told(outside, np.zeros_like(known)).any()


def test_the_empty_places_are_behind_the_people(pack):
    """Above the floor, where nobody is, a picture shows its own place and not the other one."""
    own, other = [], []
    for clip in pack.clips("test"):
        labels, frames = clip.labels(), clip.frames().permute(0, 2, 3, 1).numpy() / 255
        empty = people.backdrops(clip)
        assert empty.shape == (2, 128, 64, 3) and empty.min() >= 0 and empty.max() <= 1
        for t in range(0, T, 3):
            free = ~binary_dilation(labels["parts"][t] > 0, iterations=2)[:64]
            at = int(labels["camera"][t])
            for errors, place in ((own, empty[at]), (other, empty[1 - at])):
                errors.append(np.abs(frames[t, :64] - place[:64])[free].mean())
    assert np.max(own) < 0.02 and np.mean(own) < 0.008, (np.max(own), np.mean(own))
    assert np.mean(other) > 20 * np.mean(own)


def test_people_vary(pack):
    entries = [c.entry for s in SPLITS for c in pack.clips(s)]
    for key, least in (("hair", 10), ("pattern", 9), ("trousers", 4), ("over", 4), ("bag", 4),
                       ("hat", 4)):  # fmt: skip
        assert len({entry[key] for entry in entries}) >= least, key
    assert len({place for entry in entries for place in entry["places"].split(", ")}) >= 25
    views = np.concatenate([c.labels()["view"] for c in pack.clips("train")])
    assert (np.abs(views) < 60).mean() > 0.5 and (np.abs(views) > 120).mean() > 0.1


def test_other_sizes_are_rendered_once(tmp_path, monkeypatch):
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path))
    made = []

    def make(root, size):
        made.append(size)
        root.mkdir(parents=True)
        shutil.copy(people.PACK / "dataset.json", root)

    monkeypatch.setattr(people, "make", make)
    for _ in range(2):
        assert people.load(256).root == tmp_path / "data" / f"people-256-v{people.VERSION}"
    assert made == [256] and people.load().root == people.PACK


@needs_egl
def test_a_size_that_cannot_be_halved_is_refused(tmp_path):
    for size in (130, 28):
        with pytest.raises(DatasetError, match="multiple of 4, 32 or more"):
            people.make(tmp_path / "x", clips=1, size=size)
    assert not (tmp_path / "x").exists()


def test_the_pose_judge_sees_these_people(pack):
    """On 48 test pictures. It tells hips and shoulders that the body hides, too, as `people.told`
    says of pose estimators."""
    pytest.importorskip("ai_edge_litert")
    from aidagen import judges, sources

    try:
        judge = judges.BodyPose()
    except sources.SourceError as error:
        pytest.skip(f"the pose network cannot be fetched: {error}")
    names = [name for name in people.JOINTS if name != "neck"]
    columns = [judges.BODY_POINTS.index(name) for name in names]
    rows = [people.JOINTS.index(name) for name in names]
    trunk = np.isin(rows, people.TRUNK)
    away, told, hidden, found = [], [], [], []
    for k, clip in enumerate(pack.clips("test")):
        labels, moments = clip.labels(), [k % 8, 8 + (k + 3) % 8]
        reading = judge(clip.frames()[moments].float() / 255)
        found += (reading.score >= judge.threshold).tolist()
        for i, t in enumerate(moments):
            off = (reading.points[i][columns].numpy() - labels["joints"][t, rows]) * [31.5, 63.5]
            off, seen = np.linalg.norm(off, axis=1), labels["visible"][t, rows]
            told += (~np.isnan(off[seen])).tolist()
            away += off[seen][~np.isnan(off[seen])].tolist()
            hidden += (~np.isnan(off[trunk & ~seen])).tolist()
    print(
        f"found {np.mean(found):.3f}, visible joints told {np.mean(told):.3f}, off by "
        f"{np.mean(away):.2f} px (median {np.median(away):.2f}), hidden hips and shoulders told "
        f"{np.mean(hidden):.3f} of {len(hidden)}"
    )
    assert np.mean(found) > 0.95 and np.mean(told) > 0.9
    assert np.median(away) < 3 and np.mean(hidden) > 0.7


# ---- figures ------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def studio():
    from aidagen.rendering.scene import Renderer
    from aidagen.rendering.truth import Truth

    renderer = Renderer((128, 64), supersample=3)
    return renderer, Truth(renderer)


@needs_egl
def test_a_person_of_the_pack_is_drawn_again(pack, studio):
    shipped = pack.clips("test")[3]
    again = people.clip(*studio, 0, int(shipped.name))
    frames = torch.from_numpy(np.stack(list(again.frames))).permute(0, 3, 1, 2)
    assert (frames.float() - shipped.frames().float()).abs().mean() < 4
    labels = shipped.labels()
    for key, value in again.labels().items():
        if key in ("visible", "parts"):
            assert (value == labels[key]).mean() > 0.99
        else:
            np.testing.assert_allclose(value, labels[key], atol=2e-3)
    assert again.words.items() <= shipped.entry.items()


@needs_egl
def test_clothes_hang(studio):
    """Cloth is nowhere inside the skin; a skirt closes the gap between the legs; from behind, the
    face is hidden, and a backpack hides more than a bare back."""
    from aidagen.rendering.people import person
    from aidagen.rendering.scene import Camera, turn
    from aidagen.rendering.wardrobe import Dressed, Outfit, outfit

    renderer, facts = studio
    rng = np.random.default_rng(5)
    someone = person(rng)
    for _ in range(40):
        outfit(rng, feminine=bool(rng.integers(2)))  # all parts go together

    def seen(worn, shift=(0.0, 0.0, 0.0)):
        figure = Dressed(someone.phenotype, someone.details, replace(someone.look, hair="short",
                         hat="none"), worn)  # fmt: skip
        posed = figure.pose(turns={"root": turn(yaw=np.array([0.0, 180.0]))})
        views = []
        for t in range(2):
            camera = Camera.body(figure, 0.8).moved(np.array(shift))
            renderer.draw(figure, posed, t, camera)
            views.append(facts.read(figure, posed, t, camera, first=None))
        return figure, posed, views

    figure, posed, (front, back) = seen(Outfit())
    skin = posed.vertices[0]
    normals = figure.body.normals(skin)
    cloth = ((figure.lifted(skin, normals) - skin) * normals).sum(1)
    assert cloth.min() > -1e-4 and 0.005 < cloth[figure.soft].mean() < 0.05
    # a hand may hide its wrist, from whichever side
    arms_and_legs = [k for k, joint in enumerate(truth.JOINTS) if k >= 5 and "wrist" not in joint]
    assert front.visible[0] and front.visible[arms_and_legs].all() and front.neck_visible
    assert not back.visible[:3].any() and back.visible[5:].sum() >= 10
    _, _, (skirted, _) = seen(Outfit(over="skirt", reach=1.0))
    knees = [truth.JOINTS.index(f"{side} knee") for side in ("left", "right")]
    x, y = pixels(front.joints[knees].mean(0))
    assert front.parts[y - 10, x] == 0 and skirted.parts[y - 10, x] > 0
    _, _, (before, behind) = seen(Outfit(bag="backpack"))
    carried = [(view.parts == truth.CARRIED).sum() for view in (front, before, behind)]
    assert carried[0] == 0 and carried[2] > 300 > carried[1]
    _, _, (cut, _) = seen(Outfit(), shift=(0.0, 0.0, 0.6))
    ankles = [truth.JOINTS.index(f"{side} ankle") for side in ("left", "right")]
    assert (cut.joints[ankles, 1] > 1).all() and not cut.visible[ankles].any()


def test_frames_are_cut_as_a_detector_would():
    rng = np.random.default_rng(2)
    points = rng.uniform(-1, 1, (500, 3)) * [0.25, 0.15, 0.85] + [0.1, 0.0, 0.9]
    for down in (0.0, 0.25):
        camera, fill = people.frame(points, down, 0.9)
        view = camera.matrix(0.5)
        seen = points @ view[:, :3].T + view[:, 3]
        seen = seen[:, :2] / seen[:, 3:]
        np.testing.assert_allclose(np.ptp(seen[:, 1]) / 2, 0.9, atol=2e-3)
        np.testing.assert_allclose(seen.min(0) + seen.max(0), 0, atol=5e-3)
        assert fill == pytest.approx(0.9, abs=2e-3)
    assert people.frame(points * [4, 1, 1], 0.0, 0.9)[0] is None, "too wide for its height"
