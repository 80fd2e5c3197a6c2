"""The device to compute on: a GPU that can be used, else the CPU, and in one sentence why.

PyTorch says that there is a GPU before it has computed anything on it. What then fails, of old and
of very new cards, old drivers and full memories, is tried out here, on a small network's worth of
work, before anything depends on it.
"""

import sys
import warnings
from functools import cache

import torch
from torch.nn import functional as F

from aidagen.errors import AidagenError


def best() -> torch.device:
    """The GPU where there is one that works, else the CPU."""
    return torch.device("cuda" if not why_not() and torch.cuda.is_available() else "cpu")


@cache
def why_not() -> str:
    """Why this machine's GPU is not used: a sentence, also on stderr the first time.

    "" where it is used, and where there is none.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        reason = _trial("cuda") if torch.cuda.is_available() else ""
    # a GPU that cannot even be counted is only warned of
    reasons = [reason, *(str(each.message) for each in said if "CUDA init" in str(each.message))]
    reason = next(filter(None, reasons), "")
    if not reason:
        return ""
    sentence = f"The GPU is not used, because {_in_words(reason)}; computing on the CPU."
    print(f"aidagen: {sentence}", file=sys.stderr, flush=True)
    return sentence


def check(name: str) -> None:
    """Raise ``AidagenError`` where nothing can be computed on device ``name``."""
    reason = _trial(name)
    if not reason:
        return
    if name.startswith("cuda") and torch.cuda.is_available():
        raise AidagenError(
            f"The device {name!r} cannot be used, because {_in_words(reason)}; leave --device out."
        )
    raise AidagenError(f"This machine has no device {name!r}; leave --device out.")


def _trial(device: str) -> str:
    """What PyTorch says when something is computed on a device; "" where that goes well."""
    try:
        images = torch.ones(4, 16, 64, 64, device=device)
        value = F.conv2d(images, torch.ones(16, 16, 3, 3, device=device)).relu().mean().item()
        return "" if value == 144 else f"it computes {value} where 144 is right"
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return str(error) or type(error).__name__


def _in_words(reason: str) -> str:
    """The part of PyTorch's message that tells, in one clause."""
    first = " ".join(reason.removeprefix("CUDA initialization: ").splitlines()[0].split())
    if "no kernel image" in reason:
        return (
            f"PyTorch {torch.__version__} was not built for its kind (no kernel image is "
            "available; pytorch.org names the version that was)"
        )
    if "driver" in reason and "too old" in reason:
        return f"its driver is too old for PyTorch {torch.__version__} (update the driver)"
    if "out of memory" in reason:
        return "its memory is full (another program or notebook holds it)"
    return f"PyTorch says: {first.split('. ')[0].rstrip('.')[:150]}"
