"""Fetching against a registry of our own on the loopback: pinned, resumable, atomic."""

import errno
import hashlib
import http.server
import io
import json
import tarfile
import threading
import time
import zipfile
from typing import ClassVar

import pytest
from faults import Disk, leftovers

from aidagen import sources
from aidagen.errors import AidagenError


class Registry(http.server.BaseHTTPRequestHandler):
    """An npm and a PyPI in one; ``state`` says how it misbehaves."""

    files: ClassVar[dict[str, bytes]] = {}
    state: ClassVar[dict] = {}

    def do_GET(self):
        host = f"http://127.0.0.1:{self.server.server_port}"
        self.state.setdefault("log", []).append((self.path, self.headers.get("Range")))
        name = self.path.rsplit("/", 1)[-1]
        if name in self.files:
            time.sleep(self.state.get("slow", 0))
            body, start = self.files[name], 0
            if self.headers.get("Range") and not self.state.get("no_range"):
                start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
                self.send_response(206)
            else:
                self.send_response(200)
            body = body[start:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = self.state.pop("cut_after", len(body))
            self.wfile.write(body[:cut])
            if cut < len(body):
                self.wfile.flush()
                self.connection.close()
            return
        if self.path.startswith("/npm/"):
            reply = {"dist": {"tarball": f"{host}/files/thing-1.0.tgz"}}
        else:
            reply = {"files": [{"filename": "thing-1.0.whl", "url": f"{host}/files/thing-1.0.whl"}]}
        text = self.state.get("index") or json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


def archive(kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "npm":
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            data = b"x" * 4000
            entry = tarfile.TarInfo("package/a/b.txt")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    else:
        with zipfile.ZipFile(out, "w") as z:
            z.writestr("a/b.txt", "y" * 4000)
    return out.getvalue()


@pytest.fixture
def registry(monkeypatch, tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"{address}/npm")
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "home with space"))
    Registry.files = {"thing-1.0.tgz": archive("npm"), "thing-1.0.whl": archive("pypi")}
    Registry.state = {}
    pins = {}
    for kind, file in (("npm", "thing-1.0.tgz"), ("pypi", "thing-1.0.whl")):
        data = Registry.files[file]
        digest = hashlib.sha256(data).hexdigest()
        pins[kind] = sources.Source(kind, "thing", "1.0", file, digest, len(data), "CC0", "a thing")
    monkeypatch.setattr(sources, "SOURCES", pins)
    yield Registry
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind, member", [("npm", "package/a/b.txt"), ("pypi", "a/b.txt")])
def test_a_member_is_fetched_once(registry, kind, member):
    path = sources.extract(kind, member)
    assert path.read_text() == ("x" if kind == "npm" else "y") * 4000
    asked = len(registry.state["log"])
    assert sources.extract(kind, member) == path
    assert len(registry.state["log"]) == asked  # the second time needs no network
    assert not list(sources.home().rglob("*.part"))


def test_a_broken_download_goes_on_where_it_stopped(registry):
    registry.state["cut_after"] = 50
    with pytest.raises(sources.SourceError, match="continues where it stopped"):
        sources.fetch("npm")
    part = next(sources.home().rglob("*.part"))
    assert part.stat().st_size == 50
    sources.fetch("npm")
    assert registry.state["log"][-1][1] == "bytes=50-"
    assert not part.exists()


def test_a_server_that_cannot_resume_sends_it_all(registry):
    registry.state["cut_after"] = 50
    with pytest.raises(sources.SourceError):
        sources.fetch("npm")
    registry.state["no_range"] = True
    assert hashlib.sha256(sources.fetch("npm").read_bytes()).hexdigest() == (
        sources.SOURCES["npm"].sha256
    )


def test_another_file_than_the_pinned_one_is_refused(registry):
    registry.files["thing-1.0.tgz"] = b"z" * len(registry.files["thing-1.0.tgz"])
    with pytest.raises(sources.SourceError, match="was pinned"):
        sources.fetch("npm")
    assert not list((sources.home() / "archives").glob("thing*"))


def test_no_network_is_one_sentence(registry, monkeypatch):
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    with pytest.raises(sources.SourceError, match="Could not download thing") as caught:
        sources.fetch("npm")
    assert "\n" not in str(caught.value)


def test_unknown_names_and_members(registry):
    with pytest.raises(sources.SourceError, match="known are npm, pypi"):
        sources.fetch("nothing")
    with pytest.raises(sources.SourceError, match="no file named"):
        sources.extract("npm", "package/none.txt")
    with pytest.raises(sources.SourceError, match="no file named"):
        sources.extract("pypi", "none.txt")


def test_a_home_that_cannot_be_written(registry, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path / "file"))
    with pytest.raises(sources.SourceError, match="AIDAGEN_HOME"):
        sources.fetch("npm")


def test_every_real_pin_is_complete():
    for name, source in sources.SOURCES.items():
        assert len(source.sha256) == 64 and source.size > 1e6 and source.licence, name


def test_two_processes_download_once(registry):
    """The second waits for the first, and finds its file."""
    files, asked = [], len(registry.state.get("log", []))
    threads = [threading.Thread(target=lambda: files.append(sources.fetch("npm"))) for _ in "ab"]
    registry.state["slow"] = 0.3
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files[0] == files[1] and files[0].exists()
    assert sum("/files/" in path for path, _ in registry.state["log"][asked:]) == 1


@pytest.mark.parametrize("answer", [b"<html>Log in</html>", b"[]", b"{}", b'{"dist": 3}'])
@pytest.mark.parametrize("kind", ["npm", "pypi"])
def test_a_log_in_page_in_place_of_the_index_is_one_sentence(registry, kind, answer):
    registry.state["index"] = answer
    with pytest.raises(sources.SourceError, match="does not answer as a package index does; check"):
        sources.fetch(kind)


@pytest.mark.parametrize("fault", ["written", "flushed", "renamed"])
def test_a_full_disk_keeps_what_was_downloaded(registry, monkeypatch, fault):
    full = OSError(errno.ENOSPC, "No space left on device")

    class Full(io.BytesIO):
        def write(self, block):
            raise full

    def refuse(*_):
        raise full

    with monkeypatch.context() as patch:
        if fault == "written":
            patch.setattr(sources, "open", lambda path, mode: Full(), raising=False)
        elif fault == "flushed":
            patch.setattr(sources, "download", refuse)
        else:
            patch.setattr(sources.os, "replace", refuse)
        with pytest.raises(AidagenError, match=r"cannot be written .no space left.*make room"):
            sources.fetch("npm")
    assert sources.fetch("npm").exists()
    assert not list(sources.home().rglob("*.part"))


def test_a_member_on_a_full_disk_leaves_nothing_half(registry, monkeypatch):
    with monkeypatch.context() as patch:
        Disk(patch, "full disk while writing", "b.txt")
        with pytest.raises(AidagenError, match=r"b\.txt cannot be written .no space left"):
            sources.extract("pypi", "a/b.txt")
    assert not leftovers(sources.home())
    assert sources.extract("pypi", "a/b.txt").stat().st_size == 4000


def test_a_folder_is_no_member(registry):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        folder = tarfile.TarInfo("package")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    archives = sources.home() / "archives"
    archives.mkdir(parents=True)
    (archives / "thing-1.0.tgz").write_bytes(out.getvalue())
    with pytest.raises(sources.SourceError, match="no file named package"):
        sources.extract("npm", "package")
