"""The sound of a clip, laid under other frames that are shown at the same moments.

    with soundtrack.opened("driving.mp4") as sound:    # None where the clip has no sound
        for samples in sound.until(seconds):           # as the frames are written, piece by piece
            ...

Time 0 is the moment of the clip's first picture: sound that comes before it is left out, and where
there is none yet, or a gap, there is silence. Sound is decoded in whatever coding, rate and number
of channels it has and comes out as float samples, so that every clip's sound can be written as AAC;
packets that are copied would move by up to 93 ms wherever a clip is trimmed. At most a second or so
is held in memory.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float

from aidagen.decoding import VideoError, open_clip, picture_stream

_BROKEN = (av.error.FFmpegError, OSError, EOFError, ValueError)
_RATES = (32000, 44100, 48000)  # are kept; every player has them
_JITTER = Fraction(1, 100)  # seconds: what clips that count in milliseconds round away, and more


class Soundtrack:
    """The sound of an opened clip, from the moment of its first picture on; see `opened`.

    Attributes:
        rate: samples per second.
        layout: "mono" or "stereo"; further channels are mixed down.
        damaged: whether parts could not be decoded and are silent.
    """

    def __init__(self, container, stream: av.AudioStream, origin: Fraction) -> None:
        self._container, self._stream, self._origin = container, stream, origin
        self._format = self._resampler = None
        self.damaged = False
        self._frames = self._decoded()
        first = next(self._frames, None)
        if first is None:
            raise EOFError
        self.rate = first.sample_rate if first.sample_rate in _RATES else 48000
        self.layout = "mono" if first.layout.nb_channels == 1 else "stereo"
        self.position = 0  # samples that `until` has given
        self._pieces = self._resampled(first)
        self._waiting = None  # (number of its first sample, samples) of what comes next

    def until(self, seconds: Fraction) -> Iterator[Float[np.ndarray, "channels samples"]]:
        """What comes next, up to a moment: float32 samples in [-1, 1], silence where there is none.

        Nothing comes once the sound has ended.
        """
        end = round(seconds * self.rate)
        while self.position < end and self._fetch():
            start, samples = self._waiting
            if start > self.position:
                channels, count = len(samples), min(start, end, self.position + self.rate)
                piece = np.zeros((channels, count - self.position), np.float32)
            else:
                piece = samples[:, self.position - start : end - start]
            self.position += piece.shape[1]
            yield piece

    def _fetch(self) -> bool:
        """Whether there is sound at or after the position; it waits."""
        while True:
            if self._waiting is not None:
                start, samples = self._waiting
                if start + samples.shape[1] > self.position:
                    return True
            self._waiting = next(self._pieces, None)
            if self._waiting is None:
                return False

    def _decoded(self) -> Iterator[av.AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except _BROKEN:
                packet, self.damaged = None, True
            if packet is None:
                return
            try:
                yield from packet.decode()
            except _BROKEN:
                self.damaged = True

    def _resampled(self, first: av.AudioFrame) -> Iterator[tuple[int, np.ndarray]]:
        """(number of its first sample, samples) of piece after piece, each where its time says."""
        expected = None
        for frame in self._converted(first):
            samples = np.nan_to_num(frame.to_ndarray(), nan=0, posinf=0, neginf=0).clip(-1, 1)
            start = expected
            if frame.pts is not None and frame.time_base:
                start = round((frame.pts * frame.time_base - self._origin) * self.rate)
            if start is None:
                start = 0
            if expected is not None:
                ahead = Fraction(start - expected, self.rate)
                # timestamps are rounded: no click for that; or the recorder's clock was set anew
                if abs(ahead) <= _JITTER or ahead < -1:
                    start = expected
            expected = start + samples.shape[1]
            yield start, samples

    def _converted(self, frame: av.AudioFrame | None) -> Iterator[av.AudioFrame]:
        while frame is not None:
            coming = (frame.format.name, frame.layout.name, frame.sample_rate)
            try:
                if coming != self._format:
                    yield from self._drained()
                    self._resampler = av.AudioResampler("fltp", self.layout, self.rate)
                    self._format = coming
                yield from self._resampler.resample(frame)
            except _BROKEN:
                self.damaged, self._format, self._resampler = True, None, None
            frame = next(self._frames, None)
        yield from self._drained()

    def _drained(self) -> Iterator[av.AudioFrame]:
        if self._resampler is not None:
            yield from self._resampler.resample(None)


@contextmanager
def opened(path: str | os.PathLike) -> Iterator[Soundtrack | None]:
    """The sound of a clip; None where it has no sound track, or no pictures that move.

    Raises:
        VideoError: where there is a sound track of which nothing can be decoded.
    """
    path = Path(path)
    try:
        container = open_clip(path)
    except VideoError:  # a picture, for one
        container = None
    if container is None:
        yield None
        return
    with container:
        stream = container.streams.best("audio")
        if stream is None or not container.streams.video:
            yield None
            return
        try:
            sound = Soundtrack(container, stream, _first_picture(path))
        except _BROKEN:
            raise VideoError(
                f"The sound of {path} cannot be decoded; leave it out, or export the clip again."
            ) from None
        yield sound


def _first_picture(path: Path) -> Fraction:
    """When the first picture of a clip is shown, in seconds of the file's own time."""
    with open_clip(path) as container:
        stream = picture_stream(container, path)
        for frame in container.decode(stream):
            if frame.pts is not None:
                return frame.pts * frame.time_base
            break
        return (stream.start_time or 0) * stream.time_base
