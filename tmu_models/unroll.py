"""One pass of a network over clips, step by step, with what is kept of each step.

Frames that are known beforehand are put through a layer's input convolution together. Where layers do not hand a flow
to each other within a step, a layer is run over all known steps before the next one begins, so that the hidden states
between them are known together too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch

from tmu_models.cell import Cell, CellState, CellStep, Projected
from tmu_models.knowledge_flow import KnowledgeFlowCell
from tmu_models.step_buffers import join_steps, part_steps

# B clips, T frames, P patch channels, H hidden channels, S memory channels, h w grid cells

Similarity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Unroll:
    """States of all layers, `kept` memories by name and `distilled` ones by (layer, source), a tensor a step."""

    def __init__(
        self,
        cells: Sequence[Cell],
        x_BPhw: torch.Tensor,
        kept_names: Sequence[str],
        *,
        teachers: Mapping[str, torch.Tensor] | None,
        similarity: Similarity | None,
    ) -> None:
        """`x_BPhw` is any input, for its size. `similarity` compares what is added to memory and flow."""
        self.cells = cells
        self.states: list[CellState] = [cell.initial(x_BPhw) for cell in cells]
        self.flow = self.states[0].memory if cells[0].has_flow else None
        self.teachers = teachers
        self.similarity = similarity
        self.kept: dict[str, list[torch.Tensor]] = {name: [] for name in kept_names}
        self.distilled: dict[tuple[int, str], list[torch.Tensor]] = {}
        self.similarities: list[torch.Tensor] = []

    def known(self, x_TBPhw: torch.Tensor) -> torch.Tensor:
        """Steps 0 to T-1, whose inputs are known; the top layer's hidden states, step after step, (T*B, H, h, w)."""
        T = len(x_TBPhw)
        x = x_TBPhw.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        if self.flow is None:
            for layer, cell in enumerate(self.cells):
                steps = enumerate(_by_step(cell.project(x), T))
                x = join_steps([self._advance(layer, t, projected) for t, projected in steps])
            return x
        first = _by_step(self.cells[0].project(x), T)
        return join_steps([self._step(t, projected) for t, projected in enumerate(first)])

    def step(self, t: int, x_BPhw: torch.Tensor) -> torch.Tensor:
        """One step of all layers; the top one's hidden state (B, H, h, w)."""
        return self._step(t, self.cells[0].project(x_BPhw))

    def _step(self, t: int, projected: Projected) -> torch.Tensor:
        hidden = self._advance(0, t, projected)
        for layer in range(1, len(self.cells)):
            hidden = self._advance(layer, t, self.cells[layer].project(hidden))
        return hidden

    def _advance(self, layer: int, t: int, projected: Projected) -> torch.Tensor:
        cell = self.cells[layer]
        if isinstance(cell, KnowledgeFlowCell):
            teachers = self.teachers
            cell.teach(None if teachers is None else {name: memory[:, t] for name, memory in teachers.items()})
        step = cell.advance(projected, self.states[layer], self.flow)
        self.states[layer], self.flow = step.state, step.flow
        self._keep(layer, step)
        return step.state.hidden

    def _keep(self, layer: int, step: CellStep) -> None:
        for source, memory in step.distilled.items():
            self.distilled.setdefault((layer, source), []).append(memory)
        if f"cell/{layer}" in self.kept:
            self.kept[f"cell/{layer}"].append(step.state.memory)
        if f"spatiotemporal/{layer}" in self.kept:
            self.kept[f"spatiotemporal/{layer}"].append(cast(torch.Tensor, step.flow))
        if self.similarity is not None and step.increments is not None:
            self.similarities.append(self.similarity(*step.increments))


def _by_step(projected: Projected, num_steps: int) -> list[Projected]:
    """What was projected for several steps at once, (T*B, C, h, w) each, as one a step."""
    return list(zip(*(part_steps(share, num_steps) for share in projected), strict=True))
