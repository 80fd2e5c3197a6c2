"""Learned actions and what moved: classes, the assignment, agreement, spread of displacements."""

import numpy as np
import pytest

from aidagen.evaluation import movements


def test_classes_of_movement():
    ways = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)]
    moved = np.array([(0, 0), *ways, (0.2, 0.1)], float)
    words = [movements.COMPASS[c] for c in movements.compass(moved, 0.5)]
    assert words == ["stayed", "right", "down-right", "down", "down-left", "left", "up-left", "up",
                     "up-right", "stayed"]  # fmt: skip
    words = [movements.SIDEWAYS[c] for c in movements.sideways(moved, 0.5)]
    assert words == ["stayed", "right", "right", "stayed", "left", "left", "left", "stayed",
                     "right", "stayed"]  # fmt: skip


def test_names_are_found_whatever_their_order():
    true = np.array([0, 0, 1, 1, 2, 2, 2])
    learned = np.array([2, 2, 0, 0, 1, 1, 1])
    table = movements.counts(learned, true, 3, 3)
    assigned = movements.assignment(table)
    assert assigned.tolist() == [1, 2, 0]
    assert movements.accuracy(table, assigned) == movements.kappa(table, assigned) == 1
    assert movements.nmi(table) == pytest.approx(1)


def test_kappa_by_hand():
    table = np.array([[20, 5], [10, 15]])  # the textbook's example: p = 0.7, e = 0.5
    assert movements.kappa(table, np.array([0, 1])) == pytest.approx(0.4)
    assert movements.accuracy(table, np.array([0, 1])) == pytest.approx(0.7)
    assert movements.kappa(table, np.array([1, 0])) < 0


def test_an_action_without_a_class_never_agrees():
    table = np.array([[5, 0], [0, 5], [3, 2]])
    assigned = movements.assignment(table)
    assert sorted(assigned.tolist()) == [-1, 0, 1] and assigned[2] == -1
    assert movements.accuracy(table, assigned) == pytest.approx(10 / 15)


def test_random_actions_agree_by_chance_alone():
    rng = np.random.default_rng(0)
    true = rng.choice(3, 4000, p=(0.2, 0.6, 0.2))
    first, second = (movements.counts(rng.integers(3, size=2000), half, 3, 3)
                     for half in (true[:2000], true[2000:]))  # fmt: skip
    assert abs(movements.kappa(second, movements.assignment(first))) < 0.05
    assert movements.nmi(second) < 0.01
    single = movements.counts(np.zeros(2000, int), true[:2000], 3, 3)
    assert movements.kappa(single, movements.assignment(single)) == pytest.approx(0)
    assert movements.accuracy(single, movements.assignment(single)) > 0.5  # accuracy misleads


def test_spread_within_actions():
    moved = np.array([(-2, 0), (-2, 0), (2, 0), (2, 0)], float)
    assert movements.variance_within(moved, np.array([0, 0, 1, 1])) == 0
    assert movements.variance_within(moved, np.array([0, 1, 0, 1])) == pytest.approx(100)
    # three steps of one action that differ, one of another: weighted by steps, or by actions
    learned = np.array([0, 0, 0, 1])
    within = moved[:3].var(0).sum() / moved.var(0).sum()
    assert movements.variance_within(moved, learned) == pytest.approx(75 * within)
    assert movements.variance_within(moved, learned, weighted=False) == pytest.approx(50 * within)
    assert np.isnan(movements.variance_within(np.zeros((3, 2)), np.array([0, 1, 0])))


def test_usage():
    assert movements.usage_entropy(np.array([0, 1, 2]), 3) == pytest.approx(1)
    assert movements.usage_entropy(np.array([1, 1]), 3) == 0
    assert movements.usage_entropy(np.array([0, 0]), 1) == 1


def test_actions_that_displacements_tell():
    rng = np.random.default_rng(0)
    named = rng.integers(3, size=300)
    moved = np.stack([5.0 * (named - 1), np.zeros(300)], 1) + 0.3 * rng.normal(size=(300, 2))
    told = movements.told_by_displacement(moved[200:], moved[:200], named[:200])
    assert (told == named[200:]).all()


def test_actions_that_displacements_do_not_tell():
    """Whoever knows nothing has the share of the commonest action; a single action has all."""
    rng = np.random.default_rng(0)
    moved, named = rng.normal(size=(4000, 2)), rng.choice(3, 4000, p=(0.2, 0.6, 0.2))
    told = movements.told_by_displacement(moved[2000:], moved[:2000], named[:2000])
    assert (told == named[2000:]).mean() == pytest.approx(0.6, abs=0.03)
    single = np.full(2000, 2)
    told = movements.told_by_displacement(moved[2000:], moved[:2000], single)
    assert (told == single).all()
