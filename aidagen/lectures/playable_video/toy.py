"""Lecture 07's toy: a dot on a strip goes left, right or stays, and nobody says which.

A frame is a strip of `CELLS` cells with one bright dot. From one frame to the next the dot moves by
three to five cells to the left or to the right, or not at all; the move is drawn anew each time, so
nothing in the first frame tells it. Small networks learn from pairs of frames, by the equations of
the system: a pose for each frame, a direction from one to the other, a name for it, and dynamics
that paint the second frame from the first one, the action and its variability. Forms differ in what
names the directions: nothing, the mutual information, or k-means after a free stage.

Letters: S random starts of the networks, B pairs of frames, K actions, C cells of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from aidagen.evaluation import movements
from aidagen.models.playable.actions import clustered, gumbel_softmax, one_hot
from aidagen.widgets import overlays

CELLS, ACTIONS, WIDTH = 24, 3, 32
MARGIN, FAR, SPREAD = 7, 4.0, 1.0  # cells: first frames keep off the ends; moves are 4 +- 1
BATCH, RATE, NOISE, PIXELS = 64, 5e-3, 0.1, 10.0
WHOLE = 0.9  # kappa above which the three movements count as found
MEMORY = 20  # batches of directions that are clustered at the end of a free stage
Loss = Callable[[Float[Tensor, "N K"], Float[Tensor, "N K"], float], Float[Tensor, ""]]


class Form(NamedTuple):
    """How actions are found."""

    information: float = 0.0  # weight of the mutual information
    entropy_weight: float = 1.0  # lambda of eq. (11)
    free: float = 0.0  # share of all steps in which the dynamics are told the whole direction
    places: bool = True  # whether a pose begins as the dot's place; else the networks' random one


class Moves(NamedTuple):
    """Pairs of frames, and what moved from the first to the second."""

    before: Float[Tensor, "B C"]
    after: Float[Tensor, "B C"]
    moved: Float[Tensor, " B"]  # cells, to the right
    true: Int[Tensor, " B"]  # 0 left, 1 stayed, 2 right


class Scores(NamedTuple):
    """What a form came to from one random start."""

    kappa: float  # agreement of actions and movements beyond chance
    usage: float  # entropy of the actions taken, as a share of log K
    alone: float  # error if the variability is not told, as a share of the error of a copy


def drawn(place: Float[Tensor, "*N"], width: float = 1.0) -> Float[Tensor, "*N C"]:
    """Frames with the dot at ``place``, in cells from the first one."""
    return torch.exp(-0.5 * ((torch.arange(CELLS) - place[..., None]) / width) ** 2)


def moves(count: int, generator: torch.Generator) -> Moves:
    """Pairs in which each move is as likely as the others, wherever the dot is."""
    share = torch.rand(2, count, generator=generator)
    start = MARGIN + (CELLS - 1 - 2 * MARGIN) * share[0]
    true = torch.randint(3, (count,), generator=generator)
    moved = (true - 1) * (FAR + SPREAD * (2 * share[1] - 1))
    return Moves(drawn(start), drawn(start + moved), moved, true)


def score(
    taken: Int[np.ndarray, " N"], true: Int[np.ndarray, " N"], alone: float
) -> Scores:
    """Of one start; which action stands for which movement is settled on the same pairs."""
    table = movements.counts(taken, true, ACTIONS, 3)
    kappa = movements.kappa(table, movements.assignment(table))
    return Scores(kappa, movements.usage_entropy(taken, ACTIONS), alone)


class Layers(nn.Module):
    """A small network, from S random starts at once."""

    def __init__(self, starts: int, *sizes: int):
        super().__init__()

        def uniform(rows: int, a: int, b: int) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(starts, rows, b) - 1) / a**0.5)

        pairs = list(zip(sizes[:-1], sizes[1:]))
        self.weights = nn.ParameterList([uniform(a, a, b) for a, b in pairs])
        self.shifts = nn.ParameterList([uniform(1, a, b) for a, b in pairs])

    def forward(self, x: Float[Tensor, "S B a"]) -> Float[Tensor, "S B b"]:
        for i, (weight, shift) in enumerate(zip(self.weights, self.shifts)):
            x = (x if i == 0 else F.leaky_relu(x, 0.2)) @ weight + shift
        return x


class Model(nn.Module):
    """Poses, names and dynamics; D = 1."""

    def __init__(self, starts: int, places: bool):
        super().__init__()
        self.pose_net = Layers(starts, CELLS, WIDTH, 1)
        self.naming = Layers(starts, 1, ACTIONS)
        self.dynamics = Layers(starts, CELLS + ACTIONS + 1, 2 * WIDTH, 2 * WIDTH, CELLS)
        self.register_buffer("centroids", torch.randn(starts, ACTIONS, 1))
        self.register_buffer("mean", torch.zeros(starts, 1, 1))
        self.register_buffer("deviation", torch.ones(starts, 1, 1))
        self.weight = nn.Parameter(torch.full((starts, 1, 1), float(places)))
        if places:  # the network's own part begins with nothing
            nn.init.zeros_(self.pose_net.weights[-1])
        else:
            self.weight.requires_grad_(False)

    def poses(self, frames: Float[Tensor, "S B C"]) -> Float[Tensor, "S B 1"]:
        """Frames in the action space: where the dot is, and what the network adds."""
        where = frames @ torch.linspace(-1, 1, CELLS)[:, None]  # eq. (1a) without attention
        return self.weight * where + self.pose_net(frames)

    def directions(
        self, before: Float[Tensor, "S B C"], after: Float[Tensor, "S B C"], learn: bool = False
    ) -> Float[Tensor, "S B 1"]:
        """From one frame to the next, normalised by the batch if ``learn``, else as last time."""
        found = self.poses(after) - self.poses(before)
        if learn:
            self.mean = found.mean(1, keepdim=True).detach()
            self.deviation = found.std(1, keepdim=True).detach() + 1e-4
            return (found - found.mean(1, keepdim=True)) / (found.std(1, keepdim=True) + 1e-4)
        return (found - self.mean) / self.deviation

    def paint(self, before: Tensor, action: Tensor, variation: Tensor) -> Float[Tensor, "S B C"]:
        """The next frame."""
        return self.dynamics(torch.cat([before, action, variation], dim=-1))

    @torch.no_grad()
    def name(self, directions: Float[Tensor, "S N 1"]) -> None:
        """K-means: clusters of directions become the actions; the dynamics go on as before."""
        for s, points in enumerate(directions):
            found = clustered(points, ACTIONS)
            self.centroids[s] = found
            self.naming.weights[0][s] = 4 * found.T
            self.naming.shifts[0][s] = -2 * found.square().sum(-1)
            first = self.dynamics.weights[0][s]
            first[CELLS : CELLS + ACTIONS] = found @ first[CELLS + ACTIONS :]


class Study:
    """All forms learn from the same pairs, each with networks and an optimizer of its own.

    Args:
        forms: name -> how its actions are found.
        loss: ``loss(p, q, entropy_weight)`` of probabilities (N, K) of actions in real and in
            painted pairs: minus the mutual information, as exercise 07.2 asks for it.
        steps: how many will be taken; free stages and temperatures are shares of them.
        starts: from how many random weights every form begins.
        seed: of the pairs and of the weights, which are the same for all forms.
    """

    def __init__(
        self, forms: Mapping[str, Form], loss: Loss, steps: int, starts: int = 4, seed: int = 0
    ) -> None:
        self.forms, self.loss, self.steps, self.starts = dict(forms), loss, steps, starts
        self.done, self.named = 0, dict.fromkeys(forms, False)
        self.generator = torch.Generator().manual_seed(seed)
        self.tested = moves(256, torch.Generator().manual_seed(seed + 1))
        self.recent: dict[str, list[Tensor]] = {name: [] for name in forms}
        self.models, self.optimizers = {}, {}
        for name, form in self.forms.items():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.models[name] = Model(starts, form.places)
            learned = [p for p in self.models[name].parameters() if p.requires_grad]
            self.optimizers[name] = torch.optim.Adam(learned, RATE)

    def step(self) -> dict[str, float]:
        """One step of every form; returns the terms of each loss, as means over starts."""
        pair, terms = moves(BATCH, self.generator), {}
        for name in self.forms:
            with torch.enable_grad():
                found = self.terms(name, pair)
                self.optimizers[name].zero_grad()
                sum(found.values()).sum().backward()
            nn.utils.clip_grad_norm_(self.models[name].parameters(), 1.0)
            self.optimizers[name].step()
            terms |= {f"{name}: {term}": float(x.detach().mean()) for term, x in found.items()}
        self.done += 1
        return terms

    def terms(self, name: str, pair: Moves) -> dict[str, Float[Tensor, " S"]]:
        """The weighted terms of a form's loss; moves its centroids."""
        model, form, draw = self.models[name], self.forms[name], self.generator
        before, after = (x.expand(self.starts, -1, -1) for x in (pair.before, pair.after))
        mean = model.directions(before, after, learn=True)
        direction = mean + NOISE * torch.randn(mean.shape, generator=draw)
        now = self.done / self.steps
        if now < form.free:
            self.recent[name] = [*self.recent[name], mean.detach()][-MEMORY:]
            told = direction.detach() if now < form.free / 3 else direction  # at first, held
            made = model.paint(before, mean.new_zeros(*mean.shape[:2], ACTIONS), told)
            return {"pixels": PIXELS * (made - after).square().mean((1, 2))}
        if form.free and not self.named[name]:
            model.name(torch.cat(self.recent[name], dim=1))
            self.named[name] = True
        logits = model.naming(direction)
        p = logits.softmax(-1)
        temperature = max(0.4, 1 - 1.2 * now)
        action = gumbel_softmax(logits.log_softmax(-1), temperature, draw)
        # after a free stage the variability fades within a fifth of all steps
        rest = max(0.0, 1 - 5 * (now - form.free)) if form.free else 1.0
        variation = direction - action @ model.centroids.clone()  # eq. (2)
        made = model.paint(before, action, rest * variation)
        with torch.no_grad():  # eq. (4)
            share = p.sum(1)[..., None]
            model.centroids.lerp_(p.mT @ mean / share.clamp(min=1e-6), 0.1)
        found = {"pixels": PIXELS * (made - after).square().mean((1, 2))}
        if form.information:
            again = model.directions(before, made)
            q = model.naming(again).softmax(-1)
            each = [self.loss(x, y, form.entropy_weight) for x, y in zip(p, q)]
            found["information"] = form.information * torch.stack(each)
        return found

    # --- what came of it ---

    @torch.no_grad()
    def taken(self, name: str) -> Int[Tensor, "S N"]:
        """The actions that a form sees in the tested pairs."""
        before, after = (x.expand(self.starts, -1, -1) for x in self.tested[:2])
        return self.models[name].naming(self.models[name].directions(before, after)).argmax(-1)

    @torch.no_grad()
    def pressed(self, name: str, first: Float[Tensor, "N C"]) -> Float[Tensor, "K S N C"]:
        """What each action paints after ``first``, without variability."""
        shape = self.starts, len(first)
        before = first.expand(self.starts, -1, -1)
        return torch.stack([
            self.models[name].paint(before, one_hot(torch.full(shape, k), ACTIONS),
                                    torch.zeros(*shape, 1))
            for k in range(ACTIONS)
        ])  # fmt: skip

    @torch.no_grad()
    def scores(self) -> dict[str, list[Scores]]:
        """Of each form and start, over pairs that are the same for all."""
        before, after, _, true = self.tested
        copied, found = float((before - after).square().mean()), {}
        for name, model in self.models.items():
            taken, wide = self.taken(name), before.expand(self.starts, -1, -1)
            told = one_hot(taken, ACTIONS)
            made = model.paint(wide, told, torch.zeros(*taken.shape, 1))
            alone = (made - after).square().mean((1, 2)) / copied
            found[name] = [score(taken[s].numpy(), true.numpy(), float(alone[s]))
                           for s in range(self.starts)]  # fmt: skip
        return found


def told(study: Study) -> str:
    """Scores as Markdown: means over starts, and in how many of them the actions are the moves."""
    from aidagen import markdown

    rows = []
    for name, scores in study.scores().items():
        kappa, usage, alone = (sum(x) / len(scores) for x in zip(*scores))
        whole = sum(one.kappa > WHOLE for one in scores)
        numbers = f"{usage:.2f}", f"{kappa:.2f}", f"{100 * alone:.0f} %"
        rows.append((name, *numbers, f"{whole} of {len(scores)}"))
    heads = ("form", "usage of actions", "kappa", "error left by the action alone",
             "starts that found left, stay and right")  # fmt: skip
    return markdown.table(heads, rows)


def picture(study: Study, width: int = 168, line: int = 18) -> Any:
    """What each button does: for every form (row) and random start (column) three strips, one for
    each action, pressed where the white mark is."""
    first, letters, left, top = drawn(torch.tensor([(CELLS - 1) / 2])), 22, 250, 34
    high, gap = line * ACTIONS + 2 * (ACTIONS - 1), 14
    size = left + study.starts * (width + gap), top + len(study.forms) * (high + gap)
    canvas = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(letters)
    for s in range(study.starts):
        draw.text((left + s * (width + gap), 2), f"start {s + 1}", fill="black", font=font)
    for row, name in enumerate(study.forms):
        y = top + row * (high + gap)
        for k, part in enumerate(_lines(name)):
            draw.text((2, y + k * (letters + 4)), part, fill="black", font=font)
        made = study.pressed(name, first)[:, :, 0].clamp(0, 1).numpy()  # (K, S, C)
        for s in range(study.starts):
            x = left + s * (width + gap)
            for k in range(ACTIONS):
                strip = overlays.map_picture(made[k, s][None], width)[:line]
                at = x, y + k * (line + 2)
                canvas.paste(Image.fromarray(strip), at)
                middle = at[0] + width // 2
                draw.line((middle, at[1], middle, at[1] + line - 1), fill="white", width=2)
    return overlays.still(canvas)


def _lines(name: str) -> list[str]:
    """A form's name in lines of about twenty letters."""
    lines: list[str] = []
    for word in name.split():
        if lines and len(lines[-1]) + len(word) < 21:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
