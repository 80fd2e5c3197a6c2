"""Lecture 07's plots: the action space, components, meaning, what lies between actions.

Each function returns a `plots.Plot`, which describes itself in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from aidagen.datasets.tennis import WAYS
from aidagen.evaluation import movements
from aidagen.lectures.playable_video import judging, showcase, trials
from aidagen.metrics import Interval
from aidagen.models.playable.actions import clustered, one_hot
from aidagen.teaching import plots
from aidagen.teaching.plots import LETTERS, LOOKS, WIDTH, Plot

GREY = "#767676"
SHOWN = 1.8  # how far out the action space is drawn
METHODS = {
    "caddy": "the model",
    "caddy-fine": "the model, trained for longer",
    "latent-vq": "a code book instead",
    "true-actions": "told the true actions",
    "random": "random actions",
    "shuffled": "the model's, shuffled",
    "single": "one action always",
}
DATA = {"breakout": "Breakout", "tennis": "Tennis", "robot": "robot arm"}


def _panels(columns: int, height: float, **more: Any) -> tuple[Figure, list]:
    """A figure of its own with axes side by side, without a frame above and on the right."""
    with matplotlib.rc_context({"font.size": LETTERS}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False, **more).ravel().tolist()
    for each in axes:
        for side in ("top", "right"):
            each.spines[side].set_visible(False)
        each.tick_params(labelsize=LETTERS - 1)
        each.xaxis.label.set_size(LETTERS)
        each.yaxis.label.set_size(LETTERS)
    return figure, axes


def claim(rows: Sequence[Mapping[str, Any]], metric: str, **more: Any) -> Plot:
    """A metric of the table `playable`, for every method and game that the rows hold."""
    # resampled clips do not always enclose the number of all of them; a plot needs an interval
    here = [{**row, "low": min(row["low"], row["value"]), "high": max(row["high"], row["value"])}
            for row in rows if row["metric"] == metric]  # fmt: skip
    known = [name for name in METHODS if any(row["method"] == name for row in here)]
    places = {(row["data"], row["split"]): DATA.get(row["data"], row["data"]) for row in here}
    return plots.claim(here, metric, {name: METHODS[name] for name in known}, places, **more)


def messages(rows: Sequence[Mapping[str, Any]]) -> Plot:
    """How far the paddle of Breakout is painted from its place, by what the dynamics are told."""
    told = ("caddy", "latent-vq", "true-actions", "random")
    here = [row for row in rows if row["data"] == "breakout" and row["method"] in told]
    return claim(here, "add", axis="pixels between painted and true paddle")


# --- the past ------------------------------------------------------------------------------------


def past(count: int = 40) -> Plot:
    """How often the next action is the last one, by who played, in training clips."""
    same: dict[tuple[str, str], list[float]] = {}
    for data in showcase.GAMES:
        for clip in showcase.clips(data, count, "train"):
            actions = clip.labels()["actions"][:-1]
            kept = float((actions[1:] == actions[:-1]).mean())
            same.setdefault((data, clip.entry["policy"]), []).append(kept)
    figure, (axes,) = _panels(1, 3.4)
    told = []
    for row, ((data, policy), shares) in enumerate(sorted(same.items())):
        chance = {"breakout": 1 / 3, "tennis": 1 / 9}[data]
        colour, marker = LOOKS[row % 2]
        axes.plot(100 * np.mean(shares), row, marker, color=colour, markersize=11)
        axes.plot(100 * chance, row, "|", color=GREY, markersize=26, markeredgewidth=3)
        told.append(f"{DATA[data]}, {policy}: {100 * np.mean(shares):.0f} %")
    names = [f"{DATA[data]}, {policy}" for data, policy in sorted(same)]
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(0, 100), ylim=(len(names) - 0.5, -0.5),
             xlabel="next action is the last one, in % of steps (grey: chance)")  # fmt: skip
    axes.grid(axis="x", color="#DDDDDD")
    return Plot(figure, "How often the next action is the last one. " + "; ".join(told) + ".")


# --- the action space ----------------------------------------------------------------------------


def against_movement(answer: Callable[..., Any], count: int) -> Plot:
    """Breakout, D = 1: directions over the true displacements, coloured by action."""
    figure, (axes,) = _panels(1, 4.3)
    centroids, names = showcase.centroids("breakout"), showcase.words("breakout")
    listed = showcase.steps("breakout", count)
    found = [answer(one.poses, one_hot(one.actions, len(names)), centroids)[0] for one in listed]
    directions, actions = torch.cat(found)[:, 0], torch.cat([one.actions for one in listed])
    moved = torch.cat([one.moved[:, 0] for one in listed])
    for k, name in enumerate(names):
        colour, marker = LOOKS[k]
        own = actions == k
        axes.plot(moved[own], directions[own], marker, color=colour, markersize=6, alpha=0.55,
                  linestyle="", label=f"action {k + 1}: {name}")  # fmt: skip
        axes.axhline(float(centroids[k, 0]), color=colour, linewidth=1.6, linestyle="--")
    axes.set(xlabel="true displacement of the paddle, in pixels to the right",
             ylabel="direction $d_t$")  # fmt: skip
    axes.legend(frameon=False, fontsize=LETTERS - 1)
    together = _together(directions, moved)
    told = f"correlation {together:.2f}; a dashed line is the centroid of an action."
    return Plot(figure, f"Directions over displacements of the paddle, {len(moved)} steps; {told}")


def _together(a: Tensor, b: Tensor) -> float:
    """The correlation of two rows of numbers."""
    return float(np.corrcoef(a, b)[0, 1])


def space(answer: Callable[..., Any], count: int, arrows: int = 24) -> Plot:
    """Tennis, D = 2: directions coloured by the true movement, centroids with their names, and the
    variability of some steps as lines."""
    figure, (axes,) = _panels(1, 5.4)
    centroids, names = showcase.centroids("tennis"), showcase.words("tennis")
    listed = showcase.steps("tennis", count)
    found = [answer(one.poses, one_hot(one.actions, len(names)), centroids) for one in listed]
    directions, rest = (torch.cat(x) for x in zip(*found))
    true = torch.cat([one.true for one in listed])
    for c, name in enumerate(movements.COMPASS):
        colour, marker = LOOKS[c % len(LOOKS)]
        own = true == c
        face = "none" if c == 8 else colour
        axes.plot(*directions[own].T, marker, color=colour, markersize=6, alpha=0.6, linestyle="",
                  label=name, markerfacecolor=face)  # fmt: skip
    for one, left in list(zip(directions, rest))[:: max(1, len(rest) // arrows)]:
        axes.plot(*torch.stack([one - left, one]).T, color="black", linewidth=1.2)
    axes.plot(*centroids.T, "P", color="black", markersize=13, markeredgecolor="white",
              linestyle="")  # fmt: skip
    for centre, name in zip(centroids, names):
        axes.annotate(name, centre.tolist(), xytext=(0, -24), textcoords="offset points",
                      ha="center", va="center", fontsize=LETTERS - 1,
                      bbox={"boxstyle": "round,pad=0.15", "fc": "white", "alpha": 0.8})  # fmt: skip
    axes.set(xlabel="direction $d_t$, first axis", ylabel="second axis",
             xlim=(-SHOWN, SHOWN), ylim=(-SHOWN, SHOWN))  # fmt: skip
    outside = int((directions.abs() > SHOWN).any(1).sum())
    moved = torch.cat([one.moved for one in listed])
    if _together(directions[:, 0], moved[:, 0]) < 0:  # so that right is on the right
        axes.invert_xaxis()
    if _together(directions[:, 1], moved[:, 1]) > 0:  # y of a frame points down
        axes.invert_yaxis()
    figure.legend(loc="outside right upper", frameon=False, fontsize=LETTERS - 1,
                  title="what moved", title_fontsize=LETTERS - 1)  # fmt: skip
    return Plot(figure, f"Directions of {len(true)} steps in the action space of Tennis, coloured "
                "by where the player went; centroids carry the names of their actions. "
                f"Farther out and not drawn: {outside}.")  # fmt: skip


# --- components ----------------------------------------------------------------------------------


def intervals(values: Mapping[str, Mapping[str, Interval]], axis: str, line: Any = None) -> Plot:
    """Points with intervals; a panel for each game, a row for each thing compared."""
    figure, panels = _panels(len(values), 3.0, sharey=True)
    told = []
    for axes, (game, rows) in zip(panels, values.items()):
        for k, (name, one) in enumerate(rows.items()):
            colour, marker = LOOKS[k % len(LOOKS)]
            spread = [[one.value - one.low], [one.high - one.value]]
            axes.errorbar(one.value, k, xerr=spread, fmt=marker, color=colour, markersize=9,
                          capsize=5, elinewidth=2.4)  # fmt: skip
            told.append(f"{game}, {name}: {one.value:.2f} ({one.low:.2f} to {one.high:.2f})")
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_title(game, fontsize=LETTERS)
        axes.grid(axis="x", color="#DDDDDD")
        if line is not None:
            axes.axvline(line, color="#444444", linestyle="--", linewidth=1.6)
            axes.set_xlim(right=max(axes.get_xlim()[1], 1.05 * line))
    figure.supxlabel(f"{axis}\n(95 % intervals over clips)", fontsize=LETTERS)
    return Plot(figure, f"{axis}. {'; '.join(told)}.")


def tell(count: int, draws: int = 200) -> Plot:
    """What the directions rest upon, in both games."""
    values = {game.title: judging.tell(data, count, draws) for data, game in showcase.GAMES.items()}
    return intervals(values, "share of what moved that directions tell")


def listen(count: int) -> Plot:
    """What the dynamics make of what they are told, in both games."""
    values = {}
    for data, game in showcase.GAMES.items():
        heard = judging.listen(data, count)
        values[game.title] = {"the action seen": heard.seen, "... and variability": heard.varied,
                              "another action": heard.other}  # fmt: skip
    return intervals(values, "error where something changed, as a share of the last frame's", 1.0)


# --- meaning -------------------------------------------------------------------------------------


def same_meaning(found: judging.Meaning) -> Plot:
    """What each action does, over where the paddle was in the first frame."""
    figure, (axes,) = _panels(1, 4.3)
    names, told = showcase.words("breakout"), []
    for k, went in enumerate(found.went):
        colour, marker = LOOKS[k]
        axes.plot(found.places, went, marker, color=colour, markersize=10, linestyle="",
                  label=f"action {k + 1}: {names[k]}")  # fmt: skip
        told.append(f"{names[k]}: {went.nanmedian():+.0f} pixels (median)")
    axes.axhline(0, color="#444444", linewidth=1.2)
    axes.set(xlabel="place of the paddle in the first frame, in pixels from the left",
             ylabel="pixels to the right\nafter two steps", xlim=(0, 63))  # fmt: skip
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=LETTERS - 1)
    return Plot(figure, f"What actions do from {len(found.places)} first frames. "
                + "; ".join(told) + ".")  # fmt: skip


def sweep(found: Mapping[str, judging.Sweep]) -> Plot:
    """Displacements of the painted paddle for points of the action space, by one model or more."""
    figure, panels = _panels(len(found), 4.3)
    names, told = showcase.words("breakout"), []
    for axes, (title, one) in zip(panels, found.items()):
        nearest, mean = np.array(one.nearest), one.went.nanmean(1).numpy()
        for went in one.went.T:
            axes.plot(one.points, went, color=GREY, linewidth=1, alpha=0.5)
        for k in sorted(set(one.nearest)):
            colour, marker = LOOKS[k]
            own = nearest == k
            said = f"told as action {k + 1} ({names[k]}) and the rest" if not told else None
            axes.plot(one.points[own], mean[own], marker=marker, color=colour, markersize=10,
                      linewidth=2.6, label=said)  # fmt: skip
            axes.axvline(one.centroids[k], color=colour, linestyle="--", linewidth=1.6)
        axes.axhline(0, color="#444444", linewidth=1.2)
        axes.set_title(title, fontsize=LETTERS)
        axes.set_xlabel("point in the action space", fontsize=LETTERS)
        each = ", ".join(f"{p:.1f}: {m:+.0f}" for p, m in zip(one.points.tolist(), mean))
        told.append(f"{title}: {each}")
    panels[0].set_ylabel("pixels to the right\nafter two steps", fontsize=LETTERS)
    figure.legend(loc="outside lower center", ncols=1, frameon=False, fontsize=LETTERS - 1)
    return Plot(figure, "Displacement of the painted paddle by point of the action space. "
                f"{'; '.join(told)}.")  # fmt: skip


# --- homework ------------------------------------------------------------------------------------


def flattered(answer: Callable[..., Tensor], count: int, draws: int = 20) -> Plot:
    """The accuracy on shuffled actions by the number of steps: cross-validated by exercise 07.3's
    function, and scored on the steps that were learned from."""
    steps = showcase.joined(showcase.steps("breakout", count))
    sizes = [n for n in (15, 30, 60, 120, 240) if n <= len(steps.moved)]
    generator = torch.Generator().manual_seed(0)
    found: dict[str, list[float]] = {}
    for size in sizes:
        shares: dict[str, list[float]] = {}
        for _ in range(draws):
            chosen = torch.randperm(len(steps.moved), generator=generator)[:size]
            jitter = torch.rand(size, 2, generator=generator)  # pixels; no two steps are the same
            moved = steps.moved[chosen] + jitter
            dealt = steps.actions[chosen][torch.randperm(size, generator=generator)]
            fold = torch.arange(size) % 5
            for how, predict in (("by heart", trials.nearest), ("linear", trials.linear)):
                own = (predict(moved, dealt, moved) == dealt).float().mean()
                shares.setdefault(f"{how}, same steps", []).append(float(own))
                held = float(answer(moved, dealt, predict, fold))
                shares.setdefault(f"{how}, cross-validated", []).append(held)
        for name, values in shares.items():
            found.setdefault(name, []).append(float(np.mean(values)))
    figure, (axes,) = _panels(1, 4.3)
    for k, (name, values) in enumerate(found.items()):
        colour, marker = LOOKS[k]
        dash = "--" if "same" in name else "-"
        axes.plot(sizes, values, dash, marker=marker, color=colour, markersize=9, linewidth=2.4,
                  label=name)  # fmt: skip
    axes.set(xlabel="steps that are scored", ylabel="accuracy on\nshuffled actions", ylim=(0, 1.05))
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.minorticks_off()
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=LETTERS - 1)
    told = "; ".join(f"{name}: {v[0]:.2f} to {v[-1]:.2f}" for name, v in found.items())
    return Plot(figure, f"Accuracy on shuffled actions, by number of steps. {told}.")


def by_the_past(answer: Callable[..., Any], count: int) -> Plot:
    """The mean movement of the player along x for where the action of each triple sends it, which
    the function of exercise 07.4 makes, in training clips of Tennis."""
    went: dict[str, list[float]] = {"left": [], "not sideways": [], "right": []}
    for clip in showcase.clips("tennis", count, "train"):
        places = torch.from_numpy(clip.labels()["player"][:, 0].astype(np.float32)) * 47.5
        sent = torch.from_numpy(WAYS[clip.labels()["actions"][:-1], 0].astype(np.float32))
        now, action, after = answer(places, sent)
        for way, name in zip((-1, 0, 1), went):
            went[name] += (after - now)[action == way].tolist()
    figure, (axes,) = _panels(1, 2.9)
    for row, values in enumerate(went.values()):
        axes.barh(row, float(np.mean(values)), color=LOOKS[row][0])
    axes.set_yticks(range(3), [f"sent {name}" for name in went])
    axes.invert_yaxis()
    axes.axvline(0, color="#444444", linewidth=1.2)
    axes.set_xlabel("mean movement to the next frame, in pixels to the right", fontsize=LETTERS)
    axes.set_xlim(-3.5, 3.5)
    told = ", ".join(f"{name} {np.mean(v):+.1f}" for name, v in went.items())
    return Plot(figure, f"Mean movement of the player, by where its action sends it: {told}.")


def by_number(answer: Callable[..., Tensor], count: int) -> Plot:
    """What K actions leave open, by exercise 07.5's function, and kappa of the same actions."""
    figure, panels = _panels(2, 4.0, sharey=True)
    told = []
    for axes, (data, game) in zip(panels, showcase.GAMES.items()):
        steps = showcase.joined(showcase.steps(data, count))
        numbers = range(2, 7) if data == "breakout" else range(2, 15, 2)
        open_ = answer(steps.directions, steps.moved, list(numbers), clustered).tolist()
        kappas = []
        for k in numbers:
            taken = torch.cdist(steps.directions, clustered(steps.directions, k)).argmin(1)
            table = movements.counts(taken.numpy(), steps.true.numpy(), k, len(game.judged.names))
            kappas.append(100 * movements.kappa(table, movements.assignment(table)))
        both = {"left open (Delta-MSE)": open_, "kappa, times 100": kappas}
        for (name, values), (colour, marker) in zip(both.items(), LOOKS):
            axes.plot(list(numbers), values, marker=marker, color=colour, markersize=9,
                      linewidth=2.4, label=name if data == "breakout" else None)  # fmt: skip
        axes.set(title=game.title, xlabel="number of actions K", ylim=(0, 100))
        axes.set_xticks(list(numbers))
        each = zip(numbers, open_, kappas)
        said = ", ".join(f"K = {k}: {o:.0f} % and {x:.0f}" for k, o, x in each)
        told.append(f"{game.title}: {said}")
    panels[0].set_ylabel("%")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=LETTERS - 1)
    return Plot(figure, "What is left open, and kappa, by the number of actions. "
                + "; ".join(told) + ".")  # fmt: skip
