"""Sound tracks: mono or stereo, written as FLAC with 16 bits per sample, and read back exactly."""

import os
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from aidagen import files
from aidagen.errors import AidagenError

STEPS = 2**15  # from 0 to 1: the resolution of 16 bits
LAYOUTS = {1: "mono", 2: "stereo"}


class Sound(NamedTuple):
    """A stretch of sound."""

    samples: Float[Tensor, "channels samples"]  # float32 in [-1, 1)
    rate: int  # samples per second


def write(path: str | os.PathLike, sound: Sound) -> None:
    """Write ``sound`` to ``path`` (a .flac), atomically.

    Samples are rounded to the nearest multiple of 1/32768, and clipped where they leave [-1, 1).

    Raises:
        AidagenError: for other shapes than (1 or 2, at least 1), and for NaN or infinity.
        FileError: where nothing can be written.
    """
    samples = torch.as_tensor(sound.samples, dtype=torch.float64)
    if samples.ndim != 2 or len(samples) not in LAYOUTS or samples.shape[1] == 0:
        raise AidagenError(
            f"A sound track is (1 or 2 channels, samples), not {tuple(samples.shape)}; average "
            "further channels first."
        )
    if not samples.isfinite().all():
        raise AidagenError("The sound track holds values that are not numbers (NaN or infinity).")
    whole = (samples * STEPS).round().clamp(-STEPS, STEPS - 1).to(torch.int16).numpy()
    layout = LAYOUTS[len(whole)]
    interleaved = np.ascontiguousarray(whole.T).reshape(1, -1)  # left, right, left ...
    frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout=layout)
    frame.sample_rate = sound.rate
    with files.replacing(path) as part, av.open(str(part), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=sound.rate, format="s16", layout=layout)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def read(path: str | os.PathLike) -> Sound:
    """The whole of a sound track that `write` wrote. Raises ``AidagenError``."""
    try:
        with av.open(f"file:{Path(path)}", format="flac") as container:
            (stream,) = container.streams.audio
            pieces = [frame.to_ndarray() for frame in container.decode(stream)]
            channels, rate = stream.codec_context.layout.nb_channels, stream.codec_context.rate
            declared = stream.duration  # samples, as the header says
        interleaved = np.concatenate(pieces, axis=1)
        if interleaved.shape[1] < declared * channels:
            raise EOFError
    except (av.error.FFmpegError, OSError, EOFError, ValueError) as error:
        raise AidagenError(
            f"{path} cannot be read as a sound track ({error.__class__.__name__}); make the data "
            "set that it belongs to again."
        ) from error
    samples = interleaved.reshape(-1, channels).T.astype(np.float32) / STEPS
    return Sound(torch.from_numpy(np.ascontiguousarray(samples)), rate)
