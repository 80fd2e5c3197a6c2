"""Sets up ``.venv``: the one part of aidagen that runs before aidagen is installed.

Run by ``make venv``, ``make lab`` and ``make test`` as ``python3 -I aidagen/installation.py``.
It needs the standard library alone, and its syntax stays readable for Python 3.7, so that an
old interpreter gets a sentence instead of a SyntaxError.

A stamp in ``.venv`` records what was installed from which metadata. While it holds and all
packages are whole, a start touches neither pip nor the network. Otherwise the work goes on where
it stopped: pip keeps what is complete, and packages that lack files are installed again.
"""

import argparse
import contextlib
import csv
import hashlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse

OLDEST = (3, 11)
CPU_INDEX = "https://download.pytorch.org/whl/cpu"  # PyTorch's own
PROBE_SECONDS = 3
GIGABYTE = 10**9
# what the virtual environment and pip's cache take: for the extra lab, and what the others add
NEEDED = {"cpu": 2.5 * GIGABYTE, "cuda": 9 * GIGABYTE}
NEEDED_BESIDES_LAB = 2 * GIGABYTE
STAMP = "aidagen-installed.json"
CODE = (".py", ".so", ".pyd", ".dylib", ".dll")  # files without which a package is broken
OFFLINE = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "nodename nor servname",
    "getaddrinfo failed",
    "NewConnectionError",
    "ConnectTimeoutError",
    "Network is unreachable",
    "ProxyError",
)


class InstallationError(Exception):
    """One sentence for the person in front of the terminal."""


def run(arguments, **options):
    """``subprocess.run`` with captured text; never raises for an exit status."""
    return subprocess.run(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


@contextlib.contextmanager
def step(title):
    """Announce one step and report the seconds it took."""
    live = sys.stdout.isatty()
    if live:
        print("  " + title + " ...", end="", flush=True)
    begin = time.monotonic()
    note = []
    try:
        yield note.append
    except BaseException:
        if live:
            print(flush=True)
        raise
    seconds = f"{time.monotonic() - begin:7.1f} s  "
    text = seconds + title + (" (" + note[-1] + ")" if note else "")
    print(("\r\x1b[K  " if live else "  ") + text, flush=True)


# --- what this machine is ---------------------------------------------------------------------


def suitable_python():
    """The path of a Python that is new enough: this one, or another one on the PATH.

    Raises InstallationError, naming the version found, where there is none.
    """
    if sys.version_info >= OLDEST:
        return sys.executable
    ask = f"import ensurepip, sys, venv; print(sys.version_info >= {OLDEST!r})"
    for minor in range(19, OLDEST[1] - 1, -1):
        candidate = shutil.which(f"python3.{minor}")
        if candidate and run([candidate, "-c", ask]).stdout.strip() == "True":
            return candidate
    oldest = ".".join(map(str, OLDEST))
    raise InstallationError(
        f"aidagen needs Python {oldest} or newer and this is Python {platform.python_version()}: "
        "install one (python.org, or your system's package python3.12) and run the same command "
        "again."
    )


def has_nvidia_gpu():
    """Whether an NVIDIA driver answers on this machine."""
    if os.path.exists("/proc/driver/nvidia/version"):
        return True
    tool = shutil.which("nvidia-smi")
    try:
        return bool(tool) and run([tool, "-L"], timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def answers(url, seconds=PROBE_SECONDS):
    """Whether the host of ``url``, or the proxy in the environment, accepts a connection."""
    proxy = os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY")
    target = urllib.parse.urlsplit(proxy or url)
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        socket.create_connection((target.hostname, port), timeout=seconds).close()
        return True
    except OSError:
        return False


# --- what is to be installed, and what is installed -------------------------------------------


def metadata_key(root):
    """A hash of all that decides what is installed: metadata, pins, Python, folder."""
    import tomllib  # Python 3.11; suitable_python() has been asked by now

    with open(os.path.join(root, "pyproject.toml"), "rb") as file:
        document = tomllib.load(file)
    with open(os.path.join(root, "constraints.txt"), "rb") as file:
        pins = hashlib.sha256(file.read()).hexdigest()
    parts = [document["project"], document["build-system"], pins, platform.python_version(), root]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def read_stamp(venv):
    """What the last complete installation recorded, or an empty dictionary."""
    try:
        with open(os.path.join(venv, STAMP), encoding="utf-8") as file:
            stamp = json.load(file)
        return stamp if os.path.exists(python_of(venv)) else {}
    except (OSError, ValueError):
        return {}


def write_stamp(venv, content):
    """Record a complete installation, atomically."""
    target = os.path.join(venv, STAMP)
    with open(target + ".part", "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)
    os.replace(target + ".part", target)


def python_of(venv):
    """The interpreter inside a virtual environment."""
    folder, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return os.path.join(venv, folder, name)


def make_environment(venv):
    """Create ``venv``, or create it again where it has no pip or is not an environment.

    Without its pyvenv.cfg, its Python is the system's, whose packages are none of our business.
    """
    python = python_of(venv)
    ask = "import pip, sys; print(sys.prefix != sys.base_prefix)"
    if os.path.exists(python) and run([python, "-I", "-c", ask]).stdout.strip() == "True":
        return "kept"
    mended = os.path.isdir(venv)
    outcome = run([sys.executable, "-m", "venv", "--clear", venv])
    if outcome.returncode:
        if "ensurepip" in outcome.stdout:
            raise InstallationError(
                "This Python cannot make virtual environments: install its venv package (on "
                "Debian and Ubuntu `apt install python3-venv`) and run the same command again."
            )
        raise InstallationError("Making .venv failed: " + last_line(outcome.stdout))
    return "made again" if mended else "made"


def packages_folder(venv):
    """The folder ``site-packages`` inside ``venv``; None where there is none."""
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = run([python_of(venv), "-I", "-c", ask]).stdout.strip()
    inside = os.path.realpath(site).startswith(os.path.realpath(venv) + os.sep)
    return site if inside and os.path.isdir(site) else None


def is_whole(site, record):
    """Whether all code that a package's ``.dist-info`` folder lists is in ``site``.

    pip writes a package's own files, then its metadata, and last a RECORD that lists the file
    INSTALLER. A record without that line belongs to an interrupted installation, which pip
    itself would take for a complete one.
    """
    try:
        with open(os.path.join(site, record, "RECORD"), encoding="utf-8", newline="") as file:
            listed = {row[0] for row in csv.reader(file) if row}
    except (OSError, ValueError, csv.Error):
        return False
    code = (name for name in listed if name.endswith(CODE) and not name.startswith(".."))
    return record + "/INSTALLER" in listed and all(
        os.path.exists(os.path.join(site, name)) for name in code
    )


def broken_packages(site):
    """The ``.dist-info`` folders in ``site`` whose packages are not whole."""
    records = sorted(name for name in os.listdir(site) if name.endswith(".dist-info"))
    return [record for record in records if not is_whole(site, record)]


def is_sound(venv):
    """Whether ``venv`` has its packages, each of them whole."""
    site = packages_folder(venv)
    return site is not None and not broken_packages(site)


def drop_broken(venv):
    """Remove the records of packages that are not whole, so that pip installs them again.

    Returns their names.
    """
    site = packages_folder(venv)
    if site is None:
        return []
    for name in os.listdir(site):
        if name.startswith("~"):  # pip's name for what it was about to remove
            shutil.rmtree(os.path.join(site, name), ignore_errors=True)
    broken = broken_packages(site)
    for record in broken:
        shutil.rmtree(os.path.join(site, record))
    return [record.split("-")[0] for record in broken]


# --- installing -------------------------------------------------------------------------------


def last_line(text):
    """The last line of pip's output that is not empty; an error before all others."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no output"])[-1]


def pip_install(root, venv, *arguments):
    """``pip install`` under the constraints, following the user's own pip settings.

    Shows on a terminal what pip is doing; keeps its whole output in ``.venv/install.log``.
    Raises InstallationError with one sentence.
    """
    command = [python_of(venv), "-m", "pip", "install", "--progress-bar", "off"]
    command += ["--no-compile"]  # Python compiles what is imported: 0.25 GB and half a minute less
    command += ["-c", os.path.join(root, "constraints.txt"), *arguments]
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    environment.setdefault("PIP_RESUME_RETRIES", "5")  # from pip 25.1 on
    environment.pop("PIP_REQUIRE_VIRTUALENV", None)
    lines = []
    log_path = os.path.join(venv, "install.log")
    options = {"cwd": root, "env": environment, "text": True, "errors": "replace"}
    options.update(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with open(log_path, "a", encoding="utf-8") as log, subprocess.Popen(command, **options) as pip:
        for line in pip.stdout:
            log.write(line)
            lines.append(line)
            words = line.split()
            if sys.stdout.isatty() and words[:1] in (["Collecting"], ["Downloading"]):
                print("\r\x1b[K  " + " ".join(words)[:72], end="", flush=True)
            elif sys.stdout.isatty() and words[:1] == ["Installing"]:
                print("\r\x1b[K  unpacking ...", end="", flush=True)
    if pip.returncode == 0:
        return
    text = "".join(lines)
    if any(sign in text for sign in OFFLINE):
        raise InstallationError(
            "The package index cannot be reached: connect this machine to the internet (or set "
            "pip's index or proxy) and run the same command again; what is installed stays."
        )
    if "No space left on device" in text:
        raise InstallationError(
            "The disk is full: make room and run the same command again; what is installed stays."
        )
    raise InstallationError(
        f"pip could not install {arguments[-1]}: {last_line(text)} "
        f"(everything it said is in {os.path.relpath(log_path)})"
    )


def torch_pin(root):
    """The pinned requirement of torch, such as ``torch==2.13.0``."""
    with open(os.path.join(root, "constraints.txt"), encoding="utf-8") as file:
        return next(line.split(";")[0].strip() for line in file if line.startswith("torch=="))


def install_torch(root, venv, gpu):
    """Install torch alone: the build for this machine. Returns a note on where it came from.

    PyPI's Linux build of torch brings CUDA (several GB); PyTorch's own index has a CPU build.
    macOS and Windows get a build without CUDA from PyPI anyway.
    """
    pin = torch_pin(root)
    ask = "import importlib.metadata as m; print(m.version('torch'))"
    installed = run([python_of(venv), "-I", "-c", ask])
    if installed.returncode == 0 and installed.stdout.split("+")[0].strip() == pin.split("==")[1]:
        return "already there"
    if gpu or platform.system() != "Linux":
        pip_install(root, venv, pin)
        return "CUDA build" if gpu else "CPU build"
    if answers(CPU_INDEX):
        with contextlib.suppress(InstallationError):
            pip_install(root, venv, "--no-deps", "--index-url", CPU_INDEX, pin)
            return "CPU build, PyTorch's own index"
    pip_install(root, venv, pin)
    return "PyTorch's own index did not answer: pip's index"


def check_disk(root, gpu, extras):
    """Raise InstallationError where the disk cannot hold the environment."""
    free = shutil.disk_usage(root).free
    needed = NEEDED["cuda" if gpu else "cpu"]
    if set(extras) - {"lab"}:
        needed += NEEDED_BESIDES_LAB
    if free < needed:
        raise InstallationError(
            f"The set-up needs about {needed / GIGABYTE:.1f} GB of disk and "
            f"{free / GIGABYTE:.1f} GB are free: make room and run the same command again."
        )


def install(root, extras):
    """Bring ``root/.venv`` to the state that ``pyproject.toml`` and the extras ask for."""
    venv = os.path.join(root, ".venv")
    key = metadata_key(root)
    stamp = read_stamp(venv)
    have = set(stamp.get("extras", [])) if stamp.get("key") == key else set()
    if set(extras) <= have and is_sound(venv):
        print("aidagen: .venv is up to date ({})".format(", ".join(sorted(have))), flush=True)
        return
    begin = time.monotonic()
    gpu = has_nvidia_gpu()
    if not os.path.exists(python_of(venv)):
        check_disk(root, gpu, extras)
    all_extras = sorted(have | set(extras))
    print("aidagen: setting up .venv for {}".format(", ".join(all_extras)), flush=True)
    with contextlib.suppress(OSError):
        os.remove(os.path.join(venv, STAMP))  # until the end it counts as unfinished
    with step("virtual environment, Python " + platform.python_version()) as note:
        note(make_environment(venv))
    broken = drop_broken(venv)
    if broken:
        print("  not complete, installed again: " + ", ".join(broken), flush=True)
    with step(torch_pin(root)) as note:
        note(install_torch(root, venv, gpu))
    with step("aidagen and its packages") as note:
        pip_install(root, venv, "-e", ".[{}]".format(",".join(all_extras)))
    with step("first import"):
        check = "import torch, aidagen"
        check += ", jupyterlab.labapp, ipykernel.kernelapp" if "lab" in all_extras else ""
        tried = run([python_of(venv), "-c", check], cwd=root)
        if tried.returncode:
            raise InstallationError(
                f"The installation does not work ({last_line(tried.stdout)}): delete .venv and "
                "run the same command again."
            )
    write_stamp(venv, {"key": key, "extras": all_extras})
    print(f"{time.monotonic() - begin:9.1f} s  in all", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Set up .venv beside pyproject.toml.")
    parser.add_argument("--extras", default="lab", help="of pyproject.toml, with commas")
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), os.pardir))
    options = parser.parse_args()
    try:
        python = suitable_python()
        if python != sys.executable:
            return subprocess.call([python, "-I", *sys.argv])
        install(os.path.realpath(options.root), options.extras.split(","))
        return 0
    except InstallationError as problem:
        print(f"aidagen: {problem}", file=sys.stderr)
        return 2
    except OSError as problem:
        print(f"aidagen: the set-up could not write or read: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\naidagen: stopped; the same command goes on from here.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
