"""Playable video: do the actions that nobody named mean something?

Each step of a test clip has an action, which the model sees in the two frames, and a movement, from
the emulator's memory, which no model was shown: of the paddle (left, stayed, right), or of the near
player (eight directions, or stayed). Which action stands for which movement is decided on the
validation clips (`movements.assignment`), and scored on the test clips.

Methods:
* `caddy`: the actions that the model of each game sees;
* `random`: drawn evenly; `shuffled`: those of `caddy`, dealt to other steps; `single`: always the
  first one. What they score is what a score is worth.

Letters: N steps, K learned actions, C classes of movement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from aidagen import datasets, zoo
from aidagen.datasets.layout import Clip, ClipSet
from aidagen.evaluation import clips, movements
from aidagen.evaluation.sheets import SEED, EvaluationError, Metric, Sheet, Table
from aidagen.metrics import of_set
from aidagen.pixels import as_floats

MODELS = {"breakout": "playable-breakout-64", "tennis": "playable-tennis-64"}
SPLIT = "unseen"
DRAWS = 20  # of a control that is drawn at random, for each step

KAPPA = Metric("action_kappa", "Cohen's kappa of assigned actions and movements", "higher")
ACCURACY = Metric("action_accuracy", "share of steps whose action stands for what moved", "higher")
NMI = Metric("nmi", "mutual information of actions and movements, normalised to 0..1", "higher")
DELTA_MSE = Metric("delta_mse", "% of the displacements' variance that is within actions", "lower")
DELTA_MSE_RELEASED = Metric(
    "delta_mse_released", f"{DELTA_MSE.unit}, each action counted alike", "lower"
)
USAGE = Metric("usage_entropy", "entropy of the actions taken, as a share of log K", "higher")


class Game(NamedTuple):
    """What is known of a game, and was not shown to any model."""

    label: str  # of what the actions move, (T, 2) in [-1, 1]
    classes: Callable[[np.ndarray, float], np.ndarray]
    names: tuple[str, ...]
    least: float  # pixels that count as a movement, about half of the smallest one


GAMES = {
    "breakout": Game("paddle", movements.sideways, movements.SIDEWAYS, 2.0),
    "tennis": Game("player", movements.compass, movements.COMPASS, 1.0),
}


class Steps(NamedTuple):
    """The steps of one clip."""

    learned: np.ndarray  # (N) actions
    moved: np.ndarray  # (N, 2) displacements, in pixels
    true: np.ndarray  # (N) classes


@torch.no_grad()
def steps(model: nn.Module, clip: Clip, game: Game) -> Steps:
    """What the model sees in a clip, and what moved. Raises ``EvaluationError`` where the clip
    does not say."""
    labels = clip.labels()
    if game.label not in labels:
        raise EvaluationError(
            f"{clip} has no label {game.label!r}, which says what its actions move; make the data "
            "set again."
        )
    frames = as_floats(clip.frames())[None]  # (1, T, 3, H, W)
    found = model.find_actions(model.encode(model.observe(frames)), frames.shape[1])
    half = (np.array(frames.shape[-1:-3:-1]) - 1) / 2  # pixels for 1
    moved = np.diff(labels[game.label].astype(float), axis=0) * half
    return Steps(found.logits[0].argmax(-1).numpy(), moved, game.classes(moved, game.least))


def controls(
    tested: list[Steps], actions: int, rng: np.random.Generator
) -> dict[str, list[np.ndarray]]:
    """Actions that do not look at the frames, for the same steps; random ones ``DRAWS`` times."""
    lengths = [len(one.learned) for one in tested]
    taken = np.concatenate([one.learned for one in tested])
    dealt = [np.split(rng.permutation(taken), np.cumsum(lengths)[:-1]) for _ in range(DRAWS)]
    return {
        "random": [rng.integers(actions, size=DRAWS * length) for length in lengths],
        "shuffled": [np.concatenate(of_clip) for of_clip in zip(*dealt)],
        "single": [np.zeros(length, int) for length in lengths],
    }


def taking(one: Steps, actions: np.ndarray) -> Steps:
    """The steps of a clip with other actions, once or several times."""
    times = len(actions) // len(one.learned)
    return Steps(actions, np.tile(one.moved, (times, 1)), np.tile(one.true, times))


def score(
    sheet: Sheet, data: str, method: str, tested: list[Steps], assigned: np.ndarray, actions: int
) -> None:
    """Add the rows of one method on one game; ``assigned`` is the class of each action."""
    classes = len(GAMES[data].names)
    tables = np.stack([movements.counts(s.learned, s.true, actions, classes) for s in tested])

    def of_counts(number: Callable[[np.ndarray], float], centred: bool = False):
        return of_set(
            len(tested), lambda chosen: number(tables[list(chosen)].sum(0)), centred=centred
        )

    def of_steps(number: Callable[[np.ndarray, np.ndarray], float]):
        def chosen_number(chosen: tuple[int, ...]) -> float:
            moved, learned = zip(*[(tested[i].moved, tested[i].learned) for i in chosen])
            return number(np.concatenate(moved), np.concatenate(learned))

        return of_set(len(tested), chosen_number, centred=False)

    columns = {
        KAPPA: of_counts(lambda table: movements.kappa(table, assigned)),
        ACCURACY: of_counts(lambda table: movements.accuracy(table, assigned)),
        NMI: of_counts(movements.nmi, centred=True),  # repeated clips look more alike
        DELTA_MSE: of_steps(movements.variance_within),
        DELTA_MSE_RELEASED: of_steps(lambda m, a: movements.variance_within(m, a, weighted=False)),
        USAGE: of_steps(lambda m, a: movements.usage_entropy(a, actions)),
    }
    for metric, statistic in columns.items():
        sheet.add_statistic(data, SPLIT, method, metric, statistic)


def compute(
    *, limit: int | None = None, progress: clips.Progress, load_model=zoo.load,
    load_data=datasets.load,
) -> Sheet:  # fmt: skip
    """The whole table. Models and data are opened by name."""
    sheet = Sheet()
    for data, name in MODELS.items():
        opened: ClipSet = load_data(data)
        model = load_model(name, "cpu")
        actions, game = model.config.actions, GAMES[data]
        seen = {}
        for split in ("val", "test"):
            listed = clips.some(opened.clips(split), limit)
            if not listed:
                raise EvaluationError(f"The set {data} has no clips in {split}; make it again.")
            progress(f"{data}: actions of {len(listed)} clips ({split})")
            seen[split] = [steps(model, clip, game) for clip in listed]
        known, tested = seen["val"], seen["test"]
        rng = np.random.default_rng(SEED)
        methods = {"caddy": ([s.learned for s in known], [s.learned for s in tested])}
        before, after = controls(known, actions, rng), controls(tested, actions, rng)
        methods |= {method: (before[method], after[method]) for method in before}
        for method, (own, taken) in methods.items():
            named = [taking(s, a) for s, a in zip(known, own)]
            table = sum(movements.counts(s.learned, s.true, actions, len(game.names))
                        for s in named)  # fmt: skip
            scored = [taking(s, a) for s, a in zip(tested, taken)]
            score(sheet, data, method, scored, movements.assignment(table), actions)
    return sheet


TABLE = Table(
    compute,
    models=tuple(MODELS.values()),
    data=tuple(MODELS),
    comparisons=[("caddy", control) for control in ("random", "shuffled", "single")],
)
