"""JupyterLab for the course: the start notebook in the browser, no news, no accounts.

``make lab`` runs ``python -m aidagen.publishing.lab``; ``aidagen lab`` calls :func:`serve`.
Students work in copies (:mod:`aidagen.publishing.copies`); the notebooks of the course are never
edited.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from aidagen import files
from aidagen.errors import AidagenError
from aidagen.failures import guarded
from aidagen.publishing import copies

OVERRIDES = {  # JupyterLab's own settings, as the course wants them on the first start
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": False,
    },
    "@jupyterlab/docmanager-extension:plugin": {"autosaveInterval": 60},
    "@jupyterlab/notebook-extension:tracker": {"recordTiming": False},
}


EXTENSIONS = Path(__file__).parent / "labextensions"  # the course's own extension of JupyterLab


def start_notebook(root: Path) -> Path | None:
    """The copy to open first, relative to ``root``: that of the first lecture there is."""
    folder = root / copies.FOLDER
    lectures = sorted(p for p in folder.glob("*.ipynb") if copies.LECTURE.fullmatch(p.name))
    return lectures[0].relative_to(root) if lectures else None


def free_port(port: int) -> int:
    """``port``, or the first free one of the twenty after it.

    Raises AidagenError where all of them are taken.
    """
    for candidate in range(port, port + 21):
        with contextlib.closing(socket.socket()) as probe:
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", candidate))
                return candidate
    raise AidagenError(f"Ports {port} to {port + 20} are taken: choose another one with --port.")


def settings(root: Path) -> dict[str, str]:
    """Folders of the course's own Jupyter settings, under ``root/.jupyter``, as environment.

    They keep the course out of the user's Jupyter configuration (and the other way round).
    """
    home = root / ".jupyter"
    folders = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTERLAB_SETTINGS_DIR": home / "config" / "lab" / "user-settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "config" / "lab" / "workspaces",
    }
    try:
        for folder in (*folders.values(), home / "defaults"):
            folder.mkdir(parents=True, exist_ok=True)
        target, text = home / "defaults" / "overrides.json", json.dumps(OVERRIDES, indent=1) + "\n"
        if not target.exists() or target.read_text() != text:
            files.write_text(target, text)
        leave_the_deck(folders["JUPYTERLAB_SETTINGS_DIR"])
    except OSError as problem:
        raise AidagenError(
            f"The course folder is not writable ({problem.strerror}): copy it to a folder of "
            "yours and start again."
        ) from problem
    return {name: str(folder) for name, folder in folders.items()}


def leave_the_deck(settings_folder: Path) -> None:
    """Let no stored setting open JupyterLab inside the deck, where it has no menus.

    The course's extension keeps that setting from being stored; this is for older folders.
    """
    stored = settings_folder / "jupyterlab-slideshow" / "plugin.jupyterlab-settings"
    if stored.exists():
        text = stored.read_text(encoding="utf-8")
        left = re.sub(r'("active"\s*:\s*)true', r"\1false", text)
        if left != text:
            files.write_text(stored, left)


def command(
    root: Path, port: int, browser: bool, first: Path | None = None, alone: bool = False
) -> list[str]:
    """The command line of the server; ``first`` is the notebook to open, relative to root.

    ``alone``: that notebook is all there is to see, without the file browser.
    """
    line = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ip=127.0.0.1",
        f"--port={port}",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.app_settings_dir={root / '.jupyter' / 'defaults'}",
        f"--LabApp.extra_labextensions_path={EXTENSIONS}",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--ServerApp.answer_yes=True",
    ]
    if first is not None:
        mode = "doc" if alone else "lab"
        line.append(f"--LabApp.default_url=/{mode}/tree/{first.as_posix()}")
    if not browser:
        line.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        line.append("--allow-root")
    return line


def trust(root: Path, more: Sequence[Path] = ()) -> None:
    """Mark notebooks, their copies and ``more`` as trusted: stored clips and widgets are shown.

    A copy that was edited is left as Jupyter knows it: whoever edits it in JupyterLab keeps its
    trust; what came from elsewhere into ``work/`` gets none here.
    """
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary(data_dir=str(root / ".jupyter" / "data"))
    own = sorted((root / "notebooks").glob("*.ipynb"))
    for path in (*own, *copies.untouched(root), *more):
        with contextlib.suppress(OSError, ValueError, sqlite3.Error, nbformat.ValidationError):
            notary.sign(nbformat.read(path, as_version=4))


def serve(root: Path | str | None = None, port: int = 8888, browser: bool = True) -> int:
    """Serve JupyterLab on the course folder ``root`` until it is stopped.

    On POSIX this process becomes the server, so that a signal to it ends the server; elsewhere
    the server's exit status is returned.

    ``root`` is the folder that holds ``notebooks/``: by default the current folder or one
    above it, else the one this package lies in. The next free port from ``port`` on is taken.
    The environment variable ``JUPYTER_NO_BROWSER`` keeps the browser closed as well.
    Raises AidagenError where JupyterLab is missing or the folder cannot be used.
    """
    require()
    root = find_root() if root is None else Path(root).resolve()
    if not root.is_dir():
        raise AidagenError(f"There is no folder {root} to serve.")
    environment = settings(root)
    for sentence in copies.refresh(root):
        print(f"aidagen: {sentence}", flush=True)
    trust(root)
    first = start_notebook(root)
    line = command(root, free_port(port), wanted(browser), first)
    print(f"aidagen: JupyterLab opens {first or 'the course folder'}; Ctrl-C ends it.", flush=True)
    return become(line, root, environment)


def require() -> None:
    """Raise AidagenError where JupyterLab is missing."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise AidagenError(
            'JupyterLab is not installed: run `make venv`, or pip install -e ".[lab]".'
        )


def wanted(browser: bool) -> bool:
    """Whether a browser is to be opened; ``JUPYTER_NO_BROWSER`` keeps it closed."""
    return browser and os.environ.get("JUPYTER_NO_BROWSER", "0") in ("", "0")


def become(line: list[str], root: Path, settings: dict[str, str]) -> int:
    """Run the server's command in ``root``; on POSIX in place of this process."""
    environment = {**os.environ, **settings}
    environment.setdefault("GOMP_SPINCOUNT", "0")  # idle threads of a kernel sleep
    if os.name == "posix":
        os.chdir(root)
        os.execve(line[0], line, environment)
    try:
        return subprocess.call(line, env=environment, cwd=root)
    except KeyboardInterrupt:
        return 0


def find_root() -> Path:
    """The course folder: the current one or one above it, else where this package lies."""
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[2]):
        if (folder / "notebooks").is_dir() and (folder / "aidagen").is_dir():
            return folder
    return here


def main() -> int:
    parser = argparse.ArgumentParser(prog="make lab", description="Serve the course.")
    parser.add_argument("--root", default=None, help="the folder that holds notebooks/")
    parser.add_argument("--port", type=int, default=8888)
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    try:
        return serve(options.root, options.port, not options.no_browser)
    except AidagenError as problem:
        print(f"aidagen: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(guarded(main))
