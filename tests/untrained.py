"""Models that need no weights: random, but what they make moves."""

import torch

from aidagen.models import fomm, smile


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


def smiles(seed=0, lively=1.0, **changes):
    """A small CMM-Net whose landmarks are a face's, and whose modes differ by ``lively``."""
    torch.manual_seed(seed)
    config = smile.SmileConfig(**{
        "latent": 8, "vae_width": 4, "vae_max": 8, "points_width": 16, "hidden": 12,
        "mode_hidden": 6, "painter_width": 4, "painter_blocks": 2, "painter_max": 8, **changes,
    })  # fmt: skip
    made = smile.SmileNet(config).eval()
    with torch.no_grad():
        for head in made.bend.heads:
            head.weight.mul_(3 * lively)
        made.vae.read[2].weight.mul_(0.2)
        made.vae.read[2].bias.copy_(neutral()[1].flatten())
    return made


def neutral(clip=0):
    """(3, 64, 64) and (68, 2): the first frame of a test clip of the smiles, and its landmarks."""
    from aidagen import datasets

    found = datasets.load("smiles").clips("test")[clip]
    points = torch.as_tensor(found.labels()["landmarks"][0]).float()
    return found.frames(0, 1)[0].float() / 255, points
