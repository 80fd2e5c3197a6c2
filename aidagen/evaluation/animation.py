"""Monkey-Net against X2Face, with First Order Motion as the next column: the lecture's table.

Self-reconstruction on the three sets of `stand_ins`, which also says how they are scored. All
models of one data set (checkpoints `{system}-{data}-64`) had the same data, batch and steps. What
the lecture claims of the rows, and what the paper reports, is shown below them (`claims`).
"""

from __future__ import annotations

from aidagen import datasets, zoo
from aidagen.evaluation import claims, stand_ins
from aidagen.evaluation.clips import Progress
from aidagen.evaluation.face_judges import FaceJudges
from aidagen.evaluation.joint_judges import JointJudges
from aidagen.evaluation.readings import Judge
from aidagen.evaluation.sheets import Rows, Sheet, Table
from aidagen.evaluation.stand_ins import SPLITS, SYSTEMS

METHODS = {data: {system: f"{system}-{data}-64" for system in SYSTEMS} for data in SPLITS}
BASELINES = ("copy-source", "nearest-train")


def compute(
    *, limit: int | None = None, progress: Progress, load_model=zoo.load, load_data=datasets.load
) -> Sheet:
    """The whole table. Models and data are opened by name."""
    return stand_ins.score(
        METHODS,
        judge_of,
        limit=limit,
        progress=progress,
        load_model=load_model,
        load_data=load_data,
    )


def judge_of(data: str) -> Judge:
    """Who reads the frames of a data set."""
    return FaceJudges() if data == "faces" else JointJudges(data)


def remarks(rows: Rows) -> list[str]:
    """The lecture's claims and the paper's numbers."""
    return [*claims.orderings(rows), claims.beside(rows)]


TABLE = Table(
    compute=compute,
    models=[name for checkpoints in METHODS.values() for name in checkpoints.values()],
    data=tuple(SPLITS),
    comparisons=[
        ("monkeynet", "x2face"),
        ("fomm", "monkeynet"),
        ("fomm", "x2face"),
        *((system, baseline) for baseline in BASELINES for system in SYSTEMS),
    ],
    remarks=remarks,
)
