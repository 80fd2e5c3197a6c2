"""Lecture 07's ledger: what the paper claims, and what is measured here.

No number of the paper stands here: none could be checked against the paper itself. The table
`playable` compares over test clips that no model has seen; these rows are of its two Atari games.
"""

from __future__ import annotations

from aidagen.teaching.ledger import Row, Selector

SIZES = "Atari games at 64 px, a small network, minutes of a CPU, actions found by a free stage"
STORED = "tests/test_ledger.py::test_claims_that_rest_on_stored_rows"
HERE = "tests/test_lecture_07.py::"
PAPER = "the idea of the paper; its numbers were not checked"


def _ours(data: str, method: str, metric: str) -> Selector:
    return Selector("playable", data, "unseen", method, metric)


def _beyond_chance(data: str, metric: str) -> tuple[Selector, ...]:
    return tuple(_ours(data, control, metric) for control in ("random", "shuffled", "single"))


ROWS = (
    Row(
        claim="Actions found without labels mean something: they agree with what the paddle does",
        paper=PAPER,
        ours=_ours("breakout", "caddy", "action_kappa"),
        against=_beyond_chance("breakout", "action_kappa"),
        differs="the paper measures displacements, not kappa; " + SIZES,
        test=STORED,
    ),
    Row(
        claim="... and, of nine actions, with where a tennis player goes",
        paper=PAPER,
        ours=_ours("tennis", "caddy", "action_kappa"),
        against=_beyond_chance("tennis", "action_kappa"),
        differs="the paper's tennis is filmed, with seven actions; " + SIZES,
        test=STORED,
    ),
    Row(
        claim="Displacements vary less within an action than altogether (Delta-MSE, Breakout)",
        paper="a metric of the paper",
        ours=_ours("breakout", "caddy", "delta_mse"),
        against=_beyond_chance("breakout", "delta_mse"),
        differs="each step counts alike; the released code lets each action count alike",
        test=STORED,
    ),
    Row(
        claim="... and in Tennis",
        paper="a metric of the paper",
        ours=_ours("tennis", "caddy", "delta_mse"),
        against=_beyond_chance("tennis", "delta_mse"),
        differs="each step counts alike; the released code lets each action count alike",
        test=STORED,
    ),
    Row(
        claim="The mutual information keeps the actions from collapsing",
        paper=PAPER,
        differs="in a toy world: without it some starts use one action, with it none; but the "
        "third of three actions is found only by a free stage or a larger weight of the entropies",
        test=HERE + "test_the_toy_shows_what_the_text_says",
    ),
    Row(
        claim="The dynamics listen: told the action that was seen, they paint what changes better "
        "than told another one",
        paper="the idea of the paper, not measured there",
        differs="measured inside our own models, one step ahead",
        test=HERE + "test_the_dynamics_listen",
    ),
    Row(
        claim="An action means the same from every first frame",
        paper=PAPER,
        differs="measured on painted frames of Breakout, away from the walls",
        test=HERE + "test_an_action_means_the_same_from_every_first_frame",
    ),
    Row(
        claim="Between two actions lie movements between theirs",
        paper="shown in pictures by the authors; no number",
        differs="Breakout, with the variability told in half of the clips until the end; where it "
        "is faded out, the paddle jumps",
        test=HERE + "test_what_lies_between_the_actions_of_breakout",
    ),
    Row(
        claim="The attention helps to find where the agent is",
        paper=PAPER,
        differs="in Breakout, where bricks and ball have the paddle's colour, much; in Tennis "
        "hardly",
        test=HERE + "test_what_the_directions_rest_upon",
    ),
)
