"""A lecture is added by adding files: its topic's folder is found, and all that it holds."""

from pathlib import Path

import pytest
import small_course

import aidagen.lectures
from aidagen.publishing import instructor, lints, notebooks
from aidagen.teaching import check, ledger, material, papermap, predict, quiz

ROOT = Path(__file__).resolve().parents[1]
TOPIC = '''"""Lecture 98: small."""

NUMBER = "98"
MODELS = ("small",)
MINUTES = (70, 80)
'''
LEDGER = '''"""The small lecture's ledger."""

from aidagen.teaching.ledger import Row

ROWS = (Row(claim="Twice is more", differs="no paper says so", test="test_topics.py::test_x"),)
'''
PREDICTIONS = """PREDICTIONS = (Prediction("98.p1", "What is twice 0.2?"),)
"""
MODEL = '''"""A small model."""


def double(x):
    """Twice the number."""
    return 2 * x  # eq. (1): y = 2 x
'''


@pytest.fixture
def course(tmp_path):
    """A course with a new lecture: nothing of this repository was edited for it."""
    table = small_course.TABLE.replace("PREDICTIONS = ()\n", PREDICTIONS)
    table = table.replace("Option, Q", "Option, Prediction, Q")
    small_course.write(tmp_path, table=table)
    (tmp_path / "tables" / "small" / "__init__.py").write_text(TOPIC)
    (tmp_path / "tables" / "small" / "ledger.py").write_text(LEDGER)
    (tmp_path / "aidagen" / "models").mkdir(parents=True)
    (tmp_path / "aidagen" / "models" / "small.py").write_text(MODEL)
    with small_course.table_beside(tmp_path):
        yield tmp_path


def test_a_new_topic_brings_exercises_questions_predictions_and_ledger(course):
    assert [exercise.id for exercise in check.exercises("98")] == ["98.1", "98.2", "98.3"]
    assert check.choose("98.1", lambda x: x + x)(3.0) == 6.0
    assert quiz.ask("98.q1").question.right == 1
    assert predict.guess("98.p1").prediction.text == "What is twice 0.2?"
    assert "| Twice is more |" in ledger.table("98")
    assert "98.q1" in instructor.quiz("98") and "first slip" in instructor.misconceptions("98")
    assert list(material.topics())[-1] == "98"


def test_a_new_topic_brings_its_equation_map(course):
    assert papermap.models_of("98") == ("small",)
    assert papermap.problems(course) == []
    (course / "aidagen" / "models" / "small.py").write_text(MODEL.replace("(1)", "(2)"))
    assert any("cites equation (1)" in sentence for sentence in papermap.problems(course))


def test_a_topic_sets_the_frame_of_its_plan(course):
    """The small lecture plans 75 minutes."""
    notebook = notebooks.read_source(course / "course" / "98_small.py")
    assert not [fault for fault in lints.text_problems(notebook, "98") if "plans" in fault]
    material.topic("98").MINUTES = (10, 20)
    assert any("plans 75 minutes; 10 to 20" in f for f in lints.text_problems(notebook, "98"))


def test_every_topic_of_the_course_has_its_lecture():
    topics = material.topics()
    assert len(topics) == len(list(Path(aidagen.lectures.__file__).parent.glob("*/__init__.py")))
    for number in topics:
        assert list((ROOT / "course").glob(f"{number}_*.py")), f"no lecture says {number}"
