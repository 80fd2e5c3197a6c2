"""What `make bench` measures: both sides do the same, and all of it runs without a GPU."""

import copy
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from aidagen.models.fomm import fomm_tiny
from aidagen.training import Training

SCRIPTS = Path(__file__).resolve().parents[1] / "data_scripts"


@pytest.fixture(scope="module")
def scripts():
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(SCRIPTS)
        import bench
        import bench_gpu
        import bench_warps
        import measures
        import published_step

        yield SimpleNamespace(
            bench=bench, gpu=bench_gpu, warps=bench_warps, measures=measures, step=published_step
        )


def gradients(step, run, model):
    """The losses of one step and the gradients that its optimizers were given."""
    kept = {}
    for name, parameter in model.named_parameters():
        parameter.register_hook(lambda g, name=name: kept.__setitem__(name, g.clone()))
    return run.step(), kept


@pytest.fixture
def exactly():
    """In double precision."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(usual)


def test_a_step_as_published_has_our_losses_and_our_gradients(scripts, exactly):
    """Readings have kinks at pixels, where in single precision rounding decides."""
    step = scripts.step
    objective, recipe = step.begun(batch=3)
    objective.double()  # its constants too
    other = copy.deepcopy(objective)
    passes = [], []
    for each, seen in zip((objective, other), passes, strict=True):
        detector = each.model.kp_detector.predictor
        detector.register_forward_hook(lambda *_, seen=seen: seen.append(1))
    published, theirs = gradients(step, step.Published(other, recipe), other.model)
    ours, own = gradients(step, Training(objective, recipe), objective.model)
    assert [len(seen) for seen in passes] == [2, 3]
    assert published.keys() == ours.keys() and len(ours) == 6
    for name, value in ours.items():
        assert value > 0.01 and published[name] == pytest.approx(value, rel=1e-9), name
    assert theirs.keys() == own.keys()
    far = sum(float((own[name] - theirs[name]).square().sum()) for name in own)
    whole = sum(float(gradient.square().sum()) for gradient in own.values())
    assert far < 1e-8**2 * whole


def test_losses_that_differ_are_not_timed(scripts, monkeypatch):
    warped = scripts.step.sparse_deformed
    monkeypatch.setattr(scripts.step, "sparse_deformed", lambda *x: 0.9 * warped(*x))
    with pytest.raises(AssertionError, match="losses differ"):
        scripts.step.sides(batch=2)


def test_peak_memory_is_what_was_held_at_once(scripts):
    numbers = 1 << 18  # of four bytes

    def way():
        first = torch.empty(4 * numbers)
        second = torch.empty(2 * numbers)
        del first
        return torch.empty(numbers), second

    assert scripts.measures.peak_bytes(way, "cpu") == 6 * 4 * numbers


@pytest.mark.parametrize("back", [False, True])
def test_sparse_warps_as_published_are_ours_and_take_more_memory(scripts, back):
    ways = scripts.warps.sparse_sides("cpu", 2, 33, back)
    results = [way() for way in ways]
    for a, b in zip(*(x if back else [x] for x in results), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4 * float(b.abs().max()), rtol=1e-4)
    published, ours = (scripts.measures.peak_bytes(way, "cpu") for way in ways)
    assert published > 1.3 * ours


def test_sparse_warps_there_and_back_take_a_third_of_the_memory(scripts):
    """At the size of the bench's row, where grids are made for one map after another."""
    ways = scripts.warps.sparse_sides("cpu", 4, 256, True)
    published, ours = (scripts.measures.peak_bytes(way, "cpu") for way in ways)
    assert published >= 3 * ours


def test_what_is_recorded_has_the_same_gradients_and_a_share(scripts):
    each = scripts.warps.operations("cpu", 2, 16)[0]
    plain = each.run("eager", True)
    with scripts.measures._named({(each, "function"): "warps"}):
        recorded = each.run("eager", True)
    for a, b in zip(plain, recorded, strict=True):
        assert torch.equal(a, b)
    found = scripts.measures.shares(lambda: each.run("eager", True), {(each, "function"): "warps"})
    assert 0.5 < found["warps"] < 1 and sum(found.values()) == pytest.approx(1)
    forward = scripts.measures.shares(
        lambda: each.run("eager", False), {(each, "function"): "warps"}
    )
    assert 0.3 < forward["warps"] < 1


def test_bytes_that_have_to_move(scripts):
    warp, mix, flow = scripts.warps.operations("cpu", 2, 16)
    maps = 4 * 2 * 10 * 8
    assert warp.moved(False) == 4 * 2 * 3 * 256 * 12 + maps
    assert mix.moved(False) == 4 * 2 * 11 * 256 + maps + 8 * 2 * 256
    assert flow.moved(False) == 2 * 4 * 2 * 64 * 64 + 12 * 2 * 16
    assert warp.moved(True) == 4 * 2 * 3 * 256 * (3 + 22) + 3 * maps


def test_all_that_is_measured_on_a_gpu_runs(scripts, tmp_path, capsys):
    """On the CPU, with tiny sizes: so that no minute of a GPU ends in a misspelt name."""
    out = tmp_path / "gpu.json"
    rows = scripts.gpu.measure(out, "cpu", ((2, 8),), 0, fomm_tiny(), frames=3, pairs=2, turns=0)
    assert not [row for row in rows if "failed" in row], capsys.readouterr().out
    assert json.loads(out.read_text())["rows"] == json.loads(json.dumps(rows))
    names = " ".join(row["name"] for row in rows)
    expected = (
        "ceiling", "local_affine_warp, B 2, 8 px, forward and back: eager / fused", "peak memory",
        "mix_affine_maps", "warp_by_flow", "sparse-warp-vox-256", "float16 painter, batch 16",
        "train-step-fomm", "ours: share of warps", "a step one by one / captured",
    )  # fmt: skip
    for word in expected:
        assert word in names, word
    asked = [row for row in rows if "asked" in row]
    assert len(asked) == 1 and asked[0]["reached"] == (asked[0]["ratio"] >= 5)
    assert "The time is up" in capsys.readouterr().out


def test_a_section_that_fails_is_a_row_and_the_next_one_runs(scripts, tmp_path):
    sheet = scripts.gpu.Sheet(tmp_path / "gpu.json", "cpu", 1)
    sheet.section("broken", lambda sheet: 1 / 0)
    sheet.section("whole", lambda sheet: sheet.row("speed", 2.0, 4.0, "frames/s"))
    broken, whole = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    assert broken == {"name": "broken", "failed": "ZeroDivisionError: division by zero"}
    assert whole["ratio"] == 2  # more frames are better


@pytest.mark.skipif(torch.cuda.is_available(), reason="measures for a minute")
def test_without_a_gpu_the_command_says_so(scripts, tmp_path, monkeypatch, capsys):
    out = tmp_path / "gpu.json"
    monkeypatch.setattr(sys, "argv", ["bench.py", "--gpu", "--out", str(out)])
    scripts.bench.main()
    assert "no NVIDIA GPU" in capsys.readouterr().out and not out.exists()


def test_rows_of_memory_have_their_unit(scripts, tmp_path, monkeypatch):
    def rows(*_):
        yield "speed", "old", "new", 0.2, 0.1, 3
        yield "room", "old", "new", 30.0, 10.0, 1, "MiB"

    out = tmp_path / "bench.json"
    monkeypatch.setattr(scripts.bench, "rows", rows)
    monkeypatch.setattr(scripts.bench, "ceilings", lambda seconds: ())
    monkeypatch.setattr(sys, "argv", ["bench.py", "--out", str(out)])
    scripts.bench.main()
    speed, room = json.loads(out.read_text())["rows"]
    assert (speed["ratio"], speed["ours"], speed["unit"]) == (2, 100, "ms")
    assert (room["ratio"], room["ours"], room["unit"]) == (3, 10, "MiB")
