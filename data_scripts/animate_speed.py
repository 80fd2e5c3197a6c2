"""How fast a clip is animated where reading and writing have to keep up with the model.

    python data_scripts/animate_speed.py --device cuda --seconds 40

Each row sets the model alone (frames that are decoded already, pictures that are thrown away)
beside the whole of `aidagen animate` (read, decoded, computed, marked, encoded, written), in turns,
with the same model and batch. The rate is that of a long clip: what comes before the first and
after the last batches is left out. Reading and writing alone are given as well: where one of them
is slower than the model, it is the bound. "CPU" is the CPU time of the whole beside that of the
three one after the other, "share" the model's part of the latter: where all cores are taken, the
ratio cannot be larger.

The published size (vox-256) has random weights, and what it paints is blended with its warped
source, so that pictures of a face are encoded, not noise; speed does not depend on the weights. The
last lines say what half precision costs on the showcase model's pictures, and how much memory a
long clip takes beside ten seconds of it (`--minutes`, at 25 frames per second).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import av
import torch
from torch import Tensor, nn

import aidagen
from aidagen import datasets, devices, inference, kernels, streaming, video, zoo
from aidagen.animation import Animator, prepare
from aidagen.failures import guarded
from aidagen.models.fomm import FOMM, fomm_published, fomm_tiny
from aidagen.pixels import as_bytes, as_floats

FPS, LOOP = 25, 240  # frames per second; different frames of a driving clip, which is their loop
SETTLED = 6  # batches after which all queues are full
TURNS = 3  # at least


class Speed(NamedTuple):
    """Frames per second: medians over the turns."""

    alone: float  # the model
    whole: float  # with reading and writing
    ratio: float  # median of whole / alone, turn by turn
    reading: float
    writing: float
    turns: int
    overhead: float  # CPU seconds of the whole / of its three parts, one after the other
    share: float  # the model's in the CPU seconds of the three


# --- what is animated


def loop(size: int) -> Tensor:
    """(LOOP, 3, size, size) bytes: heads of the course's own set that turn, to and fro."""
    clips = datasets.load("heads").clips("test")
    frames = torch.cat([clip.frames() for clip in clips[:8]])[: LOOP // 2]
    frames = as_bytes(prepare(as_floats(frames), size))
    return torch.cat([frames, frames.flip(0)])


def written(path: Path, frames: Tensor, count: int) -> int:
    """Write a clip of about ``count`` frames, whole rounds of ``frames``, and say how many. Only
    one round is encoded."""
    once, rounds = path.with_name(f"once-{path.name}"), max(1, round(count / len(frames)))
    video.write(once, frames, FPS, mark=False, note=None)
    with av.open(str(once)) as given, av.open(str(path), "w") as out:
        stream = given.streams.video[0]
        copied, unit = out.add_stream_from_template(stream), stream.time_base
        packets = [packet for packet in given.demux(stream) if packet.size]
        for turn in range(rounds):
            later = turn * int(len(frames) / (FPS * unit))
            for each in packets:
                packet = av.Packet(bytes(each))
                packet.pts, packet.dts, packet.time_base = each.pts + later, each.dts + later, unit
                packet.is_keyframe, packet.stream = each.is_keyframe, copied
                out.mux(packet)
    return rounds * len(frames)


def published(size: str = "vox-256") -> FOMM:
    """The published size with random weights; its pictures are mostly the warped source."""
    torch.manual_seed(0)
    config = fomm_tiny() if size == "tiny" else fomm_published(size)
    model = FOMM(replace(config, blend=True)).eval()
    with torch.no_grad():
        model.generator.dense_motion_network.occlusion.bias.fill_(3.0)  # 95 % visible
    return model


# --- speeds

Done = Callable[[int], None]  # told how many more frames are done


class Rate(NamedTuple):
    frames: float  # per second
    spent: float  # CPU seconds per frame, of all threads


def timed(way: Callable[[Done], None]) -> Rate:
    """The rate at which ``way`` goes on once it has begun well."""
    marks = [(0, time.perf_counter(), time.process_time())]
    way(lambda count: marks.append(
        (marks[-1][0] + count, time.perf_counter(), time.process_time())))  # fmt: skip
    begin, end = marks[min(SETTLED, len(marks) // 2)], marks[-1]
    frames, seconds, spent = (b - a for a, b in zip(begin, end, strict=True))
    return Rate(frames / seconds, spent / frames)


def speed(model: nn.Module, frames: Tensor, batch: int, seconds: float, folder: Path) -> Speed:
    """Measure ``model`` with a clip that goes round in ``frames``, for about so many seconds."""
    animator = Animator(model, as_floats(frames[0]), batch=batch)
    held = list(streaming.batches(frames, batch, animator.device.type == "cuda"))
    made = list(streaming.streamed(animator, held))  # warms up as well

    def alone(done: Done, count: int) -> None:
        for pictures in streaming.streamed(animator, islice(cycle(held), count)):
            done(len(pictures))

    def whole(done: Done) -> None:
        with video.Writer(folder / "out.mp4", FPS, threads=streaming.encoders(animator)) as out:
            streaming.film(animator, video.read(clip, animator.size, quick=True), out, done=done)

    def reading(done: Done) -> None:
        for each in streaming.batches(video.read(clip, animator.size, quick=True), batch):
            done(len(each))

    def writing(done: Done) -> None:
        with video.Writer(folder / "out.mp4", FPS, threads=streaming.encoders(animator)) as out:
            for pictures in islice(cycle(made), stretch):
                for picture in pictures:
                    out.add(picture)
                done(len(pictures))

    least = 3 * SETTLED
    known = timed(partial(alone, count=least)).frames
    stretch = max(least, round(known * seconds / 12 / batch))  # batches: at least four turns
    written(clip := folder / "clip.mp4", frames, stretch * batch)
    pairs, parts, end = [], [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(pairs) < TURNS:
        pairs.append((timed(partial(alone, count=stretch)), timed(whole)))
        if len(parts) < TURNS:
            parts.append((timed(reading), timed(writing)))

    def median(rates: Iterable[Rate]) -> Rate:
        return Rate(*map(statistics.median, zip(*rates, strict=True)))

    one, all_of_it = map(median, zip(*pairs, strict=True))
    read, write = map(median, zip(*parts, strict=True))
    return Speed(
        one.frames,
        all_of_it.frames,
        statistics.median(b.frames / a.frames for a, b in pairs),
        read.frames,
        write.frames,
        len(pairs),
        all_of_it.spent / (one.spent + read.spent + write.spent),
        one.spent / (one.spent + read.spent + write.spent),
    )


# --- memory


def peaks(model: nn.Module, frames: Tensor, minutes: float, folder: Path) -> list[tuple]:
    """(seconds of the clip, MB of the process, MB on the GPU) of ten seconds and of ``minutes``.

    The process's own is its peak so far, so nothing larger should come before.
    """
    batch, found = inference.frames_at_a_time(model), []
    for seconds in (10, round(60 * minutes)):
        count = written(clip := folder / "clip.mp4", frames, FPS * seconds)
        animator = Animator(model, as_floats(frames[0]), batch=batch)
        if animator.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with video.Writer(folder / "out.mp4", FPS, threads=streaming.encoders(animator)) as out:
            streaming.film(animator, video.read(clip, animator.size, quick=True), out)
        gpu = torch.cuda.max_memory_allocated() if animator.device.type == "cuda" else 0
        found.append((count / FPS, peak_so_far(), gpu / 1e6))
    return found


def peak_so_far() -> float:
    """MB of this process; 0 where there is no /proc."""
    if not sys.platform.startswith("linux"):
        return 0.0
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


# --- what is printed

MEMORY = "a clip of {:.0f} s: peak {:.0f} MB, on the GPU {:.0f} MB"
COLUMNS = ("frames per second", "batch", "alone", "whole", "ratio", "reading", "writing", "turns",
           "CPU", "share")  # fmt: skip
HEAD = "{:34} {:>5} {:>8} {:>8} {:>6} {:>8} {:>8} {:>5} {:>5} {:>5}"
ROW = "{:34} {:5} {:8.1f} {:8.1f} {:6.3f} {:8.1f} {:8.1f} {:5} {:5.2f} {:5.2f}"


def ways(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The model as `animate` prepares it, and with ``--fast`` where the device has it."""
    device = next(model.parameters()).device.type
    yield "float32", inference.prepared(model)
    if (dtype := inference.shorter(device)) is not None:
        yield f"{dtype}, --fast".removeprefix("torch."), inference.prepared(model, dtype)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=40.0, help="of all rows together")
    parser.add_argument("--minutes", type=float, default=20.0, help="of the long clip; 0: none")
    parser.add_argument("--batch", type=int, help="frames at a time (as `animate` has them)")
    parser.add_argument("--small", default=aidagen.SHOWCASE, help="a model of the zoo, trained")
    parser.add_argument("--published", choices=("vox-256", "tiny"), default="vox-256",
                        help="tiny: to see that this runs")  # fmt: skip
    parser.add_argument("--encoders", type=int, help="threads that encode (as `animate` has them)")
    given = parser.parse_args()
    if given.encoders:
        streaming.encoders = lambda animator: given.encoders
    devices.check(given.device)
    name = torch.cuda.get_device_name(given.device) if given.device.startswith("cuda") else "CPU"
    print(
        f"{name}, torch {torch.__version__}, {os.cpu_count()} CPU threads; warps: "
        f"{', '.join(kernels.ways(given.device))}"
    )
    small = zoo.load(given.small, device=given.device)
    models = {given.small: small, given.published: published(given.published).to(given.device)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.minutes:
            frames = loop(small.config.size)
            for row in peaks(inference.prepared(small), frames, given.minutes, folder):
                print(MEMORY.format(*row), flush=True)
        print(HEAD.format(*COLUMNS))
        rows = [(title, *way) for title, model in models.items() for way in ways(model)]
        for title, words, model in rows:
            batch = given.batch or inference.frames_at_a_time(model)
            frames = loop(model.config.size)
            found = speed(model, frames, batch, given.seconds / len(rows), folder)
            print(ROW.format(f"{title}, {words}", batch, *found), flush=True)
    (_, exact), *others = ways(small)
    frames = as_floats(loop(small.config.size)[: LOOP // 2 : 2])
    for words, model in others:
        source = frames[0].to(given.device)
        cost = inference.compared(exact, model, source, list(frames), "relative")
        print(
            f"{given.small}, {words}: over {len(frames)} frames the largest error is "
            f"{cost.error:.1e} of the range, the PSNR {cost.psnr:.1f} dB"
        )


if __name__ == "__main__":
    sys.exit(guarded(main, "animate_speed"))
