"""Image to video with Monkey-Net: a recurrent network that predicts where keypoints will go.

Siarohin, Lathuilière, Tulyakov, Ricci, Sebe. CVPR 2019 (arXiv:1812.08861), the image-to-video task.

One picture is given. Its keypoints go into a GRU, zeros follow, and out come the keypoints of the
frames to come; ``MonkeyNet.render`` paints them. It is trained on sequences of keypoints that a
trained detector found, so a clip is a few hundred numbers and training takes seconds.

How this differs from the paper's code: there a flag decides between predicted covariances and
those of the first frame, and does the opposite of what its comment says (all large configs say
False and so use predicted ones). Here ``covariances`` says which, and "predicted" is the default.

Letters: B clips, T frames, K keypoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, no_type_check

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen import keypoints, systems
from aidagen.errors import AidagenError
from aidagen.models.monkeynet import Motion


class PredictionError(AidagenError):
    """Sequences that do not fit the predictor."""


@dataclass(frozen=True)
class PredictorConfig:
    """Sizes; the defaults are published, for all data sets of ten keypoints."""

    keypoints: int = 10
    hidden: int = 1024
    layers: int = 1


class Path(NamedTuple):
    """Keypoints over time."""

    points: Float[Tensor, "B T K 2"]
    covariances: Float[Tensor, "B T K 2 2"]


class KeypointPredictor(nn.Module):
    """Keypoints of some frames, zeros for the others -> keypoints of all frames."""

    def __init__(self, config: PredictorConfig = PredictorConfig()):
        super().__init__()
        self.config = config
        numbers = 6 * config.keypoints  # 2 of a mean, 4 of a covariance
        self.rnn = nn.GRU(numbers, config.hidden, config.layers, batch_first=True)
        self.linear = nn.Linear(config.hidden, numbers)

    @no_type_check  # what it is given is checked by hand, in a sentence
    def forward(self, path: Path, given: int | None = None) -> Path:
        """``given``: only that many frames are looked at, zeros stand for the others."""
        points, covariances = path
        if points.ndim != 4 or points.shape[2:] != (self.config.keypoints, 2):
            raise PredictionError(
                f"This predictor takes points (B, T, {self.config.keypoints}, 2); got "
                f"{tuple(points.shape)}. Give it the keypoints of the model it was trained with."
            )
        # all means, then all covariances
        x = torch.cat([points.flatten(2), covariances.flatten(2)], dim=-1)  # (B, T, 6 K)
        if given is not None:
            x = torch.cat([x[:, :given], torch.zeros_like(x[:, given:])], dim=1)
        # but the outputs lie keypoint by keypoint
        x = self.linear(self.rnn(x)[0]).unflatten(-1, (-1, 6))  # (B, T, K, 6)
        factor = x[..., 2:].unflatten(-1, (2, 2))
        return Path(x[..., :2].tanh(), factor.mT @ factor)  # A^T A is a covariance


# --- training ------------------------------------------------------------------------------------


class Objective(systems.Objective):
    """Go on from the first frame: L1 on means and covariances."""

    def __init__(self, model: KeypointPredictor):
        super().__init__()
        self.model = model

    def forward(self, phase: str, batch: Path, step: systems.Step) -> dict[str, Tensor]:
        predicted = self.model(batch, given=1)
        return {
            "points": F.l1_loss(predicted.points, batch.points),
            "covariances": F.l1_loss(predicted.covariances, batch.covariances),
        }


@dataclass(frozen=True)
class Paths:
    """Batches of random stretches of ``length`` frames.

    ``clips`` are sequences of one clip each, (1, T, K, 2) and (1, T, K, 2, 2); those that are
    shorter than ``length`` are left out. Raises ``PredictionError`` where none is long enough.
    """

    clips: Sequence[Path]
    length: int = 32

    def __post_init__(self) -> None:
        longest = max((clip.points.shape[1] for clip in self.clips), default=0)
        if not 2 <= self.length <= longest:
            raise PredictionError(
                f"Nothing to learn from: stretches of {self.length} frames are asked for, and the "
                f"longest clip has {longest}. Ask for 2 frames or more, and give clips that long."
            )

    def sets(self) -> dict:
        """The paths came from somewhere; from where, their owner knows."""
        return {}

    def draw(self, count: int, generator: torch.Generator) -> Path:
        """``count`` stretches, (count, length, K, 2) and (count, length, K, 2, 2)."""
        clips = [clip for clip in self.clips if clip.points.shape[1] >= self.length]
        stretches = []
        for i in torch.randint(len(clips), (count,), generator=generator).tolist():
            last = clips[i].points.shape[1] - self.length
            start = int(torch.randint(last + 1, (), generator=generator))
            stretches.append([x[:, start : start + self.length].detach() for x in clips[i]])
        return Path(*(torch.cat(x) for x in zip(*stretches)))


def predictor_small() -> PredictorConfig:
    """For a CPU: 80,700 parameters; 300 steps take 5 s of a core."""
    return PredictorConfig(hidden=128)


def untrained(config: PredictorConfig, weights: None = None) -> Objective:
    """An untrained predictor; its loss has no weights to choose."""
    return Objective(KeypointPredictor(config))


# --- use -----------------------------------------------------------------------------------------


@torch.no_grad()
def predict(
    predictor: KeypointPredictor,
    first: Motion,
    frames: int,
    covariances: Literal["predicted", "first"] = "predicted",
) -> Motion:
    """Where the keypoints of one picture go: ``frames`` poses, the first of them the given one.

    ``first`` is the ``Motion`` of one frame; the result is one of ``frames`` frames, ready for
    ``render``. ``covariances="first"`` keeps those of the first frame.
    """
    if len(first.points) != 1 or frames < 1:
        raise PredictionError(
            f"predict goes on from the motion of one frame, for at least one; got the motion of "
            f"{len(first.points)} and {frames} frames to make."
        )
    start = Path(first.points[None], first.covariances[None])
    padded = Path(*(torch.cat([x, x.new_zeros(1, frames - 1, *x.shape[2:])], 1) for x in start))
    found = predictor(padded, given=1)
    points = torch.cat([first.points, found.points[0, 1:]])  # what is known is not predicted
    if covariances == "first":
        return Motion(points, first.covariances.expand(frames, -1, -1, -1))
    # A^T A may be flat, a bump may not
    spread = keypoints.symmetric_positive(found.covariances[0, 1:], smallest=1e-3)
    spread = torch.cat([first.covariances, spread])
    return Motion(points, spread)


SYSTEM = systems.System(PredictorConfig, KeypointPredictor, untrained)
