"""Lecture 07's homework: accuracy without fooling oneself, a fault to find, the number of actions.

`exercises` lists them with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from aidagen.answers import expected
from aidagen.models.playable.actions import clustered
from aidagen.teaching.cases import drawn
from aidagen.teaching.material import Exercise, Wrong

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]

# --- 07.3: delta-accuracy ------------------------------------------------------------------------


def nearest(
    known: Float[Tensor, "n 2"], actions: Int[Tensor, " n"], asked: Float[Tensor, "m 2"]
) -> Int[Tensor, " m"]:
    """The action of the most similar known displacement: a classifier that learns all by heart."""
    return actions[torch.cdist(asked, known).argmin(1)]


def linear(
    known: Float[Tensor, "n 2"], actions: Int[Tensor, " n"], asked: Float[Tensor, "m 2"]
) -> Int[Tensor, " m"]:
    """The action whose mean displacement is nearest: a linear classifier, which can learn little by
    heart."""
    taken = actions.unique()
    means = torch.stack([known[actions == a].mean(0) for a in taken])
    return taken[torch.cdist(asked, means).argmin(1)]


def delta_accuracy(
    moved: Float[Tensor, "N 2"], actions: Int[Tensor, " N"], predict: Predict,
    fold: Int[Tensor, " N"],
) -> Float[Tensor, ""]:  # fmt: skip
    """The share of actions that are said right from what moved, each by a classifier that has not
    seen the step's fold.

    ``predict(known, actions, asked)`` says the actions of displacements ``asked``, having learned
    from ``known`` and their actions.
    """
    right = 0
    for number in fold.unique():
        held = fold == number
        said = predict(moved[~held], actions[~held], moved[held])
        right += (said == actions[held]).sum()
    return right / len(actions)


def _same_points(moved: Tensor, actions: Tensor, predict: Predict, fold: Tensor) -> Tensor:
    return (predict(moved, actions, moved) == actions).float().mean()


def _swapped(moved: Tensor, actions: Tensor, predict: Predict, fold: Tensor) -> Tensor:
    right, asked = 0, 0
    for number in fold.unique():
        held = fold == number
        said = predict(moved[held], actions[held], moved[~held])
        right, asked = right + (said == actions[~held]).sum(), asked + (~held).sum()
    return right / asked


def _mean_of_folds(moved: Tensor, actions: Tensor, predict: Predict, fold: Tensor) -> Tensor:
    shares = []
    for number in fold.unique():
        held = fold == number
        said = predict(moved[~held], actions[~held], moved[held])
        shares.append((said == actions[held]).float().mean())
    return torch.stack(shares).mean()


def _one_fold(moved: Tensor, actions: Tensor, predict: Predict, fold: Tensor) -> Tensor:
    held = fold == fold.unique()[0]
    said = predict(moved[~held], actions[~held], moved[held])
    return (said == actions[held]).float().mean()


def _delta_cases() -> list[tuple[Tensor, Tensor, Predict, Tensor]]:
    cases = []
    for seed, count, how in ((51, 60, nearest), (52, 45, linear), (53, 40, nearest)):
        actions = (3 * drawn(seed, count)).long()
        moved = torch.stack([actions - 1.0, torch.zeros(count)], 1) + 1.6 * (
            drawn(seed + 10, count, 2) - 0.5
        )
        fold = (4 * drawn(seed + 20, count) ** 2).long()  # of unequal sizes
        cases.append((moved, actions, how, fold))
    return cases


def _dealt(count: int = 60) -> tuple[Tensor, Tensor, Tensor]:
    """Displacements, actions that have nothing to do with them, and folds."""
    fold = (5 * drawn(63, count) ** 2).long()  # of unequal sizes
    return drawn(61, count, 2), (3 * drawn(62, count)).long(), fold


def _delta_picture(answer):
    """The accuracy on actions that know nothing, and on actions that know everything."""
    moved, dealt, fold = _dealt()
    known = (3 * moved[:, 0]).long()
    values = {
        "dealt, by heart": answer(moved, dealt, nearest, fold),
        "dealt, linear": answer(moved, dealt, linear, fold),
        "true, by heart": answer(moved, known, nearest, fold),
        "true, linear": answer(moved, known, linear, fold),
    }
    return expected.bars({name: float(x) for name, x in values.items()})


DELTA = Exercise(
    id="07.3",
    title="Accuracy without fooling yourself",
    minutes=15,
    difficulty=2,
    importance=3,
    reference=delta_accuracy,
    cases=_delta_cases,
    expects="one number, the share of all N actions that are said right",
    hint="For each fold: learn from all steps outside of it, say the actions of those in it, and "
    "count; divide by N at the end.",
    hints=(
        "Which steps may the classifier have seen when it says the action of a step in fold 2?",
        "`held = fold == number`: learn from `~held`, ask for `held`. Folds differ in size, so "
        "count what is right and divide once.",
    ),
    picture=_delta_picture,
    picture_shows="Four bars: about a third for actions that were dealt at random, with either "
    "classifier, and more than 0.9 for the true actions.",
    wrong=(
        Wrong(
            "scored on the same points",
            _same_points,
            "does what the released code does",
            "you learn from all steps and score the same ones; a classifier that learns by heart "
            "then gets everything right, whatever the actions mean.",
        ),
        Wrong(
            "learns from the fold",
            _swapped,
            "held and known are exchanged",
            "you learn from the fold and ask for the rest: it is the fold that is held out.",
        ),
        Wrong(
            "mean over folds",
            _mean_of_folds,
            "takes folds for equally large",
            "you average the shares of the folds, so that steps in small folds count more; count "
            "what is right over all folds, and divide by N.",
        ),
        Wrong(
            "one fold alone",
            _one_fold,
            "holds out once",
            "you ask for one fold only; each step should be asked for once.",
        ),
    ),
)


# --- 07.4: a fault -------------------------------------------------------------------------------


def transitions(
    places: Float[Tensor, " T"], actions: Float[Tensor, " t"]
) -> tuple[Float[Tensor, " t"], Float[Tensor, " t"], Float[Tensor, " t"]]:
    """What dynamics learn from: a state, the action that is taken in it, and the next state.

    ``actions[t]`` is held between frames t and t + 1; t = T - 1.
    """
    return places[:-1].clone(), actions.clone(), places[1:].clone()


def _the_past(places: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return places[1:-1], actions[:-1], places[2:]


def _next_action(places: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return places[:-2], actions[1:], places[1:-1]


def _two_steps(places: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return places[:-2], actions[:-1], places[2:]


def _reversed(places: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return places[1:], actions, places[:-1]


def _walk(seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Places of something that goes where it is sent, and where it is sent: -1, 0 or 1."""
    actions = (3 * drawn(seed, count - 1)).long().float() - 1
    start = drawn(seed + 1, 1)
    return torch.cat([start, start + (3 * actions + drawn(seed + 2, count - 1)).cumsum(0)]), actions


def _past_picture(answer):
    """The mean movement from state to next state, for the action of each triple."""
    places, actions = _walk(74, 60)
    now, action, after = (torch.as_tensor(x).float() for x in answer(places, actions))
    went = (after - now).clamp(-9, 9)
    ways = {"sent left": -1, "sent nowhere": 0, "sent right": 1}
    means = {name: float(went[action == a].mean()) / 8 + 0.5 for name, a in ways.items()}
    return expected.bars(means, "movement: 0.5 is none, 1 is far right")


PAST = Exercise(
    id="07.4",
    title="Buttons that do nothing",
    minutes=10,
    difficulty=2,
    importance=3,
    kind="fault",
    reference=transitions,
    cases=lambda: [_walk(71, 8), _walk(81, 12)],
    expects="three tensors of t = T - 1 numbers: state, action, next state",
    hint="The action beside a state is the one that is taken *in* it: it leads to the next state.",
    hints=(
        "Write down for T = 4 which frames and which action each triple holds. Which action leads "
        "from frame 1 to frame 2?",
        "`actions[t]` lies between frames t and t + 1, so no triple needs to be left out.",
    ),
    picture=_past_picture,
    picture_shows="Three bars: below 0.5 for what was sent left, near 0.55 for what was sent "
    "nowhere, and near 0.9 for what was sent right.",
    wrong=(
        Wrong(
            "the action of the past",
            _the_past,
            "takes the action that was seen last for the one that is taken",
            "each state stands beside the action that *led* to it. It explains what has already "
            "been seen, and says nothing of what comes next.",
        ),
        Wrong(
            "the action after the next",
            _next_action,
            "shifts the actions the other way",
            "each state stands beside the action that is taken one step later.",
        ),
        Wrong(
            "two steps for one action",
            _two_steps,
            "lets a state go on twice",
            "your next states lie two frames ahead; one action leads one frame on.",
        ),
        Wrong(
            "backwards in time",
            _reversed,
            "exchanges state and next state",
            "your dynamics go backwards in time: the state comes before the next state.",
        ),
    ),
)


# --- 07.5: an experiment -------------------------------------------------------------------------


def left_open(
    directions: Float[Tensor, "N D"], moved: Float[Tensor, "N 2"], candidates: Sequence[int],
    cluster: Callable[[Tensor, int], Tensor],
) -> Float[Tensor, " C"]:  # fmt: skip
    """Delta-MSE by the number of actions: the share of the displacements' variance that is left
    within actions, in percent.

    ``cluster(directions, K)`` gives K centroids; the action of a step is the nearest one.
    """
    left, whole = [], moved.var(0, correction=0).sum()
    for number in candidates:
        actions = torch.cdist(directions, cluster(directions, number)).argmin(1)
        within = sum(
            (moved[actions == a] - moved[actions == a].mean(0)).square().sum()
            for a in actions.unique()
        )
        left.append(100 * within / len(moved) / whole)
    return torch.stack(left)


def _actions(directions: Tensor, cluster: Callable, number: int) -> Tensor:
    return torch.cdist(directions, cluster(directions, number)).argmin(1)


def _unweighted(directions, moved, candidates, cluster):
    left, whole = [], moved.var(0, correction=0).sum()
    for number in candidates:
        taken = _actions(directions, cluster, number)
        each = [moved[taken == a].var(0, correction=0).sum() for a in taken.unique()]
        left.append(100 * torch.stack(each).mean() / whole)
    return torch.stack(left)


def _of_directions(directions, moved, candidates, cluster):
    return left_open(directions, directions, candidates, cluster)


def _not_a_share(directions, moved, candidates, cluster):
    return left_open(directions, moved, candidates, cluster) * moved.var(0, correction=0).sum()


def _of_movements(directions, moved, candidates, cluster):
    return left_open(moved, moved, candidates, cluster)


def _told(directions, moved, candidates, cluster):
    return 100 - left_open(directions, moved, candidates, cluster)


def _left_cases() -> list:
    cases = []
    for seed, count, vague in ((91, 90, 0.0), (95, 60, 6.0)):
        true = (drawn(seed, count) ** 2 * 3).long()  # of unequal frequency
        spread = 1 + vague * (true == 2)[:, None]  # the rare one may also be vague
        moved = torch.stack([4.0 * (true - 1), (true == 0) * 2.0], 1)
        moved = moved + spread * drawn(seed + 1, count, 2)
        directions = torch.stack([true - 1.0, drawn(seed + 2, count)], 1)
        directions = directions + 0.7 * (drawn(seed + 3, count, 2) - 0.5)
        cases.append((directions, moved, (2, 3, 4), clustered))
    return cases


def _left_picture(answer):
    """The share left open for two to six actions of a made-up game of three movements."""
    directions, moved, _, cluster = _left_cases()[0]
    numbers = (1, 2, 3, 4, 5, 6)
    values = answer(directions, moved, numbers, cluster)
    return expected.bars({f"K = {k}": float(x) / 100 for k, x in zip(numbers, values)})


NUMBER = Exercise(
    id="07.5",
    title="How many actions?",
    minutes=15,
    difficulty=2,
    importance=2,
    kind="experiment",
    reference=left_open,
    cases=_left_cases,
    expects="one number for each candidate K: percent of the displacements' variance",
    hint="For each K: centroids, the nearest one for each step, the variance of the displacements "
    "within each action (every step counts alike), over their whole variance, times 100.",
    tolerance=1e-3,
    hints=(
        "Actions are named by directions, and judged by displacements. Which of the two goes into "
        "`cluster`, and which into the variance?",
        "Sum the squared distances of displacements from their action's mean over *all* steps, "
        "and divide by N: then a frequent action counts more than a rare one.",
    ),
    picture=_left_picture,
    picture_shows="Six bars that fall: 1 for one action, then steeply until three, and hardly "
    "from there on.",
    wrong=(
        Wrong(
            "each action counts alike",
            _unweighted,
            "averages variances, as the released code does",
            "you average the variances of the actions, so that a rare action counts as much as a "
            "frequent one; let each step count alike.",
        ),
        Wrong(
            "variance of the directions",
            _of_directions,
            "judges clusters by what they were made of",
            "you measure how well the clusters fit the *directions*, which k-means makes small by "
            "itself; measure what moved.",
        ),
        Wrong(
            "clusters of movements",
            _of_movements,
            "names steps by the answer",
            "you cluster the displacements, which no model sees; cluster the directions.",
        ),
        Wrong(
            "not a share",
            _not_a_share,
            "forgets the unit",
            "your number is in squared pixels; divide by the whole variance of the displacements.",
        ),
        Wrong(
            "what is told",
            _told,
            "reports what is explained",
            "this is the share that the actions tell; what they leave open is asked for.",
        ),
    ),
)
