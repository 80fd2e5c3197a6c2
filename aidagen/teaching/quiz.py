"""Questions in a lecture: choose an option, and a sentence says what is right or wrong about it.

    quiz.ask("05.q1")

The sentences are part of the page, so that it also answers without a kernel. Where widgets are not
shown at all, question, options and (folded) answer are shown as text.
"""

from __future__ import annotations

from html import escape

import traitlets

from aidagen.teaching import material
from aidagen.teaching.asking import Asking
from aidagen.teaching.material import Question


class Quiz(Asking):
    """One question. ``choice`` is what was chosen, ``sentence`` the feedback on it."""

    def __init__(self, question: Question) -> None:
        self.question = question
        feedback = [
            f"{'Right' if i == question.right else 'Not this one'}. {option.feedback}"
            for i, option in enumerate(question.options)
        ]
        options = [option.text for option in question.options]
        super().__init__(text=question.text, options=options, feedback=feedback)

    def __repr__(self) -> str:
        return f"Quiz({self.question.id!r})"

    @property
    def right(self) -> bool | None:
        """Whether the chosen option is the right one; None before a choice."""
        return None if self.choice < 0 else self.choice == self.question.right

    def answer(self) -> str:
        """The right option with its sentence, folded."""
        option = self.question.options[self.question.right]
        letter = chr(ord("A") + self.question.right)
        words = f"{letter}. {escape(option.feedback)}"
        return f"<details><summary>Answer</summary>{words}</details>"

    @traitlets.observe("choice")
    def _say(self, change: dict) -> None:
        inside = 0 <= self.choice < len(self.feedback)
        self.sentence = self.feedback[self.choice] if inside else ""


def ask(id: str) -> Quiz:
    """The question with an id such as ``05.q1``, to be shown by a cell.

    Raises AidagenError where there is none.
    """
    return Quiz(material.find(Question, id))
