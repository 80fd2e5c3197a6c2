"""Chance people: shapes, looks, light and lively motion, drawn from an explicit generator."""

import colorsys
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aidagen.rendering.body import DETAILS
from aidagen.rendering.paint import (
    HAIRS,
    IRISES,
    NECKLINES,
    PATTERNS,
    SKINS,
    Clothes,
    Colour,
    Look,
)

SHORT = ("short", "side", "quiff", "buzz", "curly", "afro", "receding", "bald", "fringe")
LONG = ("long", "bob", "bangs", "wavy", "bun", "ponytail", "curly", "short", "afro", "side")


class Person(NamedTuple):
    phenotype: dict[str, float]
    details: dict[str, float]
    look: Look


def _mix(colours: tuple[Colour, ...], at: float) -> np.ndarray:
    table = np.asarray(colours)
    return np.array([np.interp(at, np.arange(len(table)), table[:, k]) for k in range(3)])


def colour(rng: np.random.Generator, saturation=(0.05, 0.65), value=(0.12, 0.92)) -> Colour:
    """A random colour within bounds of saturation and value."""
    return colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value))


def clothes(rng: np.random.Generator) -> Clothes:
    """A random outfit."""
    return Clothes(
        top=colour(rng),
        second=colour(rng, (0.0, 0.5), (0.5, 1.0)),
        pattern=str(rng.choice(PATTERNS, p=(0.44, 0.2, 0.12, 0.16, 0.08))),
        neckline=str(rng.choice(NECKLINES)),
        sleeve=float(rng.choice([0.2, 0.4, 1.0])),
        bottom=colour(rng, (0.0, 0.5), (0.1, 0.6)),
        leg=float(rng.choice([0.0, 0.4, 1.0], p=(0.2, 0.1, 0.7))),
        shoes=colour(rng, (0.0, 0.4), (0.05, 0.4)),
    )


def person(rng: np.random.Generator) -> Person:
    """A random person: proportions, complexion, hair or hat, glasses, beard, clothes."""
    male = rng.uniform() < 0.5
    age = float(rng.uniform(0.48, 0.58) if rng.uniform() < 0.07 else rng.uniform(0.62, 0.97))
    origin = rng.dirichlet([0.45, 0.45, 0.45])
    african, asian, caucasian = origin
    phenotype = {
        "gender": float(rng.uniform(0.8, 1.0) if male else rng.uniform(0.0, 0.2)),
        "age": age,
        "muscle": float(rng.uniform(0.3, 0.75)),
        "weight": float(np.clip(rng.normal(0.52, 0.17), 0.15, 0.95)),
        "height": float(rng.uniform(0.3, 0.7)),
        "proportions": float(rng.uniform(0.3, 0.8)),
        "african": float(african), "asian": float(asian), "caucasian": float(caucasian),
    }
    details: dict[str, float] = {}
    for name in DETAILS:
        if name.startswith("r-"):
            details[name] = details["l-" + name[2:]]  # faces are about symmetric
        else:
            details[name] = float(np.clip(rng.normal(0, 0.32), -0.8, 0.8))
    tone = african * 6.0 + asian * 2.2 + caucasian * 0.9 + rng.normal(0, 0.5)
    skin = np.clip(_mix(SKINS, float(np.clip(tone, 0, 7))) * rng.uniform(0.95, 1.05, 3), 0, 1)
    fair = caucasian > 0.5
    shade = float(rng.choice(7, p=(0.08, 0.14, 0.2, 0.2, 0.14, 0.16, 0.08))) if fair else float(
        rng.choice([0.0, 0.6, 1.4, 2.2]))
    hair = _mix(HAIRS[:7], shade)
    if age > 0.82 and rng.uniform() < 0.75:
        hair = hair + rng.uniform(0.4, 1.0) * (np.asarray(HAIRS[7]) * rng.uniform(0.8, 1.3) - hair)
    elif rng.uniform() < 0.02:
        hair = np.asarray(colour(rng, (0.4, 0.8), (0.3, 0.8)))
    if age < 0.6:
        style = str(rng.choice(["short", "fringe", "side"] if male else ["bob", "bangs", "long"]))
    elif male:
        weights = np.array([5, 4, 4, 2, 2, 0.3, 1.2, 0.8, 2]) + african * np.array(
            [0, 0, 0, 3, 4, 4, 0, 1, -1.5])
        weights[6] += 3 * (age > 0.8)
        style = str(rng.choice(SHORT, p=weights / weights.sum()))
    else:
        weights = np.array([4, 4, 3, 4, 2.5, 3, 2, 1, 0.2, 1]) + african * np.array(
            [0, 0, 0, 0, 1, 1, 4, 1, 4, 0])
        style = str(rng.choice(LONG, p=weights / weights.sum()))
    hat = str(rng.choice(["none", "beanie", "cap", "brim"], p=(0.8, 0.08, 0.07, 0.05)))
    if hat != "none" and style in ("afro", "bun", "quiff", "curly"):
        style = "short" if male else "long"
    beard = "none"
    if male and age > 0.63:
        beard = str(rng.choice(["none", "stubble", "moustache", "goatee", "full"],
                               p=(0.48, 0.2, 0.07, 0.08, 0.17)))
    made_up = 0.0 if male or age < 0.6 else float(rng.uniform())
    lip_hue = (rng.uniform(0.55, 0.8), rng.uniform(0.1, 0.35), rng.uniform(0.15, 0.4))
    look = Look(
        skin=tuple(map(float, skin)),
        iris=IRISES[int(rng.integers(5) if fair else rng.integers(2))],
        lips=made_up,
        lip_colour=tuple(map(float, lip_hue)),
        blush=float(rng.uniform(0.1, 0.7)),
        lashes=float(0.25 + 0.75 * made_up),
        brows=float(rng.uniform(0.45, 1.0) if male else rng.uniform(0.25, 0.75)),
        hair=style,
        hair_colour=tuple(map(float, np.clip(hair, 0, 1))),
        volume=float(rng.uniform(0.75, 1.3)),
        length=float(rng.uniform(0.7, 1.3)),
        beard=beard,
        hat=hat,
        hat_colour=colour(rng, (0.0, 0.8), (0.1, 0.85)),
        glasses=str(rng.choice(["none", "round", "square", "dark"], p=(0.68, 0.13, 0.15, 0.04))),
        glasses_colour=colour(rng, (0.0, 0.6), (0.02, 0.3)),
        clothes=clothes(rng),
        seed=int(rng.integers(2**31)),
    )
    return Person(phenotype, details, look)


def curve(
    rng: np.random.Generator, frames: int, fps: float, band: tuple[float, float], count: int = 5
) -> Float[np.ndarray, "T"]:
    """A band-limited random curve (frequencies in Hz), centred, with largest magnitude 1."""
    t = np.arange(frames)[:, None] / fps
    rate = rng.uniform(*band, count)
    phase = rng.uniform(0, 2 * np.pi, count)
    values = (np.sin(2 * np.pi * rate * t + phase) * rng.uniform(0.4, 1.0, count)).sum(1)
    values -= (values.max() + values.min()) / 2
    return values / max(np.abs(values).max(), 1e-6)


def bumps(
    rng: np.random.Generator, frames: int, fps: float, rate: float, seconds: float
) -> Float[np.ndarray, "T"]:
    """Smooth events in [0, 1] (a blink, a raised brow): ``rate`` per second, each ``seconds``."""
    t = np.arange(frames) / fps
    values = np.zeros(frames)
    for _ in range(rng.poisson(rate * frames / fps)):
        away = np.abs(t - rng.uniform(0, frames / fps)) / seconds
        values = np.maximum(values, np.clip(1.4 * np.cos(np.pi * np.clip(away, 0, 0.5)), 0, 1))
    return values
