"""Lecture 05's ledger: the claims of the First Order Motion Model, and what is measured here.

No number of the paper stands here, because none could be compared with the paper itself yet; its
claims are told in words. Whoever adds a number checks it and sets ``checked=True``.
"""

from __future__ import annotations

from aidagen.teaching.ledger import Row, Selector

SIZES = "128 px instead of 256, a network of about a million weights, other data, other judges"
SHORT = "short runs at 64 px on rendered heads, one seed"
STORED = "tests/test_ledger.py::test_claims_that_rest_on_stored_rows"
WARPED = "tests/test_ledger.py::test_warping_beats_copying_and_painting_beats_warping"
SHOWN, TRAINED, PARTS = "fomm-faces-128", "fomm-heads-64", "fomm-parts"
VOX = "a table on VoxCeleb, video reconstruction"
ABLATION = "an ablation on Tai-Chi-HD"


def _heads(method: str, metric: str) -> Selector:
    return Selector(SHOWN, "heads-128", "heads", method, metric)


def _part(split: str, method: str, data: str = "heads-128") -> Selector:
    return Selector(PARTS, data, split, method, "l1")


def _cartoons(split: str, method: str) -> Selector:
    return Selector("fomm-cartoons-64", "cartoons", split, method, "l1")


def _without(method: str, metric: str) -> Selector:
    return Selector(TRAINED, "heads", "heads", method, metric)


ROWS = (
    Row(
        claim="Reconstructed frames are closer to the truth than a copy of the source (L1)",
        paper=VOX,
        ours=_heads(SHOWN, "l1"),
        against=(_heads("copy-source", "l1"),),
        differs=SIZES,
        test=STORED,
    ),
    Row(
        claim="Landmarks of reconstructed frames are closer to the true ones than a copy's (AKD)",
        paper=VOX,
        ours=_heads(SHOWN, "akd"),
        against=(_heads("copy-source", "akd"),),
        differs="another landmark network; " + SIZES,
        test=STORED,
    ),
    Row(
        claim="Reconstructed frames preserve the person's identity (AED)",
        paper=VOX,
        ours=_heads(SHOWN, "aed"),
        against=(_heads("other-person", "aed"),),
        differs="another identity network, with another unit; compare only with `other-person`",
        test=STORED,
    ),
    Row(
        claim="Warping the source beats copying it",
        differs="the paper scores finished frames only",
        test=WARPED,
    ),
    Row(
        claim="Painting what the source does not show improves on warping alone",
        paper="explained by its occlusion map",
        ours=_part("yaw-30", SHOWN),
        against=(_part("yaw-30", "warp-only"),),
        differs="here: frames in which the head has turned by 30 degrees or more; inside one model",
        test=STORED,
    ),
    Row(
        claim="Relative motion keeps the shape of the source",
        paper="shown in pictures",
        differs="here: distances between keypoints detected in the generated clips, compared with "
        "absolute motion",
        test="tests/test_ledger.py::test_relative_motion_keeps_the_shape_of_the_source",
    ),
    Row(
        claim="The Jacobians do their work inside the model: with every J set to 1 the error grows",
        paper="explained by the first-order expansion",
        ours=_part("turned-20", SHOWN),
        against=(_part("turned-20", "no-turn"),),
        differs="here: frames turned by 20 degrees; the same weights, not trained again",
        test=STORED,
    ),
    Row(
        claim="A model trained without Jacobians is worse (L1)",
        paper=ABLATION,
        ours=_without(TRAINED, "l1"),
        against=(_without("no-jacobian", "l1"),),
        differs=SHORT + ", and heads bend less than bodies do",
        test=STORED,
    ),
    Row(
        claim="A model trained without Jacobians is worse on frames turned by 20 degrees (L1)",
        ours=_part("turned-20", TRAINED, "heads"),
        against=(_part("turned-20", "no-jacobian", "heads"),),
        differs="the paper does not turn frames; " + SHORT,
        test=STORED,
    ),
    Row(
        claim="A model trained without the occlusion map is worse (AKD)",
        paper=ABLATION,
        ours=_without(TRAINED, "akd"),
        against=(_without("no-occlusion", "akd"),),
        differs=SHORT + "; here the model loses `blend` with it, so it has to draw every pixel",
        test=STORED,
    ),
    Row(
        claim="A model trained without equivariance is worse (L1)",
        paper=ABLATION + ", of the Jacobians' equivariance alone",
        ours=_without(TRAINED, "l1"),
        against=(_without("no-equivariance", "l1"),),
        differs=SHORT + "; here points and Jacobians are both left without it",
        test=STORED,
    ),
    Row(
        claim="Equivariance makes keypoints consistent: true landmarks can be predicted from them",
        ours=_without(TRAINED, "kp_consistency"),
        against=(_without("no-equivariance", "kp_consistency"),),
        differs="the paper gives no such number",
        test=STORED,
    ),
    Row(
        claim="Motion of another character: better than copying the source or the driving frame",
        paper="a user study on four sets, against X2Face and Monkey-Net",
        ours=_cartoons("cross-identity", "fomm-cartoons-64"),
        against=(
            _cartoons("cross-identity", "copy-source"),
            _cartoons("cross-identity", "copy-driving"),
        ),
        differs="the paper has no true answer for such pairs and asks people; cartoons have one",
        test=STORED,
    ),
)
