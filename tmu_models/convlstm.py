"""ConvLSTM, as two public codes have it (Shi et al., NIPS 2015, without peepholes).

`ConvLSTMCell` is the public TMU code's source network: one convolution of [input, hidden] with bias, gates in the
order i, f, o, g. `OpenSTLConvLSTMCell` is OpenSTL's: two convolutions without bias, gates in the order i, f, g, o.
Neither has a forget bias. OpenSTL's weights `conv_o` and `conv_last` of each cell take no part in its own forward pass
and are left out on purpose.
"""

import torch

from tmu_models.cell import Cell, CellState, CellStep, Convolution, Projected
from tmu_models.pointwise import LSTMUpdate


class ConvLSTMCell(Cell):
    """`norm_grid` (h, w) adds a layer norm over the gates; the public code has none."""

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: int, norm_grid: tuple[int, int] | None = None
    ) -> None:
        super().__init__(in_channels, hidden_channels)
        widths = (in_channels, hidden_channels)
        self.conv = Convolution(widths, 4 * hidden_channels, kernel_size, norm_grid, bias=True)
        self.update = LSTMUpdate("ifog")

    def project(self, x: torch.Tensor) -> Projected:
        return (self.conv.part(0, x),)

    def advance(self, projected: Projected, state: CellState, flow: torch.Tensor | None) -> CellStep:
        gates, of_hidden = projected[0], None if state.first else self.conv.part(1, state.hidden)
        if self.conv.has_norm:
            gates, of_hidden = self.conv.norm(gates if of_hidden is None else gates + of_hidden), None
        return CellStep(CellState(*self.update(gates, of_hidden, state.memory)), flow)


class OpenSTLConvLSTMCell(Cell):
    """`norm_grid` (h, w) adds OpenSTL's layer norms, one after each convolution."""

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: int, norm_grid: tuple[int, int] | None = None
    ) -> None:
        super().__init__(in_channels, hidden_channels)
        self.conv_x = Convolution((in_channels,), 4 * hidden_channels, kernel_size, norm_grid)
        self.conv_h = Convolution((hidden_channels,), 4 * hidden_channels, kernel_size, norm_grid)
        self.update = LSTMUpdate("ifgo")

    def project(self, x: torch.Tensor) -> Projected:
        return (self.conv_x(x),)

    def advance(self, projected: Projected, state: CellState, flow: torch.Tensor | None) -> CellStep:
        return CellStep(CellState(*self.update(projected[0], self.conv_h(state.hidden), state.memory)), flow)
