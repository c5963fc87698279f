"""Tensors of several steps as one, without copying where they already lie one behind the other.

What a step computes is written into the step's slot of a buffer; whoever needs the steps together, such as the gradient
of a weight, then takes the buffer as it is.
"""

from collections.abc import Sequence
from typing import Any

import torch


class StepBuffer:
    """Slots for one tensor a step, (B, C, h, w) each, channels last; made when the first is asked for."""

    def __init__(self, num_steps: int) -> None:
        self._num_steps = num_steps
        self._slots: torch.Tensor | None = None

    def slot(self, step: int, like_BChw: torch.Tensor, num_channels: int, dtype: torch.dtype) -> torch.Tensor:
        """Uninitialised. Writing to one is no change of another's, as autograd sees it."""
        if self._slots is None:
            B, _, h, w = like_BChw.shape
            self._slots = like_BChw.new_empty((self._num_steps, B, h, w, num_channels), dtype=dtype)
        return self._slots.data[step].permute(0, 3, 1, 2)


def as_one(steps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Steps (B, C, h, w) as (steps*B, C, h, w): a view where they are neighbours in one buffer, else a copy."""
    first = steps[0]
    size = first.numel()
    storage, offset = first.untyped_storage().data_ptr(), first.storage_offset()
    neighbours = first.is_contiguous(memory_format=torch.channels_last) and all(
        step.untyped_storage().data_ptr() == storage
        and step.storage_offset() == offset + number * size
        and step.shape == first.shape
        and step.stride() == first.stride()
        for number, step in enumerate(steps)
    )
    if not neighbours:
        return torch.cat(list(steps))
    return first.as_strided((len(steps) * len(first), *first.shape[1:]), first.stride())


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *steps: torch.Tensor) -> torch.Tensor:
        ctx.num_steps = len(steps)
        return as_one([step.data for step in steps])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(gradients[0].chunk(ctx.num_steps))


class _Part(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, together: torch.Tensor, num_steps: int) -> tuple[torch.Tensor, ...]:
        return tuple(step.data for step in together.chunk(num_steps))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return as_one(gradients), None


def join_steps(steps: Sequence[torch.Tensor]) -> torch.Tensor:
    """`as_one` for autograd."""
    joined: torch.Tensor = _Join.apply(*steps)
    return joined


def part_steps(together: torch.Tensor, num_steps: int) -> tuple[torch.Tensor, ...]:
    """(steps*B, C, h, w) as one (B, C, h, w) a step; gradients come back as one."""
    parts: tuple[torch.Tensor, ...] = _Part.apply(together, num_steps)
    return parts
