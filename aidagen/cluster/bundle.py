"""All that a machine without network needs to train some recipes, in one folder or archive.

    contents = bundle.collect(["fomm-faces-64", "fomm-heads-64"])
    bundle.write(contents, "node.tar.gz")           # or .zip; any other name is a folder

    node/README.txt, node/run.sh      what to do, and the command that does it
    node/slurm_train.sh               the same on several nodes of a cluster
    node/requirements.txt             the packages, in the versions that are used here
    node/code/aidagen/                the package, with those packs and weights that are used
    node/home/                        what the recipes use of the user's cache (`sources.home`)

Nothing is fetched, rendered or trained for it: what is not on this machine is named, with the
command that makes it. Clips stay encoded as they are; a node decodes them when a run begins.
"""

import re
import tarfile
import time
import zipfile
from collections.abc import Iterator
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from aidagen import datasets, files, recipes, sources, zoo
from aidagen.datasets.layout import SPLITS, ClipSet
from aidagen.errors import AidagenError
from aidagen.recipes import Recipe

PACKAGE = Path(__file__).resolve().parents[1]
TEXTS = Path(__file__).parent  # run.sh, README.txt, slurm_train.sh
APART = ("packs", "weights")  # of the package: what is taken by what a recipe uses
ARCHIVES = (".tar.gz", ".tgz", ".zip")


class Entry(NamedTuple):
    """One file of a bundle."""

    part: str  # of the sizes that are told: "code", "data faces", "weights", "networks", "texts"
    content: Path | bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


def collect(names: list[str]) -> dict[str, Entry]:
    """The files of a bundle that trains these recipes, by their place in it.

    Raises ``AidagenError`` that says what is missing on this machine and which command makes it.
    """
    chosen = {name: recipes.find(name) for name in names}
    entries = dict(_code())
    for name, recipe in chosen.items():
        entries |= _data(name, recipe)
        entries |= _weights(name, recipe, earlier=list(chosen)[: list(chosen).index(name)])
        entries |= _networks(name, recipe)
    return entries | _texts(chosen)


def sizes(entries: dict[str, Entry]) -> dict[str, int]:
    """The bytes of each part of a bundle, before they are compressed."""
    total: dict[str, int] = {}
    for entry in entries.values():
        total[entry.part] = total.get(entry.part, 0) + entry.size
    return total


def write(entries: dict[str, Entry], out: Path | str) -> int:
    """Write a bundle, whole or not at all: an archive, or a folder that is not there yet.

    An archive holds one folder of its own name. Returns the bytes of what was written. Raises
    ``FileError`` where that fails.
    """
    out = Path(out)
    suffix = next((end for end in ARCHIVES if out.name.endswith(end)), "")
    if not suffix:
        with files.new_folder(out) as folder:
            for place, entry in entries.items():
                _put(entry, folder / place)
        return sum(entry.size for entry in entries.values())
    name = out.name.removesuffix(suffix)
    if not name:
        raise AidagenError(f"{out} has no name before {suffix}; call it node{suffix}, say.")
    with files.replacing(out) as part:
        pack = _zip if suffix == ".zip" else _tar
        pack(part, {f"{name}/{place}": entry for place, entry in entries.items()})
    return out.stat().st_size


# --- what belongs into it ------------------------------------------------------------------------


def _code() -> Iterator[tuple[str, Entry]]:
    for path in sorted(PACKAGE.rglob("*")):
        inside = path.relative_to(PACKAGE)
        hidden = "__pycache__" in inside.parts or path.name.endswith(files.PART)
        if path.is_file() and not hidden and inside.parts[0] not in APART:
            yield _place(path), Entry("code", path)


def _data(name: str, recipe: Recipe) -> dict[str, Entry]:
    """The data sets that a recipe draws from, all splits."""
    try:
        with datasets.at_hand():
            sets = recipe.data.sets()
    except datasets.NotMade as error:
        raise AidagenError(
            f"The data of {name} are not all on this machine ({str(error).rstrip('.')}); "
            f"`aidagen train {name} --profile smoke` makes them, where it has a network."
        ) from error
    return {
        _place(path): Entry(f"data {label}", path)
        for label, found in sets.items()
        for path in _files(found)
    }


def _files(found: ClipSet) -> Iterator[Path]:
    yield found.root / "dataset.json"
    for example in (example for split in SPLITS for example in found.examples(split)):
        if not example.path.exists():
            raise AidagenError(
                f"The data set {found.root} lacks {example.path.name}; delete its folder and load "
                "the set again."
            )
        yield example.path
        yield from filter(Path.exists, map(example.path.with_suffix, (".npz", ".flac")))


def _weights(name: str, recipe: Recipe, earlier: list[str]) -> dict[str, Entry]:
    """Checkpoints that a recipe begins with, or names anywhere else, with their cards.

    What an ``earlier`` recipe of the same bundle trains need not be there.
    """
    start, known = recipe.start, zoo.names()
    if start is not None and start not in [*known, *earlier]:
        raise AidagenError(
            f"{name} begins with the weights {start}, which are not on this machine; train them "
            f"with `aidagen train {start} --install`, or name {start} before {name} in the bundle."
        )
    named = sorted(set(_words(recipe.as_json())) & set(known) - set(earlier))
    paths = [zoo.path(each).with_suffix(end) for each in named for end in (".safetensors", ".json")]
    return {_place(path): Entry("weights", path) for path in paths}


def _words(value: object) -> Iterator[str]:
    """All texts in a recipe's plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (word for each in value.values() for word in _words(each))
    elif isinstance(value, list):
        yield from (word for each in value for word in _words(each))


def _networks(name: str, recipe: Recipe) -> dict[str, Entry]:
    """The pretrained networks of a recipe's losses: those that its objective loads."""
    try:
        with sources.at_hand() as given:
            recipe.system.objective(recipe.config, recipe.weights)
    except sources.SourceError as error:
        raise AidagenError(
            f"A network of the losses of {name} is missing: {str(error).rstrip('.')}; "
            f"`aidagen train {name} --profile smoke` fetches it, where it has a network."
        ) from error
    return {_place(path): Entry("networks", path) for path in given}


def _place(path: Path) -> str:
    """Where a file of this machine lies in a bundle."""
    path = path.resolve()
    for root, place in ((PACKAGE, "code/aidagen"), (sources.home().resolve(), "home")):
        if path.is_relative_to(root):
            return f"{place}/{path.relative_to(root).as_posix()}"
    raise AidagenError(
        f"{path} lies neither in the package nor in {sources.home()}, where a node would look for "
        "it; move it there, or set AIDAGEN_HOME to the folder that holds it."
    )


# --- what it says --------------------------------------------------------------------------------


def _texts(chosen: dict[str, Recipe]) -> dict[str, Entry]:
    starts = {recipe.start for recipe in chosen.values()}
    # what a later recipe begins with is installed in the bundle's own home
    commands = "\n".join(
        f'train {name}{" --install" if name in starts else ""} "$@"' for name in chosen
    )
    needed = _requirements()
    told = {
        "run.sh": _read("run.sh").replace("@COMMANDS@", commands),
        "slurm_train.sh": _read("slurm_train.sh"),
        "README.txt": _read("README.txt")
        .replace("@RECIPES@", "\n".join(f"    {name}" for name in chosen))
        .replace("@FIRST@", next(iter(chosen))),
        "requirements.txt": "".join(f"{line}\n" for line in needed),
    }
    return {name: Entry("texts", text.encode("utf-8")) for name, text in told.items()}


def _read(name: str) -> str:
    return (TEXTS / name).read_text(encoding="utf-8")


def _requirements() -> list[str]:
    """The packages that training needs, pinned to the versions that are installed here."""
    lines = []
    for needed in metadata.requires("aidagen") or []:
        package = re.match(r"[\w.-]+", needed)[0]
        if "extra ==" not in needed:
            version = metadata.version(package).partition("+")[0]  # a build's suffix is left out
            lines.append(f"{package}=={version}")
    return lines


# --- writing -------------------------------------------------------------------------------------


def _mode(place: str) -> int:
    return 0o755 if place.endswith(".sh") else 0o644


def _put(entry: Entry, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(_bytes(entry))
    target.chmod(_mode(target.name) & ~files.umask())


def _tar(file: Path, entries: dict[str, Entry]) -> None:
    with tarfile.open(file, "w:gz") as archive:
        for place, entry in entries.items():
            content = _bytes(entry)
            about = tarfile.TarInfo(place)
            about.size, about.mode = len(content), _mode(place)
            about.mtime = int(time.time())  # clusters delete what looks old
            archive.addfile(about, BytesIO(content))


def _zip(file: Path, entries: dict[str, Entry]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, entry in entries.items():
            about = zipfile.ZipInfo(place, time.localtime()[:6])
            about.compress_type, about.external_attr = zipfile.ZIP_DEFLATED, _mode(place) << 16
            archive.writestr(about, _bytes(entry))


def _bytes(entry: Entry) -> bytes:
    content = entry.content
    return content if isinstance(content, bytes) else content.read_bytes()
