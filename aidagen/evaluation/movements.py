"""What learned actions mean: their names held against what moved, and where it moved to.

Nobody named the actions, so each is first *assigned* one class of movement, and no two the same:
the assignment under which most steps agree (Kuhn 1955). It is made on other clips than those that
are scored. Pure functions of arrays; a table turns them into rows.

Letters: N steps, K learned actions, C classes of movement.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

SIDEWAYS = ("left", "stayed", "right")
COMPASS = ("stayed", "right", "down-right", "down", "down-left", "left", "up-left", "up",
           "up-right")  # fmt: skip


# --- classes of movement -------------------------------------------------------------------------


def sideways(moved: Float[np.ndarray, "N 2"], least: float) -> Int[np.ndarray, " N"]:
    """The class in `SIDEWAYS` of displacements (x, y); less than ``least`` along x has stayed."""
    return (1 + np.sign(moved[:, 0]) * (np.abs(moved[:, 0]) >= least)).astype(int)


def compass(moved: Float[np.ndarray, "N 2"], least: float) -> Int[np.ndarray, " N"]:
    """The class in `COMPASS` of displacements (x, y), y down; shorter than ``least`` has stayed."""
    eighth = np.round(np.arctan2(moved[:, 1], moved[:, 0]) / (np.pi / 4)).astype(int) % 8
    return np.where(np.linalg.norm(moved, axis=1) >= least, 1 + eighth, 0)


# --- agreement -----------------------------------------------------------------------------------


def counts(
    learned: Int[np.ndarray, " N"], true: Int[np.ndarray, " N"], actions: int, classes: int
) -> Int[np.ndarray, "K C"]:
    """How often each learned action met each class."""
    table = np.zeros((actions, classes), int)
    np.add.at(table, (learned, true), 1)
    return table


def assignment(table: Int[np.ndarray, "K C"]) -> Int[np.ndarray, " K"]:
    """The class of each action, no two the same; -1 where there are more actions than classes."""
    assigned = np.full(len(table), -1)
    rows, columns = linear_sum_assignment(-table)
    assigned[rows] = columns
    return assigned


def _named(table: Int[np.ndarray, "K C"], assigned: Int[np.ndarray, " K"]) -> np.ndarray:
    """The same with a row for each class, and a last one for actions that have none."""
    classes = table.shape[1]
    named = np.zeros((classes + 1, classes), int)
    np.add.at(named, np.where(assigned < 0, classes, assigned), table)
    return named


def accuracy(table: Int[np.ndarray, "K C"], assigned: Int[np.ndarray, " K"]) -> float:
    """The share of steps whose action stands for what moved; NaN where there is no step."""
    total = table.sum()
    return float(np.trace(_named(table, assigned)) / total) if total else float("nan")


def kappa(table: Int[np.ndarray, "K C"], assigned: Int[np.ndarray, " K"]) -> float:
    """Cohen's kappa: agreement beyond chance. 0 for actions that know nothing, at most 1.

    NaN where there is no step; 0 where nothing but one class ever happens and is said.
    """
    named, total = _named(table, assigned), table.sum()
    if not total:
        return float("nan")
    agreed = np.trace(named) / total
    # kappa = (p - e) / (1 - e), e = sum_c p(said c) p(is c)
    expected = (named[:-1].sum(1) * named.sum(0)).sum() / total**2
    return float((agreed - expected) / (1 - expected)) if expected < 1 else 0.0


def nmi(table: Int[np.ndarray, "K C"]) -> float:
    """Mutual information of actions and classes over the mean of their entropies, 0 to 1; 0 where
    either never changes."""
    joint = table / max(table.sum(), 1)
    rows, columns = joint.sum(1), joint.sum(0)

    def entropy(p: np.ndarray) -> float:
        return float(-(p[p > 0] * np.log(p[p > 0])).sum())

    mean = (entropy(rows) + entropy(columns)) / 2
    return (entropy(rows) + entropy(columns) - entropy(joint)) / mean if mean else 0.0


# --- displacements -------------------------------------------------------------------------------


def variance_within(
    moved: Float[np.ndarray, "N 2"], learned: Int[np.ndarray, " N"], weighted: bool = True
) -> float:
    """How much displacements differ within an action, in percent of how much they differ at all.

    100 where actions say nothing, 0 where each does one thing. ``weighted`` counts each step alike,
    as the paper's Delta-MSE means; otherwise each action does, as in its released code, by which a
    rare action counts as much as a frequent one. NaN where nothing moves.
    """
    whole = moved.var(0).sum()
    if not whole > 0:
        return float("nan")
    taken, frequency = np.unique(learned, return_counts=True)
    within = np.array([moved[learned == action].var(0).sum() for action in taken])
    mean = (within * frequency).sum() / frequency.sum() if weighted else within.mean()
    return float(100 * mean / whole)


def usage_entropy(learned: Int[np.ndarray, " N"], actions: int) -> float:
    """How evenly actions are used, 0 to 1; one alone has nothing to share: 1."""
    share = np.bincount(learned, minlength=actions) / max(len(learned), 1)
    share = share[share > 0]
    return float((share * np.log(1 / share)).sum() / np.log(actions)) if actions > 1 else 1.0


def told_by_displacement(
    moved: Float[np.ndarray, "N 2"],
    known: Float[np.ndarray, "M 2"],
    named: Int[np.ndarray, " M"],
) -> Int[np.ndarray, " N"]:
    """The action that a linear support vector machine reads off each displacement, having been
    shown the actions ``named`` of the displacements ``known``.

    The settings are those of CADDY's released code, scikit-learn's own. Where but one action was
    shown, it is what is told.
    """
    from sklearn.svm import LinearSVC

    if len(set(named.tolist())) == 1:
        return np.full(len(moved), named[0])
    return LinearSVC(max_iter=10_000, random_state=0).fit(known, named).predict(moved)
