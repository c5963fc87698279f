"""A video predictor: a stack of cells unrolled over the frames of a clip, in patch space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import nn

from tmu_models.convlstm import ConvLSTMCell
from tmu_models.errors import ShapeError
from tmu_models.patches import from_patches, to_patches
from tmu_models.tmu import Merge, TMUCell, TransferGates

# B clips, T frames, C channels, H W pixels, P patch channels (p*p*C), S memory channels, h w grid cells


@dataclass(frozen=True)
class Prediction:
    """What one pass over clips gives. `frames` (B, T-1, C, H, W) predicts frames 1 to T-1.

    `memories` maps `cell/0`, `cell/1`, ... to (B, T-1, S, h, w), and is filled on request only. `distilled` maps
    (layer, source) to (B, T-1, S, h, w): what the target takes for that source's memory.
    """

    frames: torch.Tensor
    memories: dict[str, torch.Tensor] = field(default_factory=dict)
    distilled: dict[tuple[int, str], torch.Tensor] = field(default_factory=dict)


class VideoPredictor(nn.Module):
    """ConvLSTM layers between patches and patches; any of them may be a TMU.

    State-dict keys of the plain network are those of the public TMU code: `cell_list.{l}.conv.0`, `conv_last`.
    """

    def __init__(
        self,
        *,
        channels: int,
        frame_size: tuple[int, int],
        patch_size: int,
        hidden: Sequence[int],
        kernel_size: int,
    ) -> None:
        super().__init__()
        if not hidden:
            raise ShapeError("a network needs at least one layer; give hidden=(64, 64, 64, 64), say")
        if frame_size[0] % patch_size or frame_size[1] % patch_size:
            raise ShapeError(
                f"patch_size {patch_size} does not divide frames of {frame_size[0]}x{frame_size[1]}; choose a divisor"
            )
        self.channels = channels
        self.frame_size = frame_size
        self.patch_size = patch_size
        self.hidden = tuple(hidden)
        self.kernel_size = kernel_size
        patch_channels = patch_size**2 * channels
        widths = [patch_channels, *hidden]
        self.cell_list = nn.ModuleList(
            ConvLSTMCell(width, next_width, kernel_size) for width, next_width in zip(widths, hidden, strict=False)
        )
        self.conv_last = nn.Conv2d(hidden[-1], patch_channels, 1, bias=False)

    @property
    def grid(self) -> tuple[int, int]:
        """Cells of the recurrent grid, (h, w)."""
        return self.frame_size[0] // self.patch_size, self.frame_size[1] // self.patch_size

    @property
    def memory_channels(self) -> dict[str, int]:
        """The memories this network has, by name, and the channels of each."""
        return {f"cell/{layer}": width for layer, width in enumerate(self.hidden)}

    def add_transfer(
        self,
        layers: Sequence[int],
        sources: Mapping[str, int],
        *,
        kernel_size: int = 5,
        merge: Merge = "mean",
        bias: float = 0.0,
    ) -> None:
        """Turn the cells of `layers` into TMUs that distil `sources` (name -> memory channels).

        Weights the cells already have are kept, so a network may first load a source's weights. Raises ShapeError for
        a layer that does not exist or already is a TMU.
        """
        for layer in layers:
            if not 0 <= layer < len(self.hidden):
                raise ShapeError(f"layer {layer} does not exist; this network has layers 0 to {len(self.hidden) - 1}")
            cell: nn.Module = self.cell_list[layer]
            if not isinstance(cell, ConvLSTMCell):
                raise ShapeError(f"layer {layer} already is a TMU; build the network anew to change its sources")
            gates = TransferGates(
                cell.in_channels,
                cell.hidden_channels,
                self.grid,
                sources,
                kernel_size=kernel_size,
                merge=merge,
                bias=bias,
            )
            self.cell_list[layer] = TMUCell(cell, gates)

    def forward(
        self,
        frames_BTCHW: torch.Tensor,
        *,
        input_length: int,
        truth_mask: torch.Tensor | None = None,
        keep_memories: Sequence[str] = (),
    ) -> Prediction:
        """Predict frames 1 to T-1 of clips in [0, 1].

        The first `input_length` frames are shown; after them the network sees its own prediction, but for the clips
        and steps where `truth_mask` (B, T-1-input_length) is 1, which see the true frame. Raises ShapeError for
        clips, lengths, masks or memory names that do not fit.
        """
        self._check(frames_BTCHW, input_length, truth_mask, keep_memories)
        true_BTPhw = to_patches(frames_BTCHW, self.patch_size)
        cells = cast("list[ConvLSTMCell | TMUCell]", list(self.cell_list))
        states = [cell.initial(true_BTPhw[:, 0]) for cell in cells]
        kept: dict[str, list[torch.Tensor]] = {name: [] for name in keep_memories}
        distilled: dict[tuple[int, str], list[torch.Tensor]] = {}
        generated: list[torch.Tensor] = []
        for t in range(frames_BTCHW.shape[1] - 1):
            x = true_BTPhw[:, t]
            if t >= input_length:
                x = generated[-1]
                if truth_mask is not None:
                    shown = truth_mask[:, t - input_length, None, None, None].to(x.dtype)
                    x = shown * true_BTPhw[:, t] + (1 - shown) * x
            for layer, cell in enumerate(cells):
                if isinstance(cell, TMUCell):
                    states[layer], by_source = cell(x, states[layer])
                    for source, memory in by_source.items():
                        distilled.setdefault((layer, source), []).append(memory)
                else:
                    states[layer] = cell(x, states[layer])
                x = states[layer].hidden
                if f"cell/{layer}" in kept:
                    kept[f"cell/{layer}"].append(states[layer].memory)
            generated.append(self.conv_last(x))
        return Prediction(
            from_patches(torch.stack(generated, dim=1), self.patch_size),
            {name: torch.stack(steps, dim=1) for name, steps in kept.items()},
            {key: torch.stack(steps, dim=1) for key, steps in distilled.items()},
        )

    def _check(
        self,
        frames: torch.Tensor,
        input_length: int,
        truth_mask: torch.Tensor | None,
        keep_memories: Sequence[str],
    ) -> None:
        if frames.dim() != 5 or frames.shape[2:] != (self.channels, *self.frame_size):
            wanted = f"(B, T, {self.channels}, {self.frame_size[0]}, {self.frame_size[1]})"
            raise ShapeError(f"clips of shape {tuple(frames.shape)} do not fit a network for {wanted}")
        T = frames.shape[1]
        if not 1 <= input_length < T:
            raise ShapeError(f"input_length {input_length} does not fit clips of {T} frames; use 1 to {T - 1}")
        if truth_mask is not None and truth_mask.shape != (frames.shape[0], T - 1 - input_length):
            raise ShapeError(
                f"truth_mask has shape {tuple(truth_mask.shape)}, expected (B, T-1-input_length) = "
                f"({frames.shape[0]}, {T - 1 - input_length})"
            )
        if unknown := [name for name in keep_memories if name not in self.memory_channels]:
            raise ShapeError(f"no memory {unknown[0]!r}; this network has {', '.join(self.memory_channels)}")
