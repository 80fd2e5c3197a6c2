"""Monkey-Net's keypoint predictor, on the keypoints that a shipped detector finds."""

from dataclasses import dataclass
from functools import cached_property

import torch

from aidagen import datasets, pixels, zoo
from aidagen.models import monkeynet_prediction as prediction
from aidagen.recipes import Recipe


@dataclass(frozen=True)
class Keypoints:
    """Batches of keypoints over time: those that ``detector`` finds in training clips."""

    detector: str  # a Monkey-Net checkpoint
    data: str
    length: int = 32

    def sets(self) -> dict:
        """The data set."""
        return {self.data: datasets.load(self.data)}

    @cached_property
    def paths(self) -> prediction.Paths:
        """The keypoints of every training clip, found once."""
        model, clips = zoo.load(self.detector, "cpu"), self.sets()[self.data].clips("train")
        with torch.no_grad():
            motions = [model.motion(pixels.as_floats(clip.frames())) for clip in clips]
        paths = [prediction.Path(m.points[None], m.covariances[None]) for m in motions]
        return prediction.Paths(paths, self.length)

    def draw(self, count: int, generator: torch.Generator) -> prediction.Path:
        """``count`` random stretches."""
        return self.paths.draw(count, generator)


RECIPES = {
    "monkeynet-prediction-bodies": Recipe(
        prediction.predictor_small(),
        Keypoints("monkeynet-bodies-64", "bodies"),
        steps=300,
        batch=32,
        rate=3e-3,
        schedule="linear",
        betas=(0.9, 0.999),
        ema=0.0,
    ),
}
