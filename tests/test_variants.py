"""What is derived from a lecture: each variant holds what its readers need, and nothing else."""

import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
import small_course

from aidagen.errors import AidagenError
from aidagen.publishing import copies, decks, notebooks, pages, proofs, variants
from aidagen.publishing.execution import NotebookError

pytest.importorskip("aidagen.teaching.check")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The small course with its notebook and variants, made once."""
    root = tmp_path_factory.mktemp("course")
    small_course.write(root)
    with small_course.table_beside(root):
        notebooks.build(root)
        variants.build(root)
    return root


@pytest.fixture
def course(built, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(built, root)
    with small_course.table_beside(root):
        yield root
    os.environ.pop("AIDAGEN_PROFILE", None)


def read(root, name):
    return nbformat.read(root / "build" / name, as_version=4)


def times(root):
    return {p: p.stat().st_mtime_ns for p in (root / "build").rglob("*") if p.is_file()}


def edit(root, old, new):
    source = root / "course" / "98_small.py"
    assert old in source.read_text()
    source.write_text(source.read_text().replace(old, new))
    return source


def test_students_get_stubs_and_no_answers(course):
    notebook = read(course, "student/98_small.ipynb")
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    assert code.count("return check.TODO") == 3
    assert "return 2 * x" not in code
    assert not any(copies.tags(c) & {"solution", "instructor"} for c in notebook.cells)
    assert all(
        not c.outputs and c.execution_count is None for c in notebook.cells if "outputs" in c
    )
    assert "widgets" not in notebook.metadata
    assert "jupytext" not in notebook.metadata


def test_instructors_get_everything(course):
    notebook = read(course, "instructor/98_small.ipynb")
    built = nbformat.read(course / "notebooks" / "98_small.ipynb", as_version=4)
    assert [c.id for c in notebook.cells if c.id != "98-instructor"] == [c.id for c in built.cells]
    page = (course / "build/instructor/98_small.html").read_text()
    for text in (notebook.cells[1].source, page):
        for words in ("skip to the picture.", "First hint for halve.", "Indeed."):
            assert words in text
    assert re.findall(r"<td>(\d+)</td>\n<td>(\d+)</td>", page) == [
        ("0", "3"),
        ("3", "27"),
        ("30", "20"),
        ("50", "10"),
        ("60", "7"),
        ("67", "5"),
        ("72", "3"),
    ]
    assert "<td>75</td>" in page, "the clock at the end"
    assert page.count("Exercise 98.") == 3
    assert "98.1 double" in page


def test_slides_hold_what_is_for_the_screen(course):
    page = (course / "build/slides/98_small.html").read_text()
    assert page.count('<section class="slide"') == 7
    assert page.count('<aside class="notes"') == 7
    assert page.count("data:image/svg+xml;base64,") == 3, "the diagrams lie in the page"
    assert "return 2 * x" not in page
    assert "If late" not in page
    assert "<math " in page
    assert '<span class="tag">(1)</span>' in page
    assert 'alt="A grey bar."' in page
    assert "base64.b64decode" not in page, "folded cells show their outputs alone"
    assert "double(3) &gt; 5" in re.sub(r"<[^>]*>", "", page)
    assert page.count("data:image/png;base64,") == 2, "the figure, and the widget's stored picture"
    assert "Live in the notebook: VBox" in page
    assert not pages.NETWORK.search(page)
    assert "@media print" in page


def test_the_tour_takes_its_slides_and_what_they_build_on(course):
    notebook = read(course, "tour/tour.ipynb")
    shown = [c for c in notebook.cells if decks.slide_type(c) != "skip"]
    words = "\n".join(c.source for c in shown)
    assert "15 minutes" in shown[0].source, "3, 7 and 5 by the speaker notes"
    assert shown[1].source == "# 98 · A small lecture"
    assert "## The picture" in words
    assert "## The formula" not in words
    skipped = [c for c in notebook.cells if decks.slide_type(c) == "skip"]
    code = "\n".join(c.source for c in skipped)
    for needed in ("from aidagen.teaching import check", "def halve", "values = [1.0"):
        assert needed in code
    assert all(not c.outputs for c in skipped if c.cell_type == "code")
    assert (course / "build/tour/tour.html").read_text().count('<section class="slide"') == 5


def test_only_what_changed_is_made_again(course):
    before = times(course)
    assert len(before) == 7
    assert variants.build(course) == []
    assert times(course) == before
    (course / "build/slides/98_small.html").unlink()
    assert [p.name for p in variants.build(course)] == ["98_small.html"]
    table = course / "tables" / "small" / "exercises.py"
    table.write_text(table.read_text().replace("Indeed.", "Right."))
    small_course.forget()
    assert len(variants.build(course)) == 4, "the lecture's own; the tour knows no exercises"
    assert variants.build(course) == []


def test_the_same_course_gives_the_same_bytes(course):
    before = {p: p.read_bytes() for p in times(course)}
    shutil.rmtree(course / "build")
    variants.build(course)
    assert {p: p.read_bytes() for p in times(course)} == before


def test_a_lecture_that_is_gone_takes_its_variants_along(course):
    (course / "course" / "98_small.py").unlink()
    assert variants.build(course) == []
    assert [p.name for p in times(course)] == ["variants.json"]


def test_stale_notebooks_make_no_variants(course, capsys):
    edit(course, "Welcome everybody", "Welcome")
    assert variants.main(["build", "--root", str(course)]) == 2
    assert "run `make notebooks`" in capsys.readouterr().err


def test_a_tour_of_more_than_90_minutes_is_refused(course):
    built = nbformat.read(course / "notebooks" / "98_small.ipynb", as_version=4)
    note = next(c for c in built.cells if c.source.startswith("**7 min.**"))
    note.source = note.source.replace("7", "88")
    with pytest.raises(AidagenError, match="96 minutes"):
        decks.tour([("98", built)])


def shown(cells):
    """All text in the outputs of cells: what was printed, and what was displayed."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


def test_learners_copies_run_to_the_end(course, capsys):
    assert variants.main(["prove", "--root", str(course)]) == 0
    told = capsys.readouterr().out
    assert re.search(r"98_small: unsolved \d+ s, half \d+ s, wrong \d+ s", told)
    assert "tour: ran to its end" in told
    ended = read(course, "proofs/98_small.wrong.ipynb")
    said = shown(ended.cells)
    for hint in ("First hint for double.", "First hint for halve.", "First hint for square."):
        assert hint in said
    ended = read(course, "proofs/98_small.half.ipynb")
    printed = ended.cells[-1].outputs  # a busy kernel hands a line over in two pieces
    assert "references: 98.3" in "".join(output.text for output in printed)
    assert "98.1: passed" in shown(ended.cells)


def proof(course, kind="unsolved"):
    source = course / "course" / "98_small.py"
    made, expected = proofs.left_as(kind, notebooks.read_source(source), "98")
    proofs.run_to_end(made, course / "build/p.ipynb", course / "notebooks", "the copy", expected)


def test_a_lecture_that_blocks_is_found(course):
    """The proof can fail: here the answer is used without check.choose having its say."""
    edit(course, "doubled = [double(v)", "doubled = [raw(v) + 0")
    edit(
        course,
        'double = check.choose("98.1", double)',
        'raw = double\ndouble = check.choose("98.1", double)',
    )
    with pytest.raises(NotebookError, match=r"The copy fails in profile smoke.*TypeError"):
        proof(course)


def test_a_solution_left_in_the_stub_is_found(course):
    edit(course, "def halve(x):\n    return check.TODO", "def halve(x):\n    return x / 2")
    with pytest.raises(NotebookError, match=r"references of 98.1 98.3 are in use"):
        proof(course)


def test_a_stub_and_a_solution_belong_to_a_check(course):
    source = course / "course" / "98_small.py"
    notebook = notebooks.read_source(source)
    for cell in notebook.cells:
        cell.source = cell.source.replace('"98.2", halve', '"98.2", half').replace(
            "halve =", "half ="
        )
    with pytest.raises(NotebookError, match="a solution that no check"):
        proofs.left_as("unsolved", notebook, "98")
    notebook.cells = [c for c in notebook.cells if "solution" not in copies.tags(c)]
    with pytest.raises(NotebookError, match=r"No stub .* function of 98.2"):
        proofs.left_as("unsolved", notebook, "98")


@pytest.mark.parametrize("formula", [r"\foo", r"a & b"])
def test_a_formula_without_mathml_is_refused(formula):
    with pytest.raises(AidagenError, match="MathML"):
        pages.mathml(formula, True)


def test_a_page_that_needs_the_network_is_refused():
    cell = nbformat.v4.new_markdown_cell("![x](https://example.org/x.png)", id="98-007")
    with pytest.raises(AidagenError, match=r"98-007.*network"):
        pages.cell(cell, nbformat.v4.new_notebook())
    link = nbformat.v4.new_markdown_cell("[x](https://example.org/)")
    assert "href" in pages.cell(link, nbformat.v4.new_notebook())


def test_formulas_of_the_committed_lectures_become_mathml():
    for source in notebooks.sources(Path(__file__).resolve().parents[1]):
        notebook = notebooks.read_source(source)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                pages.cell(cell, notebook)


def test_names_that_cells_bind_and_read():
    binds, reads = decks.names(
        "import a.b as c\nx[0] = y\nz += 1\nw.append(f(v))\ndef g(): return h"
    )
    assert binds == {"c", "x", "z", "w", "g"}
    assert {"y", "f", "v", "h"} <= reads


def test_a_widget_that_says_itself_in_html_is_read_on_pages():
    """A card, a question or a covered outcome; not only its name."""
    view = {"model_id": "0", "version_major": 2, "version_minor": 0}
    data = {
        "application/vnd.jupyter.widget-view+json": view,
        "text/html": "<p>Is that good?</p>",
        "text/plain": "Quiz('07.q1')",
    }
    output = nbformat.v4.new_output("display_data", data=data)
    one = nbformat.v4.new_code_cell("quiz.ask('07.q1')", outputs=[output])
    shown = pages.cell(one, nbformat.v4.new_notebook(cells=[one]), inputs=False)
    assert "Is that good?" in shown and "Live in the notebook" not in shown


def test_variants_rest_on_the_code_that_judges_answers():
    """A changed verdict, card or page makes derived files anew."""
    from aidagen.answers import verdicts
    from aidagen.teaching import cards

    rests_on = variants._tools("05")
    for module in (verdicts, cards, pages):
        assert Path(module.__file__).read_text("utf-8") in rests_on, module.__name__
