"""Deformable GANs on rendered people: the method, its ablations, and what each part buys.

All small runs see the same data for the same steps; PG2 (`aidagen.recipes.pg2`) does, too.
"""

from dataclasses import replace

from aidagen.datasets.pose_pairs import PosePairs
from aidagen.models import deformable_gan
from aidagen.recipes import Recipe

# The published weights: 100 of L1 on pictures in [-1, 1] is 200 on ours. The nearest-neighbour loss
# is on other features than theirs; its weight makes it as large as that for the same errors.
NEAREST = deformable_gan.LossWeights(nearest=10.0)
L1 = deformable_gan.LossWeights(nearest=0.0, pixels=200.0)
SMALL = replace(deformable_gan.deformable_gan_small(), background=True, composite=True)

COMPARED = Recipe(
    SMALL,
    # the backdrop is given, so that what is compared is the person
    PosePairs({"people": 1.0}, across=0.25, backdrops=True, jitter=0.1),
    steps=4000,
    weights=NEAREST,
    batch=4,
    rate=4e-4,
    ema=0.999,
)
_WITH_L1 = replace(COMPARED, weights=L1)
VARIANTS = {
    "": COMPARED,
    "-l1": _WITH_L1,
    "-full": replace(_WITH_L1, config=replace(SMALL, warp="full")),
    "-stn": replace(_WITH_L1, config=replace(SMALL, warp="stn")),
    "-none": replace(_WITH_L1, config=replace(SMALL, warp="none")),
}

# For a GPU: the same comparison with twenty times as many samples, and the published size.
LONG = {"steps": 20000, "batch": 16}
LARGE = replace(deformable_gan.MARKET, background=True, composite=True)
PUBLISHED = replace(COMPARED, config=LARGE, rate=2e-4, **LONG)

RECIPES = {
    **{f"deformable-gan-people-128{end}": recipe for end, recipe in VARIANTS.items()},
    **{
        f"deformable-gan-people-128{end}-20000x16": replace(recipe, **LONG)
        for end, recipe in VARIANTS.items()
    },
    "deformable-gan-people-128-large-20000x16": PUBLISHED,
    "deformable-gan-people-128-large-none-20000x16": replace(
        PUBLISHED, config=replace(LARGE, warp="none"), weights=L1
    ),
}
