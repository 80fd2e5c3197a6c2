"""Votes: one JSON file per rater, written after every vote and checked against the plan.

    {"format": "aidagen preference votes 1", "study": "lecture-04-1f0c22aa", "rater": "k3x9w2pq",
     "consent": true, "votes": [{"pair": ..., "left": ..., "right": ..., "chosen": "left"}, ...]}

A random code stands for the rater; there is no name, no time, nothing about the machine.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from aidagen import files
from aidagen.study.plan import Plan, StudyError, read_json

FORMAT = "aidagen preference votes 1"
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look like another
LEFT, RIGHT, TIE = "left", "right", "tie"
FIELDS = ("format", "study", "rater", "consent", "votes")


@dataclass(frozen=True)
class Votes:
    """What one rater chose, in the order of `plan.schedule(rater)`: "left", "right" or "tie"."""

    study: str
    rater: str
    chosen: tuple[str, ...] = ()

    def with_vote(self, choice: str) -> Votes:
        return Votes(self.study, self.rater, (*self.chosen, choice))

    def without_last(self) -> Votes:
        return Votes(self.study, self.rater, self.chosen[:-1])


class Ballots(NamedTuple):
    """All raters of a study, and a sentence for each file that was refused."""

    votes: tuple[Votes, ...]
    refused: tuple[str, ...] = ()


def new_code() -> str:
    """A rater's code: eight random letters, about 2^40 of them."""
    return "".join(secrets.choice(LETTERS) for _ in range(8))


def path_of(folder: str | os.PathLike, rater: str) -> Path:
    """Where a rater's votes lie."""
    return Path(folder) / f"votes-{rater}.json"


def write_votes(folder: str | os.PathLike, votes: Votes, plan: Plan) -> Path:
    """Keep a rater's votes in their file, atomically. Raises FileError where that fails."""
    shown = plan.schedule(votes.rater)[: len(votes.chosen)]
    given = [
        {"pair": s.pair, "left": s.left, "right": s.right, "chosen": choice}
        for s, choice in zip(shown, votes.chosen, strict=True)
    ]
    content = dict(zip(FIELDS, (FORMAT, votes.study, votes.rater, True, given), strict=True))
    path = path_of(folder, votes.rater)
    files.write_json(path, content)
    return path


def read_votes(path: str | os.PathLike, plan: Plan) -> Votes:
    """One rater's votes, held against the plan.

    Raises:
        StudyError: one sentence: the file, what is wrong in it, what was expected.
    """
    held = read_json(path)

    def refuse(given: str, expected: str) -> StudyError:
        return StudyError(
            f"{path} is refused: {given}, {expected} was expected; hand in the file as the study "
            "wrote it."
        )

    if not isinstance(held, dict) or held.get("format") != FORMAT:
        raise refuse("it holds no votes", f'a JSON object with "format": "{FORMAT}"')
    if set(held) != set(FIELDS):
        odd = sorted(map(str, set(held) ^ set(FIELDS)))
        raise refuse(f"its fields differ ({', '.join(odd)[:80]})", ", ".join(FIELDS))
    if held["study"] != plan.id:
        raise refuse(f"it belongs to study {_short(held['study'])}", f"{plan.id!r}")
    rater = held["rater"]
    if not isinstance(rater, str) or not re.fullmatch(rf"[{LETTERS}]{{8}}", rater):
        raise refuse(f"its rater is {_short(rater)}", "a code of eight letters and digits")
    if held["consent"] is not True:
        raise refuse(f'"consent" is {_short(held["consent"])}', "true")
    votes = held["votes"]
    if not isinstance(votes, list):
        raise refuse(f'"votes" is a {type(votes).__name__}', "a list")
    schedule = plan.schedule(rater)
    if len(votes) > len(schedule):
        raise refuse(f"it holds {len(votes)} votes", f"at most {len(schedule)}")
    allowed = (LEFT, RIGHT, TIE) if plan.ties else (LEFT, RIGHT)
    for number, (vote, shown) in enumerate(zip(votes, schedule), start=1):
        if not isinstance(vote, dict) or set(vote) != {"pair", "left", "right", "chosen"}:
            raise refuse(f"vote {number} is {_short(vote)}", "pair, left, right and chosen")
        if (vote["pair"], vote["left"], vote["right"]) != (shown.pair, shown.left, shown.right):
            raise refuse(
                f"vote {number} is about other clips than this rater was shown",
                f"pair {shown.pair} with {shown.left} on the left",
            )
        if vote["chosen"] not in allowed:
            raise refuse(
                f"vote {number} chose {_short(vote['chosen'])}", f"one of {', '.join(allowed)}"
            )
    return Votes(plan.id, rater, tuple(vote["chosen"] for vote in votes))


def _short(value: object) -> str:
    """A value from a file as it may stand in a sentence."""
    return repr(value)[:60]


def gather(source: str | os.PathLike | Iterable[str | os.PathLike], plan: Plan) -> Ballots:
    """The votes of many files: all ``votes-*.json`` of a folder, or the files given.

    A file that is refused does not stop the others; its sentence is kept. Of two files of one
    rater the longer counts, if it goes on where the shorter ends; otherwise the second is refused.
    """
    if isinstance(source, str | os.PathLike):
        if not Path(source).is_dir():
            raise StudyError(f"{source} is no folder; give the folder that the votes lie in.")
        source = sorted(Path(source).glob("votes-*.json"))
    by_rater: dict[str, Votes] = {}
    refused = []
    for path in source:
        try:
            votes = read_votes(path, plan)
        except StudyError as error:
            refused.append(str(error))
            continue
        earlier = by_rater.setdefault(votes.rater, votes)
        short, long = sorted((earlier, votes), key=lambda each: len(each.chosen))
        if long.chosen[: len(short.chosen)] == short.chosen:
            by_rater[votes.rater] = long
        else:
            refused.append(
                f"{path} is refused: another file holds different votes of rater {votes.rater}, "
                "one file per rater was expected; keep the right one of the two."
            )
    return Ballots(tuple(by_rater[rater] for rater in sorted(by_rater)), tuple(refused))
