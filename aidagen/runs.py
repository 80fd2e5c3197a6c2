"""Training runs on the disk: when what is kept, and how several runs share a GPU.

    aidagen train fomm-faces-64 --minutes 90          # a run that lives in runs/fomm-faces-64
    aidagen train fomm-faces-64 fomm-robot-64         # two; on one GPU both at once

`aidagen.training` and `aidagen.captured` take the steps, `aidagen.records` writes the files.
"""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from aidagen import captured, files, partners, recipes, zoo
from aidagen.devices import best, why_not
from aidagen.errors import AidagenError
from aidagen.recipes import Recipe
from aidagen.records import Record
from aidagen.training import TrainingError

SAVE_EVERY = 120.0  # seconds
ROW_EVERY = 50  # steps


def run(
    name: str,
    *,
    recipe: Recipe | None = None,
    out: Path | str | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    devices: int | None = None,
    nodes: int | None = None,
    precision: str = captured.EXACT,
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
    Raises ``TrainingError`` where a loss or a weight is not finite (the last checkpoint is then
    left as it was) and where a checkpoint cannot be written (what was learnt since the last one is
    then kept in the system's temporary folder, if that is possible, and the sentence says where);
    ``FileError`` where ``out`` is not writable in the first place, or another run is going on in
    it; ``PartnerEnded`` where another process of the run has ended.

    ``devices`` are GPUs, or processes, on each of ``nodes`` machines (`partners.layout`); all of
    them must see the folder ``out``.
    """
    with ExitStack() as stack:
        record = _begun(stack, name, recipe, out, steps, devices, nodes, precision, profile)
        fabric = record.training.fabric
        stack.enter_context(partners.heard(fabric))
        with _stopping() as stop:
            for _ in _steps(record, minutes, fresh, report, stop):
                pass
        if stopped := fabric.broadcast(stop[0] if stop else None):
            raise KeyboardInterrupt if stopped == signal.SIGINT else SystemExit(128 + stopped)
        partners.first_alone(fabric, lambda: record.finish(install))
        fabric.barrier()  # a process that leaves while another one still listens ends it
        return record.weights


def together(
    names: Sequence[str],
    *,
    out: Path | str = "runs",
    minutes: float | None = None,
    steps: int | None = None,
    profile: str = "lecture",
    fresh: bool = False,
    install: bool = False,
    report: Callable[[dict], None] | None = None,
) -> list[Path]:
    """Follow several recipes; the paths of their weights, those of runs that came to an end.

    Each run lives in a folder of ``out``, as `run` says, and rows are reported with their recipe as
    ``"name"``. On a GPU they go on at once, each with a stream of its own, and ``minutes`` hold for
    all of them together; elsewhere one after the other, each for ``minutes``.

    There a run that fails does not end the others; what the first of them raised is raised at the
    end. Elsewhere it ends the command, and the same command goes on.
    Ctrl-C and SIGTERM end all of them, as in `run`.
    """
    if twice := {name for name in names if names.count(name) > 1}:
        raise AidagenError(f"{sorted(twice)[0]} is named twice; name each recipe once.")

    def folder(name: str) -> Path:
        return Path(out) / (f"{name}-smoke" if profile == "smoke" else name)

    if best().type != "cuda":
        return [
            run(name, out=folder(name), minutes=minutes, steps=steps, profile=profile, fresh=fresh,
                install=install, report=_naming(name, report))
            for name in names
        ]  # fmt: skip
    with ExitStack() as stack:
        records = [
            _begun(stack, name, None, folder(name), steps, None, None, captured.EXACT, profile)
            for name in names
        ]
        for record in records:
            record.beside = len(records) - 1
        with _stopping() as stop:
            going = {
                record.name: _steps(record, minutes, fresh, _naming(record.name, report), stop)
                for record in records
            }
            failed = _in_turns(going)
        if stop:
            raise KeyboardInterrupt if stop[0] == signal.SIGINT else SystemExit(128 + stop[0])
        finishing = {
            record.name: _finishing(record, install)
            for record in records
            if record.name not in failed
        }
        failed |= _in_turns(finishing)
        for name, error in failed.items():
            raise TrainingError(f"{name}: {error}") from error
        return [record.weights for record in records]


def _in_turns(going: dict[str, Iterator[None]]) -> dict[str, AidagenError]:
    """Give each a turn, until all are at their end; what those raised that failed."""
    going, failed = dict(going), {}
    while going:
        for name in list(going):
            try:
                next(going[name])
            except StopIteration:
                del going[name]
            except AidagenError as error:
                failed[name] = error
                del going[name]
    return failed


def _finishing(record: Record, install: bool) -> Iterator[None]:
    record.finish(install)
    yield


def _naming(name: str, report: Callable[[dict], None] | None) -> Callable[[dict], None] | None:
    return report and (lambda row: report({"name": name, **row}))


def _begun(
    stack: ExitStack,
    name: str,
    recipe: Recipe | None,
    out: Path | str | None,
    steps: int | None,
    devices: int | None,
    nodes: int | None,
    precision: str,
    profile: str,
) -> Record:
    """A run that is ready to go, its folder locked until ``stack`` is left."""
    recipe = recipe or recipes.find(name)
    if steps or profile == "smoke":
        recipe = replace(recipe, steps=steps or 3)
    out = Path(out or Path("runs") / (f"{name}-smoke" if profile == "smoke" else name))
    devices, nodes = partners.layout(devices, nodes)
    several = devices * nodes > 1
    fabric = Fabric(
        devices=devices,
        num_nodes=nodes,
        precision=precision,
        accelerator="cpu" if why_not() else "auto",
        strategy=DDPStrategy(find_unused_parameters=True) if several else "auto",
    )
    fabric.launch()
    with partners.heard(fabric):
        held = f"Another run is going on in {out}; wait for its end, or give another --out."
        partners.first_alone(fabric, lambda: stack.enter_context(files.locked(out / ".lock", held)))
        fabric.seed_everything(recipe.seed, verbose=False)
        objective = recipe.system.objective(recipe.config, recipe.weights)
        if recipe.start is not None:
            zoo.begin_with(objective.model, recipe.start)
        training = captured.training_for(objective, recipe, fabric, precision)
        return Record(name, recipe, training, out)


def _steps(
    record: Record,
    minutes: float | None,
    fresh: bool,
    report: Callable[[dict], None] | None,
    stop: list[int],
) -> Iterator[None]:
    """Take the steps that are left of a run; after each, others may have a turn."""
    training, recipe, fabric = record.training, record.recipe, record.training.fabric
    # rank 0 decides: it soon writes a checkpoint that another process might take for an old one
    if fabric.broadcast(record.checkpoint.exists() and not fresh):
        record.resume()
        if report is not None and fabric.is_global_zero:
            report({"going on from step": training.done})
    # a folder that cannot be written to is met now, not after the last step
    partners.first_alone(fabric, record.first_save)

    begin = time.monotonic()
    while training.done < recipe.steps:
        over = minutes is not None and time.monotonic() - begin > 60 * minutes
        due = time.monotonic() - record.saved > SAVE_EVERY
        # rank 0 decides for all: each process has a clock of its own
        over, due = fabric.broadcast((over or bool(stop), due))
        if over:
            break
        if due:
            partners.first_alone(fabric, record.save)
        first = training.done
        if isinstance(training, captured.CapturedTraining):
            terms = training.burst(_until(first, recipe))
            yield  # while these steps are computed
            record.add(terms(), training.done - first)
        else:
            record.add(training.step())
            yield
        if training.done % ROW_EVERY == 0 or training.done == recipe.steps:
            record.close_row(report)
        if training.done in recipe.snapshots:
            partners.first_alone(fabric, record.snapshot)
    partners.first_alone(fabric, record.save)


def _until(done: int, recipe: Recipe) -> int:
    """Where a burst of steps ends: at a row, a snapshot, or the end of the run."""
    row = (done // ROW_EVERY + 1) * ROW_EVERY
    stops = [step for step in recipe.snapshots if step > done]
    return min(done + captured.BURST, row, recipe.steps, *stops)


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
    """The rows of a run's ``history.json``. Raises ``TrainingError`` where it holds none."""
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read as a run's history ({error}).") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TrainingError(f"{path} is no list of rows, as a run writes its history.")
    yield from rows
