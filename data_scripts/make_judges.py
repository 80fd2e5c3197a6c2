"""Train the judges of joints again, on real frames of the rendered sets' training splits.

    python data_scripts/make_judges.py                  # bodies and robot, minutes each on one core
    python data_scripts/make_judges.py bodies --steps 200 --out build/judges

The recipes are those of `aidagen.recipes.joints`. Each run is decided by its seed (and the
machine's arithmetic); one that was interrupted goes on. What it reaches on held-out frames is
written into the card beside the weights, which are written when all of it has ended.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from aidagen import datasets, metrics, pixels, recipes, runs
from aidagen.datasets.layout import ClipSet
from aidagen.errors import AidagenError
from aidagen.failures import guarded
from aidagen.judges import joints as judging
from aidagen.judges.joints import Joints
from aidagen.recipes import joints as recipe

JUDGES = [name.removeprefix("joints-") for name in recipe.RECIPES]
REACH = 3.0  # pixels: PCK


# --- what it reaches -----------------------------------------------------------------------------


def measured(judge: Joints, found: ClipSet, split: str) -> dict:
    """Errors on the real frames of a split, as they are and blurred; and on noise."""
    data = recipe.frames_of(found.clips(split))
    images = pixels.as_floats(data.images)
    result = {"split": split, "frames": len(images), "people": int(data.person.max()) + 1}
    for kind, pictures in (
        ("sharp", images), ("blurred by 1 px", recipe.blurred(images, torch.ones(len(images)))),
    ):  # fmt: skip
        seen = judge(pictures)
        result[kind] = errors(seen, data)
        if seen.identity is not None:
            result[kind]["identity"] = verification(seen.identity, data)
    noise = judge(recipe.noise_pictures(200, torch.Generator().manual_seed(1)))
    result["found in noise"] = round(noise.points.isfinite().all(-1).float().mean().item(), 4)
    return result


def errors(seen, data: recipe.Frames) -> dict:
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


def verification(identity: Tensor, data: recipe.Frames) -> dict:
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


def make(name: str, steps: int | None, seed: int, out: Path, folder: Path) -> Path:
    """Train (in ``folder``, where an interrupted run goes on), measure, write."""
    found, steps = datasets.load(name), steps or recipes.find(f"joints-{name}").steps
    chosen = replace(recipes.find(f"joints-{name}"), steps=steps, seed=seed)
    weights = runs.run(f"joints-{name}", recipe=chosen, out=folder, report=print)
    config = chosen.config
    names = tuple(found.info["joints"])
    judge = Joints(name, names, config.dimensions, width=config.width)
    counters = {k: v for k, v in judge.network.state_dict().items() if not v.is_floating_point()}
    judge.network.load_state_dict(load_file(weights) | counters)
    run = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    card = {
        "parameters": sum(p.numel() for p in judge.network.parameters()),
        "trained_on": f"real frames of {name}, split train, and no others",
        "data_version": found.info["version"], "data_hash": found.hash,
        "measured_on_version": found.info["version"], "measured_on_hash": found.hash,
        "batch": chosen.batch, "seed": seed,
        **{key: run[key] for key in ("steps", "minutes", "machine", "torch")},
        "command": f"python data_scripts/make_judges.py {name} --steps {steps} --seed {seed}",
        "measured": [measured(judge, found, split) for split in ("val", "test")],
    }  # fmt: skip
    return judge.save(card, out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", help=f"of {', '.join(JUDGES)} (default: all)")
    parser.add_argument("--steps", type=int, help="(default: the recipe's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=judging.WEIGHTS, help="folder to write")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs")
    given = parser.parse_args()
    torch.set_num_threads(1)
    try:
        for name in given.data or JUDGES:
            if name not in JUDGES:
                there = ", ".join(JUDGES)
                raise AidagenError(f"There is no judge for {name!r}; there are {there}.")
            print(make(name, given.steps, given.seed, given.out, given.runs / f"joints-{name}"))
    except AidagenError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main, "make_judges"))
