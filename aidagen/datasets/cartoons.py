"""Twelve cartoon characters dancing the same 25 moves, in phase: a stand-in for MGif.

Every character performs every move frame by frame alike, so motion transfer between characters
has a *true answer* here: "the cat doing what the bear does" is a clip of the set. The pictures
are the sprite sheets of the npm package @code-dot-org/dance-party, fetched on the user's machine
(see NOTICE), on white.

* ``train``: eleven characters; about one pair of character and move in eight is left out;
* ``test`` group "unseen-pair": those pairs (character and move are both known, not together);
* ``test`` group "unseen-character": every move of the frog, which appears nowhere else;
* ``val``: a few pairs left out of training and testing.

Clips are named ``<character>-<move>``; labels: ``character``, ``move``, ``boxes`` (T, 4), the
sprite's left, top, right, bottom in [-1, 1].
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from aidagen import sources
from aidagen.datasets import layout

VERSION = "1"
CANVAS = 300  # pixels of a sprite's frame
FOLDER = "package/test/assets/sprite_sheets"
UNSEEN = "frog"


def load(size: int = 64) -> layout.ClipSet:
    """The set at ``size`` x ``size`` pixels; cut from the fetched sheets on first use (16 MB)."""
    root = sources.home() / "data" / f"cartoons-{size}-v{VERSION}"
    if not (root / "dataset.json").exists():
        make(root, size)
    return layout.ClipSet(root)


def make(root: Path, size: int = 64) -> layout.ClipSet:
    """Cut the set into ``root``; nothing appears there before all of it is done.

    Raises ``layout.DatasetError`` if there is a set already.
    """
    sheets = sources.extract("dance-party", f"{FOLDER}/characters.json")
    characters = json.loads(sheets.read_text(encoding="utf-8"))
    moves = sorted(characters["cat"])
    with layout.making(root) as temporary:
        clips: dict[str, dict] = {split: {} for split in layout.SPLITS}
        for i, character in enumerate(sorted(characters)):
            opened: dict[str, Image.Image] = {}  # a sheet holds several moves of one character
            for j, move in enumerate(moves):
                split, group = _split(character, i, j)
                frames, boxes = _frames(characters[character][move], opened, size)
                name = f"{character}-{move}"
                labels = {
                    "character": np.array(character), "move": np.array(move), "boxes": boxes,
                }
                entry = layout.write_clip(temporary, split, name, frames, labels, fps=12)
                clips[split][name] = {
                    **entry, "group": group, "character": character, "move": move,
                }
        info = {
            "name": "cartoons",
            "version": VERSION,
            "size": size,
            "source": "@code-dot-org/dance-party 2.0.4 (npm), sprite sheets",
            "licence": "package Apache-2.0, licence of the artwork undecided: not redistributed",
        }
        layout.finish_set(temporary, info, clips)
    return layout.ClipSet(root)


def _split(character: str, i: int, j: int) -> tuple[str, str]:
    if character == UNSEEN:
        return "test", "unseen-character"
    left_out = (3 * i + j) % 8  # a different eighth of the moves for each character
    if left_out == 0:
        return "test", "unseen-pair"
    return ("val" if left_out == 4 and j % 2 else "train"), "seen"


def _frames(move: dict, opened: dict[str, Image.Image], size: int):
    sheet = move["spritesheet"]
    if sheet not in opened:
        image = Image.open(sources.extract("dance-party", f"{FOLDER}/{sheet}"))
        opened[sheet] = image.convert("RGBA")  # once, not for every frame
    frames, boxes = [], []
    for entry in move["frames"]:
        cut, place = entry["frame"], entry["spriteSourceSize"]
        x, y, w, h = cut["x"], cut["y"], cut["w"], cut["h"]
        sprite = opened[sheet].crop((x, y, x + w, y + h))
        canvas = Image.new("RGBA", (CANVAS, CANVAS), "white")
        canvas.alpha_composite(sprite, (place["x"], place["y"]))
        small = canvas.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)
        frames.append(np.asarray(small))
        corners = (place["x"], place["y"], place["x"] + w, place["y"] + h)
        boxes.append([2 * c / CANVAS - 1 for c in corners])
    return frames, np.array(boxes, dtype=np.float32)
