"""What every recurrent cell is: one step.

A cell takes its input, what it carries itself (`CellState`), and what flows through all layers and on to the next step
(`flow`, PredRNN's spatiotemporal memory; None in families without one). It gives back the same three, so that one
network unrolls any of them and a wrapper may change what is carried.
"""

from typing import NamedTuple

import torch
from torch import nn

from tmu_models.checks import check_kernel

# B clips, C channels of the input, H hidden channels, h w grid cells


class CellState(NamedTuple):
    """What a cell carries from step to step, each (B, H, h, w). `memory` is what transfer distils."""

    hidden: torch.Tensor
    memory: torch.Tensor


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
        return CellState(zeros, zeros)

    def forward(self, x: torch.Tensor, state: CellState, flow: torch.Tensor | None) -> CellStep:
        """x (B, C, h, w) -> the next state, all (B, H, h, w)."""
        raise NotImplementedError


def convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    norm_grid: tuple[int, int] | None = None,
    *,
    bias: bool = False,
) -> nn.Sequential:
    """A convolution that keeps the grid, as `.0`, and where `norm_grid` (h, w) is given a layer norm as `.1`.

    Raises ShapeError for an even kernel, which does not keep it.
    """
    check_kernel(kernel_size)
    layer = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias)
    return nn.Sequential(layer) if norm_grid is None else nn.Sequential(layer, nn.LayerNorm((out_channels, *norm_grid)))


def source_key(name: str) -> str:
    """A source's name among the modules of a cell: `values` and `train` are names too, and ModuleDict has methods."""
    return f"source_{name}"
