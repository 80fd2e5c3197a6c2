"""What lecture 04 claims of the table `animation`, held against its rows; and the paper's numbers.

What the paper reports stands in `published` and is shown by `beside`, in columns of its own: other
footage, other judges, other training, so no number there may be compared with one of ours.
"""

from __future__ import annotations

from itertools import product

from aidagen.evaluation import text
from aidagen.evaluation.stand_ins import SPLITS, SYSTEMS

LADDER = (("monkeynet", "x2face"), ("fomm", "monkeynet"))  # the better one first
ENOUGH = 0.6  # of copy-source's error: what a model should leave at most
CLAIMED = ("l1_moving", "akd")
WORDS = {
    "better": "yes, by more than the interval",
    "worse": "no, the other way round by more than the interval",
    "undecided": "undecided",
}


def orderings(rows: list[dict]) -> list[str]:
    """The lecture's claims, one by one, on each data set: lines of text.

    Takes the `Rows` of that table; without comparisons there are no lines.
    """
    comparisons = getattr(rows, "comparisons", ())
    places = list(dict.fromkeys((c["data"], c["split"]) for c in comparisons))
    lines = []
    for method, against in LADDER:
        for metric in CLAIMED:
            by_place = {
                (c["data"], c["split"]): c
                for c in comparisons
                if (c["method"], c["against"], c["metric"]) == (method, against, metric)
            }
            if by_place:
                lines.append(f"  {metric}: {method} below {against}?")
                lines += [
                    f"    {'/'.join(p)}: {_said(by_place[p])}" for p in places if p in by_place
                ]
    for metric in CLAIMED:
        after = ", the judge's floor taken off both" if metric == "akd" else ""
        lines.append(f"  {metric}: at most {ENOUGH} × copy-source{after}?")
        for place in places:
            part = [row for row in rows if (row["data"], row["split"]) == place]
            share = {m: text.shares(part, m).get(metric, (None,))[0] for m in SYSTEMS}
            words = [
                f"{m} {'yes' if s <= ENOUGH else 'no'} ({round(s, 2) + 0.0:.2f})"
                for m, s in share.items()
                if s is not None
            ]
            if words:
                lines.append(f"    {'/'.join(place)}: {', '.join(words)}")
    return ["", "What the lecture claims", *lines] if comparisons else []


def _said(c: dict) -> str:
    return f"{WORDS[c['verdict']]} ({c['difference']:+.3g} [{c['low']:+.3g}, {c['high']:+.3g}])"


# --- what the paper reports ----------------------------------------------------------------------

STANDS_FOR = {"faces": "Nemo", "bodies": "Tai-Chi", "robot": "BAIR"}
SOURCE = (
    "Siarohin, Lathuilière, Tulyakov, Ricci, Sebe: Animating Arbitrary Objects via Deep Motion "
    "Transfer, CVPR 2019; 64 × 64"
)
_PAPER = {
    ("x2face", "Tai-Chi"): {"l1": 0.068, "akd": 4.50, "mkr": 0.357, "aed": 0.27},
    ("x2face", "Nemo"): {"l1": 0.022, "akd": 0.47, "aed": 0.140},
    ("x2face", "BAIR"): {"l1": 0.069},
    ("monkeynet", "Tai-Chi"): {"l1": 0.050, "akd": 2.53, "mkr": 0.174, "aed": 0.21},
    ("monkeynet", "Nemo"): {"l1": 0.017, "akd": 0.37, "aed": 0.072},
    ("monkeynet", "BAIR"): {"l1": 0.025},
    # the paper's ablations
    ("monkeynet without flow", "Tai-Chi"): {"l1": 0.057, "akd": 3.11, "mkr": 0.238, "aed": 0.24},
    ("monkeynet without residual flow", "Tai-Chi"): {
        "l1": 0.051, "akd": 2.81, "mkr": 0.180, "aed": 0.22,
    },
    ("monkeynet without coarse flow", "Tai-Chi"): {
        "l1": 0.052, "akd": 2.75, "mkr": 0.197, "aed": 0.22,
    },
    ("monkeynet without covariance", "Tai-Chi"): {
        "l1": 0.054, "akd": 2.86, "mkr": 0.206, "aed": 0.23,
    },
    ("monkeynet without deformed image", "Tai-Chi"): {
        "l1": 0.051, "akd": 2.71, "mkr": 0.193, "aed": 0.21,
    },
}  # fmt: skip


def published() -> list[dict]:
    """The paper's numbers: `{method, data, metric, value, source}` each, `data` being its own set.

    Typed in from the paper's tables; `mkr` as a share. Its judges are OpenPose and a
    re-identification network on Tai-Chi, face-alignment and OpenFace on Nemo.
    """
    return [
        {"method": method, "data": data, "metric": metric, "value": value, "source": SOURCE}
        for (method, data), numbers in _PAPER.items()
        for metric, value in numbers.items()
    ]


def beside(rows: list[dict]) -> str:
    """Our rows and the paper's numbers, in columns of their own; plain text."""
    ours = {(r["method"], r["data"], r["split"], r["metric"]): r["value"] for r in rows}
    theirs = {(r["method"], r["data"], r["metric"]): r["value"] for r in published()}
    lines = ["", "Beside the paper: other footage, judges and training; nothing to be compared"]
    head = ["here | paper", "metric", *(f"here: {s}" for s in SYSTEMS)]
    head += [f"paper: {s}" for s in SYSTEMS[:2]]
    body = []
    for data, metric in product(STANDS_FOR, ("l1", "akd", "mkr", "aed")):
        split = SPLITS[data][0]
        here = [ours.get((s, data, split, metric)) for s in SYSTEMS]
        paper = [theirs.get((s, STANDS_FOR[data], metric)) for s in SYSTEMS[:2]]
        if any(v is not None for v in here + paper):
            numbers = ["–" if v is None else f"{v:.3g}" for v in here + paper]
            body.append([f"{data} | {STANDS_FOR[data]}", metric, *numbers])
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    lines += [
        "  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip()
        for line in [head, *body]
    ]
    return "\n".join([*lines, f"paper: {SOURCE}."])
