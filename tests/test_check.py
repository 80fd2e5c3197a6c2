"""Exercises never block: what passes is used, what does not gets its own hint, figures say so."""

import inspect
import itertools
import math
import re
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

from aidagen import grids
from aidagen.answers import progress, verdicts
from aidagen.errors import AidagenError
from aidagen.publishing import copies, instructor, notebooks
from aidagen.teaching import check, material
from aidagen.widgets import overlays

COURSE = Path(__file__).resolve().parents[1] / "course"
NUMBERS = tuple(material.topics())
EXERCISES = [exercise for number in NUMBERS for exercise in check.exercises(number)]
WRONG = [(exercise, wrong) for exercise in EXERCISES for wrong in exercise.wrong]


@pytest.fixture(autouse=True)
def fresh():
    progress.forget()
    yield
    progress.forget()


def named(exercise):
    return exercise.id


def wrongly(pair):
    return f"{pair[0].id} {pair[1].name}"


def uses_reference(exercise, chosen):
    """Whether ``chosen`` is an exercise's reference, which notes its calls."""
    return chosen is not exercise.reference and inspect.unwrap(chosen) is inspect.unwrap(
        exercise.reference
    )


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_the_reference_passes(exercise, capsys):
    assert check.choose(exercise.id, exercise.reference) is exercise.reference
    assert capsys.readouterr().out == (f"{exercise.id}: passed, your function is used from here\n")
    assert check.fallbacks() == [] and check.badge() == ""


@pytest.mark.parametrize("pair", WRONG, ids=wrongly)
def test_each_wrong_answer_gets_its_own_hint(pair, capsys):
    exercise, wrong = pair
    assert uses_reference(exercise, check.choose(exercise.id, wrong.answer))
    hint = " ".join(wrong.hint.split())
    if exercise.kind == "fault" and wrong is exercise.wrong[0]:
        hint = f"not repaired yet: {hint}"
    assert capsys.readouterr().out == (
        f"{exercise.id}: {hint}\n{exercise.id}: the reference is used from here\n"
    )
    assert check.fallbacks() == [exercise.id]


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_wrong_answers_differ_from_each_other_and_from_the_reference(exercise):
    assert 2 <= len(exercise.wrong), "an exercise has typical wrong answers"
    answers = [("reference", exercise.reference)]
    answers += [(wrong.name, wrong.answer) for wrong in exercise.wrong]
    outcomes = [(name, [f(*case) for case in exercise.cases()]) for name, f in answers]
    for (one, first), (other, second) in itertools.combinations(outcomes, 2):
        assert not verdicts._same(first, second, 100 * exercise.tolerance), f"{one} is {other}"
    hints = [wrong.hint for wrong in exercise.wrong]
    assert len(set(hints)) == len(hints)


def test_a_wrong_answer_that_passes_would_be_seen():
    """The two tests above can fail: a wrong answer that is right, and two that are one."""
    exercise = EXERCISES[0]
    assert check.verdict(exercise, exercise.reference) == check.PASSED
    same = [exercise.wrong[0].answer(*case) for case in exercise.cases()]
    assert verdicts._same(same, [exercise.wrong[0].answer(*c) for c in exercise.cases()], 1e-4)


def repeated(one, other):
    """Whether two arguments are alike; functions are judged by what the reference makes of them."""
    if isinstance(one, torch.nn.Module):
        weights = one.state_dict().values(), other.state_dict().values()
        return str(one) == str(other) and all(map(torch.equal, *weights))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(repeated, one, other))
    return callable(one) or torch.equal(torch.as_tensor(one), torch.as_tensor(other))


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_cases_repeat_and_survive_answers_that_change_them(exercise):
    def spoil(*arguments):
        made = exercise.reference(*arguments)
        for argument in arguments:
            if isinstance(argument, torch.Tensor):
                argument.fill_(7.0)
        return made

    for one, other in zip(exercise.cases(), exercise.cases(), strict=True):
        for a, b in zip(one, other, strict=True):
            assert repeated(a, b)
        answers = exercise.reference(*one), exercise.reference(*other)
        assert verdicts._same(*answers, exercise.tolerance)
    assert check.verdict(exercise, spoil) == check.PASSED


@pytest.mark.parametrize(
    "answer",
    [
        check.TODO,
        None,
        lambda *arguments: check.TODO,
        lambda *arguments: None,
        lambda *arguments: (arguments[0], check.TODO),
    ],
)
def test_unsolved_is_no_mistake(answer, capsys):
    relative = check.exercises("05")[3]
    assert uses_reference(relative, check.choose("05.4", answer))
    said = "05.4: not solved yet, the reference is used from here\n"
    assert capsys.readouterr().out == said
    assert check.attempts("05.4") == 0, "nothing was tried yet"


class Hostile:
    """Raises whatever is done with it."""

    def __getattribute__(self, name):
        raise RuntimeError("touched")


def bad_message(*arguments):
    class Bad(Exception):
        def __str__(self):
            raise RuntimeError

    raise Bad


def leaves(*arguments):
    raise SystemExit(3)


def endless(*arguments):
    return endless(*arguments)


def addressed(*arguments):
    raise ValueError(f"no such thing: {object()}\nand a second line")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (5, "a function was expected, this is an int"),
        (lambda logits: logits, r"takes \(logits\), but it is called as \(logits, temperature\)"),
        (addressed, r"raises ValueError: no such thing: <object object>. Given: logits a tensor"),
        (bad_message, "raises Bad. Given"),
        (leaves, "raises SystemExit: 3"),
        (endless, "raises RecursionError: maximum recursion depth"),
        (lambda logits, temperature: logits @ logits, "raises RuntimeError: .*Expected: soft_"),
        (lambda logits, temperature: "point", r"returns a str instead of a tensor \(2, 2\)"),
        (lambda logits, temperature: np.zeros((2, 2)), r"returns a ndarray \(2, 2\) instead of"),
        (lambda logits, temperature: torch.zeros(2, 2).long(), "of int64 instead of a tensor"),
        (lambda logits, temperature: torch.zeros(2, 3), r"returns shape \(2, 3\) instead of \(2,"),
        (lambda logits, temperature: (logits, logits), "returns 2 values .* instead of a tensor"),
        (lambda logits, temperature: torch.full((len(logits), 2), torch.nan), "returns NaN: look"),
        (lambda logits, temperature: torch.full((len(logits), 2), torch.inf), "returns infinite"),
        (lambda logits, temperature: torch.zeros(len(logits), 2), "values do not: 0.000 instead"),
        (lambda logits, temperature: Hostile(), "cannot be compared|instead of"),
    ],
)
def test_whatever_an_answer_does_the_notebook_goes_on(answer, words, capsys):
    said = []
    for _ in range(2):
        assert uses_reference(check.exercises("05")[1], check.choose("05.2", answer))
        said.append(capsys.readouterr().out)
    assert re.search(words, said[0])
    assert said[0] == said[1], "the lines are the same in every run"
    assert len(said[0].splitlines()) == 2
    assert "0x" not in said[0]


def test_only_an_interrupt_passes():
    def stopped(logits, temperature):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check.choose("05.2", stopped)


def test_an_answer_may_be_written_in_its_own_way():
    """Other parameter names, double precision, a list instead of a tuple, a gradient."""

    def mine(made, start, end):
        l1 = (made.double() - end).abs().mean().requires_grad_()
        return [l1, l1 / (start - end).abs().mean()]

    assert check.verdict(check.exercises("00")[2], mine) == check.PASSED


def run(id, chosen):
    """Call what `check.choose` returned, on the exercise's first case."""
    exercise = material.find(material.Exercise, id)
    return chosen(*exercise.cases()[0])


def test_the_badge_names_the_references_that_were_called():
    chosen = {
        "05.4": check.choose("05.4", check.TODO),
        "05.1": check.choose("05.1", lambda *arguments: 1 / 0),
        "05.2": check.choose("05.2", check.exercises("05")[1].reference),
    }
    assert check.fallbacks() == ["05.1", "05.4"]
    assert check.badge() == "", "in use, and not called"
    run("05.2", chosen["05.2"])
    assert check.badge() == "", "the learner's own function"
    run("05.4", chosen["05.4"])
    assert check.badge() == "Made with the reference solution of 05.4"
    run("05.1", chosen["05.1"])
    assert check.badge() == "Made with the reference solution of 05.1 and 05.4"
    check.begin()
    assert check.badge() == ""
    run("05.1", chosen["05.1"])
    check.choose("05.1", check.exercises("05")[0].reference)
    assert check.badge() == "", "from here on the learner's own function is used"


def test_only_the_right_figures_are_marked():
    """One exercise solved, one left: in a notebook's cells, figures and stills alike."""
    shell = InteractiveShell()  # an IPython of its own, without a screen
    with in_shell(shell):
        for cell in (
            "from aidagen.teaching import check\n"
            "from aidagen.widgets import overlays\n"
            "import matplotlib.pyplot as plt, torch\n"
            "from PIL import Image\n"
            "scores = torch.rand(2, 5, 5)\n"
            "plate = Image.new('RGB', (260, 40))",
            "def soft_argmax(logits, temperature):\n"
            "    grid = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, n) for n in"
            " logits.shape[1:]], indexing='ij')[::-1], -1)\n"
            "    return (logits / temperature).flatten(1).softmax(-1) @ grid.view(-1, 2)",
            "soft_argmax = check.choose('05.2', soft_argmax)",
            "def mix(mask_logits, motions):\n    return check.TODO",
            "mix = check.choose('05.3', mix)",
            "own = soft_argmax(scores, 0.3)\nown_still = overlays.still(plate, alt='own')\n"
            "own_figure = check.stamp(plt.figure())",
            "flow = mix(scores, torch.rand(2, 5, 5, 2))\n"
            "theirs_still = overlays.still(plate, alt='theirs')\n"
            "theirs_figure = check.stamp(plt.figure())",
            "own_again = overlays.still(plate, alt='own')",
        ):
            assert shell.run_cell(cell, store_history=True).success
    made = shell.user_ns
    assert made["own_still"].alt == made["own_again"].alt == "own"
    assert made["theirs_still"].alt == "theirs (Made with the reference solution of 05.3.)"
    assert not made["own_figure"].texts
    marked = [text.get_text() for text in made["theirs_figure"].texts]
    assert marked == ["Made with the reference solution of 05.3"]
    plt.close("all")


@contextmanager
def in_shell(shell):
    """Let ``get_ipython()`` be this shell."""
    old, InteractiveShell._instance = InteractiveShell._instance, shell
    try:
        yield
    finally:
        InteractiveShell._instance = old


def test_stills_carry_the_badge_below_the_picture():
    picture = Image.new("RGB", (260, 40), "navy")
    plain = overlays.still(picture, alt="a plate").data
    run("05.1", check.choose("05.1", check.TODO))
    with_badge = overlays.still(picture, alt="a plate")
    assert with_badge.data != plain
    assert with_badge.alt == "a plate (Made with the reference solution of 05.1.)"
    made = overlays.badged(picture, check.badge())
    assert made.width >= 260 and made.height >= 60
    assert (np.asarray(made)[:40, :260] == np.asarray(picture)).all(), "the picture is untouched"
    strip = np.asarray(made)[42:]
    assert (strip.min(-1) < 60).any() and strip[-1].min() > 150, "dark words on a light strip"
    narrow = overlays.badged(Image.new("RGB", (90, 40)), check.badge())
    assert narrow.width < 120 and narrow.height > made.height, "words are broken into lines"
    check.begin()
    assert overlays.still(picture).data == plain


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
def test_figures_are_stamped_and_cleared(layout):
    figure, axes = plt.subplots(figsize=(4, 2), layout=layout)
    axes.set_xlabel("step")
    assert check.stamp(figure) is figure and not figure.texts
    run("05.1", check.choose("05.1", check.TODO))
    check.stamp(check.stamp(figure))
    assert [text.get_text() for text in figure.texts] == [check.badge()]
    figure.canvas.draw()
    if layout == "constrained":
        badge, label = figure.texts[0].get_window_extent(), axes.xaxis.label.get_window_extent()
        assert badge.y1 < label.y0 + 3, "the badge stands below the axis label"
    check.choose("05.1", check.exercises("05")[0].reference)
    check.stamp(figure)
    assert not figure.texts
    plt.close(figure)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_table_for_instructors_has_every_wrong_answer(number):
    lines = check.misconceptions(number).splitlines()
    count = sum(len(exercise.wrong) for exercise in check.exercises(number))
    assert len(lines) == 2 + count
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in lines)
    for exercise in check.exercises(number):
        assert sum(line.startswith(f"| {exercise.id} ") for line in lines) == len(exercise.wrong)


@pytest.mark.parametrize("exercise", EXERCISES, ids=named)
def test_exercises_are_well_described(exercise):
    assert exercise.id.startswith(tuple(f"{number}." for number in NUMBERS))
    assert 3 <= exercise.minutes <= 15
    assert inspect.getdoc(exercise.reference)
    for text in (*(w.hint for w in exercise.wrong), exercise.hint):
        assert text.endswith((".", ".'")) and len(text) < 220


HEADING = re.compile(r"^# ### Exercise (\S+) · (.+?)(?: \(difficulty .*)?$", re.M)


@pytest.mark.parametrize("path", sorted(COURSE.glob("[0-9][0-9]_*.py")), ids=lambda p: p.stem)
def test_the_lectures_headings_say_what_the_exercises_say(path):
    titles = {exercise.id: exercise.title for exercise in EXERCISES}
    found = HEADING.findall(path.read_text(encoding="utf-8"))
    assert found, "a lecture has exercises"
    for id, title in found:
        assert title == titles.get(id), id


@pytest.mark.parametrize("path", sorted(COURSE.glob("[0-9][0-9]_*.py")), ids=lambda p: p.stem)
def test_stubs_and_solutions_in_the_lectures_are_those_of_the_exercises(path):
    """Stubs are unsolved (a faulty function is the one that the data know), solutions pass."""
    cells = [
        cell for cell in notebooks.read_source(path).cells
        if cell.cell_type == "code" and copies.tags(cell) & {"exercise", "solution"}
    ]  # fmt: skip
    code = path.read_text(encoding="utf-8")
    chosen = dict(re.findall(r"^(\w+) = check\.choose\(\"([^\"]+)\"", code, re.M))
    space = {"math": math, "torch": torch, "F": F, "np": np, "grids": grids, "check": check}
    seen = set()
    for cell in cells:
        names = instructor.defined(cell.source) & set(chosen)
        if not names:
            continue
        exec(compile(cell.source, path.name, "exec"), space)
        for name in names:
            exercise = material.find(material.Exercise, chosen[name])
            judgement = verdicts.judged(exercise, space[name])
            if "solution" in copies.tags(cell):
                assert judgement.passed, f"{exercise.id}: {judgement.words}"
            else:
                assert not judgement.tried, f"{exercise.id}: {judgement.words}"
            seen.add((name, "solution" in copies.tags(cell)))
    assert seen == {(name, solved) for name in chosen for solved in (True, False)}


def test_what_does_not_exist_is_one_sentence():
    with pytest.raises(AidagenError, match=r"There is no exercise '05.9': 05.1, 05.2"):
        check.choose("05.9", None)
    with pytest.raises(AidagenError, match="Lecture '98' has no exercises"):
        check.exercises("98")
    with pytest.raises(AidagenError, match=r"an id looks like 05\.1"):
        check.choose("five", None)
    with pytest.raises(AidagenError, match="difficulty of 1 to 3"):
        material.Exercise("05.1", "", 5, 9, abs, list, (), "", "")
