"""What of a piece of work is convolution: its calls recorded below autograd, counted, and run again alone.

Recording takes whatever reaches the kernels: shapes, batching over time, layout and dtype are those of the work itself,
whoever changes how it computes. Matrix products count as convolutions: a 1x1 convolution may be one.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from platform.measure.timing import median_seconds

CONVOLUTION_KERNELS = ("convolution", "conv2d", "aten::mm", "aten::addmm", "aten::bmm")  # as the profiler calls them


@dataclass(frozen=True)
class Call:
    """One call of a kernel, forward or backward, with the very tensors it was given."""

    operator: Any
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    flops: int
    dtype: torch.dtype  # in which it computed

    def again(self) -> None:
        self.operator(*self.arguments, **self.options)


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        result = func(*args, **options)
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            tensors = [each for each in args if isinstance(each, torch.Tensor)]
            self.calls.append(Call(func, args, options, count(*args, **options, out_val=result), tensors[-1].dtype))
        return result


def convolutions_of(work: Callable[[], object]) -> list[Call]:
    """Every convolution that `work` runs, forward and backward, in their order. Holds all their inputs in memory."""
    with _Recorder() as recorder:
        work()
    return recorder.calls


def count_flops(calls: list[Call]) -> int:
    """Additions and multiplications, from the shapes."""
    return sum(call.flops for call in calls)


def main_dtype(calls: list[Call]) -> str:
    """In which most of the operations are done: `float32`, `bfloat16`."""
    counted: dict[torch.dtype, int] = {}
    for call in calls:
        counted[call.dtype] = counted.get(call.dtype, 0) + call.flops
    return str(max(counted, key=lambda dtype: counted[dtype])).removeprefix("torch.")


@dataclass(frozen=True)
class Overhead:
    """Median seconds of a piece of work, and of its convolutions alone."""

    whole_s: float
    convolutions_s: float
    num_convolutions: int
    flops: int
    dtype: str

    @property
    def share(self) -> float:
        """The part of the whole that is not convolution."""
        return 1 - self.convolutions_s / self.whole_s

    @property
    def on_top(self) -> float:
        """What is not convolution, as a part of what is."""
        return self.whole_s / self.convolutions_s - 1


def overhead(work: Callable[[], object], *, repeats: int) -> Overhead:
    """Times `work`, on a processor, then its convolutions.

    They do not take turns: compiled code is slower for good once it has run under the recorder, by a tenth at the
    released sizes, and so is all that runs while the recorded tensors lie in memory.
    """
    whole = median_seconds({"whole": work}, repeats=repeats)
    calls = convolutions_of(work)

    def convolutions() -> None:
        for call in calls:
            call.again()

    with torch.no_grad():
        alone = median_seconds({"convolutions": convolutions}, repeats=repeats)
    return Overhead(whole["whole"], alone["convolutions"], len(calls), count_flops(calls), main_dtype(calls))


def profiled_share(work: Callable[[], object]) -> float:
    """`Overhead.share` of work as torch's profiler tells it, whose own cost is in it: a cross-check."""
    work()  # what is done once, such as compiling, is left out
    with _silent_stderr(), profile(activities=[ProfilerActivity.CPU]) as profiled:
        work()
    whole = convolution = 0.0
    for event in profiled.key_averages():
        whole += event.self_cpu_time_total
        if any(word in event.key for word in CONVOLUTION_KERNELS):
            convolution += event.self_cpu_time_total
    return 1 - convolution / whole


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """The profiler's C++ tells there when it starts and stops, and cannot be asked not to."""
    sys.stderr.flush()
    own, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(own, 2)
        os.close(own)
        os.close(nowhere)
