"""The course's data sets, all in the layout of ``aidagen.datasets.layout``.

A data set is a module of this folder that has a ``load``, and is found by its file name.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

from aidagen import discovery
from aidagen.errors import AidagenError


class NotMade(AidagenError):
    """A data set that is not on this machine yet, where none is to be made."""


def names() -> list[str]:
    """The names of all data sets, sorted."""
    return list(discovery.with_attribute(__name__, "load"))


def load(name: str):
    """Open data set ``name`` as a ``layout.ClipSet``; it is made on first use where needed.

    ``faces-128`` is the set ``faces`` at 128 x 128 pixels, where that set has other sizes: its
    ``load`` then takes a ``size``. Raises ``AidagenError`` where there is no such set, and what
    its own ``load`` raises.
    """
    base, _, size = name.partition("-")
    module = discovery.module(__name__, base)
    if not hasattr(module, "load") or (name != base and not size.isdecimal()):
        raise AidagenError(f"There is no data set named {name!r}; known are {', '.join(names())}.")
    if name == base:
        return module.load()
    if "size" not in inspect.signature(module.load).parameters:
        raise AidagenError(f"Data set {base} has one size only; load it as {base!r}.")
    return module.load(size=int(size))


@contextmanager
def at_hand() -> Iterator[None]:
    """Within the block no data set is made: to load one that is not there raises ``NotMade``."""

    def refuse(root, *_, **__) -> None:
        raise NotMade(f"There is no data set {root} yet, and none is made now.")

    makers = {
        module: module.make for module in discovery.with_attribute(__name__, "make").values()
    }
    try:
        for module in makers:
            module.make = refuse
        yield
    finally:
        for module, make in makers.items():
            module.make = make
