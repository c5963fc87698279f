"""Layers that a recurrent network runs in every step of a pass, with what is the same in all steps done once.

Within a pass (`one_pass`) a weight is brought to the precision of `torch.autocast` once, not in each step,
and its gradient is computed from many steps in one call. The input of a convolution of [input, hidden] is convolved
apart from the hidden state, so that frames which are known beforehand go through it together.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tmu_models.checks import check_kernel
from tmu_models.pointwise import LSTMUpdate
from tmu_models.step_buffers import as_one

# B clips, or clips of several steps; C H channels, h w grid cells

LEAST_SHARED = 1e8  # multiplications of a step's convolution: below, what sharing saves is less than Python takes
MOST_PENDING = 192  # clips of all steps whose share of a weight's gradient waits to be computed together


class StepConv2d(nn.Conv2d):
    """A Conv2d that keeps the grid, over inputs of `widths` channels that are convolved one by one and added.

    Its weight is that of a Conv2d over all of them concatenated. Raises ShapeError for an even kernel.
    """

    def __init__(
        self,
        widths: Sequence[int],
        out_channels: int,
        kernel_size: int,
        *,
        bias: bool = False,
        full_precision: bool = False,
    ) -> None:
        """With `full_precision` autocast is not followed."""
        check_kernel(kernel_size)
        super().__init__(sum(widths), out_channels, kernel_size, padding=kernel_size // 2, bias=bias)
        self.widths = tuple(widths)
        self.full_precision = full_precision
        self._shared: list[_SharedWeight] | None = None

    def part(self, number: int, x_BChw: torch.Tensor) -> torch.Tensor:
        """The share of one input, (B, out, h, w); the bias is in that of input 0."""
        if self._shared is not None:
            return self._shared[number](x_BChw)
        weight = self.weight.split(self.widths, dim=1)[number]
        return F.conv2d(x_BChw, weight, None if number else self.bias, padding=self.padding)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """All inputs, in their order, (B, out, h, w)."""
        total, *others = (self.part(number, x_BChw) for number, x_BChw in enumerate(inputs))
        for other in others:
            total = total + other
        return total

    def begin_pass(self, num_steps: int) -> None:
        parts = self.weight.split(self.widths, dim=1) if len(self.widths) > 1 else (self.weight,)
        padding = self.kernel_size[0] // 2
        dtype = self.weight.dtype if self.full_precision else pass_dtype(self.weight)
        self._shared = [_SharedWeight(part, None if n else self.bias, padding, dtype) for n, part in enumerate(parts)]

    def end_pass(self) -> None:
        self._shared = None


class StepLayerNorm(nn.LayerNorm):
    """A LayerNorm over (C, h, w) that keeps channels last, as convolutions hand them over."""

    def __init__(self, shape_Chw: tuple[int, int, int]) -> None:
        super().__init__(shape_Chw)
        self._shared: list[torch.Tensor] | None = None

    def forward(self, x_BChw: torch.Tensor) -> torch.Tensor:
        weight, bias = self._shared or self._channels_last()
        normal = F.layer_norm(x_BChw.permute(0, 2, 3, 1), weight.shape, weight, bias, self.eps)
        return normal.permute(0, 3, 1, 2)

    def begin_pass(self, num_steps: int) -> None:
        self._shared = self._channels_last()

    def end_pass(self) -> None:
        self._shared = None

    def _channels_last(self) -> list[torch.Tensor]:
        return [parameter.permute(1, 2, 0).contiguous() for parameter in (self.weight, self.bias)]


@contextmanager
def one_pass(network: nn.Module, num_steps: int) -> Iterator[None]:
    """Around the forward pass of a network; the backward pass may follow outside."""
    kinds = (StepConv2d, StepLayerNorm, LSTMUpdate)
    layers = [module for module in network.modules() if isinstance(module, kinds)]
    for layer in layers:
        layer.begin_pass(num_steps)
    try:
        yield
    finally:
        for layer in layers:
            layer.end_pass()


def pass_dtype(tensor: torch.Tensor) -> torch.dtype:
    """What convolutions compute in: autocast's dtype where it is on, else the tensor's own."""
    kind = tensor.device.type
    if torch.is_autocast_enabled(kind) and tensor.dtype == torch.float32:
        return torch.get_autocast_dtype(kind)
    return tensor.dtype


class _SharedWeight:
    """A weight, and a bias or none, for all the convolutions of one pass."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, padding: int, dtype: torch.dtype) -> None:
        self._pending = _PendingGradient(padding, with_bias=bias is not None)
        self._dtype = dtype
        self._own = weight, bias
        self._cast: tuple[torch.Tensor, torch.Tensor | None] | None = None  # for autograd
        self._weight: torch.Tensor = _Share.apply(weight, bias, self._dtype, self._pending)
        self._bias = None if bias is None else bias.detach().to(self._dtype)

    def __call__(self, x_BChw: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x_BChw.device.type, enabled=False):  # everything has its type already
            return self._convolve(x_BChw.to(self._dtype))

    def _convolve(self, x_BChw: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():
            return F.conv2d(x_BChw, self._weight, self._bias, padding=self._pending.padding)
        if x_BChw.shape[2:].numel() * len(x_BChw) * self._weight.numel() < LEAST_SHARED:
            if self._cast is None:
                weight, bias = self._own
                cast = weight.to(self._dtype, memory_format=torch.channels_last)
                self._cast = cast, None if bias is None else bias.to(self._dtype)
            return F.conv2d(x_BChw, *self._cast, padding=self._pending.padding)
        convolved: torch.Tensor = _Convolve.apply(x_BChw, self._weight, self._bias, self._pending)
        return convolved


class _PendingGradient:
    """What the steps leave for the gradient of their weight: inputs, and gradients of outputs."""

    def __init__(self, padding: int, *, with_bias: bool) -> None:
        self.padding = padding
        self._with_bias = with_bias
        self._inputs: list[torch.Tensor] = []
        self._outputs: list[torch.Tensor] = []
        self._sums: list[torch.Tensor | None] = [None, None]

    def add(self, x: torch.Tensor, gradient: torch.Tensor, weight: torch.Tensor) -> None:
        self._inputs.append(x)
        self._outputs.append(gradient)
        if sum(map(len, self._inputs)) >= MOST_PENDING:
            self._compute(weight)

    def take(self, weight: torch.Tensor) -> list[torch.Tensor | None]:
        """Gradients of weight and bias; None where nothing was convolved."""
        if self._inputs:
            self._compute(weight)
        sums, self._sums = self._sums, [None, None]
        return sums

    def _compute(self, weight: torch.Tensor) -> None:
        # The backward pass came from the last step; buffers begin with the first.
        x, gradient = (as_one(steps[::-1]) for steps in (self._inputs, self._outputs))
        self._inputs, self._outputs = [], []
        wanted = [False, True, self._with_bias]
        computed = _convolution_backward(gradient, x, weight, self.padding, wanted)[1:]
        for place, share in enumerate(computed):
            if share is not None:
                total = self._sums[place]
                # Added up in full precision, whatever the shares were computed in.
                wide = share.float() if share.dtype in (torch.bfloat16, torch.float16) else share
                self._sums[place] = wide if total is None else total + wide


class _Share(torch.autograd.Function):
    """The weight as all steps use it. Its gradient comes from what they left pending, not through autograd."""

    @staticmethod
    def forward(
        ctx: Any, weight: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype, pending: _PendingGradient
    ) -> torch.Tensor:
        ctx.set_materialize_grads(False)
        ctx.pending = pending
        shared = weight.detach().to(dtype, memory_format=torch.channels_last)
        ctx.save_for_backward(shared)
        return shared.view_as(shared)

    @staticmethod
    def backward(ctx: Any, *gradients: None) -> tuple[torch.Tensor | None, ...]:
        (shared,) = ctx.saved_tensors
        return (*ctx.pending.take(shared), None, None)


class _Convolve(torch.autograd.Function):
    """One step's convolution. Autograd calls `_Share.backward` when that of all steps is done."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, pending: _PendingGradient
    ) -> torch.Tensor:
        ctx.pending = pending
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=pending.padding)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        x_gradient = None
        if ctx.needs_input_grad[0]:
            x_gradient = _convolution_backward(gradient, x, weight, ctx.pending.padding, [True, False, False])[0]
        ctx.pending.add(x, gradient, weight)
        return x_gradient, None, None, None


def _convolution_backward(
    gradient: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, padding: int, wanted: list[bool]
) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
    """Gradients of input, weight and bias, as far as they are wanted."""
    once, none = [1, 1], [0, 0]
    return torch.ops.aten.convolution_backward(
        gradient, x, weight, [len(weight)], once, [padding, padding], once, False, none, 1, wanted
    )
