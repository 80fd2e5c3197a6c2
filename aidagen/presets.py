"""Named training runs: data, sizes, steps, weights of the losses. ``aidagen train NAME`` runs one.

The card of the shipped weights repeats everything that stands here.
"""

from dataclasses import dataclass, field, replace

from aidagen.models import fomm, monkeynet, x2face


@dataclass(frozen=True)
class Preset:
    """Everything a run is made of; the card of the shipped weights repeats it."""

    config: object  # of one of the systems that `zoo.SYSTEMS` names
    data: dict[str, float]  # data set -> share of the pairs
    steps: int
    batch: int = 8
    rate: float = 8e-4
    weights: tuple = field(default_factory=fomm.LossWeights)  # the system's own LossWeights
    scales: tuple[float, ...] = (1.0,)  # of the perceptual pyramid
    across: float = 0.2  # share of pairs from two clips of the same person or character
    jitter: float = 0.1  # of colours, the same for both frames
    placing: float = 0.0  # of zoom, turn and shift, the same for both frames
    sigma_affine: float = 0.1  # of the equivariance loss; published: 0.05
    sigma_tps: float = 0.005
    ema: float = 0.995
    seed: int = 0
    snapshots: tuple[int, ...] = ()  # steps whose averaged weights are kept, to look back


RENDERED = {"heads", "bodies", "robot"}  # data sets of our own making
SMALL = fomm.LossWeights(
    perceptual=1.0, pixels=20.0, warp=10.0, equivariance_points=10.0, equivariance_jacobians=2.0
)
APART = SMALL._replace(separation=3.0)

# rendered heads alone: what each part buys, and a run to look back on (the weights are ours)
HEADS = Preset(fomm.fomm_tiny(), {"heads": 1.0}, steps=2400, weights=APART)
UNSTEADY = APART._replace(equivariance_points=0.0, equivariance_jacobians=0.0)

PRESETS: dict[str, Preset] = {
    "fomm-faces-64": Preset(
        fomm.fomm_small(),
        {"faces": 0.5, "heads": 0.5},
        steps=5500,
        weights=APART,
        jitter=0.2,
        placing=0.1,
        ema=0.999,
    ),
    "fomm-cartoons-64": Preset(
        fomm.fomm_small(),
        {"cartoons": 1.0},
        steps=6000,
        weights=SMALL,
        across=0.5,
        jitter=0.25,
        placing=0.05,
        ema=0.999,
    ),
    "fomm-heads-64": replace(HEADS, snapshots=(1, 50, 150, 400, 800, 1500, 2400)),
    "fomm-heads-64-no-jacobian": replace(HEADS, config=replace(HEADS.config, jacobian="none")),
    "fomm-heads-64-no-occlusion": replace(
        HEADS, config=replace(HEADS.config, occlusion=False, blend=False)
    ),
    "fomm-heads-64-no-equivariance": replace(HEADS, weights=UNSTEADY),
}


# --- three systems side by side ------------------------------------------------------------------
# The same data, batch, steps and reconstruction objective for each; what differs is how a system
# describes motion and what it paints. FOMM's faces above set the pace.

FACES = PRESETS["fomm-faces-64"]
COMPARED = {
    "faces": FACES,
    "bodies": replace(FACES, data={"bodies": 1.0}, steps=6000),
    "robot": replace(FACES, data={"robot": 1.0}, steps=2400),
}
SYSTEMS = {
    "fomm": {"config": fomm.fomm_small(), "weights": APART},
    "monkeynet": {
        "config": monkeynet.monkeynet_small(),
        "weights": monkeynet.LossWeights(
            perceptual=1.0, pixels=20.0, warp=10.0, separation=3.0,
            adversarial=0.0, feature_matching=(),
        ),
    },
    "x2face": {
        "config": x2face.x2face_small(),
        "weights": x2face.LossWeights(
            perceptual=1.0, pixels=20.0, warp=10.0, averaging=5.0
        ),
    },
}  # fmt: skip
PRESETS |= {
    f"{system}-{data}-64": replace(preset, **own)
    for data, preset in COMPARED.items()
    for system, own in SYSTEMS.items()
}
# two rows of Monkey-Net's ablation
_BODIES = PRESETS["monkeynet-bodies-64"]
PRESETS |= {
    f"monkeynet-bodies-64-{row}": replace(_BODIES, config=replace(_BODIES.config, **without))
    for row, without in {
        "no-flow": {"motion": False},
        "no-deformed-skips": {"deformed_skips": False},
    }.items()
}
