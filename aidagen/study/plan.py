"""The plan of a preference study: which pairs there are, and what each rater sees of them.

Raters see codes only. The `Plan` says which code is which method's clip, and the plan stays with
the instructor. The codes are hashes of a seed: whoever knows it can name the methods.

Order and sides follow from the rater's code by a hash that the page's script computes as well
(`mixed`), so that a file of votes can be held against what was shown.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property, lru_cache
from itertools import combinations
from typing import NamedTuple

from aidagen import files
from aidagen.errors import AidagenError

TRUE, FROZEN, SHUFFLED = "true", "frozen", "shuffled"  # what attention checks are made of
QUESTION = (
    "Which clip, A or B, better follows the movement of the reference clip? "
    "If both follow it equally well, take the clip that looks more realistic."
)
CONSENT = "I have read this, I take part of my own free will, and my votes may be counted."
ETHICS = (
    "Taking part is voluntary, needs your consent below, and has no effect on your grade.",
    "You may stop at any time and delete your votes, without giving a reason.",
    "No personal data are kept: a random code stands for you, and neither your name nor the time "
    "nor anything about your browser is stored.",
    "Your votes are used for one thing: to estimate which of the compared methods people prefer.",
    "A few pairs only check that somebody is looking; a rule fixed before the first vote says "
    "whose votes are left out because of them.",
)


class StudyError(AidagenError):
    """A plan that cannot be carried out, a file that holds no votes, too few votes to analyse."""


class Pair(NamedTuple):
    """Two clips of one item. `clips` are their codes, in the order of `methods`."""

    id: str
    item: str
    methods: tuple[str, str]
    clips: tuple[str, str]
    reference: str  # the code of the driving clip
    check: bool  # whether it is an attention check; the better clip comes first then


class Shown(NamedTuple):
    """One pair as a rater sees it."""

    pair: str
    reference: str
    left: str
    right: str


@dataclass(frozen=True)
class Plan:
    """All that is fixed before the first vote; `plan` makes it. `pairs` says who is who."""

    name: str
    items: tuple[str, ...]
    methods: tuple[str, ...]
    check_items: tuple[str, ...]
    seed: int  # the codes follow from it
    allowed: int = 0  # attention checks that a rater may miss
    ties: bool = False  # whether "no difference" may be answered
    question: str = QUESTION

    @cached_property
    def id(self) -> str:
        """Name and a hash of everything: votes of another plan are not taken for votes of this."""
        text = json.dumps(asdict(self), sort_keys=True)
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def code(self, *parts: str) -> str:
        """What stands for an item's clip: eight hexadecimal digits."""
        text = "\0".join((str(self.seed), *parts))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Every item with every pair of methods, and the attention checks."""
        contents = [(i, *two, False) for i in self.items for two in combinations(self.methods, 2)]
        broken = (FROZEN, SHUFFLED)
        contents += [(i, TRUE, broken[n % 2], True) for n, i in enumerate(self.check_items)]
        pairs = []
        for number, (item, a, b, check) in enumerate(contents):
            codes = self.code(item, a), self.code(item, b)
            name = self.code(item, a, b, str(number if check else ""))
            pairs.append(Pair(name, item, (a, b), codes, self.code(item, "reference"), check))
        return tuple(pairs)

    def schedule(self, rater: str) -> tuple[Shown, ...]:
        """What the rater with this code sees, in order: half of the pairs change sides."""
        return _schedule(self, rater)

    def sheet(self) -> dict:
        """What a rater's page may know: codes in an order that reveals nothing, and the texts."""
        pairs = sorted((p.id, p.reference, *sorted(p.clips)) for p in self.pairs)
        return {
            "study": self.id, "question": self.question, "ties": self.ties, "pairs": pairs,
            "ethics": list(ETHICS), "consent": CONSENT,
        }  # fmt: skip

    def save(self, path: str | os.PathLike) -> None:
        """Keep the plan as JSON, for the instructor: it names the methods."""
        files.write_json(path, asdict(self))


def plan(
    items: Sequence[str], methods: Sequence[str], *, name: str = "study",
    checks: int | Sequence[str] = 4, allowed: int = 0, ties: bool = False,
    question: str = QUESTION, seed: int | None = None,
) -> Plan:  # fmt: skip
    """A study of all pairs of `methods` on all `items`.

    Args:
        items: names of the driving clips, about 12; raters never see them.
        methods: two or more names; raters never see them either.
        name: lower-case letters, digits and hyphens; raters see it.
        checks: how many attention checks, or the items to make them of (clips that move a lot).
        allowed: how many of them a rater may miss without being left out.
        ties: whether "no difference" may be answered; the published studies force a choice.
        question: what raters are asked.
        seed: decides the codes. Without it a secret one is drawn, which no rater can guess: save
            the plan then, for another call makes another study.

    Raises:
        StudyError: one sentence that says which argument is impossible.
    """
    items, methods = tuple(map(str, items)), tuple(map(str, methods))
    for what, given, least in (("items", items, 1), ("methods", methods, 2)):
        if len(given) < least or len(set(given)) < len(given):
            raise StudyError(
                f"A study needs {least} or more {what}, all different; got {list(given)}."
            )
    if taken := {TRUE, FROZEN, SHUFFLED, "reference"} & set(methods):
        raise StudyError(f"{taken.pop()!r} is the name of a clip in checks; rename that method.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
        raise StudyError(
            f"The study's name is {name!r}; take lower-case letters, digits and hyphens."
        )
    for method in methods:
        if re.search(rf"(?<![a-z0-9]){re.escape(method.lower())}(?![a-z0-9])",
                     f"{name}\n{question}".lower()):  # fmt: skip
            raise StudyError(f"Name and question are seen by raters; leave {method!r} out of them.")
    if isinstance(checks, int):
        if checks < 0:
            raise StudyError(f"checks must be 0 or more, or names of items; got {checks}.")
        checks = [items[n * len(items) // checks % len(items)] for n in range(checks)]
    checks = tuple(map(str, checks))
    if unknown := set(checks) - set(items):
        raise StudyError(f"Checks are made of the study's items; {unknown.pop()!r} is none.")
    if checks and not 0 <= allowed < len(checks):
        raise StudyError(
            f"A rater may miss {allowed} of {len(checks)} checks; give 0 to {len(checks) - 1}."
        )
    seed = secrets.randbits(64) if seed is None else int(seed)
    return Plan(name, items, methods, checks, seed, int(allowed), bool(ties), str(question))


def load_plan(path: str | os.PathLike) -> Plan:
    """The plan that `Plan.save` kept. Raises StudyError where there is none."""
    held = read_json(path)
    if not isinstance(held, dict) or set(held) != {field.name for field in fields(Plan)}:
        raise StudyError(f"{path} is no plan of a study; give a file that Plan.save wrote.")
    items, methods = held.pop("items"), held.pop("methods")
    try:
        return plan(items, methods, checks=held.pop("check_items"), **held)
    except (TypeError, ValueError) as problem:
        raise StudyError(f"The plan in {path} is damaged ({problem}); save it again.") from None


@lru_cache(maxsize=256)
def _schedule(plan: Plan, rater: str) -> tuple[Shown, ...]:
    pairs = {pair.id: pair for pair in plan.pairs}

    def ranked(what: str) -> list[str]:
        return sorted(pairs, key=lambda name: (mixed(f"{plan.id}/{rater}/{name}/{what}"), name))

    swapped = set(ranked("side")[: len(pairs) // 2])
    shown = []
    for name in ranked("order"):
        left, right = sorted(pairs[name].clips, reverse=name in swapped)
        shown.append(Shown(name, pairs[name].reference, left, right))
    return tuple(shown)


def mixed(text: str) -> int:
    """32 bits that look random: FNV-1a, then MurmurHash3's finaliser. `ballot_page.js` has it too.

    Source: Fowler, Noll, Vo, draft-eastlake-fnv; Appleby, MurmurHash3 (public domain).
    """
    h = 0x811C9DC5
    for byte in text.encode():
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = (h ^ h >> shift) * factor & 0xFFFFFFFF
    return h ^ h >> 16


# ------------------------------------------------------------------------------------- files


def read_json(path: str | os.PathLike, limit: int = 2**20) -> object:
    """What a JSON file of at most `limit` bytes holds. Raises StudyError.

    What is no ordinary file is refused before it is opened: a named pipe would wait for ever.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise StudyError(f"{path} is no ordinary file; give the file as the study wrote it.")
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise StudyError(
            f"{path} could not be read ({(error.strerror or str(error)).lower()})."
        ) from None
    if len(content) > limit:
        raise StudyError(f"{path} has more than {limit} bytes; a file of votes is far smaller.")
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise StudyError(
            f"{path} is not JSON; give the file as the study wrote it, unopened and complete."
        ) from None
