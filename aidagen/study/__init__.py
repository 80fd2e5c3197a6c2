"""A blind preference study: which of two animated clips do people prefer?

    clips = study.clips_from({"one": model1, "two": model2, "three": model3}, tasks)
    plan = study.plan(clips.items, clips.methods, name="lecture-04", checks=clips.lively())
    plan.save("plan.json")                     # it names the methods: for the instructor alone
    Preference(plan, clips, "votes")           # in a notebook (aidagen.widgets.preference), or
    study.page(plan, clips, "study.html")      # one file to hand out, without network
    result = study.analyse(plan, study.gather("votes", plan))
    print(result)
    result.figure()

The protocol is Monkey-Net's (Siarohin et al., CVPR 2019, user study): the driving clip as
reference, two animations side by side, a forced choice. We add attention checks with a rule
fixed beforehand, an interval over items and raters, and Bradley-Terry strengths. `ETHICS` is what
raters read before they consent; `simulate` is a simulated class with a known preference.
"""

from aidagen.study.analysis import (
    Comparison,
    Result,
    Strength,
    analyse,
    attentive,
    bradley_terry,
    krippendorff,
)
from aidagen.study.clips import Clips, anonymous, clips_from, movement
from aidagen.study.page import page
from aidagen.study.plan import (
    CONSENT,
    ETHICS,
    QUESTION,
    Pair,
    Plan,
    Shown,
    StudyError,
    load_plan,
    plan,
)
from aidagen.study.simulation import known, simulate
from aidagen.study.votes import (
    Ballots,
    Votes,
    gather,
    new_code,
    path_of,
    read_votes,
    write_votes,
)

__all__ = [
    "CONSENT",
    "ETHICS",
    "QUESTION",
    "Ballots",
    "Clips",
    "Comparison",
    "Pair",
    "Plan",
    "Result",
    "Shown",
    "Strength",
    "StudyError",
    "Votes",
    "analyse",
    "anonymous",
    "attentive",
    "bradley_terry",
    "clips_from",
    "gather",
    "known",
    "krippendorff",
    "load_plan",
    "movement",
    "new_code",
    "page",
    "path_of",
    "plan",
    "read_votes",
    "simulate",
    "write_votes",
]
