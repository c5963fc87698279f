"""The training step of the public TMU code, written out: the plain form against which the bench times ours.

It stands by itself, so that what makes our networks faster does not make it faster too, and it is no straw man: the
cases in `tests/fixtures/reference` hold for it number for number, sources run without gradients, and the bench prints
how near it comes to the processor's limit. One step of the recurrence after the other, one convolution of [input,
hidden] a layer, torch's default layout, the precision of its weights, sources run in every step.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from tmu_models import VideoPredictor, to_patches

# B clips, T frames, P patch channels, H hidden channels, h w grid cells

State = tuple[torch.Tensor, torch.Tensor]  # hidden and memory, (B, H, h, w) each


@dataclass(frozen=True)
class ReleasedPass:
    """What a pass over clips gives, each (B, T-1, channels, h, w).

    `patches` of frames 1 to T-1; layer 0's `memory`, and what it distilled for each source.
    """

    patches: torch.Tensor
    memory: torch.Tensor
    distilled: list[torch.Tensor]


class ReleasedCell(nn.Module):
    """A ConvLSTM; with `num_sources` its convolution has their gates too, a layer norm, and a distiller for each."""

    def __init__(
        self, in_channels: int, hidden: int, kernel_size: int, grid: tuple[int, int], num_sources: int
    ) -> None:
        super().__init__()
        self.hidden = hidden
        out_channels = (4 + num_sources) * hidden
        layer = nn.Conv2d(in_channels + hidden, out_channels, kernel_size, padding=kernel_size // 2)
        self.conv = nn.Sequential(layer, nn.LayerNorm((out_channels, *grid))) if num_sources else nn.Sequential(layer)
        self.distillers = [f"distiller{number}" for number in range(1, num_sources + 1)]
        for name in self.distillers:
            one_by_one = nn.Conv2d(hidden, hidden, 1, bias=False)
            self.add_module(name, nn.Sequential(one_by_one, nn.LayerNorm((hidden, *grid))))

    def forward(self, x: torch.Tensor, state: State) -> tuple[State, list[torch.Tensor]]:
        hidden, memory = state
        i, f, o, g, *gates = torch.split(self.conv(torch.cat([x, hidden], dim=1)), self.hidden, dim=1)
        proposed = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
        distilled = [self.get_submodule(name)(proposed) for name in self.distillers]
        carried = proposed
        for gate, drawn in zip(gates, distilled, strict=True):
            opened = torch.sigmoid(gate)
            carried = carried + opened * drawn + (1 - opened) * proposed
        return (torch.sigmoid(o) * torch.tanh(proposed), carried), distilled


class ReleasedNetwork(nn.Module):
    """A source (`num_sources` 0) or a target, whose layer 0 is the TMU. State-dict keys are the public code's."""

    def __init__(
        self,
        patch_channels: int,
        hidden: tuple[int, ...],
        kernel_size: int,
        grid: tuple[int, int] = (1, 1),
        num_sources: int = 0,
    ) -> None:
        """`grid` (h, w) is that of the TMU's layer norms; a source runs on any."""
        super().__init__()
        self.cell_list = nn.ModuleList(
            ReleasedCell(wide, width, kernel_size, grid, num_sources if layer == 0 else 0)
            for layer, (wide, width) in enumerate(zip((patch_channels, *hidden), hidden, strict=False))
        )
        self.conv_last = nn.Conv2d(hidden[-1], patch_channels, 1, bias=False)
        self.hidden = hidden

    @classmethod
    def like(cls, network: VideoPredictor, num_sources: int = 0) -> "ReleasedNetwork":
        """With the weights of a ConvLSTM of ours, or of one whose layer 0 was made a `released` TMU."""
        patch_channels = network.patch_size**2 * network.channels
        grid = network.grid if num_sources else (1, 1)
        made = cls(patch_channels, network.hidden, network.kernel_size, grid, num_sources)
        made.load_state_dict(network.state_dict())
        return made

    def forward(
        self, patches_BTPhw: torch.Tensor, input_length: int, mask_BT: torch.Tensor | None = None
    ) -> ReleasedPass:
        """`mask_BT` (B, T-1-input_length) is 1 where the true frame is shown after the first `input_length`."""
        B, T, _, h, w = patches_BTPhw.shape
        states: list[State] = []
        for width in self.hidden:
            zeros = patches_BTPhw.new_zeros(B, width, h, w)
            states.append((zeros, zeros))
        predicted: list[torch.Tensor] = []
        memories: list[torch.Tensor] = []
        distilled: list[list[torch.Tensor]] = []
        for t in range(T - 1):
            x = patches_BTPhw[:, t]
            if t >= input_length:
                x = predicted[-1]
                if mask_BT is not None:
                    shown = mask_BT[:, t - input_length, None, None, None]
                    x = shown * patches_BTPhw[:, t] + (1 - shown) * x
            for layer, cell in enumerate(self.cell_list):
                states[layer], drawn = cell(x, states[layer])
                x = states[layer][0]
                if layer == 0:
                    memories.append(states[0][1])
                    distilled.append(drawn)
            predicted.append(self.conv_last(x))
        each_source = zip(*distilled, strict=True)
        return ReleasedPass(
            torch.stack(predicted, 1), torch.stack(memories, 1), [torch.stack(drawn, 1) for drawn in each_source]
        )


class ReleasedStep:
    """A target in training, as released: Adam, the mean squared error of all predicted frames.

    The imitation is computed and never added.
    """

    def __init__(
        self,
        target: ReleasedNetwork,
        sources: Mapping[str, ReleasedNetwork],
        *,
        patch_size: int,
        input_length: int,
        learning_rate: float,
    ) -> None:
        """`sources` in the order of the target's distillers."""
        self.target = target
        self.sources = {name: source.eval().requires_grad_(False) for name, source in sources.items()}
        self.patch_size = patch_size
        self.input_length = input_length
        self.optimizer = torch.optim.Adam(target.parameters(), lr=learning_rate)

    def step(
        self,
        frames_BTCHW: torch.Tensor,
        mask_BT: torch.Tensor | None = None,
        source_mask_BT: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One optimiser step; returns prediction and imitation loss. The released code gives sources `mask_BT` too."""
        patches = to_patches(frames_BTCHW, self.patch_size)
        B, T = patches.shape[:2]
        with torch.no_grad():
            sources = self.sources.values()
            memories = [source(patches, self.input_length, source_mask_BT).memory for source in sources]
        prediction = self.target(patches, self.input_length, mask_BT)
        loss = F.mse_loss(prediction.patches, patches[:, 1:])
        imitation = torch.stack(
            [F.mse_loss(drawn, memory) * (T - 1) for drawn, memory in zip(prediction.distilled, memories, strict=True)]
        ).sum() / (B * T)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach(), imitation.detach()
