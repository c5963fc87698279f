"""ConvLSTM, as two public codes have it (Shi et al., NIPS 2015, without peepholes).

`ConvLSTMCell` is the public TMU code's source network: one convolution of [input, hidden] with bias, gates in the
order i, f, o, g. `OpenSTLConvLSTMCell` is OpenSTL's: two convolutions without bias, gates in the order i, f, g, o.
Neither has a forget bias. OpenSTL's weights `conv_o` and `conv_last` of each cell take no part in its own forward pass
and are left out on purpose.
"""

import torch

from tmu_models.cell import Cell, CellState, CellStep, convolution


class ConvLSTMCell(Cell):
    """`norm_grid` (h, w) adds a layer norm over the gates; the public code has none."""

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: int, norm_grid: tuple[int, int] | None = None
    ) -> None:
        super().__init__(in_channels, hidden_channels)
        self.conv = convolution(in_channels + hidden_channels, 4 * hidden_channels, kernel_size, norm_grid, bias=True)

    def forward(self, x: torch.Tensor, state: CellState, flow: torch.Tensor | None) -> CellStep:
        i, f, o, g = torch.chunk(self.conv(torch.cat([x, state.hidden], dim=1)), 4, dim=1)
        return _step(i, f, g, o, state, flow)


class OpenSTLConvLSTMCell(Cell):
    """`norm_grid` (h, w) adds OpenSTL's layer norms, one after each convolution."""

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: int, norm_grid: tuple[int, int] | None = None
    ) -> None:
        super().__init__(in_channels, hidden_channels)
        self.conv_x = convolution(in_channels, 4 * hidden_channels, kernel_size, norm_grid)
        self.conv_h = convolution(hidden_channels, 4 * hidden_channels, kernel_size, norm_grid)

    def forward(self, x: torch.Tensor, state: CellState, flow: torch.Tensor | None) -> CellStep:
        i, f, g, o = torch.chunk(self.conv_x(x) + self.conv_h(state.hidden), 4, dim=1)
        return _step(i, f, g, o, state, flow)


def _step(
    i: torch.Tensor, f: torch.Tensor, g: torch.Tensor, o: torch.Tensor, state: CellState, flow: torch.Tensor | None
) -> CellStep:
    memory = torch.sigmoid(f) * state.memory + torch.sigmoid(i) * torch.tanh(g)
    return CellStep(CellState(torch.sigmoid(o) * torch.tanh(memory), memory), flow)
