"""Files that are whole or not there: everything this project writes goes through here.

    with files.replacing(path) as part:     # a temporary file beside `path`
        save_file(state, part)              # it takes the place of `path` when the block ends well
    files.write_text(path, "...")

A reader, and a process that is killed in between, sees the old file or the new one.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aidagen.errors import AidagenError

LONGEST = 80  # bytes of the name that a temporary name repeats; file systems allow 255 in all


class FileError(AidagenError):
    """A file that cannot be written: no room, no permission, a folder in its place."""


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary file beside ``path`` (through a link: beside the file that it names).

    When the block ends without an exception the file is on the disk and has taken the place of
    ``path``, with the permissions of a file that the user makes; otherwise ``path`` is as it was.
    No temporary file is left behind. Folders that lack are made.

    Raises ``FileError`` where the file system refuses.
    """
    path = Path(path)
    part = None
    try:
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        start = target.name.encode(errors="ignore")[:LONGEST].decode(errors="ignore")
        handle, part = tempfile.mkstemp(prefix=f".{start}-", suffix=".part", dir=target.parent)
        os.close(handle)
        yield Path(part)
        os.chmod(part, 0o666 & ~_umask())
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileError(
            f"{path} cannot be written ({reason[:1].lower()}{reason[1:]}); make room, or choose a "
            "folder that you may write to."
        ) from error
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Write ``content``, atomically. Raises ``FileError``."""
    with replacing(path) as part:
        part.write_bytes(content)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write ``text`` as UTF-8 with line feeds, atomically. Raises ``FileError``."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike, value: object, indent: int | None = 1) -> None:
    """Write ``value`` as JSON with a line feed at its end, atomically; NaN is refused.

    Raises ``FileError``, and ``ValueError`` for what JSON cannot say.
    """
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
