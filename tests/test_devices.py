"""A GPU that PyTorch cannot use is named, and the CPU computes.

The messages are PyTorch's own, as they stand in public reports.
"""

import warnings

import pytest
import torch

from aidagen import cli, devices, records, runs, zoo
from aidagen.errors import AidagenError
from aidagen.teaching import lesson

ASYNCHRONOUS = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the "
    "stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
    "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
)
RAISED = {
    "of an old kind": (
        torch.AcceleratorError,
        "CUDA error: no kernel image is available for execution on the device" + ASYNCHRONOUS,
        "was not built for its kind",
    ),
    "with an old driver": (
        RuntimeError,
        "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
        "driver by downloading and installing a new version from the URL: "
        "http://www.nvidia.com/Download/index.aspx Alternatively, go to: https://pytorch.org to "
        "install a PyTorch version that has been compiled with your version of the CUDA driver.",
        "its driver is too old",
    ),
    "full": (
        torch.OutOfMemoryError,
        "CUDA out of memory. Tried to allocate 2.00 MiB. GPU 0 has a total capacity of 3.81 GiB of "
        "which 1.12 MiB is free.",
        "its memory is full",
    ),
    "full before it begins": (
        torch.AcceleratorError, "CUDA error: out of memory" + ASYNCHRONOUS, "its memory is full"
    ),
    "busy": (
        RuntimeError,
        "CUDA error: CUDA-capable device(s) is/are busy or unavailable" + ASYNCHRONOUS,
        "PyTorch says: CUDA error: CUDA-capable device(s) is/are busy or unavailable;",
    ),
    "hidden": (RuntimeError, "No CUDA GPUs are available", "No CUDA GPUs are available;"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def forget():
    devices.why_not.cache_clear()
    yield
    devices.why_not.cache_clear()


@pytest.fixture(params=RAISED)
def unusable(request, monkeypatch):
    """A GPU on which anything that is computed fails; the words that should tell why."""
    kind, message, told = RAISED[request.param]

    def fail():
        raise kind(message)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "_lazy_init", fail)
    return told


def test_the_cpu_takes_over(unusable, capsys):
    assert devices.best() == torch.device("cpu") == devices.best() == zoo.device()
    out, err = capsys.readouterr()
    assert unusable in err and err.startswith("aidagen: The GPU is not used, because ")
    assert err.endswith("; computing on the CPU.\n") and err.count("\n") == 1 and out == ""
    assert lesson.start("05").device.type == "cpu"
    assert "CPU" in records._machine() and unusable in devices.why_not()


def test_a_gpu_that_is_asked_for_is_refused(unusable, capsys):
    with pytest.raises(AidagenError, match=r"device 'cuda' cannot be used, .*leave --device out"):
        devices.check("cuda")


def test_a_model_is_loaded_and_trained_on_the_cpu(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def fail():
        raise torch.AcceleratorError(RAISED["of an old kind"][1])

    monkeypatch.setattr(torch.cuda, "_lazy_init", fail)
    model = zoo.load("fomm-heads-64")
    assert next(model.parameters()).device.type == "cpu"
    asked = []
    monkeypatch.setattr(runs, "Fabric", lambda **given: asked.append(given) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        runs.run("fomm-heads-64", profile="smoke", out=tmp_path)
    assert asked[0]["accelerator"] == "cpu"


def test_a_gpu_that_cannot_be_counted_is_named(monkeypatch, capsys, recwarn):
    """PyTorch then says that there is none, and warns in a paragraph."""

    def count():
        warnings.warn("CUDA initialization: " + RAISED["with an old driver"][1], stacklevel=2)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", count)
    assert devices.best().type == "cpu"
    assert "its driver is too old" in capsys.readouterr().err
    assert not [each for each in recwarn if "CUDA init" in str(each.message)]


def test_a_machine_without_a_gpu_says_nothing(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.best().type == "cpu" and devices.why_not() == ""
    assert capsys.readouterr().err == ""
    devices.check("cpu")
    for name in ("cuda", "abacus", "meta"):
        with pytest.raises(AidagenError, match=f"no device '{name}'"):
            devices.check(name)


def test_a_device_that_computes_nonsense(monkeypatch):
    monkeypatch.setattr(devices.F, "conv2d", lambda *_: torch.zeros(1))
    assert "it computes 0.0 where 144 is right" in devices._trial("cpu")


def test_the_check_says_what_it_runs_on(unusable, capsys):
    from aidagen import checkup

    assert "runs on CPU" in checkup._check_torch() and unusable in checkup._check_torch()
    assert cli.main(["animate", "a", "b", "c"]) == 2  # as on any machine
