"""Files that are whole or not there: everything this project writes goes through here.

    with files.replacing(path) as part:     # a temporary file beside `path`
        save_file(state, part)              # it takes the place of `path` when the block ends well
    files.write_text(path, "...")
    with files.writing(path):               # where another package does the writing
        other.save(path)

A reader, and a process that is killed in between, sees the old file or the new one. A full disk,
a folder without permission and the like become one sentence, always the same.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aidagen.errors import AidagenError

LONGEST = 80  # bytes of the name that a temporary name repeats; file systems allow 255 in all
PART = ".part"  # the end of temporary names


# what helps against what a file system says; the rest gets both
ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
LEAVE = {errno.EACCES, errno.EPERM, errno.EROFS}


class FileError(AidagenError):
    """A file that cannot be written: no room, no permission, a folder in its place."""


class InUse(FileError):
    """A lock that another process holds."""


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Say in a ``FileError`` that ``path`` cannot be written where the block meets an OSError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "make room, or choose a folder that you may write to"
        if error.errno in ROOM:
            remedy = "make room there, or choose a folder on another disk"
        elif error.errno in LEAVE:
            remedy = "choose a folder that you may write to"
        raise FileError(
            f"{path} cannot be written ({reason[:1].lower()}{reason[1:]}); {remedy}."
        ) from error


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
        with writing(path):
            target = path.resolve()
            target.parent.mkdir(parents=True, exist_ok=True)
            name = f".{shortened(target)}-"
            handle, part = tempfile.mkstemp(prefix=name, suffix=PART, dir=target.parent)
            os.close(handle)
            yield Path(part)
            os.chmod(part, 0o666 & ~umask())
            with open(part, "rb") as file:
                os.fsync(file.fileno())
            os.replace(part, target)
    finally:
        if part is not None:
            with suppress(OSError):  # a folder may have become read-only in between
                Path(part).unlink(missing_ok=True)


@contextmanager
def new_folder(path: str | os.PathLike) -> Iterator[Path]:
    """An empty folder beside ``path``, which becomes ``path`` when the block ends well, and
    vanishes otherwise.

    Raises ``FileError`` where there is a file or a folder with something in it already, and where
    the file system refuses.
    """
    path, made = Path(path).absolute(), None
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise FileError(f"There is something at {path} already; give another name, or remove it.")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=f".{shortened(path)}-", dir=path.parent))
            yield made
            made.chmod(0o777 & ~umask())
            os.replace(made, path)
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def remove_leftovers(path: str | os.PathLike) -> None:
    """Remove temporary files of ``path`` that killed processes left; nobody else may write now."""
    target = Path(path).resolve()
    start = f".{shortened(target)}-"
    with writing(path):
        for part in target.parent.glob(f".*{PART}"):
            if part.name.startswith(start) and len(part.name) == len(start) + 8 + len(PART):
                part.unlink(missing_ok=True)


def check_folder(folder: str | os.PathLike) -> None:
    """Raise ``FileError`` where nothing can be written into ``folder``; it is made if it lacks."""
    with writing(folder):
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")


def rescue(name: str, content: bytes) -> Path | None:
    """Keep what its own folder refused as file ``name`` in a new folder of the system's temporary
    one; None where that fails, too."""
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix="aidagen-"))
        write_bytes(folder / name, content)
        return folder / name
    except (OSError, FileError):
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        return None


@contextmanager
def locked(path: str | os.PathLike, held: str, wait: bool = False) -> Iterator[None]:
    """Hold the lock file ``path``, which no two processes have; it is free when its holder ends,
    however it ends (kill -9, power). The empty file itself stays.

    Raises ``InUse`` with the sentence ``held`` where somebody else has it, unless the call should
    ``wait``, and ``FileError`` where it cannot be made.
    """
    from filelock import FileLock, Timeout  # 65 ms, which most of those who write do not need

    lock, folder = FileLock(path), Path(path).parent
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout as error:
            raise InUse(held) from error
    try:
        yield
    finally:
        lock.release()


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


def shortened(target: Path) -> str:
    """The beginning of a name, short enough to be a part of another one."""
    return target.name.encode(errors="ignore")[:LONGEST].decode(errors="ignore")


def umask() -> int:
    """The permission bits that new files and folders of this process do without."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
