"""The script that measures a long clip's speed: that it runs, and what it finds on this machine."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from aidagen import inference, streaming, video, zoo

SCRIPT = Path(__file__).resolve().parents[1] / "data_scripts" / "animate_speed.py"


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("animate_speed", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "animate_speed", module)
    spec.loader.exec_module(module)
    return module


def test_a_clip_goes_round(script, tmp_path):
    frames = script.loop(64)[:30]
    assert script.written(tmp_path / "clip.mp4", frames, 100) == 90
    found = video.info(tmp_path / "clip.mp4")
    assert (found.frames, found.fps, found.note) == (90, 25, "")
    shown = torch.stack(list(video.read(tmp_path / "clip.mp4"))).int()
    assert torch.equal(shown[:30], shown[60:])
    assert (shown[30:60] - frames.int()).abs().float().mean() < 4
    assert script.written(tmp_path / "short.mp4", frames, 3) == 30


def test_a_rate_is_that_of_what_goes_on(script, monkeypatch):
    clock = iter([0.0, 9.0, 10.0, 10.5, 11.0, 11.5])  # a slow beginning
    monkeypatch.setattr(script.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(script, "SETTLED", 2)
    assert script.timed(lambda done: [done(4) for _ in range(5)]).frames == pytest.approx(8)


def test_it_measures_and_prints(script, monkeypatch, capsys):
    """All rows with few frames, half precision as on a GPU."""
    monkeypatch.setattr(script, "LOOP", 24)
    monkeypatch.setattr(script, "FPS", 5)
    monkeypatch.setattr(script, "SETTLED", 2)
    monkeypatch.setattr(script, "TURNS", 1)
    monkeypatch.setattr(inference, "shorter", lambda device: torch.bfloat16)
    monkeypatch.setattr(streaming, "encoders", streaming.encoders)  # is put back afterwards
    options = "--seconds 0.1 --minutes 0.03 --published tiny --small fomm-heads-64 --encoders 2"
    monkeypatch.setattr("sys.argv", ["animate_speed.py", *options.split()])
    script.main()
    told = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"CPU, torch .*, \d+ CPU threads; warps: eager", told[0])
    for line, seconds in zip(told[1:3], (10, 5), strict=True):
        assert re.fullmatch(rf"a clip of {seconds} s: peak \d+ MB, on the GPU 0 MB", line)
    assert told[3].split() == [word for each in script.COLUMNS for word in each.split()]
    names = [f"{name}, {words}" for name in ("fomm-heads-64", "tiny")
             for words in ("float32", "bfloat16, --fast")]  # fmt: skip
    for line, name in zip(told[4:8], names, strict=True):
        assert line.startswith(name)
        batch, alone, whole, ratio, reading, writing, turns, cpu, share = map(
            float, line.removeprefix(name).split()
        )
        assert batch == 4 and turns >= 1
        assert min(alone, whole, reading, writing) > 1 and 0 < share < 1 and 0.3 < cpu < 3
        assert turns > 1 or ratio == pytest.approx(whole / alone, rel=0.05)
    assert re.search(r"bfloat16, --fast: over 6 frames .* PSNR [\d.]+ dB$", told[8])
    assert len(told) == 9


@pytest.mark.verify
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_reading_and_writing_hide_behind_the_model(script, tmp_path, device):
    """On a GPU at least 95 % of the model's own speed.

    On a CPU all three compete for the same cores. Where these are all taken, the best that can be
    is the model's share in the CPU time of the three; threads and queues may cost a tenth of it.
    """
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    model = inference.prepared(zoo.load("fomm-faces-128", device=device))
    batch = inference.frames_at_a_time(model)
    found = script.speed(model, script.loop(128)[:96], batch, 40, tmp_path)
    print(found)
    assert found.overhead < 1.15
    assert found.ratio >= (0.95 if device == "cuda" else 0.9 * found.share)
