"""Lecture 05's questions and predictions; `exercises` lists them beside its own."""

from __future__ import annotations

from aidagen.teaching.material import Option, Prediction, Question

QUESTIONS = (
    Question(
        "05.q1",
        "A warp grid holds one place per pixel. Which pixels are meant, and which places?",
        (
            Option(
                "For every pixel of the source, where it goes in the new picture",
                "That is forward warping; two pixels may land on one place, and others get none.",
            ),
            Option(
                "For every pixel of the new picture, where to read in the source",
                "Backward warping: every new pixel gets a value, so there are no holes.",
            ),
            Option(
                "For every pixel of the new picture, by how much it moved",
                "The grid holds places; the movement is the difference from the identity grid.",
            ),
        ),
        right=1,
    ),
    Question(
        "05.q2",
        "What does the occlusion map do?",
        (
            Option(
                "It cuts the person out from the background",
                "It knows nothing about people: a part of the face that the source does not show "
                "is dark too.",
            ),
            Option(
                "It chooses which keypoint each place follows",
                "That is what the masks do, and they are applied before the warp.",
            ),
            Option(
                "It blends in the previous frame",
                "Every frame is made from the source alone; nothing is carried over in time.",
            ),
            Option(
                "It fades warped features where the source does not show what is needed",
                "What it fades, the generator has to invent from what surrounds it.",
            ),
        ),
        right=3,
    ),
    Question(
        "05.q3",
        "Nobody labels the keypoints. What makes a keypoint mark the same part in every picture?",
        (
            Option(
                "Equivariance: deform the frame by a map we know, and the points have to follow",
                "The map is ours, so the answer is known without any label.",
            ),
            Option(
                "The softmax, since each map has one brightest place",
                "That gives one point per map, but it may mark another part in every picture.",
            ),
            Option(
                "An ImageNet network that recognises eyes and mouths",
                "It is used to compare pictures in the loss; it never sees the points.",
            ),
        ),
        right=0,
    ),
    Question(
        "05.q4",
        "Why should the first driving frame show roughly the source's pose in relative motion?",
        (
            Option(
                "Because the detector was trained on first frames",
                "It was trained on frames from anywhere in a clip.",
            ),
            Option(
                "Because all motion is measured from it: a difference at the start never goes away",
                "If the driving head is turned at the start, the source is turned too little or "
                "too much in every frame.",
            ),
            Option(
                "Because both people need the same shape of face",
                "That is the problem of absolute motion; relative motion keeps the source's shape.",
            ),
        ),
        right=1,
    ),
    Question(
        "05.q5",
        "The grid is made with -1 and 1 on the centres of the outermost pixels, but read with "
        "align_corners=False. What happens?",
        (
            Option(
                "torch raises an error, because the two do not match",
                "There is no error and no warning; the picture is just slightly wrong.",
            ),
            Option(
                "The picture moves by half a pixel to the left and up",
                "The shift changes its sign in the middle, where nothing moves.",
            ),
            Option(
                "The picture shrinks a little towards its middle, and its edge gets darker",
                "The outermost pixels are read half outside the picture, where all values are 0.",
            ),
        ),
        right=2,
    ),
)

PREDICTIONS = (
    Prediction(
        "05.p1",
        "New moments of people whom the model knows are rebuilt from the first frame of their "
        "clip. What is the model's error in the moving pixels, as a share of the error of copying "
        "that first frame (1: no better than a copy)?",
        because="A share near 0 would mean that all pixels are right. It is hard to reach: edges "
        "have to be placed to a fraction of a pixel, and what the source hides can only be "
        "guessed.",
    ),
    Prediction(
        "05.p2",
        "Three short training runs each leave out one part. Which part, when it is left out, gives "
        "the largest L1 error?",
        options=("Jacobian", "occlusion", "equivariance"),
        because="How much a part helps depends on the data and on the length of the run. Without "
        "its occlusion map, this model also has to draw every pixel anew.",
    ),
    Prediction(
        "05.p3",
        "A picture of 64 pixels is read through the identity grid with align_corners=False. How "
        "many pixels away from its true place is the outermost pixel read?",
        low=0.0,
        high=4.0,
        step=0.1,
        unit=" px",
        because="Pixel j is read at j W / (W - 1) - 1/2: half a pixel off at either end, and "
        "nothing in the middle.",
    ),
    Prediction(
        "05.p4",
        "A picture drives itself, turned by 20 degrees in the plane. By how many degrees will the "
        "trained model's Jacobians say that it turned (median over keypoints and test frames)?",
        low=0.0,
        high=30.0,
        step=1.0,
        unit="°",
        because="They see the turn, but not all of it. One likely reason: in training, frames were "
        "deformed by a few degrees only, and heads seldom tilt far.",
    ),
)
