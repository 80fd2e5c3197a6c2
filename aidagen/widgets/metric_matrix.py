"""Spoilings by metrics as one picture: to what each metric is blind. `metric_lab` measures them."""

from collections.abc import Mapping
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

METRICS = ("L1", "L1 moving", "SSIM", "PSNR", "flicker", "AKD", "MKR", "AED")
BLIND = 0.1  # of the error of a copy of the source


class Score(NamedTuple):
    """A metric of one spoilt clip; NaN where it could not be measured, and the reason."""

    value: float  # in the metric's own unit
    relative: float  # 0 perfect, 1 a copy of the source; MKR, a share itself, as it is
    missing: str = ""
    limit: float = BLIND

    @property
    def blind(self) -> bool:
        return self.relative < self.limit


Table = Mapping[str, Mapping[str, Score]]  # spoiling -> metric -> score


def words(table: Table) -> str:
    """What the picture shows, for readers who cannot see it."""
    parts = []
    for metric in METRICS:
        column = {name: scores[metric] for name, scores in table.items()}
        blind = [name for name, s in column.items() if not s.missing and s.blind]
        if all(s.missing for s in column.values()):
            parts.append(f"{metric} {next(iter(column.values())).missing}")
        else:
            parts.append(f"{metric} is blind to {', '.join(blind) or 'none of them'}")
    return (
        "Table of spoilings by metrics, each error as a part of that of a copy of the source. "
        + "; ".join(parts) + "."
    )  # fmt: skip


def picture(table: Table, labels: Mapping[str, str]) -> Image.Image:
    """Dark blue is blind, yellow as bad as a copy of the source or worse; ``labels`` name rows."""
    from matplotlib import colormaps

    colours = colormaps["cividis"]
    wide, high, left, top = 84, 40, 300, 34
    font, small = ImageFont.load_default(16), ImageFont.load_default(14)
    image = Image.new(
        "RGB", (left + wide * len(METRICS) + 2, top + high * len(table) + 28), "white"
    )
    draw = ImageDraw.Draw(image)
    for j, metric in enumerate(METRICS):
        draw.text((left + wide * (j + 0.5), top / 2), metric, "black", font, anchor="mm")
    for i, (name, scores) in enumerate(table.items()):
        y = top + high * i
        draw.text((left - 8, y + high / 2), labels[name], "black", font, anchor="rm")
        for j, metric in enumerate(METRICS):
            score, x = scores[metric], left + wide * j
            box = (x, y, x + wide - 2, y + high - 2)
            if score.missing:
                draw.rectangle(box, fill="#E6E6E6")
                said, ink, pen = score.missing.replace(" ", "\n", 1), "#444444", small
            else:
                shade = colours(min(score.relative, 1.0))
                draw.rectangle(box, fill=tuple(round(255 * c) for c in shade[:3]))
                ink = "black" if score.relative > 0.5 else "white"
                said = f"{score.relative:.2f}" + ("\nblind" if score.blind else "")
                pen = small if score.blind else font
            at = (x + wide / 2 - 1, y + high / 2 - 1)
            draw.multiline_text(at, said, ink, pen, anchor="mm", align="center", spacing=1)
    note = "0: perfect; 1: as a copy of the source; below 0.1: blind (MKR, a share: 0.01)."
    draw.text((left, image.height - 14), note, "black", small, anchor="lm")
    return image
