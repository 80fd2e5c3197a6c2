"""Lecture 03's questions and predictions; `exercises` lists them beside its own."""

from __future__ import annotations

from aidagen.teaching.material import Option, Prediction, Question

QUESTIONS = (
    Question(
        "03.q1",
        "A U-Net with plain skips is given a picture of a person and another pose. What do its "
        "finest skips bring to the decoder?",
        (
            Option(
                "Fine texture of the person, at the place where it was in the source",
                "A skip hands on features at their old place; only deeper levels, which see much "
                "of the picture and little detail, can move anything.",
            ),
            Option(
                "Fine texture of the person, at the place where the target pose wants it",
                "For that somebody has to move it: this is what a deformable skip does.",
            ),
            Option(
                "Nothing that is of use, so that the network learns to ignore them",
                "They are of use for whatever stays in its place: the background, for one.",
            ),
        ),
        right=0,
    ),
    Question(
        "03.q2",
        "Why does the affine map of a part go from the target picture to the source?",
        (
            Option(
                "Because least squares has no solution in the other direction",
                "It has one; but pushing pixels forward leaves holes and double entries.",
            ),
            Option(
                "Because each pixel of the new picture has to know where to read",
                "Reading gives every pixel exactly one value. It is the same in all lectures that "
                "follow.",
            ),
            Option(
                "Because the target pose is known more precisely",
                "Both poses come from the same estimator, with the same errors.",
            ),
        ),
        right=1,
    ),
    Question(
        "03.q3",
        "The source does not show the right forearm. What does the method do?",
        (
            Option(
                "It leaves the part out, and the decoder makes the forearm up",
                "Only if the left forearm is not seen either.",
            ),
            Option(
                "It reads the left forearm of the source instead",
                "People are nearly symmetric: a sleeve of the other side is a better guess than "
                "none.",
            ),
            Option(
                "It refuses the picture",
                "The authors refuse pictures without hips and shoulders, but not for a forearm.",
            ),
        ),
        right=1,
    ),
    Question(
        "03.q4",
        "A picture has sharp stripes that lie one pixel off. Which loss is larger for it than for "
        "a picture in which the stripes are smeared to one even colour?",
        (
            Option(
                "The nearest-neighbour loss with a window of three",
                "It finds the stripe one pixel away: nearly zero.",
            ),
            Option(
                "The L1 loss, if the stripes are narrow",
                "Where a stripe is missing and where it is too many, both cost; even colour costs "
                "at most as much. So L1 favours giving stripes up.",
            ),
            Option(
                "None of the two: sharper is always nearer",
                "Nearer in the eye of a person, but not place by place.",
            ),
        ),
        right=1,
    ),
    Question(
        "03.q5",
        "A long-legged person's poses drive a picture of a short-legged one, frame by frame. What "
        "comes out?",
        (
            Option(
                "The short-legged person, moving",
                "Nothing tells the generator how long this person's legs are: it is given joints, "
                "and obeys.",
            ),
            Option(
                "The short-legged person's clothes on a body with long legs",
                "The pose contains the body that it was taken from. Lecture 04 transfers how "
                "joints move instead.",
            ),
            Option(
                "An error, since the joints do not fit",
                "No step of the method compares the lengths of two bodies.",
            ),
        ),
        right=1,
    ),
)

PREDICTIONS = (
    Prediction(
        "03.p1",
        "Look at the limbs in the trained model's finest skip. How far are the deformed features "
        "from the true picture's, as a share of the distance of features that stayed in their "
        "place?",
        low=0.0,
        high=1.5,
        step=0.05,
        unit=" times",
        because="A limb that is carried to its new place brings its own colours with it; a limb "
        "that is not leaves wall and floor where an arm should be.",
    ),
    Prediction(
        "03.p2",
        "Which variant has the smallest L1 error on unseen people?",
        options=(
            "ten parts", "one affine map, fitted", "one affine map, learned", "plain skips",
        ),
        because="Arms and legs turn in different ways, and no single map can follow them; but what "
        "the decoder can mend, and what L1 can see of it, only a measurement tells.",
    ),
    Prediction(
        "03.p3",
        "Poses of a person with long legs drive a picture of somebody with short legs. How long do "
        "the legs become, as a multiple of what they should be?",
        low=0.8,
        high=1.5,
        step=0.01,
        unit=" times",
        because="The generator puts the limbs where the joints are, and the joints are those of "
        "somebody else.",
    ),
)  # fmt: skip
