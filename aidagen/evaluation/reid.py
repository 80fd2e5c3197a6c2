"""Are generated pictures of any use? People are to be known again, in another place.

The question of the journal version of Deformable GANs (Siarohin et al., TPAMI 2021), asked at our
size. A small network (`embeddings`) learns to tell training people of `people` apart; then
each picture of a *test* person is a query among the pictures of all test people that the other
camera took, as in Market-1501. `rank1`: how often the nearest picture is of the same person;
`map`: the mean average precision of the whole list. Both directions, all usable pictures.

What the network learns from:
* `real`: two pictures, one of each camera, of forty people;
* `real+generated`: these two, and fourteen that `deformable-gan-people-128` makes of them in poses
  of other training people, seven in each of the person's two places;
* `more-real`: all sixteen pictures of the same forty;
* `more-people`: two pictures of each of the 120 training people.

Steps, batch and augmentation are the same, three networks each (seeds 0, 1, 2); a number is the
mean of a person's queries over all three, and the notes give each seed's own. The generator was
trained on all sixteen pictures of the same people: what it adds may be what it remembers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from aidagen import datasets, zoo
from aidagen.datasets import people, pose_pairs
from aidagen.datasets.layout import Clip
from aidagen.evaluation import clips, embeddings
from aidagen.evaluation.embeddings import Known
from aidagen.evaluation.sheets import SEED, EvaluationError, Metric, Sheet, Table
from aidagen.pixels import as_bytes, as_floats
from aidagen.poses import Pose

DATA, SPLIT, MODEL = "people", "other-camera", "deformable-gan-people-128"
SEEDS = (0, 1, 2)
FEW = 40  # people, of the training people
ADDED = 14  # generated pictures of a person
RANK1 = Metric("rank1", f"share of queries ({embeddings.NAME})", "higher")
MAP = Metric("map", f"mean average precision ({embeddings.NAME})", "higher")
REAL, BOTH, MORE, PEOPLE = "real", "real+generated", "more-real", "more-people"


def pictures(training: Sequence[Clip], model: nn.Module, few: int = FEW) -> dict[str, Known]:
    """What each network learns from."""
    albums = [pose_pairs.album(clip) for clip in training]
    first = [[next(i for i in a.usable if a.camera[i] == k) for k in (0, 1)] for a in albums]
    sets: dict[str, list[list[Tensor]]] = {REAL: [], BOTH: [], MORE: [], PEOPLE: []}
    for number, (clip, album) in enumerate(zip(training, albums)):
        two = album.images[first[number]]
        sets[PEOPLE].append([two])
        if number >= few:
            continue
        sets[REAL].append([two])
        sets[BOTH].append([two, generated(model, clip, first[number], albums, number)])
        sets[MORE].append([album.images])
    return {name: _known([torch.cat(parts) for parts in of]) for name, of in sets.items()}


def _known(images: Sequence[Tensor]) -> Known:
    person = [torch.full((len(x),), i) for i, x in enumerate(images)]
    return Known(torch.cat(images), torch.cat(person))


@torch.no_grad()
def generated(
    model: nn.Module, clip: Clip, first: Sequence[int], albums: Sequence, number: int
) -> Tensor:
    """One person in poses of others: from either picture, before the other camera's place too."""
    rng, own = np.random.default_rng([SEED, number]), albums[number]
    sources = [first[k % 2] for k in range(ADDED)]
    wanted = []
    for _ in range(ADDED):
        other = albums[rng.integers(len(albums))]
        k = other.usable[rng.integers(len(other.usable))]
        wanted.append((other.joints[k], other.known[k]))
    behind = torch.from_numpy(people.backdrops(clip)).permute(0, 3, 1, 2).float()
    made = model(
        as_floats(own.images[sources]),
        Pose(own.joints[sources], own.known[sources]),
        Pose(*(torch.stack(x) for x in zip(*wanted))),
        behind[[k // 2 % 2 for k in range(ADDED)]],
    )
    return as_bytes(made.image)


def ranked(
    embedded: Tensor, person: Tensor, camera: Tensor, people_count: int
) -> tuple[list[float], list[float]]:
    """Rank-1 rate and mean average precision of each person's queries."""
    alike = embedded @ embedded.T
    rates: list[list[float]] = [[] for _ in range(people_count)]
    precisions: list[list[float]] = [[] for _ in range(people_count)]
    for query in range(len(embedded)):
        gallery = (camera != camera[query]).nonzero()[:, 0]
        order = gallery[alike[query, gallery].argsort(descending=True, stable=True)]
        right = (person[order] == person[query]).double()
        if not right.any():
            continue
        precision = right.cumsum(0) / torch.arange(1, len(right) + 1)
        who = int(person[query])
        rates[who].append(float(right[0]))
        precisions[who].append(float((precision * right).sum() / right.sum()))
    return [float(np.mean(x)) for x in rates], [float(np.mean(x)) for x in precisions]


def compute(
    *, limit: int | None = None, progress: clips.Progress, load_model=zoo.load,
    load_data=datasets.load,
) -> Sheet:  # fmt: skip
    """The whole table. Models and data are opened by name."""
    data = load_data(DATA)
    training, test = data.clips("train"), data.clips("test")
    if len(training) < 2 or len(test) < 2:
        raise EvaluationError("The set people has nobody to be confused with; make it again.")
    everybody = len(test)
    training, test = (clips.some(x, limit and max(2, limit)) for x in (training, test))
    progress(f"{DATA}: {min(FEW, len(training))} people are put into other poses")
    learnt = pictures(training, load_model(MODEL).cpu().eval())
    albums = [pose_pairs.album(clip) for clip in test]
    images = torch.cat([album.images[album.usable] for album in albums])
    person = torch.cat([torch.full((len(a.usable),), i) for i, a in enumerate(albums)])
    camera = torch.cat([album.camera[album.usable] for album in albums])
    sheet, steps = Sheet(), embeddings.STEPS if len(test) == everybody else 3
    for name, known in learnt.items():
        rates, precisions = [], []
        for seed in SEEDS:
            progress(f"{DATA}: {name}, seed {seed}")
            network = embeddings.trained(known, seed, steps)
            embedded = embeddings.embed(network, images)
            rate, precision = ranked(embedded, person, camera, len(albums))
            rates.append(rate)
            precisions.append(precision)
        for metric, found in ((RANK1, rates), (MAP, precisions)):
            sheet.add(DATA, SPLIT, name, metric, np.mean(found, axis=0))
            of_seeds = ", ".join(f"{np.mean(x):.3f}" for x in found)
            sheet.notes.append(f"{name}, {metric.name} of seeds 0, 1, 2: {of_seeds}")
    return sheet


TABLE = Table(
    compute=compute,
    models=(MODEL,),
    data=(DATA,),
    comparisons=[(BOTH, REAL), (MORE, REAL), (MORE, BOTH), (PEOPLE, REAL)],
)
