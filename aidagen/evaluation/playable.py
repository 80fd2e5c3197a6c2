"""Playable video: do the actions that nobody named mean something, and does the world obey them?

Each step of a test clip has an action, which the model sees in the two frames, and a movement, from
the emulator's memory, which no model was shown: of the paddle (left, stayed, right), or of the near
player (eight directions, or stayed). Which action stands for which movement is decided on the
validation clips (`movements.assignment`), and scored on the test clips. So is the classifier of
`delta_acc`: fitted on validation clips, scored on test clips, as nothing that is fitted should be
scored on what it was fitted on. `delta_acc_released` is CADDY's, which is.

Then the model is played along each test clip, from its first frame on (`painted_games`), and each
action is pressed from many frames (`obedience`).

Methods:
* `caddy`, and what else `MODELS` names: the actions that the model of each game sees;
* `true-actions`: a model that sees none, and is told what was pressed;
* `random`: drawn evenly; `shuffled`: those of `caddy`, dealt to other steps; `single`: always the
  first one. What they score is what a score is worth. They are played by the model of `caddy`; in
  `same_meaning` they are pressed in place of the action that was asked for;
* `copy`: the first frame stands.

Letters: N steps, K learned actions, C classes of movement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from aidagen import datasets, zoo
from aidagen.datasets.layout import ClipSet
from aidagen.evaluation import clips, movements, obedience, painted_games
from aidagen.evaluation.game_objects import find
from aidagen.evaluation.games import GAMES, Filmed, Game, film
from aidagen.evaluation.sheets import SEED, EvaluationError, Metric, Sheet, Table
from aidagen.metrics import of_set

# data -> method -> weights; a further line is a further row. The first model plays the controls.
MODELS = {
    "breakout": {
        "caddy": "playable-breakout-64", "caddy-fine": "playable-breakout-64-fine",
        "latent-vq": "playable-breakout-64-vq", "true-actions": "playable-breakout-64-true",
    },
    "tennis": {"caddy": "playable-tennis-64"},
    "robot": {"caddy": "playable-robot-64"},
}  # fmt: skip
METHODS = tuple(dict.fromkeys(method for models in MODELS.values() for method in models))
TOLD = "true-actions"  # the method whose actions are those that were pressed
COPY = "copy"
CONTROLS = ("random", "shuffled", "single")
SPLIT = "unseen"
DRAWS = 20  # of a control that is drawn at random, for each step
FRAMES = 11  # of a clip along which a model is played; those of the robot have no more

KAPPA = Metric("action_kappa", "Cohen's kappa of assigned actions and movements", "higher")
ACCURACY = Metric("action_accuracy", "share of steps whose action stands for what moved", "higher")
NMI = Metric("nmi", "mutual information of actions and movements, normalised to 0..1", "higher")
DELTA_MSE = Metric("delta_mse", "% of the displacements' variance that is within actions", "lower")
DELTA_MSE_RELEASED = Metric(
    "delta_mse_released", f"{DELTA_MSE.unit}, each action counted alike", "lower"
)
DELTA_ACC = Metric(
    "delta_acc",
    "share of steps whose action a linear SVM reads off the displacement, fitted on other clips",
    "higher",
)
DELTA_ACC_RELEASED = Metric(
    "delta_acc_released", "the same, fitted on the very steps that are scored", "higher"
)
USAGE = Metric("usage_entropy", "entropy of the actions taken, as a share of log K", "higher")
ADD = Metric("add", "pixels between the object as painted and as filmed, both detected", "lower")
MDR = Metric("mdr", "% of the frames whose object is detected as filmed, not as painted", "lower")
PSNR_DELTA = Metric(
    "psnr_delta",
    f"dB that frame {painted_games.AHEAD} gains over one painted with random actions",
    "higher",
)
DRIFT = Metric(
    "drift",
    f"squared error of frame {FRAMES - 1} where something changed, over that of a still",
    "lower",
)
SAME_MEANING = Metric(
    "same_meaning",
    f"share of start frames from which an action, held for {obedience.HELD} steps, moves the "
    "object as it should",
    "higher",
)
SAME_MEANING_KAPPA = Metric(
    "same_meaning_kappa", "Cohen's kappa of what the actions should do and what they do", "higher"
)


class Steps(NamedTuple):
    """The steps of one clip."""

    learned: np.ndarray  # (N) actions
    moved: np.ndarray  # (N, 2) displacements, in pixels
    true: np.ndarray  # (N) classes


@torch.no_grad()
def steps(model: nn.Module, filmed: Filmed, game: Game, method: str = "caddy") -> Steps:
    """What the model sees in a clip, or is told of it, and what moved. Raises ``EvaluationError``
    where a clip does not say what was pressed and should."""
    true = game.classes(filmed.moved, game.least)
    if method == TOLD:
        if filmed.pressed is None:
            raise EvaluationError(
                f"{TOLD} needs clips that say which button was pressed in each step, as a number; "
                "leave it out for this set."
            )
        return Steps(filmed.pressed, filmed.moved, true)
    frames = filmed.frames[None]  # (1, T, 3, H, W)
    found = model.find_actions(model.encode(model.observe(frames)), frames.shape[1])
    return Steps(found.logits[0].argmax(-1).numpy(), filmed.moved, true)


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


def together(several: list[Steps]) -> tuple[np.ndarray, np.ndarray]:
    """Displacements (N, 2) and actions (N) of all steps of several clips."""
    return (np.concatenate([one.moved for one in several]),
            np.concatenate([one.learned for one in several]))  # fmt: skip


class Scorer:
    """Adds the rows of one game to a sheet."""

    def __init__(self, sheet: Sheet, data: str, known: list[Filmed], tested: list[Filmed]):
        self.sheet, self.data, self.game = sheet, data, GAMES[data]
        self.known, self.tested = known, tested
        self.classes = len(self.game.names)
        frames = torch.stack([one.frames[:FRAMES] for one in tested])  # (B, T, 3, H, W)
        self.first, self.true = frames[:, 0], frames[:, 1:]
        self.still = painted_games.changed_error(self.first, self.true[:, -1], self.first).numpy()
        if self.game.look is not None:
            self.places = self.find(self.true)

    def find(self, frames: torch.Tensor) -> np.ndarray:
        """Where the object is detected in clips (B, t, 3, H, W): (B, t, 2)."""
        return find(frames.flatten(0, 1), self.game.look).reshape(*frames.shape[:2], 2)

    def add(self, method: str, metric: Metric, values) -> None:
        """A number of each clip."""
        self.sheet.add(self.data, SPLIT, method, metric, values)

    def add_of_set(
        self, method: str, metric: Metric, number: Callable[[list[int]], float], centred=False
    ) -> None:
        """A number of any choice of clips."""
        statistic = of_set(
            len(self.tested), lambda chosen: number(list(chosen)), centred=centred
        )
        self.sheet.add_statistic(self.data, SPLIT, method, metric, statistic)

    # --- the actions ---

    def score_actions(
        self, method: str, known: list[Steps], tested: list[Steps], actions: int
    ) -> np.ndarray:
        """Rows on which action was seen and what moved; gives the class of each action."""
        tables = [movements.counts(s.learned, s.true, actions, self.classes) for s in known]
        assigned = movements.assignment(sum(tables))
        tables = np.stack([movements.counts(s.learned, s.true, actions, self.classes)
                           for s in tested])  # fmt: skip

        def of_counts(metric: Metric, number: Callable, centred: bool = False) -> None:
            self.add_of_set(method, metric, lambda chosen: number(tables[chosen].sum(0)), centred)

        def of_steps(metric: Metric, number: Callable) -> None:
            def chosen_number(chosen: list[int]) -> float:
                return number(*together([tested[i] for i in chosen]))

            self.add_of_set(method, metric, chosen_number)

        of_counts(KAPPA, lambda table: movements.kappa(table, assigned))
        of_counts(ACCURACY, lambda table: movements.accuracy(table, assigned))
        of_counts(NMI, movements.nmi, centred=True)  # repeated clips look more alike
        of_steps(DELTA_MSE, movements.variance_within)
        of_steps(DELTA_MSE_RELEASED,
                 lambda m, a: movements.variance_within(m, a, weighted=False))  # fmt: skip
        moved, learned = together(tested)
        ends = np.cumsum([len(s.learned) for s in tested])[:-1]
        for metric, shown in ((DELTA_ACC, known), (DELTA_ACC_RELEASED, tested)):
            told = movements.told_by_displacement(moved, *together(shown))
            right = np.split(told == learned, ends)
            self.add(method, metric, [of_clip.mean() for of_clip in right])
        of_steps(USAGE, lambda m, a: movements.usage_entropy(a, actions))
        return assigned

    # --- the pictures ---

    def score_painted(
        self, method: str, painted: torch.Tensor, by_chance: torch.Tensor | None
    ) -> None:
        """Rows on painted clips (B, t, 3, H, W); ``by_chance`` were painted with random actions."""
        if self.game.look is not None:
            found = self.find(painted)
            distances = painted_games.distances(found, self.places)
            seen = np.isfinite(distances).any(1)
            means = np.full(len(found), np.nan)
            means[seen] = np.nanmean(distances[seen], axis=1)
            self.add(method, ADD, means)
            missed = painted_games.missed(found, self.places)
            there = np.isfinite(missed).any(1)
            share = np.full(len(found), np.nan)
            share[there] = 100 * np.nanmean(missed[there], axis=1)
            self.add(method, MDR, share)
        if by_chance is not None:
            at = painted_games.AHEAD - 1
            pictures = painted[:, at], by_chance[:, at], self.true[:, at]
            self.add(method, PSNR_DELTA, painted_games.psnr_gain(*pictures).numpy())
        error = painted_games.changed_error(painted[:, -1], self.true[:, -1], self.first).numpy()
        self.add_of_set(
            method, DRIFT, lambda chosen: painted_games.drift(error[chosen], self.still[chosen])
        )

    # --- the buttons ---

    def score_obedience(
        self, method: str, pressed: obedience.Pressed, assigned: np.ndarray, known: list[Steps],
        instead: np.ndarray,
    ) -> None:  # fmt: skip
        """Rows on what each action does; ``instead`` (..., S, K) are the numbers of the actions
        that are pressed in place of each."""
        moved, true = together(known)[0], np.concatenate([one.true for one in known])
        counted = obedience.room(pressed, obedience.ways(assigned, moved, true))
        asked, starts = np.arange(len(assigned)), np.arange(len(pressed.clips))[:, None]
        came = obedience.outcomes(pressed, self.game)[starts, instead]  # (..., S, K)
        counted, asked, clip = (np.broadcast_to(x, came.shape)
                                for x in (counted, asked, pressed.clips[:, None]))  # fmt: skip
        tables = np.stack([
            movements.counts(*(x[counted & (clip == number)] for x in (asked, came)),
                             len(assigned), self.classes + 1)
            for number in range(len(self.tested))
        ])  # fmt: skip
        for metric, number in ((SAME_MEANING, movements.accuracy),
                               (SAME_MEANING_KAPPA, movements.kappa)):  # fmt: skip
            self.add_of_set(
                method, metric,
                lambda chosen, number=number: number(tables[chosen].sum(0), assigned),
            )  # fmt: skip


def compute(
    *, limit: int | None = None, progress: clips.Progress, load_model=zoo.load,
    load_data=datasets.load,
) -> Sheet:  # fmt: skip
    """The whole table. Models and data are opened by name."""
    sheet = Sheet()
    for data, models in MODELS.items():
        opened: ClipSet = load_data(data)
        filmed = {}
        for split in ("val", "test"):
            listed = clips.some(opened.clips(split), limit)
            if not listed:
                raise EvaluationError(f"The set {data} has no clips in {split}; make it again.")
            filmed[split] = [film(clip, GAMES[data]) for clip in listed]
        scorer = Scorer(sheet, data, filmed["val"], filmed["test"])
        for number, (method, name) in enumerate(models.items()):
            progress(f"{data}: {name} sees, paints and obeys")
            score_model(scorer, method, load_model(name, "cpu"), with_controls=number == 0)
        scorer.score_painted(COPY, scorer.first[:, None].expand_as(scorer.true), None)
    return sheet


def score_model(scorer: Scorer, method: str, model: nn.Module, with_controls: bool) -> None:
    """The rows of one model, and of the controls that it plays."""
    game, actions = scorer.game, model.config.actions
    known, tested = ([steps(model, one, game, method) for one in filmed]
                     for filmed in (scorer.known, scorer.tested))  # fmt: skip
    rng = np.random.default_rng(SEED)
    shape = scorer.true.shape[:2]  # B, t
    by_chance = painted_games.play(
        model, scorer.first, rng.integers(actions, size=(shape[0], painted_games.AHEAD))
    )
    assigned = scorer.score_actions(method, known, tested, actions)
    played = np.stack([s.learned[: shape[1]] for s in tested])
    scorer.score_painted(method, painted_games.play(model, scorer.first, played), by_chance)
    if game.look is not None:
        pressed = obedience.press(model, scorer.tested, game.look)
        same = np.broadcast_to(np.arange(actions), (len(pressed.clips), actions))
        scorer.score_obedience(method, pressed, assigned, known, same)
    if not with_controls:
        return
    before, after = controls(known, actions, rng), controls(tested, actions, rng)
    for control in CONTROLS:
        shown, scored = ([taking(s, a) for s, a in zip(of_split, own)]
                         for of_split, own in ((known, before[control]), (tested, after[control])))
        scorer.score_actions(control, shown, scored, actions)
        played = np.stack([a[: shape[1]] for a in after[control]])
        scorer.score_painted(control, painted_games.play(model, scorer.first, played), by_chance)
        if game.look is not None:
            drawn = rng.choice(np.concatenate(after[control]), (DRAWS, *same.shape))
            scorer.score_obedience(control, pressed, assigned, known, drawn)


TABLE = Table(
    compute,
    models=tuple(name for models in MODELS.values() for name in models.values()),
    data=tuple(MODELS),
    comparisons=[
        *((method, against) for method in METHODS for against in (*CONTROLS, COPY)),
        *((method, METHODS[0]) for method in METHODS[1:]),
    ],
)  # fmt: skip
