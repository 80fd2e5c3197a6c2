"""Training runs on the disk: checkpoints that resume exactly, a history, weights with their card.

    aidagen train fomm-faces-64 --minutes 90          # a run that lives in runs/fomm-faces-64

`aidagen.training` takes the steps; here is what is kept of them, and when.
"""

import io
import json
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from aidagen import discovery, files, recipes, zoo
from aidagen.devices import best, why_not
from aidagen.recipes import Recipe
from aidagen.training import Training, TrainingError

FORMAT = 2  # of checkpoints
SAVE_EVERY = 120.0  # seconds
ROW_EVERY = 50  # steps


def run(
    name: str,
    *,
    recipe: Recipe | None = None,
    out: Path | str | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    devices: int = 1,
    precision: str = "32-true",
    profile: str = "lecture",
    fresh: bool = False,
    install: bool = False,
    report: Callable[[dict], None] | None = None,
) -> Path:
    """Follow recipe ``name`` until its steps are done or ``minutes`` are over.

    The run lives in ``out`` (default ``runs/<name>``): ``checkpoint.pt`` before the first step,
    every two minutes and at the end, ``history.json``, and the averaged weights with their card.
    It goes on from its checkpoint unless ``fresh``. ``install`` puts finished weights where the
    zoo finds them. ``profile="smoke"`` takes three steps, in ``runs/<name>-smoke``. ``recipe`` is
    one that has no name in `aidagen.recipes`. ``report`` is given each row of the history, and
    before them ``{"going on from step": n}`` where there was a checkpoint. Returns the path of the
    weights.

    Ctrl-C and SIGTERM end the run after the step that is being taken, and what was learnt is kept.
    Raises ``TrainingError`` where a loss or a weight is not finite: the last checkpoint is then
    left as it was.
    """
    recipe = recipe or recipes.find(name)
    if steps or profile == "smoke":
        recipe = replace(recipe, steps=steps or 3)
    out = Path(out or Path("runs") / (f"{name}-smoke" if profile == "smoke" else name))
    strategy = DDPStrategy(find_unused_parameters=True) if devices > 1 else "auto"
    kind = "cpu" if why_not() else "auto"
    fabric = Fabric(devices=devices, precision=precision, accelerator=kind, strategy=strategy)
    fabric.launch()
    fabric.seed_everything(recipe.seed, verbose=False)

    objective = recipe.system.objective(recipe.config, recipe.weights)
    if recipe.start is not None:
        zoo.begin_with(objective.model, recipe.start)
    training = Training(objective, recipe, fabric)
    record = _Record(name, recipe, training, out)
    if record.checkpoint.exists() and not fresh:
        record.resume()
        if report is not None and fabric.is_global_zero:
            report({"going on from step": training.done})
    record.save()  # a folder that cannot be written to is met now, not after the last step

    begin = time.monotonic()
    with _stopping() as stop:
        while training.done < recipe.steps:
            over = minutes is not None and time.monotonic() - begin > 60 * minutes
            # rank 0 decides for all: each process has a clock of its own
            if fabric.broadcast(over or bool(stop)):
                break
            record.add(training.step())
            if training.done % ROW_EVERY == 0 or training.done == recipe.steps:
                record.close_row(report)
            if training.done in recipe.snapshots and fabric.is_global_zero:
                snapshot = out / "snapshots" / f"{training.done}.safetensors"
                zoo.save_weights(training.average.module, snapshot)
            if time.monotonic() - record.saved > SAVE_EVERY:
                record.save()
        record.save()
    if stop:
        raise KeyboardInterrupt if stop[0] == signal.SIGINT else SystemExit(128 + stop[0])
    path = out / f"{name}.safetensors"
    if fabric.is_global_zero:
        model = training.averaged()
        files.write_json(out / "history.json", record.history, indent=None)
        zoo.save(model, recipe.config, record.card(), path)
        zoo.join_snapshots(out / "snapshots", path.with_name(f"{name}.snapshots"))
        if install:
            zoo.install(path)
    fabric.barrier()
    return path


class _Record:
    """What a run keeps on the disk: its checkpoint, its history, its card."""

    def __init__(self, name: str, recipe: Recipe, training: Training, out: Path):
        self.name, self.recipe, self.training = name, recipe, training
        self.checkpoint = out / "checkpoint.pt"
        self.history: list[dict] = []
        self.sums: dict[str, float] = {}  # of the row that is not full yet
        self.counted = 0
        self.seconds = 0.0  # of earlier parts of the run
        self.begin = self.saved = time.monotonic()

    def spent(self) -> float:
        """Seconds of the whole run, interruptions left out."""
        return self.seconds + time.monotonic() - self.begin

    def add(self, terms: dict[str, float]) -> None:
        for key, value in terms.items():
            self.sums[key] = self.sums.get(key, 0.0) + value
        self.counted += 1

    def close_row(self, report: Callable[[dict], None] | None) -> None:
        """The means of the terms since the last row."""
        row = {"step": self.training.done, "seconds": round(self.spent(), 1)}
        row |= {key: round(value / self.counted, 4) for key, value in self.sums.items()}
        self.history.append(row)
        self.sums, self.counted = {}, 0
        if report is not None and self.training.fabric.is_global_zero:
            report(row)

    def save(self) -> None:
        """Write the checkpoint, unless a weight is not finite: then the last one stays."""
        self.saved = time.monotonic()
        if not self.training.fabric.is_global_zero:
            return
        if not self.training.finite():
            raise TrainingError(
                f"Weights are no longer finite at step {self.training.done}; the last checkpoint, "
                f"{self.checkpoint}, is as it was. Train again with a lower rate, with --fresh."
            )
        stored = self.training.state() | {
            "format": FORMAT, "name": self.name, "recipe": self.recipe.as_json(),
            "seconds": self.spent(), "history": self.history,
            "sums": self.sums, "counted": self.counted,
        }  # fmt: skip
        content = io.BytesIO()
        torch.save(stored, content)
        files.write_bytes(self.checkpoint, content.getvalue())

    def resume(self) -> None:
        """Take up the checkpoint; raises ``TrainingError`` where it is not of this run."""
        path, remedy = self.checkpoint, "start again with --fresh, or give another --out"
        device = self.training.fabric.device
        try:
            stored = torch.load(path, map_location=device, weights_only=True)
        except Exception as error:
            raise TrainingError(
                f"{path} is not a readable checkpoint ({type(error).__name__}); {remedy}."
            ) from error
        if not isinstance(stored, dict) or stored.get("format") != FORMAT:
            raise TrainingError(
                f"{path} is no checkpoint of this version of the training loop; {remedy}."
            )
        wanted, recipe = ({**r, "steps": 0} for r in (self.recipe.as_json(), stored["recipe"]))
        if wanted != recipe:
            changed = sorted(k for k in wanted | recipe if wanted.get(k) != recipe.get(k))
            raise TrainingError(
                f"{path} belongs to a run of {stored['name']} with other settings "
                f"({', '.join(changed)}); {remedy}."
            )
        try:
            self.training.restore(stored)
            self.history, self.seconds = stored["history"], stored["seconds"]
            self.sums, self.counted = stored["sums"], stored["counted"]
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise TrainingError(f"{path} does not fit this model; {remedy}.") from error

    def card(self) -> dict:
        """What is told of the weights."""
        recipe, world = self.recipe, self.training.fabric.world_size
        sets = recipe.data.sets()
        named = recipe.steps != _steps_of(self.name)
        command = f"aidagen train {self.name}" + (f" --steps {recipe.steps}" if named else "")
        return {
            "name": self.name,
            "system": discovery.home(type(recipe.config)).__name__.rpartition(".")[2],
            "data": {
                name: {"version": entry.info["version"], "hash": entry.hash}
                for name, entry in sets.items()
            },
            "recipe": recipe.as_json(),
            "steps": self.training.done,
            "minutes": round(self.spent() / 60, 1),
            "machine": _machine() + (f", {world} processes" if world > 1 else ""),
            "torch": torch.__version__.split("+")[0],
            "command": command + (f" --devices {world}" if world > 1 else ""),
            "licence": "MIT (trained on pictures of our own rendering alone)"
            if all(entry.redistributable for entry in sets.values())
            else "see NOTICE: trained on third-party footage, outside the project's licences",
        }


def _steps_of(name: str) -> int | None:
    recipe = recipes.all_recipes().get(name)
    return None if recipe is None else recipe.steps


def _machine() -> str:
    if best().type == "cuda":
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {torch.get_num_threads()} thread"


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """A list that gets the signal that asked the run to end; the step goes to its end first.

    A second Ctrl-C ends at once. Signals only reach the main thread; elsewhere nothing changes.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number, frame):
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    for number in before:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def history(path: Path | str) -> Iterator[dict]:
    """The rows of a run's ``history.json``."""
    yield from json.loads(Path(path).read_text(encoding="utf-8"))
