"""Modules found by file name: whoever adds a system, a recipe, a data set or a table adds a file.

A folder of the package is its own list. ``names("aidagen.datasets")`` are the modules in it, and
``with_attribute`` narrows them to those that define something, such as ``SYSTEM``.
"""

import importlib
import pkgutil
from types import ModuleType

from aidagen.errors import AidagenError


def names(package: str) -> list[str]:
    """The modules and folders of ``package`` (dotted name), sorted; private ones are left out."""
    found = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return sorted(module.name for module in found if not module.name.startswith("_"))


def module(package: str, name: str) -> ModuleType | None:
    """Module ``name`` of ``package``, imported; None where there is no such file."""
    return importlib.import_module(f"{package}.{name}") if name in names(package) else None


def home(thing: type) -> ModuleType:
    """The file of the package's folder in which a class is defined.

    A class in ``aidagen/models/playable/losses.py`` is at home in ``aidagen.models.playable``.
    """
    return importlib.import_module(".".join(thing.__module__.split(".")[:3]))


def with_attribute(package: str, attribute: str) -> dict[str, ModuleType]:
    """By name: the modules of ``package`` that define ``attribute``. All of them are imported.

    Raises ``AidagenError`` that names the file where one cannot be imported.
    """
    modules = {}
    for name in names(package):
        try:
            modules[name] = importlib.import_module(f"{package}.{name}")
        except Exception as error:
            raise AidagenError(
                f"{package.replace('.', '/')}/{name}.py cannot be imported ({error}); mend it, or "
                "take it away."
            ) from error
    return {name: found for name, found in modules.items() if hasattr(found, attribute)}
