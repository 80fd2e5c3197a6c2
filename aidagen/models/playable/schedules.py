"""What changes in the course of training: every schedule is a function of the step's number."""

from typing import NamedTuple


class Ramp(NamedTuple):
    """A number that goes from ``start`` to ``end`` along a line, and stays there."""

    start: float
    end: float
    steps: int  # that it takes
    begin: int = 0  # the last step that still has ``start``

    def at(self, step: int) -> float:
        """The number at a step."""
        share = (step - self.begin) / self.steps if self.steps else float(step >= self.begin)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


Number = float | Ramp  # a weight that stays, or one that changes


def number_at(number: Number, step: int) -> float:
    """A weight at a step."""
    return number.at(step) if isinstance(number, Ramp) else number


class Now(NamedTuple):
    """What holds at one step; see `Stages`."""

    temperature: float
    length: int
    real: int
    pretraining: bool
    free: bool
    held: bool
    rest: float
    silent: float


class Stages(NamedTuple):
    """How a run begins and goes on; the defaults are those of the published ``bair``.

    A run can begin with *pretraining*, in which every frame is painted from its own state. The
    *free* stage is ours, and it is what finds actions in minutes: the dynamics are told the whole
    direction, and no action. Directions then learn whatever helps most to say what comes next. At
    first they can be *held*: dynamics that do not listen yet have nothing to teach them, and would
    spoil what they show from the start (`actions.places`).
    Where the stage ends, k-means finds K actions among them; what is told beside them, ``rest`` of
    the variability, can shrink from then on. Dynamics that are told it in some clips and not in
    others (``silent``) learn to do without, and keep what it means.
    """

    temperature: Number = Ramp(1.0, 0.4, 20_000)  # of the Gumbel-softmax
    length: Number = Ramp(7, 12, 25_000)  # frames of a clip, rounded down
    real: Number = 6  # frames of which the dynamics see the real states, rounded down
    pretraining: int = 1000  # steps
    free: int = 0  # the first step with actions; 0: all steps have them
    held: int = 0  # steps of the free stage in which directions are taken as they begin
    noise: float = 0.1  # standard deviation of what is added to a free direction
    rest: Number = 1.0  # the share of the variability that is told
    silent: Number = 0.0  # the share of the clips in which none of it is told

    def at(self, step: int) -> Now:
        """What holds at a step, from 0."""
        length, real = (int(number_at(x, step) + 1e-6) for x in (self.length, self.real))
        return Now(
            number_at(self.temperature, step), length, real, step < self.pretraining,
            step < self.free, step < min(self.held, self.free), number_at(self.rest, step),
            number_at(self.silent, step),
        )  # fmt: skip


PUBLISHED: dict[str, Stages] = {
    "bair": Stages(),
    "breakout": Stages(length=Ramp(7, 9, 15_000), pretraining=3000),
    "tennis": Stages(pretraining=3000),
}
