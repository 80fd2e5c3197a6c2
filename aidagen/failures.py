"""The last resort of every command: whatever goes wrong is one sentence and an exit code.

    sys.exit(failures.guarded(main))

| code | meaning |
|---|---|
| 2 | what the user can mend: `AidagenError`, no room, no permission, no memory, no package |
| 70 | a fault of the program; the sentence names the file of a report |
| 130, 141 | stopped by Ctrl-C; whoever read the output has gone, as in ``... | head`` |

A report holds the traceback, versions, platform and command line, and neither the environment nor
the name of the home folder. It lies in the cache (`sources.home`), or in a temporary folder where
that cannot be written. With the environment variable ``AIDAGEN_DEBUG=1`` each failure also shows
its traceback.
"""

import errno
import os
import platform
import re
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aidagen
from aidagen.errors import AidagenError

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_FAULT = 70  # EX_SOFTWARE of BSD's sysexits
_VERSIONS = ("torch", "lightning-fabric", "numpy", "scipy", "pillow", "av", "safetensors")
_LONGEST = 200_000  # characters of a traceback


def guarded(
    run: Callable[[], int | None],
    name: str = "aidagen",
    stopped: Callable[[], str] = lambda: "Stopped by Ctrl-C.",
) -> int:
    """The exit code of ``run()`` (None is 0), or of how it failed, which is told on stderr.

    Args:
        run: the command.
        name: what stands in front of the sentence.
        stopped: what to say after Ctrl-C.
    """
    if getattr(sys.stdout, "errors", None) == "strict":  # a name that a terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = run() or 0
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
        return code
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("AIDAGEN_DEBUG", "0") not in ("", "0"):
            _tell(traceback.format_exc().rstrip())
        sentence, code = _told(error, stopped)
        if isinstance(error, OSError):
            _drop_output()
        if sentence:
            _tell(f"{name}: {' '.join(sentence.split())}")
        return code


def _told(error: BaseException, stopped: Callable[[], str]) -> tuple[str, int]:
    """The sentence for a failure, and the exit code."""
    if isinstance(error, KeyboardInterrupt):
        return stopped(), 130
    if isinstance(error, BrokenPipeError):
        return "", 141
    if isinstance(error, AidagenError):
        return str(error), 2
    if isinstance(error, MemoryError) or _is_torchs_memory_error(error):
        return (
            "There is not enough memory for this; close other programs, or do less at a time "
            "(animate takes --batch 1).",
            2,
        )
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        remedy = "; make room on that disk" if error.errno in _FULL else ""
        return f"{name}{(error.strerror or str(error)).lower()}{remedy}.", 2
    if isinstance(error, ModuleNotFoundError) and error.name and _is_foreign(error.name):
        return (
            f"This needs the Python module {error.name}, which is not installed here; run "
            "`make venv`, or pip install -e '.[lab]' in the folder of the course.",
            2,
        )
    what = " ".join(traceback.format_exception_only(error)[-1].split())
    what = what if len(what) <= 120 else what[:119] + "…"
    place = _written(_report(error))
    if place is None:
        _tell(_report(error))
        return f"A fault of the program ({what}), which is reported above.", _FAULT
    return (
        f"A fault of the program ({what}); the report {place} says where. Please send it to those "
        "who maintain the course.",
        _FAULT,
    )


def _is_foreign(module: str) -> bool:
    return module.partition(".")[0] != "aidagen"


def _is_torchs_memory_error(error: BaseException) -> bool:
    """A GPU's has a class of its own; the one of the machine itself is known by its text alone."""
    return isinstance(error, RuntimeError) and (
        type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator" in str(error)
    )


def _tell(text: str) -> None:
    with suppress(OSError, ValueError):  # nobody may be listening
        if sys.stderr is not None:
            print(text, file=sys.stderr, flush=True)


def _drop_output() -> None:
    """What waits in stdout's buffer cannot be written; Python would fail with it at its end."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(nowhere, sys.stdout.fileno())
        finally:
            os.close(nowhere)


def _report(error: BaseException) -> str:
    from importlib import metadata

    lines = [
        f"aidagen {aidagen.__version__}, Python {platform.python_version()}",
        f"{platform.system()} {platform.release()} {platform.machine()}",
        f"command: {shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}",
    ]
    for name in _VERSIONS:
        with suppress(metadata.PackageNotFoundError):
            lines.append(f"{name} {metadata.version(name)}")
    trace = "".join(traceback.format_exception(error))
    text = "\n".join([*lines, "", trace[-_LONGEST:]])
    text = re.sub(r"://[^/@\s]+@", "://…@", text)  # a password in an address
    text = re.sub(r"(://[^\s?'\"]+)\?[^\s'\"]+", r"\1?…", text)  # a key in an address
    home = os.path.expanduser("~")
    return text.replace(home, "~") if len(home) > 3 else text


def _written(report: str) -> Path | None:
    """Where the report lies; None where it can be written nowhere."""
    for folder in (_cache, _temporary):
        with suppress(Exception):  # of the last resort, none
            from aidagen import files

            name = f"{time.strftime('%Y-%m-%d-%H%M%S')}-{os.getpid()}.txt"
            path = folder() / name
            files.write_text(path, report)
            return path
    return None


def _cache() -> Path:
    from aidagen import sources

    return sources.home() / "reports"


def _temporary() -> Path:
    return Path(tempfile.mkdtemp(prefix="aidagen-"))
