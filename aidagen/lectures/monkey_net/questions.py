"""Lecture 04's questions and predictions; `exercises` lists them beside its own."""

from __future__ import annotations

from aidagen.teaching.material import Option, Prediction, Question

QUESTIONS = (
    Question(
        "04.q1",
        "A tall dancer's skeleton is detected frame by frame, and a pose-conditioned generator "
        "transfers it to a picture of a short person. What is wrong with the result?",
        (
            Option(
                "The dance is out of time",
                "The poses are those of the driving frames, one by one, so the timing is kept.",
            ),
            Option(
                "The colours are the tall dancer's",
                "The appearance comes from the source; only the skeleton is the dancer's.",
            ),
            Option(
                "The short person gets the tall one's proportions",
                "A pose in picture coordinates includes the lengths of the limbs. Transfer the "
                "change since the first frame, and the source keeps its own.",
            ),
        ),
        right=2,
    ),
    Question(
        "04.q2",
        "X2Face was shown a face only from the left and has to turn it to the right. What appears "
        "on the side that no source shows?",
        (
            Option(
                "Pixels stretched from what was seen",
                "Every output pixel is read from the embedded face, and the embedded face from the "
                "sources: nothing can be painted.",
            ),
            Option(
                "A plausible cheek, painted by the generator",
                "That needs a network that paints after the warp, as Monkey-Net's decoder does.",
            ),
            Option(
                "Black, because the occlusion map is dark there",
                "X2Face has no occlusion map, and Monkey-Net has none either.",
            ),
        ),
        right=0,
    ),
    Question(
        "04.q3",
        "A U-Net's skips carry the source's detail past the bottleneck. Why does Monkey-Net warp "
        "them first?",
        (
            Option(
                "To make the network smaller",
                "A warp has no weights, but it does not remove any either.",
            ),
            Option(
                "To bring each detail to the place where it is needed",
                "This is the alignment problem: a convolution sees a neighbourhood, and the arm "
                "has left it.",
            ),
            Option(
                "To hide what the source does not show",
                "That would be an occlusion map; the next lecture adds one.",
            ),
            Option(
                "So that the keypoints get a gradient",
                "They would also get one through the bumps that the decoder is given.",
            ),
        ),
        right=1,
    ),
    Question(
        "04.q4",
        "What does a keypoint's covariance tell the generator that its place does not?",
        (
            Option(
                "How sure the detector is that the point exists",
                "A wide map may mean an unsure detector or a large part; the matrix cannot "
                "tell them apart.",
            ),
            Option(
                "Which person the keypoint belongs to",
                "Nothing in it knows about identity.",
            ),
            Option(
                "By how much the point moved since the source",
                "That is a difference of two places.",
            ),
            Option(
                "How long the part is, and which way it points",
                "The long axis of the ellipse lies along the limb, and turns with it.",
            ),
        ),
        right=3,
    ),
    Question(
        "04.q5",
        "50 pairs of clips, each judged by the same 10 people: 500 votes, 85 % for one system. Why "
        "is the interval of 500 independent coin tosses too narrow?",
        (
            Option(
                "Because people press the wrong key now and then",
                "That moves the share towards one half, but it does not make votes depend on each "
                "other.",
            ),
            Option(
                "Because votes on the same pair, and by the same person, resemble each other",
                "Ten votes on one pair say less than one vote on each of ten pairs: resample "
                "pairs and raters.",
            ),
            Option(
                "Because 85 % is far from one half",
                "The binomial interval takes that into account; it is narrowest near 0 and 1.",
            ),
        ),
        right=1,
    ),
    Question(
        "04.q6",
        "X2Face is trained with L1 on a robot whose arm is in another place in every frame. Why "
        "does its embedded face show the table without the arm?",
        (
            Option(
                "The arm is too dark for the network to see",
                "The other systems see it in the same pictures.",
            ),
            Option(
                "The table moves more than the arm does",
                "The table does not move at all.",
            ),
            Option(
                "A place that mostly shows the table has the lowest loss when it shows the table",
                "L1 favours predicting the median. Once the arm is gone, the second warp has "
                "nothing left to move.",
            ),
        ),
        right=2,
    ),
    Question(
        "04.q7",
        "A model with keypoints and a residual flow beats its baseline by far. What shows that the "
        "keypoints are the reason?",
        (
            Option(
                "The keypoints follow the arm in every frame",
                "They may say where the arm is, and yet move no pixel: a network can read the pose "
                "off them and write the motion into the residual.",
            ),
            Option(
                "The low error of the finished frames",
                "The error is that of the whole model; it does not say which part moved a pixel.",
            ),
            Option(
                "The source warped by the keypoints' part alone is near the true frame",
                "This measures the keypoints' own contribution. In this lecture it was as bad as a "
                "copy at first, although the finished frames were good.",
            ),
        ),
        right=2,
    ),
)

PREDICTIONS = (
    Prediction(
        "04.p1",
        "The joints of one body are transferred to another body unchanged. By how many per cent "
        "do the lengths of the second body's bones change, on average?",
        low=0.0,
        high=100.0,
        step=1.0,
        unit=" %",
        because="Joints in picture coordinates contain the lengths of the first body's bones, and "
        "its distance from the camera.",
    ),
    Prediction(
        "04.p2",
        "Our first Monkey-Net on the robot: the source is warped by the keypoints' part of the "
        "flow alone, without residual and painting. How much of a copy's error is left in the "
        "pixels that move? 100 % means that the keypoints do nothing.",
        low=0.0,
        high=120.0,
        step=1.0,
        unit=" %",
        because="The loss compares pictures; it does not ask whether the keypoints or the residual "
        "moved the pixels.",
    ),
    Prediction(
        "04.p3",
        "Clip A never moves: it repeats the source. Clip B moves correctly, but all of it, the "
        "background included, is shifted by a few pixels. Which one has the lower L1?",
        options=("A, the frozen one", "B, the moved one"),
        because="Most of a picture is background that does not move: a copy has it right, and a "
        "small shift gets it wrong at every edge.",
    ),
    Prediction(
        "04.p4",
        "Monkey-Net is trained again twice: once without any flow, and once with a flow that does "
        "not warp the skips. Which one has the larger error in the pixels that move?",
        options=("no flow", "no deformed skips"),
        because="There is one seed: where the two are close, neither is shown to be worse.",
    ),
)
