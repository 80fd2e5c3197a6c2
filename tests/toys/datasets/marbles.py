"""Marbles that fall and hit the floor: eight clips of 24 frames, 16 x 16, with their clicks.

A marble is red or blue (label ``kind``), its height in each frame is the label ``height``. Each
time it hits the floor there is a click in the sound track, at 800 samples per second. There are
sixteen stills of other marbles, too.
"""

import os
from pathlib import Path

import numpy as np
import torch

from aidagen.datasets import layout
from aidagen.sound import Sound

FPS, RATE, FRAMES = 8, 800, 24


def load() -> layout.ClipSet:
    root = Path(os.environ["AIDAGEN_HOME"]) / "data" / "marbles"
    return layout.ClipSet(root) if (root / "dataset.json").exists() else make(root)


def make(root: Path) -> layout.ClipSet:
    clips, stills = {}, {}
    for index in range(8):
        frames, labels, sound = clip(index)
        name = f"marble-{index}"
        # without loss, for x264's last bits differ now and then, and with them a run's weights
        entry = layout.write_clip(
            root, "train", name, frames, labels, fps=FPS, track=sound, lossless=True
        )
        clips[name] = entry | {"person": name}
    for index in range(8, 24):
        frames, labels, _ = clip(index)
        labels["height"] = np.asarray(labels["height"][3])
        stills[f"still-{index}"] = layout.write_still(
            root, "train", f"still-{index}", frames[3], labels
        )
    info = {"name": "marbles", "version": "1", "source": "drawn here", "licence": "CC0-1.0",
            "redistributable": True}  # fmt: skip
    return layout.finish_set(root, info, {"train": clips}, {"train": stills})


def clip(index: int):
    rng = np.random.default_rng(index)
    height, speed, kind = rng.uniform(0.6, 0.9), 0.0, index % 2
    frames, heights = [], []
    track = torch.zeros(1, FRAMES * RATE // FPS)
    for t in range(FRAMES):
        speed -= 0.06
        height += speed
        if height < 0.1:
            height, speed = 0.1, -0.9 * speed
            click = t * RATE // FPS
            track[0, click : click + 20] = 0.9 * torch.arange(20.0).sin()
        picture = np.full((16, 16, 3), 30, np.uint8)
        row, column = int((1 - height) * 13), 2 + index % 8
        picture[row : row + 3, column : column + 3] = (220, 40, 40) if kind == 0 else (40, 40, 220)
        frames.append(picture)
        heights.append(height)
    labels = {"height": np.array(heights, np.float32), "kind": np.array(kind)}
    return frames, labels, Sound(track, RATE)
