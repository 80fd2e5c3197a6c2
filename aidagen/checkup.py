"""``aidagen check``: is everything that the course needs installed, and does it work?"""

import platform
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

import aidagen
from aidagen.errors import AidagenError

_REQUIRED = (
    "torch numpy scipy pillow av safetensors jaxtyping lightning-fabric torchmetrics platformdirs "
    "tqdm matplotlib"
).split()
_NOTEBOOKS = "jupyterlab ipywidgets anywidget ipykernel".split()
_PROBE = 2.0  # seconds
_WITHOUT_NOTEBOOKS = "needed by the notebooks alone: pip install 'aidagen[lab]'"


class Problem(AidagenError):
    """What a check found wrong."""


class _Note(Exception):
    """Something worth a line that is not a failure."""


def run() -> int:
    """Print a line for each check; returns the exit code, 1 if one failed."""
    steps: list[tuple[str, Callable[[], str]]] = [
        ("python", _check_python),
        ("torch", _check_torch),
        ("packages", lambda: _check_packages(_REQUIRED)),
        ("notebooks", _check_notebooks),
        ("video", _check_video),
        ("cache", _check_cache),
        ("packs", _check_packs),
        ("models", _check_models),
        ("speed", _check_speed),
    ]
    failures = 0
    for label, step in steps:
        try:
            word, said = "OK", step()
        except _Note as note:
            word, said = "--", str(note)
        except Exception as error:  # whatever is broken on this machine, say so and go on
            word, said = "FAIL", f"{error or type(error).__name__}"
            failures += 1
        print(f"{word:4}  {label:9}  {' '.join(said.split())}", flush=True)
    print("Everything works." if not failures else f"{failures} of {len(steps)} checks failed.")
    return 1 if failures else 0


def _check_python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _check_torch() -> str:
    import torch

    from aidagen import devices

    device = torch.cuda.get_device_name(0) if devices.best().type == "cuda" else "CPU"
    note = f" ({devices.why_not()})" if devices.why_not() else ""
    return f"{torch.__version__}, runs on {device}, {torch.get_num_threads()} CPU threads{note}"


def _check_packages(names: Iterable[str]) -> str:
    versions, missing = [], []
    for name in names:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        raise Problem(f"missing: {', '.join(missing)} (pip install {' '.join(missing)})")
    return ", ".join(versions)


def _check_notebooks() -> str:
    try:
        return _check_packages(_NOTEBOOKS)
    except Problem as error:
        raise _Note(f"{error}; {_WITHOUT_NOTEBOOKS}") from None


def _check_video() -> str:
    import torch

    from aidagen import video
    from aidagen.pixels import as_floats

    ramp = torch.linspace(0, 1, 64).expand(3, 64, 64)
    frames = torch.stack([ramp.roll(4 * t, dims=2) for t in range(12)])
    with tempfile.TemporaryDirectory(prefix="aidagen-") as folder:
        path = Path(folder) / "self-test.mp4"
        video.write(path, frames, mark=False)
        back = as_floats(torch.stack(list(video.read(path))))
    error = (back - frames).abs().mean().item() if back.shape == frames.shape else 1.0
    if error > 0.02:
        raise Problem(f"a clip written and read back differs (mean error {error:.3f})")
    return f"H.264 written and read back, mean error {255 * error:.1f} of 255"


def _check_cache() -> str:
    from aidagen import sources

    home = Path(sources.home())
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=home):
        pass
    return f"{home} can be written to"


def _check_packs() -> str:
    folder = Path(aidagen.__file__).parent / "packs"
    names = sorted(path.parent.name for path in folder.glob("*/dataset.json"))
    if not names:
        raise Problem(f"no data pack in {folder}")
    return ", ".join(names)


def _check_models() -> str:
    from aidagen import zoo

    names = list(zoo.names())
    if not names:
        raise Problem("no models are installed")
    for name in names:
        zoo.load(name, device="cpu")
    return ", ".join(names)


def _check_speed() -> str:
    import torch

    from aidagen import zoo
    from aidagen.animation import AnimationError, Animator

    for name in zoo.names():
        model = zoo.load(name)
        try:
            side = model.config.size
            animator = Animator(model, torch.rand(3, side, side))
        except (AnimationError, AttributeError):
            continue
        batch = torch.rand(16, 3, side, side)
        count, began = 0, time.perf_counter()
        while (seconds := time.perf_counter() - began) < _PROBE:
            count += sum(1 for _ in animator.animate(batch))
        return f"{name} makes {count / seconds:.0f} frames per second of {side} x {side} pixels"
    raise _Note("no model that animates pictures is installed")
