"""Pairs that say where the driving mouth is, and what a loss makes of it."""

import numpy as np
import pytest
import torch

from aidagen import datasets
from aidagen.datasets import mouths, resident
from aidagen.datasets.batches import Pair, Pairs
from aidagen.models import fomm
from aidagen.systems import Step

SETTINGS = {"across": 0.0, "jitter": 0.2, "placing": 0.0}
PAIRS = mouths.MouthPairs({"heads": 1.0}, **SETTINGS, emphasis=4.0)  # read once
PLAIN = Pairs({"heads": 1.0}, **SETTINGS)


def heads():
    return datasets.load("heads").clips("train")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def middle(spots):
    """Where the weight of each map (B, 1, H, W) lies, (x, y) in [-1, 1]."""
    side = torch.linspace(-1, 1, spots.shape[-1])
    share = spots[:, 0] / spots.sum((1, 2, 3))[:, None, None]
    return torch.stack([(share.sum(1) * side).sum(1), (share.sum(2) * side).sum(1)], 1)


def test_a_spot_lies_over_each_mouth_and_is_as_large():
    clip = heads()[0]
    spots = mouths.spots(clip, 64, 64)
    assert spots.shape == (len(clip), 1, 64, 64) and spots.dtype == torch.uint8
    points = torch.as_tensor(np.asarray(clip.labels()["landmarks"])).float()[:, mouths.MOUTH]
    centre = (points.amin(1) + points.amax(1)) / 2
    assert (middle(spots.float()) - centre).abs().max() < 2 / 63  # a pixel
    assert (spots.flatten(1).amax(1) > 240).all()
    covered = (spots > 127).float().mean().item()
    assert 0.01 < covered < 0.08, covered  # of the picture


def test_a_clip_without_landmarks_has_no_spot():
    clip = datasets.load("bodies").clips("train")[0]
    assert not mouths.spots(clip, 64, 64).any()


@pytest.mark.parametrize("where", ["host", "device"])
def test_frames_are_those_of_pairs_and_spots_go_with_them(where):
    """Colours change the picture alone; the spot is mirrored as the driving frame is."""
    pairs, plain = PAIRS, PLAIN
    if where == "device":
        pairs, plain = resident.on(PAIRS, "cpu"), resident.on(PLAIN, "cpu")
    batch, wanted = pairs.draw(16, generator()), plain.draw(16, generator())
    assert torch.allclose(batch.source, wanted.source, atol=1e-6)
    assert torch.allclose(batch.driving, wanted.driving, atol=1e-6)
    assert batch.emphasis.shape == (16, 1, 64, 64)
    assert 3.5 < batch.emphasis.amax() <= 4.0 and batch.emphasis.amin() == 0
    spots = torch.cat([mouths.spots(clip, 64, 64) for clip in heads()])
    known = {spot.numpy().tobytes() for spot in torch.cat([spots, spots.flip(-1)])}
    drawn = (batch.emphasis / 4 * 255).round().byte()
    assert all(spot.numpy().tobytes() in known for spot in drawn)


def test_a_spot_is_placed_as_its_frame():
    """A frame that is painted with its spot, then placed, has the spot where the batch says."""
    pairs = mouths.MouthPairs({"heads": 1.0}, jitter=0.0, placing=0.1, emphasis=1.0)
    both = torch.cat([mouths.spots(c, 64, 64)[:2] for c in heads()[:4]])
    both = (both.float() / 255).repeat(1, 4, 1, 1)
    batch = pairs.parted(*pairs.placed(both, both, generator()))
    assert torch.allclose(batch.driving[:, :1], batch.emphasis, atol=1e-6)
    assert not torch.allclose(batch.emphasis, both[:, :1], atol=0.1)


def test_a_loss_counts_emphasised_pixels_by_that_much_more():
    weights = fomm.LossWeights(perceptual=0.0, pixels=20.0, scales=(1.0,))
    torch.manual_seed(0)
    objective = fomm.SYSTEM.objective(fomm.fomm_tiny(), weights)
    batch = PAIRS.draw(2, generator())
    terms = objective("generator", batch, Step(0, 1, generator(1)))
    plain = objective("generator", tuple_of(batch), Step(0, 1, generator(1)))
    assert set(terms) - set(plain) == {"emphasis"}
    rendering = objective.run(objective.model, batch)
    far = (rendering.image - batch.driving).abs()
    wanted = 20 * ((1 + batch.emphasis) * far).mean()
    assert (terms["pixels"] + terms["emphasis"]).item() == pytest.approx(wanted.item(), rel=1e-3)


def tuple_of(batch):
    """The batch without its emphasis."""
    return Pair(batch.source, batch.driving)
