"""Four small systems that are not pairs of frames, as a newcomer would add them: by adding files.

`datasets/marbles.py` is a data set, `models/toy_*.py` are systems, `recipes/toy_*.py` their runs.
``join(monkeypatch)`` puts these folders beside the package's own; in a script ``join()`` does.
"""

import importlib
from pathlib import Path

HERE = Path(__file__).parent
ROOMS = ("datasets", "models", "recipes")


def join(monkeypatch=None) -> None:
    """Let `aidagen` find the toys."""
    for room in ROOMS:
        package = importlib.import_module(f"aidagen.{room}")
        path = [*package.__path__, str(HERE / room)]
        if monkeypatch is None:
            package.__path__ = path
        else:
            monkeypatch.setattr(package, "__path__", path)
