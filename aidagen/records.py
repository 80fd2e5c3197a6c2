"""What a training run keeps on the disk: checkpoint, history, weights with their card."""

import io
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from aidagen import checkpoints, discovery, files, recipes, zoo
from aidagen.devices import best
from aidagen.recipes import Recipe
from aidagen.systems import CheckpointMismatch
from aidagen.training import Training, TrainingError

FORMAT = 2  # of checkpoints
ENTRIES = {
    "name": str, "recipe": dict, "step": int, "seconds": (int, float), "history": list,
    "sums": dict, "counted": int, "objective": dict, "average": dict, "optimizers": dict,
}  # fmt: skip


class Record:
    """What a run keeps on the disk: its checkpoint, its history, its card."""

    def __init__(self, name: str, recipe: Recipe, training: Training, out: Path):
        self.name, self.recipe, self.training = name, recipe, training
        self.beside = 0  # other runs on the same GPU
        self.out, self.checkpoint = out, out / "checkpoint.pt"
        self.weights = out / f"{name}.safetensors"
        self.kept: int | None = None  # the step of the checkpoint on the disk
        self.history: list[dict] = []
        self.sums: dict[str, float] = {}  # of the row that is not full yet
        self.counted = 0
        self.seconds = 0.0  # of earlier parts of the run
        self.begin = self.saved = time.monotonic()

    def spent(self) -> float:
        """Seconds of the whole run, interruptions left out."""
        return self.seconds + time.monotonic() - self.begin

    def add(self, terms: dict[str, float], steps: int = 1) -> None:
        """Terms of a step, or their sums over some steps."""
        for key, value in terms.items():
            self.sums[key] = self.sums.get(key, 0.0) + value
        self.counted += steps

    def close_row(self, report: Callable[[dict], None] | None) -> None:
        """The means of the terms since the last row."""
        row = {"step": self.training.done, "seconds": round(self.spent(), 1)}
        row |= {key: round(value / self.counted, 4) for key, value in self.sums.items()}
        self.history.append(row)
        self.sums, self.counted = {}, 0
        if report is not None and self.training.fabric.is_global_zero:
            report(row)

    def first_save(self) -> None:
        """The first write. Raises ``FileError``, and nothing is lost."""
        files.remove_leftovers(self.checkpoint)
        files.write_bytes(self.checkpoint, self.content())
        self.kept = self.training.done
        if self.kept in self.recipe.snapshots:  # it may be what could not be written last time
            self.snapshot()

    def save(self) -> None:
        """Write the checkpoint.

        Raises ``TrainingError`` where a weight is not finite, or where the file cannot be written;
        then the last checkpoint stays.
        """
        self.saved = time.monotonic()
        content = self.content()
        try:
            files.write_bytes(self.checkpoint, content)
        except files.FileError as error:
            raise TrainingError(f"{error} {self._saved_elsewhere(content)}") from error
        self.kept = self.training.done

    def _saved_elsewhere(self, content: bytes) -> str:
        """Keep a checkpoint that the run's folder refused; sentences that say what there is."""
        done = self.training.done
        if done == self.kept:
            return f"The checkpoint of step {done} is there: the same command goes on from it."
        rescued = files.rescue(self.checkpoint.name, content)
        last = f"The checkpoint of step {self.kept} is as it was"
        if rescued is None:
            return (
                f"{last}, the {done - self.kept} steps since then are lost: the same command goes "
                "on from it."
            )
        return (
            f"{last}; that of step {done} lies in {rescued}: move it to {self.checkpoint} before "
            "the same command goes on."
        )

    def content(self) -> bytes:
        """The checkpoint. Raises ``TrainingError`` where a weight is not finite."""
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
        return content.getvalue()

    def snapshot(self) -> None:
        """Keep the averaged weights of this moment; raises ``TrainingError``, after a save."""
        file = self.out / "snapshots" / f"{self.training.done}.safetensors"
        try:
            zoo.save_weights(self.training.average.module, file)
        except files.FileError as error:
            self.save()
            raise self._to_go_on(error) from error

    def finish(self, install: bool) -> None:
        """Write what a finished run leaves; raises ``TrainingError``: the checkpoint is there."""
        try:
            model = self.training.averaged()
            files.write_json(self.out / "history.json", self.history, indent=None)
            zoo.save(model, self.recipe.config, self.card(), self.weights)
            zoo.join_snapshots(self.out / "snapshots", self.weights.with_suffix(".snapshots"))
            if install:
                zoo.install(self.weights)
        except files.FileError as error:
            raise self._to_go_on(error) from error

    def _to_go_on(self, error: files.FileError) -> TrainingError:
        return TrainingError(
            f"{error} Nothing that was learnt is lost: the same command goes on from the "
            f"checkpoint of step {self.training.done}."
        )

    def resume(self) -> None:
        """Take up the checkpoint; raises ``TrainingError`` where it is not of this run."""
        path, remedy = self.checkpoint, "start again with --fresh, or give another --out"
        try:
            stored = checkpoints.read(path, remedy, self.training.fabric.device)
        except checkpoints.CheckpointError as error:
            raise TrainingError(str(error)) from error
        form = stored.get("format") if isinstance(stored, dict) else None
        if not isinstance(form, int):
            raise TrainingError(f"{path} is no checkpoint of a training run; {remedy}.")
        if form != FORMAT:
            age = "a newer" if form > FORMAT else "an older"
            raise TrainingError(
                f"{path} was written by {age} version of this project (format {form}, {FORMAT} is "
                f"read here); go on with that version, or {remedy}."
            )
        wrong = [
            f"{key} is {'missing' if key not in stored else type(stored[key]).__name__}"
            for key, kind in ENTRIES.items()
            if not isinstance(stored.get(key), kind)
        ]
        if wrong:
            raise TrainingError(f"{path} is not whole ({', '.join(wrong)}); {remedy}.")
        wanted, recipe = ({**r, "steps": 0} for r in (self.recipe.as_json(), stored["recipe"]))
        if wanted != recipe:
            changed = sorted(k for k in wanted | recipe if wanted.get(k) != recipe.get(k))
            raise TrainingError(
                f"{path} belongs to a run of {stored['name']} with other settings "
                f"({', '.join(changed)}); {remedy}."
            )
        try:
            self.training.restore(stored)
        except CheckpointMismatch as error:
            raise TrainingError(f"{path}: {str(error).rstrip('.')}; {remedy}.") from error
        self.history, self.seconds = stored["history"], float(stored["seconds"])
        self.sums, self.counted = stored["sums"], stored["counted"]

    def card(self) -> dict:
        """What is told of the weights, and of those that they began with."""
        recipe, world = self.recipe, self.training.fabric.world_size
        sets = recipe.data.sets()
        named = recipe.steps != _steps_of(self.name)
        command = f"aidagen train {self.name}" + (f" --steps {recipe.steps}" if named else "")
        nodes = getattr(self.training.fabric.strategy, "num_nodes", 1)
        command += f" --devices {world // nodes}" if world > 1 else ""
        command += f" --num-nodes {nodes}" if nodes > 1 else ""
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
            **({"before": zoo.card(recipe.start)} if recipe.start else {}),  # where it began
            "machine": _machine()
            + (f", {world} processes" if world > 1 else "")
            + (f", {self.beside + 1} runs at once" if self.beside else ""),
            "torch": torch.__version__.split("+")[0],
            "command": command,
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
