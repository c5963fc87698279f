"""ST-LSTM, the cell of PredRNN: beside its own memory it updates one that zigzags through all layers.

Source: predrnn-pytorch (Wang et al., NIPS 2017; TPAMI 2022). Convolutions without bias, each with a layer norm where
asked; forget bias 1. Gates of x in the order i, f, g, i', f', g', o; of h: i, f, g, o; of the flow: i, f, g.
"""

import torch
from torch import nn

from tmu_models.cell import Cell, CellState, CellStep, convolution
from tmu_models.errors import ShapeError

FORGET_BIAS = 1.0


class STLSTMCell(Cell):
    """`norm_grid` (h, w) adds a layer norm after each convolution; None leaves them out."""

    has_flow = True

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: int, norm_grid: tuple[int, int] | None = None
    ) -> None:
        super().__init__(in_channels, hidden_channels)
        width = hidden_channels
        self.conv_x = convolution(in_channels, 7 * width, kernel_size, norm_grid)
        self.conv_h = convolution(width, 4 * width, kernel_size, norm_grid)
        self.conv_m = convolution(width, 3 * width, kernel_size, norm_grid)
        self.conv_o = convolution(2 * width, width, kernel_size, norm_grid)
        self.conv_last = nn.Conv2d(2 * width, width, 1, bias=False)

    def forward(self, x: torch.Tensor, state: CellState, flow: torch.Tensor | None) -> CellStep:
        if flow is None:
            raise ShapeError("an ST-LSTM needs the spatiotemporal memory; begin with zeros like its hidden state")
        i_x, f_x, g_x, i_x2, f_x2, g_x2, o_x = torch.chunk(self.conv_x(x), 7, dim=1)
        i_h, f_h, g_h, o_h = torch.chunk(self.conv_h(state.hidden), 4, dim=1)
        i_m, f_m, g_m = torch.chunk(self.conv_m(flow), 3, dim=1)
        added = torch.sigmoid(i_x + i_h) * torch.tanh(g_x + g_h)
        memory = torch.sigmoid(f_x + f_h + FORGET_BIAS) * state.memory + added
        added_to_flow = torch.sigmoid(i_x2 + i_m) * torch.tanh(g_x2 + g_m)
        next_flow = torch.sigmoid(f_x2 + f_m + FORGET_BIAS) * flow + added_to_flow
        both = torch.cat([memory, next_flow], dim=1)
        hidden = torch.sigmoid(o_x + o_h + self.conv_o(both)) * torch.tanh(self.conv_last(both))
        return CellStep(CellState(hidden, memory), next_flow, increments=(added, added_to_flow))
