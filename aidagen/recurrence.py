"""A recurrent network that is told a label at every step; two systems of smiles unfold by it.

Letters: B sequences, T steps, E numbers of an embedding.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class ConditionalLSTM(nn.Module):
    """Unfolds the embedding of a neutral face over time, for a label."""

    def __init__(self, latent: int, labels: int, label_width: int, hidden: int):
        super().__init__()
        self.label = nn.Embedding(labels, label_width)
        self.start = nn.Linear(latent, 2 * hidden)
        self.cell = nn.LSTMCell(latent + label_width, hidden)
        self.step = nn.Linear(hidden, latent)

    def forward(
        self, z: Float[Tensor, "B E"], label: Int[Tensor, " B"], frames: int
    ) -> Float[Tensor, "B T E"]:
        """Frame 0 is ``z`` itself."""
        told = self.label(label)  # (B, label_width)
        state = self.start(z).tanh().chunk(2, dim=1)
        unfolded = [z]
        for _ in range(frames - 1):
            # what there is so far and the label, side by side (on the slides it is the state and
            # the label; the state is in `unfolded[-1]`, which it has just moved)
            state = self.cell(torch.cat([unfolded[-1], told], dim=1), state)
            # a step away from the last frame: smooth by construction
            unfolded.append(unfolded[-1] + self.step(state[0]))
        return torch.stack(unfolded, dim=1)
