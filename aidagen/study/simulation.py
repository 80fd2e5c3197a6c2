"""A simulated class whose preference is known: does the analysis find it?

A rater looks at a pair of item i and chooses method a over b with probability
sigmoid(s_a - s_b + u_ia - u_ib + v_ra - v_rb): strengths s, what the item adds (u) and what the
rater likes (v), both normal. Now and then a rater slips and presses one of the two keys at
random; an inattentive rater always does.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from aidagen.study.analysis import bradley_terry
from aidagen.study.plan import Plan, StudyError
from aidagen.study.votes import LEFT, LETTERS, RIGHT, Ballots, Votes

ITEMS, RATERS, SLIPS, INATTENTIVE = 0.6, 0.4, 0.04, 0.1


def simulate(
    plan: Plan, strengths: Mapping[str, float], raters: int = 30, seed: int = 0, *,
    item_sd: float = ITEMS, rater_sd: float = RATERS, slips: float = SLIPS,
    inattentive: float = INATTENTIVE,
) -> Ballots:  # fmt: skip
    """Votes of `raters` people with a known preference, as `gather` would bring them.

    Args:
        strengths: method -> logits, for all methods of the plan.
        item_sd, rater_sd: standard deviations, in logits, of what an item adds to a method and of
            what a rater likes.
        slips: share of votes in which a random key is pressed.
        inattentive: share of raters who always press a random key.

    Raises:
        StudyError: if strengths are missing, or a share is not between 0 and 1.
    """
    s = _all(plan, strengths)
    if raters < 1 or not (0 <= slips <= 1 and 0 <= inattentive <= 1):
        raise StudyError(
            f"A class of {raters} raters with slips {slips} and inattentive {inattentive} is "
            "impossible; give 1 or more raters and shares from 0 to 1."
        )
    rng = np.random.default_rng(seed)
    u = dict(zip(plan.items, rng.normal(0, item_sd, (len(plan.items), len(s)))))
    place = {method: k for k, method in enumerate(plan.methods)}
    pairs = {pair.id: pair for pair in plan.pairs}
    votes = []
    for _ in range(raters):
        code = "".join(LETTERS[k] for k in rng.integers(0, len(LETTERS), 8))
        likes, asleep = rng.normal(0, rater_sd, len(s)), rng.random() < inattentive
        chosen = []
        for shown in plan.schedule(code):
            pair = pairs[shown.pair]
            if asleep or rng.random() < slips:
                chosen.append(LEFT if rng.random() < 0.5 else RIGHT)
                continue
            chance = 1.0
            if not pair.check:
                value = s + u[pair.item] + likes
                a, b = (value[place[method]] for method in pair.methods)
                chance = 1 / (1 + np.exp(b - a))
            better = pair.clips[0 if rng.random() < chance else 1]
            chosen.append(LEFT if better == shown.left else RIGHT)
        votes.append(Votes(plan.id, code, tuple(chosen)))
    return Ballots(tuple(votes))


def known(
    plan: Plan, strengths: Mapping[str, float], *, item_sd: float = ITEMS,
    rater_sd: float = RATERS, slips: float = SLIPS,
) -> tuple[dict[tuple[str, str], float], dict[str, float]]:  # fmt: skip
    """What a study of endlessly many items and attentive raters would find: the share of votes of
    every pair of methods, and the Bradley-Terry strengths that fit these shares."""
    s = _all(plan, strengths)
    spread = np.sqrt(2 * (item_sd**2 + rater_sd**2))  # of a difference
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    shares, wins = {}, np.zeros((len(s), len(s)))
    for i, j in combinations(range(len(s)), 2):
        chance = float((weights / (1 + np.exp(s[j] - s[i] - spread * nodes))).sum())
        share = (1 - slips) * chance + slips / 2
        shares[plan.methods[i], plan.methods[j]] = share
        wins[i, j], wins[j, i] = 1e6 * share, 1e6 * (1 - share)
    return shares, dict(zip(plan.methods, bradley_terry(wins).tolist()))


def _all(plan: Plan, strengths: Mapping[str, float]) -> np.ndarray:
    if set(strengths) != set(plan.methods):
        raise StudyError(
            f"Strengths are given for {sorted(strengths)}, the plan compares "
            f"{sorted(plan.methods)}; give one number for each."
        )
    return np.array([float(strengths[method]) for method in plan.methods])
