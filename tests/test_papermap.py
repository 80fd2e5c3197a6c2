"""The map from equations to code is drawn from the code, and holds in both directions."""

import re
from pathlib import Path

import pytest

from aidagen.errors import AidagenError
from aidagen.teaching import papermap

ROOT = Path(__file__).resolve().parents[1]
MODEL = '''"""A model."""


class Net:
    """A net that warps. And more."""

    def forward(self, x):
        # eq. (8): xi' = O * warp(xi)
        return x * 2  # eqs. (9), (10): |a - b|


def mix(masks):
    """The dense flow: places follow.

    More about it.
    """
    return masks.sum()  # eq. (7): sum_k M_k T_k
'''


@pytest.fixture
def house(tmp_path):
    """A course with one model and one lecture that agree."""
    (tmp_path / "aidagen" / "models").mkdir(parents=True)
    (tmp_path / "course").mkdir()
    (tmp_path / "aidagen" / "models" / "fomm.py").write_text(MODEL)
    lecture = tmp_path / "course" / "05_motion.py"
    lecture.write_text("# $$ x \\tag{7} $$\n# see eq. (8)\n# and eqs. 9 and 10\n")
    return tmp_path


def test_every_marked_line_is_found_with_its_function(house):
    found = papermap.lines("fomm", house)
    assert [(line.number, line.function, line.line) for line in found] == [
        ("7", "mix", 17),
        ("8", "Net.forward", 8),
        ("9", "Net.forward", 9),
        ("10", "Net.forward", 9),
    ]
    assert found[0].what == "The dense flow: places follow"
    assert found[1].what == "A net that warps. And more"
    assert found[0].formula == "sum_k M_k T_k"
    table = papermap.table("fomm", house)
    assert "| (10) |" in table and r"`\|a - b\|`" in table
    assert "aidagen/models/fomm.py:17" in table
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 6 for line in table.splitlines())


def test_agreement_is_silent(house):
    assert papermap.problems(house) == []
    assert papermap.main(["--root", str(house)]) == 0


def test_a_citation_without_a_line_is_seen(house, capsys):
    lecture = house / "course" / "05_motion.py"
    lecture.write_text(lecture.read_text() + "# by eq. (11) of the paper $$ y \\tag{12a} $$\n")
    assert papermap.problems(house) == [
        f"course/05_motion.py cites equation ({n}), but no line of models/fomm.py is marked "
        f"`# eq. ({n}):`."
        for n in ("11", "12a")
    ]
    assert papermap.main(["--root", str(house)]) == 1
    assert "cites equation (11)" in capsys.readouterr().out


def test_a_line_that_the_lecture_never_mentions_is_seen(house):
    lecture = house / "course" / "05_motion.py"
    lecture.write_text(lecture.read_text().replace("eq. (8)", "the paper"))
    assert papermap.problems(house) == [
        "aidagen/models/fomm.py:8 computes equation (8), which course/05_motion.py never mentions."
    ]


def test_a_lecture_without_a_model_and_a_sloppy_comment_are_seen(house):
    (house / "course" / "09_other.py").write_text("# eq. (2)\n")
    (house / "course" / "00_start.py").write_text("# no equations here\n")
    (found,) = papermap.problems(house)
    assert found.startswith("course/09_other.py cites equation (2), but no folder of aidagen/")
    (house / "course" / "09_other.py").unlink()
    model = house / "aidagen" / "models" / "fomm.py"
    model.write_text(MODEL.replace("# eq. (7): sum", "# eq 7 sum"))
    (found,) = papermap.problems(house)
    assert "fomm.py, line 17: write `# eq. (4): formula`, not `# eq 7 sum_k M_k T_k`" in found
    model.unlink()
    with pytest.raises(AidagenError, match="no model 'fomm'"):
        papermap.lines("fomm", house)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (r"$$ a \tag{4} $$ and \tag{5b}", {"4", "5b"}),
        ("(eq. 11 of the paper)", {"11"}),
        ("Eq. (5) inverts", {"5"}),
        ("eqs. (4), (5) and (7); Equations 9 to 11", {"4", "5", "7", "9", "10", "11"}),
        ("eqs. 4-6, eqs. 13 and 14", {"4", "5", "6", "13", "14"}),
        ("**reconstruction** (eq. 9): here 3 terms", {"9"}),
        ("a demand (eq.\n# (12)) that wraps", {"12"}),
        ("comments such as\n# `# eq. (4)` stand above", set()),
        ("in 2019, sequence 4, eq. as above, section 3.1", set()),
    ],
)
def test_citations_are_read(text, numbers):
    assert papermap.cited(text) == numbers


def test_the_real_model_is_mapped():
    numbers = [line.number for line in papermap.lines("fomm")]
    assert numbers == sorted(set(numbers), key=int), "no equation is computed in two places"
    assert {"4", "5", "6", "7", "8", "14", "15"} <= set(numbers)
    assert all(line.what and line.function for line in papermap.lines("fomm"))


def test_lectures_and_models_name_the_same_equations():
    assert papermap.problems(ROOT) == []


def test_a_model_that_is_a_folder(tmp_path):
    folder = tmp_path / "aidagen" / "models" / "game"
    folder.mkdir(parents=True)
    (folder / "b.py").write_text("def f():\n    # eq. (1): a = b\n    pass\n")
    (folder / "a.py").write_text("def g():\n    # eq. (2): c = d\n    pass\n")
    found = papermap.lines("game", tmp_path)
    assert [(x.number, x.function, x.file.rsplit("/", 1)[-1]) for x in found] == [
        ("1", "f", "b.py"), ("2", "g", "a.py"),
    ]  # fmt: skip


def test_the_equations_of_playable_video_are_found():
    assert {line.number for line in papermap.lines("playable")} >= {"1", "2", "3", "4", "11"}
