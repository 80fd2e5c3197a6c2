"""Lecture 02's curves: the toy's answers, and how mouth and eyes move over time.

Each function returns a `plots.Plot`, which describes itself in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from aidagen.lectures.diverse_smiles import toy, trials
from aidagen.teaching.plots import LETTERS, LOOKS, WIDTH, Plot

GREY = "#767676"


def panels(rows: int, columns: int, height: float, **more: Any) -> tuple[Figure, list]:
    """A figure of its own with axes in rows, without a frame above and on the right."""
    with matplotlib.rc_context({"font.size": LETTERS}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **more).ravel().tolist()
    for each in axes:
        for side in ("top", "right"):
            each.spines[side].set_visible(False)
        each.tick_params(labelsize=LETTERS - 1)
    return figure, axes


def planes(study: toy.Study) -> Plot:
    """Mouth and eyes of each form's answers, from the first start, over the true smiles in grey."""
    true = toy.truth(torch.tensor([toy.MEDIUM]))[0]
    figure, axes = panels(2, 3, 5.4, sharex=True, sharey=True)
    for each, name in zip(axes, study.forms):
        for way in true:
            each.plot(way[:, 1], way[:, 2], color=GREY, linewidth=7, alpha=0.35)
        for k, way in enumerate(study.made(name)):
            colour, marker = LOOKS[k]
            each.plot(
                way[:, 1], way[:, 2], color=colour, marker=marker, markersize=5, linewidth=1.8
            )
        each.set_title(name, fontsize=LETTERS)
    axes[0].set(xlim=(-0.9, 1.2), ylim=(-0.4, 1.4))
    figure.supxlabel("opening of the mouth", fontsize=LETTERS)
    figure.supylabel("closing of the eyes", fontsize=LETTERS)
    return Plot(figure, f"Three answers over three true smiles, for {', '.join(study.forms)}.")


def over_margins(answer: Callable[..., tuple[Tensor, Tensor]]) -> Plot:
    """Recall and diversity over the margin, by exercise 02.4's function."""
    train, true = trials.case()
    recalls, diversities = answer(train, true, trials.CANDIDATES)
    x = [margin / (2 * toy.half_gap()) for margin in trials.CANDIDATES]
    figure, axes = panels(1, 1, 3.9)
    for k, (name, values) in enumerate((("recall", recalls), ("diversity", diversities))):
        colour, marker = LOOKS[k]
        axes[0].plot(
            x, values, color=colour, marker=marker, markersize=9, linewidth=2.6, label=name
        )
    axes[0].set(
        xlabel="margin, as a multiple of the distance of two true smiles", ylim=(-0.05, None)
    )
    axes[0].legend(frameon=False)
    told = ", ".join(f"{m:.1f}: {r:.2f} and {d:.2f}" for m, r, d in zip(x, recalls, diversities))
    return Plot(figure, f"Recall and diversity by margin: {told}.")


def over_guesses(answer: Callable[[Tensor], Tensor]) -> Plot:
    """The error of the best of k random guesses, by exercise 02.5's function."""
    errors = answer(trials.guesses())
    figure, axes = panels(1, 1, 3.6)
    colour, marker = LOOKS[0]
    k = range(1, len(errors) + 1)
    axes[0].plot(k, errors, color=colour, marker=marker, markersize=9, linewidth=2.6)
    axes[0].set(xlabel="k guesses", ylabel="error of the best", ylim=(0, None), xticks=list(k))
    return Plot(figure, f"The error of the best of k guesses falls from {errors[0]:.2f} to "
                f"{errors[-1]:.2f}.")  # fmt: skip


def measures(points: Float[Tensor, "*N 68 2"]) -> dict[str, Float[Tensor, "*N"]]:
    """Width and opening of the mouth, opening of the eyes; as shares of the eyes' distance."""

    def between(*pairs: tuple[int, int]) -> Tensor:
        return torch.stack([(points[..., i, :] - points[..., j, :]).norm(dim=-1)
                            for i, j in pairs]).mean(0)  # fmt: skip

    eyes = between((36, 45))
    return {
        "width of the mouth": between((48, 54)) / eyes,
        "opening of the mouth": between((62, 66)) / eyes,
        "opening of the eyes": between((37, 41), (38, 40), (43, 47), (44, 46)) / eyes,
    }


def timing(
    curves: Mapping[str, Mapping[str, Sequence[float] | Tensor]],
    fps: float = 12.0,
    title: str = "",
    dashed: str = "real",
) -> Plot:
    """Curves over time: panel -> name -> values; names that hold ``dashed`` are dashed."""
    figure, axes = panels(1, len(curves), 4.3)
    told, colours = [], {}
    for each, (panel, lines) in zip(axes, curves.items()):
        for name, values in lines.items():
            plain = name.replace(dashed, "").strip(" ,")
            colour, marker = colours.setdefault(plain, LOOKS[len(colours) % len(LOOKS)])
            values = torch.as_tensor(values)
            seconds = torch.arange(len(values)) / fps
            style = "--" if dashed in name else "-"
            each.plot(
                seconds, values, style, color=colour, linewidth=2.6, label=name,
                marker=marker if dashed not in name else None, markevery=max(1, len(values) // 8),
            )  # fmt: skip
            told.append(f"{panel}, {name}: {float(values[0]):.2f} at first, "
                        f"{float(values[len(values) // 2]):.2f} in the middle")  # fmt: skip
        each.set_title(panel, fontsize=LETTERS)
        each.set_xlabel("seconds", fontsize=LETTERS)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False,
                  fontsize=LETTERS - 1)  # fmt: skip
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=LETTERS + 1)
    return Plot(figure, f"{title or 'Curves over time'}: {'; '.join(told)}.")
