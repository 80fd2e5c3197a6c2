"""What lecture 00 shows: a portrait that moves, where that breaks, dots on a face, the map.

The driving clips are the 24 rendered people of ``heads-128`` that no model was trained on. Which of
them is shown is decided by a rule (`median_driver`, `farthest_turn`), not by looking at results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from aidagen import animation, datasets, markdown, video
from aidagen.datasets.layout import Clip
from aidagen.evaluation import Rows
from aidagen.pixels import as_bytes, as_floats
from aidagen.teaching import plots
from aidagen.widgets import overlays

PORTRAIT = Path(__file__).resolve().parents[2] / "packs" / "portraits" / "astronaut.png"
MODEL = "fomm-faces-128"
SET = "heads-128"
PLACES = {
    ("faces-128", "segments"): "known people",
    ("faces-128", "persons"): "unseen people",
    ("heads-128", "heads"): "unseen rendered people",
}
INNER_LIPS = (62, 66)  # of 68 landmarks: the middle of the upper and of the lower inner lip

# number, title, its question, its model file
LECTURES = (
    ("01", "A bit of history", "How did we get here in fifteen years?", "diffusion"),
    ("02", "Diverse smiles", "One neutral face, one label: how many smiles?", "smile"),
    ("03", "Deformable GANs", "How does texture follow a change of pose?", "deformable_gan"),
    ("04", "Monkey-Net", "Can motion be learned without a skeleton?", "monkeynet"),
    ("05", "First Order Motion", "What happens around a keypoint?", "fomm"),
    ("06", "Co-part segmentation", "Do things that move together belong together?", "copart"),
    ("07", "Playable video", "Can a video have buttons that nobody labelled?", "playable"),
    ("08", "Dance", "What should a body do to this music?", "dance"),
    ("09", "Beyond", "What about 3D, several people, cartoons?", "free_view"),
    ("10", "Forensics", "Can you tell that it was generated?", "forensics"),
)


def portrait() -> UInt8[Tensor, "3 230 230"]:
    """Head and shoulders of the astronaut Eileen Collins; by NASA, from scikit-image."""
    picture = np.asarray(Image.open(PORTRAIT).convert("RGB"))
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)


@cache
def people() -> tuple[Clip, ...]:
    """The 24 rendered people of the test split."""
    return tuple(datasets.load(SET).clips("test"))


def _pose(clip: Clip) -> Float[np.ndarray, "T 3"]:
    """Yaw, pitch and roll of the head in degrees."""
    return clip.labels()["pose"].astype(np.float64)


def frontal(clip: Clip) -> int:
    """The frame in which the head is turned least: yaw, pitch and roll add up to least."""
    return int(np.abs(_pose(clip)).sum(1).argmin())


def turn(clip: Clip, rest: int) -> float:
    """The largest turn away from frame ``rest`` in the clip, in degrees over all three angles."""
    pose = _pose(clip)
    return float(np.linalg.norm(pose - pose[rest], axis=1).max())


def median_driver() -> Clip:
    """The unseen person whose clip turns the head by the median of all 24 (the lower median)."""
    ranked = sorted(people(), key=lambda clip: turn(clip, frontal(clip)))
    return ranked[(len(ranked) - 1) // 2]


def farthest_turn() -> Clip:
    """The unseen person whose head turns farthest from how it stands in the first frame."""
    return max(people(), key=lambda clip: turn(clip, 0))


def mouth(clip: Clip) -> tuple[int, int]:
    """The frames in which the inner lips are closest together and farthest apart."""
    upper, lower = (clip.labels()["landmarks"][:, k].astype(np.float64) for k in INNER_LIPS)
    apart = np.linalg.norm(upper - lower, axis=1)
    return int(apart.argmin()), int(apart.argmax())


def driven(
    model: torch.nn.Module, source: Tensor, clip: Clip, rest: int, chosen: Sequence[int] = ()
) -> tuple[Float[Tensor, "T 3 S S"], Float[Tensor, "T 3 S S"]]:
    """The clip's frames, and the source with the movement that each has since frame ``rest``;
    only the ``chosen`` ones, if any are given."""
    frames = as_floats(clip.frames())
    picture = animation.prepare(source, model.config.size)
    wanted = frames[list(chosen)] if chosen else frames
    made = animation.animate(model, picture, [frames[rest], *wanted])  # the first is the rest pose
    return wanted, made[1:].cpu()


def there_and_back(count: int, rest: int) -> list[int]:
    """The frames of a clip from ``rest`` on, to its end, back to its beginning, to ``rest`` again:
    a film that repeats without a jump."""
    forth = list(range(count))
    return forth[rest:] + forth[-2::-1] + forth[1:rest]


def side_by_side(left: Tensor, right: Tensor, size: int = 256) -> Float[Tensor, "3 s w"]:
    """Two pictures beside each other, each enlarged to ``size`` pixels."""
    grown = [
        torch.from_numpy(overlays.enlarge(one, size)).permute(2, 0, 1) for one in (left, right)
    ]
    return as_floats(torch.cat(grown, -1))


def moving_portrait(model: torch.nn.Module, width: int = 640) -> str:
    """HTML of a video: on the left the driving clip, on the right the portrait that follows it.

    It starts by itself, unless the reader prefers reduced motion.
    """
    clip = median_driver()
    rest = frontal(clip)
    frames, made = driven(model, portrait(), clip, rest)
    order = there_and_back(len(frames), rest)
    alt = (
        "On the left a rendered head turns and talks. On the right the portrait of an astronaut "
        "turns in the same way; its smile stays."
    )
    film = (side_by_side(frames[t], made[t]) for t in order)
    player = video.html(film, fps=12.5, alt=alt, width=width)
    calm = "matchMedia('(prefers-reduced-motion: reduce)').matches"
    return player.replace("<video ", f'<video onloadeddata="{calm} || this.play()" ', 1)


def limits(model: torch.nn.Module, size: int = 230) -> Image.Image:
    """What holds and two limits: driving frames above what the model makes of them."""
    far, film = farthest_turn(), median_driver()
    shown = (
        (film, frontal(film), {"turned farthest": _farthest(film, frontal(film))}),
        (far, 0, {"its first frame": 0, "turned farthest": _farthest(far, 0)}),
        (film, frontal(film), dict(zip(("mouth closed", "mouth open"), mouth(film)))),
    )
    above, below, words = [], [], []
    for clip, rest, times in shown:
        frames, made = driven(model, portrait(), clip, rest, [*times.values()])
        above, below = [*above, *frames], [*below, *made]
        words += [f"driver: {what}" for what in times]
    count = len(words)
    words += ["result"] * count
    places = range(count, 2 * count)
    return overlays.sheet(above + below, count, words, size=size, generated=places)


def _farthest(clip: Clip, rest: int) -> int:
    """The frame whose head is turned farthest away from frame ``rest``."""
    pose = _pose(clip)
    return int(np.linalg.norm(pose - pose[rest], axis=1).argmax())


def dots(
    picture: Float[Tensor, "3 S S"],
    points: Float[Tensor, "K 2"],
    pixel_of: Callable[[Tensor, int, int], Tensor],
    size: int = 480,
) -> Image.Image:
    """The picture with its keypoints at the pixels that ``pixel_of(points, S, S)`` says."""
    pixels = picture.shape[-1]
    places = pixel_of(points.cpu(), pixels, pixels)  # (K, 2): column, row
    back = (2 * places / (pixels - 1) - 1).numpy()
    drawn = overlays.draw_points(overlays.enlarge(picture, size), back, pixels)
    return Image.fromarray(drawn)


def on_screen(picture: Float[Tensor, "3 H W"], width: int = 400) -> UInt8[np.ndarray, "h w 3"]:
    """A picture of any shape as screen pixels of this width."""
    pixels = as_bytes(picture.detach().cpu().float().clamp(0, 1)).permute(1, 2, 0).numpy()
    height = round(width * picture.shape[1] / picture.shape[2])
    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def training_facts(model: torch.nn.Module, card: Mapping[str, Any]) -> str:
    """One sentence on the size and the training of a model, from itself and its card."""
    weights = sum(parameter.numel() for parameter in model.parameters())
    recipe = card["recipe"]
    return (
        f"The model that moved the portrait has {weights / 1e6:.1f} million weights. It took "
        f"{recipe['steps']:,} such steps, with {recipe['batch']} pairs of frames each."
    )


def map_table() -> str:
    """The ten lectures as a Markdown table; open are those whose text is in the course."""
    rows, course = [], Path(__file__).resolve().parents[3] / "course"
    for number, title, question, name in LECTURES:
        here = any(course.glob(f"{number}_*.py"))
        rows.append((number, title, question, f"`models/{name}.py`", "open" if here else "to come"))
    return markdown.table(("", "lecture", "its question", "model file", ""), rows)


def better_than_a_copy(rows: Rows) -> plots.Plot:
    """L1 of the model and of a copy of the source, from the rows of `fomm-faces-128`."""
    plot = plots.claim(
        rows,
        "l1",
        {MODEL: "the model", "copy-source": "a copy of the source"},
        PLACES,
        axis="L1 error (0 to 1), lower is better",
        title="The model is closer to the truth than a copy of the source",
    )
    plot.figure.set_size_inches(8, 4.0)  # wide enough for a slide with text above it
    return plot


def clip_by_clip(rows: Rows) -> plots.Plot:
    """The differences of the same clips, model - copy, with their intervals."""
    return plots.claim(
        rows,
        "l1",
        {MODEL: ""},
        PLACES,
        paired_with="copy-source",
        axis="L1, model minus copy",
        title="On the same clips, the model is the closer one",
    )
