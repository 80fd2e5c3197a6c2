"""Expressions by landmarks: what a head does is taken out, what a face does is measured."""

import pytest
import torch

from aidagen import landmarks
from aidagen.evaluation import expressions
from aidagen.evaluation.expressions import LabelJudge, apart, expression, hits, openings


def faces(frames=6, seed=0):
    """A face over time whose mouth opens, (T, 68, 2)."""
    draw = torch.Generator().manual_seed(seed)
    points = torch.rand(68, 2, generator=draw).expand(frames, -1, -1).clone() - 0.5
    points[:, 36], points[:, 45] = torch.tensor([-0.3, 0.0]), torch.tensor([0.3, 0.0])
    points[:, 57, 1] += torch.linspace(0, 0.12, frames)
    return points


def test_a_mouth_that_opens_in_parts_of_the_distance_between_the_eyes():
    moved = expression(faces())
    assert moved.shape == (6, 51, 2)
    assert moved[-1, 57 - 17].tolist() == pytest.approx([0.0, 0.2], abs=1e-5)
    others = [i for i in range(51) if i != 57 - 17]
    assert moved[:, others].abs().max() < 1e-5


def test_mouth_and_eyes_open_in_parts_of_the_distance_between_the_eyes():
    points = faces()
    points[:, 66] = points[:, 62] + torch.tensor([0.0, 0.15])
    for upper, lower, apart_by in ((37, 41, 0.06), (38, 40, 0.06), (43, 47, 0.03), (44, 46, 0.03)):
        points[:, lower] = points[:, upper] + torch.tensor([0.0, apart_by])
    for faced in (points, 3 * points + 1):
        measured = openings(faced)
        assert measured.mouth.tolist() == pytest.approx([0.25] * 6)
        assert measured.eyes.tolist() == pytest.approx([0.075] * 6)


def test_a_head_that_turns_nods_and_comes_nearer_has_no_expression():
    points, still = faces(), expression(faces())
    for t in range(1, 6):
        angle, zoom = torch.tensor(0.1 * t), 1 + 0.05 * t
        turn = zoom * torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
        points[t] = points[t] @ turn.T + 0.03 * t
    turned = expression(points)
    # what moved in the face moved along; it is given back in frame 0's coordinates
    assert torch.allclose(turned, still, atol=1e-5)
    assert torch.allclose(expression(2 * faces()), still, atol=1e-5), "size does not count"


def test_many_sequences_at_once():
    alone = [landmarks.expression(faces(seed=seed)) for seed in (0, 1)]
    together = landmarks.expression(torch.stack([faces(seed=0), faces(seed=1)])[None])
    assert together.shape == (1, 2, 6, 68, 2)
    assert torch.allclose(together[0], torch.stack(alone), atol=1e-6)


def test_the_jaw_does_not_count():
    points = faces()
    points[1:, :17] += 0.5
    assert torch.allclose(expression(points), expression(faces()), atol=1e-6)


def sequence(x, y=0.0):
    return torch.tensor([x, y]).expand(4, 51, 2)


def test_hits_of_modes():
    true = [sequence(0.0), sequence(1.0), sequence(0.5, 0.866)]  # 1 apart, all of them
    found = hits([sequence(0.1), sequence(0.6), sequence(0.5, 0.766)], true)
    assert found.recall == pytest.approx(1.0) and found.precision == pytest.approx(1.0)
    assert found.nearest == (0, 1, 2)
    assert found.best == pytest.approx((0.1 + 0.4 + 0.1) / 3, abs=1e-6)
    same = hits([sequence(0.1)] * 3, true)
    assert same.recall == pytest.approx(1 / 3) and same.precision == 1.0
    assert same.diversity == 0.0, "three times the same"
    middle = hits([sequence(0.5, 0.289)], true)
    assert middle.recall == 0.0, "the mean of all modes hits none"
    assert middle.diversity != middle.diversity, "one sequence has no diversity"


def test_far_from_each_other_is_not_right():
    true = [sequence(0.0), sequence(1.0), sequence(0.0, 1.0)]
    wild = hits([sequence(9.0), sequence(-9.0), sequence(0.0, -9.0)], true)
    assert wild.diversity > 9 and wild.recall == 0.0 and wild.precision == 0.0


def test_the_label_judge_learns_a_difference_and_nothing_else():
    draw = torch.Generator().manual_seed(0)

    def some(count, label):
        noise = 0.05 * torch.randn(count, 8, 51, 2, generator=draw)
        noise[:, :, 30, 1] += 0.3 * label
        return list(noise)

    known = some(20, 0) + some(20, 1)
    judge = LabelJudge(known, [0] * 20 + [1] * 20)
    right = [judge(x) == label for label in (0, 1) for x in some(50, label)]
    assert sum(right) / len(right) > 0.95
    shuffled = LabelJudge(known, [0, 1] * 20)
    chance = [shuffled(x) == label for label in (0, 1) for x in some(50, label)]
    assert 0.2 < sum(chance) / len(chance) < 0.8


def test_distance_of_sequences():
    assert apart(sequence(0.0), sequence(3.0, 4.0)) == pytest.approx(5.0)
    assert expressions.FIRST == 17
