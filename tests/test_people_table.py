"""The tables of people: what is asked for, baselines, judges, and people known again."""

from dataclasses import replace

import pytest
import torch

from aidagen.datasets import people as people_set
from aidagen.datasets import pose_pairs
from aidagen.evaluation import embeddings, people, reid
from aidagen.models import deformable_gan, pg2
from aidagen.poses import Pose

TINY = replace(
    deformable_gan.deformable_gan_small(), channels=2, max_channels=4, disc_channels=2,
    background=True, composite=True,
)  # fmt: skip


def untrained(name):
    """Models that know nothing, as the zoo would load them."""
    torch.manual_seed(0)
    if name.startswith("pg2"):
        config = replace(pg2.pg2_small(), channels=2, bottleneck=4, background=True)
        return pg2.PG2(config)
    warp = name.rpartition("-")[2]
    return deformable_gan.DeformableGAN(
        replace(TINY, warp=warp if warp in ("full", "stn", "none") else "mask")
    )


@pytest.fixture(scope="module")
def test_clips():
    return people_set.load().clips("test")


def test_pairs_of_one_camera_and_of_two(test_clips):
    for split, same in (("same-camera", True), ("other-camera", False)):
        for one in people.asked(test_clips[:2], split, each=3):
            album = pose_pairs.album(one.clip)
            assert one.source.shape == one.target.shape == (3, 3, 128, 64)
            where = [
                next(k for k in album.usable if torch.equal(album.images[k], image))
                for end in (one.source, one.target)
                for image in end
            ]
            cameras = album.camera[where].view(2, 3)
            assert (cameras[0] == cameras[1]).tolist() == [same] * 3
            # the backdrop is the target's place: beside the person it is what the picture shows
            beside = ~one.figure.expand(-1, 3, -1, -1)
            apart = (one.backdrop - one.target / 255).abs()
            assert apart[beside].mean() < 0.03 < apart[~beside].mean()


def test_the_nearest_pose_of_a_training_picture_is_itself():
    training = people_set.load().clips("train")[:3]
    nearest = people.NearestPose(training)
    album = pose_pairs.album(training[1])
    assert torch.equal(nearest(Pose(album.joints, album.known)), album.images)
    nobody = torch.zeros_like(album.known)
    assert nearest(Pose(album.joints, nobody)).shape == album.images.shape


def test_a_map_is_averaged_inside_the_figure_of_each_picture():
    values = torch.zeros(2, 1, 4, 4)
    values[0, 0, :2] = 1
    values[1, 0, 0, 0] = 1
    where = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    where[0, 0, :, 0] = where[1, 0, 0, :2] = True
    assert people.within(values, where) == pytest.approx(0.5)
    same = torch.rand(1, 3, 32, 32)
    assert people.ssim_map(same, same).min() > 0.999


@pytest.fixture(scope="module")
def rows():
    return people.compute(limit=2, progress=lambda _: None, load_model=untrained)


def test_the_table_of_people(rows):
    """Every method has every metric; the truth costs nothing, and copies are told from it."""
    cells = {(c.split, c.method, c.metric.name): c.interval.value for c in rows.columns}
    metrics = {metric.name for metric in (*people.METRICS, people.FD)}
    for split in people.SPLITS:
        for method in (*people.MODELS, people.COPY, people.NEAREST, people.BACKDROP):
            found = {metric for s, m, metric in cells if (s, m) == (split, method)}
            # a picture without a person has no joints to be near, nor has an untrained model's
            drawn = method in (people.COPY, people.NEAREST)
            assert metrics - found <= (set() if drawn else {"akd"}), method
        assert cells[split, people.REAL, "akd"] < 3 < cells[split, people.COPY, "akd"]
        assert cells[split, people.REAL, "detection"] > 0.9
        assert cells[split, people.BACKDROP, "l1"] < cells[split, people.COPY, "l1_person"]
    assert cells["same-camera", people.COPY, "l1"] < cells["other-camera", people.COPY, "l1"]
    asked = {(c["method"], c["against"]) for c in rows.comparisons(people.TABLE.comparisons)}
    assert asked == set(people.TABLE.comparisons)


# --- people known again --------------------------------------------------------------------------


def test_ranks_and_precisions_of_a_list_by_hand():
    """Two people, two cameras: of person 0 one query finds itself second, all others first."""
    embedded = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.9, 0.436], [0.0, 1.0]])
    person, camera = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    rates, precisions = reid.ranked(embedded, person, camera, 2)
    # query 0 (camera 0) sees 1 and 3 of camera 1; query 1 sees 0 and 2: 2 is nearer
    assert rates == [0.5, 0.5] and precisions == [0.75, 0.75]


def test_what_the_networks_learn_from():
    training = people_set.load().clips("train")[:3]
    sets = reid.pictures(training, untrained("deformable-gan"), few=2)
    counts = {name: torch.bincount(known.person).tolist() for name, known in sets.items()}
    assert counts == {
        reid.REAL: [2] * 2, reid.BOTH: [16] * 2, reid.MORE: [16] * 2, reid.PEOPLE: [2] * 3
    }  # fmt: skip
    # both of the two are real and from either camera, and the fourteen are no copies
    images = sets[reid.BOTH].images[:16]
    album = pose_pairs.album(training[0])
    own = [any(torch.equal(image, other) for other in album.images) for image in images]
    assert own == [True, True] + [False] * 14


def test_a_network_learns_to_tell_three_people_apart_and_again_alike():
    training = people_set.load().clips("train")[:3]
    known = people.training_pictures(training)
    first, again = (embeddings.trained(known, seed=1, steps=8) for _ in range(2))
    a, b = (embeddings.embed(network, known.images) for network in (first, again))
    assert torch.equal(a, b)
    torch.testing.assert_close(a.norm(dim=1), torch.ones(len(a)))
    means = torch.stack([a[known.person == k].mean(0) for k in range(3)])
    right = ((a @ means.T).argmax(1) == known.person).float().mean()
    assert right > 0.8


def test_the_table_of_reidentification():
    sheet = reid.compute(limit=2, progress=lambda _: None, load_model=untrained)
    cells = {(c.method, c.metric.name): c.interval for c in sheet.columns}
    assert cells.keys() == {(m, k) for m in (reid.REAL, reid.BOTH, reid.MORE, reid.PEOPLE)
                            for k in ("rank1", "map")}  # fmt: skip
    assert all(0 <= c.low <= c.value <= c.high <= 1 for c in cells.values())
    assert len(sheet.notes) == 8 and "seeds 0, 1, 2" in sheet.notes[0]
