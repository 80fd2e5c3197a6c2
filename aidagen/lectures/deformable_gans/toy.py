"""Lecture 03's toy: cloth that is seen again, shifted by an amount that nobody can know.

The same piece of cloth is seen again and again, each time shifted by up to `REACH` pixels in x and
in y, as the folds of a shirt move with every step. The shift is told to nobody. Whoever has to
paint the next picture can do no better than paint always the same one, so that there is no network
here: the painted picture itself is learned, pixel by pixel. Forms differ in where they begin and in
the window in which the loss looks for a match; with a window of one pixel it is an L1 loss.

Letters: B pieces of cloth, C channels, S pixels of a piece.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from aidagen.lectures.deformable_gans import sheets

SIZE, REACH, RATE = 24, 2, 0.02
Colour = tuple[float, float, float]
CLOTH: dict[str, tuple[Colour, Colour]] = {  # ground and pattern, in [0, 1]
    "thin stripes": ((0.1, 0.2, 0.6), (0.9, 0.9, 0.95)),
    "stripes": ((0.85, 0.8, 0.7), (0.6, 0.1, 0.1)),
    "pinstripes": ((0.1, 0.4, 0.25), (0.95, 0.8, 0.2)),
    "dots": ((0.2, 0.2, 0.25), (0.9, 0.5, 0.3)),
    "checks": ((0.95, 0.95, 0.9), (0.1, 0.3, 0.6)),
}
Loss = Callable[[Float[Tensor, "B C H W"], Float[Tensor, "B C H W"], int], Float[Tensor, ""]]


class Form(NamedTuple):
    """What one painted picture learns by."""

    window: int  # pixels each way in which the loss looks for a match; odd
    copy: bool = True  # whether it begins from a faint, noisy copy of the cloth; else from grey


def woven(pattern: str, size: int) -> Float[Tensor, "S S"]:
    """1 where the cloth has the colour of its pattern, 0 where it has that of its ground."""
    y, x = torch.arange(size)[:, None], torch.arange(size)
    drawn = {
        "thin stripes": y % 4 < 1,
        "stripes": y % 5 < 2,
        "pinstripes": x % 5 < 1,
        "dots": (y % 5 < 2) & (x % 5 < 2),
        "checks": (y % 6 < 2) ^ (x % 6 < 2),
    }
    return drawn[pattern].float().expand(size, size)


def bolts() -> Float[Tensor, "B 3 L L"]:
    """All pieces of cloth, larger than they are seen by `REACH` on each side."""
    whole = []
    for pattern, colours in CLOTH.items():
        mask = woven(pattern, SIZE + 2 * REACH)
        ground, other = (torch.tensor(colour)[:, None, None] for colour in colours)
        whole.append(ground * (1 - mask) + other * mask)
    return torch.stack(whole)


def patches(pictures: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B 27 H W"]:
    """The features that the losses compare: the 3 x 3 pixels around each place, as 27 channels."""
    return F.unfold(pictures, 3).unflatten(2, (pictures.shape[2] - 2, -1))


class Study:
    """Painted pictures that learn side by side, each by its own form of the loss.

    Args:
        forms: name -> where it begins, and its window.
        loss: ``loss(made, real, window)`` of features, as exercise 03.2 asks for it.
        seed: of the shifts and of the noise at the start; the same for all forms.
    """

    def __init__(self, forms: Mapping[str, Form], loss: Loss, seed: int = 0) -> None:
        self.forms, self.loss, self.whole = dict(forms), loss, bolts()
        self.generator = torch.Generator().manual_seed(seed)
        self.true = self.whole[..., REACH : REACH + SIZE, REACH : REACH + SIZE]
        noise = 0.06 * torch.randn(self.true.shape, generator=self.generator)
        faint = (self.true + self.true.mean((2, 3), keepdim=True)) / 2 + noise
        self.start = faint.clamp(0, 1)
        self.made = {
            name: (faint if form.copy else 0.5 + noise).clone().requires_grad_(True)
            for name, form in self.forms.items()
        }
        self.optimizers = {
            name: torch.optim.Adam([painted], RATE) for name, painted in self.made.items()
        }
        self.again = self.seen()

    def seen(self) -> Float[Tensor, "B 3 S S"]:
        """All pieces once more, each with a shift of its own."""
        found = []
        for piece in self.whole:
            dx, dy = torch.randint(2 * REACH + 1, (2,), generator=self.generator).tolist()
            found.append(piece[:, dy : dy + SIZE, dx : dx + SIZE])
        return torch.stack(found)

    def step(self) -> dict[str, float]:
        """One step of every form; returns the loss of each, before the step."""
        self.again, values = self.seen(), {}
        real = patches(self.again)
        for name, form in self.forms.items():
            with torch.enable_grad():
                value = self.loss(patches(self.made[name]), real, form.window)
                self.optimizers[name].zero_grad()
                value.backward()
            self.optimizers[name].step()
            values[name] = float(value.detach())
        return values

    @torch.no_grad()
    def contrast(self) -> dict[str, Float[Tensor, " B"]]:
        """How much of each pattern is left: the deviation over the pixels of a channel, as a share
        of that of the true cloth."""
        true = self.true.flatten(2).std(-1).mean(-1)
        return {
            name: painted.clamp(0, 1).flatten(2).std(-1).mean(-1) / true
            for name, painted in self.made.items()
        }


def picture(study: Study, height: int = 168) -> Any:
    """Rows: the cloth, the cloth seen again, the start, and what each form paints by now."""
    rows = {"the cloth": study.true, "seen again": study.again, "the start": study.start}
    rows |= {name: made.detach().clamp(0, 1) for name, made in study.made.items()}
    cells = {name: list(pieces) for name, pieces in rows.items()}
    return sheets.table(cells, list(CLOTH), height=height, smooth=False)


def told(study: Study) -> str:
    """How much contrast is left under each form, as Markdown."""
    from aidagen import markdown

    rows = [
        (name, *(f"{share:.2f}" for share in shares.tolist()))
        for name, shares in study.contrast().items()
    ]
    return markdown.table(("contrast that is left", *CLOTH), rows)
