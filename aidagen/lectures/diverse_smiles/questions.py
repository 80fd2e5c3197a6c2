"""Lecture 02's questions and predictions; `exercises` lists them beside its own."""

from __future__ import annotations

from aidagen.teaching.material import Option, Prediction, Question

QUESTIONS = (
    Question(
        "02.q1",
        "A network gives one sequence per label and is trained with a squared error. The training "
        "people smile with closed mouths, with closed eyes, and with open mouths. What does it "
        "give?",
        (
            Option(
                "The way that is most frequent",
                "An absolute error would come nearer to that; a squared one has its smallest value "
                "at the mean.",
            ),
            Option(
                "The mean of all ways, which nobody ever showed",
                "The mean of what is true has the smallest mean squared error, and is no smile.",
            ),
            Option(
                "Each way in turn, as the training clips came",
                "A network without noise gives the same answer to the same input.",
            ),
        ),
        right=1,
    ),
    Question(
        "02.q2",
        "Why do K modes end at the same sequence when each of them is pulled to every clip?",
        (
            Option(
                "Because they share the sequence that the label asks for",
                "They do, but each has weights of its own, and could bend it in its own way.",
            ),
            Option(
                "Because the push term is missing",
                "With it they part, but around the mean: each is still drawn to all true smiles.",
            ),
            Option(
                "Because each of them has the same loss, and its minimum is the mean",
                "Same loss, same minimum. Only a pull that chooses a mode for each clip can part "
                "them and keep them true.",
            ),
        ),
        right=2,
    ),
    Question(
        "02.q3",
        "A method's K smiles lie farther apart than the true ones. What do you know?",
        (
            Option(
                "That it is diverse, not whether it is right",
                "Diversity compares what was made with itself; recall and precision compare it "
                "with "
                "what is true.",
            ),
            Option(
                "That every true mode is hit",
                "Three sequences can be far apart and all of them wrong.",
            ),
            Option(
                "That the margin was chosen well",
                "A margin above the true distance makes exactly this, and breaks the smiles.",
            ),
        ),
        right=0,
    ),
    Question(
        "02.q4",
        "What do the painter's skip connections carry?",
        (
            Option(
                "The neutral face's own texture, at every resolution, past the bottleneck",
                "So the network need not remember the person in a few numbers.",
            ),
            Option(
                "The landmarks of the frame that is to be painted",
                "They come in with the input, as one of its five channels; without skips they pass "
                "through the bottleneck.",
            ),
            Option(
                "The frame that was painted before",
                "Each frame is painted by itself, from the neutral face.",
            ),
        ),
        right=0,
    ),
    Question(
        "02.q5",
        "A painter with skips gets a driving landmark picture of a head that is turned by 30°. "
        "What "
        "goes wrong first?",
        (
            Option(
                "The colours change",
                "Colours come through the skips unchanged.",
            ),
            Option(
                "Nothing: the landmarks say where everything goes",
                "They do, but a skip hands on features at the place where they were.",
            ),
            Option(
                "Texture arrives at the old place, since a skip does not move what it carries",
                "This is the problem that deformable skip connections solve, in lecture 03.",
            ),
        ),
        right=2,
    ),
)

PREDICTIONS = (
    Prediction(
        "02.p1",
        "In the toy, best-of-K begins from eight random starts. From how many of them will its "
        "three "
        "answers hit all three true smiles?",
        low=0.0,
        high=8.0,
        step=1.0,
        unit=" of 8 starts",
        because="Only the nearest answer learns from a smile. An answer that is nearest to "
        "nothing at "
        "the start gets no gradient, and stays where it is while another one serves two smiles.",
    ),
    Prediction(
        "02.p2",
        "Our real model was trained once more, relaxed and with a push whose margin lies above the "
        "distance of true smiles. "
        "Of its "
        "48 sequences (eight people, two labels, three modes), how many hit a true smile?",
        low=0.0,
        high=48.0,
        step=1.0,
        unit=" of 48",
        because="The push is not satisfied before the answers lie farther apart than any two true "
        "smiles do, so that they cannot all be true.",
    ),
    Prediction(
        "02.p3",
        "A linear judge has learned from real clips to tell posed smiles from spontaneous ones by "
        "their landmarks. Of how many of our model's smiles of unseen people will it name the "
        "label "
        "that the model was given?",
        because="The two labels differ in speed, strength, symmetry and in the eyes; a model that "
        "listens to its label shows at least one of these.",
    ),
    Prediction(
        "02.p4",
        "How far is a painted face from the neutral one for the identity judge (aed) if the "
        "painter "
        "has no skips, as a multiple of the same distance with skips?",
        low=0.5,
        high=8.0,
        step=0.1,
        unit=" times",
        because="Without skips the whole person has to pass through the bottleneck, and what it "
        "cannot hold is made up from the training people.",
    ),
)
