"""A Deformable GAN so small that a picture takes a moment, and a model that only copies."""

from types import SimpleNamespace

import torch

from aidagen.models import deformable_gan
from aidagen.models.deformable_gan import DeformableGANConfig

SMALL = DeformableGANConfig(channels=4, max_channels=8, background=True, composite=True)


def untrained(seed=0):
    """Random weights, the shipped levels."""
    torch.manual_seed(seed)
    return deformable_gan.DeformableGAN(SMALL).eval().requires_grad_(False)


class Copies(torch.nn.Module):
    """Paints the source again, whatever the pose, but for a number that is added to it."""

    def __init__(self, added=0.0):
        super().__init__()
        self.added = added

    def forward(self, source, source_pose, target_pose, backdrop=None):
        return SimpleNamespace(image=(source + self.added).clamp(0, 1))
