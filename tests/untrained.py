"""A keypoint model that needs no weights: random, but its points move and its matrices turn."""

import torch

from aidagen.models import fomm


def model(seed=0, **changes):
    """`fomm_tiny`, with changes of its config, made livelier than fresh weights are."""
    from dataclasses import replace

    torch.manual_seed(seed)
    made = fomm.FOMM(replace(fomm.fomm_tiny(), **changes)).eval()
    with torch.no_grad():
        made.kp_detector.kp.weight *= 30
        if made.kp_detector.jacobian is not None:
            made.kp_detector.jacobian.weight.normal_(std=0.05)
    return made
