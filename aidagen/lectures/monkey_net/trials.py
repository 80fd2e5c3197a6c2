"""Lecture 04's homework: a fault to find, an experiment to run, an open task.

`exercises` lists them with the others.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from aidagen import grids
from aidagen.answers import expected
from aidagen.lectures.monkey_net.judging import share_interval
from aidagen.teaching.cases import drawn
from aidagen.teaching.material import Exercise, OpenTask, Wrong

# --- 04.6: a fault ------------------------------------------------------------------------------


def deform_skip(
    features: Float[Tensor, "C h w"], flow: Float[Tensor, "H W 2"]
) -> Float[Tensor, "C h w"]:
    """The features of a skip connection, warped by the flow of the whole picture.

    The features are smaller than the flow. A flow in [-1, 1] is a share of the picture, which
    stays the same at every size.
    """
    _, height, width = features.shape
    small = grids.resize_grid(flow[None], height, width)
    return grids.warp(features[None], grids.identity_grid(height, width) + small)[0]


def faulty_deform_skip(features, flow):
    _, height, width = features.shape
    small = grids.resize_grid(flow[None], height, width)
    small = small * height / flow.shape[0]
    return grids.warp(features[None], grids.identity_grid(height, width) + small)[0]


def _deformed(features: Tensor, flow: Tensor, sign: float, still: bool = True) -> Tensor:
    _, height, width = features.shape
    grid = sign * grids.resize_grid(flow[None], height, width)
    if still:
        grid = grid + grids.identity_grid(height, width)
    return grids.warp(features[None], grid)[0]


def _cut_out(features: Tensor, flow: Tensor) -> Tensor:
    _, height, width = features.shape
    return grids.warp(
        features[None], (grids.identity_grid(height, width) + flow[:height, :width])[None]
    )[0]


def _skip_cases() -> list[tuple[Tensor, Tensor]]:
    return [
        (drawn(71, 3, 4, 5), 0.6 * drawn(72, 8, 10, 2) - 0.3),
        (drawn(73, 2, 3, 3), 0.8 * drawn(74, 12, 12, 2) - 0.2),
    ]


def _skip_picture(answer):
    """A small head, its upper half pushed to the right by the flow of a larger picture."""
    small = torch.nn.functional.adaptive_avg_pool2d(expected.face(), 32)
    _, y = grids.identity_grid(64, 64).unbind(-1)
    push = torch.stack([-0.5 * torch.sigmoid(-8 * y), 0 * y], -1)
    return expected.shown(answer(small, push))


DEFORM_SKIP = Exercise(
    id="04.6",
    title="A skip that lags behind",
    minutes=8,
    difficulty=2,
    importance=3,
    kind="fault",
    reference=deform_skip,
    cases=_skip_cases,
    expects="features (C, h, w), floats",
    hint="With a flow of 0 the features come out as they went in; with (0.5, 0) everywhere they "
    "move by a quarter of their width.",
    hints=(
        "Try a flow that is (0.5, 0) everywhere. By which share of the picture do features of 64, "
        "of 32 and of 16 pixels move?",
        "In which unit is the flow: in pixels of a certain size, or as a share of the picture? "
        "What has to be done to it when the picture becomes smaller?",
    ),
    picture=_skip_picture,
    picture_shows="A small, coarse head whose upper half is pushed to the right by a quarter of "
    "the picture, with a smooth passage to the lower half.",
    wrong=(
        Wrong(
            "flow made smaller with the picture",
            faulty_deform_skip,
            "takes the flow for pixels, of which a smaller picture has fewer",
            "with this function the inner skips move less than the picture does, so that parts are "
            "seen twice: compare how far they move at two sizes.",
        ),
        Wrong(
            "flow made larger",
            lambda features, flow: deform_skip(features, flow * flow.shape[0] / features.shape[1]),
            "corrects the factor in the wrong direction",
            "now the inner skips move too far: a flow from -1 to 1 needs no factor at all.",
        ),
        Wrong(
            "identity grid left out",
            lambda features, flow: _deformed(features, flow, 1.0, still=False),
            "takes a flow for a grid",
            "you read at the flow itself: a warp takes places, so add the identity grid.",
        ),
        Wrong(
            "flow subtracted",
            lambda features, flow: _deformed(features, flow, -1.0),
            "thinks forward: where do the features go?",
            "your features move the other way: the flow already says where to read, so add it.",
        ),
        Wrong(
            "corner of the flow",
            _cut_out,
            "cuts where the flow should be made smaller",
            "you take the first rows and columns of the flow, its upper left corner; make the "
            "whole of it smaller instead.",
        ),
    ),
)


# --- 04.7: an experiment ------------------------------------------------------------------------


def same_votes(
    votes: Float[Tensor, "items raters"],
    picks: Int[Tensor, "draws items"],
    few_picks: Int[Tensor, "draws few"],
) -> tuple[float, float, str]:
    """Widths of two intervals from the same number of votes, and what to ask for more of.

    In one study the first raters judge all items, in the other all raters judge the first few
    items.
    """
    items, raters = votes.shape
    few = few_picks.shape[1]
    low, high = share_interval(votes[:, : raters * few // items], picks)
    few_low, few_high = share_interval(votes[:few], few_picks)
    return float(high - low), float(few_high - few_low), "clips"


def _study_cases() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Raters agree about a pair of clips, and pairs differ: so it is in preference studies."""
    cases = []
    for seed, items, raters, few in ((101, 40, 20, 10), (111, 24, 12, 8)):
        liking = torch.where(drawn(seed, items, 1) < 0.65, 0.92, 0.2)
        votes = (drawn(seed + 1, items, raters) < liking).float()
        generator = torch.Generator().manual_seed(seed + 2)
        picks = torch.randint(items, (300, items), generator=generator)
        cases.append((votes, picks, torch.randint(few, (300, few), generator=generator)))
    return cases


def _other_word(votes: Tensor, picks: Tensor, few_picks: Tensor) -> tuple[float, float, str]:
    return (*same_votes(votes, picks, few_picks)[:2], "raters")


def _all_votes(votes: Tensor, picks: Tensor, few_picks: Tensor) -> tuple[float, float, str]:
    low, high = share_interval(votes, picks)
    return float(high - low), same_votes(votes, picks, few_picks)[1], "clips"


def _lower_ends(votes: Tensor, picks: Tensor, few_picks: Tensor) -> tuple[float, float, str]:
    items, raters = votes.shape
    few = few_picks.shape[1]
    low, _ = share_interval(votes[:, : raters * few // items], picks)
    few_low, _ = share_interval(votes[:few], few_picks)
    return float(low), float(few_low), "clips"


def _swapped(votes: Tensor, picks: Tensor, few_picks: Tensor) -> tuple[float, float, str]:
    many, few, word = same_votes(votes, picks, few_picks)
    return few, many, word


def _study_picture(answer):
    many, few, word = answer(*_study_cases()[0])
    return expected.bars({"all clips, few raters": many, "few clips, all raters": few}, word)


SAME_VOTES = Exercise(
    id="04.7",
    title="More clips or more raters?",
    minutes=10,
    difficulty=2,
    importance=2,
    kind="experiment",
    reference=same_votes,
    cases=_study_cases,
    expects="two numbers and a word: the width of the interval with all clips, the width with few "
    "clips, and what to ask for more of, 'clips' or 'raters'",
    hint="Both studies have the same number of votes: all clips with a part of the raters, a part "
    "of the clips with all raters.",
    hints=(
        "With 40 clips, 20 raters and 10 of the clips: votes[:, :5] and votes[:10] both hold 200 "
        "votes. Give each to share_interval, with the picks that fit its number of clips.",
        "The width of an interval is its upper end minus its lower end. The narrower one came from "
        "more of something: of what?",
    ),
    words=("clips", "raters"),
    picture=_study_picture,
    picture_shows="Two bars, the widths of the two intervals: that of few clips is about twice as "
    "long as that of all clips; below them the word that was concluded.",
    wrong=(
        Wrong(
            "the other conclusion",
            _other_word,
            "counts votes, and takes more voices for more evidence",
            "your numbers are right, your conclusion is not: look which of the two studies has the "
            "narrower interval, and what it has more of.",
        ),
        Wrong(
            "all raters in the first study",
            _all_votes,
            "compares studies of different size",
            "your first study has all votes, the second a part of them: give the first one only as "
            "many raters as make both numbers of votes equal.",
        ),
        Wrong(
            "lower ends",
            _lower_ends,
            "takes one end for the width",
            "these are the lower ends of the two intervals: the width is upper minus lower end.",
        ),
        Wrong(
            "in the other order",
            _swapped,
            "mixes up the two studies",
            "your two widths are the other way round: first the study with all clips.",
        ),
    ),
)


# --- an open task -------------------------------------------------------------------------------

OPEN_TASKS = (
    OpenTask(
        id="04.o1",
        title="A study of your own",
        task="Two of the lecture's systems are nearly level in one of its tables. Design a blind "
        "preference study that could decide between them: say what raters are asked, which clips "
        "they see and how these are chosen, how many pairs and raters it takes (estimate it with "
        "simulated votes before you ask anybody), and what you will conclude from each outcome. "
        "Run it with at least five people and report it on one page.",
        rubric=(
            (
                2,
                "The question, the clips and the rule that chooses them are fixed before any vote.",
            ),
            (3, "The numbers of pairs and raters follow from simulated votes, not from habit."),
            (
                2,
                "It is blind, sides and order are random, it has attention checks, and the report "
                "says who was left out.",
            ),
            (
                2,
                "The interval resamples clips and raters; the conclusion claims no more than it.",
            ),
            (1, "Raters gave their consent, could stop at any time, and are not named."),
        ),
    ),
)
