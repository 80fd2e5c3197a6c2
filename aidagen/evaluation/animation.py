"""Monkey-Net against X2Face, with First Order Motion as the next column: the lecture's table.

Self-reconstruction on three stand-ins for the paper's sets: `faces` for Nemo (split `segments`:
held-out moments of the people trained on; `persons`: people never seen), `bodies` for Tai-Chi and
`robot` for BAIR (split `test`: figures and scenes never seen). The source is the clip's first
frame, which is not scored (the paper scores it); 32 frames a clip, absolute motion, pictures
rounded to 8 bits. All models of one data set had the same data, batch and steps.

Methods: `x2face`, `monkeynet`, `fomm` (checkpoints `{system}-{data}-64`) and the baselines of
`reconstruction`: `copy-source`, `nearest-train` (peeks at the answer), `judge-floor`.

Metrics: `l1`, `l1_moving`, and by judges that never train anything
* on faces `akd`, `mkr`, `aed` of the face judges, what they read in the made frame against what
  they read in the true one;
* on bodies and robot `akd` and `mkr` of what a small net reads in the made frame against the
  *exact* joints of the labels, those that are visible (`judges.joints`); `judge-floor` is then
  the net's own error. `aed` on bodies alone, by the same net's identity head: there is one robot.

A checkpoint or a set that is not there is left out, and a note says so. The table
`monkeynet-ablations` scores Monkey-Net without its residual flow and without its deformed skips
beside the whole model, on bodies.

What the paper reports stands in `published` and is shown by `beside`, in columns of its own: other
footage, other judges, other training, so no number there may be compared with one of ours.
"""

from __future__ import annotations

from itertools import product

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from aidagen import datasets, zoo
from aidagen.datasets.layout import Clip, ClipSet
from aidagen.errors import AidagenError
from aidagen.evaluation import clips as parts
from aidagen.evaluation import reconstruction, text
from aidagen.evaluation.sheets import EvaluationError, Sheet
from aidagen.evaluation.store import DATA
from aidagen.evaluation.store import models as checkpoints
from aidagen.judges.joints import Joints

SYSTEMS = ("x2face", "monkeynet", "fomm")
METRICS = ("l1", "l1_moving", "akd", "mkr", "aed")
SPLITS = {"faces": ("segments", "persons"), "bodies": ("test",), "robot": ("test",)}
LADDER = (("monkeynet", "x2face"), ("fomm", "monkeynet"), ("fomm", "x2face"))
BASELINES = ("copy-source", "nearest-train")
ENOUGH = 0.6  # of copy-source's error: what a model should leave at most
CLAIMED = ("l1_moving", "akd")
WORDS = {"better": "yes, by more than the interval", "worse": "no, the other way round by more "
         "than the interval", "undecided": "undecided"}  # fmt: skip


def compute(
    table: str, *, limit: int | None = None, progress: parts.Progress, models=None, sets=None
) -> Sheet:
    """The whole table. `models` (by checkpoint) and `sets` stand in for zoo and data in tests."""
    sheet = Sheet("fomm", [*LADDER, *((s, b) for b in BASELINES for s in SYSTEMS)])
    for data in DATA[table]:
        wanted = {system: f"{system}-{data}-64" for system in SYSTEMS}
        _data(sheet, data, wanted, limit, progress, models, sets)
    if not sheet.columns:
        raise EvaluationError(f"{table} has no data to be evaluated on: {'; '.join(sheet.notes)}.")
    return sheet


def compute_ablations(
    table: str, *, limit: int | None = None, progress: parts.Progress, models=None, sets=None
) -> Sheet:
    """Monkey-Net beside itself without a part, on bodies; otherwise as `compute`."""
    wanted = {name.replace("-bodies-64", ""): name for name in checkpoints(table)}
    whole, *less = wanted
    copied = [(method, "copy-source") for method in wanted]
    sheet = Sheet(whole, [*((whole, method) for method in less), *copied])
    _data(sheet, "bodies", wanted, limit, progress, models, sets)
    if not sheet.columns:
        raise EvaluationError(f"{table} has no data to be evaluated on: {'; '.join(sheet.notes)}.")
    return sheet


def _data(sheet, data, wanted, limit, progress, models, sets) -> None:
    """All splits of one data set, with the models that are there."""
    try:
        found = sets[data] if sets else datasets.load(data)
        judges = parts.FaceJudges() if data == "faces" else JointJudges(data)
    except (AidagenError, ImportError, KeyError) as error:
        sheet.notes.append(f"{data} left out: {str(error).rstrip('.')}")
        return
    ready: dict[str, nn.Module] = {}
    for method, name in wanted.items():
        try:
            ready[method] = models[name] if models is not None else zoo.load(name)
        except (AidagenError, KeyError) as error:
            sheet.notes.append(f"{method} on {data} left out: {_first_sentence(error)}")
    gallery = parts.Gallery(found.clips("train"))
    for split in SPLITS[data]:
        chosen = parts.some(_clips(found, split), limit)
        if not chosen:
            sheet.notes.append(f"{data} / {split} left out: it has no clips")
            continue
        tasks = [reconstruction.own(clip) for clip in chosen]
        methods = {}
        for method, model in ready.items():
            progress(f"{data} / {split}: animating {len(tasks)} clips with {wanted[method]}")
            methods[method] = [parts.animate(model, t.source, t.driving) for t in tasks]
        methods |= reconstruction.baselines(tasks, gallery)
        units = parts.units(tasks[0].truth.shape[-1])
        readings = None
        if isinstance(judges, JointJudges):
            units = judges.units(units)
            readings = [judges.exact(clip, task.truth) for clip, task in zip(chosen, tasks)]
        reconstruction.score(
            sheet, data, split, tasks, methods, judges, progress, METRICS, readings, units
        )


def _clips(found: ClipSet, split: str) -> list[Clip]:
    test = found.clips("test")
    return test if split == "test" else [c for c in test if c.entry.get("group") == split]


def _first_sentence(error: Exception) -> str:
    return str(error).split("; there are")[0].rstrip(".")  # not the names of all models


class JointJudges:
    """Reads frames as `clips.FaceJudges` do: joints, and identity where the judge has that head."""

    def __init__(self, data: str):
        self.judge = Joints.pretrained(data)

    def read(self, frames: UInt8[Tensor, "T 3 H W"]) -> parts.Readings:
        """Joints as the judge finds them; identity is one NaN where there is no such head."""
        seen = self.judge(frames)
        identity = seen.identity
        if identity is None:
            identity = seen.points.new_full((len(frames), 1), torch.nan)
        return parts.Readings(seen.points, identity)

    def exact(self, clip: Clip, truth: UInt8[Tensor, "T 3 H W"]) -> parts.Readings:
        """The labels' visible joints in the frames that `reconstruction.own` scores."""
        labels = clip.labels()
        known = self.judge.joints
        if "joints" not in labels or labels["joints"].shape[1] != len(known):
            raise EvaluationError(
                f"{clip} has no exact places of the {len(known)} joints that {self.judge.name} "
                "looks for; make the data set or the judge again."
            )
        points = torch.from_numpy(labels["joints"]).float()
        hidden = ~torch.from_numpy(labels["visible"]).bool()
        points = points.masked_fill(hidden[..., None], torch.nan)
        step = max(1, len(points) // parts.FRAMES)  # as `clips.spread`
        points = points[::step][: parts.FRAMES][1:]
        if len(points) != len(truth):
            raise EvaluationError(
                f"{clip} came with labels of {len(labels['joints'])} frames; make the data set "
                "again."
            )
        return self.read(truth)._replace(points=points)

    def units(self, known: dict[str, str]) -> dict[str, str]:
        """The units of `clips.units`, with this judge's in them."""
        name = self.judge.name
        size = known["akd"].split(",")[0]
        own = {
            "akd": f"{size}, mean per axis, to the exact visible joints ({name})",
            "akd_l2": f"{size}, mean Euclidean, to the exact visible joints ({name})",
            "mkr": f"share of the exact visible joints that are not found ({name})",
        }
        if self.judge.network.dimensions:
            own["aed"] = self.judge.identity_unit
        return known | own


# --- what the lecture claims ---------------------------------------------------------------------


def orderings(rows: list[dict]) -> list[str]:
    """The lecture's claims, one by one, on each data set: lines of text.

    Takes the `Rows` of this table; without comparisons there are no lines.
    """
    said = getattr(rows, "comparisons", ())
    places = list(dict.fromkeys((c["data"], c["split"]) for c in said))
    lines = []
    for method, against in LADDER[:2]:
        for metric in CLAIMED:
            found = {
                (c["data"], c["split"]): c
                for c in said
                if (c["method"], c["against"], c["metric"]) == (method, against, metric)
            }
            if found:
                lines.append(f"  {metric}: {method} below {against}?")
                lines += [f"    {'/'.join(p)}: {_said(found[p])}" for p in places if p in found]
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
    return ["", "What the lecture claims", *lines] if said else []


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
