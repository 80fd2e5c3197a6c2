"""Photos as the smile models take them: whose face, from the front, framed as the set is."""

import numpy as np
import pytest
import torch
import untrained
from test_judges import landmarks, needs  # noqa: F401 - a fixture
from torch.nn.functional import grid_sample, interpolate

from aidagen import datasets
from aidagen.errors import AidagenError
from aidagen.judges import FaceReading
from aidagen.pixels import as_floats
from aidagen.widgets import photos, portraits


@pytest.fixture(scope="module")
def face():
    """A neutral face and its landmarks."""
    return untrained.neutral(0)


class Judge:
    """Finds the faces that were pasted at known squares, with the landmarks of one neutral face."""

    threshold = 0.5

    def __init__(self, points, places, turned=()):
        self.points, self.places, self.turned = points, places, turned  # (left, top, side) each

    def __call__(self, pictures):
        """The one face that fills the middle of a part, or the first one of a whole photo."""
        middle = pictures[0, :, 128, 128] if pictures.shape[-1] == 256 else None
        which = 0 if middle is None else int((middle[0] * 10).round()) - 1
        points = self.points.clone()
        if which in self.turned:  # the tip of the nose is at the jaw
            points[30, 0] = points[15, 0] - 0.02
        if middle is None:
            left, top, side = self.places[0]
        else:
            left, top, side = (256 * (1 - 1 / 1.8) / 2,) * 2 + (256 / 1.8,)
        pixels = (points + 1) / 2 * side + torch.tensor([left, top])
        size = torch.tensor(pictures.shape[:1:-1]).flip(0)[[1, 0]]
        return FaceReading(
            (2 * (pixels - 0.5) / (size - 1) - 1)[None], torch.zeros(1, 3), torch.ones(1)
        )

    def detector(self, crops):
        """Boxes in shares of the longer side, of a picture that was 200 by 400."""
        boxes = [
            ((x + s / 2) / 400, (y + s / 2 + 100) / 400, s / 400, s / 400)
            for x, y, s in self.places
        ]
        twice = boxes + [(a + 0.01, b, c, d) for a, b, c, d in boxes]  # seen twice
        return torch.tensor([twice]), torch.tensor([[0.9] * len(boxes) + [0.6] * len(boxes)])


def crowd(places):
    """A picture of 200 by 400 in which face i has the brightness (i + 1) / 10."""
    photo = torch.ones(3, 200, 400)
    for i, (left, top, side) in enumerate(places):
        photo[:, top : top + side, left : left + side] = (i + 1) / 10
    return photo


PLACES = ((20, 60, 60), (120, 40, 110), (260, 50, 90))


@pytest.mark.parametrize(("turned", "taken"), [((), 1), ((1,), 2), ((1, 2), 0)])
def test_of_several_faces_the_largest_that_looks_this_way_is_taken(face, turned, taken):
    judge = Judge(face[1], PLACES, turned)
    found = portraits.squares(crowd(PLACES), judge)
    assert [round(side) for *_, side in found] == [110, 90, 60], "each once, the largest first"
    got = portraits.portrait(crowd(PLACES), 64, judge)
    assert got.picture[0, 36, 32] == pytest.approx((taken + 1) / 10, abs=0.02)
    assert "There are 3 faces in the picture; the largest that looks into the camera was" in (
        got.remarks[0]
    )


def test_profiles_are_refused(face):
    with pytest.raises(AidagenError, match="looks to the side; choose one that looks into the"):
        portraits.portrait(crowd(PLACES), 64, Judge(face[1], PLACES, (0, 1, 2)))
    with pytest.raises(AidagenError, match="looks to the side"):
        portraits.portrait(crowd(PLACES[:1]), 64, Judge(face[1], PLACES[:1], (0,)))


def test_a_face_is_framed_as_the_set_frames_it(face):
    """Red says how far right a pixel of the photo lies, green how far down: landmarks keep both."""
    down, across = torch.meshgrid(torch.arange(300) / 300, torch.arange(400) / 400, indexing="ij")
    photo = torch.stack([across, down, 0 * down])
    pixels = ((face[1] + 1) / 2 * 63 + 0.5) * 2 + torch.tensor([200.0, 100.0])
    there = 2 * (pixels - 0.5) / torch.tensor([399.0, 299.0]) - 1
    got = portraits.portrait(
        photo, 64, lambda _: FaceReading(there[None], torch.zeros(1, 3), torch.ones(1))
    )
    seen = grid_sample(got.picture[None], got.points[None, None], align_corners=True)[0, :2, 0].T
    assert (seen * torch.tensor([400.0, 300.0]) - (pixels - 0.5)).abs().max() < 0.05
    x, y, share = photos.framing("smiles")
    low, high = got.points.amin(0), got.points.amax(0)
    assert float(high[1] - low[1]) / 2 * 63 / 64 == pytest.approx(share, abs=1e-3)
    assert ((low + high) / 4 * 63 / 64 + 0.5).tolist() == pytest.approx([x, y], abs=1e-3)
    assert 0.5 < share < 0.56 and 0.55 < y < 0.6, "of 82 % from chin to crown"
    assert got.remarks == ()


def test_what_is_unlike_the_set_is_remarked_on(face):
    points = face[1]

    def remarks(changed, side=300.0, at=(200.0, 200.0)):
        pixels = changed * side / 2 + torch.tensor(at)
        there = 2 * (pixels - 0.5) / 399 - 1
        judge = lambda _: FaceReading(there[None], torch.zeros(1, 3), torch.ones(1))  # noqa: E731
        return " ".join(portraits.portrait(torch.rand(3, 400, 400), 64, judge).remarks)

    assert remarks(points) == ""
    x, y = points.unbind(-1)
    cos, sin = np.cos(np.radians(70)), np.sin(np.radians(70))
    turned = torch.stack([cos * x - sin * y, sin * x + cos * y], -1)
    assert remarks(turned) == "The head is tilted by 71 degrees; the model knows none so."
    smiling = points.clone()
    smiling[66, 1] += 0.1
    assert "mouth is open already" in remarks(smiling)
    aside = points.clone()
    aside[30, 0] += 0.15
    assert "a little to the side" in remarks(aside)
    assert "border was repeated" in remarks(points, at=(80.0, 200.0))
    assert "enlarged to 64" in remarks(points, side=40.0)


# --- with the package's own judge


def test_pictures_of_other_things_are_refused(landmarks):  # noqa: F811
    data = pytest.importorskip("skimage.data")
    for picture in (data.chelsea(), data.coffee(), np.full((200, 200, 3), 128, np.uint8)):
        with pytest.raises(AidagenError, match="No face was found"):
            portraits.portrait(portraits.opened(torch.from_numpy(picture)), 64, landmarks)


def test_the_judge_sees_turned_heads_and_crowds(landmarks):  # noqa: F811
    """Rendered heads, so that the turn is known; the larger of two faces is turned away."""
    clips = datasets.load("heads").clips("test")
    turns = [(abs(float(yaw)), i, t) for i, clip in enumerate(clips[:8])
             for t, yaw in enumerate(clip.labels()["pose"][:, 0])]  # fmt: skip
    front, side = (
        as_floats(clips[i].frames(t, t + 1))[0] for _, i, t in (min(turns), max(turns))
    )
    assert max(turns)[0] > 25
    portraits.portrait(front, 64, landmarks)
    with pytest.raises(AidagenError, match="looks to the side"):
        portraits.portrait(side, 64, landmarks)
    photo = torch.full((3, 300, 600), 0.5)
    photo[:, :, :300] = interpolate(side[None], size=300, mode="bilinear")[0]
    photo[:, 50:250, 350:550] = interpolate(front[None], size=200, mode="bilinear")[0]
    assert len(portraits.squares(photo, landmarks)) == 2
    got = portraits.portrait(photo, 64, landmarks)
    assert "There are 2 faces in the picture" in got.remarks[0]
    alone = portraits.portrait(photo[:, 30:270, 330:570], 64, landmarks)
    assert (got.points - alone.points).abs().mean() < 0.03
