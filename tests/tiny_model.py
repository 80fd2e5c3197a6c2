"""A model small enough for tests that still follows the protocol of animatable models.

It finds the brightest place of a picture (centre of mass of a power of the brightness) and moves
the whole source by the difference. Run as a script it is the ``aidagen`` command with this model as
the only one in the zoo, for tests that need a process of their own.
"""

import signal
import sys
import time
import types
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NAME = "tiny-faces-16"


class Encoded(NamedTuple):
    source: Tensor
    motion: "Motion"


class Motion(NamedTuple):
    points: Tensor  # (B, 1, 2)
    jacobians: Tensor | None


class Rendering(NamedTuple):
    image: Tensor  # (B, 3, H, W)
    flow: Tensor  # (B, H, W, 2)
    heatmaps: Tensor | None
    source_point: Tensor  # (1, 1, 2): the same for all frames
    layers: tuple[Tensor, ...]


@dataclass(frozen=True)
class Config:
    size: int = 16


class TinyModel(nn.Module):
    def __init__(self, size: int = 16, delay: float = 0.0) -> None:
        super().__init__()
        self.config, self.delay = Config(size), delay
        self.gain = nn.Parameter(torch.ones(()))
        self.norm = nn.BatchNorm2d(3)
        self.largest_batch = self.encodings = 0

    def encode(self, source: Tensor) -> Encoded:
        self.encodings += 1
        return Encoded(source, self.motion(source))

    def motion(self, frames: Tensor) -> Motion:
        self.norm(frames)  # would change its statistics in training mode
        self.largest_batch = max(self.largest_batch, len(frames))
        time.sleep(self.delay)
        line = torch.linspace(-1, 1, frames.shape[-1], dtype=frames.dtype)
        weight = frames.mean(1) ** 6 * self.gain + 1e-6
        weight = weight / weight.sum((1, 2), keepdim=True)
        points = torch.stack([(weight.sum(1) * line).sum(1), (weight.sum(2) * line).sum(1)], 1)
        return Motion(points[:, None], None)

    def relative(self, motion: Motion, first: Motion, encoded: Encoded) -> Motion:
        return Motion(encoded.motion.points + motion.points - first.points, None)

    def render(self, encoded: Encoded, motion: Motion) -> Rendering:
        count, size = len(motion.points), self.config.size
        theta = torch.eye(2, 3).repeat(count, 1, 1).to(motion.points)
        theta[:, :, 2] = (encoded.motion.points - motion.points)[:, 0]
        flow = F.affine_grid(theta, (count, 3, size, size), align_corners=True)
        source = encoded.source.expand(count, -1, -1, -1)
        image = F.grid_sample(source, flow, padding_mode="border", align_corners=True)
        return Rendering(image, flow, None, encoded.motion.points, (image * 0.5,))


def zoo(**options) -> types.ModuleType:
    """A stand-in for `aidagen.zoo` that knows the tiny model alone."""
    module = types.ModuleType("aidagen.zoo")
    module.names = lambda: [NAME]
    module.load = lambda name, device="auto": TinyModel(**options).eval()
    return module


def blob(x: float, y: float, size: int | tuple[int, int] = 48) -> Tensor:
    """uint8 picture of a bright blob at (x, y) in [-1, 1], red above and green below."""
    height, width = (size, size) if isinstance(size, int) else size
    rows = torch.linspace(-1, 1, height)[:, None] * max(1, height / width)
    columns = torch.linspace(-1, 1, width)[None] * max(1, width / height)
    spot = torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 0.08)
    tint = torch.stack([spot * (rows < y), spot * (rows >= y), spot])
    return (tint * 235 + 20).to(torch.uint8)


def main() -> int:
    import aidagen
    from aidagen import cli

    size, delay = int(sys.argv.pop(1)), float(sys.argv.pop(1))
    sys.modules["aidagen.zoo"] = aidagen.zoo = zoo(size=size, delay=delay)
    code = cli.main()
    for line in open("/proc/self/status") if sys.platform == "linux" else ():
        if line.startswith("VmHWM"):  # ru_maxrss would count the parent's memory, too
            print("peak kB", line.split()[1])
    return code


if __name__ == "__main__":
    # a shell leaves Ctrl-C ignored in what it starts in the background, tests and all
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
