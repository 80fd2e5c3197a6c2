"""Predict, then look: a guess is taken before the result and compared with it afterwards.

    bet = predict.guess("05.p1")
    bet                                    # in one cell: move the slider, or choose
    bet.reveal(share, lambda: plot(rows))  # in a later one: the outcome, and what gives it away

The outcome stays covered until the guess is made or waived, however the cells are run: what is
shown then is not in the page before, so neither a stored notebook nor an export holds it.
"""

from __future__ import annotations

import math
from typing import Any

import traitlets

from aidagen.errors import AidagenError
from aidagen.teaching import material
from aidagen.teaching.asking import Asking
from aidagen.teaching.covered import Covered
from aidagen.teaching.material import Prediction

READY = "The outcome is there. Make your guess, then show it."
SURE = "Show the outcome when you are sure."
NONE = "There is no outcome to compare with yet."


class Guess(Asking):
    """One prediction. `reveal` brings the outcome, which is compared with ``guess``."""

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        self._outcome: float | str | None = None
        self._places: list[Covered] = []
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

    def reveal(self, outcome: float | str | None, show: Any = None) -> Covered:
        """Bring the outcome; returns the place, to be shown by the cell, where it will be seen.

        If a guess was made, the question is closed and the guess compared. If not, it stays open,
        and outcome and ``show`` stay covered until somebody guesses or chooses to see them without
        a guess. ``outcome`` is a number, or one of the options (its text, or its place from 0);
        None: there is no outcome yet. ``show`` is what gives the answer away: anything that a cell
        can show, or a function that makes it, draws it or prints it. The function is called at
        once, so that its errors are seen and it reads what the variables hold now.

        Raises AidagenError for an outcome that is none of these.
        """
        if outcome is not None:
            outcome = self._valid(outcome)
        place = Covered(self, self.prediction.id, show)
        self._places.append(place)
        self._outcome = outcome
        if outcome is not None and (self.settled or self.guess is not None):
            self._settle()
        elif outcome is not None:
            self.ready, self.sentence = True, READY
        else:
            self.ready, self.sentence = place.holds, NONE
        return place

    def _settle(self) -> None:
        """Close the question, compare, and show what was covered."""
        outcome = self._outcome
        if outcome is None:
            self.ready, self.sentence = False, NONE
        else:
            self.settled = True
            compared = self._chosen(outcome) if self.options else self._measured(outcome)
            self.sentence = f"{compared} {self.prediction.because}".strip()
        for place in self._places:
            place.uncover()

    def _valid(self, outcome: float | str) -> float | str:
        if not self.options:
            if isinstance(outcome, str) or not math.isfinite(outcome):
                raise AidagenError(
                    f"The outcome of {self.prediction.id} is a finite number, not {outcome!r}."
                )
            return outcome
        if isinstance(outcome, int) and 0 <= outcome < len(self.options):
            outcome = self.options[outcome]
        if outcome not in self.options:
            raise AidagenError(
                f"The outcome of {self.prediction.id} is one of {', '.join(self.options)}, "
                f"not {outcome!r}."
            )
        return outcome

    def _chosen(self, outcome: float | str) -> str:
        if self.guess is None:
            return f"No guess was made. It is: {outcome}."
        if self.guess == outcome:
            return f"You guessed right: {outcome}."
        return f"You guessed: {self.guess}. It is: {outcome}."

    def _measured(self, outcome: float) -> str:
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
        wait = "Go on, the outcome comes later."
        self.sentence = f"Noted: {said}. {SURE if self.ready else wait}"

    @traitlets.observe("asked")
    def _shown(self, change: dict) -> None:
        if self.asked and self.ready and not self.settled:
            self._settle()
        self.asked = False


def guess(id: str) -> Guess:
    """The prediction with an id such as ``05.p1``, to be shown by a cell.

    Raises AidagenError where there is none.
    """
    return Guess(material.find(Prediction, id))
