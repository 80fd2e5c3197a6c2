"""Train the judges of joints again, on real frames of the rendered sets' training splits.

    python data_scripts/make_judges.py                  # bodies and robot, minutes each on one core
    python data_scripts/make_judges.py bodies --steps 200 --out build/judges

Each run is decided by its seed (and the machine's arithmetic). What it reaches on held-out frames
is written into the card beside the weights. Nothing is written before a run has ended.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aidagen import datasets, grids, metrics
from aidagen.datasets.layout import Clip, ClipSet
from aidagen.errors import AidagenError
from aidagen.judges import joints as judging
from aidagen.judges.joints import Joints

DIMENSIONS = {"bodies": 64, "robot": 0}  # of the identity: there is one robot
WIDTH, STEPS = {"bodies": 24, "robot": 20}, {"bodies": 3600, "robot": 1200}
MIRRORED = ("bodies",)  # sets that are as likely the other way round
BATCH, RATE, SHARE, SCALE = 32, 3e-3, 0.3, 16.0
REACH = 3.0  # pixels: PCK


class Frames(NamedTuple):
    """Frames with what is known of them."""

    images: Tensor  # (N, 3, 64, 64) uint8
    points: Tensor  # (N, K, 2)
    visible: Tensor  # (N, K) bool
    masks: Tensor | None  # (N, 64, 64) bool: the figure
    clip: Tensor  # (N,) number of the clip
    person: Tensor  # (N,) number of the person


def frames_of(clips: list[Clip]) -> Frames:
    """All frames of the clips; masks where the set has them."""
    parts: dict[str, list] = {"images": [], "points": [], "visible": [], "masks": []}
    clip_of, person_of, people = [], [], {}
    for i, clip in enumerate(clips):
        images, labels = clip.frames(), clip.labels()
        parts["images"].append(images)
        parts["points"].append(torch.from_numpy(labels["joints"]).float())
        parts["visible"].append(torch.from_numpy(labels["visible"]).bool())
        if (mask := mask_of(labels)) is not None:
            parts["masks"].append(mask)
        who = str(clip.entry.get("person", clip.entry.get("identity", clip.name)))
        person_of += [people.setdefault(who, len(people))] * len(images)
        clip_of += [i] * len(images)
    joined = {key: torch.cat(value) if value else None for key, value in parts.items()}
    return Frames(**joined, clip=torch.tensor(clip_of), person=torch.tensor(person_of))


def mask_of(labels: dict) -> Tensor | None:
    """(T, 64, 64) bool: the figure (or arm and object), whatever its parts are called."""
    key = next((key for key in ("mask", "parts") if key in labels), None)
    return None if key is None else torch.from_numpy(labels[key]) > 0


def plates_of(data: Frames) -> Tensor | None:
    """(clips, 3, 64, 64): what is behind the figure: means over time; None without masks."""
    if data.masks is None:
        return None
    plates = []
    for i in range(int(data.clip.max()) + 1):
        at = data.clip == i
        free = ~data.masks[at][:, None]
        images, count = data.images[at].float() / 255, free.sum(0)
        mean = (images * free).sum(0) / count.clamp(min=1)
        colour = (images * free).sum((0, 2, 3)) / free.sum().clamp(min=1)
        plates.append(torch.where(count > 0, mean, colour[:, None, None]))
    return torch.stack(plates)


# --- a training picture --------------------------------------------------------------------------


def noise_pictures(count: int, g: torch.Generator) -> Tensor:
    """Smooth noise from 2 x 2 to 64 x 64 cells, each picture with a range of its own."""
    made = []
    for _ in range(count):
        cells = int(2 ** torch.randint(1, 7, (1,), generator=g))
        cell = torch.rand(1, 3, cells, cells, generator=g)
        low = torch.rand(1, 3, 1, 1, generator=g) * 0.7
        span = torch.rand(1, 1, 1, 1, generator=g)
        picture = F.interpolate(cell, (64, 64), mode="bilinear", align_corners=False)
        made.append((low + span * (picture - 0.3)).clamp(0, 1))
    return torch.cat(made) if made else torch.empty(0, 3, 64, 64)


def blurred(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur, a width in pixels for each picture (0: as it is)."""
    steps = torch.arange(-4, 5.0)
    kernel = torch.exp(-(steps**2) / (2 * sigma[:, None].clamp(min=0.05) ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)
    x = F.pad(images, (4, 4, 4, 4), mode="replicate").flatten(0, 1)[None]
    x = F.conv2d(x, kernel[:, None, None, :], groups=len(kernel))
    x = F.conv2d(x, kernel[:, None, :, None], groups=len(kernel))
    return x[0].unflatten(0, images.shape[:2])


def other_side(joints: Sequence[str]) -> list[int]:
    """The joint that each joint becomes when the picture is mirrored."""
    turned = {"left": "right", "right": "left"}
    names = [" ".join(turned.get(word, word) for word in joint.split()) for joint in joints]
    return [list(joints).index(name) for name in names]


def training_batch(
    data: Frames, plates: Tensor | None, index: Tensor, g: torch.Generator,
    mirror: list[int] | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """(images, points, visible, is there anybody) of the frames, made harder at random.

    With `mirror` (see `other_side`) half of them are mirrored.
    """

    def uniform(*shape, low=0.0, high=1.0):
        return low + (high - low) * torch.rand(*shape, generator=g)

    n = len(index)
    images, points = data.images[index].float() / 255, data.points[index]
    visible = data.visible[index].clone()
    scenes = noise_pictures(n, g)  # other backdrops: three in ten noise, else other clips' own
    if plates is not None:
        other = plates[torch.randint(len(plates), (n,), generator=g)]
        scenes = torch.where(uniform(n, 1, 1, 1) < 0.3, scenes, other)
        exchange = (uniform(n, 1, 1, 1) < 0.5) & ~data.masks[index][:, None]
        images = torch.where(exchange, scenes, images)
    if mirror is not None:
        flip = uniform(n, 1, 1) < 0.5
        images = torch.where(flip[..., None], images.flip(-1), images)
        points = torch.where(flip, points[:, mirror] * torch.tensor([-1.0, 1.0]), points)
        visible = torch.where(flip[..., 0], visible[:, mirror], visible)
    # turned, scaled, shifted; three in ten stay as they are
    angle, scale = uniform(n, low=-0.2, high=0.2), uniform(n, low=0.88, high=1.14)
    shift, still = uniform(n, 2, low=-0.16, high=0.16), uniform(n) < 0.3
    angle, scale = angle * ~still, torch.where(still, torch.ones(()), scale)
    shift = shift * ~still[:, None]
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2)
    theta = torch.cat([turn * scale[:, None, None], shift[:, :, None]], 2)
    images = grids.warp(images, grids.affine_grid(theta, 64, 64), padding="reflection")
    # the grid says where the source is read: points go the other way
    points = (points - shift[:, None]) @ torch.linalg.inv(turn * scale[:, None, None]).mT
    # a rectangle of something else hides joints
    corner, side = uniform(n, 2, low=-1, high=0.8), uniform(n, 2, low=0.15, high=0.7)
    hidden = uniform(n) < 0.3
    inside = ((points > corner[:, None]) & (points < (corner + side)[:, None])).all(2)
    line = torch.linspace(-1, 1, 64)
    across, down = ((line > corner[:, i : i + 1]) & (line < (corner + side)[:, i : i + 1])
                    for i in (0, 1))  # fmt: skip
    box = (across[:, None, :] & down[:, :, None] & hidden[:, None, None])[:, None]
    images = torch.where(box, scenes, images)
    visible &= ~(inside & hidden[:, None])
    # nobody at all
    nobody = uniform(n) < 0.06
    images = torch.where(nobody[:, None, None, None], scenes, images)
    visible &= ~nobody[:, None]
    # colour, blur, noise
    images = images * uniform(n, 3, 1, 1, low=0.85, high=1.15)
    images = (images - 0.5) * uniform(n, 1, 1, 1, low=0.8, high=1.2) + 0.5
    images = images + uniform(n, 1, 1, 1, low=-0.08, high=0.08)
    images = blurred(images, uniform(n, high=1.6) * (uniform(n) < 0.6))
    images = images + torch.randn(images.shape, generator=g) * uniform(n, 1, 1, 1, high=0.04)
    return images.clamp(0, 1), points, visible, ~nobody


def train(name: str, found: ClipSet, steps: int, seed: int) -> Joints:
    """A judge trained on the real frames of the training split."""
    data = frames_of(found.clips("train"))
    plates, people = plates_of(data), int(data.person.max()) + 1
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(seed)
    names = tuple(found.info["joints"])
    mirror = other_side(names) if name in MIRRORED else None
    judge = Joints(name, names, DIMENSIONS[name], width=WIDTH[name])
    net = judge.network.to(memory_format=torch.channels_last).train()
    faces = nn.Parameter(torch.randn(people, DIMENSIONS[name])) if DIMENSIONS[name] else None
    parameters = [*net.parameters(), *([faces] if faces is not None else [])]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, pct_start=0.15)
    began = time.process_time()
    for step in range(steps):
        index = torch.randint(len(data.images), (BATCH,), generator=g)
        images, points, visible, there = training_batch(data, plates, index, g, mirror)
        seen = net(images.contiguous(memory_format=torch.channels_last))
        loss = judging.joint_loss(seen.logits, judging.targets(points, visible))
        who = torch.zeros(())
        if faces is not None:
            alike = seen.identity[there] @ F.normalize(faces, dim=1).T
            who = F.cross_entropy(SCALE * alike, data.person[index][there])
        optimiser.zero_grad()
        (loss + SHARE * who).backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            took = (time.process_time() - began) / 60
            print(f"{name} step {step + 1}: joints {loss:.3f}  people {who:.3f}  {took:.1f} min",
                  flush=True)  # fmt: skip
    judge.eval()
    return judge


# --- what it reaches -----------------------------------------------------------------------------


def measured(judge: Joints, found: ClipSet, split: str) -> dict:
    """Errors on the real frames of a split, as they are and blurred; and on noise."""
    data = frames_of(found.clips(split))
    images = data.images.float() / 255
    result = {"split": split, "frames": len(images), "people": int(data.person.max()) + 1}
    for kind, pictures in (
        ("sharp", images), ("blurred by 1 px", blurred(images, torch.ones(len(images)))),
    ):  # fmt: skip
        seen = judge(pictures)
        result[kind] = errors(seen, data)
        if seen.identity is not None:
            result[kind]["identity"] = verification(seen.identity, data)
    noise = judge(noise_pictures(200, torch.Generator().manual_seed(1)))
    result["found in noise"] = round(noise.points.isfinite().all(-1).float().mean().item(), 4)
    return result


def errors(seen, data: Frames) -> dict:
    """Of joints that are visible: how far off, how often near, how often not found."""
    there = data.visible & (data.points.abs() <= 1).all(-1)
    truth = data.points.masked_fill(~there[..., None], torch.nan)
    off = (seen.points - truth).norm(dim=-1) * 31.5
    found = seen.points.isfinite().all(-1)
    numbers = {
        "akd": metrics.akd(seen.points, truth, (64, 64)).nanmean(),
        "akd_l2": metrics.akd(seen.points, truth, (64, 64), "l2").nanmean(),
        f"pck@{REACH:g}px": ((off <= REACH) & there).sum() / there.sum(),
        "missing of visible": metrics.mkr(seen.points, truth).nanmean(),
        "found of hidden": (found & ~there).sum() / (~there).sum().clamp(min=1),
    }
    each = [round(column.nanmean().item(), 2) for column in off.T]
    return {k: round(v.item(), 4) for k, v in numbers.items()} | {"akd_l2 of each": each}


def verification(identity: Tensor, data: Frames) -> dict:
    """Squared distances of frames of one person (other clips where there are) and of two."""
    pick = torch.arange(0, len(identity), 4)
    a, person, clip = identity[pick], data.person[pick], data.clip[pick]
    distance = torch.cdist(a, a).square()
    same = person[:, None] == person[None]
    twins = same & (clip[:, None] != clip[None])
    pairs = {"same person, other clip": twins, "same clip": same & (clip[:, None] == clip[None])}
    upper = torch.ones_like(same).triu(1)
    other = distance[~same & upper]
    result = {"other person": round(other.mean().item(), 4)}
    for words, chosen in pairs.items():
        near = distance[chosen & upper]
        if len(near):
            result[words] = round(near.mean().item(), 4)
            rank = torch.searchsorted(other.sort().values, near)
            result[f"auc, {words}"] = round(1 - rank.double().mean().item() / len(other), 4)
    return result


def make(name: str, steps: int, seed: int, out: Path) -> Path:
    """Train, measure, write."""
    found = datasets.load(name)
    began = time.process_time()  # of this process alone, however busy the machine is
    judge = train(name, found, steps, seed)
    minutes = round((time.process_time() - began) / 60, 1)
    card = {
        "parameters": sum(p.numel() for p in judge.network.parameters()),
        "trained_on": f"real frames of {name}, split train, and no others",
        "data_version": found.info["version"], "data_hash": found.hash,
        "steps": steps, "batch": BATCH, "seed": seed, "minutes": minutes,
        "machine": "x86_64 CPU, 1 thread", "torch": torch.__version__.split("+")[0],
        "command": f"python data_scripts/make_judges.py {name} --steps {steps} --seed {seed}",
        "measured": [measured(judge, found, split) for split in ("val", "test")],
    }  # fmt: skip
    return judge.save(card, out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", help=f"of {', '.join(DIMENSIONS)} (default: all)")
    parser.add_argument("--steps", type=int, help=f"(default: {STEPS})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=judging.WEIGHTS, help="folder to write")
    given = parser.parse_args()
    torch.set_num_threads(1)
    try:
        for name in given.data or DIMENSIONS:
            if name not in DIMENSIONS:
                known = ", ".join(DIMENSIONS)
                raise AidagenError(f"There is no judge for {name!r}; there are {known}.")
            print(make(name, given.steps or STEPS[name], given.seed, given.out))
    except AidagenError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
