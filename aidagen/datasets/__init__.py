"""The course's data sets, all in the layout of ``aidagen.datasets.layout``.

A data set is a module of this folder that has a ``load``, and is found by its file name.
"""

from aidagen import discovery
from aidagen.errors import AidagenError


def names() -> list[str]:
    """The names of all data sets, sorted."""
    return list(discovery.with_attribute(__name__, "load"))


def load(name: str):
    """Open data set ``name`` as a ``layout.ClipSet``; it is made on first use where needed.

    Raises ``AidagenError`` where there is no such set, and what its own ``load`` raises.
    """
    module = discovery.module(__name__, name)
    if not hasattr(module, "load"):
        raise AidagenError(f"There is no data set named {name!r}; known are {', '.join(names())}.")
    return module.load()
