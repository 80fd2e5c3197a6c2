"""Predict, then look: a guess is taken before the result and compared with it afterwards.

guess = predict.guess("05.p1")
guess                                  # in one cell: move the slider, or choose
guess.reveal(share); guess             # in a later one: the guess beside the outcome
"""

from __future__ import annotations

import math

import traitlets

from aidagen.errors import AidagenError
from aidagen.teaching import material
from aidagen.teaching.asking import Asking
from aidagen.teaching.material import Prediction


class Guess(Asking):
    """One prediction. `reveal` compares ``guess`` with the outcome and closes it."""

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        limits = [prediction.low, prediction.high, prediction.step]
        super().__init__(text=prediction.text, options=list(prediction.options), limits=limits)

    def __repr__(self) -> str:
        return f"Guess({self.prediction.id!r})"

    @property
    def guess(self) -> float | str | None:
        """The option's text or the number that was guessed; None before a guess."""
        if self.options:
            return self.options[self.choice] if 0 <= self.choice < len(self.options) else None
        return self.number

    def reveal(self, outcome: float | str | None) -> None:
        """Close the question and say how the guess compares; None: there is no outcome yet.

        ``outcome`` is a number, or one of the options (its text, or its place from 0).
        Raises AidagenError for anything else.
        """
        if outcome is None:
            self.sentence = "There is no outcome to compare with yet."
            return
        self.settled = True
        compared = self._chosen(outcome) if self.options else self._measured(outcome)
        self.sentence = f"{compared} {self.prediction.because}".strip()

    def _chosen(self, outcome: float | str) -> str:
        if isinstance(outcome, int) and 0 <= outcome < len(self.options):
            outcome = self.options[outcome]
        if outcome not in self.options:
            self.settled = False
            raise AidagenError(
                f"The outcome of {self.prediction.id} is one of {', '.join(self.options)}, "
                f"not {outcome!r}."
            )
        if self.guess is None:
            return f"No guess was made. It is: {outcome}."
        if self.guess == outcome:
            return f"You guessed right: {outcome}."
        return f"You guessed: {self.guess}. It is: {outcome}."

    def _measured(self, outcome: float | str) -> str:
        if isinstance(outcome, str) or not math.isfinite(outcome):
            self.settled = False
            raise AidagenError(
                f"The outcome of {self.prediction.id} is a finite number, not {outcome!r}."
            )
        if self.guess is None:
            return f"No guess was made. It is {self._say(outcome)}."
        apart = self.guess - outcome
        if abs(apart) <= self.prediction.step / 2:
            verdict = "you guessed it"
        else:
            verdict = f"too {'high' if apart > 0 else 'low'} by {self._say(abs(apart))}"
        return f"Your guess was {self._say(self.guess)}, it is {self._say(outcome)}: {verdict}."

    def _say(self, number: float) -> str:
        digits = max(0, math.ceil(-math.log10(self.prediction.step) - 1e-9))
        return f"{number:.{digits}f}{self.prediction.unit}"

    @traitlets.observe("number", "choice")
    def _noted(self, change: dict) -> None:
        if self.guess is None or self.settled:
            return
        said = self.guess if isinstance(self.guess, str) else self._say(self.guess)
        self.shown = said
        self.sentence = f"Noted: {said}. Go on, the outcome comes later."


def guess(id: str) -> Guess:
    """The prediction with an id such as ``05.p1``, to be shown by a cell.

    Raises AidagenError where there is none.
    """
    return Guess(material.find(Prediction, id))
