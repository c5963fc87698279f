"""How fast this machine is at the convolution that our networks are made of: what every rate is held against."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from platform.measure.setting import Setting
from platform.measure.step import wait
from platform.measure.timing import median_seconds
from platform.training.precision import settled_precision

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
BATCHES = (1, 4)  # times the batch: a layer that knows all its inputs can take several steps at once


@dataclass(frozen=True)
class Peak:
    """The most operations a second that a convolution of an inner layer reached, forward and backward."""

    per_s: float
    layout: str
    num_clips: int


def has_fast_bfloat16() -> bool:
    """Does this processor compute in bfloat16 itself, or does it only stand in for it? The promises hold with it."""
    return settled_precision("auto", torch.device("cpu")) == "bfloat16"


def peak(setting: Setting, dtype: torch.dtype, *, repeats: int, device: str = "cpu") -> Peak:
    """The best of both layouts and of several batch sizes, medians."""
    hidden, kernel_size = setting.network.hidden[-1], setting.network.kernel_size
    grid = setting.frame_size // setting.network.patch_size
    found: list[Peak] = []
    for layout, memory_format in LAYOUTS.items():
        for times_batch in BATCHES:
            num_clips = times_batch * setting.batch_size

            def made(*shape: int, memory_format: torch.memory_format = memory_format) -> torch.Tensor:
                return torch.rand(shape, dtype=dtype, device=device).to(memory_format=memory_format)

            x = made(num_clips, 2 * hidden, grid, grid)
            weight = made(4 * hidden, 2 * hidden, kernel_size, kernel_size)
            gradient = made(num_clips, 4 * hidden, grid, grid)
            x.requires_grad_()
            weight.requires_grad_()

            def both_ways(
                x: torch.Tensor = x, weight: torch.Tensor = weight, gradient: torch.Tensor = gradient
            ) -> None:
                torch.autograd.grad(F.conv2d(x, weight, padding=kernel_size // 2), (x, weight), gradient)
                wait(x.device)

            seconds = median_seconds({"convolution": both_ways}, repeats=4 * repeats)["convolution"]
            flops = 3 * 2 * gradient.numel() * 2 * hidden * kernel_size**2  # forward, and back to input and weight
            found.append(Peak(flops / seconds, layout, num_clips))
    return max(found, key=lambda each: each.per_s)
