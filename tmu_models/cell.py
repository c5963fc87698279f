"""What every recurrent cell is: one step.

A cell takes its input, what it carries itself (`CellState`), and what flows through all layers and on to the next step
(`flow`, PredRNN's spatiotemporal memory; None in families without one). It gives back the same three, so that one
network unrolls any of them and a wrapper may change what is carried. What a step computes of its input alone may be a
method of its own (`project`): a network calls it for all known inputs at once.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import nn

from tmu_models.step_layers import StepConv2d, StepLayerNorm

# B clips, C channels of the input, H hidden channels, h w grid cells

Projected = tuple[torch.Tensor, ...]


class CellState(NamedTuple):
    """What a cell carries from step to step, each (B, H, h, w). `memory` is what transfer distils.

    `first` tells that nothing has been carried yet: both are zero, and what is convolved of them need not be.
    """

    hidden: torch.Tensor
    memory: torch.Tensor
    first: bool = False


class CellStep(NamedTuple):
    """What one step gives. `distilled` is filled by cells that imitate sources, by source name.

    `increments` are what was just added to the cell's memory and to the flow, for losses that keep the two apart.
    """

    state: CellState
    flow: torch.Tensor | None
    distilled: dict[str, torch.Tensor] = {}
    increments: tuple[torch.Tensor, torch.Tensor] | None = None


class Cell(nn.Module):
    """The base of all cells. `has_flow` says whether the family passes a flow through its layers."""

    has_flow = False

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: int = 1, norm_grid: tuple[int, int] | None = None
    ) -> None:
        """A family takes these four; wrappers of cells need the first two only."""
        super().__init__()
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels

    def initial(self, x: torch.Tensor) -> CellState:
        """Zeros of the size that `x` (B, C, h, w) asks for."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[2:])
        zeros = zeros.contiguous(memory_format=torch.channels_last)
        return CellState(zeros, zeros, first=True)

    def forward(self, x: torch.Tensor, state: CellState, flow: torch.Tensor | None) -> CellStep:
        """x (B, C, h, w) -> the next state, all (B, H, h, w)."""
        return self.advance(self.project(x), state, flow)

    def project(self, x: torch.Tensor) -> Projected:
        """What the step needs of its input x (B, C, h, w), each (B, channels, h, w); no clip depends on another."""
        return (x,)

    def advance(self, projected: Projected, state: CellState, flow: torch.Tensor | None) -> CellStep:
        """The step, from what `project` made of its input. A family has this and `project`, or `forward` alone."""
        if type(self).forward is Cell.forward:
            raise NotImplementedError(f"{type(self).__name__} has neither forward nor advance")
        return self(projected[0], state, flow)


class Convolution(nn.Sequential):
    """A convolution that keeps the grid, as `.0`, and where `norm_grid` (h, w) is given a layer norm as `.1`.

    Over inputs of `widths` channels, one after the other. Raises ShapeError for an even kernel, which keeps no grid.
    """

    def __init__(
        self,
        widths: Sequence[int],
        out_channels: int,
        kernel_size: int,
        norm_grid: tuple[int, int] | None = None,
        *,
        bias: bool = False,
    ) -> None:
        layer_norm = [] if norm_grid is None else [StepLayerNorm((out_channels, *norm_grid))]
        super().__init__(StepConv2d(widths, out_channels, kernel_size, bias=bias), *layer_norm)

    def part(self, number: int, x: torch.Tensor) -> torch.Tensor:
        """What one input adds, before the norm, (B, out, h, w)."""
        return cast(StepConv2d, self[0]).part(number, x)

    @property
    def has_norm(self) -> bool:
        return len(self) > 1

    def norm(self, convolved: torch.Tensor) -> torch.Tensor:
        """The layer norm of what all inputs add up to; the same where there is none."""
        return self[1](convolved) if self.has_norm else convolved

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.norm(self[0](*inputs))


def source_key(name: str) -> str:
    """A source's name among the modules of a cell: `values` and `train` are names too, and ModuleDict has methods."""
    return f"source_{name}"
