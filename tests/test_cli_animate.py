"""``aidagen animate`` with shipped models: ready ones, faster ones, settings of the movement."""

import re

import pytest
import torch
from test_video import encode
from torch import nn

from aidagen import cli, inference, video, zoo

FOMM, MONKEY = "fomm-faces-64", "monkeynet-bodies-64"


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    clip = nn.functional.interpolate(torch.rand(6, 3, 5, 5), 64, mode="bicubic").clamp(0, 1)
    clip = clip[:1] + (clip - clip[:1]) * torch.linspace(0, 1, 6)[:, None, None, None]
    encode(tmp_path / "drive.mp4", list((255 * clip).byte()))
    still = nn.functional.interpolate(torch.rand(1, 3, 7, 7), 80, mode="bicubic").clamp(0, 1)
    encode(tmp_path / "still.mp4", list((255 * still).byte()))
    return tmp_path


def run(out, *options, model=FOMM):
    given = ["animate", "still.mp4", "drive.mp4", out, "--model", model, "--device", "cpu"]
    return cli.main([*given, "--no-mark", *options])


def shown(out):
    return torch.stack(list(video.read(out))).float() / 255


def refused(capsys, code):
    told = [x for x in capsys.readouterr().err.splitlines() if x.startswith("aidagen: ")]
    assert code == 2 and len(told) == 1 and told[0].endswith(".")
    return told[0]


def test_the_command_prepares_the_model_and_draws_the_same(files, monkeypatch):
    ready, prepare, batches = [], inference.prepared, []
    monkeypatch.setattr(
        inference, "prepared", lambda *given: ready.append(prepare(*given)) or ready[-1]
    )
    render = zoo.system_named("fomm").model.render
    monkeypatch.setattr(
        zoo.system_named("fomm").model, "render",
        lambda self, encoded, motion: batches.append(len(motion.points))
        or render(self, encoded, motion),
    )  # fmt: skip
    assert run("out.mp4") == 0
    assert len(ready) == 1 and batches == [4, 2]  # a CPU's four at a time
    assert any(isinstance(each, inference.Folded) for each in ready[0].modules())
    monkeypatch.setattr(inference, "prepared", lambda model: model)
    assert run("plain.mp4") == 0
    assert (shown("out.mp4") - shown("plain.mp4")).abs().mean() < 1e-3


def test_fast_says_what_it_costs(files, monkeypatch, capsys):
    assert run("exact.mp4") == 0
    monkeypatch.setattr(inference, "shorter", lambda device: torch.bfloat16)
    capsys.readouterr()
    assert run("out.mp4", "--fast") == 0
    told = capsys.readouterr().out.splitlines()[0]
    assert told.startswith("--fast paints in half precision: over the first 4 frames")
    found = re.search(r"error is ([\d.e-]+) of the range, the PSNR ([\d.]+) dB, both", told)
    error, psnr = map(float, found.groups())
    assert 1e-5 < error < 0.1 and 30 < psnr < 90
    assert (shown("out.mp4") - shown("exact.mp4")).abs().mean() < 0.02
    assert len(shown("out.mp4")) == 6  # those that were compared are there once


def test_fast_without_such_instructions_is_the_exact_way(files, monkeypatch, capsys):
    monkeypatch.setattr(inference, "shorter", lambda device: None)
    assert run("exact.mp4") == 0 and run("fast.mp4", "--fast") == 0
    told = capsys.readouterr().err
    assert told.count("no instructions for half precision") == 1
    assert torch.equal(shown("fast.mp4"), shown("exact.mp4"))


def test_fast_of_a_model_that_paints_nothing_in_half_precision(files, monkeypatch, capsys):
    monkeypatch.setattr(inference, "shorter", lambda device: torch.bfloat16)
    assert run("fast.mp4", "--fast", model="x2face-faces-64") == 0
    shown = capsys.readouterr()
    assert shown.err.count("X2Face has no part that --fast could paint in half precision") == 1
    assert "PSNR" not in shown.out


@pytest.mark.parametrize(
    ("model", "option"),
    [(FOMM, "adapt_scale"), (MONKEY, "adapt_scale"), (MONKEY, "adapt_variance"),
     (MONKEY, "clip_mean")],
)  # fmt: skip
def test_settings_of_the_movement_reach_the_model(files, monkeypatch, model, option):
    asked, kind = [], type(zoo.load(model, device="cpu"))
    relative = kind.relative

    def spied(self, *given, **settings):
        asked.append(settings)
        return relative(self, *given, **settings)

    monkeypatch.setattr(kind, "relative", spied)
    spied.__wrapped__ = relative  # its signature
    assert run("out.mp4", "--" + option.replace("_", "-"), model=model) == 0
    assert asked == [{option: True}] * 2
    assert run("plain.mp4", model=model) == 0 and asked[2:] == [{}] * 2


def test_settings_that_say_nothing_are_refused(files, capsys):
    assert "has no setting --clip-mean" in refused(capsys, run("out.mp4", "--clip-mean"))
    told = refused(capsys, run("out.mp4", "--adapt-scale", "--mode", "absolute"))
    assert "belongs to --mode relative" in told
    assert sorted(each.name for each in files.iterdir()) == ["drive.mp4", "still.mp4"]
