"""The course's data sets, one per file, all in the layout of ``aidagen.datasets.layout``."""

from aidagen import discovery
from aidagen.errors import AidagenError


def load(name: str):
    """Open data set ``name`` as a ``layout.ClipSet``; it is made on first use where needed."""
    module = discovery.module("aidagen.datasets", name)
    if not hasattr(module, "load"):
        names = ", ".join(discovery.with_attribute("aidagen.datasets", "load"))
        raise AidagenError(f"There is no data set named {name!r}; there are {names}.")
    return module.load()
