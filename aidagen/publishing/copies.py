"""Students' copies: ``notebooks/NN_name.ipynb`` without solutions, as ``work/NN_name.ipynb``.

The notebooks of the course are never edited, so that a newer version of the course can be
fetched at any time. A copy that nobody has edited follows the course; one that somebody has
edited is left alone, and the newer lecture is laid beside it as ``NN_name.new.ipynb``. What each
copy looked like when it was made stands in ``work/.copies.json``.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aidagen import files
from aidagen.errors import AidagenError

if TYPE_CHECKING:
    from nbformat import NotebookNode

FOLDER = "work"
MANIFEST = ".copies.json"
LECTURE = re.compile(r"\d\d_\w+\.ipynb")
NOT_FOR_STUDENTS = frozenset({"solution", "instructor"})
FOLDED = frozenset({"hide-input", "check"})


def without_answers(notebook: NotebookNode, speaker_notes: bool = False) -> NotebookNode:
    """A copy of a notebook as a student gets it: no solutions, no notes for the instructor.

    Outputs stay, except the verdicts of checks, which belong to answers that are gone. The metadata
    by which jupytext pairs the original with its text is removed.
    """
    import copy

    student = copy.deepcopy(notebook)
    student.cells = [cell for cell in student.cells if not _hidden(cell, speaker_notes)]
    for cell in student.cells:
        if cell.cell_type == "code" and "check" in tags(cell):
            cell.outputs, cell.execution_count = [], None
    student.metadata.pop("jupytext", None)
    return student


def _hidden(cell: NotebookNode, speaker_notes: bool) -> bool:
    """Solutions, what instructors are told, and, unless wanted, speaker notes."""
    kind = cell.metadata.get("slideshow", {}).get("slide_type")
    return bool(tags(cell) & NOT_FOR_STUDENTS) or (kind == "notes" and not speaker_notes)


def tags(cell: NotebookNode) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))


def folded(cell: NotebookNode) -> bool:
    """Whether only the output of a code cell is shown: it sets up, draws, or tries an answer."""
    return cell.cell_type == "code" and bool(tags(cell) & FOLDED)


def content_hash(text: str) -> str | None:
    """SHA-256 of the cells' types and sources: opening, running and saving do not change it.

    None for a text that is no notebook.
    """
    try:
        cells = json.loads(text)["cells"]
        listed = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (ValueError, KeyError, TypeError):
        return None
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def refresh(root: Path) -> Iterator[str]:
    """Make or renew the copies in ``root/work``; yields a sentence for each that was set aside.

    Raises AidagenError where the folder cannot be written.
    """
    folder = root / FOLDER
    originals = sorted(p for p in (root / "notebooks").glob("*.ipynb") if LECTURE.fullmatch(p.name))
    try:
        if originals:
            folder.mkdir(exist_ok=True)
        manifest = _manifest(folder)
        for original in originals:
            if sentence := _refresh_one(original, folder, manifest):
                yield sentence
    except OSError as problem:
        raise AidagenError(
            f"Your copies cannot be written into {FOLDER}/ ({problem.strerror or problem}): "
            "make that folder writable and start again."
        ) from problem


def untouched(root: Path) -> list[Path]:
    """The copies that are, byte for byte, as the course made them, outputs included."""
    given = {_student_text(path) for path in (root / "notebooks").glob("*.ipynb")}
    return [p for p in sorted((root / FOLDER).glob("*.ipynb")) if _read(p) in given]


def _refresh_one(original: Path, folder: Path, manifest: dict[str, dict]) -> str | None:
    seen = hashlib.sha256(original.read_bytes()).hexdigest()
    target = folder / original.name
    entry = manifest.setdefault(original.name, {"original": "", "given": []})
    if target.exists() and entry["original"] == seen:
        return None
    text = _student_text(original)
    if text is None:
        return f"{original.name} cannot be read and was not copied: run `git checkout notebooks`."
    new, given = content_hash(text), entry["given"]
    sentence = None
    if not target.exists() or _hash(target) in (*given, new):
        files.write_text(target, text)
    else:
        beside = next(p for p in _beside(target) if not p.exists() or _hash(p) in (*given, new))
        files.write_text(beside, text)
        sentence = (
            f"{original.name} changed in the course; your edited copy stays, and the new one "
            f"lies beside it as {FOLDER}/{beside.name}."
        )
    entry["original"] = seen
    if new not in given:
        given.append(new)
    files.write_json(folder / MANIFEST, dict(sorted(manifest.items())))
    return sentence


def _beside(target: Path) -> Iterator[Path]:
    """``NN_name.new.ipynb``, then ``.new2``, ``.new3``, ... where those were edited as well."""
    yield target.with_suffix(".new.ipynb")
    for ordinal in itertools.count(2):
        yield target.with_suffix(f".new{ordinal}.ipynb")


def _student_text(original: Path) -> str | None:
    import nbformat

    try:
        notebook = without_answers(nbformat.read(original, as_version=4))
        return nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"
    except Exception:  # nbformat raises its own, json's and Unicode's errors
        return None


def _hash(path: Path) -> str | None:
    return content_hash(_read(path))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _manifest(folder: Path) -> dict[str, dict]:
    """What is known of the copies; nothing where the file is missing or broken."""
    try:
        entries = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {
        name: {"original": entry.get("original", ""), "given": given}
        for name, entry in (entries.items() if isinstance(entries, dict) else ())
        if isinstance(entry, dict) and isinstance(given := entry.get("given", []), list)
    }
