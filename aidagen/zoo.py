"""Named checkpoints: what ships, what the user trained, and the authors' own files.

A checkpoint is ``<name>.safetensors`` (fp16) with a card ``<name>.json`` beside it. Shipped ones
lie in the package; ``install`` puts the user's own under ``sources.home() / "weights"``, where
they take precedence.
"""

import difflib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from aidagen import sources
from aidagen.errors import AidagenError
from aidagen.models import fomm, monkeynet, x2face

SHIPPED = Path(__file__).parent / "weights"


class System(NamedTuple):
    """What it takes to build one of the course's systems and to read its authors' files."""

    config: type  # the dataclass of its settings
    model: type[nn.Module]
    objective: type[nn.Module]
    published: Callable  # (name of a config, align_corners) -> settings
    parts: tuple[str, ...]  # of the original container, those a model cannot do without
    state: Callable  # (parts, model) -> state dict in our keys


def _fomm_state(parts: dict, model: nn.Module) -> dict:
    state = {}
    for part in ("generator", "kp_detector", "discriminator"):
        for key, value in parts.get(part, {}).items():
            state[f"{part}.{_new_key(key)}"] = value
    # constants that the authors saved and we compute: dropped once they are what they should be
    for key, size in {
        "generator.dense_motion_network.down.weight": model.config.motion_scale,
        "kp_detector.down.weight": model.config.kp_scale,
    }.items():
        if key in state:
            wanted = model.get_submodule(key.removesuffix(".weight")).weight
            if state[key].shape != wanted.shape:
                raise CheckpointMismatch(f"A checkpoint not of scale {size}", misshaped=[key])
            del state[key]
    return state


SYSTEMS: dict[str, System] = {
    "fomm": System(
        fomm.FOMMConfig,
        fomm.FOMM,
        fomm.Objective,
        fomm.fomm_published,
        ("generator", "kp_detector"),
        _fomm_state,
    ),
    "monkeynet": System(
        monkeynet.MonkeyNetConfig,
        monkeynet.MonkeyNet,
        monkeynet.Objective,
        monkeynet.monkeynet_published,
        ("generator", "kp_detector"),
        monkeynet.published_state,
    ),
    "x2face": System(
        x2face.X2FaceConfig,
        x2face.X2Face,
        x2face.Objective,
        x2face.x2face_published,
        (),
        x2face.published_state,
    ),
}


def system_of(config: object) -> str:
    """The name of the system that ``config`` holds the settings of."""
    return next(name for name, system in SYSTEMS.items() if isinstance(config, system.config))


class ZooError(AidagenError):
    """An unknown name, or a file that cannot be read or written."""


class CheckpointMismatch(ZooError):
    """A checkpoint that is not of this architecture; names missing, extra and mis-shaped keys."""

    def __init__(self, what: str, missing=(), extra=(), misshaped=()):
        self.missing, self.extra, self.misshaped = list(missing), list(extra), list(misshaped)
        parts = [
            f"{label} {', '.join(keys[:5])}{f' and {len(keys) - 5} more' if len(keys) > 5 else ''}"
            for label, keys in (
                ("missing", self.missing),
                ("not expected", self.extra),
                ("of another shape", self.misshaped),
            )
            if keys
        ]
        super().__init__(f"{what} does not fit this architecture: {'; '.join(parts)}.")


def names() -> list[str]:
    """All checkpoints at hand, sorted."""
    found = set()
    for folder in _folders():
        found |= {p.stem for p in folder.glob("*.safetensors") if p.with_suffix(".json").exists()}
    return sorted(found)


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
    """The device called ``name``; "auto" is a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise ZooError(f"{file} cannot be read ({error}); fetch the project again.") from error


def snapshots(name: str, device: str = "auto") -> dict[int, nn.Module]:
    """Looking back on the run of ``name``: training step -> the averaged model of that moment.

    Raises ``ZooError`` where none were kept (a preset's ``snapshots`` says which steps are).
    """
    file, found = path(name).with_suffix(".snapshots"), card(name)
    if not file.exists():
        raise ZooError(f"The run of {name} kept no snapshots.")
    runs: dict[int, dict] = {}
    for key, value in _read(file).items():
        step, _, parameter = key.partition("/")
        runs.setdefault(int(step), {})[parameter] = value
    models = {}
    for step, state in sorted(runs.items()):
        models[step] = _untrained(name, found)
        _load(models[step], state, f"{file.name}, step {step}")
        models[step].to(globals()["device"](device)).eval()
    return models


def join_snapshots(folder: Path, file: Path) -> None:
    """Put the weights ``folder/<step>.safetensors`` of one run into one file."""
    found = {part.stem: load_file(part) for part in sorted(folder.glob("*.safetensors"))}
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
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f"{file.suffix}.part")
        save_file(state, part)
        os.chmod(part, 0o644)  # safetensors makes files that only their owner can read
        os.replace(part, file)
    except OSError as error:
        raise ZooError(f"Could not write {file}: {error.strerror or error}.") from error


def save(model: nn.Module, config: object, card: dict, file: Path) -> None:
    """Write weights (fp16, without the discriminator) and card, each atomically."""
    text = json.dumps({**card, "config": asdict(config)}, indent=1, ensure_ascii=False) + "\n"
    save_weights(model, file)
    try:
        part = file.with_suffix(".json.part")
        part.write_text(text, encoding="utf-8")
        os.replace(part, file.with_suffix(".json"))
    except OSError as error:
        raise ZooError(f"Could not write {file}: {error.strerror or error}.") from error


def install(file: Path) -> Path:
    """Copy finished weights and card to where ``load`` finds them; returns the new path."""
    target = sources.home() / "weights" / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".snapshots", ".json", ".safetensors"):
        if not file.with_suffix(suffix).exists():
            continue
        part = target.with_suffix(suffix + ".part")
        shutil.copyfile(file.with_suffix(suffix), part)
        os.replace(part, target.with_suffix(suffix))
    return target


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

    Raises ``CheckpointMismatch`` listing missing, extra and mis-shaped keys.
    """
    if system not in SYSTEMS:
        raise ZooError(
            f"Published weights of {system!r} are not supported yet; {', '.join(SYSTEMS)} are."
        )
    known = SYSTEMS[system]
    settings = known.published(config, align_corners)
    if isinstance(parts, (str, Path)):
        parts = _original_file(Path(parts))
    absent = [name for name in known.parts if name not in parts]
    if absent:
        raise CheckpointMismatch("This checkpoint", missing=absent)
    model = known.model(settings, adversarial="discriminator" in parts)
    state = known.state(parts, model)
    _load(model, state, f"This checkpoint for {system} {config}")
    return model.eval()


def _original_file(file: Path) -> dict:
    if not file.is_file():
        raise ZooError(f"There is no file {file}.")
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ZooError(
            f"{file} is not a checkpoint torch can read safely ({type(error).__name__}); the "
            "authors' *.pth.tar is a pickle, not an archive: give it as downloaded, not unpacked."
        ) from error


def _new_key(key: str) -> str:
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
    optional = ("num_batches_tracked", "parametrizations.weight.0._v")
    missing = [k for k in wanted if k not in state and not k.endswith(optional)]
    extra = [k for k in state if k not in wanted]
    misshaped = [
        f"{k} {tuple(state[k].shape)} instead of {tuple(wanted[k].shape)}"
        for k in state
        if k in wanted and state[k].shape != wanted[k].shape
    ]
    if missing or extra or misshaped:
        raise CheckpointMismatch(what, missing, extra, misshaped)
    model.load_state_dict({**wanted, **state})


def _untrained(name: str, card: dict) -> nn.Module:
    """The model that the card describes, with random weights."""
    system, values = card.get("system"), card.get("config")
    if system not in SYSTEMS:
        raise ZooError(f"The card of {name} names a system unknown here: {system!r}.")
    if not isinstance(values, dict):
        raise ZooError('The card holds no settings ("config"); fetch the project again.')
    config = SYSTEMS[system].config
    if unknown := set(values) - {f.name for f in fields(config)}:
        raise ZooError(f"The card has settings this version does not know: {sorted(unknown)}.")
    return SYSTEMS[system].model(config(**values))


def _folders() -> list[Path]:
    return [sources.home() / "weights", SHIPPED]
