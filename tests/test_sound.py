"""Sound tracks come back sample by sample."""

import pytest
import torch

from aidagen import sound
from aidagen.errors import AidagenError
from aidagen.sound import Sound


def noise(channels, samples):
    """Values that 16 bits can say."""
    values = torch.randint(-32768, 32768, (channels, samples), generator=torch.manual_seed(0))
    return values.float() / 32768


@pytest.mark.parametrize("channels, samples, rate", [(1, 1, 8000), (1, 5000, 22050),
                                                     (2, 100_001, 44100)])  # fmt: skip
def test_a_track_is_read_back_sample_by_sample(tmp_path, channels, samples, rate):
    written = Sound(noise(channels, samples), rate)
    sound.write(tmp_path / "a.flac", written)
    read = sound.read(tmp_path / "a.flac")
    assert read.rate == rate and read.samples.dtype == torch.float32
    assert torch.equal(read.samples, written.samples)
    assert [path.name for path in tmp_path.iterdir()] == ["a.flac"]


def test_other_floats_are_rounded_and_clipped(tmp_path):
    samples = torch.linspace(-1.2, 1.2, 999)[None]
    sound.write(tmp_path / "a.flac", Sound(samples, 16000))
    off = sound.read(tmp_path / "a.flac").samples - samples.clamp(-1, 32767 / 32768)
    assert off.abs().max() <= 0.5 / 32768 + 1e-7


@pytest.mark.parametrize(
    "samples, reason",
    [(torch.zeros(3, 10), "1 or 2 channels"), (torch.zeros(10), "1 or 2 channels"),
     (torch.zeros(1, 0), "1 or 2 channels"), (torch.full((1, 5), torch.nan), "not numbers")],
)  # fmt: skip
def test_what_is_no_track_is_refused(tmp_path, samples, reason):
    with pytest.raises(AidagenError, match=reason):
        sound.write(tmp_path / "a.flac", Sound(samples, 16000))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [0, 60, 5000])
def test_a_damaged_track_is_named(tmp_path, size):
    path = tmp_path / "a.flac"
    sound.write(path, Sound(noise(1, 20000), 16000))
    assert path.stat().st_size > 5000
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(AidagenError, match=r"a\.flac cannot be read"):
        sound.read(path)
