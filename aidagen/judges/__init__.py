"""Pretrained networks that look at pictures for us, each with its name, unit and licence.

    features   MobileNetV2 (trains: perceptual loss), EfficientNet-Lite0 (scores: fd, kd), VGG19
    faces      FaceLandmarks (68 points), Identity (128-d), Expression (7 classes); DlibLandmarks
    bodies     BodyPose (33 points, person mask; extra `judges`)
    joints     Joints: small nets of our own for the rendered sets at 64 px; they ship with us

A judge never trains: what a loss uses and what a score uses are different networks. Weights of
others are fetched by `aidagen.sources` on first use. Points are the house's, (x, y) in [-1, 1];
what a judge does not find is NaN, never a guess.
"""

from aidagen.judges.bodies import BODY_POINTS, BodyPose, BodyReading
from aidagen.judges.faces import (
    DlibLandmarks,
    Expression,
    FaceLandmarks,
    FaceReading,
    Identity,
)
from aidagen.judges.features import (
    PerceptualFeatures,
    ScoringFeatures,
    VGG19Features,
    mobilenet_features,
    scoring_features,
    vgg19_features,
)
from aidagen.judges.joints import JointReading, Joints

__all__ = [
    "BODY_POINTS",
    "BodyPose",
    "BodyReading",
    "DlibLandmarks",
    "Expression",
    "FaceLandmarks",
    "FaceReading",
    "Identity",
    "JointReading",
    "Joints",
    "PerceptualFeatures",
    "ScoringFeatures",
    "VGG19Features",
    "mobilenet_features",
    "scoring_features",
    "vgg19_features",
]
