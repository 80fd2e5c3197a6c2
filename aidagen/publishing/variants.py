"""What is derived from a lecture, into ``build/``: for students, instructors and screens.

    python -m aidagen.publishing.variants build [05 ...]     # what changed, and no more
    python -m aidagen.publishing.variants prove [05 ...]     # learners' copies run to the end

==============================  ==================================================================
``student/NN_name.ipynb``       no solutions, no cells for the instructor, no outputs
``instructor/NN_name.ipynb``    everything, outputs too, and plan, misconceptions, answers on top
``instructor/NN_name.html``     the same on one page to print
``slides/NN_name.html``         hand-out slides in one file; no network; S shows speaker notes
``tour/tour.ipynb``, ``.html``  a deck of 90 minutes over all lectures, from slides with tour=true
==============================  ==================================================================

Everything comes from the notebooks in ``notebooks/``, which have to be up to date.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from aidagen import answers, files, markdown, publishing, teaching
from aidagen.errors import AidagenError
from aidagen.failures import guarded
from aidagen.publishing import copies, decks, diagrams, instructor, notebooks, proofs
from aidagen.publishing.notebooks import NotebookError
from aidagen.teaching import material

if TYPE_CHECKING:
    from nbformat import NotebookNode

MANIFEST = "variants.json"
ROOMS = (publishing, teaching, answers)  # the packages whose code derives the variants


def student(notebook: NotebookNode) -> NotebookNode:
    """A lecture as a student gets it to fill in: stubs, no answers, no outputs."""
    stub = copies.without_answers(notebook)
    for cell in stub.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    stub.metadata.pop("widgets", None)
    return stub


def build(root: Path, numbers: Iterable[str] = ()) -> list[Path]:
    """Derive the variants whose lecture (or whose recipe) changed; returns what was written.

    The tour is made over all lectures, whichever are asked for.
    Raises NotebookError where a notebook is missing or stale.
    """
    import nbformat

    folder = root / "build"
    everything = notebooks.sources(root)
    asked = set(notebooks.sources(root, numbers))
    old_keys = _manifest(folder)
    keys: dict[str, str] = {}
    written: list[Path] = []

    def make(name: str, key: str, recipe: Callable[[], str]) -> None:
        keys[name] = key
        if old_keys.get(name) == key and (folder / name).exists():
            return
        files.write_text(folder / name, recipe())
        written.append(folder / name)

    drawings = [path.read_text("utf-8") for path in sorted(root.glob("course/diagrams/*.svg"))]
    built: dict[str, str] = {}
    for source in everything:
        if problem := next(iter(notebooks.staleness(source)), None):
            raise NotebookError(problem)
        built[source.stem] = notebooks.notebook_of(source).read_text(encoding="utf-8")

    def read(stem: str) -> NotebookNode:
        return nbformat.reads(built[stem], as_version=4)

    def moved(notebook: NotebookNode) -> str:
        """For a notebook of ``build/x/``: its diagrams are found from there."""
        return notebooks.dumps(diagrams.moved_down(notebook))

    def page(notebook: NotebookNode) -> str:
        return decks.handout(diagrams.inline(notebook, root / "notebooks"))

    for source in everything:
        stem, number = source.stem, source.name[:2]
        names = [
            f"student/{stem}.ipynb",
            f"instructor/{stem}.ipynb",
            f"instructor/{stem}.html",
            f"slides/{stem}.html",
        ]
        if source not in asked:
            keys.update({name: old_keys[name] for name in names if name in old_keys})
            continue
        key = _key(built[stem], *_tools(number), *drawings)
        recipes: list[Callable[[NotebookNode], str]] = [
            lambda built: moved(student(built)),
            lambda built, number=number: moved(instructor.notebook(number, built)),
            lambda built, number=number: instructor.page(number, built),
            page,
        ]
        for name, recipe in zip(names, recipes):
            make(name, key, lambda recipe=recipe, stem=stem: recipe(read(stem)))

    if everything:
        key = _key(*built.values(), *_tools(), *drawings)
        tours: list[NotebookNode] = []  # once for both files, and only where it is needed

        def whole_tour() -> NotebookNode:
            if not tours:
                tours.append(decks.tour([(stem[:2], read(stem)) for stem in built]))
            return tours[0]

        make("tour/tour.ipynb", key, lambda: moved(whole_tour()))
        make("tour/tour.html", key, lambda: page(whole_tour()))

    for name in sorted(old_keys.keys() - keys.keys()):  # lectures that are gone
        (folder / name).unlink(missing_ok=True)
    if keys != old_keys:
        files.write_json(folder / MANIFEST, dict(sorted(keys.items())))
    return written


def prove(root: Path, numbers: Iterable[str] = ()) -> None:
    """Run learners' copies of the lectures, and the tour, to their ends in profile smoke.

    Raises NotebookError naming the first copy that does not get there.
    """
    import nbformat

    folder, place = root / "build" / "proofs", root / "notebooks"
    files.check_folder(place)
    for source in notebooks.sources(root, numbers):
        seconds = proofs.prove(source, notebooks.read_source(source), folder, place)
        durations = ", ".join(f"{kind} {took:.0f} s" for kind, took in seconds.items())
        print(f"{source.stem}: {durations}", flush=True)
    tour = root / "build" / "tour" / "tour.ipynb"
    if tour.exists() and not list(numbers):
        notebook = nbformat.read(tour, as_version=4)
        proofs.run_to_end(notebook, folder / "tour.ipynb", place, "the tour", None)
        print("tour: ran to its end", flush=True)


def _tools(number: str | None = None) -> list[str]:
    """The sources of the code that derives, and of a lecture's exercises."""
    paths = [Path(markdown.__file__)]
    paths += [path for room in ROOMS for path in sorted(Path(room.__file__).parent.glob("*.py"))]
    paths.append(decks.DECK)
    topic = None if number is None else material.topic(number)
    if topic is not None:
        paths += sorted(Path(topic.__file__).parent.glob("*.py"))
    return [path.read_text(encoding="utf-8") for path in paths]


def _key(*texts: str) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()


def _manifest(folder: Path) -> dict[str, str]:
    try:
        keys = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return keys if isinstance(keys, dict) else {}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m aidagen.publishing.variants")
    parser.add_argument("action", choices=["build", "prove"])
    parser.add_argument("lectures", nargs="*", help="their numbers, such as 05; all by default")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    try:
        if options.action == "prove":
            prove(root, options.lectures)
        else:
            written = build(root, options.lectures)
            for path in written:
                print(path.relative_to(root), flush=True)
            if not written:
                print("build/ is up to date", flush=True)
        return 0
    except (AidagenError, OSError) as problem:
        print(f"aidagen: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(guarded(main))
