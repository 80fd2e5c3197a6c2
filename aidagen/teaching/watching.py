"""Watching a model learn: a bar with the time left, and a picture every few seconds.

    watch = watching.Watch(steps=400, seconds=40, draw=picture)
    with torch.enable_grad():
        for _ in watch:                          # ends after 400 steps or 40 seconds
            watch.note(learning.step())          # the terms of the loss, kept in watch.history

`draw` makes the picture: anything that a notebook can show (a `plots.Plot`, a PIL image, what
`overlays.still` returns). While the loop runs, bar and picture replace themselves; at its end, or
where somebody interrupts it, one sentence and the last picture are left. Outside a notebook
IPython prints the same outputs as text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aidagen.errors import AidagenError

BAR = 0.5  # seconds between two movements of the bar


class Watch:
    """Counts the steps of a live training, and shows how far it is and what it has learnt.

    Args:
        steps: at most so many.
        seconds: at most so many, by the wall clock; what is drawn counts, too.
        draw: makes the picture of the present state; called before the first step, then every
            ``every`` seconds, and once more at the end.
        every: seconds between two pictures.
        clock: gives the seconds; for tests.

    Iterating gives the numbers of the steps from 0 on. Raises AidagenError where steps, seconds or
    ``every`` are not positive.
    """

    def __init__(
        self,
        steps: int,
        seconds: float,
        draw: Callable[[], Any],
        every: float = 3.0,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if steps < 1 or seconds <= 0 or every <= 0:
            raise AidagenError(
                "A training to watch needs at least one step, some seconds, and some seconds "
                f"between its pictures; got {steps}, {seconds} and {every}."
            )
        self.steps, self.seconds, self.every = steps, seconds, every
        self.draw, self.clock = draw, clock
        self.done = 0
        self.history: list[dict[str, float]] = []

    def note(self, terms: Mapping[str, float]) -> None:
        """Keep the terms of a step in ``history``, which `plots.terms` draws."""
        self.history.append(dict(terms))

    def __iter__(self) -> Iterator[int]:
        from IPython.display import display

        start = moved = drawn = self.clock()
        bar = display(_bar(0.0, "The first step ..."), display_id=True)
        picture = display(self.draw(), display_id=True)
        try:
            while self.done < self.steps and self.clock() - start < self.seconds:
                yield self.done
                self.done += 1
                now = self.clock()
                if now - drawn >= self.every:
                    _replace(picture, self.draw())
                    now = drawn = self.clock()
                if now - moved >= BAR:
                    moved = now
                    _replace(bar, _bar(*self.progress(now - start)))
        finally:
            _replace(bar, _sentence(self.ending()))
            _replace(picture, self.draw())

    def progress(self, elapsed: float) -> tuple[float, str]:
        """How much is done (0 to 1) ``elapsed`` seconds after the start, and that in words."""
        share = min(1.0, max(self.done / self.steps, elapsed / self.seconds))
        left = self.seconds - elapsed
        if self.done:
            left = min(left, (self.steps - self.done) * elapsed / self.done)
        return share, f"Step {self.done} of {self.steps}, about {max(0, round(left))} s left"

    def ending(self) -> str:
        """The sentence that stays."""
        steps = f"{self.done} step{'' if self.done == 1 else 's'}"
        if self.done >= self.steps:
            return f"Trained for {steps}."
        return f"Trained for {steps} of {self.steps}, until the time was over or it was stopped."


def _bar(share: float, words: str) -> Any:
    from IPython.display import HTML

    html = (
        f'<progress max="100" value="{100 * share:.0f}" aria-label="training" '
        f'style="width: 60%; height: 1.2em"></progress> <span>{words}</span>'
    )
    return HTML(html)


def _sentence(words: str) -> Any:
    from IPython.display import Markdown

    return Markdown(words)


def _replace(handle: Any, shown: Any) -> None:
    if handle is not None:  # display gives no handle where there is no IPython shell
        handle.update(shown)
