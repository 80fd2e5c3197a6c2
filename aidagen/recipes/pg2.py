"""PG2 on rendered people: the data, steps and batch of the runs of Deformable GANs."""

from dataclasses import replace

from aidagen.models import pg2
from aidagen.recipes.deformable_gan import COMPARED, LONG

_ALIKE = replace(
    COMPARED, config=replace(pg2.pg2_small(), background=True), weights=pg2.LossWeights()
)

RECIPES = {
    "pg2-people-128": _ALIKE,
    "pg2-people-128-20000x16": replace(_ALIKE, **LONG),
}
