"""The course's data sets, one per file, all in the layout of ``aidagen.datasets.layout``."""

from importlib import import_module

from aidagen.errors import AidagenError

NAMES = ("bodies", "cartoons", "faces", "heads", "robot")


def load(name: str):
    """Open data set ``name`` as a ``layout.ClipSet``; it is made on first use where needed."""
    if name not in NAMES:
        raise AidagenError(f"There is no data set named {name!r}; known are {', '.join(NAMES)}.")
    return import_module(f"aidagen.datasets.{name}").load()
