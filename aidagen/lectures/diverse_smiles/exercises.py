"""Lecture 02's exercises: one step of the conditional LSTM, and the push term.

Every reference is written out as a learner would write it.
"""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from aidagen.answers import expected
from aidagen.lectures.diverse_smiles.questions import PREDICTIONS, QUESTIONS
from aidagen.lectures.diverse_smiles.trials import BEST_OF_K, MARGINS, OPEN_TASKS, PULL
from aidagen.teaching.cases import drawn
from aidagen.teaching.material import Exercise, Wrong

__all__ = ["EXERCISES", "OPEN_TASKS", "PREDICTIONS", "QUESTIONS"]


# --- 02.1: one step, with the label --------------------------------------------------------------


def step(
    z: Float[Tensor, "B E"],
    told: Float[Tensor, "B L"],
    h: Float[Tensor, "B S"],
    c: Float[Tensor, "B S"],
    cell: nn.LSTMCell,
    head: nn.Linear,
) -> tuple[Tensor, Tensor, Tensor]:
    """From one embedding to the next: ``(z, h, c)`` of the next frame.

    ``told`` is what is told of label and time, ``(h, c)`` the state of ``cell``; ``head`` makes of
    the new ``h`` how far the embedding moves.
    """
    h, c = cell(torch.cat([z, told], dim=1), (h, c))
    return z + head(h), h, c


@cache
def _networks(seed: int, latent: int, label: int, hidden: int) -> tuple[nn.LSTMCell, nn.Linear]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.LSTMCell(latent + label, hidden), nn.Linear(hidden, latent)


def _step_cases() -> list[tuple]:
    cases = []
    for seed, faces, latent, label, hidden in ((11, 2, 4, 4, 5), (21, 3, 3, 3, 6)):
        state = (2 * drawn(seed + i, faces, hidden) - 1 for i in (2, 3))
        z, told = 2 * drawn(seed, faces, latent) - 1, 2 * drawn(seed + 1, faces, label) - 1
        cases.append((z, told, *state, *_networks(seed, latent, label, hidden)))
    return cases


def _without_label(z, told, h, c, cell, head):
    return step(z, 0 * told, h, c, cell, head)


def _label_first(z, told, h, c, cell, head):
    h, c = cell(torch.cat([told, z], dim=1), (h, c))
    return z + head(h), h, c


def _no_residual(z, told, h, c, cell, head):
    h, c = cell(torch.cat([z, told], dim=1), (h, c))
    return head(h), h, c


def _old_state(z, told, h, c, cell, head):
    new, c = cell(torch.cat([z, told], dim=1), (h, c))
    return z + head(h), new, c


def _from_memory_cell(z, told, h, c, cell, head):
    h, c = cell(torch.cat([z, told], dim=1), (h, c))
    return z + head(c), h, c


def _fresh_state(z, told, h, c, cell, head):
    h, c = cell(torch.cat([z, told], dim=1))
    return z + head(h), h, c


@torch.no_grad()
def _step_picture(answer):
    """Two numbers of an embedding over 24 steps, unfolded from one start under two labels."""
    cell, head = _networks(21, 3, 3, 6)
    made = Image.new("RGB", (2 * expected.SIZE, expected.SIZE), "white")
    for label, colour in ((1.5, "#0072B2"), (-1.5, "#D55E00")):
        z, h, c = torch.zeros(1, 3), torch.zeros(1, 6), torch.zeros(1, 6)
        way = [z]
        for _ in range(24):
            z, h, c = answer(z, torch.full((1, 3), label), h, c, cell, head)
            way.append(z)
        curve(made, torch.cat(way)[:, 0], colour)
    return made


def curve(made: Image.Image, values: Tensor, colour: str, largest: float = 6.0) -> None:
    """Draw values over time into a picture; zero is its middle, ``largest`` its upper edge."""
    from PIL import ImageDraw

    x = torch.linspace(4, made.width - 5, len(values)).tolist()
    y = (made.height / 2 * (1 - (values / largest).clamp(-1, 1))).tolist()
    ImageDraw.Draw(made).line(list(zip(x, y, strict=True)), fill=colour, width=3)


STEP = Exercise(
    id="02.1",
    title="One step, with the label",
    minutes=6,
    difficulty=2,
    importance=3,
    place="class",
    reference=step,
    cases=_step_cases,
    expects="three tensors: embedding (B, E), h (B, S), c (B, S)",
    hint="Put z and the label side by side, give them to the cell with its state, and let the head "
    "say how far z moves.",
    hints=(
        "The cell reads one vector per face. Which two things does it have to know besides its own "
        "state, and along which axis do you join them?",
        "The head's answer is a movement: what has to come out if it is zero?",
    ),
    picture=_step_picture,
    picture_shows="Two curves that begin at the same point and part: the same start, unfolded "
    "under "
    "two different labels.",
    wrong=(
        Wrong(
            "label left out",
            _without_label,
            "the label is expected to be in the state already, or is forgotten",
            "your step does not depend on the label: posed and spontaneous would be one smile.",
        ),
        Wrong(
            "label first",
            _label_first,
            "the order of a concatenation is taken not to matter",
            "you join the label and z in the other order; trained weights know which place is "
            "which, so z comes first.",
        ),
        Wrong(
            "no residual step",
            _no_residual,
            "the head is taken to give the next embedding itself",
            "the head gives a movement, not a place: add it to z, or the first frame jumps away "
            "from the neutral face.",
        ),
        Wrong(
            "the old state is read",
            _old_state,
            "h is used before it is updated",
            "the movement is read from the old h; the new one has just seen z and the label.",
        ),
        Wrong(
            "c instead of h",
            _from_memory_cell,
            "confuses the two halves of an LSTM's state",
            "you read the movement from c, the cell's memory; what an LSTM gives out is h.",
        ),
        Wrong(
            "the state is dropped",
            _fresh_state,
            "calls the cell without its state, which then starts at zero in every frame",
            "your cell begins anew in every frame: hand it (h, c), or it cannot know how long the "
            "smile has lasted.",
        ),
    ),
)


# --- 02.2: the push term -------------------------------------------------------------------------


def push(made: Float[Tensor, "B K T C"], margin: float) -> Float[Tensor, ""]:
    """How much nearer than ``margin`` two modes are: mean over inputs and pairs of modes.

    The distance of two modes is the mean over T of the squared distance of their C numbers.
    """
    i, j = torch.triu_indices(made.shape[1], made.shape[1], offset=1)
    apart = (made[:, i] - made[:, j]).square().sum(-1).mean(-1)  # (B, pairs)
    return (margin - apart).clamp(min=0).mean()


def _apart(made: Tensor) -> Tensor:
    i, j = torch.triu_indices(made.shape[1], made.shape[1], offset=1)
    return (made[:, i] - made[:, j]).square().sum(-1).mean(-1)


def _with_itself(made: Tensor, margin: float) -> Tensor:
    apart = (made[:, :, None] - made[:, None]).square().sum(-1).mean(-1)  # (B, K, K)
    return (margin - apart).clamp(min=0).mean()


def _lengths(made: Tensor, margin: float) -> Tensor:
    i, j = torch.triu_indices(made.shape[1], made.shape[1], offset=1)
    apart = (made[:, i] - made[:, j]).norm(dim=-1).mean(-1)
    return (margin - apart).clamp(min=0).mean()


def _push_cases() -> list[tuple[Tensor, float]]:
    # some pairs are nearer than the margin, some are not
    return [
        (drawn(31, 2, 3, 4, 2), 0.35),
        (1.5 * drawn(32, 3, 4, 5, 3), 1.2),
        (2 * drawn(33, 2, 3, 1, 2), 0.6),
    ]


@torch.no_grad()
def _push_picture(answer):
    """The push of modes at given places on a line; its margin is 0.8."""
    ways = {
        "all equal": (0.0, 0.0, 0.0),
        "rather near": (-0.3, 0.0, 0.3),
        "two near, one far": (0.0, 0.1, 3.0),
        "far apart": (-2.0, 0.0, 2.0),
    }
    values = {}
    for name, places in ways.items():
        made = torch.tensor(places)[None, :, None, None].expand(1, 3, 8, 2)
        values[name] = float(answer(made, 0.8))
    return expected.bars(values)


PUSH = Exercise(
    id="02.2",
    title="Push",
    minutes=6,
    difficulty=2,
    importance=3,
    place="class",
    reference=push,
    cases=_push_cases,
    expects="one number, the mean over inputs and pairs of modes",
    hint="For every pair of different modes: margin minus their distance, or 0 where that is "
    "negative.",
    hints=(
        "Which pairs of modes are there, and should a mode be pushed away from itself?",
        "What should the term be for two modes that are farther apart than the margin?",
    ),
    picture=_push_picture,
    picture_shows="Four bars: 0.8, the margin, for three equal modes; less for modes that are "
    "rather "
    "near to each other; about a third of the margin where two are near and one is far; 0 for "
    "modes "
    "that are far apart.",
    wrong=(
        Wrong(
            "no border",
            lambda made, margin: (margin - _apart(made)).mean(),
            "the margin is subtracted, and nothing stops the push beyond it",
            "your term becomes negative for modes that are far apart, so they are pushed on for "
            "ever: beyond the margin it has to be 0.",
        ),
        Wrong(
            "the sign is wrong",
            lambda made, margin: (_apart(made) - margin).clamp(min=0).mean(),
            "a distance in a loss is taken to be something to make small",
            "your term is 0 for equal modes and grows with their distance: it pulls them together.",
        ),
        Wrong(
            "a mode is its own neighbour",
            _with_itself,
            "goes over all K x K pairs",
            "you count each mode as a pair with itself, which adds the margin and no gradient: "
            "take different modes only.",
        ),
        Wrong(
            "the border of the mean",
            lambda made, margin: (margin - _apart(made).mean()).clamp(min=0),
            "the order of a mean and a maximum is taken not to matter",
            "you compare the mean distance with the margin: two modes may then coincide while a "
            "third one is far away. Compare each pair first.",
        ),
        Wrong(
            "mean over the numbers of a moment",
            lambda made, margin: (margin - _apart(made) / made.shape[-1]).clamp(min=0).mean(),
            "uses a plain mean of squares",
            "your distance is a mean over T and C; the margin is meant for a mean over moments of "
            "the squared distance, so sum over the last axis.",
        ),
        Wrong(
            "a distance that is not squared",
            _lengths,
            "compares a length with a squared length",
            "the distance is not squared in your term; pull and margin use mean squared distances.",
        ),
    ),
)


EXERCISES = (STEP, PUSH, PULL, MARGINS, BEST_OF_K)
