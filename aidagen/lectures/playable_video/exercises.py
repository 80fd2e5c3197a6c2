"""Lecture 07's exercises: direction and variability, and the mutual information.

Every reference is written out as a learner would write it.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from aidagen.answers import expected
from aidagen.lectures.playable_video.questions import OPEN_TASKS, PREDICTIONS, QUESTIONS
from aidagen.lectures.playable_video.trials import DELTA, NUMBER, PAST
from aidagen.teaching.cases import drawn
from aidagen.teaching.material import Exercise, Wrong

__all__ = ["EXERCISES", "OPEN_TASKS", "PREDICTIONS", "QUESTIONS"]


# --- 07.1: direction and variability -------------------------------------------------------------


def explain(
    poses: Float[Tensor, "T D"], action: Float[Tensor, "t K"], centroids: Float[Tensor, "K D"]
) -> tuple[Float[Tensor, "t D"], Float[Tensor, "t D"]]:
    """The direction from each frame's pose to the next one, and what the action leaves open of it.

    ``action`` sums to 1 over its K entries, and need not be one-hot.
    """
    directions = poses[1:] - poses[:-1]
    return directions, directions - action @ centroids


def _explain_cases() -> list[tuple[Tensor, Tensor, Tensor]]:
    sure = torch.eye(3)[[2, 0, 1, 2]]
    unsure = (3 * drawn(13, 5, 4)).softmax(-1)
    return [
        (4 * drawn(11, 5, 2), sure, 2 * drawn(12, 3, 2) - 1),
        (4 * drawn(14, 6, 3), unsure, 2 * drawn(15, 4, 3) - 1),
    ]


def _backwards(poses: Tensor, action: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    directions = poses[:-1] - poses[1:]
    return directions, directions - action @ centroids


def _from_the_first(poses: Tensor, action: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    directions = poses[1:] - poses[:1]
    return directions, directions - action @ centroids


def _nearest_centroid(poses: Tensor, action: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    directions = poses[1:] - poses[:-1]
    return directions, directions - centroids[action.argmax(-1)]


def _to_the_centroid(poses: Tensor, action: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    directions, rest = explain(poses, action, centroids)
    return directions, -rest


def _all_centroids(poses: Tensor, action: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    directions = poses[1:] - poses[:-1]
    return directions, directions - centroids.mean(0)


SCENE = (
    torch.tensor([[0.0, 0.0], [0.9, 0.3], [1.0, -0.6], [1.9, -0.9], [1.2, -0.7], [1.0, 0.5]]),
    torch.cat([torch.eye(3)[[0, 1, 0, 2]], torch.tensor([[0.0, 0.3, 0.7]])]),
    torch.tensor([[0.95, 0.0], [0.0, -0.8], [-0.6, 0.6]]),
)


@torch.no_grad()
def _explain_picture(answer):
    """Centroids as discs, directions as dots of the colour of their action, and what is left
    between them as lines."""
    _, action, centroids = SCENE
    directions, rest = (torch.as_tensor(x).float() for x in answer(*SCENE))
    size, scale = 2 * expected.SIZE, 2 * expected.SIZE / 5
    made = Image.new("RGB", (size, size), "white")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(14)
    colours = ("#0072B2", "#C04A00", "#007A5A")

    def at(point: Tensor) -> tuple[float, float]:
        x, y = (scale * point.nan_to_num().clamp(-9, 9)).tolist()
        return size / 2 + x, size / 2 + y

    draw.line((0, size / 2, size, size / 2), fill="#CCCCCC")
    draw.line((size / 2, 0, size / 2, size), fill="#CCCCCC")
    for k, centroid in enumerate(centroids):
        x, y = at(centroid)
        draw.ellipse((x - 13, y - 13, x + 13, y + 13), outline=colours[k], width=4)
        draw.text((x - 4, y - 9), str(k + 1), fill="black", font=font)
    for one, left, told in zip(directions, rest, action):
        colour = colours[int(told.argmax())]
        draw.line((*at(one - left), *at(one)), fill=colour, width=2)
        x, y = at(one)
        draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=colour)
    return made


EXPLAIN = Exercise(
    id="07.1",
    title="Direction and variability",
    minutes=6,
    difficulty=1,
    importance=3,
    place="class",
    reference=explain,
    cases=_explain_cases,
    expects="two tensors (t, D), t = T - 1: the directions and the variability",
    hint="A direction is the next pose less this one; the variability is the direction less the "
    "centroid of its action, each centroid weighted by the action's entry.",
    hints=(
        "Which two slices of `poses` do you subtract, so that entry t leads from frame t to frame "
        "t + 1?",
        "`action` sums to 1, so the sum of a_k (d - c_k) over k is d less one matrix product.",
    ),
    picture=_explain_picture,
    picture_shows="Three numbered circles, the centroids, and five dots, the directions. A line "
    "joins each dot to the centre of the circle of its own colour; one, whose action is unsure, to "
    "a point between two circles.",
    wrong=(
        Wrong(
            "backwards",
            _backwards,
            "subtracts what comes later from what comes first",
            "your directions lead from the next frame back to this one: subtract this pose from "
            "the next one.",
        ),
        Wrong(
            "from the first frame",
            _from_the_first,
            "takes a direction for the way since the beginning",
            "your directions all start at the first frame; each action leads from *its* frame to "
            "the next one.",
        ),
        Wrong(
            "the likeliest action alone",
            _nearest_centroid,
            "takes every action for one-hot",
            "you take the centroid of the likeliest action; in training an action is a soft "
            "sample, and each centroid counts by its entry.",
        ),
        Wrong(
            "from direction to centroid",
            _to_the_centroid,
            "the sign of the rest is taken not to matter",
            "your variability leads from the direction to the centroid; it is added to the "
            "centroid to give the direction, so it is d - c.",
        ),
        Wrong(
            "one centre for all",
            _all_centroids,
            "measures from the middle of all actions",
            "you subtract the mean of all centroids, so that the rest still tells the action; "
            "subtract the centroid of the action that was taken.",
        ),
    ),
)


# --- 07.2: the mutual information ----------------------------------------------------------------


def information_loss(
    p: Float[Tensor, "N K"], q: Float[Tensor, "N K"], entropy_weight: float
) -> Float[Tensor, ""]:
    """Minus the mutual information of actions in real frames (p) and in painted ones (q).

    Rows of ``p`` and ``q`` are probabilities; ``entropy_weight`` is the lambda of eq. (11).
    """
    together = p.T @ q
    together = (together + together.T) / 2
    together = (together / together.sum()).clamp(min=1e-9)
    row, column = together.sum(1, keepdim=True), together.sum(0, keepdim=True)
    logs = together.log() - entropy_weight * (row.log() + column.log())
    return -(together * logs).sum()


def _information(
    p: Tensor, q: Tensor, weight: float, symmetric: bool = True, apart: bool = False
) -> Tensor:
    together = (p.mean(0)[:, None] * q.mean(0)[None]) if apart else p.T @ q
    if symmetric:
        together = (together + together.T) / 2
    together = (together / together.sum()).clamp(min=1e-9)
    row, column = together.sum(1, keepdim=True), together.sum(0, keepdim=True)
    return -(together * (together.log() - weight * (row.log() + column.log()))).sum()


def _agreement(p: Tensor, q: Tensor, weight: float) -> Tensor:
    return -(p * q.clamp(min=1e-9).log()).sum(-1).mean()


def _joint_entropy(p: Tensor, q: Tensor, weight: float) -> Tensor:
    together = p.T @ q
    together = (together + together.T) / 2
    together = (together / together.sum()).clamp(min=1e-9)
    return -(together * together.log()).sum()


def _not_normalised(p: Tensor, q: Tensor, weight: float) -> Tensor:
    together = p.T @ q
    together = ((together + together.T) / 2).clamp(min=1e-9)
    row, column = together.sum(1, keepdim=True), together.sum(0, keepdim=True)
    return -(together * (together.log() - weight * (row.log() + column.log()))).sum()


def _information_cases() -> list[tuple[Tensor, Tensor, float]]:
    cases = []
    for seed, count, actions, weight in ((21, 12, 3, 1.0), (31, 9, 4, 1.5), (41, 20, 2, 1.2)):
        p = (5 * drawn(seed, count, actions)).softmax(-1)
        other = (5 * drawn(seed + 1, count, actions)).softmax(-1)
        q = 0.6 * p.roll(1, dims=1) + 0.4 * other  # many an action is seen as the next one
        cases.append((p, q, weight))
    return cases


@torch.no_grad()
def _information_picture(answer):
    """The loss of four ways to use three actions, as a share of log 3."""
    told = torch.eye(3).repeat(4, 1)
    two, one = torch.eye(3)[[0, 1] * 6], torch.eye(3)[[0] * 12]
    ways = {
        "three, seen again": (told, told),
        "two of the three": (two, two),
        "three, not seen again": (told, torch.full_like(told, 1 / 3)),
        "one action always": (one, one),
    }
    ways["three, exchanged"] = (told, told.roll(1, dims=1))
    shares = {name: -float(answer(p, q, 1.0)) / math.log(3) for name, (p, q) in ways.items()}
    shares["two, lambda 0.5"] = -float(answer(two, two, 0.5)) / math.log(3)
    return expected.bars(shares)


INFORMATION = Exercise(
    id="07.2",
    title="The mutual information as a loss",
    minutes=7,
    difficulty=2,
    importance=3,
    place="class",
    reference=information_loss,
    cases=_information_cases,
    expects="one number: minus the mutual information, in nats",
    hint="Count the pairs of actions in one K x K table, make it symmetric, divide by its sum; "
    "then sum P (log P - lambda log row - lambda log column), and change the sign.",
    hints=(
        "`p.T @ q` adds up the outer products of all N rows. What has to be done to it before it "
        "is a joint distribution that is the same with p and q exchanged?",
        "The marginals are the sums of the *table's* rows and columns, kept as (K, 1) and (1, K). "
        "Clamp the table at 1e-9 before you take logarithms.",
    ),
    picture=_information_picture,
    picture_shows="Six bars, as shares of log 3: 1 for three actions that are seen again, 0.63 for "
    "two of the three, 0 for actions that are not seen again and for a single one, 0.37 where "
    "each is seen as the next one, and 0 for two of the three if lambda is 0.5.",
    wrong=(
        Wrong(
            "the sign",
            lambda p, q, weight: -information_loss(p, q, weight),
            "maximises by minimising",
            "your loss *is* the mutual information; an optimiser makes losses small, and this one "
            "should become large: change the sign.",
        ),
        Wrong(
            "the table is not made symmetric",
            lambda p, q, weight: _information(p, q, weight, symmetric=False),
            "the direction from p to q is taken to matter",
            "your table is not symmetric; \"i here, j there\" and \"j here, i there\" are counted "
            "as the same event: average the table with its transpose.",
        ),
        Wrong(
            "a product of means",
            lambda p, q, weight: _information(p, q, weight, apart=True),
            "averages before it multiplies",
            "you multiply the mean of p with the mean of q, which is what a table without any "
            "dependence looks like; multiply row by row and sum then: `p.T @ q`.",
        ),
        Wrong(
            "cross-entropy",
            _agreement,
            "wants the painted action to be the real one, and nothing else",
            "this asks only that q agrees with p, which is perfect if one action is always taken; "
            "the mutual information also asks that all actions are used.",
        ),
        Wrong(
            "the joint entropy",
            _joint_entropy,
            "leaves the marginals out",
            "this is the entropy of the table alone: subtract the logarithms of its row and "
            "column sums, each weighted by lambda.",
        ),
        Wrong(
            "counts instead of probabilities",
            _not_normalised,
            "forgets to divide by the sum",
            "your table holds counts: divide it by its sum, so that it is a distribution.",
        ),
        Wrong(
            "lambda is left out",
            lambda p, q, weight: information_loss(p, q, 1.0),
            "takes the textbook's form",
            "you leave `entropy_weight` out: it multiplies the logarithms of both marginals.",
        ),
    ),
)


EXERCISES = (EXPLAIN, INFORMATION, DELTA, PAST, NUMBER)
