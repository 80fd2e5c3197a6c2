"""Reading what `torch.save` wrote, by us or by the authors of a paper, without running its code.

    stored = checkpoints.read("vox-cpk.pth.tar")

A file that torch cannot read safely is looked at, so that the sentence says what it is: the web
page that Google Drive sends in place of a large file, a pointer of Git LFS, an archive, a download
that was cut short, a pickle that would run code.
"""

import os
import re
import warnings
import zipfile
from html import unescape
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch

from aidagen.errors import AidagenError

DOWNLOAD = "download it again"

# numbers and arrays of numpy, as optimizers and schedules leave them in a checkpoint, under the
# names of numpy 1 and 2; arrays of Python objects are not among them
_NUMBERS = [type(np.dtype(code)) for code in "?" + np.typecodes["AllInteger"] + "efdgFDG"]
_SAFE = [np.ndarray, np.dtype, *_NUMBERS] + [
    (made.__reduce__()[0], f"numpy.{core}.multiarray.{name}")
    for made, name in ((np.float64(0), "scalar"), (np.zeros(1), "_reconstruct"))
    for core in ("core", "_core")
]

_ARCHIVES = {  # first bytes: what it is
    b"\x1f\x8b": "a gzip archive", b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive", b"Rar!": "a RAR archive",
}  # fmt: skip


_OTHERS = {
    b"\x89HDF": "an HDF5 file", b"\xff\xd8\xff": "a JPEG picture", b"\x89PNG": "a PNG picture",
    b"GIF8": "a GIF picture", b"%PDF": "a PDF document",
}  # fmt: skip


class CheckpointError(AidagenError):
    """A file that is no checkpoint, or none that can be read safely."""


def read(
    file: str | os.PathLike, remedy: str = DOWNLOAD, device: str | torch.device = "cpu"
) -> object:
    """What ``torch.save`` put into ``file``: tensors, numbers, text and containers of them.

    Files of every torch are read, those of the years before archives and of Python 2 included, the
    texts of the latter as Latin-1. Nothing in the file is executed.

    Raises ``CheckpointError`` that says what the file is instead, with ``remedy``.
    """
    file = Path(file)
    if file.is_dir():
        raise CheckpointError(f"{file} is a folder; give the checkpoint itself, not unpacked.")
    if not file.exists():
        raise CheckpointError(f"There is no file {file}.")
    try:
        with open(file, "rb") as stream:
            stream.read(1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CheckpointError(f"{file} cannot be read ({reason}).") from error
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_SAFE):
            warnings.simplefilter("ignore")  # of protocols: what cannot be read ends in a sentence
            return torch.load(file, map_location=device, weights_only=True, encoding="latin1")
    except Exception as error:  # those of pickle, zip and torch have nothing in common
        what, remedy = _fault(file, error, remedy)
        raise CheckpointError(f"{file} is no readable checkpoint: it {what}; {remedy}.") from error


def _fault(file: Path, error: Exception, remedy: str) -> tuple[str, str]:
    """What a file is that torch refused with ``error``, and what to do."""
    size = file.stat().st_size
    with open(file, "rb") as stream:
        head = stream.read(4096)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head:
        return "is empty", remedy
    if start.startswith(b"<"):
        title = re.search(rb"<title[^>]*>(.*?)</title>", head, re.I | re.S)
        named = unescape(title[1].decode(errors="replace")).strip()[:80] if title else ""
        return (
            f"is a web page{f' ({named})' if named else ''}, as servers send it in place of a file",
            "open its link in a browser, confirm what the page asks, and keep the file that comes "
            "then (Google Drive refuses files that were fetched too often: try again a day later)",
        )
    if start.startswith(b"version https://git-lfs"):
        return (
            "is a pointer of Git LFS to the file, not the file",
            "run `git lfs pull` where it was cloned, or download it from the repository's page",
        )
    if not head.strip(b"\0"):
        return "begins with zeros, as a download that has not come to its end", remedy
    for magic, kind in _OTHERS.items():
        if head.startswith(magic):
            return f"is {kind}", "give the file that torch.save wrote"
    for magic, kind in _ARCHIVES.items():
        if head.startswith(magic):
            return f"is {kind}", "unpack it and give the checkpoint that lies in it"
    if head[257:262] == b"ustar":
        return "is a tar archive", "unpack it and give the checkpoint that lies in it"
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < size:
        return "is a safetensors file", "give the file that torch.save wrote"
    if head.startswith(b"PK") and zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            inside = archive.namelist()
        if not any(name.endswith("data.pkl") for name in inside):
            return (
                f"is a zip archive of {', '.join(inside[:3]) or 'nothing'}",
                "unpack it and give the checkpoint that lies in it",
            )
    if start[:64].isascii() and start[:64].decode("ascii").isprintable():
        return f"is a text that begins with {start[:40].decode('ascii')!r}", remedy
    text = str(error)
    if isinstance(error, UnpicklingError) and re.search("GLOBAL|Can only|Trying to call", text):
        found = re.search(r"GLOBAL ([\w.]+)", text)
        return (
            f"holds {found[1] if found else 'objects'}, which could run somebody's code",
            "only tensors, numbers and text are read: where you trust it, open it with its "
            "authors' code and save the state_dict() of each model",
        )
    if head.startswith((b"\x80", b"PK")) and re.search("Unsupported operand|TorchScript", text):
        return (
            "was written in a way that torch does not read safely",
            "open it with its authors' code and save it again with torch.save, protocol 2",
        )
    if isinstance(error, MemoryError):
        return "does not fit into memory", "close other programs, or use a larger machine"
    return f"is cut short or damaged ({size:,} bytes; {type(error).__name__})", remedy


def plain_state(state: object, depth: int = 3) -> object:
    """A state dictionary, or a container of some, as a bare model would have saved it.

    The prefixes of `DataParallel` and of a compiled model go, keys of bytes become text, and
    numpy's arrays become tensors. Whatever else there is stays, as does what lies deeper.
    """
    if isinstance(state, np.ndarray) and state.dtype.kind in "biuf" and state.itemsize <= 8:
        return torch.from_numpy(state.copy())
    if not isinstance(state, dict) or not depth:
        return state
    state = {
        key.decode("latin1") if isinstance(key, bytes) else key: plain_state(value, depth - 1)
        for key, value in state.items()
    }
    for prefix in ("module.", "_orig_mod.", "module."):  # one may be in the other
        if state and all(str(key).startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state
