"""A recurrent network that is told a label at every step; two systems of smiles unfold by it.

Letters: B sequences, T steps, E numbers of an embedding.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def clock(at: int, waves: int, period: int = 32) -> Float[Tensor, " N"]:
    """Step number ``at`` as sines and cosines, the slowest of which turns by half in a period."""
    turned = torch.pi * at / period * 2.0 ** torch.arange(waves)
    return torch.cat([turned.sin(), turned.cos()])


class ConditionalLSTM(nn.Module):
    """Unfolds the embedding of a neutral face over time, for a label.

    With ``waves`` it is told the time as well: without a clock, a network that runs freely learns
    that a smile comes and goes, and hardly when.
    """

    def __init__(self, latent: int, labels: int, label_width: int, hidden: int, waves: int = 0):
        super().__init__()
        self.waves = waves
        self.label = nn.Embedding(labels, label_width)
        self.start = nn.Linear(latent, 2 * hidden)
        self.cell = nn.LSTMCell(latent + label_width + 2 * waves, hidden)
        self.step = nn.Linear(hidden, latent)

    def told(self, label: Int[Tensor, " B"], at: int) -> Float[Tensor, "B N"]:
        """What the network is told at step ``at``: the label, and the time if it has a clock."""
        time = clock(at, self.waves).to(self.label.weight)
        return torch.cat([self.label(label), time.expand(len(label), -1)], dim=1)

    def forward(
        self, z: Float[Tensor, "B E"], label: Int[Tensor, " B"], frames: int
    ) -> Float[Tensor, "B T E"]:
        """Frame 0 is ``z`` itself."""
        state = self.start(z).tanh().chunk(2, dim=1)
        unfolded = [z]
        for at in range(1, frames):
            # what there is so far and the label, side by side (on the slides it is the state and
            # the label; the state is in `unfolded[-1]`, which it has just moved)
            state = self.cell(torch.cat([unfolded[-1], self.told(label, at)], dim=1), state)
            # a step away from the last frame: smooth by construction
            unfolded.append(unfolded[-1] + self.step(state[0]))
        return torch.stack(unfolded, dim=1)
