"""Lecture 02's toy: one input, three right answers, and six losses that learn side by side.

A smile is three curves over 16 moments (`CHANNELS`), and there are three ways to smile (`APEX`).
The input says how strong and how fast somebody smiles, and nothing about the way. Three small
networks answer, one per mode; only the loss differs between the forms.

Letters: B inputs, K answers (modes of the network), M true modes, T moments, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

MOMENTS, MODES, WIDTH = 16, 3, 64
CHANNELS = ("corners of the mouth", "opening of the mouth", "closing of the eyes")
APEX = {
    "closed mouth": (1.0, -0.5, 0.0),
    "closed eyes": (1.0, 0.0, 1.0),
    "open mouth": (1.0, 0.75, 0.0),
}
BATCH, RATE = 64, 6e-3
MEDIUM = (1.0, 0.4)  # strength and onset
Push = Callable[[Float[Tensor, "B K T C"], float], Tensor]


class Form(NamedTuple):
    """A form of the loss."""

    spread: float  # of the pull over modes that are not the nearest, as in `smile.pull`
    push: float = 0.0  # its weight
    margin: float = 0.0  # a mean squared distance


class Scores(NamedTuple):
    """What the answers of a form are worth, as means over inputs."""

    recall: float  # share of true modes that an answer hits
    precision: float  # share of answers that hit a true mode
    best: float  # distance of the nearest answer to a true mode
    diversity: float  # mean distance between two answers


def truth(x: Float[Tensor, "B 2"]) -> Float[Tensor, "B M T C"]:
    """All true smiles of whoever smiles with strength ``x[:, 0]`` and onset ``x[:, 1]``."""
    t = torch.linspace(0, 1, MOMENTS)
    strength, onset = x[:, 0, None], x[:, 1, None]
    up, down = (t / onset).clamp(0, 1), ((1 - t) / 0.4).clamp(0, 1)
    rise = strength * torch.minimum(up, down)  # (B, T)
    return rise[:, None, :, None] * torch.tensor(list(APEX.values()))[:, None, :]


def inputs(count: int, generator: torch.Generator) -> Float[Tensor, "B 2"]:
    """Strengths from 0.8 to 1.2 and onsets from 0.2 to 0.6 of a smile."""
    low, span = torch.tensor([0.8, 0.2]), torch.tensor([0.4, 0.4])
    return low + span * torch.rand(count, 2, generator=generator)


def squared(a: Float[Tensor, "*#N T C"], b: Float[Tensor, "*#N T C"]) -> Tensor:
    """Mean over moments of the squared distance: what pull and push are made of."""
    return (a - b).square().sum(-1).mean(-1)


def half_gap() -> float:
    """Half the smallest mean squared distance between two true modes, at medium strength."""
    own = truth(torch.tensor([MEDIUM]))[0]
    i, j = torch.triu_indices(len(own), len(own), offset=1)
    return float(squared(own[i], own[j]).min()) / 2


def score(made: Float[Tensor, "B K T C"], true: Float[Tensor, "B M T C"]) -> Scores:
    """A true mode is hit within half the smallest distance between two true modes."""
    table = (made[:, :, None] - true[:, None]).norm(dim=-1).mean(-1)  # (B, K, M)
    i, j = torch.triu_indices(true.shape[1], true.shape[1], offset=1)
    gap = (true[:, i] - true[:, j]).norm(dim=-1).mean(-1).min(1).values  # (B,)
    hit = table < gap[:, None, None] / 2
    k, l = torch.triu_indices(made.shape[1], made.shape[1], offset=1)
    return Scores(
        recall=hit.any(1).float().mean().item(),
        precision=hit.any(2).float().mean().item(),
        best=table.min(1).values.mean().item(),
        diversity=(made[:, k] - made[:, l]).norm(dim=-1).mean().item(),
    )


class Answers(nn.Module):
    """K small networks, one for each answer, from several random starts S at once."""

    def __init__(self, starts: int, modes: int = MODES):
        super().__init__()

        def drawn(*shape: int, inputs: int) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(starts, modes, *shape) - 1) / inputs**0.5)

        self.first, self.shift = drawn(2, WIDTH, inputs=2), drawn(1, WIDTH, inputs=2)
        outputs = MOMENTS * len(CHANNELS)
        self.second, self.base = (drawn(n, outputs, inputs=WIDTH) for n in (WIDTH, 1))

    def forward(self, x: Float[Tensor, "B 2"]) -> Float[Tensor, "S B K T C"]:
        hidden = (x @ self.first + self.shift).tanh()  # (S, K, B, WIDTH)
        made = hidden @ self.second + self.base
        return made.unflatten(-1, (MOMENTS, len(CHANNELS))).transpose(1, 2)


class Study:
    """All forms learn from the same smiles, each with weights and an optimizer of its own.

    Args:
        forms: name -> the form of its loss.
        pull: ``pull(apart, spread)`` of distances (B, K), as `smile.pull`.
        push: ``push(made, margin)`` of answers (B, K, T, C), as exercise 02.2 asks.
        starts: from how many random weights every form begins.
        seed: of the smiles, and of the weights, which are the same for all forms.
    """

    def __init__(
        self, forms: Mapping[str, Form], pull: Callable[..., Tensor], push: Push,
        starts: int = 8, seed: int = 0,
    ) -> None:  # fmt: skip
        self.forms, self.pull, self.push = dict(forms), pull, push
        self.generator = torch.Generator().manual_seed(seed)
        self.tested = inputs(64, torch.Generator().manual_seed(seed + 1))
        self.models: dict[str, Answers] = {}
        for name in forms:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.models[name] = Answers(starts)
        self.optimizers = {
            name: torch.optim.Adam(model.parameters(), RATE) for name, model in self.models.items()
        }

    def step(self) -> dict[str, float]:
        """One step of every form; returns the pull of each, before the step."""
        x = inputs(BATCH, self.generator)
        mode = torch.randint(len(APEX), (BATCH,), generator=self.generator)
        seen = truth(x)[torch.arange(BATCH), mode]  # (B, T, C), one of the right answers
        pulls = {}
        for name, form in self.forms.items():
            with torch.enable_grad():
                made = self.models[name](x)  # (S, B, K, T, C)
                apart = squared(made, seen[:, None]).flatten(0, 1)  # (S B, K)
                pulled = loss = self.pull(apart, form.spread)
                if form.push:
                    loss = loss + form.push * self.push(made.flatten(0, 1), form.margin)
                self.optimizers[name].zero_grad()
                loss.backward()
            self.optimizers[name].step()
            pulls[name] = float(pulled.detach())
        return pulls

    @torch.no_grad()
    def scores(self) -> dict[str, list[Scores]]:
        """Of each form and start, over 64 inputs that are the same for all."""
        true = truth(self.tested)
        return {
            name: [score(made, true) for made in model(self.tested)]
            for name, model in self.models.items()
        }

    @torch.no_grad()
    def made(self, name: str, start: int = 0) -> Float[Tensor, "K T C"]:
        """The answers of a form for a medium input, from one start."""
        return self.models[name](torch.tensor([MEDIUM]))[start, 0]


def descended(
    true: Float[Tensor, "M T C"], start: Float[Tensor, "K T C"], margin: float, steps: int = 150
) -> Float[Tensor, "K T C"]:
    """K smiles that learn without a network: pull in its relaxed form, and push, by descent.

    Every step sees all true smiles; push has the weight of the pull.
    """
    made = start.clone().requires_grad_(True)
    i, j = torch.triu_indices(len(made), len(made), offset=1)
    for _ in range(steps):
        with torch.enable_grad():
            apart = squared(made[None], true[:, None])  # (M, K)
            best = apart.min(1).values
            others = (apart.sum(1) - best) / (len(made) - 1)
            pushed = (margin - squared(made[i], made[j])).clamp(min=0).mean()
            loss = (0.95 * best + 0.05 * others).mean() + pushed
            (downhill,) = torch.autograd.grad(loss, made)
        with torch.no_grad():
            made -= 0.3 * len(true[0]) * downhill
    return made.detach()


def mean(scores: list[Scores]) -> Scores:
    """Over starts."""
    return Scores(*(sum(values) / len(values) for values in zip(*scores, strict=True)))


def table(scores: Mapping[str, list[Scores]]) -> str:
    """Scores as Markdown: means over starts, and from how many of them all modes were hit."""
    from aidagen import markdown

    rows = []
    for name, of_starts in scores.items():
        s, whole = mean(of_starts), sum(one.recall > 0.99 for one in of_starts)
        numbers = f"{s.recall:.2f}", f"{s.precision:.2f}", f"{s.best:.2f}", f"{s.diversity:.2f}"
        rows.append((name, *numbers, f"{whole} of {len(of_starts)}"))
    heads = ("form of the loss", "recall", "precision", "error of the best", "diversity",
             "starts that hit all modes")  # fmt: skip
    return markdown.table(heads, rows)
