"""Training steps on a CUDA GPU, captured once for each shape and replayed: one launch for thousands of small kernels.

A step that cannot be captured is run as it is, and that is said once.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from tmu_models.pointwise import first_line

# B clips, T frames, C channels, H W pixels, S memory channels, h w grid cells

WARM_UP = 3  # steps of a shape before it is captured, while libraries choose and allocate
MOST_SHAPES = 8  # each holds memory of its own


@dataclass(frozen=True)
class StepInputs:
    """What a training step computes with, on its device."""

    frames: torch.Tensor  # (B, T, C, H, W)
    valid: torch.Tensor | None  # bool, of the same shape
    mask: torch.Tensor | None  # (B, T-1-shown): 1 where the true frame is shown
    memories: dict[str, torch.Tensor]  # of each source (B, T-1, S, h, w)
    strength: torch.Tensor  # (): weight of the imitation loss
    shown: int  # frames that are always shown

    @property
    def shape(self) -> Hashable:
        """Inputs of equal shape can be replayed by one graph."""
        tensors = tuple((name, tensor.shape, tensor.dtype) for name, tensor in self._tensors())
        return self.shown, tensors

    def clone(self) -> "StepInputs":
        def copied(tensor: torch.Tensor | None) -> torch.Tensor | None:
            return None if tensor is None else tensor.clone()

        return replace(
            self,
            frames=self.frames.clone(),
            valid=copied(self.valid),
            mask=copied(self.mask),
            memories={name: memory.clone() for name, memory in self.memories.items()},
            strength=self.strength.clone(),
        )

    def copy_(self, other: "StepInputs") -> None:
        """Take over the values of inputs of the same shape."""
        for (_, mine), (_, theirs) in zip(self._tensors(), other._tensors(), strict=True):
            mine.copy_(theirs, non_blocking=True)

    def _tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        named = {"frames": self.frames, "valid": self.valid, "mask": self.mask, "strength": self.strength}
        yield from ((name, tensor) for name, tensor in named.items() if tensor is not None)
        yield from ((f"memory {name}", memory) for name, memory in self.memories.items())


Losses = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    inputs: StepInputs
    losses: Losses


class GraphedStep:
    """`compute` with its optimiser step, as graphs. What it reads besides its inputs must stay where it lies."""

    def __init__(self, compute: Callable[[StepInputs], Losses]) -> None:
        self._compute = compute
        self._captured: dict[Hashable, _Captured] = {}
        self._pool: Any = None  # memory that all graphs share: they are replayed one after another
        self._side: torch.cuda.Stream | None = None
        self._run: Counter[Hashable] = Counter()
        self.refused: str | None = None  # why there are no graphs

    def __call__(self, inputs: StepInputs) -> Losses:
        shape = inputs.shape
        if shape not in self._captured and not self.refused and len(self._captured) < MOST_SHAPES:
            if self._run[shape] < WARM_UP:
                self._run[shape] += 1
                return self._beside(inputs)
            self._capture(shape, inputs)
        if shape not in self._captured:
            return self._compute(inputs)
        captured = self._captured[shape]
        captured.inputs.copy_(inputs)
        captured.graph.replay()
        loss, imitation = captured.losses
        return loss.clone(), imitation.clone()

    def _beside(self, inputs: StepInputs) -> Losses:
        """On a stream of its own, as capturing asks of the steps before it."""
        current = torch.cuda.current_stream()
        side = self._side = self._side or torch.cuda.Stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            losses = self._compute(inputs)
        current.wait_stream(side)
        return losses

    def _capture(self, shape: Hashable, inputs: StepInputs) -> None:
        graph, static, current = torch.cuda.CUDAGraph(), inputs.clone(), torch.cuda.current_stream()
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        try:
            # Not "global", which forbids the readers' threads to pin memory meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                losses = self._compute(static)
        except RuntimeError as error:
            torch.cuda.set_stream(current)  # a capture that cannot be ended leaves its own
            self.refused = f"the training step runs without a CUDA graph: {first_line(error)}"
            warnings.warn(self.refused, stacklevel=2)
            return
        self._captured[shape] = _Captured(graph, static, losses)
