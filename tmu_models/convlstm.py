"""ConvLSTM, as two public codes have it (Shi et al., NIPS 2015, without peepholes).

`ConvLSTMCell` is the public TMU code's source network: one convolution of [input, hidden] with bias, gates in the
order i, f, o, g. `OpenSTLConvLSTMCell` is OpenSTL's: two convolutions without bias, gates in the order i, f, g, o.
Neither has a forget bias. OpenSTL's weights `conv_o` and `conv_last` of each cell take no part in its own forward pass
and are left out on purpose.
"""

import torch

from tmu_models.cell import Cell, CellState, CellStep, Convolution, Projected
from tmu_models.pointwise import lstm_update


class ConvLSTMCell(Cell):
    """`norm_grid` (h, w) adds a layer norm over the gates; the public code has none."""

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: int, norm_grid: tuple[int, int] | None = None
    ) -> None:
        super().__init__(in_channels, hidden_channels)
        widths = (in_channels, hidden_channels)
        self.conv = Convolution(widths, 4 * hidden_channels, kernel_size, norm_grid, bias=True)

    def project(self, x: torch.Tensor) -> Projected:
        return (self.conv.part(0, x),)

    def advance(self, projected: Projected, state: CellState, flow: torch.Tensor | None) -> CellStep:
        of_input, of_hidden = projected[0], self.conv.part(1, state.hidden)
        if self.conv.has_norm:
            updated = lstm_update(self.conv.norm(of_input + of_hidden), None, state.memory, order="ifog")
        else:
            updated = lstm_update(of_input, of_hidden, state.memory, order="ifog")
        return CellStep(CellState(*updated), flow)


class OpenSTLConvLSTMCell(Cell):
    """`norm_grid` (h, w) adds OpenSTL's layer norms, one after each convolution."""

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: int, norm_grid: tuple[int, int] | None = None
    ) -> None:
        super().__init__(in_channels, hidden_channels)
        self.conv_x = Convolution((in_channels,), 4 * hidden_channels, kernel_size, norm_grid)
        self.conv_h = Convolution((hidden_channels,), 4 * hidden_channels, kernel_size, norm_grid)

    def project(self, x: torch.Tensor) -> Projected:
        return (self.conv_x(x),)

    def advance(self, projected: Projected, state: CellState, flow: torch.Tensor | None) -> CellStep:
        updated = lstm_update(projected[0], self.conv_h(state.hidden), state.memory, order="ifgo")
        return CellStep(CellState(*updated), flow)
