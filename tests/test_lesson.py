"""How a lecture begins, and which notebook `make lab` opens."""

import json
import socket

import numpy as np
import pytest
import torch

from aidagen.errors import AidagenError
from aidagen.publishing import lab
from aidagen.teaching import lesson


def test_start_says_two_stable_lines(capsys, monkeypatch):
    monkeypatch.delenv("AIDAGEN_PROFILE", raising=False)
    monkeypatch.delenv("AIDAGEN_THREADS", raising=False)
    begun = lesson.start("05", device="cpu")
    assert capsys.readouterr().out == (
        "Lecture 05, profile lecture, seed 5.\nComputing on cpu, 1 CPU thread.\n"
    )
    assert begun.threads == torch.get_num_threads() == 1
    assert repr(begun) == "Lesson('05', profile='lecture', seed=5)"


def test_profile_comes_from_argument_then_environment(monkeypatch):
    monkeypatch.setenv("AIDAGEN_PROFILE", "smoke")
    assert lesson.start("05").profile == "smoke"
    assert lesson.start("05", "full").profile == "full"
    assert lesson.start("05").pick(1, 2, 3) == 1
    assert lesson.start("05", "lecture").pick(1, 2, 3) == 2
    assert lesson.start("05", "full").pick(1, 2, 3) == 3
    assert lesson.start("05", "full").pick(1, 2) == 2
    with pytest.raises(AidagenError, match="smoke, lecture, full"):
        lesson.start("05", "fast")


@pytest.mark.parametrize("number", ["5", "five", ""])
def test_a_wrong_number_is_one_sentence(number):
    with pytest.raises(AidagenError, match="two digits"):
        lesson.start(number)


def test_everything_random_repeats():
    def draw():
        begun = lesson.start("07")
        return (
            torch.rand(3).tolist(),
            np.random.rand(3).tolist(),
            begun.rng.random(3).tolist(),
            torch.rand(3, generator=begun.generator).tolist(),
        )

    first = draw()
    assert first == draw()
    lesson.start("08")
    assert torch.rand(3).tolist() != first[0]


def test_threads_can_be_raised(monkeypatch):
    monkeypatch.setenv("AIDAGEN_THREADS", "2")
    assert lesson.start("05").threads == 2
    assert lesson.start("05", threads=1).threads == 1


def test_the_first_lecture_is_opened(tmp_path):
    assert lab.start_notebook(tmp_path) is None
    folder = tmp_path / "work"
    folder.mkdir()
    for name, expected in [
        ("07_playable", "07_playable"),
        ("05_first_order_motion", "05_first_order_motion"),
        ("00_start_here", "00_start_here"),
    ]:
        (folder / f"{name}.ipynb").write_text("{}")
        (folder / f"{name}.new.ipynb").write_text("{}")  # set aside: not what to open
        assert lab.start_notebook(tmp_path).as_posix() == f"work/{expected}.ipynb"


def test_settings_stay_in_the_course_folder(tmp_path):
    environment = lab.settings(tmp_path)
    assert all(str(tmp_path / ".jupyter") in value for value in environment.values())
    overrides = json.loads((tmp_path / ".jupyter" / "defaults" / "overrides.json").read_text())
    assert overrides["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


def test_a_taken_port_is_passed_over():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert lab.free_port(port) > port


def test_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(AidagenError, match="no folder"):
        lab.serve(tmp_path / "nowhere", browser=False)
