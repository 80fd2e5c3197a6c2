"""What stored rows depend on, as SHA-256: if one of these is another today, the rows are stale.

* `weights`: the file of each model that the table scores.
* `data`: its data sets. A shipped pack is known by the hashes of its clips. A set that is cut from
  fetched footage on the user's machine is known by name, version, size and its list of clips: the
  footage itself is pinned in `sources`, and a video encoder's bytes differ between machines.
* `judges`: the weights of the judges that the code reads. What was trained here ships as
  `judges/weights/<judge>-<data>`; of a fetched archive the hash is the one pinned in `sources`.
* `code`: the table's own module, the systems of its models, and every module of aidagen that these
  import, read from the source; hence an empty new file and a new table change nothing. Comments,
  docstrings and blank lines do not count, nor do line endings.

`OUTSIDE` are modules that are imported but cannot change a number. Some find and fetch what is
hashed above by its content (`zoo`, `sources`, `discovery`, `datasets`, each with its errors), some
write files, `objectives` trains, the fused kernels give the numbers of `kernels.reference` (tests
hold them to it), and some say in words what the rows hold. A package on the way to
a module, such as `aidagen.judges` in `aidagen.judges.faces`, only hands names on and is not
followed either.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import tokenize
from collections.abc import Iterable
from functools import cache
from importlib import util
from pathlib import Path

from aidagen import datasets, sources, zoo
from aidagen.datasets import layout
from aidagen.errors import AidagenError
from aidagen.evaluation.sheets import Table

PARTS = {
    "weights": "the weights",
    "data": "the data",
    "judges": "the judges",
    "code": "the code",
}
PACKAGE = Path(__file__).resolve().parents[1]
JUDGES = PACKAGE / "judges" / "weights"  # of those that were trained here
OUTSIDE = {
    "aidagen",
    "aidagen.datasets",
    "aidagen.discovery",
    "aidagen.errors",
    "aidagen.evaluation",
    "aidagen.evaluation.claims",
    "aidagen.evaluation.text",
    "aidagen.files",
    "aidagen.kernels.affine",
    "aidagen.kernels.flow",
    "aidagen.kernels.parts_fused",
    "aidagen.kernels.sampling",
    "aidagen.objectives",
    "aidagen.sources",
    "aidagen.systems",
    "aidagen.zoo",
}


def key(name: str, table: Table) -> dict[str, dict[str, str | None]]:
    """The hashes that rows of table `name` made now would carry: part -> what -> SHA-256, None
    where something is not at hand."""
    systems = {zoo.card(model).get("system") for model in table.models if model in zoo.names()}
    modules = closure(
        [f"aidagen.evaluation.{name.replace('-', '_')}"]
        + [f"aidagen.models.{system}" for system in sorted(systems - {None})]
    )
    return {
        "weights": {model: weights_hash(model) for model in table.models},
        "data": {data: data_hash(data) for data in table.data},
        "judges": judges(modules, table.data),
        "code": {module: code_hash(read(file)) for module, file in modules.items()},
    }


def changes(stored: dict, now: dict) -> str:
    """What differs between two keys, in words; empty if nothing does.

    Data that are not at hand now are taken to be unchanged.
    """
    words = []
    for part, what in PARTS.items():
        # rows from before there were parts have one hash here, and depend on who knows what
        before = stored[part] if isinstance(stored.get(part), dict) else {}
        names = [
            name
            for name in {**now[part], **before}
            if before.get(name) != now[part].get(name)
            and not (part == "data" and name in now[part] and now[part][name] is None)
        ]
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            words.append(f"{what} of {', '.join(names[:3])}{more}")
    return " and ".join(words)


# --- weights, data, judges -----------------------------------------------------------------------


def weights_hash(name: str) -> str | None:
    """SHA-256 of a checkpoint's file, or None where there is no such checkpoint."""
    return _file_hash(zoo.path(name)) if name in zoo.names() else None


def data_hash(name: str) -> str | None:
    """Identity of data set `name`, or None where it is not to be had on this machine."""
    try:
        return set_hash(datasets.load(name))
    except (AidagenError, ImportError):
        return None


def set_hash(data: layout.ClipSet) -> str:
    """Identity of an opened data set."""
    if data.root.resolve().is_relative_to(PACKAGE):
        return data.hash
    entries = {
        split: {
            example.name: {k: v for k, v in example.entry.items() if k != "sha256"}
            for example in data.examples(split)
        }
        for split in layout.SPLITS
    }
    head = [data.info.get(k) for k in ("name", "version", "size")]
    return hashlib.sha256(json.dumps([head, entries], sort_keys=True).encode()).hexdigest()


def judges(modules: dict[str, Path], data: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the weights that these modules' judges read, by file or archive."""
    hashes = {}
    for module in (m for m in modules if m.startswith("aidagen.judges.")):
        judge = module.rpartition(".")[2]
        files = (file for name in data for file in JUDGES.glob(f"{judge}-{name}.*"))
        hashes |= {file.name: _file_hash(file) for file in sorted(files)}
        for node in ast.walk(ast.parse(read(modules[module]))):
            if isinstance(node, ast.Constant) and node.value in sources.SOURCES:
                hashes[node.value] = sources.SOURCES[node.value].sha256
    return hashes


def _file_hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


# --- code ----------------------------------------------------------------------------------------


def read(file: Path) -> str:
    """A module's source, with line feeds."""
    return file.read_text(encoding="utf-8")


def closure(starts: Iterable[str]) -> dict[str, Path]:
    """These modules and all of aidagen that they import, directly or not, but for `OUTSIDE`;
    sorted by name, with their files."""
    modules, waiting = {}, list(starts)
    while waiting:
        name, file = _located(waiting.pop())
        if name not in modules and name not in OUTSIDE:
            modules[name] = file
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            waiting += _imports(read(file), package)
    return dict(sorted(modules.items()))


def _located(name: str) -> tuple[str, Path]:
    """The module that a dotted name lies in, and its file: `aidagen.grids.warp` is in grids."""
    try:
        spec = util.find_spec(name)
    except ModuleNotFoundError:  # its parent is no package
        spec = None
    return (name, Path(spec.origin)) if spec else _located(name.rpartition(".")[0])


@cache
def _imports(source: str, package: str) -> list[str]:
    """Dotted names of aidagen that a module of `package` imports, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = util.resolve_name("." * node.level + (node.module or ""), package)
            names += [f"{origin}.{alias.name}" for alias in node.names]
    return [name for name in names if f"{name}.".startswith("aidagen.")]


@cache
def code_hash(source: str) -> str:
    """SHA-256 of source code without its comments, docstrings and blank lines."""
    return hashlib.sha256(code_alone(source).encode()).hexdigest()


def code_alone(source: str) -> str:
    """Source code without comments, docstrings and blank lines; everything else as it stands.

    They are cut out by their positions: how a syntax tree is printed, and into which tokens a
    string is divided, is another matter in every version of Python.
    """
    lines, empty = source.split("\n"), set()
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for token in tokens:
        row, column = token.start
        if token.type == tokenize.COMMENT:
            lines[row - 1] = lines[row - 1][:column].rstrip()
        elif token.type == tokenize.NL and not lines[row - 1].strip():
            empty.add(row)
    layout_alone = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
    tokens = [token for token in tokens if token.type not in layout_alone]
    kinds = [tokenize.NEWLINE, *(token.type for token in tokens)]
    for i, token in enumerate(tokens):  # a string between two ends of line is a docstring
        if kinds[i : i + 3] == [tokenize.NEWLINE, tokenize.STRING, tokenize.NEWLINE]:
            empty |= set(range(token.start[0], token.end[0] + 1))
    kept = (line for number, line in enumerate(lines, 1) if number not in empty)
    return "\n".join(kept).rstrip()
