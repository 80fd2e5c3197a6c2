"""What a picture of Deformable GANs is compared by: nearest neighbours, patches, features.

Siarohin, Sangineto, Lathuilière, Sebe. CVPR 2018 (arXiv:1801.00055), Section 3.4.
Letters as in `deformable_gan`.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aidagen.judges.features import IMAGENET_MEAN, IMAGENET_STD, mobilenet_features


def nearest_neighbour_map(
    generated: Float[Tensor, "B C H W"], real: Float[Tensor, "B C H W"], window: int = 3
) -> Float[Tensor, "B H W"]:
    """L1 distance to the nearest real feature in a window around each place; sum over channels.

    eq. (6): min over q in N(p) of |F(generated)(p) - F(real)(q)|_1. Places outside the picture
    never match. Gradients flow to ``generated`` alone, through the match that was found: first all
    ``window``^2 shifts are compared without gradients, keeping the best one, then the distance to
    it is taken once. That is exact, and its memory does not grow with the window.
    """
    height, width = real.shape[2:]
    reach = window // 2
    with torch.no_grad():
        best = real.new_full((len(real), height, width), torch.inf)
        match = torch.zeros_like(best, dtype=torch.long)
        y = torch.arange(height, device=real.device)[:, None]
        x = torch.arange(width, device=real.device)
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                # places p for which p + (dx, dy) is in the picture
                rows = slice(max(0, -dy), height - max(0, dy))
                columns = slice(max(0, -dx), width - max(0, dx))
                shifted = real[..., max(0, dy) : height + min(0, dy),
                               max(0, dx) : width + min(0, dx)]  # fmt: skip
                distance = (generated[..., rows, columns] - shifted).abs().sum(1)
                nearer = distance < best[:, rows, columns]
                place = ((y + dy) * width + x + dx)[rows, columns]
                match[:, rows, columns] = torch.where(nearer, place, match[:, rows, columns])
                best[:, rows, columns] = torch.where(nearer, distance, best[:, rows, columns])
        index = match.flatten(1)[:, None].expand(-1, real.shape[1], -1)  # (B, C, HW)
        matched = real.flatten(2).gather(2, index).view_as(real)
    return (generated - matched).abs().sum(1)


def nearest_neighbour_loss(
    generated: Float[Tensor, "B C H W"], real: Float[Tensor, "B C H W"], window: int = 3
) -> Float[Tensor, ""]:
    """The mean of `nearest_neighbour_map` over places."""
    return nearest_neighbour_map(generated, real, window).mean()


def generator_gan_loss(fake: Tensor) -> Float[Tensor, ""]:
    """-log D of generated pictures, from logits."""
    return F.softplus(-fake).mean()


def discriminator_gan_loss(real: Tensor, fake: Tensor) -> Float[Tensor, ""]:
    """-log D of real pictures and -log (1 - D) of generated ones, from logits."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


class Features(nn.Module):
    """MobileNetV2 at the two places where the losses want VGG-19: on pixels, and on patches.

    The first map is that of the first layer's 32 filters at *every* pixel (the network itself takes
    every second one, which would leave a checkerboard unpunished), before its ReLU; the second one,
    if there is ``matching``, has 24 channels at a quarter of the size.
    """

    def __init__(self, matching: bool = False):
        super().__init__()
        conv, norm, _ = mobilenet_features((0,)).layers[0]
        self.fine = nn.Conv2d(3, 32, 3, padding=1).requires_grad_(False)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        self.fine.weight.copy_(conv.weight * scale[:, None, None, None])
        self.fine.bias.copy_(norm.bias - norm.running_mean * scale)
        self.coarse = mobilenet_features((3,)) if matching else None
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B C h w"]]:
        maps = [self.fine((image - self.mean) / self.std)]
        return maps if self.coarse is None else maps + self.coarse(image)
