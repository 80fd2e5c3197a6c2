"""The idea at work inside the trained model: limbs arrive, and the decoder uses what arrives."""

import pytest
import torch

from aidagen import metrics
from aidagen.lectures.deformable_gans import judging, showcase


@pytest.fixture(scope="module")
def model():
    return showcase.model()


@pytest.fixture(scope="module")
def distances(model):
    return {read: judging.limb_distances(model, showcase.people(), read=read)
            for read in ("own", "other")}  # fmt: skip


def test_limbs_are_carried_to_their_places(distances):
    """At the two finest levels a fifth nearer; at the coarsest one they do not (lecture 03)."""
    shares = distances["own"].shares()
    assert all(one.high < 1 and 0.75 < one.value < 0.85 for one in shares[:2])
    assert shares[2].value > 0.9 and shares[3].low > 1


def test_each_limb_is_carried_by_its_own_map(distances):
    """Maps that are fitted as well, but to the limb of the other side, leave it farther off."""
    apart = distances["other"].deformed - distances["own"].deformed  # (N, levels)
    assert all(metrics.bootstrap(column.tolist()).low > 0 for column in apart.T[:2])
    assert all(one.high > 1 for one in distances["other"].shares()), "nothing is gained"


@torch.no_grad()
def test_the_decoder_uses_what_is_carried(model, monkeypatch):
    """Handed on without being moved, the same features of the source give a worse picture."""

    def errors():
        found = []
        for someone in showcase.people():
            targets = showcase.two_of(someone)
            made, mask = showcase.paint(model, someone, targets).image, someone.masks(targets)
            far = (made - someone.images(targets)).abs() * mask
            found.append(float(far.sum() / mask.sum() / 3))
        return torch.tensor(found)

    carried = errors()
    stays = torch.tensor([[1.0, 0, 0], [0, 1, 0]])

    def in_place(source, target):
        maps = stays.expand(len(source.joints), 1, 2, 3)
        return maps, torch.ones(len(maps), 1, 128, 64)

    monkeypatch.setattr(model.generator.skips, "maps", in_place)
    assert metrics.bootstrap((errors() - carried).tolist()).low > 0
