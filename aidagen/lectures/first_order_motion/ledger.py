"""Lecture 05's ledger: the claims of the First Order Motion Model, and what is measured here.

The paper's numbers were written down from memory and are marked as such; whoever compares one with
the paper sets ``checked=True``.
"""

from __future__ import annotations

from aidagen.teaching.ledger import Row, Selector

SIZES = "64 px instead of 256, a network of under a million weights, other data, other judges"
HERE = "tests/test_ledger.py"
TABLE_VOX = "comparison on VoxCeleb, video reconstruction"
ABLATION = "ablation on Tai-Chi-HD"


def _heads(method: str, metric: str) -> Selector:
    return Selector("fomm-faces-64", "heads", "heads", method, metric)


def _cartoons(split: str, method: str) -> Selector:
    return Selector("fomm-cartoons-64", "cartoons", split, method, "l1")


def _without(method: str, metric: str) -> Selector:
    return Selector("fomm-heads-64", "heads", "heads", method, metric)


ROWS = (
    Row(
        claim="Reconstructed frames are closer to the truth than a copy of the source (L1)",
        paper="0.043",
        source=TABLE_VOX,
        ours=_heads("fomm-faces-64", "l1"),
        against=(_heads("copy-source", "l1"),),
        differs=SIZES + "; the paper also scores the first frame, which is the source",
        test=f"{HERE}::test_claims_that_rest_on_stored_rows",
    ),
    Row(
        claim="Landmarks of reconstructed frames are closer to the true ones than a copy's (AKD)",
        paper="1.294 px of 256",
        source=TABLE_VOX,
        ours=_heads("fomm-faces-64", "akd"),
        against=(_heads("copy-source", "akd"),),
        differs="pixels of 64, and another landmark network",
        test=f"{HERE}::test_claims_that_rest_on_stored_rows",
    ),
    Row(
        claim="Reconstructed frames preserve the person's identity (AED)",
        paper="0.140",
        source=TABLE_VOX,
        ours=_heads("fomm-faces-64", "aed"),
        against=(_heads("other-person", "aed"),),
        differs="another identity network, with another unit; compare only with `other-person`",
        test=f"{HERE}::test_claims_that_rest_on_stored_rows",
    ),
    Row(
        claim="Warping the source beats copying it",
        differs="the paper gives no number for the warped source alone",
        test=f"{HERE}::test_warping_beats_copying_and_painting_beats_warping",
    ),
    Row(
        claim="Inpainting what the source does not show improves on warping alone",
        differs="the paper gives no number for the warped source alone",
        test=f"{HERE}::test_warping_beats_copying_and_painting_beats_warping",
    ),
    Row(
        claim="Relative motion keeps the shape of the source",
        paper="shown in pictures",
        differs="here: distances between keypoints detected in the generated clips, compared with "
        "absolute motion",
        test=f"{HERE}::test_relative_motion_keeps_the_shape_of_the_source",
    ),
    Row(
        claim="The Jacobians lower the error (L1)",
        paper="0.069 without, 0.063 with",
        source=ABLATION,
        ours=_without("fomm-heads-64", "l1"),
        against=(_without("no-jacobian", "l1"),),
        differs="short runs on heads, which bend less than bodies do",
        test=f"{HERE}::test_claims_that_rest_on_stored_rows",
    ),
    Row(
        claim="The occlusion map helps (AKD)",
        paper="9.407 without, 8.773 with",
        source=ABLATION,
        ours=_without("fomm-heads-64", "akd"),
        against=(_without("no-occlusion", "akd"),),
        differs="short runs on heads; the paper adds it to a model that has no Jacobians yet, and "
        "its L1 stays at 0.069",
        test=f"{HERE}::test_claims_that_rest_on_stored_rows",
    ),
    Row(
        claim="Without equivariance the error grows (L1)",
        paper="0.073 without, 0.063 with",
        source=ABLATION,
        ours=_without("fomm-heads-64", "l1"),
        against=(_without("no-equivariance", "l1"),),
        differs="short runs on heads; the paper leaves out the Jacobians' equivariance alone, "
        "here both are left out",
        test=f"{HERE}::test_claims_that_rest_on_stored_rows",
    ),
    Row(
        claim="Equivariance makes keypoints consistent: true landmarks can be predicted from them",
        differs="the paper gives no such number",
        ours=_without("fomm-heads-64", "kp_consistency"),
        against=(_without("no-equivariance", "kp_consistency"),),
        test=f"{HERE}::test_claims_that_rest_on_stored_rows",
    ),
    Row(
        claim="Motion of another character: better than copying the source or the driving frame",
        paper="preferred by people over X2Face in 79.8 to 95.8 % of pairs",
        source="user study, four sets",
        ours=_cartoons("cross-identity", "fomm-cartoons-64"),
        against=(
            _cartoons("cross-identity", "copy-source"),
            _cartoons("cross-identity", "copy-driving"),
        ),
        differs="the paper has no true answer for such pairs and asks people; cartoons have one",
        test=f"{HERE}::test_claims_that_rest_on_stored_rows",
    ),
)
