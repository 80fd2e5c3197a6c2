"""many_heads: 984 people as in `heads`, drawn at 128 px on your own machine to train on.

    clips = load().clips("train")             # 787 people

The clips of `heads` go on: person 0 to 183 are those of `heads`, in the same splits, with the same
labels. Nothing of it ships. It is rendered on first use below ``sources.home()``, which needs
``pip install aidagen[data]``, EGL and about 50 minutes of one core; what was drawn is kept if that
is interrupted.
"""

from aidagen import sources
from aidagen.datasets import heads
from aidagen.datasets.layout import ClipSet

CLIPS = 984


def load(size: int = 128) -> ClipSet:
    """The set at ``size`` x ``size`` pixels; rendered on first use.

    Raises what the renderer raises where it is not installed (one sentence on how to get it).
    """
    root = sources.home() / "data" / f"many_heads-{size}-v2"
    if not (root / "dataset.json").exists():
        heads.make(root, clips=CLIPS, size=size)
    return ClipSet(root)
