"""Imports go down only: the floors of the house, read from the source with ast."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "aidagen"

# The floors, from the top: a folder's modules share its floor, and so do the files that are named
# together. Higher may import lower or equal. A module beside these folders that is not named is on
# the ground floor, where nothing above may be imported.
FLOORS = (
    ("cli", "__main__", "checkup"),
    ("widgets", "lectures", "teaching", "answers", "study", "publishing"),
    ("training", "captured", "runs", "records", "recipes", "zoo", "animation", "inference")
    + ("streaming", "animating", "evaluation", "cluster"),
    ("datasets",),
    ("models",),
    ("judges", "losses", "objectives", "blocks", "metrics", "rendering"),
    ("kernels",),
)  # fmt: skip
GROUND = len(FLOORS)
LINES = {"models": 520}  # one system per file, top to bottom; everything else stays under 400
FORBIDDEN = {"utils", "util", "base", "common", "manager", "helpers", "misc", "tools", "core"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    """``aidagen/models/fomm.py`` as ``models.fomm``; a package's ``__init__`` as its folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def floor_of(module):
    """0 is the top floor."""
    top = module.split(".")[0]
    return next((floor for floor, rooms in enumerate(FLOORS) if top in rooms), GROUND)


def imports_of(path):
    """Names of aidagen modules that a file imports, anywhere in it."""
    inside = path.relative_to(PACKAGE.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = list(inside[: -node.level]) if node.level else []
            origin = ".".join(origin + (node.module.split(".") if node.module else []))
            names = [f"{origin}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("aidagen."):
                yield resolve(name.removeprefix("aidagen."))


def resolve(name):
    """The module that a dotted name lies in: ``models.fomm.FOMM`` is ``models.fomm``."""
    parts = name.split(".")
    while len(parts) > 1 and not (PACKAGE.joinpath(*parts).with_suffix(".py")).exists():
        if PACKAGE.joinpath(*parts).is_dir():
            break
        parts.pop()
    return ".".join(parts)


EDGES = {name_of(path): set(imports_of(path)) for path in MODULES}


def test_every_folder_has_a_floor():
    """A new folder is said in FLOORS; a new file in a folder has the folder's floor."""
    rooms = {room for floor in FLOORS for room in floor}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= rooms, f"say in FLOORS on which floor {sorted(folders - rooms)} live"


@pytest.mark.parametrize("module", sorted(EDGES))
def test_imports_go_down(module):
    for other in EDGES[module]:
        if other == "__version__":
            continue
        assert floor_of(other) >= floor_of(module), f"aidagen.{module} imports up: {other}"


def system_of(module):
    """The system of ``models.monkeynet_prediction``, or of ``models.monkeynet.prediction``."""
    return module.removeprefix("models.").split(".")[0].split("_")[0]


def test_models_never_import_each_other():
    for module, others in EDGES.items():
        if module.startswith("models."):
            met = {other for other in others if other.startswith("models.")}
            met = {other for other in met if system_of(other) != system_of(module)}
            assert not met, f"aidagen.{module} imports {met}: pass in what it needs instead"


def test_there_is_no_cycle():
    """Imports at module level form no ring, whichever floor they are on."""
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for other in EDGES.get(module, ()):
            if other != module:
                visit(other)
        path.pop()
        done.add(module)

    for module in EDGES:
        visit(module)


def test_the_parser_sees_imports(tmp_path):
    """The test above can fail: an import in a function, a plain and a relative one are seen."""
    assert any(others for others in EDGES.values())
    assert "errors" in EDGES["publishing.notebooks"]
    assert resolve("models.fomm.FOMM") in ("models.fomm", "models")
    assert floor_of("zoo") < floor_of("models.fomm") < floor_of("grids")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_stay_readable(path):
    limit = LINES.get(path.parent.name, 400)
    lines = len(path.read_text().splitlines())
    assert lines <= limit, f"{path.name} has {lines} lines; {limit} are the limit: divide it"


def test_names_are_nouns_of_the_field():
    names = {part for path in MODULES for part in path.relative_to(PACKAGE).with_suffix("").parts}
    assert not names & FORBIDDEN
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                assert not node.name.endswith(("Manager", "Utils", "Helper", "Registry")), node.name


def test_installation_needs_the_standard_library_alone():
    path = PACKAGE / "installation.py"
    tree = ast.parse(path.read_text(), feature_version=(3, 7))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        else:
            continue
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names, name


# prints the packages that are imported beside those of Python itself
IMPORTED = """
import sys, aidagen{and_then}
packages = {{name.split(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names)
print(*sorted(name for name in packages if not name.startswith("_")))
"""


@pytest.mark.parametrize("and_then", ["", ".cli as cli; cli._parser().format_help()"])
def test_importing_aidagen_and_its_help_bring_no_other_package(and_then):
    script = IMPORTED.format(and_then=and_then)
    command = [sys.executable, "-c", script]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert imported == ["aidagen"]
