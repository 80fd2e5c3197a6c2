"""Sizes of a playable video model: the published ones, and one for 64 pixels and a CPU."""

from dataclasses import dataclass

from aidagen.errors import AidagenError


class ModelError(AidagenError):
    """Settings or an input that do not fit the model."""


@dataclass(frozen=True)
class PlayableConfig:
    """Sizes of the system; the defaults are the published ``bair``."""

    height: int = 256  # of a frame, in pixels; a multiple of 16, as the width
    width: int = 256
    stack: int = 1  # frames that one observation shows: the newest first, then older ones
    actions: int = 7  # K
    dimensions: int = 2  # D of the space in which an action is a direction
    channels: int = 16  # of the first convolution; a state has 4, a pose network 8 times as many
    hidden: int = 128  # channels of the dynamics
    scale: int = 8  # a state is a map of height / 8 x width / 8; 4 is ours
    places: bool = False  # ours: a pose begins with where colours lie
    normalise: bool = False  # ours: directions have mean 0 and variance 1 over a batch

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            size = getattr(self, name)
            if size < 16 or size % 16:
                raise ModelError(f"{name} must be a multiple of 16 pixels; got {size}.")
        if self.scale not in (4, 8):
            raise ModelError(f"A state is 4 or 8 times smaller than a frame; got {self.scale}.")
        if self.actions < 1 or self.dimensions < 1 or self.stack < 1 or self.hidden % 4:
            raise ModelError(
                f"A model needs an action, a dimension and a frame to look at, and a hidden width "
                f"that 4 divides; got {self.actions}, {self.dimensions}, {self.stack} and "
                f"{self.hidden}."
            )

    @property
    def state(self) -> int:
        """C, the channels of a state."""
        return 4 * self.channels

    @property
    def told(self) -> int:
        """Channels that tell the dynamics an action: K say which, D are its variability."""
        return self.actions + self.dimensions


PUBLISHED: dict[str, PlayableConfig] = {
    "bair": PlayableConfig(),
    "breakout": PlayableConfig(height=208, width=160, actions=3, dimensions=1, hidden=64),
    "tennis": PlayableConfig(height=96, stack=4, dimensions=5),
}


def playable_published(config: str, align_corners: bool = True) -> PlayableConfig:
    """A published config by name (3.1 to 9.9 M parameters; a GPU's work to train).

    Nothing is warped in this system, so ``align_corners`` changes nothing. Raises ``ModelError``
    for a name that is not published.
    """
    if config not in PUBLISHED:
        raise ModelError(f"No published config {config!r}; there are {', '.join(PUBLISHED)}.")
    return PUBLISHED[config]


def playable_small(actions: int = 3, dimensions: int = 2) -> PlayableConfig:
    """64 px, for a CPU: 1,069,894 trained parameters with three actions."""
    return PlayableConfig(
        height=64, width=64, actions=actions, dimensions=dimensions, channels=12, hidden=32,
        scale=4, places=True, normalise=True,
    )  # fmt: skip
