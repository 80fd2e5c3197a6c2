"""Lecture 02's ledger: what the papers' abstracts claim, and what is measured here.

Only the abstracts could be read, so that no number of a paper stands here, and no equation is the
paper's. The table `smiles` compares over rendered test people whom no model has seen.
"""

from __future__ import annotations

from aidagen.teaching.ledger import Row, Selector

SIZES = "64 px, rendered people, losses and widths of our own; reconstruction from the abstract"
STORED = "tests/test_ledger.py::test_claims_that_rest_on_stored_rows"
ABSTRACT = "abstract of CMM-Net"


def _ours(method: str, metric: str) -> Selector:
    return Selector("smiles", "smiles", "people", method, metric)


ROWS = (
    Row(
        claim="One face and one label give several different smiles: more of the true modes are "
        "hit than by one sequence",
        paper=ABSTRACT,
        ours=_ours("cmm-net", "mode_recall"),
        against=(_ours("single-mode", "mode_recall"),),
        differs=SIZES,
        test=STORED,
    ),
    Row(
        claim="A pull that draws all modes alike does not find the modes",
        ours=_ours("cmm-net", "mode_recall"),
        against=(_ours("pull-all", "mode_recall"),),
        differs="the paper's own form of push and pull is not known to us; " + SIZES,
        test=STORED,
    ),
    Row(
        claim="The smiles of all modes are still of the class that was asked for: a judge names "
        "their label nearly as often as that of true clips",
        paper=ABSTRACT,
        differs="a linear judge of landmarks, trained on real clips; nearly: five points less at "
        "most",
        test="tests/test_lecture_02.py::test_smiles_are_of_the_class_that_was_asked_for",
    ),
    Row(
        claim="Skip connections preserve the identity",
        paper="said on the slides",
        ours=_ours("cmm-net", "aed"),
        against=(_ours("no-skips", "aed"),),
        differs="another identity network, with another unit; " + SIZES,
        test=STORED,
    ),
    Row(
        claim="Landmarks and a U-Net keep the person better than a code of whole pictures",
        paper="two papers of the same group, not compared in what could be read",
        ours=_ours("cmm-net", "aed"),
        against=(_ours("pixel-space", "aed"),),
        differs="both rebuilt from abstracts; " + SIZES,
        test=STORED,
    ),
    Row(
        claim="More of the true modes are hit than by the smiles of the most similar training "
        "person, moved over",
        ours=_ours("cmm-net", "mode_recall"),
        against=(_ours("nearest-train", "mode_recall"),),
        differs="no such baseline is known from the paper",
        test=STORED,
    ),
    Row(
        claim="Painted frames are nearer to the true ones, in L1, than the neutral frame repeated",
        ours=_ours("cmm-net", "l1"),
        against=(_ours("copy-source", "l1"),),
        differs="most of the picture stands still, and the painter, trained for half an hour, is "
        "softer than a copy; by structural similarity it is the better one",
        test=STORED,
        reproduced=False,
    ),
)
