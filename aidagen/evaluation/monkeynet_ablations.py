"""What each part of Monkey-Net buys: the model beside itself without its residual flow and without
its deformed skips, on `bodies`; scored as in `stand_ins`. All three had the same steps on the set's
earlier framing, and none has the term for the keypoints (`monkeynet_keypoints`)."""

from __future__ import annotations

from aidagen import datasets, zoo
from aidagen.evaluation import stand_ins
from aidagen.evaluation.clips import Progress
from aidagen.evaluation.joint_judges import JointJudges
from aidagen.evaluation.sheets import Sheet, Table

WHOLE = "monkeynet"
METHODS = {
    WHOLE: "monkeynet-bodies-64-no-keypoint-warp",
    "monkeynet-no-flow": "monkeynet-bodies-64-no-flow",
    "monkeynet-no-deformed-skips": "monkeynet-bodies-64-no-deformed-skips",
}


def compute(
    *, limit: int | None = None, progress: Progress, load_model=zoo.load, load_data=datasets.load
) -> Sheet:
    """The whole table. Models and data are opened by name."""
    return stand_ins.score(
        {"bodies": METHODS},
        JointJudges,
        limit=limit,
        progress=progress,
        load_model=load_model,
        load_data=load_data,
    )


TABLE = Table(
    compute=compute,
    models=tuple(METHODS.values()),
    data=("bodies",),
    comparisons=[(WHOLE, method) for method in METHODS if method != WHOLE]
    + [(method, "copy-source") for method in METHODS],
)
