"""ST-LSTM, the cell of PredRNN: beside its own memory it updates one that zigzags through all layers.

Source: predrnn-pytorch (Wang et al., NIPS 2017; TPAMI 2022). Convolutions without bias, each with a layer norm where
asked; forget bias 1. Gates of x in the order i, f, g, i', f', g', o; of h: i, f, g, o; of the flow: i, f, g.
"""

import torch

from tmu_models.cell import Cell, CellState, CellStep, Convolution, Projected
from tmu_models.errors import ShapeError
from tmu_models.pointwise import Fused, apart, tanh
from tmu_models.step_layers import StepConv2d

FORGET_BIAS = 1.0


class STLSTMCell(Cell):
    """`norm_grid` (h, w) adds a layer norm after each convolution; None leaves them out."""

    has_flow = True

    def __init__(
        self, in_channels: int, hidden_channels: int, kernel_size: int, norm_grid: tuple[int, int] | None = None
    ) -> None:
        super().__init__(in_channels, hidden_channels)
        width = hidden_channels
        self.conv_x = Convolution((in_channels,), 7 * width, kernel_size, norm_grid)
        self.conv_h = Convolution((width,), 4 * width, kernel_size, norm_grid)
        self.conv_m = Convolution((width,), 3 * width, kernel_size, norm_grid)
        self.conv_o = Convolution((width, width), width, kernel_size, norm_grid)
        self.conv_last = StepConv2d((width, width), width, 1)

    def project(self, x: torch.Tensor) -> Projected:
        return (self.conv_x(x),)

    def advance(self, projected: Projected, state: CellState, flow: torch.Tensor | None) -> CellStep:
        if flow is None:
            raise ShapeError("an ST-LSTM needs the spatiotemporal memory; begin with zeros like its hidden state")
        (of_input,), of_hidden, of_flow = projected, self.conv_h(state.hidden), self.conv_m(flow)
        memory, added, next_flow, added_to_flow, opened = _update(of_input, of_hidden, of_flow, state.memory, flow)
        opened = opened + self.conv_o(memory, next_flow)
        hidden = _output(opened, self.conv_last.part(0, memory) + self.conv_last.part(1, next_flow))
        return CellStep(CellState(hidden, memory), next_flow, increments=(added, added_to_flow))


@Fused
def _update(
    of_input: torch.Tensor,
    of_hidden: torch.Tensor,
    of_flow: torch.Tensor,
    memory: torch.Tensor,
    flow: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    """Both memories, what was added to each, and the output gate as far as input and hidden state decide it."""
    i_x, f_x, g_x, i_x2, f_x2, g_x2, o_x = (each.to(memory.dtype) for each in apart(of_input, 7))
    i_h, f_h, g_h, o_h = (each.to(memory.dtype) for each in apart(of_hidden, 4))
    i_m, f_m, g_m = (each.to(memory.dtype) for each in apart(of_flow, 3))
    added = torch.sigmoid(i_x + i_h) * tanh(g_x + g_h)
    next_memory = torch.sigmoid(f_x + f_h + FORGET_BIAS) * memory + added
    added_to_flow = torch.sigmoid(i_x2 + i_m) * tanh(g_x2 + g_m)
    next_flow = torch.sigmoid(f_x2 + f_m + FORGET_BIAS) * flow + added_to_flow
    return next_memory, added, next_flow, added_to_flow, (o_x + o_h).to(of_input.dtype)


@Fused
def _output(opened: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
    return torch.sigmoid(opened) * tanh(mixed)
