"""The command line: what each command does, and that no mistake ends in a traceback."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from test_video import audio_only, cut, encode, no_frames
from tiny_model import NAME, TinyModel, blob, zoo

import aidagen
from aidagen import checkup, cli, video

ROOT = Path(aidagen.__file__).resolve().parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}


@pytest.fixture(autouse=True)
def tiny_zoo(monkeypatch):
    stand_in = zoo()
    monkeypatch.setattr("aidagen.animating.zoo", stand_in)
    monkeypatch.setitem(sys.modules, "aidagen.zoo", stand_in)
    monkeypatch.setattr(aidagen, "zoo", stand_in, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    yield stand_in
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with a picture and a clip, in which the command is run."""
    monkeypatch.chdir(tmp_path)
    save(blob(0.1, -0.1, (60, 90)), "face.png")
    encode(tmp_path / "drive.mp4", moving(20))
    return tmp_path


def moving(count, size=(48, 64)):
    return [blob(0.4 * np.sin(t / 5), 0.2, size) for t in range(count)]


def save(pixels, name):
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(name)


def animate(source="face.png", driving="drive.mp4", out="out.mp4", *options, model=NAME):
    return cli.main(["animate", str(source), str(driving), str(out), "--model", model, *options])


def refused(capsys, code, expected=2) -> str:
    """The one sentence on stderr of a command that ended with `code`."""
    shown = capsys.readouterr()
    assert code == expected and shown.out == ""
    lines = re.sub(r".*\r", "", shown.err).strip().splitlines()  # progress bars aside
    told = [line for line in lines if line.startswith("aidagen: ")]
    assert len(told) == 1 and lines[-1] == told[0] and "Traceback" not in shown.err, shown.err
    assert told[0].endswith(".") and len(told[0]) < 400
    return told[0]


# ------------------------------------------------------------------------------------ animate


def test_animate_writes_a_playable_marked_clip(files, capsys):
    assert animate("face.png", "drive.mp4", "out.mp4", "--batch", "8") == 0
    shown = capsys.readouterr()
    assert re.search(r"out\.mp4: 20 frames of 16 x 16 pixels, [\d.]+ frames per second", shown.out)
    assert "20/20" in shown.err  # the progress bar
    with av.open("out.mp4") as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, codec.width) == ("h264", "yuv420p", 16)
        assert NAME in container.metadata["comment"] and "relative" in container.metadata["comment"]
        assert sum(1 for _ in container.decode(video=0)) == 20
    assert video.info("out.mp4").fps == video.info("drive.mp4").fps
    assert animate("face.png", "drive.mp4", "bare.mp4", "--no-mark", "--no-note") == 0
    with av.open("bare.mp4") as container:
        assert "comment" not in container.metadata
    marked, bare = (torch.stack(list(video.read(n))).float() for n in ("out.mp4", "bare.mp4"))
    difference = (marked - bare).abs().amax((0, 1))
    assert difference[-2:, -2:].max() > 60 and difference[:10, :10].mean() < 12
    assert sorted(os.listdir()) == ["bare.mp4", "drive.mp4", "face.png", "out.mp4"]


def test_animate_takes_the_showcase_where_no_model_is_named(files, tiny_zoo, monkeypatch):
    asked, load = [], tiny_zoo.load
    monkeypatch.setattr(tiny_zoo, "names", lambda: ["fomm-faces-128"])
    monkeypatch.setattr(tiny_zoo, "load", lambda name, device: asked.append(name) or load(name))
    assert cli.main(["animate", "face.png", "drive.mp4", "out.mp4"]) == 0
    assert asked == ["fomm-faces-128"] == [aidagen.SHOWCASE]
    with av.open("out.mp4") as container:
        assert "fomm-faces-128" in container.metadata["comment"]


def test_the_picture_moves_as_the_clip_does(files):
    assert animate("face.png", "drive.mp4", "out.mp4", "--no-mark", "--mode", "relative") == 0
    points = TinyModel().motion(torch.stack(list(video.read("out.mp4"))).float() / 255).points
    driving = torch.stack(list(video.read("drive.mp4", size=16))).float() / 255
    wanted = TinyModel().motion(driving).points
    moved = points[:, 0, 0] - points[0, 0, 0]
    assert (moved - (wanted[:, 0, 0] - wanted[0, 0, 0])).abs().max() < 0.12
    assert moved.max() > 0.25
    assert animate("face.png", "drive.mp4", "abs.mp4", "--no-mark", "--mode", "absolute") == 0
    absolute = TinyModel().motion(video.read_image("abs.mp4")[None].float() / 255).points
    assert (absolute[0] - wanted[0]).abs().max() < 0.12 < (points[0] - wanted[0]).abs().max()


@pytest.mark.parametrize("size", [(51, 35), (90, 30), (30, 90), (2, 2)])
def test_sources_and_clips_of_any_shape(files, size):
    save(blob(0, 0, size), "odd.jpg")
    encode(files / "odd.mkv", moving(5, size), pix_fmt="yuv444p")
    assert animate("odd.jpg", "odd.mkv", "out.mp4") == 0
    assert video.info("out.mp4").frames == 5


def test_stills_and_moving_pictures_on_both_sides(files):
    frames = [Image.fromarray(f.permute(1, 2, 0).numpy()) for f in moving(6)]
    frames[0].save("moving.gif", save_all=True, append_images=frames[1:], duration=100)
    frames[0].save("face.jpg")
    for source in ("face.png", "face.jpg", "moving.gif", "drive.mp4"):
        assert animate(source, "moving.gif", f"{source}.mp4", "--size", "48") == 0
        assert video.info(f"{source}.mp4")[:4] == (48, 48, 10.0, 6)
    assert animate("face.png", "face.jpg", "still.mp4") == 0
    assert video.info("still.mp4").frames == 1


BAD_FILES = {
    "missing": (lambda p: None, "no file"),
    "folder": (lambda p: p.mkdir(), "folder"),
    "empty": (lambda p: p.touch(), "empty"),
    "text": (lambda p: p.write_text("not a clip\n" * 99), "neither"),
    "sound": (audio_only, "sound but no pictures"),
    "no frames": (no_frames, "no frames|no pictures|neither"),
    "truncated": (lambda p: cut(encode(p, moving(30))), "damaged|cut short"),
    "truncated in front": (lambda p: cut(_written(p)), "cut short"),
    "one pixel": (lambda p: _one_pixel(p), "at least 2 pixels"),
}


def _one_pixel(path):
    dots = [torch.zeros(3, 1, 1, dtype=torch.uint8)] * 3
    os.replace(encode(path.with_suffix(".mkv"), dots, pix_fmt="yuv444p"), path)


def _written(path):
    video.write(path, moving(40))
    return path


@pytest.mark.parametrize("kind", BAD_FILES)
@pytest.mark.parametrize("role", ["source", "driving"])
def test_bad_inputs_are_told_in_a_sentence(files, capsys, kind, role):
    make, reason = BAD_FILES[kind]
    bad = files / "bad.mp4"
    make(bad)
    before = sorted(os.listdir())
    code = animate(bad, "drive.mp4") if role == "source" else animate("face.png", bad)
    told = refused(capsys, code)
    assert re.search(reason, told) and bad.name in told
    assert sorted(os.listdir()) == before


def test_a_clip_that_breaks_off_late_leaves_no_file(files, capsys):
    noise = [torch.randint(0, 255, (3, 48, 64), dtype=torch.uint8) for _ in range(60)]
    cut(encode(files / "late.mkv", noise))  # nothing says beforehand that its end is missing
    Path("out.mp4").write_bytes(b"an earlier result")
    told = refused(capsys, animate("face.png", "late.mkv", "out.mp4", "--batch", "2"))
    assert "cut short" in told
    assert Path("out.mp4").read_bytes() == b"an earlier result"
    assert sorted(os.listdir()) == ["drive.mp4", "face.png", "late.mkv", "out.mp4"]


def test_bad_outputs_are_told_in_a_sentence(files, capsys, monkeypatch):
    cases = {
        "missing/out.mp4": "does not exist",
        ".": "is a folder",
        "out.avi": "does not end in .mp4",
        "drive.mp4": "also an input",
        "face.png/out.mp4": "not a folder|not a directory",
    }
    before = sorted(os.listdir())
    content = Path("drive.mp4").read_bytes()
    for out, reason in cases.items():
        assert re.search(reason, refused(capsys, animate(out=out)), re.I)
    save(blob(0, 0, 32), "clip.png")
    os.rename("clip.png", "face.mp4")  # a picture under the name of a clip is an input, too
    assert "also an input" in refused(capsys, animate("face.mp4", "drive.mp4", "face.mp4"))
    os.remove("face.mp4")
    denied = PermissionError(13, "Permission denied")
    monkeypatch.setattr("tempfile.mkstemp", lambda **_: (_ for _ in ()).throw(denied))
    assert "permission denied" in refused(capsys, animate())
    assert sorted(os.listdir()) == before and Path("drive.mp4").read_bytes() == content


def test_a_full_disk_is_told_in_a_sentence(files, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aidagen.video.os.replace", full)
    assert "no space left" in refused(capsys, animate())
    assert sorted(os.listdir()) == ["drive.mp4", "face.png"]


def test_wrong_names_and_options_are_told_in_a_sentence(files, capsys):
    told = refused(capsys, animate(model="tiny-face-16"))
    assert f"did you mean {NAME}?" in told and f"the models are {NAME}" in told
    assert "did you mean" not in refused(capsys, animate(model="zzz"))
    for options, word in (
        (["--mode", "sideways"], "sideways"),
        (["--batch", "0"], "0"),
        (["--batch", "many"], "many"),
        (["--size", "7"], "7"),
        (["--device", "abacus"], "abacus"),
        (["--device", "meta"], "meta"),
        (["--speed", "9"], "--speed"),
    ):
        assert word in refused(capsys, animate("face.png", "drive.mp4", "out.mp4", *options))
    for arguments in ([], ["animate"], ["animate", "a", "b"], ["sing"]):
        assert "--help" in refused(capsys, cli.main(arguments))
    assert "no file b" in refused(capsys, cli.main(["animate", "a", "b", "c"]))
    assert sorted(os.listdir()) == ["drive.mp4", "face.png"]


def test_models_that_cannot_animate_are_told(files, capsys, tiny_zoo):
    tiny_zoo.load = lambda name, device="auto": torch.nn.Linear(2, 2)
    assert "not an animatable model" in refused(capsys, animate())
    assert sorted(os.listdir()) == ["drive.mp4", "face.png"]


def test_ctrl_c_in_the_process(files, capsys, tiny_zoo):
    class Interrupted(TinyModel):
        def render(self, *given):
            if self.encodings and self.largest_batch:
                raise KeyboardInterrupt
            return super().render(*given)

    tiny_zoo.load = lambda name, device="auto": Interrupted().eval()
    assert "Ctrl-C; no file was written" in refused(capsys, animate(), expected=130)
    assert sorted(os.listdir()) == ["drive.mp4", "face.png"]


# ------------------------------------------------------------------- in processes of their own


def start(*arguments, size=16, delay=0.0) -> subprocess.Popen:
    script = str(ROOT / "tests" / "tiny_model.py")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, script, str(size), str(delay), *arguments]
    return subprocess.Popen(command, env=ENVIRONMENT, **pipes)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_no_partial_file(files, number, code):
    encode(files / "long.mp4", moving(150))
    process = start(
        *("animate", "face.png", "long.mp4", "out.mp4", "--model", NAME, "--batch", "1"), delay=0.05
    )
    deadline = time.monotonic() + 300
    while not any(Path(n).stat().st_size > 0 for n in os.listdir() if n.endswith(".part")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)  # until the file is being written
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert process.returncode == code
    assert out.startswith("peak") or out == ""
    assert "Traceback" not in err
    if number == signal.SIGINT:
        assert err.rstrip().endswith("aidagen: Stopped by Ctrl-C; no file was written.")
    assert sorted(os.listdir()) == ["drive.mp4", "face.png", "long.mp4"]


def test_python_dash_m_aidagen(files):
    """The real entry point, without the stand-in: errors come before any model is needed."""
    command = [sys.executable, "-m", "aidagen"]
    given = {"capture_output": True, "text": True, "env": ENVIRONMENT}
    missing = ["animate", "missing.png", "drive.mp4", "out.mp4", "--model", "x"]
    done = subprocess.run([*command, *missing], **given)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("aidagen: There is no file missing.png")
    assert done.stderr.count("\n") == 1
    done = subprocess.run([*command, "--help"], **given)
    assert done.returncode == 0
    for name in ("animate", "evaluate", "train", "bundle", "check", "lab", "play"):
        assert name in done.stdout


def test_ctrl_c_while_the_command_is_being_read():
    script = (
        "import runpy, sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'aidagen.cli':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\n"
        "runpy.run_module('aidagen', run_name='__main__')\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "aidagen: Stopped by Ctrl-C.\n")


def peak(files, driving) -> int:
    process = start("animate", "face.png", driving, "out.mp4", "--model", NAME, size=64)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return int(re.search(r"peak kB (\d+)", out).group(1))


def long_clip(path, count):
    frames = moving(50, (32, 32))
    encode(path, [frames[t % 50] for t in range(count)])
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_clip(files):
    """Kept frames would show: 400 renderings of 131 kB are 52 MB, a sixth of the whole."""
    short = peak(files, long_clip(files / "short.mp4", 50))
    long = peak(files, long_clip(files / "long.mp4", 450))
    assert video.info("out.mp4").frames == 450
    assert long < 1.05 * short, (short, long)


@pytest.mark.verify
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_twenty_minutes_take_the_memory_of_ten_seconds(files):
    short = peak(files, long_clip(files / "short.mp4", 250))
    long = peak(files, long_clip(files / "long.mp4", 30000))
    print(f"10 s: {short / 1024:.0f} MB, 20 min: {long / 1024:.0f} MB")
    assert video.info("out.mp4").frames == 30000
    assert long < 1.1 * short, (short, long)


# ----------------------------------------------------------------------------- other commands


def stand_in(monkeypatch, name, **functions):
    module = types.ModuleType(f"aidagen.{name}")
    for key, value in functions.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(aidagen, name, module, raising=False)


def test_evaluate_prints_a_table_or_json(monkeypatch, capsys):
    rows = [{"data": "faces", "metric": "l1", "value": 0.05, "n": 3}]
    asked = []

    def table(name, recompute=False, limit=None):
        asked.append((name, recompute, limit))
        return rows

    stand_in(monkeypatch, "evaluation", table=table, format_table=lambda r: f"{len(r)} rows")
    assert cli.main(["evaluate", NAME]) == 0
    assert capsys.readouterr().out == "1 rows\n"
    assert cli.main(["evaluate", NAME, "--json", "--recompute", "--limit", "2"]) == 0
    assert json.loads(capsys.readouterr().out) == rows
    assert asked == [(NAME, False, None), (NAME, True, 2)]


def test_train_passes_its_options_on(monkeypatch, capsys, tmp_path):
    asked = []

    def run(recipe, *, report, **given):
        asked.append((recipe, given))
        report({"step": 50, "perceptual": 1.5})
        return tmp_path / "p.safetensors"

    stand_in(monkeypatch, "runs", run=run)
    assert cli.main(["train", "fomm-faces-64"]) == 0
    shown = capsys.readouterr().out
    assert "step 50  perceptual 1.5" in shown and "p.safetensors" in shown
    arguments = "train p --devices 2 --profile smoke --minutes 0.5 --fresh --install --out".split()
    more = "--num-nodes 3 --steps 7 --precision bf16-mixed".split()
    assert cli.main([*arguments, str(tmp_path), *more]) == 0
    names = "out minutes steps devices nodes precision profile fresh install".split()
    assert asked == [
        (
            "fomm-faces-64",
            dict(zip(names, [*[None] * 5, "32-true", "lecture", False, False], strict=True)),
        ),
        (
            "p",
            dict(
                zip(names, [tmp_path, 0.5, 7, 2, 3, "bf16-mixed", "smoke", True, True], strict=True)
            ),
        ),
    ]
    capsys.readouterr()
    assert "--fresh" in refused(capsys, cli.main(["train", "p", "--fresh", "--resume"]))

    def stop(recipe, **given):
        raise KeyboardInterrupt

    stand_in(monkeypatch, "runs", run=stop)
    assert "goes on from" in refused(capsys, cli.main(["train", "p"]), expected=130)


def test_play_opens_a_notebook_of_one_folded_cell(monkeypatch, capsys, tmp_path, tiny_zoo):
    from aidagen.publishing import lab, play

    monkeypatch.setattr(play, "zoo", tiny_zoo)
    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path))
    monkeypatch.delenv("JUPYTER_NO_BROWSER", raising=False)
    tiny_zoo.of_system = lambda system: {"playable": ["playable-pong-64"]}[system]
    tiny_zoo.card = lambda name: {"data": {"pong": {}}}
    ran = []
    monkeypatch.setattr(lab, "become", lambda line, root, settings: ran.append((line, root)) or 0)
    monkeypatch.setattr(lab, "free_port", lambda port: port)
    assert cli.main(["play", "playable-pong-64", "--no-browser", "--port", "9999"]) == 0
    assert cli.main(["play", "playable-pong-64"]) == 0
    assert "playground of playable-pong-64; Ctrl-C ends it" in capsys.readouterr().out
    (line, root), (second, _) = ran
    assert root == tmp_path / "play"
    assert {"--ip=127.0.0.1", "--port=9999", "--no-browser"} <= set(line)
    assert "--LabApp.default_url=/doc/tree/playable-pong-64.ipynb" in line
    assert "--port=8888" in second and "--no-browser" not in second
    notebook = json.loads((root / "playable-pong-64.ipynb").read_text())
    assert notebook["metadata"]["aidagen_run"] is True
    [cell] = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert cell["metadata"]["jupyter"] == {"source_hidden": True}
    source = "".join(cell["source"])
    assert "Playground({'Pong': shipped('playable-pong-64')})" in source
    compile(source, "cell", "exec")


def test_play_says_what_there_is(monkeypatch, capsys, tmp_path, tiny_zoo):
    from aidagen.publishing import lab, play

    monkeypatch.setattr(play, "zoo", tiny_zoo)
    tiny_zoo.of_system = lambda system: ["playable-pong-64", "playable-robot-64"]
    told = refused(capsys, cli.main(["play", "playable-pang-64"]))
    assert "did you mean playable-pong-64?" in told and told.count("playable-robot-64") == 1
    tiny_zoo.of_system = lambda system: []
    assert "there are none" in refused(capsys, cli.main(["play", NAME]))
    tiny_zoo.of_system = lambda system: [NAME]
    monkeypatch.setattr(lab.importlib.util, "find_spec", lambda name: None)
    assert "JupyterLab is not installed" in refused(capsys, cli.main(["play", NAME]))


def test_lab_hands_over_to_the_course_server(monkeypatch, capsys):
    from aidagen.publishing import lab

    asked = []
    monkeypatch.setattr(lab, "serve", lambda **given: asked.append(given) or 0)
    assert cli.main(["lab", "--no-browser", "--port", "9999"]) == 0
    assert cli.main(["lab"]) == 0
    assert asked == [{"port": 9999, "browser": False}, {"port": 8888, "browser": True}]
    monkeypatch.undo()
    monkeypatch.setattr(lab.importlib.util, "find_spec", lambda name: None)
    assert "JupyterLab is not installed" in refused(capsys, cli.main(["lab"]))


def test_check_tells_line_by_line(monkeypatch, capsys, tmp_path, tiny_zoo):
    stand_in(monkeypatch, "sources", home=lambda: tmp_path / "cache")
    (tmp_path / "aidagen" / "packs" / "heads").mkdir(parents=True)
    (tmp_path / "aidagen" / "packs" / "heads" / "dataset.json").write_text("{}")
    monkeypatch.setattr(aidagen, "__file__", str(tmp_path / "aidagen" / "__init__.py"))
    monkeypatch.setattr(checkup, "_PROBE", 0.1)
    monkeypatch.setattr(checkup, "_REQUIRED", ["torch", "av"])
    assert cli.main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Everything works."
    assert all(line.startswith(("OK  ", "--  ")) for line in lines[:-1])
    assert any("models" in line and NAME in line for line in lines)
    assert any("speed" in line and "frames per second" in line for line in lines)
    assert any("packs" in line and "heads" in line for line in lines)

    def broken(name, device="auto"):
        raise RuntimeError("weights are\ndamaged")

    tiny_zoo.load = broken
    monkeypatch.setattr(checkup, "_REQUIRED", ["torch", "no-such-package-at-all"])
    monkeypatch.setattr(video, "write", lambda path, frames, **_: Path(path).write_bytes(b"junk"))
    assert cli.main(["check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if line.startswith("FAIL")]
    assert [line.split()[1] for line in failed] == ["packages", "video", "models", "speed"]
    assert "no-such-package-at-all" in failed[0] and "weights are damaged" in failed[2]
    assert lines[-1] == "4 of 9 checks failed."


def test_errors_of_the_operating_system_are_told(monkeypatch, capsys):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied", "/somewhere/weights")

    stand_in(monkeypatch, "evaluation", table=fail, format_table=str)
    assert "/somewhere/weights: permission denied" in refused(capsys, cli.main(["evaluate", "x"]))


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_a_reader_that_leaves_is_no_error(tmp_path):
    script = (
        "import sys, types, aidagen; from aidagen import cli\n"
        "m = types.ModuleType('aidagen.evaluation')\n"
        "m.table = lambda *a, **k: list(range(10**6)); m.format_table = str\n"
        "sys.modules['aidagen.evaluation'] = aidagen.evaluation = m\n"
        "sys.exit(cli.main(['evaluate', 'x']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 141


def test_a_fault_of_the_program_is_reported(monkeypatch, capsys, tmp_path):
    def fault(*_, **__):
        return [][0]

    monkeypatch.setenv("AIDAGEN_HOME", str(tmp_path))
    stand_in(monkeypatch, "evaluation", table=fault, format_table=str)
    told = refused(capsys, cli.main(["evaluate", "x"]), expected=70)
    (report,) = (tmp_path / "reports").iterdir()
    assert str(report) in told and "in fault" in report.read_text()


def test_waiting_threads_sleep_unless_the_user_says_otherwise(monkeypatch):
    """OpenMP reads it when torch is loaded, so nothing but the command itself may come before."""
    script = "import os, sys; from aidagen import cli; cli.main([]); "
    script += "print(os.environ['GOMP_SPINCOUNT'])"
    for given, expected in ((None, "0"), ("9", "9")):
        environment = {k: v for k, v in ENVIRONMENT.items() if k != "GOMP_SPINCOUNT"}
        environment |= {"GOMP_SPINCOUNT": given} if given else {}
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment
        )
        assert done.stdout.split() == [expected], done.stderr
