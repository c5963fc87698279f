"""The Transferable Memory Unit: a recurrent cell that also draws on what frozen sources would remember.

A target cell proposes its own memory c^. For each source k a 1x1 distiller predicts that source's memory,
d_k = LN(W_k c^); during training d_k is held to the memory the source really has (`losses.distillation_loss`),
afterwards no source is needed. Gates s_k, computed from the cell's input and hidden state, mix c^ and the d_k into
the memory that is carried on:

    mean     c = 1/K sum_k [ sigma(s_k) d_k + (1 - sigma(s_k)) c^ ]       the default; keeps the memory's scale
    softmax  (a_0, a_1..a_K) = softmax(s_0, s_1..s_K) in each place and channel;  c = a_0 c^ + sum_k a_k d_k
    sum      c = c^ + sum_k sigma(s_k) d_k

Closed gates (s_k far below zero) leave c = c^ in all three. The output is the wrapped cell's own, o tanh(c^), as in the
public code. That code's sum, c = c^ + sum_k [ sigma(s_k) d_k + (1 - sigma(s_k)) c^ ], multiplies the memory by up to
K + 1 in every step and is left out here on purpose.
Source: Yao et al., ICML 2020, and its public code.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import nn

from tmu_models.convlstm import ConvLSTMCell, LSTMState
from tmu_models.errors import ShapeError

Merge = Literal["mean", "softmax", "sum"]

# B clips, K sources, H hidden channels of the target, S channels of a source's memory, h w grid cells


class TransferGates(nn.Module):
    """Mixes a proposed memory with the memories distilled from it. `sources` maps a name to its memory's channels."""

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        grid: tuple[int, int],
        sources: Mapping[str, int],
        *,
        kernel_size: int = 5,
        merge: Merge = "mean",
        bias: float = 0.0,
    ) -> None:
        super().__init__()
        if not sources:
            raise ShapeError("transfer gates need at least one source; without sources use the plain cell")
        if merge not in ("mean", "softmax", "sum"):
            raise ShapeError(f"merge {merge!r} is unknown; use mean, softmax or sum")
        self.sources = tuple(sources)
        self.merge = merge
        num_gates = len(sources) + (merge == "softmax")
        self.gates = nn.Conv2d(
            in_channels + hidden_channels, num_gates * hidden_channels, kernel_size, padding=kernel_size // 2
        )
        with torch.no_grad():  # the last K gates belong to sources, an own one stands before them
            bias_of_gates = self.gates.bias
            assert bias_of_gates is not None
            bias_of_gates[-len(sources) * hidden_channels :] += bias
        self.distillers = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Conv2d(hidden_channels, channels, 1, bias=False), nn.LayerNorm((channels, *grid))
                )
                for name, channels in sources.items()
            }
        )
        self.expanders = nn.ModuleDict(  # a source of another width is brought back to the target's
            {
                name: nn.Identity()
                if channels == hidden_channels
                else nn.Conv2d(channels, hidden_channels, 1, bias=False)
                for name, channels in sources.items()
            }
        )

    def forward(
        self, x: torch.Tensor, hidden: torch.Tensor, proposed_BHhw: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The memory carried on (B, H, h, w), and what was distilled for each source (B, S, h, w)."""
        gates = self.gates(torch.cat([x, hidden], dim=1))
        gates_BGHhw = gates.unflatten(1, (-1, proposed_BHhw.shape[1]))
        distilled = {name: self.distillers[name](proposed_BHhw) for name in self.sources}
        drawn = [self.expanders[name](distilled[name]) for name in self.sources]
        if self.merge == "softmax":
            candidates_BGHhw = torch.stack([proposed_BHhw, *drawn], dim=1)
            memory = (torch.softmax(gates_BGHhw, dim=1) * candidates_BGHhw).sum(dim=1)
        else:
            drawn_BKHhw = torch.stack(drawn, dim=1)
            open_BKHhw = torch.sigmoid(gates_BGHhw)
            if self.merge == "mean":
                memory = torch.lerp(proposed_BHhw.unsqueeze(1), drawn_BKHhw, open_BKHhw).mean(dim=1)
            else:
                memory = proposed_BHhw + (open_BKHhw * drawn_BKHhw).sum(dim=1)
        return memory, distilled


class TMUCell(nn.Module):
    """A ConvLSTM cell whose memory is mixed with what its sources remember."""

    def __init__(self, cell: ConvLSTMCell, gates: TransferGates) -> None:
        super().__init__()
        self.cell = cell
        self.gates = gates

    def initial(self, x: torch.Tensor) -> LSTMState:
        return self.cell.initial(x)

    def forward(self, x: torch.Tensor, state: LSTMState) -> tuple[LSTMState, dict[str, torch.Tensor]]:
        proposed = self.cell(x, state)
        memory, distilled = self.gates(x, state.hidden, proposed.memory)
        return LSTMState(proposed.hidden, memory), distilled
