"""ConvLSTM: one cell is one step.

Source: the public TMU code's source network (Shi et al., NIPS 2015, without peepholes). One convolution of
[input, hidden] with bias, gates in the order i, f, o, g; no layer norm, no forget bias.
"""

from typing import NamedTuple

import torch
from torch import nn

# B clips, C channels of the input, H hidden channels, h w grid cells


class LSTMState(NamedTuple):
    """What a cell carries from step to step, each (B, H, h, w). `memory` is what transfer distils."""

    hidden: torch.Tensor
    memory: torch.Tensor


class ConvLSTMCell(nn.Module):
    """x (B, C, h, w), state -> the next state. The kernel is odd, so the grid keeps its size."""

    def __init__(self, in_channels: int, hidden_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.conv = nn.Sequential(
            nn.Conv2d(in_channels + hidden_channels, 4 * hidden_channels, kernel_size, padding=kernel_size // 2)
        )

    def initial(self, x: torch.Tensor) -> LSTMState:
        """Zeros of the size that `x` asks for."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[2:])
        return LSTMState(zeros, zeros)

    def forward(self, x: torch.Tensor, state: LSTMState) -> LSTMState:
        gates = self.conv(torch.cat([x, state.hidden], dim=1))
        i, f, o, g = torch.chunk(gates, 4, dim=1)
        memory = torch.sigmoid(f) * state.memory + torch.sigmoid(i) * torch.tanh(g)
        return LSTMState(torch.sigmoid(o) * torch.tanh(memory), memory)
