"""Get the authors' First Order Motion checkpoints onto this machine, for 256 x 256 results.

    python data_scripts/get_published_weights.py                      # what there is
    python data_scripts/get_published_weights.py vox-adv-256          # download, check, install
    python data_scripts/get_published_weights.py vox-256 --file vox-cpk.pth.tar   # your own copy

Afterwards: aidagen animate SOURCE DRIVING out.mp4 --model fomm-vox-adv-256

The files are the authors' (code MIT; the checkpoints come without terms of their own, and the
footage they were trained on has its own rights). None of the links could be tried when this was
written: they are labelled "untested", no hash is known in advance, and what was downloaded is
checked against the published architecture key by key and by its SHA-256 from then on.
"""

import argparse
import hashlib
import json
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import NamedTuple

from aidagen import checkpoints, sources, zoo
from aidagen.errors import AidagenError
from aidagen.failures import guarded
from aidagen.models import fomm

YANDEX = "https://yadi.sk/d/lEw8uRm140L_eQ"  # the folder named in the authors' README
DRIVE = "https://drive.google.com/open?id=1PyQJmkdCsAkOYwUyaj_l-l0as-iLDgeH"  # by hand


class Published(NamedTuple):
    file: str  # in the authors' folder; only vox-cpk is named in their README
    mirror: str | None = None


FILES = {
    "vox-256": Published("vox-cpk.pth.tar"),
    "vox-adv-256": Published(
        "vox-adv-cpk.pth.tar",
        "https://huggingface.co/spaces/abhishek/first-order-motion-model/resolve/main/weights/"
        "vox-adv-cpk.pth.tar",
    ),
    "taichi-256": Published("taichi-cpk.pth.tar"),
    "taichi-adv-256": Published("taichi-adv-cpk.pth.tar"),
    "bair-256": Published("bair-cpk.pth.tar"),
    "nemo-256": Published("nemo-cpk.pth.tar"),
    "mgif-256": Published("mgif-cpk.pth.tar"),
    "fashion-256": Published("fashion.pth.tar"),
}


class DownloadError(AidagenError):
    """No link answered, or what came is not the published model."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", nargs="?", choices=list(FILES))
    parser.add_argument("--file", type=Path, help="a checkpoint you already have")
    given = parser.parse_args()
    if given.config is None:
        for name, published in FILES.items():
            ways = "authors' folder, mirror" if published.mirror else "authors' folder"
            print(f"{name:16s} {published.file:24s} untested: {ways}")
        print(f"by hand (all files): {DRIVE}")
        return 0
    try:
        file = given.file or download(given.config)
        try:
            print(f"installed as {install(given.config, file)}")
        except checkpoints.CheckpointError:
            if not given.file:  # what a link sent in its place: the next try fetches afresh
                file.unlink()
            raise
    except (AidagenError, OSError) as error:
        print(f"get_published_weights: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the same command goes on where it stopped.", file=sys.stderr)
        return 130
    return 0


def download(config: str) -> Path:
    """The file of ``config``, from the first link that answers; a broken download resumes."""
    published = FILES[config]
    target = sources.home() / "archives" / f"published-{published.file}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    faults = []
    for find in (_from_yandex, _from_mirror):
        try:
            address = find(published)
            if address is None:
                continue
            size = _size(address)
            part = target.with_name(target.name + ".part")

            def progress(done: int, total: int) -> None:
                print(f"\r{published.file}: {done >> 20} of {total >> 20} MiB", end="")

            sources.download(address, part, size, progress)
            print()
            part.replace(target)
            return target
        except (*sources.NETWORK, LookupError, TypeError, ValueError) as error:
            faults.append(f"{find.__name__.removeprefix('_from_')}: {error}")
    raise DownloadError(
        f"No link to {published.file} answered ({'; '.join(faults)}); get it in a browser from "
        f"{DRIVE} and give it with --file."
    )


def install(config: str, file: Path) -> str:
    """Check ``file`` against the published architecture and put it into the zoo."""
    model = zoo.load_published("fomm", config, file)
    name = f"fomm-{config}"
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    card = {
        "name": name,
        "system": "fomm",
        "source": f"the authors' {FILES[config].file}",
        "sha256": digest,
        "licence": "the authors'; code MIT, checkpoints without terms of their own",
    }
    zoo.save(
        model, fomm.fomm_published(config), card, sources.home() / "weights" / f"{name}.safetensors"
    )
    return name


def _from_yandex(published: Published) -> str:
    query = urllib.parse.urlencode({"public_key": YANDEX, "path": f"/{published.file}"})
    page = f"https://cloud-api.yandex.net/v1/disk/public/resources/download?{query}"
    with urllib.request.urlopen(page, timeout=30) as reply:
        return json.load(reply)["href"]


def _from_mirror(published: Published) -> str | None:
    return published.mirror


def _size(address: str) -> int:
    request = urllib.request.Request(address, method="HEAD")
    with urllib.request.urlopen(request, timeout=30) as reply:
        return int(reply.headers["Content-Length"])


if __name__ == "__main__":
    sys.exit(guarded(main, "get_published_weights"))
