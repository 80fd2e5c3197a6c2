"""Clips encoded by PyAV as H.264 in mp4: for players, nearly lossless, or without any loss.

`aidagen.video` writes what people look at, `aidagen.datasets.layout` what networks learn from.
"""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import Colorspace
from jaxtyping import UInt8

FAILURES = (av.error.FFmpegError, OSError)

# From one keyframe to the next, at most: that many frames may be decoded for the sake of one.
KEYFRAMES = 100

# x264 rounds differently where its buffers happen to lie at other addresses, unless it is told to
# use only what is the same on every processor.
_REPEATED = {"x264-params": "cpu-independent=1"}


class Coding(NamedTuple):
    """How pixels become bytes."""

    codec: str
    pixels: str  # the pixel format inside the file
    options: dict[str, str]  # of the codec
    bt709: bool = False  # colours as players expect them


def playable(crf: int) -> Coding:
    """What every browser plays: colours at half the resolution; even heights and widths only."""
    return Coding("libx264", "yuv420p", {"crf": str(crf), "preset": "medium"}, bt709=True)


def fine(crf: int) -> Coding:
    """Colours at the full resolution (4:4:4), so that edges survive in small pictures."""
    options = {"crf": str(crf), "preset": "slow", "g": str(KEYFRAMES)}
    return Coding("libx264", "yuv444p", options)


# What is read back is what was written, bit for bit: H.264 on RGB without quantization.
LOSSLESS = Coding("libx264rgb", "rgb24", {"qp": "0", "preset": "slow", "g": str(KEYFRAMES)})


class Encoder:
    """Writes frames of one size into an mp4, which is whole when the ``with`` block has ended well.

        with Encoder(path, fps, LOSSLESS) as encoder:
            encoder.add(frame)

    Args:
        path: any name; what stands there is overwritten.
        fps: frames per second.
        coding: `playable`, `fine` or `LOSSLESS`.
        note: kept in the metadata as a comment, under the title of an AI-generated clip.
        sound: a `soundtrack.Soundtrack`, written as AAC; it ends with the last frame.

    Raises one of `FAILURES` where the disk or the encoder refuses.
    """

    def __init__(
        self,
        path: Path,
        fps: Fraction,
        coding: Coding,
        note: str | None = None,
        sound: Any = None,
    ):
        self.path, self.fps, self.coding, self.note = path, fps, coding, note
        self.sound, self.frames = sound, 0

    def __enter__(self) -> "Encoder":
        options = {"movflags": "+faststart", "fflags": "+bitexact"}  # index in front; files repeat
        self._container = av.open(str(self.path), "w", format="mp4", options=options)
        if self.note:
            self._container.metadata.update(title="AI-generated clip", comment=self.note)
        coding = self.coding
        options = coding.options | _REPEATED
        self._stream = self._container.add_stream(coding.codec, rate=self.fps, options=options)
        self._stream.pix_fmt = coding.pixels
        codec = self._stream.codec_context
        codec.thread_count = 1  # x264's output depends on it, and a file should repeat
        if coding.bt709:
            codec.colorspace = codec.color_primaries = codec.color_trc = 1
            codec.color_range = 1  # 16 to 235
        if self.sound is not None:
            self._track = self._container.add_stream(
                "aac", rate=self.sound.rate, layout=self.sound.layout
            )
            self._track.bit_rate = 96_000 * self._track.layout.nb_channels
        return self

    def add(self, frame: UInt8[np.ndarray, "H W 3"]) -> None:
        """Append a frame; the first one decides the size of all."""
        if not self._stream.codec_context.is_open:
            self._stream.height, self._stream.width = frame.shape[:2]
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        if self.coding.bt709:
            picture = picture.reformat(format=self.coding.pixels, dst_colorspace=Colorspace.ITU709)
        self._container.mux(self._stream.encode(picture))
        self.frames += 1
        if self.sound is not None:
            self._hear(self.frames / self.fps)

    def _hear(self, until: Fraction) -> None:
        """Append the sound up to a moment, in seconds."""
        start = self.sound.position
        for samples in self.sound.until(until):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples), "fltp", self.sound.layout
            )
            frame.sample_rate, frame.pts = self.sound.rate, start
            frame.time_base = Fraction(1, self.sound.rate)
            self._container.mux(self._track.encode(frame))
            start = self.sound.position

    def __exit__(self, kind, error, traceback) -> None:
        if kind is not None:
            with suppress(*FAILURES):  # the reason is `error`
                self._container.close()
            return
        try:
            self._container.mux(self._stream.encode())
            if self.sound is not None:
                self._container.mux(self._track.encode())
        finally:
            self._container.close()
