"""The Transferable Memory Unit: any recurrent cell, made to draw on what frozen sources would remember.

The wrapped cell proposes a memory c^. For each source k a 1x1 distiller predicts that source's memory,
d_k = LN(W_k c^); during training d_k is held to the memory the source really has (`losses.distillation_loss`),
afterwards no source is needed. Gates s_k mix c^ and the d_k into the memory that is carried on:

    mean      c = 1/K sum_k [ sigma(s_k) d_k + (1 - sigma(s_k)) c^ ]       the default; keeps the memory's scale
    softmax   (a_0, a_1..a_K) = softmax(s_0, s_1..s_K);  c = a_0 c^ + sum_k a_k d_k
    sum       c = c^ + sum_k sigma(s_k) d_k
    released  c = c^ + sum_k [ sigma(s_k) d_k + (1 - sigma(s_k)) c^ ]      see `released.py`: the public code's cell

Gates are computed from the cell's input and hidden state by one convolution (`place`, as published: one for each
channel and place), by the same averaged over places (`channel`), or not at all (`none`: sigma(bias), nothing learned).
Closed gates (s_k far below zero) leave c = c^ in the first three. The output is the wrapped cell's own, as in the
public code. Source: Yao et al., ICML 2020, and its public code.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import nn

from tmu_models.cell import Cell, CellState, CellStep, source_key
from tmu_models.checks import check_gate_bias, check_kernel, check_sources
from tmu_models.errors import ShapeError

Merge = Literal["mean", "softmax", "sum"]
Gate = Literal["place", "channel", "none"]
MERGES: tuple[Merge, ...] = ("mean", "softmax", "sum")
GATES: tuple[Gate, ...] = ("place", "channel", "none")

# B clips, K sources, G gates (K, or K + 1 with an own one), H hidden channels of the target, S channels of a source's
# memory, h w grid cells


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
        gate: Gate = "place",
        merge: Merge = "mean",
        bias: float = 0.0,
    ) -> None:
        super().__init__()
        if not sources:
            raise ShapeError("transfer gates need at least one source; without sources use the plain cell")
        if merge not in MERGES:
            raise ShapeError(f"merge {merge!r} is unknown; use {', '.join(MERGES)}")
        if gate not in GATES:
            raise ShapeError(f"gate {gate!r} is unknown; use {', '.join(GATES)}")
        check_sources(sources)
        check_kernel(kernel_size)
        check_gate_bias(bias)
        self.sources = tuple(sources)
        self.merge = merge
        self.gate = gate
        self.hidden_channels = hidden_channels
        own = merge == "softmax"
        num_gates = len(sources) + own
        # Every source's gate begins at `bias`, an own one at 0.
        biases = torch.full((num_gates, hidden_channels), float(bias))
        biases[:own] = 0.0
        self.gates: nn.Conv2d | None = None
        if gate == "none":
            self.register_buffer("fixed_gates", biases)
        else:
            padding = kernel_size // 2
            self.gates = nn.Conv2d(
                in_channels + hidden_channels, num_gates * hidden_channels, kernel_size, padding=padding
            )
            with torch.no_grad():
                self.gates.bias += biases.flatten()  # type: ignore[operator]
        self.distillers = nn.ModuleDict(
            {source_key(name): distiller(hidden_channels, channels, grid) for name, channels in sources.items()}
        )
        self.expanders = nn.ModuleDict(  # a source of another width is brought back to the target's
            {
                source_key(name): nn.Identity()
                if width == hidden_channels
                else nn.Conv2d(width, hidden_channels, 1, bias=False)
                for name, width in sources.items()
            }
        )

    def forward(
        self, x: torch.Tensor, hidden: torch.Tensor, proposed_BHhw: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The memory carried on (B, H, h, w), and what was distilled for each source (B, S, h, w)."""
        gates_BGHhw = self._gates(x, hidden)
        distilled = {name: self.distillers[source_key(name)](proposed_BHhw) for name in self.sources}
        drawn = [self.expanders[source_key(name)](distilled[name]) for name in self.sources]
        if self.merge == "softmax":
            candidates_BGHhw = torch.stack([proposed_BHhw, *drawn], dim=1)
            memory = (torch.softmax(gates_BGHhw, dim=1) * candidates_BGHhw).sum(dim=1)
        else:
            drawn_BKHhw = torch.stack(drawn, dim=1)
            open_BKHhw = torch.sigmoid(gates_BGHhw)
            if self.merge == "mean":
                own_B1Hhw = proposed_BHhw.unsqueeze(1)
                memory = (own_B1Hhw + open_BKHhw * (drawn_BKHhw - own_B1Hhw)).mean(dim=1)
            else:
                memory = proposed_BHhw + (open_BKHhw * drawn_BKHhw).sum(dim=1)
        return memory, distilled

    def _gates(self, x: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Before their sigmoid or softmax, (B, G, H, h, w), with sizes of 1 where a gate is the same for all."""
        if self.gates is None:
            return self.fixed_gates[None, :, :, None, None]  # type: ignore[index]
        gates_BGHhw = self.gates(torch.cat([x, hidden], dim=1)).unflatten(1, (-1, self.hidden_channels))
        return gates_BGHhw.mean(dim=(-2, -1), keepdim=True) if self.gate == "channel" else gates_BGHhw


class TMUCell(Cell):
    """A cell of any family whose memory is mixed with what its sources remember."""

    def __init__(self, cell: Cell, gates: TransferGates) -> None:
        super().__init__(cell.in_channels, cell.hidden_channels)
        self.has_flow = cell.has_flow
        self.cell = cell
        self.gates = gates

    def forward(self, x: torch.Tensor, state: CellState, flow: torch.Tensor | None) -> CellStep:
        step = self.cell(x, state, flow)
        memory, distilled = self.gates(x, state.hidden, step.state.memory)
        return step._replace(state=CellState(step.state.hidden, memory), distilled=distilled)


def distiller(hidden_channels: int, source_channels: int, grid: tuple[int, int]) -> nn.Sequential:
    """LN(W c^): from the target's memory (B, H, h, w) to what a source would remember (B, S, h, w)."""
    return nn.Sequential(
        nn.Conv2d(hidden_channels, source_channels, 1, bias=False), nn.LayerNorm((source_channels, *grid))
    )
