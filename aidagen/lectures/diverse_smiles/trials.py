"""Lecture 02's homework: a fault to find, two experiments, an open task.

`exercises` lists them with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from aidagen.answers import expected
from aidagen.lectures.diverse_smiles import toy
from aidagen.teaching.cases import drawn
from aidagen.teaching.material import Exercise, OpenTask, Wrong

# --- 02.3: a fault -------------------------------------------------------------------------------


def pull(apart: Float[Tensor, "B K"], spread: float) -> Float[Tensor, ""]:
    """The relaxed pull: most of the force on the mode that is nearest, ``spread`` on the others."""
    best = apart.min(dim=1).values  # of each clip, its own nearest mode
    others = (apart.sum(dim=1) - best) / (apart.shape[1] - 1)
    return ((1 - spread) * best + spread * others).mean()


def faulty_pull(apart, spread):
    best = apart.min(dim=1).values
    others = (apart.sum(dim=1) - best) / (apart.shape[1] - 1)
    return (spread * best + (1 - spread) * others).mean()


def _one_for_all(apart: Tensor, spread: float) -> Tensor:
    nearest = apart.mean(0).argmin()
    best = apart[:, nearest]
    others = (apart.sum(1) - best) / (apart.shape[1] - 1)
    return ((1 - spread) * best + spread * others).mean()


def _pull_picture(answer):
    """The share of each clip's force on two modes; clip A is next to mode 1, clip B to mode 2."""
    apart = torch.tensor([[0.2, 0.6, 0.9], [0.7, 0.3, 0.9]], requires_grad=True)
    with torch.enable_grad():
        (force,) = torch.autograd.grad(answer(apart, 0.05), apart)
    shares = (len(apart) * force).tolist()
    return expected.bars(
        {f"clip {'AB'[i]} on mode {k + 1}": shares[i][k] for i in (0, 1) for k in (0, 1)}
    )


PULL = Exercise(
    id="02.3",
    title="Three networks, one smile",
    minutes=10,
    difficulty=2,
    importance=3,
    kind="fault",
    reference=pull,
    cases=lambda: [(drawn(41, 4, 3), 0.05), (drawn(42, 5, 4), 0.2)],
    expects="one number, the mean over clips",
    hint="Ask which mode a clip should draw most, the nearest one or the others, and whether it "
    "is the same mode for every clip.",
    hints=(
        "Three sequences came out that are nearly equal. What does a network do that is drawn "
        "towards all true smiles with the same force?",
        "With spread = 0 only the nearest mode should learn from a clip. What is left of this loss "
        "if you set spread to 0?",
    ),
    picture=_pull_picture,
    picture_shows="Four bars: clip A draws mode 1 with 0.95 of its force and mode 2 with 0.025; "
    "clip B, which is next to mode 2, does the opposite.",
    wrong=(
        Wrong(
            "the shares are swapped",
            faulty_pull,
            "spread is taken for the share of the winner",
            "with spread = 0.05, 95 % of this force draws the modes that are *not* nearest. Every "
            "mode is drawn towards every clip, and ends at the mean of all.",
        ),
        Wrong(
            "all modes alike",
            lambda apart, spread: apart.mean(),
            "each mode should be right, so each is drawn to each clip",
            "every mode gets the same force from every clip, and what has the smallest mean "
            "squared "
            "distance to all true smiles is their mean: this is pull-all.",
        ),
        Wrong(
            "one winner for the whole batch",
            _one_for_all,
            "the minimum is taken after the mean over clips",
            "you choose one mode for the whole batch: it is drawn to all clips, and ends at their "
            "mean. Each clip has its own nearest mode.",
        ),
        Wrong(
            "best-of-K alone",
            lambda apart, spread: apart.min(dim=1).values.mean(),
            "the relaxed part is dropped",
            "the nearest mode is found for each clip, but the others get nothing: a mode that "
            "never "
            "wins never learns. Give them the share spread.",
        ),
        Wrong(
            "the winner is among the others",
            lambda apart, spread: (
                (1 - spread) * apart.min(dim=1).values + spread * apart.mean(dim=1)
            ).mean(),
            "takes the mean over all K as that of the others",
            "the mean of the others holds the nearest one, too: leave it out, and divide by K - 1.",
        ),
    ),
)


# --- 02.4: an experiment with the margin ---------------------------------------------------------


def margins(
    train: Callable[[float], Tensor], true: Float[Tensor, "M T C"], candidates: Sequence[float]
) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
    """Recall and diversity of the smiles that ``train(margin)`` (K, T, C) gives for each margin.

    The distance of two smiles is the mean over T of the length of their difference. A true smile
    is hit by one that is nearer than half the smallest distance of two true smiles.
    """
    a, b = torch.triu_indices(len(true), len(true), offset=1)
    border = (true[a] - true[b]).norm(dim=-1).mean(-1).min() / 2
    recalls, diversities = [], []
    for margin in candidates:
        made = train(margin)
        apart = (made[:, None] - true).norm(dim=-1).mean(-1)  # (K, M)
        recalls.append((apart < border).any(dim=0).float().mean())
        i, j = torch.triu_indices(len(made), len(made), offset=1)
        diversities.append((made[i] - made[j]).norm(dim=-1).mean())
    return torch.stack(recalls), torch.stack(diversities)


@cache
def _trained(seed: int, modes: int, margin: float) -> Tensor:
    true = _true()
    near = true[torch.arange(modes) % len(true)]
    start = 0.5 * near + 0.5 * true.mean(0) + 0.1 * (drawn(seed, modes, *true.shape[1:]) - 0.5)
    return toy.descended(true, start, margin, steps=60)


def _true() -> Float[Tensor, "M T C"]:
    return toy.truth(torch.tensor([toy.MEDIUM]))[0]


def case(seed: int = 51, modes: int = toy.MODES) -> tuple[Callable[[float], Tensor], Tensor]:
    """``train`` and the true smiles, as the exercise hands them over."""
    return lambda margin: _trained(seed, modes, float(margin)).clone(), _true()


CANDIDATES = tuple(toy.half_gap() * share for share in (0.0, 1.0, 2.0, 4.0, 8.0))


def _judged(train, true, candidates, near: Callable[[Tensor, float], Tensor], factor=0.5):
    a, b = torch.triu_indices(len(true), len(true), offset=1)
    border = (true[a] - true[b]).norm(dim=-1).mean(-1).min() * factor
    recalls, diversities = [], []
    for margin in candidates:
        made = train(margin)
        apart = (made[:, None] - true).norm(dim=-1).mean(-1)
        recalls.append(near(apart, border))
        i, j = torch.triu_indices(len(made), len(made), offset=1)
        diversities.append((made[i] - made[j]).norm(dim=-1).mean())
    return torch.stack(recalls), torch.stack(diversities)


def _recall(apart, border):
    return (apart < border).any(dim=0).float().mean()


def _first_margin(train, true, candidates):
    return margins(train, true, [candidates[0]] * len(candidates))


def _margin_picture(answer):
    train, true = case(54, 5)
    recalls, diversities = answer(train, true, CANDIDATES)
    values = {}
    for at in (1, 4):
        values[f"recall, margin {CANDIDATES[at]:.1f}"] = float(recalls[at])
        values[f"diversity, margin {CANDIDATES[at]:.1f}"] = float(diversities[at]) / 2
    return expected.bars(values, "diversities are drawn at half their size")


MARGINS = Exercise(
    id="02.4",
    title="A margin that is too large",
    minutes=12,
    difficulty=2,
    importance=3,
    kind="experiment",
    reference=margins,
    cases=lambda: [(*case(51, 3), CANDIDATES), (*case(52, 4), CANDIDATES[1:])],
    expects="two tensors (N,): recall and diversity for each margin",
    hint="Train once for each margin; recall asks of each true smile whether anything hit it.",
    hints=(
        "A table (K, M) of distances between made and true smiles answers half of the question. "
        "Over which axis do you ask whether anything hit?",
        "The border is half of the smallest distance between two different true smiles; diversity "
        "is the mean distance over the pairs of different made ones.",
    ),
    picture=_margin_picture,
    picture_shows="Four bars, of five smiles that were trained together: with a small margin "
    "recall is 1 and diversity moderate; with a "
    "margin "
    "that is too large recall is 0, and diversity has grown.",
    wrong=(
        Wrong(
            "precision",
            lambda train, true, candidates: _judged(
                train,
                true,
                candidates,
                lambda apart, border: (apart < border).any(1).float().mean(),
            ),
            "asks of each made smile whether it hit, not of each true one whether it was hit",
            "this is precision, the share of made smiles that hit; recall asks of each *true* "
            "smile "
            "whether it was hit.",
        ),
        Wrong(
            "the whole distance as a border",
            lambda train, true, candidates: _judged(train, true, candidates, _recall, 1.0),
            "forgets the half",
            "your border is the whole distance between two true smiles: a smile in the middle "
            "would "
            "hit both. Take half of it.",
        ),
        Wrong(
            "share of hits in the table",
            lambda train, true, candidates: _judged(
                train, true, candidates, lambda apart, border: (apart < border).float().mean()
            ),
            "averages over all pairs of made and true smiles",
            "you count hits among all pairs, but one hit is enough for a true smile: use any over "
            "the made ones first.",
        ),
        Wrong(
            "always the first margin",
            _first_margin,
            "does not hand the margin to train",
            "recall and diversity are the same for all margins: hand each margin to train.",
        ),
    ),
)


# --- 02.5: what best-of-K rewards ----------------------------------------------------------------


def best_of(apart: Float[Tensor, "N K"]) -> Float[Tensor, " K"]:
    """The mean error of the best of the first k answers, for k = 1 to K."""
    best = [apart[:, :k].min(dim=1).values for k in range(1, apart.shape[1] + 1)]
    return torch.stack(best, dim=1).mean(dim=0)


def guesses(seed: int = 61, count: int = 6) -> Float[Tensor, "N K"]:
    """Distances of random guesses: smiles of random strength in random ways, from true ones."""
    true = toy.truth(toy.inputs(40, torch.Generator().manual_seed(seed)))  # (N, M, T, C)
    mixed = drawn(seed + 1, 40, count, true.shape[1])
    mixed = 1.5 * mixed / mixed.sum(-1, keepdim=True) * drawn(seed + 2, 40, count, 1)
    made = torch.einsum("nkm,nmtc->nktc", mixed, true)
    return (made - true[:, :1]).norm(dim=-1).mean(-1)


def _best_picture(answer):
    return expected.bars({f"best of {k + 1}": float(v) for k, v in enumerate(answer(guesses()))})


BEST_OF_K = Exercise(
    id="02.5",
    title="What best-of-K rewards",
    minutes=8,
    difficulty=1,
    importance=2,
    kind="experiment",
    reference=best_of,
    cases=lambda: [(drawn(62, 5, 4),), (drawn(63, 3, 6),)],
    expects="K numbers: the mean over inputs of the best of the first k errors",
    hint="For each k: the smallest of the first k errors of each input, then the mean over inputs.",
    hints=(
        "First choose the best answer of each input, then take the mean over inputs. Does the "
        "order "
        "matter?",
        "apart[:, :k].min(dim=1).values is the error of the best of the first k answers.",
    ),
    picture=_best_picture,
    picture_shows="Six bars, each a little shorter than the one before: the error of the best of k "
    "random guesses falls as k grows.",
    wrong=(
        Wrong(
            "mean of the first k",
            lambda apart: torch.stack([apart[:, :k].mean() for k in range(1, apart.shape[1] + 1)]),
            "confuses the mean error with that of the best",
            "this is the mean error of the first k answers; best-of-K keeps only the best one of "
            "each input.",
        ),
        Wrong(
            "the k-th answer alone",
            lambda apart: apart.mean(0),
            "k is taken for the number of an answer",
            "this is the error of answer number k; the best of the *first k* is asked for.",
        ),
        Wrong(
            "mean before minimum",
            lambda apart: apart.mean(0).cummin(0).values,
            "one answer is taken to be best for all inputs",
            "you take the mean over inputs first, so that one answer has to be the best "
            "everywhere: "
            "choose for each input.",
        ),
        Wrong(
            "minimum over inputs",
            lambda apart: apart.min(0).values,
            "the axes are confused",
            "you take the minimum over inputs: choose among the answers, which are the columns.",
        ),
    ),
)


# --- an open task --------------------------------------------------------------------------------

OPEN_TASKS = (
    OpenTask(
        id="02.o1",
        title="One input, many answers: yours",
        task="Find a question from your own field to which one input has several right answers (a "
        "street seen from a car and where the pedestrian goes next; a sketch and its colours; a "
        "sentence and its translations). Make a data set of it in which the true answers are "
        "known, "
        "even a tiny one, and train K answers on it with two of the lecture's losses. Report "
        "recall, "
        "precision and diversity. Then make the data set harder in one way (more true modes than "
        "K, "
        "or one mode that is seen ten times as often as the others) and say what breaks first.",
        rubric=(
            (
                2,
                "It is said why a single answer must fail, with the mean of the true answers "
                "shown.",
            ),
            (
                2,
                "When an answer 'hits' is defined before looking, with a border that has a reason.",
            ),
            (3, "Recall, precision and diversity of two losses, from three random starts or more."),
            (2, "What breaks when the data get harder is predicted first, and then measured."),
            (1, "One example in which diversity alone would have misled the reader."),
        ),
    ),
)
