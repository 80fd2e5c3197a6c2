"""How every lecture begins: one profile, one seed, one device, said in two lines.

Three profiles run through the same cells: ``smoke`` (seconds, what CI runs), ``lecture`` (the
default: live cells of at most a minute on two cores) and ``full`` (a GPU, or a night).
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from aidagen.errors import AidagenError

if TYPE_CHECKING:
    import numpy as np
    import torch

PROFILES = ("smoke", "lecture", "full")
T = TypeVar("T")


class Lesson(NamedTuple):
    """What the cells of one lecture share; made by :func:`start`."""

    number: str  # "05"
    profile: str  # "smoke", "lecture" or "full"
    seed: int
    device: torch.device
    threads: int  # CPU threads of torch
    rng: np.random.Generator  # seeded, for NumPy
    generator: torch.Generator  # seeded, on the CPU, for torch

    def pick(self, smoke: T, lecture: T, full: T | None = None) -> T:
        """The value for this lesson's profile; ``full`` is ``lecture``'s where it is left out.

        >>> steps = lesson.pick(smoke=2, lecture=200, full=20_000)     # doctest: +SKIP
        """
        if self.profile == "smoke":
            return smoke
        return full if self.profile == "full" and full is not None else lecture

    def __repr__(self) -> str:
        return f"Lesson({self.number!r}, profile={self.profile!r}, seed={self.seed})"


def start(
    number: str,
    profile: str | None = None,
    *,
    seed: int | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> Lesson:
    """Begin lecture ``number``: seed all generators, settle device and threads, say so.

    ``profile`` is one of ``smoke``, ``lecture``, ``full``; without it the environment variable
    ``AIDAGEN_PROFILE`` decides, and without that it is ``lecture``. The seed is the lecture's
    number. ``device="auto"`` takes a CUDA device where there is one that works. One CPU thread is
    the default, because small networks lose more to waiting threads than they gain (raise it with
    ``threads`` or ``AIDAGEN_THREADS`` on a quiet machine with many cores).

    Raises AidagenError for a number or a profile that does not exist.
    """
    if not (isinstance(number, str) and len(number) == 2 and number.isdigit()):
        raise AidagenError(
            f"A lecture is named by its two digits, as in start('05'); this was {number!r}."
        )
    chosen = profile or os.environ.get("AIDAGEN_PROFILE") or "lecture"
    if chosen not in PROFILES:
        raise AidagenError(
            f"There is no profile {chosen!r}: choose one of {', '.join(PROFILES)} "
            "(argument profile, or the environment variable AIDAGEN_PROFILE)."
        )
    given = os.environ.get("AIDAGEN_THREADS", "")
    count = threads or (int(given) if given.isdigit() else 0) or 1
    os.environ.setdefault("GOMP_SPINCOUNT", "0")  # read when torch is loaded: waiting threads sleep

    import numpy as np
    import torch

    from aidagen import devices

    torch.set_num_threads(count)
    number_seed = int(number) if seed is None else seed
    random.seed(number_seed)
    np.random.seed(number_seed)
    torch.manual_seed(number_seed)
    lesson = Lesson(
        number=number,
        profile=chosen,
        seed=number_seed,
        device=devices.best() if device == "auto" else torch.device(device),
        threads=count,
        rng=np.random.default_rng(number_seed),
        generator=torch.Generator().manual_seed(number_seed),
    )
    print(f"Lecture {number}, profile {chosen}, seed {number_seed}.")
    plural = "" if count == 1 else "s"
    print(f"Computing on {lesson.device.type}, {count} CPU thread{plural}.")
    return lesson
