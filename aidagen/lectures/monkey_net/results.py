"""What lecture 04 reports: plots of stored rows, tables in words, and the pictures beside them.

Clips are floats in [0, 1], ``(T, 3, H, W)``. Functions whose names end in ``sheet`` return a
picture for `aidagen.widgets.overlays.still`, those in ``plot`` an `aidagen.teaching.plots.Plot`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from aidagen import animation, markdown, metrics, study, video, zoo
from aidagen.evaluation import claims, monkeynet_ablations
from aidagen.evaluation.clips import Task
from aidagen.evaluation.stand_ins import SPLITS
from aidagen.lectures.monkey_net.scenes import METHODS, TRAINED, keypoints_share
from aidagen.lectures.monkey_net.sheets import SIZE, sheet
from aidagen.metrics import Interval
from aidagen.pixels import as_bytes
from aidagen.teaching import plots

SYSTEMS = {"x2face": "X2Face", "monkeynet": "Monkey-Net", "fomm": "First Order Motion"}
SETS = {"faces": "faces", "bodies": "bodies", "robot": "robot"}
MOVING = "error in the pixels that move, as a share of a copy's"
PARTS = {
    "monkeynet": "whole model",
    "monkeynet-no-deformed-skips": "no deformed skips",
    "monkeynet-no-flow": "no flow",
}
WORDS = {
    **SYSTEMS,
    **PARTS,
    "monkeynet": "Monkey-Net",
    "keypoint-warp": "Monkey-Net, mended",
    "copy-source": "a copy of the source",
    "nearest-train": "the nearest training frame (peeks at the answer)",
    "judge-floor": "the judge's own error",
    "l1": "L1",
    "l1_moving": "error in the pixels that move",
    "l1_moving_flow": "the same, warped by the whole flow",
    "l1_moving_keypoints": "the same, by keypoints alone",
    "akd": "AKD",
    "mkr": "MKR",
    "aed": "AED",
}
"""What the rows' methods and metrics are called in this lecture."""
SHIFT = 4  # pixels by which the careless crop of the metric trap is off
A, B = "A, the frozen one", "B, the moved one"  # the options of prediction 04.p3


def player(clips: Sequence[Float[Tensor, "T 3 H W"]], says: str, mark: bool = True) -> str:
    """HTML of a video that plays by itself: clips side by side, ``says`` for those who cannot see.

    ``mark=False`` where no clip comes from a model.
    """
    row = torch.cat(list(clips), dim=-1)  # (T, 3, H, N W)
    scale = SIZE / row.shape[-2]
    large = torch.nn.functional.interpolate(row, scale_factor=scale, mode="bilinear").clamp(0, 1)
    text = video.html(large, fps=10, alt=says, mark=mark)
    return text.replace("<video controls", "<video autoplay controls", 1)


def bones(errors: Mapping[str, Interval]) -> Any:
    """`skeletons.bone_errors` as a table to be shown."""
    rows = [(way, f"{e.value:.1f} % ({e.low:.1f} to {e.high:.1f})") for way, e in errors.items()]
    n = next(iter(errors.values())).n
    return _shown(("joints are put", f"error of the bones' lengths, {n} pairs"), rows)


def _shown(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Any:
    from IPython.display import Markdown

    return Markdown(markdown.table(head, rows))


# --- who does the work ---------------------------------------------------------------------------


def parts_table(measured: Mapping[str, list[dict[str, float]]]) -> str:
    """Markdown: per training and part of the flow the mean share of a copy's error over clips."""
    rows = []
    for name, clips in measured.items():
        for part in clips[0]:
            share = metrics.bootstrap([100 * clip[part] for clip in clips])
            value = f"{share.value:.0f} % ({share.low:.0f} to {share.high:.0f})"
            rows.append((f"{name} training", f"{part} alone" if part != "both" else part, value))
    clips_in_all = len(next(iter(measured.values())))
    return markdown.table(("", "moved by", f"left of a copy's error, {clips_in_all} clips"), rows)


def mend_plot(rows: Sequence[Mapping[str, Any]]) -> plots.Plot:
    """What the keypoints' part of the flow leaves of a copy's error, before and after."""
    trained = {(row["data"], row["split"]) for row in rows if row["method"] == METHODS[1]}
    places = {place: SETS[place[0]] for place in sorted(trained, reverse=True)}
    methods = dict(zip(METHODS, ("first", "mended"), strict=True))
    title = "After the mend, the keypoints carry the robot's motion"
    return panels(rows, "l1_moving_keypoints", methods, places, title)


def alignment_plot(rows: Sequence[Mapping[str, Any]]) -> plots.Plot:
    """`scenes.left_over_rows` as points with intervals, finest level first."""
    levels = {row["method"]: row["method"] for row in rows}
    first, *_, last = levels
    levels |= {first: f"{first} (finest)", last: f"{last} (coarsest)"}
    return plots.claim(
        rows, "left_over", levels, axis="distance to the true frame's features, share of before",
        line=(1.0, "before the warp"), title="The warp brings features to where they are needed",
    )  # fmt: skip


def panels(
    rows: Sequence[Mapping[str, Any]],
    metric: str,
    methods: Mapping[str, str],
    places: Mapping[tuple[str, str], str],
    title: str,
) -> plots.Plot:
    """A panel per place, a point with its 95 % interval per method: shares of a copy's error.

    Wide enough for a slide, where `plots.claim` would need a row per point.
    """
    import matplotlib
    from matplotlib.figure import Figure

    at = {(r["method"], r["data"], r["split"]): r for r in rows if r["metric"] == metric}
    told = []
    with matplotlib.rc_context({"font.size": plots.LETTERS}):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        axes = figure.subplots(1, len(places), sharey=True, squeeze=False)[0]
    for panel, (place, name) in zip(axes, places.items(), strict=True):
        here = [(m, at[m, *place]) for m in methods if (m, *place) in at]
        copied = at["copy-source", *place]["value"]
        for x, (method, row) in enumerate(here):
            value, low, high = (row[key] / copied for key in ("value", "low", "high"))
            colour, marker = plots.LOOKS[list(methods).index(method)]
            spread = [[value - low], [high - value]]
            panel.errorbar(x, value, spread, fmt=marker, color=colour, markersize=10, capsize=6,
                           elinewidth=2.6)  # fmt: skip
            told.append(f"{name}, {methods[method]}: {value:.3g} ({low:.3g} to {high:.3g})")
        panel.axhline(1, color="#444444", linestyle="--", linewidth=1.6)
        words = [methods[m].replace(" ", "\n").replace("-", "-\n") for m, _ in here]
        panel.set_title(f"{name} ({here[0][1]['n']} clips)", fontsize=plots.LETTERS)
        panel.set_xlim(-0.6, len(here) - 0.4)
        panel.set_ylim(0, 1.15)
        panel.set_xticks(range(len(here)), words)
        panel.grid(axis="y", color="#DDDDDD")
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    axes[0].set_ylabel("share of a copy's error\n(dashed: a copy)")
    figure.suptitle(title, x=0.01, ha="left", fontsize=plots.LETTERS + 1)
    return plots.Plot(figure, f"{title}. Points with 95 % intervals. {'; '.join(told)}.")


# --- the lecture's table -------------------------------------------------------------------------


def systems_plot(rows: Sequence[Mapping[str, Any]]) -> plots.Plot:
    """Three systems on three sets: the error in moving pixels as a share of a copy's."""
    places = {(data, splits[0]): SETS[data] for data, splits in SPLITS.items()}
    title = "Monkey-Net errs less than X2Face, First Order Motion less than both"
    return panels(rows, "l1_moving", SYSTEMS, places, title)


def credit(keypoints: Sequence[Mapping[str, Any]]) -> str:
    """One sentence on what the keypoints of the plot's Monkey-Nets have to do with their places.

    ``keypoints`` are the rows of the table `monkeynet-keypoints`; whether a checkpoint was trained
    with the term for its keypoints says its card.
    """
    shares = {}
    for data in dict.fromkeys(row["data"] for row in keypoints):
        weights = zoo.card(f"monkeynet-{data}-64")["recipe"]["weights"]
        training = list(TRAINED)[bool(weights.get("keypoint_warp"))]
        shares[data] = keypoints_share(keypoints, training, data)
    idle = [SETS[data] for data, share in shares.items() if share > 0.95]
    said = ", ".join(f"{100 * share:.0f} % on {SETS[data]}" for data, share in shares.items())
    said = f"In this Monkey-Net, the keypoints' part alone leaves {said} of a copy's error."
    if idle:
        said += f" On {' and '.join(idle)} its result is owed to the residual, not to them."
    return said


def full_table(rows: Any) -> str:
    """Markdown: all rows in words, the paper's numbers, and the orderings with their intervals."""
    theirs = [
        (r["method"].replace("x2face", "X2Face").replace("monkeynet", "Monkey-Net"), r["data"],
         WORDS[r["metric"]], f"{r['value']:.3g}")
        for r in claims.published()
    ]  # fmt: skip
    return "\n\n".join(
        (
            plots.table(rows, WORDS),
            "**The paper's numbers.** Other footage, other judges, other training: not to be "
            "compared with ours.",
            markdown.table(("method", "set", "metric", "value"), theirs),
            "**Orderings.** One holds if the interval of the paired difference excludes zero.",
            "```\n" + "\n".join(claims.orderings(rows)).strip() + "\n```",
        )
    )


def worse_part(rows: Sequence[Mapping[str, Any]]) -> str:
    """Which of two parts, taken away, leaves the larger error; an option of prediction 04.p4."""
    value = {r["method"]: r["value"] for r in rows if r["metric"] == "l1_moving"}
    without = [method for method in PARTS if method != monkeynet_ablations.WHOLE]
    return PARTS[max(without, key=value.__getitem__)]


def parts_plot(rows: Sequence[Mapping[str, Any]]) -> plots.Plot:
    """The whole model beside itself without a part, on bodies."""
    return plots.claim(
        rows, "l1_moving", PARTS, share_of="copy-source", axis=MOVING, line=(1.0, "a copy"),
        title="Without a flow the error grows most",
    )  # fmt: skip


def ablation_sheet(people: list[Tensor], device: str) -> Image.Image:
    """The person whom the whole model rebuilds with the median error, and the models' frames."""
    whole, *rest = (zoo.load(name, device) for name in monkeynet_ablations.METHODS.values())
    chosen, t = _median(whole, people)
    source, truth = (chosen[i : i + 1].to(device) for i in (0, t))
    cells, labels = [chosen[0], chosen[t]], ["source", "the true frame"]
    for name, part in zip(monkeynet_ablations.METHODS, (whole, *rest), strict=True):
        with animation.looking(part):
            cells.append(part(source, truth).image[0].cpu())
        labels.append(PARTS[name])
    return sheet(cells, 5, labels, generated=(2, 3, 4))


def _median(model: Any, clips: list[Tensor], every: int = 6) -> tuple[Tensor, int]:
    """The clip with the median L1 of its moved frames, and the frame that moved most."""
    errors = []
    for clip in clips:
        made = animation.animate(model, clip[0], clip[::every], "absolute").cpu()
        errors.append(float(metrics.l1(made, clip[::every]).mean()))
    chosen = clips[int(np.argsort(errors)[len(errors) // 2])]
    return chosen, int((chosen - chosen[0]).abs().mean((1, 2, 3)).argmax())


def failures_sheet(people: list[Tensor], device: str, every: int = 3) -> Image.Image:
    """The frame of all clips at which the three systems together are farthest from the truth."""
    models = {name: zoo.load(f"{key}-bodies-64", device) for key, name in SYSTEMS.items()}
    found: tuple = (-1.0,)
    for clip in people:
        frames = clip[::every]
        made = {
            name: animation.animate(model, clip[0], frames, "absolute").cpu()
            for name, model in models.items()
        }
        errors = sum(metrics.l1(x, frames) for x in made.values())
        t = int(errors.argmax())
        if float(errors[t]) > found[0]:
            found = (float(errors[t]), clip[0], frames[t], {k: x[t] for k, x in made.items()})
    _, source, truth, frames_made = found
    cells = [source, truth, *frames_made.values()]
    return sheet(cells, 5, ["source", "the true frame", *frames_made], generated=(2, 3, 4))


# --- the metric trap -----------------------------------------------------------------------------


def beside(clip: Float[Tensor, "T 3 H W"], pixels: int = SHIFT) -> Float[Tensor, "T 3 H W"]:
    """The same clip, shifted to the right; the border is repeated."""
    padded = torch.nn.functional.pad(clip, (pixels, 0, 0, 0), mode="replicate")
    return padded[..., : clip.shape[-1]]


def trap_clips(truth: Float[Tensor, "T 3 H W"], start: int = 0) -> dict[str, Tensor]:
    """The truth, A that repeats its first frame, B that is shifted; from frame ``start`` on."""
    clips = {"the truth": truth, "A": truth[:1].expand_as(truth), "B": beside(truth)}
    return {name: clip[start:] for name, clip in clips.items()}


def trap_errors(
    clips: list[Tensor], metric: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, float]:
    """The mean of a metric over clips for each option of prediction 04.p3."""
    made = [trap_clips(clip) for clip in clips]
    return {
        option: float(np.mean([float(metric(c[name], c["the truth"]).mean()) for c in made]))
        for option, name in ((A, "A"), (B, "B"))
    }


def trap_table(means: Mapping[str, float]) -> Any:
    """`trap_errors` as a table to be shown."""
    return _shown(("clip", "mean L1"), [(name, f"{value:.3f}") for name, value in means.items()])


# --- the study -----------------------------------------------------------------------------------


def study_tasks(heads: list[Tensor], count: int) -> list[Task]:
    """One head moved by another one's clip, ``count`` pairs."""
    drives = [*heads[1:], heads[0]]
    both = list(zip(heads, drives, strict=True))[:count]
    return [
        Task(f"pair-{n:02d}", as_bytes(own[0]), as_bytes(driving), None, "")
        for n, (own, driving) in enumerate(both)
    ]


def _votes(seed: int) -> tuple[Float[Tensor, "50 10"], torch.Generator]:
    """Votes of ten people on 50 pairs of clips that differ, and the generator that drew them."""
    generator = torch.Generator().manual_seed(seed)
    liked = 0.85 + 0.2 * torch.randn(50, 1, generator=generator)
    return (torch.rand(50, 10, generator=generator) < liked).float(), generator


def votes_said(share_interval: Callable[..., tuple], seed: int) -> str:
    """500 simulated votes on 50 pairs: their interval as if independent, and with pairs drawn."""
    from scipy.stats import binomtest

    votes, generator = _votes(seed)
    picks = torch.randint(50, (2000, 50), generator=generator)
    low, high = (100 * float(x) for x in share_interval(votes, picks))
    naive = binomtest(int(votes.sum()), 500).proportion_ci(method="wilson")
    rows = [
        ("as if all votes were independent", f"{100 * naive.low:.1f} to {100 * naive.high:.1f} %"),
        ("whole pairs of clips drawn, your function", f"{low:.1f} to {high:.1f} %"),
    ]
    share = f"500 votes, {100 * float(votes.mean()):.1f} % for one system"
    return markdown.table((share, "95 % interval"), rows)


def same_votes_said(same_votes: Callable[..., tuple], seed: int) -> str:
    """The experiment of exercise 04.7 on 100 of the 500 simulated votes of `votes_said`."""
    votes, generator = _votes(seed)
    picks, few = (torch.randint(n, (2000, n), generator=generator) for n in (50, 10))
    many, less, word = same_votes(votes, picks, few)
    rows = [
        ("50 pairs of clips, 2 raters each", f"{100 * many:.1f} percentage points"),
        ("10 pairs of clips, 10 raters each", f"{100 * less:.1f} percentage points"),
    ]
    table = markdown.table(("100 votes", "width of the 95 % interval"), rows)
    return f"{table}\n\nYour conclusion: ask for more {word}."


def simulated_class(seed: int, raters: int = 30) -> tuple[study.Result, float]:
    """The analysis of simulated raters who prefer Monkey-Net, and their true share."""
    strengths = {"Monkey-Net": 2.0, "X2Face": 0.0}
    items = [f"pair-{n:02d}" for n in range(50)]
    plan = study.plan(items, list(strengths), name="simulated", seed=0)
    result = study.analyse(plan, study.simulate(plan, strengths, raters=raters, seed=seed))
    return result, study.known(plan, strengths)[0]["Monkey-Net", "X2Face"]
