"""Builds the cache of the body model anny, once per user, so that no test waits for it or skips.

python -m tests.anny_cache    # minutes the first time, seconds from then on
"""

from aidagen.rendering.body import body

if __name__ == "__main__":
    body()
