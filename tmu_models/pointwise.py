"""What a cell computes place by place, between its convolutions.

Plain torch, and where `fused_pointwise` is on compiled by torch into one kernel each way. Sums and states are kept in
the memory's precision, what waits for the backward pass in that of the gates.
"""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, ParamSpec, TypeVar

import torch
from torch import nn

from tmu_models.step_buffers import StepBuffer

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# B clips, H hidden channels, h w grid cells

MOST_SHAPES = 64  # that one function is compiled for in a process; others are computed as it stands


class Fused(Generic[Arguments, Result]):
    """A function of tensors that torch may compile, as a decorator. Where it cannot, the function itself is called."""

    enabled = False  # of all of them
    refused: str | None = None  # why torch could not compile one of them in this process

    def __init__(self, function: Callable[Arguments, Result]) -> None:
        self.function = function
        self._compiled: Callable[Arguments, Result] | None = None

    def __call__(self, *arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        if not Fused.enabled or Fused.refused:
            return self.function(*arguments, **options)
        try:
            if self._compiled is None:
                self._compiled = torch.compile(self.function)
            _allow_many_shapes()
            return self._compiled(*arguments, **options)
        except Exception as error:  # whatever compilers raise
            result = self.function(*arguments, **options)  # raises again what was not theirs
            Fused.refuse(error)
            return result

    @staticmethod
    def refuse(error: Exception) -> None:
        """From here on nothing in this process is compiled, and that is said once."""
        Fused.refused = f"torch cannot compile here, training goes on without: {first_line(error)}"
        warnings.warn(Fused.refused, stacklevel=2)


_shapes_allowed = threading.local()


def _allow_many_shapes() -> None:
    """Full and last batches, training and evaluation, the trials of a reused worker: each brings shapes of its own.

    torch keeps the setting for each thread, and a GPU's backward pass has its own.
    """
    if not getattr(_shapes_allowed, "done", False):
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MOST_SHAPES)
        _shapes_allowed.done = True


def first_line(error: Exception) -> str:
    """Of what it says, or its name where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextmanager
def fused_pointwise(enabled: bool = True) -> Iterator[None]:
    """Around a training step, forward and backward."""
    before, Fused.enabled = Fused.enabled, enabled
    try:
        yield
    finally:
        Fused.enabled = before


class LSTMUpdate(nn.Module):
    """Hidden state and memory of an LSTM from its gates, whose channels are in this order.

    c' = sigma(f) c + sigma(i) tanh(g),  h' = sigma(o) tanh(c').
    """

    def __init__(self, order: str) -> None:
        super().__init__()
        self.order = order
        self._steps: _Steps | None = None

    def begin_pass(self, num_steps: int) -> None:
        self._steps = _Steps(num_steps)

    def end_pass(self) -> None:
        self._steps = None

    def forward(
        self, input_gates: torch.Tensor, hidden_gates: torch.Tensor | None, memory_BHhw: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """From the gates' two shares, (B, 4H, h, w) each, both (B, H, h, w)."""
        if not Fused.enabled:
            return _lstm(input_gates, hidden_gates, memory_BHhw, self.order)
        steps = self._steps or _Steps(1)
        hidden, memory = _LSTMUpdate.apply(input_gates, hidden_gates, memory_BHhw, self.order, steps.next(), steps)
        return hidden, memory


def _lstm(
    input_gates: torch.Tensor, hidden_gates: torch.Tensor | None, memory: torch.Tensor, order: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """For autograd, whose own code is quicker than Python where nothing is compiled."""
    gates = input_gates.to(memory.dtype)
    if hidden_gates is not None:
        gates = gates + hidden_gates.to(memory.dtype)
    by_name = dict(zip(order, apart(gates, 4), strict=True))
    i, f, o = (torch.sigmoid(by_name[name]) for name in "ifo")
    new_memory = f * memory + i * torch.tanh(by_name["g"])
    return (o * torch.tanh(new_memory)).to(input_gates.dtype), new_memory


class _Steps:
    """Where the hidden states of a pass go, and the gradients of its gates."""

    def __init__(self, num_steps: int) -> None:
        self.hidden, self.gradients = StepBuffer(num_steps), StepBuffer(num_steps)
        self._begun = 0

    def next(self) -> int:
        self._begun += 1
        return self._begun - 1


class _LSTMUpdate(torch.autograd.Function):
    """With a backward pass of its own: one pass over what was kept, nothing is computed twice."""

    @staticmethod
    def forward(
        ctx: Any,
        input_gates: torch.Tensor,
        hidden_gates: torch.Tensor | None,
        memory: torch.Tensor,
        order: str,
        step: int,
        steps: _Steps,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = steps.hidden.slot(step, memory, memory.shape[1], input_gates.dtype)
        new_memory, *kept = _lstm_forward(input_gates, hidden_gates, memory, order, hidden)
        ctx.set_materialize_grads(False)
        ctx.order, ctx.step, ctx.gradients, ctx.both = order, step, steps.gradients, hidden_gates is not None
        ctx.save_for_backward(memory, *kept)
        return hidden, new_memory

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        memory, i, f, o, g, squashed = ctx.saved_tensors
        # One layout, whoever sends them: each layout more would be compiled anew.
        of_hidden, of_memory = (
            torch.zeros_like(like) if gradient is None else gradient.contiguous(memory_format=torch.channels_last)
            for gradient, like in zip(gradients, (o, memory), strict=True)
        )
        of_gates = ctx.gradients.slot(ctx.step, memory, 4 * memory.shape[1], i.dtype)
        of_memory = _lstm_backward(of_hidden, of_memory, memory, i, f, o, g, squashed, ctx.order, of_gates)
        return of_gates, of_gates if ctx.both else None, of_memory, None, None, None


def tanh(x: torch.Tensor) -> torch.Tensor:
    """Within compiled code from the sigmoid, equal to rounding: compilers for CPUs make a tanh three times slower."""
    return 2 * torch.sigmoid(2 * x) - 1 if torch.compiler.is_compiling() else torch.tanh(x)


def apart(gates: torch.Tensor, number: int) -> list[torch.Tensor]:
    """(B, number*C, h, w) in as many parts, each in one piece but in compiled code: loops over strides are slow."""
    parts = gates.chunk(number, dim=1)
    if torch.compiler.is_compiling():
        return list(parts)
    return [part.contiguous(memory_format=torch.channels_last) for part in parts]


@Fused
def _lstm_forward(
    input_gates: torch.Tensor,
    hidden_gates: torch.Tensor | None,
    memory: torch.Tensor,
    order: str,
    hidden: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    """Writes `hidden`; returns the memory, and for the way back i, f, o, g and tanh(c')."""
    gates = input_gates.to(memory.dtype)
    if hidden_gates is not None:
        gates = gates + hidden_gates.to(memory.dtype)
    by_name = dict(zip(order, apart(gates, 4), strict=True))
    i, f, o = (torch.sigmoid(by_name[name]) for name in "ifo")
    g = tanh(by_name["g"])
    new_memory = f * memory + i * g
    squashed = tanh(new_memory)
    kept = (each.to(input_gates.dtype) for each in (i, f, o, g, squashed))
    hidden.copy_(o * squashed)
    return new_memory, *kept


@Fused
def _lstm_backward(
    hidden_gradient: torch.Tensor,
    memory_gradient: torch.Tensor,
    memory: torch.Tensor,
    i: torch.Tensor,
    f: torch.Tensor,
    o: torch.Tensor,
    g: torch.Tensor,
    squashed: torch.Tensor,
    order: str,
    of_gates: torch.Tensor,
) -> torch.Tensor:
    """Writes the gates' gradients, (B, 4H, h, w); returns that of the memory before."""
    hidden_gradient, i, f, o, g, squashed = (each.to(memory.dtype) for each in (hidden_gradient, i, f, o, g, squashed))
    total = memory_gradient + hidden_gradient * o * (1 - squashed * squashed)
    by_name = {
        "i": total * g * i * (1 - i),
        "f": total * memory * f * (1 - f),
        "o": hidden_gradient * squashed * o * (1 - o),
        "g": total * i * (1 - g * g),
    }
    of_gates.copy_(torch.cat([by_name[name] for name in order], dim=1))
    return total * f
