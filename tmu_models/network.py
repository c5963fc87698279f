"""A video predictor: a stack of cells of one family, unrolled over the frames of a clip, in patch space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import torch
from torch import nn

from tmu_models.cell import Cell
from tmu_models.checks import (
    check_clips,
    check_layers,
    check_memory_names,
    check_shown,
    check_sizes,
    check_teachers,
)
from tmu_models.convlstm import ConvLSTMCell
from tmu_models.errors import ShapeError
from tmu_models.families import cell_class
from tmu_models.knowledge_flow import KnowledgeFlowCell
from tmu_models.patches import from_patches, to_patches
from tmu_models.released import ReleasedTMUCell, warn_that_memory_grows
from tmu_models.step_layers import StepConv2d, one_pass
from tmu_models.tmu import Gate, Merge, TMUCell, TransferGates
from tmu_models.unroll import Unroll

# B clips, T frames, C channels, H W pixels, P patch channels (p*p*C), S memory channels, h w grid cells


@dataclass(frozen=True)
class Prediction:
    """What one pass over clips gives. `frames` (B, T-1, C, H, W) predicts frames 1 to T-1.

    `memories` maps `cell/0`, `spatiotemporal/0`, ... to (B, T-1, S, h, w): all of the network's, or those asked for.
    `distilled` maps (layer, source) to (B, T-1, S, h, w): what the target takes for that source's memory.
    `decoupling` is PredRNN-v2's loss, of networks that were built with it.
    """

    frames: torch.Tensor
    memories: dict[str, torch.Tensor] = field(default_factory=dict)
    distilled: dict[tuple[int, str], torch.Tensor] = field(default_factory=dict)
    decoupling: torch.Tensor | None = None


class VideoPredictor(nn.Module):
    """Recurrent layers between patches and patches; any of them may be a TMU.

    State-dict keys are those of the public codes: `cell_list.{l}`, `conv_last`, and `adapter` where PredRNN-v2's
    decoupling is on.
    """

    def __init__(
        self,
        *,
        channels: int,
        frame_size: tuple[int, int] | None,
        patch_size: int,
        hidden: Sequence[int],
        kernel_size: int,
        family: str = "convlstm",
        layer_norm: bool = False,
        decoupling: bool = False,
    ) -> None:
        """`frame_size` (H, W) may be None for a network that runs on frames of any size: without layer norm or TMU.

        Raises ShapeError for sizes that do not fit each other, and for an unknown family.
        """
        super().__init__()
        check_sizes(
            channels=channels, frame_size=frame_size, patch_size=patch_size, hidden=hidden, kernel_size=kernel_size
        )
        self.channels = channels
        self.frame_size = frame_size
        self.patch_size = patch_size
        self.hidden = tuple(hidden)
        self.kernel_size = kernel_size
        self.family = family
        self.layer_norm = layer_norm
        patch_channels = patch_size**2 * channels
        make_cell = cell_class(family)
        widths = [patch_channels, *hidden]
        self.cell_list = nn.ModuleList(
            make_cell(width, next_width, kernel_size, self.grid if layer_norm else None)
            for width, next_width in zip(widths, hidden, strict=False)
        )
        # Frames are in [0, 1]: half precision would be coarser than the pixels they are made of.
        self.conv_last = StepConv2d(hidden[-1:], patch_channels, 1, full_precision=True)
        self.has_flow = self.cells[0].has_flow
        if self.has_flow and len(set(hidden)) > 1:
            raise ShapeError(f"family {family!r} passes one memory through all layers: hidden {hidden} must be equal")
        self.adapter: StepConv2d | None = None
        if decoupling:
            if not self.has_flow:
                raise ShapeError(
                    f"family {family!r} has one memory only, there is nothing to decouple; set it to false"
                )
            self.adapter = StepConv2d(hidden[:1], hidden[0], 1)

    @property
    def cells(self) -> list[Cell]:
        return cast("list[Cell]", list(self.cell_list))

    @property
    def grid(self) -> tuple[int, int]:
        """Cells of the recurrent grid, (h, w). Raises ShapeError where the network has no frame size of its own."""
        if self.frame_size is None:
            raise ShapeError("a layer norm or a TMU needs a grid: build the network with frame_size=(H, W)")
        return self.frame_size[0] // self.patch_size, self.frame_size[1] // self.patch_size

    @property
    def memory_channels(self) -> dict[str, int]:
        """The memories this network has, by name, and the channels of each."""
        own = {f"cell/{layer}": width for layer, width in enumerate(self.hidden)}
        flow = {f"spatiotemporal/{layer}": width for layer, width in enumerate(self.hidden) if self.has_flow}
        return own | flow

    def add_transfer(
        self,
        layers: Sequence[int],
        sources: Mapping[str, int],
        *,
        kernel_size: int = 5,
        gate: Gate = "place",
        merge: Merge | Literal["released"] = "mean",
        bias: float = 0.0,
        trained: bool = False,
    ) -> None:
        """Turn the cells of `layers` into TMUs that distil `sources` (name -> memory channels).

        Weights the cells already have are kept, so a network may first load a source's weights; `released` keeps those
        of the convolution, whose layer norm over all gates is new. Its gates are of one kind: it takes no notice of
        `kernel_size`, `gate` and `bias`, and it warns that its memory grows, unless the network was `trained` so.
        Raises ShapeError for a layer that does not exist or already is a TMU, sources without a name or channels, and
        for `released` in a family other than ConvLSTM; then no layer is changed.
        """
        wrapped: dict[int, Cell] = {}
        for layer, cell in self._plain_cells(layers):
            wrapped[layer] = (
                self._released_cell(cell, sources)
                if merge == "released"
                else TMUCell(
                    cell,
                    TransferGates(
                        cell.in_channels,
                        cell.hidden_channels,
                        self.grid,
                        sources,
                        kernel_size=kernel_size,
                        gate=gate,
                        merge=merge,
                        bias=bias,
                    ),
                )
            )
        for layer, cell in wrapped.items():
            self.cell_list[layer] = cell
        if merge == "released" and not trained:
            warn_that_memory_grows()

    def add_knowledge_flow(self, layers: Sequence[int], sources: Mapping[str, int]) -> None:
        """Let the cells of `layers` borrow from teachers (name -> memory channels) while training.

        Their memories are given to `forward` as `teachers`. Raises ShapeError as `add_transfer` does.
        """
        for layer, cell in [(n, KnowledgeFlowCell(c, sources)) for n, c in self._plain_cells(layers)]:
            self.cell_list[layer] = cell

    def drop_teachers(self) -> None:
        """Knowledge-flow layers become the plain cells they are without their teachers; TMU layers stay."""
        for layer, cell in enumerate(self.cells):
            if isinstance(cell, KnowledgeFlowCell):
                self.cell_list[layer] = cell.cell

    def _plain_cells(self, layers: Sequence[int]) -> list[tuple[int, Cell]]:
        """The layers named, each with its cell, none of which draws on sources yet."""
        check_layers(layers, len(self.hidden))
        for layer in layers:
            if isinstance(self.cells[layer], (TMUCell, ReleasedTMUCell, KnowledgeFlowCell)):
                raise ShapeError(f"layer {layer} already draws on sources; build the network anew to change them")
        return [(layer, self.cells[layer]) for layer in layers]

    def _released_cell(self, cell: Cell, sources: Mapping[str, int]) -> ReleasedTMUCell:
        if not isinstance(cell, ConvLSTMCell):
            raise ShapeError(f"merge 'released' is a ConvLSTM's; family {self.family!r} takes mean, softmax or sum")
        released = ReleasedTMUCell(cell.in_channels, cell.hidden_channels, self.kernel_size, self.grid, sources)
        released.take_convolution(cell)
        return released

    def forward(
        self,
        frames_BTCHW: torch.Tensor,
        *,
        input_length: int,
        truth_mask: torch.Tensor | None = None,
        keep_memories: Sequence[str] | None = None,
        teachers: Mapping[str, torch.Tensor] | None = None,
    ) -> Prediction:
        """Predict frames 1 to T-1 of clips in [0, 1].

        The first `input_length` frames are shown; after them the network sees its own prediction, but for the clips
        and steps where `truth_mask` (B, T-1-input_length) is 1, which see the true frame. With `input_length` 1 and a
        mask (B, T-2) that is reverse scheduled sampling. `keep_memories` names the memories to return; None returns
        all. `teachers` (source -> memory (B, T-1, S, h, w)) feeds knowledge-flow layers; without it they stand alone.
        Raises ShapeError for clips, lengths, masks, teachers or memory names that do not fit, and for frames that are
        no numbers or far from [0, 1] and masks other than 0 and 1; values are not looked at on a GPU.
        """
        kept_names = tuple(self.memory_channels) if keep_memories is None else tuple(keep_memories)
        cells = self.cells
        check_clips(frames_BTCHW, self.channels, self.frame_size, self.conv_last.weight.dtype)
        check_shown(frames_BTCHW, input_length, truth_mask)
        check_memory_names(kept_names, self.memory_channels)
        true_TBPhw = to_patches(frames_BTCHW, self.patch_size).transpose(0, 1)
        T, B, _, h, w = true_TBPhw.shape
        learners = [cell.sources for cell in cells if isinstance(cell, KnowledgeFlowCell)]
        check_teachers(teachers, learners, (B, T - 1, h, w))
        with one_pass(self, T - 1):
            similarity = None if self.adapter is None else self._similarity
            steps = Unroll(cells, true_TBPhw[0], kept_names, teachers=teachers, similarity=similarity)
            generated = [self.conv_last(steps.known(true_TBPhw[:input_length]))]
            for t in range(input_length, T - 1):
                x = generated[-1][-B:]
                if truth_mask is not None:
                    shown = truth_mask[:, t - input_length, None, None, None].to(x.dtype)
                    x = shown * true_TBPhw[t] + (1 - shown) * x
                generated.append(self.conv_last(steps.step(t, x)))
        return Prediction(
            from_patches(torch.cat(generated).unflatten(0, (T - 1, B)).transpose(0, 1), self.patch_size),
            {name: torch.stack(kept, dim=1) for name, kept in steps.kept.items()},
            {key: torch.stack(distilled, dim=1) for key, distilled in steps.distilled.items()},
            torch.stack(steps.similarities).mean() if steps.similarities else None,
        )

    def dependence(self) -> torch.Tensor | None:
        """Knowledge Flow's penalty, the mean over its layers of -log of their own weight; None without such layers."""
        terms = [cell.dependence() for cell in self.cells if isinstance(cell, KnowledgeFlowCell)]
        return torch.stack(terms).mean() if terms else None

    def _similarity(self, added: torch.Tensor, added_to_flow: torch.Tensor) -> torch.Tensor:
        """Mean absolute cosine between what entered the two memories, per clip and channel (PredRNN-v2, eq. 6)."""
        assert self.adapter is not None
        one, other = self.adapter(added).flatten(2), self.adapter(added_to_flow).flatten(2)
        return torch.cosine_similarity(one, other, dim=2).abs().mean()
