"""Checkpoints as their authors published them, and what people have in place of them.

Each file is built here as the program of its time wrote it.
"""

import gzip
import io
import pickle
import pickletools
import struct
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from aidagen import checkpoints, zoo
from aidagen.models import fomm

PARTS = ("generator", "kp_detector", "discriminator")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    return fomm.FOMM(fomm.fomm_tiny(), adversarial=True).eval()


@pytest.fixture
def published(model, monkeypatch):
    """The published system at the size of the tiny one: ``published(file)`` loads a file."""
    small = fomm.SYSTEM._replace(published=lambda config, align_corners: fomm.fomm_tiny())
    monkeypatch.setattr(zoo, "system_named", lambda name: small)
    return lambda file: zoo.load_published("fomm", "tiny", file)


def container(model, wrap=lambda state: state):
    """What the authors' Logger saves: the states of all parts, an optimizer, an epoch."""
    parts = {part: wrap(getattr(model, part).state_dict()) for part in PARTS}
    return {**parts, "optimizer_generator": optimizer(), "epoch": 99}


def optimizer():
    """An Adam after one step; its rate is numpy's, as `MultiStepLR` of old left it."""
    layer = nn.Linear(2, 2)
    adam = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    adam.step()
    state = adam.state_dict()
    state["param_groups"][0] |= {"lr": np.float64(2e-4), "betas": (np.float32(0.5), 0.999)}
    return {**state, "milestones": np.arange(3), "found": np.bool_(True), "at": np.int64(7)}


def legacy(content, file):
    """As torch before 1.6 wrote: no archive, five pickles and the bytes of the tensors."""
    torch.save(content, file, _use_new_zipfile_serialization=False)


class Python2Number:
    """A numpy float as Python 2.7 pickles it: its bytes are a plain `str`."""

    def __init__(self, value):
        self.value = np.float64(value)

    def __reduce__(self):
        scalar, (dtype, raw) = self.value.__reduce__()
        return scalar, (dtype, raw.decode("latin1"))


def python2(content, file):
    """The same as Python 2.7 wrote it: a text is a SHORT_BINSTRING (U), one byte per character.

    Python 3 has no way to write one, so the texts (BINUNICODE, X) of its pickles are exchanged.
    """
    legacy(content, file)
    old, new = io.BytesIO(file.read_bytes()), io.BytesIO()
    for _ in range(5):
        begin = old.tell()
        found = list(pickletools.genops(old))
        raw, ends = old.getbuffer()[begin : old.tell()], [at for _, _, at in found[1:]]
        for (code, argument, at), end in zip(found, [*ends, begin + len(raw)]):
            if code.name == "BINUNICODE":
                text = argument.encode("latin1")
                new.write(b"U" + struct.pack("B", len(text)) + text)
            else:
                new.write(raw[at - begin : end - begin])
    file.write_bytes(new.getvalue() + old.read())


def wrapped(state):
    return OrderedDict((f"module.{key}", value) for key, value in state.items())


WRITERS = {"archive": torch.save, "legacy": legacy, "python 2.7": python2}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("wrap", [lambda state: state, wrapped], ids=["bare", "DataParallel"])
def test_files_as_they_were_published_are_read(model, published, tmp_path, writer, wrap):
    content, file = container(model, wrap), tmp_path / "cpk.pth.tar"
    if writer == "python 2.7":
        content["optimizer_generator"] = {"lr": Python2Number(2e-4), "who": "Müller"}
    WRITERS[writer](content, file)
    loaded = published(file)
    for key, value in model.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(loaded.state_dict()[key], value), key
    stored = checkpoints.read(file)["optimizer_generator"]
    if writer == "python 2.7":
        assert stored == {"lr": 2e-4, "who": "Müller"}
    else:
        assert stored["param_groups"][0]["lr"] == 2e-4 and stored["milestones"].sum() == 3


def test_other_wrappings_come_off_as_well():
    weight = torch.ones(1)
    state = {"state_dict": {"module._orig_mod.a": np.float32([1]), "module._orig_mod.b": weight}}
    plain = checkpoints.plain_state({b"g": state, "epoch": 3})
    assert plain["g"]["state_dict"] == {"a": weight, "b": weight} and plain["epoch"] == 3
    part = {"module.a": weight, "b": weight}  # a module of that name, not a wrapping
    assert checkpoints.plain_state(part) == part


class Hostile:
    def __reduce__(self):
        import os

        return os.system, ("touch should-not-be-here",)


class Buried(dict):
    def __reduce__(self):
        return eval, ("1 + 1",)


class Objects:
    """An array of Python objects, which numpy unpickles in a way of its own."""

    def __reduce__(self):
        return np.array([Hostile()], dtype=object).__reduce__()


def html(title):
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body>...</body></html>"


def tar(file):
    with tarfile.open(file, "w") as archive:
        archive.addfile(tarfile.TarInfo("cpk/data.pkl"))


def folder_of_drive(file):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("checkpoints/vox-cpk.pth.tar", b"x")


def cut(writer):
    def make(file):
        writer({"a": torch.zeros(4000)}, file)
        file.write_bytes(file.read_bytes()[:9000])

    return make


FAULTS = {
    "empty": (lambda f: f.write_bytes(b""), "is empty; download it again"),
    "warning of Google Drive": (
        lambda f: f.write_text(html("Google Drive - Virus scan warning")),
        r"web page \(Google Drive - Virus scan warning\).*open its link in a browser, confirm",
    ),
    "quota of Google Drive": (
        lambda f: f.write_text("\ufeff\n" + html("Google Drive &#45; Quota exceeded")),
        r"web page \(Google Drive - Quota exceeded\).*a day later",
    ),
    "answer of a mirror": (lambda f: f.write_text('{"error": "Not found"}'), "begins with.*error"),
    "pointer": (
        lambda f: f.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "pointer of Git LFS.*git lfs pull",
    ),
    "cut archive": (cut(torch.save), r"cut short or damaged \(9,000 bytes"),
    "cut legacy": (cut(legacy), r"cut short or damaged \(9,000 bytes"),
    "random": (lambda f: f.write_bytes(bytes(range(144, 256)) * 9), "cut short or damaged"),
    "zeros": (lambda f: f.write_bytes(bytes(9000)), "begins with zeros, as a download"),
    "picture": (lambda f: f.write_bytes(b"\x89PNG\r\n\x1a\n.."), "is a PNG picture; give the file"),
    "gzip": (lambda f: f.write_bytes(gzip.compress(b"x")), "is a gzip archive; unpack it"),
    "tar": (tar, "is a tar archive; unpack it"),
    "zip": (folder_of_drive, r"zip archive of checkpoints/vox-cpk\.pth\.tar; unpack it"),
    "hostile": (lambda f: legacy({"a": Hostile()}, f), r"holds \w+\.system, which could run"),
    "hostile archive": (lambda f: torch.save(Buried(a=1), f), "holds eval, which could run"),
    "hostile array": (lambda f: torch.save(Objects(), f), "which could run somebody's code"),
    "whole model": (lambda f: torch.save(nn.Linear(1, 1), f), r"Linear, which.*state_dict\(\)"),
    "other protocol": (
        lambda f: f.write_bytes(pickle.dumps({"a": "text"}, 4)), "in a way that torch does not"
    ),
    "folder": (lambda f: f.mkdir(), "is a folder; give the checkpoint itself"),
    "nothing": (lambda f: None, "There is no file"),
    "a list": (lambda f: torch.save([1], f), "is of type list, not a dictionary"),
    "part of another kind": (
        lambda f: torch.save({"generator": 3, "kp_detector": {}}, f), "'generator' is of type int"
    ),
    "no numbers": (
        lambda f: torch.save({"generator": {"a": "b"}, "kp_detector": {}}, f), "missing"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_checkpoint_is_called_by_its_name(published, tmp_path, monkeypatch, fault):
    monkeypatch.chdir(tmp_path)
    make, words = FAULTS[fault]
    file = tmp_path / "vox-cpk.pth.tar"
    make(file)
    with pytest.raises(checkpoints.AidagenError, match=words) as caught:
        published(file)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    assert not (tmp_path / "should-not-be-here").exists()

