"""How much work something is, counted in frames that go through a model: on any machine the same.

with passes(model) as frames:
    puppet.move(1, right=0.1)
assert frames == {"render": 1}
"""

from collections import Counter
from contextlib import contextmanager


@contextmanager
def passes(*models):
    """Count the frames that ``encode``, ``motion`` and ``render`` of animatable models take."""
    frames = Counter()

    def counting(name, method):
        def counted(*given):
            seen = given[-1]  # pictures (B, 3, H, W), or a motion with points (B, K, 2)
            frames[name] += len(getattr(seen, "points", seen))
            return method(*given)

        return counted

    for model in models:
        for name in ("encode", "motion", "render"):
            setattr(model, name, counting(name, getattr(model, name)))
    try:
        yield frames
    finally:
        for model in models:
            for name in ("encode", "motion", "render"):
                delattr(model, name)
