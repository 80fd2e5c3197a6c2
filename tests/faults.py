"""Faults of a disk, at each of the places where a file system can refuse a write."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

# what happens: the errno, and the call that meets it
FAULTS = {
    "full disk while writing": (errno.ENOSPC, "write"),
    "quota exceeded": (errno.EDQUOT, "write"),
    "full disk while flushing": (errno.ENOSPC, "fsync"),
    "failing disk": (errno.EIO, "replace"),
    "folder without permission": (errno.EACCES, "create"),
    "read-only file system": (errno.EROFS, "create"),
}


class Disk:
    """A disk that refuses to write files whose names hold ``name``, until it is no more `broken`.

    Only those below the folder ``limit``, where it is given; the first ``after`` of them are
    written. ``refused`` counts the others.
    """

    def __init__(self, monkeypatch, fault, name="", limit="/", after=0):
        number, call = FAULTS[fault]
        self.broken, self.refused, self.name, self.after = True, 0, name, after
        self.limit = Path(limit).resolve()
        self.error = OSError(number, os.strerror(number))
        self.last = ""  # the temporary file made last, which is the next to be flushed

        def meets(path):
            path = Path(path).resolve()
            if not (self.broken and path.is_relative_to(self.limit) and name in path.name):
                return False
            self.after -= 1
            self.refused += self.after < 0
            return self.after < 0

        def write(path, content, real=Path.write_bytes):
            if not meets(path):
                return real(path, content)
            real(path, content[: len(content) // 2])
            raise self.error

        def copy(source, target, real=shutil.copyfile):
            if not meets(target):
                return real(source, target)
            Path(target).write_bytes(b"half")
            raise self.error

        def create(suffix=None, prefix=None, dir=None, real=tempfile.mkstemp):
            if call == "create" and meets(Path(dir) / prefix):
                raise self.error
            made = real(suffix, prefix, dir)
            self.last = made[1]
            return made

        def fsync(handle, real=os.fsync):
            if meets(self.last):
                raise self.error
            return real(handle)

        def replace(source, target, real=os.replace):
            if meets(target):
                raise self.error
            return real(source, target)

        monkeypatch.setattr(tempfile, "mkstemp", create)
        if call == "write":
            monkeypatch.setattr(Path, "write_bytes", write)
            monkeypatch.setattr(shutil, "copyfile", copy)
        elif call != "create":
            monkeypatch.setattr(os, call, {"fsync": fsync, "replace": replace}[call])


def leftovers(folder):
    """Temporary files that somebody should have removed."""
    return [path for path in Path(folder).rglob("*.part")]
