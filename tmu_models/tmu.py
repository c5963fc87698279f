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

from tmu_models.cell import Cell, CellState, CellStep, Convolution, Projected, source_key
from tmu_models.checks import check_gate_bias, check_kernel, check_sources
from tmu_models.errors import ShapeError
from tmu_models.pointwise import Fused, apart
from tmu_models.step_layers import StepConv2d

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
        self.gates: StepConv2d | None = None
        if gate == "none":
            self.register_buffer("fixed_gates", biases)
        else:
            widths = (in_channels, hidden_channels)
            self.gates = StepConv2d(widths, num_gates * hidden_channels, kernel_size, bias=True)
            with torch.no_grad():
                self.gates.bias += biases.flatten()  # type: ignore[operator]
        self.distillers = nn.ModuleDict(
            {source_key(name): distiller(hidden_channels, channels, grid) for name, channels in sources.items()}
        )
        self.expanders = nn.ModuleDict(  # a source of another width is brought back to the target's
            {
                source_key(name): nn.Identity()
                if width == hidden_channels
                else StepConv2d((width,), hidden_channels, 1)
                for name, width in sources.items()
            }
        )

    def forward(
        self, x: torch.Tensor, hidden: torch.Tensor, proposed_BHhw: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The memory carried on (B, H, h, w), and what was distilled for each source (B, S, h, w)."""
        return self.advance(self.project(x), hidden, proposed_BHhw)

    def project(self, x: torch.Tensor) -> Projected:
        """The input's share of the gates, (B, G*H, h, w); nothing where gates are fixed."""
        return () if self.gates is None else (self.gates.part(0, x),)

    def advance(
        self, projected: Projected, hidden: torch.Tensor | None, proposed_BHhw: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The same as `forward`, from what `project` made of the input. `hidden` None is a hidden state of zeros."""
        distilled = {name: self.distillers[source_key(name)](proposed_BHhw) for name in self.sources}
        drawn = [self.expanders[source_key(name)](distilled[name]) for name in self.sources]
        merge = {"mean": _mean, "softmax": _softmax, "sum": _sum}[self.merge]
        return merge(proposed_BHhw, drawn, *self._gates(projected, hidden)), distilled

    def opened(
        self, projected: Projected, hidden: torch.Tensor | None, proposed_BHhw: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """How open each source's gate is, from 0 to 1: what `advance` weighs it by, (B, H, h, w) or of size 1."""
        own = self.merge == "softmax"
        gates = _summed(self._gates(projected, hidden), len(self.sources) + own, proposed_BHhw)
        weights = torch.softmax(torch.stack(gates), dim=0)[1:] if own else torch.sigmoid(torch.stack(gates))
        return dict(zip(self.sources, weights, strict=True))

    def _gates(self, projected: Projected, hidden: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What adds up to the gates before sigmoid or softmax, (B, G*H, h, w), or of size 1 where all are the same."""
        if self.gates is None:
            return self.fixed_gates.flatten()[None, :, None, None], None  # type: ignore[operator]
        of_input, of_hidden = projected[0], None if hidden is None else self.gates.part(1, hidden)
        if self.gate == "place":
            return of_input, of_hidden
        return (of_input if of_hidden is None else of_input + of_hidden).mean(dim=(-2, -1), keepdim=True), None


def _summed(shares: tuple[torch.Tensor, torch.Tensor | None], num_gates: int, like: torch.Tensor) -> list[torch.Tensor]:
    """Gates of each source, (B, H, h, w) each, in the memory's precision."""
    first, second = shares
    gates = first.to(like.dtype) if second is None else first.to(like.dtype) + second.to(like.dtype)
    return apart(gates, num_gates)


@Fused
def _mean(
    proposed: torch.Tensor, drawn: list[torch.Tensor], first: torch.Tensor, second: torch.Tensor | None
) -> torch.Tensor:
    opened = [torch.sigmoid(gate) for gate in _summed((first, second), len(drawn), proposed)]
    terms = [s * (d.to(proposed.dtype) - proposed) for s, d in zip(opened, drawn, strict=True)]
    return proposed + sum(terms[1:], terms[0]) / len(drawn)


@Fused
def _sum(
    proposed: torch.Tensor, drawn: list[torch.Tensor], first: torch.Tensor, second: torch.Tensor | None
) -> torch.Tensor:
    opened = [torch.sigmoid(gate) for gate in _summed((first, second), len(drawn), proposed)]
    memory = proposed
    for gate, each in zip(opened, drawn, strict=True):
        memory = memory + gate * each.to(proposed.dtype)
    return memory


@Fused
def _softmax(
    proposed: torch.Tensor, drawn: list[torch.Tensor], first: torch.Tensor, second: torch.Tensor | None
) -> torch.Tensor:
    candidates = torch.stack([proposed, *(each.to(proposed.dtype) for each in drawn)], dim=1)
    gates = torch.stack(_summed((first, second), len(drawn) + 1, proposed), dim=1)
    return (torch.softmax(gates, dim=1) * candidates).sum(dim=1)


class TMUCell(Cell):
    """A cell of any family whose memory is mixed with what its sources remember."""

    def __init__(self, cell: Cell, gates: TransferGates) -> None:
        super().__init__(cell.in_channels, cell.hidden_channels)
        self.has_flow = cell.has_flow
        self.cell = cell
        self.gates = gates

    def project(self, x: torch.Tensor) -> Projected:
        return *self.cell.project(x), *self.gates.project(x)

    def advance(self, projected: Projected, state: CellState, flow: torch.Tensor | None) -> CellStep:
        of_cell = len(projected) - (self.gates.gates is not None)
        step = self.cell.advance(projected[:of_cell], state, flow)
        memory, distilled = self.gates.advance(
            projected[of_cell:], None if state.first else state.hidden, step.state.memory
        )
        return step._replace(state=CellState(step.state.hidden, memory), distilled=distilled)


def distiller(hidden_channels: int, source_channels: int, grid: tuple[int, int]) -> Convolution:
    """LN(W c^): from the target's memory (B, H, h, w) to what a source would remember (B, S, h, w)."""
    return Convolution((hidden_channels,), source_channels, 1, grid)
