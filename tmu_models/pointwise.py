"""What a cell computes place by place, between its convolutions.

Plain torch, and where `fused_pointwise` is on compiled by torch into one kernel each way. Sums and states are kept in
the memory's precision, what waits for the backward pass in that of the gates.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, ParamSpec, TypeVar

import torch

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
                self._compiled = _compile(self.function)
            return self._compiled(*arguments, **options)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # whatever compilers raise
            if "allocate memory" in str(error):  # what torch raises on a processor
                raise
            Fused.refused = f"torch cannot compile here, training goes on without: {first_line(error)}"
            warnings.warn(Fused.refused, stacklevel=2)
            return self.function(*arguments, **options)


def first_line(error: Exception) -> str:
    """Of what it says, or its name where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _compile(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    # Training and evaluation, full and last batches, and the trials of a reused worker each bring shapes of their own.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MOST_SHAPES)
    return torch.compile(function)


@contextmanager
def fused_pointwise(enabled: bool = True) -> Iterator[None]:
    """Around a training step, forward and backward."""
    before, Fused.enabled = Fused.enabled, enabled
    try:
        yield
    finally:
        Fused.enabled = before


def lstm_update(
    input_gates: torch.Tensor, hidden_gates: torch.Tensor | None, memory_BHhw: torch.Tensor, order: str = "ifog"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden state and memory of an LSTM from its gates' two shares, each (B, 4H, h, w) in this order of channels.

    c' = sigma(f) c + sigma(i) tanh(g),  h' = sigma(o) tanh(c').
    """
    if not torch.is_grad_enabled():
        hidden, memory, *_ = _lstm_forward(input_gates, hidden_gates, memory_BHhw, order)
    else:
        hidden, memory = _LSTMUpdate.apply(input_gates, hidden_gates, memory_BHhw, order)
    return hidden, memory


class _LSTMUpdate(torch.autograd.Function):
    """With a backward pass of its own: one pass over what was kept, nothing is computed twice."""

    @staticmethod
    def forward(
        ctx: Any, input_gates: torch.Tensor, hidden_gates: torch.Tensor | None, memory: torch.Tensor, order: str
    ) -> tuple[torch.Tensor, torch.Tensor]:
        hidden, new_memory, *kept = _lstm_forward(input_gates, hidden_gates, memory, order)
        ctx.set_materialize_grads(False)
        ctx.order, ctx.both = order, hidden_gates is not None
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
        of_gates, of_memory = _lstm_backward(of_hidden, of_memory, memory, i, f, o, g, squashed, ctx.order)
        return of_gates, of_gates if ctx.both else None, of_memory, None


def tanh(x: torch.Tensor) -> torch.Tensor:
    """Within compiled code from the sigmoid, equal to rounding: compilers for CPUs make a tanh three times slower."""
    return 2 * torch.sigmoid(2 * x) - 1 if torch.compiler.is_compiling() else torch.tanh(x)


@Fused
def _lstm_forward(
    input_gates: torch.Tensor, hidden_gates: torch.Tensor | None, memory: torch.Tensor, order: str
) -> tuple[torch.Tensor, ...]:
    """Hidden state, memory, and for the way back i, f, o, g and tanh(c')."""
    gates = input_gates.to(memory.dtype)
    if hidden_gates is not None:
        gates = gates + hidden_gates.to(memory.dtype)
    by_name = dict(zip(order, gates.chunk(4, dim=1), strict=True))
    i, f, o = (torch.sigmoid(by_name[name]) for name in "ifo")
    g = tanh(by_name["g"])
    new_memory = f * memory + i * g
    squashed = tanh(new_memory)
    kept = (each.to(input_gates.dtype) for each in (i, f, o, g, squashed))
    return (o * squashed).to(input_gates.dtype), new_memory, *kept


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
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of the gates, (B, 4H, h, w), and of the memory before."""
    dtype = i.dtype
    hidden_gradient, i, f, o, g, squashed = (each.to(memory.dtype) for each in (hidden_gradient, i, f, o, g, squashed))
    total = memory_gradient + hidden_gradient * o * (1 - squashed * squashed)
    by_name = {
        "i": total * g * i * (1 - i),
        "f": total * memory * f * (1 - f),
        "o": hidden_gradient * squashed * o * (1 - o),
        "g": total * i * (1 - g * g),
    }
    return torch.cat([by_name[name] for name in order], dim=1).to(dtype), total * f
