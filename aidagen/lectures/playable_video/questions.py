"""Lecture 07's questions, predictions and open task; `exercises` lists them beside its own."""

from __future__ import annotations

from aidagen.teaching.material import OpenTask, Option, Prediction, Question

QUESTIONS = (
    Question(
        "07.q1",
        "In all clips of a game the player goes on in the direction of the last step. What can a "
        "model learn from them about actions?",
        (
            Option(
                "Nothing: the past tells the next step, so there is nothing left for an action "
                "to tell",
                "An action is what has to be told beside the past. Where the past tells all, the "
                "button is idle.",
            ),
            Option(
                "The directions, since they are seen very clearly",
                "They are seen clearly, and can be read from the past: dynamics with a memory need "
                "no action for them.",
            ),
            Option(
                "Only whether the player moves or stays",
                "That, too, can be read from the last step.",
            ),
        ),
        right=0,
    ),
    Question(
        "07.q2",
        "A model reconstructs its clips perfectly, and one action is taken in all steps. Where is "
        "the information about the movements?",
        (
            Option("In the centroids", "They are constants: they tell nothing of a single step."),
            Option(
                "In the variability",
                "With one action, the variability is the whole direction. Reconstruction does not "
                "mind; whoever presses buttons, and has no variability to tell, does.",
            ),
            Option(
                "Nowhere; such a model cannot reconstruct",
                "It can: the dynamics are told the variability in training.",
            ),
        ),
        right=1,
    ),
    Question(
        "07.q3",
        "The mutual information is taken between actions in the real clip and actions in the "
        "painted clip. What does it ask of the *painted* frames?",
        (
            Option(
                "That they look like the real ones",
                "That is what the reconstruction asks. The mutual information only looks at "
                "actions.",
            ),
            Option(
                "That the action by which they were made can be seen in them",
                "Else the second reading of the actions would not depend on the first. And since "
                "the information is at most the entropy of the actions, all of them have to be "
                "used.",
            ),
            Option(
                "That all actions are equally long",
                "Nothing in it knows about distances in the action space.",
            ),
        ),
        right=1,
    ),
    Question(
        "07.q4",
        "A model with K = 7 has collapsed: it takes one action always. What does Delta-Acc, the "
        "accuracy of predicting the action from the displacement, say?",
        (
            Option(
                "100 %",
                "The action can be predicted without looking. An accuracy says nothing without the "
                "rate of the most frequent action beside it.",
            ),
            Option("About 14 %, one in seven", "That would be so if seven were used at random."),
            Option("It is not defined", "It is, and it is perfect."),
        ),
        right=0,
    ),
    Question(
        "07.q5",
        "Why is each learned action assigned a movement on other clips than those that are scored?",
        (
            Option(
                "Because the best of many assignments agrees by chance on the clips that chose it",
                "With nine actions and nine movements there are 362,880 assignments to choose "
                "from. On new clips the luck is gone, and the controls lie at 0.",
            ),
            Option(
                "Because the test clips have no labels",
                "They have: from the emulator's memory. No model is shown them.",
            ),
            Option(
                "Because actions mean something else in every clip",
                "Then the score should be low, and it is: that is what is tested.",
            ),
        ),
        right=0,
    ),
)

PREDICTIONS = (
    Prediction(
        "07.p1",
        "Three actions are there to be used. What does a model do that learns by reconstruction "
        "alone?",
        options=(
            "it uses all three", "it uses two of them", "in some starts it uses one alone",
        ),
        because="Whatever the action does not tell, the variability tells as well: reconstruction "
        "does not care which of the two it is, so nothing keeps the actions apart.",
    ),
    Prediction(
        "07.p2",
        "Test clips of Breakout: how well do the model's actions agree with what the paddle did? "
        "(Cohen's kappa: 0 is chance, 1 is perfect.)",
        low=0.0,
        high=1.0,
        step=0.02,
        because="The paddle has inertia, so that a press, a drift and a stop are not three clean "
        "classes; and nobody told the model what to look at.",
    ),
    Prediction(
        "07.p3",
        "You move a point in the action space slowly from \"left\" to \"right\". What does the "
        "paddle do, in the model whose variability was faded out?",
        options=("it goes from left to right little by little", "it jumps back and forth"),
        because="A point between two centroids is told as the nearer action and a variability. "
        "Whether the dynamics still understand a variability depends on whether it was told to "
        "the end of training.",
    ),
)  # fmt: skip

OPEN_TASKS = (
    OpenTask(
        id="07.o1",
        title="A game of your own, without its buttons",
        task="Take a clip of something that somebody steers (a game that you may record, a toy "
        "car, a cursor, your own hand over a table): ten minutes of it, a fixed camera, one thing "
        "that moves. Before you train anything, find out whether actions can be found in it: how "
        "far does the thing move from frame to frame, compared with its size? Can the next "
        "movement be told from the last one? What else moves? Choose the frame rate, the crop and "
        "K by what you find. Then cluster displacements, or train `playable-breakout-64`'s recipe "
        "on it, and say what the clusters mean, with controls.",
        rubric=(
            (2, "The clip may be used, and it is said who steered what."),
            (3, "Three properties of the data are measured before anything is trained: size of a "
                "step, how well the past tells the next step, what else moves."),
            (2, "Frame rate, crop and K follow from these, and the text says how."),
            (2, "What the actions mean is scored on other clips, beside shuffled actions."),
            (1, "The text says what would have to be different for the method to fail."),
        ),
    ),
)  # fmt: skip
