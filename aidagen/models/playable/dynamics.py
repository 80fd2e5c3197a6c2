"""R, the dynamics network: what comes next, given all that was and the action that is taken."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aidagen.models.playable.config import PlayableConfig
from aidagen.models.playable.layers import SameBlock, UpBlock


class Cell(NamedTuple):
    """The memory of one recurrent layer."""

    hidden: Float[Tensor, "B H h w"]
    cell: Float[Tensor, "B H h w"]


Memory = tuple[Cell, Cell, Cell]


def tiled(vector: Float[Tensor, "B A"], x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D h w"]:
    """``x`` with a vector at every place of it, as further channels."""
    return torch.cat([x, vector[..., None, None].expand(-1, -1, *x.shape[2:])], dim=1)


class Gates(nn.Module):
    """The convolutions of a ConvLSTM cell (Shi et al. 2015)."""

    def __init__(self, c_in: int, hidden: int):
        super().__init__()
        for name in ("input_gate", "forget_gate", "output_gate", "cell_gate"):
            setattr(self, name, nn.Conv2d(c_in + hidden, hidden, 3, padding=1))

    def forward(self, x: Float[Tensor, "B C h w"], last: Cell) -> Cell:
        x = torch.cat([x, last.hidden], dim=1)
        i, f, o = (gate(x).sigmoid() for gate in (self.input_gate, self.forget_gate,
                                                  self.output_gate))  # fmt: skip
        # eq. (5): c' = f c + i tanh(W [x, h]), h' = o tanh(c')
        cell = f * last.cell + i * self.cell_gate(x).tanh()
        return Cell(o * cell.tanh(), cell)


class ConvLSTM(nn.Module):
    """A cell and what it remembers before anything was seen, which is learnt."""

    def __init__(self, c_in: int, hidden: int, size: tuple[int, int]):
        super().__init__()
        self.cell = Gates(c_in, hidden)
        self.initial_hidden_state = nn.Parameter(torch.zeros(hidden, *size))
        self.initial_hidden_cell_state = nn.Parameter(torch.zeros(hidden, *size))

    def begin(self, count: int) -> Cell:
        """The memory of ``count`` clips that begin."""
        start = self.initial_hidden_state, self.initial_hidden_cell_state
        return Cell(*(x.expand(count, *x.shape) for x in start))


class DynamicsNetwork(nn.Module):
    """State, action and memory -> hidden state of the next frame, and the new memory.

    Three ConvLSTMs, the middle one at half size, with a convolution behind each; every one of the
    six is told the action. A batch norm follows each ConvLSTM, the memory is kept as it was before.
    """

    def __init__(self, config: PlayableConfig):
        super().__init__()
        h, told = config.hidden, config.told
        size = config.height // config.scale, config.width // config.scale
        half = size[0] // 2, size[1] // 2

        def recurrent(c_in: int, hidden: int, size: tuple[int, int]) -> nn.Sequential:
            return nn.Sequential(ConvLSTM(c_in + told, hidden, size), nn.BatchNorm2d(hidden))

        self.recurrent_layers_blocks = nn.ModuleList([
            recurrent(config.state, h, size), recurrent(2 * h, 2 * h, half), recurrent(h, h, size),
        ])  # fmt: skip
        self.non_recurrent_blocks = nn.ModuleList([
            SameBlock(h + told, 2 * h, 2), UpBlock(2 * h + told, h, late=True),
            SameBlock(h + told, h),
        ])  # fmt: skip

    def begin(self, count: int) -> Memory:
        """The memory of ``count`` clips that begin."""
        return tuple(lstm.begin(count) for lstm, _ in self.recurrent_layers_blocks)

    @torch.no_grad()
    def learn_actions(self, centroids: Float[Tensor, "K D"]) -> None:
        """Let each action do what its centroid did when it was told as variability alone.

        Both enter by convolutions, so W_a = W_v c makes W_a a + W_v v = W_v (a c + v), exactly.
        """
        told, of_variation = sum(centroids.shape), len(centroids)
        for (lstm, _), block in zip(self.recurrent_layers_blocks, self.non_recurrent_blocks):
            convs = [(gate, gate.out_channels) for gate in lstm.cell.children()]
            convs.append((block.conv if isinstance(block, UpBlock) else block.conv1, 0))
            for conv, behind in convs:  # channels that come after those that are told
                first = conv.in_channels - behind - told
                weights = conv.weight[:, first : first + told]
                weights[:, :of_variation] = torch.einsum(
                    "odij,kd->okij", weights[:, of_variation:], centroids
                )

    def forward(
        self,
        state: Float[Tensor, "B C h w"],
        action: Float[Tensor, "B K"],
        variation: Float[Tensor, "B D"],
        memory: Memory,
    ) -> tuple[Float[Tensor, "B H h w"], Memory]:
        told, x, kept = torch.cat([action, variation], dim=1), state, []
        layers = zip(self.recurrent_layers_blocks, self.non_recurrent_blocks, memory)
        for (lstm, norm), block, last in layers:
            kept.append(lstm.cell(tiled(told, x), last))
            x = block(tiled(told, norm(kept[-1].hidden)))
        return x, tuple(kept)
