"""many_heads: 784 people as in `heads`, drawn at 128 px on your own machine to train on.

    clips = load().clips("train")

They are the training people of the first 984 of `heads`: person 0 to 183 are those of `heads`
itself, with the same labels, and nobody of its other splits is among them. Nothing of it ships. It
is rendered on first use below ``sources.home()``, which needs ``pip install aidagen[data]``, EGL
and about 40 minutes of one core; what was drawn is kept if that is interrupted.
"""

from aidagen import sources
from aidagen.datasets import heads
from aidagen.datasets.layout import ClipSet

PEOPLE = 984  # of all splits


def load(size: int = 128) -> ClipSet:
    """The set at ``size`` x ``size`` pixels; rendered on first use.

    Raises what the renderer raises where it is not installed (one sentence on how to get it).
    """
    root = sources.home() / "data" / f"many_heads-{size}-v2"
    if not (root / "dataset.json").exists():
        heads.make(root, clips=PEOPLE, size=size, only="train")
    return ClipSet(root)
