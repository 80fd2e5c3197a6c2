"""From a paper's equations to the lines that compute them, and back: a table and its test.

A model marks the line that computes an equation by a comment above it:

    # eq. (4): T_{S<-D}(z) = T_{S<-R}(p_k) + J_k (z - T_{D<-R}(p_k))

`table` lists them. `problems` says which equations a lecture cites that no line computes, and
which lines compute an equation that the lecture never mentions.

    python -m aidagen.teaching.papermap          # the problems, one sentence each
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aidagen import markdown
from aidagen.errors import AidagenError
from aidagen.failures import guarded
from aidagen.teaching import material

COMMENT = re.compile(r"#\s*eqs?\. (\(\d+[a-z]?\)(?:(?:, | and )\(\d+[a-z]?\))*):\s*(\S.*)")
TAG = re.compile(r"\\tag\{(\d+[a-z]?)\}")
NUMBER = r"\(?\d+[a-z]?\)?"
CITED = re.compile(
    rf"\b[Ee]q(?:uation)?s?\.?[ \n](?:# )?({NUMBER}(?:(?:, and |, | and | to |[-–]){NUMBER})*)"
)


class Line(NamedTuple):
    """One equation and where it is computed."""

    number: str  # "4"
    formula: str  # as the comment says it
    function: str  # "Generator.forward"
    what: str  # the first sentence of that function's docstring
    file: str  # relative to the course folder
    line: int  # of the comment, from 1


def _root() -> Path:
    return Path(__file__).resolve().parents[2]


def lines(model: str, root: Path | str | None = None) -> list[Line]:
    """The marked lines of ``aidagen/models/<model>.py``, or of the folder ``<model>``, by equation.

    Raises AidagenError for a model that does not exist, and for a comment that names an equation
    in another form than ``# eq. (n): formula``.
    """
    root = _root() if root is None else Path(root)
    path = root / "aidagen" / "models" / f"{model}.py"
    files = sorted(path.with_suffix("").glob("*.py")) or [path]
    marked = [line for file in files for line in _marked(file, root, model)]
    return sorted(marked, key=lambda line: (_order(line.number), line.file, line.line))


def _marked(path: Path, root: Path, model: str) -> Iterator[Line]:
    """The marked lines of one file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise AidagenError(f"There is no model {model!r}: {path.name} cannot be read.") from error
    functions = list(_functions(ast.parse(text)))
    for at, code in enumerate(text.splitlines(), start=1):
        comment = re.search(r"#\s*eqs?\b.*", code)
        if comment is None:
            continue
        match = COMMENT.fullmatch(comment[0].rstrip())
        if match is None:
            raise AidagenError(
                f"{path.name}, line {at}: write `# eq. (4): formula`, not `{comment[0]}`."
            )
        name, what = next(
            ((name, what) for name, what, first, last in functions if first <= at <= last), ("", "")
        )
        for number in re.findall(r"\w+", match[1].replace(" and ", " ")):
            yield Line(number, match[2], name, what, path.relative_to(root).as_posix(), at)


def _functions(tree: ast.Module) -> Iterator[tuple[str, str, int, int]]:
    """(qualified name, first sentence, first line, last line), the innermost ones first."""

    def inside(node: ast.AST, prefix: str) -> Iterator[tuple[str, str, int, int]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f"{prefix}{child.name}"
                yield from inside(child, f"{name}.")
                what = (ast.get_docstring(child) or "").split("\n\n")[0].split(". ")[0]
                what = " ".join(what.split()).rstrip(".")
                if isinstance(node, ast.ClassDef) and not what:
                    what = (ast.get_docstring(node) or "").split("\n\n")[0].rstrip(".")
                yield name, what, child.lineno, child.end_lineno

    yield from inside(tree, "")


def _order(number: str) -> tuple[int, str]:
    digits = re.match(r"\d+", number)
    return int(digits[0]), number[digits.end() :]


def table(model: str, root: Path | str | None = None) -> str:
    """Markdown: equation, formula in plain letters, what it is for, function, file and line."""
    rows = [
        (f"({x.number})", x.what, f"`{x.formula}`", f"`{x.function}`", f"{x.file}:{x.line}")
        for x in lines(model, root)
    ]
    return markdown.table(("equation", "in words", "formula", "function", "where"), rows) + "\n"


def cited(text: str) -> set[str]:
    r"""The equation numbers that a lecture's text tags (``\tag{4}``) or cites.

    Understood are eq. (4), eq. 4, eqs. (4) and (5), eqs. 4, 5, Equations 4 to 7. What stands in
    backticks is code, not a citation.
    """
    text = re.sub(r"`[^`\n]*`", "", text)
    cited_numbers = set(TAG.findall(text))
    for group in CITED.findall(text):
        numbers = re.findall(r"\d+[a-z]?", group)
        spans = re.findall(r"(\d+)\)?(?: to |[-–])\(?(\d+)", group)
        cited_numbers.update(numbers)
        for first, last in spans:
            cited_numbers.update(str(n) for n in range(int(first), int(last) + 1))
    return cited_numbers


def models_of(number: str) -> tuple[str, ...]:
    """The models whose papers' equations a lecture cites: its folder's ``MODELS``."""
    return tuple(getattr(material.topic(number), "MODELS", ()))


def problems(root: Path | str | None = None) -> list[str]:
    """One sentence for each equation that only the lecture or only the model names."""
    root = _root() if root is None else Path(root)
    sentences = []
    for path in sorted((root / "course").glob("[0-9][0-9]_*.py")):
        text = path.read_text(encoding="utf-8")
        numbers, models = cited(text), models_of(path.name[:2])
        if not models:
            if numbers:
                listed = ", ".join(f"({n})" for n in sorted(numbers, key=_order))
                sentences.append(
                    f"course/{path.name} cites equation {listed}, but no folder of "
                    f"aidagen/lectures says which MODELS lecture {path.name[:2]} cites."
                )
            continue
        try:
            marked = [line for model in models for line in lines(model, root)]
        except AidagenError as problem:
            sentences.append(f"course/{path.name}: {problem}")
            continue
        for number in sorted(numbers - {line.number for line in marked}, key=_order):
            sentences.append(
                f"course/{path.name} cites equation ({number}), but no line of "
                f"{' or '.join(f'models/{m}.py' for m in models)} is marked `# eq. ({number}):`."
            )
        for line in marked:
            if line.number not in numbers:
                sentences.append(
                    f"{line.file}:{line.line} computes equation ({line.number}), which "
                    f"course/{path.name} never mentions."
                )
    return sentences


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m aidagen.teaching.papermap")
    parser.add_argument("--root", type=Path, default=_root())
    sentences = problems(parser.parse_args(arguments).root)
    print(
        "\n".join(sentences) if sentences else "lectures and models name the same equations",
        flush=True,
    )
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(guarded(main))
