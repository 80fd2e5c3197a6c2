"""Named training runs, one file for each system: ``aidagen train NAME`` runs one.

A file of this folder defines ``RECIPES: dict[str, Recipe]``; nothing else has to be told. The card
of shipped weights repeats everything that its recipe says.
"""

import difflib
import json
from dataclasses import asdict, dataclass, is_dataclass

from aidagen import discovery
from aidagen.errors import AidagenError
from aidagen.systems import Batches, System


@dataclass(frozen=True)
class Recipe:
    """Everything that a run is made of."""

    config: object  # settings of a system; the file of its class says which system
    data: Batches  # what is drawn from
    steps: int
    weights: object = None  # of the losses; None: the system's own
    batch: int = 8  # examples in a share of the batch
    shares: int = 1  # of the batch, computed one after the other or by as many processes
    rate: float = 8e-4
    schedule: str = "cosine"  # of the rate, over the run: a name in `training.SCHEDULES`
    betas: tuple[float, float] = (0.5, 0.999)  # of Adam
    decay: float = 0.0  # of the weights; above 0 it is AdamW
    clip: float | None = None  # largest norm of a phase's gradient
    ema: float = 0.995  # of the averaged weights, which are what ships; 0: the last ones
    seed: int = 0
    snapshots: tuple[int, ...] = ()  # steps whose averaged weights are kept, to look back
    start: str | None = None  # a checkpoint whose weights the model begins with, where they fit

    @property
    def system(self) -> System:
        """The system that ``config`` holds the settings of."""
        return discovery.home(type(self.config)).SYSTEM

    def as_json(self) -> dict:
        """The recipe in plain values, as a card or a checkpoint keeps it."""
        told = asdict(self) | {
            "config": asdict(self.config),
            "weights": self.weights._asdict() if hasattr(self.weights, "_asdict") else self.weights,
            "data": {"batches": type(self.data).__name__}
            | (asdict(self.data) if is_dataclass(self.data) else {}),
        }
        return json.loads(json.dumps(told))  # tuples become lists, as in a file


def all_recipes() -> dict[str, Recipe]:
    """Every recipe by name."""
    files = discovery.with_attribute("aidagen.recipes", "RECIPES").values()
    return {name: recipe for file in files for name, recipe in file.RECIPES.items()}


def find(name: str) -> Recipe:
    """The recipe called ``name``; raises ``AidagenError`` that lists the names there are."""
    recipes = all_recipes()
    if name in recipes:
        return recipes[name]
    close = difflib.get_close_matches(name, recipes, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise AidagenError(
        f"There is no recipe named {name!r}; there are {', '.join(sorted(recipes))}.{hint}"
    )
