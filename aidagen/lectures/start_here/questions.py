"""Lecture 00's questions and predictions; `exercises` lists them beside its own."""

from __future__ import annotations

from aidagen.teaching.material import Option, Prediction, Question

QUESTIONS = (
    Question(
        "00.q1",
        "A point is (x, y) = (1, -1). Where in the picture is it?",
        (
            Option("Top left", "x = 1 is the right-hand side; only y = -1 is the top."),
            Option("Top right", "x grows to the right and y grows downwards, as rows do."),
            Option("Bottom right", "y grows downwards, as rows do, so -1 is the top."),
            Option("Bottom left", "Both axes are the other way round."),
        ),
        right=1,
    ),
    Question(
        "00.q2",
        "Your method has an L1 error of 0.03. Is that good?",
        (
            Option(
                "Yes, it is only 3 % of the range",
                "A copy of the source may reach that if most of the picture does not change.",
            ),
            Option(
                "You cannot say without a baseline on the same data",
                "Compare it with a method that does nothing, such as copying the source.",
            ),
            Option(
                "No, a good method has an error of 0",
                "Even a shift by one pixel, which nobody sees, gives an error above 0.",
            ),
        ),
        right=1,
    ),
    Question(
        "00.q3",
        "Whose picture may you animate?",
        (
            Option(
                "Anybody's whose photograph is public",
                "Being shown in a public photograph is not consent to be animated.",
            ),
            Option(
                "Anybody's, as long as the clip carries a mark",
                "The mark tells viewers how the clip was made; it does not replace consent.",
            ),
            Option(
                "Your own, those of people who agreed to this use, and of people who do not exist",
                "And whenever you show the result, say that it is generated.",
            ),
        ),
        right=2,
    ),
)

PREDICTIONS = (
    Prediction(
        "00.p1",
        "A clip of a rendered head is rebuilt from its first frame. What is the model's L1 error, "
        "as a share of the error of copying that first frame (1: no better than a copy)?",
        high=1.5,
        because="Most of the picture hardly moves, so a copy is already right there. The error "
        "alone says little; as a share of the copy's error it says more.",
    ),
)
