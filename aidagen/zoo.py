"""Named checkpoints: what ships, what the user trained, and the authors' own files.

A checkpoint is ``<name>.safetensors`` (fp16) with a card ``<name>.json`` beside it. Shipped ones
lie in the package; ``install`` puts the user's own under ``sources.home() / "weights"``, where
they take precedence.
"""

import difflib
import json
import shutil
from contextlib import ExitStack
from dataclasses import asdict, fields
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from aidagen import checkpoints, devices, discovery, files, sources
from aidagen.errors import AidagenError
from aidagen.systems import CheckpointMismatch, System, compare

__all__ = [
    "CheckpointMismatch", "ZooError", "begin_with", "card", "device", "install", "join_snapshots",
    "load", "load_published", "names", "of_system", "path", "save", "save_weights",
    "snapshots", "system_named",
]  # fmt: skip
SHIPPED = Path(__file__).parent / "weights"


class ZooError(AidagenError):
    """An unknown name, or a file that cannot be read or written."""


def system_named(name: str) -> System:
    """The system in ``aidagen/models/<name>.py``; raises ``ZooError`` that lists all systems."""
    found = discovery.module("aidagen.models", name)
    if not hasattr(found, "SYSTEM"):
        systems = discovery.with_attribute("aidagen.models", "SYSTEM")
        raise ZooError(f"There is no system named {name!r}; there are {', '.join(systems)}.")
    return found.SYSTEM


def names() -> list[str]:
    """All checkpoints at hand, sorted."""
    found = set()
    for folder in _folders():
        found |= {p.stem for p in folder.glob("*.safetensors") if p.with_suffix(".json").exists()}
    return sorted(found)


def of_system(system: str) -> list[str]:
    """The checkpoints of one system, such as "playable", sorted."""
    return [name for name in names() if card(name).get("system") == system]


def path(name: str) -> Path:
    """The weights' file of ``name``; raises ``ZooError`` that lists the names there are."""
    for folder in _folders():
        candidate = folder / f"{name}.safetensors"
        if candidate.exists():
            return candidate
    known = names()
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise ZooError(
        f"There is no model named {name!r}; there are {', '.join(known) or 'none yet'}.{hint}"
    )


def card(name: str) -> dict:
    """What is known of checkpoint ``name``: data, seed, steps, minutes, machine, licence."""
    file = path(name).with_suffix(".json")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ZooError(
            f"The card {file} cannot be read ({error}); fetch the project again."
        ) from error
    if not isinstance(found, dict):
        raise ZooError(f"The card {file} is no table of settings; fetch the project again.")
    return found


def device(name: str = "auto") -> torch.device:
    """The device called ``name``; "auto" is a GPU where there is one that works."""
    if name == "auto":
        return devices.best()
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ZooError(f"There is no device called {name!r}; try auto, cpu or cuda.") from error


def load(name: str, device: str = "auto") -> nn.Module:
    """Checkpoint ``name`` as a model in eval mode, in float32."""
    file, found = path(name), card(name)
    state = _read(file)
    model = _untrained(name, found)
    _load(model, state, file.name)
    return model.to(globals()["device"](device)).eval()


def _read(file: Path) -> dict:
    try:
        return safetensors.torch.load_file(file)
    except (SafetensorError, OSError) as error:
        raise ZooError(f"{file} cannot be read ({error}); fetch the project again.") from error


def snapshots(name: str, device: str = "auto") -> dict[int, nn.Module]:
    """Looking back on the run of ``name``: training step -> the averaged model of that moment.

    Raises ``ZooError`` where none were kept (a recipe's ``snapshots`` says which steps are).
    """
    file, found = path(name).with_suffix(".snapshots"), card(name)
    if not file.exists():
        raise ZooError(f"The run of {name} kept no snapshots.")
    runs: dict[int, dict] = {}
    for key, value in _read(file).items():
        step, _, parameter = key.partition("/")
        if not step.isdecimal():
            raise ZooError(f"{file} holds no snapshots (its first entry is {key!r}).")
        runs.setdefault(int(step), {})[parameter] = value
    models = {}
    for step, state in sorted(runs.items()):
        models[step] = _untrained(name, found)
        _load(models[step], state, f"{file.name}, step {step}")
        models[step].to(globals()["device"](device)).eval()
    return models


def join_snapshots(folder: Path, file: Path) -> None:
    """Put the weights ``folder/<step>.safetensors`` of one run into one file."""
    found = {part.stem: _read(part) for part in sorted(folder.glob("*.safetensors"))}
    if found:
        _write(file, {f"{step}/{k}": v for step, state in found.items() for k, v in state.items()})


def save_weights(model: nn.Module, file: Path) -> None:
    """Write weights (fp16, without the discriminator), atomically."""
    state = {
        key: value.detach().cpu().half().contiguous() if value.is_floating_point() else value.cpu()
        for key, value in model.state_dict().items()
        if not key.startswith("discriminator.") and not key.endswith("num_batches_tracked")
    }
    _write(file, state)


def _write(file: Path, state: dict) -> None:
    files.write_bytes(file, safetensors.torch.save(state))


def save(model: nn.Module, config: object, card: dict, file: Path) -> None:
    """Write weights (fp16, without the discriminator) and card, each atomically."""
    save_weights(model, file)
    files.write_json(file.with_suffix(".json"), {**card, "config": asdict(config)})


def install(file: Path) -> Path:
    """Copy finished weights and card to where ``load`` finds them; returns the new path.

    None takes its place before all are written. Raises ``FileError`` where that fails; what was
    installed before is then as it was.
    """
    target = sources.home() / "weights" / file.name
    with ExitStack() as together:
        for suffix in (".safetensors", ".json", ".snapshots"):
            if file.with_suffix(suffix).exists():
                part = together.enter_context(files.replacing(target.with_suffix(suffix)))
                shutil.copyfile(file.with_suffix(suffix), part)
    return target


def begin_with(model: nn.Module, name: str) -> list[str]:
    """Give ``model`` the weights of checkpoint ``name`` that it has a place for; returns which.

    Raises ``ZooError`` where none fits.
    """
    own, other = model.state_dict(), _read(path(name))
    fitting = {key: value for key, value in other.items()
               if key in own and own[key].shape == value.shape}  # fmt: skip
    if not fitting:
        raise ZooError(f"Not one weight of {name} fits a {type(model).__name__}; see its config.")
    model.load_state_dict({**own, **fitting})
    return sorted(fitting)


# --- the authors' files --------------------------------------------------------------------------


def load_published(
    system: str,
    config: str,
    parts: dict | str | Path,
    *,
    align_corners: bool = True,
) -> nn.Module:
    """A published architecture at full size with the authors' weights, in eval mode.

    ``parts`` is the original container, ``{"generator": state_dict, "kp_detector": state_dict}``
    with the original keys (a discriminator is used if it is there, optimizers are ignored), or
    the path of the original file. ``align_corners=True`` is how the weights were trained, False
    how the authors' demo samples under a recent torch.

    Files of a wrapped model (`DataParallel`), of Python 2.7, and with numbers of numpy among their
    settings are read as well (`checkpoints`).

    Raises ``CheckpointError`` where the file is no checkpoint, and ``CheckpointMismatch`` listing
    missing, extra and mis-shaped keys.
    """
    described = system_named(system)
    if described.published is None:
        raise ZooError(f"Published weights of {system!r} are not supported yet.")
    settings = described.published(config, align_corners)
    if isinstance(parts, (str, Path)):
        parts = checkpoints.read(parts)
    parts = checkpoints.plain_state(parts)
    whole = parts if isinstance(parts, dict) else {"": parts}
    for name in ("", "state_dict", "discriminator", *described.parts):
        if not isinstance(whole.get(name, {}), dict):
            entry, kind = f"'s {name!r}" if name else "", type(whole[name]).__name__
            raise ZooError(f"This checkpoint{entry} is of type {kind}, not a dictionary.")
    parts = {
        name: {key: value for key, value in part.items() if isinstance(value, Tensor)}
        if isinstance(part, dict) else part
        for name, part in parts.items()
    }  # fmt: skip
    absent = [name for name in described.parts if name not in parts]
    if absent:
        raise CheckpointMismatch("This checkpoint", missing=absent)
    model = described.model(settings, adversarial="discriminator" in parts)
    state = {_modern(key): value for key, value in described.state(parts, model).items()}
    _load(model, state, f"This checkpoint for {system} {config}")
    return model.eval()


def _modern(key: str) -> str:
    """Spectral norm was spelled weight_orig, weight_u, weight_v before torch 1.9."""
    for old, new in {
        ".weight_orig": ".parametrizations.weight.original",
        ".weight_u": ".parametrizations.weight.0._u",
        ".weight_v": ".parametrizations.weight.0._v",
    }.items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return key


def _load(model: nn.Module, state: dict, what: str) -> None:
    wanted = model.state_dict()
    # counters do not change an output; weight_v was not saved by the oldest torch
    compare(what, wanted, state, ("num_batches_tracked", "parametrizations.weight.0._v"))
    model.load_state_dict({**wanted, **state})


def _untrained(name: str, card: dict) -> nn.Module:
    """The model that the card describes, with random weights."""
    values = card.get("config")
    try:
        described = system_named(str(card.get("system")))
    except ZooError as error:
        raise ZooError(f"The card of {name} does not fit this version: {error}") from error
    if not isinstance(values, dict):
        raise ZooError('The card holds no settings ("config"); fetch the project again.')
    config = described.config
    if unknown := set(values) - {f.name for f in fields(config)}:
        raise ZooError(f"The card has settings this version does not know: {sorted(unknown)}.")
    try:
        return described.model(config(**values))
    except AidagenError:
        raise
    except Exception as error:  # whatever a model's arithmetic makes of a word or a zero
        raise ZooError(
            f"The settings in the card of {name} make no {described.model.__name__} ({error}); "
            "fetch the project again."
        ) from error


def _folders() -> list[Path]:
    return [sources.home() / "weights", SHIPPED]
