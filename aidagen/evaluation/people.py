"""People in poses that they were never seen in: is it the pose, the person, a picture?

The test people of `people`, whom nobody has trained on. A method gets a picture of a person with
its joints, the joints of another picture of the same person, and what is behind them there. Pairs
are drawn once (`pose_pairs.fixed_pairs`), the same for all methods; pictures are rounded to 8 bits.

Splits: `same-camera` (both pictures from one place: what is asked for is the pose alone) and
`other-camera` (other place, other light, as in re-identification).

Methods:
* `mask-nn`: the whole method, `deformable-gan-people-128`; `mask-l1`: L1 instead of the
  nearest-neighbour loss; then, with L1 as well, `full` (one affine map fitted to the body), `stn`
  (one affine map that a network predicts), `none` (plain skips); `pg2`: two stages, no deformation;
* `copy-source`; `nearest-pose`: the training picture whose joints are nearest to those asked for;
  `backdrop`: what is behind, without a person; `real`: the answer itself, which tells what the
  judges make of it.

Beside the metrics of other tables: `l1_person` and `mask_ssim_true` count only the pixels where the
person truly is; `mask_ssim` is the papers', structural similarity of pictures of which everything
but thick lines between the joints was set to zero, which agrees wherever both are black.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from aidagen import datasets, metrics, poses, zoo
from aidagen.datasets import people, pose_pairs
from aidagen.datasets.layout import Clip
from aidagen.evaluation import clips, embeddings
from aidagen.evaluation.clips import BY_PIXELS, Frames
from aidagen.evaluation.set_distance import FD, SetDistance
from aidagen.evaluation.sheets import EvaluationError, Metric, Sheet, Table
from aidagen.judges.bodies import BODY_POINTS, BodyPose
from aidagen.pixels import as_bytes, as_floats
from aidagen.poses import Pose

DATA = "people"
SPLITS = ("same-camera", "other-camera")
EACH = 8  # pairs of a person in a split
MODELS = {
    "mask-nn": "deformable-gan-people-128",
    "mask-l1": "deformable-gan-people-128-l1",
    "full": "deformable-gan-people-128-full",
    "stn": "deformable-gan-people-128-stn",
    "none": "deformable-gan-people-128-none",
    "pg2": "pg2-people-128",
}
COPY, NEAREST, BACKDROP, REAL = "copy-source", "nearest-pose", "backdrop", "real"

L1, SSIM = BY_PIXELS["l1"], BY_PIXELS["ssim"]
L1_PERSON = Metric("l1_person", f"{L1.unit}, where the person truly is", "lower")
MASK_SSIM = Metric("mask_ssim", "index, at most 1, of pictures black beside the joints", "higher")
MASK_SSIM_TRUE = Metric("mask_ssim_true", "index, at most 1, where the person truly is", "higher")
TO = f"to the exact joints ({BodyPose.name})"
AKD = Metric("akd", f"px of 128, mean per axis, {TO}", "lower")
MKR = Metric("mkr", f"share of the exact joints that are not found ({BodyPose.name})", "lower")
AED = Metric("aed", f"squared distance of unit embeddings ({embeddings.NAME})", "lower")
DETECTION = Metric("detection", f"probability of a body ({BodyPose.name})", "higher")


class Asked(NamedTuple):
    """The pairs of one person."""

    clip: Clip
    source: UInt8[Tensor, "N 3 H W"]
    source_pose: Pose
    target: UInt8[Tensor, "N 3 H W"]
    target_pose: Pose
    backdrop: Float[Tensor, "N 3 H W"]
    figure: Bool[Tensor, "N 1 H W"]  # where the person truly is in the target


def asked(test: Sequence[Clip], split: str, each: int = EACH) -> list[Asked]:
    """The pairs of each person of the test split."""
    everybody = []
    for clip in test:
        album, behind = pose_pairs.album(clip), torch.from_numpy(people.backdrops(clip))
        pairs = pose_pairs.fixed_pairs([clip], each, cameras=split.partition("-")[0])
        old, new = ([getattr(pair, end) for pair in pairs] for end in ("source", "target"))
        places = album.camera[new].long()
        figure = torch.from_numpy(clip.labels()["parts"])[new] > 0
        everybody.append(
            Asked(
                clip,
                album.images[old], Pose(album.joints[old], album.known[old]),
                album.images[new], Pose(album.joints[new], album.known[new]),
                behind.permute(0, 3, 1, 2)[places].float(), figure[:, None],
            )
        )  # fmt: skip
    return everybody


# --- what methods make ---------------------------------------------------------------------------


@torch.no_grad()
def generated(model: nn.Module, one: Asked) -> Frames:
    """The pictures of a model."""
    made = model(as_floats(one.source), one.source_pose, one.target_pose, one.backdrop)
    return as_bytes(made.image)


class NearestPose:
    """Training pictures, to be found by their joints."""

    def __init__(self, clips: Sequence[Clip]):
        albums = [pose_pairs.album(clip) for clip in clips]
        self.images = torch.cat([album.images for album in albums])
        self.pose = Pose(*(torch.cat([a[i] for a in albums]) for i in (1, 2)))

    def __call__(self, pose: Pose) -> Frames:
        """The picture whose joints are nearest, over those known in both (six at least)."""
        both = pose.visible[:, None] & self.pose.visible  # (N, M, 18)
        apart = (pose.joints[:, None] - self.pose.joints).norm(dim=-1) * both
        mean = apart.sum(-1) / both.sum(-1).clamp(min=1)
        return self.images[mean.masked_fill(both.sum(-1) < 6, torch.inf).argmin(1)]


# --- judges --------------------------------------------------------------------------------------


class Bodies:
    """MediaPipe's pose network, asked for the 18 joints of the set; the neck is between the
    shoulders."""

    def __init__(self):
        self.network = BodyPose()
        self.order = [BODY_POINTS.index(n) if n != "neck" else 0 for n in poses.JOINTS]
        self.neck, self.shoulders = poses.NUMBER["neck"], poses.numbers(
            "left shoulder", "right shoulder"
        )  # fmt: skip

    def __call__(self, frames: Frames) -> tuple[Float[Tensor, "N 18 2"], Float[Tensor, " N"]]:
        """Joints, NaN where they are not found, and the probability that there is a body."""
        seen = self.network(as_floats(frames))
        points = seen.points[:, self.order]
        points[:, self.neck] = points[:, self.shoulders].mean(1)
        return points, seen.score


def ssim_map(
    prediction: Float[Tensor, "N 3 H W"], truth: Float[Tensor, "N 3 H W"]
) -> Float[Tensor, "N 1 H W"]:
    """Structural similarity at every pixel (as `metrics.ssim`), mean over colours."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    _, whole = structural_similarity_index_measure(
        prediction, truth, data_range=1.0, reduction="none", return_full_image=True
    )
    return whole.mean(1, keepdim=True)


def within(values: Float[Tensor, "N 1 H W"], where: Tensor) -> float:
    """The mean of a map inside each picture's region, then over pictures."""
    inside = (values * where).sum((1, 2, 3)) / where.sum((1, 2, 3)).clamp(min=1)
    return clips.mean(inside)


def scores(made: Frames, one: Asked, bodies: Bodies, network: nn.Module) -> dict[str, float]:
    """Every number of one person's pictures but the set's."""
    a, b = as_floats(made), as_floats(one.target)
    size = tuple(b.shape[2:])
    limbs = poses.person_mask(one.target_pose, *size)
    points, score = bodies(made)
    true = one.target_pose.joints.masked_fill(~one.target_pose.visible[..., None], torch.nan)
    embedded, own = (embeddings.embed(network, x) for x in (made, one.target))
    return {
        "l1": clips.mean(metrics.l1(a, b)),
        "l1_person": within((a - b).abs().mean(1, keepdim=True), one.figure),
        "ssim": clips.mean(metrics.ssim(a, b)),
        "mask_ssim": clips.mean(metrics.ssim(a * limbs, b * limbs)),
        "mask_ssim_true": within(ssim_map(a, b), one.figure),
        "akd": clips.mean(metrics.akd(points, true, size)),
        "mkr": clips.mean(metrics.mkr(points, true)),
        "aed": clips.mean(metrics.aed(embedded, own)),
        "detection": clips.mean(score),
    }


METRICS = (L1, L1_PERSON, SSIM, MASK_SSIM, MASK_SSIM_TRUE, AKD, MKR, AED, DETECTION)
JUDGED = {REAL: (AKD, MKR, DETECTION)}  # what is asked of the answer itself


def training_pictures(training: Sequence[Clip]) -> embeddings.Known:
    """All pictures of the training people."""
    images = [clip.frames() for clip in training]
    person = [torch.full((len(x),), i) for i, x in enumerate(images)]
    return embeddings.Known(torch.cat(images), torch.cat(person))


def compute(
    *, limit: int | None = None, progress: clips.Progress, load_model=zoo.load,
    load_data=datasets.load,
) -> Sheet:  # fmt: skip
    """The whole table. Models and data are opened by name."""
    data = load_data(DATA)
    training, test = data.clips("train"), clips.some(data.clips("test"), limit)
    if not training or not test:
        raise EvaluationError("The set people has nobody to train or to test on; make it again.")
    models = {method: load_model(name).cpu().eval() for method, name in MODELS.items()}
    progress(f"{DATA}: a network learns to tell {len(training)} people apart")
    steps = embeddings.STEPS if len(test) == len(data.clips("test")) else 10
    network = embeddings.trained(training_pictures(training), steps=steps)
    nearest, bodies, sheet = NearestPose(training), Bodies(), Sheet()
    methods: dict[str, Callable[[Asked], Frames]] = {
        **{m: lambda one, model=model: generated(model, one) for m, model in models.items()},
        COPY: lambda one: one.source,
        NEAREST: lambda one: nearest(one.target_pose),
        BACKDROP: lambda one: as_bytes(one.backdrop),
        REAL: lambda one: one.target,
    }
    for split in SPLITS:
        everybody = asked(test, split)
        distance = SetDistance([one.target for one in everybody])
        for method, make in methods.items():
            progress(f"{DATA} / {split}: {method}")
            made = [make(one) for one in everybody]
            found = [scores(x, one, bodies, network) for x, one in zip(made, everybody)]
            for metric in JUDGED.get(method, METRICS):
                sheet.add(DATA, split, method, metric, [one[metric.name] for one in found])
            if method != REAL:
                sheet.add_statistic(DATA, split, method, FD, distance(made))
    return sheet


TABLE = Table(
    compute=compute,
    models=tuple(MODELS.values()),
    data=(DATA,),
    comparisons=[
        *(("mask-nn", other) for other in (*list(MODELS)[1:], COPY, NEAREST, BACKDROP)),
        *(("mask-l1", other) for other in ("full", "stn", "none", "pg2")),
        *((method, base) for method in list(MODELS)[1:] for base in (COPY, NEAREST, BACKDROP)),
    ],
)
