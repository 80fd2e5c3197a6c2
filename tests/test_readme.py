"""What README shows and says is so: pictures, lectures, commands, figures."""

import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aidagen.errors import AidagenError
from aidagen.evaluation.sheets import Rows
from aidagen.lectures.start_here import figures

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_readmes_pictures_are_there_and_say_what_they_show():
    shown = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README)
    shown += [
        (alt, path) for path, alt in re.findall(r'<img src="([^"]+)"[^>]*alt="([^"]+)"', README)
    ]
    assert len(shown) >= 5
    for alt, path in shown:
        assert (ROOT / path).is_file(), path
        assert len(alt) >= 40, alt


def test_readmes_moving_picture_moves_and_is_light():
    path = ROOT / "course" / "pictures" / "portrait.webp"
    assert path.stat().st_size < 1_500_000
    with Image.open(path) as film:
        assert film.n_frames > 30
        first = np.asarray(film.convert("RGB"), float)
        film.seek(film.n_frames // 4)
        apart = np.abs(np.asarray(film.convert("RGB"), float) - first)
    half = apart.shape[1] // 2
    assert apart[:, :half].mean() > 3 and apart[:, half:].mean() > 3, "both halves move"


def test_readmes_table_says_which_lectures_exist():
    rows = dict(re.findall(r"^\| (\d\d) \|.*\| (ready|to come) \|$", README, re.M))
    texts = {path.name[:2] for path in (ROOT / "course").glob("*.py")}
    assert set(rows) == {f"{number:02}" for number in range(11)}
    assert {number for number, state in rows.items() if state == "ready"} == texts


def test_readmes_first_animation_has_its_files():
    command = re.search(r"aidagen animate \\\s+(\S+) (\S+) (\S+\.mp4)", README)
    assert command, "README shows the command"
    assert all((ROOT / path).is_file() for path in command.groups()[:2])
    clip = figures.median_driver()
    assert Path(command[2]).stem == clip.name and figures.frontal(clip) == 0


# --- its figures ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def make_readme():
    return runpy.run_path(str(ROOT / "data_scripts" / "make_readme.py"))


def test_readmes_figures_are_the_stored_rows(make_readme):
    """Rows may be stale while somebody works on them; what README says is what they say."""

    def stored(name):
        content = json.loads((ROOT / "aidagen" / "weights" / f"{name}.rows.json").read_text())
        return Rows(content["rows"], name, content["comparisons"], ())

    section = make_readme["figures"](*map(stored, make_readme["TABLES"]))
    assert section in README, "run `python data_scripts/make_readme.py`"


def test_figures_stand_between_their_marks(make_readme):
    begin, end = make_readme["MARKS"]
    text = make_readme["replaced"](f"above\n{begin}old\n{end}below\n", "new\n")
    assert text == f"above\n{begin}new\n{end}below\n"
    with pytest.raises(AidagenError, match="lacks the marks"):
        make_readme["replaced"]("no marks", "new")


@pytest.mark.parametrize("low, high, words", [
    (-0.3, -0.1, "the 95 % intervals exclude zero"),
    (-0.3, 0.1, "but for Monkey-Net over X2Face on faces"),
    (0.1, 0.3, "but for Monkey-Net over X2Face on faces"),
])  # fmt: skip
def test_an_order_is_claimed_only_where_its_interval_shows_it(make_readme, low, high, words):
    comparisons = [
        {"data": data, "split": split, "metric": "l1_moving", "method": better, "against": worse,
         "low": -0.2, "high": -0.1}
        for data, split in make_readme["SETS"]
        for better, worse in (("monkeynet", "x2face"), ("fomm", "monkeynet"))
    ]  # fmt: skip
    comparisons[0] |= {"low": low, "high": high}
    assert words in make_readme["_steps"](Rows([], "animation", comparisons, ()))
