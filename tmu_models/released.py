"""The TMU cell exactly as the public code has it, its growing memory included.

It differs from `tmu.TMUCell` around a ConvLSTM in three ways: one layer norm spans the gates of the cell and of the
sources together; each source must have the target's width; and the merge adds c^ and every mixed memory without
normalising, so that with K sources c grows by up to K + 1 in each step (RMS about 1 at step 0, 10^4 at step 18 in the
released setting). Select it to reproduce published runs; for new work prefer `merge="mean"`.
"""

import warnings
from collections.abc import Mapping
from functools import cache

import torch
from torch import nn

from tmu_models.cell import Cell, CellState, CellStep, Convolution, Projected
from tmu_models.checks import check_kernel, check_sources
from tmu_models.convlstm import ConvLSTMCell
from tmu_models.errors import ShapeError
from tmu_models.pointwise import Fused, LSTMUpdate, apart
from tmu_models.tmu import distiller


class ReleasedTMUCell(Cell):
    """State-dict keys are the public code's: `conv.0`, `conv.1`, `distiller1`, `distiller2`, ...

    Gates in the order i, f, o, g, s_1, ..., s_K. Raises ShapeError for a source of another width.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: int,
        grid: tuple[int, int],
        sources: Mapping[str, int],
    ) -> None:
        super().__init__(in_channels, hidden_channels)
        if not sources:
            raise ShapeError("the released TMU cell needs at least one source; without sources use the plain cell")
        check_sources(sources)
        check_kernel(kernel_size)
        for name, channels in sources.items():
            if channels != hidden_channels:
                raise ShapeError(
                    f"source {name!r} has {channels} memory channels, the target {hidden_channels}; the released cell "
                    "needs equal widths. Use merge mean, softmax or sum."
                )
        self.sources = tuple(sources)
        out_channels = (4 + len(sources)) * hidden_channels
        self.conv = Convolution((in_channels, hidden_channels), out_channels, kernel_size, grid, bias=True)
        self.update = LSTMUpdate("ifog")
        for number in range(1, len(sources) + 1):
            self.add_module(f"distiller{number}", distiller(hidden_channels, hidden_channels, grid))

    def take_convolution(self, cell: ConvLSTMCell) -> None:
        """Begin with a plain cell's convolution in the rows of i, f, o, g, which both have in this order."""
        plain, own = cell.conv[0], self.conv[0]
        assert isinstance(plain, nn.Conv2d)
        assert isinstance(own, nn.Conv2d)
        with torch.no_grad():
            for mine, theirs in ((own.weight, plain.weight), (own.bias, plain.bias)):
                if mine is not None and theirs is not None:
                    mine[: len(theirs)] = theirs

    def project(self, x: torch.Tensor) -> Projected:
        return (self.conv.part(0, x),)

    def advance(self, projected: Projected, state: CellState, flow: torch.Tensor | None) -> CellStep:
        of_cell, of_sources = self._gates(projected, state)
        hidden, proposed = self.update(of_cell, None, state.memory)
        distilled = {
            name: self.get_submodule(f"distiller{number}")(proposed)
            for number, name in enumerate(self.sources, start=1)
        }
        memory = _merge(proposed, of_sources, list(distilled.values()))
        return CellStep(CellState(hidden, memory), flow, distilled=distilled)

    def proposed(self, projected: Projected, state: CellState) -> tuple[torch.Tensor, torch.Tensor]:
        """What `advance` merges with what it distils: the sources' gates before the sigmoid, (B, K*H, h, w), and c^."""
        of_cell, of_sources = self._gates(projected, state)
        return of_sources, self.update(of_cell, None, state.memory)[1]

    def _gates(self, projected: Projected, state: CellState) -> tuple[torch.Tensor, ...]:
        gates = self.conv.norm(projected[0] if state.first else projected[0] + self.conv.part(1, state.hidden))
        return gates.split((4 * self.hidden_channels, len(self.sources) * self.hidden_channels), dim=1)


@Fused
def _merge(proposed: torch.Tensor, gates: torch.Tensor, distilled: list[torch.Tensor]) -> torch.Tensor:
    memory = proposed
    for gate, each in zip(apart(gates, len(distilled)), distilled, strict=True):
        opened = torch.sigmoid(gate.to(proposed.dtype))
        memory = memory + opened * each.to(proposed.dtype) + (1 - opened) * proposed
    return memory


@cache
def warn_that_memory_grows() -> None:
    """Once a process: the warnings filter forgets whenever anybody catches warnings."""
    warnings.warn(
        "merge 'released' reproduces the public code, whose memory grows by up to K + 1 in every step; "
        "use 'mean' for new work",
        stacklevel=3,
    )
