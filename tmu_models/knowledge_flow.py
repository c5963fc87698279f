"""Knowledge Flow: a target layer that borrows from its teachers' features while it learns, and is weaned off them.

    c = w_0 c^ + sum_k w_k T_k(m_k),     w = softmax of learned numbers, one for the layer and one for each teacher

with c^ the cell's own memory, m_k the memory of teacher k and T_k a 1x1 convolution. The dependence penalty
-log w_0, averaged over layers, drives w_0 to 1; at evaluation the teachers are gone and c = c^.
Source: Liu, Peng, Schwing, Knowledge Flow: Improve Upon Your Teachers, ICLR 2019, with memories for features.
"""

from collections.abc import Mapping

import torch
from torch import nn

from tmu_models.cell import Cell, CellState, CellStep, Projected, source_key
from tmu_models.checks import check_sources
from tmu_models.errors import ShapeError
from tmu_models.step_layers import StepConv2d


class KnowledgeFlowCell(Cell):
    """A cell of any family whose memory flows together with its teachers'. `sources`: name -> memory channels.

    `teachers` must hold this step's memories (B, S, h, w) before each step in training, see `teach`.
    """

    def __init__(self, cell: Cell, sources: Mapping[str, int]) -> None:
        super().__init__(cell.in_channels, cell.hidden_channels)
        if not sources:
            raise ShapeError("knowledge flow needs at least one source; without sources use the plain cell")
        check_sources(sources)
        self.has_flow = cell.has_flow
        self.cell = cell
        self.sources = dict(sources)
        self.logits = nn.Parameter(torch.zeros(1 + len(sources)))
        self.transforms = nn.ModuleDict(
            {source_key(name): StepConv2d((channels,), cell.hidden_channels, 1) for name, channels in sources.items()}
        )
        self.teachers: Mapping[str, torch.Tensor] | None = None

    def teach(self, memories: Mapping[str, torch.Tensor] | None) -> None:
        """Set what the teachers remember in the step to come; None leaves the cell alone, as after training.

        Raises ShapeError where a source is missing.
        """
        if memories is not None and (missing := [name for name in self.sources if name not in memories]):
            raise ShapeError(f"no memory of source {missing[0]!r} was given; got {sorted(memories)}")
        self.teachers = memories

    def project(self, x: torch.Tensor) -> Projected:
        return self.cell.project(x)

    def advance(self, projected: Projected, state: CellState, flow: torch.Tensor | None) -> CellStep:
        step = self.cell.advance(projected, state, flow)
        if self.teachers is None:
            return step
        weights = torch.softmax(self.logits, dim=0)
        memory = weights[0] * step.state.memory
        for number, name in enumerate(self.sources, start=1):
            borrowed = self.transforms[source_key(name)](self.teachers[name].to(memory.dtype))
            memory = memory + weights[number] * borrowed
        return step._replace(state=CellState(step.state.hidden, memory))

    def dependence(self) -> torch.Tensor:
        """-log w_0: 0 when the layer stands alone."""
        return -torch.log_softmax(self.logits, dim=0)[0]
