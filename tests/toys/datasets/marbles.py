"""Marbles that fall and hit the floor: eight clips of 24 frames, 16 x 16, with their clicks.

A marble is red or blue (label ``kind``), its height in each frame is the label ``height``. Each
time it hits the floor there is a click in the sound track, at 800 samples a second.
"""

import os
from pathlib import Path

import numpy as np

from aidagen.datasets import layout

FPS, RATE, FRAMES = 8, 800, 24


def load() -> layout.ClipSet:
    root = Path(os.environ["AIDAGEN_HOME"]) / "data" / "marbles"
    return layout.ClipSet(root) if (root / "dataset.json").exists() else make(root)


def make(root: Path) -> layout.ClipSet:
    entries = {}
    for index in range(8):
        frames, labels, _sound = clip(index)
        name = f"marble-{index}"
        entry = layout.write_clip(
            root, "train", name, frames, labels, fps=FPS
        )
        entries[name] = entry | {"person": name}
    info = {"name": "marbles", "version": "1", "source": "drawn here", "licence": "CC0-1.0"}
    return layout.finish_set(root, info, {"train": entries})


def clip(index: int):
    rng = np.random.default_rng(index)
    height, speed, kind = rng.uniform(0.6, 0.9), 0.0, index % 2
    frames, heights = [], []
    sound = np.zeros((1, FRAMES * RATE // FPS), np.float32)
    for t in range(FRAMES):
        speed -= 0.06
        height += speed
        if height < 0.1:
            height, speed = 0.1, -0.9 * speed
            click = t * RATE // FPS
            sound[0, click : click + 20] = np.sin(np.arange(20))
        picture = np.full((16, 16, 3), 30, np.uint8)
        row, column = int((1 - height) * 13), 2 + index
        picture[row : row + 3, column : column + 3] = (220, 40, 40) if kind == 0 else (40, 40, 220)
        frames.append(picture)
        heights.append(height)
    labels = {"height": np.array(heights, np.float32), "kind": np.array(kind)}
    return frames, labels, sound
